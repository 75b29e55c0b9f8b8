"""Gemini's ``generateContent``, spoken by clients and by upstreams (https://ai.google.dev/api/generate-content).

The model and whether to stream are said in the path, ``/models/{model}:{verb}``. It is JSON of protocol buffers: names
are read in camelCase and in snake_case, base64 in either alphabet, null is absent, and whole numbers may have a ``.0``.

A request, and what becomes of it in the neutral one:

    contents[{role, parts}]                     messages; role "model" is the assistant
      text, inlineData, fileData                Text, File
      text + thought, thoughtSignature          Reasoning, its signature
      functionCall{id?, name, args}             ToolCall; older models and clients give no id
      functionResponse{id?, name, response}     a message of a tool, matched by id, else by name and order
    systemInstruction{parts}                    the first message
    tools[{functionDeclarations, googleSearch}] tools, web_search
    toolConfig{functionCallingConfig}           tool_choice
    generationConfig{...}                       the rest; thinkingConfig is thinking
    safetySettings, cachedContent, ...          others

An answer is ``{candidates, promptFeedback, usageMetadata, modelVersion, responseId}``. A stream is a row of those, each
with what is new, as server-sent events (``alt=sse``) or as one JSON array. There is no terminator: the last one tells
why it ended. Calls come whole, and end with STOP as plain text does.

The requests are read in ``reading`` and written in ``writing``, answers read in ``answers``; here are
paths, answers to clients, errors, and the whole of it as one object.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from ...errors import GatewayError
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import Chat, File, Part, Reasoning, Refusal, Target, Text, ToolCall, Written
from ..dialect import Decoder, Encoder, ModelCard
from ..events import (
    Answer,
    Broken,
    Choice,
    Citation,
    Cited,
    Event,
    FileMade,
    Finished,
    FinishReason,
    Probabilities,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from ..operations import Operation
from ..reading import decoded
from ..sealed import Signature, seal
from ..tasks import Embed, Embedded, Paint, Painted
from .answers import GeminiDecoder, decode_answer, decode_embed, decode_paint, refusal
from .reading import JSON, NAME, REDACTED, read_chat, read_embed
from .writing import is_imagen, write_chat, write_embed, write_paint

__all__ = ["GEMINI", "Gemini"]

Json = dict[str, Any]

_object = msgspec.json.Decoder(dict[str, Any])

# ---------------------------------------------------------------------------------------------------------- the paths

_PATH: Final = re.compile(
    r"(?:/v1(?:alpha|beta|beta1))?(?:/projects/[^/]+/locations/[^/]+)?(?:/publishers/google)?"
    r"/(?:models/(?P<model>.+)|(?P<tuned>tunedModels/.+)):(?P<verb>[A-Za-z]+)"
)
_OWN_VERSION: Final = re.compile(r"/v1(?:alpha|beta)")
_KEY: Final = re.compile(r"(?:^|&)key=")

_GENERATION: Final = ("generationConfig", "generation_config")
_SYSTEM: Final = ("systemInstruction", "system_instruction")


def _fields(*names: str) -> tuple[str, ...]:
    return tuple(f"{config}.{name}" for config in _GENERATION for name in names)


_CHAT: Final = Operation(
    name="generate_content",
    dialect=NAME,
    task="chat",
    stream=False,
    output_limits=_fields("maxOutputTokens", "max_output_tokens"),
    choice_fields=_fields("candidateCount", "candidate_count"),
)
_EMBED: Final = Operation(name="embed_content", dialect=NAME, task="embeddings", stream=False, output=False)
_VERBS: Final = {
    "generateContent": _CHAT,
    "streamGenerateContent": msgspec.structs.replace(_CHAT, stream=True),
    "countTokens": Operation(
        name="count_tokens", dialect=NAME, task="count", stream=False, output=False, free=True, choice_fields=()
    ),
    "embedContent": _EMBED,
    "batchEmbedContents": msgspec.structs.replace(_EMBED, name="batch_embed_contents"),
}


def _address(model: str) -> str:
    """The path of a model. What its name holds beside plain characters cannot lead elsewhere."""
    kind, _, name = model.partition("/")
    if kind not in ("models", "tunedModels") or not name:
        kind, name = "models", model
    quoted = re.sub(rb"[^A-Za-z0-9._~-]", lambda found: b"%%%02X" % found[0][0], name.encode(errors="surrogatepass"))
    return f"/{kind}/{quoted.decode()}"


# -------------------------------------------------------------------------------------------------- answers to clients

_FINISHES: Final[Mapping[FinishReason | None, str]] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "malformed_call": "MALFORMED_FUNCTION_CALL",
    "pause": "OTHER",
    "error": "OTHER",
    None: "OTHER",
}
"""CONTINUATION is never said: clients would go on by themselves, with a token that nobody gave them."""


def _shows_thoughts(chat: Chat) -> bool:
    return chat.thinking is not None and chat.thinking.shown is True


def _part(part: Part, *, thoughts: bool) -> Json | None:
    """None for what is not told: thoughts that were not asked for, text that is empty."""
    match part:
        case Text() | Refusal():
            return {"text": part.text} if part.text else None
        case Reasoning():
            if not thoughts or not (part.text or part.signature):
                return None
            redacted = {"partMetadata": REDACTED} if part.redacted else {}
            return {"text": part.text, "thought": True, **_signed(part.signature), **redacted}
        case ToolCall():
            call = {"id": part.id, "name": part.name, "args": _arguments(part)}
            return {"functionCall": call, **_signed(part.signature)}
        case File():
            return _file(part)
        case _:
            return None


def _arguments(call: ToolCall) -> Any:
    """Always an object. It is encoded by itself: as deep as it may be, it can be put into an answer."""
    if call.custom:
        return {"input": call.arguments}
    try:
        value = msgspec.json.decode(call.arguments or "{}")
        if isinstance(value, dict):
            return msgspec.Raw(msgspec.json.encode(value))
    except UNREADABLE:
        pass
    return {"_raw": call.arguments}


def _signed(signature: Signature | None) -> Json:
    """Clients refuse what is not base64, and only this format's signatures mean something to them as they are."""
    if signature is None:
        return {}
    bare = signature.dialect == NAME and _is_base64(signature.value)
    return {"thoughtSignature": signature.value if bare else seal(signature)}


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text.replace("-", "+").replace("_", "/"), strict_mode=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _file(file: File) -> Json | None:
    if file.text is not None:
        return {"text": file.text}
    if file.data is not None:
        return {"inlineData": {"mimeType": file.media_type or "application/octet-stream", "data": file.data}}
    uri = file.url or file.file_id
    named = {"mimeType": file.media_type} if file.media_type else {}
    return {"fileData": {"fileUri": uri, **named}} if uri else None


def _usage(usage: Usage) -> Json:
    written: Json = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": max(usage.output - usage.reasoning, 0),
        "totalTokenCount": usage.input + usage.output,
    }
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    if usage.cache_read:
        written["cachedContentTokenCount"] = usage.cache_read
    details = {
        "promptTokensDetails": (usage.input, usage.input_audio, usage.input_image),
        "candidatesTokensDetails": (usage.output - usage.reasoning, usage.output_audio, usage.output_image),
    }
    for name, (whole, audio, image) in details.items():
        if audio or image:
            counts = {"TEXT": max(whole - audio - image, 0), "AUDIO": audio, "IMAGE": image}
            written[name] = [{"modality": kind, "tokenCount": count} for kind, count in counts.items() if count]
    return written


def _grounding(citations: Sequence[Citation], text: str) -> Json:
    """Places are bytes here; sources are listed once."""
    sources = dict.fromkeys((citation.url, citation.title) for citation in citations)
    numbers = {source: number for number, source in enumerate(sources)}
    supports = []
    for citation in citations:
        segment: Json = {}
        if citation.start is not None and citation.end is not None:
            start, end = (len(text[:place].encode(errors="replace")) for place in (citation.start, citation.end))
            segment = {"startIndex": start, "endIndex": end, "text": text[citation.start : citation.end]}
        elif citation.quote:
            segment = {"text": citation.quote}
        if segment:
            number = numbers[citation.url, citation.title]
            supports.append({"segment": segment, "groundingChunkIndices": [number]})
    return {
        "groundingChunks": [{"web": {"uri": url, "title": title}} for url, title in sources],
        "groundingSupports": supports,
    }


def _logprobs(content: Iterable[Mapping[str, Any]]) -> Json:
    steps = list(content)
    return {
        "chosenCandidates": [_logprob(step) for step in steps],
        "topCandidates": [
            {"candidates": [_logprob(other) for other in step.get("top_logprobs") or ()]} for step in steps
        ],
    }


def _logprob(step: Mapping[str, Any]) -> Json:
    return {"token": step.get("token", ""), "logProbability": step.get("logprob", 0.0)}


def _candidate(choice: Choice, number: int, *, thoughts: bool) -> Json:
    parts = [one for part in choice.parts if (one := _part(part, thoughts=thoughts)) is not None]
    written: Json = {"content": {"parts": parts, "role": "model"}, "finishReason": _FINISHES[choice.finish]}
    written["index"] = number
    if choice.citations:
        written["groundingMetadata"] = _grounding(choice.citations, choice.text)
    if choice.logprobs:
        written["logprobsResult"] = _logprobs(choice.logprobs)
    return written


class _Open:
    """A call whose arguments are not complete yet."""

    __slots__ = ("ended", "pieces", "started")

    def __init__(self, started: ToolStarted) -> None:
        self.started = started
        self.pieces: list[str] = []
        self.ended = False

    def call(self) -> ToolCall:
        one = self.started
        arguments = "".join(self.pieces)
        return ToolCall(id=one.id, name=one.name, arguments=arguments, custom=one.custom, signature=one.signature)


class _Stream:
    """One choice: its calls in the order in which they began, its text for the places of what is cited."""

    __slots__ = ("calls", "citations", "finish", "text")

    def __init__(self) -> None:
        self.calls: dict[int, _Open] = {}
        self.citations: list[Citation] = []
        self.text: list[str] = []
        self.finish: FinishReason | None = None


class GeminiEncoder:
    """As ``dialect.Encoder``; ``content_type`` is that of the stream, which the client chose in its query. Why a choice
    ended, what it cites and the usage are told in the last frame, which has a text, empty as it is: clients take a
    response without parts for one that failed."""

    def __init__(self, chat: Chat, call_id: str) -> None:
        self._array = chat.others.get("_array") is True
        self.content_type = JSON if self._array else "text/event-stream"
        self._thoughts = _shows_thoughts(chat)
        self._same = {"modelVersion": chat.model, "responseId": call_id}
        self._choices: dict[int, _Stream] = {}
        self._usage: Usage | None = None
        self._begun = False
        self._over = False

    def encode(self, events: Sequence[Event]) -> bytes:
        return b"".join(self._frames(event) for event in events) if not self._over else b""

    def finish(self) -> bytes:
        if self._over:
            return b""
        before = b"".join(self._flushed(stream, number) for number, stream in self._choices.items())
        last = [self._last(stream, number) for number, stream in sorted((self._choices or {0: _Stream()}).items())]
        body: Json = {"candidates": last}
        if self._usage is not None:
            body["usageMetadata"] = _usage(self._usage)
        self._over = True
        return before + self._frame({**body, **self._same}) + (b"]" if self._array else b"")

    def fail(self, error: GatewayError) -> bytes:
        if self._over:
            return b""
        self._over = True
        return self._frame(_error(error)) + (b"]" if self._array else b"")

    def _frames(self, event: Event) -> bytes:
        match event:
            case Usage():
                self._usage = event
            case Broken():
                return self.fail(event.error)
            case _ if hasattr(event, "choice"):
                number: int = event.choice
                return self._piece(event, number, self._choices.setdefault(number, _Stream()))
            case _:
                pass
        return b""

    def _piece(self, event: Event, number: int, stream: _Stream) -> bytes:
        match event:
            case ToolStarted():
                stream.calls[event.index] = _Open(event)
            case ToolDelta():
                if event.index in stream.calls:
                    stream.calls[event.index].pieces.append(event.arguments)
            case ToolEnded():
                return self._ended(event, number, stream)
            case Cited():
                stream.citations.append(event.citation)
            case Finished():
                stream.finish = event.reason
                return self._flushed(stream, number)
            case Probabilities():
                return self._told({"text": ""}, number, logprobsResult=_logprobs(event.content))
            case _:
                return self._flushed(stream, number) + self._content(event, number, stream)
        return b""

    def _content(self, event: Event, number: int, stream: _Stream) -> bytes:
        part: Part | None = event.file if isinstance(event, FileMade) else None
        match event:
            case TextDelta():
                part = Text(text=event.text)
                stream.text.append(event.text)
            case RefusalDelta():
                part = Refusal(text=event.text)
            case ReasoningDelta():
                part = Reasoning(text=event.text)
            case ReasoningEnded():
                part = Reasoning(signature=event.signature, redacted=event.redacted)
        written = None if part is None else _part(part, thoughts=self._thoughts)
        return b"" if written is None else self._told(written, number)

    def _ended(self, event: ToolEnded, number: int, stream: _Stream) -> bytes:
        """Calls are told in the order in which they began, so one that ended early waits for those before it."""
        if event.index in stream.calls:
            stream.calls[event.index].ended = True
        told = []
        for index, one in list(stream.calls.items()):
            if not one.ended:
                break
            told.append(self._call(stream.calls.pop(index), number))
        return b"".join(told)

    def _flushed(self, stream: _Stream, number: int) -> bytes:
        """What is open is complete when something else begins."""
        if not stream.calls:
            return b""
        calls = list(stream.calls.values())
        stream.calls.clear()
        return b"".join(self._call(one, number) for one in calls)

    def _call(self, one: _Open, number: int) -> bytes:
        written = _part(one.call(), thoughts=self._thoughts)
        return b"" if written is None else self._told(written, number)

    def _told(self, part: Json, number: int, **beside: Any) -> bytes:
        candidate = {"content": {"parts": [part], "role": "model"}, "index": number, **beside}
        return self._frame({"candidates": [candidate], **self._same})

    def _last(self, stream: _Stream, number: int) -> Json:
        written: Json = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": _FINISHES[stream.finish],
        }
        written["index"] = number
        if stream.citations:
            written["groundingMetadata"] = _grounding(stream.citations, "".join(stream.text))
        return written

    def _frame(self, body: Json) -> bytes:
        data = msgspec.json.encode(body)
        if not self._array:
            return b"data: " + data + b"\r\n\r\n"
        before = b",\r\n" if self._begun else b"["
        self._begun = True
        return before + data


# ------------------------------------------------------------------------------------------------------------- errors

_STATUSES: Final = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""https://google.aip.dev/193, and 502, which has no word of its own."""

_DETAIL: Final = "type.googleapis.com/google.rpc."


def _error(error: GatewayError, request_id: str = "") -> Json:
    """``error`` is the first key: clients look for it nowhere else."""
    status = _STATUSES.get(error.status, "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL")
    details: list[Json] = []
    if error.code:
        info = {"reason": error.code, "domain": "gateway", "metadata": {"type": error.type}}
        details.append({"@type": f"{_DETAIL}ErrorInfo", **info})
    if error.param:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": f"{_DETAIL}BadRequest", "fieldViolations": [violation]})
    if error.retry_after is not None:
        details.append({"@type": f"{_DETAIL}RetryInfo", "retryDelay": f"{max(error.retry_after, 0.0):.9g}s"})
    if request_id:
        details.append({"@type": f"{_DETAIL}RequestInfo", "requestId": request_id})
    body: Json = {"code": error.status, "message": error.message, "status": status}
    return {"error": {**body, **({"details": details} if details else {})}}


# ---------------------------------------------------------------------------------------------------------- the format


class Gemini:
    """``ClientDialect``, ``ChatDialect``, ``CountDialect`` and ``EmbedDialect`` of clients; ``UpstreamDialect``,
    ``Embedder`` and ``Painter`` of upstreams."""

    name = NAME
    list_path = "/v1beta/models"
    skims = False
    takes_links = False
    stream_type = "text/event-stream"
    keep_alive = b""
    request_id_header = "x-request-id"
    passed_headers = frozenset({b"x-goog-api-client", b"x-server-timeout"})
    names: Mapping[str, str] = {
        "messages": "contents",
        "tool_choice": "toolConfig",
        "format": "responseMimeType",
        "thinking": "thinkingConfig",
        "web_search": "googleSearch",
        "max_output": "maxOutputTokens",
        "top_p": "topP",
        "top_k": "topK",
        "stop": "stopSequences",
        "n": "candidateCount",
        "presence_penalty": "presencePenalty",
        "frequency_penalty": "frequencyPenalty",
        "logprobs": "responseLogprobs",
        "service_tier": "serviceTier",
        "modalities": "responseModalities",
        "safety_settings": "safetySettings",
        "cached_content": "cachedContent",
        "dimensions": "outputDimensionality",
        "purpose": "taskType",
    }
    version = "v1beta"
    key_header = ("x-goog-api-key", "")
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset({"chat", "embeddings", "images"})

    # Clients

    def operation(self, path: str) -> Operation | None:
        found = _PATH.fullmatch(path)
        operation = _VERBS.get(found["verb"]) if found else None
        if found is None or operation is None:
            return None
        return msgspec.structs.replace(operation, path=path, model=found["model"] or found["tuned"])

    def owns(self, path: str, headers: Mapping[bytes, bytes], query: str) -> bool:
        if _OWN_VERSION.match(path) or _PATH.fullmatch(path):
            return True
        return b"x-goog-api-key" in headers or _KEY.search(query) is not None

    def read(self, operation: Operation, body: bytes) -> Chat:
        return read_chat(operation, body)

    def answer(self, answer: Answer, chat: Chat, call_id: str) -> bytes:
        thoughts = _shows_thoughts(chat)
        body: Json = {
            "candidates": [
                _candidate(choice, number, thoughts=thoughts) for number, choice in enumerate(answer.choices)
            ]
        }
        if answer.usage is not None:
            body["usageMetadata"] = _usage(answer.usage)
        return msgspec.json.encode({**body, "modelVersion": chat.model, "responseId": call_id})

    def encoder(self, chat: Chat, call_id: str) -> Encoder:
        return GeminiEncoder(chat, call_id)

    def answer_count(self, tokens: int) -> bytes:
        return msgspec.json.encode({"totalTokens": tokens})

    def read_embed(self, operation: Operation, body: bytes) -> Embed:
        return read_embed(operation, body)

    def answer_embed(self, embedded: Embedded, embed: Embed, call_id: str) -> bytes:  # noqa: ARG002  # has no ids
        vectors = [{"values": vector} for vector in embedded.vectors]
        body: Json = {"embeddings": vectors} if embed.batched else {"embedding": vectors[0]}
        if embedded.usage is not None:
            count = embedded.usage.input
            body["usageMetadata"] = {"promptTokenCount": count, "totalTokenCount": count}
        return msgspec.json.encode(body)

    def error(self, error: GatewayError, request_id: str) -> bytes:
        return msgspec.json.encode(_error(error, request_id))

    def error_event(self, error: GatewayError) -> bytes:
        return b"data: " + msgspec.json.encode(_error(error)) + b"\r\n\r\n"

    def models(self, cards: Sequence[ModelCard]) -> object:
        return {"models": [self.model(card) for card in cards]}

    def model(self, card: ModelCard) -> object:
        return {
            "name": card.id if card.id.startswith(("models/", "tunedModels/")) else f"models/{card.id}",
            "baseModelId": card.id,
            "version": "001",
            "displayName": card.id,
            "supportedGenerationMethods": list(_VERBS),
        }

    # Upstreams

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:
        """A client of this format that wants an array is given one: its bytes pass as they come."""
        address = _address(model)
        if operation.task == "chat":
            if not stream:
                return f"{address}:generateContent"
            array = operation.dialect == NAME and "alt=" not in operation.query
            return f"{address}:streamGenerateContent{'' if array else '?alt=sse'}"
        if operation.task == "images":
            return f"{address}:{'predict' if is_imagen(model) else 'generateContent'}"
        if operation.task == "embeddings":
            return f"{address}:{'embedContent' if operation.name == 'embed_content' else 'batchEmbedContents'}"
        return f"{address}:countTokens" if operation.task == "count" else None

    def renamed(self, body: bytes, model: str) -> bytes:
        """Counting repeats the model in ``generateContentRequest``, a batch of embeddings in each of its requests.

        :raises BadRequest: there is a number in it that no reader takes
        """
        if b'"model"' not in body:
            return body
        fields = decoded(_object, body)
        requests = fields.get("requests")
        inner = [fields.get("generateContentRequest"), *(requests if isinstance(requests, list) else ()), fields]
        for request in inner:
            if isinstance(request, dict) and "model" in request:
                request["model"] = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
        return msgspec.json.encode(fields)

    def instructed(self, operation: Operation, fields: Mapping[str, Raw], prompt: str) -> Mapping[str, bytes | None]:
        """By the name that the caller has for it, of the two that Google reads."""
        if operation.task != "chat":
            return {}
        own, other = _SYSTEM if _SYSTEM[0] in fields or _SYSTEM[1] not in fields else _SYSTEM[::-1]
        gone = {other: None} if other in fields else {}
        return {own: msgspec.json.encode({"parts": [{"text": prompt}]}), **gone}

    def write(self, chat: Chat, target: Target) -> Written:
        return write_chat(chat, target)

    def decode(self, body: bytes, target: Target) -> list[Event]:
        return decode_answer(body, target)

    def decoder(self, target: Target) -> Decoder:
        return GeminiDecoder(target)

    def refusal(self, status: int, body: bytes) -> GatewayError:
        return refusal(status, body)

    def write_embed(self, embed: Embed, target: Target) -> Written:
        return write_embed(embed, target)

    def decode_embed(self, body: bytes) -> Embedded:
        return decode_embed(body)

    def write_paint(self, paint: Paint, target: Target) -> Written:
        return write_paint(paint, target)

    def decode_paint(self, body: bytes) -> Painted:
        return decode_paint(body)


GEMINI = Gemini()
