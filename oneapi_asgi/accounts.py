"""Provider accounts that keep things: which one is to keep a file, which one keeps an object, and asking one of them.

What was made with a key may be unknown under any other, so an object goes with the very channel and key of its making.
What becomes of these requests says how well a channel keeps files, and nothing of its models: a key may be allowed to
chat and not to keep files.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager

import anyio
from msgspec import Struct

from .call import Call
from .errors import GatewayError, NotFound, Unavailable, UpstreamFailed
from .failure import COOLING, EJECTED, Failure, cause_of, is_callers_fault, of_fault, of_status, refusal
from .health import Standing, Trial
from .kept import OwnedObject
from .keys import key_digest
from .models import Attempt, Candidate, Channel, Token
from .overrides import check_overrides, credentials_in
from .pool import ChannelPool, serves, upstream_model
from .providers.access import Place, Unsigned, overridden, own_headers, signed
from .providers.catalog import base_url_of, offered, provider_of
from .providers.route import access_of
from .tickets import Tickets
from .upstream.seam import Incoming, Outgoing, Timeouts, Upstream, UpstreamFault
from .wire.dialects import UPSTREAMS

__all__ = ["Accounts", "Asked", "called", "digest_of", "keeps_files", "read_whole", "runs"]

_log = logging.getLogger(__name__)

_DIALECT = "openai"
_OWN_HEADERS = (("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", "oneapi-asgi"))
_MOST_ERROR = 64 * 1024
_MASK = b"***"
_LAST = ("doubtful", "out", "cooling")


# --- decisions --------------------------------------------------------------------------------------------------------


def keeps_files(channel: Channel) -> bool:
    """Whether a channel has /files and /batches: as its provider's row says, or its own option ``files``."""
    try:
        provider = provider_of(channel)
    except ValueError:
        return False
    if _DIALECT not in offered(channel, provider):
        return False
    said = channel.options.get("files", "").lower()
    return said == "yes" or (said != "no" and "files" in provider.quirks)


def called(channel: Channel, model: str) -> list[str]:
    """What callers call a model of the upstream's that the channel offers; nothing if it does not."""
    names = (model, *(name for name, own in channel.model_map.items() if own == model))
    return [name for name in names if serves(channel, name) and upstream_model(channel, name) == model]


def runs(channel: Channel, models: Iterable[str]) -> bool:
    """Whether the channel offers all of these models of the upstream's. A batch is not translated: it names them as the
    upstream does."""
    return all(called(channel, model) for model in models)


def digest_of(candidate: Candidate) -> str:
    return key_digest(_key_of(candidate))


def _key_of(candidate: Candidate) -> str:
    keys = candidate.channel.api_keys
    return keys[candidate.key].reveal() if keys else ""


def _candidates(channels: Iterable[Channel]) -> Iterator[Candidate]:
    """Always in one order, so that what belongs together comes to lie together."""
    for channel in sorted(channels, key=lambda channel: (-channel.priority, channel.id)):
        yield from (Candidate(channel, key, "") for key in range(len(channel.api_keys) or 1))


# --- asking -----------------------------------------------------------------------------------------------------------


class Asked(Struct, frozen=True):
    """A request below the base URL of a provider."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Accounts:
    """The channels of ``pool``, as far as they keep files. Refresh the pool first."""

    def __init__(self, pool: ChannelPool, upstream: Upstream, timeouts: Timeouts) -> None:
        self._pool = pool
        self._upstream = upstream
        self._timeouts = timeouts
        self._tickets = Tickets(upstream, timeouts)

    def keepers(self, call: Call, token: Token, model: str, models: Sequence[str]) -> list[Candidate]:
        """Who may keep a file, the first to be asked first: those that serve ``model`` (empty: whatever they serve) and
        run ``models``. What is cooling down comes last.

        :raises NotFound: nobody may
        """
        able = [channel for channel in self._choice(call, token, model) if keeps_files(channel)]
        found = [*_candidates(channel for channel in able if runs(channel, models))]
        if not found:
            serving = f" that serves {model[:200]!r}" if model else ""
            running = f" and runs batches of {', '.join(models)[:200]}" if able else ""
            raise NotFound(f"No channel{serving} keeps files{running}.", code="unsupported_operation")
        health = self._pool.health
        return sorted(found, key=lambda step: health.standing(step.channel, step.key, "").state in _LAST)

    def _choice(self, call: Call, token: Token, model: str) -> Iterable[Channel]:
        if call.pinned_channel is not None:
            return (self._pool.pinned(call.pinned_channel),)
        if model:
            serving = self._pool.serving(token.group, model)
            if not serving:
                raise self._pool.nobody((token.group,), model)
            return serving
        return (channel for channel in self._pool.channels if channel.enabled and token.group in channel.groups)

    def holder(self, owned: OwnedObject) -> Candidate:
        """
        :raises NotFound: the channel, or its key, is gone
        :raises Unavailable: the channel is switched off
        """
        channel = self._pool.get(owned.channel_id)
        steps = _candidates((channel,)) if channel is not None else ()
        found = next((step for step in steps if digest_of(step) == owned.key), None)
        if found is None:
            raise NotFound(
                f"The {owned.kind} {owned.id!r} lies in a provider's account that this gateway has no access to any "
                "more.",
                code="account_gone",
            )
        if not found.channel.enabled:
            raise Unavailable(f"The channel of the {owned.kind} {owned.id!r} is switched off at the moment.")
        return found

    @asynccontextmanager
    async def asked(self, call: Call, candidate: Candidate, asked: Asked) -> AsyncIterator[Incoming]:
        """The answer, of a status that says success. Notes the attempt.

        :raises UpstreamRefused: the provider says what the caller has to mend
        :raises GatewayError: there is no answer
        """
        started, kind, status, wait = time.monotonic(), "aborted", None, None
        trial = self._begun(call, candidate)
        call.serving = candidate
        try:
            incoming = await self._upstream.send(await self._outgoing(candidate, asked))
            status = incoming.status
            call.upstream_request_id = _request_id(incoming)
            try:
                await _check(incoming, candidate)
                yield incoming
                kind = ""
            finally:
                with anyio.CancelScope(shield=True):
                    await incoming.close()
        except UpstreamFault as fault:
            kind = fault.kind
            _log.warning("channel %r: %s", candidate.channel.name, fault)
            raise refusal(of_fault(fault)) from fault
        except GatewayError as error:
            kind, wait = _failure(status, kind), error.retry_after
            raise
        finally:
            _judge(trial, Failure(kind, status, wait))
            _note(call, candidate, status, kind, time.monotonic() - started)

    def _begun(self, call: Call, candidate: Candidate) -> Trial:
        """
        :raises GatewayError: the account is not to be asked now
        """
        begun = self._pool.health.begin(candidate, forced=call.pinned_channel is not None)
        if not isinstance(begun, Standing):
            return begun
        failure = Failure(COOLING if begun.state == "cooling" else EJECTED, retry_after=begun.wait)
        _note(call, candidate, None, failure.kind, 0.0)
        raise refusal(failure)

    async def _outgoing(self, candidate: Candidate, asked: Asked) -> Outgoing:
        try:
            return await self._signed(candidate, asked)
        except ValueError as error:
            _log.error("channel %r cannot be used: %s", candidate.channel.name, error)
            raise refusal(Failure("misconfigured")) from None

    async def _signed(self, candidate: Candidate, asked: Asked) -> Outgoing:
        """
        :raises ValueError: the channel is not set up as its provider needs
        :raises Unavailable: its credential cannot be exchanged
        """
        channel, key, dialect = candidate.channel, _key_of(candidate), UPSTREAMS[_DIALECT]
        check_overrides(channel)
        provider = provider_of(channel)
        access = access_of(provider, dialect)
        place = Place(
            base_url=base_url_of(channel, provider, _DIALECT),
            dialect=_DIALECT,
            version=dialect.version,
            path=asked.path,
            model="",
            stream=False,
            options=channel.options,
        )
        ticket = await self._tickets.get(access, key, channel.options, channel.proxy)
        own = own_headers(channel)
        headers = overridden((*_OWN_HEADERS, *asked.headers), own)
        unsigned = Unsigned(asked.method, access.url(place, key), headers, asked.body, channel.options)
        sent = signed(access, unsigned, key, ticket, time.time(), own)
        return Outgoing(asked.method, unsigned.url, sent, asked.body, self._timeouts, channel.proxy)


def _note(call: Call, candidate: Candidate, status: int | None, kind: str, duration: float) -> None:
    channel = candidate.channel
    call.attempts.append(Attempt(channel.id, channel.name, candidate.key, "", status, kind, duration))


def _judge(trial: Trial, failure: Failure) -> None:
    """A key that is refused here is not refused everywhere."""
    cause = cause_of(failure) if failure.kind not in ("", "not_asked") else None
    if not failure.kind and failure.status is not None and failure.status < 300:
        trial.succeeded()
    elif cause is not None and cause not in ("auth", "quota"):
        trial.failed(cause, retry_after=failure.retry_after)
    else:
        trial.left()


def _failure(status: int | None, unless_told: str) -> str:
    """What is written down of an attempt that led to a refusal; nothing if it is the caller who has to mend it."""
    if status is None:
        return "not_asked"
    if 200 <= status < 300:
        return unless_told
    return "" if is_callers_fault(status) else f"status_{status}"


async def _check(incoming: Incoming, candidate: Candidate) -> None:
    """
    :raises GatewayError: the answer is none that can be passed on
    """
    encoding = next((value.strip().lower() for name, value in incoming.headers if name == "content-encoding"), "")
    if 200 <= incoming.status < 300 and encoding in ("", "identity"):
        return
    if not is_callers_fault(incoming.status):
        raise refusal(of_status(incoming.status, incoming.headers))
    body = await read_whole(incoming, _MOST_ERROR, cut=True)
    for secret in (_key_of(candidate), *credentials_in(candidate.channel.headers)):
        body = body.replace(secret.encode(), _MASK) if secret else body
    raise UPSTREAMS[_DIALECT].refusal(incoming.status, body)


async def read_whole(incoming: Incoming, limit: int, *, cut: bool = False) -> bytes:
    """
    :raises UpstreamFault: it broke off
    :raises UpstreamFailed: there are more than ``limit`` bytes, and they must not be ``cut``
    """
    body = bytearray()
    async for chunk in incoming.chunks():
        body += chunk
        if len(body) > limit:
            if cut:
                break
            raise UpstreamFailed("The upstream's answer is too large.")
    return bytes(body[:limit])


def _request_id(incoming: Incoming) -> str:
    return next((value[:128] for name, value in incoming.headers if name == "x-request-id"), "")
