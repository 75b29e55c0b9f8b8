"""The ways in: keys, paths, lists and errors of every format on one address, and what is no conversation."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anthropic
import cohere
import httpx2
import ollama
import openai
import pytest
from google import genai
from google.genai import errors, types

from .dialect_clients import CLIENTS, Clients, open_clients
from .dialect_want import Client, Want
from .dialects import EMBEDDERS, ROWS, journal, last_record, open_dialects
from .serving import KEY, Rig

EIGHT_WORDS = "The quick brown fox jumps over the lazy"
LONG = "team/anthropic:v1"


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


# --- keys -------------------------------------------------------------------------------------------------------------

HELLO: Any = [{"role": "user", "content": "Hello"}]
CONTENTS: Any = [{"role": "user", "parts": [{"text": "Hello"}]}]
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"model": "gemini-3", "messages": HELLO}),
    "responses": ("/v1/responses", {"model": "gemini-3", "input": "Hello"}),
    "anthropic": ("/v1/messages", {"model": "gemini-3", "messages": HELLO, "max_tokens": 99}),
    "gemini": ("/v1beta/models/anthropic:generateContent", {"contents": CONTENTS}),
    "cohere": ("/v2/chat", {"model": "gemini-3", "messages": HELLO}),
    "ollama": ("/api/chat", {"model": "gemini-3", "messages": HELLO, "stream": False}),
}
CARRIERS: dict[str, tuple[dict[str, str], str]] = {
    "bearer": ({"authorization": f"Bearer {KEY}"}, ""),
    "x-api-key": ({"x-api-key": KEY}, ""),
    "api-key": ({"api-key": KEY}, ""),
    "x-goog-api-key": ({"x-goog-api-key": KEY}, ""),
    "query": ({}, f"?key={KEY}"),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("asked", ASKED)
async def test_carriers_of_keys(rig: Rig, asked: str, carrier: str) -> None:
    """Each is taken on every path, and none of them goes on."""
    headers, query = CARRIERS[carrier]
    path, body = ASKED[asked]
    async with httpx2.AsyncClient() as http:
        answer = await http.post(rig.url + path + query, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert EIGHT_WORDS in answer.text
    (entry,) = journal(rig)
    assert KEY not in repr(entry)


ENVELOPES: dict[str, Callable[[Any], object]] = {
    "openai": lambda body: body["error"]["code"],
    "responses": lambda body: body["error"]["code"],
    "anthropic": lambda body: (body["type"], body["error"]["type"]),
    "gemini": lambda body: (body["error"]["code"], body["error"]["status"]),
    "cohere": lambda body: "message" in body,
    "ollama": lambda body: "error" in body,
}
NO_KEY: dict[str, object] = {
    "openai": "missing_api_key",
    "responses": "missing_api_key",
    "anthropic": ("error", "authentication_error"),
    "gemini": (401, "UNAUTHENTICATED"),
    "cohere": True,
    "ollama": True,
}


@pytest.mark.parametrize("asked", ASKED)
async def test_no_key(rig: Rig, asked: str) -> None:
    path, body = ASKED[asked]
    async with httpx2.AsyncClient() as http:
        answer = await http.post(rig.url + path, json=body)
    assert answer.status_code == 401
    assert ENVELOPES[asked](answer.json()) == NO_KEY[asked]
    assert journal(rig) == []


Raised = dict[str, tuple[type[Exception], ...]]
WRONG_KEY: Raised = {
    "chat": (openai.AuthenticationError,),
    "responses": (openai.AuthenticationError,),
    "anthropic": (anthropic.AuthenticationError,),
    "gemini": (errors.ClientError,),
    "cohere": (cohere.UnauthorizedError,),
    "ollama": (ollama.ResponseError,),
}
NO_MODEL: Raised = {
    "chat": (openai.NotFoundError,),
    "responses": (openai.NotFoundError,),
    "anthropic": (anthropic.NotFoundError,),
    "gemini": (errors.ClientError,),
    "cohere": (cohere.NotFoundError,),
    "ollama": (ollama.ResponseError,),
}


async def test_wrong_key(rig: Rig) -> None:
    async with open_clients(rig.url, "sk-wrong") as strangers:
        for name in CLIENTS:
            for stream in (False, True):
                with pytest.raises(WRONG_KEY[name], match="not valid"):
                    await strangers[name].ask("anthropic", Want("Hello"), stream=stream)
                assert strangers.call_id
    assert journal(rig) == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", CLIENTS)
async def test_unknown_model(rig: Rig, clients: Clients, name: str, stream: bool) -> None:
    client: Client = clients[name]
    with pytest.raises(NO_MODEL[name], match="zebra"):
        await client.ask("zebra", Want("Hello"), stream=stream)
    assert journal(rig) == []


# --- paths ------------------------------------------------------------------------------------------------------------

NOWHERE: dict[str, tuple[str, dict[str, str], object]] = {
    "/v1/nowhere": ("openai", {}, "unknown_url"),
    "/v1/messages/nowhere": ("anthropic", {}, ("error", "not_found_error")),
    "/v1/elsewhere": ("anthropic", {"anthropic-version": "2023-06-01"}, ("error", "not_found_error")),
    "/v1beta/nowhere": ("gemini", {}, (404, "NOT_FOUND")),
    "/v2/nowhere": ("cohere", {}, True),
    "/api/nowhere": ("ollama", {}, True),
}


@pytest.mark.parametrize("path", NOWHERE)
async def test_unknown_paths(rig: Rig, path: str) -> None:
    form, headers, told = NOWHERE[path]
    answer = await rig.http.post(rig.url + path, json={}, headers=headers)
    assert answer.status_code == 404
    assert ENVELOPES[form](answer.json()) == told


@pytest.mark.parametrize("asked", ASKED)
async def test_wrong_method(rig: Rig, asked: str) -> None:
    path, _ = ASKED[asked]
    answer = await rig.http.get(rig.url + path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert ENVELOPES[asked](answer.json())


# --- lists of models --------------------------------------------------------------------------------------------------


async def test_models_of_openai(clients: Clients) -> None:
    sdk: openai.AsyncOpenAI = clients["chat"].sdk
    listed = [model.id async for model in sdk.models.list()]
    assert {*ROWS, LONG} <= set(listed)
    assert (await sdk.models.retrieve("anthropic")).id == "anthropic"
    assert (await sdk.models.retrieve(LONG)).id == LONG
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("zebra")


async def test_models_of_anthropic(clients: Clients) -> None:
    sdk: anthropic.AsyncAnthropic = clients["anthropic"].sdk
    listed = [model.id async for model in sdk.models.list()]
    assert {*ROWS, LONG} <= set(listed)
    assert (await sdk.models.retrieve("openai")).id == "openai"
    assert (await sdk.models.retrieve(LONG)).id == LONG
    with pytest.raises(anthropic.NotFoundError):
        await sdk.models.retrieve("zebra")


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_models_of_gemini(rig: Rig, version: str) -> None:
    async with httpx2.AsyncClient() as http:
        options = types.HttpOptions(base_url=rig.url, api_version=version, httpx_async_client=http)
        sdk = genai.Client(api_key=KEY, http_options=options).aio
        listed = [model.name async for model in await sdk.models.list()]
        assert {f"models/{name}" for name in (*ROWS, LONG)} <= set(listed)
        assert (await sdk.models.get(model="openai")).name == "models/openai"
        with pytest.raises(errors.ClientError):
            await sdk.models.get(model="zebra")
        answer = await sdk.models.generate_content(model="anthropic", contents="Hello")
        stream = await sdk.models.generate_content_stream(model="openai", contents="Hello")
        assert answer.text == "".join([part.text or "" async for part in stream]) == EIGHT_WORDS
        assert (await sdk.models.count_tokens(model="openai", contents="Hello there")).total_tokens


async def test_models_of_cohere(clients: Clients) -> None:
    listed = await clients["cohere"].sdk.models.list()
    assert {*ROWS, LONG} <= {model.name for model in listed.models}


async def test_models_of_ollama(clients: Clients) -> None:
    listed = await clients["ollama"].sdk.list()
    assert {*ROWS, LONG} <= {model.model for model in listed.models}


LISTS: dict[str, tuple[dict[str, str], Callable[[Any], object]]] = {
    "openai": ({"authorization": f"Bearer {KEY}"}, lambda body: body["object"]),
    "anthropic": ({"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}, lambda body: body["has_more"]),
    "gemini": ({"x-goog-api-key": KEY}, lambda body: body["models"][0]["name"][:7]),
}
LISTED = {"openai": "list", "anthropic": False, "gemini": "models/"}


@pytest.mark.parametrize("form", LISTS)
async def test_one_path_has_lists_of_three_formats(rig: Rig, form: str) -> None:
    headers, told = LISTS[form]
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"{rig.url}/v1/models", headers=headers)
    assert told(answer.json()) == LISTED[form]


# --- streams of Gemini's clients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ["anthropic", "gemini", "openai"])
async def test_streams_of_gemini_are_events_or_one_array(rig: Rig, row: str) -> None:
    url = f"{rig.url}/v1beta/models/{row}:streamGenerateContent"
    events = await rig.http.post(url, params={"alt": "sse"}, json={"contents": CONTENTS})
    array = await rig.http.post(url, json={"contents": CONTENTS})
    assert events.headers["content-type"].startswith("text/event-stream")
    assert array.headers["content-type"].startswith("application/json")
    assert events.content.count(b"data: ") == len(array.json()) > 1
    parts = [part for body in array.json() for part in body["candidates"][0]["content"].get("parts", [])]
    assert "".join(part["text"] for part in parts) == EIGHT_WORDS


# --- counting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ["openai", "anthropic", "gemini", "vertex-claude", "bedrock", "cohere", "ollama"])
async def test_counted_tokens(rig: Rig, clients: Clients, row: str) -> None:
    """By the upstream where it speaks the caller's format, else by a guess; for nothing either way."""
    sdk: anthropic.AsyncAnthropic = clients["anthropic"].sdk
    counted = await sdk.messages.count_tokens(model=row, messages=HELLO, system="Be very kind.")
    record = await last_record(rig, clients.call_id)
    assert (record.cost, record.status) == (0, 200)
    answer = await clients["gemini"].sdk.models.count_tokens(model=row, contents="Hello")
    assert (await last_record(rig, clients.call_id)).cost == 0
    assert counted.input_tokens > 0
    assert answer.total_tokens > 0
    asked = [entry.path for entry in journal(rig)]
    assert len(asked) == (ROWS[row].format in {"anthropic", "gemini"})


# --- vectors, rankings, pictures --------------------------------------------------------------------------------------

TEXTS = ["one two", "three"]


async def _openai_vectors(clients: Clients, model: str) -> list[list[float]]:
    sdk: openai.AsyncOpenAI = clients["chat"].sdk
    answer = await sdk.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    assert (answer.usage.prompt_tokens > 0) is (model != "embed-gemini")  # which does not count
    return [row.embedding for row in answer.data]


async def _gemini_vectors(clients: Clients, model: str) -> list[list[float]]:
    contents: Any = [types.Content(parts=[types.Part(text=text)]) for text in TEXTS]  # texts alone are parts of one
    answer = await clients["gemini"].sdk.models.embed_content(model=model, contents=contents)
    return [row.values for row in answer.embeddings]


async def _cohere_vectors(clients: Clients, model: str) -> list[list[float]]:
    sdk: cohere.AsyncClientV2 = clients["cohere"].sdk
    answer = await sdk.embed(model=model, input_type="search_query", texts=TEXTS, embedding_types=["float"])
    return answer.embeddings.float_ or []


async def _ollama_vectors(clients: Clients, model: str) -> list[list[float]]:
    answer = await clients["ollama"].sdk.embed(model=model, input=TEXTS)
    return [list(row) for row in answer.embeddings]


EMBEDDED: dict[str, Callable[[Clients, str], Awaitable[list[list[float]]]]] = {
    "openai": _openai_vectors,
    "gemini": _gemini_vectors,
    "cohere": _cohere_vectors,
    "ollama": _ollama_vectors,
}


@pytest.mark.parametrize("row", [name for name in EMBEDDERS if name.startswith("embed-")])
@pytest.mark.parametrize("form", EMBEDDED)
async def test_vectors(rig: Rig, clients: Clients, form: str, row: str) -> None:
    vectors = await EMBEDDED[form](clients, row)
    assert [len(vector) for vector in vectors] == [8, 8]
    assert vectors[0] != vectors[1]
    record = await last_record(rig, clients.call_id)
    assert record.usage is not None
    assert (record.usage.input > 0, record.usage.output) == (True, 0)
    assert record.cost > 0


async def test_vectors_packed_in_base64(rig: Rig) -> None:
    """What OpenAI's SDK asks for when it is not told otherwise; its own strict type does not have it."""
    for row in [name for name in EMBEDDERS if name.startswith("embed-")]:
        body = {"model": row, "input": TEXTS, "encoding_format": "base64"}
        answer = await rig.post(body, "/embeddings")
        packed = [base64.b64decode(each["embedding"]) for each in answer.json()["data"]]
        assert [len(struct.unpack("<8f", vector)) for vector in packed] == [8, 8]
        async with rig.sdk(strict=False) as sdk:
            found = await sdk.embeddings.create(model=row, input=TEXTS)
        assert [len(each.embedding) for each in found.data] == [8, 8]


async def test_rankings(rig: Rig, clients: Clients) -> None:
    sdk: cohere.AsyncClientV2 = clients["cohere"].sdk
    told = await sdk.rerank(model="rerank-cohere", query="fox", documents=["a fox", "a dog"], top_n=1)
    body = {"model": "rerank-cohere", "query": "fox", "documents": ["a fox", "a dog"], "top_n": 1}
    answer = await rig.post(body, "/rerank")
    assert [result.index for result in told.results] == [0]
    assert [result["index"] for result in answer.json()["results"]] == [0]


async def test_pictures(clients: Clients) -> None:
    sdk: openai.AsyncOpenAI = clients["chat"].sdk
    answer = await sdk.images.generate(model="gpt-image-1", prompt="a red fox", n=2)
    assert [bool(image.b64_json) for image in answer.data or []] == [True, True]
