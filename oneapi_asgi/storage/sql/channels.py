"""Channels, prices and groups, and the revision that tells caches of a change."""

from __future__ import annotations

from operator import itemgetter

from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update

from ...models import Channel, Price, Pulse
from ...tariffs import Group, check_group
from ..declaring import ChannelChanges
from .clock import Epoch
from .ledger import Clock
from .rows import channel_of, channel_row, fitting_name, price_of, price_text
from .schema import channels, groups, meta, prices
from .statements import Change, Insertion, cursor

__all__ = [
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
]


_PULSE = select(meta.c.value, Epoch()).where(meta.c.name == "revision")
_FACTS = {*Channel.__struct_fields__, "declared"} - {"id"}
_COLUMNS = tuple(column.name for column in channels.columns if column.name in _FACTS)
_in_order = itemgetter(*_COLUMNS)
_INSERT_CHANNELS = Insertion(channels, *_COLUMNS)
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
    return [channel_of(row) for row in connection.execute(select(channels).order_by(channels.c.id)).mappings()]


def declared_channels(connection: Connection) -> set[int]:
    return set(connection.scalars(select(channels.c.id).where(channels.c.declared)))


def save_channel(connection: Connection, channel: Channel) -> Channel:
    namesake = select(channels.c.id).where(channels.c.name == channel.name, channels.c.id != channel.id)
    if connection.scalar(namesake):
        raise ValueError(f"there is a channel named {channel.name} already")
    row = channel_row(channel)
    if channel.id:
        if not connection.execute(update(channels).where(channels.c.id == channel.id).values(**row)).rowcount:
            raise KeyError(channel.id)
        return channel
    key = connection.execute(insert(channels).values(**row, declared=False)).inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted; narrows for the type checker
    return replace(channel, id=int(key[0]))


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
    rows = [(*_in_order(channel_row(channel) | {"declared": True}), channel.id) for channel in changes.save]
    with cursor(connection) as opened:
        opened.insert(_INSERT_CHANNELS, [row for *row, number in rows if not number])
        opened.change(_SAVE_CHANNELS, [row for row in rows if row[-1]])


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
