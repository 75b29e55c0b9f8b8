"""What is left at vendors who say so: asked of one channel, or of all of them in a round."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from ..desk.channels import KeptChannel
from ..desk.roles import Role
from ..errors import BadRequest, UpstreamFailed
from ..providers.balances import BalanceQuestion, Left, balance_question
from .channel_rows import refusals
from .channel_tests import TestBook, first_key
from .fetching import Fetcher, FetchError
from .rounds import Job, RoundRow, Rounds
from .routes import Nothing, Reply, Route, Visit

__all__ = ["ChannelBalances"]

_ROUND = "balance"


class BalanceRow(Struct, frozen=True, kw_only=True):
    balance: float
    currency: str


class ChannelBalances:
    def __init__(
        self, store: TestBook, fetcher: Fetcher, rounds: Rounds, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._rounds = rounds
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/channel/update_balance/{id}", self.update, role=Role.ADMIN, summary="Ask the vendor of a "
                  "channel what is left", data=BalanceRow, action="channel.balance", also_get=True),
            Route("POST", "/channel/update_balance", self.update_all, role=Role.ADMIN, summary="Ask all vendors who "
                  "say so what is left, in the background", data=RoundRow, action="channel.balance", also_get=True),
            Route("GET", "/channel/update_balance/state", self.state, role=Role.ADMIN, summary="How that stands",
                  data=RoundRow),
        )  # fmt: skip

    async def update(self, visit: Visit[Nothing, Nothing]) -> Reply:
        with refusals():
            kept = await self._store.find_channel(visit.id())
            if kept is None:
                raise KeyError(visit.id())
            question = self._question(kept)
        if question is None:
            message = f"The provider {kept.channel.provider} does not say what is left."
            raise BadRequest(message, code="balance_unknown", param="id")
        try:
            left = await self._ask(kept, question)
        except (FetchError, ValueError) as error:
            raise UpstreamFailed(f"The balance is not known: {error}.", code="upstream_failed") from None
        shown = left.amount / 1e9
        text = f"asked what is left for the channel {kept.channel.name}"
        visit.note(target=f"channel {kept.channel.id}", text=text, balance=shown, currency=left.currency)
        return Reply(data=BalanceRow(balance=shown, currency=left.currency), extra={"balance": shown})

    async def update_all(self, visit: Visit[Nothing, Nothing]) -> RoundRow:
        jobs = []
        for kept in await self._store.all_channels():
            try:
                question = self._question(kept)
            except ValueError:  # one that cannot serve either
                continue
            if question is not None:
                jobs.append(self._job(kept, question))
        row = self._rounds.begin(_ROUND, jobs)
        visit.note(text=f"began to ask what is left for {len(jobs)} channels")
        return row

    async def state(self, visit: Visit[Nothing, Nothing]) -> RoundRow:  # noqa: ARG002
        return self._rounds.state(_ROUND)

    def _question(self, kept: KeptChannel) -> BalanceQuestion | None:
        keys = kept.channel.api_keys
        return balance_question(kept.channel, keys[first_key(kept)].reveal() if keys else "", self._clock())

    def _job(self, kept: KeptChannel, question: BalanceQuestion) -> Job:
        async def update() -> bool:
            try:
                await self._ask(kept, question)
            except (FetchError, ValueError):
                return False
            return True

        return update

    async def _ask(self, kept: KeptChannel, question: BalanceQuestion) -> Left:
        """
        :raises FetchError: nobody answered
        :raises ValueError: not with a balance
        """
        bodies = []
        for url in question.urls:
            answer = await self._fetcher.fetch("GET", url, headers=question.headers, proxy=kept.channel.proxy)
            if not 200 <= answer.status < 300:
                raise ValueError(f"the vendor answered with status {answer.status}")
            bodies.append(answer.body)
        left = question.read(bodies)
        await self._store.note_balance(kept.channel.id, left.amount, left.currency)
        return left
