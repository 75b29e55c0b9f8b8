"""``oneapi-asgi limit``: how much tokens, users, groups, models and channels may use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
from msgspec.structs import replace

from ..models import Limit, LimitScope, Period
from ..ports import Storage
from ..settings import LimitSettings, Settings
from .session import config_option, operate, read_options, settings_of
from .show import dollars, json_option, show

__all__ = ["limit"]

_FLAGS = {
    "scope": "SCOPE",
    "name": "NAME",
    "requests_per_minute": "--rpm",
    "tokens_per_minute": "--tpm",
    "concurrent_calls": "--calls",
}
_UNITS = ("requests per minute", "tokens per minute", "calls at once")


@click.group(short_help="Limits of rates and calls, and budgets.")
def limit() -> None:
    """How much each of the tokens, users, groups, models or channels may use.

    A limit has a SCOPE (token, user, group, model, channel) and a NAME, which may be a glob: '*' is every one of them,
    each for itself.
    """


def _which(command: Callable[..., None]) -> Callable[..., None]:
    """What tells limits apart."""
    rolling = click.option("--rolling", is_flag=True, help="The time that just passed, not the calendar's (UTC).")
    period = click.option(
        "--period", type=click.Choice(get_args(Period)), default="month", show_default=True, help="Of the budget."
    )
    name = click.argument("name")
    scope = click.argument("scope", type=click.Choice(get_args(LimitScope)))
    return scope(name(period(rolling(command))))


@limit.command("set")
@_which
@click.option("--rpm", "requests_per_minute", type=int, metavar="N", help="Requests per minute.")
@click.option("--tpm", "tokens_per_minute", type=int, metavar="N", help="Tokens per minute, input and output.")
@click.option("--calls", "concurrent_calls", type=int, metavar="N", help="Calls at one moment.")
@click.option("--budget-usd", metavar="USD", help="Dollars per period.")
@config_option
def set_limit(config: Path | None, **options: Any) -> None:
    """Set a limit. It loses its former numbers; what was spent of its budget stays spent."""
    settings = settings_of(config)
    wanted = read_options(LimitSettings, options, _FLAGS).limit()

    async def save(storage: Storage) -> None:
        known = {_identity(one): one.id for one in await storage.list_limits()}
        await storage.save_limit(replace(wanted, id=known.get(_identity(wanted), 0)))

    operate(settings, save)
    click.echo(f"{_title(wanted)}: {', '.join(_terms(wanted))}", err=True)
    _tell_if_declared(wanted, settings)


@limit.command("remove")
@_which
@config_option
def remove(config: Path | None, **which: Any) -> None:
    """Remove a limit. Its name is written as it was set."""
    settings, wanted = settings_of(config), Limit(**which)

    async def delete(storage: Storage) -> None:
        known = await storage.list_limits()
        found = next((one for one in known if _identity(one) == _identity(wanted)), None)
        if found is None:
            raise ValueError(_missing(wanted, [one for one in known if one.scope == wanted.scope]))
        await storage.delete_limit(found.id)

    operate(settings, delete)
    click.echo(f"{_title(wanted)} removed", err=True)
    _tell_if_declared(wanted, settings)


def _missing(wanted: Limit, alike: list[Limit]) -> str:
    others = ", ".join(_title(one) for one in alike) or "none of that scope"
    return f"there is no {_title(wanted)}; there is {others}"


@limit.command("list")
@json_option
@config_option
def list_limits(as_json: bool, config: Path | None) -> None:
    """List the limits."""
    settings = settings_of(config)
    limits = operate(settings, lambda storage: storage.list_limits())
    known = [replace(one, id=0) for one in limits]
    declared = [section.limit() for section in settings.limits]
    show(
        [_row(one) for one in limits],
        as_json=as_json,
        empty="no limits; set one: oneapi-asgi limit set SCOPE NAME",
        waiting=[_title(one) for one in declared if one not in known],
    )


def _row(one: Limit) -> dict[str, object]:
    return {
        "id": one.id,
        "scope": one.scope,
        "name": one.name,
        "rpm": one.requests_per_minute,
        "tpm": one.tokens_per_minute,
        "calls": one.concurrent_calls,
        "budget_usd": dollars(one.budget),
        "period": None if one.budget is None else one.period,
        "rolling": None if one.budget is None else one.rolling,
    }


def _identity(one: Limit) -> tuple[object, ...]:
    return one.scope, one.name, one.period, one.rolling


def _title(one: Limit) -> str:
    """Without the period that limits have unless somebody says otherwise."""
    period = "" if (one.period, one.rolling) == ("month", False) else f" per {_period(one)}"
    return f"limit of {one.scope} {one.name}{period}"


def _period(one: Limit) -> str:
    return f"rolling {one.period}" if one.rolling else one.period


def _terms(one: Limit) -> list[str]:
    numbers = (one.requests_per_minute, one.tokens_per_minute, one.concurrent_calls)
    terms = [f"{number} {unit}" for number, unit in zip(numbers, _UNITS, strict=True) if number is not None]
    return terms if one.budget is None else [*terms, f"${dollars(one.budget)} per {_period(one)}"]


def _tell_if_declared(one: Limit, settings: Settings) -> None:
    if _identity(one) in [_identity(section.limit()) for section in settings.limits]:
        click.echo(f"the settings declare the {_title(one)}: it is as they say at the gateway's next start", err=True)
