"""Other gateways, each set up as small as it goes: one process, no database where it can do without, nothing logged.

They are installed from the public registries into a folder of their own, in the versions that stand here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from msgspec import Struct

from .baselines import Absent, Place, Proxy, Start
from .processes import free_port, run_load, running
from .traffic import MODEL, TOKEN, Caller, Mode

__all__ = ["PEERS", "peer"]

INSTALLATION = 900.0  # seconds
START = 120.0
TRIAL, TRIAL_CONNECTIONS = 10.0, 8  # seconds; Node.js compiles what it has run often
MODES: frozenset[Mode] = frozenset(("plain", "large", "stream", "singly", "paced", "held"))
"""Without long streams, which take them minutes."""


class Peer(Struct, frozen=True):
    """``package`` as its ``installer`` knows it; ``overrides`` are versions of what it depends on, where npm's choice
    does not work. ``write`` puts the configuration into a folder, for an upstream, and gives what follows the program
    on the command line, where ``{port}`` stands for its port. ``introduce`` gets a key from the gateway that listens on
    a port, and tells how to use it. ``connections`` are the most that it is asked on at once."""

    installer: Literal["pip", "npm"]
    package: str
    program: str
    write: Callable[[Path, str], list[str]]
    introduce: Callable[[int, str], Caller]
    environ: dict[str, str] = {}
    overrides: dict[str, str] = {}
    modes: frozenset[Mode] = MODES
    connections: int | None = None


def _write_litellm(folder: Path, upstream: str) -> list[str]:
    """YAML is a superset of JSON."""
    parameters = {"model": f"openai/{MODEL}", "api_base": f"{upstream}/v1", "api_key": "sk-upstream"}
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        "general_settings": {"master_key": TOKEN},
        "litellm_settings": {"telemetry": False},
    }
    file = folder / "litellm.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")
    return ["--config", str(file), "--host", "127.0.0.1", "--port", "{port}", "--num_workers", "1"]


def _write_any_llm(folder: Path, upstream: str) -> list[str]:
    config = {
        "database_url": f"sqlite:///{folder}/any-llm.db",
        "master_key": TOKEN,
        "providers": {"openai": {"api_key": "sk-upstream", "api_base": f"{upstream}/v1"}},
        "pricing": {f"openai:{MODEL}": {"input_price_per_million": 0.15, "output_price_per_million": 0.6}},
    }
    file = folder / "any-llm.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")
    return ["serve", "--config", str(file), "--host", "127.0.0.1", "--port", "{port}", "--log-level", "30"]


def _introduce_any_llm(port: int, upstream: str) -> Caller:  # noqa: ARG001 - the table's signature
    headers = {"content-type": "application/json", "X-AnyLLM-Key": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/keys", b'{"key_name": "benchmark"}', headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return Caller(key=json.load(answer)["key"], model=f"openai:{MODEL}", exact=False)


def _introduce_portkey(port: int, upstream: str) -> Caller:  # noqa: ARG001 - the table's signature
    headers = (("x-portkey-provider", "openai"), ("x-portkey-custom-host", f"{upstream}/v1"))
    return Caller(headers=headers, exact=False)


PEERS: Mapping[str, Peer] = {
    "litellm": Peer(
        installer="pip",
        package="litellm[proxy]==1.106.12",
        program="bin/litellm",
        write=_write_litellm,
        introduce=lambda _port, _upstream: Caller(exact=False),
        environ={"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    ),
    "portkey": Peer(
        installer="npm",
        package="@portkey-ai/gateway@1.15.2",
        program="node_modules/.bin/gateway",
        write=lambda _folder, _upstream: ["--port={port}", "--headless"],
        introduce=_introduce_portkey,
        environ={"NODE_ENV": "production"},
        overrides={"@hono/node-server": "1.13.8"},  # streams fail on 1.14.2 and 1.19: its issue 1389
    ),
    # The last version with a gateway: later ones are a library alone.
    "any-llm": Peer(
        installer="pip",
        package="any-llm-sdk[gateway,openai]==1.14.0",
        program="bin/any-llm-gateway",
        write=_write_any_llm,
        introduce=_introduce_any_llm,
        # With 32 calls at once, and with 50 open streams, it answered nobody any more, nor those who came later.
        modes=MODES - {"held"},
        connections=8,
    ),
}


def _installed(name: str, one: Peer, place: Place) -> Path:
    """The peer's program. Its folder is named for its version, and is there as soon as it is whole."""
    folder = place.peers / one.package.removeprefix("@").replace("/", "-")
    if not (folder / "installed").exists():
        if not place.install:
            raise Absent(f"{one.package} is not installed (--peers does it)")
        print(f"{name}: installing {one.package} into {folder}", file=sys.stderr)
        _install(one, folder)
    return folder / one.program


def _install(one: Peer, folder: Path) -> None:
    """:raises Absent: it cannot be installed"""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"private": True, "overrides": one.overrides}), encoding="utf-8")
    commands = {
        "pip": [
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "pip"), "install", "--quiet", one.package],
        ],
        "npm": [["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", one.package]],
    }
    try:
        for command in commands[one.installer]:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALLATION)
    except subprocess.CalledProcessError as error:
        raise Absent(f"{one.package} could not be installed: {_last_line(error.stderr)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(f"{one.package} could not be installed: {error}") from error
    (folder / "installed").touch()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it says nothing"


def peer(name: str) -> Start:
    one = PEERS[name]

    @contextmanager
    def start(place: Place) -> Iterator[Proxy]:
        program = _installed(name, one, place)
        port, folder = free_port(), place.folder / name
        folder.mkdir()
        words = [word.format(port=port) for word in one.write(folder, place.upstream)]
        with ExitStack() as stack:
            try:
                server = stack.enter_context(
                    running([str(program), *words], port, folder / "output.log", environ=one.environ, patience=START)
                )
                caller = one.introduce(port, place.upstream)
                run_load(port, "plain", TRIAL_CONNECTIONS, TRIAL, caller)
            except (OSError, RuntimeError) as error:
                raise Absent(f"{one.package} does not work here: {_last_line(str(error))}") from error
            yield Proxy(server, caller, one.modes, one.connections)

    return start
