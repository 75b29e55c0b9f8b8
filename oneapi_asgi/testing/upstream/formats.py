"""What every format of the fake has in common: who may ask, and what becomes of a request that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from .ask import Ask, told
from .checking import Refused, Wrong
from .http import Request, query
from .script import Answer

__all__ = ["Format", "Rules", "answered", "check_foreign_keys", "header", "key_of"]

GATEWAY_KEY = re.compile(r"sk-[A-Za-z0-9]{48}")
KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


class Rules(NamedTuple):
    """``strict`` makes OpenAI's side as strict as the others always are. ``foreign_keys`` must never arrive: they are
    the callers' of whatever stands before the fake. ``aws_secret`` is what requests to Bedrock have to be signed with,
    unless None."""

    strict: bool = False
    foreign_keys: Collection[str] = ()
    aws_secret: str | None = None


class Format(NamedTuple):
    """``read`` checks a request and ``reply`` answers it; ``word`` puts what a check found into the provider's words,
    ``refuse`` into its envelope (with the serial number of the request), ``fault`` into its streams."""

    read: Callable[[Request, int, Rules], Ask]
    reply: Callable[[Ask], Answer]
    word: Callable[[Wrong], Refused]
    refuse: Callable[[Refused, int], Answer]
    fault: Callable[[Refused], bytes]


def answered(form: Format, request: Request, serial: int, rules: Rules) -> Answer:
    try:
        ask = form.read(request, serial, rules)
        return _as_told(form, ask, form.reply(ask))
    except Wrong as wrong:
        return form.refuse(form.word(wrong), serial)
    except Refused as refused:
        return form.refuse(refused, serial)
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as bad:  # reading an odd body
        return form.refuse(Refused(400, f"The body is not valid: {bad!r}"), serial)


def _as_told(form: Format, ask: Ask, answer: Answer) -> Answer:
    fake = ask.fake
    error = Refused(500 if fake.status == 200 else fake.status, fake.message or "Told to fail.", fake.code)
    if fake.then == "error" and ask.stream:
        return told(ask, answer, form.fault(error))
    if fake.then == "error" or fake.status != 200:
        return told(ask, form.refuse(error, ask.serial))
    return told(ask, answer)


def header(request: Request, name: str) -> str | None:
    return dict(request.headers).get(name)


def check_foreign_keys(request: Request, rules: Rules, *, shaped: bool = True) -> None:
    """Keys of the gateway's own callers leave it in no header at all; ``shaped`` looks also for what only looks like
    one.

    :raises Refused: one has arrived
    """
    sent = [header(request, name) or "" for name in KEY_HEADERS] + [query(request).get("key", "")]
    keys = [value.removeprefix("Bearer ") for value in sent]
    if any(key in rules.foreign_keys or (shaped and GATEWAY_KEY.fullmatch(key)) for key in keys):
        raise Refused(401, "This is no key of this provider: it belongs to a caller of the gateway.")


def key_of(request: Request, rules: Rules, *names: str) -> str:
    """The key from the first of these headers that is there; of ``authorization`` what follows ``Bearer``. Empty when
    there is none.

    :raises Refused: it is not the provider's
    """
    check_foreign_keys(request, rules)
    sent = next(filter(None, (header(request, name) for name in names)), "")
    return sent.removeprefix("Bearer ").strip()
