"""What callers want, and what they get, whatever SDK they use: ``Want`` and ``Reply``, and ``Client`` between them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from oneapi_asgi import Usage

__all__ = [
    "ALL_COUNTS",
    "BOTH",
    "BUDGET",
    "PDF",
    "PIXEL",
    "SCHEMA",
    "TOOLS",
    "BrokenError",
    "Called",
    "Client",
    "Reply",
    "Want",
    "data_url",
    "results",
]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="  # 1 x 1 PNG
PDF = base64.b64encode(b"%PDF-1.4 of nothing").decode()
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CLOCK: dict[str, Any] = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
TOOLS = (("weather", "Tells the weather.", SCHEMA), ("clock", "Tells the time.", CLOCK))
BUDGET = 1024


class Want(NamedTuple):
    """``format`` is "json" or "schema" (of ``SCHEMA``); ``stop`` a sequence; ``more`` the SDK's own arguments."""

    prompt: str
    system: str = ""
    image: bool = False
    pdf: bool = False
    tools: bool = False
    thinking: bool = False
    format: str = ""
    max_output: int | None = None
    more: Mapping[str, Any] = {}


class Called(NamedTuple):
    id: str
    name: str
    arguments: dict[str, Any]


@dataclass
class Reply:
    """``finish`` in OpenAI's words. ``turn`` is what this client sends back of it, ``bare`` what one does that keeps
    less."""

    text: str
    calls: list[Called]
    finish: str
    usage: Usage
    thought: str = ""
    turn: list[Any] = field(default_factory=list)
    bare: list[Any] = field(default_factory=list)
    model: str | None = ""


class BrokenError(Exception):
    """What a stream ends with that broke off, where the SDK raises nothing."""


class Client(Protocol):
    """``counts``: the parts of usage that its format tells. ``formats``, ``documents``: what it can ask for. ``ids``:
    whether its SDK keeps the ids of calls."""

    format: str
    counts: frozenset[str]
    formats: frozenset[str]
    documents: bool
    ids: bool

    async def ask(
        self, model: str, want: Want, *, stream: bool = False, after: Reply | None = None, bare: bool = False
    ) -> Reply: ...


BOTH = frozenset({"json", "schema"})
ALL_COUNTS = frozenset({"cache_read", "cache_write", "reasoning"})


def results(calls: Sequence[Called]) -> list[tuple[Called, str]]:
    return [(call, f"It is fine ({call.name}).") for call in calls]


def data_url(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"
