"""One small chat request through one channel, as the gateway would send it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import click
import msgspec
from msgspec import Struct

from ..errors import GatewayError
from ..models import Channel
from ..overrides import check_overrides, credentials_in
from ..pool import named_models, upstream_model
from ..providers.access import Unsigned, overridden, own_headers, signed
from ..providers.route import Route, access_of, place_of, route_of
from ..settings import Settings
from ..tickets import Tickets
from ..upstream import Incoming, Outgoing, Timeouts, Upstream, UpstreamFault
from ..wire.changes import changed, with_prompt
from ..wire.chat import Chat, Message, Target, Text
from ..wire.dialect import MalformedAnswerError
from ..wire.openai.paths import OPERATIONS
from ..wire.watch import Watch

__all__ = ["Verdict", "model_for", "probe", "probe_from_here"]

_MOST_BYTES = 1 << 20
_MOST_PROSE = 200
_CHAT = OPERATIONS["/chat/completions"]
_HEADERS = (
    ("content-type", "application/json"),
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "oneapi-asgi"),
)


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
            served, told = await _ask(upstream, channel, model, key, timeouts)
    except UpstreamFault as fault:
        served, told = False, str(fault)
    except (ValueError, GatewayError) as error:
        served, told = False, str(error)
    except TimeoutError:
        served, told = False, f"no whole answer within {timeouts.total:g} s"
    secrets = (key, *credentials_in(channel.headers))
    return Verdict(served, _printable(told, secrets), time.monotonic() - start)


async def _ask(upstream: Upstream, channel: Channel, model: str, key: str, timeouts: Timeouts) -> tuple[bool, str]:
    check_overrides(channel)
    route = route_of(channel, _CHAT, model, stream=False)
    if route is None:
        return False, "this kind of channel does not talk"
    target = Target(model=model, stream=route.stream, quirks=frozenset(route.quirks), options=channel.options)
    incoming = await upstream.send(await _request(upstream, channel, route, target, key, timeouts))
    body = await _read(incoming)
    served, told = _judge(route, target, incoming.status, body)
    return served, f"{incoming.status} {told}"


async def _request(
    upstream: Upstream, channel: Channel, route: Route, target: Target, key: str, timeouts: Timeouts
) -> Outgoing:
    message = Message(role="user", parts=(Text(text="Answer with the word OK."),))
    chat = Chat(model=target.model, messages=(message,), stream=route.stream)
    if channel.system_prompt:
        chat = with_prompt(chat, channel.system_prompt)
    written = route.dialect.write(chat, target)
    place = place_of(channel, route, target.model, route.path)
    access = access_of(route.provider, route.dialect)
    ticket = await Tickets(upstream, timeouts).get(access, key, channel.options, channel.proxy)
    own = own_headers(channel)
    headers = overridden((*_HEADERS, *route.dialect.headers, *written.headers), own)
    body = access.body(msgspec.json.encode(changed(written.body, channel, _CHAT)), place)
    unsigned = Unsigned("POST", access.url(place, key), headers, body, channel.options)
    sent = signed(access, unsigned, key, ticket, time.time(), own)
    return Outgoing("POST", unsigned.url, sent, body, timeouts, channel.proxy)


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


def _judge(route: Route, target: Target, status: int, body: bytes) -> tuple[bool, str]:
    if not 200 <= status < 300:
        return False, route.dialect.refusal(status, body).message
    watch = Watch()
    try:
        if target.stream:
            decoder = route.dialect.decoder(target)
            watch.see([*decoder.feed(body), *decoder.finish()])
        else:
            watch.see(route.dialect.decode(body, target))
    except MalformedAnswerError:
        return False, f"but no answer that can be read: {body[:_MOST_PROSE].decode(errors='replace')}"
    if watch.failed or not watch.started:
        return False, "but an error, or nothing at all"
    return True, f"answered by {target.model}"


def _printable(prose: str, secrets: Sequence[str]) -> str:
    """On one short line, without secrets, which some providers repeat, and without escape sequences."""
    for secret in secrets:
        prose = prose.replace(secret, "…") if secret else prose
    line = "".join(char if char.isprintable() else " " for char in prose)
    return line if len(line) <= _MOST_PROSE else line[:_MOST_PROSE] + "…"
