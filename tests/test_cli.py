"""Tokens, the catalog, and what holds for every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import declared, go_elsewhere, rows, run, serve_once, stored

from oneapi_asgi import __version__
from oneapi_asgi.cli.show import when
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import NANO


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


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


def test_a_declared_token_is_named_until_it_was_served() -> None:
    declared('[[tokens]]\nname = "ci"\nkey = "sk-0123456789"\n')
    told = run("token", "list").stderr
    assert told == "from the settings, at the next start of the gateway: ci\n"
    serve_once()
    assert run("token", "list").stderr == ""
    assert rows("token", "list")[0]["name"] == "ci"
    declared('[[tokens]]\nname = "ci"\nkey = "sk-another-one"\n')
    assert "gateway: ci" in run("token", "list").stderr, "its key is another one now"


# providers and settings


def test_the_catalog_is_listed() -> None:
    table = run("providers").stdout
    assert "https://api.openai.com/v1" in table
    assert "ollama" in table
    listed = {row["id"]: row for row in rows("providers")}
    assert listed["deepseek"]["dialects"] == ["openai", "anthropic"]
    assert listed["deepseek"]["bases"] == {"anthropic": "https://api.deepseek.com/anthropic"}
    assert listed["bedrock"]["options"]["region"] == "required: AWS region, such as us-east-1"
    assert listed["bedrock"]["one_api_types"] == [33]
    assert "usage_option" in listed["openai"]["quirks"]
    assert "TENANT" in listed["azure"]["key_format"]
    [bedrock] = [line for line in table.splitlines() if line.startswith("bedrock ")]
    assert "region, service, base_model, guardrail" in bedrock


def test_one_provider_is_told_whole() -> None:
    told = run("providers", "bedrock", "deepseek").stdout
    assert told.startswith("bedrock: AWS Bedrock\n")
    for part in ("required: AWS region", "SESSION_TOKEN", "option quirks", "option files", "33", "inference profiles"):
        assert part in told
    _, deepseek = told.split("\n\n")
    assert "https://api.deepseek.com/anthropic" in deepseek
    assert "note" not in deepseek
    assert [row["id"] for row in rows("providers", "azure")] == ["azure"]
    assert "its own for each customer" in run("providers", "azure").stdout
    assert 'Error: "azur": no such provider; did you mean "azure"?' in run("providers", "azur", code=2).stderr


EVERY_COMMAND = [
    ("token", "add", "x"),
    ("token", "list"),
    ("token", "revoke", "x"),
    ("channel", "add", "x", "--key", "k"),
    ("channel", "list"),
    ("channel", "test", "x"),
    ("channel", "remove", "x"),
    ("channel", "enable", "x"),
    ("channel", "disable", "x"),
    ("price", "set", "x", "--input", "1"),
    ("price", "list"),
    ("price", "remove", "x"),
    ("limit", "set", "user", "x", "--rpm", "1"),
    ("limit", "list"),
    ("limit", "remove", "user", "x"),
    ("user", "add", "x"),
    ("user", "list"),
    ("user", "credit", "x", "1"),
    ("user", "disable", "x"),
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


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00Z"),
        (1_800_000_000.9, "2027-01-15T08:00:00Z"),
        (1_800_000_000_000, "9999-12-31T23:59:59Z"),  # of who thought in milliseconds
        (1e300, "9999-12-31T23:59:59Z"),
    ],
)
def test_moments_have_a_date(moment: float | None, shown: str | None) -> None:
    assert when(moment) == shown
