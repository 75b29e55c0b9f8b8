"""Amazon Bedrock's Converse: ``POST /model/{modelId}/converse`` and ``/converse-stream``.

The request
    {"messages": [{"role": "user" | "assistant", "content": [block]}], "system": [{"text"} | {"cachePoint"}],
     "inferenceConfig": {"maxTokens", "temperature", "topP", "stopSequences"},
     "toolConfig": {"tools": [{"toolSpec": {"name", "description", "inputSchema": {"json"}, "strict"}}], "toolChoice"},
     "outputConfig": {"textFormat", "effort"}, "additionalModelRequestFields": {what the model's maker calls it}, …}
    A block has one member: text, image, document, video, audio, toolUse, toolResult, reasoningContent, cachePoint.
    Turns alternate and begin with the user; blank text is refused; bytes are base64, never an address.

The answer: ``answers``.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ...errors import BadRequest, GatewayError
from ..chat import (
    CacheLife,
    Chat,
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
    ToolResult,
    Written,
    check_calls,
)
from ..dialect import Decoder
from ..events import Event
from ..operations import Operation
from ..reading import legal_id, object_of
from ..sealed import Signature
from ..thinking import budget_of, effort_of
from .answers import FORMAT_TOOL, NAME, StreamDecoder, answered, refused

__all__ = ["BEDROCK", "Bedrock"]

Block: TypeAlias = dict[str, Any]


class Bedrock:
    """The ``UpstreamDialect``. The option ``base_model`` of a channel names the model behind an ARN that hides it;
    ``guardrail`` (``ID`` or ``ID:VERSION``) is applied to every request."""

    name = NAME
    skims = False
    takes_links = False
    version = ""
    key_header: tuple[str, str] = ("authorization", "Bearer ")
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset({"chat"})

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:
        if operation.task != "chat":
            return None
        # ARNs contain : and /, which would otherwise be read as part of the path.
        return f"/model/{quote(model, safe='')}/converse{'-stream' if stream else ''}"

    def write(self, chat: Chat, target: Target) -> Written:
        check_calls(chat)
        return _Writer(chat, target).written()

    def decode(self, body: bytes, target: Target) -> list[Event]:
        return answered(body, target)

    def decoder(self, target: Target) -> Decoder:
        return StreamDecoder(target)

    def refusal(self, status: int, body: bytes) -> GatewayError:
        return refused(status, body)


# --- the families of models -------------------------------------------------------------------------------------------


class _Family(Struct, frozen=True, kw_only=True):
    """What models with such names take of what Converse can say. ``extra`` are the names of neutral fields within
    additionalModelRequestFields (a dot leads into an object); ``sampling`` how many of temperature and top_p go
    together. ``think`` is how thinking is asked for."""

    names: str
    claude: bool = False
    cache: bool = False
    cached_tools: bool = False
    status: bool = False
    choice: bool = True
    structured: bool = False
    sampling: Literal[0, 1, 2] = 2
    think: Literal["", "adaptive", "budget", "nova", "effort"] = ""
    newest: bool = False
    extra: dict[str, str] = {}


def _claude(names: str, **more: Any) -> _Family:
    return _Family(
        names=names, claude=True, cache=True, cached_tools=True, status=True, extra={"top_k": "top_k"}, **more
    )


_COHERE = {"top_k": "k", "seed": "seed"}
_PENALTIES = {"frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty"}

# https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html
# https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
_FAMILIES: Final = (
    _claude(
        r"claude-(?:opus-4-(?:[7-9]|\d\d)(?!\d)|[a-z]+-(?:[5-9]|\d\d)(?!\d))",
        think="adaptive",
        sampling=0,
        structured=True,
        newest=True,
    ),
    _claude(r"claude-[a-z]+-4-6", think="adaptive", sampling=1, structured=True),
    _claude(r"claude-[a-z]+-4-5", think="budget", sampling=1, structured=True),
    _claude(r"claude-(?:[a-z]+-4|3-7)", think="budget", sampling=1),
    _claude(r"claude"),
    _Family(names=r"nova-2", cache=True, status=True, think="nova", extra={"top_k": "inferenceConfig.topK"}),
    _Family(names=r"nova", cache=True, status=True, extra={"top_k": "inferenceConfig.topK"}),
    _Family(names=r"gpt-oss", structured=True, think="effort"),
    _Family(names=r"cohere\.command", choice=False, extra=_COHERE | _PENALTIES),
    _Family(names=r"ai21\.", choice=False, extra=_PENALTIES),
    _Family(names=r"llama|titan|deepseek\.r1", choice=False),
    _Family(names=r"mistral\.(?:mistral-(?:7b|large-24|small-24)|mixtral)", extra={"top_k": "top_k"}),
    # An ARN that does not name its model: nearly always a profile of one that takes all of it.
    _Family(names=r"^arn:", cache=True, cached_tools=True, status=True, structured=True),
    _Family(names=r"", structured=True),
)


def _family(model: str) -> _Family:
    return next(family for family in _FAMILIES if re.search(family.names, model))


# --- the request ------------------------------------------------------------------------------------------------------

_START: Final = "(The conversation begins with the assistant.)"
_EMPTY: Final = "(empty)"
_TIERS: Final = {"default": "default", "priority": "priority", "flex": "flex", "auto": None}
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "max"}
_THREE_EFFORTS: Final = _EFFORTS | {"max": "high"}
_LEAST_BUDGET: Final = 1024
_AS_IT_LIKES: Final = 8192

# requestMetadata: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
_METADATA: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")


def _table(text: str) -> dict[str, str]:
    """``a b c=d``: a means a, b means b, c means d."""
    pairs = (word.partition("=") for word in text.split())
    return {name: value or name for name, _, value in pairs}


_FILE_FORMATS: Final[dict[FileKind, dict[str, str]]] = {
    "image": _table("png jpeg jpg=jpeg gif webp"),
    "document": _table("pdf csv doc docx xls xlsx html htm=html txt plain=txt json=txt xml=txt md markdown=md")
    | _table("vnd.openxmlformats-officedocument.wordprocessingml.document=docx vnd.ms-excel=xls msword=doc")
    | _table("vnd.openxmlformats-officedocument.spreadsheetml.sheet=xlsx"),
    "video": _table(
        "mkv x-matroska=mkv mov quicktime=mov mp4 webm flv x-flv=flv mpeg mpg wmv x-ms-wmv=wmv 3gpp=three_gp"
    ),
    "audio": _table("mp3 mpeg=mp3 wav x-wav=wav wave=wav opus aac flac x-flac=flac mp4 m4a x-m4a=m4a ogg webm"),
}
"""By the second half of the media type, or else the extension of the name."""


class _Writer:
    """One request on its way into the format; what it cannot say gathers in ``dropped``."""

    def __init__(self, chat: Chat, target: Target) -> None:
        self.chat = chat
        self.target = target
        self.family = _family((target.options.get("base_model") or target.model).lower())
        self.tools = _offered(chat)
        self.extra: dict[str, Any] = {}
        self.output: dict[str, Any] = {}
        self.instructions: list[str] = []
        self.only_format_tool = False
        self.dropped: set[str] = set(chat.others)
        self.documents: set[str] = set()
        self.tool_names = {
            part.id: part.name for message in chat.messages for part in message.parts if isinstance(part, ToolCall)
        }

    def written(self) -> Written:
        chat = self.chat
        thinks = self._think()
        self._format(thinks=thinks)
        inference = self._inference(thinks=thinks)
        tools = self._tool_config()
        lead, rest = _split(chat.messages)
        body = {
            "messages": self._messages(rest),
            "system": self._system(lead),
            "inferenceConfig": inference,
            "toolConfig": tools,
            "outputConfig": self.output,
            "additionalModelRequestFields": self.extra,
            # Claude tells the sequence it met; asked for by its place in its own answer.
            "additionalModelResponseFieldPaths": ["/stop_sequence"] if chat.stop and self.family.claude else None,
            "guardrailConfig": _guardrail(self.target),
            "requestMetadata": self._metadata(),
            "serviceTier": self._service_tier(),
        }
        self._drop("n", chat.n > 1)
        self._drop("parallel_tool_calls", chat.parallel_tool_calls is False and bool(self.tools))
        for name in ("web_search", "logit_bias", "logprobs", "user", "verbosity", "prompt_cache_key"):
            self._drop(name, getattr(chat, name) is not None)
        names = (*Chat.__struct_fields__, *chat.others)
        return Written(
            body={name: value for name, value in body.items() if value},
            dropped=tuple(name for name in names if name in self.dropped),
        )

    def _drop(self, name: str, unsaid: bool = True) -> None:
        if unsaid:
            self.dropped.add(name)

    # what the model is told beside the conversation

    def _system(self, lead: Iterable[Message]) -> list[Block]:
        blocks: list[Block] = []
        for message in lead:
            for part in message.parts:
                if isinstance(part, Text) and part.text.strip():
                    blocks += [{"text": part.text}, *self._cache_point(part.cache)]
        return blocks + [{"text": text} for text in self.instructions]

    def _inference(self, *, thinks: bool) -> dict[str, Any]:
        chat, family = self.chat, self.family
        temperature = None if chat.temperature is None else min(max(chat.temperature, 0.0), 1.0)
        top_p, top_k = chat.top_p, chat.top_k
        if family.sampling == 0:
            self._drop("temperature", temperature is not None)
            self._drop("top_p", top_p is not None)
            self._drop("top_k", top_k is not None)
            temperature = top_p = top_k = None
        elif thinks and family.claude:
            # https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
            self._drop("temperature", temperature not in (None, 1.0))
            self._drop("top_p", top_p is not None and top_p < 0.95)
            self._drop("top_k", top_k is not None)
            temperature = top_k = None
            top_p = top_p if top_p is not None and top_p >= 0.95 else None
        elif family.sampling == 1 and temperature is not None and top_p is not None:
            self._drop("top_p")
            top_p = None
        self._extras(top_k)
        fields = {
            "maxTokens": chat.max_output,
            "temperature": temperature,
            "topP": top_p,
            "stopSequences": [text for text in chat.stop if text.strip()] or None,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _extras(self, top_k: int | None) -> None:
        chat = self.chat
        values = {
            "top_k": top_k,
            "seed": chat.seed,
            "presence_penalty": chat.presence_penalty,
            "frequency_penalty": chat.frequency_penalty,
        }
        for name, value in values.items():
            if value is None:
                continue
            if name not in self.family.extra:
                self._drop(name)
                continue
            *outer, last = self.family.extra[name].split(".")
            place = self.extra
            for step in outer:
                place = place.setdefault(step, {})
            place[last] = value

    def _metadata(self) -> dict[str, str] | None:
        metadata = self.chat.metadata
        if not metadata:
            return None
        pairs = [*metadata.keys(), *metadata.values()]
        if len(metadata) <= 16 and all(isinstance(text, str) and _METADATA.fullmatch(text) for text in pairs):
            return metadata
        self._drop("metadata")
        return None

    def _service_tier(self) -> dict[str, str] | None:
        asked = self.chat.service_tier
        self._drop("service_tier", asked is not None and asked not in _TIERS)
        tier = _TIERS.get(asked or "auto")
        return {"type": tier} if tier else None

    # thinking

    def _think(self) -> bool:
        """Whether the model is asked to think."""
        thinking = self.chat.thinking
        if thinking is None or budget_of(thinking) == 0 or thinking == Thinking(shown=False):
            return False
        asked = self.family.think and not self._hinders_thinking() and _THINK[self.family.think](self, thinking)
        self._drop("thinking", not asked and (thinking.effort or thinking.budget) is not None)
        return bool(asked)

    def _hinders_thinking(self) -> bool:
        """Claude does not think while a tool is forced, nor, before 4.6, go on within a run of tools whose first
        thoughts are not there any more."""
        if not self.family.claude:
            return False
        choice = self.chat.tool_choice
        if choice is not None and choice.mode == "required" and self.tools:
            return True
        return self.family.think == "budget" and bool(self.tools) and self._thoughts_are_lost()

    def _thoughts_are_lost(self) -> bool:
        messages = self.chat.messages
        if not messages or messages[-1].role != "tool":
            return False
        caller = next((message for message in reversed(messages) if message.role == "assistant"), None)
        first = caller.parts[0] if caller and caller.parts else None
        return not (isinstance(first, Reasoning) and self._usable(first.signature))

    def think_adaptive(self, thinking: Thinking) -> bool:
        effort = effort_of(thinking)
        self.extra["thinking"] = {"type": "adaptive"}
        if self.family.newest and thinking.shown is not None:
            self.extra["thinking"]["display"] = "summarized" if thinking.shown else "omitted"
        if effort == "xhigh" and self.family.newest:
            self.output["effort"] = "xhigh"
        elif effort is not None and thinking.budget != -1:
            self.output["effort"] = _EFFORTS[effort]
        return True

    def think_budget(self, thinking: Thinking) -> bool:
        budget = _AS_IT_LIKES if thinking.budget == -1 else budget_of(thinking)
        limit = self.chat.max_output or self.target.max_output
        if budget is None or (limit is not None and limit <= _LEAST_BUDGET):
            return False
        if limit is not None and budget >= limit:  # the budget is part of maxTokens, and the answer needs a rest of it
            budget = limit * 3 // 4
        self.extra["thinking"] = {"type": "enabled", "budget_tokens": max(budget, _LEAST_BUDGET)}
        return True

    def think_nova(self, thinking: Thinking) -> bool:
        """https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html"""
        chat = self.chat
        effort = _THREE_EFFORTS[effort_of(thinking) or "medium"]
        if effort == "high" and (chat.max_output or chat.temperature is not None or chat.top_p is not None):
            effort = "medium"  # "high" is refused together with these
        self.extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}
        return True

    def think_effort(self, thinking: Thinking) -> bool:
        effort = effort_of(thinking)
        if effort is not None:
            self.extra["reasoning_effort"] = _THREE_EFFORTS[effort]
        return effort is not None

    # the form of the answer

    def _format(self, *, thinks: bool) -> None:
        wanted = self.chat.format
        if wanted is None:
            return
        if wanted.kind == "json" or wanted.schema is None:
            self.instructions.append("Answer with one JSON object, and nothing before or after it.")
        elif self.family.structured:
            self.output["textFormat"] = {
                "type": "json_schema",
                "structure": {"jsonSchema": _json_schema(wanted)},
            }
        elif self.family.choice and not self.tools and not thinks and wanted.schema.get("type") == "object":
            self.only_format_tool = True
        else:
            schema = msgspec.json.encode(wanted.schema).decode()
            self.instructions.append(
                f"Answer with JSON that conforms to this schema, and nothing before or after it:\n{schema}"
            )

    # tools

    def _tool_config(self) -> dict[str, Any] | None:
        if self.only_format_tool and self.chat.format is not None:
            tool = Tool(
                name=FORMAT_TOOL,
                description=self.chat.format.description or "Give the answer by calling this tool.",
                parameters=self.chat.format.schema,
            )
            return {"tools": [self._tool(tool)], "toolChoice": {"any": {}}}
        if not self.tools:
            return None
        tools = []
        for tool in self.tools:
            tools += [self._tool(tool), *(self._cache_point(tool.cache) if self.family.cached_tools else ())]
        choice = self._choice()
        return {"tools": tools} | ({"toolChoice": choice} if choice else {})

    def _tool(self, tool: Tool) -> Block:
        _check_name(tool.name, "tools")
        spec: Block = {"name": tool.name}
        if described := _description(tool):
            spec["description"] = described
        spec["inputSchema"] = {"json": _schema(tool)}
        if tool.strict and self.family.structured:
            spec["strict"] = True
        return {"toolSpec": spec}

    def _choice(self) -> Block | None:
        choice = self.chat.tool_choice
        if choice is None:
            return None
        if choice.mode == "auto":
            return {"auto": {}}
        if not self.family.choice:
            self._drop("tool_choice")
            return None
        return {"tool": {"name": choice.names[0]}} if len(choice.names) == 1 else {"any": {}}

    # the conversation

    def _messages(self, messages: Iterable[Message]) -> list[Block]:
        turns: list[Block] = []
        for message in messages:
            blocks = [block for part in message.parts for block in self._blocks(message, part)]
            role = "assistant" if message.role == "assistant" else "user"
            if blocks and turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            elif blocks:
                turns.append({"role": role, "content": blocks})
        if not turns:
            raise BadRequest(
                "There is no message but instructions. Send at least one of the user's with some text.",
                param="messages",
                code="invalid_value",
            )
        if turns[0]["role"] == "assistant":
            turns.insert(0, {"role": "user", "content": [{"text": _START}]})
        for turn in turns:
            _accompany(turn["content"])
        return _without_trailing_space(turns)

    def _blocks(self, message: Message, part: Part) -> Iterator[Block]:
        match part:
            case Text():
                yield from self._text(message, part)
            case Refusal():
                yield from _text(part.text)
            case File():
                yield self._file(part)
                yield from self._cache_point(part.cache)
            case Reasoning():
                yield from self._reasoning(part)
            case ToolCall():
                yield self._call(part)
            case _:
                yield from self._result(part)

    def _text(self, message: Message, part: Text) -> Iterator[Block]:
        if not part.text.strip():
            return
        # Converse knows instructions in front only; moved there, these would speak of what had not been said yet.
        yield {"text": f"<system>\n{part.text}\n</system>" if message.role == "system" else part.text}
        yield from self._cache_point(part.cache)

    def _cache_point(self, cache: CacheLife | None) -> tuple[Block, ...]:
        if cache is None or not self.family.cache:
            return ()
        ttl = {"ttl": "1h"} if cache == "1h" else {}
        return ({"cachePoint": {"type": "default"} | ttl},)

    def _usable(self, signature: Signature | None) -> bool:
        return signature is not None and signature.dialect == NAME and signature.model in ("", self.target.model)

    def _reasoning(self, part: Reasoning) -> Iterator[Block]:
        if part.signature is None or not self._usable(part.signature):
            return
        if part.redacted:
            yield {"reasoningContent": {"redactedContent": part.signature.value}}
        else:
            yield {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature.value}}}

    def _call(self, part: ToolCall) -> Block:
        given = {"input": part.arguments} if part.custom else object_of(part.arguments, part.name, "messages")
        if not self.tools:
            # toolUse without a toolConfig is refused, and offering a tool would invite to call it.
            return {"text": f"[Called the tool {part.name} with {msgspec.json.encode(given).decode()}]"}
        _check_name(part.name, "messages")
        return {"toolUse": {"toolUseId": legal_id(part.id), "name": part.name, "input": given}}

    def _result(self, part: ToolResult) -> Iterator[Block]:
        content: list[Block] = []
        for piece in part.parts:
            content += _text(piece.text) if isinstance(piece, Text) else [self._file(piece)]
        if not self.tools:
            name = part.name or self.tool_names.get(part.call_id, "")
            yield {"text": f"[{'Error' if part.error else 'Result'} of the tool {name}]"}
            yield from content
            return
        result: Block = {"toolUseId": legal_id(part.call_id), "content": content or [{"text": _EMPTY}]}
        if part.error and self.family.status:
            result["status"] = "error"
        elif part.error:
            result["content"] = [{"text": "Error:"}, *result["content"]]
        yield {"toolResult": result}
        yield from self._cache_point(part.cache)

    # files

    def _file(self, file: File) -> Block:
        if file.kind == "document":
            return {"document": self._document(file)}
        return {file.kind: {"format": _file_format(file), "source": _source(file)}}

    def _document(self, file: File) -> Block:
        if file.text is not None:
            block: Block = {"format": "txt", "name": self._document_name(file), "source": {"text": file.text}}
        else:
            block = {"format": _file_format(file), "name": self._document_name(file), "source": _source(file)}
        return block | ({"citations": {"enabled": True}} if file.cited else {})

    def _document_name(self, file: File) -> str:
        """Letters, digits, single spaces, hyphens and brackets, other than all other names of the request."""
        stem = re.sub(r"\.\w{1,5}$", "", file.name)
        stem = re.sub(r"\s+", " ", re.sub(r"[^A-Za-z0-9\s()\[\]-]", "-", stem)).strip(" -")[:180].strip() or "document"
        name, number = stem, 1
        while name in self.documents:
            number += 1
            name = f"{stem} {number}"
        self.documents.add(name)
        return name


_THINK: Final[dict[str, Callable[[_Writer, Thinking], bool]]] = {
    "adaptive": _Writer.think_adaptive,
    "budget": _Writer.think_budget,
    "nova": _Writer.think_nova,
    "effort": _Writer.think_effort,
}


def _split(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """The instructions in front, and the conversation."""
    lead = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
    return messages[:lead], messages[lead:]


def _offered(chat: Chat) -> tuple[Tool, ...]:
    """The tools that may be called: Converse has no word for "none", nor for "only these"."""
    choice = chat.tool_choice
    if choice is None or not chat.tools:
        return chat.tools
    if choice.mode == "none":
        return ()
    # A forced tool is named to the model; the others may stay, so that what was cached of them is found again.
    if not choice.names or (choice.mode == "required" and len(choice.names) == 1):
        named = chat.tools
    else:
        named = tuple(tool for tool in chat.tools if tool.name in choice.names)
    if not named or (len(choice.names) == 1 and choice.names[0] not in {tool.name for tool in named}):
        raise BadRequest(
            f"'tool_choice' names {choice.names[0][:80]!r}, which is not among the tools.",
            param="tool_choice",
            code="invalid_value",
        )
    return named


def _check_name(name: str, param: str) -> None:
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        raise BadRequest(
            f"The tool name {name[:80]!r} is not one that this model's provider takes. "
            "Use 1 to 64 letters, digits, '_' and '-'.",
            param=param,
            code="invalid_value",
        )


def _description(tool: Tool) -> str:
    form = tool.grammar and f"The input has this form: {msgspec.json.encode(tool.grammar).decode()}"
    return "\n".join(text for text in (tool.description.strip(), form) if text)


def _schema(tool: Tool) -> dict[str, Any]:
    if tool.custom:
        return {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    schema = {name: value for name, value in (tool.parameters or {}).items() if name != "$schema"}
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}


def _json_schema(wanted: Format) -> dict[str, str]:
    """The schema is told as a text."""
    fields = {
        "schema": msgspec.json.encode(wanted.schema).decode(),
        "name": legal_id(wanted.name) if wanted.name else "",
        "description": wanted.description,
    }
    return {name: value for name, value in fields.items() if value}


def _guardrail(target: Target) -> dict[str, str] | None:
    guardrail = target.options.get("guardrail")
    if not guardrail:
        return None
    name, _, version = guardrail.rpartition(":") if re.search(r":(?:\d+|DRAFT)$", guardrail) else (guardrail, "", "")
    return {"guardrailIdentifier": name, "guardrailVersion": version or "DRAFT"}


def _text(text: str) -> list[Block]:
    """Blank text is refused."""
    return [{"text": text}] if text.strip() else []


def _accompany(blocks: list[Block]) -> None:
    """A turn with a document must have a text: its name, where the caller had nothing to say."""
    documents = [block["document"]["name"] for block in blocks if "document" in block]
    if documents and not any("text" in block for block in blocks):
        blocks.append({"text": ", ".join(documents)})


def _without_trailing_space(turns: list[Block]) -> list[Block]:
    """An answer that was begun for the model must not end with white space."""
    last = turns[-1]["content"][-1]
    if turns[-1]["role"] == "assistant" and "text" in last:
        turns[-1]["content"][-1] = {"text": last["text"].rstrip()}
    return turns


def _file_format(file: File) -> str:
    formats = _FILE_FORMATS[file.kind]
    kind = file.media_type.partition(";")[0].strip().lower().rpartition("/")[2]
    extension = (file.name or (file.url or "").partition("?")[0]).rpartition(".")[2].lower()
    found = formats.get(kind) or formats.get(extension)
    if found is None and file.kind == "document" and file.media_type.lower().startswith("text/"):
        return "txt"
    if found is None:
        raise BadRequest(
            f"The model's provider takes no {file.kind} of type {file.media_type[:80] or 'unknown'!r}, only "
            f"{', '.join(sorted(set(formats.values())))}.",
            param="messages",
            code="invalid_value",
        )
    return found


def _source(file: File) -> Block:
    if file.data is not None:
        return {"bytes": file.data}
    if file.url is not None and file.url.startswith("s3://"):
        return {"s3Location": {"uri": file.url}}
    raise BadRequest(
        f"The model's provider does not fetch files, and keeps none: send the {file.kind} itself, as base64.",
        param="messages",
        code="unsupported_value",
    )


BEDROCK = Bedrock()
