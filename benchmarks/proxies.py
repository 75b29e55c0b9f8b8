"""The gateway beside proxies without features, other gateways, and the direct way, under loads of several kinds."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from .baselines import UNTRANSLATED, Absent, Place, Proxy, Start, bare, nginx
from .databases import SERVERS
from .document import summary, write_report
from .gateway import gateway, gateway_on_postgres
from .open_load import CONNECTIONS
from .options import numbers, words
from .peers import PEERS, peer
from .processes import free_port, holding, module, run_load, run_open_load, running
from .report import Held, Measured, Measurements, Opened
from .traffic import EXACT, PACE, Mode

__all__ = ["main", "measure", "parse_options"]

WARM_UP = 0.3  # seconds
WARM_CONNECTIONS = 8
SETTLING = 1.0  # seconds until memory is looked at
HELD_BY_PEERS = 100  # streams at most; one event a second of each is more than some can do for a thousand
SHARE = 0.7  # of the capacity, in the open loop
MOST: Mapping[Mode, int] = {"long": 8, "translated": 8}
"""Connections at most. A thousand events at once hold the gateway's loop for some ten milliseconds, and on a machine
that was busy otherwise it has refused calls (503) on 32 connections."""
MOST_RATE = 15_000.0  # requests a second in the open loop; with more the generator may be what is late

STARTS: Mapping[str, Start] = {
    "nginx": nginx,
    "floor": bare("floor"),
    "aiohttp": bare("aiohttp_proxy"),
    "gateway": gateway,
    "gateway-postgres": gateway_on_postgres,
    **{name: peer(name) for name in PEERS},
}
PROXIES = ("direct", *STARTS)
CLOSED: tuple[Mode, ...] = ("plain", "large", "stream", "long", "singly", "paced", "translated", "translated-paced")
LOADS = ("memory", *CLOSED, "open")


def start(stack: ExitStack, place: Place, names: Sequence[str], absent: dict[str, str]) -> dict[str, Proxy]:
    """The upstream and the proxies, by name; "direct" is the upstream itself."""
    port = int(place.upstream.rpartition(":")[2])
    upstream = running(module("upstream", port=port), port, place.folder / "upstream.log", proxy=False)
    proxies = {"direct": Proxy(stack.enter_context(upstream), EXACT, UNTRANSLATED)}
    for name in names:
        if name in STARTS:
            try:
                proxies[name] = stack.enter_context(STARTS[name](place))
            except Absent as reason:
                absent[name] = str(reason)
                print(f"{name} is left out: {reason}", file=sys.stderr)
    return {name: proxies[name] for name in names if name in proxies}


class Rounds:
    """Measures proxies in turns, so that a drift of the machine meets all of them alike. Who fails under a load
    has no further part in it."""

    def __init__(self, proxies: dict[str, Proxy], options: argparse.Namespace, measured: Measurements) -> None:
        self.proxies = proxies
        self.options = options
        self.measured = measured

    def closed(self, mode: Mode) -> None:
        wanted = [self.options.streams] if PACE.get(mode) else self.options.connections
        for connections in dict.fromkeys(min(number, MOST.get(mode, number)) for number in wanted):
            taking = {name: proxy for name, proxy in self.proxies.items() if mode in proxy.modes}
            for name, proxy in list(taking.items()):
                with self.forgiving(name, mode, taking):
                    warm = min(connections, WARM_CONNECTIONS, proxy.connections or connections)
                    run_load(proxy.server.port, mode, warm, WARM_UP, proxy.caller)
            for number in range(self.options.rounds):
                for name, proxy in list(taking.items()):
                    with self.forgiving(name, mode, taking):
                        most = min(connections, proxy.connections or connections)
                        self.measured.closed.append(self.one(name, proxy, mode, most, number))
            print(f"{mode}, {connections} connections: done", file=sys.stderr)

    def one(self, name: str, proxy: Proxy, mode: Mode, connections: int, number: int) -> Measured:
        before = proxy.server.cpu()
        load = run_load(proxy.server.port, mode, connections, self.options.seconds, proxy.caller)
        proxied = name != "direct"
        return Measured(
            proxy=name,
            mode=mode,
            connections=connections,
            round=number,
            load=load,
            cpu=proxy.server.cpu() - before if proxied else None,
            resident=proxy.server.resident() if proxied else None,
        )

    def open(self) -> None:
        """Plain calls, as many as are a share of what each proxy was measured to take at most."""
        rates = {name: min(rate * SHARE, MOST_RATE) for name in self.proxies if (rate := self.capacity(name))}
        direct = self.proxies.get("direct")
        if direct is None or not rates:
            print("the open loop is left out: it needs the direct way, and plain calls before it", file=sys.stderr)
            return
        for number in range(self.options.rounds):
            for name, rate in list(rates.items()):
                with self.forgiving(name, "open", rates):
                    proxy, seconds = self.proxies[name], self.options.seconds
                    most = proxy.connections or CONNECTIONS
                    load = run_open_load(proxy.server.port, "plain", rate, seconds, proxy.caller, most)
                    beside = run_open_load(direct.server.port, "plain", rate, seconds)
                    self.measured.opened.append(Opened(name, number, load, beside))
        print("open loop: done", file=sys.stderr)

    def capacity(self, name: str) -> float | None:
        """Plain calls a second of a proxy, at the number of connections where it took most."""
        if name == "direct":
            return None
        rates: dict[int, list[float]] = {}
        for one in self.measured.closed:
            if (one.proxy, one.mode) == (name, "plain"):
                rates.setdefault(one.connections, []).append(one.load.requests / one.load.seconds)
        return max(map(median, rates.values()), default=None)

    def memory(self) -> None:
        """Before anything else is measured: what earlier loads have left in a process would serve the streams."""
        taking = {name: proxy for name, proxy in self.proxies.items() if "held" in proxy.modes and name != "direct"}
        for name, proxy in list(taking.items()):
            with self.forgiving(name, "memory", taking):
                run_load(proxy.server.port, "plain", WARM_CONNECTIONS, WARM_UP, proxy.caller)
                before = proxy.server.resident()
                streams = min(self.options.held, HELD_BY_PEERS) if name in PEERS else self.options.held
                with holding(proxy.server.port, streams, proxy.caller):
                    time.sleep(SETTLING)
                    held = Held(name, streams, before, proxy.server.resident())
                self.measured.held.append(held)
        print("memory: done", file=sys.stderr)

    @contextmanager
    def forgiving(self, name: str, load: str, taking: dict[str, Any]) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            taking.pop(name, None)
            reason = str(error).strip().splitlines()[-1][:200]
            (self.measured.absent if name in PEERS else self.measured.failed)[f"{name}, {load}"] = reason
            print(f"{name} failed: {reason}", file=sys.stderr)


def measure(options: argparse.Namespace) -> Measurements:
    measured = Measurements()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, _many_files(), ExitStack() as stack:
        place = Place(
            folder=Path(folder),
            upstream=f"http://127.0.0.1:{free_port()}",
            peers=options.peers_folder,
            install=options.peers,
            postgres=options.postgres,
        )
        rounds = Rounds(start(stack, place, options.proxies, measured.absent), options, measured)
        for load in sorted(options.only, key=LOADS.index):
            if load == "memory":
                rounds.memory()
            elif load == "open":
                rounds.open()
            else:
                rounds.closed(load)
    return measured


@contextmanager
def _many_files() -> Iterator[None]:
    """As many as may be: thousands of streams are twice as many sockets. What is started meanwhile inherits it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, epilog="Others: see benchmarks/README.md."
    )
    parser.add_argument("--connections", type=numbers, default=[32], help="1,32,256")
    parser.add_argument("--streams", type=int, default=200, help="connections of the loads that are paced")
    parser.add_argument("--held", type=int, default=1000, help="streams that are open while memory is looked at")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=words(LOADS), default=list(LOADS), help=",".join(LOADS))
    parser.add_argument("--proxies", type=words(PROXIES), default=list(PROXIES), help=",".join(PROXIES))
    parser.add_argument("--peers", action="store_true", help="install other gateways that are not there yet")
    folder = Path.home() / ".cache" / "oneapi-asgi-benchmarks"
    parser.add_argument("--peers-folder", type=Path, default=folder, metavar="FOLDER", help="where they are kept")
    parser.add_argument("--postgres", default=SERVERS["postgres"], metavar="URL", help="may create databases")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement there")
    parser.add_argument("--report", type=Path, metavar="FILE.md", help="write a report there, with a plot beside it")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    options = parse_options(arguments)
    measured = measure(options)
    print(summary(measured))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured)))
    if options.report:
        write_report(options.report, measured)
    if measured.failed:
        sys.exit(f"failed: {', '.join(measured.failed)}")
