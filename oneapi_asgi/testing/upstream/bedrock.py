"""Bedrock's Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import msgspec

from ...models import Usage
from .ask import JSON, Ask, Headers, ask_of, json_object, plain, refusal, streamed, timed
from .bedrock_request import REQUEST, check_request
from .checking import Refused, Wrong
from .eventstream import event_frame, exception_frame
from .formats import Format, Rules, header, key_of
from .http import Request
from .said import Offer, Said, say, sign
from .script import Answer
from .sigv4 import check_signed

__all__ = ["BEDROCK"]

Fields = dict[str, Any]

MODELS = ("anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-pro-v1:0")
STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "blocked": "guardrail_intervened",
    "context_window": "model_context_window_exceeded",
    "pause": "end_turn",
}
ERRORS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
FAULTS = {
    400: "validationException",
    424: "modelStreamErrorException",
    429: "throttlingException",
    503: "serviceUnavailableException",
}
EVENTS = ("content-type", "application/vnd.amazon.eventstream")


# --- the request ------------------------------------------------------------------------------------------------------


def _read(request: Request, serial: int, rules: Rules) -> Ask:
    _check_credential(request, rules)
    path = request.path.partition("?")[0]
    if request.method == "GET":
        return ask_of(request, serial, {}, model="")
    model = unquote(path.removeprefix("/model/").rpartition("/")[0])
    if not re.fullmatch(r"[a-zA-Z0-9-:./]+", model):
        raise Refused(400, "The provided model identifier is invalid.")
    fields = json_object(request.body)
    REQUEST(fields, ())
    check_request(fields, model)
    form = ((fields.get("outputConfig") or {}).get("textFormat") or {}).get("structure") or {}
    return ask_of(
        request,
        serial,
        fields,
        model=model,
        stream=path.endswith("-stream"),
        limit=(fields.get("inferenceConfig") or {}).get("maxTokens"),
        schema=msgspec.json.decode(form["jsonSchema"]["schema"], type=dict[str, Any]) if form else None,
    )


def _check_credential(request: Request, rules: Rules) -> None:
    sent = key_of(request, rules, "authorization")
    if not sent:
        raise Refused(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
    if (header(request, "authorization") or "").startswith("Bearer "):
        return
    check_signed(request, rules.aws_secret)


def _said(ask: Ask) -> Said:
    fields = ask.fields
    config = fields.get("toolConfig") or {}
    choice = config.get("toolChoice") or {}
    answered = any("toolResult" in block for block in fields["messages"][-1]["content"])
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    offers = [Offer(spec["name"], spec["inputSchema"]["json"]) for spec in specs]
    more = fields.get("additionalModelRequestFields") or {}
    thinking = (more.get("thinking") or more.get("reasoning_config") or {}).get("type", "disabled")
    wanted = (choice.get("tool") or {}).get("name")
    return say(ask, [] if answered else offers, wanted=wanted, think=thinking != "disabled", prefix="tooluse_")


# --- the answer -------------------------------------------------------------------------------------------------------


def _reply(ask: Ask) -> Answer:
    if "messages" not in ask.fields:
        rows = [{"modelId": name, "modelName": name, "providerName": name.partition(".")[0]} for name in MODELS]
        return plain(ask, {"modelSummaries": rows}, Usage(), (JSON, _request_id(ask.serial)))
    said = _said(ask)
    if ask.stream:
        return streamed(ask, timed(ask, _frames(ask, said)), (EVENTS, _request_id(ask.serial)), said.usage)
    body = {
        "output": {"message": {"role": "assistant", "content": _blocks(ask, said)}},
        "stopReason": _stop(said),
        "usage": _usage(said.usage),
        "metrics": {"latencyMs": 12},
    }
    return plain(ask, body, said.usage, (JSON, _request_id(ask.serial)))


def _blocks(ask: Ask, said: Said) -> list[Fields]:
    thought = {"text": said.thought, "signature": sign("bedrock", ask.model, said.thought)}
    return [
        *([{"reasoningContent": {"reasoningText": thought}}] if said.thoughts else []),
        *([{"text": said.text}] if said.words else []),
        *({"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}} for call in said.calls),
    ]


def _stop(said: Said) -> str:
    return STOP.get(said.finish, said.finish)


def _usage(usage: Usage) -> Fields:
    """``inputTokens`` has neither what was read from the cache nor what was written to it."""
    cached = {"cacheReadInputTokens": usage.cache_read, "cacheWriteInputTokens": usage.cache_write}
    return {
        "inputTokens": usage.input - usage.cache_read - usage.cache_write,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
        **cached,
    }


# --- the stream -------------------------------------------------------------------------------------------------------


def _frames(ask: Ask, said: Said) -> Iterator[tuple[bytes, int]]:
    padding = {"p": "abcdefgh"}  # the real ones hide how long their texts are
    for kind, payload, output in _events(ask, said):
        yield event_frame(kind, msgspec.json.encode({**payload, **padding})), output


def _events(ask: Ask, said: Said) -> Iterator[tuple[str, Fields, int]]:
    """Texts and thoughts have no start, and the usage comes after the stop."""
    yield "messageStart", {"role": "assistant"}, 0
    for index, block in enumerate(_blocks(ask, said)):
        where = {"contentBlockIndex": index}
        if use := block.get("toolUse"):
            yield (
                "contentBlockStart",
                {**where, "start": {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}},
                0,
            )
        for delta, output in _deltas(said, block):
            yield "contentBlockDelta", {**where, "delta": delta}, output
        yield "contentBlockStop", where, 0
    yield "messageStop", {"stopReason": _stop(said)}, 0
    yield "metadata", {"usage": _usage(said.usage), "metrics": {"latencyMs": 12}}, 0


def _deltas(said: Said, block: Fields) -> Iterator[tuple[Fields, int]]:
    if "reasoningContent" in block:
        yield from (({"reasoningContent": {"text": piece}}, 1) for piece in said.thoughts)
        yield {"reasoningContent": {"signature": block["reasoningContent"]["reasoningText"]["signature"]}}, 0
    elif "text" in block:
        yield from (({"text": piece}, 1) for piece in said.words)
    else:
        call = next(call for call in said.calls if call.id == block["toolUse"]["toolUseId"])
        yield {"toolUse": {"input": ""}}, 0
        if call.arguments:
            yield from (({"toolUse": {"input": piece}}, 1) for piece in call.fragments)


# --- errors -----------------------------------------------------------------------------------------------------------


def _word(wrong: Wrong) -> Refused:
    place, name = "#/" + "/".join(map(str, wrong.path)), str(wrong.path[-1]) if wrong.path else ""
    parent = "#/" + "/".join(map(str, wrong.path[:-1]))
    what = {
        "unknown": f"{parent}: extraneous key [{name}] is not permitted",
        "missing": f"{parent}: required key [{name}] not found",
        "type": f"{place}: expected type: {wrong.what}, found: {wrong.got}",
        "value": f"{place}: {wrong.what}",
    }[wrong.kind]
    return Refused(400, f"Malformed input request: {what}, please reformat your input and try again.")


def _refuse(refused: Refused, serial: int) -> Answer:
    usual = "ValidationException" if refused.status < 500 else "InternalServerException"
    kind = refused.code or ERRORS.get(refused.status, usual)
    headers: Headers = (JSON, _request_id(serial), ("x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/"))
    return refusal(refused.status, {"message": refused.message}, headers)


def _fault(refused: Refused) -> bytes:
    kind = refused.code or FAULTS.get(refused.status, "internalServerException")
    return exception_frame(kind, msgspec.json.encode({"message": refused.message}))


def _request_id(serial: int) -> tuple[str, str]:
    return ("x-amzn-requestid", f"00000000-0000-4000-8000-{serial:012d}")


BEDROCK = Format(_read, _reply, _word, _refuse, _fault)
