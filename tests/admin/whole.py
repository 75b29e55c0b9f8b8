"""The whole administration, as the standalone app serves it, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from ports import free_port
from serving import COMMAND, serving

from oneapi_asgi.admin import Route
from oneapi_asgi.administration import Administration
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

FIRST, PASSWORD = "a first password", "a password that was changed"


def all_routes() -> tuple[Route, ...]:
    return Administration(SQLStorage("sqlite:///never-opened.db"), HttptoolsUpstream()).admin.routes


class Person:
    """Somebody with a browser: one that keeps a cookie and sends it back."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status, and what JSON the answer is (else nothing)."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        own = {"cookie": self.cookie} if self.cookie else {}
        if body is not None:
            own["content-type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), {**own, **(headers or {})})
        answer = connection.getresponse()
        raw = answer.read()
        if (cookie := answer.getheader("set-cookie", "")).startswith("oneapi_session="):
            self.cookie = cookie.partition(";")[0]
        connection.close()
        kind = answer.getheader("content-type", "")
        said = json.loads(raw) if kind.startswith("application/json") and raw else {}
        return answer.status, said if isinstance(said, dict) else {}

    def login(self, name: str, password: str = PASSWORD) -> None:
        status, said = self.ask("POST", "/api/user/login", {"username": name, "password": password})
        assert status == 200, said


@contextmanager
def whole(folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Person]:
    """Root, who has signed in and changed the first password."""
    port = free_port()
    with serving(
        [*COMMAND, "serve", "--port", str(port)],
        port,
        cwd=folder,
        environ={"ONEAPI_ROOT_PASSWORD": FIRST, **(environ or {})},
    ):
        root = Person(port)
        root.login("root", FIRST)
        change = {"original_password": FIRST, "password": PASSWORD}
        assert root.ask("PUT", "/api/user/self", change)[0] == 200
        yield root
