"""``oneapi-asgi providers``: the catalog."""

from __future__ import annotations

import click

from ..providers.catalog import CATALOG
from ..providers.provider import Provider
from .show import json_option, show

__all__ = ["providers"]


@click.command()
@json_option
def providers(as_json: bool) -> None:
    """List the providers that a channel can name."""
    show([_row(provider) for provider in CATALOG.values()], as_json=as_json, empty="")


def _row(provider: Provider) -> dict[str, object]:
    return {"id": provider.id, "name": provider.name, "base_url": provider.base_url, "note": provider.note}
