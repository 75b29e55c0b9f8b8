"""Every format is told what to do in the same words, and no body is too odd for it."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posting import changed, post

from oneapi_asgi.testing import FakeUpstream
from oneapi_asgi.testing.upstream.answers import answer_to
from oneapi_asgi.testing.upstream.formats import Rules
from oneapi_asgi.testing.upstream.http import Request

BEARER = {"authorization": "Bearer key"}
ANTHROPIC = {"x-api-key": "key", "anthropic-version": "2023-06-01"}


def talk(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def contents(text: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def blocks(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": text}]}]}


FORMATS: dict[str, tuple[str, dict[str, str], Any]] = {
    "chat": ("/v1/chat/completions", BEARER, talk),
    "responses": ("/v1/responses", BEARER, lambda text: {"model": "m", "input": text}),
    "completions": ("/v1/completions", BEARER, lambda text: {"model": "m", "prompt": text}),
    "anthropic": ("/v1/messages", ANTHROPIC, lambda text: talk(text) | {"max_tokens": 99}),
    "gemini": ("/v1beta/models/gemini-2.5-flash:generateContent", {"x-goog-api-key": "key"}, contents),
    "bedrock": ("/model/a.b/converse", BEARER, blocks),
    "cohere": ("/v2/chat", BEARER, talk),
    "ollama": ("/api/chat", {}, lambda text: talk(text) | {"stream": False}),
}
STREAMS = {
    **{name: FORMATS[name] for name in ("chat", "responses", "completions", "anthropic", "cohere", "ollama")},
    "gemini": ("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", {"x-goog-api-key": "key"}, contents),
    "bedrock": ("/model/a.b/converse-stream", BEARER, blocks),
}
IN_PATH = {"gemini", "bedrock"}


@pytest.mark.parametrize("form", FORMATS)
async def test_in_the_users_text_or_a_header(form: str) -> None:
    path, headers, body = FORMATS[form]
    async with FakeUpstream(strict=True) as upstream:
        plain = await post(upstream.root + path, body("Hello"), headers)
        marked = await post(upstream.root + path, body('Well, fake:{"tokens": 2} it is'), headers)
        headed = await post(upstream.root + path, body("Hello"), headers | {"x-fake": '{"tokens": 2}'})
        refused = await post(
            upstream.root + path, body('fake:{"status": 429, "headers": {"retry-after": "7"}}'), headers
        )
        odd = await post(upstream.root + path, body('fake:{"typo": 2}'), headers)
        outputs = [entry.usage and entry.usage.output for entry in upstream.journal]
    assert [answer.status_code for answer in (plain, marked, headed, refused, odd)] == [200, 200, 200, 429, 400]
    assert outputs == [8, 2, 2, None, None]
    assert refused.headers["retry-after"] == "7"


async def test_the_last_turn_in_which_the_user_speaks_tells() -> None:
    said = [
        {"role": "user", "content": 'fake:{"tokens": 2}'},
        {"role": "assistant", "content": 'fake:{"tokens": 3}'},
        {"role": "user", "content": "And now?"},
    ]
    async with FakeUpstream() as upstream:
        await post(f"{upstream.url}/chat/completions", {"messages": said})
        await post(f"{upstream.url}/chat/completions", {"messages": said[:2]})
        outputs = [entry.usage and entry.usage.output for entry in upstream.journal]
    assert outputs == [8, 2]


@pytest.mark.parametrize("form", STREAMS)
async def test_streams_break_off_and_hang(form: str) -> None:
    path, headers, body = STREAMS[form]
    more = {} if form in IN_PATH else {"stream": True}
    async with FakeUpstream(strict=True) as upstream, httpx2.AsyncClient() as client:
        url = upstream.root + path
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(url, json=body('fake:{"then": "close", "after": 2}') | more, headers=headers)
        hanging = body('fake:{"then": "hang", "after": 2}') | more
        with pytest.raises(httpx2.ReadTimeout):
            await client.post(url, json=hanging, headers=headers, timeout=httpx2.Timeout(5, read=0.1))
        empty = await client.post(url, json=body('fake:{"after": 0}') | more, headers=headers)
        await upstream.idle()
    assert (empty.status_code, empty.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "headers", "field"),
    [
        ("/v1/models", {}, "data"),
        ("/v1/models", ANTHROPIC, "last_id"),
        ("/v1/models", {"x-goog-api-key": "key"}, "models"),
        ("/v1/models?key=key", {}, "models"),
        ("/v1beta/models?key=key", {}, "models"),
        ("/v1beta1/publishers/google/models", {"x-goog-api-key": "key"}, "publisherModels"),
        ("/v1/models", BEARER | {"x-fern-language": "Python"}, "models"),
        ("/openai/models?api-version=1", {"api-key": "key"}, "data"),
        ("/v1beta/openai/models", BEARER, "data"),
        ("/foundation-models", BEARER, "modelSummaries"),
        ("/api/tags", {}, "models"),
        ("/api/version", {}, "version"),
    ],
)
async def test_lists_of_models(path: str, headers: dict[str, str], field: str) -> None:
    async with FakeUpstream() as upstream, httpx2.AsyncClient() as client:
        answer = await client.get(upstream.root + path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()[field]


async def test_unknown_paths() -> None:
    async with FakeUpstream() as upstream:
        for path in ("/v1/nothing", "/v2/nothing", "/api/nothing", "/model/x/nothing"):
            assert (await post(upstream.root + path, {})).status_code == 404


# --- no body is too odd -----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "x", "user", "{"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "role", "content", "parts", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = {
    "chat": ("messages", "messages.0", "messages.0.content", "tools", "tool_choice", "response_format", "stop", "n"),
    "responses": ("input", "tools", "text", "reasoning", "include", "tool_choice"),
    "completions": ("prompt", "n", "stream_options"),
    "anthropic": ("messages", "messages.0.content", "system", "tools", "thinking", "output_config", "tool_choice"),
    "gemini": ("contents", "contents.0.parts", "tools", "generationConfig", "toolConfig", "systemInstruction"),
    "bedrock": ("messages", "messages.0.content", "system", "toolConfig", "inferenceConfig", "outputConfig"),
    "cohere": ("messages", "messages.0.content", "tools", "response_format", "documents", "thinking"),
    "ollama": ("messages", "messages.0.content", "tools", "options", "format", "think", "keep_alive"),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("form", PLACES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_body_has_an_answer(form: str, strict: bool, data: st.DataObject) -> None:
    path, headers, body = FORMATS[form]
    odd = changed(body("Hello"), {data.draw(st.sampled_from(PLACES[form])): data.draw(JSON)})
    request = Request("POST", path, [*headers.items()], json.dumps(odd).encode())
    answer = answer_to(request, 1, Rules(strict=strict))
    assert answer.status in {200, 400}
    assert msgspec.json.decode(b"".join(part[0] for part in answer.parts))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 9999, b'{"messages":' + b"[" * 9999])
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "completions"])
def test_bodies_that_are_none(form: str, body: bytes) -> None:
    path, headers, _ = FORMATS[form]
    answer = answer_to(Request("POST", path, [*headers.items()], body), 1, Rules(strict=True))
    assert answer.status == 400
