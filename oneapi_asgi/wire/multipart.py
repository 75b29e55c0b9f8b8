"""Where the fields and files of a ``multipart/form-data`` body lie (RFC 7578), without copying them.

python-multipart's parser does the reading. The body is fed whole, so the offsets that it reports are offsets in the
body.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from msgspec import Struct
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ..errors import BadRequest

__all__ = ["FormField", "FormFile", "boundary_of", "form_fields", "form_parts"]

_MAX_PARTS = 256
_MAX_TYPE = 1024
_MAX_TEXT = 64 * 1024
_MAX_HEADER = 4 * 1024
_PLAIN = frozenset({b"", b"7bit", b"8bit", b"binary"})
# One that is not closed is tried once, and not from every quote within.
_QUOTED = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)', re.DOTALL)
_PARAMETER = re.compile(rb";([^;=]*)=")


class FormField(Struct, frozen=True):
    """A part without a file name: its text, and where that begins and ends in the body."""

    name: str
    text: str
    start: int
    end: int


class FormFile(Struct, frozen=True):
    """A part with a file name: what it says of itself, and where its content begins and ends in the body."""

    name: str
    filename: str
    media_type: str
    start: int
    end: int


def boundary_of(content_type: str) -> bytes:
    """
    :raises BadRequest: the content type does not name one boundary
    """
    short = len(content_type) <= _MAX_TYPE
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"") if short else b""
    if not boundary or _ambiguous(content_type.encode("latin-1", "replace"), b"boundary"):
        raise BadRequest(
            "The content type does not name one boundary. Let the HTTP client build it.", code="invalid_form"
        )
    return boundary


def form_fields(body: bytes, boundary: bytes, *, text_only: Collection[str] = ()) -> list[FormField]:
    """The text fields. Parts named in ``text_only`` count as text even if they pose as files.

    :raises BadRequest: the form is malformed, cut short, or has too many or too large parts
    """
    return form_parts(body, boundary, text_only=text_only)[0]


def form_parts(
    body: bytes, boundary: bytes, *, text_only: Collection[str] = ()
) -> tuple[list[FormField], list[FormFile]]:
    """The text fields, and the files.

    :raises BadRequest: as of ``form_fields``
    """
    collector = _Collector(body, text_only)
    try:
        parser = MultipartParser(boundary, collector.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise BadRequest(f"The form is malformed: {str(error)[:200]}", code="invalid_form") from None
    if not collector.ended:
        raise BadRequest("The form ends before its last boundary.", code="invalid_form")
    return collector.fields, collector.files


def _ambiguous(header: bytes, parameter: bytes) -> bool:
    """Whether a parameter is there twice, or in the form of RFC 2231 (``name*=``), which not everybody reads."""
    plain = _QUOTED.sub(lambda quoted: b"" if quoted[1] else quoted[0], header.lower())
    names = [name.strip() for name in _PARAMETER.findall(plain)]
    return names.count(parameter) > 1 or any(name.startswith(parameter + b"*") for name in names)


class _Collector:
    """Turns the parser's callbacks into fields."""

    def __init__(self, body: bytes, text_only: Collection[str]) -> None:
        self._text_only = text_only
        self.fields: list[FormField] = []
        self.files: list[FormFile] = []
        self.ended = False
        self._body = body
        self._parts = 0

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise BadRequest(f"The form has more than {_MAX_PARTS} parts.", code="invalid_form")
        self._name = self._filename = self._media_type = ""
        self._named = self._is_file = False
        self._disposed = False
        self._header, self._value = b"", b""
        self._start = self._stop = -1

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._bound_header(self._header)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound_header(self._value)

    def _bound_header(self, header: bytes) -> None:
        if len(header) > _MAX_HEADER:
            raise BadRequest(f"A part of the form has a header of more than {_MAX_HEADER} bytes.", code="invalid_form")

    def _header_end(self) -> None:
        header = self._header.lower()
        if header == b"content-transfer-encoding" and self._value.strip().lower() not in _PLAIN:
            raise BadRequest("Parts of the form must not be encoded. Send them as they are.", code="invalid_form")
        if header == b"content-disposition":
            self._check_disposition()
            options = parse_options_header(self._value)[1]
            name = options.get(b"name", b"").decode("utf-8", "replace")
            self._named, self._name = True, name
            self._is_file = b"filename" in options and name not in self._text_only
            self._filename = options.get(b"filename", b"").decode("utf-8", "replace")
        if header == b"content-type":
            self._media_type = self._value.decode("latin-1").strip()
        self._header, self._value = b"", b""

    def _check_disposition(self) -> None:
        """Others may take another one of two names, and find a field here that was read as something else."""
        if self._disposed or _ambiguous(self._value, b"name"):
            raise BadRequest("A part of the form has more than one name.", code="invalid_form")
        self._disposed = True

    def _data(self, _: bytes, start: int, end: int) -> None:
        if self._start < 0:
            self._start = start
        self._stop = end

    def _end(self) -> None:
        if not self._named:
            return
        start, end = (self._start, self._stop) if self._start >= 0 else (0, 0)
        if self._is_file:
            self.files.append(FormFile(self._name, self._filename, self._media_type, start, end))
            return
        if end - start > _MAX_TEXT:
            raise BadRequest(f"The field {self._name[:80]!r} has more than {_MAX_TEXT} bytes.", code="invalid_form")
        try:
            text = self._body[start:end].decode()
        except UnicodeDecodeError:
            raise BadRequest(f"The field {self._name[:80]!r} is not UTF-8.", code="invalid_form") from None
        self.fields.append(FormField(self._name, text, start, end))

    def _finish(self) -> None:
        self.ended = True
