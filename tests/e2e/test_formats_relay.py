"""What a gateway makes of channels that differ: in how they stream, in what they can do, in how they fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oneapi_asgi import CallRecord, Channel, Ejection, MemoryStorage, Secret, Timeouts
from oneapi_asgi.pricing import cost
from oneapi_asgi.testing import Answer, FakeUpstream, Part

from .dialects import marked
from .hangup import asking, read_until
from .serving import PRICE, Rig, eventually, open_rig

WORDS = "The quick brown fox jumps over the lazy"
DROPPED = "x-oneapi-dropped-params"


def to(fake: FakeUpstream, name: str, provider: str = "openai-compatible", *, below: str = "", **more: Any) -> Channel:
    """A channel; ``model_map`` turns what callers name into a model of the fake's."""
    plain = provider in ("openai", "openai-compatible")
    return Channel(
        id=0,
        name=name,
        provider=provider,
        base_url=f"{fake.root}{below or ('/v1' if plain else '')}",
        api_keys=(Secret("upstream-key"),),
        **{"models": (name,), **more},
    )


@asynccontextmanager
async def gateway(make: Callable[[FakeUpstream], Sequence[Channel]], **options: Any) -> AsyncIterator[Rig]:
    async with open_rig(
        MemoryStorage(), channels=lambda fakes: make(fakes[0]), **{"health": Ejection(judge=False), **options}
    ) as rig:
        yield rig


def chat(model: str, prompt: str = "What does the fox do?", *, stream: bool = False, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": stream, **more}


def text_of(body: bytes) -> str:
    """Of a chat, streamed or whole."""
    if not body.startswith(b"data: "):
        found: str = json.loads(body)["choices"][0]["message"]["content"]
        return found
    chunks = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def charged_once(record: CallRecord) -> None:
    assert record.usage is not None
    assert record.cost == cost(record.usage, PRICE) > 0


# --- channels that stream always, or never ----------------------------------------------------------------------------


@pytest.mark.parametrize("quirk", ["stream_only", "never_streams"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/messages"])
async def test_streams_always_or_never(quirk: str, stream: bool, path: str) -> None:
    def channels(fake: FakeUpstream) -> list[Channel]:
        return [to(fake, "m", options={"quirks": quirk})]

    async with gateway(channels) as rig:
        body = chat("m", stream=stream, max_tokens=50)
        if path == "/completions":
            body["prompt"] = body.pop("messages")[0]["content"]
        answer = await rig.post(body, path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
        (asked,) = rig.fake.journal
        native = path != "/messages" and stream == (quirk == "stream_only")
        assert asked.path == ("/v1" + path if native else "/v1/chat/completions")
        assert json.loads(asked.body).get("stream", False) is (quirk == "stream_only")
        assert "quick" in answer.text
        record = await rig.record()
        assert (record.reason, record.stream, record.usage) == ("done", stream, asked.usage)
        charged_once(record)
        assert await rig.used() == record.cost
        assert await rig.held() == 0


# --- names and quirks -------------------------------------------------------------------------------------------------


async def test_effort_by_the_name_of_a_model() -> None:
    def channels(fake: FakeUpstream) -> list[Channel]:
        return [
            to(fake, "o", "openai", models=("gpt-5", "named-high")),
            to(fake, "a", "anthropic", models=("claude-sonnet-4-5",)),
        ]

    async with gateway(channels, effort_suffixes=True) as rig:
        for model, told in {
            "gpt-5-high": ("gpt-5", "high"),
            "gpt-5": ("gpt-5", None),
            "named-high": ("named-high", None),
        }.items():
            answer = await rig.post(chat(model))
            sent = json.loads(rig.fake.journal[-1].body)
            assert (sent["model"], sent.get("reasoning_effort")) == told
            assert text_of(answer.content) == WORDS
        answer = await rig.post(chat("gpt-5-low"))
        assert answer.json()["model"] == "gpt-5-low", "as the caller calls it"
        await rig.post(chat("claude-sonnet-4-5-thinking", max_tokens=8000), "/messages")
        assert json.loads(rig.fake.journal[-1].body)["thinking"]["type"] in ("enabled", "adaptive")
        records = await rig.recorded(5)
        assert [record.model for record in records][-1] == "claude-sonnet-4-5-thinking"
        assert [record.upstream_model for record in records][-1] == "claude-sonnet-4-5"
        assert (await rig.post(chat("gpt-4-high"))).status_code == 404


async def test_no_effort_by_name_unless_it_is_switched_on() -> None:
    async with gateway(lambda fake: [to(fake, "gpt-5", "openai")]) as rig:
        assert (await rig.post(chat("gpt-5-high"))).status_code == 404


# --- what a channel cannot say, or cannot do --------------------------------------------------------------------------


def lax_and_strict(fake: FakeUpstream) -> list[Channel]:
    lax = to(fake, "lax", "anthropic")
    strict = to(fake, "strict", "anthropic", unsupported="refuse", models=("strict", "either"))
    return [lax, strict, to(fake, "spare", models=("either",), priority=-1)]


async def test_parameters_that_a_channel_cannot_take() -> None:
    async with gateway(lax_and_strict) as rig:
        answer = await rig.post(chat("lax", seed=5, logit_bias={"1": 2}))
        assert (answer.status_code, answer.headers[DROPPED]) == (200, "seed, logit_bias")
        streamed = await rig.post(chat("lax", stream=True, seed=5))
        assert (streamed.status_code, streamed.headers[DROPPED]) == (200, "seed")
        assert DROPPED not in (await rig.post(chat("lax"))).headers
        asked = len(rig.fake.journal)
        refused = await rig.post(chat("strict", seed=5))
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "seed")
        assert refused.json()["error"]["code"] == "unsupported_parameter"
        assert len(rig.fake.journal) == asked
        assert (await rig.post(chat("strict"))).status_code == 200
        either = await rig.post(chat("either", seed=5))
        assert (either.status_code, text_of(either.content)) == (200, WORDS)
        assert DROPPED not in either.headers
        records = await rig.recorded(6)
        assert [attempt.failure for attempt in records[-1].attempts] == ["unsupported", ""]
        assert [attempt.channel for attempt in records[-1].attempts] == ["strict", "spare"]
        assert (records[3].reason, records[3].cost, records[3].status) == ("refused", 0, 400)


async def test_what_no_channel_can_do_and_what_only_the_second_can() -> None:
    def channels(fake: FakeUpstream) -> list[Channel]:
        return [
            to(fake, "claude", "anthropic", models=("claude", "both")),
            to(fake, "gemini", "gemini", models=("claude",), priority=-1),
            to(fake, "speaker", models=("both",), priority=-1),
        ]

    async with gateway(channels) as rig:
        speech = {"model": "claude", "input": "hi", "voice": "alloy"}
        answer = await rig.post(speech, "/audio/speech")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unsupported_operation")
        assert "speech" in answer.json()["error"]["message"]
        assert rig.fake.journal == []
        spoken = await rig.post(speech | {"model": "both"}, "/audio/speech")
        assert spoken.status_code == 200
        assert [entry.path for entry in rig.fake.journal] == ["/v1/audio/speech"]
        first, second = await rig.recorded(2)
        assert [attempt.failure for attempt in first.attempts] == ["unsupported"] * 2
        assert (first.reason, first.cost) == ("refused", 0)
        assert [attempt.failure for attempt in second.attempts] == ["unsupported", ""]


async def test_what_cannot_be_understood_here_may_pass_elsewhere() -> None:
    def channels(fake: FakeUpstream) -> list[Channel]:
        return [to(fake, "a", "anthropic", models=("m", "only")), to(fake, "b", models=("m",), priority=-1)]

    async with gateway(channels) as rig:
        odd = {"messages": [{"role": "user", "content": [{"type": "hologram"}, {"type": "text", "text": "hi"}]}]}
        assert text_of((await rig.post(chat("m") | odd)).content) == WORDS
        refused = await rig.post(chat("only") | odd)
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")
        records = await rig.recorded(2)
        assert [record.reason for record in records] == ["done", "refused"]


async def test_tokens_are_counted_here_where_no_channel_counts_them() -> None:
    def channels(fake: FakeUpstream) -> list[Channel]:
        return [to(fake, "o"), to(fake, "a", "anthropic"), to(fake, "e", "anthropic", below="/nothing")]

    counting = {"messages": [{"role": "user", "content": "word " * 100}]}
    async with gateway(channels, health=Ejection()) as rig:
        for model in ("o", "a", "e"):
            if model == "e":
                rig.fake.script(Answer(status=404, parts=[Part(b'{"detail":"Not Found"}')]))
            answer = await rig.post(counting | {"model": model}, "/messages/count_tokens")
            assert answer.status_code == 200
            assert 50 < answer.json()["input_tokens"] < 300
        told = await rig.http.post(
            f"{rig.url}/v1beta/models/o:countTokens", json={"contents": [{"parts": [{"text": "word " * 100}]}]}
        )
        assert 50 < told.json()["totalTokens"] < 300
        assert [record.cost for record in await rig.recorded(4)] == [0] * 4
        assert rig.gateway.pool.health.calm, "who cannot count may well talk"


async def test_the_words_of_a_failure_are_not_waited_for() -> None:
    def channels(fake: FakeUpstream) -> list[Channel]:
        return [to(fake, "m", priority=1), to(fake, "second", models=("m",))]

    async with gateway(channels) as rig:
        rig.fake.script(Answer(status=503, content_length=1_000, parts=[Part(b'{"error":')], then="hang"))
        async with asyncio.timeout(5):
            assert (await rig.post(chat("m"))).status_code == 200


# --- arrays -----------------------------------------------------------------------------------------------------------

ARRAY = (
    b'[{"candidates": [{"content": {"parts": [{"text": "Gr\xc3\xbc\xc3\x9f"}],"role": "model"}}],'
    b'\n "modelVersion": "g"}\n'
    b',\r\n{"candidates": [{"content": {"parts": [{"text": " ]}"}]},"finishReason": "STOP"}],'
    b'"usageMetadata": {"promptTokenCount": 5,"candidatesTokenCount": 2}}\n]\n'
)
JSON = [("content-type", "application/json; charset=UTF-8")]
CONTENTS = {"contents": [{"parts": [{"text": "hi"}]}]}


def gemini(fake: FakeUpstream) -> list[Channel]:
    return [to(fake, "g", "gemini"), to(fake, "spare", models=("g",), priority=-1)]


@pytest.mark.parametrize("size", [1, 10, 1000])
async def test_an_array_passes_byte_for_byte(size: int) -> None:
    parts = [Part(ARRAY[at : at + size]) for at in range(0, len(ARRAY), size)]
    async with gateway(gemini) as rig:
        rig.fake.script(Answer(headers=JSON, parts=parts))
        answer = await rig.http.post(f"{rig.url}/v1beta/models/g:streamGenerateContent", json=CONTENTS)
        assert (answer.status_code, answer.content) == (200, ARRAY)
        record = await rig.record()
        assert record.usage is not None
        assert (record.usage.input, record.usage.output, record.usage.estimated) == (5, 2, False)
        assert (record.reason, record.stream) == ("done", True)
        charged_once(record)


@pytest.mark.parametrize("end", [70, 120, ARRAY.index(b",\r\n") + 1, ARRAY.index(b",\r\n") + 30])
async def test_an_array_that_is_cut(end: int) -> None:
    async with gateway(gemini) as rig:
        rig.fake.script(Answer(headers=JSON, parts=[Part(ARRAY[:end])], then="close"))
        answer = await rig.http.post(f"{rig.url}/v1beta/models/g:streamGenerateContent", json=CONTENTS)
        whole = answer.json()
        record = await rig.record()
        if end < ARRAY.index(b"\n,"):
            assert [attempt.channel for attempt in record.attempts] == ["g", "spare"]
            return
        assert whole[-1]["error"]["status"]
        assert whole[0]["modelVersion"] == "g"
        assert record.reason == "upstream_cut"
        assert record.usage is not None
        assert record.usage.estimated
        charged_once(record)


# --- answers that fail ------------------------------------------------------------------------------------------------

STREAMED: dict[str, tuple[str, str, bytes]] = {
    "anthropic": ("anthropic", "text/event-stream", b'data: {"type":"error","error":{"type":"overloaded_error"}}\n\n'),
    "gemini": ("gemini", "text/event-stream", b'data: {"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}\n\n'),
    "cohere": ("cohere", "text/event-stream", b'data: {"type":"message-end","delta":{"finish_reason":"ERROR"}}\n\n'),
    "ollama": ("ollama", "application/x-ndjson", b'{"error":"overloaded"}\n'),
    "responses": ("openai-responses", "text/event-stream", b'data: {"type":"error","code":"c","message":"m"}\n\n'),
    "dify": ("dify", "text/event-stream", b'data: {"event":"error","status":500,"code":"c","message":"m"}\n\n'),
}


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("what", ["error", "nothing", "no such format"])
async def test_an_error_in_200_or_nothing_moves_on(name: str, what: str) -> None:
    provider, content_type, error = STREAMED[name]

    def channels(fake: FakeUpstream) -> list[Channel]:
        below = "/v1" if provider == "openai-responses" else ""
        return [to(fake, "m", provider, below=below), to(fake, "spare", models=("m",), priority=-1)]

    async with gateway(channels) as rig:
        body = {"error": error, "nothing": b"", "no such format": b"<html>overloaded</html>"}[what]
        rig.fake.script(Answer(headers=[("content-type", content_type)], parts=[Part(body)] if body else []))
        answer = await rig.post(chat("m", stream=True, user="u"))
        assert (answer.status_code, text_of(answer.content)) == (200, WORDS)
        record = await rig.record()
        assert [attempt.channel for attempt in record.attempts] == ["m", "spare"]
        assert record.attempts[0].failure in ("error_in_answer", "empty_answer", "malformed_answer")
        charged_once(record)
        assert await rig.used() == record.cost


@pytest.mark.parametrize("path", ["/chat/completions", "/messages"])
async def test_a_stream_that_is_cut(path: str) -> None:
    provider = {"/chat/completions": "anthropic", "/messages": "openai-compatible"}[path]
    async with gateway(lambda fake: [to(fake, "m", provider)]) as rig:
        answer = await rig.post(chat("m", marked(then="reset", after=6), stream=True, max_tokens=50), path)
        assert answer.status_code == 200
        assert "The" in answer.text
        last = json.loads(answer.text.rpartition("data: ")[2])
        assert last["error"]["message"] == "The upstream ended before the answer was complete."
        assert "[DONE]" not in answer.text
        assert "message_stop" not in answer.text
        record = await rig.record()
        assert (record.reason, record.status) == ("upstream_cut", 200)
        assert record.usage is not None
        assert record.usage.estimated
        assert record.usage.output > 0
        charged_once(record)
        assert await rig.held() == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("then", ["reset", "close"])
async def test_what_comes_after_the_terminator_changes_nothing(stream: bool, then: Any) -> None:
    """Nobody is asked, and paid, a second time for an answer that is there."""
    events = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

    def channels(fake: FakeUpstream) -> list[Channel]:
        first = to(fake, "m", options={"quirks": "stream_only"})
        return [first, to(fake, "spare", models=("m",), priority=-1)]

    async with gateway(channels) as rig:
        rig.fake.script(Answer(headers=[("content-type", "text/event-stream")], parts=[Part(events)], then=then))
        answer = await rig.post(chat("m", stream=stream))
        assert (answer.status_code, text_of(answer.content)) == (200, "Hello")
        record = await rig.record()
        assert (record.reason, [attempt.failure for attempt in record.attempts]) == ("done", [""])


async def test_an_upstream_that_falls_silent() -> None:
    timeouts = Timeouts(connect=1, first_byte=5, idle=0.2, total=5)
    async with gateway(lambda fake: [to(fake, "m", "anthropic")], timeouts=timeouts) as rig:
        answer = await rig.post(chat("m", marked(then="hang", after=6), stream=True))
        assert json.loads(answer.text.rpartition("data: ")[2])["error"]["code"] == "upstream_idle"
        assert (await rig.record()).reason == "upstream_cut"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_caller_that_leaves_ends_the_work_upstream(stream: bool) -> None:
    """C66: also where nothing was sent yet, as the upstream streams and the caller wants all at once."""
    quirks = {} if stream else {"quirks": "stream_only"}
    async with gateway(lambda fake: [to(fake, "m", "anthropic", options=quirks)]) as rig:
        body = chat("m", marked(tokens=1000, delay=0.01), stream=stream)
        async with asking(rig.api, body) as reader:
            if stream:
                await read_until(reader, b"quick")

            async def begun() -> bool:
                return any(entry.bytes_sent > 500 for entry in rig.fake.journal)

            await eventually(begun, within=5)
        await rig.fake.idle(within=2)
        (asked,) = rig.fake.journal
        assert asked.aborted
        record = await rig.record()
        assert record.reason == "client_gone"
        assert record.usage is not None
        charged_once(record)
        assert 0 < record.usage.output < 500
        assert await rig.held() == 0
