"""A file that declares thousands: in few statements, and to the last one as it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from servers.databases import KINDS
from servers.prepared import Prepared
from sqlalchemy import event
from sqlalchemy.engine import Engine

from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Channel, Secret, TokenDraft
from oneapi_asgi.storage.sql import SQLStorage

COUNT = 1_200  # more than one statement takes
STATEMENTS = 60

CHANNELS = [
    Channel(id=0, name=f"channel-{n}", api_keys=(Secret(f"sk-{n}"),), models=(f"model-{n}",), priority=n % 3)
    for n in range(COUNT)
]
TOKENS = [
    TokenDraft(name=f"token-{n}", digest=key_digest(f"key-{n}"), quota=(None, 5, 7)[n % 3], models=(f"model-{n}",))
    for n in range(COUNT)
]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> Iterator[str]:
    with prepared(request.param, tmp_path) as found:
        yield found


async def caps(storage: SQLStorage, drafts: Sequence[TokenDraft]) -> list[int | None]:
    """The quotas that are kept for them: None for no cap."""
    by_digest = {token.digest: token.accounts[0] for token in await storage.list_tokens()}
    balances = await storage.balances([by_digest[draft.digest] for draft in drafts])
    return [None if balance.unlimited else balance.available for balance in balances]


async def test_each_of_many_is_as_the_file_says(url: str) -> None:
    async with SQLStorage(url) as storage:
        await storage.declare(CHANNELS, TOKENS)
        found = await storage.list_channels()
        assert [replace(channel, id=0) for channel in found] == CHANNELS
        assert [token.models for token in await storage.list_tokens()] == [draft.models for draft in TOKENS]
        assert await caps(storage, TOKENS) == [draft.quota for draft in TOKENS]
        assert not await storage.audit()


async def test_each_of_many_changes_as_the_file_does(url: str) -> None:
    """Every quota moves, two keys change places, some leave, one channel of three is another."""
    channels = [replace(one, priority=9) if n % 3 == 0 else one for n, one in enumerate(CHANNELS)][:-100]
    tokens = [replace(one, quota=(4, None, 9)[n % 3]) for n, one in enumerate(TOKENS)][:-100]
    first, second = tokens[:2]
    tokens[:2] = [replace(first, digest=second.digest), replace(second, digest=first.digest)]
    async with SQLStorage(url) as storage:
        await storage.declare(CHANNELS, TOKENS)
        ids = {token.name: token.id for token in await storage.list_tokens()}
        await storage.declare(channels, tokens)
        assert [replace(channel, id=0) for channel in await storage.list_channels()] == channels
        assert {token.name: token.id for token in await storage.list_tokens()} == ids
        assert await caps(storage, tokens) == [draft.quota for draft in tokens]
        states = [token.status for token in await storage.list_tokens()]
        assert states == ["enabled"] * (COUNT - 100) + ["disabled"] * 100
        assert not await storage.audit()


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """The statements that go through the engine; the hot ones, of many rows each, do not."""
    statements: list[str] = []

    def note(*told: object) -> None:
        statements.append(str(told[2]))

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


async def test_nothing_is_asked_row_by_row(tmp_path: Path, asked: list[str]) -> None:
    async with SQLStorage(f"sqlite:///{tmp_path / 'many.db'}") as storage:
        asked.clear()
        await storage.declare(CHANNELS, TOKENS)
        first, before = len(asked), (await storage.pulse()).revision
        await storage.declare(CHANNELS, TOKENS)
        assert (await storage.pulse()).revision == before
    assert 0 < first < STATEMENTS
    assert first < len(asked) < 2 * STATEMENTS
