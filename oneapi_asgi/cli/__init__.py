"""The command ``oneapi-asgi``: serve, and look after channels, tokens and prices from a shell.

Results go to stdout, explanations to stderr. Exit codes: 0 done, 1 it did not work, 2 a mistake in the command or in
the settings.
"""

from __future__ import annotations

import sys

from ..extra import MissingExtra, needs

__all__ = ["main"]


def main() -> None:
    try:
        with needs("standalone"):
            from .root import root  # an extra

            root(prog_name="oneapi-asgi")  # imports more of it where a command needs it
    except MissingExtra as error:
        sys.exit(str(error))
