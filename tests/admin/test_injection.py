"""What anybody writes is a value, never a part of a statement: on every database, in every place for text (G73)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from servers.databases import KINDS, rows
from servers.prepared import Prepared

from oneapi_asgi.admin import Route
from oneapi_asgi.administration import Administration
from oneapi_asgi.desk.members import MemberDraft
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import TokenDraft
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.members import SQLMembers
from oneapi_asgi.storage.sql.desk.sessions import SQLSessions
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

from .whole import all_routes

PAYLOADS = (
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    '" OR ""="',
    "1) OR (1=1",
    "\\' OR 1=1 #",
    "%' OR pg_sleep(5) --",
    "'; WAITFOR DELAY '0:0:5' --",
    "' AND SLEEP(5) AND '1",
    "id; SELECT 1",
    "%",
    "_",
    "\\",
    "{0}{name}%(x)s:x$1?",
    "\u02bc OR 1=1",
    "'||(SELECT password FROM users)||'",
)
TABLES = ("users", "tokens", "codes", "options", "identities", "sessions", "channels", "prices", "accounts")
SECONDS = 4
"""Those that sleep would take longer."""


class Rig:
    def __init__(self, url: str, client: httpx2.AsyncClient) -> None:
        self.url = url
        self.client = client

    def kept(self) -> dict[str, list[tuple[Any, ...]]]:
        return {table: rows(self.url, f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}


@pytest.fixture(params=[*KINDS[:2], pytest.param(KINDS[2], marks=pytest.mark.slow)])
async def rig(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Rig]:
    with prepared(request.param, tmp_path) as url:
        async with SQLStorage(url) as storage, HttptoolsUpstream() as upstream:
            members, sessions = SQLMembers(storage), SQLSessions(storage)
            await members.add_member(MemberDraft(name="ann", display_name="50% of Ann_B"))
            await storage.add_token(TokenDraft(name="ci", digest="d" * 64, prefix="sk-", user="root"))
            await sessions.set_access(1, key_digest("token"))
            async with Administration(storage, upstream) as administration:
                transport = httpx2.ASGITransport(app=administration)
                headers = {"authorization": "token"}
                async with httpx2.AsyncClient(transport=transport, base_url="http://a", headers=headers) as client:
                    yield Rig(url, client)


def fields_of(kind: type[msgspec.Struct]) -> tuple[list[str], list[str]]:
    """Those of text, and the others."""
    written, others = list[str](), list[str]()
    for field in msgspec.structs.fields(kind):
        of_text = isinstance(msgspec.inspect.type_info(field.type), msgspec.inspect.StrType)
        (written if of_text else others).append(field.encode_name)
    return written, others


def readers() -> list[Route]:
    return [route for route in all_routes() if route.method == "GET" and not route.path.startswith("/oauth")]


async def test_no_parameter_is_a_statement(rig: Rig) -> None:
    before = rig.kept()
    for route in readers():
        path = route.path.replace("{id}", "1")
        written, others = fields_of(route.query)
        sent = [dict.fromkeys(written, payload) for payload in PAYLOADS if written]
        sent += [{name: payload} for name in others for payload in PAYLOADS[:2]]
        for parameters in sent:
            answer = await rig.client.get(path, params=parameters, timeout=SECONDS)
            assert answer.status_code < 500, (path, parameters, answer.text)
    assert rig.kept() == before


async def test_no_header_and_no_path_is_a_statement(rig: Rig) -> None:
    before = rig.kept()
    for payload in PAYLOADS:
        for name in ("authorization", "cookie"):
            headers = httpx2.Headers(
                [("authorization", ""), (name, payload.encode("utf-8").decode("latin-1"))], "latin-1"
            )
            answer = await rig.client.get("/user/self", headers=headers, timeout=SECONDS)
            assert answer.status_code == 401, (payload, answer.text)
        for method, path in (("DELETE", "/user/session/"), ("GET", "/user/"), ("DELETE", "/oauth/")):
            answer = await rig.client.request(method, f"{path}{payload.replace('/', '')}", timeout=SECONDS)
            assert answer.status_code in (400, 404, 405), (payload, answer.text)
    assert rig.kept() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/user/login", {"username": "?", "password": "?"}),
        ("/user/topup", {"key": "?"}),
        ("/user/manage", {"username": "?", "action": "disable"}),
        ("/user/reset", {"email": "a@a.example", "token": "?"}),
        ("/user/confirm", {"code": "?"}),
    ],
)
async def test_no_field_is_a_statement(rig: Rig, path: str, body: dict[str, str]) -> None:
    before = rig.kept()
    for payload in PAYLOADS[:: 4 if path == "/user/login" else 1]:  # a refusal there takes its time
        sent = {name: payload if value == "?" else value for name, value in body.items()}
        answer = await rig.client.post(path, json=sent, timeout=SECONDS)
        assert 400 <= answer.status_code < 500, (payload, answer.text)
    assert rig.kept() == before


WITH_NUL = (
    ("POST", "/user/login", {"username": "root\0", "password": "a password"}, "username"),
    ("POST", "/user/login", {"username": "root", "password": "a pass\0word"}, "password"),
    ("POST", "/user/", {"username": "bo\0b", "password": "a long password"}, "username"),
    ("POST", "/token/", {"name": "ci\0"}, "name"),
    ("POST", "/token/", {"name": "ci", "models": "gpt-4o\0"}, "models"),
    ("POST", "/channel/", {"name": "a", "type": 1, "key": "sk", "headers": {"x-a\0": "b"}}, "headers"),
    ("PUT", "/option/", {"key": "SystemName", "value": "a\0b"}, "value"),
    ("PUT", "/price/gpt", {"input": "1", "output": "1", "note\0": ""}, "note\0"),
)


@pytest.mark.parametrize(("method", "path", "body", "param"), WITH_NUL)
async def test_the_character_nul_is_refused_on_all_alike(
    rig: Rig, method: str, path: str, body: dict[str, Any], param: str
) -> None:
    """PostgreSQL stores no such text, the others do."""
    before = rig.kept()
    answer = await rig.client.request(method, path, json=body, timeout=SECONDS)
    said = answer.json()
    assert (answer.status_code, said["param"]) == (400, param), said
    assert said["code"] == ("unknown_field" if "\0" in param else "invalid_body")
    assert rig.kept() == before


async def test_no_parameter_and_no_path_may_hold_the_character_nul(rig: Rig) -> None:
    before = rig.kept()
    for route in readers():
        for name in fields_of(route.query)[0]:
            answer = await rig.client.get(route.path.replace("{id}", "1"), params={name: "a\0b"}, timeout=SECONDS)
            assert answer.status_code == 400, (route.path, name, answer.text)
    for route in all_routes():
        if "{" in route.path and route.method in ("GET", "DELETE"):
            path = re.sub(r"\{[^}]*\}", "a%00b", route.path)
            answer = await rig.client.request(route.method, path, timeout=SECONDS)
            assert 400 <= answer.status_code < 500, (route.method, route.path, answer.text)
    assert rig.kept() == before


@pytest.mark.parametrize(
    ("keyword", "found"), [("%", 1), ("_", 1), ("50%", 1), ("n_B", 1), ("A%n", 0), ("\\", 0), ("ANN_", 1), ("a", 1)]
)
async def test_signs_of_patterns_are_letters(rig: Rig, keyword: str, found: int) -> None:
    listed = (await rig.client.get("/user/search", params={"keyword": keyword})).json()
    assert len([one for one in listed["data"] if one["username"] == "ann"]) == found, listed


async def test_what_was_written_is_what_is_read(rig: Rig) -> None:
    for number, payload in enumerate(PAYLOADS):
        draft = {"username": f"u{number}", "display_name": payload, "password": "a word of theirs"}
        answer = await rig.client.post("/user", json=draft, timeout=SECONDS)
        assert answer.json()["success"], answer.text
        named = (await rig.client.get("/user/search", params={"keyword": f"u{number}"})).json()["data"]
        assert payload in [one["display_name"] for one in named]
