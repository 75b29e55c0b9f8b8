"""What callers get wrong: told so in OpenAI's envelope, and nothing of it goes upstream or onto a bill."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType

import httpx2
import pytest
from msgspec import Struct

from .serving import BOTH, KEY, Adapter, Kind, Rig, make_storage, open_rig

JSON: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})
CHAT = "/v1/chat/completions"
GOOD = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'
LIMIT = 1 << 20


class Case(Struct, frozen=True, kw_only=True):
    """A request, and the status, code and parameter of its refusal."""

    status: int
    code: str | None
    param: str | None = None
    body: bytes = GOOD
    path: str = CHAT
    method: str = "POST"
    headers: Mapping[str, str] = JSON
    key: str | None = KEY


def chat_with(**fields: object) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]} | fields).encode()


def form(*parts: tuple[str, str]) -> bytes:
    fields = (f'--X\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts)
    return ("".join(fields) + "--X--\r\n").encode()


FORM = {"content-type": "multipart/form-data; boundary=X"}
MALFORMED = {
    "no body": Case(status=400, code="invalid_json", body=b""),
    "no JSON": Case(status=400, code="invalid_json", body=b"hello"),
    "half JSON": Case(status=400, code="invalid_json", body=GOOD[:-5]),
    "trailing bytes": Case(status=400, code="invalid_json", body=GOOD + b"}"),
    "a list": Case(status=400, code="invalid_json", body=b"[1]"),
    "a string": Case(status=400, code="invalid_json", body=b'"x"'),
    "null": Case(status=400, code="invalid_json", body=b"null"),
    "not UTF-8": Case(status=400, code="invalid_json", body=GOOD.replace(b"hi", b"\xff\xfe")),
    "UTF-16": Case(status=400, code="invalid_json", body=GOOD.decode().encode("utf-16")),
    "NaN": Case(status=400, code="invalid_json", body=GOOD[:-1] + b',"temperature":NaN}'),
    "deep": Case(
        status=400, code="invalid_json", body=b'{"model":"m","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    ),
    "deep objects": Case(status=400, code="invalid_json", body=b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "model twice": Case(status=400, code="invalid_json", param="model", body=GOOD[:-1] + b',"model":"dear"}'),
    "stream twice": Case(
        status=400, code="invalid_json", param="stream", body=GOOD[:-1] + b',"stream":true,"stream":false}'
    ),
    "key in escapes": Case(status=400, code="invalid_json", body=GOOD.replace(b'"model"', b'"mod\\u0065l"')),
    "model twice, once in escapes": Case(
        status=400, code="invalid_json", param="model", body=GOOD[:-1] + b',"mod\\u0065l":"dear"}'
    ),
    "too large": Case(status=413, code="request_too_large", body=chat_with(pad="x" * LIMIT)),
    "gzip": Case(status=415, code="unsupported_media_type", headers={**JSON, "content-encoding": "gzip"}),
    "form without boundary": Case(
        status=400,
        code="invalid_form",
        path="/v1/audio/transcriptions",
        headers={"content-type": "multipart/form-data"},
    ),
    "text for a form": Case(
        status=415,
        code="unsupported_media_type",
        path="/v1/audio/transcriptions",
        headers={"content-type": "text/plain"},
    ),
    "form without model": Case(
        status=400,
        code="missing_required_parameter",
        param="model",
        path="/v1/audio/transcriptions",
        headers=FORM,
        body=form(("language", "de")),
    ),
    "form with two models": Case(
        status=400,
        code=None,
        param="model",
        path="/v1/audio/transcriptions",
        headers=FORM,
        body=form(("model", "cheap"), ("model", "dear")),
    ),
}
WRONG_FIELDS: dict[str, tuple[bytes, str, str]] = {
    "no model": (b'{"messages":[{}]}', "missing_required_parameter", "model"),
    "model null": (chat_with(model=None), "missing_required_parameter", "model"),
    "model number": (chat_with(model=4), "invalid_type", "model"),
    "model list": (chat_with(model=["gpt-4o"]), "invalid_type", "model"),
    "model empty": (chat_with(model=""), "invalid_value", "model"),
    "model long": (chat_with(model="m" * 300), "invalid_value", "model"),
    "model with a control character": (chat_with(model="gpt\x00"), "invalid_value", "model"),
    "no messages": (b'{"model":"gpt-4o"}', "missing_required_parameter", "messages"),
    "messages null": (chat_with(messages=None), "invalid_type", "messages"),
    "messages string": (chat_with(messages="hi"), "invalid_type", "messages"),
    "messages empty": (chat_with(messages=[]), "empty_array", "messages"),
    "messages of strings": (chat_with(messages=["hi"]), "invalid_type", "messages[0]"),
    "stream string": (chat_with(stream="yes"), "invalid_type", "stream"),
    "stream_options": (chat_with(stream=True, stream_options=[]), "invalid_type", "stream_options"),
    "include_usage": (
        chat_with(stream=True, stream_options={"include_usage": "x"}),
        "invalid_type",
        "stream_options.include_usage",
    ),
    "max_tokens negative": (chat_with(max_tokens=-1), "invalid_value", "max_tokens"),
    "max_tokens string": (chat_with(max_tokens="9"), "invalid_value", "max_tokens"),
    "max_tokens fraction": (chat_with(max_tokens=1.5), "invalid_value", "max_tokens"),
    "max_tokens huge": (chat_with(max_tokens=10**30), "invalid_value", "max_tokens"),
    "n zero": (chat_with(n=0), "invalid_value", "n"),
    "n huge": (chat_with(n=1_000_000), "invalid_value", "n"),
    "temperature": (chat_with(temperature="hot"), "invalid_type", "temperature"),
    "tools": (chat_with(tools={}), "invalid_type", "tools"),
}
ELSEWHERE = {
    "unknown path": Case(status=404, code="unknown_url", path="/v1/chat"),
    "root": Case(status=404, code="unknown_url", path="/", method="GET"),
    "API root": Case(status=404, code="unknown_url", path="/v1", method="GET"),
    "doubled version": Case(status=404, code="unknown_url", path="/v1/v1/chat/completions"),
    "dots": Case(status=400, code="invalid_path", path="/v1/%2e%2e/chat/completions"),
    "two slashes": Case(status=400, code="invalid_path", path="//v1/chat/completions"),
    "an encoded slash": Case(status=400, code="invalid_path", path="/v1%2Fchat/completions"),
    "NUL in the path": Case(status=400, code="invalid_path", path="/v1/models/%00", method="GET", body=b""),
    "many headers": Case(
        status=431, code="headers_too_large", headers={**JSON, **{f"x-header-{n}": "v" for n in range(100)}}
    ),
    "large headers": Case(status=431, code="headers_too_large", headers={**JSON, "x-header": "v" * 33_000}),
    "long query": Case(status=431, code="headers_too_large", path=CHAT + "?q=" + "v" * 33_000),
    "GET": Case(status=405, code="method_not_allowed", method="GET", body=b""),
    "DELETE": Case(status=405, code="method_not_allowed", method="DELETE", body=b""),
    "POST to models": Case(status=405, code="method_not_allowed", path="/v1/models"),
    "odd method": Case(status=405, code="method_not_allowed", method="PROPFIND", body=b""),
    "unserved model": Case(status=404, code="model_not_found", param="model", body=chat_with(model="zebra")),
}
KEYS = {
    "no key": Case(status=401, code="missing_api_key", key=None),
    "no key for models": Case(status=401, code="missing_api_key", key=None, path="/v1/models", method="GET", body=b""),
    "wrong key": Case(status=401, code="invalid_api_key", key="sk-wrong"),
    "empty key": Case(status=401, code="missing_api_key", key=None, headers={**JSON, "authorization": "Basic eDp5"}),
    "long key": Case(status=401, code="invalid_api_key", key="k" * 20_000),
    "odd key": Case(status=401, code="invalid_api_key", key="sk-\xe9"),
    "two carriers that disagree": Case(
        status=401, code="conflicting_api_keys", headers={**JSON, "x-api-key": "sk-other"}
    ),
    "query disagrees": Case(status=401, code="conflicting_api_keys", path=CHAT + "?key=sk-other"),
    "channel for everybody": Case(status=403, code="channel_not_allowed", key=KEY + "-1"),
}
CASES: dict[str, Case] = {
    **MALFORMED,
    **{name: Case(status=400, code=code, param=param, body=body) for name, (body, code, param) in WRONG_FIELDS.items()},
    **ELSEWHERE,
    **KEYS,
}


@pytest.fixture(scope="module", params=BOTH, ids="-".join)
async def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    kind, adapter = request.param
    async with open_bounded(kind, adapter, tmp_path_factory.mktemp("bad")) as opened:
        yield opened


def open_bounded(kind: Kind, adapter: Adapter, folder: Path) -> AbstractAsyncContextManager[Rig]:
    return open_rig(make_storage(kind, folder), adapter, max_body=LIMIT)


async def send(rig: Rig, case: Case, content: bytes | Iterator[bytes] | AsyncIterator[bytes]) -> httpx2.Response:
    headers = dict(case.headers)
    if case.key is not None:
        headers["authorization"] = f"Bearer {case.key}"
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with httpx2.AsyncClient(timeout=20) as client:
        return await client.request(case.method, rig.url + case.path, headers=raw, content=content)


def check_envelope(answer: httpx2.Response, status: int, code: str | None, param: str | None) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json().keys() == {"error"}
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error")
    assert len(error["message"]) > 20
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("name", CASES)
async def test_refused(rig: Rig, name: str) -> None:
    case = CASES[name]
    check_envelope(await send(rig, case, case.body), case.status, case.code, case.param)
    assert rig.fake.journal == []
    assert (await rig.used(), await rig.held()) == (0, 0)


async def test_too_large_in_chunks(rig: Rig) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * (LIMIT // 20)

    case = Case(status=413, code="request_too_large")
    check_envelope(await send(rig, case, chunks()), 413, "request_too_large", None)
    assert rig.fake.journal == []


@pytest.mark.parametrize("where", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "?key="])
async def test_every_carrier_of_a_key(rig: Rig, where: str) -> None:
    value = f"Bearer {KEY}" if where == "authorization" else KEY
    query = f"?key={KEY}" if where == "?key=" else ""
    case = Case(status=200, code=None, key=None, path="/v1/models" + query, method="GET", body=b"")
    if not query:
        case = Case(status=200, code=None, key=None, path="/v1/models", method="GET", body=b"", headers={where: value})
    assert (await send(rig, case, b"")).status_code == 200


async def test_as_many_headers_as_browsers_and_proxies_send(rig: Rig) -> None:
    headers = {f"x-header-{n}": "v" * 200 for n in range(80)}
    case = Case(status=200, code=None, path="/v1/models", method="GET", headers=headers)
    assert (await send(rig, case, b"")).status_code == 200


async def test_allowed_methods_are_told(rig: Rig) -> None:
    assert (await send(rig, Case(status=405, code=None, method="PUT"), b"")).headers["allow"] == "POST"


async def test_refusals_are_recorded_without_cost(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    kind, adapter = parts
    async with open_bounded(kind, adapter, tmp_path) as rig:
        await send(rig, Case(status=400, code=None), b"{")
        await send(rig, Case(status=404, code=None), chat_with(model="zebra"))
        await send(rig, Case(status=401, code=None, key="sk-wrong"), GOOD)
        records = await rig.recorded(2)
    assert [(r.status, r.reason, r.cost, r.usage) for r in records] == [
        (400, "refused", 0, None),
        (404, "refused", 0, None),
    ]
    assert [r.token_name for r in records] == ["bob", "bob"]
