"""Chat completions as upstreams answer: every provider's way of saying the same, whole and in pieces."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Reasoning, Target, Text, ToolCall
from oneapi_asgi.wire.dialect import ChatDialect, MalformedAnswerError
from oneapi_asgi.wire.dialects import CLIENTS
from oneapi_asgi.wire.events import (
    Answer,
    Broken,
    Citation,
    Ended,
    Event,
    Finished,
    Probabilities,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.openai.chat import ChatDecoder, decode_chat
from oneapi_asgi.wire.openai.completions import completion_answer
from oneapi_asgi.wire.sealed import Signature

from .streams import AZURE, COUNTED, COUNTS, DONE, REPORT, STREAMS, event, pieces
from .streams import chunk as sent

TARGET = Target(model="m", stream=True)
UNTAGGED = Target(model="m", stream=True, quirks=frozenset({"strict_history"}))


def decode(stream: bytes, size: int = 0, target: Target = TARGET) -> tuple[list[Event], bool]:
    decoder = ChatDecoder(target)
    size = size or len(stream) or 1
    events = [event for at in range(0, len(stream), size) for event in decoder.feed(stream[at : at + size])]
    return [*events, *decoder.finish()], decoder.whole


def answer_of(stream: bytes, target: Target = TARGET) -> Answer:
    """Whole and byte by byte alike."""
    events, whole = decode(stream, target=target)
    assert whole
    answer = collect(events)
    slow = collect(decode(stream, 1, target)[0])
    assert [unnamed(choice.calls) for choice in slow.choices] == [unnamed(choice.calls) for choice in answer.choices]
    assert (slow.usage, len(slow.choices)) == (answer.usage, len(answer.choices))
    return answer


def unnamed(calls: list[ToolCall]) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in calls]


def parts_of(*deltas: object, finish: str = "stop", target: Target = TARGET) -> list[Any]:
    stream = b"".join(sent(delta) for delta in deltas) + sent({}, finish) + DONE
    return list(answer_of(stream, target).choices[0].parts)


CHATS = [recorded for recorded in STREAMS if b"chat.completion.chunk" in recorded.raw and not recorded.failed]


@pytest.mark.parametrize("recorded", CHATS, ids=lambda recorded: recorded.name)
def test_recorded_streams(recorded: Any) -> None:
    events, whole = decode(recorded.raw)
    assert whole
    assert isinstance(events[0], Started)
    assert events[-1] == Ended()
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert collect(events).usage == recorded.usage


@settings(max_examples=60)
@given(pieces(st.sampled_from([recorded.raw for recorded in CHATS])))
def test_p2_pieces_give_the_same_events(parts: list[bytes]) -> None:
    decoder = ChatDecoder(TARGET)
    events = [event for part in parts for event in decoder.feed(part)] + decoder.finish()
    assert events == decode(b"".join(parts))[0]


def test_azure_begins_with_nothing() -> None:
    answer = answer_of(AZURE + sent({"role": "assistant", "content": "Hi"}) + sent({}, "stop") + REPORT + DONE)
    assert (answer.id, answer.model, answer.created) == ("chatcmpl-1", "gpt-4o", 1_700_000_000)
    assert (answer.choices[0].text, answer.usage) == ("Hi", COUNTED)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text"])
def test_c53_thoughts_by_any_name(name: str) -> None:
    assert parts_of({name: "Hm"}, {"content": "Hi", name: None}) == [Reasoning(text="Hm"), Text(text="Hi")]


def test_thoughts_told_twice_are_one() -> None:
    assert parts_of({"reasoning_content": "Hm", "reasoning": "Hm"}) == [Reasoning(text="Hm")]


@pytest.mark.parametrize(
    ("text", "thoughts", "rest"),
    [
        ("<think>Hm</think>\n\nHi", "Hm", "Hi"),
        ("\n <think>a < b </thin </think>Hi", "a < b </thin ", "Hi"),
        ("<think>cut", "cut", ""),
        ("<think>cut</thi", "cut</thi", ""),
        ("<th", "", "<th"),
        ("  Hi <think>no</think>", "", "  Hi <think>no</think>"),
        ("<think></think>Hi", "", "Hi"),
    ],
)
def test_thoughts_between_tags(text: str, thoughts: str, rest: str) -> None:
    def told(*cuts: str) -> tuple[str, str]:
        parts = parts_of(*({"content": cut} for cut in cuts), target=TARGET)
        thought = "".join(part.text for part in parts if isinstance(part, Reasoning))
        return thought, "".join(part.text for part in parts if isinstance(part, Text))

    assert told(text) == told(*text) == (thoughts, rest)
    for cut in range(len(text)):
        assert told(text[:cut], text[cut:]) == (thoughts, rest)
    assert parts_of({"content": text}, target=UNTAGGED) == [Text(text=text)], "models whose thoughts are never told"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("unheard_of", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("model_context_window_exceeded", "length"),
        ("content_filter", "content_filter"),
        ("sensitive", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("STOP", "stop"),
    ],
)
def test_c49_words_for_the_end(word: str, reason: str) -> None:
    assert answer_of(sent({"content": "Hi"}) + sent({}, word)).choices[0].finish == reason
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": word}]}
    assert collect(decode_chat(msgspec.json.encode(body), TARGET)).choices[0].finish == reason


@pytest.mark.parametrize("word", ["error", "network_error", "ERROR", "insufficient_system_resource"])
def test_c65_an_answer_that_ends_in_an_error_is_none(word: str) -> None:
    for events in (
        decode(sent({"content": "Hi"}) + sent({}, word) + DONE)[0],
        decode_chat(msgspec.json.encode({"choices": [{"message": {"content": "Hi"}, "finish_reason": word}]}), TARGET),
    ):
        assert isinstance(events[-1], Broken)
        assert not any(isinstance(event, Finished | Ended) for event in events)


def test_c67_a_stop_after_a_call_is_a_call() -> None:
    stream = sent({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}) + sent({}, "stop")
    assert answer_of(stream).choices[0].finish == "tool_calls"


def call(**fields: Any) -> dict[str, Any]:
    return {"tool_calls": [fields]}


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        pytest.param(
            [
                call(index=0, id="a", function={"name": "f", "arguments": ""}),
                call(index=1, id="b", function={"name": "g", "arguments": '{"x":'}),
                call(index=0, function={"arguments": "{}"}),
                call(index=1, function={"arguments": "1}"}),
            ],
            [ToolCall(id="a", name="f"), ToolCall(id="b", name="g", arguments='{"x":1}')],
            id="C67-interleaved",
        ),
        pytest.param(
            [call(id="a", function={"name": "f", "arguments": "{"}), call(function={"arguments": "}"})],
            [ToolCall(id="a", name="f")],
            id="no-index",
        ),
        pytest.param(
            [
                call(id="a", function={"name": "f", "arguments": "{}"}),
                call(id="b", function={"name": "f", "arguments": "{}"}),
            ],
            [ToolCall(id="a", name="f"), ToolCall(id="b", name="f")],
            id="no-index-two",
        ),
        pytest.param(
            [
                call(index=0, id="a", function={"name": "f", "arguments": "{}"}),
                call(index=0, id="b", function={"name": "g", "arguments": "{}"}),
            ],
            [ToolCall(id="a", name="f"), ToolCall(id="b", name="g")],
            id="one-index-two-ids",
        ),
        pytest.param(
            [
                call(index=0, id="a", function={"name": "f", "arguments": "{"}),
                call(index=0, id="a", function={"name": "f", "arguments": "}"}),
            ],
            [ToolCall(id="a", name="f")],
            id="id-and-name-repeated",
        ),
        pytest.param(
            [call(index=3, id="a"), call(index=3, function={"name": "f", "arguments": {"x": 1}})],
            [ToolCall(id="a", name="f", arguments='{"x":1}')],
            id="name-late-arguments-object",
        ),
        pytest.param(
            [call(index=0, id="a", type="custom", custom={"name": "c", "input": "ls"})],
            [ToolCall(id="a", name="c", arguments="ls", custom=True)],
            id="custom",
        ),
        pytest.param(
            [call(index=0, id="a", function={"name": "f"}, extra_content={"google": {"s": "x"}})],
            [ToolCall(id="a", name="f", signature=Signature("openai", "m", '{"google":{"s":"x"}}'))],
            id="C41-signature",
        ),
        pytest.param(
            [call(index=0, id="a", function={"name": "f"})], [ToolCall(id="a", name="f")], id="C62-no-arguments"
        ),
    ],
)
def test_calls(deltas: list[Any], expected: list[ToolCall]) -> None:
    assert parts_of(*deltas, finish="tool_calls") == expected


def test_calls_without_an_id_get_one_each() -> None:
    parts = parts_of(call(function={"name": "f"}), call(function={"name": "f"}))
    assert len({part.id for part in parts if part.id}) == 2
    legacy = parts_of({"function_call": {"name": "f"}}, {"function_call": {"arguments": "{}"}})
    assert unnamed(legacy) == [("f", "{}")]


def test_content_that_is_a_list() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    image = {"type": "image_url", "image_url": "data:image/png;base64,iVBO"}
    assert parts_of({"content": [thinking, {"type": "text", "text": "Hi"}, image, {"type": "odd"}, 5]}) == [
        Reasoning(text="Hm"),
        Text(text="Hi"),
        File(kind="image", media_type="image/png", data="iVBO"),
    ]


def test_pictures_and_recordings() -> None:
    images = [{"type": "image_url", "image_url": {"url": url}} for url in ("data:image/png;base64,iVBO", "https://a")]
    assert parts_of({"images": images}) == [
        File(kind="image", media_type="image/png", data="iVBO"),
        File(kind="image", url="https://a"),
    ]
    assert parts_of({"images": [{}, 5]}, {"audio": {"data": "A"}}) == []
    audio = [{"id": "audio_1", "transcript": "Hi"}, {"data": "UklG"}, {"data": "Rg=="}, {"expires_at": 5}]
    assert parts_of(*({"audio": piece} for piece in audio)) == [
        Text(text="Hi"),
        File(kind="audio", media_type="audio/wav", data="UklGRg=="),
    ]


def test_citations() -> None:
    cited = {"url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
    sources: dict[str, Any] = {
        "citations": ["https://b", "https://c"],
        "search_results": [{"title": "B", "url": "https://b"}],
    }
    stream = (
        sent({"annotations": [{"type": "url_citation", "url_citation": cited}, None]})
        + sent({"content": "Hi"}, **sources)
        + sent({}, "stop", **sources)
    )
    assert answer_of(stream).choices[0].citations == [
        Citation(url="https://a", title="A", start=0, end=2),
        Citation(url="https://b", title="B"),
        Citation(url="https://c"),
    ]


@pytest.mark.parametrize(
    "others", [5, "x", True, {}, {"token": "a"}, ["x"], [5, None, [], {"token": "b", "logprob": -1}], [{"token": [1]}]]
)
def test_alternatives_of_other_shapes_can_be_told_to_all(others: Any) -> None:
    token = {"token": "Hi", "logprob": -0.5, "top_logprobs": others}
    choices = [{"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [token]}, "finish_reason": "stop"}]
    events = decode(event({"id": "1", "choices": choices}))[0]
    (found,) = [event for event in events if isinstance(event, Probabilities)]
    kept = [other for other in others if isinstance(other, dict)] if isinstance(others, list) else []
    assert found.content == ({**token, "top_logprobs": kept},)
    asked = Chat(model="m", messages=(), logprobs=1)
    assert b"Hi" in completion_answer(collect(events), asked, "0" * 32)
    for client in CLIENTS.values():
        if isinstance(client, ChatDialect):
            assert client.answer(collect(events), asked, "0" * 32)
            assert client.encoder(asked, "0" * 32).encode(events)


def test_probabilities() -> None:
    token = {"token": "Hi", "logprob": -0.5}
    choices = [{"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [token]}, "finish_reason": "stop"}]
    assert Probabilities((token,)) in decode(event({"id": "1", "choices": choices}))[0]


@pytest.mark.parametrize(
    ("more", "usage"),
    [
        ({"usage": COUNTS}, COUNTED),
        ({"x_groq": {"usage": COUNTS}}, COUNTED),
        ({"usage": None}, None),
        ({"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 5}}, Usage(input=9, cache_read=5)),
        ({"usage": {"prompt_tokens": 9, "cached_tokens": 5}}, Usage(input=9, cache_read=5)),
        ({"usage": {"prompt_tokens": -1, "completion_tokens": 1}}, None),
    ],
)  # fmt: skip
def test_c71_counts(more: dict[str, Any], usage: Usage | None) -> None:
    assert answer_of(sent({"content": "Hi"}) + sent({}, "stop", **more) + DONE).usage == usage


def test_the_whole_message_at_the_end_of_a_stream_is_not_said_again() -> None:
    last = event({"id": "1", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
    assert answer_of(sent({"content": "Hi"}) + last).choices[0].text == "Hi"


@pytest.mark.parametrize(
    ("stream", "whole"),
    [
        pytest.param(sent({"content": "Hi"}), False, id="C65-cut"),
        pytest.param(b"", False, id="C65-nothing"),
        pytest.param(sent({"content": "Hi"}) + sent({}, "stop"), True, id="no-done"),
        pytest.param(sent({"content": "Hi"}) + (sent({}, "stop"))[:-2], True, id="no-blank-line"),
        pytest.param(sent({"content": "Hi"}) + DONE, True, id="done-alone"),
        pytest.param(sent({"content": "Hi"}, "") + DONE, True, id="an-empty-reason"),
        pytest.param(sent({"content": "Hi"}, ""), False, id="C65-an-empty-reason-is-none"),
    ],
)
def test_p6_c65_whole_or_not(stream: bytes, whole: bool) -> None:
    events, told = decode(stream)
    assert told is whole
    assert (Ended() in events) is whole
    assert sum(isinstance(event, Finished) for event in events) == whole


def test_every_choice_has_to_finish() -> None:
    def choice(index: int, finish: str | None) -> bytes:
        return event({"id": "1", "choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": finish}]})

    assert not decode(choice(0, None) + choice(1, None) + choice(0, "stop"))[1]
    assert decode(choice(0, None) + choice(1, None) + choice(0, "stop") + choice(1, "length"))[1]


def test_nothing_is_read_after_the_end() -> None:
    stream = sent({"content": "Hi"}, "stop") + sent({"content": "more"}) + DONE + sent({"content": "more"})
    assert answer_of(stream).choices[0].text == "Hi"


def test_what_means_nothing_is_passed_over() -> None:
    odd = event({"type": "ping"}) + b": comment\n\n" + event({"code": 200, "base_resp": {"status_code": 0}})
    assert answer_of(odd + sent({"content": "Hi"}, "stop") + odd).choices[0].text == "Hi"


def test_a_whole_answer() -> None:
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm", "refusal": None, "tool_calls": None}
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 5,
        "model": "u",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": COUNTS,
    }
    assert decode_chat(msgspec.json.encode(body), TARGET) == [
        Started(id="1", model="u", created=5),
        ReasoningDelta("Hm"),
        TextDelta("Hi"),
        Finished(reason="stop"),
        COUNTED,
        Ended(),
    ]


def test_a_whole_answer_with_calls_that_lack_all_they_can() -> None:
    body = {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": None}}]}}]}
    events = decode_chat(msgspec.json.encode(body), TARGET)
    assert [event.index for event in events if isinstance(event, ToolStarted)] == [0]
    choice = collect(events).choices[0]
    assert (unnamed(choice.calls), choice.finish) == ([("f", "{}")], "tool_calls")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'"x"',
        b"{}",
        b'{"choices":[]}',
        b'{"choices":[5]}',
        b'{"choices":' + b"[" * 100_000,
        b'{"id":"\xff"}',
    ],
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        decode_chat(body, TARGET)


@pytest.mark.parametrize(
    "frame", [b"data: <html>\n\n", b"data: [1]\n\n", b'data: {"choices":' + b"[" * 100_000 + b"\n\n"]
)
def test_frames_that_are_none(frame: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        ChatDecoder(TARGET).feed(frame)


@settings(max_examples=60)
@given(st.binary(max_size=60) | st.sampled_from([recorded.raw for recorded in CHATS]), st.binary(max_size=8))
def test_no_bytes_break_the_decoder(start: bytes, end: bytes) -> None:
    decoder = ChatDecoder(TARGET)
    for part in (start, b"\n\ndata: ", end, b"\n\n"):
        try:
            decoder.feed(part)
        except MalformedAnswerError:
            return
    assert decoder.finish() is not None
