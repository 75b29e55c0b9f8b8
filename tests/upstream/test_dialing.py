"""Names, the judgement of their addresses, and which of them is connected to."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from ports import free_port
from rawserver import raw_server

from oneapi_asgi.upstream import AddressGuard, UpstreamFault
from oneapi_asgi.upstream.connection import Connection
from oneapi_asgi.upstream.dialing import Addresses, Dialer, Names
from oneapi_asgi.upstream.heads import Origin
from oneapi_asgi.upstream.pooling import Connections

LOCAL = AddressGuard(["127.0.0.0/8"])


def at(*places: tuple[str, int]) -> Addresses:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]


class Book:
    """Looks names up in lists, of which each is given once, and the last again and again."""

    def __init__(self, *lists: Addresses, wait: float = 0.0) -> None:
        self.lists = list(lists)
        self.asked: list[tuple[str, int]] = []
        self.wait = wait

    async def __call__(self, host: str, port: int) -> Addresses:
        self.asked.append((host, port))
        await asyncio.sleep(self.wait)
        if not self.lists:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]


async def dialled(book: Book, *, guard: AddressGuard = LOCAL, tls: bool = False, seconds: float = 2.0) -> Connections:
    pool = Connections(Dialer(guard, Names(book)))
    try:
        connection = await pool.made(Origin(tls, "host.example", 80), seconds)
        assert isinstance(connection, Connection)
    finally:
        await pool.close()
    return pool


async def fault(book: Book, *, guard: AddressGuard = LOCAL, seconds: float = 2.0) -> str:
    with pytest.raises(UpstreamFault) as raised:
        await dialled(book, guard=guard, seconds=seconds)
    return str(raised.value)


@contextmanager
def black_hole() -> Iterator[tuple[str, int]]:
    """A port whose queue of connections is full: the system drops what comes, and nobody hears of it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(listening.getsockname())
            yield listening.getsockname()
        finally:
            for each in waiting:
                each.close()


def refusing() -> tuple[str, int]:
    return "127.0.0.1", free_port()


async def test_a_name_is_known_for_a_while() -> None:
    book = Book(at(("127.0.0.1", 1)), at(("127.0.0.2", 1)))
    names = Names(book)
    assert [await names.addresses("a", 1) for _ in range(3)] == [at(("127.0.0.1", 1))] * 3
    assert await names.addresses("b", 1) == at(("127.0.0.2", 1))
    assert await names.addresses("a", 2) == at(("127.0.0.2", 1))
    assert book.asked == [("a", 1), ("b", 1), ("a", 2)]
    await names.close()


async def test_many_names_are_not_remembered_for_ever() -> None:
    names = Names(Book(at(("127.0.0.1", 1))))
    for number in range(5_000):
        await names.addresses(f"host{number}", 1)
    assert len(names._known) <= 4096
    await names.close()


async def test_who_asks_for_the_same_name_waits_with_the_others() -> None:
    book = Book(at(("127.0.0.1", 1)), wait=0.05)
    names = Names(book)
    tasks = [asyncio.create_task(names.addresses("a", 1)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert [await task for task in tasks[1:]] == [at(("127.0.0.1", 1))] * 4
    assert tasks[0].cancelled()
    assert len(book.asked) == 1
    await names.close()


async def test_a_failure_is_not_remembered() -> None:
    book = Book()
    names = Names(book)
    for _ in range(2):
        with pytest.raises(OSError, match="unknown"):
            await names.addresses("a", 1)
    assert len(book.asked) == 2
    await names.close()


async def test_a_failure_that_nobody_waits_for_any_more() -> None:
    names = Names(Book(wait=0.01))
    task = asyncio.create_task(names.addresses("a", 1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.05)
    assert task.cancelled()
    assert names._asked == {}


async def test_a_name_that_is_never_heard_of() -> None:
    began = time.monotonic()
    assert await fault(Book(wait=60), seconds=0.2) == "connect_timeout: host.example:80"
    assert time.monotonic() - began < 1


async def test_no_such_host() -> None:
    assert await fault(Book()) == "dns: cannot resolve host.example"


@pytest.mark.parametrize("places", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["8.8.8.8", "169.254.169.254"]])
async def test_one_address_that_is_refused_is_enough(places: Sequence[str]) -> None:
    assert (await fault(Book(at(*[(place, 1) for place in places])))).startswith("blocked: host.example resolves to")


async def test_an_address_is_judged_whenever_it_is_connected_to() -> None:
    async with raw_server() as server:
        names = Names(Book(at(("127.0.0.1", server.port)), at(("10.0.0.1", server.port))))
        pool = Connections(Dialer(LOCAL, names))
        await pool.made(Origin(False, "host.example", 80), 2)
        names._known.clear()  # time has passed
        with pytest.raises(UpstreamFault, match="blocked"):
            await pool.made(Origin(False, "host.example", 80), 2)
        await pool.close()


async def test_refused() -> None:
    assert await fault(Book(at(refusing()))) == "connect: host.example:80: Connection refused"


async def test_all_refused() -> None:
    told = await fault(Book(at(refusing(), refusing())))
    assert told == "connect: host.example:80: Connection refused"


async def test_nobody_answers() -> None:
    with black_hole() as hole:
        assert await fault(Book(at(hole)), seconds=0.2) == "connect_timeout: host.example:80"


@pytest.mark.parametrize("first", ["refuses", "does not answer"])
async def test_the_next_address_is_tried(first: str) -> None:
    with black_hole() as hole:
        async with raw_server() as server:
            began = time.monotonic()
            await dialled(Book(at(refusing() if first == "refuses" else hole, ("127.0.0.1", server.port))))
            while server.connections != 1:
                assert time.monotonic() - began < 1
                await asyncio.sleep(0.005)


async def test_no_tls_there() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listening:
        book = Book(at(listening.sockets[0].getsockname()))
        with pytest.raises(UpstreamFault, match="tls"):
            await dialled(book, tls=True)
