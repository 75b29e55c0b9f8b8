"""An administration that people sign in to: sessions, passwords and codes are the real ones, on a database."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pyotp
from argon2 import PasswordHasher
from servers.databases import rows
from servers.prepared import Prepared

from oneapi_asgi.admin import Admin
from oneapi_asgi.admin.doorkeeper import Cookies, SessionDoorkeeper
from oneapi_asgi.admin.passwords import Passwords
from oneapi_asgi.admin.second_factor import SecondFactor, TwoFactor
from oneapi_asgi.admin.sessions import Sessions
from oneapi_asgi.admin.sign_in import SignIns
from oneapi_asgi.admin.user_self import OwnAccount
from oneapi_asgi.admin.users import Users
from oneapi_asgi.auth import networks
from oneapi_asgi.desk.members import MemberDraft
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import Secret
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.members import SQLMembers
from oneapi_asgi.storage.sql.desk.sessions import SQLSessions
from oneapi_asgi.storage.sql.desk.tries import SQLTries

from .net import Told
from .rig import Written

PASSWORD = "a word of ann's"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PROXY = "10.0.0.1"


class Doors:
    """``now`` is moved by hand; the database's clock goes with it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.moved = 0.0
        self.storage = SQLStorage(url, clock=lambda now: now + self.moved)
        self.members = SQLMembers(self.storage)
        self.sessions = SQLSessions(self.storage)
        self.passwords = Passwords(CHEAP)
        self.options = Told(PasswordLoginEnabled=True)
        self.events = Written()
        tries, cookies = SQLTries(self.storage), Cookies(networks((PROXY,)))
        factor = SecondFactor(self.sessions, self.members, tries, clock=self.now)
        self.signing = SignIns(
            self.members, self.sessions, self.passwords, factor, tries, cookies, self.options, beat=0.01
        )
        self.admin = Admin(
            [
                *self.signing.routes(),
                *TwoFactor(factor, self.sessions, self.options).routes(),
                *Sessions(self.sessions, self.members).routes(),
                *OwnAccount(self.members, self.passwords, self.storage, tries, clock=self.now).routes(),
                *Users(self.members, self.passwords).routes(),
            ],
            doorkeeper=SessionDoorkeeper(self.sessions, cookies),
            events=self.events,
            trusted_proxies=(PROXY,),
            clock=self.now,
        )

    def now(self) -> float:
        return time.time() + self.moved

    @asynccontextmanager
    async def browser(
        self, address: str = "192.0.2.1", *, base: str = "http://here", headers: Mapping[str, str] = {}
    ) -> AsyncIterator[Browser]:
        transport = httpx2.ASGITransport(app=self.admin, client=(address, 1))
        async with httpx2.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
            yield Browser(client)

    async def add(self, name: str, password: str = PASSWORD, **more: Any) -> int:
        draft = MemberDraft(name=name, password=Secret(CHEAP.hash(password)), **more)
        return (await self.members.add_member(draft)).id

    def kept(self, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
        tables = tables or ("users", "sessions", "tokens", "identities", "recovery_codes", "options", "accounts")
        return {table: rows(self.url, f"SELECT * FROM {table} ORDER BY 1") for table in tables}


class Browser:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return await self.client.request(method, path, **options)

    async def post(self, path: str, **body: Any) -> httpx2.Response:
        return await self.client.post(path, json=body)

    async def code(self, path: str, method: str = "POST", **body: Any) -> str | None:
        """Why not, None if it was done."""
        answer = await self.client.request(method, path, json=None if method == "GET" else body)
        said: str | None = answer.json().get("code")
        return said

    async def login(self, username: str, password: str = PASSWORD, **more: Any) -> httpx2.Response:
        return await self.post("/user/login", username=username, password=password, **more)

    async def is_in(self) -> str | None:
        return await self.code("/user/self", "GET")


@asynccontextmanager
async def opened(folder: Path, prepared: Prepared) -> AsyncIterator[Doors]:
    with prepared("sqlite", folder) as url:
        doors = Doors(url)
        async with doors.storage:
            await doors.add("ann", email="ann@a.example")
            yield doors


def code_of(secret: str, now: float, *, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(for_time=int(now), counter_offset=steps)


ROLES = {"adm": Role.ADMIN, "boss": Role.ROOT}
