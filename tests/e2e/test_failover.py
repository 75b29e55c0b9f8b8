"""One answer, whichever channel gave it; and an honest end where none can be given any more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from msgspec.structs import replace
from ports import free_port

from oneapi_asgi import Channel, Ejection, Secret, Timeouts
from oneapi_asgi.pricing import cost
from oneapi_asgi.testing import Answer, FakeUpstream, Part

from .serving import (
    ADMIN_KEY,
    BOTH,
    CHAT,
    PRICE,
    UPSTREAM_KEY,
    Adapter,
    Kind,
    Rig,
    chat,
    in_order,
    make_storage,
    open_rig,
)

EVENTS = [("content-type", "text/event-stream")]
JSON = [("content-type", "application/json")]
SHORT = Timeouts(connect=0.5, first_byte=0.3, idle=0.3, total=5)
STREAM = CHAT | {"stream": True}


def data(value: object) -> bytes:
    return b"data: %b\n\n" % json.dumps(value).encode()


def delta(text: str | None = None, finish: str | None = None, **more: object) -> bytes:
    content = {} if text is None else {"content": text}
    return data({"choices": [{"index": 0, "delta": content | more, "finish_reason": finish}]})


ROLE = data({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
ERROR = {"error": {"message": "upstream prose", "type": "server_error", "param": None, "code": None}}
DONE = b"data: [DONE]\n\n"


def says(body: bytes | str, headers: Sequence[tuple[str, str]] = JSON, **more: Any) -> Answer:
    return Answer(headers=headers, parts=[Part(body if isinstance(body, bytes) else body.encode())], **more)


ANYWHERE: dict[str, tuple[Answer, str]] = {
    "500": (says(json.dumps(ERROR), status=500), "status_500"),
    "502 in HTML": (says("<html>", [("content-type", "text/html")], status=502), "status_502"),
    "503": (says(json.dumps(ERROR), status=503), "status_503"),
    "529": (says(json.dumps(ERROR), status=529), "status_529"),
    "429": (says(json.dumps(ERROR), status=429), "status_429"),
    "401": (says(json.dumps(ERROR), status=401), "status_401"),
    "402": (says(json.dumps(ERROR), status=402), "status_402"),
    "403": (says(json.dumps(ERROR), status=403), "status_403"),
    "408": (says(json.dumps(ERROR), status=408), "status_408"),
    "redirect": (says("", [("location", "http://169.254.169.254/")], status=307), "status_307"),
    "reset": (Answer(head=False, then="reset"), "cut"),
    "closed": (Answer(head=False, then="close"), "cut"),
    "hangs": (Answer(head=False, then="hang"), "first_byte_timeout"),
    "no HTTP": (Answer(head=False, chunked=False, parts=[Part(b"220 smtp ready\r\n\r\n")], then="close"), ""),
    "error in 200": (says(json.dumps(ERROR)), "error_in_answer"),
    "nothing in 200": (says(""), "empty_answer"),
    "compressed": (says(b"\x1f\x8b\x08", [*JSON, ("content-encoding", "gzip")]), "compressed"),
    "compressed once": (
        says(b"\x1f\x8b\x08", [*JSON, ("content-encoding", "identity"), ("content-encoding", "gzip")]),
        "compressed",
    ),
    "reset in the body": (Answer(headers=JSON, parts=[Part(b'{"choi')], then="reset"), "cut"),
    "cut in the body": (Answer(headers=JSON, parts=[Part(b'{"choi')], then="close"), "cut"),
    "short body": (Answer(headers=JSON, parts=[Part(b'{"choi')], content_length=99, then="close"), "cut"),
    "hangs in the body": (Answer(headers=JSON, parts=[Part(b'{"choi')], then="hang"), "idle_timeout"),
}
STREAMED: dict[str, tuple[Answer, str]] = {
    "error first": (says(data(ERROR), EVENTS), "error_in_answer"),
    "error after the role": (says(ROLE + data(ERROR), EVENTS), "error_in_answer"),
    "empty stream": (says(b"", EVENTS), "empty_answer"),
    "comments alone": (says(b": ping\n\n: ping\n\n", EVENTS), "empty_answer"),
    "role, then the end": (says(ROLE, EVENTS), "empty_answer"),
    "role, then cut": (Answer(headers=EVENTS, parts=[Part(ROLE)], then="close"), "cut"),
    "role, then reset": (Answer(headers=EVENTS, parts=[Part(ROLE)], then="reset"), "cut"),
    "role, then silence": (Answer(headers=EVENTS, parts=[Part(ROLE)], then="hang"), "idle_timeout"),
    "half an event": (Answer(headers=EVENTS, parts=[Part(ROLE + delta("a")[:30])], then="close"), "cut"),
}
CASES = [(name, stream) for name in ANYWHERE for stream in (False, True)] + [(name, True) for name in STREAMED]


@pytest.fixture(scope="module", params=BOTH, ids="-".join)
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    kind, adapter = request.param
    storage = make_storage(kind, tmp_path_factory.mktemp("failover"))
    async with open_rig(storage, adapter, fakes=2, timeouts=SHORT, health=Ejection(judge=False)) as opened:
        yield opened


@pytest.fixture
async def pair(shared: Rig) -> Rig:
    await shared.clear()
    return shared


async def collected(rig: Rig, body: object = STREAM) -> tuple[int, bytes]:
    async with rig.http.stream("POST", rig.api + "/chat/completions", json=body) as answer:
        return answer.status_code, b"".join([chunk async for chunk in answer.aiter_raw()])


# --- before the first content -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "stream"), CASES)
async def test_the_next_channel_serves(pair: Rig, name: str, stream: bool) -> None:
    first, second = pair.fakes
    answer, failure = (ANYWHERE | STREAMED)[name]
    before = len(await pair.records()), await pair.used()
    first.script(answer)
    status, body = await collected(pair, STREAM if stream else CHAT)
    assert status == 200
    assert b"prose" not in body
    assert body.count(b"lazy") == 1
    assert body.endswith(DONE) is stream
    assert [len(upstream.journal) for upstream in pair.fakes] == [1, 1]
    await second.idle()
    usage = second.journal[0].usage
    assert usage is not None
    (record,) = (await pair.recorded(before[0] + 1))[-1:]
    assert [attempt.channel for attempt in record.attempts] == ["channel-1", "channel-2"]
    assert record.attempts[0].failure == failure or not failure
    assert record.attempts[0].failure
    assert (record.attempts[1].failure, record.attempts[1].status) == ("", 200)
    assert (record.usage, record.reason, record.channel_id) == (usage, "done", record.attempts[1].channel_id)
    assert await pair.used() - before[1] == record.cost == cost(usage, PRICE)
    assert await pair.held() == 0


@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422])
async def test_what_the_caller_has_to_mend_is_not_retried(pair: Rig, status: int) -> None:
    used = await pair.used()
    pair.fake.script(says(json.dumps(ERROR), status=status))
    answer = await pair.post(CHAT)
    assert (answer.status_code, answer.json()) == (status, ERROR)
    assert pair.fakes[1].journal == []
    assert await pair.used() == used
    assert await pair.held() == 0


# --- after it ---------------------------------------------------------------------------------------------------------

BROKEN: dict[str, tuple[Answer, str]] = {
    "cut": (
        Answer(headers=EVENTS, parts=[Part(ROLE + delta("one")), Part(delta("two"))], then="close"),
        "upstream_cut",
    ),
    "reset": (
        Answer(headers=EVENTS, parts=[Part(delta("one")), Part(delta("two"), 0.05)], then="reset"),
        "upstream_cut",
    ),
    "ended": (says(delta("one") + delta("two"), EVENTS), "upstream_cut"),
    "half an event": (
        Answer(headers=EVENTS, parts=[Part(delta("one") + delta("two") + delta("three")[:25])], then="close"),
        "upstream_cut",
    ),
    "silence": (Answer(headers=EVENTS, parts=[Part(delta("one") + delta("two"))], then="hang"), "upstream_idle"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_stream_says_so(pair: Rig, name: str) -> None:
    answer, code = BROKEN[name]
    before = len(await pair.records()), await pair.used()
    pair.fake.script(answer)
    status, body = await collected(pair)
    assert status == 200
    *events, last = body.decode().removesuffix("\n\n").split("\n\n")
    assert "".join(json.loads(e[6:])["choices"][0]["delta"].get("content", "") for e in events) == "onetwo"
    assert json.loads(last[6:])["error"]["code"] == code
    assert b"[DONE]" not in body
    assert b"stop" not in body.replace(b"stopped", b"")
    assert pair.fakes[1].journal == []
    (record,) = (await pair.recorded(before[0] + 1))[-1:]
    assert (record.reason, record.status) == ("upstream_cut", 200)
    assert record.usage is not None
    assert record.usage.estimated
    assert record.usage.output == 2
    assert await pair.used() - before[1] == record.cost == cost(record.usage, PRICE)
    assert await pair.held() == 0


async def test_the_sdk_raises_for_a_broken_stream(pair: Rig) -> None:
    async with pair.sdk() as client:
        stream = await client.chat.completions.create(**chat(stream=True, then="close", after=4))
        got = [(await anext(stream)).choices[0].delta.content for _ in range(4)]
        with pytest.raises(openai.APIError, match="ended before"):
            await anext(stream)
    assert "".join(filter(None, got)) == "The quick brown"


async def test_an_error_told_by_the_upstream_passes(pair: Rig) -> None:
    parts = [Part(delta("one")), Part(data(ERROR), 0.05)]
    pair.fake.script(Answer(headers=EVENTS, parts=parts))
    assert await collected(pair) == (200, parts[0].data + parts[1].data)
    assert pair.fakes[1].journal == []


@pytest.mark.parametrize("then", ["keep", "close", "reset", "hang"])
async def test_a_forgotten_done_is_added(pair: Rig, then: Any) -> None:
    before = len(await pair.records())
    body = delta("one") + delta(None, "stop")
    pair.fake.script(Answer(headers=EVENTS, parts=[Part(body)], then=then))
    assert await collected(pair) == (200, body + DONE)
    record = (await pair.recorded(before + 1))[-1]
    assert (record.reason, [attempt.failure for attempt in record.attempts]) == ("done", [""])


async def test_sound_that_breaks_off_ends_uncleanly(pair: Rig) -> None:
    pair.fake.script(
        Answer(headers=[("content-type", "audio/mpeg")], parts=[Part(b"mpeg"), Part(b"x", 0.05)], then="reset")
    )
    with pytest.raises(httpx2.RemoteProtocolError):
        await pair.post({"model": "tts-1", "input": "x", "voice": "alloy"}, "/audio/speech")
    assert pair.fakes[1].journal == []
    assert await pair.held() == 0


# --- when all fail ----------------------------------------------------------------------------------------------------

LAST: dict[str, tuple[Answer, int, str | None, str]] = {
    "429": (says("", [("retry-after", "7")], status=429), 429, "7", "true"),
    "429 in ms": (says("", [("retry-after-ms", "2500")], status=429), 429, "3", "true"),
    "429 for ever": (says("", [("retry-after", "99999999")], status=429), 429, "3600", "true"),
    "429 without a word": (says("", status=429), 429, "1", "true"),
    "503": (says("", [("retry-after", "4")], status=503), 503, "4", "true"),
    "500": (says(json.dumps(ERROR), status=500), 502, None, "true"),
    "401": (says(json.dumps(ERROR), status=401), 502, None, "false"),
    "403": (says(json.dumps(ERROR), status=403), 502, None, "false"),
    "error in 200": (says(json.dumps(ERROR)), 502, None, "true"),
    "reset": (Answer(head=False, then="reset"), 502, None, "true"),
    "silence": (Answer(head=False, then="hang"), 504, None, "true"),
}


@pytest.mark.parametrize("name", LAST)
async def test_when_all_fail(pair: Rig, name: str) -> None:
    answer, status, wait, retry = LAST[name]
    before = len(await pair.records()), await pair.used()
    for upstream in pair.fakes:
        upstream.script(answer)
    got = await pair.post(CHAT)
    assert (got.status_code, got.headers.get("retry-after"), got.headers["x-should-retry"]) == (status, wait, retry)
    assert "prose" not in got.text
    assert got.json()["error"].keys() == {"message", "type", "param", "code"}
    (record,) = (await pair.recorded(before[0] + 1))[-1:]
    assert (record.reason, record.status, record.cost, len(record.attempts)) == ("upstream_failed", status, 0, 2)
    assert (await pair.used(), await pair.held()) == (before[1], 0)


def opened(parts: tuple[Kind, Adapter], folder: Path, **options: Any) -> AbstractAsyncContextManager[Rig]:
    kind, adapter = parts
    return open_rig(make_storage(kind, folder), adapter, timeouts=SHORT, **options)


def dead(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    first, *others = in_order(fakes)
    return [replace(first, base_url=f"http://127.0.0.1:{free_port()}/v1"), *others]


async def test_a_dead_address(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    async with opened(parts, tmp_path, fakes=2, channels=dead) as rig:
        assert (await rig.post(CHAT)).status_code == 200
        assert [attempt.failure for attempt in (await rig.record()).attempts] == ["connect", ""]


async def test_a_private_address(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    def inside(fakes: Sequence[FakeUpstream]) -> list[Channel]:
        return [replace(channel, base_url="http://169.254.169.254/v1") for channel in in_order(fakes)]

    async with opened(parts, tmp_path, channels=inside) as rig:
        answer = await rig.post(CHAT)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_blocked")
        assert "169.254" not in answer.text


async def test_attempts_are_bounded(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    async with opened(parts, tmp_path, fakes=4, max_attempts=2) as rig:
        for upstream in rig.fakes:
            upstream.script(says("", status=500))
        assert (await rig.post(CHAT)).status_code == 502
        assert [len(upstream.journal) for upstream in rig.fakes] == [1, 1, 0, 0]


async def test_a_whole_call_is_bounded_in_time(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    kind, adapter = parts
    async with open_rig(make_storage(kind, tmp_path), adapter, fakes=2, timeouts=Timeouts(total=0.4)) as rig:
        assert (await rig.post(chat(wait=20))).status_code == 504
        status, body = await collected(rig, chat(stream=True, tokens=1_000, delay=0.05))
        assert (status, json.loads(body.split(b"\n\n")[-2][6:])["error"]["code"]) == (200, "upstream_timeout")
        assert b"[DONE]" not in body
        assert [r.reason for r in await rig.recorded(2)] == ["upstream_failed", "upstream_cut"]
        assert await rig.held() == 0


async def test_a_channel_that_fails_again_and_again_is_left_alone(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    async with opened(parts, tmp_path, fakes=2, health=Ejection()) as rig:
        for _ in range(5):
            rig.fake.script(says("", status=500))
        for _ in range(8):
            assert (await rig.post(CHAT)).status_code == 200
        assert [len(upstream.journal) for upstream in rig.fakes] == [5, 8]


async def test_a_channel_rests_as_long_as_it_asked(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    async with opened(parts, tmp_path, fakes=2) as rig:
        rig.fake.script(says("", [("retry-after-ms", "50")], status=429))
        await rig.post(CHAT)
        statuses = {(await rig.post(CHAT)).status_code for _ in range(40)}
        assert statuses == {200}
        assert len(rig.fake.journal) > 1


async def test_the_second_key_of_a_channel_is_tried(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    def two_keys(fakes: Sequence[FakeUpstream]) -> list[Channel]:
        keys = (Secret(UPSTREAM_KEY + "1"), Secret(UPSTREAM_KEY + "2"))
        return [replace(channel, api_keys=keys) for channel in in_order(fakes)]

    async with opened(parts, tmp_path, channels=two_keys) as rig:
        rig.fake.script(says("", status=401))
        assert (await rig.post(CHAT)).status_code == 200
        assert {entry.header("authorization") for entry in rig.fake.journal} == {
            f"Bearer {UPSTREAM_KEY}1",
            f"Bearer {UPSTREAM_KEY}2",
        }


async def test_administrators_pin_channels(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    async with opened(parts, tmp_path, fakes=2) as rig:
        second = next(c.id for c in await rig.storage.list_channels() if c.name == "channel-2")

        async def pinned(suffix: object) -> tuple[int, str | None]:
            answer = await rig.post(CHAT, authorization=f"Bearer {ADMIN_KEY}-{suffix}")
            return answer.status_code, answer.json().get("error", {}).get("code")

        assert await pinned(second) == (200, None)
        rig.fakes[1].script(says("", status=500))
        assert await pinned(second) == (502, "upstream_error")
        assert await pinned(99) == (400, "invalid_channel")
        assert await pinned("x") == (400, "invalid_channel")
        assert [len(upstream.journal) for upstream in rig.fakes] == [0, 2]
