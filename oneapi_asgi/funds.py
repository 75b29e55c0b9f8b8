"""What is held for a call that goes on spending: ``QuotaGuard``'s reservation for its first response, and more later.

Whenever what was spent, and the responses that are being made or may come next, are no longer covered, more is held.
Only the first reservation is settled at a cost, that of the whole call; the others are released right before it, so
that what they held pays for it.
"""

from __future__ import annotations

from msgspec.structs import replace

from .call import Call, need
from .errors import GatewayError, Unavailable
from .models import Candidate, Price, Token, Usage
from .pricing import MILLION, cost, most
from .quota import Quota, estimate
from .upgrade import MOST_OUTPUT
from .wire.realtime import REALTIME, Meter

__all__ = ["Funds"]

_AHEAD = 4
"""Responses that are held for at once, where the funds allow: else each would be a transaction of its own."""

_MOST_ROOM = 1_000_000
"""Input tokens that are held for at once at most."""


class Funds:
    """What is held for one session: by ``QuotaGuard`` for its first response, and more as it goes on.

    Only the first reservation is settled at a cost, that of the whole session; the others hold, and are released.
    """

    def __init__(self, quota: Quota, call: Call, candidate: Candidate) -> None:
        request = need(call.request, "RealtimeRelay", "request", "Realtime")
        self._quota = quota
        self._call = call
        self._candidate = candidate
        self._token: Token = need(call.token, "RealtimeRelay", "token", "TokenAuth")
        self._price: Price = need(call.price, "RealtimeRelay", "price", "QuotaGuard")
        self._head = request.head
        self._max_output = self._head.max_output or MOST_OUTPUT
        self._held = estimate(REALTIME, self._head, b"", self._price)[0]
        self._more: list[str] = []

    async def cover(self, meter: Meter) -> None:
        """Hold enough for what was spent, and for each response that is being made, or for the next one.

        :raises InsufficientQuota: (and the other refusals of ``Quota.reserve``) the accounts do not cover it
        """
        coming = self._most(max(meter.running, 1), meter.expected)
        lacking = cost(meter.total, self._price) + coming - self._held
        if lacking <= 0:
            return
        try:
            await self._hold(lacking + (_AHEAD - 1) * self._most(1, meter.expected))
        except Unavailable:
            raise
        except GatewayError:
            await self._hold(lacking)

    def _most(self, responses: int, input_tokens: int) -> int:
        """What so many responses to so much input may cost."""
        output = responses * self._max_output
        return most(self._price, input_tokens=responses * input_tokens, output_tokens=output, calls=responses)

    async def _hold(self, amount: int) -> None:
        part = Call(token=self._token, plan=(self._candidate,), serving=self._candidate)
        part.progress = _free
        output, body = _worth(amount, self._price)
        head = replace(self._head, max_output=output)
        prices = await self._quota.reserve(part, self._token, REALTIME, head, body)
        self._held += estimate(REALTIME, head, body, prices[self._candidate.fallback])[0]
        self._more.append(part.id)

    def release(self) -> None:
        """Give back what was held beside the first reservation, which is settled right after."""
        more, self._more = self._more, []
        for reservation in more:
            self._quota.settle(reservation, 0)


def _worth(amount: int, price: Price) -> tuple[int, bytes]:
    """A call that may cost so much: its output tokens or, where they cost nothing, a body of input tokens."""
    output = most(price, input_tokens=0, output_tokens=MILLION, calls=0)
    if output:
        return -(-amount * MILLION // output), b""
    input_ = most(price, input_tokens=MILLION, output_tokens=0, calls=0)
    return 0, bytes(3 * min(-(-amount * MILLION // input_), _MOST_ROOM)) if input_ else b""


def _free() -> Usage:
    return Usage(calls=0)
