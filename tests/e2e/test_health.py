"""What calls teach a gateway about its channels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from oneapi_asgi import Channel, MemoryStorage, Secret, Standing
from oneapi_asgi.testing import Answer, FakeUpstream, Part

from .serving import CHAT, UPSTREAM_KEY, Rig, chat, open_rig


def says(status: int, headers: Sequence[tuple[str, str]] = (), **error: str) -> Answer:
    headers = [("content-type", "application/json"), *headers]
    return Answer(status=status, headers=headers, parts=[Part(json.dumps({"error": error}).encode())])


async def standing(rig: Rig, which: int = 0, model: str = "gpt-4o") -> Standing:
    channels = await rig.storage.list_channels()
    return rig.gateway.pool.health.standing(channels[which], 0, model)


async def statuses(rig: Rig, answer: Answer, times: int) -> list[int]:
    found = []
    for _ in range(times):
        rig.fake.script(answer)
        found.append((await rig.post(CHAT)).status_code)
    return found


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_what_the_caller_has_to_mend_neither_counts_nor_ends_a_row(status: int) -> None:
    prose = says(status, message="credit balance permission denied", code="invalid_request_error")
    async with open_rig(MemoryStorage()) as rig:
        assert await statuses(rig, prose, 9) == [status] * 9
        assert rig.gateway.pool.health.calm
        await statuses(rig, says(500), 4)
        await statuses(rig, prose, 1)
        assert (await standing(rig)).state == "fit"
        await statuses(rig, says(500), 1)
        assert (await standing(rig)).cause == "server"


def gemini(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    """One that serves a model under another name, which Google's clients repeat in what they count."""
    names = {"gemini-mine": "gemini-2.5-flash"}
    key = (Secret(UPSTREAM_KEY),)
    return [
        Channel(
            id=0,
            name="google",
            provider="gemini",
            base_url=fakes[0].url,
            api_keys=key,
            models=tuple(names),
            model_map=names,
        )
    ]


REPEATED = '{"requests":[{"model":"models/gemini-mine","content":{"parts":[{"text":"hi"}]},"x":%s}]}'


@pytest.mark.parametrize("number", ["1e400", "9" * 5000])
async def test_a_number_that_no_reader_takes_puts_no_channel_out(number: str) -> None:
    async with open_rig(MemoryStorage(), channels=gemini) as rig:
        for _ in range(7):
            path = "/v1beta/models/gemini-mine:batchEmbedContents"
            answer = await rig.http.post(
                rig.url + path, content=REPEATED % number, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
        assert not rig.fake.journal
        assert rig.gateway.pool.health.calm
        assert (await standing(rig, model="gemini-mine")).state == "fit"


async def test_a_reference_in_a_schema_puts_no_channel_out() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/allOf/" + "9" * 5000}}, "allOf": [{}]}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    async with open_rig(MemoryStorage(), channels=gemini) as rig:
        for _ in range(7):
            assert (await rig.post(chat("gemini-mine") | {"tools": tools})).status_code == 200
        assert rig.gateway.pool.health.calm


@pytest.mark.parametrize(
    ("answer", "told", "cause"),
    [
        (says(401, code="invalid_api_key"), 502, "auth"),
        (says(403), 502, "auth"),
        (says(402), 502, "quota"),
        (says(429, code="insufficient_quota"), 502, "quota"),
        (says(400, code="Arrearage"), 502, "quota"),
    ],
)
async def test_an_account_that_is_refused_is_left_alone_after_the_third_time(
    answer: Answer, told: int, cause: str
) -> None:
    async with open_rig(MemoryStorage()) as rig:
        assert await statuses(rig, answer, 2) == [told] * 2
        assert (await standing(rig)).state == "doubtful"
        assert await statuses(rig, answer, 1) == [told]
        found = await standing(rig, model="another")
        assert (found.state, found.cause) == ("out", cause)


def of_one_account(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    told: dict[str, Any] = {"base_url": fakes[0].url, "api_keys": (Secret("the-same"),)}
    return [Channel(id=0, name=f"c{number}", priority=-number, **told) for number in range(3)]


@pytest.mark.parametrize(
    "headers",
    [
        [("retry-after", "7")],
        [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "7s")],
        [("x-ratelimit-reset", "7")],
    ],
)
async def test_channels_of_one_account_cool_down_together(headers: Sequence[tuple[str, str]]) -> None:
    async with open_rig(MemoryStorage(), channels=of_one_account) as rig:
        rig.fake.script(says(429, headers))
        for _ in range(5):
            answer = await rig.post(CHAT)
            assert answer.status_code == 429
            assert 1 < float(answer.headers["retry-after"]) <= 7
        assert len(rig.fake.journal) == 1
        assert {(await standing(rig, which)).state for which in range(3)} == {"cooling"}


async def test_a_stream_that_breaks_off_counts_however_often_it_begins() -> None:
    piece = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    cut = Answer(headers=[("content-type", "text/event-stream")], parts=[Part(piece)], then="close")
    async with open_rig(MemoryStorage()) as rig:
        for turn in range(5):
            assert (await standing(rig)).state == "fit", turn
            rig.fake.script(cut)
            await rig.post(chat(stream=True))
        assert (await standing(rig)).cause == "transport"
