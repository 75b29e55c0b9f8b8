"""What becomes of a call that is not covered: who is struck out of its plan, and what its caller is told. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from .call import Call
from .errors import BudgetExceeded, GatewayError, InsufficientQuota, TryLater, Unavailable
from .limitbook import Budget
from .models import Short, Token

__all__ = ["NO_BUDGETS", "CallBudgets", "not_checked", "refusal", "without_channel", "without_fallbacks"]

_LONGEST_KEPT = 60.0  # seconds that SDKs wait when they are told to
_HELD_ELSEWHERE = 1.0  # seconds after which to try again where running calls hold all of a budget


class CallBudgets(Struct, frozen=True):
    """The accounts of one call's budgets, those of channels with the channel's id."""

    of_call: dict[int, Budget] = {}
    of_channels: dict[int, tuple[int, Budget]] = {}

    @property
    def accounts(self) -> tuple[int, ...]:
        return (*self.of_call, *self.of_channels)

    def without(self, channel: int) -> CallBudgets:
        kept = {account: entry for account, entry in self.of_channels.items() if entry[0] != channel}
        return CallBudgets(self.of_call, kept)

    def spare(self, call: Call) -> tuple[int, ...]:
        """Those of the channels that do not serve the call. Where nobody says who does, it is the first of the plan."""
        if not self.of_channels:
            return ()
        serving = (call.serving or call.plan[0]).channel.id
        return tuple(account for account, (channel, _) in self.of_channels.items() if channel != serving)


NO_BUDGETS = CallBudgets()


def not_checked() -> Unavailable:
    return Unavailable("Quotas cannot be checked at the moment.", retry_after=1)


def without_channel(
    call: Call, budgets: CallBudgets, short: Short, needed: int, waits: list[float | None]
) -> CallBudgets:
    """Go on without a channel that has no budget left. ``waits`` grows by the time until it has.

    :raises Unavailable: no other is left
    :raises InsufficientQuota: no channel has a budget that is ever large enough
    """
    channel, budget = budgets.of_channels[short.account]
    waits.append(_wait(budget, short, needed))
    plan = tuple(candidate for candidate in call.plan if candidate.channel.id != channel)
    if plan:
        call.plan = plan
        return budgets.without(channel)
    known = [wait for wait in waits if wait is not None]
    if not known:
        raise _too_large("every channel for this model", budget, needed)
    message = "The budgets of all channels for this model are used up."
    raise _in_time(Unavailable(message, code="channel_budget_exceeded", retry_after=min(known)))


def without_fallbacks(call: Call, needs: Mapping[str, tuple[int, int]], short: Short) -> bool:
    """Go on without the models in place of the one asked for that the caller's money does not cover; whether there were
    any, and others are left. Nobody is given another model because it is cheaper."""
    dear = {model for model, (_, at_least) in needs.items() if model and at_least > short.balance}
    plan = tuple(step for step in call.plan if step.fallback not in dear)
    if not dear or not plan:
        return False
    call.plan = plan
    return True


def _wait(budget: Budget, short: Short, needed: int) -> float | None:
    """Seconds until the budget may cover the call, None if it never does."""
    if needed > budget.amount:
        return None
    return _HELD_ELSEWHERE if short.wait is None else short.wait


def refusal(token: Token, budgets: CallBudgets, short: Short, needed: int) -> GatewayError:
    budget = budgets.of_call.get(short.account)
    if budget is None:
        return _insufficient(token, short, needed)
    wait = _wait(budget, short, needed)
    if wait is None:
        return _too_large(budget.whose, budget, needed)
    message = (
        f"The budget of {budget.whose} does not cover this call at the moment: {_dollars(short.balance)} left, "
        f"{_dollars(needed)} needed. Try again in {max(math.ceil(wait), 1)} s."
    )
    return _in_time(BudgetExceeded(message, retry_after=wait))


def _in_time(error: TryLater) -> TryLater:
    """Told to wait for longer than they do, SDKs would ask again within seconds: they are told not to."""
    error.should_retry = error.retry_after is not None and error.retry_after <= _LONGEST_KEPT
    return error


def _too_large(whose: str, budget: Budget, needed: int) -> InsufficientQuota:
    return InsufficientQuota(
        f"The budget of {whose} can never cover this call: {_dollars(budget.amount)} for a whole period, "
        f"{_dollars(needed)} needed. Send a shorter input, or set a lower limit of output tokens.",
        code="budget_too_small",
    )


def _insufficient(token: Token, short: Short, needed: int) -> InsufficientQuota:
    whose = "this API key" if len(token.accounts) > 1 and short.account == token.accounts[0] else "the account"
    return InsufficientQuota(
        f"The quota of {whose} does not cover this call: {_dollars(short.balance)} left, "
        f"{_dollars(needed)} needed. Top it up, or set a lower limit of output tokens."
    )


def _dollars(nano: int) -> str:
    """To the nano-dollar, without zeros at the end; what is owed is nothing that is left."""
    return f"${Decimal(max(nano, 0)).scaleb(-9).normalize():f}"
