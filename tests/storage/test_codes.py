"""Redemption codes on every storage; A5: none is credited twice, however many processes redeem it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from servers.databases import KINDS, Kind, fresh, rows
from servers.prepared import Prepared

from oneapi_asgi.models import Balance, TokenDraft
from oneapi_asgi.ports import Storage
from oneapi_asgi.queries import CodeDraft
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing.code_contract import CodeContract

REDEEM = """
import asyncio, random, sys
from oneapi_asgi.storage.sql import SQLStorage

url, name, codes, redeemers, users = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])

async def redeemer(storage, number):
    chance = random.Random(f"{name}-{number}")
    credited = refused = 0
    for code in chance.sample(range(codes), codes):
        try:
            credited += await storage.redeem(f"code-{code}", f"user-{chance.randrange(users)}")
        except ValueError as error:
            assert "redeemed already" in str(error), error
            refused += 1
    return credited, refused

async def main():
    async with SQLStorage(url) as storage:
        print("ready", flush=True)
        sys.stdin.readline()
        shares = await asyncio.gather(*[redeemer(storage, number) for number in range(redeemers)])
        print(*map(sum, zip(*shares)))

asyncio.run(main())
"""


@pytest.fixture(params=["memory", *KINDS])
async def storage(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Storage]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            storage: Storage = MemoryStorage()
        else:
            storage = SQLStorage(stack.enter_context(prepared(request.param, tmp_path)))
        yield await stack.enter_async_context(storage)
        assert list(await storage.audit()) == []


class TestCodes(CodeContract):
    @pytest.fixture
    def storage(self, storage: Storage) -> Storage:
        return storage


@pytest.mark.parametrize("kind", ["sqlite", *[pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:]]])
async def test_redeemers_in_two_processes(kind: Kind, tmp_path: Path) -> None:
    await race(kind, tmp_path, codes=20, redeemers=5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_a_hundred_codes_and_fifty_redeemers_in_each_of_two_processes(kind: Kind, tmp_path: Path) -> None:
    await race(kind, tmp_path, codes=100, redeemers=25)


async def race(kind: Kind, folder: Path, *, codes: int, redeemers: int) -> None:
    """All redeemers try all codes, each in an order of its own; two processes have ``redeemers`` each."""
    worth, users = 3, 4
    with fresh(kind, folder) as url:
        async with SQLStorage(url) as storage:
            wallets = [await _wallet(storage, f"user-{number}") for number in range(users)]
            drafts = [CodeDraft(name="gift", digest=f"code-{n}", amount=worth) for n in range(codes)]
            await storage.add_codes(drafts)
            credited, refused = _race(url, codes, redeemers, users)
            assert credited == codes * worth
            assert refused == codes * redeemers * 2 - codes
            balances = await storage.balances(wallets)
            assert sum(balance.available for balance in balances) == credited
            assert {balance.used for balance in balances} == {0}
            assert all(code.redeemed_at is not None for code in await storage.list_codes())
            assert list(await storage.audit()) == []
        kinds = rows(url, "SELECT kind, count(*), sum(amount) FROM transfers GROUP BY kind")
        assert kinds == [("redemption", codes, credited)]


async def _wallet(storage: Storage, user: str) -> int:
    await storage.add_user(user, wallet=0)
    token = await storage.add_token(TokenDraft(name="of", digest=user, user=user))
    (wallet,) = await storage.balances(token.accounts[-1:])
    assert wallet == Balance(token.accounts[-1], 0, 0)
    return wallet.account


def _race(url: str, codes: int, redeemers: int, users: int) -> tuple[int, int]:
    """What two processes together were credited, and how often they were refused."""
    command = [sys.executable, "-W", "error", "-c", REDEEM, url]
    numbers = [*map(str, (codes, redeemers, users))]
    started = [
        subprocess.Popen([*command, name, *numbers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = [process.communicate("go\n", timeout=100)[0].split() for process in started]
    return sum(int(credited) for credited, _ in told), sum(int(refused) for _, refused in told)
