"""Files in content parts: where they may lie, and what is none."""

from __future__ import annotations

import msgspec
import pytest

from oneapi_asgi.wire.files import file_sizes

DATA = "A" * 40


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": DATA}},
        {"type": "image_url", "image_url": DATA},
        {"type": "input_image", "image_url": DATA},
        {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
        {"type": "file", "file": {"file_data": DATA}},
        {"type": "input_file", "file_data": DATA},
    ],
)
@pytest.mark.parametrize("key", ["messages", "input"])
def test_places(key: str, part: dict[str, object]) -> None:
    text = {"type": "text", "text": DATA}
    assert file_sizes(msgspec.json.encode({key: [{"role": "user", "content": [text, part, part]}]})) == [40, 40]


def test_an_item_may_be_a_part_itself() -> None:
    item = {"type": "image_url", "image_url": {"url": DATA}}
    assert file_sizes(msgspec.json.encode({"input": [item]})) == [40]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"not json",
        b'{"a":' + b"[" * 10_000,
        b'{"messages":"AAAA"}',
        b'{"messages":[1,null,{"content":[2,{"type":["x"]},{"type":"image_url","image_url":[1]}]}]}',
        b'{"tools":[{"type":"image_url","image_url":{"url":"AAAA"}}]}',
        b'{"messages":[{"content":[{"type":"text","image_url":{"url":"AAAA"}}]}]}',
    ],
)
def test_what_is_no_file(body: bytes) -> None:
    assert file_sizes(body) == []
