"""Requests in the Responses format, as they are read."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Format,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.responses.format import RESPONSES
from oneapi_asgi.wire.sealed import Signature, seal

PNG = "iVBORw0KGgo="
PDF = base64.b64encode(b"%PDF-1.7 ...").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Paris"}'}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}


def operation(path: str = "/responses") -> Operation:
    found = RESPONSES.operation(path)
    assert found is not None
    return found


def read(**fields: Any) -> Chat:
    return RESPONSES.read(operation(), msgspec.json.encode({"model": "m", "input": "Hi"} | fields))


def messages(*items: dict[str, Any]) -> tuple[Message, ...]:
    return read(input=list(items)).messages


def said(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


def user(*content: dict[str, Any]) -> tuple[Part, ...]:
    return messages({"role": "user", "content": list(content)})[0].parts


def test_the_least_that_can_be_asked() -> None:
    chat = read()
    assert chat.messages == (said("user", Text(text="Hi")),)
    assert chat.model == "m"
    assert not chat.stream
    assert [name for name in chat.others if not name.startswith("_")] == []


FIELDS = [
    pytest.param({"max_output_tokens": 9}, {"max_output": 9}, id="C4-limit"),
    pytest.param({"temperature": 1, "top_p": 0.5}, {"temperature": 1.0, "top_p": 0.5}, id="C7-sampling"),
    pytest.param({"top_logprobs": 3}, {"logprobs": 3}, id="C8-logprobs"),
    pytest.param({"top_logprobs": 0}, {"logprobs": None}, id="no logprobs"),
    pytest.param({"include": ["message.output_text.logprobs"]}, {"logprobs": 0}, id="logprobs by include"),
    pytest.param({"user": "u"}, {"user": "u"}, id="C9-user"),
    pytest.param({"safety_identifier": "s"}, {"user": "s"}, id="C9-safety identifier"),
    pytest.param({"parallel_tool_calls": False}, {"parallel_tool_calls": False}, id="C18-parallel"),
    pytest.param({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}, id="metadata"),
    pytest.param({"service_tier": "flex"}, {"service_tier": "flex"}, id="tier"),
    pytest.param({"prompt_cache_key": "k"}, {"prompt_cache_key": "k"}, id="cache key"),
    pytest.param({"text": {"verbosity": "low"}}, {"verbosity": "low"}, id="verbosity"),
    pytest.param({"stream": True}, {"stream": True}, id="stream"),
    pytest.param({"text": {"format": {"type": "text"}}}, {"format": None}, id="plain text"),
    pytest.param({"text": {"format": {"type": "json_object"}}}, {"format": Format(kind="json")}, id="C34-json"),
    pytest.param(
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}}},
        {"format": Format(kind="schema", name="n", schema=SCHEMA, strict=True)},
        id="C33-schema",
    ),
    pytest.param({"reasoning": {"effort": "low"}}, {"thinking": Thinking(effort="low")}, id="C35-effort"),
    pytest.param({"reasoning": {"effort": None}}, {"thinking": None}, id="no effort"),
    pytest.param({"reasoning": {"effort": "max"}}, {"thinking": Thinking(effort="max")}, id="C37-effort max"),
    pytest.param(
        {"reasoning": {"summary": "auto"}}, {"thinking": Thinking(shown=True, summary="auto")}, id="shown thoughts"
    ),
    pytest.param({"tools": None, "tool_choice": None, "instructions": None}, {"tools": ()}, id="null"),
    pytest.param(
        {"tools": [{"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}]},
        {"tools": (Tool(name="f", description="d", parameters=SCHEMA, strict=True),)},
        id="C10-tool",
    ),
    pytest.param({"tools": [{"type": "function", "name": "f"}]}, {"tools": (Tool(name="f"),)}, id="C15-bare tool"),
    pytest.param(
        {"tools": [{"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark"}}]},
        {"tools": (Tool(name="sql", custom=True, grammar={"type": "grammar", "grammar": {"syntax": "lark"}}),)},
        id="custom tool",
    ),
    pytest.param(
        {
            "tools": [
                {
                    "type": "web_search",
                    "search_context_size": "low",
                    "filters": {"allowed_domains": ["a.b"]},
                    "user_location": {"type": "approximate", "city": "Bern"},
                }
            ]
        },
        {
            "tools": (),
            "web_search": WebSearch(context_size="low", allowed_domains=("a.b",), location={"city": "Bern"}),
        },
        id="C47-web search",
    ),
    pytest.param({"tools": [{"type": "web_search_preview"}]}, {"web_search": WebSearch()}, id="C47-preview"),
    pytest.param({"tool_choice": "required"}, {"tool_choice": ToolChoice(mode="required")}, id="C16-required"),
    pytest.param({"tool_choice": "none"}, {"tool_choice": ToolChoice(mode="none")}, id="C16-none"),
    pytest.param(
        {"tool_choice": {"type": "function", "name": "f"}},
        {"tool_choice": ToolChoice(mode="required", names=("f",))},
        id="C16-named",
    ),
    pytest.param(
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}},
        {"tool_choice": ToolChoice(mode="auto", names=("f",))},
        id="C16-allowed",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), FIELDS)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    chat = read(**fields)
    assert {name: getattr(chat, name) for name in expected} == expected


OTHERS = [
    pytest.param({"store": True}, {"store": True}, id="store"),
    pytest.param({"store": False, "truncation": "disabled", "stream_options": {}}, {}, id="says nothing"),
    pytest.param({"truncation": "auto"}, {"truncation": "auto"}, id="truncation"),
    pytest.param({"max_tool_calls": 3}, {"max_tool_calls": 3}, id="max tool calls"),
    pytest.param({"frobnicate": [1]}, {"frobnicate": [1]}, id="unknown"),
    pytest.param({"frobnicate": None}, {}, id="unknown null"),
    pytest.param({"include": ["reasoning.encrypted_content"]}, {}, id="what comes anyway"),
    pytest.param({"include": ["file_search_call.results"]}, {"include": ["file_search_call.results"]}, id="include"),
    pytest.param({"user": "u", "safety_identifier": "s"}, {"safety_identifier": "s"}, id="two users"),
    pytest.param({"reasoning": {"mode": "pro", "effort": "low"}}, {"reasoning.mode": "pro"}, id="mode"),
    pytest.param({"background": False, "previous_response_id": None, "conversation": None}, {}, id="nulls"),
]


@pytest.mark.parametrize(("fields", "expected"), OTHERS)
def test_other_fields_are_never_lost(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert {name: value for name, value in read(**fields).others.items() if not name.startswith("_")} == expected


def test_c1_c2_instructions_and_what_the_developer_says() -> None:
    items = [
        {"role": "developer", "content": "two"},
        {"role": "user", "content": "Hi"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "three"}]},
    ]
    assert read(instructions="one", input=items).messages == (
        said("system", Text(text="one")),
        said("system", Text(text="two")),
        said("user", Text(text="Hi")),
        said("system", Text(text="three")),
    )


def test_instructions_as_items() -> None:
    assert read(instructions=[{"role": "system", "content": "one"}]).messages[0] == said("system", Text(text="one"))


CONTENT = [
    pytest.param({"type": "input_text", "text": "Hi"}, Text(text="Hi"), id="text"),
    pytest.param(
        {"type": "input_text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
        Text(text="Hi", cache="5m"),
        id="C42-cache",
    ),
    pytest.param(
        {"type": "input_text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
        Text(text="Hi", cache="1h"),
        id="C42-long cache",
    ),
    pytest.param(
        {"type": "input_image", "image_url": f"data:image/PNG;base64,{PNG}", "detail": "low"},
        File(kind="image", media_type="image/png", data=PNG, detail="low"),
        id="C28-data",
    ),
    pytest.param(
        {"type": "input_image", "image_url": "data:image/png;base64,_-8"},
        File(kind="image", media_type="image/png", data="/+8="),
        id="base64 of the other alphabet",
    ),
    pytest.param(
        {"type": "input_image", "image_url": "https://a.b/c.png"},
        File(kind="image", url="https://a.b/c.png"),
        id="C29-url",
    ),
    pytest.param({"type": "input_image", "file_id": "file-1"}, File(kind="image", file_id="file-1"), id="file id"),
    pytest.param(
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        File(kind="document", media_type="application/pdf", data=PDF, name="a.pdf"),
        id="C30-pdf",
    ),
    pytest.param(
        {"type": "input_file", "file_data": PDF},
        File(kind="document", media_type="application/pdf", data=PDF),
        id="C30-bare pdf",
    ),
    pytest.param(
        {"type": "input_file", "filename": "a.CSV", "file_data": "YSxi"},
        File(kind="document", media_type="text/csv", data="YSxi", name="a.CSV"),
        id="by its name",
    ),
    pytest.param(
        {"type": "input_file", "file_url": "https://a.b/c.pdf"},
        File(kind="document", url="https://a.b/c.pdf"),
        id="file url",
    ),
    pytest.param(
        {"type": "input_file", "file_data": "data:image/png;base64,aGk="},
        File(kind="image", media_type="image/png", data="aGk="),
        id="an image as a file",
    ),
    pytest.param(
        {"type": "input_file", "file_url": "gs://a/b.pdf"}, File(kind="document", url="gs://a/b.pdf"), id="C32-gs"
    ),
    pytest.param(
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        File(kind="audio", media_type="audio/wav", data="aGk="),
        id="C31-audio",
    ),
]


@pytest.mark.parametrize(("content", "expected"), CONTENT)
def test_content(content: dict[str, Any], expected: Part) -> None:
    assert user(content) == (expected,)


def test_c43_empty_texts_are_left_out() -> None:
    assert user({"type": "input_text", "text": ""}, {"type": "input_text", "text": "Hi"}) == (Text(text="Hi"),)


def test_c19_c22_c75_what_the_model_said_in_a_row_is_one_turn() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    answer = {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
    }
    second = CALL | {"call_id": "call_2", "arguments": ""}
    outputs: list[dict[str, Any]] = [
        OUTPUT,
        OUTPUT | {"call_id": "call_2", "output": [{"type": "input_text", "text": "rain"}]},
    ]
    assert messages({"role": "user", "content": "Hi"}, thought, answer, CALL, second, *outputs) == (
        said("user", Text(text="Hi")),
        said(
            "assistant",
            Reasoning(text="hm"),
            Text(text="Let me see."),
            ToolCall(id="call_1", name="weather", arguments='{"city":"Paris"}'),
            ToolCall(id="call_2", name="weather", arguments="{}"),
        ),
        said("tool", ToolResult(call_id="call_1", name="weather", parts=(Text(text="sunny"),))),
        said("tool", ToolResult(call_id="call_2", name="weather", parts=(Text(text="rain"),))),
    )


def test_results_go_to_the_turn_that_called() -> None:
    second = CALL | {"call_id": "call_2"}
    found = messages(CALL, {"role": "user", "content": "Wait"}, OUTPUT, second, OUTPUT | {"call_id": "call_2"})
    assert [message.role for message in found] == ["assistant", "tool", "user", "assistant", "tool"]


def test_c23_results_with_pictures() -> None:
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    result = messages(CALL, OUTPUT | {"output": [picture]})[1].parts[0]
    assert result == ToolResult(
        call_id="call_1", name="weather", parts=(File(kind="image", media_type="image/png", data=PNG),)
    )


def test_custom_calls() -> None:
    call = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"}
    assert messages(call, {"type": "custom_tool_call_output", "call_id": "c", "output": "1"}) == (
        said("assistant", ToolCall(id="c", name="sql", arguments="SELECT 1", custom=True)),
        said("tool", ToolResult(call_id="c", name="sql", parts=(Text(text="1"),), custom=True)),
    )


SIGNATURE = Signature("anthropic", "claude", "sig")
THOUGHTS = [
    pytest.param({}, None, id="nothing"),
    pytest.param({"encrypted_content": None, "content": None}, None, id="null"),
    pytest.param(
        {"encrypted_content": "gAAA"}, Reasoning(signature=Signature("responses", "", "gAAA"), redacted=True), id="bare"
    ),
    pytest.param(
        {"encrypted_content": seal(SIGNATURE), "summary": [{"type": "summary_text", "text": "hm"}]},
        Reasoning(text="hm", signature=SIGNATURE),
        id="C40-sealed",
    ),
    pytest.param(
        {
            "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            "content": [{"type": "reasoning_text", "text": "c"}],
        },
        Reasoning(text="a\n\nb\n\nc"),
        id="parts",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), THOUGHTS)
def test_thoughts(fields: dict[str, Any], expected: Reasoning | None) -> None:
    found = messages({"type": "reasoning", "id": "rs_1", "summary": []} | fields)
    assert found == (() if expected is None else (said("assistant", expected),))


def test_c41_a_signature_of_the_call_after_it() -> None:
    signature = Signature("gemini", "gemini-3", "c2ln")
    carrier = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "call:" + seal(signature)}
    call = messages(carrier, CALL, OUTPUT)[0].parts
    assert call == (ToolCall(id="call_1", name="weather", arguments='{"city":"Paris"}', signature=signature),)


def test_what_else_a_model_made() -> None:
    found = messages(
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    )
    assert found == (said("assistant", File(kind="image", media_type="image/png", data=PNG), Refusal(text="No.")),)


def test_searches_of_the_past_are_reported() -> None:
    chat = read(input=[{"role": "user", "content": "Hi"}, {"type": "web_search_call", "id": "ws_1"}])
    assert chat.others["web_search_call"] is True


def test_counting_needs_neither_model_nor_input() -> None:
    chat = RESPONSES.read(operation("/responses/input_tokens"), b'{"instructions":"Be brief."}')
    assert chat.messages == (said("system", Text(text="Be brief.")),)
