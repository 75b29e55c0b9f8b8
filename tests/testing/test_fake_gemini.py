"""The fake answers as Gemini does, to Google's SDK, and refuses what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from google.genai import Client, types
from google.genai.errors import ClientError, ServerError
from posting import GONE, changed, post

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import FakeUpstream

OLD, NEW = "gemini-2.5-flash", "gemini-3-pro-preview"
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
HEADERS = {"x-goog-api-key": "key"}
DECLARED = types.FunctionDeclaration(name="weather", description="Tells it.", parameters_json_schema=SCHEMA)
CONFIG = types.GenerateContentConfig(
    tools=[types.Tool(function_declarations=[DECLARED])],
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    thinking_config=types.ThinkingConfig(include_thoughts=True),
)


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(foreign_keys={"caller"}) as upstream:
        yield upstream


@pytest.fixture
async def gemini(upstream: FakeUpstream) -> AsyncIterator[Any]:
    async with httpx2.AsyncClient() as http:  # its other transport warns of itself
        options = types.HttpOptions(base_url=upstream.root, httpx_async_client=http)
        yield Client(api_key="key", http_options=options).aio.models


def told(**options: object) -> str:
    return f"Please fake:{json.dumps(options)} and no more"


def parts_of(answer: Any) -> list[Any]:
    found: list[Any] = answer.candidates[0].content.parts or []
    return found


async def test_answer(upstream: FakeUpstream, gemini: Any) -> None:
    answer = await gemini.generate_content(model=OLD, contents="How are you?")
    assert len(answer.text.split()) == 8
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert (answer.usage_metadata.prompt_token_count, answer.usage_metadata.candidates_token_count) == (3, 8)
    assert upstream.journal[0].usage == Usage(input=3, output=8)
    assert upstream.journal[0].path == f"/v1/models/{OLD}:generateContent"


async def test_stream(upstream: FakeUpstream, gemini: Any) -> None:
    chunks = [chunk async for chunk in await gemini.generate_content_stream(model=OLD, contents=told(tokens=3))]
    assert [chunk.candidates[0].finish_reason for chunk in chunks] == [None, None, None, types.FinishReason.STOP]
    assert "".join(chunk.text or "" for chunk in chunks) == "The quick brown"
    assert chunks[-1].usage_metadata.total_token_count == 6 + 3
    assert upstream.journal[0].header("content-type") == "application/json"


@pytest.mark.parametrize("model", [OLD, NEW])
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_and_thoughts_there_and_back(gemini: Any, model: str, stream: bool) -> None:
    first = types.Content(role="user", parts=[types.Part(text=told(calls=2))])
    if stream:
        chunks = [c async for c in await gemini.generate_content_stream(model=model, contents=[first], config=CONFIG)]
        parts = [part for chunk in chunks for part in parts_of(chunk)]
    else:
        parts = parts_of(await gemini.generate_content(model=model, contents=[first], config=CONFIG))
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.args for call in calls] == [{"city": "Paris", "days": 1}] * 2
    assert [bool(part.thought_signature) for part in parts if part.function_call] == [True, False]
    assert [call.id is not None for call in calls] == [model == NEW] * 2
    results = [types.FunctionResponse(id=call.id, name=call.name, response={"output": "sunny"}) for call in calls]
    history = [
        first,
        types.Content(role="model", parts=parts),
        types.Content(role="user", parts=[types.Part(function_response=result) for result in results]),
    ]
    last = await gemini.generate_content(model=model, contents=history, config=CONFIG)
    assert [part.thought for part in parts_of(last)] == [True, None]
    assert last.usage_metadata.thoughts_token_count == 3
    assert last.usage_metadata.candidates_token_count == 8


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "MAX_TOKENS"), ("content_filter", "SAFETY"), ("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL")],
)
async def test_why_it_ends(gemini: Any, finish: str, reason: str) -> None:
    answer = await gemini.generate_content(model=OLD, contents=told(finish=finish))
    assert answer.candidates[0].finish_reason == types.FinishReason[reason]


@pytest.mark.parametrize("stream", [False, True])
async def test_blocked_prompts_have_no_candidates(gemini: Any, stream: bool) -> None:
    asked = {"model": OLD, "contents": told(finish="blocked")}
    if stream:
        [answer] = [chunk async for chunk in await gemini.generate_content_stream(**asked)]
    else:
        answer = await gemini.generate_content(**asked)
    assert not answer.candidates
    assert answer.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


async def test_structured_output_and_usage(gemini: Any) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)
    usage = {"input": 100, "cache_read": 60, "output": 9, "reasoning": 4, "input_image": 20}
    answer = await gemini.generate_content(model=OLD, contents=told(usage=usage), config=config)
    assert json.loads(answer.text) == {"city": "Paris", "days": 1}
    counted = answer.usage_metadata
    assert (counted.cached_content_token_count, counted.thoughts_token_count) == (60, 4)
    assert (counted.prompt_token_count, counted.candidates_token_count, counted.total_token_count) == (100, 5, 109)


async def test_models_counting_and_embeddings(gemini: Any) -> None:
    assert f"models/{OLD}" in [model.name async for model in await gemini.list()]
    assert (await gemini.get(model=NEW)).input_token_limit == 1_048_576
    assert (await gemini.count_tokens(model=OLD, contents="one two three")).total_tokens == 3
    config = types.EmbedContentConfig(output_dimensionality=4)
    answer = await gemini.embed_content(model="gemini-embedding-001", contents=["one", "two"], config=config)
    assert [len(row.values) for row in answer.embeddings] == [4, 4]


async def test_errors(gemini: Any) -> None:
    with pytest.raises(ClientError) as caught:
        await gemini.generate_content(model=OLD, contents=told(status=429, message="slow down"))
    assert (caught.value.code, caught.value.status, caught.value.message) == (429, "RESOURCE_EXHAUSTED", "slow down")
    stream = await gemini.generate_content_stream(model=OLD, contents=told(then="error", status=503))
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        [chunk async for chunk in stream]


async def test_without_events_a_stream_is_an_array(upstream: FakeUpstream) -> None:
    url = f"{upstream.root}/v1beta/models/{OLD}:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": told(tokens=2)}]}], "labels": {"fake": '{"tokens": 2}'}}
    chunks = (await post(url, body, HEADERS)).json()
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks] == [None, None, "STOP"]
    events = await post(f"{url}?alt=sse", body, HEADERS)
    assert events.text.count("\r\n\r\n") == 3


async def test_on_vertex(upstream: FakeUpstream) -> None:
    url = f"{upstream.root}/v1/projects/p/locations/l/publishers/google/models/{OLD}:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    assert (await post(url, body, {"authorization": "Bearer ya29"})).json()["modelVersion"] == OLD
    assert (await post(url, body, HEADERS)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 403), ({"x-goog-api-key": "caller"}, 401), (HEADERS | {"authorization": "Bearer sk-" + "a" * 48}, 401)],
)
async def test_credentials(upstream: FakeUpstream, headers: dict[str, str], status: int) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    answer = await post(f"{upstream.root}/v1beta/models/{OLD}:generateContent", body, headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)


CALL = {"functionCall": {"name": "weather", "args": {}}}
RESULT = {"functionResponse": {"name": "weather", "response": {"output": "sunny"}}}
PARAMETERS = {"type": "OBJECT", "properties": {"city": {"type": "STRING", "enum": ["Paris"]}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "Tells it.", "parameters": PARAMETERS}
BODY: dict[str, Any] = {
    "system_instruction": {"parts": [{"text": "Be kind."}]},
    "contents": [
        {
            "role": "user",
            "parts": [{"text": "Hello"}, {"inline_data": {"mime_type": "application/pdf", "data": "_-8"}}],
        },
        {"role": "model", "parts": [{"text": "I will look."}, CALL]},
        {"role": "user", "parts": [RESULT]},
    ],
    "tools": [{"functionDeclarations": [FUNCTION]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
    "generationConfig": {"temperature": 1.8, "maxOutputTokens": 10, "stopSequences": ["END"], "candidateCount": 1},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
}


async def test_a_full_request_is_taken(upstream: FakeUpstream) -> None:
    answer = await post(f"{upstream.root}/v1beta/models/{OLD}:generateContent", BODY, HEADERS)
    assert answer.status_code == 200, answer.text


PART = "contents.0.parts.1"
SCHEMAS = "tools.0.functionDeclarations.0.parameters"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 2}, 'Unknown name "n": Cannot find field'),
        ({"generationConfig.max_tokens": 2}, "Unknown name \"maxTokens\" at 'generationConfig'"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": GONE}, "contents: must be specified"),
        ({"contents.0.role": "assistant"}, "valid role: user, model"),
        ({"contents.0.role": "model"}, "immediately after a user turn"),
        ({"contents.0.parts": []}, "contents.parts must not be empty"),
        ({"contents.0.parts.0": {"text": ""}}, "empty text parameter"),
        ({"contents.0.parts.0": {}}, "must have one initialized field"),
        ({PART: {"inlineData": {"mimeType": "image/gif", "data": "R0lGOD"}}}, "Unsupported MIME type: image/gif"),
        ({PART: {"inlineData": {"mimeType": "image/png", "data": "%"}}}, "Base64 decoding failed"),
        ({PART: {"inlineData": {"mimeType": "image/png", "data": "/9j/4AAQ"}}}, "looks like image/jpeg"),
        ({PART: {"fileData": {"fileUri": "https://x.example/a.png"}}}, "Cannot fetch content"),
        ({"contents.1.parts.1.functionCall.args": "{}"}, "TYPE_OBJECT"),
        ({"contents.1.parts.1.functionCall.name": "the weather"}, "should match pattern"),
        ({"contents.2.parts.1": RESULT}, "number of function response parts is equal"),
        ({"contents.2.parts": [{"text": "So?"}]}, "number of function response parts is equal"),
        ({"contents.2": GONE}, "followed by a function response turn"),
        ({"contents.1.parts": [{"text": "No."}]}, "immediately after a function call turn"),
        ({"contents.2.parts.0.functionResponse.name": "other"}, "have the name of the function calls"),
        ({"contents.2.parts.0.functionResponse.id": "1"}, "have the id of the function calls"),
        ({"contents.2.parts.0.functionResponse.response": "sunny"}, "TYPE_OBJECT"),
        ({"contents.1.parts.1.thoughtSignature": "Zm9v"}, "Thought signature is not valid"),
        ({f"{SCHEMAS}.additionalProperties": False}, 'Unknown name "additionalProperties"'),
        ({f"{SCHEMAS}.properties": {}}, "should be non-empty for OBJECT type"),
        ({f"{SCHEMAS}.properties.city.const": "x"}, 'Unknown name "const"'),
        ({f"{SCHEMAS}.properties.city.type": ["STRING", "NULL"]}, "cannot start list"),
        ({f"{SCHEMAS}.properties.city.enum": ["", "x"]}, r"enum\[0\]: cannot be empty"),
        ({f"{SCHEMAS}.properties.city": {"type": "ARRAY"}}, "items: missing field"),
        ({f"{SCHEMAS}.properties.city": {"type": "STRING", "format": "uri"}}, "format: only"),
        ({f"{SCHEMAS}.properties.city": {"type": "FOO"}}, '"FOO"'),
        ({f"{SCHEMAS}.properties.city": {"description": "x"}}, "type: must be specified"),
        ({f"{SCHEMAS}.properties.city": {"type": "INTEGER", "enum": ["1"]}}, "only allowed for STRING type"),
        ({"contents.0.parts.0": CALL}, "function calls are of role model"),
        ({f"{SCHEMAS}.required": ["town"]}, r"required\[0\]: property is not defined"),
        ({f"{SCHEMAS}.properties": GONE}, "should be non-empty"),
        ({"tools.0.functionDeclarations.0.parametersJsonSchema": SCHEMA}, "only one of parameters"),
        ({"tools.0.functionDeclarations.0.name": "1st"}, "Invalid function name"),
        ({"tools.0.functionDeclarations.1": FUNCTION}, "Duplicate function declaration"),
        ({"tools": GONE}, "set without function_declarations"),
        ({"toolConfig.functionCallingConfig.mode": "AUTO"}, "mode is ANY"),
        ({"toolConfig.functionCallingConfig.allowedFunctionNames": ["x"]}, "x is not in function_declarations"),
        ({"generationConfig.temperature": 2.5}, "less than or equal to 2"),
        ({"generationConfig.stopSequences": list("abcdef")}, "at most 5"),
        ({"generationConfig.responseMimeType": "application/json"}, "Function calling with a response mime type"),
        ({"tools": GONE, "toolConfig": GONE, "generationConfig.responseJsonSchema": {}}, "needs a response_mime_type"),
        ({"generationConfig.logprobs": 2}, "needs response_logprobs"),
        ({"generationConfig.thinkingConfig": {"thinkingLevel": "none"}}, '"none"'),
        ({"generationConfig.thinkingConfig": {"thinkingLevel": "low"}}, "level is not supported"),
        ({"generationConfig.thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}}, "only one of thinking"),
        ({"generationConfig.thinkingConfig": {"thinkingBudget": 30000}}, "thinking budget 30000 is invalid"),
        ({"safetySettings.0.threshold": "NEVER"}, "Input should be"),
    ],
)
async def test_refused(upstream: FakeUpstream, changes: dict[str, Any], message: str) -> None:
    answer = await post(f"{upstream.root}/v1beta/models/{OLD}:generateContent", changed(BODY, changes), HEADERS)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert re.search(message, answer.json()["error"]["message"])


@pytest.mark.parametrize(
    ("model", "config", "message"),
    [
        ("gemini-2.0-flash", {"thinkingConfig": {"includeThoughts": True}}, "Thinking is not enabled"),
        ("gemini-2.5-pro", {"thinkingConfig": {"thinkingBudget": 0}}, "Budget 0 is invalid"),
        (NEW, {"responseSchema": PARAMETERS, "responseJsonSchema": {}}, "Only one of response_schema"),
    ],
)
async def test_refused_by_model(upstream: FakeUpstream, model: str, config: object, message: str) -> None:
    body = {"contents": [{"parts": [{"text": "Hello"}]}], "generationConfig": config}
    answer = await post(f"{upstream.root}/v1beta/models/{model}:generateContent", body, HEADERS)
    assert answer.status_code == 400
    assert message in answer.text


@pytest.mark.parametrize(
    ("signature", "status"),
    [(None, 400), ("Zm9v", 400), ("c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=", 200)],
)
async def test_the_third_gemini_wants_its_signatures(upstream: FakeUpstream, signature: str, status: int) -> None:
    body = changed(BODY, {"contents.1.parts.1.thoughtSignature": signature})
    answer = await post(f"{upstream.root}/v1beta/models/{NEW}:generateContent", body, HEADERS)
    assert answer.status_code == status, answer.text
    if signature is None:
        assert "Function call is missing a thought_signature" in answer.text
        past = changed(body, {"contents.3": {"role": "user", "parts": [{"text": "And now?"}]}})
        answer = await post(f"{upstream.root}/v1beta/models/{NEW}:generateContent", past, HEADERS)
        assert answer.status_code == 200  # an earlier turn is past


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("countTokens", {}, 400),
        ("countTokens", {"generateContentRequest": {"model": "models/m", "contents": BODY["contents"]}}, 200),
        ("batchEmbedContents", {"requests": [{"content": BODY["contents"][0]}]}, 400),
        ("batchEmbedContents", {"requests": [{"model": "models/other", "content": BODY["contents"][0]}]}, 400),
        ("embedContent", {"content": {"parts": [{"text": "x"}]}}, 200),
        ("predict", {}, 404),
    ],
)
async def test_other_verbs(upstream: FakeUpstream, verb: str, body: object, status: int) -> None:
    answer = await post(f"{upstream.root}/v1beta/models/{OLD}:{verb}?key=key", body)
    assert answer.status_code == status, answer.text
