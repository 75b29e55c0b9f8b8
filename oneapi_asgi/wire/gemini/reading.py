"""Gemini's requests as clients send them: the fields on the wire, and what they become in the neutral request.

See ``gemini`` for the format as a whole. Complaints name fields in camelCase, however they were sent.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import Struct

from ...errors import BadRequest
from ..chat import (
    Chat,
    Effort,
    File,
    FileKind,
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
from ..reading import complaint, decoded
from ..sealed import unseal
from ..tasks import Embed
from .schema import from_gemini

__all__ = [
    "JSON",
    "NAME",
    "REDACTED",
    "TIERS",
    "Blob",
    "Call",
    "FileData",
    "GeminiPart",
    "code_of",
    "kind_of",
    "read_chat",
    "read_embed",
]

NAME: Final = "gemini"
JSON: Final = "application/json"


class Blob(Struct, rename="camel"):
    mime_type: str | None = None
    data: str | None = None


class FileData(Struct, rename="camel"):
    mime_type: str | None = None
    file_uri: str | None = None


class Call(Struct, rename="camel"):
    id: str | None = None
    name: str | None = None
    args: Any = None


class _ResultPart(Struct, rename="camel"):
    inline_data: Blob | None = None
    file_data: FileData | None = None


class _Result(Struct, rename="camel"):
    id: str | None = None
    name: str | None = None
    response: dict[str, Any] | None = None
    parts: list[_ResultPart] | None = None


class GeminiPart(Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: Call | None = None
    function_response: _Result | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    part_metadata: dict[str, Any] | None = None


class _Content(Struct, rename="camel"):
    role: str | None = None
    parts: list[GeminiPart] | None = None


class _Declaration(Struct, rename="camel"):
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class _Tools(Struct, rename="camel"):
    function_declarations: list[_Declaration] | None = None
    google_search: dict[str, Any] | None = None
    google_search_retrieval: dict[str, Any] | None = None


class _Calling(Struct, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class _ToolConfig(Struct, rename="camel"):
    function_calling_config: _Calling | None = None


class _Thoughts(Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: float | None = None
    thinking_level: str | None = None


class _Generation(Struct, rename="camel"):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: float | None = None
    max_output_tokens: float | None = None
    stop_sequences: list[str] | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    response_logprobs: bool | None = None
    logprobs: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: float | None = None
    response_modalities: list[str] | None = None
    thinking_config: _Thoughts | None = None


class _Request(Struct, rename="camel"):
    model: str | None = None
    contents: list[_Content] | None = None
    system_instruction: _Content | str | None = None
    tools: list[_Tools] | None = None
    tool_config: _ToolConfig | None = None
    generation_config: _Generation | None = None
    service_tier: str | None = None
    continuation_token: str | None = None


class _EmbedRequest(Struct, rename="camel"):
    model: str | None = None
    content: _Content | None = None
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: float | None = None
    embed_content_config: dict[str, Any] | None = None


class _EmbedBatch(Struct, rename="camel"):
    requests: list[_EmbedRequest] | None = None


_Struct = TypeVar("_Struct", bound=Struct)
_object = msgspec.json.Decoder(dict[str, Any])

_OPAQUE: Final = frozenset(
    (
        "args",
        "labels",
        "parameters",
        "parametersJsonSchema",
        "partMetadata",
        "response",
        "responseJsonSchema",
        "responseSchema",
    )
)
"""Names within these are the caller's own."""

_ROLES: Final = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}
_MODES: Final[Mapping[str, Any]] = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required", "NONE": "none"}
TIERS: Final = {"default": "standard", "flex": "flex", "priority": "priority"}
_TIERS_READ: Final = {theirs: ours for ours, theirs in TIERS.items()}
_LEVELS: Final[Mapping[str, Effort]] = {
    level.upper(): level for level in cast("tuple[Effort, ...]", ("minimal", "low", "medium", "high", "xhigh"))
}
_KINDS: Final[Mapping[str, FileKind]] = {"image": "image", "audio": "audio", "video": "video"}
REDACTED: Final = {"redacted": True}
"""Metadata of a thought that only has a signature: clients of this format send it back with the part."""


def _camel(value: Any) -> Any:
    """Gemini's own names as camelCase."""
    if isinstance(value, list):
        return [_camel(element) for element in value]
    if not isinstance(value, dict):
        return value
    named = {}
    for key, element in value.items():
        head, *tail = key.split("_")
        name = head + "".join(word[:1].upper() + word[1:] for word in tail) if head else key
        named[name] = element if name in _OPAQUE else _camel(element)
    return named


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _converted(value: Any, kind: type[_Struct]) -> _Struct:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise complaint(error) from None


def _unknown(raw: Any, kind: type[Struct]) -> Iterator[tuple[str, Any]]:
    """What was said beside the fields of ``kind``, in snake_case."""
    known = kind.__struct_encode_fields__
    yield from ((_snake(key), value) for key, value in raw.items() if key not in known and value is not None)


def _unknown_parts(contents: list[Any]) -> Iterator[tuple[str, Any]]:
    """What parts say that has no place in other formats: toolCall, videoMetadata, …"""
    for content in contents:
        for part in content.get("parts") or ():
            yield from ((f"parts.{name}", value) for name, value in _unknown(part, GeminiPart))


def _bad(message: str, param: str, code: str = "invalid_value") -> BadRequest:
    return BadRequest(message, param=param, code=code)


def _whole(value: float | None, param: str) -> int | None:
    if value is not None and not value.is_integer():
        raise _bad(f"{param} is {value}. Send a whole number.", param, "invalid_type")
    return None if value is None else int(value)


def _plain_base64(text: str, param: str) -> str:
    """In the standard alphabet, padded."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    plain += "=" * (-len(plain) % 4)
    try:
        binascii.a2b_base64(plain, strict_mode=True)
    except (binascii.Error, ValueError):
        raise _bad(f"{param} is not base64. Send the bytes of the file in base64.", param) from None
    return plain


class _Reader:
    """One request on its way in. Calls without an id get one from their place, so that the same history has the same
    ids each time it is sent, which providers' caches of prompts reward."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._others: dict[str, Any] = {}
        self._messages: list[Message] = []
        self._open: list[ToolCall] = []
        self._seen = 0

    def chat(self, body: bytes) -> Chat:
        raw = _camel(decoded(_object, body))
        if self._operation.task == "count" and isinstance(raw.get("generateContentRequest"), dict):
            raw = raw["generateContentRequest"]
        request = _converted(raw, _Request)
        if request.continuation_token:
            raise _bad(
                "continuationToken is of another upstream. Leave it out, and send the answer so far.",
                "continuationToken",
            )
        self._others.update(_unknown(raw, _Request))
        self._others.update(_unknown_parts(raw.get("contents") or []))
        self._read_contents(request)
        generation = request.generation_config or _Generation()
        self._others.update(_unknown(raw.get("generationConfig") or {}, _Generation))
        tools, search = self._tools(request.tools or [], raw.get("tools") or [])
        choice = self._choice(request.tool_config, raw.get("toolConfig") or {})
        fields = {**self._sampling(generation), "format": self._format(generation)}
        if request.service_tier and request.service_tier != "unspecified":
            fields["service_tier"] = _TIERS_READ.get(request.service_tier.lower(), request.service_tier)
        streams = self._operation.stream is True
        if streams and not _says_sse(self._operation.query):
            self._others["_array"] = True
        return Chat(
            model=self._operation.model,
            messages=tuple(self._messages),
            tools=tools,
            web_search=search,
            tool_choice=choice,
            stream=streams,
            include_usage=True,
            others=self._others,
            **fields,
        )

    def _read_contents(self, request: _Request) -> None:
        system = request.system_instruction
        texts = (
            [system]
            if isinstance(system, str)
            else [part.text for part in system.parts or ()]
            if system is not None
            else []
        )
        if any(texts):
            self._messages.append(Message(role="system", parts=tuple(Text(text=text) for text in texts if text)))
        if not request.contents:
            raise _bad("contents is missing. Send at least one content.", "contents", "missing_required_parameter")
        for index, content in enumerate(request.contents):
            at = f"contents[{index}]"
            role = _ROLES.get((content.role or "user").lower())
            if role is None:
                raise _bad(f"{at}.role is {content.role!r}. Send 'user' or 'model'.", f"{at}.role")
            parts = [(part, f"{at}.parts[{number}]") for number, part in enumerate(content.parts or [])]
            self._model(parts) if role == "assistant" else self._user(parts)

    def _model(self, parts: list[tuple[GeminiPart, str]]) -> None:
        """Contents in a row are one message: clients send back the chunks of a stream as they came."""
        before = self._messages[-1] if self._messages else None
        if before is None or before.role != "assistant":
            before = Message(role="assistant")
            self._messages.append(before)
            self._open = []
        made = list(before.parts)
        for part, at in parts:
            if part.function_response is not None:
                raise _bad(f"{at} is a functionResponse of role 'model'. Send it with role 'user'.", at)
            if part.function_call is not None:
                call = self._call(part.function_call, part.thought_signature, at)
                self._open.append(call)
                made.append(call)
            elif part.thought:
                _append(made, _thought(part))
            else:
                for one in _contents_of(part, at):
                    _append(made, one)
        self._messages[-1] = Message(role="assistant", parts=tuple(made))

    def _user(self, parts: list[tuple[GeminiPart, str]]) -> None:
        """Results first, as other formats want them, whatever stands between them."""
        rest: list[Part] = []
        for part, at in parts:
            if part.function_call is not None:
                raise _bad(f"{at} is a functionCall of role 'user'. Send it with role 'model'.", at)
            if part.function_response is not None:
                result = self._result(part.function_response, at)
                self._messages.append(Message(role="tool", parts=(result,)))
            else:
                rest += _contents_of(part, at)
        if rest:
            self._messages.append(Message(role="user", parts=tuple(rest)))

    def _call(self, call: Call, signature: str | None, at: str) -> ToolCall:
        if not call.name:
            raise _bad(f"{at}.functionCall has no name.", f"{at}.functionCall.name", "missing_required_parameter")
        if call.args is not None and not isinstance(call.args, dict):
            raise _bad(f"{at}.functionCall.args is no object.", f"{at}.functionCall.args", "invalid_type")
        self._seen += 1
        return ToolCall(
            id=call.id or f"call_{self._seen:08d}",
            name=call.name,
            arguments=msgspec.json.encode(call.args or {}).decode(),
            signature=unseal(signature, NAME) if signature else None,
        )

    def _result(self, result: _Result, at: str) -> ToolResult:
        call = next((call for call in self._open if call.id == result.id), None) or next(
            (call for call in self._open if call.name == result.name), None
        )
        if call is None:
            raise _bad(
                f"{at}.functionResponse answers no functionCall of the content before it, by id or by name "
                f"({(result.name or '')[:80]!r}). Send one for each call, right after it.",
                at,
            )
        self._open.remove(call)
        response = result.response or {}
        keys = set(response)
        told = (
            response.get("error") if keys == {"error"} else response.get("output") if keys == {"output"} else response
        )
        text = told if isinstance(told, str) else msgspec.json.encode(told).decode()
        parts: list[Text | File] = [Text(text=text)] if text else []
        for part in result.parts or []:
            parts += _files(part.inline_data, part.file_data, at)
        return ToolResult(call_id=call.id, name=call.name, parts=tuple(parts), error=keys == {"error"})

    def _tools(self, tools: list[_Tools], raw: list[Any]) -> tuple[tuple[Tool, ...], WebSearch | None]:
        found: list[Tool] = []
        search = None
        for index, group in enumerate(tools):
            self._others.update(_unknown(raw[index], _Tools))
            if group.google_search is not None or group.google_search_retrieval is not None:
                blocked = (group.google_search or {}).get("excludeDomains")
                search = WebSearch(blocked_domains=tuple(blocked) if isinstance(blocked, list) else ())
            for number, declared in enumerate(group.function_declarations or []):
                at = f"tools[{index}].functionDeclarations[{number}]"
                if not declared.name:
                    raise _bad(f"{at} has no name.", f"{at}.name", "missing_required_parameter")
                schema = declared.parameters_json_schema
                if schema is None and declared.parameters is not None:
                    schema = from_gemini(declared.parameters)
                found.append(Tool(name=declared.name, description=declared.description or "", parameters=schema))
        return tuple(found), search

    def _choice(self, config: _ToolConfig | None, raw: dict[str, Any]) -> ToolChoice | None:
        self._others.update(_unknown(raw, _ToolConfig))
        calling = config.function_calling_config if config else None
        if calling is None or (calling.mode or "MODE_UNSPECIFIED").upper() == "MODE_UNSPECIFIED":
            return None
        mode = _MODES.get((calling.mode or "").upper())
        if mode is None:
            at = "toolConfig.functionCallingConfig.mode"
            raise _bad(f"{at} is {calling.mode!r}. Send one of {', '.join(_MODES)}.", at)
        return ToolChoice(mode=mode, names=tuple(calling.allowed_function_names or ()))

    def _sampling(self, generation: _Generation) -> dict[str, Any]:
        if generation.response_modalities:
            self._others["modalities"] = [modality.lower() for modality in generation.response_modalities]
        counts = {
            name: _whole(getattr(generation, field), f"generationConfig.{_camel_name(field)}")
            for name, field in _COUNTS.items()
        }
        counts["n"] = counts["n"] or 1
        counts["logprobs"] = (counts["logprobs"] or 0) if generation.response_logprobs else None
        return {
            **counts,
            **{name: getattr(generation, name) for name in _NUMBERS},
            "stop": tuple(generation.stop_sequences or ()),
            "thinking": _thinking(generation.thinking_config),
        }

    def _format(self, generation: _Generation) -> Format | None:
        mime = (generation.response_mime_type or "").lower()
        if mime not in ("", "text/plain", JSON):
            self._others["response_mime_type"] = mime
            return None
        schema = generation.response_json_schema
        if schema is None and generation.response_schema is not None:
            schema = from_gemini(generation.response_schema)
        if schema is not None:
            return Format(kind="schema", schema=schema)
        return Format(kind="json") if mime == JSON else None


_COUNTS: Final = {
    "n": "candidate_count",
    "max_output": "max_output_tokens",
    "top_k": "top_k",
    "seed": "seed",
    "logprobs": "logprobs",
}
_NUMBERS: Final = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def _camel_name(field: str) -> str:
    return "".join(_camel({field: None}))


def _says_sse(query: str) -> bool:
    return re.search(r"(?:^|&)(?:\$|%24)?alt=sse(?:&|$)", query) is not None


def _thinking(config: _Thoughts | None) -> Thinking | None:
    if config is None:
        return None
    at = "generationConfig.thinkingConfig"
    level = (config.thinking_level or "THINKING_LEVEL_UNSPECIFIED").upper()
    if level not in (*_LEVELS, "THINKING_LEVEL_UNSPECIFIED"):
        raise _bad(f"{at}.thinkingLevel is {config.thinking_level!r}. Send one of {', '.join(_LEVELS)}.", at)
    budget = _whole(config.thinking_budget, f"{at}.thinkingBudget")
    return Thinking(effort=_LEVELS.get(level), budget=budget, shown=config.include_thoughts)


def _append(parts: list[Part], part: Part) -> None:
    """Text after text is one text; so is a thought, until its signature ends it."""
    last = parts[-1] if parts else None
    if isinstance(part, Text) and isinstance(last, Text):
        parts[-1] = Text(text=last.text + part.text)
    elif isinstance(part, Reasoning) and isinstance(last, Reasoning) and not last.signature and not part.redacted:
        parts[-1] = Reasoning(text=last.text + part.text, signature=part.signature)
    else:
        parts.append(part)


def _thought(part: GeminiPart) -> Reasoning:
    signature = unseal(part.thought_signature, NAME) if part.thought_signature else None
    redacted = not part.text and signature is not None and (part.part_metadata or {}).get("redacted") is True
    return Reasoning(text=part.text or "", signature=signature, redacted=redacted)


def _contents_of(part: GeminiPart, at: str) -> list[Text | File]:
    if part.text is not None:
        return [Text(text=part.text)] if part.text else []
    if part.inline_data is not None or part.file_data is not None:
        return _files(part.inline_data, part.file_data, at)
    code = code_of(part)
    return [Text(text=code)] if code else []


def code_of(part: GeminiPart) -> str:
    """Code that the upstream ran by itself, or what came of it, as text."""
    if part.executable_code is not None:
        language, code = (str(part.executable_code.get(key) or "") for key in ("language", "code"))
        return f"```{language.lower()}\n{code}\n```\n"
    if part.code_execution_result is not None:
        return f"```\n{part.code_execution_result.get('output') or ''}\n```\n"
    return ""


def _files(blob: Blob | None, named: FileData | None, at: str) -> list[Text | File]:
    if blob is not None:
        data = _plain_base64(blob.data or "", f"{at}.inlineData.data")
        return [File(kind=kind_of(blob.mime_type), media_type=blob.mime_type or "", data=data)]
    if named is None or not named.file_uri:
        raise _bad(f"{at}.fileData has no fileUri.", f"{at}.fileData.fileUri", "missing_required_parameter")
    return [File(kind=kind_of(named.mime_type), media_type=named.mime_type or "", url=named.file_uri)]


def kind_of(mime: str | None) -> FileKind:
    return _KINDS.get((mime or "").partition("/")[0].lower(), "document")


# ------------------------------------------------------------------------------------------------------- entry points


def read_chat(operation: Operation, body: bytes) -> Chat:
    """
    :raises BadRequest: the body cannot be read
    """
    try:
        return _Reader(operation).chat(body)
    except RecursionError:
        raise _too_deep() from None


def read_embed(operation: Operation, body: bytes) -> Embed:
    """One content, or a batch of them that want the same.

    :raises BadRequest: the body cannot be read
    """
    try:
        raw = _camel(decoded(_object, body))
    except RecursionError:
        raise _too_deep() from None
    batched = operation.name == "batch_embed_contents"
    if not batched:
        return _embed(operation, [_converted(raw, _EmbedRequest)], [raw], batched=False)
    requests = _converted(raw, _EmbedBatch).requests
    if not requests:
        raise _bad("requests is missing. Send at least one.", "requests", "missing_required_parameter")
    return _embed(operation, requests, raw["requests"], batched=True)


def _embed(operation: Operation, requests: list[_EmbedRequest], raws: list[Any], *, batched: bool) -> Embed:
    others: dict[str, Any] = {}
    wanted = set()
    inputs = []
    for index, (request, raw) in enumerate(zip(requests, raws, strict=True)):
        at = f"requests[{index}]." if batched else ""
        config = _converted(request.embed_content_config or {}, _EmbedRequest)
        others.update(_unknown(raw, _EmbedRequest))
        others.update(_unknown(request.embed_content_config or {}, _EmbedRequest))
        if request.model and request.model.removeprefix("models/") != operation.model.removeprefix("models/"):
            raise _bad(f"{at}model is not the one of the path. Send it there, or leave it out.", f"{at}model")
        size = request.output_dimensionality or config.output_dimensionality
        wanted.add((request.task_type or config.task_type, request.title or config.title, size))
        inputs.append(_embedded_text(request.content, f"{at}content"))
    if len(wanted) > 1:
        raise _bad("The requests differ in taskType, title or outputDimensionality. Send a batch for each.", "requests")
    purpose, title, size = wanted.pop()
    return Embed(
        model=operation.model,
        inputs=tuple(inputs),
        dimensions=_whole(size, "outputDimensionality"),
        purpose=purpose,
        title=title,
        batched=batched,
        others=others,
    )


def _embedded_text(content: _Content | None, at: str) -> str:
    parts = (content.parts if content else None) or []
    if not parts:
        raise _bad(f"{at} has no parts. Send a text.", at, "missing_required_parameter")
    for index, part in enumerate(parts):
        if part.text is None:
            raise _bad(f"{at}.parts[{index}] is no text. Send text alone.", f"{at}.parts[{index}]")
    return "\n".join(part.text or "" for part in parts)


def _too_deep() -> BadRequest:
    return BadRequest("The body is nested too deeply. Flatten it.", code="invalid_json")
