"""Anthropic's Messages: requests as they are written."""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from msgspec.structs import replace
from pydantic import ConfigDict, TypeAdapter, with_config

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.anthropic.format import ANTHROPIC
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
    ToolResult,
    Written,
)
from oneapi_asgi.wire.sealed import Signature

OLD = "claude-sonnet-4-20250514"
PNG = base64.b64encode(b"png").decode()
TOOL = Tool(name="f", description="F.", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})
OTHER = Tool(name="g")

_request: TypeAdapter[Any] = TypeAdapter(
    with_config(ConfigDict(arbitrary_types_allowed=True))(MessageCreateParamsNonStreaming)
)


def drained(value: Any) -> None:
    """Iterables of the SDK's types are looked at when they are walked through."""
    if isinstance(value, Mapping):
        for inner in value.values():
            drained(inner)
    elif not isinstance(value, str | bytes | int | float | bool | None):
        for inner in value:
            drained(inner)


def message(role: Role, *parts: Part | str) -> Message:
    return Message(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def called(call_id: str = "call_1", name: str = "f", arguments: str = '{"a": 1}') -> Message:
    return message("assistant", ToolCall(id=call_id, name=name, arguments=arguments))


def result(call_id: str = "call_1", *parts: Text | File, error: bool = False) -> Message:
    return message("tool", ToolResult(call_id=call_id, parts=parts or (Text(text="ok"),), error=error))


def chat(*messages: Message, **fields: Any) -> Chat:
    return Chat(model="m", messages=messages or (message("user", "Hi"),), **fields)


def write(asked: Chat, model: str = OLD, **target: Any) -> Written:
    before = copy.deepcopy(asked)
    target.setdefault("stream", False)
    written = ANTHROPIC.write(asked, Target(model=model, **target))
    assert asked == before  # P1
    drained(_request.validate_python(written.body | {"stream": False}))
    msgspec.json.encode(written.body)
    return written


def body(asked: Chat, model: str = OLD, **target: Any) -> dict[str, Any]:
    return write(asked, model, **target).body


def turns(*messages: Message, model: str = OLD, **fields: Any) -> list[tuple[str, Any]]:
    return [(turn["role"], turn["content"]) for turn in body(chat(*messages, **fields), model)["messages"]]


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def test_the_least() -> None:
    assert body(chat()) == {
        "model": OLD,
        "max_tokens": 64_000,
        "messages": [{"role": "user", "content": [text("Hi")]}],
    }
    assert body(chat(), stream=True)["stream"] is True


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            (message("system", "A"), message("system", Text(text="B", cache="1h")), message("user", "Hi")),
            (
                [text("A"), text("B", cache_control={"type": "ephemeral", "ttl": "1h"})],
                [("user", [text("Hi")])],
            ),
            id="C1-C42",
        ),
        pytest.param(
            (message("user", "Hi"), message("system", "Now"), message("user", "Go")),
            ([], [("user", [text("Hi"), text("<system>\nNow\n</system>"), text("Go")])]),
            id="C2",
        ),
        pytest.param(
            (message("user", "a"), message("user", "b"), message("assistant", "c"), message("assistant", "d ")),
            ([], [("user", [text("a"), text("b")]), ("assistant", [text("c"), text("d")])]),
            id="C3-C45",
        ),
        pytest.param(
            (message("user", "a", "", " \n"), message("assistant", ""), message("user", "b")),
            ([], [("user", [text("a"), text("b")])]),
            id="C43",
        ),
        pytest.param(
            (message("assistant", "Welcome"), message("user", "Hi")),
            (
                [],
                [
                    ("user", [text("(The conversation begins with what you said.)")]),
                    ("assistant", [text("Welcome")]),
                    ("user", [text("Hi")]),
                ],
            ),
            id="the assistant first",
        ),
        pytest.param(
            (message("user", "a"), message("assistant", Refusal(text="No.")), message("user", "b")),
            ([], [("user", [text("a")]), ("assistant", [text("No.")]), ("user", [text("b")])]),
            id="refusal",
        ),
    ],
)
def test_conversations(given: tuple[Message, ...], expected: tuple[Any, Any]) -> None:
    written = body(chat(*given))
    system, messages = expected
    assert written.get("system", []) == system
    assert [(turn["role"], turn["content"]) for turn in written["messages"]] == messages


@pytest.mark.parametrize(
    ("model", "quirks", "roles"),
    [
        ("claude-opus-4-8", (), ["user", "system", "assistant", "user"]),
        ("claude-sonnet-5-5", (), ["user", "system", "assistant", "user"]),
        ("claude-opus-4-8", ("no_system_turns",), ["user", "assistant", "user"]),
        ("claude-opus-4-7", (), ["user", "assistant", "user"]),
    ],
)
def test_instructions_within_the_conversation_stay_there_where_they_may(  # C2
    model: str, quirks: tuple[str, ...], roles: list[str]
) -> None:
    asked = chat(
        message("user", "a"),
        message("system", "s"),
        message("assistant", "b"),
        message("system", "t"),
        message("user", "c"),
    )
    written = body(asked, model, quirks=frozenset(quirks))["messages"]
    assert [turn["role"] for turn in written] == roles
    assert written[-1]["content"] == [text("<system>\nt\n</system>"), text("c")]  # not after an assistant's turn


@pytest.mark.parametrize(
    ("fields", "expected", "dropped"),
    [
        pytest.param({"max_output": 100}, {"max_tokens": 100}, (), id="C4"),
        pytest.param({"max_output": 0}, {"max_tokens": 0}, (), id="C4-fill-cache"),
        pytest.param({"stop": ("a", "\n")}, {"stop_sequences": ["a"]}, ("stop",), id="C6"),
        pytest.param({"temperature": 1.8}, {"temperature": 1.0}, (), id="C7"),
        pytest.param(
            {"temperature": 0.0, "top_p": 0.5, "top_k": 3}, {"temperature": 0.0, "top_k": 3}, ("top_p",), id="C7-one"
        ),
        pytest.param({"top_p": 0.5}, {"top_p": 0.5}, (), id="C7-top_p"),
        pytest.param(
            {"seed": 0, "n": 2, "logprobs": 0, "presence_penalty": 1.0, "frequency_penalty": 0.0, "logit_bias": {}},
            {},
            ("n", "seed", "presence_penalty", "logit_bias", "logprobs"),
            id="C8",
        ),
        pytest.param({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}, (), id="C9"),
        pytest.param({"user": "a@b.c"}, {}, ("user",), id="C9-mail"),
        pytest.param({"others": {"safety_identifier": "s"}}, {"metadata": {"user_id": "s"}}, (), id="C9-safety"),
        pytest.param({"others": {"safety_identifier": "s@"}}, {}, ("safety_identifier",), id="C9-safety-mail"),
        pytest.param(
            {"user": "u", "others": {"safety_identifier": "s"}},
            {"metadata": {"user_id": "u"}},
            ("safety_identifier",),
            id="C9-both",
        ),
        pytest.param({"service_tier": "default"}, {"service_tier": "standard_only"}, (), id="tier"),
        pytest.param({"service_tier": "flex"}, {}, ("service_tier",), id="tier unknown"),
        pytest.param({"metadata": {"a": "b"}, "verbosity": "low"}, {}, ("metadata", "verbosity"), id="metadata"),
        pytest.param(
            {"others": {"prediction": {}, "inference_geo": "eu"}}, {"inference_geo": "eu"}, ("prediction",), id="others"
        ),
    ],
)
def test_fields(fields: dict[str, Any], expected: dict[str, Any], dropped: tuple[str, ...]) -> None:
    written = write(chat(**fields))
    plain = body(chat())
    assert {name: value for name, value in written.body.items() if plain.get(name) != value} == expected
    assert written.dropped == dropped


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-3-haiku-20240307", 4096),
        ("claude-v2:1", 4096),
        ("claude-instant-1.2", 4096),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", 8192),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", 64_000),
        ("claude-opus-4@20250514", 32_000),
        ("claude-4-opus-20250514", 32_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("anthropic/claude-sonnet-4.5", 64_000),
        ("claude-opus-4-8", 64_000),
        ("claude-something-new", 64_000),
        ("kimi-k2", 8192),
    ],
)
def test_the_default_of_max_tokens(model: str, expected: int) -> None:  # C5
    assert body(chat(), model)["max_tokens"] == expected
    assert body(chat(), model, max_output=777)["max_tokens"] == 777


def test_more_than_the_model_has_is_not_asked_for() -> None:
    assert body(chat(max_output=100_000), "claude-opus-4-1")["max_tokens"] == 32_000
    assert body(chat(max_output=100_000), max_output=50_000)["max_tokens"] == 50_000
    assert body(chat(max_output=100_000), "kimi-k2")["max_tokens"] == 100_000


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-5", "claude-haiku-5-5", "claude-mythos-preview"])
def test_models_that_refuse_sampling(model: str) -> None:
    written = write(chat(temperature=0.2, top_p=1.0, top_k=1), model)
    assert written.dropped == ("temperature", "top_k")  # 1 is what they do anyway
    assert not {"temperature", "top_p", "top_k"} & set(written.body)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        pytest.param(
            File(kind="image", media_type="image/jpg", data=PNG, cache="5m"),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG},
                "cache_control": {"type": "ephemeral"},
            },
            id="C28",
        ),
        pytest.param(
            File(kind="image", url="https://x.org/a.png"),
            {"type": "image", "source": {"type": "url", "url": "https://x.org/a.png"}},
            id="C29",
        ),
        pytest.param(
            File(kind="document", media_type="application/pdf", data=PNG, name="a.pdf", cited=True),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PNG},
                "title": "a.pdf",
                "citations": {"enabled": True},
            },
            id="C30",
        ),
        pytest.param(
            File(kind="document", media_type="text/csv; charset=utf-8", data=PNG),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "png"}},
            id="C30-text",
        ),
        pytest.param(
            File(kind="document", text="T"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "T"}},
            id="text",
        ),
        pytest.param(
            File(kind="document", file_id="file_01"),
            {"type": "document", "source": {"type": "file", "file_id": "file_01"}},
            id="file",
        ),
    ],
)
def test_files(part: File, expected: dict[str, Any]) -> None:
    assert turns(message("user", part)) == [("user", [expected])]


@pytest.mark.parametrize(
    ("asked", "model", "words"),
    [
        pytest.param(chat(message("user", "a"), called(arguments="{"), result()), OLD, "tool 'f'", id="C21"),
        pytest.param(chat(message("user", "a"), called()), OLD, "'call_1'", id="C25"),
        pytest.param(chat(message("user", "a"), result()), OLD, "'call_1'", id="C25-result"),
        pytest.param(chat(message("system", "a")), OLD, "nobody says anything", id="C44"),
        pytest.param(chat(message("user", " ")), OLD, "nobody says anything", id="C44-blank"),
        pytest.param(
            chat(message("user", "a"), message("assistant", "b")), "claude-opus-4-6", "has begun", id="C45-refused"
        ),
        pytest.param(
            chat(message("user", File(kind="audio", data="", media_type="audio/wav"))), OLD, "no audio", id="C31"
        ),
        pytest.param(chat(message("user", File(kind="image", url="gs://b/o"))), OLD, "address", id="C32"),
        pytest.param(
            chat(message("user", File(kind="image", media_type="image/tiff", data=PNG))), OLD, "tiff", id="tiff"
        ),
        pytest.param(chat(message("user", File(kind="document", media_type="a/b", data=PNG))), OLD, "a/b", id="a/b"),
        pytest.param(
            chat(message("user", File(kind="document", media_type="text/plain", data="/w=="))), OLD, "UTF-8", id="bytes"
        ),
        pytest.param(
            chat(message("user", File(kind="document", file_id="file-1"))), OLD, "provider's", id="foreign file"
        ),
        pytest.param(
            chat(message("user", "a"), message("assistant", File(kind="image", url="https://a"))),
            OLD,
            "files of",
            id="made",
        ),
    ],
)
def test_what_cannot_be_said(asked: Chat, model: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as raised:
        write(asked, model)
    assert raised.value.param


def test_deep_schemas_are_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(BadRequest, match="too deeply"):
        ANTHROPIC.write(chat(format=Format(kind="schema", schema=schema)), Target(model="claude-opus-5", stream=False))


def test_counting_asks_for_no_answer() -> None:
    asked = chat(message("system", "S"), message("user", "Hi"), tools=(TOOL,), temperature=0.5, user="u", seed=1)
    written = ANTHROPIC.write_count(asked, Target(model=OLD, stream=True))
    assert set(written.body) == {"model", "system", "messages", "tools"}
    assert written.dropped == ("seed",)


def test_thoughts_go_back_to_who_had_them() -> None:  # C40
    mine = Signature("anthropic", OLD, "sig")
    bare = replace(mine, model="")
    parts = (
        Reasoning(text="Hm.", signature=mine),
        Reasoning(redacted=True, signature=bare),
        Reasoning(text="unsigned"),
        Reasoning(text="other", signature=Signature("gemini", "", "g")),
        Reasoning(text="older", signature=Signature("anthropic", "claude-opus-4-1", "o")),
        ToolCall(id="c", name="f"),
    )
    history = (message("user", "a"), Message(role="assistant", parts=parts), result("c"))
    assert turns(*history, tools=(TOOL,))[1][1][:-1] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "sig"},
    ]
    assert len(turns(*history, tools=(TOOL,), model="claude-3-5-haiku-20241022")[1][1]) == 1
    thinking = Thinking(effort="low")
    assert "thinking" in body(chat(*history, tools=(TOOL,), thinking=thinking))
    unsigned = (message("user", "a"), called("c"), result("c"))
    written = write(chat(*unsigned, tools=(TOOL,), thinking=thinking))
    assert "thinking" not in written.body  # "Expected thinking or redacted_thinking, but found tool_use"
    assert written.dropped == ("thinking",)


def test_an_answer_may_have_begun_with_thoughts_alone() -> None:
    thought = Reasoning(text="Hm.", signature=Signature("anthropic", "", "sig"))
    block = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
    assert turns(message("user", "a"), message("assistant", thought))[1] == ("assistant", [block])
