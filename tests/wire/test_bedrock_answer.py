"""What Converse answers at once: blocks into events, counts, and refusals."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import UpstreamRefused
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.bedrock.answers import FORMAT_TOOL
from oneapi_asgi.wire.bedrock.format import BEDROCK
from oneapi_asgi.wire.chat import File, Reasoning, Target, Text, ToolCall
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import Answer, Citation, Ended, Event, collect
from oneapi_asgi.wire.sealed import Signature

from .bedrock_sdk import SONNET

TARGET = Target(model=SONNET, stream=False)
COUNTS = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}


def body(*content: Any, stop: Any = "end_turn", usage: Any = COUNTS, **more: Any) -> bytes:
    return msgspec.json.encode(
        {
            "metrics": {"latencyMs": 5},
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": stop,
            "usage": usage,
            **more,
        }
    )


def events(*content: Any, **more: Any) -> list[Event]:
    return BEDROCK.decode(body(*content, **more), TARGET)


def answer(*content: Any, **more: Any) -> Answer:
    return collect(events(*content, **more))


def use(name: str = "clock", given: Any = None, **more: Any) -> Any:
    return {"toolUse": {"toolUseId": "tooluse_1", "name": name, "input": given if given is not None else {}} | more}


def test_text() -> None:
    told = events({"text": "Hel"}, {"text": ""}, {"text": "lo"})
    assert isinstance(told[-1], Ended)
    whole = collect(told)
    (choice,) = whole.choices
    assert choice.parts == [Text(text="Hello")]
    assert choice.finish == "stop"
    assert whole.usage == Usage(input=10, output=5)


def test_c48_calls() -> None:
    (choice,) = answer(
        {"text": "Let me see."}, use(given={"a": 1.50, "b": 12345678901234567890}), use("dice", toolUseId=None),
        stop="tool_use",
    ).choices  # fmt: skip
    assert choice.finish == "tool_calls"
    one, two = choice.calls
    assert one == ToolCall(id="tooluse_1", name="clock", arguments='{"a":1.5,"b":12345678901234567890}')
    assert (two.name, two.arguments) == ("dice", "{}")
    assert two.id.startswith("tooluse_")
    assert len({one.id, two.id}) == 2


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        pytest.param(b'{"a": 1.10}', '{"a": 1.10}', id="as-written"),
        pytest.param(b'"{\\"a\\": 1}"', '{"a": 1}', id="a-text"),
        pytest.param(b'""', "{}", id="C62-empty"),
        pytest.param(b"null", "{}", id="C52-null"),
    ],
)
def test_arguments_are_json(given: bytes, arguments: str) -> None:
    raw = b'{"output":{"message":{"content":[{"toolUse":{"name":"f","input":%s}}]}}}' % given
    ((call,),) = [choice.calls for choice in collect(BEDROCK.decode(raw, TARGET)).choices]
    assert call.arguments == arguments


def test_c52_no_input_at_all() -> None:
    ((call,),) = [choice.calls for choice in answer({"toolUse": {"name": "f"}}).choices]
    assert call.arguments == "{}"


@pytest.mark.parametrize("given", ["[1]", "{", "nil"])
def test_p7_arguments_that_are_none(given: str) -> None:
    with pytest.raises(MalformedAnswerError):
        events(use(given=given))


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "malformed_call"),
        ("malformed_model_output", "error"),
        ("something_new", "stop"),
        (None, "stop"),
    ],
)
def test_c49_c50_how_it_ended(stop: str | None, finish: str) -> None:
    assert answer({"text": "a"}, stop=stop).choices[0].finish == finish


@pytest.mark.parametrize(("stop", "finish"), [("end_turn", "tool_calls"), ("max_tokens", "length")])
def test_c50_who_has_called_waits_for_results(stop: str, finish: str) -> None:
    assert answer(use(), stop=stop).choices[0].finish == finish


def test_the_sequence_that_was_met() -> None:
    fields = {"stop_sequence": "END"}
    (choice,) = answer({"text": "a"}, stop="stop_sequence", additionalModelResponseFields=fields).choices
    assert choice.stop_sequence == "END"
    (choice,) = answer({"text": "a"}, stop="stop_sequence", additionalModelResponseFields=[1]).choices
    assert choice.stop_sequence is None


def test_c53_thoughts() -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}
    (choice,) = answer(
        thought,
        {"reasoningContent": {"redactedContent": "AAEC"}},
        {"reasoningContent": {"reasoningText": {"text": "Unsigned.", "signature": None}}},
        {"text": "So."},
    ).choices
    assert choice.parts == [
        Reasoning(text="Hm.", signature=Signature("bedrock", SONNET, "c2ln")),
        Reasoning(signature=Signature("bedrock", SONNET, "AAEC"), redacted=True),
        Reasoning(text="Unsigned."),
        Text(text="So."),
    ]


def test_c33_the_forced_tool_is_the_answer() -> None:
    (choice,) = answer(use(FORMAT_TOOL, {"a": "b"}), stop="tool_use").choices
    assert (choice.text, choice.calls, choice.finish) == ('{"a":"b"}', [], "stop")
    (choice,) = answer(use(FORMAT_TOOL), stop="tool_use").choices
    assert choice.text == "{}"


def test_what_the_provider_did_by_itself_is_skipped() -> None:
    (choice,) = answer(
        use("nova_grounding", {"q": "x"}, type="server_tool_use"),
        {"toolResult": {"toolUseId": "x", "content": [{"text": "found"}]}},
        {"somethingNew": {"a": 1}},
        {"text": "a"},
    ).choices
    assert choice.parts == [Text(text="a")]
    assert choice.finish == "stop"


def test_citations() -> None:
    web = {"location": {"web": {"url": "https://x", "domain": "x"}}, "title": "X", "sourceContent": [{"text": "q"}]}
    page = {"location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}, "title": "doc", "source": "s"}
    block = {"citationsContent": {"content": [{"text": "Said."}], "citations": [web, page]}}
    (choice,) = answer(block).choices
    assert choice.parts == [Text(text="Said.")]
    assert choice.citations == [Citation(url="https://x", title="X", quote="q"), Citation(title="doc")]


def test_pictures() -> None:
    (choice,) = answer({"image": {"format": "png", "source": {"bytes": "AAEC"}}}).choices
    assert choice.files == [File(kind="image", media_type="image/png", data="AAEC")]


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        pytest.param(COUNTS, Usage(input=10, output=5), id="plain"),
        pytest.param(
            COUNTS | {"cacheReadInputTokens": 100, "cacheWriteInputTokens": 20},
            Usage(input=130, output=5, cache_read=100, cache_write=20),
            id="C56-cache",
        ),
        pytest.param(
            COUNTS
            | {
                "cacheWriteInputTokens": 20,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 15}, {"ttl": "5m", "inputTokens": 5}],
            },
            Usage(input=30, output=5, cache_write=5, cache_write_1h=15),
            id="C56-hour",
        ),
        pytest.param(
            COUNTS | {"cacheWriteInputTokens": 2, "cacheDetails": [{"ttl": "1h", "inputTokens": 15}]},
            Usage(input=12, output=5, cache_write=0, cache_write_1h=2),
            id="C56-bounded",
        ),
        pytest.param(
            COUNTS | {"cacheReadInputTokens": -3, "outputTokens": None, "cacheDetails": None}, Usage(input=10), id="odd"
        ),
        pytest.param({"inputTokens": 0, "outputTokens": 0}, None, id="zero"),
        pytest.param({"inputTokens": "10"}, None, id="wrong"),
        pytest.param(None, None, id="null"),
    ],
)
def test_c56_usage(counts: Any, usage: Usage | None) -> None:
    assert answer({"text": "a"}, usage=counts).usage == usage


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"<html>",
        b'{"output": null}',
        b'{"output": {"message": null}}',
        b'{"output": {"message": {"content": null}}}',
        b'{"output": {"message": {"content": "text"}}}',
        b'{"output": {"message": {"content": [{"text": 1}]}}}',
        b'{"output": {"message": {"content": [{"toolUse": {"input": {}}}]}}}',
        b'{"message": "The security token is invalid", "__type": "UnrecognizedClientException"}',
        b'{"a": ' * 100_000,
        b'{"output": {"message": {"content": [{"toolUse": {"name": "f", "input": ' + b'{"a":' * 100_000,
    ],
    ids=range(15),
)
def test_what_is_no_answer(raw: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        BEDROCK.decode(raw, TARGET)


@pytest.mark.parametrize(
    ("status", "raw", "message", "code", "kind"),
    [
        pytest.param(
            400, b'{"message": "Malformed input"}', "Malformed input", "ValidationException", "invalid_request_error",
            id="C58-validation",
        ),
        pytest.param(
            400, b'{"message": "Input is too long for requested model."}', "Input is too long for requested model.",
            "context_length_exceeded", "invalid_request_error", id="C57-too-long",
        ),
        pytest.param(
            404, b'{"Message": "No such model"}', "No such model", "ResourceNotFoundException", "invalid_request_error",
            id="C57-404",
        ),
        pytest.param(
            413, b"<html>too large</html>", "The provider answered 413.", "upstream_refused", "invalid_request_error",
            id="C57-413",
        ),
        pytest.param(
            429, b'{"message": "Too many requests"}', "Too many requests", "ThrottlingException", "rate_limit_error",
            id="C57-429",
        ),
        pytest.param(
            503, b"", "The provider answered 503.", "ServiceUnavailableException", "server_error", id="C57-503"
        ),
        pytest.param(
            403, b'{"message": "No", "__type": "com.amazon.coral.service#UnrecognizedClientException"}', "No",
            "UnrecognizedClientException", "invalid_request_error", id="C60-403",
        ),
        pytest.param(
            500, b'{"message": {"a": 1}, "__type": 5}', "The provider answered 500.", "InternalServerException",
            "server_error", id="odd",
        ),
        pytest.param(
            400, b"[" * 100_000, "The provider answered 400.", "ValidationException", "invalid_request_error", id="deep"
        ),
    ],
)  # fmt: skip
def test_c57_c58_refusals(status: int, raw: bytes, message: str, code: str, kind: str) -> None:
    refused = BEDROCK.refusal(status, raw)
    assert isinstance(refused, UpstreamRefused)
    assert (refused.status, refused.message, refused.code, refused.type) == (status, message, code, kind)
