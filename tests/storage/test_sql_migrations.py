"""From the first schema to the newest, on every database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec.structs import replace
from servers.databases import KINDS, fresh, rows, run_apart
from sqlalchemy import Connection, inspect, text

from oneapi_asgi.models import Channel, Reserve, Settle, Settled, TokenDraft
from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.sql import SQLStorage, opening
from oneapi_asgi.storage.sql.migrations import configuration
from oneapi_asgi.storage.sql.schema import REVISIONS, VERSION_TABLE, metadata

from .books import audit
from .opened import Opened

UNMIGRATED = f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)"


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def another(database: str, tmp_path: Path) -> Iterator[str]:
    kind = database.partition(":")[0]
    with fresh({"postgresql": "postgres"}.get(kind, kind), tmp_path) as url:  # type: ignore[arg-type]
        yield url


def described(connection: Connection) -> dict[str, Any]:
    """All that an inspector sees of the tables, in no order but that of the columns."""
    seen = inspect(connection)
    return {
        table: {
            "columns": [{k: str(v) for k, v in column.items()} for column in seen.get_columns(table)],
            "key": seen.get_pk_constraint(table),
            "unique": sorted(map(repr, seen.get_unique_constraints(table))),
            "checks": sorted(map(repr, seen.get_check_constraints(table))),
            "indexes": sorted(map(_described_index, seen.get_indexes(table))),
            "foreign": sorted(map(repr, seen.get_foreign_keys(table))),
            "options": seen.get_table_options(table),
        }
        for table in seen.get_table_names()
    }


def _described_index(index: Any) -> str:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['column_names']} {bool(index['unique'])} {options}"


async def schema_of(url: str) -> dict[str, Any]:
    async with Opened(url) as storage:
        return await storage.run(described)


def in_no_order(tables: dict[str, Any]) -> dict[str, Any]:
    """Of the columns either: one that is made again comes last."""
    return {
        name: table | {"columns": sorted(table["columns"], key=lambda column: str(column["name"]))}
        for name, table in tables.items()
    }


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Any]]]:
    """A database that does not take back a migration as a whole, and its tables in the end, whose cases follow each
    other: each leaves what it began with."""
    with fresh("mysql", tmp_path_factory.mktemp("migrated")) as url:
        rows(url, UNMIGRATED)
        yield url, in_no_order(run_apart(lambda: schema_of(url)))


def first_schema(url: str) -> None:
    """What the first version left, with a channel, a token, a hold that is open, and three records of two days."""
    from alembic import command

    async def make() -> None:
        writer, readers = opening.runners(opening.parse(url), {})
        await writer.start()
        try:
            await writer.run(migrate, long=True)
            await writer.run(fill)
        finally:
            await writer.close()
            await readers.close()

    def fill(connection: Connection) -> None:
        group, groups = map(connection.dialect.identifier_preparer.quote, ("group", "groups"))
        for statement in FIRST:
            connection.execute(text(statement.replace("{group}", group).replace("{groups}", groups)))

    def migrate(connection: Connection) -> None:
        opening._collate(connection)
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    asyncio.run(make())


RECORD = (
    "INSERT INTO records (id, at, operation, token_id, token_name, user_id, model, upstream_model, channel_id, cost, "
    "status, reason, stream, duration, client, upstream_request_id, attempts, "
    "usage_input, usage_output, usage_estimated) "
    "VALUES ('{}', {}, 'chat', 1, 'ci', 1, 'm', 'm', {}, 30, {}, 'done', {}, 0.5, '', '', '[]', 10, {}, {})"
)
ACCOUNT = "INSERT INTO accounts (kind, owner_id, balance, used, overdraft, unlimited) VALUES ('{}', {}, {}, 0, 0, {})"
TOKEN = (
    "INSERT INTO tokens (user_id, name, digest, prefix, status, quota, models, subnets, declared, created_at) "
    "VALUES (1, 'ci', 'd', 'sk-', 'enabled', 100, '[]', '[]', false, 1.0)"
)
HOLD = (
    "INSERT INTO reservations (id, state, amount, cost, accounts, lease_until, created_at) "
    "VALUES ('a', 'held', 60, 0, '[6, 5]', 9e9, 1.0)"
)
OLD_CHANNEL = (
    "INSERT INTO channels (name, provider, api_keys, models, model_map, {groups}, priority, weight, enabled, declared) "
    "VALUES ('old', 'openai', '[]', '[\"*\"]', '{}', '[\"vip\"]', 0, 1, true, false)"
)
FIRST = (
    OLD_CHANNEL,
    "INSERT INTO meta VALUES ('revision', 3)",
    "INSERT INTO users (name, {group}, admin, enabled, created_at) VALUES ('root', 'default', true, true, 1.0)",
    *(ACCOUNT.format("system", number, 0, "true") for number in range(1, 5)),
    ACCOUNT.format("user", 1, -60, "true"),
    ACCOUNT.format("token", 1, 40, "false"),
    TOKEN,
    "INSERT INTO transfers (debit_account, credit_account, amount, kind, created_at) VALUES (3, 6, 100, 'grant', 1.0)",
    HOLD,
    RECORD.format("x", 86_399.5, 7, 200, "true", 5, "false"),
    RECORD.format("y", 86_400, 7, 429, "false", -4, "true"),
    RECORD.format("z", 86_401, "NULL", 200, "false", "NULL", "NULL"),
)


async def test_migrations_make_the_same_schema(database: str, another: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "asyncmy")
    rows(another, UNMIGRATED)
    created, migrated = await schema_of(database), await schema_of(another)
    assert migrated.pop(VERSION_TABLE).keys() == created.pop(VERSION_TABLE).keys()  # the one was made above
    assert migrated == created
    for url in (database, another):
        assert rows(url, f"SELECT * FROM {VERSION_TABLE}") == [(REVISIONS[-1],)]


async def test_the_tables_are_those_of_the_schema(database: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"version_table": VERSION_TABLE, "compare_type": False}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with Opened(database) as storage:
        assert await storage.run(differences) == []


def test_every_migration_is_known() -> None:
    scripts = ScriptDirectory.from_config(configuration()).walk_revisions()
    assert tuple(reversed([script.revision for script in scripts])) == REVISIONS


async def test_a_replica_of_the_version_before_goes_on_to_write(database: str) -> None:
    """It names the columns that it knows."""
    async with SQLStorage(database) as storage:
        quote = "`groups`" if database.startswith("mysql") else '"groups"'
        rows(database, OLD_CHANNEL.replace("{groups}", quote))
        (channel,) = await storage.list_channels()
        assert channel == Channel(id=channel.id, name="old", groups=("vip",))
        changed = replace(
            channel,
            dialects=("openai",),
            options={"a": "b"},
            unsupported="refuse",
            concurrent_calls=4,
            concurrent_calls_per_key=2,
            enabled=False,
            disabled_because="HTTP 401",
        )
        await storage.save_channel(changed)
        rows(database, "UPDATE channels SET weight = 5")
        assert await storage.list_channels() == [replace(changed, weight=5)]


async def test_what_the_first_version_left_is_there(database: str) -> None:
    await asyncio.to_thread(first_schema, database)
    async with SQLStorage(database) as storage:
        (token,) = await storage.list_tokens()
        assert (token.accounts, token.limited) == ((6, 5), True)
        assert await storage.apply([Settle("a", 25)]) == [Settled(0)]
        assert await storage.apply([Reserve("b", token.accounts, 76, 76, 60.0)])
        assert [(b.available, b.used) for b in await storage.balances([6])] == [(75, 25)]
        assert [record.id for record in await storage.list_records()] == ["z", "y", "x"]
        totals = await storage.totals(19700101, 19700102, ("day", "channel"))
        told = [(t.day, t.channel_id, t.calls, t.failed, t.cost, t.input, t.output, t.duration) for t in totals]
        assert told == [
            (19700101, 7, 1, 0, 30, 10, 5, 0.5),
            (19700102, 0, 1, 0, 30, 10, 0, 0.5),
            (19700102, 7, 1, 1, 30, 10, 0, 0.5),
        ]
        assert (await storage.add_token(TokenDraft(name="new", digest="n"))).id == 2
        assert await storage.list_channels() == [Channel(id=1, name="old", groups=("vip",))]
    audit(database)


@pytest.mark.parametrize(
    ("revision", "broken_off"),
    [
        ("0001", "DROP TABLE codes"),
        ("0001", "ALTER TABLE accounts DROP COLUMN period"),
        ("0002", "ALTER TABLE channels DROP COLUMN options"),
        ("0002", "DROP TABLE objects"),
        ("0002", "DROP INDEX ix_notes_keep_until ON notes"),
        ("0003", "ALTER TABLE channels DROP COLUMN disabled_because"),
    ],
)
async def test_a_migration_that_broke_off_is_carried_on(
    migrated: tuple[str, dict[str, Any]], revision: str, broken_off: str
) -> None:
    """Where each change of a table is final at once, which leaves a part of them."""
    database, before = migrated
    rows(database, broken_off)
    rows(database, f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
    assert in_no_order(await schema_of(database)) == before


async def test_a_start_that_broke_off_is_carried_on(database: str) -> None:
    before = await schema_of(database)
    rows(database, "DROP TABLE codes")
    rows(database, "DROP TABLE answers")
    rows(database, "DROP TABLE objects")
    rows(database, f"UPDATE {VERSION_TABLE} SET version_num = 'begun'")
    assert await schema_of(database) == before


async def test_a_newer_schema_is_refused(database: str) -> None:
    before = await schema_of(database)
    rows(database, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer version"):
        await schema_of(database)
    rows(database, f"UPDATE {VERSION_TABLE} SET version_num = '{REVISIONS[-1]}'")
    assert await schema_of(database) == before


async def test_tables_of_another_program_are_refused(database: str) -> None:
    rows(database, "CREATE TABLE users (id INTEGER)")
    rows(database, "CREATE TABLE other (id INTEGER)")
    with pytest.raises(StorageError, match=r"another program \(users\)"):
        await schema_of(database)
    rows(database, "DROP TABLE users")
    assert "other" in await schema_of(database)


async def test_several_starters_on_an_empty_database(database: str) -> None:
    """Each with a connection of its own, as in processes of their own."""
    storages = [SQLStorage(database) for _ in range(6)]

    async def start(storage: SQLStorage) -> int:
        async with storage:
            return len(await storage.list_tokens())

    assert await asyncio.gather(*map(start, storages)) == [0] * 6
    assert rows(database, "SELECT name FROM users") == [("root",)]
    assert rows(database, "SELECT count(*) FROM accounts") == [(7,)]
    assert rows(database, f"SELECT * FROM {VERSION_TABLE}") == [(REVISIONS[-1],)]


async def test_names_are_told_apart_to_the_letter_and_the_last_space(database: str) -> None:
    names = ["ci", "CI", "ci ", "çi", "ci\u200b"]
    async with SQLStorage(database) as storage:
        for name in names:
            await storage.add_user(name)
            await storage.add_token(TokenDraft(name=name, digest=name))
            assert (await storage.find_token(name)) is not None
        assert await storage.find_token("Ci") is None
        assert [token.name for token in await storage.list_tokens()] == names
