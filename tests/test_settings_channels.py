"""How a channel is asked: dialects, options, and keys that are more than a word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from oneapi_asgi.models import Secret
from oneapi_asgi.settings import ChannelSettings, SettingsError, load_settings, read_section

CHANNEL = '[[channels]]\nname = "a"\napi_key = "k"\n'


def load(tmp_path: Path, text: str, environ: Mapping[str, str] = {}) -> ChannelSettings:
    path = tmp_path / "oneapi.toml"
    path.write_text(text, encoding="utf-8")
    [channel] = load_settings(path, environ).channels
    return channel


def mistakes(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    return caught.value.lines


MISTAKES = [
    (CHANNEL + "dialects = []", "channels[0].dialects: must not be empty"),
    (
        CHANNEL + 'dialects = ["Anthropic"]',
        'channels[0].dialects[0] = "Anthropic": no such dialect; did you mean "anthropic"?',
    ),
    (
        CHANNEL + 'dialects = ["openai", "xyz"]',
        (
            'channels[0].dialects[1] = "xyz": no such dialect; there are anthropic, bedrock, cohere, coze, deepl, '
            "dify, gemini, ollama, openai, replicate, responses"
        ),
    ),
    (
        CHANNEL + 'options = ["region=eu"]',
        'channels[0].options: must be a table of texts, such as { region = "eu-west-1" }',
    ),
    (CHANNEL + "options = { tier = 1 }", "channels[0].options.tier = 1: must be a text"),
    (CHANNEL + "concurrent_calls = 0", "channels[0].concurrent_calls = 0: must be between 1 and 1000000"),
    (CHANNEL + "concurrent_calls_per_key = 1.5", "channels[0].concurrent_calls_per_key = 1.5: must be a whole number"),
    (CHANNEL + 'unsupported = "ignore"', 'channels[0].unsupported = "ignore": must be one of "drop", "refuse"'),
    (
        CHANNEL + 'provider = "bedrock"\noptions = { base_model = "amazon.nova" }',
        'channels[0].options.region: missing; provider "bedrock" needs it: AWS region, such as us-east-1',
    ),
    (
        CHANNEL + 'provider = "bedrock"\noptions = { region = "eu-west-1", gardrail = "x" }',
        'channels[0].options.gardrail: no such option; did you mean "guardrail"?',
    ),
    (
        CHANNEL + 'options = { quirks = "strem_only" }',
        'channels[0].options.quirks: there is no quirk "strem_only"; did you mean "stream_only"?',
    ),
    (
        CHANNEL + 'options = { quirks = "top_k, -usage_options" }',
        'channels[0].options.quirks: there is no quirk "-usage_options"; did you mean "usage_option"?',
    ),
    (
        '[[channels]]\nname = "a"\napi_key = "Bearer hunter2"\n',
        'channels[0].api_key: must be the key alone, without "Bearer"',
    ),
    (
        '[[channels]]\nname = "a"\napi_keys = ["k", "basic hunter2"]\n',
        'channels[0].api_keys[1]: must be the key alone, without "basic"',
    ),
    (
        CHANNEL + 'base_url = "https://a.test/v1/chat/completions/"',
        (
            'channels[0].base_url = "https://a.test/v1/chat/completions/": must be what precedes the paths of '
            "requests: leave out /chat/completions"
        ),
    ),
    (
        CHANNEL + 'base_url = "https://a.test/v1beta/models/m:generateContent"',
        (
            'channels[0].base_url = "https://a.test/v1beta/models/m:generateContent": must be what precedes the paths '
            "of requests: leave out :generateContent"
        ),
    ),
    (CHANNEL + "headers = 1", 'channels[0].headers: must be a table of texts, such as { x-team = "a" }'),
    (
        CHANNEL + "headers = { a = 1 }",
        "channels[0].headers.a: must be a text: the secret itself, env:NAME or file:PATH",
    ),
    (
        CHANNEL + 'headers = { Host = "hunter2" }',
        "channels[0].headers.Host: is for the gateway to say, not for a channel",
    ),
    (
        CHANNEL + 'headers = { x = "a\\r\\nb" }',
        "channels[0].headers.x: must be visible ASCII characters, with spaces between them at most",
    ),
    (
        CHANNEL + "parameters = [1]",
        (
            "channels[0].parameters: must be a table, such as { temperature = 0.2 }, or a JSON object as text: "
            "'{\"top_p\": null}'"
        ),
    ),
    (CHANNEL + "parameters = '{'", 'channels[0].parameters = "{": must be a JSON object'),
    (CHANNEL + "parameters = { a = 2026-01-01 }", "channels[0].parameters.a: must be a JSON value"),
    (
        CHANNEL + "parameters = { Stream = true }",
        "channels[0].parameters.Stream: is the caller's to say: the answer is read by it",
    ),
    (CHANNEL + "system_prompt = 1", "channels[0].system_prompt = 1: must be a text"),
    (
        CHANNEL + 'proxy = "socks5://u:hunter2@p"',
        "channels[0].proxy: must be a proxy that speaks HTTP: http:// or https://; SOCKS is not spoken here",
    ),
]


@pytest.mark.parametrize(("text", "line"), MISTAKES, ids=[line.partition(":")[0] for _, line in MISTAKES])
def test_a_mistake_is_told_with_its_place_value_and_remedy(tmp_path: Path, text: str, line: str) -> None:
    assert mistakes(tmp_path, text) == (line,)


def test_a_mistake_in_an_option_is_told_by_the_name_it_was_given_under() -> None:
    section = {"name": "a", "api_key": "k", "options": {"region": ""}, "base_url": "x"}
    with pytest.raises(SettingsError) as caught:
        read_section(ChannelSettings, section, {}, {"options": "--option", "base_url": "--base-url"})
    assert [line.partition(" = ")[0] for line in caught.value.lines] == ["--option.region", "--base-url"]


def test_a_key_may_be_the_json_of_an_account(tmp_path: Path) -> None:
    account = {"type": "service_account", "private_key": "-----BEGIN-----\nü\n", "project_id": "p"}
    (tmp_path / "account.json").write_text(json.dumps(account, indent=2, ensure_ascii=False))
    text = '[[channels]]\nname = "a"\nprovider = "vertex"\n'
    for written in ('api_key = "file:account.json"', 'api_keys = ["file:account.json"]', 'api_key = "env:ACCOUNT"'):
        channel = load(tmp_path, text + written, {"ACCOUNT": json.dumps(account)})
        [key] = channel.channel().api_keys
        assert json.loads(key.reveal()) == account
        assert key.reveal().isascii()
        assert key.reveal().isprintable()
    assert mistakes(tmp_path, text + 'api_key = "{hunter2"') == ("channels[0].api_key: begins like JSON, and is none",)
    assert mistakes(tmp_path, f"{text}api_key = '{'{' * 50_000}'") != ()


@pytest.mark.parametrize("provider", ["proxy", "azure", "vertex"])
def test_a_key_may_be_all_that_its_header_says(tmp_path: Path, provider: str) -> None:
    text = f'[[channels]]\nname = "a"\nprovider = "{provider}"\nbase_url = "https://a.test"\napi_key = "Bearer t"\n'
    [key] = load(tmp_path, text).channel().api_keys
    assert key.reveal() == "Bearer t"


def test_a_base_url_of_its_own_may_have_options_of_its_own(tmp_path: Path) -> None:
    text = '[[channels]]\nname = "a"\nbase_url = "https://{site}.test/v1"\napi_key = "k"\noptions = { site = "b" }'
    assert load(tmp_path, text).options == {"site": "b"}


def test_a_base_url_of_its_own_may_say_what_an_option_would(tmp_path: Path) -> None:
    text = '[[channels]]\nname = "a"\nprovider = "bedrock"\napi_key = "k"\n'
    channel = load(tmp_path, text + 'base_url = "https://bedrock-runtime.eu-west-1.amazonaws.com"')
    assert channel.options == {}
    channel = load(tmp_path, text + 'options = { region = "eu-west-1" }')
    assert channel.options == {"region": "eu-west-1"}


def test_what_a_channel_changes_of_calls(tmp_path: Path) -> None:
    (tmp_path / "header").write_text("Bearer t\n")
    text = (
        CHANNEL
        + """
        headers = { x-team = "a b", authorization = "file:header" }
        parameters = { temperature = 0.2, seed = 1, stop = ["a"], x = { y = 1e3, z = [true] } }
        system_prompt = "Be brief."
        proxy = "env:PROXY"
        """
    )
    channel = load(tmp_path, text, {"PROXY": "http://user:hunter2@proxy.example:3128"}).channel()
    assert channel.headers == {"x-team": "a b", "authorization": "Bearer t"}
    assert channel.parameters == {"temperature": 0.2, "seed": 1, "stop": ["a"], "x": {"y": 1000.0, "z": [True]}}
    assert type(channel.parameters["temperature"]) is float
    assert channel.system_prompt == "Be brief."
    assert channel.proxy == Secret("http://user:hunter2@proxy.example:3128")
    assert "hunter2" not in repr(channel)
    as_text = load(tmp_path, CHANNEL + """parameters = '{"top_p": null}'""").channel()
    assert as_text.parameters == {"top_p": None}
