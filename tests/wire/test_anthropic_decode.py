"""Anthropic's Messages: answers of upstreams, whole and as streams, and their complaints."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from oneapi_asgi.models import Usage
from oneapi_asgi.wire.anthropic.format import ANTHROPIC
from oneapi_asgi.wire.anthropic.writing import ANSWER_TOOL
from oneapi_asgi.wire.chat import Chat, Format, Message, Reasoning, Refusal, Target, Text, ToolCall
from oneapi_asgi.wire.events import (
    Answer,
    Choice,
    Citation,
    Ended,
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.sealed import Signature

from .streams import event, pieces

TARGET = Target(model="claude-up", stream=True)
SIGNATURE = Signature("anthropic", "claude-up", "sig")
START = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 4, "output_tokens": 1}
LIVES = {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3}


def typed(kind: str, **fields: object) -> bytes:
    return event({"type": kind, **fields}, kind)


def begun(**usage: object) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "content": []}
    return typed("message_start", message=message | {"stop_reason": None, "usage": START | usage})


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    told = [typed("content_block_delta", index=index, delta=delta) for delta in deltas]
    return b"".join(
        [
            typed("content_block_start", index=index, content_block=start),
            *told,
            typed("content_block_stop", index=index),
        ]
    )


def ended(reason: str | None, **more: object) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None} | more
    usage = {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 7}}
    return typed("message_delta", delta=delta, usage=usage) + typed("message_stop")


TEXT = {"type": "text", "text": ""}
PING = typed("ping")
COUNTED = Usage(input=19, output=20, cache_read=5, cache_write=4, reasoning=7)


class Case(Struct):
    name: str
    raw: bytes
    choice: Choice
    usage: Usage = COUNTED


def text_delta(text: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": text}


def json_delta(text: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": text}


def tool(name: str = "f", **more: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}, **more}


THINKING = {"type": "thinking", "thinking": "", "signature": ""}
FOUND = {
    "type": "web_search_result_location",
    "url": "https://a",
    "title": "A",
    "cited_text": "q",
    "encrypted_index": "e",
}
PAGE = {"type": "page_location", "document_index": 0, "document_title": "D", "cited_text": "q"}

CASES = [
    Case(
        "C61-C63",
        begun() + PING + block(0, TEXT, text_delta("Grüß"), text_delta(" 👋\u2028")) + PING + ended("end_turn"),
        Choice(parts=[Text(text="Grüß 👋\u2028")], finish="stop"),
    ),
    Case(
        "C48",
        begun()
        + block(0, TEXT, text_delta("See."))
        + block(1, tool(), json_delta(""), json_delta('{"a":'), json_delta(" 1}"))
        + block(2, tool("g", id="toolu_2"), json_delta("{}"))
        + ended("tool_use"),
        Choice(
            parts=[
                Text(text="See."),
                ToolCall(id="toolu_1", name="f", arguments='{"a": 1}'),
                ToolCall(id="toolu_2", name="g"),
            ],
            finish="tool_calls",
        ),
    ),
    Case(
        "C62",
        begun() + block(0, tool(), json_delta("")) + ended("tool_use"),
        Choice(parts=[ToolCall(id="toolu_1", name="f")], finish="tool_calls"),
    ),
    Case(
        "input at once",
        begun() + block(0, tool(input={"a": 1})) + block(1, tool(id="t", input='{"b":2}')) + ended("tool_use"),
        Choice(
            parts=[
                ToolCall(id="toolu_1", name="f", arguments='{"a":1}'),
                ToolCall(id="t", name="f", arguments='{"b":2}'),
            ],
            finish="tool_calls",
        ),
    ),
    Case(
        "C53",
        begun()
        + block(
            0, THINKING, {"type": "thinking_delta", "thinking": "Hm."}, {"type": "signature_delta", "signature": "sig"}
        )
        + block(1, {"type": "redacted_thinking", "data": "sig"})
        + block(2, THINKING)
        + block(3, TEXT, text_delta("42"))
        + ended("end_turn"),
        Choice(
            parts=[
                Reasoning(text="Hm.", signature=SIGNATURE),
                Reasoning(signature=SIGNATURE, redacted=True),
                Text(text="42"),
            ],
            finish="stop",
        ),
    ),
    Case(
        "C54",
        begun(cache_creation=LIVES) + block(0, TEXT, text_delta("a")) + ended("max_tokens"),
        Choice(parts=[Text(text="a")], finish="length"),
        Usage(input=19, output=20, cache_read=5, cache_write=1, cache_write_1h=3, reasoning=7),
    ),
    Case(
        "searched",
        begun()
        + block(
            0, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, json_delta('{"query":"q"}')
        )
        + block(1, {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result"}]})
        + block(2, TEXT, text_delta("In "))
        + block(
            3,
            TEXT,
            {"type": "citations_delta", "citation": FOUND},
            text_delta("Oslo"),
            {"type": "citations_delta", "citation": PAGE},
        )
        + ended("pause_turn"),
        Choice(
            parts=[Text(text="In Oslo")],
            citations=[Citation(url="https://a", title="A", quote="q", start=3, end=7)],
            finish="pause",
        ),
    ),
    Case(
        "C49-refusal",
        begun() + ended("refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": "No."}),
        Choice(parts=[Refusal(text="No.")], finish="content_filter"),
    ),
    Case(
        "C33-answer",
        begun() + block(0, tool(ANSWER_TOOL), json_delta('{"a"'), json_delta(":1}")) + ended("tool_use"),
        Choice(parts=[Text(text='{"a":1}')], finish="stop"),
    ),
    Case(
        "what others leave out",
        typed("message_start", message={"content": None, "usage": None})
        + typed("content_block_start", content_block={"type": "text", "text": "a", "citations": None})
        + typed("content_block_delta", delta=text_delta("b"))
        + typed("content_block_stop")
        + typed("content_block_start", content_block=tool())
        + typed("content_block_delta", delta=json_delta("{}"))
        + typed("unheard_of", index=7, more={"x": [1]})
        + typed("content_block_stop", index=9)
        + typed("message_delta", delta={"stop_reason": None}, usage={"input_tokens": 0, "output_tokens": None})
        + typed("message_delta", delta={"stop_reason": "tool_use"}, usage=START | {"output_tokens": -3})
        + typed("message_stop")
        + b"data: [DONE]\n\n",
        Choice(parts=[Text(text="ab"), ToolCall(id="toolu_1", name="f")], finish="tool_calls"),
        Usage(input=19, cache_read=5, cache_write=4),
    ),
    Case(
        "no reason",
        begun() + block(0, TEXT, text_delta("a")) + typed("message_stop"),
        Choice(parts=[Text(text="a")], finish="stop"),
        Usage(input=19, output=1, cache_read=5, cache_write=4),
    ),
    Case(
        "no reason for calls",
        begun() + block(0, tool()) + typed("message_stop"),
        Choice(parts=[ToolCall(id="toolu_1", name="f")], finish="tool_calls"),
        Usage(input=19, output=1, cache_read=5, cache_write=4),
    ),
]


def decoded(chunks: list[bytes]) -> tuple[list[Event], bool]:
    decoder = ANTHROPIC.decoder(TARGET)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.finish(), decoder.whole


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_streams(case: Case, ends: bytes) -> None:
    raw = case.raw.replace(b"\n", ends)
    events, whole = decoded([raw])
    assert whole
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert sum(isinstance(event, Ended) for event in events) == 1
    answer = collect(events)
    assert answer.choices == [case.choice]
    assert answer.usage == case.usage
    singles, whole = decoded([raw[place : place + 1] for place in range(len(raw))])
    assert whole
    assert singles == events
    assert decoded([raw.rstrip()])[0] == events  # without the last empty line


@settings(max_examples=60)
@given(pieces(st.sampled_from([case.raw for case in CASES])))
def test_streams_in_pieces(chunks: list[bytes]) -> None:
    assert decoded(list(chunks)) == decoded([b"".join(chunks)])


@settings(max_examples=60)
@given(st.sampled_from(CASES), st.data())
def test_what_is_cut_is_not_whole(case: Case, data: st.DataObject) -> None:  # C65, P6
    end = case.raw.index(b"message_stop")
    events, whole = decoded([case.raw[: data.draw(st.integers(0, end))]])
    assert not whole
    assert not any(isinstance(event, Ended) for event in events)


def test_events_come_as_early_as_they_can() -> None:
    decoder = ANTHROPIC.decoder(TARGET)
    assert decoder.feed(begun()) == [
        Started(id="msg_1", model="claude-up"),
        Usage(input=19, output=1, cache_read=5, cache_write=4),
    ]
    called = typed("content_block_start", index=0, content_block=tool())
    assert decoder.feed(called) == [ToolStarted(index=0, id="toolu_1", name="f")]
    assert decoder.feed(typed("content_block_delta", index=0, delta=json_delta("{"))) == [ToolDelta(0, "{")]
    assert decoder.feed(typed("content_block_stop", index=0)) == [ToolEnded(0)]
    thought = typed("content_block_start", index=1, content_block=THINKING | {"thinking": "Hm."})
    assert decoder.feed(thought) == [ReasoningDelta("Hm.")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whole_answers_are_the_same(case: Case) -> None:  # P2
    content: list[dict[str, Any]] = []
    for part in case.choice.parts:
        match part:
            case Text(text=text):
                content.append({"type": "text", "text": text})
            case Reasoning(text=text, redacted=redacted):
                thought = {"type": "thinking", "thinking": text, "signature": "sig"}
                content.append({"type": "redacted_thinking", "data": "sig"} if redacted else thought)
            case ToolCall():
                content.append(
                    {"type": "tool_use", "id": part.id, "name": part.name, "input": msgspec.json.decode(part.arguments)}
                )
            case _:
                pass
    reasons = {
        "stop": "end_turn",
        "length": "model_context_window_exceeded",
        "tool_calls": "tool_use",
        "pause": "pause_turn",
    }
    usage = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 4, "output_tokens": 20}
    body = {
        "id": "msg_1",
        "type": "message",
        "model": "claude-up",
        "content": content,
        "stop_reason": reasons.get(case.choice.finish or "", "refusal"),
        "stop_details": {"type": "refusal", "explanation": "No."},
        "usage": usage,
    }
    answer = collect(ANTHROPIC.decode(msgspec.json.encode(body), TARGET))
    assert answer.id == "msg_1"
    assert answer.usage == Usage(input=19, output=20, cache_read=5, cache_write=4)
    assert [part for part in answer.choices[0].parts if isinstance(part, Text | Reasoning | Refusal)] == [
        part for part in case.choice.parts if not isinstance(part, ToolCall)
    ]
    assert [msgspec.json.decode(call.arguments) for call in answer.choices[0].calls] == [
        msgspec.json.decode(call.arguments) for call in case.choice.calls
    ]
    assert answer.choices[0].finish == case.choice.finish


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        pytest.param("stop_sequence", "stop", id="C49-stop_sequence"),
        pytest.param("model_context_window_exceeded", "length", id="C49-window"),
        pytest.param("pause_turn", "pause", id="C49-pause"),
        pytest.param("unheard_of", "stop", id="C49-unheard"),
    ],
)
def test_reasons(reason: str, finish: str) -> None:
    body = {
        "content": [{"type": "text", "text": "a", "citations": [FOUND]}],
        "stop_reason": reason,
        "stop_sequence": "END",
    }
    choice = collect(ANTHROPIC.decode(msgspec.json.encode(body), TARGET)).choices[0]
    assert choice.finish == finish
    assert choice.stop_sequence == ("END" if reason == "stop_sequence" else None)
    assert choice.citations == [Citation(url="https://a", title="A", quote="q", start=0, end=1)]


def test_old_models_answer_in_the_tool_they_are_given() -> None:  # C33, there and back
    asked = Chat(
        model="m",
        messages=(Message(role="user", parts=(Text(text="Hi"),)),),
        format=Format(kind="schema", schema={"type": "object"}),
    )
    name = ANTHROPIC.write(asked, Target(model="claude-3-5-sonnet-latest", stream=False)).body["tool_choice"]["name"]
    body = {"content": [tool(name, input={"a": 1})], "stop_reason": "tool_use"}
    events = ANTHROPIC.decode(msgspec.json.encode(body), TARGET)
    assert events == [Started(), TextDelta('{"a":1}'), Finished(reason="stop"), Ended()]
    assert collect(events) == Answer(choices=[Choice(parts=[Text(text='{"a":1}')], finish="stop")])
