"""Channels as they are looked after, in the database. Keys are read and written by ``storage.sql.channels`` alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select, update

from ....desk.channels import (
    ChannelDeclared,
    ChannelOrder,
    ChannelPage,
    ChannelQuery,
    ChannelState,
    KeptChannel,
    Revise,
    Which,
)
from ....globs import matches
from ....models import Channel
from ..channels import delete_channel, lock_revision, stored_channels, write_channel
from ..ledger import Clock, moment
from ..portable import Total
from ..rows import fitting_name
from ..schema import channels, daily_totals
from ..store import SQLStorage

__all__ = ["SQLChannels"]

_MOST_DIGITS = 18

_BESIDE = (
    "tag",
    "note",
    "test_model",
    "created_at",
    "declared",
    "tested_at",
    "response_ms",
    "test_error",
    "balance",
    "balance_currency",
    "balance_updated_at",
)
_FACTS = select(channels.c.id, *[channels.c[name] for name in _BESIDE])
_STATES: Mapping[ChannelState, ColumnElement[bool]] = {
    "enabled": channels.c.enabled,
    "disabled": and_(~channels.c.enabled, channels.c.disabled_because == ""),
    "refused": and_(~channels.c.enabled, channels.c.disabled_because != ""),
}
_ORDERS: Mapping[ChannelOrder, ColumnElement[Any]] = {
    "name": channels.c.name.asc(),
    "priority": channels.c.priority.desc(),
    "weight": channels.c.weight.desc(),
    "created_time": channels.c.created_at.desc(),
    # What was never measured comes last, and databases disagree about where NULL belongs.
    "response_time": func.coalesce(channels.c.response_ms, 2**62).asc(),
    "test_time": func.coalesce(channels.c.tested_at, 0.0).desc(),
    "balance": case((channels.c.balance.is_(None), -(2**62)), else_=channels.c.balance).desc(),
    "status": channels.c.enabled.desc(),
}


class SQLChannels:
    """``desk.channels.ChannelReader``, ``ChannelDesk`` and ``ChannelMeasures``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def channels(self, query: ChannelQuery) -> ChannelPage:
        return await self._storage.read(_page, query)

    async def find_channel(self, channel_id: int) -> KeptChannel | None:
        return await self._storage.read(_find, channel_id)

    async def all_channels(self) -> Sequence[KeptChannel]:
        return await self._storage.read(_load)

    async def add_channels(self, drafts: Collection[KeptChannel]) -> Sequence[KeptChannel]:
        return await self._storage.administer(_add, drafts, self._storage.clock)

    async def change_channels(self, which: Which, revise: Revise) -> Sequence[KeptChannel]:
        return await self._storage.administer(_change, which, revise)

    async def delete_channels(self, which: Which) -> Sequence[KeptChannel]:
        return await self._storage.administer(_delete, which)

    async def note_test(self, channel_id: int, milliseconds: int, error: str) -> None:
        def note(now: float) -> dict[str, object]:
            return {"tested_at": now, "response_ms": milliseconds, "test_error": fitting_name(error)}

        await self._storage.write(_note, channel_id, note, self._storage.clock)

    async def note_balance(self, channel_id: int, amount: int, currency: str) -> None:
        def note(now: float) -> dict[str, object]:
            return {"balance": amount, "balance_currency": currency[:16], "balance_updated_at": now}

        await self._storage.write(_note, channel_id, note, self._storage.clock)


# Reading


def _page(connection: Connection, query: ChannelQuery) -> ChannelPage:
    ordered = (_ORDERS[query.order], channels.c.id.desc()) if query.order in _ORDERS else (channels.c.id.desc(),)
    facts = (channels.c.groups, channels.c.models, channels.c.model_map) if query.group or query.model else ()
    rows = connection.execute(select(channels.c.id, *facts).where(*_conditions(query)).order_by(*ordered)).mappings()
    ids = [row["id"] for row in rows if not facts or _serves(row, query)]
    wanted = ids[query.offset : query.offset + query.limit]
    found = {kept.channel.id: kept for kept in _load(connection, wanted)}
    used = _used(connection, wanted)
    return ChannelPage([replace(found[number], used=used.get(number, 0)) for number in wanted], len(ids))


def _conditions(query: ChannelQuery) -> Iterator[ColumnElement[bool]]:
    if query.keyword:
        part = query.keyword.lower()
        likes = [
            func.lower(column).contains(part, autoescape=True)
            for column in (channels.c.name, channels.c.base_url, channels.c.tag)
        ]
        number = [channels.c.id == int(part)] if part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS else []
        yield or_(*likes, *number)
    if query.state is not None:
        yield _STATES[query.state]
    if query.providers is not None:
        yield channels.c.provider.in_(query.providers)
    if query.tag is not None:
        yield channels.c.tag == query.tag


def _serves(row: Mapping[Any, Any], query: ChannelQuery) -> bool:
    """Lists are text in the database, and globs mean nothing to it."""
    if query.group and query.group not in json.loads(row["groups"]):
        return False
    if not query.model or query.model in json.loads(row["model_map"]):
        return True
    return any(matches(query.model, name) for name in json.loads(row["models"]))


def _find(connection: Connection, channel_id: int) -> KeptChannel | None:
    used = _used(connection, [channel_id]).get(channel_id, 0)
    return next((replace(kept, used=used) for kept in _load(connection, [channel_id])), None)


def _load(connection: Connection, ids: Collection[int] | None = None, *, lenient: bool = True) -> list[KeptChannel]:
    facts = _FACTS if ids is None else _FACTS.where(channels.c.id.in_(ids))
    beside = {row["id"]: row for row in connection.execute(facts).mappings()}
    return [
        _kept(channel, off, beside[channel.id]) for channel, off in stored_channels(connection, ids, lenient=lenient)
    ]


def _kept(channel: Channel, disabled_keys: dict[str, str], row: Mapping[Any, Any]) -> KeptChannel:
    values: dict[str, Any] = {name: row[name] for name in _BESIDE}
    values["note"] = row["note"] or ""
    return KeptChannel(**values | {"declared": bool(row["declared"])}, channel=channel, disabled_keys=disabled_keys)


def _used(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """Of the totals of days: no account belongs to a channel."""
    summed = select(daily_totals.c.channel_id, Total(daily_totals.c.cost)).group_by(daily_totals.c.channel_id)
    return {number: int(cost) for number, cost in connection.execute(summed.where(daily_totals.c.channel_id.in_(ids)))}


# Changing


def _add(connection: Connection, drafts: Collection[KeptChannel], clock: Clock) -> list[KeptChannel]:
    lock_revision(connection)
    now = moment(connection, clock)
    made = []
    for draft in drafts:
        channel = write_channel(connection, replace(draft.channel, id=0), draft.disabled_keys)
        _write_beside(connection, replace(draft, channel=channel, created_at=now))
        made.append(channel.id)
    return _load(connection, made)


def _change(connection: Connection, which: Which, revise: Revise) -> list[KeptChannel]:
    lock_revision(connection)
    before = _chosen(connection, which, lenient=False)
    for kept in before:
        after = revise(kept)
        if after != kept:
            _check_declared(kept, after)
            write_channel(connection, replace(after.channel, id=kept.channel.id), after.disabled_keys)
            _write_beside(connection, after)
    return _load(connection, [kept.channel.id for kept in before])


def _delete(connection: Connection, which: Which) -> list[KeptChannel]:
    lock_revision(connection)
    chosen = _chosen(connection, which)
    declared = next((kept for kept in chosen if kept.declared), None)
    if declared is not None and which.ids:
        raise ChannelDeclared(declared.channel.name)
    gone = [kept for kept in chosen if not kept.declared]
    for kept in gone:
        delete_channel(connection, kept.channel.id)
    return gone


def _chosen(connection: Connection, which: Which, *, lenient: bool = True) -> list[KeptChannel]:
    if which.ids:
        found = _load(connection, which.ids, lenient=lenient)
        missing = set(which.ids) - {kept.channel.id for kept in found}
        if missing:
            raise KeyError(min(missing))
        return found
    condition = ~channels.c.enabled if which.off else and_(channels.c.tag == which.tag, channels.c.tag != "")
    wanted = list(connection.scalars(select(channels.c.id).where(condition)))
    return _load(connection, wanted, lenient=lenient)


def _check_declared(before: KeptChannel, after: KeptChannel) -> None:
    """Of what the settings declare it can be switched on and off, and noted what they have no place for.

    :raises ChannelDeclared: something else would change
    """
    switched = replace(before.channel, enabled=after.channel.enabled, disabled_because=after.channel.disabled_because)
    if before.declared and switched != after.channel:
        raise ChannelDeclared(before.channel.name)


def _write_beside(connection: Connection, kept: KeptChannel) -> None:
    row = {
        "tag": kept.tag,
        "note": kept.note or None,
        "test_model": kept.test_model,
        "created_at": kept.created_at,
    }
    connection.execute(update(channels).where(channels.c.id == kept.channel.id).values(**row))


def _note(connection: Connection, channel_id: int, note: Callable[[float], dict[str, object]], clock: Clock) -> None:
    values = note(moment(connection, clock))
    connection.execute(update(channels).where(channels.c.id == channel_id).values(**values))
