"""Gemini's answers as upstreams send them, whole or in a stream, and their refusals.

See ``gemini`` for the format as a whole. Upstreams, and what imitates them, differ in what they leave out or send as
null; only what cannot be an answer at all is refused.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ...errors import UpstreamRefused
from ...models import Usage
from ...unreadable import UNREADABLE
from ..arrays import ArrayFrames
from ..chat import File, Target
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
    ReasoningEnded,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from ..frames import Frames, SSEFrames
from ..reading import new_call_id
from ..sealed import Signature
from ..tasks import Embedded, Painted
from ..usage import count_of, counts_of
from .reading import NAME, GeminiPart, code_of, kind_of

__all__ = ["GeminiDecoder", "decode_answer", "decode_embed", "decode_paint", "refusal"]


_ABSENT: Final = Raw()


class _Content(Struct, rename="camel"):
    parts: list[GeminiPart] | None = None


class _Candidate(Struct, rename="camel"):
    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None
    grounding_metadata: Any = None
    citation_metadata: Any = None
    logprobs_result: Any = None


class _ByModality(Struct, rename="camel"):
    """What the counts of ``usageMetadata`` are made of."""

    prompt_tokens_details: Raw = _ABSENT
    candidates_tokens_details: Raw = _ABSENT


class _Feedback(Struct, rename="camel"):
    block_reason: str | None = None


class _Response(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Raw = _ABSENT
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_response = msgspec.json.Decoder(_Response)
_responses = msgspec.json.Decoder(list[_Response])
_anything = msgspec.json.Decoder()
_details = msgspec.json.Decoder(_ByModality)

_BLOCKED: Final[tuple[str, ...]] = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
    "MODEL_ARMOR",
    "PUP_LIMITED_DISABLED",
)
_FINISHES: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "MAX_TOKENS": "length",
    "MALFORMED_FUNCTION_CALL": "malformed_call",
    "UNEXPECTED_TOOL_CALL": "malformed_call",
    "CONTINUATION": "pause",
    "OTHER": "stop",
    **dict.fromkeys(_BLOCKED, "content_filter"),
}
"""All others, known (MALFORMED_RESPONSE, NO_IMAGE …) or not, are ``error``: none of them is an answer that is whole.
OTHER is what Google says where it has no reason to tell."""


# ------------------------------------------------------------------------------------------------------------- events


class _Told:
    """What a choice told so far."""

    __slots__ = ("calls", "cited", "finish", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.calls = 0
        self.cited: set[Citation] = set()
        self.finish: FinishReason | None = None


class _Reader:
    """Responses in, events out. Why a choice ended is held back until the end: some upstreams say so in each response,
    and STOP means calls when there were any, in whichever response."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._told: dict[int, _Told] = {}
        self._usage: Usage | None = None
        self._started = False
        self.failed = False

    @property
    def whole(self) -> bool:
        told = self._told.values()
        return self.failed or (bool(told) and all(one.finish is not None for one in told))

    def read(self, response: _Response) -> list[Event]:
        if self.failed:
            return []
        if response.error is not None:
            self.failed = True
            return [Broken(_complaint(0, response.error))]
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(Started(id=response.response_id or "", model=response.model_version or ""))
        for position, candidate in enumerate(response.candidates or ()):
            number = position if candidate.index is None or candidate.index < 0 else candidate.index
            events += self._candidate(candidate, number)
        feedback = response.prompt_feedback
        if feedback is not None and feedback.block_reason and not response.candidates:
            self._told.setdefault(0, _Told()).finish = "content_filter"
        usage = _usage(response.usage_metadata)
        if usage is not None and usage != self._usage:
            self._usage = usage
            events.append(usage)
        return events

    def end(self) -> list[Event]:
        """Nothing of an answer that was cut."""
        if self.failed or not self.whole:
            return []
        events: list[Event] = []
        for number, told in sorted(self._told.items()):
            reason = "tool_calls" if told.finish == "stop" and told.calls else told.finish
            events.append(Finished(reason=reason or "error", choice=number))
        return [*events, Ended()]

    def _candidate(self, candidate: _Candidate, number: int) -> list[Event]:
        told = self._told.setdefault(number, _Told())
        events: list[Event] = []
        for part in (candidate.content.parts if candidate.content else None) or ():
            events += self._part(part, number, told)
        found = _probabilities(candidate.logprobs_result)
        if found:
            events.append(Probabilities(found, number))
        for citation in _citations(candidate, told.text):
            if citation not in told.cited:  # the last responses repeat what was found
                told.cited.add(citation)
                events.append(Cited(citation, number))
        if candidate.finish_reason:
            told.finish = _FINISHES.get(candidate.finish_reason.upper(), "error")
        return events

    def _part(self, part: GeminiPart, number: int, told: _Told) -> list[Event]:
        signature = self._signature(part)
        if part.function_call is not None:
            return self._call(part, number, told, signature)
        if part.thought:
            events: list[Event] = [ReasoningDelta(part.text, number)] if part.text else []
            return [*events, ReasoningEnded(signature=signature, choice=number)] if signature else events
        file = _file(part)
        if file is not None:
            return [FileMade(file, number)]
        text = part.text or code_of(part)
        if not text:
            return []
        told.text.append(text)
        return [TextDelta(text, number)]

    def _call(self, part: GeminiPart, number: int, told: _Told, signature: Signature | None) -> list[Event]:
        call = part.function_call
        if call is None or not call.name:
            raise MalformedAnswerError("a functionCall has no name")
        index = told.calls
        told.calls += 1
        arguments = call.args if isinstance(call.args, str) else msgspec.json.encode(call.args or {}).decode()
        return [
            ToolStarted(index=index, id=call.id or new_call_id(), name=call.name, signature=signature, choice=number),
            ToolDelta(index, arguments or "{}", number),
            ToolEnded(index, number),
        ]

    def _signature(self, part: GeminiPart) -> Signature | None:
        """Those of plain text are not kept: nobody has to send them back
        (https://ai.google.dev/gemini-api/docs/thought-signatures)."""
        value = part.thought_signature
        return Signature(NAME, self._target.model, value) if value else None


def _file(part: GeminiPart) -> File | None:
    blob, named = part.inline_data, part.file_data
    if blob is not None and blob.data:
        data = blob.data.replace("-", "+").replace("_", "/")
        return File(kind=kind_of(blob.mime_type), media_type=blob.mime_type or "", data=data)
    if named is not None and named.file_uri:
        return File(kind=kind_of(named.mime_type), media_type=named.mime_type or "", url=named.file_uri)
    return None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one if isinstance(one, dict) else {} for one in value] if isinstance(value, list) else []


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _string(value: Any, name: str) -> str:
    found = _field(value, name)
    return found if isinstance(found, str) else ""


def _citations(candidate: _Candidate, text: list[str]) -> list[Citation]:
    found = [*_grounds(candidate.grounding_metadata), *_sources(candidate.citation_metadata)]
    if not found:
        return []
    whole = "".join(text)
    raw = whole.encode(errors="surrogatepass")
    cited = []
    for source, segment in found:
        start, end = _place(segment, whole, raw)
        title, quote = _string(source, "title"), _string(segment, "text")
        cited.append(Citation(url=_string(source, "uri"), title=title, quote=quote, start=start, end=end))
    return [citation for citation in cited if citation.url]


def _grounds(metadata: Any) -> Iterator[tuple[Any, Any]]:
    """What was found, each with the segment of the answer that it supports; alone where that is not told."""
    kinds = ("web", "retrievedContext", "maps")
    chunks = _dicts(_field(metadata, "groundingChunks"))
    sources = [next((chunk[kind] for kind in kinds if chunk.get(kind)), None) for chunk in chunks]
    supports = _dicts(_field(metadata, "groundingSupports"))
    if not supports:
        yield from ((source, None) for source in sources)
    for support in supports:
        indices = _field(support, "groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            if isinstance(index, int) and 0 <= index < len(sources):
                yield sources[index], _field(support, "segment")


def _sources(metadata: Any) -> Iterator[tuple[Any, Any]]:
    """What was recited; the place is told in the source itself."""
    for key in ("citationSources", "citations"):
        yield from ((source, source) for source in _dicts(_field(metadata, key)))


def _place(segment: Any, whole: str, raw: bytes) -> tuple[int | None, int | None]:
    """Characters of offsets in bytes. They count from the start of a part, and where that is cannot be told in a
    stream: what lies elsewhere than it says is looked for."""
    start, end = (count_of(_field(segment, name)) or 0 for name in ("startIndex", "endIndex"))
    quote = _string(segment, "text")
    found = raw[start:end].decode(errors="replace")
    if start < end <= len(raw) and quote in ("", found):
        first = len(raw[:start].decode(errors="replace"))
        return first, first + len(found)
    place = whole.find(quote) if quote else -1
    return (place, place + len(quote)) if place >= 0 else (None, None)


def _probabilities(result: Any) -> tuple[dict[str, Any], ...]:
    top = [_dicts(_field(step, "candidates")) for step in _dicts(_field(result, "topCandidates"))]
    return tuple(
        {
            **_probability(chosen),
            "top_logprobs": [_probability(other) for other in (top[index] if index < len(top) else ())],
        }
        for index, chosen in enumerate(_dicts(_field(result, "chosenCandidates")))
    )


_MOST_LOGPROB: Final = 1e300
"""More digits than a float has are in some integers."""


def _probability(candidate: dict[str, Any]) -> dict[str, Any]:
    token, value = _string(candidate, "token"), candidate.get("logProbability")
    return {
        "token": token,
        "logprob": float(value) if isinstance(value, int | float) and abs(value) < _MOST_LOGPROB else 0.0,
        "bytes": list(token.encode(errors="surrogatepass")),
    }


def _usage(metadata: Raw) -> Usage | None:
    """Their prompt holds what was cached, but not what tools added; their candidates do not hold the thoughts."""
    count = {name: told or 0 for name, told in counts_of(metadata).items()}
    thoughts = count.get("thoughtsTokenCount", 0)
    whole = count.get("promptTokenCount", 0) + count.get("toolUsePromptTokenCount", 0)
    output = count.get("candidatesTokenCount", 0) + thoughts
    if not whole + output:
        return None
    details = _details.decode(metadata)
    before, after = _modalities(details.prompt_tokens_details), _modalities(details.candidates_tokens_details)
    cached, audio, image = _bounded(
        whole, count.get("cachedContentTokenCount", 0), before.get("AUDIO", 0), before.get("IMAGE", 0)
    )
    thoughts, audio_out, image_out = _bounded(output, thoughts, after.get("AUDIO", 0), after.get("IMAGE", 0))
    return Usage(
        input=whole,
        output=output,
        cache_read=cached,
        reasoning=thoughts,
        input_audio=audio,
        output_audio=audio_out,
        input_image=image,
        output_image=image_out,
    )


def _modalities(details: Raw) -> dict[str, int]:
    try:
        told = _anything.decode(details)
    except UNREADABLE:
        return {}
    return {_string(one, "modality").upper(): count_of(one.get("tokenCount")) or 0 for one in _dicts(told)}


def _bounded(whole: int, *parts: int) -> list[int]:
    """Each part is bounded by what is left of the whole, so that no report can make a price negative."""
    bounded = []
    for part in parts:
        bounded.append(min(part, whole))
        whole -= bounded[-1]
    return bounded


# ------------------------------------------------------------------------------------------------------------- bytes


def decode_answer(body: bytes, target: Target) -> list[Event]:
    """One response, or an array of those of a stream.

    :raises MalformedAnswerError: it is none
    """
    reader = _Reader(target)
    listed = body.lstrip(b" \t\r\n").startswith(b"[")
    responses = _decoded(_responses, body) if listed else [_decoded(_response, body)]
    if not any(one.candidates or one.prompt_feedback or one.error is not None for one in responses):
        raise MalformedAnswerError("the answer has no candidates")
    events = [event for one in responses for event in reader.read(one)]
    return [*events, *reader.end()]


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise MalformedAnswerError(f"not a response of generateContent: {error}") from None


_BOM: Final = b"\xef\xbb\xbf"


class GeminiDecoder:
    """As ``dialect.Decoder``. What it is given tells events from an array or an object by its first byte."""

    def __init__(self, target: Target) -> None:
        self._reader = _Reader(target)
        self._head = b""
        self._frames: Frames | None = None

    @property
    def whole(self) -> bool:
        return self._reader.whole

    def feed(self, chunk: bytes) -> list[Event]:
        if self._frames is None:
            chunk = self._head + chunk
            first = chunk.removeprefix(_BOM).lstrip(b" \t\r\n")
            if not first or _BOM.startswith(first):
                self._head = first
                return []
            self._frames = ArrayFrames() if first[:1] in (b"[", b"{") else SSEFrames()
        return self._events(self._frames.feed(chunk))

    def finish(self) -> list[Event]:
        """A last frame that is no JSON was cut: it is not told of, and the answer is not whole."""
        events: list[Event] = []
        if self._frames is not None:
            with contextlib.suppress(MalformedAnswerError):
                events = self._events(self._frames.finish())
        return [*events, *self._reader.end()]

    def _events(self, frames: list[bytes]) -> list[Event]:
        return [
            event
            for frame in frames
            if frame != b"[DONE]"  # imitations end with it
            for event in self._reader.read(_decoded(_response, frame))
        ]


# ---------------------------------------------------------------------------------------------------------- refusals

_TOO_LONG: Final = re.compile(r"token count.{0,40}exceeds|exceeds the maximum number of tokens", re.IGNORECASE)
"""There is no code for it, and clients shorten the conversation when they are told."""


def refusal(status: int, body: bytes) -> UpstreamRefused:
    """What the answer of a status that is none of success says."""
    try:
        value = _anything.decode(body)
    except UNREADABLE:
        value = None
    if isinstance(value, list):
        value = value[0] if value else None
    error = _field(value, "error")
    return _complaint(status, error if error is not None else value)


_BAD_KEY = "API_KEY_INVALID"


def _complaint(status: int, error: Any) -> UpstreamRefused:
    """``status`` 0: as the error itself says."""
    told = _field(error, "code")
    status = status or (told if isinstance(told, int) and 400 <= told < 600 else 500)
    message = error if isinstance(error, str) else _string(error, "message")
    details = _dicts(_field(error, "details"))
    reasons = [_string(detail, "reason") for detail in details]
    fields = [_string(one, "field") for detail in details for one in _dicts(_field(detail, "fieldViolations"))]
    word = _string(error, "status")
    code = next(filter(None, reasons), "") or word
    if _BAD_KEY in reasons:
        status = 401  # Google says 400
    if status == 400 and _TOO_LONG.search(message):
        code = "context_length_exceeded"
    refused = UpstreamRefused(
        message or f"The upstream answered with status {status}.",
        status=status,
        code=code or None,
        kind=word or None,
        param=next(filter(None, fields), None),
    )
    refused.retry_after = next((wait for detail in details if (wait := _wait(detail)) is not None), None)
    return refused


def _wait(detail: dict[str, Any]) -> float | None:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", _string(detail, "retryDelay"))
    return float(found[1]) if found else None


# -------------------------------------------------------------------------------------------- embeddings and pictures


class _Vector(Struct):
    values: list[float]


class _Vectors(Struct, rename="camel"):
    embeddings: list[_Vector] | None = None
    embedding: _Vector | None = None
    usage_metadata: Raw = _ABSENT


class _Prediction(Struct, rename="camel"):
    bytes_base64_encoded: str | None = None
    mime_type: str | None = None
    prompt: str | None = None


class _Predictions(Struct):
    predictions: list[_Prediction] | None = None


_vectors = msgspec.json.Decoder(_Vectors)
_predictions = msgspec.json.Decoder(_Predictions)


def decode_embed(body: bytes) -> Embedded:
    """
    :raises MalformedAnswerError: there are no vectors
    """
    answer: _Vectors = _decoded(_vectors, body)
    vectors = answer.embeddings or ([answer.embedding] if answer.embedding else [])
    if not vectors:
        raise MalformedAnswerError("the answer has no embeddings")
    return Embedded(vectors=tuple(tuple(one.values) for one in vectors), usage=_usage(answer.usage_metadata))


def decode_paint(body: bytes) -> Painted:
    """
    :raises MalformedAnswerError: there are no pictures
    """
    predicted: _Predictions = _decoded(_predictions, body)
    if predicted.predictions:
        found = [one for one in predicted.predictions if one.bytes_base64_encoded]
        files = [
            File(kind="image", media_type=one.mime_type or "image/png", data=one.bytes_base64_encoded) for one in found
        ]
        prompts = tuple(one.prompt or "" for one in found)
        return _painted(files, prompts if any(prompts) else (), None)
    answer: _Response = _decoded(_response, body)
    parts = [part for one in answer.candidates or () if one.content for part in one.content.parts or ()]
    made = [file for part in parts if not part.thought and (file := _file(part)) and file.kind == "image"]
    return _painted(made, (), _usage(answer.usage_metadata))


def _painted(files: list[File], prompts: tuple[str, ...], usage: Usage | None) -> Painted:
    if not files:
        raise MalformedAnswerError("the answer has no pictures")
    return Painted(pictures=tuple(files), prompts=prompts, usage=usage)
