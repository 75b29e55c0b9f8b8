"""The opening of a WebSocket as an HTTP request, on servers of either kind."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.errors import RateLimited
from oneapi_asgi.http import Refusal
from oneapi_asgi.realtime import RealtimeRelay
from oneapi_asgi.upgrade import Realtime, caller_of, upgraded
from oneapi_asgi.upstream.sockets import Closed


def scope_of(*, answers: bool = True, **changed: Any) -> Scope:
    return {
        "type": "websocket",
        "path": "/v1/realtime",
        "query_string": b"model=m",
        "headers": [(b"host", b"x")],
        "subprotocols": ["realtime", "openai-insecure-api-key.sk-1"],
        "extensions": {"websocket.http.response": {}} if answers else None,
        **changed,
    }


class Server:
    """What an ASGI server does of its own."""

    def __init__(self, *messages: Message) -> None:
        self.sent: list[Message] = []
        self._messages = [{"type": "websocket.connect"}, *messages]

    async def receive(self) -> Message:
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(dict(message))


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await Refusal(RateLimited("Too fast. " + "é" * 100, retry_after=2), Call.of(scope))(scope, receive, send)


async def test_a_refusal_is_the_answer_to_the_opening() -> None:
    server = Server()
    await refuse(*upgraded(scope_of(), server.receive, server.send))
    start, body = server.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 429)
    assert (b"retry-after", b"2") in start["headers"]
    assert body["type"] == "websocket.http.response.body"
    assert b'"rate_limit_exceeded"' in body["body"]


async def test_servers_that_cannot_answer_close_with_a_reason() -> None:
    server = Server()
    await refuse(*upgraded(scope_of(answers=False), server.receive, server.send))
    (close,) = server.sent
    assert (close["type"], close["code"]) == ("websocket.close", 1008)
    assert close["reason"].startswith("Too fast.")
    assert len(close["reason"].encode()) <= 123


@pytest.mark.parametrize("body", [b"<html>", b'{"error":{"message":"\xff"}}', b'{"error":' + b"[" * 10_000])
async def test_what_is_no_error_is_named_by_its_status(body: bytes) -> None:
    server = Server()
    _, _, send = upgraded(scope_of(answers=False), server.receive, server.send)
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body"})
    assert [message["reason"] for message in server.sent] == ["refused with status 404"]


async def test_101_accepts_and_then_both_talk() -> None:
    told: list[Message] = [
        {"type": "websocket.receive", "text": "a"},
        {"type": "websocket.receive", "text": None, "bytes": b"b"},
        {"type": "websocket.receive", "bytes": b""},
        {"type": "websocket.disconnect", "code": 4000, "reason": "bye"},
    ]
    server = Server(*told)
    scope, receive, send = upgraded(scope_of(), server.receive, server.send)
    assert (scope["type"], scope["method"]) == ("http", "GET")
    assert dict(scope["headers"])[b"authorization"] == b"Bearer sk-1"
    assert (await receive())["type"] == "http.request"
    await send({"type": "http.response.start", "status": 101, "headers": [(b"x-request-id", b"1")]})
    caller = caller_of(scope)
    assert caller is not None
    await caller.send("x")
    await caller.send(b"y")
    assert [await caller.receive() for _ in told] == ["a", b"b", b"", Closed(4000, "bye")]
    with pytest.raises(ConnectionError):
        await caller.send("z")
    await caller.close(1000, "")
    accept, *rest = server.sent
    assert accept == {
        "type": "websocket.accept",
        "subprotocol": "realtime",
        "headers": [(b"x-request-id", b"1")],
    }
    assert rest == [{"type": "websocket.send", "text": "x"}, {"type": "websocket.send", "bytes": b"y"}]


async def test_that_the_client_has_gone_is_heard_before_it_was_let_in() -> None:
    server = Server({"type": "websocket.disconnect", "code": 1006})
    _, receive, _ = upgraded(scope_of(), server.receive, server.send)
    assert [(await receive())["type"] for _ in range(2)] == ["http.request", "http.disconnect"]


async def test_a_request_without_a_socket_is_told_to_upgrade() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    server = Server()
    app = Realtime(never)
    await app({**scope_of(), "type": "http", "method": "GET"}, server.receive, server.send)
    assert server.sent[0]["status"] == 426
    with pytest.raises(AssertionError):
        await app({"type": "lifespan"}, server.receive, server.send)
    relay: Any = RealtimeRelay
    with pytest.raises(RuntimeError, match="put Realtime outside"):
        await relay(None, None, None)({**scope_of(), "type": "http"}, server.receive, server.send)
    with pytest.raises(ValueError, match="max_attempts"):
        relay(None, None, None, max_attempts=0)
