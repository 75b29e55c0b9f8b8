"""Ollama's own API: https://github.com/ollama/ollama/blob/main/docs/api.md"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from ...models import Usage
from .ask import Ask, Headers, ask_of, json_object, plain, refusal, streamed, timed
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
    nullable,
    number,
    one_of,
    struct,
    tagged,
    text,
)
from .formats import Format, Rules, check_foreign_keys
from .http import Request
from .said import Call, Offer, Said, say
from .script import Answer

__all__ = ["OLLAMA"]

Fields = dict[str, Any]

MODELS = ("llama3.2:latest", "qwen3:8b", "nomic-embed-text:latest")
CREATED_AT = "2025-06-01T12:00:00.000000Z"
DONE = {"length": "length", "context_window": "length"}
HEADERS: Headers = (("content-type", "application/json; charset=utf-8"),)
STREAM_HEADERS: Headers = (("content-type", "application/x-ndjson"),)

# --- the request ------------------------------------------------------------------------------------------------------

ROLE: dict[str, Check] = {"role": anything}


def _image(value: Any, path: Path) -> None:
    if isinstance(value, str) and value.startswith("data:"):
        raise Refused(400, "illegal base64 data at input byte 4")
    base64_bytes(value, path)


def _arguments(value: Any, path: Path) -> None:  # noqa: ARG001 - a check, as all are
    if not isinstance(value, dict):
        kind = "string" if isinstance(value, str) else "value"
        field = "ChatRequest.messages.tool_calls.function.arguments of type api.ToolCallFunctionArguments"
        raise Refused(400, f"json: cannot unmarshal {kind} into Go struct field {field}")


CALL = struct(
    {"function": struct({"name": text(empty=False), "arguments": _arguments}, {"index": integer(0)})},
    {"id": text(), "type": text()},
)
MESSAGE = tagged(
    {
        "system": struct({**ROLE, "content": text()}),
        "user": struct({**ROLE, "content": text()}, {"images": listed(_image)}),
        "assistant": struct(
            ROLE, {"content": text(), "thinking": text(), "tool_calls": listed(CALL), "images": listed(_image)}
        ),
        "tool": struct({**ROLE, "content": text()}, {"tool_name": text(), "tool_call_id": text()}),
    },
    tag="role",
)
FUNCTION = struct({"name": text(empty=False)}, {"description": text(), "parameters": mapping(), "strict": flag})
WHOLE, REAL = integer(), number()
OPTIONS = struct(
    {},
    {
        **dict.fromkeys(("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "seed"), WHOLE),
        **dict.fromkeys(("num_predict", "top_k", "repeat_last_n", "mirostat"), WHOLE),
        **dict.fromkeys(("temperature", "top_p", "min_p", "typical_p", "tfs_z", "repeat_penalty"), REAL),
        **dict.fromkeys(("presence_penalty", "frequency_penalty", "mirostat_tau", "mirostat_eta"), REAL),
        **dict.fromkeys(("numa", "low_vram", "use_mmap", "use_mlock", "penalize_newline"), flag),
        "stop": listed(text()),
    },
)


def _think(value: Any, path: Path) -> None:
    if not isinstance(value, bool):
        one_of("low", "medium", "high")(value, path)


ALIVE = either(text(pattern=r"-?[\d.]+(ms|s|m|h)?"), number())
CHAT = struct(
    {"model": text(empty=False), "messages": listed(MESSAGE)},
    {
        "stream": flag,
        "tools": listed(struct({"function": FUNCTION}, {"type": one_of("function")})),
        "options": OPTIONS,
        "format": nullable(either(one_of("", "json"), mapping())),
        "think": nullable(_think),
        "keep_alive": nullable(ALIVE),
        "logprobs": flag,
        "top_logprobs": integer(0, 20),
    },
)
EMBED = struct(
    {"model": text(empty=False), "input": either(text(), listed(text()))},
    {"truncate": flag, "options": OPTIONS, "keep_alive": nullable(ALIVE), "dimensions": integer(1)},
)


def _read(request: Request, serial: int, rules: Rules) -> Ask:
    """No key is needed; callers' keys are refused all the same."""
    check_foreign_keys(request, rules)
    path = request.path.partition("?")[0]
    fields = json_object(request.body)
    if request.method == "GET" or path.endswith("/show"):
        return ask_of(request, serial, {}, model=str(fields.get("model", "")))
    if path.endswith("/embed"):
        EMBED(fields, ())
        return ask_of(request, serial, fields, model=fields["model"])
    CHAT(fields, ())
    _check_results(fields["messages"])
    limit, form = (fields.get("options") or {}).get("num_predict"), fields.get("format")
    return ask_of(
        request,
        serial,
        fields,
        model=fields["model"],
        stream=fields.get("stream", True),
        limit=limit if limit is not None and limit >= 0 else None,
        schema=form if isinstance(form, dict) else {} if form == "json" else None,
    )


def _check_results(messages: list[Fields]) -> None:
    """Ollama itself takes a result of anything; no model makes sense of one without a call or a name."""
    called: set[str] = set()
    for i, message in enumerate(messages):
        called |= {call["function"]["name"] for call in message.get("tool_calls") or ()}
        if message["role"] == "tool" and message.get("tool_name") not in called:
            raise Refused(400, f"messages.{i}: tool_name is not that of a tool called before")


def _said(ask: Ask) -> Said:
    fields = ask.fields
    answered = bool(fields["messages"]) and fields["messages"][-1]["role"] == "tool"
    functions = [] if answered else [tool["function"] for tool in fields.get("tools") or ()]
    offers = [Offer(function["name"], function.get("parameters") or {}) for function in functions]
    return say(ask, offers, think=bool(fields.get("think")))


# --- the answer -------------------------------------------------------------------------------------------------------


def _reply(ask: Ask) -> Answer:
    if ask.path.endswith("/embed"):
        return plain(ask, _embedded(ask), Usage(input=ask.prompt), HEADERS)
    if not ask.fields:
        return plain(ask, _about(ask), Usage(), HEADERS)
    said = _said(ask)
    if ask.stream:
        return streamed(ask, timed(ask, _lines(ask, said)), STREAM_HEADERS, said.usage)
    calls = {"tool_calls": [_call(i, call) for i, call in enumerate(said.calls)]} if said.calls else {}
    thinking = {"thinking": said.thought} if said.thoughts else {}
    message = {"role": "assistant", "content": said.text, **thinking, **calls}
    return plain(ask, {**_head(ask), "message": message, **_end(said)}, said.usage, HEADERS)


def _head(ask: Ask) -> Fields:
    return {"model": ask.model, "created_at": CREATED_AT}


def _end(said: Said) -> Fields:
    """Calls of tools end with "stop", too. Counts of nothing are left out, as Go's ``omitempty`` does."""
    counts = {"prompt_eval_count": said.usage.input, "eval_count": said.usage.output}
    times = {"total_duration": 5_000_000, "load_duration": 1_000_000, "eval_duration": 3_000_000}
    reason = DONE.get(said.finish, "stop" if said.finish in KNOWN else said.finish)
    return {"done": True, "done_reason": reason, **times, **{name: n for name, n in counts.items() if n}}


KNOWN = {"stop", "tool_calls", "content_filter", "stop_sequence", "pause", "blocked"}


def _call(index: int, call: Call) -> Fields:
    return {"id": call.id, "function": {"index": index, "name": call.name, "arguments": call.arguments}}


def _embedded(ask: Ask) -> Fields:
    given = ask.fields["input"]
    count = ask.fields.get("dimensions") or 8
    rows = [_vector(value, count) for value in ([given] if isinstance(given, str) else given)]
    times = {"total_duration": 2_000_000, "load_duration": 1_000_000}
    return {"model": ask.model, "embeddings": rows, **times, "prompt_eval_count": ask.prompt}


def _vector(value: str, count: int) -> list[float]:
    seed = zlib.crc32(value.encode())
    return [((seed >> i % 24) % 256 - 128) / 128 for i in range(count)]


def _about(ask: Ask) -> Fields:
    if ask.path.endswith("/version"):
        return {"version": "0.12.6"}
    details = {"format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "3.2B"}
    details["quantization_level"] = "Q4_K_M"
    if ask.path.endswith("/show"):
        return {
            "details": details,
            "model_info": {},
            "capabilities": ["completion", "tools"],
            "modified_at": CREATED_AT,
        }
    card = {"modified_at": CREATED_AT, "size": 2_019_393_189, "digest": "a" * 64, "details": details}
    return {"models": [{"name": name, "model": name, **card} for name in MODELS]}


# --- the stream -------------------------------------------------------------------------------------------------------


def _lines(ask: Ask, said: Said) -> Iterator[tuple[bytes, int]]:
    """Calls come whole, one in each line."""
    steps: list[tuple[Fields, int]] = [({"content": "", "thinking": piece}, 1) for piece in said.thoughts]
    steps += [({"content": piece}, 1) for piece in said.words]
    for i, call in enumerate(said.calls):
        steps.append(({"content": "", "tool_calls": [_call(i, call)]}, len(call.fragments)))
    for message, output in steps:
        yield _line({**_head(ask), "message": {"role": "assistant", **message}, "done": False}), output
    yield _line({**_head(ask), "message": {"role": "assistant", "content": ""}, **_end(said)}), 0


def _line(value: Fields) -> bytes:
    return msgspec.json.encode(value) + b"\n"


# --- errors -----------------------------------------------------------------------------------------------------------


def _word(wrong: Wrong) -> Refused:
    place = dotted(wrong.path)
    return Refused(
        400,
        {
            "unknown": f'json: unknown field "{place}"',
            "missing": f"{place} is required",
            "type": f"json: cannot unmarshal {wrong.got} into Go struct field {place} of type {wrong.what}",
            "value": f"invalid value for {place}: {wrong.what}",
        }[wrong.kind],
    )


def _refuse(refused: Refused, serial: int) -> Answer:  # noqa: ARG001 - Ollama numbers no requests
    return refusal(refused.status, {"error": refused.message}, HEADERS)


def _fault(refused: Refused) -> bytes:
    return _line({"error": refused.message})


OLLAMA = Format(_read, _reply, _word, _refuse, _fault)
