"""Turns joined, and histories of tool calls that every provider takes."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import (
    Chat,
    Message,
    Part,
    Role,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
    check_calls,
    turns,
)
from oneapi_asgi.wire.dialects import UPSTREAMS
from oneapi_asgi.wire.thinking import EFFORTS, budget_of, effort_of


def said(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


def calls(*ids: str) -> Message:
    return said("assistant", *(ToolCall(id=call_id, name=f"tool {call_id}") for call_id in ids))


def result(call_id: str) -> Message:
    return said("tool", ToolResult(call_id=call_id))


def chat(*messages: Message) -> Chat:
    return Chat(model="m", messages=messages)


A, B, C, D = (Text(text=letter) for letter in "abcd")
RESULT = ToolResult(call_id="1")


@pytest.mark.parametrize(
    ("messages", "joined"),
    [
        ([], []),
        ([said("user", A)], [("user", [A])]),
        ([said("user", A), said("user", B, C), said("assistant", D)], [("user", [A, B, C]), ("assistant", [D])]),
        (
            [said("assistant", A), said("tool", RESULT), said("tool", RESULT), said("user", B)],
            [("assistant", [A]), ("user", [RESULT, RESULT, B])],
        ),
        (
            [said("system", A), said("system", B), said("user", C), said("system", D)],
            [("system", [A, B]), ("user", [C]), ("system", [D])],
        ),
        ([said("user"), said("assistant")], [("user", []), ("assistant", [])]),
    ],
)
def test_turns(messages: list[Message], joined: list[tuple[Role, list[Part]]]) -> None:
    assert list(turns(messages)) == joined


def test_many_messages_of_one_side_are_joined_in_linear_time() -> None:
    """As many as a body of some megabytes holds."""
    messages = [said("user", A)] * 200_000
    started = time.perf_counter()
    ((_, parts),) = turns(messages)
    assert len(parts) == 200_000
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="nothing"),
        pytest.param([said("user", A), calls("1"), result("1")], id="one"),
        pytest.param([calls("1", "2"), result("2"), result("1"), said("user", A)], id="any order"),
        pytest.param([calls("1"), result("1"), calls("1"), result("1")], id="an id again"),
        pytest.param(
            [calls("1"), said("tool", ToolResult(call_id="1"), Text(text="aside"))], id="more than the result"
        ),
        pytest.param([said("assistant", ToolCall(id="1", name="")), result("1")], id="no name"),
        pytest.param([said("assistant", ToolCall(id="", name="f")), result("")], id="no id"),
    ],
)
def test_histories_that_are_whole(messages: list[Message]) -> None:
    check_calls(chat(*messages))


@pytest.mark.parametrize(
    ("messages", "param", "named"),
    [
        pytest.param([calls("1")], "messages", "'1' of 'tool 1' has no result", id="no result"),
        pytest.param([calls("1"), said("user", A), result("1")], "messages", "'1'", id="too late"),
        pytest.param([calls("1", "2"), result("1")], "messages", "'2'", id="one of two"),
        pytest.param(
            [calls("1", "2"), result("1"), calls("3"), result("3")], "messages", "'2'", id="one of two, then on"
        ),
        pytest.param([said("user", A), result("9")], "messages[1]", "message 1 answers the tool call '9'", id="orphan"),
        pytest.param([calls("1"), result("1"), result("1")], "messages[2]", "message 2", id="twice"),
        pytest.param([calls("1"), result("2")], "messages[1]", "'2', which is not open", id="another"),
    ],
)
def test_histories_that_are_not(messages: list[Message], param: str, named: str) -> None:
    with pytest.raises(BadRequest) as caught:
        check_calls(chat(*messages))
    assert (caught.value.param, caught.value.code) == (param, "invalid_value")
    assert named in caught.value.message


@pytest.mark.parametrize("dialect", ["anthropic", "bedrock", "cohere", "gemini", "ollama"])
def test_c16_a_tool_that_is_not_there_cannot_be_chosen(dialect: str) -> None:
    upstream, target = UPSTREAMS[dialect], Target(model="m", stream=False)
    choice = ToolChoice(mode="required", names=("g",))
    asked = Chat(model="m", messages=(said("user", A),), tools=(Tool(name="f"),), tool_choice=choice)
    with pytest.raises(BadRequest, match="'g', which is not among the tools") as caught:
        upstream.write(asked, target)
    assert caught.value.param == "tool_choice"


def test_c16_a_search_has_a_name_that_is_the_formats_own() -> None:
    choice = ToolChoice(mode="required", names=("web_search",))
    asked = Chat(model="m", messages=(said("user", A),), tools=(Tool(name="f"),), tool_choice=choice)
    body = UPSTREAMS["anthropic"].write(replace(asked, web_search=WebSearch()), Target(model="m", stream=False)).body
    assert body["tool_choice"] == {"type": "tool", "name": "web_search"}


@pytest.mark.parametrize(
    ("thinking", "budget", "effort"),
    [
        (Thinking(), None, None),
        (Thinking(shown=True), None, None),
        (Thinking(effort="none"), 0, "none"),
        (Thinking(effort="max"), 32768, "max"),
        (Thinking(budget=-1), None, "medium"),
        (Thinking(budget=0), 0, "none"),
        (Thinking(budget=1), 1, "low"),
        (Thinking(budget=2048), 2048, "low"),
        (Thinking(budget=8192), 8192, "medium"),
        (Thinking(budget=8193), 8193, "high"),
        (Thinking(effort="low", budget=9000), 9000, "low"),
        (Thinking(effort="high", budget=-1), 16384, "high"),
    ],
)
def test_budgets_and_efforts(thinking: Thinking, budget: int | None, effort: str | None) -> None:
    assert (budget_of(thinking), effort_of(thinking)) == (budget, effort)


def test_more_effort_is_a_larger_budget() -> None:
    budgets = [budget_of(Thinking(effort=effort)) for effort in EFFORTS]
    assert budgets == sorted(set(budgets), key=lambda budget: budget or 0)
