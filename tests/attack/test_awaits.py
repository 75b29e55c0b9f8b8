"""Struck at every await between the hold and the settlement: nothing stays held, and all agree on what was charged."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from e2e.serving import KEY, PRICE
from msgspec.structs import replace
from starlette.types import ASGIApp

from attack.inside import event
from attack.struck import Line, Place, Strike, Striking, awaits_of
from oneapi_asgi import MemoryStorage, Usage, admission, delivery, exchange, quota, relay
from oneapi_asgi.call import Call
from oneapi_asgi.errors import Unavailable
from oneapi_asgi.limitbook import LimitBook
from oneapi_asgi.models import Candidate, Channel, Limit, Price, Token, TokenDraft
from oneapi_asgi.pace import Pacing
from oneapi_asgi.ports import LedgerAnswer, LedgerOperation
from oneapi_asgi.pricebook import PriceBook
from oneapi_asgi.quota import Quota, QuotaGuard
from oneapi_asgi.ratelimit import ChannelLimits, RateLimiter
from oneapi_asgi.relay import Relay
from oneapi_asgi.revision import Revision
from oneapi_asgi.slots import Slots
from oneapi_asgi.upstream.seam import Incoming, Outgoing, Timeouts, UpstreamFault

CHANNELS = tuple(
    Channel(id=number, name=name, base_url="http://127.0.0.1:9/v1") for number, name in enumerate("abc", 1)
)
JSON, EVENTS, SOUND = "application/json", "text/event-stream", "audio/mpeg"
WORDS = [event("word") for _ in range(3)]
END = [event(end=True), event(usage=Usage(input=7, output=3)), b"data: [DONE]\n\n"]
WHOLE = [b'{"choices":[],', b'"usage":{"prompt_tokens":7,"completion_tokens":3}}']
HANG = b"<hang>"
PAUSE = b"<pause>"
SPEECH = ("raw", "raw, cut")
"""Scenarios of sound: conversations are never passed on without a look."""


class Script(NamedTuple):
    """What one channel answers. An exception among the pieces is raised there."""

    pieces: Sequence[bytes | Exception]
    kind: str = EVENTS
    status: int = 200


CUT = UpstreamFault("cut")
CHAT = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}],"max_tokens":9}'
BAD = Script([b"{}"], JSON, 500)
GOOD = Script([*WORDS, *END])

SCENARIOS: dict[str, Sequence[Script]] = {
    "whole": [Script(WHOLE, JSON)],
    "events": [GOOD],
    "raw": [Script([b"so", b"und"], SOUND)],
    "the caller's fault": [Script([b'{"error":{"message":"no"}}'], JSON, 400)],
    "all fail": [BAD, Script([CUT], JSON), Script([b'{"error":{}}'], JSON)],
    "the third serves": [BAD, Script([event(), CUT]), GOOD],
    "refused to connect": [Script([], "connect"), GOOD],
    "events, cut": [Script([*WORDS, CUT])],
    "raw, cut": [Script([b"so", CUT], SOUND)],
    "an end without content": [Script([event(), event(end=True).rstrip()])],
    "late": [Script([HANG])],
    "late amid events": [Script([*WORDS, HANG])],
    "the caller leaves": [Script([*WORDS, HANG])],
    "over its limits": [BAD, BAD, GOOD],
    "out of budget": [BAD, GOOD],
    "out of all budgets": [],
    "limits that cannot be read": [BAD],
    "thinks for long": [Script([event(), PAUSE, *WORDS, PAUSE, *END])],
    "thinks for long, and ends amid a line": [Script([*WORDS, *END[:2], PAUSE, END[2].rstrip()])],
    "thinks for long, and fails": [Script([event(), PAUSE, CUT]), BAD, BAD],
    "waits for a place": [GOOD],
}

POINTS: dict[Line, Place] = {
    **awaits_of(quota, ["Quota.reserve", "Quota._prices", "Quota._budgets", "Quota._hold", "QuotaGuard.__call__"]),
    **awaits_of(relay, ["Relay.__call__"]),
    **awaits_of(
        exchange,
        [f"Exchange.{name}" for name in ("run", "_walk", "_may_go_on", "_queued", "_try", "_put")]
        + [f"Exchange.{name}" for name in ("_give_up", "_cut_short", "_refuse")],
    ),
    **awaits_of(admission, ["Doors.enter"]),
    **awaits_of(
        delivery,
        [f"Delivery.{name}" for name in ("break_off", "_refused", "_whole", "_raw", "_events", "_follow")]
        + ["Delivery._end", "Delivery._start", "Delivery._body", "_read"],
    ),
}


NEVER_WAITS: dict[Place, str] = {
    ("Relay.__call__", "parsed(scope, receive, max_body=self._max_body)"): "the guard has read the body",
    ("Exchange._give_up", "answer_json(self._send, self._call, counted)"): "only where tokens are counted",
    ("Exchange._put", "self._dispatch.to(candidate)"): "only what is translated, or signed with a ticket, waits there",
    ("Exchange._cut_short", "asyncio.timeout(_LAST_WORDS)"): "what is awaited is within",
}


class Answer:
    def __init__(self, script: Script, resumed: asyncio.Event) -> None:
        self._resumed = resumed
        self.status = script.status
        self.headers = [("content-type", script.kind)]
        self._pieces = script.pieces

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(0)
            if isinstance(piece, Exception):
                raise piece
            if piece is HANG:
                await asyncio.sleep(60)
            if piece is PAUSE:
                self._resumed.clear()
                await asyncio.sleep(0.08)
                self._resumed.set()
                continue
            yield piece

    async def close(self) -> None:
        await asyncio.sleep(0)


class Upstreams:
    """Answers as the script of the channel says that is asked: their order is that of the plan."""

    def __init__(self, scripts: Sequence[Script], resumed: asyncio.Event) -> None:
        self._scripts = iter(scripts)
        self._resumed = resumed

    async def send(self, request: Outgoing) -> Incoming:
        await asyncio.sleep(0)
        script = next(self._scripts)
        if script.kind == "connect":
            raise UpstreamFault("connect")
        return Answer(script, self._resumed)


class Waiting(MemoryStorage):
    """No answer comes at once."""

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        await asyncio.sleep(0)
        answers = await super().apply(operations)
        await asyncio.sleep(0)
        return answers

    async def price(self, model: str) -> Price:
        """Of a catalog."""
        await asyncio.sleep(0)
        return PRICE

    def held(self) -> list[str]:
        return [hold.id for hold in self._holds.values() if hold.state == "held"]


class Counting:
    """Leave to make an attempt, after a moment."""

    def __init__(self, limits: ChannelLimits, *, broken: bool) -> None:
        self._limits = limits
        self._broken = broken

    async def enter(self, call: Call, channel: Channel) -> Any:
        await asyncio.sleep(0)
        if self._broken and call.attempts:
            raise Unavailable("Limits cannot be read.")
        return await self._limits.enter(call, channel)


class Caller:
    """Reads a comment no sooner than the upstream goes on: what comes next has to wait for it."""

    def __init__(self, name: str, token: Token, resumed: asyncio.Event) -> None:
        self._resumed = resumed
        narrow = name == "waits for a place"
        channels = [
            replace(channel, concurrent_calls=1 if narrow else None) for channel in CHANNELS[: 1 if narrow else 3]
        ]
        self.call = Call(token=token, plan=tuple(Candidate(channel, 0, "m") for channel in channels))
        path = "/v1/audio/speech" if name in SPEECH else "/v1/chat/completions"
        self._body = b'{"model":"m","input":"hi","voice":"v"}' if name in SPEECH else CHAT
        self.scope: Any = {"type": "http", "method": "POST", "path": path, "query_string": b""}
        self.scope |= {"headers": [(b"content-type", b"application/json")], "oneapi_asgi.call": self.call}
        self._leaves = name == "the caller leaves"
        self._asked = False
        self._content = asyncio.Event()

    async def receive(self) -> Any:
        await asyncio.sleep(0)
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._content.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        if message.get("body", b"").startswith(b":"):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._resumed.wait(), 0.1)
            for _ in range(5):
                await asyncio.sleep(0)
        if self._leaves and message.get("body"):
            self._content.set()


async def storage_of(name: str) -> tuple[Waiting, Token]:
    storage = Waiting()
    await storage.save_limit(Limit(scope="user", budget=10**9, period="day"))
    if name == "over its limits":
        await storage.save_limit(Limit(scope="channel", name="a", requests_per_minute=0))
    if name == "out of budget":
        await storage.save_limit(Limit(scope="channel", name="a", budget=1, period="day"))
    if name == "out of all budgets":
        await storage.save_limit(Limit(scope="channel", budget=1, period="day"))
    await storage.add_user("bob", wallet=10**9)
    return storage, await storage.add_token(TokenDraft(name="bob", digest=KEY, quota=10**9, user="bob"))


class Hurried(random.Random):
    def uniform(self, a: float, b: float) -> float:
        """A pause is a pause."""
        return 0.001


class Left(NamedTuple):
    """What is left of a call that was struck."""

    hit: bool
    seen: set[Line]


async def strike(name: str, at: int, how: Strike) -> Left:
    storage, token = await storage_of(name)
    revision = Revision(storage, interval=0)
    book = LimitBook(storage, revision=revision)
    prices = PriceBook(storage, revision=revision, catalog=storage)
    admission = Counting(ChannelLimits(RateLimiter(limits=book)), broken=name == "limits that cannot be read")
    timeouts = Timeouts(total=0.02 if name.startswith("late") else 60.0)
    resumed = asyncio.Event()
    upstream = Upstreams(SCENARIOS[name], resumed)
    caller = Caller(name, token, resumed)
    async with Quota(storage, prices, limits=book, budgets=storage) as quota_:
        pacing, slots = Pacing(keep_alive=0.01 if name.startswith("thinks") else 0), Slots()
        if name == "waits for a place" and (taken := slots.enter(caller.call.plan[0])) is not None:
            asyncio.get_running_loop().call_later(0.01, taken.leave)
        inner: ASGIApp = Relay(
            upstream, admission=admission, timeouts=timeouts, pacing=pacing, slots=slots, rng=Hurried()
        )
        app = QuotaGuard(inner, quota_)
        striking = Striking(at, how)

        def make(loop: asyncio.AbstractEventLoop, running: Any, **options: Any) -> asyncio.Task[Any]:
            """Who follows a stream does so in a task of its own, and is struck too."""
            follows = getattr(running, "__qualname__", "") == "Delivery._follow"
            return striking.begin(running, loop, **options) if follows else asyncio.Task(running, loop=loop, **options)

        loop = asyncio.get_running_loop()
        task = striking.begin(app(caller.scope, caller.receive, caller.send), loop)
        loop.set_task_factory(make)
        done, _ = await asyncio.wait([task], timeout=10)
        assert done, "it hangs"
        loop.set_task_factory(None)
        if not task.cancelled():
            task.exception()
        await quota_.settled()
        assert quota_._open == {}
    assert storage.held() == []
    used = [balance.used for balance in await storage.balances(token.accounts)]
    assert used == [caller.call.cost] * 2
    return Left(striking.hit, striking.seen)


@pytest.mark.parametrize("how", ["cancelled", "cancelled for good", "OSError", "ValueError"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_nothing_stays_held(name: str, how: Strike) -> None:
    strikes = 0
    while (await strike(name, strikes, how)).hit:
        strikes += 1
    assert strikes > 10


async def test_every_await_was_struck() -> None:
    """Those in the source are those that were walked over: none of them is left out above."""
    places: set[Place] = set()
    for name in SCENARIOS:
        seen = (await strike(name, 10**9, "cancelled")).seen
        places |= {POINTS[line] for line in seen if line in POINTS}
    assert set(POINTS.values()) - places == NEVER_WAITS.keys()
