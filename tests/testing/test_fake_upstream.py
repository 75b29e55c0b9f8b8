"""The fake answers as OpenAI does: its SDK validates every answer strictly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI, RateLimitError

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import FakeUpstream

USER: Any = [{"role": "user", "content": "How are you today?"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
async def openai(upstream: FakeUpstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=upstream.url, api_key="sk-test", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def fake(**options: object) -> dict[str, Any]:
    return {"metadata": {"fake": json.dumps(options)}}


async def test_chat(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.create(model="gpt-4o", messages=USER)
    assert answer.choices[0].finish_reason == "stop"
    assert len((answer.choices[0].message.content or "").split()) == 8
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 8)
    assert upstream.journal[0].usage == Usage(input=4, output=8)
    assert upstream.journal[0].header("authorization") == "Bearer sk-test"


async def test_chat_is_cut_at_the_limit_of_the_request(openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.create(model="gpt-4o", messages=USER, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 3


@pytest.mark.parametrize("include_usage", [True, False])
async def test_chat_stream(upstream: FakeUpstream, openai: AsyncOpenAI, include_usage: bool) -> None:
    stream = await openai.chat.completions.create(
        model="gpt-4o",
        messages=USER,
        stream=True,
        stream_options={"include_usage": include_usage},
        metadata={"fake": '{"tokens": 5}'},
    )
    chunks = [chunk async for chunk in stream]
    usages = [chunk.usage for chunk in chunks if not chunk.choices]
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert choices[0].delta.role == "assistant"
    assert [bool(choice.delta.content) for choice in choices] == [False, *[True] * 5, False]
    assert [choice.finish_reason for choice in choices] == [None] * 6 + ["stop"]
    assert [usage and usage.completion_tokens for usage in usages] == ([5] if include_usage else [])
    assert upstream.journal[0].usage == Usage(input=4, output=5)


async def test_several_choices_are_all_paid(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    plain = await openai.chat.completions.create(model="gpt-4o", messages=USER, n=3)
    stream = await openai.chat.completions.create(model="gpt-4o", messages=USER, n=3, stream=True)
    indexes = {choice.index async for chunk in stream for choice in chunk.choices}
    assert len(plain.choices) == len(indexes) == 3
    assert [entry.usage for entry in upstream.journal] == [Usage(input=4, output=24)] * 2


async def test_tool_call_then_text(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.create(model="gpt-4o", messages=USER, tools=[TOOL])
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls
    assert message.tool_calls[0].type == "function"
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Paris", "days": 1}
    result: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    dump: Any = message.model_dump(exclude_none=True)
    answer = await openai.chat.completions.create(model="gpt-4o", messages=[*USER, dump, result], tools=[TOOL])
    assert answer.choices[0].message.content


async def test_tool_call_stream(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    async with openai.chat.completions.stream(model="gpt-4o", messages=USER, tools=[TOOL]) as stream:
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.name == "weather"
    assert json.loads(calls[0].function.arguments) == {"city": "Paris", "days": 1}


@pytest.mark.parametrize("stream", [False, True])
async def test_legacy_completion(upstream: FakeUpstream, stream: bool) -> None:
    # The SDK's type is stricter than the API here: finish_reason is null until the last chunk.
    async with AsyncOpenAI(base_url=upstream.url, api_key="sk-test") as openai:
        prompt = "Once upon a time"
        if stream:
            chunks = await openai.completions.create(model="gpt-3.5-turbo-instruct", prompt=prompt, stream=True)
            text = "".join([chunk.choices[0].text async for chunk in chunks])
        else:
            text = (await openai.completions.create(model="gpt-3.5-turbo-instruct", prompt=prompt)).choices[0].text
    assert len(text.split()) == 8
    assert upstream.journal[0].usage == Usage(input=4, output=8)


async def test_embeddings_are_the_same_in_both_encodings(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    model, texts = "text-embedding-3-small", ["one two", "three"]
    floats = await openai.embeddings.create(model=model, input=texts, encoding_format="float", dimensions=5)
    async with AsyncOpenAI(base_url=upstream.url, api_key="sk-test") as lax:  # its strict type forbids base64
        packed = await lax.embeddings.create(model=model, input=texts, dimensions=5)
    assert json.loads(upstream.journal[1].body)["encoding_format"] == "base64"
    assert [row.embedding for row in floats.data] == [row.embedding for row in packed.data]
    assert [len(row.embedding) for row in floats.data] == [5, 5]
    assert floats.data[0].embedding != floats.data[1].embedding
    assert upstream.journal[0].usage == Usage(input=3)


@pytest.mark.parametrize(("given", "rows", "count"), [("one two", 1, 2), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)])
async def test_embedding_inputs(openai: AsyncOpenAI, given: Any, rows: int, count: int) -> None:
    answer = await openai.embeddings.create(model="m", input=given, encoding_format="float")
    assert (len(answer.data), answer.usage.prompt_tokens) == (rows, count)


async def test_responses(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    answer = await openai.responses.create(model="gpt-4o", input="How are you?", instructions="Be kind")
    assert (answer.status, len(answer.output_text.split())) == ("completed", 8)
    assert answer.usage
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 8)
    cut = await openai.responses.create(model="gpt-4o", input="How are you?", max_output_tokens=2)
    assert cut.incomplete_details
    assert cut.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("tools", [False, True])
async def test_responses_stream(upstream: FakeUpstream, openai: AsyncOpenAI, tools: bool) -> None:
    flat: Any = [{"type": "function", "strict": False, **TOOL["function"]}] if tools else []
    async with openai.responses.stream(model="gpt-4o", input="How are you?", tools=flat) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert kinds[-2:] == ["response.output_item.done", "response.completed"]
    assert final.output[0].type == ("function_call" if tools else "message")
    assert final.usage
    assert upstream.journal[0].usage == Usage(input=3, output=final.usage.output_tokens)


async def test_images(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    answer = await openai.images.generate(model="gpt-image-1", prompt="a red fox", n=2)
    assert answer.data
    assert [bool(image.b64_json) for image in answer.data] == [True, True]
    assert upstream.journal[0].usage == Usage(input=3, output=16, output_image=16)
    by_url = await openai.images.generate(model="dall-e-3", prompt="a red fox", response_format="url")
    assert by_url.data
    assert by_url.data[0].url


async def test_speech_is_not_text(openai: AsyncOpenAI) -> None:
    audio = await openai.audio.speech.create(model="tts-1", voice="alloy", input="hello there")
    assert audio.response.headers["content-type"] == "audio/mpeg"
    assert audio.content == bytes(range(256)) * 16


async def test_transcription(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    file = ("a.wav", b"\r\n--\x00" * 8000, "audio/wav")
    answer = await openai.audio.transcriptions.create(model="whisper-1", file=file)
    assert len(answer.text.split()) == 8
    assert answer.usage
    assert answer.usage.type == "duration"
    assert upstream.journal[0].usage == Usage(audio_seconds=3)
    await openai.audio.transcriptions.create(model="gpt-4o-transcribe", file=file)
    assert upstream.journal[1].usage == Usage(input=3, input_audio=3, output=8)
    verbose = await openai.audio.transcriptions.create(model="whisper-1", file=file, response_format="verbose_json")
    assert verbose.language == "english"
    text = await openai.audio.transcriptions.create(model="whisper-1", file=file, response_format="text")
    assert isinstance(text, str)
    with pytest.warns(DeprecationWarning, match="deprecated"):
        translation = await openai.audio.translations.create(model="whisper-1", file=file)
    assert len(translation.text.split()) == 8


async def test_moderations(openai: AsyncOpenAI) -> None:
    answer = await openai.moderations.create(input=["I like you", "I kill you"])
    assert [result.flagged for result in answer.results] == [False, True]


async def test_models(openai: AsyncOpenAI) -> None:
    assert "gpt-4o" in [model.id async for model in openai.models.list()]
    assert (await openai.models.retrieve("anything")).id == "anything"


async def test_rerank(upstream: FakeUpstream) -> None:
    body = {"model": "rerank-1", "query": "a fox", "documents": ["one", "two three"], "top_n": 1}
    async with httpx2.AsyncClient() as client:
        answer = (await client.post(f"{upstream.url}/rerank", json=body)).json()
    assert [result["index"] for result in answer["results"]] == [0]
    assert answer["usage"]["total_tokens"] == 5


def use_sync(url: str) -> None:
    with OpenAI(base_url=url, api_key="sk-test", _strict_response_validation=True) as openai:
        assert openai.chat.completions.create(model="m", messages=USER).usage
        assert len(list(openai.chat.completions.create(model="m", messages=USER, stream=True))) == 10
        assert openai.responses.create(model="m", input="hello").output_text
        assert openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"abc")).text
        with pytest.raises(NotFoundError):
            openai.files.list()


async def test_sync_sdk(upstream: FakeUpstream) -> None:
    await anyio.to_thread.run_sync(use_sync, upstream.url)
    assert len(upstream.journal) == 5


async def test_a_request_tells_the_status(upstream: FakeUpstream, openai: AsyncOpenAI) -> None:
    extra = fake(status=429, headers={"retry-after": "7"})
    with pytest.raises(RateLimitError) as caught:
        await openai.chat.completions.create(model="m", messages=USER, extra_body=extra)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "7"
    assert (upstream.journal[0].status, upstream.journal[0].usage) == (429, None)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_tells_the_usage(upstream: FakeUpstream, openai: AsyncOpenAI, stream: bool) -> None:
    usage = {"input": 100, "cache_read": 60, "output": 50, "reasoning": 20}
    asked = {"model": "m", "messages": USER, "stream": stream, "user": json.dumps({"fake": {"usage": usage}})}
    async with httpx2.AsyncClient() as client:
        asked["stream_options"] = {"include_usage": True}
        answer = await client.post(f"{upstream.url}/chat/completions", json=asked)
    events = [line.removeprefix("data: ") for line in answer.text.split("\n\n")]
    told = json.loads(events[-3] if stream else answer.text)["usage"]
    assert (told["prompt_tokens"], told["completion_tokens"]) == (100, 50)
    assert told["prompt_tokens_details"]["cached_tokens"] == 60
    assert upstream.journal[0].usage == Usage(input=100, cache_read=60, output=50, reasoning=20)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"tools": 3, "messages": []}', b'{"metadata": {"fake": {"typo": 1}}}'])
async def test_a_body_that_no_provider_takes(upstream: FakeUpstream, body: bytes) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{upstream.url}/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("metadata", [{"fake": "news"}, {"user_id": "7"}, "not an object", None])
async def test_metadata_of_others_is_left_in_peace(upstream: FakeUpstream, metadata: object) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{upstream.url}/chat/completions", json={"messages": USER, "metadata": metadata})
    assert answer.status_code == 200
