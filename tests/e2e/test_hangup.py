"""Callers that hang up: the upstream learns of it within a second, and what was done until then is paid for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from oneapi_asgi import CallRecord, Usage
from oneapi_asgi.pricing import cost, guess_input

from .hangup import asking, read_until
from .serving import PRICE, Rig, chat, eventually

PROMPT = 6
RESET = pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])


async def upstream_sees_it(rig: Rig, *, within: float = 1.0) -> None:
    async def aborted() -> bool:
        return all(entry.aborted for entry in rig.fake.journal)

    await eventually(aborted, within=within)


async def asked(rig: Rig) -> None:
    async def arrived() -> bool:
        return bool(rig.fake.journal)

    await eventually(arrived, within=5)


async def check_charge(rig: Rig, body: object, output: int) -> CallRecord:
    record = await rig.record()
    usage = Usage(input=guess_input(msgspec.json.encode(body)), output=output, estimated=True)
    assert usage.input >= PROMPT
    assert (record.reason, record.usage) == ("client_gone", usage)
    assert record.cost == cost(usage, PRICE) == await rig.used()
    assert await rig.held() == 0
    return record


@RESET
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_before_the_first_byte(rig: Rig, stream: bool, reset: bool) -> None:
    body = chat(stream=stream, wait=30)
    async with asking(rig.api, body, reset=reset):
        await asked(rig)
    await upstream_sees_it(rig)
    record = await check_charge(rig, body, 0)
    assert (record.status, record.first_content) == (0, None)
    assert [attempt.failure for attempt in record.attempts] == ["aborted"]


@RESET
async def test_in_the_middle_of_a_stream(rig: Rig, reset: bool) -> None:
    body = chat(stream=True, tokens=1_000, delay=0.02)
    async with asking(rig.api, body, reset=reset) as reader:
        got = await read_until(reader, b"brown")
    left = time.monotonic()
    await upstream_sees_it(rig)
    assert rig.fake.journal[0].ended is not None
    assert rig.fake.journal[0].ended - left < 1
    record = await rig.record()
    assert record.usage is not None
    written = rig.fake.journal[0].usage
    assert written is not None
    assert got.count(b'"content":" ') + 1 <= record.usage.output <= written.output < 60
    await check_charge(rig, body, record.usage.output)
    assert (record.status, record.stream) == (200, True)


async def test_in_the_middle_of_a_plain_answer(rig: Rig) -> None:
    body = chat(tokens=400, delay=0.02)  # eight seconds of thought, then all at once
    async with asking(rig.api, body):
        await asked(rig)
        await asyncio.sleep(0.1)
    await upstream_sees_it(rig)
    await check_charge(rig, body, 0)


async def test_while_the_caller_reads_nothing(rig: Rig) -> None:
    """An answer larger than every buffer on the way."""
    body = chat(stream=True, tokens=100_000)
    async with asking(rig.api, body) as reader:
        await read_until(reader, b"quick")
        await asyncio.sleep(0.2)
        assert rig.fake.journal[0].ended is None
    await upstream_sees_it(rig)
    record = await rig.record()
    assert record.reason == "client_gone"
    assert await rig.held() == 0


async def test_while_the_request_is_still_on_its_way(rig: Rig) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2]))
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-callerc\r\n")
    writer.write(b"content-type: application/json\r\ncontent-length: 500\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.transport.abort()
    await asyncio.sleep(0.05)
    assert rig.fake.journal == []
    assert await rig.held() == 0
    del reader


async def test_after_the_answer(rig: Rig) -> None:
    """Clients that close at [DONE], before the very end of the chunked body."""
    body = chat(stream=True)
    async with asking(rig.api, body) as reader:
        await read_until(reader, b"[DONE]")
    record = await rig.record()
    assert record.usage == Usage(input=PROMPT, output=8)
    assert record.cost == await rig.used()


async def test_many_at_once(rig: Rig) -> None:
    async def leave(number: int) -> None:
        async with asking(rig.api, chat(stream=bool(number % 2), wait=30), reset=bool(number % 3)):
            await asyncio.sleep(0.3)

    await asyncio.gather(*[leave(number) for number in range(40)])
    await upstream_sees_it(rig)
    records: list[Any] = await rig.recorded(40)
    assert {record.reason for record in records} == {"client_gone"}
    assert sum(record.cost for record in records) == await rig.used()
    assert await rig.held() == 0
