"""What was done by hand, or happened beside calls: who, what, to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

__all__ = ["Event", "EventKind", "EventLog", "EventPage", "EventQuery", "EventReader", "EventRow"]

EventKind = Literal["topup", "manage", "system", "test"]


class Event(Struct, frozen=True, kw_only=True):
    """``action`` names the deed (``channel.edit``), ``target`` what it was done to (``channel 7``), ``text`` says it to
    a reader. ``actor`` did it, None: the gateway itself; it concerns ``user_id``, if anybody. ``amount`` is in
    nano-dollars. ``detail`` has facts by name, never a secret: of what was changed the names alone."""

    kind: EventKind
    action: str
    actor_id: int | None = None
    actor_name: str = ""
    user_id: int | None = None
    user_name: str = ""
    target: str = ""
    text: str = ""
    amount: int | None = None
    detail: dict[str, object] = {}
    address: str = ""
    request_id: str = ""


class EventLog(Protocol):
    async def write_event(self, event: Event) -> None:
        """Append it, at the time of the database."""
        ...


class EventRow(Event, frozen=True, kw_only=True):
    """An event that was written, at ``at`` (Unix seconds)."""

    id: int
    at: float


class EventQuery(Struct, frozen=True, kw_only=True):
    """Which events: those to which all of this applies; None and "" are any. ``since`` is the first moment and
    ``until`` the first one after. ``before`` goes on after another page, where ``offset`` is counted from."""

    kind: EventKind | None = None
    action: str = ""
    actor_id: int | None = None
    actor_name: str = ""
    user_id: int | None = None
    target: str = ""
    since: float | None = None
    until: float | None = None
    before: str | None = None
    offset: int = 0
    limit: int = 10


class EventPage(Struct, frozen=True):
    """The newest first. There are ``total``, or more than that if it is ``capped``; ``before`` is where the next page
    begins, None after the last one. A page before the last may have fewer events than asked for, even none."""

    events: Sequence[EventRow]
    total: int
    capped: bool
    before: str | None


class EventReader(Protocol):
    async def list_events(self, query: EventQuery) -> EventPage:
        """
        :raises ValueError: ``before`` is no place
        """
        ...
