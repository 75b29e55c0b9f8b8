"""Whose key is this: ``TokenAuth`` around any ASGI app, ``KeyAuthenticator`` behind it or as a FastAPI dependency.

A key is taken from ``Authorization: Bearer``, ``x-api-key``, ``api-key``, ``x-goog-api-key`` or ``?key=``; several that
disagree are refused, since another component might believe another one. Keys are looked up by their SHA-256 digest.
An administrator may append ``-CHANNEL`` to a key to pin the call to the channel of that id.

    app = TokenAuth(app, KeyAuthenticator(store))

    app = FastAPI(dependencies=[Depends(KeyAuthenticator(store).dependency)])

*Reads* nothing. *Writes* ``call.token``, ``call.client``, ``call.pinned_channel``; for a token with a list of models it
reads the body, and writes what ``http.parsed`` does. Options: ``trusted_proxies``, the CIDR blocks of proxies whose
``X-Forwarded-For`` is believed; ``max_body`` in bytes; ``on_error``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import parse_qs

from cachetools import TTLCache
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call
from .errors import BadRequest, Forbidden, GatewayError, Unauthenticated
from .flight import Flight
from .globs import allows
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, api_path, parsed
from .keys import key_digest
from .models import Token
from .ports import TokenStore
from .revision import Following, Revision
from .wire.dialects import operation_at

__all__ = [
    "KeyAuthenticator",
    "Network",
    "TokenAuth",
    "check_token",
    "client_address",
    "credential",
    "is_secure",
    "model_allowed",
    "networks",
]

Network = IPv4Network | IPv6Network

_HEADERS = frozenset((b"x-api-key", b"api-key", b"x-goog-api-key"))
_CHANNEL_SUFFIX = re.compile(r"(.+)-([^-]+)")
_MAX_KEY = 512
_NONE = None, float("-inf")


# --- decisions --------------------------------------------------------------------------------------------------------


def credential(scope: Scope) -> str:
    """The one key that a request carries.

    :raises Unauthenticated: it carries none, or several different ones
    """
    keys = _carried(scope)
    if not keys:
        raise Unauthenticated(
            "No API key was given. Send it as 'Authorization: Bearer sk-…', or in the header x-api-key, x-goog-api-key "
            "or api-key.",
            code="missing_api_key",
            headers=(("www-authenticate", "Bearer"),),
        )
    if len(keys) > 1 and len(set(keys)) > 1:
        raise Unauthenticated(
            "The request carries several API keys that differ. Send one of them.", code="conflicting_api_keys"
        )
    return keys[0]


def _carried(scope: Scope) -> list[str]:
    keys = []
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() == "bearer" or not rest:
                keys.append((rest or scheme).strip())
        elif name in _HEADERS:
            keys.append(value.decode("latin-1").strip())
    query: bytes = scope.get("query_string", b"")
    if b"key=" in query:
        keys += parse_qs(query.decode("latin-1")).get("key", ())
    return keys


def client_address(scope: Scope, trusted: Iterable[Network] = ()) -> str:
    """The address of the caller: the peer, or behind trusted proxies the last hop that none of them vouches for.

    Proxies append to ``X-Forwarded-For``, so what stands left of the first untrusted hop is the caller's own invention.
    """
    peer: str = (scope.get("client") or ("", 0))[0]
    trusted = tuple(trusted)
    if not trusted or not _within(peer, trusted):
        return peer
    hops = [hop.strip() for name, value in scope["headers"] if name == b"x-forwarded-for" for hop in _hops(value)]
    while hops:
        peer = hops.pop()
        if not _within(peer, trusted):
            break
    return peer


def is_secure(scope: Scope, trusted: Iterable[Network] = ()) -> bool:
    """Whether the caller speaks TLS, with this process or with a trusted proxy in front of it, which says so."""
    if scope.get("scheme") == "https":
        return True
    trusted = tuple(trusted)
    peer: str = (scope.get("client") or ("", 0))[0]
    said = next((value for name, value in scope["headers"] if name == b"x-forwarded-proto"), b"")
    return bool(trusted) and _within(peer, trusted) and said.strip().lower() == b"https"


def _hops(value: bytes) -> list[str]:
    return value.decode("latin-1").split(",")


def _within(address: str, networks: Iterable[Network]) -> bool:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)


@lru_cache(maxsize=1024)
def networks(subnets: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(subnet, strict=False) for subnet in subnets)


_STATUS_MESSAGES = {
    "disabled": ("This API key was disabled.", "api_key_disabled"),
    "expired": ("This API key has expired.", "api_key_expired"),
    "exhausted": ("The quota of this API key is used up.", "api_key_exhausted"),
}


def check_token(token: Token, *, now: float, client: str) -> None:
    """
    :raises Unauthenticated: the token is not, or no longer, valid
    :raises Forbidden: its owner is disabled, or it may not be used from this address
    """
    if token.status != "enabled":
        message, code = _STATUS_MESSAGES[token.status]
        raise Unauthenticated(message, code=code)
    if token.expires_at is not None and token.expires_at <= now:
        message, code = _STATUS_MESSAGES["expired"]
        raise Unauthenticated(message, code=code)
    if not token.user_enabled:
        raise Forbidden("The owner of this API key was disabled.", code="user_disabled")
    if token.subnets and not _within(client, networks(token.subnets)):
        raise Forbidden(
            f"This API key may only be used from {', '.join(token.subnets)}; this request comes from {client[:45]!r}.",
            code="address_not_allowed",
        )


def model_allowed(token: Token, model: str) -> bool:
    """Whether the token's list of models, if it has one, names this model or matches it."""
    return allows(token.models, model)


# --- who it is --------------------------------------------------------------------------------------------------------


class _Keys:
    """What is known as of one revision, by digest. What was asked before a change is answered here, and so does not
    outlive it."""

    def __init__(self, size: int, ttl: float, negative_ttl: float, timer: Callable[[], float]) -> None:
        self.missing: TTLCache[str, bool] = TTLCache(size, negative_ttl, timer)
        self.asking: dict[str, Flight[Token | None]] = {}
        self._found: dict[str, tuple[Token, float]] = {}  # and until when
        self._size, self._ttl, self._timer = size, ttl, timer

    def found(self, digest: str) -> Token | None:
        token, until = self._found.get(digest, _NONE)
        return token if self._timer() < until else None

    def keep(self, digest: str, token: Token) -> None:
        self._found.pop(digest, None)
        if len(self._found) >= self._size:
            del self._found[next(iter(self._found))]  # who was found first
        self._found[digest] = token, self._timer() + self._ttl


class KeyAuthenticator:
    """Finds the token of a key in a store, through a cache.

    Found tokens are kept for ``ttl`` seconds, keys that are not there for ``negative_ttl``, and both are forgotten as
    soon as the store's revision moves, so a revoked token stops within the revision's interval in every process.
    Requests that ask for the same uncached key at once cost one query. Tokens expire by the store's clock.
    """

    def __init__(
        self,
        store: TokenStore,
        *,
        revision: Revision | None = None,
        ttl: float = 30.0,
        negative_ttl: float = 3.0,
        size: int = 50_000,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._revision = revision or Revision(store)
        self._size, self._ttl, self._negative_ttl = size, ttl, negative_ttl
        self._timer = timer
        self._keys = Following(self._revision, self._forgotten, what="API keys")

    async def authenticate(self, key: str, *, client: str = "") -> tuple[Token, str | None]:
        """The valid token of a key, and the channel suffix of a key that has one.

        :raises Unauthenticated: there is no such token, or it is not valid
        :raises Forbidden: it may not be used by its owner, or from this address, or with a suffix
        :raises Unavailable: the store does not answer
        """
        known, suffix = self._keys, None
        token = known.value.found(key_digest(key)) if known.fresh and key.isascii() else None
        if token is None:
            token, suffix = await self._lookup(key)
        if token is None:
            raise Unauthenticated("This API key is not valid.")
        check_token(token, now=self._revision.now(), client=client)
        if suffix is not None and not token.admin:
            raise Forbidden("Only administrators may pin a channel.", code="channel_not_allowed")
        return token, suffix

    async def recheck(self, token: Token, *, client: str) -> None:
        """Whether a token that was valid still is.

        :raises Unauthenticated: it is not
        :raises Forbidden: its owner was disabled, or it may not be used from this address any more
        :raises Unavailable: the store does not answer
        """
        known = await self._by_digest(token.digest)
        if known is None:
            raise Unauthenticated("This API key is no longer valid.")
        check_token(known, now=self._revision.now(), client=client)

    async def dependency(self, request: HTTPConnection) -> Token:
        """For ``Depends``: the caller's token, or an ``HTTPException``. Addresses are the server's own."""
        try:
            token, _ = await self.authenticate(credential(request.scope), client=client_address(request.scope))
        except GatewayError as error:
            raise HTTPException(error.status, error.message, headers=dict(error.headers) or None) from None
        return token

    async def _lookup(self, key: str) -> tuple[Token | None, str | None]:
        if len(key) > _MAX_KEY or not key.isascii():
            return None, None
        token = await self._by_digest(key_digest(key))
        if token is None and (match := _CHANNEL_SUFFIX.fullmatch(key)):
            return await self._by_digest(key_digest(match[1])), match[2]
        return token, None

    async def find(self, key: str) -> Token | None:
        """The token of a key in whatever state, None when there is none.

        :raises Unavailable: the store does not answer
        """
        return await self._by_digest(key_digest(key))

    async def _by_digest(self, digest: str) -> Token | None:
        keys = self._keys.value if self._keys.fresh else await self._keys.refresh()
        if (token := keys.found(digest)) is not None:
            return token
        if digest in keys.missing:
            return None
        flight = keys.asking.get(digest)
        if flight is None:
            ask = partial(self._ask, keys, digest)
            flight = keys.asking[digest] = Flight(ask, what="API keys", timeout=self._revision.timeout)
        return await flight()

    async def _ask(self, keys: _Keys, digest: str) -> Token | None:
        try:
            token = await self._store.find_token(digest)
        finally:
            del keys.asking[digest]
        if token is None:
            keys.missing[digest] = True
        else:
            keys.keep(digest, token)
        return token

    async def _forgotten(self) -> _Keys:
        return _Keys(self._size, self._ttl, self._negative_ttl, self._timer)


# --- the component ----------------------------------------------------------------------------------------------------


class TokenAuth:
    """Lets only calls with a valid token through."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: KeyAuthenticator,
        *,
        trusted_proxies: Iterable[str] = (),
        max_body: int = MAX_BODY,
        on_error: OnError = Refusal,
    ) -> None:
        self.app = app
        self._authenticator = authenticator
        self._trusted = networks(tuple(trusted_proxies))
        self._max_body = max_body
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        call.client = client_address(scope, self._trusted)
        try:
            token, suffix = await self._authenticator.authenticate(credential(scope), client=call.client)
            if suffix is not None:
                call.pinned_channel = _channel_id(suffix)
            call.token = token
            if token.models:
                receive = await self._check_model(token, scope, receive, call)
        except ClientGoneError:
            return None
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        return await self.app(scope, receive, send)

    async def _check_model(self, token: Token, scope: Scope, receive: Receive, call: Call) -> Receive:
        """A token with a list of models is held to it here, so that it also holds around an app without a router."""
        if not (call.operation or operation_at(api_path(scope))):
            return receive
        request, receive = await parsed(scope, receive, max_body=self._max_body)
        if not model_allowed(token, request.head.model):
            raise Forbidden(
                f"This API key may not use the model {request.head.model!r}.", code="model_not_allowed", param="model"
            )
        return receive


def _channel_id(suffix: str) -> int:
    if not suffix.isdigit() or len(suffix) > 18:
        raise BadRequest("The channel pinned in the API key is not a number.", code="invalid_channel")
    return int(suffix)
