"""Walk the plan, stream the first answer: ``Relay`` is the innermost app of a gateway, or a failover proxy by itself.

Until the first content event any failure of an upstream moves the call to the next candidate; that event commits, and
what goes wrong after it is told in-band, in the caller's dialect. Answers pass byte for byte: JSON once it is whole,
event streams event by event, everything else as it arrives. A caller that hangs up, before or after the first byte,
ends the upstream's work within moments.

    app = Relay(upstream, plan=[Candidate(channel, 0, "gpt-4o"), ...])

*Reads* ``call.plan`` (or its own fixed one). *Writes* ``call.serving``, ``call.attempts``, ``call.progress``,
``call.usage``, ``call.reason``, ``call.first_content``, ``call.upstream_request_id``, ``call.end`` and, as the first to
read the body, what ``http.parsed`` does. Options: ``plan``, ``max_attempts``, ``timeouts``, ``health`` (who hears of
failures), ``admission`` (who is asked before each attempt), ``max_body``, ``on_error``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from functools import partial
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

import anyio
from starlette.types import Receive, Scope, Send

from .call import Call
from .delivery import AnswerCutError, Delivery
from .errors import GatewayError, UpstreamTimeout
from .failure import Failure, of_fault, refusal
from .health import Health, Unjudged
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, api_path, parsed
from .models import Attempt, Candidate, Channel, EndReason
from .providers.catalog import provider_of, upstream_url
from .providers.provider import auth_headers
from .upstream.seam import Incoming, Outgoing, Timeouts, Upstream, UpstreamFault
from .wire.request import Request

__all__ = ["Admission", "Permit", "Relay"]

_log = logging.getLogger(__name__)

_UNWATCHED = 0.02
"""Seconds: what is over sooner is over before anyone could be told that the caller has gone, and needs no watcher."""

_LAST_WORDS = 2.0
"""Seconds that a caller has to read that its answer was cut short; then the connection is."""

_PASSED_HEADERS = (b"content-type", b"accept", b"openai-beta")
_OWN_HEADERS = (("accept-encoding", "identity"), ("user-agent", "oneapi-asgi"))


_LIMITED = "rate_limited"
"""The kind of failure of a channel that was not asked, since it is over a limit of its own."""


class Permit(Protocol):
    """To make one attempt."""

    def leave(self) -> None:
        """The attempt is over, however it ended; ``call.usage`` says what it used."""
        ...


class Admission(Protocol):
    """Who is asked before each attempt."""

    async def enter(self, call: Call, channel: Channel) -> Permit | float:
        """Leave to use the channel, or the seconds until there may be."""
        ...


class Relay:
    """Sends calls upstream. ``plan`` is for calls that no router has planned; at most ``max_attempts`` are tried."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        plan: Iterable[Candidate] = (),
        max_attempts: int = 3,
        timeouts: Timeouts | None = None,
        health: Health | None = None,
        admission: Admission | None = None,
        max_body: int = MAX_BODY,
        on_error: OnError = Refusal,
    ) -> None:
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self.upstream = upstream
        self.plan = tuple(plan)
        for candidate in self.plan:
            provider_of(candidate.channel)  # a mistyped provider is told now, not by the first call
        self.max_attempts = max_attempts
        self.timeouts = timeouts or Timeouts()
        self.health = health or Unjudged()
        self.admission = admission
        self.on_error = on_error
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"Relay answers HTTP calls, not {scope['type']!r}: put Endpoints outside of it")
        call = Call.of(scope)
        try:
            request, receive = await parsed(scope, receive, max_body=self._max_body)
            await _Exchange(self, call, request, scope, receive, send).run()
        except ClientGoneError:
            call.reason = "client_gone"
        except GatewayError as error:
            await self.on_error(error, call)(scope, receive, send)


class _Exchange:
    """One call on its way through the relay: the state that must not lie on the component."""

    def __init__(self, relay: Relay, call: Call, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        self._relay = relay
        self._call = call
        self._request = request
        self._scope = scope
        self._receive = receive
        self._send = send
        self._delivery: Delivery | None = None
        self._permit: Permit | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._ended: tuple[GatewayError | None, EndReason] | None = None

    async def run(self) -> None:
        """Walk the plan within the call's time, with an eye on the caller."""
        plan = self._call.plan or self._relay.plan
        if not plan:
            raise RuntimeError("Relay has no plan: put ModelRouter outside of it, or give it a plan of its own")
        # A cancel scope would say the same, at four times the cost of the task's own cancellation.
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        foreign = task.cancelling()
        loop = asyncio.get_running_loop()
        watch = loop.call_later(_UNWATCHED, self._start_watching, task)
        clock = loop.call_later(self._relay.timeouts.total, self._end_late, task)
        self._call.end = partial(self._end, task)
        try:
            await self._walk(plan)
        except asyncio.CancelledError:
            if self._ended is None or task.uncancel() > foreign:
                raise
        finally:
            self._call.end = None
            watch.cancel()
            clock.cancel()
            if self._watcher is not None:
                self._watcher.cancel()
            self._account()
            self._leave()
        if self._ended is not None:
            await self._cut_short(*self._ended)

    def _start_watching(self, task: asyncio.Task[object]) -> None:
        self._watcher = asyncio.create_task(self._watch(task))

    async def _watch(self, task: asyncio.Task[object]) -> None:
        """Servers do not fail a send to a caller that has gone; only ``receive`` tells."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end(task, None, "client_gone")

    def _end_late(self, task: asyncio.Task[object]) -> None:
        error = UpstreamTimeout(f"The call took more than {self._relay.timeouts.total:.0f} s.")
        self._end(task, error, "upstream_cut" if self._committed else "upstream_failed")

    def _end(self, task: asyncio.Task[object], error: GatewayError | None, reason: EndReason) -> None:
        """Cut the call short, and tell the caller of the error, if there is one."""
        if self._ended is None and self._call.reason is None:  # callers who have it all leave, too
            self._ended = (error, reason)
            task.cancel()

    @property
    def _committed(self) -> bool:
        return self._delivery is not None and self._delivery.committed

    def _account(self) -> None:
        """Whatever ended the call: what an upstream has begun to do for it is paid for."""
        if self._delivery is not None and self._call.usage is None and self._call.reason is None:
            self._call.usage = self._delivery.usage()
            self._call.reason = "aborted"

    async def _cut_short(self, error: GatewayError | None, reason: EndReason) -> None:
        self._call.reason = reason
        if error is None:
            return
        if self._delivery is None or not self._delivery.committed:
            self._call.usage = None  # no answer, no charge
            await self._refuse(error)
            return
        try:
            async with asyncio.timeout(_LAST_WORDS):
                await self._delivery.break_off(error)
        except TimeoutError:  # the caller reads nothing
            raise AnswerCutError from error

    async def _refuse(self, error: GatewayError) -> None:
        await self._relay.on_error(error, self._call)(self._scope, self._receive, self._send)

    async def _walk(self, plan: tuple[Candidate, ...]) -> None:
        failure, admission = Failure(""), self._relay.admission
        for candidate in plan[: self._relay.max_attempts]:
            outcome = await (self._attempt(candidate) if admission is None else self._admitted(admission, candidate))
            if outcome is None:
                return
            failure = _weightier(failure, outcome)
        self._call.reason = "refused" if failure.kind == _LIMITED else "upstream_failed"
        await self._refuse(refusal(failure))

    async def _admitted(self, admission: Admission, candidate: Candidate) -> Failure | None:
        """Try one candidate, unless its channel is over a limit: that says nothing about the channel's health."""
        channel = candidate.channel
        entered = await admission.enter(self._call, channel)
        if isinstance(entered, int | float):
            attempt = Attempt(channel.id, channel.name, candidate.key, candidate.upstream_model, None, _LIMITED, 0.0)
            self._call.attempts.append(attempt)
            return Failure(_LIMITED, 429, entered)
        self._permit = entered
        outcome = await self._attempt(candidate)
        self._leave()
        return outcome

    def _leave(self) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.leave()

    async def _attempt(self, candidate: Candidate) -> Failure | None:
        """Try one candidate; None when the caller has its answer."""
        started = time.monotonic()
        status: int | None = None
        failure: Failure | None = Failure("aborted")
        self._call.serving = candidate.channel
        try:
            incoming = await self._relay.upstream.send(self._prepared(candidate))
            status = incoming.status
            failure = await self._delivered(incoming)
        except UpstreamFault as fault:
            _log.warning("channel %r: %s", candidate.channel.name, fault)
            failure = of_fault(fault)
        except AnswerCutError:
            failure = Failure("cut")
            raise
        except ValueError as error:
            if self._committed:
                raise  # nobody else may answer now
            _log.error("channel %r cannot be used: %s", candidate.channel.name, error)
            failure = Failure("misconfigured")
        except Exception:
            if self._delivery is not None and not self._delivery.committed:
                self._delivery = None  # a fault of this process is charged to nobody
            raise
        finally:
            self._note(candidate, status, failure, time.monotonic() - started)
        return failure

    def _prepared(self, candidate: Candidate) -> Outgoing:
        """The request for a candidate, and the delivery of its answer.

        :raises ValueError: the channel's provider is unknown, or has no URL
        """
        channel, call, head = candidate.channel, self._call, self._request.head
        provider = provider_of(channel)
        key = channel.api_keys[candidate.key].reveal() if channel.api_keys else ""
        reports = call.operation is not None and call.operation.usage_option and provider.include_usage
        outgoing = Outgoing(
            "POST",
            upstream_url(channel, api_path(self._scope), _query(self._scope)),
            [*_OWN_HEADERS, *_passed(self._scope), *auth_headers(provider, key)],
            self._request.edited(model=candidate.upstream_model, include_usage=reports),
            self._relay.timeouts,
        )
        hide = reports and head.stream and not head.wants_usage
        self._delivery = Delivery(call, self._request, self._send, hide_usage=hide, secret=key)
        return outgoing

    async def _delivered(self, incoming: Incoming) -> Failure | None:
        assert self._delivery is not None  # noqa: S101
        try:
            failure = await self._delivery.deliver(incoming)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await incoming.close()
            raise
        await incoming.close()
        return failure

    def _note(self, candidate: Candidate, status: int | None, failure: Failure | None, duration: float) -> None:
        channel, key = candidate.channel, candidate.key
        kind = failure.kind if failure else ""
        self._call.attempts.append(
            Attempt(channel.id, channel.name, key, candidate.upstream_model, status, kind, duration)
        )
        if failure is not None and self._delivery is not None and not self._delivery.committed and kind != "aborted":
            self._delivery = None  # nothing of it was served: nothing of it is charged
        if failure is None:
            self._relay.health.succeeded(channel.id, key)
        elif kind != "aborted":
            self._relay.health.failed(channel.id, key, retry_after=failure.retry_after)


def _weightier(failure: Failure, outcome: Failure) -> Failure:
    """What the caller is told of two failures: the later one, but of limits only where there was nothing else, and then
    the one that is over first."""
    if outcome.kind != _LIMITED or not failure.kind:
        return outcome
    if failure.kind != _LIMITED:
        return failure
    return min(failure, outcome, key=lambda each: each.retry_after or 0.0)


def _passed(scope: Scope) -> list[tuple[str, str]]:
    """Each once, as it was read here: a second content type might show the upstream another request."""
    passed: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _PASSED_HEADERS:
            passed.setdefault(name, value)
    return [(name.decode(), value.decode()) for name, value in passed.items() if value.isascii()]


def _query(scope: Scope) -> str:
    """The caller's query without its key."""
    raw: bytes = scope.get("query_string", b"")
    if not raw:
        return ""
    return urlencode([(name, value) for name, value in parse_qsl(raw.decode("latin-1")) if name != "key"])
