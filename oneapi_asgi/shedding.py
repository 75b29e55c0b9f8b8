"""Above what a process can do, refuse at once: few calls that are served in time are worth more than many that wait.

    load = Load(most_calls=2_000, max_lag=0.05)
    app = LoadShed(TokenAuth(app, authenticator), load)

Two things tell that a process is full: the number of open calls, and how late its event loop is. Streams cost next to
nothing while they wait for their upstream, so their number says little; a loop that lags says that whatever comes next
will only make all that is open slower. A growing share of new calls is then refused (503, ``overloaded``, with
Retry-After; the connection is kept), and a falling one when the loop is in time again. What is open is never touched.

*Reads* nothing. *Writes* nothing. Options: ``load`` (shared by all the components that stand before the same process),
``on_error``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call
from .errors import Unavailable
from .http import OnError, Refusal

__all__ = ["Governor", "Load", "LoadShed", "LoopLag"]

_log = logging.getLogger(__name__)

_PERIOD = 0.02
_PATIENCE = 1.0
"""Seconds for which the loop has to be late without a break: many calls at one moment, or a large body, are no overload
yet, and to be refused would cost their callers more than to wait."""

_AT_ONCE = 0.3
_IN_TIME = 0.2
"""What is refused more when the lag is twice the target: at once, and for each second that it stays so. A queue grows
as long as too much is let in, so that what has built up (the second) without what is seen now (the first) would swing
between all and nothing."""

_STEEPEST = 3.0
_LONGEST_STEP = 0.25
_MOST = 0.98
"""Never all: who is let in shows that the loop is in time again."""

_WAIT = 1.0
_LONGER = 4.0
"""Seconds after which to come back, and how many more when nearly all are refused."""


class LoopLag:
    """Tells every ``period`` seconds how many seconds late the event loop is."""

    def __init__(self, heard: Callable[[float], object], *, period: float = _PERIOD) -> None:
        self._heard = heard
        self._period = period
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """On the running loop; nothing where it has started already."""
        if self._timer is None:
            self._next(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + self._period
        self._timer = loop.call_at(due, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._next(loop)  # first, so that whoever hears may stop it
        self._heard(max(0.0, loop.time() - due))


class Governor:
    """Which share of new calls to refuse, from 0 to 0.98, so that the loop is no more than ``target`` seconds late.

    A proportional-integral controller: the share moves by how far the lag is from the target, and settles where what is
    let in is what can be done. It begins when the loop has been late for a second, and ends when it is in time.
    """

    def __init__(self, target: float) -> None:
        if target <= 0:
            raise ValueError("the target must be more than 0 seconds")
        self.target = target
        self.share = 0.0
        self._seen: float | None = None
        self._late_since: float | None = None
        self._built_up = 0.0
        self._due = 0.0

    def observe(self, now: float, lag: float) -> None:
        """The loop is ``lag`` seconds late at the time ``now``."""
        passed = 0.0 if self._seen is None else min(now - self._seen, _LONGEST_STEP)
        self._seen = now
        excess = min(lag / self.target - 1, _STEEPEST)
        if excess <= 0:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now
        if self._built_up or (self._late_since is not None and now - self._late_since >= _PATIENCE):
            self._built_up = _bounded(self._built_up + _IN_TIME * excess * passed)
        self.share = _bounded(self._built_up + _AT_ONCE * excess) if self._built_up else 0.0

    @property
    def sheds(self) -> bool:
        """Whether an overload is on, though nothing may be refused at this moment of it."""
        return self._built_up > 0

    def refuses(self) -> bool:
        """Whether the next call is one of those to refuse: they lie evenly among the others."""
        self._due += self.share
        if self._due < 1:
            return False
        self._due -= 1
        return True


def _bounded(share: float) -> float:
    return min(max(share, 0.0), _MOST)


class Load:
    """What a process is at: open calls, and how late its loop is. ``most_calls`` and ``max_lag`` (seconds) are the
    bounds, None for no bound. The loop is looked after only while there are calls."""

    def __init__(self, *, most_calls: int | None = None, max_lag: float | None = None) -> None:
        if most_calls is not None and most_calls < 1:
            raise ValueError("most_calls must be at least 1, or None")
        self.most_calls = most_calls
        self.governor = None if max_lag is None else Governor(max_lag)
        self.calls = 0
        self.refused = 0
        self._lag = LoopLag(self._heard)
        self._sheds = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lag.stop()

    def enter(self) -> float | None:
        """None, and the call is one of the open ones; or the seconds after which to come back."""
        governor = self.governor
        if self.most_calls is not None and self.calls >= self.most_calls:
            return self._refused(_WAIT)
        if governor is not None:
            if governor.share and governor.refuses():
                return self._refused(_WAIT + _LONGER * governor.share)
            if not self.calls:
                self._lag.start()
        self.calls += 1
        return None

    def leave(self) -> None:
        self.calls -= 1

    def _refused(self, wait: float) -> float:
        self.refused += 1
        return wait

    def _heard(self, lag: float) -> None:
        governor = self.governor
        assert governor is not None  # noqa: S101 - without one nothing is heard
        governor.observe(asyncio.get_running_loop().time(), lag)
        if governor.sheds is not self._sheds:
            self._sheds = not self._sheds
            self._tell(lag)
        if not self.calls and not self._sheds:
            self._lag.stop()

    def _tell(self, lag: float) -> None:
        if self._sheds:
            _log.warning("overloaded: the event loop is %.0f ms late; new calls are refused", lag * 1000)
        else:
            _log.info("no longer overloaded: all calls are taken again; %d were refused so far", self.refused)


class LoadShed:
    """Refuses calls while the process is full. What must always be answered stays outside of it."""

    def __init__(self, app: ASGIApp, load: Load, *, on_error: OnError = Refusal) -> None:
        self.app = app
        self._load = load
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        wait = self._load.enter()
        if wait is not None:
            return await self._on_error(_overloaded(wait), Call.of(scope))(scope, receive, send)
        try:
            return await self.app(scope, receive, send)
        finally:
            self._load.leave()


def _overloaded(wait: float) -> Unavailable:
    return Unavailable(
        "The gateway has more calls than it can serve. Try again later.", code="overloaded", retry_after=wait
    )
