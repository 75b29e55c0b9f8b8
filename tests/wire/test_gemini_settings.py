"""What surrounds a conversation, as Gemini upstreams want it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from google.genai import types

from oneapi_asgi.wire.chat import Chat, Format, Target, Thinking, Tool, ToolChoice, WebSearch
from oneapi_asgi.wire.gemini.format import GEMINI

from .test_gemini_write import user, write


def generation(model: str = "gemini-2.5-flash", **fields: Any) -> Any:
    written = write(model=model, **fields)
    found = written.body.get("generationConfig", {})
    types.GenerateContentConfig.model_validate(found)
    return found


GENERATION = [
    pytest.param({"max_output": 9}, {"maxOutputTokens": 9}, id="C4-limit"),
    pytest.param({}, {}, id="C5-no-limit"),
    pytest.param({"stop": ("a", "", "b")}, {"stopSequences": ["a", "b"]}, id="C6-stop"),
    pytest.param(
        {"temperature": 1.8, "top_p": 0.5, "top_k": 4}, {"temperature": 1.8, "topP": 0.5, "topK": 4}, id="C7-sampling"
    ),
    pytest.param(
        {"seed": 7, "presence_penalty": 0.1, "frequency_penalty": 0.2, "n": 2, "logprobs": 3},
        {
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "candidateCount": 2,
            "responseLogprobs": True,
            "logprobs": 3,
        },
        id="C8-seed-penalties-n-logprobs",
    ),
    pytest.param({"logprobs": 0}, {"responseLogprobs": True}, id="C8-logprobs-alone"),
    pytest.param({"seed": (1 << 40) + 5}, {"seed": 5}, id="C8-long-seed"),
    pytest.param(
        {"format": Format(kind="schema", schema={"$schema": "x", "type": "object"})},
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        id="C33-schema",
    ),
    pytest.param({"format": Format(kind="json")}, {"responseMimeType": "application/json"}, id="C34-json"),
    pytest.param(
        {"others": {"modalities": ["text", "image"], "image_config": {"aspectRatio": "1:1"}, "_array": True}},
        {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "1:1"}},
        id="pictures",
    ),
    pytest.param({"others": {"modalities": ["text"]}}, {}, id="text-alone"),
    pytest.param({"thinking": Thinking(shown=False)}, {}, id="C35-nothing-wanted"),
]


@pytest.mark.parametrize(("fields", "written"), GENERATION)
def test_generation(fields: dict[str, Any], written: dict[str, Any]) -> None:
    assert generation(**fields) == written
    assert write(**fields).dropped == ()


def test_c33_schema_of_older_models() -> None:
    schema = Format(kind="schema", schema={"type": "object", "properties": {"a": {"const": "x"}}})
    assert generation(model="gemini-2.0-flash", format=schema)["responseSchema"] == {
        "type": "object",
        "properties": {"a": {"type": "string", "enum": ["x"]}},
    }


SHOWN = {"includeThoughts": True}
THINKING = [
    pytest.param("gemini-2.5-flash", Thinking(effort="none"), {"thinkingBudget": 0}, id="C38-off"),
    pytest.param("gemini-2.5-pro", Thinking(effort="none"), {"thinkingBudget": 128}, id="C38-cannot-be-off"),
    pytest.param("gemini-2.5-flash", Thinking(effort="low"), {"thinkingBudget": 1024, **SHOWN}, id="C35-low"),
    pytest.param("gemini-2.5-flash", Thinking(effort="medium"), {"thinkingBudget": 8192, **SHOWN}, id="C35-medium"),
    pytest.param("gemini-2.5-pro", Thinking(effort="high"), {"thinkingBudget": 24576, **SHOWN}, id="C35-high"),
    pytest.param("gemini-2.5-flash", Thinking(effort="max"), {"thinkingBudget": 24576, **SHOWN}, id="C35-most"),
    pytest.param("gemini-2.5-flash-lite", Thinking(budget=9), {"thinkingBudget": 512, **SHOWN}, id="C35-least"),
    pytest.param("gemini-2.5-pro", Thinking(budget=-1), {"thinkingBudget": -1, **SHOWN}, id="C35-as-it-likes"),
    pytest.param("gemini-2.5-pro", Thinking(shown=True), SHOWN, id="C35-only-shown"),
    pytest.param("gemini-2.5-pro", Thinking(effort="low", shown=False), {"thinkingBudget": 1024}, id="C35-hidden"),
    pytest.param("gemini-3-flash-preview", Thinking(effort="low"), {"thinkingLevel": "low", **SHOWN}, id="C39-low"),
    pytest.param("gemini-3-flash-preview", Thinking(effort="none"), {"thinkingLevel": "minimal"}, id="C39-least"),
    pytest.param("gemini-3.8-flash", Thinking(effort="minimal"), {"thinkingLevel": "low", **SHOWN}, id="C39-3.8"),
    pytest.param("gemini-3-pro", Thinking(effort="medium"), {"thinkingLevel": "high", **SHOWN}, id="C39-3-pro"),
    pytest.param("gemini-3.1-pro", Thinking(effort="medium"), {"thinkingLevel": "medium", **SHOWN}, id="C39-3.1-pro"),
    pytest.param("gemini-flash-latest", Thinking(effort="xhigh"), {"thinkingLevel": "high", **SHOWN}, id="C39-most"),
    pytest.param("gemini-3-pro", Thinking(budget=1024), {"thinkingLevel": "low", **SHOWN}, id="C39-budget"),
    pytest.param("gemini-3-pro", Thinking(budget=-1, summary="auto"), SHOWN, id="C39-as-it-likes"),
]


@pytest.mark.parametrize(("model", "thinking", "written"), THINKING)
def test_thinking(model: str, thinking: Thinking, written: dict[str, Any]) -> None:
    assert generation(model, thinking=thinking)["thinkingConfig"] == written


TOOL = Tool(
    name="f", description="d", parameters={"type": "object", "properties": {"a": {"type": "string"}}}, strict=True
)
DECLARED = {
    "name": "f",
    "description": "d",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
}
CHOICES = [
    pytest.param(None, None, id="none-said"),
    pytest.param(ToolChoice(mode="auto"), {"mode": "AUTO"}, id="C16-auto"),
    pytest.param(ToolChoice(mode="none"), {"mode": "NONE"}, id="C16-none"),
    pytest.param(ToolChoice(mode="required"), {"mode": "ANY"}, id="C16-required"),
    pytest.param(
        ToolChoice(mode="required", names=("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}, id="C16-named"
    ),
]


@pytest.mark.parametrize(("choice", "config"), CHOICES)
def test_tools(choice: ToolChoice | None, config: Any) -> None:
    body = write(tools=(TOOL, Tool(name="g")), tool_choice=choice).body
    assert body["tools"] == [{"functionDeclarations": [DECLARED, {"name": "g"}]}]  # C10, C15
    assert body.get("toolConfig") == (config and {"functionCallingConfig": config})


def test_tools_that_may_be_called() -> None:
    body = write(tools=(TOOL, Tool(name="g")), tool_choice=ToolChoice(mode="auto", names=("g",))).body
    assert body["tools"] == [{"functionDeclarations": [{"name": "g"}]}]


def test_objects_of_any_content() -> None:
    """The selection of OpenAPI has none, as some models see it."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["object", "null"]}, "b": {"type": "array", "items": {"type": "object"}}},
    }
    free = {"type": "object"}
    body = write(tools=(Tool(name="f", parameters=schema),)).body
    plain = {"type": "object", "properties": {"a": {"type": ["object", "null"]}, "b": {"type": "array", "items": free}}}
    assert body["tools"][0]["functionDeclarations"] == [{"name": "f", "parametersJsonSchema": plain}]
    older = write(model="gemini-2.0-flash", tools=(Tool(name="f", parameters=schema),)).body
    assert older["tools"][0]["functionDeclarations"][0]["parameters"]["properties"]["b"]["items"] == free


@pytest.mark.parametrize(("model", "dropped"), [("gemini-2.5-pro", ("format",)), ("gemini-3-pro", ())])
def test_json_beside_tools(model: str, dropped: tuple[str, ...]) -> None:
    written = write(model=model, tools=(TOOL,), format=Format(kind="json"))
    assert written.dropped == dropped
    assert ("generationConfig" in written.body) == (not dropped)


def test_c47_web_search() -> None:
    written = write(web_search=WebSearch(allowed_domains=("a.example",)))
    assert written.body["tools"] == [{"googleSearch": {}}]
    assert written.dropped == ("web_search",)


def test_dropped() -> None:
    """C8, C9, C18, C42"""
    written = write(
        user("a"),
        model="gemini-2.0-flash",
        tool_choice=ToolChoice(mode="required"),
        parallel_tool_calls=False,
        thinking=Thinking(effort="low"),
        stop=("1", "2", "3", "4", "5", "6"),
        logit_bias={"1": 2.0},
        user="u",
        metadata={"a": "b"},
        service_tier="scale",
        verbosity="low",
        prompt_cache_key="k",
        others={"prediction": {}, "_array": True, "modalities": ["text", "audio"]},
    )
    assert written.dropped == (
        "tool_choice",
        "parallel_tool_calls",
        "thinking",
        "stop",
        "logit_bias",
        "user",
        "metadata",
        "service_tier",
        "verbosity",
        "prompt_cache_key",
        "prediction",
        "modalities",
    )
    assert written.body["generationConfig"] == {"stopSequences": ["1", "2", "3", "4", "5"]}


def test_safety_of_the_channel() -> None:
    chat = Chat(model="m", messages=(user("a"),), service_tier="flex")
    target = Target(model="gemini-2.5-pro", stream=True, options={"safety": "BLOCK_NONE"})
    body = GEMINI.write(chat, target).body
    assert {one["threshold"] for one in body["safetySettings"]} == {"BLOCK_NONE"}
    assert len(body["safetySettings"]) == 4
    assert body["serviceTier"] == "flex"
    own = msgspec.structs.replace(chat, others={"safety_settings": []})
    assert GEMINI.write(own, target).body["safetySettings"] == []
