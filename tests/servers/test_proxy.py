from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import pytest
from ports import free_port

from .databases import fresh, rows
from .proxy import Direction, FaultProxy

SECONDS = 10.0
SILENT_SECONDS = 0.1
RESET = "reset"
END = "end"


@dataclass
class Echo:
    """A server that sends back what it reads, and remembers each connection's bytes and how it ended."""

    port: int = 0
    received: list[bytearray] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bytes_read = bytearray()
        self.received.append(bytes_read)
        try:
            while chunk := await reader.read(65536):
                bytes_read += chunk
                writer.write(chunk)
                await writer.drain()
            self.ends.append(END)
        except ConnectionError:
            self.ends.append(RESET)
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", echo.port) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    async with Client(proxy) as client:
        await client.say(b"hello")
        assert await client.hear(5) == b"hello"
        yield client


class Client:
    def __init__(self, proxy: FaultProxy) -> None:
        self._port = proxy.port

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def say(self, words: bytes) -> None:
        self.writer.write(words)
        await self.writer.drain()

    async def hear(self, count: int) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(count)

    async def hear_all(self) -> tuple[bytes, str]:
        """All that still comes, and how it ended."""
        heard = bytearray()
        async with asyncio.timeout(SECONDS):
            try:
                while chunk := await self.reader.read(65536):
                    heard += chunk
            except ConnectionError:
                return bytes(heard), RESET
        return bytes(heard), END

    async def hears_nothing(self) -> bool:
        reading = asyncio.ensure_future(self.reader.read(1))
        done, _ = await asyncio.wait([reading], timeout=SILENT_SECONDS)
        reading.cancel()
        await asyncio.wait([reading])
        return not done


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - what it asks happens in other threads
            await asyncio.sleep(0.002)


async def test_passes_all_bytes_and_the_end(proxy: FaultProxy, echo: Echo) -> None:
    sent = bytes(range(256)) * 8192
    async with Client(proxy) as client:
        heard = asyncio.ensure_future(client.hear_all())
        await client.say(sent)
        client.writer.write_eof()
        assert await heard == (sent, END)
    await until(lambda: proxy.counts.open == 0)
    assert (proxy.counts.up, proxy.counts.down, proxy.counts.accepted) == (len(sent), len(sent), 1)
    assert echo.ends == [END]


async def test_a_reset_of_the_client_reaches_the_server(proxy: FaultProxy, echo: Echo, client: Client) -> None:
    linger_zero = b"\1\0\0\0\0\0\0\0"
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
    client.writer.transport.abort()
    await until(lambda: echo.ends == [RESET])
    assert proxy.counts.cut == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://me:p%40ss@db.example:5433/gateway?ssl=off",
            "postgresql://me:p%40ss@127.0.0.1:{}/gateway?ssl=off",
        ),
        ("mysql+asyncmy://root@db.example/gateway", "mysql+asyncmy://root@127.0.0.1:{}/gateway"),
        ("redis://db.example", "redis://127.0.0.1:{}"),
        ("http://db.example:81/v1", "http://127.0.0.1:{}/v1"),
    ],
)
def test_urls(url: str, expected: str) -> None:
    with FaultProxy.before(url) as proxy:
        assert proxy.url == expected.format(proxy.port)


async def test_an_unreachable_server_is_a_reset() -> None:
    async with FaultProxy("127.0.0.1", free_port()) as proxy:
        # The reset may come before the client's loop has noticed that it is connected.
        with pytest.raises(ConnectionResetError):
            async with Client(proxy) as client:
                await client.hear(1)
        assert proxy.counts.unreachable == 1


@pytest.mark.parametrize(("directions", "least"), [(("up",), 0.1), (("down",), 0.1), ((), 0.2), (("up", "down"), 0.2)])
async def test_latency(proxy: FaultProxy, client: Client, directions: tuple[Direction, ...], least: float) -> None:
    proxy.latency(0.1, *directions)
    began = time.monotonic()
    for _ in range(10):  # they travel together
        await client.say(b"a")
        await asyncio.sleep(0.005)
    assert await client.hear(10) == b"a" * 10
    assert least <= time.monotonic() - began < least + 0.5


async def test_bandwidth(proxy: FaultProxy, client: Client) -> None:
    proxy.bandwidth(10_000, "down")
    began = time.monotonic()
    await client.say(b"a" * 3000)
    assert await client.hear(3000) == b"a" * 3000
    assert 0.25 <= time.monotonic() - began < 1


async def test_cut_resets_both_sides(proxy: FaultProxy, echo: Echo, client: Client) -> None:
    async with Client(proxy) as other:
        await until(lambda: len(echo.received) == 2)
        proxy.cut()
        assert proxy.counts.open == 0
        assert await client.hear_all() == (b"", RESET)
        assert await other.hear_all() == (b"", RESET)
    await until(lambda: echo.ends == [RESET, RESET])
    assert proxy.counts.cut == 2
    async with Client(proxy) as later:
        await later.say(b"again")
        assert await later.hear(5) == b"again"


async def test_refuse_leaves_open_connections(proxy: FaultProxy, echo: Echo, client: Client) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        async with Client(proxy) as refused:
            await refused.reader.read()
    await client.say(b"still")
    assert await client.hear(5) == b"still"
    proxy.refuse(False)
    async with Client(proxy) as later:
        await later.say(b"again")
        assert await later.hear(5) == b"again"
    assert (proxy.counts.refused, proxy.counts.accepted, len(echo.received)) == (1, 3, 2)


async def test_black_hole_holds_all_and_loses_nothing(proxy: FaultProxy, echo: Echo, client: Client) -> None:
    proxy.black_hole()
    async with Client(proxy) as newer:
        await newer.say(b"new")
        await client.say(b"one ")
        await client.say(b"two")
        client.writer.write_eof()
        assert await client.hears_nothing()
        assert echo.received == [b"hello"]
        assert echo.ends == []
        proxy.black_hole(False)
        assert await client.hear_all() == (b"one two", END)
        assert await newer.hear(3) == b"new"


async def test_the_server_does_not_learn_of_a_client_that_left_in_the_black_hole(
    proxy: FaultProxy, echo: Echo, client: Client
) -> None:
    proxy.black_hole()
    client.writer.transport.abort()
    await asyncio.sleep(SILENT_SECONDS)
    assert echo.ends == []
    proxy.black_hole(False)
    await until(lambda: len(echo.ends) == 1)


async def test_what_the_black_hole_held_is_lost_by_a_cut(proxy: FaultProxy, echo: Echo, client: Client) -> None:
    proxy.black_hole()
    await client.say(b"lost")
    async with Client(proxy) as newer:
        await until(lambda: proxy.counts.open == 2)
        proxy.cut()
        assert await client.hear_all() == (b"", RESET)
        assert await newer.hear_all() == (b"", RESET)
    proxy.black_hole(False)
    await until(lambda: echo.ends == [RESET])
    assert echo.received == [b"hello"]


@pytest.mark.parametrize(
    ("count", "direction", "received", "heard"),
    [
        (0, "up", b"", b""),
        (3, "up", b"abc", None),
        (6, "up", b"abcdef", None),
        (0, "down", b"abcdef", b""),
        (3, "down", b"abcdef", b"abc"),
        (6, "down", b"abcdef", b"abcdef"),
    ],
)
async def test_cut_after(
    *,
    proxy: FaultProxy,
    echo: Echo,
    client: Client,
    count: int,
    direction: Direction,
    received: bytes,
    heard: bytes | None,
) -> None:
    proxy.cut_after(count, direction)
    await client.say(b"abcdef")
    got, end = await client.hear_all()
    await until(lambda: len(echo.ends) == 1)
    assert end == RESET
    assert heard is None or got == heard
    assert echo.received == [b"hello" + received]
    async with Client(proxy) as later:
        await later.say(b"a" * 10)
        assert await later.hear(10) == b"a" * 10
    assert proxy.counts.cut == 1


async def test_cut_after_counts_down_over_several_messages(proxy: FaultProxy, client: Client) -> None:
    proxy.cut_after(5, "down")
    for word in (b"ab", b"cd"):
        await client.say(word)
        assert await client.hear(2) == word
    await client.say(b"ef")
    assert await client.hear_all() == (b"e", RESET)


@pytest.mark.parametrize("words", [(b"x COMMIT y",), (b"x COM", b"MIT y"), (b"x C", b"OMM", b"IT y")])
@pytest.mark.parametrize("delivered", [True, False])
async def test_cut_at(proxy: FaultProxy, echo: Echo, client: Client, words: tuple[bytes, ...], delivered: bool) -> None:
    proxy.cut_at(b"COMMIT", delivered=delivered)
    for number, word in enumerate(words):
        await client.say(word)
        if number < len(words) - 1:
            assert await client.hear(len(word)) == word
    assert await client.hear_all() == (b"", RESET)
    await until(lambda: len(echo.ends) == 1)
    assert echo.received == [b"hello" + b"".join(words if delivered else words[:-1])]
    async with Client(proxy) as later:
        await later.say(b"COMMIT")
        assert await later.hear(6) == b"COMMIT"


async def test_half_close_up(proxy: FaultProxy, echo: Echo, client: Client) -> None:
    proxy.half_close("up")
    assert await client.hear_all() == (b"", END)
    assert echo.ends == [END]


async def test_half_close_down(proxy: FaultProxy, echo: Echo, client: Client) -> None:
    proxy.half_close("down")
    assert await client.hear_all() == (b"", END)
    await client.say(b" again")
    await until(lambda: echo.received == [b"hello again"])
    assert echo.ends == []


@pytest.mark.parametrize(
    "fault",
    [
        lambda proxy: proxy.latency(5),
        lambda proxy: proxy.bandwidth(1),
        lambda proxy: proxy.refuse(),
        lambda proxy: proxy.black_hole(),
        lambda proxy: proxy.cut_after(1, "up"),
        lambda proxy: proxy.cut_at(b"a", delivered=False),
    ],
)
async def test_heal(proxy: FaultProxy, client: Client, fault: Callable[[FaultProxy], None]) -> None:
    fault(proxy)
    proxy.heal()
    async with Client(proxy) as newer:
        for each in (client, newer):
            await each.say(b"abc")
            assert await each.hear(3) == b"abc"


async def test_leaving_resets_what_is_open(echo: Echo) -> None:
    async with FaultProxy("127.0.0.1", echo.port) as proxy:
        client = await Client(proxy).__aenter__()
        await client.say(b"a")
        await client.hear(1)
    assert await client.hear_all() == (b"", RESET)
    assert not proxy._thread.is_alive()
    client.writer.close()


@pytest.fixture(params=["postgres", "mysql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh(request.param, tmp_path) as url:
        rows(url, "CREATE TABLE things (number BIGINT)")
        yield url


@pytest.mark.parametrize("delivered", [True, False])
async def test_a_commit_whose_answer_is_lost(database: str, delivered: bool) -> None:
    with FaultProxy.before(database) as proxy:
        is_postgres = database.startswith("postgres")
        insert = insert_in_postgres if is_postgres else insert_in_mysql
        proxy.cut_at(b"COMMIT;" if is_postgres else b"\x03COMMIT", delivered=delivered)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncmy.errors.OperationalError)):
            await insert(proxy.url)
        assert proxy.counts.cut == 1
        assert rows(database, "SELECT * FROM things") == [(1,)] * delivered
        await insert(proxy.url)
        assert rows(database, "SELECT * FROM things") == [(1,)] * (delivered + 1)


def test_a_slow_database_of_a_sync_test(database: str) -> None:
    """Nobody but the proxy runs a loop."""
    with FaultProxy.before(database) as proxy:
        assert rows(proxy.url, "SELECT 1") == [(1,)]
        proxy.latency(0.05)
        began = time.monotonic()
        assert rows(proxy.url, "SELECT 1") == [(1,)]
        assert time.monotonic() - began >= 0.2


async def insert_in_postgres(url: str) -> None:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        async with connection.transaction():
            await connection.execute("INSERT INTO things VALUES (1)")
    finally:
        connection.terminate()


async def insert_in_mysql(url: str) -> None:
    split = urlsplit(url)
    connection: Any = await asyncmy.connect(
        host=split.hostname,
        port=split.port,
        user=split.username,
        password=split.password or "",
        database=split.path.removeprefix("/"),
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("INSERT INTO things VALUES (1)")
        await connection.commit()
    finally:
        connection.close()
