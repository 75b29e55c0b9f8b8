"""Requests on raw sockets, against a gateway on a real server: what is sent amiss is refused, and nothing is taken for
another request."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import psutil
import pytest
from e2e.serving import CHAT, KEY, UPSTREAM_KEY, Rig, make_storage, open_rig

from oneapi_asgi import Channel, Secret
from oneapi_asgi.testing import FakeUpstream

LIMIT = 1 << 20
BODY = json.dumps(CHAT).encode()
MIB = 1 << 20


@pytest.fixture(scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    storage = make_storage("memory", tmp_path_factory.mktemp("framing"))
    async with open_rig(storage, max_body=LIMIT, body_timeout=1.0, channels=channels) as opened:
        yield opened


def channels(fakes: Iterable[FakeUpstream]) -> list[Channel]:
    (fake,) = fakes
    mapped = {"mapped": "gpt\r\nx-evil: 1"}
    return [
        Channel(
            id=0,
            name="one\r\nx-evil: 1",
            base_url=fake.url,
            api_keys=(Secret(UPSTREAM_KEY),),
            models=("*",),
            model_map=mapped,
        )
    ]


class Told:
    """What came on a connection until it was closed, or nothing more came."""

    def __init__(self, raw: bytes, *, closed: bool) -> None:
        self.raw = raw
        self.closed = closed
        self.statuses = [int(line.split(b" ")[1]) for line in raw.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


async def exchanged(rig: Rig, *pieces: bytes, patience: float = 5.0, to_end: bool = False) -> Told:
    """What is answered to these pieces; with ``to_end`` until the connection is closed."""
    host, port = rig.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    raw, closed = b"", False
    try:
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(patience):
                while chunk := await reader.read(65_536):
                    raw += chunk
                    if not to_end and _complete(raw):
                        return Told(raw, closed=False)
                closed = True
    finally:
        writer.close()
    return Told(raw, closed=closed)


def _complete(raw: bytes) -> bool:
    start, _, body = raw.rpartition(b"\r\n\r\n")
    length = re.findall(rb"(?i)content-length: (\d+)", start.rpartition(b"HTTP/1.1 ")[2])
    return bool(length) and len(body) >= int(length[0])


def head(*lines: bytes, path: bytes = b"/v1/chat/completions", host: bytes = b"host: gateway") -> bytes:
    own = [
        b"POST %b HTTP/1.1" % path,
        host,
        b"authorization: Bearer " + KEY.encode(),
        b"content-type: application/json",
    ]
    return b"\r\n".join([line for line in (*own, *lines) if line]) + b"\r\n\r\n"


def whole(*lines: bytes, body: bytes = BODY, **told: Any) -> bytes:
    return head(b"content-length: %d" % len(body), *lines, **told) + body


SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer " + KEY.encode() + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head(b"content-length: 5", b"transfer-encoding: chunked") + b"0\r\n\r\n" + SMUGGLED, 400),
        (head(b"transfer-encoding: chunked", b"content-length: 5") + b"0\r\n\r\n" + SMUGGLED, 400),
        (head(b"transfer-encoding: gzip, chunked") + b"0\r\n\r\n", 400),
        (whole(b"content-length: 1"), 400),
        (head(b"content-length: +5") + b"hello", 400),
        (head(b"content-length: 5, 5") + b"hello", 400),
        (whole(host=b""), 400),
        (whole(b"host: other"), 400),
        (whole(host=b"host: x/?"), 400),
        (whole(host=b"host: a b"), 400),
        (whole(path=b"/v1/../v1/chat/completions"), 400),
        (whole(path=b"/v1/%2e%2e/v1/chat/completions"), 400),
        (whole(path=b"//v1/chat/completions"), 400),
        (whole(path=b"/v1/chat%2fcompletions"), 400),
        (whole(path=b"/v1/chat%5ccompletions"), 400),
        (whole(path=b"/v1/chat/completions%00"), 400),
        (whole(path=b"/v1/chat/completions%0d%0ax:y"), 400),
        (whole(b"x: " + b"y" * 40_000), 431),
        (whole(*[b"x%d: y" % n for n in range(200)]), 431),
        (whole(b"content-encoding: gzip", body=zlib.compress(BODY)), 415),
        (whole(b"content-encoding: gzip", body=zlib.compress(b" " * (32 * MIB))), 415),
        (whole(b"content-encoding: gzip, gzip", body=zlib.compress(zlib.compress(BODY))), 415),
        (whole(b"content-encoding: gzip", body=zlib.compress(BODY)[:20]), 415),
        (head(b"content-length: %d" % (1 << 30)) + b"x" * 1000, 413),
        (head(b"content-length: %d" % (1 << 30), b"expect: 100-continue"), 413),
        (head(b"content-length: " + b"9" * 300) + b"x" * 1000, (400, 413)),
        (head(b"content-length: %d" % len(BODY), b"expect: 100-continue") + BODY, 200),
        (head(b"content-length: 0"), 400),
        (head(b"content-length: %d" % (len(BODY) - 3)) + BODY, 400),
        (head(b"content-length: %d" % (len(BODY) + 3)) + BODY, 408),
        (head(b"transfer-encoding: chunked") + b"5\r\nhello\r\n", 408),
        (head(b"transfer-encoding: chunked") + b"zz\r\nhello\r\n0\r\n\r\n", 400),
        (whole(), 200),
    ],
    ids=range(33),
)
async def test_what_is_sent_amiss(rig: Rig, sent: bytes, status: int | tuple[int, int]) -> None:
    told = await exchanged(rig, sent)
    last = [code for code in told.statuses if code != 100]
    assert last[0] in (status if isinstance(status, tuple) else (status,)), told.raw
    assert len(last) == 1 or (b"content-length: %d" % (len(BODY) - 3)) in sent, (
        told.raw
    )  # three bytes too many: not HTTP
    assert b'"object":"list"' not in told.raw


async def test_what_never_ends_is_cut_and_not_kept(rig: Rig) -> None:
    """A gigabyte in chunks. The rest of it is read for a while, so that the answer can be."""
    before = psutil.Process().memory_info().rss
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    told = await exchanged(rig, head(b"transfer-encoding: chunked"), *[chunk] * 600, b"0\r\n\r\n", to_end=True)
    assert told.statuses == [413]
    assert told.closed
    assert psutil.Process().memory_info().rss - before < 16 * MIB


@pytest.mark.parametrize("count", [2_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_chunks_of_one_byte(rig: Rig, count: int) -> None:
    before = psutil.Process().memory_info().rss
    body = BODY + b" " * (min(count, LIMIT - 1) - len(BODY))
    pieces = [b"".join(b"1\r\n%c\r\n" % byte for byte in body[at : at + 1000]) for at in range(0, len(body), 1000)]
    told = await exchanged(rig, head(b"transfer-encoding: chunked"), *pieces, b"0\r\n\r\n", patience=60)
    assert told.statuses == [200]
    assert psutil.Process().memory_info().rss - before < 32 * MIB


async def test_a_trickle_is_cut(rig: Rig) -> None:
    host, port = rig.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head(b"content-length: 1000"))
    answer = asyncio.create_task(reader.read())
    while not answer.done():
        with suppress(ConnectionError):
            writer.write(b" ")
            await writer.drain()
        await asyncio.wait([answer], timeout=0.1)
    writer.close()
    assert Told(await answer, closed=True).statuses == [408]


# --- headers ----------------------------------------------------------------------------------------------------------

EVIL = ["gpt\r\nx-evil: 1", "gpt\nx-evil: 1", "gpt\0", "gpt\x85x", "gpt\u2028x", "mapped"]


@pytest.mark.parametrize("model", EVIL)
async def test_no_value_becomes_a_header(rig: Rig, model: str) -> None:
    """Of what ends up in lines: models, callers' ids, names of channels."""
    await rig.clear()
    body = json.dumps(
        {**CHAT, "model": model, "user": "u\r\nx-evil: 1", "metadata": {"a\r\nx-evil: 1": "b\r\nx-evil: 1"}}
    )
    lines = [b"openai-organization: o", b"x-request-id: a\tb", b"idempotency-key: k"]
    told = await exchanged(rig, whole(*lines, body=body.encode()))
    assert told.statuses in ([200], [400], [404])
    assert b"x-evil: 1" not in told.raw.partition(b"\r\n\r\n")[0].lower()
    for entry in rig.fake.journal:
        assert "x-evil" not in dict(entry.headers)


CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"connection: authorization"], 200),
        ([b"connection: close, content-type, x-api-key"], 200),
        ([b"te: trailers", b"proxy-authorization: Basic eDp5", b"cookie: a=b", b"x-forwarded-for: 1.2.3.4"], 200),
        ([b"x-api-key: " + KEY.encode()], 200),
        ([b"authorization: Bearer " + KEY.encode()], 200),
        ([b"authorization: Bearer sk-other"], 401),
        ([b"x-api-key: sk-other"], 401),
        ([b"api-key: sk-other"], 401),
        ([b"x-goog-api-key: sk-other"], 401),
    ],
)
async def test_nothing_of_the_caller_s_credentials_goes_on(rig: Rig, lines: list[bytes], status: int) -> None:
    await rig.clear()
    told = await exchanged(rig, whole(*lines))
    assert told.statuses == [status], told.raw
    assert len(rig.fake.journal) == (status == 200)
    for entry in rig.fake.journal:
        headers = dict(entry.headers)
        assert {name: headers[name] for name in CREDENTIALS if name in headers} == {
            "authorization": f"Bearer {UPSTREAM_KEY}"
        }
        assert not {"te", "x-forwarded-for", "proxy-authorization"} & headers.keys()
        assert KEY not in repr(entry)


@pytest.mark.parametrize(("query", "status"), [(b"?key=sk-other", 401), (b"?key=" + KEY.encode(), 200)])
async def test_keys_in_the_query(rig: Rig, query: bytes, status: int) -> None:
    await rig.clear()
    told = await exchanged(rig, whole(path=b"/v1/chat/completions" + query))
    assert told.statuses == [status]
    assert all(KEY not in repr(entry) for entry in rig.fake.journal)


# --- one meaning ------------------------------------------------------------------------------------------------------

TURNS = '"messages":[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"cheap","model":"dear",%s}',
        '{"model":"cheap","mod\\u0065l":"dear",%s}',
        '{"mod\\u0065l":"cheap",%s}',
        '{"model":"cheap","Model":"dear",%s}',
        '{"MODEL":"dear","model":"cheap",%s}',
        '{"model":"cheap","max_tokens":1,"max_tokens":9999,%s}',
        '{"model":"cheap","stream":false,"stream":true,%s}',
        '{"model":"cheap","Stream":true,%s}',
        '{"model":"ch\\u0065ap",%s}',
        '{"model":"cheap",%s}',
        '{ %s , "model" : "cheap" }',
    ],
)
async def test_the_model_that_is_priced_is_the_one_that_is_sent(rig: Rig, body: str) -> None:
    await rig.clear()
    before = len(await rig.records())
    told = await exchanged(rig, whole(body=(body % TURNS).encode()))
    assert told.statuses in ([200], [400])
    (record,) = (await rig.recorded(before + 1))[before:]
    sent = [json.loads(entry.body)["model"] for entry in rig.fake.journal]
    assert sent == ([record.model] if told.statuses == [200] else [])
    assert sent in ([], ["cheap"])
