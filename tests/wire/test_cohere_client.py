"""What clients of Cohere's format are answered: by its own SDK, and event by event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import cohere
import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest, GatewayError, NotFound, UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Target
from oneapi_asgi.wire.cohere.format import COHERE
from oneapi_asgi.wire.dialect import (
    ChatDialect,
    ClientDialect,
    Embedder,
    EmbedDialect,
    ModelCard,
    RerankDialect,
    Reranker,
    UpstreamDialect,
)
from oneapi_asgi.wire.events import (
    Broken,
    Citation,
    Cited,
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
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature

from .pieces import fed

CALL_ID = "0123456789abcdef" * 2
ID = "01234567-89ab-cdef-0123-456789abcdef"
CHAT = Chat(model="m", messages=())
TARGET = Target(model="m", stream=True)
SIGNED = Signature("gemini", "g", "c2ln")
ASKED: Any = [{"role": "user", "content": "Hello"}]
COUNTED = Usage(input=9, output=4, cache_read=3)

ANSWERS: dict[str, list[Event]] = {
    "text": [Started(), TextDelta("Grüß "), TextDelta("👋\u2028"), Finished(reason="stop"), COUNTED, Ended()],
    "stopped": [TextDelta("a"), Finished(reason="stop", stop_sequence="x")],
    "empty": [Started(), Finished(reason="stop"), Ended()],
    "thoughts": [
        Started(),
        ReasoningDelta("Hm"),
        ReasoningDelta("m."),
        ReasoningEnded(signature=SIGNED),
        TextDelta("Yes."),
        RefusalDelta(" No."),
        Finished(reason="length"),
    ],
    "redacted": [ReasoningEnded(signature=SIGNED, redacted=True), TextDelta("a"), Finished(reason="stop")],
    "calls": [
        Started(),
        TextDelta("I ask."),
        ToolStarted(index=0, id="a", name="f", signature=SIGNED),
        ToolStarted(index=1, id="b", name="g"),
        ToolDelta(1, '{"x":'),
        ToolDelta(0, '{"y":2}'),
        ToolDelta(1, "1}"),
        ToolStarted(index=2, id="c", name="h"),
        Finished(reason="tool_calls"),
        COUNTED,
    ],
    "ended calls": [
        ToolStarted(index=0, id="a", name="f"),
        ToolDelta(0, "{}"),
        ToolEnded(0),
        ToolStarted(index=1, id="b", name="g"),
        ToolEnded(1),
        TextDelta("Then."),
        Finished(reason="tool_calls"),
    ],
    "citations": [
        TextDelta("It rains."),
        Cited(Citation(url="https://a.example", title="T", quote="Rain.", start=3, end=8)),
        Cited(Citation(quote="Wet.")),
        Finished(reason="stop"),
    ],
    "probabilities": [
        TextDelta("a"),
        Probabilities(({"token": "a", "logprob": -1.5, "bytes": None, "top_logprobs": []},)),
        Finished(reason="stop"),
    ],
    "image": [FileMade(File(kind="image", media_type="image/png", data="aaaa")), Finished(reason="stop")],
    "nothings": [
        TextDelta(""),
        ReasoningDelta(""),
        ReasoningEnded(),
        FileMade(File(kind="audio", data="aaaa")),
        ToolStarted(index=0, id="a", name="f"),
        ToolDelta(0, ""),
        Finished(reason="tool_calls"),
    ],
    "texts around a call": [
        TextDelta("a"),
        ToolStarted(index=0, id="a", name="f"),
        TextDelta("b"),
        FileMade(File(kind="image", url="https://a.example/b.png")),
        Finished(reason="tool_calls"),
    ],
    "second choice": [TextDelta("a"), TextDelta("b", 1), Finished(reason="stop"), Finished(reason="length", choice=1)],
}


NOT_BACK = ("second choice", "image", "stopped", "nothings", "texts around a call")


def operation(path: str) -> Operation:
    found = COHERE.operation(path)
    assert found is not None
    return found


def encoded(events: Sequence[Event]) -> bytes:
    encoder = COHERE.encoder(CHAT, CALL_ID)
    return b"".join(encoder.encode([event]) for event in events) + encoder.finish()


async def pieces(stream: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(stream), 7):
        yield stream[start : start + 7]


def client(answer: Callable[[str, bytes], httpx.Response]) -> cohere.AsyncClientV2:
    async def serve(request: httpx.Request) -> httpx.Response:
        return answer(request.url.path, await request.aread())

    transport = httpx.AsyncClient(transport=httpx.MockTransport(serve))
    return cohere.AsyncClientV2(api_key="k", base_url="http://gateway", httpx_client=transport, max_retries=0)


def serving(events: Sequence[Event]) -> cohere.AsyncClientV2:
    def answer(path: str, body: bytes) -> httpx.Response:
        chat = COHERE.read(operation(path), body)
        if chat.stream:
            return httpx.Response(200, content=pieces(encoded(events)), headers={"content-type": COHERE.stream_type})
        return httpx.Response(200, content=COHERE.answer(collect(events), chat, CALL_ID))

    return client(answer)


def put_together(events: Sequence[Any]) -> dict[str, Any]:
    """A stream as the SDK's user has it, as a whole answer."""
    blocks: list[dict[str, Any]] = []
    calls: list[Any] = []
    citations: list[Any] = []
    ended: Any = None
    for event in events:
        delta: Any = getattr(event, "delta", None)
        message: Any = getattr(delta, "message", None)
        match event.type:
            case "content-start":
                assert event.index == len(blocks)
                blocks.append(message.content.model_dump(exclude_none=True))
            case "content-delta":
                for name, value in message.content.model_dump(exclude_none=True).items():
                    blocks[event.index][name] = blocks[event.index].get(name, "") + value
            case "tool-call-start":
                assert event.index == len(calls)
                calls.append(message.tool_calls.model_dump(exclude_none=True))
            case "tool-call-delta":
                assert event.index == len(calls) - 1
                calls[-1]["function"]["arguments"] += message.tool_calls.function.arguments
            case "citation-start":
                citations.append(message.citations.model_dump(exclude_none=True))
            case "message-end":
                ended = delta
    assert [event.type for event in events[:1]] == ["message-start"]
    assert events[-1].type == "message-end"
    return {
        "content": blocks or None,
        "tool_calls": calls or None,
        "citations": citations or None,
        "finish_reason": ended.finish_reason,
        "usage": ended.usage.model_dump() if ended.usage else None,
    }


@pytest.mark.parametrize("events", ANSWERS.values(), ids=ANSWERS)
async def test_the_sdk_sees_the_same_whole_and_streamed(events: list[Event]) -> None:
    """P2, P3, P7"""
    sdk = serving(events)
    answered = await sdk.chat(model="m", messages=ASKED)
    streamed = [event async for event in sdk.chat_stream(model="m", messages=ASKED)]
    message = answered.message.model_dump(exclude_none=True)
    assert put_together(streamed) == {
        "content": message.get("content"),
        "tool_calls": message.get("tool_calls"),
        "citations": message.get("citations"),
        "finish_reason": answered.finish_reason,
        "usage": answered.usage.model_dump() if answered.usage else None,
    }
    assert answered.id == ID
    for called in message.get("tool_calls", ()):
        assert isinstance(msgspec.json.decode(called["function"]["arguments"]), dict)


@pytest.mark.parametrize("events", ANSWERS.values(), ids=ANSWERS)
def test_its_types_hold_what_is_told(events: list[Event]) -> None:
    """The SDK itself does not check."""
    cohere.V2ChatResponse.model_validate_json(COHERE.answer(collect(events), CHAT, CALL_ID))
    *frames, done = encoded(events).split(b"\n\n")[:-1]
    assert done == b"data: [DONE]"
    for frame in frames:
        name, data = frame.removeprefix(b"event: ").split(b"\ndata: ")
        words = name.decode().split("-")
        kind = getattr(cohere, "".join(map(str.title, words)) + "V2ChatStreamResponse")
        assert kind.model_validate_json(data).type == name.decode()


async def test_what_the_sdk_sends_back() -> None:
    """C40, C41: signatures of others survive an echo of the message."""
    answered = await serving(ANSWERS["calls"]).chat(model="m", messages=ASKED)
    seen: list[Chat] = []

    def answer(path: str, body: bytes) -> httpx.Response:
        seen.append(COHERE.read(operation(path), body))
        return httpx.Response(200, content=COHERE.answer(collect(ANSWERS["text"]), seen[0], CALL_ID))

    calls: Any = answered.message.tool_calls
    messages: Any = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": calls, "content": answered.message.content},
        *({"role": "tool", "tool_call_id": call.id, "content": "1"} for call in calls),
    ]
    await client(answer).chat(model="m", messages=messages, thinking=cohere.Thinking(type="disabled"))
    assert seen[0].messages[1].parts[1].signature == SIGNED  # type: ignore[union-attr]
    assert [part.name for message in seen[0].messages[2:] for part in message.parts] == ["f", "g", "h"]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in NOT_BACK])
def test_what_is_encoded_can_be_decoded(name: str) -> None:
    events = ANSWERS[name]
    again = collect(fed(COHERE.decoder(TARGET), [encoded(events)]))
    before = collect(events)
    assert again.usage == before.usage
    (one,), (other,) = again.choices, before.choices
    assert (one.text, one.reasoning) == (other.text + other.refusal, other.reasoning)
    assert [(call.name, call.arguments) for call in one.calls] == [(call.name, call.arguments) for call in other.calls]
    assert one.finish == other.finish
    assert len(one.citations) == len(other.citations)


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "COMPLETE"),
        ("length", "MAX_TOKENS"),
        ("tool_calls", "TOOL_CALL"),
        ("pause", "COMPLETE"),
        ("content_filter", "ERROR"),
        ("malformed_call", "ERROR"),
        ("error", "ERROR"),
    ],
)
def test_why_it_ended(finish: FinishReason, reason: str) -> None:
    events = [Finished(reason=finish)]
    assert msgspec.json.decode(COHERE.answer(collect(events), CHAT, CALL_ID))["finish_reason"] == reason
    assert f'"finish_reason":"{reason}"'.encode() in encoded(events)


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
    stream = encoded([*events, Finished(reason="tool_calls")])
    (choice,) = collect(fed(COHERE.decoder(TARGET), [stream])).choices
    assert [(call.id, call.arguments) for call in choice.calls] == [(f"c{at}", '{"a":1}') for at in range(3)]
    numbers = [event.split(b'"index":')[1][:1] for event in stream.split(b"\n\n") if b"tool-call" in event]
    assert numbers == sorted(numbers)


def test_long_texts_are_told_in_pieces() -> None:
    """The SDK refuses lines of more than a million characters."""
    stream = encoded([TextDelta("ä\n" * 300_000), Finished(reason="stop")])
    assert max(map(len, stream.split(b"\n"))) < 1 << 20
    assert collect(fed(COHERE.decoder(TARGET), [stream])).choices[0].text == "ä\n" * 300_000


def test_the_first_call_is_told_at_once_and_the_second_after_it() -> None:
    encoder = COHERE.encoder(CHAT, CALL_ID)
    first = encoder.encode([ToolStarted(index=0, id="a", name="f"), ToolDelta(0, "{")])
    assert b"tool-call-start" in first
    assert b"tool-call-delta" in first
    assert encoder.encode([ToolStarted(index=1, id="b", name="g"), ToolDelta(1, "{}")]) == b""
    assert encoder.encode([ToolDelta(7, "{}"), ToolEnded(7)]) == b""
    assert encoder.encode([ToolDelta(0, "}"), ToolEnded(0)]).count(b"event: tool-call-") == 4


@pytest.mark.parametrize("broken", [True, False])
async def test_a_stream_that_breaks_off(broken: bool) -> None:
    """C64, C65, P6"""
    error = UpstreamFailed("The provider failed.")

    def answer(path: str, body: bytes) -> httpx.Response:
        encoder = COHERE.encoder(CHAT, CALL_ID)
        begun = encoder.encode([TextDelta("Ye"), ToolStarted(index=0, id="a", name="f")])
        ended = encoder.encode([Broken(error)]) if broken else encoder.fail(error)
        assert encoder.fail(error) == encoder.finish() == encoder.encode([TextDelta("more")]) == b""
        assert ended == COHERE.error_event(error)
        return httpx.Response(200, content=begun + ended, headers={"content-type": COHERE.stream_type})

    events = [event async for event in client(answer).chat_stream(model="m", messages=ASKED)]
    last = events[-1]
    assert last.type == "message-end"
    assert last.delta is not None
    assert (last.delta.finish_reason, last.delta.error) == ("ERROR", "The provider failed.")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(BadRequest("Mend it."), cohere.BadRequestError), (NotFound("No such model."), cohere.NotFoundError)],
)
async def test_a_refusal(error: GatewayError, kind: type[Exception]) -> None:
    sdk = client(lambda path, body: httpx.Response(error.status, content=COHERE.error(error, "r1")))
    with pytest.raises(kind) as caught:
        await sdk.chat(model="m", messages=ASKED)
    assert getattr(caught.value, "body", None) == {"id": "r1", "message": error.message}
    assert msgspec.json.decode(COHERE.error(error, "")) == {"message": error.message}


def test_it_is_a_dialect_of_both_sides() -> None:
    client_side: ClientDialect = COHERE
    upstream_side: UpstreamDialect = COHERE
    assert client_side.name == upstream_side.name == "cohere"
    assert all(isinstance(COHERE, kind) for kind in (ChatDialect, EmbedDialect, RerankDialect, Embedder, Reranker))


@pytest.mark.parametrize(
    ("path", "name", "upstream"),
    [
        ("/v2/chat", "cohere.chat", "/chat"),
        ("/v2/embed", "cohere.embed", "/embed"),
        ("/v2/rerank", "cohere.rerank", "/rerank"),
    ],
)
def test_its_paths(path: str, name: str, upstream: str) -> None:
    assert operation(path).name == name
    assert operation(path).dialect == "cohere"
    assert COHERE.path(operation(path), "m", stream=True) == upstream
    assert operation(path).task in COHERE.tasks


def test_paths_of_others() -> None:
    assert COHERE.operation("/v2/parse") is None
    assert COHERE.path(Operation(name="images", task="images"), "m", stream=False) is None
    assert COHERE.owns("/v2/parse", {}, "")
    assert COHERE.owns("/models", {b"x-fern-sdk-name": b"cohere"}, "")
    assert not COHERE.owns("/models", {}, "")


async def test_the_sdk_lists_models() -> None:
    cards = [ModelCard("m", "o", 1)]
    sdk = client(lambda path, body: httpx.Response(200, content=msgspec.json.encode(COHERE.models(cards))))
    assert [model.name for model in (await sdk.models.list()).models] == ["m"]
    assert COHERE.model(cards[0]) == {"name": "m", "is_deprecated": False, "finetuned": False}
