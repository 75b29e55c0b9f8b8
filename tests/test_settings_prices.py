from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import NANO, Price, Tier
from oneapi_asgi.settings import PriceSettings, Settings, SettingsError, TierSettings, load_settings


def load(folder: Path, keys: str) -> Settings:
    path = folder / "oneapi.toml"
    path.write_text(f'[[prices]]\nmodel = "m"\n{keys}\n', encoding="utf-8")
    return load_settings(path, {})


def test_price_settings_have_every_part_of_a_price() -> None:
    """But for the ratio, which is of who calls."""
    assert {"ratio", *PriceSettings.__struct_fields__} == {"model", *Price.__struct_fields__}
    assert Price() == PriceSettings(model="m").price()


def test_tiers_of_a_price_are_read_exactly(tmp_path: Path) -> None:
    tiers = '[{ above = 200000, input = "2.5", output = "15", per_call = 0 }, { above = 1, input = 2, output = 3 }]'
    [price] = load(tmp_path, f'input = "1.25"\noutput = 10\ntiers = {tiers}').prices
    assert price.price() == Price(
        input=1_250_000_000,
        output=10 * NANO,
        tiers=(
            Tier(200_000, Price(input=2_500_000_000, output=15 * NANO)),
            Tier(1, Price(input=2 * NANO, output=3 * NANO)),
        ),
    )
    from_variable = load_settings(
        None, {"ONEAPI_PRICES": '[{"model": "m", "input": 1, "tiers": [{"above": 1, "input": 0.1}]}]'}
    )
    assert from_variable.prices[0].price().tiers == (Tier(1, Price(input=NANO // 10)),)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("tiers = { above = 1 }", "prices[0].tiers: must be a list, in square brackets"),
        ("tiers = [1]", "prices[0].tiers[0]: must be a table"),
        ("tiers = [{ input = 1 }]", "prices[0].tiers[0].above: missing"),
        ("tiers = [{ above = 0 }]", "prices[0].tiers[0].above = 0: must be between 1 and 100000000"),
        (
            "tiers = [{ above = 1 }, { above = 1 }]",
            "prices[0].tiers[1].above: the same as prices[0].tiers[0].above",
        ),
        ("tiers = [{ abov = 1, above = 1 }]", 'prices[0].tiers[0].abov: unknown key; did you mean "above"?'),
        ("tiers = [{ above = 1, tiers = [] }]", "prices[0].tiers[0].tiers: unknown key"),
        (
            "tiers = [{ above = 1, output = -1 }]",
            "prices[0].tiers[0].output = -1: must be between 0 and 1000000000 dollars",
        ),
        (
            "cache_read = 0\ntiers = [{ above = 1, input = 1 }]",
            "prices[0].tiers[0].cache_read: missing; a tier holds in place of the whole price, which has cache_read",
        ),
    ],
)
def test_a_mistake_in_a_tier_is_told_with_its_place_value_and_remedy(tmp_path: Path, keys: str, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, keys)
    assert caught.value.lines == (line,)


def test_every_part_that_a_tier_misses_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "input = 1\noutput = 2\ntiers = [{ above = 1, input = 1, output = 1 }, { above = 2 }]")
    assert [line.partition(":")[0] for line in caught.value.lines] == [
        "prices[0].tiers[1].input",
        "prices[0].tiers[1].output",
    ]


PARTS = sorted(set(TierSettings.__struct_fields__) - {"above"})
amounts = st.integers(0, 10**18)
parts = st.dictionaries(st.sampled_from(PARTS), amounts)


@given(parts, st.dictionaries(st.integers(1, 10**8), st.fixed_dictionaries(dict.fromkeys(PARTS, amounts))))
def test_a_price_with_tiers_reads_back_as_it_was_written(
    whole: dict[str, Any], tiers: dict[int, dict[str, Any]]
) -> None:
    def written(part: dict[str, int]) -> dict[str, object]:
        return {name: f"{nano // NANO}.{nano % NANO:09}" for name, nano in part.items()}

    table = {"model": "m", **written(whole), "tiers": [{"above": n, **written(tier)} for n, tier in tiers.items()]}
    price = load_settings(None, {"ONEAPI_PRICES": json.dumps([table])}).prices[0].price()
    assert price == Price(**whole, tiers=tuple(Tier(n, Price(**tier)) for n, tier in tiers.items()))
    assert msgspec.json.decode(msgspec.json.encode(price), type=Price) == price
