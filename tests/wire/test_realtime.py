from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent,
    RealtimeErrorEvent,
    ResponseDoneEvent,
)

from oneapi_asgi.errors import (
    BadRequest,
    BudgetExceeded,
    Forbidden,
    GatewayError,
    InsufficientQuota,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from oneapi_asgi.models import Price, Usage
from oneapi_asgi.pricing import cost
from oneapi_asgi.wire.realtime import (
    Meter,
    added,
    chosen,
    close_code,
    close_reason,
    error_event,
    opening,
    passed_code,
    refused,
    shown,
    upstream_path,
)

DETAILS = {
    "cached_tokens": 50,
    "text_tokens": 60,
    "audio_tokens": 40,
    "image_tokens": 0,
    "cached_tokens_details": {"text_tokens": 30, "audio_tokens": 20, "image_tokens": 0},
}
USAGE = {
    "total_tokens": 120,
    "input_tokens": 100,
    "output_tokens": 20,
    "input_token_details": DETAILS,
    "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
}
COUNTED = Usage(input=100, output=20, cache_read=50, input_audio=20, output_audio=15)


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "event_1", **fields})


def done(name: object = "resp_1", usage: object = USAGE, **fields: Any) -> str:
    response = {"id": name, "object": "realtime.response", "status": "completed", "output": [], **fields}
    return event("response.done", response={"conversation_id": "conv_1", **response, "usage": usage})


def created(name: object = "resp_1") -> str:
    return event("response.created", response={"id": name, "status": "in_progress", "output": []})


def transcribed(usage: object, item: object = "item_1") -> str:
    kind = "conversation.item.input_audio_transcription.completed"
    return event(kind, item_id=item, content_index=0, transcript="hi", usage=usage)


def delta(kind: str, text: str, name: str = "resp_1") -> str:
    return event(f"response.{kind}.delta", response_id=name, item_id="i", delta=text)


def fed(*frames: str | bytes) -> Meter:
    meter = Meter()
    for frame in frames:
        meter.heard(frame)
    return meter


# --- what was used ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encode", [str, str.encode], ids=["text", "binary"])
def test_a_response_counts_once_each_part_once(encode: Any) -> None:
    ResponseDoneEvent.model_validate_json(done())
    meter = fed(encode(created()), encode(done()), encode(done()))
    assert meter.usage == meter.total == COUNTED
    assert meter.running == 0
    price = Price(input=4, output=16, cache_read=1, input_audio=32, output_audio=64)
    thirty_fresh_text = 30 * 4 + 50 * 1 + 20 * 32 + 5 * 16 + 15 * 64
    assert cost(COUNTED, price) == -(-thirty_fresh_text // 1_000_000)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}, Usage(input=7, output=3)),
        (
            {**USAGE, "input_token_details": {"cached_tokens": 50, "audio_tokens": 40}},
            Usage(input=100, output=20, cache_read=50, input_audio=40, output_audio=15),
        ),
        (
            {"input_tokens": 10, "output_tokens": 1, "input_token_details": {**DETAILS, "cached_tokens": 99}},
            Usage(input=10, output=1, cache_read=10),
        ),
        (
            {
                "input_tokens": 100,
                "output_tokens": 0,
                "input_token_details": {
                    "cached_tokens": 10,
                    "image_tokens": 60,
                    "cached_tokens_details": {"image_tokens": 10},
                },
            },
            Usage(input=100, cache_read=10, input_image=50),
        ),
        ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}, Usage(calls=0)),
        (
            {"input_tokens": 7, "output_tokens": 3, "input_token_details": None, "output_token_details": None},
            Usage(input=7, output=3),
        ),
    ],
    ids=["bare", "no-cached-details", "more-cached-than-there-is", "pictures", "nothing", "null-details"],
)
def test_usage_of_a_response(usage: object, expected: Usage) -> None:
    assert fed(done(usage=usage)).total == expected


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": -1, "output_tokens": 3}, {"input_tokens": "x"}, [], 7])
def test_where_usage_says_nothing_what_was_seen_is_guessed(usage: object) -> None:
    meter = fed(created(), delta("output_text", "x" * 40), done(usage=usage))
    if usage == {}:
        assert meter.total == Usage(calls=0)
    else:
        assert meter.total == Usage(output=10, estimated=True)
    assert fed(created(), done(usage=None, status="failed")).total == Usage(calls=0)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "type": "tokens",
                "input_tokens": 30,
                "output_tokens": 9,
                "total_tokens": 39,
                "input_token_details": {"audio_tokens": 26, "text_tokens": 4},
            },
            Usage(input=30, output=9, input_audio=26, calls=0),
        ),
        ({"type": "duration", "seconds": 3.2}, Usage(audio_seconds=4, calls=0)),
        (None, Usage(calls=0)),
        ({"type": "duration", "seconds": -1}, Usage(calls=0)),
    ],
    ids=["tokens", "duration", "none", "nonsense"],
)
def test_transcriptions_count_once(usage: Any, expected: Usage) -> None:
    if expected != Usage(calls=0):
        ConversationItemInputAudioTranscriptionCompletedEvent.model_validate_json(transcribed(usage))
    assert fed(transcribed(usage), transcribed(usage)).total == expected


def test_a_session_is_the_sum_of_what_it_was_told() -> None:
    other = {"input_tokens": 7, "output_tokens": 3}
    meter = fed(
        created("a"), done("a"), transcribed({"type": "duration", "seconds": 2}), created("b"), done("b", other)
    )
    assert meter.total == Usage(
        input=107, output=23, cache_read=50, input_audio=20, output_audio=15, audio_seconds=2, calls=2
    )
    assert added(meter.total, Usage(estimated=True)).estimated


@pytest.mark.parametrize(
    ("kind", "text", "output", "audio"),
    [
        ("output_text", "hello", 1, 0),
        ("output_text", "x" * 40, 10, 0),
        ("output_audio_transcript", "x" * 40, 10, 0),
        ("function_call_arguments", "x" * 40, 10, 0),
        ("output_audio", "A" * 64_000, 20, 20),
        ("audio", "A" * 64_000, 20, 20),
        ("text", "", 0, 0),
    ],
)
def test_responses_that_are_being_made_are_guessed(kind: str, text: str, output: int, audio: int) -> None:
    meter = fed(created(), delta(kind, text), delta(kind, text, "resp_of_nobody"))
    assert meter.total == Usage(calls=0)
    assert meter.usage == Usage(output=output, output_audio=audio, estimated=True)


@pytest.mark.parametrize(
    "session",
    [
        {"audio": {"output": {"format": {"type": "audio/pcmu"}}}},
        {"input_audio_format": "g711_alaw", "output_audio_format": "g711_alaw"},
    ],
    ids=["today", "beta"],
)
def test_telephones_need_fewer_bytes_a_second(session: Mapping[str, Any]) -> None:
    meter = fed(event("session.updated", session=session), created(), delta("output_audio", "A" * 10_660))
    assert meter.usage.output_audio == 20
    meter.said(event("input_audio_buffer.append", audio="A" * 10_600))
    assert meter.expected == 11


# --- what comes next --------------------------------------------------------------------------------------------------


def test_the_next_response_reads_the_conversation_and_what_was_said_since() -> None:
    meter = Meter()
    assert meter.expected == 0
    meter.said(event("session.update", session={"instructions": "x" * 300}))
    assert 100 <= meter.expected <= 140
    meter.heard(created())
    before = meter.expected
    meter.said(event("input_audio_buffer.append", audio="A" * 64_000))
    assert meter.expected == before + 11
    meter.heard(done())
    assert meter.expected == 100 + 20 + 11  # the usage of the last response is the truth about what was before
    beside = {"input_tokens": 1, "output_tokens": 1}
    meter.heard(created("b"))
    meter.heard(done("b", beside, conversation_id=None))
    assert meter.expected == 131
    for _ in range(10):
        meter.said("x" * 1_000_000)
    assert meter.expected == 131_072


@pytest.mark.parametrize(
    ("part", "most"),
    [
        ({"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1_000_000}, 1_600),
        ({"type": "input_audio", "audio": "A" * 64_000}, 70),
    ],
    ids=["picture", "audio"],
)
def test_files_are_not_read_as_text(part: object, most: int) -> None:
    meter = Meter()
    meter.said(event("conversation.item.create", item={"type": "message", "role": "user", "content": [part]}))
    assert 10 <= meter.expected <= most


def test_only_what_concerns_money_is_told_of() -> None:
    meter = Meter()
    told: list[str | bytes] = [
        created(),
        done(),
        transcribed(None),
        event("session.created", session={}),
        delta("text", "x"),
        "?",
        b"\xff",
    ]
    assert [meter.heard(frame) for frame in told] == [True, True, True, False, False, False, False]


_NESTED = "[" * 100_000
ODD: Sequence[str | bytes] = (
    "",
    "null",
    "[]",
    _NESTED,
    '{"type": 7}',
    '{"type": "response.done"}',
    '{"type": "response.done", "response": null}',
    '{"type": "response.created", "response": {"id": 7}}',
    '{"type": "response.created", "response": {"id": [1]}}',
    '{"type": "response.done", "response": {"id": {"a": 1}, "usage": {"input_tokens": 99e99}}, "status": []}',
    '{"type": "response.done", "response": {"usage": ' + _NESTED + "}}",
    '{"type": "x.delta", "response_id": [], "delta": {}}',
    '{"type": "conversation.item.input_audio_transcription.completed", "item_id": 1, "content_index": [], "usage": 1}',
    '{"type": "conversation.item.input_audio_transcription.completed", "item_id": "a", "content_index": [{}]}',
    b"\xff\xfe",
)


@pytest.mark.parametrize("frame", ODD, ids=range(len(ODD)))
def test_odd_frames_are_the_callers_business(frame: str | bytes) -> None:
    meter = Meter()
    meter.heard(frame)
    meter.heard(frame)
    meter.said(frame)
    refused(frame)
    assert meter.running == 0
    assert meter.usage.input == meter.usage.output == 0
    meter.heard(done())
    assert meter.usage.input == 100


_FRAMES = st.one_of(
    st.builds(created, st.sampled_from("abc")),
    st.builds(done, st.sampled_from("abc"), st.sampled_from([USAGE, None, {"input_tokens": 3, "output_tokens": 4}])),
    st.builds(transcribed, st.just({"type": "duration", "seconds": 1.0}), st.sampled_from("xy")),
    st.builds(delta, st.sampled_from(["output_text", "output_audio"]), st.text(max_size=30), st.sampled_from("abc")),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_FRAMES, max_size=12))
def test_what_was_told_never_falls_and_has_sound_parts(frames: list[str]) -> None:
    meter = Meter()
    for frame in frames:
        before = meter.total
        meter.heard(frame)
        now = meter.total
        assert (now.input, now.output, now.calls) >= (before.input, before.output, before.calls)
        usage = meter.usage
        assert 0 <= usage.cache_read + usage.input_audio + usage.input_image <= usage.input
        assert 0 <= usage.output_audio <= usage.output
        assert 0 <= meter.running <= 3
    assert meter.usage.calls <= 3


# --- how a session is asked for, and ends -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "model"),
    [
        ("model=gpt-realtime", "gpt-realtime"),
        ("api-version=1&deployment=mine", "mine"),
        ("model=a%2Fb&intent=transcription", "a/b"),
        ("model=a&model=a", "a"),
    ],
)
def test_opening(query: str, model: str) -> None:
    head = opening(query, max_output=4096).head
    assert (head.model, head.max_output, head.stream, head.choices) == (model, 4096, True, 1)


@pytest.mark.parametrize(
    "query", ["", "model=", "model=a&model=b", "model=a&deployment=b", "model=%00", "call_id=rtc_1"]
)
def test_a_session_needs_one_model(query: str) -> None:
    with pytest.raises(BadRequest) as caught:
        opening(query, max_output=1)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("model=x", "/realtime?model=up%2Fm"),
        ("intent=transcription&call_id=rtc_1&key=sk-1", "/realtime?model=up%2Fm&intent=transcription"),
    ],
)
def test_upstream_path(query: str, path: str) -> None:
    assert upstream_path("up/m", query) == path


def test_subprotocols() -> None:
    offered = ["realtime", "openai-insecure-api-key.sk-1", "openai-beta.realtime-v1", "openai-organization.x"]
    assert shown(offered) == [(b"authorization", b"Bearer sk-1"), (b"openai-beta", b"realtime=v1")]
    assert chosen(offered) == "realtime"
    assert chosen(offered[1:]) is None
    assert shown([]) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InsufficientQuota("x"), 1008),
        (BudgetExceeded("x"), 1008),
        (Unauthenticated("x"), 1008),
        (Forbidden("x"), 1008),
        (Unavailable("x"), 1013),
        (UpstreamFailed("x"), 1011),
        (UpstreamTimeout("x"), 1011),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, GatewayError) else str(value),
)
def test_errors_are_events_that_the_sdk_knows(error: GatewayError, code: int) -> None:
    told = RealtimeErrorEvent.model_validate_json(error_event(error, "event_1"))
    assert (told.error.type, told.error.code, told.error.message) == (error.type, error.code, "x")
    assert close_code(error) == code


@pytest.mark.parametrize(
    ("code", "passed"),
    [(1000, 1000), (1001, 1001), (1005, 1000), (1006, 1011), (1015, 1011), (2999, 1011), (3000, 3000), (4999, 4999)],
)
def test_codes_that_may_only_be_reported_are_not_sent(code: int, passed: int) -> None:
    assert passed_code(code) == passed


def test_reasons_fit_into_a_close_frame() -> None:
    assert close_reason("é" * 100) == "é" * 61
    assert close_reason("short") == "short"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "invalid_request_error", "code": "invalid_api_key"}, True),
        ({"type": "insufficient_quota", "code": None}, True),
        ({"type": "server_error"}, True),
        ({"type": "invalid_request_error", "code": "beta_api_shape_disabled"}, False),
        (None, False),
    ],
)
def test_whose_fault_a_greeting_is(error: object, expected: bool) -> None:
    assert refused(event("error", error=error)) is expected
    assert not refused(event("session.created", error={"type": "server_error"}))
