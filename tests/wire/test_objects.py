"""What files and batches are on the wire: paths, forms, lines, answers, lists."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest, UnsupportedBody
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.multipart import boundary_of, form_parts
from oneapi_asgi.wire.objects import (
    MOST_MODELS,
    Upload,
    batch_input,
    batch_models,
    is_id,
    listing_of,
    one_model,
    page_at,
    read_upload,
    seen_of,
    told_list,
    untold,
)

FORM = "multipart/form-data; boundary=XX"
PURPOSE = b'--XX\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
MODEL = b'--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\n gpt-4o \r\n'
FILE = (
    b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\nContent-Type: application/jsonl\r\n'
    b"\r\n{}\n\r\n"
)
END = b"--XX--\r\n"


def line(body: str = '{"model":"gpt-4o"}', **more: str) -> bytes:
    fields = {"custom_id": '"1"', "method": '"POST"', "url": '"/v1/chat/completions"', "body": body} | more
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}\n").encode()


# --- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "name", "operations"),
    [
        ("/files", "file", "", {"GET": "files.list", "POST": "files"}),
        ("/files/file-1", "file", "file-1", {"GET": "files.retrieve", "DELETE": "files.delete"}),
        ("/files/file-1/content", "file", "file-1", {"GET": "files.content"}),
        ("/batches", "batch", "", {"GET": "batches.list", "POST": "batches"}),
        ("/batches/batch_1", "batch", "batch_1", {"GET": "batches.retrieve"}),
        ("/batches/batch_1/cancel", "batch", "batch_1", {"POST": "batches.cancel"}),
        ("/files/content", "file", "content", {"GET": "files.retrieve", "DELETE": "files.delete"}),
    ],
)
def test_paths(path: str, kind: str, name: str, operations: dict[str, str]) -> None:
    page = page_at(path)
    assert page is not None
    assert (page.kind, page.id) == (kind, name)
    assert {method: operation.name for method, operation in page.operations.items()} == operations
    assert all(operation.free for operation in page.operations.values())


@pytest.mark.parametrize(
    "path",
    ["", "/", "/filesx", "/files/", "/files//content", "/files/a/b", "/files/a/content/b", "/batches/a/b", "/v1"],
)
def test_other_paths(path: str) -> None:
    assert page_at(path) is None


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("file-abc", True),
        ("batch_req_1:2.3", True),
        ("a" * 256, True),
        ("", False),
        ("a" * 257, False),
        (".", False),
        ("..", False),
        ("../x", False),
        ("a/b", False),
        ("a b", False),
        ("a\n", False),
        ("a\0", False),
        ("a?b", False),
        ("a#b", False),
        ("a%2fb", False),
        ("é", False),
    ],
)
def test_ids(text: str, good: bool) -> None:
    assert is_id(text) is good


# --- uploads ----------------------------------------------------------------------------------------------------------


def test_an_upload_is_read() -> None:
    upload = read_upload(FORM, PURPOSE + MODEL + FILE + END)
    assert (upload.purpose, upload.model, upload.fields) == ("batch", "gpt-4o", {})
    assert (upload.filename, upload.media_type, bytes(upload.content)) == ("a.jsonl", "application/jsonl", b"{}\n")
    assert upload.for_batch


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (PURPOSE + END, "one file"),
        (PURPOSE + FILE + FILE + END, "one file"),
        (PURPOSE + FILE.replace(b'"file"', b'"data"') + END, "one file"),
        (FILE + END, "'purpose' is required"),
        (PURPOSE.replace(b"batch", b"") + FILE + END, "'purpose' is required"),
        (PURPOSE.replace(b"batch", b"a\r\nb") + FILE + END, "'purpose' is required"),
        (PURPOSE + PURPOSE + FILE + END, "more than once"),
        (PURPOSE + PURPOSE.replace(b'name="purpose"', b'name="purpose"; filename="x"') + FILE + END, "more than once"),
        (PURPOSE + PURPOSE.replace(b'"purpose"', b'"a\x7fb"') + FILE + END, "not known"),
        (PURPOSE + FILE, "last boundary"),
        (b"", "last boundary"),
    ],
)
def test_forms_that_are_refused(form: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        read_upload(FORM, form)


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=XX"])
def test_what_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedBody):
        read_upload(content_type, PURPOSE + FILE + END)


NAMES = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=60)
@given(content=st.binary(max_size=200), name=NAMES, value=st.text(max_size=30), media_type=st.text(max_size=12))
def test_what_goes_upstream_is_what_was_read(content: bytes, name: str, value: str, media_type: str) -> None:
    """However odd the names are: written anew, the form is read as it was."""
    upload = Upload("batch", "", {"expires_after[anchor]": value}, "a", "text/plain", memoryview(content))
    content_type, form = upload.written("b" * 48)
    again = read_upload(content_type, form)
    assert (again.purpose, again.fields, bytes(again.content)) == (upload.purpose, upload.fields, content)
    named = name.encode().replace(b'"', b"%22").replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    odd = FILE.replace(b"a.jsonl", named.replace(b"\\", b"")).replace(b"application/jsonl", b"x")
    try:
        read = read_upload(FORM, PURPOSE + odd + END)
    except BadRequest:
        return
    _, files = form_parts(read.written("c" * 48)[1], boundary_of("multipart/form-data; boundary=" + "c" * 48))
    assert [(file.name, file.media_type) for file in files] == [("file", "application/octet-stream")]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("a.jsonl", "a.jsonl"),
        ("../../etc/passwd", "passwd"),
        ("C:\\\\x\\\\y.txt", "y.txt"),
        ("", "file"),
        ("/", "file"),
    ],
)
def test_names_of_files(sent: str, told: str) -> None:
    assert read_upload(FORM, PURPOSE + FILE.replace(b"a.jsonl", sent.encode()) + END).filename == told


@pytest.mark.parametrize(("named", "model"), [(("", "", ""), ""), (("a", "", "a"), "a"), (("", "b", ""), "b")])
def test_one_model(named: tuple[str, ...], model: str) -> None:
    assert one_model(*named) == model


@pytest.mark.parametrize("named", [("a", "b"), ("x" * 257,), ("a\nb",)])
def test_models_that_are_refused(named: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest):
        one_model(*named)


# --- batches ----------------------------------------------------------------------------------------------------------


def test_models_of_a_batch() -> None:
    content = (
        line('{"model":"b"}') + b"\r\n" + line('{"model":"a"}').rstrip() + b"\r\n" + line('{"model":"b"}').rstrip()
    )
    assert batch_models(content) == ("b", "a")
    assert batch_models(memoryview(line('{"model":"\\u0061"}'))) == ("a",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no line"),
        (b"\n \n", "no line"),
        (b"[]", "Line 1.*not an object"),
        (line() + b"{", "Line 2.*not valid JSON"),
        (b"\xef\xbb\xbf" + line(), "Line 1"),
        (line().replace(b"POST", b"P\xff"), "UTF-8"),
        (b'{"custom_id":"1"}', "'body' is required"),
        (line('"x"'), "not an object"),
        (line("{}"), "'model' is required"),
        (line('{"model":5}'), "must be of type string"),
        (line('{"model":"a","model":"b"}'), "more than once"),
        (line('{"model":"a","Model":"b"}'), "Write the key 'Model'"),
        (line()[:-2] + b',"body":{"model":"b"}}', "more than once"),
        (line(Body='{"model":"b"}'), "Write the key 'Body' as 'body'"),
        (line().replace(b",", b",\r", 1), "carriage return"),
        (line("[" * 100_000), "not valid JSON|deeply"),
        (b"".join(line(f'{{"model":"m{n}"}}') for n in range(MOST_MODELS + 1)), "more than 8 models"),
    ],
)
def test_lines_that_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        batch_models(content)


BATCH = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}


def test_the_input_of_a_batch() -> None:
    more = {"metadata": {"a": "b"}, "output_expires_after": {"anchor": "created_at", "seconds": 3600}}
    assert batch_input(msgspec.json.encode(BATCH | more)) == "file-1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no body"),
        (b"[]", "not an object"),
        (b"{}", "'input_file_id' is required"),
        (msgspec.json.encode(BATCH | {"input_file_id": ""}), "'input_file_id' is required"),
        (msgspec.json.encode(BATCH | {"input_file_id": 5}), "'input_file_id' must be of type string"),
        (msgspec.json.encode(BATCH | {"endpoint": None}), "'endpoint' must be of type string"),
        (msgspec.json.encode(BATCH | {"replace": {"model": "x"}}), "Unknown parameter: 'replace'"),
        (msgspec.json.encode(BATCH | {"INPUT_FILE_ID": "file-2"}), "Unknown parameter"),
        (b'{"input_file_id":"a","input_file_id":"b"}', "more than once"),
        (b'{"input_file_id":"a","input_file\\u005fid":"b"}', "more than once|escapes"),
    ],
)
def test_batches_that_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        batch_input(body)


# --- what is seen -----------------------------------------------------------------------------------------------------


def seen(**told: Any) -> Any:
    return seen_of(msgspec.json.encode({"id": "x-1", **told}))


def test_what_is_seen_of_a_batch() -> None:
    batch = seen(status="completed", output_file_id="file-o", error_file_id="file-e")
    assert (batch.id, batch.made, batch.final) == ("x-1", ("file-o", "file-e"), True)
    running = seen(status="in_progress", output_file_id=None, error_file_id="../x")
    assert (running.made, running.final) == ((), False)
    assert not seen(status=["odd"], output_file_id=7, purpose=7).final


def test_of_a_large_object_the_core_is_kept() -> None:
    large = seen(object="batch", status="x" * 900, metadata={"a": "b" * 4000}, request_counts={"total": 5, "odd": "x"})
    kept = msgspec.json.decode(large.json)
    assert kept == {"id": "x-1", "object": "batch", "status": "x" * 200, "request_counts": {"total": 5}}
    huge = seen(request_counts={f"count {number}": number for number in range(1000)})
    assert huge.json == "{}"
    assert msgspec.json.decode(seen(a=1.5).json) == {"id": "x-1", "a": 1.5}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b"{}", b'{"id":null}', b'{"id":"a/b"}', b"\xff", b'{"a":' * 10**5]
)
def test_answers_that_are_none(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        seen_of(body)


# --- lists ------------------------------------------------------------------------------------------------------------


def test_what_is_asked_of_a_list() -> None:
    asked = listing_of("file", "limit=5&after=file-1&order=asc&purpose=batch&key=sk")
    assert (asked.limit, asked.after, asked.rising, asked.purpose) == (5, "file-1", True, "batch")
    asked = listing_of("file", "")
    assert (asked.limit, asked.after, asked.rising, asked.purpose) == (10_000, None, False, None)
    asked = listing_of("batch", "order=asc&purpose=batch")
    assert (asked.limit, asked.rising, asked.purpose) == (20, False, None)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=-1", "limit=1e3", "limit=²", "order=up"])
def test_lists_that_are_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        listing_of("batch", query)


def test_a_list_is_told() -> None:
    told = msgspec.json.decode(told_list([("a", '{"id":"a"}'), ("b", untold("file", "b", 5.5))], more=True))
    assert told == {
        "object": "list",
        "data": [
            {"id": "a"},
            {
                "id": "b",
                "object": "file",
                "created_at": 5,
                "bytes": 0,
                "filename": "b",
                "purpose": "batch_output",
                "status": "processed",
            },
        ],
        "first_id": "a",
        "last_id": "b",
        "has_more": True,
    }
    assert msgspec.json.decode(untold("batch", "b", 5.5)) == {"id": "b", "object": "batch", "created_at": 5}
    assert msgspec.json.decode(told_list([], more=False))["data"] == []
