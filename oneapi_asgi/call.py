"""One call in flight: the only thing that components share.

It lies in the ASGI scope under one key, as one mutable object, so that it survives middleware that copies the scope.
Each slot has one writer, named beside it; a component that needs an empty slot fails with the cure in its message.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, TypeVar

from msgspec import Struct, field

from .errors import GatewayError
from .models import Attempt, Candidate, EndReason, Holder, Price, Token, Usage
from .wire.chat import Thinking
from .wire.dialect import ClientDialect
from .wire.openai.paths import OPENAI_PATHS
from .wire.operations import Operation
from .wire.request import Request

__all__ = ["Call", "need"]

_KEY = "oneapi_asgi.call"

Slot = TypeVar("Slot")


def new_id() -> str:
    """32 hex digits that sort by time and are unique for ever: nanoseconds and 64 random bits.

    Not from the system's source: that costs a call to the kernel, and uniqueness needs no secrecy.
    """
    return ((time.time_ns() << 64) | random.getrandbits(64)).to_bytes(16, "big").hex()


class Call(Struct, eq=False):
    """What is known about one call so far. Times: ``at`` in Unix seconds, ``started`` on the monotonic clock."""

    id: str = field(default_factory=new_id)
    at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    dialect: ClientDialect = OPENAI_PATHS  # Endpoints, else the first to read the body
    operation: Operation | None = None  # Endpoints, else the first to read the body (http.parsed)
    body: bytes | None = None  # the first to read the body
    request: Request | None = None  # the first to read the body
    client: str = ""  # TokenAuth
    token: Token | None = None  # TokenAuth
    pinned_channel: int | None = None  # TokenAuth
    session: str = ""  # ModelRouter: what tells the caller's sessions apart, where calls of one stay together
    holder: Holder | None = None  # ModelRouter: who keeps the answer that this call goes on from
    keeps: Callable[[Candidate, str], None] | None = None  # ModelRouter: is told of an answer that its provider keeps
    plan: tuple[Candidate, ...] = ()  # ModelRouter; QuotaGuard strikes out what no budget is left for
    thinking: Thinking | None = None  # ModelRouter, of a suffix of the model's name
    conversation: str = ""  # Thoughts: what tells this conversation from others of its caller
    serving: Candidate | None = None  # Relay: whom it asked last
    attempts: list[Attempt] = []  # Relay; each call has its own
    progress: Callable[[], Usage] | None = None  # Relay or UsageMeter, once content passes: the usage up to now
    usage: Usage | None = None  # Relay or UsageMeter
    reason: EndReason | None = None  # Relay or UsageMeter
    first_content: float | None = None  # Relay or UsageMeter: seconds from the start
    upstream_request_id: str = ""  # Relay
    prices: Mapping[str, Price] = MappingProxyType({})  # QuotaGuard: by Candidate.fallback of the plan's steps
    cost: int = 0  # QuotaGuard
    end: Callable[[GatewayError, EndReason], None] | None = None  # Relay, while it is at work: cuts the call short

    @classmethod
    def of(cls, scope: MutableMapping[str, Any]) -> Call:
        """The call of this request; made by whoever asks first."""
        call: Call | None = scope.get(_KEY)
        if call is None:
            call = scope[_KEY] = cls()
        return call

    @property
    def price(self) -> Price | None:
        """Of whom the relay asked last or, while it has asked nobody, of whom it will ask first. None where no
        QuotaGuard has set any."""
        step = self.serving or (self.plan[0] if self.plan else None)
        return self.prices.get(step.fallback if step is not None else "")

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
