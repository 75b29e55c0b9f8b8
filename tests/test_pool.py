"""The channels that there are, and who serves what."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from oneapi_asgi.errors import BadRequest, Forbidden, NotFound, Unavailable
from oneapi_asgi.models import Channel, Pulse
from oneapi_asgi.pool import ChannelPool, named_models, serves, upstream_model
from oneapi_asgi.revision import Revision


def channel(number: int, **fields: object) -> Channel:
    return replace(Channel(id=number, name=f"c{number}"), **fields)


# --- serves, upstream_model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "model_map", "model", "serving"),
    [
        (("*",), {}, "anything", True),
        (("gpt-4o",), {}, "gpt-4o", True),
        (("gpt-4o",), {}, "gpt-4o-mini", False),
        (("gpt-4o*",), {}, "gpt-4o-mini", True),
        (("o?-mini",), {}, "o3-mini", True),
        (("claude-[34]",), {}, "claude-4", True),
        (("claude-[34]",), {}, "claude-5", False),
        (("odd[name",), {}, "odd[name", True),
        (("GPT-4o",), {}, "gpt-4o", False),
        ((), {}, "gpt-4o", False),
        ((), {"alias": "real"}, "alias", True),
        ((), {"alias": "real"}, "real", False),
    ],
)
def test_what_a_channel_serves(
    models: tuple[str, ...], model_map: dict[str, str], model: str, *, serving: bool
) -> None:
    assert serves(channel(1, models=models, model_map=model_map), model) is serving


def test_what_the_channel_calls_it() -> None:
    mapped = channel(1, model_map={"gpt-4o": "gpt-4o-2024-11-20"})
    assert upstream_model(mapped, "gpt-4o") == "gpt-4o-2024-11-20"
    assert upstream_model(mapped, "other") == "other"


# --- ChannelPool ------------------------------------------------------------------------------------------------------


class Store:
    def __init__(self, *channels: Channel) -> None:
        self.channels = list(channels)
        self.moved = 1
        self.listed = 0

    async def pulse(self) -> Pulse:
        return Pulse(self.moved, 0.0)

    async def list_channels(self) -> list[Channel]:
        self.listed += 1
        return self.channels


async def pool_of(*channels: Channel) -> ChannelPool:
    pool = ChannelPool(Store(*channels))
    await pool.refresh()
    return pool


async def test_the_pool_chooses_by_group_model_and_state() -> None:
    pool = await pool_of(
        channel(1, models=("a", "b*")),
        channel(2, models=("a",), groups=("vip",)),
        channel(3, models=("a",), groups=("default", "vip"), priority=3),
        channel(4, models=("a",), enabled=False),
        channel(5, models=("asleep",), enabled=False),
    )
    assert [one.id for one in pool.serving("default", "a")] == [3, 1]
    assert {one.id for one in pool.serving("vip", "a")} == {2, 3}
    assert [one.id for one in pool.serving("default", "b2")] == [1]
    assert pool.serving("default", "a") is pool.serving("default", "a")
    for groups, model, error, code in (
        (("default",), "c", NotFound, "model_not_found"),
        (("other",), "a", NotFound, "model_not_found"),
        (("vip",), "b2", NotFound, "model_not_found"),
        (("default",), "asleep", Unavailable, "model_unavailable"),
        (("vip",), "asleep", NotFound, "model_not_found"),
        (("vip", "default"), "asleep", Unavailable, "model_unavailable"),
    ):
        refused = pool.nobody(groups, model)
        assert (type(refused), refused.code) == (error, code)


def test_globs_name_no_model() -> None:
    assert named_models(channel(1, models=("b", "gpt-*", "a"), model_map={"alias": "a"})) == ["b", "a", "alias"]


async def test_models_that_are_named() -> None:
    pool = await pool_of(
        channel(1, models=("b", "a", "gpt-*", "o?"), model_map={"alias": "a"}),
        channel(2, models=("a", "vip"), provider="azure", groups=("vip",)),
        channel(3, models=("gone",), enabled=False),
    )
    assert pool.models("default") == [("a", "openai"), ("alias", "openai"), ("b", "openai")]
    assert pool.models("vip") == [("a", "azure"), ("vip", "azure")]
    assert pool.models("other") == []


async def test_the_pool_follows_the_store() -> None:
    store = Store(channel(1))
    pool = ChannelPool(store, revision=Revision(store, interval=0))
    for _ in range(3):
        await pool.refresh()
    assert store.listed == 1
    assert [one.id for one in pool.serving("default", "m")] == [1]
    store.channels = [channel(2)]
    await pool.refresh()
    assert [one.id for one in pool.serving("default", "m")] == [1]
    store.moved += 1
    await pool.refresh()
    assert [one.id for one in pool.serving("default", "m")] == [2]
    assert pool.get(1) is None


async def test_pinning() -> None:
    pool = await pool_of(channel(1, groups=(), models=()), channel(2, enabled=False))
    assert pool.pinned(1).id == 1
    with pytest.raises(BadRequest) as refused:
        pool.pinned(9)
    assert refused.value.code == "invalid_channel"
    with pytest.raises(Forbidden) as forbidden:
        pool.pinned(2)
    assert forbidden.value.code == "channel_disabled"
