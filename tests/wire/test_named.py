"""The id of an answer that its provider keeps."""

from __future__ import annotations

import json

import pytest

from oneapi_asgi.wire.named import NamedReader, named
from oneapi_asgi.wire.passage import Passage, Told

CREATED = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","usage":null}}\n\n'
OTHERS = (
    b'data: {"type":"response.in_progress","response":{"id":"resp_2"}}\n\n',
    b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\n',
    b'data: {"type":"response.completed","response":{"id":"resp_1","usage":{"input_tokens":3,"output_tokens":2}}}\n\n',
)


def test_a_stream_tells_its_id_once_and_before_anything_is_given_out() -> None:
    told: list[str] = []
    passage = Passage(reader=NamedReader(told.append))
    assert passage.feed(CREATED) == b""
    assert told == ["resp_1"]
    given = b"".join(passage.feed(event) for event in OTHERS)
    passage.count()
    assert given == CREATED + b"".join(OTHERS)
    assert told == ["resp_1"]
    assert passage.reader.finished
    assert passage.reader.usage is not None


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_however_it_is_cut(size: int) -> None:
    told: list[str] = []
    passage = Passage(reader=NamedReader(told.append))
    stream = CREATED.replace(b"\n", b"\r\n") + b"".join(OTHERS)
    for start in range(0, len(stream), size):
        passage.feed(stream[start : start + size])
    assert told == ["resp_1"]


@pytest.mark.parametrize(
    "event",
    [
        b": hello\n\n",
        b"data: [DONE]\n\n",
        b"data: {broken\n\n",
        b'data: {"response":"text"}\n\n',
        b'data: {"response":{"id":7}}\n\n',
        b'data: {"response":null}\n\n',
        b'data: {"response":{}}\n\n',
        b'data: {"response":{"id":"\xff"}}\n\n',
        b'data: {"response":{"id":' + b"[" * 10_000 + b"\n\n",
    ],
)
def test_an_event_without_an_id_tells_none(event: bytes) -> None:
    told: list[str] = []
    reader = NamedReader(told.append)
    reader.read(event)
    assert told == []
    reader.read(CREATED)
    assert told == ["resp_1"]


@pytest.mark.parametrize(
    ("body", "failed", "names"),
    [
        (b'{"id":"resp_1","object":"response"}', False, ["resp_1"]),
        (b'{"id":"resp_1","error":{}}', True, []),
        (b'{"object":"response"}', False, []),
        (b'{"id":7}', False, []),
        (b"[1]", False, []),
        (b"{broken", False, []),
        (b'{"id":"\xff"}', False, []),
        (json.dumps([[]] * 9).encode() + b"x", False, []),
    ],
)
def test_a_whole_answer_tells_its_id(body: bytes, names: list[str], *, failed: bool) -> None:
    told: list[str] = []
    answer = Told(body, failed=failed)
    assert named(answer, told.append) is answer
    assert told == names
