from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import pytest
from ports import free_port

from .databases import KINDS, Kind, fresh, or_skip, rows, server_of

UNKNOWN_DATABASE = (sqlite3.OperationalError, asyncpg.InvalidCatalogNameError, asyncmy.errors.OperationalError)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def database(kind: Kind, tmp_path: Path) -> Iterator[str]:
    with fresh(kind, tmp_path) as url:
        yield url


def test_rows_of_what_was_written(database: str) -> None:
    assert rows(database, "CREATE TABLE things (number BIGINT, name VARCHAR(20))") == []
    assert rows(database, "INSERT INTO things VALUES (9007199254740993, 'a'), (2, 'ü'), (3, NULL)") == []
    assert rows(database, "SELECT number, name FROM things ORDER BY number") == [
        (2, "ü"),
        (3, None),
        (9007199254740993, "a"),
    ]


async def test_inside_a_running_loop(kind: Kind, tmp_path: Path) -> None:
    with fresh(kind, tmp_path) as one, fresh(kind, tmp_path) as other:
        rows(one, "CREATE TABLE things (number BIGINT)")
        rows(other, "CREATE TABLE things (number BIGINT)")
        rows(one, "INSERT INTO things VALUES (1)")
        assert rows(other, "SELECT * FROM things") == []


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_dropped_also_when_the_test_fails(kind: Kind, tmp_path: Path) -> None:
    urls: list[str] = []

    def failing() -> None:
        with fresh(kind, tmp_path) as url:
            urls.append(url)
            rows(url, "SELECT 1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with pytest.raises(UNKNOWN_DATABASE):
        rows(urls[0], "SELECT 1")


async def test_dropped_under_an_open_transaction_of_postgres(tmp_path: Path) -> None:
    with fresh("postgres", tmp_path) as url:
        rows(url, "CREATE TABLE things (number BIGINT)")
        connection = await asyncpg.connect(url)
        await connection.execute("BEGIN; INSERT INTO things VALUES (1)")
    assert rows(server_of("postgres"), f"SELECT datname FROM pg_database WHERE datname = '{name_of(url)}'") == []
    connection.terminate()


async def test_dropped_under_an_open_transaction_of_mysql(tmp_path: Path) -> None:
    with fresh("mysql", tmp_path) as url:
        rows(url, "CREATE TABLE things (number BIGINT)")
        split = urlsplit(url)
        connection: Any = await asyncmy.connect(
            host=split.hostname, port=split.port, user=split.username, password=split.password or "", db=name_of(url)
        )
        async with connection.cursor() as cursor:
            await cursor.execute("INSERT INTO things VALUES (1)")
    assert rows(server_of("mysql"), f"SHOW DATABASES LIKE '{name_of(url)}'") == []
    connection.close()


@pytest.mark.parametrize(
    "spelled",
    [
        lambda url: url,
        lambda url: url.replace("://", "+driver://"),
        lambda url: url.replace("postgresql", "postgres").replace("mysql", "mariadb"),
    ],
)
def test_urls_as_operators_spell_them(database: str, spelled: Callable[[str], str]) -> None:
    assert rows(spelled(database), "SELECT 1") == [(1,)]


def test_skips_where_nothing_listens() -> None:
    with pytest.raises(pytest.skip.Exception, match="name a server in SOME_URL"):
        or_skip(f"redis://127.0.0.1:{free_port()}", "SOME_URL")


def name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")
