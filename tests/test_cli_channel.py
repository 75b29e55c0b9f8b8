"""Channels: added, listed, switched, removed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import KEY, declared, go_elsewhere, rows, run, serve_once, stored
from msgspec.structs import replace

from oneapi_asgi.models import Channel, Secret

PROXY = "http://user:hunter2@proxy.example:3128"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


def stored_channels() -> Sequence[Channel]:
    return stored(lambda storage: storage.list_channels())


def test_a_channel_is_added_with_all_its_options() -> None:
    run(
        *("channel", "add", "az", "--provider", "azure", "--base-url", "https://r.openai.azure.com/openai/v1/"),
        *("--key", "k1", "--key", "k2", "--models", "gpt-4o,o*", "--map", "gpt-4o=prod, o3=o3-eu"),
        *("--groups", "default,vip", "--priority", "2", "--weight", "3"),
        *("--dialect", "responses", "--dialect", "openai", "--unsupported", "refuse"),
        *("--option", "api_version=2025-04-01", "--option", "authority = login.test"),
        *("--concurrent-calls", "8", "--concurrent-calls-per-key", "4"),
        *("--header", "X-Team=a=b", "--header", "X-Key=env:HEADER", "--parameters", '{"top_p": 0.5, "stop": null}'),
        *("--system-prompt", "Be brief.", "--proxy", "env:PROXY"),
        environ={"HEADER": "secret", "PROXY": PROXY},
    )
    [channel] = stored_channels()
    assert channel == Channel(
        id=channel.id,
        name="az",
        provider="azure",
        base_url="https://r.openai.azure.com/openai/v1",
        dialects=("responses", "openai"),
        options={"api_version": "2025-04-01", "authority": "login.test"},
        unsupported="refuse",
        api_keys=(Secret("k1"), Secret("k2")),
        models=("gpt-4o", "o*"),
        model_map={"gpt-4o": "prod", "o3": "o3-eu"},
        groups=("default", "vip"),
        priority=2,
        weight=3,
        concurrent_calls=8,
        concurrent_calls_per_key=4,
        headers={"X-Team": "a=b", "X-Key": "secret"},
        parameters={"top_p": 0.5, "stop": None},
        system_prompt="Be brief.",
        proxy=Secret(PROXY),
    )
    [row] = rows("channel", "list")
    shown = (row["headers"], row["parameters"], row["system_prompt"])
    assert shown == (["X-Team", "X-Key"], {"top_p": 0.5, "stop": None}, "Be brief.")
    assert "hunter2" not in json.dumps(row)
    assert "secret" not in json.dumps(row)


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
        (("--key-env", "NOPE"), ['Error: --key-env = "env:NOPE": the environment variable is not set']),
        (("--key-env", ""), ['Error: --key-env = "env:": the environment variable is not set']),
        ((), ['Error: --key: missing; provider "openai" needs one']),
        (("--provider", "azure", "--key", "k"), ["Error: --base-url: missing; provider"]),
        (("--key", "k", "--key-env", "X"), ["give either --key or --key-env"]),
        (("--key", "k", "--dialect", "opanai"), ['--dialect[0] = "opanai": no such dialect; did you mean "openai"?']),
        (("--key", "k", "--option", "a"), ['"a" is not of the form KEY=VALUE']),
        (("--key", "k", "--option", "x=y"), ["Error: --option.x: no such option; there are "]),
        (
            ("--key", "k", "--option", "quirks=no_m"),
            ['Error: --option.quirks: there is no quirk "no_m"; did you mean "no_n"?'],
        ),
        (("--key", "k", "--option", "=a"), ['"=a" is not of the form KEY=VALUE']),
        (("--key", "k", "--option", "a="), ['Error: --option.a = "": must be a text']),
        (("--key", "k", "--concurrent-calls", "many"), ['"many" is not a whole number']),
        (("--key", "k", "--concurrent-calls", "0"), ["--concurrent-calls = 0: must be between 1 and 1000000"]),
        (("--key", "k", "--concurrent-calls-per-key", ""), ['--concurrent-calls-per-key = "": must be a whole number']),
        (("--key", "k", "--unsupported", "ignore"), ["'ignore' is not one of 'drop', 'refuse'"]),
        (
            ("--provider", "bedrock", "--key", "k"),
            ['Error: --option.region: missing; provider "bedrock" needs it: AWS region, such as us-east-1'],
        ),
        (("--key", "k", "--map", "a"), ['"a" is not of the form NAME=UPSTREAM_NAME']),
        (("--key", "k", "--map", "a="), ['"a=" is not of the form NAME=UPSTREAM_NAME']),
    ],
)
def test_a_mistake_in_a_channel_names_the_option(words: tuple[str, ...], told: list[str]) -> None:
    result = run("channel", "add", "a", *words, code=2)
    assert [line for line in told if line not in result.stderr] == []
    assert rows("channel", "list") == []


def test_a_key_that_was_typed_wrong_is_not_shown() -> None:
    told = run("channel", "add", "a", typed="hunter 2\n", code=2).stderr
    assert told == "Error: --key: must be visible ASCII characters, without spaces\n"


@pytest.mark.parametrize(
    ("words", "trial", "listed"),
    [
        ((), "channel test a --model MODEL", False),
        (("--models", "gpt-*"), "channel test a --model MODEL", False),
        (("--models", "gpt-*,o3"), "channel test a", True),
        (("--map", "x=y"), "channel test a", True),
    ],
)
def test_the_next_step_after_adding_works_as_it_is_told(words: tuple[str, ...], trial: str, listed: bool) -> None:
    added, *notes = run("channel", "add", "a", "--key", "k", *words).stderr.splitlines()
    assert added == f'channel 1 "a" added; try it: oneapi-asgi {trial}'
    expected = "GET /v1/models lists none of its models: only those that --models or --map name"
    assert notes == ([] if listed else [expected])


def test_a_hint_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "other settings.toml"
    path.touch()
    words = ("channel", "add", "my channel", "--key", "k", "--models", "m", "--config", str(path))
    assert f"oneapi-asgi channel test 'my channel' --config '{path}'\n" in run(*words).stderr
    assert f"oneapi-asgi channel remove 'my channel' --config '{path}'\n" in run(*words, code=1).stderr


def test_a_channel_name_is_taken_once_and_can_be_freed() -> None:
    run("channel", "add", "a", "--key", "k", "--models", "mistyped")
    told = run("channel", "add", "a", "--key", "k", code=1).stderr
    assert told == "Error: there is a channel named a already; remove it first: oneapi-asgi channel remove a\n"
    assert run("channel", "remove", "a").stderr == 'channel 1 "a" removed\n'
    run("channel", "add", "a", "--key", "k", "--models", "m")
    assert [channel.models for channel in stored_channels()] == [("m",)]


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_channel_is_found_by_name_or_id(by: str) -> None:
    run("channel", "add", "a", "--key", "k")
    run("channel", "add", "b", "--key", "k")
    which = str(rows("channel", "list")[1][by])
    before, other = stored_channels()[1], stored_channels()[0]
    assert run("channel", "disable", which).stderr == f'channel {before.id} "b" is disabled\n'
    assert list(stored_channels()) == [other, replace(before, enabled=False)]
    assert run("channel", "enable", which).stderr == f'channel {before.id} "b" is enabled\n'
    assert list(stored_channels()) == [other, before]
    run("channel", "remove", which)
    assert list(stored_channels()) == [other]


def test_a_name_comes_before_an_id() -> None:
    run("channel", "add", "2", "--key", "k")
    run("channel", "add", "b", "--key", "k")
    run("channel", "remove", "2")
    assert [channel.name for channel in stored_channels()] == ["b"]


SOME = {"set": ("--weight", "2")}
"""What a command that changes something is given to change."""


@pytest.mark.parametrize("command", ["remove", "enable", "disable", "set", "test"])
def test_a_channel_that_is_not_there_is_told(command: str) -> None:
    told = run("channel", command, "a", *SOME.get(command, ()), code=1).stderr
    assert told == 'Error: no channel is named "a" or has that id; see oneapi-asgi channel list\n'


# a channel that is changed

BEDROCK = ("channel", "add", "a", "--provider", "bedrock", "--option", "region=eu-west-1", "--option", "service=x")


def test_what_is_given_is_changed_and_the_rest_stays() -> None:
    run(*BEDROCK, "--key", KEY, "--dialect", "bedrock", "--models", "m", "--priority", "3")
    run("channel", "disable", "a")
    [before] = stored_channels()
    words = ("--unsupported", "refuse", "--option", "region=eu-north-1", "--option", "service=", "--weight", "2")
    told = run("channel", "set", "a", *words).stderr
    assert told == 'channel 1 "a" changed; try it: oneapi-asgi channel test a\n'
    expected = replace(before, unsupported="refuse", options={"region": "eu-north-1"}, weight=2)
    assert list(stored_channels()) == [expected]
    run("channel", "set", str(before.id), "--provider", "openai", "--option", "region=", "--dialect", "")
    expected = replace(expected, provider="openai", options={}, dialects=())
    assert list(stored_channels()) == [expected]
    run("channel", "set", "a", "--base-url", "https://a.test/v1", "--key", "k1", "--key", "k2", "--map", "x=y")
    expected = replace(expected, base_url="https://a.test/v1", model_map={"x": "y"})
    assert list(stored_channels()) == [replace(expected, api_keys=(Secret("k1"), Secret("k2")))]
    run("channel", "set", "a", "--base-url", "", "--key-env", "K", environ={"K": "k3"})
    expected = replace(expected, base_url=None, api_keys=(Secret("k3"),))
    assert list(stored_channels()) == [expected]
    run("channel", "set", "a", "--concurrent-calls", "3", "--concurrent-calls-per-key", "2")
    assert list(stored_channels()) == [replace(expected, concurrent_calls=3, concurrent_calls_per_key=2)]
    run("channel", "set", "a", "--concurrent-calls", "")
    expected = replace(expected, concurrent_calls_per_key=2)
    assert list(stored_channels()) == [expected]


def test_what_a_channel_changes_of_calls_is_changed() -> None:
    run("channel", "add", "a", "--key", "k", "--header", "X-A=1", "--header", "x-b=2")
    words = ("--header", "x-a=3", "--header", "X-B=", "--parameters", '{"a": null}', "--proxy", PROXY)
    run("channel", "set", "a", *words, "--system-prompt", "x")
    [channel] = stored_channels()
    assert (channel.headers, channel.parameters, channel.proxy) == ({"x-a": "3"}, {"a": None}, Secret(PROXY))
    run("channel", "set", "a", "--weight", "2")
    assert list(stored_channels()) == [replace(channel, weight=2)]
    run("channel", "set", "a", "--header", "x-a=", "--parameters", "", "--system-prompt", "", "--proxy", "")
    plain = replace(channel, weight=2, headers={}, parameters={}, system_prompt="", proxy=None)
    assert list(stored_channels()) == [plain]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--header", "host=x"), "Error: --header.host: is for the gateway to say, not for a channel"),
        (("--header", "x=a\nb"), "Error: --header.x: must be visible ASCII characters"),
        (("--parameters", "[]"), 'Error: --parameters = "[]": must be a JSON object'),
        (("--parameters", '{"model": "x"}'), "Error: --parameters.model: is decided by model_map"),
        (("--proxy", "socks5://u:hunter2@p"), "Error: --proxy: must be a proxy that speaks HTTP"),
        (("--weight", "0"), "Error: --weight = 0: must be between 1 and 1000000\n"),
        (("--option", "region="), 'Error: --option.region: missing; provider "bedrock" needs it'),
        (("--provider", "azure"), "Error: --base-url: missing; provider"),
        ((), "Error: say what to change, such as --weight 2\n"),
        (("--key-env", "NOPE"), 'Error: --key-env = "env:NOPE": the environment variable is not set'),
        (("--key", "k", "--key-env", "NOPE"), "give either --key or --key-env"),
    ],
)
def test_a_mistaken_change_changes_nothing(words: tuple[str, ...], told: str) -> None:
    run(*BEDROCK, "--key", "k")
    before = stored_channels()
    assert told in run("channel", "set", "a", *words, code=2).stderr
    assert stored_channels() == before


def refused_by_its_upstream(name: str) -> None:
    [channel] = [one for one in stored_channels() if one.name == name]
    assert stored(lambda storage: storage.disable_channel(channel.id, "HTTP 401 no_account"))


def test_why_a_channel_was_disabled_is_shown_until_it_is_enabled() -> None:
    run("channel", "add", "a", "--key", "k", "--concurrent-calls", "8")
    assert "because" not in run("channel", "list").stdout
    refused_by_its_upstream("a")
    [row] = rows("channel", "list")
    told = (row["enabled"], row["disabled_because"], row["concurrent_calls"], row["concurrent_calls_per_key"])
    assert told == (False, "HTTP 401 no_account", 8, None)
    assert "HTTP 401 no_account" in run("channel", "list").stdout
    for command in (("set", "a", "--weight", "2"), ("disable", "a")):
        run("channel", *command)
        [channel] = stored_channels()
        assert (channel.enabled, channel.disabled_because) == (False, "HTTP 401 no_account")
    run("channel", "enable", "a")
    [channel] = stored_channels()
    assert (channel.enabled, channel.disabled_because, channel.weight) == (True, "", 2)


@pytest.mark.parametrize("by_hand", [False, True])
def test_another_key_enables_what_the_gateway_disabled(by_hand: bool) -> None:
    run("channel", "add", "a", "--key", "k")
    if by_hand:
        run("channel", "disable", "a")
    else:
        refused_by_its_upstream("a")
    run("channel", "set", "a", "--key", "another")
    [channel] = stored_channels()
    assert (channel.enabled, channel.disabled_because) == (not by_hand, "")


def test_help_tells_of_defaults_where_there_are_some() -> None:
    assert "serves [default: all]." in run("channel", "add", "--help").stdout
    assert "serves." in run("channel", "set", "--help").stdout


def test_dialects_and_options_are_listed() -> None:
    run(*BEDROCK, "--key", "k", "--dialect", "bedrock", "--dialect", "openai")
    [row] = rows("channel", "list")
    assert (row["dialects"], row["unsupported"]) == (["bedrock", "openai"], "drop")
    assert row["options"] == {"region": "eu-west-1", "service": "x"}
    assert "region=eu-west-1, service=x" in run("channel", "list").stdout


# channels that the settings declare

DECLARED = '[[channels]]\nname = "a"\napi_key = "k"\n'
WAITING = "from the settings, at the next start of the gateway: a\n"
COMES_BACK = 'the settings declare "a": it comes back as they say at the gateway\'s next start'


@pytest.mark.parametrize("command", ["remove", "disable", "enable", "set"])
def test_a_declared_channel_comes_back(command: str) -> None:
    declared(DECLARED)
    serve_once()
    assert COMES_BACK in run("channel", command, "a", *SOME.get(command, ())).stderr
    serve_once()
    assert [(channel.name, channel.enabled) for channel in stored_channels()] == [("a", True)]


def test_a_declared_channel_is_named_until_it_was_served() -> None:
    declared(DECLARED)
    result = run("channel", "list")
    assert (result.stdout, result.stderr) == ("", WAITING)
    run("channel", "add", "b", "--key", "k")
    result = run("channel", "list", "--json")
    assert [row["name"] for row in json.loads(result.stdout)] == ["b"]
    assert result.stderr == WAITING
    serve_once()
    assert run("channel", "list").stderr == ""
    declared(DECLARED + "weight = 2\n")
    assert run("channel", "list").stderr == WAITING, "it was not served as it is declared now"


@pytest.mark.parametrize(("command", "enabled"), [("enable", True), ("disable", False)])
def test_a_declared_channel_that_the_gateway_disabled_stays_so(command: str, enabled: bool) -> None:
    declared(DECLARED)
    serve_once()
    refused_by_its_upstream("a")
    serve_once()
    assert [channel.enabled for channel in stored_channels()] == [False]
    assert run("channel", "list").stderr == "", "it is as it is declared, but for what happened to it"
    run("channel", command, "a")
    serve_once()
    assert [channel.enabled for channel in stored_channels()] == [enabled]


def test_a_declared_channel_is_changed_in_the_settings() -> None:
    declared(DECLARED)
    assert COMES_BACK in run("channel", "add", "a", "--key", "k").stderr
    assert "the settings declare it: change it there\n" in run("channel", "add", "a", "--key", "k", code=1).stderr
