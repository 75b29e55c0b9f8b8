"""Hold, then settle: no byte goes upstream before its price is held on every account of the call.

``Quota`` is the mechanism (group commit on a ledger), ``QuotaGuard`` the component. Reserving is awaited; settling is
handed to the quota's own worker, which a caller that hangs up cannot cancel, exactly once and whatever happened
between. Calls that last are noted on the ledger from time to time, with what they have cost so far: should this process
die, that is charged and the rest returned when the lease runs out.

    quota = Quota(ledger, PriceBook(store), limits=LimitBook(store), budgets=store)
    app = QuotaGuard(app, quota)          # and in the host's lifespan: async with quota

*Reads* ``call.token``, ``call.plan`` (for the upstream's model names and the channels' budgets), ``call.serving``,
``call.usage``, ``call.progress``. *Writes* ``call.prices``, ``call.cost`` and, as the first to read the body, what
``http.parsed`` does; strikes out of ``call.plan`` the channels that have no budget left, and what the caller cannot pay
for of the models in place of the one asked for. Options: ``max_body``, ``on_error``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from msgspec import Struct
from starlette.types import ASGIApp, Receive, Scope, Send

from .background import Background
from .call import Call, need
from .errors import Forbidden, GatewayError, Unavailable
from .group import BLAMING, GroupCommit, UntriedError
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, parsed
from .limitbook import BudgetAccounts, LimitBook
from .models import MOST_MONEY, Checkpoint, Ended, Price, Reserve, Reserved, Settle, Short, Token, Usage
from .ports import BudgetStore, Ledger, LedgerAnswer, LedgerOperation
from .pricebook import PriceBook
from .pricing import cost, guess_input, most
from .shortage import NO_BUDGETS, CallBudgets, not_checked, refusal, without_channel, without_fallbacks
from .spool import Spool
from .wire.changes import priced, reckoned
from .wire.operations import Operation
from .wire.request import Head

__all__ = ["Quota", "QuotaGuard", "charged", "estimate"]

_log = logging.getLogger(__name__)

_LINGER = 0.005  # seconds that a settlement waits for a reservation to share a transaction with
_PACE = 0.003  # seconds between two transactions while many calls reserve at once
_AT_ONCE = 256  # checkpoints that reservations may have to wait for

# The least that a second of speech takes (32 kbit/s), and about what transcription models count for it: a file whose
# length is unknown is rather taken for too long.
_AUDIO_BYTES_A_SECOND = 4_000
_AUDIO_TOKENS_A_SECOND = 10


def estimate(
    operation: Operation, head: Head, body: bytes, price: Price, *, default_max_output: int = 4096
) -> tuple[int, int]:
    """``(amount, at_least)`` in nano-dollars: what the call may cost, and the least that has to be there.

    They differ when the caller set no limit of output: then what the balance affords is enough, if it covers the input
    and one token of output.
    """
    if operation.body == "multipart":
        seconds = len(body) // _AUDIO_BYTES_A_SECOND + 1
        input_tokens = seconds * _AUDIO_TOKENS_A_SECOND
    else:
        seconds, input_tokens = 0, guess_input(body)
    limit = head.max_output if head.max_output is not None else price.max_output or default_max_output
    output = limit * head.choices if operation.output else 0
    calls = head.choices if operation.choices_are_calls else 1
    amount = most(price, input_tokens=input_tokens, output_tokens=output, calls=calls, audio_seconds=seconds)
    if head.max_output is not None or output <= head.choices:
        return amount, amount
    least = most(price, input_tokens=input_tokens, output_tokens=head.choices, calls=calls, audio_seconds=seconds)
    return amount, least


def charged(usage: Usage | None, price: Price | None) -> int:
    """What a call costs in nano-dollars, as far as that can be booked: what cannot would be charged to nobody."""
    return min(cost(usage, price), MOST_MONEY) if usage is not None and price is not None else 0


class _Open(Struct, frozen=True):
    """A reservation of this process that stands."""

    call: Call
    budgets: CallBudgets


class Quota:
    """Reservations on a ledger, grouped: what waits at the same moment is one transaction.

    An async context manager; until it is entered every call is refused. Budgets are those that ``limits`` name, on the
    accounts that ``budgets`` opens: give both, or there are none. ``default_max_output`` are the output tokens taken
    for granted where neither the call nor the price says how many there may be. A reservation that was not renewed for
    ``lease`` seconds may be ended by whoever finds it; every ``checkpoint`` seconds those of running calls are renewed.
    What the ledger does not answer within ``deadline`` seconds is refused. Settlements that it does not take are kept
    in ``spool`` as well, should this process end before the ledger is back.
    """

    def __init__(
        self,
        ledger: Ledger,
        prices: PriceBook,
        *,
        limits: LimitBook | None = None,
        budgets: BudgetStore | None = None,
        default_max_output: int = 4096,
        lease: float = 120.0,
        checkpoint: float = 5.0,
        deadline: float = 2.0,
        spool: Spool | None = None,
    ) -> None:
        if not 0 < checkpoint < lease / 2:
            raise ValueError(
                "checkpoint must be less than half of the lease, or calls that run on would lose their holds"
            )
        self._ledger = ledger
        self.prices = prices
        self.lease = lease
        self._limits = limits if budgets is not None else None
        self._accounts = BudgetAccounts(budgets, deadline=deadline) if budgets is not None else None
        self._default_max_output = default_max_output
        self._checkpoint = checkpoint
        self._group: GroupCommit[LedgerOperation, LedgerAnswer] = GroupCommit(
            self._apply, linger=_LINGER, pace=_PACE, deadline=deadline, name="ledger"
        )
        self._spool = spool
        self._open: dict[str, _Open] = {}
        self._unsure: set[str] = set()
        self._running = AsyncExitStack()
        self._keeper = Background(self._keep, name="checkpoints")

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._accounts is not None:
                await stack.enter_async_context(self._accounts)
            await stack.enter_async_context(self._group)
            self._running = stack.pop_all()
        await self._keeper.__aenter__()
        self._post_left()
        return self

    def _post_left(self) -> None:
        """What processes could not settle that have ended. It may be settled all the same: then nothing is changed."""
        for settlement in self._spool.read() if self._spool is not None else ():
            self._unsure.add(settlement.id)
            self._group.post(settlement)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._keeper.end()
        for reservation, held in self._open.items():  # calls that nobody could end: they will not settle
            self._group.post(self._so_far(reservation, held))
        if self._group.failing:  # whoever stops this process may not have the patience that the ledger needs
            self._spool_of(self._group.posted)
        await self._running.__aexit__(exc_type, exc, traceback)
        self._spool_of(self._group.posted)

    # --- before a call ------------------------------------------------------------------------------------------------

    async def reserve(
        self, call: Call, token: Token, operation: Operation, head: Head, body: bytes
    ) -> Mapping[str, Price]:
        """Hold the most that the call may cost, whoever serves it, and return the prices of those who may, by
        ``Candidate.fallback``: one of them will be charged, whatever changes meanwhile.

        Struck out of its plan are channels whose budget does not cover the call, as long as others are left, and models
        that would serve in place of the one asked for, where the caller's money covers that one alone.

        :raises InsufficientQuota: an account does not cover it
        :raises BudgetExceeded: a budget does not cover it yet
        :raises Forbidden: the model has no price
        :raises Unavailable: the ledger does not answer, or no channel has a budget for it
        """
        if not self.prices.fresh:
            await self.prices.refresh()
        budgets = NO_BUDGETS if self._unbudgeted else await self._budgets(call, token, head.model)
        waits: list[float | None] = []
        while True:
            known = self._known_prices(call, head)
            if known is None:
                limited = (token.limited or budgets is not NO_BUDGETS) and not operation.free
                known = await self._prices(call, head, limited=limited)
            prices = self.prices.of_group(token.group, known)
            needs: dict[str, tuple[int, int]] = {}
            amount = at_least = 0  # of all of them: the largest amount, and the least that is enough for each
            for model, price in prices.items():
                needed = self._needed(call, operation, head, body, model, price)
                needs[model] = needed
                amount, at_least = max(amount, needed[0]), max(at_least, needed[1])
            accounts = token.accounts if budgets is NO_BUDGETS else token.accounts + budgets.accounts
            outcome = await self._hold(Reserve(call.id, accounts, amount, at_least, self.lease))
            if isinstance(outcome, Reserved):
                self._open[call.id] = _Open(call, budgets)
                return prices
            if not isinstance(outcome, Short):
                raise Unavailable(f"The call {call.id} is known already: nothing can be held for it.")
            if outcome.account in budgets.of_channels:
                budgets = without_channel(call, budgets, outcome, at_least, waits)
            elif not without_fallbacks(call, needs, outcome):
                raise refusal(token, budgets, outcome, at_least)

    def _needed(
        self, call: Call, operation: Operation, head: Head, body: bytes, model: str, price: Price
    ) -> tuple[int, int]:
        """As ``estimate``, for whichever channel serves: what is held for is what goes upstream."""
        channels = [step.channel for step in call.plan if step.fallback == model]
        most = self._default_max_output
        if not any(channel.parameters or channel.system_prompt for channel in channels):
            return estimate(operation, head, body, price, default_max_output=most)
        fields = call.request.fields if call.request is not None else ()
        sent = [(priced(head, fields, channel, operation), reckoned(body, channel, operation)) for channel in channels]
        needs = [estimate(operation, *each, price, default_max_output=most) for each in sent]
        return max(amount for amount, _ in needs), max(least for _, least in needs)

    def _known_prices(self, call: Call, head: Head) -> dict[str, Price] | None:
        """What ``_prices`` gives, where every model has a price under the name that callers have for it, and none of
        them has to be looked up."""
        prices: dict[str, Price] = {}
        for step in call.plan:
            model = step.fallback
            if model not in prices:
                price = self.prices.found(model or head.model)
                if price is None:
                    return None
                prices[model] = price
        return prices or None

    async def _prices(self, call: Call, head: Head, *, limited: bool) -> dict[str, Price]:
        """Of the model that was asked for, and of those that may serve in its place: by ``Candidate.fallback``.

        :raises Forbidden: a model has none; fallbacks without one are rather struck out of the plan
        """
        prices: dict[str, Price] = {}
        for model in dict.fromkeys([step.fallback for step in call.plan] or [""]):
            steps = [step for step in call.plan if step.fallback == model]
            names = (model or head.model, *dict.fromkeys(step.upstream_model for step in steps))
            try:
                prices[model] = await self.prices.price(names, limited=limited)
            except Forbidden:
                call.plan = tuple(step for step in call.plan if step.fallback != model)
                if not model or not call.plan:
                    raise
        return prices

    @property
    def _unbudgeted(self) -> bool:
        """It is known that no call has a budget."""
        return self._limits is None or self._limits.unbudgeted

    async def _budgets(self, call: Call, token: Token, model: str) -> CallBudgets:
        """
        :raises Unavailable: the limits or the budgets cannot be read
        """
        if self._limits is None or self._accounts is None:
            return NO_BUDGETS
        limits = await self._limits.current()
        of_call = limits.budgets.of_call(token, model)
        of_channels = {
            budget: candidate.channel.id
            for candidate in call.plan
            for budget in limits.budgets.of_channel(candidate.channel)
        }
        if not of_call and not of_channels:
            return NO_BUDGETS
        accounts = await self._accounts.of((*of_call, *of_channels), limits)
        return CallBudgets(
            {account: budget for account, budget in accounts.items() if budget not in of_channels},
            {account: (of_channels[budget], budget) for account, budget in accounts.items() if budget in of_channels},
        )

    async def _hold(self, reserve: Reserve) -> LedgerAnswer:
        outcome = self._group.submit(reserve)
        try:
            return await outcome
        except UntriedError as error:
            raise not_checked() from error
        except GatewayError:
            self._release(reserve.id, outcome)
            raise
        except Exception as error:
            self._release(reserve.id, outcome)
            _log.error("the ledger failed: %s", type(error).__name__)
            raise not_checked() from error
        except BaseException:
            self._release(reserve.id, outcome)
            raise

    def _release(self, reservation: str, outcome: asyncio.Future[LedgerAnswer]) -> None:
        """What failed may have been the answer, and who left may have left too late: the hold may stand. If it is still
        to be made, it must not be made after its release."""
        outcome.cancel()
        self._unsure.add(reservation)
        self._group.post(Settle(reservation, 0))

    # --- while it runs ------------------------------------------------------------------------------------------------

    @property
    def running(self) -> list[Call]:
        """The calls of this process that something is held for."""
        return [held.call for held in self._open.values()]

    @property
    def ending(self) -> set[str]:
        """The reservations of calls that are over, which the ledger is yet to end."""
        return {posted.id for posted in self._group.posted}

    async def _keep(self) -> None:
        """Renew the leases of running calls, and note what each has cost so far."""
        while True:
            await asyncio.sleep(self._checkpoint)
            lasting = [key for key, held in self._open.items() if held.call.elapsed() >= self._checkpoint]
            for start in range(0, len(lasting), _AT_ONCE):
                await self._note(lasting[start : start + _AT_ONCE])

    async def _note(self, reservations: Sequence[str]) -> None:
        """Submitted, not posted: where the ledger is away for long, old checkpoints must not gather."""
        noted = [self._so_far(key, self._open[key]) for key in reservations if key in self._open]
        answers = await asyncio.gather(*[self._group.submit(one) for one in noted], return_exceptions=True)
        failed = sum(isinstance(answer, BaseException) for answer in answers)
        if failed:
            _log.warning("%d of %d running calls could not be noted on the ledger", failed, len(noted))

    def _so_far(self, reservation: str, held: _Open) -> Checkpoint:
        call = held.call
        try:
            usage = call.usage or (call.progress() if call.progress is not None else None)
        except Exception as error:  # of one call, and all others have leases, too
            _log.error("the usage of call %s cannot be read: %s", call.id, type(error).__name__)
            usage = None
        return Checkpoint(reservation, charged(usage, call.price), self.lease, held.budgets.spare(call))

    # --- after it -----------------------------------------------------------------------------------------------------

    def settle(self, reservation: str, cost: int) -> None:
        """Have a reservation ended at this cost in nano-dollars. Returns at once; the worker sees to it."""
        held = self._open.pop(reservation, None)
        spare = () if held is None or held.budgets is NO_BUDGETS else held.budgets.spare(held.call)
        settlement = Settle(reservation, cost, spare)
        self._group.post(settlement)
        if self._group.failing:
            self._spool_of((settlement,))

    async def settled(self) -> None:
        """Wait until everything that was handed in is in the ledger."""
        await self._group.settled()

    # --- the ledger ---------------------------------------------------------------------------------------------------

    async def _apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        try:
            answers = await self._ledger.apply(operations)
        except BLAMING:
            raise
        except BaseException:
            self._unsure.update([each.id for each in operations if isinstance(each, Settle)])
            self._spool_of((*operations, *self._group.posted))
            raise
        for operation, answer in zip(operations, answers, strict=False):  # the group counts them
            if isinstance(answer, Ended):
                self._missed(operation)
        if self._unsure:
            self._unsure.difference_update([each.id for each in operations])
        if self._spool is not None and not self._spool.empty:
            self._spool.forget([each.id for each in operations if isinstance(each, Settle)])
        return answers

    def _spool_of(self, operations: Iterable[LedgerOperation]) -> None:
        """Releases need not be kept: what nobody settles returns by itself."""
        if self._spool is not None:
            self._spool.keep([each for each in operations if isinstance(each, Settle) and each.cost])

    def _missed(self, operation: LedgerOperation) -> None:
        """Tell of money that could not be booked: somebody ended the reservation that this process held. Not of what
        was settled by an attempt whose answer got lost, nor of what may never have been held."""
        if isinstance(operation, Settle):
            if operation.id not in self._unsure:
                _log.error("reservation %s had ended before its cost of %d was booked", operation.id, operation.cost)
            elif operation.cost:  # most often by an attempt whose answer got lost
                _log.warning("reservation %s had ended when it was settled again, at %d", operation.id, operation.cost)
        elif isinstance(operation, Checkpoint) and self._open.pop(operation.id, None) is not None:
            _log.error("reservation %s has ended while its call runs, at a cost of %d", operation.id, operation.cost)


class QuotaGuard:
    """Reserves before the call, settles after it, at what ``call.usage`` then says; nothing without usage."""

    def __init__(self, app: ASGIApp, quota: Quota, *, max_body: int = MAX_BODY, on_error: OnError = Refusal) -> None:
        self.app = app
        self._quota = quota
        self._max_body = max_body
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        token = need(call.token, "QuotaGuard", "token", "TokenAuth")
        try:
            request = call.request
            if request is None:
                request, receive = await parsed(scope, receive, max_body=self._max_body)
            operation = need(call.operation, "QuotaGuard", "operation", "Endpoints")
            call.prices = await self._quota.reserve(call, token, operation, request.head, call.body or b"")
        except ClientGoneError:
            return None
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        try:
            await self.app(scope, receive, send)
        finally:
            call.cost = charged(call.usage, call.price)
            self._quota.settle(call.id, call.cost)
        return None
