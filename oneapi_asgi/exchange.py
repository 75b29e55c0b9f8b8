"""One call on its way through the relay: which candidates are asked, how often, for how long, and who stops it.

``Exchange`` walks the plan. Before each attempt it asks for a place at the channel (``slots``), for leave to try it
(``health``), and whether the channel is over a limit (``admission``); nobody of them having it, the next one is asked.
After an attempt that failed it asks whether the failure allows another one, and whether the gateway can afford it
(``retry``). It is the relay's own half: *writes* what ``Relay`` says.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from math import inf

import anyio
from msgspec import Struct
from starlette.types import Message, Receive, Scope, Send

from .admission import NO_PLACE, Doors, Entered
from .call import Call
from .delivery import AnswerCutError, Delivery
from .dispatch import Dispatch, Preparation, Recall, UnsupportedError
from .errors import GatewayError, Unavailable, UpstreamTimeout
from .failure import (
    FULL,
    NOT_ITS_FAULT,
    UNSUPPORTED,
    Failure,
    cause_of,
    of_fault,
    refusal,
    weightier,
)
from .http import OnError, answer_json, header
from .models import Attempt, Candidate, Channel, EndReason
from .pace import Clocks, Pace, Pacing
from .pricing import guess_input
from .providers.catalog import provider_of
from .providers.lanes import Lanes
from .retry import TIMEOUT_HEADER, RetryBudget, asked_seconds, back_off
from .slots import Slot
from .tickets import Tickets
from .upstream.seam import Timeouts, Upstream, UpstreamFault
from .vigil import Lookout, Vigil
from .wire.dialect import CountDialect
from .wire.request import Request

__all__ = ["Exchange", "Means"]

_log = logging.getLogger(__name__)

_LAST_WORDS = 2.0
"""Seconds that a caller has to read that its answer was cut short; then the connection is."""

_NOTHING, _ABORTED = Failure(""), Failure("aborted")
_TIMEOUT = TIMEOUT_HEADER.encode()
_OF_THE_KEY = frozenset(("auth", "quota", "rate"))
"""Causes for which another key of the same channel, another account, may serve."""


class Means(Struct, frozen=True, kw_only=True):
    """What all exchanges of a relay share."""

    upstream: Upstream
    max_attempts: int
    timeouts: Timeouts
    pacing: Pacing
    doors: Doors
    recall: Recall | None
    fetch: Preparation | None
    tickets: Tickets
    lanes: Lanes
    on_error: OnError
    budget: RetryBudget
    pace: Pace
    lookout: Lookout
    rng: random.Random


class Exchange(Struct, eq=False):
    """The state of one call, that must not lie on the component."""

    _means: Means
    _call: Call
    _request: Request
    _scope: Scope
    _receive: Receive
    _send: Send
    _dispatch: Dispatch
    _vigil: Vigil
    _delivery: Delivery | None = None
    _seconds: float = 0.0
    _asked: int = 0
    _retrying: bool = False
    _asking: Channel | None = None
    _asked_at: float = 0.0
    _status: int | None = None
    _opened: bool = False
    _opened_at: float = 0.0
    _entered: Entered | None = None
    _unheard: asyncio.TimerHandle | None = None
    _unheard_bytes: int = 0
    _begun_at: float = 0.0
    _clocks: Clocks | None = None

    __repr__ = object.__repr__  # what it holds is not for logs

    @classmethod
    def of(cls, means: Means, call: Call, request: Request, scope: Scope, receive: Receive, send: Send) -> Exchange:
        dispatch = Dispatch(call, request, scope, means.timeouts, means.tickets, means.lanes, means.recall, means.fetch)
        vigil = Vigil.of(receive, means.pace, means.lookout)
        return cls(means, call, request, scope, receive, send, dispatch, vigil)

    async def run(self, plan: tuple[Candidate, ...]) -> None:
        """Walk the plan within the call's time, with an eye on the caller.

        :raises BadRequest: the caller names a time that is none
        """
        call, means, vigil = self._call, self._means, self._vigil
        asked = header(self._scope, _TIMEOUT)
        self._seconds = min(asked_seconds(asked) or inf, means.timeouts.total) if asked else means.timeouts.total
        vigil.begin(self, call.started + self._seconds)
        call.end = self._end
        means.budget.calls += 1
        try:
            await self._walk(plan)
        except asyncio.CancelledError:
            if not vigil.is_own():
                raise
        finally:
            call.end = None
            means.budget.calls -= 1
            vigil.close(self)
            if self._unheard is not None:
                self._unheard.cancel()
                call.reason = "client_gone"
            if call.usage is None:
                self._account()
            if self._entered is not None:
                self._leave()
            if self._retrying:
                self._end_retry()
        if vigil.ended is not None:
            await self._cut_short(*vigil.ended)

    def close(self) -> None:
        """Let go of those who hold each other: a collector that takes its time would leave them lying for as long, with
        the call, and all that was sent with it."""
        self._call.progress = self._delivery = None

    # --- who ends it --------------------------------------------------------------------------------------------------

    def late(self) -> None:
        """The call's time is over."""
        error = UpstreamTimeout(f"The call took more than {self._seconds:g} s.")
        self._end(error, "upstream_cut" if self._committed else "upstream_failed")

    def _end(self, error: GatewayError | None, reason: EndReason) -> None:
        """Cut the call short, and tell the caller of the error, if there is one."""
        if self._call.reason is None:  # callers who have it all leave, too
            self._vigil.end(error, reason)

    def left(self) -> None:
        """The caller has gone: end the upstream's work as well; or hear it out, where it bills its work to the end, to
        learn what it is."""
        delivery = self._delivery
        if self._asking is None or delivery is None or provider_of(self._asking).cancel_stops_billing:
            self._end(None, "client_gone")
        elif self._call.reason is None and self._unheard is None:
            later = asyncio.get_running_loop().call_later
            self._unheard = later(self._means.pacing.drain_seconds, self._end, None, "client_gone")
            delivery.mute(self._hear)

    async def _hear(self, message: Message) -> None:
        self._unheard_bytes += len(message.get("body", b""))
        if self._unheard_bytes > self._means.pacing.drain_bytes:
            self._end(None, "client_gone")

    def tick(self, now: float) -> None:
        """Once a second: is the upstream getting on, does the caller read, has it heard from us?"""
        delivery = self._delivery
        if delivery is None or self._unheard is not None:
            return
        if not delivery.committed:
            self._tick_before(delivery, now)
            return
        clocks = self._clocks  # most answers are over before anyone looks at a clock
        if clocks is None:
            clocks = self._clocks = Clocks(self._means.timeouts.progress, self._means.pacing, self._begun_at)
        found = clocks.look(sent=delivery.sent, waiting=delivery.sending, mark=delivery.progress, now=now)
        if found == "unread":
            self._end(None, "client_slow")
        elif found == "stalled":
            self._end(UpstreamTimeout("The upstream sends, but gets nowhere.", code="upstream_stalled"), "upstream_cut")
        elif found == "silent":
            delivery.comment()

    def _tick_before(self, delivery: Delivery, now: float) -> None:
        """The same of an attempt that has no content yet."""
        if delivery.progress is not None and now - self._asked_at > self._means.timeouts.progress:
            self._vigil.cut_attempt()
        elif 0 < self._means.pacing.keep_alive <= now - max(self._asked_at, self._opened_at):
            delivery.open()
            self._opened, self._opened_at = delivery.opened, now

    @property
    def _committed(self) -> bool:
        return self._delivery is not None and self._delivery.committed

    def _account(self) -> None:
        """Whatever ended a call of which no usage is known: what an upstream has begun to do for it is paid for."""
        if self._delivery is not None and self._call.reason in (None, "client_gone"):
            self._call.usage = self._delivery.usage()
            self._call.reason = self._call.reason or "aborted"

    async def _cut_short(self, error: GatewayError | None, reason: EndReason) -> None:
        self._call.reason = reason
        if error is None:
            if reason == "client_slow":  # it would go on reading for ever
                raise AnswerCutError
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
        if self._opened:  # the head of a stream has been sent, to keep the connection
            body = self._call.dialect.error_event(error)
            await self._send({"type": "http.response.body", "body": body})
            return
        await self._means.on_error(error, self._call)(self._scope, self._receive, self._send)

    # --- whom to ask --------------------------------------------------------------------------------------------------

    async def _walk(self, plan: tuple[Candidate, ...]) -> None:
        failure = last = _NOTHING
        full: list[Candidate] = []
        spent: set[int] = set()
        for candidate in plan:
            if candidate.channel.id in spent:
                continue
            if self._asked and not await self._may_go_on(last):
                break
            outcome = await self._try(candidate)
            if outcome is None:
                return
            if outcome.kind == FULL:
                full.append(candidate)
            elif outcome.kind not in NOT_ITS_FAULT:
                last = outcome
                if cause_of(outcome) not in _OF_THE_KEY:
                    spent.add(candidate.channel.id)
            failure = weightier(failure, outcome)
        if full and await self._may_go_on(last):
            outcome = await self._queued(full)
            if outcome is None:
                return
            failure = weightier(failure, outcome)
        await self._give_up(failure)

    async def _may_go_on(self, last: Failure) -> bool:
        """Whether another attempt may be made after the last one that was; not before a pause, where that failed for a
        reason that time may mend. Who pauses is no burden yet: the budget counts those who ask."""
        if self._unheard is not None or self._asked >= self._means.max_attempts:
            return False
        if not self._asked or self._retrying:
            return True
        if cause_of(last) not in _OF_THE_KEY:
            await asyncio.sleep(back_off(self._asked, self._means.rng))
        self._retrying = self._means.budget.take()
        return self._retrying

    def _end_retry(self) -> None:
        self._retrying = False
        self._means.budget.give_back()

    async def _queued(self, full: list[Candidate]) -> Failure | None:
        """Wait for a place at one of those that have none."""
        taken = await self._means.doors.slots.wait(full)
        return NO_PLACE if taken is None else await self._try(*taken)

    async def _try(self, candidate: Candidate, slot: Slot | None = None) -> Failure | None:
        """Ask one candidate, if it may be asked now; None when the caller has its answer."""
        self._status, self._asked_at = None, time.monotonic()
        entered = await self._means.doors.enter(self._call, candidate, slot)
        if isinstance(entered, Failure):
            if entered.kind != FULL:
                self._note(candidate, entered)
            return entered
        self._entered = entered
        failure: Failure | None = _ABORTED
        self._call.serving = candidate
        try:
            failure = await self._put(candidate)
        except asyncio.CancelledError:
            if not self._vigil.is_cut():
                raise
            failure = Failure("progress_timeout", self._status)
        except AnswerCutError:
            failure = Failure("cut")
            raise
        except Exception:
            if self._delivery is not None and not self._delivery.committed:
                self._delivery = None  # a fault of this process is charged to nobody
            raise
        else:
            if failure is None and self._means.recall is not None:
                self._remember(self._means.recall)
        finally:
            self._asking = None
            self._note(candidate, failure)
        self._leave()
        return failure

    def _leave(self) -> None:
        entered, self._entered = self._entered, None
        if entered is not None:
            entered.leave()

    async def _give_up(self, failure: Failure) -> None:
        if self._unheard is not None:
            return
        if (counted := self._counted_here()) is not None:
            self._call.reason = "done"
            await answer_json(self._send, self._call, counted)
            return
        self._call.reason = "refused" if failure.kind in NOT_ITS_FAULT else "upstream_failed"
        await self._refuse(refusal(failure))

    def _counted_here(self) -> bytes | None:
        """How many tokens a request has is guessed where no channel counts them: clients plan with it, and do not
        expect to be refused."""
        operation, dialect = self._call.operation, self._call.dialect
        if operation is None or operation.task != "count" or not isinstance(dialect, CountDialect):
            return None
        return dialect.answer_count(guess_input(self._call.body or b""))

    # --- one attempt --------------------------------------------------------------------------------------------------

    async def _put(self, candidate: Candidate) -> Failure | None:
        """Put the call to a candidate, and its answer to the caller; what is wrong with the candidate is a failure."""
        try:
            prepared = await self._dispatch.to(candidate)
            delivery = self._delivery = Delivery(
                self._call,
                self._request,
                self._send,
                prepared.form,
                upstream=prepared.route.dialect,
                native=prepared.route.native,
                secret=prepared.secret,
                headers=prepared.headers,
                begun=self._begun,
                opened=self._opened,
            )
            self._asked += 1
            self._asking = candidate.channel
            incoming = await self._means.upstream.send(prepared.outgoing)
            self._status = incoming.status
            try:
                failure = await delivery.deliver(incoming)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await incoming.close()
                raise
            await incoming.close()
        except UnsupportedError as error:
            _log.info("channel %r was passed over: %s", candidate.channel.name, error)
            return Failure(UNSUPPORTED, error=error.error)
        except Unavailable:
            return Failure("no_ticket")
        except UpstreamFault as fault:
            _log.warning("channel %r: %s", candidate.channel.name, fault)
            return of_fault(fault)
        except ValueError as error:
            if self._committed:
                raise  # nobody else may answer now
            _log.error("channel %r cannot be used: %s", candidate.channel.name, error)
            return Failure("misconfigured")
        if self._status == 401:
            self._dispatch.refused()
        return failure

    def _begun(self) -> None:
        """The caller is about to see something of an answer."""
        now = time.monotonic()
        self._begun_at = now
        if self._retrying:
            self._end_retry()
        if self._entered is not None and self._call.reason != "refused":
            self._entered.trial.content(now - self._asked_at)

    def _remember(self, recall: Recall) -> None:
        if self._delivery is not None and (made := self._delivery.made):
            recall.remember(made, self._call)

    def _note(self, candidate: Candidate, failure: Failure | None) -> None:
        kind, took, channel = failure.kind if failure else "", time.monotonic() - self._asked_at, candidate.channel
        self._call.attempts.append(
            Attempt(channel.id, channel.name, candidate.key, candidate.upstream_model, self._status, kind, took)
        )
        delivery, entered = self._delivery, self._entered
        if failure is not None and delivery is not None and not delivery.committed and kind != "aborted":
            self._delivery = None  # nothing of it was served: nothing of it is charged
        if self._retrying and kind not in NOT_ITS_FAULT:
            self._end_retry()
        if entered is None:
            return
        broken = failure or (delivery.broken if delivery is not None else None)
        if broken is not None:
            entered.failed(broken)
        elif self._call.reason != "refused":  # what the caller has to mend says nothing
            entered.trial.succeeded()
