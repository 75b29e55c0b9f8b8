"""Two hundred streams: what providers send, written in every way that server-sent events may be written in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from typing import Final, NamedTuple

from lab.dialects import DIALECTS, Name, datas
from wire.dialects.recordings import RECORDINGS
from wire.streams import STREAMS

__all__ = ["CAPTURED", "Captured"]


class Captured(NamedTuple):
    """``written``: the way. ``ends``: a caller of chat takes the last of its events for the end."""

    dialect: Name
    name: str
    written: str
    raw: bytes
    ends: bool

    def __str__(self) -> str:
        return f"{self.dialect}-{self.name}-{self.written}".replace(" ", "_")

    @property
    def reports(self) -> bool:
        """Whether one of its events is a report of usage, which callers only get if they asked for it."""
        return any(b'"choices":[]' in data.replace(b" ", b"") and b'"usage"' in data for data in datas(self.raw))


def _events(raw: bytes) -> list[bytes]:
    return [event + b"\n\n" for event in raw.replace(b"\r\n", b"\n").split(b"\n\n") if event]


def _lines(end: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: b"".join(_events(raw)).replace(b"\n", end)


def _mixed(raw: bytes) -> bytes:
    ends = cycle((b"\n", b"\r\n", b"\r"))
    return b"".join(event.replace(b"\n", next(ends)) for event in _events(raw))


def _between(*what: bytes) -> Callable[[bytes], bytes]:
    pieces = cycle(what)
    return lambda raw: b"".join(next(pieces) + event for event in _events(raw))


def _in_lines(raw: bytes) -> bytes:
    """Each payload in as many lines as its JSON may have."""
    return b"".join(re.sub(rb"data: (\{.*)", _indented, event) for event in _events(raw))


def _indented(found: re.Match[bytes]) -> bytes:
    told = json.dumps(json.loads(found[1]), ensure_ascii=False, indent=1)
    return b"\n".join(b"data: " + line.encode() for line in told.split("\n"))


def _talkative(raw: bytes) -> bytes:
    """Every text begins with a person of four characters, most of them of four bytes."""
    return b"".join(
        re.sub(rb'"(content|text|delta|thinking|partial_json)": ?"', _person, event) for event in _events(raw)
    )


def _person(found: re.Match[bytes]) -> bytes:
    return found[0] + "👩‍🚀Ü".encode()


WAYS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "lf": _lines(b"\n"),
    "crlf": _lines(b"\r\n"),
    "cr": _lines(b"\r"),
    "mixed ends": _mixed,
    "bom": lambda raw: b"\xef\xbb\xbf" + b"".join(_events(raw)),
    "comments": _between(b": here\n\n", b":\n", b"", b": data: {}\n\n\n"),
    "fields": _between(b"id: 7\nretry: 10\n", b"dataset: no\n", b"id\n", b" data: no\n"),
    "no space": lambda raw: re.sub(rb"(?m)^(data|event): ", rb"\1:", b"".join(_events(raw))),
    "lines": _in_lines,
    "four bytes": _talkative,
}

_KNOWN: Final[Mapping[str, Name]] = {name: name for name in DIALECTS}


def _told() -> Iterator[tuple[Name, str, bytes, bool]]:
    for name, dialect in DIALECTS.items():
        yield name, "words", dialect.stream(12).raw, True
    for recording in RECORDINGS:
        if recording.upstream in _KNOWN and recording.name in ("tools", "events"):
            yield _KNOWN[recording.upstream], recording.name, recording.raw, True
    for recorded in STREAMS:
        yield "openai", f"sent {recorded.name}", recorded.raw, recorded.done


CAPTURED: Final = tuple(
    Captured(dialect, name, written, way(raw), ends)
    for dialect, name, raw, ends in _told()
    for written, way in WAYS.items()
)
