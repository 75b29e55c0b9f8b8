"""Which channels serve a call, in what order: ``RoutePlanner`` decides by routes; any other ``Planner`` can take its
place.

    planner = RoutePlanner(pool, [Route(models=("gpt-5*",), strategy="latency", fallbacks=("gpt-4o",))])
    app = ModelRouter(app, pool, planner=planner)

A planner of one's own has one method, and asks the pool who serves what:

    class ByName:
        def __init__(self, pool: ChannelPool) -> None:
            self.pool = pool

        def plan(self, call: Call, model: str) -> tuple[Candidate, ...]:
            channels = sorted(self.pool.serving("default", model), key=lambda channel: channel.name)
            return tuple(Candidate(channel, 0, upstream_model(channel, model)) for channel in channels[:3])

    gateway = Gateway(storage, planner=ByName)
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

from cachetools import LRUCache
from msgspec import Struct
from msgspec.structs import replace

from .call import Call
from .errors import NotFound, RateLimited
from .globs import allows
from .health import Standing
from .models import Candidate, Channel
from .owners import Owners, holder_of
from .pool import ChannelPool, upstream_model
from .pricebook import PriceBook
from .providers.catalog import cost_factor
from .strategies import STRATEGIES, Draw, Option, StrategyName, Tier
from .wire.request import Request

__all__ = ["Planner", "Preparing", "Route", "RoutePlanner"]

_REMEMBERED = 4096  # callers choose the names
_CALLS = 1000
"""In a million tokens, where a price by the call is compared with one by tokens."""

_MANY = 32
"""Options, from which on it pays to draw a few of them only."""

_RETURNING = frozenset(("recovering", "probing"))
"""Who takes part as often as its share says."""

_SESSION_FIELDS = ("prompt_cache_key", "user", "metadata.user_id")
_SESSION_HEADERS = (b"x-session-id", b"session_id")
_SESSION_LENGTH = 256


class Planner(Protocol):
    """Who is to be asked, and in what order."""

    def plan(self, call: Call, model: str) -> tuple[Candidate, ...]:
        """The steps for a call of that model, by the name that callers use, at least one.

        :raises NotFound: nobody serves the model
        :raises Unavailable: those who would are switched off
        :raises RateLimited: those who would are to be left alone for a while
        """
        ...


@runtime_checkable
class Preparing(Protocol):
    """A planner that has to wait for what it needs to know."""

    async def prepare(self, call: Call, model: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Called before ``plan``, with the request's headers."""
        ...


class Route(Struct, frozen=True, kw_only=True):
    """How calls of ``models`` by callers in ``groups`` are planned (names or globs; none: all).

    ``strategy`` is how those of one priority are ordered. ``tiers`` are the groups whose channels are tried, in that
    order, in place of the caller's own group alone. ``fallbacks`` are the models that serve, in that order, where the
    one that was asked for cannot.
    """

    models: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    strategy: StrategyName = "weighted"
    fallbacks: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()


class _Served(Struct, frozen=True):
    """What channels offer for one model, by falling priority, each of their keys by itself. ``only`` is the step where
    there is no more than one."""

    channels: tuple[Channel, ...]
    tiers: tuple[Tier, ...]
    only: Candidate | None


class _Found(Struct):
    """The steps for one model: who may be asked, and who may not at the moment."""

    steps: list[Candidate]
    barred: list[tuple[Standing, Candidate]]


class RoutePlanner:
    """Plans of ``max_attempts`` steps and ``spare`` ones, by the first of ``routes`` that concerns the call, else by
    weight: who is full, or over a limit, when its turn comes is passed over, and that is no attempt.

    Tiers come first, then priorities, then the strategy; one key of each channel before second keys. Whom ``health``
    doubts is asked after all others of the same model. Who is cooling down or out is not asked, but that the one out
    that is back first is tried where nobody else is left. Where there are fallbacks, the last attempt is theirs.

    Needs ``prices`` for the strategy ``cheapest``. With ``owners`` a call that goes on from an answer that a provider
    keeps goes to that provider alone.

    *Reads* ``call.token``, ``call.pinned_channel``, ``call.operation``, ``call.request``. *Writes* ``call.session``,
    ``call.holder``, ``call.keeps``.
    """

    def __init__(
        self,
        pool: ChannelPool,
        routes: Iterable[Route] = (),
        *,
        max_attempts: int = 3,
        spare: int = 6,
        prices: PriceBook | None = None,
        owners: Owners | None = None,
        rng: random.Random | None = None,
    ) -> None:
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self._pool = pool
        self._health = pool.health
        self._routes, self._usual = _until_usual(routes)
        self._max_attempts = max_attempts
        self._spare = spare
        self._prices = prices
        self._owners = owners
        self._rng = rng or random.Random()  # noqa: S311  # sharing load needs no secrecy
        self._chosen: LRUCache[tuple[str, str], Route] = LRUCache(_REMEMBERED)
        self._offers: LRUCache[tuple[str, str, bool], _Served] = LRUCache(_REMEMBERED)
        self._single: LRUCache[tuple[int, str], _Served] = LRUCache(_REMEMBERED)
        self._turns: LRUCache[str, int] = LRUCache(_REMEMBERED)

    # --- before a plan ------------------------------------------------------------------------------------------------

    async def prepare(self, call: Call, model: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Find out what the plan depends on beside the channels."""
        operation, request = call.operation, call.request
        if self._owners is not None and operation is not None and operation.name == "responses" and request is not None:
            await self._follow(call, request, self._owners)
        route = self._route(_group(call), model)
        if route.strategy == "sticky":
            call.session = _session(call, headers)
        elif route.strategy == "cheapest" and self._prices is not None:
            await self._price(route, call, model, self._prices)

    async def _follow(self, call: Call, request: Request, owners: Owners) -> None:
        if request.value("store") is not False:
            call.keeps = partial(owners.remember, call)
        earlier = request.value("previous_response_id")
        if isinstance(earlier, str) and earlier:
            call.holder = await owners.holder(call, earlier)

    async def _price(self, route: Route, call: Call, model: str, prices: PriceBook) -> None:
        await prices.refresh()
        for name in (model, *_fallbacks(route, call, model)):
            for group in route.tiers or (_group(call),):
                for channel in self._pool.serving(group, name):
                    await prices.find(upstream_model(channel, name))

    # --- the plan -----------------------------------------------------------------------------------------------------

    def plan(self, call: Call, model: str) -> tuple[Candidate, ...]:
        if call.pinned_channel is not None:
            return (self._pinned(self._pool.pinned(call.pinned_channel), model),)
        group = _group(call)
        route = self._route(group, model)
        if not route.tiers and not route.fallbacks:
            only = self._served(group, model).only
            if only is not None and self._health.calm:  # nothing to choose
                return (only,)
        groups = route.tiers or (group,)
        offered = self._offered(groups, model)
        if call.holder is not None:
            holding = (one.step for tier in offered for one in tier if one.step.channel.id == call.holder.channel_id)
            found = next((step for step in holding if holder_of(step) == call.holder), None)
            if found is not None:
                return (found,)
        if not offered:
            error = self._pool.nobody(groups, model)
            if isinstance(error, NotFound) or not route.fallbacks:
                raise error
        return self._planned(route, groups, call, model, offered)

    def _planned(
        self, route: Route, groups: Sequence[str], call: Call, model: str, offered: Sequence[Sequence[Option]]
    ) -> tuple[Candidate, ...]:
        most, draw = self._max_attempts, Draw(self._rng, self._turn(route, model), call.session)
        main = self._found(offered, route.strategy, draw, most + self._spare)
        instead, barred = list[Candidate](), main.barred
        room = most - min(len(main.steps), max(most - 1, 1))
        for name in _fallbacks(route, call, model):
            if len(instead) == room:
                break
            found = self._found(self._offered(groups, name, instead=True), route.strategy, draw, room - len(instead))
            instead += found.steps
            barred += found.barred
        first = most - len(instead)
        steps = (*main.steps[:first], *instead, *main.steps[first:])[: most + self._spare]
        if not steps and not barred:
            raise self._pool.nobody(groups, model)
        return steps or (_soonest(barred),)

    def _found(self, offered: Sequence[Sequence[Option]], name: StrategyName, draw: Draw, most: int) -> _Found:
        """The first steps, as far as there are so many, of what is offered by falling rank."""
        found, doubted = _Found([], []), list[Candidate]()
        calm = self._health.calm
        for tier in offered:
            if name == "weighted" and len(tier) >= _MANY and isinstance(tier, Tier):
                few = self._few(tier, draw.rng, most - len(found.steps))
                if few is not None:
                    found.steps += few
                    return found
            sure, doubtful = (tier, ()) if calm else self._judged(tier, found.barred)
            found.steps += self._drawn(sure, name, draw, most - len(found.steps))
            if len(found.steps) == most:
                return found
            doubted += self._drawn(doubtful, name, draw, most - len(doubted))
        found.steps += doubted[: most - len(found.steps)]
        return found

    def _few(self, tier: Tier, rng: random.Random, most: int) -> list[Candidate] | None:
        """What the long way would give for the first of many, if so many of those that are drawn are fit; else None."""
        steps: list[Candidate] = []
        channels: set[int] = set()
        calm, standing = self._health.calm, self._health.standing
        for option in tier.few(rng):
            step = option.step
            if step.channel.id in channels:
                continue
            if not calm:
                found = standing(step.channel, step.key, step.upstream_model)
                if found.state != "fit" and (found.state not in _RETURNING or rng.random() >= found.share):
                    continue
            channels.add(step.channel.id)
            steps.append(step)
            if len(steps) == most:
                return steps
        return None

    def _drawn(self, options: Sequence[Option], name: StrategyName, draw: Draw, most: int) -> list[Candidate]:
        return _spread(STRATEGIES[name](self._measured(options, name), draw), most) if options else []

    def _judged(
        self, tier: Sequence[Option], barred: list[tuple[Standing, Candidate]]
    ) -> tuple[Sequence[Option], Sequence[Option]]:
        """Those that are fit, each with its share, and those that are doubted; the others are ``barred``."""
        sure: list[Option] = []
        doubtful: list[Option] = []
        for option in tier:
            step = option.step
            standing = self._health.standing(step.channel, step.key, step.upstream_model)
            if standing.state == "fit":
                sure.append(option)
            elif standing.state == "doubtful":
                doubtful.append(option)
            elif standing.state in ("cooling", "out"):
                barred.append((standing, step))
            else:
                sure.append(replace(option, share=standing.share))
        return sure, doubtful

    def _measured(self, options: Sequence[Option], name: StrategyName) -> Sequence[Option]:
        """With what the strategy looks at."""
        if name == "cheapest":
            return [replace(option, cost=self._cost(option.step)) for option in options]
        if name not in ("least_in_flight", "latency") or len(options) < 2:
            return options
        return [
            replace(
                option,
                in_flight=self._health.in_flight(step.channel, step.key, step.upstream_model),
                latency=self._health.latency(step.channel, step.key, step.upstream_model),
            )
            for option in options
            for step in (option.step,)
        ]

    def _cost(self, step: Candidate) -> float | None:
        price = self._prices.found(step.upstream_model) if self._prices is not None else None
        factor = cost_factor(step.channel)
        if price is None or factor is None:
            return None
        return (price.input + price.output + price.per_call * _CALLS) * factor

    # --- what there is ------------------------------------------------------------------------------------------------

    def _route(self, group: str, model: str) -> Route:
        if not self._routes:
            return self._usual
        found = self._chosen.get((group, model))
        if found is None:
            fitting = (one for one in self._routes if allows(one.models, model) and allows(one.groups, group))
            found = self._chosen[group, model] = next(fitting, self._usual)
        return found

    def _turn(self, route: Route, model: str) -> int:
        if route.strategy != "round_robin":
            return 0
        turn = self._turns.get(model, 0)
        self._turns[model] = turn + 1
        return turn

    def _offered(self, groups: Sequence[str], model: str, *, instead: bool = False) -> Sequence[Sequence[Option]]:
        """What the groups offer, one after the other; a channel that is in several is offered by the first."""
        if len(groups) == 1:
            return self._served(groups[0], model, instead=instead).tiers
        seen: set[int] = set()
        offered: list[list[Option]] = []
        for group in groups:
            served = self._served(group, model, instead=instead)
            tiers = [[one for one in tier if one.step.channel.id not in seen] for tier in served.tiers]
            offered += [tier for tier in tiers if tier]
            seen.update(channel.id for channel in served.channels)
        return offered

    def _served(self, group: str, model: str, *, instead: bool = False) -> _Served:
        channels = self._pool.serving(group, model)
        known = self._offers.get((group, model, instead))
        if known is None or known.channels is not channels:
            known = self._offers[group, model, instead] = _served(channels, model, model if instead else "")
        return known

    def _alone(self, channel: Channel, model: str) -> _Served:
        known = self._single.get((channel.id, model))
        if known is None or known.channels[0] is not channel:
            known = self._single[channel.id, model] = _served((channel,), model, "")
        return known

    def _pinned(self, channel: Channel, model: str) -> Candidate:
        (options,) = self._alone(channel, model).tiers
        barred: list[tuple[Standing, Candidate]] = []
        sure, doubtful = (options, ()) if self._health.calm else self._judged(options, barred)
        best = sure or doubtful
        return self._rng.choice(best).step if best else min(barred, key=lambda entry: entry[0].wait)[1]


def _until_usual(routes: Iterable[Route]) -> tuple[tuple[Route, ...], Route]:
    """The routes before the first that concerns every call, and that one: none behind it has a turn."""
    chosen: list[Route] = []
    for route in routes:
        if not route.models and not route.groups:
            return tuple(chosen), route
        chosen.append(route)
    return tuple(chosen), Route()


def _group(call: Call) -> str:
    return call.token.group if call.token else "default"


def _fallbacks(route: Route, call: Call, model: str) -> Iterator[str]:
    """Those that the caller may use."""
    allowed = call.token.models if call.token else ()
    return (name for name in route.fallbacks if name != model and allows(allowed, name))


def _session(call: Call, headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What the caller says that tells its sessions, or its users, apart; empty if it says nothing."""
    request, token = call.request, call.token
    told = (request.value(field) for field in _SESSION_FIELDS) if request is not None else ()
    said = next((value for value in told if isinstance(value, str) and value), "")
    if not said:
        given = {name: value for name, value in headers if name in _SESSION_HEADERS}
        said = next((given[name].decode("latin-1") for name in _SESSION_HEADERS if given.get(name)), "")
    return f"{token.user_id or token.id if token else ''}\0{said[:_SESSION_LENGTH]}" if said else ""


def _served(channels: tuple[Channel, ...], model: str, fallback: str) -> _Served:
    tiers: dict[int, list[Option]] = {}
    for channel in channels:
        keys = max(len(channel.api_keys), 1)  # a local server needs no key
        tiers.setdefault(channel.priority, []).extend(
            Option(step=Candidate(channel, key, upstream_model(channel, model), fallback), weight=channel.weight / keys)
            for key in range(keys)
        )
    found = tuple(map(Tier, tiers.values()))
    only = found[0][0].step if sum(map(len, found)) == 1 else None
    return _Served(channels, found, only)


def _spread(options: Sequence[Option], most: int) -> list[Candidate]:
    """The first steps of these, one key of each channel before second keys."""
    steps: list[Candidate] = []
    more: list[Option] = []
    seen: set[int] = set()
    for option in options:
        if len(steps) == most:
            return steps
        if option.step.channel.id in seen:
            more.append(option)
        else:
            seen.add(option.step.channel.id)
            steps.append(option.step)
    return steps + _spread(more, most - len(steps)) if more else steps


def _soonest(barred: Sequence[tuple[Standing, Candidate]]) -> Candidate:
    """Of those that are out the one that is back first: whoever is in doubt whether it may be asked, asks ``health``.

    :raises RateLimited: there are only such that were asked too often
    """
    out = [entry for entry in barred if entry[0].state == "out"]
    if out:
        return min(out, key=lambda entry: entry[0].wait)[1]
    raise RateLimited(
        "The upstream accounts for this model are rate limited at the moment. Try again later.",
        retry_after=min(standing.wait for standing, _ in barred),
    )
