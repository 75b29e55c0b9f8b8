"""The id of an answer that its provider keeps: whoever goes on from it will name it.

https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from ..unreadable import UNREADABLE
from .answer import StreamReader
from .passage import Told
from .sse import datas

__all__ = ["NamedReader", "named"]


class _Response(Struct):
    id: str = ""


class _Event(Struct):
    response: _Response | None = None


_response = msgspec.json.Decoder(_Response)
_event = msgspec.json.Decoder(_Event)


def named(told: Told, tell: Callable[[str], None]) -> Told:
    """A whole answer as it is; ``tell`` hears its id, if it has one."""
    try:
        response = _response.decode(told.body)
    except UNREADABLE:
        return told  # the caller will know what it is
    if response.id and not told.failed:
        tell(response.id)
    return told


class NamedReader(StreamReader):
    """Follows a stream as any other; ``tell`` hears its id with the first event that has it, before any content."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell: Callable[[str], None] | None = tell

    def read(self, events: bytes) -> None:
        if self._tell is not None and (name := _name(events)):
            self._tell(name)
            self._tell = None
        super().read(events)


def _name(events: bytes) -> str:
    for data in datas(events):
        with suppress(*UNREADABLE):
            response = _event.decode(data).response
            if response is not None and response.id:
                return response.id
    return ""
