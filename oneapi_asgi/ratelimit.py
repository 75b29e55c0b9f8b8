"""Not so fast, and not so many: requests and tokens per minute, and calls at one moment.

A limit holds for each that it matches, each for itself, and a call has to fit into all of them: it takes from every
counter, or from none. Of tokens the most that the call may use is taken at the start, and corrected when it has ended.

    limiter = RateLimiter(requests_per_minute=60, limits=LimitBook(store))
    app = RateLimit(app, limiter=limiter)
    relay = Relay(upstream, admission=ChannelLimits(limiter))

*Reads* ``call.token``, ``call.usage`` (when the call is over). *Writes*, as the first to read the body, what
``http.parsed`` does: the body is read if there is any limit of tokens or of models. A token's own
``requests_per_minute`` wins over the limiter's. Options: ``limiter`` (without one, tokens have only limits of their
own), ``max_body``, ``on_error``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call, need
from .errors import BadRequest, Forbidden, GatewayError, RateLimited
from .http import MAX_BODY, Answer, ClientGoneError, OnError, Refusal, api_path, parsed
from .limitbook import LimitBook, Rule
from .models import Ask, AskKind, Channel, Granted, Level, Refused, Token
from .ports import RateStore
from .pricing import guess_input
from .rates import LocalRates
from .wire.changes import priced, reckoned
from .wire.dialects import operation_at

__all__ = ["ChannelLimits", "RateLimit", "RateLimiter", "duration"]

_UNITS: dict[AskKind, str] = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "calls": "calls at once",
}
_HEADERS: dict[AskKind, tuple[bytes, bytes, bytes]] = {
    "requests": (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    "tokens": (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
}
_WAIT_FOR_A_CHANNEL = 60.0


class RateLimiter:
    """What limits there are, and what counts them.

    ``requests_per_minute`` is for each token that has no number of its own, ``limits`` are those of a store.
    ``counters`` are shared between replicas, or in this process, for at most ``size`` subjects. ``default_max_output``
    are the output tokens taken for granted where the call does not bound them.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int | None = None,
        limits: LimitBook | None = None,
        counters: RateStore | None = None,
        default_max_output: int = 4096,
        size: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if requests_per_minute is not None and requests_per_minute < 1:
            raise ValueError("requests_per_minute must be at least 1, or None")
        self.requests_per_minute = requests_per_minute
        self.limits = limits
        self.counters: RateStore = counters or LocalRates(size=size, clock=clock)
        self.default_max_output = default_max_output

    def concerns(self, token: Token) -> bool:
        """Whether there may be any limit to look after; it costs nothing to ask."""
        if token.requests_per_minute or self.requests_per_minute:
            return True
        return self.limits is not None and not self.limits.silent

    def own(self, token: Token) -> tuple[Rule, ...]:
        most = token.requests_per_minute or self.requests_per_minute
        return (Rule(Ask(f"token:{token.id}", "requests", most), "this API key"),) if most else ()

    def size(self, call: Call, channel: Channel | None = None) -> tuple[int, int]:
        """``(most, least)`` tokens of a call, as it goes through the channel: they differ when there is no limit of
        output."""
        request, operation = call.request, call.operation
        if request is None or operation is None:
            return 0, 0
        head, body = request.head, call.body or b""
        if channel is not None:
            head, body = priced(head, request.fields, channel, operation), reckoned(body, channel, operation)
        given = guess_input(body)
        if not operation.output:
            return given, given
        if head.max_output is not None:
            return (given + head.max_output * head.choices,) * 2
        return given + self.default_max_output * head.choices, given + head.choices


class RateLimit:
    """Refuses calls beyond a limit, and says when to come back; tells the others what is left, as OpenAI does.

    A call that is larger than a whole minute's tokens is refused for good (``tokens_per_minute_exceeded``, 400): SDKs
    would repeat a 429 for ever. Where the caller has not bounded the output, what is left of a minute is enough.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: RateLimiter | None = None,
        max_body: int = MAX_BODY,
        on_error: OnError = Refusal,
    ) -> None:
        self.app = app
        self._limiter = limiter or RateLimiter()
        self._max_body = max_body
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        token = need(call.token, "RateLimit", "token", "TokenAuth")
        if not self._limiter.concerns(token):
            return await self.app(scope, receive, send)
        try:
            rules, receive = await self._rules(token, scope, receive)
            if not rules:
                return await self.app(scope, receive, send)
            granted, headers = await self._admitted(call, rules)
        except ClientGoneError:
            return None
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        answer = Answer.of(send)
        answer.headers = (*answer.headers, *headers)
        try:
            await self.app(scope, receive, answer.send)
        finally:
            self._limiter.counters.give(granted, _used(call, answer.status))
        return None

    async def _rules(self, token: Token, scope: Scope, receive: Receive) -> tuple[tuple[Rule, ...], Receive]:
        own, book = self._limiter.own(token), self._limiter.limits
        if book is None:
            return own, receive
        limits = await book.current()
        model = None
        if limits.read_body and (Call.of(scope).operation or operation_at(api_path(scope))) is not None:
            request, receive = await parsed(scope, receive, max_body=self._max_body)
            model = request.head.model
        return (*own, *limits.rates.of_call(token, model)), receive

    async def _admitted(self, call: Call, rules: Sequence[Rule]) -> tuple[Granted, list[tuple[bytes, bytes]]]:
        """
        :raises RateLimited: something is used up
        :raises BadRequest: the call can never be admitted
        :raises Forbidden: no call can
        """
        asks, least = _asks(rules, self._limiter, call)
        for rule in rules:
            ask = rule.ask
            if ask.limit < 1 or (ask.kind == "tokens" and least > ask.limit):
                raise _never(rule, least)
        outcome = await self._limiter.counters.take(call.id, asks)
        headers = _headers(asks, outcome.levels)
        if isinstance(outcome, Refused):
            raise _refused(rules[outcome.which], outcome.wait, headers)
        return outcome, headers


def _asks(
    rules: Iterable[Rule], limiter: RateLimiter, call: Call, channel: Channel | None = None
) -> tuple[list[Ask], int]:
    """What a call asks for, and the least of tokens that it may use, as far as that is asked for."""
    asks, most, least = [], -1, 0
    for rule in rules:
        ask = rule.ask
        if ask.kind == "tokens":
            if most < 0:
                most, least = limiter.size(call, channel)
            ask = Ask(ask.key, "tokens", ask.limit, min(most, ask.limit))
        asks.append(ask)
    return asks, least


def _never(rule: Rule, least: int) -> GatewayError:
    """Why no such call can be admitted."""
    ask = rule.ask
    if ask.kind == "tokens" and least > ask.limit:
        return BadRequest(
            f"The call may use about {least} tokens, more than the limit of {rule.whose} has for a whole minute: "
            f"{ask.limit}. Send a shorter input, or set a lower limit of output tokens.",
            code="tokens_per_minute_exceeded",
        )
    return Forbidden(f"The limit of {rule.whose} is 0 {_UNITS[ask.kind]}: no call can be made.")


def _refused(rule: Rule, wait: float, headers: Iterable[tuple[bytes, bytes]]) -> RateLimited:
    told = [(name.decode(), value.decode()) for name, value in headers]
    return RateLimited(
        f"The limit of {rule.whose}, {rule.ask.limit} {_UNITS[rule.ask.kind]}, is reached. "
        f"Try again in {max(math.ceil(wait), 1)} s.",
        retry_after=wait,
        headers=(*told, ("retry-after-ms", str(math.ceil(wait * 1000)))),
    )


def _used(call: Call, status: int) -> int | None:
    """The tokens that a call used in the end, None when nobody knows: then those taken at the start stay taken."""
    if call.usage is not None:
        return call.usage.input + call.usage.output
    return None if 200 <= status < 300 else 0


def _headers(asks: Sequence[Ask], levels: Sequence[Level]) -> list[tuple[bytes, bytes]]:
    """In OpenAI's names, of the tightest limit of requests and of tokens."""
    tightest: dict[AskKind, tuple[int, float, int]] = {}
    for ask, level in zip(asks, levels, strict=True):
        known, found = tightest.get(ask.kind), (level.remaining, -level.reset, ask.limit)
        if known is None or found[:2] < known[:2]:
            tightest[ask.kind] = found
    headers: list[tuple[bytes, bytes]] = []
    for kind, (limit, remaining, reset) in _HEADERS.items():
        if kind in tightest:
            left, back, most = tightest[kind]
            headers += ((limit, b"%d" % most), (remaining, b"%d" % left), (reset, duration(-back).encode()))
    return headers


def duration(seconds: float) -> str:
    """As OpenAI writes it: ``12ms``, ``1s``, ``1.5s``, ``6m0s``, ``1h0m0s``; rounded up to milliseconds."""
    total = math.ceil(round(seconds * 1000, 3))
    if total < 1000:
        return f"{total}ms" if total > 0 else "0s"
    minutes, rest = divmod(total, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60}m{text}"
    return f"{minutes}m{text}" if minutes else text


class ChannelLimits:
    """The limits of channels, asked before each attempt (the relay's ``admission``).

    A call that is larger than a whole minute's tokens waits for a whole minute's; what it uses beyond them has to be
    made up for by the next ones.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._free = _Free()

    async def enter(self, call: Call, channel: Channel) -> _Permit | _Free | float:
        """Leave to make an attempt, or the seconds until there may be.

        :raises Unavailable: the limits cannot be read
        """
        book = self._limiter.limits
        rules = (await book.current()).rates.of_channel(channel) if book is not None else ()
        if not rules:
            return self._free
        for rule in rules:
            if rule.ask.limit < 1:
                return _WAIT_FOR_A_CHANNEL
        asks, _ = _asks(rules, self._limiter, call, channel)
        outcome = await self._limiter.counters.take(call.id, asks)
        if isinstance(outcome, Refused):
            return outcome.wait
        return _Permit(self._limiter.counters, call, outcome)


class _Free:
    """Of an attempt on a channel without limits."""

    def leave(self) -> None:
        """Nothing was taken."""


class _Permit:
    """Of one attempt on one channel."""

    def __init__(self, counters: RateStore, call: Call, granted: Granted) -> None:
        self._counters = counters
        self._call = call
        self._granted = granted

    def leave(self) -> None:
        """The attempt is over: it used what ``call.usage`` says, nothing if that is empty."""
        self._counters.give(self._granted, _used(self._call, 0))
