"""Connections are taken in at each turn of the loop, however long its turns are."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from functools import partial
from typing import Any

import pytest
import uvloop

from oneapi_asgi.accepting import Acceptor, Shares

WAITING = 60
TURN = 0.02


class Counting(asyncio.Protocol):
    def __init__(self, made: list[float]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(time.monotonic())
        transport.close()


async def turns_until_all_are_in(*, with_acceptor: bool) -> int:
    loop, made = asyncio.get_running_loop(), list[float]()
    server = await loop.create_server(lambda: Counting(made), "127.0.0.1", 0, backlog=256)
    address = server.sockets[0].getsockname()
    acceptor = Acceptor(server.sockets[0].fileno(), lambda: Counting(made)) if with_acceptor else None
    with ExitStack() as stack:
        for _ in range(WAITING):
            stack.enter_context(socket.create_connection(address))
        turns = 0
        while len(made) < WAITING:
            time.sleep(TURN)  # noqa: ASYNC251 - what the turn is busy with
            await asyncio.sleep(0)
            turns += 1
            assert turns < 20 * WAITING
        if acceptor is not None:
            acceptor.close()
        server.close()
    return turns


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def run_on(loop: str, main: Callable[[], Any]) -> Any:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_all_who_wait_are_taken_in_within_some_turns(loop: str) -> None:
    assert run_on(loop, lambda: turns_until_all_are_in(with_acceptor=True)) < WAITING // 3


def test_without_it_one_is_taken_in_a_turn() -> None:
    """Where this is no longer so, uvloop needs no help."""
    assert run_on("uvloop", lambda: turns_until_all_are_in(with_acceptor=False)) >= WAITING


class Exhausted:
    """A socket that cannot accept, as there are no files left."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.asked = 0

    def fileno(self) -> int:
        return self._real.fileno()

    def accept(self) -> Any:
        self.asked += 1
        raise OSError(errno.EMFILE, "no more")

    def close(self) -> None:
        self._real.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_without_files_it_rests(loop: str) -> None:
    async def main() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            acceptor = Acceptor(listening.fileno(), lambda: Counting([]))
            acceptor._loop.remove_reader(acceptor._socket)
            exhausted = Exhausted(acceptor._socket)
            acceptor._socket = exhausted  # type: ignore[assignment]
            acceptor._start()
            with socket.create_connection(listening.getsockname()):
                until = time.monotonic() + 10
                while not exhausted.asked:
                    assert time.monotonic() < until
                    await asyncio.sleep(0.001)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert acceptor._resting is not None
            acceptor.close()
            return exhausted.asked

    assert run_on(loop, main) == 1


class Kept(asyncio.Protocol):
    def __init__(self, kept: list[asyncio.BaseTransport]) -> None:
        self._kept = kept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._kept.append(transport)


async def taken_by(acceptors: int, places: int) -> list[int]:
    """How many of those who wait each acceptor has in the end, where so many have told that they would take some."""
    shares = Shares(places)
    kept: list[list[asyncio.BaseTransport]] = [[] for _ in range(acceptors)]
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening, ExitStack() as stack:
        for mine in kept:
            own = copy(shares)
            own.take_place()
            acceptor = Acceptor(listening.fileno(), partial(Kept, mine), shares=own, count=partial(len, mine))
            stack.callback(acceptor.close)
        for _ in range(WAITING):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        async with asyncio.timeout(10):
            while sum(map(len, kept)) < WAITING:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.001)
        for transport in [one for mine in kept for one in mine]:
            transport.close()
        await asyncio.sleep(0)
    return [len(mine) for mine in kept]


@pytest.mark.parametrize("loop", LOOPS)
def test_those_who_listen_on_one_socket_get_equal_parts(loop: str) -> None:
    first, second = run_on(loop, lambda: taken_by(2, 2))
    assert abs(first - second) <= 2


def test_who_finds_no_place_lets_nobody_go_first() -> None:
    """The numbers of processes that are gone are given to others."""
    shares = Shares(1)
    shares.take_place()
    late = copy(shares)
    late._place = None
    late.take_place()
    late.tell(9)
    assert not late.is_over(9)
    assert shares._counts[0] == 0


@pytest.mark.parametrize("loop", LOOPS)
def test_one_who_takes_nothing_holds_up_nobody(loop: str) -> None:
    assert run_on(loop, lambda: taken_by(1, 2)) == [WAITING]
