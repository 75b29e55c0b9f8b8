"""What Anthropic's Messages API takes, field by field, and what it refuses beyond the types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .checking import (
    Path,
    Refused,
    Wrong,
    anything,
    base64_bytes,
    dotted,
    either,
    flag,
    image_type,
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
from .said import signed

__all__ = ["REQUEST", "TOKENS_REQUEST", "check_request"]

Fields = dict[str, Any]

# --- the fields -------------------------------------------------------------------------------------------------------

ID = text(pattern="[a-zA-Z0-9_-]+")
NAME = text(pattern="[a-zA-Z0-9_-]{1,128}")
CACHE = {"cache_control": nullable(struct({"type": one_of("ephemeral")}, {"ttl": one_of("5m", "1h")}))}
TYPE = {"type": anything}
URL = struct({**TYPE, "url": text(pattern=r"https?://.+")})
FILE = struct({**TYPE, "file_id": text(empty=False)})
IMAGE_TYPES = one_of("image/jpeg", "image/png", "image/gif", "image/webp")


def _image(value: Any, path: Path) -> None:
    struct({**TYPE, "media_type": IMAGE_TYPES, "data": base64_bytes})(value, path)
    seen = image_type(value["data"])
    if seen not in {None, value["media_type"]}:
        message = f"The image was specified using the {value['media_type']} media type, but it appears to be a {seen}"
        raise Wrong("value", path, message)


def _said(value: Any, path: Path) -> None:
    text()(value, path)
    if not value.strip():
        raise Refused(400, f"{_message_of(path)}: text content blocks must {_non(value)}")


def _non(value: str) -> str:
    return "contain non-whitespace text" if value else "be non-empty"


def _message_of(path: Path) -> str:
    return dotted(path[:1]) if path and path[0] == "system" else dotted(path[:2])


TEXT = struct({**TYPE, "text": _said}, {**CACHE, "citations": nullable(listed(mapping()))})
IMAGE = struct({**TYPE, "source": tagged({"base64": _image, "url": URL, "file": FILE})}, CACHE)
SOURCES = {
    "base64": struct({**TYPE, "media_type": one_of("application/pdf"), "data": base64_bytes}),
    "text": struct({**TYPE, "media_type": one_of("text/plain"), "data": text(empty=False)}),
    "content": struct({**TYPE, "content": either(text(empty=False), listed(tagged({"text": TEXT, "image": IMAGE})))}),
    "url": URL,
    "file": FILE,
}
CITED = {"citations": nullable(struct({}, {"enabled": flag}))}
DOCUMENT = struct(
    {**TYPE, "source": tagged(SOURCES)},
    {**CACHE, **CITED, "title": nullable(text(most=500)), "context": nullable(text())},
)
FOUND = struct(
    {**TYPE, "source": text(), "title": text(), "content": listed(tagged({"text": TEXT}))}, {**CACHE, **CITED}
)
RESULT_BLOCKS = {"text": TEXT, "image": IMAGE, "document": DOCUMENT, "search_result": FOUND}
USER_BLOCKS = {
    **RESULT_BLOCKS,
    "tool_result": struct(
        {**TYPE, "tool_use_id": ID},
        {**CACHE, "content": either(text(), listed(tagged(RESULT_BLOCKS))), "is_error": flag},
    ),
}
ASSISTANT_BLOCKS = {
    "text": TEXT,
    "thinking": struct({**TYPE, "thinking": text(), "signature": text()}),
    "redacted_thinking": struct({**TYPE, "data": text(empty=False)}),
    "tool_use": struct({**TYPE, "id": ID, "name": NAME, "input": mapping()}, {**CACHE, "caller": mapping()}),
    "server_tool_use": struct({**TYPE, "id": ID, "name": NAME, "input": mapping()}, CACHE),
    "web_search_tool_result": struct({**TYPE, "tool_use_id": ID, "content": anything}, CACHE),
}
ROLE = {"role": anything}
MESSAGE = tagged(
    {
        "user": struct({**ROLE, "content": either(text(), listed(tagged(USER_BLOCKS)))}),
        "assistant": struct({**ROLE, "content": either(text(), listed(tagged(ASSISTANT_BLOCKS)))}),
        "system": struct({**ROLE, "content": either(text(), listed(tagged({"text": TEXT})))}),
    },
    tag="role",
)


def _schema(value: Any, path: Path) -> None:
    mapping()(value, path)
    if value.get("type") != "object":
        raise Wrong("missing" if "type" not in value else "value", (*path, "type"), "Input should be 'object'")
    if {"oneOf", "allOf", "anyOf"} & value.keys():
        raise Wrong("value", path, "input_schema does not support oneOf, allOf, or anyOf at the top level")
    for name in value.get("properties") or {}:
        if not re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name):
            raise Wrong("value", (*path, "properties"), "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'")


TOOL = struct(
    {"name": NAME, "input_schema": _schema},
    {
        **CACHE,
        "type": nullable(one_of("custom")),
        "description": text(),
        "strict": flag,
        "input_examples": listed(mapping()),
        "defer_loading": flag,
        "eager_input_streaming": nullable(flag),
        "allowed_callers": listed(text()),
    },
)


def _tool(value: Any, path: Path) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    hosted = isinstance(kind, str) and re.fullmatch(r"[a-z_]+_20\d{6}", kind)
    (mapping() if hosted else TOOL)(value, path if hosted else (*path, "custom"))


PARALLEL = {"disable_parallel_tool_use": flag}
CHOICE = tagged(
    {
        "auto": struct(TYPE, PARALLEL),
        "any": struct(TYPE, PARALLEL),
        "tool": struct({**TYPE, "name": NAME}, PARALLEL),
        "none": struct(TYPE),
    }
)
DISPLAY = {"display": nullable(one_of("summarized", "omitted"))}
THINKING = tagged(
    {
        "enabled": struct({**TYPE, "budget_tokens": integer(1024)}, DISPLAY),
        "adaptive": struct(TYPE, DISPLAY),
        "between_tools": struct(TYPE),
        "disabled": struct(TYPE),
    }
)
FORMAT = tagged({"json_schema": struct({**TYPE, "schema": mapping()})})
EFFORT = one_of("low", "medium", "high", "xhigh", "max")
PROMPT = {
    **CACHE,
    "system": either(text(), listed(tagged({"text": TEXT}))),
    "tools": listed(_tool),
    "tool_choice": CHOICE,
    "thinking": THINKING,
    "output_config": struct({}, {"effort": nullable(EFFORT), "format": nullable(FORMAT)}),
}
NEEDED = {"model": text(empty=False, most=256), "messages": listed(MESSAGE, least=1)}
REQUEST = struct(
    {**NEEDED, "max_tokens": integer(0)},
    {
        **PROMPT,
        "stream": flag,
        "stop_sequences": listed(text()),
        "temperature": number(0, 1),
        "top_p": number(0, 1),
        "top_k": integer(0),
        "metadata": struct({}, {"user_id": nullable(text(most=256))}),
        "service_tier": one_of("auto", "standard_only"),
        "speed": nullable(one_of("standard", "fast")),
        "container": anything,
        "inference_geo": nullable(text()),
    },
)
TOKENS_REQUEST = struct(NEEDED, PROMPT)

# --- what goes together -----------------------------------------------------------------------------------------------

LIMITS = (("claude-3-5", 8192), ("claude-3-7", 128_000), ("claude-3", 4096), ("claude-opus-4-1", 32_000))
MOST_TOKENS = 128_000
MOST_CACHED = 4
PENULTIMATE = (4, 6)  # adaptive thinking, and no prefill any more


def _version(model: str) -> tuple[int, int]:
    """``claude-opus-4-6`` is (4, 6), ``claude-3-7-sonnet`` (3, 7), what has no number is old."""
    found = re.search(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d)(?!\d))?", model)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def check_request(fields: Fields, model: str, version: str) -> None:
    """
    :raises Refused: the provider would
    """
    _check_turns(fields["messages"], model)
    _check_tools(fields)
    _check_prefill(fields, model)
    _check_thinking(fields, model)
    _check_sampling(fields, model, version)
    _check_rest(fields, model)


def _blocks(message: Fields) -> list[Fields]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _filled(content: str | list[Fields]) -> bool:
    return bool(content.strip() if isinstance(content, str) else content)


def _check_turns(messages: list[Fields], model: str) -> None:
    if messages[0]["role"] != "user":
        raise Refused(400, 'messages: first message must use the "user" role')
    owed: list[str] = []
    for number_, message in enumerate(messages):
        blocks, place = _blocks(message), f"messages.{number_}"
        last = number_ == len(messages) - 1
        if not _filled(message["content"]) and not (last and message["role"] == "assistant"):
            what = "all messages must have non-empty content except for the optional final assistant message"
            raise Refused(400, f"{place}: {what}")
        _check_results(blocks, owed, place)
        _check_signatures(blocks, place, model)
        owed = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if owed:
        raise Refused(400, _unanswered(f"messages.{len(messages) - 1}", owed))
    calls = [block["id"] for message in messages for block in _blocks(message) if block["type"] == "tool_use"]
    if len(set(calls)) != len(calls):
        raise Refused(400, "messages: `tool_use` ids must be unique")


def _unanswered(place: str, ids: list[str]) -> str:
    return (
        f"{place}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(ids)}. "
        "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _check_results(blocks: list[Fields], owed: list[str], place: str) -> None:
    """The results of a turn are the first blocks of the next one, each once."""
    kinds = [block["type"] for block in blocks]
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    for call_id in results:
        if call_id not in owed:
            raise Refused(
                400,
                f"{place}.content: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message.",
            )
    if missing := [call_id for call_id in owed if call_id not in results]:
        raise Refused(400, _unanswered(place, missing))
    if len(set(results)) != len(results):
        raise Refused(400, f"{place}.content: each tool_use must have a single result. Found multiple `tool_result`")
    if "tool_result" in kinds[len(results) :]:
        raise Refused(400, f"{place}.content: `tool_result` blocks must come before any other content")


def _check_signatures(blocks: list[Fields], place: str, model: str) -> None:
    for i, block in enumerate(blocks):
        fine = signed(block.get("signature"), "anthropic", model, block.get("thinking"))
        if block["type"] == "thinking" and not fine:
            raise Refused(400, f"{place}.content.{i}: Invalid `signature` in `thinking` block")
        if block["type"] == "redacted_thinking" and not signed(block["data"], "anthropic", model, "redacted"):
            raise Refused(400, f"{place}.content.{i}: Invalid `data` in `redacted_thinking` block")


def _check_tools(fields: Fields) -> None:
    names = [tool["name"] for tool in fields.get("tools") or () if "name" in tool]
    choice = fields.get("tool_choice")
    if len(set(names)) != len(names):
        raise Refused(400, "tools: Tool names must be unique.")
    if choice and not names:
        raise Refused(400, "tool_choice: may only be specified while providing `tools`")
    if choice and choice["type"] == "tool" and choice["name"] not in names:
        raise Refused(400, f"Tool '{choice['name']}' not found in provided tools")


def _check_prefill(fields: Fields, model: str) -> None:
    last = fields["messages"][-1]
    if last["role"] != "assistant":
        return
    thinks = (fields.get("thinking") or {}).get("type", "disabled") != "disabled"
    if _version(model) >= PENULTIMATE or thinks:
        message = (
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
        raise Refused(400, message)
    said = [block["text"] for block in _blocks(last)[-1:] if block["type"] == "text"]
    if said and said[0] != said[0].rstrip():
        raise Refused(400, "messages: final assistant content cannot end with trailing whitespace")


def _check_thinking(fields: Fields, model: str) -> None:
    thinking = fields.get("thinking") or {"type": "disabled"}
    kind, version = thinking["type"], _version(model)
    if kind == "adaptive" and (0, 0) < version < PENULTIMATE:
        raise Refused(400, "adaptive thinking is not supported on this model")
    if kind == "enabled" and (0, 0) < version < (3, 7):
        raise Refused(400, "thinking: this model does not support thinking")
    if kind == "enabled" and version >= (4, 7):
        raise Refused(400, '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
    if kind == "enabled" and "max_tokens" in fields and fields["max_tokens"] <= thinking["budget_tokens"]:
        raise Refused(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    if kind == "disabled":
        return
    if (fields.get("tool_choice") or {}).get("type") in {"any", "tool"}:
        raise Refused(400, "Thinking may not be enabled when tool_choice forces tool use.")
    _check_first_block(fields, kind)
    if fields.get("temperature", 1) != 1:
        raise Refused(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if "top_k" in fields:
        raise Refused(400, "`top_k` must be unset when thinking is enabled.")
    if fields.get("top_p", 1) < 0.95:
        raise Refused(400, "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")


def _check_first_block(fields: Fields, kind: str) -> None:
    """Within a turn of tools, the assistant's message begins with its thoughts."""
    if kind != "enabled" or not any(block["type"] == "tool_result" for block in _blocks(fields["messages"][-1])):
        return
    place, message = next(
        (i, message) for i, message in reversed([*enumerate(fields["messages"])]) if message["role"] == "assistant"
    )
    found = _blocks(message)[0]["type"]
    if found not in {"thinking", "redacted_thinking"}:
        raise Refused(
            400,
            f"messages.{place}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When "
            "`thinking` is enabled, a final `assistant` message must start with a thinking block.",
        )


def _check_sampling(fields: Fields, model: str, version: str) -> None:
    given = [name for name in ("temperature", "top_p", "top_k") if name in fields]
    if given and version >= "2026-10-21":
        raise Refused(400, f"{given[0]}: Extra inputs are not permitted")
    if given and _version(model) >= (4, 7) and any(fields[name] != 1 for name in given):
        raise Refused(400, f"`{given[0]}` is not supported for this model.")
    if {"temperature", "top_p"} <= fields.keys() and _version(model) >= (4, 1):
        raise Refused(400, "`temperature` and `top_p` cannot both be specified for this model. Please use only one.")


def _check_rest(fields: Fields, model: str) -> None:
    for sequence in fields.get("stop_sequences") or ():
        if not sequence.strip():
            raise Refused(400, "stop_sequences: each stop sequence must contain non-whitespace")
    limit = next((most for name, most in LIMITS if name in model), MOST_TOKENS)
    if fields.get("max_tokens", 0) > limit:
        raise Refused(400, f"max_tokens: {fields['max_tokens']} > {limit}, which is the maximum allowed for {model}")
    effort = (fields.get("output_config") or {}).get("effort")
    if effort and (0, 0) < _version(model) < (4, 5):
        raise Refused(400, "This model does not support the effort parameter.")
    if (cached := sum(1 for _ in _cached(fields))) > MOST_CACHED:
        message = f"A maximum of {MOST_CACHED} blocks with cache_control may be provided. Found {cached}."
        raise Refused(400, message)


def _cached(value: object) -> Iterator[object]:
    match value:
        case list():
            for item in value:
                yield from _cached(item)
        case dict():
            if value.get("cache_control"):
                yield value
            yield from (
                found for name in ("system", "tools", "messages", "content") for found in _cached(value.get(name))
            )
