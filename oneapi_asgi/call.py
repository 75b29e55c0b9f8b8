"""One call in flight: the only thing that components share.

It lies in the ASGI scope under one key, as one mutable object, so that it survives middleware that copies the scope.
Each slot has one writer, named beside it; a component that needs an empty slot fails with the cure in its message.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .errors import GatewayError
from .models import Attempt, Candidate, Channel, EndReason, Price, Token, Usage
from .wire.dialect import Dialect
from .wire.openai import OPENAI
from .wire.operations import Operation
from .wire.request import Request

__all__ = ["Call", "need"]

_KEY = "oneapi_asgi.call"

Slot = TypeVar("Slot")


def new_id() -> str:
    """32 hex digits that sort by time and are unique for ever: nanoseconds and 64 random bits.

    Not from the system's source: that costs a call to the kernel, and uniqueness needs no secrecy.
    """
    return f"{time.time_ns():016x}{random.getrandbits(64):016x}"


@dataclass(slots=True)
class Call:
    """What is known about one call so far. Times: ``at`` in Unix seconds, ``started`` on the monotonic clock."""

    id: str = field(default_factory=new_id)
    at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    dialect: Dialect = OPENAI  # whoever mounts another one, before anything refuses
    operation: Operation | None = None  # Endpoints, else the first to read the body (http.parsed)
    body: bytes | None = None  # the first to read the body
    request: Request | None = None  # the first to read the body
    client: str = ""  # TokenAuth
    token: Token | None = None  # TokenAuth
    pinned_channel: int | None = None  # TokenAuth
    plan: tuple[Candidate, ...] = ()  # ModelRouter; QuotaGuard strikes out what no budget is left for
    serving: Channel | None = None  # Relay: whom it asked last
    attempts: list[Attempt] = field(default_factory=list)  # Relay
    progress: Callable[[], Usage] | None = None  # Relay or UsageMeter, once content passes: the usage up to now
    usage: Usage | None = None  # Relay or UsageMeter
    reason: EndReason | None = None  # Relay or UsageMeter
    first_content: float | None = None  # Relay or UsageMeter: seconds from the start
    upstream_request_id: str = ""  # Relay
    price: Price | None = None  # QuotaGuard
    cost: int = 0  # QuotaGuard
    end: Callable[[GatewayError, EndReason], None] | None = None  # Relay, while it is at work: cuts the call short

    @classmethod
    def of(cls, scope: MutableMapping[str, Any]) -> Call:
        """The call of this request; made by whoever asks first."""
        call: Call | None = scope.get(_KEY)
        if call is None:
            call = scope[_KEY] = cls()
        return call

    def elapsed(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self.started


def need(value: Slot | None, reader: str, slot: str, cure: str) -> Slot:
    """The value of a slot that another component has to have filled.

    :raises RuntimeError: it is empty; the message says what to put where
    """
    if value is None:
        raise RuntimeError(f"{reader} reads call.{slot}, which is empty: put {cure} outside of it")
    return value
