"""Idempotency-Key through real HTTP: one upstream call and one charge, whatever the caller does with its key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from oneapi_asgi import MemoryStorage, TokenDraft, key_digest
from oneapi_asgi.endpoints import Endpoints
from oneapi_asgi.idempotency import Idempotency
from oneapi_asgi.kept import Claim, Conclude, Kept
from oneapi_asgi.ports import IdempotencyStore
from oneapi_asgi.record import CallRecorder

from .serving import CHAT, Adapter, Kind, Rig, chat, eventually, make_storage, open_rig

KEY = {"idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@asynccontextmanager
async def keyed(rig: Rig, store: IdempotencyStore | None = None, **options: Any) -> AsyncIterator[Idempotency]:
    """Puts another one in the place of the gateway's, such as a process that is started anew has."""
    recorder: Any = rig.gateway._app
    while not isinstance(recorder, CallRecorder):
        recorder = recorder._calls if isinstance(recorder, Endpoints) else recorder.app
    own = recorder.app
    assert isinstance(own, Idempotency)
    part = Idempotency(own.app, store or rig.storage, **options)
    async with part:
        recorder.app = part
        try:
            yield part
        finally:
            recorder.app = own


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


DELIVERED = (409, "idempotency_delivered")


async def charged_once(rig: Rig, calls: int) -> None:
    """One of so many calls was carried out and paid for."""
    records = await rig.recorded(calls)
    paid = [record for record in records if record.cost]
    assert [record.cost for record in paid] == [await rig.used()]
    assert await rig.held() == 0
    assert len(rig.fake.journal) == 1
    for record in records:
        if record not in paid:
            assert (record.attempts, record.usage) == ((), None)


async def asked(rig: Rig) -> None:
    async def arrived() -> bool:
        return bool(rig.fake.journal)

    await eventually(arrived, within=5)


async def test_twenty_at_once(rig: Rig) -> None:
    answers = await asyncio.gather(*[rig.post(chat(wait=0.3), **KEY) for _ in range(20)])
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
    assert len({answer.headers["x-request-id"] for answer in answers}) == 20
    await charged_once(rig, 20)


async def test_a_retry_is_answered_word_by_word(rig: Rig) -> None:
    first, second = [await rig.post(CHAT, **KEY) for _ in range(2)]
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert ("idempotency-replayed" in first.headers, second.headers["idempotency-replayed"]) == (False, "true")
    assert refused(await rig.post(chat("gpt-4o", tokens=3), **KEY)) == (422, "idempotency_key_reused")
    assert refused(await rig.post(CHAT, **{"idempotency-key": "a b"})) == (400, "invalid_idempotency_key")
    await charged_once(rig, 4)


async def test_the_sdk(rig: Rig) -> None:
    async with rig.sdk() as client:
        told = [await client.chat.completions.create(**CHAT, extra_headers=KEY) for _ in range(2)]
    assert told[0] == told[1]
    await charged_once(rig, 2)


async def test_a_retried_upload_has_another_boundary(rig: Rig) -> None:
    async with rig.sdk() as client:
        file = ("a.wav", b"RIFF" + bytes(2_000))
        told = [
            await client.audio.transcriptions.create(model="whisper-1", file=file, extra_headers=KEY) for _ in range(2)
        ]
    assert told[0] == told[1]
    assert len(rig.fake.journal) == 1


async def test_a_stream_is_not_repeated(rig: Rig) -> None:
    assert b"[DONE]" in (await rig.post(chat(stream=True), **KEY)).content
    assert refused(await rig.post(chat(stream=True), **KEY)) == DELIVERED
    await charged_once(rig, 2)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_caller_that_hung_up_does_not_pay_again(rig: Rig, stream: bool) -> None:
    body = chat(stream=stream, tokens=400, delay=0.02)
    first = asyncio.create_task(rig.post(body, **KEY))
    await asked(rig)
    await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.wait([first])
    assert refused(await rig.post(body, **KEY)) == DELIVERED
    await charged_once(rig, 2)


async def test_what_was_refused_is_tried_again(rig: Rig) -> None:
    body = CHAT | {"max_tokens": 100}
    token = await rig.storage.add_token(TokenDraft(name="poor", digest=key_digest("sk-poor"), quota=0, user="bob"))
    headers = KEY | {"authorization": "Bearer sk-poor"}
    assert refused(await rig.post(body, **headers)) == (403, "insufficient_quota")
    await rig.storage.credit(token.accounts[0], 10**9)
    assert (await rig.post(body, **headers)).status_code == 200
    assert (await rig.post(body, **headers)).headers["idempotency-replayed"] == "true"
    assert len(rig.fake.journal) == 1


async def test_an_upstream_that_failed_is_asked_again(rig: Rig) -> None:
    for count in (1, 2):
        assert (await rig.post(chat(status=500), **KEY)).status_code == 502
        assert len(rig.fake.journal) == count
    assert await rig.used() == 0


async def test_a_replay_is_not_limited() -> None:
    async with open_rig(MemoryStorage(), requests_per_minute=1) as rig:
        assert [(await rig.post(CHAT, **KEY)).status_code for _ in range(3)] == [200] * 3
        assert (await rig.post(CHAT, **{"idempotency-key": "other"})).status_code == 429
        assert [record.status for record in await rig.recorded(4)] == [200, 200, 200, 429]


async def test_an_hour_later_and_two_days_later() -> None:
    later = [0.0]
    async with open_rig(MemoryStorage(clock=lambda: time.time() + later[0])) as rig:
        first = await rig.post(CHAT, **KEY)
        later[0] = 3_600
        assert (await rig.post(CHAT, **KEY)).content == first.content
        later[0] = 2 * 86_400
        assert "idempotency-replayed" not in (await rig.post(CHAT, **KEY)).headers
        assert len(rig.fake.journal) == 2


class Dying:
    """The store as seen by a process that dies after its call was paid for, before it writes the answer down."""

    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store

    async def claim_answer(self, claim: Claim) -> Kept | None:
        return await self._store.claim_answer(claim)

    async def renew_answers(self, claims: Sequence[Claim]) -> None: ...

    async def conclude_answers(self, ended: Sequence[Conclude]) -> None: ...

    async def purge_answers(self) -> int:
        return 0


async def test_a_crash_after_the_charge(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    async with open_rig(make_storage(parts[0], tmp_path), parts[1]) as rig:
        async with keyed(rig, Dying(rig.storage), lease=0.5):
            assert (await rig.post(CHAT, **KEY)).status_code == 200
        async with keyed(rig, wait=0.1):
            assert refused(await rig.post(CHAT, **KEY)) == (409, "idempotency_in_progress")
        async with keyed(rig):
            assert refused(await rig.post(CHAT, **KEY)) == (409, "idempotency_lost")
        await charged_once(rig, 3)
