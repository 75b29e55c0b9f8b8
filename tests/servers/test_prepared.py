"""What one test leaves in a database is not there for the next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from oneapi_asgi.models import Channel, Reserve, Settle, TokenDraft
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.schema import REVISIONS, VERSION_TABLE, metadata

from .databases import KINDS, Kind, Row, fresh, rows, rows_of_each
from .prepared import Prepared, emptied

SERVERS: tuple[Kind, ...] = ("postgres", "mysql")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    made = Prepared(tmp_path_factory.mktemp("own"))
    yield made
    made.close()


async def used(url: str) -> tuple[list[list[Row]], tuple[int, ...]]:
    """What is in the tables after a start, and the numbers that are given to what is added then."""
    async with SQLStorage(url) as storage:
        begun = rows_of_each(url, *(f"SELECT * FROM {table}" for table in ("meta", "tokens", "transfers", "channels")))
        number = await storage.add_user("ann", wallet=100)
        token = await storage.add_token(TokenDraft(name="ci", digest="d", user="ann"))
        channel = await storage.save_channel(Channel(id=0, name="a"))
        await storage.apply([Reserve("a", token.accounts, 60, 60, 60.0), Reserve("b", token.accounts, 5, 5, 60.0)])
        await storage.apply([Settle("a", 50)])
        return begun, (number, token.id, channel.id, *token.accounts)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_is_as_a_new_one(kind: Kind, own: Prepared, tmp_path: Path) -> None:
    with fresh(kind, tmp_path) as url:
        new = await used(url)
    names = set()
    for _ in range(3):
        with own(kind, tmp_path) as url:
            names.add(url)
            assert rows(url, f"SELECT version_num FROM {VERSION_TABLE}") == [(REVISIONS[-1],)]
            counts = rows_of_each(url, *(f"SELECT count(*) FROM {table}" for table in metadata.tables))
            assert counts == [[(0,)]] * len(metadata.tables)
            assert await used(url) == new
    assert len(names) == (3 if kind == "sqlite" else 1), "a server's is used again"


@pytest.mark.parametrize("kind", SERVERS)
def test_one_each_at_the_same_time(kind: Kind, own: Prepared, tmp_path: Path) -> None:
    with own(kind, tmp_path) as one, own(kind, tmp_path) as other:
        assert one != other


@pytest.mark.parametrize("kind", SERVERS)
def test_changed_tables_are_noticed(kind: Kind, own: Prepared, tmp_path: Path) -> None:
    with own(kind, tmp_path) as url:
        shape = emptied(url)
        for change, undo in (
            (
                f"UPDATE {VERSION_TABLE} SET version_num = '0001'",
                f"UPDATE {VERSION_TABLE} SET version_num = '{REVISIONS[-1]}'",
            ),
            ("CREATE TABLE others (id BIGINT)", "DROP TABLE others"),
            ("CREATE INDEX more ON records (cost)", f"DROP INDEX more{' ON records' * (kind == 'mysql')}"),
            ("ALTER TABLE users ADD COLUMN more BIGINT", "ALTER TABLE users DROP COLUMN more"),
        ):
            rows(url, change)
            assert emptied(url) != shape, change
            rows(url, undo)


@pytest.mark.parametrize("kind", SERVERS)
def test_one_without_a_table_is_not_used_again(kind: Kind, own: Prepared, tmp_path: Path) -> None:
    with own(kind, tmp_path) as changed:
        rows(changed, "DROP TABLE tokens")
    with own(kind, tmp_path) as another:
        assert another != changed


@pytest.mark.parametrize("kind", SERVERS)
async def test_whoever_is_still_connected_is_disconnected(kind: Kind, own: Prepared, tmp_path: Path) -> None:
    with own(kind, tmp_path) as url:
        storage = await SQLStorage(url).__aenter__()
    with own(kind, tmp_path) as again:
        assert again == url
        assert (await asyncio.wait_for(used(again), 10))[1][0] == 2
    await storage.__aexit__(None, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_that_fails_leaves_nothing(kind: Kind, own: Prepared, tmp_path: Path) -> None:
    def failing() -> None:
        with own(kind, tmp_path) as url:
            rows(url, "INSERT INTO meta VALUES ('revision', 9)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with own(kind, tmp_path) as url:
        assert rows(url, "SELECT * FROM meta") == []
