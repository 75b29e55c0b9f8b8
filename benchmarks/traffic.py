"""What goes over the wire in every run: four kinds of request and the fixed answers to them."""

from __future__ import annotations

import json
from typing import Literal, get_args

__all__ = ["ANSWER", "EVENTS", "LENGTHS", "MODEL", "MODES", "PACE", "PATH", "TOKEN", "Mode", "body_of"]

Mode = Literal["plain", "stream", "long", "paced"]
MODES: tuple[Mode, ...] = get_args(Mode)

PATH = "/v1/chat/completions"
MODEL = "gpt-4o-mini"
TOKEN = "sk-" + "benchmark" * 5 + "abc"
PACE = 0.02  # seconds between the events of a paced stream
ANSWER_BYTES = 700
EVENT_COUNTS: dict[Mode, int] = {"plain": 0, "stream": 64, "long": 1024, "paced": 64}
TEXT = " a few more words"  # never empty: what holds no content may be held back
USAGE = {"prompt_tokens": 24, "completion_tokens": 61, "total_tokens": 85}


def body_of(mode: Mode) -> bytes:
    """The usage is asked for, so that a proxy that reads it has nothing to add and the length stays the same."""
    messages = [
        {"role": "system", "content": "You are a helpful assistant that answers in short sentences."},
        {"role": "user", "content": "Tell me why the sky is blue, and why it is red in the evening."},
    ]
    fields = {"model": MODEL, "messages": messages, "max_tokens": 64, "user": mode}
    if mode != "plain":
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(fields).encode()


def _answer() -> bytes:
    def filled(text: str) -> bytes:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": MODEL}
        return json.dumps({**head, "choices": [choice], "usage": USAGE}).encode()

    return filled("x" * (ANSWER_BYTES - len(filled(""))))


def _event(choices: list[dict[str, object]], usage: object = None) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": MODEL}
    return b"data: %b\n\n" % json.dumps({**head, "choices": choices, "usage": usage}, separators=(",", ":")).encode()


def _delta(text: str) -> bytes:
    return _event([{"index": 0, "delta": {"content": text}, "finish_reason": None}])


def _events(count: int) -> tuple[bytes, ...]:
    if not count:
        return ()
    role = _event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
    end = _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return (role, *[_delta(TEXT)] * (count - 4), end, _event([], USAGE), b"data: [DONE]\n\n")


ANSWER = _answer()
EVENTS: dict[Mode, tuple[bytes, ...]] = {mode: _events(count) for mode, count in EVENT_COUNTS.items()}
LENGTHS: dict[Mode, int] = {mode: len(b"".join(events)) for mode, events in EVENTS.items()} | {"plain": len(ANSWER)}
