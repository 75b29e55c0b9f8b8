"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

__all__ = ["Column", "markdown", "number"]

Row = TypeVar("Row")
Column: TypeAlias = tuple[str, Callable[[Row], str]]
"""A heading, and what stands under it for a row."""


def markdown(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> str:
    lines = ["| " + " | ".join(name for name, _ in columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(cell(row) for _, cell in columns) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
