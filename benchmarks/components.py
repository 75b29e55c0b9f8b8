"""Which component of the gateway a source file belongs to."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LOOP", "OTHER", "component_of"]

OTHER = "other libraries"
LOOP = "event loop"
STANDARD = "standard library"

_COMPONENTS: Mapping[str, str] = {
    "server": "serving accepting bounded workers",
    "edge": "edge drain shedding endpoints http errors probes listing standing",
    "auth": "auth keys accounts owners revocation retirement",
    "records": "record notes models",
    "idempotency": "idempotency kept",
    "limits": "ratelimit rates limitbook slots waits",
    "routing": "routing planning strategies pool admission health globs suffixes spread",
    "quota": "quota pricing pricebook genai funds shortage reaper spool group meter",
    "relay": "relay exchange dispatch delivery vigil pace failure retry flight realtime upgrade objects shelf",
    "upstream client": "upstream tickets",
    "wire": "wire providers thoughts links",
    "storage": "storage queries ports",
    "assembly": "app gateway settings cli wiring announced background housekeeping revision call extra",
}
_UNITS = {unit: component for component, units in _COMPONENTS.items() for unit in units.split()}

_LIBRARIES: Mapping[str, str] = {
    "server": "uvicorn httptools starlette websockets",
    LOOP: "uvloop anyio",
    "upstream client": "aiohttp yarl multidict aiosignal frozenlist propcache aiohappyeyeballs httpx2 httpcore2",
    "storage": "sqlalchemy asyncpg asyncmy redis",
}
_PACKAGES = {package: component for component, packages in _LIBRARIES.items() for package in packages.split()}

_STANDARD: Mapping[str, str] = {"asyncio": LOOP, "selectors": LOOP, "sqlite3": "storage"}


def component_of(file: str) -> str:
    """Of the path of a module, as it is on this machine or relative to where packages are."""
    parts = file.replace("\\", "/").removesuffix(".py").split("/")
    if "oneapi_asgi" in parts:
        unit = (*parts[parts.index("oneapi_asgi") + 1 :], "")[0]
        return _UNITS.get(unit, "assembly")
    if "site-packages" in parts:
        return _PACKAGES.get(parts[parts.index("site-packages") + 1], OTHER)
    if parts[0] in _PACKAGES:
        return _PACKAGES[parts[0]]
    return next((component for part, component in _STANDARD.items() if part in parts), STANDARD)
