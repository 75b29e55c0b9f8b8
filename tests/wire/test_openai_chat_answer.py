"""Chat completions as clients are answered: at once and as a stream, both by the types of OpenAI's own SDK."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from oneapi_asgi.errors import UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Message, Reasoning, Text, ToolCall
from oneapi_asgi.wire.events import (
    Broken,
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
from oneapi_asgi.wire.openai.chat import ChatEncoder, chat_answer, read_chat
from oneapi_asgi.wire.sealed import Signature
from oneapi_asgi.wire.sse import datas

CALL_ID = "0123456789abcdef0123456789abcdef"
SIGNATURE = Signature("anthropic", "claude-4", "sig")
STARTED = Started(id="up", model="upstream", created=1_700_000_000)
STOP = Finished(reason="stop")
ASKED = Chat(model="asked", messages=(Message(role="user", parts=(Text(text="Hi"),)),), stream=True, logprobs=1)
TOKEN = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}


def chunks(events: list[Event], **asked: Any) -> list[dict[str, Any]]:
    """One by one, checked by the SDK's own type."""
    encoder = ChatEncoder(msgspec.structs.replace(ASKED, **asked), CALL_ID)
    stream = b"".join([*(encoder.encode([event]) for event in events), encoder.finish()])
    found = datas(stream)
    assert found.pop() == b"[DONE]"
    for data in found:
        if b'"custom"' not in data:  # the API streams calls of custom tools, which the type does not know
            ChatCompletionChunk.model_validate_json(data)
    return [msgspec.json.decode(data) for data in found]


def answered(events: list[Event], **asked: Any) -> dict[str, Any]:
    body = chat_answer(collect(events), msgspec.structs.replace(ASKED, **asked), CALL_ID)
    ChatCompletion.model_validate_json(body)
    answer: dict[str, Any] = msgspec.json.decode(body)
    return answer


def deltas(events: list[Event], **asked: Any) -> list[Any]:
    return [(chunk["choices"][0]["delta"], chunk["choices"][0]["finish_reason"]) for chunk in chunks(events, **asked)]


def test_c61_role_first_then_text_then_one_finish() -> None:
    found = chunks([STARTED, TextDelta("He"), TextDelta(""), TextDelta("y"), STOP, Usage(input=5, output=2), Ended()])
    assert [set(chunk) for chunk in found] == [{"id", "object", "created", "model", "choices"}] * 4
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in found} == {
        (f"chatcmpl-{CALL_ID}", 1_700_000_000, "asked")
    }
    assert [chunk["choices"] for chunk in found] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "He"}, "logprobs": None, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "y"}, "logprobs": None, "finish_reason": None}],
        [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
    ]


def test_c66_usage_comes_last_and_only_when_it_is_asked_for() -> None:
    usage = Usage(
        input=9, output=5, cache_read=2, cache_write=2, cache_write_1h=1, reasoning=4, input_audio=1, input_image=1
    )
    found = chunks([STARTED, TextDelta("Hi"), usage, STOP], include_usage=True)
    assert [chunk["usage"] for chunk in found[:-1]] == [None] * 3
    assert found[-1]["choices"] == []
    told = found[-1]["usage"]
    assert told == answered([TextDelta("Hi"), STOP, usage])["usage"]
    assert (told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]) == (9, 5, 14), "P5"
    assert told["prompt_tokens_details"] == {
        "cached_tokens": 2,
        "cache_write_tokens": 3,
        "audio_tokens": 1,
        "image_tokens": 1,
    }
    assert told["completion_tokens_details"]["reasoning_tokens"] == 4


def test_c48_c62_calls_begin_with_id_and_name_and_always_have_arguments() -> None:
    events: list[Event] = [
        STARTED,
        ToolStarted(index=0, id="call_a", name="f", signature=SIGNATURE),
        ToolStarted(index=1, id="call_b", name="g"),
        ToolDelta(1, '{"x":'),
        ToolDelta(1, "1}"),
        ToolEnded(1),
        ToolStarted(index=2, id="call_c", name="h", custom=True),
        Finished(reason="tool_calls"),
    ]
    found = deltas(events)
    begun = [delta["tool_calls"][0] for delta, _ in found if "id" in delta.get("tool_calls", [{}])[0]]
    assert [(call["index"], call["id"], call["type"]) for call in begun] == [
        (0, "call_a", "function"),
        (1, "call_b", "function"),
        (2, "call_c", "custom"),
    ]
    assert found[0] == ({"role": "assistant", "content": None}, None)
    assert found[-2] == ({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, None)
    assert found[-1] == ({}, "tool_calls")
    message = answered(events)["choices"][0]["message"]
    assert [call.get("function", call.get("custom")) for call in message["tool_calls"]] == [
        {"name": "f", "arguments": "{}"},
        {"name": "g", "arguments": '{"x":1}'},
        {"name": "h", "input": ""},
    ]
    assert message["content"] is None


def test_c27_who_asked_with_functions_is_answered_with_one() -> None:
    events: list[Event] = [
        ToolStarted(index=0, id="a", name="f"),
        ToolDelta(0, '{"x":1}'),
        ToolStarted(index=1, id="b", name="g"),
        Finished(reason="tool_calls"),
    ]
    choice = answered(events, functions=True)["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"x":1}'}
    assert choice["finish_reason"] == "function_call"
    assert deltas(events, functions=True) == [
        ({"role": "assistant", "content": None}, None),
        ({"function_call": {"name": "f", "arguments": ""}}, None),
        ({"function_call": {"arguments": '{"x":1}'}}, None),
        ({}, "function_call"),
    ]


@pytest.mark.parametrize(
    ("reason", "expected", "native"),
    [
        pytest.param("stop", "stop", None, id="C49-stop"),
        pytest.param("length", "length", None, id="C49-length"),
        pytest.param("content_filter", "content_filter", None, id="C51"),
        pytest.param("pause", "length", "pause", id="C49-pause"),
        pytest.param("malformed_call", "length", "malformed_call", id="C50"),
        pytest.param("error", "length", "error", id="error"),
    ],
)
def test_reasons_to_finish(reason: FinishReason, expected: str, native: str | None) -> None:
    events: list[Event] = [TextDelta("Hi"), Finished(reason=reason)]
    for choice in (answered(events)["choices"][0], chunks(events)[-1]["choices"][0]):
        assert (choice["finish_reason"], choice.get("native_finish_reason")) == (expected, native)


def test_c51_an_answer_of_nothing() -> None:
    choice = answered([Finished(reason="content_filter")])["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")
    assert answered([])["choices"][0]["finish_reason"] == "stop"
    assert deltas([]) == [({"role": "assistant", "content": ""}, None), ({}, "stop")]


def test_p3_a_choice_without_a_reason_is_ended_by_the_end() -> None:
    assert deltas([TextDelta("Hi")])[-1] == ({}, "stop")
    assert deltas([ToolStarted(index=0, id="a", name="f")])[-1] == ({}, "tool_calls")
    assert len(deltas([TextDelta("Hi"), STOP, STOP])) == 3


def test_several_choices_interleave() -> None:
    events: list[Event] = [TextDelta("a"), TextDelta("b", 1), TextDelta("a"), Finished(reason="stop", choice=1), STOP]
    told = [
        (choice["index"], choice["delta"].get("role") or choice["delta"].get("content") or choice["finish_reason"])
        for chunk in chunks(events)
        for choice in chunk["choices"]
    ]
    assert told == [
        (0, "assistant"),
        (0, "a"),
        (1, "assistant"),
        (1, "b"),
        (0, "a"),
        (1, "stop"),
        (0, "stop"),
    ]
    assert [choice["message"]["content"] for choice in answered(events)["choices"]] == ["aa", "b"]


@pytest.mark.parametrize("how", ["fail", "broken"])
def test_c64_c65_a_broken_stream_has_no_normal_end(how: str) -> None:
    error = UpstreamFailed("It broke", code="overloaded")
    encoder = ChatEncoder(ASKED, CALL_ID)
    encoder.encode([STARTED, TextDelta("Hi")])
    frame = encoder.fail(error) if how == "fail" else encoder.encode([Broken(error), TextDelta("x")])
    assert msgspec.json.decode(datas(frame)[0]) == {
        "error": {"message": "It broke", "type": "upstream_error", "param": None, "code": "overloaded"}
    }
    assert len(datas(frame)) == 1
    assert encoder.encode([TextDelta("more")]) == encoder.finish() == b""


def test_probabilities_only_when_they_are_asked_for() -> None:
    events: list[Event] = [
        TextDelta("Hi"),
        Probabilities(({"token": "Hi", "logprob": -0.5, "bytes": [72, 105]},)),
        STOP,
    ]
    assert answered(events)["choices"][0]["logprobs"] == {"content": [TOKEN], "refusal": None}
    assert [chunk["choices"][0]["logprobs"] for chunk in chunks(events)][2] == {"content": [TOKEN], "refusal": None}
    assert answered(events, logprobs=None)["choices"][0]["logprobs"] is None
    assert len(chunks(events, logprobs=None)) == 3


EVERYTHING: list[Event] = [
    STARTED,
    ReasoningDelta("Hm"),
    ReasoningDelta("m"),
    ReasoningEnded(signature=SIGNATURE),
    ReasoningEnded(signature=SIGNATURE, redacted=True),
    ReasoningDelta("So"),
    ReasoningEnded(signature=SIGNATURE),
    ReasoningDelta("…"),
    ReasoningEnded(),
    TextDelta("Pa"),
    TextDelta("ris"),
    RefusalDelta("No "),
    RefusalDelta("more."),
    Cited(Citation(url="https://a", title="A", quote="q", start=0, end=5)),
    Cited(Citation(url="https://b")),
    Cited(Citation(title="of a document")),
    FileMade(File(kind="image", media_type="image/png", data="iVBO")),
    FileMade(File(kind="image", url="https://c")),
    FileMade(File(kind="audio", media_type="audio/wav", data="UklG")),
    FileMade(File(kind="video", url="https://d")),
    ToolStarted(index=0, id="call_a", name="f", signature=SIGNATURE),
    ToolStarted(index=1, id="call_b", name="g"),
    ToolDelta(0, '{"x":'),
    ToolDelta(1, "{}"),
    ToolDelta(0, "1}"),
    Finished(reason="tool_calls"),
    Usage(input=5, output=2),
    Ended(),
]


def put_together(events: list[Event], **asked: Any) -> dict[str, Any]:
    """By the SDK's own helper for streams."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in chunks(events, **asked):
        list(state.handle_chunk(ChatCompletionChunk.model_validate(chunk)))
    message: dict[str, Any] = state.get_final_completion().choices[0].message.model_dump(exclude_none=True)
    return message


def test_p2_the_sdk_puts_the_same_message_together() -> None:
    whole = answered(EVERYTHING)["choices"][0]["message"]
    told = put_together(EVERYTHING)
    told.pop("parsed", None)
    for call in told["tool_calls"]:
        call.pop("index")
        call["function"].pop("parsed_arguments", None)
    assert told == {key: value for key, value in whole.items() if value is not None}


def test_c40_c41_a_client_that_echoes_the_message_brings_back_thoughts_and_signatures() -> None:
    for message in (answered(EVERYTHING)["choices"][0]["message"], put_together(EVERYTHING)):
        message.pop("audio")
        body = msgspec.json.encode({"model": "m", "messages": [{**message, "role": "assistant"}]})
        parts = read_chat(body).messages[0].parts
        assert parts[:4] == (
            Reasoning(text="Hmm", signature=SIGNATURE),
            Reasoning(signature=SIGNATURE, redacted=True),
            Reasoning(text="So", signature=SIGNATURE),
            Reasoning(text="…"),
        )
        assert parts[-2:] == (
            ToolCall(id="call_a", name="f", arguments='{"x":1}', signature=SIGNATURE),
            ToolCall(id="call_b", name="g"),
        )


TEXTS = st.text(max_size=4)
PIECES = (
    TEXTS.map(TextDelta)
    | TEXTS.map(ReasoningDelta)
    | TEXTS.map(RefusalDelta)
    | st.just(ReasoningEnded(signature=SIGNATURE))
    | st.just(Cited(Citation(url="https://a")))
)


@settings(max_examples=60)
@given(st.lists(PIECES, max_size=12))
def test_p2_any_stream_is_the_whole_answer(pieces: list[Event]) -> None:
    events = [STARTED, *pieces, STOP]
    whole = answered(events)["choices"][0]["message"]
    joined: dict[str, Any] = {}
    for delta, _ in deltas(events):
        for key, value in delta.items():
            joined[key] = joined[key] + value if joined.get(key) else value
    assert joined == {key: value for key, value in whole.items() if value is not None or key in joined}
