"""What clients of Ollama's format are answered: by its own SDK, and line by line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import msgspec
import ollama
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest, UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Target
from oneapi_asgi.wire.dialect import ChatDialect, ClientDialect, Embedder, EmbedDialect, ModelCard, UpstreamDialect
from oneapi_asgi.wire.events import (
    Broken,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
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
from oneapi_asgi.wire.ollama.format import OLLAMA
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature
from oneapi_asgi.wire.tasks import Embed, Embedded

from .pieces import fed

CALL_ID = "0123456789abcdef" * 2
CHAT = Chat(model="m", messages=())
TARGET = Target(model="m", stream=True)
SIGNED = Signature("gemini", "g", "c2ln")
COUNTED = Usage(input=9, output=4)
CREATED = 1_700_000_000
STAMP = "2023-11-14T22:13:20Z"
ASKED: Any = [{"role": "user", "content": "Hello"}]

ANSWERS: dict[str, list[Event]] = {
    "text": [
        Started(created=CREATED),
        TextDelta("Grüß "),
        TextDelta("👋\u2028\u2029\x85"),
        Finished(reason="stop"),
        COUNTED,
        Ended(),
    ],
    "empty": [Started(created=CREATED), Finished(reason="stop"), Ended()],
    "thoughts": [
        Started(created=CREATED),
        ReasoningDelta("Hm"),
        ReasoningDelta("m."),
        ReasoningEnded(signature=SIGNED),
        TextDelta("Yes."),
        RefusalDelta(" No."),
        Finished(reason="length"),
    ],
    "calls": [
        Started(created=CREATED),
        TextDelta("I ask."),
        ToolStarted(index=0, id="a", name="f", signature=SIGNED),
        ToolStarted(index=1, id="b", name="g"),
        ToolDelta(1, '{"x":'),
        ToolDelta(0, '{"y":2}'),
        ToolDelta(1, "1}"),
        ToolEnded(1),
        ToolStarted(index=2, id="c", name="h"),
        Finished(reason="tool_calls"),
        COUNTED,
    ],
    "broken calls": [
        Started(created=CREATED),
        ToolStarted(index=0, id="a", name="f"),
        ToolDelta(0, "{"),
        ToolStarted(index=1, id="b", name="g", custom=True),
        ToolDelta(1, "go"),
        Finished(reason="tool_calls"),
    ],
    "probabilities": [
        Started(created=CREATED),
        TextDelta("a"),
        Probabilities(({"token": "a", "logprob": -1.5, "bytes": None, "top_logprobs": []},)),
        Finished(reason="stop"),
    ],
    "image": [
        Started(created=CREATED),
        FileMade(File(kind="image", data="aaaa")),
        FileMade(File(kind="image", url="https://a.example")),
        FileMade(File(kind="audio", data="aaaa")),
        Finished(reason="stop"),
    ],
    "second choice": [
        Started(created=CREATED),
        TextDelta("a"),
        TextDelta("b", 1),
        Finished(reason="stop"),
        Finished(reason="length", choice=1),
    ],
}


def operation(path: str) -> Operation:
    found = OLLAMA.operation(path)
    assert found is not None
    return found


def encoded(events: Sequence[Event], chat: Chat = CHAT) -> bytes:
    encoder = OLLAMA.encoder(chat, CALL_ID)
    return b"".join(encoder.encode([event]) for event in events) + encoder.finish()


async def pieces(stream: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(stream), 7):
        yield stream[start : start + 7]


def client(answer: Callable[[str, bytes], httpx.Response]) -> ollama.AsyncClient:
    async def serve(request: httpx.Request) -> httpx.Response:
        return answer(request.url.path, await request.aread())

    return ollama.AsyncClient(host="http://gateway", transport=httpx.MockTransport(serve))


def serving(events: Sequence[Event]) -> ollama.AsyncClient:
    def answer(path: str, body: bytes) -> httpx.Response:
        chat = OLLAMA.read(operation(path), body)
        if chat.stream:
            stream = pieces(encoded(events, chat))
            return httpx.Response(200, content=stream, headers={"content-type": OLLAMA.stream_type})
        return httpx.Response(200, content=OLLAMA.answer(collect(events), chat, CALL_ID))

    return client(answer)


def told(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.model_dump(exclude_none=True)
    return found


def put_together(lines: Sequence[dict[str, Any]], text: str) -> dict[str, Any]:
    """A stream as one answer: texts joined, lists chained, the rest as the last line has it."""
    last = dict(lines[-1])
    parts = [line.get("message", {}) for line in lines]
    whole: dict[str, Any] = {
        text: "".join(part.get(text, line.get(text, "")) for line, part in zip(lines, parts, strict=True))
    }
    for name in ("thinking", "tool_calls", "logprobs"):
        pieces = [
            place[name] for line, part in zip(lines, parts, strict=True) for place in (part, line) if name in place
        ]
        if pieces and name == "thinking":
            whole[name] = "".join(pieces)
        elif pieces:
            whole[name] = [item for piece in pieces for item in piece]
    message = last.pop("message", None)
    last.pop(text, None)
    probabilities = {"logprobs": whole.pop("logprobs")} if "logprobs" in whole else {}
    return {**last, **probabilities, **({"message": {"role": "assistant", **whole}} if message else whole)}


@pytest.mark.parametrize("events", ANSWERS.values(), ids=ANSWERS)
async def test_the_sdk_sees_the_same_whole_and_streamed(events: list[Event]) -> None:
    """P2, P3, P7"""
    sdk = serving(events)
    answered = told(await sdk.chat(model="m", messages=ASKED))
    streamed = [told(line) async for line in await sdk.chat(model="m", messages=ASKED, stream=True)]
    assert [line["done"] for line in streamed] == [False] * (len(streamed) - 1) + [True]
    assert put_together(streamed, "content") == answered
    assert (answered["model"], answered["created_at"]) == ("m", STAMP)


@pytest.mark.parametrize("name", ["text", "empty", "thoughts", "probabilities"])
async def test_the_sdk_sees_the_same_of_a_prompt(name: str) -> None:
    sdk = serving(ANSWERS[name])
    answered = told(await sdk.generate(model="m", prompt="Hello"))
    streamed = [told(line) async for line in await sdk.generate(model="m", prompt="Hello", stream=True)]
    assert put_together(streamed, "response") == answered


async def test_what_the_sdk_sends_back() -> None:
    """Its types know no ids; the calls and their results find each other all the same."""
    answered = await serving(ANSWERS["calls"]).chat(model="m", messages=ASKED)
    seen: list[Chat] = []

    def answer(path: str, body: bytes) -> httpx.Response:
        seen.append(OLLAMA.read(operation(path), body))
        return httpx.Response(200, content=OLLAMA.answer(collect(ANSWERS["text"]), seen[0], CALL_ID))

    results = [{"role": "tool", "tool_name": name, "content": name} for name in ("g", "f", "h")]
    await client(answer).chat(model="m", messages=[*ASKED, answered.message, *results])
    body = OLLAMA.write(seen[0], TARGET).body
    assert [call["id"] for call in body["messages"][1]["tool_calls"]] == ["call_1_0", "call_1_1", "call_1_2"]
    assert [message["tool_call_id"] for message in body["messages"][2:]] == ["call_1_1", "call_1_0", "call_1_2"]


@pytest.mark.parametrize("name", ["text", "empty", "thoughts", "calls", "probabilities"])
def test_what_is_encoded_can_be_decoded(name: str) -> None:
    events = ANSWERS[name]
    again = collect(fed(OLLAMA.decoder(TARGET), [encoded(events)]))
    before = collect(events)
    (one,), (other,) = again.choices, before.choices
    assert (one.text, one.reasoning) == (other.text + other.refusal, other.reasoning)
    assert [(call.id, call.name, call.arguments) for call in one.calls] == [
        (call.id, call.name, call.arguments) for call in other.calls
    ]
    assert (one.finish, one.logprobs, again.usage) == (other.finish, other.logprobs, before.usage)


def test_ids_and_signatures_are_told_to_who_keeps_them() -> None:
    """C41"""
    body = msgspec.json.decode(OLLAMA.answer(collect(ANSWERS["calls"]), CHAT, CALL_ID))
    message = {"model": "m", "messages": [body["message"]]}
    (read,) = OLLAMA.read(operation("/api/chat"), msgspec.json.encode(message)).messages
    assert [(part.id, part.signature) for part in read.parts[1:]] == [("a", SIGNED), ("b", None), ("c", None)]  # type: ignore[union-attr]
    assert [call["function"]["index"] for call in body["message"]["tool_calls"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "stop"),
        ("pause", "stop"),
        ("content_filter", "content_filter"),
        ("malformed_call", "error"),
        ("error", "error"),
    ],
)
def test_why_it_ended(finish: FinishReason, reason: str) -> None:
    events = [Finished(reason=finish)]
    assert msgspec.json.decode(OLLAMA.answer(collect(events), CHAT, CALL_ID))["done_reason"] == reason
    assert msgspec.json.decode(encoded(events))["done_reason"] == reason


def test_each_line_is_one_line_to_every_splitter() -> None:
    stream = encoded(ANSWERS["text"])
    assert len(stream.decode().splitlines()) == stream.count(b"\n") == 3


@settings(max_examples=50, deadline=None)
@given(st.permutations([0] * 4 + [1] * 4 + [2] * 4), st.sets(st.integers(0, 2)))
def test_calls_that_interleave(order: list[int], ended: set[int]) -> None:
    pieces = ['{"a"', ":", "1", "}"]
    events: list[Event] = [ToolStarted(index=at, id=f"c{at}", name=f"f{at}") for at in range(3)]
    told = [0, 0, 0]
    for at in order:
        events.append(ToolDelta(at, pieces[told[at]]))
        told[at] += 1
        if told[at] == 4 and at in ended:
            events.append(ToolEnded(at))
    (choice,) = collect(fed(OLLAMA.decoder(TARGET), [encoded([*events, Finished(reason="tool_calls")])])).choices
    assert [(call.id, call.arguments) for call in choice.calls] == [(f"c{at}", '{"a":1}') for at in range(3)]


def test_a_call_is_told_when_it_has_ended() -> None:
    encoder = OLLAMA.encoder(CHAT, CALL_ID)
    assert encoder.encode([ToolStarted(index=0, id="a", name="f"), ToolDelta(0, "{}")]) == b""
    assert encoder.encode([ToolDelta(7, "{}"), ToolEnded(0)]).count(b"tool_calls") == 1


@pytest.mark.parametrize("broken", [True, False])
async def test_a_stream_that_breaks_off(broken: bool) -> None:
    """C64, C65, P6"""
    error = UpstreamFailed("The provider failed.")

    def answer(path: str, body: bytes) -> httpx.Response:
        encoder = OLLAMA.encoder(CHAT, CALL_ID)
        begun = encoder.encode([TextDelta("Ye"), ToolStarted(index=0, id="a", name="f")])
        ended = encoder.encode([Broken(error)]) if broken else encoder.fail(error)
        assert encoder.fail(error) == encoder.finish() == encoder.encode([TextDelta("more")]) == b""
        assert ended == OLLAMA.error_event(error)
        return httpx.Response(200, content=begun + ended)

    lines = await client(answer).chat(model="m", messages=ASKED, stream=True)
    assert (await anext(lines)).message.content == "Ye"
    with pytest.raises(ollama.ResponseError, match=r"The provider failed\."):
        await anext(lines)


async def test_a_refusal() -> None:
    error = BadRequest("Mend it.")
    sdk = client(lambda path, body: httpx.Response(error.status, content=OLLAMA.error(error, "r1")))
    with pytest.raises(ollama.ResponseError) as caught:
        await sdk.chat(model="m", messages=ASKED)
    assert (caught.value.error, caught.value.status_code) == ("Mend it.", 400)


async def test_embeddings_for_the_sdk() -> None:
    embedded = Embedded(vectors=((0.5, 1.0), (2.0, -1.0)), usage=Usage(input=3))
    seen: list[Embed] = []

    def answer(path: str, body: bytes) -> httpx.Response:
        seen.append(OLLAMA.read_embed(operation(path), body))
        return httpx.Response(200, content=OLLAMA.answer_embed(embedded, seen[-1], CALL_ID))

    sdk = client(answer)
    answered = await sdk.embed(model="m", input=["a", "b"], dimensions=2, truncate=True, keep_alive="5m")
    assert answered.embeddings == [[0.5, 1.0], [2.0, -1.0]]
    assert answered.prompt_eval_count == 3
    assert (await sdk.embed(model="m", input="a")).embeddings == answered.embeddings
    assert (await sdk.embeddings(model="m", prompt="a")).embedding == [0.5, 1.0]
    assert seen == [
        Embed(model="m", inputs=("a", "b"), dimensions=2, others={"truncate": True, "keep_alive": "5m"}),
        Embed(model="m", inputs=("a",)),
        Embed(model="m", inputs=("a",), batched=False),
    ]
    assert msgspec.json.decode(OLLAMA.answer_embed(Embedded(vectors=()), seen[2], CALL_ID)) == {"embedding": []}


async def test_the_sdk_lists_models() -> None:
    cards = [ModelCard("m", "o", CREATED)]
    listed = await client(lambda path, body: httpx.Response(200, json=OLLAMA.models(cards))).list()
    (model,) = listed.models
    assert model.model == "m"
    assert model.modified_at is not None
    assert int(model.modified_at.timestamp()) == CREATED


def test_it_is_a_dialect_of_both_sides() -> None:
    client_side: ClientDialect = OLLAMA
    upstream_side: UpstreamDialect = OLLAMA
    assert client_side.name == upstream_side.name == "ollama"
    assert all(isinstance(OLLAMA, kind) for kind in (ChatDialect, EmbedDialect, Embedder))


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings"])
def test_its_paths(path: str) -> None:
    asked = operation(path)
    assert asked.name == path.replace("/api/", "ollama.")
    assert asked.streams == (asked.task == "chat")
    assert OLLAMA.path(asked, "m", stream=True) == path


def test_paths_of_others() -> None:
    assert OLLAMA.operation("/api/pull") is None
    assert OLLAMA.owns("/api/tags", {}, "")
    assert not OLLAMA.owns("/models", {}, "")
    assert OLLAMA.path(Operation(name="chat", task="chat"), "m", stream=True) == "/api/chat"
    assert OLLAMA.path(Operation(name="embeddings", task="embeddings"), "m", stream=False) == "/api/embed"
    assert OLLAMA.path(Operation(name="images", task="images"), "m", stream=False) is None
