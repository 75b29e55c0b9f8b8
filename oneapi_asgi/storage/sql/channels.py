"""Channels, prices, and the revision that tells caches of a change."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update

from ...models import Channel, Price, Pulse
from ..declaring import ChannelChanges
from ..vault import BrokenSeal
from .clock import Epoch
from .ledger import Clock
from .rows import channel_of, channel_row, fitting_name, price_of, price_text
from .schema import channels, meta, prices
from .sealing import SEALED, sealed, secrets_of, unsealed
from .statements import Change, Insertion, cursor

__all__ = [
    "change_channels",
    "declared_channels",
    "delete_channel",
    "disable_channel",
    "list_channels",
    "list_prices",
    "lock_revision",
    "move_revision",
    "pulse",
    "save_channel",
    "set_price",
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


def list_channels(connection: Connection) -> list[Channel]:
    found = connection.execute(select(channels).order_by(channels.c.id))
    names = tuple(found.keys())
    rows = (dict(zip(names, row, strict=True)) for row in found.all())  # each value of a mapping would be looked up
    return [_opened(connection, row) for row in rows]


def _opened(connection: Connection, row: Mapping[str, Any]) -> Channel:
    """One whose secrets cannot be opened is off: the others go on."""
    try:
        (clear,) = unsealed(connection, channels, [row])
    except BrokenSeal as error:
        _log.error("the channel %s is off: %s", row["name"], error)
        because = {"enabled": False, "disabled_because": "its secrets cannot be opened; the log says why"}
        clear = {**row, **_NO_SECRETS, **because}
    return channel_of(clear)


def declared_channels(connection: Connection) -> set[int]:
    return set(connection.scalars(select(channels.c.id).where(channels.c.declared)))


def save_channel(connection: Connection, channel: Channel) -> Channel:
    namesake = select(channels.c.id).where(channels.c.name == channel.name, channels.c.id != channel.id)
    if connection.scalar(namesake):
        raise ValueError(f"there is a channel named {channel.name} already")
    row = channel_row(channel)
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
