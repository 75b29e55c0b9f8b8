"""The Responses format: what it is called, what it echoes, what goes wrong, and any answer at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import InputTokenCountResponse, Response, ResponseErrorEvent, ResponseFailedEvent

from oneapi_asgi import errors
from oneapi_asgi.errors import BadRequest, GatewayError, RateLimited, UpstreamFailed, UpstreamRefused
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, Message, Target, Text, ToolResult
from oneapi_asgi.wire.dialect import ChatDialect, ClientDialect, CountDialect, ModelCard, UpstreamDialect
from oneapi_asgi.wire.events import (
    Answer,
    Broken,
    Choice,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.responses.format import RESPONSES, Responses
from oneapi_asgi.wire.sealed import Signature
from oneapi_asgi.wire.sse import datas

CALL_ID = "0123456789abcdef" * 2
FORMAT = Responses(clock=lambda: 99.5)
CHAT = Chat(model="ours", messages=(Message(role="user", parts=(Text(text="Hi"),)),))


def operation(path: str) -> Operation:
    found = RESPONSES.operation(path)
    assert found is not None
    return found


def told(raw: bytes) -> list[Any]:
    return [msgspec.json.decode(data) for data in datas(raw)]


def test_what_it_is() -> None:
    client: ClientDialect = RESPONSES
    upstream: UpstreamDialect = RESPONSES
    assert client.name == upstream.name == "responses"
    assert isinstance(RESPONSES, ChatDialect)
    assert isinstance(RESPONSES, CountDialect)
    assert set(client.names) <= set(Chat.__struct_fields__)


def test_paths() -> None:
    create, count = operation("/responses"), operation("/responses/input_tokens")
    assert (create.task, create.output_limits, create.choice_fields) == ("chat", ("max_output_tokens",), ())
    assert (count.task, count.free, count.output) == ("count", True, False)
    for path in ("/responses/resp_1", "/responses/compact", "/chat/completions", "/responses/"):
        assert RESPONSES.operation(path) is None
    assert not RESPONSES.owns("/models", {}, "")


def test_where_upstreams_are_asked() -> None:
    chat, other = Operation(name="chat", task="chat"), Operation(name="embeddings", task="embeddings")
    assert RESPONSES.path(chat, "m", stream=True) == "/responses"
    assert RESPONSES.path(operation("/responses/input_tokens"), "m", stream=False) == "/responses/input_tokens"
    assert RESPONSES.path(other, "m", stream=False) is None
    assert (RESPONSES.key_header, RESPONSES.version) == (("authorization", "Bearer "), "")


def test_lists_of_models() -> None:
    line = {"id": "m", "object": "model", "created": 7, "owned_by": "o"}
    card = ModelCard("m", "o", 7)
    assert RESPONSES.model(card) == line
    assert RESPONSES.models([card]) == {"object": "list", "data": [line]}


def test_counts() -> None:
    found = InputTokenCountResponse.model_validate_json(RESPONSES.answer_count(7), strict=True)
    assert found.input_tokens == 7


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "GatewayError"])
def test_every_error_has_an_envelope_and_a_frame(name: str) -> None:
    error: GatewayError = getattr(errors, name)('Say "no".\n\u2028')
    assert msgspec.json.decode(RESPONSES.error(error, "req")) == {
        "error": {"message": error.message, "type": error.type, "param": None, "code": error.code}
    }
    frame = RESPONSES.error_event(error)
    assert frame.startswith(b"event: error\ndata: {")
    event = ResponseErrorEvent.model_validate(told(frame)[0], strict=True)
    assert (event.message, event.code, event.sequence_number) == (error.message, error.code, 0)
    encoder = FORMAT.encoder(CHAT, CALL_ID)
    failed = ResponseFailedEvent.model_validate(told(encoder.fail(error))[-1], strict=True)
    assert failed.response.error is not None
    assert failed.response.error.message == error.message


CODES = [
    pytest.param(RateLimited("x"), "rate_limit_exceeded", id="rate"),
    pytest.param(UpstreamFailed("x"), "server_error", id="upstream"),
    pytest.param(BadRequest("x", code="odd"), "invalid_prompt", id="request"),
    pytest.param(UpstreamRefused("x", code="bio_policy"), "bio_policy", id="known"),
]


@pytest.mark.parametrize(("error", "code"), CODES)
def test_c64_streams_that_break_off(error: GatewayError, code: str) -> None:
    for broken_in_band in (False, True):
        encoder = FORMAT.encoder(CHAT, CALL_ID)
        begun: list[Event] = [Started(), TextDelta("Hi"), ToolStarted(index=0, id="c", name="f"), ToolDelta(0, '{"a')]
        raw = encoder.encode(begun)
        raw += encoder.encode([Broken(error), TextDelta("late")]) if broken_in_band else encoder.fail(error)
        assert encoder.finish() == encoder.fail(error) == encoder.encode([TextDelta("late")]) == b""
        *_, event, last = told(raw)
        assert [event["type"], last["type"]] == ["error", "response.failed"]
        assert [frame["sequence_number"] for frame in told(raw)] == list(range(len(told(raw))))
        response = Response.model_validate(last["response"], strict=True)
        assert response.status == "failed"
        assert response.error is not None
        assert response.error.code == code
        assert response.output_text == "Hi"
        assert [item["status"] for item in last["response"]["output"]] == ["completed", "incomplete"]
        assert "response.completed" not in [frame["type"] for frame in told(raw)]


def test_a_stream_that_breaks_off_in_a_thought() -> None:
    encoder = FORMAT.encoder(CHAT, CALL_ID)
    raw = encoder.encode([Started(), ReasoningEnded(signature=Signature("x", "m", "s"), redacted=True)])
    thought = told(raw + encoder.fail(UpstreamFailed("x")))[-1]["response"]["output"][0]
    assert (thought["status"], thought["summary"]) == ("incomplete", [])


def test_parts_that_no_model_makes_are_left_out() -> None:
    answer = Answer(choices=[Choice(parts=[ToolResult(call_id="c")], finish="stop")])
    assert msgspec.json.decode(FORMAT.answer(answer, CHAT, CALL_ID))["output"] == []
    said = Message(role="assistant", parts=(ToolResult(call_id="c"), Text(text="a")))
    written = FORMAT.write(Chat(model="m", messages=(said,)), Target(model="m", stream=False))
    assert written.body["input"] == [{"type": "message", "role": "assistant", "content": "a"}]


def test_an_answer_that_failed() -> None:
    found = msgspec.json.decode(FORMAT.answer(collect([Started(), Broken(UpstreamFailed("x"))]), CHAT, CALL_ID))
    assert (found["status"], found["error"]["code"]) == ("failed", "server_error")


def test_what_was_asked_is_echoed() -> None:
    asked = {
        "instructions": "Be brief.",
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": None},
            {"type": "custom", "name": "sql"},
            {"type": "web_search", "search_context_size": "low"},
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "metadata": {"a": "b"},
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "reasoning": {"effort": "low"},
        "temperature": 0.5,
        "top_p": 0.25,
        "max_output_tokens": 9,
        "truncation": "auto",
        "user": "u",
    }
    body = msgspec.json.encode({"model": "ours", "input": "Hi", "store": True} | asked)
    chat = FORMAT.read(operation("/responses"), body)
    found = msgspec.json.decode(FORMAT.answer(collect([Started(), Finished(reason="stop")]), chat, CALL_ID))
    assert {name: found[name] for name in asked} == asked
    assert found["store"] is False, "the gateway keeps nothing"
    Response.model_validate(found, strict=True)


def test_what_was_not_asked_is_echoed_too() -> None:
    body = msgspec.json.encode({"model": "ours", "input": "Hi", "tools": None, "text": {"verbosity": None}})
    chat = FORMAT.read(operation("/responses"), body)
    found = msgspec.json.decode(FORMAT.answer(collect([Started()]), chat, CALL_ID))
    expected = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "metadata": {}, "temperature": None}
    assert {name: found[name] for name in expected} == expected
    assert found["text"] == {"format": {"type": "text"}}


REFUSALS = [
    pytest.param(
        b'{"error":{"message":"No.","type":"t","code":"c","param":"p"}}', ("No.", "t", "c", "p"), id="C58-envelope"
    ),
    pytest.param(
        b'{"error":{"message":"No.","code":7}}',
        ("No.", "invalid_request_error", "upstream_refused", None),
        id="numbers",
    ),
    pytest.param(b'{"error":"No."}', ("No.", "invalid_request_error", "upstream_refused", None), id="text"),
    pytest.param(b'{"detail":"No."}', ("No.", "invalid_request_error", "upstream_refused", None), id="detail"),
    pytest.param(
        b"<html>", ("The upstream refused the request.", "invalid_request_error", "upstream_refused", None), id="html"
    ),
    pytest.param(
        b"\xff", ("The upstream refused the request.", "invalid_request_error", "upstream_refused", None), id="bytes"
    ),
]


@pytest.mark.parametrize(("body", "expected"), REFUSALS)
def test_c57_c58_refusals(body: bytes, expected: tuple[Any, ...]) -> None:
    found = RESPONSES.refusal(413, body)
    assert found.status == 413
    assert (found.message, found.type, found.code, found.param) == expected


def test_refusals_are_bounded() -> None:
    assert len(RESPONSES.refusal(400, msgspec.json.encode({"message": "x" * 9000})).message) == 2000


REASONS: tuple[FinishReason, ...] = ("stop", "length", "tool_calls", "content_filter")
WORDS = st.text(min_size=1, max_size=4)
SIGNATURES = st.none() | st.builds(Signature, st.just("responses"), st.just("m"), st.text("ab", min_size=1, max_size=3))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Any run of events that a decoder may give."""
    events: list[Event] = [Started(id="x", model="m", created=7)]
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["text", "thought", "refusal", "call"]), max_size=6)):
        pieces = draw(st.lists(WORDS, max_size=3))
        if kind == "text":
            events += [TextDelta(piece) for piece in pieces]
        elif kind == "refusal":
            events += [RefusalDelta(piece) for piece in pieces]
        elif kind == "thought":
            events += [ReasoningDelta(piece) for piece in pieces]
            events += [ReasoningEnded(signature=draw(SIGNATURES))] if draw(st.booleans()) else []
        else:
            events.append(ToolStarted(index=calls, id=f"call_{calls}", name="f", custom=draw(st.booleans())))
            events += [ToolDelta(calls, piece) for piece in pieces]
            events += [ToolEnded(calls)] if draw(st.booleans()) else []
            calls += 1
    counts = [Usage(input=3, output=2)] if draw(st.booleans()) else []
    return [*events, *counts, Finished(reason=draw(st.sampled_from(REASONS)))]


@given(answers(), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_p2_any_answer_is_the_same_in_a_stream(events: list[Event], step: int) -> None:
    encoder = FORMAT.encoder(CHAT, CALL_ID)
    batches = [events[start : start + step] for start in range(0, len(events), step)]
    frames = told(b"".join(encoder.encode(batch) for batch in batches) + encoder.finish())
    whole = msgspec.json.decode(FORMAT.answer(collect(events), CHAT, CALL_ID))
    assert frames[-1]["response"] == whole
    Response.model_validate(whole, strict=True)
    deltas: dict[int, str] = {}
    for frame in frames:
        if frame["type"].endswith(".delta"):
            deltas[frame["output_index"]] = deltas.get(frame["output_index"], "") + frame["delta"]
    assert deltas == {index: text for index, item in enumerate(whole["output"]) if (text := shown(item))}


def test_empty_pieces_part_nothing() -> None:
    encoder = FORMAT.encoder(CHAT, CALL_ID)
    events: list[Event] = [
        ReasoningDelta("a"),
        TextDelta(""),
        ReasoningDelta("b"),
        RefusalDelta(""),
        Finished(reason="stop"),
    ]
    (item,) = told(encoder.encode(events) + encoder.finish())[-1]["response"]["output"]
    assert item["summary"] == [{"type": "summary_text", "text": "ab"}]


def shown(item: dict[str, Any]) -> str:
    parts = item.get("content", []) + item.get("summary", [])
    pieces = [part.get("text", "") + part.get("refusal", "") for part in parts]
    return "".join([*pieces, item.get("arguments", ""), item.get("input", "")])


@given(answers())
@settings(max_examples=60, deadline=None)
def test_any_answer_is_read_as_it_was_told(events: list[Event]) -> None:
    encoder = FORMAT.encoder(CHAT, CALL_ID)
    raw = encoder.encode(events) + encoder.finish()
    decoder = FORMAT.decoder(Target(model="m", stream=True))
    found = collect([*decoder.feed(raw), *decoder.finish()])
    assert decoder.whole
    was = collect(events).choices[0]
    answer = found.choices[0]
    assert (answer.text, answer.reasoning, answer.refusal) == (was.text, was.reasoning, was.refusal)
    assert [(call.id, call.arguments, call.custom) for call in answer.calls] == [
        (call.id, call.arguments, call.custom) for call in was.calls
    ]
