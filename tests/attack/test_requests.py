"""A request must not show the upstream another model, path or kind of call than the one that was priced."""

from __future__ import annotations

import pytest

from oneapi_asgi.errors import RequestError
from oneapi_asgi.wire.dialects import operation_at
from oneapi_asgi.wire.openai.paths import OPERATIONS
from oneapi_asgi.wire.request import parse_request

CHAT = OPERATIONS["/chat/completions"]
FORM = OPERATIONS["/audio/transcriptions"]
MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'
JSON = "application/json"
BOUNDARY = "multipart/form-data; boundary=B"


@pytest.mark.parametrize(
    "path",
    [
        "/audio/../batches",
        "/images/../../v1/organization/admin_api_keys",
        "/audio/..",
        "/audio//x",
        "/audio/x?purpose=batch",
        "/audio/x#y",
        "/audio/x\r\nx: y",
        "/audio/x y",
        "/images/%2e%2e/files",
        "/audio/./../files",
        "/audio/x\\..\\files",
    ],
)
def test_no_path_climbs_out_of_its_family(path: str) -> None:
    assert operation_at(path) is None


def test_new_paths_of_a_family_pass() -> None:
    assert operation_at("/audio/voices/new_one-2") is not None


RESPONSES = operation_at("/responses") or CHAT


def part(headers: bytes, text: bytes) -> bytes:
    return b"--B\r\n" + headers + b"\r\n\r\n" + text + b"\r\n"


CHEAP = part(b'Content-Disposition: form-data; name="model"', b"cheap")
NAMED = b'Content-Disposition: form-data; name="%b"'


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"cheap",%b,"Model":"dear"}',
        b'{"MODEL":"dear","model":"cheap",%b}',
        b'{"model":"cheap",%b,"N":128}',
        b'{"model":"cheap",%b,"\xc5\xbftream":true}',  # the long s, which folds to an s
        b'{"model":"cheap",%b,"mode\\u006c":"dear"}',
        b'{"model":"cheap",%b,"model":"dear"}',
        b'{"model":" dear",%b}',
        b'{"model":"dear\\t",%b}',
        b'\xef\xbb\xbf{"model":"dear",%b}',
    ],
)
def test_json_names_one_model(body: bytes) -> None:
    with pytest.raises(RequestError):
        parse_request(CHAT, JSON, body % MESSAGES)


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", '"UTF-7"', "ibm037"])
def test_json_is_read_in_one_encoding(charset: str) -> None:
    with pytest.raises(RequestError):
        parse_request(CHAT, f"application/json; charset={charset}", b'{"model":"cheap",%b}' % MESSAGES)


@pytest.mark.parametrize(
    "second",
    [
        part(NAMED % b"model", b"dear"),
        part(NAMED % b"model" + b'; filename="m"', b"dear"),
        part(NAMED % b"model" + b"\r\n" + NAMED % b"prompt", b"dear"),
        part(NAMED % b"prompt" + b"\r\n" + NAMED % b"model" + b'; filename="m"', b"dear"),
        part(NAMED % b"prompt" + b'; name="model"', b"dear"),
        part(NAMED % b"prompt" + b"; name*=UTF-8''model", b"dear"),
        part(b'Content-Disposition: form-data; name*0="mo"; name*1="del"', b"dear"),
    ],
)
def test_a_form_names_one_model(second: bytes) -> None:
    with pytest.raises(RequestError):
        parse_request(FORM, BOUNDARY, CHEAP + second + b"--B--\r\n")


def test_a_form_does_not_hide_a_model_in_an_encoding() -> None:
    hidden = part(NAMED % b"model" + b"\r\nContent-Transfer-Encoding: quoted-printable", b"de=61r")
    with pytest.raises(RequestError):
        parse_request(FORM, BOUNDARY, hidden + b"--B--\r\n")


@pytest.mark.parametrize("more", ["; boundary=C", "; boundary*=UTF-8''C", '; BOUNDARY="C"'])
def test_a_form_has_one_boundary(more: str) -> None:
    with pytest.raises(RequestError):
        parse_request(FORM, BOUNDARY + more, CHEAP + b"--B--\r\n")


def test_what_is_made_after_the_answer_is_refused() -> None:
    with pytest.raises(RequestError, match="'background' must be of type false or null"):
        parse_request(RESPONSES, JSON, b'{"model":"m","input":"x","background":true}')
    parse_request(RESPONSES, JSON, b'{"model":"m","input":"x","background":false}')
