"""Backups: whole, of one moment, and the same in every kind of database; or not restored at all."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.databases import KINDS, Kind, rows, run_apart
from servers.prepared import Prepared
from sqlalchemy import BigInteger, Boolean, Connection, Double, Integer, LargeBinary, Table, func, insert, select

from oneapi_asgi.keys import key_digest, new_encryption_key
from oneapi_asgi.models import NANO, CallRecord, Channel, Limit, Reserve, Secret, Settle, Settled, TokenDraft
from oneapi_asgi.queries import CodeDraft
from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.backup import BackupReader, Header
from oneapi_asgi.storage.sql.backup import BooksDiffer, Restored, back_up, restore
from oneapi_asgi.storage.sql.desk.options import SQLOptions
from oneapi_asgi.storage.sql.schema import metadata, users
from oneapi_asgi.storage.vault import Vault
from oneapi_asgi.testing.record_contract import FULL_RECORD

from .opened import Opened

VAULT = Vault(new_encryption_key())
WRITERS = 50
CANARIES = ("sk-canary-channel", "canary-mail", "sk-canary-token")
PASSING = {"sessions", "challenges", "tries"}

Lines = list[bytes]
Folders = pytest.TempPathFactory
Make = Callable[..., Awaitable[Opened]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def make(stack: AsyncExitStack, tmp_path: Path, prepared: Prepared) -> Make:
    """An empty database of a kind, opened."""

    async def make(kind: Kind, vault: Vault = VAULT) -> Opened:
        return await stack.enter_async_context(Opened(stack.enter_context(prepared(kind, tmp_path)), vault=vault))

    return make


def of_any_kind(connection: Connection, table: Table) -> dict[str, Any]:
    """A row for a table that nothing else fills."""
    values: dict[str, Any] = {}
    for column in table.columns:
        match column.type:
            case LargeBinary():
                value: Any = bytes(range(256))
            case Boolean():
                value = True
            case Double():
                value = 1_700_000_000.123456
            case Integer() if column.foreign_keys:
                (other,) = column.foreign_keys
                value = connection.scalar(select(func.min(other.column)))
            case Integer() if column.primary_key:
                value = 1
            case BigInteger():
                value = 2**62 + 1
            case Integer():
                value = 7
            case kind:
                value = 'é🙂"\\\n'[: getattr(kind, "length", None) or 9]
        values[column.name] = value
    return values


def fill_the_rest(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if not connection.scalar(select(func.count()).select_from(table)):
            unpaid = {"credited_at": None} if table.name == "orders" else {}  # or the books would miss the money
            connection.execute(insert(table).values(of_any_kind(connection, table) | unpaid))


async def fill(storage: Opened) -> None:
    """Something of everything: money that was spent, is held and came back, and numbers that are not used again."""
    await storage.save_channel(Channel(id=0, name="one", api_keys=(Secret(CANARIES[0]),), models=("gpt-4o",)))
    gone = await storage.save_channel(Channel(id=0, name="gone"))
    await storage.delete_channel(gone.id)
    await SQLOptions(storage).set_options({"SMTPToken": CANARIES[1], "SystemName": "Mine"})
    ann = await storage.add_user("ann", wallet=10 * NANO)
    limit = await storage.save_limit(Limit(scope="user", budget=NANO, period="day", rolling=True))
    token = await storage.add_token(TokenDraft(name="t", digest=key_digest(CANARIES[2]), quota=5 * NANO, user="ann"))
    (budget,) = await storage.open_budgets([(limit.id, str(ann))])
    assert budget is not None
    accounts = (*token.accounts, budget)
    await storage.apply([Reserve("ended", accounts, 100, 0, 60.0), Reserve("held", accounts, 70, 0, 1e9)])
    await storage.apply([Settle("ended", 33)])
    await storage.write_records([FULL_RECORD])
    await storage.add_codes([CodeDraft(name="c", digest="d" * 64, amount=7)])
    await storage.run(fill_the_rest)
    assert await storage.audit() == []


def content(connection: Connection) -> dict[str, list[Any]]:
    """Of all tables but those of what passes, and the revision, which moves."""
    found = {}
    for table in metadata.sorted_tables:
        if table.name not in PASSING:
            ordered = select(table).order_by(*table.primary_key.columns)
            found["".join(table.name)] = [tuple(row) for row in connection.execute(ordered)]
    found["meta"] = [row for row in found["meta"] if row[0] != "revision"]
    return found


async def backed_up(storage: Opened, path: Path) -> Header:
    told: list[tuple[int, int]] = []
    header = await back_up(storage, path, version="1", progress=lambda *now: told.append(now))
    assert told[-1] == (sum(header.tables.values()),) * 2
    return header


async def restored(storage: Opened, path: Path, *, despite: bool = False) -> Restored:
    return await restore(storage, path, despite=despite, progress=lambda _: None)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("sqlite", "postgres"),
        ("postgres", "mysql"),
        ("mysql", "sqlite"),
        pytest.param("sqlite", "sqlite", marks=pytest.mark.slow),
        pytest.param("mysql", "postgres", marks=pytest.mark.slow),
    ],
)
async def test_everything_is_there_again(source: Kind, target: Kind, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "backup.gz"
    one = await make(source)
    await fill(one)
    header = await backed_up(one, path)
    assert all(header.tables.values())
    assert header.key_id == VAULT.key_id
    assert (header.sums["held"], header.sums["used"]) == (70, 3 * 33)
    assert path.stat().st_mode & 0o777 == 0o600
    other = await make(target)
    done = await restored(other, path)
    assert (done.header, done.differences, done.key_here) == (header, [], True)
    assert await other.run(content) == await one.run(content)
    assert await other.audit() == []
    assert await other.list_channels() == await one.list_channels()
    await goes_on(other, header.numbers)


async def goes_on(storage: Opened, numbers: dict[str, int]) -> None:
    """Calls that were held end, and no number is given twice."""
    assert await storage.apply([Settle("held", 70)]) == [Settled(0)]
    (one,) = await storage.list_channels()
    assert (await storage.save_channel(Channel(id=0, name="new"))).id == numbers["channels"] == one.id + 2
    assert await storage.add_user("bob") == numbers["users"]
    assert (await storage.add_token(TokenDraft(name="new", digest="n"))).id == numbers["tokens"]
    await storage.write_records([CallRecord(id="later", at=1.0, operation="chat")])
    assert [record.id for record in await storage.list_records()] == ["later", FULL_RECORD.id]
    assert await storage.audit() == []


async def test_no_secret_is_in_it(make: Make, tmp_path: Path) -> None:
    storage = await make("sqlite")
    await fill(storage)
    await backed_up(storage, tmp_path / "a.gz")
    text = gzip.decompress((tmp_path / "a.gz").read_bytes()).decode()
    assert [canary for canary in CANARIES if canary in text] == []
    assert text.count(f"v1:{VAULT.key_id}:") == 2


async def test_secrets_in_clear_are_not_written(make: Make, tmp_path: Path) -> None:
    storage = await make("sqlite")
    await storage.save_channel(Channel(id=0, name="one"))
    rows(f"sqlite:///{storage._url.database}", """UPDATE channels SET api_keys = '["sk-canary"]'""")
    with pytest.raises(StorageError, match="keys rotate"):
        await backed_up(storage, tmp_path / "a.gz")
    assert [name for name in os.listdir(tmp_path) if "a.gz" in name] == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_backup_while_many_settle_is_of_one_moment(kind: Kind, make: Make, tmp_path: Path) -> None:
    storage = await make(kind)
    await storage.add_user("ann", wallet=10 * NANO)
    token = await storage.add_token(TokenDraft(name="t", digest="d", quota=5 * NANO, user="ann"))
    stop, more, ended = asyncio.Event(), asyncio.Event(), list[str]()

    async def settle(writer: int) -> None:
        number = 0
        while not stop.is_set():
            name = f"{writer}-{number}"
            try:
                await storage.apply([Reserve(name, token.accounts, 1_000, 1_000, 600.0)])
                await storage.apply([Settle(name, 700 + writer)])
            except StorageError as error:
                if "were busy" not in str(error):
                    raise
            else:
                ended.append(name)
                more.set()
            number += 1

    async with asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(settle(writer))
        headers = []
        for n in range(3):
            while len(ended) < WRITERS * (n + 1):
                more.clear()
                await more.wait()
            headers.append(await backed_up(storage, tmp_path / f"{n}.gz"))
        stop.set()
    counts = [header.tables["transfers"] for header in headers]
    assert counts[0] < counts[1] < counts[2]
    for n, header in enumerate(headers):
        other = await make("sqlite")
        done = await restored(other, tmp_path / f"{n}.gz")
        assert done.differences == []
        assert [one for one in await other.audit() if one.check != "leases"] == []
        cap, wallet = await other.balances(token.accounts)
        assert header.sums["held"] % 1_000 == 0
        spent = sum(row[0] for row in rows(f"sqlite:///{other._url.database}", "SELECT cost FROM reservations"))
        assert cap.used == wallet.used == spent


# What is not restored


async def test_a_database_with_something_in_it_is_left_alone(make: Make, tmp_path: Path) -> None:
    one, other = await make("sqlite"), await make("sqlite")
    await fill(one)
    await backed_up(one, tmp_path / "a.gz")
    await other.set_price("gpt-4o", None)
    await other.save_channel(Channel(id=0, name="mine"))
    with pytest.raises(StorageError, match="not empty"):
        await restored(other, tmp_path / "a.gz")
    assert [channel.name for channel in await other.list_channels()] == ["mine"]


def edited(change: Callable[[Lines], Lines], *, checksum: bool = True) -> Callable[[bytes], bytes]:
    """The lines are others, and the checksum fits them."""

    def edit(raw: bytes) -> bytes:
        *lines, end = change(gzip.decompress(raw).splitlines(keepends=True))
        if checksum:
            end = json.dumps({"sha256": hashlib.sha256(b"".join(lines)).hexdigest()}).encode() + b"\n"
        return gzip.compress(b"".join([*lines, end]))

    return edit


def instead(old: bytes, new: bytes) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        assert any(old in line for line in lines)
        return [line.replace(old, new, 1) for line in lines]

    return change


def without_a_transfer(lines: Lines) -> Lines:
    first = next(n for n, line in enumerate(lines) if line.startswith(b'{"table":"transfers"')) + 1
    return lines[:first] + lines[first + 1 :]


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no gzip": (lambda raw: b"hello" + raw, "not gzip"),
    "empty": (lambda _: b"", "end is missing"),
    "cut": (lambda raw: raw[: len(raw) // 2], "to its end"),
    "a bit": (lambda raw: raw[:700] + bytes([raw[700] ^ 1]) + raw[701:], "no backup"),
    "its end cut": (edited(lambda lines: [*lines[:-1], b"\n"], checksum=False), "cannot be read"),
    "two of them": (lambda raw: raw + raw, "follows its end"),
    "no text": (edited(instead(b"Mine", b"\xff"), checksum=False), "cannot be read"),
    "no secret": (edited(instead(base64.b64encode(bytes(range(256))), b"AAAAA")), "do not fit"),
    "too large a number": (edited(instead(b"4611686018427387905", b"46116860184273879050")), "do not fit"),
    "a value": (edited(instead(b"Mine", b"Thine"), checksum=False), "checksum"),
    "a row less": (edited(without_a_transfer), "transfers: "),
    "a row's value less": (edited(instead(b',"ann",', b",")), "values"),
    "another sum": (edited(instead(b",10000000000,0,0,false", b",10000000001,0,0,false")), "balances: "),
    "another format": (edited(instead(b"backup 1", b"backup 2")), "backup 2"),
    "another schema": (edited(instead(b'"schema":"0005"', b'"schema":"0004"')), "schema 0004"),
    "another table": (edited(instead(b'"table":"notes"', b'"table":"notes2"')), "notes2"),
    "another column": (edited(instead(b'"display_name"', b'"display_name2"')), "users"),
    "a row that cannot be": (edited(instead(b'"SystemName"', b'"SMTPToken"')), "do not fit"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A backup of a database with something of everything."""
    folder = tmp_path_factory.mktemp("sound")

    async def write() -> bytes:
        async with Opened(f"sqlite:///{folder}/a.db", vault=VAULT) as storage:
            await fill(storage)
            await storage.add_user("eve", wallet=10 * NANO)
            await backed_up(storage, folder / "a.gz")
        return (folder / "a.gz").read_bytes()

    return run_apart(write)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_one_is_told_and_changes_nothing(damage: str, sound: bytes, make: Make, tmp_path: Path) -> None:
    change, told = DAMAGES[damage]
    path = tmp_path / "damaged.gz"
    path.write_bytes(change(sound))
    storage = await make("sqlite")
    before = await storage.run(content)
    with pytest.raises(StorageError, match=told):
        await restored(storage, path)
    assert await storage.run(content) == before


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_bit_of_it_may_be_another(place: float, bit: int, sound: bytes, tmp_path_factory: Folders) -> None:
    lines = bytearray(gzip.decompress(sound))
    lines[int(place * len(lines))] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "another.gz"
    path.write_bytes(gzip.compress(lines, 1))
    with pytest.raises(StorageError), BackupReader(path) as backup:
        backup.check(lambda _: None)


async def test_books_that_do_not_agree_are_restored_if_one_insists(sound: bytes, make: Make, tmp_path: Path) -> None:
    """A nano-dollar has moved from one wallet to another, without an entry."""
    path = tmp_path / "moved.gz"
    lines = edited(instead(b",10000000000,0,0,false", b",9999999999,0,0,false"))(sound)
    path.write_bytes(edited(instead(b",4999999897,33,", b",4999999898,33,"))(lines))
    storage = await make("sqlite")
    with pytest.raises(BooksDiffer, match="2 differences"):
        await restored(storage, path)
    assert await storage.list_channels() == []
    done = await restored(storage, path, despite=True)
    assert {one.check for one in done.differences} == {"balance"}
    assert len(await storage.list_channels()) == 1


async def test_another_key_is_told(sound: bytes, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(sound)
    storage = await make("sqlite", Vault(new_encryption_key()))
    assert not (await restored(storage, path)).key_here
    assert [one.enabled for one in await storage.list_channels()] == [False]
    assert await storage.run(lambda connection: connection.scalar(select(func.count()).select_from(users))) == 3


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"), BackupReader(tmp_path / "missing.gz"):
        pass
