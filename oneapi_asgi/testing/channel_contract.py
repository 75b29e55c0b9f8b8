"""What a storage has to do for channels, prices and groups, as tests to inherit; a part of ``StorageContract``."""
# ruff: noqa: S101 - these are tests

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from ..models import NANO, Channel, Price, Secret
from ..ports import Storage
from ..tariffs import Group
from .ledger_contract import ContractBase

__all__ = ["ChannelContract"]

REASON = "HTTP 401 account_deactivated"
FIRST = Channel(id=0, name="first", api_keys=(Secret("sk-1"), Secret("sk-2")), options={"a": "b"})


async def the_only(storage: Storage) -> Channel:
    (channel,) = await storage.list_channels()
    return channel


async def disabled(storage: Storage) -> Channel:
    """``FIRST``, declared, and then refused by its upstream."""
    await storage.declare([FIRST], [])
    assert await storage.disable_channel((await the_only(storage)).id, REASON)
    return await the_only(storage)


class ChannelContract(ContractBase):
    async def test_a_channel_is_kept_whole(self, storage: Storage) -> None:
        channel = Channel(
            id=0,
            name="first",
            provider="azure",
            base_url="https://one.example/v1",
            dialects=("responses", "openai"),
            options={"api_version": "2025-04-01", "ünusual": ""},
            unsupported="refuse",
            api_keys=(Secret("sk-ü-1"), Secret("sk-2")),
            models=("gpt-*",),
            model_map={"gpt-4o": "deployment"},
            groups=("default", "vip"),
            priority=-1,
            weight=7,
            concurrent_calls=1_000_000,
            concurrent_calls_per_key=1,
            headers={"X-Team": "a b"},
            parameters={"temperature": 0.2, "stop": None, "x": {"ü": [True, 2**53]}},
            system_prompt="Ünusual\n",
            proxy=Secret("http://user:password@proxy.example:3128"),
            enabled=False,
            disabled_because="HTTP 403 ünusual",
        )
        first = await storage.save_channel(channel)
        second = await storage.save_channel(Channel(id=0, name="second"))
        assert first.id != second.id
        assert min(first.id, second.id) > 0
        kept = {saved.name: saved for saved in await storage.list_channels()}
        assert kept == {"first": first, "second": second}
        assert {field: getattr(first, field) for field in Channel.__struct_fields__ if field != "id"} == {
            field: getattr(channel, field) for field in Channel.__struct_fields__ if field != "id"
        }
        assert [key.reveal() for key in kept["first"].api_keys] == ["sk-ü-1", "sk-2"]

    async def test_overwrite_and_delete(self, storage: Storage) -> None:
        first = await storage.save_channel(Channel(id=0, name="first"))
        second = await storage.save_channel(Channel(id=0, name="second"))
        more = Channel(id=first.id, name="first", dialects=("gemini",), options={"a": "b"}, unsupported="refuse")
        assert await storage.save_channel(more) == more
        assert list(await storage.list_channels()) == [more, second]
        changed = Channel(id=first.id, name="renamed", weight=3)
        assert await storage.save_channel(changed) == changed
        with pytest.raises(ValueError, match="second"):
            await storage.save_channel(Channel(id=first.id, name="second"))
        with pytest.raises(ValueError, match="second"):
            await storage.save_channel(Channel(id=0, name="second"))
        with pytest.raises(KeyError):
            await storage.save_channel(Channel(id=second.id + 1, name="third"))
        await storage.delete_channel(second.id)
        assert list(await storage.list_channels()) == [changed]
        with pytest.raises(KeyError):
            await storage.delete_channel(second.id)

    async def test_ids_are_not_used_twice(self, storage: Storage) -> None:
        first = await storage.save_channel(Channel(id=0, name="first"))
        await storage.delete_channel(first.id)
        assert (await storage.save_channel(Channel(id=0, name="first"))).id != first.id

    async def test_prices(self, storage: Storage) -> None:
        price = Price(input=1, output=2, cache_read=0, max_output=4096)
        await storage.set_price("gpt-4o", Price())
        await storage.set_price("gpt-4o", price)
        await storage.set_price("oai-*", Price(per_call=3))
        assert await storage.list_prices() == {"gpt-4o": price, "oai-*": Price(per_call=3)}
        await storage.set_price("gpt-4o", None)
        await storage.set_price("never-there", None)
        assert await storage.list_prices() == {"oai-*": Price(per_call=3)}

    async def test_groups(self, storage: Storage) -> None:
        assert list(await storage.list_groups()) == []
        vip, much = Group(name="vip", ratio=NANO * 4 // 5, note="friends"), Group(name="Zürich 大", ratio=1_000 * NANO)
        free = Group(name="free", ratio=0)
        for group in (Group(name="vip"), vip, much, free):
            await storage.set_group(group)
        assert list(await storage.list_groups()) == [much, free, vip]
        await storage.delete_group("free")
        with pytest.raises(KeyError):
            await storage.delete_group("free")
        assert list(await storage.list_groups()) == [much, vip]

    @pytest.mark.parametrize(
        "group",
        [
            Group(name=""),
            Group(name="x" * 256),
            Group(name="a\nb"),
            Group(name="vip", ratio=-1),
            Group(name="vip", ratio=1_000 * NANO + 1),
            Group(name="vip", note="x" * 256),
            Group(name="vip", note="\0"),
        ],
    )
    async def test_groups_that_cannot_be(self, storage: Storage, group: Group) -> None:
        await storage.set_group(Group(name="vip", ratio=5))
        with pytest.raises(ValueError, match=r"name|ratio|note"):
            await storage.set_group(group)
        assert list(await storage.list_groups()) == [Group(name="vip", ratio=5)]

    async def test_whatever_a_channel_says_may_change(self, storage: Storage) -> None:
        plain = Channel(id=0, name="a")
        said = (
            replace(plain, dialects=("b",)),
            replace(plain, options={"b": "c"}),
            replace(plain, unsupported="refuse"),
            replace(plain, concurrent_calls=4),
            replace(plain, concurrent_calls_per_key=4),
            replace(plain, headers={"x-a": "1"}),
            replace(plain, parameters={"a": None}),
            replace(plain, system_prompt="x"),
            replace(plain, proxy=Secret("http://proxy.example")),
        )
        for wanted in (plain, *said, plain):
            before = (await storage.pulse()).revision
            await storage.declare([wanted], [])
            (channel,) = await storage.list_channels()
            assert replace(channel, id=0) == wanted
            assert (await storage.pulse()).revision > before

    async def test_no_channel_is_kept_that_changes_what_it_may_not(self, storage: Storage) -> None:
        plain = await storage.save_channel(Channel(id=0, name="a"))
        for number in (0, plain.id):
            for wrong in (
                Channel(id=number, name="b", headers={"host": "x"}),
                Channel(id=number, name="b", headers={"x": "a\r\nb: c"}),
                Channel(id=number, name="b", parameters={"model": "x"}),
                Channel(id=number, name="b", proxy=Secret("socks5://proxy.example")),
            ):
                with pytest.raises(ValueError, match="of the channel 'b'"):
                    await storage.save_channel(wrong)
                with pytest.raises(ValueError, match="of the channel 'b'"):
                    await storage.declare([wrong], [])
        assert list(await storage.list_channels()) == [plain]

    async def test_a_channel_is_disabled_once_with_the_reason(self, storage: Storage) -> None:
        first = await storage.save_channel(FIRST)
        other = await storage.save_channel(Channel(id=0, name="other"))
        before = (await storage.pulse()).revision
        told = await asyncio.gather(*[storage.disable_channel(first.id, REASON) for _ in range(5)])
        assert sorted(told) == [False, False, False, False, True]
        off = replace(first, enabled=False, disabled_because=REASON)
        assert list(await storage.list_channels()) == [off, other]
        moved = (await storage.pulse()).revision
        assert moved > before
        assert not await storage.disable_channel(first.id, "another")
        assert not await storage.disable_channel(other.id + 1, "another")
        assert list(await storage.list_channels()) == [off, other]
        assert (await storage.pulse()).revision == moved

    async def test_a_channel_disabled_by_hand_stays_without_a_reason(self, storage: Storage) -> None:
        by_hand = await storage.save_channel(replace(FIRST, enabled=False))
        assert not await storage.disable_channel(by_hand.id, REASON)
        assert await the_only(storage) == by_hand

    async def test_a_disabled_channel_is_enabled_by_saving_it(self, storage: Storage) -> None:
        off = await disabled(storage)
        on = replace(off, enabled=True, disabled_because="")
        assert await storage.save_channel(on) == on
        assert await the_only(storage) == on
        assert await storage.disable_channel(on.id, "again")
        assert (await the_only(storage)).disabled_because == "again"

    @pytest.mark.parametrize("reason", ["x" * 1_000, "no\0thing \ud800", "ü" * 1_000])
    async def test_a_reason_is_made_to_fit(self, storage: Storage, reason: str) -> None:
        first = await storage.save_channel(FIRST)
        assert await storage.disable_channel(first.id, f"HTTP 401 {reason}")
        off = await the_only(storage)
        assert off.disabled_because.startswith(f"HTTP 401 {reason[:2]}")
        assert len(off.disabled_because) <= 255
        assert not off.enabled

    async def test_the_same_declaration_enables_nothing(self, storage: Storage) -> None:
        off = await disabled(storage)
        revision = (await storage.pulse()).revision
        await storage.declare([FIRST], [])
        assert await the_only(storage) == off
        assert (await storage.pulse()).revision == revision

    async def test_what_does_not_concern_the_reason_changes_alone(self, storage: Storage) -> None:
        off = await disabled(storage)
        await storage.declare([replace(FIRST, weight=5, models=("m",), concurrent_calls=3)], [])
        assert await the_only(storage) == replace(off, weight=5, models=("m",), concurrent_calls=3)

    @pytest.mark.parametrize(
        "changed",
        [
            {"provider": "azure"},
            {"base_url": "https://one.example/v1"},
            {"options": {"a": "c"}},
            {"api_keys": (Secret("sk-1"), Secret("sk-3"))},
        ],
        ids=str,
    )
    async def test_another_key_or_address_enables_it(self, storage: Storage, changed: dict[str, object]) -> None:
        off = await disabled(storage)
        wanted = replace(FIRST, **changed)
        await storage.declare([wanted], [])
        assert await the_only(storage) == replace(wanted, id=off.id)

    async def test_a_declaration_that_disables_is_the_operators(self, storage: Storage) -> None:
        off = await disabled(storage)
        await storage.declare([replace(FIRST, enabled=False)], [])
        assert await the_only(storage) == replace(off, disabled_because="")
        await storage.declare([FIRST], [])
        assert await the_only(storage) == replace(FIRST, id=off.id)

    async def test_a_disabled_one_that_becomes_declared_stays_so(self, storage: Storage) -> None:
        first = await storage.save_channel(FIRST)
        await storage.disable_channel(first.id, REASON)
        await storage.declare([FIRST], [])
        assert await the_only(storage) == replace(first, enabled=False, disabled_because=REASON)
        await storage.declare([], [])
        assert list(await storage.list_channels()) == []
