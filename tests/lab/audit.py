"""After a test: the books agree, and nothing that was opened for it is still open.

``audited`` of ``tests/streams`` uses it for every test there.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import psutil
from faults.auditor import complaints, read_books
from servers.databases import rows

__all__ = ["Audit", "Lag", "audit", "descriptors", "left_of", "resident", "trimmed"]

_SECONDS = 5.0
_SPARE = 32 << 20
"""Bytes that a process may keep of a crowd that it has served: what it loaded, its pools, its caches."""
_SHARE = 0.05
_NOTED = 8 << 10
"""Bytes that a test writes down about each call, at both ends; pytest keeps them until the next one."""
_OWN = "TestRunner."
"""Tasks that run tests and fixtures."""


class Audit:
    """What is to be looked at when the test is over, and its gateways are closed."""

    def __init__(self) -> None:
        self._books: list[tuple[str, int | None]] = []

    def books(self, database: str, *, asked: int | None = None) -> None:
        """Those of a gateway that has been closed; ``asked``: the requests that its upstream has seen."""
        self._books.append((database, asked))

    @property
    def asked(self) -> int:
        """The requests that all upstreams have seen."""
        return sum(asked or 0 for _, asked in self._books)

    async def check(self) -> None:
        for database, asked in self._books:
            found = complaints(await read_books(database))
            tried = sum(len(json.loads(attempts)) for (attempts,) in rows(database, "SELECT attempts FROM records"))
            if asked is not None and asked > tried:
                found.append(f"the upstream was asked {asked} times, the records tell of {tried}")
            assert found == []


@asynccontextmanager
async def audit(*, memory: bool) -> AsyncIterator[Audit]:
    """Around a test. ``memory``: what was taken is to be given back, too, which only shows where much was taken."""
    tasks, files = asyncio.all_tasks(), descriptors()
    before = trimmed() if memory else 0
    told = Audit()
    yield told
    await told.check()
    left = await left_of(tasks)
    assert left == [], f"tasks are left: {left}"
    opened = await _opened_since(files)
    assert opened == [], f"files are left open: {opened}"
    if memory:
        after = trimmed()
        assert after <= before * (1 + _SHARE) + _SPARE + told.asked * _NOTED, (
            f"memory went from {before >> 20} to {after >> 20} MiB"
        )


async def left_of(before: Collection[asyncio.Task[Any]], *, within: float = _SECONDS) -> list[str]:
    """The tasks that came since and do not end by themselves."""
    end = time.monotonic() + within
    while left := [name for task in asyncio.all_tasks() - set(before) if not (name := _name(task)).startswith(_OWN)]:
        if time.monotonic() > end:
            return sorted(left)
        await asyncio.sleep(0.01)
    return []


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", repr(task))


async def _opened_since(before: dict[str, str]) -> list[str]:
    """Files and sockets that came since and are not closed by themselves."""
    end = time.monotonic() + _SECONDS
    while len(now := descriptors()) > len(before):
        if time.monotonic() > end:
            return sorted(what for number, what in now.items() if before.get(number) != what)
        await asyncio.sleep(0.01)
    return []


def descriptors() -> dict[str, str]:
    """The open files of this process, and what each is."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the directory itself, which is closed by now
            continue
    return found


def resident() -> int:
    """Bytes of memory that this process has."""
    size: int = psutil.Process().memory_info().rss
    return size


def trimmed() -> int:
    """The same, without what it merely has not given back."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return resident()


class Lag:
    """For how long the event loop did not come to its turn, at most, while this is entered. ``resident``: the most
    memory that was seen meanwhile; both are looked at every ``interval`` seconds."""

    def __init__(self, interval: float = 0.005) -> None:
        self.longest = 0.0
        self.resident = resident()
        self._interval = interval

    def forget(self) -> None:
        self.longest, self.resident = 0.0, resident()

    async def __aenter__(self) -> Lag:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _watch(self) -> None:
        process = psutil.Process()
        while True:
            before = time.monotonic()
            await asyncio.sleep(self._interval)
            self.longest = max(self.longest, time.monotonic() - before - self._interval)
            self.resident = max(self.resident, process.memory_info().rss)
