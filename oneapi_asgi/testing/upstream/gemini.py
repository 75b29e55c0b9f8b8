"""Gemini's generateContent, as its own API and Vertex AI serve it: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from ...models import Usage
from .ask import Ask, ask_of, json_object, plain, refusal, streamed, timed
from .checking import Refused, Wrong, indexed
from .formats import Format, Rules, key_of
from .gemini_request import BATCH, EMBED, GENERATE, TOKENS, camel, check_contents, check_request, generation, is_third
from .http import Request, query
from .said import Call, Offer, Said, say, sign
from .script import Answer

__all__ = ["GEMINI"]

Fields = dict[str, Any]

MODELS = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-embedding-001")
FINISH = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "pause": "OTHER",
}
ERRORS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
HEADERS = (("content-type", "application/json; charset=UTF-8"), ("server", "scaffolding on HTTPServer2"))
STREAM_HEADERS = (("content-type", "text/event-stream"), HEADERS[1])
INFO = "type.googleapis.com/google.rpc"


# --- the request ------------------------------------------------------------------------------------------------------


def _read(request: Request, serial: int, rules: Rules) -> Ask:
    path = request.path.partition("?")[0]
    on_vertex = "/projects/" in path
    names = ("authorization",) if on_vertex else ("x-goog-api-key", "authorization")
    if not (key_of(request, rules, *names) or (query(request).get("key") and not on_vertex)):
        if on_vertex:
            raise Refused(401, "Request is missing required authentication credential.")
        raise Refused(403, "Method doesn't allow unregistered callers. Please use API Key or other form of identity.")
    if request.method == "GET":
        return ask_of(request, serial, {}, model=path.rpartition("/")[2])
    name, _, verb = path.rpartition("/models/")[2].partition(":")
    read = VERBS.get(verb)
    if not read:
        raise Refused(404, f"models/{name} is not found for API version v1beta, or is not supported for {verb}.")
    return read(request, serial, camel(json_object(request.body)), name)


def _read_generate(request: Request, serial: int, fields: Fields, model: str) -> Ask:
    GENERATE(fields, ())
    check_request(fields, model)
    config = generation(fields)
    return ask_of(
        request,
        serial,
        fields,
        model=model,
        stream=":stream" in request.path,
        limit=config.get("maxOutputTokens"),
        schema=_schema(config),
    )


def _schema(config: Fields) -> Fields | None:
    found = config.get("responseJsonSchema") or config.get("responseSchema")
    return found or ({} if config.get("responseMimeType") == "application/json" else None)


def _read_tokens(request: Request, serial: int, fields: Fields, model: str) -> Ask:
    TOKENS(fields, ())
    inner = fields.get("generateContentRequest")
    if (inner is None) == ("contents" not in fields):
        raise Refused(400, "* CountTokensRequest: exactly one of contents and generate_content_request has to be set.")
    check_contents((inner or fields)["contents"], model)
    return ask_of(request, serial, fields, model=model)


def _read_embed(request: Request, serial: int, fields: Fields, model: str) -> Ask:
    EMBED(fields, ())
    return ask_of(request, serial, fields, model=model)


def _read_batch(request: Request, serial: int, fields: Fields, model: str) -> Ask:
    BATCH(fields, ())
    for i, one in enumerate(fields["requests"]):
        if one["model"].rpartition("/")[2] != model:
            raise Refused(400, f"* BatchEmbedContentsRequest.requests[{i}].model: unexpected model name")
    return ask_of(request, serial, fields, model=model)


VERBS = {
    "generateContent": _read_generate,
    "streamGenerateContent": _read_generate,
    "countTokens": _read_tokens,
    "embedContent": _read_embed,
    "batchEmbedContents": _read_batch,
}


def _said(ask: Ask) -> Said:
    fields = ask.fields
    config = (fields.get("toolConfig") or {}).get("functionCallingConfig") or {}
    answered = any("functionResponse" in part for part in fields["contents"][-1]["parts"])
    declared = [f for tool in fields.get("tools") or () for f in tool.get("functionDeclarations") or ()]
    allowed = config.get("allowedFunctionNames") or [function["name"] for function in declared]
    offers = [
        Offer(function["name"], function.get("parametersJsonSchema") or function.get("parameters") or {})
        for function in declared
        if function["name"] in allowed
    ]
    thinking = generation(fields).get("thinkingConfig") or {}
    return say(
        ask,
        [] if answered or config.get("mode") == "NONE" else offers,
        think=bool(thinking.get("includeThoughts")) and thinking.get("thinkingBudget") != 0,
    )


# --- the answer -------------------------------------------------------------------------------------------------------


def _reply(ask: Ask) -> Answer:
    verb = ask.path.rpartition(":")[2] if ":" in ask.path else ""
    match verb:
        case "":
            return plain(ask, _models(ask), Usage(), HEADERS)
        case "countTokens":
            details = [{"modality": "TEXT", "tokenCount": ask.prompt}]
            return plain(ask, {"totalTokens": ask.prompt, "promptTokensDetails": details}, Usage(), HEADERS)
        case "embedContent":
            return plain(ask, {"embedding": _embedding(ask.fields)}, Usage(input=ask.prompt), HEADERS)
        case "batchEmbedContents":
            rows = [_embedding(one) for one in ask.fields["requests"]]
            return plain(ask, {"embeddings": rows}, Usage(input=ask.prompt), HEADERS)
        case _:
            return _generated(ask, _said(ask))


def _generated(ask: Ask, said: Said) -> Answer:
    if not ask.stream:
        thoughts = [{"text": said.thought, "thought": True}] if said.thoughts else []
        parts = [*thoughts, *_texts(ask, said), *_calls(ask, said)]
        return plain(ask, _response(ask, said, parts, last=True), said.usage, HEADERS)
    if ask.query.get("alt") == "sse":
        frames = ((_frame(body), output) for body, output in _bodies(ask, said))
        return streamed(ask, timed(ask, frames), STREAM_HEADERS, said.usage)
    return streamed(ask, timed(ask, _array(ask, said)), HEADERS, said.usage)


def _response(ask: Ask, said: Said, parts: list[Fields], *, last: bool) -> Fields:
    about = {"modelVersion": ask.model, "responseId": f"resp{ask.serial}"}
    if said.finish == "blocked":
        return {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": _usage(said.usage, 0),
            **about,
        }
    finish = {"finishReason": FINISH.get(said.finish, said.finish)} if last else {}
    count = int(generation(ask.fields).get("candidateCount") or 1)
    candidates = [
        {"content": {"role": "model", **({"parts": parts} if parts else {})}, **finish, "index": i}
        for i in range(count)
    ]
    usage = _usage(said.usage, said.usage.output if last else 0)
    return {"candidates": candidates, "usageMetadata": usage, **about}


def _texts(ask: Ask, said: Said) -> list[Fields]:
    """A text after thoughts is signed, too; a third Gemini signs always."""
    if not said.words:
        return []
    signature = {"thoughtSignature": sign("gemini", ask.model, "text")} if _signs(ask, said) and not said.calls else {}
    return [{"text": said.text, **signature}]


def _signs(ask: Ask, said: Said) -> bool:
    return bool(said.thoughts) or is_third(ask.model)


def _calls(ask: Ask, said: Said) -> list[Fields]:
    """The first of a step carries the signature of them all; ids come from the newer models only."""
    return [
        {
            "functionCall": _call(ask, call),
            **({"thoughtSignature": sign("gemini", ask.model, call.name)} if not i and _signs(ask, said) else {}),
        }
        for i, call in enumerate(said.calls)
    ]


def _call(ask: Ask, call: Call) -> Fields:
    """Without arguments the field is left out."""
    own_id = {"id": call.id} if is_third(ask.model) else {}
    return {**own_id, "name": call.name, **({"args": call.arguments} if call.arguments else {})}


def _usage(usage: Usage, output: int) -> Fields:
    """``candidatesTokenCount`` has no thoughts in it. Counts of nothing are left out, as proto3 does."""
    thoughts = usage.reasoning if output else 0
    texts = usage.input - usage.input_audio - usage.input_image
    modalities = {"TEXT": texts, "AUDIO": usage.input_audio, "IMAGE": usage.input_image}
    counts = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": output - thoughts,
        "totalTokenCount": usage.input + output,
        "thoughtsTokenCount": thoughts,
        "cachedContentTokenCount": usage.cache_read,
    }
    details = [{"modality": name, "tokenCount": count} for name, count in modalities.items() if count]
    return {**{name: count for name, count in counts.items() if count}, "promptTokensDetails": details}


def _embedding(fields: Fields) -> Fields:
    seed, count = zlib.crc32(msgspec.json.encode(fields["content"])), fields.get("outputDimensionality") or 8
    return {"values": [((seed >> i % 24) % 256 - 128) / 128 for i in range(count)]}


def _models(ask: Ask) -> Fields:
    if ask.model != "models":
        return _card(ask.model)
    if "/publishers/" in ask.path:
        return {"publisherModels": [{"name": f"publishers/google/models/{name}"} for name in MODELS]}
    return {"models": [_card(name) for name in MODELS]}


def _card(name: str) -> Fields:
    verbs = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
    about = {"name": f"models/{name}", "version": "001", "displayName": name.replace("-", " ").title()}
    return {**about, **limits, "supportedGenerationMethods": verbs}


# --- the stream -------------------------------------------------------------------------------------------------------


def _array(ask: Ask, said: Said) -> Iterator[tuple[bytes, int]]:
    """One array, element by element: what clients get that do not ask for events."""
    for i, (body, output) in enumerate(_bodies(ask, said)):
        yield (b",\r\n" if i else b"[") + msgspec.json.encode(body), output
    yield b"]", 0


def _bodies(ask: Ask, said: Said) -> Iterator[tuple[Fields, int]]:
    """Thoughts and words piece by piece, calls whole; the last chunk may be empty but for why it ends."""
    steps: list[tuple[list[Fields], int]] = [([{"text": piece, "thought": True}], 1) for piece in said.thoughts]
    steps += [([{"text": piece}], 1) for piece in said.words]
    steps += [([part], len(call.fragments)) for part, call in zip(_calls(ask, said), said.calls, strict=True)]
    ending: list[Fields] = []
    if said.words and not said.calls and _signs(ask, said):
        ending = [{"text": "", "thoughtSignature": sign("gemini", ask.model, "text")}]
    for parts, output in steps if said.finish != "blocked" else ():
        yield _response(ask, said, parts, last=False), output
    yield _response(ask, said, ending, last=True), 0


def _frame(body: Fields) -> bytes:
    return b"data: %b\r\n\r\n" % msgspec.json.encode(body)


# --- errors -----------------------------------------------------------------------------------------------------------


def _word(wrong: Wrong) -> Refused:
    place, name = indexed(wrong.path), str(wrong.path[-1]) if wrong.path else ""
    parent = f" at '{indexed(wrong.path[:-1])}'" if wrong.path[:-1] else ""
    message = {
        "unknown": f'Invalid JSON payload received. Unknown name "{name}"{parent}: Cannot find field.',
        "missing": f"* GenerateContentRequest.{place}: must be specified\n",
        "type": f"Invalid value at '{place}' (TYPE_{wrong.what.upper()}), got {wrong.got}",
        "value": f"Invalid value at '{place}': {wrong.what}",
    }[wrong.kind]
    return Refused(400, message)


def _error(refused: Refused) -> Fields:
    status = refused.code or ERRORS.get(refused.status, "INTERNAL" if refused.status >= 500 else "INVALID_ARGUMENT")
    error: Fields = {"code": refused.status, "message": refused.message, "status": status}
    if refused.status == 429:
        error["details"] = [{"@type": f"{INFO}.RetryInfo", "retryDelay": "7s"}]
    return {"error": error}


def _refuse(refused: Refused, serial: int) -> Answer:  # noqa: ARG001 - Gemini numbers no requests
    return refusal(refused.status, _error(refused), HEADERS)


def _fault(refused: Refused) -> bytes:
    return _frame(_error(refused))


GEMINI = Format(_read, _reply, _word, _refuse, _fault)
