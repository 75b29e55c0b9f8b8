"""What Gemini takes, field by field, and what it refuses beyond the types."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from .checking import (
    Check,
    Path,
    Refused,
    Wrong,
    anything,
    flag,
    image_type,
    indexed,
    integer,
    listed,
    mapping,
    number,
    one_of,
    single,
    struct,
    text,
)
from .said import signed

__all__ = ["BATCH", "EMBED", "GENERATE", "TOKENS", "camel", "check_contents", "check_request", "generation", "is_third"]

Fields = dict[str, Any]

FREE = {"args", "response", "responseJsonSchema", "parametersJsonSchema", "labels"}
"""Fields that hold JSON of the caller's own."""

NAMED = {"properties"}
"""Fields whose names are the caller's own, and whose values are not."""


def camel(value: Any, within: str = "") -> Any:
    """As proto3's JSON is read: either spelling of a name, and null is not said.
    https://protobuf.dev/programming-guides/json/"""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict) or within in FREE:
        return value
    names = {name: name if within in NAMED else re.sub(r"_([a-z])", lambda m: m[1].upper(), name) for name in value}
    return {names[name]: camel(item, names[name]) for name, item in value.items() if item is not None}


# --- parts ------------------------------------------------------------------------------------------------------------

MEDIA = re.compile(
    r"image/(png|jpeg|webp|heic|heif)|audio/[\w.+-]+|video/[\w.+-]+|application/(pdf|json|xml|rtf|x-javascript)|text/[\w.+-]+"
)


def _bytes(value: Any, path: Path) -> None:
    """Base64 of either alphabet, padded or not."""
    text(empty=False)(value, path)
    bare = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("value", path, "(TYPE_BYTES), Base64 decoding failed") from None


def _media_type(value: Any, path: Path) -> None:
    text()(value, path)
    if not MEDIA.fullmatch(value):
        raise Refused(400, f"Unsupported MIME type: {value}")


def _inline(value: Any, path: Path) -> None:
    struct({"mimeType": _media_type, "data": _bytes}, {"displayName": text()})(value, path)
    seen = image_type(value["data"])
    if value["mimeType"].startswith("image/") and seen not in {None, value["mimeType"]}:
        raise Refused(400, f"Provided image is not valid: it is said to be {value['mimeType']} and looks like {seen}.")


def _uri(value: Any, path: Path) -> None:
    text(empty=False)(value, path)
    fetched = r"gs://.+|https://(www\.)?(youtube\.com|youtu\.be)/.+|https?://[^/]+/v1(beta)?/files/.+"
    if not re.fullmatch(fetched, value):
        raise Refused(400, f"Cannot fetch content from the provided URL: {value}")


CALL = struct({"name": text(pattern="[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")}, {"id": text(), "args": mapping()})
RESPONSE = struct(
    {"name": text(empty=False), "response": mapping()},
    {"id": text(), "parts": listed(single({"inlineData": _inline, "fileData": mapping()}))},
)
DATA: dict[str, Check] = {
    "text": text(),
    "inlineData": _inline,
    "fileData": struct({"fileUri": _uri}, {"mimeType": _media_type, "displayName": text()}),
    "functionCall": CALL,
    "functionResponse": RESPONSE,
    "executableCode": struct({"code": text()}, {"language": text(), "id": text()}),
    "codeExecutionResult": struct({"outcome": text()}, {"output": text(), "id": text()}),
}
BESIDE: dict[str, Check] = {
    "thought": flag,
    "thoughtSignature": _bytes,
    "videoMetadata": mapping(),
    "mediaResolution": anything,
}
PART_FIELDS = struct({}, {**DATA, **BESIDE})


def _part(value: Any, path: Path) -> None:
    PART_FIELDS(value, path)
    if len(DATA.keys() & value.keys()) != 1:
        what = "required oneof field 'data' must have one initialized field"
        raise Refused(400, f"* GenerateContentRequest.{indexed(path)}.data: {what}\n")
    if value.get("text") == "" and "thoughtSignature" not in value:
        raise Refused(
            400, "Unable to submit request because it has an empty text parameter. Add a value and try again."
        )


def _role(value: Any, path: Path) -> None:
    text()(value, path)
    if value not in {"user", "model"}:
        raise Refused(400, "Please use a valid role: user, model.")


CONTENT = struct({"parts": listed(_part)}, {"role": _role})
INSTRUCTION = struct({"parts": listed(struct({"text": text(empty=False)}), least=1)}, {"role": text()})

# --- tools ------------------------------------------------------------------------------------------------------------

TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
FORMATS = {"STRING": {"enum", "date-time"}, "NUMBER": {"float", "double"}, "INTEGER": {"int32", "int64"}}


def _type(value: Any, path: Path) -> None:
    if isinstance(value, list):
        raise Refused(
            400, f"Invalid value at '{indexed(path)}' (type): Proto field is not repeating, cannot start list."
        )
    if not isinstance(value, str) or value.upper() not in TYPES:
        raise Wrong("value", path, f'(TYPE_ENUM), "{value}"')


def _schema(value: Any, path: Path) -> None:
    """The selected subset of OpenAPI's schema: https://ai.google.dev/api/caching#Schema"""
    SCHEMA_FIELDS(value, path)
    kind, place = str(value.get("type", "")).upper(), f"* GenerateContentRequest.{indexed(path)}"
    if not kind and "anyOf" not in value:
        raise Refused(400, f"{place}.type: must be specified\n")
    if kind == "OBJECT" and not value.get("properties"):
        raise Refused(400, f"{place}.properties: should be non-empty for OBJECT type\n")
    if kind == "ARRAY" and "items" not in value:
        raise Refused(400, f"{place}.items: missing field.\n")
    if value.get("enum") and kind != "STRING":
        raise Refused(400, f"{place}.enum: only allowed for STRING type\n")
    if value.get("format") and value["format"] not in FORMATS.get(kind, set()):
        raise Refused(400, f"{place}.format: only {sorted(FORMATS.get(kind, set()))} are supported for {kind} type\n")
    for i, name in enumerate(value.get("required") or ()):
        if name not in (value.get("properties") or {}):
            raise Refused(400, f"{place}.required[{i}]: property is not defined\n")


def _member(value: Any, path: Path) -> None:
    text()(value, path)
    if not value:
        raise Refused(400, f"* GenerateContentRequest.{indexed(path)}: cannot be empty\n")


SIZES = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
SCHEMA_FIELDS = struct(
    {},
    {
        **dict.fromkeys(("description", "title", "format", "pattern"), text()),
        **dict.fromkeys(SIZES, anything),
        "type": _type,
        "nullable": flag,
        "enum": listed(_member, least=1),
        "items": _schema,
        "properties": mapping(_schema),
        "required": listed(text()),
        "propertyOrdering": listed(text()),
        "anyOf": listed(_schema, least=1),
        "minimum": number(),
        "maximum": number(),
        "default": anything,
        "example": anything,
    },
)


def _function(value: Any, path: Path) -> None:
    fields = {"description": text(), "behavior": text()}
    schemas = {
        "parameters": _schema,
        "parametersJsonSchema": mapping(),
        "response": _schema,
        "responseJsonSchema": mapping(),
    }
    struct({"name": text()}, {**fields, **schemas})(value, path)
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}", value["name"]):
        what = "Invalid function name. Must start with a letter or an underscore and have at most 64 characters."
        raise Refused(400, f"* GenerateContentRequest.{indexed(path)}.name: {what}\n")
    if {"parameters", "parametersJsonSchema"} <= value.keys():
        raise Refused(400, f"* {indexed(path)}: only one of parameters and parameters_json_schema may be set.\n")


HOSTED = (
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "googleMaps",
    "computerUse",
    "fileSearch",
)
TOOL = struct({}, {"functionDeclarations": listed(_function), **dict.fromkeys(HOSTED, mapping())})
CALLING = struct({}, {"mode": one_of("AUTO", "ANY", "NONE", "VALIDATED"), "allowedFunctionNames": listed(text())})

# --- the request ------------------------------------------------------------------------------------------------------

MIMES = one_of("text/plain", "application/json", "text/x.enum")
LEVELS = {"MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"}


def _level(value: Any, path: Path) -> None:
    """In either case, as Google's own examples have it."""
    text()(value, path)
    if value.upper() not in LEVELS:
        raise Wrong("value", path, f'(TYPE_ENUM), "{value}"')


THINKING = struct({}, {"includeThoughts": flag, "thinkingBudget": integer(-1, 32768), "thinkingLevel": _level})
CONFIG = struct(
    {},
    {
        "temperature": number(0, 2),
        "topP": number(0, 1),
        "topK": number(1),
        "candidateCount": integer(1, 8),
        "maxOutputTokens": integer(1),
        "stopSequences": listed(text(empty=False), most=5),
        "responseMimeType": MIMES,
        "responseSchema": _schema,
        "responseJsonSchema": mapping(),
        "responseLogprobs": flag,
        "logprobs": integer(0, 20),
        "presencePenalty": number(-2, 2),
        "frequencyPenalty": number(-2, 2),
        "seed": integer(-(2**31), 2**31 - 1),
        "responseModalities": listed(one_of("TEXT", "IMAGE", "AUDIO")),
        "thinkingConfig": THINKING,
        "speechConfig": mapping(),
        "mediaResolution": text(),
        "imageConfig": mapping(),
    },
)
SAFETY = struct(
    {
        "category": text(pattern="HARM_CATEGORY_[A-Z_]+"),
        "threshold": one_of("BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE", "OFF"),
    },
    {"method": text()},
)
REST: dict[str, Check] = {
    "systemInstruction": INSTRUCTION,
    "tools": listed(TOOL),
    "toolConfig": struct({}, {"functionCallingConfig": CALLING, "retrievalConfig": mapping()}),
    "safetySettings": listed(SAFETY),
    "generationConfig": CONFIG,
}
MORE: dict[str, Check] = {
    "cachedContent": text(),
    "labels": mapping(text()),
    "serviceTier": text(),
    "continuationToken": text(),
    "store": flag,
    "model": text(pattern="models/.+"),
}
GENERATE = struct({"contents": listed(CONTENT)}, {**REST, **MORE})
TOKENS = struct({}, {"contents": listed(CONTENT), "generateContentRequest": GENERATE, **REST})
EMBEDDED: dict[str, Check] = {
    "taskType": text(),
    "title": text(),
    "outputDimensionality": integer(1, 3072),
    "autoTruncate": flag,
    "embedContentConfig": mapping(),
}
EMBED = struct({"content": CONTENT}, {**EMBEDDED, "model": text()})
BATCH = struct(
    {"requests": listed(struct({"content": CONTENT, "model": text(pattern="models/.+")}, EMBEDDED), least=1)}
)

# --- what goes together -----------------------------------------------------------------------------------------------

# Which tell Gemini that the calls come from another model: https://ai.google.dev/gemini-api/docs/thought-signatures
UNSIGNED = {"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}


def is_third(model: str) -> bool:
    found = re.search(r"gemini-(\d+)", model)
    return found is not None and int(found[1]) >= 3


def generation(fields: Fields) -> Fields:
    found: Fields = fields.get("generationConfig") or {}
    return found


def check_request(fields: Fields, model: str) -> None:
    """
    :raises Refused: the provider would
    """
    check_contents(fields["contents"], model)
    _check_tools(fields)
    _check_config(fields, model)
    _check_thinking(generation(fields).get("thinkingConfig") or {}, model)


def check_contents(contents: list[Fields], model: str) -> None:
    if not contents:
        raise Refused(400, "* GenerateContentRequest.contents: contents is not specified\n")
    owed: list[Fields] = []
    before = "none"
    for i, content in enumerate(contents):
        if not content["parts"]:
            raise Refused(400, f"* GenerateContentRequest.contents[{i}].parts: contents.parts must not be empty.\n")
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        mine = content.get("role", "user") == "model"
        if (calls and not mine) or (results and mine):
            raise Refused(
                400, "Please ensure that function calls are of role model and function responses of role user."
            )
        if calls and before != "user":
            what = "function call turn comes immediately after a user turn or after a function response turn."
            raise Refused(400, f"Please ensure that {what}")
        _check_answered(owed, results)
        owed, before = calls, content.get("role", "user")
        _check_signatures(content["parts"], model)
    if owed:
        raise Refused(400, "Please ensure that function call turns are followed by a function response turn.")
    if is_third(model):
        _check_all_signed(contents)


def _check_answered(calls: list[Fields], results: list[Fields]) -> None:
    if results and not calls:
        raise Refused(400, "Please ensure that function response turn comes immediately after a function call turn.")
    if len(calls) != len(results):
        raise Refused(
            400,
            "Please ensure that the number of function response parts is equal to the number of function call parts of "
            "the function call turn.",
        )
    for name in ("name", "id"):
        if sorted(call.get(name, "") for call in calls) != sorted(result.get(name, "") for result in results):
            raise Refused(400, f"Please ensure that function responses have the {name} of the function calls.")


def _check_signatures(parts: list[Fields], model: str) -> None:
    for part in parts:
        signature = part.get("thoughtSignature")
        what = part["functionCall"]["name"] if "functionCall" in part else "text"
        if signature is None or signed(signature, "gemini", model, what) or _skips(signature):
            continue
        raise Refused(400, "Thought signature is not valid.")


def _skips(signature: str) -> bool:
    plain = base64.b64decode(signature.replace("-", "+").replace("_", "/") + "==")
    return plain.decode("latin-1") in UNSIGNED


def _check_all_signed(contents: list[Fields]) -> None:
    """The first call of each step of the current turn; a turn begins where the user says something himself."""
    begun = [
        i
        for i, content in enumerate(contents)
        if content.get("role", "user") == "user" and any("functionResponse" not in part for part in content["parts"])
    ]
    for i, content in [*enumerate(contents)][begun[-1] if begun else 0 :]:
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first and "thoughtSignature" not in first:
            name = first["functionCall"]["name"]
            raise Refused(
                400,
                f"Function call is missing a thought_signature in functionCall parts. Function call `{name}`, "
                f"position {i}.",
            )


def _check_tools(fields: Fields) -> None:
    names = [f["name"] for tool in fields.get("tools") or () for f in tool.get("functionDeclarations") or ()]
    config = (fields.get("toolConfig") or {}).get("functionCallingConfig") or {}
    if len(set(names)) != len(names):
        raise Refused(400, "Duplicate function declaration found.")
    if config and not names:
        raise Refused(400, "Function calling config is set without function_declarations.")
    if config.get("allowedFunctionNames") and config.get("mode") not in {"ANY", "VALIDATED"}:
        raise Refused(400, "allowed_function_names should only be set when function calling mode is ANY or VALIDATED.")
    for name in config.get("allowedFunctionNames") or ():
        if name not in names:
            raise Refused(400, f"allowed_function_names: {name} is not in function_declarations.")


def _check_config(fields: Fields, model: str) -> None:
    config = generation(fields)
    mime = config.get("responseMimeType", "text/plain")
    functions = any(tool.get("functionDeclarations") for tool in fields.get("tools") or ())
    if {"responseSchema", "responseJsonSchema"} <= config.keys():
        raise Refused(400, "Only one of response_schema and response_json_schema may be set.")
    if {"responseSchema", "responseJsonSchema"} & config.keys() and mime == "text/plain":
        raise Refused(400, "response_schema needs a response_mime_type of application/json or text/x.enum.")
    if functions and mime == "application/json" and not is_third(model):
        raise Refused(400, f"Function calling with a response mime type: '{mime}' is unsupported")
    if "logprobs" in config and not config.get("responseLogprobs"):
        raise Refused(400, "logprobs needs response_logprobs to be true.")


def _check_thinking(thinking: Fields, model: str) -> None:
    if not thinking:
        return
    if {"thinkingBudget", "thinkingLevel"} <= thinking.keys():
        raise Refused(400, "You can only set only one of thinking budget and thinking level.")
    if "thinkingLevel" in thinking and not is_third(model):
        raise Refused(400, "Thinking level is not supported for this model.")
    if re.search(r"gemini-(1|2\.0)", model):
        raise Refused(400, f"Thinking is not enabled for models/{model}")
    budget = thinking.get("thinkingBudget", -1)
    if "2.5-pro" in model and budget == 0:
        raise Refused(400, "Budget 0 is invalid. This model only works in thinking mode.")
    lowest = 128 if "2.5-pro" in model else 512 if "flash-lite" in model else 0
    highest = 32768 if "pro" in model else 24576
    if budget > 0 and not lowest <= budget <= highest:
        raise Refused(
            400, f"The thinking budget {budget} is invalid. Please choose a value between {lowest} and {highest}."
        )
