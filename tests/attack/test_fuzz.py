"""Requests and streams at random, shaped as their formats are: nothing breaks, and nothing hangs."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attack.everywhere import ENDPOINTS, Endpoint, open_everywhere, quiet, sent
from oneapi_asgi import Gateway
from oneapi_asgi.wire.sse import EventTooLargeError, Framer, datas, split

NAMES = [
    "model",
    "messages",
    "role",
    "content",
    "type",
    "text",
    "name",
    "id",
    "tools",
    "tool_calls",
    "function",
    "arguments",
]
NAMES += [
    "tool_call_id",
    "tool_choice",
    "parameters",
    "properties",
    "input_schema",
    "stream",
    "stream_options",
    "include_usage",
]
NAMES += [
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "temperature",
    "response_format",
    "json_schema",
    "schema",
    "system",
]
NAMES += [
    "thinking",
    "budget_tokens",
    "tool_use_id",
    "input",
    "output",
    "call_id",
    "instructions",
    "reasoning",
    "effort",
    "image_url",
]
NAMES += [
    "url",
    "source",
    "media_type",
    "data",
    "contents",
    "parts",
    "generationConfig",
    "maxOutputTokens",
    "functionCall",
    "args",
]
NAMES += [
    "systemInstruction",
    "functionDeclarations",
    "inlineData",
    "mimeType",
    "options",
    "num_predict",
    "format",
    "documents",
]
NAMES += [
    "query",
    "texts",
    "metadata",
    "user",
    "cache_control",
    "signature",
    "encoding_format",
    "dimensions",
    "prompt",
    "suffix",
]
WORDS = [
    "user",
    "assistant",
    "system",
    "tool",
    "developer",
    "text",
    "function",
    "auto",
    "none",
    "required",
    "any",
    "image_url",
]
WORDS += [
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "input_text",
    "output_text",
    "message",
    "function_call",
]
WORDS += [
    "function_call_output",
    "json_object",
    "json_schema",
    "object",
    "string",
    "array",
    "base64",
    "image/png",
    "ephemeral",
]
WORDS += ["data:image/png;base64,AAAA", "https://127.0.0.1/a.png", "{}", '{"a":1}', "[", "float", "minimal", "hi", ""]

SCALARS = (
    st.sampled_from(WORDS)
    | st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5).filter(str.isprintable)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Endpoint, str, bytes]:
    """A request of some format with fields of it, or of others, each with a value that it may have, or none has."""
    endpoint = draw(st.sampled_from(ENDPOINTS))
    row = draw(st.sampled_from(endpoint.rows))
    body: dict[str, Any] = endpoint.body(row)
    body |= draw(st.dictionaries(st.sampled_from(NAMES[1:]), VALUES, max_size=4))
    for place in draw(st.lists(st.sampled_from(sorted(body)), max_size=2)):
        if isinstance(body[place], list) and body[place] and isinstance(body[place][0], dict):
            told = {**body[place][0], **draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))}
            body[place] = [told, *body[place]]
    return endpoint, row, json.dumps(body, ensure_ascii=draw(st.booleans())).encode(errors="replace")


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with open_everywhere() as opened:
        yield opened


few = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(few, max_examples=20_000)


async def _take(gateway: Gateway, request: tuple[Endpoint, str, bytes]) -> None:
    endpoint, row, body = request
    with quiet():
        await sent(gateway, endpoint, row, body)


@few
@given(requests())
async def test_requests(gateway: Gateway, request_: tuple[Endpoint, str, bytes]) -> None:
    await _take(gateway, request_)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@many
@given(requests())
async def test_many_requests(gateway: Gateway, request_: tuple[Endpoint, str, bytes]) -> None:
    await _take(gateway, request_)


# --- streams ----------------------------------------------------------------------------------------------------------

PIECES = [
    b"data: ",
    b"data:",
    b"data",
    b"event: x",
    b"id: 1",
    b"retry: 5",
    b": comment",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\xef\xbb\xbf",
]
PIECES += [b"[DONE]", b"{}", b'{"a":1}', b"\xe2\x80\xa8", b"\xc2\x85", b"\x00", b"\xff", b" ", b":", b"x" * 100]
STREAMS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=40)


def _framed(pieces: list[bytes], cuts: list[int]) -> None:
    """Cut anywhere it is the same stream: nothing is lost, and each event is whole once."""
    stream = b"".join(pieces)
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    whole, cut = Framer(), Framer()
    once = whole.feed(stream)
    parts = [cut.feed(stream[start:end]) for start, end in pairwise(places)]
    assert b"".join(parts) + cut.rest == stream == once + whole.rest
    assert b"".join(split(once)) == once
    assert len(datas(once)) <= stream.count(b"data")


def _bounded(pieces: list[bytes], limit: int) -> None:
    framer = Framer(limit)
    try:
        for piece in pieces:
            framer.feed(piece)
            assert len(framer.rest) <= limit
    except EventTooLargeError:
        assert sum(map(len, pieces)) > limit


@given(STREAMS, st.lists(st.integers(0, 5000), max_size=8), st.integers(1, 200))
def test_streams(pieces: list[bytes], cuts: list[int], limit: int) -> None:
    _framed(pieces, cuts)
    _bounded(pieces, limit)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=50_000, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 5000), max_size=8), st.integers(1, 200))
def test_many_streams(pieces: list[bytes], cuts: list[int], limit: int) -> None:
    _framed(pieces, cuts)
    _bounded(pieces, limit)


@pytest.mark.parametrize("unit", PIECES)
def test_long_streams_take_linear_time(unit: bytes) -> None:
    framer, began = Framer(), time.process_time()
    chunk = unit * (16_384 // len(unit))
    for _ in range(64):
        for _ in split(framer.feed(chunk)):
            pass
    assert time.process_time() - began < 2
