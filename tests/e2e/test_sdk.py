"""The OpenAI SDK as the caller, with its strict validation on: what it gets through the gateway is what it expects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest

from oneapi_asgi import NANO, TokenDraft, Usage, key_digest
from oneapi_asgi.pricing import cost
from oneapi_asgi.testing import Answer, Part

from .serving import BOTH, CHAT, KEY, PRICE, TASTE, Adapter, Kind, Rig, fake, make_storage, open_rig

EIGHT_WORDS = "The quick brown fox jumps over the lazy"
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module", params=BOTH, ids="-".join)
def parts(request: pytest.FixtureRequest) -> tuple[Kind, Adapter]:
    kind, adapter = request.param
    return kind, adapter


@pytest.fixture(scope="module")
async def shared(parts: tuple[Kind, Adapter], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    kind, adapter = parts
    folder: Path = tmp_path_factory.mktemp("sdk")
    async with open_rig(make_storage(kind, folder), adapter) as opened:
        await opened.storage.add_user("eve")
        yield opened


@pytest.fixture
async def rig(shared: Rig) -> Rig:
    await shared.clear()
    return shared


# --- chat -------------------------------------------------------------------------------------------------------------


async def test_chat(rig: Rig) -> None:
    async with rig.sdk() as client:
        answer = await client.chat.completions.create(model="gpt-4o", messages=TASTE)
    assert answer.choices[0].message.content == EIGHT_WORDS
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 8)
    assert rig.fake.journal[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("asked", [False, True], ids=["usage-not-asked", "usage-asked"])
async def test_streamed_chat_shows_usage_to_those_who_ask(rig: Rig, asked: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    async with rig.sdk() as client:
        stream = await client.chat.completions.create(**CHAT, **options, stream=True)
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == EIGHT_WORDS
    reports = [chunk.usage for chunk in chunks if chunk.usage]
    assert [report.completion_tokens for report in reports] == ([8] if asked else [])
    assert all(chunk.choices for chunk in chunks) is not asked
    assert b'"include_usage":true' in rig.fake.journal[0].body.replace(b" ", b"")
    assert rig.fake.journal[0].usage == Usage(input=6, output=8)


async def test_tool_call(rig: Rig) -> None:
    async with rig.sdk() as client:
        answer = await client.chat.completions.create(**CHAT, tools=[TOOL])
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Paris"}')
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_streamed_tool_call(rig: Rig) -> None:
    async with rig.sdk() as client:
        stream = await client.chat.completions.create(**CHAT, tools=[TOOL], stream=True)
        deltas = [chunk.choices[0].delta async for chunk in stream]
    calls = [call.function for delta in deltas for call in delta.tool_calls or []]
    assert calls[0].name == "weather"
    assert "".join(call.arguments for call in calls) == '{"city":"Paris"}'


async def test_chat_helper_that_collects_a_stream(rig: Rig) -> None:
    async with rig.sdk() as client, client.chat.completions.stream(**CHAT) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == EIGHT_WORDS


async def test_completions(rig: Rig) -> None:
    # The SDK's strict type of a chunk has no null finish_reason, which OpenAI itself sends.
    async with rig.sdk() as strict, rig.sdk(strict=False) as lax:
        plain = await strict.completions.create(model="gpt-3.5-turbo-instruct", prompt="Say it")
        stream = await lax.completions.create(model="gpt-3.5-turbo-instruct", prompt="Say it", stream=True)
        pieces = [chunk.choices[0].text async for chunk in stream]
    assert plain.choices[0].text == "".join(pieces) == EIGHT_WORDS


async def test_synchronous_client(rig: Rig) -> None:
    def talk() -> tuple[str | None, str, list[str]]:
        with openai.OpenAI(
            api_key=KEY, base_url=rig.api, max_retries=0, timeout=20, _strict_response_validation=True
        ) as client:
            plain = client.chat.completions.create(**CHAT)
            stream = client.chat.completions.create(**CHAT, stream=True)
            pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
            with pytest.raises(openai.NotFoundError):
                client.models.retrieve("zebra")
            return plain.choices[0].message.content, "".join(pieces), [model.id for model in client.models.list()]

    plain, streamed, models = await anyio.to_thread.run_sync(talk)
    assert plain == streamed == EIGHT_WORDS
    assert models == ["gpt-4o"]


# --- everything else --------------------------------------------------------------------------------------------------


async def test_embeddings(rig: Rig) -> None:
    async with rig.sdk() as strict, rig.sdk(strict=False) as lax:
        plain = await strict.embeddings.create(model="text-embedding-3-small", input=["a b"], encoding_format="float")
        packed = await lax.embeddings.create(model="text-embedding-3-small", input=["a b"])  # base64 underneath
    assert b"base64" in rig.fake.journal[1].body
    assert plain.data[0].embedding == packed.data[0].embedding
    assert plain.usage.prompt_tokens == 2


async def test_moderations(rig: Rig) -> None:
    async with rig.sdk() as client:
        answer = await client.moderations.create(input=["kill it", "pet it"])
    assert [result.flagged for result in answer.results] == [True, False]


async def test_images(rig: Rig) -> None:
    async with rig.sdk() as client:
        answer = await client.images.generate(model="gpt-image-1", prompt="a red fox", n=2)
    assert answer.data is not None
    assert [bool(image.b64_json) for image in answer.data] == [True, True]


async def test_speech_is_streamed(rig: Rig) -> None:
    async with (
        rig.sdk() as client,
        client.audio.speech.with_streaming_response.create(model="tts-1", input="Hello", voice="alloy") as answer,
    ):
        sound = await answer.read()
    assert answer.headers["content-type"] == "audio/mpeg"
    assert sound == bytes(range(256)) * 16


async def test_speech_begins_before_it_ends(rig: Rig) -> None:
    rig.fake.script(Answer(headers=[("content-type", "audio/mpeg")], parts=[Part(b"a"), Part(b"b", 0.5)]))
    async with (
        rig.sdk() as client,
        client.audio.speech.with_streaming_response.create(model="tts-1", input="Hello", voice="alloy") as answer,
    ):
        chunks = answer.iter_bytes()
        assert await anext(chunks) == b"a"
        assert rig.fake.journal[0].ended is None
        assert [chunk async for chunk in chunks] == [b"b"]


async def test_transcription(rig: Rig) -> None:
    recording = bytes(range(256)) * 250  # four seconds of it
    async with rig.sdk() as client:
        text = await client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", recording))
    assert text.text == EIGHT_WORDS
    assert recording in rig.fake.journal[0].body
    assert rig.fake.journal[0].usage == Usage(audio_seconds=4)


async def test_responses(rig: Rig) -> None:
    async with rig.sdk() as client:
        plain = await client.responses.create(model="gpt-4o", input="Say it")
        stream = await client.responses.create(model="gpt-4o", input="Say it", stream=True)
        events = [event async for event in stream]
    assert plain.output_text == EIGHT_WORDS
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == EIGHT_WORDS
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage is not None


async def test_models(rig: Rig) -> None:
    async with rig.sdk() as client:
        listed = [model.id async for model in client.models.list()]
        assert listed == ["gpt-4o"]
        assert (await client.models.retrieve("gpt-4o")).owned_by == "openai"


async def test_rerank(rig: Rig) -> None:
    body = {"model": "rerank-1", "query": "fox", "documents": ["a fox", "a dog"], "top_n": 1}
    answer = await rig.post(body, "/rerank")
    assert [result["index"] for result in answer.json()["results"]] == [0]


# --- errors -----------------------------------------------------------------------------------------------------------


async def test_unknown_key(rig: Rig) -> None:
    async with rig.sdk("sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(**CHAT)
    assert caught.value.code == "invalid_api_key"
    assert rig.fake.journal == []


CallOf = Callable[[openai.AsyncOpenAI], Awaitable[object]]
REFUSALS: dict[str, tuple[TokenDraft, CallOf, type[openai.APIStatusError], str]] = {
    "model not allowed": (
        TokenDraft(name="narrow", digest=key_digest("sk-narrow"), models=("gpt-3*",), user="eve"),
        lambda client: client.chat.completions.create(**CHAT),
        openai.PermissionDeniedError,
        "model_not_allowed",
    ),
    "poor": (
        TokenDraft(name="poor", digest=key_digest("sk-poor"), quota=5, user="eve"),
        lambda client: client.chat.completions.create(**CHAT),
        openai.PermissionDeniedError,
        "insufficient_quota",
    ),
    "expired": (
        TokenDraft(name="old", digest=key_digest("sk-old"), expires_at=1.0, user="eve"),
        lambda client: client.chat.completions.create(**CHAT),
        openai.AuthenticationError,
        "api_key_expired",
    ),
    "model list": (
        TokenDraft(name="reader", digest=key_digest("sk-reader"), models=("gpt-3*",), user="eve"),
        lambda client: client.models.retrieve("gpt-4o"),
        openai.NotFoundError,
        "model_not_found",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_refusals_by_token(rig: Rig, case: str) -> None:
    draft, call, kind, code = REFUSALS[case]
    await rig.storage.add_token(draft)
    async with rig.sdk(f"sk-{draft.name}") as client:
        with pytest.raises(kind) as caught:
            await call(client)
    assert caught.value.code == code
    assert rig.fake.journal == []


async def test_unknown_model(rig: Rig) -> None:
    async with rig.sdk() as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="zebra", messages=TASTE)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert rig.fake.journal == []


async def test_too_fast(rig: Rig) -> None:
    draft = TokenDraft(name="slow", digest=key_digest("sk-slow"), requests_per_minute=1, user="eve", quota=NANO)
    await rig.storage.add_token(draft)
    async with rig.sdk("sk-slow") as client:
        await client.chat.completions.create(**CHAT)
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(**CHAT)
    assert 55 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert caught.value.response.headers["x-should-retry"] == "true"


async def test_upstream_refusal_is_passed_on(rig: Rig) -> None:
    async with rig.sdk() as client:
        with pytest.raises(openai.BadRequestError, match="Told to fail") as caught:
            await client.chat.completions.create(**CHAT, **fake(status=400))
    assert caught.value.type == "invalid_request_error"


async def test_upstream_failure_is_not(rig: Rig) -> None:
    async with rig.sdk() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(**CHAT, **fake(status=500))
    assert caught.value.status_code == 502
    assert "Told to fail" not in str(caught.value)


# --- money, once for each operation -----------------------------------------------------------------------------------

OPERATIONS: dict[str, CallOf] = {
    "chat": lambda client: client.chat.completions.create(**CHAT),
    "completions": lambda client: client.completions.create(model="davinci", prompt="Say it"),
    "responses": lambda client: client.responses.create(model="gpt-4o", input="Say it"),
    "embeddings": lambda client: client.embeddings.create(model="e", input="a b c", encoding_format="float"),
    "images": lambda client: client.images.generate(model="gpt-image-1", prompt="a fox"),
    "transcriptions": lambda client: client.audio.transcriptions.create(model="gpt-4o-transcribe", file=b"s" * 9_000),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_charge_is_what_the_upstream_counted(rig: Rig, operation: str) -> None:
    before = await rig.used()
    async with rig.sdk() as client:
        await OPERATIONS[operation](client)
    await rig.fake.idle()
    counted = rig.fake.journal[0].usage
    assert counted is not None
    assert await rig.used() - before == cost(counted, PRICE) > 0
    assert await rig.held() == 0
