from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route

from oneapi_asgi.testing import StreamingClient

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def start(status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [(b"X-A", b"1"), (b"x-a", b"2")]}


def body(data: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def echo(request: Request) -> JSONResponse:
    return JSONResponse(
        {
            "body": (await request.body()).decode(),
            "path": request.scope["path"],
            "root_path": request.scope["root_path"],
            "query": dict(request.query_params),
            "headers": dict(request.headers),
            "client": request.client.host if request.client else None,
        }
    )


async def test_request_reaches_the_app_whole() -> None:
    app = Starlette(routes=[Route("/a b", echo, methods=["POST"])])
    async with StreamingClient(app) as client:
        response = await client.request(
            "POST", "/a%20b?x=1", json={"k": 1}, headers={"X-Y": "z"}, root_path="/llm", client=("10.0.0.1", 1)
        )
    told = response.json()
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert (told["path"], told["root_path"], told["query"]) == ("/llm/a b", "/llm", {"x": "1"})
    assert (told["body"], told["client"]) == ('{"k":1}', "10.0.0.1")
    assert told["headers"] == {
        "host": "testserver",
        "x-y": "z",
        "content-type": "application/json",
        "content-length": "7",
    }


async def test_mounted_app() -> None:
    app = Starlette(routes=[Mount("/llm", app=Starlette(routes=[Route("/v1", echo)]))])
    async with StreamingClient(app) as client:
        assert (await client.request("GET", "/llm/v1")).json()["root_path"] == "/llm"
        assert (await client.request("GET", "/v1")).status == 404


async def test_pieces_of_content_are_messages_of_their_own() -> None:
    received = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        while (message := await receive())["more_body"]:
            received.append(message["body"])
        received.append(message["body"])
        await send(start())
        await send(body(b""))

    async with StreamingClient(app, lifespan=False) as client:
        response = await client.request("POST", "/", content=[b"a", b"b", b"c"])
    assert received == [b"a", b"b", b"c"]
    assert response.headers == {"x-a": "1, 2"}


async def test_chunks_arrive_when_they_are_sent_and_no_sooner_asked_for() -> None:
    sent = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        for number in range(3):
            await send(body(b"%d" % number, more=True))
            sent.append(number)
        await send(body(b""))

    async with StreamingClient(app, lifespan=False) as client, client.stream("GET", "/") as response:
        await asyncio.sleep(0.01)
        assert sent == []
        seen = []
        async for chunk in response:
            seen.append(chunk)
            await asyncio.sleep(0)
            assert sent == list(range(len(seen)))
    assert seen == [b"0", b"1", b"2"]


async def test_leaving_early_disconnects_and_waits_for_the_app() -> None:
    log = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(start())
        await send(body(b"a", more=True))
        log.append((await receive())["type"])
        await send(body(b"into the void", more=True))
        await asyncio.sleep(0.02)
        log.append("done")

    async with StreamingClient(app, lifespan=False) as client:
        async with client.stream("GET", "/") as response:
            assert await anext(aiter(response)) == b"a"
            assert log == []
        assert log == ["http.disconnect", "done"]


async def test_leaving_early_ends_a_starlette_stream() -> None:
    ended = asyncio.Event()

    async def forever() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(forever())

    async with StreamingClient(Starlette(routes=[Route("/", endpoint)])) as client:
        async with client.stream("GET", "/") as response:
            await anext(aiter(response))
        await asyncio.wait_for(ended.wait(), 2)


async def test_disconnect_is_told_after_a_complete_answer_too() -> None:
    log = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(start())
        await send(body(b"all"))
        log.append((await receive())["type"])

    async with StreamingClient(app, lifespan=False) as client:
        assert (await client.request("GET", "/")).text == "all"
    assert log == ["http.disconnect"]


@pytest.mark.parametrize("messages", [[], [start()], [start(), body(b"a", more=True)]])
async def test_exceptions_of_the_app_come_through(messages: list[Message]) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise LookupError("mine")

    async with StreamingClient(app, lifespan=False) as client:
        with pytest.raises(LookupError, match="mine"):
            await client.request("GET", "/")


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "returned before"),
        ([start(), body(b"a", more=True)], "returned before"),
        ([body(b"a")], "where 'http.response.start' was due"),
        ([start(), start()], "where 'http.response.body' was due"),
    ],
)
async def test_answers_against_the_protocol(messages: list[Message], reason: str) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async with StreamingClient(app, lifespan=False) as client:
        with pytest.raises(RuntimeError, match=reason):
            await client.request("GET", "/")


async def test_a_call_ends_in_time() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await receive()

    async with StreamingClient(app, lifespan=False, timeout=0.05) as client:
        with pytest.raises(TimeoutError):
            await client.request("GET", "/")


async def test_an_app_that_stays_when_the_client_left_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneapi_asgi.testing.client.GRACE", 0.02)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await asyncio.sleep(60)

    async with StreamingClient(app, lifespan=False) as client:
        with pytest.raises(TimeoutError, match="still running"):
            async with client.stream("GET", "/") as response:
                assert response.status == 200


async def test_lifespan_runs_around_the_calls_and_its_state_reaches_them() -> None:
    log = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        log.append("up")
        yield {"word": "hello"}
        log.append("down")

    async def endpoint(request: Request) -> JSONResponse:
        return JSONResponse({"word": request.state.word})

    async with StreamingClient(Starlette(routes=[Route("/", endpoint)], lifespan=lifespan)) as client:
        assert log == ["up"]
        assert (await client.request("GET", "/")).json() == {"word": "hello"}
    assert log == ["up", "down"]


async def test_lifespan_can_be_left_out() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise AssertionError("never")
        yield

    async with StreamingClient(Starlette(lifespan=lifespan), lifespan=False) as client:
        assert (await client.request("GET", "/")).status == 404


async def test_a_lifespan_that_fails_is_told() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    with pytest.raises(RuntimeError, match="startup failed") as caught:
        async with StreamingClient(Starlette(lifespan=lifespan)):
            pass
    assert isinstance(caught.value.__cause__, LookupError)


async def test_an_app_without_lifespan() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await send(start(201))
        await send(body(b""))

    async with StreamingClient(app) as client:
        assert (await client.request("GET", "/")).status == 201
