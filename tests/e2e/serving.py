"""What every test here stands on: apps on real sockets, and a gateway with its upstreams, storage and callers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

import httpx2
import openai
import uvicorn
from servers.databases import run_apart
from starlette.types import ASGIApp

from oneapi_asgi import (
    NANO,
    AddressGuard,
    Balance,
    CallRecord,
    Channel,
    Gateway,
    HttpxUpstream,
    MemoryStorage,
    Price,
    Secret,
    TokenDraft,
    Upstream,
    key_digest,
)
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing import FakeUpstream
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

__all__ = [
    "ADMIN_KEY",
    "BOTH",
    "CHAT",
    "KEY",
    "LOOPBACK",
    "PRICE",
    "QUOTA",
    "UPSTREAM_KEY",
    "Adapter",
    "Kind",
    "Rig",
    "chat",
    "eventually",
    "fake",
    "make_storage",
    "make_upstream",
    "open_rig",
    "served",
]

Kind = Literal["memory", "sqlite"]
Adapter = Literal["httpx2", "httptools"]
BOTH: tuple[tuple[Kind, Adapter], ...] = (("memory", "httpx2"), ("sqlite", "httptools"))
"""Every storage and every adapter, without every pair of them."""

KEY = "sk-caller" + "c" * 39
ADMIN_KEY = "sk-admin" + "a" * 40
UPSTREAM_KEY = "sk-upstream" + "u" * 37
LOOPBACK = AddressGuard(["127.0.0.0/8"])
PRICE = Price(input=2_000_000_007, output=8_000_000_009)
"""Nano-dollars a million tokens that no count divides, so that each call is rounded."""
WALLET = 100 * NANO
QUOTA = 50 * NANO
TASTE: Any = [{"role": "user", "content": "What does the fox do today?"}]
CHAT: Any = {"model": "gpt-4o", "messages": TASTE}  # the SDK has types of its own for it


def chat(model: str = "gpt-4o", *, stream: bool = False, **told: Any) -> dict[str, Any]:
    """A chat request that tells the fake upstream what to do."""
    body: dict[str, Any] = {"model": model, "messages": TASTE}
    if stream:
        body["stream"] = True
    return body | (fake(**told) if told else {})


def fake(**told: Any) -> dict[str, Any]:
    return {"metadata": {"fake": json.dumps(told)}}


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # signals are the test run's
        yield

    async def run_until(self, told: asyncio.Event) -> None:
        self._told = told
        with suppress(SystemExit):  # how it says that the lifespan failed
            await self.serve()

    async def main_loop(self) -> None:
        """Without the tenth of a second that each look at ``should_exit`` takes."""
        await self.on_tick(0)
        await self._told.wait()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Without the tenth of a second that it always waits for connections: often there are none."""
        for _ in range(20):
            if not (self.server_state.connections or self.server_state.tasks):
                break
            await asyncio.sleep(0.001)
        else:
            return await super().shutdown(sockets)
        for server in self.servers:
            server.close()
        await self.lifespan.shutdown()
        return None


@asynccontextmanager
async def served(
    app: ASGIApp,
    *,
    lifespan: Literal["on", "off", "auto"] = "on",
    ws: Literal["none", "websockets-sansio"] = "none",
) -> AsyncIterator[str]:
    """The app under uvicorn on a free port; gives the URL."""
    config = uvicorn.Config(
        app,
        port=0,
        http="httptools",
        ws=ws,
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    told = asyncio.Event()
    task = asyncio.create_task(server.run_until(told))
    try:
        while not server.started:
            if task.done():
                raise RuntimeError("uvicorn did not start")
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        told.set()
        await task


async def eventually(true: Callable[[], Awaitable[bool]], *, within: float, every: float = 0.01) -> float:
    """Wait until something holds, and return how many seconds that took.

    :raises TimeoutError: it did not come to hold ``within`` seconds
    """
    started = time.monotonic()
    while not await true():
        if time.monotonic() - started > within:
            raise TimeoutError(f"not so within {within} s")
        await asyncio.sleep(every)
    return time.monotonic() - started


def make_storage(kind: Kind, folder: Path, name: str = "gateway") -> MemoryStorage | SQLStorage:
    """An empty one. The file of SQLite has its tables already, as making them takes most of the time to open it."""
    if kind == "memory":
        return MemoryStorage()
    path = folder / f"{name}.db"
    if folder.is_dir() and not path.exists():
        path.write_bytes(_empty_file())
    return SQLStorage(f"sqlite:///{path}")


@cache
def _empty_file() -> bytes:
    async def make(path: Path) -> None:
        async with SQLStorage(f"sqlite:///{path}"):
            pass

    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        run_apart(lambda: make(path))
        return path.read_bytes()


class _WithoutTLS(HttpxUpstream):
    """All authorities' certificates take longer to read than most tests, and nobody here has one."""

    async def __aenter__(self) -> Self:
        self._client = httpx2.AsyncClient(trust_env=False, verify=False, limits=httpx2.Limits())
        return await super().__aenter__()


def make_upstream(adapter: Adapter) -> Upstream:
    return _WithoutTLS(guard=LOOPBACK) if adapter == "httpx2" else HttptoolsUpstream(guard=LOOPBACK)


@dataclass
class Rig:
    """A gateway at work. The caller ``bob`` has a wallet and a capped token, ``root`` an unlimited one."""

    url: str
    gateway: Gateway
    storage: MemoryStorage | SQLStorage
    fakes: Sequence[FakeUpstream]
    http: httpx2.AsyncClient
    accounts: dict[int, int] = field(default_factory=dict)
    """The capped accounts, with what they began with."""

    @property
    def fake(self) -> FakeUpstream:
        return self.fakes[0]

    @property
    def api(self) -> str:
        return f"{self.url}/v1"

    def sdk(self, key: str = KEY, *, strict: bool = True) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            api_key=key,
            base_url=self.api,
            max_retries=0,
            timeout=20,
            http_client=openai.DefaultAsyncHttpxClient(verify=False),
            _strict_response_validation=strict,
        )

    async def post(self, body: object, path: str = "/chat/completions", **headers: str) -> httpx2.Response:
        return await self.http.post(self.api + path, json=body, headers=headers)

    async def records(self) -> list[CallRecord]:
        """All of them, the oldest first, once all is settled."""
        await self.gateway.quota.settled()
        await self.gateway.records.written()
        return list(reversed(await self.storage.list_records(100_000)))

    async def recorded(self, count: int, *, within: float = 5.0) -> list[CallRecord]:
        """So many records: a call ends a moment after its caller has the answer."""

        async def all_there() -> bool:
            return len(await self.records()) >= count

        await eventually(all_there, within=within)
        records = await self.records()
        assert len(records) == count
        return records

    async def record(self) -> CallRecord:
        (record,) = await self.recorded(1)
        return record

    async def balances(self) -> Sequence[Balance]:
        await self.gateway.quota.settled()
        return await self.storage.balances(list(self.accounts))

    async def used(self) -> int:
        """What was spent by bob, the same on his cap and on his wallet."""
        cap, wallet, *_ = await self.balances()
        assert cap.used == wallet.used
        return cap.used

    async def held(self) -> int:
        """What is neither there any more nor spent."""
        return sum(self.accounts[b.account] - b.used - (b.available - b.overdraft) for b in await self.balances())

    async def clear(self) -> None:
        """Forget what the upstreams were asked and told so far."""
        for upstream in self.fakes:
            await upstream.idle()
            upstream.journal.clear()


@asynccontextmanager
async def open_rig(
    storage: MemoryStorage | SQLStorage,
    adapter: Adapter = "httptools",
    *,
    fakes: int = 1,
    upstreams: Sequence[FakeUpstream] = (),
    channels: Callable[[Sequence[FakeUpstream]], Sequence[Channel]] | None = None,
    looks: float | None = None,
    ws: Literal["none", "websockets-sansio"] = "none",
    **options: Any,
) -> AsyncIterator[Rig]:
    """A gateway with one channel to each fake upstream, the first to be tried first.

    ``looks`` is how many seconds lie between two looks after running calls, if not as many as it takes by itself.
    """
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(u) for u in upstreams or [FakeUpstream() for _ in range(fakes)]]
        gateway = Gateway(
            storage,
            upstream=make_upstream(adapter),
            channels=(channels or in_order)(opened),
            **{"prices": {"*": PRICE}, **options},
        )
        if looks is not None:
            gateway._revocation._interval = looks
        url = await stack.enter_async_context(served(gateway, ws=ws))
        client = httpx2.AsyncClient(
            headers={"authorization": f"Bearer {KEY}"},
            timeout=20,
            verify=False,
            limits=httpx2.Limits(max_connections=200),
        )
        rig = Rig(url, gateway, storage, opened, await stack.enter_async_context(client))
        await _add_callers(rig)
        yield rig


def in_order(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    return [
        Channel(
            id=0,
            name=f"channel-{number}",
            base_url=upstream.url,
            api_keys=(Secret(UPSTREAM_KEY),),
            models=("gpt-4o", "[!z]*"),  # nobody serves a zebra
            priority=-number,
        )
        for number, upstream in enumerate(fakes, start=1)
    ]


async def _add_callers(rig: Rig) -> None:
    await rig.storage.add_user("bob", wallet=WALLET)
    token = await rig.storage.add_token(TokenDraft(name="bob", digest=key_digest(KEY), quota=QUOTA, user="bob"))
    await rig.storage.add_token(TokenDraft(name="root", digest=key_digest(ADMIN_KEY)))
    rig.accounts.update(zip(token.accounts, (QUOTA, WALLET), strict=True))
