"""Registration, codes by mail and forgotten passwords: nobody learns who is here, and nothing is guessed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from servers.prepared import Prepared

from oneapi_asgi.admin.mail import Letter, Outbox
from oneapi_asgi.admin.register import Registration
from oneapi_asgi.admin.turnstile import Turnstile
from oneapi_asgi.desk.members import Member, MemberChange, MemberDraft
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import Secret
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.codes import SQLCodes
from oneapi_asgi.storage.sql.desk.members import SQLMembers

from .net import Answer, Asked, Told, fetching, listening
from .outsiders import Counted, Kept, Plain
from .rig import Written, as_, asked

PASSWORD = "correct horse"


class Letters:
    def __init__(self) -> None:
        self.sent: list[Letter] = []

    async def send(self, letter: Letter) -> None:
        self.sent.append(letter)


class Cloudflare:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.broken = False

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if self.broken:
            return 200, {}, b"<html>"
        return 200, {}, b'{"success": true}' if b"response=good&" in asked.body else b'{"success": "true"}'


@dataclass
class Scene:
    client: httpx2.AsyncClient
    members: SQLMembers
    options: Told
    letters: Letters
    outbox: Outbox
    cloudflare: Cloudflare
    kept: Kept
    events: Written

    async def post(self, path: str, headers: dict[str, str] | None = None, **body: object) -> httpx2.Response:
        return await self.client.post(path, json=body, headers=headers)

    async def code(self, path: str, **body: object) -> str | None:
        answer = await self.post(path, None, **body)
        return None if answer.status_code == 200 else answer.json()["code"]

    async def letter(self) -> Letter:
        await asyncio.wait_for(self.outbox.emptied(), 10)
        return self.letters.sent[-1]

    async def mailed(self, pattern: str) -> str:
        found = re.search(pattern, (await self.letter()).text)
        assert found is not None
        return found[1]

    async def known(self, name: str) -> Member:
        member = await self.members.member_named(name)
        assert member is not None
        return member


@pytest.fixture
async def scene(tmp_path: Path, prepared: Prepared) -> AsyncIterator[Scene]:
    letters, cloudflare, kept, events = Letters(), Cloudflare(), Kept(), Written()
    options = Told(RegisterEnabled=True, PasswordRegisterEnabled=True, SMTPServer="a.example", SystemName="Gate",
                   ServerAddress="https://gate.example")  # fmt: skip
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(SQLStorage(stack.enter_context(prepared("sqlite", tmp_path))))
        url = await stack.enter_async_context(listening(cloudflare))
        fetcher = await stack.enter_async_context(fetching())
        outbox = await stack.enter_async_context(Outbox(letters, options))
        members = SQLMembers(storage)
        turnstile = Turnstile(fetcher, options, url=f"{url}/siteverify")
        registration = Registration(members, Plain(), kept, SQLCodes(storage), Counted(), turnstile, outbox, options)
        client = await stack.enter_async_context(asked(registration.routes(), events))
        del client.headers["x-actor"]
        yield Scene(client, members, options, letters, outbox, cloudflare, kept, events)


async def test_registration(scene: Scene) -> None:
    scene.options.values |= {"QuotaForNewUser": 1_000}
    answer = await scene.post(
        "/user/register", username="ann", password=PASSWORD, password2=PASSWORD, email="a@b.example"
    )
    assert answer.json() == {"success": True, "message": "", "data": None}
    ann = await scene.known("ann")
    assert (ann.role, ann.quota, ann.email, ann.group) == (Role.COMMON, 2_000_000, None, "default")
    credentials = await scene.members.credentials(ann.id)
    assert credentials is not None
    assert credentials.password == Secret(f"plain {PASSWORD}")
    [event] = scene.events.events
    assert (event.action, event.user_id, event.user_name) == ("user.register", ann.id, "ann")
    assert PASSWORD not in repr(event)


async def test_an_invitation(scene: Scene) -> None:
    scene.options.values |= {"QuotaForNewUser": 1_000, "QuotaForInvitee": 10, "QuotaForInviter": 5}
    ann = await scene.members.add_member(MemberDraft(name="ann"))
    assert await scene.code("/user/register", username="bob", password=PASSWORD, aff_code=ann.invite_code) is None
    bob = await scene.known("bob")
    assert (bob.quota, bob.inviter_id) == (1_010 * 2_000, ann.id)
    assert (await scene.known("ann")).quota == 5 * 2_000
    assert await scene.code("/user/register", username="eve", password=PASSWORD, aff_code="nobody") is None
    assert (await scene.known("eve")).quota == 1_000 * 2_000


@pytest.mark.parametrize(
    ("body", "code"),
    [({"username": "bob"}, "username_taken"), ({"username": "root"}, "invalid_name"),
     ({"username": "a@b.example"}, "invalid_name"),
     ({"username": ""}, "invalid_body"), ({"username": "a" * 65}, "invalid_body"),
     ({"username": "a\n"}, "invalid_name"),
     ({"password": "short"}, "weak_password"), ({"password": "a" * 1025}, "invalid_body"),
     ({"password": 1}, "invalid_body"),
     *[({name: 100}, "unknown_field") for name in ("role", "quota", "id", "status", "group", "inviter_id", "admin",
                                                   "wallet", "access_token", "must_change_password")]],
)  # fmt: skip
async def test_what_cannot_be_registered(scene: Scene, body: dict[str, Any], code: str) -> None:
    await scene.members.add_member(MemberDraft(name="bob"))
    assert await scene.code("/user/register", **({"username": "ann", "password": PASSWORD} | body)) == code
    assert await scene.members.member(3) is None
    assert scene.events.events == []


@pytest.mark.parametrize("flag", ["RegisterEnabled", "PasswordRegisterEnabled"])
async def test_closed(scene: Scene, flag: str) -> None:
    scene.options.values[flag] = False
    assert await scene.code("/user/register", username="ann", password=PASSWORD) == "registration_closed"


async def test_with_a_code(scene: Scene) -> None:
    scene.options.values["EmailVerificationEnabled"] = True
    body = {"username": "ann", "password": PASSWORD, "email": "Ann@A.example"}
    assert await scene.code("/user/register", **body | {"email": ""}) == "invalid_email"
    assert await scene.code("/user/register", **body) == "wrong_code"
    assert await scene.code("/verification", email="ann@a.example") is None
    code = await scene.mailed(r"code is (\d{6,})\.")
    assert (await scene.letter()).to == "ann@a.example"
    assert await scene.code("/user/register", **body, verification_code="x") == "wrong_code"
    other = body | {"email": "bob@a.example"}
    assert await scene.code("/user/register", **other, verification_code=code) == "wrong_code"
    assert await scene.code("/user/register", **body, verification_code=code) is None
    assert (await scene.known("ann")).email == "ann@a.example"
    again = body | {"username": "ann2"}
    assert await scene.code("/user/register", **again, verification_code=code) == "wrong_code"


async def test_a_name_that_is_taken_uses_up_no_code(scene: Scene) -> None:
    scene.options.values["EmailVerificationEnabled"] = True
    await scene.members.add_member(MemberDraft(name="bob"))
    await scene.post("/verification", email="ann@a.example")
    code = await scene.mailed(r"code is (\d+)")
    body = {"password": PASSWORD, "email": "ann@a.example", "verification_code": code}
    assert await scene.code("/user/register", username="bob", **body) == "username_taken"
    assert await scene.code("/user/register", username="ann", **body) is None


async def test_codes_are_not_guessed(scene: Scene) -> None:
    """G79: after five tries the code is gone, after ten nobody is listened to."""
    scene.options.values["EmailVerificationEnabled"] = True
    body = {"username": "ann", "password": PASSWORD, "email": "ann@a.example"}
    await scene.post("/verification", email="ann@a.example")
    code = await scene.mailed(r"code is (\d+)")
    said = [await scene.code("/user/register", **body, verification_code="x") for _ in range(5)]
    assert said == ["wrong_code"] * 5
    said = [await scene.code("/user/register", **body, verification_code=code) for _ in range(20)]
    assert said == ["wrong_code"] * 5 + ["rate_limit_exceeded"] * 15


async def test_letters_are_not_for_flooding(scene: Scene) -> None:
    said = [await scene.code("/verification", email="ann@a.example") for _ in range(12)]
    assert said == [None] * 10 + ["rate_limit_exceeded"] * 2
    assert await scene.code("/reset_password", email="bob@a.example") == "rate_limit_exceeded"  # from there
    await scene.letter()
    assert len(scene.letters.sent) == 10


@pytest.mark.parametrize("path", ["/verification", "/reset_password"])
async def test_answers_do_not_tell_who_is_here(scene: Scene, path: str) -> None:
    await scene.members.add_member(MemberDraft(name="ann", email="ann@a.example", password=Secret("x")))
    off = await scene.members.add_member(MemberDraft(name="off", email="off@a.example", password=Secret("x")))
    await scene.members.change_member(off.id, MemberChange(enabled=False))
    answers = [await scene.post(path, email=f"{name}@a.example") for name in ("ann", "off", "bob")]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    own = {name: value for name, value in answers[0].headers.items() if "request-id" not in name}
    assert all(own.items() <= dict(answer.headers).items() for answer in answers)
    assert len(scene.kept.kept) == (0 if path == "/verification" else 3)  # as much is written for each


async def test_what_is_here_is_told_by_letter(scene: Scene) -> None:
    await scene.members.add_member(MemberDraft(name="ann", email="ann@a.example"))
    await scene.post("/verification", email="ann@a.example")
    assert "belongs to an account already" in (await scene.letter()).text
    await scene.post("/reset_password", email="bob@a.example")
    await scene.letter()
    assert len(scene.letters.sent) == 1


@pytest.mark.parametrize(
    "email", ["a@b.example\r\nBcc: c@d.example", "a@b.example,c@d.example", "<a@b.example>", "a@b", "a b@c.example", "",
              "@b.example", "a" * 250 + "@b.example", "a@b.example\x00"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/verification", "/reset_password"])
async def test_what_is_no_address(scene: Scene, path: str, email: str) -> None:
    assert await scene.code(path, email=email) in ("invalid_email", "invalid_body")
    await asyncio.wait_for(scene.outbox.emptied(), 10)
    assert scene.letters.sent == []


async def test_domains(scene: Scene) -> None:
    scene.options.values |= {"EmailDomainRestrictionEnabled": True, "EmailDomainWhitelist": "a.example, B.example"}
    said = [await scene.code("/verification", email=f"ann@{domain}") for domain in
            ("a.example", "b.EXAMPLE", "sub.a.example", "a.example.evil", "evila.example", "c.example")]  # fmt: skip
    assert said == [None, None] + ["email_domain"] * 4
    scene.options.values["EmailDomainWhitelist"] = ""
    assert await scene.code("/verification", email="ann@a.example") == "email_domain"


async def test_a_password_is_set_anew(scene: Scene) -> None:
    ann = await scene.members.add_member(
        MemberDraft(name="ann", email="ann@a.example", password=Secret("old"), must_change_password=True)
    )
    await scene.post("/reset_password", email="ANN@a.example")
    token = await scene.mailed(r"https://gate\.example/user/reset\?email=ann%40a\.example&token=(\S+)")
    for body in ({"email": "bob@a.example"}, {"token": "x"}):
        assert await scene.code("/user/reset", **{"email": "ann@a.example", "token": "x"} | body) == "wrong_token"
    assert await scene.code("/user/reset", email="ann@a.example", token=token, password="short") == "weak_password"
    answer = await scene.post("/user/reset", email="ann@a.example", token=token)
    password = answer.json()["data"]
    assert len(password) == 20
    credentials = await scene.members.credentials(ann.id)
    assert credentials is not None
    assert (credentials.password, credentials.must_change_password) == (Secret(f"plain {password}"), False)
    assert await scene.code("/user/reset", email="ann@a.example", token=token) == "wrong_token"
    assert "all sessions have ended" in (await scene.letter()).text
    assert password not in repr(scene.events.events)


async def test_a_link_opens_one_door(scene: Scene) -> None:
    """It is good for its own address, as long as that is the user's, and the password is not another one."""
    ann = await scene.members.add_member(MemberDraft(name="ann", email="ann@a.example", password=Secret("old")))
    await scene.members.add_member(MemberDraft(name="bob", email="bob@a.example", password=Secret("old")))

    async def link() -> str:
        await scene.post("/reset_password", email="ann@a.example")
        return await scene.mailed(r"token=(\S+)")

    assert await scene.code("/user/reset", email="bob@a.example", token=await link()) == "wrong_token"
    first, second = await link(), await link()
    answer = await scene.post("/user/reset", email="ann@a.example", token=second, password=PASSWORD)
    assert (answer.status_code, answer.json()["data"]) == (200, "")
    assert await scene.code("/user/reset", email="ann@a.example", token=first) == "wrong_token"
    third = await link()
    await scene.members.change_member(ann.id, MemberChange(email="new@a.example"))
    for email in ("ann@a.example", "new@a.example"):
        assert await scene.code("/user/reset", email=email, token=third) == "wrong_token"
    assert await scene.members.credentials(ann.id) is not None


@pytest.mark.parametrize("end", ["disable", "delete"])
async def test_a_link_of_somebody_who_is_gone(scene: Scene, end: str) -> None:
    ann = await scene.members.add_member(MemberDraft(name="ann", email="ann@a.example", password=Secret("old")))
    await scene.post("/reset_password", email="ann@a.example")
    token = await scene.mailed(r"token=(\S+)")
    if end == "disable":
        await scene.members.change_member(ann.id, MemberChange(enabled=False))
    else:
        await scene.members.delete_member(ann.id)
    assert await scene.code("/user/reset", email="ann@a.example", token=token) == "wrong_token"


async def test_what_opens_nothing(scene: Scene) -> None:
    """For an address that nobody has a secret is kept as well, and is not good for anything."""
    await scene.post("/reset_password", email="bob@a.example")
    [(kind, token)] = scene.kept.kept
    assert kind != "reset"
    assert await scene.code("/user/reset", email="bob@a.example", token=token) == "wrong_token"


async def test_an_address_is_bound_with_its_code(scene: Scene) -> None:
    ann = await scene.members.add_member(MemberDraft(name="ann", email="old@a.example"))
    actor = as_(Role.COMMON, ann.id, "ann")
    await scene.post("/verification", email="ann@a.example")
    code = await scene.mailed(r"code is (\d+)")
    answer = await scene.post("/oauth/email/bind", headers=actor, email="bob@a.example", code=code)
    assert answer.json()["code"] == "wrong_code"
    assert (await scene.post("/oauth/email/bind", email="ann@a.example", code=code)).status_code == 401
    foreign = actor | {"origin": "https://evil.example"}
    answer = await scene.post("/oauth/email/bind", headers=foreign, email="ann@a.example", code=code)
    assert answer.json()["code"] == "cross_site_request"
    answer = await scene.post("/oauth/email/bind", headers=actor, email="ann@a.example", code=code)
    assert answer.status_code == 200
    assert (await scene.known("ann")).email == "ann@a.example"
    assert (await scene.letter()).to == "old@a.example"


async def test_no_mail(scene: Scene) -> None:
    scene.options.values["SMTPServer"] = ""
    assert await scene.code("/verification", email="ann@a.example") == "mail_not_set_up"
    scene.options.values |= {"SMTPServer": "a.example", "ServerAddress": ""}
    assert await scene.code("/reset_password", email="ann@a.example") == "server_address_missing"


@pytest.mark.parametrize("path", ["/verification?email=ann@a.example", "/reset_password?email=ann@a.example",
                                  "/oauth/email/bind?email=ann@a.example&code=1"])  # fmt: skip
async def test_a_get_does_nothing(scene: Scene, path: str) -> None:
    assert (await scene.client.get(path)).status_code == 405
    assert scene.kept.kept == {}


# Turnstile


BODIES = {
    "/verification": {"email": "ann@a.example"},
    "/reset_password": {"email": "ann@a.example"},
    "/user/register": {"username": "ann", "password": PASSWORD},
}


@pytest.mark.parametrize("path", BODIES)
async def test_turnstile(scene: Scene, path: str) -> None:
    first = BODIES[path] | ({"username": "first"} if "register" in path else {})
    assert await scene.code(path, **first) is None
    assert scene.cloudflare.asked == []
    scene.options.values |= {"TurnstileCheckEnabled": True, "TurnstileSecretKey": "0x secret"}
    assert await scene.code(path, **BODIES[path]) == "turnstile_refused"
    assert await scene.code(f"{path}?turnstile=bad", **BODIES[path]) == "turnstile_refused"
    assert [one.path for one in scene.cloudflare.asked] == ["/siteverify"]
    assert await scene.code(f"{path}?turnstile=good", **BODIES[path]) is None
    assert scene.cloudflare.asked[-1].body == b"secret=0x+secret&response=good&remoteip=127.0.0.1"


async def test_turnstile_that_does_not_answer(scene: Scene) -> None:
    scene.options.values |= {"TurnstileCheckEnabled": True}
    scene.cloudflare.broken = True
    assert await scene.code("/verification?turnstile=good", email="ann@a.example") == "turnstile_unavailable"
