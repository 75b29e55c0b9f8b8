"""Requests and answers as hypothesis makes them up: what every conversational format can say, in any order."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Format,
    Message,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from oneapi_asgi.wire.events import (
    Ended,
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
)
from oneapi_asgi.wire.sealed import Signature

__all__ = ["answers", "arguments", "chats", "signatures", "words"]

_ALPHABET: Final = "aZ0 .,{}[]\"'\\/<>&#\t\n\réß漢\u2028\u2029\x85\x00\x7f\ufeff👋🏽"
_NAMES: Final = ("weather", "get_time", "search-web")
_PNG: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()

words = st.text(_ALPHABET, min_size=1, max_size=12).map(lambda text: f"a{text}z")
"""Texts that begin and end with a letter: blanks at the edges are another matter (C43, C45)."""

_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(_ALPHABET, max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(st.sampled_from(["city", "é", "n"]), _values, max_size=2).map(
    lambda value: msgspec.json.encode(value).decode()
)
"""Those of a call: the text of an object."""

signatures = st.builds(
    Signature,
    st.sampled_from(["anthropic", "gemini", "bedrock", "responses", "openai"]),
    st.sampled_from(["", "some-model"]),
    st.binary(min_size=3, max_size=12).map(lambda raw: base64.b64encode(raw).decode()),
)


# --- requests ---------------------------------------------------------------------------------------------------------

_images = st.just(File(kind="image", media_type="image/png", data=_PNG))
_schemas: Final[list[dict[str, Any]]] = [
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    {"type": "object", "properties": {"n": {"type": "integer", "description": "How many"}}},
]
_texts = words.map(lambda text: Text(text=text))


@st.composite
def _exchange(draw: st.DrawFn, turn: int, names: Sequence[str]) -> list[Message]:
    """The user asks; the assistant calls tools or answers; each call has its result."""
    shown: list[Part] = draw(st.lists(_images, max_size=1))
    told: list[Message] = [Message(role="user", parts=(draw(_texts), *shown))]
    said: list[Part] = draw(st.lists(_texts, max_size=1))
    calls = [
        ToolCall(id=f"call_{turn}_{at}", name=draw(st.sampled_from(names)), arguments=draw(arguments))
        for at in range(draw(st.integers(0, 2)) if names else 0)
    ]
    if said or calls:
        told.append(Message(role="assistant", parts=(*said, *calls)))
    results = (ToolResult(call_id=call.id, name=call.name, parts=(draw(_texts),)) for call in calls)
    return [*told, *(Message(role="tool", parts=(result,)) for result in results)]


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def chats(draw: st.DrawFn, *, settings: bool = True) -> Chat:
    """A conversation that ends with the user's side, with or without tools and settings."""
    names = draw(st.lists(st.sampled_from(_NAMES), max_size=2, unique=True))
    messages = [Message(role="system", parts=(draw(_texts),))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(0, 2))):
        messages += draw(_exchange(turn, names))
        if messages[-1].role != "assistant":
            messages.append(Message(role="assistant", parts=(draw(_texts),)))
    messages.append(Message(role="user", parts=(draw(_texts),)))
    tools = tuple(
        Tool(name=name, description=draw(words), parameters=draw(st.sampled_from(_schemas))) for name in names
    )
    chat = Chat(model="m", messages=tuple(messages), tools=tools, stream=draw(st.booleans()), include_usage=True)
    return msgspec.structs.replace(chat, **draw(_settings(names))) if settings else chat


@st.composite
def _settings(draw: st.DrawFn, names: Sequence[str]) -> dict[str, Any]:
    choices = st.sampled_from([ToolChoice(mode="auto"), ToolChoice(mode="none"), ToolChoice(mode="required")])
    formats = st.sampled_from(
        [Format(kind="json"), Format(kind="schema", name="answer", schema=_schemas[0], strict=True)]
    )
    given = {
        "tool_choice": draw(_maybe(choices)) if names else None,
        "format": draw(_maybe(formats)) if not names else None,
        "max_output": draw(_maybe(st.integers(16, 4096))),
        "temperature": draw(_maybe(st.sampled_from([0.0, 0.25, 1.0]))),
        "top_p": draw(_maybe(st.sampled_from([0.5, 0.75]))),
        "top_k": draw(_maybe(st.integers(1, 40))),
        "seed": draw(_maybe(st.integers(0, 2**31 - 1))),
        "presence_penalty": draw(_maybe(st.sampled_from([-0.5, 0.5]))),
        "frequency_penalty": draw(_maybe(st.sampled_from([0.25, 0.5]))),
        "user": draw(_maybe(st.just("user-1"))),
    }
    stop = tuple(draw(st.lists(words, max_size=2, unique=True)))
    return {name: value for name, value in given.items() if value is not None} | {"stop": stop}


# --- answers ----------------------------------------------------------------------------------------------------------


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    at = draw(st.integers(0, len(text)))
    return [text[:at], text[at:]]


def _call(draw: st.DrawFn, index: int) -> list[Event]:
    given = draw(arguments)
    signature = draw(st.none() | signatures)
    started = ToolStarted(index=index, id=f"call_{index}", name=draw(st.sampled_from(_NAMES)), signature=signature)
    told = [] if given == "{}" and draw(st.booleans()) else [ToolDelta(index, piece) for piece in _pieces(draw, given)]
    ended = [ToolEnded(index)] if draw(st.booleans()) else []
    return [started, *told, *ended]


def _thought(draw: st.DrawFn) -> list[Event]:
    told: list[Event] = [ReasoningDelta(piece) for piece in _pieces(draw, draw(words))]
    return [*told, ReasoningEnded(draw(st.none() | signatures))]


@st.composite
def answers(draw: st.DrawFn, *, refusals: bool = False) -> list[Event]:
    """The events of one whole answer: thoughts, text and calls, and why it ended."""
    events: list[Event] = [Started(id="x", model="y", created=1_700_000_000)]
    for _ in range(draw(st.integers(0, 1))):
        events += _thought(draw)
    for _ in range(draw(st.integers(0, 2))):
        events += [TextDelta(piece) for piece in _pieces(draw, draw(words))]
    if refusals and draw(st.booleans()):
        events += [RefusalDelta(piece) for piece in _pieces(draw, draw(words))]
    calls = draw(st.integers(0, 2))
    for index in range(calls):
        events += _call(draw, index)
    ends: list[FinishReason] = ["length", "content_filter", "tool_calls" if calls else "stop"]
    finished = Finished(reason=draw(st.sampled_from(ends)))
    usage = draw(st.none() | _usages)
    end: list[Event] = [finished, usage] if usage is not None else [finished]
    return [*events, *draw(st.permutations(end)), Ended()]


@st.composite
def _usage(draw: st.DrawFn) -> Usage:
    """Each part is at most its whole."""
    counts = st.integers(0, 50)
    read, written, rest, reasoning, said = (draw(counts) for _ in range(5))
    return Usage(
        input=read + written + rest + 1,
        output=reasoning + said + 1,
        cache_read=read,
        cache_write=written,
        reasoning=reasoning,
    )


_usages = _usage()
