"""What a call costs: usage times price, and the guess before it. Pure, in integers, rounded up once.

Prices are nano-dollars per million tokens, costs are nano-dollars. Parts of the input or output that are priced apart
(cached, audio, image, reasoning) come off their whole first, so no token is paid for twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from .globs import matches
from .models import NANO, Price, Tier, Usage
from .wire.files import file_sizes

__all__ = ["MILLION", "Bill", "Line", "Unit", "bill", "cost", "estimated", "guess_input", "lookup", "matched", "most"]

MILLION = 1_000_000

_BYTES_A_TOKEN = 3
_TOKENS_A_FILE = 1_500
_TEXT_OF_A_FORM = 64 * 1024
_SHORTEST_FILE = 1024
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_MOST_OBJECTS = 50_000
"""Of a body that is worth the time to look for files in."""

Unit = Literal["million_tokens", "call", "minute"]

_PER: Mapping[Unit, int] = {"million_tokens": MILLION, "call": 1, "minute": 60}
_OF_INPUT = ("cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image")
_OF_OUTPUT = ("reasoning", "output_audio", "output_image")


class Line(Struct, frozen=True):
    """One ``part`` of ``Usage`` at its own price, in nano-dollars for a ``unit``. The count of ``input`` and ``output``
    is what of them has no price apart, that of minutes is in seconds."""

    part: str
    count: int
    price: int
    unit: Unit = "million_tokens"

    @property
    def amount(self) -> Fraction:
        """Nano-dollars, exactly, before the ratio."""
        return Fraction(self.count * self.price, _PER[self.unit])


class Bill(Struct, frozen=True):
    """How a cost comes about: the lines, and the ratio in billionths that is paid of their sum. ``above`` is that of
    the tier whose prices apply, None without one."""

    lines: tuple[Line, ...]
    ratio: int
    above: int | None = None

    @property
    def sum(self) -> Fraction:
        """Nano-dollars, before the ratio."""
        return sum((line.amount for line in self.lines), Fraction(0))

    @property
    def exact(self) -> Fraction:
        """Nano-dollars, before they are rounded."""
        return self.sum * self.ratio / NANO

    @property
    def cost(self) -> int:
        """What ``cost`` gives."""
        exact = self.exact
        return -(-exact.numerator // exact.denominator)


def bill(usage: Usage, price: Price) -> Bill:
    """What ``cost`` charges, part by part: what was not used has no line."""
    tier = _reached(price, usage.input)
    ratio, price = price.ratio, tier.price if tier is not None else price
    lines = (
        *_tokens("input", _OF_INPUT, usage, price),
        *_tokens("output", _OF_OUTPUT, usage, price),
        Line("calls", usage.calls, price.per_call, "call"),
        Line("audio_seconds", usage.audio_seconds, price.audio_minute, "minute"),
    )
    charged = tuple([line for line in lines if line.count and (line.price or line.unit == "million_tokens")])
    return Bill(charged, ratio, tier.above if tier is not None else None)


def _tokens(whole: str, parts: tuple[str, ...], usage: Usage, price: Price) -> Iterator[Line]:
    rates = {part: getattr(price, part) for part in parts}
    if "cache_write_1h" in rates:
        rates["cache_write_1h"] = _or(price.cache_write_1h, price.cache_write)
    apart = [Line(part, getattr(usage, part), rate) for part, rate in rates.items() if rate is not None]
    yield Line(whole, getattr(usage, whole) - sum(line.count for line in apart), getattr(price, whole))
    yield from apart


def cost(usage: Usage, price: Price) -> int:
    """Nano-dollars for this usage."""
    ratio = price.ratio
    if price.tiers:
        price = _tier(price, usage.input)
    whole, made, write = price.input, price.output, price.cache_write
    # Most counts are 0, and then nothing has to be looked up for them.
    millionths = (
        usage.input * whole
        + (usage.cache_read and _apart(usage.cache_read, price.cache_read, whole))
        + (usage.cache_write and _apart(usage.cache_write, write, whole))
        + (usage.cache_write_1h and _apart(usage.cache_write_1h, _or(price.cache_write_1h, write), whole))
        + (usage.input_audio and _apart(usage.input_audio, price.input_audio, whole))
        + (usage.input_image and _apart(usage.input_image, price.input_image, whole))
        + usage.output * made
        + (usage.reasoning and _apart(usage.reasoning, price.reasoning, made))
        + (usage.output_audio and _apart(usage.output_audio, price.output_audio, made))
        + (usage.output_image and _apart(usage.output_image, price.output_image, made))
    )
    fixed = price.per_call * usage.calls
    minutes = usage.audio_seconds * price.audio_minute
    # One rounding for all parts: over the common denominator of a million tokens and sixty seconds.
    if ratio == NANO:
        return fixed - (-(millionths * 60 + minutes * MILLION) // (60 * MILLION))
    return -(-(fixed * 60 * MILLION + millionths * 60 + minutes * MILLION) * ratio // (60 * MILLION * NANO))


def _apart(count: int, rate: int | None, whole: int) -> int:
    """What a part that is priced apart costs more (or less) than it does within its whole."""
    return 0 if rate is None else count * (rate - whole)


def most(price: Price, *, input_tokens: int, output_tokens: int, calls: int, audio_seconds: int = 0) -> int:
    """Nano-dollars that a call of up to this size may cost at most: every token at the dearest rate it can get."""
    amount = _most(price, input_tokens, output_tokens, calls, audio_seconds)
    for tier in price.tiers:
        if input_tokens > tier.above:
            amount = max(amount, _most(tier.price, input_tokens, output_tokens, calls, audio_seconds))
    return -(-amount // MILLION) if price.ratio == NANO else -(-amount * price.ratio // (MILLION * NANO))


def _most(price: Price, input_tokens: int, output_tokens: int, calls: int, audio_seconds: int) -> int:
    """In millionths."""
    read, write, hour = price.cache_read, price.cache_write, price.cache_write_1h
    dearest_input = _dearest(price.input, read, write, hour, price.input_audio, price.input_image)
    dearest_output = _dearest(price.output, price.reasoning, price.output_audio, price.output_image)
    amount = input_tokens * dearest_input + output_tokens * dearest_output + price.per_call * calls * MILLION
    return amount - (-audio_seconds * price.audio_minute * MILLION // 60) if audio_seconds else amount


def _tier(price: Price, input_tokens: int) -> Price:
    tier = _reached(price, input_tokens)
    return tier.price if tier is not None else price


def _reached(price: Price, input_tokens: int) -> Tier | None:
    reached = [tier for tier in price.tiers if input_tokens > tier.above]
    return max(reached, key=lambda tier: tier.above, default=None)


def _or(part: int | None, whole: int | None) -> int | None:
    return whole if part is None else part


def _dearest(whole: int, *parts: int | None) -> int:
    for rate in parts:
        if rate is not None and rate > whole:
            whole = rate
    return whole


def guess_input(body: bytes) -> int:
    """The input tokens of a request, from its bytes alone, rather too many than too few.

    Three bytes a token hold for English with its JSON around it and for Chinese alike; every file inside counts as a
    middling image, and so does what a form carries beyond its text.
    """
    if len(body) < _SHORTEST_FILE:
        return -(-len(body) // _BYTES_A_TOKEN)
    if body.startswith(b"--") and len(body) > _TEXT_OF_A_FORM:
        return -(-_TEXT_OF_A_FORM // _BYTES_A_TOKEN) + _TOKENS_A_FILE
    files = file_sizes(body) if _has_base64(body) and body.count(b"{") <= _MOST_OBJECTS else ()
    return -(-(len(body) - sum(files)) // _BYTES_A_TOKEN) + _TOKENS_A_FILE * len(files)


def _has_base64(body: bytes) -> bool:
    """Whether there is a run of base64 as long as a file. Wherever it begins, it lies across a multiple of that length:
    no more has to be looked at, where a search would read all of a long text before it lets anybody else go on."""
    for at in range(_SHORTEST_FILE - 1, len(body), _SHORTEST_FILE):
        if body[at] in _BASE64:
            before, after = body[at + 1 - _SHORTEST_FILE : at], body[at : at + _SHORTEST_FILE]
            run = len(before) - len(before.rstrip(_BASE64)) + len(after) - len(after.lstrip(_BASE64))
            if run >= _SHORTEST_FILE:
                return True
    return False


def estimated(body: bytes, output: int, *, calls: int = 1) -> Usage:
    """The usage of a call that nobody counted: guessed from the request and from the output so far."""
    return Usage(input=guess_input(body), output=output, calls=calls, estimated=True)


def lookup(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price under this very name, else under the longest glob that matches it."""
    name = matched(model, prices)
    return None if name is None else prices[name]


def matched(model: str, prices: Mapping[str, Price]) -> str | None:
    """Under what name ``lookup`` finds it."""
    if model in prices:
        return model
    return max((pattern for pattern in prices if matches(model, pattern)), key=len, default=None)
