"""Which price a model has: declared, the store's, the catalog's, or what the policy says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import pytest

from oneapi_asgi.errors import Forbidden
from oneapi_asgi.models import NANO, Price, Pulse
from oneapi_asgi.pricebook import PriceBook, UnknownModel
from oneapi_asgi.revision import Revision
from oneapi_asgi.tariffs import Group


class Store:
    def __init__(self, **prices: int) -> None:
        self.prices = {name.replace("_", "-"): Price(input=rate) for name, rate in prices.items()}
        self.groups: list[Group] = []
        self.moved = 1
        self.listed = 0

    async def pulse(self) -> Pulse:
        return Pulse(self.moved, 0.0)

    async def list_prices(self) -> Mapping[str, Price]:
        self.listed += 1
        return self.prices

    async def list_groups(self) -> Sequence[Group]:
        return self.groups


class Catalog:
    def __init__(self, **prices: int) -> None:
        self.prices = {name: Price(input=rate) for name, rate in prices.items()}
        self.asked: list[str] = []

    async def price(self, model: str) -> Price | None:
        self.asked.append(model)
        return self.prices.get(model)


async def rate(book: PriceBook, *models: str, limited: bool = True) -> int:
    await book.refresh()
    return (await book.price(models, limited=limited)).input


async def test_the_order_of_the_sources() -> None:
    store = Store(a=1, b=2)
    book = PriceBook(store, declared={"a": Price(input=9)}, catalog=Catalog(a=7, b=7, c=7))
    assert [await rate(book, model) for model in "abc"] == [9, 2, 7]


async def test_names_in_their_order() -> None:
    book = PriceBook(Store(upstream=1), catalog=Catalog(named=2))
    assert await rate(book, "named", "upstream") == 2
    assert await rate(book, "unknown", "upstream") == 1


async def test_a_glob_of_the_operator_wins_over_the_catalog() -> None:
    book = PriceBook(Store(), declared={"gpt-*": Price(input=5)}, catalog=Catalog(**{"gpt-4o": 7}))
    assert await rate(book, "gpt-4o") == 5


@pytest.mark.parametrize(
    ("unknown", "limited", "price"),
    [
        ("refuse", True, None),
        ("refuse", False, 0),
        ("free", True, 0),
        ("free", False, 0),
        ("default", True, 3),
        ("default", False, 3),
    ],
)
async def test_the_policy_for_unknown_models(unknown: UnknownModel, *, limited: bool, price: int | None) -> None:
    book = PriceBook(Store(), unknown=unknown, default=Price(input=3))
    if price is not None:
        assert await rate(book, "x", limited=limited) == price
        return
    with pytest.raises(Forbidden) as refused:
        await rate(book, "x", "y", limited=limited)
    assert (refused.value.code, refused.value.param) == ("model_not_priced", "model")
    assert "'x'" in refused.value.message


def test_policies() -> None:
    assert set(get_args(UnknownModel)) == {"refuse", "free", "default"}
    with pytest.raises(ValueError, match="needs a default price"):
        PriceBook(Store(), unknown="default")


async def test_prices_follow_the_store() -> None:
    store, catalog = Store(a=1), Catalog(b=2)
    book = PriceBook(store, revision=Revision(store, interval=0), catalog=catalog)
    assert [await rate(book, "a"), await rate(book, "b"), await rate(book, "b")] == [1, 2, 2]
    assert (store.listed, catalog.asked) == (1, ["b"])
    store.prices = {"a": Price(input=4), "b": Price(input=5)}
    assert await rate(book, "a") == 1
    store.moved += 1
    assert [await rate(book, "a"), await rate(book, "b")] == [4, 5]


async def test_names_that_callers_invent_do_not_pile_up() -> None:
    book = PriceBook(Store(), unknown="free")
    await book.refresh()
    for n in range(25_000):
        await book.price([f"model-{n}"], limited=True)
    assert len(book._prices.value.found) <= 10_001


async def test_groups_pay_their_ratio_and_others_the_whole_price() -> None:
    store = Store(m=7)
    store.groups = [Group(name="vip", ratio=NANO // 2), Group(name="team", ratio=5), Group(name="default")]
    book = PriceBook(store, groups=[Group(name="team", ratio=6), Group(name="vip")])
    await book.refresh()
    plain = {"": await book.price(["m"], limited=True)}
    assert [book.ratio(group) for group in ("vip", "team", "default", "never set")] == [NANO, 6, NANO, NANO]
    assert book.of_group("vip", plain) is plain
    assert book.of_group("team", plain) == {"": Price(input=7, ratio=6)}


async def test_a_ratio_that_changes_holds_with_the_next_revision() -> None:
    store = Store(m=7)
    book = PriceBook(store, revision=Revision(store, interval=0))
    await book.refresh()
    store.groups = [Group(name="vip", ratio=5)]
    await book.refresh()
    assert book.ratio("vip") == NANO
    store.moved += 1
    await book.refresh()
    assert book.ratio("vip") == 5


def test_a_declared_group_has_to_be_sound() -> None:
    with pytest.raises(ValueError, match="ratio"):
        PriceBook(Store(), groups=[Group(name="vip", ratio=-1)])
