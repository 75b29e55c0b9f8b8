"""Who makes a request to the administration: by a session in a cookie, or by an access token.

An access token in ``Authorization`` speaks for itself, and the cookie beside it is not looked at. The cookie holds 256
random bits; where the site is reached over TLS it has the prefix ``__Host-``, so that no neighbour can set it (RFC
6265bis, section 4.1.3.2).
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Protocol

from starlette.types import Scope

from ..auth import Network, is_secure
from ..desk.roles import Actor
from ..desk.sessions import AccessTokens, Presence, SessionStore
from ..errors import Forbidden, Unauthenticated
from ..keys import key_digest

__all__ = ["Cookies", "DoorStore", "SessionDoorkeeper", "disabled"]

_NAME = "oneapi_session"
_BEARER = "bearer "


class DoorStore(SessionStore, AccessTokens, Protocol):
    """What is asked of whoever keeps sessions."""


class Cookies:
    """``trusted`` are the proxies that may say that a caller speaks TLS with them."""

    def __init__(self, trusted: tuple[Network, ...] = ()) -> None:
        self._trusted = trusted

    def digest(self, scope: Scope) -> str:
        """Of the session that a browser sends, empty for none."""
        sent = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
        try:
            found = SimpleCookie(sent).get(self._name(scope))
        except CookieError:
            return ""
        return key_digest(found.value) if found is not None and found.value else ""

    def header(self, scope: Scope, secret: str, seconds: int) -> tuple[str, str]:
        """The one that has a browser keep a session, or with no ``seconds`` forget it."""
        secure = "; Secure" if is_secure(scope, self._trusted) else ""
        attributes = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
        return "set-cookie", f"{self._name(scope)}={secret}; {attributes}"

    def _name(self, scope: Scope) -> str:
        return f"__Host-{_NAME}" if is_secure(scope, self._trusted) else _NAME


class SessionDoorkeeper:
    """``routes.Doorkeeper``."""

    def __init__(self, store: DoorStore, cookies: Cookies) -> None:
        self._store = store
        self._cookies = cookies

    async def who(self, scope: Scope, address: str) -> Actor | None:  # noqa: ARG002 - others look at it
        token = _access_token(scope)
        if token is not None:
            presence = await self._store.find_access(key_digest(token)) if token else None
            if presence is None:
                raise Unauthenticated(
                    "This access token is not good, or no longer: POST /api/user/token makes a new one.",
                    code="access_token_invalid",
                )
            return _actor(presence)
        digest = self._cookies.digest(scope)
        if not digest:
            return None
        presence = await self._store.find_session(digest)
        if presence is None:
            raise Unauthenticated("Your session has ended; sign in again.", code="session_ended")
        if presence.session is not None and presence.session.pending:
            raise Unauthenticated(
                "Your second factor is still to be shown: POST /api/user/login/2fa with its code.",
                code="second_factor_required",
            )
        return _actor(presence)


def _access_token(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            text: str = value.decode("latin-1").strip()
            return text[len(_BEARER) :].strip() if text.lower().startswith(_BEARER) else text
    return None


def _actor(presence: Presence) -> Actor:
    """
    :raises Forbidden: the user has been disabled
    """
    if not presence.enabled:
        raise disabled()
    session = presence.session
    return Actor(
        user_id=presence.user_id,
        name=presence.name,
        role=presence.role,
        group=presence.group,
        way="access_token" if session is None else "session",
        session="" if session is None else session.digest,
        fresh_until=0.0 if session is None else session.fresh_until,
        must_change_password=presence.must_change_password,
    )


def disabled() -> Forbidden:
    return Forbidden("This user has been disabled; ask an administrator.", code="user_disabled")
