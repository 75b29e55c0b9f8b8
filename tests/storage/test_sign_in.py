"""Sessions, second factors and tries on every database: what only one of many gets, and what ends what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from servers.databases import KINDS, rows
from servers.prepared import Prepared

from oneapi_asgi.desk.members import MemberChange, MemberDraft, OutOfReach
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.desk.sessions import SessionDraft
from oneapi_asgi.desk.tries import TryLimit
from oneapi_asgi.errors import RateLimited
from oneapi_asgi.models import Secret
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.members import SQLMembers
from oneapi_asgi.storage.sql.desk.sessions import SQLSessions
from oneapi_asgi.storage.sql.desk.tries import SQLTries

from .opened import patiently

ROOT, ANN = 1, 2
LATER = msgspec.structs.replace


class Scene:
    def __init__(self, storage: SQLStorage, url: str, hour: list[float]) -> None:
        self.storage = storage
        self.url = url
        self.hour = hour
        self.members = SQLMembers(storage)
        self.sessions = SQLSessions(storage)


@pytest.fixture(params=KINDS)
async def scene(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Scene]:
    with prepared(request.param, tmp_path) as url:
        hour = [0.0]
        async with SQLStorage(url, clock=lambda now: now + hour[0]) as storage:
            scene = Scene(storage, url, hour)
            await scene.members.add_member(MemberDraft(name="ann", password=Secret("old"), role=Role.ADMIN))
            yield scene


def of_ann(digest: str, **more: object) -> SessionDraft:
    return LATER(SessionDraft(digest=digest, user_id=ANN, seconds=1_000, fresh_seconds=100), **more)


async def test_a_session_lasts_until_something_ends_it(scene: Scene) -> None:
    sessions = scene.sessions
    assert await sessions.open_session(of_ann("a", address="192.0.2.1", agent="x" * 300))
    assert await sessions.open_session(of_ann("b", instead_of="a", pending=True))
    assert await sessions.find_session("a") is None
    there = await sessions.find_session("b")
    assert there is not None
    assert there.session is not None
    assert (there.name, there.role, there.session.pending) == ("ann", Role.ADMIN, True)
    assert await sessions.list_sessions(ANN) == []
    assert await sessions.open_session(of_ann("c", seen=Secret("old")))
    (one,) = await sessions.list_sessions(ANN)
    assert one.fresh_until - one.created_at == pytest.approx(100)
    await sessions.confirm_session("c", 500)
    assert (await sessions.list_sessions(ANN))[0].fresh_until - one.created_at >= 500
    scene.hour[0] = 1_001
    assert await sessions.find_session("c") is None
    assert await sessions.list_sessions(ANN) == []


@pytest.mark.parametrize(
    "change",
    [
        MemberChange(password=Secret("new")),
        MemberChange(enabled=False),
        MemberChange(role=Role.COMMON),
        None,
    ],
)
async def test_what_a_user_loses_ends_sessions(scene: Scene, change: MemberChange | None) -> None:
    assert await scene.sessions.open_session(of_ann("a"))
    if change is None:
        await scene.members.delete_member(ANN)
    else:
        await scene.members.change_member(ANN, change)
    assert await scene.sessions.find_session("a") is None
    still = change is not None and change.enabled is not False
    assert await scene.sessions.open_session(of_ann("b")) is still
    known_by_old = change is not None and change.role is Role.COMMON
    assert await scene.sessions.open_session(of_ann("c", seen=Secret("old"))) is known_by_old


async def test_a_new_hash_of_the_same_password_ends_nothing(scene: Scene) -> None:
    assert await scene.sessions.open_session(of_ann("a"))
    await scene.sessions.rehash(ANN, Secret("old"), Secret("old, better"))
    await scene.sessions.rehash(ANN, Secret("old"), Secret("of one who was late"))
    known = await scene.members.credentials(ANN)
    assert known is not None
    assert known.password is not None
    assert known.password.reveal() == "old, better"
    assert await scene.sessions.find_session("a") is not None


async def test_sessions_of_a_user_are_not_without_number(scene: Scene) -> None:
    for number in range(55):
        assert await scene.sessions.open_session(of_ann(f"s{number}"))
    assert await scene.sessions.open_session(LATER(of_ann("of root"), user_id=ROOT))
    assert len(await scene.sessions.list_sessions(ANN)) == 50
    assert await scene.sessions.end_sessions(ANN, digest="s54") == 1
    assert await scene.sessions.end_sessions(ANN, keep="s53") == 48
    assert [one.digest for one in await scene.sessions.list_sessions(ANN)] == ["s53"]
    assert await scene.sessions.end_sessions(ANN, digest="of root") == 0


async def test_an_access_token_is_its_users(scene: Scene) -> None:
    await scene.sessions.set_access(ANN, "d" * 64)
    there = await scene.sessions.find_access("d" * 64)
    assert there is not None
    assert (there.user_id, there.session) == (ANN, None)
    await scene.sessions.set_access(ANN, "e" * 64)
    assert await scene.sessions.find_access("d" * 64) is None
    await scene.members.delete_member(ANN)
    assert await scene.sessions.find_access("e" * 64) is None
    with pytest.raises(KeyError):
        await scene.sessions.set_access(ANN, None)


async def test_a_code_is_good_once_for_all_who_show_it(scene: Scene) -> None:
    sessions = scene.sessions
    assert await sessions.take_step(ANN, 100) is False
    assert await sessions.enable_totp(ANN, Secret("s"), 100, ["c1", "c2"])
    assert not await sessions.enable_totp(ANN, Secret("t"), 100, ["c3"])
    taken = await asyncio.gather(*(sessions.take_step(ANN, 101) for _ in range(8)))
    assert sorted(taken) == [False] * 7 + [True]
    assert not await sessions.take_step(ANN, 100)
    taken = await asyncio.gather(*(sessions.take_recovery_code(ANN, "c1") for _ in range(8)))
    assert sorted(taken) == [False] * 7 + [True]
    assert await sessions.count_recovery_codes(ANN) == 1
    assert not await sessions.take_recovery_code(ROOT, "c2")
    with pytest.raises(OutOfReach):
        await sessions.disable_totp(ANN, reach=Role.ADMIN)
    assert await sessions.disable_totp(ANN, reach=Role.ROOT)
    assert not await sessions.disable_totp(ANN)
    assert await sessions.count_recovery_codes(ANN) == 0
    known = await scene.members.credentials(ANN)
    assert known is not None
    assert known.totp is None


async def test_many_guesses_at_one_moment_are_no_more_than_one_after_another(scene: Scene) -> None:
    """G79."""
    tries = SQLTries(scene.storage, {"password": TryLimit(10, 900), "password_from": TryLimit(3, 60)})
    said = await asyncio.gather(
        *(patiently(lambda: tries.count("password", "ann")) for _ in range(40)), return_exceptions=True
    )
    assert said.count(None) == 10
    assert all(one is None or isinstance(one, RateLimited) for one in said)
    await tries.count("password", "bob")
    await tries.forgive("password", "ann")
    await tries.count("password", "ann")
    scene.hour[0] = 800
    with pytest.raises(RateLimited) as refused:
        await tries.count("password", "ann")
    assert 0 < (refused.value.retry_after or 0) <= 100
    scene.hour[0] = 901
    await tries.count("password", "ann")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
async def test_one_network_counts_as_one(scene: Scene, one: str, other: str, same: bool) -> None:
    tries = SQLTries(scene.storage, {"code_from": TryLimit(1, 60)})
    await tries.count("code_from", one)
    if same:
        with pytest.raises(RateLimited, match="in 1 minute"):
            await tries.count("code_from", other)
    else:
        await tries.count("code_from", other)


async def test_what_is_over_does_not_stay(scene: Scene) -> None:
    tries = SQLTries(scene.storage, {"code": TryLimit(5, 60)})
    for number in range(20):
        await tries.count("code", f"made up {number}")
    scene.hour[0] = 61
    await tries.count("code", "another")
    assert rows(scene.url, "SELECT count(*) FROM tries") == [(1,)]
