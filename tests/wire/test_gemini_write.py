"""Neutral requests as Gemini upstreams want them."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
from google.genai import types

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Message,
    Part,
    Reasoning,
    Refusal,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from oneapi_asgi.wire.gemini.format import GEMINI
from oneapi_asgi.wire.sealed import Signature

NO_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
PNG = File(kind="image", media_type="image/png", data="aWk=")


def user(*parts: Part | str) -> Message:
    return Message(role="user", parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def system(text: str) -> Message:
    return Message(role="system", parts=(Text(text=text),))


def assistant(*parts: Part | str) -> Message:
    return Message(role="assistant", parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def result(call_id: str, *parts: Text | File | str, error: bool = False) -> Message:
    told = tuple(Text(text=part) if isinstance(part, str) else part for part in parts)
    return Message(role="tool", parts=(ToolResult(call_id=call_id, parts=told, error=error),))


def call(number: int = 1, arguments: str = '{"city":"Paris"}', signature: Signature | None = None) -> ToolCall:
    return ToolCall(id=f"c{number}", name=f"f{number}", arguments=arguments, signature=signature)


def write(
    *messages: Message, model: str = "gemini-2.5-flash", quirks: frozenset[str] = frozenset(), **fields: Any
) -> Any:
    chat = Chat(model="m", messages=messages or (user("hi"),), **fields)
    before = copy.deepcopy(chat)
    written = GEMINI.write(chat, Target(model=model, stream=False, quirks=quirks))
    assert chat == before  # P1
    for content in written.body["contents"]:
        types.Content.model_validate(content)
    return written


def contents(*messages: Message, **more: Any) -> Any:
    return write(*messages, **more).body["contents"]


def text(value: str) -> dict[str, str]:
    return {"text": value}


def answered(number: int, **response: Any) -> dict[str, Any]:
    return {"functionResponse": {"id": f"c{number}", "name": f"f{number}", "response": response}}


def called(number: int, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"id": f"c{number}", "name": f"f{number}", "args": {"city": "Paris"}}, **more}


CONVERSATIONS = [
    pytest.param([user("a", "b")], [{"role": "user", "parts": [text("a"), text("b")]}], id="plain"),
    pytest.param(
        [user("a"), user("b"), assistant("c"), assistant("d"), user("e")],
        [
            {"role": "user", "parts": [text("a"), text("b")]},
            {"role": "model", "parts": [text("c"), text("d")]},
            {"role": "user", "parts": [text("e")]},
        ],
        id="C3-merged",
    ),
    pytest.param(
        [user("a"), assistant("b"), system("be brief"), user("c")],
        [
            {"role": "user", "parts": [text("a")]},
            {"role": "model", "parts": [text("b")]},
            {"role": "user", "parts": [text("<system>\nbe brief\n</system>"), text("c")]},
        ],
        id="C2-system-in-place",
    ),
    pytest.param(
        [user("a"), assistant(call(1), call(2)), result("c1", '{"t":1}'), result("c2", "warm"), user("b")],
        [
            {"role": "user", "parts": [text("a")]},
            {"role": "model", "parts": [called(1), called(2)]},
            {"role": "user", "parts": [answered(1, t=1), answered(2, output="warm"), text("b")]},
        ],
        id="C19-C22-calls-and-results",
    ),
    pytest.param(
        [user("a"), assistant(call(1)), result("c1", "no such city", error=True)],
        [
            {"role": "user", "parts": [text("a")]},
            {"role": "model", "parts": [called(1)]},
            {"role": "user", "parts": [answered(1, error="no such city")]},
        ],
        id="C23-an-error",
    ),
    pytest.param(
        [user("a"), assistant(call(1)), result("c1", "see", PNG, "this"), user("b")],
        [
            {"role": "user", "parts": [text("a")]},
            {"role": "model", "parts": [called(1)]},
            {
                "role": "user",
                "parts": [
                    answered(1, output="see\nthis"),
                    {"inlineData": {"mimeType": "image/png", "data": "aWk="}},
                    text("b"),
                ],
            },
        ],
        id="C23-an-image-in-a-result",
    ),
    pytest.param(
        [user("", "a"), assistant(""), assistant(Refusal(text="no")), user("")],
        [{"role": "user", "parts": [text("a")]}, {"role": "model", "parts": [text("no")]}],
        id="C43-no-empty-text",
    ),
    pytest.param(
        [user("a"), assistant(Reasoning(text="hm"), "b"), user("c")],
        [
            {"role": "user", "parts": [text("a")]},
            {"role": "model", "parts": [text("b")]},
            {"role": "user", "parts": [text("c")]},
        ],
        id="C53-thoughts-without-a-signature",
    ),
]


@pytest.mark.parametrize(("messages", "written"), CONVERSATIONS)
def test_conversations(messages: list[Message], written: list[Any]) -> None:
    assert contents(*messages) == written


def test_c1_instructions() -> None:
    body = write(system("a"), system("b"), user("c")).body
    assert body["systemInstruction"] == {"parts": [text("a"), text("b")]}
    assert body["contents"] == [{"role": "user", "parts": [text("c")]}]


@pytest.mark.parametrize("arguments", ["", "{}", " "])
def test_c20_no_arguments(arguments: str) -> None:
    written = contents(user("a"), assistant(call(1, arguments)), result("c1", ""))
    assert written[1]["parts"][0]["functionCall"]["args"] == {}
    assert written[2]["parts"][0]["functionResponse"]["response"] == {"output": ""}


def test_custom_calls_have_an_input() -> None:
    custom = ToolCall(id="c1", name="f1", arguments="not { json", custom=True)
    written = write(user("a"), assistant(custom), result("c1", "ok"), tools=(Tool(name="f1", custom=True),))
    assert written.body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "not { json"}
    declared = written.body["tools"][0]["functionDeclarations"][0]
    assert declared["parameters"]["properties"] == {"input": {"type": "string"}}


FILES = [
    pytest.param(PNG, {"inlineData": {"mimeType": "image/png", "data": "aWk="}}, id="C28-image"),
    pytest.param(
        File(kind="document", media_type="application/pdf", data="aWk=", name="a.pdf"),
        {"inlineData": {"mimeType": "application/pdf", "data": "aWk="}},
        id="C30-pdf",
    ),
    pytest.param(
        File(kind="audio", media_type="audio/wav", data="aWk="),
        {"inlineData": {"mimeType": "audio/wav", "data": "aWk="}},
        id="C31-audio",
    ),
    pytest.param(
        File(kind="image", url="gs://b/a.png"),
        {"fileData": {"fileUri": "gs://b/a.png", "mimeType": "image/png"}},
        id="C32-gs",
    ),
    pytest.param(
        File(kind="video", url="gs://b/a"),
        {"fileData": {"fileUri": "gs://b/a", "mimeType": "video/mp4"}},
        id="C32-mime",
    ),
    pytest.param(
        File(kind="video", url="https://youtu.be/x"), {"fileData": {"fileUri": "https://youtu.be/x"}}, id="youtube"
    ),
    pytest.param(
        File(kind="image", file_id="files/abc-1"),
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc-1"}},
        id="files-api",
    ),
    pytest.param(File(kind="document", text="plain"), text("plain"), id="text"),
]


@pytest.mark.parametrize(("file", "written"), FILES)
def test_files(file: File, written: Any) -> None:
    assert contents(user(file))[0]["parts"] == [written]


REFUSED = [
    pytest.param([system("only")], "messages", "instructions alone", id="C44-only-instructions"),
    pytest.param([user("a"), assistant(call(1, "{oops"))], "messages", "no result", id="C25-orphan-call"),
    pytest.param([user("a"), result("c9", "x")], "messages[1]", "c9", id="C25-orphan-result"),
    pytest.param(
        [user("a"), assistant(call(1, "{oops")), result("c1", "x")], "messages[1].tool_calls", "'f1'", id="C21-no-json"
    ),
    pytest.param([user(File(kind="image", url="https://x/a.png"))], "messages[0]", "data URL", id="C29-http"),
    pytest.param(
        [user(File(kind="image", url="https://x/https://youtu.be/"))], "messages[0]", "data URL", id="C29-disguised"
    ),
    pytest.param([user(File(kind="document", file_id="file-1"))], "messages[0]", "another provider", id="file-id"),
]


@pytest.mark.parametrize(("messages", "param", "said"), REFUSED)
def test_refused(messages: list[Message], param: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        write(*messages)
    assert caught.value.param == param


OWN = Signature("gemini", "gemini-3-pro", "c2ln")
SIGNED = [
    pytest.param(OWN, "gemini-3-pro", "c2ln", id="C41-own"),
    pytest.param(Signature("gemini", "", "c2ln"), "gemini-3-pro", "c2ln", id="C41-bare"),
    pytest.param(OWN, "gemini-3-flash", NO_SIGNATURE, id="C41-of-another-model"),
    pytest.param(Signature("anthropic", "claude", "x"), "gemini-3-pro", NO_SIGNATURE, id="C41-of-another-dialect"),
    pytest.param(None, "models/gemini-4-hydrogen", NO_SIGNATURE, id="C41-none"),
    pytest.param(None, "gemini-2.5-pro", None, id="C41-none-needed"),
    pytest.param(OWN, "gemini-2.5-pro", None, id="C41-none-needed-nor-sent"),
]


@pytest.mark.parametrize(("signature", "model", "written"), SIGNED)
def test_signatures_of_calls(signature: Signature | None, model: str, written: str | None) -> None:
    found = contents(
        user("a"), assistant(call(1, signature=signature), call(2)), result("c1"), result("c2"), model=model
    )
    first, second = found[1]["parts"]
    assert first.get("thoughtSignature") == written
    assert "thoughtSignature" not in second


def test_each_step_of_the_current_turn_is_signed() -> None:
    found = contents(
        user("a"),
        assistant(call(1)),
        result("c1", "x"),
        assistant("done"),
        user("b"),
        assistant("let me see", call(2)),
        result("c2", "x"),
        assistant(call(3)),
        result("c3", "x"),
        model="gemini-3-pro-preview",
    )
    signed = [part["functionCall"]["name"] for one in found for part in one["parts"] if "thoughtSignature" in part]
    assert signed == ["f2", "f3"]


def test_a_turn_that_nobody_began() -> None:
    found = contents(assistant(call(1)), result("c1", "{oops"), assistant("done"), model="gemini-3-pro")
    assert found[0]["parts"][0]["thoughtSignature"] == NO_SIGNATURE
    assert found[1]["parts"][0]["functionResponse"]["response"] == {"output": "{oops"}


def test_c40_signed_thoughts_go_back() -> None:
    found = contents(user("a"), assistant(Reasoning(text="hm", signature=OWN), "b"), user("c"), model="gemini-3-pro")
    assert found[1]["parts"][0] == {"text": "hm", "thought": True, "thoughtSignature": "c2ln"}


def test_files_of_results_since_gemini_3() -> None:
    found = contents(user("a"), assistant(call(1)), result("c1", "see", PNG), model="gemini-3-flash-preview")
    inline = {"inlineData": {"mimeType": "image/png", "data": "aWk="}}
    assert found[2]["parts"] == [
        {"functionResponse": {"id": "c1", "name": "f1", "response": {"output": "see"}, "parts": [inline]}}
    ]


def test_no_ids_for_who_refuses_them() -> None:
    found = contents(user("a"), assistant(call(1)), result("c1", "x"), quirks=frozenset({"no_call_ids"}))
    assert found[1]["parts"][0]["functionCall"].keys() == {"name", "args"}
    assert found[2]["parts"][0]["functionResponse"].keys() == {"name", "response"}
