"""Another program's database, read and never written: SQLite, PostgreSQL, MySQL or MariaDB.

All that is read is as of one moment, whoever goes on writing there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, NullPool, column, create_engine, func, inspect, select, table, text
from sqlalchemy.exc import DBAPIError

from ... import StorageError
from ..opening import parse

__all__ = ["Source"]

T = TypeVar("T")

_DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+asyncmy"}


class Source:
    """``desk.moving.Rows``. ``place`` is the path of an SQLite file, or the URL of a database. To be entered by
    ``async with``."""

    def __init__(self, place: str) -> None:
        self._url = _url_of(place)
        self._driver: _File | _Server | None = None
        self._columns: dict[str, tuple[str, ...]] = {}

    async def __aenter__(self) -> Self:
        """
        :raises StorageError: it cannot be read; the message says why
        """
        driver = _File(self._url) if self._url.drivername == "sqlite" else _Server(self._url)
        try:
            await driver.open()
            self._columns = await driver.run(_columns)
        except (DBAPIError, OSError) as error:
            await driver.close()
            where = self._url.set(query={}).render_as_string(hide_password=True)
            raise StorageError(f"cannot read {where}: {getattr(error, 'orig', error)}") from error
        self._driver = driver
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._driver is not None:
            await self._driver.close()

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        return self._columns

    async def rows(self, name: str, *, after: int = 0, limit: int = 1000) -> Sequence[dict[str, object]]:
        wanted = table(name, *map(column, self._columns[name]))
        page = select(wanted).where(wanted.c.id > after).order_by(wanted.c.id).limit(limit)
        return await self._run(lambda connection: [dict(row) for row in connection.execute(page).mappings()])

    async def count(self, name: str) -> int:
        counted = select(func.count()).select_from(table(name))
        return await self._run(lambda connection: int(connection.scalar(counted) or 0))

    async def settings(self) -> dict[str, str]:
        options = table("options", column("key"), column("value"))
        found = select(options.c.key, options.c.value).where(options.c.value.is_not(None))
        return await self._run(lambda connection: {key: str(value) for key, value in connection.execute(found)})

    async def _run(self, work: Callable[[Connection], T]) -> T:
        if self._driver is None:
            raise RuntimeError("the source is not open: enter it first (async with source: …)")
        return await self._driver.run(work)


def _url_of(place: str) -> URL:
    if "://" in place:
        url = parse(place)
        return url if url.drivername != "sqlite" else url.set(database=str(Path(url.database or "").absolute()))
    if "@tcp(" in place or "@unix(" in place:  # it would be shown as a file that is not there, with its password
        raise StorageError("this is a DSN as One API has it for MySQL; write it as mysql://user:password@host/database")
    return URL.create("sqlite", database=str(Path(place).absolute()))


def _columns(connection: Connection) -> dict[str, tuple[str, ...]]:
    found = inspect(connection)
    return {name: tuple(one["name"] for one in found.get_columns(name)) for name in found.get_table_names()}


class _File:
    def __init__(self, url: URL) -> None:
        file = Path(url.database or "")
        if not file.is_file():
            raise StorageError(f"{file} is a folder, not a file" if file.is_dir() else f"there is no file {file}")
        self._url = URL.create(
            "sqlite", database=f"file:{quote(url.database or '')}", query={"mode": "ro", "uri": "true"}
        )
        self._connection: Connection | None = None

    async def open(self) -> None:
        self._connection = create_engine(self._url, poolclass=NullPool, hide_parameters=True).connect()
        self._connection.exec_driver_sql("BEGIN")

    async def run(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            raise RuntimeError("not open")
        return work(self._connection)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _Server:
    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername=_DRIVERS[url.drivername])
        self._connection: Any = None

    async def open(self) -> None:
        from sqlalchemy.ext.asyncio import create_async_engine  # needs greenlet, which comes with the drivers

        level = {"isolation_level": "REPEATABLE READ"}
        engine = create_async_engine(self._url, poolclass=NullPool, hide_parameters=True, **level)
        self._connection = await engine.connect()
        if self._url.drivername.startswith("postgresql"):
            await self._connection.execution_options(postgresql_readonly=True)
            return
        await self._connection.execute(text("SET SESSION TRANSACTION READ ONLY"))
        await self._connection.rollback()

    async def run(self, work: Callable[[Connection], T]) -> T:
        found: T = await self._connection.run_sync(work)
        return found

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
