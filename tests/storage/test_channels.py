"""Channels as they are looked after, on every database: what is kept, what calls see of it, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from servers.databases import KINDS
from servers.prepared import Prepared

from oneapi_asgi.desk.channels import (
    ChannelDeclared,
    ChannelQuery,
    ChannelState,
    KeptChannel,
    NameTaken,
    Revise,
    Which,
    state_of,
)
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import CallRecord, Channel, Secret, Usage
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.channels import SQLChannels

from .opened import patiently

ONE, TWO = Secret("sk-one"), Secret("sk-two")


@pytest.fixture(params=KINDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[SQLStorage]:
    with prepared(request.param, tmp_path) as url:
        async with SQLStorage(url) as storage:
            yield storage


def draft(name: str, **facts: object) -> KeptChannel:
    return KeptChannel(channel=replace(Channel(id=0, name=name, api_keys=(ONE, TWO)), **facts))


def off(*keys: Secret) -> Revise:
    return lambda kept: replace(kept, disabled_keys={key_digest(key.reveal()): "too dear" for key in keys})


def with_facts(**facts: object) -> Revise:
    return lambda kept: replace(kept, channel=replace(kept.channel, **facts))


async def names(desk: SQLChannels, **query: object) -> list[str]:
    page = await desk.channels(replace(ChannelQuery(), **query))
    return [kept.channel.name for kept in page.rows]


async def test_all_of_it_is_kept(storage: SQLStorage) -> None:
    desk = SQLChannels(storage)
    said = replace(
        draft(
            "ä",
            provider="azure",
            base_url="https://a.test/v1",
            options={"api_version": "1"},
            groups=("vip",),
            headers={"x-a": "u"},
            parameters={"top_p": 0.5, "stop": ["a"]},
            system_prompt="Be brief, ü.",
            proxy=Secret("http://me:secret@proxy.test:3128"),
        ),
        tag="t",
        note="n",
        test_model="m",
        disabled_keys={key_digest(TWO.reveal()): "leaked"},
    )
    (made,) = await desk.add_channels([said])
    assert made.created_at > 1e9
    assert replace(made, channel=replace(made.channel, id=0), created_at=0.0) == said
    await desk.note_test(made.channel.id, 120, "http_401 " + "x" * 300)
    await desk.note_balance(made.channel.id, -(2**62), "CNY")
    await desk.note_test(made.channel.id + 1, 1, "")
    found = await desk.find_channel(made.channel.id)
    assert found is not None
    assert (found.response_ms, found.balance, found.balance_currency) == (120, -(2**62), "CNY")
    assert found.test_error.startswith("http_401 x")
    assert min(found.tested_at or 0, found.balance_updated_at or 0) >= made.created_at - 1
    assert await desk.find_channel(made.channel.id + 1) is None
    await desk.change_channels(Which(ids=(made.channel.id,)), with_facts(weight=3))
    again = await desk.find_channel(made.channel.id)
    assert again == replace(found, channel=replace(found.channel, weight=3))


async def test_calls_do_not_get_keys_that_are_off(storage: SQLStorage) -> None:
    desk = SQLChannels(storage)
    (made,) = await desk.add_channels([draft("a")])
    number = made.channel.id
    before = (await storage.pulse()).revision
    await desk.change_channels(Which(ids=(number,)), off(ONE))
    assert (await storage.pulse()).revision > before
    (seen,) = await storage.list_channels()
    assert (seen.api_keys, seen.enabled) == ((TWO,), True)

    # Who saves what it has seen takes nothing away, and who names a key has it on.
    await storage.save_channel(replace(seen, weight=9))
    kept = await desk.find_channel(number)
    assert kept is not None
    assert (set(kept.channel.api_keys), kept.channel.weight, len(kept.disabled_keys)) == ({ONE, TWO}, 9, 1)
    await storage.save_channel(replace(seen, api_keys=(ONE,)))
    kept = await desk.find_channel(number)
    assert kept is not None
    assert (kept.channel.api_keys, kept.disabled_keys) == ((ONE,), {})

    await desk.change_channels(Which(ids=(number,)), off(ONE))
    (seen,) = await storage.list_channels()
    assert not seen.enabled, "it would be asked without a key"
    await desk.change_channels(Which(ids=(number,)), off())
    assert [one.api_keys for one in await storage.list_channels()] == [(ONE,)]


async def test_a_channel_without_keys_stays_on(storage: SQLStorage) -> None:
    await SQLChannels(storage).add_channels([draft("a", api_keys=())])
    assert [one.enabled for one in await storage.list_channels()] == [True]


async def test_a_declaration_does_not_switch_keys_on(storage: SQLStorage) -> None:
    desk, wanted = SQLChannels(storage), Channel(id=0, name="a", api_keys=(ONE, TWO))
    await storage.declare([wanted], [])
    (seen,) = await storage.list_channels()
    await desk.change_channels(Which(ids=(seen.id,)), off(ONE))
    revision = (await storage.pulse()).revision
    await storage.declare([wanted], [])
    assert (await storage.pulse()).revision == revision
    await storage.declare([replace(wanted, weight=5)], [])
    assert [(one.api_keys, one.weight) for one in await storage.list_channels()] == [((TWO,), 5)]


async def test_what_the_settings_declare_is_changed_there(storage: SQLStorage) -> None:
    desk = SQLChannels(storage)
    await storage.declare([Channel(id=0, name="a", api_keys=(ONE,))], [])
    (other,) = await desk.add_channels([replace(draft("b"), tag="t")])
    (seen,) = [one for one in await storage.list_channels() if one.name == "a"]
    which = Which(ids=(seen.id, other.channel.id))
    for revise in (with_facts(weight=2), with_facts(system_prompt="x")):
        with pytest.raises(ChannelDeclared, match="a is declared"):
            await desk.change_channels(which, revise)
    with pytest.raises(ChannelDeclared):
        await desk.delete_channels(which)
    assert [one.weight for one in await storage.list_channels()] == [1, 1], "all or nothing"
    await desk.change_channels(which, lambda kept: replace(with_facts(enabled=False)(kept), tag="t", note="n"))
    assert [(kept.tag, kept.channel.enabled) for kept in await desk.all_channels()] == [("t", False)] * 2
    assert [gone.channel.name for gone in await desk.delete_channels(Which(off=True))] == ["b"]
    assert [one.name for one in await storage.list_channels()] == ["a"]


async def test_lists(storage: SQLStorage) -> None:
    desk = SQLChannels(storage)
    records = [record(channel, cost) for channel, cost in ((1, 5), (1, 6), (2, 7))]
    await storage.write_records(records)
    await desk.add_channels(
        [
            replace(draft("Alpha_1", groups=("vip", "default"), models=("gpt-*",), priority=3), tag="x"),
            draft("beta", model_map={"mine": "theirs"}, models=("o3",), enabled=False, priority=9),
            draft("gamma", provider="anthropic", base_url="https://x_1.test", enabled=False, disabled_because="401"),
        ]
    )
    first, second, third = [kept.channel.id for kept in await desk.all_channels()]
    await desk.note_test(second, 10, "")
    await desk.note_test(first, 20, "")
    assert await names(desk) == ["gamma", "beta", "Alpha_1"]
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({"keyword": "ALPHA"}, ["Alpha_1"]),
        ({"keyword": "_1"}, ["gamma", "Alpha_1"]),
        ({"keyword": str(third)}, ["gamma"]),
        ({"keyword": "%"}, []),
        ({"keyword": "X"}, ["gamma", "Alpha_1"]),
        ({"state": "enabled"}, ["Alpha_1"]),
        ({"state": "disabled"}, ["beta"]),
        ({"state": "refused"}, ["gamma"]),
        ({"providers": ("anthropic", "azure")}, ["gamma"]),
        ({"providers": ()}, []),
        ({"group": "vip"}, ["Alpha_1"]),
        ({"group": "vi"}, []),
        ({"tag": "x"}, ["Alpha_1"]),
        ({"tag": ""}, ["gamma", "beta"]),
        ({"model": "gpt-4o"}, ["gamma", "Alpha_1"]),
        ({"model": "mine"}, ["gamma", "beta"]),
        ({"order": "name"}, ["Alpha_1", "beta", "gamma"]),
        ({"order": "priority"}, ["beta", "Alpha_1", "gamma"]),
        ({"order": "response_time"}, ["beta", "Alpha_1", "gamma"]),
        ({"order": "balance"}, ["gamma", "beta", "Alpha_1"]),
        ({"offset": 1, "limit": 1}, ["beta"]),
    ]
    for query, told in cases:
        found = await names(desk, **query)
        assert (found if query.get("order") != "name" else sorted(found)) == told, query
    page = await desk.channels(ChannelQuery(limit=1, model="gpt-4o"))
    assert (page.total, [kept.used for kept in page.rows]) == (2, [0])
    assert [kept.used for kept in (await desk.channels(ChannelQuery())).rows] == [0, 7, 11]


def record(channel_id: int, cost: int) -> CallRecord:
    identity = f"{channel_id}-{cost}"
    return CallRecord(id=identity, at=1e9, operation="chat", channel_id=channel_id, cost=cost, usage=Usage())


async def test_all_or_nothing(storage: SQLStorage) -> None:
    desk = SQLChannels(storage)
    with pytest.raises(NameTaken):
        await desk.add_channels([draft("a"), draft("a")])
    assert list(await desk.all_channels()) == []
    a, b = [kept.channel.id for kept in await desk.add_channels([draft("a"), replace(draft("b"), tag="t")])]
    with pytest.raises(NameTaken):
        await desk.change_channels(Which(ids=(a,)), with_facts(name="b"))
    with pytest.raises(KeyError):
        await desk.change_channels(Which(ids=(a, b + 1)), with_facts(weight=2))
    with pytest.raises(KeyError):
        await desk.delete_channels(Which(ids=(a, b + 1)))
    assert [one.weight for one in await storage.list_channels()] == [1, 1]
    assert [kept.channel.id for kept in await desk.change_channels(Which(tag="t"), with_facts(weight=4))] == [b]
    assert list(await desk.change_channels(Which(tag=""), with_facts(weight=4))) == [], "no tag is none"
    assert [gone.channel.id for gone in await desk.delete_channels(Which(ids=(b,)))] == [b]
    assert [one.id for one in await storage.list_channels()] == [a]


@pytest.mark.parametrize(
    ("enabled", "because", "state"), [(True, "", "enabled"), (False, "", "disabled"), (False, "401", "refused")]
)
def test_states(enabled: bool, because: str, state: ChannelState) -> None:
    assert state_of(Channel(id=1, name="a", enabled=enabled, disabled_because=because)) == state


async def test_of_changes_at_one_moment_none_is_lost(storage: SQLStorage) -> None:
    desk = SQLChannels(storage)
    (made,) = await desk.add_channels([draft("a")])
    number = made.channel.id

    def heavier(kept: KeptChannel) -> KeptChannel:
        return replace(kept, channel=replace(kept.channel, weight=kept.channel.weight + 1))

    async def change() -> Sequence[KeptChannel]:
        return await patiently(lambda: desk.change_channels(Which(ids=(number,)), heavier))

    await asyncio.gather(*(change() for _ in range(12)))
    assert [one.weight for one in await storage.list_channels()] == [13]
