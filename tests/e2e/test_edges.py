"""HTTP as it comes: connections that are used again, answers beyond the limits, upstreams that change their mind."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from oneapi_asgi import Usage
from oneapi_asgi.testing import Answer, Part

from .hangup import read_until
from .serving import CHAT, KEY, Rig

EVENTS = [("content-type", "text/event-stream")]
STREAM = CHAT | {"stream": True}
MEGABYTE = 1 << 20
CONTENT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def request(body: object, *, headers: str = "", method: str = "POST", path: str = "/v1/chat/completions") -> bytes:
    content = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{headers}"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


async def connect(rig: Rig) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2]))


async def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    reader, writer = await connect(rig)
    bad = request({"model": 1})
    writer.write(request(CHAT) + bad + request(STREAM) + request(None, method="GET", path="/v1/models"))
    got = await read_until(reader, b'"object":"list"')
    writer.close()
    assert got.count(b"HTTP/1.1 200 ") == 3
    assert got.count(b"HTTP/1.1 400 ") == 1
    assert got.index(b"chat.completion") < got.index(b"HTTP/1.1 400 ") < got.index(b"[DONE]")
    assert len(rig.fake.journal) == 2


async def test_expect_continue(rig: Rig) -> None:
    reader, writer = await connect(rig)
    whole = request(CHAT, headers="expect: 100-continue\r\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    await read_until(reader, b"100 Continue")
    writer.write(body)
    await read_until(reader, b"lazy")
    writer.close()


async def test_expect_continue_is_not_given_to_strangers(rig: Rig) -> None:
    reader, writer = await connect(rig)
    head = request(CHAT, headers="expect: 100-continue\r\n").partition(b"\r\n\r\n")[0].replace(KEY.encode(), b"sk-no")
    writer.write(head + b"\r\n\r\n")
    got = await read_until(reader, b"invalid_api_key")
    writer.close()
    assert b"100 Continue" not in got


@pytest.mark.parametrize(("path", "status"), [("/v1/models", 200), ("/v1/nothing", 404), ("/v1/models/zebra", 404)])
async def test_head_has_no_body(rig: Rig, path: str, status: int) -> None:
    answer = await rig.http.head(rig.url + path)
    assert (answer.status_code, answer.content) == (status, b"")
    assert int(answer.headers["content-length"]) > 20


async def test_one_connection_upstream_is_used_again(rig: Rig) -> None:
    for body in (CHAT, STREAM, CHAT, STREAM | {"stream_options": {"include_usage": True}}, {"model": "m"} | CHAT):
        assert (await rig.post(body)).status_code == 200
    assert len({entry.connection for entry in rig.fake.journal}) == 1


async def test_an_answer_beyond_the_limit_fails_cleanly(rig: Rig) -> None:
    block = b" " * MEGABYTE
    rig.fake.script(Answer(parts=[Part(b'{"choices":['), *[Part(block)] * 65, Part(b"]}")]))
    answer = await rig.post(CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    assert (await rig.record()).attempts[0].failure == "too_large"
    assert (await rig.used(), await rig.held()) == (0, 0)


@pytest.mark.parametrize("begun", [False, True], ids=["first", "later"])
async def test_an_event_beyond_the_limit(rig: Rig, begun: bool) -> None:
    block = Part(b"x" * MEGABYTE)
    before = [Part(CONTENT % b"one", 0.0), Part(b": now\n\n", 0.05)] if begun else []
    rig.fake.script(Answer(headers=EVENTS, parts=[*before, Part(b"data: "), *[block] * 17]))
    answer = await rig.post(STREAM)
    if begun:
        assert answer.status_code == 200
        assert answer.content.startswith(CONTENT % b"one")
        assert b"event_too_large" in answer.content[-200:]
        assert (await rig.record()).reason == "upstream_cut"
    else:
        assert answer.status_code == 502
    assert await rig.held() == 0


async def test_events_where_json_was_asked_for(rig: Rig) -> None:
    body = CONTENT % b"one" + END
    rig.fake.script(Answer(headers=EVENTS, parts=[Part(body)]))
    assert (await rig.post(CHAT)).content == body
    record = await rig.record()
    assert (record.reason, record.cost) == ("done", await rig.used())
    assert record.cost > 0


async def test_json_where_events_were_asked_for(rig: Rig) -> None:
    body = b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    rig.fake.script(Answer(parts=[Part(body)]))
    assert (await rig.post(STREAM)).content == body
    assert (await rig.record()).usage == Usage(input=3, output=4)


USAGES: dict[str, Any] = {
    "null": None,
    "text": "many",
    "negative": {"prompt_tokens": -3, "completion_tokens": 4},
    "absurd": {"prompt_tokens": 10**30, "completion_tokens": 4},
    "empty": {},
    "zero": {"prompt_tokens": 0, "completion_tokens": 0},
    "fractions": {"prompt_tokens": 1.5, "completion_tokens": 2},
    "deep": {"prompt_tokens": [[[]]], "completion_tokens": {}},
}


@pytest.mark.parametrize("name", USAGES)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_usage_that_cannot_be_is_estimated(rig: Rig, name: str, stream: bool) -> None:
    report = json.dumps({"choices": [], "usage": USAGES[name]}).encode()
    body = CONTENT % b"one" + b"data: " + report + b"\n\n" + END if stream else report
    rig.fake.script(Answer(headers=EVENTS if stream else [("content-type", "application/json")], parts=[Part(body)]))
    assert (await rig.post(STREAM if stream else CHAT)).status_code == 200
    record = await rig.record()
    assert record.usage is not None
    assert record.usage.estimated
    assert 0 < record.cost == await rig.used()
    assert await rig.held() == 0


async def test_parts_larger_than_their_whole_do_not_make_a_price_negative(rig: Rig) -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 1_000_000, "audio_tokens": -5},
        "completion_tokens_details": {"reasoning_tokens": 999},
    }
    rig.fake.script(Answer(parts=[Part(json.dumps({"choices": [], "usage": usage}).encode())]))
    await rig.post(CHAT)
    record = await rig.record()
    assert record.usage == Usage(input=10, output=1, cache_read=10, reasoning=1)
    assert 0 < record.cost == await rig.used()
