"""What a storage has to do with what callers own at upstreams, as tests to inherit; a part of ``StorageContract``."""
# ruff: noqa: S101 - these are tests

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from ..kept import OwnedObject
from ..ports import ObjectStore
from .ledger_contract import ContractBase, digest

__all__ = ["ObjectContract"]

ANN: dict[str, Any] = {"user_id": 1, "token_id": 7}
BOB: dict[str, Any] = {"user_id": 2, "token_id": 8}
TOKEN: dict[str, Any] = {"user_id": 0, "token_id": 1}
"""Of nobody, with the number of Ann."""


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"id": ""}, "id"),
    ({"id": "x" * 257}, "id"),
    ({"id": "a\0"}, "id"),
    ({"id": "\ud800"}, "id"),
    ({"kind": ""}, "kind"),
    ({"kind": "x" * 17}, "kind"),
    ({"key": "sk-1"}, "digest"),
    ({"user_id": 0, "token_id": 0}, "belongs"),
    ({"user_id": -1}, "belongs"),
    ({"about": {"a": "x" * 49_152}}, "49152"),
    ({"about": {"a": "\ud800"}}, "surrogates"),
)


def made(object_id: str, at: float = 1_700_000_000.25, **more: Any) -> OwnedObject:
    facts: dict[str, Any] = {"kind": "file", "channel_id": 3, "key": digest("sk-1"), **ANN}
    return OwnedObject(id=object_id, created=at, **facts | more)


async def ids(storage: ObjectStore, kind: str = "file", owner: dict[str, Any] = ANN, **page: Any) -> list[str]:
    return [one.id for one in await storage.list_objects(kind, **owner, **page)]


class ObjectContract(ContractBase):
    async def test_an_object_is_kept_whole(self, storage: ObjectStore) -> None:
        assert isinstance(storage, ObjectStore)
        about = {"purpose": "batch", "filename": "Löhne \0.jsonl", "": ""}
        owned = made("file-1", about=about)
        await storage.put_object(owned)
        assert await storage.get_object("file-1", **ANN) == owned
        assert list(await storage.list_objects("file", **ANN)) == [owned]
        largest = made(
            "é" * 256, kind="x" * 16, channel_id=2**62, token_id=2**62, user_id=2**62, about={"é": "ü" * 24_000}
        )
        await storage.put_object(largest)
        assert await storage.get_object(largest.id, user_id=2**62, token_id=1) == largest

    async def test_put_again_it_is_changed_where_it_is(self, storage: ObjectStore) -> None:
        for number in range(3):
            await storage.put_object(made(f"file-{number}", 5.0))
        changed = made("file-1", 5.0, about={"a": "b"}, key=digest("sk-2"), token_id=9)
        await asyncio.gather(*[storage.put_object(changed) for _ in range(10)])
        assert await storage.get_object("file-1", **ANN) == changed
        assert await ids(storage) == ["file-2", "file-1", "file-0"]

    async def test_an_object_is_its_owners(self, storage: ObjectStore) -> None:
        await storage.put_object(made("file-1"))
        await storage.put_object(made("file-2", **TOKEN))
        assert await storage.get_object("file-1", user_id=1, token_id=99) is not None, "any token of the user"
        for owner in (BOB, TOKEN, {"user_id": 0, "token_id": 7}, {"user_id": 0, "token_id": 0}):
            assert await storage.get_object("file-1", **owner) is None
            assert not await storage.delete_object("file-1", **owner)
            assert "file-1" not in await ids(storage, owner=owner)
        assert await storage.get_object("file-2", **TOKEN) is not None
        assert await storage.get_object("file-2", **ANN) is None
        assert (await ids(storage), await ids(storage, owner=TOKEN)) == (["file-1"], ["file-2"])
        await storage.put_object(made("file-1", **BOB))  # some providers answer the same file with the same id
        assert await storage.delete_object("file-1", **ANN)
        assert await storage.get_object("file-1", **ANN) is None
        assert await storage.get_object("file-1", **BOB) is not None

    async def test_an_id_is_told_apart_to_the_letter(self, storage: ObjectStore) -> None:
        await storage.put_object(made("file-1"))
        for unknown in ("file-2", "FILE-1", "file-1 ", "", "\0", "\ud800", "x" * 257, "🗎"):
            assert await storage.get_object(unknown, **ANN) is None
            assert not await storage.delete_object(unknown, **ANN)
            with pytest.raises(KeyError):
                await storage.list_objects("file", **ANN, after=unknown)
        for wrong, told in WRONG:
            with pytest.raises(ValueError, match=told):
                await storage.put_object(replace(made("file-2"), **wrong))
        assert await ids(storage) == ["file-1"]

    async def test_of_two_with_one_id_the_newest_is_meant(self, storage: ObjectStore) -> None:
        for times in ((5.0, 6.0), (6.0, 5.0), (5.0, 5.0)):
            first, second = (made("file-1", at, channel_id=number) for number, at in enumerate(times))
            for owned in (first, second):
                await storage.put_object(owned)
            newest, oldest = (first, second) if times[0] > times[1] else (second, first)
            assert list(await storage.list_objects("file", **ANN)) == [newest, oldest]
            assert await storage.get_object("file-1", **ANN) == newest
            assert await storage.delete_object("file-1", **ANN)
            assert await storage.get_object("file-1", **ANN) == oldest
            assert await storage.delete_object("file-1", **ANN)
            assert not await storage.delete_object("file-1", **ANN)
            assert await ids(storage) == []

    async def test_pages(self, storage: ObjectStore) -> None:
        times = [3.0, 1.0, 2.0, 2.0, 2.0]
        for number, at in enumerate(times):
            await storage.put_object(made(f"file-{number}", at))
            await storage.put_object(made(f"batch-{number}", at, kind="batch"))
            await storage.put_object(made(f"other-{number}", at, **BOB))
        order = ["file-0", "file-4", "file-3", "file-2", "file-1"]
        assert await ids(storage) == order
        assert await ids(storage, limit=2) == order[:2]
        for place, last in enumerate(order, 1):
            assert await ids(storage, limit=2, after=last) == order[place : place + 2]
        for unknown in ("batch-1", "other-1"):
            with pytest.raises(KeyError):
                await ids(storage, after=unknown)
        await storage.delete_object("file-3", **ANN)
        assert await ids(storage, after="file-4") == ["file-2", "file-1"]
        assert await ids(storage, kind="response") == []
        for limit in (0, -1, 10_001):
            with pytest.raises(ValueError, match="10000"):
                await ids(storage, limit=limit)
