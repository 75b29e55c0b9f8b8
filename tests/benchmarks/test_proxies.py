"""Proxies that are there or not: who is missing is left out with a reason, and who fails takes nobody else along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.baselines import Absent, Place, Proxy, nginx
from benchmarks.peers import PEERS, peer
from benchmarks.processes import Server, free_port, module, run_load, running
from benchmarks.proxies import CLOSED, PROXIES, Rounds, parse_options, start
from benchmarks.report import Measurements
from benchmarks.traffic import Caller

PORTKEY = "portkey-ai-gateway@1.15.2"


def place_in(folder: Path, *, port: int | None = None) -> Place:
    upstream = f"http://127.0.0.1:{port or free_port()}"
    return Place(folder, upstream, folder / "peers", install=False, postgres="postgresql://nobody@127.0.0.1:1/none")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Server]:
    port = free_port()
    with running(module("upstream", port=port), port, tmp_path / "upstream.log", proxy=False) as server:
        yield server


def install(folder: Path, script: str) -> None:
    """Something in the place of Portkey."""
    program = folder / "peers" / PORTKEY / PEERS["portkey"].program
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    (folder / "peers" / PORTKEY / "installed").touch()


@pytest.mark.parametrize("name", PEERS)
def test_peers_are_installed_only_when_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"is not installed \(--peers does it\)"), peer(name)(place_in(tmp_path)):
        pass


def test_a_peer_that_does_not_start_is_absent_and_says_why(tmp_path: Path) -> None:
    install(tmp_path, "echo out of order; exit 3")
    with pytest.raises(Absent, match="does not work here: out of order"), peer("portkey")(place_in(tmp_path)):
        pass


def test_who_is_absent_is_left_out_and_the_others_are_there(tmp_path: Path) -> None:
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        proxies = start(stack, place_in(tmp_path), ["direct", "portkey", "gateway-postgres", "floor"], absent)
        assert list(proxies) == ["direct", "floor"]
    assert list(absent) == ["portkey", "gateway-postgres"]
    assert absent["gateway-postgres"].startswith("there is no PostgreSQL")


def test_nginx_passes_on(tmp_path: Path, upstream: Server) -> None:
    try:
        with nginx(place_in(tmp_path, port=upstream.port)) as proxy:
            for mode in ("plain", "large", "stream"):
                assert run_load(proxy.server.port, mode, 2, 0.05).requests >= 2
    except Absent as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", ["portkey", "gateway"])
def test_who_fails_has_no_further_part_in_a_load(name: str, upstream: Server) -> None:
    """The upstream itself, asked for what it does not know, and another beside it. Only peers may fail."""
    wrong = Proxy(upstream, Caller(), frozenset(CLOSED))
    measured = Measurements()
    options = parse_options(["--seconds", "0.05", "--rounds", "1", "--connections", "2"])
    rounds = Rounds({name: wrong, "floor": Proxy(upstream)}, options, measured)
    rounds.closed("translated")
    rounds.closed("plain")
    (named,) = (measured.absent if name in PEERS else measured.failed).items()
    assert named[0] == f"{name}, translated"
    assert "the answer ended with" in named[1]
    assert len(measured.absent) + len(measured.failed) == 1
    assert [one.proxy for one in measured.closed] == [name, "floor"]


def test_everything_is_measured_unless_less_is_asked_for() -> None:
    assert parse_options([]).proxies == list(PROXIES)
    assert parse_options(["--proxies", "floor", "--only", "plain"]).only == ["plain"]


@pytest.mark.parametrize("words", [["--only", "slow"], ["--proxies", "apache"]])
def test_what_there_is_not_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(words)
    assert "choose from" in capsys.readouterr().err
