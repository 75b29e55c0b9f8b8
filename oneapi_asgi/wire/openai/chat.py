"""OpenAI's chat completions (https://platform.openai.com/docs/api-reference/chat), as clients speak it.

Top down: a request as it is on the wire, reading one; an answer, at once and as a stream. What upstreams are told is
in ``chat_writing``, what they answer in ``chat_answers``.

What the format has no place for and clients have to send back travels in strings of its messages, which survive an
echo: ``reasoning_content`` with ``reasoning_signature`` (see ``_signed``), and ``extra_content`` of a tool call.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from ...errors import BadRequest, GatewayError
from ...models import Usage
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
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from ..events import (
    Answer,
    Broken,
    Choice,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
    Probabilities,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from ..reading import decoded, unread
from ..sealed import Signature, seal, unseal
from .chat_answers import ChatDecoder, decode_chat
from .chat_writing import AUDIO, NAME, call_signature, extra_content, url_of, write_chat
from .errors import error_body, error_frame, refusal

__all__ = [
    "DONE",
    "NAME",
    "NAMES",
    "ChatDecoder",
    "ChatEncoder",
    "chat_answer",
    "decode_chat",
    "error_body",
    "error_frame",
    "read_chat",
    "refusal",
    "stops",
    "usage_object",
    "write_chat",
]

NAMES: Final = {
    "max_output": "max_completion_tokens",
    "format": "response_format",
    "thinking": "reasoning_effort",
    "web_search": "web_search_options",
}
DONE: Final = b"data: [DONE]\n\n"


# --- a request --------------------------------------------------------------------------------------------------------


class _CacheMark(Struct):
    """``cache_control`` (ttl 5m, 1h) or ``prompt_cache_breakpoint`` (ttl 30m, 12h)."""

    ttl: str | None = None


class _URL(Struct):
    url: str
    detail: str | None = None


class _Recording(Struct):
    data: str
    format: str = "wav"


class _Document(Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _Part(Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | _URL | None = None
    video_url: str | _URL | None = None
    input_audio: _Recording | None = None
    file: _Document | None = None
    cache_control: _CacheMark | None = None
    prompt_cache_breakpoint: _CacheMark | None = None


class _Called(Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class _CustomCalled(Struct):
    name: str
    input: str = ""


class _Call(Struct):
    id: str
    function: _Called | None = None
    custom: _CustomCalled | None = None
    extra_content: dict[str, Any] | None = None


class _Picture(Struct):
    image_url: _URL


class _Id(Struct):
    id: str


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_signature: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Called | None = None
    audio: _Id | None = None
    images: list[_Picture] | None = None
    tool_call_id: str | None = None
    cache_control: _CacheMark | None = None


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: _CacheMark | None = None


class _CustomTool(Struct):
    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class _Tool(Struct):
    type: Literal["function", "custom"] = "function"
    function: _Function | None = None
    custom: _CustomTool | None = None
    cache_control: _CacheMark | None = None


class _Name(Struct):
    name: str


class _ChosenTool(Struct):
    function: _Name | None = None
    custom: _Name | None = None


class _AllowedTools(Struct):
    mode: Literal["auto", "required"]
    tools: list[_ChosenTool]


class _ToolChoice(Struct):
    type: Literal["function", "custom", "allowed_tools"] = "function"
    function: _Name | None = None
    custom: _Name | None = None
    allowed_tools: _AllowedTools | None = None


class _Schema(Struct):
    name: str
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class _Format(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _ReasoningObject(Struct):
    effort: Effort | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class _ThinkingObject(Struct):
    type: Literal["enabled", "disabled", "adaptive", "auto"]
    budget_tokens: int | None = None


class _Location(Struct):
    approximate: dict[str, Any] | None = None


class _WebSearch(Struct):
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: _Location | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Request(Struct):
    """What ``Chat`` has a place for; all other fields are its ``others``. The second half is not OpenAI's own: clients
    of compatible providers send it through this format."""

    model: str
    messages: list[_Message]
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required", "any"] | _ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[_Function] | None = None
    function_call: Literal["auto", "none"] | _Name | None = None
    response_format: _Format | None = None
    reasoning_effort: Effort | None = None
    web_search_options: _WebSearch | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    verbosity: str | None = None
    prompt_cache_key: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    top_k: int | None = None
    reasoning: _ReasoningObject | None = None
    thinking: _ThinkingObject | None = None
    enable_thinking: bool | None = None
    thinking_budget: int | None = None


_request = msgspec.json.Decoder(_Request)

_USUAL: Final[dict[str, object]] = {"modalities": ["text"], "store": False}
"""Values of other fields that ask for nothing."""

# --- reading a request ------------------------------------------------------------------------------------------------


def read_chat(body: bytes) -> Chat:
    """
    :raises BadRequest: the body is no such request
    """
    request = decoded(_request, body)
    reader = _MessageReader()
    chat = Chat(
        model=request.model,
        messages=tuple(reader.read(index, message) for index, message in enumerate(request.messages)),
        tools=_read_tools(request),
        tool_choice=_read_choice(request),
        parallel_tool_calls=request.parallel_tool_calls,
        web_search=_read_search(request.web_search_options),
        format=_read_format(request.response_format),
        thinking=_read_thinking(request),
        max_output=request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=stops(request.stop),
        n=request.n or 1,
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logit_bias=request.logit_bias or None,
        logprobs=_read_logprobs(request),
        user=request.user,
        metadata=request.metadata or None,
        service_tier=request.service_tier,
        verbosity=request.verbosity,
        prompt_cache_key=request.prompt_cache_key,
        stream=request.stream or False,
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        functions=bool(request.functions) and not request.tools,
        others=unread(body, _Request.__struct_fields__, _USUAL),
    )
    if not chat.messages:
        raise _invalid("messages", "there are none. Send at least one")
    return chat


def stops(stop: str | list[str] | None) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


def _missing(param: str, what: str) -> BadRequest:
    return BadRequest(f"'{param}': {what}.", param=param, code="missing_required_parameter")


def _invalid(param: str, what: str) -> BadRequest:
    return BadRequest(f"'{param}': {what}.", param=param, code="invalid_value")


class _MessageReader:
    """Reads messages one after the other; results are matched with the calls before them."""

    def __init__(self) -> None:
        self._calls: dict[str, ToolCall] = {}
        self._functions: list[ToolCall] = []

    def read(self, index: int, message: _Message) -> Message:
        where = f"messages[{index}]"
        name = message.name or ""
        match message.role:
            case "system" | "developer":
                parts = _only_texts(_content(message, where), where)
                return Message(role="system", parts=parts, name=name)
            case "user":
                return Message(role="user", parts=_content(message, where), name=name)
            case "assistant":
                return Message(role="assistant", parts=self._assistant(message, where), name=name)
            case _:
                return Message(role="tool", parts=(self._result(message, where),))

    def _assistant(self, message: _Message, where: str) -> tuple[Part, ...]:
        parts: list[Part] = [
            *_thoughts(message.reasoning_content or message.reasoning or "", message.reasoning_signature or "")
        ]
        if message.content is not None:
            parts += [part for part in _content(message, where) if part != Text(text="")]
        if message.refusal:
            parts.append(Refusal(text=message.refusal))
        if message.audio is not None:
            parts.append(File(kind="audio", file_id=message.audio.id))
        parts += [_linked("image", picture.image_url, where) for picture in message.images or ()]
        calls = [_read_call(call, f"{where}.tool_calls[{at}]") for at, call in enumerate(message.tool_calls or ())]
        self._calls.update((call.id, call) for call in calls)
        if message.function_call is not None:
            number = len(self._functions)
            calls.append(_function_call(f"call_function_{number}", message.function_call))
            self._functions.append(calls[-1])
        return (*parts, *calls)

    def _result(self, message: _Message, where: str) -> ToolResult:
        call = self._function_of(message, where) if message.role == "function" else self._call_of(message, where)
        parts = _content(message, where) if message.content is not None else ()
        return ToolResult(
            call_id=call.id,
            name=call.name,
            parts=tuple(part for part in parts if isinstance(part, Text | File)),
            custom=call.custom,
            cache=_life(message.cache_control),
        )

    def _call_of(self, message: _Message, where: str) -> ToolCall:
        if not message.tool_call_id:
            raise _missing(f"{where}.tool_call_id", "is required. Name the call that this is the result of")
        unknown = ToolCall(id=message.tool_call_id, name=message.name or "")
        return self._calls.get(message.tool_call_id, unknown)

    def _function_of(self, message: _Message, where: str) -> ToolCall:
        """The older functions have no ids: the first call of that name which has no result yet."""
        for call in self._functions:
            if call.name == message.name and call.id not in self._calls:
                self._calls[call.id] = call
                return call
        raise _invalid(f"{where}.name", "no call of this function is open. Send results right after their call")


def _content(message: _Message, where: str) -> tuple[Text | File | Refusal, ...]:
    mark = message.cache_control if message.role != "tool" else None
    if message.content is None:
        raise _missing(f"{where}.content", "is required. Send a string or a list of parts")
    if isinstance(message.content, str):
        return (Text(text=message.content, cache=_life(mark)),)
    parts = [_read_part(part, f"{where}.content[{at}]") for at, part in enumerate(message.content)]
    if mark is not None and parts and not isinstance(parts[-1], Refusal):
        parts[-1] = replace(parts[-1], cache=_life(mark))
    return tuple(parts)


def _only_texts(parts: tuple[Text | File | Refusal, ...], where: str) -> tuple[Text, ...]:
    texts = tuple(part for part in parts if isinstance(part, Text))
    if len(texts) != len(parts):
        raise _invalid(f"{where}.content", "instructions are text alone. Send files in a message of the user")
    return texts


def _life(*marks: _CacheMark | None) -> CacheLife | None:
    ttl = next((mark.ttl or "5m" for mark in marks if mark is not None), None)
    # A breakpoint's 30m are the least time that it lives: five minutes would not be that.
    return None if ttl is None else "5m" if ttl == "5m" else "1h"


def _read_part(part: _Part, where: str) -> Text | File | Refusal:
    cache = _life(part.cache_control, part.prompt_cache_breakpoint)
    match part:
        case _Part(type="text", text=str(text)):
            return Text(text=text, cache=cache)
        case _Part(type="refusal", refusal=str(text)):
            return Refusal(text=text)
        case _Part(type="image_url", image_url=str() | _URL() as link):
            return _linked("image", link, where, cache)
        case _Part(type="video_url", video_url=str() | _URL() as link):
            return _linked("video", link, where, cache)
        case _Part(type="input_audio", input_audio=_Recording() as audio):
            data = _base64(audio.data.partition(",")[2] if audio.data.startswith("data:") else audio.data, where)
            media_type = AUDIO.get(audio.format, f"audio/{audio.format}")
            return File(kind="audio", media_type=media_type, data=data, cache=cache)
        case _Part(type="file", file=_Document() as document):
            return _read_document(document, where, cache)
    if part.type in ("text", "refusal", "image_url", "video_url", "input_audio", "file"):
        raise _missing(f"{where}.{part.type}", f"a part of type {part.type!r} has to have it")
    raise _invalid(
        f"{where}.type", f"{part.type[:40]!r} is no type of a part. Send text, image_url, input_audio or file"
    )


def _linked(kind: FileKind, link: str | _URL, where: str, cache: CacheLife | None = None) -> File:
    url, detail = (link, None) if isinstance(link, str) else (link.url, link.detail)
    if url.startswith("data:"):
        media_type, data = _data_url(url, where)
        return File(kind=kind, media_type=media_type, data=data, detail=detail, cache=cache)
    if not url.startswith(("https://", "http://", "gs://")):
        raise _invalid(f"{where}.{kind}_url.url", "is neither an https: nor a data: URL with base64")
    return File(kind=kind, url=url, detail=detail, cache=cache)


def _read_document(document: _Document, where: str, cache: CacheLife | None) -> File:
    name = document.filename or ""
    if document.file_id:
        return File(kind="document", file_id=document.file_id, name=name, cache=cache)
    data = document.file_data
    if not data:
        raise _missing(f"{where}.file", "has neither file_data nor file_id. Send a data: URL with base64")
    if data.startswith(("https://", "http://", "gs://")):
        return File(kind="document", url=data, name=name, cache=cache)
    media_type = "application/pdf"
    if data.startswith("data:"):
        media_type, data = _data_url(data, where)
    kinds: dict[str, FileKind] = {"image": "image", "audio": "audio", "video": "video"}
    kind = kinds.get(media_type.partition("/")[0], "document")
    return File(kind=kind, media_type=media_type, data=_base64(data, where), name=name, cache=cache)


def _data_url(url: str, where: str) -> tuple[str, str]:
    head, comma, data = url[len("data:") :].partition(",")
    media_type, *parameters = head.split(";")
    if not comma or "base64" not in parameters:
        raise _invalid(where, "the data: URL is not base64. Send data:<media type>;base64,<data>")
    return media_type.strip().lower(), _base64(data, where)


def _base64(data: str, where: str) -> str:
    """The data in the standard alphabet, padded."""
    data = "".join(data.split()).rstrip("=").replace("-", "+").replace("_", "/")
    data += "=" * (-len(data) % 4)
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(where, "the data is no base64") from None
    return data


def _read_call(call: _Call, where: str) -> ToolCall:
    if not call.id:
        raise _missing(f"{where}.id", "is required. Send the call as the model made it")
    signature = call_signature(call.extra_content)
    if call.custom is not None:
        custom = call.custom
        return ToolCall(id=call.id, name=custom.name, arguments=custom.input, custom=True, signature=signature)
    if call.function is None:
        raise _missing(f"{where}.function", "is required. Send the call as the model made it")
    return replace(_function_call(call.id, call.function), signature=signature)


def _function_call(call_id: str, called: _Called) -> ToolCall:
    arguments = called.arguments
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
    return ToolCall(id=call_id, name=called.name, arguments=text if text.strip() else "{}")


def _read_tools(request: _Request) -> tuple[Tool, ...]:
    tools = [_read_tool(tool, f"tools[{at}]") for at, tool in enumerate(request.tools or ())]
    return tuple(tools or [_function_tool(function, None) for function in request.functions or ()])


def _read_tool(tool: _Tool, where: str) -> Tool:
    if tool.type == "custom" and tool.custom is not None:
        custom = tool.custom
        return Tool(
            name=custom.name,
            description=custom.description or "",
            custom=True,
            grammar=custom.format,
            cache=_life(tool.cache_control),
        )
    if tool.type == "function" and tool.function is not None:
        return _function_tool(tool.function, tool.cache_control)
    raise _missing(f"{where}.{tool.type}", f"a tool of type {tool.type!r} has to have it")


def _function_tool(function: _Function, mark: _CacheMark | None) -> Tool:
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=function.parameters,
        strict=function.strict,
        cache=_life(mark, function.cache_control),
    )


def _read_choice(request: _Request) -> ToolChoice | None:
    match request.tool_choice:
        case "auto" | "none" | "required" as mode:
            return ToolChoice(mode=mode)
        case "any":
            return ToolChoice(mode="required")
        case _ToolChoice(allowed_tools=_AllowedTools() as allowed):
            named = [tool.function or tool.custom for tool in allowed.tools]
            return ToolChoice(mode=allowed.mode, names=tuple(name.name for name in named if name is not None))
        case _ToolChoice() as choice:
            chosen = choice.function or choice.custom
            if chosen is None:
                raise _missing(f"tool_choice.{choice.type}", "is required. Name the tool to call")
            return ToolChoice(mode="required", names=(chosen.name,))
    if isinstance(request.function_call, _Name):
        return ToolChoice(mode="required", names=(request.function_call.name,))
    return ToolChoice(mode=request.function_call) if request.function_call is not None else None


def _read_search(options: _WebSearch | None) -> WebSearch | None:
    if options is None:
        return None
    location = options.user_location.approximate if options.user_location is not None else None
    return WebSearch(context_size=options.search_context_size, location=location or None)


def _read_format(format_: _Format | None) -> Format | None:
    if format_ is None or format_.type == "text":
        return None
    if format_.type == "json_object":
        return Format(kind="json")
    schema = format_.json_schema
    if schema is None:
        raise _missing("response_format.json_schema", "is required. Give it a name and a schema")
    return Format(
        kind="schema",
        name=schema.name,
        schema=schema.schema,
        strict=schema.strict,
        description=schema.description or "",
    )


def _read_logprobs(request: _Request) -> int | None:
    if request.logprobs:
        return request.top_logprobs or 0
    if request.top_logprobs:
        raise _invalid("top_logprobs", "needs logprobs. Set logprobs to true")
    return None


def _read_thinking(request: _Request) -> Thinking | None:
    """OpenAI's own word first, then those of compatible providers: an object with a type or with an effort, a flag."""
    kind, wish = request.thinking, request.reasoning
    if (kind and kind.type == "disabled") or (wish and wish.enabled is False) or request.enable_thinking is False:
        return Thinking(effort="none")
    if request.reasoning_effort is not None:
        return Thinking(effort=request.reasoning_effort)
    if wish is not None:
        shown = None if wish.exclude is None else not wish.exclude
        budget = wish.max_tokens if wish.max_tokens is not None else -1
        return Thinking(effort=wish.effort, budget=budget if wish.effort is None else None, shown=shown)
    if kind is not None:
        return Thinking(budget=kind.budget_tokens if kind.budget_tokens is not None else -1)
    if request.enable_thinking:
        return Thinking(budget=request.thinking_budget if request.thinking_budget is not None else -1)
    return None


# --- what travels within messages -------------------------------------------------------------------------------------

_SEALED = re.compile(r"(\d{1,9})(?:\+(\d{1,9})|-)\.(\S+)")


def _signed(signature: Signature, *, start: int, size: int, redacted: bool) -> str:
    """One piece of ``reasoning_signature``: which characters of ``reasoning_content`` are signed (``5+12``: twelve
    after the first five; ``5-``: a thought after these that was not shown), a dot, and the sealed signature. Clients
    that put a stream together join the pieces; each ends with a space."""
    return f"{start}{'-' if redacted else f'+{size}'}.{seal(signature)} "


def _thoughts(text: str, signed: str) -> Iterator[Reasoning]:
    """The thoughts of a message as they were made. A signature of characters that are not there is worth nothing."""
    found = [_SEALED.fullmatch(piece) for piece in signed.split()]
    if signed and None in found:
        yield Reasoning(text=text, signature=unseal(signed.strip(), NAME))
        return
    at = 0
    for match in filter(None, found):
        start, size, sealed = match.groups()
        begin, end = int(start), int(start) + int(size or 0)
        if not at <= begin <= end <= len(text) and size is not None:
            continue
        begin = min(max(at, begin), len(text))
        if text[at:begin]:
            yield Reasoning(text=text[at:begin])
        at = begin if size is None else end
        yield Reasoning(text=text[begin:at], signature=unseal(sealed, NAME), redacted=size is None)
    if text[at:]:
        yield Reasoning(text=text[at:])


# --- an answer --------------------------------------------------------------------------------------------------------

_FINISHES: Final[dict[FinishReason, str]] = {
    "pause": "length",
    "malformed_call": "length",
    "error": "length",
}
"""What is not one of OpenAI's own words: the answer is not complete. ``native_finish_reason`` tells why."""

_AUDIO_LIFE = 3600


def chat_answer(answer: Answer, chat: Chat, call_id: str) -> bytes:
    choices = answer.choices or [Choice()]
    created = answer.created or int(time.time())
    body: dict[str, Any] = {
        "id": f"chatcmpl-{call_id}",
        "object": "chat.completion",
        "created": created,
        "model": chat.model,
        "choices": [
            {
                "index": index,
                "message": _message(choice, chat, f"audio_{call_id}{index}", created),
                "logprobs": _logprobs(choice.logprobs) if choice.logprobs and chat.logprobs is not None else None,
                **_finish(choice.finish, called=bool(choice.calls), chat=chat),
            }
            for index, choice in enumerate(choices)
        ],
    }
    if answer.usage is not None:
        body["usage"] = usage_object(answer.usage)
    return msgspec.json.encode(body)


def _message(choice: Choice, chat: Chat, audio_id: str, created: int) -> dict[str, Any]:
    text, calls, files = choice.text, choice.calls, choice.files
    extras = _extras(choice)
    silent = bool(calls or files or choice.refusal or extras)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if silent else ""),
        "refusal": choice.refusal or None,
        **extras,
    }
    for file in files:
        if file.kind == "audio" and file.data is not None:
            message["audio"] = _audio(file, audio_id, created)
    if calls and chat.functions:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
    elif calls:
        message["tool_calls"] = [_tool_call(call) for call in calls]
    return message


def _extras(choice: Choice) -> dict[str, Any]:
    images = [file for file in choice.files if file.kind == "image"]
    extras = {
        "reasoning_content": choice.reasoning,
        "reasoning_signature": "".join(_signatures(choice)),
        "annotations": [_annotation(citation, at) for at, citation in enumerate(_linkable(choice.citations))],
        "images": [_image(file, at) for at, file in enumerate(images)],
    }
    return {key: value for key, value in extras.items() if value}


def _signatures(choice: Choice) -> Iterator[str]:
    start = 0
    for part in choice.parts:
        if isinstance(part, Reasoning):
            if part.signature is not None:
                yield _signed(part.signature, start=start, size=len(part.text), redacted=part.redacted)
            start += len(part.text)


def _tool_call(call: ToolCall | ToolStarted, arguments: str | None = None) -> dict[str, Any]:
    given = call.arguments if isinstance(call, ToolCall) else arguments or ""
    kind, key = ("custom", "input") if call.custom else ("function", "arguments")
    told: dict[str, Any] = {"id": call.id, "type": kind, kind: {"name": call.name, key: given}}
    if call.signature is not None:
        told["extra_content"] = extra_content(call.signature)
    return told


def _finish(reason: FinishReason | None, *, called: bool, chat: Chat) -> dict[str, Any]:
    reason = reason or ("tool_calls" if called else "stop")
    if reason == "tool_calls" and chat.functions:
        return {"finish_reason": "function_call"}
    if reason in _FINISHES:
        return {"finish_reason": _FINISHES[reason], "native_finish_reason": reason}
    return {"finish_reason": reason}


def _linkable(citations: Iterable[Citation]) -> Iterator[Citation]:
    return (citation for citation in citations if citation.url)


def _annotation(citation: Citation, index: int) -> dict[str, Any]:
    """Items of lists in a delta have an index: openai-python puts them together by it, and fails on those without."""
    told: dict[str, Any] = {
        "url": citation.url,
        "title": citation.title,
        "start_index": citation.start or 0,
        "end_index": citation.end or 0,
    }
    if citation.quote:
        told["content"] = citation.quote
    return {"index": index, "type": "url_citation", "url_citation": told}


def _image(file: File, index: int) -> dict[str, Any]:
    """Not as Markdown within the text: clients send that back, and a model would read the base64 as words."""
    return {"index": index, "type": "image_url", "image_url": {"url": url_of(file)}}


def _audio(file: File, audio_id: str, created: int) -> dict[str, Any]:
    return {"id": audio_id, "data": file.data, "transcript": "", "expires_at": created + _AUDIO_LIFE}


def _logprobs(content: Iterable[dict[str, Any]]) -> dict[str, Any]:
    usual: dict[str, Any] = {"token": "", "logprob": 0.0, "bytes": None, "top_logprobs": []}
    return {"content": [{**usual, **token} for token in content], "refusal": None}


def usage_object(usage: Usage) -> dict[str, Any]:
    """The counts as chat completions and the older completions tell them."""
    before = {
        "cached_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
        "audio_tokens": usage.input_audio,
    }
    if usage.input_image:
        before["image_tokens"] = usage.input_image
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": before,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


# --- an answer as a stream --------------------------------------------------------------------------------------------


class _Told:
    """What one choice has been told so far. ``calls``: by the event's index, the one here and whether it has arguments;
    ``thought`` characters of thoughts were told, those from ``unsigned`` on wait for their signature."""

    def __init__(self) -> None:
        self.begun = False
        self.finished = False
        self.calls: dict[int, tuple[int, bool]] = {}
        self.custom: set[int] = set()
        self.thought = 0
        self.unsigned = 0
        self.citations = 0
        self.images = 0


_encoded = msgspec.json.Encoder().encode
_TEXT: Final = b'%b[{"index":%d,"delta":{"content":%b},"logprobs":null,"finish_reason":null}]%b'
"""A chunk of text: nearly all of a stream."""


class ChatEncoder:
    """Chunks: the role, pieces, one reason to finish per choice; usage if it was asked for; ``[DONE]``."""

    def __init__(self, chat: Chat, call_id: str) -> None:
        self._chat = chat
        self._call_id = call_id
        self._created = 0
        self._head = b""
        self._tail = b',"usage":null}\n\n' if chat.include_usage else b"}\n\n"
        self._choices: dict[int, _Told] = {}
        self._usage: Usage | None = None
        self._over = False

    def encode(self, events: Sequence[Event]) -> bytes:
        frames: list[bytes] = []
        for event in events:
            if isinstance(event, TextDelta) and event.text and not self._over:
                told = self._choices.get(event.choice)
                if told is not None and told.begun:
                    told.unsigned = told.thought
                    frames.append(_TEXT % (self._start(), event.choice, _encoded(event.text), self._tail))
                    continue
            frames += self._frames(event)
        return b"".join(frames)

    def finish(self) -> bytes:
        if self._over:
            return b""
        self._over = True
        if not self._choices:
            self._choices[0] = _Told()
        unfinished = [number for number, told in self._choices.items() if not told.finished]
        frames = [frame for number in unfinished for frame in self._finished(None, number, self._choices[number])]
        if self._chat.include_usage and self._usage is not None:
            frames.append(self._start() + b'[],"usage":' + msgspec.json.encode(usage_object(self._usage)) + b"}\n\n")
        return b"".join([*frames, DONE])

    def fail(self, error: GatewayError) -> bytes:
        if self._over:
            return b""
        self._over = True
        return error_frame(error)

    def _frames(self, event: Event) -> Iterator[bytes]:
        if self._over:
            return
        match event:
            case Started():
                self._created = event.created
            case Usage():
                self._usage = event
            case Broken():
                yield self.fail(event.error)
            case Ended():
                pass
            case Finished():
                yield from self._finished(event.reason, event.choice, self._choices.setdefault(event.choice, _Told()))
            case Probabilities():
                if self._chat.logprobs is not None:
                    yield from self._piece(event.choice, {}, {"logprobs": _logprobs(event.content)})
            case _:
                told = self._choices.setdefault(event.choice, _Told())
                if (delta := self._delta(event, told)) is not None:
                    yield from self._piece(event.choice, delta)

    def _start(self) -> bytes:
        if not self._head:
            self._created = self._created or int(time.time())
            head = {
                "id": f"chatcmpl-{self._call_id}",
                "object": "chat.completion.chunk",
                "created": self._created,
                "model": self._chat.model,
            }
            self._head = b"data: " + msgspec.json.encode(head)[:-1] + b',"choices":'
        return self._head

    def _piece(self, number: int, delta: dict[str, Any], more: dict[str, Any] | None = None) -> Iterator[bytes]:
        told = self._choices.setdefault(number, _Told())
        if not told.begun:
            told.begun = True
            spoken = "content" in delta or "finish_reason" in (more or {})
            yield self._chunk(number, {"role": "assistant", "content": "" if spoken else None})
        if delta or more:
            yield self._chunk(number, delta, more)

    def _chunk(self, number: int, delta: dict[str, Any], more: dict[str, Any] | None = None) -> bytes:
        choice = {"index": number, "delta": delta, "logprobs": None, "finish_reason": None, **(more or {})}
        return self._start() + msgspec.json.encode([choice]) + self._tail

    def _delta(self, event: Event, told: _Told) -> dict[str, Any] | None:
        if isinstance(event, TextDelta | RefusalDelta | FileMade | ToolStarted):
            told.unsigned = told.thought
        match event:
            case TextDelta():
                return {"content": event.text} if event.text else None
            case RefusalDelta():
                return {"refusal": event.text} if event.text else None
            case ReasoningDelta():
                told.thought += len(event.text)
                return {"reasoning_content": event.text} if event.text else None
            case ReasoningEnded():
                return self._thought(event, told)
            case Cited():
                return self._cited(event.citation, told)
            case FileMade():
                return self._file(event.file, event.choice, told)
            case ToolStarted() | ToolDelta() | ToolEnded():
                return self._call(event, told)
        return None

    def _thought(self, event: ReasoningEnded, told: _Told) -> dict[str, Any] | None:
        start, told.unsigned = told.unsigned, told.thought
        if event.signature is None:
            return None
        size = told.thought - start
        return {"reasoning_signature": _signed(event.signature, start=start, size=size, redacted=event.redacted)}

    def _cited(self, citation: Citation, told: _Told) -> dict[str, Any] | None:
        if not citation.url:
            return None
        told.citations += 1
        return {"annotations": [_annotation(citation, told.citations - 1)]}

    def _file(self, file: File, number: int, told: _Told) -> dict[str, Any] | None:
        if file.kind == "image":
            told.images += 1
            return {"images": [_image(file, told.images - 1)]}
        if file.kind == "audio" and file.data is not None:
            self._start()
            return {"audio": _audio(file, f"audio_{self._call_id}{number}", self._created)}
        return None

    def _call(self, event: ToolStarted | ToolDelta | ToolEnded, told: _Told) -> dict[str, Any] | None:
        if isinstance(event, ToolStarted):
            index = len(told.calls)
            told.calls[event.index] = (index, False)
            if event.custom:
                told.custom.add(index)
            if not self._chat.functions:
                return {"tool_calls": [{"index": index, **_tool_call(event)}]}
            return {"function_call": {"name": event.name, "arguments": ""}} if index == 0 else None
        index, given = told.calls[event.index]
        # A call without arguments is one of an empty object: clients parse what they have got.
        arguments = event.arguments if isinstance(event, ToolDelta) else "" if given or index in told.custom else "{}"
        if not arguments:
            return None
        told.calls[event.index] = (index, True)
        return self._arguments(index, arguments, custom=index in told.custom)

    def _arguments(self, index: int, arguments: str, *, custom: bool) -> dict[str, Any] | None:
        if self._chat.functions:
            return {"function_call": {"arguments": arguments}} if index == 0 else None
        piece: dict[str, Any] = {"custom": {"input": arguments}} if custom else {"function": {"arguments": arguments}}
        return {"tool_calls": [{"index": index, **piece}]}

    def _finished(self, reason: FinishReason | None, number: int, told: _Told) -> Iterator[bytes]:
        if told.finished:
            return
        for index in told.calls:
            if (delta := self._call(ToolEnded(index), told)) is not None:
                yield from self._piece(number, delta)
        told.finished = True
        yield from self._piece(number, {}, _finish(reason, called=bool(told.calls), chat=self._chat))
