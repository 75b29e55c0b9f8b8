"""Channels as they are looked after: with every key of theirs, what is noted beside, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..models import Channel

__all__ = [
    "NO_KEY_LEFT",
    "ChannelDeclared",
    "ChannelDesk",
    "ChannelMeasures",
    "ChannelOrder",
    "ChannelPage",
    "ChannelQuery",
    "ChannelReader",
    "ChannelState",
    "KeptChannel",
    "NameTaken",
    "Revise",
    "Which",
    "keep_disabled",
    "state_of",
]

ChannelState = Literal["enabled", "disabled", "refused"]
"""On; off by hand; switched off by the gateway itself, which says why."""

ChannelOrder = Literal[
    "", "id", "name", "priority", "weight", "created_time", "response_time", "test_time", "balance", "status"
]

NO_KEY_LEFT = "every key of it is switched off"
"""Why a channel is off whose last key was switched off. It is on again with the first key that is."""

_ACCESS = ("provider", "base_url", "options", "api_keys", "headers", "proxy")


class KeptChannel(Struct, frozen=True, kw_only=True):
    """``channel`` has every key; those that are switched off are in ``disabled_keys``: why, by digest.

    ``tested_at`` is in Unix seconds,
    ``response_ms`` what that test took, ``test_error`` what went wrong, as a code, empty if it went well. ``balance``
    is in billionths of the unit of ``balance_currency``. ``used`` is in nano-dollars, of all its calls.
    """

    channel: Channel
    disabled_keys: dict[str, str] = {}
    tag: str = ""
    note: str = ""
    test_model: str = ""
    created_at: float = 0.0
    declared: bool = False
    tested_at: float | None = None
    response_ms: int | None = None
    test_error: str = ""
    balance: int | None = None
    balance_currency: str = ""
    balance_updated_at: float | None = None
    used: int = 0


class ChannelQuery(Struct, frozen=True, kw_only=True):
    """``keyword`` is an id, or a part of the name, the base URL or the tag. ``model`` is one that it serves callers, be
    it by a glob. ``providers`` None is any; ``tag`` None is any, the empty one those without."""

    keyword: str = ""
    state: ChannelState | None = None
    providers: tuple[str, ...] | None = None
    group: str = ""
    tag: str | None = None
    model: str = ""
    order: ChannelOrder = ""
    offset: int = 0
    limit: int = 10


class ChannelPage(Struct, frozen=True):
    rows: Sequence[KeptChannel]
    total: int


class Which(Struct, frozen=True, kw_only=True):
    """Some channels: by their ids, all of a tag, or all that are off. One of the three is given."""

    ids: tuple[int, ...] = ()
    tag: str = ""
    off: bool = False


class ChannelDeclared(ValueError):
    """The channel is declared in the settings, and changed there."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the channel {name} is declared in the settings: change it there")


class NameTaken(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is a channel named {name} already")


Revise: TypeAlias = Callable[[KeptChannel], KeptChannel]
"""What a channel becomes. It is asked within the transaction, maybe more than once, and may refuse by raising."""


class ChannelReader(Protocol):
    async def channels(self, query: ChannelQuery) -> ChannelPage: ...

    async def find_channel(self, channel_id: int) -> KeptChannel | None: ...

    async def all_channels(self) -> Sequence[KeptChannel]:
        """By id; without what they have used."""
        ...


class ChannelDesk(Protocol):
    """All or nothing: where one channel cannot be changed, none is."""

    async def add_channels(self, drafts: Collection[KeptChannel]) -> Sequence[KeptChannel]:
        """
        :raises NameTaken: of one of them
        """
        ...

    async def change_channels(self, which: Which, revise: Revise) -> Sequence[KeptChannel]:
        """
        :raises KeyError: there is no channel with one of the ids
        :raises NameTaken: another channel has the name
        :raises ChannelDeclared: the settings say what is to be changed
        """
        ...

    async def delete_channels(self, which: Which) -> Sequence[KeptChannel]:
        """Those that are declared are passed over where they are not named by their ids. Records go on to name them.

        :raises KeyError: there is no channel with one of the ids
        :raises ChannelDeclared: the settings have it
        """
        ...


class ChannelMeasures(Protocol):
    """Of channels that are gone nothing is noted."""

    async def note_test(self, channel_id: int, milliseconds: int, error: str) -> None: ...

    async def note_balance(self, channel_id: int, amount: int, currency: str) -> None:
        """``amount`` is in billionths of the currency's unit."""
        ...


def state_of(channel: Channel) -> ChannelState:
    if channel.enabled:
        return "enabled"
    return "refused" if channel.disabled_because else "disabled"


def keep_disabled(before: Channel, after: Channel) -> Channel:
    """What the stored channel becomes. One that the gateway switched off by itself stays off: what was refused then
    would be refused again, unless whom it asks or with what has changed."""
    after = replace(after, id=before.id)
    if before.enabled or not before.disabled_because or not after.enabled:
        return after
    if any(getattr(before, fact) != getattr(after, fact) for fact in _ACCESS):
        return after
    return replace(after, enabled=False, disabled_because=before.disabled_because)
