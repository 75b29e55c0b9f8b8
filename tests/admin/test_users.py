"""Users in the administration: what each route does, and who can do what to whom, which is as little as possible."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from servers.prepared import Prepared

from oneapi_asgi.admin.money import MAX_QUOTA, UNLIMITED_QUOTA, nano_of, quota_of
from oneapi_asgi.admin.user_rows import READ_ONLY, SelfEdit, UserDraft, UserEdit, UserRow
from oneapi_asgi.admin.users import Batch, Manage, TopUp
from oneapi_asgi.desk.members import Credentials, Member, MemberChange, MemberDraft
from oneapi_asgi.desk.roles import Actor, Role
from oneapi_asgi.models import Channel, Limit, Secret, Token, TokenDraft
from oneapi_asgi.storage.sql.schema import channels, tokens, users

from .house import ADMIN, ANN, BOB, BOSS, BY_ADMIN, BY_ANN, BY_BOB, House, a_house
from .rig import ROOT, as_


@pytest.fixture
async def house(tmp_path: Path, prepared: Prepared) -> AsyncIterator[House]:
    async with a_house(tmp_path, prepared) as house:
        yield house


async def test_a_user_has_one_apis_names(house: House) -> None:
    row = await house.data("GET", f"/user/{ANN}")
    assert row == row | {
        "id": ANN, "username": "ann", "password": "", "display_name": "ann", "role": 1, "status": 1, "email": "",
        "github_id": "", "wechat_id": "", "lark_id": "", "oidc_id": "", "quota": 100, "used_quota": 0,
        "request_count": 0, "group": "default", "inviter_id": 0, "unlimited_quota": False, "last_login_time": 0,
    }  # fmt: skip
    assert len(row["aff_code"]) == 10
    assert (await house.data("GET", "/user/1"))["quota"] == UNLIMITED_QUOTA
    assert "hash of" not in (await house.ask("GET", "/user/")).text


async def test_lists_have_totals_filters_and_orders(house: House) -> None:
    said = (await house.ask("GET", "/user/?p=1&page_size=2")).json()
    assert ([row["id"] for row in said["data"]], said["total"]) == ([3, 2], 5)

    async def ids(query: str) -> list[int]:
        return [row["id"] for row in await house.data("GET", f"/user/?{query}")]

    await house.data("PUT", "/user/", json={"id": BOB, "quota": 500, "status": 2, "group": "vip"})
    assert await ids("order=quota") == [1, BOB, BOSS, ANN, ADMIN]
    assert await ids("order=&keyword=") == [BOSS, BOB, ANN, ADMIN, 1]
    assert await ids("role=10") == [BOSS, ADMIN]
    assert await ids("status=2") == [BOB]
    assert await ids("group=vip") == [BOB]
    assert [row["id"] for row in await house.data("GET", "/user/search?keyword=BO")] == [BOSS, BOB]
    assert await house.data("GET", "/user/search?keyword=%25") == []
    await house.data("DELETE", f"/user/{BOB}")
    assert BOB not in await ids("")
    assert await ids("status=3") == [BOB]
    assert (await house.ask("GET", "/user/?order=password")).status_code == 400


async def test_a_user_is_made(house: House) -> None:
    draft = {"username": "eve", "password": "eve-password", "display_name": "", "email": "Eve@Example.com"}
    row = await house.data("POST", "/user/", json=draft | {"quota": 7}, by=BY_ADMIN)
    assert (row["role"], row["display_name"], row["email"], row["quota"]) == (1, "eve", "eve@example.com", 7)
    known = await house.members.credentials(row["id"])
    assert known is not None
    assert known.password == Secret("hash of eve-password")
    (event,) = house.events.events
    assert (event.action, event.user_id, event.actor_name) == ("user.add", row["id"], "adm")
    assert "eve-password" not in repr(event)


@pytest.mark.parametrize(
    ("draft", "status", "code"),
    [
        ({"username": "ann", "password": "12345678"}, 409, "username_taken"),
        ({"username": "x", "password": "123"}, 400, "weak_password"),
        ({"username": "Root", "password": "12345678"}, 400, "invalid_username"),
        ({"username": "a@b.c", "password": "12345678"}, 400, "invalid_username"),
        ({"username": "", "password": "12345678"}, 400, "invalid_username"),
        ({"username": "x" * 65, "password": "12345678"}, 400, "invalid_body"),
        ({"username": "x", "password": "12345678", "email": "none"}, 400, "invalid_email"),
        ({"username": "x", "password": "12345678", "role": 10}, 403, "role_not_below_own"),
        ({"username": "x", "password": "12345678", "role": 100}, 403, "role_not_below_own"),
        ({"username": "x", "password": "12345678", "role": 5}, 400, "invalid_body"),
        ({"username": "x", "password": "12345678", "quota": -1}, 400, "invalid_body"),
        ({"username": "x", "password": "12345678", "quota": MAX_QUOTA + 1}, 400, "invalid_body"),
        ({"username": "x", "password": "12345678", "quota": 1.5}, 400, "invalid_body"),
    ],
)
async def test_who_cannot_be_made(house: House, draft: dict[str, object], status: int, code: str) -> None:
    before = house.kept()
    answer = await house.ask("POST", "/user/", json=draft, by=BY_ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert house.kept() == before


async def test_an_edit_writes_what_it_names_and_zeros_too(house: House) -> None:
    await house.data("PUT", "/user/", json={"id": ANN, "email": "ann@example.com", "remind_quota": 9}, by=BY_ADMIN)
    cleared = {"id": ANN, "quota": 0, "display_name": "", "email": "", "remind_quota": None, "password": ""}
    row = await house.data("PUT", "/user/", json=cleared, by=BY_ADMIN)
    assert (row["quota"], row["display_name"], row["email"], row["remind_quota"]) == (0, "", "", None)
    assert (row["username"], row["group"], row["has_password"]) == ("ann", "default", True)


async def test_what_was_read_can_be_sent_back(house: House) -> None:
    await house.members.change_member(ANN, MemberChange(display_name="Ann"))
    await house.members.credit_member(ANN, 1_999)
    for user_id in (ANN, 1):
        row = await house.data("GET", f"/user/{user_id}")
        before = house.kept()
        assert await house.data("PUT", "/user/", json=row | {"access_token": "", "verification_code": ""}) == row
        assert house.kept() == before


@pytest.mark.parametrize(
    ("edit", "quota", "unlimited"),
    [
        ({"quota": 100}, 100, False),
        ({"quota": 350}, 350, False),
        ({"quota": 3}, 3, False),
        ({"unlimited_quota": True}, UNLIMITED_QUOTA, True),
        ({"unlimited_quota": True, "quota": 3}, UNLIMITED_QUOTA, True),
        ({"unlimited_quota": False}, 100, False),
    ],
)
async def test_quotas_are_set(house: House, edit: dict[str, object], quota: int, unlimited: bool) -> None:
    row = await house.data("PUT", "/user/", json={"id": ANN} | edit)
    assert (row["quota"], row["unlimited_quota"]) == (quota, unlimited)
    bounded = await house.data("PUT", "/user/", json={"id": ANN, "quota": 7})
    assert (bounded["quota"], bounded["unlimited_quota"]) == (7, False)
    answer = await house.ask("PUT", "/user/", json={"id": ANN, "quota": -7})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_quota")


async def test_managing(house: House) -> None:
    async def manage(action: str, name: str = "ann", by: dict[str, str] = ROOT) -> Any:
        return (await house.ask("POST", "/user/manage", json={"username": name, "action": action}, by=by)).json()

    assert (await manage("disable", by=BY_ADMIN))["data"] == {"role": 1, "status": 2}
    assert (await manage("enable", by=BY_ADMIN))["data"] == {"role": 1, "status": 1}
    assert (await manage("promote", by=BY_ADMIN))["code"] == "role_too_low"
    assert (await manage("promote"))["data"] == {"role": 10, "status": 1}
    assert (await manage("promote"))["code"] == "user_has_that_role"
    assert (await manage("demote", by=BY_ADMIN))["code"] == "role_not_below_own"
    assert (await manage("demote"))["data"] == {"role": 1, "status": 1}
    assert (await manage("demote"))["code"] == "user_has_that_role"
    assert (await manage("delete", by=BY_ADMIN))["data"] == {"role": 1, "status": 3}
    assert (await manage("enable"))["code"] == "user_not_found"
    assert (await manage("disable", "root"))["code"] == "not_oneself"
    assert (await house.ask("POST", "/user/manage", json={"action": "enable"})).status_code == 400
    assert [event.detail["action"] for event in house.events.events if event.action == "user.manage"] == [
        "disable", "enable", "promote", "demote", "delete",
    ]  # fmt: skip


async def test_many_at_once(house: House) -> None:
    done = await house.data("POST", "/user/batch", json={"ids": [ANN, 1, 99, ANN, BOB, BOSS], "action": "disable"},
                            by=BY_ADMIN)  # fmt: skip
    assert done["changed"] == 2
    assert [(entry["id"], entry["code"]) for entry in done["refused"]] == [
        (1, "role_not_below_own"), (99, "user_not_found"), (BOSS, "role_not_below_own"),
    ]  # fmt: skip
    assert [row["id"] for row in await house.data("GET", "/user/?status=2")] == [BOB, ANN]
    await house.data("POST", "/user/batch", json={"ids": [ANN], "action": "group", "group": "vip"})
    assert (await house.data("GET", f"/user/{ANN}"))["group"] == "vip"
    for ids in ([], [0], list(range(1, 1002))):
        assert (await house.ask("POST", "/user/batch", json={"ids": ids, "action": "enable"})).status_code == 400


async def test_topping_up(house: House) -> None:
    await house.data("POST", "/topup", json={"user_id": ANN, "quota": 25, "remark": "paid"}, by=BY_ADMIN)
    assert (await house.data("GET", f"/user/{ANN}"))["quota"] == 125
    (event,) = house.events.events
    assert (event.kind, event.amount, event.text, event.user_id) == ("topup", nano_of(25), "paid", ANN)
    for body, status in (
        ({"user_id": ANN, "quota": -1}, 400),
        ({"user_id": 99, "quota": 1}, 404),
        ({"user_id": ADMIN, "quota": 1}, 403),
        ({"user_id": ANN, "quota": MAX_QUOTA}, 400),
    ):
        assert (await house.ask("POST", "/topup", json=body, by=BY_ADMIN)).status_code == status
    assert (await house.data("GET", f"/user/{ANN}"))["quota"] == 125


# Who can do what to whom


def tries(user_id: int, name: str) -> list[tuple[str, str, dict[str, object] | None]]:
    """Everything that an administrator might do to a user."""
    edits: tuple[dict[str, object], ...] = (
        {"display_name": "x"},
        {"password": "taken-over"},
        {"email": "x@y.zz"},
        {"quota": 1},
        {"role": 1},
        {"status": 2},
        {"group": "x"},
        {"username": "x"},
    )
    actions: tuple[dict[str, object], ...] = tuple(
        {"username": name, "action": action} for action in ("disable", "enable", "delete", "promote", "demote")
    )
    return [
        ("GET", f"/user/{user_id}", None),
        ("DELETE", f"/user/{user_id}", None),
        ("POST", "/topup", {"user_id": user_id, "quota": 1}),
        *[("PUT", "/user/", {"id": user_id, **edit}) for edit in edits],
        *[("POST", "/user/manage", action) for action in actions],
    ]


@pytest.mark.parametrize(("user_id", "name"), [(1, "root"), (BOSS, "boss"), (ADMIN, "adm")])
async def test_an_administrator_touches_nobody_as_high(house: House, user_id: int, name: str) -> None:
    before = house.kept()
    for method, path, body in tries(user_id, name):
        answer = await house.ask(method, path, json=body, by=BY_ADMIN)
        assert answer.status_code in (403, 409), (method, path, body)
    done = await house.data("POST", "/user/batch", json={"ids": [user_id], "action": "delete"}, by=BY_ADMIN)
    assert done["changed"] == 0
    for role in (10, 100):
        answer = await house.ask("PUT", "/user/", json={"id": ANN, "role": role}, by=BY_ADMIN)
        assert answer.status_code == 403
    assert house.kept() == before


async def test_a_user_touches_nobody(house: House) -> None:
    before = house.kept()
    for user_id, name in ((1, "root"), (ANN, "ann"), (BOB, "bob"), (ADMIN, "adm")):
        for method, path, body in tries(user_id, name):
            assert (await house.ask(method, path, json=body, by=BY_BOB)).status_code == 403
    for path in ("/user/", "/user/search?keyword=a"):
        assert (await house.ask("GET", path, by=BY_BOB)).status_code == 403
    assert house.kept() == before


async def test_root_does_not_lock_itself_out(house: House) -> None:
    before = house.kept()
    for edit in ({"role": 10}, {"status": 2}, {"username": "king"}):
        assert (await house.ask("PUT", "/user/", json={"id": 1, **edit})).status_code == 409
    for action in ("disable", "delete", "demote"):
        body = {"username": "root", "action": action}
        assert (await house.ask("POST", "/user/manage", json=body)).status_code == 409
    for method, path in (("DELETE", "/user/1"), ("DELETE", "/user/self")):
        assert (await house.ask(method, path)).status_code == 409
    assert house.kept() == before
    await house.data("PUT", "/user/", json={"id": BOSS, "role": 100})
    by_boss = as_(Role.ROOT, BOSS, "boss")
    for edit in ({"role": 10}, {"status": 2}):
        assert (await house.ask("PUT", "/user/", json={"id": 1, **edit}, by=by_boss)).status_code == 409
    assert (await house.ask("DELETE", "/user/1", by=by_boss)).status_code == 409
    assert (await house.data("GET", "/user/1"))["role"] == 100


FIELDS = sorted(
    {
        *[name for kind in (Member, MemberDraft, MemberChange, Credentials, UserRow, UserDraft, UserEdit, SelfEdit,
                            Token, TokenDraft, Channel, Limit, Batch, Manage, TopUp, Actor)
          for name in kind.__struct_fields__],
        *[column.name for table in (users, tokens, channels) for column in table.columns],
        "access_token", "verification_code", "Role", "ROLE", "role ", "__proto__", "constructor",
    }
)  # fmt: skip
"""Every field of everything that is kept."""

WRITES: tuple[tuple[str, str, type[msgspec.Struct], dict[str, object], dict[str, str]], ...] = (
    ("PUT", "/user/self", SelfEdit, {}, BY_ANN),
    ("PUT", "/user/", UserEdit, {"id": ANN}, BY_ADMIN),
    ("POST", "/user/manage", Manage, {"username": "ann", "action": "enable"}, BY_ADMIN),
    ("POST", "/user/batch", Batch, {"ids": [ANN], "action": "enable"}, BY_ADMIN),
    ("POST", "/topup", TopUp, {"user_id": ANN, "quota": 0}, BY_ADMIN),
)


@pytest.mark.parametrize(("method", "path", "kind", "body", "by"), WRITES, ids=[write[1] for write in WRITES])
@pytest.mark.parametrize("value", [100, "100", True, [100], {"role": 100}])
async def test_no_field_but_those_declared_can_be_written(
    house: House, method: str, path: str, kind: type[msgspec.Struct], body: dict[str, object], by: dict[str, str],
    value: object,
) -> None:  # fmt: skip
    before = house.kept()
    for field in FIELDS:
        if field in kind.__struct_fields__:
            continue
        answer = await house.ask(method, path, json=body | {field: value}, by=by)
        if field not in READ_ONLY:
            assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field"), field
        if answer.is_success:
            assert house.kept() == before, field
    assert house.kept() == before


async def test_a_new_user_is_made_of_declared_fields_alone(house: House) -> None:
    for number, field in enumerate(sorted(READ_ONLY - set(UserDraft.__struct_fields__))):
        row = await house.data("POST", "/user/", json={"username": f"new-{number}", field: 100}, by=BY_ADMIN)
        member = await house.members.member(row["id"])
        assert member is not None
        bare = MemberDraft(name=member.name)
        assert (member.role, member.enabled, member.quota, member.identities) == (bare.role, True, 0, {})
        assert (member.inviter_id, member.used, member.request_count, member.has_totp) == (None, 0, 0, False)


@pytest.mark.parametrize(
    ("nano", "quota"), [(0, 0), (1_999, 0), (2_000, 1), (1_000_000_000, 500_000), (-1, -1), (-2_000, -1)]
)
def test_quotas(nano: int, quota: int) -> None:
    assert quota_of(nano) == quota
    assert quota_of(nano_of(quota)) == quota
