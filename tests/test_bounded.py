"""One connection at a time, without a socket: what is read of it, what is refused, and when it is given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from oneapi_asgi.bounded import BoundedConfig, BoundedProtocol, Bounds, sweep

BOUNDS = Bounds(3, header_timeout=10.0, max_head=1_000, linger=3.0)
GET = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"
IDLE = 5.0  # seconds that uvicorn keeps a connection of which nothing comes


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


class Socket(asyncio.Transport):
    """What was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.aborted = self.ended = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Seen:
    """An app that answers as the path says, and what it was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[Sequence[tuple[bytes, bytes]]] = []
        self.bodies: list[bytes] = []
        self.left = 0
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        self.headers.append(scope["headers"])
        body = b""
        more = scope["path"] != "/unread"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        if scope["path"] == "/slow":
            await self.go_on.wait()
        await send({"type": "http.response.body", "body": b"ok"})


class Connection:
    def __init__(self, app: ASGIApp, state: ServerState | None = None, bounds: Bounds = BOUNDS) -> None:
        config = BoundedConfig(app, bounds=bounds, lifespan="off", ws="none", log_config=None, proxy_headers=False)
        config.load()
        self.socket = Socket()
        self.began = time.monotonic()
        self.protocol = BoundedProtocol(config, state or ServerState(), {})
        self.protocol.connection_made(self.socket)
        self.protocol.look(self.began)

    async def send(self, *pieces: bytes) -> None:
        for piece in filter(None, pieces):
            self.protocol.data_received(piece)
            await settled()
        self.protocol.look(self.began)

    def after(self, seconds: float) -> Socket:
        """Look so long after the connection was made."""
        self.protocol.look(self.began + seconds)
        return self.socket

    async def end(self) -> None:
        """The peer is gone."""
        self.protocol.connection_lost(None)
        await settled()

    @property
    def statuses(self) -> list[int]:
        return [int(part[:3]) for part in self.socket.written.split(b"HTTP/1.1 ")[1:]]


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def request(headers: Mapping[str, str] | None = None, *, path: str = "/a", body: bytes = b"") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


CHUNKED = {"transfer-encoding": "chunked"}


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /a HTTP/1.1\r\nhos"], ids=["nothing", "a line", "a part"])
async def test_a_head_has_to_come_in_time(sent: bytes) -> None:
    connection = Connection(Seen())
    await connection.send(sent)
    assert not connection.after(9.9).closed
    socket = connection.after(10.1)
    assert connection.statuses == ([408] if sent else [])
    assert socket.aborted is not bool(sent)
    assert connection.after(20).aborted, "who does not go is sent"


async def test_a_drip_gives_no_more_time() -> None:
    connection = Connection(Seen())
    for byte in GET[:-1]:
        await connection.send(bytes([byte]))
    assert not connection.after(9.9).closed
    connection.after(10.1)
    assert connection.statuses == [408]


async def test_a_whole_head_is_in_time() -> None:
    connection = Connection(Seen())
    await connection.send(request({"content-length": "10"}))
    assert not connection.after(1_000).closed, "how long the body may take is the app's affair"
    await connection.end()


async def test_the_next_head_has_its_own_time() -> None:
    connection = Connection(Seen())
    await connection.send(GET)
    assert not connection.after(IDLE - 0.1).closed
    await connection.send(b"GET /b HT")
    assert not connection.after(9).closed
    connection.after(11)
    assert connection.statuses == [200, 408]
    assert connection.after(15).aborted


@pytest.mark.parametrize("sent", [[], [b"\r\n"], [b"\r\n", b"\r\n"]], ids=["nothing", "a line", "lines"])
async def test_who_asks_nothing_more_is_let_go(sent: Sequence[bytes]) -> None:
    connection = Connection(Seen())
    await connection.send(GET, *sent)
    assert connection.protocol.timeout_keep_alive_task is None
    assert not connection.after(IDLE - 0.1).closed
    socket = connection.after(IDLE + 0.1)
    assert (socket.closed, socket.aborted) == (True, False), "what is written may still be read"
    assert connection.after(IDLE + 4).aborted
    assert connection.statuses == [200]


async def test_an_answer_is_not_cut_for_what_comes_after_it() -> None:
    app = Seen()
    connection = Connection(app)
    await connection.send(request({"content-length": "0"}, path="/slow"), b"GET /b HT")
    assert not connection.after(1_000).closed
    app.go_on.set()
    await connection.send(b"TP/1.1\r\nhost: x\r\n\r\n")
    assert connection.statuses == [200, 200]


async def test_a_further_head_that_is_whole_is_in_time() -> None:
    connection = Connection(Seen())
    await connection.send(GET, b"\r\n", GET)
    assert connection.statuses == [200, 200]
    assert not connection.after(IDLE - 0.1).closed


async def test_what_is_left_of_an_answered_request_has_to_come_in_time() -> None:
    connection = Connection(Seen())
    await connection.send(request({"content-length": "10"}, path="/unread"), b"12345")
    assert connection.statuses == [200]
    assert not connection.after(9).closed
    assert connection.after(11).aborted


async def test_when_it_has_come_the_next_head_is_waited_for() -> None:
    connection = Connection(Seen())
    await connection.send(request({"content-length": "10"}, path="/unread"), b"12345", b"67890")
    assert not connection.after(IDLE - 0.1).closed
    assert connection.after(IDLE + 0.1).closed
    connection = Connection(Seen())
    await connection.send(request({"content-length": "10"}, path="/unread"), b"12345", b"67890", GET)
    assert connection.statuses == [200, 200]
    assert not connection.after(IDLE - 0.1).closed


async def test_who_does_not_read_the_end_is_cut_off() -> None:
    connection = Connection(Seen())
    await connection.send(request({"connection": "close", "content-length": "0"}))
    assert connection.socket.closed
    assert not connection.after(2.9).aborted
    assert connection.after(3.1).aborted


async def test_all_connections_are_looked_at() -> None:
    connection = Connection(Seen())
    sweep([connection.protocol, object()], connection.began + 11)
    assert connection.socket.aborted


# --- size -------------------------------------------------------------------------------------------------------------

LARGE = request({"x-large": "l" * 1_000})
MANY = request({f"x-{number}": "m" * 10 for number in range(60)})
LONG = request(path="/" + "p" * 1_000)


@pytest.mark.parametrize("head", [LARGE, MANY, LONG], ids=["one", "many", "target"])
@pytest.mark.parametrize("step", [1, 100, 5_000])
async def test_a_head_is_bounded(head: bytes, step: int) -> None:
    app = Seen()
    connection = Connection(app)
    await connection.send(*[head[start : start + step] for start in range(0, len(head), step)])
    assert connection.statuses == [431]
    assert app.paths == []


async def test_a_head_without_an_end_is_bounded() -> None:
    connection = Connection(Seen())
    await connection.send(b"GET / HTTP/1.1\r\nx: ", *[b"y" * 100] * 10)
    assert connection.statuses == [431]
    assert connection.socket.ended


@pytest.mark.parametrize("step", [100, 100_000])
async def test_bodies_do_not_count(step: int) -> None:
    """Nor does what comes in one piece with a head."""
    app = Seen()
    connection = Connection(app)
    whole = request({"content-length": "9000"}, body=b"b" * 9_000) * 2
    await connection.send(*[whole[start : start + step] for start in range(0, len(whole), step)])
    assert connection.statuses == [200, 200]
    assert [len(body) for body in app.bodies] == [9_000, 9_000]


async def test_trailers_are_dropped() -> None:
    app = Seen()
    connection = Connection(app)
    await connection.send(request(CHUNKED, body=b"2\r\nab\r\n0\r\nhost: evil\r\nauthorization: b\r\n\r\n"), GET)
    assert connection.statuses == [200, 200]
    assert [name for name, _ in app.headers[0]] == [b"host", b"transfer-encoding"]
    assert app.bodies == [b"ab", b""]


# --- form -------------------------------------------------------------------------------------------------------------

MALFORMED = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00",
    "absolute": b"GET http://evil/a HTTP/1.1\r\nhost: x\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    "authority": b"CONNECT evil:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nhost: x\r\n\r\n",
    "no version": b"GET /a\r\n\r\n",
    "another version": b"GET /a HTTP/2.0\r\nhost: x\r\n\r\n",
    "two lengths": request({"content-length": "4", "Content-Length": "40"}, body=b"{}  "),
    "both framings": request({"content-length": "5", **CHUNKED}, body=b"0\r\n\r\n"),
    "another coding": request({"transfer-encoding": "xchunked"}, body=b"0\r\n\r\n"),
    "a space in a name": request({"x a": "b"}),
    "a folded line": request({"x-a": "b\r\n c"}),
    "a bare line feed": b"GET /a HTTP/1.1\nhost: x\n\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_request_is_refused(sent: bytes) -> None:
    app = Seen()
    connection = Connection(app)
    await connection.send(sent, GET)
    assert connection.statuses == [400]
    assert b"connection: close\r\n" in connection.socket.written
    assert connection.socket.ended
    assert app.bodies == []


async def test_a_body_that_turns_out_malformed_ends_its_call() -> None:
    app = Seen()
    connection = Connection(app)
    await connection.send(request(CHUNKED, body=b"2\r\nab\r\n"), b"zz\r\n", GET)
    assert connection.statuses == [400]
    assert app.left == 1


async def test_nothing_is_written_into_an_answer() -> None:
    app = Seen()
    connection = Connection(app)
    await connection.send(request({"content-length": "0"}, path="/slow"), b"garbage\r\n\r\n")
    assert connection.statuses == [200]
    assert connection.socket.closed
    app.go_on.set()
    await connection.end()


async def test_nor_before_the_one_that_is_next() -> None:
    app = Seen()
    connection = Connection(app)
    await connection.send(request({"content-length": "0"}, path="/slow"), request(CHUNKED), b"zz\r\n")
    assert connection.statuses == [200]
    assert connection.socket.closed
    app.go_on.set()
    await connection.end()


async def test_an_upgrade_that_is_not_offered_is_ignored() -> None:
    connection = Connection(Seen())
    await connection.send(b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    assert connection.statuses == [200]


SOME_CUTS = st.lists(st.integers(0, 300), max_size=8)
REQUESTS = (GET, request({"content-length": "3"}, body=b"abc"), request(CHUNKED, body=b"2\r\nab\r\n0\r\n\r\n"))


@given(which=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=4), cuts=SOME_CUTS)
def test_requests_are_the_same_however_they_are_cut(which: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(which)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    app = Seen()

    async def ask() -> list[int]:
        connection = Connection(app)
        await connection.send(*[whole[a:b] for a, b in pairwise(places)])
        for _ in which:
            await settled()
        assert not connection.after(IDLE - 0.1).closed
        return connection.statuses

    assert asyncio.run(ask()) == [200] * len(which)
    assert app.bodies == [{GET: b"", REQUESTS[1]: b"abc"}.get(each, b"ab") for each in which]


# --- number -----------------------------------------------------------------------------------------------------------


async def test_connections_are_bounded() -> None:
    app, state = Seen(), ServerState()
    connections = [Connection(app, state) for _ in range(40)]
    answered = [connection.statuses for connection in connections]
    assert answered == [[]] * 3 + [[503]] * 32 + [[]] * 5
    assert [connection.socket.aborted for connection in connections] == [False] * 35 + [True] * 5
    assert b"retry-after: 1\r\n" in connections[3].socket.written
    await connections[3].send(GET)
    assert app.paths == []
    await connections[0].send(GET)
    assert connections[0].statuses == [200]


async def test_there_is_room_again_when_one_has_gone() -> None:
    state = ServerState()
    connections = [Connection(Seen(), state) for _ in range(4)]
    connections[3].protocol.connection_lost(None)
    connections[0].protocol.connection_lost(None)
    last = Connection(Seen(), state)
    await last.send(GET)
    assert last.statuses == [200]
