"""Untouched bytes: what the upstream wrote is what the caller reads, and the other way round."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from typing import Any

import pytest
from msgspec.structs import replace

from oneapi_asgi import Channel
from oneapi_asgi.testing import Answer, FakeUpstream, Part

from .serving import ADMIN_KEY, BOTH, CHAT, KEY, UPSTREAM_KEY, Rig, in_order, make_storage, open_rig

EVENTS = ("content-type", "text/event-stream")
ASKED = CHAT | {"stream": True, "stream_options": {"include_usage": True}}


def mapped(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    return [replace(channel, model_map={"alias": 'real/"model" ü'}) for channel in in_order(fakes)]


@pytest.fixture(scope="module", params=BOTH, ids="-".join)
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    kind, adapter = request.param
    storage = make_storage(kind, tmp_path_factory.mktemp("bytes"))
    async with open_rig(storage, adapter, channels=mapped) as opened:
        yield opened


@pytest.fixture
async def rig(shared: Rig) -> Rig:
    await shared.clear()
    return shared


# --- answers ----------------------------------------------------------------------------------------------------------


def event(text: str, end: str = "\n", **more: object) -> str:
    data = json.dumps({"choices": [{"index": 0, "delta": {"content": text}}], **more}, ensure_ascii=False)
    return f"data: {data}{end}{end}"


FINISH = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
USAGE = '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}'


def stream(*events: str, end: str = "\n") -> bytes:
    tail = "".join(f"data: {data}{end}{end}" for data in (FINISH, USAGE, "[DONE]"))
    return ("".join(events) + tail).encode()


STREAMS = {
    "plain": stream(event("a"), event("b")),
    "CRLF": stream(event("a", "\r\n"), event("b", "\r\n"), end="\r\n"),
    "CR": stream(event("a", "\r"), event("b", "\r"), end="\r"),
    "mixed line ends": stream(event("a", "\r\n"), event("b"), event("c", "\r"), end="\r\n"),
    "comments": stream(": ping\n\n", ":\n", event("a"), ": OPENROUTER PROCESSING\n\n", event("b"), ":\n\n"),
    "other fields": stream("retry: 3000\nid: 7\nevent: message\n" + event("a"), "id\nunknown: x\n" + event("b")),
    "no space": stream(event("a").replace("data: ", "data:"), event("b")),
    "several data lines": stream(event("a").replace('{"choices"', '{\ndata: "choices"'), event("b")),
    "line separators inside": stream(event("a\u2028b\u2029c\u0085d\x0be"), event("f")),
    "astral": stream(event("🦊" * 50), event("\u202e\u0000")),
    "byte order mark": b"\xef\xbb\xbf" + stream(event("a")),
    "empty lines before": b"\n\n\r\n" + stream(event("a")),
    "unknown fields": stream(event("a", obfuscation="x" * 30, nested={"a": [1.0e5, None]}), event("b")),
    "unknown events": stream(event("a"), "data: [1,2]\n\n", "data: not JSON\n\n", event("b")),
    "one large event": stream(event("x" * 1_000_000), event("b")),
    "after the end": stream(event("a")) + b": bye\n\n",
}
CUTS = {
    "at once": lambda body: [body],
    "byte by byte": lambda body: [body[i : i + 1] for i in range(min(len(body), 400))] + [body[400:]],
    "in sevens": lambda body: [body[i : i + 7] for i in range(0, min(len(body), 3_500), 7)] + [body[3_500:]],
    "slow": lambda body: [body[:-20], body[-20:-3], body[-3:-1], body[-1:]],
}


async def receive(rig: Rig, body: object, path: str = "/chat/completions") -> tuple[int, bytes]:
    async with rig.http.stream("POST", rig.api + path, json=body) as answer:
        return answer.status_code, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", STREAMS)
async def test_streams_pass_byte_for_byte(rig: Rig, name: str, cut: str) -> None:
    pieces = [piece for piece in CUTS[cut](STREAMS[name]) if piece]
    delay = 0.02 if cut == "slow" else 0.0
    rig.fake.script(Answer(headers=[EVENTS], parts=[Part(piece, delay) for piece in pieces]))
    status, got = await receive(rig, ASKED)
    assert status == 200
    assert sha256(got).digest() == sha256(STREAMS[name]).digest()


@pytest.mark.parametrize("name", STREAMS)
async def test_only_the_report_is_missing_where_it_was_not_asked_for(rig: Rig, name: str) -> None:
    rig.fake.script(Answer(headers=[EVENTS], parts=[Part(STREAMS[name])]))
    _, got = await receive(rig, CHAT | {"stream": True})
    at = STREAMS[name].index(b"data: " + USAGE.encode())
    end = STREAMS[name].index(b"data: [DONE]")
    assert got == STREAMS[name][:at] + STREAMS[name][end:]


BODIES = {
    "odd spacing": b'\n{ "choices" : [ ] ,\t"usage":{"prompt_tokens":1,"completion_tokens":1} }\r\n',
    "escapes": b'{"choices":[{"message":{"content":"\\u00e9\\ud83e\\udd8a\\/"}}],"big":12345678901234567890.10}',
    "repeated keys": b'{"id":1,"id":2,"choices":[]}',
    "large": b'{"choices":[],"pad":"' + b"x" * 3_000_000 + b'"}',
    "not UTF-8": b'{"choices":[],"pad":"\xff"}',
}


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("name", BODIES)
async def test_plain_answers_pass_byte_for_byte(rig: Rig, name: str, framing: str) -> None:
    body = BODIES[name]
    length = len(body) if framing == "length" else None
    then: Any = "close" if framing == "close" else "keep"
    parts = [Part(body[:10]), Part(body[10:])]
    rig.fake.script(Answer(parts=parts, content_length=length, chunked=framing == "chunked", then=then))
    assert await receive(rig, CHAT) == (200, body)


async def test_sound_passes_byte_for_byte(rig: Rig) -> None:
    sound = bytes(range(256)) * 4_000
    rig.fake.script(Answer(headers=[("content-type", "audio/wav")], parts=[Part(sound[:1000]), Part(sound[1000:])]))
    assert await receive(rig, {"model": "tts-1", "input": "x", "voice": "alloy"}, "/audio/speech") == (200, sound)


async def test_refusal_of_the_upstream_passes_byte_for_byte(rig: Rig) -> None:
    body = b'{ "error" : {"message":"no such thing", "type":"invalid_request_error","extra":[1]} }'
    rig.fake.script(Answer(status=422, parts=[Part(body)]))
    assert await receive(rig, CHAT) == (422, body)


# --- requests ---------------------------------------------------------------------------------------------------------

ODD = (
    b'{\n  "unknown": {"b":1, "a" : [1.50, 1e3]},\t"messages":[ {"content":"\\u00e9 \xc3\xa9","role":"user"} ] ,'
    b'"model" :"MODEL" ,"seed":7}'
)


@pytest.mark.parametrize("stream_options", [b"", b',"stream":true,"stream_options":{"x":1, "include_usage" : true}'])
async def test_requests_pass_byte_for_byte(rig: Rig, stream_options: bytes) -> None:
    sent = ODD.replace(b"MODEL", b"gpt-4o")[:-1] + stream_options + b"\r\n}\n"
    headers = {"content-type": "application/json; charset=utf-8"}
    assert (await rig.http.post(rig.api + "/chat/completions", content=sent, headers=headers)).status_code == 200
    assert rig.fake.journal[0].body == sent
    assert rig.fake.journal[0].header("content-type") == "application/json; charset=utf-8"


async def test_only_the_model_is_swapped(rig: Rig) -> None:
    sent = ODD.replace(b"MODEL", b"alias")
    headers = {"content-type": "application/json"}
    answer = await rig.http.post(rig.api + "/chat/completions", content=sent, headers=headers)
    assert answer.status_code == 200
    name = json.dumps('real/"model" ü', ensure_ascii=False).encode()
    assert rig.fake.journal[0].body == sent.replace(b'"alias"', name)


async def test_usage_is_asked_for_beside_what_was_sent(rig: Rig) -> None:
    sent = ODD.replace(b"MODEL", b"gpt-4o")[:-1] + b',"stream":true}'
    await rig.http.post(rig.api + "/chat/completions", content=sent, headers={"content-type": "application/json"})
    assert rig.fake.journal[0].body == sent[:-1] + b',"stream_options":{"include_usage":true}}'


@pytest.mark.parametrize("model", ["whisper-1", "alias"])
async def test_forms_pass_byte_for_byte(rig: Rig, model: str) -> None:
    recording = bytes(range(256)) * 300 + b"\r\n--boundary-not\r\n"
    head = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="\xc3\xbc.mp3"\r\n'
        b"Content-Type: audio/mpeg\r\n\r\n"
    )
    fields = b'\r\n--B\r\ncontent-disposition:form-data;name="model"\r\nx-odd: 1\r\n\r\n%b\r\n--B--\r\nepilogue'
    sent = head + recording + fields % model.encode()
    headers = {"content-type": "multipart/form-data; boundary=B"}
    answer = await rig.http.post(rig.api + "/audio/transcriptions", content=sent, headers=headers)
    assert answer.status_code == 200
    upstream = 'real/"model" ü' if model == "alias" else model
    assert rig.fake.journal[0].body == head + recording + fields % upstream.encode()


# --- headers ----------------------------------------------------------------------------------------------------------

PRIVATE = {
    "cookie": "session=1",
    "x-api-key": KEY,
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-host": "inside.example",
    "x-real-ip": "203.0.113.9",
    "forwarded": "for=203.0.113.9",
    "via": "1.1 proxy",
    "openai-organization": "org-caller",
    "openai-project": "proj-caller",
    "user-agent": "caller/1.0",
    "referer": "https://caller.example",
    "origin": "https://caller.example",
    "x-stainless-os": "Linux",
    "x-anything": "else",
    "proxy-authorization": "Basic eDp5",
    "expect": "",
}


async def test_only_listed_headers_go_up(rig: Rig) -> None:
    passed = {"openai-beta": "assistants=v2", "accept": "application/json"}
    await rig.post(CHAT, **PRIVATE, **passed)
    headers = dict(rig.fake.journal[0].headers)
    assert len(headers) == len(rig.fake.journal[0].headers)
    assert headers.pop("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert headers.pop("host") == rig.fake.url.removeprefix("http://").removesuffix("/v1")
    assert headers.pop("content-length") == str(len(rig.fake.journal[0].body))
    headers.pop("connection", None)
    assert headers == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "openai-beta": "assistants=v2",
        "user-agent": "oneapi-asgi",
    }


LEAKS = {
    "set-cookie": "upstream=1",
    "openai-organization": "org-operator",
    "openai-project": "proj-operator",
    "x-ratelimit-remaining-requests": "9",
    "server": "cloudflare",
    "cf-ray": "1",
    "via": "1.1 varnish",
    "x-request-id": "req_upstream",
    "access-control-allow-origin": "https://upstream.example",
    "strict-transport-security": "max-age=1",
    "location": "https://elsewhere.example",
    "x-should-retry": "true",
    "connection": "x-hop",
    "x-hop": "1",
}
SPEECH = {"model": "tts-1", "input": "x", "voice": "alloy"}
KINDS = {
    "plain": ("application/json", b'{"choices":[]}'),
    "stream": ("text/event-stream; charset=utf-8", STREAMS["plain"]),
    "sound": ("audio/mpeg", b"mpeg"),
    "refusal": ("application/json", b'{"error":{"message":"no"}}'),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_only_listed_headers_come_down(rig: Rig, kind: str) -> None:
    content_type, body = KINDS[kind]
    headers = [("content-type", content_type), ("openai-processing-ms", "12"), *LEAKS.items()]
    rig.fake.script(Answer(status=400 if kind == "refusal" else 200, headers=headers, parts=[Part(body)]))
    asked = {"sound": SPEECH, "stream": ASKED}.get(kind, CHAT)
    answer = await rig.post(asked, "/audio/speech" if kind == "sound" else "/chat/completions")
    got = dict(answer.headers.items())
    assert got.pop("content-type") == content_type
    assert got.pop("x-request-id") not in ("", "req_upstream")
    allowed = {"date", "server", "content-length", "transfer-encoding", "cache-control", "x-accel-buffering"}
    allowed |= {"openai-processing-ms"} if kind != "refusal" else set()
    assert set(got) <= allowed
    assert got["server"] == "uvicorn"


async def test_query_goes_up_without_the_key(rig: Rig) -> None:
    url = f"{rig.api}/chat/completions?api-version=2026-01-01&key={KEY}&x=a%20b&key={KEY}"
    assert (await rig.http.post(url, json=CHAT)).status_code == 200
    path = rig.fake.journal[0].path
    assert KEY not in path
    assert path.partition("?")[2] in ("api-version=2026-01-01&x=a+b", "api-version=2026-01-01&x=a%20b")


async def test_key_of_the_caller_never_goes_up(rig: Rig) -> None:
    for key in (KEY, ADMIN_KEY, f"{ADMIN_KEY}-1"):
        await rig.post(CHAT, authorization=f"Bearer {key}")
    for entry in rig.fake.journal:
        assert KEY not in repr(entry)
        assert ADMIN_KEY not in repr(entry)
    assert len(rig.fake.journal) == 3
