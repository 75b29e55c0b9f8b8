"""Limits: whom they concern, what a call takes of them, and what callers are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.health import Ejection
from oneapi_asgi.limitbook import LimitBook
from oneapi_asgi.models import Ask, Candidate, Channel, EndReason, Granted, Limit, Pulse, Refused, Secret, Token, Usage
from oneapi_asgi.ratelimit import ChannelLimits, RateLimit, RateLimiter, duration
from oneapi_asgi.rates import LocalRates
from oneapi_asgi.relay import Relay
from oneapi_asgi.revision import Revision
from oneapi_asgi.testing import Response, StreamingClient
from oneapi_asgi.upstream.seam import Outgoing
from oneapi_asgi.wire.openai.paths import OPERATIONS
from oneapi_asgi.wire.request import parse_request

TOKEN = Token(id=7, name="ci", digest="", user_id=3, user_name="ann", group="staff")
PATH = "/v1/chat/completions"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Limits:
    """A ``LimitStore``."""

    def __init__(self, *limits: Limit) -> None:
        self.limits: Sequence[Limit] = limits
        self.revision = 1
        self.broken = False

    async def pulse(self) -> Pulse:
        if self.broken:
            raise OSError
        return Pulse(self.revision, 0.0)

    async def list_limits(self) -> Sequence[Limit]:
        return self.limits


def limiter(*limits: Limit, requests_per_minute: int | None = None, clock: Clock | None = None) -> RateLimiter:
    book = LimitBook(Limits(*(limit_with(limit, number) for number, limit in enumerate(limits, 1))))
    return RateLimiter(requests_per_minute=requests_per_minute, limits=book, clock=clock or Clock())


def limit_with(limit: Limit, number: int) -> Limit:
    return Limit(**{name: getattr(limit, name) for name in limit.__struct_fields__} | {"id": number})


def chat(model: str = "m", **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


class Model:
    """The app within. It says what a call used, and can be held up."""

    def __init__(self, status: int = 200, usage: Usage | None = None) -> None:
        self.status = status
        self.usage = usage
        self.calls = 0
        self.held: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        if self.held is not None:
            await self.held.wait()
        Call.of(scope).usage = self.usage
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"ok"})


class As:
    """Puts the token into the call."""

    def __init__(self, app: ASGIApp, token: Token | None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        Call.of(scope).token = self.token
        await self.app(scope, receive, send)


def client_of(app: ASGIApp, token: Token | None = TOKEN) -> StreamingClient:
    return StreamingClient(As(app, token), lifespan=False)


async def post(app: ASGIApp, body: object = None, token: Token = TOKEN) -> Response:
    async with client_of(app, token) as client:
        return await client.request("POST", PATH, json=chat() if body is None else body)


# --- requests per minute ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "everyones", "statuses"),
    [
        (None, None, [200] * 4),
        (2, None, [200, 200, 429, 429]),
        (None, 1, [200, 429, 429, 429]),
        (3, 1, [200] * 3 + [429]),
    ],
)
async def test_too_many_requests(own: int | None, everyones: int | None, statuses: list[int]) -> None:
    token = Token(id=7, name="t", digest="", requests_per_minute=own)
    limit = RateLimit(Model(), limiter=RateLimiter(requests_per_minute=everyones, clock=Clock()))
    async with client_of(limit, token) as client:
        answers = [await client.request("GET", "/x") for _ in statuses]
    assert [answer.status for answer in answers] == statuses
    most = own or everyones or 0
    for index, answer in enumerate(answers):
        if not most:
            assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
            continue
        assert answer.headers["x-ratelimit-limit-requests"] == str(most)
        assert answer.headers["x-ratelimit-remaining-requests"] == str(max(most - 1 - index, 0))
        if answer.status == 429:
            assert answer.headers["retry-after"] == str(60 // most)
            assert answer.headers["retry-after-ms"] == str(60_000 // most)
            assert answer.headers["x-ratelimit-reset-requests"] == "1m0s"
            assert answer.headers["x-should-retry"] == "true"
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
            assert f"this API key, {most} requests per minute" in answer.json()["error"]["message"]
        else:
            assert answer.headers["x-own"] == "1"


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RateLimiter(requests_per_minute=0)


async def test_without_a_token_the_cure_is_named() -> None:
    async with client_of(RateLimit(Model()), None) as client:
        with pytest.raises(RuntimeError, match="put TokenAuth outside"):
            await client.request("GET", "/x")


async def test_other_scopes_pass() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> dict[str, object]:
        return {}

    await RateLimit(app)({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.012, "12ms"),
        (0.0001, "1ms"),
        (0.9995, "1s"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (59.9999, "1m0s"),
        (60.0, "1m0s"),
        (90.951, "1m30.951s"),
        (360.0, "6m0s"),
        (3600.0, "1h0m0s"),
        (7384.02, "2h3m4.02s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --- whom a limit concerns --------------------------------------------------------------------------------------------

OTHERS = {
    "token": Token(id=8, name="ci-2", digest="", user_id=3, user_name="ann", group="staff"),
    "user": Token(id=9, name="ci", digest="", user_id=4, user_name="anton", group="staff"),
    "group": Token(id=7, name="ci", digest="", user_id=3, user_name="ann", group="guests"),
}


@pytest.mark.parametrize(
    ("scope", "name", "other", "shared"),
    [
        ("token", "ci", "token", None),
        ("token", "ci*", "token", False),
        ("token", "*", "user", False),
        ("user", "ann", "user", None),
        ("user", "an*", "user", False),
        ("user", "*", "token", True),
        ("group", "staff", "group", None),
        ("group", "*", "group", False),
        ("group", "*", "user", True),
        ("model", "m", "user", True),
        ("model", "*", "group", True),
        ("model", "other", "user", None),
        ("channel", "*", "user", None),
    ],
)
async def test_a_limit_holds_for_each_that_it_matches(scope: str, name: str, other: str, shared: bool | None) -> None:
    """``shared`` None: the other one has no limit at all (nor, of models and channels, the first)."""
    app = RateLimit(Model(), limiter=limiter(Limit(scope=scope, name=name, requests_per_minute=2)))  # type: ignore[arg-type]
    first = (await post(app)).headers.get("x-ratelimit-remaining-requests")
    second = (await post(app, token=OTHERS[other])).headers.get("x-ratelimit-remaining-requests")
    concerned = scope != "channel" and name != "other"
    assert first == ("1" if concerned else None)
    assert second == {None: None, True: "0", False: "1"}[shared]


async def test_models_are_counted_apart() -> None:
    app = RateLimit(Model(), limiter=limiter(Limit(scope="model", name="m-*", requests_per_minute=1)))
    answers = [await post(app, chat(model)) for model in ("m-1", "m-2", "free", "free", "m-1")]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 429]
    assert "the model 'm-1', 1 requests per minute" in answers[-1].json()["error"]["message"]


async def test_all_limits_hold_and_the_tightest_is_shown() -> None:
    limits = [
        Limit(scope="token", requests_per_minute=5),
        Limit(scope="user", requests_per_minute=3),
        Limit(scope="group", budget=1),
    ]
    app = RateLimit(Model(), limiter=limiter(*limits, requests_per_minute=10))
    answers = [await post(app) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in answers} == {"3"}
    assert "the owner of this API key" in answers[-1].json()["error"]["message"]


async def test_a_limit_of_nothing_refuses_for_good() -> None:
    for limit in (Limit(scope="user", requests_per_minute=0), Limit(scope="user", concurrent_calls=0)):
        answer = await post(RateLimit(Model(), limiter=limiter(limit)))
        assert (answer.status, answer.json()["error"]["code"]) == (403, "permission_denied")


async def test_limits_follow_the_store() -> None:
    store, clock = Limits(), Clock()
    book = LimitBook(store, revision=Revision(store, interval=10, clock=clock))
    app = RateLimit(Model(), limiter=RateLimiter(limits=book, clock=clock))
    assert (await post(app)).status == 200
    assert book.silent
    store.limits, store.revision = [Limit(id=1, scope="user", requests_per_minute=1)], 2
    assert [(await post(app)).status for _ in range(3)] == [200] * 3  # not asked yet
    clock.now += 10
    assert [(await post(app)).status for _ in range(2)] == [200, 429]
    store.limits, store.revision = (), 3
    clock.now += 10
    assert (await post(app)).status == 200
    clock.now += 10
    store.broken = True
    answer = await post(app)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_a_body_is_read_only_when_a_limit_asks_for_it() -> None:
    class Unread(Model):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            assert Call.of(scope).request is None
            await super().__call__(scope, receive, send)

    quiet = limiter(Limit(scope="user", requests_per_minute=9, concurrent_calls=9), Limit(scope="channel"))
    assert (await post(RateLimit(Unread(), limiter=quiet))).status == 200
    strict = RateLimit(Unread(), limiter=limiter(Limit(scope="model", name="m", requests_per_minute=9)))
    with pytest.raises(AssertionError):
        await post(strict)
    async with client_of(strict) as client:  # what is no operation has no model
        assert (await client.request("GET", "/v1/models")).status == 200
        assert (await client.request("POST", PATH, content=b"{")).json()["error"]["code"] == "invalid_json"


# --- tokens per minute ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "status", "remaining"),
    [
        (Usage(input=10, output=90), 200, 900),
        (Usage(input=10, output=990), 200, 0),
        (None, 500, 1000),
        (None, 200, 480),  # nobody counted: what was taken stays taken
    ],
)
async def test_tokens_are_taken_at_the_start_and_corrected_at_the_end(
    usage: Usage | None, status: int, remaining: int
) -> None:
    rates = limiter(Limit(scope="token", tokens_per_minute=1000))
    answer = await post(RateLimit(Model(status, usage), limiter=rates), chat(max_tokens=500))
    assert answer.status == status
    assert answer.headers["x-ratelimit-limit-tokens"] == "1000"
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) == pytest.approx(480, abs=15)
    after = await rates.counters.take("c", [Ask("token:1:7:tokens", "tokens", 1000, 0)])
    assert after.levels[0].remaining == pytest.approx(remaining, abs=15)


async def test_a_call_too_large_for_any_minute_is_refused_for_good() -> None:
    app = RateLimit(model := Model(), limiter=limiter(Limit(scope="token", tokens_per_minute=1000)))
    answer = await post(app, chat(max_tokens=1000))
    assert (answer.status, answer.headers["x-should-retry"]) == (400, "false")
    assert answer.json()["error"]["code"] == "tokens_per_minute_exceeded"
    assert "limit of output tokens" in answer.json()["error"]["message"]
    assert model.calls == 0


async def test_without_a_limit_of_output_a_whole_minutes_tokens_are_enough() -> None:
    clock = Clock()
    rates = limiter(Limit(scope="token", tokens_per_minute=1000), clock=clock)
    app = RateLimit(Model(usage=Usage(input=10, output=40)), limiter=rates)
    first = await post(app)  # 4096 tokens of output are taken for granted
    assert (first.status, first.headers["x-ratelimit-remaining-tokens"]) == (200, "0")
    second = await post(app)
    assert second.status == 429
    assert second.headers["retry-after-ms"] == "3000"
    assert "1000 tokens per minute" in second.json()["error"]["message"]
    clock.now += 3
    assert (await post(app)).status == 200


# --- calls at once ----------------------------------------------------------------------------------------------------


class Counts(Protocol):
    calls: int


async def until(counted: Counts, calls: int) -> None:
    for _ in range(1000):
        if counted.calls == calls:
            return
        await asyncio.sleep(0)
    raise AssertionError(counted.calls)


@pytest.mark.parametrize("ending", ["answered", "cancelled", "failed"])
async def test_a_slot_is_free_however_the_call_ended(ending: str) -> None:
    class Ending(Model):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await super().__call__(scope, receive, send)
            if ending == "failed":
                raise ValueError

    model = Ending()
    model.held = asyncio.Event()
    app = RateLimit(model, limiter=limiter(Limit(scope="user", concurrent_calls=1)))
    call = asyncio.create_task(post(app))
    await until(model, 1)
    refused = await post(app)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert "1 calls at once" in refused.json()["error"]["message"]
    if ending == "cancelled":
        call.cancel()
    model.held.set()
    await asyncio.wait((call,))
    assert call.cancelled() is (ending == "cancelled")
    if ending == "failed":
        assert isinstance(call.exception(), ValueError)
    model.held = None
    if ending == "failed":
        with pytest.raises(ValueError):  # noqa: PT011  # it is let in
            await post(app)
    else:
        assert (await post(app)).status == 200


async def test_who_is_refused_holds_nothing() -> None:
    rates = limiter(Limit(scope="user", concurrent_calls=5), requests_per_minute=1)
    app = RateLimit(Model(), limiter=rates)
    assert [(await post(app)).status for _ in range(4)] == [200, 429, 429, 429]
    after = await rates.counters.take("c", [Ask("user:1:3:calls", "calls", 5)])
    assert after.levels[0].remaining == 4


# --- channels ---------------------------------------------------------------------------------------------------------


class Answer:
    status = 200
    headers = (("content-type", "application/json"),)

    def __init__(self, status: int) -> None:
        self.status = status

    async def chunks(self) -> AsyncIterator[bytes]:
        yield json.dumps({"usage": {"prompt_tokens": 10, "completion_tokens": 20}, "choices": []}).encode()

    async def close(self) -> None:
        """Nothing is open."""


class Accounts:
    """An ``Upstream`` that answers by the account's key."""

    def __init__(self, **statuses: int) -> None:
        self.statuses = statuses
        self.asked: list[str] = []
        self.calls = 0
        self.held: asyncio.Event | None = None

    async def send(self, request: Outgoing) -> Answer:
        key = dict(request.headers)["authorization"].removeprefix("Bearer ")
        self.asked.append(key)
        self.calls += 1
        if self.held is not None:
            await self.held.wait()
        return Answer(self.statuses.get(key, 200))


A, B = (
    Candidate(Channel(id=number, name=name, api_keys=(Secret(name),)), 0, "m") for number, name in ((1, "a"), (2, "b"))
)


class Watched:
    """Keeps the calls."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.calls: list[Call] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append(Call.of(scope))
        await self.app(scope, receive, send)


def relay(upstream: Accounts, rates: RateLimiter, health: Ejection | None = None) -> Watched:
    return Watched(Relay(upstream, plan=[A, B], admission=ChannelLimits(rates), health=health))


def told(call: Call) -> tuple[list[tuple[str, str]], EndReason | None]:
    return [(attempt.channel, attempt.failure) for attempt in call.attempts], call.reason


async def test_a_channel_over_its_limit_is_passed_over_and_stays_healthy() -> None:
    clock, upstream, health = Clock(), Accounts(), Ejection()
    limits = (Limit(scope="channel", name="a", requests_per_minute=1), Limit(scope="channel", requests_per_minute=2))
    app = relay(upstream, limiter(*limits, clock=clock), health)
    answers = [await post(app) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert upstream.asked == ["a", "b", "b"]
    assert told(app.calls[1]) == ([("a", "rate_limited"), ("b", "")], "done")
    assert told(app.calls[3]) == ([("a", "rate_limited"), ("b", "rate_limited")], "refused")
    assert answers[3].headers["retry-after"] == "30"  # of b: sooner than a
    assert health.calm
    clock.now += 30
    assert (await post(app)).status == 200


async def test_a_real_failure_is_told_before_a_limit() -> None:
    app = relay(Accounts(a=500), limiter(Limit(scope="channel", name="b", requests_per_minute=1)))
    answers = [await post(app) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 502]
    assert told(app.calls[1]) == ([("a", "status_500"), ("b", "rate_limited")], "upstream_failed")


async def test_tokens_of_a_channel_are_those_of_the_attempt_that_served() -> None:
    rates = limiter(Limit(scope="channel", tokens_per_minute=1000))
    app = relay(Accounts(a=500), rates)
    assert (await post(app, chat(max_tokens=900))).status == 200
    for channel, remaining in ((1, 1000), (2, 970)):
        after = await rates.counters.take("c", [Ask(f"channel:1:{channel}:tokens", "tokens", 1000, 0)])
        assert after.levels[0].remaining == remaining


async def test_what_is_larger_than_a_channels_minute_waits_for_a_whole_one() -> None:
    app = relay(Accounts(), limiter(Limit(scope="channel", tokens_per_minute=100), Limit(scope="channel")))
    assert [(await post(app, chat(max_tokens=5000))).status for _ in range(2)] == [200, 200]


async def test_a_limit_of_nothing_shuts_a_channel() -> None:
    app = relay(upstream := Accounts(), limiter(Limit(scope="channel", name="a", concurrent_calls=0)))
    assert [(await post(app)).status for _ in range(2)] == [200, 200]
    assert upstream.asked == ["b", "b"]


async def test_a_channels_slot_is_free_when_the_caller_has_gone() -> None:
    upstream = Accounts()
    upstream.held = asyncio.Event()
    app = relay(upstream, limiter(Limit(scope="channel", name="a", concurrent_calls=1)))
    gone = asyncio.Event()
    scope: Scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": []}
    body = iter([{"type": "http.request", "body": json.dumps(chat()).encode()}])

    async def receive() -> Message:
        if (message := next(body, None)) is not None:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    call = asyncio.create_task(app(scope, receive, send))
    await until(upstream, 1)
    gone.set()
    await call
    assert app.calls[0].reason == "client_gone"
    upstream.held = None
    await post(app)
    assert upstream.asked == ["a", "a"]


async def test_without_limits_of_channels_nothing_is_counted() -> None:
    class Never(LocalRates):
        async def take(self, call_id: str, asks: Sequence[Ask]) -> Granted | Refused:
            raise AssertionError

    for rates in (RateLimiter(counters=Never()), RateLimiter(counters=Never(), limits=LimitBook(Limits()))):
        assert (await post(relay(Accounts(), rates))).status == 200
        assert (await post(RateLimit(Model(), limiter=rates))).status == 200


def test_a_channel_that_changes_the_size_of_a_call_is_counted_for_that() -> None:
    call, rates = Call(operation=OPERATIONS["/chat/completions"]), limiter()
    call.body = b'{"model":"m","messages":[{}],"max_tokens":10}'
    call.request = parse_request(OPERATIONS["/chat/completions"], "application/json", call.body)
    most, _ = rates.size(call)
    assert rates.size(call, A.channel) == (most, most)
    larger = Channel(id=3, name="c", parameters={"max_tokens": 500}, system_prompt="x" * 300)
    assert rates.size(call, larger)[0] - most == pytest.approx(490 + 100 + len('{"max_tokens":500}') / 3, abs=1)
