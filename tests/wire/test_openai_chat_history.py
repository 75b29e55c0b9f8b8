"""The history of a conversation as upstreams that speak chat completions are told it."""

from __future__ import annotations

from typing import Any

import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import File, Message, Reasoning, Refusal, Text, ToolCall
from oneapi_asgi.wire.sealed import Signature, seal

from .test_openai_chat_write import called, messages, result, user, write


def test_c19_c22_c69_a_turn_of_tools() -> None:
    picture = File(kind="image", media_type="image/png", data="iVBO")
    written = messages(
        user("?"),
        called(
            ToolCall(id="a", name="f", arguments=""),
            ToolCall(id="b", name="g", arguments='{"x":1}'),
            before=(Reasoning(text="Hm", signature=Signature("anthropic", "c", "s")), Text(text="Let me see")),
        ),
        result("a", Text(text="one"), Text(text="two"), error=True),
        result("b", Text(text="three"), picture, name="g"),
        user("So?"),
    )
    assert written[1:] == [
        {
            "role": "assistant",
            "content": "Let me see",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "Error: one\ntwo"},
        {"role": "tool", "tool_call_id": "b", "content": "three"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "From the result of g:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            ],
        },
        {"role": "user", "content": "So?"},
    ]


def test_c25_orphans_are_refused() -> None:
    with pytest.raises(BadRequest):
        messages(called(ToolCall(id="a", name="f")))
    with pytest.raises(BadRequest):
        messages(result("a"))


def test_c21_arguments_that_are_no_json_are_refused() -> None:
    with pytest.raises(BadRequest, match="'f'"):
        messages(called(ToolCall(id="a", name="f", arguments="{")), result("a"))


def test_c24_ids_are_changed_alike_in_calls_and_results() -> None:
    for quirks, given, most in (("short_tool_ids", "toolu_1", 9), ("", "x" * 100, 40), ("", "a b", 40)):
        written = messages(called(ToolCall(id=given, name="f")), result(given), quirks=quirks)
        call_id = written[0]["tool_calls"][0]["id"]
        assert written[1]["tool_call_id"] == call_id != given
        assert len(call_id) <= most
        assert quirks == "" or (len(call_id) == 9 and call_id.isalnum())
    kept = messages(called(ToolCall(id="abc123XYZ", name="f")), result("abc123XYZ"), quirks="short_tool_ids")
    assert kept[1]["tool_call_id"] == "abc123XYZ"


def test_c69_thoughts_are_sent_only_where_they_are_wanted() -> None:
    turn = called(ToolCall(id="a", name="f"), before=(Reasoning(text="Hm"),))
    assert "reasoning_content" not in messages(turn, result("a"))[0]
    assert messages(turn, result("a"), quirks="reasoning_returned")[0]["reasoning_content"] == "Hm"
    assert messages(user("?"), Message(role="assistant", parts=(Reasoning(text="Hm"),)), user("!")) == [
        {"role": "user", "content": "?"},
        {"role": "user", "content": "!"},
    ]


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        pytest.param(Signature("openai", "m", '{"google":{"s":"x"}}'), {"google": {"s": "x"}}, id="C41-own"),
        pytest.param(Signature("openai", "", '{"google":{"s":"x"}}'), {"google": {"s": "x"}}, id="C41-bare"),
        pytest.param(Signature("openai", "other", "{}"), None, id="C41-of-another-model"),
        pytest.param(Signature("anthropic", "m", "x"), None, id="C41-of-another-dialect"),
        pytest.param(Signature("openai", "m", "[]"), {"signature": seal(Signature("openai", "m", "[]"))}, id="odd"),
    ],
)
def test_signatures_of_calls(signature: Signature, expected: Any) -> None:
    written = messages(called(ToolCall(id="a", name="f", signature=signature)), result("a"))
    assert written[0]["tool_calls"][0].get("extra_content") == expected


@pytest.mark.parametrize(
    ("file", "part"),
    [
        pytest.param(
            File(kind="image", url="https://a/b", detail="low"),
            {"type": "image_url", "image_url": {"url": "https://a/b", "detail": "low"}},
            id="C29",
        ),
        pytest.param(
            File(kind="document", media_type="application/pdf", data="JVBE", name="a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            id="C30",
        ),
        pytest.param(File(kind="document", file_id="f"), {"type": "file", "file": {"file_id": "f"}}, id="file-id"),
        pytest.param(File(kind="document", text="T", name="a.txt"), {"type": "text", "text": "a.txt\nT"}, id="text"),
        pytest.param(
            File(kind="document", media_type="text/plain", data="SGk="), {"type": "text", "text": "Hi"}, id="text-data"
        ),
        pytest.param(
            File(kind="audio", media_type="audio/mpeg", data="SUQz"),
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
            id="C31",
        ),
        pytest.param(
            File(kind="video", url="https://a/b"),
            {"type": "video_url", "video_url": {"url": "https://a/b"}},
            id="video",
        ),
    ],
)
def test_files(file: File, part: dict[str, Any]) -> None:
    assert messages(user("See", file))[0]["content"] == [{"type": "text", "text": "See"}, part]
    if part["type"] != "text":
        with pytest.raises(BadRequest):
            messages(user("See", file), quirks="text_content")


@pytest.mark.parametrize(
    "file",
    [
        File(kind="image", file_id="f"),
        File(kind="document", url="https://a/b.pdf"),
        File(kind="audio", url="https://a/b.wav"),
        File(kind="audio", media_type="audio/ogg", data="T2dn"),
    ],
)
def test_files_that_cannot_be_sent_are_refused(file: File) -> None:
    with pytest.raises(BadRequest) as refused:
        messages(user(file))
    assert refused.value.param == "messages[0]"


def test_what_the_model_made_goes_back_as_far_as_it_can() -> None:
    audio, image = File(kind="audio", file_id="audio_1"), File(kind="image", url="https://a")
    written = write(Message(role="assistant", parts=(Refusal(text="No."), audio, image)))
    assert written.body["messages"] == [{"role": "assistant", "content": "No.", "audio": {"id": "audio_1"}}]
    assert written.dropped == ("messages",)


def test_one_string_of_many_parts() -> None:
    system = Message(role="system", parts=(Text(text="One"), Text(text="Two")), name="boss")
    assert messages(system, user("a", "b"), quirks="text_content") == [
        {"role": "system", "content": "One\n\nTwo", "name": "boss"},
        {"role": "user", "content": "a\n\nb"},
    ]


def test_c3_two_of_one_role_in_a_row() -> None:
    image = File(kind="image", url="https://a")
    link = {"type": "image_url", "image_url": {"url": "https://a"}}
    turn = called(ToolCall(id="a", name="f"), ToolCall(id="b", name="f"))
    assert [
        (message["role"], message["content"])
        for message in messages(
            user("a"),
            user("b"),
            Message(role="assistant", parts=(Text(text="c"),)),
            turn,
            result("a"),
            result("b"),
            user("d"),
            user(image, "e"),
            quirks="alternating_roles",
        )
    ] == [
        ("user", "a\n\nb"),
        ("assistant", "c"),
        ("tool", ""),
        ("tool", ""),
        ("user", [{"type": "text", "text": "d"}, link, {"type": "text", "text": "e"}]),
    ]
