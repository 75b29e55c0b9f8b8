"""Calls that run on after their token was revoked: found when the store's revision moves, and ended.

    revocation = Revocation(authenticator.recheck, revision)
    app = RevocationGuard(app, revocation)  # and in the host's lifespan: async with revocation

A caller that has seen nothing of its answer is refused, one that has a part of it is told in-band; what was relayed is
charged. Only the relay can be ended in its midst: around other apps (``UsageMeter``) nothing is. While the store cannot
be asked calls go on, as they were admitted.

*Reads* ``call.token``, ``call.client``, ``call.end``. *Writes* nothing. Options: those of ``Revocation``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from .background import Background
from .call import Call, need
from .errors import GatewayError, TryLater, Unavailable
from .models import Token
from .revision import Revision

__all__ = ["Recheck", "Revocation", "RevocationGuard"]

_log = logging.getLogger(__name__)

_AT_ONCE = 32


class Recheck(Protocol):
    def __call__(self, token: Token, *, client: str) -> Awaitable[None]:
        """Whether a token that was valid still is.

        :raises TryLater: nobody can tell at the moment
        :raises GatewayError: it is not
        """
        ...


class Revocation(Background):
    """Knows the calls that are open, and looks after them every ``interval`` seconds, as long as its context lasts.

    Calls are checked when the revision has moved, when their token expires, and once soon after they began: a change
    may have come between their admission and then. Nothing is asked while no call is open.
    """

    def __init__(self, recheck: Recheck, revision: Revision, *, interval: float = 1.0) -> None:
        super().__init__(self._look_after, name="revocation")
        self._recheck = recheck
        self._revision = revision
        self._interval = interval
        self._unchecked: dict[str, Call] = {}
        self._checked: dict[str, Call] = {}
        self._seen = -1

    def begin(self, call: Call) -> None:
        need(call.token, "RevocationGuard", "token", "TokenAuth")
        self._unchecked[call.id] = call

    def finish(self, call: Call) -> None:
        if self._unchecked.pop(call.id, None) is None:
            self._checked.pop(call.id, None)

    async def look(self) -> None:
        """End the open calls whose token is no longer valid.

        :raises Unavailable: the store does not answer; all is left for the next time
        """
        if not self._unchecked and not self._checked:
            return
        revision = await self._revision.current()
        if revision != self._seen:
            self._unchecked.update(self._checked)
            self._checked.clear()
            self._seen = revision
        due = [*self._due(self._revision.now()).items()]
        for start in range(0, len(due), _AT_ONCE):
            batch = due[start : start + _AT_ONCE]
            await asyncio.gather(*[self._check(token, client, calls) for (token, client), calls in batch])

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            with suppress(Unavailable):  # said already where the store was asked
                await self.look()

    def _due(self, now: float) -> dict[tuple[Token, str], list[Call]]:
        """The calls to check, by what there is to ask: many share it."""
        groups: dict[tuple[Token, str], list[Call]] = {}
        expired = [call for call in self._checked.values() if _has_expired(call, now)]
        for call in (*self._unchecked.values(), *expired):
            token = need(call.token, "RevocationGuard", "token", "TokenAuth")
            groups.setdefault((token, call.client), []).append(call)
        return groups

    async def _check(self, token: Token, client: str, calls: Sequence[Call]) -> None:
        try:
            await self._recheck(token, client=client)
        except TryLater:
            return
        except GatewayError as error:
            for call in calls:
                if call.end is not None:
                    _log.info("the call %s ends, token %d was revoked", call.id, token.id)
                    call.end(error, "revoked")
                    self._is_checked(call)
        except Exception as error:  # it is as good as no answer, and the others shall have theirs
            _log.error("token %d could not be checked: %s", token.id, type(error).__name__)
        else:
            for call in calls:
                self._is_checked(call)

    def _is_checked(self, call: Call) -> None:
        if self._unchecked.pop(call.id, None) is not None:  # else it is over
            self._checked[call.id] = call


def _has_expired(call: Call, now: float) -> bool:
    token = call.token
    return token is not None and token.expires_at is not None and token.expires_at <= now


class RevocationGuard:
    """Has the calls that pass through it ended when their token is revoked."""

    def __init__(self, app: ASGIApp, revocation: Revocation) -> None:
        self.app = app
        self._revocation = revocation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        self._revocation.begin(call)
        try:
            return await self.app(scope, receive, send)
        finally:
            self._revocation.finish(call)
