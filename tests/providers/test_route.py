"""In which format a channel is asked, and whether it streams."""

from __future__ import annotations

from typing import Any

import pytest

from oneapi_asgi.models import Channel
from oneapi_asgi.providers.access import KeyAccess
from oneapi_asgi.providers.catalog import CATALOG, offered, provider_of, quirks_of
from oneapi_asgi.providers.provider import Provider
from oneapi_asgi.providers.route import Route, access_of, place_of, route_of
from oneapi_asgi.wire.dialects import UPSTREAMS, operation_at
from oneapi_asgi.wire.operations import Operation

CHAT, MESSAGES, RESPONSES = "/chat/completions", "/messages", "/responses"
GEMINI = "/v1beta/models/gemini-2.5-flash"


def asked(path: str, query: str = "") -> Operation:
    operation = operation_at(path, query)
    assert operation is not None
    return operation


def channel(provider: str = "openai-compatible", quirks: str = "", **more: Any) -> Channel:
    options = {"quirks": quirks} if quirks else {}
    return Channel(id=1, name="c", provider=provider, base_url="http://h/v1", options=options, **more)


def route(path: str, where: Channel, *, stream: bool = False, rewritten: bool = False, query: str = "") -> Route | None:
    return route_of(where, asked(path, query), "m", stream=stream, rewritten=rewritten)


def told(found: Route | None) -> tuple[str, str, bool, bool] | None:
    return None if found is None else (found.dialect.name, found.path, found.native, found.stream)


OTHER = channel(dialects=("anthropic", "openai"))


@pytest.mark.parametrize(
    ("path", "where", "stream", "rewritten", "expected"),
    [
        pytest.param(CHAT, channel(), False, False, ("openai", CHAT, True, False), id="native"),
        pytest.param(CHAT, channel(), True, False, ("openai", CHAT, True, True), id="native stream"),
        pytest.param(CHAT, OTHER, False, False, ("openai", CHAT, True, False), id="native, not the first"),
        pytest.param(MESSAGES, channel(), True, False, ("openai", CHAT, False, True), id="translated"),
        pytest.param(RESPONSES, OTHER, False, False, ("anthropic", MESSAGES, False, False), id="to the first"),
        pytest.param(CHAT, channel(), False, True, ("openai", CHAT, False, False), id="rewritten"),
        pytest.param(CHAT, OTHER, False, True, ("openai", CHAT, False, False), id="rewritten into its own format"),
        pytest.param("/completions", channel(), False, False, ("openai", "/completions", True, False), id="legacy"),
        pytest.param("/completions", channel(), False, True, ("openai", CHAT, False, False), id="legacy, rewritten"),
        pytest.param("/embeddings", channel(), False, True, ("openai", "/embeddings", True, False), id="no talk"),
        pytest.param("/audio/speech", channel(), False, False, ("openai", "/audio/speech", True, False), id="speech"),
        pytest.param("/v2/rerank", channel(), False, False, ("openai", "/rerank", False, False), id="ranking"),
        pytest.param("/audio/speech", channel("anthropic"), False, False, None, id="nobody speaks"),
        pytest.param("/embeddings", channel("anthropic"), False, False, None, id="no vectors"),
        pytest.param("/embeddings", OTHER, False, False, ("openai", "/embeddings", True, False), id="the second can"),
        pytest.param("/v2/embed", OTHER, False, False, ("openai", "/embeddings", False, False), id="translated to it"),
        pytest.param(
            CHAT, channel(quirks="stream_only"), False, False, ("openai", CHAT, False, True), id="stream_only, whole"
        ),
        pytest.param(
            CHAT, channel(quirks="stream_only"), True, False, ("openai", CHAT, True, True), id="stream_only, stream"
        ),
        pytest.param(
            CHAT, channel(quirks="never_streams"), True, False, ("openai", CHAT, False, False), id="never, stream"
        ),
        pytest.param(
            CHAT, channel(quirks="never_streams"), False, False, ("openai", CHAT, True, False), id="never, whole"
        ),
        pytest.param(
            MESSAGES,
            channel(quirks="stream_only"),
            False,
            False,
            ("openai", CHAT, False, True),
            id="stream_only, other",
        ),
        pytest.param(
            MESSAGES, channel(quirks="never_streams"), True, False, ("openai", CHAT, False, False), id="never, other"
        ),
        pytest.param(
            CHAT,
            channel(quirks="never_streams stream_only"),
            True,
            False,
            ("openai", CHAT, False, False),
            id="both: it cannot",
        ),
        pytest.param(
            "/completions",
            channel(quirks="stream_only"),
            False,
            False,
            ("openai", CHAT, False, True),
            id="legacy whole",
        ),
        pytest.param(
            "/embeddings",
            channel(quirks="stream_only"),
            False,
            False,
            ("openai", "/embeddings", True, False),
            id="vectors",
        ),
        pytest.param(
            "/api/generate",
            channel("ollama", quirks="stream_only"),
            False,
            False,
            ("ollama", "/api/chat", False, True),
            id="of another path of its own format",
        ),
        pytest.param(
            f"{GEMINI}:streamGenerateContent",
            channel("gemini", quirks="never_streams"),
            True,
            False,
            ("gemini", "/models/m:generateContent", False, False),
            id="gemini, never",
        ),
        pytest.param(
            f"{GEMINI}:generateContent",
            channel("gemini", quirks="stream_only"),
            False,
            False,
            ("gemini", "/models/m:streamGenerateContent?alt=sse", False, True),
            id="gemini, stream_only",
        ),
        pytest.param(
            f"{GEMINI}:streamGenerateContent",
            channel("gemini"),
            True,
            False,
            ("gemini", "/models/m:streamGenerateContent", True, True),
            id="an array",
        ),
        pytest.param(
            f"{GEMINI}:streamGenerateContent",
            channel("gemini"),
            True,
            True,
            ("gemini", "/models/m:streamGenerateContent?alt=sse", False, True),
            id="no array where it is translated",
        ),
    ],
)
def test_routes(
    path: str, where: Channel, stream: bool, rewritten: bool, expected: tuple[str, str, bool, bool] | None
) -> None:
    assert told(route(path, where, stream=stream, rewritten=rewritten)) == expected


def test_families_tell_the_format_of_a_model() -> None:
    vertex = Channel(id=1, name="v", provider="vertex")
    operation = asked(CHAT)
    claude = route_of(vertex, operation, "claude-sonnet-4-5", stream=False)
    gemini = route_of(vertex, operation, "gemini-2.5-flash", stream=False)
    assert claude is not None
    assert gemini is not None
    assert (claude.dialect.name, gemini.dialect.name) == ("anthropic", "gemini")


def test_a_provider_that_is_not_there() -> None:
    with pytest.raises(ValueError, match='did you mean "openai"'):
        route(CHAT, channel("opena"))


def test_a_format_that_is_not_there() -> None:
    with pytest.raises(ValueError, match='channel "c": there is no format "opneai"'):
        route(MESSAGES, channel(dialects=("opneai",)))


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_every_provider_can_be_talked_to(name: str) -> None:
    """From each format of clients."""
    where = Channel(id=1, name="c", provider=name, base_url="http://h")
    if all("chat" not in UPSTREAMS[dialect].tasks for dialect in offered(where, provider_of(where))):
        return
    for path in (CHAT, MESSAGES, RESPONSES, f"{GEMINI}:generateContent", "/v2/chat", "/api/chat"):
        operation = asked(path)
        assert route_of(where, operation, "owner/model", stream=False) is not None, path


@pytest.mark.parametrize(
    ("told", "quirks"),
    [
        ("", {"usage_option", "top_k"}),
        ("stream_only", {"usage_option", "top_k", "stream_only"}),
        ("-usage_option", {"top_k"}),
        (" stream_only,-top_k , -usage_option", {"stream_only"}),
        ("top_k -top_k", {"usage_option"}),
        ("-no_n", {"usage_option", "top_k"}),
    ],
)
def test_quirks_of_a_channel(told: str, quirks: set[str]) -> None:
    row = Provider(id="p", name="P", quirks=frozenset({"usage_option", "top_k"}))
    assert quirks_of(channel(quirks=told), row) == quirks


@pytest.mark.parametrize("told", ["streams", "-", "- top_k", "+top_k", "TOP_K"])
def test_quirks_that_are_none(told: str) -> None:
    with pytest.raises(ValueError, match='channel "c": there is no quirk'):
        quirks_of(channel(quirks=told), Provider(id="p", name="P"))


def test_access_is_the_providers_or_the_formats() -> None:
    own = KeyAccess("x-own", "")
    anthropic = UPSTREAMS["anthropic"]
    assert access_of(Provider(id="p", name="P", access=own), anthropic) is own
    assert access_of(Provider(id="p", name="P"), anthropic) == KeyAccess("x-api-key", "")


def test_places() -> None:
    found = route(MESSAGES, channel(), stream=True)
    assert found is not None
    place = place_of(channel(), found, "up", "/chat/completions?a=b")
    assert (place.base_url, place.dialect, place.version) == ("http://h/v1", "openai", "")
    assert (place.path, place.model, place.stream) == ("/chat/completions?a=b", "up", True)
    homeless = Channel(id=1, name="c", provider="openai-compatible")
    with pytest.raises(ValueError, match="needs a base_url"):
        place_of(homeless, found, "up", "/x")
