"""The routes as an OpenAPI 3.1 document, and that as a page.

Both follow from what the routes declare, so that neither can say something else than what is served.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from html import escape
from typing import Any

import msgspec
from starlette.responses import Response

from ..desk.roles import Role
from .app import placeholders
from .routes import Nothing, Route, Visit

__all__ = ["Description", "document", "page"]

_REFUSALS: Mapping[int, str] = {
    400: "The request is wrong: `message` says what, where, and how to mend it.",
    401: "Nobody has signed in, or what was shown is no longer good.",
    403: "Whoever it is may not do this, or has to do something else first.",
    404: "There is no such thing, or none that one may see.",
    409: "It contradicts what is there.",
    413: "The body is too large.",
    415: "The body is not what this route takes.",
    422: "It cannot be done with these values.",
    429: "Too fast, or too often wrong: `retry-after` says when to come back.",
    502: "Somebody else, who was asked for this, did not answer well.",
    503: "That cannot be done now.",
    504: "Somebody else, who was asked for this, did not answer in time.",
}
_REF = "#/components/schemas/{name}"

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1f2328 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d1d9e0 }
details { border: 1px solid #d1d9e0; border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } code, pre { font: 13px/1.45 ui-monospace, monospace } pre { overflow: auto }
.method { display: inline-block; width: 4.5rem; font-weight: 600 } .role { color: #59636e; float: right }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3 } h2, details { border-color: #3d444d }
}
"""


class Description:
    """Serves both."""

    def __init__(self, routes: Sequence[Route], *, version: str, prefix: str = "/api") -> None:
        self._routes = routes
        self._version = version
        self._prefix = prefix

    @cached_property
    def _document(self) -> dict[str, Any]:
        """Made when somebody first asks: few do, and all would wait for it at the start."""
        return document([*self._routes, *self.routes()], version=self._version, prefix=self._prefix)

    @cached_property
    def _json(self) -> bytes:
        return msgspec.json.encode(self._document)

    @cached_property
    def _page(self) -> bytes:
        return page(self._document).encode()

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET",
                "/openapi.json",
                self.json,
                role=Role.GUEST,
                summary="This document",
                data=dict[str, Any],
                bare=True,
            ),
            Route("GET", "/docs", self.html, role=Role.GUEST, summary="This document as a page", data=str, bare=True),
        )

    async def json(self, _: Visit[Nothing, None]) -> Response:
        return Response(self._json, media_type="application/json")

    async def html(self, _: Visit[Nothing, None]) -> Response:
        policy = (
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        return Response(self._page, media_type="text/html", headers={"content-security-policy": policy})


def document(routes: Sequence[Route], *, version: str, prefix: str = "/api") -> dict[str, Any]:
    """An OpenAPI 3.1 document of what is served below ``prefix``."""
    kinds = [
        *{
            kind
            for route in routes
            for kind in (route.query, route.body, *_alternatives(route))
            if kind not in (None, Nothing)
        }
    ]
    kinds.sort(key=repr)
    found, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schemas = dict(zip(map(repr, kinds), found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path.replace(":path}", "}"), {})[route.method.lower()] = _operation(
            route, schemas, components
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "oneapi_asgi administration",
            "version": version,
            "description": "Answers are `{success, message, data}`, lists have a `total`; the status is HTTP's own.",
        },
        "servers": [{"url": prefix}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Refusal": _refusal_schema()},
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "oneapi_session"},
                "access_token": {"type": "http", "scheme": "bearer", "description": "POST /user/token makes one."},
            },
        },
    }


def _operation(route: Route, schemas: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.path.split("/")[1]],
        "operationId": f"{route.method.lower()}_{_words(route.path)}",
        "x-role": route.role.name.lower(),
        "parameters": [*_places(route), *_parameters(route)],
        "responses": {"200": _answer(route, schemas), **_refusals()},
    }
    if route.role > Role.GUEST:
        said["security"] = [{"session": []}, {"access_token": []}]
    if route.body is not None:
        said["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(route, schemas, components)}},
        }
    elif route.raw or route.signed:
        said["requestBody"] = {"content": {"*/*": {"schema": {}}}}
    return said


def _words(path: str) -> str:
    return "_".join(filter(None, "".join(char if char.isalnum() else "_" for char in path).split("_"))) or "root"


def _places(route: Route) -> Iterable[dict[str, Any]]:
    for name, rest in placeholders(route.path):
        number = name.endswith("id") and not rest
        schema = (
            {"type": "integer", "minimum": 0, "maximum": 10**18 - 1} if number else {"type": "string", "minLength": 1}
        )
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameters(route: Route) -> Iterable[dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([route.query], ref_template=_REF)
    properties = components.get(route.query.__name__, schema).get("properties", {})
    for field in msgspec.structs.fields(route.query):
        yield {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": properties.get(field.encode_name, {}),
        }


def _body(route: Route, schemas: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """The body, which may also hold what is ignored, and nothing else."""
    schema = schemas[repr(route.body)]
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    whole = dict(components.get(name, schema))
    whole["properties"] = {**whole.get("properties", {}), **{field: {} for field in sorted(route.ignored)}}
    return {**whole, "additionalProperties": False}


def _alternatives(route: Route) -> tuple[Any, ...]:
    return route.data if isinstance(route.data, tuple) else (route.data,)


def _answer(route: Route, schemas: Mapping[str, Any]) -> dict[str, Any]:
    if route.bare:
        return {"description": "As it is, without an envelope.", "content": {"*/*": {"schema": {}}}}
    found = [schemas[repr(kind)] for kind in _alternatives(route) if kind is not None]
    data = {"anyOf": found} if len(found) > 1 else found[0] if found else {}
    schema = {
        "type": "object",
        "required": ["success", "message", "data"],
        "properties": {
            "success": {"const": True},
            "message": {"type": "string"},
            "data": data,
            "total": {"type": "integer", "minimum": 0},
        },
    }
    files = {media: {"schema": {"type": "string"}} for media in route.files}
    return {"description": "Done.", "content": {"application/json": {"schema": schema}, **files}}


def _refusals() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REF.format(name="Refusal")}}}
    return {str(status): {"description": text, "content": content} for status, text in _REFUSALS.items()}


def _refusal_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["success", "message", "data", "code"],
        "properties": {
            "success": {"const": False},
            "message": {"type": "string"},
            "data": {"type": "null"},
            "code": {"type": ["string", "null"]},
            "param": {"type": "string"},
        },
    }


# --- as a page --------------------------------------------------------------------------------------------------------


def page(described: Mapping[str, Any]) -> str:
    """The document for a reader: no script, nothing from elsewhere."""
    info = described["info"]
    parts: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            parts.setdefault(operation["tags"][0], []).append(_entry(method, path, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(entries)}" for tag, entries in sorted(parts.items()))
    schemas = "".join(
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>{_code(schema)}</details>"
        for name, schema in sorted(described["components"]["schemas"].items())
    )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(info['title'])}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f"{sections}<h2>Schemas</h2>{schemas}</html>"
    )


def _entry(method: str, path: str, operation: Mapping[str, Any]) -> str:
    head = (
        f"<span class='method'>{escape(method.upper())}</span><code>{escape(path)}</code> "
        f"{escape(operation['summary'])}"
        f"<span class='role'>{escape(operation['x-role'])}</span>"
    )
    parts = []
    if operation["parameters"]:
        parts.append("<h4>Parameters</h4>" + _code({each["name"]: each["schema"] for each in operation["parameters"]}))
    if "requestBody" in operation:
        parts.append("<h4>Body</h4>" + _code(next(iter(operation["requestBody"]["content"].values()))["schema"]))
    parts.append("<h4>Answer</h4>" + _code(next(iter(operation["responses"]["200"]["content"].values()))["schema"]))
    return f"<details><summary>{head}</summary>{''.join(parts)}</details>"


def _code(value: object) -> str:
    return f"<pre>{escape(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())}</pre>"
