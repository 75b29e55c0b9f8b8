"""Which account is to keep a file, and which one has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from oneapi_asgi.accounts import Accounts, Asked, called, keeps_files, runs
from oneapi_asgi.call import Call
from oneapi_asgi.errors import GatewayError, NotFound, RateLimited, Unavailable
from oneapi_asgi.health import Ejection, Standing
from oneapi_asgi.kept import OwnedObject
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Candidate, Channel, Secret, Token
from oneapi_asgi.pool import ChannelPool
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.upstream.seam import Outgoing, Timeouts

ANN = Token(id=1, name="t", digest="d", user_id=7)


def channel(number: int, *keys: str, **fields: Any) -> Channel:
    return Channel(id=number, name=f"c{number}", api_keys=tuple(map(Secret, keys or (f"k{number}",))), **fields)


@pytest.mark.parametrize(
    ("fields", "keeps"),
    [
        ({}, True),
        ({"provider": "azure"}, True),
        ({"provider": "groq"}, True),
        ({"provider": "deepseek"}, False),
        ({"provider": "anthropic"}, False),
        ({"provider": "no-such"}, False),
        ({"dialects": ("responses",)}, False),
        ({"options": {"files": "no"}}, False),
        ({"provider": "openai-compatible"}, False),
        ({"provider": "openai-compatible", "options": {"files": "Yes"}}, True),
        ({"provider": "anthropic", "options": {"files": "yes"}}, False),
    ],
)
def test_who_keeps_files(fields: dict[str, Any], *, keeps: bool) -> None:
    assert keeps_files(channel(1, **fields)) is keeps


@pytest.mark.parametrize(
    ("models", "model_map", "model", "names"),
    [
        (("*",), {}, "gpt-4o", ["gpt-4o"]),
        (("gpt-4o",), {}, "o3", []),
        ((), {"quick": "o3"}, "o3", ["quick"]),
        (("o3",), {"quick": "o3"}, "o3", ["o3", "quick"]),
        (("*",), {"o3": "o4"}, "o3", []),  # callers who say o3 get another
        (("*",), {"o3": "o4"}, "o4", ["o4", "o3"]),
    ],
)
def test_what_callers_call_a_model(
    models: tuple[str, ...], model_map: dict[str, str], model: str, names: list[str]
) -> None:
    one = channel(1, models=models, model_map=model_map)
    assert called(one, model) == names
    assert runs(one, [model]) is bool(names)
    assert runs(one, [])


class Silence:
    """An upstream that is not asked."""

    async def send(self, request: Outgoing) -> Any:
        raise AssertionError(request)


class Answering:
    """An upstream that answers everything with this status."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.status = status
        self.headers = headers
        self.asked = 0

    async def send(self, request: Outgoing) -> Answering:
        self.asked += 1
        return self

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"{}"

    async def close(self) -> None:
        pass


async def accounts_of(*channels: Channel, health: Ejection | None = None, upstream: Any = None) -> Accounts:
    storage = MemoryStorage()
    for one in channels:
        await storage.save_channel(replace(one, id=0))
    pool = ChannelPool(storage, health=health)
    await pool.refresh()
    return Accounts(pool, upstream or Silence(), Timeouts())


def steps(found: Sequence[Any]) -> list[tuple[int, int]]:
    return [(step.channel.id, step.key) for step in found]


@pytest.mark.anyio
async def test_who_is_asked_first_is_always_the_same() -> None:
    health = Ejection()
    accounts = await accounts_of(
        channel(1, priority=1, weight=9),
        channel(2, "a", "b", priority=5),
        channel(3, priority=5, models=("o3",)),
        channel(4, priority=9, enabled=False),
        channel(5, priority=9, groups=("vip",)),
        channel(6, priority=9, provider="deepseek"),
        health=health,
    )
    call = Call()
    for _ in range(5):
        assert steps(accounts.keepers(call, ANN, "", ())) == [(2, 0), (2, 1), (3, 0), (1, 0)]
    assert steps(accounts.keepers(call, ANN, "", ("gpt-4o",))) == [(2, 0), (2, 1), (1, 0)]
    for _ in range(3):
        trial = health.begin(Candidate(channel(2, "a", "b", priority=5), 0, ""))
        assert not isinstance(trial, Standing)
        trial.failed("auth")
    assert steps(accounts.keepers(call, ANN, "o3", ())) == [(2, 1), (3, 0), (1, 0), (2, 0)]
    with pytest.raises(NotFound, match="No channel keeps files"):
        accounts.keepers(call, replace(ANN, group="none"), "", ())
    call.pinned_channel = 5
    assert steps(accounts.keepers(call, ANN, "", ())) == [(5, 0)]
    call.pinned_channel = 6
    with pytest.raises(NotFound, match="keeps files"):
        accounts.keepers(call, ANN, "", ())


@pytest.mark.anyio
async def test_an_object_goes_with_its_channel_and_key() -> None:
    accounts = await accounts_of(channel(1, "a", "b"), channel(2, enabled=False))
    owned = OwnedObject(id="file-1", kind="file", channel_id=1, key=key_digest("b"), user_id=7, created=0)
    assert steps([accounts.holder(owned)]) == [(1, 1)]
    for gone in (replace(owned, channel_id=9), replace(owned, key=key_digest("c"))):
        with pytest.raises(NotFound, match="no access to any more"):
            accounts.holder(gone)
    with pytest.raises(Unavailable, match="switched off"):
        accounts.holder(replace(owned, channel_id=2, key=key_digest("k2")))


# --- what becomes of it -----------------------------------------------------------------------------------------------

FILES = channel(1)
MANY = 8


async def ask(accounts: Accounts, call: Call) -> int:
    """The status that the caller gets."""
    try:
        async with accounts.asked(call, Candidate(FILES, 0, ""), Asked("GET", "/files")):
            return 200
    except GatewayError as error:
        return error.status


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "asked", "told"),
    [
        (200, MANY, 200),
        (404, MANY, 404),
        (422, MANY, 422),
        (401, MANY, 502),
        (403, MANY, 502),
        (402, MANY, 502),
        (500, 6, 503),  # five in a row, and one more while nobody else is left
    ],
)
async def test_an_account_that_fails_again_and_again_is_left_alone(status: int, asked: int, told: int) -> None:
    upstream, health = Answering(status), Ejection()
    accounts = await accounts_of(FILES, health=health, upstream=upstream)
    call = Call()
    last = [await ask(accounts, call) for _ in range(MANY)][-1]
    assert (upstream.asked, last) == (asked, told)
    assert health.standing(FILES, 0, "gpt-4o").state == "fit"  # a key may chat that keeps no files
    assert [attempt.failure for attempt in call.attempts][asked:] == ["ejected"] * (MANY - asked)


@pytest.mark.anyio
async def test_an_account_that_was_too_fast_is_left_alone() -> None:
    upstream, health = Answering(429, [("retry-after", "7")]), Ejection()
    accounts = await accounts_of(FILES, health=health, upstream=upstream)
    assert [await ask(accounts, Call()) for _ in range(2)] == [429, 429]
    with pytest.raises(RateLimited) as refused:
        async with accounts.asked(Call(), Candidate(FILES, 0, ""), Asked("GET", "/files")):
            pass
    assert upstream.asked == 1
    assert refused.value.retry_after == pytest.approx(7, abs=0.5)


@pytest.mark.anyio
async def test_requests_are_counted_while_they_run() -> None:
    health = Ejection()
    accounts = await accounts_of(FILES, health=health, upstream=Answering(200))
    async with accounts.asked(Call(), Candidate(FILES, 0, ""), Asked("GET", "/files")):
        assert health.in_flight(FILES, 0, "") == 1
    assert health.in_flight(FILES, 0, "") == 0


@pytest.mark.anyio
async def test_who_names_the_channel_is_let_through() -> None:
    upstream = Answering(500)
    accounts = await accounts_of(FILES, health=Ejection(), upstream=upstream)
    call = Call()
    call.pinned_channel = 1
    assert [await ask(accounts, call) for _ in range(MANY)] == [502] * MANY
    assert upstream.asked == MANY
