"""Embeddings, reranking and pictures in OpenAI's shape: read, answered, asked upstream, and read from there."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse, ImagesResponse

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import File, Target
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.openai.tasks import (
    answer_embed,
    answer_paint,
    answer_rerank,
    decode_embed,
    decode_paint,
    decode_rerank,
    read_embed,
    read_paint,
    read_rerank,
    write_embed,
    write_paint,
    write_rerank,
)
from oneapi_asgi.wire.tasks import Embed, Embedded, Paint, Painted, Ranked, Rerank, Score

CALL_ID = "0123456789abcdef0123456789abcdef"
TARGET = Target(model="up", stream=False)
VECTORS = ((0.5, -1.25), (0.0, 3.0))


def encoded(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


def target(quirks: str, model: str = "up") -> Target:
    return Target(model=model, stream=False, quirks=frozenset(quirks.split()))


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    ("given_", "inputs", "batched"),
    [
        ("a", ("a",), False),
        (["a"], ("a",), True),
        (["a", "b"], ("a", "b"), True),
        ([1, 2], ((1, 2),), False),
        ([[1, 2], [3]], ((1, 2), (3,)), True),
        (["a", [3]], ("a", (3,)), True),
    ],
)
def test_inputs_of_embeddings_make_the_round(given_: Any, inputs: Any, batched: bool) -> None:
    embed = read_embed(encoded(model="m", input=given_))
    assert embed == Embed(model="m", inputs=inputs, batched=batched)
    assert write_embed(embed, TARGET).body == {"model": "up", "input": given_}


@pytest.mark.parametrize("input_", [[], [[]], [None], [1, "a"], [True], 5, None, {"text": "a"}])
def test_inputs_that_are_none(input_: object) -> None:
    with pytest.raises(BadRequest) as refused:
        read_embed(encoded(model="m", input=input_))
    assert refused.value.param == "input"


def test_fields_of_embeddings() -> None:
    asked = {"dimensions": 8, "encoding_format": "base64", "user": "u", "task": "query", "truncate": True, "late": None}
    embed = read_embed(encoded(model="m", input="a", **asked))
    assert embed == Embed(
        model="m",
        inputs=("a",),
        dimensions=8,
        base64=True,
        purpose="query",
        user="u",
        batched=False,
        others={"truncate": True},
    )
    assert read_embed(encoded(model="m", input="a", output_dimension=8, input_type="x")).dimensions == 8
    written = write_embed(embed, TARGET)
    assert written.body == {"model": "up", "input": "a", "dimensions": 8, "user": "u"}
    assert written.dropped == ("purpose", "truncate")
    written = write_embed(embed, target("input_type output_dimension"))
    assert written.body == {"model": "up", "input": "a", "output_dimension": 8, "input_type": "query", "user": "u"}


@pytest.mark.parametrize("as_base64", [False, True])
def test_answers_of_embeddings(as_base64: bool) -> None:
    embed = Embed(model="m", inputs=("a", "b"), base64=as_base64)
    body = answer_embed(Embedded(vectors=VECTORS, usage=Usage(input=4)), embed, CALL_ID)
    answer = msgspec.json.decode(body)
    if as_base64:
        assert answer["data"][0]["embedding"] == packed(*VECTORS[0])
    else:
        CreateEmbeddingResponse.model_validate_json(body)
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert decode_embed(body) == Embedded(vectors=VECTORS, usage=Usage(input=4))


def test_embeddings_come_in_any_order_and_without_usage() -> None:
    data = [{"index": 1, "embedding": [0.0, 3.0]}, {"index": 0, "embedding": packed(0.5, -1.25)}]
    assert decode_embed(encoded(data=data)) == Embedded(vectors=VECTORS)
    assert decode_embed(encoded(data=[{"embedding": [1, 2]}], usage=None)) == Embedded(vectors=((1.0, 2.0),))
    unknown = msgspec.json.decode(answer_embed(Embedded(vectors=VECTORS), Embed(model="m", inputs=("a",)), CALL_ID))
    assert unknown["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


@settings(max_examples=40)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_base64_makes_the_round(vector: list[float]) -> None:
    embedded = Embedded(vectors=(tuple(vector),))
    assert decode_embed(answer_embed(embedded, Embed(model="m", inputs=("a",), base64=True), CALL_ID)) == embedded


def test_numbers_beyond_float32_do_not_break_it() -> None:
    assert answer_embed(Embedded(vectors=((1e300,),)), Embed(model="m", inputs=("a",), base64=True), CALL_ID)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data":[]}',
        b'{"data":[{"embedding":"&"}]}',
        b'{"data":[{"embedding":"AAA="}]}',
        b'{"data":[{"embedding":null}]}',
        b'{"data":' + b"[" * 100_000,
        b'{"error":{"message":"no"}}',
    ],
)
def test_what_is_no_answer(body: bytes) -> None:
    for decode in (decode_embed, decode_rerank, decode_paint):
        if decode is not decode_rerank or body not in (b"[]", b'{"data":[]}'):
            with pytest.raises(MalformedAnswerError):
                decode(body)


def test_rerank_requests() -> None:
    asked = {"model": "m", "query": "q", "documents": ["a", {"text": "b"}]}
    rerank = Rerank(model="m", query="q", documents=("a", "b"))
    assert read_rerank(encoded(**asked)) == rerank
    full = msgspec.structs.replace(rerank, top_n=1, return_documents=True, others={"rank_fields": ["x"]})
    assert read_rerank(encoded(**asked, top_n=1, return_documents=True, rank_fields=["x"])) == full
    assert read_rerank(encoded(**asked, top_k=1)).top_n == 1
    written = write_rerank(full, TARGET)
    assert written.body == {"model": "up", "query": "q", "documents": ["a", "b"], "top_n": 1}
    assert written.dropped == ("rank_fields",)
    assert write_rerank(full, target("rerank_top_k")).body["top_k"] == 1


@pytest.mark.parametrize("wrong", [{"documents": []}, {"documents": [1]}, {"query": None}, {"top_n": 0}])
def test_rerank_requests_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        read_rerank(encoded(**{"model": "m", "query": "q", "documents": ["a"], **wrong}))


RANKED = (Score(1, 0.9), Score(0, 0.1))
RESULTS = [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"results": RESULTS}, Ranked(scores=RANKED), id="results"),
        pytest.param(
            {"data": RESULTS, "usage": {"total_tokens": 9}}, Ranked(scores=RANKED, usage=Usage(input=9)), id="data"
        ),
        pytest.param(
            {"results": RESULTS, "meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 7}}},
            Ranked(scores=RANKED, usage=Usage(input=7), units=1),
            id="units",
        ),
        pytest.param([{"index": 0, "score": 0.1}, {"index": 1, "score": 0.9}], Ranked(scores=RANKED), id="list"),
    ],
)
def test_rerank_answers_of_upstreams(body: Any, expected: Ranked) -> None:
    assert decode_rerank(msgspec.json.encode(body)) == expected


def test_rerank_answers() -> None:
    rerank = Rerank(model="m", query="q", documents=("a", "b"))
    ranked = Ranked(scores=RANKED, usage=Usage(input=9), units=1)
    plain = msgspec.json.decode(answer_rerank(ranked, rerank, CALL_ID))
    assert plain["results"] == [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    assert (plain["usage"]["total_tokens"], plain["meta"]["billed_units"]["search_units"]) == (9, 1)
    assert decode_rerank(msgspec.json.encode(plain)) == ranked
    best = msgspec.structs.replace(rerank, top_n=1, return_documents=True)
    assert msgspec.json.decode(answer_rerank(Ranked(scores=RANKED), best, CALL_ID)) == {
        "id": CALL_ID,
        "model": "m",
        "results": [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}],
    }


def test_paint_requests() -> None:
    asked = {"size": "1x1", "quality": "high", "background": "auto", "output_format": "webp", "user": "u"}
    paint = read_paint(encoded(model="m", prompt="p", n=2, response_format="url", style="vivid", stream=False, **asked))
    assert paint == Paint(model="m", prompt="p", n=2, response_format="url", others={"style": "vivid"}, **asked)
    assert read_paint(encoded(prompt="p")).model == "dall-e-2"
    written = write_paint(paint, TARGET)
    assert written.body == {"model": "up", "prompt": "p", "n": 2, "response_format": "url", **asked}
    assert written.dropped == ("style",)
    assert write_paint(paint, target("rare_fields")).body["style"] == "vivid"
    assert "response_format" not in write_paint(paint, target("", "gpt-image-1")).body
    with pytest.raises(BadRequest):
        read_paint(encoded(prompt="p", response_format="svg"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            {"data": [{"b64_json": "iVBO", "revised_prompt": "P"}], "usage": {"input_tokens": 3, "output_tokens": 4}},
            Painted(
                pictures=(File(kind="image", media_type="image/png", data="iVBO"),),
                prompts=("P",),
                usage=Usage(input=3, output=4),
            ),
            id="data",
        ),
        pytest.param(
            {"data": [{"b64_json": "/9j/"}]},
            Painted(pictures=(File(kind="image", media_type="image/jpeg", data="/9j/"),)),
            id="looked-at",
        ),
        pytest.param(
            {"data": [{"b64_json": "data:image/webp;base64,AAAA"}], "output_format": "webp"},
            Painted(pictures=(File(kind="image", media_type="image/webp", data="AAAA"),)),
            id="told",
        ),
        pytest.param(
            {"data": [{"url": "https://a"}, {}]}, Painted(pictures=(File(kind="image", url="https://a"),)), id="url"
        ),
        pytest.param(
            {"images": [{"url": "data:image/png;base64,iVBO"}]},
            Painted(pictures=(File(kind="image", media_type="image/png", data="iVBO"),)),
            id="images",
        ),
    ],
)
def test_pictures_of_upstreams(body: Any, expected: Painted) -> None:
    assert decode_paint(msgspec.json.encode(body)) == expected


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [
        (None, [{"b64_json": "iVBO", "revised_prompt": "P"}, {"url": "https://a"}]),
        ("b64_json", [{"b64_json": "iVBO", "revised_prompt": "P"}, {"url": "https://a"}]),
        ("url", [{"url": "data:image/png;base64,iVBO", "revised_prompt": "P"}, {"url": "https://a"}]),
    ],
)
def test_answers_with_pictures(response_format: Any, expected: list[Any]) -> None:
    pictures = (File(kind="image", media_type="image/png", data="iVBO"), File(kind="image", url="https://a"))
    painted = Painted(pictures=pictures, prompts=("P", ""), usage=Usage(input=3, output=4, input_image=1))
    body = answer_paint(painted, Paint(model="m", prompt="p", response_format=response_format), CALL_ID)
    ImagesResponse.model_validate_json(body)
    answer = msgspec.json.decode(body)
    assert answer["data"] == expected
    assert answer["usage"]["input_tokens_details"] == {"text_tokens": 2, "image_tokens": 1}
    assert "usage" not in msgspec.json.decode(
        answer_paint(Painted(pictures=pictures), Paint(model="m", prompt="p"), CALL_ID)
    )
