"""Whatever comes, from clients or upstreams: a complaint of the declared kinds, or an answer, in bounded time."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from oneapi_asgi.errors import RequestError
from oneapi_asgi.wire.bedrock.eventstream import EventStreamFrames, message
from oneapi_asgi.wire.chat import Chat, Format, Tool
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.dialects import UPSTREAMS
from oneapi_asgi.wire.events import Ended, Event, Finished, Started, TextDelta, ToolDelta, ToolStarted, collect
from oneapi_asgi.wire.sse import EventTooLargeError
from oneapi_asgi.wire.translation import Translation

from .contract import (
    ASKED,
    CALL_ID,
    CLIENT_NAMES,
    PAIRS,
    UPSTREAM_NAMES,
    answered,
    asked,
    client,
    operation_of,
    public,
    streamed,
)
from .recordings import RECORDINGS, Recording, target_of
from .requests import REQUESTS

_SETTINGS: Final = settings(deadline=None, suppress_health_check=list(HealthCheck))
_FEW: Final = settings(_SETTINGS, max_examples=20)
_MANY: Final = settings(_SETTINGS, max_examples=600)

_STRANGE: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    1_700_000_000_000,
    10**30,
    -0.5,
    1e308,
    "",
    "x",
    "\u2028👋",
    "data:image/png;base64,!",
    [],
    [None],
    [[]],
    ["x"],
    [{}],
    {},
    {"type": "x"},
    {"text": None},
    {"": {"": []}},
)
_RAW: Final = (
    *(json.dumps(value).encode() for value in _STRANGE),
    rb'"\ud800"',
    b'"\xff\xfe"',
    b"1e999",
    b"9" * 400,
    b"NaN",
    b"[" * 5000,
    b'{"a":' * 5000,
)
_DEEP: Final = 200_000

# --- mutating ---------------------------------------------------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*path, key)
        yield from _places(below, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    copy = deepcopy(value)
    at = copy
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return copy


@st.composite
def _mutated(draw: st.DrawFn, value: Any) -> Any:
    """One to three values replaced, taken away or doubled."""
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            break
        place = draw(st.sampled_from(places))
        kind = draw(st.sampled_from(["replace", "replace", "delete", "double"]))
        strange = draw(st.sampled_from(_STRANGE))

        def change(at: Any, key: Any, kind: str = kind, strange: Any = strange) -> None:
            if kind == "replace":
                at[key] = strange
            elif kind == "delete":
                del at[key]
            elif isinstance(at, list):
                at.insert(key, at[key])

        value = _changed(value, place, change)
    return value


_VALUE = re.compile(rb'(?<=: )(?:"(?:[^"\\]|\\.)*"|-?\d[\d.]*|null|true|false|\[|\{)|(?<=[\[,] )\{')


@st.composite
def _mutated_text(draw: st.DrawFn, raw: bytes) -> bytes:
    """JSON in frames: a value replaced, or bytes cut out."""
    found = [match.span() for match in _VALUE.finditer(raw)]
    for _ in range(draw(st.integers(1, 2))):
        if draw(st.booleans()) and found:
            start, end = draw(st.sampled_from(found))
            return raw[:start] + draw(st.sampled_from(_RAW)) + raw[end:]
        start = draw(st.integers(0, len(raw)))
        raw = raw[:start] + draw(st.binary(max_size=3)) + raw[start + draw(st.integers(0, 40)) :]
    return raw


@st.composite
def _mutated_stream(draw: st.DrawFn, recording: Recording) -> bytes:
    """Of Bedrock's frames the payloads, or else the checksums tell."""
    if recording.upstream != "bedrock" or draw(st.booleans()):
        return draw(_mutated_text(recording.raw))
    frames = EventStreamFrames().feed(recording.raw)
    at = draw(st.integers(0, len(frames) - 1))
    payload = draw(_mutated_text(frames[at].payload))
    told = [(frame.headers, payload if place == at else frame.payload) for place, frame in enumerate(frames)]
    return b"".join(message(headers, body) for headers, body in told)


# --- upstreams --------------------------------------------------------------------------------------------------------


def _decoded(recording: Recording, stream: bytes, cut: int) -> list[Event]:
    """What can be read before it cannot any more."""
    decoder = recording.dialect.decoder(target_of(recording.upstream))
    events: list[Event] = []
    try:
        for chunk in (stream[:cut], stream[cut:]):
            events += decoder.feed(chunk)
        events += decoder.finish()
    except (MalformedAnswerError, EventTooLargeError):
        assert not any(isinstance(event, Ended) for event in events)
    return events


def _told_to_all(events: list[Event]) -> None:
    """Every client can be told what was made of it."""
    for mine in CLIENT_NAMES:
        streamed(mine, events)
        answered(mine, events)


def _check_stream(recording: Recording, stream: bytes, cut: int) -> None:
    _told_to_all(_decoded(recording, stream, cut))


def _check_whole(recording: Recording, body: bytes) -> None:
    try:
        events = recording.dialect.decode(body, target_of(recording.upstream))
    except MalformedAnswerError:
        return
    _told_to_all(events)


def _fuzz_upstream(recording: Recording, how: settings) -> None:
    @how
    @given(_mutated_stream(recording), st.integers(0, 4000))
    def stream(raw: bytes, cut: int) -> None:
        _check_stream(recording, raw, cut)

    @how
    @given(_mutated(json.loads(recording.whole or b"{}")), _mutated_text(recording.whole or b"{}"))
    def whole(value: Any, text: bytes) -> None:
        _check_whole(recording, json.dumps(value).encode())
        _check_whole(recording, text)

    @how
    @given(_mutated({"error": {"message": "x", "code": 1, "type": "y"}, "message": "z", "code": "c"}))
    def refusal(value: Any) -> None:
        error = recording.dialect.refusal(429, json.dumps(value).encode())
        for mine in CLIENT_NAMES:
            assert client(mine).error(error, CALL_ID)

    stream()
    whole()
    refusal()


_DIFFERENT: Final = [one for one in RECORDINGS if one.name not in ("crlf", "array")]


@pytest.mark.parametrize("recording", _DIFFERENT, ids=lambda one: one.upstream)
def test_strange_answers(recording: Recording) -> None:
    _fuzz_upstream(recording, settings(_FEW, max_examples=12))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: f"{one.upstream}-{one.name}")
def test_many_strange_answers(recording: Recording) -> None:
    _fuzz_upstream(recording, _MANY)


@pytest.mark.parametrize("recording", _DIFFERENT, ids=lambda one: one.upstream)
@pytest.mark.parametrize("raw", _RAW, ids=range(len(_RAW)))
def test_a_strange_value_in_each_place_of_a_whole_answer(recording: Recording, raw: bytes) -> None:
    for found in _VALUE.finditer(recording.whole):
        body = recording.whole[: found.start()] + raw + recording.whole[found.end() :]
        try:
            events = recording.dialect.decode(body, target_of(recording.upstream))
        except MalformedAnswerError:
            continue
        assert msgspec.json.encode([event for event in events if not hasattr(event, "error")])


@pytest.mark.parametrize("created", [-1, 0, 1_700_000_000_000, 10**18, 10**30])
@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_any_time_of_an_answer_can_be_told(mine: str, created: int) -> None:
    """Some upstreams count milliseconds."""
    events: list[Event] = [Started(created=created), TextDelta("x"), Finished(reason="stop"), Ended()]
    assert streamed(mine, events)
    assert answered(mine, events)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: f"{one.upstream}-{one.name}")
def test_half_a_character_is_no_text(recording: Recording) -> None:
    """A surrogate without its other half is no Unicode: nothing could be sent on that has one."""
    half = recording.whole.replace("Grüß".encode(), rb"\ud83d")
    if recording.whole:
        with pytest.raises(MalformedAnswerError):
            recording.dialect.decode(half, target_of(recording.upstream))


# --- clients ----------------------------------------------------------------------------------------------------------


def _told(mine: str, error: RequestError) -> None:
    """A complaint that the caller can act upon."""
    assert error.message
    assert client(mine).error(error, CALL_ID)


def _check_request(mine: str, body: bytes) -> Chat | None:
    try:
        chat = client(mine).read(operation_of(mine, stream=True), body)
    except RequestError as error:
        _told(mine, error)
        return None
    before = repr(chat)
    for theirs in UPSTREAM_NAMES:
        try:
            written = UPSTREAMS[theirs].write(public(chat), target_of(theirs))
        except RequestError:
            continue
        assert isinstance(msgspec.json.decode(msgspec.json.encode(written.body)), dict)
        assert set(written.dropped) <= {*Chat.__struct_fields__, *chat.others}
    assert repr(chat) == before
    return chat


@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_a_rich_request_is_understood_and_answered(mine: str) -> None:
    chat = _check_request(mine, json.dumps(REQUESTS[mine]).encode())
    assert chat is not None
    assert chat.others["x_unknown"] == {"deep": [1]}
    events: list[Event] = [Started(), TextDelta("x"), Finished(reason="stop"), Ended()]
    assert client(mine).answer(collect(events), chat, CALL_ID)
    encoder = client(mine).encoder(chat, CALL_ID)
    assert encoder.encode(events) + encoder.finish()


def _fuzz_client(mine: str, how: settings) -> None:
    @how
    @given(_mutated(REQUESTS[mine]))
    def fields(value: Any) -> None:
        _check_request(mine, json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))

    @how
    @given(_mutated_text(json.dumps(REQUESTS[mine]).encode()))
    def text(raw: bytes) -> None:
        _check_request(mine, raw)

    fields()
    text()


@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_strange_requests(mine: str) -> None:
    _fuzz_client(mine, _FEW)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_many_strange_requests(mine: str) -> None:
    _fuzz_client(mine, _MANY)


@pytest.mark.parametrize("mine", CLIENT_NAMES)
@pytest.mark.parametrize("strange", _STRANGE, ids=range(len(_STRANGE)))
def test_a_strange_value_in_each_field(mine: str, strange: Any) -> None:
    for name in REQUESTS[mine]:
        _check_request(mine, json.dumps(REQUESTS[mine] | {name: strange}).encode())


_KEYWORDS: Final = (
    *("type", "enum", "const", "format", "required", "properties", "propertyOrdering", "items", "prefixItems"),
    *("anyOf", "oneOf", "allOf", "not", "$ref", "$defs", "additionalProperties", "description", "default"),
    *("minimum", "exclusiveMaximum", "maxItems", "pattern", "nullable", "minLength", "title"),
)
_SCHEMAS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"type": "object", "properties": {"a": {"type": "string"}}},
    {"type": "array"},
    {"anyOf": [{"type": "string"}, {"type": "null"}]},
    {"$ref": "#/$defs/x"},
)


@pytest.mark.parametrize("theirs", UPSTREAM_NAMES)
def test_strange_schemas(theirs: str) -> None:
    """Schemas are whatever the caller's library made of them."""
    for keyword, strange, schema in itertools.product(_KEYWORDS, _STRANGE, _SCHEMAS):
        changed = {"type": "object", "properties": {"p": {**schema, keyword: strange}}}
        for parameters in (changed, {**schema, keyword: strange}):
            tools = (Tool(name="f", parameters=parameters, strict=True),)
            form = Format(kind="schema", name="x", schema=parameters, strict=True)
            with contextlib.suppress(RequestError):
                chat = replace(ASKED, tools=tools, format=form)
                msgspec.json.encode(UPSTREAMS[theirs].write(chat, target_of(theirs)).body)


# --- bounded time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"[" * _DEEP, b'{"a":' * _DEEP, b'{"messages":' + b"[" * _DEEP])
def test_depth_is_no_matter(text: bytes) -> None:
    begun = time.monotonic()
    for mine in CLIENT_NAMES:
        with pytest.raises(RequestError):
            client(mine).read(operation_of(mine), text)
    for recording in _DIFFERENT:
        _check_whole(recording, text)
        _check_stream(recording, b"data: " + text + b"\n\n", 10)
    assert time.monotonic() - begun < 5


_CALLS: Final = 3000


@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_interleaved_calls_cost_no_more_than_they_are(mine: str) -> None:
    """Formats that tell calls one after another hold what waits, and look at it once."""
    begun = time.monotonic()
    encoder = client(mine).encoder(asked(mine, stream=True), CALL_ID)
    told = bytearray(encoder.encode([ToolStarted(index=index, id=f"c{index}", name="f") for index in range(8)]))
    for piece in ('{"a":"', *["x" * 20] * _CALLS, '"}'):
        told += encoder.encode([ToolDelta(index, piece) for index in range(8)])
    told += encoder.encode([Finished(reason="tool_calls"), Ended()]) + encoder.finish()
    assert told.count(b"x" * 20) >= 8
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_a_translation_takes_whatever_comes(mine: str, theirs: str) -> None:
    """Noise instead of an answer is malformed, or nothing at all: never an answer."""
    for noise in (b"", b"\x00\xff" * 50, b"<html>\n\n</html>\n\n", b"data: {}\n\n", b"{}\n", b"[]", b": ping\n\n" * 50):
        passage = Translation(UPSTREAMS[theirs], target_of(theirs), client(mine), asked(mine, stream=True), CALL_ID)
        try:
            told = passage.feed(noise) + passage.finish()
        except (MalformedAnswerError, EventTooLargeError):
            continue
        assert passage.reader.failed or not passage.whole
        assert not told or passage.reader.failed
