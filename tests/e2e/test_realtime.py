"""Sessions over a WebSocket, with the OpenAI SDK as the client: frames pass, usage is counted, money is held."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from oneapi_asgi import Limit, Secret, TokenDraft, Usage, key_digest
from oneapi_asgi.errors import NotStarted
from oneapi_asgi.pricing import cost
from oneapi_asgi.upstream.aiohttp_sockets import AiohttpSockets
from oneapi_asgi.upstream.guard import AddressGuard
from oneapi_asgi.upstream.installed import installed_sockets
from oneapi_asgi.upstream.seam import Timeouts, UpstreamFault
from oneapi_asgi.upstream.sockets import HandshakeRefusedError

from .serving import KEY, LOOPBACK, PRICE, UPSTREAM_KEY, Rig
from .talking import CREATE, ONE, Talker, dial, ended, event, open_talk, relay_of, talker, until


async def refusal(rig: Rig, *args: Any, **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught:
        await dial(rig, *args, **options).__aenter__()
    response = caught.value.response
    error: dict[str, Any] = json.loads(response.body or b"{}")["error"]
    return response.status_code, error


# --- what passes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_the_sdk_holds_a_session(tmp_path: Path, kind: Any) -> None:
    upstream = Talker()
    async with open_talk(tmp_path, upstream, kind=kind) as rig:
        async with rig.sdk() as client, client.realtime.connect(model="gpt-realtime") as session:
            kinds = [(await session.recv()).type]
            for _ in range(2):
                await session.response.create()
                kinds += [(await session.recv()).type for _ in range(3)]
        one = ["response.created", "response.output_text.delta", "response.done"]
        assert kinds == ["session.created", *one, *one]
        record = await rig.record()
        assert record.usage == Usage(input=200, output=100, cache_read=60, input_audio=60, output_audio=60, calls=2)
        assert record.cost == cost(record.usage, PRICE) == await rig.used()
        assert (record.operation, record.model, record.upstream_model) == ("realtime", "gpt-realtime", "upstream-rt")
        assert (record.status, record.reason, record.stream) == (101, "done", True)
        assert await rig.held() == 0
        request = upstream.asked[0]
        assert request.path_qs == "/v1/realtime?model=upstream-rt"
        assert request.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        assert KEY not in str(request.headers)


async def test_frames_pass_untouched(tmp_path: Path) -> None:
    frames: list[str | bytes] = ['{ "type":"x",\t"é": 1e2 }', "no JSON", b"\x00\xff", "", b"", "x" * 3_000_000]
    async with open_talk(tmp_path, Talker()) as rig, dial(rig, max_size=None) as client:
        await until(client, "session.created")
        for frame in frames:
            await client.send(frame)
            assert await client.recv() == frame
        assert await (await client.ping()) < 5


async def test_much_is_sent_to_a_client_that_reads_late(tmp_path: Path) -> None:
    async def flood(upstream: Talker, socket: web.WebSocketResponse) -> None:
        for number in range(200):
            await socket.send_str(event("noise", number=number, text="x" * 50_000))
        await socket.close(code=1000)

    async with open_talk(tmp_path, Talker(flood)) as rig, dial(rig, max_queue=4) as client:
        await asyncio.sleep(0.2)
        said, code, _ = await ended(client)
    assert [each["number"] for each in said] == list(range(200))
    assert code == 1000


@pytest.mark.parametrize(
    "subprotocols",
    [
        ["realtime", f"openai-insecure-api-key.{KEY}"],
        ["realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1"],
    ],
    ids=["today", "beta"],
)
async def test_browsers_show_their_key_in_a_subprotocol(tmp_path: Path, subprotocols: list[Any]) -> None:
    upstream = Talker()
    async with open_talk(tmp_path, upstream) as rig:
        async with dial(rig, key=None, subprotocols=subprotocols) as client:
            assert client.subprotocol == "realtime"
            assert client.response is not None
            name = client.response.headers["x-request-id"]
        beta = upstream.asked[0].headers.get("openai-beta")
        assert beta == ("realtime=v1" if len(subprotocols) == 3 else None)
        assert "sec-websocket-protocol" not in upstream.asked[0].headers
        record = await rig.record()
        assert (record.token_name, record.id) == ("bob", name)


# --- who is let in ----------------------------------------------------------------------------------------------------


async def test_who_is_not_let_in_is_told_over_http(tmp_path: Path) -> None:
    upstream = Talker()
    async with open_talk(tmp_path, upstream, limits=[Limit(scope="model", name="slow", requests_per_minute=1)]) as rig:
        await rig.storage.add_token(TokenDraft(name="few", digest=key_digest("sk-few"), models=("gpt-4o",), user="bob"))
        poor = TokenDraft(name="poor", digest=key_digest("sk-poor"), quota=1000, user="bob")
        await rig.storage.add_token(poor)
        told = {
            (await refusal(rig, *args, **options))[0]: (await refusal(rig, *args, **options))[1]["code"]
            for args, options in (
                (("?model=gpt-realtime",), {"key": "sk-wrong"}),
                (("?model=gpt-realtime",), {"key": "sk-few"}),
                (("",), {}),
            )
        }
        assert told == {401: "invalid_api_key", 403: "model_not_allowed", 400: "missing_required_parameter"}
        status, error = await refusal(rig, key="sk-poor")
        assert (status, error["type"]) == (403, "insufficient_quota")
        assert (await refusal(rig, "?model=zebra&model=b"))[0] == 400
        assert upstream.asked == []
        async with dial(rig, "?model=slow") as client:
            await until(client, "session.created")
        assert (await refusal(rig, "?model=slow"))[0] == 429
        assert await rig.held() == 0


async def test_no_socket_and_no_path(tmp_path: Path) -> None:
    async with open_talk(tmp_path, Talker()) as rig:
        answer = await rig.http.get(f"{rig.api}/realtime?model=gpt-realtime")
        assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
        assert (await rig.http.post(f"{rig.api}/realtime")).status_code == 405
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws{rig.api.removeprefix('http')}/elsewhere", proxy=None).__aenter__()
        assert caught.value.response.status_code == 404


async def test_without_the_extra_it_is_refused_by_name(tmp_path: Path) -> None:
    async with open_talk(tmp_path, Talker()) as rig:
        relay_of(rig).sockets = None
        status, error = await refusal(rig)
        assert (status, error["code"]) == (501, "not_installed")
        assert "standalone" in error["message"]
        assert (await rig.record()).reason == "refused"


# --- which upstream ---------------------------------------------------------------------------------------------------


async def greet_with_refusal(upstream: Talker, socket: web.WebSocketResponse) -> None:
    error = {"type": "invalid_request_error", "code": "invalid_api_key", "message": "…"}
    await socket.send_str(event("error", error=error))
    await socket.close(code=3000)


async def hang_up(upstream: Talker, socket: web.WebSocketResponse) -> None:
    await socket.close(code=1011)


@pytest.mark.parametrize(
    ("first", "failure"),
    [
        (Talker(status=500), "status_500"),
        (Talker(status=429), "status_429"),
        (Talker(status=401), "status_401"),
        (Talker(status=404), "unsupported"),
        (Talker(status=302), "status_302"),
        (Talker(greet_with_refusal), "error_in_answer"),
        (Talker(hang_up), "cut"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_next_upstream_is_tried_before_the_client_is_let_in(
    tmp_path: Path, first: Talker, failure: str
) -> None:
    async with open_talk(tmp_path, first, Talker()) as rig:
        async with dial(rig) as client:
            await client.send(CREATE)
            await until(client, "response.done")
        record = await rig.record()
        assert [attempt.failure for attempt in record.attempts] == [failure, ""]
        assert record.usage == ONE


async def test_an_upstream_that_opens_no_session_again_and_again_is_left_alone(tmp_path: Path) -> None:
    sick, well = Talker(status=500), Talker()
    async with open_talk(tmp_path, sick, well) as rig:
        health, channels = rig.gateway.pool.health, await rig.storage.list_channels()
        for _ in range(6):
            async with dial(rig) as client:
                await client.send(CREATE)
                await until(client, "response.done")
                assert health.in_flight(channels[1], 0, "upstream-rt") == 1
        assert (len(sick.asked), len(well.asked)) == (5, 6)
        assert health.standing(channels[0], 0, "upstream-rt").state == "out"
        await rig.recorded(6)
        assert health.in_flight(channels[1], 0, "upstream-rt") == 0
        latency = health.latency(channels[1], 0, "upstream-rt")
        assert latency is not None
        assert 0 < latency < 5


@pytest.mark.parametrize(
    ("status", "expected", "code"),
    [(500, 502, "upstream_error"), (401, 502, "upstream_error"), (429, 429, "rate_limit_exceeded"), (404, 404, None)],
)
async def test_where_no_upstream_opens_a_session_nothing_is_charged(
    tmp_path: Path, status: int, expected: int, code: str | None
) -> None:
    async with open_talk(tmp_path, Talker(status=status)) as rig:
        got, error = await refusal(rig)
        assert (got, error["code"]) == (expected, code or "unsupported_operation")
        record = await rig.record()
        assert (record.status, record.usage, record.cost) == (expected, None, 0)
        assert await rig.held() == 0


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "/openai/v1/realtime?model=upstream-rt"),
        (
            {"api_version": "2025-04-01-preview"},
            "/openai/realtime?deployment=upstream-rt&api-version=2025-04-01-preview",
        ),
    ],
    ids=["v1", "deployments"],
)
async def test_azure(tmp_path: Path, options: dict[str, str], path: str) -> None:
    upstream = Talker()
    change = {"provider": "azure", "options": options}
    async with open_talk(tmp_path, upstream, change=change) as rig:
        async with dial(rig) as client:
            await until(client, "session.created")
        seen = {*upstream.asked[0].path_qs.partition("?")[2].split("&")}
        assert upstream.asked[0].path == path.partition("?")[0]
        assert seen == {*path.partition("?")[2].split("&")}
        assert upstream.asked[0].headers["api-key"] == UPSTREAM_KEY
        assert "authorization" not in upstream.asked[0].headers


async def test_an_upstream_that_waits_to_be_asked_is_let_wait(tmp_path: Path) -> None:
    async def shy(upstream: Talker, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            await socket.send_str(message.data)

    async with open_talk(tmp_path, Talker(shy)) as rig:
        relay_of(rig).greeting = 0.05
        async with dial(rig) as client:
            await client.send("hello")
            assert await client.recv() == "hello"


@pytest.mark.parametrize(
    ("change", "options", "failure", "status"),
    [
        ({}, {"sockets": AiohttpSockets()}, "blocked", 502),
        ({"provider": "azure", "options": {"api_version": "a/b"}}, {}, "misconfigured", 502),
        ({"provider": "azure", "api_keys": (Secret("tenant|id|secret"),)}, {}, "no_ticket", 502),
        ({}, {"limits": [Limit(scope="channel", requests_per_minute=0)]}, "rate_limited", 429),
    ],
    ids=["address", "option", "ticket", "limit"],
)
async def test_channels_that_cannot_be_used(
    tmp_path: Path, change: dict[str, Any], options: dict[str, Any], failure: str, status: int
) -> None:
    upstream = Talker()
    if "api_keys" in change:
        change = {**change, "options": {"authority": "http://10.0.0.1"}}
    async with open_talk(tmp_path, upstream, change=change, **options) as rig:
        assert (await refusal(rig))[0] == status
        (attempt,) = (await rig.record()).attempts
        assert attempt.failure == failure
        assert upstream.asked == []


async def test_a_session_takes_a_place_at_its_channel(tmp_path: Path) -> None:
    async with open_talk(tmp_path, Talker(), change={"concurrent_calls": 1}) as rig:
        async with dial(rig) as client:
            await until(client, "session.created")
            assert (await refusal(rig))[0] == 503
            assert [attempt.failure for attempt in (await rig.record()).attempts] == ["full"]
        await rig.recorded(2)  # it is over here as well
        async with dial(rig) as client:
            await until(client, "session.created")


async def test_sockets_are_those_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = installed_sockets(LOOPBACK)
    assert sockets is not None
    for _ in range(2):
        with pytest.raises(NotStarted):
            await sockets.connect("ws://example.org", (), Timeouts())
        async with talker(Talker()) as upstream, sockets:
            both = await asyncio.gather(*(sockets.connect(upstream.url, (), Timeouts()) for _ in range(2)))
            for socket in both:
                await socket.close()
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert installed_sockets() is None


def test_sockets_are_loaded_with_the_first_session() -> None:
    probe = "import sys, oneapi_asgi as o; o.Gateway(o.MemoryStorage()); print('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "False\n"


async def test_other_formats_have_no_sessions(tmp_path: Path) -> None:
    upstream = Talker()
    async with open_talk(tmp_path, upstream, change={"dialects": ("anthropic",)}) as rig:
        assert (await refusal(rig))[1]["code"] == "unsupported_operation"
        assert upstream.asked == []


async def test_addresses_are_judged_at_the_moment_of_connecting() -> None:
    async with talker(Talker()) as upstream, AiohttpSockets(guard=AddressGuard()) as sockets:
        for url in (upstream.url, upstream.url.replace("127.0.0.1", "localhost"), "http://127.1/"):
            with pytest.raises(UpstreamFault) as caught:
                await sockets.connect(url, (), Timeouts())
            assert caught.value.kind == "blocked"
    async with talker(Talker(status=307)) as upstream, AiohttpSockets(guard=LOOPBACK) as sockets:
        with pytest.raises(HandshakeRefusedError) as refused:
            await sockets.connect(upstream.url, (), Timeouts())
        assert refused.value.status == 307
