"""Calls in flight: those of this process in full, those of others by what is held for them, and none twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from servers.databases import KINDS, Kind
from servers.prepared import Prepared

from oneapi_asgi.admin.calls import Calls
from oneapi_asgi.call import Call
from oneapi_asgi.desk.calls import HeldCall
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import Attempt, Candidate, Channel, Reserve, Settle, Token, TokenDraft
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.calls import SQLHeldCalls
from oneapi_asgi.wire.dialects import operation_at
from oneapi_asgi.wire.request import Head, Request

from .rig import as_, asked

FIRST = Channel(id=7, name="first")


class Asked:
    """A request of which nothing is looked at but its head."""

    head = Head("gpt-x", stream=True)


def call(number: int, token: Token, at: float = 0.0) -> Call:
    request: Request = Asked()  # type: ignore[assignment]
    operation = operation_at("/chat/completions")
    return Call(id=f"{number:032x}", at=at, token=token, request=request, operation=operation)


class Gate:
    def __init__(self) -> None:
        self.running: list[Call] = []
        self.ending: set[str] = set()


class Flying:
    def __init__(self, storage: SQLStorage, users: dict[str, int], tokens: dict[str, Token]) -> None:
        self.storage, self.users, self.tokens = storage, users, tokens
        self.gate = Gate()
        self.calls = Calls(SQLHeldCalls(storage))

    async def hold(self, number: int, whose: str, amount: int = 5_000, lease: float = 60.0) -> str:
        held = Reserve(f"{number:032x}", self.tokens[whose].accounts, amount, amount, lease)
        await self.storage.apply([held])
        return held.id

    async def listed(self, whose: str = "") -> list[dict[str, Any]]:
        headers = as_(Role.COMMON, self.users[whose], whose) if whose else as_(Role.ADMIN)
        async with asked(self.calls.routes()) as client:
            answer = await client.get("/call", headers=headers)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found


@pytest.fixture(params=KINDS)
async def flying(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Flying]:
    kind: Kind = request.param
    with prepared(kind, tmp_path) as url:
        async with SQLStorage(url) as storage:
            users, tokens = {}, {}
            for name in ("ann", "bob"):
                users[name] = await storage.add_user(name)
                await storage.add_token(TokenDraft(user=name, name=f"of {name}", digest=name * 10, prefix="sk-"))
                found = await storage.find_token(name * 10)
                assert found is not None
                await storage.credit(found.accounts[1], 1_000_000)
                tokens[name] = found
            yield Flying(storage, users, tokens)


async def test_calls_of_other_processes(flying: Flying) -> None:
    first, second = await flying.hold(1, "ann", 5_000), await flying.hold(2, "bob", 7_001)
    ended = await flying.hold(3, "ann")
    await flying.hold(4, "bob", lease=0.0)
    await flying.storage.apply([Settle(ended, 10)])
    rows = await flying.listed()
    assert {row["request_id"] for row in rows} == {first, second}
    assert rows[0]["started_at"] >= rows[1]["started_at"], "they may have begun in the same moment"
    row = next(row for row in rows if row["request_id"] == second)
    assert row.pop("started_at") > 1e9
    assert row == {
        "request_id": second, "here": False, "user_id": flying.users["bob"], "user": "bob",
        "token_id": flying.tokens["bob"].id, "token_name": "of bob", "operation": "", "model": "", "channel": 0,
        "channel_name": "", "attempt": 0, "stream": None, "first_content": None, "state": None, "held": 7_001,
        "held_quota": 3,
    }  # fmt: skip
    assert [row["request_id"] for row in await flying.listed("ann")] == [first]


async def test_calls_of_this_process(flying: Flying) -> None:
    await flying.hold(1, "ann", 9_000)
    one, other = call(1, flying.tokens["ann"], 5.0), call(2, flying.tokens["bob"], 6.0)
    one.serving, one.first_content = Candidate(FIRST, 0, "up"), 0.5
    one.attempts = [Attempt(6, "zero", 0, "up", 500, "server", 0.1)]
    part = Call(token=flying.tokens["ann"])
    flying.gate.running = [one, other, part]
    flying.calls.observe(flying.gate)
    rows = await flying.listed()
    assert rows == [
        {
            "request_id": other.id, "here": True, "started_at": 6.0, "user_id": flying.users["bob"], "user": "bob",
            "token_id": flying.tokens["bob"].id, "token_name": "of bob", "operation": "chat", "model": "gpt-x",
            "channel": 0, "channel_name": "", "attempt": 0, "stream": True, "first_content": None, "state": "waiting",
            "held": None, "held_quota": None,
        },
        {
            "request_id": one.id, "here": True, "started_at": 5.0, "user_id": flying.users["ann"], "user": "ann",
            "token_id": flying.tokens["ann"].id, "token_name": "of ann", "operation": "chat", "model": "gpt-x",
            "channel": 7, "channel_name": "first", "attempt": 2, "stream": True, "first_content": 0.5,
            "state": "streaming", "held": 9_000, "held_quota": 4,
        },
    ]  # fmt: skip
    (own,) = await flying.listed("ann")
    assert own == {**rows[1], "channel": 0, "channel_name": ""}


async def test_what_has_just_begun_or_ended_is_of_no_other_process(flying: Flying) -> None:
    flying.calls.observe(flying.gate)
    flying.gate.ending = {await flying.hold(1, "ann")}
    flying.gate.running = [Call(id=await flying.hold(2, "ann"), token=flying.tokens["ann"])]  # a part of a session
    assert await flying.listed() == []


async def test_what_begins_meanwhile_is_of_no_other_process() -> None:
    gate, token = Gate(), Token(id=1, name="t", digest="d", user_id=2, user_name="ann")

    class Slow:
        async def held_calls(self, *, user_id: int | None = None) -> list[HeldCall]:
            gate.running.append(call(1, token))
            return [HeldCall(id=f"{1:032x}", since=1.0, amount=1, user_id=2, user="ann", token_id=1, token="t")]

    calls = Calls(Slow())
    calls.observe(gate)
    async with asked(calls.routes()) as client:
        (row,) = (await client.get("/call")).json()["data"]
    assert (row["here"], row["held"]) == (True, 1)
