"""How it is told that the extra ``standalone`` was not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["MissingExtra", "standalone"]


class MissingExtra(ImportError):
    """Names the module that is missing, and the remedy."""


@contextmanager
def standalone() -> Iterator[None]:
    """
    :raises MissingExtra: the block imports a module that is not there, and is not the project's own
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", __package__):
            raise
        raise MissingExtra(
            f"oneapi-asgi needs {missing}: pip install 'oneapi-asgi[standalone]'", name=missing
        ) from error
