"""What the fake's model says, before a format puts it into words: thoughts, a text or calls of tools, and why it ends.

Signatures belong to a format, a model and what they sign; `check_signature` knows those that were not given out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import Struct

from ...models import Usage
from .ask import Ask, fragments, sample

__all__ = ["Call", "Offer", "Said", "say", "sign", "signed"]

THOUGHTS = ("Let", " me", " think.")
SIGNED = b"fake signature "


class Offer(NamedTuple):
    """A tool; ``free`` ones take a text instead of arguments."""

    name: str
    schema: dict[str, Any]
    free: bool = False


class Call(NamedTuple):
    id: str
    name: str
    arguments: dict[str, Any]
    free: bool = False

    @property
    def fragments(self) -> list[str]:
        return ["some", " text"] if self.free else fragments(self.arguments)

    @property
    def text(self) -> str:
        return "".join(self.fragments)


class Said(Struct, frozen=True, kw_only=True):
    """``usage`` is of one choice; its output has the thoughts in it."""

    thoughts: list[str]
    words: list[str]
    calls: list[Call]
    finish: str
    usage: Usage

    @property
    def thought(self) -> str:
        return "".join(self.thoughts)

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def output(self) -> int:
        return len(self.thoughts) + len(self.words) + sum(len(call.fragments) for call in self.calls)


def say(
    ask: Ask,
    offers: Sequence[Offer] = (),
    *,
    wanted: str | None = None,
    parallel: bool = True,
    think: bool = False,
    prefix: str = "call_",
) -> Said:
    """``offers`` are the tools that may be called now, ``wanted`` the one that has to be. ``think`` is whether the
    request asks for thoughts."""
    fake = ask.fake
    calls = _calls(ask, offers, wanted, fake.calls if parallel else 1, prefix) if offers else []
    words = [] if calls and fake.text is None else ask.words
    thoughts = list(THOUGHTS) if (think if fake.reasoning is None else fake.reasoning) else []
    output = len(thoughts) + len(words) + sum(len(call.fragments) for call in calls)
    return Said(
        thoughts=thoughts,
        words=words,
        calls=calls,
        finish=fake.finish or ("tool_calls" if calls else "length" if ask.cut else "stop"),
        usage=fake.usage or Usage(input=ask.prompt, output=output, reasoning=len(thoughts)),
    )


def _calls(ask: Ask, offers: Sequence[Offer], wanted: str | None, count: int, prefix: str) -> list[Call]:
    named = [offer for offer in offers if offer.name == wanted] or list(offers)
    ids = [f"{prefix}{ask.serial}" + (f"_{i}" if i else "") for i in range(count)]
    chosen = [named[i % len(named)] for i in range(count)]
    return [
        Call(call_id, offer.name, sample(offer.schema), offer.free) for call_id, offer in zip(ids, chosen, strict=True)
    ]


def sign(form: str, model: str, what: object) -> str:
    """Base64, as those of every provider are."""
    plain = json.dumps([form, model, what], sort_keys=True)
    return base64.b64encode(SIGNED + sha256(plain.encode()).digest()).decode()


def signed(signature: object, form: str, model: str, what: object) -> bool:
    """Whether `sign` made it of the same; base64 of either alphabet."""
    spelled = signature.replace("-", "+").replace("_", "/") if isinstance(signature, str) else ""
    return spelled.rstrip("=") == sign(form, model, what).rstrip("=")
