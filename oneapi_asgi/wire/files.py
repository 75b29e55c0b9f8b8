"""Files inside of a request: images, audio and documents that travel as base64, and are not read as text by the model.

Only what stands where OpenAI's content parts have files counts as one. A long run of letters elsewhere is a prompt like
any other, whatever it looks like.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["file_sizes"]

_PLACES = {
    "image_url": (("image_url", "url"), ("image_url",)),
    "input_image": (("image_url",),),
    "input_audio": (("input_audio", "data"),),
    "file": (("file", "file_data"),),
    "input_file": (("file_data",),),
}
"""By the type of a content part: the paths at which its file may lie."""


def file_sizes(body: bytes) -> list[int]:
    """The bytes of each file in the messages or the input of a JSON body; none for a body that is no JSON."""
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return []
    if not isinstance(request, dict):
        return []
    parts = [part for key in ("messages", "input") for part in _parts(request.get(key))]
    return [len(text) for part in parts if (text := _file(part)) is not None]


def _parts(items: object) -> Iterator[dict[str, Any]]:
    """The content parts of messages, and items that are parts themselves."""
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            yield item
            content = item.get("content")
            yield from (part for part in content if isinstance(part, dict)) if isinstance(content, list) else ()


def _file(part: dict[str, Any]) -> str | None:
    kind = part.get("type")
    for path in _PLACES.get(kind, ()) if isinstance(kind, str) else ():
        found: Any = part
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str):
            return found
    return None
