"""What Docker, Compose, systemd, cron and the reader are told: settings, commands, paths and times that there are."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from ports import free_port
from serving import COMMAND, serving

from oneapi_asgi.errors import GatewayError
from oneapi_asgi.serving import config_of
from oneapi_asgi.settings import Settings, SettingsError
from oneapi_asgi.settings.urls import SecretUrl

from .files import DEPLOY, ROOT, command_of, compose, dockerfile, nginx, read, settings, unit

LAST_WORDS = 10.0
"""Seconds that a gateway may need beyond those which its settings give to open calls."""


def longest_stop(told: Settings) -> float:
    return told.server.drain_delay + told.server.graceful_timeout + LAST_WORDS


# --- the readers themselves -------------------------------------------------------------------------------------------


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        settings({"ONEAPI_SERVER__TRUSTED_PROXY": "x"}, tmp_path)
    with pytest.raises(SettingsError):
        settings({}, tmp_path, "[storage]\nreplica = 2\n")
    for words in ("served", "serve --ports 1", "token ad me", "token add --quota-usd"):
        with pytest.raises(click.UsageError):
            command_of(words)
    assert command_of("token add me --quota-usd 10") == "token add"


# --- the image --------------------------------------------------------------------------------------------------------


def instructions(word: str) -> list[str]:
    return [argument for each, argument in dockerfile() if each == word]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for told in instructions("ENV") for pair in shlex.split(told))


def test_the_image_serves_as_nobody_on_the_usual_port(tmp_path: Path) -> None:
    words = [word for word, _ in dockerfile()]
    first, second = instructions("FROM")
    assert first == f"{second} AS build"
    last = words[words.index("FROM", 1) :]
    (user,) = instructions("USER")
    assert "USER" in last
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert f"--uid {user.split(':')[0]} " in " ".join(instructions("RUN"))
    told = settings({k: v for k, v in environment().items() if k.startswith("ONEAPI_")}, tmp_path)
    assert told.server.host == "0.0.0.0"
    assert instructions("EXPOSE") == [str(told.server.port)]
    assert instructions("VOLUME") == instructions("WORKDIR")[1:] == ["/data"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    program, arguments = (json.loads(instructions(word)[0]) for word in ("ENTRYPOINT", "CMD"))
    assert program == list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
    assert command_of(arguments) == "serve"


def test_the_image_is_made_of_what_a_build_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
    }
    copied = [shlex.split(told) for told in instructions("COPY") if not told.startswith("--from")]
    assert {source for *sources, _ in copied for source in sources} == needed
    ignored = read("Dockerfile.dockerignore").split("\n")
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == needed
    (extras,) = instructions("ARG")
    assert set(extras.removeprefix("EXTRAS=").split(",")) <= set(project["project"]["optional-dependencies"])
    version = re.fullmatch(r"python:(\d\.\d+)-slim", instructions("FROM")[1])
    assert version is not None
    assert f"Programming Language :: Python :: {version[1]}" in project["project"]["classifiers"]


def test_those_who_ask_whether_it_serves_are_told(tmp_path: Path) -> None:
    """Docker, by the image's check, and systemd, by the unit's; also where other names than theirs are refused."""
    (check,) = instructions("HEALTHCHECK")
    python, *words = json.loads(check.partition(" CMD ")[2])
    port = free_port()
    docker = [sys.executable, *(word.replace("3000", str(port)) for word in words)]
    systemd = shlex.split(unit(str(port))["ExecStartPost"][0])
    assert (python, systemd[0]) == ("python", "/usr/bin/curl")
    assert docker[1:] != words
    environ = {name: value for name, value in environment().items() if name.startswith("ONEAPI_")}
    environ |= {"ONEAPI_SERVER__HOST": "127.0.0.1", "ONEAPI_SERVER__HOSTS": '["llm.example.com"]'}
    assert subprocess.run(docker, check=False, capture_output=True).returncode != 0
    with serving([*COMMAND, "serve", "--port", str(port)], port, cwd=tmp_path, environ=environ):
        assert subprocess.run(docker, check=False).returncode == 0
        if Path(systemd[0]).exists():
            assert subprocess.run(systemd, check=False, timeout=20).returncode == 0
    assert (tmp_path / "oneapi.db").exists(), "not where the image's volume is"


# --- Compose ----------------------------------------------------------------------------------------------------------

SERVICES: dict[str, Any] = compose()["services"]
GATEWAYS = {name: service for name, service in SERVICES.items() if service["image"] == "oneapi-asgi"}


def address(service: Any) -> str:
    told: str = service["networks"]["front"]["ipv4_address"]
    return told


def test_the_gateways_are_told_what_there_is(tmp_path: Path) -> None:
    assert len(GATEWAYS) == 2
    for service in GATEWAYS.values():
        told = settings(service["environment"], tmp_path)
        assert told.storage.replicas == len(GATEWAYS)
        assert told.server.trusted_proxies == (f"{address(SERVICES['nginx'])}/32",)
        assert told.storage.redis == SecretUrl("redis://redis:6379/0")
        assert float(service["stop_grace_period"].removesuffix("s")) > longest_stop(told)
        assert {"gateway-1", "gateway-2"} & {mount.partition(":")[0] for mount in service["volumes"]}
        assert all(f"file:/run/secrets/{name}" in service["environment"].values() for name in service["secrets"])
        assert set(service["depends_on"]) == {"postgres", "redis"}
    data = [mount for service in GATEWAYS.values() for mount in service["volumes"] if mount.endswith(":/data")]
    assert len(set(data)) == len(GATEWAYS), "each needs a spool of its own"


def test_what_is_named_is_there() -> None:
    told = compose()
    for service in SERVICES.values():
        assert set(service.get("secrets", ())) <= set(told["secrets"])
        assert set(service["networks"]) <= set(told["networks"])
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            assert source in told["volumes"] or source.startswith("./")
    build = SERVICES["gateway-1"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert told["networks"]["back"]["internal"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"


def test_nginx_finds_the_gateways() -> None:
    fixed = dict(line.split(":") for line in SERVICES["nginx"]["extra_hosts"])
    assert fixed == {name: address(service) for name, service in GATEWAYS.items()}
    servers = [each.words[1] for each in nginx() if each.within[-1:] == ("upstream",) and each.words[0] == "server"]
    assert servers == [f"{name}:{Settings().server.port}" for name in GATEWAYS]
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["nginx"]["volumes"])
    assert mounts["./nginx.conf"] == "/etc/nginx/nginx.conf"
    certificates = {each.words[1] for each in nginx() if each.words[0].startswith("ssl_certificate")}
    assert {f"{Path(mounts['./nginx.conf']).parent}/{name.partition('/')[0]}" for name in certificates} == {
        mounts["./tls"]
    }
    assert [each.words[1] for each in nginx() if each.words[0] == "root"] == [mounts["./acme"]]


# --- nginx ------------------------------------------------------------------------------------------------------------


def test_nginx_waits_as_the_gateway_needs_it() -> None:
    usual = Settings()

    def number(name: str, within: str) -> int:
        (found,) = [each.words[1] for each in nginx() if each.words[0] == name and each.within[-1:] == (within,)]
        return int(found.rstrip("sm"))

    assert number("client_max_body_size", "http") << 20 == usual.server.body_bytes
    assert number("proxy_read_timeout", "http") > usual.timeouts.total
    assert number("send_timeout", "http") > usual.streams.reader_seconds
    assert number("keepalive_timeout", "upstream") < config_of(lambda: _nothing, usual.server).timeout_keep_alive


async def _nothing(scope: Any, receive: Any, send: Any) -> None: ...


def test_what_nginx_says_itself_is_drawn_as_the_gateway_draws_it() -> None:
    told = [each.words for each in nginx() if each.words[0] == "return" and each.words[-1].startswith("{")]
    assert len(told) == 4
    for _, status, text in told:
        error = json.loads(text)["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["type"] == (GatewayError.type if status >= "500" else "invalid_request_error")


# --- systemd ----------------------------------------------------------------------------------------------------------


def test_the_unit_starts_and_stops_a_gateway(tmp_path: Path) -> None:
    (start,) = unit("3001")["ExecStart"]
    program, *words = shlex.split(start)
    assert Path(program).name == "oneapi-asgi"
    assert command_of(words) == "serve"
    environ = dict(told.split("=", 1) for told in unit("3001")["Environment"])
    assert environ.pop("ONEAPI_CONFIG") == "/etc/oneapi/oneapi.toml"
    given = {name: value for name, value in environ.items() if name.startswith("ONEAPI_")}
    told = settings(given, tmp_path, read("oneapi.toml"))
    assert told.storage.spool == "/var/lib/oneapi/3001.spool"
    assert told.server.trusted_proxies == ("127.0.0.1/32",)
    assert told.storage.url.scheme == "postgresql"
    assert float(unit("3001")["TimeoutStopSec"][0]) > longest_stop(told)
    assert (unit("3001")["User"], unit("3001")["KillMode"]) == (["oneapi"], ["mixed"])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "oneapi-asgi@3000.service"
    path.write_text(read("oneapi-asgi@.service").replace("/opt/oneapi/bin/oneapi-asgi", sys.executable))
    verified = _analyze("verify", path)
    assert (verified.returncode, verified.stdout) == (0, "")
    judged = _analyze("security", "--offline=true", "--no-pager", "--threshold=20", path)  # tenths of ten, of exposure
    assert judged.returncode == 0, judged.stdout


def _analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


# --- cron -------------------------------------------------------------------------------------------------------------

LINE = re.compile(r"(?:# )?((?:\d+|\*) (?:\d+|\*) (?:\d+|\*) (?:\d+|\*) (?:\d+|\*)) (\w+) (.*)")


STANDIN = """#!/bin/sh
while [ "$1" != backup ]; do shift; done
echo said
echo much >&2
[ -z "$FAILING" ] && touch "backups/${2##*/}"
"""


def scheduled() -> list[tuple[str, str]]:
    """Who runs what, by the lines of the file; the commented one too."""
    lines = [match for line in read("oneapi-backup.cron").splitlines() if (match := LINE.fullmatch(line))]
    assert not any(re.search(r"(?<!\\)%", match[3]) for match in lines), "cron would end the line there"
    return [(match[2], match[3].replace(r"\%", "%")) for match in lines]


def test_cron_makes_a_backup_a_night() -> None:
    assert [user for user, _ in scheduled()] == ["oneapi", "root"]
    for _, script in scheduled():
        (words,) = re.findall(r"oneapi-asgi (.*?) 2>&1", script)
        assert command_of(re.sub(r"\$\(.*?\)", "date", words)) == "backup"
    variables = dict(re.findall(r"^(\w+)=(.*)$", read("oneapi-backup.cron"), flags=re.MULTILINE))
    assert variables["ONEAPI_CONFIG"] == dict(each.split("=") for each in unit("3000")["Environment"])["ONEAPI_CONFIG"]
    assert shlex.split(unit("3000")["ExecStart"][0])[0] in [
        f"{folder}/oneapi-asgi" for folder in variables["PATH"].split(":")
    ]


@pytest.mark.parametrize("number", [0, 1], ids=["systemd", "Compose"])
def test_it_keeps_a_fortnight_and_speaks_of_failures_alone(tmp_path: Path, number: int) -> None:
    _, script = scheduled()[number]
    folder, backups = script.split()[1], tmp_path / "backups"
    backups.mkdir()
    for name in ("oneapi-asgi", "docker"):
        (tmp_path / name).write_text(STANDIN)
        (tmp_path / name).chmod(0o755)
    for name, days in (("old.backup", 16), ("young.backup", 10), ("other", 16)):
        (backups / name).touch()
        os.utime(backups / name, (time.time() - days * 86400,) * 2)

    def run(**environ: str) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-c", script.replace(folder, str(tmp_path))],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **environ},
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout

    assert run(FAILING="yes") == (1, "said\nmuch\n")
    assert len(list(backups.iterdir())) == 3, "an old one is kept until there is a new one"
    assert run() == (0, "")
    left = {path.name for path in backups.iterdir()}
    assert len(left) == 3
    assert left > {"young.backup", "other"}


# --- the reader -------------------------------------------------------------------------------------------------------

BLOCKS = re.findall(r"^```sh\n(.*?)^```$", read("README.md"), flags=re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[str]:
    """What is said to ``oneapi-asgi`` in a block, by itself or in a container."""
    lines = block.replace("\\\n", " ").splitlines()
    found = [re.search(r"(?:oneapi-asgi|compose run --rm -T gateway-1) ([a-z][^)]*)", line) for line in lines]
    return [match[1].partition(" #")[0] for match in found if match]


def test_readme_tells_commands_that_there_are() -> None:
    told = [command_of(words) for block in BLOCKS for words in commands(block)]
    assert {"channel add", "token add", "audit"} <= set(told)
    assert len(told) >= 6
    assert all(subprocess.run(["sh", "-n", "-c", block], check=False).returncode == 0 for block in BLOCKS)


def test_readme_names_every_file() -> None:
    linked = set(re.findall(r"\]\(([^)#:]+)\)", read("README.md")))
    there = {path.name for path in DEPLOY.iterdir() if path.is_file()}
    assert linked == there - {"README.md", "Dockerfile.dockerignore"}


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("bash")), reason="the commands are for openssl")
def test_the_secrets_that_readme_makes_are_those_that_are_read(tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if "install -d -m 700 secrets tls" in block]
    script = block.removeprefix("cd examples/deploy\n")
    assert script != block
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, cwd=tmp_path)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert made.keys() == compose()["secrets"].keys()
    assert {told["file"] for told in compose()["secrets"].values()} == {f"./secrets/{name}" for name in made}
    url = SecretUrl(made["storage_url"]).reveal()
    service = SERVICES["postgres"]["environment"]
    assert url == (
        f"postgresql://{service['POSTGRES_USER']}:{made['postgres_password'].strip()}@postgres/{service['POSTGRES_DB']}"
    )
    assert oct((tmp_path / "secrets").stat().st_mode)[-3:] == "700"
