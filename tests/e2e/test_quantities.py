"""Numbers that nobody means: in requests to every operation, and in what an upstream reports of usage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oneapi_asgi.models import Usage
from oneapi_asgi.pricing import cost
from oneapi_asgi.testing import Answer, Part
from oneapi_asgi.wire.usage import guess_output

from .serving import PRICE, TASTE, Rig, chat

HOSTILE = (
    *("-1", "0", "1.5", "true", '"1"', "2147483648", "9007199254740992", "9223372036854775808", "18446744073709551615"),
    *("18446744073686646784", "1e30", "-1e30", "NaN", "1e400", "1" * 5_000, "null", "[]"),
)
BODIES: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": TASTE},
    "/completions": {"prompt": "a fox"},
    "/responses": {"input": "a fox"},
    "/embeddings": {"input": "a fox"},
    "/images/generations": {"prompt": "a fox"},
    "/audio/speech": {"input": "a fox", "voice": "alloy"},
    "/rerank": {"query": "a fox", "documents": ["a dog"]},
    "/moderations": {"input": "a fox"},
}
FIELDS = ("n", "best_of", "max_tokens", "max_completion_tokens", "max_output_tokens", "size", "seconds", "top_n")


@pytest.mark.parametrize("path", BODIES)
async def test_no_quantity_breaks_anything_or_pays_anybody(rig: Rig, path: str) -> None:
    """Refused as the caller's mistake, or charged for: never a 5xx of the gateway, never less than nothing."""
    before = await rig.used()
    for field in FIELDS:
        for value in HOSTILE:
            body = json.dumps({"model": "gpt-4o"} | BODIES[path])[:-1] + f', "{field}": {value}}}'
            answer = await rig.http.post(rig.api + path, content=body, headers={"content-type": "application/json"})
            assert answer.status_code < 500, (field, value, answer.text)
            if answer.status_code >= 400:
                assert answer.json()["error"]["message"], (field, value)
    records = await rig.recorded(len(FIELDS) * len(HOSTILE))
    assert all(record.cost >= 0 for record in records)
    assert await rig.used() - before == sum(record.cost for record in records)
    assert await rig.held() == 0


def _event(content: str | None = None, *, finish: bool = False, usage: object = ...) -> bytes:
    delta = {"content": content} if content is not None else {}
    choices = [{"index": 0, "delta": delta, "finish_reason": "stop" if finish else None}]
    event: dict[str, object] = {"id": "c", "object": "chat.completion.chunk", "choices": choices}
    if usage is not ...:
        event["usage"] = usage
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _counts(given: int, made: int) -> dict[str, int]:
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


TEXTS = ("The quick brown fox ", "jumps over ", "the lazy dog.")
DONE = b"data: [DONE]\n\n"

REPORTS: dict[str, tuple[list[bytes], tuple[int, int] | None]] = {
    "missing": ([*map(_event, TEXTS), _event(finish=True), DONE], None),
    "null": ([*(_event(text, usage=None) for text in TEXTS), _event(finish=True, usage=None), DONE], None),
    "negative": ([*map(_event, TEXTS), _event(finish=True, usage=_counts(-5, -7)), DONE], None),
    "no numbers": ([*map(_event, TEXTS), _event(finish=True, usage={"prompt_tokens": "7"}), DONE], None),
    "at the end": ([*map(_event, TEXTS), _event(finish=True, usage=_counts(11, 13)), DONE], (11, 13)),
    "twice": ([*map(_event, TEXTS), *[_event(finish=True, usage=_counts(11, 13))] * 2, DONE], (11, 13)),
    "in every event": (
        [*(_event(text, usage=_counts(11, n)) for n, text in enumerate(TEXTS, 1)), _event(finish=True), DONE],
        (11, 3),
    ),
    "after the end": ([*map(_event, TEXTS), _event(finish=True), _event(usage=_counts(11, 13)), DONE], (11, 13)),
}


@pytest.mark.parametrize("name", REPORTS)
async def test_what_a_stream_reports_is_charged_or_what_passed(rig: Rig, name: str) -> None:
    events, told = REPORTS[name]
    headers = (("content-type", "text/event-stream"),)
    rig.fake.script(Answer(headers=headers, parts=[Part(event) for event in events]))
    answer = await rig.post(chat(stream=True))
    assert answer.status_code == 200
    record = await rig.record()
    assert record.usage is not None
    if told is not None:
        assert (record.usage.input, record.usage.output, record.usage.estimated) == (*told, False)
    else:
        expected = sum(guess_output(len(text)) for text in TEXTS)
        assert record.usage.estimated
        assert record.usage.output == pytest.approx(expected, abs=len(TEXTS))
        assert record.usage.input > 0
    assert record.cost == cost(record.usage, PRICE) == await rig.used() > 0
    assert await rig.held() == 0


@pytest.mark.parametrize(
    ("usage", "charged"),
    [
        (_counts(11, 13), Usage(input=11, output=13)),
        (_counts(-11, -13), None),
        (_counts(2**63, 1), None),
        ({"prompt_tokens": 1e30, "completion_tokens": 1}, None),
        ({}, None),
        (None, None),
        ([1], None),
    ],
    ids=repr,
)
async def test_what_a_whole_answer_reports(rig: Rig, usage: object, charged: Usage | None) -> None:
    body = {"object": "chat.completion", "choices": [{"index": 0, "message": {"content": "A fox."}}], "usage": usage}
    rig.fake.script(Answer(parts=[Part(json.dumps(body).encode())]))
    assert (await rig.post(chat())).status_code == 200
    record = await rig.record()
    assert record.usage is not None
    if charged is not None:
        assert record.usage == charged
    else:
        assert record.usage.estimated
        assert 0 < record.usage.output < 100
    assert record.cost == cost(record.usage, PRICE) == await rig.used() > 0
    assert await rig.held() == 0
