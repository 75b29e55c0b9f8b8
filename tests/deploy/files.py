"""What the files of ``examples/deploy`` say, read as those would read it for whom they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import yaml

from oneapi_asgi.cli.root import root
from oneapi_asgi.settings import Settings, load_settings

__all__ = [
    "DEPLOY",
    "ROOT",
    "Directive",
    "command_of",
    "compose",
    "dockerfile",
    "nginx",
    "read",
    "settings",
    "unit",
]

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "examples" / "deploy"


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


# --- Docker, Compose --------------------------------------------------------------------------------------------------


def dockerfile() -> list[tuple[str, str]]:
    """Each instruction with its argument, in order."""
    text = re.sub(r"^\s*#.*\n", "", read("Dockerfile"), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, rest in lines]


def compose() -> Any:
    return yaml.safe_load(read("compose.yaml"))


# --- systemd ----------------------------------------------------------------------------------------------------------


def unit(instance: str) -> dict[str, list[str]]:
    """The values of each key of the unit, with the name of the instance in its place."""
    found = dict[str, list[str]]()
    for line in read("oneapi-asgi@.service").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            found.setdefault(key, []).append(value.replace("%i", instance))
    return found


# --- nginx ------------------------------------------------------------------------------------------------------------


class Directive(NamedTuple):
    """``within`` are the names of the blocks that it stands in."""

    within: Sequence[str]
    words: Sequence[str]


def nginx() -> list[Directive]:
    found, within, words = list[Directive](), list[str](), list[str]()
    for token in re.findall(r"""#[^\n]*|'[^']*'|"[^"]*"|[;{}]|[^\s;{}]+""", read("nginx.conf")):
        match token:
            case "{":
                within.append(words[0])
            case "}":
                within.pop()
            case ";":
                found.append(Directive(tuple(within), tuple(words)))
            case _:
                if not token.startswith("#"):
                    words.append(token.strip("'\""))
                continue
        words = []
    assert within == []
    return found


# --- the gateway ------------------------------------------------------------------------------------------------------


def settings(environ: Mapping[str, str], folder: Path, config: str | None = None) -> Settings:
    """What the gateway makes of these variables and that file, with secrets in ``folder``.

    :raises SettingsError: a setting that is none
    """
    told = {"storage_url": "postgresql://oneapi:secret@postgres/oneapi", "encryption_key": "A" * 43 + "="}
    for name, value in told.items():
        (folder / name).write_text(value)
    known = {name: value.replace("/run/secrets/", f"{folder}/") for name, value in environ.items()}
    if config is None:
        return load_settings(None, known)
    path = folder / "oneapi.toml"
    path.write_text(config)
    return load_settings(path, known)


def command_of(words: str | Sequence[str]) -> str:
    """The path of a command of ``oneapi-asgi``, once it has understood all of its words; "" for one that is awaited.

    :raises click.UsageError: it does not know one of them
    """
    left = shlex.split(words) if isinstance(words, str) else list(words)
    command: click.Command = root
    context, path = click.Context(root), list[str]()
    while isinstance(command, click.Group):
        name, found, left = command.resolve_command(context, left)
        assert name is not None
        assert found is not None
        path.append(name)
        command = found
        context = click.Context(command, parent=context)
    command.make_parser(context).parse_args(list(left))
    return " ".join(path)
