"""Requests in OpenAI's Responses format, as they are on the wire and as they are read.

https://platform.openai.com/docs/api-reference/responses/create

A request is a list of *items*: messages, the model's thoughts, calls of tools and what came of them; so is an answer
(see ``answers``). Only what fits into one request is translated: whatever refers to something that a
provider keeps (an earlier response, a conversation, a prompt) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct

from ...errors import BadRequest
from ..chat import (
    CacheLife,
    Chat,
    Effort,
    File,
    FileKind,
    Format,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
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
from ..sealed import Signature, unseal

__all__ = [
    "CALL_MARK",
    "ECHO",
    "ECHOED",
    "ENCRYPTED",
    "LOGPROBS",
    "NAME",
    "PARAGRAPH",
    "SUFFIXES",
    "Content",
    "Fields",
    "Item",
    "arguments_of",
    "listed",
    "read_response",
]

Fields: TypeAlias = dict[str, Any]

Listed = TypeVar("Listed")

NAME: Final = "responses"

# --- The request, as it is on the wire --------------------------------------------------------------------------------


class Breakpoint(Struct):
    mode: str = "explicit"
    ttl: str | None = None


class Audio(Struct):
    data: str
    format: str


class Content(Struct):
    """A piece of content; ``type`` says which fields it has."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    detail: str | None = None
    input_audio: Audio | None = None
    prompt_cache_breakpoint: Breakpoint | None = None
    annotations: list[Fields] | None = None
    logprobs: list[Fields] | None = None


class Item(Struct):
    """An item, of a request or of an answer; ``type`` says which fields it has. A message need not say its type."""

    type: str | None = None
    id: str | None = None
    role: str | None = None
    content: str | list[Content] | None = None
    summary: list[Content] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | Fields | None = None
    input: str | None = None
    output: str | list[Content] | Fields | None = None
    result: str | None = None
    output_format: str | None = None


class _Filters(Struct):
    allowed_domains: list[str] | None = None


class _Tool(Struct):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: Fields | None = None
    strict: bool | None = None
    format: Fields | None = None
    filters: _Filters | None = None
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: Fields | None = None
    external_web_access: bool | None = None


class _ToolChoice(Struct):
    type: str
    name: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[_Tool] = []


class _Format(Struct):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: Fields | None = None
    strict: bool | None = None
    description: str | None = None


class _Text(Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(Struct):
    effort: Effort | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class _Request(Struct):
    """The fields that are read here. All others are ``Chat.others``."""

    model: str | None = None
    input: str | list[Item] | None = None
    instructions: str | list[Item] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    stream: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: str | Fields | None = None
    prompt: Fields | None = None


PARAGRAPH: Final = "\n\n"
"""Between the parts of one thought."""

CALL_MARK: Final = "call:"
"""Before a signature that belongs to the call after it: an item of a call has no field that clients would send back."""

ECHOED: Final[Fields] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""Fields of the request that the answer repeats, and what it says where the request did not."""

ECHO: Final = "_responses"
"""Where ``Chat.others`` has them."""

_request = msgspec.json.Decoder(_Request)
_fields = msgspec.json.Decoder(dict[str, Raw])
_anything = msgspec.json.Decoder(Any)

_SAY_IT_WHOLE = "Send the whole conversation as 'input', or name a model whose channel speaks the Responses format."
_ELSEWHERE = {
    "previous_response_id": ("previous_response_not_found", "Earlier responses are kept by their provider alone."),
    "conversation": ("previous_response_not_found", "Conversations are kept by their provider alone."),
    "prompt": ("unsupported_parameter", "Prompt templates are kept by their provider alone."),
    "background": ("unsupported_parameter", "Responses in the background are not available for this model."),
}
"""What refers to, or needs, something that a provider keeps."""

_UNSAID: Final[Fields] = {"store": False, "truncation": "disabled", "stream_options": {"include_obfuscation": False}}
"""What a field says that says no more than leaving it out, as far as a translation goes."""

ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"


def read_response(operation: Operation, body: bytes) -> Chat:
    request = decoded(_request, body)
    given = decoded(_fields, body)
    _check(request, operation)
    reasoning = request.reasoning or _Reasoning()
    text = request.text or _Text()
    include = request.include or []
    tools, search = _tools(request.tools or [])
    messages, unread = _messages(request)
    user = request.user if request.user is not None else request.safety_identifier
    return Chat(
        model=request.model or "",
        messages=messages,
        tools=tools,
        tool_choice=_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls,
        web_search=search,
        format=_format(text.format),
        thinking=_thinking(reasoning),
        max_output=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        logprobs=request.top_logprobs or 0 if request.top_logprobs or LOGPROBS in include else None,
        user=user,
        metadata=dict(request.metadata) if request.metadata else None,
        service_tier=request.service_tier,
        verbosity=text.verbosity,
        prompt_cache_key=request.prompt_cache_key,
        stream=bool(request.stream),
        include_usage=True,
        others=_others(request, given, user) | unread,
    )


def _check(request: _Request, operation: Operation) -> None:
    for name, (code, why) in _ELSEWHERE.items():
        if getattr(request, name):
            raise BadRequest(f"'{name}': {why} {_SAY_IT_WHOLE}", param=name, code=code)
    if not request.model and operation.task != "count":
        raise BadRequest("'model' is missing.", param="model", code="missing_required_parameter")
    if request.input is None and operation.task != "count":
        raise BadRequest(f"'input' is missing. {_SAY_IT_WHOLE}", param="input", code="missing_required_parameter")


def _others(request: _Request, given: Mapping[str, Raw], user: str | None) -> Fields:
    values: Fields = {
        name: decoded(_anything, bytes(raw)) for name, raw in given.items() if name not in _READ or name in ECHOED
    }
    others = {
        name: value
        for name, value in values.items()
        if name not in _READ and value not in (None, {}, []) and value != _UNSAID.get(name)
    }
    if request.safety_identifier not in (None, user):
        others["safety_identifier"] = request.safety_identifier
    if include := [word for word in request.include or [] if word not in (ENCRYPTED, LOGPROBS)]:
        others["include"] = include
    for name in ("context", "mode"):
        value = getattr(request.reasoning, name, None)
        if value is not None:
            others[f"reasoning.{name}"] = value
    return others | {ECHO: _echo(values)}


def _echo(values: Fields) -> Fields:
    echo: Fields = {name: default if values.get(name) is None else values[name] for name, default in ECHOED.items()}
    echo["text"] = ECHOED["text"] | {name: value for name, value in echo["text"].items() if value is not None}
    return echo


_READ = frozenset(_Request.__struct_fields__)


def _thinking(reasoning: _Reasoning) -> Thinking | None:
    summary = reasoning.summary or reasoning.generate_summary
    if reasoning.effort is None and summary is None:
        return None
    return Thinking(effort=reasoning.effort, shown=True if summary else None, summary=summary)


def _format(given: _Format | None) -> Format | None:
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        return Format(kind="json")
    if not given.name or given.schema is None:
        raise BadRequest(
            "'text.format': a json_schema needs a 'name' and a 'schema'.",
            param="text.format",
            code="missing_required_parameter",
        )
    return Format(
        kind="schema", name=given.name, schema=given.schema, strict=given.strict, description=given.description or ""
    )


def _tools(given: list[_Tool]) -> tuple[tuple[Tool, ...], WebSearch | None]:
    tools: list[Tool] = []
    search: WebSearch | None = None
    for index, tool in enumerate(given):
        where = f"tools[{index}]"
        if tool.type.startswith("web_search"):
            search = _web_search(tool, where)
        elif tool.type not in ("function", "custom"):
            raise BadRequest(
                f"'{where}': the tool {tool.type[:80]!r} is run by its provider, and not available for this model. "
                "Leave it out, or name a model whose channel speaks the Responses format.",
                param=f"{where}.type",
                code="unsupported_value",
            )
        else:
            tools.append(_tool(tool, where))
    return tuple(tools), search


def _tool(tool: _Tool, where: str) -> Tool:
    if not tool.name:
        raise BadRequest(f"'{where}.name' is missing.", param=f"{where}.name", code="missing_required_parameter")
    return Tool(
        name=tool.name,
        description=tool.description or "",
        parameters=tool.parameters,
        strict=tool.strict,
        custom=tool.type == "custom",
        grammar=_nested(tool.format),
    )


def _nested(grammar: Fields | None) -> Fields | None:
    """As chat completions have it: what it is lies in a field named for its type."""
    if grammar is None or "type" not in grammar:
        return grammar
    fields = {name: value for name, value in grammar.items() if name != "type"}
    return {"type": grammar["type"]} | ({grammar["type"]: fields} if fields else {})


def _web_search(tool: _Tool, where: str) -> WebSearch:
    if tool.external_web_access is False:
        raise BadRequest(
            f"'{where}.external_web_access': a search that stays offline is not available for this model. Leave the "
            "tool out, or allow the access.",
            param=f"{where}.external_web_access",
            code="unsupported_value",
        )
    domains = tool.filters.allowed_domains if tool.filters else None
    place = {name: value for name, value in (tool.user_location or {}).items() if name != "type" and value is not None}
    return WebSearch(
        context_size=tool.search_context_size, allowed_domains=tuple(domains or ()), location=place or None
    )


def _choice(given: str | _ToolChoice | None) -> ToolChoice | None:
    if given is None:
        return None
    if isinstance(given, str):
        return ToolChoice(mode=_MODES[given])
    if given.type in ("function", "custom"):
        return ToolChoice(mode="required", names=(_named(given, "tool_choice"),))
    if given.type == "allowed_tools":
        names = tuple(_named(tool, f"tool_choice.tools[{index}]") for index, tool in enumerate(given.tools))
        return ToolChoice(mode=given.mode, names=names)
    raise BadRequest(
        f"'tool_choice': {given.type[:80]!r} is not available for this model. Name a function, or say auto, none or "
        "required.",
        param="tool_choice",
        code="unsupported_value",
    )


_MODES: Final[dict[str, Literal["auto", "none", "required"]]] = {"auto": "auto", "none": "none", "required": "required"}


def _named(given: _Tool | _ToolChoice, where: str) -> str:
    if not given.name:
        raise BadRequest(
            f"'{where}' names no function. Only tools of the types function and custom can be chosen for this model.",
            param=where,
            code="unsupported_value",
        )
    return given.name


# --- Items and messages -----------------------------------------------------------------------------------------------

_ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}
_MAY_HOLD: Final[dict[Role, tuple[type, ...]]] = {
    "system": (Text,),
    "user": (Text, File),
    "assistant": (Text, Refusal),
    "tool": (Text, File),
}
_LIVES: Final[dict[str | None, CacheLife]] = {None: "5m", "30m": "1h", "12h": "1h"}
"""The shortest life that others know and that is long enough; unsaid, it is the one that costs least."""


class _Turn:
    """One message to be; ``results`` are of the calls in it."""

    __slots__ = ("parts", "results", "role")

    def __init__(self, role: Role) -> None:
        self.role = role
        self.parts: list[Part] = []
        self.results: list[ToolResult] = []


class _History:
    """Items on their way to messages. What the model said in a row is one turn, and a result goes to the turn that
    called, wherever it stands: the format asks only that there is such a call."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._calls: dict[str, tuple[_Turn, ToolCall]] = {}
        self._signature: Signature | None = None
        self.unread: Fields = {}

    def messages(self) -> Iterator[Message]:
        for turn in self._turns:
            yield Message(role=turn.role, parts=tuple(turn.parts))
            for result in turn.results:
                yield Message(role="tool", parts=(result,))

    def add(self, item: Item, where: str) -> None:
        kind = item.type or ("message" if item.role else "item_reference")
        if kind == "message":
            self.say(_role(item, where), item.content, where)
        elif kind == "web_search_call":
            self.unread[kind] = True
        elif kind in _ITEMS:
            _ITEMS[kind](self, item, where)
        elif kind == "item_reference":
            raise BadRequest(
                f"'{where}' refers to an item that its provider keeps. {_SAY_IT_WHOLE}",
                param=where,
                code="previous_response_not_found",
            )
        else:
            raise BadRequest(
                f"'{where}': items of the type {kind[:80]!r} can only be read by their provider. Leave it out, or name "
                "a model whose channel speaks the Responses format.",
                param=where,
                code="unsupported_value",
            )

    def say(self, role: Role, content: str | list[Content] | None, where: str) -> None:
        turn = self._assistant() if role == "assistant" else self._new(role)
        turn.parts += _parts(content, role, f"{where}.content")

    def _new(self, role: Role) -> _Turn:
        self._turns.append(_Turn(role))
        return self._turns[-1]

    def _assistant(self) -> _Turn:
        last = self._turns[-1] if self._turns else None
        return last if last is not None and last.role == "assistant" and not last.results else self._new("assistant")

    def think(self, item: Item, _: str) -> None:
        sealed = item.encrypted_content
        if sealed and sealed.startswith(CALL_MARK):
            self._signature = unseal(sealed.removeprefix(CALL_MARK), NAME)
            return
        texts = [part.text for part in (*(item.summary or ()), *listed(item.content)) if part.text]
        signature = unseal(sealed, NAME) if sealed else None
        if texts or signature is not None:
            thought = Reasoning(text=PARAGRAPH.join(texts), signature=signature, redacted=not texts)
            self._assistant().parts.append(thought)

    def call(self, item: Item, where: str) -> None:
        call_id, name = _needed(item, "call_id", where), _needed(item, "name", where)
        custom = item.type == "custom_tool_call"
        arguments = (item.input or "") if custom else arguments_of(item.arguments) or "{}"
        call = ToolCall(id=call_id, name=name, arguments=arguments, custom=custom, signature=self._signature)
        self._signature = None
        turn = self._assistant()
        turn.parts.append(call)
        self._calls[call_id] = (turn, call)

    def result(self, item: Item, where: str) -> None:
        call_id = _needed(item, "call_id", where)
        if call_id not in self._calls:
            raise BadRequest(
                f"'{where}': no tool call has the call_id {call_id[:80]!r}. Send the call before its output.",
                param=where,
                code="invalid_value",
            )
        if isinstance(item.output, dict):
            raise BadRequest(
                f"'{where}.output': Expected `str | array`, got `object`.", param=f"{where}.output", code="invalid_type"
            )
        turn, call = self._calls[call_id]
        parts = _parts(item.output, "tool", f"{where}.output")
        result = ToolResult(
            call_id=call_id,
            name=call.name,
            parts=tuple(part for part in parts if isinstance(part, Text | File)),
            custom=call.custom,
        )
        turn.results.append(result)

    def image(self, item: Item, where: str) -> None:
        if item.result:
            data = _base64(item.result, f"{where}.result")
            media_type = f"image/{item.output_format or 'png'}"
            self._assistant().parts.append(File(kind="image", media_type=media_type, data=data))


_ITEMS: Final[dict[str, Callable[[_History, Item, str], None]]] = {
    "reasoning": _History.think,
    "function_call": _History.call,
    "custom_tool_call": _History.call,
    "function_call_output": _History.result,
    "custom_tool_call_output": _History.result,
    "image_generation_call": _History.image,
}


def _messages(request: _Request) -> tuple[tuple[Message, ...], Fields]:
    history = _History()
    if isinstance(request.instructions, str):
        history.say("system", request.instructions, "instructions")
    for name, items in (("instructions", request.instructions), ("input", request.input)):
        for index, item in enumerate(listed(items)):
            history.add(item, f"{name}[{index}]")
    if isinstance(request.input, str):
        history.say("user", request.input, "input")
    return tuple(history.messages()), history.unread


def _role(item: Item, where: str) -> Role:
    role = _ROLES.get(item.role or "")
    if role is None:
        raise BadRequest(
            f"'{where}.role': expected one of {', '.join(_ROLES)}. Results of tools are items of their own, of "
            "the type function_call_output.",
            param=f"{where}.role",
            code="invalid_value",
        )
    return role


def _needed(item: Item, name: str, where: str) -> str:
    value = getattr(item, name)
    if not value:
        raise BadRequest(f"'{where}.{name}' is missing.", param=f"{where}.{name}", code="missing_required_parameter")
    return str(value)


def _parts(content: str | list[Content] | None, role: Role, where: str) -> list[Part]:
    if content is None or isinstance(content, str):
        return [Text(text=content)] if content else []
    parts: list[Part] = []
    for index, given in enumerate(content):
        place = f"{where}[{index}]"
        part = _PARTS[given.type](given, place) if given.type in _PARTS else None
        if part is None or not isinstance(part, _MAY_HOLD[role]):
            raise BadRequest(
                f"'{place}': content of the type {given.type[:80]!r} cannot stand here.",
                param=f"{place}.type",
                code="invalid_value",
            )
        if not isinstance(part, Text) or part.text:
            parts.append(part)
    return parts


def _text_part(part: Content, _: str) -> Text:
    return Text(text=part.text or "", cache=_cache(part))


def _refusal_part(part: Content, _: str) -> Refusal:
    return Refusal(text=part.refusal or "")


def _image_part(part: Content, where: str) -> File:
    return _file(part, "image_url", part.image_url, where)


def _file_part(part: Content, where: str) -> File:
    if part.file_data and not part.file_data.startswith("data:"):
        data = _base64(part.file_data, f"{where}.file_data")
        media_type = _media_type(part.filename or "", data)
        return File(
            kind=_kind(media_type), media_type=media_type, data=data, name=part.filename or "", cache=_cache(part)
        )
    return _file(part, "file_data" if part.file_data else "file_url", part.file_data or part.file_url, where)


def _audio_part(part: Content, where: str) -> File:
    if part.input_audio is None:
        raise BadRequest(f"'{where}.input_audio' is missing.", param=where, code="missing_required_parameter")
    data = _base64(part.input_audio.data, f"{where}.input_audio.data")
    return File(kind="audio", media_type=f"audio/{part.input_audio.format}", data=data, cache=_cache(part))


_PARTS: Final[dict[str, Callable[[Content, str], Part]]] = {
    "input_text": _text_part,
    "output_text": _text_part,
    "text": _text_part,
    "refusal": _refusal_part,
    "input_image": _image_part,
    "input_file": _file_part,
    "input_audio": _audio_part,
}


def _cache(part: Content) -> CacheLife | None:
    mark = part.prompt_cache_breakpoint
    return None if mark is None else _LIVES.get(mark.ttl, "1h")


def _file(part: Content, field: str, url: str | None, where: str) -> File:
    """What a URL holds or points to, or, without one, ``file_id``."""
    kind: FileKind = "image" if field == "image_url" else "document"
    make = partial(File, name=part.filename or "", detail=part.detail, cache=_cache(part))
    if not url:
        if not part.file_id:
            raise BadRequest(
                f"'{where}' has neither '{field}' nor 'file_id'.", param=where, code="missing_required_parameter"
            )
        return make(kind=kind, file_id=part.file_id)
    if url.startswith(("https://", "http://", "gs://")):
        return make(kind=kind, url=url)
    header, _, data = url.partition(",")
    if not header.startswith("data:") or not header.endswith(";base64"):
        raise BadRequest(
            f"'{where}.{field}': expected a URL, or data as 'data:<media type>;base64,<data>'.",
            param=f"{where}.{field}",
            code="invalid_value",
        )
    media_type = header[5:].partition(";")[0].lower()
    data = _base64(data, f"{where}.{field}")
    return make(kind=kind if kind == "image" else _kind(media_type), media_type=media_type, data=data)


_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_OTHER_ALPHABET = str.maketrans("-_", "+/", "\r\n ")


def _base64(text: str, where: str) -> str:
    """In the standard alphabet, padded."""
    plain = text.translate(_OTHER_ALPHABET).rstrip("=")
    if not _BASE64.fullmatch(plain) or len(plain) % 4 == 1:
        raise BadRequest(f"'{where}' is not base64.", param=where, code="invalid_value")
    return plain + "=" * (-len(plain) % 4)


SUFFIXES: Final[dict[str, str]] = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_PDF_IN_BASE64: Final = "JVBERi0"  # %PDF-


def _media_type(name: str, data: str) -> str:
    if data.startswith(_PDF_IN_BASE64):
        return "application/pdf"
    return SUFFIXES.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def _kind(media_type: str) -> FileKind:
    kinds: dict[str, FileKind] = {"image": "image", "audio": "audio", "video": "video"}
    return kinds.get(media_type.partition("/")[0], "document")


def listed(value: str | list[Listed] | None) -> list[Listed]:
    """Where the format takes a text or a list."""
    return value if isinstance(value, list) else []


def arguments_of(given: str | Fields | None) -> str:
    """Some servers send the object instead of its text."""
    return msgspec.json.encode(given).decode() if isinstance(given, dict) else given or ""
