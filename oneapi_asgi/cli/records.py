"""``oneapi-asgi record``: what the calls were, what they add up to, and forgetting the old ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click
import msgspec
from msgspec.structs import replace

from ..models import CallRecord, Channel, EndReason, Token
from ..ports import Storage
from ..queries import Dimension, RecordQuery, Total
from .session import called, config_option, names, operate, settings_of
from .show import dollars, json_option, show, when
from .values import Moment

__all__ = ["record"]

E = TypeVar("E", Channel, Token)

_PAGE = 1_000
_BATCH = 1_000


class _Day(click.ParamType[date]):
    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f'"{value}" is no day such as 2026-01-31', param, ctx)


def _by(value: str) -> tuple[Dimension, ...]:
    """``day,model``"""
    found = names(value)
    known = get_args(Dimension)
    if set(found) - set(known) or len(set(found)) < len(found):
        raise click.BadParameter(f'"{value}" is not some of {", ".join(known)}')
    return cast("tuple[Dimension, ...]", found)


@click.group()
def record() -> None:
    """What happened to the calls. Days and times are UTC."""


@record.command("list")
@click.option("--token", metavar="NAME|ID", help="Of this token.")
@click.option("--user", metavar="NAME|ID", help="Of the tokens of this user.")
@click.option("--channel", metavar="NAME|ID", help="Served by this channel.")
@click.option("--model", metavar="MODEL", help="That asked for this model.")
@click.option("--status", type=click.IntRange(0, 999), metavar="N", help="429, or 4 for all from 400 to 499.")
@click.option("--reason", type=click.Choice(get_args(EndReason)), help="That ended so.")
@click.option("--since", type=Moment(), metavar="TIME", help="Such as 2026-01-31 or 2026-01-31T12:00:00Z.")
@click.option("--until", type=Moment(end=True), metavar="TIME", help="A day is included, a time is not.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="How many at most.")
@click.option("--before", metavar="CURSOR", help="Go on after another list: it says with what.")
@json_option
@config_option
def list_records(as_json: bool, config: Path | None, limit: int, before: str | None, **filters: Any) -> None:
    """List calls, the newest first."""

    async def read(storage: Storage) -> tuple[list[CallRecord], str | None, Mapping[int, str]]:
        channels = await storage.list_channels()
        query = await _query(storage, channels, **filters)
        found, cursor = await _find(storage, query, limit, before)
        return found, cursor, {channel.id: channel.name for channel in channels}

    found, cursor, channels = operate(settings_of(config), read)
    rows = [_whole(record) if as_json else _row(record, channels) for record in found]
    show(rows, as_json=as_json, empty="no such calls")
    if cursor is not None:
        click.echo(f"there are more: --before {cursor}", err=True)


@record.command("totals")
@click.option(
    "--by",
    type=_by,
    default="day",
    show_default=True,
    metavar="A,B",
    help="Told apart by day, user, token, channel, model.",
)
@click.option("--since", type=_Day(), metavar="DAY", help="The first day [default: 30 days before the last].")
@click.option("--until", type=_Day(), metavar="DAY", help="The last day [default: today].")
@click.option("--token", metavar="NAME|ID", help="Of this token.")
@click.option("--user", metavar="NAME|ID", help="Of the tokens of this user.")
@click.option("--channel", metavar="NAME|ID", help="Served by this channel.")
@click.option("--model", metavar="MODEL", help="That asked for this model.")
@json_option
@config_option
def totals(
    by: tuple[Dimension, ...], since: date | None, until: date | None, as_json: bool, config: Path | None, **only: Any
) -> None:
    """Add up the calls of some days, those of deleted records too."""
    last = until or datetime.now(UTC).date()
    first = since or last - timedelta(30)

    async def read(storage: Storage) -> list[dict[str, object]]:
        channels, tokens = await storage.list_channels(), await storage.list_tokens()
        filters = _ids(channels, tokens, **only)
        found = await storage.totals(_number(first), _number(last), by, **filters)
        known = {
            "channel": {channel.id: channel.name for channel in channels},
            "token": {token.id: token.name for token in tokens},
            "user": {token.user_id: token.user_name for token in tokens},
        }
        return [_total(total, by, known) for total in found]

    rows = operate(settings_of(config), read)
    show(rows, as_json=as_json, empty=f"no calls from {first} to {last}")


@record.command("prune")
@click.option("--before", type=Moment(), required=True, metavar="TIME", help="Such as 2026-01-31.")
@config_option
def prune(before: float, config: Path | None) -> None:
    """Delete the records of calls that began before a time. Their totals stay."""

    async def delete(storage: Storage) -> int:
        count = 0
        while some := await storage.prune_records(before, _BATCH):
            count += some
        return count

    count = operate(settings_of(config), delete)
    click.echo(f"{count} records from before {when(before)} deleted", err=True)


async def _query(
    storage: Storage, channels: Sequence[Channel], *, since: float | None, until: float | None,
    status: int | None, reason: EndReason | None, **only: str | None,
) -> RecordQuery:  # fmt: skip
    return RecordQuery(
        **_ids(channels, await storage.list_tokens(), **only),
        status=status,
        reason=reason,
        since=since,
        until=until,
    )


def _ids(
    channels: Sequence[Channel],
    tokens: Sequence[Token],
    *,
    token: str | None,
    user: str | None,
    channel: str | None,
    model: str | None,
) -> dict[str, Any]:
    """Filters by id from those that were given by name."""
    users = [replace(token, id=token.user_id, name=token.user_name) for token in tokens]
    return {
        "token_id": token and _id(token, tokens, "token"),
        "user_id": user and _id(user, users, "user"),
        "channel_id": channel and _id(channel, channels, "channel"),
        "model": model,
    }


def _id(name_or_id: str, entries: Sequence[E], kind: str) -> int:
    """An id needs nobody who has it: what was deleted has records all the same."""
    named = {entry.id for entry in entries if entry.name == name_or_id}
    if len(named) > 1:
        ids = ", ".join(map(str, sorted(named)))
        raise ValueError(f'several {kind}s are named "{name_or_id}": name one by its id ({ids})')
    if not named and name_or_id.isdecimal():
        return int(name_or_id)
    return named.pop() if named else called(name_or_id, entries, kind)[0].id


async def _find(
    storage: Storage, query: RecordQuery, limit: int, before: str | None
) -> tuple[list[CallRecord], str | None]:
    """So many records, from as many pages as that takes, and the cursor behind them."""
    found: list[CallRecord] = []
    while True:
        page = await storage.find_records(replace(query, limit=min(limit - len(found), _PAGE), before=before))
        found += page.records
        before = page.before
        if before is None or len(found) == limit:
            return found, before


def _row(record: CallRecord, channels: Mapping[int, str]) -> dict[str, object]:
    usage = record.usage
    return {
        "at": when(record.at),
        "token": record.token_name,
        "model": record.model,
        "channel": _named(record.channel_id or 0, channels),
        "status": record.status,
        "reason": record.reason,
        "input": usage and usage.input,
        "output": usage and usage.output,
        "cost_usd": dollars(record.cost),
        "seconds": round(record.duration, 3),
        "id": record.id,
    }


def _whole(record: CallRecord) -> dict[str, object]:
    facts: dict[str, object] = msgspec.to_builtins(record)
    facts.pop("cost")
    return facts | {"at": when(record.at), "cost_usd": dollars(record.cost)}


def _total(total: Total, by: Sequence[Dimension], known: Mapping[str, Mapping[int, str]]) -> dict[str, object]:
    row: dict[str, object] = {}
    for name in by:
        if name == "day":
            day = f"{total.day:08}"
            row["day"] = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        elif name == "model":
            row["model"] = total.model
        else:
            row[name] = _named(getattr(total, f"{name}_id"), known[name])
    return row | {
        "calls": total.calls,
        "failed": total.failed,
        "input": total.input,
        "output": total.output,
        "cache_read": total.cache_read,
        "cache_write": total.cache_write,
        "reasoning": total.reasoning,
        "seconds": round(total.duration, 3),
        "cost_usd": dollars(total.cost),
    }


def _named(number: int, known: Mapping[int, str]) -> str | None:
    """The name, else the id in brackets: of what was deleted nothing else is left."""
    return known.get(number, f"[{number}]") if number else None


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
