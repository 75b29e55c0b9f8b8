"""``oneapi-asgi price``: what models cost, before the built-in prices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..models import Price
from ..ports import Storage
from ..settings import PriceSettings
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
    """Set the price of MODEL, a name or a glob such as 'gpt-4o*', in place of its former price."""
    if not any(parts.values()):
        raise click.UsageError("name at least one price, such as --input 0.15 --output 0.60 (0 for free)")
    settings = settings_of(config)
    section = read_options(PriceSettings, {"model": model, "max_output": max_output, **parts}, {"model": "MODEL"})

    async def save(storage: Storage) -> None:
        await storage.set_price(section.model, section.price())

    operate(settings, save)
    click.echo(
        f"{model} costs ${dollars(section.input)} in, ${dollars(section.output)} out per million tokens", err=True
    )


@price.command("list")
@json_option
@config_option
def list_prices(as_json: bool, config: Path | None) -> None:
    """List the operator's own prices, in dollars."""
    prices = operate(settings_of(config), lambda storage: storage.list_prices())
    rows = [_row(model, prices[model]) for model in sorted(prices)]
    show(rows, as_json=as_json, empty="no prices of your own; the built-in ones hold")


def _row(model: str, price: Price) -> dict[str, object]:
    parts = {part: dollars(getattr(price, part)) for part in _PARTS}
    return {"model": model, **parts, "max_output": price.max_output}
