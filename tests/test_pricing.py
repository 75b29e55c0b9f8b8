"""Costs against an oracle in exact fractions, and guesses that are never too low."""

from __future__ import annotations

import base64
import json
import time
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from oneapi_asgi.models import NANO, Price, Tier, Usage
from oneapi_asgi.pricing import MILLION, Line, bill, cost, estimated, guess_input, lookup, most

RATE = st.integers(0, 10**15) | st.sampled_from([0, 1, 59, 60, 61, NANO, 10**18])
PART = st.none() | RATE
RATIO = st.just(NANO) | st.integers(0, 1_000 * NANO) | st.sampled_from([0, 1, NANO - 1, NANO + 1, 8 * NANO // 10])
COUNT = st.integers(0, 10**7) | st.sampled_from([0, 1, MILLION, 1 << 40])

flat_prices = st.builds(
    Price,
    **dict.fromkeys(("input", "output", "audio_minute", "per_call"), RATE),
    **dict.fromkeys(("cache_read", "cache_write", "cache_write_1h", "reasoning"), PART),
    **dict.fromkeys(("input_audio", "output_audio", "input_image", "output_image"), PART),
    max_output=st.none(),
    tiers=st.just(()),
)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    bounds = draw(st.lists(st.integers(0, 10**6), max_size=3, unique=True))
    tiers = tuple(Tier(bound, draw(flat_prices)) for bound in bounds)
    return replace(draw(flat_prices), tiers=tiers, ratio=draw(RATIO))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """As providers count: the parts are within their wholes."""
    read, write, hour, audio, image, plain = (draw(COUNT) for _ in range(6))
    reasoning, audio_out, image_out, plain_out = (draw(COUNT) for _ in range(4))
    return Usage(
        input=read + write + hour + audio + image + plain,
        output=reasoning + audio_out + image_out + plain_out,
        cache_read=read,
        cache_write=write,
        cache_write_1h=hour,
        input_audio=audio,
        input_image=image,
        reasoning=reasoning,
        output_audio=audio_out,
        output_image=image_out,
        audio_seconds=draw(st.integers(0, 100_000)),
        calls=draw(st.integers(0, 200)),
    )


def exact(usage: Usage, price: Price) -> Fraction:
    """The oracle: every token at its own rate, one after the other, as a fraction."""
    ratio = Fraction(price.ratio, NANO)
    for tier in sorted(price.tiers, key=lambda tier: tier.above):
        if usage.input > tier.above:
            price = tier.price

    def rate(*names: str) -> int:
        values: list[int | None] = [getattr(price, name) for name in names]
        return next(value for value in values if value is not None)

    in_parts = {
        "cache_read": rate("cache_read", "input"),
        "cache_write": rate("cache_write", "input"),
        "cache_write_1h": rate("cache_write_1h", "cache_write", "input"),
        "input_audio": rate("input_audio", "input"),
        "input_image": rate("input_image", "input"),
    }
    out_parts = {name: rate(name, "output") for name in ("reasoning", "output_audio", "output_image")}
    total = Fraction(0)
    for whole, parts, plain in ((usage.input, in_parts, price.input), (usage.output, out_parts, price.output)):
        for name, each in parts.items():
            total += Fraction(getattr(usage, name) * each, MILLION)
            whole -= getattr(usage, name)
        total += Fraction(whole * plain, MILLION)
    return ratio * (total + Fraction(usage.audio_seconds * price.audio_minute, 60) + usage.calls * price.per_call)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(usages(), prices())
def test_the_cost_is_the_exact_sum_rounded_up_once(usage: Usage, price: Price) -> None:
    assert cost(usage, price) == ceil(exact(usage, price))
    assert cost(usage, price) >= 0


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(usages(), prices())
def test_the_lines_of_a_bill_are_the_cost(usage: Usage, price: Price) -> None:
    made = bill(usage, price)
    assert made.exact == exact(usage, price)
    assert made.cost == cost(usage, price)
    assert all(line.count for line in made.lines)
    tokens = {line.part: line.count for line in made.lines if line.unit == "million_tokens"}
    assert sum(tokens.values()) == usage.input + usage.output


def test_a_bill_names_what_has_a_price_apart() -> None:
    dear = Price(input=4, output=8, cache_write=5, reasoning=9, per_call=3, audio_minute=60)
    usage = Usage(input=100, output=50, cache_read=10, cache_write=20, cache_write_1h=30, reasoning=50, audio_seconds=7)
    made = bill(usage, Price(input=1, tiers=(Tier(99, dear), Tier(100, Price())), ratio=NANO // 2))
    assert made.lines == (
        Line("input", 50, 4),
        Line("cache_write", 20, 5),
        Line("cache_write_1h", 30, 5),
        Line("reasoning", 50, 9),
        Line("calls", 1, 3, "call"),
        Line("audio_seconds", 7, 60, "minute"),
    )
    assert (made.above, made.sum, made.exact, made.cost) == (99, 10 + Fraction(9, 10_000), made.sum / 2, 6)


@st.composite
def extremes(draw: st.DrawFn) -> int:
    """Nano-dollars per million tokens, of every size alike: from $1e-9 to $1e9, and what ratios of One API come to."""
    return int(draw(st.integers(1, 20)) * 10 ** draw(st.integers(0, 17)))


@given(extremes(), extremes(), st.integers(1, 10**7), st.integers(0, 10**7))
def test_no_price_is_too_small_or_too_large(dear: int, cheap: int, tokens: int, written: int) -> None:
    price, usage = Price(input=dear, output=cheap), Usage(input=tokens, output=written)
    true = Fraction(dear, MILLION) * tokens + Fraction(cheap, MILLION) * written
    assert 0 <= cost(usage, price) - true < 1
    assert cost(usage, price) >= 1, "nothing that has a price is free"
    assert most(price, input_tokens=tokens, output_tokens=written, calls=1) == cost(usage, price)


@given(usages(), flat_prices, st.integers(1, 1000))
@pytest.mark.parametrize(
    "grown",
    [
        ("input",),
        ("input", "cache_read"),
        ("input", "cache_write"),
        ("input", "cache_write_1h"),
        ("input", "input_audio"),
        ("input", "input_image"),
        ("output",),
        ("output", "reasoning"),
        ("output", "output_audio"),
        ("output", "output_image"),
        ("audio_seconds",),
        ("calls",),
    ],
)
def test_more_never_costs_less(grown: tuple[str, ...], usage: Usage, price: Price, more: int) -> None:
    larger = replace(usage, **{name: getattr(usage, name) + more for name in grown})
    assert cost(larger, price) >= cost(usage, price)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(usages(), prices(), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 5))
def test_no_usage_within_its_bounds_costs_more_than_most(
    usage: Usage, price: Price, spare_input: int, spare_output: int, spare_calls: int
) -> None:
    bound = most(
        price,
        input_tokens=usage.input + spare_input,
        output_tokens=usage.output + spare_output,
        calls=usage.calls + spare_calls,
        audio_seconds=usage.audio_seconds,
    )
    assert bound >= cost(usage, price)


@pytest.mark.parametrize(
    ("usage", "price", "nano"),
    [
        (Usage(), Price(), 0),
        (Usage(input=1), Price(input=1), 1),
        (Usage(input=MILLION), Price(input=1), 1),
        (Usage(input=MILLION + 1), Price(input=1), 2),
        (Usage(input=1, output=1), Price(input=1, output=1), 1),
        (Usage(input=1000, output=500), Price(input=2_500_000_000, output=10_000_000_000), 2_500_000 + 5_000_000),
        (Usage(input=100, cache_read=100), Price(input=MILLION, cache_read=0), 0),
        (Usage(input=100, cache_read=100), Price(input=MILLION), 100),
        (Usage(input=1, cache_write_1h=1), Price(input=MILLION, cache_write=2 * MILLION), 2),
        (Usage(output=3, reasoning=2), Price(output=MILLION, reasoning=5 * MILLION), 11),
        (Usage(audio_seconds=61), Price(audio_minute=60), 61),
        (Usage(audio_seconds=1), Price(audio_minute=1), 1),
        (Usage(calls=3), Price(per_call=7), 21),
        (Usage(input=10), Price(input=MILLION, tiers=(Tier(10, Price(input=2 * MILLION)),)), 10),
        (Usage(input=11), Price(input=MILLION, tiers=(Tier(10, Price(input=2 * MILLION)),)), 22),
        (Usage(input=11), Price(input=MILLION, tiers=(Tier(10, Price(input=2 * MILLION)),), ratio=NANO // 2), 11),
        (Usage(input=3, calls=1), Price(input=MILLION, per_call=1, ratio=NANO // 2), 2),
        (Usage(input=3, calls=2), Price(input=MILLION // 2, per_call=1, ratio=NANO * 3), 11),
        (Usage(input=1), Price(input=1, ratio=1), 1),
        (Usage(input=MILLION, calls=9), Price(input=NANO, per_call=NANO, ratio=0), 0),
    ],
)
def test_costs(usage: Usage, price: Price, nano: int) -> None:
    assert cost(usage, price) == nano


# --- the guess --------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=5000), st.binary(max_size=5000))
def test_a_longer_text_never_guesses_less(one: bytes, other: bytes) -> None:
    text = one.replace(b"/", b" ")
    assert 0 <= guess_input(text) <= guess_input(text + b" " + other.replace(b"/", b" ")) + 1500


@pytest.mark.parametrize("size", [0, 1, 3, 4, 1023, 1024, 1_000_000])
def test_text_is_weighed_by_its_bytes(size: int) -> None:
    text = (b"some words and " * (size // 15 + 1))[:size]
    assert guess_input(text) == -(-size // 3)


@pytest.mark.parametrize("files", [1, 3])
def test_a_file_inside_is_no_text(files: int) -> None:
    url = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4000).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}] * files
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()
    assert 1500 * files <= guess_input(body) <= 1500 * files + 100


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "A" * 300_000},
        {"role": "user", "content": "data:image/png;base64," + "A" * 300_000},
        {"role": "user", "content": [{"type": "text", "text": "A" * 300_000}]},
        {"role": "user", "content": [{"type": "text", "image_url": {"url": "A" * 300_000}}]},
        {"role": "user", "image_url": {"url": "A" * 300_000}},
    ],
)
def test_text_that_looks_like_a_file_is_text(message: dict[str, object]) -> None:
    body = json.dumps({"model": "m", "messages": [message], "tools": [{"type": "function"}]}).encode()
    assert guess_input(body) >= 100_000


def test_a_form_is_not_weighed_by_its_file() -> None:
    assert guess_input(b"--b\r\n" + b"\0" * 20_000_000) < 30_000


@pytest.mark.parametrize("fill", [b"A", b"A" * 1023 + b" ", b"A ", b'"', b"=" * 1024 + b"."])
def test_the_guess_takes_linear_time(fill: bytes) -> None:
    body = fill * (20_000_000 // len(fill))
    started = time.perf_counter()
    guess_input(body)
    assert time.perf_counter() - started < 3


def test_estimated_usage_says_so() -> None:
    assert estimated(b"x" * 30, 7, calls=2) == Usage(input=10, output=7, calls=2, estimated=True)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("gpt-4o", 1),
        ("gpt-4o-mini", 2),
        ("gpt-4o-2024", 2),
        ("gpt-5", 3),
        ("o3", 4),
        ("claude", 5),
        ("GPT-4o", 5),
        ("a[1]", 6),
    ],
)
def test_lookup(model: str, found: int) -> None:
    rows = {"gpt-4o": 1, "gpt-4o*": 2, "gpt-*": 3, "o?": 4, "*": 5, "a[1]": 6}
    assert lookup(model, {name: Price(input=rate) for name, rate in rows.items()}) == Price(input=found)


def test_lookup_of_nothing() -> None:
    assert lookup("gpt-4o", {"gpt-4": Price(), "gpt-4o-*": Price()}) is None
