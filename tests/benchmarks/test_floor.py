"""The baselines without features, and the generators of load, on real sockets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.processes import Server, free_port, holding, module, run_load, run_open_load, running
from benchmarks.traffic import PACE, Caller, Mode

BARE: dict[str, tuple[Mode, ...]] = {
    "floor": ("plain", "large", "stream", "long", "singly", "paced"),
    "aiohttp_proxy": ("plain", "long"),
}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port, log = free_port(), tmp_path_factory.mktemp("upstream") / "log"
    with running(module("upstream", port=port), port, log, proxy=False) as server:
        yield server


@pytest.fixture(scope="module", params=BARE)
def bare(
    request: pytest.FixtureRequest, upstream: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, tuple[Mode, ...]]]:
    port, log = free_port(), tmp_path_factory.mktemp("bare") / "log"
    command = module(request.param, upstream=f"http://127.0.0.1:{upstream.port}", port=port)
    with running(command, port, log) as server:
        yield server, BARE[request.param]


def test_bare_proxies_bring_back_each_answer_whole(bare: tuple[Server, tuple[Mode, ...]]) -> None:
    server, modes = bare
    for mode in modes:
        load = run_load(server.port, mode, 4, 0.05)
        assert load.requests >= 4
        assert 0 < load.first_byte <= load.p50 <= load.p99


def test_a_paced_stream_begins_long_before_it_ends(bare: tuple[Server, tuple[Mode, ...]]) -> None:
    load = run_load(bare[0].port, "paced", 2, 0.05)
    assert load.first_byte < load.p50 / 4
    assert load.p50 >= PACE["paced"] * 30


def test_an_open_loop_answers_all_that_is_due(upstream: Server) -> None:
    load = run_open_load(upstream.port, "plain", 500.0, 0.4)
    assert load.requests == pytest.approx(200, rel=0.4)
    assert 0 < load.p50 <= load.p99
    assert load.busiest < 1


def test_streams_are_held_while_the_block_lasts(upstream: Server) -> None:
    with holding(upstream.port, 20):
        assert upstream.resident() > 0


def test_a_wrong_answer_fails_the_run(upstream: Server) -> None:
    """Passed through to an upstream that knows no translation, an answer does not end as Anthropic's do."""
    with pytest.raises(RuntimeError, match="the answer ended with"):
        run_load(upstream.port, "translated", 1, 0.05, Caller(exact=False))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere as fine as the system has it")
def test_cpu_is_counted_finer_than_in_ticks(upstream: Server) -> None:
    before = upstream.cpu()
    run_load(upstream.port, "plain", 8, 0.2)
    ticks = (upstream.cpu() - before) * 100
    assert ticks > 0
    assert abs(ticks - round(ticks)) > 1e-6


def test_what_does_not_start_says_why(tmp_path: Path) -> None:
    command = module("no_such_module")
    with pytest.raises(RuntimeError, match="No module named"), running(command, free_port(), tmp_path / "log"):
        pass
