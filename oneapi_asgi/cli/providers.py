"""``oneapi-asgi providers``: the catalog."""

from __future__ import annotations

import click

from ..providers.catalog import CATALOG, COMMON_OPTIONS, find_provider
from ..providers.provider import Provider
from .show import json_option, show

__all__ = ["providers"]


@click.command(short_help="What a channel can be: vendors, clouds, servers of your own.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@json_option
def providers(ids: tuple[str, ...], as_json: bool) -> None:
    """List the providers that a channel can name; of those that are named, all that there is to know."""
    rows = [_found(name) for name in ids] or list(CATALOG.values())
    if as_json or not ids:
        show([_row(provider, whole=as_json) for provider in rows], as_json=as_json, empty="")
        return
    click.echo("\n\n".join(map(_told, rows)))


def _found(name: str) -> Provider:
    try:
        return find_provider(name)
    except ValueError as error:
        raise click.UsageError(f'"{name}": {error}') from None


def _row(provider: Provider, *, whole: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "id": provider.id,
        "name": provider.name,
        "dialects": provider.dialects,
        "base_url": provider.base_url,
        "key_format": provider.key_format,
        "options": provider.options if whole else list(provider.options),
    }
    more = {
        "quirks": sorted(provider.quirks),
        "one_api_types": provider.one_api_types,
        "bases": provider.bases,
        "note": provider.note,
    }
    return row | more if whole else row


def _told(provider: Provider) -> str:
    """A line each of what is not empty."""
    lines = [
        ("dialects", ", ".join(provider.dialects)),
        ("base URL", provider.base_url or "its own for each customer: --base-url"),
        *((f"  of {dialect}", base_url) for dialect, base_url in provider.bases.items()),
        ("key", provider.key_format),
        *((f"option {name}", what) for name, what in {**provider.options, **COMMON_OPTIONS}.items()),
        ("quirks", ", ".join(sorted(provider.quirks))),
        ("One API types", ", ".join(map(str, provider.one_api_types))),
        ("note", provider.note),
    ]
    width = max(len(name) for name, said in lines if said) + 2
    return "\n".join([f"{provider.id}: {provider.name}", *(f"  {name:{width}}{said}" for name, said in lines if said)])
