"""Users in the administration: what they see and change of themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from servers.prepared import Prepared
from starlette.types import Scope

from oneapi_asgi.admin import Admin
from oneapi_asgi.admin.user_self import OwnAccount
from oneapi_asgi.desk.members import MemberChange, MemberDraft
from oneapi_asgi.desk.roles import Actor, Way
from oneapi_asgi.models import Channel, Secret

from .house import ANN, BOB, BY_ANN, House, Plain, a_house
from .rig import Counted, Written, asked


@pytest.fixture
async def house(tmp_path: Path, prepared: Prepared) -> AsyncIterator[House]:
    async with a_house(tmp_path, prepared) as house:
        yield house


async def test_ones_own_account(house: House) -> None:
    assert (await house.data("GET", "/user/self", by=BY_ANN))["id"] == ANN
    edit = {"id": BOB, "username": "anna", "display_name": "", "quota": 9_999, "role": 100, "group": "vip"}
    row = await house.data("PUT", "/user/self", json=edit, by=BY_ANN)
    assert (row["id"], row["username"], row["display_name"]) == (ANN, "anna", "")
    assert (row["quota"], row["role"], row["group"]) == (100, 1, "default")
    assert (await house.data("GET", f"/user/{BOB}"))["username"] == "bob"
    answer = await house.ask("PUT", "/user/self", json={"username": "bob"}, by=BY_ANN)
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")
    await house.data("DELETE", "/user/self", by=BY_ANN)
    assert (await house.ask("GET", "/user/self", by=BY_ANN)).status_code == 404
    assert (await house.ask("GET", f"/user/{ANN}")).status_code == 404


async def test_a_new_password_takes_the_present_one(house: House) -> None:
    async def change(**body: str) -> tuple[int, str | None]:
        answer = await house.ask("PUT", "/user/self", json=body, by=BY_ANN)
        return answer.status_code, answer.json().get("code")

    assert await change(password="a-new-one") == (403, "wrong_password")
    assert await change(password="a-new-one", original_password="guess") == (403, "wrong_password")
    assert await change(password="short", original_password="ann-password") == (400, "weak_password")
    assert await change(password="a-new-one", original_password="ann-password") == (200, None)
    known = await house.members.credentials(ANN)
    assert known is not None
    assert known.password == Secret("hash of a-new-one")


async def test_who_has_to_change_a_password_changes_it(house: House) -> None:
    await house.members.change_member(ANN, MemberChange(must_change_password=True))
    body = {"password": "ann-password", "original_password": "ann-password"}
    assert (await house.ask("PUT", "/user/self", json=body, by=BY_ANN)).json()["code"] == "same_password"
    row = await house.data("PUT", "/user/self", json=body | {"password": "a-new-one"}, by=BY_ANN)
    assert row["must_change_password"] is False


async def test_invite_codes(house: House) -> None:
    first = await house.data("GET", "/user/aff", by=BY_ANN)
    assert await house.data("GET", "/user/aff", by=BY_ANN) == first
    second = await house.data("POST", "/user/aff", by=BY_ANN)
    assert second != first
    assert await house.data("GET", "/user/aff", by=BY_ANN) == second


async def test_models_of_ones_group(house: House) -> None:
    for channel in (
        Channel(id=0, name="a", models=("m1", "g-*"), model_map={"alias": "m1"}),
        Channel(id=0, name="b", models=("m0", "m1")),
        Channel(id=0, name="c", models=("off",), enabled=False),
        Channel(id=0, name="d", models=("vip",), groups=("vip",)),
    ):
        await house.storage.save_channel(channel)
    assert await house.data("GET", "/user/available_models", by=BY_ANN) == ["alias", "m0", "m1"]


async def test_guesses_of_the_present_password_come_to_an_end(house: House) -> None:
    tries = Counted()
    own = OwnAccount(house.members, Plain(), house.storage, tries)
    async with asked(own.routes()) as client:
        guess = {"password": "a-new-one", "original_password": "guess"}
        answers = [await client.put("/user/self", json=guess, headers=BY_ANN) for _ in range(4)]
        right = guess | {"original_password": "ann-password"}
        answers.append(await client.put("/user/self", json=right, headers=BY_ANN))
        assert [answer.status_code for answer in answers] == [403, 403, 403, 429, 429]
        assert (await client.put("/user/self", json={"display_name": "A"}, headers=BY_ANN)).status_code == 200
    assert tries.failures == [("password", str(ANN))] * 3


@pytest.mark.parametrize(
    ("way", "fresh_until", "password", "status"),
    [
        ("session", 99.0, None, 403),
        ("session", 101.0, None, 200),
        ("session", 101.0, "hash of ann-password", 403),
        ("access_token", 0.0, None, 200),
        ("access_token", 0.0, "hash of ann-password", 200),
    ],
)
async def test_what_a_first_password_takes(
    house: House, way: Way, fresh_until: float, password: str | None, status: int
) -> None:
    name = "new"
    draft = MemberDraft(name=name, password=Secret(password) if password else None)
    member = await house.members.add_member(draft)
    actor = Actor(user_id=member.id, name=name, way=way, fresh_until=fresh_until)

    class Known:
        async def who(self, scope: Scope, address: str) -> Actor:
            return actor

    own = OwnAccount(house.members, Plain(), house.storage, Counted(), clock=lambda: 100.0)
    admin = Admin(own.routes(), doorkeeper=Known(), events=Written())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=admin), base_url="http://admin") as client:
        assert (await client.put("/user/self", json={"password": "a-new-one"})).status_code == status
