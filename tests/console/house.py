"""A gateway with a past: channels at a fake provider, users with tokens, a month of calls, and some of today."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from admin.whole import PASSWORD, Person, whole
from anyio.from_thread import BlockingPortal, start_blocking_portal

from oneapi_asgi.models import NANO, Attempt, CallRecord, Price, Usage
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing import FakeUpstream

__all__ = ["MEMBER", "MODELS", "PASSWORD", "House", "house", "settled"]

MEMBER = "ann"
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5")
DOLLAR = 500_000


@dataclass(frozen=True)
class House:
    """``root`` and ``member`` are signed in. ``keys`` are the whole keys of tokens, by name; ``upstream`` is the fake
    provider's address as a base URL of OpenAI's kind. ``folder`` has the database."""

    root: Person
    member: Person
    folder: Path
    upstream: str
    keys: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.root.port}"

    def call(self, key: str, model: str, text: str = "hello", *, stream: bool = False, most: int | None = None) -> int:
        """A call through the gateway, for so many tokens at ``most``; the status of its answer."""
        connection = HTTPConnection("127.0.0.1", self.root.port, timeout=30)
        body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
        if most is not None:
            body["max_tokens"] = most
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def asked(self, method: str, path: str, body: object = None) -> Any:
        """What root gets from the administration."""
        status, said = self.root.ask(method, f"/api{path}", body)
        assert status == 200, (method, path, status, said)
        return said["data"]


def settled(balance: Callable[[], int]) -> int:
    """What somebody owes, once it is known what a call cost: a moment after its answer."""
    deadline = time.monotonic() + 10
    while (found := balance()) >= 0:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


@contextmanager
def house(folder: Path, *, bare: bool = False) -> Iterator[House]:
    """``bare``: nothing is in it but root, who has changed the first password."""
    environ = {"ONEAPI_OUTBOUND__ALLOW": '["127.0.0.0/8"]', "ONEAPI_ROUTING__COOL_DOWN": "false"}
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FakeUpstream()) as fake,
        whole(folder, environ) as root,
    ):
        built = House(root, Person(root.port), folder, fake.url, {})
        if not bare:
            _furnish(built, portal)
        yield built


def _furnish(house: House, portal: BlockingPortal) -> None:
    channels: Sequence[dict[str, object]] = (
        {"name": "openai-main", "provider": "openai", "models": "gpt-4o,gpt-4o-mini", "priority": 10, "tag": "paid"},
        {"name": "openai-spare", "provider": "openai", "models": "gpt-4o-mini", "weight": 3, "note": "of the old team"},
        {"name": "claude", "provider": "openai", "models": "claude-sonnet-4-5", "key": "sk-one\nsk-two", "keys": None},
        {"name": "asleep", "provider": "openai", "models": "gpt-4o", "status": 2},
    )
    for draft in channels:
        draft = {"key": "sk-upstream", "base_url": house.upstream, "group": "default", **draft}
        if draft.pop("keys", ...) is None:
            draft["keys"] = str(draft.pop("key")).split("\n")
        house.asked("POST", "/channel", draft)
    for name, quota in ((MEMBER, 20 * DOLLAR), ("bob", 5 * DOLLAR)):
        house.asked("POST", "/user", {"username": name, "password": PASSWORD, "display_name": name.title()})
        found = house.asked("GET", f"/user/search?keyword={name}")[0]
        house.asked("PUT", "/user", {"id": found["id"], "quota": quota})
    _tokens(house)
    portal.call(_past, house)
    key = house.keys["laptop"]
    for count, model in enumerate(MODELS * 2):
        assert house.call(key, model, f"question {count}", stream=count % 2 == 0) == 200
    assert house.call(key, "gpt-4o", 'fake:{"status": 400, "message": "too long"}') == 400


def _tokens(house: House) -> None:
    ann = house.member
    ann.login(MEMBER)
    for person, name, more in (
        (house.root, "ci", {"unlimited_quota": True}),
        (ann, "laptop", {"remain_quota": 10 * DOLLAR}),
        (ann, "phone", {"remain_quota": DOLLAR, "expired_time": int(time.time()) + 86_400}),
    ):
        status, said = person.ask("POST", "/api/token", {"name": name, **more})
        assert status == 200, said
        house.keys[name] = said["data"]["key"]


async def _past(house: House) -> None:
    """Calls of a month, as the gateway would have written them down."""
    tokens = house.asked("GET", "/token/all?page_size=100")
    channels = {row["name"]: row["id"] for row in house.asked("GET", "/channel?page_size=100")}
    calls = [(day, count) for day in range(30) for count in range(6 + day % 5)]
    records = [_call(day, count, tokens[(day + count) % len(tokens)], channels) for day, count in calls]
    async with SQLStorage(f"sqlite:///{house.folder / 'oneapi.db'}") as storage:
        await storage.write_records(records)


def _call(day: int, count: int, token: Mapping[str, Any], channels: Mapping[str, int]) -> CallRecord:
    """One of so many days ago; one in eleven has failed."""
    model, failed = MODELS[count % len(MODELS)], (day + count) % 11 == 0
    channel = "claude" if model == MODELS[2] else "openai-main"
    usage = Usage(input=900 + 37 * count, output=250 + 11 * day)
    status = 503 if failed else 200
    why = "status 503" if failed else ""
    return CallRecord(
        id=f"past-{day}-{count}",
        at=time.time() - day * 86_400 - 3_600 - count * 600,
        operation="chat",
        token_id=token["id"],
        token_name=token["name"],
        user_id=token["user_id"],
        model=model,
        upstream_model=model,
        channel_id=channels[channel],
        attempts=(Attempt(channels[channel], channel, 0, model, status, why, 0.4),),
        usage=None if failed else usage,
        price=Price(input=3 * NANO, output=15 * NANO),
        cost=0 if failed else usage.input * 3_000 + usage.output * 15_000,
        status=status,
        reason="upstream_failed" if failed else "done",
        stream=count % 2 == 0,
        first_content=None if failed else 0.3,
        duration=0.5 + 0.2 * count,
        client="127.0.0.1",
    )
