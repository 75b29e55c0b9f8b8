"""Gemini's format towards clients: paths, answers, streams, errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from google.genai import types

from oneapi_asgi.errors import BadRequest, GatewayError, NotFound, RateLimited, UpstreamFailed, UpstreamTimeout
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Message, Target, Text, Thinking, ToolResult
from oneapi_asgi.wire.dialect import (
    ChatDialect,
    ClientDialect,
    CountDialect,
    Embedder,
    EmbedDialect,
    ModelCard,
    Painter,
    UpstreamDialect,
)
from oneapi_asgi.wire.events import (
    Answer,
    Broken,
    Choice,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    Probabilities,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.gemini.format import GEMINI
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature, unseal

from .pieces import fed

CALL_ID = "0123456789abcdef" * 2
CHAT = Chat(model="my-model", messages=(Message(role="user", parts=(Text(text="a"),)),), stream=True)
SHOWN = msgspec.structs.replace(CHAT, thinking=Thinking(shown=True))
ARRAY = msgspec.structs.replace(SHOWN, others={"_array": True})


def test_it_is_what_it_says() -> None:
    client: ClientDialect = GEMINI
    upstream: UpstreamDialect = GEMINI
    assert client.name == upstream.name == "gemini"
    for protocol in (ChatDialect, CountDialect, EmbedDialect, Embedder, Painter):
        assert isinstance(GEMINI, protocol)
    assert upstream.key_header == ("x-goog-api-key", "")
    assert upstream.version == "v1beta"
    assert upstream.tasks == {"chat", "embeddings", "images"}


PATHS = [
    ("/models/m:generateContent", "generate_content", "chat", "m", False),
    ("/v1beta/models/m:streamGenerateContent", "generate_content", "chat", "m", True),
    ("/v1alpha/models/org/llama3:8b:generateContent", "generate_content", "chat", "org/llama3:8b", False),
    ("/v1beta/tunedModels/t-1:generateContent", "generate_content", "chat", "tunedModels/t-1", False),
    (
        "/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent",
        "generate_content",
        "chat",
        "m",
        False,
    ),
    ("/models/m:countTokens", "count_tokens", "count", "m", False),
    ("/models/m:embedContent", "embed_content", "embeddings", "m", False),
    ("/models/m:batchEmbedContents", "batch_embed_contents", "embeddings", "m", False),
]


@pytest.mark.parametrize(("path", "name", "task", "model", "stream"), PATHS)
def test_paths(path: str, name: str, task: str, model: str, stream: bool) -> None:
    found = GEMINI.operation(path)
    assert found is not None
    assert (found.name, found.task, found.model, found.stream) == (name, task, model, stream)
    assert (found.path, found.dialect, found.query) == (path, "gemini", "")
    assert found.output == (task == "chat") == bool(found.output_limits)
    assert GEMINI.owns(path, {}, "")


@pytest.mark.parametrize(
    "path", ["/models", "/models/m", "/models/:generateContent", "/models/m:fly", "/chat/completions"]
)
def test_paths_of_others(path: str) -> None:
    assert GEMINI.operation(path) is None
    assert GEMINI.owns(path, {}, "monkey=1") == (path == "/models/m:fly")


def test_what_is_its_own() -> None:
    assert GEMINI.owns("/v1beta/models", {}, "")
    assert GEMINI.owns("/models", {b"x-goog-api-key": b"k"}, "")
    assert GEMINI.owns("/models", {}, "pageSize=3&key=k")
    assert not GEMINI.owns("/models", {b"authorization": b"Bearer k"}, "")


FOREIGN = Operation(name="chat", task="chat")
ADDRESSES = [
    (FOREIGN, "gemini-pro", False, "/models/gemini-pro:generateContent"),
    (FOREIGN, "models/gemini-pro", True, "/models/gemini-pro:streamGenerateContent?alt=sse"),
    (FOREIGN, "tunedModels/t", False, "/tunedModels/t:generateContent"),
    (FOREIGN, "a/../b?c#ü", False, "/models/a%2F..%2Fb%3Fc%23%C3%BC:generateContent"),
    (Operation(name="embeddings", task="embeddings"), "e", False, "/models/e:batchEmbedContents"),
    (Operation(name="images", task="images"), "gemini-image", False, "/models/gemini-image:generateContent"),
    (Operation(name="images", task="images"), "imagen-4", False, "/models/imagen-4:predict"),
    (Operation(name="count", task="count"), "m", False, "/models/m:countTokens"),
    (Operation(name="speech", task="speech"), "m", False, None),
]


@pytest.mark.parametrize(("operation", "model", "stream", "address"), ADDRESSES)
def test_addresses(operation: Operation, model: str, stream: bool, address: str | None) -> None:
    assert GEMINI.path(operation, model, stream=stream) == address


def test_addresses_of_its_own_operations() -> None:
    own = GEMINI.operation("/models/x:streamGenerateContent")
    embed = GEMINI.operation("/models/x:embedContent")
    assert own is not None
    assert embed is not None
    assert GEMINI.path(own, "m", stream=True) == "/models/m:streamGenerateContent"
    events = msgspec.structs.replace(own, query="alt=sse")
    assert GEMINI.path(events, "m", stream=True) == "/models/m:streamGenerateContent?alt=sse"
    assert GEMINI.path(embed, "m", stream=False) == "/models/m:embedContent"


# ------------------------------------------------------------------------------------------------------------ answers

OWN = Signature("gemini", "gemini-3-pro", "c2ln")
FOREIGN_SIGNATURE = Signature("anthropic", "claude", "sig")
COUNTS = Usage(input=10, output=7, cache_read=4, reasoning=5, input_audio=3, output_image=1)
IMAGE = File(kind="image", media_type="image/png", data="aWk=")
EVENTS: list[Event] = [
    Started(id="x", model="upstream"),
    ReasoningDelta("Hm"),
    ReasoningDelta(" so"),
    ReasoningEnded(signature=FOREIGN_SIGNATURE),
    TextDelta("Grö"),
    TextDelta("ße"),
    Cited(Citation(url="https://a.example", title="A", start=0, end=5)),
    FileMade(IMAGE),
    ToolStarted(index=0, id="c0", name="f", signature=OWN),
    ToolStarted(index=1, id="c1", name="g", custom=True),
    ToolDelta(1, "free "),
    ToolDelta(0, '{"a":'),
    ToolEnded(1),
    ToolDelta(0, "[1]}"),
    ToolEnded(0),
    COUNTS,
    Finished(reason="tool_calls"),
    COUNTS,
    Ended(),
]


def frames_of(raw: bytes) -> list[Any]:
    frames = raw.split(b"\r\n\r\n")
    assert frames.pop() == b""
    assert all(frame.startswith(b"data: {") for frame in frames)
    return [json.loads(frame[6:]) for frame in frames]


def streamed(events: Iterable[Event], chat: Chat = SHOWN) -> list[Any]:
    encoder = GEMINI.encoder(chat, CALL_ID)
    raw = b"".join(encoder.encode([event]) for event in events) + encoder.finish()
    assert encoder.finish() == encoder.fail(GatewayError("late")) == encoder.encode([TextDelta("late")]) == b""
    frames = json.loads(raw) if chat is ARRAY else frames_of(raw)
    for frame in frames:
        types.GenerateContentResponse.model_validate(frame)
        assert (frame["modelVersion"], frame["responseId"]) == ("my-model", CALL_ID)
    return list(frames)


def whole(events: Sequence[Event], chat: Chat = SHOWN) -> Any:
    body = json.loads(GEMINI.answer(collect(events), chat, CALL_ID))
    types.GenerateContentResponse.model_validate(body)
    return body


def merged(parts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in parts:
        last = found[-1] if found else {}
        if "text" in part and "text" in last and part.get("thought") == last.get("thought"):
            found[-1] = {**last, **part, "text": last["text"] + part["text"]}
        elif part != {"text": ""}:
            found.append(part)
    return found


def test_a_whole_answer() -> None:
    body = whole(EVENTS)
    thought, text, image, first, second = body["candidates"][0]["content"]["parts"]
    sealed = thought.pop("thoughtSignature")
    assert unseal(sealed, "gemini") == FOREIGN_SIGNATURE
    assert base64.b64decode(sealed, validate=True)
    assert thought == {"text": "Hm so", "thought": True}
    assert text == {"text": "Größe"}
    assert image == {"inlineData": {"mimeType": "image/png", "data": "aWk="}}
    assert first == {"functionCall": {"id": "c0", "name": "f", "args": {"a": [1]}}, "thoughtSignature": "c2ln"}
    assert second == {"functionCall": {"id": "c1", "name": "g", "args": {"input": "free "}}}
    assert body["candidates"][0]["finishReason"] == "STOP"
    assert body["candidates"][0]["groundingMetadata"] == {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 0, "endIndex": 7, "text": "Größe"}, "groundingChunkIndices": [0]}
        ],
    }
    assert body["usageMetadata"] == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 2,
        "thoughtsTokenCount": 5,
        "cachedContentTokenCount": 4,
        "totalTokenCount": 17,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}, {"modality": "AUDIO", "tokenCount": 3}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 1}, {"modality": "IMAGE", "tokenCount": 1}],
    }


@pytest.mark.parametrize("chat", [SHOWN, CHAT, ARRAY], ids=["thoughts", "no-thoughts", "array"])
def test_a_stream_is_the_whole_answer(chat: Chat) -> None:
    """P2, P3"""
    frames = streamed(EVENTS, chat)
    body = whole(EVENTS, chat)
    parts = [part for frame in frames for part in frame["candidates"][0]["content"]["parts"]]
    assert merged(parts) == body["candidates"][0]["content"]["parts"]
    assert any(part.get("thought") for part in parts) == (chat is not CHAT)
    assert not any("finishReason" in frame["candidates"][0] or "usageMetadata" in frame for frame in frames[:-1])
    last = frames[-1]
    assert last["usageMetadata"] == body["usageMetadata"]
    for name in ("finishReason", "groundingMetadata", "index"):
        assert last["candidates"][0][name] == body["candidates"][0][name]


def test_it_is_told_at_once() -> None:
    encoder = GEMINI.encoder(CHAT, CALL_ID)
    assert b'"a"' in encoder.encode([TextDelta("a")])
    assert encoder.encode([ToolStarted(index=0, id="c", name="f"), ToolDelta(0, '{"a"')]) == b""
    assert b'"args":{"a":1}' in encoder.encode([ToolDelta(0, ":1}"), ToolEnded(0)])
    assert encoder.encode([ToolStarted(index=1, id="d", name="f")]) == b""
    assert b'"args":{}' in encoder.encode([TextDelta("b")])  # C62
    assert encoder.encode([ToolDelta(1, "late"), ToolEnded(1)]) == b""


@pytest.mark.parametrize("chat", [CHAT, ARRAY], ids=["events", "array"])
def test_types_of_streams(chat: Chat) -> None:
    encoder = GEMINI.encoder(chat, CALL_ID)
    assert getattr(encoder, "content_type", None) == ("application/json" if chat is ARRAY else "text/event-stream")


FINISHES: list[Any] = [
    ("stop", "STOP"),
    ("tool_calls", "STOP"),
    ("length", "MAX_TOKENS"),
    ("content_filter", "SAFETY"),
    ("malformed_call", "MALFORMED_FUNCTION_CALL"),
    ("pause", "OTHER"),
    ("error", "OTHER"),
]


@pytest.mark.parametrize(("reason", "word"), FINISHES)
def test_why_it_ended(reason: Any, word: str) -> None:
    events: list[Event] = [RefusalDelta("no"), Finished(reason=reason)]
    assert streamed(events)[-1]["candidates"][0]["finishReason"] == word
    assert whole(events)["candidates"][0]["finishReason"] == word
    assert whole(events)["candidates"][0]["content"]["parts"] == [{"text": "no"}]


def test_several_choices() -> None:
    events: list[Event] = [
        TextDelta("a"),
        TextDelta("b", 1),
        Finished(reason="stop", choice=1),
        Finished(reason="length"),
    ]
    frames = streamed(events)
    assert [frame["candidates"][0]["index"] for frame in frames[:-1]] == [0, 1]
    assert [one["finishReason"] for one in frames[-1]["candidates"]] == ["MAX_TOKENS", "STOP"]
    assert [one["index"] for one in whole(events)["candidates"]] == [0, 1]


FILES = [
    pytest.param(File(kind="document", text="plain"), {"text": "plain"}, id="text"),
    pytest.param(
        File(kind="image", url="https://a.example/i", media_type="image/png"),
        {"fileData": {"fileUri": "https://a.example/i", "mimeType": "image/png"}},
        id="url",
    ),
    pytest.param(File(kind="image", file_id="files/a"), {"fileData": {"fileUri": "files/a"}}, id="id"),
    pytest.param(File(kind="image"), None, id="nothing"),
]


@pytest.mark.parametrize(("file", "part"), FILES)
def test_files(file: File, part: Any) -> None:
    events: list[Event] = [FileMade(file), TextDelta("x"), Finished(reason="stop")]
    parts = [one for one in (part, {"text": "x"}) if one]
    assert whole(events)["candidates"][0]["content"]["parts"] == parts
    assert [frame["candidates"][0]["content"]["parts"][0] for frame in streamed(events)[:-1]] == parts


def test_sources_without_places() -> None:
    cited = [Citation(url="https://a.example", quote="q"), Citation(url="https://b.example"), Citation(title="t")]
    events: list[Event] = [*map(Cited, cited), Finished(reason="stop")]
    assert whole(events)["candidates"][0]["groundingMetadata"] == {
        "groundingChunks": [
            {"web": {"uri": "https://a.example", "title": ""}},
            {"web": {"uri": "https://b.example", "title": ""}},
            {"web": {"uri": "", "title": "t"}},
        ],
        "groundingSupports": [{"segment": {"text": "q"}, "groundingChunkIndices": [0]}],
    }


def test_what_is_no_part_of_an_answer() -> None:
    answer = Answer(choices=[Choice(parts=[ToolResult(call_id="c")])])
    body = json.loads(GEMINI.answer(answer, CHAT, CALL_ID))
    assert body["candidates"] == [{"content": {"parts": [], "role": "model"}, "finishReason": "OTHER", "index": 0}]
    assert json.loads(GEMINI.encoder(CHAT, CALL_ID).finish()[6:])["candidates"][0]["finishReason"] == "OTHER"


def test_redacted_thoughts_come_back() -> None:
    events: list[Event] = [ReasoningEnded(signature=FOREIGN_SIGNATURE, redacted=True), Finished(reason="stop")]
    part = streamed(events)[0]["candidates"][0]["content"]["parts"][0]
    assert part == whole(events)["candidates"][0]["content"]["parts"][0]
    echoed = types.Part.model_validate(part).model_dump(mode="json", by_alias=True, exclude_none=True)
    operation = GEMINI.operation("/models/m:generateContent")
    assert operation is not None
    chat = GEMINI.read(operation, json.dumps({"contents": [{"role": "model", "parts": [echoed]}]}).encode())
    assert chat.messages[0].parts == tuple(collect(events).choices[0].parts)


def test_only_base64_is_told_as_a_signature() -> None:
    odd = Signature("gemini", "m", "no base64!")
    events: list[Event] = [ToolStarted(index=0, id="c", name="f", signature=odd), Finished(reason="tool_calls")]
    assert unseal(whole(events)["candidates"][0]["content"]["parts"][0]["thoughtSignature"], "gemini") == odd


def test_probabilities() -> None:
    content = ({"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1.0}]},)
    events: list[Event] = [TextDelta("a"), Probabilities(content), Finished(reason="stop")]
    said = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1.0}]}],
    }
    assert streamed(events)[1]["candidates"][0]["logprobsResult"] == said
    assert whole(events)["candidates"][0]["logprobsResult"] == said


@pytest.mark.parametrize("arguments", ["{oops", "[1]"])
def test_p7_arguments_are_always_an_object(arguments: str) -> None:
    events: list[Event] = [ToolStarted(index=0, id="c", name="f"), ToolDelta(0, arguments), Finished(reason="stop")]
    for body in (whole(events), streamed(events)[0]):
        assert body["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"_raw": arguments}


def test_an_answer_read_again() -> None:
    """What is told to a client of this format is the same answer when an upstream tells it."""
    encoder = GEMINI.encoder(SHOWN, CALL_ID)
    raw = encoder.encode(
        [TextDelta("a"), ToolStarted(index=0, id="c", name="f"), ToolEnded(0), Usage(input=3, output=2)]
    )
    raw += encoder.encode([Finished(reason="tool_calls")]) + encoder.finish()
    assert fed(GEMINI.decoder(Target(model="m", stream=True)), [raw]) == [
        Started(id=CALL_ID, model="my-model"),
        TextDelta("a"),
        ToolStarted(index=0, id="c", name="f"),
        ToolDelta(0, "{}"),
        ToolEnded(0),
        Usage(input=3, output=2),
        Finished(reason="tool_calls"),
        Ended(),
    ]


# ------------------------------------------------------------------------------------------------------------- errors

ERRORS = [
    (BadRequest("Mend it.", param="contents", code="invalid_value"), 400, "INVALID_ARGUMENT"),
    (NotFound("No such model."), 404, "NOT_FOUND"),
    (RateLimited("Slow.", retry_after=2.5), 429, "RESOURCE_EXHAUSTED"),
    (UpstreamFailed("Failed."), 502, "UNAVAILABLE"),
    (UpstreamTimeout("Late."), 504, "DEADLINE_EXCEEDED"),
    (GatewayError("Oops."), 500, "INTERNAL"),
]


@pytest.mark.parametrize(("error", "code", "status"), ERRORS)
def test_errors(error: GatewayError, code: int, status: str) -> None:
    body = json.loads(GEMINI.error(error, "req-1"))
    assert list(body) == ["error"]
    assert (body["error"]["code"], body["error"]["message"], body["error"]["status"]) == (code, error.message, status)
    told = GEMINI.refusal(code, GEMINI.error(error, "req-1"))  # C58, C59
    assert (told.message, told.param, told.retry_after) == (error.message, error.param, error.retry_after)
    assert told.code == (error.code or status)
    assert GEMINI.error_event(error).startswith(b'data: {"error":{"code":')


@pytest.mark.parametrize("chat", [CHAT, ARRAY], ids=["events", "array"])
@pytest.mark.parametrize("told", [True, False], ids=["by-the-upstream", "by-the-gateway"])
def test_c64_a_broken_stream(chat: Chat, told: bool) -> None:
    encoder = GEMINI.encoder(chat, CALL_ID)
    raw = encoder.encode([TextDelta("a")])
    raw += encoder.encode([Broken(UpstreamFailed("Failed."))]) if told else encoder.fail(UpstreamFailed("Failed."))
    assert encoder.finish() == b""
    frames = json.loads(raw) if chat is ARRAY else frames_of(raw)
    assert list(frames[-1]) == ["error"]
    assert b"finishReason" not in raw


def test_models() -> None:
    listed: Any = GEMINI.models([ModelCard("gpt-4o", "openai", 1)])
    assert listed["models"] == [GEMINI.model(ModelCard("gpt-4o", "openai", 1))]
    model = types.Model.model_validate({key: listed["models"][0][key] for key in ("name", "displayName", "version")})
    assert model.name == "models/gpt-4o"
    assert "generateContent" in listed["models"][0]["supportedGenerationMethods"]


def test_count() -> None:
    assert json.loads(GEMINI.answer_count(7)) == {"totalTokens": 7}


@pytest.mark.parametrize(
    ("body", "renamed"),
    [
        (b'{"contents":[{"parts":[{"text":"a model"}]}]}', b'{"contents":[{"parts":[{"text":"a model"}]}]}'),
        (
            b'{"generateContentRequest":{"model":"models/alias","contents":[]}}',
            b'{"generateContentRequest":{"model":"models/real","contents":[]}}',
        ),
        (
            b'{"requests":[{"model":"models/alias","content":{"parts":[{"text":"\\"model\\""}]}},{"content":{}}]}',
            b'{"requests":[{"model":"models/real","content":{"parts":[{"text":"\\"model\\""}]}},{"content":{}}]}',
        ),
        (b'{"model":"tunedModels/alias"}', b'{"model":"models/real"}'),
        (b'{"requests":"model","generateContentRequest":null,"x":"\\"model\\""}', None),
    ],
)
def test_a_model_that_is_repeated_in_the_body_is_renamed_there_too(body: bytes, renamed: bytes | None) -> None:
    assert GEMINI.renamed(body, "real") == (renamed or body)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000, "0." + "0" * 9 + "1e999"])
def test_a_number_that_no_reader_takes_is_the_callers_mistake(number: str) -> None:
    body = f'{{"generateContentRequest":{{"model":"models/alias","generationConfig":{{"seed":{number}}}}}}}'
    with pytest.raises(BadRequest, match="out of range"):
        GEMINI.renamed(body.encode(), "real")


def test_what_stands_where_requests_should_is_left_alone() -> None:
    assert GEMINI.renamed(b'{"model":"models/alias","requests":5}', "real") == b'{"model":"models/real","requests":5}'
