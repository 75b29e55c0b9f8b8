"""What Bedrock's Converse takes, field by field, and what it refuses beyond the types."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from .checking import (
    Check,
    Path,
    Refused,
    Wrong,
    anything,
    base64_bytes,
    dotted,
    flag,
    image_type,
    integer,
    json_object,
    listed,
    mapping,
    number,
    one_of,
    single,
    struct,
    text,
)
from .said import signed

__all__ = ["REQUEST", "check_request"]

Fields = dict[str, Any]

# --- the fields -------------------------------------------------------------------------------------------------------

ID = text(pattern="[a-zA-Z0-9_.:-]{1,64}")
NAME = text(pattern="[a-zA-Z0-9_-]{1,64}")
CACHE_POINT = struct({"type": one_of("default")}, {"ttl": one_of("5m", "1h")})
S3 = struct({"uri": text(pattern="s3://.+")}, {"bucketOwner": text()})
SOURCE = single({"bytes": base64_bytes, "s3Location": S3})
VIDEO_FORMATS = one_of("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp")
AUDIO_FORMATS = one_of("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "pcm")


def _image(value: Any, path: Path) -> None:
    struct({"format": one_of("png", "jpeg", "gif", "webp"), "source": SOURCE})(value, path)
    seen = image_type(value["source"].get("bytes", ""))
    if seen not in {None, f"image/{value['format']}"}:
        raise Wrong("value", (*path, "format"), f"the image is said to be {value['format']} and looks like {seen}")


def _document_name(value: Any, path: Path) -> None:
    text(empty=False, most=200)(value, path)
    if not re.fullmatch(r"[A-Za-z0-9 ()\[\]-]+", value) or "  " in value:
        raise Refused(
            400,
            "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
            "parentheses, and square brackets. The name can't contain more than one consecutive whitespace character.",
        )


def _said(value: Any, path: Path) -> None:
    text()(value, path)
    if not value.strip():
        place = dotted(path[:-1])
        what = (
            f"The text field in the ContentBlock object at {place} is blank. Add text to the text field, and try again."
        )
        raise Refused(400, what)


def _object(value: Any, path: Path) -> None:
    if not isinstance(value, dict):
        what = (
            f"The format of the value at {dotted(path)} is invalid. Provide a json object for the field and try again."
        )
        raise Refused(400, what)


CITED = struct({"enabled": flag})
DOCUMENT = struct(
    {
        "name": _document_name,
        "source": single(
            {
                "bytes": base64_bytes,
                "s3Location": S3,
                "text": text(empty=False),
                "content": listed(struct({"text": _said})),
            }
        ),
    },
    {
        "format": one_of("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"),
        "context": text(),
        "citations": CITED,
    },
)
FOUND = struct({"source": text(), "title": text(), "content": listed(struct({"text": _said}))}, {"citations": CITED})
VIDEO = struct({"format": VIDEO_FORMATS, "source": SOURCE})
RESULT: dict[str, Check] = {
    "text": _said,
    "json": _object,
    "image": _image,
    "document": DOCUMENT,
    "video": VIDEO,
    "searchResult": FOUND,
}
BLOCK = single(
    {
        "text": _said,
        "image": _image,
        "document": DOCUMENT,
        "video": VIDEO,
        "audio": struct({"format": AUDIO_FORMATS, "source": SOURCE}),
        "toolUse": struct({"toolUseId": ID, "name": NAME, "input": _object}),
        "toolResult": struct(
            {"toolUseId": ID, "content": listed(single(RESULT))}, {"status": one_of("success", "error")}
        ),
        "cachePoint": CACHE_POINT,
        "reasoningContent": single(
            {
                "reasoningText": struct({"text": text()}, {"signature": text()}),
                "redactedContent": base64_bytes,
            }
        ),
        "guardContent": mapping(),
        "searchResult": FOUND,
        "citationsContent": mapping(),
    }
)
MESSAGE = struct({"role": one_of("user", "assistant", "system"), "content": listed(BLOCK)})


def _schema(value: Any, path: Path) -> None:
    _object(value, path)
    if value.get("type") != "object":
        what = f"The value at {dotted(path)}.type must be one of the following: object."
        raise Refused(400, what)


SPEC = struct(
    {"name": NAME, "inputSchema": struct({"json": _schema})}, {"description": text(empty=False), "strict": flag}
)
CHOICE = single({"auto": struct({}), "any": struct({}), "tool": struct({"name": NAME})})
JSON_SCHEMA = struct({"schema": json_object}, {"name": text(), "description": text()})
FORMAT = struct({"type": one_of("json_schema"), "structure": struct({"jsonSchema": JSON_SCHEMA})})
REQUEST = struct(
    {"messages": listed(MESSAGE, least=1)},
    {
        "system": listed(single({"text": _said, "cachePoint": CACHE_POINT, "guardContent": mapping()})),
        "inferenceConfig": struct(
            {},
            {
                "maxTokens": integer(1),
                "temperature": number(0, 1),
                "topP": number(0, 1),
                "stopSequences": listed(text(empty=False), most=2500),
            },
        ),
        "toolConfig": struct(
            {"tools": listed(single({"toolSpec": SPEC, "cachePoint": CACHE_POINT, "systemTool": mapping()}), least=1)},
            {"toolChoice": CHOICE},
        ),
        "additionalModelRequestFields": _object,
        "additionalModelResponseFieldPaths": listed(text(pattern="/.+"), most=10),
        "guardrailConfig": mapping(),
        "performanceConfig": struct({"latency": one_of("standard", "optimized")}),
        "serviceTier": struct({"type": one_of("priority", "default", "flex", "reserved")}),
        "requestMetadata": mapping(text(most=256)),
        "promptVariables": mapping(anything),
        "outputConfig": struct({}, {"textFormat": FORMAT, "effort": text(most=16)}),
    },
)

# --- what goes together -----------------------------------------------------------------------------------------------


def check_request(fields: Fields, model: str) -> None:
    """
    :raises Refused: the provider would
    """
    messages = fields["messages"]
    _check_roles([message["role"] for message in messages])
    owed: list[str] = []
    for i, message in enumerate(messages):
        content, place = message["content"], f"messages.{i}.content"
        if not content:
            raise Refused(400, f"The content field in the Message object at messages.{i} is empty. Add a ContentBlock.")
        _check_results(content, owed, place)
        _check_files(content, message["role"], place)
        _check_signatures(content, place, model)
        owed = [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]
    if owed:
        raise Refused(
            400, f"Expected toolResult blocks after messages.{len(messages) - 1}.content for: {', '.join(owed)}"
        )
    _check_tools(fields)
    _check_thinking(fields)


def _check_roles(roles: list[str]) -> None:
    if roles[0] != "user":
        again = "Try again with a conversation that starts with a user message."
        raise Refused(400, f"A conversation must start with a user message. {again}")
    turns = [role for role in roles if role != "system"]
    if any(first == second for first, second in pairwise(turns)):
        raise Refused(
            400,
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again.",
        )


def _check_results(content: list[Fields], owed: list[str], place: str) -> None:
    results = [block["toolResult"]["toolUseId"] for block in content if "toolResult" in block]
    if len(results) > len(owed):
        what = f"The number of toolResult blocks at {place} exceeds the number of toolUse blocks of previous turn."
        raise Refused(400, what)
    if missing := [call_id for call_id in owed if call_id not in results]:
        raise Refused(400, f"Expected toolResult blocks at {place} for the following Ids: {', '.join(missing)}")
    if set(results) - set(owed):
        raise Refused(400, f"The toolUseId of a toolResult at {place} is none of the previous turn.")


def _check_files(content: list[Fields], role: str, place: str) -> None:
    documents = [block["document"]["name"] for block in content if "document" in block]
    kinds = {kind for block in content for kind in block}
    if len(set(documents)) != len(documents):
        raise Refused(400, f"Documents at {place} must have different names.")
    if documents and "text" not in kinds:
        raise Refused(400, f"A document at {place} needs a text block beside it.")
    if role == "assistant" and kinds & {"document", "toolResult", "video"}:
        raise Refused(400, f"Messages with role assistant take no documents and no tool results: {place}")
    if role == "user" and kinds & {"toolUse", "reasoningContent"}:
        raise Refused(400, f"Messages with role user take no tool uses and no reasoning: {place}")


def _check_signatures(content: list[Fields], place: str, model: str) -> None:
    for i, block in enumerate(content):
        reasoning = (block.get("reasoningContent") or {}).get("reasoningText")
        if reasoning and not signed(reasoning.get("signature"), "bedrock", model, reasoning["text"]):
            raise Refused(400, f"{place}.{i}: Invalid `signature` in `thinking` block")


def _check_tools(fields: Fields) -> None:
    config = fields.get("toolConfig") or {}
    names = [tool["toolSpec"]["name"] for tool in config.get("tools") or () if "toolSpec" in tool]
    wanted = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    kinds = {kind for message in fields["messages"] for block in message["content"] for kind in block}
    if kinds & {"toolUse", "toolResult"} and not names:
        raise Refused(400, "The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    if len(set(names)) != len(names):
        raise Refused(400, "The tool names at toolConfig.tools must be unique.")
    if wanted and wanted not in names:
        raise Refused(400, f"The tool {wanted} of toolConfig.toolChoice is not in toolConfig.tools.")


def _check_thinking(fields: Fields) -> None:
    """Claude's thinking comes among the model's own fields."""
    thinking = (fields.get("additionalModelRequestFields") or {}).get("thinking") or {}
    config = fields.get("inferenceConfig") or {}
    if thinking.get("type") != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < 1024:
        raise Refused(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if config.get("maxTokens", budget + 1) <= budget:
        raise Refused(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    if config.get("temperature", 1) != 1:
        raise Refused(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if {"any", "tool"} & ((fields.get("toolConfig") or {}).get("toolChoice") or {}).keys():
        raise Refused(400, "Thinking may not be enabled when tool_choice forces tool use.")
