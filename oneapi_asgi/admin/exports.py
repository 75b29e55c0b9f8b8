"""Rows as a file, made while it is sent: CSV, JSON lines or Parquet.

Whatever a caller could have named something, a spreadsheet takes no cell for a formula: texts that begin like one get
an apostrophe before them, as spreadsheets themselves write it.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from starlette.responses import StreamingResponse

from ..errors import Unavailable
from ..extra import MissingExtra, needs

__all__ = ["Format", "cell", "csv_text", "download"]

Format = Literal["csv", "jsonl", "parquet"]

ROW_GROUP = 10_000
"""Rows of Parquet that are held at once."""

_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Pages = AsyncIterator[Sequence[Struct]]


def download(pages: Pages, row: type[Struct], form: Format, name: str) -> StreamingResponse:
    """A file of that name. ``pages`` have rows of the type ``row``, of texts, numbers and truth values.

    :raises Unavailable: Parquet needs an extra that is not installed
    """
    body = _parquet(pages, row, _arrow()) if form == "parquet" else _lines(pages, row, form)
    headers = {
        "content-disposition": f'attachment; filename="{name}.{form}"',
        "content-type": _TYPES[form],
        "cache-control": "no-store",
    }
    return StreamingResponse(body, headers=headers)


def cell(value: object) -> object:
    """A text that could be taken for a formula, as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def csv_text(rows: Iterable[Struct]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows([cell(value) for value in msgspec.structs.astuple(row)] for row in rows)
    return written.getvalue().encode()


async def _lines(pages: Pages, row: type[Struct], form: Format) -> AsyncIterator[bytes]:
    if form == "csv":
        yield ",".join(row.__struct_fields__).encode() + b"\r\n"
    encoder = msgspec.json.Encoder()
    async for page in pages:
        yield csv_text(page) if form == "csv" else encoder.encode_lines(page)


def _arrow() -> Any:
    try:
        with needs("parquet"):
            import pyarrow.parquet  # type: ignore[import-untyped]
    except MissingExtra as error:
        message = f"This gateway writes no Parquet ({error}); ask for format=csv or jsonl."
        raise Unavailable(message, code="parquet_missing") from None
    return pyarrow


class _Drained(io.RawIOBase):
    """A file that is only written, from which what was written is taken away."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def drain(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


async def _parquet(pages: Pages, row: type[Struct], arrow: Any) -> AsyncIterator[bytes]:
    kinds = {int: arrow.int64(), str: arrow.string(), bool: arrow.bool_(), float: arrow.float64()}
    columns = [(field.encode_name, kinds[field.type]) for field in msgspec.structs.fields(row)]
    schema = arrow.schema(columns)
    sink = _Drained()
    writer = arrow.parquet.ParquetWriter(sink, schema)

    def write(rows: Sequence[Struct]) -> bytes:
        values = zip(*map(msgspec.structs.astuple, rows), strict=True)
        arrays = [arrow.array(column, kind) for column, (_, kind) in zip(values, columns, strict=True)]
        writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
        return sink.drain()

    held: list[Struct] = []
    async for page in pages:
        held += page
        if len(held) >= ROW_GROUP:
            group, held = held[:ROW_GROUP], held[ROW_GROUP:]
            yield await asyncio.to_thread(write, group)
    if held:
        yield await asyncio.to_thread(write, held)
    writer.close()
    yield sink.drain()
