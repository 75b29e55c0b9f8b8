"""Cohere's API, version 2: https://docs.cohere.com/v2/reference/chat"""

from __future__ import annotations

import base64
import re
import struct as packing
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ...models import Usage
from .ask import EVENTS, JSON, Ask, Headers, ask_of, json_object, plain, refusal, streamed, timed
from .checking import (
    Check,
    Path,
    Refused,
    Wrong,
    anything,
    base64_bytes,
    dotted,
    either,
    flag,
    integer,
    listed,
    mapping,
    number,
    one_of,
    struct,
    tagged,
    text,
)
from .checking import json_object as arguments
from .formats import Format, Rules, key_of
from .http import Request
from .said import Call, Offer, Said, say
from .script import Answer

__all__ = ["COHERE"]

Fields = dict[str, Any]

MODELS = ("command-a-03-2025", "command-a-reasoning-08-2025", "embed-v4.0", "rerank-v3.5")
FINISH = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "stop_sequence": "STOP_SEQUENCE",
    "content_filter": "ERROR",
    "blocked": "ERROR",
    "pause": "TIMEOUT",
}

# --- the request ------------------------------------------------------------------------------------------------------

TYPE: dict[str, Check] = {"type": anything}
ROLE: dict[str, Check] = {"role": anything}
NAME = text(pattern="[a-zA-Z0-9_-]{1,128}")


def _image(value: Any, path: Path) -> None:
    text(empty=False)(value, path)
    found = re.fullmatch(r"data:image/(png|jpeg|gif|webp);base64,(.*)", value, re.DOTALL)
    if found:
        base64_bytes(found[2], path)
    elif not re.match(r"https?://", value):
        raise Wrong("value", path, "must be a URL or a base64 data URL of png, jpeg, gif or webp")


TEXT = struct({**TYPE, "text": text(empty=False)})
IMAGE = struct({**TYPE, "image_url": struct({"url": _image}, {"detail": one_of("auto", "low", "high")})})
DOCUMENT = struct({"data": either(text(empty=False), mapping())}, {"id": text()})
TEXTS = either(text(empty=False), listed(tagged({"text": TEXT}), least=1))
CALL = struct({**TYPE, "id": text(empty=False), "function": struct({"name": NAME, "arguments": arguments})})
MESSAGE = tagged(
    {
        "system": struct({**ROLE, "content": TEXTS}),
        "user": struct(
            {**ROLE, "content": either(text(empty=False), listed(tagged({"text": TEXT, "image_url": IMAGE}), least=1))}
        ),
        "assistant": struct(
            ROLE,
            {
                "content": either(
                    text(empty=False),
                    listed(tagged({"text": TEXT, "thinking": struct({**TYPE, "thinking": text()})}), least=1),
                ),
                "tool_calls": listed(tagged({"function": CALL}), least=1),
                "tool_plan": text(),
                "citations": listed(mapping()),
            },
        ),
        "tool": struct(
            {
                **ROLE,
                "tool_call_id": text(empty=False),
                "content": either(
                    text(empty=False),
                    listed(tagged({"text": TEXT, "document": struct({**TYPE, "document": DOCUMENT})}), least=1),
                ),
            }
        ),
    },
    tag="role",
)
FUNCTION = struct({"name": NAME, "parameters": mapping()}, {"description": text()})
CHAT = struct(
    {"model": text(empty=False), "messages": listed(MESSAGE, least=1)},
    {
        "stream": flag,
        "tools": listed(tagged({"function": struct({**TYPE, "function": FUNCTION})}), least=1),
        "strict_tools": flag,
        "tool_choice": one_of("REQUIRED", "NONE"),
        "documents": listed(either(text(empty=False), DOCUMENT)),
        "citation_options": struct({}, {"mode": one_of("FAST", "ACCURATE", "OFF", "ENABLED", "DISABLED")}),
        "response_format": tagged({"text": struct(TYPE), "json_object": struct(TYPE, {"json_schema": mapping()})}),
        "safety_mode": one_of("CONTEXTUAL", "STRICT", "OFF"),
        "max_tokens": integer(1),
        "stop_sequences": listed(text(empty=False), most=5),
        "temperature": number(0, 1),
        "seed": integer(0),
        "frequency_penalty": number(0, 1),
        "presence_penalty": number(0, 1),
        "k": integer(0, 500),
        "p": number(0.01, 0.99),
        "logprobs": flag,
        "thinking": struct({"type": one_of("enabled", "disabled")}, {"token_budget": integer(1)}),
        "priority": integer(0, 999),
    },
)
EMBED = struct(
    {
        "model": text(empty=False),
        "input_type": one_of("search_document", "search_query", "classification", "clustering", "image"),
    },
    {
        "texts": listed(text(), least=1, most=96),
        "images": listed(_image, least=1, most=1),
        "inputs": listed(
            struct({"content": listed(tagged({"text": TEXT, "image_url": IMAGE}), least=1)}), least=1, most=96
        ),
        "max_tokens": integer(1),
        "output_dimension": one_of(256, 512, 1024, 1536),
        "embedding_types": listed(one_of("float", "int8", "uint8", "binary", "ubinary", "base64"), least=1),
        "truncate": one_of("NONE", "START", "END"),
        "priority": integer(0, 999),
    },
)
RERANK = struct(
    {"model": text(empty=False), "query": text(empty=False), "documents": listed(text(), least=1)},
    {"top_n": integer(1), "max_tokens_per_doc": integer(1), "priority": integer(0, 999)},
)


def _read(request: Request, serial: int, rules: Rules) -> Ask:
    if not key_of(request, rules, "authorization"):
        raise Refused(401, "no api key supplied")
    path = request.path.partition("?")[0]
    if request.method == "GET":
        return ask_of(request, serial, {}, model=path.rpartition("/")[2])
    fields = json_object(request.body)
    check, beyond = next(found for ending, found in CHECKS.items() if path.endswith(ending))
    check(fields, ())
    beyond(fields)
    form = fields.get("response_format") or {}
    return ask_of(
        request,
        serial,
        fields,
        model=fields["model"],
        stream=fields.get("stream") is True,
        limit=fields.get("max_tokens") if "messages" in fields else None,
        schema=form.get("json_schema", {}) if form.get("type") == "json_object" else None,
    )


def _check_chat(fields: Fields) -> None:
    _check_calls(fields["messages"])
    if "tool_choice" in fields and "tools" not in fields:
        raise Refused(400, "invalid request: tool_choice requires tools to be specified")
    form = fields.get("response_format") or {}
    if form.get("type") == "json_object" and {"tools", "documents"} & fields.keys():
        raise Refused(400, "invalid request: response_format is not supported with tools or documents")
    for i, tool in enumerate(fields.get("tools") or ()):
        if tool["function"]["parameters"].get("type") != "object":
            raise Refused(400, f"invalid request: tools[{i}].function.parameters: type must be object")


def _check_calls(messages: list[Fields]) -> None:
    called: list[str] = []
    owed: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in called:
                what = f"tool call id not found in previous tool calls: {message['tool_call_id']}"
                raise Refused(400, f"invalid request: {what}")
            owed = [call_id for call_id in owed if call_id != message["tool_call_id"]]
            continue
        _check_owed(owed)
        called = owed = [call["id"] for call in message.get("tool_calls") or ()]
        if message["role"] == "assistant" and not (called or message.get("content")):
            raise Refused(400, "invalid request: all assistant messages must have either content or tool_calls")
    _check_owed(owed)


def _check_owed(owed: list[str]) -> None:
    if owed:
        raise Refused(400, f"invalid request: missing tool message for tool calls: {', '.join(owed)}")


def _check_embed(fields: Fields) -> None:
    if len({"texts", "images", "inputs"} & fields.keys()) != 1:
        raise Refused(400, "invalid request: exactly one of texts, images and inputs must be provided")
    if ("images" in fields) != (fields["input_type"] == "image"):
        raise Refused(400, "invalid request: input_type image is for images, and images for it")


def _nothing(fields: Fields) -> None:
    """What has no rules beyond its fields."""


CHECKS: dict[str, tuple[Check, Callable[[Fields], None]]] = {
    "/chat": (CHAT, _check_chat),
    "/embed": (EMBED, _check_embed),
    "/rerank": (RERANK, _nothing),
}

# --- the answer -------------------------------------------------------------------------------------------------------


def _reply(ask: Ask) -> Answer:
    if not ask.fields:
        return plain(ask, _models(ask), Usage(), _headers(ask.serial))
    if ask.path.endswith("/embed"):
        return plain(ask, _embedded(ask), Usage(input=ask.prompt), _headers(ask.serial))
    if ask.path.endswith("/rerank"):
        return plain(ask, _ranked(ask), Usage(input=ask.prompt), _headers(ask.serial))
    said = _said(ask)
    if ask.stream:
        headers: Headers = (EVENTS, *_headers(ask.serial)[1:])
        return streamed(ask, timed(ask, _frames(ask, said)), headers, said.usage)
    body = {"id": _id(ask), "message": _message(said), "finish_reason": _finish(said), "usage": _usage(said.usage)}
    return plain(ask, body, said.usage, _headers(ask.serial))


def _said(ask: Ask) -> Said:
    fields = ask.fields
    offered = fields["messages"][-1]["role"] != "tool" and fields.get("tool_choice") != "NONE"
    functions = [tool["function"] for tool in fields.get("tools") or () if offered]
    offers = [Offer(function["name"], function["parameters"]) for function in functions]
    return say(ask, offers, think=(fields.get("thinking") or {}).get("type") == "enabled", prefix="call_cohere_")


def _message(said: Said) -> Fields:
    """What is said before tools are called is the plan for them."""
    content = [{"type": "thinking", "thinking": said.thought}] if said.thoughts else []
    if not said.calls:
        return {"role": "assistant", "content": [*content, {"type": "text", "text": said.text}]}
    message: Fields = {"role": "assistant", "tool_plan": said.text, "tool_calls": [_call(call) for call in said.calls]}
    return {**message, "content": content} if content else message


def _call(call: Call) -> Fields:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def _finish(said: Said) -> str:
    return FINISH.get(said.finish, said.finish)


def _usage(usage: Usage) -> Fields:
    counts = {"input_tokens": usage.input, "output_tokens": usage.output}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": usage.cache_read}


def _id(ask: Ask) -> str:
    return f"00000000-0000-4000-8000-{ask.serial:012d}"


def _embedded(ask: Ask) -> Fields:
    fields = ask.fields
    given = next(fields[name] for name in ("texts", "inputs", "images") if name in fields)
    count = fields.get("output_dimension") or 8
    rows = {
        kind: [_vector(value, kind, count) for value in given] for kind in fields.get("embedding_types") or ["float"]
    }
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": ask.prompt}}
    body = {"id": _id(ask), "embeddings": rows, "meta": meta, "response_type": "embeddings_by_type"}
    return {**body, "texts": given} if "texts" in fields else body


def _vector(value: object, kind: str, count: int) -> list[float] | list[int] | str:
    seed = zlib.crc32(msgspec.json.encode(value))
    levels = [(seed >> i % 24) % 256 for i in range(count)]
    match kind:
        case "float":
            return [(level - 128) / 128 for level in levels]
        case "base64":
            floats = [(level - 128) / 128 for level in levels]
            return base64.b64encode(packing.pack(f"<{count}f", *floats)).decode()
        case "uint8":
            return levels
        case "int8":
            return [level - 128 for level in levels]
        case _:
            return [level - (128 if kind == "binary" else 0) for level in levels[: -(-count // 8)]]


def _ranked(ask: Ask) -> Fields:
    rows = [{"index": i, "relevance_score": 1 / (1 + i)} for i in range(len(ask.fields["documents"]))]
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return {"id": _id(ask), "results": rows[: ask.fields.get("top_n")], "meta": meta}


def _models(ask: Ask) -> Fields:
    cards = [{"name": name, "endpoints": ["chat"], "finetuned": False, "context_length": 256_000} for name in MODELS]
    if ask.model == "models":
        return {"models": cards}
    return next((card for card in cards if card["name"] == ask.model), {**cards[0], "name": ask.model})


# --- the stream -------------------------------------------------------------------------------------------------------


def _frames(ask: Ask, said: Said) -> Iterator[tuple[bytes, int]]:
    yield _frame({"type": "message-start", "id": _id(ask), "delta": {"message": _EMPTY}}), 0
    yield from ((_frame(event), output) for event, output in _events(said))
    end = {"finish_reason": _finish(said), "usage": _usage(said.usage)}
    yield _frame({"type": "message-end", "id": _id(ask), "delta": end}), 0
    yield b"data: [DONE]\n\n", 0


_EMPTY: Fields = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}


def _events(said: Said) -> Iterator[tuple[Fields, int]]:
    index = 0
    if said.thoughts:
        yield from _content(index, "thinking", said.thoughts)
        index += 1
    if said.calls:
        for piece in said.words:
            yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}, 1
    else:
        yield from _content(index, "text", said.words)
    for i, call in enumerate(said.calls):
        began = {**_call(call), "function": {"name": call.name, "arguments": ""}}
        yield {"type": "tool-call-start", "index": i, "delta": {"message": {"tool_calls": began}}}, 0
        for piece in call.fragments:
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            yield {"type": "tool-call-delta", "index": i, "delta": delta}, 1
        yield {"type": "tool-call-end", "index": i}, 0


def _content(index: int, kind: str, pieces: list[str]) -> Iterator[tuple[Fields, int]]:
    began = {"message": {"content": {"type": kind, kind: ""}}}
    yield {"type": "content-start", "index": index, "delta": began}, 0
    for piece in pieces:
        yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}}, 1
    yield {"type": "content-end", "index": index}, 0


def _frame(event: Fields) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))


# --- errors -----------------------------------------------------------------------------------------------------------


def _word(wrong: Wrong) -> Refused:
    place = dotted(wrong.path)
    return Refused(
        400,
        {
            "unknown": f"unknown field: parameter '{place}' is not a valid field",
            "missing": f"invalid request: {place} is required",
            "type": f"invalid type: parameter {place} is of type {wrong.got} but should be of type {wrong.what}.",
            "value": f"invalid request: {place}: {wrong.what}",
        }[wrong.kind],
    )


def _refuse(refused: Refused, serial: int) -> Answer:
    body = {"id": f"00000000-0000-4000-8000-{serial:012d}", "message": refused.message}
    return refusal(refused.status, body, _headers(serial))


def _headers(serial: int) -> Headers:
    return (JSON, ("x-debug-trace-id", f"{serial:032x}"))


def _fault(refused: Refused) -> bytes:
    return _frame({"type": "message-end", "delta": {"error": refused.message, "finish_reason": "ERROR"}})


COHERE = Format(_read, _reply, _word, _refuse, _fault)
