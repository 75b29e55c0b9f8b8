"""Options that several benchmarks have."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from .databases import SERVERS

__all__ = ["add_databases", "numbers", "words"]


def words(allowed: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        found = text.split(",")
        if wrong := set(found) - set(allowed):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(wrong))}: choose from {', '.join(allowed)}")
        return found

    return parse


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def add_databases(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    parser.add_argument("--databases", type=words(names), default=list(names), help=",".join(names))
    for name, url in SERVERS.items():
        parser.add_argument(
            f"--{name}", default=url, metavar="URL", help=f"of an account that may create databases; {url}"
        )
