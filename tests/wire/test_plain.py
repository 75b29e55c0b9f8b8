"""Conversations as one text, what is left out, whole answers and complaints."""

from __future__ import annotations

import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import Chat, File, Message, Reasoning, Refusal, Text, Thinking, Tool, ToolCall, ToolResult
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import Ended, Event
from oneapi_asgi.wire.plain import WholeDecoder, broken, files_of, left_out, refused, said, transcript
from oneapi_asgi.wire.sse import EventTooLargeError

USER = Message(role="user", parts=(Text(text="Hi"),))
SYSTEM = Message(role="system", parts=(Text(text="Be brief."),))
CALL = Message(role="assistant", parts=(Reasoning(text="hm"), ToolCall(id="c1", name="time", arguments="{}")))
RESULT = Message(role="tool", parts=(ToolResult(call_id="c1", name="time", parts=(Text(text="noon"),)),))


def test_what_was_set_and_not_told_is_left_out_in_order() -> None:
    chat = Chat(
        model="m",
        messages=(USER,),
        tools=(Tool(name="time"),),
        thinking=Thinking(effort="low"),
        temperature=0.0,
        n=2,
        stream=True,
        include_usage=True,
        functions=True,
        others={"prediction": {}, "inputs": {}},
    )
    assert left_out(chat, {"temperature"}, ("inputs",)) == ("tools", "thinking", "n", "prediction")
    assert left_out(Chat(model="m", messages=(USER,)), ()) == ()


def test_one_question_stays_as_it_is() -> None:
    assert transcript([USER]) == "Hi"


def test_a_conversation_becomes_one_text() -> None:
    assert transcript([SYSTEM, USER, CALL, RESULT]) == (
        "System: Be brief.\n\nUser: Hi\n\nAssistant: [calls time with {}]\n\nTool: [time: noon]"
    )


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (Refusal(text="No."), "No."),
        (Reasoning(text="hm"), ""),
        (File(kind="document", text="a text"), "a text"),
        (File(kind="image", url="https://x.test/a.png"), ""),
        (ToolResult(call_id="c1", parts=(Text(text="oh"),), error=True), "[c1 failed: oh]"),
    ],
)
def test_words_of_a_part(part: Refusal | Reasoning | File | ToolResult, text: str) -> None:
    assert said([part]) == text


@pytest.mark.parametrize("messages", [[], [SYSTEM], [SYSTEM, Message(role="user")]])
def test_a_conversation_without_a_question_is_refused(messages: list[Message]) -> None:
    with pytest.raises(BadRequest) as caught:
        transcript(messages)
    assert caught.value.param == "messages"


def test_files_are_found_with_their_message() -> None:
    image = File(kind="image", url="https://x.test/a.png")
    shown = Message(role="tool", parts=(ToolResult(call_id="c", parts=(image, File(kind="document", text="t"))),))
    made = Message(role="assistant", parts=(image,))
    assert files_of([USER, made, shown, Message(role="user", parts=(image,))]) == [(2, image), (3, image)]


def done(body: bytes) -> list[Event]:
    if body != b"{}":
        raise MalformedAnswerError("no")
    return [Ended()]


def test_a_whole_answer_is_read_at_its_end() -> None:
    decoder = WholeDecoder(done)
    assert decoder.feed(b"{") == decoder.feed(b"}") == []
    assert not decoder.whole
    assert decoder.finish() == [Ended()]
    assert decoder.whole


def test_no_answer_at_all_is_not_whole() -> None:
    decoder = WholeDecoder(done)
    assert decoder.finish() == []
    assert not decoder.whole


def test_a_cut_answer_is_malformed() -> None:
    decoder = WholeDecoder(done)
    decoder.feed(b"{")
    with pytest.raises(MalformedAnswerError):
        decoder.finish()
    assert not decoder.whole


def test_an_answer_has_its_bound() -> None:
    with pytest.raises(EventTooLargeError):
        WholeDecoder(done, limit=3).feed(b"1234")


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"code":"invalid_param","message":"user is required","status":400}', "user is required", "invalid_param"),
        (b'{"code":4000,"msg":"bad"}', "bad", "4000"),
        (b'{"title":"Unauthenticated","detail":"No token.","status":401}', "No token.", None),
        (b'{"title":"Oh"}', "Oh", None),
        (b"<html>", "The provider answered with the status 400.", None),
        (b'{"message":7}', "The provider answered with the status 400.", None),
        (b"\xff", "The provider answered with the status 400.", None),
        (b"[" * 100_000, "The provider answered with the status 400.", None),
        (b'{"message":"' + b"x" * 9000 + b'"}', "x" * 500, None),
    ],
)
def test_complaints(body: bytes, message: str, code: str | None) -> None:
    error = refused(400, body)
    assert (error.status, error.message) == (400, message)
    assert error.code == (code or "upstream_refused")


def test_an_error_within_an_answer() -> None:
    error = broken(502, None, 5000).error
    assert (error.status, error.message, error.code) == (502, "The provider could not answer.", "5000")
