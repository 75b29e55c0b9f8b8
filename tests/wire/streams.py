"""Streams as providers send them, and what they hold: the tables that the tests of wire code share."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st
from msgspec import Struct

from oneapi_asgi.models import Usage

__all__ = ["DONE", "STREAMS", "Recorded", "cut_at", "event", "pieces", "reference_datas"]

DONE = b"data: [DONE]\n\n"


class Recorded(Struct, frozen=True, kw_only=True):
    """``preamble`` is how many bytes come before the first event with content, ``report`` the event that
    ``include_usage`` asked for."""

    name: str
    raw: bytes
    preamble: int = 0
    report: bytes = b""
    usage: Usage | None = None
    finished: bool = True
    done: bool = True
    failed: bool = False
    output: int


def event(value: object, name: str = "") -> bytes:
    data = b"data: " + msgspec.json.encode(value) + b"\n\n"
    return f"event: {name}\n".encode() + data if name else data


def chunk(delta: object, finish: str | None = None, **more: object) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-4o"}
    return event({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}], **more})


def text(value: str, finish: str | None = None) -> bytes:
    return event({"id": "cmpl-1", "object": "text_completion", "choices": [{"text": value, "finish_reason": finish}]})


def typed(kind: str, **fields: object) -> bytes:
    return event({"type": kind, **fields}, kind)


ROLE = chunk({"role": "assistant", "content": "", "refusal": None})
NAME = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
COUNTS = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
}
REPORT = event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": COUNTS})
COUNTED = Usage(input=19, output=10, cache_read=3, reasoning=4)
AZURE = event({"choices": [], "created": 0, "id": "", "prompt_filter_results": [{"prompt_index": 0}], "usage": None})
CREATED = typed("response.created", response={"id": "resp_1", "status": "in_progress", "usage": None, "error": None})
ITEM = typed("response.output_item.added", item={"id": "msg_1", "type": "message", "content": []})
COMPLETED = typed(
    "response.completed",
    response={"id": "resp_1", "error": None, "usage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}},
)

STREAMS = [
    Recorded(
        name="chat",
        raw=ROLE + chunk({"content": "Grüß"}) + chunk({"content": " 👋\u2028\x85"}) + chunk({}, "stop") + DONE,
        preamble=len(ROLE),
        output=2,
    ),
    Recorded(
        name="chat with usage",
        raw=ROLE + chunk({"content": "Hello"}, usage=None) + chunk({}, "stop") + REPORT + DONE,
        preamble=len(ROLE),
        report=REPORT,
        usage=COUNTED,
        output=1,
    ),
    Recorded(
        name="azure",
        raw=AZURE + ROLE + chunk({"content": "Hello"}) + chunk({}, "stop") + REPORT + DONE,
        preamble=len(AZURE + ROLE),
        report=REPORT,
        usage=COUNTED,
        output=1,
    ),
    Recorded(
        name="tools",
        raw=chunk({"role": "assistant", "content": None})
        + chunk({"tool_calls": [NAME]})
        + chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]})
        + chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Paris"}'}}]})
        + chunk({}, "tool_calls")
        + DONE,
        preamble=len(chunk({"role": "assistant", "content": None})),
        output=3,
    ),
    Recorded(
        name="reasoning",
        raw=ROLE
        + chunk({"content": None, "reasoning_content": "Let me think about this one."})
        + chunk({"content": "42"})
        + chunk({}, "stop")
        + DONE,
        preamble=len(ROLE),
        output=7 + 1,
    ),
    Recorded(
        name="usage in the choices",
        raw=ROLE
        + event({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop", "usage": COUNTS}]})
        + b"data: [DONE]\n\n",
        preamble=len(ROLE),
        usage=COUNTED,
        output=1,
    ),
    Recorded(
        name="crlf, comments, a ping between",
        raw=b": PROCESSING\r\n\r\n"
        + (chunk({"content": "Hi"}) + b": ping\n\n" + chunk({}, "stop") + DONE).replace(b"\n", b"\r\n"),
        preamble=len(b": PROCESSING\r\n\r\n"),
        output=1,
    ),
    Recorded(name="completions", raw=text("Once") + text(" upon") + text("", "length") + DONE, output=2),
    Recorded(
        name="responses",
        raw=CREATED
        + ITEM
        + typed("response.output_text.delta", delta="Hi")
        + typed("response.output_text.delta", delta=" there")
        + typed("response.output_text.done", text="Hi there")
        + COMPLETED,
        preamble=len(CREATED + ITEM),
        usage=Usage(input=7, output=2),
        output=2,
    ),
    Recorded(
        name="transcription",
        raw=typed("transcript.text.delta", delta="One,")
        + typed("transcript.text.delta", delta=" two.")
        + typed(
            "transcript.text.done",
            text="One, two.",
            usage={
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                "output_tokens": 5,
                "total_tokens": 19,
            },
        ),
        usage=Usage(input=14, output=5, input_audio=14),
        done=False,
        output=2,
    ),
    Recorded(
        name="error at once",
        raw=event({"error": {"message": "overloaded", "type": "server_error"}}),
        finished=False,
        done=False,
        failed=True,
        output=0,
    ),
    Recorded(
        name="response failed",
        raw=CREATED + typed("response.failed", response={"id": "resp_1", "error": {"code": "server_error"}}),
        preamble=len(CREATED),
        finished=False,
        done=False,
        failed=True,
        output=0,
    ),
]


def reference_datas(stream: bytes) -> list[bytes]:
    """HTML section 9.2.6, line by line, one byte after the other: slow, and with nothing to get wrong."""
    lines = re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]  # the last has no end: no line
    found: list[bytes] = []
    data: list[bytes] = []
    for line in lines:
        if not line:
            if data:
                found.append(b"\n".join(data))
            data = []
        elif line == b"data" or line.startswith(b"data:"):
            value = line[5:]
            data.append(value[1:] if value.startswith(b" ") else value)
    return found


def cut_at(stream: bytes, place: int) -> list[bytes]:
    return [stream[:place], stream[place:]]


@st.composite
def pieces(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> Sequence[bytes]:
    """A stream, cut anywhere into any number of pieces."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
