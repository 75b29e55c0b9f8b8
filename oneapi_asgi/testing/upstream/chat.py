"""Chat completions and legacy completions, plain and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...models import Usage
from .ask import CREATED, Ask, plain, streamed
from .script import Answer, Part

__all__ = ["chat", "completion", "tool_call", "usage_of", "wire_usage"]

DONE = Part(b"data: [DONE]\n\n")
SAMPLES: dict[str, Any] = {"string": "Paris", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}
FRAGMENT = 6  # characters of a tool call's arguments in one chunk


def chat(ask: Ask) -> Answer:
    if ask.stream:
        return streamed(ask, _chat_stream(ask))
    choices, usage = _chat_choices(ask)
    head = {"id": f"chatcmpl-{ask.serial}", "object": "chat.completion", "created": CREATED, "model": ask.model}
    return plain(ask, {**head, "choices": choices, "usage": wire_usage(usage)}, usage)


def _chat_choices(ask: Ask) -> tuple[list[dict[str, Any]], Usage]:
    pieces, finish = ask.words, _finish(ask)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(pieces), "refusal": None}
    if call := tool_call(ask):
        name, pieces, finish = *call, "tool_calls"
        function = {"name": name, "arguments": "".join(pieces)}
        message |= {"content": None, "tool_calls": [{"id": _call_id(ask), "type": "function", "function": function}]}
    n = _choices(ask)
    choices = [{"index": i, "message": message, "logprobs": None, "finish_reason": finish} for i in range(n)]
    return choices, usage_of(ask, n * len(pieces))


def _chat_stream(ask: Ask) -> Iterator[Part]:
    head = {"id": f"chatcmpl-{ask.serial}", "object": "chat.completion.chunk", "created": CREATED, "model": ask.model}
    call, indexes = tool_call(ask), range(_choices(ask))
    deltas = _call_deltas(ask, *call) if call else [{"content": word} for word in ask.words]

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**head, "choices": [choice], **_no_usage(ask)})

    yield from (
        Part(chunk(i, {"role": "assistant", "content": None if call else "", "refusal": None})) for i in indexes
    )
    for delta in deltas:
        yield from (Part(chunk(i, delta), 0.0 if i else ask.fake.delay, 1) for i in indexes)
    yield from (Part(chunk(i, {}, "tool_calls" if call else _finish(ask))) for i in indexes)
    yield from _last_usage(ask, head, len(indexes) * len(deltas))
    yield DONE


def _call_deltas(ask: Ask, name: str, fragments: list[str]) -> list[dict[str, Any]]:
    first = {"index": 0, "id": _call_id(ask), "type": "function", "function": {"name": name, "arguments": fragments[0]}}
    rest = [{"index": 0, "function": {"arguments": fragment}} for fragment in fragments[1:]]
    return [{"tool_calls": [delta]} for delta in (first, *rest)]


def completion(ask: Ask) -> Answer:
    head = {"id": f"cmpl-{ask.serial}", "object": "text_completion", "created": CREATED, "model": ask.model}
    if ask.stream:
        return streamed(ask, _completion_stream(ask, head))
    n = _choices(ask)
    choices = [_text_choice(i, "".join(ask.words), _finish(ask)) for i in range(n)]
    usage = usage_of(ask, n * ask.output)
    return plain(ask, {**head, "choices": choices, "usage": wire_usage(usage)}, usage)


def _completion_stream(ask: Ask, head: dict[str, Any]) -> Iterator[Part]:
    indexes = range(_choices(ask))

    def chunk(index: int, text: str, finish: str | None) -> bytes:
        return _event({**head, "choices": [_text_choice(index, text, finish)], **_no_usage(ask)})

    for word in ask.words:
        yield from (Part(chunk(i, word, None), 0.0 if i else ask.fake.delay, 1) for i in indexes)
    yield from (Part(chunk(i, "", _finish(ask))) for i in indexes)
    yield from _last_usage(ask, head, len(indexes) * ask.output)
    yield DONE


def _text_choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


def tool_call(ask: Ask) -> tuple[str, list[str]] | None:
    """The function to call, with its arguments in fragments, None where a text is the answer: without tools, and once
    the tool has answered."""
    choice, tools = ask.fields.get("tool_choice"), ask.fields.get("tools") or []
    functions = [tool.get("function", tool) for tool in tools if tool.get("type") == "function"]
    if not functions or choice == "none" or _tool_answered(ask):
        return None
    wanted = choice.get("function", choice).get("name") if isinstance(choice, dict) else None
    function = next((f for f in functions if f["name"] == wanted), functions[0])
    properties = (function.get("parameters") or {}).get("properties", {})
    arguments = {name: SAMPLES.get(schema.get("type"), "Paris") for name, schema in properties.items()}
    text = msgspec.json.encode(arguments).decode()
    return function["name"], [text[i : i + FRAGMENT] for i in range(0, len(text), FRAGMENT)]


def _tool_answered(ask: Ask) -> bool:
    turns = ask.fields.get("messages") or ask.fields.get("input")
    last = turns[-1] if isinstance(turns, list) and turns else None
    return isinstance(last, dict) and (last.get("role") == "tool" or last.get("type") == "function_call_output")


def usage_of(ask: Ask, output: int) -> Usage:
    return ask.fake.usage or Usage(input=ask.prompt, output=output)


def wire_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": usage.input_audio},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.output_audio},
    }


def _no_usage(ask: Ask) -> dict[str, None]:
    return {"usage": None} if _include_usage(ask) else {}


def _last_usage(ask: Ask, head: dict[str, Any], output: int) -> Iterator[Part]:
    if _include_usage(ask):
        yield Part(_event({**head, "choices": [], "usage": wire_usage(usage_of(ask, output))}))


def _include_usage(ask: Ask) -> bool:
    return bool((ask.fields.get("stream_options") or {}).get("include_usage"))


def _event(value: object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(value)


def _finish(ask: Ask) -> str:
    return "length" if ask.cut else "stop"


def _choices(ask: Ask) -> int:
    return int(ask.fields.get("n") or 1)


def _call_id(ask: Ask) -> str:
    return f"call_{ask.serial}"
