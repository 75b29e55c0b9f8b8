"""Whether a candidate may be asked now: for a place at its channel, by its health, and by the limits on it.

    doors = Doors(slots=Slots(), health=Ejection(), admission=ChannelLimits(limiter))
    entered = await doors.enter(call, candidate)   # or the Failure that says why not
    entered.trial.succeeded()
    entered.leave()

What was entered has to be left, however the attempt ended.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from .call import Call
from .failure import COOLING, EJECTED, FULL, LIMITED, Failure, cause_of
from .health import Ejection, Health, Standing, Trial
from .models import Candidate, Channel
from .slots import Slot, Slots

__all__ = ["NO_PLACE", "Admission", "Doors", "Entered", "Permit"]

NO_PLACE = Failure(FULL, 503, retry_after=1.0)
"""At the channel, at the moment."""


class Permit(Protocol):
    """To make one attempt, or hold one session."""

    def leave(self) -> None:
        """It is over, however it ended; ``call.usage`` says what it used."""
        ...


class Admission(Protocol):
    """Who limits what channels are used for."""

    async def enter(self, call: Call, channel: Channel) -> Permit | float:
        """Leave to use the channel, or the seconds until there may be."""
        ...


class Entered(Struct, eq=False):
    """Leave to make one attempt: everything that was taken for it, until ``leave`` gives it back."""

    slot: Slot
    trial: Trial
    permit: Permit | None = None

    __repr__ = object.__repr__  # what it holds is not for logs

    def failed(self, failure: Failure) -> None:
        """What the attempt came to, if that says anything about whom it was made with."""
        cause = cause_of(failure)
        if cause is not None:
            self.trial.failed(cause, retry_after=failure.retry_after, code=failure.code, status=failure.status)

    def leave(self) -> None:
        if self.permit is not None:
            self.permit.leave()
        self.slot.leave()
        self.trial.left()


class Doors:
    """All who are asked before an attempt."""

    def __init__(
        self, *, slots: Slots | None = None, health: Health | None = None, admission: Admission | None = None
    ) -> None:
        self.slots = slots or Slots()
        self._health = health or Ejection(judge=False)
        self._admission = admission

    async def enter(self, call: Call, candidate: Candidate, slot: Slot | None = None) -> Entered | Failure:
        """``slot``: one that the call has waited for. A failure says nothing about the candidate's health.

        :raises Unavailable: its limits cannot be read
        """
        slot = slot or self.slots.enter(candidate)
        if slot is None:
            return NO_PLACE
        trial = self._health.begin(candidate, forced=call.pinned_channel is not None)
        if isinstance(trial, Standing):
            slot.leave()
            cooling = trial.state == "cooling"
            return Failure(COOLING if cooling else EJECTED, 429 if cooling else 503, trial.wait)
        entered = Entered(slot, trial)
        if self._admission is None:
            return entered
        try:
            permit = await self._admission.enter(call, candidate.channel)
        except BaseException:
            entered.leave()
            raise
        if isinstance(permit, (int, float)):
            entered.leave()
            return Failure(LIMITED, 429, permit)
        entered.permit = permit
        return entered
