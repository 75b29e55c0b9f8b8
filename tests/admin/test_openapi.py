"""The document says what is served, and the page shows it without running anything."""

from __future__ import annotations

from typing import Any

from oneapi_asgi.admin.openapi import Description, document
from oneapi_asgi.admin.routes import Route
from oneapi_asgi.desk.roles import Role

from .rig import asked
from .test_app import ROUTES, echo


def test_every_route_is_described() -> None:
    described = document(ROUTES, version="1.2.3")
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found == {(route.method, route.path) for route in ROUTES}
    edit: dict[str, Any] = described["paths"]["/thing/{id}"]["put"]
    body = edit["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"name", "size", "at"}
    assert body["required"] == ["name"]
    assert body["additionalProperties"] is False
    assert (edit["x-role"], edit["parameters"][0]["schema"]["type"]) == ("admin", "integer")
    assert "security" not in described["paths"]["/open"]["get"]
    page = {each["name"]: each["schema"] for each in described["paths"]["/page"]["get"]["parameters"]}
    assert page["page_size"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}


async def test_both_are_served_to_everybody() -> None:
    mark = Route("GET", "/<script>", echo, role=Role.GUEST, summary="<img src=x onerror=alert(1)>")
    description = Description((*ROUTES, mark), version="1.2.3")
    async with asked(description.routes()) as client:
        del client.headers["x-actor"]
        assert (await client.get("/openapi.json")).json()["info"]["version"] == "1.2.3"
        page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "script" not in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "A page" in page.text
