"""What is written on a command line, as what it means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from ..models import NANO

__all__ = ["Dollars", "Moment"]

_MOST = 1_000_000_000


class Dollars(click.ParamType[int]):
    """An amount, as nano-dollars."""

    name = "usd"

    def __init__(self, *, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            amount = Decimal(value)
            nano = int(amount * NANO) if self._least <= amount <= _MOST else None
        except (InvalidOperation, ValueError):
            self.fail(f'"{value}" is no amount of dollars, such as 0.15', param, ctx)
        if nano is None:
            self.fail(f'"{value}" is not between {self._least} and {_MOST} dollars', param, ctx)
        if nano != amount * NANO:
            self.fail(f'"{value}" has more than 9 decimals', param, ctx)
        return nano


class Moment(click.ParamType[float]):
    """Unix seconds of a moment, or of the beginning or the end of a day."""

    name = "time"

    def __init__(self, *, end: bool = False) -> None:
        self._end = end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            moment = datetime.fromisoformat(value)
            whole = len(value) <= len("2026-01-31")
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return (moment + timedelta(1) if whole and self._end else moment).timestamp()
        except (ValueError, OverflowError):
            self.fail(f'"{value}" is no time such as 2026-01-31 or 2026-01-31T12:00:00Z', param, ctx)
