"""Short-lived tickets for long-lived credentials: got when first needed, kept until shortly before they expire.

Where a provider wants an OAuth token in place of the key, ``Tickets`` asks for one through the same seam as all calls,
so that addresses are guarded there too. Calls that need the same one at the same moment share one request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import sha256

from cachetools import LRUCache

from .flight import Flight
from .models import Secret
from .providers.access import Access, Exchange
from .upstream.seam import Incoming, Outgoing, Timeouts, Upstream, UpstreamFault

__all__ = ["Tickets"]

_log = logging.getLogger(__name__)

_MOST = 1_024
_MOST_BYTES = 1 << 20
_PATIENCE = 10.0
_EARLY = 60.0
"""Seconds before the end at which a ticket is not handed out any more: a call may wait in a queue meanwhile."""


class _Ticket:
    """That of one credential, and who gets it anew."""

    def __init__(self, fetch: Callable[[Exchange], Awaitable[tuple[str, float]]]) -> None:
        self._fetch = fetch
        self._ask = Flight(self._renew, what="upstream credentials", timeout=_PATIENCE)
        self._exchange: Exchange | None = None
        self._value = ""
        self._until = 0.0

    def at_hand(self, now: float) -> str:
        """Empty where there is none that is good for long enough."""
        return self._value if now < self._until - _EARLY else ""

    async def renewed(self, exchange: Exchange) -> str:
        self._exchange = exchange  # the one before was signed for its own time
        return await self._ask()

    async def _renew(self) -> str:
        assert self._exchange is not None  # noqa: S101
        self._value, self._until = await self._fetch(self._exchange)
        return self._value


class Tickets:
    """``upstream`` and ``timeouts`` are those of the calls; ``clock`` gives Unix seconds."""

    def __init__(self, upstream: Upstream, timeouts: Timeouts, *, clock: Callable[[], float] = time.time) -> None:
        self._upstream = upstream
        self._timeouts = timeouts
        self._clock = clock
        self._known: LRUCache[bytes, _Ticket] = LRUCache(_MOST)

    async def get(self, access: Access, key: str, options: Mapping[str, str], proxy: Secret | None = None) -> str:
        """The ticket for a key, empty where the provider takes the key itself. ``proxy`` is the way to who hands it
        out, as it is to the provider.

        :raises ValueError: the key cannot be read
        :raises Unavailable: whoever hands tickets out does not answer, or not with a ticket
        """
        if not access.exchanges:
            return ""
        now = self._clock()
        name = _name(access, key, options, proxy)
        known = self._known.get(name)
        if known is not None and (at_hand := known.at_hand(now)):
            return at_hand  # to make an exchange may cost a signature, which takes tens of milliseconds
        exchange = access.exchange(key, options, now)
        if exchange is None:
            return ""
        if known is None:
            known = self._known[name] = _Ticket(partial(self._fetch, access, proxy))
        return await known.renewed(exchange)

    def forget(self, access: Access, key: str, options: Mapping[str, str], proxy: Secret | None = None) -> None:
        """The provider did not take it: the next call gets another one."""
        if access.exchanges:
            self._known.pop(_name(access, key, options, proxy), None)

    async def _fetch(self, access: Access, proxy: Secret | None, exchange: Exchange) -> tuple[str, float]:
        headers = (("accept-encoding", "identity"), ("user-agent", "oneapi-asgi"), *exchange.headers)
        outgoing = Outgoing("POST", exchange.url, headers, exchange.body, self._timeouts, proxy)
        incoming = await self._upstream.send(outgoing)
        body = await _read(incoming)
        if not 200 <= incoming.status < 300:
            _log.error("%s refused a channel's credential: status %d", exchange.url, incoming.status)
            raise ValueError("the credential was not accepted")
        return access.ticket(body, self._clock())


def _name(access: Access, key: str, options: Mapping[str, str], proxy: Secret | None) -> bytes:
    """What a ticket is for: options may ask another scope, or another issuer, for the same key; and the way to it."""
    told = [text for option in sorted(options.items()) for text in option]
    way = proxy.reveal() if proxy is not None else ""
    return sha256("\0".join((type(access).__name__, key, way, *told)).encode(errors="surrogatepass")).digest()


async def _read(incoming: Incoming) -> bytes:
    body = bytearray()
    try:
        async for chunk in incoming.chunks():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise UpstreamFault("protocol", "the answer to a request for a ticket is too large")
    finally:
        await incoming.close()
    return bytes(body)
