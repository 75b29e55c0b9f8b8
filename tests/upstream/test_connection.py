"""What a connection makes of bytes: whole, byte by byte, and cut anywhere. No sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.upstream import Timeouts, UpstreamFault
from oneapi_asgi.upstream.connection import RECEIVED, Connection
from oneapi_asgi.upstream.heads import Origin

ORIGIN = Origin(False, "127.0.0.1", 80)
TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Wire(asyncio.Transport):
    """A transport that goes nowhere. ``unwritten`` bytes are still on their way."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = self.paused = False
        self.unwritten = 0

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return self.unwritten


class Keeper:
    """Owns one connection, and counts what it is told."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.freed_times = 0
        self.gone = False
        room = memoryview(bytearray(RECEIVED))
        self.connection = Connection(self, ORIGIN, asyncio.get_running_loop(), room)
        self.connection.connection_made(self.wire)

    def opened(self, connection: Connection) -> None:
        pass

    def freed(self, connection: Connection) -> None:
        self.freed_times += 1

    def lost(self, connection: Connection) -> None:
        self.gone = True

    def feed(self, data: bytes) -> None:
        while data and not self.wire.aborted:
            assert not self.wire.paused
            room = self.connection.get_buffer(-1)
            count = min(len(data), len(room))
            room[:count] = data[:count]
            self.connection.buffer_updated(count)
            data = data[count:]

    def end(self) -> None:
        if not self.wire.aborted:
            self.connection.eof_received()
        self.lose()

    def lose(self) -> None:
        if not self.gone:
            self.connection.connection_lost(None)


class Outcome(NamedTuple):
    """``kept``: the connection may serve another call."""

    kind: str
    status: int
    body: bytes
    kept: bool


async def outcome(pieces: Iterator[bytes], *, bodiless: bool = False) -> Outcome:
    """Of a request that gets these pieces, and then the end of the connection."""
    keeper = Keeper()

    async def read() -> tuple[str, int, bytes]:
        body, status = b"", 0
        try:
            answer = await keeper.connection.exchange(b"head", b"", TIMEOUTS, bodiless=bodiless)
            status = answer.status
            async for chunk in answer.chunks():
                body += chunk
        except UpstreamFault as fault:
            return fault.kind, status, body
        return "none", status, body

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    for piece in pieces:
        keeper.feed(piece)
        if keeper.wire.paused:  # it is read as fast as it comes
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    kept = keeper.freed_times > 0 and not keeper.wire.aborted
    keeper.end()
    async with asyncio.timeout(5):
        return Outcome(*await task, kept)


def single(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def head(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((status, *lines, b"", b""))


CHUNKED = b"transfer-encoding: chunked"
CLOSE = b"connection: close"
THREE = head(b"content-length: 3") + b"abc"
HINT = head(b"link: </a>; rel=preload", status=b"HTTP/1.1 103 Early Hints")

ANSWERS: dict[str, tuple[bytes, Outcome]] = {
    "counted": (THREE, Outcome("none", 200, b"abc", True)),
    "empty": (head(b"content-length: 0"), Outcome("none", 200, b"", True)),
    "chunked": (head(CHUNKED) + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", Outcome("none", 200, b"abc", True)),
    "chunked, with extensions": (head(CHUNKED) + b"3;a=b\r\nabc\r\n0;x\r\n\r\n", Outcome("none", 200, b"abc", True)),
    "chunked, with spaces": (head(CHUNKED) + b"3  \r\nabc\r\n0\r\n\r\n", Outcome("none", 200, b"abc", True)),
    "trailers": (
        head(CHUNKED) + b"3\r\nabc\r\n0\r\nx-sum: 9\r\nconnection: close\r\n\r\n",
        Outcome("none", 200, b"abc", True),
    ),
    "until the end": (head() + b"abc", Outcome("none", 200, b"abc", False)),
    "until the end, nothing": (head(CLOSE), Outcome("none", 200, b"", False)),
    "to be closed": (head(CLOSE, b"content-length: 3") + b"abc", Outcome("none", 200, b"abc", False)),
    "HTTP/1.0": (head(status=b"HTTP/1.0 200 OK") + b"abc", Outcome("none", 200, b"abc", False)),
    "HTTP/1.0, to be kept": (
        head(b"connection: keep-alive", b"content-length: 3", status=b"HTTP/1.0 200 OK") + b"abc",
        Outcome("none", 200, b"abc", True),
    ),
    "no content": (head(status=b"HTTP/1.1 204 No Content"), Outcome("none", 204, b"", True)),
    "no content, with a length": (
        head(b"content-length: 3", status=b"HTTP/1.1 204 No Content"),
        Outcome("none", 204, b"", True),
    ),
    "not modified": (
        head(b"content-length: 3", status=b"HTTP/1.1 304 Not Modified"),
        Outcome("none", 304, b"", True),
    ),
    "continue": (head(status=b"HTTP/1.1 100 Continue") + THREE, Outcome("none", 200, b"abc", True)),
    "early hints": (HINT * 200 + THREE, Outcome("none", 200, b"abc", True)),
    "an unknown one ahead": (head(status=b"HTTP/1.1 150 Hm") + THREE, Outcome("none", 200, b"abc", True)),
    "no reason": (
        head(b"content-length: 3", status=b"HTTP/1.1 200") + b"abc",
        Outcome("none", 200, b"abc", True),
    ),
    "an unknown status": (
        head(b"content-length: 0", status=b"HTTP/1.1 799 Hm"),
        Outcome("none", 799, b"", True),
    ),
    "line ends without CR": (b"HTTP/1.1 200 OK\ncontent-length: 3\n\nabc", Outcome("none", 200, b"abc", True)),
    "an upgrade that is offered": (
        head(b"upgrade: h2c", b"connection: upgrade", b"content-length: 3") + b"abc",
        Outcome("none", 200, b"abc", True),
    ),
    "bytes beyond ASCII": (
        head(b"x-name: \xe5\xa3\xb0\xff", b"content-length: 3") + b"abc",
        Outcome("none", 200, b"abc", True),
    ),
    "256 fields": (head(*[b"x: y"] * 255, b"content-length: 3") + b"abc", Outcome("none", 200, b"abc", True)),
}

NOTHING = Outcome("protocol", 0, b"", False)
BROKEN = Outcome("protocol", 200, b"", False)
HOSTILE: dict[str, tuple[bytes, Outcome]] = {
    "garbage": (b"\x00" * 100, NOTHING),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", NOTHING),
    "a preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NOTHING),
    "settings of HTTP/2": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), NOTHING),
    "HTTP/2.0": (head(b"content-length: 0", status=b"HTTP/2.0 200 OK"), NOTHING),
    "HTTP/0.9": (head(b"content-length: 0", status=b"HTTP/0.9 200 OK"), NOTHING),
    "HTTP/0.9, no head": (b"<html>abc</html>", NOTHING),
    "HTTP/1.7": (head(status=b"HTTP/1.7 200 OK"), NOTHING),
    "status 99": (head(b"content-length: 0", status=b"HTTP/1.1 99 X"), NOTHING),
    "status 099": (head(b"content-length: 0", status=b"HTTP/1.1 099 X"), NOTHING),
    "status 1000": (head(b"content-length: 0", status=b"HTTP/1.1 1000 X"), NOTHING),
    "status abc": (head(b"content-length: 0", status=b"HTTP/1.1 abc X"), NOTHING),
    "another protocol from here": (
        head(b"upgrade: x", b"connection: upgrade", status=b"HTTP/1.1 101 Switching Protocols"),
        NOTHING,
    ),
    "another protocol from here, unnamed": (head(status=b"HTTP/1.1 101 Switching Protocols") + b"abc", NOTHING),
    "a body ahead of the answer": (
        head(b"content-length: 3", status=b"HTTP/1.1 150 Hm") + b"abc" + THREE,
        NOTHING,
    ),
    "a length and chunks": (head(b"content-length: 3", CHUNKED) + b"3\r\nabc\r\n0\r\n\r\n", NOTHING),
    "chunks and a length": (head(CHUNKED, b"content-length: 3") + b"3\r\nabc\r\n0\r\n\r\n", NOTHING),
    "two lengths": (head(b"content-length: 3", b"content-length: 4") + b"abcd", NOTHING),
    "a list of lengths": (head(b"content-length: 3, 3") + b"abc", NOTHING),
    "a negative length": (head(b"content-length: -3") + b"abc", NOTHING),
    "a length with a sign": (head(b"content-length: +3") + b"abc", NOTHING),
    "a length beyond all": (head(b"content-length: 99999999999999999999999") + b"abc", NOTHING),
    "NUL in a value": (head(b"x: a\0b", b"content-length: 3") + b"abc", NOTHING),
    "NUL in a name": (head(b"x\0: ab", b"content-length: 3") + b"abc", NOTHING),
    "a space in a name": (head(b"content-length : 3") + b"abc", NOTHING),
    "no name": (head(b": x") + b"abc", NOTHING),
    "a line that is no field": (head(b"nothing") + b"abc", NOTHING),
    "a folded line": (head(b"x: a", b" b", b"content-length: 3") + b"abc", NOTHING),
    "257 fields": (head(*[b"x: y"] * 256, b"content-length: 3") + b"abc", NOTHING),
    "a field without end": (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, NOTHING),
    "a name without end": (b"HTTP/1.1 200 OK\r\n" + b"y" * 200_000, NOTHING),
    "fields without end": (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000, NOTHING),
    "a reason without end": (b"HTTP/1.1 200 " + b"O" * 200_000, NOTHING),
    "early hints without end": (HINT * 10_000 + THREE, NOTHING),
    "a negative chunk": (head(CHUNKED) + b"-1\r\na\r\n0\r\n\r\n", BROKEN),
    "a chunk beyond all": (head(CHUNKED) + b"f" * 17 + b"\r\nabc", BROKEN),
    "a chunk of no size": (head(CHUNKED) + b"\r\nabc\r\n0\r\n\r\n", BROKEN),
    "a chunk that is longer than it says": (
        head(CHUNKED) + b"3\r\nabcd\r\n0\r\n\r\n",
        Outcome("protocol", 200, b"abc", False),
    ),
    "an extension without end": (head(CHUNKED) + b"3;" + b"x" * 200_000, BROKEN),
    "a length among the trailers": (
        head(CHUNKED) + b"3\r\nabc\r\n0\r\ncontent-length: 9\r\n\r\n",
        Outcome("protocol", 200, b"abc", False),
    ),
    "a trailer without end": (
        head(CHUNKED) + b"3\r\nabc\r\n0\r\nx: " + b"y" * 200_000,
        Outcome("protocol", 200, b"abc", False),
    ),
    "trailers without end": (
        head(CHUNKED) + b"3\r\nabc\r\n0\r\n" + b"x: y\r\n" * 40_000,
        Outcome("protocol", 200, b"abc", False),
    ),
}
LARGE = 100_000

CUT: dict[str, tuple[bytes, Outcome]] = {
    "nothing": (b"", Outcome("cut", 0, b"", False)),
    "within the head": (THREE[:20], Outcome("cut", 0, b"", False)),
    "after early hints": (HINT, Outcome("cut", 0, b"", False)),
    "within a length": (THREE[:-1], Outcome("cut", 200, b"ab", False)),
    "before a body": (head(b"content-length: 3"), Outcome("cut", 200, b"", False)),
    "within a length, to be closed": (head(CLOSE, b"content-length: 3") + b"ab", Outcome("cut", 200, b"ab", False)),
    "within a chunk": (head(CHUNKED) + b"3\r\nab", Outcome("cut", 200, b"ab", False)),
    "between chunks": (head(CHUNKED) + b"3\r\nabc\r\n", Outcome("cut", 200, b"abc", False)),
    "before the last line": (head(CHUNKED) + b"3\r\nabc\r\n0\r\n", Outcome("cut", 200, b"abc", False)),
    "within chunks, HTTP/1.0": (
        head(CHUNKED, status=b"HTTP/1.0 200 OK") + b"3\r\nabc\r\n",
        Outcome("cut", 200, b"abc", False),
    ),
}
ALL = {**ANSWERS, **HOSTILE, **CUT}


@pytest.mark.parametrize("name", ALL)
async def test_an_answer(name: str) -> None:
    raw, wanted = ALL[name]
    assert await outcome(iter((raw,))) == wanted


@pytest.mark.parametrize("name", [name for name in ALL if len(ALL[name][0]) < LARGE])
async def test_an_answer_byte_by_byte(name: str) -> None:
    raw, wanted = ALL[name]
    assert await outcome(single(raw)) == wanted


@pytest.mark.parametrize("name", [name for name in ANSWERS if len(ANSWERS[name][0]) < 1_000])
async def test_an_answer_in_two_pieces(name: str) -> None:
    raw, wanted = ANSWERS[name]
    for at in range(1, len(raw)):
        assert await outcome(iter((raw[:at], raw[at:]))) == wanted


@pytest.mark.parametrize("raw", [THREE, head(b"content-length: 3"), head(CHUNKED), head(CLOSE)])
async def test_an_answer_to_head_has_no_body(raw: bytes) -> None:
    assert await outcome(iter((raw,)), bodiless=True) == Outcome("none", 200, b"", False)


@pytest.mark.parametrize(
    "more", [b"x", b"HTTP/1.1 200 OK\r\n", THREE, head(status=b"HTTP/1.1 103 Early Hints"), b"\0", b"\r\n\r\nH"]
)
@pytest.mark.parametrize("name", [name for name, (_, wanted) in ANSWERS.items() if wanted.kept])
async def test_nothing_may_follow_an_answer(name: str, more: bytes) -> None:
    """The next call would take it for its own."""
    raw, wanted = ANSWERS[name]
    assert await outcome(iter((raw + more,))) == wanted._replace(kept=False)
    assert await outcome(iter((raw, more))) == wanted._replace(kept=False)


@given(st.sampled_from([raw for raw, _ in ANSWERS.values() if len(raw) < 1_000]), st.data())
def test_mangled_answers(raw: bytes, data: st.DataObject) -> None:
    """There is an end to each, and nothing but a fault is raised. What is kept has given exactly what it was asked."""
    at = data.draw(st.integers(0, len(raw)))
    put = data.draw(st.binary(max_size=8) | st.sampled_from([b"\r\n", b"\n", b":", b"0", b" ", b"chunked", raw]))
    mangled = raw[:at] + put + raw[at + data.draw(st.integers(0, 8)) :]
    whole, bits = asyncio.run(_both(mangled))
    assert whole.kind in ("none", "protocol", "cut")
    if whole.kept:
        assert whole.kind == "none"
    assert bits.kind == whole.kind
    assert bits.body == whole.body or whole.kind != "none"


async def _both(raw: bytes) -> tuple[Outcome, Outcome]:
    return await outcome(iter((raw,))), await outcome(single(raw))


async def test_names_are_in_lower_case_and_values_as_they_came() -> None:
    keeper = Keeper()
    task = asyncio.create_task(keeper.connection.exchange(b"", b"", TIMEOUTS, bodiless=False))
    await asyncio.sleep(0)
    keeper.feed(head(b"X-A:  one two \t", b"x-a:", "X-Name: 声".encode(), b"x-odd: \xff", b"content-length: 0"))
    answer = await task
    assert answer.headers == [
        ("x-a", "one two"),
        ("x-a", ""),
        ("x-name", "声"),
        ("x-odd", "\udcff"),
        ("content-length", "0"),
    ]
    keeper.lose()


async def test_what_came_before_a_fault_is_read_first() -> None:
    keeper = Keeper()
    task = asyncio.create_task(keeper.connection.exchange(b"", b"", TIMEOUTS, bodiless=False))
    await asyncio.sleep(0)
    keeper.feed(head(CHUNKED) + b"3\r\nabc\r\n")
    answer = await task
    keeper.end()
    chunks = answer.chunks()
    assert await anext(chunks) == b"abc"
    with pytest.raises(UpstreamFault, match="cut"):
        await anext(chunks)


async def test_pieces_that_came_together_are_handed_on_together() -> None:
    keeper = Keeper()
    task = asyncio.create_task(keeper.connection.exchange(b"", b"", TIMEOUTS, bodiless=False))
    await asyncio.sleep(0)
    keeper.feed(head(CHUNKED) + b"3\r\nabc\r\n1\r\nd\r\n")
    answer = await task
    keeper.feed(b"1\r\ne\r\n")
    chunks = answer.chunks()
    assert await anext(chunks) == b"abcde"
    keeper.lose()


async def test_the_socket_is_not_read_while_much_waits() -> None:
    keeper = Keeper()
    task = asyncio.create_task(keeper.connection.exchange(b"", b"", TIMEOUTS, bodiless=False))
    await asyncio.sleep(0)
    keeper.feed(head(b"content-length: 100000"))
    answer = await task
    sent = 0
    while not keeper.wire.paused:
        keeper.feed(bytes(10_000))
        sent += 10_000
    assert 16 * 1024 < sent <= 16 * 1024 + RECEIVED
    chunks = answer.chunks()
    assert len(await anext(chunks)) == sent
    assert not keeper.wire.paused
    keeper.lose()


async def test_a_connection_is_not_kept_while_its_request_is_on_its_way() -> None:
    keeper = Keeper()
    task = asyncio.create_task(keeper.connection.exchange(b"head", b"body", TIMEOUTS, bodiless=False))
    await asyncio.sleep(0)
    keeper.wire.unwritten = 1
    keeper.feed(THREE)
    assert (await task).whole
    assert keeper.wire.aborted
    assert keeper.freed_times == 0
    keeper.lose()


BODY = bytes(range(256)) * 4096


def sent(keeper: Keeper) -> bytes:
    return b"".join(keeper.wire.written)


async def upload(keeper: Keeper) -> asyncio.Task[Any]:
    """Of a body that the other side does not take at once."""
    task = asyncio.create_task(keeper.connection.exchange(b"head", BODY, TIMEOUTS, bodiless=False))
    keeper.connection.pause_writing()
    await asyncio.sleep(0)
    assert 0 < len(sent(keeper)) < len(BODY) // 2
    return task


async def test_a_large_body_waits_until_it_is_taken() -> None:
    keeper = Keeper()
    task = await upload(keeper)
    keeper.connection.resume_writing()
    await asyncio.sleep(0)
    assert sent(keeper) == b"head" + BODY
    keeper.feed(THREE)
    assert (await task).whole
    assert keeper.freed_times == 1
    keeper.lose()


@pytest.mark.parametrize("whole", [True, False])
async def test_a_refusal_ends_the_upload(*, whole: bool) -> None:
    keeper = Keeper()
    task = await upload(keeper)
    refusal = head(b"content-length: 3", status=b"HTTP/1.1 413 Too Large") + b"abc"
    keeper.feed(refusal if whole else refusal[:-1])
    answer = await task
    assert len(sent(keeper)) < len(BODY)
    keeper.feed(refusal[-1:])
    assert (answer.status, answer.whole) == (413, True)
    assert keeper.wire.aborted, "the rest of the body would be taken for the next request"
    assert keeper.freed_times == 0
    keeper.lose()


async def test_an_answer_that_comes_early_does_not_end_the_upload() -> None:
    keeper = Keeper()
    task = await upload(keeper)
    keeper.feed(head(CHUNKED) + b"1\r\na\r\n")
    await asyncio.sleep(0)
    assert not task.done()
    keeper.connection.resume_writing()
    answer = await task
    assert sent(keeper) == b"head" + BODY
    keeper.feed(b"0\r\n\r\n")
    assert answer.whole
    assert keeper.freed_times == 1
    keeper.lose()


async def test_a_whole_answer_within_the_upload_does_not_free_the_connection() -> None:
    keeper = Keeper()
    task = await upload(keeper)
    keeper.connection.resume_writing()  # the task has not run yet
    keeper.feed(THREE)
    assert (await task).whole
    assert keeper.freed_times == 0
    assert keeper.wire.aborted
    keeper.lose()


@pytest.mark.parametrize("when", ["upload", "head", "body"])
async def test_who_is_cancelled_ends_the_exchange(when: str) -> None:
    keeper = Keeper()

    async def read() -> None:
        body = BODY if when == "upload" else b""
        answer = await keeper.connection.exchange(b"head", body, TIMEOUTS, bodiless=False)
        async for _ in answer.chunks():
            pass

    task = asyncio.create_task(read())
    if when == "upload":
        keeper.connection.pause_writing()
    await asyncio.sleep(0)
    if when == "body":
        keeper.feed(THREE[:-1])
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert keeper.wire.aborted
    keeper.lose()
    assert keeper.freed_times == 0


async def test_closing_is_safe_at_any_moment_and_twice() -> None:
    keeper = Keeper()
    task = asyncio.create_task(keeper.connection.exchange(b"head", b"", TIMEOUTS, bodiless=False))
    await asyncio.sleep(0)
    keeper.feed(THREE[:-1])
    answer = await task
    await answer.close()
    await answer.close()
    keeper.lose()
    await answer.close()
    chunks = answer.chunks()
    assert await anext(chunks) == b"ab"
    with pytest.raises(UpstreamFault, match="cut"):
        await anext(chunks)


async def test_closing_leaves_a_connection_alone_that_serves_others() -> None:
    keeper = Keeper()
    tasks = []
    for _ in range(2):
        tasks.append(asyncio.create_task(keeper.connection.exchange(b"head", b"", TIMEOUTS, bodiless=False)))
        await asyncio.sleep(0)
        if len(tasks) == 1:
            keeper.feed(THREE)
    await (await tasks[0]).close()
    keeper.feed(THREE)
    answer = await tasks[1]
    assert b"".join([chunk async for chunk in answer.chunks()]) == b"abc"
    assert not keeper.wire.aborted
    keeper.lose()


async def test_a_connection_that_is_gone_takes_no_request() -> None:
    keeper = Keeper()
    keeper.end()
    with pytest.raises(UpstreamFault, match="cut"):
        await keeper.connection.exchange(b"head", b"", TIMEOUTS, bodiless=False)
    assert keeper.wire.written == []
