"""The calls in flight: what this process knows of its own, and what the ledger holds for those of others.

Every call has a reservation on the shared ledger from before it is put to anyone until it is over, so that the list is
whole with any number of workers and replicas. Of a call of another process no more is known than that: whose it is,
since when, and what is held. Sessions over a WebSocket may hold several times.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from ..call import Call
from ..desk.calls import HeldCall, HeldReader
from ..desk.roles import Role
from .money import quota_of
from .routes import Nothing, Route, Visit

__all__ = ["CallRow", "Calls", "Running"]


class Running(Protocol):
    """A gateway of this process."""

    @property
    def running(self) -> Sequence[Call]:
        """The calls that something is held for."""
        ...

    @property
    def ending(self) -> Collection[str]:
        """The ids of those that are over, and for which the ledger may still hold something."""
        ...


class CallRow(Struct, frozen=True, kw_only=True):
    """``here`` is whether it is a call of the process that answers; of others the ``model``, ``operation`` and what
    follows from them are not known, and empty, 0 or null. ``started_at`` is in Unix seconds, ``first_content`` in
    seconds from then. ``attempt`` counts from 1, and is 0 while nobody has been asked; ``channel`` is whom it is put
    to, 0 for those who may not know. ``held`` is in nano-dollars, null for a call that has only just begun."""

    request_id: str
    here: bool
    started_at: float
    user_id: int
    user: str
    token_id: int
    token_name: str
    operation: str = ""
    model: str = ""
    channel: int = 0
    channel_name: str = ""
    attempt: int = 0
    stream: bool | None = None
    first_content: float | None = None
    state: Literal["waiting", "streaming"] | None = None
    held: int | None
    held_quota: int | None


class Calls:
    """Whoever is no administrator sees their own calls, and not which channels are asked."""

    def __init__(self, store: HeldReader) -> None:
        self._store = store
        self._gateway: Running | None = None

    def observe(self, gateway: Running) -> None:
        """Tell of this gateway's calls what it knows of them."""
        self._gateway = gateway

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET", "/call", self.list, role=Role.COMMON, summary="The calls in flight, the newest first",
                data=list[CallRow],
            ),
        )  # fmt: skip

    async def list(self, visit: Visit[Nothing, Nothing]) -> list[CallRow]:
        own = visit.me.user_id if visit.me.role < Role.ADMIN else None
        known = self._own_ids()
        held = {each.id: each for each in await self._store.held_calls(user_id=own)}
        known |= self._own_ids()  # what began or ended while the ledger was asked is nobody else's
        rows = [_others(each) for each in held.values() if each.id not in known]
        running = self._gateway.running if self._gateway is not None else ()
        ours = [call for call in running if call.request is not None and _concerns(call, own)]
        rows += [_ours(call, held.get(call.id), hidden=own is not None) for call in ours]
        return sorted(rows, key=lambda row: row.started_at, reverse=True)

    def _own_ids(self) -> set[str]:
        if self._gateway is None:
            return set()
        return {call.id for call in self._gateway.running} | set(self._gateway.ending)


def _concerns(call: Call, user_id: int | None) -> bool:
    return user_id is None or (call.token is not None and call.token.user_id == user_id)


def _ours(call: Call, held: HeldCall | None, *, hidden: bool) -> CallRow:
    head = call.request.head if call.request is not None else None
    token, channel = call.token, call.serving.channel if call.serving is not None and not hidden else None
    amount = held.amount if held is not None else None
    return CallRow(
        request_id=call.id,
        here=True,
        started_at=call.at,
        user_id=token.user_id if token is not None else 0,
        user=token.user_name if token is not None else "",
        token_id=token.id if token is not None else 0,
        token_name=token.name if token is not None else "",
        operation=call.operation.name if call.operation is not None else "",
        model=head.model if head is not None else "",
        channel=channel.id if channel is not None else 0,
        channel_name=channel.name if channel is not None else "",
        attempt=len(call.attempts) + 1 if call.serving is not None else 0,
        stream=head.stream if head is not None else None,
        first_content=call.first_content,
        state="waiting" if call.first_content is None else "streaming",
        held=amount,
        held_quota=None if amount is None else quota_of(amount),
    )


def _others(held: HeldCall) -> CallRow:
    return CallRow(
        request_id=held.id,
        here=False,
        started_at=held.since,
        user_id=held.user_id,
        user=held.user,
        token_id=held.token_id,
        token_name=held.token,
        held=held.amount,
        held_quota=quota_of(held.amount),
    )
