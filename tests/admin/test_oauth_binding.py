"""Binding accounts elsewhere: only what a signed-in user has asked to be bound (G84)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from servers.prepared import Prepared
from starlette.types import Scope

from oneapi_asgi.admin import Admin
from oneapi_asgi.desk.members import MemberDraft
from oneapi_asgi.desk.roles import Actor, Role
from oneapi_asgi.models import Secret

from .rig import FOREVER, as_
from .visits import SITE, Scene, visited


@pytest.fixture
async def scene(tmp_path: Path, prepared: Prepared) -> AsyncIterator[Scene]:
    async with visited(tmp_path, prepared) as scene:
        yield scene


async def bound(scene: Scene, provider: str, actor: dict[str, str]) -> httpx2.Response:
    """What a signed-in browser is told when it comes back."""
    elsewhere = scene.hub if provider == "github" else scene.issuer
    begun = await scene.browser.post(f"/oauth/{provider}/start", headers=actor, json={})
    assert begun.status_code == 200, begun.text
    visit = elsewhere.visited(begun.json()["data"]["url"])
    return await scene.browser.get(f"/oauth/{provider}", params=visit, headers=actor)


async def test_binding_signing_in_and_unbinding(scene: Scene) -> None:
    ann = await scene.members.add_member(MemberDraft(name="ann", password=Secret("x")))
    actor = as_(Role.COMMON, ann.id, "ann")
    assert (await bound(scene, "github", actor)).headers["location"] == "/"
    assert scene.signed.members == []
    await scene.signed_in("github")
    assert [one.id for one in scene.signed.members] == [ann.id]
    other = await scene.members.add_member(MemberDraft(name="bob", password=Secret("x")))
    assert (await bound(scene, "github", as_(Role.COMMON, other.id, "bob"))).json()["code"] == "identity_taken"
    scene.hub.number = 99
    assert (await bound(scene, "github", actor)).json()["code"] == "identity_taken"
    answer = await scene.browser.delete("/oauth/github/bind", headers=actor)
    assert answer.status_code == 200
    assert (await scene.browser.delete("/oauth/github/bind", headers=actor)).json()["code"] == "not_bound"
    assert [event.action for event in scene.events.events] == ["user.identity.bind", "user.identity.unbind"]


async def test_visiting_binds_nothing(scene: Scene) -> None:
    """Somebody signed in is sent through a whole sign-in, at a provider where the attacker is signed in."""
    ann = await scene.members.add_member(MemberDraft(name="ann", password=Secret("x")))
    scene.browser.headers.update(as_(Role.COMMON, ann.id, "ann"))
    await scene.signed_in("github")
    member = await scene.members.member(ann.id)
    assert member is not None
    assert member.identities == {}


async def test_who_asked_to_bind_is_who_comes_back(scene: Scene) -> None:
    ann = await scene.members.add_member(MemberDraft(name="ann", password=Secret("x")))
    begun = await scene.browser.post("/oauth/oidc/start", headers=as_(Role.COMMON, ann.id, "ann"), json={})
    visit = scene.issuer.visited(begun.json()["data"]["url"])
    answer = await scene.browser.get("/oauth/oidc", params=visit, headers=as_(Role.COMMON, 1, "root"))
    assert answer.json()["code"] == "state_invalid"
    begun = await scene.browser.post("/oauth/oidc/start", headers=as_(Role.COMMON, ann.id, "ann"), json={})
    visit = scene.issuer.visited(begun.json()["data"]["url"])
    assert (await scene.back(**visit)).json()["code"] == "state_invalid"
    assert (await scene.browser.post("/oauth/oidc/start", json={})).status_code == 401
    foreign = {**as_(Role.COMMON, ann.id, "ann"), "origin": "https://evil.example"}
    assert (await scene.browser.post("/oauth/oidc/start", headers=foreign, json={})).json()[
        "code"
    ] == "cross_site_request"


@pytest.mark.parametrize(
    ("actor", "code"),
    [(Actor(user_id=2, name="ann"), "confirmation_required"),
     (Actor(user_id=2, name="ann", fresh_until=FOREVER, must_change_password=True), "password_change_required"),
     (Actor(user_id=2, name="ann", fresh_until=FOREVER, way="access_token"), None)],
)  # fmt: skip
async def test_binding_is_delicate(scene: Scene, actor: Actor, code: str | None) -> None:
    """By the way of One API's pages too, which begins with a GET that is for everybody."""
    ann = await scene.members.add_member(MemberDraft(name="ann", password=Secret("x")))

    class Knows:
        async def who(self, scope: Scope, address: str) -> Actor:
            return actor

    transport = httpx2.ASGITransport(app=Admin(scene.routes, doorkeeper=Knows(), events=scene.events))
    async with httpx2.AsyncClient(transport=transport, base_url="http://admin") as client:
        state = (await client.get("/oauth/state")).json()["data"]
        visit = scene.hub.visited(f"https://a.example/authorize?state={state}")
        answer = await client.get("/oauth/github", params=visit)
    assert answer.json().get("code") == code
    member = await scene.members.member(ann.id)
    assert member is not None
    assert member.identities == {}


async def test_the_last_way_in_stays(scene: Scene) -> None:
    await scene.signed_in("github")
    actor = as_(Role.COMMON, scene.signed.members[0].id, scene.signed.members[0].name)
    assert (await scene.browser.delete("/oauth/github/bind", headers=actor)).json()["code"] == "last_way"
    assert (await bound(scene, "oidc", actor)).status_code == 303
    assert (await scene.browser.delete("/oauth/github/bind", headers=actor)).status_code == 200
    assert (await scene.browser.delete("/oauth/oidc/bind", headers=actor)).json()["code"] == "last_way"


async def test_a_page_that_sends_the_browser_itself(scene: Scene) -> None:
    """As One API's: it asks for a state alone, and reads the answer."""
    for provider, elsewhere in (("github", scene.hub), ("oidc", scene.issuer)):
        state = (await scene.browser.get("/oauth/state")).json()["data"]
        assert len(state) >= 43
        redirect = f"{SITE}/oauth/{provider}"
        visit = elsewhere.visited(f"https://a.example/authorize?state={state}&redirect_uri={redirect}")
        answer = await scene.back(provider, **visit)
        assert (answer.status_code, answer.json()["data"]) == (200, scene.signed.members[-1].name)
    ann = await scene.members.add_member(MemberDraft(name="ann", password=Secret("x")))
    scene.browser.headers.update(as_(Role.COMMON, ann.id, "ann"))
    scene.hub.number = 7
    state = (await scene.browser.get("/oauth/state")).json()["data"]
    visit = scene.hub.visited(f"https://a.example/authorize?state={state}")
    assert (await scene.back("github", **visit)).json()["message"] == "bind"
    member = await scene.members.member(ann.id)
    assert member is not None
    assert member.identities == {"github": "7"}
