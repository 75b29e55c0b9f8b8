"""Several processes on one file: money stays exact, and what a killed one held returns."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from oneapi_asgi.models import Balance, TokenDraft
from oneapi_asgi.storage.sql import SQLStorage

from .books import audit, rows

CHARGE = """
import asyncio, sys
from oneapi_asgi.models import Reserve, Reserved, Settle
from oneapi_asgi.storage.sql import SQLStorage

url, name, *accounts = sys.argv[1:]
accounts = tuple(map(int, accounts))

async def charge(storage, first):
    ids = [f"{name}-{first + n}" for n in range(25)]
    answers = await storage.apply([Reserve(id, accounts, 100, 100, 600.0) for id in ids])
    held = [id for id, answer in zip(ids, answers) if isinstance(answer, Reserved)]
    await storage.apply([Settle(id, 100) for id in held])
    return len(held)

async def main():
    async with SQLStorage(url) as storage:
        print(sum(await asyncio.gather(*[charge(storage, n) for n in range(0, 5_000, 25)])))

asyncio.run(main())
"""

HOLD_AND_WAIT = """
import asyncio, sys
from oneapi_asgi.models import Reserve
from oneapi_asgi.storage.sql import SQLStorage

async def main():
    async with SQLStorage(sys.argv[1]) as storage:
        number = 0
        while True:
            await storage.apply([Reserve(str(number), (int(sys.argv[2]),), 10, 10, 0.5)])
            number += 1
            if number == 50:
                print("held", flush=True)

asyncio.run(main())
"""


async def wallet(path: Path, amount: int) -> int:
    async with SQLStorage(f"sqlite:///{path}") as storage:
        await storage.add_user("bob", wallet=amount)
        token = await storage.add_token(TokenDraft(name="ci", digest="d", user="bob"))
        return token.accounts[-1]


def start(script: str, path: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", script, f"sqlite:///{path}", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_two_processes_charge_one_account(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    account = await wallet(path, 500_000)
    racers = [start(CHARGE, path, name, account) for name in "ab"]
    accepted = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    assert sum(accepted) == 5_000
    assert rows(path, "SELECT state, count(*) FROM reservations GROUP BY state") == [("settled", 5_000)]
    audit(path)
    async with SQLStorage(f"sqlite:///{path}") as storage:
        assert await storage.balances([account]) == [Balance(account, 0, 500_000)]


async def test_what_a_killed_process_held_returns(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    account = await wallet(path, 10**9)
    with start(HOLD_AND_WAIT, path, account) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    audit(path)
    ((held,),) = rows(path, "SELECT count(*) FROM reservations WHERE state = 'held'")
    assert isinstance(held, int)
    assert held >= 50
    late = rows(path, "SELECT max(lease_until) FROM reservations")[0][0]
    assert isinstance(late, float)
    async with SQLStorage(f"sqlite:///{path}", clock=lambda _: late) as storage:
        assert await storage.expire() == held
        assert await storage.balances([account]) == [Balance(account, 10**9, 0)]
    audit(path)
