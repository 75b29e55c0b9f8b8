"""The key that secrets are sealed with changes while calls run: nobody notices."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from servers.databases import KINDS, Kind, rows
from servers.prepared import Prepared

from oneapi_asgi.keys import new_encryption_key
from oneapi_asgi.models import Channel, Secret
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.rotating import rotate_keys
from oneapi_asgi.storage.vault import Vault

from .serving import CHAT, UPSTREAM_KEY, eventually, open_rig

OLD, NEW = new_encryption_key(), new_encryption_key()
MANY = 210  # more than one transaction seals anew
CALLERS = 3


def other(number: int) -> Channel:
    return Channel(id=0, name=f"c{number}", api_keys=(Secret(f"sk-{number}"),), models=("other",))


@pytest.mark.parametrize("kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])])
async def test_no_call_fails_while_all_is_sealed_anew(kind: Kind, tmp_path: Path, prepared: Prepared) -> None:
    async with AsyncExitStack() as stack:
        url = stack.enter_context(prepared(kind, tmp_path))
        async with SQLStorage(url, vault=Vault(OLD)) as before:
            await before.declare([other(number) for number in range(MANY)], [])
        rows(url, "UPDATE channels SET declared = false")  # or the gateway, whose settings are none, would remove them
        rig = await stack.enter_async_context(open_rig(SQLStorage(url, vault=Vault(NEW, [OLD])), poll_interval=0.02))
        stop, statuses = asyncio.Event(), list[int]()

        async def call() -> None:
            while not stop.is_set():
                statuses.append((await rig.post(CHAT)).status_code)

        async def change() -> None:
            """Have the gateway load its channels again and again."""
            while not stop.is_set():
                (one,) = [one for one in await rig.storage.list_channels() if one.name == "c0"]
                await rig.storage.save_channel(one)

        async with asyncio.TaskGroup() as tasks:
            for work in (*[call] * CALLERS, change):
                tasks.create_task(work())
            async with SQLStorage(url, vault=Vault(NEW, [OLD])) as beside:
                done = await rotate_keys(beside, lambda _done, _total: None)
            enough = len(statuses) + 3 * CALLERS

            async def some_more() -> bool:
                return len(statuses) >= enough

            await eventually(some_more, within=30.0)
            stop.set()
        assert done.rows >= MANY - 1
        assert set(statuses) == {200}
        assert {entry.header("authorization") for entry in rig.fake.journal} == {f"Bearer {UPSTREAM_KEY}"}
        kept = [text for (text,) in rows(url, "SELECT api_keys FROM channels")]
        assert [text for text in kept if not text.startswith(f"v1:{done.key_id}:")] == []
        async with SQLStorage(url, vault=Vault(NEW)) as after:
            assert len(await after.list_channels()) == MANY + 1
