"""Signing in: what opens an account, what ends a session, what nobody guesses (G78, G79, G81, G82, G87)."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import bcrypt
import pytest
from servers.prepared import Prepared

from oneapi_asgi.desk.members import MemberChange, MemberDraft
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import Secret

from .doors import CHEAP, PASSWORD, PROXY, Browser, Doors, code_of, opened

ANN = 2


@pytest.fixture
async def doors(tmp_path: Path, prepared: Prepared) -> AsyncIterator[Doors]:
    async with opened(tmp_path, prepared) as doors:
        yield doors


@pytest.fixture
async def browser(doors: Doors) -> AsyncIterator[Browser]:
    async with doors.browser() as browser:
        yield browser


@pytest.mark.parametrize("name", ["ann", "ann@a.example", "Ann@A.example"])
async def test_who_knows_the_password_is_in(doors: Doors, browser: Browser, name: str) -> None:
    assert await browser.is_in() == "not_signed_in"
    answer = await browser.login(name)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["data"]["username"], answer.json()["data"]["password"]) == ("ann", "")
    assert await browser.is_in() is None
    (event,) = doors.events.events
    assert (event.action, event.user_id) == ("user.login", ANN)
    assert (await doors.members.member(ANN)).last_login_at  # type: ignore[union-attr]
    assert await browser.code("/user/logout") is None
    assert await browser.is_in() == "not_signed_in"


@pytest.mark.parametrize(
    ("name", "password", "status", "told"),
    [
        *(
            (name, password, 403, "wrong_credentials")
            for name, password in (
                ("ann", "wrong"), ("ann", ""), ("ann", PASSWORD + "x"), ("ann", "x" * 1024), ("bob", PASSWORD),
                ("Ann", PASSWORD), ("b@b.example", PASSWORD), ("elsewhere", PASSWORD),
            )
        ),
        ("ann\x00", PASSWORD, 400, "invalid_body"),
        ("ann", "\ud800", 400, "invalid_json"),
    ],
)  # fmt: skip
async def test_nobody_else_is(doors: Doors, browser: Browser, name: str, password: str, status: int, told: str) -> None:
    await doors.members.add_member(MemberDraft(name="elsewhere"))
    body = f'{{"username": "{name}", "password": "{password}"}}'.encode("ascii", "backslashreplace")
    body = body.replace(b"\\x00", b"\\u0000").replace(b"\x00", b"\\u0000")
    answer = await browser.client.post("/user/login", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, told), answer.text
    assert "set-cookie" not in answer.headers
    assert doors.events.events == []


async def test_the_disabled_are_told_if_it_is_them(doors: Doors, browser: Browser) -> None:
    await browser.login("ann")
    await doors.members.change_member(ANN, MemberChange(enabled=False))
    assert await browser.is_in() == "session_ended"
    assert (await browser.login("ann", "wrong")).json()["code"] == "wrong_credentials"
    assert (await browser.login("ann")).json()["code"] == "user_disabled"


async def test_where_passwords_are_no_way_in_root_still_has_one(doors: Doors, browser: Browser) -> None:
    doors.options.values["PasswordLoginEnabled"] = False
    await doors.add("boss", role=Role.ROOT)
    assert (await browser.login("ann")).json()["code"] == "password_login_disabled"
    assert (await browser.login("boss")).status_code == 200


@pytest.mark.parametrize("password", ["123456", "password", "aaaaaaaa"])
async def test_a_password_that_everybody_knows_is_changed_first(doors: Doors, browser: Browser, password: str) -> None:
    """G78: so does one that was moved in."""
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    await doors.members.add_member(MemberDraft(name="old", password=Secret(hashed)))
    assert (await browser.login("old", password)).status_code == 200
    assert await browser.code("/user/session", "GET") == "password_change_required"
    assert await browser.code("/user/token") == "password_change_required"
    again = await browser.client.put("/user/self", json={"password": password, "original_password": password})
    assert again.json()["code"] == "invalid_password"
    done = await browser.client.put("/user/self", json={"password": "a better one", "original_password": password})
    assert done.status_code == 200, done.text
    assert await browser.code("/user/session", "GET") is None


async def test_a_hash_that_moved_in_gives_way_to_a_better_one(doors: Doors, browser: Browser) -> None:
    hashed = bcrypt.hashpw(b"what they had there", bcrypt.gensalt(4)).decode()
    moved = await doors.members.add_member(MemberDraft(name="old", password=Secret(hashed)))
    assert (await browser.login("old", "what they had there, not")).status_code == 403
    assert (await doors.members.credentials(moved.id)).password.reveal() == hashed  # type: ignore[union-attr]
    for _ in range(2):
        assert (await browser.login("old", "what they had there")).status_code == 200
        assert await browser.is_in() is None
        kept = await doors.members.credentials(moved.id)
        assert kept is not None
        assert kept.password is not None
        assert kept.password.reveal().startswith("$argon2id$")


# Sessions (G81)


async def test_no_session_is_carried_in_from_outside(doors: Doors, browser: Browser) -> None:
    browser.client.cookies.set("oneapi_session", "chosen-by-somebody-else")
    first = await browser.login("ann")
    given = first.cookies["oneapi_session"]
    assert given != "chosen-by-somebody-else"
    again = (await browser.login("ann")).cookies["oneapi_session"]
    assert again != given
    async with doors.browser() as other:
        other.client.cookies.set("oneapi_session", given)
        assert await other.is_in() == "session_ended"


@pytest.mark.parametrize("ending", ["logout", "password", "role", "disabled", "deleted", "by an admin", "elsewhere"])
async def test_an_ended_session_stays_ended(doors: Doors, browser: Browser, ending: str) -> None:
    await doors.add("boss", role=Role.ROOT)
    await browser.login("ann")
    async with doors.browser() as thief, doors.browser() as boss:
        thief.client.cookies.update(browser.client.cookies)
        assert await thief.is_in() is None
        await boss.login("boss")
        match ending:
            case "logout":
                await browser.post("/user/logout")
            case "password":
                await doors.members.change_member(ANN, MemberChange(password=Secret("x")))
            case "role":
                await doors.members.change_member(ANN, MemberChange(role=Role.ADMIN))
            case "disabled":
                await doors.members.change_member(ANN, MemberChange(enabled=False))
            case "deleted":
                await doors.members.delete_member(ANN)
            case "by an admin":
                assert await boss.code(f"/user/{ANN}/session", "DELETE") is None
            case "elsewhere":
                async with doors.browser() as third:
                    await third.login("ann")
                    assert (await third.ask("DELETE", "/user/session")).json()["data"] == 1
                    assert await third.is_in() is None
        assert await thief.is_in() == "session_ended"
        assert await boss.is_in() is None


async def test_a_new_password_keeps_the_session_it_was_set_in(doors: Doors, browser: Browser) -> None:
    async with doors.browser() as other:
        await other.login("ann")
        await browser.login("ann")
        change = {"password": "another word", "original_password": PASSWORD}
        assert (await browser.client.put("/user/self", json=change)).status_code == 200
        assert await browser.is_in() is None
        assert await other.is_in() == "session_ended"


async def test_sessions_are_listed_and_ended_one_by_one(doors: Doors, browser: Browser) -> None:
    await doors.add("bob")
    async with doors.browser(headers={"user-agent": "a phone"}) as phone, doors.browser() as bob:
        await phone.login("ann")
        await browser.login("ann")
        await bob.login("bob")
        rows = (await browser.ask("GET", "/user/session")).json()["data"]
        assert [(row["current"], row["address"]) for row in rows] == [(True, "192.0.2.1"), (False, "192.0.2.1")]
        key = next(row["key"] for row in rows if row["agent"] == "a phone")
        assert await bob.code(f"/user/session/{key}", "DELETE") == "session_not_found"
        assert await phone.is_in() is None
        assert await browser.code(f"/user/session/{key}", "DELETE") is None
        assert await phone.is_in() == "session_ended"
        phone.client.cookies.set("oneapi_session", key)
        assert await phone.is_in() == "session_ended"


async def test_a_session_is_over_after_a_fortnight(doors: Doors, browser: Browser) -> None:
    await browser.login("ann")
    doors.moved = 13.9 * 86_400
    assert await browser.is_in() is None
    doors.moved = 14.1 * 86_400
    assert await browser.is_in() == "session_ended"


@pytest.mark.parametrize(
    ("address", "base", "headers", "secure"),
    [
        ("192.0.2.1", "http://here", {}, False),
        ("192.0.2.1", "https://here", {}, True),
        ("192.0.2.1", "http://here", {"x-forwarded-proto": "https"}, False),
        (PROXY, "http://here", {"x-forwarded-proto": "https"}, True),
        (PROXY, "http://here", {}, False),
    ],
)
async def test_flags_of_the_cookie(
    doors: Doors, address: str, base: str, headers: dict[str, str], secure: bool
) -> None:
    async with doors.browser(address, base=base, headers=headers) as browser:
        cookie = (await browser.login("ann")).headers["set-cookie"]
        name, _, rest = cookie.partition("=")
        flags = set(rest.split("; ")[1:])
        assert name == ("__Host-oneapi_session" if secure else "oneapi_session")
        assert flags == {"Path=/", "Max-Age=1209600", "HttpOnly", "SameSite=Lax"} | ({"Secure"} if secure else set())


# Guessing (G79)


async def test_ten_guesses_of_an_account_in_a_quarter_of_an_hour(doors: Doors) -> None:
    """From wherever they come, by whatever name, and with whatever the proxy is not believed to say."""
    codes: list[str | None] = []
    for turn in range(60):
        headers = {"x-forwarded-for": f"198.51.100.{turn}"}
        async with doors.browser(f"203.0.113.{turn}", headers=headers) as browser:
            codes.append(
                await browser.code("/user/login", username=("ann", "ann@a.example")[turn % 2], password="wrong")
            )
    assert codes == ["wrong_credentials"] * 10 + ["too_many_tries"] * 50
    async with doors.browser() as browser:
        assert (await browser.login("ann")).json()["code"] == "too_many_tries"
        doors.moved = 901
        assert (await browser.login("ann")).status_code == 200


async def test_guesses_at_one_moment_are_no_more(doors: Doors, browser: Browser) -> None:
    answers = await asyncio.gather(*(browser.login("ann", "wrong") for _ in range(40)))
    assert [answer.status_code for answer in answers].count(403) == 10
    assert all(int(answer.headers["retry-after"]) > 800 for answer in answers if answer.status_code == 429)


async def test_who_knows_it_may_sign_in_as_often_as_they_like(doors: Doors, browser: Browser) -> None:
    assert [(await browser.login("ann")).status_code for _ in range(15)] == [200] * 15


async def test_one_address_tries_fifty_accounts(doors: Doors) -> None:
    async with doors.browser("203.0.113.9", headers={"x-forwarded-for": "1.2.3.4"}) as browser:
        codes = [await browser.code("/user/login", username=f"u{turn}", password="x") for turn in range(55)]
    assert codes == ["wrong_credentials"] * 50 + ["too_many_tries"] * 5


async def test_behind_a_trusted_proxy_callers_are_told_apart(doors: Doors) -> None:
    for turn in range(55):
        async with doors.browser(PROXY, headers={"x-forwarded-for": f"203.0.113.{turn}"}) as browser:
            assert await browser.code("/user/login", username=f"u{turn}", password="x") == "wrong_credentials"


# What a foreign page can have a browser do (G82)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json", "origin": "https://evil.example"},
        {"content-type": "application/json", "origin": "null"},
        {"content-type": "application/json", "sec-fetch-site": "cross-site"},
        {"content-type": "application/json", "sec-fetch-site": "same-site", "origin": "http://a.here"},
    ],
    ids=str,
)
async def test_no_foreign_page_changes_anything(doors: Doors, browser: Browser, headers: dict[str, str]) -> None:
    await browser.login("ann")
    before = doors.kept()
    body = b'{"display_name": "x", "password": "another one", "original_password": "a word of ann\'s"}'
    refused = await browser.ask("PUT", "/user/self", content=body, headers=headers)
    assert refused.status_code in (403, 415), refused.text
    if "origin" in headers or "sec-fetch-site" in headers:
        for method, path in (("POST", "/user/logout"), ("DELETE", "/user/session"), ("POST", "/user/token")):
            assert (await browser.ask(method, path, content=b"{}", headers=headers)).status_code == 403
    assert doors.kept() == before


async def test_no_get_writes(doors: Doors, browser: Browser) -> None:
    await doors.add("boss", role=Role.ROOT)
    await browser.login("boss")
    before = doors.kept()
    for route in doors.admin.routes:
        path = route.path.replace("{id}", str(ANN)).replace("{key}", "x")
        await browser.ask("GET", path)
    assert doors.kept() == before


BY_SCRIPT = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}


@pytest.mark.parametrize("path", ["/user/logout", "/user/token"])
@pytest.mark.parametrize(
    ("headers", "meant"),
    [
        (BY_SCRIPT, True),
        ({}, False),
        (BY_SCRIPT | {"sec-fetch-site": "cross-site"}, False),
        (BY_SCRIPT | {"sec-fetch-site": "same-site"}, False),
        (BY_SCRIPT | {"sec-fetch-site": "none"}, False),
        (BY_SCRIPT | {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, False),
        (BY_SCRIPT | {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, False),
        (BY_SCRIPT | {"origin": "https://evil.example"}, False),
    ],
    ids=str,
)
async def test_what_one_api_gets_only_who_means_it(
    doors: Doors, browser: Browser, path: str, headers: dict[str, str], meant: bool
) -> None:
    await browser.login("ann")
    before = doors.kept()
    answer = await browser.ask("GET", path, headers=headers)
    assert answer.status_code == (200 if meant else 403 if "origin" in headers else 405)
    assert (doors.kept() == before) is not meant


async def test_a_script_with_a_token_may_get_it_too(doors: Doors, browser: Browser) -> None:
    await browser.login("ann")
    token = (await browser.post("/user/token")).json()["data"]
    async with doors.browser() as script:
        answer = await script.ask("GET", "/user/token", headers={"authorization": token})
        assert answer.json()["data"] not in (None, token)
        assert (await script.ask("GET", "/user/token", headers={"authorization": token})).status_code == 401


# Timing (G87)


async def test_a_refusal_takes_as_long_whoever_it_is(doors: Doors) -> None:
    """Of an account that is there, and of one that is not: at the same beat, by the median."""
    times: dict[str, list[float]] = {"ann": [], "nobody": []}
    doors.signing._beat = 0.25  # as in earnest
    for turn in range(6):
        for name, taken in times.items():
            async with doors.browser(f"203.0.113.{turn}") as browser:
                begun = time.perf_counter()
                assert (await browser.login(name, "wrong")).status_code == 403
                taken.append(time.perf_counter() - begun)
    medians = [statistics.median(taken) for taken in times.values()]
    assert abs(medians[0] - medians[1]) < 0.05
    assert all(median >= 0.25 for median in medians)


# Second factors and confirmation


async def enabled(browser: Browser, doors: Doors) -> tuple[str, list[str]]:
    setup = (await browser.post("/user/2fa/setup")).json()["data"]
    assert setup["uri"].startswith("otpauth://totp/")
    code = code_of(setup["secret"], doors.now())
    answer = await browser.post("/user/2fa/enable", secret=setup["secret"], code=code)
    assert answer.status_code == 200, answer.text
    codes: list[str] = answer.json()["data"]
    return setup["secret"], codes


async def test_a_second_factor_is_asked_for(doors: Doors, browser: Browser) -> None:
    doors.moved += 30 - doors.now() % 30  # a code holds for half a minute from now
    await browser.login("ann")
    secret, _ = await enabled(browser, doors)
    async with doors.browser() as other:
        answer = await other.login("ann")
        assert answer.json()["data"] == {"require_2fa": True}
        assert "Max-Age=300" in answer.headers["set-cookie"]
        assert await other.is_in() == "second_factor_required"
        assert await other.code("/user/token") == "second_factor_required"
        used = code_of(secret, doors.now())
        assert await other.code("/user/login/2fa", code=used) == "wrong_code"  # enabling has used it
        doors.moved += 30
        code = code_of(secret, doors.now())
        pending = other.client.cookies["oneapi_session"]
        assert await other.code("/user/login/2fa", code=code) is None
        assert other.client.cookies["oneapi_session"] != pending
        assert await other.is_in() is None
        async with doors.browser() as late:
            late.client.cookies.set("oneapi_session", pending)
            assert await late.code("/user/login/2fa", code=code) == "not_signed_in"
    async with doors.browser() as third:
        doors.moved += 30
        assert (await third.login("ann", code=code_of(secret, doors.now()))).status_code == 200
        assert await third.is_in() is None
        assert (await third.login("ann", "wrong", code="000000")).json()["code"] == "wrong_credentials"
        assert (await third.login("ann", code="000000")).json()["code"] == "wrong_code"


async def test_what_is_owed_is_owed_for_five_minutes(doors: Doors, browser: Browser) -> None:
    await browser.login("ann")
    secret, codes = await enabled(browser, doors)
    await browser.login("ann")
    doors.moved += 301
    assert await browser.code("/user/login/2fa", code=code_of(secret, doors.now())) == "not_signed_in"
    assert (await browser.login("ann")).json()["data"] == {"require_2fa": True}
    assert await browser.code("/user/login/2fa", code=codes[0].upper()) is None


async def test_codes_are_not_guessed(doors: Doors, browser: Browser) -> None:
    await browser.login("ann")
    secret, codes = await enabled(browser, doors)
    doors.moved += 60
    right = {code_of(secret, doors.now(), steps=step) for step in (-1, 0, 1)}
    wrong = [code for code in (f"{number:06}" for number in range(20)) if code not in right]
    await browser.login("ann")
    said = [await browser.code("/user/login/2fa", code=code) for code in wrong[:12]]
    assert said == ["wrong_code"] * 10 + ["too_many_tries"] * 2
    assert await browser.code("/user/login/2fa", code=codes[0]) == "too_many_tries"


async def test_recovery_codes_are_good_once(doors: Doors, browser: Browser) -> None:
    await browser.login("ann")
    _, codes = await enabled(browser, doors)
    assert len(set(codes)) == 10
    for said in (None, "wrong_code"):
        assert (await browser.login("ann")).status_code == 200
        assert await browser.code("/user/login/2fa", code=codes[0]) == said
    assert await browser.code("/user/login/2fa", code=codes[1]) is None
    status = (await browser.ask("GET", "/user/2fa/status")).json()["data"]
    assert status == {"enabled": True, "recovery_codes_left": 8}
    fresh = (await browser.post("/user/2fa/backup_codes")).json()["data"]
    assert not set(fresh) & set(codes)
    await browser.login("ann")
    assert await browser.code("/user/login/2fa", code=codes[2]) == "wrong_code"
    assert await browser.code("/user/login/2fa", code=fresh[0]) is None
    assert await browser.code("/user/2fa/disable") is None
    assert (await browser.login("ann")).json()["data"]["username"] == "ann"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        *((code, "wrong_code") for code in ("", "12345", "١٢٣٤٥٦", "\U0001f1fa\U0001f1f8", "x" * 64)),
        ("\0", "invalid_body"),
    ],
)
async def test_a_code_that_is_none(doors: Doors, browser: Browser, code: str, told: str) -> None:
    await browser.login("ann")
    secret, _ = await enabled(browser, doors)
    await browser.post("/user/2fa/disable")
    assert await browser.code("/user/2fa/enable", secret=secret, code=code) == told
    assert await browser.code("/user/confirm", code=code or " ") == told


@pytest.mark.parametrize("secret", ["", "AAAA", "not base32 at all!", "1" * 32])
async def test_a_secret_that_is_none(doors: Doors, browser: Browser, secret: str) -> None:
    await browser.login("ann")
    assert await browser.code("/user/2fa/enable", secret=secret, code="123456") == "invalid_secret"


async def test_a_lost_factor_is_taken_away_by_who_may(doors: Doors, browser: Browser) -> None:
    """G77."""
    admin = await doors.add("adm", role=Role.ADMIN)
    async with doors.browser() as adm, doors.browser() as bob:
        await adm.login("adm")
        await enabled(adm, doors)
        await browser.login("ann")
        await enabled(browser, doors)
        await doors.add("bob")
        await bob.login("bob")
        assert await bob.code(f"/user/{ANN}/2fa", "DELETE") == "role_too_low"
        assert await adm.code(f"/user/{admin}/2fa", "DELETE") == "role_not_below_own"
        assert await adm.code("/user/1/2fa", "DELETE") == "role_not_below_own"
        assert await adm.code("/user/1/session", "DELETE") == "role_not_below_own"
        assert await adm.code(f"/user/{ANN}/2fa", "DELETE") is None
        assert await adm.code("/user/77/2fa", "DELETE") == "user_not_found"
        assert (await browser.login("ann")).json()["data"]["username"] == "ann"


async def test_what_is_delicate_is_confirmed_after_ten_minutes(doors: Doors, browser: Browser) -> None:
    await browser.login("ann")
    secret, codes = await enabled(browser, doors)
    doors.moved += 601
    assert await browser.code("/user/token") == "confirmation_required"
    assert await browser.code("/user/confirm", password="wrong") == "wrong_password"
    assert await browser.code("/user/confirm", code="000000") == "wrong_code"
    assert await browser.code("/user/confirm") == "wrong_password"
    assert await browser.code("/user/token") == "confirmation_required"
    assert await browser.code("/user/confirm", password=PASSWORD) is None
    assert await browser.code("/user/token") is None
    doors.moved += 601
    assert await browser.code("/user/confirm", code=code_of(secret, doors.now())) is None
    assert await browser.code("/user/2fa/disable") is None
    assert codes


# Access tokens


async def test_an_access_token_speaks_for_its_user(doors: Doors, browser: Browser) -> None:
    await doors.add("bob")
    await browser.login("ann")
    token = (await browser.post("/user/token")).json()["data"]
    async with doors.browser() as script:
        await script.login("bob")
        for header in (token, f"Bearer {token}", f"bearer  {token}"):
            said = await script.ask("GET", "/user/self", headers={"authorization": header})
            assert said.json()["data"]["username"] == "ann"  # whatever the cookie says
        foreign = {"authorization": token, "origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
        renamed = await script.ask("PUT", "/user/self", json={"display_name": "Ann"}, headers=foreign)
        assert renamed.status_code == 200
        for wrong in ("", "x", f"{token}x", token[:-1], f"Basic {token}", "Bearer"):
            refused = await script.ask("GET", "/user/self", headers={"authorization": wrong})
            assert (refused.status_code, refused.json()["code"]) == (401, "access_token_invalid")
        new = (await browser.post("/user/token")).json()["data"]
        assert (await script.ask("GET", "/user/self", headers={"authorization": token})).status_code == 401
        assert (await script.ask("GET", "/user/self", headers={"authorization": new})).status_code == 200
        assert await browser.code("/user/token", "DELETE") is None
        assert (await script.ask("GET", "/user/self", headers={"authorization": new})).status_code == 401


async def test_nothing_that_opens_is_kept(doors: Doors, browser: Browser) -> None:
    """G72."""
    await browser.login("ann")
    _, codes = await enabled(browser, doors)
    token = (await browser.post("/user/token")).json()["data"]
    cookie = browser.client.cookies["oneapi_session"]
    kept = repr(doors.kept("users", "sessions", "recovery_codes", "challenges", "tries")) + repr(doors.events.events)
    for secret in (PASSWORD, token, cookie, *codes, *(code.replace("-", "") for code in codes)):
        assert secret not in kept


async def test_hashing_is_not_queued_for_ever(doors: Doors) -> None:
    hashes = await asyncio.gather(*(doors.passwords.hash("x") for _ in range(150)), return_exceptions=True)
    refused = [one for one in hashes if isinstance(one, Exception)]
    assert {getattr(one, "code", "") for one in refused} <= {"busy"}
    assert all(CHEAP.verify(one, "x") for one in hashes[:2] if isinstance(one, str))
