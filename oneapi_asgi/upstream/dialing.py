"""How a connection is made: names are resolved, the addresses judged, and the first that answers is taken.

What was judged is what is connected to; a name is never resolved twice for one connection.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from aiohappyeyeballs import start_connection

from ..overrides import Via
from .guard import AddressGuard, BlockedAddressError
from .heads import Origin
from .seam import Fault, UpstreamFault
from .tunnel import through

__all__ = ["Addresses", "Dialer", "Lookup", "Names"]

_Address: TypeAlias = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
Addresses: TypeAlias = Sequence[_Address]
"""As ``socket.getaddrinfo`` gives them."""

Lookup: TypeAlias = Callable[[str, int], Awaitable[Addresses]]
"""A host and a port to addresses."""

_NAME_SECONDS = 10.0
_MOST_NAMES = 4096
_HEAD_START = 0.25
"""Seconds before the next address is tried beside one that has not answered (RFC 8305, section 8)."""

_FAILURES = (BlockedAddressError, OSError, UnicodeError, RuntimeError)
"""What connecting fails with: TLS, time and names fail as errors of the system, and uvloop with runtime errors, too."""

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Names:
    """The addresses of hosts, known for ten seconds. Who asks for a name that is being resolved waits with the others;
    who leaves meanwhile takes nobody along. ``lookup`` resolves: the loop's ``getaddrinfo`` if there is none."""

    def __init__(self, lookup: Lookup | None = None) -> None:
        self._lookup = lookup or _resolved
        self._known: dict[tuple[str, int], tuple[float, Addresses]] = {}
        self._asked: dict[tuple[str, int], asyncio.Task[Addresses]] = {}

    async def addresses(self, host: str, port: int) -> Addresses:
        """
        :raises OSError: there is no such host
        :raises UnicodeError: there can be none
        """
        key = (host, port)
        until, found = self._known.get(key, (0.0, ()))
        if until > asyncio.get_running_loop().time():
            return found
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._resolve(key))
            task.add_done_callback(_seen)
        return await asyncio.shield(task)

    async def _resolve(self, key: tuple[str, int]) -> Addresses:
        loop = asyncio.get_running_loop()
        try:
            found = await self._lookup(*key)
        finally:
            del self._asked[key]
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[key] = loop.time() + _NAME_SECONDS, found
        return found

    async def close(self) -> None:
        """Wait for no name any longer."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _resolved(host: str, port: int) -> Addresses:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _seen(task: asyncio.Task[Addresses]) -> None:
    """Who waited for it may have left."""
    if not task.cancelled():
        task.exception()


class Dialer:
    """``tls`` says whom to trust; None: the authorities that the system trusts."""

    def __init__(self, guard: AddressGuard, names: Names, tls: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._names = names
        self._tls = tls

    async def close(self) -> None:
        await self._names.close()

    async def dial(self, origin: Origin, make: Callable[[], P], seconds: float) -> P:
        """A connection, with TLS if need be.

        :raises UpstreamFault: there is none within so many seconds
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._dial(origin, make)
        except _FAILURES as error:
            raise _fault(error, origin.host, origin.port) from error

    async def _dial(self, origin: Origin, make: Callable[[], P]) -> P:
        if origin.via is None:
            transport = await self._reached(origin.tls, origin.host, origin.port)
        else:
            transport = await self._at(origin.via)
            if origin.tls:
                await through(transport, origin.via, origin.host, origin.port)
                transport = await _secured(transport, await self._context(), origin.host)
        if transport.is_closing():  # nobody was told
            raise UpstreamFault("cut", f"{origin.host}:{origin.port}: the connection was closed at once")
        protocol = make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return protocol

    async def _at(self, via: Via) -> asyncio.Transport:
        """At the proxy. Why it cannot be reached is told in the log: whoever is behind it may be well.

        :raises UpstreamFault: it cannot
        """
        try:
            return await self._reached(via.tls, via.host, via.port)
        except _FAILURES as error:
            fault = _fault(error, via.host, via.port)
            kind: Fault = "blocked" if fault.kind == "blocked" else "connect"
            raise UpstreamFault(kind, f"the proxy cannot be reached: {fault}") from error

    async def _reached(self, tls: bool, host: str, port: int) -> asyncio.Transport:
        found = await self._names.addresses(host, port)
        self._guard.check(host, (str(address[4][0]) for address in found))
        context = await self._context() if tls else None
        connected = await start_connection(found, happy_eyeballs_delay=_HEAD_START)
        bare = await _opened(connected)
        return bare if context is None else await _secured(bare, context, host)

    async def _context(self) -> ssl.SSLContext:
        """All authorities' certificates take long to read: only when they are needed, and aside."""
        if self._tls is None:
            tls = await asyncio.to_thread(ssl.create_default_context)
            tls.set_alpn_protocols(["http/1.1"])
            self._tls = tls
        return self._tls


def _fault(error: Exception, host: str, port: int) -> UpstreamFault:
    where = f"{host}:{port}"
    match error:
        case BlockedAddressError():
            return UpstreamFault("blocked", str(error))
        case TimeoutError():
            return UpstreamFault("connect_timeout", where)
        case socket.gaierror() | UnicodeError():
            return UpstreamFault("dns", f"cannot resolve {host}")
        case ssl.SSLError():
            return UpstreamFault("tls", f"{where}: no TLS, or none to be trusted ({type(error).__name__})")
        case _:
            number = error.errno if isinstance(error, OSError) else None
            reason = os.strerror(number) if number else type(error).__name__
            return UpstreamFault("connect", f"{where}: {reason}")


async def _opened(connected: socket.socket) -> asyncio.Transport:
    """With a protocol that holds nothing, and TLS in a second step: a loop that is cancelled meanwhile may not tell it
    that the connection is lost (uvloop), or leave a transport open whose handshake has not begun (asyncio)."""
    bare, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=connected)
    return bare


async def _secured(bare: asyncio.Transport, tls: ssl.SSLContext, host: str) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    try:
        transport = await loop.start_tls(bare, asyncio.Protocol(), tls, server_hostname=host.rstrip("."))
    except BaseException:
        bare.abort()
        raise
    return transport or bare
