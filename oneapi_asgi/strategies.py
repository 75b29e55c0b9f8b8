"""In what order equals are asked: each strategy is a function of the options and of a draw. Pure.

    order = STRATEGIES["weighted"](options, Draw(rng))

The options are those of one priority, a channel with one of its keys each; all come back, the first to be asked first.
What is said here of the first holds for the second among the others. Whatever the strategy, an option without weight
comes last, and one that recovers takes part only as often as its share says.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, wraps
from hashlib import blake2b
from itertools import accumulate
from types import MappingProxyType
from typing import Final, Literal, TypeVar

from msgspec import Struct

from .models import Candidate

__all__ = [
    "STRATEGIES",
    "Draw",
    "Option",
    "Strategy",
    "StrategyName",
    "Tier",
    "cheapest",
    "latency",
    "least_in_flight",
    "round_robin",
    "sticky",
    "weighted",
]

T = TypeVar("T")

_TRIES = 64

StrategyName = Literal["weighted", "round_robin", "least_in_flight", "latency", "cheapest", "sticky"]


class Option(Struct, frozen=True, kw_only=True):
    """A step that may be taken. ``weight`` is its part of the channel's, ``share`` how much of that it may have now, 0
    to 1. ``in_flight`` are the attempts that run, ``latency`` the seconds until the first token, ``cost`` what is to be
    paid, in any unit; None where that is not known."""

    step: Candidate
    weight: float = 1.0
    share: float = 1.0
    in_flight: int = 0
    latency: float | None = None
    cost: float | None = None


class Draw(Struct, frozen=True):
    """What an order depends on beside the options: chance, how many were drawn before, and whose call it is."""

    rng: random.Random
    turn: int = 0
    sticky: str = ""


class Tier(tuple[Option, ...]):
    """The options of one priority. Of very many a few are drawn without looking at the others."""

    @cached_property
    def _sums(self) -> list[float]:
        return [*accumulate(option.weight for option in self)]

    def few(self, rng: random.Random) -> Iterator[Option]:
        """In the order of ``weighted``, of which the first ones cost little."""
        drawn: set[int] = set()
        sums = self._sums
        for _ in range(_TRIES if sums and sums[-1] > 0 else 0):
            at = bisect_right(sums, rng.random() * sums[-1], hi=len(sums) - 1)
            if at not in drawn:
                drawn.add(at)
                yield self[at]
        # Who gave up here and drew anew would draw those too often that have little weight: they are why it took long.
        yield from _drawn([option for at, option in enumerate(self) if option.weight and at not in drawn], rng)


Strategy = Callable[[Sequence[Option], Draw], list[Option]]


def _among_ready(strategy: Strategy) -> Strategy:
    """The strategy decides among those that take part, then among those that stand back; the weightless are last."""

    @wraps(strategy)
    def ordered(options: Sequence[Option], draw: Draw) -> list[Option]:
        ready = [option for option in options if option.share >= 1.0 and option.weight]
        if len(ready) == len(options):
            return strategy(ready, draw)
        chance = draw.rng.random
        partly = [(option, chance() < option.share) for option in options if option.share < 1.0 and option.weight]
        ready += [option for option, takes_part in partly if takes_part]
        back = [option for option, takes_part in partly if not takes_part]
        last = [option for option in options if not option.weight]
        return strategy(ready, draw) + strategy(back, draw) + last

    return ordered


@_among_ready
def weighted(options: Sequence[Option], draw: Draw) -> list[Option]:
    """Each is first as often as its weight says."""
    return _drawn(options, draw.rng)


@_among_ready
def round_robin(options: Sequence[Option], draw: Draw) -> list[Option]:
    """One channel after the other, whatever their weights, and each time another key of it."""
    keys: dict[int, list[Option]] = {}
    for option in sorted(options, key=lambda each: (each.step.channel.id, each.step.key)):
        keys.setdefault(option.step.channel.id, []).append(option)
    channels = _turned([*keys.values()], draw.turn)
    rounds = draw.turn // max(len(channels), 1)
    return [option for own in channels for option in _turned(own, rounds)]


@_among_ready
def least_in_flight(options: Sequence[Option], draw: Draw) -> list[Option]:
    """Of two drawn by weight the one that has less to do for its weight: many callers who see the same numbers do not
    all run to the one that had least."""
    return _better_of_two(_drawn(options, draw.rng), lambda option: option.in_flight / option.weight)


@_among_ready
def latency(options: Sequence[Option], draw: Draw) -> list[Option]:
    """Of two drawn by weight the one whose first token will come sooner: its latency, once for each attempt that is
    before it, for its weight. Of whom nothing is known is tried, with one call at a time."""
    usual = sum(option.weight for option in options) / max(len(options), 1)

    def due(option: Option) -> float:
        if option.latency is None:
            return math.inf if option.in_flight else 0.0
        return option.latency * (1 + option.in_flight * usual / option.weight)

    return _better_of_two(_drawn(options, draw.rng), due)


@_among_ready
def cheapest(options: Sequence[Option], draw: Draw) -> list[Option]:
    """The cheaper first, equals by weight; those without a price come behind."""
    return sorted(
        _drawn(options, draw.rng), key=lambda option: math.inf if option.cost is None else max(option.cost, 0.0)
    )


@_among_ready
def sticky(options: Sequence[Option], draw: Draw) -> list[Option]:
    """The same for the same key, as many keys each as its weight says; while others come and go a key stays where it
    is (weighted rendezvous hashing). Without a key as ``weighted``."""
    if not draw.sticky:
        return _drawn(options, draw.rng)
    return sorted(options, key=lambda option: -math.log(_hashed(draw.sticky, option.step)) / option.weight)


STRATEGIES: Final[Mapping[StrategyName, Strategy]] = MappingProxyType(
    {
        "weighted": weighted,
        "round_robin": round_robin,
        "least_in_flight": least_in_flight,
        "latency": latency,
        "cheapest": cheapest,
        "sticky": sticky,
    }
)
"""By the names that settings have for them."""


def _drawn(options: Sequence[Option], rng: random.Random) -> list[Option]:
    """Shuffled so that each is first as often as its weight says (Efraimidis and Spirakis, 2006)."""
    chance, log = rng.random, math.log
    return sorted(options, key=lambda option: -log(1.0 - chance()) / option.weight)


def _better_of_two(drawn: Sequence[Option], score: Callable[[Option], float]) -> list[Option]:
    """The loser of each two is compared with the next. Of equals the one that was drawn first."""
    ordered: list[Option] = []
    held: Option | None = None
    for option in drawn:
        if held is None:
            held = option
        elif score(option) < score(held):
            ordered.append(option)
        else:
            ordered.append(held)
            held = option
    return ordered if held is None else [*ordered, held]


def _turned(items: Sequence[T], turn: int) -> list[T]:
    at = turn % len(items) if items else 0
    return [*items[at:], *items[:at]]


def _hashed(key: str, step: Candidate) -> float:
    """Evenly between 0 and 1, neither of them: of 52 bits, so that the half that is added is not rounded away."""
    said = f"{key}\0{step.channel.id}\0{step.key}".encode(errors="surrogatepass")
    return ((int.from_bytes(blake2b(said, digest_size=8).digest()) >> 12) + 0.5) / (1 << 52)
