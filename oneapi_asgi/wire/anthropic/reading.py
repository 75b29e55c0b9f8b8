"""Anthropic's Messages, the request: as it is on the wire, and read into a ``Chat``.

The reference is https://platform.claude.com/docs/en/api/messages; the names are its own.

Server tools that were run (``server_tool_use`` and their results) are the provider's own business, and left out: no
other format has a place for them. Those that are offered and have no neutral word go to ``Chat.others`` as
``server_tools``, so that it is told who cannot have them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ...errors import BadRequest
from ..chat import (
    CacheLife,
    Chat,
    Effort,
    File,
    Format,
    Message,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from ..operations import Operation
from ..reading import decoded
from ..sealed import Signature, seal, unseal

__all__ = ["NAME", "Block", "read", "sealed_call"]

NAME: Final = "anthropic"

# The request


class _Cache(Struct):
    type: str = "ephemeral"
    ttl: CacheLife | None = None


class _Source(Struct):
    """type: base64 (media_type, data), url, file (file_id), text (data), content (content)."""

    type: str = ""
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[Block] | None = None


class Block(Struct):
    """One block of any type, in requests and in answers."""

    type: str = ""
    text: str | None = None
    source: str | _Source | None = None
    title: str | None = None
    context: str | None = None
    citations: Any = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    tool_use_id: str | None = None
    content: str | list[Block] | Block | None = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    file_id: str | None = None
    tool_name: str | None = None
    cache_control: _Cache | None = None


_Content: TypeAlias = str | list[Block]


class _Message(Struct):
    role: Literal["user", "assistant", "system"]
    content: _Content


class _Tool(Struct):
    """One that the caller runs has an ``input_schema``; those with a dated type are Anthropic's."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    max_uses: int | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    user_location: dict[str, Any] | None = None
    cache_control: _Cache | None = None


class _Choice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct):
    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Format(Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class _OutputConfig(Struct):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _Metadata(Struct):
    user_id: str | None = None


class _Request(Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    system: _Content | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    metadata: _Metadata | None = None
    service_tier: str | None = None


_request_decoder = msgspec.json.Decoder(_Request)
_fields_decoder = msgspec.json.Decoder(dict[str, Raw])
_tools_decoder = msgspec.json.Decoder(list[Any])
_any_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_KNOWN: Final = frozenset(_Request.__struct_fields__)

# Reading a request


def read(operation: Operation, body: bytes) -> Chat:
    """
    :raises BadRequest: the body cannot be read
    """
    request = decoded(_request_decoder, body)
    if operation.task == "chat" and request.max_tokens is None:
        raise _missing("max_tokens", "max_tokens")
    if request.max_tokens is not None and request.max_tokens < 0:
        raise _bad("send how many tokens the answer may have.", "max_tokens")
    fields = decoded(_fields_decoder, body)
    unknown = {name: decoded(_any_decoder, raw) for name, raw in fields.items() if name not in _KNOWN}
    others = {name: value for name, value in unknown.items() if value is not None}
    hosted = [index for index, tool in enumerate(request.tools or ()) if _hosted(tool) and not _searches(tool)]
    if hosted:
        given = decoded(_tools_decoder, fields["tools"])
        others["server_tools"] = [given[index] for index in hosted]
    wanted = (request.output_config and request.output_config.format) or request.output_format
    tier = request.service_tier
    choice = request.tool_choice
    return Chat(
        model=request.model,
        messages=tuple(_read_messages(request)),
        tools=tuple(_read_tools(request.tools or [])),
        tool_choice=_read_choice(choice),
        parallel_tool_calls=False if choice and choice.disable_parallel_tool_use else None,
        web_search=next((_read_search(tool) for tool in request.tools or () if _searches(tool)), None),
        format=Format(kind="schema", schema=wanted.schema) if wanted else None,
        thinking=_read_thinking(request),
        max_output=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=tuple(request.stop_sequences or ()),
        user=request.metadata.user_id if request.metadata else None,
        service_tier="default" if tier == "standard_only" else tier,
        stream=bool(request.stream),
        include_usage=True,
        others=others,
    )


def _bad(message: str, param: str, code: str = "invalid_value") -> BadRequest:
    return BadRequest(f"'{param}': {message}", code=code, param=param)


def _missing(name: str, where: str) -> BadRequest:
    return _bad(f"Object missing required field `{name}`.", where, "missing_required_parameter")


def _need(value: str | None, name: str, where: str) -> str:
    if value is None:
        raise _missing(name, where)
    return value


def _life(cache: _Cache | None) -> CacheLife | None:
    return None if cache is None else cache.ttl or "5m"


def _read_messages(request: _Request) -> Iterator[Message]:
    if request.system:
        yield Message(role="system", parts=tuple(_parts(request.system, _TEXTS, "system")))
    names: dict[str, str] = {}
    for index, message in enumerate(request.messages):
        where = f"messages[{index}].content"
        if message.role == "user":
            yield from _read_user(message.content, where, names)
            continue
        readers = _ASSISTANTS if message.role == "assistant" else _TEXTS
        parts = _signed_calls(_parts(message.content, readers, where))
        names.update({part.id: part.name for part in parts if isinstance(part, ToolCall)})
        yield Message(role=message.role, parts=tuple(parts))


def _read_user(content: _Content, where: str, names: dict[str, str]) -> Iterator[Message]:
    """Results come first, one message each: that is where they belong, and what the format itself asks for."""
    parts = list(_parts(content, _USERS, where))
    for part in parts:
        if isinstance(part, ToolResult):
            yield Message(role="tool", parts=(replace(part, name=names.get(part.call_id, "")),))
    rest = tuple(part for part in parts if not isinstance(part, ToolResult))
    if rest or not parts:
        yield Message(role="user", parts=rest)


def _parts(content: _Content, readers: Mapping[str, _Reader], where: str) -> Iterator[Part]:
    if isinstance(content, str):
        content = [Block(type="text", text=content)] if content else []
    for index, block in enumerate(content):
        place = f"{where}[{index}]"
        kind = "*_tool_result" if block.type.endswith("_tool_result") else block.type
        reader = readers.get(kind)
        if reader is None:
            known = ", ".join(name for name in sorted(readers) if "*" not in name)
            raise _bad(f"a block of type {block.type[:40]!r} cannot be here. Send one of: {known}.", f"{place}.type")
        yield from reader(block, place)


def _read_text(block: Block, where: str) -> Iterator[Part]:
    yield Text(text=_need(block.text, "text", where), cache=_life(block.cache_control))


def _read_file(block: Block, where: str) -> Iterator[Part]:
    if not isinstance(block.source, _Source):
        raise _missing("source", where)
    if block.context:
        yield Text(text=block.context)
    source, place = block.source, f"{where}.source"
    cited = isinstance(block.citations, dict) and block.citations.get("enabled") is True
    common = File(
        kind="image" if block.type == "image" else "document",
        name=block.title or "",
        cited=cited,
        cache=_life(block.cache_control),
    )
    match source.type:
        case "base64":
            data = _need(source.data, "data", place)
            yield replace(common, data=data, media_type=_need(source.media_type, "media_type", place))
        case "url":
            yield replace(common, url=_need(source.url, "url", place))
        case "file":
            yield replace(common, file_id=_need(source.file_id, "file_id", place))
        case "text":
            yield replace(common, text=_need(source.data, "data", place), media_type="text/plain")
        case "content":
            parts = list(_parts(source.content or [], _CONTENTS, f"{place}.content"))
            text = "\n\n".join(part.text for part in parts if isinstance(part, Text))
            yield replace(common, text=text, media_type="text/plain")
            yield from (part for part in parts if isinstance(part, File))
        case other:
            raise _bad(f"unknown source {other[:40]!r}. Send base64, url, file, text or content.", f"{place}.type")


def _read_found(block: Block, where: str) -> Iterator[Part]:
    content = block.content if isinstance(block.content, str | list) else []
    texts = [part.text for part in _parts(content, _TEXTS, f"{where}.content") if isinstance(part, Text)]
    source = block.source if isinstance(block.source, str) else ""
    yield File(
        kind="document",
        media_type="text/plain",
        text="\n\n".join([source, *texts] if source else texts),
        name=block.title or "",
        cited=isinstance(block.citations, dict) and block.citations.get("enabled") is True,
        cache=_life(block.cache_control),
    )


def _read_result(block: Block, where: str) -> Iterator[Part]:
    content = [block.content] if isinstance(block.content, Block) else block.content or []
    parts = _parts(content, _RESULTS, f"{where}.content")
    yield ToolResult(
        call_id=_need(block.tool_use_id, "tool_use_id", where),
        parts=tuple(part for part in parts if isinstance(part, Text | File)),
        error=bool(block.is_error),
        cache=_life(block.cache_control),
    )


def _read_call(block: Block, where: str) -> Iterator[Part]:
    given = {} if block.input is None else block.input
    if not isinstance(given, dict):
        raise _bad("the input of a tool is an object.", f"{where}.input", "invalid_type")
    yield ToolCall(id=_need(block.id, "id", where), name=_need(block.name, "name", where), arguments=_json(given))


def _read_thought(block: Block, where: str) -> Iterator[Part]:
    signature = unseal(block.signature, NAME) if block.signature else None
    yield Reasoning(text=_need(block.thinking, "thinking", where), signature=signature)


def _read_redacted(block: Block, where: str) -> Iterator[Part]:
    yield Reasoning(redacted=True, signature=unseal(_need(block.data, "data", where), NAME))


def _read_compaction(block: Block, where: str) -> Iterator[Part]:  # noqa: ARG001
    if isinstance(block.content, str):
        yield Text(text=block.content, cache=_life(block.cache_control))


def _read_upload(block: Block, where: str) -> Iterator[Part]:
    yield File(kind="document", file_id=_need(block.file_id, "file_id", where))


def _read_reference(block: Block, where: str) -> Iterator[Part]:
    yield Text(text=_need(block.tool_name, "tool_name", where))


def _read_nothing(block: Block, where: str) -> Iterator[Part]:  # noqa: ARG001
    yield from ()


_Reader: TypeAlias = Callable[[Block, str], Iterator[Part]]
_TEXTS: Final[dict[str, _Reader]] = {"text": _read_text}
_CONTENTS: Final[dict[str, _Reader]] = _TEXTS | {"image": _read_file}
_FILES: Final[dict[str, _Reader]] = _CONTENTS | {"document": _read_file, "search_result": _read_found}
_RESULTS: Final[dict[str, _Reader]] = _FILES | {"tool_reference": _read_reference}
_USERS: Final[dict[str, _Reader]] = _FILES | {"tool_result": _read_result, "container_upload": _read_upload}
_ASSISTANTS: Final[dict[str, _Reader]] = _TEXTS | {
    "document": _read_file,
    "thinking": _read_thought,
    "redacted_thinking": _read_redacted,
    "tool_use": _read_call,
    "compaction": _read_compaction,
    "server_tool_use": _read_nothing,
    "mcp_tool_use": _read_nothing,
    "*_tool_result": _read_nothing,
}

_OF_CALL = "call:"
"""What a provider signed along with a call travels as redacted thinking in front of it: the block of a call has no
place for it. This mark before the dialect tells it from what really is redacted thinking."""


def sealed_call(signature: Signature) -> str:
    """The data of such a block."""
    return seal(Signature(_OF_CALL + signature.dialect, signature.model, signature.value))


def _signed_calls(parts: Iterator[Part]) -> list[Part]:
    found: list[Part] = []
    carried: Signature | None = None
    for part in parts:
        signature = part.signature if isinstance(part, Reasoning) else None
        if signature and signature.dialect.startswith(_OF_CALL):
            carried = Signature(signature.dialect.removeprefix(_OF_CALL), signature.model, signature.value)
        elif isinstance(part, ToolCall):
            found.append(replace(part, signature=carried))
            carried = None
        else:
            found.append(part)
    return found


def _hosted(tool: _Tool) -> bool:
    return tool.type not in (None, "custom")


def _searches(tool: _Tool) -> bool:
    return (tool.type or "").startswith("web_search_")


def _read_tools(tools: list[_Tool]) -> Iterator[Tool]:
    for index, tool in enumerate(tools):
        if _hosted(tool):
            continue
        if not tool.name:
            raise _missing("name", f"tools[{index}]")
        yield Tool(
            name=tool.name,
            description=tool.description or "",
            parameters=tool.input_schema,
            strict=tool.strict,
            cache=_life(tool.cache_control),
        )


def _read_search(tool: _Tool) -> WebSearch:
    location = {name: value for name, value in (tool.user_location or {}).items() if name != "type"}
    return WebSearch(
        max_uses=tool.max_uses,
        allowed_domains=tuple(tool.allowed_domains or ()),
        blocked_domains=tuple(tool.blocked_domains or ()),
        location=location or None,
    )


_CHOICES: Final[dict[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "required",
}


def _read_choice(choice: _Choice | None) -> ToolChoice | None:
    if choice is None:
        return None
    names = (_need(choice.name, "name", "tool_choice"),) if choice.type == "tool" else ()
    return ToolChoice(mode=_CHOICES[choice.type], names=names)


def _read_thinking(request: _Request) -> Thinking | None:
    given = request.thinking
    effort: Effort | None = request.output_config.effort if request.output_config else None
    if given is None:
        return Thinking(effort=effort) if effort else None
    if given.type in ("disabled", "between_tools"):  # the latter is how some models are told not to think ahead
        return Thinking(effort="none")
    shown = None if given.display is None else given.display == "summarized"
    if given.type == "enabled":
        if given.budget_tokens is None:
            raise _missing("budget_tokens", "thinking")
        return Thinking(effort=effort, budget=given.budget_tokens, shown=shown)
    return Thinking(effort=effort, budget=None if effort else -1, shown=shown)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
