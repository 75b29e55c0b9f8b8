"""The caller's request, parsed once: what the gateway has to know of it, and how to change that without touching the
rest.

The parse that decides the model is the one that goes upstream, so a request cannot be priced as one model and served as
another: a repeated key is refused, and every edit replaces one value in place, with key order, spacing and unknown
fields kept.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from functools import lru_cache
from typing import Protocol, TypeAlias

import msgspec
from msgspec import Raw, Struct

from ..errors import BadRequest, UnsupportedBody
from ..unreadable import UNREADABLE
from .multipart import FormField, boundary_of, form_fields
from .operations import BOOLEAN, NULL, OBJECT, STRING, Operation
from .shape import check_shape

__all__ = ["Changes", "Head", "JSONRequest", "MultipartRequest", "Request", "fields_of", "parse_request"]

_MAX_OUTPUT = 10_000_000
_MAX_CHOICES = 128
_MODEL_LENGTH = 256
_SHORT = 2048  # bytes that are counted in less time than walked over
_NULL = Raw(b"null")
_MEMBER = re.compile(rb'[{,\s]*"([^"\\]*)"\s*:\s*')
"""What stands before a value of an object that is known to be JSON."""

_KINDS = {'"': "string", "-": "number", "t": "boolean", "f": "false", "[": "array", "{": "object", "n": "null"}

_USAGE = "stream_options.include_usage"

Changes: TypeAlias = Callable[[Mapping[str, Raw]], Mapping[str, bytes | None]]
"""What else has to change in a JSON object with these fields: the new JSON of fields, None for those that go."""

_fields = msgspec.json.Decoder(dict[str, Raw])
_integer = msgspec.json.Decoder(int)
_string = msgspec.json.Decoder(str)
_plain: msgspec.json.Decoder[str | bool | None] = msgspec.json.Decoder(str | bool | None)
_array = msgspec.json.Decoder(list[Raw])


class _Object(Struct):
    """Any, of which nothing is read."""


_objects = msgspec.json.Decoder(list[_Object])


class Head(Struct, frozen=True):
    """What decides route and price. ``max_output`` is None when the caller set no limit; ``choices`` multiplies it."""

    model: str
    stream: bool = False
    max_output: int | None = None
    choices: int = 1
    wants_usage: bool = False


class Request(Protocol):
    """A parsed body of one kind."""

    @property
    def head(self) -> Head: ...

    @property
    def fields(self) -> Container[str]:
        """The names at the top."""
        ...

    def value(self, field: str) -> str | bool | None:
        """The text or truth value of a field, or of one within an object ("a.b"); None of all others."""
        ...

    def edited(self, *, model: str, include_usage: bool, changes: Changes | None = None) -> bytes:
        """The body with this model, with usage asked for if so, and with ``changes`` (of JSON alone); the same bytes
        where nothing has to change."""
        ...


def parse_request(operation: Operation, content_type: str, body: bytes) -> Request:
    """Read a body as what its operation takes.

    :raises BadRequest: it is malformed, or a field is missing or of the wrong type
    :raises UnsupportedBody: it is of another media type
    """
    if content_type == "application/json":
        return _json(operation, body)
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    if media_type == "multipart/form-data":
        return _multipart(operation, content_type, body)
    if media_type in ("application/json", "") or media_type.endswith("+json") or operation.body == "json":
        _check_charset(parameters)
        return _json(operation, body)
    raise UnsupportedBody(
        f"This path takes multipart/form-data, not {media_type[:80]!r}. Send the file as a form with a 'model' field."
    )


def _check_charset(parameters: str) -> None:
    """Read in another encoding, the same bytes may be another request."""
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise UnsupportedBody(f"Bodies in {value.strip()[:40]!r} are not read. Encode the JSON as UTF-8.")


def fields_of(body: bytes) -> dict[str, Raw]:
    """The top level of a JSON object, in which no key is there twice.

    :raises BadRequest: it is none, or one is
    """
    values = _top_level(body)
    _check_keys(body, values)
    return values


# --- JSON -------------------------------------------------------------------------------------------------------------


class JSONRequest:
    """A JSON object of which only the top level was taken apart. Each key is there once, and without escapes."""

    __slots__ = ("_body", "_named_in_path", "_values", "head")

    def __init__(self, body: bytes, values: dict[str, Raw], head: Head, *, named_in_path: bool) -> None:
        self._named_in_path = named_in_path
        self._body = body
        self._values = values
        self.head = head

    @property
    def fields(self) -> Container[str]:
        return self._values

    def value(self, field: str) -> str | bool | None:
        outer, _, inner = field.partition(".")
        try:
            raw = self._values.get(outer, _NULL)
            return _plain.decode(_fields.decode(raw).get(inner, _NULL) if inner else raw)
        except UNREADABLE:
            return None

    def edited(self, *, model: str, include_usage: bool, changes: Changes | None = None) -> bytes:
        edits: dict[str, bytes | None] = {} if changes is None else {**changes(self._values)}
        if model != self.head.model and not self._named_in_path:
            edits["model"] = msgspec.json.encode(model)
        if include_usage and self.head.stream and not self.head.wants_usage:
            edits["stream_options"] = self._asking_for_usage()
        return self._replaced(edits) if edits else self._body

    def _asking_for_usage(self) -> bytes:
        raw = bytes(self._values.get("stream_options", b"null"))
        options = {} if raw == b"null" else _fields.decode(raw)
        return msgspec.json.encode({**options, "include_usage": True})

    def _replaced(self, edits: Mapping[str, bytes | None]) -> bytes:
        body, values = self._body, self._values
        left = {key: value for key, value in edits.items() if value is not None}
        if len(left) != len(edits):
            body = _without(body, values, edits.keys() - left)
            values = {key: value for key, value in values.items() if key in left or key not in edits}
        parts, at = [], 0
        for key, start, end in _members(body, values) if left else ():
            if key in left:
                parts += [body[at:start], left.pop(key)]
                at = end
                if not left:
                    break
        added = b",".join(b'"%b":%b' % (key.encode(), value) for key, value in left.items())
        close = body.rindex(b"}")
        between = b"," if added and values else b""
        return b"".join([*parts, body[at:close], between, added, body[close:]])


def _json(operation: Operation, body: bytes) -> JSONRequest:
    values = _top_level(body)
    _check_keys(body, values)
    _check_types(operation, values)
    decisive = _decisive(operation.output_limits, operation.choice_fields)
    head = _head(operation, values, _within(decisive, values))
    _check_case(decisive.own, values)
    return JSONRequest(body, values, head, named_in_path=bool(operation.model))


def _top_level(body: bytes) -> dict[str, Raw]:
    if not body:
        raise BadRequest("The request has no body. Send a JSON object.", code="invalid_json")
    check_shape(body)
    try:
        if not body.isascii():
            body.decode()  # msgspec skips over strings that it does not decode, without a look at their encoding
        return _fields.decode(body)
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"The body is not UTF-8 (byte {error.start}). Encode the JSON as UTF-8.", code="invalid_json"
        ) from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply. Flatten it.", code="invalid_json") from None
    except msgspec.ValidationError:
        raise BadRequest("The body is JSON, but not an object. Send a JSON object.", code="invalid_json") from None
    except UNREADABLE as error:
        detail = str(error).removeprefix("JSON is malformed: ")
        raise BadRequest(f"The body is not valid JSON: {detail}.", code="invalid_json") from None


class _Keys(Struct, frozen=True):
    """Keys that decide, by what they are whatever their case; ``lower`` if they are written so."""

    names: frozenset[str]
    folded: dict[str, str]
    lower: bool


class _Decisive(Struct, frozen=True):
    """The keys that decide: at the top, and by those of them that have objects, within these."""

    own: _Keys
    within: dict[str, _Keys]


@lru_cache
def _decisive(limits: tuple[str, ...], choices: tuple[str, ...]) -> _Decisive:
    within: dict[str, list[str]] = {}
    for name in ("model", "stream", _USAGE, *limits, *choices):
        outer, _, inner = name.partition(".")
        within.setdefault(outer, []).extend([inner] if inner else [])
    return _Decisive(_keys(within), {outer: _keys(names) for outer, names in within.items() if names})


def _keys(names: Collection[str]) -> _Keys:
    folded = {name.casefold(): name for name in names}
    return _Keys(frozenset(names), folded, lower=folded.keys() == set(names))


def _within(decisive: _Decisive, values: dict[str, Raw]) -> dict[str, Raw]:
    """What decides within objects, by names such as "stream_options.include_usage". No key is twice in these objects;
    in others, whoever reads them takes the last of two, and it costs nobody anything.

    :raises BadRequest: one is, or what has to be an object is none
    """
    found: dict[str, Raw] = {}
    for outer, own in decisive.within.items():
        raw = values.get(outer)
        if raw is None or (text := bytes(raw)) == b"null":
            continue
        _check_type(outer, raw, OBJECT)
        inner = _fields.decode(raw)
        if not _has_plain_keys(text, inner) and (twice := _twice(text)) is not None:
            raise _repeated(f"{outer}.{twice}")
        _check_case(own, inner, f"{outer}.")
        found |= {f"{outer}.{name}": inner[name] for name in own.names if name in inner}
    return found


def _check_case(own: _Keys, values: Mapping[str, Raw], place: str = "") -> None:
    """Some upstreams (Go's) read keys whatever their case, and would find here what the gateway did not."""
    written = "".join(values)
    if own.lower and written.isascii() and written.islower():
        return
    for key in values:
        if key not in own.names and (meant := own.folded.get(key.casefold())) is not None:
            raise BadRequest(
                f"Write the key {key[:80]!r} as {meant!r}.", code="invalid_json", param=f"{place}{key[:80]}"
            )


def _check_keys(body: bytes, values: dict[str, Raw]) -> None:
    """
    :raises BadRequest: a key is there twice, or is written with escapes
    """
    if not _has_plain_keys(body, values):
        twice = _twice(body)
        raise _escaped() if twice is None else _repeated(twice)


def _has_plain_keys(body: bytes, values: dict[str, Raw]) -> bool:
    """Whether each key of an object is there once, and without escapes: beside these values its text has a colon for
    each, and no backslash. Of a key that is there twice only one value is among them. What is longer is walked over."""
    if len(body) <= _SHORT and ":" not in "".join(values):
        told = b"".join(values.values())
        if body.count(b":") - told.count(b":") == len(values) and body.count(b"\\") == told.count(b"\\"):
            return True
    walked = [end for _, _, end in _members(body, values)]
    return len(walked) == len(values) and (not walked or body[walked[-1] :].strip() == b"}")


def _members(body: bytes, values: dict[str, Raw]) -> Iterator[tuple[str, int, int]]:
    """Each key, and where its value begins and ends; up to one that is there twice, or written with escapes."""
    end = 0
    for key, raw in values.items():
        member = _MEMBER.match(body, end)
        if member is None or member[1] != key.encode():
            return
        start = member.end()
        if not body.startswith(raw, start):
            return
        end = start + len(memoryview(raw))
        yield key, start, end


def _without(body: bytes, values: dict[str, Raw], keys: Collection[str]) -> bytes:
    """The object without these keys, each with the comma that parts it from its neighbour."""
    end = body.index(b"{") + 1
    parts, first = [body[:end]], True
    for key, _, after in _members(body, values):
        member, end = body[end:after], after
        if key not in keys:
            parts.append(member if first or len(parts) > 1 else member[member.index(b",") + 1 :])
        first = False
    return b"".join([*parts, body[end:]])


def _twice(body: bytes) -> str | None:
    """The key that an object has twice. Slow, and only run where there may be one."""
    keys: list[str] = []

    def top_level(pairs: list[tuple[str, object]]) -> None:
        keys[:] = [key for key, _ in pairs]  # the outermost object closes last

    json.loads(body, object_pairs_hook=top_level, parse_int=str)  # as integers, long ones would be refused
    return next((key[:80] for key, count in Counter(keys).items() if count > 1), None)


def _repeated(key: str) -> BadRequest:
    return BadRequest(f"The key {key!r} is sent more than once. Send it once.", code="invalid_json", param=key)


def _escaped() -> BadRequest:
    return BadRequest("A key of the object is written with escapes. Write it plainly.", code="invalid_json")


def _check_types(operation: Operation, values: dict[str, Raw]) -> None:
    for field, kinds in operation.required.items():
        if field not in values:
            raise BadRequest(f"'{field}' is required.", param=field, code="missing_required_parameter")
        _check_type(field, values[field], kinds)
    optional = operation.optional
    for field, raw in values.items():
        if field in optional:
            _check_type(field, raw, optional[field])
    messages = values.get("messages")
    if messages is not None and "messages" in operation.required:
        _check_messages(messages)


def _check_type(field: str, raw: Raw, kinds: bytes) -> None:
    if memoryview(raw)[0] not in kinds:
        wanted = " or ".join(
            name for first, name in _KINDS.items() if first.encode() in kinds and (name != "false" or b"t" not in kinds)
        )
        raise BadRequest(f"'{field}' must be of type {wanted}.", param=field, code="invalid_type")


def _check_messages(messages: Raw) -> None:
    try:
        if _objects.decode(messages):
            return
    except msgspec.ValidationError:
        items = enumerate(_array.decode(messages))
        index = next(index for index, item in items if memoryview(item)[0] not in OBJECT)
        raise BadRequest(
            f"'messages[{index}]' must be of type object.", param=f"messages[{index}]", code="invalid_type"
        ) from None
    raise BadRequest("'messages' is empty. Send at least one message.", param="messages", code="empty_array")


def _head(operation: Operation, values: dict[str, Raw], within: dict[str, Raw]) -> Head:
    """``within`` are values within objects, as ``_within`` finds them."""
    max_output, choices = None, 1
    for field in operation.output_limits:
        raw = (within if "." in field else values).get(field)
        limit = None if raw is None else _whole(raw, field, least=0, most=_MAX_OUTPUT)
        if limit is not None and (max_output is None or limit > max_output):
            max_output = limit
    for field in operation.choice_fields:
        raw = (within if "." in field else values).get(field)
        if raw is not None:
            choices = max(choices, _whole(raw, field, least=1, most=_MAX_CHOICES) or 1)
    stream = operation.stream
    return Head(
        _model(operation, values),
        _boolean(values, "stream", unsaid=operation.streams) if stream is None else stream,
        max_output,
        choices,
        _boolean(within, _USAGE, unsaid=False),
    )


def _model(operation: Operation, values: dict[str, Raw]) -> str:
    if operation.model:
        return _checked_model(operation.model)
    raw = values.get("model")
    if raw is None:
        return _default_model(operation)
    try:
        return _checked_model(_string.decode(raw))
    except msgspec.ValidationError:
        if bytes(raw) != b"null":
            _check_type("model", raw, STRING)
        return _default_model(operation)


def _default_model(operation: Operation) -> str:
    if operation.default_model is None:
        raise BadRequest(
            "'model' is required. Name one of the models that GET /v1/models lists.",
            param="model",
            code="missing_required_parameter",
        )
    return operation.default_model


def _checked_model(model: str) -> str:
    if not model or len(model) > _MODEL_LENGTH or not model.isprintable() or model != model.strip():
        raise BadRequest(
            f"'model' must have 1 to {_MODEL_LENGTH} printable characters, no spaces around them.",
            param="model",
            code="invalid_value",
        )
    return model


def _boolean(values: dict[str, Raw], field: str, *, unsaid: bool) -> bool:
    raw = values.get(field)
    if raw is None or bytes(raw) == b"null":
        return unsaid
    _check_type(field, raw, BOOLEAN + NULL)
    return bytes(raw) == b"true"


def _whole(raw: Raw, field: str, *, least: int, most: int) -> int | None:
    try:
        value = _integer.decode(raw)
    except UNREADABLE:
        if bytes(raw) == b"null":
            return None
        value = least - 1
    if not least <= value <= most:
        raise BadRequest(f"'{field}' must be an integer between {least} and {most}.", param=field, code="invalid_value")
    return value


# --- multipart --------------------------------------------------------------------------------------------------------


class MultipartRequest:
    """A form; only its text fields were read, files stay where they are."""

    __slots__ = ("_body", "_boundary", "_model", "head")

    def __init__(self, body: bytes, boundary: bytes, model: FormField | None, head: Head) -> None:
        self._body = body
        self._boundary = boundary
        self._model = model
        self.head = head

    @property
    def fields(self) -> Container[str]:
        """Forms are not looked into further than their head."""
        return ()

    def value(self, field: str) -> str | bool | None:  # noqa: ARG002  # as above
        return None

    def edited(self, *, model: str, include_usage: bool, changes: Changes | None = None) -> bytes:  # noqa: ARG002  # as above
        if model == self.head.model:
            return self._body
        if self._model is None:
            added = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n'
            return added % (self._boundary, model.encode()) + self._body
        return self._body[: self._model.start] + model.encode() + self._body[self._model.end :]


def _multipart(operation: Operation, content_type: str, body: bytes) -> MultipartRequest:
    fields: dict[str, FormField] = {}
    boundary = boundary_of(content_type)
    for field in form_fields(body, boundary, text_only=("model", "stream", "n")):
        if field.name in fields and field.name in ("model", "stream", "n"):
            raise BadRequest(f"The field {field.name!r} is there more than once. Send it once.", param=field.name)
        fields[field.name] = field
    model = fields.get("model")
    return MultipartRequest(
        body,
        boundary,
        model,
        Head(
            model=_checked_model(model.text) if model else _default_model(operation),
            stream=_form_value(fields, "stream").lower() in ("true", "1"),
            choices=_form_whole(fields, "n"),
        ),
    )


def _form_value(fields: dict[str, FormField], name: str) -> str:
    return fields[name].text.strip() if name in fields else ""


def _form_whole(fields: dict[str, FormField], name: str) -> int:
    text = _form_value(fields, name) or "1"
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= _MAX_CHOICES):
        raise BadRequest(f"'{name}' must be an integer between 1 and {_MAX_CHOICES}.", param=name, code="invalid_value")
    return int(text)
