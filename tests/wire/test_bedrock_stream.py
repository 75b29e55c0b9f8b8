"""Converse's streams: the same story as a whole answer tells, wherever they are cut, and no end that is a lie."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import UpstreamRefused
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.bedrock.answers import FORMAT_TOOL
from oneapi_asgi.wire.bedrock.eventstream import message
from oneapi_asgi.wire.bedrock.format import BEDROCK
from oneapi_asgi.wire.chat import File, Reasoning, Target, Text, ToolCall
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import (
    Broken,
    Citation,
    Ended,
    Event,
    Finished,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.sealed import Signature

from .bedrock_sdk import SONNET, exception, frame, read_by_the_sdk, streamed
from .test_bedrock_answer import body

COUNTS = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 7}
START = frame("messageStart", {"role": "assistant", "p": "abcdef"})
STOP = frame("messageStop", {"stopReason": "end_turn"})
CALLED = frame("messageStop", {"stopReason": "tool_use", "additionalModelResponseFields": None})
METADATA = frame("metadata", {"usage": COUNTS, "metrics": {"latencyMs": 1}, "p": "abc"})


def delta(index: int, **given: Any) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": given, "p": "abcdefgh"})


def start(index: int, **given: Any) -> bytes:
    return frame("contentBlockStart", {"contentBlockIndex": index, "start": given})


def stop(index: int) -> bytes:
    return frame("contentBlockStop", {"contentBlockIndex": index})


def use(index: int, name: str, *pieces: str) -> bytes:
    begun = start(index, toolUse={"toolUseId": f"tooluse_{index}", "name": name})
    return begun + b"".join(delta(index, toolUse={"input": piece}) for piece in pieces) + stop(index)


def text(index: int, *pieces: str) -> bytes:
    return b"".join(delta(index, text=piece) for piece in pieces) + stop(index)


def thought(index: int, *pieces: str, signature: str = "c2ln") -> bytes:
    told = b"".join(delta(index, reasoningContent={"text": piece}) for piece in pieces)
    return told + delta(index, reasoningContent={"signature": signature}) + stop(index)


SIGNED = Signature("bedrock", SONNET, "c2ln")
FULL = (
    START
    + thought(0, "Let ", "me think.")
    + text(1, "I'll ", "look.")
    + use(2, "get_weather", "", '{"city', '":"Pa', 'ris"}')
    + use(3, "clock")
    + CALLED
    + METADATA
)
FULL_EVENTS: list[Event] = [
    Started(),
    ReasoningDelta("Let "),
    ReasoningDelta("me think."),
    ReasoningEnded(SIGNED),
    TextDelta("I'll "),
    TextDelta("look."),
    ToolStarted(index=0, id="tooluse_2", name="get_weather"),
    ToolDelta(0, '{"city'),
    ToolDelta(0, '":"Pa'),
    ToolDelta(0, 'ris"}'),
    ToolEnded(0),
    ToolStarted(index=1, id="tooluse_3", name="clock"),
    ToolDelta(1, "{}"),
    ToolEnded(1),
    Finished(reason="tool_calls"),
    Usage(input=17, output=5, cache_read=7),
    Ended(),
]


def test_c61_a_stream() -> None:
    assert streamed([FULL]) == (FULL_EVENTS, True)


def test_a_stream_byte_by_byte() -> None:
    assert streamed([FULL[at : at + 1] for at in range(len(FULL))]) == (FULL_EVENTS, True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(FULL)), max_size=10))
def test_a_stream_in_any_pieces(places: list[int]) -> None:
    cuts = [0, *sorted(places), len(FULL)]
    assert streamed([FULL[a:b] for a, b in pairwise(cuts)]) == (FULL_EVENTS, True)


def test_the_sdk_reads_the_same() -> None:
    """The frames that these tests are made of are frames to AWS's own SDK, and mean what they are taken to mean."""
    told = read_by_the_sdk(FULL)
    texts = [event["contentBlockDelta"]["delta"].get("text", "") for event in told if "contentBlockDelta" in event]
    answer = collect(FULL_EVENTS)
    assert "".join(texts) == answer.choices[0].text
    uses = [
        event["contentBlockDelta"]["delta"]["toolUse"]["input"]
        for event in told
        if "toolUse" in event.get("contentBlockDelta", {}).get("delta", {})
    ]
    assert "".join(uses) == answer.choices[0].calls[0].arguments
    assert told[-2] == {"messageStop": {"stopReason": "tool_use"}}
    assert told[-1]["metadata"]["usage"] == COUNTS


def test_p2_whole_and_streamed_are_one_answer() -> None:
    whole = BEDROCK.decode(
        body(
            {"reasoningContent": {"reasoningText": {"text": "Let me think.", "signature": "c2ln"}}},
            {"text": "I'll look."},
            {"toolUse": {"toolUseId": "tooluse_2", "name": "get_weather", "input": {"city": "Paris"}}},
            {"toolUse": {"toolUseId": "tooluse_3", "name": "clock", "input": {}}},
            stop="tool_use",
            usage=COUNTS,
        ),
        Target(model=SONNET, stream=False),
    )
    assert collect(whole) == collect(FULL_EVENTS)


def test_c62_c67_calls_are_counted_and_complete() -> None:
    events, _ = streamed([START + text(0, "a") + use(1, "a") + use(5, "b", "") + STOP + METADATA])
    (choice,) = collect(events).choices
    assert choice.calls == [ToolCall(id="tooluse_1", name="a"), ToolCall(id="tooluse_5", name="b")]
    assert [event.index for event in events if isinstance(event, ToolStarted)] == [0, 1]
    assert choice.finish == "tool_calls"


def test_ids_are_made_where_none_is() -> None:
    events, _ = streamed([START, start(0, toolUse={"name": "a"}), start(1, toolUse={"name": "a"}), CALLED])
    one, two = (event.id for event in events if isinstance(event, ToolStarted))
    assert one != two
    assert all(id_.startswith("tooluse_") for id_ in (one, two))


def test_blocks_end_even_if_nobody_says_so() -> None:
    events, _ = streamed(
        [
            START,
            delta(0, reasoningContent={"text": "Hm"}),
            delta(0, reasoningContent={"signature": "c2"}),
            delta(0, reasoningContent={"signature": "ln"}),
            delta(1, text="a"),
            start(2, toolUse={"toolUseId": "t", "name": "f"}),
            CALLED,
            METADATA,
        ]
    )
    (choice,) = collect(events).choices
    assert choice.parts == [
        Reasoning(text="Hm", signature=SIGNED),
        Text(text="a"),
        ToolCall(id="t", name="f"),
    ]
    assert ToolEnded(0) in events


def test_c40_thoughts_that_are_not_shown() -> None:
    pieces = delta(0, reasoningContent={"redactedContent": "AAE="}) + delta(
        0, reasoningContent={"redactedContent": "Ag=="}
    )
    events, _ = streamed([START + pieces + stop(0) + text(1, "a") + STOP])
    redacted = Reasoning(signature=Signature("bedrock", SONNET, "AAEC"), redacted=True)
    assert collect(events).choices[0].parts == [redacted, Text(text="a")]


def test_c33_the_forced_tool_is_the_answer() -> None:
    events, whole = streamed([START + use(0, FORMAT_TOOL, '{"a"', ":1}") + CALLED + METADATA])
    (choice,) = collect(events).choices
    assert (choice.text, choice.calls, choice.finish, whole) == ('{"a":1}', [], "stop", True)
    events, _ = streamed([START + use(0, FORMAT_TOOL) + CALLED + METADATA])
    assert collect(events).choices[0].text == "{}"


def test_p7_an_input_that_is_no_text() -> None:
    begun = start(0, toolUse={"toolUseId": "t", "name": "f"})
    events, _ = streamed(
        [START + begun + frame("contentBlockDelta", {"delta": {"toolUse": {"input": {"a": 1}}}}) + CALLED]
    )
    assert collect(events).choices[0].calls == [ToolCall(id="t", name="f", arguments='{"a":1}')]


def test_pictures_and_citations() -> None:
    cite = {"title": "T", "location": {"web": {"url": "https://x"}}, "sourceContent": [{"text": "q"}]}
    picture = start(1, image={"format": "png"})
    picture += delta(1, image={"source": {"bytes": "AAE="}}) + delta(1, image={"source": {"bytes": "Ag=="}}) + stop(1)
    events, _ = streamed([START + delta(0, text="a") + delta(0, citation=cite) + stop(0) + picture + STOP])
    (choice,) = collect(events).choices
    assert choice.citations == [Citation(url="https://x", title="T", quote="q")]
    assert choice.files == [File(kind="image", media_type="image/png", data="AAEC")]


def test_what_is_not_known_is_skipped() -> None:
    events, whole = streamed(
        [
            message({":event-type": "initial-response", ":message-type": "event"}, b"{}"),
            frame("somethingNew", {"a": 1}),
            START,
            start(0, toolUse={"toolUseId": "s", "name": "search", "type": "server_tool_use"}),
            delta(0, toolUse={"input": "{}"}),
            stop(0),
            start(1, toolResult={"toolUseId": "s"}),
            delta(1, toolResult=[{"text": "found"}]),
            stop(1),
            frame("contentBlockDelta", {"contentBlockIndex": 2, "delta": None}),
            start(2, somethingNew={"a": 1}),
            delta(2, somethingNew={"a": 1}),
            delta(2, text="a"),
            frame("contentBlockStop", {"contentBlockIndex": 2, "x": None}),
            STOP,
            METADATA,
            delta(3, text="after the end"),
        ]
    )
    assert whole
    (choice,) = collect(events).choices
    assert choice.parts == [Text(text="a")]
    assert sum(isinstance(event, Started) for event in events) == 1


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end", [START, START + text(0, "a"), FULL[: FULL.index(CALLED)], FULL[: FULL.index(CALLED) + 9]]
)
def test_c65_a_stream_that_was_cut_has_no_end(end: bytes) -> None:
    events, whole = streamed([end])
    assert not whole
    assert not [event for event in events if isinstance(event, Finished | Ended)]


def test_c65_nothing_at_all() -> None:
    assert streamed([]) == ([], False)


def test_an_answer_whose_counts_were_cut_off_is_whole() -> None:
    events, whole = streamed([START + text(0, "a") + STOP + METADATA[:-1]])
    assert whole
    assert events[-2:] == [Finished(reason="stop"), Ended()]


def test_counts_may_come_first() -> None:
    events, whole = streamed([START + METADATA + text(0, "a") + STOP + STOP])
    assert whole
    assert collect(events).usage == Usage(input=17, output=5, cache_read=7)
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert events[-1] == Ended()


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        ("throttlingException", 429, "rate_limit_error"),
        ("modelNotReadyException", 429, "rate_limit_error"),
        ("serviceUnavailableException", 503, "server_error"),
        ("internalServerException", 500, "server_error"),
        ("modelStreamErrorException", 424, "invalid_request_error"),
        ("modelTimeoutException", 408, "invalid_request_error"),
        ("accessDeniedException", 403, "invalid_request_error"),
        ("somethingNewException", 500, "server_error"),
        ("validationException", 400, "invalid_request_error"),
    ],
)
def test_c64_exceptions_are_told(kind: str, status: int, type_: str) -> None:
    events, whole = streamed([START + text(0, "a") + exception(kind, "What happened") + text(1, "b") + STOP])
    assert whole
    assert events[:2] == [Started(), TextDelta("a")]
    broken = events[-1]
    assert isinstance(broken, Broken)
    assert isinstance(broken.error, UpstreamRefused)
    code = kind[:1].upper() + kind[1:]
    assert (broken.error.status, broken.error.code, broken.error.type) == (status, code, type_)
    assert broken.error.message == (
        "What happened" if status == 400 else f"The provider broke off its answer ({code})."
    )
    assert not [event for event in events if isinstance(event, Finished | Ended)]


def test_a_refusal_in_the_stream_has_its_code() -> None:
    events, _ = streamed([exception("validationException", "prompt is too long: 9 > 8")])
    assert isinstance(events[-1], Broken)
    assert events[-1].error.code == "context_length_exceeded"


def test_errors_of_the_transport() -> None:
    raw = message({":message-type": "error", ":error-code": "ServiceUnavailableException", ":error-message": "x"}, b"")
    events, whole = streamed([raw])
    assert whole
    assert isinstance(events[-1], Broken)
    assert events[-1].error.status == 503
    raw = message({":message-type": "error", ":error-code": "ValidationException", ":error-message": "Bad"}, b"")
    events, _ = streamed([raw])
    assert isinstance(events[-1], Broken)
    assert events[-1].error.message == "Bad"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"message": "an error, under a status of success"}',
        message({":event-type": "contentBlockDelta", ":message-type": "event"}, b"{"),
        message({":event-type": "contentBlockDelta", ":message-type": "event"}, b"\xff"),
        message({":event-type": "messageStop", ":message-type": "event"}, b'{"a":' * 100_000),
        delta(0, toolUse={"input": "{}"}),
        delta(0, text=5),
        start(0, toolUse={"toolUseId": "a"}),
        delta(0, reasoningContent={"redactedContent": "AAE="})
        + delta(0, reasoningContent={"redactedContent": "?"})
        + STOP,
    ],
    ids=range(8),
)
def test_what_is_no_stream(raw: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        streamed([raw])


def test_a_flipped_bit_is_no_answer() -> None:
    damaged = FULL.replace(b"Pa", b"Pb")
    with pytest.raises(MalformedAnswerError, match="checksum"):
        streamed([damaged])
