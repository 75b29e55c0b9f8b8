"""The channels that there are, as of the store's revision, and who serves what.

    pool = ChannelPool(store)
    await pool.refresh()
    pool.serving("default", "gpt-4o")

A channel serves a group's callers a model when it is enabled, is in the group and offers the model: by its exact name,
a glob, or a key of its model map.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from cachetools import LRUCache

from .errors import BadRequest, Forbidden, GatewayError, NotFound, Unavailable
from .globs import is_glob, matches
from .health import Ejection, Health
from .models import Channel
from .ports import ChannelStore
from .revision import Following, Revision

__all__ = ["ChannelPool", "named_models", "serves", "upstream_model"]


def serves(channel: Channel, model: str) -> bool:
    """Whether the channel offers a model to callers."""
    return model in channel.model_map or any(matches(model, name) for name in channel.models)


def named_models(channel: Channel) -> list[str]:
    """The models that the channel offers by name; globs name none."""
    return [name for name in (*channel.models, *channel.model_map) if not is_glob(name)]


def upstream_model(channel: Channel, model: str) -> str:
    """What the channel calls a model."""
    return channel.model_map.get(model, model)


class _Channels:
    """The channels as of one revision, and who serves what, as far as somebody asked."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        self.by_id = {channel.id: channel for channel in channels}
        self.serving: LRUCache[tuple[str, str], tuple[Channel, ...]] = LRUCache(4096)


class ChannelPool:
    """The store's channels, indexed by what callers ask for. ``health`` is what is known of them."""

    def __init__(self, store: ChannelStore, *, revision: Revision | None = None, health: Health | None = None) -> None:
        self._channels = Following(revision or Revision(store), self._load, what="channels")
        self._store = store
        self.health = health or Ejection(judge=False)

    @property
    def fresh(self) -> bool:
        """Whether the channels may be used as they are, without ``refresh``."""
        return self._channels.fresh

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

    def names(self, model: str) -> bool:
        """Whether a channel names this very model, as opposed to a pattern that it fits."""
        return any(model in channel.model_map or model in channel.models for channel in self.channels)

    def serving(self, group: str, model: str) -> tuple[Channel, ...]:
        """The enabled channels of a group that serve a model, by falling priority; the same object until the store
        changes."""
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

    def pinned(self, channel_id: int) -> Channel:
        """The channel that a caller names, whatever its group, models and priority.

        :raises BadRequest: there is no such channel
        :raises Forbidden: it is disabled
        """
        channel = self.get(channel_id)
        if channel is None:
            raise BadRequest(f"There is no channel {channel_id}.", code="invalid_channel")
        if not channel.enabled:
            raise Forbidden(f"The channel {channel_id} is disabled.", code="channel_disabled")
        return channel

    def nobody(self, groups: Sequence[str], model: str) -> GatewayError:
        """Why no channel of these groups serves a model: ``Unavailable`` where those that would are disabled, else
        ``NotFound``. The first is the one that the caller is told of."""
        group = groups[0]
        asleep = any(serves(one, model) and not set(groups).isdisjoint(one.groups) for one in self.channels)
        if asleep:
            return Unavailable(f"The model {model!r} is switched off at the moment.", code="model_unavailable")
        return NotFound(
            f"The model {model!r} does not exist, or the group {group!r} has no access to it. "
            "GET /v1/models lists the models of this API key.",
            code="model_not_found",
            param="model",
        )
