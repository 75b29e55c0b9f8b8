"""The gateway beside a bare proxy and the direct way, under loads of several kinds."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from .gateway import gateway_command
from .options import numbers, words
from .processes import Server, free_port, module, run_load, running
from .report import Measured, rows_of, table
from .traffic import MODES, Mode

__all__ = ["main"]

WARM_UP = 0.3  # seconds
PROXIES: dict[str, Callable[[Path, str, int], list[str]]] = {
    "floor": lambda _, upstream, port: module("floor", upstream=upstream, port=port),
    "gateway": gateway_command,
}


def start(stack: ExitStack, folder: Path, names: Sequence[str]) -> dict[str, Server]:
    """The upstream and the proxies, by name; "direct" is the upstream itself."""
    port = free_port()
    upstream = running(module("upstream", port=port), port, folder / "upstream.log", proxy=False)
    servers = {"direct": stack.enter_context(upstream)}
    for name in names:
        if name != "direct":
            own = free_port()
            command = PROXIES[name](folder, f"http://127.0.0.1:{port}", own)
            servers[name] = stack.enter_context(running(command, own, folder / f"{name}.log"))
    return {name: servers[name] for name in names}


def measure(servers: dict[str, Server], options: argparse.Namespace) -> Iterator[Measured]:
    """Round by round, so that a drift of the machine meets every proxy alike."""
    for mode in options.only:
        for connections in options.connections:
            for server in servers.values():
                run_load(server.port, mode, connections, WARM_UP)
            for number in range(options.rounds):
                for name, server in servers.items():
                    yield measure_one(name, server, mode, connections, number, options.seconds)
            print(f"{mode}, {connections} connections: done", file=sys.stderr)


def measure_one(name: str, server: Server, mode: Mode, connections: int, number: int, seconds: float) -> Measured:
    before = server.cpu()
    load = run_load(server.port, mode, connections, seconds)
    spent = server.cpu() - before
    proxied = name != "direct"
    return Measured(
        proxy=name,
        mode=mode,
        connections=connections,
        round=number,
        load=load,
        cpu=spent if proxied else None,
        resident=server.resident() if proxied else None,
    )


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, epilog="Others: python -m benchmarks ledger, … records."
    )
    parser.add_argument("--connections", type=numbers, default=[1, 32], help="1,32,256")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=words(MODES), default=list(MODES), help=",".join(MODES))
    proxies = ("direct", *PROXIES)
    parser.add_argument("--proxies", type=words(proxies), default=list(proxies), help=",".join(proxies))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement there")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    options = parse_options(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, ExitStack() as stack:
        measured = list(measure(start(stack, Path(folder), options.proxies), options))
    print(table(rows_of(measured)))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured)))
