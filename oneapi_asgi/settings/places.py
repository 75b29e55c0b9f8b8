"""Where a setting stands, and how a mistake in it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Self

from msgspec import Struct, structs

__all__ = ["FromEnvironment", "Mistakes", "Place", "SettingsError", "did_you_mean"]

_WIDTH: Final = 80
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_HUGE: Final = 10**_WIDTH


class SettingsError(Exception):
    """What is wrong with the settings: one line per mistake, fit to be shown."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Mistakes:
    """Collects: a ``with mistakes:`` block ends at its first mistake, and the reading goes on behind it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> bool:
        if not isinstance(error, SettingsError):
            return False
        self.lines += error.lines
        return True

    def done(self) -> None:
        """
        :raises SettingsError: there were mistakes
        """
        if self.lines:
            raise SettingsError(self.lines)


class FromEnvironment(str):
    """A value that was given as a variable: text, even where a number or a truth value is meant."""

    __slots__ = ()


class Place(Struct, frozen=True):
    """The path of a value, with what its references are resolved against.

    ``origins`` names the variables that overrode the file, by path.
    """

    path: str
    environ: Mapping[str, str]
    folder: Path
    origins: Mapping[str, str] = {}

    def key(self, name: str) -> Self:
        part = name if _BARE_KEY.fullmatch(name) else json.dumps(name)
        return structs.replace(self, path=f"{self.path}.{part}" if self.path else part)

    def item(self, index: int) -> Self:
        return structs.replace(self, path=f"{self.path}[{index}]")

    def mistake(self, text: str) -> SettingsError:
        """For values that must not be shown, or that are not there."""
        return SettingsError([f"{self}: {text}"])

    def wrong(self, value: object, text: str) -> SettingsError:
        shown = _show(value)
        return SettingsError([f"{self} = {shown}: {text}"]) if shown else self.mistake(text)

    def __str__(self) -> str:
        root = self.path.partition("[")[0]
        if root not in self.origins:
            root = root.partition(".")[0]  # of a table that was given as a whole
        return self.origins.get(root, root) + self.path[len(root) :]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _show(value: object) -> str:
    """A value on one line, short, and without the password of a URL; empty for lists and tables."""
    if isinstance(value, str):
        start, end = value.find("//"), value.rfind("@")
        text = f"{value[:start]}//…{value[end:]}" if 0 <= start < end else value
        return json.dumps(text if len(text) <= _WIDTH else text[:_WIDTH] + "…", ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        # Python refuses to print integers of some thousand digits, and nobody reads them.
        return str(value)[:_WIDTH] if isinstance(value, Decimal) or abs(value) < _HUGE else ""
    return value.isoformat() if isinstance(value, date) else ""
