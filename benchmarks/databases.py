"""Empty databases to measure on, and what their servers spend."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import psutil
from msgspec import Struct
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from .processes import cpu_of

__all__ = ["DATABASES", "SERVERS", "Database", "Kind", "empty", "missing"]

Kind = Literal["sqlite", "postgres", "mysql"]
DATABASES: tuple[Kind, ...] = get_args(Kind)

SERVERS = {
    "postgres": "postgresql://postgres@127.0.0.1:5432/postgres",
    "mysql": "mysql://root@127.0.0.1:3306",
}
"""Where an account may create databases, if nobody names another."""

_DRIVERS = {"postgres": "postgresql+asyncpg", "mysql": "mysql+asyncmy"}
_SERVER_NAMES = ("postgres", "mariadbd", "mysqld")


class Database(Struct, frozen=True):
    """``url`` is as an operator writes it. ``server_cpu`` tells the seconds of CPU that the server spent so far; None
    where it is none, or on another machine."""

    kind: Kind
    url: str
    server_cpu: Callable[[], float] | None = None


async def missing(kind: Kind, server: str) -> str | None:
    """Why there is no such server, None if there is one."""
    if kind == "sqlite":
        return None
    try:
        async with _administering(kind, server) as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, SQLAlchemyError) as error:
        return str(getattr(error, "orig", error))
    return None


@asynccontextmanager
async def empty(kind: Kind, folder: Path, server: str) -> AsyncIterator[Database]:
    """A database that is dropped at the end. ``folder`` is for the file of SQLite."""
    name = f"oneapi_bench_{secrets.token_hex(6)}"
    if kind == "sqlite":
        yield Database(kind, f"sqlite:///{folder / name}.db")
        return
    async with _administering(kind, server) as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            process = await _process(connection, kind)
            url = make_url(server).set(database=name).render_as_string(hide_password=False)
            yield Database(kind, url, None if process is None else partial(_cpu, process, kind, name))
        finally:
            force = " WITH (FORCE)" if kind == "postgres" else ""
            await connection.execute(text(f"DROP DATABASE {name}{force}"))


@asynccontextmanager
async def _administering(kind: Kind, server: str) -> AsyncIterator[AsyncConnection]:
    url = make_url(server).set(drivername=_DRIVERS[kind])
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        yield connection


def _cpu(server: psutil.Process, kind: Kind, name: str) -> float:
    """PostgreSQL has a process for each connection, whose title names the database: what others ask it is left out."""
    if kind == "mysql":
        return cpu_of(server)
    spent = 0.0
    for backend in server.children():
        with suppress(psutil.NoSuchProcess):  # it ends in this moment
            spent += cpu_of(backend) if name in " ".join(backend.cmdline()) else 0.0
    return spent


async def _process(connection: AsyncConnection, kind: Kind) -> psutil.Process | None:
    """The server's first process, where it runs on this machine and may be looked at."""
    asked = "SELECT pg_backend_pid()" if kind == "postgres" else "SELECT @@pid_file"
    answer = await connection.scalar(text(asked))
    try:
        process = psutil.Process(answer).parent() if kind == "postgres" else psutil.Process(_read_number(answer))
    except (OSError, ValueError, psutil.Error):
        return None
    # The number may be that of a process on another machine.
    return process if process is not None and process.name() in _SERVER_NAMES else None


def _read_number(path: str) -> int:
    return int(Path(path).read_text(encoding="ascii"))
