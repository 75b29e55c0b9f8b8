"""Requests per minute: the whole allowance at once, then evenly, never more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.models import Token
from oneapi_asgi.ratelimit import RateLimit, RateLimiter, admit
from oneapi_asgi.testing import StreamingClient

GAPS = st.lists(st.floats(0, 30) | st.just(0.0), max_size=80)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(GAPS, st.integers(1, 20))
def test_no_minute_admits_more_than_twice_the_limit_and_none_less_than_the_even_rate(
    gaps: list[float], limit: int
) -> None:
    now, due, admitted = 0.0, 0.0, []
    for gap in gaps:
        now += gap
        wait, due = admit(due, now, limit)
        if not wait:
            admitted.append(now)
    for first in admitted:
        for length in (1.0, 10.0, 60.0, 120.0):
            inside = sum(first <= moment < first + length for moment in admitted)
            assert inside <= limit * (1 + length / 60) + 1


@given(GAPS, st.integers(1, 20))
def test_whoever_waits_as_told_is_admitted_and_not_earlier(gaps: list[float], limit: int) -> None:
    now, due = 0.0, 0.0
    for gap in gaps:
        now += gap
        wait, due = admit(due, now, limit)
        assert 0 <= wait <= 60 / limit + 1e-6
        if wait:
            assert admit(due, now + wait, limit)[0] == 0
            assert admit(due, now + wait * 0.9 - 1e-6, limit)[0] > 0
            assert admit(due, now, limit) == (wait, due)  # a refusal costs nothing


@given(st.integers(1, 1000))
def test_the_whole_allowance_may_be_spent_at_once(limit: int) -> None:
    due = 0.0
    for _ in range(limit):
        wait, due = admit(due, 5.0, limit)
        assert wait == 0
    assert admit(due, 5.0, limit)[0] == pytest.approx(60 / limit)


@given(GAPS, st.integers(1, 20))
def test_forgetting_the_rested_changes_nothing(gaps: list[float], limit: int) -> None:
    clock = Clock()
    limiter = RateLimiter(clock=clock)
    due = 0.0
    for gap in gaps:
        clock.now += gap
        wait, due = admit(due, clock.now, limit)
        assert limiter.wait(1, limit) == wait


def test_keys_are_counted_apart() -> None:
    limiter = RateLimiter(clock=Clock())
    assert [limiter.wait(key, 1) for key in (1, 2, 1, 2)] == [0, 0, 60, 60]


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RateLimiter(requests_per_minute=0)


# --- the component ----------------------------------------------------------------------------------------------------


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


class As:
    """Puts the token into the call."""

    def __init__(self, app: RateLimit, token: Token | None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        Call.of(scope).token = self.token
        await self.app(scope, receive, send)


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
    limit = RateLimit(answering, limiter=RateLimiter(requests_per_minute=everyones, clock=Clock()))
    async with StreamingClient(As(limit, token), lifespan=False) as client:
        answers = [await client.request("GET", "/x") for _ in statuses]
    assert [answer.status for answer in answers] == statuses
    for answer in answers:
        if answer.status == 429:
            limit_ = own or everyones or 0
            assert answer.headers["retry-after"] == str(60 // limit_)
            assert answer.headers["x-should-retry"] == "true"
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"


async def test_without_a_token_the_cure_is_named() -> None:
    async with StreamingClient(As(RateLimit(answering), None), lifespan=False) as client:
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
