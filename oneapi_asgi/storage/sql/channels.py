"""Channels, prices and groups, and the revision that tells caches of a change."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update

from ...desk.channels import NameTaken
from ...keys import key_digest
from ...models import Channel, Price, Pulse
from ...overrides import check_overrides
from ...tariffs import Group, check_group
from ..declaring import ChannelChanges
from ..vault import BrokenSeal
from .clock import Epoch
from .ledger import Clock
from .rows import (
    channel_of,
    channel_row,
    disabled_keys_of,
    disabled_keys_text,
    fitting_name,
    price_of,
    price_text,
)
from .schema import channels, groups, meta, prices
from .sealing import SEALED, sealed, secrets_of, unsealed
from .statements import Change, Insertion, cursor

__all__ = [
    "StoredChannel",
    "change_channels",
    "declared_channels",
    "delete_channel",
    "delete_group",
    "disable_channel",
    "list_channels",
    "list_groups",
    "list_prices",
    "lock_revision",
    "move_revision",
    "pulse",
    "save_channel",
    "set_group",
    "set_price",
    "stored_channels",
    "write_channel",
]


_log = logging.getLogger(__name__)

_PULSE = select(meta.c.value, Epoch()).where(meta.c.name == "revision")
_FACTS = {*Channel.__struct_fields__, "declared"} - {"id"}
_COLUMNS = tuple(column.name for column in channels.columns if column.name in _FACTS)
_in_order = itemgetter(*_COLUMNS)
_INSERT_CHANNELS = Insertion(channels, *_COLUMNS)
_NO_SECRETS = dict.fromkeys(SEALED["channels"].columns) | {"api_keys": "[]"}
"""Until a row has a number, which its secrets are bound to."""
_AT_ONCE = 500

_SAVE_CHANNELS = Change(channels, to=_COLUMNS, seen=("id",))


def pulse(connection: Connection, clock: Clock) -> Pulse:
    revision, now = connection.execute(_PULSE).one()
    return Pulse(int(revision), clock(float(now)))


def lock_revision(connection: Connection) -> None:
    """Have whoever else changes something wait, until this transaction has ended."""
    connection.execute(select(meta.c.value).where(meta.c.name == "revision").with_for_update())


def move_revision(connection: Connection) -> None:
    """The counter is made on the first call."""
    moved = connection.execute(update(meta).where(meta.c.name == "revision").values(value=meta.c.value + 1))
    if not moved.rowcount:
        connection.execute(insert(meta).values(name="revision", value=1))


class StoredChannel(NamedTuple):
    """A channel with every key, and why some of them are switched off, by their digests."""

    channel: Channel
    disabled_keys: dict[str, str]


def list_channels(connection: Connection) -> list[Channel]:
    """As calls may use them: without the keys that are switched off."""
    return [_usable(stored) for stored in stored_channels(connection, lenient=True)]


def stored_channels(
    connection: Connection, ids: Collection[int] | None = None, *, lenient: bool = False
) -> list[StoredChannel]:
    """By id; all of them, or those with one of the ids. ``lenient``: a channel whose secrets cannot be opened is off,
    and shows none; whoever is to write it again must not be.

    :raises BrokenSeal: a secret cannot be opened
    """
    wanted = select(channels).order_by(channels.c.id)
    if ids is not None:
        wanted = wanted.where(channels.c.id.in_(ids))
    found = connection.execute(wanted)
    names = tuple(found.keys())
    rows = (dict(zip(names, row, strict=True)) for row in found.all())  # each value of a mapping would be looked up
    opened = (_opened(connection, row, lenient=lenient) for row in rows)
    return [StoredChannel(channel_of(row), disabled_keys_of(row)) for row in opened]


def _opened(connection: Connection, row: Mapping[str, Any], *, lenient: bool) -> Mapping[str, Any]:
    try:
        (clear,) = unsealed(connection, channels, [row])
    except BrokenSeal as error:
        if not lenient:
            raise
        _log.error("the channel %s is off: %s", row["name"], error)
        because = {"enabled": False, "disabled_because": "its secrets cannot be opened; the log says why"}
        return {**row, **_NO_SECRETS, **because}
    return clear


def _usable(stored: StoredChannel) -> Channel:
    channel, off = stored
    if not off:
        return channel
    on = tuple(key for key in channel.api_keys if key_digest(key.reveal()) not in off)
    # Without any key it would be asked as a server that needs none.
    return replace(channel, api_keys=on, enabled=channel.enabled and bool(on or not channel.api_keys))


def declared_channels(connection: Connection) -> set[int]:
    return set(connection.scalars(select(channels.c.id).where(channels.c.declared)))


def save_channel(connection: Connection, channel: Channel) -> Channel:
    """The keys it brings are switched on. Those that are switched off are not seen by who lists channels: they stay."""
    ids = [channel.id] if channel.id else []
    for before, off in stored_channels(connection, ids, lenient=bool(channel.api_keys)):
        given = {key_digest(key.reveal()) for key in channel.api_keys}
        kept = {digest: why for digest, why in off.items() if digest not in given}
        hidden = tuple(key for key in before.api_keys if key_digest(key.reveal()) in kept)
        write_channel(connection, replace(channel, api_keys=channel.api_keys + hidden), kept)
        return channel
    return write_channel(connection, channel, {})


def write_channel(connection: Connection, channel: Channel, disabled_keys: Mapping[str, str]) -> Channel:
    """Insert (``id`` 0) or overwrite a channel with all its keys, those that are switched off too.

    :raises NameTaken: another channel has that name
    :raises KeyError: there is no channel with that id
    :raises ValueError: it changes of calls what it may not
    """
    check_overrides(channel)
    namesake = select(channels.c.id).where(channels.c.name == channel.name, channels.c.id != channel.id)
    if connection.scalar(namesake):
        raise NameTaken(channel.name)
    row = channel_row(channel) | {"disabled_keys": disabled_keys_text(channel, disabled_keys)}
    if not channel.id:
        key = connection.execute(insert(channels).values(**row | _NO_SECRETS, declared=False)).inserted_primary_key
        assert key is not None  # noqa: S101 - one row was inserted; narrows for the type checker
        channel, row = replace(channel, id=int(key[0])), secrets_of(channels, row)
    (kept,) = sealed(connection, channels, [row | {"id": channel.id}])
    if not connection.execute(update(channels).where(channels.c.id == channel.id).values(**kept)).rowcount:
        raise KeyError(channel.id)
    return channel


def delete_channel(connection: Connection, channel_id: int) -> None:
    if not connection.execute(delete(channels).where(channels.c.id == channel_id)).rowcount:
        raise KeyError(channel_id)


def disable_channel(connection: Connection, channel_id: int, because: str) -> bool:
    """Moves the revision as well, if it was enabled."""
    switched_on = update(channels).where(channels.c.id == channel_id, channels.c.enabled)
    switched = connection.execute(switched_on.values(enabled=False, disabled_because=fitting_name(because))).rowcount
    if switched:
        move_revision(connection)
    return bool(switched)


def change_channels(connection: Connection, changes: ChannelChanges) -> None:
    for number in changes.remove:
        delete_channel(connection, number)
    rows = [channel_row(channel) | {"declared": True, "id": channel.id} for channel in changes.save]
    new, old = [row for row in rows if not row["id"]], [row for row in rows if row["id"]]
    with cursor(connection) as opened:
        opened.insert(_INSERT_CHANNELS, [_in_order(row | _NO_SECRETS) for row in new])
    ids = _ids_of_names(connection, [row["name"] for row in new])
    old += [row | {"id": ids[row["name"]]} for row in new]
    with cursor(connection) as opened:
        opened.change(_SAVE_CHANNELS, [(*_in_order(row), row["id"]) for row in sealed(connection, channels, old)])


def _ids_of_names(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(names), _AT_ONCE):
        wanted = channels.c.name.in_(names[start : start + _AT_ONCE])
        found |= dict(connection.execute(select(channels.c.name, channels.c.id).where(wanted)).all())
    return found


def list_prices(connection: Connection) -> dict[str, Price]:
    rows = connection.execute(select(prices.c.model, prices.c.price))
    return {model: price_of(text) for model, text in rows}


def set_price(connection: Connection, model: str, price: Price | None) -> None:
    connection.execute(delete(prices).where(prices.c.model == model))
    if price is not None:
        connection.execute(insert(prices).values(model=model, price=price_text(price)))


def list_groups(connection: Connection) -> list[Group]:
    rows = connection.execute(select(groups.c.name, groups.c.ratio, groups.c.note)).all()
    return [Group(name=name, ratio=ratio, note=note) for name, ratio, note in sorted(rows)]


def set_group(connection: Connection, group: Group) -> None:
    check_group(group)
    connection.execute(delete(groups).where(groups.c.name == group.name))
    connection.execute(insert(groups).values(name=group.name, ratio=group.ratio, note=group.note))


def delete_group(connection: Connection, name: str) -> None:
    if not connection.execute(delete(groups).where(groups.c.name == name)).rowcount:
        raise KeyError(name)
