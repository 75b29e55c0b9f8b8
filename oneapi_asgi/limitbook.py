"""Whom the limits concern: of rates, which ``ratelimit`` looks after, and of money, which ``quota`` holds.

    book = LimitBook(store)
    limits = await book.current()
    rules, budgets = limits.rates.of_call(token, "gpt-4o"), limits.budgets.of_call(token, "gpt-4o")

A limit holds for each that its name matches, for itself: what counts is the limit and its subject together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from cachetools import LRUCache
from msgspec import Struct

from .errors import GatewayError
from .flight import unreadable
from .globs import matches
from .group import GroupCommit
from .models import Ask, AskKind, Channel, Limit, Token
from .ports import BudgetStore, LimitStore
from .revision import Following, Revision

__all__ = ["Applied", "Budget", "BudgetAccounts", "LimitBook", "Limits", "Rule"]

Effect = TypeVar("Effect")

_REMEMBERED = 4096  # callers choose the names of models


class Rule(Struct, frozen=True):
    """A limit of rates, applied to one subject. ``whose`` names it to the caller."""

    ask: Ask
    whose: str


class Budget(Struct, frozen=True):
    """A limit of money, applied to one subject: ``amount`` nano-dollars a period. ``whose`` names it to the caller."""

    limit: int
    subject: str
    amount: int
    whose: str


def _rules(limit: Limit, subject: str, whose: str) -> Iterator[Rule]:
    wanted: tuple[tuple[AskKind, int | None], ...] = (
        ("requests", limit.requests_per_minute),
        ("tokens", limit.tokens_per_minute),
        ("calls", limit.concurrent_calls),
    )
    for kind, most in wanted:
        if most is not None:
            yield Rule(Ask(f"{limit.scope}:{limit.id}:{subject}:{kind}", kind, most), whose)


def _budget(limit: Limit, subject: str, whose: str) -> Iterator[Budget]:
    if limit.budget is not None:
        yield Budget(limit.id, subject, limit.budget, whose)


class Applied(Generic[Effect]):
    """Limits of one kind, and what they come to for whomever somebody asked about."""

    def __init__(self, limits: Iterable[Limit], effect: Callable[[Limit, str, str], Iterable[Effect]]) -> None:
        limits = tuple(limits)
        self.calls = tuple(limit for limit in limits if limit.scope != "channel")
        self.channels = tuple(limit for limit in limits if limit.scope == "channel")
        self._effect = effect
        self._of_call: LRUCache[tuple[object, ...], tuple[Effect, ...]] = LRUCache(_REMEMBERED)
        self._of_channel: dict[int, tuple[Effect, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.calls or self.channels)

    def of_call(self, token: Token, model: str | None) -> tuple[Effect, ...]:
        """What concerns a call with this token for this model, None for one that names none."""
        if not self.calls:
            return ()
        key = (token.id, token.name, token.user_id, token.user_name, token.group, model)
        found = self._of_call.get(key)
        if found is None:
            found = self._of_call[key] = tuple(self._concerning(token, model))
        return found

    def _concerning(self, token: Token, model: str | None) -> Iterator[Effect]:
        subjects = {
            "token": (token.name, str(token.id), "this API key"),
            "user": (token.user_name, str(token.user_id), "the owner of this API key"),
            "group": (token.group, token.group, "the group of this API key"),
        }
        if model is not None:
            subjects["model"] = (model, model, f"the model {model!r}")
        for limit in self.calls:
            name, subject, whose = subjects.get(limit.scope, ("", "", ""))
            if whose and matches(name, limit.name):
                yield from self._effect(limit, subject, whose)

    def of_channel(self, channel: Channel) -> tuple[Effect, ...]:
        if not self.channels:
            return ()
        found = self._of_channel.get(channel.id)
        if found is None:
            named = [limit for limit in self.channels if matches(channel.name, limit.name)]
            found = tuple(effect for limit in named for effect in self._effect(limit, str(channel.id), "the channel"))
            self._of_channel[channel.id] = found
        return found


class Limits:
    """All limits as of one revision. ``read_body``: some limit of rates has to know the model, or the size.
    ``unbudgeted``: none is of money."""

    def __init__(self, limits: Iterable[Limit]) -> None:
        limits = tuple(limits)
        rates = [x for x in limits if (x.requests_per_minute, x.tokens_per_minute, x.concurrent_calls) != (None,) * 3]
        self.rates: Applied[Rule] = Applied(rates, _rules)
        self.budgets: Applied[Budget] = Applied([x for x in limits if x.budget is not None], _budget)
        self.unbudgeted = not self.budgets
        self.read_body = any(x.scope == "model" or x.tokens_per_minute is not None for x in self.rates.calls)


class LimitBook:
    """The store's limits, as of its revision."""

    def __init__(self, store: LimitStore, *, revision: Revision | None = None) -> None:
        self._store = store
        self._limits = Following(revision or Revision(store), self._load, what="limits")

    async def current(self) -> Limits:
        """
        :raises Unavailable: the store does not answer
        """
        return self._limits.value if self._limits.fresh else await self._limits.refresh()

    @property
    def silent(self) -> bool:
        """It is known that no limit of rates concerns any call."""
        return self._limits.fresh and not self._limits.value.rates.calls

    @property
    def unbudgeted(self) -> bool:
        """It is known that nobody has a budget."""
        return self._limits.fresh and self._limits.value.unbudgeted

    async def _load(self) -> Limits:
        return Limits(await self._store.list_limits())


class BudgetAccounts:
    """The accounts of budgets, opened by the store when a call first needs them, and remembered as long as the limits
    stay as they are. An async context manager."""

    def __init__(self, store: BudgetStore, *, deadline: float = 2.0) -> None:
        self._store = store
        self._group: GroupCommit[tuple[int, str], int | None] = GroupCommit(
            self._open, deadline=deadline, name="opener of budgets"
        )
        self._as_of: Limits | None = None
        self._known: MutableMapping[tuple[int, str], int | None] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._group.__aexit__(exc_type, exc, traceback)

    async def of(self, budgets: Sequence[Budget], limits: Limits) -> dict[int, Budget]:
        """The budgets by account; those that are gone meanwhile are left out.

        :raises Unavailable: the store does not answer
        """
        if limits is not self._as_of:  # what was asked before goes on filling the old map
            self._as_of, self._known = limits, LRUCache(_REMEMBERED)
        known, found = self._known, {}
        for budget in budgets:
            if (key := (budget.limit, budget.subject)) in known:
                found[budget] = known[key]
        missing = [budget for budget in budgets if budget not in found]
        if missing:
            found |= (opened := dict(zip(missing, await self._opened(missing), strict=True)))
            known.update({(budget.limit, budget.subject): account for budget, account in opened.items()})
        return {account: budget for budget in budgets if (account := found[budget]) is not None}

    async def _opened(self, budgets: Sequence[Budget]) -> Sequence[int | None]:
        try:
            return await asyncio.gather(*[self._group.submit((budget.limit, budget.subject)) for budget in budgets])
        except GatewayError:
            raise
        except Exception as error:
            raise unreadable("budgets") from error

    async def _open(self, wanted: Sequence[tuple[int, str]]) -> Sequence[int | None]:
        """Many calls ask for the same at the same moment."""
        distinct = [*dict.fromkeys(wanted)]
        accounts = dict(zip(distinct, await self._store.open_budgets(distinct), strict=True))
        return [accounts[one] for one in wanted]
