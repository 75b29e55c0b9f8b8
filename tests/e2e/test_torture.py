"""HTTP as nobody should write it, on bare sockets: what a caller is told, whichever server is below.

What a server keeps from its apps cannot be judged by them, so that one of somebody else may take what ours refuses:
``h11`` says where.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, get_args

import pytest
from rawhttp import ServerKind, answer_to, on_server, statuses

from oneapi_asgi import Gateway, MemoryStorage, TokenDraft, key_digest

from .serving import KEY

SMUGGLED = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


class Case(NamedTuple):
    """``h11`` are other answers, in place of ``told``, that uvicorn gives with the parser of that name."""

    sent: bytes
    told: Sequence[int]
    h11: Sequence[Sequence[int]] = ()


def get(path: bytes = b"/healthz", headers: bytes = b"host: x\r\n") -> bytes:
    """The last of its connection, so that nothing has to be waited for."""
    return b"GET " + path + b" HTTP/1.1\r\n" + headers + b"connection: close\r\n\r\n"


def post(headers: bytes, body: bytes, *, host: bytes = b"host: x\r\n") -> bytes:
    auth = b"authorization: Bearer " + KEY.encode() + b"\r\n"
    return b"POST /v1/chat/completions HTTP/1.1\r\n" + host + auth + headers + b"\r\n" + body


def large(size: int) -> bytes:
    return get(headers=b"host: x\r\nx-large: " + b"l" * size + b"\r\n")


REFUSED, TOO_LARGE = (400,), (431,)
CHUNKED = b"transfer-encoding: chunked\r\n"
CUT = ((), REFUSED)
"""Closed at once: what was not read yet may have the refusal lost."""

CASES = {
    "as it should be": Case(get(), (200,)),
    "two of them at once": Case(SMUGGLED + get(), (200, 200)),
    "both framings": Case(post(b"content-length: 5\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED), REFUSED),
    "both framings, the other first": Case(post(CHUNKED + b"content-length: 5\r\n", b"0\r\n\r\n" + SMUGGLED), REFUSED),
    # h11 makes one length of two equal ones, as RFC 9110, section 8.6, lets it: the next request is another
    "a list of lengths": Case(post(b"content-length: 4, 4\r\n", b"{}  "), REFUSED, h11=(REFUSED,)),
    "two lengths": Case(post(b"content-length: 4\r\ncontent-length: 40\r\n", b"{}  " + SMUGGLED), REFUSED),
    "a length with a sign": Case(post(b"content-length: +4\r\n", b"{}  " + SMUGGLED), REFUSED),
    "a length below nothing": Case(post(b"content-length: -1\r\n", SMUGGLED), REFUSED),
    "a length beyond numbers": Case(post(b"content-length: 99999999999999999999999\r\n", SMUGGLED), REFUSED),
    "a coding that is none": Case(post(b"transfer-encoding: xchunked\r\n", b"0\r\n\r\n" + SMUGGLED), REFUSED),
    "a coding before a space": Case(post(b"transfer-encoding : chunked\r\n", b"0\r\n\r\n" + SMUGGLED), REFUSED),
    "two codings": Case(post(b"transfer-encoding: gzip, chunked\r\n", b"0\r\n\r\n" + SMUGGLED), REFUSED),
    "a chunk of no size": Case(post(CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n" + SMUGGLED), REFUSED),
    "a chunk that goes on": Case(post(CHUNKED, b"2\r\n{}XX0\r\n\r\n" + SMUGGLED), REFUSED),
    "bare line feeds": Case(get().replace(b"\r\n", b"\n"), REFUSED, h11=((200,),)),
    "a folded line": Case(get(headers=b"host: x\r\nx-a: b\r\n c\r\n"), REFUSED, h11=((200,),)),
    "no host": Case(get(headers=b""), REFUSED),
    "two hosts": Case(get(headers=b"host: x\r\nhost: y\r\n"), REFUSED),
    "a host with a path": Case(get(headers=b"host: x/?\r\n"), REFUSED),
    "a host with a user": Case(get(headers=b"host: a@b\r\n"), REFUSED),
    "another server's": Case(get(b"http://evil/healthz"), REFUSED),
    "upwards": Case(get(b"/v1/../healthz"), REFUSED),
    "upwards, disguised": Case(get(b"/v1/%2e%2e/healthz"), REFUSED),
    "two slashes": Case(get(b"//healthz"), REFUSED),
    "a backslash": Case(get(b"/v1\\healthz"), REFUSED),
    "a disguised slash": Case(get(b"/v1%2fmodels"), REFUSED),
    "a NUL in the path": Case(get(b"/healthz%00"), REFUSED),
    "an end of line in the path": Case(get(b"/healthz%0d%0a"), REFUSED),
    "a fragment": Case(get(b"/healthz#x"), REFUSED),
    "what is not ASCII": Case(get(b"/health\xff"), REFUSED),
    "a NUL in a header": Case(get(headers=b"host: x\r\nx-a: b\x00c\r\n"), REFUSED),
    "a space in a name": Case(get(headers=b"host: x\r\nx a: b\r\n"), REFUSED),
    "a header of 40 KB": Case(large(40_000), TOO_LARGE),
    "a header of 200 KB": Case(large(200_000), TOO_LARGE, h11=CUT),
    "a header of 1 MB": Case(large(1_000_000), TOO_LARGE, h11=CUT),
    "a header of 8 MB": Case(large(8_000_000), TOO_LARGE, h11=CUT),
    "2,000 headers": Case(get(headers=b"host: x\r\n" + b"x-a: b\r\n" * 2_000), TOO_LARGE),
    "no version": Case(b"GET /healthz\r\n\r\n", REFUSED),
    "another protocol": Case(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", REFUSED),
}


@pytest.fixture(scope="module", params=get_args(ServerKind))
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ServerKind, str]]:
    """Which one, and the gateway's URL on it."""
    tokens = [TokenDraft(name="ci", digest=key_digest(KEY))]
    async with on_server(Gateway(MemoryStorage(), tokens=tokens, prices={}), request.param) as url:
        yield request.param, url


@pytest.mark.parametrize("name", CASES)
async def test_what_is_told(server: tuple[ServerKind, str], name: str) -> None:
    kind, url = server
    sent, told, others = CASES[name]
    answer = await answer_to(url, sent)
    assert tuple(statuses(answer)) in ([told, *others] if kind == "h11" else [told])


async def test_trailers_become_no_headers(server: tuple[ServerKind, str]) -> None:
    """Neither of this request nor of the next."""
    _, url = server
    trailers = b"2\r\n{}\r\n0\r\nauthorization: Bearer wrong\r\nhost: evil\r\n\r\n"
    answer = await answer_to(url, post(CHUNKED + b"content-type: application/json\r\n", trailers) + get())
    assert statuses(answer) == [400, 200], "a request without a model, which was let in"
