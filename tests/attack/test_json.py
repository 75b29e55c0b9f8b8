"""JSON that was made to break its reader: every endpoint answers it in its caller's words, and none breaks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attack.everywhere import ENDPOINTS, Endpoint, open_everywhere, quiet, sent
from oneapi_asgi import Gateway

DEEP = 100_000

NO_JSON = [
    b"",
    b" ",
    b"[",
    b"{",
    b"]",
    b"}",
    b'"',
    b"'",
    b"{]",
    b"[}",
    b"[,]",
    b"[1,]",
    b"[1 2]",
    b"[1,,2]",
    b'["a"',
    b"[1",
    b"x",
]
NO_JSON += [
    b"nul",
    b"NULL",
    b"True",
    b"None",
    b"undefined",
    b"NaN",
    b"-NaN",
    b"Infinity",
    b"-Infinity",
    b"[NaN]",
    b"nan",
    b"inf",
]
NO_JSON += [
    b"01",
    b"-01",
    b"+1",
    b"1.",
    b".5",
    b"-.5",
    b"1e",
    b"1e+",
    b"0x1F",
    b"0b1",
    b"1_000",
    b"--1",
    b"-",
    b"1eE2",
    b"1.2.3",
]
NO_JSON += [
    b"{1:1}",
    b"{a:1}",
    b"{'a':1}",
    b'{"a" 1}',
    b'{"a":}',
    b'{"a"}',
    b'{"a":1,}',
    b'{,"a":1}',
    b'{"a":1 "b":2}',
    b'{"a"::1}',
]
NO_JSON += [
    b'{"a":1',
    b'{"a',
    b'{"a":"b',
    b'{"a":1}}',
    b'{"a":1}{}',
    b"{}[]",
    b'{"a":1}x',
    b"{}\x00",
    b"\x00{}",
    b"{}\x1f",
    b"\x0c{}",
]
NO_JSON += [
    b'"\\x"',
    b'"\\u12"',
    b'"\\uZZZZ"',
    b'"\\"',
    b'"\n"',
    b'"\t"',
    b'"\x00"',
    b'"\\\n"',
    b'"\\\\\\"',
    b'["\\u\\u0061"]',
]
NO_JSON += [
    b"// c\n{}",
    b"/* c */{}",
    b"# c\n{}",
    b"{}//",
    b'{"a":/*c*/1}',
    b"<json/>",
    b"a=1&b=2",
    b"\xe2\x80\xa8{}",
    b"\xc2\xa0{}",
]
NO_JSON += [
    b"\xff",
    b"\xfe\xff\x00{\x00}",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b"\xc0\xaf",
    b'"\xed\xa0\x80"',
    b'"\xf5\x80\x80\x80"',
]
NO_JSON += [
    "{}".encode("utf-16"),
    "{}".encode("utf-32"),
    "{}".encode("utf-16-le"),
    "{}".encode("utf-7") + b"+",
    b"\x1f\x8b\x08\x00",
]
NO_JSON += [b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP, b"[{" * DEEP]
NO_JSON += [b"[]", b"1", b"null", b"true", b'"a"', b"[{}]", b"-0", b"1e400", b"9" * 5000]
"""After JSONTestSuite's n_; the last line is JSON, but no object."""

NO_VALUES = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"+1",
    b"01",
    b"1.",
    b".1",
    b"0x1",
    b"1e",
    b"undefined",
    b"'a'",
    b"[1,]",
    b'{"a":1,}',
]
NO_VALUES += [
    b'"\\x"',
    b'"\\u1"',
    b'"\n"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b"[" * 2000 + b"]" * 2000,
    b'{"a":' * 2000 + b"1" + b"}" * 2000,
]
"""Within an object that is all right otherwise."""

ODD_VALUES = [
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"-0",
    b"-0.0",
    b"1E+2",
    b"9" * 5000,
    b"-" + b"9" * 5000,
    b"0." + b"9" * 5000,
]
ODD_VALUES += [
    b"18446744073709551616",
    b"-9223372036854775809",
    b"9007199254740993",
    b"1" + b"0" * 400 + b".0",
    b"true",
]
ODD_VALUES += [
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\\u0000"',
    b'"\x7f"',
    b'"\xe2\x80\xa8"',
    b'"\xef\xbf\xbf"',
]
ODD_VALUES += [
    b'{"a":1,"a":2}',
    b'{"":1}',
    b'{"\\ud800":1}',
    b'{"\\u0000":1}',
    b"[" * 100 + b"]" * 100,
    b'{"a":' * 100 + b"1" + b"}" * 100,
]
ODD_VALUES += [b"[[],{},null,false]", b'""', b"{}", b"null"]
"""JSON that some readers cannot read: RFC 8259 leaves it to them. Passed on, or refused where it cannot be said."""

INTEGERS = (
    b"true",
    b"1.5",
    b"1e2",
    b'"1"',
    b"-1",
    b"9" * 5000,
    b"1e400",
    b"18446744073686646784",
    b"9223372036854775808",
)
NUMBERS = {
    "/v1/chat/completions": (b"max_tokens", b"max_completion_tokens", b"n"),
    "/v1/completions": (b"max_tokens", b"n", b"best_of"),
    "/v1/responses": (b"max_output_tokens",),
    "/v2/chat": (b"max_tokens",),
    "/v1/images/generations": (b"n",),
}


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with open_everywhere() as opened:
        yield opened


each = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)


def with_member(body: bytes, member: bytes) -> bytes:
    return body.rstrip()[:-1] + b"," + member + b"}"


def asked(endpoint: Endpoint, row: str) -> bytes:
    return json.dumps(endpoint.body(row)).encode()


@each
async def test_what_is_no_json(gateway: Gateway, endpoint: Endpoint) -> None:
    with quiet():
        for body in NO_JSON:
            answer = await sent(gateway, endpoint, endpoint.rows[0], body)
            assert answer.status == 400, body[:80]
        for value in NO_VALUES:
            body = with_member(asked(endpoint, endpoint.rows[0]), b'"zz":' + value)
            assert (await sent(gateway, endpoint, endpoint.rows[0], body)).status == 400, body[:300]


@each
@pytest.mark.parametrize(
    "rows", [slice(-1, None), pytest.param(slice(0, None), marks=pytest.mark.slow)], ids=["one", "all"]
)
async def test_odd_json(gateway: Gateway, endpoint: Endpoint, rows: slice) -> None:
    """In a place that nobody knows, in that of each field, and in each field's first place."""
    with quiet():
        for row in endpoint.rows[rows]:
            body = endpoint.body(row)
            for number, value in enumerate(ODD_VALUES[:: 4 if rows.start else 1]):
                answer = await sent(gateway, endpoint, row, with_member(asked(endpoint, row), b'"zz":' + value))
                assert answer.status in (200, 400, 404), (value[:80], answer)  # 404: a file that nobody has
                place = list(body)[number % len(body)]
                for put in (value, b"[%b]" % value, b'{"content":%b}' % value)[: 1 if rows.start else 3]:
                    broken = json.dumps({**body, place: "PLACE"}).encode().replace(b'"PLACE"', put)
                    await sent(gateway, endpoint, row, broken)


@pytest.mark.parametrize("path", NUMBERS)
async def test_what_is_no_integer(gateway: Gateway, path: str) -> None:
    (endpoint,) = (endpoint for endpoint in ENDPOINTS if endpoint.path == path)
    for field in NUMBERS[path]:
        for value in INTEGERS:
            body = with_member(asked(endpoint, endpoint.rows[0]), b'"%b":%b' % (field, value))
            assert (await sent(gateway, endpoint, endpoint.rows[0], body)).status == 400, (field, value[:80])


@each
async def test_no_key_is_there_twice(gateway: Gateway, endpoint: Endpoint) -> None:
    for row in endpoint.rows:
        body = endpoint.body(row)
        for key in body:
            for spelled in (key, f"\\u{ord(key[0]):04x}{key[1:]}"):
                for value in (b"null", json.dumps(body[key]).encode()):
                    twice = with_member(asked(endpoint, row), b'"%b":%b' % (spelled.encode(), value))
                    assert (await sent(gateway, endpoint, row, twice)).status == 400, twice


WITHIN = {
    "/v1/chat/completions": b'"stream":true,"stream_options":{"include_usage":false,"%b":true}',
    "/v1beta/models/MODEL:generateContent": b'"generationConfig":{"maxOutputTokens":1,"%b":100000}',
    "/api/chat": b'"options":{"num_predict":1,"%b":100000}',
}
KEYS = {
    "/v1/chat/completions": (b"include_usage", b"include\\u005fusage", b"Include_Usage"),
    "/v1beta/models/MODEL:generateContent": (b"maxOutputTokens", b"maxOutputToken\\u0073", b"maxoutputtokens"),
    "/api/chat": (b"num_predict", b"num\\u005fpredict", b"NUM_PREDICT"),
}


@pytest.mark.parametrize("path", WITHIN)
async def test_nor_is_one_within_what_decides(gateway: Gateway, path: str) -> None:
    (endpoint,) = (endpoint for endpoint in ENDPOINTS if endpoint.path == path)
    for key in KEYS[path]:
        body = with_member(asked(endpoint, endpoint.rows[0]), WITHIN[path] % key)
        assert (await sent(gateway, endpoint, endpoint.rows[0], body)).status == 400, body


# --- at random --------------------------------------------------------------------------------------------------------

TOKENS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"\\u",
    b"null",
    b"true",
    b"-",
    b"1e999",
    b"9" * 30,
    b"\xff",
    b"\x00",
    b" ",
    b"\xef\xbb\xbf",
]


@st.composite
def mutants(draw: st.DrawFn) -> tuple[Endpoint, str, bytes]:
    """A request to which something was done."""
    endpoint = draw(st.sampled_from(ENDPOINTS))
    row = draw(st.sampled_from(endpoint.rows))
    body = asked(endpoint, row)
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
        match draw(st.integers(0, 3)):
            case 0:
                body = body[:start] + draw(st.sampled_from(TOKENS) | st.binary(max_size=4)) + body[start:]
            case 1:
                body = body[:start] + body[min(end, start + 8) :]
            case 2:
                body = body[:end] + body[start:]
            case _:
                body = body[:start] + bytes([draw(st.integers(0, 255))]) + body[start + 1 :]
    return endpoint, row, body


few = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(few, max_examples=10_000)


async def _take(gateway: Gateway, mutant: tuple[Endpoint, str, bytes]) -> None:
    endpoint, row, body = mutant
    with quiet():
        await sent(gateway, endpoint, row, body)


@few
@given(mutants())
async def test_mutants(gateway: Gateway, mutant: tuple[Endpoint, str, bytes]) -> None:
    await _take(gateway, mutant)


@pytest.mark.slow
@pytest.mark.timeout(900)
@many
@given(mutants())
async def test_many_mutants(gateway: Gateway, mutant: tuple[Endpoint, str, bytes]) -> None:
    await _take(gateway, mutant)
