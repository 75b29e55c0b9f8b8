"""Gemini's answers, as events."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from oneapi_asgi.errors import GatewayError, UpstreamRefused
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Target
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import (
    Broken,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    Probabilities,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.gemini.format import GEMINI
from oneapi_asgi.wire.sealed import Signature

from .pieces import fed, joined, same_in_all_pieces

TARGET = Target(model="gemini-3-pro", stream=True)
STARTED = Started(id="r1", model="gemini-3-pro-001")
COUNTS = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}
COUNTED = Usage(input=9, output=4)


def response(*parts: Any, finish: str | None = None, index: int | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    if finish is not None:
        candidate["finishReason"] = finish
    if index is not None:
        candidate["index"] = index
    top: dict[str, Any] = {key: more.pop(key) for key in ("usageMetadata", "promptFeedback") if key in more}
    return {
        "candidates": [{**candidate, **more}],
        "modelVersion": "gemini-3-pro-001",
        "responseId": "r1",
        "newField": {"a": [1]},
        **top,
    }


def sse(responses: Iterable[Any], end: str = "\r\n\r\n") -> bytes:
    return b"".join(f"data: {json.dumps(one, ensure_ascii=False)}{end}".encode() for one in responses)


def array(responses: Iterable[Any]) -> bytes:
    return ("[" + "\n,\r\n".join(json.dumps(one, indent=1) for one in responses) + "\n]\n").encode()


def call(name: str, call_id: str | None = "c1", signature: str | None = None, **args: Any) -> dict[str, Any]:
    told = {"id": call_id} if call_id else {}
    return {
        "functionCall": {**told, "name": name, **({"args": args} if args else {})},
        **({"thoughtSignature": signature} if signature else {}),
    }


def told(index: int, name: str, arguments: str, call_id: str = "c1", signature: Signature | None = None) -> list[Event]:
    started = ToolStarted(index=index, id=call_id, name=name, signature=signature)
    return [started, ToolDelta(index, arguments), ToolEnded(index)]


SIGNED = Signature("gemini", "gemini-3-pro", "c2ln")

STREAMS = [
    pytest.param(
        [
            response({"text": "Grüß"}),
            response({"text": " 👋\u2028\x85"}, usageMetadata=COUNTS),
            response({"text": ""}, finish="STOP", usageMetadata=COUNTS),
        ],
        [STARTED, TextDelta("Grüß 👋\u2028\x85"), COUNTED, Finished(reason="stop"), Ended()],
        id="text",
    ),
    pytest.param(
        [
            response({"text": "Hm", "thought": True}),
            response({"text": " so.", "thought": True}, {"text": "42", "thoughtSignature": "eA=="}),
            response(finish="MAX_TOKENS"),
        ],
        [STARTED, ReasoningDelta("Hm so."), TextDelta("42"), Finished(reason="length"), Ended()],
        id="C53-thoughts",
    ),
    pytest.param(
        [response({"text": "Hm", "thought": True, "thoughtSignature": "c2ln"}, finish="STOP")],
        [STARTED, ReasoningDelta("Hm"), ReasoningEnded(signature=SIGNED), Finished(reason="stop"), Ended()],
        id="C40-signed-thoughts",
    ),
    pytest.param(
        [response(call("f", city="Paris", signature="c2ln")), response({"text": ""}, finish="STOP")],
        [STARTED, *told(0, "f", '{"city":"Paris"}', signature=SIGNED), Finished(reason="tool_calls"), Ended()],
        id="C67-C41-call-then-stop",
    ),
    pytest.param(
        [response(call("f", "c1")), response(call("g", "c2", a=1), finish="STOP")],
        [STARTED, *told(0, "f", "{}"), *told(1, "g", '{"a":1}', "c2"), Finished(reason="tool_calls"), Ended()],
        id="C52-C67-two-calls",
    ),
    pytest.param(
        [response({"functionCall": {"id": "c1", "name": "f", "args": None}}, finish="STOP")],
        [STARTED, *told(0, "f", "{}"), Finished(reason="tool_calls"), Ended()],
        id="C52-null-arguments",
    ),
    pytest.param(
        [response({"functionCall": {"id": "c1", "name": "f", "args": '{"a":1}'}}, finish="MAX_TOKENS")],
        [STARTED, *told(0, "f", '{"a":1}'), Finished(reason="length"), Ended()],
        id="arguments-as-text",
    ),
    pytest.param(
        [response({"text": "a"}, finish="STOP"), response({"text": "b"}, finish="STOP")],
        [STARTED, TextDelta("ab"), Finished(reason="stop"), Ended()],
        id="a-reason-in-each",
    ),
    pytest.param(
        [{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}, "responseId": "r1"}],
        [Started(id="r1"), Usage(input=9), Finished(reason="content_filter"), Ended()],
        id="C51-blocked-prompt",
    ),
    pytest.param(
        [response({"text": "a"}, index=0), response({"text": "b"}, index=1, finish="STOP"), response(finish="STOP")],
        [
            STARTED,
            TextDelta("a"),
            TextDelta("b", 1),
            Finished(reason="stop"),
            Finished(reason="stop", choice=1),
            Ended(),
        ],
        id="two-choices",
    ),
    pytest.param(
        [response({"inlineData": {"mimeType": "image/png", "data": "-_8="}}, finish="STOP")],
        [
            STARTED,
            FileMade(File(kind="image", media_type="image/png", data="+/8=")),
            Finished(reason="stop"),
            Ended(),
        ],
        id="an-image",
    ),
    pytest.param(
        [response({"fileData": {"fileUri": "https://a.example/v", "mimeType": "video/mp4"}}, finish="STOP")],
        [
            STARTED,
            FileMade(File(kind="video", media_type="video/mp4", url="https://a.example/v")),
            Finished(reason="stop"),
            Ended(),
        ],
        id="a-file-by-name",
    ),
    pytest.param(
        [response({"executableCode": {"language": "PYTHON", "code": "1+1"}}), response(finish="STOP")],
        [STARTED, TextDelta("```python\n1+1\n```\n"), Finished(reason="stop"), Ended()],
        id="code-of-its-own",
    ),
    pytest.param(
        [{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}], None, id="C64-error-at-once"
    ),
    pytest.param(
        [
            response({"text": "a"}),
            {"error": {"code": 500, "message": "x", "status": "INTERNAL"}},
            response({"text": "b"}),
        ],
        None,
        id="C64-error",
    ),
]


def plain(events: Iterable[Event]) -> list[Event]:
    """Errors have no equality."""
    return [Broken(GatewayError("")) if isinstance(event, Broken) else event for event in events]


@pytest.mark.parametrize(("responses", "events"), STREAMS)
@pytest.mark.parametrize("cut", [sse, array])
def test_streams(responses: list[Any], events: list[Event] | None, cut: Any) -> None:
    stream = cut(responses)
    if events is None:
        decoder = GEMINI.decoder(TARGET)
        found = fed(decoder, [stream[at : at + 1] for at in range(len(stream))])
        assert isinstance(found[-1], Broken)
        assert isinstance(found[-1].error, UpstreamRefused)
        assert found[-1].error.status in (500, 503)
        assert decoder.whole
        return
    assert same_in_all_pieces(lambda: GEMINI.decoder(TARGET), stream) == events
    assert joined(GEMINI.decode(array(responses), TARGET)) == events


def test_whole_answer() -> None:
    body = json.dumps(response({"text": "a"}, {"text": "b"}, finish="STOP", usageMetadata=COUNTS)).encode()
    events = GEMINI.decode(body, TARGET)
    assert joined(events) == [STARTED, TextDelta("ab"), COUNTED, Finished(reason="stop"), Ended()]
    assert collect(events).choices[0].text == "ab"
    assert same_in_all_pieces(lambda: GEMINI.decoder(TARGET), body) == joined(events)


@pytest.mark.parametrize("end", ["\n\n", "\r\r", "\r\n\r\n"])
def test_ends_of_lines(end: str) -> None:
    stream = b": comment\n\n" + sse([response({"text": "a"}), response(finish="STOP")], end) + b"data: [DONE]"
    assert joined(fed(GEMINI.decoder(TARGET), [stream]))[1:] == [TextDelta("a"), Finished(reason="stop"), Ended()]


CUT = sse([response({"text": "a"}), response({"text": "b"})])


@pytest.mark.parametrize(
    "stream", [b"", b"\r\n", CUT, CUT + b'data: {"candidates":[{"fini', array([response({"text": "a"})])]
)
def test_c65_a_cut_stream_is_not_whole(stream: bytes) -> None:
    decoder = GEMINI.decoder(TARGET)
    events = fed(decoder, [stream])
    assert not decoder.whole
    assert not any(isinstance(event, Finished | Ended) for event in events)


def test_calls_without_ids_get_different_ones() -> None:
    """G6"""
    events = GEMINI.decode(json.dumps(response(call("f", None), call("f", None), finish="STOP")).encode(), TARGET)
    ids = [event.id for event in events if isinstance(event, ToolStarted)]
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"call_[0-9a-f]{24}", one) for one in ids)


FINISHES = [
    ("STOP", "stop"),
    ("stop", "stop"),
    ("MAX_TOKENS", "length"),
    ("SAFETY", "content_filter"),
    ("RECITATION", "content_filter"),
    ("BLOCKLIST", "content_filter"),
    ("PROHIBITED_CONTENT", "content_filter"),
    ("SPII", "content_filter"),
    ("IMAGE_SAFETY", "content_filter"),
    ("LANGUAGE", "content_filter"),
    ("MALFORMED_FUNCTION_CALL", "malformed_call"),
    ("UNEXPECTED_TOOL_CALL", "malformed_call"),
    ("CONTINUATION", "pause"),
    ("OTHER", "stop"),
    ("SOMETHING_NEW", "error"),
]


@pytest.mark.parametrize(("word", "reason"), [pytest.param(*row, id=f"C50-{row[0]}") for row in FINISHES])
def test_why_it_ended(word: str, reason: str) -> None:
    events = GEMINI.decode(json.dumps(response(finish=word)).encode(), TARGET)
    assert [event.reason for event in events if isinstance(event, Finished)] == [reason]


USAGES = [
    pytest.param(
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 40,
            "candidatesTokenCount": 7,
            "thoughtsTokenCount": 5,
            "toolUsePromptTokenCount": 3,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 50}, {"modality": "AUDIO", "tokenCount": 20}],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 6}],
        },
        Usage(input=103, output=12, cache_read=40, reasoning=5, input_audio=20, output_image=6),
        id="C55-all-of-it",
    ),
    pytest.param({"promptTokenCount": 5, "cachedContentTokenCount": 9}, Usage(input=5, cache_read=5), id="C55-bounded"),
    pytest.param({"promptTokenCount": 5, "candidatesTokenCount": -3}, Usage(input=5), id="negative"),
    pytest.param({"promptTokenCount": 5, "candidatesTokenCount": None, "x": "y"}, Usage(input=5), id="null"),
    pytest.param({"promptTokenCount": 1.5, "promptTokensDetails": 3}, None, id="nonsense"),
    pytest.param([], None, id="no-object"),
    pytest.param({}, None, id="empty"),
]


@pytest.mark.parametrize(("metadata", "usage"), USAGES)
def test_usage(metadata: Any, usage: Usage | None) -> None:
    events = GEMINI.decode(json.dumps(response({"text": "a"}, finish="STOP", usageMetadata=metadata)).encode(), TARGET)
    assert [event for event in events if isinstance(event, Usage)] == ([usage] if usage else [])


def test_sources_are_cited_at_characters() -> None:
    text = "Größe: 3 km. Tiefe?"
    grounding = {
        "groundingChunks": [
            {"web": {"uri": "https://a.example", "title": "A"}},
            {"maps": {"uri": "https://m.example"}},
        ],
        "groundingSupports": [
            {"segment": {"startIndex": 0, "endIndex": 14, "text": "Größe: 3 km."}, "groundingChunkIndices": [0, 1, 7]},
            {"segment": {"startIndex": 2, "endIndex": 3, "text": "Tiefe?"}, "groundingChunkIndices": [0]},
            {"segment": None, "groundingChunkIndices": [0]},
        ],
    }
    last = response(finish="STOP", groundingMetadata=grounding)
    events = fed(
        GEMINI.decoder(TARGET), [sse([response({"text": text[:5]}), response({"text": text[5:]}), last, last])]
    )
    first = Citation(url="https://a.example", title="A", quote="Größe: 3 km.", start=0, end=12)
    assert [event.citation for event in events if isinstance(event, Cited)] == [
        first,
        Citation(url="https://m.example", quote="Größe: 3 km.", start=0, end=12),
        Citation(url="https://a.example", title="A", quote="Tiefe?", start=13, end=19),
        Citation(url="https://a.example", title="A"),
    ]


def test_sources_without_places() -> None:
    grounding = {"groundingChunks": [{"web": {"uri": "https://a.example"}}, {"web": None}, 3]}
    recited = {"citationSources": [{"startIndex": 1, "endIndex": 2, "uri": "https://b.example"}]}
    body = response({"text": "abc"}, finish="STOP", groundingMetadata=grounding, citationMetadata=recited)
    events = GEMINI.decode(json.dumps(body).encode(), TARGET)
    assert [event.citation for event in events if isinstance(event, Cited)] == [
        Citation(url="https://a.example"),
        Citation(url="https://b.example", start=1, end=2),
    ]


def test_probabilities() -> None:
    result = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}, {"token": "x"}],
        "topCandidates": [{"candidates": [{"token": "e", "logProbability": -1}]}],
    }
    events = GEMINI.decode(json.dumps(response({"text": "é"}, finish="STOP", logprobsResult=result)).encode(), TARGET)
    assert [event for event in events if isinstance(event, Probabilities)] == [
        Probabilities(
            (
                {
                    "token": "é",
                    "logprob": -0.5,
                    "bytes": [195, 169],
                    "top_logprobs": [{"token": "e", "logprob": -1.0, "bytes": [101]}],
                },
                {"token": "x", "logprob": 0.0, "bytes": [120], "top_logprobs": []},
            )
        )
    ]


@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 400, "1e308", "true", '"x"', "null", "[]"])
def test_a_probability_that_is_none_spoils_no_answer(value: str) -> None:
    body = json.dumps(response({"text": "a"}, finish="STOP", logprobsResult={"chosenCandidates": [{"token": "a"}]}))
    events = GEMINI.decode(body.replace('"token": "a"', f'"token": "a", "logProbability": {value}').encode(), TARGET)
    assert TextDelta("a") in events
    (found,) = [event for event in events if isinstance(event, Probabilities)]
    assert found.content[0]["logprob"] in (0.0, 1.0)


MALFORMED = [
    pytest.param(b"<html>", id="html"),
    pytest.param(b"[]", id="empty-array"),
    pytest.param(b"{}", id="no-candidates"),
    pytest.param(b'{"candidates":3}', id="wrong-type"),
    pytest.param(b'{"candidates":[{"content":{"parts":[{"text":"\xff"}]}}]}', id="not-utf-8"),
    pytest.param(b'{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}', id="a-call-of-nothing"),
    pytest.param(b'{"usageMetadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="too-deep"),
]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        GEMINI.decode(body, TARGET)


def test_arguments_of_any_depth() -> None:
    """Read or refused; never a crash."""
    for depth in range(900, 1010, 3):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        body = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":' + deep + b"}}]}}]}"
        with contextlib.suppress(MalformedAnswerError):
            answer = collect([*GEMINI.decode(body, TARGET), Finished(reason="stop")])
            assert GEMINI.answer(answer, Chat(model="m", messages=()), "")


@pytest.mark.parametrize("frame", [b"data: <html>\n\n", b'data: {"candidates":"x"}\n\n', b"[3,"])
def test_malformed_stream(frame: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        GEMINI.decoder(TARGET).feed(frame)


def error(code: int, message: str, status: str = "", details: Any = None) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": details}}).encode()


REFUSALS = [
    pytest.param(
        400,
        error(400, "Bad", "INVALID_ARGUMENT", [{"fieldViolations": [{"field": "contents[0]"}]}]),
        ("Bad", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "contents[0]", None),
        id="C58-kept",
    ),
    pytest.param(
        400,
        error(400, "Key", "INVALID_ARGUMENT", [{"reason": "API_KEY_INVALID"}]),
        ("Key", "API_KEY_INVALID", "INVALID_ARGUMENT", None, None),
        id="C58-reason",
    ),
    pytest.param(
        400,
        error(400, "The input token count (12) exceeds the maximum number of tokens allowed (8).", "INVALID_ARGUMENT"),
        (
            "The input token count (12) exceeds the maximum number of tokens allowed (8).",
            "context_length_exceeded",
            "INVALID_ARGUMENT",
            None,
            None,
        ),
        id="C57-too-long",
    ),
    pytest.param(
        429,
        b"[" + error(429, "Slow", "RESOURCE_EXHAUSTED", [{"@type": "x", "retryDelay": "2.5s"}, 3]) + b"]",
        ("Slow", "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", None, 2.5),
        id="C59-wait",
    ),
    pytest.param(
        413,
        b"<html>",
        ("The upstream answered with status 413.", "upstream_refused", "invalid_request_error", None, None),
        id="C57-html",
    ),
    pytest.param(
        500, b'{"error":"text"}', ("text", "upstream_refused", "invalid_request_error", None, None), id="C57-plain"
    ),
]


@pytest.mark.parametrize(("status", "body", "said"), REFUSALS)
def test_refusals(status: int, body: bytes, said: tuple[Any, ...]) -> None:
    refused = GEMINI.refusal(status, body)
    assert (refused.message, refused.code, refused.type, refused.param, refused.retry_after) == said
    assert refused.status == (401 if "API_KEY_INVALID" in body.decode(errors="replace") else status)
