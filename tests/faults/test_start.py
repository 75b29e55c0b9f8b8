"""Several start on an empty database at the same moment: one of them makes everything, once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from servers.databases import Kind, fresh, rows

from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.schema import REVISIONS, SYSTEM, VERSION_TABLE

from .auditor import complaints, read_books
from .fleet import open_fleet
from .load import Callers, add_callers, open_session

STORAGES = 4
ONCE = {
    f"SELECT version_num FROM {VERSION_TABLE}": [(REVISIONS[-1],)],
    "SELECT name FROM users": [("root",)],
    "SELECT owner_id FROM accounts WHERE kind = 'user'": [(1,)],
    "SELECT owner_id FROM accounts WHERE kind = 'system' ORDER BY owner_id": [(n,) for n in sorted(SYSTEM.values())],
    "SELECT count(*) FROM meta WHERE name = 'revision'": [(1,)],
}


@pytest.mark.parametrize("number", range(3))
async def test_storages_that_are_opened_together(database: str, number: int) -> None:
    async with AsyncExitStack() as stack:
        storages = [SQLStorage(database) for _ in range(STORAGES)]
        await asyncio.gather(*[stack.enter_async_context(storage) for storage in storages])
        assert {(await storage.pulse()).revision for storage in storages} == {1}
    assert {query: await asyncio.to_thread(rows, database, query) for query in ONCE} == ONCE


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_processes_that_start_together(kind: Kind, times: int, tmp_path: Path) -> None:
    for _ in range(times):
        with fresh(kind, tmp_path) as url:
            async with open_fleet(url, 2, together=True) as fleet, open_session() as session:
                assert {query: await asyncio.to_thread(rows, url, query) for query in ONCE} == ONCE
                assert await asyncio.to_thread(rows, url, "SELECT name FROM channels") == [("only",)]
                assert await asyncio.to_thread(rows, url, "SELECT count(*) FROM meta WHERE name = 'key'") == [(1,)]
                await add_callers(url, wallet=1_000)
                callers = Callers(session)
                assert [(await callers.ask(one)).status for one in fleet.urls] == [200, 200]
                await fleet.stop()
            assert complaints(await read_books(url)) == []
