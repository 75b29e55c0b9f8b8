"""What is answered in OpenAI's Responses format: items, their streams, and what went wrong. (Requests: see
``reading`` and ``writing``.)

https://platform.openai.com/docs/api-reference/responses-streaming

A stream begins with ``response.created`` and ends with one of ``response.completed``, ``response.incomplete`` and
``response.failed``. Between them each item is added, told piece by piece, and done. OpenAI's SDK checks that ids stay
the same from the first event to the last, that no output index is used twice, and that whatever was added is done.

An answer that comes at once is made by the encoder of streams, and read by the decoder's reader of items, so that the
two cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ...errors import GatewayError, RateLimited, RequestError, UpstreamFailed, UpstreamRefused
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import Chat, File, Reasoning, Refusal, Text, ToolCall
from ..dialect import MalformedAnswerError
from ..events import (
    Answer,
    Broken,
    Choice,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
    Probabilities,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from ..frames import SSEFrames
from ..reading import new_call_id
from ..sealed import Signature, seal
from ..usage import parse_usage
from .reading import (
    CALL_MARK,
    ECHO,
    ECHOED,
    NAME,
    PARAGRAPH,
    Fields,
    Item,
    arguments_of,
    listed,
)

__all__ = ["ResponsesDecoder", "ResponsesEncoder", "decode_response", "error_frame", "replay"]

# --- An upstream's answer ---------------------------------------------------------------------------------------------


class _Response(Struct):
    id: str | None = None
    model: str | None = None
    created_at: float | None = None
    status: str | None = None
    output: list[Fields] | None = None
    usage: Raw = Raw(b"null")
    error: Any = None
    incomplete_details: Fields | None = None


class _Frame(Struct):
    """An event of a stream; ``type`` says which fields it has."""

    type: str | None = None
    response: _Response | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item: Fields | None = None
    delta: str | None = None
    annotation: Fields | None = None
    logprobs: list[Fields] | None = None
    error: Any = None
    code: Any = None
    message: Any = None
    param: Any = None


class _Kind(Struct):
    type: Any = None


_response = msgspec.json.Decoder(_Response)
_frame = msgspec.json.Decoder(_Frame)
_kind = msgspec.json.Decoder(_Kind)

_KINDS: Final = {"reasoning", "message", "function_call", "custom_tool_call", "image_generation_call"}
"""Items that are read; all others are about tools that the provider runs by itself."""

_CUT: Final[dict[str, FinishReason]] = {"max_output_tokens": "length", "content_filter": "content_filter"}


def decode_response(body: bytes, model: str) -> list[Event]:
    """
    :raises MalformedAnswerError: it is no response, or one that is not finished
    """
    response = _decoded(_response, body)
    if response.output is None and response.error is None:
        raise MalformedAnswerError("the body has no output")
    items = _Items(model)
    return [items.start(response), *items.end(response)]


class _Told:
    """How much of an item was told already."""

    __slots__ = ("bases", "call", "cited", "counts", "done", "latest", "scored")

    def __init__(self) -> None:
        self.counts: dict[tuple[str, int], int] = {}  # characters, by kind and part
        self.bases: dict[int, int] = {}  # where each part of a message begins in the text of the answer
        self.cited: dict[int, int] = {}  # citations, by part
        self.scored: set[int] = set()  # parts whose probabilities came
        self.latest: tuple[str, int] | None = None
        self.call: int | None = None
        self.done = False


class _Items:
    """The events of one answer's items, each once, however often the upstream tells: in pieces, when a piece is done,
    when the item is done, and when the response is."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._told: dict[int, _Told] = {}
        self._names: set[str] = set()
        self._calls = 0
        self._length = 0

    @staticmethod
    def start(response: _Response) -> Started:
        return Started(id=response.id or "", model=response.model or "", created=int(response.created_at or 0))

    def added(self, index: int, item: Item) -> Iterator[Event]:
        told = self._told.setdefault(index, _Told())
        if told.call is None and item.name and item.type in _CALLS:
            told.call, self._calls = self._calls, self._calls + 1
            call_id = item.call_id or item.id or new_call_id()
            yield ToolStarted(index=told.call, id=call_id, name=item.name, custom=item.type == "custom_tool_call")

    def piece(self, index: int, kind: str, part: int, text: str) -> Iterator[Event]:
        told = self._told.setdefault(index, _Told())
        if told.done or not text or (kind == "arguments" and told.call is None):
            return
        told.counts[kind, part] = told.counts.get((kind, part), 0) + len(text)
        if kind == "text":
            told.bases.setdefault(part, self._length)
            self._length += len(text)
            yield TextDelta(text)
        elif kind == "refusal":
            yield RefusalDelta(text)
        elif kind == "arguments":
            yield ToolDelta(told.call or 0, text)
        else:
            apart = told.latest not in (None, (kind, part))
            told.latest = (kind, part)
            yield ReasoningDelta(PARAGRAPH + text if apart else text)

    def cited(self, index: int, part: int, annotations: Sequence[Fields]) -> Iterator[Event]:
        told = self._told.setdefault(index, _Told())
        told.cited[part] = told.cited.get(part, 0) + len(annotations)
        base = told.bases.get(part, self._length)
        yield from (Cited(citation) for given in annotations if (citation := _citation(given, base)))

    def scored(self, index: int, part: int, logprobs: Sequence[Fields]) -> Iterator[Event]:
        if logprobs:
            self._told.setdefault(index, _Told()).scored.add(part)
            yield Probabilities(tuple(_scored(token) for token in logprobs))

    def done(self, index: int, item: Item) -> Iterator[Event]:
        """What was not told of it before, and its end."""
        yield from self.added(index, item)
        told = self._told[index]
        if told.done:
            return
        for kind, part, text in _pieces(item):
            yield from self.piece(index, kind, part, text[told.counts.get((kind, part), 0) :])
        for part, content in enumerate(listed(item.content) if item.type == "message" else ()):
            yield from self.cited(index, part, (content.annotations or [])[told.cited.get(part, 0) :])
            if part not in told.scored:
                yield from self.scored(index, part, content.logprobs or [])
        yield from self._closed(told, item)
        told.done = True
        self._names |= {item.id or "", item.call_id or ""} - {""}

    def _closed(self, told: _Told, item: Item) -> Iterator[Event]:
        if told.call is not None:
            yield ToolEnded(told.call)
        elif item.type == "reasoning":
            sealed = item.encrypted_content
            signature = Signature(NAME, self._model, sealed) if sealed else None
            if told.latest or signature:
                yield ReasoningEnded(signature=signature, redacted=told.latest is None)
        elif item.type == "image_generation_call" and item.result:
            media_type = f"image/{item.output_format or 'png'}"
            yield FileMade(File(kind="image", media_type=media_type, data=item.result))

    def end(self, response: _Response) -> Iterator[Event]:
        for index, fields in enumerate(response.output or []):
            item = _item(fields)
            if item is not None and not self._names & {item.id, item.call_id}:
                yield from self.done(index, item)
        if (usage := parse_usage(response.usage)) is not None:
            yield usage
        if response.error is not None or response.status in ("failed", "cancelled"):
            yield Broken(_failure(response.error))
            return
        if response.status in ("queued", "in_progress"):
            raise MalformedAnswerError(f"the response is {response.status}")
        yield Finished(reason=self._reason(response))
        yield Ended()

    def _reason(self, response: _Response) -> FinishReason:
        if response.status == "incomplete":
            why = (response.incomplete_details or {}).get("reason")
            return _CUT.get(why, "length") if isinstance(why, str) else "length"
        return "tool_calls" if self._calls else "stop"


def _item(fields: Fields | None) -> Item | None:
    kind = fields.get("type") if isinstance(fields, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        return None
    try:
        return msgspec.convert(fields, Item)
    except msgspec.ValidationError as error:
        raise MalformedAnswerError(f"an item cannot be read: {error}") from None


def _pieces(item: Item) -> Iterator[tuple[str, int, str]]:
    match item.type:
        case "message":
            if isinstance(item.content, str):
                yield "text", 0, item.content
            for part, content in enumerate(listed(item.content)):
                refused = content.type == "refusal"
                yield "refusal" if refused else "text", part, (content.refusal if refused else content.text) or ""
        case "reasoning":
            for part, content in enumerate(item.summary or []):
                yield "summary", part, content.text or ""
            for part, content in enumerate(listed(item.content)):
                yield "thought", part, content.text or ""
        case "function_call":
            yield "arguments", 0, arguments_of(item.arguments)
        case "custom_tool_call":
            yield "arguments", 0, item.input or ""


def _citation(given: Fields, base: int) -> Citation | None:
    url, title = given.get("url"), given.get("title")
    if not isinstance(url, str) or not url:
        return None
    start, end = (value + base if isinstance(value := given.get(name), int) else None for name in _OFFSETS)
    return Citation(url=url, title=title if isinstance(title, str) else "", start=start, end=end)


_OFFSETS: Final = ("start_index", "end_index")

_CALLERS: Final = frozenset(
    {"invalid_prompt", "context_length_exceeded", "bio_policy", "misalignment_policy_violation"}
)


def _failure(error: Any) -> GatewayError:
    """What an error within an answer means. Only complaints about the request are passed on in the upstream's words."""
    fields = error if isinstance(error, dict) else {}
    code, kind, message, param = (
        value if isinstance(value := fields.get(name), str) else None for name in ("code", "type", "message", "param")
    )
    if code == "rate_limit_exceeded":
        return RateLimited("The upstream is rate limited at the moment. Try again later.", retry_after=1)
    callers = code in _CALLERS or "image" in (code or "") or kind == "invalid_request_error"
    if callers and message:
        return UpstreamRefused(message[:2000], code=code, kind=kind, param=param)
    return UpstreamFailed("The upstream told of an error within its answer.")


class ResponsesDecoder:
    """One stream from an upstream."""

    __slots__ = ("_begun", "_frames", "_items", "_whole")

    def __init__(self, model: str) -> None:
        self._frames = SSEFrames()
        self._items = _Items(model)
        self._begun = False
        self._whole = False

    @property
    def whole(self) -> bool:
        return self._whole

    def feed(self, chunk: bytes) -> list[Event]:
        return [event for data in self._frames.feed(chunk) for event in self._read(data)]

    def finish(self) -> list[Event]:
        """A frame that was cut is none."""
        with suppress(MalformedAnswerError):
            return [event for data in self._frames.finish() for event in self._read(data)]
        return []

    def _read(self, data: bytes) -> Iterator[Event]:
        if self._whole or data.strip() == b"[DONE]":
            return
        frame = _read_frame(data)
        if frame.type == "error" or (frame.type is None and frame.error is not None):
            self._whole = True
            told = {"code": frame.code, "message": frame.message, "param": frame.param}
            yield Broken(_failure(frame.error or told))
            return
        handle = _EVENTS.get(frame.type or "")
        if handle is None:
            return
        if not self._begun:
            self._begun = True
            yield self._items.start(frame.response or _Response())
        yield from handle(self, frame)

    def on_start(self, _: _Frame) -> Iterable[Event]:
        return ()

    def on_added(self, frame: _Frame) -> Iterable[Event]:
        item = _item(frame.item)
        return self._items.added(frame.output_index or 0, item) if item is not None else ()

    def on_done(self, frame: _Frame) -> Iterable[Event]:
        item = _item(frame.item)
        return self._items.done(frame.output_index or 0, item) if item is not None else ()

    def on_delta(self, frame: _Frame) -> Iterator[Event]:
        kind = _DELTAS[frame.type or ""]
        part = (frame.summary_index if kind == "summary" else frame.content_index) or 0
        index = frame.output_index or 0
        yield from self._items.piece(index, kind, part, frame.delta or "")
        yield from self._items.scored(index, part, frame.logprobs or [])

    def on_cited(self, frame: _Frame) -> Iterable[Event]:
        given = [frame.annotation] if frame.annotation else []
        return self._items.cited(frame.output_index or 0, frame.content_index or 0, given)

    def on_end(self, frame: _Frame) -> Iterator[Event]:
        response = frame.response or _Response()
        response.status = (frame.type or "").removeprefix("response.")
        yield from self._items.end(response)
        self._whole = True


_DELTAS: Final = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "thought",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "arguments",
}
_EVENTS: Final[Mapping[str, Callable[[ResponsesDecoder, _Frame], Iterable[Event]]]] = {
    "response.created": ResponsesDecoder.on_start,
    "response.in_progress": ResponsesDecoder.on_start,
    "response.output_item.added": ResponsesDecoder.on_added,
    "response.output_item.done": ResponsesDecoder.on_done,
    "response.output_text.annotation.added": ResponsesDecoder.on_cited,
    "response.completed": ResponsesDecoder.on_end,
    "response.incomplete": ResponsesDecoder.on_end,
    "response.failed": ResponsesDecoder.on_end,
} | dict.fromkeys(_DELTAS, ResponsesDecoder.on_delta)


def _read_frame(data: bytes) -> _Frame:
    """Events that are not known here may have the known fields with other types."""
    try:
        return _frame.decode(data)
    except msgspec.ValidationError as error:
        if isinstance(kind := _decoded(_kind, data).type, str) and kind not in _EVENTS:
            return _Frame()
        raise MalformedAnswerError(f"an event cannot be read: {error}") from None
    except UNREADABLE as error:
        raise MalformedAnswerError(f"an event is not JSON: {error}") from None


def _decoded(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except UNREADABLE as error:
        raise MalformedAnswerError(f"the answer cannot be read: {error}") from None


# --- An answer to a client --------------------------------------------------------------------------------------------

_ENDS: Final[dict[FinishReason, tuple[str, Fields | None]]] = {
    "stop": ("completed", None),
    "tool_calls": ("completed", None),
    "length": ("incomplete", {"reason": "max_output_tokens"}),
    "content_filter": ("incomplete", {"reason": "content_filter"}),
    "pause": ("incomplete", {}),  # none of the reasons that the type knows
    "malformed_call": ("failed", None),
    "error": ("failed", None),
}
_FAILURES: Final[dict[FinishReason, GatewayError]] = {
    "malformed_call": UpstreamFailed("The model failed to call a tool. Try again."),
    "error": UpstreamFailed("The model failed to finish its answer. Try again."),
}
_CUTTING: Final = frozenset({"length", "content_filter", *_FAILURES})


class _CallForm(Struct, frozen=True):
    """What the fields and events of a call are called, and what stands for no arguments."""

    prefix: str
    field: str
    event: str
    empty: str


_CALLS: Final = {
    "function_call": _CallForm("fc", "arguments", "function_call_arguments", "{}"),
    "custom_tool_call": _CallForm("ctc", "input", "custom_tool_call_input", ""),
}


class _Made:
    """An item on its way to the client. ``item`` is what is told of it when it is done."""

    __slots__ = ("base", "ended", "index", "item", "kind", "part", "pieces")

    def __init__(self, kind: str, index: int, item: Fields) -> None:
        self.kind = kind
        self.index = index
        self.item = item
        self.pieces: list[str] = []  # of the part that is open, or of the arguments
        self.part: Fields | None = None
        self.base = 0  # where that part begins in the text of the answer
        self.ended = False

    def fill(self) -> str:
        """Write down what was told so far, and give it back."""
        whole = "".join(self.pieces)
        if self.part is not None:
            self.part["refusal" if self.part["type"] == "refusal" else "text"] = whole
        elif self.kind in _CALLS:
            self.item[_CALLS[self.kind].field] = whole
        return whole


class ResponsesEncoder:
    """One stream on its way to a client. An item is done when the next one begins or the answer ends, since only then
    is it known not to be cut. Several calls may be open at once."""

    def __init__(self, chat: Chat, call_id: str, clock: Callable[[], float]) -> None:
        self._chat = chat
        self._call_id = call_id
        self._clock = clock
        self._created = 0
        self._sequence = 0
        self._frames: list[bytes] = []
        self._output: list[_Made] = []
        self._open: _Made | None = None
        self._calls: dict[int, _Made] = {}
        self._cited: list[Citation] = []
        self._logprobs: list[Fields] = []
        self._length = 0
        self._finish: FinishReason | None = None
        self._usage: Usage | None = None
        self._over = False

    def encode(self, events: Sequence[Event]) -> bytes:
        before: Event | None = None
        for event, after in zip_longest(events, events[1:]):
            if self._over or _choice(event):
                continue
            if isinstance(event, Probabilities):
                self._logprobs += () if isinstance(before, TextDelta) else event.content
            elif isinstance(event, TextDelta) and isinstance(after, Probabilities) and not after.choice:
                self._logprobs += after.content  # they are told with their text
            self._begin(event)
            self._add(event)
            before = event
        return self._taken()

    def finish(self) -> bytes:
        if not self._over:
            self._begin(None)
            self._close_all()
            response = self.response()
            self._send(f"response.{response['status']}", response=response)
            self._over = True
        return self._taken()

    def fail(self, error: GatewayError) -> bytes:
        """Both frames that the format has for it: clients look at one or the other."""
        if not self._over:
            self._begin(None)
            self._break(error)
        return self._taken()

    def _break(self, error: GatewayError) -> None:
        for made in (self._open, *self._calls.values()):
            if made is not None:
                made.fill()
                made.item["status"] = "incomplete"
        self._frames.append(error_frame(error, self._sequence))
        self._sequence += 1
        self._send("response.failed", response=self.response(error))
        self._over = True

    def response(self, error: GatewayError | None = None) -> Fields:
        """The response as it stands, at its end."""
        status, details = _ENDS[self._finish or "stop"]
        error = error or _FAILURES.get(self._finish or "stop")
        if error is not None:
            status, details = "failed", None
        return self._response(status, error, details)

    def _response(self, status: str, error: GatewayError | None = None, details: Fields | None = None) -> Fields:
        echo = self._chat.others.get(ECHO) or {}
        return {
            "id": f"resp_{self._call_id}",
            "object": "response",
            "created_at": self._created,
            "completed_at": int(self._clock()) if status == "completed" else None,
            "status": status,
            "error": None if error is None else _error(error),
            "incomplete_details": details,
            "model": self._chat.model,
            "output": [made.item for made in self._output],
            **ECHOED,
            **echo,
            "store": False,
            "usage": None if self._usage is None else _usage(self._usage),
        }

    def _begin(self, event: Event | None) -> None:
        if self._created:
            return
        told = event.created if isinstance(event, Started) else 0
        self._created = told or int(self._clock()) or 1
        for kind in ("response.created", "response.in_progress"):
            self._send(kind, response=self._response("in_progress"))

    def _add(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                self._say("output_text", text)
            case RefusalDelta(text):
                self._say("refusal", text)
            case ReasoningDelta(text):
                self._think(text)
            case ReasoningEnded():
                self._thought(event)
            case ToolStarted():
                self._call(event)
            case ToolDelta(index, arguments):
                self._argue(index, arguments)
            case Cited(citation):
                self._cite(citation)
            case FileMade(file):
                self._make(file)
            case _:
                self._note(event)

    def _note(self, event: Event) -> None:
        match event:
            case ToolEnded(index) if index in self._calls:
                self._calls[index].ended = True
            case Finished(reason=reason):
                self._finish = reason
                self._close_all()
            case Usage():
                self._usage = event
            case Broken(error):
                self._break(error)
            case _:
                pass

    # Items

    def _new(self, kind: str, prefix: str, **fields: Any) -> _Made:
        self._close_open()
        for number, made in list(self._calls.items()):
            if made.ended:
                self._close_call(self._calls.pop(number))
        index = len(self._output)
        item = {"id": f"{prefix}_{self._call_id}{index:04x}", "type": kind, "status": "in_progress", **fields}
        made = _Made(kind, index, item)
        self._output.append(made)
        self._send("response.output_item.added", output_index=index, item=item)
        return made

    def _done(self, made: _Made) -> None:
        cut = made is self._output[-1] and self._finish in _CUTTING and made.kind != "image_generation_call"
        made.item["status"] = "incomplete" if cut else "completed"
        self._send("response.output_item.done", output_index=made.index, item=made.item)

    def _close_open(self) -> None:
        made, self._open = self._open, None
        if made is not None:
            self._close_part(made)
            self._done(made)

    def _close_all(self) -> None:
        self._close_open()
        for made in self._calls.values():
            self._close_call(made)
        self._calls.clear()

    def _current(self, kind: str) -> _Made | None:
        return self._open if self._open is not None and self._open.kind == kind and not self._open.ended else None

    def _tell(self, kind: str, made: _Made, **fields: Any) -> None:
        """An event of an item, or of a part of it."""
        place = {"message": "content", "reasoning": "summary"}.get(made.kind)
        if place:
            fields[f"{place}_index"] = len(made.item[place]) - 1
        self._send(f"response.{kind}", item_id=made.item["id"], output_index=made.index, **fields)

    # Messages

    def _say(self, kind: str, text: str) -> None:
        if not text:
            return
        made = self._current("message")
        if made is None:
            made = self._open = self._new("message", "msg", role="assistant", content=[])
        part = made.part
        if part is None or part["type"] != kind:
            self._close_part(made)
            part = self._open_part(made, kind)
        made.pieces.append(text)
        if kind == "refusal":
            self._tell("refusal.delta", made, delta=text)
            return
        self._length += len(text)
        self._tell("output_text.delta", made, delta=text, logprobs=self._score(part))

    def _score(self, part: Fields) -> list[Fields]:
        """The probabilities that came since they were told last."""
        scored, self._logprobs = [_scored(token) for token in self._logprobs], []
        part["logprobs"] += scored
        return scored

    def _open_part(self, made: _Made, kind: str) -> Fields:
        part = {"type": kind, "refusal": ""} if kind == "refusal" else _empty_text()
        made.part, made.pieces, made.base = part, [], self._length
        made.item["content"].append(part)
        self._tell("content_part.added", made, part=part)
        if kind == "output_text":
            held, self._cited = self._cited, []
            for citation in held:
                self._cite(citation)
        return part

    def _close_part(self, made: _Made) -> None:
        if made.part is None:
            return
        whole, part = made.fill(), made.part
        match part["type"]:
            case "summary_text":
                self._tell("reasoning_summary_text.done", made, text=whole)
                self._tell("reasoning_summary_part.done", made, part=part)
            case "refusal":
                self._tell("refusal.done", made, refusal=whole)
                self._tell("content_part.done", made, part=part)
            case _:
                self._score(part)
                self._tell("output_text.done", made, text=whole, logprobs=part["logprobs"])
                self._tell("content_part.done", made, part=part)
        made.part = None

    def _cite(self, citation: Citation) -> None:
        """Offsets are counted from where the part begins; a source without an address cannot be told."""
        made = self._current("message")
        if not citation.url:
            return
        if made is None or made.part is None or made.part["type"] != "output_text":
            self._cited.append(citation)
            return
        start = max((citation.start or 0) - made.base, 0)
        annotation = {
            "type": "url_citation",
            "url": citation.url,
            "title": citation.title,
            "start_index": start,
            "end_index": max((citation.end or 0) - made.base, start),
        }
        annotations = made.part["annotations"]
        annotations.append(annotation)
        self._tell("output_text.annotation.added", made, annotation_index=len(annotations) - 1, annotation=annotation)

    # Thoughts

    def _think(self, text: str) -> None:
        if not text:
            return
        made = self._current("reasoning")
        if made is None:
            made = self._open = self._new("reasoning", "rs", summary=[])
        if made.part is None:
            made.part = {"type": "summary_text", "text": ""}
            made.item["summary"].append(made.part)
            self._tell("reasoning_summary_part.added", made, part=made.part)
        made.pieces.append(text)
        self._tell("reasoning_summary_text.delta", made, delta=text)

    def _thought(self, event: ReasoningEnded) -> None:
        made = self._current("reasoning")
        if made is None:
            if event.signature is None:
                return
            made = self._open = self._new("reasoning", "rs", summary=[])
        made.ended = True
        if event.signature is not None:
            made.item["encrypted_content"] = _sealed(event.signature)

    # Calls and pictures

    def _call(self, event: ToolStarted) -> None:
        if event.signature is not None:
            carrier = self._open = self._new("reasoning", "rs", summary=[])
            carrier.item["encrypted_content"] = CALL_MARK + seal(event.signature)
        kind = "custom_tool_call" if event.custom else "function_call"
        form = _CALLS[kind]
        self._calls[event.index] = self._new(kind, form.prefix, call_id=event.id, name=event.name, **{form.field: ""})

    def _argue(self, index: int, arguments: str) -> None:
        made = self._calls.get(index)
        if made is not None and arguments:
            made.pieces.append(arguments)
            self._tell(f"{_CALLS[made.kind].event}.delta", made, delta=arguments)

    def _close_call(self, made: _Made) -> None:
        form = _CALLS[made.kind]
        if not made.pieces and form.empty:
            made.pieces.append(form.empty)
            self._tell(f"{form.event}.delta", made, delta=form.empty)
        self._tell(f"{form.event}.done", made, **{form.field: made.fill()})
        self._done(made)

    def _make(self, file: File) -> None:
        if file.kind != "image":
            return  # no item of this format holds it
        if file.data is None:
            self._say("output_text", f"![image]({file.url})")
            return
        made = self._open = self._new("image_generation_call", "ig", result=None)
        made.item["result"] = file.data

    # Frames

    def _send(self, kind: str, **fields: Any) -> None:
        self._frames.append(_named(kind, {"type": kind, "sequence_number": self._sequence, **fields}))
        self._sequence += 1

    def _taken(self) -> bytes:
        frames, self._frames = b"".join(self._frames), []
        return frames


def _choice(event: Event) -> int:
    """The format knows one choice only."""
    choice: int = getattr(event, "choice", 0)
    return choice


def replay(answer: Answer) -> Iterator[Event]:
    """The events of which an answer was put together, in the largest pieces."""
    choice = answer.choices[0] if answer.choices else Choice()
    yield Started(created=answer.created)
    calls = 0
    texts = [part for part in choice.parts if isinstance(part, Text)]
    begin = 0
    for part in choice.parts:
        match part:
            case Text():
                yield TextDelta(part.text)
                if choice.logprobs and part is texts[0]:
                    yield Probabilities(tuple(choice.logprobs))
                begin, end = begin + len(part.text), begin
                last = part is texts[-1]
                yield from (Cited(each) for each in choice.citations if _lies(each, end, begin, last=last))
            case Reasoning():
                yield ReasoningDelta(part.text)
                yield ReasoningEnded(signature=part.signature, redacted=part.redacted)
            case Refusal():
                yield RefusalDelta(part.text)
            case ToolCall():
                yield ToolStarted(index=calls, id=part.id, name=part.name, custom=part.custom, signature=part.signature)
                yield ToolDelta(calls, part.arguments)
                calls += 1
            case File():
                yield FileMade(part)
    if answer.usage is not None:
        yield answer.usage
    yield Finished(reason=choice.finish or "stop")


def _lies(citation: Citation, begin: int, end: int, *, last: bool) -> bool:
    """Whether a citation is of the text from ``begin`` to ``end``; of the last one if nobody told."""
    return last if citation.start is None else begin <= citation.start < end or (last and citation.start >= end)


def _sealed(signature: Signature) -> str:
    return signature.value if signature.dialect == NAME else seal(signature)


def _empty_text() -> Fields:
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _scored(token: Fields) -> Fields:
    """A token with all that OpenAI's types want to see: its bytes, and the others that might have been."""
    others = token.get("top_logprobs")
    told = others if isinstance(others, list) else []
    return _score(token) | {"top_logprobs": [_score(other) for other in told if isinstance(other, dict)]}


def _score(token: Fields) -> Fields:
    text = str(token.get("token") or "")
    return {
        "token": text,
        "logprob": token.get("logprob") or 0.0,
        "bytes": token.get("bytes") or list(text.encode(errors="surrogatepass")),
    }


def _usage(usage: Usage) -> Fields:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


_CODES: Final = frozenset(
    {
        "server_error",
        "rate_limit_exceeded",
        "invalid_prompt",
        "bio_policy",
        "misalignment_policy_violation",
        "data_residency_mismatch",
        "vector_store_timeout",
    }
)
"""Of those that the type of a response's error knows; the others are about images."""


def _error(error: GatewayError) -> Fields:
    """The type knows a few codes only."""
    code = error.code if error.code in _CODES else None
    if code is None:
        limited, refused = error.status == 429, isinstance(error, RequestError)
        code = "rate_limit_exceeded" if limited else "invalid_prompt" if refused else "server_error"
    return {"code": code, "message": error.message, "param": error.param, "type": error.type}


def error_frame(error: GatewayError, sequence: int) -> bytes:
    told = {"type": "error", "code": error.code, "message": error.message, "param": error.param}
    return _named("error", told | {"sequence_number": sequence})


def _named(kind: str, value: Fields) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
