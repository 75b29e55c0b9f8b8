"""Requests in the Responses format that cannot be read, and what their callers are told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import Chat
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.responses.format import RESPONSES

CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}


def operation() -> Operation:
    found = RESPONSES.operation("/responses")
    assert found is not None
    return found


def read(**fields: Any) -> Chat:
    return RESPONSES.read(operation(), msgspec.json.encode({"model": "m", "input": "Hi"} | fields))


def image(url: str) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]}


def item(**fields: Any) -> dict[str, Any]:
    return {"input": [fields]}


REFUSED = [
    pytest.param({"previous_response_id": "resp_1"}, "previous_response_not_found", "previous_response_id"),
    pytest.param({"conversation": "conv_1"}, "previous_response_not_found", "conversation"),
    pytest.param({"conversation": {"id": "conv_1"}}, "previous_response_not_found", "conversation"),
    pytest.param({"prompt": {"id": "p"}}, "unsupported_parameter", "prompt"),
    pytest.param({"background": True}, "unsupported_parameter", "background"),
    pytest.param({"input": None}, "missing_required_parameter", "input"),
    pytest.param({"model": None}, "missing_required_parameter", "model"),
    pytest.param({"temperature": "hot"}, "invalid_type", "temperature"),
    pytest.param({"reasoning": {"effort": "huge"}}, "invalid_type", "reasoning.effort"),
    pytest.param({"metadata": {"a": 1}}, "invalid_type", "metadata[]"),
    pytest.param({"tools": [{"type": "file_search", "filters": {"x": [1]}}]}, "unsupported_value", "tools[0].type"),
    pytest.param({"tools": [{"type": "mcp", "server_label": "s"}]}, "unsupported_value", "tools[0].type"),
    pytest.param({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
    pytest.param(
        {"tools": [{"type": "web_search", "external_web_access": False}]},
        "unsupported_value",
        "tools[0].external_web_access",
    ),
    pytest.param({"tool_choice": {"type": "file_search"}}, "unsupported_value", "tool_choice"),
    pytest.param({"tool_choice": {"type": "function"}}, "unsupported_value", "tool_choice"),
    pytest.param({"tool_choice": "sometimes"}, "invalid_type", "tool_choice"),
    pytest.param({"text": {"format": {"type": "json_schema"}}}, "missing_required_parameter", "text.format"),
    pytest.param(item(type="item_reference", id="msg_1"), "previous_response_not_found", "input[0]"),
    pytest.param(item(id="msg_1"), "previous_response_not_found", "input[0]"),
    pytest.param(item(type="compaction", encrypted_content="x"), "unsupported_value", "input[0]"),
    pytest.param(item(type="computer_call_output", output={"type": "x"}), "unsupported_value", "input[0]"),
    pytest.param(item(role="tool", content="x"), "invalid_value", "input[0].role"),
    pytest.param(item(role="user", content=[{"type": "x"}]), "invalid_value", "input[0].content[0].type"),
    pytest.param(item(role="user", content=[{"type": "refusal"}]), "invalid_value", "input[0].content[0].type"),
    pytest.param(item(role="user", content=7), "invalid_type", "input[0].content"),
    pytest.param(item(**OUTPUT), "invalid_value", "input[0]", id="C25-orphan"),
    pytest.param(item(type="function_call", name="f"), "missing_required_parameter", "input[0].call_id"),
    pytest.param(item(type="function_call", call_id="c"), "missing_required_parameter", "input[0].name"),
    pytest.param({"input": [CALL, OUTPUT | {"output": {}}]}, "invalid_type", "input[1].output"),
    pytest.param(image("ftp://a"), "invalid_value", "input[0].content[0].image_url"),
    pytest.param(image("data:image/png,abc"), "invalid_value", "input[0].content[0].image_url"),
    pytest.param(image("data:image/png;base64,a!"), "invalid_value", "input[0].content[0].image_url"),
    pytest.param(image(""), "missing_required_parameter", "input[0].content[0]"),
    pytest.param(
        item(role="user", content=[{"type": "input_audio"}]), "missing_required_parameter", "input[0].content[0]"
    ),
]


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED)
def test_refused_with_what_where_and_how(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert param.split("[")[0] in caught.value.message


BODIES = [
    b"",
    b"[]",
    b"\xff",
    b'{"model":"m","input":' + b"[" * 100_000,
    b'{"x":"\xff","model":"m","input":"a"}',
    b"nul",
]


@pytest.mark.parametrize("body", BODIES)
def test_bodies_that_are_none(body: bytes) -> None:
    with pytest.raises(BadRequest):
        RESPONSES.read(operation(), body)


def test_deep_fields_that_nobody_knows() -> None:
    with pytest.raises(BadRequest):
        RESPONSES.read(operation(), b'{"model":"m","input":"a","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}")


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["type", "role", "content", "call_id", "name", "arguments", "output", "summary", "input", "encrypted_content"]
)
KINDS = st.sampled_from(["message", "reasoning", "function_call", "function_call_output", "x", "image_generation_call"])


@given(st.lists(st.tuples(KINDS, st.dictionaries(NAMES, JSON, max_size=5)), max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_items_are_read_or_refused(items: list[tuple[str, dict[str, Any]]]) -> None:
    body = msgspec.json.encode({"model": "m", "input": [{"type": kind} | fields for kind, fields in items]})
    try:
        chat = RESPONSES.read(operation(), body)
    except BadRequest:
        return
    assert all(message.role in ("user", "assistant", "system", "tool") for message in chat.messages)
