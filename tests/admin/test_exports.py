"""Files of the log: that they are its pages, that no cell is a formula, and that they are made in little memory."""

from __future__ import annotations

import csv
import io
import sys
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.prepared import Prepared

from oneapi_asgi.admin.exports import Format, cell, csv_text, download
from oneapi_asgi.admin.logs import Logs
from oneapi_asgi.desk.logs import LogQuery, LogRow
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.logs import SQLLogs

from .logbook import START, call, filled, many
from .rig import as_, asked

FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")


class Cells(msgspec.Struct, frozen=True):
    text: str
    number: int


@pytest.fixture
async def storage(tmp_path: Path, prepared: Prepared) -> AsyncIterator[SQLStorage]:
    with prepared("sqlite", tmp_path) as url:
        async with SQLStorage(url) as storage:
            yield storage


def read(answer: httpx2.Response, form: Format) -> list[dict[str, Any]]:
    match form:
        case "csv":
            kinds = {field.name: field.type for field in msgspec.structs.fields(LogRow)}
            return [
                {name: value == "True" if kinds[name] is bool else kinds[name](value) for name, value in row.items()}
                for row in csv.DictReader(io.StringIO(answer.content.decode(), newline=""))
            ]
        case "jsonl":
            return [msgspec.json.decode(line) for line in answer.content.splitlines()]
        case "parquet":
            rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(answer.content)).to_pylist()
            return rows


@pytest.mark.parametrize("form", FORMATS)
async def test_a_file_has_the_rows_of_the_pages(storage: SQLStorage, form: Format) -> None:
    ann, _ = await filled(storage)
    async with asked(Logs(SQLLogs(storage)).routes()) as client:
        for query in ({}, {"type": "2"}, {"username": "ann", "model_name": "big"}, {"username": "nobody"}):
            answer = await client.get("/log/export", params={"format": form, **query})
            assert answer.status_code == 200
            assert answer.headers["content-disposition"] == f'attachment; filename="log.{form}"'
            assert (answer.headers["x-content-type-options"], len(answer.headers["x-request-id"])) == ("nosniff", 32)
            page = await client.get("/log/", params={"page_size": 1000, **query})
            assert read(answer, form) == page.json()["data"]
        client.headers.update(as_(Role.COMMON, ann, "ann"))
        answer = await client.get("/log/self/export", params={"format": form, "username": "bob"})
        assert read(answer, form) == (await client.get("/log/self", params={"page_size": 1000})).json()["data"]


async def test_what_is_written_meanwhile_is_left_out(storage: SQLStorage) -> None:
    await many(storage, 2_500)
    logs = Logs(SQLLogs(storage))
    async with asked(logs.routes()) as client:
        before = {row["request_id"] for row in read(await client.get("/log/export?format=jsonl"), "jsonl")}
    pages = logs._pages(LogQuery(), None)
    seen = [row.request_id for row in await anext(pages)]
    await storage.write_records([call(9_000_000, START + 10**6, 1)])
    seen += [row.request_id async for page in pages for row in page]
    assert len(seen) == len({*seen}) == 2_500
    assert {*seen} == before


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_memory_stays_what_it_is(storage: SQLStorage) -> None:
    await many(storage, 200_000)
    logs = Logs(SQLLogs(storage))
    for form in FORMATS:
        size = 0
        response = download(logs._pages(LogQuery(), None), LogRow, form, "log")
        tracemalloc.start()
        try:
            async for part in response.body_iterator:
                size += len(part)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        sys.stderr.write(f"{form}: {size} bytes, {peak} at most held\n")
        assert size > 2_000_000
        assert peak < 24 << 20


async def test_a_row_group_has_ten_thousand_rows() -> None:
    async def pages() -> AsyncIterator[Sequence[Cells]]:
        for start in range(0, 25_000, 1_000):
            yield [Cells(f"=x{number}", number) for number in range(start, start + 1_000)]

    parts: list[Any] = [part async for part in download(pages(), Cells, "parquet", "x").body_iterator]
    file = pyarrow.parquet.ParquetFile(io.BytesIO(b"".join(parts)))
    groups = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    assert groups == [10_000, 10_000, 5_000]
    assert file.read().column("text").to_pylist() == [f"=x{number}" for number in range(25_000)]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("a=1", "a=1"),
        ("", ""),
        (-1, -1),
    ],
)
def test_cells(value: object, shown: object) -> None:
    assert cell(value) == shown


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.integers())))
def test_csv_is_read_as_it_was_written(cells: list[tuple[str, int]]) -> None:
    written = csv_text(Cells(text, number) for text, number in cells).decode()
    read = [(text, int(number)) for text, number in csv.reader(io.StringIO(written, newline=""))]
    assert read == [(cell(text), number) for text, number in cells]
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "\r")) for text, _ in read)


async def test_without_pyarrow_other_formats_are_named(storage: SQLStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    async with asked(Logs(SQLLogs(storage)).routes()) as client:
        answer = await client.get("/log/export?format=parquet")
        assert (answer.status_code, answer.json()["code"]) == (503, "parquet_missing")
        assert "oneapi-asgi[parquet]" in answer.json()["message"]
        assert (await client.get("/log/export?format=xlsx")).status_code == 400
