"""The facts: secrets show themselves only when asked, records are frozen and travel."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi import models
from oneapi_asgi.models import NANO, Channel, Price, Secret, Tier, Token, Usage


@given(st.text(min_size=1, max_size=80))
def test_a_secret_is_in_no_representation(value: str) -> None:
    secret = Secret(value)
    assert secret.reveal() == value
    shown = {
        repr(secret),
        str(secret),
        f"{secret}",
        repr([secret]),
        repr(Channel(id=1, name="", api_keys=(secret,))),
    }
    for text in shown:
        hidden = value if len(value) < 16 else value[:-4]
        assert f"Secret('{hidden}" not in text
        if len(value) > 16:
            assert value not in text
            assert f"'…{value[-4:]}'" in text


@pytest.mark.parametrize("value", ["", "x", "sk-short", "k" * 15])
def test_a_short_secret_shows_nothing(value: str) -> None:
    assert repr(Secret(value)) == "Secret('…')"


def test_secrets_compare() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


STRUCTS = [value for value in vars(models).values() if isinstance(value, type) and issubclass(value, msgspec.Struct)]


@pytest.mark.parametrize("struct", [one for one in STRUCTS if one is not msgspec.Struct], ids=lambda one: one.__name__)
def test_facts_are_frozen(struct: type[msgspec.Struct]) -> None:
    assert struct.__struct_config__.frozen


def test_prices_and_usages_travel_as_json() -> None:
    price = Price(input=1, cache_read=0, tiers=(Tier(5, Price(output=3)),))
    assert msgspec.json.decode(msgspec.json.encode(price), type=Price) == price
    usage = Usage(input=3, reasoning=1, estimated=True)
    assert msgspec.json.decode(msgspec.json.encode(usage), type=Usage) == usage


def test_units() -> None:
    assert NANO == 10**9
    assert Token(id=1, name="t", digest="").accounts == ()
