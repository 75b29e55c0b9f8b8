"""Requests in the Responses format, as they are written for an upstream."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Format,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
    Written,
)
from oneapi_asgi.wire.responses.format import RESPONSES
from oneapi_asgi.wire.sealed import Signature

SDK: TypeAdapter[Any] = TypeAdapter(response_create_params.ResponseCreateParamsBase)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
JSON = {"type": "json_schema", "schema": SCHEMA}
EMPTY = {"type": "object", "properties": {}, "additionalProperties": False}
HI = Message(role="user", parts=(Text(text="Hi"),))
CALL = ToolCall(id="call_1", name="weather", arguments='{"city": "Paris"}')
RESULT = ToolResult(call_id="call_1", name="weather", parts=(Text(text="sunny"),))
CALLED = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Paris"}'}


def message(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


def write(
    *messages: Message, model: str = "gpt-4o", stream: bool = False, quirks: frozenset[str] = frozenset(), **fields: Any
) -> Written:
    chat = Chat(model="ours", messages=messages or (HI,), **fields)
    before = msgspec.json.encode(chat)
    written = RESPONSES.write(chat, Target(model=model, stream=stream, quirks=quirks))
    assert msgspec.json.encode(chat) == before, "P1"
    return written


def items(*messages: Message, **fields: Any) -> Any:
    return write(*messages, **fields).body["input"]


def part(given: Text | File) -> Any:
    return items(message("user", given, Text(text="?")))[0]["content"][0]


def test_the_least() -> None:
    body = {"model": "gpt-4o", "input": [{"type": "message", "role": "user", "content": "Hi"}], "store": False}
    assert write() == Written(body=body)
    assert write(stream=True).body == body | {"stream": True}


FIELDS = [
    pytest.param({"max_output": 9}, {"max_output_tokens": 9}, id="C4-limit"),
    pytest.param({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}, id="C7-sampling"),
    pytest.param(
        {"logprobs": 0}, {"top_logprobs": 0, "include": ["message.output_text.logprobs"]}, id="C8-no alternatives"
    ),
    pytest.param({"logprobs": 2}, {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}, id="C8-logprobs"),
    pytest.param({"user": "u"}, {"user": "u"}, id="C9-user"),
    pytest.param({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}, id="metadata"),
    pytest.param({"service_tier": "flex"}, {"service_tier": "flex"}, id="tier"),
    pytest.param({"service_tier": "standard_only"}, {"service_tier": "default"}, id="tier of another name"),
    pytest.param({"prompt_cache_key": "k"}, {"prompt_cache_key": "k"}, id="cache key"),
    pytest.param({"verbosity": "low"}, {"text": {"verbosity": "low"}}, id="verbosity"),
    pytest.param({"format": Format(kind="json")}, {"text": {"format": {"type": "json_object"}}}, id="C34"),
    pytest.param(
        {"format": Format(kind="schema", name="a b", schema=SCHEMA, strict=True, description="d")},
        {"text": {"format": JSON | {"name": "a_b_c8687a08aa5d6ed2", "strict": True, "description": "d"}}},
        id="C33-schema",
    ),
    pytest.param(
        {"format": Format(kind="schema", schema=SCHEMA)},
        {"text": {"format": JSON | {"name": "answer"}}},
        id="C33-schema without a name",
    ),
    pytest.param({"others": {"store": True}}, {"store": True}, id="store"),
    pytest.param(
        {"others": {"truncation": "auto", "max_tool_calls": 2}},
        {"truncation": "auto", "max_tool_calls": 2},
        id="others",
    ),
    pytest.param({"others": {"_private": 1}}, {}, id="its own"),
    pytest.param(
        {"others": {"include": ["x"]}, "logprobs": 1},
        {"top_logprobs": 1, "include": ["x", "message.output_text.logprobs"]},
        id="include",
    ),
    pytest.param({"thinking": Thinking(effort="none")}, {}, id="C38-models that never think"),
    pytest.param({"tool_choice": ToolChoice(mode="auto")}, {}, id="nothing to choose of"),
]


@pytest.mark.parametrize(("fields", "expected"), FIELDS)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    written = write(**fields)
    body = dict(written.body)
    assert {name: body.pop(name) for name in ("model", "input")}
    assert {"store": False} | expected == {
        name: sorted(value, reverse=True) if name == "include" else value for name, value in body.items()
    }
    assert written.dropped == ()


DROPPED = [
    pytest.param({"stop": ("a",), "n": 2, "seed": 1, "top_k": 3}, ("top_k", "stop", "n", "seed"), id="C6-C8"),
    pytest.param(
        {"presence_penalty": 0.0, "frequency_penalty": 1.0, "logit_bias": {"1": 1.0}},
        ("presence_penalty", "frequency_penalty", "logit_bias"),
        id="C8-penalties",
    ),
    pytest.param({"service_tier": "fastest", "verbosity": "loud"}, ("service_tier", "verbosity"), id="unknown words"),
    pytest.param({"metadata": {"a": 1}}, ("metadata",), id="metadata"),
    pytest.param({"others": {"prediction": {}, "safety_settings": []}}, ("prediction", "safety_settings"), id="others"),
    pytest.param({"thinking": Thinking(effort="low")}, ("thinking",), id="C35-models that never think"),
    pytest.param(
        {"web_search": WebSearch(max_uses=2, blocked_domains=("a.b",)), "seed": 1},
        ("web_search.max_uses", "web_search.blocked_domains", "seed"),
        id="C47-limits",
    ),
    pytest.param({"tool_choice": ToolChoice(mode="required")}, ("tool_choice",), id="C16-nothing to choose of"),
    pytest.param({"others": {"reasoning.mode": "pro"}}, ("reasoning.mode",), id="mode"),
    pytest.param({"stream": True, "include_usage": True, "functions": True}, (), id="for the answer"),
]


@pytest.mark.parametrize(("fields", "dropped"), DROPPED)
def test_what_cannot_be_said_is_named(fields: dict[str, Any], dropped: tuple[str, ...]) -> None:
    assert write(**fields).dropped == dropped


ENCRYPTED = ["reasoning.encrypted_content"]
LOW = {"effort": "low"}
THINKING = [
    pytest.param("gpt-5", None, None, ENCRYPTED, id="C46-gpt-5"),
    pytest.param("o3-mini", Thinking(effort="low"), LOW, ENCRYPTED, id="C35-o3"),
    pytest.param("openai/gpt-6.1-sol", Thinking(budget=2000), LOW, ENCRYPTED, id="C35-budget"),
    pytest.param("ft:o4-mini:us::1", Thinking(budget=-1), {"effort": "medium"}, ENCRYPTED, id="fine-tuned"),
    pytest.param("gpt-5", Thinking(shown=True), {"summary": "auto"}, ENCRYPTED, id="shown"),
    pytest.param("gpt-5", Thinking(shown=True, summary="detailed"), {"summary": "detailed"}, ENCRYPTED, id="summary"),
    pytest.param("gpt-5", Thinking(effort="low", shown=False), LOW, ENCRYPTED, id="not shown"),
    pytest.param("gpt-5.1", Thinking(effort="none"), {"effort": "none"}, None, id="C38-none"),
    pytest.param("gpt-5", Thinking(budget=0), {"effort": "minimal"}, ENCRYPTED, id="C38-no such word"),
    pytest.param("gpt-6.2", Thinking(effort="none"), LOW, ENCRYPTED, id="C38-cannot-be-off"),
    pytest.param("o3", Thinking(effort="max"), {"effort": "high"}, ENCRYPTED, id="C38-the most there is"),
    pytest.param("gpt-5-chat-latest", None, None, None, id="chat"),
    pytest.param("gpt-oss-120b", Thinking(effort="low"), LOW, ENCRYPTED, id="others' models"),
    pytest.param("grok-4", None, None, None, id="others' models by default"),
]


@pytest.mark.parametrize(("model", "thinking", "reasoning", "include"), THINKING)
def test_thinking(
    model: str, thinking: Thinking | None, reasoning: dict[str, str] | None, include: list[str] | None
) -> None:
    written = write(model=model, thinking=thinking)
    assert (written.body.get("reasoning"), written.body.get("include")) == (reasoning, include)
    assert written.dropped == ()


def test_c46_models_that_think_are_not_told_how_to_choose_words() -> None:
    sampling: dict[str, Any] = {"temperature": 0.2, "top_p": 0.5, "logprobs": 1}
    written = write(model="gpt-5", **sampling)
    assert not {"temperature", "top_p", "top_logprobs"} & written.body.keys()
    assert written.dropped == ("temperature", "top_p", "logprobs")
    assert write(model="gpt-5.1", thinking=Thinking(effort="none"), **sampling).dropped == ()


def test_what_only_this_format_says_of_thinking() -> None:
    others = {"reasoning.mode": "pro", "reasoning.context": "all_turns"}
    assert write(model="gpt-6-sol", others=others).body["reasoning"] == {"mode": "pro", "context": "all_turns"}


F, G = Tool(name="f"), Tool(name="g", custom=True)
TOOLS = [
    pytest.param(
        Tool(name="f", description="d", parameters=SCHEMA, strict=True),
        {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
        id="C10-tool",
    ),
    pytest.param(
        F, {"type": "function", "name": "f", "parameters": EMPTY, "strict": False}, id="C15-without parameters"
    ),
    pytest.param(
        Tool(name="sql", custom=True, grammar={"type": "grammar", "syntax": "lark", "definition": "x"}),
        {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        id="custom",
    ),
    pytest.param(
        Tool(name="sql", custom=True, grammar={"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}),
        {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        id="custom, as chat has it",
    ),
]


@pytest.mark.parametrize(("tool", "expected"), TOOLS)
def test_tools(tool: Tool, expected: dict[str, Any]) -> None:
    assert write(tools=(tool,)).body["tools"] == [expected]


CHOICES = [
    pytest.param(ToolChoice(mode="auto"), "auto", id="C16-auto"),
    pytest.param(ToolChoice(mode="required"), "required", id="C16-required"),
    pytest.param(ToolChoice(mode="none", names=("f",)), "none", id="C16-none"),
    pytest.param(ToolChoice(mode="required", names=("f",)), {"type": "function", "name": "f"}, id="C16-named"),
    pytest.param(ToolChoice(mode="required", names=("g",)), {"type": "custom", "name": "g"}, id="C16-custom"),
    pytest.param(
        ToolChoice(mode="auto", names=("f", "g")),
        {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}],
        },
        id="C16-allowed",
    ),
]


@pytest.mark.parametrize(("choice", "expected"), CHOICES)
def test_tool_choice(choice: ToolChoice, expected: object) -> None:
    written = write(tools=(F, G), tool_choice=choice, parallel_tool_calls=False)
    assert written.body["tool_choice"] == expected
    assert written.body["parallel_tool_calls"] is False, "C18"


def test_c47_web_search() -> None:
    search = WebSearch(context_size="low", allowed_domains=("a.b",), location={"city": "Bern"})
    assert write(web_search=search).body["tools"] == [
        {
            "type": "web_search",
            "search_context_size": "low",
            "filters": {"allowed_domains": ["a.b"]},
            "user_location": {"type": "approximate", "city": "Bern"},
        }
    ]
    assert write(web_search=WebSearch()).body["tools"] == [{"type": "web_search"}]


def test_c1_c2_what_the_system_says() -> None:
    first = [message("system", Text(text="one"), Text(text="two")), message("system", Text(text="three"))]
    written = write(*first, HI, message("system", Text(text="four")))
    assert written.body["instructions"] == "one\n\ntwo\n\nthree"
    assert written.body["input"][1] == {"type": "message", "role": "system", "content": "four"}
    quirks = frozenset({"developer_role"})
    assert items(HI, first[0], quirks=quirks)[1]["role"] == "developer"


PARTS = [
    pytest.param(Text(text="a", cache="5m"), {"type": "input_text", "text": "a"}, id="C42-text"),
    pytest.param(
        File(kind="image", media_type="image/png", data="aGk="),
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="},
        id="C28-data",
    ),
    pytest.param(
        File(kind="image", url="https://a.b/c", detail="low"),
        {"type": "input_image", "detail": "low", "image_url": "https://a.b/c"},
        id="C29-url",
    ),
    pytest.param(
        File(kind="image", file_id="file-1"),
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
        id="file id",
    ),
    pytest.param(
        File(kind="document", media_type="application/pdf", data="aGk="),
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,aGk="},
        id="C30-pdf",
    ),
    pytest.param(
        File(kind="document", text="hi", name="a.txt"),
        {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="},
        id="C30-text",
    ),
    pytest.param(
        File(kind="document", url="https://a.b/c"), {"type": "input_file", "file_url": "https://a.b/c"}, id="file url"
    ),
    pytest.param(File(kind="document", file_id="f"), {"type": "input_file", "file_id": "f"}, id="document by id"),
    pytest.param(
        File(kind="audio", media_type="audio/mpeg", data="aGk="),
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        id="C31-audio",
    ),
]


@pytest.mark.parametrize(("given", "expected"), PARTS)
def test_parts(given: Text | File, expected: dict[str, Any]) -> None:
    assert part(given) == expected


SIGNED = Signature("responses", "gpt-5", "gAAA")
TURNS = [
    pytest.param(
        (Reasoning(text="hm", signature=SIGNED), Text(text="Let me see."), CALL),
        [
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "gAAA",
            },
            {"type": "message", "role": "assistant", "content": "Let me see."},
            CALLED,
        ],
        id="C19-C40",
    ),
    pytest.param(
        (Reasoning(signature=Signature("responses", "", "x"), redacted=True), CALL),
        [{"type": "reasoning", "summary": [], "encrypted_content": "x"}, CALLED],
        id="C40-redacted",
    ),
    pytest.param(
        (
            Reasoning(text="hm"),
            Reasoning(text="hm", signature=Signature("responses", "gpt-4", "x")),
            Reasoning(text="hm", signature=Signature("anthropic", "gpt-5", "x")),
            CALL,
        ),
        [CALLED],
        id="others' thoughts",
    ),
    pytest.param(
        (Text(text="a"), Refusal(text="No."), Text(text=""), CALL),
        [
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "a", "annotations": []},
                    {"type": "refusal", "refusal": "No."},
                ],
            },
            CALLED,
        ],
        id="C43-refusal",
    ),
    pytest.param(
        (ToolCall(id="call_1", name="weather", arguments=" "),), [CALLED | {"arguments": "{}"}], id="C20-no arguments"
    ),
    pytest.param(
        (ToolCall(id="call_1", name="sql", arguments="SELECT", custom=True),),
        [{"type": "custom_tool_call", "call_id": "call_1", "name": "sql", "input": "SELECT"}],
        id="custom",
    ),
    pytest.param(
        (File(kind="image", url="https://a.b/c"), CALL),
        [{"type": "message", "role": "assistant", "content": "![image](https://a.b/c)"}, CALLED],
        id="picture by its address",
    ),
]


@pytest.mark.parametrize(("parts", "expected"), TURNS)
def test_turns_of_the_model(parts: tuple[Part, ...], expected: list[dict[str, Any]]) -> None:
    assert items(HI, message("assistant", *parts), message("tool", RESULT), model="gpt-5")[1:-1] == expected


def test_c4_no_more_than_the_model_can() -> None:
    chat = Chat(model="ours", messages=(HI,), max_output=900)
    assert RESPONSES.write(chat, Target(model="m", stream=False, max_output=500)).body["max_output_tokens"] == 500


def test_pictures_of_the_model() -> None:
    made = items(HI, message("assistant", File(kind="image", media_type="image/png", data="aGk=")), HI)[1]
    assert made.pop("id").startswith("ig_")
    assert made == {"type": "image_generation_call", "status": "completed", "result": "aGk="}


RESULTS = [
    pytest.param((Text(text="a"), Text(text="b")), False, "a\nb", id="C23-texts"),
    pytest.param((), False, "", id="empty"),
    pytest.param((Text(text="a"),), True, "Error: a", id="error"),
    pytest.param(
        (Text(text="a"), File(kind="image", url="https://a.b/c")),
        True,
        [
            {"type": "input_text", "text": "Error:"},
            {"type": "input_text", "text": "a"},
            {"type": "input_image", "detail": "auto", "image_url": "https://a.b/c"},
        ],
        id="C23-picture",
    ),
]


@pytest.mark.parametrize(("parts", "error", "expected"), RESULTS)
def test_results(parts: tuple[Text | File, ...], error: bool, expected: object) -> None:
    result = ToolResult(call_id="call_1", parts=parts, error=error)
    found = items(HI, message("assistant", CALL), message("tool", result))[-1]
    assert found == {"type": "function_call_output", "call_id": "call_1", "output": expected}


def test_c24_ids_that_are_too_long() -> None:
    call = ToolCall(id="x" * 90, name="sql", arguments="", custom=True)
    result = ToolResult(call_id="x" * 90, custom=True)
    _, called, output = items(HI, message("assistant", call), message("tool", result))
    assert called["call_id"] == output["call_id"]
    assert len(called["call_id"]) <= 64
    assert output["type"] == "custom_tool_call_output"


REFUSED = [
    pytest.param((message("system", Text(text="a")),), "instructions", id="C44-only the system"),
    pytest.param((HI, message("assistant", CALL)), "no result", id="C25-no result"),
    pytest.param((HI, message("tool", RESULT)), "not open", id="C25-no call"),
    pytest.param(
        (message("assistant", ToolCall(id="call_1", name="f", arguments="{")), message("tool", RESULT)),
        "'f'",
        id="C21-arguments",
    ),
    pytest.param((message("user", File(kind="video", url="https://a.b")),), "video", id="video"),
    pytest.param((message("user", File(kind="image", url="gs://a/b")),), "gs://", id="C32-gs"),
    pytest.param((message("user", File(kind="audio", url="https://a.b")),), "as data", id="audio by its address"),
    pytest.param((HI, message("assistant", File(kind="audio", data="aGk="))), "sent back", id="recordings of models"),
]


@pytest.mark.parametrize(("messages", "words"), REFUSED)
def test_refused(messages: tuple[Message, ...], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        write(*messages)


@pytest.mark.parametrize("fields", [case.values[0] for case in [*FIELDS, *DROPPED]])
def test_what_is_written_is_of_the_types_of_the_sdk(fields: Any) -> None:
    assistant = message("assistant", Text(text="a"), CALL)
    written = write(HI, assistant, message("tool", RESULT), tools=(Tool(name="f"),), **fields)
    body = {name: value for name, value in written.body.items() if name != "include" or "x" not in value}
    SDK.validate_python(body)
