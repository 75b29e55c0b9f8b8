"""What a channel changes of a request: fields at the top of its body, and what a conversation begins with.

A request that passes is changed in place (``request.Changes``), one that is translated before and after it is written.
What it may cost is reckoned with what goes upstream (``priced``).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from ..models import Channel
from .chat import Chat, Message, Text
from .dialect import Instructed
from .operations import Operation
from .request import Changes, Head

__all__ = ["changed", "changes_of", "in_messages", "priced", "reckoned", "with_prompt"]

_LIMITS: Final = (
    *("max_tokens", "max_completion_tokens", "max_output_tokens"),
    *("generationConfig.maxOutputTokens", "generationConfig.max_output_tokens"),
    *("generation_config.maxOutputTokens", "generation_config.max_output_tokens"),
    *("inferenceConfig.maxTokens", "options.num_predict"),
)
_CHOICES: Final = (
    *("n", "best_of", "num_generations"),
    *("generationConfig.candidateCount", "generationConfig.candidate_count"),
    *("generation_config.candidateCount", "generation_config.candidate_count"),
)
"""What bounds the output, and what multiplies it, in any format: a channel's parameters are in its provider's."""

_TALK = frozenset(("chat", "count"))
_UNCHANGED = frozenset(("count", "realtime"))
_SYSTEM = frozenset(("system", "developer"))
_list = msgspec.json.Decoder(list[Raw])
_fields = msgspec.json.Decoder(dict[str, Raw])
_role: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
_NULL = Raw(b"null")


# --- a request that passes --------------------------------------------------------------------------------------------


def changes_of(channel: Channel, dialect: object, operation: Operation) -> Changes | None:
    """What the channel changes of requests that pass to a format, None for nothing."""
    prompt = _prompt(channel, operation)
    parameters = _parameters(channel, operation)
    fixed = {name: None if value is None else msgspec.json.encode(value) for name, value in parameters.items()}
    if not prompt or not isinstance(dialect, Instructed):
        return (lambda _: fixed) if fixed else None
    return lambda fields: {**dialect.instructed(operation, fields, prompt), **fixed}


def in_messages(fields: Mapping[str, Raw], prompt: str) -> dict[str, bytes | None]:
    """The prompt as the first of ``messages``, of which there is at least one: in the place of what it says, if it is a
    system message; what is around it stays as it is. Nothing where nobody can tell who says it: no upstream takes it.
    """
    text = bytes(fields["messages"])
    message = _list.decode(text)[0]
    first = _fields.decode(message)
    try:
        role = _role.decode(first.get("role", _NULL))
    except msgspec.ValidationError:
        return {}
    start = text.index(bytes(message), 1)
    said = msgspec.json.encode(prompt)
    if role in _SYSTEM:
        end = start + len(bytes(message))
        return {"messages": text[:start] + msgspec.json.encode({**first, "content": Raw(said)}) + text[end:]}
    return {"messages": b'%b{"role":"system","content":%b},%b' % (text[:start], said, text[start:])}


# --- one that is translated -------------------------------------------------------------------------------------------


def with_prompt(chat: Chat, prompt: str) -> Chat:
    """The conversation with the prompt as its system message."""
    messages = chat.messages
    said = Message(role="system", parts=(Text(text=prompt),))
    rest = messages[1:] if messages and messages[0].role == "system" else messages
    return replace(chat, messages=(said, *rest))


def changed(body: dict[str, Any], channel: Channel, operation: Operation) -> dict[str, Any]:
    """The body as it goes upstream."""
    if not channel.parameters:
        return body
    parameters = _parameters(channel, operation)
    return {name: value for name, value in (body | parameters).items() if value is not None or name not in parameters}


def _prompt(channel: Channel, operation: Operation) -> str:
    return channel.system_prompt if operation.task in _TALK else ""


def _parameters(channel: Channel, operation: Operation) -> dict[str, Any]:
    """Who counts tokens takes only what is counted; forms and sessions have no fields to set."""
    return {} if operation.task in _UNCHANGED or operation.body == "multipart" else channel.parameters


# --- what it may cost -------------------------------------------------------------------------------------------------


def priced(head: Head, fields: Container[str], channel: Channel, operation: Operation) -> Head:
    """What decides the price of a request that goes through the channel. ``fields`` are those at its top. A limit that
    the channel sets counts; so does one of the caller's under another name: which of them the upstream heeds nobody
    knows, so it is the larger one."""
    parameters = _parameters(channel, operation)
    if not parameters:
        return head
    limits = [name for name in _LIMITS if _is_set(parameters, name)]
    if limits:
        known = [limit for name in limits if (limit := _number(parameters, name)) is not None]
        if head.max_output is not None and not all(_is_set(parameters, name) for name in _theirs(fields, operation)):
            known.append(head.max_output)
        head = replace(head, max_output=max(known, default=None))
    choices = [_number(parameters, name) or 1 for name in _CHOICES if _is_set(parameters, name)]
    return replace(head, choices=max(choices)) if choices else head


def reckoned(body: bytes, channel: Channel, operation: Operation) -> bytes:
    """The body, with what the channel adds to it somewhere: as large as what goes upstream, about."""
    if not channel.parameters and not channel.system_prompt:
        return body
    parameters, prompt = _parameters(channel, operation), _prompt(channel, operation)
    return b"".join((body, prompt.encode(), msgspec.json.encode(parameters) if parameters else b""))


def _theirs(fields: Container[str], operation: Operation) -> list[str]:
    """The limits that the caller may have set."""
    return [name for name in operation.output_limits if name.partition(".")[0] in fields]


def _is_set(parameters: Mapping[str, Any], name: str) -> bool:
    """An object that is set leaves nothing of what the caller had in it."""
    return name.partition(".")[0] in parameters


def _number(parameters: Mapping[str, Any], name: str) -> int | None:
    outer, _, inner = name.partition(".")
    value = parameters[outer]
    if inner:
        value = value.get(inner) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
