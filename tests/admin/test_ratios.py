"""One API's ratios: what they cost, and that prices come back from them as they were."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oneapi_asgi.desk.ratios import parse_ratios, prices_from_ratios, ratios_from_prices, write_ratios
from oneapi_asgi.models import Price


@pytest.mark.parametrize(
    ("ratio", "completion", "price"),
    [
        ("1", None, Price(input=2_000_000_000, output=2_000_000_000)),
        ("1.25", "4", Price(input=2_500_000_000, output=10_000_000_000)),
        ("0.075", "4", Price(input=150_000_000, output=600_000_000)),
        ("0.0000000001", "1", Price()),
        ("0.75", "1.3333333333333333", Price(input=1_500_000_000, output=2_000_000_000)),
        ("0", "5", Price()),
        ("1e-1", "2", Price(input=200_000_000, output=400_000_000)),
    ],
)
def test_what_a_ratio_costs(ratio: str, completion: str | None, price: Price) -> None:
    completions = {} if completion is None else {"m": completion}
    assert prices_from_ratios(parse_ratios({"m": ratio}), parse_ratios(completions)) == {"m": price}


@pytest.mark.parametrize("value", ["-1", "NaN", "Infinity", "1e99", "1000001", '"1"', "", " 1", "١", "true", "1_0"])
def test_what_is_no_ratio(value: str) -> None:
    with pytest.raises(ValueError, match="ratios are numbers"):
        parse_ratios({"m": value})


def test_two_ratios_that_are_too_much_together() -> None:
    with pytest.raises(ValueError, match="dearer"):
        prices_from_ratios({"m": Decimal(1_000_000)}, {"m": Decimal(2)})


@given(
    st.integers(min_value=1, max_value=2_000_000_000_000_000),
    st.integers(min_value=0, max_value=2_000_000_000_000_000),
)
@example(source=3, output=2_000_000_000_000_000)
@example(source=1_999_999_999_999_999, output=2_000_000_000_000_000)
def test_a_price_comes_back(source: int, output: int) -> None:
    price = Price(input=source, output=output)
    written = tuple(map(write_ratios, ratios_from_prices({"m": price})))
    # A quotient beyond the largest ratio is only of prices that nobody has.
    models, completions = parse_ratios(written[0]), {name: Decimal(text) for name, text in written[1].items()}
    assert prices_from_ratios(models, completions) == {"m": price}


@given(st.decimals(min_value=0, max_value=1000, places=9))
def test_a_ratio_of_nine_places_is_shown_as_it_was_written(ratio: Decimal) -> None:
    models, _ = ratios_from_prices(prices_from_ratios({"m": ratio}, {}))
    assert Decimal(write_ratios(models)["m"]) == ratio
