"""One small request through one channel, as the gateway would send it: does it serve, and what does it offer?

    verdict = await try_channel(upstream, channel, "gpt-4o", Timeouts())
    names = await offered_models(upstream, channel, Timeouts())

Nothing is reserved, recorded or retried.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from .errors import GatewayError
from .models import Channel
from .overrides import check_overrides, credentials_in
from .pool import named_models, upstream_model
from .providers.access import Access, Place, Unsigned, overridden, own_headers, signed
from .providers.catalog import base_url_of, offered, provider_of
from .providers.route import Route, access_of, place_of, route_of
from .tickets import Tickets
from .unreadable import UNREADABLE
from .upstream.seam import Incoming, Outgoing, Timeouts, Upstream, UpstreamFault
from .wire.changes import changed, with_prompt
from .wire.chat import Chat, Message, Target, Text, Written
from .wire.dialect import Embedder, MalformedAnswerError, UpstreamDialect
from .wire.dialects import UPSTREAMS
from .wire.events import TextDelta
from .wire.openai.paths import OPERATIONS
from .wire.operations import Operation
from .wire.tasks import Embed
from .wire.watch import Watch

__all__ = ["NoModel", "Verdict", "model_of", "offered_models", "try_channel"]

_MOST_BYTES = 1 << 20
_MOST_PROSE = 200
_MOST_MODELS = 5_000
_CHAT = OPERATIONS["/chat/completions"]
_EMBEDDINGS = OPERATIONS["/embeddings"]
_EMBEDDERS = ("embed", "bge-", "gte-", "m3e", "e5-")
"""In the names of models that cannot talk."""

_HEADERS = (
    ("content-type", "application/json"),
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "oneapi-asgi"),
)
_LISTS: Final[Mapping[str, str]] = {
    "openai": "/models",
    "responses": "/models",
    "anthropic": "/models?limit=1000",
    "gemini": "/models?pageSize=1000",
    "cohere": "/models?page_size=1000",
    "ollama": "/api/tags",
}
"""Where each format lists its models, below base URL and version."""

_VERSIONS: Final[Mapping[str, str]] = {"cohere": "v1"}
"""Of lists that are of another version than the rest."""


class NoModel(ValueError):
    def __init__(self, channel: Channel) -> None:
        super().__init__(f'channel "{channel.name}" names no single model')


class Verdict(Struct, frozen=True):
    """How it went, in words fit for a terminal, and how many seconds it took. ``code`` is what went wrong, without an
    upstream's words: ``http_401``, a fault of ``upstream``, ``timeout``, ``malformed``; empty where it served.
    ``answer`` is what the model said, its beginning, on one line."""

    served: bool
    told: str
    seconds: float
    code: str = ""
    answer: str = ""


class _Failed(Exception):
    def __init__(self, code: str, told: str) -> None:
        super().__init__(told)
        self.code = code


def model_of(channel: Channel, model: str = "") -> str:
    """The upstream model to ask for: the given one, or the first that the channel names without a wildcard.

    :raises NoModel: it names none
    """
    asked = model or next(iter(named_models(channel)), None)
    if asked is None:
        raise NoModel(channel)
    return upstream_model(channel, asked)


async def try_channel(
    upstream: Upstream, channel: Channel, model: str, timeouts: Timeouts, *, stream: bool = False, key: int = 0
) -> Verdict:
    """Ask the upstream ``model`` of the channel for a word (or the vector of one), with the key at that index."""
    secret = channel.api_keys[key].reveal() if channel.api_keys else ""
    start = time.monotonic()
    code = answer = ""
    try:
        async with asyncio.timeout(timeouts.total):
            told, answer = await _ask(upstream, channel, model, secret, timeouts, stream)
    except UpstreamFault as fault:
        code, told = fault.kind, str(fault)
    except _Failed as failed:
        code, told = failed.code, str(failed)
    except (ValueError, GatewayError) as error:
        code, told = "misconfigured", str(error)
    except TimeoutError:
        code, told = "timeout", f"no whole answer within {timeouts.total:g} s"
    secrets = (secret, *credentials_in(channel.headers))
    seconds = time.monotonic() - start
    return Verdict(not code, _printable(told, secrets), seconds, code, _printable(answer, secrets))


async def _ask(
    upstream: Upstream, channel: Channel, model: str, key: str, timeouts: Timeouts, stream: bool
) -> tuple[str, str]:
    """How it went, and what the model said."""
    check_overrides(channel)
    operation = _EMBEDDINGS if any(part in model.lower() for part in _EMBEDDERS) else _CHAT
    route = route_of(channel, operation, model, stream=stream and operation is _CHAT)
    if route is None:
        raise _Failed("misconfigured", "this kind of channel does not talk")
    target = Target(model=model, stream=route.stream, quirks=frozenset(route.quirks), options=channel.options)
    written = _written(route, target, operation, channel.system_prompt)
    place = place_of(channel, route, target.model, route.path)
    access = access_of(route.provider, route.dialect)
    headers = overridden((*_HEADERS, *route.dialect.headers, *written.headers), own_headers(channel))
    body = access.body(msgspec.json.encode(changed(written.body, channel, operation)), place)
    request = Unsigned("POST", access.url(place, key), headers, body, channel.options)
    status, answer = await _exchange(upstream, channel, access, request, key, timeouts)
    if not 200 <= status < 300:
        raise _Failed(f"http_{status}", f"{status} {route.dialect.refusal(status, answer).message}")
    said = _judge(route, target, operation, status, answer)
    return f"{status} answered by {target.model}", said


def _written(route: Route, target: Target, operation: Operation, prompt: str) -> Written:
    if operation is _EMBEDDINGS:
        return _embedder(route).write_embed(Embed(model=target.model, inputs=("OK",), batched=False), target)
    message = Message(role="user", parts=(Text(text="Answer with the word OK."),))
    chat = Chat(model=target.model, messages=(message,), stream=route.stream)
    return route.dialect.write(with_prompt(chat, prompt) if prompt else chat, target)


def _embedder(route: Route) -> Embedder:
    if not isinstance(route.dialect, Embedder):
        raise _Failed("misconfigured", "this kind of channel makes no embeddings")
    return route.dialect


async def _exchange(
    upstream: Upstream, channel: Channel, access: Access, request: Unsigned, key: str, timeouts: Timeouts
) -> tuple[int, bytes]:
    ticket = await Tickets(upstream, timeouts).get(access, key, request.options, channel.proxy)
    headers = signed(access, request, key, ticket, time.time(), own_headers(channel))
    outgoing = Outgoing(request.method, request.url, headers, request.body, timeouts, channel.proxy)
    incoming = await upstream.send(outgoing)
    return incoming.status, await _read(incoming)


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


def _judge(route: Route, target: Target, operation: Operation, status: int, body: bytes) -> str:
    """What the model said, empty for vectors.

    :raises _Failed: what came is no answer
    """
    try:
        said = _said(route, target, operation, body)
    except MalformedAnswerError:
        shown = body[:_MOST_PROSE].decode(errors="replace")
        raise _Failed("malformed", f"{status} but no answer that can be read: {shown}") from None
    if said is None:
        raise _Failed("malformed", f"{status} but an error, or nothing at all")
    return said


def _said(route: Route, target: Target, operation: Operation, body: bytes) -> str | None:
    """None if it did not serve."""
    if operation is _EMBEDDINGS:
        return "" if _embedder(route).decode_embed(body).vectors else None
    watch = Watch()
    if target.stream:
        decoder = route.dialect.decoder(target)
        events = [*decoder.feed(body), *decoder.finish()]
    else:
        events = [*route.dialect.decode(body, target)]
    watch.see(events)
    if not watch.started or watch.failed:
        return None
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# What a channel offers


async def offered_models(upstream: Upstream, channel: Channel, timeouts: Timeouts, *, key: int = 0) -> list[str]:
    """The models that the upstream lists, as it calls them, in its order.

    :raises UpstreamFault: it cannot be reached
    :raises ValueError: this kind of channel has no list, or the answer is none; the message holds no key
    """
    provider = provider_of(channel)
    name = next((one for one in offered(channel, provider) if one in _LISTS), None)
    if name is None:
        raise ValueError(f"{provider.name} has no list of models that can be read")
    dialect = UPSTREAMS[name]
    secret = channel.api_keys[key].reveal() if channel.api_keys else ""
    access = access_of(provider, dialect)
    headers = overridden((*_HEADERS[1:], *dialect.headers), own_headers(channel))
    request = Unsigned("GET", _list_url(channel, dialect, access, secret), headers, b"", channel.options)
    try:
        async with asyncio.timeout(timeouts.total):
            status, body = await _exchange(upstream, channel, access, request, secret, timeouts)
    except TimeoutError:
        raise ValueError(f"no whole answer within {timeouts.total:g} s") from None
    except GatewayError as error:
        raise ValueError(error.message) from None
    if not 200 <= status < 300:
        raise ValueError(f"the upstream answered with status {status}")
    return _names(body)


def _list_url(channel: Channel, dialect: UpstreamDialect, access: Access, key: str) -> str:
    place = Place(
        base_url=base_url_of(channel, provider_of(channel), dialect.name),
        dialect=dialect.name,
        version=_VERSIONS.get(dialect.name, dialect.version),
        path=_LISTS[dialect.name],
        model="",
        stream=False,
        options=channel.options,
    )
    return access.url(place, key)


def _names(body: bytes) -> list[str]:
    """Of a list of objects under ``data`` or ``models``, or a list alone, each with its name as ``id``, ``name`` or
    ``model``.

    :raises ValueError: it is none
    """
    try:
        found: Any = msgspec.json.decode(body)
    except UNREADABLE:
        found = None
    listed = found.get("data", found.get("models")) if isinstance(found, dict) else found
    if not isinstance(listed, list):
        raise ValueError("the answer is no list of models")  # noqa: TRY004 - of whoever answers, not of a caller
    named = [_name(one) for one in listed[:_MOST_MODELS]]
    return list(dict.fromkeys(name for name in named if name))


def _name(entry: object) -> str:
    if not isinstance(entry, dict):
        return ""
    name = next((entry[field] for field in ("id", "name", "model") if isinstance(entry.get(field), str)), "")
    return name.removeprefix("models/") if len(name) <= 255 and name.isprintable() else ""


def _printable(prose: str, secrets: Sequence[str]) -> str:
    """On one short line, without secrets, which some providers repeat, and without escape sequences."""
    for secret in secrets:
        prose = prose.replace(secret, "…") if secret else prose
    line = "".join(char if char.isprintable() else " " for char in prose)
    return line if len(line) <= _MOST_PROSE else line[:_MOST_PROSE] + "…"
