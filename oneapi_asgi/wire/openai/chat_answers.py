"""Chat completions as upstreams answer: OpenAI, and nearly every provider and server since.

An answer as it is on the wire, then reading one, at once and as a stream. It is read tolerantly, whoever sent it:
thoughts go by several names, calls may lack index and id, reasons to finish have other words, counts lie elsewhere.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from ...errors import GatewayError, UpstreamFailed
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import (
    File,
    Target,
)
from ..dialect import MalformedAnswerError
from ..events import (
    Broken,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
    Probabilities,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolStarted,
)
from ..frames import SSEFrames
from ..reading import new_call_id
from ..sealed import Signature
from ..usage import parse_usage
from .chat_writing import call_signature
from .errors import complaint, failure

__all__ = ["ChatDecoder", "decode_chat"]

# --- an answer --------------------------------------------------------------------------------------------------------

# A union with None would admit nothing but null: a missing key is told by identity.
_ABSENT = Raw()


class _Function(Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None


class _CallPiece(Struct):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: _Function | None = None
    custom: _Function | None = None
    extra_content: Any = None


class _Piece(Struct):
    """A message or a delta. Thoughts go by three names."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    reasoning_text: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallPiece] | None = None
    function_call: _Function | None = None
    images: Any = None
    audio: Any = None
    annotations: Any = None


class _Choice(Struct):
    index: int | None = None
    message: _Piece | None = None
    delta: _Piece | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    usage: Raw = _ABSENT
    error: Any = None


class _Extra(Struct):
    usage: Raw = _ABSENT


class _Chunk(Struct):
    """A body, or one event of a stream. What stands below ``usage`` is one provider's or another's."""

    id: Any = None
    model: Any = None
    created: Any = None
    choices: list[_Choice] | None = None
    error: Any = None
    usage: Raw = _ABSENT
    x_groq: _Extra | None = None
    citations: Any = None
    search_results: Any = None
    base_resp: Any = None
    object: Any = None
    code: Any = None
    error_code: Any = None
    message: Any = None
    msg: Any = None
    error_msg: Any = None
    detail: Any = None


_chunk = msgspec.json.Decoder(_Chunk)

_FINISHES: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
    "pause": "pause",
    "malformed_call": "malformed_call",
    "malformed_function_call": "malformed_call",
}
_FAILURES: Final = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})
"""Words for the end that say that there is none: what came is a piece of an answer."""

_OPEN, _CLOSE = "<think>", "</think>"


def decode_chat(body: bytes, target: Target) -> list[Event]:
    """
    :raises MalformedAnswerError: it is no answer, nor an error in the place of one
    """
    reading = _Reading(target)
    chunk = _parsed(body)
    events = reading.read(chunk)
    if not reading.broken and not reading.choices:
        raise MalformedAnswerError("an answer has choices; this one has none")
    return events if reading.broken else [*events, *reading.end()]


class ChatDecoder:
    """Whole once every choice that was seen has a reason to finish: not every provider sends ``[DONE]``."""

    def __init__(self, target: Target) -> None:
        self._frames = SSEFrames()
        self._reading = _Reading(target)

    @property
    def whole(self) -> bool:
        return self._reading.whole

    def feed(self, chunk: bytes) -> list[Event]:
        told: list[Event] = []
        for frame in self._frames.feed(chunk):
            told += self._read(frame)
        return told

    def finish(self) -> list[Event]:
        """A last frame that was cut is none: all that may come after a reason to finish are reports."""
        events: list[Event] = []
        with suppress(MalformedAnswerError):
            for frame in self._frames.finish():
                events += self._read(frame)
        return [*events, *self._reading.end()] if self.whole else events

    def _read(self, frame: bytes) -> Iterable[Event]:
        if self._reading.over:
            return self._reading.late(frame)
        if frame.strip().startswith(b"[DONE]"):
            return self._reading.end()
        return self._reading.read(_parsed(frame))


def _parsed(data: bytes) -> _Chunk:
    try:
        return _chunk.decode(data)
    except UNREADABLE as error:
        raise MalformedAnswerError(f"no chat completion: {error}") from None


class _Reading:
    """The answer so far. ``over``: the terminator or an error was seen."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.choices: dict[int, _Speaker] = {}
        self._started = False
        self._cited: set[str] = set()
        self.over = False
        self.broken = False

    @property
    def whole(self) -> bool:
        if self.over or not self.choices:
            return self.over
        for choice in self.choices.values():  # noqa: SIM110 - asked after every piece
            if not choice.finished:
                return False
        return True

    def read(self, chunk: _Chunk) -> list[Event]:
        told: list[Event] = []
        error, choices = _trouble(chunk), chunk.choices
        if not self._started and error is None and (choices or (choices is not None and chunk.id)):
            told.append(self._start(chunk))
        for position, choice in enumerate(choices or ()):
            self._choice(choice, position, told)
        if chunk.citations or chunk.search_results:
            told += self._sources(chunk)
        if chunk.usage is not _ABSENT:
            told += _counts(chunk.usage)
        if chunk.x_groq is not None:
            told += _counts(chunk.x_groq.usage)
        if error is not None:
            self.over = self.broken = True
            told.append(Broken(error))
        return told

    def late(self, frame: bytes) -> Iterator[Event]:
        """What comes after the terminator: some report their usage there."""
        if b'"usage"' in frame and not self.broken:
            with suppress(MalformedAnswerError):
                yield from _counts(_parsed(frame).usage)

    def end(self) -> Iterator[Event]:
        """What the terminator says of choices that never gave a reason."""
        if self.over:
            return
        self.over = True
        for choice in self.choices.values():
            yield from choice.finish("")
        yield Ended()

    def _start(self, chunk: _Chunk) -> Started:
        """Azure's first event has no choice and an empty id (its results of filtering the prompt)."""
        self._started = True
        created = chunk.created if isinstance(chunk.created, int | float) and chunk.created > 0 else 0
        return Started(
            id=chunk.id if isinstance(chunk.id, str) else "",
            model=chunk.model if isinstance(chunk.model, str) else "",
            created=int(created),
        )

    def _choice(self, choice: _Choice, position: int, told: list[Event]) -> None:
        number = choice.index if choice.index is not None and choice.index >= 0 else position
        speaker = self.choices.get(number)
        if speaker is None:
            speaker = self.choices[number] = _Speaker(number, self._target)
        # Some end a stream with the whole message once more.
        piece = choice.delta if speaker.spoken or choice.message is None else choice.message
        if not speaker.finished:
            if piece is not None:
                speaker.say(piece, told)
            if choice.logprobs is not None:
                told += speaker.probabilities(choice.logprobs)
            if choice.finish_reason and not _failed(choice):
                told += speaker.finish(choice.finish_reason)
        if choice.usage is not _ABSENT:
            told += _counts(choice.usage)

    def _sources(self, chunk: _Chunk) -> Iterator[Event]:
        """Lists of what was found in the web, told again with every chunk."""
        found = [*_listed(chunk.search_results), *_listed(chunk.citations)]
        sources = [{"url": source} if isinstance(source, str) else source for source in found]
        for source in sources:
            url = source.get("url") if isinstance(source, dict) else None
            if isinstance(url, str) and url not in self._cited:
                self._cited.add(url)
                yield Cited(Citation(url=url, title=_text(source.get("title"))))


def _counts(raw: Raw) -> Iterator[Usage]:
    if raw is not _ABSENT and bytes(raw) != b"null" and (usage := parse_usage(raw)) is not None:
        yield usage


def _sound(token: dict[str, Any]) -> dict[str, Any]:
    """With alternatives of which each is an object, whatever else stands there."""
    others = token.get("top_logprobs")
    if others is None or (isinstance(others, list) and all(isinstance(other, dict) for other in others)):
        return token
    return {**token, "top_logprobs": [other for other in _listed(others) if isinstance(other, dict)]}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


class _OpenCall:
    """A call whose pieces come. ``index`` is -1 until its name is known; pieces that come earlier are held."""

    def __init__(self, upstream_id: str) -> None:
        self.upstream_id = upstream_id
        self.index = -1
        self.held = ""
        self.signature: Signature | None = None


class _Speaker:
    """What one choice says."""

    def __init__(self, number: int, target: Target) -> None:
        self._number = number
        self._model = target.model
        # OpenAI's own models, which are told nothing of thoughts either, may be asked to write about tags.
        self._tags = None if "strict_history" in target.quirks else _Tags()
        self._calls: dict[int | str, _OpenCall] = {}
        self._last: _OpenCall | None = None
        self._started = 0
        self._audio = bytearray()
        self.spoken = False
        self.finished = False

    def say(self, piece: _Piece, told: list[Event]) -> None:
        self.spoken = True
        if thought := piece.reasoning_content or _text(piece.reasoning) or piece.reasoning_text:
            told.append(ReasoningDelta(thought, self._number))
        content = piece.content
        if isinstance(content, str):
            if self._tags is None and content:
                told.append(TextDelta(content, self._number))
            else:
                told += self._content(content)
        elif content:
            for part in content:
                told += self._part(part)
        if piece.refusal:
            told.append(RefusalDelta(piece.refusal, self._number))
        if piece.images or piece.audio:
            told += self._files(piece)
        if piece.annotations:
            told += self._annotations(piece)
        if piece.tool_calls:
            for call in piece.tool_calls:
                told += self._call(call)
        if piece.function_call is not None:
            told += self._call(_CallPiece(index=-1, function=piece.function_call))

    def probabilities(self, logprobs: object) -> Iterator[Event]:
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        tokens = tuple(_sound(token) for token in _listed(content) if isinstance(token, dict))
        if tokens:
            yield Probabilities(tokens, self._number)

    def finish(self, word: str) -> Iterator[Event]:
        if self.finished:
            return
        self.finished = True
        if self._tags is not None:
            yield from self._told(self._tags.finish())
        if self._audio:
            data = bytes(self._audio)
            file = File(kind="audio", media_type=_media_type(data), data=base64.b64encode(data).decode())
            yield FileMade(file, self._number)
        reason = _FINISHES.get(word.lower(), "stop")
        if reason == "stop" and self._started:
            reason = "tool_calls"
        yield Finished(reason=reason, choice=self._number)

    def _content(self, text: str) -> Iterator[Event]:
        pieces = [(False, text)] if self._tags is None else self._tags.feed(text)
        if self._tags is not None and self._tags.over:
            self._tags = None
        yield from self._told(pieces)

    def _told(self, pieces: Iterable[tuple[bool, str]]) -> Iterator[Event]:
        for thought, text in pieces:
            if text:
                yield ReasoningDelta(text, self._number) if thought else TextDelta(text, self._number)

    def _part(self, part: object) -> Iterator[Event]:
        """A content that is a list of parts (https://docs.mistral.ai/capabilities/reasoning)."""
        if not isinstance(part, dict):
            return
        thoughts = part.get("thinking")
        if isinstance(thoughts, list):
            thoughts = "".join(_text(piece.get("text")) for piece in thoughts if isinstance(piece, dict))
        if isinstance(thoughts, str):
            yield from self._told([(True, thoughts)])
        elif isinstance(part.get("text"), str):
            yield from self._content(part["text"])
        elif (file := _made_image(part)) is not None:
            yield FileMade(file, self._number)

    def _files(self, piece: _Piece) -> Iterator[Event]:
        for image in _listed(piece.images):
            if (file := _made_image(image)) is not None:
                yield FileMade(file, self._number)
        if isinstance(piece.audio, dict):
            yield from self._content(_text(piece.audio.get("transcript")))
            self._audio += _bytes_of(_text(piece.audio.get("data")))

    def _annotations(self, piece: _Piece) -> Iterator[Event]:
        for annotation in _listed(piece.annotations):
            cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
            if isinstance(cited, dict) and isinstance(cited.get("url"), str):
                start, end = cited.get("start_index"), cited.get("end_index")
                citation = Citation(
                    url=cited["url"],
                    title=_text(cited.get("title")),
                    quote=_text(cited.get("content")),
                    start=start if isinstance(start, int) else None,
                    end=end if isinstance(end, int) else None,
                )
                yield Cited(citation, self._number)

    def _call(self, piece: _CallPiece) -> Iterator[Event]:
        function = piece.function or piece.custom or _Function()
        call = self._call_of(piece, function)
        self._last = call
        given = function.arguments if piece.custom is None else function.input
        call.held += given if isinstance(given, str) else msgspec.json.encode(given).decode() if given else ""
        call.signature = call.signature or call_signature(piece.extra_content, self._model)
        if call.index < 0 and function.name:
            call.index = self._started
            self._started += 1
            yield ToolStarted(
                index=call.index,
                id=call.upstream_id or new_call_id(),
                name=function.name,
                custom=piece.custom is not None,
                signature=call.signature,
                choice=self._number,
            )
        if call.index >= 0 and call.held:
            yield ToolDelta(call.index, call.held, self._number)
            call.held = ""

    def _call_of(self, piece: _CallPiece, function: _Function) -> _OpenCall:
        """Which call a piece is of: by its index, unless it comes with the id of another; else by its id; else it is a
        new one if it has a name, and one more of the last if not."""
        given = piece.id or ""
        key: int | str = given if piece.index is None else piece.index
        known = self._calls.get(key) if key != "" else None
        if known is not None and not (given and known.upstream_id and given != known.upstream_id):
            known.upstream_id = known.upstream_id or given
            return known
        if key == "" and not function.name and self._last is not None:
            return self._last
        call = _OpenCall(given)
        self._calls[key] = call
        return call


def _made_image(part: object) -> File | None:
    link = part.get("image_url") if isinstance(part, dict) else None
    url = link.get("url") if isinstance(link, dict) else link
    if not isinstance(url, str):
        return None
    if not url.startswith("data:"):
        return File(kind="image", url=url)
    head, _, data = url[len("data:") :].partition(",")
    return File(kind="image", media_type=head.partition(";")[0], data=data) if data else None


def _bytes_of(data: str) -> bytes:
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        return b""


def _media_type(data: bytes) -> str:
    """Of a recording, which says nothing of its format: by how it begins. Bare samples have no beginning."""
    known = {b"RIFF": "audio/wav", b"ID3": "audio/mpeg", b"\xff": "audio/mpeg", b"fLaC": "audio/flac"}
    known[b"OggS"] = "audio/ogg"
    return next((name for start, name in known.items() if data.startswith(start)), "audio/pcm")


class _Tags:
    """Tells thoughts from text where an answer begins with ``<think>``, wherever the tags are cut. What looks like a
    tag later on is text: the model may be writing about tags."""

    def __init__(self) -> None:
        self._state: Literal["before", "within", "after", "text"] = "before"
        self._held = ""

    @property
    def over(self) -> bool:
        """From here on all is text, and nothing is held."""
        return self._state == "text"

    def feed(self, text: str) -> list[tuple[bool, str]]:
        self._held += text
        told: list[tuple[bool, str]] = []
        if self._state == "before":
            self._begin()
        if self._state == "within":
            told.append((True, self._thought()))
        if self._state == "after" and (rest := self._held.lstrip()):
            self._state, self._held = "text", rest
        if self._state == "text":
            told.append((False, self._held))
        if self._state in ("text", "after"):
            self._held = ""
        return told

    def finish(self) -> list[tuple[bool, str]]:
        held, self._held = self._held, ""
        return [(self._state == "within", held)]

    def _begin(self) -> None:
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._state, self._held = "within", start[len(_OPEN) :]
        elif not _OPEN.startswith(start):
            self._state = "text"

    def _thought(self) -> str:
        thought, tag, rest = self._held.partition(_CLOSE)
        if tag:
            self._state, self._held = "after", rest
            return thought
        cut = next(size for size in range(len(_CLOSE), -1, -1) if self._held.endswith(_CLOSE[:size]))
        thought, self._held = self._held[: len(self._held) - cut], self._held[len(self._held) - cut :]
        return thought


def _trouble(chunk: _Chunk) -> GatewayError | None:
    """The error that comes in the place of an answer, or of more of it, under a status of success."""
    error, broke_off = chunk.error, False
    for choice in chunk.choices or ():
        error = error or choice.error
        broke_off = broke_off or (choice.finish_reason is not None and _failed(choice))
    if error:
        return failure(complaint({"error": error, **_texts(chunk)}))
    if broke_off:
        return UpstreamFailed("The provider broke off its answer.")
    base = chunk.base_resp
    if isinstance(base, dict) and base.get("status_code"):
        return failure(complaint(base))
    if chunk.choices is not None:
        return None
    code = chunk.error_code or chunk.code
    fine = code in (None, 0, "0", 200, "200", "", "success") and not _is_words_alone(chunk)
    if chunk.object != "error" and (fine or _is_counted(chunk)):
        return None
    return failure(complaint({"code": code, **_texts(chunk)}))


def _is_words_alone(chunk: _Chunk) -> bool:
    """``{"message": …}``, ``{"detail": …}``: nothing of an answer, nor a code that says all is well."""
    told = (chunk.id, chunk.object, chunk.code, chunk.error_code, chunk.base_resp)
    return told == (None,) * len(told) and any(isinstance(text, str) and text for text in _texts(chunk).values())


def _failed(choice: _Choice) -> bool:
    return choice.finish_reason is not None and choice.finish_reason.lower() in _FAILURES


def _texts(chunk: _Chunk) -> dict[str, Any]:
    return {key: getattr(chunk, key) for key in ("message", "msg", "error_msg", "detail")}


def _is_counted(chunk: _Chunk) -> bool:
    return chunk.usage is not _ABSENT and parse_usage(chunk.usage) is not None
