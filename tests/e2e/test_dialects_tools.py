"""Tools through every pair of formats: calls there, results back, and the thoughts and signatures that have to come
with them, whether the client carries them or not."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from oneapi_asgi.testing.upstream.said import SIGNED

from .dialect_clients import CLIENTS, Clients, open_clients
from .dialect_want import Client, Reply, Want
from .dialects import ROWS, journal, marked, open_dialects, usual_pairs
from .serving import Rig

EIGHT_WORDS = "The quick brown fox jumps over the lazy"
THOUGHT = "Let me think."
CALLS = [("weather", {"city": "Paris", "days": 1}), ("clock", {"zone": "Paris"})]


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[tuple[Rig, Clients]]:
    async with open_dialects() as rig, open_clients(rig.url) as clients:
        yield rig, clients


@pytest.fixture
async def rig(shared: tuple[Rig, Clients]) -> Rig:
    await shared[0].clear()
    return shared[0]


@pytest.fixture
def clients(shared: tuple[Rig, Clients], rig: Rig) -> Clients:
    return shared[1]


def called(reply: Reply) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, call.arguments) for call in reply.calls]


@usual_pairs
async def test_two_calls_at_once_and_their_results(rig: Rig, clients: Clients, name: str, row: str) -> None:
    client: Client = clients[name]
    native = ROWS[row].native(client.format)
    want = Want(marked(calls=2), tools=True)
    for stream in (False, True):
        first = await client.ask(row, want, stream=stream)
        assert (called(first), first.finish) == (CALLS, "tool_calls")
        assert len({call.id for call in first.calls}) == 2 or not client.ids or (native and name == "gemini")
        second = await client.ask(row, want, stream=stream, after=first, bare=stream and not native)
        assert (second.text, second.calls, second.finish) == (EIGHT_WORDS, [], "stop")
        body = journal(rig)[-1].body
        assert body.index(b"It is fine (weather).") < body.index(b"It is fine (clock).")


SIGNING = {"responses", "anthropic", "gemini", "bedrock"}
SIGNATURE = base64.b64encode(SIGNED)


@usual_pairs
@pytest.mark.parametrize("bare", [False, True], ids=["whole", "bare"])
async def test_thoughts_come_back(rig: Rig, clients: Clients, name: str, row: str, bare: bool) -> None:
    client: Client = clients[name]
    served, native = ROWS[row], ROWS[row].native(client.format)
    if bare and native:
        pytest.skip("it passes as it is: the provider has its own word for what is missing")
    thinks = served.thinks(client.format)
    want = Want(marked(calls=2, reasoning=thinks), tools=True, thinking=True)
    for stream in (False, True):
        first = await client.ask(row, want, stream=stream)
        assert (called(first), first.finish) == (CALLS, "tool_calls")
        assert first.thought == (THOUGHT if thinks else "")
        second = await client.ask(row, want, stream=stream, after=first, bare=bare)
        assert (second.text, second.calls) == (EIGHT_WORDS, [])
        if thinks and served.format in SIGNING and client.ids:
            assert SIGNATURE in journal(rig)[-1].body


ON_THE_WAY = [
    "openai-responses",
    "anthropic",
    "gemini-3",
    "bedrock",
    "cohere",
    "ollama",
    "deepseek",
    "openai-reasoning",
]
MOVES = [
    pytest.param(client, first, second, id=f"{client}-{first}-{second}")
    for client in CLIENTS
    for first, second in zip(ON_THE_WAY, [*ON_THE_WAY[1:], *ON_THE_WAY[:1]], strict=True)
]


@pytest.mark.parametrize(("name", "first", "second"), MOVES)
async def test_conversation_goes_on_with_another_model(clients: Clients, name: str, first: str, second: str) -> None:
    """What one model signed is nothing that another could be shown."""
    client: Client = clients[name]
    want = Want(marked(calls=2, reasoning=ROWS[first].thinks(client.format)), tools=True, thinking=True)
    began = await client.ask(first, want)
    assert called(began) == CALLS
    ended = await client.ask(second, want._replace(prompt="What does the fox do?"), after=began)
    assert (ended.text, ended.calls) == (EIGHT_WORDS, [])
