"""Sessions over a WebSocket, as OpenAI's ``/v1/realtime`` has them: frames pass untouched, both ways, and are metered.

    relay = RealtimeRelay(sockets, tickets, quota)
    app = Realtime(TokenAuth(ModelRouter(QuotaGuard(relay, quota), pool), authenticator))
    await app(*upgraded(scope, receive, send))

A failure of an upstream before the session is open moves on to the next candidate. ``QuotaGuard`` holds what one
response may cost, and settles the whole session when it is over; in between the relay looks to it that there is always
enough (``funds``). A session whose funds end is told so, and closed.

*Reads* ``call.token``, ``call.plan``, ``call.request``, ``call.price``. *Writes* ``call.serving``, ``call.attempts``,
``call.progress``, ``call.usage``, ``call.reason``, ``call.first_content``, ``call.end``. Options: those of ``Relay``,
``greeting``, ``longest``, ``max_message``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

import anyio
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from .admission import Admission, Doors, Entered
from .call import Call, need
from .errors import BadRequest, GatewayError, NotFound, Unavailable, UpstreamFailed
from .failure import (
    NOT_ITS_FAULT,
    UNSUPPORTED,
    Failure,
    of_fault,
    of_status,
    refusal,
    weightier,
)
from .funds import Funds
from .health import Health
from .http import OnError, Refusal, query_of, request_id
from .models import Attempt, Candidate, EndReason
from .overrides import check_overrides
from .providers.access import Unsigned, overridden, own_headers, signed
from .providers.route import access_of, place_of, route_of
from .quota import Quota
from .slots import Slots
from .tickets import Tickets
from .upgrade import Caller, caller_of
from .upstream.seam import Timeouts, UpstreamFault
from .upstream.sockets import ABNORMAL, MAX_MESSAGE, Closed, HandshakeRefusedError, Socket, Sockets
from .wire.realtime import (
    CANCEL,
    REALTIME,
    Meter,
    close_code,
    close_reason,
    error_event,
    passed_code,
    refused,
    upstream_path,
)

__all__ = ["RealtimeRelay"]

_log = logging.getLogger(__name__)

_LONGEST = 3_600.0
"""Seconds of a session; OpenAI ends its own after an hour."""

_GREETING = 3.0
"""Seconds to wait for the first event of an upstream: those that refuse an account open the session, and say so."""

_GOING_AWAY = 1001
_LAST_EVENTS = 0.4
_LAST_WORDS = 2.0
"""Seconds: for the usage of a response that was broken off; for a caller to read why its session ends."""

_NOT_OFFERED = frozenset((404, 405, 426, 501))


class RealtimeRelay:
    """Opens a session upstream, and passes its frames on. ``sockets`` None refuses all: the extra is missing.

    At most ``max_attempts`` candidates are tried, each of which has ``greeting`` seconds to say something before the
    client is let in; a session ends after ``longest`` seconds, and with a message of the client's of more than
    ``max_message`` bytes.
    """

    def __init__(
        self,
        sockets: Sockets | None,
        tickets: Tickets,
        quota: Quota,
        *,
        max_attempts: int = 3,
        timeouts: Timeouts | None = None,
        health: Health | None = None,
        slots: Slots | None = None,
        admission: Admission | None = None,
        greeting: float = _GREETING,
        longest: float = _LONGEST,
        max_message: int = MAX_MESSAGE,
        on_error: OnError = Refusal,
    ) -> None:
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self.sockets = sockets
        self.tickets = tickets
        self.quota = quota
        self.max_attempts = max_attempts
        self.timeouts = timeouts or Timeouts()
        self.doors = Doors(slots=slots, health=health, admission=admission)
        self.greeting = greeting
        self.longest = longest
        self.max_message = max_message
        self.on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        if scope["type"] != "http" or caller is None:
            raise RuntimeError(
                "RealtimeRelay answers WebSockets: put Realtime outside of it, and upgraded() around all"
            )
        call = Call.of(scope)
        try:
            if self.sockets is None:
                raise _not_installed()
            await _Session(self, self.sockets, call, caller, scope, send).run()
        except GatewayError as error:
            call.reason = call.reason or "refused"
            await self.on_error(error, call)(scope, receive, send)


def _not_installed() -> GatewayError:
    error = GatewayError("This gateway has no WebSockets: install oneapi-asgi[standalone].", code="not_installed")
    error.status = 501
    return error


class _Open(Struct, frozen=True):
    """A session with an upstream, and the first that it said, if it said something."""

    socket: Socket
    candidate: Candidate
    secret: str
    first: str | bytes | None


class _End(Struct, frozen=True):
    """How a session ended: what is said to the client (if it is still there), and to the upstream."""

    reason: EndReason
    client: Closed | None = None
    error: GatewayError | None = None
    upstream: Closed = Closed(1000)


class _Session:
    """One call: the state that must not lie on the component."""

    def __init__(
        self, relay: RealtimeRelay, sockets: Sockets, call: Call, caller: Caller, scope: Scope, send: Send
    ) -> None:
        self._relay = relay
        self._sockets = sockets
        self._call = call
        self._scope = scope
        self._send = send
        self._caller = caller
        self._meter = Meter()
        self._entered: Entered | None = None
        self._ended: asyncio.Future[_End] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """
        :raises GatewayError: no session was opened; the caller is still to be told
        """
        call = self._call
        call.end = self._end
        try:
            opened = await self._opened()
            call.progress = lambda: self._meter.usage
            funds = Funds(self._relay.quota, call, opened.candidate)
            try:
                await self._held(opened, funds)
            finally:
                funds.release()
        finally:
            call.end = None
            self._leave()

    def _end(self, error: GatewayError, reason: EndReason) -> None:
        """For whoever finds out that the call may not go on."""
        if not self._ended.done():
            self._ended.set_result(_told(error, reason))

    def _leave(self) -> None:
        entered, self._entered = self._entered, None
        if entered is not None:
            entered.leave()

    # --- before it is open --------------------------------------------------------------------------------------------

    async def _opened(self) -> _Open:
        """Walk the plan.

        :raises GatewayError: no candidate has opened a session
        """
        failure = Failure("")
        for candidate in need(self._call.plan or None, "RealtimeRelay", "plan", "ModelRouter")[
            : self._relay.max_attempts
        ]:
            started = time.monotonic()
            outcome = await self._attempt(candidate)
            if isinstance(outcome, _Open):
                self._note(candidate, 101, "", started)
                if self._entered is not None:
                    self._entered.trial.content(time.monotonic() - started)
                return outcome
            if self._entered is not None:
                self._entered.failed(outcome)
            self._leave()
            self._note(candidate, outcome.status, outcome.kind, started)
            failure = weightier(failure, outcome)
        self._call.reason = "refused" if failure.kind in NOT_ITS_FAULT else "upstream_failed"
        raise refusal(failure)

    def _note(self, candidate: Candidate, status: int | None, kind: str, started: float) -> None:
        channel, took = candidate.channel, time.monotonic() - started
        attempt = Attempt(channel.id, channel.name, candidate.key, candidate.upstream_model, status, kind, took)
        self._call.attempts.append(attempt)

    async def _attempt(self, candidate: Candidate) -> _Open | Failure:
        entered = await self._relay.doors.enter(self._call, candidate)
        if isinstance(entered, Failure):
            return entered
        self._entered = entered
        self._call.serving = candidate
        try:
            url, headers, secret = await self._request(candidate)
            socket = await self._sockets.connect(url, headers, self._relay.timeouts, candidate.channel.proxy)
        except HandshakeRefusedError as refused_:
            if refused_.status in _NOT_OFFERED:
                return Failure(UNSUPPORTED, refused_.status, error=_unsupported(self._model))
            return of_status(refused_.status, refused_.headers)
        except GatewayError as error:
            return Failure("no_ticket" if isinstance(error, Unavailable) else UNSUPPORTED, error=_unless_ours(error))
        except UpstreamFault as fault:
            _log.warning("channel %r: %s", candidate.channel.name, fault)
            return of_fault(fault)
        except ValueError as error:
            _log.error("channel %r cannot be used: %s", candidate.channel.name, error)
            return Failure("misconfigured")
        return await self._greeted(_Open(socket, candidate, secret, None))

    @property
    def _model(self) -> str:
        return need(self._call.request, "RealtimeRelay", "request", "Realtime").head.model

    async def _request(self, candidate: Candidate) -> tuple[str, Sequence[tuple[str, str]], str]:
        """Where a candidate is reached, and what is shown to it.

        :raises NotFound: it does not speak the format
        :raises ValueError: the channel is not set up as its provider needs
        """
        channel, model = candidate.channel, candidate.upstream_model
        check_overrides(channel)
        route = route_of(channel, REALTIME, model, stream=True)
        if route is None or not route.native:
            raise _unsupported(self._model)
        place = place_of(channel, route, model, upstream_path(model, query_of(self._scope)))
        access = access_of(route.provider, route.dialect)
        key = channel.api_keys[candidate.key].reveal() if channel.api_keys else ""
        ticket = await self._relay.tickets.get(access, key, channel.options, channel.proxy)
        passed = [(name.decode(), value.decode()) for name, value in self._passed()]
        url = access.url(place, key)
        own = own_headers(channel)
        sent = overridden((("user-agent", "oneapi-asgi"), *passed), own)
        unsigned = Unsigned("GET", url, sent, b"", channel.options)
        headers = [*signed(access, unsigned, key, ticket, time.time(), own)]
        return f"ws{url.removeprefix('http')}" if url.startswith("http") else url, headers, key

    def _passed(self) -> list[tuple[bytes, bytes]]:
        names = self._call.dialect.passed_headers
        found = {name: value for name, value in self._scope["headers"] if name in names and value.isascii()}
        return [*found.items()]

    async def _greeted(self, opened: _Open) -> _Open | Failure:
        """Whom the upstream does not want it greets with an error. Of others that say nothing, nothing is known."""
        first: str | bytes | Closed | None = None
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._relay.greeting):
                    first = await opened.socket.receive()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await opened.socket.close()
            raise
        if isinstance(first, Closed) or (first is not None and refused(first)):
            await opened.socket.close()
            return Failure("cut" if isinstance(first, Closed) else "error_in_answer", 101)
        return _Open(opened.socket, opened.candidate, opened.secret, first)

    # --- while it is --------------------------------------------------------------------------------------------------

    async def _held(self, opened: _Open, funds: Funds) -> None:
        """Hold the session to its end, however it ends. What was used by then is paid for."""
        call, end = self._call, _End("aborted", upstream=Closed(_GOING_AWAY))
        try:
            await self._send({"type": "http.response.start", "status": 101, "headers": request_id(call)})
            call.first_content = call.elapsed()
            end = await self._talk(opened, funds)
            await self._last_events(opened.socket, end)
        except OSError:  # the client has left while it was let in
            end = _End("client_gone")
        finally:
            call.usage = self._meter.usage
            call.reason = end.reason
            self._conclude(end)
            with anyio.CancelScope(shield=True):
                await opened.socket.close(end.upstream.code, end.upstream.reason)
        await self._farewell(end)

    def _conclude(self, end: _End) -> None:
        """Of sessions that somebody else has ended nothing is known."""
        if self._entered is not None and end.reason == "done":
            self._entered.trial.succeeded()
        elif self._entered is not None and end.reason == "upstream_cut":
            self._entered.trial.failed("transport")

    async def _talk(self, opened: _Open, funds: Funds) -> _End:
        """Both ways at once, until one of them ends or somebody ends both."""
        ways = (
            asyncio.create_task(self._downwards(opened, funds)),
            asyncio.create_task(self._upwards(opened.socket)),
        )
        try:
            await asyncio.wait((self._ended, *ways), timeout=self._relay.longest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
        for each in (self._ended, *ways):
            if each.done() and not each.cancelled():
                return each.result()
        return _told(_too_long(self._relay.longest), "done")

    async def _downwards(self, opened: _Open, funds: Funds) -> _End:
        """Counted first: the caller may not take what was made for it."""
        message: str | bytes | Closed = opened.first if opened.first is not None else await opened.socket.receive()
        while not isinstance(message, Closed):
            costs = self._meter.heard(message)
            try:
                await self._caller.send(message)
                if costs:
                    await funds.cover(self._meter)
            except OSError:
                return _End("client_gone")
            except GatewayError as error:
                return _told(error, "refused")
            message = await opened.socket.receive()
        return self._left(message, opened.secret)

    def _left(self, closed: Closed, secret: str) -> _End:
        """The upstream has closed the session, or was cut off."""
        if closed.code == ABNORMAL:
            return _told(_cut(), "upstream_cut")
        reason = closed.reason.replace(secret, "***") if secret else closed.reason
        told = Closed(passed_code(closed.code), reason)
        return _End("upstream_cut" if self._meter.running else "done", client=told, upstream=told)

    async def _upwards(self, socket: Socket) -> _End:
        while not isinstance(message := await self._caller.receive(), Closed):
            if len(message) > self._relay.max_message:
                return _told(_too_big(self._relay.max_message), "refused")
            self._meter.said(message)
            try:
                await socket.send(message)
            except UpstreamFault:
                await asyncio.sleep(_LAST_EVENTS)  # what it said before, and how it closed, may still be read
                return _told(_cut(), "upstream_cut")
        gone: EndReason = "client_gone" if self._meter.running else "done"
        code = _GOING_AWAY if message.code == ABNORMAL else passed_code(message.code)
        return _End(gone, upstream=Closed(code, close_reason(message.reason)))

    # --- when it ends -------------------------------------------------------------------------------------------------

    async def _last_events(self, socket: Socket, end: _End) -> None:
        """Have responses ended that nobody will hear: their last event says what they cost."""
        if end.reason == "upstream_cut" or not self._meter.running:
            return
        with suppress(UpstreamFault, TimeoutError):
            async with asyncio.timeout(_LAST_EVENTS):
                await socket.send(CANCEL)
                while self._meter.running and not isinstance(message := await socket.receive(), Closed):
                    self._meter.heard(message)

    async def _farewell(self, end: _End) -> None:
        if end.client is None:
            return
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):  # the client may read nothing
                if end.error is not None:
                    await self._caller.send(error_event(end.error, f"event_{self._call.id}"))
                await self._caller.close(end.client.code, end.client.reason)


def _told(error: GatewayError, reason: EndReason) -> _End:
    return _End(reason, client=Closed(close_code(error), error.message), error=error, upstream=Closed(1000))


def _unless_ours(error: GatewayError) -> GatewayError | None:
    return None if isinstance(error, Unavailable) else error


def _unsupported(model: str) -> GatewayError:
    return NotFound(
        f"No channel of the model {model[:200]!r} can do this ({REALTIME.name}).",
        code="unsupported_operation",
        param="model",
    )


def _cut() -> GatewayError:
    return UpstreamFailed("The upstream has ended the session.", code="upstream_cut")


def _too_long(seconds: float) -> GatewayError:
    return BadRequest(f"The session has lasted {seconds:.0f} s, and ends. Open a new one.", code="session_expired")


def _too_big(limit: int) -> GatewayError:
    error = BadRequest(f"The message has more than {limit} bytes. Send less at once.", code="message_too_large")
    error.status = 413
    return error
