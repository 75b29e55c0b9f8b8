"""OpenAI's API, on the path it has behind whatever prefix; also for Azure's deployments."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from ...models import Usage
from .ask import CREATED, Ask, error, error_body, plain, read_ask, request_id, streamed
from .chat import chat, completion, event, usage_of
from .checking import Refused, Wrong, indexed
from .formats import Format, Rules, check_foreign_keys, key_of
from .http import Request
from .openai_request import check_request
from .responses import responses
from .script import Answer, Part

__all__ = ["AZURE", "OPENAI", "RESPONSES"]

MODELS = ("gpt-4o", "gpt-4o-mini", "text-embedding-3-small")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="  # 1 x 1 PNG
HARMS = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
)
AUDIO_BYTES_PER_SECOND = 16_000
SPEECH_CHUNK = 512


def _read(request: Request, serial: int, rules: Rules) -> Ask:
    """Lenient by default: no key, any field, any value that can be answered."""
    check_foreign_keys(request, rules, shaped=rules.strict)
    _reply_on(request.path.partition("?")[0])
    if rules.strict and not key_of(request, rules, "authorization", "api-key"):
        raise Refused(401, "You didn't provide an API key.", "invalid_api_key")
    ask = read_ask(request, serial)
    if rules.strict and request.method == "POST":
        check_request(ask)
    return ask


def _read_azure(request: Request, serial: int, rules: Rules) -> Ask:
    if not key_of(request, rules, "api-key", "authorization"):
        raise Refused(401, "Access denied due to invalid subscription key or wrong API endpoint.", "401")
    if "api-version=" not in request.path:
        raise Refused(404, "Resource not found", "404")
    return _read(request, serial, rules)


def _reply(ask: Ask) -> Answer:
    return _reply_on(ask.path)(ask)


def _reply_on(path: str) -> Callable[[Ask], Answer]:
    found = next((reply for ending, reply in REPLIES.items() if path.endswith(ending)), None)
    if not found and "/models/" in path:
        found = _model
    if not found:
        raise Refused(404, f"No such path: {path}")
    return found


def _embeddings(ask: Ask) -> Answer:
    given = ask.fields.get("input", "")
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    vectors = [_vector(value, ask.fields.get("dimensions") or 8) for value in inputs]
    as_base64 = ask.fields.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _packed(vector) if as_base64 else vector}
        for i, vector in enumerate(vectors)
    ]
    usage = usage_of(ask, 0)
    counts = {"prompt_tokens": usage.input, "total_tokens": usage.input}
    return plain(ask, {"object": "list", "data": data, "model": ask.model, "usage": counts}, usage)


def _vector(value: object, dimensions: int) -> list[float]:
    """The same numbers for the same input, exact in 32 bits."""
    seed = zlib.crc32(repr(value).encode())
    return [((seed >> i % 24) % 256 - 128) / 128 for i in range(dimensions)]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _moderations(ask: Ask) -> Answer:
    given = ask.fields.get("input", "")
    texts = given if isinstance(given, list) and all(isinstance(value, str) for value in given) else [given]
    body = {"id": f"modr-{ask.serial}", "model": ask.model, "results": [_judge(text) for text in texts]}
    return plain(ask, body, usage_of(ask, 0))


def _judge(text: object) -> dict[str, Any]:
    bad = "kill" in str(text)
    return {
        "flagged": bad,
        "categories": {harm: bad and harm == "violence" for harm in HARMS},
        "category_scores": {harm: 0.9 if bad and harm == "violence" else 0.01 for harm in HARMS},
        "category_applied_input_types": {harm: ["text"] for harm in HARMS},
    }


def _images(ask: Ask) -> Answer:
    count = int(ask.fields.get("n") or 1)
    by_url = ask.fields.get("response_format") == "url"
    image = {"url": f"https://images.example/{ask.serial}.png"} if by_url else {"b64_json": PIXEL}
    output = count * ask.output
    usage = ask.fake.usage or Usage(input=ask.prompt, output=output, output_image=output)
    counts = {
        "input_tokens": usage.input,
        "input_tokens_details": {"text_tokens": usage.input - usage.input_image, "image_tokens": usage.input_image},
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    return plain(ask, {"created": CREATED, "data": [image] * count, "usage": counts}, usage)


def _speech(ask: Ask) -> Answer:
    """Not text on purpose: every byte value, in parts."""
    chunk = bytes(range(256)) * (SPEECH_CHUNK // 256)
    parts = (Part(chunk, ask.fake.delay) for _ in range(max(ask.output, 1)))
    return streamed(ask, parts, (("content-type", "audio/mpeg"), request_id(ask.serial)))


def _transcription(ask: Ask) -> Answer:
    seconds = -(-len(ask.file) // AUDIO_BYTES_PER_SECOND)
    text, form = "".join(ask.words), ask.fields.get("response_format", "json")
    if "whisper" in ask.model:
        usage = ask.fake.usage or Usage(audio_seconds=seconds)
        counts: dict[str, Any] = {"type": "duration", "seconds": usage.audio_seconds}
    else:
        usage = ask.fake.usage or Usage(input=seconds, input_audio=seconds, output=ask.output)
        total = usage.input + usage.output
        counts = {"type": "tokens", "input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": total}
    if form in {"text", "srt", "vtt"}:
        headers = (("content-type", "text/plain; charset=utf-8"), request_id(ask.serial))
        return plain(ask, text.encode(), usage, headers)
    extra = {"duration": float(seconds), "language": "english", "segments": []} if form == "verbose_json" else {}
    return plain(ask, {"text": text, **extra, "usage": counts}, usage)


def _rerank(ask: Ask) -> Answer:
    documents = ask.fields.get("documents") or []
    order = [
        {
            "index": i,
            "relevance_score": 1 / (1 + i),
            **({"document": doc} if ask.fields.get("return_documents") else {}),
        }
        for i, doc in enumerate(documents)
    ]
    usage = usage_of(ask, 0)
    body = {
        "id": f"rerank-{ask.serial}",
        "model": ask.model,
        "results": order[: ask.fields.get("top_n")],
        "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
        "meta": {"billed_units": {"search_units": 1}},
    }
    return plain(ask, body, usage)


def _models(ask: Ask) -> Answer:
    return plain(ask, {"object": "list", "data": [_card(name) for name in MODELS]}, Usage())


def _model(ask: Ask) -> Answer:
    return plain(ask, _card(ask.path.rpartition("/")[2]), Usage())


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"}


REPLIES: dict[str, Callable[[Ask], Answer]] = {
    "/chat/completions": chat,
    "/completions": completion,
    "/embeddings": _embeddings,
    "/moderations": _moderations,
    "/responses": responses,
    "/images/generations": _images,
    "/audio/speech": _speech,
    "/audio/transcriptions": _transcription,
    "/audio/translations": _transcription,
    "/rerank": _rerank,
    "/models": _models,
}


# --- errors -----------------------------------------------------------------------------------------------------------


def _word(wrong: Wrong) -> Refused:
    param, top = indexed(wrong.path), len(wrong.path) == 1
    unknown = "Unrecognized request argument supplied: " if top else "Unknown parameter: "
    message, code = {
        "unknown": (unknown + (param if top else f"'{param}'."), None if top else "unknown_parameter"),
        "missing": (f"Missing required parameter: '{param}'.", "missing_required_parameter"),
        "type": (f"Invalid type for '{param}': expected {wrong.what}, but got {wrong.got} instead.", "invalid_type"),
        "value": (f"Invalid value for '{param}': {wrong.what}", "invalid_value"),
    }[wrong.kind]
    return Refused(400, message, code, None if top and wrong.kind == "unknown" else param)


def _refuse(refused: Refused, serial: int) -> Answer:
    return error(refused.status, refused.message, serial, refused.code, refused.param)


def _fault(refused: Refused) -> bytes:
    return event(error_body(refused.status, refused.message, refused.code))


def _responses_fault(refused: Refused) -> bytes:
    found = error_body(refused.status, refused.message, refused.code)["error"]
    fields = {"code": found["code"] or found["type"], "message": found["message"], "param": None}
    data = msgspec.json.encode({"type": "error", "sequence_number": 99, **fields})
    return b"event: error\ndata: %b\n\n" % data


OPENAI = Format(_read, _reply, _word, _refuse, _fault)
RESPONSES = OPENAI._replace(fault=_responses_fault)
AZURE = OPENAI._replace(read=_read_azure)
