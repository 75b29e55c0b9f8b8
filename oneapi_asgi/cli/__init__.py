"""The command ``oneapi-asgi``: serve, and look after channels, tokens and prices from a shell.

Results go to stdout, explanations to stderr. Exit codes: 0 done, 1 it did not work, 2 a mistake in the command or in
the settings.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    try:
        from .root import root  # an extra
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.exit(f'oneapi-asgi needs {error.name}: pip install "oneapi-asgi[standalone]"')
    root(prog_name="oneapi-asgi")
