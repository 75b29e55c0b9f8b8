"""Files inside of a request: images, audio and documents that travel as base64, and are not read as text by the model.

Only what stands where the formats of clients have files counts as one. A long run of letters elsewhere is a prompt like
any other, whatever it looks like.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..unreadable import UNREADABLE

__all__ = ["file_sizes"]

_PLACES = {
    "image_url": (("image_url", "url"), ("image_url",)),
    "input_image": (("image_url",),),
    "input_audio": (("input_audio", "data"),),
    "file": (("file", "file_data"),),
    "input_file": (("file_data",),),
    "image": (("source", "data"),),
    "document": (("source", "data"),),
    None: (("inlineData", "data"), ("inline_data", "data")),
}
"""By the type of a part, None where parts have none: the paths at which its file may lie."""

_TURNS = ("messages", "input", "contents")
_INNER = ("content", "parts")
_DEEPEST = 3  # a result of a tool holds parts, too


def file_sizes(body: bytes) -> list[int]:
    """The bytes of each file in the messages or the input of a JSON body; none for a body that is no JSON."""
    try:
        request = msgspec.json.decode(body)
    except UNREADABLE:
        return []
    if not isinstance(request, dict):
        return []
    return [len(text) for key in _TURNS for text in _files(request.get(key), _DEEPEST)]


def _files(items: object, depth: int) -> Iterator[str]:
    """Those of messages, of their parts, and of items that are parts themselves."""
    for item in items if isinstance(items, list) and depth else ():
        if isinstance(item, dict):
            yield from _own(item)
            for key in _INNER:
                yield from _files(item.get(key), depth - 1)


def _own(part: dict[str, Any]) -> Iterator[str]:
    images = part.get("images")
    yield from (image for image in images if isinstance(image, str)) if isinstance(images, list) else ()
    kind = part.get("type")
    for path in _PLACES.get(kind, ()) if kind is None or isinstance(kind, str) else ():
        found: Any = part
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str):
            yield found
            return
