"""What registration and sign-in ask of the rest, in memory."""

from __future__ import annotations

import secrets
from typing import Any

from oneapi_asgi.admin.routes import Reply, Visit
from oneapi_asgi.admin.second_factor import Owed
from oneapi_asgi.desk.members import Member
from oneapi_asgi.errors import BadRequest, RateLimited


class Kept:
    """Challenges and codes, good once; ``expired`` are good no more."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.codes: dict[tuple[str, str], list[object]] = {}

    async def make(self, kind: str, subject: str, data: str, seconds: float) -> str:
        secret = secrets.token_urlsafe(32)
        self.kept[kind, secret] = data
        return secret

    async def take(self, kind: str, secret: str) -> str | None:
        return self.kept.pop((kind, secret), None)

    async def make_code(self, kind: str, subject: str, data: str, seconds: float) -> str:
        code = f"{secrets.randbelow(10**6):06}"
        self.codes[kind, subject] = [code, data]
        return code

    async def take_code(self, kind: str, subject: str, code: str) -> str | None:
        known = self.codes.get((kind, subject))
        if known is None or known[0] != code:
            return None
        del self.codes[kind, subject]
        return str(known[1])


class Counted:
    """Ten of a kind, then no more."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], int] = {}

    async def count(self, kind: str, key: str) -> None:
        if self.counts.get((kind, key), 0) >= 10:
            raise RateLimited("too many", retry_after=900)
        self.counts[kind, key] = self.counts.get((kind, key), 0) + 1

    async def forgive(self, kind: str, key: str) -> None:
        self.counts[kind, key] -= 1


class Signed:
    """Signs in by saying who it was, or with ``owes`` that a second factor is owed."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.owes = False

    async def sign_in(self, visit: Visit[Any, Any], member: Member) -> Reply:
        self.members.append(member)
        return Reply(data=Owed() if self.owes else member.name, headers=(("set-cookie", f"session={member.id}"),))


class Plain:
    """Hashes that are none."""

    async def hash(self, password: str) -> str:
        return f"plain {password}"

    async def verify(self, stored: str, given: str) -> bool:
        return stored == f"plain {given}"

    def check_new(self, password: str) -> None:
        if len(password) < 8:
            raise BadRequest("too short", code="weak_password", param="password")
