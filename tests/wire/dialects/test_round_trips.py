"""A request written in one format and read in another is the same request; so are answers, and what was signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from oneapi_asgi.wire.chat import Chat, File, Message, Part, Reasoning, Text, ToolCall, ToolChoice, ToolResult
from oneapi_asgi.wire.dialects import UPSTREAMS
from oneapi_asgi.wire.events import Answer, Event, Finished, RefusalDelta, collect
from oneapi_asgi.wire.sealed import Signature

from .contract import CLIENT_NAMES, answered, client, heard, operation_of, public, streamed, told
from .recordings import target_of
from .strategies import answers, chats

_FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_CLIENT_PAIRS: Final = [(mine, theirs) for mine in CLIENT_NAMES for theirs in CLIENT_NAMES]

# --- requests ---------------------------------------------------------------------------------------------------------


def _passed(chat: Chat, name: str) -> tuple[Chat, frozenset[str]]:
    """The request, as the other side of the format reads what is written; and the names of what was left out."""
    written = UPSTREAMS[name].write(chat, target_of(name, stream=chat.stream))
    body = msgspec.json.encode(written.body)
    return public(client(name).read(operation_of(name, stream=chat.stream), body)), frozenset(written.dropped)


_INSTRUCT = ("openai", "anthropic")
"""Formats that ask for JSON in words as well, or only so: their instructions are longer afterwards (C34)."""

_TELLS_BEFORE_CALLS = "cohere"
"""What is said before a call is its ``tool_plan``, which is thoughts, of which others are not told (C69)."""


def _conversation(chat: Chat, passed: frozenset[str], *, instructed: bool) -> list[tuple[str, Any]]:
    """Neighbouring texts of one side as one; ids of calls by their order, arguments by what they mean."""
    numbers: dict[str, int] = {}
    found: list[tuple[str, Any]] = []
    for message in chat.messages:
        if message.role == "system" and instructed and passed & {*_INSTRUCT}:
            continue
        for part in _parts(message, passed):
            told = _comparable(part, numbers)
            joins = isinstance(told, str) and found and found[-1][0] == message.role and isinstance(found[-1][1], str)
            if joins:
                found[-1] = (message.role, found[-1][1] + "\n" + told)
            else:
                found.append((message.role, told))
    return found


def _parts(message: Message, passed: frozenset[str]) -> Iterator[Part]:
    calls = any(isinstance(part, ToolCall) for part in message.parts)
    if calls and _TELLS_BEFORE_CALLS in passed:
        return (part for part in message.parts if isinstance(part, ToolCall))
    return iter(message.parts)


def _comparable(part: Part, numbers: dict[str, int]) -> Any:
    match part:
        case Text(text=text):
            return text
        case File():
            return ("file", part.kind, part.media_type, part.data)
        case ToolCall():
            number = numbers.setdefault(part.id, len(numbers))
            return ("call", number, part.name, msgspec.json.decode(part.arguments))
        case ToolResult():
            text = "\n".join(one.text for one in part.parts if isinstance(one, Text))
            return ("result", numbers[part.call_id], part.name, text)
        case _:
            return part


def _settings(chat: Chat, dropped: frozenset[str], passed: frozenset[str]) -> dict[str, Any]:
    """Without what was left out, and without what is not another thing to say than nothing."""
    told = {name: getattr(chat, name) for name in Chat.__struct_fields__ if name not in (*_ELSEWHERE, *dropped)}
    told["tools"] = tuple(replace(tool, strict=tool.strict or None) for tool in chat.tools)
    if chat.tool_choice == ToolChoice(mode="auto"):
        told.pop("tool_choice", None)
    if chat.tool_choice == ToolChoice(mode="none") and "ollama" in passed:  # tools are withheld, then (C17)
        told.pop("tool_choice", None)
        told["tools"] = ()
    if chat.format is not None:
        schema = {**(chat.format.schema or {}), "additionalProperties": False}  # said where it has to be
        told["format"] = (chat.format.kind, schema)
        if chat.format.kind == "json" and "anthropic" in passed:
            del told["format"]
    if "anthropic" in passed:  # has to have one (C5)
        told.pop("max_output")
    return {name: value for name, value in told.items() if value not in (None, ())}


_ELSEWHERE: Final = ("model", "messages", "include_usage", "others")


def _check_request(chat: Chat, mine: str, theirs: str) -> None:
    asked, lost = _passed(chat, mine)
    heard_there, lost_there = _passed(asked, theirs)
    back, lost_back = _passed(heard_there, mine)
    dropped, passed = lost | lost_there | lost_back, frozenset({mine, theirs})
    instructed = chat.format is not None
    expected = _settings(chat, dropped, passed), _conversation(chat, passed, instructed=instructed)
    for other in (asked, heard_there, back):
        assert (_settings(other, dropped, passed), _conversation(other, passed, instructed=instructed)) == expected


@pytest.mark.parametrize(("mine", "theirs"), _CLIENT_PAIRS)
def test_a_request_there_and_back(mine: str, theirs: str) -> None:
    """C1 C3 C4 C6 C10 C15 C16 C19 C22 C28 C33 C69 C75, for all formats at once: nothing is lost but what is named."""
    _FEW(given(chats())(lambda chat: _check_request(chat, mine, theirs)))()


@pytest.mark.slow
@pytest.mark.parametrize(("mine", "theirs"), _CLIENT_PAIRS)
def test_many_requests_there_and_back(mine: str, theirs: str) -> None:
    _MANY(given(chats())(lambda chat: _check_request(chat, mine, theirs)))()


# --- answers ----------------------------------------------------------------------------------------------------------


def _finish(mine: str, events: list[Event]) -> str | None:
    """Why the answer ended, as the format can say it."""
    reason = next(event.reason for event in events if isinstance(event, Finished))
    refused = any(isinstance(event, RefusalDelta) for event in events)
    if mine == "anthropic" and refused and reason != "length":
        return "content_filter"
    return None if mine == "cohere" and reason == "content_filter" else reason  # which is an error there


def _check_answer(events: list[Event], mine: str) -> None:
    """As a stream, event by event and at once, the answer says what the events do (P2)."""
    expected = told(collect(events))
    wanted = replace(expected, finish=_finish(mine, events), signatures=())
    stream, whole = heard(mine, streamed(mine, events))
    pieces, _ = heard(mine, streamed(mine, events, one_by_one=True))
    at_once = UPSTREAMS[mine].decode(answered(mine, events), target_of(mine))
    assert whole
    for found in (stream, pieces, at_once):
        assert replace(told(collect(found)), signatures=()) == wanted
    assert told(collect(stream)) == told(collect(pieces)) == told(collect(at_once))


@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_p2_an_answer_is_the_same_streamed_and_whole(mine: str) -> None:
    settings(_FEW, max_examples=40)(given(answers(refusals=True))(lambda events: _check_answer(events, mine)))()


@pytest.mark.slow
@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_p2_many_answers_are_the_same_streamed_and_whole(mine: str) -> None:
    settings(_MANY, max_examples=2000)(given(answers(refusals=True))(lambda events: _check_answer(events, mine)))()


# --- what was signed --------------------------------------------------------------------------------------------------

_Body = dict[str, Any]


def _hi(role: str = "user") -> _Body:
    return {"role": role, "content": "Hi"}


def _with_results(answer: _Body, results: list[_Body]) -> list[Any]:
    return [_hi(), answer, *results]


def _openai(answer: _Body) -> _Body:
    said = answer["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in said.get("tool_calls") or ()]
    return {"model": "m", "messages": _with_results(said, results)}


def _responses(answer: _Body) -> _Body:
    calls = [item for item in answer["output"] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": call["call_id"], "output": "x"} for call in calls]
    return {"model": "m", "input": [_hi(), *answer["output"], *results]}


def _anthropic(answer: _Body) -> _Body:
    calls = [block for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "x"} for call in calls]
    said = {"role": "assistant", "content": answer["content"]}
    turn = [{"role": "user", "content": results}] if results else []
    return {"model": "m", "max_tokens": 9, "messages": _with_results(said, turn)}


def _gemini(answer: _Body) -> _Body:
    content = answer["candidates"][0]["content"]
    calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
    results = [{"functionResponse": {"id": c["id"], "name": c["name"], "response": {"r": 1}}} for c in calls]
    turn = [{"role": "user", "parts": results}] if results else []
    return {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, content, *turn]}


def _cohere(answer: _Body) -> _Body:
    said = answer["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in said.get("tool_calls") or ()]
    return {"model": "m", "messages": _with_results(said, results)}


_ECHOES: Final[dict[str, Callable[[_Body], _Body]]] = {
    "openai": _openai,
    "responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "cohere": _cohere,
}
"""The answer sent back as a part of the conversation. (Ollama's has no place for what thoughts are signed with.)"""


def _signed(parts: list[Part] | tuple[Part, ...]) -> list[tuple[str, Signature]]:
    return [
        (type(part).__name__, part.signature)
        for part in parts
        if isinstance(part, Reasoning | ToolCall) and part.signature is not None
    ]


def _known(signature: Signature, mine: str) -> Signature:
    """Of a client's own provider it comes back bare: the model is not known."""
    return replace(signature, model="") if signature.dialect == mine else signature


def _check_signatures(events: list[Event], mine: str) -> None:
    answer: Answer = collect(events)
    expected = [(kind, _known(signature, mine)) for kind, signature in _signed(answer.choices[0].parts)]
    body = _ECHOES[mine](msgspec.json.decode(answered(mine, events)))
    chat = client(mine).read(operation_of(mine), msgspec.json.encode(body))
    found = [(kind, _known(one, mine)) for message in chat.messages for kind, one in _signed(message.parts)]
    assert found == expected


@pytest.mark.parametrize("mine", _ECHOES)
def test_c40_c41_signatures_come_back(mine: str) -> None:
    settings(_FEW, max_examples=40)(given(answers())(lambda events: _check_signatures(events, mine)))()
