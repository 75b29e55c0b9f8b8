"""README.md, executed: its Python, its commands, its configuration."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
import pytest
from ports import free_port
from serving import COMMAND, serving

import oneapi_asgi
from oneapi_asgi.cli.root import root
from oneapi_asgi.keys import new_encryption_key
from oneapi_asgi.models import NANO
from oneapi_asgi.settings import load_settings
from oneapi_asgi.testing import FakeUpstream, StreamingClient

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LOOPBACK = '["127.0.0.0/8"]'
KEYS = {"OPENAI_API_KEY": "sk-of-openai", "CI_TOKEN": "sk-of-ci"}
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


def blocks(heading: str, language: str) -> list[str]:
    """The fenced blocks of a language under a heading, not those of the next one."""
    section = re.split(rf"^##+ {re.escape(heading)}$", README, flags=re.MULTILINE)[1]
    section = re.split(r"^##+ ", section, flags=re.MULTILINE)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def put(text: str, old: str, new: str) -> str:
    """Replace what has to be there."""
    assert text.count(old) >= 1, f"{old!r} is not in README.md any more"
    return text.replace(old, new)


def run(code: str, path: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, path, "exec", dont_inherit=True), names)
    return names


@pytest.fixture
async def fake() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as upstream:
        yield upstream


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="the commands are for bash and curl")
async def test_by_itself(tmp_path: Path, fake: FakeUpstream) -> None:
    install, commands = blocks("Run it by itself", "sh")
    (client,) = blocks("Run it by itself", "python")
    assert install.rstrip().endswith("oneapi-asgi serve")
    port = free_port()
    script = put(commands, "http://127.0.0.1:3000", f"http://127.0.0.1:{port}")
    script = put(script, '$PWD/.venv/bin:$PATH"', f'{Path(sys.executable).parent}:$PATH"')
    script = put(script, "--provider openai ", f"--provider openai --base-url {fake.url} ")
    script = put(script, "sk-…", "sk-of-openai")
    script = put(script, "curl ", "sleep 0.6; curl --fail-with-body -sS ")  # within half a second, it says
    script = put(script, "oneapi-asgi token list", "oneapi-asgi token list --json")
    script += "\nprintf '\\nKEY=%s\\n' \"$KEY\"\n"
    environ = {"ONEAPI_OUTBOUND__ALLOW": LOOPBACK}
    with serving([*COMMAND, "serve", "--port", str(port)], port, cwd=tmp_path, environ=environ):
        said = await _shell(script, tmp_path)
        (key,) = re.findall(r"^KEY=(sk-\w+)$", said, flags=re.MULTILINE)
        client = put(client, "http://127.0.0.1:3000", f"http://127.0.0.1:{port}")
        streamed = await _program([sys.executable, "-c", client], tmp_path, GATEWAY_KEY=key)
    assert '"object":"chat.completion"' in said.replace(" ", "")
    (spent,) = re.findall(r'"used_usd": *"?([\d.]+)', said)
    assert float(spent) > 0
    assert streamed.strip()
    assert [entry.status for entry in fake.journal] == [200, 200]
    assert {entry.header("authorization") for entry in fake.journal} == {"Bearer sk-of-openai"}


async def _shell(script: str, cwd: Path) -> str:
    return await _program(["bash", "-euo", "pipefail", "-c", script], cwd)


async def _program(command: list[str], cwd: Path, **environ: str) -> str:
    program = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(program.communicate(), 60)
    assert program.returncode == 0, said.decode()
    return said.decode()


async def test_mounted(monkeypatch: pytest.MonkeyPatch, fake: FakeUpstream) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("GATEWAY_KEY", "sk-of-the-app")
    (code,) = blocks("Mount it", "python")
    code = put(code, 'provider="openai",', f'provider="openai", base_url="{fake.url}",')
    code = put(code, "    MemoryStorage(),", "    MemoryStorage(), upstream=UPSTREAM,")
    upstream = f"import oneapi_asgi\nUPSTREAM = oneapi_asgi.HttpxUpstream(guard=oneapi_asgi.AddressGuard({LOOPBACK}))\n"
    app = run(upstream + code, "README.md#mount-it")["app"]
    async with StreamingClient(app) as client:
        call: dict[str, Any] = {"headers": {"authorization": "Bearer sk-of-the-app"}, "json": CHAT}
        answer = await client.request("POST", "/llm/v1/chat/completions", **call)
        refused = await client.request("POST", "/llm/v1/chat/completions", json=CHAT)
    assert (answer.status, refused.status) == (200, 401)
    assert answer.json()["choices"]
    assert [entry.header("authorization") for entry in fake.journal] == ["Bearer sk-of-openai"]


async def test_mounted_without_its_lifespan_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("GATEWAY_KEY", "sk-of-the-app")
    (code,) = blocks("Mount it", "python")
    app = run(put(code, "lifespan=gateway.lifespan", ""), "README.md#mount-it")["app"]
    async with StreamingClient(app) as client:
        answer = await client.request("POST", "/llm/v1/chat/completions", json=CHAT)
    assert answer.status == 503
    assert "lifespan=gateway.lifespan" in answer.json()["error"]["message"]


async def test_taken_apart() -> None:
    (code,) = blocks("Take it apart", "python")
    names = run(code, "README.md#take-it-apart")
    storage, quota = names["storage"], names["quota"]
    async with StreamingClient(names["app"]) as client:
        call: dict[str, Any] = {"headers": {"authorization": "Bearer sk-of-ann"}, "json": CHAT}
        statuses = [(await client.request("POST", "/v1/chat/completions", **call)).status for _ in range(101)]
        refused = await client.request("POST", "/v1/chat/completions", json=CHAT)
        await quota.settled()
    assert statuses == [200] * 100 + [429]
    assert refused.status == 401
    (cap,) = await storage.balances((await storage.list_tokens())[0].accounts[:1])
    assert cap.used == NANO - cap.available == 100 * (5 * 1_000 + 7 * 2_000)


def test_configuration(tmp_path: Path) -> None:
    (text,) = blocks("Configuration", "toml")
    config = tmp_path / "oneapi.toml"
    config.write_text(text, encoding="utf-8")
    environ = {"REDIS_URL": "redis://127.0.0.1:6379/0", "ENCRYPTION_KEY": new_encryption_key().reveal()}
    settings = load_settings(config, {**KEYS, **environ})
    assert [channel.name for channel in settings.channels] == ["openai", "own-server"]
    assert settings.tokens[0].quota_usd == 10 * NANO
    assert settings.prices[0].output == NANO * 2 // 5
    assert [(row.scope, row.name, row.budget_usd) for row in settings.limits] == [
        ("token", "*", None),
        ("user", "root", 50 * NANO),
    ]
    assert load_settings(None, {"ONEAPI_SERVER__PORT": "8080"}).server.port == 8080
    assert "ONEAPI_SERVER__PORT=8080`" in README


@pytest.mark.skipif(not shutil.which("bash"), reason="the commands are for bash")
async def test_limits_by_command(tmp_path: Path) -> None:
    (commands,) = blocks("Limits", "sh")
    said = await _shell(f'export PATH="{Path(sys.executable).parent}:$PATH"\n{commands}', tmp_path)
    assert "limit of token *: 60 requests per minute, 4 calls at once\n" in said
    assert "limit of user root: $50 per month\n" in said


@pytest.mark.skipif(not shutil.which("bash"), reason="the commands are for bash")
async def test_backups_by_command(tmp_path: Path) -> None:
    (commands,) = blocks("Secrets, and backups", "sh")
    (tmp_path / "elsewhere").mkdir()
    said = await _shell(f'export PATH="{Path(sys.executable).parent}:$PATH"\n{commands}', tmp_path)
    assert "rows restored" in said
    assert str(tmp_path / "oneapi.key") in said


def test_commands_of_the_table_exist() -> None:
    (table,) = re.findall(r"^\| command .*?\n\n", README, flags=re.MULTILINE | re.DOTALL)
    told = {
        (group, word)
        for row in re.findall(r"^\| `(.*?)`", table, flags=re.MULTILINE)
        for group, _, words in [row.partition(" ")]
        for word in words.split("\\|")
    }
    known = {
        (name, word)
        for name, command in root.commands.items()
        for word in (command.commands if isinstance(command, click.Group) else [""])
    }
    assert told == known


def test_defaults_are_those_that_the_text_claims() -> None:
    settings = load_settings(None, {})
    assert f"http://{settings.server.host}:{settings.server.port}" in README
    assert f"{settings.storage.url.reveal().removeprefix('sqlite:///')}`" in README
    assert settings.cache.poll_interval == 0.5
    assert settings.outbound.allow == settings.server.trusted_proxies == ()
    assert settings.server.requests_per_minute is None
    assert settings.pricing.unknown_model == "refuse"
    assert (settings.storage.redis, settings.storage.retention_days) == (None, None)
    (text,) = blocks("Configuration", "toml")
    assert f"body_bytes = {settings.server.body_bytes} " in text
    assert f"keep_hours = {settings.idempotency.keep_hours} " in text
    assert f"max_answer = {settings.idempotency.max_answer} " in text


def test_components_of_the_table_exist() -> None:
    (table,) = re.findall(r"^\| component .*?\n\n", README, flags=re.MULTILINE | re.DOTALL)
    rows = [row.split("|")[1:-1] for row in table.strip().splitlines()[2:]]
    slots = {slot for row in rows for cell in row[2:] for slot in re.findall(r"`(\w+)`", cell)}
    assert slots <= set(oneapi_asgi.Call.__struct_fields__)
    assert all(hasattr(oneapi_asgi, name) for row in rows for name in re.findall(r"`(\w+)`", row[0]))


def test_links_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
        assert [link for link in links if not (ROOT / link).exists()] == []


def test_ci_runs_what_developers_run() -> None:
    install_and_test, browser, _ = blocks("Develop", "sh")
    script = ROOT / ".ci/run"
    lines = script.read_text(encoding="utf-8").splitlines()
    settings = {"set -euo pipefail", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."'}
    commands = [line for line in lines if line and not line.startswith("#") and line not in settings]
    assert lines[0] == "#!/usr/bin/env bash"
    assert settings < set(lines)
    gets_browser, or_says = commands[:2]
    assert gets_browser == f"{browser.strip()} >/dev/null 2>&1 \\"
    assert or_says.startswith("  || echo ")
    assert "\n".join(commands[2:]) == textwrap.dedent(install_and_test).strip()
    assert os.access(script, os.X_OK)


def test_develop_commands_are_complete() -> None:
    install_and_test, _, others = blocks("Develop", "sh")
    for part in ("'.[dev]'", "ruff check", "ruff format --check", "mypy --strict", "pytest"):
        assert part in install_and_test
    assert others.splitlines() == [
        ".venv/bin/pytest -m slow",
        ".venv/bin/pytest -m figures",
        ".venv/bin/python -m benchmarks",
    ]
