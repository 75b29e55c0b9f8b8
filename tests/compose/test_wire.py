"""``wire`` without any HTTP: recorded bytes in, meaning out."""

from __future__ import annotations

import pytest

from oneapi_asgi import Usage
from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.answer import read_answer
from oneapi_asgi.wire.dialects import operation_at
from oneapi_asgi.wire.passage import Passage
from oneapi_asgi.wire.request import parse_request

RECORDED = (
    b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
    b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}\n\n'
    b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}\n\n'
    b"data: [DONE]\n\n"
)


def passed(passage: Passage, size: int) -> bytes:
    out = b""
    for at in range(0, len(RECORDED), size):
        out += passage.feed(RECORDED[at : at + size])
        passage.count()
    return out + passage.finish()


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_a_recorded_stream(size: int) -> None:
    passage = Passage(ends_with_done=True)
    assert passed(passage, size) == RECORDED
    assert passage.reader.usage == Usage(input=9, output=1)
    assert passage.whole


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_a_recorded_stream_without_its_report(size: int) -> None:
    passage = Passage(hide_usage=True, ends_with_done=True)
    report = next(event for event in RECORDED.split(b"\n\n") if b"usage" in event) + b"\n\n"
    assert passed(passage, size) == RECORDED.replace(report, b"")
    assert passage.reader.usage == Usage(input=9, output=1)


def test_a_recorded_answer() -> None:
    answer = read_answer(b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}')
    assert (answer.usage, answer.failed) == (Usage(input=9, output=1), False)


def test_a_recorded_request() -> None:
    operation = operation_at("/chat/completions")
    assert operation is not None
    body = b'{ "stream":true, "model":"a", "messages":[{}] }'
    request = parse_request(operation, "application/json", body)
    assert (request.head.model, request.head.stream) == ("a", True)
    assert request.edited(model="a", include_usage=False) is body
    edited = request.edited(model="b", include_usage=True)
    assert edited == b'{ "stream":true, "model":"b", "messages":[{}] ,"stream_options":{"include_usage":true}}'
    with pytest.raises(BadRequest, match="more than once"):
        parse_request(operation, "application/json", b'{"model":"a","model":"b","messages":[{}]}')
