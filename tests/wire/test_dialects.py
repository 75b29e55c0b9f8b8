"""Which formats there are, whose a request is, and that a format is loaded when it is spoken."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from oneapi_asgi.wire.dialect import ChatDialect, ClientDialect, UpstreamDialect
from oneapi_asgi.wire.dialects import CLIENTS, UPSTREAMS, client_of, listed, load_formats, operation_at

CLIENT_NAMES = ["openai", "responses", "anthropic", "gemini", "cohere", "ollama"]
UPSTREAM_NAMES = [*CLIENT_NAMES, "bedrock", "coze", "dify", "replicate", "deepl"]


def test_formats() -> None:
    assert list(CLIENTS) == CLIENT_NAMES
    assert list(UPSTREAMS) == UPSTREAM_NAMES
    assert (len(CLIENTS), len(UPSTREAMS)) == (len(CLIENT_NAMES), len(UPSTREAM_NAMES))
    assert all(CLIENTS[name].name == name for name in CLIENTS)
    assert all(UPSTREAMS[name].name == name for name in UPSTREAMS)
    assert all(isinstance(CLIENTS[name], ChatDialect) for name in CLIENTS)


@pytest.mark.parametrize(("formats", "name"), [(CLIENTS, "bedrock"), (CLIENTS, ""), (UPSTREAMS, "openai ")])
def test_what_is_none(formats: dict[str, object], name: str) -> None:
    assert name not in formats
    assert formats.get(name) is None
    with pytest.raises(KeyError):
        formats[name]


@pytest.mark.parametrize("name", CLIENT_NAMES)
def test_a_clients_format_has_what_the_gateway_asks_of_it(name: str) -> None:
    client: ClientDialect = CLIENTS[name]
    assert client.request_id_header == client.request_id_header.lower()
    assert all(header == header.lower() for header in client.passed_headers)
    assert listed(client.list_path, client) == ""
    assert client.list_path == "/models" or client.owns(client.list_path, {}, "")


@pytest.mark.parametrize("name", UPSTREAM_NAMES)
def test_an_upstreams_format_has_what_the_gateway_asks_of_it(name: str) -> None:
    upstream: UpstreamDialect = UPSTREAMS[name]
    header, _ = upstream.key_header
    assert header == header.lower()
    assert all(own == own.lower() for own, _ in upstream.headers)
    assert upstream.tasks
    asked = {
        "chat": "/chat/completions",
        "embeddings": "/embeddings",
        "rerank": "/rerank",
        "images": "/images/generations",
    }
    for task in upstream.tasks & asked.keys():
        operation = operation_at(asked[task])
        assert operation is not None
        path = upstream.path(operation, "some/model", stream=False)
        assert path is not None
        assert path.startswith("/")


LOADED = """
import json, sys
from oneapi_asgi.wire.dialects import CLIENTS, client_of, load_formats, operation_at
def loaded():
    return sorted(n.removeprefix("oneapi_asgi.wire.") for n in sys.modules if n.startswith("oneapi_asgi.wire."))
operation_at("/chat/completions")
client_of("/models", {b"authorization": b"x"}, "a=b")
before = loaded()
load_formats(["anthropic", "nobody"])
print(json.dumps([before, loaded()]))
"""


def test_a_format_is_loaded_when_it_is_spoken() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True, text=True)
    before, after = json.loads(done.stdout)
    assert not {"openai.format", "anthropic.format", "gemini.format", "bedrock.format"} & set(before)
    assert {"openai.format", "anthropic.format"} <= set(after)
    assert not {"gemini.format", "bedrock.format", "cohere.format"} & set(after)


def test_loading_what_is_none() -> None:
    load_formats(["no such format"])


@pytest.mark.parametrize(
    ("path", "name", "task"),
    [
        ("/chat/completions", "openai", "chat"),
        ("/completions", "openai", "chat"),
        ("/embeddings", "openai", "embeddings"),
        ("/rerank", "openai", "rerank"),
        ("/images/generations", "openai", "images"),
        ("/audio/speech", "openai", "speech"),
        ("/responses", "responses", "chat"),
        ("/messages", "anthropic", "chat"),
        ("/messages/count_tokens", "anthropic", "count"),
        ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini", "chat"),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "gemini", "chat"),
        ("/models/gemini-2.5-flash:generateContent", "gemini", "chat"),
        ("/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent", "gemini", "chat"),
        ("/v1beta/models/gemini-2.5-flash:countTokens", "gemini", "count"),
        ("/v2/chat", "cohere", "chat"),
        ("/v2/rerank", "cohere", "rerank"),
        ("/api/chat", "ollama", "chat"),
        ("/api/generate", "ollama", "chat"),
        ("/api/embed", "ollama", "embeddings"),
    ],
)
def test_operations(path: str, name: str, task: str) -> None:
    operation = operation_at(path)
    assert operation is not None
    assert (operation.dialect, operation.task, operation.query) == (name, task, "")
    told = operation_at(path, "alt=sse")
    assert told is not None
    assert told.query == "alt=sse"


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/chat", "/chat/completions/x", "/messages/x", "/responses/../x", "/v2/", "/api/", "/api/delete"),
        *("/v1beta/", "/v1beta/models/x:deleteAll", "/models", "/models/x"),
    ],
)
def test_no_operation(path: str) -> None:
    assert operation_at(path) is None


@pytest.mark.parametrize(
    ("path", "headers", "query", "name"),
    [
        ("/models", {}, "", "openai"),
        ("/models", {b"authorization": b"Bearer x"}, "", "openai"),
        ("/models", {b"anthropic-version": b"2023-06-01"}, "", "anthropic"),
        ("/models", {b"x-goog-api-key": b"x"}, "", "gemini"),
        ("/models", {}, "key=x", "gemini"),
        ("/models", {}, "pageSize=5&key=x", "gemini"),
        ("/models", {}, "monkey=x", "openai"),
        ("/models", {b"x-fern-sdk-name": b"cohere"}, "", "cohere"),
        ("/models", {b"x-fern-sdk-name": b"other"}, "", "openai"),
        ("/v1beta/models", {}, "", "gemini"),
        ("/v1beta/nothing", {}, "", "gemini"),
        ("/v2/models", {}, "", "cohere"),
        ("/api/tags", {}, "", "ollama"),
        ("/messages/nothing", {}, "", "anthropic"),
        ("/responses/resp_1", {}, "", "openai"),
        ("/nothing", {}, "", "openai"),
    ],
)
def test_whose_a_request_is(path: str, headers: dict[bytes, bytes], query: str, name: str) -> None:
    assert client_of(path, headers, query).name == name


@pytest.mark.parametrize(
    ("path", "name", "wanted"),
    [
        ("/models", "openai", ""),
        ("/models/gpt-4o", "openai", "gpt-4o"),
        ("/models/team/gpt:1", "anthropic", "team/gpt:1"),
        ("/v1beta/models/gemini", "gemini", "gemini"),
        ("/models/gemini", "gemini", "gemini"),
        ("/v2/models", "cohere", ""),
        ("/api/tags", "ollama", ""),
        ("/modelsx", "openai", None),
        ("/v2/models", "openai", None),
        ("/chat", "openai", None),
    ],
)
def test_lists(path: str, name: str, wanted: str | None) -> None:
    assert listed(path, CLIENTS[name]) == wanted
