"""Errors of OpenAI's formats: ``{"error": {message, type, param, code}}`` for clients, and from upstreams in any of the
shapes that compatible providers and servers have instead.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from ...errors import GatewayError, UpstreamFailed, UpstreamRefused
from ...unreadable import UNREADABLE

__all__ = ["Complaint", "complaint", "error_body", "error_frame", "failure", "refusal"]


def error_body(error: GatewayError) -> bytes:
    return msgspec.json.encode(
        {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    )


def error_frame(error: GatewayError) -> bytes:
    """The last of a stream; no ``[DONE]`` follows, lest a client take a broken answer for a whole one."""
    return b"data: " + error_body(error) + b"\n\n"


_MOST_TEXT = 2_000
_UNTOLD = "The upstream refused the request and did not say why"
_STATUSES: Final = {"invalid_request_error": 400, "rate_limit_error": 429, "rate_limit_exceeded": 429}


class Complaint(NamedTuple):
    message: str = ""
    code: str | None = None
    kind: str | None = None
    param: str | None = None
    status: int | None = None


def refusal(status: int, body: bytes) -> UpstreamRefused:
    """What an answer of a status that is none of success says, in any of the shapes that providers use."""
    try:
        told = complaint(msgspec.json.decode(body))
    except UNREADABLE:
        text = body[: 4 * _MOST_TEXT].decode(errors="replace").strip()
        told = Complaint("" if text.startswith("<") else text[:_MOST_TEXT])
    message = told.message or f"{_UNTOLD} (HTTP status {status})."
    return UpstreamRefused(message, status=status, code=told.code, kind=told.kind, param=told.param)


def complaint(value: object) -> Complaint:
    """``{"error": {…}}``, ``{"error": "text"}``, ``{"message"}``, ``{"detail"}``, ``{"msg"}``, a list of these, or one
    at ``errors``."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str):
        return Complaint(value[:_MOST_TEXT])
    if not isinstance(value, dict):
        return Complaint()
    inner = value.get("error")
    if isinstance(inner, dict):
        return complaint(inner)
    texts = (inner, *(value.get(key) for key in ("message", "detail", "msg", "error_msg", "status_msg")))
    message = next((text for text in texts if isinstance(text, str) and text), "")
    for detail in (value.get("detail"), value.get("errors")):
        if not message and isinstance(detail, list | dict):
            message = complaint(detail).message
    code = value.get("code") or value.get("error_code") or value.get("status_code")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    named = str(code)[:200] if isinstance(code, str | int) and not isinstance(code, bool) and status is None else None
    kind, param = _text(value.get("type")), _text(value.get("param"))
    return Complaint(message[:_MOST_TEXT], named or None, kind[:200] or None, param[:200] or None, status)


def failure(told: Complaint) -> GatewayError:
    """A refusal of the key is the operator's business, and its text may hold a part of it."""
    status = told.status or _STATUSES.get(told.kind or "") or _STATUSES.get(told.code or "")
    if status in (401, 403):
        return UpstreamFailed("The upstream refused the gateway's access.")
    message = told.message or f"{_UNTOLD}."
    if status is not None and status < 500:
        return UpstreamRefused(message, status=status, code=told.code, kind=told.kind, param=told.param)
    return UpstreamFailed(message, code=told.code, param=told.param)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
