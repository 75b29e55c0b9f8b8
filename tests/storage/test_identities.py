"""Accounts elsewhere, and codes that people type, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from servers.databases import KINDS
from servers.prepared import Prepared

from oneapi_asgi.desk.identities import Identity, LastWay, oidc_subject
from oneapi_asgi.desk.members import MemberDraft, Taken
from oneapi_asgi.models import Secret
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.codes import SQLCodes, SQLSecrets
from oneapi_asgi.storage.sql.desk.identities import SQLIdentities
from oneapi_asgi.storage.sql.desk.members import SQLMembers

HUB = Identity("github", "583231", "octocat")


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self, now: float) -> float:
        return now + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
async def storage(
    request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared, clock: Clock
) -> AsyncIterator[SQLStorage]:
    with prepared(request.param, tmp_path) as url:
        async with SQLStorage(url, clock=clock) as storage:
            yield storage


async def test_an_identity_belongs_to_one_user(storage: SQLStorage) -> None:
    members, identities = SQLMembers(storage), SQLIdentities(storage)
    ann = await members.add_member(MemberDraft(name="ann", password=Secret("x")))
    bob = await members.add_member(MemberDraft(name="bob", password=Secret("x")))
    await identities.bind_identity(ann.id, HUB)
    await identities.bind_identity(ann.id, HUB)
    assert await identities.find_identity("github", "583231") == ann.id
    for user_id, identity in ((bob.id, HUB), (ann.id, Identity("github", "2"))):
        with pytest.raises(ValueError, match="bound"):
            await identities.bind_identity(user_id, identity)
    with pytest.raises(KeyError):
        await identities.bind_identity(99, Identity("github", "2"))
    for near in (("github", "58323"), ("github", "583231 "), ("oidc", "583231"), ("GitHub", "583231")):
        assert await identities.find_identity(*near) is None
    await identities.bind_identity(ann.id, Identity("oidc", "https://a.example Ann"))
    await identities.bind_identity(bob.id, Identity("oidc", "https://a.example ann"))  # another, to the letter
    await identities.unbind_identity(ann.id, "github")
    with pytest.raises(KeyError):
        await identities.unbind_identity(ann.id, "github")
    await members.delete_member(bob.id)
    assert await identities.find_identity("oidc", "https://a.example ann") is None
    await identities.bind_identity(ann.id, HUB)


async def test_a_user_registers_with_an_identity_or_not_at_all(storage: SQLStorage) -> None:
    members, identities = SQLMembers(storage), SQLIdentities(storage)
    ann = await identities.register_identity(MemberDraft(name="ann", wallet=7), HUB)
    assert (await identities.find_identity("github", "583231"), ann.quota) == (ann.id, 7)
    with pytest.raises(ValueError, match="another user"):
        await identities.register_identity(MemberDraft(name="bob", wallet=7), HUB)
    assert await members.member_named("bob") is None
    with pytest.raises(Taken):
        await identities.register_identity(MemberDraft(name="ann"), Identity("github", "2"))
    with pytest.raises(LastWay):
        await identities.unbind_identity(ann.id, "github")
    assert await storage.audit() == []


async def test_many_register_at_once_with_one_identity(storage: SQLStorage) -> None:
    identities = SQLIdentities(storage)
    drafts = [MemberDraft(name=f"u{number}") for number in range(6)]
    said = await asyncio.gather(*[identities.register_identity(draft, HUB) for draft in drafts], return_exceptions=True)
    assert sorted(isinstance(one, ValueError) for one in said) == [False] + [True] * 5


def test_subjects_of_issuers_do_not_meet() -> None:
    said = [oidc_subject("https://a.example", "b"), oidc_subject("https://a.example/b", ""),
            oidc_subject("https://a.example", "B"), oidc_subject("https://a.example", "b" * 255),
            oidc_subject("https://a.example/" + "b" * 237, "b" * 17)]  # fmt: skip
    assert len(set(said)) == len(said)
    assert max(map(len, said)) <= 255


async def test_a_code_is_good_once(storage: SQLStorage) -> None:
    codes = SQLCodes(storage)
    code = await codes.make_code("email", "ann@a.example", "data", 600)
    assert len(code) == 6
    assert code.isdigit()
    for kind, subject in (("email", "bob@a.example"), ("other", "ann@a.example")):
        assert await codes.take_code(kind, subject, code) is None
    assert await codes.take_code("email", "ann@a.example", code) == "data"
    assert await codes.take_code("email", "ann@a.example", code) is None


async def test_a_code_has_five_tries(storage: SQLStorage) -> None:
    codes = SQLCodes(storage)
    for wrong, good in ((4, "data"), (5, None)):
        code = await codes.make_code("email", "ann@a.example", "data", 600)
        tries = [f"{(int(code) + one) % 10**6:06}" for one in range(1, wrong + 1)]
        assert [await codes.take_code("email", "ann@a.example", one) for one in tries] == [None] * wrong
        assert await codes.take_code("email", "ann@a.example", code) == good


async def test_a_code_ends(storage: SQLStorage, clock: Clock) -> None:
    codes = SQLCodes(storage)
    code = await codes.make_code("email", "ann@a.example", "data", 600)
    clock.ahead = 601
    assert await codes.take_code("email", "ann@a.example", code) is None
    first = await codes.make_code("email", "ann@a.example", "first", 600)
    second = await codes.make_code("email", "ann@a.example", "second", 600)
    if first != second:
        assert await codes.take_code("email", "ann@a.example", first) is None
    assert await codes.take_code("email", "ann@a.example", second) == "second"


async def test_many_at_once_have_five_tries_and_one_success(storage: SQLStorage) -> None:
    codes = SQLCodes(storage)
    code = await codes.make_code("email", "a", "data", 600)
    said = await asyncio.gather(*[codes.take_code("email", "a", code) for _ in range(8)])
    assert said.count("data") == 1
    code = await codes.make_code("email", "a", "data", 600)
    await asyncio.gather(*[codes.take_code("email", "a", f"x{one}") for one in range(20)])
    assert await codes.take_code("email", "a", code) is None
    made = await asyncio.gather(*[codes.make_code("email", "b", str(one), 600) for one in range(6)])
    good = [await codes.take_code("email", "b", one) for one in dict.fromkeys(made)]
    assert len([one for one in good if one is not None]) <= 1


async def test_a_secret_is_good_once(storage: SQLStorage, clock: Clock) -> None:
    secrets = SQLSecrets(storage)
    first, second = [await secrets.make("oauth", "github", data, 600) for data in ("first", "second")]
    assert len(first) == 43
    for kind, secret in (("reset", first), ("oauth", ""), ("oauth", first.swapcase()), ("oauth", first + " ")):
        assert await secrets.take(kind, secret) is None
    said = await asyncio.gather(*[secrets.take("oauth", first) for _ in range(8)])
    assert sorted(one or "" for one in said) == [""] * 7 + ["first"]
    clock.ahead = 601
    assert await secrets.take("oauth", second) is None
    third = await secrets.make("oauth", "github", "third", 600)
    assert await secrets.take("oauth", third) == "third"


async def test_many_secrets_at_once(storage: SQLStorage, clock: Clock) -> None:
    """Those that are over are cleared away meanwhile."""
    secrets = SQLSecrets(storage)
    for _ in range(20):
        await secrets.make("oauth", "github", "old", 1)
    clock.ahead = 10
    made = await asyncio.gather(*[secrets.make("oauth", "github", str(one), 600) for one in range(20)])
    taken = await asyncio.gather(*[secrets.take("oauth", one) for one in made])
    assert list(taken) == [str(one) for one in range(20)]
