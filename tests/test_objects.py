"""Files and batches: the component alone, between a caller and an upstream in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from oneapi_asgi.call import Call
from oneapi_asgi.delivery import AnswerCutError
from oneapi_asgi.errors import Unauthenticated
from oneapi_asgi.kept import OwnedObject
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Channel, Secret, Token
from oneapi_asgi.objects import Objects
from oneapi_asgi.pool import ChannelPool
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.upstream.seam import Outgoing, Timeouts, UpstreamFault

ANN = Token(id=1, name="t", digest="d", user_id=7)
NOBODYS = Token(id=2, name="n", digest="e")


def channel(number: int, *keys: str, **fields: Any) -> Channel:
    return Channel(id=number, name=f"c{number}", api_keys=tuple(map(Secret, keys or (f"k{number}",))), **fields)


# --- the component ----------------------------------------------------------------------------------------------------


class Silence:
    """An upstream that is not asked."""

    async def send(self, request: Outgoing) -> Any:
        raise AssertionError(request)


class Pouring:
    """An upstream that answers everything with a body that never ends, or so many pieces of one."""

    status = 200
    piece = b"x" * 10

    def __init__(
        self, pieces: int | None = None, *, headers: Sequence[tuple[str, str]] = (), quiet: bool = False
    ) -> None:
        self.headers = headers
        self.pieces = pieces
        self.quiet = quiet
        self.closed = False
        self.asked: list[Outgoing] = []

    async def send(self, request: Outgoing) -> Pouring:
        self.asked.append(request)
        return self

    async def chunks(self) -> AsyncIterator[bytes]:
        sent = 0
        while self.pieces is None or sent < self.pieces:
            await asyncio.sleep(60 if self.quiet else 0)
            yield self.piece
            sent += 1

    async def close(self) -> None:
        self.closed = True


class Caller:
    """One request, and what came back. ``leaves``: it hangs up after so many pieces."""

    def __init__(self, path: str, *, method: str = "GET", token: Token = ANN, leaves: int | None = None) -> None:
        self.call = Call(token=token)
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [],
            "query_string": b"",
            "oneapi_asgi.call": self.call,
        }
        self.sent: list[Any] = []
        self.leaves = leaves
        self.gone = asyncio.Event()
        self.each: Callable[[], None] = lambda: None
        self._asked = False

    async def receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        self.each()
        if self.leaves is not None and len(self.sent) > self.leaves:
            self.gone.set()

    @property
    def error(self) -> Any:
        return msgspec.json.decode(self.sent[1]["body"])["error"]


async def component(upstream: Any, token: Token = ANN, **options: Any) -> Objects:
    """With one file, file-1, of this token's."""
    storage = MemoryStorage()
    await storage.save_channel(channel(0, "k"))
    pool = ChannelPool(storage)
    file = OwnedObject(id="file-1", kind="file", channel_id=1, key=key_digest("k"), created=0, user_id=token.user_id)
    await storage.put_object(replace(file, token_id=token.id))
    return Objects(storage, pool, upstream, **options)


@pytest.mark.anyio
async def test_content_passes_as_it_arrives() -> None:
    headers = (("content-type", "text/plain"), ("set-cookie", "a=b"), ("x-request-id", "up-1"))
    upstream, caller = Pouring(3, headers=headers), Caller("/v1/files/file-1/content")
    await (await component(upstream))(caller.scope, caller.receive, caller.send)
    assert [message.get("body") for message in caller.sent] == [None, *[b"x" * 10] * 3, b""]
    told = dict(caller.sent[0]["headers"])
    assert (told[b"content-type"], b"set-cookie" in told) == (b"text/plain", False)
    assert upstream.closed
    assert (caller.call.reason, caller.call.upstream_request_id) == ("done", "up-1")
    (asked,) = upstream.asked
    assert (asked.method, asked.url) == ("GET", "https://api.openai.com/v1/files/file-1/content")
    assert ("authorization", "Bearer k") in asked.headers


@pytest.mark.anyio
async def test_an_empty_file_is_one() -> None:
    caller = Caller("/files/file-1/content")
    await (await component(Pouring(0)))(caller.scope, caller.receive, caller.send)
    assert [caller.sent[0]["status"], caller.sent[1]["body"]] == [200, b""]


@pytest.mark.anyio
async def test_a_caller_that_leaves_ends_the_upstreams_work() -> None:
    upstream, caller = Pouring(), Caller("/files/file-1/content", leaves=5)
    async with asyncio.timeout(5):
        await (await component(upstream))(caller.scope, caller.receive, caller.send)
    assert (upstream.closed, caller.call.reason) == (True, "client_gone")


@pytest.mark.anyio
async def test_a_token_that_is_revoked_gets_no_more() -> None:
    upstream, caller = Pouring(), Caller("/files/file-1/content")

    def revoke() -> None:
        if len(caller.sent) == 5:
            assert caller.call.end is not None
            caller.call.end(Unauthenticated("Revoked."), "revoked")
            caller.call.end(Unauthenticated("Revoked."), "revoked")

    caller.each = revoke
    async with asyncio.timeout(5):
        with pytest.raises(AnswerCutError):
            await (await component(upstream))(caller.scope, caller.receive, caller.send)
    assert (upstream.closed, caller.call.reason, caller.call.end) == (True, "revoked", None)


@pytest.mark.anyio
async def test_a_call_that_takes_too_long_is_told() -> None:
    upstream, caller = Pouring(quiet=True), Caller("/files/file-1/content")
    app = await component(upstream, timeouts=Timeouts(total=0.05))
    async with asyncio.timeout(5):
        await app(caller.scope, caller.receive, caller.send)
    assert (caller.sent[0]["status"], caller.error["code"]) == (504, "upstream_timeout")
    assert (upstream.closed, caller.call.reason) == (True, "upstream_failed")


@pytest.mark.anyio
async def test_a_compressed_answer_is_no_answer() -> None:
    upstream, caller = Pouring(1, headers=(("content-encoding", "gzip"),)), Caller("/files/file-1")
    await (await component(upstream))(caller.scope, caller.receive, caller.send)
    assert (caller.sent[0]["status"], upstream.closed) == (502, True)


@pytest.mark.anyio
async def test_an_endless_answer_is_no_answer() -> None:
    upstream, caller = Pouring(), Caller("/files/file-1")
    upstream.piece = b"x" * 100_000
    async with asyncio.timeout(5):
        await (await component(upstream))(caller.scope, caller.receive, caller.send)
    assert (caller.sent[0]["status"], caller.error["message"]) == (502, "The upstream's answer is too large.")


@pytest.mark.anyio
async def test_an_upstream_that_cannot_be_reached_is_told() -> None:
    class Faulty:
        async def send(self, request: Outgoing) -> Any:
            raise UpstreamFault("connect_timeout")

    caller = Caller("/files/file-1")
    await (await component(Faulty()))(caller.scope, caller.receive, caller.send)
    assert caller.sent[0]["status"] == 504
    assert [attempt.failure for attempt in caller.call.attempts] == ["connect_timeout"]


@pytest.mark.anyio
async def test_a_channel_that_is_not_set_up_is_told() -> None:
    app, caller = await component(Silence()), Caller("/files/file-1")
    await app.store.save_channel(channel(1, "k", provider="azure"))  # type: ignore[attr-defined]
    await app(caller.scope, caller.receive, caller.send)
    assert caller.sent[0]["status"] == 502
    assert [attempt.failure for attempt in caller.call.attempts] == ["not_asked"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("owner", "asking", "status"),
    [
        (ANN, ANN, 200),
        (ANN, replace(ANN, id=5), 200),  # of the same user
        (ANN, replace(ANN, user_id=8), 404),
        (NOBODYS, NOBODYS, 200),
        (NOBODYS, replace(NOBODYS, id=3), 404),
        (NOBODYS, replace(ANN, id=NOBODYS.id), 404),
    ],
)
async def test_whose_it_is(owner: Token, asking: Token, status: int) -> None:
    app, caller = await component(Pouring(1), owner), Caller("/files/file-1/content", token=asking)
    await app(caller.scope, caller.receive, caller.send)
    assert caller.sent[0]["status"] == status


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "/files", 405), ("POST", "/files/file-1", 405), ("GET", "/nothing", 404), ("POST", "/files", 415)],
)
async def test_what_there_is_not(method: str, path: str, status: int) -> None:
    caller = Caller(path, method=method)
    await (await component(Silence()))(caller.scope, caller.receive, caller.send)
    assert caller.sent[0]["status"] == status


@pytest.mark.anyio
async def test_a_caller_that_leaves_while_it_sends() -> None:
    caller = Caller("/files", method="POST")
    caller.gone.set()
    caller._asked = True
    await (await component(Silence()))(caller.scope, caller.receive, caller.send)
    assert (caller.sent, caller.call.reason) == ([], "client_gone")


@pytest.mark.anyio
async def test_what_it_needs() -> None:
    app, caller = await component(Silence()), Caller("/files")
    with pytest.raises(RuntimeError, match="put Endpoints outside"):
        await app({"type": "websocket"}, caller.receive, caller.send)
    caller.call.token = None
    with pytest.raises(RuntimeError, match="put TokenAuth outside"):
        await app(caller.scope, caller.receive, caller.send)
    with pytest.raises(ValueError, match="batches must be"):
        await component(Silence(), batches="all")


# --- lists, and what is seen ------------------------------------------------------------------------------------------


async def listed(app: Objects, query: bytes) -> Any:
    caller = Caller("/files")
    caller.scope["query_string"] = query
    await app(caller.scope, caller.receive, caller.send)
    return msgspec.json.decode(caller.sent[1]["body"])


def file(number: int, **about: str) -> OwnedObject:
    seen = {"seen": f'{{"id":"file-{number}"}}'} | about
    return OwnedObject(
        id=f"file-{number}", kind="file", channel_id=1, key=key_digest("k"), user_id=7, created=number, about=seen
    )


@pytest.mark.anyio
async def test_a_long_list() -> None:
    app = await component(Silence())
    for number in range(2, 2503):
        await app.store.put_object(file(number, purpose="batch" if number % 10 else "vision"))
    await app.store.put_object(file(1, purpose="vision"))
    everything = await listed(app, b"")
    assert [one["id"] for one in everything["data"]] == [f"file-{number}" for number in range(2502, 0, -1)]
    rare = await listed(app, b"purpose=vision&limit=1&after=file-20")
    assert ([one["id"] for one in rare["data"]], rare["has_more"]) == (["file-10"], True)
    rising = await listed(app, b"order=asc&limit=2&after=file-1500")
    assert [one["id"] for one in rising["data"]] == ["file-1501", "file-1502"]


@pytest.mark.anyio
async def test_a_list_from_which_something_goes_meanwhile() -> None:
    app = await component(Silence())
    for number in range(1, 1101):
        await app.store.put_object(file(number))
    list_objects, asked = app.store.list_objects, list[str | None]()

    async def deleting(kind: str, *, after: str | None = None, **more: Any) -> Any:
        asked.append(after)
        if after is not None:
            await app.store.delete_object(after, user_id=7, token_id=1)
        return await list_objects(kind, after=after, **more)

    app.store.list_objects = deleting  # type: ignore[method-assign]
    assert len((await listed(app, b""))["data"]) == 1000
    assert asked == [None, "file-101"]


class Telling(Pouring):
    """An upstream that answers with this status and body."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        super().__init__()
        self.body = body
        self.status = status

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.body


@pytest.mark.anyio
async def test_an_answer_about_another_object_is_not_noted() -> None:
    app, caller = await component(Telling(b'{"id":"file-2"}')), Caller("/files/file-1")
    await app(caller.scope, caller.receive, caller.send)
    assert caller.sent[1]["body"] == b'{"id":"file-2"}'
    kept = await app.store.get_object("file-1", user_id=7, token_id=1)
    assert kept is not None
    assert kept.about == {}


@pytest.mark.anyio
async def test_what_the_provider_has_lost_is_forgotten_when_it_is_deleted() -> None:
    app = await component(Telling(b"x" * 100_000, 404))
    for method, there in (("GET", True), ("DELETE", False)):
        caller = Caller("/files/file-1", method=method)
        await app(caller.scope, caller.receive, caller.send)
        assert (caller.sent[0]["status"], caller.error["message"]) == (404, "x" * 2000)
        assert (await app.store.get_object("file-1", user_id=7, token_id=1) is not None) is there


@pytest.mark.anyio
async def test_content_that_never_begins_is_told() -> None:
    class Cut(Pouring):
        async def chunks(self) -> AsyncIterator[bytes]:
            raise UpstreamFault("cut")
            yield b""

    caller = Caller("/files/file-1/content")
    await (await component(Cut()))(caller.scope, caller.receive, caller.send)
    assert (caller.sent[0]["status"], caller.call.reason) == (502, "upstream_failed")


@pytest.mark.anyio
async def test_a_compressed_upload_is_refused() -> None:
    caller = Caller("/files", method="POST")
    caller.scope["headers"] = [(b"content-encoding", b"gzip")]
    await (await component(Silence()))(caller.scope, caller.receive, caller.send)
    assert caller.sent[0]["status"] == 415
