"""One request through one channel, in every format, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from oneapi_asgi.models import Channel, Secret
from oneapi_asgi.testing import Answer, FakeUpstream
from oneapi_asgi.trial import NoModel, model_of, offered_models, try_channel
from oneapi_asgi.upstream import AddressGuard, Timeouts, Upstream
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

KEY = "sk-0123456789abcdef"


def said(status: int, body: bytes) -> Answer:
    return Answer(status=status, parts=((body, 0.0),))


SOON = Timeouts(connect=5, first_byte=10, idle=10, total=20)


@pytest.fixture
async def fake() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


@pytest.fixture
async def out() -> AsyncIterator[Upstream]:
    async with HttptoolsUpstream(guard=AddressGuard(["127.0.0.0/8"])) as out:
        yield out


def channel_at(fake: FakeUpstream, provider: str) -> Channel:
    url = fake.url if provider == "openai" else fake.root
    options = {"region": "us-east-1"} if provider == "bedrock" else {}
    return Channel(id=1, name="a", provider=provider, base_url=url, options=options, api_keys=(Secret(KEY),))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("provider", "model", "path"),
    [
        ("openai", "gpt-4o", "/v1/chat/completions"),
        ("openai", "text-embedding-3-small", "/v1/embeddings"),
        ("anthropic", "claude-haiku-4-5", "/v1/messages"),
        ("gemini", "gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:"),
        ("gemini", "gemini-embedding-001", "/v1beta/models/gemini-embedding-001:"),
        ("cohere", "command-a", "/v2/chat"),
        ("ollama", "llama3.2", "/api/chat"),
        ("bedrock", "anthropic.claude", "/model/anthropic.claude/converse"),
    ],
)
async def test_every_format(
    fake: FakeUpstream, out: Upstream, provider: str, model: str, path: str, stream: bool
) -> None:
    verdict = await try_channel(out, channel_at(fake, provider), model, SOON, stream=stream)
    assert (verdict.served, verdict.code, verdict.told) == (True, "", f"200 answered by {model}")
    assert ("embed" in model) != bool(verdict.answer), "what it said"
    assert fake.journal[0].path.startswith(path)
    assert ("embed" in model) or (b'"stream":true' in fake.journal[0].body or "tream" in fake.journal[0].path) == stream


async def test_the_key_at_an_index(fake: FakeUpstream, out: Upstream) -> None:
    channel = Channel(id=1, name="a", base_url=fake.url, api_keys=(Secret(KEY), Secret("sk-second")))
    await try_channel(out, channel, "gpt-4o", SOON, key=1)
    assert dict(fake.journal[0].headers)["authorization"] == "Bearer sk-second"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (said(401, b'{"error":{"message":"no such key ' + KEY.encode() + b'"}}'), "http_401"),
        (said(500, b"<html>"), "http_500"),
        (said(200, b'{"choices":[]}'), "malformed"),
        (Answer(head=False, then="reset"), "cut"),
    ],
    ids=["401", "500", "malformed", "reset"],
)
async def test_failures(fake: FakeUpstream, out: Upstream, answer: Answer, code: str) -> None:
    fake.script(answer)
    verdict = await try_channel(out, channel_at(fake, "openai"), "gpt-4o", SOON)
    assert (verdict.served, verdict.code) == (False, code)
    assert KEY not in verdict.told
    assert verdict.told.isprintable()


async def test_what_cannot_be_asked(out: Upstream) -> None:
    for provider in ("custom", "gone"):
        assert (await try_channel(out, Channel(id=1, name="a", provider=provider), "m", SOON)).code == "misconfigured"
    embedder = Channel(id=1, name="a", provider="anthropic", api_keys=(Secret("k"),))
    assert (await try_channel(out, embedder, "text-embedding-3", SOON)).code == "misconfigured"


def test_which_model() -> None:
    channel = Channel(id=1, name="a", models=("gpt-*", "o3"), model_map={"mine": "theirs"})
    assert [model_of(channel), model_of(channel, "mine"), model_of(channel, "x")] == ["o3", "theirs", "x"]
    with pytest.raises(NoModel):
        model_of(Channel(id=1, name="a"))


@pytest.mark.parametrize(
    ("provider", "path", "first"),
    [
        ("openai", "/v1/models", "gpt-4o"),
        ("anthropic", "/v1/models?limit=1000", "claude-opus-4-6"),
        ("gemini", "/v1beta/models?pageSize=1000", "gemini-2.5-flash"),
        ("ollama", "/api/tags", "llama3.2:latest"),
    ],
)
async def test_lists(fake: FakeUpstream, out: Upstream, provider: str, path: str, first: str) -> None:
    found = await offered_models(out, channel_at(fake, provider), SOON)
    assert (found[0], fake.journal[0].method, fake.journal[0].path) == (first, "GET", path)
    assert KEY in str(fake.journal[0].headers)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (said(401, b"{}"), "the upstream answered with status 401"),
        (said(200, b"<html>"), "the answer is no list of models"),
        (said(200, b'{"data": 3}'), "the answer is no list of models"),
    ],
    ids=["401", "html", "number"],
)
async def test_what_is_no_list(fake: FakeUpstream, out: Upstream, answer: Answer, told: str) -> None:
    fake.script(answer)
    with pytest.raises(ValueError, match=told):
        await offered_models(out, channel_at(fake, "openai"), SOON)


async def test_odd_lists(fake: FakeUpstream, out: Upstream) -> None:
    body = b'[{"id":"a"},{"name":"models/b"},{"model":"c"},{"id":"a"},{"id":7},{"id":"x\\n"},3,{}]'
    fake.script(said(200, body))
    assert await offered_models(out, channel_at(fake, "openai"), SOON) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="no list of models"):
        await offered_models(out, channel_at(fake, "bedrock"), SOON)
