"""PostgreSQL, MySQL and MariaDB: how to reach them, and how long to wait for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, NullPool, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .. import StorageError
from .faults import is_unknown_database
from .sessions import LIMIT, Sessions, limited_on_mysql

__all__ = ["explained", "runners"]

_DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+asyncmy"}
_WRITERS, _READERS = 4, 4
_LOCK_WAIT = 4
"""Seconds that a statement waits for a lock: less than its transaction may take."""

_IDLE = 60
"""Seconds after which a server may end a transaction whose client has gone."""


def runners(url: URL, options: Mapping[str, object]) -> tuple[Sessions, Sessions]:
    """Who writes and who reads: apart, so that long lists never hold up the ledger. ``options`` are the execution
    options of their connections."""
    # A plan of a list that was made while its table was small would walk through all of it when it is not. To plan a
    # statement of the ledger anew takes longer than to carry it out.
    writers, readers = _engine(url, options, plan="auto"), _engine(url, options, plan="force_custom_plan")
    return Sessions(writers, _WRITERS), Sessions(readers, _READERS)


def _engine(url: URL, options: Mapping[str, object], *, plan: str) -> AsyncEngine:
    name = url.drivername
    if name == "postgresql" and (mode := url.query.get("sslmode")):  # as libpq calls it
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    arguments = _of_postgresql(plan) if name == "postgresql" else {}
    engine = create_async_engine(
        url.set(drivername=_DRIVERS[name]),
        poolclass=NullPool,  # sessions keep their connections themselves
        connect_args=arguments,
        execution_options=options,
        isolation_level="READ COMMITTED",  # what waited for a lock sees what the one before it wrote
        # Never in an error or a log: they may be names of callers.
        hide_parameters=True,
    )
    if name == "mysql":
        event.listen(engine.sync_engine, "connect", _set_up_mysql)
    return engine


def _of_postgresql(plan: str) -> dict[str, Any]:
    settings = {
        # The server may not see for long that a client has gone; its statement shall not hold locks meanwhile.
        "statement_timeout": f"{LIMIT}s",
        "lock_timeout": f"{_LOCK_WAIT}s",
        "idle_in_transaction_session_timeout": f"{_IDLE}s",
        "plan_cache_mode": plan,
        # A page that an index points to is not four times as dear as the next one, on any disk of today.
        "random_page_cost": "1.1",
        "application_name": "oneapi-asgi",
    }
    return {"server_settings": settings}


def _set_up_mysql(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute(limited_on_mysql(_LOCK_WAIT, LIMIT))
    cursor.close()


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn what goes wrong at the start into one message that names the server, and never its password.

    :raises StorageError:
    """
    try:
        yield
    except (DBAPIError, StorageError) as error:
        where = url.set(query={}).render_as_string(hide_password=True)  # options may hold a password, too
        hint = "; create it first, its tables are made" if is_unknown_database(error.__cause__ or error) else ""
        raise StorageError(f"cannot open {where}: {getattr(error, 'orig', error)}{hint}") from error
