"""The caller's request, parsed once: what the gateway has to know of it, and how to change that without touching the
rest.

The parse that decides the model is the one that goes upstream, so a request cannot be priced as one model and served as
another: a repeated key is refused, and every edit replaces one value in place, with key order, spacing and unknown
fields kept.
"""

from __future__ import annotations

import json
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from ..errors import BadRequest, UnsupportedBody
from .multipart import FormField, boundary_of, form_fields
from .operations import BOOLEAN, NULL, OPERATIONS, STRING, Operation

__all__ = ["Head", "JSONRequest", "MultipartRequest", "Request", "parse_request"]

_MAX_OUTPUT = 10_000_000
_MAX_CHOICES = 128
_MODEL_LENGTH = 256
_COMMA, _SPACE = ord(","), ord(" ")
_KINDS = {'"': "string", "-": "number", "t": "boolean", "f": "false", "[": "array", "{": "object", "n": "null"}

_DECISIVE = frozenset(("model", "stream", "stream_options", "n", "best_of")).union(
    *(operation.output_limits for operation in OPERATIONS.values())
)
"""The keys that decide route and price."""

_fields = msgspec.json.Decoder(dict[str, Raw])
_integer = msgspec.json.Decoder(int)
_string = msgspec.json.Decoder(str)
_array = msgspec.json.Decoder(list[Raw])


class _StreamOptions(Struct):
    include_usage: bool | None = None


_stream_options = msgspec.json.Decoder(_StreamOptions)


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

    def edited(self, *, model: str, include_usage: bool) -> bytes:
        """The body with this model, and with usage asked for if so; the same bytes where nothing has to change."""
        ...


def parse_request(operation: Operation, content_type: str, body: bytes) -> Request:
    """Read a body as what its operation takes.

    :raises BadRequest: it is malformed, or a field is missing or of the wrong type
    :raises UnsupportedBody: it is of another media type
    """
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


# --- JSON -------------------------------------------------------------------------------------------------------------


class JSONRequest:
    """A JSON object of which only the top level was taken apart. ``_spans`` says where each value lies in the body."""

    __slots__ = ("_body", "_spans", "_values", "head")

    def __init__(self, body: bytes, values: dict[str, Raw], spans: dict[str, tuple[int, int]], head: Head) -> None:
        self._body = body
        self._values = values
        self._spans = spans
        self.head = head

    def edited(self, *, model: str, include_usage: bool) -> bytes:
        edits: dict[str, bytes] = {}
        if model != self.head.model:
            edits["model"] = msgspec.json.encode(model)
        if include_usage and self.head.stream and not self.head.wants_usage:
            edits["stream_options"] = self._asking_for_usage()
        return self._replaced(edits) if edits else self._body

    def _asking_for_usage(self) -> bytes:
        raw = bytes(self._values.get("stream_options", b"null"))
        options = {} if raw == b"null" else _fields.decode(raw)
        return msgspec.json.encode({**options, "include_usage": True})

    def _replaced(self, edits: dict[str, bytes]) -> bytes:
        spans = sorted((self._spans[key], value) for key, value in edits.items() if key in self._spans)
        parts, at = [], 0
        for (start, end), value in spans:
            parts += [self._body[at:start], value]
            at = end
        added = b"".join(b',"%b":%b' % (key.encode(), edits[key]) for key in edits if key not in self._spans)
        close = self._body.rindex(b"}")
        return b"".join([*parts, self._body[at:close], added, self._body[close:]])


def _json(operation: Operation, body: bytes) -> JSONRequest:
    values = _top_level(body)
    spans = _locate(body, values)
    _check_types(operation, values)
    head = _head(operation, values)
    _check_case(values)
    return JSONRequest(body, values, spans, head)


def _top_level(body: bytes) -> dict[str, Raw]:
    if not body:
        raise BadRequest("The request has no body. Send a JSON object.", code="invalid_json")
    try:
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
    except msgspec.DecodeError as error:
        detail = str(error).removeprefix("JSON is malformed: ")
        raise BadRequest(f"The body is not valid JSON: {detail}.", code="invalid_json") from None


def _check_case(values: dict[str, Raw]) -> None:
    """Some upstreams (Go's) read keys whatever their case, and would find here what the gateway did not."""
    for key in values:
        if key not in _DECISIVE and key.casefold() in _DECISIVE:
            raise BadRequest(f"Write the key {key[:80]!r} as {key.casefold()!r}.", code="invalid_json", param=key[:80])


def _locate(body: bytes, values: dict[str, Raw]) -> dict[str, tuple[int, int]]:
    """Where each value lies, by walking over the object: it proves at once that no key is there twice."""
    spans: dict[str, tuple[int, int]] = {}
    at = _skip(body, 0) + 1
    for key, raw in values.items():
        at = _value_at(body, at, b'"%b"' % key.encode())
        if at < 0 or not body.startswith(raw, at):
            raise _repeated(body)
        end = at + len(memoryview(raw))
        spans[key] = (at, end)
        at = end + 1 if body[end] == _COMMA else _skip(body, end) + 1
    if values and _skip(body, at) < len(body):
        raise _repeated(body)
    return spans


def _value_at(body: bytes, at: int, name: bytes) -> int:
    """Where the value begins whose quoted key is due at this place; -1 when another key stands there."""
    at = _skip(body, at)
    if not body.startswith(name, at):
        return -1
    return _skip(body, _skip(body, at + len(name)) + 1)


def _skip(body: bytes, at: int) -> int:
    """The first place from here that is no white space."""
    while at < len(body) and body[at] <= _SPACE:
        at += 1
    return at


def _repeated(body: bytes) -> BadRequest:
    """Name the key that is there twice. Slow, and only run to say no."""
    keys: list[str] = []

    def top_level(pairs: list[tuple[str, object]]) -> None:
        keys[:] = [key for key, _ in pairs]  # the outermost object closes last

    try:
        json.loads(body, object_pairs_hook=top_level, parse_int=str)  # as integers, long ones would be refused
    except RecursionError:
        return BadRequest("The body is nested too deeply. Flatten it.", code="invalid_json")
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is None:
        return BadRequest("A key of the object is written with escapes. Write it plainly.", code="invalid_json")
    return BadRequest(f"The key {twice[:80]!r} is sent more than once. Send it once.", code="invalid_json", param=twice)


def _check_types(operation: Operation, values: dict[str, Raw]) -> None:
    for field, kinds in operation.required.items():
        if field not in values:
            raise BadRequest(f"'{field}' is required.", param=field, code="missing_required_parameter")
        _check_type(field, values[field], kinds)
    for field, kinds in operation.optional.items():
        if field in values:
            _check_type(field, values[field], kinds)
    messages = values.get("messages")
    if operation.name == "chat" and messages is not None:
        _check_messages(messages)


def _check_type(field: str, raw: Raw, kinds: bytes) -> None:
    if memoryview(raw)[0] not in kinds:
        wanted = " or ".join(
            name for first, name in _KINDS.items() if first.encode() in kinds and (name != "false" or b"t" not in kinds)
        )
        raise BadRequest(f"'{field}' must be of type {wanted}.", param=field, code="invalid_type")


def _check_messages(messages: Raw) -> None:
    items = _array.decode(messages)
    if not items:
        raise BadRequest("'messages' is empty. Send at least one message.", param="messages", code="empty_array")
    for index, item in enumerate(items):
        if memoryview(item)[0] != ord("{"):
            raise BadRequest(
                f"'messages[{index}]' must be of type object.", param=f"messages[{index}]", code="invalid_type"
            )


def _head(operation: Operation, values: dict[str, Raw]) -> Head:
    limits = [
        limit
        for field in operation.output_limits
        if (limit := _whole(values, field, least=0, most=_MAX_OUTPUT)) is not None
    ]
    choices = max(_whole(values, field, least=1, most=_MAX_CHOICES) or 1 for field in ("n", "best_of"))
    return Head(
        model=_model(operation, values),
        stream=_boolean(values, "stream"),
        max_output=max(limits) if limits else None,
        choices=choices,
        wants_usage=_wants_usage(values),
    )


def _model(operation: Operation, values: dict[str, Raw]) -> str:
    raw = values.get("model")
    if raw is None or bytes(raw) == b"null":
        return _default_model(operation)
    _check_type("model", raw, STRING)
    return _checked_model(_string.decode(raw))


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


def _boolean(values: dict[str, Raw], field: str) -> bool:
    raw = values.get(field)
    if raw is None:
        return False
    _check_type(field, raw, BOOLEAN + NULL)
    return bytes(raw) == b"true"


def _whole(values: dict[str, Raw], field: str, *, least: int, most: int) -> int | None:
    raw = values.get(field)
    if raw is None or bytes(raw) == b"null":
        return None
    try:
        value = _integer.decode(raw)
    except msgspec.DecodeError:
        value = least - 1
    if not least <= value <= most:
        raise BadRequest(f"'{field}' must be an integer between {least} and {most}.", param=field, code="invalid_value")
    return value


def _wants_usage(values: dict[str, Raw]) -> bool:
    raw = values.get("stream_options")
    if raw is None or bytes(raw) == b"null":
        return False
    try:
        return _stream_options.decode(raw).include_usage is True
    except msgspec.DecodeError:
        raise BadRequest(
            "'stream_options' must be an object whose 'include_usage' is true or false.",
            param="stream_options",
            code="invalid_type",
        ) from None


# --- multipart --------------------------------------------------------------------------------------------------------


class MultipartRequest:
    """A form; only its text fields were read, files stay where they are."""

    __slots__ = ("_body", "_boundary", "_model", "head")

    def __init__(self, body: bytes, boundary: bytes, model: FormField | None, head: Head) -> None:
        self._body = body
        self._boundary = boundary
        self._model = model
        self.head = head

    def edited(self, *, model: str, include_usage: bool) -> bytes:  # noqa: ARG002  # forms have no such option
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
