"""Anthropic's Messages: answers and streams that its clients are told. Anthropic's own SDK listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anthropic
import msgspec
import pytest
from anthropic.types import Message as SDKMessage
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from oneapi_asgi.errors import Unavailable
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.anthropic.format import ANTHROPIC
from oneapi_asgi.wire.chat import Chat, File, Message, Text, Thinking, ToolResult
from oneapi_asgi.wire.events import (
    Answer,
    Broken,
    Choice,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
    Probabilities,
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
from oneapi_asgi.wire.sealed import Signature, seal, unseal
from oneapi_asgi.wire.sse import split

from .test_anthropic import MESSAGES, Served

CALL_ID = "0123456789abcdef" * 2
CHAT = Chat(model="asked-for", messages=(Message(role="user", parts=(Text(text="Hi"),)),), stream=True)
MINE = Signature("anthropic", "claude-up", "mine")
OTHER = Signature("gemini", "gemini-3", "theirs")
COUNTS = Usage(input=20, output=9, cache_read=5, cache_write=4, cache_write_1h=3, reasoning=2)

_frame: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def call(index: int, name: str = "f", **more: Any) -> ToolStarted:
    return ToolStarted(index=index, id=f"call_{index}", name=name, **more)


def frames(raw: bytes) -> list[dict[str, Any]]:
    """P4: names, numbers, order."""
    found = []
    for event in split(raw):
        name, data = event.rstrip(b"\n").split(b"\n")
        frame = msgspec.json.decode(data.removeprefix(b"data: "))
        assert name == b"event: " + frame["type"].encode()
        if frame["type"] != "error":
            _frame.validate_python(frame)
        found.append(frame)
    return found


def checked(told: list[dict[str, Any]]) -> None:
    """P4: blocks one after another, each with deltas of its own kind."""
    assert [frame["type"] for frame in told[-2:]] == ["message_delta", "message_stop"]
    deltas = {
        "text": {"text_delta"},
        "tool_use": {"input_json_delta"},
        "thinking": {"thinking_delta", "signature_delta"},
    }
    index, kind = -1, ""
    for frame in told[1:-2]:
        match frame["type"]:
            case "content_block_start":
                index += 1
                assert (frame["index"], kind) == (index, "")
                kind = frame["content_block"]["type"]
            case "content_block_delta":
                assert frame["index"] == index
                assert frame["delta"]["type"] in deltas[kind]
            case other:
                assert (other, frame["index"]) == ("content_block_stop", index)
                assert kind
                kind = ""
    assert not kind


def streamed(events: Sequence[Event], chat: Chat = CHAT, size: int = 1) -> list[dict[str, Any]]:
    encoder = ANTHROPIC.encoder(chat, CALL_ID)
    chunks = [encoder.encode(events[place : place + size]) for place in range(0, len(events), size)]
    told = frames(b"".join(chunks) + encoder.finish())
    checked(told)
    return told


def heard(raw: bytes) -> dict[str, Any]:
    client = Served(200, raw, "text/event-stream").client
    with client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream:
        return stream.get_final_message().to_dict()


def told_at_once(events: Sequence[Event], chat: Chat = CHAT) -> dict[str, Any]:
    body = ANTHROPIC.answer(collect(events), chat, CALL_ID)
    SDKMessage.model_validate_json(body)
    answer: dict[str, Any] = msgspec.json.decode(body)
    return answer


def thinking(text: str, signature: str = "") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words, "citations": None}


def used(index: int, given: dict[str, Any], name: str = "f") -> dict[str, Any]:
    return {"type": "tool_use", "id": f"call_{index}", "name": name, "input": given}


STOP, CALLS = Finished(reason="stop"), Finished(reason="tool_calls")
OF_CALL = Signature("call:gemini", "gemini-3", "theirs")

TOLD: list[Any] = [
    pytest.param([TextDelta("He"), TextDelta(""), TextDelta("llo"), STOP], [text("Hello")], "end_turn", id="C70-stop"),
    pytest.param([STOP], [], "end_turn", id="nothing"),
    pytest.param(
        [
            ReasoningDelta("Hm"),
            ReasoningDelta("."),
            ReasoningEnded(MINE),
            ReasoningDelta("So."),
            TextDelta("Hi"),
            call(0),
            ToolDelta(0, '{"a":'),
            ToolDelta(0, "1}"),
            ToolEnded(0),
            TextDelta("Then"),
            CALLS,
        ],
        [thinking("Hm.", "mine"), thinking("So."), text("Hi"), used(0, {"a": 1}), text("Then")],
        "tool_use",
        id="C72-C73",
    ),
    pytest.param(
        [call(0), call(1), ToolDelta(1, '{"b":'), ToolDelta(0, '{"a":1}'), ToolDelta(1, "2}"), call(2), CALLS],
        [used(0, {"a": 1}), used(1, {"b": 2}), used(2, {})],
        "tool_use",
        id="C72-interleaved",
    ),
    pytest.param(
        [call(0), ToolDelta(0, '{"a":1}'), call(1), ToolDelta(1, "{}"), ToolEnded(1), ToolEnded(0), STOP],
        [used(0, {"a": 1}), used(1, {})],
        "tool_use",
        id="stop with calls",
    ),
    pytest.param(
        [call(0, custom=True), ToolDelta(0, "fr"), ToolDelta(0, "ee"), CALLS],
        [used(0, {"input": "free"})],
        "tool_use",
        id="custom",
    ),
    pytest.param(
        [ReasoningDelta("Hm."), ReasoningEnded(OTHER), ReasoningEnded(OTHER, redacted=True), TextDelta("Hi"), STOP],
        [thinking("Hm.", seal(OTHER)), {"type": "redacted_thinking", "data": seal(OTHER)}, text("Hi")],
        "end_turn",
        id="C40-sealed",
    ),
    pytest.param(
        [
            ReasoningEnded(MINE),
            ReasoningEnded(),
            ReasoningEnded(redacted=True),
            ReasoningEnded(MINE, redacted=True),
            STOP,
        ],
        [thinking("", "mine"), {"type": "redacted_thinking", "data": "mine"}],
        "end_turn",
        id="C40-signed",
    ),
    pytest.param(
        [ReasoningDelta("Hm."), ReasoningEnded(MINE, redacted=True), STOP],
        [thinking("Hm.", "mine")],
        "end_turn",
        id="shown and redacted",
    ),
    pytest.param(
        [call(0, signature=OTHER), ToolDelta(0, "{}"), CALLS],
        [{"type": "redacted_thinking", "data": seal(OF_CALL)}, used(0, {})],
        "tool_use",
        id="C41",
    ),
    pytest.param([TextDelta("I "), RefusalDelta("won't."), STOP], [text("I won't.")], "refusal", id="C73-refusal"),
    pytest.param([RefusalDelta("No"), Finished(reason="length")], [text("No")], "max_tokens", id="C73-length"),
    pytest.param(
        [
            FileMade(File(kind="image", media_type="image/png", data="AA==", name="cat")),
            FileMade(File(kind="image", url="https://a")),
            FileMade(File(kind="image", file_id="f")),
            STOP,
        ],
        [text("![cat](data:image/png;base64,AA==)![image](https://a)")],
        "end_turn",
        id="files",
    ),
    pytest.param(
        [
            TextDelta("Hi"),
            Cited(Citation(url="https://a")),
            Probabilities(({"token": "Hi"},)),
            TextDelta("other", choice=1),
            STOP,
            Finished(reason="length", choice=1),
        ],
        [text("Hi")],
        "end_turn",
        id="what has no place",
    ),
]


@pytest.mark.parametrize(("events", "content", "reason"), TOLD)
def test_answers(events: list[Event], content: list[dict[str, Any]], reason: str) -> None:  # P2
    events = [Started(id="x", model="y"), *events, COUNTS, Ended()]
    whole = told_at_once(events)
    assert (whole["id"], whole["model"], whole["role"]) == (f"msg_{CALL_ID}", "asked-for", "assistant")
    assert (whole["content"], whole["stop_reason"]) == (content, reason)
    for size in (1, 2, 99):
        raw = b"".join(
            b"event: %b\ndata: %b\n\n" % (frame["type"].encode(), msgspec.json.encode(frame))
            for frame in streamed(events, size=size)
        )
        final = heard(raw)
        final.pop("parsed_output", None)
        plain = [
            {name: value for name, value in block.items() if name != "parsed_output"} for block in final["content"]
        ]
        assert plain == content
        assert final["stop_reason"] == reason
        assert final["usage"]["output_tokens"] == 9


def test_usage() -> None:  # C71
    counts = {
        "input_tokens": 8,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 7,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    lives = {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3}
    assert told_at_once([STOP, COUNTS])["usage"] == counts | {"cache_creation": lives}
    told = streamed([Started(), STOP, COUNTS])
    assert told[0]["message"]["usage"]["input_tokens"] == told[0]["message"]["usage"]["output_tokens"] == 0
    assert told[-2]["usage"] == counts
    assert streamed([STOP])[-2]["usage"]["output_tokens"] == 0


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        pytest.param("stop", "end_turn", id="C70-stop"),
        pytest.param("length", "max_tokens", id="C70-length"),
        pytest.param("tool_calls", "end_turn", id="C70-no-calls"),
        pytest.param("content_filter", "refusal", id="C70-filter"),
        pytest.param("pause", "pause_turn", id="pause"),
        pytest.param("malformed_call", "refusal", id="malformed"),
        pytest.param("error", "refusal", id="error"),
    ],
)
def test_reasons(reason: FinishReason, word: str) -> None:
    whole, last = told_at_once([Finished(reason=reason)]), streamed([Finished(reason=reason)])[-2]["delta"]
    assert whole["stop_reason"] == last["stop_reason"] == word
    assert whole["stop_details"] == last["stop_details"]
    assert bool(whole["stop_details"]) is (word == "refusal")


def test_stop_sequences_are_named() -> None:
    whole = told_at_once([Finished(reason="stop", stop_sequence="END")])
    assert (whole["stop_reason"], whole["stop_sequence"]) == ("stop_sequence", "END")


def test_hidden_thoughts_have_their_signature_alone() -> None:
    hidden = msgspec.structs.replace(CHAT, thinking=Thinking(budget=-1, shown=False))
    events: list[Event] = [
        ReasoningDelta("Hm."),
        ReasoningEnded(MINE),
        ReasoningDelta("So."),
        ReasoningEnded(),
        TextDelta("Hi"),
        STOP,
    ]
    assert told_at_once(events, hidden)["content"] == [thinking("", "mine"), text("Hi")]
    told = streamed(events, hidden)
    assert [frame["delta"]["type"] for frame in told if "index" in frame and "delta" in frame] == [
        "signature_delta",
        "text_delta",
    ]


def test_what_a_model_wrote_wrong_is_told_raw() -> None:  # P7
    whole = told_at_once([call(0), ToolDelta(0, '{"a'), Finished(reason="length")])
    assert whole["content"] == [used(0, {"_raw": '{"a'})]
    assert told_at_once([call(0), ToolDelta(0, "[1]"), CALLS])["content"] == [used(0, {"_raw": "[1]"})]
    assert told_at_once([])["content"] == []


def test_parts_that_no_answer_has_are_left_out() -> None:
    answer = Answer(choices=[Choice(parts=[ToolResult(call_id="c"), Text(text="Hi")])])
    assert msgspec.json.decode(ANTHROPIC.answer(answer, CHAT, CALL_ID))["content"] == [text("Hi")]


def test_a_stream_begins_at_once_and_tells_what_it_can() -> None:
    encoder = ANTHROPIC.encoder(CHAT, CALL_ID)
    assert [frame["type"] for frame in frames(encoder.encode([]))] == ["message_start"]
    assert encoder.encode([Started()]) == b""
    assert len(frames(encoder.encode([call(0), ToolDelta(0, '{"a"')]))) == 2
    assert frames(encoder.encode([call(1), ToolDelta(1, "{}")])) == []
    assert len(frames(encoder.encode([ToolDelta(0, ":1}")]))) == 1
    assert len(frames(encoder.encode([call(2)]))) == 1 + 3 + 1  # two are complete, the third begins
    assert encoder.encode([ToolDelta(0, " "), ToolEnded(9), ToolDelta(2, "")]) == b""
    assert len(frames(encoder.finish())) == 3


EVENTS = st.one_of(
    st.builds(TextDelta, st.text(max_size=3)),
    st.builds(ReasoningDelta, st.text(max_size=3)),
    st.builds(ReasoningEnded, st.sampled_from([None, MINE, OTHER]), st.booleans()),
    st.builds(RefusalDelta, st.text(max_size=3)),
)


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=12), st.integers(0, 3), st.integers(1, 5))
def test_a_stream_tells_what_is_told_at_once(before: list[Event], calls: int, size: int) -> None:  # P2, P4
    after: list[Event] = [call(index) for index in range(calls)]
    after += [ToolDelta(index, piece) for piece in ('{"a"', ":1}") for index in reversed(range(calls))]
    events = [*before, *after, TextDelta("end"), STOP, COUNTS, Ended()]
    blocks: list[dict[str, Any]] = []
    for frame in streamed(events, size=size)[1:-2]:
        if frame["type"] == "content_block_start":
            blocks.append(frame["content_block"] | ({"input": ""} if "input" in frame["content_block"] else {}))
        elif frame["type"] == "content_block_delta":
            delta = {name: value for name, value in frame["delta"].items() if name != "type"}
            for name, value in delta.items():
                blocks[-1]["input" if name == "partial_json" else name] += value
    for block in blocks:
        if "input" in block:
            block["input"] = msgspec.json.decode(block["input"])
    assert blocks == told_at_once(events)["content"]


ERROR = Unavailable("Later.")


@pytest.mark.parametrize("within", [True, False])
def test_a_stream_that_breaks_has_no_normal_end(within: bool) -> None:  # C64, C65
    encoder = ANTHROPIC.encoder(CHAT, CALL_ID)
    raw = encoder.encode([TextDelta("Hi"), Broken(ERROR), TextDelta("more")] if within else [TextDelta("Hi")])
    raw += encoder.fail(ERROR) + encoder.finish() + encoder.fail(ERROR) + encoder.encode([STOP])
    told = frames(raw)
    assert told[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "Later."}}
    assert [frame["type"] for frame in told].count("error") == 1
    assert not {"message_delta", "message_stop"} & {frame["type"] for frame in told}
    with pytest.raises(anthropic.APIStatusError, match="Later"):
        heard(raw)


def test_what_was_told_comes_back() -> None:
    """Thoughts and signatures of another provider, through a client that knows nothing of them."""
    events: list[Event] = [
        ReasoningDelta("Hm."),
        ReasoningEnded(OTHER),
        call(0, signature=OTHER),
        ToolDelta(0, '{"a":1}'),
        CALLS,
    ]
    content = told_at_once(events)["content"]
    results = [{"type": "tool_result", "tool_use_id": "call_0", "content": "ok"}]
    messages = [*MESSAGES, {"role": "assistant", "content": content}, {"role": "user", "content": results}]
    operation = ANTHROPIC.operation("/messages")
    assert operation is not None
    body = msgspec.json.encode({"model": "m", "max_tokens": 1, "messages": messages})
    assert list(ANTHROPIC.read(operation, body).messages[1].parts) == collect(events).choices[0].parts
    assert unseal(content[0]["signature"], "anthropic") == OTHER
