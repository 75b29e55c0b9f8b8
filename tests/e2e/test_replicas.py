"""Two gateways on one storage and one Redis: limits, answers, failed channels and changes are shared over real HTTP."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
from servers.databases import redis_server
from servers.own import OwnRedis

from oneapi_asgi import Channel, Gateway, MemoryStorage, Secret, TokenDraft, key_digest
from oneapi_asgi.announced import REVISION
from oneapi_asgi.models import Limit
from oneapi_asgi.rates import LocalRates
from oneapi_asgi.storage.redis import SharedRedis, tell
from oneapi_asgi.testing import Answer, FakeUpstream

from .serving import CHAT, KEY, PRICE, UPSTREAM_KEY, chat, eventually, make_upstream, served

NEVER = 3600.0
"""Seconds between two looks at the storage: what is known sooner was told."""


@dataclass
class Replicas:
    gateways: Sequence[Gateway]
    urls: Sequence[str]
    redis: Sequence[SharedRedis]
    storage: MemoryStorage
    upstream: FakeUpstream
    http: httpx2.AsyncClient
    prefix: str

    async def ask(self, which: int, body: object = CHAT, **headers: str) -> httpx2.Response:
        return await self.http.post(f"{self.urls[which % 2]}/v1/chat/completions", json=body, headers=headers)

    async def costs(self, calls: int) -> list[int]:
        """Of so many calls, once they are recorded, the dearest last."""

        async def all_there() -> bool:
            return len(await self.storage.list_records(1000)) >= calls

        await eventually(all_there, within=5)
        return sorted(record.cost for record in await self.storage.list_records(1000))


@asynccontextmanager
async def replicas(
    *limits: Limit, url: str | None = None, poll_interval: float = NEVER, channels: Sequence[Channel] = ()
) -> AsyncIterator[Replicas]:
    prefix = f"oneapi-test-{secrets.token_hex(6)}:"
    storage = MemoryStorage(tokens=[TokenDraft(name="ann", digest=key_digest(KEY))], channels=channels)
    for limit in limits:
        await storage.save_limit(limit)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream())
        await storage.save_channel(
            Channel(id=0, name="main", base_url=upstream.url, api_keys=(Secret(UPSTREAM_KEY),), models=("*",))
        )
        redis = [
            SharedRedis(url or redis_server(), local=LocalRates(), prefix=prefix, replicas=2, timeout=2.0)
            for _ in range(2)
        ]
        gateways = [
            Gateway(
                storage,
                upstream=make_upstream("httptools"),
                prices={"*": PRICE},
                shared=shared,
                poll_interval=poll_interval,
            )
            for shared in redis
        ]
        urls = [await stack.enter_async_context(served(gateway)) for gateway in gateways]
        http = httpx2.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=20, trust_env=False)
        await stack.enter_async_context(http)
        for shared in redis:
            await shared.notices.listening()
        yield Replicas(gateways, urls, redis, storage, upstream, http, prefix)


async def test_a_limit_is_counted_once_and_told_in_openais_names() -> None:
    async with replicas(Limit(scope="token", requests_per_minute=60, tokens_per_minute=60_000)) as both:
        answers = [await both.ask(number) for number in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4
        headers = [answer.headers for answer in answers]
        assert [told["x-ratelimit-limit-requests"] for told in headers] == ["60"] * 4
        left = [int(told["x-ratelimit-remaining-requests"]) for told in headers]
        assert left == sorted(left, reverse=True)
        assert 60 - 5 <= left[-1] <= 60 - 3  # one comes back each second
        assert headers[0]["x-ratelimit-reset-requests"] == "1s"
        assert headers[0]["x-ratelimit-limit-tokens"] == "60000"
        assert 0 < int(headers[0]["x-ratelimit-remaining-tokens"]) < 60_000
        assert headers[0]["x-ratelimit-reset-tokens"].endswith("s")


async def test_whoever_waits_as_told_gets_in_and_nobody_sooner() -> None:
    # One comes back every three seconds: time enough for all that is asked meanwhile.
    async with replicas(Limit(scope="token", requests_per_minute=20)) as both:
        answers = await asyncio.gather(*[both.ask(number) for number in range(30)])
        counts = Counter(answer.status_code for answer in answers)
        assert set(counts) == {200, 429}
        assert 20 <= counts[200] <= 21
        refused = await both.ask(0)
        at = time.monotonic()
        assert refused.status_code == 429
        wait = int(refused.headers["retry-after-ms"]) / 1000
        assert 0 < wait <= 3
        assert int(refused.headers["retry-after"]) == math.ceil(wait)
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert (await both.ask(1)).status_code == 429
        await asyncio.sleep(at + wait - time.monotonic())
        assert (await both.ask(1)).status_code == 200


async def test_twenty_repetitions_at_both_are_one_call() -> None:
    async with replicas() as both:
        key = {"idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
        answers = await asyncio.gather(*[both.ask(number, chat(wait=0.3), **key) for number in range(20)])
        assert [answer.status_code for answer in answers] == [200] * 20
        assert len({answer.content for answer in answers}) == 1
        assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
        other = await both.ask(1, chat(wait=0.2), **key)
        assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
        assert len(both.upstream.journal) == 1
        costs = await both.costs(21)
        assert costs == [0] * 20 + [max(costs)]
        assert costs[-1] > 0


async def test_what_one_has_seen_change_the_other_looks_at_at_once() -> None:
    async with replicas() as both:
        assert [(await both.ask(which)).status_code for which in (0, 1)] == [200, 200]
        (token,) = await both.storage.list_tokens()
        await both.storage.set_token_status(token.id, "disabled")
        assert [(await both.ask(which)).status_code for which in (0, 1)] == [200, 200]  # nobody was told
        revision = (await both.storage.pulse()).revision
        assert await tell(redis_server(), REVISION, str(revision), prefix=both.prefix)

        async def refused() -> bool:
            return [(await both.ask(which)).status_code for which in (0, 1)] == [401, 401]

        await eventually(refused, within=1)


async def test_a_channel_that_failed_at_one_rests_at_the_other() -> None:
    async with FakeUpstream() as sick:
        first = Channel(id=7, name="sick", base_url=sick.url, api_keys=(Secret("k"),), models=("*",), priority=9)
        async with replicas(channels=[first]) as both:
            for _ in range(5):
                sick.script(Answer(status=503))
                assert (await both.ask(0)).status_code == 200

            async def rests() -> bool:
                return not both.gateways[1].pool.health.calm

            await eventually(rests, within=1)
            assert (await both.ask(1)).status_code == 200
        assert len(sick.journal) == 5


GARBAGE = ("not a number", "-1", "1e999", "", "\udcff\n\0", "99999999999999999999")


async def test_a_poisoned_redis_changes_no_answer() -> None:
    """Nothing that lies there says who somebody is: wrong values cost the exactness of limits at most."""
    limit = Limit(scope="token", requests_per_minute=1_000_000, tokens_per_minute=100_000_000, concurrent_calls=1000)
    with OwnRedis() as server:
        async with (
            replicas(limit, url=server.url, poll_interval=0.2) as both,
            httpx2.AsyncClient(trust_env=False) as stranger,
        ):
            assert [(await both.ask(which)).status_code for which in (0, 1)] == [200, 200]
            client = both.redis[0]._link.client
            for value in GARBAGE:
                text = value.encode("utf-8", "surrogateescape")
                for key in await client.keys("*"):
                    await client.delete(key)
                    await (client.set(key, text) if len(text) % 2 else client.rpush(key, text or b"x"))
                for kind in ("revision", "cooling", "answered", "unknown"):
                    await client.publish(f"{both.prefix}notices", b"somebody\n" + kind.encode() + b"\n" + text)
                answers = await asyncio.gather(*[both.ask(number) for number in range(10)])
                assert [answer.status_code for answer in answers] == [200] * 10
                wrong = {"authorization": "Bearer sk-of-nobody"}
                refused = await stranger.post(f"{both.urls[0]}/v1/chat/completions", json=CHAT, headers=wrong)
                assert refused.status_code == 401


async def test_without_redis_changes_are_seen_as_often_as_is_looked() -> None:
    poll_interval = 0.2
    with OwnRedis() as server:
        async with replicas(url=server.url, poll_interval=poll_interval) as both:
            assert [(await both.ask(which)).status_code for which in (0, 1)] == [200, 200]
            await asyncio.to_thread(server.kill)
            (token,) = await both.storage.list_tokens()
            await both.storage.set_token_status(token.id, "disabled")

            async def refused() -> bool:
                return [(await both.ask(which)).status_code for which in (0, 1)] == [401, 401]

            assert await eventually(refused, within=poll_interval + 1) <= poll_interval + 1
