"""How uvicorn is run: what it is told, how many clients it may have, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rawhttp import connected, on_server
from starlette.types import Receive, Scope, Send

from oneapi_asgi.app import app_of, create_gateway
from oneapi_asgi.delivery import AnswerCutError
from oneapi_asgi.serving import Quiet, config_of, most_connections
from oneapi_asgi.settings import ServerSettings, Settings, SettingsError, load_settings


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def test_uvicorn_is_run_as_the_settings_say() -> None:
    settings = ServerSettings(host="::1", port=8080, graceful_timeout=1.5, drain_delay=2, header_timeout=7)
    config = config_of(partial(app_of, Settings()), settings)
    assert (config.host, config.port, config.factory) == ("::1", 8080, True)
    assert config.bounds.header_timeout == 7
    assert config.bounds.max_connections >= 16
    assert config.proxy_headers is False
    assert config.server_header is False
    assert config.lifespan == "on"


@pytest.mark.parametrize(("told", "delay"), [("0", 0.0), ("2.5", 2.5)])
def test_the_app_drains_as_the_settings_say(told: str, delay: float) -> None:
    environ = {"ONEAPI_STORAGE__URL": "memory:", "ONEAPI_SERVER__DRAIN_DELAY": told}
    drain = create_gateway(load_settings(None, {**environ, "ONEAPI_SERVER__GRACEFUL_TIMEOUT": "7"})).draining
    assert (drain.grace, drain.delay) == (7, delay)


@pytest.mark.parametrize("told", ["-1", "0.0001", "soon"])
def test_a_delay_is_a_number_of_seconds(told: str) -> None:
    with pytest.raises(SettingsError, match="must be a number of seconds"):
        load_settings(None, {"ONEAPI_SERVER__DRAIN_DELAY": told})


@given(st.integers(0, 1 << 20))
def test_there_is_a_file_for_each_client_and_for_its_upstream(files: int) -> None:
    most = most_connections(files)
    assert most == 16 or 2 * most + 64 <= files


def test_many_files_are_many_clients() -> None:
    assert most_connections(20_000) > 9_000


HANDSHAKE = "ASGI callable returned without completing handshake."


def told(error: BaseException) -> logging.LogRecord:
    return logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception", (), (type(error), error, None))


def test_what_is_no_fault_of_the_app_is_not_logged() -> None:
    assert not Quiet().filter(told(AnswerCutError()))
    assert not Quiet().filter(told(asyncio.CancelledError()))
    assert Quiet().filter(told(ValueError()))
    assert not Quiet().filter(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, HANDSHAKE, (), None))
    assert Quiet().filter(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "other", (), None))


async def test_a_cut_answer_has_no_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise AnswerCutError

    async with on_server(app, lifespan="off") as url, connected(url) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.endswith(b"4\r\npart\r\n")


async def test_who_does_not_read_the_end_of_an_answer_is_cut_off_at_the_end() -> None:
    """A server that stops does not wait for it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": bytes(50_000_000)})

    async with asyncio.timeout(10):
        async with on_server(app, lifespan="off") as url:
            reader, writer = await asyncio.open_connection(*_place(url), limit=1)
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await reader.readexactly(1)
    writer.transport.abort()


async def test_idle_connections_do_not_hold_it_up() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with asyncio.timeout(10):
        async with on_server(app, lifespan="off") as url:
            opened = [await asyncio.open_connection(*_place(url)) for _ in range(2)]
            reader, writer = opened[0]
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 204 ")
        assert [await reader.read() for reader, _ in opened[1:]] == [b""]
    for _, writer in opened:
        writer.transport.abort()


def _place(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)
