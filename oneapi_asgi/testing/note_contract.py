"""What a storage has to do with notes, as tests to inherit; a part of ``StorageContract``."""
# ruff: noqa: S101 - these are tests

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ..kept import NOTE_BYTES, KeptNote
from ..ports import NoteStore
from .ledger_contract import ContractBase, digest

__all__ = ["NoteContract"]

BINARY = bytes(range(256)) * 4


def note(name: str, value: bytes = BINARY, keep: float = 600.0) -> KeptNote:
    return KeptNote(key=digest(name), value=value, keep=keep)


class NoteContract(ContractBase):
    async def test_notes_come_back(self, storage: NoteStore) -> None:
        assert isinstance(storage, NoteStore)
        assert await storage.get_notes([]) == {}
        assert await storage.get_notes([digest("a")]) == {}
        await storage.put_notes([])
        await storage.put_notes([note("a"), note("empty", b""), note("c", b"x")])
        wanted = [digest(name) for name in ("c", "never put", "a", "empty", "a")]
        expected = {digest("c"): b"x", digest("a"): BINARY, digest("empty"): b""}
        assert await storage.get_notes(wanted) == expected

    async def test_many_and_large_notes(self, storage: NoteStore) -> None:
        values = {str(number): str(number).encode() for number in range(600)}
        values |= {str(number): bytes(range(256)) * (NOTE_BYTES // 256) for number in range(5)}
        await storage.put_notes([note(name, value) for name, value in values.items()])
        found = await storage.get_notes([digest(name) for name in values])
        assert found == {digest(name): value for name, value in values.items()}

    async def test_the_last_one_stays(self, storage: NoteStore) -> None:
        keys = [digest("a"), digest("b")]
        await storage.put_notes([note("a", b"1"), note("b", b"1", keep=0.0)])
        await storage.put_notes([note("b", b"2"), note("a", b"2"), note("a", b"3")])
        assert await storage.get_notes(keys) == {keys[0]: b"3", keys[1]: b"2"}
        await storage.put_notes([note("a", b"4", keep=-1.0)])
        assert await storage.get_notes(keys) == {keys[1]: b"2"}
        await storage.put_notes([note("c", keep=0.0)])
        assert [await storage.purge_notes() for _ in range(2)] == [2, 0]
        assert await storage.get_notes(keys) == {keys[1]: b"2"}

    async def test_what_is_no_note(self, storage: NoteStore) -> None:
        for wrong, told in (
            (note("a", bytes(NOTE_BYTES + 1)), "at most 262144 bytes"),
            (KeptNote(key="a", value=b"", keep=1.0), "digest"),
            (KeptNote(key=digest("a").upper(), value=b"", keep=1.0), "digest"),
            (note("a", keep=float("nan")), "seconds"),
            (note("a", keep=float("inf")), "seconds"),
        ):
            with pytest.raises(ValueError, match=told):
                await storage.put_notes([note("b"), wrong])
        assert await storage.get_notes([digest("a"), digest("b")]) == {}

    async def test_notes_are_kept_as_long_as_was_asked(
        self, storage: NoteStore, later: Callable[[float], None]
    ) -> None:
        await storage.put_notes([note("a", keep=600.0), note("b", keep=3_600.0)])
        keys = [digest("a"), digest("b")]
        later(500.0)
        assert (await storage.get_notes(keys)).keys() == set(keys)
        await storage.put_notes([note("a", b"new", keep=600.0)])
        later(500.0)
        assert await storage.purge_notes() == 0
        assert await storage.get_notes(keys) == {keys[0]: b"new", keys[1]: BINARY}
        later(200.0)
        assert (await storage.get_notes(keys)).keys() == {keys[1]}
        assert await storage.purge_notes() == 1

    async def test_many_put_the_same_notes_at_once(self, storage: NoteStore) -> None:
        names = [str(number) for number in range(20)]

        async def put(turn: int) -> None:
            turned = names[turn:] + names[:turn]
            await storage.put_notes([note(name, b"%d" % turn) for name in turned])

        await asyncio.gather(*[put(turn) for turn in range(20)], *[storage.purge_notes() for _ in range(5)])
        found = await storage.get_notes([digest(name) for name in names])
        assert len(found) == 20
        assert len(set(found.values())) == 1, "all of one put, as each is one transaction"
