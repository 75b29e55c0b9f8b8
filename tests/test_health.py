"""Who fails in a row is not asked for a while, tried with care, and trusted again by and by."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.health import FIT, Cause, Ejection, Health, Reporter, SharedEjection, Standing, Trial
from oneapi_asgi.models import Candidate, Channel, Secret

MODEL = "gpt-4o"
COUNTED: dict[Cause, int] = {"server": 5, "transport": 5, "slow": 5, "auth": 3, "quota": 3}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Chance(random.Random):
    """Draws what it is told to."""

    draw = 0.0

    def random(self) -> float:
        return self.draw


def channel(number: int = 1, *keys: str, **fields: Any) -> Channel:
    return Channel(id=number, name=f"c{number}", api_keys=tuple(map(Secret, keys or (f"k{number}",))), **fields)


class Ward:
    """Those who are watched, by channel, key and model."""

    def __init__(self, health: Ejection | None = None, *channels: Channel) -> None:
        self.clock = Clock()
        self.chance = Chance()
        self.health = health or Ejection(clock=self.clock, rng=self.chance)
        self.channels = {each.id: each for each in channels or (channel(1), channel(2), channel(3, "a", "b"))}

    def begin(self, number: int = 1, key: int = 0, model: str = MODEL, *, forced: bool = False) -> Trial:
        trial = self.health.begin(Candidate(self.channels[number], key, model), forced=forced)
        assert not isinstance(trial, Standing)
        return trial

    def barred(self, number: int = 1, key: int = 0, model: str = MODEL) -> Standing:
        standing = self.health.begin(Candidate(self.channels[number], key, model))
        assert isinstance(standing, Standing)
        return standing

    def fail(self, cause: Cause, times: int = 1, number: int = 1, key: int = 0, model: str = MODEL) -> None:
        for _ in range(times):
            self.begin(number, key, model, forced=True).failed(cause)

    def state(self, number: int = 1, key: int = 0, model: str = MODEL) -> str:
        return self.standing(number, key, model).state

    def standing(self, number: int = 1, key: int = 0, model: str = MODEL) -> Standing:
        return self.health.standing(self.channels[number], key, model)

    def spend_panic(self, model: str = MODEL) -> None:
        """The next attempt at what is out is some seconds away."""
        self.fail("server", 5, 2, model=model)
        self.begin(2, model=model).left()


def test_at_first_everybody_is_fit() -> None:
    ward = Ward()
    assert ward.health.calm
    assert ward.standing() is FIT
    assert isinstance(ward.health, Reporter)
    assert ward.health.seen(ward.channels[1]) == []
    health: Health = ward.health
    assert health.in_flight(ward.channels[1], 0, MODEL) == 0
    assert health.latency(ward.channels[1], 0, MODEL) is None


# --- thresholds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cause", "threshold"), COUNTED.items())
def test_so_many_failures_in_a_row_put_it_out(cause: Cause, threshold: int) -> None:
    ward = Ward()
    ward.fail(cause, threshold - 1)
    assert ward.state() in ("fit", "doubtful")
    ward.begin().failed(cause)
    assert ward.standing() == Standing("out", 30.0, 0.0, cause)
    assert not ward.health.calm


@pytest.mark.parametrize(("cause", "threshold"), COUNTED.items())
def test_a_success_begins_the_row_anew(cause: Cause, threshold: int) -> None:
    ward = Ward()
    for _ in range(4):
        ward.fail(cause, threshold - 1)
        ward.begin().succeeded()
        assert ward.standing() is FIT
    assert ward.health.calm


@pytest.mark.parametrize("causes", [("server", "transport"), ("transport", "slow", "server")])
def test_each_cause_has_a_row_of_its_own(causes: Sequence[Cause]) -> None:
    ward = Ward()
    for _ in range(4):
        for cause in causes:
            ward.fail(cause)
    assert ward.standing() is FIT
    ward.fail(causes[0])
    assert ward.standing().cause == causes[0]


@pytest.mark.parametrize("end", ["left", "rate"])
def test_what_says_nothing_of_it_neither_counts_nor_ends_a_row(end: str) -> None:
    ward = Ward()
    ward.fail("server", 4)
    for _ in range(50):
        trial = ward.begin(forced=True)
        trial.left() if end == "left" else trial.failed("rate")
    assert ward.state() in ("fit", "doubtful")
    ward.fail("server")
    assert ward.state() == "out"


def test_an_attempt_ends_once() -> None:
    ward = Ward()
    trial = ward.begin()
    trial.failed("server")
    for _ in range(9):
        trial.failed("server")
        trial.succeeded()
        trial.left()
        trial.content(3.0)
    ward.fail("server", 3)
    assert ward.standing() is FIT
    assert ward.health.in_flight(ward.channels[1], 0, MODEL) == 0
    ward.fail("server")
    assert ward.state() == "out"


@pytest.mark.parametrize(
    ("cause", "concerned"),
    [
        ("server", {(3, 0, MODEL)}),
        ("transport", {(3, 0, MODEL)}),
        ("slow", {(3, 0, MODEL)}),
        ("auth", {(3, 0, MODEL), (3, 0, "o3")}),
        ("quota", {(3, 0, MODEL), (3, 0, "o3")}),
    ],
)
def test_whom_it_concerns(cause: Cause, concerned: set[tuple[int, int, str]]) -> None:
    ward = Ward()
    ward.fail(cause, 5, 3)
    places = [(number, key, model) for number, key in ((1, 0), (3, 0), (3, 1)) for model in (MODEL, "o3")]
    assert {place for place in places if ward.state(*place) == "out"} == concerned


def test_that_answers_begin_does_not_hide_that_they_break_off() -> None:
    ward = Ward()
    for turn in range(5):
        assert ward.state() == "fit", turn
        trial = ward.begin()
        trial.content(0.2)
        trial.failed("transport")
    assert ward.standing().cause == "transport"


def test_an_answer_that_has_begun_ends_a_row_of_those_that_have_not() -> None:
    ward = Ward()
    open_ = [ward.begin() for _ in range(5)]
    for trial in open_:
        ward.fail("server", 4)
        trial.content(0.2)
    assert ward.standing() is FIT
    assert ward.health.in_flight(ward.channels[1], 0, MODEL) == 5


# --- keys that are refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["auth", "quota"])
@pytest.mark.parametrize("times", [1, 2])
def test_one_refusal_never_takes_the_only_channel_away(cause: Cause, times: int) -> None:
    ward = Ward(None)
    ward.fail(cause, times)
    assert ward.standing() == Standing("doubtful", cause=cause)
    assert not ward.health.calm
    ward.begin().left()
    ward.clock.now += 30
    assert ward.standing() is FIT  # or others would be asked for ever


def test_a_success_ends_the_doubt() -> None:
    ward = Ward()
    ward.fail("auth", 2)
    ward.begin().succeeded()
    assert ward.standing() is FIT
    assert ward.health.calm


def test_a_model_that_a_key_may_not_use_does_not_take_its_other_models_away() -> None:
    ward = Ward()
    ward.begin().succeeded()
    for model in ("secret-1", "secret-2", "secret-3"):
        ward.fail("auth", 9, model=model)
        assert ward.state(model=model) == "out"
    assert ward.standing() is FIT
    ward.fail("auth", 1)  # now those that it used to serve are refused, too
    assert ward.state(model="o3") == "out"


def test_what_a_key_did_long_ago_proves_nothing() -> None:
    ward = Ward()
    ward.begin().succeeded()
    ward.clock.now += 301
    ward.fail("auth", 3, model="o3")
    assert ward.state() == "out"


def test_another_key_in_the_same_place_begins_anew() -> None:
    ward = Ward()
    ward.fail("auth", 3)
    ward.fail("server", 5, model="o3")
    for same in (channel(1), channel(1, weight=7)):
        ward.channels[1] = same
        assert ward.state() == "out"
    ward.channels[1] = channel(1, "mended")
    assert ward.standing() is FIT
    assert ward.standing(model="o3") is FIT
    ward.begin().succeeded()
    assert ward.health.calm


# --- how long ---------------------------------------------------------------------------------------------------------


def test_it_grows_with_each_time_and_is_bounded() -> None:
    ward = Ward()
    ward.fail("server", 5)
    lengths = []
    for _ in range(13):
        lengths.append(ward.standing().wait)
        ward.clock.now += lengths[-1]
        assert ward.standing() == Standing("probing", 0.0, 0.1, "server")
        ward.begin().failed("server")
    assert lengths == [30.0 * times for times in range(1, 11)] + [300.0] * 3


@pytest.mark.parametrize("times", [1, 4, 10, 20])
@given(draw=st.floats(0, 1, exclude_max=True))
def test_by_chance_up_to_a_fifth_longer(times: int, draw: float) -> None:
    ward = Ward()
    ward.chance.draw = draw
    ward.fail("server", 5)
    for _ in range(times - 1):
        ward.clock.now += ward.standing().wait
        ward.begin().failed("server")
    least = min(30.0 * times, 300.0)
    assert least <= ward.standing().wait <= least * 1.2 + 1e-6
    assert ward.standing().wait == pytest.approx(least * (1 + 0.2 * draw))


@pytest.mark.parametrize(("healthy", "length"), [(0, 120), (299, 120), (300, 90), (600, 60), (900, 30), (9000, 30)])
def test_health_is_forgiving(healthy: float, length: float) -> None:
    ward = Ward()
    ward.fail("server", 5)
    for _ in range(2):
        ward.clock.now += ward.standing().wait
        ward.begin().failed("server")
    ward.clock.now += ward.standing().wait
    ward.begin().succeeded()
    ward.clock.now += healthy
    ward.fail("server", 5)
    assert ward.standing().wait == length


def test_what_fails_while_it_is_out_changes_nothing() -> None:
    ward = Ward()
    late = [ward.begin() for _ in range(40)]
    ward.fail("server", 5)
    ward.clock.now += 10
    for trial in late:
        trial.failed("server")
    assert ward.standing().wait == 20.0
    assert ward.health.seen(ward.channels[1])[0].ejections == 1


def test_what_began_before_it_worked_again_is_not_counted() -> None:
    ward = Ward()
    late = [ward.begin() for _ in range(40)]
    ward.fail("server", 5)
    ward.clock.now += 30
    ward.begin().succeeded()
    for trial in late:
        trial.failed("server")
    assert ward.state() == "recovering"


@pytest.mark.parametrize("cause", COUNTED)
def test_a_success_that_began_before_does_not_end_it(cause: Cause) -> None:
    ward = Ward()
    old = [ward.begin(), ward.begin(model="o3")]
    ward.clock.now += 1
    ward.fail(cause, 5)
    for trial in old:
        trial.content(1.0)
        trial.succeeded()
    assert ward.state() == "out"


def test_nothing_is_known_of_what_nobody_has_tried_for_an_hour() -> None:
    ward = Ward()
    ward.fail("server", 5)
    ward.clock.now += 30 + 3600
    ward.begin(2).left()
    assert ward.state() == "probing"
    ward.clock.now += 1.1
    ward.begin(2).left()
    assert ward.standing() is FIT
    assert ward.health.calm


# --- coming back ------------------------------------------------------------------------------------------------------


def test_one_attempt_at_a_time_finds_out_whether_it_works_again() -> None:
    ward = Ward()
    ward.spend_panic()
    ward.fail("server", 5)
    ward.clock.now += 29.9
    ward.begin(2).left()  # of the few in between
    ward.clock.now += 0.1
    probe = ward.begin()
    assert [ward.barred() for _ in range(3)] == [Standing("out", 1.0, 0.0, "server")] * 3
    assert ward.standing() == Standing("out", 1.0, 0.0, "server")
    probe.left()
    again = ward.begin()
    assert ward.barred().state == "out"
    again.succeeded()
    assert ward.state() == "recovering"


def test_a_probe_that_tells_nothing_holds_up_the_next_for_a_minute() -> None:
    ward = Ward()
    ward.fail("server", 5)
    ward.clock.now += 30
    hung = ward.begin()
    ward.clock.now += 59
    assert ward.state() == "out"
    ward.clock.now += 1
    assert ward.state() == "probing"
    ward.begin()
    hung.failed("slow")
    assert ward.state() == "out"
    assert ward.standing().wait == 1.0  # the newer one decides


def test_too_fast_is_no_answer_to_whether_it_works() -> None:
    ward = Ward()
    ward.fail("server", 5)
    ward.clock.now += 30
    ward.begin().failed("rate")
    assert ward.state() == "probing"


def test_the_first_content_is_enough_to_come_back() -> None:
    ward = Ward()
    ward.fail("slow", 5)
    ward.clock.now += 30
    probe = ward.begin()
    probe.content(0.3)
    assert ward.state() == "recovering"
    ward.begin().left()
    probe.failed("transport")
    assert ward.standing() == Standing("out", 60.0, 0.0, "transport")


def test_what_others_ended_well_meanwhile_counts_for_more() -> None:
    ward = Ward()
    ward.fail("slow", 5)
    ward.clock.now += 30
    probe = ward.begin()
    probe.content(0.3)
    ward.begin().succeeded()
    probe.failed("transport")
    assert ward.state() == "recovering"


@given(st.floats(0, 29.99), st.floats(0, 29.99))
def test_its_share_grows_from_a_tenth_to_all(one: float, other: float) -> None:
    ward = Ward()
    ward.fail("server", 5)
    ward.clock.now += 30
    ward.begin().succeeded()
    back = ward.clock.now
    shares = []
    for passed in sorted((one, other)):
        ward.clock.now = back + passed
        standing = ward.standing()
        assert standing.state == "recovering"
        assert standing.share == pytest.approx(0.1 + 0.9 * passed / 30)
        shares.append(standing.share)
    assert 0.1 <= shares[0] <= shares[1] <= 1.0
    ward.clock.now = back + 30
    assert ward.standing() is FIT


def test_a_key_is_tried_with_one_model_at_a_time() -> None:
    ward = Ward()
    ward.fail("auth", 3)
    ward.fail("auth", 3, 2)
    for model in ("m1", "m2", "m3"):
        ward.begin(2, model=model).left()  # of the few while it is out
    ward.clock.now += 30
    probe = ward.begin(model="m1")
    assert [ward.state(model=model) for model in (MODEL, "m2", "m3")] == ["out"] * 3
    probe.left()
    ward.begin(model="m2")
    assert ward.state(model="m1") == "out"


def test_with_a_key_all_its_models_come_back() -> None:
    ward = Ward()
    ward.fail("auth", 3)
    assert ward.state(model="o3") == "out"
    ward.clock.now += 30
    ward.begin(model="o3").succeeded()
    assert ward.state(model="o3") == "recovering"
    assert ward.state() == "probing"  # it was refused with this model, and asks once more
    ward.begin().succeeded()
    assert ward.state() == "recovering"


# --- while nobody else is left ----------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.floats(0.01, 3.0)), max_size=60))
def test_what_is_out_is_tried_once_in_five_seconds(calls: list[tuple[int, float]]) -> None:
    ward = Ward()
    for number in (1, 2, 3):
        ward.fail("server", 5, number)
    begun, start = [], ward.clock.now
    for number, pause in calls:
        ward.clock.now += pause
        if ward.clock.now >= start + 30:
            break
        trial = ward.health.begin(Candidate(ward.channels[number], 0, MODEL))
        if isinstance(trial, Standing):
            assert trial.state == "out"
            assert 0 <= trial.wait <= 5.0
        else:
            trial.failed("server")
            begun.append(ward.clock.now)
    assert all(later - earlier >= 5.0 - 1e-6 for earlier, later in pairwise(begun))
    assert ward.health.seen(ward.channels[1])[0].ejections == 1  # it does not stay out for longer


def test_other_models_are_tried_for_themselves() -> None:
    ward = Ward()
    ward.fail("server", 5)
    ward.fail("server", 5, model="o3")
    ward.begin()
    assert ward.barred().wait == 5.0
    ward.begin(model="o3")
    ward.clock.now += 5.0
    ward.begin().succeeded()
    assert ward.state() == "recovering"
    assert ward.state(model="o3") == "out"


def test_who_insists_is_let_through() -> None:
    ward = Ward()
    ward.spend_panic()
    ward.fail("server", 5)
    ward.begin(forced=True).failed("server")
    assert ward.barred().state == "out"
    ward.begin(forced=True).succeeded()
    assert ward.state() == "recovering"


# --- accounts that were too fast --------------------------------------------------------------------------------------

SHARED = (
    channel(1, "same"),
    channel(2, "other", "same"),
    channel(3, "same", provider="deepseek"),
    channel(4, "same", base_url="https://elsewhere.example"),
    channel(5, "same", weight=9),
)


@pytest.mark.parametrize(
    ("asked", "wait"), [(7.0, 7.0), (0.25, 0.25), (300.0, 300.0), (301.0, 300.0), (86_400.0, 300.0), (1e300, 300.0)]
)
def test_all_that_share_the_account_wait_as_long_as_was_asked(asked: float, wait: float) -> None:
    ward = Ward(None, *SHARED)
    ward.begin(1).failed("rate", retry_after=asked)
    cooling = [place for place in ((1, 0), (2, 0), (2, 1), (3, 0), (4, 0), (5, 0)) if ward.state(*place) == "cooling"]
    assert cooling == [(1, 0), (2, 1), (5, 0)]
    for place in cooling:
        assert ward.standing(*place) == Standing("cooling", wait, 0.0, "rate")
        assert ward.barred(*place) == Standing("cooling", wait, 0.0, "rate")
        assert ward.standing(*place, model="o3") is FIT
    ward.clock.now += wait - 0.01
    assert ward.barred(5, 0).wait == pytest.approx(0.01)
    ward.clock.now += 0.02
    assert ward.standing(5, 0) is FIT
    ward.begin(5).left()


def test_without_a_key_the_account_is_the_channel() -> None:
    ward = Ward(None, *(Channel(id=number, name=f"c{number}", provider="ollama") for number in (1, 2)))
    ward.begin(1).failed("rate", retry_after=9)
    assert [ward.state(number) for number in (1, 2)] == ["cooling", "fit"]


def test_the_longest_wait_holds() -> None:
    ward = Ward()
    trials = [ward.begin() for _ in range(3)]
    for trial, wait in zip(trials, (5.0, 60.0, 1.0), strict=True):
        trial.failed("rate", retry_after=wait)
    assert ward.standing().wait == 60.0


@pytest.mark.parametrize("nothing", [None, 0.0, -3.0])
def test_where_nothing_is_said_it_is_doubtful_for_ever_longer(nothing: float | None) -> None:
    ward = Ward()
    lengths = []
    for _ in range(9):
        ward.begin().failed("rate", retry_after=nothing)
        assert ward.standing() == Standing("doubtful", cause="rate")
        begun = ward.clock.now
        while ward.standing() is not FIT:
            ward.clock.now += 0.5
        lengths.append(ward.clock.now - begun)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_storm_of_refusals_is_one() -> None:
    ward = Ward()
    for trial in [ward.begin() for _ in range(50)]:
        ward.clock.now += 0.001
        trial.failed("rate")
    ward.clock.now += 1.0
    assert ward.standing() is FIT


def test_a_later_success_ends_it_and_an_earlier_one_does_not() -> None:
    ward = Ward()
    early = ward.begin()
    ward.clock.now += 1
    ward.begin().failed("rate", retry_after=9)
    early.succeeded()
    assert ward.state() == "cooling"
    ward.clock.now += 1
    ward.begin(forced=True).succeeded()
    assert ward.standing() is FIT
    assert ward.health.calm


def test_nobody_who_is_out_and_cools_down_is_tried() -> None:
    ward = Ward()
    ward.fail("server", 5)
    ward.begin(forced=True).failed("rate", retry_after=7)
    assert ward.standing() == Standing("cooling", 30.0, 0.0, "rate")
    ward.clock.now += 7
    assert ward.state() == "out"
    ward.begin().left()


def test_an_overloaded_server_that_says_when_is_asked_after_others() -> None:
    ward = Ward()
    ward.begin().failed("server", retry_after=4)
    assert ward.standing() == Standing("doubtful", cause="server")
    ward.begin().left()
    ward.clock.now += 4
    assert ward.standing() is FIT


# --- what is counted --------------------------------------------------------------------------------------------------


def test_attempts_are_counted_until_they_end() -> None:
    ward = Ward()
    ends: list[Callable[[Trial], None]] = [
        lambda trial: trial.succeeded(),
        lambda trial: trial.failed("server"),
        lambda trial: trial.failed("rate", retry_after=1),
        lambda trial: trial.left(),
    ]
    trials = [ward.begin(3, 1) for _ in ends]
    ward.begin(3, 0)
    for left, (trial, end) in reversed([*enumerate(zip(trials, ends, strict=True))]):
        trial.content(0.1)
        end(trial)
        assert ward.health.in_flight(ward.channels[3], 1, MODEL) == left


@pytest.mark.parametrize(
    ("observed", "least", "most"),
    [
        ([(0, 0.2)], 0.2, 0.2),
        ([(0, 0.2), (0, 5.0)], 5.0, 5.0),
        ([(0, 5.0), (1, 0.2)], 4.4, 4.6),
        ([(0, 5.0), (10, 0.2)], 1.9, 2.0),
        ([(0, 5.0), (60, 0.2)], 0.2, 0.22),
        ([(0, 5.0), *[(1, 0.2)] * 40], 0.2, 0.3),
    ],
)
def test_latency_follows_a_peak_at_once_and_falls_slowly(
    observed: list[tuple[float, float]], least: float, most: float
) -> None:
    ward = Ward()
    for passed, seconds in observed:
        ward.clock.now += passed
        ward.begin().content(seconds)
    latency = ward.health.latency(ward.channels[1], 0, MODEL)
    assert latency is not None
    assert least <= latency <= most


def test_an_attempt_that_waits_counts_once_it_has_waited_for_longer() -> None:
    ward = Ward()

    def latency() -> float | None:
        return ward.health.latency(ward.channels[1], 0, MODEL)

    first = ward.begin()
    ward.clock.now += 0.5
    assert latency() == 0.5
    first.content(0.5)
    second, third = ward.begin(), ward.begin()
    assert latency() == 0.5
    ward.clock.now += 8
    assert latency() == 8.0
    second.failed("slow")
    third.left()
    assert latency() == 8.0  # it took that long at least
    ward.clock.now += 60
    assert latency() == pytest.approx(8.0 / 2.718, rel=0.01)


@pytest.mark.parametrize(("waited", "latency"), [(0.0, 0.5), (0.4, 0.5), (0.9, 0.5), (4.0, 4.0)])
def test_a_caller_that_does_not_wait_any_longer_has_waited_so_long(waited: float, latency: float) -> None:
    ward = Ward()
    ward.begin().content(0.5)
    trial = ward.begin()
    ward.clock.now += waited
    trial.left()
    assert ward.health.latency(ward.channels[1], 0, MODEL) == pytest.approx(latency, rel=0.02)
    answered = ward.begin()
    answered.content(0.5)
    before = ward.health.latency(ward.channels[1], 0, MODEL)
    ward.clock.now += 0.001
    answered.left()
    assert ward.health.latency(ward.channels[1], 0, MODEL) == pytest.approx(before, rel=0.001)


def test_unjudged_everybody_is_always_fit() -> None:
    ward = Ward(Ejection(judge=False))
    for cause in (*COUNTED, "rate"):
        for _ in range(9):
            ward.begin().failed(cause, retry_after=100)
    assert ward.health.calm
    assert ward.standing() is FIT
    trial = ward.begin()
    assert ward.health.in_flight(ward.channels[1], 0, MODEL) == 1
    trial.content(0.25)
    trial.succeeded()
    assert ward.health.latency(ward.channels[1], 0, MODEL) == pytest.approx(0.25, abs=0.01)


# --- memory -----------------------------------------------------------------------------------------------------------


def test_callers_name_as_many_models_as_they_like() -> None:
    ward = Ward(Ejection(remembered=100))
    for _ in range(3):
        ward.begin().succeeded()
    ward.fail("server", 5, model="broken")
    for number in range(1000):
        ward.begin(model=f"m{number}").left()
        ward.fail("rate", model=f"r{number}")
        assert len(ward.health.seen(ward.channels[1])) <= 100
    assert len(ward.health._coolings) <= 100
    known = {row.model: row.state for row in ward.health.seen(ward.channels[1])}
    assert known["broken"] == "out"
    assert known[MODEL] == "fit"


@pytest.mark.parametrize("cause", ["server", "auth", "rate"])
def test_models_that_all_fail_are_forgotten_too(cause: Cause) -> None:
    ward = Ward(Ejection(remembered=100))
    for number in range(400):
        ward.fail(cause, 5, model=f"m{number}")
    assert len(ward.health.seen(ward.channels[1])) <= 101
    assert len(ward.health._news) <= 203


def test_what_is_forgotten_while_it_runs_ends_as_ever() -> None:
    ward = Ward(Ejection(remembered=10))
    trials = [ward.begin(model=f"m{number}") for number in range(100)]
    assert len(ward.health.seen(ward.channels[1])) <= 10
    for trial in trials:
        trial.content(0.1)
        trial.succeeded()
    assert {row.in_flight for row in ward.health.seen(ward.channels[1])} == {0}


def test_long_names_are_not_kept() -> None:
    ward = Ward()
    ward.fail("server", 5, model="x" * 1_000_000)
    (row,) = ward.health.seen(ward.channels[1])
    assert len(row.model or "") == 200
    assert ward.state(model="x" * 1_000_000) == "out"


# --- whatever happens -------------------------------------------------------------------------------------------------

DEEDS = st.one_of(
    st.tuples(st.just("begin"), st.integers(1, 3), st.sampled_from([MODEL, "o3"]), st.booleans()),
    st.tuples(st.just("wait"), st.floats(0.0, 90.0)),
    st.tuples(st.just("content"), st.integers(0, 99)),
    st.tuples(st.sampled_from(["succeeded", "left", *COUNTED, "rate"]), st.integers(0, 99)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(DEEDS, max_size=150))
def test_whatever_happens_it_can_be_asked_again(deeds: list[tuple[Any, ...]]) -> None:
    ward = Ward()
    running: list[Trial] = []
    for deed, *rest in deeds:
        if deed == "begin":
            trial = ward.health.begin(Candidate(ward.channels[rest[0]], 0, rest[1]), forced=rest[2])
            if isinstance(trial, Standing):
                assert trial.state in ("out", "cooling")
                assert not rest[2]
            else:
                running.append(trial)
        elif deed == "wait":
            ward.clock.now += rest[0]
        elif running:
            trial = running[rest[0] % len(running)]
            if deed == "content":
                trial.content(0.5)
                continue
            running.remove(trial)
            if deed in ("succeeded", "left"):
                getattr(trial, deed)()
            else:
                trial.failed(deed, retry_after=20 if rest[0] % 2 else None)
        for place in ((1, 0), (2, 0), (3, 0)):
            standing = ward.standing(*place)
            assert 0 <= standing.share <= 1
            assert 0 <= standing.wait <= 360
            assert (standing.wait > 0) is (standing.state in ("out", "cooling"))
    in_flight = [ward.health.in_flight(each, 0, model) for each in ward.channels.values() for model in (MODEL, "o3")]
    assert sum(in_flight) == len(running)
    ward.clock.now += 400
    assert {ward.state(number, 0, model) for number in (1, 2, 3) for model in (MODEL, "o3")} <= {"fit", "probing"}
    assert ward.health.calm is False or {ward.state(number) for number in (1, 2, 3)} == {"fit"}


# --- shown ------------------------------------------------------------------------------------------------------------


def test_what_is_seen_of_a_channel() -> None:
    ward = Ward()
    ward.begin(3, 0).content(0.5)
    ward.fail("auth", 3, 3, 1)
    rows = {(row.key, row.model): row for row in ward.health.seen(ward.channels[3])}
    assert set(rows) == {(0, MODEL), (1, None), (1, MODEL)}
    assert (rows[0, MODEL].state, rows[0, MODEL].in_flight, rows[0, MODEL].latency) == ("fit", 1, 0.5)
    for model in (None, MODEL):
        row = rows[1, model]
        assert (row.state, row.cause, row.wait, row.failures, row.ejections) == ("out", "auth", 30.0, 3, 1)
        assert row.in_flight == 0


def test_a_channel_can_begin_anew() -> None:
    ward = Ward()
    ward.fail("auth", 3)
    ward.fail("server", 5)
    ward.fail("auth", 3, 2)
    ward.health.forget(1)
    assert ward.standing() is FIT
    assert ward.state(2) == "out"
    ward.fail("auth", 2)
    assert ward.state() == "doubtful"


def test_it_is_told_when_the_last_key_of_a_channel_is_refused() -> None:
    ward = Ward()
    told: list[tuple[int, list[frozenset[str]]]] = []
    ward.health.watch(lambda each: told.append((each.id, ward.health.exhausted(each))))
    ward.fail("server", 9)
    for _ in range(3):
        ward.begin(3, 0, forced=True).failed("auth", status=401, code="invalid_api_key")
    assert told == [(3, [])]
    for _ in range(3):
        ward.begin(3, 1, forced=True).failed("quota", status=402)
    assert told[1:] == [(3, [frozenset({"401", "invalid_api_key"}), frozenset({"402"})])]
    ward.clock.now += 40
    ward.begin(3, 0).succeeded()
    assert ward.health.exhausted(ward.channels[3]) == []


# --- between replicas -------------------------------------------------------------------------------------------------


class Post:
    """Notices between those who were given it, as a Redis brings them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.members: list[Member] = []

    def member(self) -> Member:
        member = Member(self)
        self.members.append(member)
        return member


class Member:
    def __init__(self, post: Post) -> None:
        self._post = post
        self.hears: dict[str, Callable[[str], None]] = {}

    def publish(self, kind: str, text: str) -> None:
        self._post.sent.append((kind, text))
        for other in self._post.members:
            if other is not self:
                other.hears[kind](text)

    def subscribe(self, kind: str, heard: Callable[[str], None]) -> Callable[[], None]:
        self.hears[kind] = heard
        return lambda: None


class Replicas:
    def __init__(self, *channels: Channel) -> None:
        self.post, self.clock, chance = Post(), Clock(), Chance()
        self.one, self.other = (
            Ward(SharedEjection(self.post.member(), clock=self.clock, rng=chance), *channels) for _ in range(2)
        )


@pytest.mark.parametrize("cause", COUNTED)
def test_the_others_hear_of_an_ejection_and_tell_nobody(cause: Cause) -> None:
    replicas = Replicas()
    one, other = replicas.one, replicas.other
    late = [one.begin() for _ in range(20)]
    one.fail(cause, COUNTED[cause])
    assert other.standing() == one.standing() == Standing("out", 30.0, 0.0, cause)
    assert other.state(2) == "fit"
    sent = len(replicas.post.sent)
    assert sent == (2 if cause in ("auth", "quota") else 1)
    for trial in late:
        trial.failed(cause)
    assert len(replicas.post.sent) == sent


def test_each_finds_out_for_itself_that_it_works_again() -> None:
    replicas = Replicas()
    replicas.one.fail("server", 5)
    replicas.clock.now += 30
    replicas.one.begin().succeeded()
    assert (replicas.one.state(), replicas.other.state()) == ("recovering", "probing")
    replicas.other.begin().failed("server")
    assert replicas.other.standing().wait == 60.0  # for the second time, as it had heard of the first
    assert replicas.one.state() == "out"


def test_the_others_hear_of_an_account_that_is_too_fast() -> None:
    replicas = Replicas(*SHARED)
    for trial in [replicas.one.begin(1) for _ in range(9)]:
        trial.failed("rate", retry_after=7)
    replicas.one.begin(1, model="o3").failed("rate")
    assert len(replicas.post.sent) == 1
    assert [replicas.other.state(number) for number in (1, 2, 3, 5)] == ["cooling", "fit", "fit", "cooling"]
    assert replicas.other.standing(1).wait == 7.0
    assert "same" not in replicas.post.sent[0][1]


def test_what_the_others_hear_before_they_know_the_channel() -> None:
    replicas = Replicas()
    told: list[Channel] = []
    replicas.other.health.watch(told.append)
    replicas.one.fail("auth", 3)
    assert told == []  # whoever has found out sees to it
    heard = [row.state for row in replicas.other.health.seen(replicas.other.channels[1])]
    assert set(heard) == {"out"}
    assert replicas.other.state(model="o3") == "out"


def test_keys_that_different_replicas_found_refused() -> None:
    replicas = Replicas()
    told: list[list[frozenset[str]]] = []
    replicas.other.health.watch(lambda each: told.append(replicas.other.health.exhausted(each)))
    for _ in range(3):
        replicas.one.begin(3, 0, forced=True).failed("auth", status=401)
    for _ in range(3):
        replicas.other.begin(3, 1, forced=True).failed("auth", status=403)
    assert told == [[frozenset({"401"}), frozenset({"403"})]]


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '{"channel":1}', "[1,2]", '{"account":7}'])
def test_a_notice_that_cannot_be_read_changes_nothing(text: str) -> None:
    replicas = Replicas()
    (_, other) = replicas.post.members
    for kind in other.hears:
        with pytest.raises(msgspec.DecodeError):
            other.hears[kind](text)
    assert replicas.other.health.calm


def test_how_long_a_notice_may_bar() -> None:
    replicas = Replicas()
    hears = replicas.post.members[1].hears
    hears["ejected"]('{"channel":1,"key":0,"model":"gpt-4o","seconds":1e9,"times":3,"cause":"server"}')
    assert replicas.other.standing().wait <= 600
    hears["ejected"]('{"channel":2,"key":0,"model":"gpt-4o","seconds":9,"times":3,"cause":"rate"}')
    assert replicas.other.standing(2) is FIT


def test_a_notice_shortens_nothing() -> None:
    replicas = Replicas()
    ward = replicas.other
    ward.fail("server", 5)
    replicas.clock.now += 30
    ward.begin().failed("server")
    hears = replicas.post.members[1].hears
    hears["ejected"]('{"channel":1,"key":0,"model":"gpt-4o","seconds":9,"times":1,"cause":"slow"}')
    assert ward.standing().wait == 60.0
    replicas.clock.now += 60
    ward.begin().failed("server")
    assert ward.standing().wait == 90.0
