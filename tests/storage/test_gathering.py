"""Questions asked together: how few there are, and that nobody gets an answer from before it asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from oneapi_asgi.storage.gathering import Gathering


class Asked:
    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.batches: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def __call__(self, keys: Sequence[str]) -> Mapping[str, str]:
        self.batches.append([*keys])
        answers = {key: self.known[key] for key in keys if key in self.known}
        await self.open.wait()
        if self.error:
            raise self.error
        return answers


async def test_a_storm_is_a_few_questions() -> None:
    asked = Asked()
    asked.known = {str(number): f"it is {number}" for number in range(0, 1000, 2)}
    gathering = Gathering(asked)
    answers = await asyncio.gather(*[gathering.find(str(number)) for number in range(1000)])
    assert answers == [f"it is {number}" if number % 2 == 0 else None for number in range(1000)]
    assert [len(batch) for batch in asked.batches] == [500, 500]
    assert await gathering.find("4") == "it is 4"


async def test_who_comes_later_gets_an_answer_of_later() -> None:
    asked = Asked()
    gathering = Gathering(asked)
    asked.open.clear()
    early = asyncio.create_task(gathering.find("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.known["a"] = "new"
    late = [asyncio.create_task(gathering.find("a")) for _ in range(3)]
    await asyncio.sleep(0)
    asked.open.set()
    assert await early is None
    assert await asyncio.gather(*late) == ["new"] * 3
    assert asked.batches == [["a"], ["a"]]


async def test_an_error_is_everybodys_and_the_next_question_is_asked_anew() -> None:
    asked = Asked()
    gathering = Gathering(asked)
    asked.error = ConnectionError("gone")
    answers = await asyncio.gather(*[gathering.find(key) for key in "abc"], return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError] * 3
    asked.error = None
    assert await gathering.find("a") is None


async def test_who_is_cancelled_takes_nobody_along() -> None:
    asked = Asked()
    asked.known["a"] = "here"
    gathering = Gathering(asked)
    asked.open.clear()
    both = [asyncio.create_task(gathering.find("a")) for _ in range(2)]
    await asyncio.sleep(0)
    both[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await both[0]
    asked.open.set()
    assert await both[1] == "here"
