"""Anthropic's Messages: what upstreams complain about, and what is none of this format."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import UpstreamRefused
from oneapi_asgi.wire.anthropic.format import ANTHROPIC
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import Broken, Ended, Finished

from .streams import event
from .test_anthropic_decode import TARGET, TEXT, begun, block, decoded, ended, text_delta

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def test_errors_within_a_stream() -> None:  # C64
    events, whole = decoded([begun(), block(0, TEXT, text_delta("a")), event(OVERLOADED, "error"), ended("end_turn")])
    assert whole
    assert isinstance(events[-1], Broken)
    assert (events[-1].error.status, events[-1].error.type) == (529, "overloaded_error")
    assert not any(isinstance(event, Finished | Ended) for event in events)
    (broken,) = ANTHROPIC.decode(msgspec.json.encode(OVERLOADED), TARGET)
    assert isinstance(broken, Broken)
    (empty,) = decoded([event({"type": "error"})])[0]
    assert isinstance(empty, Broken)
    (bare,) = decoded([event({"error": "what?"})])[0]
    assert isinstance(bare, Broken)
    assert (bare.error.status, bare.error.message) == (500, "what?")


@pytest.mark.parametrize(
    "raw",
    [
        b"data: {\n\n",
        b"data: \xff\n\n",
        b"data: []\n\n",
        b'data: {"type": 1}\n\n',
        event({"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "a"}}),
        b"data: " + b'{"delta":{"citation":' + b"[" * 5000 + b"\n\n",
    ],
)
def test_what_is_no_stream(raw: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        decoded([raw])


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"content": "a"}', b"\xff", b'{"content":' + b"[" * 5000]
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        ANTHROPIC.decode(body, TARGET)


def complaint(kind: str, message: str, **details: object) -> bytes:
    return msgspec.json.encode(
        {"type": "error", "error": {"type": kind, "message": message, "details": details or None}}
    )


@pytest.mark.parametrize(
    ("status", "body", "code", "kind", "param", "message"),
    [
        pytest.param(
            400,
            complaint("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
            "context_length_exceeded",
            "invalid_request_error",
            None,
            "prompt is too long: 210000 tokens > 200000 maximum",
            id="C57-too-long",
        ),
        pytest.param(
            400,
            complaint("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
            "context_length_exceeded",
            "invalid_request_error",
            None,
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            id="C57-window",
        ),
        pytest.param(
            400,
            complaint("invalid_request_error", "messages.0.content: bad"),
            "upstream_refused",
            "invalid_request_error",
            "messages.0.content",
            "messages.0.content: bad",
            id="C58-param",
        ),
        pytest.param(
            404,
            complaint("not_found_error", "model: claude-9"),
            "model_not_found",
            "not_found_error",
            None,
            "model: claude-9",
            id="model",
        ),
        pytest.param(
            413,
            complaint("request_too_large", "Big"),
            "upstream_refused",
            "request_too_large",
            None,
            "Big",
            id="C57-413",
        ),
        pytest.param(
            529,
            complaint("overloaded_error", "Busy", error_code="c"),
            "c",
            "overloaded_error",
            None,
            "Busy",
            id="C57-529",
        ),
        pytest.param(
            502,
            b"<html>",
            "upstream_refused",
            "invalid_request_error",
            None,
            "The provider answered with status 502.",
            id="html",
        ),
        pytest.param(
            403, b'{"message": "No."}', "upstream_refused", "invalid_request_error", None, "No.", id="bedrock"
        ),
        pytest.param(
            400,
            b'[{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}]',
            "upstream_refused",
            "invalid_request_error",
            None,
            "No.",
            id="vertex",
        ),
        pytest.param(400, b'{"error": "No."}', "upstream_refused", "invalid_request_error", None, "No.", id="words"),
        pytest.param(
            400,
            b"[]",
            "upstream_refused",
            "invalid_request_error",
            None,
            "The provider answered with status 400.",
            id="nothing",
        ),
    ],
)
def test_complaints(status: int, body: bytes, code: str, kind: str, param: str | None, message: str) -> None:
    error = ANTHROPIC.refusal(status, body)
    assert isinstance(error, UpstreamRefused)
    assert (error.status, error.code, error.type, error.param, error.message) == (status, code, kind, param, message)


def test_counts() -> None:
    assert ANTHROPIC.decode_count(b'{"input_tokens": 7}') == 7
    with pytest.raises(MalformedAnswerError):
        ANTHROPIC.decode_count(b"{}")


FIELDS = ("type", "index", "delta", "content_block", "message", "content", "text", "usage", "error", "input_tokens")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["text", "message_delta", "content_block_start", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(VALUES)
def test_whatever_comes_is_read_or_called_malformed(value: object) -> None:
    body = msgspec.json.encode(value)
    assert ANTHROPIC.refusal(400, body).message
    with suppress(MalformedAnswerError):
        ANTHROPIC.decode(body, TARGET)
    with suppress(MalformedAnswerError):
        decoded([begun(), event(value)])
