"""What goes over the wire in every run: the kinds of request, and the fixed answers to them.

What an answer is to be like stands in the request's first message, which every proxy passes on.
"""

from __future__ import annotations

import json
from typing import Literal, get_args

from msgspec import Struct

__all__ = [
    "ANSWER",
    "EVENTS",
    "EXACT",
    "LENGTHS",
    "MANNER",
    "MODEL",
    "MODES",
    "PACE",
    "PATH",
    "TOKEN",
    "TRANSLATED",
    "Caller",
    "Mode",
    "body_of",
    "request_of",
]

Mode = Literal["plain", "large", "stream", "long", "singly", "paced", "held", "translated", "translated-paced"]
MODES: tuple[Mode, ...] = get_args(Mode)
TRANSLATED: frozenset[Mode] = frozenset(("translated", "translated-paced"))
"""Asked for in Anthropic's format, while the upstream speaks OpenAI's."""

PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"
MODEL = "gpt-4o-mini"
TOKEN = "sk-" + "benchmark" * 5 + "abc"
MANNER = b"In this manner: "
PACE: dict[Mode, float] = {"singly": 0.0, "paced": 0.02, "translated-paced": 0.02, "held": 1.0}
"""Seconds between the events of a stream, each of which is written by itself; those of others come at once."""

ANSWER_BYTES = 700
LARGE_BYTES = 100_000
EVENT_COUNTS: dict[Mode, int] = {
    "plain": 0,
    "large": 0,
    "stream": 64,
    "long": 1024,
    "singly": 256,
    "paced": 64,
    "held": 600,
    "translated": 1024,
    "translated-paced": 64,
}
TEXT = " a few more words"  # never empty: what holds no content may be held back
USAGE = {"prompt_tokens": 24, "completion_tokens": 61, "total_tokens": 85}


class Caller(Struct, frozen=True):
    """How a proxy wants to be asked. ``exact``: the body of an answer has to arrive as the upstream wrote it, which a
    proxy that writes it anew does not do; a stream has to come to its end either way."""

    key: str = TOKEN
    model: str = MODEL
    headers: tuple[tuple[str, str], ...] = ()
    exact: bool = True


EXACT = Caller()


def body_of(mode: Mode, model: str = MODEL) -> bytes:
    """The usage is asked for, so that a proxy that reads it has nothing to add and the length stays the same."""
    manner = f"You are a helpful assistant. {MANNER.decode()}{mode}."
    question = "Tell me why the sky is blue, and why it is red in the evening."
    if mode == "large":
        question += " Here is what I know of it:" + " I have seen it." * (LARGE_BYTES // 16)
    asked = {"role": "user", "content": question}
    fields: dict[str, object] = {"model": model, "max_tokens": 64}
    if mode in TRANSLATED:
        return json.dumps({**fields, "system": manner, "messages": [asked], "stream": True}).encode()
    fields["messages"] = [{"role": "system", "content": manner}, asked]
    if EVENT_COUNTS[mode]:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(fields).encode()


def request_of(mode: Mode, host: str, caller: Caller = EXACT) -> bytes:
    """Head and body."""
    body = body_of(mode, caller.model)
    fields = (
        ("host", host),
        ("authorization", f"Bearer {caller.key}"),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        *caller.headers,
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    path = MESSAGES_PATH if mode in TRANSLATED else PATH
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


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
LENGTHS: dict[Mode, int] = {
    mode: len(b"".join(events) or ANSWER) for mode, events in EVENTS.items() if mode not in TRANSLATED
}
"""Bytes of body that a caller gets where nothing is written anew."""
