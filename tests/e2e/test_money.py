"""Every nano-dollar, three times over: in the records, on the ledger, in the upstream's own journal."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from oneapi_asgi import NANO, CallRecord, Channel, Ejection, Group, Price, Secret, TokenDraft, Usage, key_digest
from oneapi_asgi.pricing import cost
from oneapi_asgi.retry import RetryBudget
from oneapi_asgi.testing import Answer, FakeUpstream, Part
from oneapi_asgi.testing.upstream.http import Request

from .hangup import asking, read_until
from .serving import BOTH, KEY, PRICE, UPSTREAM_KEY, Adapter, Kind, Rig, chat, make_storage, open_rig

CALLS = [500, pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
FIXED = [200, pytest.param(1_000, marks=pytest.mark.slow)]
ERROR_IN_200 = Answer(parts=[Part(b'{"error":{"message":"no","type":"server_error"}}')])


class Sick(FakeUpstream):
    """Says that all is well, and then what is not."""

    def answer(self, request: Request) -> Answer:
        return ERROR_IN_200


def with_a_sick_one(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    keys = (Secret(UPSTREAM_KEY),)
    well, sick = fakes
    return [
        Channel(id=0, name="well", base_url=well.url, api_keys=keys, models=("gpt-4o", "flaky")),
        Channel(id=0, name="sick", base_url=sick.url, api_keys=keys, models=("flaky", "sick"), priority=1),
    ]


# --- a mix of everything ----------------------------------------------------------------------------------------------

DRAWS: dict[str, int] = {
    "plain": 40,
    "stream": 25,
    "moved": 8,  # an error in 200, then the next channel
    "moved stream": 4,
    "failing": 5,
    "sick": 3,
    "cut": 5,
    "hang-up before": 4,
    "hang-up amid": 6,
}


def body_of(kind: str, rng: random.Random) -> dict[str, Any]:
    tokens = rng.randint(1, 12)
    match kind:
        case "plain":
            return chat(tokens=tokens)
        case "stream":
            return chat(stream=True, tokens=tokens)
        case "moved":
            return chat("flaky", tokens=tokens)
        case "moved stream":
            return chat("flaky", stream=True, tokens=tokens)
        case "failing":
            return chat(status=rng.choice([500, 401, 429, 400]))
        case "sick":
            return chat("sick")
        case "cut":
            return chat(stream=True, tokens=20, then=rng.choice(["close", "reset"]), after=rng.randint(2, 18))
        case "hang-up before":
            return chat(stream=bool(tokens % 2), wait=30)
        case _:
            return chat(stream=True, tokens=2_000, delay=0.01)


async def one_call(rig: Rig, session: aiohttp.ClientSession, kind: str, rng: random.Random) -> None:
    body = body_of(kind, rng)
    if kind.startswith("hang-up"):
        async with asking(rig.api, body, reset=rng.random() < 0.5) as reader:
            if kind == "hang-up amid":
                await read_until(reader, rng.choice([b'"The"', b"brown", b"jumps"]))
            else:
                await asyncio.sleep(rng.uniform(0.05, 0.1))
        return
    async with session.post(f"{rig.api}/chat/completions", json=body) as answer:
        await answer.read()


def check_record(record: CallRecord, journal: Sequence[Any]) -> None:
    if record.price is None:  # its caller had left before the body was read
        assert (record.reason, record.cost, record.usage, record.attempts) == ("client_gone", 0, None, ())
        return
    assert record.price == PRICE
    assert record.cost == (cost(record.usage, PRICE) if record.usage else 0)
    if record.usage is None:
        left = record.reason == "client_gone" and not record.attempts  # before anybody was asked
        assert left or record.reason in ("upstream_failed", "refused")
        return
    number = record.upstream_request_id.removeprefix("req_")
    if not number:
        assert (record.reason, record.usage.output) == ("client_gone", 0)
        return
    really: Usage = journal[int(number) - 1].usage
    if record.reason == "done":
        assert record.usage == really
        return
    assert record.reason in ("client_gone", "upstream_cut")
    assert record.usage.estimated
    assert record.usage.output <= really.output
    assert really.input <= record.usage.input <= really.input + 100


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize("parts", BOTH, ids="-".join)
async def test_the_books_agree(parts: tuple[Kind, Adapter], calls: int, tmp_path: Path) -> None:
    kind, adapter = parts
    rng = random.Random(7)
    kinds = rng.choices(list(DRAWS), list(DRAWS.values()), k=calls)
    storage = make_storage(kind, tmp_path)
    gate = asyncio.Semaphore(50)
    upstreams = [FakeUpstream(), Sick()]
    async with (
        open_rig(
            storage,
            adapter,
            upstreams=upstreams,
            channels=with_a_sick_one,
            health=Ejection(judge=False),
            retries=RetryBudget(1.0),
        ) as rig,
        aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as session,
    ):

        async def gated(what: str) -> None:
            async with gate:
                await one_call(rig, session, what, rng)

        await asyncio.gather(*map(gated, kinds))
        records = await rig.recorded(calls, within=30)
        await rig.fake.idle()
        for record in records:
            check_record(record, rig.fake.journal)
        assert sum(record.cost for record in records) == await rig.used()
        assert await rig.held() == 0
        assert all(balance.available >= 0 == balance.overdraft for balance in await rig.balances())
        check_whole_calls(records, kinds, rig.fake)


def check_whole_calls(records: Sequence[CallRecord], kinds: Sequence[str], upstream: FakeUpstream) -> None:
    """What nobody cut short is charged as the upstream priced it, to the last nano-dollar."""
    drawn, reasons = Counter(kinds), Counter(record.reason for record in records)
    whole = sum(drawn[kind] for kind in ("plain", "stream", "moved", "moved stream"))
    assert reasons["done"] == whole
    assert reasons["upstream_cut"] == drawn["cut"]
    assert reasons["client_gone"] == drawn["hang-up before"] + drawn["hang-up amid"]
    assert reasons["upstream_failed"] + reasons["refused"] == drawn["failing"] + drawn["sick"]
    unbroken = [
        entry.usage
        for entry in upstream.journal
        if entry.status == 200 and not entry.aborted and b'\\"then\\"' not in entry.body and entry.usage
    ]
    assert len(unbroken) == whole
    charged = sum(record.cost for record in records if record.reason == "done")
    assert charged == sum(cost(usage, PRICE) for usage in unbroken)


# --- the last nano-dollar ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", FIXED)
@pytest.mark.parametrize("parts", BOTH, ids="-".join)
async def test_a_quota_for_half_of_the_calls_serves_half(
    parts: tuple[Kind, Adapter], calls: int, tmp_path: Path
) -> None:
    kind, adapter = parts
    served = calls // 2
    async with (
        open_rig(make_storage(kind, tmp_path), adapter, prices={"*": Price(per_call=100)}) as rig,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        draft = TokenDraft(name="fixed", digest=key_digest("sk-fixed"), quota=served * 100, user="bob")
        token = await rig.storage.add_token(draft)

        async def ask() -> tuple[int, str | None]:
            headers = {"authorization": "Bearer sk-fixed"}
            async with session.post(f"{rig.api}/chat/completions", json=chat(delay=0.005), headers=headers) as answer:
                return answer.status, json.loads(await answer.read()).get("error", {}).get("code")

        answers = Counter(await asyncio.gather(*[ask() for _ in range(calls)]))
        assert answers == {(200, None): served, (403, "insufficient_quota"): served}
        assert len(rig.fake.journal) == served
        records = await rig.recorded(calls)
        assert sum(record.cost for record in records) == served * 100
        (cap,) = await rig.storage.balances(token.accounts[:1])
        assert (cap.available, cap.used, cap.overdraft) == (0, served * 100, 0)


async def test_more_than_was_held_is_owed(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    """An upstream that goes beyond the limit it was given: settled in full, and the next call is refused."""
    kind, adapter = parts
    async with open_rig(make_storage(kind, tmp_path), adapter, prices={"*": Price(output=NANO)}) as rig:
        draft = TokenDraft(name="small", digest=key_digest("sk-small"), quota=20_000, user="bob")
        token = await rig.storage.add_token(draft)
        body = chat(usage={"input": 1, "output": 50}) | {"max_tokens": 10}
        auth = {"authorization": "Bearer sk-small"}
        assert (await rig.post(body, **auth)).status_code == 200
        await rig.recorded(1)
        (cap,) = await rig.storage.balances(token.accounts[:1])
        assert (cap.available, cap.used, cap.overdraft) == (0, 50_000, 30_000)
        answer = await rig.post(body, **auth)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_quota")
        assert len(rig.fake.journal) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_group_pays_its_ratio(parts: tuple[Kind, Adapter], stream: bool, tmp_path: Path) -> None:
    """Of the price that the record shows it with: whatever was set before the call began."""
    kind, adapter = parts
    async with open_rig(make_storage(kind, tmp_path), adapter, poll_interval=0.0) as rig:
        ratios = (NANO // 3, 0, 2 * NANO)
        for ratio in ratios:
            await rig.storage.set_group(Group(name="default", ratio=ratio))
            assert (await rig.post(chat(stream=stream, tokens=9))).status_code == 200
        await rig.storage.delete_group("default")
        assert (await rig.post(chat(stream=stream, tokens=9))).status_code == 200
        records = sorted(await rig.recorded(4), key=lambda record: record.at)
        assert [record.price for record in records] == [
            *(replace(PRICE, ratio=ratio) for ratio in ratios),
            PRICE,
        ]
        whole = records[-1].cost
        assert [record.cost for record in records[1:]] == [0, -(-_exact(records[0]) * 2 // 10**6), whole]
        assert records[0].cost == -(-_exact(records[0]) * (NANO // 3) // (10**6 * NANO))
        assert sum(record.cost for record in records) == await rig.used()


def _exact(record: CallRecord) -> int:
    """Millionths of a nano-dollar, at the whole price."""
    assert record.usage is not None
    return record.usage.input * PRICE.input + record.usage.output * PRICE.output


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_failed_attempts_are_free(parts: tuple[Kind, Adapter], stream: bool, tmp_path: Path) -> None:
    kind, adapter = parts
    async with open_rig(make_storage(kind, tmp_path), adapter, fakes=3, health=Ejection(judge=False)) as rig:
        rig.fakes[0].script(Answer(status=500, parts=[Part(b"{}")]))
        rig.fakes[1].script(Answer(head=False, then="reset"))
        assert (await rig.post(chat(stream=stream, tokens=9))).status_code == 200
        record = await rig.record()
        assert [attempt.failure for attempt in record.attempts] == ["status_500", "cut", ""]
        assert record.usage is not None
        assert record.usage == rig.fakes[2].journal[0].usage
        assert record.cost == cost(record.usage, PRICE) == await rig.used()
        assert await rig.held() == 0


# --- cancelled wherever it was ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", BOTH, ids="-".join)
async def test_cancelled_at_any_stage(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    kind, adapter = parts
    rng = random.Random(11)
    gate = asyncio.Semaphore(25)
    async with open_rig(make_storage(kind, tmp_path), adapter, fakes=2, health=Ejection(judge=False)) as rig:

        async def leave(number: int) -> None:
            body = chat(stream=bool(number % 2), tokens=10, delay=0.002, wait=0.005 * (number % 3))
            async with gate, asking(rig.api, body, reset=bool(number % 5)):
                await asyncio.sleep(rng.uniform(0, 0.03))

        await asyncio.gather(*[leave(number) for number in range(300)])
        await rig.fake.idle()
        await asyncio.sleep(0.2)
        records = await rig.records()
        assert sum(record.cost for record in records) == await rig.used()
        assert await rig.held() == 0
        assert {record.reason for record in records} <= {"client_gone", "done"}
        assert len(records) > 100
        assert len({record.id for record in records}) == len(records)
