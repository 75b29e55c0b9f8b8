"""Connections that wait for the next call."""

from __future__ import annotations

import asyncio
import time

import pytest
from rawserver import OK, RawServer, raw_server

from oneapi_asgi.upstream import AddressGuard, Timeouts
from oneapi_asgi.upstream.connection import Connection
from oneapi_asgi.upstream.dialing import Dialer, Names
from oneapi_asgi.upstream.heads import Origin
from oneapi_asgi.upstream.pooling import Connections

TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)


def connections(*, idle_seconds: float = 15.0, most_idle: int = 1_000) -> Connections:
    dialer = Dialer(AddressGuard(["127.0.0.0/8"]), Names())
    return Connections(dialer, idle_seconds=idle_seconds, most_idle=most_idle)


def origin(server: RawServer) -> Origin:
    return Origin(False, "127.0.0.1", server.port)


async def used(*several: Connection) -> None:
    """Let each serve a call, and wait for the next."""
    for connection in several:
        answer = await connection.exchange(b"GET / HTTP/1.1\r\n\r\n", b"", TIMEOUTS, bodiless=False)
        assert [chunk async for chunk in answer.chunks()] == [b"ok"]


async def until_open(server: RawServer, count: int, within: float = 3.0) -> float:
    """How long it took."""
    began = time.monotonic()
    while server.open != count:
        assert time.monotonic() - began < within
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def test_the_last_one_used_is_used_next() -> None:
    async with raw_server() as server:
        pool = connections()
        first, second = [await pool.made(origin(server), 1) for _ in range(2)]
        await used(first, second)
        assert pool.kept(origin(server)) is second
        assert pool.kept(origin(server)) is first
        assert pool.kept(origin(server)) is None
        assert pool.kept(Origin(True, "127.0.0.1", server.port)) is None
        await pool.close()


async def test_the_old_ones_are_closed() -> None:
    async with raw_server() as server:
        pool = connections(idle_seconds=0.3)
        first, second = [await pool.made(origin(server), 1) for _ in range(2)]
        await used(first, second)
        for _ in range(6):  # one is enough for what is to do
            await asyncio.sleep(0.1)
            connection = pool.kept(origin(server))
            assert connection is second
            await used(connection)
        await until_open(server, 1, within=0.1)
        assert 0.2 < await until_open(server, 0) < 1.5
        await pool.close()


async def test_no_more_are_kept_than_allowed() -> None:
    async with raw_server() as server:
        pool = connections(most_idle=2)
        await used(*[await pool.made(origin(server), 1) for _ in range(4)])
        await until_open(server, 2)
        await pool.close()
        await until_open(server, 0)


@pytest.mark.parametrize("ended", ["by the other side", "here"])
async def test_what_was_closed_meanwhile_is_passed_over(ended: str) -> None:
    async with raw_server((OK,), (OK, "fin") if ended == "by the other side" else (OK,)) as server:
        pool = connections(idle_seconds=0.2)
        first, second = [await pool.made(origin(server), 1) for _ in range(2)]
        await used(first, second)
        if ended == "here":
            second.abort()
        await until_open(server, 1)
        await asyncio.sleep(0.02)
        assert pool.kept(origin(server)) is first
        await used(first)
        await until_open(server, 0)  # it grows old
        assert pool.kept(origin(server)) is None
        await pool.close()


async def test_what_comes_after_the_end_is_closed() -> None:
    async with raw_server() as server:
        pool = connections()
        early = await pool.made(origin(server), 1)
        await used(early)
        serving = await pool.made(origin(server), 1)
        await pool.close()
        assert early.closed
        assert serving.closed
        assert (await pool.made(origin(server), 1)).closed
        await until_open(server, 0)
