"""Answers on their way into another format: streamed or whole at either end, honest when they break."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

import pytest

from oneapi_asgi.errors import UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, Message, Target, Text, Tool
from oneapi_asgi.wire.dialects import CLIENTS, UPSTREAMS, operation_at
from oneapi_asgi.wire.events import ReasoningDelta, ReasoningEnded, TextDelta, ToolStarted
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.translation import TalkingClient, TaskTranslation, Translation, translated_task

from .streams import DONE, chunk, event

CALL_ID = "0123456789abcdef" * 2
CUT = UpstreamFailed("It was cut.", code="upstream_cut")
NAMES = [name for name in CLIENTS if name != "openai"]
REPORT = event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
HEAD = chunk({"role": "assistant", "content": ""})
HELLO = HEAD + chunk({"content": "Hello"}) + chunk({"content": " you"})
STREAM = HELLO + chunk({}, "stop") + REPORT + DONE
ERROR = event({"error": {"message": "secret prose", "type": "server_error", "code": None, "param": None}})
WHOLE: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "up",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello you"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}
BODY = json.dumps(WHOLE).encode()


def translation(client: str, *, wants: bool, streams: bool, upstream: str = "openai") -> Translation:
    """``wants``: the caller wants a stream; ``streams``: the upstream is asked for one."""
    asked = Chat(model="mine", messages=(Message(role="user", parts=(Text(text="hi"),)),), stream=wants)
    target = Target(model="up", stream=streams)
    return Translation(UPSTREAMS[upstream], target, cast("TalkingClient", CLIENTS[client]), asked, CALL_ID)


def fed(form: Translation, chunks: Iterable[bytes]) -> bytes:
    out = []
    for piece in chunks:
        out.append(form.feed(piece))
        form.count()
    return b"".join([*out, form.finish()])


def pieces(stream: bytes, size: int) -> Iterable[bytes]:
    return (stream[at : at + size] for at in range(0, len(stream), size))


by_client = pytest.mark.parametrize("client", NAMES)


@by_client
def test_stream_to_stream(client: str) -> None:
    whole = fed(translation(client, wants=True, streams=True), [STREAM])
    form = translation(client, wants=True, streams=True)
    first = [form.feed(piece) for piece in pieces(STREAM[: STREAM.index(b"Hello") - 20], 5)]
    assert b"".join(first) == b"", "nothing before the first content"
    assert form.streams("text/event-stream")
    assert form.content_type == ("application/x-ndjson" if client == "ollama" else "text/event-stream") or (
        client == "gemini"
    )
    assert b"Hello" in whole
    assert b" you" in whole
    form = translation(client, wants=True, streams=True)
    given = fed(form, pieces(STREAM, 1))
    assert (form.whole, form.reader.failed, form.reader.counts) == (True, False, Usage(input=5, output=2))
    assert given.count(b"Hello") == whole.count(b"Hello")
    assert form.kept == [], "of a stream only what has to be remembered"


@by_client
def test_whole_to_whole_and_stream_to_whole_are_the_same(client: str) -> None:
    form = translation(client, wants=False, streams=False)
    assert not form.streams("text/event-stream")
    told = form.told(BODY)
    assert (told.failed, told.usage, told.content_type) == (False, Usage(input=5, output=2), "application/json")
    form = translation(client, wants=False, streams=True)
    assert form.streams("text/event-stream")
    assert not form.streams("application/json")
    assert form.content_type == "application/json"
    assert all(form.feed(piece) == b"" for piece in pieces(STREAM, 9))
    assert json.loads(form.finish()) == json.loads(told.body)
    assert b"Hello you" in told.body


@by_client
def test_whole_to_stream(client: str) -> None:
    form = translation(client, wants=True, streams=False)
    told = form.told(BODY)
    assert told.content_type == form.content_type
    assert told.usage == Usage(input=5, output=2)
    assert told.body.count(b"Hello you") >= 1
    assert not told.failed


@by_client
@pytest.mark.parametrize("wants", [True, False])
@pytest.mark.parametrize(
    ("body", "usage"),
    [
        pytest.param(b"<html>", None, id="no JSON"),
        pytest.param(b"[]", None, id="another shape"),
        pytest.param(b'{"error":{"message":"secret prose"}}', None, id="error"),
        pytest.param(json.dumps(WHOLE | {"choices": []}).encode(), Usage(input=5, output=2), id="empty"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_answers_that_are_none(client: str, wants: bool, body: bytes, usage: Usage | None) -> None:
    told = translation(client, wants=wants, streams=False).told(body)
    assert (told.failed, told.body) == (True, b"")


@by_client
def test_an_error_before_the_first_content(client: str) -> None:
    for stream in (ERROR, HEAD + ERROR):
        for wants in (True, False):
            form = translation(client, wants=wants, streams=True)
            fed(form, [stream])  # what it gives is not sent: another channel is asked
            assert (form.whole, form.reader.failed) == (True, True)


@by_client
def test_an_error_after_it(client: str) -> None:
    form = translation(client, wants=True, streams=True)
    given = fed(form, [HELLO + ERROR])
    plain = fed(translation(client, wants=True, streams=True), [HELLO + chunk({}, "stop") + REPORT + DONE])
    assert (form.whole, form.reader.failed) == (True, True)
    assert b"rror" in given
    assert ends(client, plain)
    assert not ends(client, given)
    form = translation(client, wants=False, streams=True)
    assert fed(form, [HELLO + ERROR]) == b""
    assert form.reader.failed


ENDS = {
    "responses": b"response.completed",
    "anthropic": b"message_stop",
    "gemini": b'"STOP"',
    "cohere": b'"COMPLETE"',
    "ollama": b'"done_reason":"stop"',
}


def ends(client: str, stream: bytes) -> bool:
    return ENDS[client] in stream.replace(b": ", b":")


@by_client
@pytest.mark.parametrize("cut", [HELLO, HELLO + b"data: {"])
def test_cut(client: str, cut: bytes) -> None:
    form = translation(client, wants=True, streams=True)
    given = fed(form, [cut])
    assert not form.whole
    assert form.reader.counts is None
    assert form.reader.output > 0
    given += form.fail(CLIENTS[client], CUT)
    assert b"It was cut." in given
    assert not ends(client, given)
    whole = translation(client, wants=False, streams=True)
    assert fed(whole, [cut]) == b""
    assert not whole.whole


@by_client
def test_cut_before_the_first_content(client: str) -> None:
    form = translation(client, wants=True, streams=True)
    assert fed(form, [HEAD]) == b""
    assert (form.whole, form.reader.started) == (False, False)
    assert b"It was cut." in form.fail(CLIENTS[client], CUT)


def test_what_is_kept() -> None:
    thinks = chunk({"reasoning_content": "Hm."})
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    stream = HEAD + thinks + chunk({"content": "a"}) + chunk({"tool_calls": [call]}) + chunk({}, "tool_calls") + DONE
    form = translation("anthropic", wants=True, streams=True)
    fed(form, [stream])
    kinds = [type(kept) for kept in form.kept]
    assert kinds[0] is ReasoningDelta
    assert set(kinds) <= {ReasoningDelta, ReasoningEnded, ToolStarted}
    assert ToolStarted in kinds
    form = translation("anthropic", wants=False, streams=True)
    fed(form, [stream])
    assert TextDelta in [type(kept) for kept in form.kept]


# --- what is no conversation ------------------------------------------------------------------------------------------


def asked(path: str) -> Operation:
    operation = operation_at(path)
    assert operation is not None
    return operation


def task(path: str, body: object, upstream: str) -> TaskTranslation | None:
    operation = asked(path)
    target = Target(model="up", stream=False)
    raw = json.dumps(body).encode()
    made = translated_task(CLIENTS[operation.dialect], UPSTREAMS[upstream], operation, raw, target, CALL_ID)
    if made is None:
        return None
    written, form = made
    assert written.body
    return form


EMBED = {"model": "mine", "input": ["a", "b"]}
RERANK = {"model": "mine", "query": "q", "documents": ["a", "b"]}
PAINT = {"model": "mine", "prompt": "a fox"}
VECTORS = {"object": "list", "data": [{"index": n, "embedding": [float(n), 0.5]} for n in range(2)], "model": "up"}
SCORES = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}


@pytest.mark.parametrize(
    ("path", "body", "upstream", "answer", "found"),
    [
        pytest.param(
            "/v2/embed",
            {"model": "mine", "texts": ["a", "b"], "input_type": "search_query", "embedding_types": ["float"]},
            "openai",
            VECTORS | {"usage": {"prompt_tokens": 3, "total_tokens": 3}},
            b"0.5",
            id="embeddings",
        ),
        pytest.param(
            "/rerank",
            RERANK,
            "cohere",
            SCORES | {"meta": {"billed_units": {"search_units": 1}}},
            b"0.9",
            id="rerank",
        ),
        pytest.param(
            "/images/generations",
            PAINT,
            "gemini",
            {
                "candidates": [
                    {
                        "content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]},
                        "finishReason": "STOP",
                    }
                ],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 9},
            },
            b"QUJD",
            id="images",
        ),
    ],
)
def test_tasks(path: str, body: object, upstream: str, answer: object, found: bytes) -> None:
    form = task(path, body, upstream)
    assert form is not None
    assert not form.streams("text/event-stream")
    told = form.told(json.dumps(answer).encode())
    assert (told.failed, told.content_type) == (False, "application/json")
    assert found in told.body
    assert (form.feed(b""), form.finish(), form.whole) == (b"", b"", False)
    form.count()
    assert b"It was cut." in form.fail(CLIENTS["openai"], CUT)


@pytest.mark.parametrize(
    ("path", "body", "upstream", "answer"),
    [
        pytest.param("/api/embed", EMBED, "openai", VECTORS | {"data": VECTORS["data"][:1]}, id="one vector of two"),
        pytest.param("/api/embed", EMBED, "openai", {"error": {"message": "x"}}, id="error"),
        pytest.param("/rerank", RERANK, "cohere", {"results": [{"index": 2, "relevance_score": 1}]}, id="no document"),
        pytest.param("/rerank", RERANK, "cohere", {"results": [{"index": -1, "relevance_score": 1}]}, id="negative"),
        pytest.param("/rerank", RERANK, "cohere", [], id="another shape"),
        pytest.param("/images/generations", PAINT, "gemini", {"candidates": 1}, id="no pictures"),
    ],
)
def test_tasks_that_fail(path: str, body: object, upstream: str, answer: object) -> None:
    form = task(path, body, upstream)
    assert form is not None
    told = form.told(json.dumps(answer).encode())
    assert (told.failed, told.body) == (True, b"")


@pytest.mark.parametrize(
    ("path", "body", "upstream"),
    [
        ("/embeddings", EMBED, "anthropic"),
        ("/rerank", RERANK, "gemini"),
        ("/images/generations", PAINT, "cohere"),
        ("/messages/count_tokens", {}, "gemini"),
        ("/moderations", {"input": "a"}, "openai"),
    ],
)
def test_tasks_that_cannot_be_said(path: str, body: object, upstream: str) -> None:
    assert task(path, body, upstream) is None


CUSTOM = Tool(name="code", custom=True)


def custom_form(client: str, *, wants: bool, streams: bool) -> Translation:
    asked = Chat(model="mine", messages=(), tools=(CUSTOM, Tool(name="plain")), stream=wants)
    target = Target(model="up", stream=streams)
    return Translation(UPSTREAMS["anthropic"], target, cast("TalkingClient", CLIENTS[client]), asked, CALL_ID)


def called(arguments: list[str], name: str = "code") -> bytes:
    """A stream of Anthropic's in which a tool is called."""
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    usage = {"input_tokens": 1, "output_tokens": 1}
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "model": "up", "content": [], "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in arguments
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(event(each) for each in told)


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (['{"input": "print(', '1)\\n"}'], "print(1)\n"),
        (['{"other": 1}'], '{"other":1}'),
        (["{}"], ""),
    ],
)
def test_a_tool_of_free_text_is_called_as_its_caller_knows_it(arguments: list[str], text: str, streams: bool) -> None:
    whole = json.loads("".join(arguments))
    block = {"type": "tool_use", "id": "toolu_1", "name": "code", "input": whole}
    body = {"type": "message", "content": [block], "stop_reason": "tool_use", "usage": {}}
    for client in ("openai", "responses"):
        form = custom_form(client, wants=False, streams=streams)
        if streams:
            given = json.loads(fed(form, pieces(called(arguments), 7)))
        else:
            given = json.loads(form.told(json.dumps(body).encode()).body)
        if client == "openai":
            call = given["choices"][0]["message"]["tool_calls"][0]
            assert (call["type"], call["custom"]["name"]) == ("custom", "code")
            told = call["custom"]["input"]
        else:
            (item,) = given["output"]
            assert (item["type"], item["call_id"], item["name"]) == ("custom_tool_call", "toolu_1", "code")
            told = item["input"]
        assert told == text if text in ("", "print(1)\n") else json.loads(told) == json.loads(text)


def test_free_text_in_a_stream() -> None:
    given = fed(custom_form("responses", wants=True, streams=True), pieces(called(['{"input": "a', 'b"}']), 3))
    frames = [json.loads(line[6:]) for line in given.decode().split("\n") if line.startswith("data: {")]
    told = [frame["delta"] for frame in frames if frame["type"] == "response.custom_tool_call_input.delta"]
    assert told == ["ab"]
    assert frames[-1]["response"]["output"][0]["input"] == "ab"


def test_other_tools_beside_one_of_free_text() -> None:
    form = custom_form("openai", wants=False, streams=True)
    call = json.loads(fed(form, [called(['{"input": "a"}'], "plain")]))["choices"][0]["message"]["tool_calls"][0]
    assert (call["type"], json.loads(call["function"]["arguments"])) == ("function", {"input": "a"})
