"""Users on every database: what is found, what changes with what, what is refused, and that the books stay right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from servers.databases import KINDS
from servers.prepared import Prepared
from sqlalchemy import Connection, insert, select

from oneapi_asgi.desk.members import (
    Left,
    MemberChange,
    MemberDraft,
    MemberOrder,
    MemberQuery,
    OutOfReach,
    Protected,
    Taken,
    check_email,
    check_name,
)
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import CallRecord, Limit, Reserve, Secret, Settle, TokenDraft
from oneapi_asgi.storage.ledger import LARGEST
from oneapi_asgi.storage.sql.desk.members import SQLMembers
from oneapi_asgi.storage.sql.desk.schema import identities, sessions
from oneapi_asgi.storage.sql.schema import accounts, daily_totals, users

from .opened import Opened


@pytest.fixture(params=KINDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Opened]:
    with prepared(request.param, tmp_path) as url:
        async with Opened(url) as storage:
            yield storage
            assert list(await storage.audit()) == []


@pytest.fixture
def members(storage: Opened) -> SQLMembers:
    return SQLMembers(storage)


def session(user_id: int, digest: str) -> dict[str, object]:
    times = dict.fromkeys(("created_at", "expires_at", "fresh_until"), 1.0)
    return {"digest": digest, "user_id": user_id, "pending": False, "address": "", "agent": "", **times}


async def signed_in(storage: Opened, user_id: int, *digests: str) -> None:
    def write(connection: Connection) -> None:
        connection.execute(insert(sessions), [session(user_id, digest) for digest in digests])

    await storage.run(write)


async def open_sessions(storage: Opened, user_id: int) -> set[str]:
    def read(connection: Connection) -> set[str]:
        return set(connection.scalars(select(sessions.c.digest).where(sessions.c.user_id == user_id)))

    return await storage.run(read)


async def test_a_user_is_made_and_found(members: SQLMembers) -> None:
    draft = MemberDraft(name="Ann", password=Secret("hash"), email="ann@example.com", role=Role.ADMIN, wallet=7)
    ann = await members.add_member(draft)
    assert (ann.quota, ann.role, ann.has_password, ann.has_totp, ann.enabled) == (7, Role.ADMIN, True, False, True)
    assert await members.member(ann.id) == ann
    assert await members.member_named("Ann") == ann
    assert await members.member_named("ann") is None
    assert await members.member_with_email("ANN@example.com") == ann
    known = await members.credentials(ann.id)
    assert known is not None
    assert known.password == Secret("hash")
    assert "hash" not in repr(known)
    assert await members.member(99) is None
    assert await members.credentials(99) is None


async def test_names_and_addresses_are_taken_once(members: SQLMembers) -> None:
    await members.add_member(MemberDraft(name="ann", email="ann@example.com"))
    bob = await members.add_member(MemberDraft(name="bob"))
    for draft in (MemberDraft(name="ann"), MemberDraft(name="x", email="ann@example.com")):
        with pytest.raises(Taken):
            await members.add_member(draft)
    with pytest.raises(Taken) as caught:
        await members.change_member(bob.id, MemberChange(email="ann@example.com"))
    assert caught.value.field == "email"
    with pytest.raises(Taken):
        await members.change_member(bob.id, MemberChange(name="ann"))
    assert await members.change_member(bob.id, MemberChange(name="bob")) == bob


async def test_of_many_at_once_one_gets_the_name(members: SQLMembers) -> None:
    made = await asyncio.gather(
        *[members.add_member(MemberDraft(name="ann")) for _ in range(8)], return_exceptions=True
    )
    assert sum(isinstance(one, Taken) for one in made) == 7
    assert (await members.list_members(MemberQuery())).total == 2


async def test_invitations_pay_both(members: SQLMembers) -> None:
    ann = await members.add_member(MemberDraft(name="ann"))
    assert ann.invite_code is not None
    invited = MemberDraft(name="", wallet=3, invited_by=ann.invite_code, invitee_gift=5, inviter_gift=7)
    bob = await members.add_member(replace(invited, name="bob"))
    found = await members.member(ann.id)
    assert found is not None
    assert (bob.quota, bob.inviter_id, found.quota) == (8, ann.id, 7)
    eve = await members.add_member(replace(invited, name="eve", invited_by="nobody"))
    assert (eve.quota, eve.inviter_id) == (3, None)
    await members.change_member(ann.id, MemberChange(enabled=False))
    zoe = await members.add_member(replace(invited, name="zoe"))
    assert (zoe.quota, zoe.inviter_id) == (3, None)
    assert await members.member(ann.id) == replace(found, enabled=False)


@pytest.mark.parametrize(
    ("wallet", "left", "quota", "unlimited"),
    [
        (10_000, Left(4_000), 4_000, False),
        (10_000, Left(0), 0, False),
        (10_000, Left(50_000), 50_000, False),
        (10_001, Left(10_000, 2_000), 10_001, False),
        (11_999, Left(10_000, 2_000), 11_999, False),
        (12_000, Left(10_000, 2_000), 10_000, False),
        (9_999, Left(10_000, 2_000), 10_000, False),
        (10_000, Left(None), 10_000, True),
        (None, Left(500), 500, False),
        (None, Left(0), 0, False),
        (None, Left(None), 0, True),
    ],
)
async def test_what_is_to_be_left(
    members: SQLMembers, wallet: int | None, left: Left, quota: int, unlimited: bool
) -> None:
    ann = await members.add_member(MemberDraft(name="ann", wallet=wallet))
    after = await members.change_member(ann.id, MemberChange(left=left))
    assert (after.quota, after.unlimited) == (quota, unlimited)


async def test_what_is_owed_is_shown_and_forgiven(storage: Opened, members: SQLMembers) -> None:
    ann = await members.add_member(MemberDraft(name="ann", wallet=10))
    await storage.apply([Reserve("a", (ann.wallet,), 10, 10, 60.0)])
    await storage.apply([Settle("a", 30)])
    owing = await members.member(ann.id)
    assert owing is not None
    assert (owing.quota, owing.used) == (-20, 30)
    assert (await members.change_member(ann.id, MemberChange(left=Left(5)))).quota == 5
    assert (await members.change_member(ann.id, MemberChange(left=Left(None)))).unlimited


async def test_an_unlimited_wallet_that_spent_gets_a_bound(storage: Opened, members: SQLMembers) -> None:
    ann = await members.add_member(MemberDraft(name="ann", wallet=None))
    await storage.apply([Reserve("a", (ann.wallet,), 10, 10, 60.0), Reserve("b", (ann.wallet,), 10, 10, 60.0)])
    await storage.apply([Settle("a", 30)])
    after = await members.change_member(ann.id, MemberChange(left=Left(100)))
    assert (after.quota, after.unlimited, after.used) == (100, False, 30)
    await storage.apply([Settle("b", 4)])
    settled = await members.member(ann.id)
    assert settled is not None
    assert settled.quota == 106


async def test_credit_has_bounds(members: SQLMembers) -> None:
    ann = await members.add_member(MemberDraft(name="ann", wallet=1))
    assert (await members.credit_member(ann.id, LARGEST - 1)).quota == LARGEST
    with pytest.raises(ValueError, match="no more than"):
        await members.credit_member(ann.id, 1)
    with pytest.raises(KeyError):
        await members.credit_member(99, 1)
    with pytest.raises(OutOfReach):
        await members.credit_member(1, 1, reach=Role.ADMIN)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (MemberChange(password=Secret("new"), keep_session="a"), {"a"}),
        (MemberChange(password=Secret("new")), set()),
        (MemberChange(enabled=False), set()),
        (MemberChange(role=Role.ADMIN), set()),
        (MemberChange(role=Role.COMMON), {"a", "b"}),
        (MemberChange(enabled=True), {"a", "b"}),
        (MemberChange(display_name="Ann", group="vip", left=Left(4)), {"a", "b"}),
    ],
)
async def test_sessions_end_with_what_they_stood_on(
    storage: Opened, members: SQLMembers, change: MemberChange, left: set[str]
) -> None:
    ann = await members.add_member(MemberDraft(name="ann"))
    await signed_in(storage, ann.id, "a", "b")
    await signed_in(storage, 1, "c")
    before = await storage.pulse()
    await members.change_member(ann.id, change)
    assert await open_sessions(storage, ann.id) == left
    assert await open_sessions(storage, 1) == {"c"}
    assert (await storage.pulse()).revision > before.revision


async def test_what_a_role_brings(storage: Opened, members: SQLMembers) -> None:
    ann = await members.add_member(MemberDraft(name="ann"))
    for role in (Role.ADMIN, Role.ROOT, Role.COMMON):
        assert (await members.change_member(ann.id, MemberChange(role=role))).role == role
        (found,) = [user for user in await storage.list_users() if user.id == ann.id]
        assert found.admin is (role >= Role.ADMIN)


async def test_zero_values_are_written(members: SQLMembers) -> None:
    draft = MemberDraft(name="ann", display_name="Ann", email="ann@example.com", wallet=9)
    ann = await members.add_member(draft)
    await members.change_member(ann.id, MemberChange(remind_below=5))
    cleared = MemberChange(display_name="", email=None, left=Left(0), remind_below=None)
    after = await members.change_member(ann.id, cleared)
    assert (after.display_name, after.email, after.quota, after.remind_below) == ("", None, 0, None)
    assert after.group == "default"


async def test_nobody_reaches_further_than_allowed(members: SQLMembers) -> None:
    boss = await members.add_member(MemberDraft(name="boss", role=Role.ADMIN))
    ann = await members.add_member(MemberDraft(name="ann"))
    for user_id in (1, boss.id):
        with pytest.raises(OutOfReach):
            await members.change_member(user_id, MemberChange(display_name="x"), reach=Role.ADMIN)
        with pytest.raises(OutOfReach):
            await members.delete_member(user_id, reach=Role.ADMIN)
    with pytest.raises(OutOfReach):
        await members.change_member(ann.id, MemberChange(role=Role.ADMIN), reach=Role.ADMIN)
    with pytest.raises(KeyError):
        await members.change_member(99, MemberChange(), reach=Role.ADMIN)
    assert await members.member(ann.id) == ann


@pytest.mark.parametrize("change", [MemberChange(name="x"), MemberChange(role=Role.ADMIN), MemberChange(enabled=False)])
async def test_root_stays(members: SQLMembers, change: MemberChange) -> None:
    root = await members.member(1)
    with pytest.raises(Protected):
        await members.change_member(1, change)
    with pytest.raises(Protected):
        await members.delete_member(1)
    assert await members.member(1) == root
    assert (await members.change_member(1, MemberChange(name="root", display_name="R"))).display_name == "R"


async def test_whoever_is_deleted_leaves_nothing_to_sign_in_with(storage: Opened, members: SQLMembers) -> None:
    draft = MemberDraft(name="ann", password=Secret("hash"), email="ann@example.com", role=Role.ADMIN, wallet=9)
    ann = await members.add_member(draft)
    await signed_in(storage, ann.id, "a")
    elsewhere = {"user_id": ann.id, "provider": "github", "subject": "7", "label": "ann", "created_at": 1.0}
    await storage.run(lambda connection: connection.execute(insert(identities).values(**elsewhere)).close())
    found = await members.member(ann.id)
    assert found is not None
    assert found.identities == {"github": "7"}
    await storage.add_token(TokenDraft(name="ci", digest="d", user="ann"))
    await members.delete_member(ann.id)
    assert await members.member(ann.id) is None
    assert await members.member_named("ann") is None
    assert await members.credentials(ann.id) is None
    assert await open_sessions(storage, ann.id) == set()
    token = await storage.find_token("d")
    assert token is None or (token.status, token.user_enabled, token.admin) == ("disabled", False, False)
    (gone,) = (await members.list_members(MemberQuery(deleted=True))).members
    assert (gone.id, gone.email, gone.identities, gone.invite_code, gone.role) == (ann.id, None, {}, None, Role.COMMON)
    assert gone.name.startswith("deleted_")
    with pytest.raises(KeyError):
        await members.delete_member(ann.id)
    again = await members.add_member(draft)
    assert again.id != ann.id
    secret = select(users.c.password, users.c.totp, users.c.access_digest).where(users.c.id == ann.id)
    kept = await storage.run(lambda connection: connection.execute(secret).one())
    assert tuple(kept) == (None, None, None)


async def test_a_new_name_keeps_tokens_and_limits(storage: Opened, members: SQLMembers) -> None:
    ann = await members.add_member(MemberDraft(name="ann"))
    await storage.add_token(TokenDraft(name="ci", digest="d", user="ann"))
    own = await storage.save_limit(Limit(scope="user", name="ann", requests_per_minute=5))
    everybody = await storage.save_limit(Limit(scope="user", name="*", requests_per_minute=50))
    namesake = await storage.save_limit(Limit(scope="group", name="ann", requests_per_minute=50))
    await members.change_member(ann.id, MemberChange(name="anna", keep_limits=True))
    token = await storage.find_token("d")
    assert token is not None
    assert (token.user_name, token.status, token.user_id) == ("anna", "enabled", ann.id)
    names = {limit.id: limit.name for limit in await storage.list_limits()}
    assert names == {own.id: "anna", everybody.id: "*", namesake.id: "ann"}


@pytest.mark.parametrize("pattern", ["team-*", "bob"])
async def test_nobody_slips_out_of_a_limit_by_another_name(storage: Opened, members: SQLMembers, pattern: str) -> None:
    ann = await members.add_member(MemberDraft(name="team-ann"))
    await storage.save_limit(Limit(scope="user", name=pattern, requests_per_minute=5))
    with pytest.raises(Protected):
        await members.change_member(ann.id, MemberChange(name="bob", keep_limits=True))
    assert (await members.change_member(ann.id, MemberChange(name="bob"))).name == "bob"


async def test_who_is_declared_keeps_the_name(storage: Opened, members: SQLMembers) -> None:
    ann = await members.add_member(MemberDraft(name="ann"))
    await storage.declare([], [TokenDraft(name="ci", digest="d", user="ann")])
    with pytest.raises(Protected, match="ci"):
        await members.change_member(ann.id, MemberChange(name="bob"))
    with pytest.raises(Protected, match="ci"):
        await members.delete_member(ann.id)
    await storage.declare([], [])
    await members.delete_member(ann.id)


async def test_a_declared_limit_does_not_follow(storage: Opened, members: SQLMembers) -> None:
    ann = await members.add_member(MemberDraft(name="ann"))
    await storage.declare([], [], [Limit(scope="user", name="ann", requests_per_minute=5)])
    with pytest.raises(Protected):
        await members.change_member(ann.id, MemberChange(name="bob"))


@pytest.mark.parametrize(
    ("keyword", "found"),
    [
        ("", {"root", "ann", "50%", "a_b", "back\\slash", "aXb", "bob"}),
        ("an", {"ann"}),
        ("ANN", {"ann"}),
        ("%", {"50%"}),
        ("_", {"a_b"}),
        ("\\", {"back\\slash"}),
        ("a_b", {"a_b"}),
        ("example", {"bob"}),
        ("robert", {"bob"}),
        ("2", {"ann"}),
        ("'; DROP TABLE users; --", set()),
        ("/", set()),
        ("9" * 40, set()),
    ],
)
async def test_searching(members: SQLMembers, keyword: str, found: set[str]) -> None:
    for name in ("ann", "50%", "a_b", "back\\slash", "aXb"):
        await members.add_member(MemberDraft(name=name))
    await members.add_member(MemberDraft(name="bob", display_name="Robert", email="b@example.com"))
    page = await members.list_members(MemberQuery(keyword=keyword))
    assert {member.name for member in page.members} == found
    assert page.total == len(found)


async def test_filters_pages_and_orders(storage: Opened, members: SQLMembers) -> None:
    for number in range(6):
        name, role = f"u{number}", Role.ADMIN if number == 5 else Role.COMMON
        await members.add_member(MemberDraft(name=name, wallet=number * 10, role=role, group=f"g{number % 2}"))
    await members.change_member(2, MemberChange(enabled=False))
    (u1,) = (await members.list_members(MemberQuery(keyword="u1"))).members
    await storage.apply([Reserve("a", (u1.wallet,), 1, 1, 60.0)])
    await storage.apply([Settle("a", 4)])
    records = [CallRecord(id=str(number), at=time.time(), operation="chat", user_id=5) for number in range(3)]
    await storage.write_records(records)

    async def names(**query: object) -> list[str]:
        page = await members.list_members(MemberQuery(**query))  # type: ignore[arg-type]
        return [member.name for member in page.members]

    assert await names() == ["u5", "u4", "u3", "u2", "u1", "u0", "root"]
    assert await names(offset=2, limit=2) == ["u3", "u2"]
    assert (await members.list_members(MemberQuery(offset=2, limit=2))).total == 7
    assert await names(order="quota", limit=3) == ["root", "u5", "u4"]
    assert (await names(order="used_quota"))[0] == "u1"
    assert (await names(order="request_count"))[0] == "u3"
    assert (await members.list_members(MemberQuery(order="request_count"))).members[0].request_count == 3
    assert await names(role=Role.ADMIN) == ["u5"]
    assert await names(enabled=False) == ["u0"]
    assert await names(group="g1") == ["u5", "u3", "u1"]
    assert await names(deleted=True) == []


@pytest.mark.slow
async def test_a_page_of_a_hundred_thousand(storage: Opened, members: SQLMembers) -> None:
    await storage.run(_many)
    orders: tuple[MemberOrder, ...] = ("id", "quota", "used_quota", "request_count")
    took = {
        (order, keyword): await _seconds(members, MemberQuery(order=order, keyword=keyword, limit=50))
        for order in orders
        for keyword in ("", "77_7", "absent")
    }
    assert took["id", ""] < 0.2, took
    assert max(took.values()) < 1.0, took


async def _seconds(members: SQLMembers, query: MemberQuery) -> float:
    took = []
    for _ in range(7):
        began = time.perf_counter()
        await members.list_members(query)
        took.append(time.perf_counter() - began)
    return min(took)


def _many(connection: Connection) -> None:
    count, now = 100_000, 1.0
    for start in range(2, count, 5_000):
        numbers = range(start, start + 5_000)
        row = {"group": "default", "admin": False, "enabled": True, "created_at": now, "role": 1}
        named = [{"id": n, "name": f"user_{n:06}", "display_name": f"User {n}", "email": f"{n}@example.com", **row}
                 for n in numbers]  # fmt: skip
        connection.execute(insert(users), named)
        money = {"kind": "user", "balance": 0, "overdraft": 0, "unlimited": False, "used": 0}
        connection.execute(insert(accounts), [{"owner_id": number, **money} for number in numbers])
        parts = [c.name for c in daily_totals.c if c.name not in ("day", "user_id", "model", "calls")]
        total = {"day": 20260101, "model": "m", "calls": 0, **dict.fromkeys(parts, 0)}
        connection.execute(insert(daily_totals), [{"user_id": number, **total} for number in numbers])


@pytest.mark.parametrize(
    "name", ["", "x" * 65, " a", "a ", "a\nb", "a\0", "a@b.c", "Root", "ROOT", "deleted_1", "*", "a[b", "a?", "\u202ea"]
)
def test_names_that_nobody_can_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"name|called"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "Ann Lee", "张三", "a.b-c_d", "x" * 64, "rooted"])
def test_names_that_one_can_have(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "email", ["a", "a@b", "a@b.c\nBcc: x@y.z", "a b@c.d", "a@b.c,d@e.f", "<a@b.c>", "a@@b.c", "x" * 251 + "@b.c"]
)
def test_addresses_that_are_none(email: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail"):
        check_email(email)


def test_an_address_is_kept_in_lower_case() -> None:
    assert check_email("Ann.Lee+x@Example.COM") == "ann.lee+x@example.com"
