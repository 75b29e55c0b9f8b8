"""A house with somebody of each role in it: the administration of users on a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from servers.databases import rows
from servers.prepared import Prepared

from oneapi_asgi.admin.money import nano_of
from oneapi_asgi.admin.user_self import OwnAccount
from oneapi_asgi.admin.users import Users
from oneapi_asgi.desk.members import MemberDraft
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.errors import BadRequest
from oneapi_asgi.models import Secret
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.members import SQLMembers

from .rig import ROOT, Counted, Written, as_, asked

ADMIN, ANN, BOB, BOSS = 2, 3, 4, 5
"""Ids: who is an administrator, two common users, another administrator."""


class Plain:
    """Passwords that can be read."""

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def verify(self, stored: str, given: str) -> bool:
        return stored == f"hash of {given}"

    def check_new(self, password: str) -> None:
        if len(password) < 8:
            raise BadRequest("too short", code="weak_password", param="password")


class House:
    """An administration of users on a database, with somebody of each kind in it."""

    def __init__(self, url: str, storage: SQLStorage, client: httpx2.AsyncClient, events: Written) -> None:
        self.url = url
        self.storage = storage
        self.members = SQLMembers(storage)
        self.client = client
        self.events = events

    async def ask(self, method: str, path: str, *, by: dict[str, str] = ROOT, **options: Any) -> httpx2.Response:
        return await self.client.request(method, path, headers=by, **options)

    async def data(self, method: str, path: str, *, by: dict[str, str] = ROOT, **options: Any) -> Any:
        answer = await self.ask(method, path, by=by, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def kept(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that may not change unasked."""
        tables = ("users", "accounts", "tokens", "sessions", "identities", "transfers", "channels", "options")
        return {table: rows(self.url, f"SELECT * FROM {table} ORDER BY 1") for table in tables}


@asynccontextmanager
async def a_house(folder: Path, prepared: Prepared) -> AsyncIterator[House]:
    with prepared("sqlite", folder) as url:
        async with SQLStorage(url) as storage:
            members, events = SQLMembers(storage), Written()
            for name, role in (("adm", Role.ADMIN), ("ann", Role.COMMON), ("bob", Role.COMMON), ("boss", Role.ADMIN)):
                password = Secret(f"hash of {name}-password")
                await members.add_member(
                    MemberDraft(name=name, password=password, role=role, wallet=nano_of(100), display_name=name)
                )
            own = OwnAccount(members, Plain(), storage, Counted(), clock=lambda: 100.0)
            async with asked([*own.routes(), *Users(members, Plain()).routes()], events) as client:
                yield House(url, storage, client, events)
            assert list(await storage.audit()) == []


BY_ADMIN = as_(Role.ADMIN, ADMIN, "adm")
BY_ANN = as_(Role.COMMON, ANN, "ann")
BY_BOB = as_(Role.COMMON, BOB, "bob")
