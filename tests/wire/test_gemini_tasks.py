"""Embeddings and pictures, in Gemini's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import File, Target
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.gemini.format import GEMINI
from oneapi_asgi.wire.tasks import Embed, Embedded, Paint, Painted

TARGET = Target(model="gemini-embedding-001", stream=False)


def read(body: Any, verb: str = "embedContent") -> Embed:
    operation = GEMINI.operation(f"/models/m:{verb}")
    assert operation is not None
    return GEMINI.read_embed(operation, body if isinstance(body, bytes) else json.dumps(body).encode())


def content(*texts: str) -> dict[str, Any]:
    return {"parts": [{"text": text} for text in texts]}


def test_one_is_read() -> None:
    body = {"content": content("a", "b"), "taskType": "CLUSTERING", "title": "t", "output_dimensionality": 8, "x": 1}
    assert read(body) == Embed(
        model="m", inputs=("a\nb",), purpose="CLUSTERING", title="t", dimensions=8, batched=False, others={"x": 1}
    )


def test_a_batch_is_read() -> None:
    config = {"taskType": "CLUSTERING", "autoTruncate": True}
    requests = [
        {"model": "models/m", "content": content("a"), "embedContentConfig": config},
        {"content": content("b"), "taskType": "CLUSTERING"},
    ]
    embed = read({"requests": requests}, "batchEmbedContents")
    assert embed == Embed(model="m", inputs=("a", "b"), purpose="CLUSTERING", others={"auto_truncate": True})


REFUSED = [
    pytest.param({}, "content", id="no-content"),
    pytest.param({"content": {"parts": [{"inlineData": {"data": ""}}]}}, "content.parts[0]", id="no-text"),
    pytest.param({"content": content("a"), "model": "models/other"}, "model", id="another-model"),
    pytest.param(b"{" * 10, None, id="no-json"),
    pytest.param(b'{"content":' + b"[" * 100_000, None, id="too-deep"),
    pytest.param(b'{"content":' + b"[" * 900 + b"]" * 900 + b"}", None, id="rather-deep"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED)
def test_refused(body: Any, param: str | None) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "requests", [[], None, [{"content": content("a"), "title": "x"}, {"content": content("b")}]], ids=str
)
def test_batches_refused(requests: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        read({"requests": requests}, "batchEmbedContents")
    assert caught.value.param == "requests"


def test_vectors_are_told() -> None:
    embedded = Embedded(vectors=((0.5, 1.0),), usage=Usage(input=3))
    usage = {"promptTokenCount": 3, "totalTokenCount": 3}
    one = Embed(model="m", inputs=("a",), batched=False)
    assert json.loads(GEMINI.answer_embed(embedded, one, "")) == {
        "embedding": {"values": [0.5, 1.0]},
        "usageMetadata": usage,
    }
    batch = Embed(model="m", inputs=("a",))
    body = GEMINI.answer_embed(embedded, batch, "")
    assert json.loads(body) == {"embeddings": [{"values": [0.5, 1.0]}], "usageMetadata": usage}
    assert GEMINI.decode_embed(body) == embedded
    assert GEMINI.decode_embed(b'{"embedding":{"values":[1]}}') == Embedded(vectors=((1.0,),))


def test_embeddings_are_written() -> None:
    embed = Embed(
        model="m",
        inputs=("a", "b"),
        dimensions=8,
        purpose="search_query",
        user="u",
        others={"truncate": "END", "_private": 1},
    )
    written = GEMINI.write_embed(embed, TARGET)
    said = {"model": "models/gemini-embedding-001", "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8}
    assert written.body == {"requests": [{"content": content("a"), **said}, {"content": content("b"), **said}]}
    assert written.dropped == ("user", "truncate")
    with pytest.raises(BadRequest, match="tokens"):
        GEMINI.write_embed(Embed(model="m", inputs=((1, 2),)), TARGET)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"embeddings":[{"values":["x"]}]}', b"<"])
def test_no_vectors(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        GEMINI.decode_embed(body)


def test_pictures_are_written() -> None:
    paint = Paint(model="m", prompt="a cat", n=2, size="1792x1024", quality="hd", output_format="png", others={"x": 1})
    written = GEMINI.write_paint(paint, Target(model="gemini-2.5-flash-image", stream=False))
    assert written.body == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "16:9"}},
    }
    assert written.dropped == ("n", "quality", "output_format", "x")


def test_one_picture() -> None:
    written = GEMINI.write_paint(Paint(model="m", prompt="a cat"), Target(model="gemini-2.5-flash-image", stream=False))
    assert written.body["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]}
    assert written.dropped == ()


@pytest.mark.parametrize(
    ("size", "more", "dropped"),
    [
        ("1024x1024", {"aspectRatio": "1:1"}, ()),
        ("auto", {}, ()),
        (None, {}, ()),
        ("big", {}, ("size",)),
        ("0x7", {}, ("size",)),
    ],
)
def test_pictures_of_imagen(size: str | None, more: dict[str, str], dropped: tuple[str, ...]) -> None:
    written = GEMINI.write_paint(
        Paint(model="m", prompt="a cat", n=2, size=size), Target(model="imagen-4.0", stream=False)
    )
    assert written.body == {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2, **more}}
    assert written.dropped == dropped


def test_pictures_are_read() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "aWk="}}
    parts = [{"text": "Here:"}, {**image, "thought": True}, image]
    body = {"candidates": [{"content": {"parts": parts}}, {}], "usageMetadata": {"promptTokenCount": 4}}
    picture = File(kind="image", media_type="image/png", data="aWk=")
    assert GEMINI.decode_paint(json.dumps(body).encode()) == Painted(pictures=(picture,), usage=Usage(input=4))
    predicted = {"predictions": [{"bytesBase64Encoded": "aWk=", "prompt": "a black cat"}, {"raiFilteredReason": "x"}]}
    assert GEMINI.decode_paint(json.dumps(predicted).encode()) == Painted(pictures=(picture,), prompts=("a black cat",))


@pytest.mark.parametrize("body", [b"{}", b'{"candidates":[{"finishReason":"SAFETY"}]}', b'{"predictions":[{}]}', b"<"])
def test_no_pictures(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        GEMINI.decode_paint(body)
