"""What a database holds of secrets: on each of them nothing in clear, nothing that can be moved, one key for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from servers.databases import KINDS, rows
from servers.prepared import Prepared
from sqlalchemy import Connection, update

from oneapi_asgi.desk.members import MemberDraft
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.keys import key_digest, new_encryption_key, new_key
from oneapi_asgi.models import Channel, Secret, TokenDraft
from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.members import SQLMembers
from oneapi_asgi.storage.sql.desk.options import SQLOptions
from oneapi_asgi.storage.sql.rotating import rotate_keys
from oneapi_asgi.storage.sql.schema import channels, metadata, users
from oneapi_asgi.storage.sql.sealing import drop_lost, seal, sealed
from oneapi_asgi.storage.vault import BrokenSeal, KeyFile, Vault

KEY, NEW = new_encryption_key(), new_encryption_key()
OLD, BOTH, ONLY_NEW = Vault(KEY), Vault(NEW, [KEY]), Vault(NEW)

UPSTREAM = ("sk-canary-one-1111", "sk-canary-two-2222", "sk-canary-file-3333")
HEADER, MAIL, TOTP, HOOK = "canary-header-4444", "canary-mail-5555", "CANARYTOTP6666", "canary-hook-7777"
OPTIONS = {"SMTPToken": MAIL, "AlertWebhookSecret": HOOK, "SystemName": "v1:not:sealed"}
MANY = 230  # more than are sealed anew at once
ONE, TWO, THREE = map(Secret, UPSTREAM)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> Iterator[str]:
    with prepared(request.param, tmp_path) as found:
        yield found


@pytest.fixture
async def storage(url: str) -> AsyncIterator[SQLStorage]:
    async with SQLStorage(url, vault=OLD) as opened:
        yield opened


def dumped(url: str) -> str:
    """Every value of every table; of SQLite its files as well, with what was deleted."""
    quote = "`" if url.startswith("mysql") else '"'
    told = [repr(rows(url, f"SELECT * FROM {quote}{table}{quote}")) for table in metadata.tables]
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        told += [file.read_bytes().decode("latin-1") for file in path.parent.glob(f"{path.name}*")]
    return "\n".join(told)


def write_headers_and_totp(connection: Connection, channel: int, user: int) -> None:
    (row,) = sealed(connection, channels, [{"id": channel, "headers": f'{{"x-key":"{HEADER}"}}'}])
    connection.execute(update(channels).where(channels.c.id == channel).values(row))
    kept = seal(connection, users.c.totp, user, TOTP)
    connection.execute(update(users).where(users.c.id == user).values(totp=kept))


async def fill(storage: SQLStorage) -> dict[str, str]:
    """Everything that is secret; what must be found nowhere, by what it is."""
    first = await storage.save_channel(Channel(id=0, name="one", api_keys=(ONE, TWO)))
    await storage.save_channel(Channel(id=0, name="none"))
    await storage.declare([Channel(id=0, name="file", api_keys=(THREE,))], [])
    await SQLOptions(storage).set_options(
        {"SMTPToken": MAIL, "AlertWebhookSecret": HOOK, "SystemName": "v1:not:sealed"}
    )
    members = SQLMembers(storage)
    ann = await members.add_member(MemberDraft(name="ann", role=Role.COMMON))
    await storage.write(write_headers_and_totp, first.id, ann.id)
    key = new_key().reveal()
    await storage.add_token(TokenDraft(name="t", digest=key_digest(key)))
    return dict(zip("abc", UPSTREAM, strict=True)) | {"token": key, "h": HEADER, "m": MAIL, "w": HOOK, "t": TOTP}


async def read(storage: SQLStorage) -> tuple[object, ...]:
    found = [(one.name, one.api_keys) for one in await storage.list_channels()]
    member = await SQLMembers(storage).member_named("ann")
    assert member is not None
    credentials = await SQLMembers(storage).credentials(member.id)
    assert credentials is not None
    return found, await SQLOptions(storage).get_options(), credentials.totp


WHOLE = (
    [("one", (ONE, TWO)), ("none", ()), ("file", (THREE,))],
    OPTIONS,
    Secret(TOTP),
)


async def test_a_dump_shows_no_secret(url: str) -> None:
    async with SQLStorage(url, vault=OLD) as storage:
        canaries = await fill(storage)
        assert await read(storage) == WHOLE
        dump = dumped(url)
        assert [name for name, canary in canaries.items() if canary in dump] == []
        assert dump.count(f"v1:{OLD.key_id}:") >= 6
        assert "not:sealed" in dump
    async with SQLStorage(url, vault=OLD) as again:
        assert await read(again) == WHOLE


async def test_a_channel_keeps_its_keys_when_it_changes(storage: SQLStorage, url: str) -> None:
    made = await storage.save_channel(Channel(id=0, name="one", api_keys=(ONE,)))
    await storage.save_channel(replace(made, name="other", weight=7))
    await storage.declare([Channel(id=0, name="other", api_keys=(ONE, THREE), priority=3)], [])
    (found,) = await storage.list_channels()
    assert (found.id, found.name, found.api_keys, found.priority) == (made.id, "other", (ONE, THREE), 3)
    ((kept,),) = rows(url, "SELECT api_keys FROM channels")
    assert OLD.open(kept, f"channels/{made.id}/api_keys") == f'["{UPSTREAM[0]}","{UPSTREAM[2]}"]'


@pytest.mark.parametrize("swapped", [False, True])
async def test_a_seal_that_was_moved_does_not_open(
    storage: SQLStorage, url: str, swapped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = [await storage.save_channel(Channel(id=0, name=n, api_keys=(k,))) for n, k in (("a", ONE), ("b", TWO))]
    kept: dict[int, str] = dict(rows(url, "SELECT id, api_keys FROM channels"))
    rows(url, f"UPDATE channels SET api_keys = '{kept[b.id]}' WHERE id = {a.id}")
    if swapped:
        rows(url, f"UPDATE channels SET api_keys = '{kept[a.id]}' WHERE id = {b.id}")
    with pytest.raises(BrokenSeal, match=f"channels/{a.id}/api_keys") as caught:
        OLD.open(kept[b.id], f"channels/{a.id}/api_keys")
    found = [(one.api_keys, one.enabled) for one in await storage.list_channels()]
    assert found == [((), False), ((), False) if swapped else ((TWO,), True)]
    assert f"channels/{a.id}/api_keys" in caplog.text
    assert "canary" not in caplog.text + str(caught.value)
    await storage.declare([Channel(id=0, name="a", api_keys=(ONE,))], [])  # what the settings say heals it
    assert next((one.api_keys, one.enabled) for one in await storage.list_channels()) == ((ONE,), True)


async def test_a_seal_in_another_column_or_table_does_not_open(
    storage: SQLStorage, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(storage)
    ((mail,),) = rows(url, "SELECT value FROM options WHERE name = 'SMTPToken'")
    rows(url, f"UPDATE options SET value = '{mail}' WHERE name = 'AlertWebhookSecret'")
    options = {name: value for name, value in OPTIONS.items() if name != "AlertWebhookSecret"}
    assert await SQLOptions(storage).get_options() == options
    assert "options/AlertWebhookSecret/value" in caplog.text
    ((ann, keys),) = rows(url, "SELECT u.id, c.api_keys FROM users u, channels c WHERE u.name='ann' AND c.name='one'")
    rows(url, f"UPDATE users SET totp = '{keys}' WHERE id = {ann}")
    with pytest.raises(StorageError, match=f"users/{ann}/totp"):
        await SQLMembers(storage).credentials(ann)


async def refused(url: str, vault: Vault | KeyFile) -> str:
    with pytest.raises(StorageError) as caught:
        async with SQLStorage(url, vault=vault):
            pass
    return str(caught.value)


@pytest.mark.parametrize("secrets", [False, True])
async def test_another_key_is_told_at_the_start(url: str, tmp_path: Path, secrets: bool) -> None:
    async with SQLStorage(url, vault=OLD) as storage:
        if secrets:
            await storage.save_channel(Channel(id=0, name="one", api_keys=(ONE,)))
    told = await refused(url, ONLY_NEW)
    assert OLD.key_id in told
    assert ONLY_NEW.key_id in told
    assert "old_encryption_keys" in told
    missing = tmp_path / "elsewhere.key"
    assert str(missing) in await refused(url, KeyFile(missing))
    assert not missing.exists()
    async with SQLStorage(url, vault=BOTH) as storage:
        assert len(await storage.list_channels()) == secrets


async def test_an_old_key_lets_the_file_of_the_new_one_be_made(url: str, tmp_path: Path) -> None:
    async with SQLStorage(url, vault=OLD) as storage:
        await storage.save_channel(Channel(id=0, name="one", api_keys=(ONE,)))
    file = KeyFile(tmp_path / "new.key", [KEY])
    async with SQLStorage(url, vault=file) as storage:
        assert [one.api_keys for one in await storage.list_channels()] == [(ONE,)]
        assert file.path.exists()


async def test_who_keeps_no_secret_needs_no_key(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "oneapi.key"
    async with SQLStorage(url) as one, SQLStorage(url) as other:
        await one.add_token(TokenDraft(name="t", digest="d"))
        await one.save_channel(Channel(id=0, name="none"))
        assert not path.exists()
        await one.save_channel(Channel(id=0, name="one", api_keys=(ONE,)))
        assert path.exists()
        await other.save_channel(Channel(id=0, name="two", api_keys=(TWO,)))
        assert [len(channel.api_keys) for channel in await other.list_channels()] == [0, 1, 1]
    path.unlink()
    async with SQLStorage(url) as storage:
        assert len(await storage.list_tokens()) == 1
        with pytest.raises(StorageError, match="sealed with the key"):
            await storage.list_channels()
        with pytest.raises(StorageError, match="sealed with the key"):
            await storage.save_channel(Channel(id=0, name="three", api_keys=(TWO,)))
    assert not path.exists()


async def test_what_an_older_version_left_in_clear_is_sealed_at_the_start(url: str) -> None:
    groups = "`groups`" if url.startswith("mysql") else '"groups"'
    names = f"name, provider, api_keys, models, model_map, {groups}, priority, weight, enabled, declared"
    clear = f'["{UPSTREAM[0]}"]'
    written = ", ".join(f"('c{n}', 'openai', '{clear}', '[]', '{{}}', '[]', 0, 1, true, false)" for n in range(MANY))
    rows(url, f"INSERT INTO channels ({names}) VALUES {written}")
    async with SQLStorage(url, vault=OLD) as storage:
        assert [one.api_keys for one in await storage.list_channels()] == [(ONE,)] * MANY
    assert UPSTREAM[0] not in dumped(url)


# Another key


async def test_rotation_seals_everything_anew_and_may_be_repeated(url: str) -> None:
    async with SQLStorage(url, vault=OLD) as storage:
        canaries = await fill(storage)
        many = [Channel(id=0, name=f"many-{n}", api_keys=(Secret(f"sk-{n}"),)) for n in range(MANY)]
        await storage.declare([*many, Channel(id=0, name="file", api_keys=(THREE,))], [])
    told: list[tuple[int, int]] = []
    async with SQLStorage(url, vault=BOTH) as storage:
        done = await rotate_keys(storage, lambda *now: told.append(now))
        assert (done.key_id, done.rows) == (BOTH.key_id, MANY + 5)
        assert told[-1] == (MANY + 5, MANY + 5)
        assert (await rotate_keys(storage, lambda *now: told.append(now))).rows == 0
    dump = dumped(url)
    assert f"v1:{OLD.key_id}" not in dump.partition("SQLite format")[0]
    assert [name for name, canary in canaries.items() if canary in dump] == []
    assert BOTH.key_id in await refused(url, OLD)
    async with SQLStorage(url, vault=ONLY_NEW) as storage:
        names, options, totp = await read(storage)
        assert (options, totp) == WHOLE[1:]
        assert isinstance(names, list)
        assert len(names) == MANY + 3


async def test_rotation_without_the_old_key_changes_nothing(url: str) -> None:
    async with SQLStorage(url, vault=OLD) as storage:
        await fill(storage)
    assert OLD.key_id in await refused(url, ONLY_NEW)
    async with SQLStorage(url, vault=OLD) as storage:
        assert await read(storage) == WHOLE


@pytest.mark.parametrize("lost", [False, True])
async def test_what_a_lost_key_sealed_can_be_given_up(url: str, lost: bool) -> None:
    async with SQLStorage(url, vault=OLD) as storage:
        await fill(storage)
        before = await storage.list_tokens()
    async with SQLStorage(url, vault=ONLY_NEW if lost else BOTH, lost_key=True) as storage:
        assert [one.enabled for one in await storage.list_channels()] == [not lost, True, not lost]
        assert await storage.administer(drop_lost) == (5 if lost else 0)
    async with SQLStorage(url, vault=ONLY_NEW if lost else BOTH) as storage:
        if not lost:
            assert await read(storage) == WHOLE
            return
        found = {
            one.name: (one.api_keys, one.enabled, bool(one.disabled_because)) for one in await storage.list_channels()
        }
        assert found == {"one": ((), False, True), "none": ((), True, False), "file": ((), False, True)}
        assert await SQLOptions(storage).get_options() == {"SystemName": OPTIONS["SystemName"]}
        ann = await SQLMembers(storage).member_named("ann")
        assert ann is not None
        assert not ann.has_totp
        assert await storage.list_tokens() == before
        await storage.declare([Channel(id=0, name="file", api_keys=(THREE,))], [])
        assert [(one.api_keys, one.enabled) for one in await storage.list_channels()][-1] == ((THREE,), True)
