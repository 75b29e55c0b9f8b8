"""Who keeps an answer: the caller's own, remembered here and in a store, which may fail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from planned import asking, channel

from oneapi_asgi import MemoryStorage, key_digest
from oneapi_asgi import notes as module
from oneapi_asgi.call import Call
from oneapi_asgi.kept import KeptNote
from oneapi_asgi.models import Candidate, Holder, Token
from oneapi_asgi.owners import Owners, holder_of
from oneapi_asgi.planning import RoutePlanner
from oneapi_asgi.pool import ChannelPool

STEP = Candidate(channel(7, keys=2), 1, "m")
HELD = Holder(7, key_digest("k7.1"))


def by(token_id: int, user_id: int = 0) -> Call:
    return Call(token=Token(id=token_id, name="t", digest="d", user_id=user_id))


class Notes(MemoryStorage):
    """``fails``, hangs until it is ``open``, and counts how often it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []
        self.keys: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fails = False

    async def put_notes(self, notes: Sequence[KeptNote]) -> None:
        self.told.append(len(notes))
        self.keys += [note.key for note in notes]
        await self._wait()
        await super().put_notes(notes)

    async def get_notes(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        await self._wait()
        return await super().get_notes(keys)

    async def _wait(self) -> None:
        await self.open.wait()
        if self.fails:
            raise ConnectionError("secret detail")


def test_a_holder_is_known_by_the_digest_of_its_key() -> None:
    assert holder_of(STEP) == HELD
    assert holder_of(Candidate(channel(1, keys=0), 0, "m")) == Holder(1, key_digest(""))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (by(1), by(1), True),
        (by(1, user_id=7), by(2, user_id=7), True),  # of one user
        (by(1), by(2), False),
        (by(1, user_id=7), by(1, user_id=8), False),
        (by(7), by(1, user_id=7), False),
        (by(1), Call(), False),
        (Call(), Call(), True),  # who asks without a token is one and the same
    ],
)
async def test_an_answer_is_its_callers_own(one: Call, other: Call, *, same: bool) -> None:
    async with Owners(MemoryStorage()) as owners:
        owners.remember(one, STEP, "resp_1")
        assert await owners.holder(other, "resp_1") == (HELD if same else None)
        assert await owners.holder(one, "resp_2") is None


async def test_another_replica_knows_and_so_does_one_that_has_just_started() -> None:
    storage = MemoryStorage()
    async with Owners(storage) as owners:
        owners.remember(by(1), STEP, "resp_1")
    async with Owners(storage) as other:
        assert await other.holder(by(1), "resp_1") == HELD


async def test_what_comes_while_the_store_is_told_is_told_together() -> None:
    storage = Notes()
    storage.open.clear()
    async with Owners(storage) as owners:
        for number in range(100):
            owners.remember(by(1), STEP, f"resp_{number}")
            await asyncio.sleep(0)
        assert storage.told == [1]
        storage.open.set()
        await owners.told()
        assert sum(storage.told) == 100
        assert len(storage.told) == 2
        owners.remember(by(1), STEP, "resp_100")
    assert storage.told[2:] == [1]


async def test_a_store_that_fails_or_hangs_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    monkeypatch.setattr(module, "_TELLING", 0.01)
    for fails in (True, False):
        storage = Notes()
        storage.fails = fails
        if not fails:
            storage.open.clear()
        async with Owners(storage) as owners:
            owners.remember(by(1), STEP, "resp_1")
            assert await owners.holder(by(1), "resp_2") is None
            assert await owners.holder(by(1), "resp_1") == HELD  # this process knows
    assert len(caplog.messages) == 4
    assert "secret detail" not in caplog.text


async def test_a_note_that_is_none_is_nothing_known(caplog: pytest.LogCaptureFixture) -> None:
    storage = Notes()
    async with Owners(storage) as owners:
        owners.remember(by(1), STEP, "resp_1")
        await owners.told()
        await storage.put_notes([KeptNote(key=storage.keys[0], value=b"\xc1", keep=60)])
    assert await Owners(storage).holder(by(1), "resp_1") is None
    assert "cannot be read" in caplog.text


async def test_what_is_remembered_is_bounded_in_number_and_time() -> None:
    now = 0.0
    owners = Owners(size=2, keep=60, clock=lambda: now)
    for number in range(3):
        owners.remember(by(1), STEP, f"resp_{number}")
    assert [await owners.holder(by(1), f"resp_{number}") for number in range(3)] == [None, HELD, HELD]
    now = 61.0
    assert await owners.holder(by(1), "resp_2") is None
    for name in ("", "x" * 257):
        owners.remember(by(1), STEP, name)
        assert await owners.holder(by(1), name) is None


# --- the planner ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "keeps", "holder"),
    [
        ("/responses", {"input": "hi"}, True, None),
        ("/responses", {"input": "hi", "store": True, "previous_response_id": "resp_1"}, True, HELD),
        ("/responses", {"input": "hi", "store": False, "previous_response_id": "resp_1"}, False, HELD),
        ("/responses", {"input": "hi", "store": None, "previous_response_id": None}, True, None),
        ("/responses", {"input": "hi", "previous_response_id": "resp_2"}, True, None),
        ("/responses", {"input": "hi", "previous_response_id": ["resp_1"]}, True, None),
        ("/chat/completions", {"previous_response_id": "resp_1"}, False, None),
    ],
)
async def test_a_planner_asks_who_keeps_the_answer_before(
    path: str, body: dict[str, object], holder: Holder | None, *, keeps: bool
) -> None:
    owners = Owners()
    planner = RoutePlanner(ChannelPool(MemoryStorage()), owners=owners)
    call = asking(body, path)
    owners.remember(call, STEP, "resp_1")
    await planner.prepare(call, "m", ())
    assert call.holder == holder
    assert (call.keeps is not None) is keeps
    if call.keeps is not None:
        call.keeps(STEP, "resp_9")
        assert await owners.holder(call, "resp_9") == HELD
