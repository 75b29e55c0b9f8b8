"""Depth and number of values of a JSON text, found without reading it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.shape import MOST, Shape, _outside_strings, check_depth, check_shape


def fits(body: bytes, most: Shape = MOST) -> bool:
    try:
        check_shape(body, most)
    except BadRequest:
        return False
    return True


def deep(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", True),
        (b"{}", True),
        (deep(MOST.depth), True),
        (deep(MOST.depth + 1), False),
        (b"[" * 10_000_000, False),
        (b"[{" * 100 + b"}]" * 100, False),
        (b"[" + b"[]," * 100_000 + b"1]", True),
        (b'{"a":"' + b"[" * 1000 + b'"}', True),
        (b'{"a":"\\"' + b"[" * 1000 + b'"}', True),
        (b'{"a":"\\\\",' + b"[" * 1000 + b"}", False),
        (b'{"a":"\\\\\\"' + b"[" * 1000 + b'"}', True),
        (b"[" + b"1," * (MOST.values - 2) + b"1]", True),
        (b"[" + b"1," * MOST.values + b"1]", False),
        (b"{" + b'"a":1,' * (MOST.members - 1) + b'"a":1}', True),
        (b"{" + b'"a":1,' * MOST.members + b'"a":1}', False),
        (b'{"a":"' + b"a:b,c:d,[" * 200_000 + b'"}', True),
    ],
    ids=range(16),
)
def test_shapes(body: bytes, *, expected: bool) -> None:
    assert fits(body) is expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('[]{}",:\\ab\n', max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[]{}",:\\a', max_size=3), inner, max_size=4),
    max_leaves=20,
)


def counted(value: Any) -> tuple[int, int, int]:
    """Depth, elements and members."""
    if not isinstance(value, list | dict):
        return 0, 0, 0
    inner = [counted(item) for item in (value.values() if isinstance(value, dict) else value)]
    depth, values, members = (
        max((i[0] for i in inner), default=0) + 1,
        sum(i[1] for i in inner),
        sum(i[2] for i in inner),
    )
    return depth, values + max(len(value), 1), members + (len(value) if isinstance(value, dict) else 0)


@given(JSON)
def test_shapes_are_what_a_reader_finds(value: Any) -> None:
    """Whatever the strings hold."""
    found, body = counted(value), json.dumps(value, ensure_ascii=False).encode()
    assert fits(body, Shape(*found))
    for index, count in enumerate(found):
        most = [count - 1 if index == at else 10**9 for at in range(3)]
        assert not count or not fits(body, Shape(*most))


@given(JSON, st.integers(1, 64))
def test_strings_may_be_cut_anywhere(value: Any, size: int) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    assert b"".join(_outside_strings(body, size)) == b"".join(_outside_strings(body))


@given(st.text('[]{}",:\\a', max_size=40).map(str.encode))
def test_what_is_no_json_has_some_shape(body: bytes) -> None:
    fits(body)
    check_depth(body)


@pytest.mark.parametrize("unit", [b'"', b'\\"', b"\\", b"[]", b'"",', b'{"a":', b"a"])
def test_it_takes_linear_time(unit: bytes) -> None:
    began = time.process_time()
    fits(b'{"' + unit * (5_000_000 // len(unit)))
    assert time.process_time() - began < 2
