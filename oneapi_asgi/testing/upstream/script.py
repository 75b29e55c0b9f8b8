"""What a fake upstream is told to do, and what it writes down about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from ...models import Usage

__all__ = ["Answer", "Fake", "Journaled", "Part", "Then"]

Then = Literal[
    "keep",  # end the answer properly and wait for the next request
    "close",  # FIN where it stands: a chunked body lacks its last chunk, a counted one may lack bytes
    "reset",  # RST where it stands
    "hang",  # say no more, until the peer leaves
]


class Part(NamedTuple):
    """Bytes of a body, written ``delay`` seconds after those before. ``output`` tokens were generated for them."""

    data: bytes
    delay: float = 0.0
    output: int = 0


class Answer(Struct, frozen=True, kw_only=True):
    """One scripted answer, told byte by byte.

    ``wait`` seconds pass before the head; ``head`` False leaves it out. ``content_length``, right or wrong, replaces
    chunked framing; ``chunked`` False without it writes the parts as they are, so that ``head=False, chunked=False``
    makes any bytes at all. ``usage`` is what the request consumes beside the ``output`` of its parts, None when it is
    refused.
    """

    status: int = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),)
    parts: Sequence[Part | tuple[bytes, float]] = ()
    then: Then = "keep"
    chunked: bool = True
    content_length: int | None = None
    head: bool = True
    wait: float = 0.0
    usage: Usage | None = None


class Fake(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request may ask of the upstream itself. Every format can say it as ``fake:{...}`` within the last text of
    the user, or in the header ``x-fake``; beside that as ``{"fake": {...}}`` (an object, or JSON in a string) in
    ``metadata``, ``user``, ``metadata.user_id``, ``labels`` or ``requestMetadata``, where the format has it.

    ``tokens`` are generated, one each ``delay`` seconds, after ``wait`` seconds; ``text`` takes their place. ``usage``
    is reported in place of the counts. ``calls`` tools are called at once, if tools are offered and have not answered
    yet (with ``text``, after it). ``reasoning`` adds thoughts, or takes them away; when nothing is told, the request
    decides. ``finish`` is why the answer ends: "stop", "length", "content_filter", "stop_sequence", "context_window",
    "pause" or "blocked", each in the words of the format, or a word of the format itself.

    A ``status`` other than 200 refuses, with ``message`` and ``code`` in the provider's envelope. ``headers`` are added
    to the answer. ``then`` happens after so many parts of the body as ``after`` says; "error" puts the format's own
    word for an error into the stream (of that ``status``, else 500; after two parts when ``after`` is not told), and
    refuses what is not streamed.
    """

    tokens: int = 8
    delay: float = 0.0
    wait: float = 0.0
    status: int = 200
    headers: dict[str, str] = {}
    usage: Usage | None = None
    then: Then | Literal["error"] = "keep"
    after: int | None = None
    text: str | None = None
    calls: int = 1
    reasoning: bool | None = None
    finish: str | None = None
    message: str | None = None
    code: str | None = None


class Journaled(Struct, kw_only=True):
    """One request and what became of it. Times are of the monotonic clock; ``ended`` is None while it is answered.

    ``aborted`` says that the peer left before the answer was complete, ``status`` is None before the head is written.
    ``usage`` is what the request really consumed (None when refused): for a stream that the peer left, the prompt
    and the tokens written so far. ``bytes_sent`` counts the body, framing apart. Requests of one connection share its
    number.
    """

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    started: float
    connection: int = 0
    ended: float | None = None
    aborted: bool = False
    status: int | None = None
    usage: Usage | None = None
    bytes_sent: int = 0

    def header(self, name: str) -> str | None:
        """The last header of that name (lower case)."""
        return dict(self.headers).get(name)
