"""An answer fed whole, byte by byte and in random pieces must be the same answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.wire.dialect import Decoder
from oneapi_asgi.wire.events import Event, ReasoningDelta, TextDelta

__all__ = ["fed", "joined", "same_in_all_pieces"]


def fed(decoder: Decoder, chunks: Iterable[bytes]) -> list[Event]:
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.finish()


def joined(events: Iterable[Event]) -> list[Event]:
    """Neighbouring pieces of text as one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta) and event.choice == last.choice:
            found[-1] = TextDelta(last.text + event.text, event.choice)
        elif isinstance(event, ReasoningDelta) and isinstance(last, ReasoningDelta) and event.choice == last.choice:
            found[-1] = ReasoningDelta(last.text + event.text, event.choice)
        else:
            found.append(event)
    return found


def same_in_all_pieces(make: Callable[[], Decoder], stream: bytes) -> list[Event]:
    """The events of the stream; they are the same however it is cut."""
    whole = joined(fed(make(), [stream]))
    assert joined(fed(make(), [stream[at : at + 1] for at in range(len(stream))])) == whole

    @settings(max_examples=20, deadline=None)
    @given(st.sets(st.integers(1, max(len(stream) - 1, 1)), max_size=12))
    def cut(places: set[int]) -> None:
        ends = [0, *sorted(places), len(stream)]
        pieces = [stream[start:end] for start, end in pairwise(ends)]
        assert joined(fed(make(), pieces)) == whole

    cut()
    return whole
