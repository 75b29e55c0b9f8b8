"""Cases of translation that only the whole gateway shows: requests of a client's format that every upstream has to take
(the fake refuses what providers refuse), and what passes without being touched. Numbers are those of the cases."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from oneapi_asgi.testing import Answer, Part

from .dialect_clients import Clients, open_clients
from .dialect_want import PIXEL, SCHEMA, Want
from .dialects import ROWS, journal, last_record, marked, open_dialects
from .serving import Rig

EIGHT_WORDS = "The quick brown fox jumps over the lazy"


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[tuple[Rig, Clients]]:
    async with open_dialects() as rig, open_clients(rig.url) as clients:
        yield rig, clients


@pytest.fixture
async def rig(shared: tuple[Rig, Clients]) -> Rig:
    await shared[0].clear()
    return shared[0]


@pytest.fixture
def clients(shared: tuple[Rig, Clients], rig: Rig) -> Clients:
    return shared[1]


# --- what OpenAI's chat allows, everybody is told in a way that is allowed there --------------------------------------

Body = dict[str, Any]
LIKE = {"vertex-claude"}
TRANSLATED = ["anthropic", "gemini", "gemini-3", "vertex-claude", "bedrock", "cohere", "ollama"]


def said(role: str, content: Any = "Hello", **more: Any) -> Body:
    return {"role": role, "content": content, **more}


def tool(name: str = "weather", **more: Any) -> Body:
    return {"type": "function", "function": {"name": name, **more}}


def called(*ids: str, arguments: str = '{"city": "Paris", "days": 1}', content: Any = None) -> Body:
    function = {"name": "weather", "arguments": arguments}
    return said("assistant", content, tool_calls=[{"id": i, "type": "function", "function": function} for i in ids])


def answered(call_id: str, content: Any = "Fine.") -> Body:
    return said("tool", content, tool_call_id=call_id)


TOOLS = [tool(parameters=SCHEMA)]
ODD_SCHEMA: Body = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}},
    "properties": {
        "where": {"$ref": "#/$defs/place"},
        "kind": {"const": "now"},
        "unit": {"type": ["string", "null"], "enum": ["", "c", "f", None]},
        "tags": {"type": "array"},
        "either": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    },
    "additionalProperties": False,
}
SAID: dict[str, Body] = {
    "C1-system-and-developer": {"messages": [said("system", "Be kind."), said("developer", "Be short."), said("user")]},
    "C2-system-within": {
        "messages": [said("user"), said("assistant", "Hi"), said("system", "Be short."), said("user", "Now?")]
    },
    "C3-turns-of-one-role": {
        "messages": [said("user"), said("user", "Again"), said("assistant"), said("assistant"), said("user")]
    },
    "C6-stop": {"messages": [said("user")], "stop": "END"},
    "C6-stops": {"messages": [said("user")], "stop": ["END", "STOP"]},
    "C7-temperature": {"messages": [said("user")], "temperature": 1.8},
    "C8-sampling": {
        "messages": [said("user")],
        "seed": 1,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "logit_bias": {"1": 5},
        "logprobs": True,
        "top_logprobs": 2,
    },
    "C9-user": {"messages": [said("user")], "user": "somebody"},
    "C15-tool-without-parameters": {"messages": [said("user")], "tools": [tool()]},
    "C11-C14-schemas": {"messages": [said("user")], "tools": [tool(parameters=ODD_SCHEMA)]},
    "C16-required": {"messages": [said("user")], "tools": TOOLS, "tool_choice": "required"},
    "C16-named": {
        "messages": [said("user")],
        "tools": [*TOOLS, tool("clock")],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
    },
    "C17-none": {"messages": [said("user")], "tools": TOOLS, "tool_choice": "none"},
    "C17-none-with-history": {
        "messages": [said("user"), called("a"), answered("a"), said("user")],
        "tools": TOOLS,
        "tool_choice": "none",
    },
    "C18-one-at-a-time": {"messages": [said("user")], "tools": TOOLS, "parallel_tool_calls": False},
    "C20-no-arguments": {"messages": [said("user"), called("a", arguments=""), answered("a")], "tools": TOOLS},
    "C22-results-and-more": {
        "messages": [said("user"), called("a", "b"), answered("a"), answered("b"), said("user", "So?")],
        "tools": TOOLS,
    },
    "C22-results-in-another-order": {
        "messages": [said("user"), called("a", "b"), answered("b"), answered("a")],
        "tools": TOOLS,
    },
    "C23-results-in-parts": {
        "messages": [said("user"), called("a"), answered("a", [{"type": "text", "text": "Fine."}])],
        "tools": TOOLS,
    },
    "C24-odd-ids": {
        "messages": [said("user"), called("call|1:é", "call.2"), answered("call|1:é"), answered("call.2")],
        "tools": TOOLS,
    },
    "C26-calls-without-tools": {"messages": [said("user"), called("a"), answered("a"), said("user")]},
    "C27-functions": {
        "messages": [
            said("user"),
            said("assistant", None, function_call={"name": "weather", "arguments": "{}"}),
            said("function", "Fine.", name="weather"),
        ],
        "functions": [{"name": "weather", "parameters": SCHEMA}],
    },
    "C34-json": {"messages": [said("user", "Say it in JSON.")], "response_format": {"type": "json_object"}},
    "C34-json-with-tools": {
        "messages": [said("user", "Say it in JSON.")],
        "response_format": {"type": "json_object"},
        "tools": TOOLS,
    },
    "C35-little-room-to-think": {
        "messages": [said("user")],
        "reasoning_effort": "low",
        "max_completion_tokens": 100,
    },
    "C36-thoughts-and-temperature": {"messages": [said("user")], "reasoning_effort": "high", "temperature": 0.2},
    "C36-thoughts-and-a-forced-tool": {
        "messages": [said("user")],
        "reasoning_effort": "medium",
        "tools": TOOLS,
        "tool_choice": "required",
    },
    "C38-no-thoughts": {"messages": [said("user")], "reasoning_effort": "none"},
    "C43-empty-texts": {
        "messages": [said("system", ""), said("user"), said("assistant", ""), said("user", "Go on")],
    },
    "C45-prefill": {"messages": [said("user"), said("assistant", "Well,  ")]},
    "assistant-first": {"messages": [said("assistant", "Welcome."), said("user")]},
}


SPOKEN = [
    pytest.param(
        row,
        stream,
        id=f"{row}-{'stream' if stream else 'whole'}",
        marks=pytest.mark.slow if stream or row in LIKE else (),
    )
    for row in TRANSLATED
    for stream in (False, True)
]


@pytest.mark.parametrize(("row", "stream"), SPOKEN)
@pytest.mark.parametrize("case", SAID)
async def test_what_chat_allows(rig: Rig, row: str, case: str, stream: bool) -> None:
    answer = await rig.post({"model": row, **SAID[case], "stream": stream})
    assert answer.status_code == 200, answer.text
    assert (len(journal(rig)), journal(rig)[0].status) == (1, 200)
    if stream:
        assert answer.text.endswith("data: [DONE]\n\n")
        return
    choice = answer.json()["choices"][0]
    assert choice["finish_reason"] in {"stop", "tool_calls", "function_call", "length"}
    forced = case.startswith("C16") and ROWS[row].format != "ollama"
    assert bool(choice["message"].get("tool_calls")) or not forced
    if case.startswith("C17"):
        assert choice["message"]["content"] == EIGHT_WORDS


@pytest.mark.parametrize("row", ["anthropic", "gemini", "bedrock", "cohere", "ollama"])
async def test_c44_only_system_messages(rig: Rig, row: str) -> None:
    answer = await rig.post({"model": row, "messages": [said("system", "Be kind.")]})
    assert answer.status_code in {200, 400}
    assert answer.status_code == 200 or journal(rig) == []


@pytest.mark.parametrize(
    ("messages", "word"),
    [
        pytest.param([said("user"), called("a")], "'a'", id="C25-call-without-a-result"),
        pytest.param([said("user"), called("a"), said("user")], "'a'", id="C25-call-left-behind"),
        pytest.param([said("user"), answered("b")], "'b'", id="C25-result-without-a-call"),
        pytest.param([said("user"), called("a", arguments="{no"), answered("a")], "'weather'", id="C21-no-json"),
    ],
)
@pytest.mark.parametrize("row", ["anthropic", "gemini", "bedrock", "cohere", "ollama"])
async def test_c21_c25_what_nobody_would_take(rig: Rig, messages: list[Body], word: str, row: str) -> None:
    answer = await rig.post({"model": row, "messages": messages, "tools": TOOLS})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert word in answer.json()["error"]["message"]
    assert journal(rig) == []


# --- files behind links -----------------------------------------------------------------------------------------------


def pictured(url: str) -> list[Body]:
    return [said("user", [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}])]


async def test_c29_links_are_not_followed(rig: Rig) -> None:
    url = f"{rig.fake.root}/picture.png"
    answer = await rig.post({"model": "anthropic", "messages": pictured(url)})
    assert answer.status_code == 200
    (entry,) = journal(rig)
    assert json.loads(entry.body)["messages"][0]["content"][1]["source"] == {"type": "url", "url": url}
    refused = await rig.post({"model": "bedrock", "messages": pictured(url)})
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")
    assert len(journal(rig)) == 1


async def test_c29_links_are_followed_to_hosts_that_are_named() -> None:
    async with open_dialects(fetch_hosts=["127.0.0.1"]) as rig:
        picture = Answer(headers=[("content-type", "image/png")], parts=[Part(base64.b64decode(PIXEL))])
        rig.fake.script(picture)
        answer = await rig.post({"model": "bedrock", "messages": pictured(f"{rig.fake.root}/picture.png")})
        assert answer.status_code == 200, answer.text
        assert [entry.method for entry in journal(rig)] == ["GET", "POST"]
        assert PIXEL.encode() in journal(rig)[1].body


# --- models that reason -----------------------------------------------------------------------------------------------


async def test_c46_models_that_reason_get_what_they_take(rig: Rig, clients: Clients) -> None:
    want = Want("Hello", max_output=99, more={"extra_body": {"temperature": 0.5}})
    reply = await clients["anthropic"].ask("openai-reasoning", want)
    assert reply.text == EIGHT_WORDS
    assert clients.headers["x-oneapi-dropped-params"] == "temperature"
    sent = json.loads(journal(rig)[0].body)
    assert sent["max_completion_tokens"] == 99
    assert not {"max_tokens", "temperature"} & sent.keys()


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ["openai", "anthropic", "gemini", "bedrock"])
async def test_c57_too_long_a_prompt(clients: Clients, row: str) -> None:
    told = {
        "openai": {"message": "Too many tokens.", "code": "context_length_exceeded"},
        "anthropic": {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
        "gemini": {
            "message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."
        },
        "bedrock": {"message": "Input is too long for requested model."},
    }
    with pytest.raises(openai.BadRequestError) as caught:
        await clients["chat"].ask(row, Want(marked(status=400, **told[row])))
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("row", ["openai", "azure", "deepseek"])
async def test_c58_errors_keep_their_code(clients: Clients, row: str) -> None:
    want = Want(marked(status=400, message="It is too long.", code="string_above_max_length"))
    with pytest.raises(openai.BadRequestError, match="too long") as caught:
        await clients["chat"].ask(row, want)
    assert (caught.value.code, caught.value.type) == ("string_above_max_length", "invalid_request_error")


# --- the form of what is told -----------------------------------------------------------------------------------------


async def test_c61_c66_chunks(rig: Rig) -> None:
    body = {"model": "anthropic", "messages": [said("user")], "stream": True}
    told = await rig.post(body | {"stream_options": {"include_usage": True}})
    untold = await rig.post(body)
    chunks = [json.loads(line[6:]) for line in told.text.split("\n\n")[:-2]]
    first, *_, finish, usage = chunks
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 8)
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert all("finish_reason" in choice for chunk in chunks for choice in chunk["choices"])
    assert '"usage"' not in untold.text


async def test_c69_c70_what_anthropics_clients_say(rig: Rig, clients: Clients) -> None:
    sdk: anthropic.AsyncAnthropic = clients["anthropic"].sdk
    messages: Any = [
        said("user"),
        said("assistant", [{"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Rome", "days": 2}}]),
        said("user", [{"type": "tool_result", "tool_use_id": "a", "content": "No such city", "is_error": True}]),
    ]
    answer = await sdk.messages.create(
        model="openai",
        max_tokens=99,
        messages=messages,
        tools=[{"name": "weather", "input_schema": SCHEMA}],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        extra_body={"top_k": 5},
    )
    assert answer.id.startswith("msg_")
    sent = json.loads(journal(rig)[0].body)
    assert (sent["parallel_tool_calls"], sent["stop"]) == (False, ["END"])
    assert "top_k" not in sent
    assert "rror" in sent["messages"][-1]["content"]
    assert clients.headers["x-oneapi-dropped-params"] == "top_k"


@pytest.mark.parametrize("name", ["responses", "anthropic", "gemini", "cohere", "ollama"])
async def test_c74_chat_is_what_others_are_asked_by(rig: Rig, clients: Clients, name: str) -> None:
    await clients[name].ask("mistral", Want("Hello"))
    assert [entry.path for entry in journal(rig)] == ["/v1/chat/completions"]


# --- what is left out, and what is refused instead --------------------------------------------------------------------

SAFETY = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
DROPPED: list[tuple[str, str, Body, str]] = [
    ("chat", "anthropic", {"seed": 1, "n": 2, "logit_bias": {"1": 1}, "user": "u"}, "n, seed, logit_bias"),
    ("chat", "gemini", {"seed": 1, "user": "u", "store": True}, "user, store"),
    ("chat", "bedrock", {"stop": ["x"], "presence_penalty": 0.5}, "presence_penalty"),
    ("chat", "cohere", {"service_tier": "auto", "seed": 3}, "service_tier"),
    ("responses", "anthropic", {"truncation": "auto", "max_tool_calls": 2}, "max_tool_calls, truncation"),
    ("responses", "ollama", {"text": {"verbosity": "low"}}, "text.verbosity"),
    ("anthropic", "openai", {"stop_sequences": ["x"], "extra_body": {"top_k": 5}}, "top_k"),
    ("anthropic", "openai-responses", {"stop_sequences": ["x"]}, "stop_sequences"),
    ("gemini", "anthropic", {"candidate_count": 2, "seed": 1, "top_k": 3}, "candidateCount, seed"),
    ("gemini", "openai", {"top_k": 3, "safety_settings": SAFETY}, "topK, safetySettings"),
    ("cohere", "openai", {"k": 5, "safety_mode": "OFF"}, "k, safety_mode"),
    ("ollama", "openai", {"options": {"top_k": 3, "mirostat": 1}}, "options.top_k, options.mirostat"),
]


@pytest.mark.parametrize(("name", "row", "more", "names"), DROPPED, ids=[f"{d[0]}-{d[1]}" for d in DROPPED])
async def test_parameters_that_cannot_be_said(
    rig: Rig, clients: Clients, name: str, row: str, more: Body, names: str
) -> None:
    want = Want("Hello", more=more)
    for stream in (False, True):
        reply = await clients[name].ask(row, want, stream=stream)
        assert reply.text == EIGHT_WORDS
        assert clients.headers["x-oneapi-dropped-params"] == names
    await rig.clear()
    with pytest.raises(Exception, match=r"400|not supported") as caught:
        await clients[name].ask(f"strict-{row}", want)
    assert names.partition(",")[0] in str(getattr(caught.value, "body", caught.value))
    assert (await last_record(rig, clients.call_id)).status == 400
    assert journal(rig) == []


# --- what passes as it is ---------------------------------------------------------------------------------------------

NATIVE: dict[str, tuple[str, str, bytes, bytes]] = {
    "openai": (
        "/v1/chat/completions",
        "mistral",
        b'{ "model" : "%b", "odd":[1.0, 2e3 ,"\\u00e9"],\n "messages":[{"role":"user","content":"Hi","odd":null}] }',
        b'{"choices": [{"message": {"role": "assistant", "content": "Hi", "odd": 1.50}, "index": 0}], "odd":  [1e2]}',
    ),
    "responses": (
        "/v1/responses",
        "openai-responses",
        b'{ "model" : "%b", "odd":[1.0, 2e3],\n "input":[{"role":"user","content":"Hi","odd":null}] }',
        b'{"id": "resp_1", "object": "response", "status": "completed", "output": [], "odd":  [1e2]}',
    ),
    "anthropic": (
        "/v1/messages",
        "anthropic",
        b'{ "model" : "%b", "max_tokens": 9, "odd":[1.0],\n "messages":[{"role":"user","content":"Hi","odd":null}] }',
        b'{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}], "odd":  [1e2]}',
    ),
    "gemini": (
        "/v1beta/models/gemini:generateContent",
        "gemini",
        b'{ "odd":[1.0], "contents":[{"role":"user","parts":[{"text":"Hi"}],"odd":null}] }',
        b'{"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "odd": 1}], "odd":  [1e2]}',
    ),
    "cohere": (
        "/v2/chat",
        "cohere",
        b'{ "model" : "%b", "odd":[1.0], "messages":[{"role":"user","content":"Hi","odd":null}] }',
        b'{"id": "1", "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}, "odd":  [1e2]}',
    ),
    "ollama": (
        "/api/chat",
        "ollama",
        b'{ "model" : "%b", "stream": false, "odd":[1.0], "messages":[{"role":"user","content":"Hi","odd":null}] }',
        b'{"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": true, "odd":  [1e2]}',
    ),
}


@pytest.mark.parametrize("form", NATIVE)
async def test_c68_same_formats_pass_untouched(rig: Rig, form: str) -> None:
    """Byte for byte, but for the model's name."""
    path, row, asked, told = NATIVE[form]
    fake = rig.fakes[ROWS[row].alike]
    fake.script(Answer(parts=[Part(told)]))
    sent = asked.replace(b"%b", row.encode())
    answer = await rig.http.post(rig.url + path, content=sent, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.content) == (200, told)
    assert fake.journal[0].body == asked.replace(b"%b", ROWS[row].model.encode())


async def test_c68_headers_of_a_format_go_with_it(rig: Rig) -> None:
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "context-1m", "x-odd": "1", "cookie": "a=b"}
    body = {"model": "anthropic", "max_tokens": 9, "messages": [said("user")]}
    answer = await rig.http.post(f"{rig.url}/v1/messages", json=body, headers=headers)
    assert answer.status_code == 200
    (entry,) = journal(rig)
    assert entry.header("anthropic-beta") == "context-1m"
    assert (entry.header("x-odd"), entry.header("cookie")) == (None, None)
    async with httpx2.AsyncClient(headers=rig.http.headers) as http:
        await http.post(f"{rig.url}/v1/messages", json=body | {"model": "openai"}, headers=headers)
    assert journal(rig)[-1].header("anthropic-beta") is None
