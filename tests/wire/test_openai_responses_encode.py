"""Answers in the Responses format, as clients get them: whole, and in streams that OpenAI's SDK checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from openai.types.responses import Response, ResponseCompletedEvent, ResponseStreamEvent

from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Message, Target, Text
from oneapi_asgi.wire.events import (
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
from oneapi_asgi.wire.responses.format import Responses
from oneapi_asgi.wire.sealed import Signature, seal
from oneapi_asgi.wire.sse import datas

CALL_ID = "0123456789abcdef" * 2
FORMAT = Responses(clock=lambda: 99.5)
CHAT = Chat(model="ours", messages=(Message(role="user", parts=(Text(text="Hi"),)),))
USAGE = Usage(input=20, output=9, cache_read=3, cache_write=2, cache_write_1h=1, reasoning=4)
START = Started(id="x", model="theirs", created=7)
SIGNED = Signature("anthropic", "claude", "sig")
TOKEN = {"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -1.0}]}
SCORE = {
    "token": "é",
    "logprob": -0.5,
    "bytes": [195, 169],
    "top_logprobs": [{"token": "e", "logprob": -1.0, "bytes": [101]}],
}


def streamed(events: Sequence[Event], chat: Chat = CHAT) -> list[Any]:
    """The events of a stream, told one by one."""
    encoder = FORMAT.encoder(chat, CALL_ID)
    raw = b"".join([encoder.encode([event]) for event in events] + [encoder.finish()])
    again = FORMAT.encoder(chat, CALL_ID)
    assert kinds(told(again.encode(list(events)) + again.finish())) == kinds(told(raw))
    return told(raw)


def told(raw: bytes) -> list[Any]:
    found = [msgspec.json.decode(data) for data in datas(raw)]
    names = [line[7:].decode() for line in raw.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in found]
    assert [event["sequence_number"] for event in found] == list(range(len(found))), "C78"
    return found


def kinds(events: Sequence[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def whole(events: Sequence[Event], chat: Chat = CHAT) -> Any:
    return msgspec.json.decode(FORMAT.answer(collect(events), chat, CALL_ID))


def sdk(body: bytes, content_type: str) -> openai.OpenAI:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": content_type})

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(
        api_key="k", base_url="http://gateway/v1", http_client=client, _strict_response_validation=True
    )


def ends(reason: FinishReason = "stop") -> list[Event]:
    return [USAGE, Finished(reason=reason), Ended()]


def call(index: int, *pieces: str, custom: bool = False, ended: bool = True) -> list[Event]:
    start = ToolStarted(index=index, id=f"call_{index}", name=f"f{index}", custom=custom)
    return [start, *(ToolDelta(index, piece) for piece in pieces), *([ToolEnded(index)] if ended else [])]


def cited(start: int | None, end: int | None) -> Cited:
    return Cited(Citation(url="https://a.b", title="A", start=start, end=end))


STREAMS: dict[str, list[Event]] = {
    "nothing": [START, *ends()],
    "C61-text": [START, TextDelta("Hi "), TextDelta(""), TextDelta("\u2028é"), *ends()],
    "C53-thought": [
        START,
        ReasoningDelta("h"),
        ReasoningDelta("m"),
        ReasoningEnded(signature=SIGNED),
        TextDelta("a"),
        *ends(),
    ],
    "C40-not shown": [START, ReasoningEnded(signature=SIGNED, redacted=True), TextDelta("a"), *ends()],
    "thoughts without signature": [START, ReasoningDelta("hm"), TextDelta("a"), *ends()],
    "two thoughts": [START, ReasoningDelta("a"), ReasoningEnded(), ReasoningDelta("b"), ReasoningEnded(), *ends()],
    "C48-C67-calls": [START, TextDelta("a"), *call(0, "{", "}"), *call(1, '{"a":1}'), *ends("tool_calls")],
    "C52-C62-no arguments": [START, *call(0), *ends("tool_calls")],
    "calls that never end": [START, *call(0, "{}", ended=False), *call(1, "{}", ended=False), *ends("tool_calls")],
    "calls at once": [
        START,
        *call(0, ended=False),
        *call(1, ended=False),
        ToolDelta(0, '{"a"'),
        ToolDelta(1, '{"b"'),
        ToolDelta(0, ":1}"),
        ToolDelta(1, ":2}"),
        *ends("tool_calls"),
    ],
    "custom": [START, *call(0, "SELECT", " 1", custom=True), *call(1, custom=True), *ends("tool_calls")],
    "C41-signed call": [START, ToolStarted(index=0, id="c", name="f", signature=SIGNED), *ends("tool_calls")],
    "C73-text after a call": [START, *call(0, "{}"), TextDelta("a"), TextDelta("b"), *ends("tool_calls")],
    "refusal": [START, RefusalDelta("N"), RefusalDelta("o."), *ends()],
    "text, then refusal": [START, TextDelta("a"), RefusalDelta("No."), TextDelta("b"), *ends("content_filter")],
    "C49-length": [START, TextDelta("a"), *ends("length")],
    "length in a call": [START, TextDelta("a"), *call(0, '{"a', ended=False), *ends("length")],
    "pause": [START, TextDelta("a"), *ends("pause")],
    "picture": [START, FileMade(File(kind="image", media_type="image/png", data="aGk=")), TextDelta("a"), *ends()],
    "pictures elsewhere": [START, FileMade(File(kind="image", url="https://a.b/c")), *ends()],
    "recording": [START, FileMade(File(kind="audio", data="aGk=")), *ends()],
    "citations": [START, TextDelta("Hi"), cited(0, 2), cited(None, None), Cited(Citation(title="book")), *ends()],
    "logprobs": [START, TextDelta("é"), Probabilities((TOKEN,)), *ends()],
    "no usage": [Started(), TextDelta("a"), Finished(reason="stop")],
    "other choices": [START, TextDelta("a"), TextDelta("b", 1), Finished(reason="length", choice=1), *ends()],
}


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
def test_p2_a_stream_ends_with_what_would_have_come_at_once(events: list[Event]) -> None:
    last = streamed(events)[-1]["response"]
    assert last == whole(events)
    assert last["id"] == f"resp_{CALL_ID}"
    assert last["model"] == "ours"


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
def test_the_sdk_takes_it_strictly(events: list[Event]) -> None:
    body = FORMAT.answer(collect(events), CHAT, CALL_ID)
    response = sdk(body, "application/json").responses.create(model="ours", input="Hi")
    assert isinstance(response, Response)
    encoder = FORMAT.encoder(CHAT, CALL_ID)
    raw = encoder.encode(events) + encoder.finish()
    with sdk(raw, "text/event-stream").responses.stream(model="ours", input="Hi") as stream:
        found = [event.type for event in stream]
        assert len(found) == len(told(raw))
        if found[-1] == "response.completed":
            assert stream.get_final_response().output_text == response.output_text
    parsed: list[ResponseStreamEvent] = list(
        sdk(raw, "text/event-stream").responses.create(model="ours", input="Hi", stream=True)
    )
    text = "".join(event.delta for event in parsed if event.type == "response.output_text.delta")
    assert text == response.output_text
    if isinstance(parsed[-1], ResponseCompletedEvent):
        assert parsed[-1].response == response


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
def test_what_is_told_is_read_as_what_it_was(events: list[Event]) -> None:
    """Round trip, but for what the format has no place for."""
    target = Target(model="m", stream=True)
    encoder = FORMAT.encoder(CHAT, CALL_ID)
    decoder = FORMAT.decoder(target)
    again = collect([*decoder.feed(encoder.encode(events) + encoder.finish()), *decoder.finish()]).choices[0]
    first = collect(FORMAT.decode(FORMAT.answer(collect(events), CHAT, CALL_ID), target)).choices[0]
    was = collect(events).choices[0]
    for found in (first, again):
        assert found.text.removesuffix("![image](https://a.b/c)") == was.text
        assert [(each.id, each.name, each.arguments) for each in found.calls] == [
            (each.id, each.name, each.arguments) for each in was.calls
        ]
        assert found.refusal == was.refusal
        assert found.reasoning == was.reasoning
        assert found.finish == ("length" if was.finish == "pause" else was.finish)


ITEM = ["output_item.added", "output_item.done"]
PART = ["content_part.added", "output_text.done", "content_part.done"]
ORDERS = [
    pytest.param(
        "C61-text",
        [ITEM[0], PART[0], *["output_text.delta"] * 2, *PART[1:], ITEM[1]],
        id="C61-text",
    ),
    pytest.param(
        "C53-thought",
        [
            ITEM[0],
            "reasoning_summary_part.added",
            *["reasoning_summary_text.delta"] * 2,
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            *[ITEM[1], ITEM[0], PART[0], "output_text.delta", *PART[1:], ITEM[1]],
        ],
        id="C53-thought before text",
    ),
    pytest.param(
        "C52-C62-no arguments",
        [ITEM[0], "function_call_arguments.delta", "function_call_arguments.done", ITEM[1]],
        id="C62-call",
    ),
    pytest.param(
        "text, then refusal",
        [
            *[ITEM[0], PART[0], "output_text.delta", *PART[1:]],
            *[PART[0], "refusal.delta", "refusal.done", PART[2]],
            *[PART[0], "output_text.delta", *PART[1:], ITEM[1]],
        ],
        id="parts",
    ),
]


@pytest.mark.parametrize(("name", "order"), ORDERS)
def test_c78_the_order_of_a_stream(name: str, order: list[str]) -> None:
    events = streamed(STREAMS[name])
    assert kinds(events)[:2] == ["created", "in_progress"]
    assert kinds(events)[2:-1] == order


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
def test_c78_indexes_and_ids(events: list[Event]) -> None:
    found = streamed(events)
    added = [event for event in found if event["type"] == "response.output_item.added"]
    done = [event for event in found if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == list(range(len(added)))
    assert sorted(event["output_index"] for event in done) == list(range(len(added)))
    ids = [event["item"]["id"] for event in added]
    assert len(set(ids)) == len(ids)
    assert [item["id"] for item in found[-1]["response"]["output"]] == ids
    open_messages = 0
    for event in found:
        if event["type"].startswith("response.output_item"):
            assert not open_messages or event["type"].endswith("done")
            open_messages = int(event["item"]["type"] == "message" and event["type"].endswith("added"))


ENDS = [
    pytest.param("stop", "completed", None, "completed", id="stop"),
    pytest.param("tool_calls", "completed", None, "completed", id="calls"),
    pytest.param("length", "incomplete", {"reason": "max_output_tokens"}, "incomplete", id="C77-length"),
    pytest.param("content_filter", "incomplete", {"reason": "content_filter"}, "incomplete", id="C49-filter"),
    pytest.param("pause", "incomplete", {}, "completed", id="C49-pause"),
    pytest.param("malformed_call", "failed", None, "incomplete", id="C50-malformed call"),
    pytest.param("error", "failed", None, "incomplete", id="error"),
]


@pytest.mark.parametrize(("reason", "status", "details", "item"), ENDS)
def test_how_it_ended(reason: FinishReason, status: str, details: object, item: str) -> None:
    last = streamed([START, *call(0, "{}"), TextDelta("a"), *ends(reason)])[-1]
    response = last["response"]
    assert last["type"] == f"response.{status}"
    assert (response["status"], response["incomplete_details"]) == (status, details)
    assert [each["status"] for each in response["output"]] == ["completed", item]
    assert (response["error"] is None) == (status != "failed")
    assert response["completed_at"] == (99 if status == "completed" else None)


def test_c54_p5_usage() -> None:
    assert whole(STREAMS["C61-text"])["usage"] == {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 3},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 29,
    }
    assert whole(STREAMS["no usage"])["usage"] is None


def test_thoughts_are_sealed_unless_they_are_of_this_format() -> None:
    own = Signature("responses", "gpt-5", "gAAA")
    for signature, text in ((SIGNED, seal(SIGNED)), (own, "gAAA")):
        item = whole([START, ReasoningDelta("hm"), ReasoningEnded(signature=signature), *ends()])["output"][0]
        assert item["encrypted_content"] == text
        assert item["summary"] == [{"type": "summary_text", "text": "hm"}]


def test_c41_the_signature_of_a_call_comes_before_it() -> None:
    carrier, item = whole(STREAMS["C41-signed call"])["output"]
    assert carrier["encrypted_content"] == "call:" + seal(SIGNED)
    assert (item["type"], item["arguments"]) == ("function_call", "{}")


def test_citations_and_logprobs() -> None:
    part = whole(STREAMS["citations"])["output"][0]["content"][0]
    place = {"type": "url_citation", "url": "https://a.b", "title": "A"}
    assert part["annotations"] == [
        place | {"start_index": 0, "end_index": 2},
        place | {"start_index": 0, "end_index": 0},
    ]
    encoder = FORMAT.encoder(CHAT, CALL_ID)
    found = told(encoder.encode(STREAMS["logprobs"]) + encoder.finish())
    assert [event["logprobs"] for event in found if event["type"] == "response.output_text.delta"] == [[SCORE]]
    assert found[-1]["response"]["output"][0]["content"][0]["logprobs"] == [SCORE]


def test_citations_of_a_later_message() -> None:
    events = [START, TextDelta("one"), *call(0), TextDelta("two"), cited(3, 6), *ends()]
    assert streamed(events)[-1]["response"] == whole(events)
    assert whole(events)["output"][2]["content"][0]["annotations"][0]["end_index"] == 3


def test_citations_that_come_before_their_text() -> None:
    events = [START, cited(0, 1), TextDelta("a"), *ends()]
    assert streamed(events)[-1]["response"] == whole(events)


def test_time_without_an_upstreams() -> None:
    assert whole(STREAMS["no usage"])["created_at"] == 99
    assert whole(STREAMS["C61-text"])["created_at"] == 7
