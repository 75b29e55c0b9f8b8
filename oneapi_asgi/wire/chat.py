"""The neutral request: what a caller asks of a model, in none of the formats in which it can be said.

Dialects of clients read their format into a ``Chat``, dialects of upstreams write it out of one. What a field may hold
is what the richest of them can say; whoever cannot say it names it among what was dropped.

Fields have OpenAI's names where OpenAI has one. ``None`` (or the empty tuple) is "not said". A turn of tools is a run
of ``tool`` messages with one result each; dialects whose turns alternate join them (``turns``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from ..errors import BadRequest
from .sealed import Signature

__all__ = [
    "CacheLife",
    "Chat",
    "Effort",
    "File",
    "FileKind",
    "Format",
    "Message",
    "Part",
    "Reasoning",
    "Refusal",
    "Role",
    "Target",
    "Text",
    "Thinking",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "WebSearch",
    "Written",
    "check_calls",
    "check_choice",
    "turns",
]

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
CacheLife: TypeAlias = Literal["5m", "1h"]
"""How long a provider is to keep the prompt up to a marked part."""

FileKind: TypeAlias = Literal["image", "audio", "video", "document"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Text(Struct, frozen=True, kw_only=True):
    text: str
    cache: CacheLife | None = None


class File(Struct, frozen=True, kw_only=True):
    """An image, a recording or a document: exactly one of ``data`` (base64, standard alphabet, padded), ``url`` (http,
    https, gs), ``file_id`` (of the upstream) and ``text`` (of a document that is plain text) is given.

    ``media_type`` is empty where nobody told (``url``, ``file_id``). ``cited``: the model is asked to cite it."""

    kind: FileKind
    media_type: str = ""
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    name: str = ""
    detail: str | None = None
    cited: bool = False
    cache: CacheLife | None = None


class Reasoning(Struct, frozen=True, kw_only=True):
    """What the model thought before it went on. ``redacted``: there is no text, only what the signature seals."""

    text: str = ""
    signature: Signature | None = None
    redacted: bool = False


class Refusal(Struct, frozen=True, kw_only=True):
    """The model's own words for not answering."""

    text: str


class ToolCall(Struct, frozen=True, kw_only=True):
    """``arguments`` is the text of a JSON object, ``{}`` for none; of a ``custom`` tool it is free text."""

    id: str
    name: str
    arguments: str = "{}"
    custom: bool = False
    signature: Signature | None = None


class ToolResult(Struct, frozen=True, kw_only=True):
    """``name`` is the tool's (looked up from the call where the format does not repeat it; empty if unknown)."""

    call_id: str
    name: str = ""
    parts: tuple[Text | File, ...] = ()
    error: bool = False
    custom: bool = False
    cache: CacheLife | None = None


Part: TypeAlias = Text | File | Reasoning | Refusal | ToolCall | ToolResult


class Message(Struct, frozen=True, kw_only=True):
    """``system``: Text only. ``user``: Text and File. ``assistant``: Reasoning, Text, Refusal, ToolCall, File, in the
    order in which they were made. ``tool``: one ToolResult."""

    role: Role
    parts: tuple[Part, ...] = ()
    name: str = ""


class Tool(Struct, frozen=True, kw_only=True):
    """A function the caller offers. ``parameters`` is JSON Schema, None when none was given. A ``custom`` tool takes
    free text; ``grammar`` is what the caller said about its form, as OpenAI's chat has it:
    ``{"type": "grammar", "grammar": {"definition", "syntax"}}``."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    custom: bool = False
    grammar: dict[str, Any] | None = None
    cache: CacheLife | None = None


class WebSearch(Struct, frozen=True, kw_only=True):
    """The upstream may search the web by itself. ``location`` has any of city, region, country and timezone."""

    max_uses: int | None = None
    context_size: Literal["low", "medium", "high"] | None = None
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    location: dict[str, Any] | None = None


class ToolChoice(Struct, frozen=True, kw_only=True):
    """``required`` with one name forces that tool; names beside ``auto`` or ``required`` are all that may be called."""

    mode: Literal["auto", "none", "required"]
    names: tuple[str, ...] = ()


class Format(Struct, frozen=True, kw_only=True):
    """``json``: any JSON object. ``schema``: JSON of this schema; ``name`` is empty where the format has none."""

    kind: Literal["json", "schema"]
    name: str = ""
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str = ""


class Thinking(Struct, frozen=True, kw_only=True):
    """How much the model may think: ``effort``, or a ``budget`` of output tokens (-1: as it likes), whichever the
    caller said. ``shown``: whether the thoughts are wanted in the answer (None: as the upstream does by itself).
    ``summary`` is the caller's word for how (auto, concise, detailed)."""

    effort: Effort | None = None
    budget: int | None = None
    shown: bool | None = None
    summary: str | None = None


class Chat(Struct, frozen=True, kw_only=True):
    """One request. ``model`` is the caller's name for it; ``logprobs`` the number of alternatives wanted per token.
    ``functions``: the caller knows no tools, only OpenAI's older functions; as ``include_usage``, it is for the answer.
    ``others`` are fields that only some dialects know, by their neutral name (OpenAI's, else the format's own):
    prediction, modalities, audio, store, safety_settings, … Names that begin with "_" are the client format's own notes
    for its answer, of which no upstream is told."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    web_search: WebSearch | None = None
    format: Format | None = None
    thinking: Thinking | None = None
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: int | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    verbosity: str | None = None
    prompt_cache_key: str | None = None
    stream: bool = False
    include_usage: bool = False
    functions: bool = False
    others: dict[str, Any] = {}


class Target(Struct, frozen=True, kw_only=True):
    """Where a request goes: the upstream's name of the model, its limit of output tokens if known, the quirks of the
    provider (see ``providers``), and what the channel's operator set."""

    model: str
    stream: bool
    max_output: int | None = None
    quirks: frozenset[str] = frozenset()
    options: dict[str, str] = {}


class Written(Struct, frozen=True, kw_only=True):
    """A request as the upstream's format has it. ``dropped`` are the neutral names of what it could not say (those of
    ``Chat``'s fields, or keys of ``others``), in the order of ``Chat``; ``headers`` go with it."""

    body: dict[str, Any]
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


_TURN: dict[Role, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "user"}


def turns(messages: Iterable[Message]) -> Iterator[tuple[Role, list[Part]]]:
    """The messages with runs of one side joined: results of tools belong to the user's side."""
    role: Role | None = None
    parts: list[Part] = []
    for message in messages:
        side = _TURN[message.role]
        if side != role and role is not None:
            yield role, parts
            parts = []
        role = side
        parts += message.parts
    if role is not None:
        yield role, parts


def check_calls(chat: Chat) -> None:
    """Every call of a tool is answered before the conversation goes on, and every answer belongs to a call.

    :raises BadRequest: the message names the call; providers refuse such histories, each in other words
    """
    open_calls: dict[str, str] = {}
    for index, message in enumerate(chat.messages):
        if message.role == "tool":
            for part in message.parts:
                if isinstance(part, ToolResult) and open_calls.pop(part.call_id, None) is None:
                    raise _bad(index, f"answers the tool call {part.call_id!r}, which is not open")
        elif open_calls:
            break
        else:
            open_calls = {part.id: part.name for part in message.parts if isinstance(part, ToolCall)}
    if open_calls:
        call_id, name = next(iter(open_calls.items()))
        raise BadRequest(
            f"The tool call {call_id!r} of {name!r} has no result. Send one result for each call, right after it.",
            param="messages",
            code="invalid_value",
        )


def check_choice(chat: Chat) -> None:
    """The tools of a choice are there to be chosen: a format that says a choice by what it offers would offer none.

    :raises BadRequest: the message names the tool
    """
    choice = chat.tool_choice
    if choice is None or not choice.names or not chat.tools or chat.web_search or chat.others.get("server_tools"):
        return
    if choice.mode != "none" and not {tool.name for tool in chat.tools}.intersection(choice.names):
        raise BadRequest(
            f"'tool_choice' names {choice.names[0][:80]!r}, which is not among the tools.",
            param="tool_choice",
            code="invalid_value",
        )


def _bad(index: int, what: str) -> BadRequest:
    return BadRequest(
        f"The message {index} {what}. Send results right after the message that called, with its ids.",
        param=f"messages[{index}]",
        code="invalid_value",
    )
