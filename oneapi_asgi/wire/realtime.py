"""OpenAI's Realtime API as far as the gateway has to read it: how a session is asked for, and what it costs.

https://platform.openai.com/docs/api-reference/realtime. Events are JSON objects, one a frame, and pass as they are. Of
the server's, these cost money:

    response.done
        response{id, status, conversation_id, usage{input_tokens, output_tokens,
            input_token_details{cached_tokens, text_tokens, audio_tokens, image_tokens,
                cached_tokens_details{text_tokens, audio_tokens, image_tokens}},
            output_token_details{text_tokens, audio_tokens}}}
    conversation.item.input_audio_transcription.completed
        item_id, content_index, usage{type: "tokens", …} or {type: "duration", seconds}

Each response reads the whole conversation again, so what the next one costs grows with what was said before. The
deltas and ``response.created`` are looked at for responses that break off: nobody says then what they used. Names of
the beta (``response.audio.delta``) and of today (``response.output_audio.delta``) are read alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import parse_qs, quote

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ..errors import BadRequest, BudgetExceeded, GatewayError, TryLater, UpstreamFailed
from ..models import Usage
from ..unreadable import UNREADABLE
from .operations import Operation
from .request import Request, parse_request
from .usage import guess_output, parse_usage

__all__ = [
    "CANCEL",
    "REALTIME",
    "Meter",
    "added",
    "chosen",
    "close_code",
    "close_reason",
    "error_event",
    "opening",
    "passed_code",
    "refused",
    "shown",
    "upstream_path",
]

REALTIME: Final = Operation(
    name="realtime",
    path="/realtime",
    task="realtime",
    output_limits=("max_output_tokens",),
    choice_fields=(),
    streams=True,
)

CANCEL: Final = '{"type":"response.cancel"}'
"""What ends the response at work; its ``response.done`` still says what it used."""

# --- how a session is asked for ---------------------------------------------------------------------------------------

_SUBPROTOCOL = "realtime"
_KEY = "openai-insecure-api-key."
_BETA = "openai-beta."
_PASSED = ("intent",)
"""Of the query, beside the model. Not ``call_id``, which would let a caller into somebody else's session."""


def opening(query: str, *, max_output: int) -> Request:
    """The request for a session, as if its query were a body. ``max_output`` tokens are the most of one response.

    :raises BadRequest: it names no model, or several, or one that cannot be
    """
    asked = parse_qs(query)
    models = {*asked.get("model", ()), *asked.get("deployment", ())}
    if len(models) != 1:
        raise BadRequest(
            "The session needs one model in its URL, such as /v1/realtime?model=gpt-realtime.",
            param="model",
            code="missing_required_parameter",
        )
    body = msgspec.json.encode({"model": models.pop(), "max_output_tokens": max_output})
    return parse_request(REALTIME, "application/json", body)


def upstream_path(model: str, query: str) -> str:
    """The path of a session, with the model and what is passed on of the caller's query."""
    asked = parse_qs(query)
    kept = [(name, asked[name][0]) for name in _PASSED if name in asked]
    pairs = [f"{name}={quote(value, safe='')}" for name, value in (("model", model), *kept)]
    return f"{REALTIME.path}?{'&'.join(pairs)}"


def shown(subprotocols: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """What browsers, which cannot set headers, say in subprotocols, as the headers that it stands for."""
    headers: list[tuple[bytes, bytes]] = []
    for name in subprotocols:
        if name.startswith(_KEY):
            headers.append((b"authorization", b"Bearer " + name[len(_KEY) :].encode("latin-1", "replace")))
        elif name.startswith(_BETA):
            value = name[len(_BETA) :].replace("-", "=", 1)  # openai-beta.realtime-v1
            headers.append((b"openai-beta", value.encode("latin-1", "replace")))
    return headers


def chosen(subprotocols: Sequence[str]) -> str | None:
    """The subprotocol that is agreed on: never one that holds a key."""
    return _SUBPROTOCOL if _SUBPROTOCOL in subprotocols else None


# --- how it ends ------------------------------------------------------------------------------------------------------

_POLICY, _TOO_BIG, _FAILED, _LATER = 1008, 1009, 1011, 1013
_MAY_BE_SENT = frozenset((*range(1000, 1004), *range(1007, 1015)))
_NO_STATUS = 1005
_LONGEST_REASON = 123

_NOT_THE_CALLERS = frozenset(
    (
        "account_deactivated",
        "authentication_error",
        "billing_not_active",
        "insufficient_quota",
        "invalid_api_key",
        "organization_deactivated",
        "rate_limit_error",
        "rate_limit_exceeded",
        "server_error",
        "tokens",
        "requests",
    )
)
"""Types and codes of errors that speak of the operator's account, or of this moment: another channel may do."""


def error_event(error: GatewayError, event_id: str) -> str:
    """The event that tells a caller why its session ends."""
    told = {
        "type": "error",
        "event_id": event_id,
        "error": {
            "type": error.type,
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "event_id": None,
        },
    }
    return msgspec.json.encode(told).decode()


def close_code(error: GatewayError) -> int:
    """RFC 6455, section 7.4.1, and IANA's registry: 1008 policy, 1009 too big, 1011 failed, 1013 try again later."""
    if error.status == 413:
        return _TOO_BIG
    if isinstance(error, TryLater) and not isinstance(error, BudgetExceeded):
        return _LATER
    return _FAILED if isinstance(error, UpstreamFailed) else _POLICY


def close_reason(text: str) -> str:
    """As much of a text as a close frame holds: 123 bytes."""
    return text.encode()[:_LONGEST_REASON].decode(errors="ignore")


def passed_code(code: int) -> int:
    """The code to close one side with, when the other was closed with this: some may only be reported, never sent."""
    if code in _MAY_BE_SENT or 3000 <= code <= 4999:
        return code
    return 1000 if code == _NO_STATUS else _FAILED


class _Error(Struct):
    type: object = None
    code: object = None


class _Refused(Struct):
    type: str
    error: _Error | None = None


_refused = msgspec.json.Decoder(_Refused)


def refused(frame: str | bytes) -> bool:
    """Whether the first thing that an upstream says is that the operator's account cannot have the session."""
    event = _read(_refused, frame)
    if event is None or event.type != "error" or event.error is None:
        return False
    return any(isinstance(word, str) and word in _NOT_THE_CALLERS for word in (event.error.type, event.error.code))


# --- what it costs ----------------------------------------------------------------------------------------------------


class _Event(Struct):
    type: str
    response_id: object = None
    delta: Raw = Raw(b"")


class _Part(Struct):
    type: object = None
    image_url: object = None
    audio: object = None


class _Item(Struct):
    content: list[_Part] | None = None


class _Said(Struct):
    type: str
    item: _Item | None = None


class _Response(Struct):
    id: object = None
    status: object = None
    conversation_id: object = ""
    usage: Raw = Raw(b"null")


class _OfResponse(Struct):
    response: _Response


class _Transcribed(Struct):
    item_id: object = None
    content_index: object = None
    usage: Raw = Raw(b"null")


class _Cached(Struct):
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Details(Struct):
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cached_tokens_details: _Cached | None = None


class _Counts(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: _Details | None = None


_event = msgspec.json.Decoder(_Event)
_kind = msgspec.json.Decoder(_Said)
_of_response = msgspec.json.Decoder(_OfResponse)
_transcribed = msgspec.json.Decoder(_Transcribed)
_counts = msgspec.json.Decoder(_Counts)

Shape = TypeVar("Shape")

_NOTHING = Usage(calls=0)
_NULL = b"null"
_APPEND = "input_audio_buffer.append"
_COMPACT = ("g711", "audio/pcmu", "audio/pcma")

_BYTES_A_TOKEN = 3
_TOKENS_A_PICTURE = 1_500
_MOST_INPUT = 131_072
"""Tokens: no model for sessions reads more at once; older parts of the conversation are left out instead."""

# A second of speech is 10 tokens when it is heard and 20 when it is spoken; as base64 it takes 64,000 bytes (PCM with
# 16 bits, 24 kHz), or 10,667 (G.711).
_HEARD_PCM, _HEARD_COMPACT = 6_400, 1_067
_SPOKEN_PCM, _SPOKEN_COMPACT = 3_200, 533


class _Running:
    """The output of one response up to now, in tokens."""

    __slots__ = ("audio", "text")

    def __init__(self) -> None:
        self.text = 0
        self.audio = 0


class Meter:
    """What one session has used, read off its events. ``total`` is what the upstream has told so far."""

    def __init__(self) -> None:
        self.total = _NOTHING
        self._running: dict[object, _Running] = {}
        self._counted: set[tuple[object, ...]] = set()
        self._context = 0
        self._new = 0
        self._compact = False
        self._readers: dict[str, Callable[[str | bytes], bool]] = {
            "session.created": self._agreed,
            "session.updated": self._agreed,
            "response.created": self._begun,
            "response.done": self._done,
            "conversation.item.input_audio_transcription.completed": self._transcribed,
        }

    @property
    def running(self) -> int:
        """How many responses are being made."""
        return len(self._running)

    @property
    def expected(self) -> int:
        """The input tokens of the next response, as far as one can tell: the conversation, and what was said since."""
        return min(self._context + self._new, _MOST_INPUT)

    @property
    def unfinished(self) -> Usage:
        """A guess at what the responses have used that are being made."""
        if not self._running:
            return _NOTHING
        audio = sum(each.audio for each in self._running.values())
        return Usage(
            input=self.running * min(self._context, _MOST_INPUT),
            output=audio + sum(each.text for each in self._running.values()),
            output_audio=audio,
            calls=self.running,
            estimated=True,
        )

    @property
    def usage(self) -> Usage:
        """What was told, and what has to be guessed, together."""
        return added(self.total, self.unfinished)

    def said(self, frame: str | bytes) -> None:
        """The caller has sent this."""
        event = _read(_kind, frame)
        if event is not None and event.type == _APPEND:
            self._new += -(-len(frame) // (_HEARD_COMPACT if self._compact else _HEARD_PCM))
        else:
            self._new += self._weighed(len(frame), event.item if event is not None else None)

    def _weighed(self, size: int, item: _Item | None) -> int:
        """The tokens of an event, rather too many than too few."""
        tokens = 0
        for part in (item.content if item is not None else None) or ():
            if isinstance(part.image_url, str):
                size, tokens = size - len(part.image_url), tokens + _TOKENS_A_PICTURE
            elif isinstance(part.audio, str):
                size -= len(part.audio)
                tokens += len(part.audio) // (_HEARD_COMPACT if self._compact else _HEARD_PCM) + 1
        return tokens + -(-max(size, 0) // _BYTES_A_TOKEN)

    def heard(self, frame: str | bytes) -> bool:
        """The upstream has sent this. Whether it changed what the session costs, or is going to cost.

        Events of unknown shape change nothing: they are the caller's business.
        """
        event = _read(_event, frame)
        if event is None:
            return False
        if (read := self._readers.get(event.type)) is not None:
            return read(frame)
        if event.type.endswith(".delta") and isinstance(event.response_id, str):
            self._grown(event)
        return False

    def _grown(self, event: _Event) -> None:
        running = self._running.get(event.response_id)
        size = len(memoryview(event.delta)) - 2  # without its quotes
        if running is None or size <= 0:
            return
        if event.type.endswith("audio.delta"):
            running.audio += -(-size // (_SPOKEN_COMPACT if self._compact else _SPOKEN_PCM))
        else:
            running.text += guess_output(size)

    def _agreed(self, frame: str | bytes) -> bool:
        """Formats have one name in today's sessions and another in the beta's; elsewhere either means the same."""
        text = frame if isinstance(frame, str) else frame.decode(errors="replace")
        self._compact = any(f'"{name}' in text for name in _COMPACT)
        return False

    def _begun(self, frame: str | bytes) -> bool:
        event = _read(_of_response, frame)
        if event is None or not isinstance(event.response.id, str) or (event.response.id,) in self._counted:
            return False
        self._running[event.response.id] = _Running()
        self._context = min(self._context + self._new, _MOST_INPUT)
        self._new = 0
        return True

    def _done(self, frame: str | bytes) -> bool:
        event = _read(_of_response, frame)
        if event is None or not self._first(event.response.id):
            return False
        response = event.response
        running = self._running.pop(response.id, None) if isinstance(response.id, str) else None
        used = _used(response.usage)
        if used is None and response.status != "failed":
            used = self._guessed(running or _Running())
        if used is not None:
            self.total = added(self.total, used)
            if response.conversation_id is not None:  # else it was made beside the conversation
                self._context = min(used.input + used.output, _MOST_INPUT)
        return True

    def _transcribed(self, frame: str | bytes) -> bool:
        event = _read(_transcribed, frame)
        if event is None or not self._first(event.item_id, event.content_index, "transcribed"):
            return False
        used = _used(event.usage)
        if used is not None:
            self.total = added(self.total, replace(used, calls=0))
        return True

    def _first(self, *name: object) -> bool:
        """What is told twice is counted once. What has no name cannot be told apart."""
        if not isinstance(name[0], str):
            return True
        name = tuple(part if isinstance(part, str | int) else None for part in name)
        if name in self._counted:
            return False
        self._counted.add(name)
        return True

    def _guessed(self, running: _Running) -> Usage:
        return Usage(
            input=min(self._context, _MOST_INPUT),
            output=running.text + running.audio,
            output_audio=running.audio,
            estimated=True,
        )


def added(one: Usage, other: Usage) -> Usage:
    """The sum of two, estimated if one of them is."""
    if other is _NOTHING:
        return one
    names = [name for name in Usage.__struct_fields__ if name != "estimated"]
    sums = {name: getattr(one, name) + getattr(other, name) for name in names}
    return Usage(**sums, estimated=one.estimated or other.estimated)


def _used(raw: Raw) -> Usage | None:
    """What a ``usage`` says, None when it says nothing. Cached audio is paid for as cached, and not as audio again."""
    if bytes(raw) == _NULL:
        return None
    counts = _read(_counts, bytes(raw))
    usage = parse_usage(raw)
    if usage is None:
        nothing = counts is not None and not counts.input_tokens and not counts.output_tokens
        return _NOTHING if nothing else None
    details = counts.input_token_details if counts is not None else None
    if details is None or details.cached_tokens_details is None:
        return usage
    cached = details.cached_tokens_details
    fresh = usage.input - usage.cache_read - usage.cache_write
    audio = min(_rest(details.audio_tokens, cached.audio_tokens), fresh)
    image = min(_rest(details.image_tokens, cached.image_tokens), fresh - audio)
    return replace(usage, input_audio=audio, input_image=image)


def _rest(whole: int | None, part: int | None) -> int:
    return max((whole or 0) - max(part or 0, 0), 0)


def _read(decoder: msgspec.json.Decoder[Shape], frame: str | bytes) -> Shape | None:
    try:
        return decoder.decode(frame)
    except UNREADABLE:
        return None
