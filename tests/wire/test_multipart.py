"""Forms: the model is found wherever it stands, files stay as they are, hostile forms are refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.multipart import boundary_of, form_fields
from oneapi_asgi.wire.openai.paths import OPERATIONS
from oneapi_asgi.wire.request import Head, Request, parse_request

BOUNDARY = "----WebKitFormBoundaryX"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
OPERATION = OPERATIONS["/audio/transcriptions"]
AUDIO = bytes(range(256)) * 8


def part(name: str, value: bytes, more: str = "", headers: str = "") -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'.encode()
        + value
        + b"\r\n"
    )


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FILE = part("file", AUDIO, '; filename="a.mp3"', "Content-Type: audio/mpeg\r\n")
MODEL = part("model", b"whisper-1")


def parse(body: bytes, content_type: str = TYPE, path: str = "/audio/transcriptions") -> Request:
    return parse_request(OPERATIONS[path], content_type, body)


@pytest.mark.parametrize("order", [(MODEL, FILE), (FILE, MODEL), (FILE, MODEL, FILE)])
def test_the_model_is_found_wherever_it_stands(order: tuple[bytes, ...]) -> None:
    body = form(*order)
    request = parse(body)
    assert request.head == Head("whisper-1")
    assert request.edited(model="whisper-1", include_usage=True) is body
    edited = request.edited(model="large-v3", include_usage=True)
    assert edited == form(*(part("model", b"large-v3") if one == MODEL else one for one in order))
    assert AUDIO in edited


@pytest.mark.parametrize(
    ("parts", "head"),
    [
        ([part("stream", b"true")], Head("whisper-1", stream=True)),
        ([part("stream", b"1")], Head("whisper-1", stream=True)),
        ([part("stream", b"false")], Head("whisper-1")),
        ([part("stream", b"")], Head("whisper-1")),
        ([part("n", b"4")], Head("whisper-1", choices=4)),
        ([part("n", b"")], Head("whisper-1")),
        (
            [part("timestamp_granularities[]", b"word"), part("timestamp_granularities[]", b"segment")],
            Head("whisper-1"),
        ),
        ([part("prompt", "漢字".encode(), "", "Content-Type: text/plain; charset=utf-8\r\n")], Head("whisper-1")),
    ],
)
def test_fields(parts: list[bytes], head: Head) -> None:
    assert parse(form(MODEL, *parts, FILE)).head == head


def test_a_mapped_default_model_is_added() -> None:
    body = form(part("image", b"\x89PNG", '; filename="a.png"'), part("n", b"2"))
    edited = parse(body, path="/images/edits").edited(model="gpt-image-2", include_usage=False)
    assert parse(edited, path="/images/edits").head == Head("gpt-image-2", choices=2)
    assert edited.endswith(body)


def test_the_default_model_of_images() -> None:
    request = parse(form(part("image", b"\x89PNG", '; filename="a.png"'), part("n", b"2")), path="/images/edits")
    assert request.head == Head("dall-e-2", choices=2)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; boundary="a b c"', b"a b c"),
        ("multipart/form-data; charset=utf-8; Boundary=abc", b"abc"),
    ],
)
def test_boundaries(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data;"]
)
def test_a_form_without_a_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadRequest, match="boundary"):
        parse(form(MODEL), content_type)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (form(FILE), "model"),
        (form(part("model", b"")), "model"),
        (form(part("model", b"a\nb")), "model"),
        (form(part("model", b"m" * 300)), "model"),
        (form(MODEL, MODEL), None),
        (form(MODEL, part("model", b"other")), None),
        (form(MODEL, part("model", b"other", '; filename="model"')), None),
        (form(MODEL, part("n", b"1"), part("n", b"100")), None),
        (form(MODEL, part("n", b"0")), "n"),
        (form(MODEL, part("n", b"-1")), "n"),
        (form(MODEL, part("n", b"1.5")), "n"),
        (form(MODEL, part("n", b"129")), "n"),
        (form(MODEL, part("n", b"9" * 5000)), "n"),
        (form(MODEL, part("n", "４".encode())), "n"),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_bad_fields(body: bytes, param: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(body)
    assert refused.value.param == param or param is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a form at all",
        b'{"model": "whisper-1"}',
        form(MODEL)[:-5],
        form(MODEL, FILE)[:-30],
        form(MODEL).replace(b"\r\n\r\n", b"\r\n"),
        form(MODEL).replace(BOUNDARY.encode(), b"other"),
        form(part("model", b"\xff\xfe")),
        form(MODEL, part("prompt", b"x" * 70_000)),
        form(MODEL, part("x", b"y", headers="X-Big: " + "z" * 100_000 + "\r\n")),
        form(MODEL, part("x", b"y", headers="z" * 100_000 + ": 1\r\n")),
        form(MODEL, part("x" * 100_000, b"y")),
        form(MODEL, *[part(f"f{n}", b"") for n in range(10_000)]),
        form(MODEL, *[part("f", b"x", '; filename="f"')] * 10_000),
    ],
    ids=lambda body: repr(body[:12]) + str(len(body)),
)
def test_malformed_and_hostile_forms_are_refused(body: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(BadRequest) as refused:
        parse(body)
    assert refused.value.code == "invalid_form"
    assert len(refused.value.message) < 300
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("cut", range(1, len(form(MODEL, part("language", b"en")))))
def test_a_form_that_was_cut_short_is_refused_or_whole(cut: int) -> None:
    body = form(MODEL, part("language", b"en"))
    cut_body = body[:-cut]
    if cut <= 2:  # the line end after the last boundary may be left out
        assert parse(cut_body).head.model == "whisper-1"
    else:
        with pytest.raises(BadRequest):
            parse(cut_body)


@pytest.mark.parametrize(
    "content",
    [
        BOUNDARY.encode(),
        b"--" + BOUNDARY.encode(),
        b"x--" + BOUNDARY.encode() + b"--\r\n",
        b"\r\n--" + BOUNDARY.encode()[:-1],
        b"\r\n--\r\n\r\n-\r",
        b"\r" * 1000,
        b'Content-Disposition: form-data; name="model"\r\n\r\nother',
    ],
)
def test_what_looks_like_a_boundary_inside_of_a_file_is_content(content: bytes) -> None:
    file = part("file", content, '; filename="a"')
    body = form(file, MODEL)
    assert parse(body).edited(model="m", include_usage=False) == form(file, part("model", b"m"))


@given(
    st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=20)), max_size=6),
    st.binary(max_size=300).filter(lambda data: BOUNDARY.encode() not in data),
)
def test_fields_are_where_they_are_said_to_be(fields: list[tuple[str, str]], file: bytes) -> None:
    parts = [part(name, value.encode()) for name, value in fields]
    body = form(*parts[:3], part("file", file, '; filename="f"'), *parts[3:])
    found = form_fields(body, BOUNDARY.encode())
    assert [(field.name, field.text) for field in found] == fields
    assert all(body[field.start : field.end] == field.text.encode() for field in found)


@given(st.binary(max_size=100), st.integers(0, 400))
def test_no_damage_breaks_the_parser(damage: bytes, place: int) -> None:
    body = form(MODEL, FILE)
    try:
        request = parse(body[:place] + damage + body[place + len(damage) :])
    except BadRequest:
        return
    assert request.head.model


def test_a_large_file_is_read_quickly_and_not_copied() -> None:
    body = form(MODEL, part("file", b"\r\n-" * 8_000_000, '; filename="a"'))
    started = time.perf_counter()
    assert parse(body).edited(model="whisper-1", include_usage=False) is body
    assert time.perf_counter() - started < 5
