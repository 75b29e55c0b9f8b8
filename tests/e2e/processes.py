"""The gateway and the upstream as processes of their own, started and ended with a block."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ports import free_port

from .serving import KEY, UPSTREAM_KEY

__all__ = ["cli", "configured", "gateway", "gateways", "upstream"]

START_SECONDS = 30.0
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("ONEAPI_")}


def configured(
    folder: Path,
    base_url: str,
    *,
    storage: str = "",
    quota_usd: str = "10",
    prices: str = "",
    server: str = "",
    more: str = "",
) -> Path:
    """A configuration file with one channel, one token and an SQLite file beside it, or what ``storage`` says."""
    path = folder / "gateway.toml"
    path.write_text(f"""
{more}
[storage]
{storage or f'url = "sqlite:///{folder}/gateway.db"'}
[outbound]
allow = ["127.0.0.0/8"]
[server]
graceful_timeout = 1
{server}
[[channels]]
name = "only"
base_url = "{base_url}"
api_key = "{UPSTREAM_KEY}"
models = ["gpt-4o", "text-*"]
[[tokens]]
name = "ci"
key = "{KEY}"
quota_usd = {quota_usd}
[[prices]]
model = "*"
{prices or "input = 2.000000007" + chr(10) + "output = 8.000000009"}
""")
    return path


@contextmanager
def gateway(config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``oneapi-asgi serve``: the process and the URL of its API."""
    with gateways(config, 1) as ((process,), (api,)):
        yield process, api


@contextmanager
def gateways(
    config: Path, count: int, *, ports: Sequence[int] = ()
) -> Iterator[tuple[list[subprocess.Popen[str]], list[str]]]:
    """So many of them, started at once, on ``ports`` or free ones: the processes, and the URLs of their APIs."""
    ports = ports or [free_port() for _ in range(count)]
    command = ["-m", "oneapi_asgi", "serve", "--config", str(config), "--port"]
    with ExitStack() as stack:
        processes = [stack.enter_context(_running([*command, str(port)])) for port in ports]
        for process, port in zip(processes, ports, strict=True):
            _wait_for(process, port)
        yield processes, [f"http://127.0.0.1:{port}/v1" for port in ports]


@contextmanager
def upstream() -> Iterator[str]:
    """``python -m oneapi_asgi.testing.upstream``: its URL."""
    with _running(["-m", "oneapi_asgi.testing.upstream"]) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


async def cli(*words: str, config: Path) -> str:
    """What one command of ``oneapi-asgi`` prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oneapi_asgi", *words, "--config", str(config)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRON,
    )
    printed, complaint = await asyncio.wait_for(process.communicate(), START_SECONDS)
    assert process.returncode == 0, complaint.decode()
    return printed.decode().strip()


@contextmanager
def _running(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRON,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(process: subprocess.Popen[str], port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise RuntimeError(f"the gateway did not start:\n{process.communicate()[0]}")
