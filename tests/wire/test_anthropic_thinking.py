"""Anthropic's Messages: how much is thought, and in which form it is answered, by model."""

from __future__ import annotations

from typing import Any

import pytest

from oneapi_asgi.wire.chat import Format, Message, Text, Thinking, Tool, ToolChoice

from .test_anthropic_write import OLD, chat, text, write

ADAPTIVE = {"type": "adaptive"}
FORCED: dict[str, Any] = {"tools": (Tool(name="f"),), "tool_choice": ToolChoice(mode="required")}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"]}
CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string", "description": "(minLength: 2)"}},
    "required": ["a"],
    "additionalProperties": False,
}


def budget(tokens: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens}


@pytest.mark.parametrize(
    ("model", "wanted", "fields", "thinking", "effort", "dropped"),
    [
        pytest.param(OLD, Thinking(effort="low"), {}, budget(2048), None, (), id="C35"),
        pytest.param(OLD, Thinking(effort="high"), {"max_output": 3000}, budget(1500), None, (), id="C35-half"),
        pytest.param(OLD, Thinking(effort="low"), {"max_output": 1100}, budget(1024), None, (), id="C35-least"),
        pytest.param(OLD, Thinking(effort="low"), {"max_output": 100}, None, None, ("thinking",), id="C35-C76-no-room"),
        pytest.param(OLD, Thinking(budget=5000), {"max_output": 4000}, budget(3999), None, (), id="budget lowered"),
        pytest.param(OLD, Thinking(budget=10), {}, budget(1024), None, (), id="budget raised"),
        pytest.param(OLD, Thinking(budget=-1), {}, budget(8192), None, (), id="as it likes"),
        pytest.param(OLD, Thinking(shown=True), {}, budget(8192), None, (), id="shown"),
        pytest.param(OLD, Thinking(shown=False), {}, None, None, (), id="hidden"),
        pytest.param(OLD, Thinking(effort="low"), {"temperature": 0.2}, budget(2048), None, ("temperature",), id="C36"),
        pytest.param(OLD, Thinking(effort="low"), {"temperature": 1.0}, budget(2048), None, (), id="C36-default"),
        pytest.param(OLD, Thinking(effort="low"), FORCED, None, None, ("thinking",), id="forced"),
        pytest.param(OLD, Thinking(effort="none"), {}, None, None, (), id="C38"),
        pytest.param(OLD, Thinking(budget=0), {}, None, None, (), id="C38-budget"),
        pytest.param("claude-3-5-haiku-latest", Thinking(effort="low"), {}, None, None, ("thinking",), id="cannot"),
        pytest.param("claude-3-5-haiku-latest", Thinking(effort="none"), {}, None, None, (), id="need not"),
        pytest.param("claude-opus-4-6", Thinking(effort="minimal"), {}, ADAPTIVE, "low", (), id="C37"),
        pytest.param("claude-opus-4-6", Thinking(effort="xhigh"), {}, ADAPTIVE, "high", (), id="C37-xhigh"),
        pytest.param("claude-opus-4-6", Thinking(budget=2000), {}, ADAPTIVE, "low", (), id="C37-budget"),
        pytest.param("claude-opus-4-6", Thinking(budget=-1), {}, ADAPTIVE, None, (), id="C37-as-it-likes"),
        pytest.param(
            "claude-opus-4-6",
            Thinking(effort="low"),
            {"temperature": 0.2},
            ADAPTIVE,
            "low",
            ("temperature",),
            id="C36-4.6",
        ),
        pytest.param("claude-opus-4-6", Thinking(effort="low"), FORCED, None, "low", ("thinking",), id="forced-4.6"),
        pytest.param(
            "claude-opus-4-8", Thinking(effort="xhigh"), FORCED, None, "xhigh", ("thinking",), id="forced-4.8"
        ),
        pytest.param("claude-opus-5", Thinking(effort="low"), FORCED, None, "low", (), id="forced-5"),
        pytest.param(
            "claude-opus-4-8",
            Thinking(effort="max", shown=True),
            {},
            ADAPTIVE | {"display": "summarized"},
            "max",
            (),
            id="shown-4.8",
        ),
        pytest.param("claude-opus-4-8", Thinking(shown=False), {}, None, None, (), id="hidden-4.8"),
        pytest.param(
            "claude-opus-5", Thinking(shown=False), {}, ADAPTIVE | {"display": "omitted"}, None, (), id="hidden-5"
        ),
        pytest.param("claude-opus-4-8", Thinking(effort="none"), {}, None, None, (), id="C38-4.8"),
        pytest.param("claude-opus-5", Thinking(effort="none"), {}, {"type": "disabled"}, None, (), id="C38-5"),
        pytest.param("claude-haiku-5-5", Thinking(effort="none"), {}, {"type": "disabled"}, None, (), id="C38-haiku"),
        pytest.param(
            "claude-sonnet-5-5", Thinking(effort="none"), {}, {"type": "between_tools"}, None, (), id="C38-5.5"
        ),
        pytest.param("claude-fable-5", Thinking(effort="none"), {}, None, "low", ("thinking",), id="C38-always"),
        pytest.param("glm-5", Thinking(effort="low"), {}, budget(2048), None, (), id="stranger"),
    ],
)
def test_thinking(
    model: str,
    wanted: Thinking,
    fields: dict[str, Any],
    thinking: dict[str, Any] | None,
    effort: str | None,
    dropped: tuple[str, ...],
) -> None:
    written = write(chat(thinking=wanted, **fields), model)
    assert written.body.get("thinking") == thinking
    assert written.body.get("output_config", {}).get("effort") == effort
    assert written.dropped == dropped
    if thinking and "budget_tokens" in thinking:
        assert 1024 <= thinking["budget_tokens"] < written.body["max_tokens"]


def test_an_answer_that_has_begun_is_not_thought_about() -> None:
    begun = Message(role="assistant", parts=(Text(text="b"),))
    written = write(chat(Message(role="user", parts=(Text(text="a"),)), begun, thinking=Thinking(effort="low")))
    assert "thinking" not in written.body
    assert written.dropped == ("thinking",)


JSON = Format(kind="json")
STRICT = Format(kind="schema", schema=SCHEMA | {"$schema": "x"}, description="It.")
FORMAT = {"type": "json_schema", "schema": CLOSED}


@pytest.mark.parametrize(
    ("model", "wanted", "fields", "expected"),
    [
        pytest.param("claude-opus-4-5", STRICT, {}, {"output_config": {"format": FORMAT}}, id="C33"),
        pytest.param("claude-opus-5-5", STRICT, FORCED, {"output_config": {"format": FORMAT}}, id="C33-with-tools"),
        pytest.param("claude-opus-4-5", JSON, {}, {"system": "Answer with one JSON object"}, id="C34"),
        pytest.param(OLD, JSON, {}, {"system": "Answer with one JSON object"}, id="C34-old"),
        pytest.param(OLD, STRICT, FORCED, {"system": "Answer with JSON of the following schema"}, id="C33-old-tools"),
        pytest.param(
            OLD,
            STRICT,
            {"thinking": Thinking(effort="low")},
            {"system": "Answer with JSON of the"},
            id="C33-old-thinks",
        ),
        pytest.param(
            OLD,
            Format(kind="schema", schema={"type": "array"}),
            {},
            {"system": "Answer with JSON of the"},
            id="C33-array",
        ),
    ],
)
def test_formats(model: str, wanted: Format, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    written = write(chat(format=wanted, **fields), model).body
    assert written.get("output_config") == expected.get("output_config")
    said = written["system"][0]["text"] if "system" in expected else ""
    assert said.startswith(expected.get("system", ""))


def test_old_models_answer_in_a_tool() -> None:  # C33
    written = write(chat(format=STRICT), OLD).body
    name = written["tools"][0]["name"]
    assert written["tools"] == [{"name": name, "description": "It.", "input_schema": SCHEMA}]
    assert written["tool_choice"] == {"type": "tool", "name": name}
    quirk = write(chat(format=STRICT), "claude-opus-4-5", quirks=frozenset({"no_json_schema"})).body
    assert quirk["tool_choice"] == {"type": "tool", "name": name}


def test_schemas_are_told_where_they_cannot_be_enforced() -> None:
    schema = {
        "$defs": {"s": {"type": ["object", "null"], "patternProperties": {"a": {}}}},
        "oneOf": [{"$ref": "#/$defs/s"}, True],
        "properties": {"minimum": {"type": "string", "format": "phone", "enum": ["minimum"]}},
        "items": {"type": "array", "minItems": 1, "items": {"minItems": 2}},
    }
    written = write(chat(format=Format(kind="schema", schema=schema)), "claude-opus-5").body
    assert written["output_config"]["format"]["schema"] == {
        "$defs": {
            "s": {
                "type": ["object", "null"],
                "additionalProperties": False,
                "description": '(patternProperties: {"a":{}})',
            }
        },
        "anyOf": [{"$ref": "#/$defs/s"}, True],
        "properties": {"minimum": {"type": "string", "enum": ["minimum"], "description": '(format: "phone")'}},
        "items": {"type": "array", "minItems": 1, "items": {"description": "(minItems: 2)"}},
        "additionalProperties": False,
    }


def test_only_the_last_four_marks_are_kept() -> None:  # C42
    parts = tuple(Text(text=word, cache="1h") for word in "abcde")
    told = Message(role="system", parts=(Text(text="S", cache="5m"),))
    asked = chat(told, Message(role="user", parts=parts), tools=(Tool(name="f", cache="5m"),))
    written = write(asked).body
    assert not [block for block in (*written["tools"], *written["system"]) if "cache_control" in block]
    assert [block["text"] for block in written["messages"][0]["content"] if "cache_control" in block] == [*"bcde"]


def test_what_is_said_in_words_comes_last() -> None:
    first = Message(role="system", parts=(Text(text="First."),))
    hello = Message(role="user", parts=(Text(text="Hi"),))
    system = write(chat(first, hello, format=JSON)).body["system"]
    assert system[0] == text("First.")
    assert len(system) == 2
