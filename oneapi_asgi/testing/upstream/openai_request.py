"""What OpenAI's chat, Responses and embeddings take, field by field, and what they refuse beyond the types."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .ask import Ask
from .checking import (
    Check,
    Path,
    Refused,
    Wrong,
    anything,
    base64_bytes,
    either,
    flag,
    integer,
    json_object,
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

__all__ = ["check_request"]

Fields = dict[str, Any]
TYPE: dict[str, Check] = {"type": anything}


def _image_url(value: Any, path: Path) -> None:
    text(empty=False)(value, path)
    if value.startswith("data:"):
        found = re.fullmatch(r"data:image/(png|jpeg|jpg|gif|webp);base64,(.*)", value, re.DOTALL)
        if not found:
            raise Wrong("value", path, "unsupported image: expected a base64 data URL of png, jpeg, gif or webp")
        base64_bytes(found[2], path)
    elif not re.match(r"https?://", value):
        raise Wrong("value", path, "expected a URL or a base64 data URL")


def _file_data(value: Any, path: Path) -> None:
    found = re.fullmatch(r"data:[\w.+-]+/[\w.+-]+;base64,(.*)", value if isinstance(value, str) else "", re.DOTALL)
    if not found:
        raise Wrong("value", path, "expected a base64 data URL with a media type")
    base64_bytes(found[1], path)


BREAKPOINT = {"prompt_cache_breakpoint": mapping()}
TEXT = struct({**TYPE, "text": text()}, BREAKPOINT)
DETAIL = one_of("auto", "low", "high", "original")
USER_PARTS = tagged(
    {
        "text": TEXT,
        "image_url": struct({**TYPE, "image_url": struct({"url": _image_url}, {"detail": DETAIL})}, BREAKPOINT),
        "input_audio": struct(
            {**TYPE, "input_audio": struct({"data": base64_bytes, "format": one_of("wav", "mp3")})}, BREAKPOINT
        ),
        "file": struct(
            {**TYPE, "file": struct({}, {"file_data": _file_data, "file_id": text(), "filename": text()})}, BREAKPOINT
        ),
    }
)
REFUSAL = struct({**TYPE, "refusal": text()})
NAME = text(pattern="[a-zA-Z0-9_-]{1,64}")
ID = text(empty=False, most=64)
CALLS = tagged(
    {
        "function": struct({**TYPE, "id": ID, "function": struct({"name": NAME, "arguments": json_object})}),
        "custom": struct({**TYPE, "id": ID, "custom": struct({"name": NAME, "input": text()})}),
    }
)
ROLE: dict[str, Check] = {"role": anything}
WHO = {"name": text(empty=False)}
TEXTS = either(text(), listed(tagged({"text": TEXT}), least=1))
MESSAGE = tagged(
    {
        "system": struct({**ROLE, "content": TEXTS}, WHO),
        "developer": struct({**ROLE, "content": TEXTS}, WHO),
        "user": struct({**ROLE, "content": either(text(), listed(USER_PARTS, least=1))}, WHO),
        "assistant": struct(
            ROLE,
            {
                **WHO,
                "content": nullable(either(text(), listed(tagged({"text": TEXT, "refusal": REFUSAL}), least=1))),
                "refusal": nullable(text()),
                "tool_calls": listed(CALLS, least=1),
                "audio": nullable(struct({"id": text()})),
                "function_call": nullable(struct({"name": NAME, "arguments": text()})),
            },
        ),
        "tool": struct({**ROLE, "content": TEXTS, "tool_call_id": ID}),
        "function": struct({**ROLE, "content": nullable(text()), "name": NAME}),
    },
    tag="role",
)
FUNCTION = {"name": NAME, "description": text(), "parameters": mapping(), "strict": nullable(flag)}


def _only_named(fields: dict[str, Check]) -> Check:
    return struct({"name": fields["name"]}, {name: check for name, check in fields.items() if name != "name"})


TOOL = tagged(
    {
        "function": struct({**TYPE, "function": _only_named(FUNCTION)}),
        "custom": struct({**TYPE, "custom": struct({"name": NAME}, {"description": text(), "format": mapping()})}),
    }
)
NAMED = struct({"name": NAME})
WORDS = one_of("none", "auto", "required")
CHOICE = either(
    WORDS,
    tagged(
        {
            "function": struct({**TYPE, "function": NAMED}),
            "custom": struct({**TYPE, "custom": NAMED}),
            "allowed_tools": struct({**TYPE, "allowed_tools": struct({"mode": WORDS, "tools": listed(mapping())})}),
        }
    ),
)
SCHEMA = {"name": NAME, "schema": mapping(), "strict": nullable(flag), "description": text()}
FORMAT = tagged(
    {
        "text": struct(TYPE),
        "json_object": struct(TYPE),
        "json_schema": struct({**TYPE, "json_schema": _only_named(SCHEMA)}),
    }
)
EFFORT = one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")
VERBOSITY = one_of("low", "medium", "high")
METADATA = nullable(mapping(text(most=512)))
COMMON: dict[str, Check] = {
    "stream": nullable(flag),
    "temperature": nullable(number(0, 2)),
    "top_p": nullable(number(0, 1)),
    "top_logprobs": nullable(integer(0, 20)),
    "parallel_tool_calls": flag,
    "service_tier": nullable(one_of("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")),
    "store": nullable(flag),
    "metadata": METADATA,
    "user": text(),
    "safety_identifier": text(most=64),
    "prompt_cache_key": text(),
    "prompt_cache_options": mapping(),
    "prompt_cache_retention": nullable(text()),
    "moderation": mapping(),
}
CHAT = struct(
    {"model": text(empty=False), "messages": listed(MESSAGE, least=1)},
    {
        **COMMON,
        "stream_options": nullable(struct({}, {"include_usage": flag, "include_obfuscation": flag})),
        "max_tokens": nullable(integer(1)),
        "max_completion_tokens": nullable(integer(1)),
        "presence_penalty": nullable(number(-2, 2)),
        "frequency_penalty": nullable(number(-2, 2)),
        "seed": nullable(integer()),
        "logit_bias": nullable(mapping(number(-100, 100))),
        "n": nullable(integer(1, 128)),
        "stop": nullable(either(text(empty=False), listed(text(empty=False), most=4))),
        "logprobs": nullable(flag),
        "tools": listed(TOOL, least=1, most=128),
        "tool_choice": CHOICE,
        "functions": listed(_only_named(FUNCTION), least=1),
        "function_call": either(text(), NAMED),
        "response_format": FORMAT,
        "reasoning_effort": nullable(EFFORT),
        "verbosity": nullable(VERBOSITY),
        "modalities": nullable(listed(one_of("text", "audio"))),
        "audio": nullable(mapping()),
        "prediction": nullable(mapping()),
        "web_search_options": mapping(),
    },
)
FLAT_TOOL = tagged(
    {
        "function": struct({**TYPE, "name": NAME}, FUNCTION),
        "custom": struct({**TYPE, "name": NAME}, {"description": text(), "format": mapping()}),
        **dict.fromkeys(("web_search", "web_search_preview", "file_search", "code_interpreter", "mcp"), mapping()),
    }
)
EMBEDDINGS = struct(
    {"model": text(empty=False), "input": either(text(empty=False), listed(anything, least=1, most=2048))},
    {
        "dimensions": integer(1),
        "encoding_format": one_of("float", "base64"),
        "user": text(),
    },
)
RESPONSES = struct(
    {"model": text(empty=False)},
    {
        **COMMON,
        "input": either(text(), listed(mapping())),
        "instructions": nullable(either(text(), listed(mapping()))),
        "max_output_tokens": nullable(integer(16)),
        "max_tool_calls": nullable(integer(1)),
        "tools": listed(FLAT_TOOL),
        "tool_choice": either(WORDS, mapping()),
        "text": struct({}, {"format": mapping(), "verbosity": nullable(VERBOSITY)}),
        "reasoning": nullable(mapping()),
        "include": nullable(listed(text())),
        "previous_response_id": nullable(text()),
        "conversation": nullable(anything),
        "background": nullable(flag),
        "stream_options": nullable(struct({}, {"include_obfuscation": flag})),
        "truncation": nullable(one_of("auto", "disabled")),
        "prompt": nullable(mapping()),
        "context_management": nullable(listed(mapping())),
    },
)

# --- what goes together -----------------------------------------------------------------------------------------------

REASONING = re.compile(r"^(o\d|gpt-[5-9])")
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
UNSUPPORTED = ("logprobs", "top_logprobs", "logit_bias")


def check_request(ask: Ask) -> None:
    """
    :raises Wrong: as far as the fields are known
    :raises Refused: they do not go together
    """
    found = next((check for ending, check in CHECKS.items() if ask.path.endswith(ending)), None)
    if found:
        found(ask)


def _check_chat(ask: Ask) -> None:
    fields = ask.fields | {"model": ask.model}
    CHAT(fields, ())
    _check_calls(fields["messages"])
    _check_together(fields)
    if REASONING.match(ask.model):
        _check_reasoning(fields)


def _check_calls(messages: list[Fields]) -> None:
    """Calls are answered by the messages that follow at once, and nothing else is."""
    owed: list[str] = []
    answerable: list[str] = []
    for i, message in enumerate(messages):
        if message["role"] != "tool":
            _check_owed(owed)
            owed = [call["id"] for call in message.get("tool_calls") or ()]
            answerable = list(owed)
        elif message["tool_call_id"] not in answerable:
            what = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            raise Refused(400, f"Invalid parameter: {what}", None, f"messages.[{i}].role")
        else:
            owed = [call_id for call_id in owed if call_id != message["tool_call_id"]]
        if message["role"] == "assistant" and not (message.get("content") or _called(message)):
            raise Refused(
                400, "Invalid value for 'content': expected a string, got null.", None, f"messages.[{i}].content"
            )
    _check_owed(owed)


def _called(message: Fields) -> bool:
    return bool({"tool_calls", "function_call", "audio", "refusal"} & {name for name in message if message[name]})


def _check_owed(owed: list[str]) -> None:
    if owed:
        raise Refused(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(owed)}",
            None,
            "messages",
        )


def _check_together(fields: Fields) -> None:
    given = {name for name, value in fields.items() if value is not None}
    if {"max_tokens", "max_completion_tokens"} <= given:
        raise Refused(400, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    if "stream_options" in given and not fields.get("stream"):
        what = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Refused(400, what, None, "stream_options")
    if "top_logprobs" in given and not fields.get("logprobs"):
        raise Refused(400, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", None, "logprobs")
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in given and "tools" not in given:
            raise Refused(400, f"Invalid value for '{name}': only allowed when 'tools' are specified.", None, name)
    form = fields.get("response_format") or {}
    said = repr(fields["messages"]).lower()
    if form.get("type") == "json_object" and "json" not in said:
        what = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise Refused(400, what, None, "messages")


def _check_reasoning(fields: Fields) -> None:
    model = fields["model"]
    if fields.get("max_tokens") is not None:
        what = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise Refused(400, what, "unsupported_parameter", "max_tokens")
    if model.startswith("gpt-") and fields.get("reasoning_effort") == "none":
        return
    for name in SAMPLING:
        if fields.get(name) not in {None, 0 if "penalty" in name else 1}:
            what = f"Unsupported value: '{name}' does not support {fields[name]} with this model. Only the default is."
            raise Refused(400, what, "unsupported_value", name)
    banned = (*UNSUPPORTED, "stop") if re.match(r"o[34]", model) else UNSUPPORTED
    for name in banned:
        if fields.get(name) is not None:
            what = f"Unsupported parameter: '{name}' is not supported with this model."
            raise Refused(400, what, "unsupported_parameter", name)


def _check_embeddings(ask: Ask) -> None:
    EMBEDDINGS(ask.fields | {"model": ask.model}, ())


def _check_responses(ask: Ask) -> None:
    RESPONSES(ask.fields, ())
    items = ask.fields.get("input")
    called: set[str] = set()
    answered: set[str] = set()
    for i, item in enumerate(items if isinstance(items, list) else ()):
        kind = item.get("type", "message")
        if kind in {"function_call", "custom_tool_call"}:
            called.add(item["call_id"])
        if kind in {"function_call_output", "custom_tool_call_output"}:
            answered.add(item["call_id"])
        if kind == "reasoning" and not signed(item.get("encrypted_content", ""), "openai", ask.model, "reasoning"):
            _check_encrypted(item, i)
    if (unknown := sorted(answered - called)) and not ask.fields.get("previous_response_id"):
        raise Refused(400, f"No tool call found for function call output with call_id {unknown[0]}.", None, "input")
    if missing := sorted(called - answered):
        raise Refused(400, f"No tool output found for function call {missing[0]}.", None, "input")


def _check_encrypted(item: Fields, index: int) -> None:
    """Without its encrypted content a thought is known by its id alone."""
    if item.get("encrypted_content") is not None:
        what = f"The encrypted content for item {item.get('id')} could not be verified."
        raise Refused(400, what, "invalid_encrypted_content", f"input[{index}].encrypted_content")


CHECKS: dict[str, Callable[[Ask], None]] = {
    "/chat/completions": _check_chat,
    "/embeddings": _check_embeddings,
    "/responses": _check_responses,
}
