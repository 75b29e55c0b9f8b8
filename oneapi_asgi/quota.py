"""Hold, then settle: no byte goes upstream before its price is held on every account of the call.

``Quota`` is the mechanism (group commit on a ledger), ``QuotaGuard`` the component. Reserving is awaited; settling is
handed to the quota's own worker, which a caller that hangs up cannot cancel, exactly once and whatever happened
between.

    quota = Quota(ledger, PriceBook(store))
    app = QuotaGuard(app, quota)          # and in the host's lifespan: async with quota

*Reads* ``call.token``, ``call.plan`` (for the upstream's model names), ``call.usage``. *Writes* ``call.price``,
``call.cost`` and, as the first to read the body, what ``http.parsed`` does. Options: ``max_body``, ``on_error``.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call, need
from .errors import GatewayError, InsufficientQuota, Unavailable
from .group import GroupCommit
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, parsed
from .models import NANO, Ended, Price, Reserve, Reserved, Settle, Settled, Short, Token
from .ports import Ledger
from .pricebook import PriceBook
from .pricing import cost, guess_input, most
from .wire.operations import Operation
from .wire.request import Head

__all__ = ["Quota", "QuotaGuard", "estimate"]

_log = logging.getLogger(__name__)

_LEASE_MARGIN = 300.0  # seconds beyond the longest call, so that no live one loses its hold
_LINGER = 0.005  # seconds that a settlement waits for a reservation to share a transaction with
_PACE = 0.003  # seconds between two transactions while many calls reserve at once

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
        input_tokens, minutes = seconds * _AUDIO_TOKENS_A_SECOND, -(-seconds * price.audio_minute // 60)
    else:
        input_tokens, minutes = guess_input(body), 0
    limit = head.max_output if head.max_output is not None else price.max_output or default_max_output
    output = limit * head.choices if operation.output else 0
    calls = head.choices if operation.choices_are_calls else 1
    amount = minutes + most(price, input_tokens=input_tokens, output_tokens=output, calls=calls)
    if head.max_output is not None or output <= head.choices:
        return amount, amount
    return amount, minutes + most(price, input_tokens=input_tokens, output_tokens=head.choices, calls=calls)


class Quota:
    """Reservations on a ledger, grouped: what waits at the same moment is one transaction.

    An async context manager; until it is entered every call is refused. ``default_max_output`` are the output tokens
    taken for granted where neither the call nor the price says how many there may be. ``longest_call`` is how long a
    call may take, in seconds; well after that its reservation is given back by whoever finds it.
    """

    def __init__(
        self, ledger: Ledger, prices: PriceBook, *, default_max_output: int = 4096, longest_call: float = 1800.0
    ) -> None:
        self._ledger = ledger
        self.prices = prices
        self._default_max_output = default_max_output
        self._lease = longest_call + _LEASE_MARGIN
        self._group: GroupCommit[Reserve | Settle, Reserved | Short | Settled | Ended] = GroupCommit(
            ledger.apply, linger=_LINGER, pace=_PACE, name="ledger"
        )

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._group.__aexit__(exc_type, exc, traceback)

    async def reserve(self, call: Call, token: Token, operation: Operation, head: Head, body: bytes) -> Price:
        """Hold what the call may cost, and return the price that will be charged, whatever changes meanwhile.

        :raises InsufficientQuota: an account does not cover it
        :raises Forbidden: the model has no price
        :raises Unavailable: the ledger does not answer
        """
        await self.prices.refresh()
        price = await self.prices.price(_names(call, head), limited=token.limited and not operation.free)
        amount, at_least = estimate(operation, head, body, price, default_max_output=self._default_max_output)
        outcome = await self._hold(Reserve(call.id, token.accounts, amount, at_least, self._lease))
        if isinstance(outcome, Short):
            raise _insufficient(token, outcome, at_least)
        if not isinstance(outcome, Reserved):
            raise Unavailable(f"The call {call.id} is known already: nothing can be held for it.")
        return price

    async def _hold(self, reserve: Reserve) -> Reserved | Short | Settled | Ended:
        try:
            return await self._group.submit(reserve)
        except asyncio.CancelledError:
            self.settle(reserve.id, 0)  # the hold may already be under way
            raise
        except GatewayError:
            raise
        except Exception as error:
            self.settle(reserve.id, 0)  # what failed may have been the answer, not the hold
            _log.error("the ledger failed: %s", type(error).__name__)
            raise Unavailable("Quotas cannot be checked at the moment.", retry_after=1) from error

    def settle(self, reservation: str, cost: int) -> None:
        """Have a reservation ended at this cost in nano-dollars. Returns at once; the worker sees to it."""
        self._group.post(Settle(reservation, cost))

    async def settled(self) -> None:
        """Wait until everything that was handed in is in the ledger."""
        await self._group.settled()


def _names(call: Call, head: Head) -> tuple[str, ...]:
    return (head.model, *dict.fromkeys(candidate.upstream_model for candidate in call.plan))


def _insufficient(token: Token, short: Short, needed: int) -> InsufficientQuota:
    whose = "this API key" if len(token.accounts) > 1 and short.account == token.accounts[0] else "the account"
    return InsufficientQuota(
        f"The quota of {whose} does not cover this call: ${short.balance / NANO:.6f} left, "
        f"${needed / NANO:.6f} needed. Top it up, or set a lower limit of output tokens."
    )


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
            request, receive = await parsed(scope, receive, max_body=self._max_body)
            operation = need(call.operation, "QuotaGuard", "operation", "Endpoints")
            call.price = await self._quota.reserve(call, token, operation, request.head, call.body or b"")
        except ClientGoneError:
            return None
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        try:
            await self.app(scope, receive, send)
        finally:
            call.cost = cost(call.usage, call.price) if call.usage is not None else 0
            self._quota.settle(call.id, call.cost)
        return None
