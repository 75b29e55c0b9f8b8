"""The fake answers as Cohere does, to its SDK, and refuses what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cohere import AsyncClientV2
from cohere.core.api_error import ApiError
from posting import GONE, changed, post

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import FakeUpstream

MODEL = "command-a-03-2025"
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
USER: Any = {"role": "user", "content": "How are you today?"}
HEADERS = {"authorization": "Bearer key"}
ONCE: Any = {"max_retries": 0}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(foreign_keys={"caller"}) as upstream:
        yield upstream


@pytest.fixture
async def cohere(upstream: FakeUpstream) -> AsyncIterator[AsyncClientV2]:
    async with AsyncClientV2(api_key="key", base_url=upstream.root) as client:
        yield client


def told(**options: object) -> list[Any]:
    return [{"role": "user", "content": f"Please fake:{json.dumps(options)} and no more"}]


async def test_chat(upstream: FakeUpstream, cohere: AsyncClientV2) -> None:
    answer: Any = await cohere.chat(model=MODEL, messages=[USER])
    assert len(answer.message.content[0].text.split()) == 8
    assert answer.finish_reason == "COMPLETE"
    assert (answer.usage.tokens.input_tokens, answer.usage.tokens.output_tokens) == (4, 8)
    assert upstream.journal[0].usage == Usage(input=4, output=8)


async def test_stream(cohere: AsyncClientV2) -> None:
    asked = cohere.chat_stream(model=MODEL, messages=told(tokens=3, reasoning=True))
    events: list[Any] = [event async for event in asked]
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("message-start", "message-end")
    assert kinds.count("content-start") == kinds.count("content-end") == 2
    deltas = [event.delta.message.content for event in events if event.type == "content-delta"]
    assert "".join(delta.thinking or "" for delta in deltas) == "Let me think."
    assert "".join(delta.text or "" for delta in deltas) == "The quick brown"
    assert events[-1].delta.usage.tokens.output_tokens == 6


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_there_and_back(cohere: AsyncClientV2, stream: bool) -> None:
    asked: Any = {"model": MODEL, "messages": told(calls=2, text="I will look."), "tools": [TOOL]}
    if stream:
        events: list[Any] = [event async for event in cohere.chat_stream(**asked)]
        calls = [event.delta.message.tool_calls for event in events if event.type == "tool-call-start"]
        texts = [event.delta.message for event in events if event.type == "tool-call-delta"]
        whole = "".join(message.tool_calls.function.arguments for message in texts)
        plan = "".join(event.delta.message.tool_plan for event in events if event.type == "tool-plan-delta")
    else:
        message: Any = (await cohere.chat(**asked)).message
        calls, plan = message.tool_calls, message.tool_plan
        whole = "".join(call.function.arguments for call in calls)
    assert plan == "I will look."
    assert whole == '{"city":"Paris","days":1}' * 2
    called = [
        {"id": c.id, "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
        for c in calls
    ]
    history: Any = [*asked["messages"], {"role": "assistant", "tool_calls": called, "tool_plan": plan}]
    history += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    last: Any = await cohere.chat(model=MODEL, messages=history, tools=[TOOL])
    assert last.message.content[0].text == "I will look."


@pytest.mark.parametrize(("finish", "reason"), [("length", "MAX_TOKENS"), ("stop_sequence", "STOP_SEQUENCE")])
async def test_why_it_ends(cohere: AsyncClientV2, finish: str, reason: str) -> None:
    assert (await cohere.chat(model=MODEL, messages=told(finish=finish))).finish_reason == reason


async def test_structured_output(cohere: AsyncClientV2) -> None:
    wanted: Any = {"type": "json_object", "json_schema": SCHEMA}
    answer: Any = await cohere.chat(model=MODEL, messages=[USER], response_format=wanted)
    assert json.loads(answer.message.content[0].text) == {"city": "Paris", "days": 1}


async def test_embed_rerank_and_models(upstream: FakeUpstream, cohere: AsyncClientV2) -> None:
    answer: Any = await cohere.embed(
        model="embed-v4.0",
        input_type="search_query",
        texts=["one two", "three"],
        embedding_types=["float", "int8", "uint8", "binary", "base64"],
        output_dimension=256,
    )
    assert [len(row) for row in answer.embeddings.float_] == [256, 256]
    assert [len(row) for row in answer.embeddings.binary] == [32, 32]
    assert answer.meta.billed_units.input_tokens == 3
    ranked = await cohere.rerank(model="rerank-v3.5", query="q", documents=["one", "two"], top_n=1)
    assert [(row.index, row.relevance_score) for row in ranked.results] == [(0, 1.0)]
    assert MODEL in [model.name for model in (await cohere.models.list()).models]
    assert (await cohere.models.get("embed-v4.0")).name == "embed-v4.0"


async def test_errors(cohere: AsyncClientV2) -> None:
    with pytest.raises(ApiError) as caught:
        await cohere.chat(model=MODEL, messages=told(status=429, message="slow down"), request_options=ONCE)
    assert caught.value.status_code == 429
    assert caught.value.body["message"] == "slow down"
    asked = cohere.chat_stream(model=MODEL, messages=told(then="error", message="broke"))
    events: list[Any] = [event async for event in asked]
    assert (events[-1].delta.finish_reason, events[-1].delta.error) == ("ERROR", "broke")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer caller"}])
async def test_credentials(upstream: FakeUpstream, headers: dict[str, str]) -> None:
    answer = await post(f"{upstream.root}/v2/chat", {"model": MODEL, "messages": [USER]}, headers)
    assert (answer.status_code, set(answer.json())) == (401, {"id", "message"})


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, IMAGE]},
        {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "document", "document": {"data": "sunny"}}]},
    ],
    "tools": [TOOL],
    "tool_choice": "REQUIRED",
    "temperature": 0.5,
    "p": 0.9,
    "k": 10,
    "stop_sequences": ["END"],
}


async def test_a_full_request_is_taken(upstream: FakeUpstream) -> None:
    answer = await post(f"{upstream.root}/v2/chat", BODY, HEADERS)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_p": 1}, "unknown field: parameter 'top_p'"),
        ({"messages": GONE}, "messages is required"),
        ({"messages.0.role": "developer"}, "does not match any of"),
        ({"messages.0.content": ""}, "at least 1 character"),
        ({"messages.1.content.1.image_url.url": "aGk="}, "must be a URL or a base64 data URL"),
        ({"messages.1.content.1.image_url.url": "data:image/png;base64,%"}, "invalid base64"),
        ({"messages.2.tool_calls.0.function.arguments": {}}, "is of type object but should be of type string"),
        ({"messages.2.tool_calls.0.function.arguments": "[]"}, "is not a JSON object"),
        ({"messages.2.tool_calls.0.function.arguments": "{"}, "is not valid JSON"),
        ({"messages.2": {"role": "assistant"}}, "either content or tool_calls"),
        ({"messages.3.tool_call_id": "c2"}, "tool call id not found"),
        ({"messages.3": USER}, "missing tool message for tool calls: c1"),
        ({"messages.3": GONE}, "missing tool message"),
        ({"tools": GONE}, "tool_choice requires tools"),
        ({"tool_choice": "auto"}, "Input should be 'REQUIRED', 'NONE'"),
        ({"tools.0.function.parameters": {}}, "type must be object"),
        ({"temperature": 1.5}, "less than or equal to 1"),
        ({"p": 1}, "less than or equal to 0.99"),
        ({"k": 501}, "less than or equal to 500"),
        ({"response_format": {"type": "json_object"}}, "not supported with tools"),
        ({"stop_sequences": list("abcdef")}, "at most 5"),
        ({"stream": None}, "is of type null but should be of type boolean"),
    ],
)
async def test_refused(upstream: FakeUpstream, changes: dict[str, Any], message: str) -> None:
    answer = await post(f"{upstream.root}/v2/chat", changed(BODY, changes), HEADERS)
    assert answer.status_code == 400
    assert re.search(message, answer.json()["message"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("embed", {"model": "m", "texts": ["x"]}),
        ("embed", {"model": "m", "input_type": "search_query"}),
        ("embed", {"model": "m", "input_type": "search_query", "texts": []}),
        ("embed", {"model": "m", "input_type": "search_query", "images": ["data:image/png;base64,aGk="]}),
        ("rerank", {"model": "m", "query": "q", "documents": [{"text": "x"}]}),
        ("rerank", {"model": "m", "query": "q", "documents": ["x"], "return_documents": True}),
    ],
)
async def test_refused_elsewhere(upstream: FakeUpstream, path: str, body: object) -> None:
    assert (await post(f"{upstream.root}/v2/{path}", body, HEADERS)).status_code == 400
