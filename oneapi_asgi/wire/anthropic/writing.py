"""Anthropic's Messages, the request: written out of a ``Chat`` for a model that may be old or new.

What a model takes is said in one table. The reference is https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...errors import BadRequest
from ..chat import (
    CacheLife,
    Chat,
    File,
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
    check_choice,
)
from ..reading import legal_id, object_of
from ..thinking import budget_of, effort_of
from .reading import NAME

__all__ = ["ANSWER_TOOL", "write"]

# What the models can


class _Model(Struct, frozen=True, kw_only=True):
    """``output``: the most ``max_tokens`` may be, 0 if unknown. ``thinking``: with a budget or adaptively, if at all;
    ``rest`` is what ``thinking`` says for none of it, "" where absence does, None where the model always thinks.
    ``samples``: takes temperature, top_p, top_k; ``both``: the first two at once. ``prefill``: the last turn may be the
    assistant's. ``schema``: knows output_config.format and strict tools. ``system_turns``: messages of role system.
    ``forced``: the model may be made to call a tool."""

    output: int
    thinking: Literal["budget", "adaptive"] | None = "adaptive"
    rest: str | None = ""
    samples: bool = False
    both: bool = False
    prefill: bool = False
    schema: bool = True
    system_turns: bool = True
    forced: bool = True
    xhigh: bool = True


_OLD = _Model(
    output=4096, thinking=None, samples=True, both=True, prefill=True, schema=False, system_turns=False, xhigh=False
)
_BUDGETED = replace(_OLD, output=64_000, thinking="budget", both=False)
_ADAPTIVE = _Model(output=128_000)
_NEWEST = replace(_ADAPTIVE, rest=None, forced=False)
_STRANGER = replace(_BUDGETED, output=0)
"""A model of somebody else behind an API like this one."""

# https://platform.claude.com/docs/en/about-claude/models/overview, .../build-with-claude/thinking, .../effort,
# .../structured-outputs, .../mid-conversation-system-messages, and the migration guides of each model.
_MODELS: Final[tuple[tuple[str, tuple[int, int], _Model], ...]] = (
    ("fable mythos", (5, 1), _NEWEST),
    ("fable mythos", (5, 0), replace(_ADAPTIVE, rest=None)),
    ("opus", (5, 5), _NEWEST),
    ("sonnet", (5, 5), replace(_NEWEST, rest="between_tools")),
    ("opus sonnet haiku", (5, 0), replace(_ADAPTIVE, rest="disabled")),
    ("opus", (4, 8), _ADAPTIVE),
    ("opus", (4, 7), replace(_ADAPTIVE, system_turns=False)),
    ("opus sonnet", (4, 6), replace(_ADAPTIVE, system_turns=False, samples=True, xhigh=False)),
    ("opus sonnet haiku", (4, 5), replace(_BUDGETED, schema=True)),
    ("opus", (4, 0), replace(_BUDGETED, output=32_000)),
    ("sonnet", (4, 0), _BUDGETED),
    ("sonnet", (3, 7), replace(_BUDGETED, both=True)),
    ("opus sonnet haiku", (3, 5), replace(_OLD, output=8192)),
    ("opus sonnet haiku instant", (0, 0), _OLD),
)
_NAMED = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-)?v?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d)(?:-(?P<after>[a-z]{4,}))?"
)
_OUTPUT_DEFAULT = 64_000
_STRANGER_DEFAULT = 8192


def _model(name: str) -> _Model:
    """By the version in its name, however Anthropic, Bedrock, Vertex and routers write it. A Claude without one, or of
    a family unheard of, is taken for the newest."""
    name = name.lower()
    if "claude" not in name:
        return _STRANGER
    found = _NAMED.search(name)
    if found is None:
        return _NEWEST
    family = found["family"] or found["after"] or "instant"
    version = (int(found["major"]), int(found["minor"] or 0))
    return next(
        (model for families, since, model in _MODELS if family in families.split() and version >= since), _NEWEST
    )


# Writing a request

_OWN: Final = frozenset(
    ["cache_control", "container", "context_management", "diagnostics", "inference_geo", "mcp_servers", "speed"]
)
"""Fields of this format that ``Chat.others`` may hold, since no other format has them."""

_UNKNOWN: Final = ("seed", "logit_bias", "logprobs", "metadata", "verbosity", "prompt_cache_key")
"""Fields of ``Chat`` that no request of this format can say."""

_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_IMAGES: Final = {"image/jpg": "image/jpeg"} | {name: name for name in ("image/jpeg", "image/png", "image/gif")}
_IMAGES["image/webp"] = "image/webp"
_SEARCH = "web_search_20250305"
_LEAST_BUDGET = 1024
_BUDGET = 8192
_MOST_STRICT = 20
_MOST_CACHED = 4
_TITLE_LENGTH = 500
_USER_LENGTH = 256
_SAFETY = "safety_identifier"
"""What OpenAI calls the caller's own user by now, beside ``user``."""
ANSWER_TOOL: Final = "oneapi_answer_in_schema"
"""A tool whose input is the answer itself, forced upon models that take no schema. Decoders tell it as text."""

_JSON_ONLY = "Answer with one JSON object and nothing else: no words around it, no code fence."
_SCHEMA_ONLY = "Answer with JSON of the following schema and nothing else: no words around it, no code fence.\n"
_USE_TOOL = "Answer this by calling a tool: "
_BEGINNING = "(The conversation begins with what you said.)"
_Blocks: TypeAlias = list[dict[str, Any]]


def write(chat: Chat, target: Target) -> Written:
    """
    :raises BadRequest: it cannot be said, and leaving it out would change what was asked
    """
    try:
        return _Writing(chat, target).written()
    except RecursionError:
        raise BadRequest("The request is nested too deeply. Flatten it.", code="invalid_value") from None


def _bad(message: str, param: str) -> BadRequest:
    return BadRequest(f"'{param}': {message}", code="invalid_value", param=param)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


class _Writing:
    """One request on its way into this format; ``lost`` are the names of what it cannot say."""

    def __init__(self, chat: Chat, target: Target) -> None:
        self.chat = chat
        self.target = target
        self.model = _model(target.model)
        self.schema = self.model.schema and "no_json_schema" not in target.quirks
        self.lost: set[str] = set()
        self.told: set[str] = set()
        self.instructions: list[str] = []
        self.turns: list[tuple[str, _Blocks]] = []
        self.thinks = False

    def written(self) -> Written:
        check_calls(self.chat)
        check_choice(self.chat)
        system_turns = self.model.system_turns and "no_system_turns" not in self.target.quirks
        self.turns = _placed(list(self._turns()), system_turns=system_turns)
        if not self.turns:
            raise _bad("nobody says anything. Add a message of the user.", "messages")
        self._prefill()
        body: dict[str, Any] = {"model": self.target.model, "max_tokens": self._max_tokens()}
        tools, choice = self._tools(), self._choice()
        config, thinking = self._thinking(body["max_tokens"])
        self._format(config, tools, choice)
        fields: Iterable[tuple[str, Any]] = (
            ("system", self._system()),
            ("messages", [{"role": role, "content": blocks} for role, blocks in self.turns]),
            ("tools", tools),
            ("tool_choice", choice if tools else {}),
            ("thinking", thinking),
            ("output_config", config),
            *self._sampling(),
            ("stop_sequences", self._stops()),
            ("metadata", self._user()),
            ("service_tier", self._tier()),
            *self._others(),
            ("stream", self.target.stream),
        )
        body |= {name: value for name, value in fields if value or (value == 0 and value is not False)}
        _uncached(body)
        return Written(body=body, dropped=self._dropped())

    def _dropped(self) -> tuple[str, ...]:
        chat = self.chat
        self.lost |= {name for name in _UNKNOWN if getattr(chat, name) is not None}
        self.lost |= {name for name in ("presence_penalty", "frequency_penalty") if getattr(chat, name)}
        if chat.n > 1:
            self.lost.add("n")
        return tuple(name for name in (*Chat.__struct_fields__, *chat.others) if name in self.lost)

    def _max_tokens(self) -> int:
        most = self.target.max_output or self.model.output
        if self.chat.max_output is not None:
            return min(self.chat.max_output, most) if most else self.chat.max_output
        return self.target.max_output or min(self.model.output or _STRANGER_DEFAULT, _OUTPUT_DEFAULT)

    # The conversation

    def _system(self) -> _Blocks:
        """What stands before the first turn, and what had to be added in words."""
        blocks = [block for message in self._leading() for block in _texts(message.parts)]
        return blocks + [{"type": "text", "text": text} for text in self.instructions]

    def _leading(self) -> Iterator[Message]:
        for message in self.chat.messages:
            if message.role != "system":
                return
            yield message

    def _turns(self) -> Iterator[tuple[str, _Blocks]]:
        start = sum(1 for _ in self._leading())
        for index, message in enumerate(self.chat.messages[start:], start):
            where = f"messages[{index}]"
            role = "user" if message.role == "tool" else message.role
            yield role, [block for part in message.parts for block in self._blocks(part, role, where)]

    def _blocks(self, part: Part, role: str, where: str) -> _Blocks:
        match part:
            case Text() | Refusal():
                return _texts([part])
            case File():
                if role == "assistant":
                    raise _bad("files of the assistant cannot be sent back. Send them as the user's.", where)
                return [_file(part, where)]
            case ToolCall():
                given = {"input": part.arguments} if part.custom else object_of(part.arguments, part.name, where)
                return [{"type": "tool_use", "id": legal_id(part.id), "name": part.name, "input": given}]
            case ToolResult():
                return [_result(part, where)]
            case _:
                return self._thought(part)

    def _thought(self, part: Reasoning) -> _Blocks:
        """Thoughts are worth something to the model alone that signed them; others are not told of them."""
        signature = part.signature
        if signature is None or signature.dialect != NAME or self.model.thinking is None:
            return []
        if signature.model not in ("", self.target.model):
            return []
        if part.redacted:
            return [{"type": "redacted_thinking", "data": signature.value}]
        return [{"type": "thinking", "thinking": part.text, "signature": signature.value}]

    def _prefill(self) -> None:
        role, blocks = self.turns[-1]
        if role != "assistant":
            return
        if not self.model.prefill:
            raise _bad(
                f"the model {self.target.model[:80]!r} does not go on from an answer that has begun. "
                "End with a message of the user.",
                "messages",
            )
        last = blocks[-1]
        if last["type"] == "text":
            blocks[-1] = last | {"text": last["text"].rstrip()}

    # Tools

    def _named(self) -> frozenset[str]:
        return frozenset(self.chat.tool_choice.names if self.chat.tool_choice else ())

    def _tools(self) -> list[dict[str, Any]]:
        chat, names = self.chat, self._named()
        strict = self.schema and sum(tool.strict is True for tool in chat.tools) <= _MOST_STRICT
        tools = [_tool(tool, strict=strict) for tool in chat.tools if not names or tool.name in names]
        if chat.web_search is not None:
            tools.append(_search(chat.web_search))
        hosted = chat.others.get("server_tools")
        if isinstance(hosted, list):
            tools += [dict(tool) for tool in hosted]
        if not tools:
            # A history of calls needs tools that it can be of: the API refuses it otherwise.
            called = [part.name for message in chat.messages for part in message.parts if isinstance(part, ToolCall)]
            return [{"name": name, "input_schema": _object_schema(None)} for name in dict.fromkeys(called)]
        return tools

    def _choice(self) -> dict[str, Any]:
        chat = self.chat
        offered = bool(chat.tools or chat.web_search or chat.others.get("server_tools"))
        if not offered:
            self.lost |= {"tool_choice"} if chat.tool_choice and chat.tool_choice.mode == "required" else set()
            return {"type": "none"}
        choice = chat.tool_choice or ToolChoice(mode="auto")
        if choice.mode == "none":
            return {"type": "none"}
        written: dict[str, Any] = {"type": "auto"}
        if choice.mode == "required" and not self.model.forced:
            # "Forced tool use returns an error" (migration guides of the 5.5 models): in words, then.
            self.lost.add("tool_choice")
            self.instructions.append(_USE_TOOL + ", ".join(choice.names or [tool.name for tool in chat.tools]) + ".")
        elif choice.mode == "required":
            single = len(choice.names) == 1
            written = {"type": "tool", "name": choice.names[0]} if single else {"type": "any"}
        if chat.parallel_tool_calls is False:
            written["disable_parallel_tool_use"] = True
        return {} if written == {"type": "auto"} and chat.tool_choice is None else written

    def _forces(self) -> bool:
        choice = self.chat.tool_choice
        return choice is not None and choice.mode == "required" and self.model.forced

    # How it thinks and answers

    def _thinking(self, max_tokens: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """``output_config`` and ``thinking``."""
        wanted = self.chat.thinking
        if wanted is None:
            return {}, {}
        if effort_of(wanted) == "none" or wanted.budget == 0:
            return self._rest()
        asked = wanted.effort is not None or wanted.budget is not None or wanted.shown is True
        config: dict[str, Any] = {}
        thinking: dict[str, Any] | None = {}
        if self.model.thinking == "adaptive":
            config, thinking = self._effort(wanted), self._adaptive(wanted, asked=asked)
        elif asked:
            thinking = self._budget(wanted, max_tokens) if self.model.thinking == "budget" else None
        if thinking and self._forces():
            # "Thinking may not be enabled when tool_choice forces tool use", but some do so by themselves.
            thinking = None if self.model.rest == "" else {}
        if thinking is None:
            self.lost.add("thinking")
        self.thinks = bool(thinking)
        return config, thinking or {}

    def _rest(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.model.rest is None:
            self.lost.add("thinking")
            return {"effort": "low"}, {}
        return {}, {"type": self.model.rest} if self.model.rest else {}

    def _effort(self, wanted: Thinking) -> dict[str, Any]:
        if wanted.effort is None and (wanted.budget is None or wanted.budget < 0):
            return {}
        effort = effort_of(wanted)
        if effort == "minimal":
            effort = "low"
        if effort == "xhigh" and not self.model.xhigh:
            effort = "high"
        return {"effort": effort}

    def _adaptive(self, wanted: Thinking, *, asked: bool) -> dict[str, Any]:
        if not asked and self.model.rest == "":
            return {}
        display = {True: {"display": "summarized"}, False: {"display": "omitted"}, None: {}}[wanted.shown]
        return {"type": "adaptive", **display}

    def _budget(self, wanted: Thinking, max_tokens: int) -> dict[str, Any] | None:
        """At least 1024 and less than ``max_tokens``, of which a budget that the caller did not count leaves half for
        the answer. An open turn of calls has to begin with its thoughts, else nothing may be thought; nor may it when
        the answer has begun. https://platform.claude.com/docs/en/build-with-claude/extended-thinking"""
        counted = wanted.budget is not None and wanted.budget >= 0
        most = max_tokens - 1 if counted else max(max_tokens // 2, _LEAST_BUDGET)
        budget = max(min(budget_of(wanted) or _BUDGET, most), _LEAST_BUDGET)
        if budget >= max_tokens or self.turns[-1][0] == "assistant" or self._thoughts_lost():
            return None
        return {"type": "enabled", "budget_tokens": budget}

    def _thoughts_lost(self) -> bool:
        last: _Blocks = next((blocks for role, blocks in reversed(self.turns) if role == "assistant"), [])
        return any(block["type"] == "tool_use" for block in last) and "thinking" not in last[0]["type"]

    def _format(self, config: dict[str, Any], tools: list[dict[str, Any]], choice: dict[str, Any]) -> None:
        wanted = self.chat.format
        if wanted is None:
            return
        if wanted.schema is None:
            self.instructions.append(_JSON_ONLY)
        elif self.schema:
            config["format"] = {"type": "json_schema", "schema": _bounded(wanted.schema)}
        elif tools or self.thinks or wanted.schema.get("type") != "object" or not self.model.forced:
            self.instructions.append(_SCHEMA_ONLY + _json(wanted.schema))
        else:
            tools.append(
                {
                    "name": ANSWER_TOOL,
                    "description": wanted.description or "Takes the answer.",
                    "input_schema": _object_schema(wanted.schema),
                }
            )
            choice.clear()
            choice.update({"type": "tool", "name": ANSWER_TOOL})

    def _sampling(self) -> Iterator[tuple[str, Any]]:
        """Left out without a word where it is what the model does anyway. The API takes a temperature up to 1."""
        chat, model = self.chat, self.model
        given: dict[str, float | None] = {"temperature": chat.temperature, "top_p": chat.top_p, "top_k": chat.top_k}
        if not model.samples or self.thinks:
            self.lost |= {
                name for name, value in given.items() if value is not None and (value != 1 or name == "top_k")
            }
            return
        if given["temperature"] is not None:
            given["temperature"] = min(max(given["temperature"], 0.0), 1.0)
            if not model.both and given["top_p"] is not None:
                self.lost |= {"top_p"} if given["top_p"] != 1 else set()
                given["top_p"] = None
        yield from ((name, value) for name, value in given.items() if value is not None)

    def _stops(self) -> list[str]:
        stops = [stop for stop in self.chat.stop if stop.strip()]
        if len(stops) < len(self.chat.stop):
            self.lost.add("stop")
        return stops

    def _user(self) -> dict[str, str]:
        """The API refuses what is longer, and what looks like an address of mail."""
        name, user = ("user", self.chat.user) if self.chat.user else (_SAFETY, self.chat.others.get(_SAFETY))
        if not user or not isinstance(user, str):
            return {}
        if len(user) > _USER_LENGTH or "@" in user:
            self.lost.add(name)
            return {}
        self.told.add(name)
        return {"user_id": user}

    def _tier(self) -> str | None:
        tier = self.chat.service_tier
        if tier is not None and tier not in _TIERS:
            self.lost.add("service_tier")
        return _TIERS.get(tier or "")

    def _others(self) -> Iterator[tuple[str, Any]]:
        for name, value in self.chat.others.items():
            if name in _OWN:
                yield name, value
            elif name != "server_tools" and name not in self.told:
                self.lost.add(name)


def _placed(turns: list[tuple[str, _Blocks]], *, system_turns: bool) -> list[tuple[str, _Blocks]]:
    """Runs of one role joined, empty turns left out. A turn of the system has to follow one of the user, and to be the
    last or followed by one of the assistant; wherever it may not be, it is a marked text of the user.
    https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages"""
    joined = _joined(turns)
    placed: list[tuple[str, _Blocks]] = []
    for index, (role, blocks) in enumerate(joined):
        before = joined[index - 1][0] if index else ""
        after = joined[index + 1][0] if index + 1 < len(joined) else "assistant"
        fits = system_turns and before == "user" and after == "assistant"
        if role == "system" and not fits:
            marked = [block | {"text": f"<system>\n{block['text']}\n</system>"} for block in blocks]
            placed.append(("user", marked))
        else:
            placed.append((role, blocks))
    if placed and placed[0][0] == "assistant":
        placed.insert(0, ("user", [{"type": "text", "text": _BEGINNING}]))
    return _joined(placed)


def _joined(turns: list[tuple[str, _Blocks]]) -> list[tuple[str, _Blocks]]:
    joined: list[tuple[str, _Blocks]] = []
    for role, blocks in turns:
        if not blocks:
            continue
        if joined and joined[-1][0] == role:
            joined[-1][1].extend(blocks)
        else:
            joined.append((role, list(blocks)))
    return joined


def _uncached(body: dict[str, Any]) -> None:
    """No more than four marks, the last ones: they hold for all that stands before them.
    https://platform.claude.com/docs/en/build-with-claude/prompt-caching"""
    turns = [block for turn in body["messages"] for block in turn["content"]]
    inner = [(*(block.get("content") or ()), block) if block["type"] == "tool_result" else (block,) for block in turns]
    blocks = [*body.get("tools", ()), *body.get("system", ()), *(block for blocks in inner for block in blocks)]
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[: max(len(marked) - _MOST_CACHED + ("cache_control" in body), 0)]:
        del block["cache_control"]


def _marked(block: dict[str, Any], cache: CacheLife | None) -> dict[str, Any]:
    if cache is None:
        return block
    life = {"type": "ephemeral"} if cache == "5m" else {"type": "ephemeral", "ttl": cache}
    return block | {"cache_control": life}


def _texts(parts: Sequence[Part]) -> _Blocks:
    """Blank ones are refused: "text content blocks must contain non-whitespace text"."""
    return [
        _marked({"type": "text", "text": part.text}, part.cache if isinstance(part, Text) else None)
        for part in parts
        if isinstance(part, Text | Refusal) and part.text.strip()
    ]


def _result(part: ToolResult, where: str) -> dict[str, Any]:
    content: _Blocks = []
    for item in part.parts:
        content += _texts([item]) if isinstance(item, Text) else [_file(item, where)]
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": legal_id(part.call_id)}
    if content:
        block["content"] = content
    if part.error:
        block["is_error"] = True
    return _marked(block, part.cache)


def _file(part: File, where: str) -> dict[str, Any]:
    if part.kind not in ("image", "document"):
        raise _bad(f"the model takes no {part.kind}. Send images, PDF or text.", where)
    source = _image_source(part, where) if part.kind == "image" and part.data is not None else _source(part, where)
    block: dict[str, Any] = {"type": part.kind, "source": source}
    if part.kind == "document" and part.name:
        block["title"] = part.name[:_TITLE_LENGTH]
    if part.kind == "document" and part.cited:
        block["citations"] = {"enabled": True}
    return _marked(block, part.cache)


def _image_source(part: File, where: str) -> dict[str, str]:
    media_type = _IMAGES.get(part.media_type.partition(";")[0].strip().lower())
    if media_type is None:
        raise _bad(f"images of type {part.media_type[:40]!r} cannot be read. Send JPEG, PNG, GIF or WebP.", where)
    return {"type": "base64", "media_type": media_type, "data": part.data or ""}


def _source(part: File, where: str) -> dict[str, str]:
    if part.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    if part.url is not None:
        if not part.url.startswith(("http://", "https://")):
            raise _bad("this address cannot be reached from there. Send http(s), or the bytes.", where)
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        if not part.file_id.startswith("file_"):  # https://platform.claude.com/docs/en/build-with-claude/files
            raise _bad("the file is another provider's. Send its bytes.", where)
        return {"type": "file", "file_id": part.file_id}
    media_type = part.media_type.partition(";")[0].strip().lower()
    if media_type == "application/pdf":
        return {"type": "base64", "media_type": media_type, "data": part.data or ""}
    if media_type.startswith("text/") or media_type == "application/json":
        return {"type": "text", "media_type": "text/plain", "data": _plain(part.data or "", where)}
    raise _bad(f"documents of type {media_type[:40]!r} cannot be read. Send PDF or text.", where)


def _plain(data: str, where: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise _bad("the data is no UTF-8 text in base64.", where) from None


def _tool(tool: Tool, *, strict: bool) -> dict[str, Any]:
    schema = _TEXT_SCHEMA if tool.custom else _object_schema(tool.parameters)
    strict = strict and tool.strict is True and not tool.custom
    written: dict[str, Any] = {"name": tool.name, "input_schema": _bounded(schema) if strict else schema}
    rule = ((tool.grammar or {}).get("grammar") or {}).get("definition")
    description = f"{tool.description}\n\nThe input has this form:\n{rule}".strip() if rule else tool.description
    if description:
        written["description"] = description
    if strict:
        written["strict"] = True
    return _marked(written, tool.cache)


_TEXT_SCHEMA: Final = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def _object_schema(schema: dict[str, Any] | None) -> dict[str, Any]:
    if not schema:
        return {"type": "object", "properties": {}}
    return {"type": "object"} | {name: value for name, value in schema.items() if name != "$schema"}


def _search(wanted: WebSearch) -> dict[str, Any]:
    """``allowed_domains`` cannot be used alongside ``blocked_domains``: what is allowed is narrower."""
    place = wanted.location or {}
    known = {name: place[name] for name in ("city", "region", "country", "timezone") if place.get(name)}
    written: dict[str, Any] = {"type": _SEARCH, "name": "web_search"}
    if wanted.max_uses is not None:
        written["max_uses"] = wanted.max_uses
    if wanted.allowed_domains:
        written["allowed_domains"] = list(wanted.allowed_domains)
    elif wanted.blocked_domains:
        written["blocked_domains"] = list(wanted.blocked_domains)
    if known:
        written["user_location"] = {"type": "approximate", **known}
    return written


# https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
_UNBOUND: Final = frozenset(
    [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
    ]
)
_STRING_FORMATS: Final = frozenset(
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]
)


def _bounded(schema: Any) -> Any:
    """A schema as the API enforces it: objects are closed, and what it cannot enforce is told to the model in words."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    told: list[str] = []
    for name, value in schema.items():
        if name == "$schema":
            continue
        if _enforced(name, value):
            key = "anyOf" if name == "oneOf" else name
            kept[key] = _within(name, value)
        else:
            told.append(f"{name}: {_json(value)}")
    kinds = schema.get("type")
    if "properties" in schema or "object" in (kinds if isinstance(kinds, list) else [kinds]):
        kept["additionalProperties"] = False
    if told:
        kept["description"] = f"{schema.get('description') or ''} ({'; '.join(told)})".strip()
    return kept


def _enforced(name: str, value: Any) -> bool:
    if name == "minItems":
        return value in (0, 1)
    if name == "format":
        return isinstance(value, str) and value in _STRING_FORMATS
    return name not in _UNBOUND


def _within(name: str, value: Any) -> Any:
    if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
        return {key: _bounded(inner) for key, inner in value.items()}
    if name in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
        return [_bounded(inner) for inner in value]
    return _bounded(value) if name == "items" else value
