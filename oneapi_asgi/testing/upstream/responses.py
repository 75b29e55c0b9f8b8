"""The Responses API, plain and streamed: one output item, a message or a function call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...models import Usage
from .ask import CREATED, Ask, plain, streamed
from .chat import tool_call, usage_of
from .script import Answer, Part

__all__ = ["responses"]

Fields = dict[str, Any]
ECHOED = ("instructions", "max_output_tokens", "previous_response_id", "temperature", "top_p", "truncation")


def responses(ask: Ask) -> Answer:
    if ask.stream:
        return streamed(ask, _stream(ask))
    item, pieces = _item(ask)
    usage = usage_of(ask, len(pieces))
    return plain(ask, _response(ask, item, usage), usage)


def _response(ask: Ask, item: Fields | None, usage: Usage | None) -> Fields:
    """The response as it stands: with its item and usage once it is complete."""
    status = "in_progress" if item is None else "incomplete" if ask.cut else "completed"
    return {
        "id": f"resp_{ask.serial}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "model": ask.model,
        "output": [item] if item else [],
        "parallel_tool_calls": True,
        "tool_choice": ask.fields.get("tool_choice", "auto"),
        "tools": ask.fields.get("tools", []),
        "usage": _wire_usage(usage) if usage else None,
        "metadata": {},
        **{name: ask.fields.get(name) for name in ECHOED},
    }


def _item(ask: Ask) -> tuple[Fields, list[str]]:
    if call := tool_call(ask):
        name, pieces = call
        ids = {"id": f"fc_{ask.serial}", "call_id": f"call_{ask.serial}"}
        return {
            "type": "function_call",
            **ids,
            "name": name,
            "arguments": "".join(pieces),
            "status": "completed",
        }, pieces
    message = {"type": "message", "id": f"msg_{ask.serial}", "role": "assistant"}
    status = "incomplete" if ask.cut else "completed"
    return {**message, "status": status, "content": [_text("".join(ask.words))]}, ask.words


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


def _stream(ask: Ask) -> Iterator[Part]:
    for number, (kind, fields, output) in enumerate(_events(ask)):
        data = msgspec.json.encode({"type": kind, "sequence_number": number, **fields})
        yield Part(b"event: %b\ndata: %b\n\n" % (kind.encode(), data), ask.fake.delay if output else 0.0, output)


def _events(ask: Ask) -> Iterator[tuple[str, Fields, int]]:
    item, pieces = _item(ask)
    yield "response.created", {"response": _response(ask, None, None)}, 0
    yield "response.in_progress", {"response": _response(ask, None, None)}, 0
    empty: Fields = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
    yield "response.output_item.added", {"output_index": 0, "item": {**item, **empty, "status": "in_progress"}}, 0
    yield from _call_events(item, pieces) if item["type"] == "function_call" else _text_events(item, pieces)
    yield "response.output_item.done", {"output_index": 0, "item": item}, 0
    last = _response(ask, item, usage_of(ask, len(pieces)))
    yield f"response.{last['status']}", {"response": last}, 0


def _text_events(item: Fields, pieces: list[str]) -> Iterator[tuple[str, Fields, int]]:
    where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    text = item["content"][0]["text"]
    yield "response.content_part.added", {**where, "part": _text("")}, 0
    for piece in pieces:
        yield "response.output_text.delta", {**where, "delta": piece, "logprobs": []}, 1
    yield "response.output_text.done", {**where, "text": text, "logprobs": []}, 0
    yield "response.content_part.done", {**where, "part": _text(text)}, 0


def _call_events(item: Fields, pieces: list[str]) -> Iterator[tuple[str, Fields, int]]:
    where = {"item_id": item["id"], "output_index": 0}
    for piece in pieces:
        yield "response.function_call_arguments.delta", {**where, "delta": piece}, 1
    yield "response.function_call_arguments.done", {**where, "arguments": item["arguments"]}, 0
