"""The administration in process: its routes on a storage, asked by whoever a test says it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx2
from starlette.types import Scope

from oneapi_asgi.admin import Admin, Route
from oneapi_asgi.desk.events import Event
from oneapi_asgi.desk.roles import Actor, Role
from oneapi_asgi.errors import RateLimited

FOREVER = 1e12


class Said:
    """A doorkeeper that believes the header ``x-actor: ID NAME ROLE``."""

    async def who(self, scope: Scope, address: str) -> Actor | None:
        for name, value in scope["headers"]:
            if name == b"x-actor":
                number, called, role = value.decode().split()
                return Actor(user_id=int(number), name=called, role=Role[role.upper()], fresh_until=FOREVER)
        return None


class Written:
    """An event log that is looked at."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def write_event(self, event: Event) -> None:
        self.events.append(event)


class Counted:
    """Tries that are counted: three of each kind for each key, and no more."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, str]] = []

    async def count(self, kind: str, key: str) -> None:
        if self.failures.count((kind, key)) >= 3:
            raise RateLimited("Try again later.", code="too_many_tries", retry_after=60)
        self.failures.append((kind, key))

    async def forgive(self, kind: str, key: str) -> None:
        self.failures.remove((kind, key))


def as_(role: Role, number: int = 1, name: str = "root") -> dict[str, str]:
    """The header of an actor."""
    return {"x-actor": f"{number} {name} {role.name.lower()}"}


ROOT = as_(Role.ROOT)


@asynccontextmanager
async def asked(routes: Iterable[Route], events: Written | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an administration with these routes, as root unless it says otherwise."""
    admin = Admin(routes, doorkeeper=Said(), events=events or Written())
    transport = httpx2.ASGITransport(app=admin)
    async with httpx2.AsyncClient(transport=transport, base_url="http://admin", headers=ROOT) as client:
        yield client
