"""One small chat request through one channel, as the gateway would send it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import click
import msgspec
from msgspec import Struct

from ..models import Channel
from ..providers.catalog import provider_of, upstream_url
from ..providers.provider import auth_headers
from ..routing import named_models, upstream_model
from ..settings import Settings
from ..upstream import Incoming, Outgoing, Timeouts, Upstream, UpstreamFault

__all__ = ["Verdict", "model_for", "probe", "probe_from_here"]

_MOST_BYTES = 1 << 20
_MOST_PROSE = 200


class Verdict(Struct, frozen=True):
    """How it went, in words fit for a terminal, and how long it took."""

    served: bool
    told: str
    seconds: float


def model_for(channel: Channel, model: str | None) -> str:
    """The upstream model to ask for: the given one, or the first that the channel names without a wildcard."""
    asked = model or next(iter(named_models(channel)), None)
    if asked is None:
        raise click.UsageError(f'channel "{channel.name}" names no single model: say --model MODEL')
    return upstream_model(channel, asked)


def probe_from_here(channel: Channel, model: str, settings: Settings) -> Verdict:
    # Imported late: it brings all that a server needs, and --help need not wait for that.
    from ..app import open_upstream

    async def run() -> Verdict:
        async with open_upstream(settings) as upstream:
            return await probe(upstream, channel, model, settings.timeouts.timeouts())

    return asyncio.run(run())


async def probe(upstream: Upstream, channel: Channel, model: str, timeouts: Timeouts) -> Verdict:
    """Ask ``model`` of the channel, with the first of its keys, for a word."""
    key = channel.api_keys[0].reveal() if channel.api_keys else ""
    start = time.monotonic()
    try:
        async with asyncio.timeout(timeouts.total):
            incoming = await upstream.send(_request(channel, model, key, timeouts))
            body = await _read(incoming)
    except UpstreamFault as fault:
        return Verdict(False, _printable(str(fault), key), time.monotonic() - start)
    except TimeoutError:
        return Verdict(False, f"no whole answer within {timeouts.total:g} s", time.monotonic() - start)
    served, told = _judge(incoming.status, body)
    return Verdict(served, _printable(f"{incoming.status} {told}", key), time.monotonic() - start)


def _request(channel: Channel, model: str, key: str, timeouts: Timeouts) -> Outgoing:
    # No limit on the answer: half of the providers know it as max_tokens, the other half refuse that name.
    body = {"model": model, "messages": [{"role": "user", "content": "Answer with the word OK."}]}
    headers = (
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        *auth_headers(provider_of(channel), key),
    )
    return Outgoing("POST", upstream_url(channel, "/chat/completions"), headers, msgspec.json.encode(body), timeouts)


async def _read(incoming: Incoming) -> bytes:
    body = bytearray()
    try:
        async for chunk in incoming.chunks():
            body += chunk
            if len(body) > _MOST_BYTES:
                break
    finally:
        await incoming.close()
    return bytes(body)


def _judge(status: int, body: bytes) -> tuple[bool, str]:
    try:
        answer: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        answer = None
    if not isinstance(answer, dict):
        return False, f"but no JSON object: {body[:_MOST_PROSE].decode(errors='replace')}"
    if 200 <= status < 300 and answer.get("choices"):
        return True, f"answered by {answer.get('model', 'a model without a name')}"
    return False, str(answer.get("error") or answer)


def _printable(prose: str, key: str) -> str:
    """On one short line, without the key, which some providers repeat, and without escape sequences."""
    told = prose.replace(key, "…") if key else prose
    line = "".join(char if char.isprintable() else " " for char in told)
    return line if len(line) <= _MOST_PROSE else line[:_MOST_PROSE] + "…"
