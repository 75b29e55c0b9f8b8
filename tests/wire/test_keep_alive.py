"""What may stand between two events of a stream, in each format of clients."""

from __future__ import annotations

import msgspec
import pytest

from oneapi_asgi.wire.dialects import CLIENTS
from oneapi_asgi.wire.sse import Framer, datas

SILENT = {"gemini", "ollama"}
"""Gemini's clients read every line; Ollama's streams are no events."""


@pytest.mark.parametrize("name", CLIENTS)
def test_it_is_a_whole_event_that_says_nothing(name: str) -> None:
    nothing = CLIENTS[name].keep_alive
    assert (nothing == b"") is (name in SILENT)
    assert Framer().feed(nothing) == nothing
    said = [msgspec.json.decode(data) for data in datas(nothing)]
    assert said == ([{"type": "ping"}] if name == "anthropic" else [])
