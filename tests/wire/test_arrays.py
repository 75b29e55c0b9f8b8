"""A JSON array that comes in pieces, cut into its elements."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.wire.arrays import ArrayFrames
from oneapi_asgi.wire.sse import EventTooLargeError


def frames(pieces: list[bytes]) -> list[bytes]:
    cutter = ArrayFrames()
    found = [frame for piece in pieces for frame in cutter.feed(piece)]
    return found + cutter.finish()


ARRAYS = [
    pytest.param(b"[]", [], id="empty"),
    pytest.param(b' \r\n[ {"a":1} ]\n', [b'{"a":1}'], id="one"),
    pytest.param(b'[{"a":1}\n,\r\n{"b":[{}]}\n]\n', [b'{"a":1}', b'{"b":[{}]}'], id="as-gemini-sends"),
    pytest.param(b'[{"a":"]},{\\"["},{"b":"\\\\"}]', [b'{"a":"]},{\\"["}', b'{"b":"\\\\"}'], id="brackets-in-strings"),
    pytest.param(b'[1, "a,b" ,null,[2,3]]', [b"1", b'"a,b"', b"null", b"[2,3]"], id="scalars"),
    pytest.param(b'\xef\xbb\xbf[{"a":1}]', [b'{"a":1}'], id="bom"),
    pytest.param(b' {"error":{"code":500},"a":[1,2]} ', [b'{"error":{"code":500},"a":[1,2]}'], id="a-single-object"),
    pytest.param(b'[{"a":1}] [{"b":2}]', [b'{"a":1}'], id="after-the-end"),
    pytest.param(b'[{"a":1},{"b":', [b'{"a":1}', b'{"b":'], id="cut"),
]


@pytest.mark.parametrize(("stream", "elements"), ARRAYS)
def test_elements_whole_and_byte_by_byte(stream: bytes, elements: list[bytes]) -> None:
    assert frames([stream]) == elements
    assert frames([stream[at : at + 1] for at in range(len(stream))]) == elements


def test_an_element_is_given_as_soon_as_it_ends() -> None:
    cutter = ArrayFrames()
    assert cutter.feed(b'[{"a":') == []
    assert cutter.feed(b"1}") == [b'{"a":1}']
    assert not cutter.done
    assert cutter.feed(b"]") == []
    assert cutter.done


def test_an_element_may_not_grow_without_end() -> None:
    cutter = ArrayFrames(limit=16)
    cutter.feed(b'[{"a":"')
    with pytest.raises(EventTooLargeError, match="16 bytes"):
        cutter.feed(b"x" * 32)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(JSON, max_size=5), st.integers(1, 9), st.sampled_from([None, 1]))
def test_any_array_in_pieces(elements: list[Any], size: int, indent: int | None) -> None:
    stream = json.dumps(elements, indent=indent).encode()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [json.loads(frame) for frame in frames(pieces)] == elements
