"""Tools, sampling, thinking and the form of the answer: what each family of models takes, and what is dropped."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.bedrock.format import BEDROCK
from oneapi_asgi.wire.chat import (
    Chat,
    Format,
    Message,
    Reasoning,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from oneapi_asgi.wire.sealed import Signature

from .bedrock_sdk import ARN, LLAMA, NOVA, OLD_CLAUDE, SONNET, written

OPUS = "us.anthropic.claude-opus-4-6-v1"
NEWEST = "anthropic.claude-sonnet-5-v1:0"
OPUS_NEXT = "anthropic.claude-opus-4-7-v1:0"
SONNET_4 = "anthropic.claude-sonnet-4-20250514-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
GUARDRAIL = "arn:aws:bedrock:eu-west-1:123456789012:guardrail/abc"
GPT_OSS = "openai.gpt-oss-120b-1:0"
COMMAND = "cohere.command-r-plus-v1:0"
QWEN = "qwen.qwen3-235b-a22b-2507-v1:0"
USER = Message(role="user", parts=(Text(text="Hi"),))
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
FORMAT = Format(kind="schema", name="my answer", schema=SCHEMA, strict=True)
CLOCK = Tool(name="clock", parameters=SCHEMA)


def chat(**more: Any) -> Chat:
    return Chat(model="gpt", messages=more.pop("messages", (USER,)), **more)


def extra(given: Chat, model: str, **options: Any) -> tuple[Any, tuple[str, ...]]:
    body, dropped = written(given, model, **options)
    return body.get("additionalModelRequestFields"), dropped


# --- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "spec"),
    [
        pytest.param(
            Tool(name="f", description="d", parameters={"$schema": "x", "properties": {}}),
            {"name": "f", "description": "d", "inputSchema": {"json": {"properties": {}, "type": "object"}}},
            id="C10",
        ),
        pytest.param(
            Tool(name="f"),
            {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}},
            id="C15",
        ),
        pytest.param(
            Tool(name="f", description=" ", parameters=SCHEMA, strict=True),
            {"name": "f", "inputSchema": {"json": SCHEMA}, "strict": True},
            id="strict",
        ),
    ],
)
def test_c10_c15_tools(tool: Tool, spec: dict[str, Any]) -> None:
    body, _ = written(chat(tools=(tool,)))
    assert body["toolConfig"] == {"tools": [{"toolSpec": spec}]}
    older, _ = written(chat(tools=(tool,)), OLD_CLAUDE)
    assert "strict" not in older["toolConfig"]["tools"][0]["toolSpec"]


@pytest.mark.parametrize("name", ["a.b", "x" * 65, "é", ""])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="tool name") as raised:
        BEDROCK.write(chat(tools=(Tool(name=name),)), Target(model=SONNET, stream=False))
    assert raised.value.param == "tools"


@pytest.mark.parametrize(
    ("choice", "wanted", "offered"),
    [
        pytest.param(None, None, ["clock", "dice"], id="C16-unsaid"),
        pytest.param(ToolChoice(mode="auto"), {"auto": {}}, ["clock", "dice"], id="C16-auto"),
        pytest.param(ToolChoice(mode="required"), {"any": {}}, ["clock", "dice"], id="C16-required"),
        pytest.param(
            ToolChoice(mode="required", names=("dice",)), {"tool": {"name": "dice"}}, ["clock", "dice"], id="C16-named"
        ),
        pytest.param(ToolChoice(mode="auto", names=("dice",)), {"auto": {}}, ["dice"], id="C16-allowed"),
        pytest.param(
            ToolChoice(mode="required", names=("dice", "clock")), {"any": {}}, ["clock", "dice"], id="C16-of-some"
        ),
    ],
)
def test_c16_choice(choice: ToolChoice | None, wanted: Any, offered: list[str]) -> None:
    body, dropped = written(chat(tools=(CLOCK, Tool(name="dice")), tool_choice=choice))
    assert body["toolConfig"].get("toolChoice") == wanted
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == offered
    assert dropped == ()


def test_c17_no_choice_is_no_tools() -> None:
    body, dropped = written(chat(tools=(CLOCK,), tool_choice=ToolChoice(mode="none")))
    assert body == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert dropped == ()


def test_some_models_cannot_be_made_to_call() -> None:
    body, dropped = written(chat(tools=(CLOCK,), tool_choice=ToolChoice(mode="required")), LLAMA)
    assert "toolChoice" not in body["toolConfig"]
    assert dropped == ("tool_choice",)
    assert written(chat(tool_choice=ToolChoice(mode="auto")), LLAMA)[1] == ()


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_a_tool_that_is_not_there(mode: Any) -> None:
    given = chat(tools=(CLOCK,), tool_choice=ToolChoice(mode=mode, names=("dice",)))
    with pytest.raises(BadRequest, match="'dice'") as raised:
        BEDROCK.write(given, Target(model=SONNET, stream=False))
    assert raised.value.param == "tool_choice"


# --- sampling and the rest --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "inference"),
    [
        pytest.param({}, None, id="C5"),
        pytest.param({"max_output": 100}, {"maxTokens": 100}, id="C4"),
        pytest.param({"stop": ("a", "", " ", "b")}, {"stopSequences": ["a", "b"]}, id="C6"),
        pytest.param({"temperature": 0.0}, {"temperature": 0.0}, id="C7-zero"),
        pytest.param({"temperature": 1.8}, {"temperature": 1.0}, id="C7-clamped"),
        pytest.param({"top_p": 0.5}, {"topP": 0.5}, id="C7-top-p"),
    ],
)
def test_c4_to_c7_inference(more: dict[str, Any], inference: Any) -> None:
    body, dropped = written(chat(**more), NOVA)
    assert body.get("inferenceConfig") == inference
    assert dropped == ()


def test_what_is_dropped_is_named_in_order() -> None:
    given = chat(
        tools=(CLOCK,),
        parallel_tool_calls=False,
        web_search=WebSearch(),
        n=2,
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        logit_bias={"1": 1.0},
        logprobs=2,
        user="u",
        metadata={"a": 1},
        service_tier="scale",
        verbosity="low",
        prompt_cache_key="k",
        others={"prediction": {}, "modalities": ["text"]},
    )
    body, dropped = written(given)
    assert dropped == (
        "parallel_tool_calls",
        "web_search",
        "n",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "user",
        "metadata",
        "service_tier",
        "verbosity",
        "prompt_cache_key",
        "prediction",
        "modalities",
    )
    assert sorted(body) == ["messages", "toolConfig"]
    assert written(chat(parallel_tool_calls=True, include_usage=True, stream=True, n=1))[1] == ()


@pytest.mark.parametrize(
    ("model", "fields", "dropped"),
    [
        (SONNET, {"top_k": 5}, ("seed", "presence_penalty")),
        (NOVA, {"inferenceConfig": {"topK": 5}}, ("seed", "presence_penalty")),
        (COMMAND, {"k": 5, "seed": 7, "presence_penalty": 0.5}, ()),
        (QWEN, None, ("top_k", "seed", "presence_penalty")),
    ],
    ids=["claude", "nova", "command", "qwen"],
)
def test_c8_what_only_some_makers_know(model: str, fields: Any, dropped: tuple[str, ...]) -> None:
    assert extra(chat(top_k=5, seed=7, presence_penalty=0.5), model) == (fields, dropped)


@pytest.mark.parametrize(
    ("model", "kept", "dropped"),
    [
        (OLD_CLAUDE, {"temperature": 0.5, "topP": 0.9}, ()),
        (SONNET, {"temperature": 0.5}, ("top_p",)),
        (OPUS, {"temperature": 0.5}, ("top_p",)),
        (NEWEST, None, ("temperature", "top_p")),
        (OPUS_NEXT, None, ("temperature", "top_p")),
    ],
)
def test_newer_models_are_sampled_less(model: str, kept: Any, dropped: tuple[str, ...]) -> None:
    body, gone = written(chat(temperature=0.5, top_p=0.9), model)
    assert (body.get("inferenceConfig"), gone) == (kept, dropped)


@pytest.mark.parametrize(
    ("tier", "told", "dropped"),
    [
        ("auto", None, ()),
        ("default", {"type": "default"}, ()),
        ("flex", {"type": "flex"}, ()),
        ("priority", {"type": "priority"}, ()),
        ("fast", None, ("service_tier",)),
    ],
)
def test_tiers(tier: str, told: Any, dropped: tuple[str, ...]) -> None:
    body, gone = written(chat(service_tier=tier))
    assert (body.get("serviceTier"), gone) == (told, dropped)


def test_metadata_that_fits_is_kept() -> None:
    assert written(chat(metadata={"team": "a b", "id": ""}))[0]["requestMetadata"] == {"team": "a b", "id": ""}
    for metadata in ({"a": "ü"}, {"a": "x" * 257}, {str(at): "a" for at in range(17)}):
        body, dropped = written(chat(metadata=metadata))
        assert "requestMetadata" not in body
        assert dropped == ("metadata",)
    assert written(chat(metadata={}))[1] == ()


@pytest.mark.parametrize(
    ("guardrail", "identifier", "version"),
    [
        ("abc123", "abc123", "DRAFT"),
        ("abc123:7", "abc123", "7"),
        (GUARDRAIL, GUARDRAIL, "DRAFT"),
        (f"{GUARDRAIL}:2", GUARDRAIL, "2"),
    ],
)
def test_the_operators_guardrail(guardrail: str, identifier: str, version: str) -> None:
    body, _ = written(chat(), options={"guardrail": guardrail})
    assert body["guardrailConfig"] == {"guardrailIdentifier": identifier, "guardrailVersion": version}


def test_claude_tells_the_sequence_it_met() -> None:
    assert written(chat(stop=("x",)))[0]["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert "additionalModelResponseFieldPaths" not in written(chat(stop=("x",)), NOVA)[0]


# --- thinking ---------------------------------------------------------------------------------------------------------

ENABLED = {"type": "enabled"}


@pytest.mark.parametrize(
    ("model", "thinking", "fields", "output"),
    [
        pytest.param(SONNET, Thinking(effort="low"), {"thinking": ENABLED | {"budget_tokens": 2048}}, None, id="C35"),
        pytest.param(
            SONNET_4, Thinking(budget=5000), {"thinking": ENABLED | {"budget_tokens": 5000}}, None, id="budget"
        ),
        pytest.param(SONNET_4, Thinking(budget=10), {"thinking": ENABLED | {"budget_tokens": 1024}}, None, id="least"),
        pytest.param(SONNET_4, Thinking(budget=-1), {"thinking": ENABLED | {"budget_tokens": 8192}}, None, id="any"),
        pytest.param(OPUS, Thinking(effort="minimal"), {"thinking": {"type": "adaptive"}}, "low", id="C37-minimal"),
        pytest.param(OPUS, Thinking(effort="xhigh"), {"thinking": {"type": "adaptive"}}, "high", id="C37-xhigh"),
        pytest.param(OPUS, Thinking(budget=9000), {"thinking": {"type": "adaptive"}}, "high", id="C37-budget"),
        pytest.param(OPUS, Thinking(budget=-1), {"thinking": {"type": "adaptive"}}, None, id="C37-any"),
        pytest.param(NEWEST, Thinking(effort="xhigh"), {"thinking": {"type": "adaptive"}}, "xhigh", id="C37-newest"),
        pytest.param(
            NEWEST,
            Thinking(effort="max", shown=True),
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            "max",
            id="C37-shown",
        ),
        pytest.param(
            NOVA_2,
            Thinking(effort="max"),
            {"reasoningConfig": ENABLED | {"maxReasoningEffort": "high"}},
            None,
            id="nova",
        ),
        pytest.param(GPT_OSS, Thinking(effort="minimal"), {"reasoning_effort": "low"}, None, id="gpt-oss"),
        pytest.param(SONNET, Thinking(effort="none"), None, None, id="C38-budget"),
        pytest.param(OPUS, Thinking(budget=0), None, None, id="C38-adaptive"),
        pytest.param(SONNET, Thinking(shown=False), None, None, id="unsaid"),
    ],
)
def test_c35_to_c38_thinking(model: str, thinking: Thinking, fields: Any, output: str | None) -> None:
    body, dropped = written(chat(thinking=thinking), model)
    assert body.get("additionalModelRequestFields") == fields
    assert body.get("outputConfig") == ({"effort": output} if output else None)
    assert dropped == ()


@pytest.mark.parametrize(
    ("limit", "budget"),
    [(None, 16384), (20000, 16384), (16384, 12288), (4000, 3000), (1100, 1024), (1024, None), (100, None)],
)
@pytest.mark.parametrize("own", [True, False])
def test_c35_c76_the_budget_is_less_than_the_limit(limit: int | None, budget: int | None, own: bool) -> None:
    given = chat(thinking=Thinking(effort="high"), max_output=limit if own else None)
    fields, dropped = extra(given, SONNET, max_output=None if own else limit)
    if budget is None:
        assert (fields, dropped) == (None, ("thinking",))
    else:
        assert (fields["thinking"]["budget_tokens"], dropped) == (budget, ())


def test_c36_thinking_and_sampling() -> None:
    given = chat(thinking=Thinking(effort="low"), temperature=0.2, top_p=0.5, top_k=3)
    body, dropped = written(given)
    assert "inferenceConfig" not in body
    assert dropped == ("temperature", "top_p", "top_k")
    body, dropped = written(chat(thinking=Thinking(effort="low"), temperature=1.0, top_p=0.99), SONNET_4)
    assert (body["inferenceConfig"], dropped) == ({"topP": 0.99}, ())


def test_who_cannot_think_says_so() -> None:
    for model in (NOVA, LLAMA, OLD_CLAUDE, QWEN, ARN):
        assert extra(chat(thinking=Thinking(effort="low")), model) == (None, ("thinking",))
        assert extra(chat(thinking=Thinking(effort="none")), model) == (None, ())


def test_an_arn_may_be_named() -> None:
    fields, _ = extra(chat(thinking=Thinking(effort="low")), ARN, options={"base_model": SONNET})
    assert fields == {"thinking": ENABLED | {"budget_tokens": 2048}}


def test_thoughts_that_are_wanted_without_saying_how_many() -> None:
    for model in (SONNET, GPT_OSS, LLAMA):
        assert extra(chat(thinking=Thinking(shown=True)), model) == (None, ())
    assert extra(chat(thinking=Thinking(summary="auto")), OPUS)[0] == {"thinking": {"type": "adaptive"}}


def test_nova_thinks_hard_only_if_nothing_else_is_asked() -> None:
    fields, _ = extra(chat(thinking=Thinking(effort="high"), max_output=5), NOVA_2)
    assert fields["reasoningConfig"]["maxReasoningEffort"] == "medium"


def test_a_forced_tool_goes_before_thoughts() -> None:
    given = chat(thinking=Thinking(effort="low"), tools=(CLOCK,), tool_choice=ToolChoice(mode="required"))
    for model in (SONNET, OPUS):
        assert extra(given, model) == (None, ("thinking",))


@pytest.mark.parametrize(("signer", "thinks"), [(SONNET, True), (NOVA, False), (None, False)])
def test_no_thinking_amid_tools_without_the_first_thoughts(signer: str | None, thinks: bool) -> None:
    thought = Reasoning(text="Hm", signature=Signature("bedrock", signer, "c2ln") if signer else None)
    given = chat(
        messages=(
            USER,
            Message(role="assistant", parts=(thought, ToolCall(id="c", name="clock"))),
            Message(role="tool", parts=(ToolResult(call_id="c"),)),
        ),
        tools=(CLOCK,),
        thinking=Thinking(effort="low"),
    )
    fields, dropped = extra(given, SONNET)
    assert (fields is not None, dropped) == (thinks, () if thinks else ("thinking",))
    assert extra(given, OPUS)[0] is not None
    assert extra(chat(tools=(CLOCK,), thinking=Thinking(effort="low")), SONNET)[0] is not None


# --- the form of the answer -------------------------------------------------------------------------------------------


def test_c33_a_schema() -> None:
    body, dropped = written(chat(format=FORMAT))
    textual = body["outputConfig"]["textFormat"]
    assert textual["type"] == "json_schema"
    told = textual["structure"]["jsonSchema"]
    assert msgspec.json.decode(told.pop("schema")) == SCHEMA
    assert list(told) == ["name"]
    assert " " not in told["name"]
    assert dropped == ()


def test_c33_a_schema_by_a_forced_tool() -> None:
    body, dropped = written(chat(format=FORMAT), OLD_CLAUDE)
    ((spec,),) = [tool.values() for tool in body["toolConfig"]["tools"]]
    assert spec["inputSchema"] == {"json": SCHEMA}
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert dropped == ()


@pytest.mark.parametrize(
    ("more", "model"),
    [
        ({"tools": (CLOCK,)}, OLD_CLAUDE),
        ({"thinking": Thinking(effort="low")}, SONNET_4),
        ({}, LLAMA),
        ({"format": Format(kind="schema", schema={"anyOf": [SCHEMA]})}, OLD_CLAUDE),
    ],
)
def test_c33_a_schema_by_words(more: dict[str, Any], model: str) -> None:
    body, dropped = written(chat(**{"format": FORMAT} | more), model)
    assert '"required":["a"]' in body["system"][0]["text"]
    assert dropped == ()


@pytest.mark.parametrize("model", [SONNET, LLAMA])
def test_c34_json_of_any_form(model: str) -> None:
    body, dropped = written(chat(format=Format(kind="json")), model)
    assert "JSON object" in body["system"][0]["text"]
    assert dropped == ()
