"""``oneapi-asgi price``: what models cost, before the built-in prices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..models import Price, Tier
from ..ports import Storage
from ..settings import PriceSettings, Settings
from .session import config_option, operate, read_options, settings_of
from .show import dollars, json_option, show

__all__ = ["price"]

_MILLION = "dollars per million tokens"
_PARTS = {
    "input": _MILLION,
    "output": _MILLION,
    "cache_read": f"{_MILLION}; as input if not given",
    "cache_write": f"{_MILLION}; as input if not given",
    "cache_write_1h": f"{_MILLION}; as cache-write if not given",
    "reasoning": f"{_MILLION}; as output if not given",
    "input_audio": f"{_MILLION}; as input if not given",
    "output_audio": f"{_MILLION}; as output if not given",
    "input_image": f"{_MILLION}; as input if not given",
    "output_image": f"{_MILLION}; as output if not given",
    "audio_minute": "dollars per minute of audio",
    "per_call": "dollars per call",
}
_FREE = Price()


def _part_options(command: Callable[..., None]) -> Callable[..., None]:
    for part, unit in reversed(_PARTS.items()):
        flag = "--" + part.replace("_", "-")
        command = click.option(flag, part, metavar="USD", help=unit[0].upper() + unit[1:] + ".")(command)
    return command


@click.group()
def price() -> None:
    """The operator's own prices, which win over the built-in ones."""


@price.command("set")
@click.argument("model")
@_part_options
@click.option("--max-output", type=int, metavar="N", help="The most tokens that the model puts out.")
@config_option
def set_price(model: str, max_output: int | None, config: Path | None, **parts: Any) -> None:
    """Set the price of MODEL. It is a name or a glob such as 'gpt-4o*', and loses its former price."""
    if not any(parts.values()):
        raise click.UsageError("name at least one price, such as --input 0.15 --output 0.60 (0 for free)")
    settings = settings_of(config)
    section = read_options(PriceSettings, {"model": model, "max_output": max_output, **parts}, {"model": "MODEL"})

    async def save(storage: Storage) -> None:
        await storage.set_price(section.model, section.price())

    operate(settings, save)
    told = (f"{part.replace('_', '-')} ${dollars(nano)}" for part, nano in section.given().items())
    click.echo(f"price of {model}: {', '.join(told)}", err=True)
    _tell_if_declared(model, settings)


@price.command("remove")
@click.argument("model")
@config_option
def remove(model: str, config: Path | None) -> None:
    """Remove the price of MODEL. It is written as it was set; a built-in price holds again."""
    settings = settings_of(config)

    async def unset(storage: Storage) -> bool:
        known = model in await storage.list_prices()
        if known:
            await storage.set_price(model, None)
        return known

    if not operate(settings, unset):
        if model in _declared(settings):
            raise click.ClickException(f'the price of "{model}" is declared in the settings: remove it there')
        raise click.ClickException(f'no price is set for "{model}"; see oneapi-asgi price list')
    click.echo(f"price of {model} removed", err=True)
    _tell_if_declared(model, settings)


@price.command("list")
@json_option
@config_option
def list_prices(as_json: bool, config: Path | None) -> None:
    """List the operator's own prices, in dollars. They are those that were set, and those that the settings declare."""
    settings = settings_of(config)
    declared = _declared(settings)
    prices = {**operate(settings, lambda storage: storage.list_prices()), **declared}
    rows = [_row(model, prices[model], declared=model in declared) for model in sorted(prices)]
    show(rows, as_json=as_json, empty="no prices of your own; the built-in ones hold")


def _declared(settings: Settings) -> dict[str, Price]:
    return {section.model: section.price() for section in settings.prices}


def _tell_if_declared(model: str, settings: Settings) -> None:
    if model in _declared(settings):
        click.echo(f'the settings declare a price of "{model}" too, and theirs holds', err=True)


def _row(model: str, price: Price, *, declared: bool) -> dict[str, object]:
    parts = {part: dollars(getattr(price, part)) for part in _PARTS}
    tiers = [_tier(tier) for tier in price.tiers]
    return {"model": model, **parts, "max_output": price.max_output, "tiers": tiers, "declared": declared}


def _tier(tier: Tier) -> dict[str, object]:
    """Without the parts that it does not price apart."""
    return {"above": tier.above} | {
        part: dollars(nano) for part in _PARTS if (nano := getattr(tier.price, part)) != getattr(_FREE, part)
    }
