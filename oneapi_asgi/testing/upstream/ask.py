"""A request as the provider reads it: its fields, what it wants of the fake, and how much it will consume."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...models import Usage
from .http import Request, multipart, query
from .script import Answer, Fake, Part

__all__ = [
    "CREATED",
    "EVENTS",
    "JSON",
    "Ask",
    "Headers",
    "ask_of",
    "error",
    "error_body",
    "fragments",
    "json_object",
    "plain",
    "read_ask",
    "refusal",
    "request_id",
    "sample",
    "streamed",
    "timed",
    "told",
]

Headers = tuple[tuple[str, str], ...]

CREATED = 1_700_000_000
JSON = ("content-type", "application/json")
EVENTS = ("content-type", "text/event-stream; charset=utf-8")
WORDS = ("The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "sleeps", "in", "the", "wood")
TEXTS = {
    *("messages", "input", "instructions", "prompt", "query", "documents", "content", "text"),
    *("system", "systemInstruction", "contents", "parts", "texts", "inputs", "requests", "generateContentRequest"),
}
TOLD_IN = (("metadata",), ("user",), ("metadata", "user_id"), ("labels",), ("requestMetadata",))
MARK = "fake:"
SAMPLES: dict[str, Any] = {"string": "Paris", "integer": 1, "number": 1.5, "boolean": True, "array": [], "null": None}
FRAGMENT = 6  # characters of a JSON text in one token
ERROR_AFTER = 2  # parts


class Ask(Struct, frozen=True, kw_only=True):
    """``pieces`` are the tokens that the model would generate, ``output`` how many of them it may: ``cut`` says that
    the request's own limit made them fewer."""

    serial: int
    path: str
    query: dict[str, str]
    model: str
    stream: bool
    fields: dict[str, Any]
    file: bytes
    fake: Fake
    prompt: int
    pieces: list[str]
    output: int
    cut: bool

    @property
    def words(self) -> list[str]:
        """The text to answer, one token in each piece; its words count what its tokens count."""
        return self.pieces[: self.output]

    @property
    def usage(self) -> Usage:
        """The prompt's part, or what the fake was told to report."""
        return self.fake.usage or Usage(input=self.prompt)


def read_ask(request: Request, serial: int) -> Ask:
    """What an OpenAI client sends: JSON or a form.

    :raises ValueError: the body is not what a provider would accept
    """
    content_type = dict(request.headers).get("content-type", "")
    form = multipart(content_type, request.body) if content_type.startswith("multipart/") else {}
    file = form.pop("file", b"")
    fields = {name: value.decode() for name, value in form.items()} if form else json_object(request.body)
    limits = [fields.get(name) for name in ("max_completion_tokens", "max_output_tokens", "max_tokens")]
    deployment = re.search(r"/deployments/([^/]+)/", request.path)
    return ask_of(
        request,
        serial,
        fields,
        model=deployment[1] if deployment else str(fields.get("model", "gpt-4o-mini")),
        stream=fields.get("stream") is True,
        limit=min([value for value in limits if isinstance(value, int)], default=None),
        schema=_openai_schema(fields),
        file=file,
    )


def ask_of(
    request: Request,
    serial: int,
    fields: dict[str, Any],
    *,
    model: str,
    stream: bool = False,
    limit: int | None = None,
    schema: dict[str, Any] | None = None,
    file: bytes = b"",
) -> Ask:
    """``limit`` tokens are the most that the request allows; ``schema`` is what it wants its answer to look like.

    :raises ValueError: what it tells the fake makes no sense
    """
    fake = _find_fake(request, fields)
    pieces = _pieces(fake, schema)
    output = len(pieces) if limit is None else min(limit, len(pieces))
    return Ask(
        serial=serial,
        path=request.path.partition("?")[0],
        query=query(request),
        model=model,
        stream=stream,
        fields=fields,
        file=file,
        fake=fake,
        prompt=_count(fields),
        pieces=pieces,
        output=output,
        cut=output < len(pieces),
    )


def json_object(body: bytes) -> dict[str, Any]:
    """
    :raises ValueError: it is none
    """
    return msgspec.json.decode(body, type=dict[str, Any]) if body else {}


def _openai_schema(fields: dict[str, Any]) -> dict[str, Any] | None:
    wanted = fields.get("response_format") or _as_object(fields.get("text")).get("format")
    form = _as_object(wanted)
    if form.get("type") == "json_object":
        return {}
    found = form.get("json_schema", form).get("schema") if form.get("type") == "json_schema" else None
    return found if isinstance(found, dict) else None


def _pieces(fake: Fake, schema: dict[str, Any] | None) -> list[str]:
    if fake.text is not None:
        return re.findall(r"\s*\S+\s*$|\s*\S+", fake.text)
    if schema is not None:
        return fragments(sample(schema))
    return [(" " if i else "") + WORDS[i % len(WORDS)] for i in range(fake.tokens)]


def fragments(value: object) -> list[str]:
    """Its JSON text, one token in each piece."""
    whole = msgspec.json.encode(value).decode()
    return [whole[i : i + FRAGMENT] for i in range(0, len(whole), FRAGMENT)]


def sample(schema: dict[str, Any]) -> dict[str, Any]:
    """An object that the schema allows, as far as types, constants and references go."""
    return {name: _sample(inner, schema) for name, inner in (schema.get("properties") or {}).items()}


def _sample(schema: Any, root: dict[str, Any]) -> Any:
    if not isinstance(schema, dict):
        return "Paris"
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _sample((root.get("$defs") or root.get("definitions") or {}).get(name), root)
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    for inner in schema.get("anyOf") or schema.get("oneOf") or ():
        return _sample(inner, root)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if str(kind).lower() == "object":
        return {name: _sample(inner, root) for name, inner in (schema.get("properties") or {}).items()}
    return SAMPLES.get(str(kind).lower(), "Paris")


def _find_fake(request: Request, fields: dict[str, Any]) -> Fake:
    """Other users of these fields are left in peace: no ``fake`` in it, no effect."""
    found = [_as_object(_as_object(_inside(fields, path)).get("fake")) for path in TOLD_IN]
    found += [_as_object(dict(request.headers).get("x-fake")), _marked(fields)]
    return msgspec.convert(next(filter(None, found), {}), Fake, strict=False)


def _inside(fields: dict[str, Any], path: tuple[str, ...]) -> object:
    value: object = fields
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _as_object(value: object) -> dict[str, Any]:
    if isinstance(value, str) and value.startswith("{"):
        value = msgspec.json.decode(value)
    return value if isinstance(value, dict) else {}


def _marked(fields: dict[str, Any]) -> dict[str, Any]:
    marked = next((found for found in _last_user_texts(fields) if MARK + "{" in found), "")
    start = marked.find(MARK + "{")
    return _as_object(json.JSONDecoder().raw_decode(marked, start + len(MARK))[0]) if marked else {}


def _last_user_texts(fields: dict[str, Any]) -> list[str]:
    """Of the last turn in which the user says something himself, or the prompt of what has no turns."""
    turns: list[Any] = next(
        (fields[name] for name in ("messages", "contents", "input") if isinstance(fields.get(name), list)), []
    )
    for turn in reversed(turns):
        said = _own_texts(turn) if isinstance(turn, dict) and turn.get("role", "user") == "user" else []
        if said:
            return said
    simple = (fields.get(name) for name in ("input", "prompt", "query", "texts", "content", "requests", "inputs"))
    return [found for value in simple for found in _own_texts(value)]


def _own_texts(value: object) -> list[str]:
    """Results of tools are not the user's own words."""
    match value:
        case str():
            return [value]
        case list():
            return [found for item in value for found in _own_texts(item)]
        case dict() if value.get("type", "text") in {"text", "input_text", "message"}:
            return [found for name in ("content", "parts", "text") for found in _own_texts(value.get(name))]
        case _:
            return []


def _count(fields: dict[str, Any]) -> int:
    """A token for each word, or for each integer where the prompt comes tokenized."""
    return sum(_tokens(fields[name]) for name in TEXTS & fields.keys())


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


def told(ask: Ask, answer: Answer, fault: bytes = b"") -> Answer:
    """``answer`` with what the fake was told about headers, and about breaking off; ``fault`` is the format's word for
    an error within a stream."""
    fake = ask.fake
    headers, wait = (*answer.headers, *fake.headers.items()), answer.wait + fake.wait
    if fake.then == "error":
        before = answer.parts[: ERROR_AFTER if fake.after is None else fake.after] if fault else answer.parts
        return replace(answer, headers=headers, parts=(*before, Part(fault)), wait=wait)
    parts = answer.parts if fake.after is None else answer.parts[: fake.after]
    return replace(answer, headers=headers, parts=parts, then=fake.then, wait=wait)


def plain(ask: Ask, body: object, usage: Usage, headers: Headers | None = None) -> Answer:
    """An answer in one piece, after the time that its tokens take."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    part = Part(data, 0.0, usage.output)
    return Answer(
        headers=(JSON, request_id(ask.serial)) if headers is None else headers,
        parts=(part,),
        content_length=len(data),
        wait=ask.fake.delay * ask.output,
        usage=replace(usage, output=0),
    )


def streamed(ask: Ask, parts: Iterable[Part], headers: Headers | None = None, usage: Usage | None = None) -> Answer:
    """An answer in parts, whose output ``usage`` is. What was told of it and the parts do not carry, the last one
    does."""
    *first, last = parts
    if ask.fake.usage:
        last = last._replace(output=ask.fake.usage.output - sum(part.output for part in first))
    found = (EVENTS, request_id(ask.serial)) if headers is None else headers
    return Answer(headers=found, parts=(*first, last), usage=replace(usage or ask.usage, output=0))


def refusal(status: int, body: object, headers: Headers) -> Answer:
    data = msgspec.json.encode(body)
    return Answer(status=status, headers=headers, parts=(Part(data),), content_length=len(data))


ERRORS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def error_body(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    kind, usual = ERRORS.get(status, ("server_error", None))
    kind = code if code == "insufficient_quota" else kind
    return {"error": {"message": message, "type": kind, "param": param, "code": code or usual}}


def error(status: int, message: str, serial: int, code: str | None = None, param: str | None = None) -> Answer:
    """As OpenAI refuses."""
    return refusal(status, error_body(status, message, code, param), (JSON, request_id(serial)))


def request_id(serial: int) -> tuple[str, str]:
    return ("x-request-id", f"req_{serial}")


def timed(ask: Ask, frames: Iterator[tuple[bytes, int]]) -> Iterator[Part]:
    """Frames with the tokens that each carries; those without take no time."""
    for data, output in frames:
        yield Part(data, ask.fake.delay if output else 0.0, output)
