"""The rules of Idempotency-Keys, without I/O: whose a key is, and what a claim that lapsed left behind.

``Answers`` carries them out in a dict; the SQL storage applies the same to rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..kept import Claim, Conclude, Kept, KeptState
from .ledger import Hold

__all__ = ["PURGED_AT_ONCE", "Answer", "Answers", "heir", "outlook"]

PURGED_AT_ONCE = 5_000


class Answer(Struct, frozen=True, kw_only=True):
    """What is kept of a key. ``lease_until`` is 0 once the claim has ended. A key that was freed has no row, or
    one that need not be kept."""

    key: str
    call_id: str
    fingerprint: str
    state: KeptState
    status: int = 0
    content_type: str = ""
    body: bytes = b""
    lease_until: float
    keep_until: float

    def told(self, state: KeptState | None = None) -> Kept:
        return Kept(
            call_id=self.call_id,
            fingerprint=self.fingerprint,
            state=state or self.state,
            status=self.status,
            content_type=self.content_type,
            body=self.body,
        )


def outlook(answer: Answer, now: float) -> Literal["free", "stands", "lapsed"]:
    """Whether the next call may have the key. ``lapsed``: nobody knows what became of the call that had it."""
    if answer.lease_until > now:
        return "stands"
    if answer.keep_until <= now:
        return "free"
    return "lapsed" if answer.state == "running" else "stands"


def heir(hold: tuple[str, int] | None) -> Literal["next", "running", "lost"]:
    """What is to be done about a lapsed claim, by state and cost of the reservation of its call: the next call takes
    over, it waits until the reservation has ended, or it learns that the answer is paid for and lost."""
    state, cost = hold or ("released", 0)
    if state == "held":
        return "running"
    return "lost" if cost else "next"


class Answers:
    """``hold`` finds the reservation of a call, ``fence`` makes an ended one, so that none can be made later."""

    def __init__(self, hold: Callable[[str], Hold | None], fence: Callable[[str], None]) -> None:
        self._hold = hold
        self._fence = fence
        self._answers: dict[str, Answer] = {}

    def claim(self, claim: Claim, now: float) -> Kept | None:
        found = self._answers.get(claim.key)
        if found is not None and (kept := self._kept(found, claim.call_id, now)):
            return kept
        self._answers[claim.key] = _running(claim, now)
        return None

    def _kept(self, found: Answer, call_id: str, now: float) -> Kept | None:
        seen = outlook(found, now)
        if seen == "free" or (found.call_id == call_id and found.state == "running"):
            return None
        if seen == "stands":
            return found.told()
        hold = self._hold(found.call_id)
        fate = heir((hold.state, hold.cost) if hold is not None else None)
        if fate == "lost":
            self._answers[found.key] = replace(found, state="lost", lease_until=0.0)
        if fate != "next":
            return found.told(fate)
        if hold is None:
            self._fence(found.call_id)
        return None

    def renew(self, claims: Sequence[Claim], now: float) -> None:
        for claim in claims:
            if self._standing(claim):
                self._answers[claim.key] = _running(claim, now)

    def conclude(self, ended: Sequence[Conclude], now: float) -> None:
        for end in ended:
            found = self._standing(end)
            if found is not None and end.state == "free":
                del self._answers[end.key]
            elif found is not None:
                self._answers[end.key] = _ended(found, end, now)

    def _standing(self, claim: Claim | Conclude) -> Answer | None:
        found = self._answers.get(claim.key)
        return found if found and found.call_id == claim.call_id and found.state == "running" else None

    def purge(self, now: float) -> int:
        due = (key for key, answer in self._answers.items() if answer.keep_until <= now and answer.lease_until <= now)
        purged = list(islice(due, PURGED_AT_ONCE))
        for key in purged:
            del self._answers[key]
        return len(purged)


def _ended(found: Answer, end: Conclude, now: float) -> Answer:
    return replace(
        found,
        state="stored" if end.state == "stored" else "delivered",
        status=end.status,
        content_type=end.content_type,
        body=end.body,
        lease_until=0.0,
        keep_until=now + end.keep,
    )


def _running(claim: Claim, now: float) -> Answer:
    return Answer(
        key=claim.key,
        call_id=claim.call_id,
        fingerprint=claim.fingerprint,
        state="running",
        lease_until=now + claim.lease,
        keep_until=now + claim.keep,
    )
