"""Lines of JSON that only pass (``LookedAt``): the bytes stay, the counts are seen, half a line is never shown."""

from __future__ import annotations

import pytest

from oneapi_asgi.errors import UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire import looked_at
from oneapi_asgi.wire.looked_at import LookedAt
from oneapi_asgi.wire.ollama.format import OLLAMA
from oneapi_asgi.wire.passage import Told
from oneapi_asgi.wire.sse import EventTooLargeError

from .recordings import target_of

_HEAD = b'{"model":"m","created_at":"2023-08-04T19:22:45Z","message":{"role":"assistant","content":""},"done":false}\n'
_SAID = b'{"model":"m","message":{"role":"assistant","content":"Hi"},"done":false,"new":1}\n'
_DONE = b'{"model":"m","message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}'


def _passage() -> LookedAt:
    passage = LookedAt(OLLAMA.decoder(target_of("ollama")), Told, stream=True)
    assert passage.streams("application/x-ndjson")
    return passage


def test_lines_pass_and_are_counted() -> None:
    passage = _passage()
    assert passage.feed(_HEAD) == b""  # until there is content, another channel may answer
    assert passage.feed(_SAID[:20]) == b""
    assert passage.feed(_SAID[20:] + _DONE[:9]) == _HEAD + _SAID
    assert not passage.whole
    assert passage.feed(_DONE[9:] + b"\n") == _DONE + b"\n"
    assert passage.finish() == b""
    assert passage.whole
    assert passage.reader.usage == Usage(input=3, output=2)


def test_a_last_line_without_its_end_gets_it() -> None:
    passage = _passage()
    assert passage.feed(_SAID + _DONE) == _SAID
    assert passage.finish() == _DONE + b"\n"
    assert passage.whole


@pytest.mark.parametrize("half", [b"", _SAID[:30], _DONE[:-1], b'{"a":"\xff"'])
def test_c65_a_cut_stream_ends_in_an_error_of_the_format(half: bytes) -> None:
    passage = _passage()
    assert passage.feed(_SAID + half) == _SAID
    assert passage.finish() == b""
    assert not passage.whole
    assert passage.fail(OLLAMA, UpstreamFailed("It was cut.")) == b'{"error":"It was cut."}\n'


def test_an_answer_at_once_is_no_stream() -> None:
    passage = LookedAt(OLLAMA.decoder(target_of("ollama")), Told, stream=False)
    assert not passage.streams("application/x-ndjson")
    assert not passage.streams("application/json")


def test_a_line_may_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looked_at, "MAX_EVENT", 100)
    passage = _passage()
    with pytest.raises(EventTooLargeError):
        passage.feed(b"x" * 101)
