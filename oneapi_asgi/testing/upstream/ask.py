"""A request as the provider reads it: its fields, what it wants of the fake, and how much it will consume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...models import Usage
from .http import Request, multipart
from .script import Answer, Fake, Part

__all__ = ["CREATED", "JSON", "Ask", "error", "plain", "read_ask", "streamed", "told"]

CREATED = 1_700_000_000
JSON = ("content-type", "application/json")
EVENTS = ("content-type", "text/event-stream; charset=utf-8")
WORDS = ("The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "sleeps", "in", "the", "wood")
TEXTS = ("messages", "input", "instructions", "prompt", "query", "documents", "content", "text")


class Ask(Struct, frozen=True, kw_only=True):
    """``output`` is how many tokens to generate, ``cut`` whether the request's own limit made them fewer."""

    serial: int
    path: str
    fields: dict[str, Any]
    file: bytes
    fake: Fake
    prompt: int
    output: int
    cut: bool

    @property
    def model(self) -> str:
        return str(self.fields.get("model", "gpt-4o-mini"))

    @property
    def stream(self) -> bool:
        return self.fields.get("stream") is True

    @property
    def words(self) -> list[str]:
        """The text to answer, one token in each piece; its words count what its tokens count."""
        return [(" " if i else "") + WORDS[i % len(WORDS)] for i in range(self.output)]

    @property
    def usage(self) -> Usage:
        """The prompt's part, or what the fake was told to report."""
        return self.fake.usage or Usage(input=self.prompt)


def read_ask(request: Request, serial: int) -> Ask:
    """
    :raises ValueError: the body is not what a provider would accept
    """
    content_type = dict(request.headers).get("content-type", "")
    form = multipart(content_type, request.body) if content_type.startswith("multipart/") else {}
    file = form.pop("file", b"")
    fields = {name: value.decode() for name, value in form.items()} if form else _json_object(request.body)
    fake = _find_fake(fields)
    limits = [fields.get(name) for name in ("max_completion_tokens", "max_output_tokens", "max_tokens")]
    limit = min([value for value in limits if isinstance(value, int)], default=fake.tokens)
    return Ask(
        serial=serial,
        path=request.path.partition("?")[0],
        fields=fields,
        file=file,
        fake=fake,
        prompt=_count(fields),
        output=min(limit, fake.tokens),
        cut=limit < fake.tokens,
    )


def _json_object(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any]) if body else {}


def _find_fake(fields: dict[str, Any]) -> Fake:
    """Other users of ``metadata`` and ``user`` are left in peace: no ``fake`` in it, no effect."""
    found = (_as_object(_as_object(fields.get(name)).get("fake")) for name in ("metadata", "user"))
    return msgspec.convert(next(filter(None, found), {}), Fake, strict=False)


def _as_object(value: object) -> dict[str, Any]:
    if isinstance(value, str) and value.startswith("{"):
        value = msgspec.json.decode(value)
    return value if isinstance(value, dict) else {}


def _count(fields: dict[str, Any]) -> int:
    """A token for each word, or for each integer where the prompt comes tokenized."""
    return sum(_tokens(fields[name]) for name in TEXTS if name in fields)


def _tokens(value: object) -> int:
    match value:
        case str():
            return len(value.split())
        case int():
            return 1
        case list():
            return sum(map(_tokens, value))
        case dict():
            return _count(value)
        case _:
            return 0


def told(ask: Ask, answer: Answer) -> Answer:
    """``answer`` with what the fake was told about headers, and about breaking off."""
    fake = ask.fake
    parts = answer.parts if fake.after is None else answer.parts[: fake.after]
    headers = (*answer.headers, *fake.headers.items())
    return replace(answer, headers=headers, parts=parts, then=fake.then, wait=answer.wait + fake.wait)


def plain(ask: Ask, body: object, usage: Usage, header: tuple[str, str] = JSON) -> Answer:
    """An answer in one piece, after the time that its tokens take."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    part = Part(data, 0.0, usage.output)
    return Answer(
        headers=(header, _request_id(ask)),
        parts=(part,),
        content_length=len(data),
        wait=ask.fake.delay * ask.output,
        usage=replace(usage, output=0),
    )


def streamed(ask: Ask, parts: Iterator[Part], header: tuple[str, str] = EVENTS) -> Answer:
    """An answer in parts. What was told of usage and the parts do not carry, the last one does."""
    *first, last = parts
    if ask.fake.usage:
        last = last._replace(output=ask.fake.usage.output - sum(part.output for part in first))
    return Answer(headers=(header, _request_id(ask)), parts=(*first, last), usage=replace(ask.usage, output=0))


ERRORS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def error(status: int, message: str, serial: int) -> Answer:
    kind, code = ERRORS.get(status, ("server_error", None))
    body = msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
    headers = (JSON, ("x-request-id", f"req_{serial}"))
    return Answer(status=status, headers=headers, parts=(Part(body),), content_length=len(body))


def _request_id(ask: Ask) -> tuple[str, str]:
    return ("x-request-id", f"req_{ask.serial}")
