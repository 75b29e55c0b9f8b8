"""Chat completions and legacy completions, plain and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from ...models import Usage
from .ask import CREATED, Ask, plain, streamed, timed
from .checking import Refused
from .said import Call, Offer, Said, say
from .script import Answer

__all__ = ["chat", "completion", "event", "openai_said", "usage_of", "wire_usage"]

MOST_CHOICES = 128
DONE = b"data: [DONE]\n\n"
FINISH = {"context_window": "length", "pause": "stop", "blocked": "content_filter", "stop_sequence": "stop"}


def openai_said(ask: Ask) -> Said:
    """Tools are called once: not when the last turn is their answer. Thoughts are shown when the fake is told so."""
    choice, tools = ask.fields.get("tool_choice"), ask.fields.get("tools") or []
    offered = [] if choice == "none" or _tool_answered(ask) else tools
    flat = [(tool.get("type"), tool.get(tool.get("type"), tool)) for tool in offered]
    offers = [
        Offer(tool["name"], tool.get("parameters") or {}, kind == "custom")
        for kind, tool in flat
        if kind in {"function", "custom"}
    ]
    wanted = choice.get(choice.get("type"), choice).get("name") if isinstance(choice, dict) else None
    return say(ask, offers, wanted=wanted, parallel=ask.fields.get("parallel_tool_calls") is not False)


def _tool_answered(ask: Ask) -> bool:
    turns = ask.fields.get("messages") or ask.fields.get("input")
    last = turns[-1] if isinstance(turns, list) and turns else None
    if not isinstance(last, dict):
        return False
    return last.get("role") == "tool" or last.get("type") in {"function_call_output", "custom_tool_call_output"}


# --- chat -------------------------------------------------------------------------------------------------------------


def chat(ask: Ask) -> Answer:
    said = openai_said(ask)
    if ask.stream:
        return streamed(ask, timed(ask, _chat_stream(ask, said)), usage=_all_choices(ask, said, _choices(ask)))
    n = _choices(ask)
    choice = {"message": _message(said), "logprobs": None, "finish_reason": _finish(said)}
    usage = _all_choices(ask, said, n)
    body = {**_head(ask, "chat.completion"), "choices": [{"index": i, **choice} for i in range(n)]}
    return plain(ask, {**body, "usage": wire_usage(usage)}, usage)


def _head(ask: Ask, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{ask.serial}", "object": kind, "created": CREATED, "model": ask.model}


def _message(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text if _speaks(said) else None, "refusal": None}
    if said.thoughts:
        message["reasoning_content"] = said.thought
    if said.calls:
        message["tool_calls"] = [_wire_call(call, call.text) for call in said.calls]
    return message


def _speaks(said: Said) -> bool:
    return bool(said.words) or not said.calls


def _wire_call(call: Call, arguments: str) -> dict[str, Any]:
    if call.free:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _chat_stream(ask: Ask, said: Said) -> Iterator[tuple[bytes, int]]:
    head, indexes = _head(ask, "chat.completion.chunk"), range(_choices(ask))

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**head, "choices": [choice], **_no_usage(ask)})

    first = {"role": "assistant", "content": "" if _speaks(said) else None, "refusal": None}
    yield from ((chunk(i, first), 0) for i in indexes)
    for delta in _deltas(said):
        yield from ((chunk(i, delta), 1) for i in indexes)
    yield from ((chunk(i, {}, _finish(said)), 0) for i in indexes)
    yield from _last_usage(ask, head, _all_choices(ask, said, len(indexes)))
    yield DONE, 0


def _deltas(said: Said) -> Iterator[dict[str, Any]]:
    yield from ({"reasoning_content": piece} for piece in said.thoughts)
    yield from ({"content": piece} for piece in said.words)
    for index, call in enumerate(said.calls):
        name, text = ("custom", "input") if call.free else ("function", "arguments")
        first, *rest = call.fragments
        yield {"tool_calls": [{"index": index, **_wire_call(call, first)}]}
        yield from ({"tool_calls": [{"index": index, name: {text: fragment}}]} for fragment in rest)


def _finish(said: Said) -> str:
    return FINISH.get(said.finish, said.finish)


# --- legacy completions -----------------------------------------------------------------------------------------------


def completion(ask: Ask) -> Answer:
    head = {"id": f"cmpl-{ask.serial}", "object": "text_completion", "created": CREATED, "model": ask.model}
    said = say(ask)
    if ask.stream:
        return streamed(ask, timed(ask, _completion_stream(ask, head, said)))
    n = _choices(ask)
    choices = [_text_choice(i, said.text, _finish(said)) for i in range(n)]
    usage = _all_choices(ask, said, n)
    return plain(ask, {**head, "choices": choices, "usage": wire_usage(usage)}, usage)


def _completion_stream(ask: Ask, head: dict[str, Any], said: Said) -> Iterator[tuple[bytes, int]]:
    indexes = range(_choices(ask))

    def chunk(index: int, text: str, finish: str | None) -> bytes:
        return event({**head, "choices": [_text_choice(index, text, finish)], **_no_usage(ask)})

    for word in said.words:
        yield from ((chunk(i, word, None), 1) for i in indexes)
    yield from ((chunk(i, "", _finish(said)), 0) for i in indexes)
    yield from _last_usage(ask, head, _all_choices(ask, said, len(indexes)))
    yield DONE, 0


def _text_choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


# --- usage ------------------------------------------------------------------------------------------------------------


def usage_of(ask: Ask, output: int) -> Usage:
    return ask.fake.usage or Usage(input=ask.prompt, output=output)


def _all_choices(ask: Ask, said: Said, n: int) -> Usage:
    usage = said.usage
    return ask.fake.usage or replace(usage, output=n * usage.output, reasoning=n * usage.reasoning)


def wire_usage(usage: Usage) -> dict[str, Any]:
    read = {"cached_tokens": usage.cache_read, "audio_tokens": usage.input_audio}
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {**read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.output_audio},
    }


def _no_usage(ask: Ask) -> dict[str, None]:
    return {"usage": None} if _include_usage(ask) else {}


def _last_usage(ask: Ask, head: dict[str, Any], usage: Usage) -> Iterator[tuple[bytes, int]]:
    if _include_usage(ask):
        yield event({**head, "choices": [], "usage": wire_usage(usage)}), 0


def _include_usage(ask: Ask) -> bool:
    return bool((ask.fields.get("stream_options") or {}).get("include_usage"))


def event(value: object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(value)


def _choices(ask: Ask) -> int:
    n = int(ask.fields.get("n") or 1)
    if n > MOST_CHOICES:
        raise Refused(400, f"{n} is greater than the maximum of {MOST_CHOICES} - 'n'", param="n")
    return n
