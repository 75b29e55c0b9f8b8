from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import journal_storage
import pytest
from journal_storage import JournalStorage

import oneapi_asgi
from oneapi_asgi import CallRecord, Channel, Group, Price, Secret, Storage, TokenDraft
from oneapi_asgi.kept import Claim, Conclude, KeptNote, OwnedObject
from oneapi_asgi.models import Balance, Checkpoint, Limit, Pulse, Reserve, Settle
from oneapi_asgi.queries import CodeDraft
from oneapi_asgi.testing import StorageContract, StreamingClient


class TestJournalStorage(StorageContract):
    @pytest.fixture
    def ahead(self) -> list[float]:
        return []

    @pytest.fixture
    def later(self, ahead: list[float]) -> Callable[[float], None]:
        return ahead.append

    @pytest.fixture
    async def storage(self, tmp_path: Path, ahead: list[float]) -> AsyncIterator[Storage]:
        async with JournalStorage(tmp_path / "gateway.jsonl", clock=lambda: time.time() + sum(ahead)) as storage:
            yield storage

    async def read_records(self, storage: Storage) -> Sequence[CallRecord]:
        assert isinstance(storage, JournalStorage)
        return await storage.list_records()


async def _fill(storage: JournalStorage) -> None:
    await storage.declare([Channel(id=0, name="a", api_keys=(Secret("sk-1"),))], [TokenDraft(name="x", digest="x")])
    channel = await storage.save_channel(Channel(id=0, name="b", concurrent_calls=4, concurrent_calls_per_key=2))
    assert [await storage.disable_channel(channel.id, "HTTP 401") for _ in range(2)] == [True, False]
    await storage.add_user("ann", wallet=1_000)
    token = await storage.add_token(TokenDraft(name="ci", digest="d", user="ann", quota=500))
    with pytest.raises(ValueError, match="ci"):
        await storage.add_token(TokenDraft(name="ci", digest="e", user="ann"))
    await storage.set_price("gpt-*", Price(input=1, max_output=7))
    for name in ("vip", "gone"):
        await storage.set_group(Group(name=name, ratio=5))
    await storage.delete_group("gone")
    await storage.apply([Reserve("a", token.accounts, 400, 100, 60.0), Reserve("b", token.accounts, 50, 50, -1.0)])
    await storage.apply([Reserve("c", token.accounts, 5, 5, 60.0), Settle("a", 123)])
    await storage.apply([Checkpoint("b", 9, -1.0, token.accounts[:1])])
    await storage.expire()
    limit = await storage.save_limit(Limit(scope="user", budget=70, period="day"))
    (budget, _) = await storage.open_budgets([(limit.id, "ann"), (limit.id + 1, "ann")])
    assert budget is not None
    await storage.apply([Reserve("d", (budget, *token.accounts), 50, 50, 60.0)])
    await storage.apply([Settle("d", 40, token.accounts)])
    await storage.save_limit(Limit(id=limit.id, scope="user", budget=90, period="day"))
    for key in ("stored", "freed"):
        await storage.claim_answer(Claim(key=key, call_id="call", fingerprint="f", lease=60.0, keep=600.0))
    answer = Conclude(key="stored", call_id="call", state="stored", keep=600.0, status=200, body=b"\0\xff")
    await storage.conclude_answers([answer, Conclude(key="freed", call_id="call", state="free", keep=0.0)])
    await storage.credit(token.accounts[1], -7)
    await storage.add_codes([CodeDraft(name="gift", digest=digest, amount=11) for digest in ("e", "f")])
    assert await storage.redeem("e", "ann") == 11
    await storage.set_token_status(token.id, "exhausted")
    await storage.write_records([CallRecord(id=name, at=1.5, operation="chat", model="\ud800") for name in "qr"])
    assert await storage.prune_records(2.0, 1) == 1
    await storage.put_notes([KeptNote(key="a" * 64, value=b"\0\xff", keep=600.0)])
    await storage.put_notes([KeptNote(key="b" * 64, value=b"", keep=-1.0)])
    assert await storage.purge_notes() == 1
    for name in ("file-1", "file-2"):
        await storage.put_object(OwnedObject(id=name, kind="file", channel_id=1, key="c" * 64, user_id=1, created=2.5))
    assert await storage.delete_object("file-1", user_id=1, token_id=0)


async def _state(storage: JournalStorage) -> tuple[object, ...]:
    tokens = await storage.list_tokens()
    limits = await storage.list_limits()
    budgets = await storage.open_budgets([(limit.id, "ann") for limit in limits])
    asking = Claim(key="stored", call_id="other", fingerprint="f", lease=60.0, keep=600.0)
    return (
        (await storage.pulse()).revision,
        tokens,
        await storage.list_channels(),
        await storage.list_prices(),
        await storage.list_groups(),
        await storage.list_records(),
        [await storage.balances(token.accounts) for token in tokens],
        limits,
        await storage.list_codes(),
        await storage.audit(),
        await storage.balances([account for account in budgets if account is not None]),
        await storage.claim_answer(asking),
        await storage.totals(0, 99_999_999),
        await storage.get_notes(["a" * 64, "b" * 64]),
        await storage.list_objects("file", user_id=1, token_id=0),
    )


async def test_what_was_answered_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path) as storage:
        await _fill(storage)
        before = await _state(storage)
    async with JournalStorage(path) as storage:
        assert await _state(storage) == before
        await storage.apply([Settle("c", 5)])
        after = await _state(storage)
    async with JournalStorage(path) as storage:
        assert await _state(storage) == after != before


async def test_a_line_cut_short_was_never_promised(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path) as storage:
        await _fill(storage)
        before = await _state(storage)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole.splitlines()[0]) // 2])
    async with JournalStorage(path) as storage:
        assert path.read_bytes() == whole
        assert await _state(storage) == before


async def test_a_disk_that_refuses_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path) as storage:
        await storage.add_user("ann")
        storage._file.close()
        storage._file = path.open("rb", buffering=0)
        for name in ("bob", "cid"):
            with pytest.raises(OSError, match=r"not open for writing|opened anew"):
                await storage.add_user(name)
    async with JournalStorage(path) as storage:
        await storage.add_user("bob")


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path):
        with pytest.raises(BlockingIOError):
            await JournalStorage(path).__aenter__()


async def test_what_changes_nothing_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path) as storage:
        assert await storage.expire() == 0
        assert await storage.apply([]) == []
    assert path.read_bytes() == b""


# --- what README.md shows ---------------------------------------------------------------------------------------------

CONTRACT, PART = re.findall(
    r"^```python\n(.*?)^```", Path(__file__).with_name("README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
)
KEY = "sk-for-trying-only"


def test_the_contract_is_inherited_as_shown() -> None:
    names: dict[str, Any] = {**vars(journal_storage), "StorageContract": StorageContract, "pytest": pytest}
    exec(CONTRACT, names)
    assert issubclass(names["TestJournalStorage"], StorageContract)


async def test_a_part_of_it_in_a_stack(tmp_path: Path) -> None:
    async def model(scope: Any, receive: Any, send: Any) -> None:
        answer = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    async with JournalStorage(tmp_path / "gateway.jsonl") as journal:
        await journal.set_price("m", Price(input=10**6, output=10**6))
        await journal.add_user("company", wallet=10**6)
        account = (await journal.add_token(TokenDraft(name="own", digest="d", user="company"))).accounts[-1]
        names: dict[str, Any] = {name: getattr(oneapi_asgi, name) for name in oneapi_asgi.__all__}
        names |= {"KEY": KEY, "Pulse": Pulse, "account": account, "journal": journal, "model": model, "time": time}
        exec(PART, names)
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
        async with names["quota"], StreamingClient(names["app"]) as client:
            told = {
                key: await client.request(
                    "POST", "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
                )
                for key in (KEY, "sk-of-nobody")
            }
        assert [answer.status for answer in told.values()] == [200, 401]
        assert list(await journal.balances([account])) == [Balance(account, 10**6 - 12, 12)]
