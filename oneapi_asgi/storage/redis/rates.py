"""Counters of rates that all replicas share, and their stand-in while there is no Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count

from ...models import Ask, AskKind, Granted, Level, Refused
from ...ports import StandIn
from .link import Answer, Argument, Command, Link, Script
from .scripts import GIVE, RENEW, TAKE

__all__ = ["SCRIPTS", "RedisRates"]

_TAKE, _GIVE, _RENEW = Script(TAKE), Script(GIVE), Script(RENEW)
SCRIPTS = (_TAKE, _GIVE, _RENEW)

_RENEWED_AT_ONCE = 500


class RedisRates:
    """A ``RateStore`` on scripts. While Redis does not answer, ``local`` counts this replica's share of each limit.

    Slots that were not renewed for ``lease`` seconds are free.
    """

    def __init__(self, link: Link, *, local: StandIn, replicas: Callable[[], int], prefix: str, lease: int) -> None:
        self._link = link
        self._local = local
        self._replicas = replicas
        self._prefix = f"{prefix}rate:"
        self._lease = lease
        self._numbers = count()
        self._held: dict[str, list[str]] = {}

    async def take(self, call_id: str, asks: Sequence[Ask]) -> Granted | Refused:
        """
        :raises NotStarted: Redis was never connected
        """
        if self._link.up:
            asks = tuple(asks)
            taking = f"{call_id}.{next(self._numbers)}"  # a call may come to the same counter again
            orphaned = partial(self._orphaned, taking, asks)
            answer = await self._link.submit(self._taking(taking, asks), orphaned=orphaned)
            outcome = self._outcome(taking, asks, answer)
            if outcome is not None:
                return outcome
            self._undo(taking, asks)
        return await self._local.take(call_id, self._share(asks))

    def give(self, granted: Granted, tokens: int | None = None) -> None:
        if not granted.shared:
            return self._local.give(granted, tokens)
        self._held.pop(granted.id, None)
        self._note(granted.asks, "tokens", tokens)
        changes = [
            (ask, 0 if ask.kind == "calls" or tokens is None else tokens - ask.amount)
            for ask in granted.asks
            if ask.kind != "requests"
        ]
        wanted = [(ask, change) for ask, change in changes if change or ask.kind == "calls"]
        if wanted:
            self._link.post(self._giving(granted.id, wanted))
        return None

    def _note(self, asks: Sequence[Ask], kind: AskKind, amount: int | None = None) -> None:
        """Should Redis go, this replica's share is used up as far as it was used here."""
        used = [ask if amount is None else Ask(ask.key, kind, ask.limit, amount) for ask in asks if ask.kind == kind]
        if used:
            self._local.note(self._share(used))

    def renew(self) -> None:
        """Prolong the leases of all slots that are held here."""
        pairs = [(key, taking) for taking, keys in self._held.items() for key in keys]
        for first in range(0, len(pairs), _RENEWED_AT_ONCE):
            some = pairs[first : first + _RENEWED_AT_ONCE]
            self._link.post(_RENEW.command([key for key, _ in some], self._lease, *(taking for _, taking in some)))

    def _share(self, asks: Sequence[Ask]) -> list[Ask]:
        """Of this replica, at least 1: never is anything unlimited."""
        replicas = max(self._replicas(), 1)
        shares = [max(ask.limit // replicas, 1) for ask in asks]
        return [Ask(ask.key, ask.kind, share, min(ask.amount, share)) for ask, share in zip(asks, shares, strict=True)]

    def _taking(self, taking: str, asks: Sequence[Ask]) -> Command:
        arguments: list[Argument] = [taking, self._lease]
        for ask in asks:
            arguments += (ask.kind, ask.limit, ask.amount)
        return _TAKE.command([self._prefix + ask.key for ask in asks], *arguments)

    def _giving(self, taking: str, changes: Sequence[tuple[Ask, int]]) -> Command:
        arguments: list[Argument] = [taking]
        for ask, change in changes:
            arguments += (ask.kind, ask.limit, change)
        return _GIVE.command([self._prefix + ask.key for ask, _ in changes], *arguments)

    def _outcome(self, taking: str, asks: tuple[Ask, ...], answer: Answer) -> Granted | Refused | None:
        if not isinstance(answer, list):
            return None
        which, wait = int(answer[0]), int(answer[1])
        levels = tuple(_levels(answer))
        if which:
            return Refused(which - 1, wait / 1e6, levels)
        self._note(asks, "requests")
        keys = [self._prefix + ask.key for ask in asks if ask.kind == "calls"]
        if keys:
            self._held[taking] = keys
        return Granted(taking, asks, levels, shared=True)

    def _orphaned(self, taking: str, asks: tuple[Ask, ...], answer: Answer) -> None:
        """The caller hung up while it was asked for. The request was made; tokens were not used."""
        outcome = self._outcome(taking, asks, answer)
        if isinstance(outcome, Granted):
            self.give(outcome, 0)
        elif outcome is None:
            self._undo(taking, asks)

    def _undo(self, taking: str, asks: Sequence[Ask]) -> None:
        """Nobody knows what was done. Slots can be freed without harm; what else was taken comes back by itself."""
        slots = [(ask, 0) for ask in asks if ask.kind == "calls"]
        if slots:
            self._link.post(self._giving(taking, slots))


def _levels(answer: Sequence[int]) -> Iterator[Level]:
    for remaining, reset in zip(answer[2::2], answer[3::2], strict=True):
        yield Level(int(remaining), int(reset) / 1e6)
