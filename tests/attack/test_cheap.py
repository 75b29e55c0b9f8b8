"""Requests that cost their sender nothing must not cost the database much."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from e2e.serving import CHAT, KEY, Rig, chat, make_storage, open_rig

from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import TokenDraft
from oneapi_asgi.storage.sql import SQLStorage

STORM = 1_000


def counting(storage: SQLStorage) -> Counter[str]:
    """How many transactions read, and how many wrote, from now on."""
    counts: Counter[str] = Counter()
    read, write = storage.read, storage.write

    async def reading(work: object, *args: object, **options: object) -> object:
        counts[getattr(work, "__name__", "?")] += 1
        return await read(work, *args, **options)  # type: ignore[arg-type]

    async def writing(work: object, *args: object, **options: object) -> object:
        counts[getattr(work, "__name__", "?")] += 1
        return await write(work, *args, **options)  # type: ignore[arg-type]

    storage.read, storage.write = reading, writing  # type: ignore[method-assign, assignment]
    return counts


@pytest.mark.parametrize("what", ["one key", "other keys", "models", "paths"])
async def test_a_storm_costs_few_questions(tmp_path: Path, what: str) -> None:
    storage = make_storage("sqlite", tmp_path)
    assert isinstance(storage, SQLStorage)
    async with open_rig(storage, poll_interval=5.0, unknown_model="refuse") as rig:
        assert (await rig.post(CHAT)).status_code == 200
        counts = counting(storage)
        statuses = Counter(await asyncio.gather(*[_one(rig, what, number) for number in range(STORM)]))
    assert statuses == {{"one key": 401, "other keys": 401, "models": 404, "paths": 404}[what]: STORM}
    assert counts["find_tokens"] <= STORM / 10
    assert sum(counts.values()) - counts["write_records"] <= STORM / 10


async def _one(rig: Rig, what: str, number: int) -> int:
    headers = {"one key": "sk-wrong", "other keys": f"sk-wrong-{number}"}.get(what, KEY)
    body = chat(model=f"zilch-{number}") if what == "models" else CHAT
    path = f"/nothing/{number}" if what == "paths" else "/chat/completions"
    answer = await rig.post(body, path=path, authorization=f"Bearer {headers}")
    return answer.status_code


async def test_a_key_that_was_asked_for_too_early_works_once_it_is_made(tmp_path: Path) -> None:
    storage = make_storage("sqlite", tmp_path)
    async with open_rig(storage, poll_interval=0.05) as rig:
        assert (await rig.post(CHAT, authorization="Bearer sk-later")).status_code == 401
        await storage.add_token(TokenDraft(name="later", digest=key_digest("sk-later")))
        await asyncio.sleep(0.2)  # no longer than a revision takes to be seen
        assert (await rig.post(CHAT, authorization="Bearer sk-later")).status_code == 200
