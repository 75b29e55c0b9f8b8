"""The fast adapter: an HTTP/1.1 client that does what the gateway asks of one, on asyncio's transports and httptools.

It has the parts that a call needs, and nothing between them and the call: the head of a request (``heads``), the
connection that it is written to (``connection``), the pool where connections wait (``pooling``), and how they are made
(``dialing``), through a proxy if need be (``tunnel``). Redirects, cookies and compressed bodies are not its business.
"""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

from ..errors import NotStarted
from .connection import Answer
from .dialing import Dialer, Names
from .guard import AddressGuard, BlockedAddressError
from .heads import Heads, Target
from .pooling import Connections
from .seam import Outgoing, UpstreamFault
from .tunnel import PROXY_AUTH

__all__ = ["HttptoolsUpstream"]

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
"""What may be asked twice (RFC 9110, section 9.2.1)."""


class HttptoolsUpstream:
    """Sends over connections of its own, opened and closed as an async context manager.

    ``tls`` says whom to trust, instead of the authorities that the system trusts.
    """

    def __init__(self, *, guard: AddressGuard | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._guard = guard or AddressGuard()
        self._tls = tls
        self._heads = Heads(self._guard)
        self._connections: Connections | None = None

    async def __aenter__(self) -> Self:
        self._connections = Connections(Dialer(self._guard, Names(), self._tls))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    async def send(self, request: Outgoing) -> Answer:
        connections = self._connections
        if connections is None:
            raise NotStarted("HttptoolsUpstream can connect once entered: use 'async with' in the host's lifespan.")
        method, body, timeouts = request.method, request.body, request.timeouts
        try:
            target = self._heads.target(method, request.url, request.proxy)
            head = self._heads.encoded(method, target, request.headers, len(body))
        except BlockedAddressError as error:
            raise UpstreamFault("blocked", str(error)) from error
        except ValueError as error:  # some name what they do not like, which may be a key
            raise UpstreamFault("protocol", type(error).__name__) from None
        bodiless = method == "HEAD"
        connection = connections.kept(target.origin)
        if connection is not None:
            try:
                return _passed(await connection.exchange(head, body, timeouts, bodiless=bodiless), target)
            except UpstreamFault as fault:
                if fault.kind != "cut" or method not in _SAFE:
                    raise  # it was closed while it was idle, and what was sent has perhaps been served
        connection = await connections.made(target.origin, timeouts.connect)
        return _passed(await connection.exchange(head, body, timeouts, bodiless=bodiless), target)


def _passed(answer: Answer, target: Target) -> Answer:
    """The answer, unless it is the word of a proxy on the way that wants other credentials.

    :raises UpstreamFault: it is
    """
    proxy = target.origin.via
    if answer.status != PROXY_AUTH or proxy is None:
        return answer
    answer.drop()
    raise UpstreamFault("proxy_auth", f"the proxy {proxy.host}:{proxy.port} answers {PROXY_AUTH}")
