"""A call of several workers, seen while it runs and looked at when it is over."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from oneapi_asgi.testing import FakeUpstream

from .whole import PASSWORD, Person, whole

ALLOW = {"ONEAPI_OUTBOUND__ALLOW": '["127.0.0.0/8"]', "ONEAPI_SERVER__WORKERS": "2"}
CHAT = {
    "model": "gpt-4o-mini",
    "stream": True,
    "messages": [{"role": "user", "content": 'fake:{"tokens": 60, "delay": 0.1}'}],
}


@pytest.mark.parametrize("own", [False, True], ids=["administrator", "member"])
async def test_a_call_is_seen_whichever_worker_has_it(tmp_path: Path, own: bool) -> None:
    async with FakeUpstream() as upstream:
        await asyncio.to_thread(_watched, tmp_path, upstream.url, own)


def _watched(folder: Path, upstream: str, own: bool) -> None:
    with whole(folder, ALLOW) as root:
        channel = {"name": "first", "type": 1, "key": "sk-any", "base_url": upstream, "models": "gpt-4o-mini"}
        assert root.ask("POST", "/api/channel", channel)[0] == 200
        draft = {"username": "ann", "password": PASSWORD, "quota": 500_000}
        assert root.ask("POST", "/api/user", draft)[0] == 200
        ann = Person(root.port)
        ann.login("ann")
        key = ann.ask("POST", "/api/token", {"name": "t", "unlimited_quota": True})[1]["data"]["key"]
        who = ann if own else root
        headers = {"authorization": f"Bearer {key}"}
        with httpx2.stream(
            "POST", f"http://127.0.0.1:{root.port}/v1/chat/completions", json=CHAT, headers=headers
        ) as answer:
            assert answer.status_code == 200, answer.read()
            lines = answer.iter_lines()
            assert next(lines).startswith("data:")
            (row,) = _calls(who)
            number = row["request_id"]
            until = time.monotonic() + 5
            while not row["here"] and time.monotonic() < until:
                (row,) = _calls(who)
                assert (row["request_id"], row["user"], row["token_name"]) == (number, "ann", "t")
                assert row["held"] > 0
            assert (row["model"], row["state"], row["attempt"]) == ("gpt-4o-mini", "streaming", 1)
            assert row["channel_name"] == ("" if own else "first")
            for _ in lines:
                pass
        shown = _recorded(who, number)
        assert (shown["stream"], shown["reason"], shown["cost"]) == (True, "done", shown["bill"]["cost"])
        assert shown["cost"] > 0
        assert [each["channel_name"] for each in shown["attempts"]] == ["" if own else "first"]
        assert _calls(who) == []
        if not own:
            (standing,) = root.ask("GET", "/api/channel/health")[1]["data"]
            assert (standing["name"], standing["state"], standing["in_flight"]) == ("first", "fit", 0)


def _calls(who: Person) -> list[dict[str, Any]]:
    status, said = who.ask("GET", "/api/call")
    assert status == 200, said
    found: list[dict[str, Any]] = said["data"]
    return found


def _recorded(who: Person, number: str) -> dict[str, Any]:
    """Records are written a moment after the call."""
    until = time.monotonic() + 10
    while (answer := who.ask("GET", f"/api/log/call/{number}"))[0] == 404 and time.monotonic() < until:
        time.sleep(0.02)
    status, said = answer
    assert status == 200, said
    found: dict[str, Any] = said["data"]
    return found
