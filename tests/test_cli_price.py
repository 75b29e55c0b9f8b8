"""Prices: set, declared, listed, removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import declared, go_elsewhere, rows, run, stored

from oneapi_asgi.models import NANO, Price, Tier


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


def test_a_price_is_set_and_listed() -> None:
    assert "no prices of your own" in run("price", "list").stderr
    told = run("price", "set", "gpt-4o*", "--input", "2.50", "--output", "10", "--max-output", "16384").stderr
    assert told == "price of gpt-4o*: input $2.5, output $10\n"
    run("price", "set", "a", "--per-call", "0.000000001")
    assert stored(lambda storage: storage.list_prices()) == {
        "gpt-4o*": Price(input=5 * NANO // 2, output=10 * NANO, max_output=16384),
        "a": Price(per_call=1),
    }
    first, second = rows("price", "list")
    assert (first["model"], first["per_call"], first["input"]) == ("a", "0.000000001", "0")
    assert (second["model"], second["input"], second["cache_read"]) == ("gpt-4o*", "2.5", None)
    assert "16384" in run("price", "list").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name at least one price"),
        (("--input", "x", "--output", "-1"), 'Error: --input = "x": must be an amount of dollars'),
        (("--input", "x", "--output", "-1"), 'Error: --output = "-1": must be between 0 and 1000000000 dollars'),
        (("--input", "1", "--max-output", "0"), "Error: --max-output = 0: must be between"),
    ],
)
def test_a_mistake_in_a_price_names_the_option(words: tuple[str, ...], told: str) -> None:
    assert told in run("price", "set", "m", *words, code=2).stderr
    assert rows("price", "list") == []


def test_a_price_is_removed() -> None:
    run("price", "set", "gpt-4o*", "--input", "1")
    run("price", "set", "tts", "--audio-minute", "0.006")
    assert run("price", "remove", "gpt-4o*").stderr == "price of gpt-4o* removed\n"
    assert [row["model"] for row in rows("price", "list")] == ["tts"]
    told = run("price", "remove", "gpt-4o*", code=1).stderr
    assert told == 'Error: no price is set for "gpt-4o*"; see oneapi-asgi price list\n'


TIERED = """
[[prices]]
model = "m"
input = "1.25"
output = 10
cache_read = "0.125"

[[prices.tiers]]
above = 200_000
input = "2.5"
output = 15
cache_read = 0

[[prices.tiers]]
above = 1_000_000
input = 5
output = 30
cache_read = "0.5"
"""


def test_declared_prices_are_listed_with_their_tiers() -> None:
    declared(TIERED)
    [row] = rows("price", "list")
    assert (row["model"], row["input"], row["declared"]) == ("m", "1.25", True)
    assert row["tiers"] == [
        {"above": 200_000, "input": "2.5", "output": "15", "cache_read": "0"},
        {"above": 1_000_000, "input": "5", "output": "30", "cache_read": "0.5"},
    ]
    table = " ".join(run("price", "list").stdout.split())
    assert "above=200000, input=2.5, output=15, cache_read=0; above=1000000," in table


def test_a_stored_price_is_listed_with_its_tiers() -> None:
    price = Price(input=NANO, tiers=(Tier(1000, Price(input=2 * NANO, per_call=1)),))
    stored(lambda storage: storage.set_price("m", price))
    [row] = rows("price", "list")
    assert row["tiers"] == [{"above": 1000, "input": "2", "per_call": "0.000000001"}]
    assert row["declared"] is False


def test_a_declared_price_holds_before_one_that_is_set() -> None:
    declared(TIERED)
    holds = 'the settings declare a price of "m" too, and theirs holds'
    assert holds in run("price", "set", "m", "--input", "7").stderr
    assert [row["input"] for row in rows("price", "list")] == ["1.25"]
    assert holds in run("price", "remove", "m").stderr
    told = run("price", "remove", "m", code=1).stderr
    assert told == 'Error: the price of "m" is declared in the settings: remove it there\n'
