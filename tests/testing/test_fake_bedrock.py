"""The fake answers as Bedrock does, to AWS's SDK, and refuses what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import cache
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError, EventStreamError  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]
from posting import GONE, changed, post

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import FakeUpstream

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
SCOPE = "Credential=A/20260101/us-east-1/bedrock/aws4_request"
HEADERS = {"authorization": "Bearer bedrock-api-key"}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(foreign_keys={"caller"}, aws_secret="secret") as upstream:
        yield upstream


@cache
def session() -> Any:
    found = Session()  # reads the description of the service once
    found.set_credentials("AKIDEXAMPLE", "secret")
    return found


@pytest.fixture
def bedrock(upstream: FakeUpstream) -> Iterator[Any]:
    once = Config(retries={"max_attempts": 0})
    client = session().create_client(
        "bedrock-runtime", region_name="eu-west-1", endpoint_url=upstream.root, config=once
    )
    yield client
    client.close()


def said(**options: object) -> Any:
    text = f"Please fake:{json.dumps(options)} and no more" if options else "How are you?"
    return [{"role": "user", "content": [{"text": text}]}]


async def run(call: Callable[..., Any], **fields: Any) -> Any:
    return await anyio.to_thread.run_sync(lambda: call(modelId=MODEL, **fields))


async def events_of(call: Callable[..., Any], **fields: Any) -> list[dict[str, Any]]:
    def read() -> list[dict[str, Any]]:
        with closing(call(modelId=MODEL, **fields)["stream"]) as stream:
            return list(stream)

    return await anyio.to_thread.run_sync(read)


async def test_answer(upstream: FakeUpstream, bedrock: Any) -> None:
    answer = await run(bedrock.converse, messages=said(), system=[{"text": "Be kind."}])
    assert len(answer["output"]["message"]["content"][0]["text"].split()) == 8
    assert answer["stopReason"] == "end_turn"
    assert (answer["usage"]["inputTokens"], answer["usage"]["outputTokens"]) == (5, 8)
    assert upstream.journal[0].usage == Usage(input=5, output=8)
    assert answer["ResponseMetadata"]["RequestId"]


async def test_stream_tells_the_usage_after_the_stop(bedrock: Any) -> None:
    usage = {"input": 100, "cache_read": 60, "cache_write": 30, "output": 9}
    events = await events_of(bedrock.converse_stream, messages=said(usage=usage))
    kinds = [kind for event in events for kind in event]
    assert (kinds[0], kinds[-2:]) == ("messageStart", ["messageStop", "metadata"])
    assert "contentBlockStart" not in kinds
    found = events[-1]["metadata"]["usage"]
    assert (found["inputTokens"], found["cacheReadInputTokens"], found["cacheWriteInputTokens"]) == (10, 60, 30)


async def test_tools_and_thoughts_there_and_back(bedrock: Any) -> None:
    asked: Any = {"toolConfig": TOOLS, "additionalModelRequestFields": THINKING}
    answer = await run(bedrock.converse, messages=said(calls=2), **asked)
    events = await events_of(bedrock.converse_stream, messages=said(calls=2), **asked)
    message = answer["output"]["message"]
    uses = [block["toolUse"] for block in message["content"] if "toolUse" in block]
    starts = [event["contentBlockStart"]["contentBlockIndex"] for event in events if "contentBlockStart" in event]
    assert [use["input"] for use in uses] == [{"city": "Paris", "days": 1}] * 2
    assert starts == [1, 2]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    inputs = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    assert inputs == '{"city":"Paris","days":1}' * 2
    assert sum("signature" in delta.get("reasoningContent", {}) for delta in deltas) == 1
    results = [{"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "sunny"}]}} for use in uses]
    history = [*said(calls=2), message, {"role": "user", "content": results}]
    last = await run(bedrock.converse, messages=history, **asked)
    assert [next(iter(block)) for block in last["output"]["message"]["content"]] == ["reasoningContent", "text"]
    message["content"][0]["reasoningContent"]["reasoningText"]["signature"] = "Zm9v"
    with pytest.raises(ClientError, match="Invalid `signature`"):
        await run(bedrock.converse, messages=history, **asked)


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "max_tokens"), ("content_filter", "content_filtered"), ("blocked", "guardrail_intervened")],
)
async def test_why_it_ends(bedrock: Any, finish: str, reason: str) -> None:
    assert (await run(bedrock.converse, messages=said(finish=finish)))["stopReason"] == reason


async def test_structured_output(bedrock: Any) -> None:
    form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "x"}}}
    answer = await run(bedrock.converse, messages=said(), outputConfig={"textFormat": form})
    assert json.loads(answer["output"]["message"]["content"][0]["text"]) == {"city": "Paris", "days": 1}


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDeniedException"), (429, "ThrottlingException"), (503, "ServiceUnavailableException")],
)
async def test_errors(bedrock: Any, status: int, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        await run(bedrock.converse, messages=said(status=status, message="no"))
    assert caught.value.response["Error"] == {"Message": "no", "Code": code}


async def test_an_error_within_a_stream(bedrock: Any) -> None:
    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        await events_of(bedrock.converse_stream, messages=said(then="error", after=3, status=424))


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "MissingAuthenticationTokenException"),
        ("Bearer caller", "ValidationException"),
        ("AWS4-HMAC-SHA256 Credential=x", "IncompleteSignatureException"),
        (f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=host, Signature={'a' * 64}", "InvalidSignatureException"),
    ],
)
async def test_credentials(upstream: FakeUpstream, authorization: str, code: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    answer = await post(f"{upstream.root}/model/{MODEL}/converse", {"messages": said()}, headers)
    assert answer.status_code in {401, 403}
    assert answer.headers["x-amzn-errortype"].startswith(code)


async def test_signatures_are_computed_once_more(upstream: FakeUpstream, bedrock: Any) -> None:
    await run(bedrock.converse, messages=said())  # the path has a colon in it, percent-encoded
    [entry] = upstream.journal
    headers = {
        name: value for name, value in entry.headers if name.startswith(("authorization", "x-amz", "content-type"))
    }
    async with httpx2.AsyncClient() as client:
        again = await client.post(upstream.root + entry.path, content=entry.body, headers=headers)
        other = await client.post(upstream.root + entry.path, content=entry.body + b" ", headers=headers)
    assert again.status_code == 200, again.text
    assert other.status_code == 403
    assert "does not match" in other.text


USE = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"json": {"sky": "blue"}}], "status": "success"}}
DOCUMENT = {"document": {"format": "pdf", "name": "My file (1)", "source": {"bytes": "aGk="}}}
IMAGE = {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}
BODY: dict[str, Any] = {
    "system": [{"text": "Be kind."}, {"cachePoint": {"type": "default"}}],
    "messages": [
        {"role": "user", "content": [{"text": "Hello"}, IMAGE, DOCUMENT]},
        {"role": "assistant", "content": [{"text": "I will look."}, USE]},
        {"role": "user", "content": [RESULT, {"text": "So?"}]},
    ],
    "inferenceConfig": {"maxTokens": 2000, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
    "toolConfig": {**TOOLS, "toolChoice": {"auto": {}}},
    "requestMetadata": {"team": "x"},
}


async def test_a_full_request_is_taken(upstream: FakeUpstream) -> None:
    answer = await post(f"{upstream.root}/model/{MODEL}/converse", BODY, HEADERS)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": 2}, r"extraneous key \[max_tokens\]"),
        ({"messages": GONE}, r"required key \[messages\] not found"),
        ({"messages": []}, "at least 1"),
        ({"messages.0.role": "assistant"}, "must start with a user message"),
        ({"messages.1.role": "user", "messages.1.content": [{"text": "x"}]}, "must alternate"),
        ({"messages.0.content": []}, "is empty"),
        ({"messages.0.content.0.text": " "}, "ContentBlock object at messages.0.content.0 is blank"),
        ({"messages.0.content.0": {"text": "x", "cachePoint": {"type": "default"}}}, "exactly one of"),
        ({"messages.0.content.1.image.format": "bmp"}, "Input should be"),
        ({"messages.0.content.1.image.format": "jpeg"}, "looks like image/png"),
        ({"messages.0.content.1.image.source.bytes": "data:image/png;base64,x"}, "invalid base64"),
        ({"messages.0.content.2.document.name": "a_b.pdf"}, "document file name can only contain"),
        ({"messages.0.content.2.document.name": "a  b"}, "document file name can only contain"),
        ({"messages.0.content": [DOCUMENT]}, "needs a text block"),
        ({"messages.0.content.3": DOCUMENT}, "different names"),
        ({"messages.1.content.1.toolUse.toolUseId": "call:" + "x" * 64}, "should match pattern"),
        ({"messages.1.content.1.toolUse.input": "{}"}, "Provide a json object"),
        ({"messages.2.content": [{"text": "So?"}]}, "Expected toolResult blocks at messages.2.content"),
        ({"messages.2.content.0.toolResult.toolUseId": "t2"}, "Expected toolResult blocks"),
        ({"messages.2.content.2": RESULT}, "exceeds the number of toolUse blocks"),
        ({"messages.2": GONE}, "Expected toolResult blocks"),
        ({"messages.2.content.0.toolResult.content": [{"text": ""}]}, "is blank"),
        ({"toolConfig": GONE}, "toolConfig field must be defined"),
        ({"toolConfig.toolChoice": {"none": {}}}, r"extraneous key \[none\]"),
        ({"toolConfig.toolChoice": {"tool": {"name": "x"}}}, "is not in toolConfig.tools"),
        ({"toolConfig.tools": []}, "at least 1"),
        ({"toolConfig.tools.0.toolSpec.description": ""}, "at least 1 character"),
        ({"toolConfig.tools.0.toolSpec.inputSchema.json": {}}, "must be one of the following: object"),
        ({"inferenceConfig.temperature": 1.8}, "less than or equal to 1"),
        ({"messages.1.content.2": DOCUMENT}, "role assistant take no documents"),
        ({"messages.0.content.0": USE}, "role user take no tool uses|needs a text"),
        ({"messages.0.content": [{"text": "x"}, USE]}, "role user take no tool uses"),
        ({"toolConfig.tools": TOOLS["tools"] * 2}, "must be unique"),
        ({"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 5}}}, "equal to 1024"),
        (
            {
                "additionalModelRequestFields": THINKING,
                "inferenceConfig": {},
                "toolConfig.toolChoice": {"any": {}},
            },
            "tool_choice forces",
        ),
        ({"inferenceConfig.seed": 1}, r"extraneous key \[seed\]"),
        ({"additionalModelRequestFields": THINKING}, "`temperature` may only be set to 1"),
        ({"additionalModelRequestFields": THINKING, "inferenceConfig.maxTokens": 100}, "greater than `thinking"),
        (
            {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": {}}}}}},
            "string",
        ),
    ],
)
async def test_refused(upstream: FakeUpstream, changes: dict[str, Any], message: str) -> None:
    answer = await post(f"{upstream.root}/model/{MODEL}/converse", changed(BODY, changes), HEADERS)
    assert answer.status_code == 400
    assert answer.headers["x-amzn-errortype"].startswith("ValidationException")
    assert re.search(message, answer.json()["message"])
