"""Serves the console: one page for all addresses of it, and the files that it is made of.

The page lets scripts come from here alone, and styles from here or with the nonce of this very answer: whatever gets
into the page by its data, nothing in it runs (Content Security Policy, level 3).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from ...http import route_path

__all__ = ["PAGES", "Console"]

_log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"

PAGES = frozenset(
    (
        "",
        "about",
        "account",
        "audit",
        "channels",
        "groups",
        "live",
        "login",
        "logs",
        "oauth",
        "playground",
        "prices",
        "redemptions",
        "register",
        "reset",
        "settings",
        "setup",
        "tokens",
        "topup",
        "user",
        "users",
    )
)
"""What the addresses of pages begin with."""

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_YEAR = "public, max-age=31536000, immutable"
_HEADERS = MappingProxyType(
    {
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "vary": "accept-encoding",
    }
)
_TURNSTILE = "https://challenges.cloudflare.com"

_UNBUILT = """\
The console is not built: the npm registry could not be reached when oneapi_asgi was installed. All else works.

To build it, install once more where registry.npmjs.org can be reached:

    pip install --force-reinstall --no-deps oneapi-asgi      (from a checkout: pip install -e .)

The administration itself is at /api, and described at /api/docs.
"""


async def _no_turnstile() -> bool:
    return False


class Console:
    """``folder`` holds what was bundled. ``turnstile`` tells whether people are asked to show that they are people by
    Cloudflare's Turnstile, whose script the page may load only then."""

    def __init__(self, folder: Path = STATIC, *, turnstile: Callable[[], Awaitable[bool]] = _no_turnstile) -> None:
        self._turnstile = turnstile
        self._files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        index = self._files.pop("index.html", None)
        self._index = index.read_text("utf-8") if index else None

    def serves(self, path: str) -> bool:
        """Whether a path below the root is a page's, or a file's."""
        name = path.strip("/")
        return name.partition("/")[0] in PAGES or name in self._files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError("The console serves HTTP alone.")
        name = route_path(scope).strip("/")
        if scope["method"] not in ("GET", "HEAD"):
            answer: Response = PlainTextResponse("Read it with GET.", 405, {"allow": "GET, HEAD"})
        elif name in self._files:
            answer = self._file(name, scope)
        elif self._index is None:
            answer = PlainTextResponse(_UNBUILT, 503, {"cache-control": "no-store"})
        else:
            answer = await self._page(self._index, scope)
        answer.headers.update(_HEADERS)
        await answer(scope, receive, send)

    async def _page(self, index: str, scope: Scope) -> Response:
        nonce = secrets.token_urlsafe(16)
        base = _attribute(f"{scope.get('root_path', '')}/")
        policy = _policy(nonce, turnstile=await self._asks())
        page = index.replace("__NONCE__", nonce).replace("__BASE__", base)
        return HTMLResponse(page, headers={"content-security-policy": policy, "cache-control": "no-store"})

    async def _asks(self) -> bool:
        try:
            return await self._turnstile()
        except Exception as error:  # the page itself tells what is wrong, once it asks the administration
            _log.warning(
                "the page is served without Turnstile, as the options cannot be read: %s", type(error).__name__
            )
            return False

    def _file(self, name: str, scope: Scope) -> Response:
        path, headers = self._files[name], {}
        headers["cache-control"] = _YEAR if name.startswith("assets/") else "no-cache"
        accepted = _accepted(scope)
        for encoding, suffix in _ENCODINGS:
            if encoding in accepted and name + suffix in self._files:
                path = self._files[name + suffix]
                headers["content-encoding"] = encoding
                break
        kind = guess_type(PurePosixPath(name))[0] or "application/octet-stream"
        return FileResponse(path, headers=headers, media_type=kind)


def _policy(nonce: str, *, turnstile: bool) -> str:
    vendor = f" {_TURNSTILE}" if turnstile else ""
    rules: Mapping[str, str] = {
        "default-src": "'none'",
        "script-src": f"'self'{vendor}",
        "style-src": f"'self' 'nonce-{nonce}'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "frame-src": vendor.strip() or "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _accepted(scope: Scope) -> frozenset[str]:
    """The codings that are named without being refused (RFC 9110, section 12.5.3)."""
    value = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").decode("latin-1")
    parts = [part.replace(" ", "").lower().partition(";q=") for part in value.split(",")]
    return frozenset(coding for coding, _, weight in parts if weight.strip("0.") or not weight)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
