from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import NANO, Channel, Limit, Price, Secret, TokenDraft
from oneapi_asgi.providers.catalog import CATALOG
from oneapi_asgi.settings import (
    ChannelSettings,
    PriceSettings,
    ServerSettings,
    Settings,
    SettingsError,
    TokenSettings,
    load_settings,
    read_section,
)
from oneapi_asgi.settings.places import Place
from oneapi_asgi.settings.readers import dollars

FULL = """
[server]
host = "0.0.0.0"
port = 8080
workers = 2
trusted_proxies = ["10.0.0.0/8", "192.168.1.7", "2001:db8:0::/32"]
graceful_timeout = 12.5
body_bytes = 1048576
requests_per_minute = 600

[storage]
url = "sqlite:////var/lib/oneapi.db"
redis = "env:REDIS_URL"
replicas = 3
retention_days = 90

[routing]
max_attempts = 5
cool_down = false
effort_suffixes = true

[timeouts]
connect = 1
first_byte = 2.5
idle = 3
total = 4

[idempotency]
keep_hours = 48
max_answer = 65536

[outbound]
allow = ["127.0.0.0/8"]
fetch_hosts = ["Files.example.com", "*.example.org"]

[pricing]
unknown_model = "default"
default_input = 0.15
default_output = "0.60"
default_max_output = 1000

[cache]
token_ttl = 5
poll_interval = 0.25

[[channels]]
name = "openai-1"
provider = "openai"
base_url = "https://api.openai.com/v1/"
dialects = ["responses", "openai"]
options = { region = "eu", api_version = "v1" }
unsupported = "refuse"
api_key = "env:OPENAI_API_KEY"
models = ["gpt-4o", "oai-*"]
model_map = { "gpt-4o" = "gpt-4o-2024-11-20" }
groups = ["default", "vip"]
priority = -1
weight = 3
concurrent_calls = 8
concurrent_calls_per_key = 4
enabled = false

[[channels]]
name = "groq"
provider = "groq"
api_keys = ["file:groq.key", "gsk-literal"]

[[tokens]]
name = "ci"
key = "env:CI_TOKEN"
quota_usd = 10
models = ["gpt-4o*"]
subnets = ["10.1.0.0/16"]
expires_at = 2027-01-01T00:00:00Z
requests_per_minute = 60

[[prices]]
model = "gpt-4o*"
input = 2.5
output = "10"
cache_read = 0.125
cache_write_1h = "0.000000001"
audio_minute = 0.006
per_call = 0.01
max_output = 16384

[[limits]]
scope = "user"
name = "bob"
requests_per_minute = 0
tokens_per_minute = 100000
concurrent_calls = 8
budget_usd = "2.50"
period = "week"
rolling = true

[[limits]]
scope = "model"
concurrent_calls = 8
"""

ENVIRON = {
    "REDIS_URL": "redis://:hunter2@127.0.0.1:6379/1",
    "OPENAI_API_KEY": "sk-openai-0123456789",
    "CI_TOKEN": "sk-ci-0123456789",
}


def load(tmp_path: Path, text: str, environ: Mapping[str, str] = {}) -> Settings:
    path = tmp_path / "oneapi.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ)


def mistakes(tmp_path: Path, text: str, environ: Mapping[str, str] = {}) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, environ)
    assert str(caught.value) == "\n".join(caught.value.lines)
    return caught.value.lines


def test_without_a_file_everything_has_a_default() -> None:
    assert load_settings(None, {"PATH": "/bin"}) == Settings()
    assert Settings().server == ServerSettings(host="127.0.0.1", port=3000)
    assert Settings().server.body_bytes == 33_554_432


def test_every_key_of_a_full_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "groq.key").write_text("\n gsk-from-file \n")
    settings = load(tmp_path, FULL, ENVIRON)
    assert settings.server.port == 8080
    assert settings.server.trusted_proxies == ("10.0.0.0/8", "192.168.1.7/32", "2001:db8::/32")
    assert settings.server.graceful_timeout == 12.5
    assert settings.server.body_bytes == 1_048_576
    assert settings.server.requests_per_minute == 600
    assert settings.storage.url.reveal() == "sqlite:////var/lib/oneapi.db"
    assert settings.storage.redis is not None
    assert settings.storage.redis.reveal() == ENVIRON["REDIS_URL"]
    assert (settings.storage.replicas, settings.storage.retention_days) == (3, 90)
    assert (settings.idempotency.keep_hours, settings.idempotency.max_answer) == (48, 65_536)
    assert settings.routing.max_attempts == 5
    assert settings.routing.cool_down is False
    assert settings.timeouts.first_byte == 2.5
    assert settings.routing.effort_suffixes is True
    assert settings.outbound.allow == ("127.0.0.0/8",)
    assert settings.outbound.fetch_hosts == ("files.example.com", "*.example.org")
    assert settings.pricing.unknown_model == "default"
    assert settings.pricing.default_input == 150_000_000
    assert settings.pricing.default_output == 600_000_000
    assert settings.cache.poll_interval == 0.25


def test_channels_become_channels(tmp_path: Path) -> None:
    (tmp_path / "groq.key").write_text("gsk-from-file\n")
    settings = load(tmp_path, FULL, ENVIRON)
    assert [section.channel() for section in settings.channels] == [
        Channel(
            id=0,
            name="openai-1",
            base_url="https://api.openai.com/v1",
            dialects=("responses", "openai"),
            options={"region": "eu", "api_version": "v1"},
            unsupported="refuse",
            api_keys=(Secret("sk-openai-0123456789"),),
            models=("gpt-4o", "oai-*"),
            model_map={"gpt-4o": "gpt-4o-2024-11-20"},
            groups=("default", "vip"),
            priority=-1,
            weight=3,
            concurrent_calls=8,
            concurrent_calls_per_key=4,
            enabled=False,
        ),
        Channel(id=0, name="groq", provider="groq", api_keys=(Secret("gsk-from-file"), Secret("gsk-literal"))),
    ]


def test_tokens_become_drafts_that_hold_no_key(tmp_path: Path) -> None:
    (tmp_path / "groq.key").write_text("x")
    [token] = load(tmp_path, FULL, ENVIRON).tokens
    assert token.draft() == TokenDraft(
        name="ci",
        digest=key_digest("sk-ci-0123456789"),
        quota=10 * NANO,
        expires_at=1_798_761_600.0,
        models=("gpt-4o*",),
        subnets=("10.1.0.0/16",),
        requests_per_minute=60,
    )


def test_prices_become_prices(tmp_path: Path) -> None:
    (tmp_path / "groq.key").write_text("x")
    [price] = load(tmp_path, FULL, ENVIRON).prices
    assert price.model == "gpt-4o*"
    assert price.price() == Price(
        input=2_500_000_000,
        output=10_000_000_000,
        cache_read=125_000_000,
        cache_write_1h=1,
        audio_minute=6_000_000,
        per_call=10_000_000,
        max_output=16384,
    )


def test_limits_become_limits(tmp_path: Path) -> None:
    (tmp_path / "groq.key").write_text("x")
    assert [row.limit() for row in load(tmp_path, FULL, ENVIRON).limits] == [
        Limit(
            scope="user",
            name="bob",
            requests_per_minute=0,
            tokens_per_minute=100_000,
            concurrent_calls=8,
            budget=5 * NANO // 2,
            period="week",
            rolling=True,
        ),
        Limit(scope="model", name="*", concurrent_calls=8),
    ]


CHANNEL = '[[channels]]\nname = "a"\napi_key = "k"\n'
TOKEN = '[[tokens]]\nname = "t"\nkey = "sk-t"\n'
PRICE = '[[prices]]\nmodel = "m"\n'
LIMIT = '[[limits]]\nscope = "user"\n'

MISTAKES = [
    ("[server]\nport = 99999", "server.port = 99999: must be between 1 and 65535"),
    ('[server]\nport = "80"', 'server.port = "80": must be a whole number'),
    ("[server]\nport = true", "server.port = true: must be a whole number"),
    ("[server]\nport = 80.5", "server.port = 80.5: must be a whole number"),
    (f"[server]\nport = 0x{'f' * 5000}", "server.port: must be between 1 and 65535"),
    ('[server]\nhost = ""', 'server.host = "": must be a text'),
    ("[routing]\nmax_atempts = 3", 'routing.max_atempts: unknown key; did you mean "max_attempts"?'),
    ("[routing]\nzzz = 3", "routing.zzz: unknown key"),
    ('[routing]\ncool_down = "false"', 'routing.cool_down = "false": must be true or false'),
    ('[server]\n"a\\nb" = 3', 'server."a\\nb": unknown key'),
    ("[sever]\nport = 1", 'sever: unknown key; did you mean "server"?'),
    ("server = 1", "server: must be a table"),
    ("channels = {}", "channels: must be a list of tables: write [[channels]] before each, not [channels]"),
    ('channels = ["sk-secret"]', "channels[0]: must be a table"),
    ("[timeouts]\nidle = 0", "timeouts.idle = 0: must be a number of seconds between 0.001 and 604800"),
    ("[timeouts]\nidle = nan", "timeouts.idle = NaN: must be a number of seconds between 0.001 and 604800"),
    ('[timeouts]\nidle = "5"', 'timeouts.idle = "5": must be a number of seconds between 0.001 and 604800'),
    (
        '[outbound]\nallow = ["10.0.0.1/8"]',
        'outbound.allow[0] = "10.0.0.1/8": has bits beyond its prefix; did you mean "10.0.0.0/8"?',
    ),
    (
        '[outbound]\nallow = ["intranet"]',
        'outbound.allow[0] = "intranet": must be an address or a network, such as "10.0.0.0/8"',
    ),
    (
        '[outbound]\nfetch_hosts = ["https://a.test/x"]',
        (
            'outbound.fetch_hosts[0] = "https://a.test/x": must be the name of a host or a glob, such as '
            '"files.example.com" or "*.example.com"'
        ),
    ),
    (
        '[routing]\ndisable_on = ["401", "credit balance"]',
        'routing.disable_on[1] = "credit balance": must be a status or a code, such as "401" or "insufficient_quota"',
    ),
    ("[routing]\ndisable_on = [true]", "routing.disable_on[0] = true: must be a text"),
    (
        '[routing]\ndisable_on = ["401"]\ncool_down = false',
        "routing.disable_on: needs cool_down = true: without it nobody counts failures",
    ),
    ('[routing]\neffort_suffixes = "yes"', 'routing.effort_suffixes = "yes": must be true or false'),
    ('[outbound]\nallow = "::1"', "outbound.allow: must be a list, in square brackets"),
    (
        '[storage]\nurl = "memory:"\n[server]\nworkers = 2',
        'server.workers = 2: must be 1 with storage.url = "memory:", which processes cannot share',
    ),
    (
        '[storage]\nurl = "memory:"\nreplicas = 2',
        'storage.replicas = 2: must be 1 with storage.url = "memory:", which processes cannot share',
    ),
    (
        "[limits]\nrequests_per_minute = 5",
        (
            "limits: must be a list: write [[limits]] before each; body_bytes and the requests_per_minute of tokens "
            "without a number of their own belong into [server]"
        ),
    ),
    (
        '[[limits]]\nscope = "team"\nconcurrent_calls = 1',
        'limits[0].scope = "team": must be one of "token", "user", "group", "model", "channel"',
    ),
    ("[[limits]]\nconcurrent_calls = 1", "limits[0].scope: missing"),
    (LIMIT + "concurrent_calls = -1", "limits[0].concurrent_calls = -1: must be between 0 and 1000000000"),
    (LIMIT + "rpm = 1", "limits[0].rpm: unknown key"),
    (
        LIMIT + 'name = "bob"',
        (
            "limits[0].budget_usd: missing; a limit has at least one of requests_per_minute, tokens_per_minute, "
            "concurrent_calls, budget_usd"
        ),
    ),
    (
        LIMIT + 'requests_per_minute = 1\nperiod = "day"',
        "limits[0].budget_usd: missing; only a budget has a period: rates are per minute",
    ),
    (
        LIMIT + 'budget_usd = 1\nperiod = "year"',
        'limits[0].period = "year": must be one of "day", "week", "month"',
    ),
    (
        LIMIT + "budget_usd = 1\n" + LIMIT + "requests_per_minute = 1",
        "limits[1]: has the scope, name and period of limits[0]: make one of them",
    ),
    ("[idempotency]\nkeep_hours = 0", "idempotency.keep_hours = 0: must be between 1 and 720"),
    (
        '[pricing]\nunknown_model = "fre"',
        'pricing.unknown_model = "fre": must be one of "refuse", "free", "default"',
    ),
    (
        '[pricing]\nunknown_model = "default"\ndefault_input = 1',
        'pricing.default_output: missing; unknown_model = "default" needs it',
    ),
    (CHANNEL + 'provider = "opnai"', 'channels[0].provider = "opnai": no such provider; did you mean "openai"?'),
    (CHANNEL + "models = []", "channels[0].models: must not be empty"),
    (CHANNEL + "models = [1]", "channels[0].models[0] = 1: must be a text"),
    (
        CHANNEL + 'model_map = "a=b"',
        'channels[0].model_map: must be a table of texts, such as { "gpt-4o" = "my-deployment" }',
    ),
    (CHANNEL + "model_map = { a = 1 }", "channels[0].model_map.a = 1: must be a text"),
    (CHANNEL + "model_map = { 'gpt-4.1' = '' }", 'channels[0].model_map."gpt-4.1" = "": must be a text'),
    (CHANNEL + "weight = 0", "channels[0].weight = 0: must be between 1 and 1000000"),
    (
        CHANNEL + 'base_url = "api.test/v1"',
        'channels[0].base_url = "api.test/v1": must be a URL that begins with https:// or http://',
    ),
    (
        CHANNEL + 'base_url = "https://a b"',
        'channels[0].base_url = "https://a b": must be a URL that begins with https:// or http://',
    ),
    (CHANNEL + 'base_url = "https://[::"', 'channels[0].base_url = "https://[::": is not a URL'),
    (CHANNEL + 'base_url = "https://a:99999"', 'channels[0].base_url = "https://a:99999": is not a URL'),
    (
        CHANNEL + 'base_url = "https://me:hunter2@a.test"',
        "channels[0].base_url: must hold no user name or password; keys belong into api_key",
    ),
    (
        CHANNEL + 'base_url = "https://a.test/v1?x=1"',
        'channels[0].base_url = "https://a.test/v1?x=1": must have neither query nor fragment nor port 0',
    ),
    (
        '[[channels]]\nname = "a"\napi_key = "k"\nprovider = "azure"',
        f'channels[0].base_url: missing; provider "azure" has none of its own ({CATALOG["azure"].note})',
    ),
    ('[[channels]]\nname = "a"', 'channels[0].api_key: missing; provider "openai" needs one'),
    ('[[channels]]\napi_key = "k"', "channels[0].name: missing"),
    (CHANNEL + 'api_keys = ["l"]', "channels[0].api_keys: give either api_key or api_keys"),
    (CHANNEL + CHANNEL, "channels[1].name: the same as channels[0].name"),
    (TOKEN + TOKEN.replace('"t"', '"u"'), "tokens[1].key: the same as tokens[0].key"),
    (PRICE + PRICE, "prices[1].model: the same as prices[0].model"),
    (TOKEN + "quota_usd = -1", "tokens[0].quota_usd = -1: must be between 0 and 1000000000 dollars"),
    (TOKEN + "quota_usd = 0.1234567891", "tokens[0].quota_usd = 0.1234567891: must have at most 9 decimals"),
    (TOKEN + "quota_usd = inf", 'tokens[0].quota_usd = Infinity: must be an amount of dollars, such as 0.15 or "0.15"'),
    (TOKEN + 'quota_usd = "$5"', 'tokens[0].quota_usd = "$5": must be an amount of dollars, such as 0.15 or "0.15"'),
    (
        TOKEN + 'expires_at = "soon"',
        'tokens[0].expires_at = "soon": must be a time such as "2027-01-31" or "2027-01-31T12:00:00Z"',
    ),
    (TOKEN + "expires_at = 12:00:00", "tokens[0].expires_at: must be a date and time"),
    (TOKEN + "requests_per_minute = 0", "tokens[0].requests_per_minute = 0: must be between 1 and 1000000"),
    (PRICE + "input = true", 'prices[0].input = true: must be an amount of dollars, such as 0.15 or "0.15"'),
]


@pytest.mark.parametrize(("text", "line"), MISTAKES, ids=[line.partition(":")[0] for _, line in MISTAKES])
def test_a_mistake_is_told_with_its_place_value_and_remedy(tmp_path: Path, text: str, line: str) -> None:
    assert mistakes(tmp_path, text) == (line,)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    lines = mistakes(
        tmp_path,
        '[server]\nport = 0\nhosst = "x"\n[[channels]]\nprovider = "opnai"\n'
        '[[channels]]\nname = "a"\nmodels = [1, 2]\n[[channels]]\nname = "a"\nweight = 0\n',
        {"ONEAPI_SERVRE__PORT": "1", "ONEAPI_CACHE__TOKEN_TTL": "never"},
    )
    assert [line.partition(":")[0] for line in lines] == [
        "ONEAPI_SERVRE__PORT",
        "server.port = 0",
        "server.hosst",
        'channels[0].provider = "opnai"',
        "channels[0].name",
        "channels[1].models[0] = 1",
        "channels[1].models[1] = 2",
        "channels[2].weight = 0",
        "channels[2].name",
        'ONEAPI_CACHE__TOKEN_TTL = "never"',
    ]


def test_a_repeated_key_is_found_in_an_entry_that_has_another_mistake(tmp_path: Path) -> None:
    lines = mistakes(tmp_path, TOKEN + "quota_usd = -1\n" + TOKEN.replace('"t"', '"u"'))
    assert lines[1:] == ("tokens[1].key: the same as tokens[0].key",)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[server]\nport = \n", "is not TOML: Invalid value (at line 2"),
        (b"port = " + b"9" * 5000, "is not TOML: Exceeds the limit"),
        (b"port = 1e9999999999999999999", "is not TOML: a number is out of range"),
        (b"name = '\xff'", "is not UTF-8 text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_an_unreadable_file_is_told(tmp_path: Path, content: bytes | None, fault: str) -> None:
    path = tmp_path / "oneapi.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    assert str(caught.value).startswith(f"{path}: {fault}")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ('"env:NOPE"', ' = "env:NOPE": the environment variable is not set'),
        ('"env:EMPTY"', ' = "env:EMPTY": is empty'),
        ('"env:SPACED"', ' = "env:SPACED": what is there must be visible ASCII characters, without spaces'),
        ('"file:none.key"', ' = "file:none.key": the file cannot be read: No such file or directory'),
        ('"file:binary.key"', ' = "file:binary.key": the file is not UTF-8 text'),
        ('"file:a\\u0000b"', ' = "file:a\\u0000b": the file cannot be read: not a path'),
        ('"a literal secret"', ": must be visible ASCII characters, without spaces"),
        ('""', ": must be a text: the secret itself, env:NAME or file:PATH"),
        ("1234567", ": must be a text: the secret itself, env:NAME or file:PATH"),
    ],
)
def test_a_secret_that_is_missing_or_malformed_is_never_shown(tmp_path: Path, written: str, fault: str) -> None:
    (tmp_path / "binary.key").write_bytes(b"\xff")
    text = f'[[channels]]\nname = "a"\napi_key = {written}\n'
    assert mistakes(tmp_path, text, {"EMPTY": " \n", "SPACED": "hunter 2"}) == (f"channels[0].api_key{fault}",)


@pytest.mark.parametrize("key", ["api_key", "api_keys", "key"])
def test_no_message_and_no_repr_holds_a_secret(tmp_path: Path, key: str) -> None:
    secret = "hunter2-hunter2-hunter2"
    table = "tokens" if key == "key" else "channels"
    for value in (f'"{{{secret}"', f'"{secret} "', f'["{secret} "]', f'{{ x = "{secret}" }}', f'"{secret}"'):
        try:
            shown = repr(load(tmp_path, f'[[{table}]]\nname = "a"\n{key} = {value}\n'))
        except SettingsError as error:
            shown = str(error)
        assert secret not in shown


def test_one_section_is_read_by_the_rules_of_a_file() -> None:
    section = read_section(ChannelSettings, {"name": "a", "api_key": "env:K"}, {"K": "secret"})
    assert section.channel().api_keys == (Secret("secret"),)
    with pytest.raises(SettingsError, match=r'^provider = "opnai": no such provider; did you mean "openai"\?$'):
        read_section(ChannelSettings, {"name": "a", "provider": "opnai", "api_key": "k"}, {})
    assert read_section(PriceSettings, {"model": "m", "input": "0.5"}, {}).input == NANO // 2
    assert read_section(TokenSettings, {"name": "t", "key": "k"}, {}).quota_usd is None


@given(st.integers(0, 10**18))
def test_money_is_exact(nano: int) -> None:
    """Every number of nano-dollars has one way to be written in dollars, which reads back as itself."""
    amount = Decimal(nano).scaleb(-9)
    place = Place("x", {}, Path())
    assert dollars(amount, place) == nano
    assert dollars(f"{amount:f}", place) == nano


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
fields = [
    *(
        (kind, field)
        for kind in ("channels", "tokens", "prices", "limits")
        for field in ("name", "key", "api_keys", "input", "models")
    ),
    *(("channels", field) for field in ("dialects", "options", "unsupported")),
    ("channels", "base_url"),
    ("tokens", "expires_at"),
    ("tokens", "quota_usd"),
]


@given(st.sampled_from(fields), json_values)
def test_whatever_stands_there_it_is_read_or_told(field: tuple[str, str], value: object) -> None:
    kind, key = field
    told: tuple[str, ...] = ()
    try:
        load_settings(None, {f"ONEAPI_{kind.upper()}": json.dumps([{key: value}])})
    except SettingsError as error:
        told = error.lines
    assert not any("\n" in line for line in told)
