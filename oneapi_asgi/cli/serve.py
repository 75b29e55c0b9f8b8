"""``oneapi-asgi serve``: the gateway, on uvicorn."""

from __future__ import annotations

import os
import socket
import sys
from functools import partial
from pathlib import Path

import click

from ..ports import Storage
from ..settings import Settings
from .session import command_line, config_option, operate, settings_of

__all__ = ["serve"]

_FIRST_STEPS = (
    ("channel", "add", "NAME", "--provider", "openai", "--key-env", "OPENAI_API_KEY"),
    ("token", "add", "NAME"),
)


@click.command()
@config_option
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [default: 3000].")
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Processes [default: 1].")
def serve(config: Path | None, host: str | None, port: int | None, workers: int | None) -> None:
    """Run the gateway."""
    settings = settings_of(config, {**os.environ, **_overrides(host=host, port=port, workers=workers)})
    _try_address(settings)
    idle, first = _look(settings)
    click.echo(f"oneapi-asgi listens on {_address(settings)}", err=True)
    if first is not None:
        click.echo(first, err=True)
    if idle:
        click.echo(_first_steps(settings, config), err=True)
    _run(settings)


def _overrides(**flags: object) -> dict[str, str]:
    """The options, as the variables that they stand for."""
    return {f"ONEAPI_SERVER__{key.upper()}": str(value) for key, value in flags.items() if value is not None}


def _look(settings: Settings) -> tuple[bool, str | None]:
    """Whether there is nobody to call and nothing to be called, and what is to be said of root's first password. Also
    opens the storage once before any worker does."""
    declared = bool(settings.channels or settings.tokens)
    if settings.storage.in_memory:
        return not declared, None

    async def look(storage: Storage) -> tuple[bool, str | None]:
        idle = not (declared or await storage.list_channels() or await storage.list_tokens())
        return idle, await _first_password(settings, storage) if settings.admin.enabled else None

    return operate(settings, look)


async def _first_password(settings: Settings, storage: Storage) -> str | None:
    from .passwords import give_first_password  # late: --help need not wait for what hashes them

    given = os.environ.get("ONEAPI_ROOT_PASSWORD", "")
    made = await give_first_password(storage, given)
    if made is None:
        return None
    shown = "the one that ONEAPI_ROOT_PASSWORD holds" if given else f"{made}  (it is shown this once)"
    return (
        f"The first password of the user root is {shown}.\n"
        f"Sign in with it at {_address(settings)}/ , where the console first asks for another, then leads through the "
        "rest."
    )


def _first_steps(settings: Settings, config: Path | None) -> str:
    if settings.storage.in_memory:
        return (
            'There is neither a channel nor a token, and storage.url = "memory:" keeps none: '
            "declare [[channels]] and [[tokens]]."
        )
    steps = (f"  {command_line(*step, config=config)}" for step in _FIRST_STEPS)
    where = " in the console, or here" if settings.admin.enabled else ""
    return "\n".join((f"There is neither a channel nor a token yet. Add one of each{where}:", *steps))


def _address(settings: Settings) -> str:
    host = settings.server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"


def _try_address(settings: Settings) -> None:
    """Refuse an address that cannot be listened on, in one line and before anything is promised."""
    host, port = settings.server.host, settings.server.port
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as attempt:
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                attempt.bind(address)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {_address(settings)}: {error.strerror}") from None


def _run(settings: Settings) -> None:
    from ..app import app_of
    from ..serving import serve as serve_app  # late: only this command needs the server

    code = serve_app(partial(app_of, settings), settings.server)
    if code:
        sys.exit(code)
