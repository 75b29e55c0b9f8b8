"""One gateway in front of every format that upstreams speak: a channel for each, all of them to one fake upstream.

Callers name a model by its row (``ROWS``): ``anthropic`` is a Claude at Anthropic, ``bedrock-sigv4`` one at Bedrock.
``strict-ROW`` is the same of a channel that refuses what it cannot say, ``spared-ROW`` has a second channel behind the
first, ``team/ROW:v1`` is the same by a longer name.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from oneapi_asgi import CallRecord, Channel, MemoryStorage, Price, Secret, Usage
from oneapi_asgi.health import Ejection
from oneapi_asgi.testing import FakeUpstream, Journaled

from .dialect_clients import CLIENTS
from .serving import ADMIN_KEY, KEY, Rig, eventually, open_rig

__all__ = [
    "COUNTED",
    "EMBEDDERS",
    "PRICE",
    "ROWS",
    "Row",
    "every_pair",
    "journal",
    "last_record",
    "marked",
    "open_dialects",
    "seen",
    "told_usage",
    "usual_pairs",
]

PRICE = Price(input=2_000_000_007, output=8_000_000_009, cache_read=500_003, cache_write=3_000_017, reasoning=9_000_011)
"""Each part apart, so that a part that is lost on its way changes the charge."""

AWS_SECRET = "aws-secret-key"
CLAUDE = "claude-sonnet-4-5"
ALL_COUNTS = frozenset({"cache_read", "cache_write", "reasoning"})
COUNTED = Usage(input=100, output=50, cache_read=40, cache_write=20, reasoning=10)


class Row(NamedTuple):
    """A channel. ``format`` is the one that calls are translated to, ``path`` the beginning of where they arrive;
    ``beside`` are the same of further formats, in which it is asked by clients of those. ``shown`` is how the key
    arrives. ``counts``: the parts of usage that it tells; ``documents``: takes PDFs; ``schema``: keeps to a JSON schema
    and not just to JSON; ``json``: knows how to say that any JSON is wanted."""

    provider: str
    model: str
    format: str
    path: str
    key: str = "upstream-key"
    shown: tuple[str, str] = ("authorization", "Bearer upstream-key")
    beside: Mapping[str, str] = {}
    below: str = ""
    options: Mapping[str, str] = {}
    counts: frozenset[str] = ALL_COUNTS
    documents: bool = True
    schema: bool = True
    json: bool = True

    @property
    def alike(self) -> bool:
        return self.provider in {"deepseek", "mistral", "openai-compatible"}

    def thinks(self, client: str) -> bool:
        """OpenAI's own chat shows no thoughts."""
        asked = client if client in self.beside else self.format
        return asked != "openai" or self.alike

    def native(self, client: str) -> bool:
        return client == self.format or client in self.beside

    def where(self, client: str) -> str:
        return self.beside.get(client, self.path)


CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
CACHED = frozenset({"cache_read", "cache_write"})
GOOGLE = frozenset({"cache_read", "reasoning"})
TOKEN: Any = {"key": "ya29.token", "shown": ("authorization", "Bearer ya29.token")}
PROJECT = "/v1/projects/p/locations/global/publishers"
BEDROCK = "anthropic.claude-sonnet-4-5-20250929-v1:0"

ROWS: Mapping[str, Row] = {
    "openai": Row("openai", "gpt-4o", "openai", CHAT, beside={"responses": RESPONSES}, below="/v1"),
    "openai-reasoning": Row("openai", "gpt-5", "openai", CHAT, beside={"responses": RESPONSES}, below="/v1"),
    "openai-responses": Row("openai-responses", "gpt-5", "responses", RESPONSES, beside={"openai": CHAT}, below="/v1"),
    "azure": Row(
        "azure",
        "gpt-4o",
        "openai",
        f"/openai{CHAT}",
        beside={"responses": f"/openai{RESPONSES}"},
        shown=("api-key", "upstream-key"),
    ),
    "azure-deployments": Row(
        "azure",
        "gpt-4o",
        "openai",
        "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        beside={"responses": "/openai/responses?api-version=2024-10-21"},
        shown=("api-key", "upstream-key"),
        options={"api_version": "2024-10-21"},
    ),
    "anthropic": Row("anthropic", CLAUDE, "anthropic", "/v1/messages", shown=("x-api-key", "upstream-key"), json=False),
    "gemini": Row(
        "gemini",
        "gemini-2.5-flash",
        "gemini",
        "/v1beta/models/gemini-2.5-flash:",
        shown=("x-goog-api-key", "upstream-key"),
        counts=GOOGLE,
    ),
    "gemini-3": Row(
        "gemini",
        "gemini-3-pro-preview",
        "gemini",
        "/v1beta/models/gemini-3-pro-preview:",
        shown=("x-goog-api-key", "upstream-key"),
        counts=GOOGLE,
    ),
    "vertex": Row(
        "vertex",
        "gemini-2.5-flash",
        "gemini",
        f"{PROJECT}/google/models/gemini-2.5-flash:",
        **TOKEN,
        options={"project": "p"},
        counts=GOOGLE,
    ),
    "vertex-claude": Row(
        "vertex",
        f"{CLAUDE}@20250929",
        "anthropic",
        f"{PROJECT}/anthropic/models/{CLAUDE}@20250929:",
        **TOKEN,
        options={"project": "p"},
        json=False,
    ),
    "bedrock": Row(
        "bedrock", BEDROCK, "bedrock", "/model/", options={"region": "us-east-1"}, counts=CACHED, json=False
    ),
    "bedrock-sigv4": Row(
        "bedrock",
        BEDROCK,
        "bedrock",
        "/model/",
        key=f"AKIDEXAMPLE|{AWS_SECRET}",
        shown=("authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        options={"region": "us-east-1"},
        counts=CACHED,
        json=False,
    ),
    "cohere": Row(
        "cohere",
        "command-a-reasoning-08-2025",
        "cohere",
        "/v2/chat",
        counts=frozenset({"cache_read"}),
        documents=False,
    ),
    "ollama": Row("ollama", "qwen3:8b", "ollama", "/api/chat", counts=frozenset(), documents=False),
    "deepseek": Row("deepseek", "deepseek-v4", "openai", CHAT, below="/v1", documents=False, schema=False),
    "mistral": Row(
        "mistral",
        "mistral-large",
        "openai",
        CHAT,
        below="/v1",
        options={"quirks": "usage_option"},  # it tells its usage unasked, which the fake does not
        documents=False,
    ),
    "stream-only": Row(
        "openai-compatible",
        "some-model",
        "openai",
        CHAT,
        below="/v1",
        options={"quirks": "stream_only"},
    ),
    "never-streams": Row(
        "openai-compatible",
        "some-model",
        "openai",
        CHAT,
        below="/v1",
        options={"quirks": "never_streams"},
    ),
}


EMBEDDERS: Mapping[str, tuple[str, str, str]] = {
    "embed-openai": ("openai", "text-embedding-3-small", "/v1"),
    "embed-gemini": ("gemini", "gemini-embedding-001", ""),
    "embed-cohere": ("cohere", "embed-v4.0", ""),
    "embed-ollama": ("ollama", "nomic-embed-text", ""),
    "rerank-cohere": ("cohere", "rerank-v3.5", ""),
}
"""Channels for what is no conversation: provider, upstream model, and what the base URL ends with."""

USUAL = {"openai", "openai-responses", "anthropic", "gemini-3", "bedrock-sigv4", "cohere", "ollama"}
"""One of each format: the others are like one of these but for where they are."""


def _pairs(usual: Collection[str]) -> list[Any]:
    return [
        pytest.param(client, row, id=f"{client}-{row}", marks=() if row in usual else pytest.mark.slow)
        for client in CLIENTS
        for row in ROWS
    ]


every_pair = pytest.mark.parametrize(("name", "row"), _pairs(ROWS))
usual_pairs = pytest.mark.parametrize(("name", "row"), _pairs(USUAL))
"""Every pair of an SDK (``name``) and a channel (``row``); some of them only among the slow tests."""


def marked(prompt: str = "What does the fox do?", **told: Any) -> str:
    """A prompt that tells the fake upstream what to do, in whatever format it arrives there."""
    return f"{prompt} fake:{json.dumps(told)}" if told else prompt


def told_usage(usage: Usage = COUNTED) -> dict[str, Any]:
    return {"usage": {name: getattr(usage, name) for name in ("input", "output", *sorted(ALL_COUNTS))}}


def seen(usage: Usage, *told: frozenset[str]) -> Usage:
    """A usage as it arrives where some parts are not told."""
    lost = {name: 0 for name in ALL_COUNTS if not all(name in counts for counts in told)}
    return replace(usage, **lost)


def journal(rig: Rig) -> list[Journaled]:
    """What all upstreams were asked, the last at the end."""
    return sorted((entry for fake in rig.fakes for entry in fake.journal), key=lambda entry: entry.started)


def _channels(strict_one: FakeUpstream, lax_one: FakeUpstream) -> Sequence[Channel]:
    """Those that are like OpenAI take more than it does."""
    made = []
    for name, row in ROWS.items():
        fake = lax_one if row.alike else strict_one
        channel = Channel(
            id=0,
            name=name,
            provider=row.provider,
            base_url=f"{fake.root}{row.below}",
            api_keys=(Secret(row.key),),
            options=dict(row.options),
            models=(),
            model_map=dict.fromkeys((name, f"spared-{name}", f"team/{name}:v1"), row.model),
        )
        strict = replace(channel, name=f"strict-{name}", unsupported="refuse", model_map={f"strict-{name}": row.model})
        made += [channel, strict]
    for name, (provider, model, below) in EMBEDDERS.items():
        channel = Channel(
            id=0,
            name=name,
            provider=provider,
            base_url=f"{strict_one.root}{below}",
            api_keys=(Secret("upstream-key"),),
            models=(),
            model_map={name: model},
        )
        made.append(channel)
    spare = Channel(
        id=0,
        name="spare",
        base_url=strict_one.url,
        api_keys=(Secret("spare-key"),),
        models=("spared-*", "gpt-image-1"),
        priority=-1,
    )
    return [*made, spare]


@asynccontextmanager
async def open_dialects(**options: Any) -> AsyncIterator[Rig]:
    foreign = frozenset({KEY, ADMIN_KEY})
    fakes = FakeUpstream(strict=True, foreign_keys=foreign, aws_secret=AWS_SECRET), FakeUpstream(foreign_keys=foreign)
    async with open_rig(
        MemoryStorage(),
        upstreams=fakes,
        channels=lambda opened: _channels(*opened),
        **{"prices": {"*": PRICE}, "health": Ejection(judge=False), **options},
    ) as rig:
        yield rig


async def last_record(rig: Rig, call_id: str) -> CallRecord:
    """The record of a call: it is written a moment after its caller has the answer."""
    found: list[CallRecord] = []

    async def there() -> bool:
        found[:] = [record for record in await rig.storage.list_records(3) if record.id == call_id]
        return bool(found)

    await rig.gateway.quota.settled()
    await rig.gateway.records.written()
    await eventually(there, within=5)
    return found[0]
