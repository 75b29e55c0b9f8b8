"""WebSockets for components that know of HTTP alone: the opening of one is an HTTP request (RFC 6455, section 4.1).

``upgraded`` presents it as such, at the outermost place, so that every component decides about it as about any other
call. A refusal becomes the answer to the opening; who answers 101 accepts, and goes on with the ``Caller``.
``Realtime`` reads what session is asked for.

    app = Realtime(TokenAuth(ModelRouter(...), authenticator))
    await app(*upgraded(scope, receive, send))

*Reads* nothing. *Writes* ``call.dialect``, ``call.operation``, ``call.body``, ``call.request``. Options:
``max_output``, ``on_error``.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec
from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .call import Call
from .errors import BadRequest, GatewayError
from .http import OnError, Refusal, query_of
from .unreadable import UNREADABLE
from .upstream.sockets import ABNORMAL, Closed
from .wire.dialects import CLIENTS
from .wire.realtime import REALTIME, chosen, close_reason, opening, shown

__all__ = ["MOST_OUTPUT", "Caller", "Realtime", "caller_of", "upgraded"]

_CALLER = "oneapi_asgi.caller"

MOST_OUTPUT = 4_096
"""Tokens: the most that OpenAI's models for sessions say in one response."""


def upgraded(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    """The opening of a WebSocket as the HTTP request that it is, with the key in the header where components look."""
    caller = Caller(scope, receive, send)
    headers = [*scope["headers"], *shown(scope.get("subprotocols", ()))]
    request = {**scope, "type": "http", "method": "GET", "headers": headers, _CALLER: caller}
    return request, caller.asked, caller.answered


def caller_of(scope: Scope) -> Caller | None:
    """The client on a WebSocket, None if it is on none."""
    caller: Caller | None = scope.get(_CALLER)
    return caller


class Caller:
    """A client on a WebSocket, accepted or still to be."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._subprotocol = chosen(scope.get("subprotocols", ()))
        self._may_answer = "websocket.http.response" in (scope.get("extensions") or {})
        self._status = 0
        self._body = b""
        self._asked = False
        self._connecting = True
        self._gone = False

    async def asked(self) -> Message:
        """The request has no body; after it there is only to be heard that the client has gone."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (await self._receive())["type"] != "websocket.disconnect":
            self._connecting = False
        return {"type": "http.disconnect"}

    async def answered(self, message: Message) -> None:
        """Send the answer to the opening: 101 accepts, everything else refuses."""
        if message["type"] == "http.response.start":
            if self._connecting:
                self._connecting = False
                await self._receive()  # that somebody wants to connect
            self._status = message["status"]
            if self._status == 101:
                headers = message.get("headers", ())
                await self._send({"type": "websocket.accept", "subprotocol": self._subprotocol, "headers": headers})
            elif self._may_answer:
                await self._send({**message, "type": "websocket.http.response.start"})
        elif self._may_answer:
            await self._send({"body": b"", **message, "type": "websocket.http.response.body"})
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                reason = close_reason(_message(self._body) or f"refused with status {self._status}")
                await self._send({"type": "websocket.close", "code": 1008, "reason": reason})

    async def receive(self) -> str | bytes | Closed:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._gone = True
            return Closed(message.get("code") or ABNORMAL, message.get("reason") or "")
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def send(self, data: str | bytes) -> None:
        """
        :raises OSError: the client has gone
        """
        if self._gone:
            raise ConnectionResetError
        await self._send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})

    async def close(self, code: int, reason: str) -> None:
        if self._gone:
            return
        with suppress(OSError):
            await self._send({"type": "websocket.close", "code": code, "reason": close_reason(reason)})


class _Told(Struct):
    message: str = ""


class _Envelope(Struct):
    error: _Told


_envelope = msgspec.json.Decoder(_Envelope)


def _message(body: bytes) -> str:
    try:
        return _envelope.decode(body).error.message
    except UNREADABLE:
        return ""


class Realtime:
    """Reads what session is asked for, so that the components inside find it. ``max_output`` are the tokens of one
    response at most."""

    def __init__(self, app: ASGIApp, *, max_output: int = MOST_OUTPUT, on_error: OnError = Refusal) -> None:
        self.app = app
        self._max_output = max_output
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        call.dialect, call.operation, call.body = CLIENTS[REALTIME.dialect], REALTIME, b""
        try:
            if caller_of(scope) is None:
                raise _upgrade_required()
            call.request = opening(query_of(scope), max_output=self._max_output)
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        return await self.app(scope, receive, send)


def _upgrade_required() -> GatewayError:
    headers = (("upgrade", "websocket"), ("connection", "upgrade"))
    error = BadRequest("This path takes WebSockets. Connect to it as wss://…", code="upgrade_required", headers=headers)
    error.status = 426
    return error
