"""What the fake knows of OpenAI beyond the lenient answers: thoughts, several calls, faults, and the strict side."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx2
import pytest
from openai import APIError, AsyncAzureOpenAI, AsyncOpenAI, OpenAIError, RateLimitError
from posting import GONE, changed, post
from pydantic import BaseModel

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import FakeUpstream

USER: Any = {"role": "user", "content": "How are you today?"}
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
FREE: Any = {"type": "custom", "custom": {"name": "shell"}}
HEADERS = {"authorization": "Bearer key"}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(strict=True, foreign_keys={"caller"}) as upstream:
        yield upstream


@pytest.fixture
async def openai(upstream: FakeUpstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=upstream.url, api_key="key", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def told(**options: object) -> list[Any]:
    return [{"role": "user", "content": f"Please fake:{json.dumps(options)} and no more"}]


@pytest.mark.parametrize("stream", [False, True])
async def test_parallel_calls_with_thoughts(upstream: FakeUpstream, openai: AsyncOpenAI, stream: bool) -> None:
    asked: Any = {"model": "m", "messages": told(calls=2, reasoning=True, text="I will look."), "tools": [TOOL]}
    if stream:
        async with openai.chat.completions.stream(**asked) as events:
            message: Any = (await events.get_final_completion()).choices[0].message
    else:
        message = (await openai.chat.completions.create(**asked)).choices[0].message
    assert (message.content, message.reasoning_content) == ("I will look.", "Let me think.")
    assert [call.function.name for call in message.tool_calls] == ["weather", "weather"]
    assert [json.loads(call.function.arguments) for call in message.tool_calls] == [{"city": "Paris", "days": 1}] * 2
    assert upstream.journal[0].usage == Usage(input=12, output=3 + 3 + 2 * 5, reasoning=3)


async def test_free_tools(openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.create(model="m", messages=[USER], tools=[FREE])
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "custom"
    assert (call.custom.name, call.custom.input) == ("shell", "some text")


@pytest.mark.parametrize("stream", [False, True])
async def test_responses_with_thoughts_and_calls(openai: AsyncOpenAI, stream: bool) -> None:
    flat: Any = {"type": "function", "strict": False, **TOOL["function"]}
    asked: Any = {
        "model": "gpt-5",
        "input": told(calls=2, reasoning=True),
        "tools": [flat],
        "include": ["reasoning.encrypted_content"],
    }
    if stream:
        async with openai.responses.stream(**asked) as events:
            answer: Any = await events.get_final_response()
    else:
        answer = await openai.responses.create(**asked)
    kinds = [item.type for item in answer.output]
    assert kinds == ["reasoning", "function_call", "function_call"]
    assert answer.usage.output_tokens_details.reasoning_tokens == 3
    items: list[Any] = [{k: v for k, v in item.to_dict().items() if k != "parsed_arguments"} for item in answer.output]
    results: list[Any] = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "sunny"} for item in items[1:]
    ]
    more: Any = {"model": "gpt-5", "tools": [flat]}
    last = await openai.responses.create(input=[*asked["input"], *items, *results], **more)
    assert last.output_text
    with pytest.raises(OpenAIError, match="No tool output found"):
        await openai.responses.create(input=[*asked["input"], *items, results[0]], **more)
    items[0]["encrypted_content"] = "Zm9v"
    with pytest.raises(OpenAIError, match="could not be verified"):
        await openai.responses.create(input=[*asked["input"], *items, *results], **more)


class Country(BaseModel):
    code: Literal["fr"]


class Place(BaseModel):
    city: str
    near: list[str]
    country: Country
    kind: Literal["town", "village"]


PARIS = Place(city="Paris", near=[], country=Country(code="fr"), kind="town")


async def test_structured_output(openai: AsyncOpenAI) -> None:
    asked: Any = {"role": "user", "content": "JSON please"}
    answer = await openai.chat.completions.parse(model="m", messages=[asked], response_format=Place)
    assert answer.choices[0].message.parsed == PARIS
    response = await openai.responses.parse(model="m", input="JSON please", text_format=Place)
    assert response.output_parsed == PARIS


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_why_it_ends(openai: AsyncOpenAI, finish: str) -> None:
    answer = await openai.chat.completions.create(model="m", messages=told(finish=finish))
    assert answer.choices[0].finish_reason == finish
    response = await openai.responses.create(model="m", input=told(finish=finish))
    assert response.incomplete_details
    assert response.incomplete_details.reason == {"length": "max_output_tokens"}.get(finish, finish)


async def test_errors_within_streams(openai: AsyncOpenAI) -> None:
    stream = await openai.chat.completions.create(model="m", messages=told(then="error", status=503), stream=True)
    with pytest.raises(APIError, match="Told to fail"):
        [chunk async for chunk in stream]
    events = await openai.responses.create(model="m", input=told(then="error", code="server_error"), stream=True)
    assert [event.type async for event in events] == ["response.created", "response.in_progress", "error"]


async def test_an_error_in_what_is_not_streamed_is_a_status(openai: AsyncOpenAI) -> None:
    with pytest.raises(RateLimitError) as caught:
        await openai.chat.completions.create(model="m", messages=told(status=429, code="insufficient_quota"))
    assert (caught.value.code, caught.value.type) == ("insufficient_quota", "insufficient_quota")
    with pytest.raises(OpenAIError, match="500"):
        await openai.chat.completions.create(model="m", messages=told(then="error"))


async def test_azure(upstream: FakeUpstream) -> None:
    async with AsyncAzureOpenAI(
        azure_endpoint=upstream.root, api_key="key", api_version="2024-10-21", max_retries=0
    ) as azure:
        answer = await azure.chat.completions.create(model="my-deployment", messages=[USER])
    assert answer.model == "my-deployment"
    assert upstream.journal[0].path.startswith("/openai/deployments/my-deployment/chat/completions?api-version=")
    url = f"{upstream.root}/openai/deployments/d/chat/completions"
    assert (await post(url, {"messages": [USER]}, {"api-key": "key"})).status_code == 404
    assert (await post(f"{url}?api-version=1", {"messages": [USER]})).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer caller"}])
async def test_credentials(upstream: FakeUpstream, headers: dict[str, str]) -> None:
    answer = await post(f"{upstream.url}/chat/completions", {"model": "m", "messages": [USER]}, headers)
    assert answer.status_code == 401


async def test_the_lenient_side_knows_foreign_keys_only_by_name() -> None:
    async with FakeUpstream(foreign_keys={"caller"}) as upstream, httpx2.AsyncClient() as client:
        statuses = [
            (await client.get(f"{upstream.url}/models", headers={"authorization": f"Bearer {key}"})).status_code
            for key in ("caller", "sk-" + "a" * 48)
        ]
    assert statuses == [401, 200]


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, IMAGE]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "temperature": 1.8,
    "max_tokens": 10,
    "stop": ["END"],
    "n": 2,
}
ARGUMENTS = "messages.2.tool_calls.0.function.arguments"
URL = "messages.1.content.1.image_url.url"


async def test_a_full_request_is_taken(upstream: FakeUpstream) -> None:
    answer = await post(f"{upstream.url}/chat/completions", BODY, HEADERS)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_k": 2}, "Unrecognized request argument supplied: top_k"),
        ({"messages.0.cache_control": {}}, r"Unknown parameter: 'messages\[0\].cache_control'"),
        ({"messages": GONE}, "Missing required parameter: 'messages'"),
        ({"temperature": "1"}, "Invalid type for 'temperature': expected number, but got string"),
        ({"temperature": 2.1}, "less than or equal to 2"),
        ({"stop": list("abcde")}, "at most 4"),
        ({URL: "aGk="}, "expected a URL"),
        ({URL: "data:image/bmp;base64,aGk="}, "unsupported image"),
        ({URL: "data:image/png;base64,%"}, "invalid base64"),
        ({ARGUMENTS: {}}, "expected string, but got object"),
        ({ARGUMENTS: "{"}, "is not valid JSON"),
        ({"messages.2.content": GONE, "messages.2.tool_calls": []}, "at least 1"),
        ({"messages.2.tool_calls": GONE}, "expected a string, got null|preceding message with 'tool_calls'"),
        ({"messages.3.tool_call_id": "c2"}, "preceding message with 'tool_calls'"),
        ({"messages.3": GONE}, "did not have response messages: c1"),
        ({"messages.3": USER}, "did not have response messages: c1"),
        (
            {"messages.1.content.1": {"type": "file", "file": {"file_data": "aGk="}}},
            "base64 data URL with a media type",
        ),
        ({"messages.1.content.1": {"type": "file", "file": {"file_data": "data:a/b;base64,%"}}}, "invalid base64"),
        ({"tools.0.function.name": "the weather"}, "should match pattern"),
        ({"tools": []}, "at least 1"),
        ({"tools": GONE}, "only allowed when 'tools' are specified"),
        ({"max_completion_tokens": 5}, "at the same time"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
        ({"top_logprobs": 2}, "only allowed when 'logprobs' is enabled"),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "Missing required parameter"),
        ({"model": "gpt-5"}, "Use 'max_completion_tokens' instead"),
        ({"model": "o3", "max_tokens": GONE}, "'temperature' does not support 1.8"),
        ({"model": "o3", "max_tokens": GONE, "temperature": GONE}, "'stop' is not supported"),
    ],
)
async def test_refused(upstream: FakeUpstream, changes: dict[str, Any], message: str) -> None:
    answer = await post(f"{upstream.url}/chat/completions", changed(BODY, changes), HEADERS)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert re.search(message, answer.json()["error"]["message"])


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("responses", {"model": "m", "input": "x", "stop": "y"}, None),
        ("responses", {"model": "m", "input": "x", "max_output_tokens": 3}, "max_output_tokens"),
        ("responses", {"model": "m", "input": "x", "tools": [TOOL]}, "tools[0].function"),
        ("embeddings", {"model": "m", "input": []}, "input"),
        ("embeddings", {"model": "m", "input": "x", "encoding_format": "int8"}, "encoding_format"),
    ],
)
async def test_refused_elsewhere(upstream: FakeUpstream, path: str, body: object, param: str | None) -> None:
    answer = await post(f"{upstream.url}/{path}", body, HEADERS)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
