"""The gateway as its operator runs it: a process, a configuration file, an SQLite file, signals."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import anyio
import httpx2
import msgspec
import openai
import psutil
import pytest
from rawhttp import answer_to, statuses
from storage.books import audit, rows

from oneapi_asgi import CallRecord, Usage
from oneapi_asgi.pricing import cost
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing import FakeUpstream, Journaled

from .processes import cli, configured, gateway, gateways, upstream
from .serving import CHAT, KEY, PRICE, UPSTREAM_KEY, eventually

AUTH = {"authorization": f"Bearer {KEY}"}
OPENING = (
    f"GET /v1/realtime?model=gpt-4o HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: upgrade\r\n"
    "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MEGABYTE = 1 << 20


async def records_of(folder: Path) -> list[CallRecord]:
    async with SQLStorage(f"sqlite:///{folder}/gateway.db") as storage:
        return list(reversed(await storage.list_records(10_000)))


def nothing_is_held(folder: Path) -> None:
    path = folder / "gateway.db"
    assert rows(path, "SELECT count(*) FROM reservations WHERE state = 'held'") == [(0,)]
    audit(path)


def talk(api: str) -> None:
    with openai.OpenAI(
        api_key=KEY, base_url=api, max_retries=0, timeout=20, _strict_response_validation=True
    ) as client:
        assert client.chat.completions.create(**CHAT).choices[0].message.content
        chunks = list(client.chat.completions.create(**CHAT, stream=True))
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert client.embeddings.create(model="text-x", input="a b", encoding_format="float").data
        assert [model.id for model in client.models.list()] == ["gpt-4o"]
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**CHAT | {"model": "zebra"})
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="sk-wrong").models.list()


async def test_process_to_process(tmp_path: Path) -> None:
    with upstream() as url:
        with gateway(configured(tmp_path, url)) as (process, api):
            await anyio.to_thread.run_sync(talk, api)
            refused = await answer_to(api, OPENING.encode())
            assert statuses(refused) == [404], "WebSockets are taken, if not to this model"
            process.send_signal(signal.SIGTERM)
            printed, _ = await anyio.to_thread.run_sync(process.communicate)
        journal = msgspec.json.decode(
            httpx2.get(f"{url.removesuffix('/v1')}/_journal", trust_env=False).content, type=list[Journaled]
        )
    counted = [entry.usage for entry in journal if entry.usage]
    assert counted == [Usage(input=6, output=8), Usage(input=6, output=8), Usage(input=2)]
    records = await records_of(tmp_path)
    assert [record.usage for record in records] == [*counted, None, None]
    assert sum(r.cost for r in records) == sum(cost(usage, PRICE) for usage in counted)
    nothing_is_held(tmp_path)
    assert process.returncode == 0
    for key in (KEY, UPSTREAM_KEY):
        assert key not in printed
    assert "Traceback" not in printed
    assert "ERROR" not in printed


@pytest.mark.parametrize("calls", [200, pytest.param(1_000, marks=pytest.mark.slow)])
async def test_two_processes_share_a_quota(tmp_path: Path, calls: int) -> None:
    served = calls // 2
    async with FakeUpstream() as fake, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as session:
        config = configured(tmp_path, fake.url, quota_usd=f"{served / 10**7:.7f}", prices="per_call = 0.0000001")
        with gateways(config, 2) as (_, apis):

            async def ask(number: int) -> int:
                url = f"{apis[number % 2]}/chat/completions"
                async with session.post(url, json=CHAT, headers=AUTH) as answer:
                    await answer.read()
                    return answer.status

            answers = Counter(await asyncio.gather(*map(ask, range(calls))))
        assert answers == {200: served, 403: served}
        assert len(fake.journal) == served
    nothing_is_held(tmp_path)
    assert sum(record.cost for record in await records_of(tmp_path)) == served * 100
    used = rows(tmp_path / "gateway.db", "SELECT balance, used FROM accounts WHERE kind = 'token'")
    assert used == [(0, served * 100)]


async def test_tokens_come_and_go_by_command_line(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, httpx2.AsyncClient(trust_env=False) as client:
        config = configured(tmp_path, fake.url, more="[cache]\npoll_interval = 0.5")
        with gateway(config) as (_, api):

            async def answers(key: str, status: int, within: float) -> float:
                async def so() -> bool:
                    headers = {"authorization": f"Bearer {key}"}
                    return (await client.get(f"{api}/models", headers=headers)).status_code == status

                return await eventually(so, within=within, every=0.02)

            key = await cli("token", "add", "guest", config=config)
            await answers(key, 200, within=1)
            await cli("token", "revoke", "guest", config=config)
            await answers(key, 401, within=1)
            await answers(KEY, 200, within=0.1)


# --- bodies beyond all bounds -----------------------------------------------------------------------------------------


async def send_large(api: str, *, chunked: bool, megabytes: int = 100) -> tuple[bytes, int]:
    """The answer to a body that has only begun to be sent when it comes, and how much could be sent."""
    parts = urlsplit(api)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {megabytes * MEGABYTE}"
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{framing}\r\n\r\n".encode()
    )
    answer = asyncio.create_task(reader.read())
    block = b" " * MEGABYTE
    sent = 0
    with suppress(ConnectionError):
        for _ in range(megabytes):
            writer.write(b"%x\r\n%b\r\n" % (MEGABYTE, block) if chunked else block)
            await writer.drain()
            sent += 1
        if chunked:
            writer.write(b"0\r\n\r\n")
    try:
        return await asyncio.wait_for(answer, 20), sent
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_of_100_megabytes(tmp_path: Path, chunked: bool) -> None:
    async with FakeUpstream() as fake:
        with gateway(configured(tmp_path, fake.url, server="body_bytes = 4194304")) as (process, api):
            memory = psutil.Process(process.pid).memory_info
            async with httpx2.AsyncClient(trust_env=False) as client:
                assert (await client.post(f"{api}/chat/completions", json=CHAT, headers=AUTH)).status_code == 200
                before = memory().rss
                most = 0
                for _ in range(3):
                    answer, _ = await send_large(api, chunked=chunked)
                    most = max(most, memory().rss)
                    head, _, body = answer.partition(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 413 ")
                    assert json.loads(body)["error"]["code"] == "request_too_large"
                assert most - before < 40 * MEGABYTE
                assert (await client.post(f"{api}/chat/completions", json=CHAT, headers=AUTH)).status_code == 200
        assert len(fake.journal) == 2
    nothing_is_held(tmp_path)
