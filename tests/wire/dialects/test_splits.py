"""Streams of every upstream, cut at every byte: what passes is the same bytes, what is translated says the same."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator

import pytest

from oneapi_asgi.errors import UpstreamFailed
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import Broken, Ended, Event, Finished, collect
from oneapi_asgi.wire.looked_at import LookedAt
from oneapi_asgi.wire.passage import JSON, Passage, Told
from oneapi_asgi.wire.watch import Watch

from ..pieces import joined
from .contract import CLIENT_NAMES, client, heard, told, translation
from .recordings import RECORDINGS, TEXT, Recording, target_of

_CLOCK = re.compile(rb'"(created|created_at|completed_at|createTime)":("[^"]*"|\d+(\.\d+)?)')
"""Times that the answer gets where the upstream tells none."""


def _name(recording: Recording) -> str:
    return f"{recording.upstream}-{recording.name}"


def _halves(raw: bytes, stride: int) -> Iterator[list[bytes]]:
    return ([raw[:at], raw[at:]] for at in range(0, len(raw) + 1, stride))


def _bytes(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


# --- passing untouched ------------------------------------------------------------------------------------------------

_PASSING = [recording for recording in RECORDINGS if recording.upstream in CLIENT_NAMES]
"""All others are in formats that no client speaks."""


def _passage(recording: Recording) -> Passage:
    if recording.dialect.skims:
        return Passage()
    passage = LookedAt(recording.dialect.decoder(target_of(recording.upstream)), lambda body: Told(body), stream=True)
    assert passage.streams(JSON if recording.name == "array" else client(recording.upstream).stream_type)
    return passage


def _passed(recording: Recording, chunks: Iterable[bytes]) -> tuple[str, Passage]:
    passage = _passage(recording)
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(passage.feed(chunk))
        passage.count()
    digest.update(passage.finish())
    return digest.hexdigest(), passage


@pytest.mark.parametrize("recording", _PASSING, ids=_name)
def test_c68_what_passes_is_the_same_bytes_wherever_it_is_cut(recording: Recording) -> None:
    _check_passing(recording, 5)


@pytest.mark.slow
@pytest.mark.parametrize("recording", _PASSING, ids=_name)
def test_c68_what_passes_is_the_same_bytes_cut_at_any_byte(recording: Recording) -> None:
    _check_passing(recording, 1)


def _check_passing(recording: Recording, stride: int) -> None:
    expected = hashlib.sha256(recording.raw).hexdigest()
    for halves in (*_halves(recording.raw, stride), _bytes(recording.raw)):
        digest, passage = _passed(recording, halves)
        assert digest == expected, halves[0][-40:]
        assert passage.whole
        assert passage.reader.started
        assert passage.reader.usage == _seen(recording).usage


@functools.cache
def _seen(recording: Recording) -> Watch:
    watch = Watch()
    watch.see(_events(recording, [recording.raw]))
    return watch


# --- decoding ---------------------------------------------------------------------------------------------------------


def _events(recording: Recording, chunks: Iterable[bytes]) -> list[Event]:
    decoder = recording.dialect.decoder(target_of(recording.upstream))
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    events += decoder.finish()
    assert decoder.whole
    return events


@pytest.mark.parametrize("recording", RECORDINGS, ids=_name)
def test_p2_events_are_the_same_wherever_a_stream_is_cut(recording: Recording) -> None:
    whole = joined(_events(recording, [recording.raw]))
    for halves in _halves(recording.raw, 13):
        assert joined(_events(recording, halves)) == whole, halves[0][-40:]
    assert joined(_events(recording, _bytes(recording.raw))) == whole
    assert "".join(TEXT) == collect(whole).choices[0].text
    assert sum(isinstance(event, Finished) for event in whole) == 1
    assert whole[-1] == Ended()


@pytest.mark.parametrize("recording", [one for one in RECORDINGS if one.whole], ids=_name)
def test_p2_a_stream_and_a_whole_answer_are_one(recording: Recording) -> None:
    streamed = collect(_events(recording, [recording.raw]))
    whole = collect(recording.dialect.decode(recording.whole, target_of(recording.upstream)))
    assert told(streamed) == told(whole)
    assert streamed.usage == whole.usage


def _before_the_end(recording: Recording) -> int:
    """The text is not yet told there, in no format."""
    return recording.raw.rindex(TEXT[-1].encode()) - 1


def _unless_it_never_streams(recording: Recording) -> contextlib.AbstractContextManager[object]:
    """Half of an answer that comes at once is malformed; half a last event of a stream is none."""
    at_once = recording.upstream in ("replicate", "deepl")
    return pytest.raises(MalformedAnswerError) if at_once else contextlib.nullcontext()


@pytest.mark.parametrize("recording", RECORDINGS, ids=_name)
def test_c65_p6_a_stream_that_is_cut_is_not_whole(recording: Recording) -> None:
    """Wherever it is cut before its end, half an event may be malformed; none is taken for the end."""
    for at in range(1, _before_the_end(recording), 11):
        decoder = recording.dialect.decoder(target_of(recording.upstream))
        events = decoder.feed(recording.raw[:at])
        with _unless_it_never_streams(recording):
            events += decoder.finish()
        assert not decoder.whole
        assert not any(isinstance(event, Finished | Ended | Broken) for event in events)


# --- translating ------------------------------------------------------------------------------------------------------


def _translated(mine: str, recording: Recording, chunks: Iterable[bytes]) -> bytes:
    passage = translation(mine, recording.upstream)
    given = b"".join(passage.feed(chunk) for chunk in chunks)
    given += passage.finish()
    assert passage.whole
    return _CLOCK.sub(rb'"\1":0', given)


@pytest.mark.parametrize("mine", CLIENT_NAMES)
@pytest.mark.parametrize("recording", RECORDINGS, ids=_name)
def test_what_is_translated_is_the_same_wherever_it_is_cut(mine: str, recording: Recording) -> None:
    _check_cuts(mine, recording, 311)


@pytest.mark.slow
@pytest.mark.parametrize("mine", CLIENT_NAMES)
@pytest.mark.parametrize("recording", RECORDINGS, ids=_name)
def test_what_is_translated_is_the_same_cut_at_any_byte(mine: str, recording: Recording) -> None:
    _check_cuts(mine, recording, 1)


def _check_cuts(mine: str, recording: Recording, stride: int) -> None:
    whole = _translated(mine, recording, [recording.raw])
    assert _translated(mine, recording, _bytes(recording.raw)) == whole
    for halves in _halves(recording.raw, stride):
        assert _translated(mine, recording, halves) == whole, halves[0][-40:]


@pytest.mark.parametrize("mine", CLIENT_NAMES)
@pytest.mark.parametrize("recording", RECORDINGS, ids=_name)
def test_nothing_is_given_out_before_content(mine: str, recording: Recording) -> None:
    """Until then another channel may still answer; from then on, nothing waits."""
    passage = translation(mine, recording.upstream)
    begun = False
    for byte in _bytes(recording.raw):
        begun = bool(passage.feed(byte)) or begun
        assert not begun or passage.reader.started
    assert begun == (recording.upstream not in ("replicate", "deepl"))


@pytest.mark.parametrize("mine", CLIENT_NAMES)
@pytest.mark.parametrize("recording", RECORDINGS, ids=_name)
def test_c65_p6_a_cut_stream_is_told_as_an_error(mine: str, recording: Recording) -> None:
    at = _before_the_end(recording)
    passage = translation(mine, recording.upstream)
    given = passage.feed(recording.raw[:at])
    with _unless_it_never_streams(recording):
        given += passage.finish()
    assert not passage.whole
    given += passage.fail(client(mine), UpstreamFailed("The upstream ended too early."))
    events, _ = heard(mine, given)
    assert isinstance(events[-1], Broken)
    assert not any(isinstance(event, Finished | Ended) for event in events)


@pytest.mark.parametrize("recording", RECORDINGS, ids=_name)
def test_half_an_event_after_the_end_hurts_nobody(recording: Recording) -> None:
    """Reports and terminators that are cut: what is whole by then ends as it should, for the reason that was told."""
    reason = collect(_events(recording, [recording.raw])).choices[0].finish
    for at in range(_before_the_end(recording), len(recording.raw), 5):
        passage = translation("anthropic", recording.upstream)
        given = passage.feed(recording.raw[:at])
        with _unless_it_never_streams(recording):
            given += passage.finish()
        assert passage.whole == given.endswith(b'data: {"type":"message_stop"}\n\n')
        assert not passage.whole or collect(heard("anthropic", given)[0]).choices[0].finish == reason
