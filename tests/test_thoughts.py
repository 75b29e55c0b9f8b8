"""Notes of thoughts: the caller's own, kept here and in a store, which may fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from oneapi_asgi import MemoryStorage
from oneapi_asgi.call import Call
from oneapi_asgi.kept import NOTE_BYTES, KeptNote
from oneapi_asgi.models import Token
from oneapi_asgi.thoughts import Thoughts
from oneapi_asgi.wire.chat import Chat, Message, Reasoning, Text, ToolCall
from oneapi_asgi.wire.events import Event, ReasoningDelta, ReasoningEnded, ToolStarted
from oneapi_asgi.wire.sealed import Signature

SIGNED = Signature("anthropic", "claude", "signature")


def by(token_id: int, user_id: int = 0) -> Call:
    return Call(token=Token(id=token_id, name="t", digest="d", user_id=user_id))


def answer(call_id: str = "1", text: str = "Let me think.") -> list[Event]:
    return [
        ReasoningDelta(text),
        ReasoningEnded(SIGNED),
        ToolStarted(index=0, id=call_id, name="f"),
    ]


def chat(*ids: str) -> Chat:
    parts = tuple(ToolCall(id=call_id, name="f") for call_id in ids or ("1",))
    return Chat(model="m", messages=(Message(role="assistant", parts=parts),))


async def thought(thoughts: Thoughts, call: Call, call_id: str = "1") -> list[str]:
    """What comes back of it."""
    made = await thoughts.prepared(chat(call_id), call)
    return [part.text for part in made.messages[0].parts if isinstance(part, Reasoning)]


class Failing(MemoryStorage):
    """``hangs``, or raises."""

    hangs = False

    async def put_notes(self, notes: Sequence[KeptNote]) -> None:
        await self._fail()

    async def get_notes(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        await self._fail()
        return {}

    async def _fail(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        raise ConnectionError("secret detail")


async def test_what_a_client_cannot_carry_comes_back() -> None:
    async with Thoughts() as thoughts:
        thoughts.remember(answer(), by(1))
        assert await thought(thoughts, by(1)) == ["Let me think."]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (by(1), by(1), True),
        (by(1, user_id=7), by(2, user_id=7), True),  # of one user
        (by(1), by(2), False),
        (by(1, user_id=7), by(1, user_id=8), False),
        (by(7), by(1, user_id=7), False),
        (by(1), Call(), False),
        (Call(), Call(), True),  # who asks without a token is one and the same
    ],
)
async def test_nobody_is_reminded_of_anothers_thoughts(one: Call, other: Call, same: bool) -> None:
    storage = MemoryStorage()
    async with Thoughts(storage) as first, Thoughts(storage) as second:
        first.remember(answer(), one)
        await first.told()
        for thoughts in (first, second):
            assert (await thought(thoughts, other) == ["Let me think."]) is same


async def test_another_process_finds_them_in_the_store() -> None:
    storage = MemoryStorage()
    async with Thoughts(storage) as one:
        one.remember(answer(), by(1))
    async with Thoughts(storage) as other, Thoughts() as alone:
        assert await thought(other, by(1)) == ["Let me think."]
        assert await thought(alone, by(1)) == []


async def test_the_store_is_asked_once_and_only_where_there_is_something_to_ask() -> None:
    asked: list[Sequence[str]] = []

    class Counting(MemoryStorage):
        async def get_notes(self, keys: Sequence[str]) -> Mapping[str, bytes]:
            asked.append(keys)
            return await super().get_notes(keys)

    storage = Counting()
    async with Thoughts(storage) as one:
        one.remember(answer(), by(1))
    async with Thoughts(storage) as thoughts:
        await thoughts.prepared(Chat(model="m", messages=()), by(1))
        assert asked == []
        for _ in range(2):
            assert await thought(thoughts, by(1)) == ["Let me think."]
        assert len(asked) == 1
        await thoughts.prepared(chat(*(f"call_{number:020}" for number in range(300))), by(1))
        assert len(asked[1]) == 256, "the last ones"
        thoughts.remember([], by(1))


async def test_a_store_that_fails_costs_no_call(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with Thoughts(Failing()) as thoughts:
            thoughts.remember(answer(), by(1))
            await thoughts.told()
            assert await thought(thoughts, by(1)) == ["Let me think."], "this process has it"
            assert await thought(thoughts, by(2)) == []
    assert [record.getMessage() for record in caplog.records] == [
        "notes cannot be kept: ConnectionError",
        "notes cannot be read: ConnectionError",
    ]


async def test_a_store_that_hangs_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneapi_asgi.notes._PATIENCE", 0.02)
    monkeypatch.setattr("oneapi_asgi.notes._TELLING", 0.02)
    storage = Failing()
    storage.hangs = True
    async with asyncio.timeout(2), Thoughts(storage) as thoughts:
        thoughts.remember(answer(), by(1))
        assert await thought(thoughts, by(2)) == []


@pytest.mark.parametrize(
    "value", [b"", b"\xc1", b"\x80", msgspec.msgpack.encode(["of", "another", "version"]), b"\x91" * 100_000]
)
async def test_a_note_that_cannot_be_read(value: bytes) -> None:
    """Replicas of two versions may share a store."""

    class Strange(MemoryStorage):
        async def get_notes(self, keys: Sequence[str]) -> Mapping[str, bytes]:
            return dict.fromkeys(keys, value)

    async with Thoughts(Strange()) as thoughts:
        assert await thoughts.prepared(chat(), by(1)) == chat()


async def test_what_the_store_would_refuse_is_not_put() -> None:
    """One note that is too large would take all of them with it."""
    put: list[int] = []

    class Sized(MemoryStorage):
        async def put_notes(self, notes: Sequence[KeptNote]) -> None:
            put.extend(len(note.value) for note in notes)
            await super().put_notes(notes)

    async with Thoughts(Sized()) as thoughts:
        for length in (NOTE_BYTES - 8, NOTE_BYTES - 40, NOTE_BYTES // 2):
            thoughts.remember(answer(text="x" * length), by(1))
    assert len(put) == 1
    assert max(put) <= NOTE_BYTES


async def test_what_is_kept_here_is_bounded_by_its_bytes() -> None:
    thoughts = Thoughts(size=1000)
    for number in range(10):
        thoughts.remember(answer(str(number), "x" * 300), by(1))
    assert [bool(await thought(thoughts, by(1), str(number))) for number in range(10)] == [False] * 8 + [True] * 2
    thoughts.remember(answer("long", "x" * 1000), by(1))
    assert await thought(thoughts, by(1), "9") == ["x" * 300]
    assert await thought(thoughts, by(1), "long") == []


def opened(words: str, call_id: str) -> Chat:
    user = Message(role="user", parts=(Text(text=words),))
    return Chat(model="m", messages=(user, Message(role="assistant", parts=(ToolCall(id=call_id, name="f"),))))


@pytest.mark.parametrize(
    ("call_id", "mine", "cut_off"),
    [
        pytest.param("functions.f:0", "first", "second", id="counted anew in each conversation"),
        pytest.param("call_0123456789abcdef01", "second", "second", id="no other's"),
    ],
)
async def test_an_id_that_is_used_again_is_that_of_its_conversation(call_id: str, mine: str, cut_off: str) -> None:
    async def told(words: str) -> list[str]:
        made = await thoughts.prepared(opened(words, call_id), by(1))
        return [part.text for part in made.messages[1].parts if isinstance(part, Reasoning)]

    async with Thoughts() as thoughts:
        for words in ("first", "second"):
            call = by(1)
            await thoughts.prepared(opened(words, "none"), call)
            thoughts.remember(answer(call_id, words), call)
        assert await told("first") == [mine]
        assert await told("second") == ["second"]
        assert await told("what is left of it") == [cut_off]
