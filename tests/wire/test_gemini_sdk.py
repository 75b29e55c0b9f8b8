"""The provider's own SDK against answers made here; and requests that go in and out again as they were."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import pytest
from google import genai
from google.genai import errors, types

from oneapi_asgi.errors import RateLimited, UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, Reasoning, Target, ToolCall, ToolResult
from oneapi_asgi.wire.dialect import ModelCard
from oneapi_asgi.wire.events import (
    Event,
    Finished,
    ReasoningDelta,
    ReasoningEnded,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.gemini.format import GEMINI
from oneapi_asgi.wire.sealed import Signature
from oneapi_asgi.wire.tasks import Embedded

from .test_gemini_read import read

CALL_ID = "0123456789abcdef" * 2
SIGNATURE = Signature("anthropic", "claude", "sig")
TEXT: list[Event] = [TextDelta("Hel"), TextDelta("lo"), Finished(reason="stop"), Usage(input=3, output=2)]
CALLS: list[Event] = [
    ReasoningDelta("Hm"),
    ReasoningDelta("."),
    ReasoningEnded(signature=SIGNATURE),
    ToolStarted(index=0, id="c0", name="f", signature=Signature("other", "x", "not base64!")),
    ToolDelta(0, '{"city":'),
    ToolDelta(0, '"Paris"}'),
    ToolEnded(0),
    Usage(input=3, output=2),
    Finished(reason="tool_calls"),
]


class Server:
    """Answers the SDK as a gateway would, from the given events, and remembers what was asked."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.asked: list[Chat] = []
        self.fails: Exception | None = None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/v1")
        operation = GEMINI.operation(path)
        if isinstance(self.fails, RateLimited):
            return httpx2.Response(429, content=GEMINI.error(self.fails, "req"))
        if operation is None:
            return httpx2.Response(200, json=GEMINI.models([ModelCard("m", "o", 1)]))
        operation = msgspec.structs.replace(operation, query=request.url.query.decode())
        if operation.task == "embeddings":
            embed = GEMINI.read_embed(operation, request.content)
            vectors = tuple((float(index), 0.5) for index in range(len(embed.inputs)))
            return httpx2.Response(200, content=GEMINI.answer_embed(Embedded(vectors=vectors), embed, CALL_ID))
        chat = GEMINI.read(operation, request.content)
        self.asked.append(chat)
        if operation.task == "count":
            return httpx2.Response(200, content=GEMINI.answer_count(7))
        if not chat.stream:
            return httpx2.Response(200, content=GEMINI.answer(collect(self.events), chat, CALL_ID))
        encoder = GEMINI.encoder(chat, CALL_ID)
        raw = b"".join(encoder.encode([event]) for event in self.events)
        raw += encoder.fail(UpstreamFailed("cut")) if self.fails else encoder.finish()
        return httpx2.Response(200, content=raw, headers={"content-type": getattr(encoder, "content_type", "")})

    def client(self) -> genai.Client:
        options = types.HttpOptions(
            base_url="http://gateway.test", client_args={"transport": httpx2.MockTransport(self)}
        )
        return genai.Client(api_key="k", http_options=options)


SHOWN = types.GenerateContentConfig(
    system_instruction="be brief", thinking_config=types.ThinkingConfig(include_thoughts=True)
)


def test_text() -> None:
    server = Server(TEXT)
    with server.client() as client:
        answer = client.models.generate_content(model="m", contents="hi", config=SHOWN)
        streamed = list(client.models.generate_content_stream(model="m", contents="hi"))
    assert answer.text == "Hello"
    assert answer.model_version == "m"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.total_token_count == 5
    assert [chunk.text for chunk in streamed] == ["Hel", "lo", ""]
    assert streamed[-1].candidates is not None
    assert streamed[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert [message.role for message in server.asked[0].messages] == ["system", "user"]
    assert [chat.stream for chat in server.asked] == [False, True]


@pytest.mark.parametrize("streams", [False, True])
def test_a_conversation_with_calls(streams: bool) -> None:
    """C40, C41: what was sealed comes back with the history that the SDK keeps."""
    server = Server(CALLS)
    with server.client() as client:
        talk = client.chats.create(model="m", config=SHOWN)
        send: Callable[[Any], Any] = talk.send_message
        if streams:
            send = lambda message: list(talk.send_message_stream(message))  # noqa: E731
        send("hi")
        server.events = TEXT
        response = types.FunctionResponse(id="c0", name="f", response={"output": "warm"})
        send(types.Part(function_response=response))
    _, _, said, answered = server.asked[1].messages
    assert said.parts == (
        Reasoning(text="Hm.", signature=SIGNATURE),
        ToolCall(id="c0", name="f", arguments='{"city":"Paris"}', signature=Signature("other", "x", "not base64!")),
    )
    (result,) = answered.parts
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.name) == ("c0", "f")


def test_errors() -> None:
    server = Server(TEXT)
    server.fails = RateLimited("Slow down.", retry_after=2)
    with server.client() as client:
        with pytest.raises(errors.ClientError, match="Slow down") as caught:
            client.models.generate_content(model="m", contents="hi")
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
        server.fails = UpstreamFailed("cut")
        with pytest.raises(errors.ServerError, match="cut") as broken:
            list(client.models.generate_content_stream(model="m", contents="hi"))
        assert broken.value.code == 502


def test_other_calls() -> None:
    with Server(TEXT).client() as client:
        assert client.models.count_tokens(model="m", contents="hi").total_tokens == 7
        texts: Any = ["a", "b"]  # a list of strings is not taken for one of the many things that may be in it
        embedded = client.models.embed_content(model="m", contents=texts)
        assert [one.values for one in embedded.embeddings or ()] == [[0.0, 0.5], [1.0, 0.5]]
        assert [model.name for model in client.models.list()] == ["models/m"]


def test_round_trip() -> None:
    """What a client of this format says reaches an upstream of it as it was."""
    contents = [
        {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "aWk="}}]},
        {
            "role": "model",
            "parts": [
                {"text": "Hm", "thought": True, "thoughtSignature": base64.b64encode(b"one").decode()},
                {"functionCall": {"id": "i", "name": "f", "args": {"a": [1, None]}}, "thoughtSignature": "c2ln"},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"id": "i", "name": "f", "response": {"t": [1]}}}]},
    ]
    fields: dict[str, Any] = {
        "systemInstruction": {"parts": [{"text": "b"}]},
        "tools": [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": {
            "temperature": 0.5,
            "maxOutputTokens": 9,
            "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True},
            "speechConfig": {"a": 1},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    }
    chat = read({"contents": contents, **fields})
    written = GEMINI.write(chat, Target(model="gemini-3-pro", stream=False))
    assert written.body == {"contents": contents, **fields}
    assert written.dropped == ()
