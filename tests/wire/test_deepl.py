"""DeepL: the last message of the user, translated."""

from __future__ import annotations

from typing import Any

import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Message, Part, Target, Text
from oneapi_asgi.wire.deepl import DEEPL
from oneapi_asgi.wire.dialect import MalformedAnswerError, UpstreamDialect
from oneapi_asgi.wire.events import Broken, Ended, Event, Finished, Started, TextDelta
from oneapi_asgi.wire.operations import Operation

from .pieces import same_in_all_pieces

TARGET = Target(model="deepl-de", stream=False)


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts)


HELLO = user(Text(text="Hello"))
BYE = user(Text(text="Bye"))
ANSWER = Message(role="assistant", parts=(Text(text="Hallo"),))


def written(*messages: Message, model: str = "deepl-de", **fields: Any) -> dict[str, Any]:
    target = Target(model=model, stream=False)
    return DEEPL.write(Chat(model="m", messages=messages, **fields), target).body


def test_it_is_an_upstream_dialect() -> None:
    dialect: UpstreamDialect = DEEPL
    assert dialect.path(Operation(name="chat", task="chat"), "x", stream=True) == "/translate"
    assert dialect.path(Operation(name="images", task="images"), "x", stream=False) is None
    assert dialect.key_header == ("authorization", "DeepL-Auth-Key ")


def test_the_last_message_is_translated() -> None:
    assert written(HELLO, ANSWER, BYE) == {"text": ["Bye"], "target_lang": "DE", "show_billed_characters": True}
    assert written(HELLO, ANSWER)["text"] == ["Hello"]


@pytest.mark.parametrize(
    ("model", "language"),
    [("deepl-pt-br", "PT-BR"), ("DE", "DE"), ("deepl-zh-Hans", "ZH-HANS"), ("deepl-en-GB", "EN-GB")],
)
def test_the_model_is_the_language(model: str, language: str) -> None:
    assert written(HELLO, model=model)["target_lang"] == language


@pytest.mark.parametrize("model", ["gpt-4o-mini", "deepl-", "deepl-german", ""])
def test_a_model_without_a_language(model: str) -> None:
    with pytest.raises(BadRequest) as caught:
        written(HELLO, model=model)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param((), id="none"),
        pytest.param((ANSWER,), id="no-user"),
        pytest.param((user(),), id="empty"),
        pytest.param((user(Text(text="x"), File(kind="image", url="https://x.test/a.png")),), id="image"),
    ],
)
def test_what_cannot_be_translated(messages: tuple[Message, ...]) -> None:
    with pytest.raises(BadRequest):
        written(*messages)


def test_what_is_left_out_is_told() -> None:
    others = {"formality": "more", "store": True}
    chat = Chat(model="m", messages=(HELLO, BYE), temperature=1, max_output=3, others=others)
    result = DEEPL.write(chat, TARGET)
    assert result.body["formality"] == "more"
    assert result.dropped == ("messages", "max_output", "temperature", "store")
    assert DEEPL.write(Chat(model="m", messages=(HELLO,)), TARGET).dropped == ()


BODY = b'{"translations":[{"detected_source_language":"EN","text":"Tsch\xc3\xbcss","billed_characters":3}]}'
EVENTS: list[Event] = [
    Started(model="deepl-de"),
    TextDelta("Tschüss"),
    Finished(reason="stop"),
    Usage(input=3),
    Ended(),
]


def test_a_translation() -> None:
    assert DEEPL.decode(BODY, TARGET) == EVENTS
    assert same_in_all_pieces(lambda: DEEPL.decoder(TARGET), BODY) == EVENTS


def test_a_translation_of_nothing() -> None:
    events = DEEPL.decode(b'{"translations":[{"text":null,"billed_characters":-1}]}', TARGET)
    assert events == [Started(model="deepl-de"), Finished(reason="stop"), Ended()]
    (event,) = DEEPL.decode(b'{"translations":[]}', TARGET)
    assert isinstance(event, Broken)


@pytest.mark.parametrize("body", [b"{", b"{}", b"<html>", b'{"translations":{}}', b"[" * 100_000, b'{"x":"\xff"}'])
def test_what_is_no_translation(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        DEEPL.decode(body, TARGET)


@pytest.mark.parametrize(
    ("status", "seen", "code"),
    [(456, 402, "quota_exceeded"), (403, 403, "upstream_refused"), (429, 429, "upstream_refused")],
)
def test_refusals(status: int, seen: int, code: str) -> None:
    error = DEEPL.refusal(status, b'{"message":"Quota Exceeded"}')
    assert (error.status, error.code, error.message) == (seen, code, "Quota Exceeded")
