"""Requests in OpenAI's Responses format, as they are written for an upstream.

https://platform.openai.com/docs/api-reference/responses/create

Nothing is stored unless the caller asks for it, so that a request is the whole conversation, and thoughts come back
encrypted.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from ...errors import BadRequest
from ..chat import (
    Chat,
    Effort,
    File,
    FileKind,
    Part,
    Reasoning,
    Refusal,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    WebSearch,
    Written,
    check_calls,
)
from ..reading import legal_id, object_of
from ..thinking import effort_of
from .reading import ENCRYPTED, LOGPROBS, NAME, PARAGRAPH, SUFFIXES, Fields

__all__ = ["write_response"]

_UNSAYABLE: Final = (
    "top_k",
    "stop",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
)
_SAME: Final = {
    "parallel_tool_calls": "parallel_tool_calls",
    "user": "user",
    "prompt_cache_key": "prompt_cache_key",
}
_PASSED: Final = frozenset(
    {
        "access_programs",
        "context_management",
        "image",
        "include",
        "max_tool_calls",
        "moderation",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "truncation",
    }
)
"""Of ``Chat.others``, what this format has too."""

_TIERS: Final = {
    **{tier: tier for tier in ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")},
    "standard_only": "default",
}
_VERBOSITIES: Final = frozenset({"low", "medium", "high"})
_CALL_ID_MOST: Final = 64

_OPENAIS = re.compile(r"(?:gpt-(?!oss)|chatgpt|codex|computer-use|o\d)")
_REASONS = re.compile(r"(?:gpt-(?:[5-9]|\d\d)(?![\d.]*-chat)|codex|computer-use|o\d)")

_EFFORTS: Final[dict[re.Pattern[str], dict[Effort, Effort]]] = {
    re.compile(r"o\d"): {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"},
    re.compile(r"gpt-5(?!\.)"): {"none": "minimal", "xhigh": "high", "max": "high"},
    re.compile(r"gpt-6(?:-astra|\.1-sol|\.2)"): {"none": "low"},
}
"""What some of them say instead: the first, and those that cannot be stopped from thinking
(https://platform.openai.com/docs/guides/reasoning)."""

_DEFAULTS: Final[Fields] = {field.name: field.default for field in msgspec.structs.fields(Chat)}
_ORDER: Final = {name: place for place, name in enumerate(Chat.__struct_fields__)}


class _Draft:
    """A body, and what it could not say, while it is being written."""

    __slots__ = ("body", "dropped", "include")

    def __init__(self, model: str) -> None:
        self.body: Fields = {"model": model}
        self.dropped: list[str] = []
        self.include: list[str] = []

    def put(self, **fields: Any) -> None:
        """Those that are something."""
        self.body.update({name: value for name, value in fields.items() if value not in (None, {}, [])})

    def written(self) -> Written:
        self.put(include=list(dict.fromkeys(self.include)))
        dropped = sorted(self.dropped, key=lambda name: _ORDER.get(name.partition(".")[0], len(_ORDER)))
        return Written(body=self.body, dropped=tuple(dropped))


def write_response(chat: Chat, target: Target) -> Written:
    check_calls(chat)
    draft = _Draft(target.model)
    reasons = _reasons(target.model)
    effort = _effort(chat.thinking, target.model)
    most = target.max_output
    _write_messages(draft, chat, target)
    _write_tools(draft, chat)
    draft.put(**{theirs: getattr(chat, ours) for ours, theirs in _SAME.items()})
    draft.put(max_output_tokens=min(chat.max_output, most) if chat.max_output and most else chat.max_output)
    _write_sampling(draft, chat, refused=reasons is True and effort != "none")
    _write_thinking(draft, chat, reasons, effort)
    _write_text(draft, chat)
    _write_labels(draft, chat)
    draft.body["store"] = False  # unless the caller says otherwise: it is what others do
    _write_others(draft, chat)
    if target.stream:
        draft.body["stream"] = True
    draft.dropped += [name for name in _UNSAYABLE if getattr(chat, name) != _DEFAULTS[name]]
    return draft.written()


def _base_name(model: str) -> str:
    """Without whose it is, and what it was tuned to."""
    return model.rpartition("/")[2].removeprefix("ft:")


def _reasons(model: str) -> bool | None:
    """Whether it is one of OpenAI's models that reason; None of others' models, of which nothing is known here."""
    name = _base_name(model)
    return bool(_REASONS.match(name)) if _OPENAIS.match(name) else None


def _effort(thinking: Thinking | None, model: str) -> Effort | None:
    """The word, or the nearest that the model knows."""
    effort = effort_of(thinking) if thinking is not None else None
    known = next((efforts for family, efforts in _EFFORTS.items() if family.match(_base_name(model))), {})
    return known.get(effort, effort) if effort is not None else None


def _write_sampling(draft: _Draft, chat: Chat, *, refused: bool) -> None:
    """Models that think refuse to be told how to choose their words."""
    if refused:
        draft.dropped += [name for name in ("temperature", "top_p", "logprobs") if getattr(chat, name) is not None]
        return
    draft.put(temperature=chat.temperature, top_p=chat.top_p)
    if chat.logprobs is not None:
        draft.body["top_logprobs"] = chat.logprobs
        draft.include.append(LOGPROBS)


def _write_thinking(draft: _Draft, chat: Chat, reasons: bool | None, effort: Effort | None) -> None:
    """Thoughts come back encrypted, for nothing is stored; the next turn sends them along."""
    thinking = chat.thinking or Thinking()
    fields = {
        "effort": effort,
        "summary": thinking.summary or "auto" if thinking.shown else None,
        "context": chat.others.get("reasoning.context"),
        "mode": chat.others.get("reasoning.mode"),
    }
    said = {name: value for name, value in fields.items() if value is not None}
    if reasons is False:
        if effort not in (None, "none") or thinking.shown:
            draft.dropped.append("thinking")
        draft.dropped += [f"reasoning.{name}" for name in ("context", "mode") if name in said]
        return
    draft.put(reasoning=said)
    if (reasons or chat.thinking is not None) and effort != "none":
        draft.include.append(ENCRYPTED)


def _write_text(draft: _Draft, chat: Chat) -> None:
    text: Fields = {}
    given = chat.format
    if given is not None and given.kind == "json":
        text["format"] = {"type": "json_object"}
    elif given is not None:
        name = legal_id(given.name or "answer")
        text["format"] = {"type": "json_schema", "name": name, "schema": given.schema or {}}
        said = {"strict": given.strict, "description": given.description or None}
        text["format"] |= {key: value for key, value in said.items() if value is not None}
    if chat.verbosity in _VERBOSITIES:
        text["verbosity"] = chat.verbosity
    elif chat.verbosity is not None:
        draft.dropped.append("verbosity")
    draft.put(text=text)


def _write_labels(draft: _Draft, chat: Chat) -> None:
    tier = _TIERS.get(chat.service_tier or "")
    draft.put(service_tier=tier)
    if chat.service_tier is not None and tier is None:
        draft.dropped.append("service_tier")
    if chat.metadata and all(isinstance(value, str) for value in chat.metadata.values()):
        draft.put(metadata=dict(chat.metadata))
    elif chat.metadata:
        draft.dropped.append("metadata")


def _write_others(draft: _Draft, chat: Chat) -> None:
    """Names that begin with ``_`` are the client's format's own."""
    for name, value in chat.others.items():
        if name == "include":
            draft.include += value
        elif name in _PASSED:
            draft.body[name] = value
        elif not name.startswith(("_", "reasoning.")):
            draft.dropped.append(name)


def _write_tools(draft: _Draft, chat: Chat) -> None:
    tools = [_write_tool(tool) for tool in chat.tools]
    if chat.web_search is not None:
        tools.append(_write_search(draft, chat.web_search))
    draft.put(tools=tools)
    choice = chat.tool_choice
    if not tools and choice is not None and choice.mode == "required":
        draft.dropped.append("tool_choice")
    if not tools or choice is None:
        return
    kinds = {tool.name: "custom" if tool.custom else "function" for tool in chat.tools}
    named = [{"type": kinds.get(name, "function"), "name": name} for name in choice.names]
    if choice.mode == "none" or not named:
        draft.put(tool_choice=choice.mode)
    elif choice.mode == "required" and len(named) == 1:
        draft.put(tool_choice=named[0])
    else:
        draft.put(tool_choice={"type": "allowed_tools", "mode": choice.mode, "tools": named})


def _write_tool(tool: Tool) -> Fields:
    said = {"description": tool.description} if tool.description else {}
    if tool.custom:
        return {
            "type": "custom",
            "name": tool.name,
            **said,
            **({"format": _flat(tool.grammar)} if tool.grammar else {}),
        }
    parameters = tool.parameters or {"type": "object", "properties": {}, "additionalProperties": False}
    # Unsaid would mean strict here, and refuse schemas that are fine everywhere else.
    return {
        "type": "function",
        "name": tool.name,
        **said,
        "parameters": parameters,
        "strict": bool(tool.strict),
    }


def _flat(grammar: Fields) -> Fields:
    """Chat completions nest what this format has side by side."""
    nested = grammar.get("grammar")
    return {"type": "grammar", **nested} if isinstance(nested, dict) else grammar


def _write_search(draft: _Draft, search: WebSearch) -> Fields:
    draft.dropped += [
        f"web_search.{name}" for name in ("max_uses", "blocked_domains") if getattr(search, name) not in (None, ())
    ]
    tool: Fields = {"type": "web_search"}
    if search.context_size is not None:
        tool["search_context_size"] = search.context_size
    if search.allowed_domains:
        tool["filters"] = {"allowed_domains": list(search.allowed_domains)}
    if search.location:
        tool["user_location"] = {"type": "approximate", **search.location}
    return tool


def _write_messages(draft: _Draft, chat: Chat, target: Target) -> None:
    """What the system says before anything else is ``instructions``; afterwards it is a message in its place."""
    messages = list(chat.messages)
    instructions: list[str] = []
    while messages and messages[0].role == "system":
        instructions.append(_joined(messages.pop(0).parts))
    if not messages:
        raise BadRequest(
            "There is nothing to answer but instructions. Add a message of the user.",
            param="messages",
            code="invalid_value",
        )
    system = "developer" if "developer_role" in target.quirks else "system"
    items: list[Fields] = []
    for message in messages:
        match message.role:
            case "system":
                items.append({"type": "message", "role": system, "content": _joined(message.parts)})
            case "user":
                items.append({"type": "message", "role": "user", "content": _content(message.parts)})
            case "tool":
                items += [_write_result(part) for part in message.parts if isinstance(part, ToolResult)]
            case _:
                items += _write_said(message.parts, target)
    draft.put(instructions=PARAGRAPH.join(text for text in instructions if text) or None)
    draft.body["input"] = items


def _joined(parts: Sequence[Part]) -> str:
    return PARAGRAPH.join(part.text for part in parts if isinstance(part, Text) and part.text)


def _content(parts: Sequence[Part]) -> str | list[Fields]:
    if all(isinstance(part, Text) for part in parts) and len(parts) <= 1:
        return _joined(parts)
    return [_write_part(part) for part in parts if isinstance(part, Text | File)]


def _write_part(part: Text | File) -> Fields:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    writer = _FILES.get(part.kind)
    if writer is None:
        raise BadRequest(
            f"Files of the kind {part.kind} cannot be sent to this model. Leave it out, or name another model.",
            param="messages",
            code="unsupported_value",
        )
    if part.url is not None and not part.url.startswith(("https://", "http://")):
        raise BadRequest(
            f"The upstream cannot fetch {part.url[:200]!r}. Send an https URL, or the data.",
            param="messages",
            code="unsupported_value",
        )
    return writer(part)


def _write_image(file: File) -> Fields:
    place = {"file_id": file.file_id} if file.file_id else {"image_url": file.url or _data_url(file)}
    return {"type": "input_image", "detail": file.detail or "auto", **place}


def _write_document(file: File) -> Fields:
    if file.file_id:
        return {"type": "input_file", "file_id": file.file_id}
    if file.url:
        return {"type": "input_file", "file_url": file.url}
    suffixes = {media_type: suffix for suffix, media_type in SUFFIXES.items()}
    name = file.name or f"document.{suffixes.get(file.media_type, 'txt' if file.text is not None else 'bin')}"
    return {"type": "input_file", "filename": name, "file_data": _data_url(file)}


def _write_audio(file: File) -> Fields:
    if file.data is None:
        raise BadRequest(
            "A recording has to be sent as data to this model.", param="messages", code="unsupported_value"
        )
    kind = file.media_type.partition("/")[2]
    form = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}.get(kind, kind)
    return {"type": "input_audio", "input_audio": {"data": file.data, "format": form}}


_FILES: Final[dict[FileKind, Callable[[File], Fields]]] = {
    "image": _write_image,
    "document": _write_document,
    "audio": _write_audio,
}


def _data_url(file: File) -> str:
    data = file.data if file.text is None else base64.b64encode(file.text.encode(errors="surrogatepass")).decode()
    media_type = file.media_type or ("image/png" if file.kind == "image" else "text/plain")
    return f"data:{media_type};base64,{data or ''}"


def _write_result(result: ToolResult) -> Fields:
    parts = [part for part in result.parts if not isinstance(part, Text) or part.text]
    output: str | list[Fields] = "\n".join(part.text for part in parts if isinstance(part, Text))
    if result.error:
        output = f"Error: {output}"
    if not all(isinstance(part, Text) for part in parts):
        head = [Text(text="Error:")] if result.error else []
        output = [_write_part(part) for part in (*head, *parts)]
    kind = "custom_tool_call_output" if result.custom else "function_call_output"
    return {"type": kind, "call_id": legal_id(result.call_id, most=_CALL_ID_MOST), "output": output}


def _write_said(parts: Sequence[Part], target: Target) -> Iterator[Fields]:
    """Items without ids: an id is looked up among what the provider stored, which is nothing."""
    words: list[Text | Refusal] = []
    for part in parts:
        if isinstance(part, Text | Refusal):
            words += [part] if part.text else []
            continue
        yield from _write_words(words)
        words = []
        match part:
            case ToolCall():
                yield _write_call(part)
            case Reasoning():
                yield from _write_thought(part, target)
            case File():
                yield _write_made(part)
    yield from _write_words(words)


def _write_words(words: list[Text | Refusal]) -> Iterator[Fields]:
    if len(words) == 1 and isinstance(words[0], Text):
        yield {"type": "message", "role": "assistant", "content": words[0].text}
    elif words:
        content = [
            {"type": "output_text", "text": word.text, "annotations": []}
            if isinstance(word, Text)
            else {"type": "refusal", "refusal": word.text}
            for word in words
        ]
        yield {"type": "message", "role": "assistant", "content": content}


def _write_call(call: ToolCall) -> Fields:
    call_id = legal_id(call.id, most=_CALL_ID_MOST)
    if call.custom:
        return {"type": "custom_tool_call", "call_id": call_id, "name": call.name, "input": call.arguments}
    object_of(call.arguments, call.name, "messages")
    arguments = call.arguments if call.arguments.strip() else "{}"
    return {"type": "function_call", "call_id": call_id, "name": call.name, "arguments": arguments}


def _write_thought(thought: Reasoning, target: Target) -> Iterator[Fields]:
    signature = thought.signature
    if signature is not None and signature.dialect == NAME and signature.model in ("", target.model):
        summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
        yield {"type": "reasoning", "summary": summary, "encrypted_content": signature.value}


def _write_made(file: File) -> Fields:
    """A picture that the model made. These items have an id, always."""
    if file.kind == "image" and file.data is not None:
        digest = hashlib.sha256(file.data.encode()).hexdigest()[:32]
        return {"type": "image_generation_call", "id": f"ig_{digest}", "status": "completed", "result": file.data}
    if file.kind == "image" and file.url is not None:
        return {"type": "message", "role": "assistant", "content": f"![image]({file.url})"}
    raise BadRequest(
        f"Files of the kind {file.kind} that a model made cannot be sent back to this model. Leave it out.",
        param="messages",
        code="unsupported_value",
    )
