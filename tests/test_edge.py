"""The outermost guard: one meaning for every request, and as much of it as is allowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.edge import Bounds, EdgeGuard, check_head, check_path, host_of
from oneapi_asgi.errors import BadRequest, BodyTooLarge, GatewayError, HeadersTooLarge, UnsupportedBody
from oneapi_asgi.http import read_body
from oneapi_asgi.testing import StreamingClient

HOST = (b"host", b"api.example.com")
Headers = Sequence[tuple[bytes, bytes]]


def scope(
    *headers: tuple[bytes, bytes], path: bytes = b"/v1/chat/completions", version: str = "1.1", query: bytes = b""
) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "http_version": version,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": list(headers),
    }


# --- hosts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "host"),
    [
        (b"example.com", "example.com"),
        (b"Example.COM:8080", "example.com"),
        (b"example.com:", "example.com"),
        (b"localhost", "localhost"),
        (b"127.0.0.1:80", "127.0.0.1"),
        (b"my_service.internal", "my_service.internal"),
        (b"xn--bcher-kva.example.", "xn--bcher-kva.example."),
        (b"a%20b", "a%20b"),
        (b"[::1]", "[::1]"),
        (b"[2001:DB8::1]:443", "[2001:db8::1]"),
        (b"[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
        (b" example.com ", "example.com"),
    ],
)
def test_names_of_hosts(value: bytes, host: str) -> None:
    assert host_of(value) == host


NO_HOSTS = [b"", b":80", b"x/?", b"x/", b"x?y", b"x#y", b"user@example.com", b"a b", b"example.com:80:80"]
NO_HOSTS += [b"example.com:port", b"example.com:99999", b"example.com:-1", b"http://example.com", b"a\x00b", b"a\nb"]
NO_HOSTS += [b"a%2", b"a%zz", b"[::1", b"::1", b"[::1]x", b"[1.2.3.4]", b"[:::]", b"[v1.x]", b"\xff", b"a\\b", b"<x>"]


@pytest.mark.parametrize("value", NO_HOSTS)
def test_what_names_no_host(value: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        host_of(value)
    assert refused.value.code == "invalid_host"


@pytest.mark.parametrize(
    ("version", "headers", "fits"),
    [
        ("1.1", [HOST], True),
        ("1.1", [], False),
        ("1.1", [HOST, HOST], False),
        ("1.1", [HOST, (b"host", b"other")], False),
        ("1.0", [], True),
        ("1.0", [HOST, HOST], False),
        ("2", [], True),  # as servers that do not make a Host of the authority
        ("2", [HOST, (b"host", b"other")], False),
        ("1.1", [(b"host", b"x/?")], False),
    ],
)
def test_there_is_one_host(version: str, headers: Headers, *, fits: bool) -> None:
    assert fits is (_refusal(scope(*headers, version=version)) is None)


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        (b"api.example.com", True),
        (b"API.example.com:8000", True),
        (b"a.wild.example", True),
        (b"wild.example", False),
        (b"a.b.wild.example", True),
        (b"api.example.com.", False),
        (b"evil.example.com", False),
        (None, False),
    ],
)
def test_hosts_may_be_listed(host: bytes | None, *, fits: bool) -> None:
    headers = [] if host is None else [(b"host", host)]
    bounds = Bounds(hosts=frozenset({"api.example.com", "*.wild.example"}))
    assert fits is (_refusal(scope(*headers, version="1.0"), bounds) is None)


def _refusal(at: Scope, bounds: Bounds | None = None) -> GatewayError | None:
    try:
        check_head(at, bounds or Bounds())
    except GatewayError as error:
        return error
    return None


# --- framing ----------------------------------------------------------------------------------------------------------

LENGTH, CODING = b"content-length", b"transfer-encoding"


@pytest.mark.parametrize(
    ("headers", "version", "body"),
    [
        ([], "1.1", False),
        ([], "", False),
        ([], "2", True),
        ([(LENGTH, b"0")], "1.1", False),
        ([(LENGTH, b"0")], "2", False),
        ([(LENGTH, b"7")], "1.1", True),
        ([(LENGTH, b"0007")], "1.1", True),
        ([(LENGTH, b"7")], "1.0", True),
        ([(CODING, b"chunked")], "1.1", True),
        ([(CODING, b" Chunked ")], "1.1", True),
    ],
)
def test_where_a_body_follows(headers: Headers, version: str, *, body: bool) -> None:
    assert check_head(scope(HOST, *headers, version=version), Bounds()) is body


@pytest.mark.parametrize(
    "headers",
    [
        [(LENGTH, b"4"), (CODING, b"chunked")],
        [(CODING, b"chunked"), (LENGTH, b"0")],
        [(LENGTH, b"4"), (LENGTH, b"4")],
        [(LENGTH, b"4, 4")],
        [(LENGTH, b"+4")],
        [(LENGTH, b"-4")],
        [(LENGTH, b"0x4")],
        [(LENGTH, b"4 ")],
        [(LENGTH, b"")],
        [(LENGTH, "٤".encode())],
        [(CODING, b"chunked"), (CODING, b"chunked")],
        [(CODING, b"gzip, chunked")],
        [(CODING, b"identity")],
        [(CODING, b"xchunked")],
        [(CODING, b"\x0bchunked,")],
    ],
)
def test_messages_that_may_end_at_two_places(headers: Headers) -> None:
    refused = _refusal(scope(HOST, *headers))
    assert isinstance(refused, BadRequest)
    assert (refused.code, refused.headers) == ("invalid_framing", (("connection", "close"),))


def test_chunks_are_not_of_http_1_0() -> None:
    assert _refusal(scope(HOST, (CODING, b"chunked"), version="1.0")) is not None


@pytest.mark.parametrize(("length", "fits"), [("9", True), ("10", True), ("11", False), ("9" * 5000, False)])
def test_announced_lengths(length: str, *, fits: bool) -> None:
    refused = _refusal(scope(HOST, (LENGTH, length.encode())), Bounds(body=10, header_bytes=10_000))
    assert fits is (refused is None)
    assert refused is None or isinstance(refused, BodyTooLarge)


@pytest.mark.parametrize("coding", [b"gzip", b"identity, gzip", b"br", b"GZIP", b"x"])
def test_compressed_bodies(coding: bytes) -> None:
    assert isinstance(_refusal(scope(HOST, (b"content-encoding", coding))), UnsupportedBody)


@pytest.mark.parametrize(
    ("at", "fits"),
    [
        (scope(HOST, *[(b"x", b"y")] * 99), True),
        (scope(HOST, *[(b"x", b"y")] * 100), False),
        (scope(HOST, (b"x", b"y" * 960)), True),
        (scope(HOST, (b"x", b"y" * 1000)), False),
        (scope(HOST, (b"x" * 1000, b"y")), False),
        (scope(HOST, query=b"y" * 1000), False),
        (scope(HOST, path=b"/" + b"y" * 1000), False),
    ],
)
def test_headers_are_bounded(at: Scope, *, fits: bool) -> None:
    refused = _refusal(at, Bounds(header_bytes=1000))
    assert fits is (refused is None)
    assert refused is None or isinstance(refused, HeadersTooLarge)


# --- paths ------------------------------------------------------------------------------------------------------------

PATHS = [
    b"/",
    b"/v1",
    b"/v1/",
    b"/v1/models/gpt-4o",
    b"/v1/models/a:b@c",
    b"/v1/models/team%2Fmodel",
    b"/v1/..x/.a/a..",
]
PATHS += [b"/v1beta/models/gemini-2.5-pro:generateContent", b"/v1/models/team%2fmodel/", b"/v1/models/m%C3%BC"]
PATHS += [b"/llm/v1/chat/completions", b"/v1/models/a%20b", b"/v1/files/file-a_b~c", b"/v1beta/tunedModels/a%2Fb:x"]
NO_PATHS = [b"", b"*", b"v1/models", b"http://evil/abs", b"//v1/models", b"/v1//models", b"/v1/models//", b"///"]
NO_PATHS += [
    b"/v1/../admin",
    b"/v1/%2e%2e/admin",
    b"/v1/.%2E/admin",
    b"/..",
    b"/v1/./models",
    b"/v1/%2e/models",
    b"/v1/..",
]
NO_PATHS += [b"/v1/models/%2e%2e%2fadmin", b"/v1/models/..%2Fadmin", b"/v1/models/a%2F..%2Fb", b"/v1/models/a%2F%2Fb"]
NO_PATHS += [b"/v1%2fmodels", b"/v1%2Fmodels", b"/%2fmodels/a", b"/v1/files%2Fa", b"/v1/models\\a", b"/v1/models/%5ca"]
NO_PATHS += [
    b"/v1/models/%5Ca",
    b"/a%00",
    b"/a\x00",
    b"/a%0d%0ax:y",
    b"/a\r\n",
    b"/a%7f",
    b"/a b",
    b"/a\xc3\xbc",
    b"/a%",
]
NO_PATHS += [b"/a%2", b"/a%zz", b"/a?b", b"/a#b", b"/a%1fb", b'/a"b', b"/a<b>", b"/a{b}", b"/a|b", b"/a^b", b"/a`b"]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_everybody_reads_alike(path: bytes) -> None:
    check_path(path)
    assert _refusal(scope(HOST, path=path)) is None


@pytest.mark.parametrize("path", NO_PATHS)
def test_paths_that_may_be_read_in_two_ways(path: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        check_path(path)
    assert refused.value.code == "invalid_path"
    if path:  # servers always tell one
        assert _refusal(scope(HOST, path=path)) is not None


ALPHABET = [
    b"/",
    b".",
    b"..",
    b"%2e",
    b"%2f",
    b"%2F",
    b"%5c",
    b"%00",
    b"a",
    b"models",
    b"v1",
    b"%41",
    b":",
    b"\\",
    b"%",
    b"~",
]


@given(st.lists(st.sampled_from(ALPHABET), max_size=12).map(lambda parts: b"/" + b"".join(parts)))
def test_the_short_cut_lets_nothing_pass(path: bytes) -> None:
    try:
        check_path(path)
    except BadRequest:
        assert _refusal(scope(HOST, path=path)) is not None
    else:
        assert _refusal(scope(HOST, path=path)) is None


@pytest.mark.parametrize(
    ("path", "fits"),
    [("/v1/models/a b", True), ("v1/models", True), ("/a/../b", False), ("/a\\b", False), ("/a\0", False)],
)
def test_decoded_paths_where_no_other_is_told(path: str, *, fits: bool) -> None:
    at = scope(HOST)
    del at["raw_path"]
    assert fits is (_refusal({**at, "path": path}) is None)


# --- around an app ----------------------------------------------------------------------------------------------------


class Reading:
    """An app that reads its body and answers with the size of it; ``seen`` is what it got."""

    def __init__(self) -> None:
        self.seen: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            self.seen.append(await receive())
            more = self.seen[-1].get("more_body", False)
        body = b"%d" % sum(len(message.get("body", b"")) for message in self.seen)
        await PlainTextResponse(body)(scope, receive, send)


async def called(app: ASGIApp, at: Scope, *messages: Message | float) -> list[Message]:
    """What the app sends to who sends this, and then is silent; numbers are pauses, in seconds."""
    waiting = iter(messages)
    sent: list[Message] = []

    async def receive() -> Message:
        for item in waiting:
            if not isinstance(item, float):
                return item
            await asyncio.sleep(item)
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(10):
        await app(at, receive, send)
    return sent


def piece(body: bytes = b"", *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


CHUNKED = (CODING, b"chunked")


async def test_bodies_pass_as_they_come() -> None:
    app = Reading()
    messages = [piece(b"a" * 5), piece(), piece(b"b" * 5, more=False)]
    sent = await called(EdgeGuard(app, max_body=10), scope(HOST, CHUNKED), *messages)
    assert app.seen == messages
    assert all(got is given for got, given in zip(app.seen, messages, strict=True))
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"10")


async def test_bodies_are_bounded_while_they_come() -> None:
    app = Reading()
    sent = await called(EdgeGuard(app, max_body=10), scope(HOST, CHUNKED), *[piece(b"a" * 5)] * 3, piece(more=False))
    assert len(app.seen) == 2
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.parametrize("drip", [(), tuple(item for _ in range(30) for item in (0.05, piece(b"a")))])
async def test_bodies_have_to_come_in_time(drip: Sequence[Message | float]) -> None:
    """A byte now and then buys no time."""
    began = time.monotonic()
    sent = await called(EdgeGuard(Reading(), body_timeout=0.3), scope(HOST, CHUNKED), piece(b"a"), *drip)
    assert 0.25 < time.monotonic() - began < 5
    assert sent[0]["status"] == 408
    assert {(b"connection", b"close"), (b"x-should-retry", b"true")} <= set(sent[0]["headers"])


def test_a_guard_may_serve_on_one_loop_after_another() -> None:
    guarded = EdgeGuard(Reading(), body_timeout=0.1)
    for _ in range(2):
        sent = asyncio.run(called(guarded, scope(HOST, CHUNKED), piece(b"a")))
        assert sent[0]["status"] == 408


def test_a_guard_may_serve_on_two_loops_at_once() -> None:
    guarded = EdgeGuard(Reading(), body_timeout=0.2)

    def serve(_: int) -> int:
        sent = asyncio.run(asyncio.wait_for(called(guarded, scope(HOST, CHUNKED), piece(b"a")), 10))
        status: int = sent[0]["status"]
        return status

    with ThreadPoolExecutor(2) as threads:
        assert [*threads.map(serve, range(2))] == [408, 408]


async def test_what_comes_fast_enough_may_take_longer() -> None:
    slow = [item for _ in range(12) for item in (0.1, piece(b"a" * 1000))]
    sent = await called(EdgeGuard(Reading(), body_timeout=1.0), scope(HOST, CHUNKED), *slow, piece(more=False))
    assert sent[0]["status"] == 200


async def test_after_the_body_the_app_may_wait_for_the_caller_to_leave() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        assert await receive() == {"type": "http.disconnect"}
        await PlainTextResponse("bye")(scope, receive, send)

    guarded = EdgeGuard(app, body_timeout=0.05)
    sent = await called(guarded, scope(HOST, CHUNKED), piece(more=False), 0.15, {"type": "http.disconnect"})
    assert sent[0]["status"] == 200


async def test_other_apps_errors_are_theirs() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await called(EdgeGuard(app), scope(HOST, CHUNKED))
    with pytest.raises(KeyError):
        await called(EdgeGuard(app), scope(HOST))


async def test_a_servers_own_timeout_is_not_taken_for_the_callers() -> None:
    async def receive() -> Message:
        raise TimeoutError

    async def send(message: Message) -> None:
        raise AssertionError

    with pytest.raises(TimeoutError):
        await EdgeGuard(Reading())(scope(HOST, CHUNKED), receive, send)


async def test_an_answer_that_has_begun_is_cut() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            message = await receive()
            await send({"type": "http.response.body", "body": message["body"], "more_body": True})

    sent = await called(EdgeGuard(app, max_body=4), scope(HOST, CHUNKED), *[piece(b"ab")] * 3)
    assert [message.get("body") for message in sent] == [None, b"ab", b"ab"]


@pytest.mark.parametrize("kind", ["catches all", "starlette"])
async def test_any_apps_caller_is_told_why(kind: str) -> None:
    async def catching(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await read_body(scope, receive, 1 << 20)
        except Exception:
            await PlainTextResponse("oh", 500)(scope, receive, send)

    async def home(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    app = catching if kind == "catches all" else Starlette(routes=[Route("/", home, methods=["POST"])])
    at = {**scope(HOST, CHUNKED, path=b"/"), "root_path": ""}
    sent = await called(EdgeGuard(app, max_body=10), at, *[piece(b"a" * 9)] * 2, piece(more=False))
    assert [message["type"] for message in sent if message["type"] == "http.response.start"] == ["http.response.start"]
    assert sent[0]["status"] == 413


async def test_refused_before_the_app_is_asked() -> None:
    app = Reading()
    async with StreamingClient(EdgeGuard(app), lifespan=False) as client:
        answer = await client.request("GET", "/v1//models", headers={"anthropic-version": "2023-06-01"})
    assert answer.status == 400
    assert answer.json()["type"] == "error"  # in the caller's dialect
    assert app.seen == []


async def test_below_a_mount() -> None:
    inner = EdgeGuard(Reading(), max_body=10)
    async with StreamingClient(Starlette(routes=[Mount("/llm", inner)]), lifespan=False) as client:
        assert (await client.request("POST", "/llm/v1/x", content=b"12345")).text == "5"
        assert (await client.request("GET", "/llm/v1/%2e%2e/x")).status == 400
        refused = await client.request("GET", "/llm/v1/messages//")
    assert refused.status == 400


async def test_web_sockets_are_held_to_the_rules_of_heads() -> None:
    taken: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        taken.append(scope["type"])

    at: dict[str, Any] = {**scope(HOST, path=b"/v1/realtime"), "type": "websocket"}
    assert await called(EdgeGuard(app), at) == []
    connect = {"type": "websocket.connect"}
    (closed,) = await called(EdgeGuard(app), {**at, "headers": [(b"host", b"x/?")]}, connect)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    answered = {**at, "headers": [], "extensions": {"websocket.http.response": {}}}
    start, _ = await called(EdgeGuard(app), answered, connect)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 400)
    assert taken == ["websocket"]


async def test_the_lifespan_passes() -> None:
    taken: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        taken.append(scope["type"])

    await called(EdgeGuard(app), {"type": "lifespan"})
    assert taken == ["lifespan"]


async def test_the_call_that_is_refused_is_the_one_that_others_see() -> None:
    at = scope(HOST, CHUNKED)
    sent = await called(EdgeGuard(Reading(), max_body=1), at, piece(b"ab"), piece(more=False))
    assert dict(sent[0]["headers"])[b"x-request-id"] == Call.of(at).id.encode()


@pytest.mark.parametrize("timeout", [0, -1])
def test_options(timeout: float) -> None:
    with pytest.raises(ValueError, match="body_timeout"):
        EdgeGuard(Reading(), body_timeout=timeout)
