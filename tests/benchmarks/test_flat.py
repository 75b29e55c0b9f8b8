"""What a call costs hardly depends on how many tokens and channels there are: a ratio, which holds on any machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest
from msgspec import Struct

from benchmarks.growth_config import key_of, model_of
from benchmarks.traffic import ANSWER, PATH
from oneapi_asgi import Gateway
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Channel, Price, Secret, TokenDraft
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing import StreamingClient
from oneapi_asgi.upstream.seam import Outgoing

CALLS, AT_ONCE = 256, 16
ROUNDS, MOST_ROUNDS = 4, 12
QUOTA = 10**15


class Size(Struct, frozen=True):
    tokens: int = 1
    channels: int = 1
    models: int = 1


class Answer:
    status = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"), ("content-length", str(len(ANSWER))))

    async def chunks(self) -> AsyncIterator[bytes]:
        yield ANSWER

    async def close(self) -> None:
        return None


class Upstream:
    async def send(self, request: Outgoing) -> Answer:
        return Answer()


class Sized:
    """A gateway of a size, and calls that go round its tokens and models."""

    def __init__(self, database: Path, size: Size) -> None:
        self._size = size
        self._numbers = count()
        gateway = Gateway(
            SQLStorage(f"sqlite:///{database}"),
            upstream=Upstream(),
            channels=[
                Channel(id=0, name=f"channel-{n}", api_keys=(Secret(f"sk-{n}"),), models=(model_of(n % size.models),))
                for n in range(size.channels)
            ],
            tokens=[
                TokenDraft(name=f"token-{n}", digest=key_digest(key_of(n)), quota=QUOTA) for n in range(size.tokens)
            ],
            prices={"*": Price(input=150_000_000, output=600_000_000)},
        )
        self.client = StreamingClient(gateway)

    async def cost(self) -> float:
        """Seconds of this process's CPU for a call, threads included."""
        before = time.process_time()
        await asyncio.gather(*(self._call_in_turn() for _ in range(AT_ONCE)))
        return (time.process_time() - before) / CALLS

    async def warm_up(self) -> None:
        for _ in range(max(self._size.tokens, self._size.models, CALLS) // CALLS + 1):
            await self.cost()

    async def _call_in_turn(self) -> None:
        for _ in range(CALLS // AT_ONCE):
            number = next(self._numbers)
            answer = await self.client.request(
                "POST",
                PATH,
                headers={"authorization": f"Bearer {key_of(number % self._size.tokens)}"},
                json={
                    "model": model_of(number % self._size.models),
                    "max_tokens": 64,
                    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
                },
            )
            assert answer.status == 200, answer.text


@pytest.mark.parametrize(
    ("small", "large", "most"),
    [
        pytest.param(Size(tokens=10), Size(tokens=2_000), 1.5, id="tokens"),
        pytest.param(Size(channels=10, models=10), Size(channels=300, models=300), 1.5, id="channels"),
        pytest.param(Size(channels=10), Size(channels=300), 1.5, id="channels-of-one-model"),
    ],
)
async def test_a_call_costs_the_same_however_many_there_are(
    small: Size, large: Size, most: float, tmp_path: Path
) -> None:
    few, many = Sized(tmp_path / "few.db", small), Sized(tmp_path / "many.db", large)
    async with AsyncExitStack() as stack:
        for sized in (few, many):
            await stack.enter_async_context(sized.client)
            await sized.warm_up()
        costs: list[tuple[float, float]] = []
        while len(costs) < ROUNDS or (len(costs) < MOST_ROUNDS and _ratio(costs) > most):
            costs.append((await few.cost(), await many.cost()))
    assert _ratio(costs) <= most, costs


def _ratio(costs: Sequence[tuple[float, float]]) -> float:
    """Of the least costs: what else the machine does only ever adds to one."""
    return min(many for _, many in costs) / min(few for few, _ in costs)
