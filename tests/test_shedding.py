"""Load shedding: a controller that is fed by a simulated loop, and the component around it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.shedding import Governor, Load, LoadShed, LoopLag
from oneapi_asgi.wire.dialects import CLIENTS

TARGET = 0.05
COST = 0.001
STAGES = 3
PERIOD = 0.02


@dataclass
class Plant:
    """An event loop on which each call takes so many turns, simulated. Times are seconds after its start."""

    governor: Governor
    refusal: float = 0.06 * COST
    now: float = 0.0
    served: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    lags: list[tuple[float, float]] = field(default_factory=list)

    def run(self, until: float, rate: float) -> None:
        ready: list[int] = []
        arrival = due = self.now
        while self.now < until:
            turn = self.now
            if turn >= due:
                self.lags.append((turn, turn - due))
                self.governor.observe(turn, turn - due)
                due = turn + PERIOD
            self.now += len(ready) * COST / STAGES
            self.served[int(turn)] += ready.count(1)
            ready = [left - 1 for left in ready if left > 1]
            while arrival <= turn:
                arrival += 1 / rate
                if self.governor.refuses():
                    self.now += self.refusal
                    self.refused[int(turn)] += 1
                else:
                    ready.append(STAGES)
            if self.now == turn:
                self.now = turn + 1e-6 if ready else min(due, arrival)

    def goodput(self, since: int, until: int) -> float:
        return sum(self.served[second] for second in range(since, until)) / (until - since)

    def worst_lag(self, since: float, until: float) -> float:
        return max(lag for at, lag in self.lags if since <= at < until)


def best(rate: float, refusal: float) -> float:
    """Calls a second that can be served at most, if those beyond are refused."""
    return min(rate, (1 - rate * refusal) / (COST - refusal))


# --- the controller ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [0.3, 0.95])
def test_nothing_is_refused_below_capacity(load: float) -> None:
    plant = Plant(Governor(TARGET))
    plant.run(5, load / COST)
    assert not plant.refused.total()


@pytest.mark.parametrize("load", [1.1, 1.5, 2.0, 3.0])
def test_what_can_be_served_is_and_in_time(load: float) -> None:
    plant = Plant(Governor(TARGET))
    plant.run(16, load / COST)
    assert plant.goodput(8, 16) >= 0.97 * best(load / COST, plant.refusal)
    assert plant.worst_lag(10, 16) < 2 * TARGET
    assert plant.refused[12] > 0


def test_without_a_governor_the_simulated_loop_falls_behind_for_good() -> None:
    """Or the tests above would show nothing."""
    plant = Plant(Governor(1000.0))
    plant.run(8, 2 / COST)
    assert plant.worst_lag(4, 8) > 1.0


def test_calls_are_taken_again_when_the_load_has_gone() -> None:
    plant = Plant(Governor(TARGET))
    plant.run(8, 3 / COST)
    assert plant.governor.sheds
    plant.run(16, 0.5 / COST)
    assert not plant.governor.sheds
    assert not plant.refused[15]


def test_a_burst_is_served_and_not_refused() -> None:
    plant = Plant(Governor(TARGET))
    plant.run(0.3, 3 / COST)
    plant.run(5, 0.2 / COST)
    assert plant.worst_lag(0, 5) > TARGET
    assert not plant.refused.total()


def test_one_long_pause_is_no_overload() -> None:
    governor = Governor(TARGET)
    for second in range(20):
        governor.observe(second + 0.9, 0.0)
        governor.observe(second + 1.0, 5.0)
    assert not governor.sheds


@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 60)), max_size=60),
    st.floats(0.001, 10),
)
def test_a_share_is_a_share_whatever_is_observed(lags: list[tuple[float, float]], target: float) -> None:
    governor, now = Governor(target), 0.0
    for passed, lag in lags:
        now += passed
        governor.observe(now, lag)
        assert 0 <= governor.share <= 0.98
        assert governor.sheds or governor.share == 0


@given(st.floats(0.001, 0.98))
def test_refusals_lie_evenly(share: float) -> None:
    governor = Governor(TARGET)
    governor.share = share
    refused = [governor.refuses() for _ in range(500)]
    for end in range(1, 501):
        assert abs(sum(refused[:end]) - share * end) <= 1


def test_mistaken_bounds_are_told() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Governor(0)
    with pytest.raises(ValueError, match="at least 1"):
        Load(most_calls=0)


async def until(true: Callable[[], bool], within: float = 10.0) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < within
        await asyncio.sleep(0.001)


# --- the loop ---------------------------------------------------------------------------------------------------------


async def test_a_blocked_loop_is_noticed() -> None:
    heard: list[float] = []
    lag = LoopLag(heard.append, period=0.005)
    lag.start()
    lag.start()  # does nothing
    await until(lambda: len(heard) >= 3)
    time.sleep(0.1)  # noqa: ASYNC251 - what is to be noticed
    await until(lambda: max(heard) >= 0.08)
    lag.stop()
    count = len(heard)
    await asyncio.sleep(0.02)
    assert len(heard) == count
    lag.stop()


async def test_the_loop_is_looked_after_only_while_there_are_calls() -> None:
    async with Load(max_lag=TARGET) as load:
        assert load._lag._timer is None
        assert load.enter() is None
        assert load._lag._timer is not None
        load.leave()
        await until(lambda: load._lag._timer is None)


async def test_the_end_of_the_gateway_ends_the_watch() -> None:
    async with Load(max_lag=TARGET) as load:
        load.enter()
    assert load._lag._timer is None


async def test_an_overload_is_logged_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(max_lag=TARGET)
    load.enter()
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    with caplog.at_level(logging.INFO, "oneapi_asgi.shedding"):
        for lag in [0.2] * 30 + [0.0] * 300:
            now += 0.1
            load._heard(lag)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    load._lag.stop()


# --- the component ----------------------------------------------------------------------------------------------------


async def ask(app: LoadShed, *, dialect: str = "openai") -> tuple[int, dict[bytes, bytes], Any]:
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    Call.of(scope).dialect = CLIENTS[dialect]
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("a body is not read to be refused")

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), msgspec.json.decode(sent[1]["body"] or b"null")


class Waiting:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.entered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered += 1
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
async def test_calls_beyond_the_most_are_refused_at_once(dialect: str) -> None:
    inner = Waiting()
    load = Load(most_calls=2)
    app = LoadShed(inner, load)
    open_calls = [asyncio.create_task(ask(app)) for _ in range(2)]
    await until(lambda: inner.entered == 2)
    status, headers, body = await ask(app, dialect=dialect)
    assert status == 503
    assert headers[b"retry-after"] == b"1"
    assert headers[b"x-should-retry"] == b"true"
    assert b"connection" not in headers
    assert body["error"]
    inner.go.set()
    assert [status for status, _, _ in await asyncio.gather(*open_calls)] == [200, 200]
    assert (await ask(app))[0] == 200
    assert (load.calls, load.refused) == (0, 1)


async def test_a_call_that_fails_is_not_open_any_more() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    load = Load(most_calls=1)
    for _ in range(3):
        with pytest.raises(LookupError):
            await ask(LoadShed(failing, load))
    assert load.calls == 0


async def test_what_is_no_call_passes() -> None:
    passed: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["type"])

    async def nothing() -> Any:
        raise AssertionError

    load = Load(most_calls=1)
    load.enter()
    await LoadShed(inner, load)({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]
    assert passed == ["lifespan"]


async def test_the_more_is_refused_the_longer_to_wait() -> None:
    load = Load(max_lag=TARGET)
    assert load.governor is not None
    load.governor.share = 0.98
    waits = [wait for wait in (load.enter() for _ in range(50)) if wait is not None]
    assert len(waits) >= 48
    assert all(4 < wait <= 5 for wait in waits)
    load._lag.stop()
