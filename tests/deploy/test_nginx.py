"""The nginx file of ``examples/deploy`` in a real nginx: what passes, when, and what happens when replicas go."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from e2e.hangup import asking, read_until
from e2e.processes import configured, gateways, upstream
from e2e.serving import KEY, UPSTREAM_KEY, Rig, chat, eventually, make_storage, open_rig, served
from e2e.talking import Talker, open_talk, until
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived
from h2.events import Event as H2Event
from ports import free_port
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from oneapi_asgi import Channel, Pacing, Secret, TokenDraft, key_digest
from oneapi_asgi.errors import BodyTooLarge
from oneapi_asgi.settings.sections import ServerSettings
from oneapi_asgi.wire.sse import COMMENT

from .clockwork import EVENTS, PERIOD, Heard, clockwork, judged, listen
from .nginx import FILE, Front, in_front

NGINX = ("127.0.0.1/32",)
"""Where nginx comes from, as the replicas see it."""

ELSEWHERE = "127.0.0.9"
"""A caller that is neither nginx nor a replica."""

HEAD = [(":authority", "llm.example.com"), ("authorization", f"Bearer {KEY}"), ("content-type", "application/json")]

Edit = Callable[[str], str]
ASK: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
ENDLESS = chat(stream=True, tokens=10_000, delay=0.02)


def put(*changes: tuple[str, str]) -> Edit:
    """Each first text, which is there once, becomes the second."""

    def edit(text: str) -> str:
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {FILE.name}"
            text = text.replace(old, new)
        return text

    return edit


AS_IT_IS = put()


@asynccontextmanager
async def fronted(
    program: Path, folder: Path, *, edit: Edit = AS_IT_IS, **options: Any
) -> AsyncIterator[tuple[Front, Rig]]:
    """One gateway behind nginx, which takes it for two."""
    async with open_rig(make_storage("memory", folder), trusted_proxies=NGINX, **options) as rig:
        with in_front(program, folder / "nginx", [rig.url, rig.url], edit=edit) as front:
            yield front, rig


# --- events -----------------------------------------------------------------------------------------------------------

AT_ONCE = 0.05
"""Seconds."""

ROUNDS = 5
OWN_WORD = (("proxy_ignore_headers ", "proxy_ignore_headers X-Accel-Buffering "),)
BUFFERED = (("proxy_buffering off;", "proxy_buffering on;"),)

Measure = Callable[[], Awaitable[tuple[Heard, Heard]]]


@asynccontextmanager
async def clocked(program: Path, folder: Path, edit: Edit, *, http2: bool = False) -> AsyncIterator[Measure]:
    """Gives what listens to calls through nginx and past it, at the same time."""
    async with served(clockwork) as provider:
        channel = Channel(id=0, name="clock", base_url=f"{provider}/v1", api_keys=(Secret(UPSTREAM_KEY),))
        async with (
            fronted(program, folder, edit=edit, channels=lambda _: [channel]) as (front, rig),
            front.client(KEY, http2=http2) as client,
        ):
            client.headers["accept-encoding"] = "gzip, br"
            body = ASK | {"stream": True}
            await asyncio.gather(*[client.get(f"{front.api}/models") for _ in range(3)])  # connected

            async def measure() -> tuple[Heard, Heard]:
                return await asyncio.gather(listen(client, front.api, body), listen(rig.http, rig.api, body))

            yield measure


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(AS_IT_IS, id="the file"),
        pytest.param(put(*OWN_WORD), id="the file alone, whatever the gateway says"),
        pytest.param(put(*BUFFERED), id="the gateway's header alone, with nginx's defaults"),
    ],
)
async def test_each_event_passes_at_once(program: Path, tmp_path: Path, edit: Edit, http2: bool) -> None:
    """As soon as it is to, in one of some rounds; on a machine that is too busy even without nginx, as soon as that."""
    rounds = list[tuple[Heard, Heard]]()
    async with clocked(program, tmp_path, edit, http2=http2) as measure:
        for _ in range(ROUNDS):
            through, past = await measure()
            if through.late <= AT_ONCE and not through.lumps:
                return
            rounds.append((through, past))
    assert min(through.late - past.late for through, past in rounds) <= AT_ONCE, rounds
    assert min(through.lumps - past.lumps for through, past in rounds) <= 0, rounds


async def test_without_either_they_would_come_in_a_lump(program: Path, tmp_path: Path) -> None:
    """What the test above would see, were it so."""
    async with clocked(program, tmp_path, put(*BUFFERED, *OWN_WORD)) as measure:
        through, past = await measure()
    assert through.late > past.late + AT_ONCE
    assert through.lumps > EVENTS / 2


def test_lumps_and_delays_are_seen() -> None:
    even = [(number * PERIOD, number * PERIOD + 0.01) for number in range(4)]
    assert judged(even).late == pytest.approx(0.01)
    assert judged(even).lumps == 0
    assert judged([(0, 0.2), *even[1:]]).late == pytest.approx(0.2)
    assert judged([(sent, 1.0) for sent, _ in even]).lumps == 3
    assert judged([(0.0, 0.01), (0.001, 0.011)]).lumps == 0  # they were sent together


async def test_comments_pass_while_the_upstream_is_silent(program: Path, tmp_path: Path) -> None:
    async with fronted(program, tmp_path, pacing=Pacing(keep_alive=0.2)) as (front, rig):
        body = chat(stream=True, then="hang", after=2)
        async with asking(front.api, body, tls=front.trust, reset=True) as reader:
            await read_until(reader, b"\n\n")
            sent = rig.fake.journal[0].bytes_sent
            await read_until(reader, COMMENT)
        assert rig.fake.journal[0].bytes_sent == sent


# --- requests ---------------------------------------------------------------------------------------------------------


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that tells what it was asked."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    told = {
        "method": scope["method"],
        "target": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
        "headers": sorted((name.decode(), value.decode()) for name, value in scope["headers"]),
        "size": size,
    }
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-accel-redirect", b"@nobody")]})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


@asynccontextmanager
async def echoed(program: Path, folder: Path) -> AsyncIterator[Front]:
    async with served(echo, lifespan="off") as url:
        with in_front(program, folder / "nginx", [url, url]) as front:
            yield front


FORGED = {
    "x-forwarded-for": "10.9.8.7",
    "x-forwarded-proto": "http",
    "upgrade": "h2c",
    "connection": "upgrade, authorization",
    "authorization": "Bearer sk",
    "x-api-key": "sk",
    "accept-encoding": "gzip",
    "x_forwarded_for": "10.9.8.7",
}


async def test_requests_pass_as_they_are_but_for_what_they_say_of_their_way(program: Path, tmp_path: Path) -> None:
    target = "/v1beta/models/a%2Fb:generateContent?key=a%20b&x=//"
    async with echoed(program, tmp_path) as front, front.client(source=ELSEWHERE) as client:
        client.headers.clear()
        told = (await client.post(front.url + target, content=b"{}", headers=FORGED)).json()
    assert (told["method"], told["target"], told["size"]) == ("POST", target, 2)
    assert dict(told["headers"]) == {
        "host": f"127.0.0.1:{front.port}",
        "x-forwarded-for": ELSEWHERE,
        "x-forwarded-proto": "https",
        "authorization": "Bearer sk",
        "x-api-key": "sk",
        "accept-encoding": "gzip",
        "content-length": "2",
    }
    assert len(told["headers"]) == 7


async def test_bodies_of_the_size_that_the_gateway_takes(program: Path, tmp_path: Path) -> None:
    most = ServerSettings().body_bytes
    async with echoed(program, tmp_path) as front:
        async with front.client() as client:
            answer = await client.post(f"{front.api}/files", content=b"x" * most)
        assert answer.json()["size"] == most
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port, ssl=front.trust)
        writer.write(b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (most + 1))
        head, _, body = (await read_until(reader, b"}}")).partition(b"\r\n\r\n")
        writer.close()
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body)["error"]["code"] == BodyTooLarge.default_code


async def test_a_megabyte_passes_both_ways(program: Path, tmp_path: Path) -> None:
    text = "é" * (1 << 19)
    async with fronted(program, tmp_path) as (front, rig), front.client(KEY) as client:
        answer = await client.post(f"{front.api}/chat/completions", json=chat(text=text))
        assert answer.json()["choices"][0]["message"]["content"] == text
        assert len(rig.fake.journal[0].body) > 1 << 20


SAYING = [{}, {"x-forwarded-for": ELSEWHERE}, {"forwarded": f"for={ELSEWHERE}"}, {"x-real-ip": ELSEWHERE}]


async def test_the_gateway_sees_who_calls(program: Path, tmp_path: Path) -> None:
    async with fronted(program, tmp_path) as (front, rig):
        await rig.storage.add_token(
            TokenDraft(name="near", digest=key_digest("sk-near"), subnets=(f"{ELSEWHERE}/32",), user="bob")
        )
        async with front.client("sk-near", source=ELSEWHERE) as client:
            allowed = await client.post(f"{front.api}/chat/completions", json=ASK)
        assert allowed.status_code == 200
        async with front.client("sk-near") as client:
            for forged in SAYING:
                refused = await client.post(f"{front.api}/chat/completions", json=ASK, headers=forged)
                assert refused.status_code == 403
                assert refused.json()["error"]["code"] == "address_not_allowed"
                assert "'127.0.0.1'" in refused.json()["error"]["message"]


# --- sessions ---------------------------------------------------------------------------------------------------------


def wss(front: Front, key: str = KEY) -> connect:
    address = f"wss://127.0.0.1:{front.port}/v1/realtime?model=gpt-realtime"
    headers = {"authorization": f"Bearer {key}"}
    return connect(address, ssl=front.trust, additional_headers=headers, proxy=None, max_size=None)


async def test_a_session_over_a_websocket(program: Path, tmp_path: Path) -> None:
    provider = Talker()
    frames: list[str | bytes] = ["no JSON", b"\x00\xff", "", "x" * 1_000_000]
    async with open_talk(tmp_path, provider, trusted_proxies=NGINX) as rig:
        with in_front(program, tmp_path / "nginx", [rig.url, rig.url]) as front:
            async with wss(front) as client:
                await until(client, "session.created")
                for frame in frames:
                    await client.send(frame)
                    assert await client.recv() == frame
            await eventually(_nobody_talks(provider), within=2)
            assert (await rig.record()).status == 101
            with pytest.raises(InvalidStatus) as caught:
                await wss(front, "sk-wrong").__aenter__()
            assert caught.value.response.status_code == 401
            async with wss(front) as client:
                await until(client, "session.created")
                client.transport.abort()  # no word of it
                await eventually(_nobody_talks(provider), within=2)


def _nobody_talks(provider: Talker) -> Callable[[], Awaitable[bool]]:
    async def silent() -> bool:
        return provider.open == 0

    return silent


# --- who leaves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [{"wait": 30}, {"tokens": 1_000, "delay": 0.02}], ids=["before", "amid"])
async def test_a_caller_who_leaves_ends_the_upstreams_work(program: Path, tmp_path: Path, told: dict[str, Any]) -> None:
    async with fronted(program, tmp_path) as (front, rig):
        async with asking(front.api, chat(stream=True, **told), tls=front.trust, reset=True) as reader:
            if "tokens" in told:
                await read_until(reader, b"brown")
            await eventually(lambda: _begun(rig), within=5)
        await eventually(lambda: _aborted(rig), within=1)
        assert (await rig.record()).reason == "client_gone"


async def test_a_caller_who_ends_a_stream_of_http2(program: Path, tmp_path: Path) -> None:
    """And keeps the connection, as browsers do."""
    async with fronted(program, tmp_path) as (front, rig):
        context = ssl.create_default_context(cadata=front.certificate)
        context.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port, ssl=context)
        state = H2Connection()
        state.initiate_connection()
        state.send_headers(1, [(":method", "POST"), (":scheme", "https"), (":path", "/v1/chat/completions"), *HEAD])
        state.send_data(1, json.dumps(ENDLESS).encode(), end_stream=True)
        got = list[H2Event]()
        while not any(isinstance(event, DataReceived) for event in got):
            writer.write(state.data_to_send())
            got += state.receive_data(await asyncio.wait_for(reader.read(65_536), 5))
        state.reset_stream(1, ErrorCodes.CANCEL)
        writer.write(state.data_to_send())
        await eventually(lambda: _aborted(rig), within=1)
        assert (await rig.record()).reason == "client_gone"
        assert not writer.is_closing()
        writer.transport.abort()


async def _begun(rig: Rig) -> bool:
    return bool(rig.fake.journal)


async def _aborted(rig: Rig) -> bool:
    return all(entry.aborted for entry in rig.fake.journal)


# --- replicas that go -------------------------------------------------------------------------------------------------


async def test_replicas_that_are_killed_and_come_back(program: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        config = configured(tmp_path, stack.enter_context(upstream()))
        processes, apis = stack.enter_context(gateways(config, 2))
        ports = [urlsplit(api).port or 0 for api in apis]
        front = stack.enter_context(in_front(program, tmp_path / "nginx", apis))
        async with (
            front.client(KEY) as client,
            client.stream("POST", f"{front.api}/chat/completions", json=ENDLESS) as stream,
        ):
            pieces = stream.aiter_raw()
            await anext(pieces)
            assert await statuses(client, front, 8) == {200}
            await eventually(lambda: front.logs(*[f"127.0.0.1:{port}: 200" for port in ports]), within=5)
            processes[0].kill()
            processes[0].wait()
            for _ in range(5):
                assert await statuses(client, front, 4) == {200}
            processes[1].kill()
            processes[1].wait()
            with pytest.raises(httpx2.RemoteProtocolError):  # it is not taken for whole
                async for _ in pieces:
                    pass
            refused = await client.post(f"{front.api}/chat/completions", json=ASK)
            assert (refused.status_code, refused.headers["retry-after"]) == (502, "1")
            assert refused.json()["error"]["code"] == "bad_gateway"
            stack.enter_context(gateways(config, 1, ports=ports[:1]))
            await eventually(lambda: _serves(client, front), within=10, every=0.1)


async def statuses(client: httpx2.AsyncClient, front: Front, count: int) -> set[int]:
    """Of so many calls at once."""
    asked = [client.post(f"{front.api}/chat/completions", json=ASK) for _ in range(count)]
    return {answer.status_code for answer in await asyncio.gather(*asked)}


async def _serves(client: httpx2.AsyncClient, front: Front) -> bool:
    return await statuses(client, front, 1) == {200}


async def test_while_one_is_stopped_nobody_notices_who_asks_again_as_told(program: Path, tmp_path: Path) -> None:
    """As the SDKs do. A stream that has begun runs on to its end."""
    answers, done = list[str](), asyncio.Event()

    async def go_on() -> None:
        while not done.is_set():
            answer = await sdk.chat.completions.create(**chat(wait=0.05))
            answers.append(answer.id)

    with ExitStack() as stack:
        config = configured(tmp_path, stack.enter_context(upstream()))
        config.write_text(config.read_text().replace("graceful_timeout = 1\n", ""))
        (first, _), apis = stack.enter_context(gateways(config, 2))
        front = stack.enter_context(in_front(program, tmp_path / "nginx", apis))
        async with (
            openai.AsyncOpenAI(api_key=KEY, base_url=front.api, http_client=front.client()) as sdk,
            asyncio.TaskGroup() as group,
        ):
            streams = [group.create_task(_streamed(sdk)) for _ in range(2)]
            for _ in range(8):
                group.create_task(go_on())
            await eventually(lambda: _so_many(answers, 20), within=20)
            first.terminate()
            assert await asyncio.to_thread(first.wait, 20) == 0
            before = len(answers)
            await eventually(lambda: _so_many(answers, before + 20), within=20)
            done.set()
        assert [stream.result() for stream in streams] == [40, 40]


async def _streamed(sdk: openai.AsyncOpenAI) -> int:
    """The pieces of content of a stream of two seconds."""
    stream = await sdk.chat.completions.create(**chat(stream=True, tokens=40, delay=0.05))
    return sum([bool(chunk.choices and chunk.choices[0].delta.content) async for chunk in stream])


async def _so_many(found: list[str], count: int) -> bool:
    return len(found) >= count


# --- what nginx says itself -------------------------------------------------------------------------------------------


async def test_keys_are_in_no_log(program: Path, tmp_path: Path) -> None:
    """Clients of Gemini may put theirs into the query."""
    path = f"/v1beta/models/gpt-4o:generateContent?key={KEY}"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    async with fronted(program, tmp_path) as (front, _), front.client() as client:
        answered = await client.post(front.url + path, json=body)
        assert answered.status_code == 200
        await eventually(lambda: front.logs(f"id {answered.headers['x-request-id']}"), within=5)
    nobody = [f"http://127.0.0.1:{free_port()}"] * 2
    with in_front(program, tmp_path / "gone", nobody) as gone:
        async with gone.client() as client:
            assert (await client.post(gone.url + path, json=body)).status_code == 502
            assert (await client.post(gone.plain + path, json=body)).status_code == 403
        await eventually(lambda: gone.logs('"POST /v1beta/models/gpt-4o:generateContent" 502 '), within=5)
        logs = [*front.folder.glob("*.log"), *gone.folder.glob("*.log")]
        assert len(logs) >= 4
        assert not any(KEY in log.read_text() for log in logs)


async def test_without_tls_nothing_is_served(program: Path, tmp_path: Path) -> None:
    async with echoed(program, tmp_path) as front, front.client() as client:
        challenge = front.folder / "acme" / ".well-known" / "acme-challenge"
        challenge.mkdir(parents=True)
        (challenge / "token").write_text("proof")
        led = await client.get(f"{front.plain}/path?x=1", headers={"host": "llm.example.com"})
        refused = await client.post(f"{front.plain}/v1/chat/completions", json=ASK)
        proof = await client.get(f"{front.plain}/.well-known/acme-challenge/token")
        encrypted = await client.get(front.url)
    assert (led.status_code, led.headers["location"]) == (301, "https://llm.example.com/path?x=1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "https_required")
    assert (proof.status_code, proof.text) == (200, "proof")
    assert encrypted.headers["strict-transport-security"] == "max-age=31536000"
    assert "nginx/" not in encrypted.headers["server"]
