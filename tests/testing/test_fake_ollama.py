"""The fake answers as Ollama does, to its SDK, and refuses what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ollama import AsyncClient, ResponseError
from posting import GONE, changed, post

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import FakeUpstream

MODEL = "qwen3:8b"
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}}
USER: Any = {"role": "user", "content": "How are you today?"}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(foreign_keys={"caller"}) as upstream:
        yield upstream


@pytest.fixture
async def ollama(upstream: FakeUpstream) -> AsyncIterator[AsyncClient]:
    client = AsyncClient(host=upstream.root)
    yield client
    await client._client.aclose()


def told(**options: object) -> list[Any]:
    return [{"role": "user", "content": f"Please fake:{json.dumps(options)} and no more"}]


async def test_chat(upstream: FakeUpstream, ollama: AsyncClient) -> None:
    answer = await ollama.chat(model=MODEL, messages=[USER])
    assert len((answer.message.content or "").split()) == 8
    assert (answer.done_reason, answer.prompt_eval_count, answer.eval_count) == ("stop", 4, 8)
    assert upstream.journal[0].usage == Usage(input=4, output=8)


async def test_a_stream_is_what_is_not_asked_otherwise(upstream: FakeUpstream) -> None:
    answer = await post(f"{upstream.root}/api/chat", {"model": MODEL, "messages": [USER]})
    lines = [json.loads(line) for line in answer.content.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["done"] for line in lines] == [False] * 8 + [True]
    assert "eval_count" not in lines[0]


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_and_thoughts_there_and_back(ollama: AsyncClient, stream: bool) -> None:
    asked: Any = {"model": MODEL, "messages": told(calls=2), "tools": [TOOL], "think": True}
    if stream:
        chunks: Any = [chunk async for chunk in await ollama.chat(**asked, stream=True)]
    else:
        chunks = [await ollama.chat(**asked)]
    calls = [call for chunk in chunks for call in chunk.message.tool_calls or ()]
    assert [call.function.arguments for call in calls] == [{"city": "Paris", "days": 1}] * 2
    assert "".join(chunk.message.thinking or "" for chunk in chunks) == "Let me think."
    assert chunks[-1].done_reason == "stop"
    called = {"role": "assistant", "content": "", "tool_calls": calls}
    results = [{"role": "tool", "tool_name": "weather", "content": "sunny"}] * 2
    last = await ollama.chat(model=MODEL, messages=[*asked["messages"], called, *results], tools=[TOOL])
    assert last.message.content


async def test_structured_output_and_limit(ollama: AsyncClient) -> None:
    answer = await ollama.chat(model=MODEL, messages=[USER], format=SCHEMA)
    assert json.loads(answer.message.content or "") == {"city": "Paris", "days": 1}
    cut = await ollama.chat(model=MODEL, messages=[USER], options={"num_predict": 2})
    assert (cut.message.content, cut.done_reason) == ("The quick", "length")


async def test_embed_and_models(ollama: AsyncClient) -> None:
    assert [len(row) for row in (await ollama.embed(model="e", input=["one", "two"])).embeddings] == [8, 8]
    assert MODEL in [model.model for model in (await ollama.list()).models]
    assert (await ollama.show(MODEL)).capabilities == ["completion", "tools"]


async def test_errors(ollama: AsyncClient) -> None:
    with pytest.raises(ResponseError, match="busy") as caught:
        await ollama.chat(model=MODEL, messages=told(status=503, message="busy"))
    assert caught.value.status_code == 503
    stream = await ollama.chat(model=MODEL, messages=told(then="error", message="broke"), stream=True)
    with pytest.raises(ResponseError, match="broke"):
        [chunk async for chunk in stream]


CALL = {"function": {"name": "weather", "arguments": {}}}
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello", "images": ["aGk="]},
        {"role": "assistant", "content": "", "thinking": "Well", "tool_calls": [CALL]},
        {"role": "tool", "content": "sunny", "tool_name": "weather"},
    ],
    "tools": [TOOL],
    "options": {"temperature": 1.8, "num_predict": 10, "stop": ["END"], "seed": 1},
    "think": "low",
    "keep_alive": "5m",
    "stream": False,
}


async def test_a_full_request_is_taken(upstream: FakeUpstream) -> None:
    answer = await post(f"{upstream.root}/api/chat", BODY)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": 1}, 'unknown field "max_tokens"'),
        ({"tool_choice": "auto"}, 'unknown field "tool_choice"'),
        ({"options.max_tokens": 1}, 'unknown field "options.max_tokens"'),
        ({"model": GONE}, "model is required"),
        ({"messages.0.role": "developer"}, "does not match any of"),
        ({"messages.1.content": [{"type": "text", "text": "x"}]}, "cannot unmarshal array"),
        ({"messages.1.images": ["data:image/png;base64,aGk="]}, "illegal base64 data at input byte 4"),
        ({"messages.1.images": ["https://x.example/a.png"]}, "invalid base64 data"),
        (
            {"messages.2.tool_calls.0.function.arguments": "{}"},
            "cannot unmarshal string into Go struct field ChatRequest",
        ),
        ({"messages.3.tool_name": "other"}, "tool_name is not that of a tool called before"),
        ({"options.stop": "END"}, "cannot unmarshal string"),
        ({"think": "much"}, "Input should be"),
        ({"format": "xml"}, "Input should be"),
    ],
)
async def test_refused(upstream: FakeUpstream, changes: dict[str, Any], message: str) -> None:
    answer = await post(f"{upstream.root}/api/chat", changed(BODY, changes))
    assert answer.status_code == 400
    assert re.search(message, answer.json()["error"])


async def test_a_key_of_the_gateways_callers(upstream: FakeUpstream) -> None:
    answer = await post(f"{upstream.root}/api/chat", BODY, {"authorization": "Bearer caller"})
    assert answer.status_code == 401
