"""Files and batches, in OpenAI's shapes: which paths there are, what an upload and a batch ask for, what a provider
says of an object, and how a list of them is told. https://platform.openai.com/docs/api-reference/files and …/batch

Nothing here knows who owns what. A form is not passed on as it came but written anew, so that the provider reads what
was read here; a batch may have no fields but those that are known, since a provider's own (another model for all lines,
a file at another place) would go past what was looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import parse_qs

import msgspec
from msgspec import Raw, Struct

from ..errors import BadRequest, UnsupportedBody
from ..unreadable import UNREADABLE
from .dialect import MalformedAnswerError
from .multipart import FormFile, boundary_of, form_parts
from .operations import Operation
from .request import fields_of, parse_request

__all__ = [
    "MOST_MODELS",
    "Listing",
    "Page",
    "Seen",
    "Upload",
    "batch_input",
    "batch_models",
    "is_id",
    "listing_of",
    "one_model",
    "page_at",
    "read_upload",
    "seen_of",
    "told_list",
    "untold",
]

Kind = Literal["file", "batch"]

# --- paths ------------------------------------------------------------------------------------------------------------

_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,255}")


def is_id(text: str) -> bool:
    """Whether an object may be called so: nothing that could lead to another place within a URL."""
    return _ID.fullmatch(text) is not None


class Page(Struct, frozen=True):
    """One path: what can be done there, by method, to the object of which ``kind`` and ``id`` (empty for all)."""

    kind: Kind
    id: str
    operations: Mapping[str, Operation]


def _does(**names: str) -> Mapping[str, Operation]:
    """``names`` are those that records use, by method."""
    made = {
        method: Operation(name=name, task="objects", output=False, choice_fields=(), free=True)
        for method, name in names.items()
    }
    return MappingProxyType(made)


_PAGES: Final[tuple[tuple[re.Pattern[str], Kind, Mapping[str, Operation]], ...]] = (
    (re.compile(r"/files()"), "file", _does(GET="files.list", POST="files")),
    (re.compile(r"/files/([^/]+)"), "file", _does(GET="files.retrieve", DELETE="files.delete")),
    (re.compile(r"/files/([^/]+)/content"), "file", _does(GET="files.content")),
    (re.compile(r"/batches()"), "batch", _does(GET="batches.list", POST="batches")),
    (re.compile(r"/batches/([^/]+)"), "batch", _does(GET="batches.retrieve")),
    (re.compile(r"/batches/([^/]+)/cancel"), "batch", _does(POST="batches.cancel")),
)


def page_at(path: str) -> Page | None:
    """What is at a path below the API's root. The id in it may be anything."""
    for pattern, kind, operations in _PAGES:
        if match := pattern.fullmatch(path):
            return Page(kind, match[1], operations)
    return None


# --- uploads ----------------------------------------------------------------------------------------------------------

_PURPOSE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FIELD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAME_LENGTH: Final = 200


class Upload(Struct, frozen=True):
    """A form that brings a file. ``model`` is empty when it names none; ``fields`` are the other text fields."""

    purpose: str
    model: str
    fields: dict[str, str]
    filename: str
    media_type: str
    content: memoryview

    @property
    def for_batch(self) -> bool:
        """ "batch", or what others call it."""
        return self.purpose.lower().startswith("batch")

    def written(self, boundary: str) -> tuple[str, bytes]:
        """``(content type, body)`` of the form that goes upstream. The boundary must not occur in the file."""
        pieces: list[bytes | memoryview] = []
        for name, value in {"purpose": self.purpose, **self.fields}.items():
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            pieces.append(f"{head}{value}\r\n".encode())
        named = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{self.filename}"\r\n'
        pieces += [f"{named}Content-Type: {self.media_type}\r\n\r\n".encode(), self.content]
        pieces.append(f"\r\n--{boundary}--\r\n".encode())
        return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def read_upload(content_type: str, body: bytes) -> Upload:
    """
    :raises UnsupportedBody: it is no form
    :raises BadRequest: the form is malformed, or lacks something, or has it twice
    """
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedBody("Files are uploaded as multipart/form-data, with the fields 'purpose' and 'file'.")
    texts, files = form_parts(body, boundary_of(content_type), text_only=("purpose", "model"))
    fields: dict[str, str] = {}
    for text in texts:
        if text.name in fields or not _FIELD.fullmatch(text.name):
            what = "is there more than once" if text.name in fields else "is not known"
            raise BadRequest(f"The field {text.name[:80]!r} {what}. Send it once.", param=text.name[:80])
        fields[text.name] = text.text
    file = _only_file(files)
    purpose, model = fields.pop("purpose", "").strip(), fields.pop("model", "").strip()
    if not _PURPOSE.fullmatch(purpose):
        raise BadRequest(
            "'purpose' is required: a word, such as batch or user_data.",
            param="purpose",
            code="invalid_value" if purpose else "missing_required_parameter",
        )
    media_type = file.media_type if _MEDIA_TYPE.fullmatch(file.media_type) else "application/octet-stream"
    content = memoryview(body)[file.start : file.end]
    return Upload(purpose, model, fields, _file_name(file.filename), media_type, content)


def _only_file(files: Iterable[FormFile]) -> FormFile:
    found = [*files]
    if len(found) != 1 or found[0].name != "file":
        raise BadRequest(
            "Send one file, as the field 'file' of the form.", param="file", code="missing_required_parameter"
        )
    return found[0]


def _file_name(name: str) -> str:
    """As forms write it (https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data),
    without a path."""
    plain = _CONTROL.sub("", name.replace("\\", "/").rpartition("/")[2])[-_NAME_LENGTH:]
    return plain.replace('"', "%22") or "file"


def one_model(*named: str) -> str:
    """The model that a form, a header or a query names; empty when none does.

    :raises BadRequest: they differ, or it is no name of one
    """
    names = {name for name in named if name}
    if len(names) > 1:
        raise BadRequest("The form, the header and the query name several models. Name one.", param="model")
    model = names.pop() if names else ""
    if len(model) > 256 or not model.isprintable():
        raise BadRequest("'model' must have 1 to 256 printable characters.", param="model", code="invalid_value")
    return model


# --- batches ----------------------------------------------------------------------------------------------------------

MOST_MODELS: Final = 8
"""That one batch may name; providers take one."""

_LINE_FIELDS: Final = frozenset(("url", "body", "method", "custom_id"))
_BATCH_FIELDS: Final = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
_BATCH_TEXTS: Final = _BATCH_FIELDS[:3]
_body_of_line: Final = Operation(name="batch line", output=False, choice_fields=())
_string = msgspec.json.Decoder(str)


def batch_models(content: bytes | memoryview) -> tuple[str, ...]:
    """The models that the lines of a batch's input name, in the order in which they first do.

    :raises BadRequest: a line cannot be read, or could be read in more than one way
    """
    models: dict[str, None] = {}
    for number, line in enumerate(bytes(content).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            models[_model_of(line)] = None
        except BadRequest as error:
            raise BadRequest(f"Line {number} of the file: {error.message}", code="invalid_batch_line") from None
        if len(models) > MOST_MODELS:
            raise BadRequest(f"The file names more than {MOST_MODELS} models. Make a batch for each.")
    if not models:
        raise BadRequest("The file has no line. Each is a request: custom_id, method, url and body.")
    return tuple(models)


def _model_of(line: bytes) -> str:
    if b"\r" in line.rstrip():
        raise BadRequest("It holds a carriage return. Write each request on one line.")
    fields = fields_of(line)
    for key in fields:
        if key not in _LINE_FIELDS and key.casefold() in _LINE_FIELDS:
            raise BadRequest(f"Write the key {key[:80]!r} as {key.casefold()!r}.")
    if "body" not in fields:
        raise BadRequest("'body' is required: the request itself.")
    return parse_request(_body_of_line, "application/json", bytes(fields["body"])).head.model


def batch_input(body: bytes) -> str:
    """The file that a batch is to be made of; the rest of the request may pass as it is.

    :raises BadRequest: it is no JSON object, or has other fields than are known, or not what it needs
    """
    fields = fields_of(body)
    for name in fields:
        if name not in _BATCH_FIELDS:
            raise BadRequest(
                f"Unknown parameter: {name[:80]!r}. A batch has {', '.join(_BATCH_FIELDS)}.",
                param=name[:80],
                code="unknown_parameter",
            )
    texts = {name: _text_of(name, fields[name]) for name in _BATCH_TEXTS if name in fields}
    if not texts.get("input_file_id"):
        raise BadRequest(
            "'input_file_id' is required: the id of a file that was uploaded with the purpose batch.",
            param="input_file_id",
            code="missing_required_parameter",
        )
    return texts["input_file_id"]


def _text_of(name: str, raw: Raw) -> str:
    try:
        return _string.decode(raw)
    except UNREADABLE:
        raise BadRequest(f"'{name}' must be of type string.", param=name, code="invalid_type") from None


# --- what a provider says of an object --------------------------------------------------------------------------------

_MOST_SEEN: Final = 3 * 1024
"""Bytes of an object that are kept to be told in lists; of a larger one only what follows is."""

_CORE: Final = frozenset(
    {
        *("id", "object", "created_at", "bytes", "filename", "purpose", "status", "expires_at"),
        *("endpoint", "completion_window", "input_file_id", "output_file_id", "error_file_id", "request_counts"),
        *("in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at"),
        "cancelled_at",
    }
)
_SHORT: Final = 200
_FINAL: Final = frozenset({"failed", "completed", "expired", "cancelled"})
_object = msgspec.json.Decoder(dict[str, Any])


class Seen(Struct, frozen=True):
    """``json`` is the object, or what there was room for. ``made`` are the files that a batch has brought forth;
    ``final``: nothing more will come of it."""

    id: str
    json: str
    purpose: str = ""
    made: tuple[str, ...] = ()
    final: bool = False


def seen_of(body: bytes) -> Seen:
    """
    :raises MalformedAnswerError: it is no object, or has no id that one may have
    """
    try:
        told = _object.decode(body)
    except UNREADABLE:
        raise MalformedAnswerError("the answer is no JSON object") from None
    name = told.get("id")
    if not isinstance(name, str) or not is_id(name):
        raise MalformedAnswerError("the object has no id")
    ids = (told.get("output_file_id"), told.get("error_file_id"))
    made = tuple(made for made in ids if isinstance(made, str) and is_id(made))
    status, purpose = told.get("status"), told.get("purpose")
    return Seen(
        id=name,
        json=_bounded(told),
        purpose=purpose if isinstance(purpose, str) else "",
        made=made,
        final=isinstance(status, str) and status in _FINAL,
    )


def _bounded(told: dict[str, Any]) -> str:
    text = msgspec.json.encode(told)
    if len(text) > _MOST_SEEN:
        text = msgspec.json.encode({name: _short(value) for name, value in told.items() if name in _CORE})
    return text.decode() if len(text) <= _MOST_SEEN else "{}"


def _short(value: object) -> object:
    if isinstance(value, str):
        return value[:_SHORT]
    if isinstance(value, dict):
        return {name: count for name, count in value.items() if isinstance(count, int)}
    return value if isinstance(value, int | float) else None


# --- lists ------------------------------------------------------------------------------------------------------------

_MOST_ASKED: Final = {"file": 10_000, "batch": 100}
_USUALLY: Final = {"file": 10_000, "batch": 20}


class Listing(Struct, frozen=True):
    """What part of a list is asked for; ``purpose`` None: whatever it is."""

    limit: int
    after: str | None = None
    rising: bool = False
    purpose: str | None = None


def listing_of(kind: Kind, query: str) -> Listing:
    """
    :raises BadRequest: a parameter cannot be
    """
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    limit, most = given.get("limit", ""), _MOST_ASKED[kind]
    if limit and not (limit.isascii() and limit.isdigit() and len(limit) <= 6 and 1 <= int(limit) <= most):
        raise BadRequest(f"'limit' must be an integer between 1 and {most}.", param="limit", code="invalid_value")
    order = given.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequest("'order' must be asc or desc.", param="order", code="invalid_value")
    return Listing(
        limit=int(limit) if limit else _USUALLY[kind],
        after=given.get("after"),
        rising=order == "asc" and kind == "file",
        purpose=given.get("purpose") if kind == "file" else None,
    )


def untold(kind: str, name: str, created: float) -> str:
    """An object of which nothing was seen but that it is there."""
    told: dict[str, object] = {"id": name, "object": kind, "created_at": int(created)}
    if kind == "file":
        told |= {"bytes": 0, "filename": name, "purpose": "batch_output", "status": "processed"}
    return msgspec.json.encode(told).decode()


def told_list(objects: Iterable[tuple[str, str]], *, more: bool) -> bytes:
    """``objects`` are ids with what was seen of each."""
    shown = [*objects]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [Raw(seen.encode()) for _, seen in shown],
            "first_id": shown[0][0] if shown else None,
            "last_id": shown[-1][0] if shown else None,
            "has_more": more,
        }
    )
