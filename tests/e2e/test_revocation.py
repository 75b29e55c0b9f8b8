"""Changes to tokens, channels and prices hold at once, or within the interval in which the storage is asked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from oneapi_asgi import NANO, Price, Storage, TokenDraft, key_digest
from oneapi_asgi.models import Pulse
from oneapi_asgi.pricing import cost
from oneapi_asgi.storage.sql import SQLStorage

from .hangup import asking, read_until
from .serving import ADMIN_KEY, CHAT, PRICE, Adapter, Kind, Rig, chat, eventually, make_storage, open_rig

POLL = 0.5
IN_TIME = 4.0
"""Seconds that a running call may go on after its token was revoked."""

Pace = dict[str, Any]
BRISK: Pace = {"poll_interval": 0.1, "looks": 0.1}


@pytest.fixture(params=[BRISK, pytest.param({}, marks=pytest.mark.slow)], ids=["brisk", "by itself"])
def pace(request: pytest.FixtureRequest) -> Pace:
    """How often the gateway looks for changes. Those by another process are waited for at its own pace, always."""
    chosen: Pace = request.param
    return chosen


@pytest.fixture
async def rig(parts: tuple[Kind, Adapter], pace: Pace, tmp_path: Path) -> AsyncIterator[Rig]:
    kind, adapter = parts
    async with open_rig(make_storage(kind, tmp_path), adapter, **pace) as opened:
        yield opened


async def answers(rig: Rig, key: str, status: int, *, within: float) -> float:
    async def so() -> bool:
        return (await rig.post(CHAT, authorization=f"Bearer {key}")).status_code == status

    return await eventually(so, within=within, every=0.02)


async def add(rig: Rig, name: str) -> int:
    draft = TokenDraft(name=name, digest=key_digest(f"sk-{name}"), user="bob")
    return (await rig.storage.add_token(draft)).id


async def test_a_disabled_token_is_refused(rig: Rig) -> None:
    token = await add(rig, "leaver")
    assert (await rig.post(CHAT, authorization="Bearer sk-leaver")).status_code == 200
    await rig.storage.set_token_status(token, "disabled")
    await answers(rig, "sk-leaver", 401, within=1)
    asked = len(rig.fake.journal)
    answer = await rig.post(CHAT, authorization="Bearer sk-leaver")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "api_key_disabled")
    assert len(rig.fake.journal) == asked
    await rig.storage.set_token_status(token, "enabled")
    await answers(rig, "sk-leaver", 200, within=1)


async def test_a_disabled_owner_is_refused(rig: Rig) -> None:
    await add(rig, "bobs")
    assert (await rig.post(CHAT, authorization="Bearer sk-bobs")).status_code == 200
    await rig.storage.set_user("bob", enabled=False)
    await answers(rig, "sk-bobs", 403, within=1)


async def test_a_new_token_is_not_hidden_by_an_old_refusal(rig: Rig) -> None:
    for _ in range(3):
        assert (await rig.post(CHAT, authorization="Bearer sk-newcomer")).status_code == 401
    await add(rig, "newcomer")
    await answers(rig, "sk-newcomer", 200, within=1)


async def disable_token(storage: Storage, token: int) -> None:
    await storage.set_token_status(token, "disabled")


async def disable_owner(storage: Storage, token: int) -> None:
    await storage.set_user("bob", enabled=False)


REVOKE = pytest.mark.parametrize(
    ("revoke", "status", "code"),
    [(disable_token, 401, "api_key_disabled"), (disable_owner, 403, "user_disabled")],
    ids=["token", "owner"],
)
Revoke = Callable[[Storage, int], Awaitable[None]]


@asynccontextmanager
async def running(rig: Rig, key: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """A stream of a minute that has begun; what of it is still to come."""
    body = chat(stream=True, tokens=1200, delay=0.05)
    headers = {"authorization": f"Bearer {key}"}
    async with rig.http.stream("POST", rig.api + "/chat/completions", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        chunks = answer.aiter_raw()
        while b"quick" not in await anext(chunks):
            pass
        yield chunks


async def read_to_the_end(chunks: AsyncIterator[bytes]) -> tuple[bytes, float]:
    started = time.monotonic()
    async with asyncio.timeout(10):
        return b"".join([chunk async for chunk in chunks]), time.monotonic() - started


@REVOKE
async def test_a_stream_that_runs_is_cut(rig: Rig, revoke: Revoke, status: int, code: str) -> None:
    token = await add(rig, "runner")
    async with running(rig, "sk-runner") as chunks, running(rig, ADMIN_KEY) as others:
        await revoke(rig.storage, token)
        got, seconds = await read_to_the_end(chunks)
        await anext(others)
    assert seconds < IN_TIME
    assert json.loads(got.decode().strip().rpartition("data: ")[2])["error"]["code"] == code
    cut, _ = sorted(await rig.recorded(2), key=lambda record: record.reason, reverse=True)
    assert (cut.reason, cut.status, cut.token_name) == ("revoked", 200, "runner")
    assert cut.usage is not None
    assert 0 < cut.usage.output <= seconds / 0.05 + 20
    assert cut.cost == cost(cut.usage, PRICE) > 0
    assert await rig.held() == 0
    assert all(entry.aborted for entry in rig.fake.journal)


@REVOKE
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_call_that_waits_for_its_answer_is_refused(
    rig: Rig, stream: bool, revoke: Revoke, status: int, code: str
) -> None:
    token = await add(rig, "runner")
    waiting = asyncio.create_task(rig.post(chat(stream=stream, wait=30), authorization="Bearer sk-runner"))

    async def asked() -> bool:
        return bool(rig.fake.journal)

    await eventually(asked, within=5)
    await revoke(rig.storage, token)
    async with asyncio.timeout(IN_TIME):
        answer = await waiting
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    record = await rig.record()
    assert (record.reason, record.status, record.usage, record.cost) == ("revoked", status, None, 0)
    assert await rig.held() == 0


async def test_a_caller_that_reads_nothing_is_cut_off(rig: Rig) -> None:
    """There is no room for last words."""
    token = await add(rig, "runner")
    async with asking(rig.api, chat(stream=True, tokens=100_000), key="sk-runner") as reader:
        await read_until(reader, b"quick")
        await asyncio.sleep(0.2)
        await disable_token(rig.storage, token)
        (record,) = await rig.recorded(1, within=IN_TIME + 2)
    assert record.reason == "revoked"
    assert record.cost > 0
    assert await rig.held() == 0


async def test_a_stream_whose_token_expires_is_cut(rig: Rig) -> None:
    expires = (await rig.storage.pulse()).now + 1
    draft = TokenDraft(name="brief", digest=key_digest("sk-brief"), user="bob", expires_at=expires)
    await rig.storage.add_token(draft)
    async with running(rig, "sk-brief") as chunks:
        got, seconds = await read_to_the_end(chunks)
    assert seconds < 1 + IN_TIME
    assert b"api_key_expired" in got
    assert (await rig.record()).reason == "revoked"


async def test_a_stream_whose_token_was_removed_is_cut(rig: Rig) -> None:
    channels = [replace(channel, id=0) for channel in await rig.storage.list_channels()]
    await rig.storage.declare(channels, [TokenDraft(name="declared", digest=key_digest("sk-declared"))])
    async with running(rig, "sk-declared") as chunks:
        await rig.storage.declare(channels, [TokenDraft(name="declared", digest=key_digest("sk-another"))])
        got, seconds = await read_to_the_end(chunks)
    assert seconds < IN_TIME
    assert b"invalid_api_key" in got
    assert (await rig.record()).reason == "revoked"


async def test_a_stream_goes_on_after_other_changes_and_while_the_storage_is_dead(tmp_path: Path, pace: Pace) -> None:
    storage = Mortal(f"sqlite:///{tmp_path}/mortal.db")
    async with open_rig(storage, **pace) as rig:
        token = await add(rig, "runner")
        async with running(rig, "sk-runner") as chunks:
            await rig.storage.set_price("other", Price(input=1))
            storage.dead = True
            await asyncio.sleep(0.1)  # what was asked before is answered by now
            await disable_token(rig.storage, token)
            async with asyncio.timeout(10):
                for _ in range(20 if pace else 60):
                    assert b"error" not in await anext(chunks)
            assert storage.refused
            storage.dead = False
            _, seconds = await read_to_the_end(chunks)
        assert seconds < IN_TIME
        assert (await rig.record()).reason == "revoked"


class Mortal(SQLStorage):
    """Tells nothing of its changes while it is dead."""

    dead = False
    refused = 0

    async def pulse(self) -> Pulse:
        if self.dead:
            self.refused += 1
            raise ConnectionError
        return await super().pulse()


async def test_a_disabled_channel_gets_no_more_calls(rig: Rig) -> None:
    (channel,) = await rig.storage.list_channels()
    assert (await rig.post(CHAT)).status_code == 200
    await rig.storage.save_channel(replace(channel, enabled=False))

    async def unavailable() -> bool:
        answer = await rig.post(CHAT)
        return answer.status_code == 503 and answer.json()["error"]["code"] == "model_unavailable"

    await eventually(unavailable, within=1)


async def test_a_new_price_holds(parts: tuple[Kind, Adapter], pace: Pace, tmp_path: Path) -> None:
    kind, adapter = parts
    async with open_rig(make_storage(kind, tmp_path), adapter, prices={}, **pace) as rig:
        await rig.storage.set_price("gpt-*", Price(per_call=5))
        assert (await rig.post(CHAT)).status_code == 200
        assert (await rig.record()).cost == 5
        await rig.storage.set_price("gpt-*", Price(per_call=7))

        async def dearer() -> bool:
            await rig.post(CHAT)
            return (await rig.records())[-1].cost == 7

        await eventually(dearer, within=1)
        answer = await rig.post(chat("unheard-of"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_priced")


async def test_credit_helps_at_once(rig: Rig) -> None:
    draft = TokenDraft(name="topped", digest=key_digest("sk-topped"), quota=1, user="bob")
    token = await rig.storage.add_token(draft)
    assert (await rig.post(CHAT, authorization="Bearer sk-topped")).status_code == 403
    await rig.storage.credit(token.accounts[0], NANO)
    assert (await rig.post(CHAT, authorization="Bearer sk-topped")).status_code == 200


async def test_a_change_by_another_process(tmp_path: Path) -> None:
    async with open_rig(SQLStorage(f"sqlite:///{tmp_path}/shared.db")) as rig:
        token = await add(rig, "far")
        await answers(rig, "sk-far", 200, within=1)
        async with SQLStorage(f"sqlite:///{tmp_path}/shared.db") as other:
            await other.set_token_status(token, "disabled")
        assert await answers(rig, "sk-far", 401, within=POLL + 0.5) < POLL + 0.5


async def test_a_stream_is_cut_by_another_process(tmp_path: Path) -> None:
    async with open_rig(SQLStorage(f"sqlite:///{tmp_path}/shared.db")) as rig:
        token = await add(rig, "far")
        async with running(rig, "sk-far") as chunks:
            async with SQLStorage(f"sqlite:///{tmp_path}/shared.db") as other:
                await other.set_token_status(token, "disabled")
            got, seconds = await read_to_the_end(chunks)
        assert seconds < IN_TIME
        assert b"api_key_disabled" in got
