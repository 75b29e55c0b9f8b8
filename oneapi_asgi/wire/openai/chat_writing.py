"""Chat completions as upstreams take them: OpenAI, and nearly every provider and server since.

What a provider refuses, or calls by another name, is a quirk (``quirks``); what OpenAI's own models refuse goes by the
name of the model. Signatures of calls come first: they travel as ``extra_content``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from ...errors import BadRequest
from ...unreadable import UNREADABLE
from ..chat import (
    Chat,
    Effort,
    File,
    FileKind,
    Format,
    Message,
    Part,
    Reasoning,
    Refusal,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
    Written,
    check_calls,
)
from ..reading import legal_id, object_of
from ..sealed import Signature, seal, unseal
from ..thinking import budget_of, effort_of

__all__ = ["AUDIO", "NAME", "call_signature", "extra_content", "reasons", "url_of", "write_chat"]

NAME: Final = "openai"

AUDIO: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_AUDIO_FORMATS: Final = {
    **{media_type: name for name, media_type in AUDIO.items()},
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
}

_objects = msgspec.json.Decoder(dict[str, Any])


# --- signatures of calls ----------------------------------------------------------------------------------------------


def call_signature(extra: object, model: str = "") -> Signature | None:
    """Of a call's ``extra_content``: what was sealed in it, else all of it, as its upstream wants to see it again."""
    if not isinstance(extra, dict) or not extra:
        return None
    sealed = extra.get("signature")
    if isinstance(sealed, str) and (found := unseal(sealed, "")).dialect:
        return found
    return Signature(NAME, model, msgspec.json.encode(extra).decode())


def extra_content(signature: Signature) -> dict[str, Any]:
    """Of the signature of a call: what the upstream had there, or the sealed signature of another."""
    if signature.dialect == NAME:
        try:
            return _objects.decode(signature.value)
        except UNREADABLE:
            pass
    return {"signature": seal(signature)}


# --- writing a request ------------------------------------------------------------------------------------------------

_REASONS = re.compile(r"(?:.*/)?(?P<family>o\d|gpt-(?:[5-9]|\d\d))(?P<rest>(?![a-z]).*)")
_ALWAYS = re.compile(r"gpt-6(?:-astra|\.1-sol|\.2)")
"""Models that cannot be stopped from thinking."""

_CHATS = re.compile(r"(?:ft:|.*/)?(?:gpt-[34]|chatgpt|gpt-[5-9][.\d]*-chat)")


@lru_cache(1024)
def reasons(model: str) -> bool:
    """Whether a model of OpenAI's own thinks before it answers, by its name."""
    return _CHATS.match(model) is None and _REASONS.fullmatch(model) is not None


_REFUSED: Final = {
    "no_parallel_tool_calls": ("parallel_tool_calls",),
    "no_penalties": ("presence_penalty", "frequency_penalty"),
    "no_stop": ("stop",),
    "no_logprobs": ("logprobs",),
    "no_seed": ("seed",),
    "no_n": ("n",),
}
_SAMPLING: Final = frozenset(
    ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "stop")
)
"""What models that reason refuse while they do (https://platform.openai.com/docs/guides/reasoning)."""

_RARE: Final = frozenset(
    (
        "audio",
        "modalities",
        "moderation",
        "prediction",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
    )
)
_TIERS: Final = {"standard_only": "default"} | {
    tier: tier for tier in ("auto", "default", "flex", "scale", "priority", "fast")
}
_MOST_STOPS = 4
_ID_LENGTH = 40
_JOINTS: Final = {"system": "\n\n", "user": "\n\n", "assistant": "", "tool": "\n"}


def write_chat(chat: Chat, target: Target) -> Written:
    """
    :raises BadRequest: the history cannot be told, or holds what this format has no way to say
    """
    check_calls(chat)
    writer = _Writer(chat, target)
    body = writer.write()
    return Written(body=body, dropped=tuple(writer.dropped))


class _Writer:
    def __init__(self, chat: Chat, target: Target) -> None:
        self.chat = chat
        self.target = target
        self.quirks = target.quirks
        self.dropped: list[str] = []
        self.body: dict[str, Any] = {"model": target.model, "messages": []}
        chats = _CHATS.match(target.model)
        self.reasons = None if chats else _REASONS.fullmatch(target.model)
        self.tells_effort = "reasoning_effort" in self.quirks and not chats
        self.instruction: str | None = None

    def write(self) -> dict[str, Any]:
        if self.target.stream:
            self.body["stream"] = True
            if "usage_option" in self.quirks:
                self.body["stream_options"] = {"include_usage": True}
        refused = self._refused()
        for field, put in _PUT.items():
            value = getattr(self.chat, field)
            if value is None or value == () or (field == "n" and value == 1):
                continue
            if field in refused or not put(self, field, value):
                self.dropped.append(field)
        self._others()
        self.body["messages"] = _Messages(self).write()
        return self.body

    def _refused(self) -> set[str]:
        refused = {field for quirk in self.quirks for field in _REFUSED.get(quirk, ())}
        if self.reasons is None:
            return refused
        if self.reasons["family"].startswith("o"):
            refused.add("parallel_tool_calls")
        thinking = self.chat.thinking
        silent = self.tells_effort and thinking is not None and self._effort(thinking) == "none"
        return refused if silent else refused | _SAMPLING

    def plain(self, field: str, value: object) -> bool:
        self.body[field] = value
        return True

    def tools(self, _: str, tools: tuple[Tool, ...]) -> bool:
        """Those that may be called. (``allowed_tools`` would keep prompts cached, but few providers know it.)"""
        choice = self.chat.tool_choice
        allowed = choice.names if choice is not None and not self._forces(choice) else ()
        self.body["tools"] = [self._tool(tool) for tool in tools if not allowed or tool.name in allowed]
        return True

    def _forces(self, choice: ToolChoice) -> bool:
        return choice.mode == "required" and len(choice.names) == 1

    def _tool(self, tool: Tool) -> dict[str, Any]:
        if tool.custom and "custom_tools" in self.quirks:
            custom = {"name": tool.name, "description": tool.description or None, "format": tool.grammar}
            return {"type": "custom", "custom": _said(custom)}
        parameters = tool.parameters or {"type": "object", "properties": {}}
        if tool.custom:
            parameters = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
        function = {
            "name": tool.name,
            "description": tool.description or None,
            "parameters": parameters,
            "strict": tool.strict,
        }
        return {"type": "function", "function": _said(function)}

    def choice(self, field: str, choice: ToolChoice) -> bool:
        if not self.chat.tools:
            return choice.mode != "required"
        if not self._forces(choice):
            return self.plain(field, choice.mode)
        custom = "custom_tools" in self.quirks and any(
            tool.custom and tool.name == choice.names[0] for tool in self.chat.tools
        )
        kind = "custom" if custom else "function"
        return self.plain(field, {"type": kind, kind: {"name": choice.names[0]}})

    def parallel(self, field: str, value: bool) -> bool:
        return not self.chat.tools or self.plain(field, value)

    def search(self, _: str, search: WebSearch) -> bool:
        if "web_search_options" not in self.quirks:
            return False
        options: dict[str, Any] = _said({"search_context_size": search.context_size})
        if search.location:
            place = {key: search.location.get(key) for key in ("city", "country", "region", "timezone")}
            options["user_location"] = {"type": "approximate", "approximate": _said(place)}
        limited = search.max_uses is not None or search.allowed_domains or search.blocked_domains
        return self.plain("web_search_options", options) and not limited

    def format(self, _: str, wanted: Format) -> bool:
        """Providers refuse ``json_object`` where no message says that JSON is wanted."""
        unable = "no_json_schema" in self.quirks or ("no_streamed_schema" in self.quirks and self.target.stream)
        if wanted.kind == "json" or unable:
            self.body["response_format"] = {"type": "json_object"}
            if wanted.schema is not None:
                schema = msgspec.json.encode(wanted.schema).decode()
                self.instruction = f"Answer with one JSON object that is valid under this JSON Schema: {schema}"
            elif not _speaks_of_json(self.chat):
                self.instruction = "Answer with one JSON object."
            return True
        schema_ = {
            "name": legal_id(wanted.name or "answer"),
            "description": wanted.description or None,
            "schema": wanted.schema,
            "strict": wanted.strict,
        }
        return self.plain("response_format", {"type": "json_schema", "json_schema": _said(schema_)})

    def thinking(self, _: str, thinking: Thinking) -> bool:
        """In every way that the provider takes."""
        told: dict[str, Any] = {}
        effort, budget = self._effort(thinking), budget_of(thinking)
        switched = "thinking_type" in self.quirks
        if self.tells_effort and not (switched and budget == 0):  # "none" is no effort where there is a switch
            told["reasoning_effort"] = effort
        if switched:
            told["thinking"] = {"type": "disabled" if budget == 0 else "enabled"}
        if "enable_thinking" in self.quirks:
            told["enable_thinking"] = budget != 0
            told["thinking_budget"] = thinking.budget if thinking.budget and thinking.budget > 0 else None
        if "reasoning_object" in self.quirks:
            limit = thinking.budget if thinking.effort is None and thinking.budget and thinking.budget > 0 else None
            wish = {"effort": effort if limit is None else None, "max_tokens": limit}
            told["reasoning"] = _said({**wish, "exclude": True if thinking.shown is False else None})
        self.body |= _said(told)
        return bool(told)

    def _effort(self, thinking: Thinking) -> Effort | None:
        """The word, or the nearest that the model knows; chat completions have no ``max``."""
        effort = effort_of(thinking)
        if self.reasons is None or effort is None:
            return effort
        if self.reasons["family"].startswith("o"):
            return _OLDEST_EFFORTS.get(effort, effort)
        if self.reasons["family"] == "gpt-5" and not self.reasons["rest"].startswith("."):
            return _OLDER_EFFORTS.get(effort, effort)
        if effort == "none" and _ALWAYS.search(self.target.model):
            return "low"
        return "xhigh" if effort == "max" else effort

    def limit(self, _: str, limit: int) -> bool:
        longer = self.reasons is not None or "max_completion_tokens" in self.quirks
        most = self.target.max_output
        return self.plain("max_completion_tokens" if longer else "max_tokens", min(limit, most) if most else limit)

    def top_p(self, field: str, value: float) -> bool:
        return ("top_p_below_one" in self.quirks and value >= 1) or self.plain(field, value)

    def top_k(self, field: str, value: int) -> bool:
        return "top_k" in self.quirks and self.plain(field, value)

    def stop(self, field: str, stop: tuple[str, ...]) -> bool:
        return self.plain(field, list(stop[:_MOST_STOPS])) and len(stop) <= _MOST_STOPS

    def seed(self, field: str, seed: int) -> bool:
        return self.plain("random_seed" if "random_seed" in self.quirks else field, seed)

    def logprobs(self, field: str, alternatives: int) -> bool:
        return self.plain(field, True) and self.plain("top_logprobs", alternatives)

    def tier(self, field: str, tier: str) -> bool:
        return tier in _TIERS and self.plain(field, _TIERS[tier])

    def _others(self) -> None:
        known = _RARE if "rare_fields" in self.quirks else frozenset[str]()
        for field, value in self.chat.others.items():
            if field not in known or field in self.body:
                self.dropped.append(field)
            else:
                self.body[field] = value


_OLDEST_EFFORTS: Final[dict[Effort, Effort]] = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}
_OLDER_EFFORTS: Final[dict[Effort, Effort]] = {"none": "minimal", "xhigh": "high", "max": "high"}

_PUT: Final[dict[str, Callable[[_Writer, str, Any], bool]]] = {
    "tools": _Writer.tools,
    "tool_choice": _Writer.choice,
    "parallel_tool_calls": _Writer.parallel,
    "web_search": _Writer.search,
    "format": _Writer.format,
    "thinking": _Writer.thinking,
    "max_output": _Writer.limit,
    "temperature": _Writer.plain,
    "top_p": _Writer.top_p,
    "top_k": _Writer.top_k,
    "stop": _Writer.stop,
    "n": _Writer.plain,
    "seed": _Writer.seed,
    "presence_penalty": _Writer.plain,
    "frequency_penalty": _Writer.plain,
    "logit_bias": _Writer.plain,
    "logprobs": _Writer.logprobs,
    "user": _Writer.plain,
    "metadata": _Writer.plain,
    "service_tier": _Writer.tier,
    "verbosity": _Writer.plain,
    "prompt_cache_key": _Writer.plain,
}
"""Each writes a field of ``Chat``, in their order, and tells whether it could."""


def _invalid(param: str, what: str) -> BadRequest:
    return BadRequest(f"'{param}': {what}.", param=param, code="invalid_value")


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _speaks_of_json(chat: Chat) -> bool:
    texts = (part.text for message in chat.messages for part in message.parts if isinstance(part, Text))
    return any("json" in text.lower() for text in texts)


class _Messages:
    """Writes the messages. Pictures in the results of tools come in a message of the user right after them."""

    def __init__(self, writer: _Writer) -> None:
        self._chat = writer.chat
        self._quirks = writer.quirks
        self._model = writer.target.model
        self._instruction = writer.instruction
        self._pictures: list[dict[str, Any]] = []
        self._instructs = "developer" if writer.reasons and "developer_role" in writer.quirks else "system"
        self._lost = writer.dropped

    def write(self) -> list[dict[str, Any]]:
        written: list[dict[str, Any]] = []
        for index, message in enumerate(self._chat.messages):
            if message.role != "tool":
                written += self._flush()
            written += self._message(message, f"messages[{index}]")
        written += self._flush()
        if self._instruction is not None:
            at = next((at for at, message in enumerate(written) if message["role"] != self._instructs), len(written))
            written.insert(at, {"role": self._instructs, "content": self._instruction})
        return _merged(written) if "alternating_roles" in self._quirks else written

    def _message(self, message: Message, where: str) -> Iterator[dict[str, Any]]:
        name = {"name": message.name} if message.name else {}
        match message.role:
            case "system":
                yield {"role": self._instructs, "content": self._text("system", message.parts), **name}
            case "user":
                yield {"role": "user", "content": self._content(message.parts, where), **name}
            case "assistant":
                if told := self._assistant(message, where):
                    yield {"role": "assistant", **told, **name}
            case "tool":
                yield from (self._result(part, where) for part in message.parts if isinstance(part, ToolResult))

    def _text(self, role: str, parts: Iterable[Part]) -> str:
        texts = [part.text for part in parts if isinstance(part, Text | Refusal)]
        return _JOINTS[role].join(text for text in texts if text)

    def _content(self, parts: tuple[Part, ...], where: str) -> str | list[dict[str, Any]]:
        if all(isinstance(part, Text) for part in parts) and (len(parts) < 2 or "text_content" in self._quirks):
            return self._text("user", parts)
        return [self._part(part, where) for part in parts if isinstance(part, Text | File)]

    def _part(self, part: Text | File, where: str) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        written = _text_of_file(part) or _FILES[part.kind](part)
        if written is None:
            raise _unsayable(part, where)
        if "text_content" in self._quirks and written["type"] != "text":
            raise _invalid(where, f"this model takes text alone, no {part.kind}. Send text, or name another model")
        return written

    def _assistant(self, message: Message, where: str) -> dict[str, Any]:
        """Empty when there is nothing that can be told."""
        calls = [self._call(part, where) for part in message.parts if isinstance(part, ToolCall)]
        text = self._text("assistant", message.parts)
        told: dict[str, Any] = {"content": text or None} if text or calls else {}
        for file in (part for part in message.parts if isinstance(part, File)):
            if file.kind == "audio" and file.file_id is not None:
                told |= {"content": text or None, "audio": {"id": file.file_id}}
            elif "messages" not in self._lost:
                self._lost.insert(0, "messages")
        if not calls:
            return told
        if "reasoning_returned" in self._quirks:
            told["reasoning_content"] = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
        return {**told, "tool_calls": calls}

    def _call(self, call: ToolCall, where: str) -> dict[str, Any]:
        written: dict[str, Any] = {"id": self._id(call.id)}
        if call.custom and "custom_tools" in self._quirks:
            written |= {"type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        else:
            arguments = call.arguments if call.arguments.strip() else "{}"
            if call.custom:
                arguments = msgspec.json.encode({"input": call.arguments}).decode()
            else:
                object_of(arguments, call.name, where)
            written |= {"type": "function", "function": {"name": call.name, "arguments": arguments}}
        signature = call.signature
        if signature is not None and signature.dialect == NAME and signature.model in ("", self._model):
            written["extra_content"] = extra_content(signature)
        return written

    def _id(self, call_id: str) -> str:
        if "short_tool_ids" not in self._quirks:
            return legal_id(call_id, most=_ID_LENGTH, illegal=r"[^!-~]")
        fits = re.fullmatch(r"[a-zA-Z0-9]{9}", call_id)
        # A space is illegal in an id, and makes one of exactly nine characters.
        return call_id if fits else legal_id(f"{call_id} ", most=9, illegal=r"[^a-zA-Z0-9]")

    def _result(self, result: ToolResult, where: str) -> dict[str, Any]:
        text = self._text("tool", result.parts)
        files = [self._part(part, where) for part in result.parts if isinstance(part, File)]
        if files:
            self._pictures += [{"type": "text", "text": f"From the result of {result.name or 'the tool'}:"}, *files]
        content = f"Error: {text}" if result.error else text
        return {"role": "tool", "tool_call_id": self._id(result.call_id), "content": content}

    def _flush(self) -> list[dict[str, Any]]:
        pictures, self._pictures = self._pictures, []
        return [{"role": "user", "content": pictures}] if pictures else []


def _merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages without two of one side in a row; results of tools stay apart."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        last = merged[-1] if merged else {"role": None}
        if last["role"] != message["role"] or message["role"] == "tool" or "tool_calls" in last:
            merged.append(message)
            continue
        merged[-1] = {**last, **message, "content": _joined(last["content"], message["content"])}
    return merged


def _joined(one: Any, other: Any) -> Any:
    if one and other and not (isinstance(one, str) and isinstance(other, str)):
        lists = [[{"type": "text", "text": side}] if isinstance(side, str) else side for side in (one, other)]
        return lists[0] + lists[1]
    return f"{one}\n\n{other}" if one and other else one or other


def _text_of_file(file: File) -> dict[str, Any] | None:
    """Plain text is told as such: documents of this format are PDFs."""
    text = file.text
    if text is None and file.data is not None and file.media_type.startswith("text/"):
        text = base64.b64decode(file.data).decode(errors="replace")
    return {"type": "text", "text": f"{file.name}\n{text}" if file.name else text} if text is not None else None


def _image_part(file: File) -> dict[str, Any] | None:
    url = url_of(file)
    return {"type": "image_url", "image_url": _said({"url": url, "detail": file.detail})} if url else None


def _video_part(file: File) -> dict[str, Any] | None:
    url = url_of(file)
    return {"type": "video_url", "video_url": {"url": url}} if url else None


def _audio_part(file: File) -> dict[str, Any] | None:
    kind = _AUDIO_FORMATS.get(file.media_type)
    if file.data is None or kind is None:
        return None
    return {"type": "input_audio", "input_audio": {"data": file.data, "format": kind}}


def _document_part(file: File) -> dict[str, Any] | None:
    if file.file_id is not None:
        return {"type": "file", "file": {"file_id": file.file_id}}
    if file.data is None:
        return None
    return {"type": "file", "file": {"filename": file.name or "document.pdf", "file_data": url_of(file)}}


_FILES: Final[dict[FileKind, Callable[[File], dict[str, Any] | None]]] = {
    "image": _image_part,
    "audio": _audio_part,
    "video": _video_part,
    "document": _document_part,
}
_MEDIA_TYPES: Final[dict[FileKind, str]] = {
    "image": "image/png",
    "audio": "audio/wav",
    "video": "video/mp4",
    "document": "application/pdf",
}


def url_of(file: File) -> str | None:
    if file.data is not None:
        return f"data:{file.media_type or _MEDIA_TYPES[file.kind]};base64,{file.data}"
    return file.url


def _unsayable(file: File, where: str) -> BadRequest:
    given = "file_id" if file.file_id is not None else "url" if file.url is not None else file.media_type or "data"
    return _invalid(where, f"this model cannot be given {file.kind} by {given}. Send it as base64 (audio: wav or mp3)")
