"""The older completions, over the same neutral request and events as chat."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types import Completion

from oneapi_asgi.errors import BadRequest, UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, Message, Text
from oneapi_asgi.wire.events import (
    Broken,
    Ended,
    Event,
    Finished,
    FinishReason,
    Probabilities,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.openai.completions import CompletionEncoder, completion_answer, read_completion
from oneapi_asgi.wire.sse import datas

CALL_ID = "0123456789abcdef0123456789abcdef"
ASKED = Chat(model="asked", messages=(Message(role="user", parts=(Text(text="Once"),)),), stream=True)
STARTED = Started(id="up", model="upstream", created=1_700_000_000)
STOP = Finished(reason="stop")
TOKENS = (
    {"token": "He", "logprob": -0.5, "top_logprobs": [{"token": "He", "logprob": -0.5}]},
    {"token": "y", "logprob": -0.1, "top_logprobs": None},
)
LOGPROBS = {
    "tokens": ["He", "y"],
    "token_logprobs": [-0.5, -0.1],
    "top_logprobs": [{"He": -0.5}, {}],
    "text_offset": [0, 2],
}


def read(**fields: Any) -> Chat:
    return read_completion(msgspec.json.encode({"model": "asked", "prompt": "Once", **fields}))


def answered(events: list[Event], **asked: Any) -> dict[str, Any]:
    body = completion_answer(collect(events), msgspec.structs.replace(ASKED, **asked), CALL_ID)
    Completion.model_validate_json(body)
    answer: dict[str, Any] = msgspec.json.decode(body)
    return answer


def chunks(events: list[Event], **asked: Any) -> list[dict[str, Any]]:
    encoder = CompletionEncoder(msgspec.structs.replace(ASKED, **asked), CALL_ID)
    stream = b"".join([*(encoder.encode([event]) for event in events), encoder.finish()])
    *found, done = datas(stream)
    assert done == b"[DONE]"
    return [msgspec.json.decode(data) for data in found]


def test_requests() -> None:
    plain = msgspec.structs.replace(ASKED, stream=False)
    assert read() == read(prompt=["Once"]) == plain
    fields = {"temperature": 0.5, "n": 2, "seed": 1, "user": "u", "logprobs": 3, "stream": True}
    told = read(
        **fields, max_tokens=5, stop="\n", stream_options={"include_usage": True}, suffix="!", best_of=3, echo=False
    )
    assert told == msgspec.structs.replace(
        plain, **fields, max_output=5, stop=("\n",), include_usage=True, others={"suffix": "!", "best_of": 3}
    )
    assert read(echo=True, best_of=1, suffix=None).others == {"echo": True}


@pytest.mark.parametrize("prompt", [None, [], ["a", "b"], [1, 2], [[1], [2]], 5, {"a": 1}])
def test_prompts_that_are_not_taken(prompt: object) -> None:
    with pytest.raises(BadRequest) as refused:
        read(prompt=prompt)
    assert refused.value.param == "prompt"


def test_a_prompt_is_needed() -> None:
    with pytest.raises(BadRequest, match="prompt"):
        read_completion(b'{"model":"m"}')


def test_an_answer() -> None:
    events: list[Event] = [STARTED, ReasoningDelta("Hm"), TextDelta("Hey"), STOP, Usage(input=5, output=2), Ended()]
    answer = answered(events)
    assert answer["choices"] == [{"text": "Hey", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert (answer["id"], answer["model"], answer["created"]) == (f"cmpl-{CALL_ID}", "asked", 1_700_000_000)
    assert answer["usage"]["total_tokens"] == 7
    assert answered([])["choices"][0]["text"] == ""


def test_a_stream_is_the_same_answer() -> None:
    events: list[Event] = [
        STARTED,
        TextDelta("He"),
        TextDelta("a", 1),
        TextDelta(""),
        RefusalDelta("y"),
        ToolStarted(index=0, id="a", name="f"),
        Finished(reason="length", choice=1),
        STOP,
        STOP,
        Usage(input=5, output=2),
        Ended(),
    ]
    *found, last = chunks(events, include_usage=True)
    told = [
        (choice["index"], choice["text"], choice["finish_reason"]) for chunk in found for choice in chunk["choices"]
    ]
    assert told == [(0, "He", None), (1, "a", None), (0, "y", None), (1, "", "length"), (0, "", "stop")]
    assert {chunk["usage"] for chunk in found} == {None}
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 7)
    whole = answered(events)["choices"]
    assert [(choice["text"], choice["finish_reason"]) for choice in whole] == [("Hey", "stop"), ("a", "length")]
    assert all("usage" not in chunk for chunk in chunks(events))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("tool_calls", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("pause", "length"),
        ("malformed_call", "length"),
        ("error", "length"),
    ],
)
def test_c49_reasons_to_finish(reason: FinishReason, expected: str) -> None:
    events: list[Event] = [TextDelta("Hi"), Finished(reason=reason)]
    assert answered(events)["choices"][0]["finish_reason"] == expected
    assert chunks(events)[-1]["choices"][0]["finish_reason"] == expected


def test_the_end_ends_what_has_no_reason() -> None:
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks([TextDelta("Hi")])] == [None, "stop"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks([])] == ["stop"]


def test_probabilities() -> None:
    events: list[Event] = [TextDelta("Hey"), Probabilities(TOKENS[:1]), Probabilities(TOKENS[1:]), STOP]
    assert answered(events, logprobs=1)["choices"][0]["logprobs"] == LOGPROBS
    told = [chunk["choices"][0]["logprobs"] for chunk in chunks(events, logprobs=1)][1:3]
    assert {key: [item for piece in told for item in piece[key]] for key in LOGPROBS} == LOGPROBS
    assert answered(events)["choices"][0]["logprobs"] is None
    assert len(chunks(events)) == 2


def test_c64_a_broken_stream_has_no_normal_end() -> None:
    for broken in (True, False):
        encoder = CompletionEncoder(ASKED, CALL_ID)
        error = UpstreamFailed("It broke")
        frame = encoder.encode([TextDelta("Hi"), Broken(error), STOP]) if broken else encoder.fail(error)
        assert b"It broke" in datas(frame)[-1]
        assert encoder.finish() == encoder.encode([STOP]) == b""
