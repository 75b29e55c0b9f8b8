"""Upstreams that cannot be reached: the next channel serves within moments, and the record says what was wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Self

import pytest
from e2e.serving import LOOPBACK
from lab.audit import Audit
from ports import free_port

from oneapi_asgi import Channel, HttpxUpstream, Timeouts, Upstream
from oneapi_asgi.upstream.dialing import Addresses, Dialer, Names
from oneapi_asgi.upstream.httptools import HttptoolsUpstream
from oneapi_asgi.upstream.pooling import Connections

from .rig import Tried, channel, open_routes, statuses

CONNECT = 0.5


@asynccontextmanager
async def black_hole(folder: Path) -> AsyncIterator[str]:
    """A port whose queue of connections is full: the system drops what comes, and nobody hears of it."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def reset(folder: Path) -> AsyncIterator[str]:
    """Accepts, and resets at once."""

    def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with await asyncio.start_server(accepted, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def untrusted(folder: Path) -> AsyncIterator[str]:
    """Has a certificate that it has signed itself."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=nobody"
    told = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, told, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def refused(folder: Path) -> AbstractAsyncContextManager[str]:
    return nullcontext(f"http://127.0.0.1:{free_port()}")


def nowhere(folder: Path) -> AbstractAsyncContextManager[str]:
    return nullcontext("https://nonexistent.invalid")


PLACES: dict[str, tuple[Callable[[Path], AbstractAsyncContextManager[str]], str]] = {
    "black hole": (black_hole, "connect_timeout"),
    "refused": (refused, "connect"),
    "no such host": (nowhere, "dns"),
    "not trusted": (untrusted, "tls"),
    "reset": (reset, "cut"),
}
ADAPTERS: dict[str, Callable[[], Upstream]] = {
    "httptools": lambda: HttptoolsUpstream(guard=LOOPBACK),
    "httpx2": lambda: HttpxUpstream(guard=LOOPBACK),
}


async def served_by_the_next(
    folder: Path, audit: Audit, base_url: str, upstream: Upstream, failure: str, *, within: float, calls: int = 1
) -> None:
    """The last of the calls ``within`` so many seconds."""

    def channels(root: str) -> list[Channel]:
        return [channel("lost", root, base_url=base_url, priority=1), channel("next", root)]

    timeouts = Timeouts(connect=CONNECT)
    async with open_routes(folder, audit, channels, upstream=upstream, timeouts=timeouts) as routes:
        said = await routes.asks(calls)
        assert statuses(said) == {200}
        assert said[-1].took <= within
        expected = [Tried("lost", 0, None, failure), Tried("next", 0, 200, "")]
        assert await routes.tried() == [expected] * calls


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    ("late", "calls"), [pytest.param(2.0, 1, id="soon"), pytest.param(0.5, 3, id="at once", marks=[pytest.mark.slow])]
)
async def test_the_next_serves(
    tmp_path: Path, audited: Audit, name: str, adapter: str, late: float, calls: int
) -> None:
    place, failure = PLACES[name]
    async with place(tmp_path) as base_url:
        upstream = ADAPTERS[adapter]()
        await served_by_the_next(tmp_path, audited, base_url, upstream, failure, within=CONNECT + late, calls=calls)


class Unresolving(HttptoolsUpstream):
    """Never hears of a name, as opposed to an address."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._connections = Connections(Dialer(LOOPBACK, Names(_silent), None))
        return self


async def _silent(host: str, port: int) -> Addresses:
    loop = asyncio.get_running_loop()
    try:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        await asyncio.sleep(60)
        raise


async def test_names_are_not_waited_for_any_longer(tmp_path: Path, audited: Audit) -> None:
    await served_by_the_next(
        tmp_path,
        audited,
        "http://silent.invalid",
        Unresolving(guard=LOOPBACK),
        "connect_timeout",
        within=CONNECT + 2,
    )
