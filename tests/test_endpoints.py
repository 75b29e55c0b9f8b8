"""Which app has a path, and what is said where there is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from oneapi_asgi import Endpoints


def named(name: str) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(name).encode()})

    return app


APP = Endpoints(named("calls"), models=named("models"), billing=named("billing"))


async def asked(method: str, path: str, root: str = "") -> Any:
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": root + path,
        "root_path": root,
        "headers": [],
        "query_string": b"",
    }
    await APP(scope, receive, send)
    return json.loads(said[1]["body"])


@pytest.mark.parametrize("root", ["", "/llm"])
@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("POST", "/v1/v1/chat/completions", "/v1/chat/completions"),
        ("POST", "/v1/v1/messages", "/v1/messages"),
        ("POST", "/v1/messages/v1/messages", "/v1/messages"),
        ("POST", "/v1beta/v1/models/m:generateContent", "/v1/models/m:generateContent"),
        ("POST", "/v1beta/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("GET", "/v1beta/v1/models", "/v1/models"),
        ("POST", "/v2/v2/chat", "/v2/chat"),
        ("POST", "/api/api/chat", "/api/chat"),
        ("GET", "/api/api/tags", "/api/tags"),
    ],
)
async def test_a_part_too_many_is_told(root: str, method: str, path: str, meant: str) -> None:
    told = json.dumps(await asked(method, path, root))
    assert f"There is nothing at {method} '{root}{path}'. Did you mean '{root}{meant}'?" in told
    assert "base URL has a part too many" in told


@pytest.mark.parametrize("path", ["/", "/v1/", "/v1/chat/completion", "/v1/assistants", "/x" * 5000])
async def test_what_is_nowhere_is_told(path: str) -> None:
    error = (await asked("GET", path))["error"]
    assert error["code"] == "unknown_url"
    assert error["message"].endswith("The API begins at the base URL with /v1, such as POST /v1/chat/completions.")
    assert len(error["message"]) < 400


async def test_what_is_there_is_asked() -> None:
    assert await asked("POST", "/v1/messages") == "calls"
    assert await asked("GET", "/v1/models/m") == "models"
    assert await asked("GET", "/dashboard/billing/usage") == "billing"
