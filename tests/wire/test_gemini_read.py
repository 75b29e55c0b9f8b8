"""Gemini's requests as clients send them."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Format,
    Message,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from oneapi_asgi.wire.gemini.format import GEMINI
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature, seal


def at(verb: str = "generateContent", query: str = "") -> Operation:
    operation = GEMINI.operation(f"/v1beta/models/m:{verb}")
    assert operation is not None
    return msgspec.structs.replace(operation, query=query)


def read(body: Any, verb: str = "generateContent", query: str = "") -> Chat:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return GEMINI.read(at(verb, query), raw)


def asked(**fields: Any) -> Chat:
    return read({"contents": [{"parts": [{"text": "hi"}]}], **fields})


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts)


def assistant(*parts: Part) -> Message:
    return Message(role="assistant", parts=parts)


def result(call_id: str, name: str, *parts: Text | File, error: bool = False) -> Message:
    return Message(role="tool", parts=(ToolResult(call_id=call_id, name=name, parts=parts, error=error),))


def text(value: str) -> Text:
    return Text(text=value)


SEALED = Signature("anthropic", "claude", "sig")
URL_SAFE = seal(SEALED).replace("+", "-").replace("/", "_")

CONVERSATIONS = [
    pytest.param(
        [{"role": "user", "parts": [{"text": "a"}, {"text": ""}]}, {"role": "MODEL", "parts": [{"text": "b"}]}],
        [user(text("a")), assistant(text("b"))],
        id="plain",
    ),
    pytest.param([{"parts": [{"text": "a"}]}], [user(text("a"))], id="no-role"),
    pytest.param(
        [
            {"parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"x": 1}}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "g", "id": "own"}}]},
            {
                "role": "function",
                "parts": [
                    {"functionResponse": {"name": "f", "response": {"output": "first"}}},
                    {"functionResponse": {"name": "g", "id": "own", "response": {"t": 3}}},
                    {"text": "go on"},
                    {"functionResponse": {"name": "f", "id": "unknown", "response": {"error": "second"}}},
                ],
            },
        ],
        [
            user(text("a")),
            assistant(
                ToolCall(id="call_00000001", name="f", arguments='{"x":1}'),
                ToolCall(id="call_00000002", name="f"),
                ToolCall(id="own", name="g"),
            ),
            result("call_00000001", "f", text("first")),
            result("own", "g", text('{"t":3}')),
            result("call_00000002", "f", text("second"), error=True),
            user(text("go on")),
        ],
        id="calls-by-id-name-and-order",
    ),
    pytest.param(
        [
            {"role": "model", "parts": [{"text": "Hm", "thought": True}]},
            {
                "role": "model",
                "parts": [{"text": " so", "thought": True}, {"thought": True, "thoughtSignature": URL_SAFE}],
            },
            {"role": "model", "parts": [{"text": "4"}]},
            {"role": "model", "parts": [{"text": "2", "thoughtSignature": "eA=="}]},
        ],
        [assistant(Reasoning(text="Hm so", signature=SEALED), text("42"))],
        id="C40-the-chunks-of-a-stream",
    ),
    pytest.param(
        [
            {
                "role": "model",
                "parts": [
                    {"thought": True, "thoughtSignature": URL_SAFE, "partMetadata": {"redacted": True}},
                    {"functionCall": {"name": "f", "id": "i"}, "thought_signature": "c2ln"},
                ],
            },
        ],
        [
            assistant(
                Reasoning(signature=SEALED, redacted=True),
                ToolCall(id="i", name="f", signature=Signature("gemini", "", "c2ln")),
            )
        ],
        id="C41-signatures",
    ),
    pytest.param(
        [
            {
                "parts": [
                    {"inline_data": {"mime_type": "image/png", "data": "-_8"}},
                    {"inlineData": {"mimeType": "audio/wav", "data": "+/8="}},
                    {"inlineData": {"mimeType": "application/pdf", "data": ""}},
                    {"fileData": {"fileUri": "gs://b/v", "mimeType": "video/mp4"}},
                ]
            }
        ],
        [
            user(
                File(kind="image", media_type="image/png", data="+/8="),
                File(kind="audio", media_type="audio/wav", data="+/8="),
                File(kind="document", media_type="application/pdf", data=""),
                File(kind="video", media_type="video/mp4", url="gs://b/v"),
            )
        ],
        id="C28-files-in-either-alphabet",
    ),
    pytest.param(
        [
            {
                "role": "model",
                "parts": [
                    {"executableCode": {"language": "PYTHON", "code": "1"}},
                    {"codeExecutionResult": {"output": "1"}},
                ],
            }
        ],
        [assistant(text("```python\n1\n```\n```\n1\n```\n"))],
        id="code",
    ),
]


@pytest.mark.parametrize(("contents", "messages"), CONVERSATIONS)
def test_conversations(contents: list[Any], messages: list[Message]) -> None:
    assert list(read({"contents": contents}).messages) == messages


def test_files_of_a_result() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "aWk="}}
    response = {"name": "f", "response": {"result": [1]}, "parts": [part]}
    chat = read(
        {
            "contents": [
                {"role": "model", "parts": [{"functionCall": {"name": "f", "id": "i"}}]},
                {"role": "user", "parts": [{"functionResponse": response}]},
            ]
        }
    )
    image = File(kind="image", media_type="image/png", data="aWk=")
    assert chat.messages[1] == result("i", "f", text('{"result":[1]}'), image)


@pytest.mark.parametrize("key", ["systemInstruction", "system_instruction"])
@pytest.mark.parametrize("value", ["be brief", {"parts": [{"text": "be brief"}, {"text": ""}]}])
def test_instructions(key: str, value: Any) -> None:
    assert asked(**{key: value}).messages[0] == Message(role="system", parts=(text("be brief"),))


CAMEL = {
    "temperature": 0.5,
    "topP": 0.9,
    "topK": 40.0,
    "candidateCount": 2,
    "maxOutputTokens": 100,
    "stopSequences": ["a"],
    "responseLogprobs": True,
    "logprobs": 3,
    "presencePenalty": 0.1,
    "frequencyPenalty": 0.2,
    "seed": 7,
    "thinkingConfig": {"includeThoughts": True, "thinkingBudget": -1},
    "speechConfig": {"voice": "x"},
    "responseModalities": ["TEXT", "IMAGE"],
}
SNAKE = {re.sub("[A-Z]", lambda upper: f"_{upper[0].lower()}", key): value for key, value in CAMEL.items()}
SNAKE["thinking_config"] = {"include_thoughts": True, "thinking_budget": -1}


@pytest.mark.parametrize("fields", [{"generationConfig": CAMEL}, {"generation_config": SNAKE}], ids=["camel", "snake"])
def test_generation(fields: dict[str, Any]) -> None:
    assert asked(**fields) == Chat(
        model="m",
        messages=(user(text("hi")),),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        n=2,
        max_output=100,
        stop=("a",),
        logprobs=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=7,
        thinking=Thinking(budget=-1, shown=True),
        include_usage=True,
        others={"speech_config": {"voice": "x"}, "modalities": ["text", "image"]},
    )


FIELDS: list[Any] = [
    pytest.param(
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}, "thinking", Thinking(effort="high")
    ),
    pytest.param({"generationConfig": {"responseMimeType": "application/json"}}, "format", Format(kind="json")),
    pytest.param(
        {"generationConfig": {"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}}},
        "format",
        Format(kind="schema", schema={"type": "string"}),
    ),
    pytest.param(
        {"generationConfig": {"responseJsonSchema": {"max_x": {"$ref": "#"}}}},
        "format",
        Format(kind="schema", schema={"max_x": {"$ref": "#"}}),
    ),
    pytest.param(
        {"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {}}},
        "others",
        {"response_mime_type": "text/x.enum"},
    ),
    pytest.param({"generationConfig": {"responseMimeType": "text/plain", "logprobs": 2}}, "format", None),
    pytest.param(
        {
            "tools": [
                {"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {"a_b": {}}}}]}
            ]
        },
        "tools",
        (Tool(name="f", parameters={"type": "object", "properties": {"a_b": {}}}),),
    ),
    pytest.param(
        {"tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"x": 1}}]}]},
        "tools",
        (Tool(name="f", description="d", parameters={"x": 1}),),
    ),
    pytest.param({"tools": [{"googleSearch": {}}]}, "web_search", WebSearch()),
    pytest.param(
        {"tools": [{"urlContext": {}}, {"codeExecution": {}}]}, "others", {"url_context": {}, "code_execution": {}}
    ),
    pytest.param(
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}},
        "tool_choice",
        ToolChoice(mode="required", names=("f",)),
    ),
    pytest.param(
        {"tool_config": {"function_calling_config": {"mode": "none"}}}, "tool_choice", ToolChoice(mode="none")
    ),
    pytest.param({"toolConfig": {"retrievalConfig": {"a": 1}}}, "others", {"retrieval_config": {"a": 1}}),
    pytest.param({"toolConfig": {"functionCallingConfig": {}}}, "tool_choice", None),
    pytest.param({"serviceTier": "standard"}, "service_tier", "default"),
    pytest.param(
        {"safetySettings": [], "cachedContent": "c", "labels": {"a_b": "c"}, "unknownField": 1, "store": None},
        "others",
        {"safety_settings": [], "cached_content": "c", "labels": {"a_b": "c"}, "unknown_field": 1},
    ),
    pytest.param(
        {"contents": [{"parts": [{"text": "a", "videoMetadata": {"fps": 1}}]}]},
        "others",
        {"parts.video_metadata": {"fps": 1}},
    ),
]


@pytest.mark.parametrize(("fields", "name", "value"), FIELDS)
def test_fields(fields: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(asked(**fields), name) == value


def test_how_it_is_streamed() -> None:
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    assert not read(body).stream
    assert read(body, "streamGenerateContent", "key=x&alt=sse").others == {}
    array = read(body, "streamGenerateContent", "alt=json")
    assert array.stream
    assert array.others == {"_array": True}


def test_what_is_counted() -> None:
    """A whole request may be counted as well as contents alone."""
    contents = [{"parts": [{"text": "a"}]}]
    inner = {"model": "models/m", "contents": contents, "systemInstruction": {"parts": [{"text": "b"}]}}
    assert read({"generateContentRequest": inner}, "countTokens").messages[0].role == "system"
    assert read({"contents": contents}, "countTokens").messages == (user(text("a")),)


def first(**part: Any) -> dict[str, Any]:
    return {"contents": [{"parts": [part]}]}


REFUSED = [
    pytest.param(b"{", None, "invalid_json", id="no-json"),
    pytest.param(b"[]", None, "invalid_type", id="no-object"),
    pytest.param(b'{"contents":"\xff"}', None, "invalid_json", id="not-utf-8"),
    pytest.param(b'{"contents":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, "invalid_json", id="too-deep"),
    pytest.param(b'{"contents":' + b"[" * 900 + b"]" * 900 + b"}", None, "invalid_json", id="rather-deep"),
    pytest.param({}, "contents", "missing_required_parameter", id="no-contents"),
    pytest.param({"contents": []}, "contents", "missing_required_parameter", id="empty-contents"),
    pytest.param({"contents": "hi"}, "contents", "invalid_type", id="contents-of-another-type"),
    pytest.param({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text", "invalid_type", id="type"),
    pytest.param({"contents": [{"role": "system"}]}, "contents[0].role", "invalid_value", id="role"),
    pytest.param(first(functionCall={"name": "f"}), "contents[0].parts[0]", "invalid_value", id="a-call-of-the-user"),
    pytest.param(
        first(functionResponse={"name": "f"}), "contents[0].parts[0]", "invalid_value", id="C25-orphan-result"
    ),
    pytest.param(
        first(inlineData={"data": "!"}), "contents[0].parts[0].inlineData.data", "invalid_value", id="no-base64"
    ),
    pytest.param(
        first(fileData={}), "contents[0].parts[0].fileData.fileUri", "missing_required_parameter", id="no-uri"
    ),
    pytest.param(
        {**first(text="a"), "continuationToken": "x"}, "continuationToken", "invalid_value", id="continuation"
    ),
    pytest.param(
        {**first(text="a"), "generationConfig": {"topK": 1.5}}, "generationConfig.topK", "invalid_type", id="fraction"
    ),
    pytest.param(
        {**first(text="a"), "generationConfig": {"thinkingConfig": {"thinkingLevel": "A LOT"}}},
        "generationConfig.thinkingConfig",
        "invalid_value",
        id="level",
    ),
    pytest.param(
        {**first(text="a"), "toolConfig": {"functionCallingConfig": {"mode": "X"}}},
        "toolConfig.functionCallingConfig.mode",
        "invalid_value",
        id="mode",
    ),
    pytest.param(
        {**first(text="a"), "tools": [{"functionDeclarations": [{}]}]},
        "tools[0].functionDeclarations[0].name",
        "missing_required_parameter",
        id="a-tool-without-a-name",
    ),
    pytest.param(
        {"contents": [{"role": "model", "parts": [{"functionResponse": {"name": "f"}}]}]},
        "contents[0].parts[0]",
        "invalid_value",
        id="a-result-of-the-model",
    ),
    pytest.param(
        {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": "{}"}}]}]},
        "contents[0].parts[0].functionCall.args",
        "invalid_type",
        id="C21-arguments-as-text",
    ),
    pytest.param(
        {"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]},
        "contents[0].parts[0].functionCall.name",
        "missing_required_parameter",
        id="a-call-of-nothing",
    ),
]


@pytest.mark.parametrize(("body", "param", "code"), REFUSED)
def test_refused(body: Any, param: str | None, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert (caught.value.param, caught.value.code) == (param, code)


WORDS = re.findall(
    r"\w+",
    "contents parts text role functionCall functionResponse name args response inlineData data tools thought "
    "functionDeclarations parameters generationConfig thinkingConfig responseSchema toolConfig",
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_anything_is_read_or_refused(value: Any) -> None:
    for body in (value, {"contents": value}, {"contents": [{"parts": value}]}, {**first(text="a"), "tools": value}):
        with contextlib.suppress(BadRequest):
            read(body)
