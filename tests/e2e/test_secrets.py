"""Keys stay where they belong: not in logs, not in answers, not in records, not in what is printed."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oneapi_asgi import Call, Candidate, Ejection, Gateway, Timeouts
from oneapi_asgi.testing import Answer, Part

from .hangup import asking
from .serving import ADMIN_KEY, CHAT, KEY, UPSTREAM_KEY, Adapter, Kind, chat, make_storage, open_rig

CANARIES = (KEY, ADMIN_KEY, UPSTREAM_KEY)
ECHO = json.dumps(
    {
        "error": {
            "message": f"Incorrect API key provided: {UPSTREAM_KEY}",
            "type": "x",
            "param": UPSTREAM_KEY,
            "code": None,
        }
    }
).encode()


def clean(*texts: object) -> None:
    for text in texts:
        found = text if isinstance(text, str) else text.decode("latin-1") if isinstance(text, bytes) else repr(text)
        for canary in CANARIES:
            assert canary not in found
            assert canary[3:30] not in found


FAILURES: dict[str, Answer] = {
    "echoed in 400": Answer(status=400, parts=[Part(ECHO)]),
    "echoed in 401": Answer(status=401, parts=[Part(ECHO)]),
    "echoed in 500": Answer(status=500, parts=[Part(ECHO)]),
    "echoed in 200": Answer(parts=[Part(ECHO)]),
    "echoed in a header": Answer(status=400, headers=[("x-key", UPSTREAM_KEY)], parts=[Part(b"{}")]),
    "echoed as the request's id": Answer(headers=[("content-type", "application/json")], parts=[Part(b"{}")]),
    "echoed first in a stream": Answer(
        headers=[("content-type", "text/event-stream")], parts=[Part(b"data: " + ECHO + b"\n\n")]
    ),
    "reset": Answer(head=False, then="reset"),
    "no HTTP": Answer(head=False, chunked=False, parts=[Part(f"{UPSTREAM_KEY}\r\n\r\n".encode())], then="close"),
    "silence": Answer(head=False, then="hang"),
}


async def test_nowhere(parts: tuple[Kind, Adapter], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kind, adapter = parts
    health = Ejection(judge=False)
    async with open_rig(
        make_storage(kind, tmp_path), adapter, timeouts=Timeouts(connect=0.2, first_byte=0.2), health=health
    ) as rig:
        for answer in FAILURES.values():
            rig.fake.script(answer)
            got = await rig.post(CHAT)
            clean(got.text, got.headers.items())
        for key in (KEY + "x", KEY + "-1", ADMIN_KEY + "-77", ADMIN_KEY + "-1"):
            got = await rig.post(CHAT, authorization=f"Bearer {key}")
            clean(got.text, got.headers.items())
        async with asking(rig.api, chat(wait=5), path=f"/chat/completions?key={KEY}"):
            pass
        await rig.fake.idle()
        records = await rig.records()
        assert len(records) > 10
        clean(*records, *map(msgspec.json.encode, records))
        clean(*await rig.storage.list_tokens(), rig.gateway)
        (channel,) = await rig.storage.list_channels()
        clean(channel, str(channel), Candidate(channel, 0, "m"), Call(plan=(Candidate(channel, 0, "m"),)))
    # At DEBUG the HTTP client prints what it reads from a socket: what this upstream made up is in there.
    logged = [record for record in caplog.records if not record.name.startswith("httpcore")]
    assert any(record.name.startswith("oneapi_asgi") for record in logged)
    clean(*[logging.Formatter().format(record) for record in logged])


def files_with(text: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_asked_and_answered_is_nowhere(
    parts: tuple[Kind, Adapter], tmp_path: Path, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    """Of prompts and answers nothing is kept, and nothing said in a log or an error: only those who talk know it."""
    caplog.set_level(logging.DEBUG)
    kind, adapter = parts
    prompt = "the-merger-is-on-friday"
    body = {**chat(stream=stream), "messages": [{"role": "user", "content": prompt}], "user": prompt}
    health = Ejection(judge=False)
    async with open_rig(
        make_storage(kind, tmp_path), adapter, timeouts=Timeouts(connect=0.2, first_byte=0.2), health=health
    ) as rig:
        assert (await rig.post(body)).status_code == 200
        for answer in FAILURES.values():
            rig.fake.script(answer)
            assert prompt not in (await rig.post(body)).text
        for wrong in ({"max_tokens": prompt}, {"model": None}, {"messages": prompt}, {"tools": prompt}):
            await rig.post({**body, **wrong})
        assert prompt.encode() in rig.fake.journal[0].body
        await rig.fake.idle()
        records = await rig.records()
        assert len(records) > len(FAILURES)
        assert prompt not in repr(records)
    logged = [record for record in caplog.records if not record.name.startswith("httpcore")]
    assert any(record.name.startswith("oneapi_asgi") for record in logged)
    assert prompt not in "".join(logging.Formatter().format(record) for record in logged)
    assert not files_with(prompt, tmp_path)


async def test_errors_of_the_storage_hold_no_key(
    parts: tuple[Kind, Adapter], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kind, adapter = parts
    storage = make_storage(kind, tmp_path)
    async with open_rig(storage, adapter, poll_interval=0.0) as rig:

        async def broken(*_: Any) -> Any:
            raise ConnectionError(f"cannot reach db with {KEY} and {UPSTREAM_KEY}")

        keep = storage.find_token
        storage.find_token = broken  # type: ignore[method-assign, assignment]
        answer = await rig.post(CHAT)
        storage.find_token = keep  # type: ignore[method-assign]
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        clean(answer.text, caplog.text)
        assert rig.fake.journal == []


async def test_a_start_that_fails_shows_no_key(tmp_path: Path) -> None:
    storage = make_storage("sqlite", tmp_path / "missing")
    with pytest.raises(Exception, match="missing") as caught:
        async with Gateway(storage):
            pass
    clean("".join(traceback.format_exception(caught.value)))
