"""Signing in by an account elsewhere (G84): only in the browser that set out, only as whom the provider names."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey
from servers.prepared import Prepared

from oneapi_asgi.admin import Admin
from oneapi_asgi.desk.members import MemberChange, MemberDraft
from oneapi_asgi.models import Secret

from .issuer import CLIENT, SECRET, Issuer, key, sign, signed_by_secret, unsigned
from .net import listening
from .rig import Said
from .visits import SITE, Scene, visited


@pytest.fixture
async def scene(tmp_path: Path, prepared: Prepared) -> AsyncIterator[Scene]:
    async with visited(tmp_path, prepared) as scene:
        yield scene


@pytest.mark.parametrize("provider", ["oidc", "github"])
async def test_the_first_visit_registers_and_the_next_finds(scene: Scene, provider: str) -> None:
    answer = await scene.signed_in(provider, next="/console?a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console?a=1")
    assert answer.headers["cache-control"] == "no-store"
    cookies = answer.headers.get_list("set-cookie")
    assert cookies[0] == f"session={scene.signed.members[0].id}"
    assert cookies[1].startswith("oneapi_oauth=; Path=/; Max-Age=0")
    first = scene.signed.members[0]
    assert first.name.startswith(f"{provider}_")
    assert first.display_name == ("Ann" if provider == "oidc" else "octocat")
    assert first.email == ("ann@a.example" if provider == "oidc" else None)  # GitHub's may be unverified
    assert not first.has_password
    await scene.signed_in(provider)
    assert [one.id for one in scene.signed.members] == [first.id, first.id]
    assert await scene.people() == 2
    assert [event.action for event in scene.events.events] == ["user.register"]


async def test_what_the_browser_is_sent_with(scene: Scene) -> None:
    answer = await scene.browser.get("/oauth/oidc/start")
    query = httpx2.URL(answer.headers["location"]).params
    assert query["redirect_uri"] == f"{SITE}/oauth/oidc"
    assert query["code_challenge_method"] == "S256"
    assert min(len(query["state"]), len(query["nonce"]), len(query["code_challenge"])) >= 43
    cookie = answer.headers["set-cookie"]
    assert cookie.endswith("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax")
    scene.options.values["ServerAddress"] = "https://gate.example"
    cookie = (await scene.browser.get("/oauth/oidc/start")).headers["set-cookie"]
    assert cookie.startswith("__Host-oneapi_oauth=")
    assert cookie.endswith("; Secure")


# G84: the state


@pytest.mark.parametrize("provider", ["oidc", "github"])
async def test_without_a_state_nobody_is_signed_in(scene: Scene, provider: str) -> None:
    visit = (scene.hub if provider == "github" else scene.issuer).visited(await scene.start(provider))
    for query in ({"code": visit["code"]}, {**visit, "state": ""}, {**visit, "state": "a" * 43}):
        await scene.refused(await scene.back(provider, **query), "state_invalid")


async def test_a_state_is_good_once(scene: Scene) -> None:
    visit = scene.issuer.visited(await scene.start())
    cookie = {"cookie": f"oneapi_oauth={scene.browser.cookies['oneapi_oauth']}"}
    sent = scene.issuer.codes[visit["code"]]
    assert (await scene.back(**visit)).status_code == 303
    scene.issuer.codes[visit["code"]] = sent
    answer = await scene.browser.get("/oauth/oidc", params=visit, headers=cookie)
    assert answer.json()["code"] == "state_invalid"
    assert len(scene.signed.members) == 1


async def test_another_browser_cannot_end_the_visit(scene: Scene) -> None:
    """An attacker begins, and has somebody else's browser come back with the attacker's code."""
    visit = scene.issuer.visited(await scene.start())
    for cookie in ("", "oneapi_oauth=other", "oneapi_oauth=", "oneapi_oauth"):
        scene.browser.cookies.clear()
        again = scene.issuer.visited(await scene.start())
        scene.browser.cookies.clear()
        answer = await scene.browser.get("/oauth/oidc", params=again, headers={"cookie": cookie})
        await scene.refused(answer, "state_invalid")
    await scene.start()  # with a cookie of its own, of another visit
    await scene.refused(await scene.back(**visit), "state_invalid")


async def test_a_state_belongs_to_its_provider(scene: Scene) -> None:
    visit = scene.issuer.visited(await scene.start("oidc"))
    await scene.refused(await scene.back("github", **visit), "state_invalid")


async def test_a_state_that_is_over(scene: Scene) -> None:
    visit = scene.issuer.visited(await scene.start())
    scene.kept.kept.clear()
    await scene.refused(await scene.back(**visit), "state_invalid")


@pytest.mark.parametrize(
    "next_", ["//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "\\\\evil", "evil",
              "javascript:alert(1)", "/\t/evil.example", "/a\r\nset-cookie: a=b", "///evil", "/ /evil", "%2f%2fe"],
)  # fmt: skip
async def test_nobody_is_sent_to_another_site(scene: Scene, next_: str) -> None:
    assert (await scene.signed_in(next=next_)).headers["location"] == "/"


async def test_nobody_is_sent_to_what_is_no_text(scene: Scene) -> None:
    answer = await scene.browser.get("/oauth/oidc/start", params={"next": "/\0"})
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "invalid_query", "next")


PAGE = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("next_", "onward"),
    [("", "/?error=oauth_refused"), ("/tokens", "/tokens?error=oauth_refused"),
     ("/logs?p=1#end", "/logs?p=1&error=oauth_refused#end"), ("//evil.example", "/?error=oauth_refused")],
)  # fmt: skip
async def test_a_browser_is_led_back_to_the_site_with_what_went_wrong(scene: Scene, next_: str, onward: str) -> None:
    visit = scene.issuer.visited(await scene.start(next=next_))
    answer = await scene.browser.get(
        "/oauth/oidc", params={"state": visit["state"], "error": "access_denied"}, headers=PAGE
    )
    assert (answer.status_code, answer.headers["location"]) == (303, onward)
    assert answer.headers["cache-control"] == "no-store"
    assert scene.signed.members == []
    answer = await scene.browser.get("/oauth/oidc", params=visit, headers=PAGE)  # it was used
    assert (answer.status_code, answer.headers["location"]) == (303, "/?error=state_invalid")
    scene.options.values["OidcEnabled"] = False
    answer = await scene.browser.get("/oauth/oidc/start", params={"next": "/logs"}, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/logs?error=provider_off")


async def test_a_site_below_a_path_is_come_back_to(scene: Scene) -> None:
    admin = Admin(scene.routes, doorkeeper=Said(), events=scene.events)
    transport = httpx2.ASGITransport(app=admin, root_path="/llm/api")
    async with httpx2.AsyncClient(transport=transport, base_url="http://gate.example") as browser:
        sent = await browser.get("/llm/api/oauth/oidc/start")
        visit = scene.issuer.visited(sent.headers["location"])
        answer = await browser.get("/llm/api/oauth/oidc", params=visit)
        assert (answer.status_code, answer.headers["location"]) == (303, "/llm/")
        answer = await browser.get("/llm/api/oauth/oidc", params=visit, headers=PAGE)
        assert answer.headers["location"] == "/llm/?error=state_invalid"


# G84: the person


async def test_the_same_address_is_not_the_same_person(scene: Scene) -> None:
    own = await scene.members.add_member(MemberDraft(name="ann", email="ann@a.example", password=Secret("x")))
    await scene.signed_in()
    other = scene.signed.members[0]
    assert (other.id != own.id, other.email) == (True, None)
    scene.issuer.subject = "another"
    await scene.signed_in()
    assert scene.signed.members[1].id not in (own.id, other.id)


async def test_a_login_is_not_who_has_it(scene: Scene) -> None:
    await scene.signed_in("github")
    scene.hub.login = "renamed"
    await scene.signed_in("github")
    scene.hub.login, scene.hub.number = "octocat", 99
    await scene.signed_in("github")
    first, second, third = [one.id for one in scene.signed.members]
    assert first == second != third


async def test_a_subject_of_another_issuer_is_another(scene: Scene) -> None:
    await scene.signed_in()
    other = Issuer()
    async with listening(other) as url:
        other.url = url
        scene.options.values["OidcWellKnown"] = f"{url}/.well-known/openid-configuration"
        assert (await scene.back(**other.visited(await scene.start()))).status_code == 303
    assert scene.signed.members[0].id != scene.signed.members[1].id


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_address_counts_if_it_is_verified(scene: Scene, verified: object) -> None:
    scene.issuer.more["email_verified"] = verified
    await scene.signed_in()
    assert scene.signed.members[0].email is None


CHANGES: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
    ("issuer", lambda claims: {**claims, "iss": "https://evil.example"}),
    ("audience", lambda claims: {**claims, "aud": "another"}),
    ("audiences without azp", lambda claims: {**claims, "aud": [CLIENT, "another"], "azp": "another"}),
    ("expired", lambda claims: {**claims, "exp": int(time.time()) - 100}),
    ("from the future", lambda claims: {**claims, "nbf": int(time.time()) + 1000}),
    ("no nonce", lambda claims: {name: value for name, value in claims.items() if name != "nonce"}),
    ("another nonce", lambda claims: {**claims, "nonce": "another"}),
    *[
        (f"no {gone}", lambda claims, gone=gone: {name: value for name, value in claims.items() if name != gone})
        for gone in ("iss", "sub", "aud", "exp", "iat")
    ],
    ("no subject", lambda claims: {**claims, "sub": ""}),
    ("a subject that is none", lambda claims: {**claims, "sub": 1}),
    ("a long subject", lambda claims: {**claims, "sub": "a" * 256}),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
async def test_a_token_that_is_not_for_this_visit(
    scene: Scene, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    scene.issuer.change = change
    await scene.refused(await scene.signed_in())


FORGERIES: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
    ("by another key of that name", lambda claims: sign(claims, key("evil"))),
    ("by a key that is not published", lambda claims: sign(claims, key("evil"), kid="evil")),
    ("by nobody", unsigned),
    ("by the client's secret", lambda claims: signed_by_secret(claims, SECRET + SECRET)),
    ("by the public key", lambda claims: signed_by_secret(claims, key().as_pem(private=False).decode())),
    ("and changed", lambda claims: sign(claims)[:-8] + "AAAAAAAA"),
    ("not at all", lambda claims: "a.b.c"),
]


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("forge", [forge for _, forge in FORGERIES], ids=[name for name, _ in FORGERIES])
async def test_a_token_that_the_issuer_did_not_sign(scene: Scene, forge: Callable[[dict[str, Any]], str]) -> None:
    scene.issuer.sign = forge
    await scene.refused(await scene.signed_in())


@pytest.mark.parametrize(
    ("algorithm", "own", "offered"),
    [("ES256", ECKey.generate_key("P-256"), True), ("Ed25519", OKPKey.generate_key("Ed25519"), True),
     ("PS256", key(), True), ("PS256", key(), False)],
)  # fmt: skip
async def test_other_algorithms(scene: Scene, algorithm: str, own: Key, offered: bool) -> None:
    scene.issuer.discovery = {"id_token_signing_alg_values_supported": ["RS256", *[algorithm] * offered]}
    scene.issuer.published = [own]
    scene.issuer.sign = lambda claims: jwt.encode({"alg": algorithm}, claims, own, algorithms=[algorithm])
    answer = await scene.signed_in()
    if offered:
        assert answer.status_code == 303
    else:
        await scene.refused(answer)


async def test_new_keys_are_fetched(scene: Scene) -> None:
    await scene.signed_in()
    scene.issuer.published = [key("second")]
    scene.issuer.sign = lambda claims: sign(claims, key("second"), kid="second")
    assert (await scene.signed_in()).status_code == 303
    assert len([one for one in scene.issuer.asked if one.path == "/jwks"]) == 2


@pytest.mark.parametrize(
    "discovery",
    [{"issuer": "https://evil.example"}, {"token_endpoint": "file:///etc/passwd"}, {"jwks_uri": 1},
     {"authorization_endpoint": "javascript:alert(1)"}, {"issuer": None}],
)  # fmt: skip
async def test_a_discovery_that_is_not_believed(scene: Scene, discovery: dict[str, object]) -> None:
    scene.issuer.discovery = discovery
    answer = await scene.browser.get("/oauth/oidc/start")
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")


async def test_what_the_provider_refuses(scene: Scene) -> None:
    visit = scene.issuer.visited(await scene.start())
    await scene.refused(await scene.back(**{**visit, "code": "another"}))
    for query in ({"error": "access_denied"}, {}):
        visit = scene.issuer.visited(await scene.start())
        await scene.refused(await scene.back(state=visit["state"], **query))
    visit = scene.hub.visited(await scene.start("github"))
    await scene.refused(await scene.back("github", **{**visit, "code": "another"}))


@pytest.mark.parametrize(("methods", "secret"), [(["client_secret_post"], SECRET), (["client_secret_basic"], "")])
async def test_how_the_client_shows_who_it_is(scene: Scene, methods: list[str], secret: str) -> None:
    scene.issuer.discovery = {"token_endpoint_auth_methods_supported": methods}
    scene.options.values["OidcClientSecret"] = secret
    scene.issuer.form = {"client_id": CLIENT} | ({"client_secret": secret} if secret else {})
    assert (await scene.signed_in()).status_code == 303
    scene.issuer.form["client_id"] = "another"
    scene.signed.members.clear()
    assert (await scene.signed_in()).json()["code"] == "oauth_refused"


@pytest.mark.parametrize("number", [0, -1, "583231", True, None, 1.5])
async def test_a_github_account_has_a_number(scene: Scene, number: object) -> None:
    scene.hub.number = number
    await scene.refused(await scene.signed_in("github"), "provider_unavailable")


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [("OidcEnabled", False, "provider_off"), ("OidcWellKnown", "", "provider_off"),
     ("ServerAddress", "", "server_address_missing"), ("ServerAddress", "gate.example", "server_address_missing")],
)  # fmt: skip
async def test_what_is_not_set_up(scene: Scene, option: str, value: str | bool, code: str) -> None:
    scene.options.values[option] = value
    answer = await scene.browser.get("/oauth/oidc/start")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert (await scene.browser.get("/oauth/nowhere/start")).json()["code"] == "no_such_provider"


async def test_who_owes_a_second_factor_is_led_to_where_it_is_asked_for(scene: Scene) -> None:
    scene.signed.owes = True
    assert (await scene.signed_in(next="/logs?p=1")).headers["location"] == "/logs?p=1&second_factor=required"


async def test_closed_registration_and_disabled_users(scene: Scene) -> None:
    scene.options.values["RegisterEnabled"] = False
    await scene.refused(await scene.signed_in(), "registration_closed")
    scene.options.values["RegisterEnabled"] = True
    await scene.signed_in()
    member = scene.signed.members.pop()
    await scene.members.change_member(member.id, MemberChange(enabled=False))
    assert (await scene.signed_in()).json()["code"] == "user_disabled"
    await scene.members.delete_member(member.id)
    assert (await scene.signed_in()).status_code == 303  # a new one
    assert [one.id for one in scene.signed.members] == [member.id + 1]
