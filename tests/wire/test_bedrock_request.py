"""What is asked of Converse; AWS's own SDK, asked for the same, sends the same."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.bedrock.format import BEDROCK
from oneapi_asgi.wire.chat import (
    CacheLife,
    Chat,
    File,
    FileKind,
    Message,
    Part,
    Reasoning,
    Refusal,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from oneapi_asgi.wire.dialect import UpstreamDialect
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature

from .bedrock_sdk import ARN, LLAMA, NOVA, OLD_CLAUDE, SONNET, written

DATA = base64.b64encode(b"\x00\x01bytes").decode()
WEATHER = Tool(name="get_weather", description="The weather", parameters={"type": "object", "properties": {}})
CLOCK = Tool(name="clock")
DIALECT: UpstreamDialect = BEDROCK


def text(role: Any, *texts: str, cache: CacheLife | None = None) -> Message:
    return Message(role=role, parts=tuple(Text(text=text, cache=cache) for text in texts))


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts)


def called(*calls: tuple[str, str, str], said: str = "") -> Message:
    parts = [ToolCall(id=id_, name=name, arguments=arguments) for id_, name, arguments in calls]
    return Message(role="assistant", parts=(*((Text(text=said),) if said else ()), *parts))


def result(call_id: str, *parts: Text | File, **more: Any) -> Message:
    return Message(role="tool", parts=(ToolResult(call_id=call_id, parts=parts, **more),))


def chat(*messages: Message, **more: Any) -> Chat:
    return Chat(model="gpt", messages=messages or (text("user", "Hi"),), **more)


def turns(given: Chat, model: str = SONNET) -> list[Any]:
    return [(turn["role"], turn["content"]) for turn in written(given, model)[0]["messages"]]


CHAT = Operation(name="chat", task="chat")


@pytest.mark.parametrize(
    ("model", "quoted"),
    [
        (NOVA, "amazon.nova-lite-v1%3A0"),
        (ARN, "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fabc"),
        ("a b?c#d/../e", "a%20b%3Fc%23d%2F..%2Fe"),
    ],
)
def test_the_model_is_one_segment_of_the_path(model: str, quoted: str) -> None:
    assert BEDROCK.path(CHAT, model, stream=False) == f"/model/{quoted}/converse"
    assert BEDROCK.path(CHAT, model, stream=True) == f"/model/{quoted}/converse-stream"
    assert BEDROCK.path(Operation(name="embeddings", task="embeddings"), model, stream=False) is None


# --- messages ---------------------------------------------------------------------------------------------------------


def test_c1_instructions_in_front() -> None:
    body, dropped = written(chat(text("system", "Be brief.", " "), text("system", "Be kind."), text("user", "Hi")))
    assert body == {
        "system": [{"text": "Be brief."}, {"text": "Be kind."}],
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
    }
    assert dropped == ()


def test_c2_instructions_in_between_stay_there() -> None:
    given = chat(text("user", "Hi"), text("assistant", "Hello"), text("system", "Now rhyme."), text("user", "Go"))
    assert turns(given)[2] == ("user", [{"text": "<system>\nNow rhyme.\n</system>"}, {"text": "Go"}])
    assert "system" not in written(given)[0]


def test_c3_turns_alternate() -> None:
    given = chat(
        text("user", "a"), text("user", "b"), text("assistant", "c"), text("assistant", "d"), text("user", "e")
    )
    assert turns(given) == [
        ("user", [{"text": "a"}, {"text": "b"}]),
        ("assistant", [{"text": "c"}, {"text": "d"}]),
        ("user", [{"text": "e"}]),
    ]


def test_c3_a_conversation_begins_with_the_user() -> None:
    roles = [role for role, _ in turns(chat(text("assistant", "Hello"), text("user", "Hi")))]
    assert roles == ["user", "assistant", "user"]


def test_c43_blank_text_is_left_out() -> None:
    given = chat(text("user", "a", "", " \n"), text("assistant", ""), text("user", "b"))
    assert turns(given) == [("user", [{"text": "a"}, {"text": "b"}])]


@pytest.mark.parametrize("messages", [(), (text("system", "x"),), (text("user", " "),)])
def test_c44_instructions_alone(messages: tuple[Message, ...]) -> None:
    with pytest.raises(BadRequest, match="at least one of the user's") as raised:
        BEDROCK.write(Chat(model="m", messages=messages), Target(model=SONNET, stream=False))
    assert raised.value.param == "messages"


def test_c45_no_white_space_at_the_end_of_a_prefill() -> None:
    given = chat(text("user", "Hi"), text("assistant", "It is \n"))
    assert turns(given)[1] == ("assistant", [{"text": "It is"}])


def test_refusals_are_text() -> None:
    given = chat(text("user", "a"), Message(role="assistant", parts=(Refusal(text="No."),)), text("user", "b"))
    assert turns(given)[1] == ("assistant", [{"text": "No."}])


# --- tools in the conversation ----------------------------------------------------------------------------------------


def test_c19_c22_calls_and_results() -> None:
    given = chat(
        text("user", "Weather?"),
        called(("call_1", "get_weather", '{"city":"Paris"}'), ("call_2", "clock", ""), said="Let me see."),
        result("call_1", Text(text="18 C")),
        result("call_2", error=True),
        text("user", "Well?"),
        tools=(WEATHER, CLOCK),
    )
    assert turns(given)[1:] == [
        (
            "assistant",
            [
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city": "Paris"}}},
                {"toolUse": {"toolUseId": "call_2", "name": "clock", "input": {}}},
            ],
        ),
        (
            "user",
            [
                {"toolResult": {"toolUseId": "call_1", "content": [{"text": "18 C"}]}},
                {"toolResult": {"toolUseId": "call_2", "content": [{"text": "(empty)"}], "status": "error"}},
                {"text": "Well?"},
            ],
        ),
    ]


def test_where_there_is_no_status_an_error_is_said() -> None:
    given = chat(text("user", "a"), called(("c", "clock", "")), result("c", Text(text="x"), error=True), tools=(CLOCK,))
    assert turns(given, LLAMA)[2][1] == [
        {"toolResult": {"toolUseId": "c", "content": [{"text": "Error:"}, {"text": "x"}]}}
    ]


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "nil", "[" * 100_000], ids=range(5))
def test_c21_arguments_that_are_none(arguments: str) -> None:
    given = chat(text("user", "a"), called(("c", "clock", arguments)), result("c"), tools=(CLOCK,))
    with pytest.raises(BadRequest, match="'clock'"):
        BEDROCK.write(given, Target(model=SONNET, stream=False))


def test_c23_results_with_pictures() -> None:
    picture = File(kind="image", media_type="image/png", data=DATA)
    given = chat(text("user", "a"), called(("c", "clock", "{}")), result("c", Text(text="x"), picture), tools=(CLOCK,))
    ((_, (block,)),) = turns(given)[2:]
    image = {"image": {"format": "png", "source": {"bytes": DATA}}}
    assert block["toolResult"]["content"] == [{"text": "x"}, image]


@pytest.mark.parametrize("call_id", ["call:1/x", "x" * 65, "é"])
def test_c24_ids_are_made_legal_alike(call_id: str) -> None:
    given = chat(text("user", "a"), called((call_id, "clock", "{}")), result(call_id), tools=(CLOCK,))
    _, (_, (use,)), (_, (back,)) = turns(given)
    assert use["toolUse"]["toolUseId"] == back["toolResult"]["toolUseId"] != call_id


def test_c25_calls_without_results() -> None:
    given = chat(text("user", "a"), called(("c", "clock", "{}")), text("user", "b"), tools=(CLOCK,))
    with pytest.raises(BadRequest, match="has no result"):
        BEDROCK.write(given, Target(model=SONNET, stream=False))


@pytest.mark.parametrize("more", [{}, {"tools": (CLOCK,), "tool_choice": ToolChoice(mode="none")}], ids=["C26", "C17"])
def test_c17_c26_without_tools_the_history_is_told(more: dict[str, Any]) -> None:
    given = chat(
        text("user", "a"),
        called(("c", "clock", '{"zone": "UTC"}'), ("d", "clock", "")),
        result("c", Text(text="12:00")),
        result("d", Text(text="broken"), error=True),
        **more,
    )
    body, dropped = written(given)
    assert "toolConfig" not in body
    assert dropped == ()
    assert [turn["content"] for turn in body["messages"][1:]] == [
        [{"text": '[Called the tool clock with {"zone":"UTC"}]'}, {"text": "[Called the tool clock with {}]"}],
        [
            {"text": "[Result of the tool clock]"},
            {"text": "12:00"},
            {"text": "[Error of the tool clock]"},
            {"text": "broken"},
        ],
    ]


def test_custom_tools_have_one_text() -> None:
    custom = Tool(name="run", description="Runs", custom=True, grammar={"type": "text"})
    call = Message(role="assistant", parts=(ToolCall(id="c", name="run", arguments="print(1)", custom=True),))
    body, _ = written(chat(text("user", "a"), call, result("c", Text(text="1")), tools=(custom,)))
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == {"input": "print(1)"}
    spec = body["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["inputSchema"]["json"]["required"] == ["input"]
    assert spec["description"] == 'Runs\nThe input has this form: {"type":"text"}'


# --- thoughts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signature", "kept"),
    [
        (Signature("bedrock", SONNET, "c2ln"), True),
        (Signature("bedrock", "", "c2ln"), True),
        (Signature("bedrock", NOVA, "c2ln"), False),
        (Signature("anthropic", SONNET, "c2ln"), False),
        (None, False),
    ],
)
def test_c40_thoughts_go_back_to_who_signed_them(signature: Signature | None, kept: bool) -> None:
    thoughts = (Reasoning(text="Hm.", signature=signature), Reasoning(signature=signature, redacted=True))
    given = chat(text("user", "a"), Message(role="assistant", parts=(*thoughts, Text(text="b"))), text("user", "c"))
    blocks = [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "c2ln"}},
    ]
    assert turns(given)[1][1] == [*(blocks if kept else []), {"text": "b"}]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "media_type", "name", "format_"),
    [
        pytest.param("image", "image/jpg", "", "jpeg", id="C28-jpg"),
        pytest.param("image", "IMAGE/WEBP; x=y", "", "webp", id="C28-webp"),
        pytest.param("image", "", "a.PNG", "png", id="C28-named"),
        pytest.param("audio", "audio/x-wav", "", "wav", id="C31-wav"),
        pytest.param("audio", "audio/mpeg", "", "mp3", id="C31-mp3"),
        ("video", "video/quicktime", "", "mov"),
        ("video", "video/3gpp", "", "three_gp"),
    ],
)
def test_c28_files_are_bytes(kind: FileKind, media_type: str, name: str, format_: str) -> None:
    given = chat(user(File(kind=kind, media_type=media_type, name=name, data=DATA), Text(text="What?")))
    assert turns(given)[0][1] == [{kind: {"format": format_, "source": {"bytes": DATA}}}, {"text": "What?"}]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        pytest.param(File(kind="image", media_type="image/png", url="https://h/a.png"), "base64", id="C29"),
        pytest.param(File(kind="image", url="gs://b/a.png"), "base64", id="C32"),
        (File(kind="document", media_type="application/pdf", file_id="file-1"), "base64"),
        (File(kind="image", media_type="image/svg+xml", data=DATA), "gif, jpeg, png, webp"),
        (File(kind="document", media_type="application/zip", name="a.zip", data=DATA), "pdf"),
    ],
)
def test_c29_what_has_to_be_bytes(file: File, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        BEDROCK.write(chat(user(Text(text="a"), file)), Target(model=SONNET, stream=False))


def test_files_of_the_same_cloud_are_named() -> None:
    given = chat(user(File(kind="video", url="s3://bucket/a.mp4")))
    assert turns(given)[0][1] == [{"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/a.mp4"}}}}]


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("Report (final) [v2].pdf", "Report (final) [v2]"),
        ("a_b.c  d\te.pdf", "a-b-c d e"),
        ("émile.pdf", "mile"),
        ("", "document"),
        ("...", "document"),
        ("x" * 300, "x" * 180),
    ],
)
def test_c30_documents_have_legal_names(name: str, legal: str) -> None:
    document = File(kind="document", media_type="application/pdf", name=name, data=DATA)
    ((_, blocks),) = turns(chat(user(document, Text(text="Sum it up."))))
    assert blocks[0] == {"document": {"format": "pdf", "name": legal, "source": {"bytes": DATA}}}


def test_c30_names_are_given_once() -> None:
    document = File(kind="document", media_type="text/csv", name="a.csv", data=DATA)
    given = chat(user(document, document), text("assistant", "b"), user(document, Text(text="c")))
    blocks = [block for _, content in turns(given) for block in content]
    assert [block["document"]["name"] for block in blocks if "document" in block] == ["a", "a 2", "a 3"]
    assert blocks[2] == {"text": "a, a 2"}  # a turn with a document must have a text


def test_c30_documents_that_are_text() -> None:
    document = File(kind="document", media_type="text/plain", name="a.txt", text="Once", cited=True)
    ((_, blocks),) = turns(chat(user(document, Text(text="?"))))
    cited = {"format": "txt", "name": "a", "source": {"text": "Once"}, "citations": {"enabled": True}}
    assert blocks[0] == {"document": cited}
    code = File(kind="document", media_type="text/x-python", data=DATA)
    assert turns(chat(user(code)))[0][1][0]["document"]["format"] == "txt"


# --- marks of the cache -----------------------------------------------------------------------------------------------


def test_c42_marks_of_the_cache() -> None:
    given = chat(
        text("system", "Long.", cache="1h"),
        text("user", "Hi", cache="5m"),
        tools=(Tool(name="clock", cache="5m"),),
    )
    body, _ = written(given)
    assert body["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert "cachePoint" in str(written(given, NOVA)[0]["system"])
    assert "cachePoint" not in str(written(given, NOVA)[0]["toolConfig"])
    assert "cachePoint" in str(written(given, ARN)[0])
    assert "cachePoint" not in str(written(given, LLAMA)[0])


def test_p1_nothing_given_is_changed() -> None:
    schema = {"$schema": "x", "properties": {"a": {"type": "string"}}}
    given = chat(
        text("system", "s"),
        user(File(kind="document", media_type="application/pdf", data=DATA)),
        called(("c", "f", '{"a": "b"}')),
        result("c", Text(text="x")),
        text("assistant", "It is "),
        tools=(Tool(name="f", parameters=schema),),
        metadata={"a": "b"},
        others={"store": True},
        top_k=4,
    )
    before = msgspec.json.encode(given)
    for model in (SONNET, OLD_CLAUDE, NOVA, LLAMA):
        BEDROCK.write(given, Target(model=model, stream=False))
    assert msgspec.json.encode(given) == before
