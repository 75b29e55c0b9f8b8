"""What each route of the administration relies on: who may, what a body may say, in what words it is answered."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest

from oneapi_asgi.admin import PageQuery, Reply, Route, Visit
from oneapi_asgi.admin.app import check_actor, find_route
from oneapi_asgi.admin.routes import Nothing
from oneapi_asgi.desk.roles import Actor, Role
from oneapi_asgi.errors import Conflict, GatewayError

from .rig import Written, as_, asked


class Edit(msgspec.Struct, frozen=True):
    name: str
    size: int = 1


async def echo(visit: Visit[Any, Any]) -> object:
    visit.note(target=f"thing {visit.path.get('id')}", size=getattr(visit.body, "size", None))
    return Reply(data=visit.body if isinstance(visit.body, Edit) else visit.path, total=3, message="done")


async def fail(visit: Visit[Any, Any]) -> object:
    raise Conflict("taken", code="taken", param="name")


async def burst(visit: Visit[Any, Any]) -> object:
    raise ZeroDivisionError("secret")


async def page(visit: Visit[PageQuery, Nothing]) -> object:
    return [visit.query.p, visit.query.page_size, visit.query.offset]


ROUTES = (
    Route("GET", "/open", echo, role=Role.GUEST, summary="Open to all"),
    Route("GET", "/page", page, role=Role.COMMON, summary="A page", query=PageQuery),
    Route("GET", "/thing/{id}", echo, role=Role.COMMON, summary="A thing"),
    Route(
        "PUT", "/thing/{id}", echo, role=Role.ADMIN, summary="Edit", body=Edit, ignored=frozenset(("at",)), action="e"
    ),
    Route("POST", "/fail", fail, role=Role.ROOT, summary="Fails", action="fail"),
    Route("GET", "/burst", burst, role=Role.ROOT, summary="Bursts"),
)


@pytest.mark.parametrize(
    ("method", "path", "headers", "json", "status", "code"),
    [
        ("GET", "/open", {"x-actor": ""}, None, 200, None),
        ("GET", "/open/", {}, None, 200, None),
        ("HEAD", "/open", {}, None, 200, None),
        ("GET", "/nothing", {}, None, 404, "no_such_path"),
        ("GET", "/thing/x", {}, None, 404, "no_such_path"),
        ("GET", "//open", {}, None, 404, "no_such_path"),
        ("GET", "/open;x", {}, None, 404, "no_such_path"),
        ("GET", "/OPEN", {}, None, 404, "no_such_path"),
        ("DELETE", "/thing/1", {}, None, 405, "method_not_allowed"),
        ("GET", "/thing/1", as_(Role.COMMON), None, 200, None),
        ("PUT", "/thing/1", as_(Role.COMMON), {"name": "a"}, 403, "role_too_low"),
        ("PUT", "/thing/1", {}, {"name": "a", "at": 5}, 200, None),
        ("PUT", "/thing/1", {}, {"name": "a", "color": 5}, 400, "unknown_field"),
        ("PUT", "/thing/1", {}, {"size": "1"}, 400, "invalid_body"),
        ("PUT", "/thing/1", {}, [1], 400, "invalid_json"),
        ("PUT", "/thing/1", {}, {"name": "a\0"}, 400, "invalid_body"),
        ("GET", "/page?p=%00", {}, None, 400, "invalid_query"),
        ("PUT", "/thing/1", {"origin": "http://elsewhere"}, {"name": "a"}, 403, "cross_site_request"),
        ("PUT", "/thing/1", {"origin": "null"}, {"name": "a"}, 403, "cross_site_request"),
        ("PUT", "/thing/1", {"origin": "http://admin"}, {"name": "a"}, 200, None),
        ("PUT", "/thing/1", {"sec-fetch-site": "cross-site"}, {"name": "a"}, 403, "cross_site_request"),
        ("PUT", "/thing/1", {"sec-fetch-site": "same-site"}, {"name": "a"}, 403, "cross_site_request"),
        ("GET", "/page?p=2&page_size=50", {}, None, 200, None),
        ("GET", "/page?p=-1", {}, None, 400, "invalid_query"),
        ("GET", "/page?page_size=100000", {}, None, 400, "invalid_query"),
        ("GET", "/page?p=1&p=2", {}, None, 400, "invalid_query"),
        ("GET", "/page?p=%ff", {}, None, 400, "invalid_query"),
        ("GET", "/page?" + "&".join(f"a{number}" for number in range(100)), {}, None, 200, None),
        ("GET", "/page?" + "&".join(f"a{number}" for number in range(101)), {}, None, 400, "invalid_query"),
        ("POST", "/fail", {}, None, 409, "taken"),
        ("GET", "/burst", {}, None, 500, "internal"),
    ],
)
async def test_answers(
    method: str, path: str, headers: dict[str, str], json: object, status: int, code: str | None
) -> None:
    async with asked(ROUTES) as client:
        sent = {name: value for name, value in headers.items() if value}
        answer = await client.request(method, path, headers=sent, json=json)
    assert answer.status_code == status
    if method != "HEAD":
        said = answer.json()
        assert said["success"] == (status == 200)
        assert said.get("code") == code
        assert "secret" not in answer.text
    assert len(answer.headers["x-request-id"]) == 32


async def test_nobody_and_everybody() -> None:
    async with asked(ROUTES) as client:
        del client.headers["x-actor"]
        assert (await client.get("/open")).status_code == 200
        assert (await client.get("/thing/1")).json()["code"] == "not_signed_in"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_what_a_form_can_send_is_not_taken(kind: str) -> None:
    async with asked(ROUTES) as client:
        headers = {"content-type": kind} if kind else {}
        answer = await client.put("/thing/1", content=b'{"name": "a"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


async def test_what_was_done_is_written_down_and_what_failed_is_not() -> None:
    events = Written()
    async with asked(ROUTES, events) as client:
        await client.put("/thing/7", json={"name": "a", "size": 5})
        await client.put("/thing/7", json={})
        await client.post("/fail")
    (event,) = events.events
    assert (event.action, event.actor_name, event.target, event.detail) == ("e", "root", "thing 7", {"size": 5})


def test_what_changes_something_names_its_action() -> None:
    with pytest.raises(ValueError, match="name its action"):
        Route("POST", "/x", echo, role=Role.ROOT, summary="x")
    with pytest.raises(ValueError, match="may not change"):
        Route("GET", "/x", echo, role=Role.ROOT, summary="x", action="x")


def test_paths_are_matched_to_the_letter() -> None:
    assert find_route(ROUTES, "GET", "/thing/12/")[1] == {"id": "12"}
    for path in ("/thing/1_2", "/thing/١", "/thing//1", "/thing/1/x", "", "/"):
        with pytest.raises(GatewayError):
            find_route(ROUTES, "GET", path)


async def test_pages() -> None:
    async with asked(ROUTES) as client:
        assert (await client.get("/page", params={"p": 2, "page_size": 50})).json()["data"] == [2, 50, 100]


async def test_an_app_below_a_mount() -> None:
    async with asked(ROUTES) as client:
        transport = client._transport
        assert isinstance(transport, httpx2.ASGITransport)
        transport.root_path = "/api"
        assert (await client.get("/api/thing/4")).json()["data"] == {"id": "4"}


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (Actor(user_id=1, name="a", role=Role.ROOT, fresh_until=99), "confirmation_required"),
        (Actor(user_id=1, name="a", role=Role.ROOT, fresh_until=101), None),
        (Actor(user_id=1, name="a", role=Role.ROOT, way="access_token"), None),
        (Actor(user_id=1, name="a", role=Role.ADMIN, fresh_until=101), "role_too_low"),
        (Actor(user_id=1, name="a", role=Role.ROOT, must_change_password=True), "password_change_required"),
        (None, "not_signed_in"),
    ],
)
def test_delicate_routes(actor: Actor | None, code: str | None) -> None:
    route = Route("POST", "/x", echo, role=Role.ROOT, summary="x", action="x", fresh=True)
    if code is None:
        check_actor(route, actor, now=100)
        return
    with pytest.raises(GatewayError) as caught:
        check_actor(route, actor, now=100)
    assert caught.value.code == code
