"""What a proxy of a benchmark is, and those without features: the floor, aiohttp, and nginx."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from .processes import Server, free_port, module, running
from .traffic import EXACT, MODES, TRANSLATED, Caller, Mode

__all__ = ["UNTRANSLATED", "Absent", "Place", "Proxy", "Start", "bare", "nginx"]

UNTRANSLATED = frozenset(MODES) - TRANSLATED


class Place(Struct, frozen=True):
    """Where proxies run: a folder that goes with them, and the upstream, http://127.0.0.1:PORT. ``peers`` is the folder
    in which peers are kept; ``install`` allows to put them there. ``postgres`` is an account that may create databases.
    """

    folder: Path
    upstream: str
    peers: Path
    install: bool
    postgres: str


class Proxy(Struct, frozen=True):
    """``modes``: what it can be asked for. ``connections``: the most that it bears, None for any number."""

    server: Server
    caller: Caller = EXACT
    modes: frozenset[Mode] = UNTRANSLATED
    connections: int | None = None


class Absent(Exception):
    """A proxy that cannot be had here, and why: the report has a line of it."""


Start: TypeAlias = Callable[[Place], AbstractContextManager[Proxy]]

NGINX = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    client_body_buffer_size 1m;
    client_max_body_size 32m;
    keepalive_requests 1000000000;
    upstream behind {{
        server {address};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def bare(name: str) -> Start:
    """A proxy that is a module of this package."""

    @contextmanager
    def start(place: Place) -> Iterator[Proxy]:
        port = free_port()
        command = module(name, upstream=place.upstream, port=port)
        with running(command, port, place.folder / f"{name}.log") as server:
            yield Proxy(server)

    return start


@contextmanager
def nginx(place: Place) -> Iterator[Proxy]:
    """One worker, no log, no buffers, connections kept on both sides."""
    # Debian has it where only root looks.
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Absent("the program is not installed (Debian: apt-get install nginx-light)")
    port, config = free_port(), place.folder / "nginx.conf"
    address = place.upstream.removeprefix("http://")
    config.write_text(NGINX.format(folder=place.folder, address=address, port=port), encoding="utf-8")
    command = [program, "-c", str(config), "-p", str(place.folder), "-g", "daemon off;"]
    with running(command, port, place.folder / "nginx.log") as server:
        yield Proxy(server)
