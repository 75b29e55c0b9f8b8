"""Anthropic's Messages API: https://docs.anthropic.com/en/api/messages. Also as Vertex AI and Bedrock host it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ...models import Usage
from .anthropic_request import REQUEST, TOKENS_REQUEST, check_request
from .ask import EVENTS, JSON, Ask, Headers, ask_of, json_object, plain, refusal, streamed, timed
from .checking import Refused, Wrong, dotted
from .formats import Format, Rules, header, key_of
from .http import Request
from .said import Offer, Said, say, sign
from .script import Answer

__all__ = ["ANTHROPIC", "HOSTED_ANTHROPIC", "message", "message_events", "said_of"]

Fields = dict[str, Any]

MODELS = ("claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5")
CREATED_AT = "2025-09-29T00:00:00Z"
STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "context_window": "model_context_window_exceeded",
    "pause": "pause_turn",
    "blocked": "refusal",
}
ERRORS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
COUNTED = re.compile(r"/count_tokens$|/models/count-tokens:")
HOSTED = {"vertex-2023-10-16", "bedrock-2023-05-31"}


# --- the request ------------------------------------------------------------------------------------------------------


def _read(request: Request, serial: int, rules: Rules) -> Ask:
    if not key_of(request, rules, "x-api-key", "authorization"):
        raise Refused(401, "x-api-key header is required")
    version = header(request, "anthropic-version")
    if not version:
        raise Refused(400, "anthropic-version: header is required")
    if version not in {"2023-06-01", "2023-01-01", "2026-10-21"}:
        raise Refused(400, f'anthropic-version: "{version}" is not a valid version')
    fields = json_object(request.body)
    if request.method == "GET":
        return ask_of(request, serial, {}, model=_last_step(request))
    if request.path.partition("?")[0].endswith("/count_tokens"):
        TOKENS_REQUEST(fields, ())
        check_request(fields, fields["model"], version)
        return ask_of(request, serial, fields, model=fields["model"])
    REQUEST(fields, ())
    check_request(fields, fields["model"], version)
    return _ask(request, serial, fields, fields["model"], stream=fields.get("stream") is True)


def _read_hosted(request: Request, serial: int, rules: Rules) -> Ask:
    """The model is in the path, and the version in the body."""
    if not key_of(request, rules, "authorization"):
        raise Refused(401, "Request is missing required authentication credential.")
    fields = json_object(request.body)
    if fields.pop("anthropic_version", None) not in HOSTED:
        raise Refused(400, "anthropic_version: Field required")
    path = request.path.partition("?")[0]
    if COUNTED.search(path):  # here the model is in the body
        TOKENS_REQUEST(fields, ())
        return ask_of(request, serial, fields, model=fields["model"])
    if "model" in fields:
        raise Refused(400, "model: Extra inputs are not permitted")
    model = re.sub(r":\w+$", "", path.rpartition("/models/")[2])
    REQUEST({**fields, "model": model}, ())
    check_request(fields, model, "2023-06-01")
    return _ask(request, serial, fields, model, stream=":stream" in path)


def _ask(request: Request, serial: int, fields: Fields, model: str, *, stream: bool) -> Ask:
    form = (fields.get("output_config") or {}).get("format") or {}
    limit = fields["max_tokens"]
    return ask_of(request, serial, fields, model=model, stream=stream, limit=limit, schema=form.get("schema"))


def _last_step(request: Request) -> str:
    return request.path.partition("?")[0].rpartition("/")[2]


def said_of(ask: Ask) -> Said:
    fields, choice = ask.fields, ask.fields.get("tool_choice") or {}
    blocks = fields["messages"][-1]["content"] if fields["messages"] else []
    answered = isinstance(blocks, list) and any(block["type"] == "tool_result" for block in blocks)
    offered = [] if answered or choice.get("type") == "none" else fields.get("tools") or []
    offers = [Offer(tool["name"], tool["input_schema"]) for tool in offered if "input_schema" in tool]
    thinking = fields.get("thinking") or {"type": "disabled"}
    return say(
        ask,
        offers,
        wanted=choice.get("name"),
        parallel=not choice.get("disable_parallel_tool_use"),
        think=thinking["type"] != "disabled",
        prefix="toolu_",
    )


# --- the answer -------------------------------------------------------------------------------------------------------


def _reply(ask: Ask) -> Answer:
    headers: Headers = (JSON, _request_id(ask.serial))
    if "messages" not in ask.fields:
        return plain(ask, _models(ask), Usage(), headers)
    if COUNTED.search(ask.path):
        return plain(ask, {"input_tokens": ask.prompt}, Usage(), headers)
    said = said_of(ask)
    if ask.stream:
        return streamed(ask, timed(ask, _frames(ask, said)), (EVENTS, _request_id(ask.serial)), said.usage)
    return plain(ask, message(ask, said), said.usage, headers)


def message(ask: Ask, said: Said) -> Fields:
    usage = said.usage
    return {
        **_head(ask),
        "content": _blocks(ask, said),
        **_stop(ask, said),
        "usage": {**_input_usage(usage), "output_tokens": usage.output, **_details(usage), "service_tier": "standard"},
    }


def _head(ask: Ask) -> Fields:
    return {"id": f"msg_{ask.serial:024d}", "type": "message", "role": "assistant", "model": ask.model}


def _blocks(ask: Ask, said: Said) -> list[Fields]:
    thinking = {"type": "thinking", "thinking": said.thought, "signature": sign("anthropic", ask.model, said.thought)}
    calls = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in said.calls]
    return [
        *([thinking] if said.thoughts else []),
        *([{"type": "text", "text": said.text}] if said.words else []),
        *calls,
    ]


def _stop(ask: Ask, said: Said) -> Fields:
    reason = STOP.get(said.finish, said.finish)
    sequences = ask.fields.get("stop_sequences") or ["\n"]
    details = {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None
    return {
        "stop_reason": reason,
        "stop_sequence": sequences[0] if reason == "stop_sequence" else None,
        "stop_details": details,
    }


def _input_usage(usage: Usage) -> Fields:
    """``input_tokens`` has neither what was read from the cache nor what was written to it."""
    return {
        "input_tokens": usage.input - usage.cache_read - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write - usage.cache_write_1h,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
    }


def _details(usage: Usage) -> Fields:
    return {"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else {}


def _models(ask: Ask) -> Fields:
    if ask.model != "models":
        return _card(ask.model)
    return {"data": [_card(name) for name in MODELS], "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}


def _card(name: str) -> Fields:
    limits = {"max_input_tokens": 200_000, "max_tokens": 64_000}
    known = {"type": "model", "id": name, "display_name": name.replace("-", " ").title(), "created_at": CREATED_AT}
    return {**known, **limits, "lifecycle": "active"}


# --- the stream -------------------------------------------------------------------------------------------------------


def _frames(ask: Ask, said: Said) -> Iterator[tuple[bytes, int]]:
    return ((_frame(event), output) for event, output in message_events(ask, said))


def _frame(event: Fields) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))


def message_events(ask: Ask, said: Said) -> Iterator[tuple[Fields, int]]:
    """Each with the tokens that it carries."""
    usage, stop = said.usage, _stop(ask, said)
    empty: Fields = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    begun = {**_input_usage(usage), "output_tokens": 1, "service_tier": "standard"}
    yield {"type": "message_start", "message": {**_head(ask), **empty, "usage": begun}}, 0
    for index, block in enumerate(_blocks(ask, said)):
        yield {"type": "content_block_start", "index": index, "content_block": _emptied(block)}, 0
        if not index:
            yield {"type": "ping"}, 0
        for delta, output in _deltas(said, block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}, output
        yield {"type": "content_block_stop", "index": index}, 0
    counts = {name: value for name, value in _input_usage(usage).items() if name != "cache_creation"}
    ended = {**counts, "output_tokens": usage.output, **_details(usage)}
    yield {"type": "message_delta", "delta": stop, "usage": ended}, 0
    yield {"type": "message_stop"}, 0


def _emptied(block: Fields) -> Fields:
    blank: Fields = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: blank.get(name, value) for name, value in block.items()}


def _deltas(said: Said, block: Fields) -> Iterator[tuple[Fields, int]]:
    match block["type"]:
        case "thinking":
            yield from (({"type": "thinking_delta", "thinking": piece}, 1) for piece in said.thoughts)
            yield {"type": "signature_delta", "signature": block["signature"]}, 0
        case "text":
            yield from (({"type": "text_delta", "text": piece}, 1) for piece in said.words)
        case _:
            call = next(call for call in said.calls if call.id == block["id"])
            yield {"type": "input_json_delta", "partial_json": ""}, 0
            if call.arguments:  # a call without arguments has no more deltas
                yield from (({"type": "input_json_delta", "partial_json": piece}, 1) for piece in call.fragments)


# --- errors -----------------------------------------------------------------------------------------------------------


def _word(wrong: Wrong) -> Refused:
    what = {
        "unknown": "Extra inputs are not permitted",
        "missing": "Field required",
        "type": f"Input should be a valid {wrong.what}",
        "value": wrong.what,
    }[wrong.kind]
    return Refused(400, f"{dotted(wrong.path)}: {what}")


def _error(refused: Refused) -> Fields:
    usual = "invalid_request_error" if refused.status < 500 else "api_error"
    return {"type": refused.code or ERRORS.get(refused.status, usual), "message": refused.message}


def _refuse(refused: Refused, serial: int) -> Answer:
    body = {"type": "error", "error": _error(refused), "request_id": f"req_{serial}"}
    return refusal(refused.status, body, (JSON, _request_id(serial)))


def _fault(refused: Refused) -> bytes:
    return _frame({"type": "error", "error": _error(refused)})


def _request_id(serial: int) -> tuple[str, str]:
    return ("request-id", f"req_{serial}")


ANTHROPIC = Format(_read, _reply, _word, _refuse, _fault)
HOSTED_ANTHROPIC = ANTHROPIC._replace(read=_read_hosted)
