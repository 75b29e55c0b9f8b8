"""Arithmetic of the curves, and what goes over the wire to draw them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.growth_curves import Curve, Point, curves_of, fit
from benchmarks.growth_load import Asked, requests_of
from benchmarks.growth_report import summary
from benchmarks.growth_upstream import answer_of


def point(at: int, cpu: float, *, count: int = 10, number: int = 0, curve: str = "calls") -> Point:
    return Point(axis="tokens", curve=curve, at=at, round=number, count=count, cpu=cpu)


def test_a_curve_has_medians_in_the_order_of_what_grows() -> None:
    points = [point(100, 4e-5), *[point(10, cpu, number=n) for n, cpu in enumerate((1e-5, 9e-5, 3e-5))]]
    (curve,) = curves_of(points)
    assert [at for at, _ in curve.values] == [10, 100]
    assert [cost for _, cost in curve.values] == pytest.approx([3.0, 4.0])


def test_curves_are_told_apart_and_nothing_is_said_of_no_calls() -> None:
    curves = curves_of([point(1, 1.0, curve="a"), point(1, 1.0, curve="b"), point(2, 1.0, count=0, curve="b")])
    assert [(curve.name, len(curve.values)) for curve in curves] == [("a", 1), ("b", 1)]


@pytest.mark.parametrize(("last", "flat"), [(100.0, True), (125.0, True), (126.0, False), (50.0, True)])
def test_flat_is_at_most_a_quarter_more_at_the_end(last: float, flat: bool) -> None:
    curve = Curve(axis="tokens", name="calls", values=[(10, 100.0), (100, 900.0), (1_000, last)])
    assert curve.ratio == pytest.approx(last / 100)
    assert curve.flat is flat


@given(st.floats(0.001, 100), st.floats(1, 10_000))
def test_a_line_is_found_again(slope: float, intercept: float) -> None:
    line = fit([(at, intercept + slope * at / 1_000) for at in (1_000, 10_000, 1_000_000, 10_000_000)])
    assert line.slope == pytest.approx(slope, rel=1e-3)
    assert line.intercept == pytest.approx(intercept, rel=1e-2, abs=slope)
    assert line.error < 1e-3


def test_what_is_no_line_is_said_to_be_off() -> None:
    assert fit([(1_000, 10.0), (2_000, 40.0), (3_000, 10.0)]).error > 0.25


def test_a_line_takes_two_places() -> None:
    with pytest.raises(ValueError, match="two places"):
        fit([(1_000, 10.0), (1_000, 11.0)])


def test_a_summary_says_what_is_flat_and_how_steep_the_rest_is() -> None:
    tokens = Curve(axis="tokens", name="known", values=[(10, 100.0), (1_000, 180.0)])
    bodies = Curve(axis="bodies", name="request", values=[(1_000, 105.0), (10_000, 150.0), (100_000, 600.0)])
    told = summary([tokens, bodies])
    assert "| 1,000 | 180.0 |" in told
    assert "known: last beside first 1.80, not flat" in told
    assert "request: 5.00 µs for each 1,000 bytes and 100 µs a call" in told


@pytest.mark.parametrize(("tokens", "models"), [(1, 1), (7, 1), (1, 5), (6, 3)])
def test_requests_use_every_token_and_every_model(tokens: int, models: int) -> None:
    requests = requests_of(Asked(tokens=tokens, models=models), "host")
    keys = {next(line for line in one.split(b"\r\n") if line.startswith(b"authorization")) for one in requests}
    asked = {json.loads(one.partition(b"\r\n\r\n")[2])["model"] for one in requests}
    assert (len(keys), len(asked), len(requests)) == (tokens, models, max(tokens, models))


@pytest.mark.parametrize("size", [1_000, 10_000, 1_000_000])
def test_bodies_and_answers_are_as_long_as_asked_for(size: int) -> None:
    (request,) = requests_of(Asked(body=size), "host")
    for message in (request, answer_of(size)):
        body = message.partition(b"\r\n\r\n")[2]
        assert len(body) == size
        assert f"content-length: {size}\r\n".encode() in message
        assert json.loads(body)
