"""Anthropic's Messages: tools, calls and results as they are written."""

from __future__ import annotations

from typing import Any

import pytest

from oneapi_asgi.wire.chat import File, Text, Tool, ToolCall, ToolChoice, WebSearch

from .test_anthropic_write import OLD, PNG, TOOL, body, called, chat, message, result, text, turns, write

OTHER = Tool(name="g")


def test_tools() -> None:
    nullable = {"$schema": "http://json-schema.org", "properties": {"a": {"type": "string"}}}
    tools = (
        Tool(name="a", description="A.", parameters=nullable, cache="5m"),
        Tool(name="b"),
        Tool(
            name="c", custom=True, grammar={"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: X"}}
        ),
    )
    assert body(chat(tools=tools))["tools"] == [
        {
            "name": "a",
            "description": "A.",
            "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}},  # C10
            "cache_control": {"type": "ephemeral"},
        },
        {"name": "b", "input_schema": {"type": "object", "properties": {}}},  # C15
        {
            "name": "c",
            "description": "The input has this form:\nstart: X",
            "input_schema": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
        },
    ]


def test_strict_tools_have_schemas_that_can_be_enforced() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "description": "N."}}}
    tool = Tool(name="a", parameters=schema, strict=True)
    assert body(chat(tools=(tool,)), "claude-opus-4-5")["tools"] == [
        {
            "name": "a",
            "strict": True,
            "input_schema": {
                "type": "object",
                "properties": {"n": {"type": "integer", "description": "N. (minimum: 1)"}},
                "additionalProperties": False,
            },
        }
    ]
    assert "strict" not in body(chat(tools=(tool,)), OLD)["tools"][0]
    assert "strict" not in body(chat(tools=(tool,) * 21), "claude-opus-4-5")["tools"][0]


@pytest.mark.parametrize(
    ("fields", "choice", "names"),
    [
        pytest.param({}, None, ["f", "g"], id="C16-unsaid"),
        pytest.param({"tool_choice": ToolChoice(mode="auto")}, {"type": "auto"}, ["f", "g"], id="C16-auto"),
        pytest.param({"tool_choice": ToolChoice(mode="none")}, {"type": "none"}, ["f", "g"], id="C16-none"),
        pytest.param({"tool_choice": ToolChoice(mode="required")}, {"type": "any"}, ["f", "g"], id="C16-required"),
        pytest.param(
            {"tool_choice": ToolChoice(mode="required", names=("g",))},
            {"type": "tool", "name": "g"},
            ["g"],
            id="C16-named",
        ),
        pytest.param({"tool_choice": ToolChoice(mode="auto", names=("f",))}, {"type": "auto"}, ["f"], id="allowed"),
        pytest.param(
            {"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}, ["f", "g"], id="C18"
        ),
    ],
)
def test_choices(fields: dict[str, Any], choice: dict[str, Any] | None, names: list[str]) -> None:
    written = write(chat(tools=(TOOL, OTHER), **fields))
    assert written.body.get("tool_choice") == choice
    assert [tool["name"] for tool in written.body["tools"]] == names
    assert written.dropped == ()


def test_models_that_cannot_be_forced_are_asked() -> None:
    written = write(chat(tools=(TOOL, OTHER), tool_choice=ToolChoice(mode="required", names=("g",))), "claude-opus-5-5")
    assert written.body["tool_choice"] == {"type": "auto"}
    assert [tool["name"] for tool in written.body["tools"]] == ["g"]
    assert written.body["system"] == [text("Answer this by calling a tool: g.")]
    assert written.dropped == ("tool_choice",)
    assert write(chat(tool_choice=ToolChoice(mode="required"))).dropped == ("tool_choice",)


def test_calls_and_results() -> None:
    calls = message(
        "assistant",
        "Let me see.",
        ToolCall(id="call.1", name="f", arguments=""),
        ToolCall(id="c2", name="x", arguments="free", custom=True),
    )
    image = File(kind="image", media_type="image/png", data=PNG)
    written = turns(
        message("user", "Hi"),
        calls,
        result("call.1", Text(text="one"), image, error=True),
        result("c2", Text(text="")),
        message("user", "And?"),
        tools=(TOOL,),
    )
    call_id = written[1][1][1]["id"]
    assert call_id != "call.1"
    assert call_id.replace("_", "").isalnum()  # C24
    assert written[1][1] == [
        text("Let me see."),
        {"type": "tool_use", "id": call_id, "name": "f", "input": {}},  # C19, C20
        {"type": "tool_use", "id": "c2", "name": "x", "input": {"input": "free"}},
    ]
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    assert written[2] == (
        "user",  # C22, C23
        [
            {
                "type": "tool_result",
                "tool_use_id": call_id,
                "content": [text("one"), {"type": "image", "source": source}],
                "is_error": True,
            },
            {"type": "tool_result", "tool_use_id": "c2"},
            text("And?"),
        ],
    )


def test_a_history_of_calls_has_tools() -> None:  # C26
    written = body(chat(message("user", "Hi"), called(), result(), message("user", "And?")))
    assert written["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert written["tool_choice"] == {"type": "none"}


SEARCHED = {"type": "web_search_20250305", "name": "web_search"}


def test_searching_the_web() -> None:  # C47
    place = {"city": "Oslo", "country": "NO", "planet": "Earth"}
    wanted = WebSearch(max_uses=2, allowed_domains=("a.org",), blocked_domains=("b.org",), location=place)
    assert body(chat(web_search=wanted))["tools"] == [
        SEARCHED
        | {"max_uses": 2, "allowed_domains": ["a.org"]}
        | {"user_location": {"type": "approximate", "city": "Oslo", "country": "NO"}}
    ]
    assert body(chat(web_search=WebSearch()))["tools"] == [SEARCHED]
    assert body(chat(web_search=WebSearch(blocked_domains=("b.org",))))["tools"] == [
        SEARCHED | {"blocked_domains": ["b.org"]}
    ]


def test_tools_of_the_provider_come_through() -> None:
    hosted = {"type": "code_execution_20250825", "name": "code_execution"}
    written = write(chat(tools=(TOOL,), others={"server_tools": [hosted]}))
    assert [tool["name"] for tool in written.body["tools"]] == ["f", "code_execution"]
    assert written.dropped == ()
