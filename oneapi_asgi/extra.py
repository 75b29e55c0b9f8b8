"""How it is told that an extra was not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

__all__ = ["MissingExtra", "installed", "needs"]


class MissingExtra(ImportError):
    """Names the module that is missing, and the remedy."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """
    :raises MissingExtra: the block imports a module that is not there, and is not the project's own
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", __package__):
            raise
        remedy = f"pip install 'oneapi-asgi[{extra}]', in a checkout pip install '.[{extra}]'"
        raise MissingExtra(f"oneapi-asgi needs {missing}: {remedy}", name=missing) from error


def installed(*modules: str) -> bool:
    """Whether all of them could be imported, for what is offered only where they are."""
    return all(_is_there(module) for module in modules)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # imported, and without a spec: tests, and frozen programs
        return False
