"""Walk the plan, stream the first answer: ``Relay`` is the innermost app of a gateway, or a failover proxy by itself.

Until the first content event any failure of an upstream moves the call to the next candidate; that event commits, and
what goes wrong after it is told in-band, in the caller's dialect. Answers pass byte for byte: JSON once it is whole,
event streams event by event, everything else as it arrives. A caller that hangs up, before or after the first byte,
ends the upstream's work within moments. Nothing is waited for without end: for an upstream that gets nowhere, for a
caller that does not read, for a place at a channel that is full.

    app = Relay(upstream, plan=[Candidate(channel, 0, "gpt-4o"), ...])

*Reads* ``call.plan`` (or its own fixed one), ``call.pinned_channel``. *Writes* ``call.serving``, ``call.attempts``,
``call.progress``, ``call.usage``, ``call.reason``, ``call.first_content``, ``call.upstream_request_id``, ``call.end``
and, as the first to read the body, what ``http.parsed`` does. A header ``X-Request-Timeout`` of the request is the time
that its caller gives it. Options: ``plan``, ``max_attempts``, ``timeouts``, ``pacing``, ``health`` (who is asked, and
hears how attempts went), ``slots`` (how many at once), ``admission`` (who else is asked before each attempt),
``recall`` and ``fetch`` (what is done to a conversation before it is translated), ``retries`` (how many may be under
way), ``max_body``, ``on_error``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from starlette.types import Receive, Scope, Send

from .admission import Admission, Doors
from .call import Call
from .dispatch import Preparation, Recall
from .errors import GatewayError
from .exchange import Exchange, Means
from .health import Health
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, parsed
from .models import Candidate
from .pace import Pace, Pacing
from .providers.catalog import provider_of
from .providers.lanes import Lanes
from .retry import RetryBudget
from .slots import Slots
from .tickets import Tickets
from .upstream.seam import Timeouts, Upstream
from .vigil import Lookout

__all__ = ["Relay"]

_TICKS = 4
"""At least so many times the clocks are looked at before they strike."""


class Relay:
    """Sends calls upstream. ``plan`` is for calls that no router has planned; at most ``max_attempts`` are tried."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        plan: Iterable[Candidate] = (),
        max_attempts: int = 3,
        timeouts: Timeouts | None = None,
        pacing: Pacing | None = None,
        health: Health | None = None,
        slots: Slots | None = None,
        admission: Admission | None = None,
        recall: Recall | None = None,
        fetch: Preparation | None = None,
        retries: RetryBudget | None = None,
        rng: random.Random | None = None,
        max_body: int = MAX_BODY,
        on_error: OnError = Refusal,
    ) -> None:
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self.plan = tuple(plan)
        for candidate in self.plan:
            provider_of(candidate.channel)  # a mistyped provider is told now, not by the first call
        timeouts, pacing = timeouts or Timeouts(), pacing or Pacing()
        self._means = Means(
            upstream=upstream,
            max_attempts=max_attempts,
            timeouts=timeouts,
            pacing=pacing,
            doors=Doors(slots=slots, health=health, admission=admission),
            recall=recall,
            fetch=fetch,
            tickets=Tickets(upstream, timeouts),
            lanes=Lanes(),
            on_error=on_error,
            budget=retries or RetryBudget(),
            pace=Pace(_interval(timeouts, pacing)),
            lookout=Lookout(),
            rng=rng or random.Random(),  # noqa: S311 - pauses need no secrecy
        )
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"Relay answers HTTP calls, not {scope['type']!r}: put Endpoints outside of it")
        call = Call.of(scope)
        plan = call.plan or self.plan
        if not plan:
            raise RuntimeError("Relay has no plan: put ModelRouter outside of it, or give it a plan of its own")
        try:
            request = call.request
            if request is None:
                request, receive = await parsed(scope, receive, max_body=self._max_body)
            exchange = Exchange.of(self._means, call, request, scope, receive, send)
            try:
                await exchange.run(plan)
            finally:
                exchange.close()
        except ClientGoneError:
            call.reason = "client_gone"
        except GatewayError as error:
            await self._means.on_error(error, call)(scope, receive, send)


def _interval(timeouts: Timeouts, pacing: Pacing) -> float:
    """Seconds between two looks at the clocks: one, unless one of them is shorter than some of these."""
    clocks = (timeouts.progress, pacing.keep_alive or timeouts.progress, pacing.reader_seconds)
    return min(1.0, min(clocks) / _TICKS)
