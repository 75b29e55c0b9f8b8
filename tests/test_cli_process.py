"""The command as a process of its own: on a terminal, without the extra, and serving."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import pytest
from click.testing import CliRunner
from commands import KEY, go_elsewhere
from ports import free_port

from oneapi_asgi.cli.root import root


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


def test_a_terminal_is_asked_for_the_key_without_echo() -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "oneapi_asgi", "channel", "add", "a"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        shown = read_until(controller, "API key of OpenAI: ")
        os.write(controller, f"{KEY}\n".encode())
        shown += read_until(controller, "added")
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    assert KEY not in shown
    [channel] = json.loads(CliRunner().invoke(root, ["channel", "list", "--json"]).stdout)
    assert channel["keys"] == ["…6789"]


def read_until(descriptor: int, text: str) -> str:
    shown = ""
    while text not in shown:
        shown += os.read(descriptor, 4096).decode()
    return shown


def test_help_does_not_wait_for_what_it_does_not_need() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "oneapi_asgi", "--help"], capture_output=True, text=True, timeout=20
    )
    assert "serve" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert imported & {"aiohttp", "sqlalchemy", "uvicorn", "rich", "oneapi_asgi.app"} == set()


def without(module: str, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A process in which a module is not installed."""
    script = f"import sys; sys.modules[{module!r}] = None; {script}"
    return subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=20)


COMMAND = "from oneapi_asgi.cli import main; main()"
REMEDY = "oneapi-asgi needs {0}: pip install 'oneapi-asgi[{1}]', in a checkout pip install '.[{1}]'\n"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("click", ("--help",)),
        ("rich", ("providers",)),
        ("sqlalchemy", ("token", "list")),
        ("httptools", ("channel", "test", "a")),
        ("uvicorn", ("serve",)),
    ],
)
def test_a_command_names_the_extra_that_it_misses(tmp_path: Path, missing: str, words: tuple[str, ...]) -> None:
    channel = '[[channels]]\nname = "a"\napi_key = "k"\nmodels = ["m"]\n'
    (tmp_path / "oneapi.toml").write_text(f"[server]\nport = {free_port()}\n{channel}")
    done = without(missing, COMMAND, *words)
    assert done.returncode == 1
    assert done.stderr.endswith(REMEDY.format(missing, "standalone"))
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("missing", "extra", "source"),
    [
        ("asyncmy", "mysql", "mysql://u:hunter2@127.0.0.1/x"),
        ("asyncpg", "postgres", "postgresql://u:hunter2@127.0.0.1/x"),
    ],
)
def test_a_source_names_the_extra_that_it_misses(missing: str, extra: str, source: str) -> None:
    done = without(missing, COMMAND, "import", source)
    assert (done.returncode, done.stderr) == (1, REMEDY.format(missing, extra))


def test_a_module_of_the_project_is_no_extra() -> None:
    done = without("oneapi_asgi.cli.session", COMMAND, "--help")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "pip install" not in done.stderr


@pytest.mark.parametrize(
    ("missing", "extra", "key", "url"),
    [
        ("httptools", "standalone", "url", "memory:"),
        ("sqlalchemy", "standalone", "url", "sqlite:///x.db"),
        ("genai_prices", "standalone", "url", "memory:"),
        ("asyncpg", "postgres", "url", "postgresql://u:hunter2@127.0.0.1/x"),
        ("asyncpg", "postgres", "url", "postgres://u:hunter2@127.0.0.1/x"),
        ("asyncmy", "mysql", "url", "mysql://u:hunter2@127.0.0.1/x"),
        ("asyncmy", "mysql", "url", "mariadb://u:hunter2@127.0.0.1/x"),
        ("redis", "redis", "redis", "redis://:hunter2@127.0.0.1"),
    ],
)
def test_an_app_names_the_extra_that_it_misses(missing: str, extra: str, key: str, url: str) -> None:
    script = (
        "from oneapi_asgi.app import create_app; from oneapi_asgi.settings import load_settings\n"
        f"settings = load_settings(None, {{'ONEAPI_STORAGE__{key.upper()}': {url!r}}})\n"
        "try:\n    create_app(settings)\nexcept ImportError as error:\n    print(error.name, error)"
    )
    assert without(missing, script).stdout == f"{missing} {REMEDY.format(missing, extra)}"


@contextmanager
def serving(workers: int = 1, environ: Mapping[str, str] | None = None) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    port = free_port()
    command = [sys.executable, "-m", "oneapi_asgi", "serve", "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environ or {})})
    try:
        wait_until_it_listens(port, process)
        yield port, process
    finally:
        process.kill()
        process.communicate()


def wait_until_it_listens(port: int, process: subprocess.Popen[str]) -> None:
    deadline = monotonic() + 30
    while monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            sleep(0.05)
        else:
            return
    pytest.fail(f"nothing listens: {process.stderr and process.stderr.read()}")


def ask(port: int) -> tuple[int, str | None]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/v1/models")
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("server")


@pytest.mark.parametrize("workers", [1, 2])
def test_serve_answers_tells_the_first_steps_and_stops(workers: int) -> None:
    with serving(workers=workers) as (port, process):
        status, server = ask(port)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    assert status == 401, "the gateway asks for a key"
    assert server is None
    assert process.returncode == 0
    first, password, place, *steps = told.splitlines()
    assert first == f"oneapi-asgi listens on http://127.0.0.1:{port}"
    assert re.fullmatch(r"The first password of the user root is [\w-]{20}  \(it is shown this once\)\.", password)
    assert f"Sign in with it at http://127.0.0.1:{port}/ " in place
    assert "channel add NAME" in steps[1]
    assert "token add NAME" in steps[2]
    assert "Traceback" not in told


@pytest.mark.parametrize(("host", "reason"), [("127.0.0.1", "Address already in use"), ("no.invalid", "")])
def test_serve_refuses_an_address_that_it_cannot_have(host: str, reason: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = CliRunner().invoke(root, ["serve", "--host", host, "--port", str(port)])
    assert refused.exit_code == 1
    told = refused.stderr
    assert told.startswith(f"Error: cannot listen on http://{host}:{port}: {reason}")
    assert told.count("\n") == 1


def test_serve_in_memory_asks_for_declarations_and_ends_at_an_interrupt() -> None:
    with serving(environ={"ONEAPI_STORAGE__URL": "memory:"}) as (_, process):
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert "declare [[channels]] and [[tokens]]" in told
    assert "Traceback" not in told


def test_serve_says_nothing_of_first_steps_once_there_is_a_token() -> None:
    assert CliRunner().invoke(root, ["token", "add", "ci"]).exit_code == 0
    assert CliRunner().invoke(root, ["user", "password", "root", "--generate"]).exit_code == 0
    with serving() as (port, process):
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    assert told.splitlines() == [f"oneapi-asgi listens on http://127.0.0.1:{port}"]


def signed_in(port: int, password: str) -> tuple[int, str]:
    """The status, and whether the password has to be changed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    body = json.dumps({"username": "root", "password": password})
    connection.request("POST", "/api/user/login", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    said = answer.read().decode()
    connection.close()
    return answer.status, said


def test_the_first_password_is_given_once_and_opens() -> None:
    """G78."""
    environ = {"ONEAPI_ROOT_PASSWORD": "chosen beforehand"}
    with serving(environ=environ) as (port, process):
        status, said = signed_in(port, "chosen beforehand")
        assert status == 200, said
        assert '"must_change_password":true' in said
        assert signed_in(port, "123456")[0] == 403
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    assert "ONEAPI_ROOT_PASSWORD holds" in told
    assert "chosen beforehand" not in told
    with serving(environ={"ONEAPI_ROOT_PASSWORD": "another one"}) as (port, process):
        assert signed_in(port, "another one")[0] == 403
        assert signed_in(port, "chosen beforehand")[0] == 200


def test_without_an_administration_there_is_no_password() -> None:
    with serving(environ={"ONEAPI_ADMIN__ENABLED": "false"}) as (port, process):
        assert signed_in(port, "x")[0] == 404
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    assert "password" not in told


def test_a_password_is_set_by_command() -> None:
    runner = CliRunner()
    assert runner.invoke(root, ["user", "add", "ann"]).exit_code == 0
    short = runner.invoke(root, ["user", "password", "ann"], input="short\nshort\n")
    assert (short.exit_code, "8 characters" in short.stderr) == (1, True)
    assert runner.invoke(root, ["user", "password", "ann"], input="long enough\nlong enough\n").exit_code == 0
    made = runner.invoke(root, ["user", "password", "root", "--generate"])
    with serving() as (port, _):
        status, said = signed_in(port, made.stdout.strip())
        assert (status, '"must_change_password":true' in said) == (200, True)
