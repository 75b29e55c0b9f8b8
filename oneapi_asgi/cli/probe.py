"""One small request through one channel, from the command line."""

from __future__ import annotations

import asyncio

import click

from ..models import Channel
from ..settings import Settings
from ..trial import NoModel, Verdict, model_of, try_channel

__all__ = ["model_for", "probe_from_here"]


def model_for(channel: Channel, model: str | None) -> str:
    """The upstream model to ask for: the given one, or the first that the channel names without a wildcard."""
    try:
        return model_of(channel, model or "")
    except NoModel as error:
        raise click.UsageError(f"{error}: say --model MODEL") from None


def probe_from_here(channel: Channel, model: str, settings: Settings) -> Verdict:
    # Imported late: it brings all that a server needs, and --help need not wait for that.
    from ..app import open_upstream

    async def run() -> Verdict:
        async with open_upstream(settings) as upstream:
            return await try_channel(upstream, channel, model, settings.timeouts.timeouts())

    return asyncio.run(run())
