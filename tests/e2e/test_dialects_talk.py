"""Every official SDK to every format of upstreams: what is said arrives, and what is answered comes back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from oneapi_asgi.pricing import cost

from .dialect_clients import Clients, open_clients
from .dialect_openai import OpenAIChat, OpenAIResponses
from .dialect_want import PDF, PIXEL, Client, Want
from .dialects import (
    COUNTED,
    PRICE,
    ROWS,
    every_pair,
    journal,
    last_record,
    marked,
    open_dialects,
    seen,
    told_usage,
    usual_pairs,
)
from .serving import KEY, Rig

EIGHT_WORDS = "The quick brown fox jumps over the lazy"


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


@every_pair
async def test_text(rig: Rig, clients: Clients, name: str, row: str) -> None:
    client: Client = clients[name]
    served, native = ROWS[row], ROWS[row].native(client.format)
    want = Want(marked(**told_usage()), system="Be kind.")
    for stream in (False, True):
        reply = await client.ask(row, want, stream=stream)
        assert (reply.text, reply.finish) == (EIGHT_WORDS, "stop")
        assert reply.model in ((served.model, row, None) if native else (row, None))
        assert reply.usage == seen(COUNTED, client.counts, served.counts)
        record = await last_record(rig, clients.call_id)
        assert record.usage == seen(COUNTED, served.counts)
        assert record.cost == cost(record.usage, PRICE) > 0
        assert (record.upstream_model, record.reason, record.stream) == (served.model, "done", stream)
        assert "x-oneapi-dropped-params" not in clients.headers
    for entry in journal(rig):
        assert entry.path.startswith(served.where(client.format))
        shown, value = served.shown
        assert (entry.header(shown) or "").startswith(value)
        assert KEY not in repr(entry.headers)
        assert b"Be kind." in entry.body


@usual_pairs
async def test_files(rig: Rig, clients: Clients, name: str, row: str) -> None:
    client: Client = clients[name]
    documents = client.documents and ROWS[row].documents
    reply = await client.ask(row, Want("What is this?", image=True, pdf=documents))
    assert reply.text == EIGHT_WORDS
    (entry,) = journal(rig)
    assert PIXEL.encode() in entry.body
    assert (PDF.encode() in entry.body) is documents


@usual_pairs
@pytest.mark.parametrize("format_", ["schema", "json"])
async def test_answers_of_a_form(rig: Rig, clients: Clients, name: str, row: str, format_: str) -> None:
    client: Client = clients[name]
    if format_ not in client.formats:
        pytest.skip("its format cannot ask for that")
    replies = [
        await client.ask(row, Want("Say it in JSON.", format=format_), stream=stream) for stream in (False, True)
    ]
    exact, known = {"city": "Paris", "days": 1}, ROWS[row].schema if format_ == "schema" else ROWS[row].json
    for reply in replies:
        if format_ == "schema" and known:
            assert json.loads(reply.text) == exact
        elif ROWS[row].json and (format_ == "json" or not ROWS[row].native(client.format)):
            assert reply.text == "{}"  # told in words, which the fake does not read
        elif format_ == "json":
            assert reply.text == EIGHT_WORDS
            assert b"Answer with one JSON object" in journal(rig)[-1].body
        assert (reply.finish, reply.calls) == ("stop", [])


@usual_pairs
@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_why_it_ends(clients: Clients, name: str, row: str, finish: str) -> None:
    client: Client = clients[name]
    if finish == "content_filter" and {ROWS[row].format, client.format} & {"cohere", "ollama"}:
        pytest.skip("one of the formats has no word for it")
    for stream in (False, True):
        reply = await client.ask(row, Want(marked(finish=finish)), stream=stream)
        assert reply.finish == finish


@usual_pairs
async def test_limit_of_output(clients: Clients, name: str, row: str) -> None:
    client: Client = clients[name]
    reply = await client.ask(row, Want("Hello", max_output=16))
    assert (reply.text, reply.finish) == (EIGHT_WORDS, "stop")
    reply = await client.ask(row, Want(marked(tokens=20), max_output=16), stream=True)
    assert (len(reply.text.split()), reply.finish) == (16, "length")


@usual_pairs
async def test_long_names_of_models(clients: Clients, name: str, row: str) -> None:
    client: Client = clients[name]
    reply = await client.ask(f"team/{row}:v1", Want("Hello"))
    assert reply.text == EIGHT_WORDS


@pytest.mark.parametrize("row", ROWS)
async def test_helpers_of_openai(clients: Clients, row: str) -> None:
    """Those that put a stream together by themselves, which they check more strictly than anything else."""
    for tools in (False, True):
        want = Want(marked(calls=2), tools=tools)
        client: OpenAIChat = clients["chat"]
        async with client.sdk.chat.completions.stream(**client.asked(row, want)) as chat:
            completion: Any = await chat.get_final_completion()
        responses: OpenAIResponses = clients["responses"]
        asked = responses.asked(row, want)
        async with responses.sdk.responses.stream(**asked) as events:
            response: Any = await events.get_final_response()
        if tools:
            calls = [call.function.name for call in completion.choices[0].message.tool_calls]
            assert calls == [item.name for item in response.output if item.type == "function_call"]
            assert calls == ["weather", "clock"]
        else:
            assert completion.choices[0].message.content == response.output_text == EIGHT_WORDS


@pytest.mark.parametrize("row", ROWS)
async def test_legacy_completions(rig: Rig, row: str) -> None:
    # The SDK's strict type of a chunk has no null finish_reason, which OpenAI itself sends.
    async with rig.sdk() as strict, rig.sdk(strict=False) as lax:
        plain = await strict.completions.create(model=row, prompt="Say it")
        stream = await lax.completions.create(model=row, prompt="Say it", stream=True)
        chunks = [chunk async for chunk in stream]
    assert plain.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks) == EIGHT_WORDS
    assert [str(chunk.choices[0].finish_reason) for chunk in chunks] == ["None"] * (len(chunks) - 1) + ["stop"]
