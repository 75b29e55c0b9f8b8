"""``oneapi-asgi import``: move in from One API or new-api."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import click
import msgspec

from ..ports import Storage
from .session import config_option, operate, settings_of
from .show import dollars, json_option, progress_bar, show
from .values import Moment

if TYPE_CHECKING:
    from ..desk.moving import Cargo, Moved, Remark
    from ..moving import Reader
    from ..storage.sql import SQLStorage
    from ..storage.sql.desk.moving import SQLMoving
    from ..storage.sql.desk.source import Source

__all__ = ["move"]

_AT_ONCE = 2_000


@click.command("import", short_help="Move in from One API or new-api.")
@click.argument("source", metavar="SOURCE")
@click.option("--apply", "keep", is_flag=True, help="Write it; without, only what would be is told.")
@click.option("--label", default="one-api", show_default=True, metavar="NAME", help="Tells several sources apart.")
@click.option("--logs/--no-logs", default=True, help="Whether past calls come along, as records.")
@click.option("--logs-since", type=Moment(end=False), metavar="TIME", help="Only calls from then on.")
@json_option
@config_option
@click.pass_context
def move(
    ctx: click.Context,
    source: str,
    keep: bool,
    label: str,
    logs: bool,
    logs_since: float | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Move users, tokens, codes, channels, prices and past calls in from SOURCE: an SQLite file, or the URL of a
    database (mysql://…, postgresql://…). SOURCE is only read.

    Without --apply nothing is written. What was moved before is left as it is here, so that it can be run again. Exit
    code 1 says that something is not carried; what, and what to do about it, is printed.
    """
    if not label or len(label) > 32 or not label.replace("-", "").isalnum():
        raise click.BadParameter("1 to 32 letters, digits and hyphens", param_hint="--label")
    from ..app import need_driver  # brings all that a server needs: --help need not wait for it

    need_driver(urlsplit(source).scheme)

    async def work(storage: Storage) -> tuple[Reader, Moved, int]:
        from ..moving import Reader
        from ..storage.sql.desk.moving import SQLMoving
        from ..storage.sql.desk.source import Source

        store = SQLMoving(cast("SQLStorage", storage))
        async with Source(source) as rows:
            reader = Reader(rows, label=label)
            cargo = await reader.read()
            moved = await store.move(cargo, apply=keep)
            calls = await _log(rows, store, cargo, moved, keep=keep, since=logs_since) if logs else 0
        return reader, moved, calls

    reader, moved, calls = operate(settings_of(config), work)
    remarks = (*reader.remarks.all(), *moved.remarks)
    report: dict[str, object] = {
        "applied": keep,
        "source": "new-api" if reader.newer else "One API",
        "tables": [*_tables(reader, moved, calls)],
        "sums": [*_sums(moved)],
        "remarks": [*map(_remark, remarks)],
    }
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        _print(report, keep=keep)
    if any(one.outcome != "changed" for one in remarks):
        ctx.exit(1)


async def _log(rows: Source, store: SQLMoving, cargo: Cargo, moved: Moved, *, keep: bool, since: float | None) -> int:
    """How many rows of the log are carried. Each portion is a transaction of its own: what was written before
    is found there, so that one may break off and begin again."""
    from ..moving.calls import call_of, event_of
    from ..moving.values import whole

    if "logs" not in rows.columns:
        return 0
    if not keep:
        return await rows.count("logs")
    names = {(moved.users[key.owner], key.name): moved.tokens[key.id] for key in cargo.keys if key.id in moved.tokens}
    last, count = 0, 0
    with progress_bar() as progress:
        task = progress.add_task("log", total=await rows.count("logs"))
        while page := await rows.rows("logs", after=last, limit=_AT_ONCE):
            recent = [row for row in page if since is None or whole(row, "created_at") >= since]
            calls = [call for row in recent if (call := call_of(row, cargo.label, moved, names))]
            events = [event for row in recent if (event := event_of(row, cargo.label, moved))]
            await store.write_log(calls, events)
            last, count = int(str(page[-1]["id"])), count + len(calls) + len(events)
            progress.advance(task, len(page))
    return count


def _tables(reader: Reader, moved: Moved, calls: int) -> Iterator[dict[str, object]]:
    for one in moved.tables:
        found = reader.found.get(one.table, one.found)
        yield {
            "table": one.table,
            "found": found,
            "carried": one.carried,
            "present": one.present,
            "skipped": found - one.carried - one.present,
        }
    yield {"table": "logs", "found": calls, "carried": calls, "present": None, "skipped": None}


def _sums(moved: Moved) -> Iterator[dict[str, object]]:
    for one in moved.holdings:
        yield {"what": one.what, "before_usd": dollars(one.before), "after_usd": dollars(one.after)}


def _remark(one: Remark) -> dict[str, object]:
    return {
        "table": one.table,
        "outcome": one.outcome,
        "rows": one.count,
        "what": one.what,
        "do": one.cure,
        "examples": one.examples,
    }


def _print(report: dict[str, object], *, keep: bool) -> None:
    for part in ("tables", "sums", "remarks"):
        rows = cast("list[dict[str, object]]", report[part])
        if rows:
            click.echo(f"{part}:", err=True)
            show(rows, as_json=False, empty="")
    now = datetime.now(UTC).strftime("%H:%M:%SZ")
    done = f"written, {now}; check it by oneapi-asgi audit" if keep else "nothing was written; add --apply to do it"
    click.echo(done, err=True)
