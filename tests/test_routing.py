"""The component that has a call planned."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from planned import Store, channel
from starlette.types import Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.models import Candidate, Token
from oneapi_asgi.planning import Planner
from oneapi_asgi.pool import ChannelPool
from oneapi_asgi.routing import ModelRouter
from oneapi_asgi.testing import StreamingClient


class Caller:
    """Fills the slots that a router reads, and shows the plan that it wrote."""

    def __init__(
        self,
        pool: ChannelPool,
        *,
        group: str = "",
        pinned: int | None = None,
        max_attempts: int = 3,
        planner: Planner | None = None,
    ) -> None:
        self.router = ModelRouter(self.show, pool, planner=planner, max_attempts=max_attempts)
        self.token = Token(id=1, name="t", digest="", group=group) if group else None
        self.pinned = pinned
        self.plan: list[int] = []
        self.asked = ""
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        call.token, call.pinned_channel = self.token, self.pinned
        await self.router(scope, receive, send)

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.plan = [one.channel.id for one in Call.of(scope).plan]
        self.asked = Call.of(scope).plan[0].upstream_model
        self.body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("group", "pinned", "max_attempts", "body", "status", "planned"),
    [
        ("", None, 3, CHAT, 200, [1, 2]),
        ("default", None, 1, CHAT, 200, [1, 2]),
        ("vip", None, 3, CHAT, 200, [3]),
        ("default", 3, 3, CHAT, 200, [3]),
        ("default", 9, 3, CHAT, 400, []),
        ("nobody", None, 3, CHAT, 404, []),
        ("default", None, 3, {"model": "m"}, 400, []),
    ],
)
async def test_the_component(
    group: str, pinned: int | None, max_attempts: int, body: dict[str, object], status: int, planned: list[int]
) -> None:
    pool = ChannelPool(Store(channel(1, priority=2), channel(2, priority=1), channel(3, groups=("vip",))))
    app = Caller(pool, group=group, pinned=pinned, max_attempts=max_attempts)
    async with StreamingClient(app, lifespan=False) as client:
        answer = await client.request("POST", "/v1/chat/completions", json=body)
    assert (answer.status, app.plan) == (status, planned)
    if status == 200:
        assert b'"model":"m"' in app.body


class Own:
    """A planner that takes what is there in its order, and may want to know more before."""

    def __init__(self, pool: ChannelPool) -> None:
        self.pool = pool

    def plan(self, call: Call, model: str) -> tuple[Candidate, ...]:
        return tuple(Candidate(one, 0, f"{model}-{call.session}") for one in self.pool.serving("default", model))


class Careful(Own):
    async def prepare(self, call: Call, model: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        call.session = f"{model} {dict(headers)[b'x-mine'].decode()}"


@pytest.mark.parametrize(("kind", "asked"), [(Own, "m-"), (Careful, "m-m here")])
async def test_a_planner_of_ones_own(kind: type[Own], asked: str) -> None:
    pool = ChannelPool(Store(channel(1), channel(2, priority=2)))
    app = Caller(pool, planner=kind(pool), group="vip")
    async with StreamingClient(app, lifespan=False) as client:
        answer = await client.request("POST", "/v1/chat/completions", json=CHAT, headers={"x-mine": "here"})
    assert (answer.status, app.plan, app.asked) == (200, [2, 1], asked)
