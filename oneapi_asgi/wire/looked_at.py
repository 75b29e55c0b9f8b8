"""A stream that passes untouched, in a format whose events are decoded to see what they cost.

Most come as server-sent events, as ``Passage`` has them. Some formats stream lines of JSON, which pass as whole lines;
some a JSON array to callers who do not ask for events: its bytes pass element by element. A single JSON object where a
stream was asked for is an answer that came whole.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import GatewayError
from .arrays import ArrayFrames
from .dialect import ClientDialect, Decoder
from .passage import EVENTS, JSON, MAX_HELD, Passage, Told, is_json
from .sse import MAX_EVENT, EventTooLargeError
from .usage import guess_output
from .watch import EventReader

__all__ = ["LookedAt"]

_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})


class LookedAt(Passage):
    """``decoder`` reads the events of the format, ``told`` a whole body; ``stream``: whether one was asked for. What a
    decoder names as ``ends`` is in the terminator of its format."""

    __slots__ = ("_array", "_frames", "_held_array", "_last", "_line", "_lines", "_stream")

    def __init__(self, decoder: Decoder, told: Callable[[bytes], Told], *, stream: bool) -> None:
        super().__init__(reader=EventReader(decoder), told=told, ends=getattr(decoder, "ends", ()))
        self._stream = stream
        self._array = False
        self._last = b""
        self._frames = ArrayFrames()
        self._held_array = bytearray()
        self._lines = False
        self._line = bytearray()

    def streams(self, content_type: str) -> bool:
        self._array = self._stream and content_type == JSON
        self._lines = self._stream and content_type in _LINES
        return self._array or self._lines or content_type == EVENTS

    def feed(self, chunk: bytes) -> bytes:
        if self._lines:
            return self._feed_lines(chunk)
        if not self._array:
            return super().feed(chunk)
        for element in self._frames.feed(chunk):
            self.reader.read(b"data: %b\n\n" % element.translate(_ONE_LINE))
        self._held_array += chunk
        if not self.reader.started and len(self._held_array) < MAX_HELD:
            return b""
        return self._release_array(len(self._held_array) - self._frames.rest)

    @property
    def whole(self) -> bool:
        return self._frames.done or self.reader.failed if self._array else super().whole

    def finish(self) -> bytes:
        if self._lines:
            return self._last_line()
        if not self._array:
            return super().finish()
        if not self._last and self._frames.done and self._held_array.lstrip().startswith(b"{"):
            self._read_whole()
        return self._release_array(len(self._held_array) - self._frames.rest)  # never half an element

    def fail(self, dialect: ClientDialect, error: GatewayError) -> bytes:
        if not self._array:
            return super().fail(dialect, error)
        between = b"" if self._last in (b"[", b",") else b"," if self._last else b"["
        return between + dialect.error(error, "") + b"]"

    def _feed_lines(self, chunk: bytes) -> bytes:
        end = chunk.rfind(b"\n") + 1
        lines = bytes(self._line) + chunk[:end] if end else b""
        if end:
            self._line.clear()
        self._line += chunk[end:]
        if len(self._line) > MAX_EVENT:
            raise EventTooLargeError(f"a line has more than {MAX_EVENT} bytes")
        if not lines:
            return b""
        self._held += lines
        self.reader.read(lines)
        return self._release()

    def _last_line(self) -> bytes:
        """One without its end gets it if it is whole; half a line is left out."""
        rest = bytes(self._line)
        self._line.clear()
        if rest.strip() and is_json(rest):
            self._held += rest + b"\n"
            self.reader.read(rest + b"\n")
        held, self._held = self._held, b""
        return held

    def _release_array(self, size: int) -> bytes:
        given = bytes(self._held_array[:size])
        del self._held_array[:size]
        self._last = given.rstrip()[-1:] or self._last
        return given

    def _read_whole(self) -> None:
        reader, told = self.reader, self.told(bytes(self._held_array))
        reader.failed = reader.failed or told.failed
        if told.usage is not None:
            reader.usage = told.usage
        elif not reader.output:
            reader.output = guess_output(len(self._held_array))


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
