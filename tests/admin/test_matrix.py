"""Every route, and who may: a route that is not in the table fails here, as does one that lets in somebody else (G70).

The table is written by hand. What it says is tried over HTTP with real sessions, by six people.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oneapi_asgi.admin import Route
from oneapi_asgi.desk.roles import Role

from .whole import PASSWORD, Person, all_routes, whole

TABLE = (Path(__file__).parent / "policy.txt").read_text(encoding="utf-8")
POLICY = {
    (method, path): Role[role.upper()]
    for role, method, path in (line.split() for line in TABLE.splitlines() if line and not line.startswith("#"))
}
LAST = (("DELETE", "/user/session"), ("DELETE", "/user/self"), ("POST", "/user/logout"))
"""These take away what the others are tried with."""

LEFT_OUT = {"role_too_low", "not_signed_in", "session_ended", "user_disabled"}


def test_the_table_has_every_route_and_no_other() -> None:
    assert {(route.method, route.path): route.role for route in all_routes()} == POLICY


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Person]]:
    with whole(tmp_path_factory.mktemp("matrix")) as root:
        found = {"root": root, "nobody": Person(root.port)}
        for name, role in (("a", 1), ("b", 1), ("c", 1), ("off", 1), ("admin", 10)):
            draft = {"username": name, "password": PASSWORD, "role": role}
            assert root.ask("POST", "/api/user", draft)[0] == 200
            found[name] = Person(root.port)
            found[name].login(name)
        assert root.ask("POST", "/api/user/manage", {"username": "off", "action": "disable"})[0] == 200
        yield found


def concrete(path: str) -> str:
    """Of things that are not there: what may be done does nothing."""
    written = path.replace("{key}", "none").replace("{provider}", "github").replace(":path}", "}")
    for name in ("id", "user_id", "channel_id", "token_id", "order_id"):
        written = written.replace("{" + name + "}", "999999")
    while "{" in written:
        written = written[: written.index("{")] + "none" + written[written.index("}") + 1 :]
    return f"/api{written}"


def in_order() -> list[Route]:
    routes = {(str(route.method), route.path): route for route in all_routes()}
    last = [routes.pop(each) for each in LAST]
    return [*routes.values(), *last]


@pytest.mark.parametrize(
    ("who", "role"),
    [
        ("nobody", Role.GUEST),
        ("off", Role.GUEST),
        ("b", Role.COMMON),
        ("admin", Role.ADMIN),
        ("root", Role.ROOT),
    ],
)
def test_who_may_is_let_in_and_nobody_else(people: dict[str, Person], who: str, role: Role) -> None:
    person = people[who]
    wrong = []
    for route in in_order():
        body: object = None if route.method == "GET" else {}
        status, said = person.ask(route.method, concrete(route.path), body)
        code = said.get("code")
        if role >= route.role:
            gone = (route.method, route.path) == ("POST", "/user/logout") or route.path == "/user/login/2fa"
            fits = status != 500 and (code not in LEFT_OUT or gone)
        elif role is Role.GUEST:
            fits = status in (401, 403) and code in LEFT_OUT - {"role_too_low"}
        else:
            fits = (status, code) == (403, "role_too_low")
        if not fits:
            wrong.append((route.method, route.path, status, code))
    assert wrong == []


def spelled() -> Iterator[str]:
    """Paths that some server, proxy or router takes for ``/user``, a list for administrators."""
    yield from ("/user/", "/user//", "//user", "/./user", "/x/../user", "/user;a=b", "/user%2f", "/%75ser", "/USER")
    yield from ("/user?p=0&p=0", "/user%00", "/user%20", "/user/%2e", "/api/user", "/user#x", "/user\\", "/user.json")


@pytest.mark.parametrize("prefix", ["/api", "//api", "/API", "/api/..//api", "/%61pi", "/v1/api", "/v1/../api"])
def test_no_spelling_opens_a_door(people: dict[str, Person], prefix: str) -> None:
    """G74: what decides who may is the path that is answered."""
    for path in spelled():
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            for headers in ({}, {"x-forwarded-prefix": "/api"}, {"x-original-url": "/api/status"}):
                status, said = people["nobody"].ask(method, f"{prefix}{path}", headers=headers)
                assert status >= 400 or method == "OPTIONS", (method, prefix, path, said)
                assert not said.get("data"), said


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1/api/status?", "localhost:1", "a@b"])
def test_no_host_opens_a_door(people: dict[str, Person], host: str) -> None:
    status, said = people["nobody"].ask("GET", "/api/user", headers={"host": host})
    assert status in (400, 401), said
    assert not said.get("data")


def test_what_one_has_nobody_else_reaches(people: dict[str, Person]) -> None:
    """G76: ids of one, used by another."""
    owner, other = people["a"], people["c"]
    _, said = owner.ask("POST", "/api/token", {"name": "mine", "unlimited_quota": True})
    token = said["data"]["id"]
    key = owner.ask("GET", "/api/user/session")[1]["data"][0]["key"]
    me = owner.ask("GET", "/api/user/self")[1]["data"]["id"]
    tries: list[tuple[str, str, object]] = [
        ("GET", f"/api/token/{token}", None),
        ("PUT", "/api/token", {"id": token, "name": "yours"}),
        ("DELETE", f"/api/token/{token}", {}),
        ("DELETE", f"/api/user/session/{key}", {}),
        ("GET", f"/api/user/{me}", None),
        ("PUT", "/api/user", {"id": me, "display_name": "x"}),
        ("DELETE", f"/api/user/{me}", {}),
        ("DELETE", f"/api/user/{me}/2fa", {}),
        ("DELETE", f"/api/user/{me}/session", {}),
    ]
    for method, path, body in tries:
        status, said = other.ask(method, path, body)
        assert (status, said["data"]) in ((404, None), (403, None)), (method, path, said)
    assert owner.ask("GET", f"/api/token/{token}")[1]["data"]["name"] == "mine"
    assert owner.ask("GET", "/api/user/self")[0] == 200
