"""The gateway is told to stop while calls are open: who finishes, who is told what, what is charged, and how soon."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from faults.auditor import complaints, read_books
from lab.caller import Answered, asking
from lab.dialects import DIALECTS, Name
from lab.figures import Figure
from ports import free_port
from rawhttp import answer_to, connected, statuses
from serving import serving
from websockets.exceptions import ConnectionClosed

from oneapi_asgi.drain import Drain
from oneapi_asgi.testing import FakeUpstream

from .processes import configured, gateway
from .serving import CHAT, KEY, Rig, eventually, make_storage, open_rig
from .talking import Talker, dial, open_talk, until

LONG = [pytest.mark.slow, pytest.mark.figures, pytest.mark.timeout(300)]
NAMES: Sequence[Name] = ("openai", "responses", "anthropic", "gemini")
AUTH = {"authorization": f"Bearer {KEY}"}


class Caller(NamedTuple):
    """One stream, and how long its upstream takes for it. ``began``: some of it has come."""

    dialect: Name
    seconds: float
    began: asyncio.Event
    task: asyncio.Task[Answered]


def root_of(api: str) -> str:
    return api.removesuffix("/v1")


def stopping(folder: Path, upstream: str, *, grace: float, more: str = "") -> Path:
    """The configuration of a gateway whose calls have that time."""
    config = configured(folder, upstream, server=more, quota_usd="100")
    config.write_text(config.read_text().replace("graceful_timeout = 1\n", f"graceful_timeout = {grace}\n"))
    return config


async def follow(root: str, name: Name, told: str, began: asyncio.Event) -> Answered:
    dialect = DIALECTS[name]
    body = dialect.ask("gpt-4o", True, f"fake:{told}")
    async with asking(root, dialect.path_of("gpt-4o"), body, key=KEY) as answer:
        await answer.begun()
        await answer.piece()
        began.set()
        return await answer.answered()


def asks(root: str, name: Name, **told: float) -> tuple[asyncio.Event, asyncio.Task[Answered]]:
    began = asyncio.Event()
    return began, asyncio.create_task(follow(root, name, json.dumps(told), began))


@asynccontextmanager
async def following(root: str, seconds: Sequence[float], *, pace: float = 0.05) -> AsyncIterator[list[Caller]]:
    """Callers of every dialect in turn, whose streams have all begun."""
    callers = []
    for number, each in enumerate(seconds):
        name, tokens = NAMES[number % len(NAMES)], round(each / pace)
        callers.append(Caller(name, each, *asks(root, name, tokens=tokens, delay=pace)))
    try:
        async with asyncio.timeout(60):
            for caller in callers:
                await caller.began.wait()
        yield callers
    finally:
        for caller in callers:
            caller.task.cancel()
        await asyncio.wait([caller.task for caller in callers])


async def refused_within(api: str, seconds: float) -> float:
    """How long it takes until there is no connection, or a 503 on it."""

    probe = f"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"

    async def refused() -> bool:
        try:
            return statuses(await answer_to(api, probe.encode())) != [200]
        except OSError:
            return True

    return await eventually(refused, within=seconds)


def judge(callers: Sequence[Caller], longest: float) -> Counter[str]:
    """What the callers saw: each either a whole answer, or a part of one and an error in their own words."""
    seen: Counter[str] = Counter()
    for caller in callers:
        answer = caller.task.result()
        heard = DIALECTS[caller.dialect].hear(answer.body)
        assert answer.whole, "the connection was cut"
        assert answer.status == 200
        assert (heard.error is None) is (caller.seconds < longest), heard
        if heard.error is None:
            assert heard.finish not in (None, "error"), heard
        else:
            assert b"shutting_down" in answer.body or b"shutting down" in answer.body
            assert heard.text, "what had been made before"
        seen["finished" if heard.error is None else "told"] += 1
    return seen


def ended(process: subprocess.Popen[str]) -> str:
    printed, _ = process.communicate(timeout=60)
    assert "Traceback" not in printed, printed
    return printed


@pytest.mark.parametrize(
    ("count", "grace", "late", "workers"),
    [
        pytest.param(20, 1.5, 3.0, 1, id="20"),
        pytest.param(20, 1.5, 3.0, 2, id="20, 2 workers", marks=pytest.mark.slow),
        pytest.param(500, 10.0, 1.0, 1, id="500", marks=LONG),
        pytest.param(500, 10.0, 1.0, 2, id="500, 2 workers", marks=LONG),
    ],
)
async def test_half_of_the_streams_finish_in_time(
    tmp_path: Path, count: int, grace: float, late: float, workers: int, figure: Figure
) -> None:
    """``late``: how many seconds more than promised the process may take on a busy machine."""
    async with FakeUpstream() as fake:
        config = stopping(tmp_path, fake.url, grace=grace, more=f"workers = {workers}")
        seconds = [grace * 0.4] * (count // 2) + [grace * 20] * (count - count // 2)
        with gateway(config) as (process, api):
            async with following(root_of(api), seconds, pace=0.5 if count > 100 else 0.05) as callers:
                process.send_signal(signal.SIGTERM)
                began = time.monotonic()
                refused = await refused_within(api, 3.0)
                await anyio.to_thread.run_sync(process.wait, grace + 20)
                took = time.monotonic() - began
                await asyncio.wait([caller.task for caller in callers], timeout=5)
                seen = judge(callers, grace)
            ended(process)
    books = await read_books(f"sqlite:///{tmp_path}/gateway.db")
    reasons = Counter(record.reason for record in books.records.values())
    name = f"{count} streams, {workers} workers:"
    figure(f"{name} refused after", f"{refused:.2f} s", "≤ 0.5 s")
    figure(f"{name} ended after {grace:.0f} s and", f"{took - grace:.2f} s", "≤ 2 s")
    figure(f"{name} settled", sum(books.states().values()) - books.states()["held"], f"{count}")
    figure(f"{name} finished, told", f"{seen['finished']}, {seen['told']}", f"{count // 2}, {count // 2}")
    assert process.returncode == 0
    assert complaints(books) == []
    assert reasons == {"done": count // 2, "drained": count - count // 2}
    assert refused < 0.5 + late
    assert grace - 0.1 < took < grace + 1 + late


async def settled(folder: Path) -> Counter[str]:
    """Why the calls ended, whose books agree."""
    books = await read_books(f"sqlite:///{folder}/gateway.db")
    assert complaints(books) == []
    return Counter(record.reason for record in books.records.values())


async def stopped(process: subprocess.Popen[str], within: float) -> float:
    """How long it takes to end."""
    began = time.monotonic()
    await anyio.to_thread.run_sync(process.wait, within)
    return time.monotonic() - began


# --- in a host's own process ------------------------------------------------------------------------------------------


async def test_in_the_delay_it_is_not_ready_and_still_serves(tmp_path: Path) -> None:
    drain = Drain(grace=1, delay=60)
    async with open_rig(make_storage("sqlite", tmp_path), draining=drain) as rig:
        assert (await rig.http.get(f"{rig.url}/readyz")).status_code == 200
        draining = asyncio.create_task(rig.gateway.drain())
        await asyncio.sleep(0)
        unready = await rig.http.get(f"{rig.url}/readyz")
        assert (unready.status_code, unready.json()) == (503, {"status": "unavailable", "failed": "draining"})
        assert (await rig.http.get(f"{rig.url}/healthz")).status_code == 200
        assert (await rig.post(CHAT)).status_code == 200
        drain.hurry()
        await draining
        refused = await rig.post(CHAT)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.headers["connection"] == "close"
        assert (await rig.http.get(f"{rig.url}/healthz")).status_code == 200


async def test_calls_that_have_not_begun_are_refused_in_their_dialect(rig: Rig) -> None:
    """Those that wait for their upstream, and one whose body is still on its way."""
    waiting = [asks(rig.url, name, wait=60)[1] for name in NAMES]
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 9\r\n\r\n{{"
    )
    async with connected(rig.url) as (reader, writer):
        writer.write(head.encode())

        async def asked() -> bool:
            return len(rig.fake.journal) == len(NAMES) and len(rig.gateway.draining._open) == len(NAMES) + 1

        await eventually(asked, within=20)
        await rig.gateway.drain(0.1)
        for name, answer in zip(NAMES, await asyncio.gather(*waiting), strict=True):
            assert answer.status == 503, name
            assert answer.headers["retry-after"] == "1"
            assert DIALECTS[name].error(answer.body), answer.body
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
    records = await rig.recorded(len(NAMES) + 1)
    assert Counter(record.reason for record in records) == {"drained": len(NAMES), "aborted": 1}
    assert await rig.used() == await rig.held() == 0


async def test_who_reads_nothing_does_not_hold_it_up(rig: Rig) -> None:
    body = DIALECTS["openai"].ask("gpt-4o", True, 'fake:{"tokens": 100000}')
    async with asking(rig.url, "/v1/chat/completions", body, key=KEY, limit=1_024) as answer:
        await answer.begun()
        began = time.monotonic()
        await rig.gateway.drain(0.1)
        assert time.monotonic() - began < 5
    assert (await rig.record()).reason in ("drained", "aborted")
    assert await rig.held() == 0


async def test_sessions_are_told_and_closed(tmp_path: Path) -> None:
    async with open_talk(tmp_path, Talker()) as talking:
        client = await dial(talking)
        await until(client, "session.created")
        await talking.gateway.drain(0.1)
        error = await until(client, "error")
        assert error["error"]["code"] == "shutting_down"
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (await talking.record()).reason == "drained"


async def test_a_host_that_leaves_ends_the_streams_at_once(tmp_path: Path) -> None:
    async with open_rig(make_storage("sqlite", tmp_path)) as rig:
        async with following(rig.url, [100.0] * 4) as callers:
            await rig.gateway.__aexit__(None, None, None)
            await asyncio.wait([caller.task for caller in callers], timeout=5)
            assert judge(callers, 1) == {"told": 4}
            refused = await rig.post(CHAT)
            assert refused.status_code == 503
        await rig.gateway.__aenter__()
        assert (await rig.post(CHAT)).status_code == 200, "one that goes on takes calls again"
    assert await settled(tmp_path) == {"drained": 4, "done": 1}


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_them_now_and_settles(tmp_path: Path, again: signal.Signals) -> None:
    async with FakeUpstream() as fake:
        with gateway(stopping(tmp_path, fake.url, grace=60)) as (process, api):
            async with following(root_of(api), [100.0] * 4) as callers:
                process.send_signal(signal.SIGTERM)
                await refused_within(api, 5)
                with pytest.raises(subprocess.TimeoutExpired):
                    await stopped(process, 1.2)
                process.send_signal(again)
                assert await stopped(process, 20) < 8
                await asyncio.wait([caller.task for caller in callers], timeout=5)
                assert judge(callers, 60) == {"told": 4}
            ended(process)
    assert process.returncode == 0
    assert await settled(tmp_path) == {"drained": 4}


@pytest.mark.slow
async def test_one_that_is_killed_while_it_drains_leaves_no_false_books(tmp_path: Path) -> None:
    async with FakeUpstream() as fake:
        with gateway(stopping(tmp_path, fake.url, grace=60)) as (process, api):
            async with following(root_of(api), [100.0] * 4):
                process.send_signal(signal.SIGTERM)
                await refused_within(api, 5)
                process.kill()
                await stopped(process, 20)
    books = await read_books(f"sqlite:///{tmp_path}/gateway.db")
    assert books.states() == {"held": 4}
    assert complaints(books, all_ended=False, all_recorded=False) == []


@pytest.mark.slow
async def test_under_a_server_of_somebody_else(tmp_path: Path) -> None:
    """It waits for open connections for ever, if it is not told otherwise; the app ends them."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "oneapi_asgi.app:app_from_environ", "--port", str(port)]
    async with FakeUpstream() as fake:
        config = stopping(tmp_path, fake.url, grace=0.5)
        with serving(command, port, cwd=tmp_path, environ={"ONEAPI_CONFIG": str(config)}) as process:
            api = f"http://127.0.0.1:{port}/v1"
            async with following(root_of(api), [100.0] * 4) as callers:
                process.terminate()
                await anyio.to_thread.run_sync(process.wait, 20)
                await asyncio.wait([caller.task for caller in callers], timeout=5)
                assert judge(callers, 0.5) == {"told": 4}
    assert await settled(tmp_path) == {"drained": 4}
