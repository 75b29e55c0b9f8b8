"""A channel of which every key is refused is switched off, for what the operator has said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import pytest
from e2e.serving import chat, eventually, open_rig
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi import Channel, Ejection, Gateway, MemoryStorage, Secret, Standing
from oneapi_asgi.health import Cause
from oneapi_asgi.models import Candidate
from oneapi_asgi.retirement import Retirement, reason
from oneapi_asgi.testing import Answer, Part

ALL = ("401", "402", "403", "insufficient_quota", "account_deactivated")


def signs(*each: str) -> list[frozenset[str]]:
    return [frozenset(one.split()) for one in each]


@pytest.mark.parametrize(
    ("refusals", "because"),
    [
        ([], ""),
        (signs("401 invalid_api_key"), "401"),
        (signs("401", "403"), "401, 403"),
        (signs("401", "401"), "401"),
        (signs("429 insufficient_quota", "402"), "402, insufficient_quota"),
        (signs("401 Account_Deactivated"), "401, account_deactivated"),
        (signs("401", ""), ""),
        (signs("401", "500"), ""),
        (signs("429 rate_limit_exceeded"), ""),
        (signs("4010"), ""),
    ],
)
def test_why(refusals: Sequence[frozenset[str]], because: str) -> None:
    assert reason(refusals, frozenset(ALL)) == because
    assert reason(refusals, frozenset()) == ""


@given(st.lists(st.frozensets(st.text(max_size=9), max_size=3), max_size=4))
def test_only_the_operators_words_are_told(refusals: list[frozenset[str]]) -> None:
    told = reason(refusals, frozenset(ALL))
    assert set(told.split(", ")) <= {*ALL, ""}


class Switch:
    """``ails`` for so many times; ``left`` are those that are on."""

    def __init__(self, *left: int, ails: int = 0) -> None:
        self.left = set(left)
        self.ails = ails
        self.asked: list[tuple[int, str]] = []

    async def disable_channel(self, channel_id: int, because: str) -> bool:
        self.asked.append((channel_id, because))
        if self.ails:
            self.ails -= 1
            raise ConnectionError("sk-secret")
        found = channel_id in self.left
        self.left.discard(channel_id)
        return found


def channel(number: int, keys: int = 1) -> Channel:
    return Channel(id=number, name=f"c{number}", api_keys=tuple(Secret(f"k{number}.{key}") for key in range(keys)))


class Bench:
    def __init__(self, switch: Switch, *disable_on: str) -> None:
        self.health = Ejection()
        self.switch = switch
        self.told: list[tuple[int, str]] = []
        self.retirement = Retirement(
            switch,
            self.health,
            disable_on=disable_on,
            on_disabled=lambda each, because: self.told.append((each.id, because)),
            pause=0.01,
        )

    def fail(
        self, of: Channel, times: int = 3, key: int = 0, *, cause: Cause = "auth", status: int = 401, code: str = ""
    ) -> None:
        for _ in range(times):
            trial = self.health.begin(Candidate(of, key, "m"), forced=True)
            assert not isinstance(trial, Standing)
            trial.failed(cause, status=status, code=code)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


async def turns() -> None:
    """As many as it takes a task that has something to do to do it."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_last_key_takes_the_channel_with_it(caplog: pytest.LogCaptureFixture) -> None:
    bench, of = Bench(Switch(1), *ALL), channel(1, keys=2)
    async with bench.retirement:
        bench.fail(of, 9)
        bench.fail(of, 2, key=1, cause="quota", status=402)
        await turns()
        assert bench.switch.asked == []
        bench.fail(of, 1, key=1, cause="quota", status=402, code="sk-secret and more")
        await until(lambda: bench.told != [])
    assert bench.switch.asked == bench.told == [(1, "401, 402")]
    assert "c1" in caplog.text
    assert "401, 402" in caplog.text
    assert "secret" not in caplog.text
    assert bench.health.calm  # whoever switches it on again begins anew


@pytest.mark.parametrize(
    ("cause", "status", "code", "times"),
    [
        ("auth", 401, "", 2),
        ("auth", 403, "", 9),
        ("quota", 402, "", 9),
        ("quota", 429, "billing_not_active", 9),
        ("server", 500, "401", 9),
        ("rate", 429, "insufficient_quota", 9),
        ("transport", 401, "", 9),
    ],
)
async def test_what_takes_no_channel_away(cause: Cause, status: int, code: str, times: int) -> None:
    bench = Bench(Switch(1), "401", "insufficient_quota")
    async with bench.retirement:
        bench.fail(channel(1), times, cause=cause, status=status, code=code)
        await turns()
    assert bench.switch.asked == []


async def test_one_that_an_operator_has_switched_off_stays_so(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(Switch(), *ALL)
    async with bench.retirement:
        bench.fail(channel(1))
        await until(lambda: bench.switch.asked != [])
        await turns()
    assert bench.told == []
    assert caplog.text == ""


async def test_a_storage_that_fails_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(Switch(1, 2, ails=3), *ALL)
    async with bench.retirement:
        bench.fail(channel(1))
        bench.fail(channel(2))
        await until(lambda: len(bench.told) == 2)
    assert sorted(bench.told) == [(1, "401"), (2, "401")]
    assert len(bench.switch.asked) == 5
    assert "secret" not in caplog.text
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 2


async def test_one_that_works_again_meanwhile_is_left_alone() -> None:
    bench, of = Bench(Switch(1, ails=1), *ALL), channel(1)
    async with bench.retirement:
        bench.fail(of)
        await until(lambda: bench.switch.asked != [])
        trial = bench.health.begin(Candidate(of, 0, "m"), forced=True)
        assert not isinstance(trial, Standing)
        trial.succeeded()
        await until(lambda: bench.retirement._doomed == {})
    assert bench.switch.left == {1}


@pytest.mark.parametrize("sign", ["", "credit balance", "401 ", "x" * 65])
def test_what_is_neither_a_status_nor_a_code(sign: str) -> None:
    with pytest.raises(ValueError, match="statuses and codes"):
        Retirement(Switch(), Ejection(), disable_on=[sign])


class Silent:
    """A health that says nothing of itself."""


def test_who_cannot_do_it_is_told_at_once() -> None:
    with pytest.raises(TypeError, match="does not know"):
        Gateway(MemoryStorage(), health=Silent(), disable_on=["401"])  # type: ignore[arg-type]


async def test_in_a_gateway() -> None:
    refused = Answer(status=401, parts=[Part(b'{"error":{"message":"no","code":"invalid_api_key"}}')])
    async with open_rig(MemoryStorage(), disable_on=["401"], poll_interval=0.01) as rig:

        async def channels() -> list[tuple[bool, str]]:
            return [(each.enabled, each.disabled_because) for each in await rig.storage.list_channels()]

        for _ in range(2):
            rig.fake.script(refused)
            assert (await rig.post(chat())).status_code == 502
        assert (await rig.post(chat())).status_code == 200
        for _ in range(3):
            assert await channels() == [(True, "")]
            rig.fake.script(refused)
            assert (await rig.post(chat())).status_code == 502

        async def is_off() -> bool:
            return await channels() == [(False, "401")]

        async def is_seen() -> bool:
            return "model_unavailable" in (await rig.post(chat())).text

        await eventually(is_off, within=5)
        await eventually(is_seen, within=5)
        asked = len(rig.fake.journal)
        assert (await rig.post(chat())).status_code == 503
        assert len(rig.fake.journal) == asked
