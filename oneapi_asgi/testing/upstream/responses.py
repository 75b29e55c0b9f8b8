"""The Responses API, plain and streamed: thoughts, a message, calls of functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...models import Usage
from .ask import CREATED, Ask, plain, streamed, timed
from .chat import openai_said
from .said import Call, Said, sign
from .script import Answer

__all__ = ["responses"]

Fields = dict[str, Any]
Events = Iterator[tuple[str, Fields, int]]
ECHOED = ("instructions", "max_output_tokens", "previous_response_id", "temperature", "top_p", "truncation")
INCOMPLETE = {"length": "max_output_tokens", "context_window": "max_output_tokens", "content_filter": "content_filter"}


def responses(ask: Ask) -> Answer:
    said = openai_said(ask)
    if ask.stream:
        return streamed(ask, timed(ask, _stream(ask, said)), usage=said.usage)
    return plain(ask, _response(ask, said, _items(ask, said)), said.usage)


def _response(ask: Ask, said: Said, items: list[Fields] | None) -> Fields:
    """The response as it stands: with its items and usage once it is complete."""
    status = "in_progress" if items is None else "incomplete" if said.finish in INCOMPLETE else "completed"
    return {
        "id": f"resp_{ask.serial}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": INCOMPLETE[said.finish]} if status == "incomplete" else None,
        "model": ask.model,
        "output": items or [],
        "parallel_tool_calls": ask.fields.get("parallel_tool_calls", True),
        "tool_choice": ask.fields.get("tool_choice", "auto"),
        "tools": ask.fields.get("tools", []),
        "usage": None if items is None else _wire_usage(said.usage),
        "metadata": {},
        **{name: ask.fields.get(name) for name in ECHOED},
    }


def _items(ask: Ask, said: Said) -> list[Fields]:
    calls = [_call(ask, i, call) for i, call in enumerate(said.calls)]
    thoughts = [_reasoning(ask, said)] if said.thoughts else []
    return [*thoughts, *([_message(ask, said)] if said.words or not calls else []), *calls]


def _reasoning(ask: Ask, said: Said) -> Fields:
    """The thoughts are also given encrypted to whoever asks for that, and may come back without the item's id."""
    item = {"type": "reasoning", "id": f"rs_{ask.serial}", "summary": [_summary(said.thought)]}
    if "reasoning.encrypted_content" in (ask.fields.get("include") or ()):
        item["encrypted_content"] = sign("openai", ask.model, "reasoning")
    return item


def _summary(text: str) -> Fields:
    return {"type": "summary_text", "text": text}


def _message(ask: Ask, said: Said) -> Fields:
    status = "incomplete" if said.finish in INCOMPLETE else "completed"
    message = {"type": "message", "id": f"msg_{ask.serial}", "role": "assistant"}
    return {**message, "status": status, "content": [_text(said.text)]}


def _call(ask: Ask, index: int, call: Call) -> Fields:
    kind, text = ("custom_tool_call", "input") if call.free else ("function_call", "arguments")
    ids = {"id": f"fc_{ask.serial}" + (f"_{index}" if index else ""), "call_id": call.id}
    return {"type": kind, **ids, "name": call.name, text: call.text, "status": "completed"}


def _text(text: str) -> Fields:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _wire_usage(usage: Usage) -> Fields:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


# --- the stream -------------------------------------------------------------------------------------------------------


def _stream(ask: Ask, said: Said) -> Iterator[tuple[bytes, int]]:
    for number, (kind, fields, output) in enumerate(_events(ask, said)):
        data = msgspec.json.encode({"type": kind, "sequence_number": number, **fields})
        yield b"event: %b\ndata: %b\n\n" % (kind.encode(), data), output


def _events(ask: Ask, said: Said) -> Events:
    yield "response.created", {"response": _response(ask, said, None)}, 0
    yield "response.in_progress", {"response": _response(ask, said, None)}, 0
    items, calls = _items(ask, said), iter(said.calls)
    for index, item in enumerate(items):
        kind = item["type"]
        began = {**item, **EMPTY[kind]} | ({} if kind == "reasoning" else {"status": "in_progress"})
        yield "response.output_item.added", {"output_index": index, "item": began}, 0
        where = {"item_id": item["id"], "output_index": index}
        match kind:
            case "reasoning":
                yield from _reasoning_events(where, said)
            case "message":
                yield from _text_events(where, said)
            case _:
                yield from _call_events(where, next(calls))
        yield "response.output_item.done", {"output_index": index, "item": item}, 0
    last = _response(ask, said, items)
    yield f"response.{last['status']}", {"response": last}, 0


EMPTY: dict[str, Fields] = {
    "reasoning": {"summary": []},
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}


def _reasoning_events(where: Fields, said: Said) -> Events:
    where, done = {**where, "summary_index": 0}, {"text": said.thought}
    yield "response.reasoning_summary_part.added", {**where, "part": _summary("")}, 0
    for piece in said.thoughts:
        yield "response.reasoning_summary_text.delta", {**where, "delta": piece}, 1
    yield "response.reasoning_summary_text.done", {**where, **done}, 0
    yield "response.reasoning_summary_part.done", {**where, "part": _summary(said.thought)}, 0


def _text_events(where: Fields, said: Said) -> Events:
    where = {**where, "content_index": 0}
    yield "response.content_part.added", {**where, "part": _text("")}, 0
    for piece in said.words:
        yield "response.output_text.delta", {**where, "delta": piece, "logprobs": []}, 1
    yield "response.output_text.done", {**where, "text": said.text, "logprobs": []}, 0
    yield "response.content_part.done", {**where, "part": _text(said.text)}, 0


def _call_events(where: Fields, call: Call) -> Events:
    kind, text = ("custom_tool_call_input", "input") if call.free else ("function_call_arguments", "arguments")
    for piece in call.fragments:
        yield f"response.{kind}.delta", {**where, "delta": piece}, 1
    yield f"response.{kind}.done", {**where, text: call.text}, 0
