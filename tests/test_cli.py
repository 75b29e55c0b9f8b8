from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import sleep
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from oneapi_asgi import __version__
from oneapi_asgi.app import open_storage
from oneapi_asgi.cli.root import root
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import NANO, Channel, Price, Secret
from oneapi_asgi.ports import Storage
from oneapi_asgi.settings import Settings

T = TypeVar("T")

KEY = "sk-upstream-0123456789"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ONEAPI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


def run(*words: str, code: int = 0, typed: str = "", environ: Mapping[str, str] | None = None) -> Result:
    result = CliRunner().invoke(root, words, input=typed, env=environ, prog_name="oneapi-asgi")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def rows(*words: str) -> list[dict[str, Any]]:
    found = json.loads(run(*words, "--json").stdout)
    assert isinstance(found, list)
    return found


def stored(work: Callable[[Storage], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_storage(Settings()) as storage:
            return await work(storage)

    return asyncio.run(run())


def stored_channels() -> Sequence[Channel]:
    return stored(lambda storage: storage.list_channels())


# tokens


def test_a_token_is_added_and_its_key_printed_alone_on_stdout() -> None:
    result = run(
        *("token", "add", "ci", "--quota-usd", "10.5", "--models", "gpt-4o*, o3", "--subnets", "10.0.0.0/8"),
        *("--expires", "2027-01-01", "--rpm", "60"),
    )
    key = result.stdout.removesuffix("\n")
    assert key.startswith("sk-")
    assert len(key) == 51
    assert key not in result.stderr
    token = stored(lambda storage: storage.find_token(key_digest(key)))
    assert token is not None
    [cap] = stored(lambda storage: storage.balances(token.accounts[:1]))
    assert (token.name, token.user_name, token.prefix) == ("ci", "root", key[:8])
    assert (token.models, token.subnets) == (("gpt-4o*", "o3"), ("10.0.0.0/8",))
    assert (token.expires_at, token.requests_per_minute) == (1_798_761_600.0, 60)
    assert cap.available == 21 * NANO // 2


def test_tokens_are_listed_with_what_is_left() -> None:
    assert "token add NAME" in run("token", "list").stderr
    run("token", "add", "capped", "--quota-usd", "0.000000001", "--expires", "2027-01-31T12:00:00+01:00")
    key = run("token", "add", "free").stdout.strip()
    capped, free = rows("token", "list")
    assert capped["left_usd"] == "0.000000001"
    assert capped["used_usd"] == "0"
    assert capped["expires"] == "2027-01-31T11:00:00Z"
    assert free == {
        "id": free["id"],
        "name": "free",
        "user": "root",
        "status": "enabled",
        "key": f"{key[:8]}…",
        "models": [],
        "subnets": [],
        "expires": None,
        "rpm": None,
        "used_usd": "0",
        "left_usd": None,
    }
    table = run("token", "list").stdout
    assert "2027-01-31T11:00:00Z" in table
    assert "subnets" not in table, "a column that says nothing is left out"
    assert key not in table


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_token_is_revoked_by_name_or_id(by: str) -> None:
    run("token", "add", "ci")
    run("token", "add", "other")
    run("token", "revoke", str(rows("token", "list")[0][by]))
    assert [row["status"] for row in rows("token", "list")] == ["disabled", "enabled"]


def test_a_name_that_two_users_gave_is_not_revoked() -> None:
    stored(lambda storage: storage.add_user("ann"))
    run("token", "add", "ci")
    run("token", "add", "ci", "--user", "ann")
    told = run("token", "revoke", "ci", code=1).stderr
    assert "several tokens" in told
    assert "(root)" in told
    assert "(ann)" in told
    assert {row["status"] for row in rows("token", "list")} == {"enabled"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--quota-usd", "ten"), 2, 'Error: --quota-usd = "ten": must be an amount of dollars'),
        (("--quota-usd", "1.0000000001"), 2, 'Error: --quota-usd = "1.0000000001": must have at most 9 decimals'),
        (("--expires", "soon"), 2, 'Error: --expires = "soon": must be a time such as'),
        (("--subnets", "10.0.0.1/8"), 2, 'Error: --subnets[0] = "10.0.0.1/8": has bits beyond'),
        (("--rpm", "0"), 2, "Error: --rpm = 0: must be between 1 and 1000000"),
        (("--models", " , "), 2, "Error: Invalid value for '--models': names nothing; leave it out to name all"),
        (("--user", "nobody"), 1, "Error: "),
    ],
)
def test_a_mistake_in_a_token_names_the_option(words: tuple[str, ...], code: int, told: str) -> None:
    result = run("token", "add", "ci", *words, code=code)
    assert told in result.stderr
    assert result.stdout == "", "no key is shown of a token that was not made"
    assert rows("token", "list") == []


def test_a_name_is_taken_once() -> None:
    run("token", "add", "ci")
    assert run("token", "add", "ci", code=1).stderr.startswith("Error: ")
    assert "no token is named" in run("token", "revoke", "nope", code=1).stderr


# channels


def test_a_channel_is_added_with_all_its_options() -> None:
    run(
        *("channel", "add", "az", "--provider", "azure", "--base-url", "https://r.openai.azure.com/openai/v1/"),
        *("--key", "k1", "--key", "k2", "--models", "gpt-4o,o*", "--map", "gpt-4o=prod, o3=o3-eu"),
        *("--groups", "default,vip", "--priority", "2", "--weight", "3"),
    )
    [channel] = stored_channels()
    assert channel == Channel(
        id=channel.id,
        name="az",
        provider="azure",
        base_url="https://r.openai.azure.com/openai/v1",
        api_keys=(Secret("k1"), Secret("k2")),
        models=("gpt-4o", "o*"),
        model_map={"gpt-4o": "prod", "o3": "o3-eu"},
        groups=("default", "vip"),
        priority=2,
        weight=3,
    )


@pytest.mark.parametrize(
    ("words", "typed", "keys"),
    [
        (("--key-env", "UPSTREAM_KEY"), "", (Secret(KEY),)),
        ((), f"{KEY}\n", (Secret(KEY),)),
        (("--provider", "ollama"), "ignored\n", ()),
        (("--provider", "azure", "--base-url", "https://a.test"), "\n", ()),
    ],
)
def test_a_key_comes_from_a_variable_or_stdin(words: tuple[str, ...], typed: str, keys: tuple[Secret, ...]) -> None:
    run("channel", "add", "a", *words, typed=typed, environ={"UPSTREAM_KEY": KEY})
    [channel] = stored_channels()
    assert channel.api_keys == keys


def test_channels_are_listed_with_masked_keys() -> None:
    assert "channel add NAME" in run("channel", "list").stderr
    run("channel", "add", "a", "--key", KEY, "--key", "short", "--models", "[x],gpt-4o")
    [row] = rows("channel", "list")
    assert row["keys"] == ["…6789", "…"]
    assert row["base_url"] == "https://api.openai.com/v1"
    table = run("channel", "list").stdout
    assert "[x], gpt-4o" in table, "brackets are no markup"
    assert "…6789" in table
    assert KEY not in table + json.dumps(row)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--provider", "opnai", "--key", "k"),
            ['Error: --provider = "opnai": no such provider; did you mean "openai"?'],
        ),
        (
            ("--key", "k", "--weight", "0", "--base-url", "x"),
            ["--weight = 0: must be", '--base-url = "x": must be a URL'],
        ),
        (("--key", "a b"), ["Error: --key[0]: must be visible ASCII characters, without spaces"]),
        (("--key-env", "NOPE"), ['Error: --key[0] = "env:NOPE": the environment variable is not set']),
        ((), ['Error: --key: missing; provider "openai" needs one']),
        (("--provider", "azure", "--key", "k"), ["Error: --base-url: missing; provider"]),
        (("--key", "k", "--key-env", "X"), ["give either --key or --key-env"]),
        (("--key", "k", "--map", "a"), ['"a" is not of the form NAME=UPSTREAM_NAME']),
        (("--key", "k", "--map", "a="), ['"a=" is not of the form NAME=UPSTREAM_NAME']),
    ],
)
def test_a_mistake_in_a_channel_names_the_option(words: tuple[str, ...], told: list[str]) -> None:
    result = run("channel", "add", "a", *words, code=2)
    assert [line for line in told if line not in result.stderr] == []
    assert rows("channel", "list") == []


def test_a_channel_name_is_taken_once() -> None:
    run("channel", "add", "a", "--key", "k")
    assert run("channel", "add", "a", "--key", "k", code=1).stderr.startswith("Error: ")


# channel test

Answer = Callable[[dict[str, Any], str], tuple[int, bytes]]


@contextmanager
def upstream(answer: Answer) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A provider on a real socket, with what it was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path, body))
            status, content = answer(body, self.headers["authorization"] or "")
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", asked
        finally:
            server.shutdown()
            thread.join()


def served(body: dict[str, Any], authorization: str) -> tuple[int, bytes]:
    assert authorization == f"Bearer {KEY}"
    return 200, json.dumps({"model": body["model"], "choices": [{}]}).encode()


LOCAL = {"ONEAPI_OUTBOUND__ALLOW": '["127.0.0.0/8"]'}


def test_a_channel_is_tested_with_its_first_plain_model() -> None:
    with upstream(served) as (base_url, asked):
        run(
            "channel", "add", "a", "--base-url", base_url, "--key", KEY, "--models", "o*,gpt-4o", "--map", "gpt-4o=prod"
        )
        result = run("channel", "test", "a", environ=LOCAL)
        run("channel", "test", "a", "--model", "o3", environ=LOCAL)
    assert result.stdout.startswith("a: 200 answered by prod, 0.")
    assert [(path, body["model"]) for path, body in asked] == [
        ("/v1/chat/completions", "prod"),
        ("/v1/chat/completions", "o3"),
    ]
    assert not asked[0][1].get("stream")


def test_a_declared_channel_is_tested_before_it_was_ever_served(tmp_path: Path) -> None:
    with upstream(served) as (base_url, _):
        (tmp_path / "oneapi.toml").write_text(
            f'[storage]\nurl = "memory:"\n[outbound]\nallow = ["127.0.0.1"]\n'
            f'[[channels]]\nname = "a"\nbase_url = "{base_url}"\napi_key = "{KEY}"\nmodels = ["m"]\n'
        )
        assert "200 answered by m" in run("channel", "test", "a").stdout


@pytest.mark.parametrize(
    ("status", "content", "told"),
    [
        (401, json.dumps({"error": {"message": f"bad key {KEY}\x1b[31m"}}).encode(), "a: 401 {'message': 'bad key …"),
        (404, b"<html>\xff\n", "a: 404 but no JSON object: <html>"),
        (200, b'{"choices": []}', "a: 200 {'choices': []}"),
        (200, b"x" * (2 << 20), "a: 200 but no JSON object: xxx"),
    ],
)
def test_a_channel_that_does_not_serve_fails_the_test(status: int, content: bytes, told: str) -> None:
    with upstream(lambda body, authorization: (status, content)) as (base_url, _):
        run("channel", "add", "a", "--base-url", base_url, "--key", KEY)
        shown = run("channel", "test", "a", "--model", "m", code=1, environ=LOCAL).stdout
    assert shown.startswith(told)
    assert shown.endswith(" s\n")
    assert shown[:-1].isprintable()
    assert KEY not in shown
    assert len(shown) < 300


def test_an_upstream_that_cannot_be_reached_is_told() -> None:
    run("channel", "add", "a", "--base-url", "http://127.0.0.1:1/v1", "--key", KEY, "--models", "m")
    assert "a: connect" in run("channel", "test", "a", code=1, environ=LOCAL).stdout
    assert "[outbound] allow" in run("channel", "test", "a", code=1).stdout


def test_an_upstream_that_takes_too_long_is_told() -> None:
    def slow(body: dict[str, Any], authorization: str) -> tuple[int, bytes]:
        sleep(0.5)
        return 200, b"{}"

    with upstream(slow) as (base_url, _):
        run("channel", "add", "a", "--base-url", base_url, "--key", KEY, "--models", "m")
        shown = run("channel", "test", "a", code=1, environ={**LOCAL, "ONEAPI_TIMEOUTS__TOTAL": "0.1"}).stdout
    assert shown.startswith("a: no whole answer within 0.1 s, 0.1")


def test_a_channel_test_needs_a_channel_and_a_model() -> None:
    assert 'no channel is named "a"' in run("channel", "test", "a", code=1).stderr
    run("channel", "add", "a", "--provider", "ollama")
    assert "say --model MODEL" in run("channel", "test", "a", code=2).stderr


# prices


def test_a_price_is_set_and_listed() -> None:
    assert "no prices of your own" in run("price", "list").stderr
    told = run("price", "set", "gpt-4o*", "--input", "2.50", "--output", "10", "--max-output", "16384").stderr
    assert told == "gpt-4o* costs $2.5 in, $10 out per million tokens\n"
    run("price", "set", "a", "--per-call", "0.000000001")
    assert stored(lambda storage: storage.list_prices()) == {
        "gpt-4o*": Price(input=5 * NANO // 2, output=10 * NANO, max_output=16384),
        "a": Price(per_call=1),
    }
    first, second = rows("price", "list")
    assert (first["model"], first["per_call"], first["input"]) == ("a", "0.000000001", "0")
    assert (second["model"], second["input"], second["cache_read"]) == ("gpt-4o*", "2.5", None)
    assert "16384" in run("price", "list").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name at least one price"),
        (("--input", "x", "--output", "-1"), 'Error: --input = "x": must be an amount of dollars'),
        (("--input", "x", "--output", "-1"), 'Error: --output = "-1": must be between 0 and 1000000000 dollars'),
        (("--input", "1", "--max-output", "0"), "Error: --max-output = 0: must be between"),
    ],
)
def test_a_mistake_in_a_price_names_the_option(words: tuple[str, ...], told: str) -> None:
    assert told in run("price", "set", "m", *words, code=2).stderr
    assert rows("price", "list") == []


# providers and settings


def test_the_catalog_is_listed() -> None:
    table = run("providers").stdout
    assert "https://api.openai.com/v1" in table
    assert "ollama" in table
    assert {"id": "openai", "name": "OpenAI", "base_url": "https://api.openai.com/v1", "note": ""} in rows("providers")


EVERY_COMMAND = [
    ("token", "add", "x"),
    ("token", "list"),
    ("token", "revoke", "x"),
    ("channel", "add", "x", "--key", "k"),
    ("channel", "list"),
    ("channel", "test", "x"),
    ("price", "set", "x", "--input", "1"),
    ("price", "list"),
    ("serve",),
]


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_wrong_settings_end_every_command_with_a_line_per_mistake(words: tuple[str, ...]) -> None:
    result = run(*words, code=2, environ={"ONEAPI_SERVER__PORT": "99999", "ONEAPI_CACHE__TTL": "1"})
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["Error"] * 2
    assert "ONEAPI_SERVER__PORT = 99999: must be between 1 and 65535" in result.stderr
    assert "cannot be read" in run(*words, "--config", "none.toml", code=2).stderr


@pytest.mark.parametrize("words", EVERY_COMMAND[:-1], ids=" ".join)
def test_a_storage_in_memory_is_of_no_use_to_a_command(words: tuple[str, ...]) -> None:
    assert "nothing would be kept" in run(*words, code=2, environ={"ONEAPI_STORAGE__URL": "memory:"}).stderr


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_a_storage_that_cannot_be_opened_is_told(words: tuple[str, ...]) -> None:
    told = run(*words, code=1, environ={"ONEAPI_STORAGE__URL": "sqlite:///no/such/directory/x.db"}).stderr
    assert told.startswith("Error: cannot open ")
    assert told.count("\n") == 1


def test_the_file_is_the_named_one_or_the_usual_one(tmp_path: Path) -> None:
    for name in ("oneapi", "a", "b"):
        (tmp_path / f"{name}.toml").write_text(f'[storage]\nurl = "sqlite:///{name}.db"\n')
    run("token", "list")
    run("token", "list", environ={"ONEAPI_CONFIG": "a.toml"})
    run("token", "list", "--config", "b.toml", environ={"ONEAPI_CONFIG": "a.toml"})
    assert {path.name for path in tmp_path.glob("*.db")} == {"oneapi.db", "a.db", "b.db"}


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"oneapi-asgi {__version__}\n"
