"""Replicate: predictions of models that write and of models that paint."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Message, Target, Text, Thinking
from oneapi_asgi.wire.dialect import MalformedAnswerError, Painter, UpstreamDialect
from oneapi_asgi.wire.events import Broken, Ended, Event, FileMade, Finished, Started, TextDelta
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.replicate import REPLICATE
from oneapi_asgi.wire.tasks import Paint

from .pieces import fed, same_in_all_pieces

TARGET = Target(model="meta/meta-llama-3-70b-instruct", stream=False)
CHAT = Operation(name="chat", task="chat")
USER = Message(role="user", parts=(Text(text="Hi"),))
ANSWER = Message(role="assistant", parts=(Text(text="Hello"),))
SYSTEM = Message(role="system", parts=(Text(text="Be brief."),))
INLINE = File(kind="image", media_type="image/png", data="AA==")
LINKED = File(kind="image", url="https://x.test/a.png")


def given(*messages: Message, **fields: Any) -> dict[str, Any]:
    body = REPLICATE.write(Chat(model="m", messages=messages, **fields), TARGET).body
    assert body.keys() == {"input"}
    found: dict[str, Any] = body["input"]
    return found


def test_it_is_an_upstream_dialect_that_paints() -> None:
    dialect: UpstreamDialect = REPLICATE
    painter: Painter = REPLICATE
    assert dialect.tasks == {"chat", "images"}
    assert isinstance(painter, Painter)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("meta/llama-3", "/models/meta/llama-3/predictions"),
        ("meta/llama-3:abc123", "/predictions"),
        ("deployments/me/mine", "/deployments/me/mine/predictions"),
        ("llama-3", None),
        ("../x", None),
        ("a/b?c", None),
    ],
)
def test_the_path_names_the_model(model: str, path: str | None) -> None:
    assert REPLICATE.path(CHAT, model, stream=False) == path
    assert REPLICATE.path(Operation(name="images", task="images"), model, stream=False) == path
    assert REPLICATE.path(Operation(name="embeddings", task="embeddings"), model, stream=False) is None


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_question_waits_for_its_answer() -> None:
    written = REPLICATE.write(Chat(model="m", messages=(USER,)), TARGET)
    assert (written.body, written.headers) == ({"input": {"prompt": "Hi"}}, (("prefer", "wait"),))


def test_a_version_is_named_in_the_body() -> None:
    target = Target(model="meta/llama-3:abc123", stream=False)
    written = REPLICATE.write(Chat(model="m", messages=(USER,)), target)
    assert written.body == {"version": "abc123", "input": {"prompt": "Hi"}}


def test_a_conversation_becomes_a_prompt() -> None:
    assert given(SYSTEM, USER, ANSWER, USER) == {
        "prompt": "User: Hi\n\nAssistant: Hello\n\nUser: Hi\n\nAssistant:",
        "system_prompt": "Be brief.",
    }


def test_inputs_that_most_models_have() -> None:
    fields = given(USER, max_output=9, temperature=0.5, top_p=0.9, top_k=3, seed=1, stop=("a", "b"), presence_penalty=1)
    assert fields == {
        "prompt": "Hi",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "seed": 1,
        "stop_sequences": "a,b",
        "presence_penalty": 1,
    }


def test_ones_own_inputs_win() -> None:
    chat = Chat(model="m", messages=(USER,), temperature=1, others={"input": {"temperature": 2, "min_tokens": 3}})
    written = REPLICATE.write(chat, TARGET)
    assert written.body["input"] == {"prompt": "Hi", "temperature": 2, "min_tokens": 3}
    assert written.dropped == ()


def test_what_is_left_out_is_told() -> None:
    chat = Chat(
        model="m",
        messages=(USER,),
        thinking=Thinking(effort="low"),
        stop=(",",),
        n=2,
        user="u",
        others={"input": "x", "store": True},
    )
    assert REPLICATE.write(chat, TARGET).dropped == ("thinking", "stop", "n", "user", "input", "store")


@pytest.mark.parametrize(
    ("file", "image"), [(INLINE, "data:image/png;base64,AA=="), (LINKED, "https://x.test/a.png")], ids=["inline", "url"]
)
def test_one_image_may_be_shown(file: File, image: str) -> None:
    assert given(Message(role="user", parts=(Text(text="Look"), file))) == {"prompt": "Look", "image": image}


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((Text(text="x"), INLINE, LINKED), id="two-images"),
        pytest.param((Text(text="x"), File(kind="audio", data="AA==")), id="audio"),
        pytest.param((Text(text="x"), File(kind="image", file_id="7")), id="file-id"),
        pytest.param((INLINE,), id="no-text"),
    ],
)
def test_what_cannot_be_said(parts: tuple[Text | File, ...]) -> None:
    with pytest.raises(BadRequest) as caught:
        given(Message(role="user", parts=parts))
    assert (caught.value.param or "").startswith("messages")


def test_only_a_system_message_cannot_be_said() -> None:
    with pytest.raises(BadRequest):
        given(SYSTEM)


# --- answers ----------------------------------------------------------------------------------------------------------


def prediction(**fields: object) -> bytes:
    return msgspec.json.encode({"id": "gm3q", "status": "succeeded", "error": None, "logs": "", **fields})


STARTED = Started(id="gm3q", model=TARGET.model)
METRICS = {"predict_time": 0.5, "input_token_count": 7, "output_token_count": 3}
TOLD: list[Event] = [Finished(reason="stop"), Usage(input=7, output=3), Ended()]


@pytest.mark.parametrize(
    "output", [["Hel", "lo"], "Hello", {"text": "Hello"}, {"output": ["Hello", 7]}], ids=["list", "text", "dict", "odd"]
)
def test_outputs_are_put_together(output: object) -> None:
    body = prediction(output=output, metrics=METRICS)
    assert REPLICATE.decode(body, TARGET) == [STARTED, TextDelta("Hello"), *TOLD]
    assert same_in_all_pieces(lambda: REPLICATE.decoder(TARGET), body) == [STARTED, TextDelta("Hello"), *TOLD]


@pytest.mark.parametrize("output", [None, {"odd": 1}, {"text": {}}, 7, ""])
def test_an_output_that_says_nothing(output: object) -> None:
    assert REPLICATE.decode(prediction(output=output), TARGET) == [STARTED, Finished(reason="stop"), Ended()]


def test_pictures_within_an_answer() -> None:
    links = ["https://replicate.delivery/a.png", "data:image/png;base64,AA=="]
    events = REPLICATE.decode(prediction(output=links), TARGET)
    picture = File(kind="image", url="https://replicate.delivery/a.png")
    assert events[1:3] == [FileMade(picture), FileMade(INLINE)]
    text = REPLICATE.decode(prediction(output="https://x.test is a page"), TARGET)
    assert text[1] == TextDelta("https://x.test is a page")


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"status": "failed", "error": "CUDA out of memory"}, 502, "CUDA out of memory"),
        ({"status": "canceled", "error": None}, 502, "The prediction was canceled."),
        ({"status": "processing", "output": None}, 504, "not done within a minute"),
    ],
)
def test_predictions_without_an_answer(fields: dict[str, object], status: int, message: str) -> None:
    decoder = REPLICATE.decoder(TARGET)
    (event,) = fed(decoder, [prediction(**fields)])
    assert isinstance(event, Broken)
    assert event.error.status == status
    assert message in event.error.message
    assert decoder.whole


@pytest.mark.parametrize("body", [b"{", b"{}", b"[]", b'{"status":7}', b"[" * 100_000])
def test_what_is_no_prediction(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        REPLICATE.decode(body, TARGET)


def test_refusals() -> None:
    error = REPLICATE.refusal(422, b'{"title":"Input validation failed","detail":"- input: prompt is required"}')
    assert (error.status, error.message) == (422, "- input: prompt is required")


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "inputs", "dropped"),
    [
        ({}, {}, ()),
        ({"size": "1024x1024"}, {"aspect_ratio": "1:1"}, ()),
        ({"size": "1024x1536", "n": 2}, {"aspect_ratio": "2:3", "num_outputs": 2}, ()),
        ({"size": "auto", "quality": "auto", "background": "auto"}, {}, ()),
        ({"size": "1792x1024"}, {}, ("size",)),
        ({"size": "0x5"}, {}, ("size",)),
        ({"size": "1x" + "9" * 9000}, {}, ("size",)),
        ({"output_format": "jpeg", "response_format": "url"}, {"output_format": "jpg"}, ()),
        (
            {
                "output_format": "gif",
                "response_format": "b64_json",
                "quality": "hd",
                "background": "opaque",
                "user": "u",
            },
            {},
            ("quality", "background", "output_format", "response_format", "user"),
        ),
        ({"others": {"input": {"seed": 1}, "style": "vivid"}}, {"seed": 1}, ("style",)),
        ({"others": {"input": 7}}, {}, ("input",)),
    ],
)
def test_a_picture_is_asked(fields: dict[str, Any], inputs: dict[str, object], dropped: tuple[str, ...]) -> None:
    target = Target(model="black-forest-labs/flux-schnell", stream=False)
    written = REPLICATE.write_paint(Paint(model="m", prompt="a cat", **fields), target)
    assert written.body == {"input": {"prompt": "a cat", **inputs}}
    assert written.dropped == dropped
    assert written.headers == (("prefer", "wait"),)


def test_pictures_are_links_or_inline() -> None:
    painted = REPLICATE.decode_paint(prediction(output=["https://x.test/a.png", "data:image/png;base64,AA=="]))
    assert painted.pictures == (LINKED, INLINE)
    assert painted.usage is None
    assert REPLICATE.decode_paint(prediction(output="https://x.test/a.png")).pictures == (LINKED,)


@pytest.mark.parametrize("fields", [{"status": "failed"}, {"status": "starting"}, {"output": []}, {"output": None}])
def test_no_picture(fields: dict[str, object]) -> None:
    with pytest.raises(MalformedAnswerError):
        REPLICATE.decode_paint(prediction(**fields))
