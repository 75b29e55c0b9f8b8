"""Chat completions as upstreams are asked: what OpenAI's own models take, and what each quirk of a provider changes."""

from __future__ import annotations

import copy
from typing import Any, cast

import msgspec
import pytest

from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Format,
    Message,
    Part,
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
from oneapi_asgi.wire.openai.chat import write_chat

F, G = Tool(name="f", parameters={"type": "object"}), Tool(name="g")
SHELL = Tool(name="shell", custom=True, grammar={"type": "text"})
SCHEMA = Format(kind="schema", schema={"type": "object"}, strict=True)


def user(*parts: Part | str) -> Message:
    return Message(role="user", parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def called(*calls: ToolCall, before: tuple[Part, ...] = ()) -> Message:
    return Message(role="assistant", parts=(*before, *calls))


def result(call_id: str, *parts: Text | File, **more: Any) -> Message:
    return Message(role="tool", parts=(ToolResult(call_id=call_id, parts=parts, **more),))


def write(*messages: Message, quirks: str = "", model: str = "m", target: Any = None, **fields: Any) -> Written:
    chat = Chat(model="asked", messages=messages or (user("Hi"),), **fields)
    before = copy.deepcopy(chat)
    aim = Target(model=model, stream=fields.get("stream", False), quirks=frozenset(quirks.split()), **(target or {}))
    written = write_chat(chat, aim)
    assert chat == before, "P1: nothing that came in is changed"
    msgspec.json.encode(written.body)
    return written


def messages(*given: Message, quirks: str = "", **more: Any) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", write(*given, quirks=quirks, **more).body["messages"])


def test_the_least_request() -> None:
    assert write() == Written(body={"model": "m", "messages": [{"role": "user", "content": "Hi"}]})


@pytest.mark.parametrize(
    ("fields", "quirks", "expected", "dropped"),
    [
        pytest.param({"max_output": 9}, "", {"max_tokens": 9}, (), id="C4"),
        pytest.param({"max_output": 9}, "max_completion_tokens", {"max_completion_tokens": 9}, (), id="C4-new"),
        pytest.param({"stop": ("a", "b")}, "", {"stop": ["a", "b"]}, (), id="C6"),
        pytest.param({"stop": tuple("abcde")}, "", {"stop": list("abcd")}, ("stop",), id="C69-five-stops"),
        pytest.param({"stop": ("a",)}, "no_stop", {}, ("stop",), id="no-stop"),
        pytest.param({"temperature": 1.8, "top_p": 0.5}, "", {"temperature": 1.8, "top_p": 0.5}, (), id="C7"),
        pytest.param({"top_p": 1.0}, "top_p_below_one", {}, (), id="top_p-one"),
        pytest.param({"top_p": 0.9}, "top_p_below_one", {"top_p": 0.9}, (), id="top_p-below-one"),
        pytest.param({"top_k": 3}, "", {}, ("top_k",), id="C69-top_k"),
        pytest.param({"top_k": 3}, "top_k", {"top_k": 3}, (), id="top_k"),
        pytest.param(
            {"seed": 1, "n": 2, "presence_penalty": 1.0, "frequency_penalty": 0.5, "logprobs": 3},
            "",
            {
                "seed": 1,
                "n": 2,
                "presence_penalty": 1.0,
                "frequency_penalty": 0.5,
                "logprobs": True,
                "top_logprobs": 3,
            },
            (),
            id="C8",
        ),
        pytest.param(
            {"seed": 1, "n": 2, "presence_penalty": 1.0, "frequency_penalty": 0.5, "logprobs": 3},
            "no_penalties no_n no_seed no_logprobs",
            {},
            ("n", "seed", "presence_penalty", "frequency_penalty", "logprobs"),
            id="C8-dropped-in-order",
        ),
        pytest.param({"seed": 1}, "random_seed", {"random_seed": 1}, (), id="seed"),
        pytest.param(
            {
                "user": "u",
                "metadata": {"a": "b"},
                "logit_bias": {"5": 1.0},
                "verbosity": "low",
                "prompt_cache_key": "k",
            },
            "",
            {
                "user": "u",
                "metadata": {"a": "b"},
                "logit_bias": {"5": 1.0},
                "verbosity": "low",
                "prompt_cache_key": "k",
            },
            (),
            id="C9-plain",
        ),
        pytest.param({"service_tier": "standard_only"}, "", {"service_tier": "default"}, (), id="tier"),
        pytest.param({"service_tier": "made_up"}, "", {}, ("service_tier",), id="unknown-tier"),
        pytest.param({"stream": True}, "", {"stream": True}, (), id="stream"),
        pytest.param(
            {"stream": True},
            "usage_option",
            {"stream": True, "stream_options": {"include_usage": True}},
            (),
            id="usage",
        ),
        pytest.param({"web_search": WebSearch()}, "", {}, ("web_search",), id="no-search"),
        pytest.param(
            {"web_search": WebSearch(context_size="low", location={"city": "Paris"})},
            "web_search_options",
            {
                "web_search_options": {
                    "search_context_size": "low",
                    "user_location": {"type": "approximate", "approximate": {"city": "Paris"}},
                }
            },
            (),
            id="C47",
        ),
        pytest.param(
            {"web_search": WebSearch(max_uses=3)},
            "web_search_options",
            {"web_search_options": {}},
            ("web_search",),
            id="C47-limits-are-lost",
        ),
        pytest.param(
            {"web_search": WebSearch(blocked_domains=("a.example",))},
            "web_search_options",
            {"web_search_options": {}},
            ("web_search",),
            id="C47-domains-are-lost",
        ),
        pytest.param({"thinking": Thinking(effort="low")}, "", {}, ("thinking",), id="thinking-dropped"),
        pytest.param(
            {"thinking": Thinking(budget=9000)}, "reasoning_effort", {"reasoning_effort": "high"}, (), id="C35-effort"
        ),
        pytest.param(
            {"thinking": Thinking(budget=0)}, "thinking_type", {"thinking": {"type": "disabled"}}, (), id="C38"
        ),
        pytest.param(
            {"thinking": Thinking(effort="none")},
            "thinking_type reasoning_effort",
            {"thinking": {"type": "disabled"}},
            (),
            id="C38-switch-alone",
        ),
        pytest.param(
            {"thinking": Thinking(effort="low")},
            "thinking_type reasoning_effort",
            {"reasoning_effort": "low", "thinking": {"type": "enabled"}},
            (),
            id="C35-both",
        ),
        pytest.param(
            {"thinking": Thinking(budget=-1)}, "thinking_type", {"thinking": {"type": "enabled"}}, (), id="type"
        ),
        pytest.param(
            {"thinking": Thinking(budget=50)},
            "enable_thinking",
            {"enable_thinking": True, "thinking_budget": 50},
            (),
            id="flag",
        ),
        pytest.param(
            {"thinking": Thinking(effort="none")}, "enable_thinking", {"enable_thinking": False}, (), id="flag-off"
        ),
        pytest.param(
            {"thinking": Thinking(budget=50, shown=False)},
            "reasoning_object",
            {"reasoning": {"max_tokens": 50, "exclude": True}},
            (),
            id="object-budget",
        ),
        pytest.param(
            {"thinking": Thinking(effort="low")}, "reasoning_object", {"reasoning": {"effort": "low"}}, (), id="object"
        ),
        pytest.param(
            {"others": {"store": True, "safety_settings": []}},
            "",
            {},
            ("store", "safety_settings"),
            id="others-dropped",
        ),
        pytest.param(
            {"others": {"store": True, "safety_settings": []}},
            "rare_fields",
            {"store": True},
            ("safety_settings",),
            id="others",
        ),
        pytest.param({"functions": True, "include_usage": True}, "", {}, (), id="C27-nothing-lost"),
    ],
)
def test_fields(fields: dict[str, Any], quirks: str, expected: dict[str, Any], dropped: tuple[str, ...]) -> None:
    written = write(quirks=quirks, **fields)
    body = {key: value for key, value in written.body.items() if key not in ("model", "messages")}
    assert body == expected
    assert written.dropped == dropped


def test_no_more_output_is_asked_than_the_model_has() -> None:
    assert write(max_output=64_000, target={"max_output": 4096}).body["max_tokens"] == 4096


REASONING = "reasoning_effort developer_role"
SAMPLING: dict[str, Any] = {"temperature": 0.2, "top_p": 0.5, "presence_penalty": 1.0, "logprobs": 1}
BRIEF = Message(role="system", parts=(Text(text="Be brief"),))


@pytest.mark.parametrize(
    "model", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5.4-nano", "gpt-6-astra", "x/o3"]
)
def test_c46_models_that_reason(model: str) -> None:
    written = write(BRIEF, user("Hi"), quirks=REASONING, model=model, max_output=9, stop=("a",), **SAMPLING)
    assert written.body == {
        "model": model,
        "messages": [{"role": "developer", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
    }
    assert written.dropped == ("temperature", "top_p", "stop", "presence_penalty", "logprobs")


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "ft:gpt-4o:a", "o-model", "oreo"])
def test_c46_models_that_do_not(model: str) -> None:
    written = write(BRIEF, quirks=REASONING, model=model, max_output=9, temperature=0.2)
    assert written.body["messages"][0]["role"] == "system"
    assert (written.body["max_tokens"], written.body["temperature"]) == (9, 0.2)


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("o3", "minimal", "low"),
        ("o3", "max", "high"),
        ("gpt-5", "none", "minimal"),
        ("gpt-5-mini", "xhigh", "high"),
        ("gpt-5.4", "max", "xhigh"),
        ("gpt-5.4", "none", "none"),
        ("gpt-6-astra", "none", "low"),
        ("gpt-6.1-sol", "none", "low"),
        ("gpt-6.2-sol", "none", "low"),
        ("gpt-6-sol", "none", "none"),
        ("grok-4", "max", "max"),
        ("gpt-4o", "low", None),
    ],
)
def test_c46_the_nearest_effort(model: str, effort: Any, expected: str | None) -> None:
    written = write(quirks="reasoning_effort", model=model, thinking=Thinking(effort=effort))
    assert written.body.get("reasoning_effort") == expected
    assert written.dropped == (("thinking",) if expected is None else ())


def test_c46_a_model_that_is_not_to_reason_takes_sampling() -> None:
    written = write(quirks="reasoning_effort", model="gpt-5.4", thinking=Thinking(effort="none"), temperature=0.2)
    assert written.body["temperature"] == 0.2


def test_c46_the_oldest_take_no_parallel_tool_calls() -> None:
    written = write(model="o3-mini", tools=(F,), parallel_tool_calls=False)
    assert written.dropped == ("parallel_tool_calls",)


EMPTY = {"type": "object", "properties": {}}
F_WRITTEN = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
G_WRITTEN = {"type": "function", "function": {"name": "g", "parameters": EMPTY}}


@pytest.mark.parametrize(
    ("choice", "tools", "written"),
    [
        pytest.param(ToolChoice(mode="auto"), [F_WRITTEN, G_WRITTEN], "auto", id="C16-auto"),
        pytest.param(ToolChoice(mode="none"), [F_WRITTEN, G_WRITTEN], "none", id="C16-none"),
        pytest.param(ToolChoice(mode="required"), [F_WRITTEN, G_WRITTEN], "required", id="C16-required"),
        pytest.param(
            ToolChoice(mode="required", names=("g",)),
            [F_WRITTEN, G_WRITTEN],
            {"type": "function", "function": {"name": "g"}},
            id="C16-named",
        ),
        pytest.param(ToolChoice(mode="auto", names=("g",)), [G_WRITTEN], "auto", id="C16-allowed"),
    ],
)
def test_c10_c15_tools(choice: ToolChoice, tools: list[Any], written: Any) -> None:
    body = write(tools=(F, G), tool_choice=choice, parallel_tool_calls=False).body
    assert (body["tools"], body["tool_choice"], body["parallel_tool_calls"]) == (tools, written, False)


def test_without_tools_nothing_is_said_of_them() -> None:
    written = write(tool_choice=ToolChoice(mode="auto"), parallel_tool_calls=True)
    assert (set(written.body), list(written.dropped)) == ({"model", "messages"}, [])
    assert write(quirks="no_parallel_tool_calls", tools=(F,), parallel_tool_calls=True).dropped == (
        "parallel_tool_calls",
    )


def test_tools_of_free_text() -> None:
    call = ToolCall(id="call_1", name="shell", arguments="ls", custom=True)
    history = (user("?"), called(call), result("call_1", Text(text="a.txt"), custom=True))
    choice = ToolChoice(mode="required", names=("shell",))
    own = write(*history, quirks="custom_tools", tools=(SHELL,), tool_choice=choice).body
    assert own["tools"] == [{"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}}]
    assert own["tool_choice"] == {"type": "custom", "custom": {"name": "shell"}}
    assert own["messages"][1]["tool_calls"] == [
        {"id": "call_1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    ]
    other = write(*history, tools=(SHELL,), tool_choice=choice).body
    assert other["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert other["tool_choice"]["type"] == "function"
    assert other["messages"][1]["tool_calls"][0]["function"] == {"name": "shell", "arguments": '{"input":"ls"}'}


def test_c33_schemas() -> None:
    assert write(format=SCHEMA).body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }


@pytest.mark.parametrize(("quirks", "stream"), [("no_json_schema", False), ("no_streamed_schema", True)])
def test_c34_where_there_are_no_schemas_the_model_is_told(quirks: str, stream: bool) -> None:
    written = write(BRIEF, user("Hi"), quirks=quirks, format=SCHEMA, stream=stream)
    assert written.body["response_format"] == {"type": "json_object"}
    roles = [message["role"] for message in written.body["messages"]]
    assert (roles, written.dropped) == (["system", "system", "user"], ())
    assert '{"type":"object"}' in written.body["messages"][1]["content"]
    assert write(quirks="no_streamed_schema", format=SCHEMA).body["response_format"]["type"] == "json_schema"


def test_c34_the_word_json_is_said() -> None:
    wanted = Format(kind="json")
    assert [message["content"] for message in messages(user("Hi"), format=wanted)] == [
        "Answer with one JSON object.",
        "Hi",
    ]
    assert messages(user("As JSON"), format=wanted) == [{"role": "user", "content": "As JSON"}]
