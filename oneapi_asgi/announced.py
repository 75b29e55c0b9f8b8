"""The revision of a storage, with its changes announced: the other replicas ask at once, not at their next poll."""

from __future__ import annotations

from collections.abc import Callable

from .models import Pulse
from .ports import Notices, RevisionStore

__all__ = ["REVISION", "AnnouncedRevision"]

REVISION = "revision"
"""The kind of a notice whose text is a revision that somebody has seen."""


class AnnouncedRevision:
    """A ``RevisionStore`` in front of one. Whichever replica sees the revision move first tells the others of it.

    announced = AnnouncedRevision(storage, redis.notices)
    revision = Revision(announced)
    announced.tell(revision.expect_change)
    """

    def __init__(self, store: RevisionStore, notices: Notices) -> None:
        self._store = store
        self._notices = notices
        self._tell: list[Callable[[], None]] = []
        self._seen = self._told = -1
        notices.subscribe(REVISION, self._heard)

    def tell(self, expect_change: Callable[[], None]) -> None:
        """Have this called when another replica has seen a revision that was not seen here."""
        self._tell.append(expect_change)

    async def pulse(self) -> Pulse:
        pulse = await self._store.pulse()
        first, self._seen = self._seen < 0, pulse.revision
        if pulse.revision > self._told:
            self._told = pulse.revision
            if not first:
                self._notices.publish(REVISION, str(pulse.revision))
        return pulse

    def _heard(self, text: str) -> None:
        if not text.isascii() or not text.isdigit():
            return
        self._told = max(self._told, int(text))
        if int(text) > self._seen:
            for expect_change in self._tell:
                expect_change()
