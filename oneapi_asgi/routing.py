"""Which channels, in what order: ``plan`` decides, ``ChannelPool`` keeps the channels, ``ModelRouter`` acts.

A channel is a candidate when it is enabled, is in the caller's group and serves the model (exact name, glob, or key of
its model map). Higher priorities come first; within one priority the order is drawn by weight, one key of each channel
before second keys; what is cooling down comes last.

    app = ModelRouter(app, ChannelPool(store))

*Reads* ``call.token`` (its group; ``default`` without one), ``call.pinned_channel``. *Writes* ``call.plan`` and, as the
first to read the body, what ``http.parsed`` does. Options: ``max_attempts``, ``max_body``, ``on_error``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

from cachetools import LRUCache
from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call
from .errors import BadRequest, Forbidden, GatewayError, NotFound, Unavailable
from .globs import is_glob, matches
from .health import Health, Unjudged
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, parsed
from .models import Candidate, Channel
from .ports import ChannelStore
from .revision import Following, Revision

__all__ = ["ChannelPool", "ModelRouter", "named_models", "plan", "serves", "upstream_model"]


def serves(channel: Channel, model: str) -> bool:
    """Whether the channel offers a model to callers."""
    return model in channel.model_map or any(matches(model, name) for name in channel.models)


def named_models(channel: Channel) -> list[str]:
    """The models that the channel offers by name; globs name none."""
    return [name for name in (*channel.models, *channel.model_map) if not is_glob(name)]


def upstream_model(channel: Channel, model: str) -> str:
    """What the channel calls a model."""
    return channel.model_map.get(model, model)


def plan(
    channels: Iterable[Channel],
    model: str,
    *,
    fit: Callable[[int, int], bool] | None = None,
    rng: random.Random | None = None,
    limit: int = 3,
) -> tuple[Candidate, ...]:
    """The first ``limit`` steps: the candidates in the order in which they are to be tried.

    ``channels`` serve the model and are sorted by falling priority.
    """
    ready: list[Candidate] = []
    cooling: list[Candidate] = []
    for step in _ordered(channels, model, rng or _random):
        if fit is None or fit(step.channel.id, step.key):
            ready.append(step)
            if len(ready) == limit:
                return tuple(ready)
        elif len(cooling) < limit:
            cooling.append(step)
    return tuple(islice((*ready, *cooling), limit))


_random = random.Random()  # noqa: S311  # sharing load needs no secrecy


def _ordered(channels: Iterable[Channel], model: str, rng: random.Random) -> Iterator[Candidate]:
    for tier in _tiers(channels):
        shuffled = _weighted(tier, rng) if len(tier) > 1 else tier
        keys = [_shuffled_keys(channel, rng) for channel in shuffled]
        for turn in range(max(map(len, keys))):
            for channel, own in zip(shuffled, keys, strict=True):
                if turn < len(own):
                    yield Candidate(channel, own[turn], upstream_model(channel, model))


def _tiers(channels: Iterable[Channel]) -> Iterator[list[Channel]]:
    tier: list[Channel] = []
    for channel in channels:
        if tier and channel.priority != tier[0].priority:
            yield tier
            tier = []
        tier.append(channel)
    if tier:
        yield tier


def _weighted(tier: list[Channel], rng: random.Random) -> list[Channel]:
    """Shuffled so that each is first as often as its weight says (Efraimidis and Spirakis, 2006); weight 0 last."""
    return sorted(
        tier, key=lambda channel: rng.random() ** (1 / channel.weight) if channel.weight else -1, reverse=True
    )


def _shuffled_keys(channel: Channel, rng: random.Random) -> Sequence[int]:
    count = len(channel.api_keys) or 1  # a local server needs no key
    return range(count) if count == 1 else rng.sample(range(count), count)


class _Channels:
    """The channels as of one revision, and who serves what, as far as somebody asked."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        self.by_id = {channel.id: channel for channel in channels}
        self.serving: LRUCache[tuple[str, str], tuple[Channel, ...]] = LRUCache(4096)


class ChannelPool:
    """The store's channels, as of its revision, indexed by what callers ask for."""

    def __init__(
        self,
        store: ChannelStore,
        *,
        revision: Revision | None = None,
        health: Health | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._channels = Following(revision or Revision(store), self._load, what="channels")
        self.health = health or Unjudged()
        self._rng = rng or _random

    async def refresh(self) -> None:
        """Load the channels anew if the store has changed. Call it first.

        :raises Unavailable: the store does not answer
        """
        if not self._channels.fresh:
            await self._channels.refresh()

    async def _load(self) -> _Channels:
        return _Channels(await self._store.list_channels())

    @property
    def channels(self) -> Collection[Channel]:
        """All of them, disabled ones too."""
        return self._channels.value.by_id.values()

    def get(self, channel_id: int) -> Channel | None:
        return self._channels.value.by_id.get(channel_id)

    def serving(self, group: str, model: str) -> tuple[Channel, ...]:
        """The enabled channels of a group that serve a model, by falling priority."""
        known = self._channels.value
        found = known.serving.get((group, model))
        if found is None:
            found = tuple(
                sorted(
                    (c for c in self.channels if c.enabled and group in c.groups and serves(c, model)),
                    key=lambda channel: -channel.priority,
                )
            )
            known.serving[group, model] = found
        return found

    def models(self, group: str) -> list[tuple[str, str]]:
        """``(model, provider)`` for every model that the group's channels name, sorted; globs name none."""
        owners: dict[str, str] = {}
        for channel in self.channels:
            if channel.enabled and group in channel.groups:
                for model in named_models(channel):
                    owners.setdefault(model, channel.provider)
        return sorted(owners.items())

    def plan(self, group: str, model: str, *, limit: int) -> tuple[Candidate, ...]:
        """
        :raises NotFound: no channel of the group serves the model
        :raises Unavailable: those that would are disabled
        """
        channels = self.serving(group, model)
        if not channels:
            raise self._nobody(group, model)
        if len(channels) == 1 and len(channels[0].api_keys) <= 1:  # nothing to choose
            return (Candidate(channels[0], 0, upstream_model(channels[0], model)),)
        return plan(channels, model, fit=self.health.fit, rng=self._rng, limit=limit)

    def pinned(self, channel_id: int, model: str) -> tuple[Candidate, ...]:
        """The one step of a call that names its channel, whatever its group, models and priority.

        :raises BadRequest: there is no such channel
        :raises Forbidden: it is disabled
        """
        channel = self.get(channel_id)
        if channel is None:
            raise BadRequest(f"There is no channel {channel_id}.", code="invalid_channel")
        if not channel.enabled:
            raise Forbidden(f"The channel {channel_id} is disabled.", code="channel_disabled")
        return plan((channel,), model, fit=self.health.fit, rng=self._rng, limit=1)

    def _nobody(self, group: str, model: str) -> GatewayError:
        asleep = any(group in channel.groups and serves(channel, model) for channel in self.channels)
        if asleep:
            return Unavailable(f"The model {model!r} is switched off at the moment.", code="model_unavailable")
        return NotFound(
            f"The model {model!r} does not exist, or the group {group!r} has no access to it. "
            "GET /v1/models lists the models of this API key.",
            code="model_not_found",
            param="model",
        )


class ModelRouter:
    """Writes the plan of a call, of at most ``max_attempts`` steps, or refuses when nobody can serve it."""

    def __init__(
        self,
        app: ASGIApp,
        pool: ChannelPool,
        *,
        max_attempts: int = 3,
        max_body: int = MAX_BODY,
        on_error: OnError = Refusal,
    ) -> None:
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self.app = app
        self._pool = pool
        self._max_attempts = max_attempts
        self._max_body = max_body
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        try:
            request, receive = await parsed(scope, receive, max_body=self._max_body)
            await self._pool.refresh()
            call.plan = self._plan(call, request.head.model)
        except ClientGoneError:
            return None
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        return await self.app(scope, receive, send)

    def _plan(self, call: Call, model: str) -> tuple[Candidate, ...]:
        if call.pinned_channel is not None:
            return self._pool.pinned(call.pinned_channel, model)
        group = call.token.group if call.token else "default"
        return self._pool.plan(group, model, limit=self._max_attempts)
