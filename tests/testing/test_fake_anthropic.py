"""The fake answers as Anthropic does (its SDK validates every answer strictly), and refuses what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from anthropic import APIStatusError, AsyncAnthropic, OverloadedError, RateLimitError
from posting import GONE, changed, post

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import FakeUpstream

MODEL = "claude-sonnet-4-5-own"  # the SDK warns of names that will be retired
USER: Any = {"role": "user", "content": "How are you today?"}
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOL: Any = {"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}
HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(foreign_keys={"caller"}) as upstream:
        yield upstream


@pytest.fixture
async def anthropic(upstream: FakeUpstream) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(
        base_url=upstream.root, api_key="key", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def told(**options: object) -> list[Any]:
    return [{"role": "user", "content": f"Please fake:{json.dumps(options)} and no more"}]


async def test_message(upstream: FakeUpstream, anthropic: AsyncAnthropic) -> None:
    answer = await anthropic.messages.create(model=MODEL, max_tokens=100, messages=[USER], system="Be kind.")
    assert [block.type for block in answer.content] == ["text"]
    assert (answer.stop_reason, answer.model) == ("end_turn", MODEL)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (6, 8)
    assert answer._request_id == "req_1"
    assert upstream.journal[0].usage == Usage(input=6, output=8)


async def test_tools_and_thoughts_there_and_back(anthropic: AsyncAnthropic) -> None:
    told_it: Any = {"model": MODEL, "max_tokens": 2000, "thinking": THINKING, "tools": [TOOL]}
    async with anthropic.messages.stream(messages=told(calls=2), **told_it) as stream:
        kinds = [event.type async for event in stream]
        first = await stream.get_final_message()
    plain = await anthropic.messages.create(messages=told(calls=2), **told_it)
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
    assert [{**block.to_dict(), "id": 0} for block in first.content] == [
        {**block.to_dict(), "id": 0} for block in plain.content
    ]
    assert first.stop_reason == "tool_use"
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "sunny"}
        for block in first.content
        if block.type == "tool_use"
    ]
    history: Any = [*told(calls=2), first.to_param(), {"role": "user", "content": results}]
    last = await anthropic.messages.create(messages=history, **told_it)
    assert [block.type for block in last.content] == ["thinking", "text"]
    assert last.usage.output_tokens_details
    assert last.usage.output_tokens_details.thinking_tokens == 3


@pytest.mark.parametrize("how", ["changed", "other model", "without"])
async def test_signatures_have_to_be_its_own(anthropic: AsyncAnthropic, how: str) -> None:
    first = await anthropic.messages.create(
        model=MODEL, max_tokens=2000, thinking=THINKING, tools=[TOOL], messages=[USER]
    )
    blocks: Any = [block.to_dict() for block in first.content]
    result: Any = {"type": "tool_result", "tool_use_id": blocks[-1]["id"], "content": "sunny"}
    if how == "changed":
        blocks[0]["thinking"] += "!"
    messages: Any = [
        USER,
        {"role": "assistant", "content": blocks[1:] if how == "without" else blocks},
        {"role": "user", "content": [result]},
    ]
    model = "claude-opus-4-5-own" if how == "other model" else MODEL
    with pytest.raises(APIStatusError, match="Expected `thinking`" if how == "without" else "Invalid `signature`"):
        await anthropic.messages.create(
            model=model, max_tokens=2000, thinking=THINKING, tools=[TOOL], messages=messages
        )


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("stop_sequence", "stop_sequence"),
        ("pause", "pause_turn"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_why_it_ends(anthropic: AsyncAnthropic, finish: str, reason: str, stream: bool) -> None:
    asked: Any = {"model": MODEL, "max_tokens": 100, "messages": told(finish=finish), "stop_sequences": ["END"]}
    if stream:
        async with anthropic.messages.stream(**asked) as events:
            answer: Any = await events.get_final_message()
    else:
        answer = await anthropic.messages.create(**asked)
    assert answer.stop_reason == reason
    assert answer.stop_sequence == ("END" if reason == "stop_sequence" else None)


async def test_usage_apart_from_the_cache(upstream: FakeUpstream, anthropic: AsyncAnthropic) -> None:
    usage = {"input": 100, "cache_read": 60, "cache_write": 30, "cache_write_1h": 10, "output": 9}
    async with anthropic.messages.stream(model=MODEL, max_tokens=100, messages=told(usage=usage)) as stream:
        found = (await stream.get_final_message()).usage
    assert (found.input_tokens, found.cache_read_input_tokens, found.cache_creation_input_tokens) == (10, 60, 30)
    assert found.cache_creation
    assert found.cache_creation.ephemeral_1h_input_tokens == 10
    assert upstream.journal[0].usage == Usage(input=100, cache_read=60, cache_write=30, cache_write_1h=10, output=9)


async def test_structured_output(anthropic: AsyncAnthropic) -> None:
    wanted: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    answer: Any = await anthropic.messages.create(model=MODEL, max_tokens=99, messages=[USER], output_config=wanted)
    assert json.loads(answer.content[0].text) == {"city": "Paris", "days": 1}


async def test_models_and_counting(anthropic: AsyncAnthropic) -> None:
    assert "claude-sonnet-4-5" in [model.id async for model in anthropic.models.list()]
    assert (await anthropic.models.retrieve("claude-x")).id == "claude-x"
    assert (await anthropic.messages.count_tokens(model=MODEL, messages=[USER])).input_tokens == 4


async def test_errors(anthropic: AsyncAnthropic) -> None:
    with pytest.raises(OverloadedError, match="busy"):
        await anthropic.messages.create(model=MODEL, max_tokens=9, messages=told(status=529, message="busy"))
    limited = told(status=429, headers={"retry-after": "7"})
    with pytest.raises(RateLimitError) as caught:
        await anthropic.messages.create(model=MODEL, max_tokens=9, messages=limited)
    assert caught.value.response.headers["retry-after"] == "7"
    with pytest.raises(APIStatusError, match="overloaded_error"):
        async with anthropic.messages.stream(
            model=MODEL, max_tokens=9, messages=told(then="error", after=5, status=529)
        ) as stream:
            await stream.get_final_message()


@pytest.mark.parametrize("options", [{"then": "close", "after": 4}, {"after": 0}])
async def test_streams_that_break_off(upstream: FakeUpstream, options: dict[str, Any]) -> None:
    body = {"model": MODEL, "max_tokens": 9, "messages": told(**options), "stream": True}
    try:
        answer = await post(f"{upstream.root}/v1/messages", body, HEADERS)
        assert answer.content == b""
    except httpx2.RemoteProtocolError:
        assert options["after"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-fake": '{"tokens": 3}'},
        {},
    ],
)
async def test_other_ways_to_tell(upstream: FakeUpstream, headers: dict[str, str]) -> None:
    body = {"model": MODEL, "max_tokens": 9, "messages": [USER]}
    if not headers:
        body["metadata"] = {"user_id": '{"fake": {"tokens": 3}}'}
    answer = await post(f"{upstream.root}/v1/messages", body, HEADERS | headers)
    assert answer.json()["usage"]["output_tokens"] == 3


async def test_hosted_by_a_cloud(upstream: FakeUpstream) -> None:
    url = f"{upstream.root}/v1/projects/p/locations/l/publishers/anthropic/models/{MODEL}:"
    body = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": [USER]}
    bearer = {"authorization": "Bearer ya29"}
    assert (await post(url + "rawPredict", body, bearer)).json()["model"] == MODEL
    assert "event: message_stop" in (await post(url + "streamRawPredict", body, bearer)).text
    assert (await post(url + "rawPredict", body | {"model": "m"}, bearer)).status_code == 400
    assert (await post(url + "rawPredict", changed(body, {"anthropic_version": GONE}), bearer)).status_code == 400
    assert (await post(url + "rawPredict", body, HEADERS)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"x-api-key": "key"}, 400, "invalid_request_error"),
        (HEADERS | {"x-api-key": "caller"}, 401, "authentication_error"),
        (HEADERS | {"authorization": "Bearer caller"}, 401, "authentication_error"),
        (HEADERS | {"x-api-key": "sk-" + "a" * 48}, 401, "authentication_error"),
        (HEADERS | {"anthropic-version": "2020-01-01"}, 400, "invalid_request_error"),
    ],
)
async def test_credentials(upstream: FakeUpstream, headers: dict[str, str], status: int, kind: str) -> None:
    answer = await post(f"{upstream.root}/v1/messages", {"model": MODEL, "max_tokens": 9, "messages": [USER]}, headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert answer.json()["request_id"] == answer.headers["request-id"]


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
BODY: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 4000,
    "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, IMAGE]},
        {"role": "assistant", "content": [{"type": "text", "text": "I will look."}, CALL]},
        {"role": "user", "content": [RESULT, {"type": "text", "text": "So?"}]},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "temperature": 0.5,
    "stop_sequences": ["END"],
    "metadata": {"user_id": "7"},
}


async def test_a_full_request_is_taken(upstream: FakeUpstream) -> None:
    assert (await post(f"{upstream.root}/v1/messages", BODY, HEADERS)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 2}, "n: Extra inputs are not permitted"),
        ({"messages.0.content.0.detail": "x"}, "messages.0.content.0.detail: Extra inputs"),
        ({"max_tokens": GONE}, "max_tokens: Field required"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 500_000}, "500000 >"),
        ({"temperature": 1.8}, "temperature: Input should be less than or equal to 1"),
        ({"top_p": 0.5}, "cannot both be specified"),
        ({"system": None}, "system: Input should be a valid array"),
        ({"system.0.text": ""}, "must be non-empty"),
        ({"messages": []}, "messages: List should have at least 1 item"),
        ({"messages.0.content.0.text": ""}, "must be non-empty"),
        ({"messages.0.content.0.text": " \n"}, "non-whitespace"),
        ({"messages.0.content": ""}, "non-empty content"),
        ({"messages.0.role": "assistant", "messages.0.content": "x"}, 'must use the "user" role'),
        ({"messages.0.role": "developer"}, "does not match any of"),
        ({"messages.0.content.1.source.media_type": "image/bmp"}, "media_type: Input should be"),
        ({"messages.0.content.1.source.media_type": "image/jpeg"}, "appears to be a image/png"),
        ({"messages.0.content.1.source.data": "%%%"}, "invalid base64 data"),
        ({"messages.0.content.1.source": {"type": "url", "url": "data:image/png;base64,x"}}, "should match pattern"),
        ({"messages.1.content.1.id": "call.1"}, r"should match pattern '\^\[a-zA-Z0-9_-\]\+\$'"),
        ({"messages.1.content.1.input": "{}"}, "input: Input should be a valid object"),
        ({"messages.2.content.0.tool_use_id": "toolu_2"}, "unexpected `tool_use_id`"),
        ({"messages.2.content": "So?"}, "without `tool_result` blocks immediately after: toolu_1"),
        ({"messages.2": GONE}, "without `tool_result` blocks"),
        ({"messages.2.content.2": RESULT}, "single result"),
        ({"messages.2.content": [{"type": "text", "text": "So?"}, RESULT]}, "must come before any other content"),
        ({"messages.3": {"role": "assistant", "content": "Well "}}, "trailing whitespace"),
        ({"messages.3": {"role": "assistant", "content": "Well"}, "model": "claude-opus-4-6"}, "prefill"),
        ({"messages.1.content.0": {"type": "thinking", "thinking": "x", "signature": "y"}}, "Invalid `signature`"),
        ({"messages.1.content.0": {"type": "redacted_thinking", "data": "Zm9v"}}, "Invalid `data`"),
        ({"tools.0.input_schema.properties": {"a b": {}}}, "Property keys should match"),
        ({"thinking": THINKING, "temperature": GONE, "top_k": 5, "messages": [USER]}, "`top_k` must be unset"),
        ({"thinking": THINKING, "temperature": GONE, "top_p": 0.5, "messages": [USER]}, "`top_p` must be greater"),
        ({"thinking": THINKING, "model": "claude-opus-4-7"}, '"thinking.type.enabled" is not supported'),
        ({"tools.0.name": "the weather"}, "tools.0.custom.name: String should match pattern"),
        ({"tools.0.input_schema": {}}, "tools.0.custom.input_schema.type: Field required"),
        ({"tools.0.input_schema.anyOf": []}, "does not support oneOf"),
        ({"tools.1": TOOL}, "Tool names must be unique"),
        ({"tools": GONE}, "tool_choice: may only be specified"),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "'x' not found"),
        ({"tool_choice": "auto"}, "tool_choice: Input should be a valid object"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1000}}, "greater than or equal to 1024"),
        ({"thinking": THINKING | {"budget_tokens": 4000}}, "must be greater than `thinking.budget_tokens`"),
        ({"thinking": THINKING, "messages": [USER]}, "`temperature` may only be set to 1"),
        ({"thinking": THINKING, "tool_choice": {"type": "any"}}, "tool_choice forces tool use"),
        ({"thinking": {"type": "adaptive"}}, "adaptive thinking is not supported"),
        ({"thinking": THINKING, "model": "claude-3-5-sonnet-latest"}, "does not support thinking"),
        ({"model": "claude-opus-4-7"}, "`temperature` is not supported"),
        ({"output_config": {"effort": "low"}, "model": "claude-opus-4-1"}, "effort"),
        ({"stop_sequences": ["\n"]}, "non-whitespace"),
        ({"metadata": {"team": "x"}}, "metadata.team: Extra inputs"),
        ({"system": [{**BODY["system"][0]}] * 5}, "maximum of 4 blocks"),
    ],
)
async def test_refused(upstream: FakeUpstream, changes: dict[str, Any], message: str) -> None:
    answer = await post(f"{upstream.root}/v1/messages", changed(BODY, changes), HEADERS)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert re.search(message, answer.json()["error"]["message"])


async def test_the_newest_version_has_no_sampling(upstream: FakeUpstream) -> None:
    answer = await post(f"{upstream.root}/v1/messages", BODY, HEADERS | {"anthropic-version": "2026-10-21"})
    assert "temperature: Extra inputs are not permitted" in answer.text
