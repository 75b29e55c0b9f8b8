"""Every row, asked in each of its dialects: URL, headers and body are what the format says."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
import pytest

from oneapi_asgi.models import Channel
from oneapi_asgi.providers.access import Access, KeyAccess, Place, Unsigned
from oneapi_asgi.providers.catalog import CATALOG, base_url_of, offered
from oneapi_asgi.providers.provider import Provider
from oneapi_asgi.wire.chat import Chat, Message, Target, Text
from oneapi_asgi.wire.dialect import UpstreamDialect
from oneapi_asgi.wire.dialects import UPSTREAMS
from oneapi_asgi.wire.operations import Operation

MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "bedrock": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "replicate": "meta/meta-llama-3-70b-instruct",
    "deepl": "deepl-de",
    "openai": "meta/llama-4",  # Vertex AI has this one in OpenAI's dialect
}
ENDS = {
    "openai": "/chat/completions",
    "responses": "/responses",
    "anthropic": "/messages",
    "bedrock": "/converse",
    "cohere": "/v2/chat",
    "ollama": "/api/chat",
    "coze": "/v3/chat",
    "dify": "/v1/chat-messages",
    "replicate": "/v1/models/meta/meta-llama-3-70b-instruct/predictions",
    "deepl": "/v2/translate",
}
LISTS = {"openai": "/models", "anthropic": "/models", "gemini": "/models", "cohere": "/models", "ollama": "/api/tags"}
OPTIONS = {"region": "eu-west-1", "account": "acc", "project": "prj", "location": "europe-west4"}
PLACEHOLDERS = {
    "azure": "https://resource.openai.azure.com/openai/v1",
    "azure-claude": "https://resource.services.ai.azure.com/anthropic",
}
KEY = "sk-key"
USER = Message(role="user", parts=(Text(text="Hi"),))


def dialect_named(name: str) -> UpstreamDialect:
    dialect = UPSTREAMS[name]
    assert dialect.name == name
    return dialect


CASES = [
    pytest.param(provider, dialect, id=f"{provider.id}-{dialect}")
    for provider in CATALOG.values()
    for dialect in provider.dialects
]


def channel_of(provider: Provider) -> Channel:
    base_url = None if provider.base_url else PLACEHOLDERS.get(provider.id, "https://server.example.com/v1")
    return Channel(id=1, name="c", provider=provider.id, base_url=base_url, options=OPTIONS)


def access_of(provider: Provider, dialect: UpstreamDialect) -> Access:
    return provider.access or KeyAccess(*dialect.key_header)


def place_of(provider: Provider, dialect: UpstreamDialect, path: str, *, stream: bool = False) -> Place:
    channel = channel_of(provider)
    return Place(
        base_url=base_url_of(channel, provider, dialect.name),
        dialect=dialect.name,
        version=dialect.version,
        path=path,
        model=MODELS.get(dialect.name, "m"),
        stream=stream,
        options=channel.options,
    )


def check_url(text: str) -> None:
    url = urlsplit(text)
    assert url.hostname
    assert url.scheme in ("https", "http")
    assert "//" not in url.path
    assert "{" not in text
    assert url.path.count("/v1/") <= 1 or "/publishers/" in url.path


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("provider", "name"), CASES)
def test_every_row_builds_a_request(provider: Provider, name: str, stream: bool) -> None:
    dialect = dialect_named(name)
    model = MODELS.get(name, "m")
    assert name in offered(channel_of(provider), provider, model)

    path = dialect.path(Operation(name="chat", path="/chat/completions", task="chat"), model, stream=stream)
    assert path is not None
    access = access_of(provider, dialect)
    place = place_of(provider, dialect, path, stream=stream)
    url = access.url(place, KEY)
    check_url(url)
    if "/publishers/" not in url:
        assert urlsplit(url).path.removesuffix("-stream").endswith(ENDS.get(name, ""))

    target = Target(model=model, stream=stream, quirks=frozenset[str](provider.quirks), options=OPTIONS)
    written = dialect.write(Chat(model="m", messages=(USER,), max_output=9, stream=stream), target)
    body = access.body(msgspec.json.encode(written.body), place)
    assert isinstance(msgspec.json.decode(body), dict)
    assert b"Hi" in body

    headers = dict(access.headers(KEY, "", Unsigned("POST", url, (), body), 0.0))
    assert KEY in " ".join(headers.values())
    assert all(header == header.lower() for header in headers)


LISTED = [case for case in CASES if case.values[1] in LISTS and case.id != "vertex-anthropic"]
"""Vertex AI has no list of Claude's models."""


@pytest.mark.parametrize(("provider", "name"), LISTED)
def test_every_row_builds_the_url_of_its_models(provider: Provider, name: str) -> None:
    dialect = dialect_named(name)
    url = access_of(provider, dialect).url(place_of(provider, dialect, LISTS[name]), KEY)
    check_url(url)
    assert url.endswith(LISTS[name])


@pytest.mark.parametrize(
    ("provider", "name", "url"),
    [
        ("openai", "openai", "https://api.openai.com/v1/chat/completions"),
        ("openai", "responses", "https://api.openai.com/v1/responses"),
        ("anthropic", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("deepseek", "anthropic", "https://api.deepseek.com/anthropic/v1/messages"),
        ("zhipu", "openai", "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("zhipu", "anthropic", "https://open.bigmodel.cn/api/anthropic/v1/messages"),
        ("kimi-coding", "anthropic", "https://api.kimi.com/coding/v1/messages"),
        ("fireworks", "anthropic", "https://api.fireworks.ai/inference/v1/messages"),
        ("openrouter", "anthropic", "https://openrouter.ai/api/v1/messages"),
        ("cohere", "cohere", "https://api.cohere.com/v2/chat"),
        ("cloudflare", "openai", "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/chat/completions"),
        ("ollama", "ollama", "http://localhost:11434/api/chat"),
        ("ollama", "anthropic", "http://localhost:11434/v1/messages"),
        ("vllm", "anthropic", "http://localhost:8000/v1/messages"),
        ("coze", "coze", "https://api.coze.com/v3/chat"),
        ("dify", "dify", "https://api.dify.ai/v1/chat-messages"),
        ("deepl", "deepl", "https://api.deepl.com/v2/translate"),
        ("bedrock-openai", "openai", "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1/chat/completions"),
    ],
)
def test_where_calls_go(provider: str, name: str, url: str) -> None:
    row, dialect = CATALOG[provider], dialect_named(name)
    path = dialect.path(Operation(name="chat", task="chat"), "m", stream=False)
    assert path is not None
    assert access_of(row, dialect).url(place_of(row, dialect, path), KEY) == url


@pytest.mark.parametrize(
    "base_url", ["http://gpu:11434", "http://gpu:11434/", "http://gpu:11434/v1", "http://gpu:11434/api"]
)
@pytest.mark.parametrize(
    ("dialect", "path", "url"),
    [
        ("ollama", "/api/chat", "http://gpu:11434/api/chat"),
        ("openai", "/chat/completions", "http://gpu:11434/v1/chat/completions"),
        ("anthropic", "/messages", "http://gpu:11434/v1/messages"),
    ],
)
def test_one_root_for_all_dialects_of_a_server(base_url: str, dialect: str, path: str, url: str) -> None:
    access = CATALOG["ollama"].access
    assert access is not None
    place = Place(base_url=base_url, dialect=dialect, version="", path=path, model="m", stream=False, options={})
    assert access.url(place) == url


def test_a_root_keeps_the_query_of_a_base_url() -> None:
    access = CATALOG["vllm"].access
    assert access is not None
    place = Place(
        base_url="http://gpu:8000/v1?tenant=a",
        dialect="openai",
        version="",
        path="/models",
        model="m",
        stream=False,
        options={},
    )
    assert access.url(place) == "http://gpu:8000/v1/models?tenant=a"
