"""What every storage has to do, as tests to inherit. Prove your own with five lines:

    class TestMyStorage(StorageContract):
        @pytest.fixture
        async def storage(self):
            async with MyStorage() as storage:
                yield storage

Needs pytest. Each test gets a new, empty storage. If its clock can be moved, override the fixture ``later`` as well; if
it can tell which records were written, ``read_records``. For a storage that implements some of the protocols there are
the parts: ``LedgerContract``, ``LeaseContract``, ``LimitContract``, ``IdempotencyContract``, ``RecordContract``,
``ChannelContract``, ``CodeContract``, ``NoteContract`` and ``ObjectContract``.
"""
# ruff: noqa: ASYNC110, S101 - these are tests

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from ..models import Channel, Price, Secret, Settle, TokenDraft, TokenStatus, User
from ..ports import Storage
from ..tariffs import Group
from .channel_contract import ChannelContract
from .code_contract import CodeContract
from .idempotency_contract import IdempotencyContract
from .lease_contract import LeaseContract
from .ledger_contract import ContractBase, LedgerContract, balance, digest, draft, found, hold
from .limit_contract import LimitContract
from .note_contract import NoteContract
from .object_contract import ObjectContract
from .record_contract import FULL_RECORD, RecordContract

__all__ = ["StorageContract"]


class _Tokens(ContractBase):
    async def test_begins_with_root_alone(self, storage: Storage) -> None:
        assert list(await storage.list_tokens()) == []
        assert list(await storage.list_channels()) == []
        assert dict(await storage.list_prices()) == {}
        token = await storage.add_token(draft("ci"))
        assert (token.user_name, token.admin, token.group, token.user_enabled) == ("root", True, "default", True)
        assert [(await balance(storage, account)).unlimited for account in token.accounts] == [True, True]

    async def test_a_token_is_found_by_its_digest(self, storage: Storage) -> None:
        wanted = TokenDraft(
            name="ci",
            digest=digest("sk-1"),
            prefix="sk-1…",
            expires_at=1_900_000_000.5,
            models=("gpt-*", "o3"),
            subnets=("10.0.0.0/8", "::1/128"),
            requests_per_minute=60,
        )
        added = await storage.add_token(wanted)
        assert await storage.find_token(digest("sk-1")) == added
        assert list(await storage.list_tokens()) == [added]
        assert added.id > 0
        for field in ("name", "digest", "prefix", "expires_at", "models", "subnets", "requests_per_minute"):
            assert getattr(added, field) == getattr(wanted, field)
        assert added.status == "enabled"

    async def test_an_unknown_digest_finds_nothing(self, storage: Storage) -> None:
        await storage.add_token(draft("ci"))
        assert await storage.find_token(digest("other")) is None
        assert await storage.find_token("") is None

    @pytest.mark.parametrize(
        ("wallet", "quota", "limited"),
        [(None, None, False), (None, 5, True), (5, None, True), (5, 5, True), (0, None, True)],
    )
    async def test_a_token_is_limited_when_one_of_its_accounts_is(
        self, storage: Storage, wallet: int | None, quota: int | None, limited: bool
    ) -> None:
        await storage.add_user("ann", wallet=wallet)
        token = await storage.add_token(draft("ci", quota, user="ann"))
        assert token.limited is limited
        cap, purse = await storage.balances(token.accounts)
        assert (cap.unlimited, purse.unlimited) == (quota is None, wallet is None)
        assert (cap.available, purse.available) == (quota or 0, wallet or 0)

    async def test_tokens_of_one_user_share_the_wallet_only(self, storage: Storage) -> None:
        first, second = [await storage.add_token(draft(name, 5)) for name in ("a", "b")]
        assert first.accounts[-1] == second.accounts[-1]
        assert first.accounts[0] != second.accounts[0]

    async def test_names_and_keys_are_unique(self, storage: Storage) -> None:
        await storage.add_user("ann")
        await storage.add_token(draft("ci"))
        with pytest.raises(ValueError, match="ann"):
            await storage.add_user("ann")
        with pytest.raises(ValueError, match="root"):
            await storage.add_user("root")
        with pytest.raises(ValueError, match="ci"):
            await storage.add_token(draft("ci", key="other"))
        with pytest.raises(ValueError, match="key"):
            await storage.add_token(draft("other", key="ci"))
        with pytest.raises(ValueError, match="nobody"):
            await storage.add_token(draft("new", user="nobody"))
        await storage.add_token(draft("ci", key="another", user="ann"))
        assert len(await storage.list_tokens()) == 2

    @pytest.mark.parametrize("quota", [-1, 2**62 + 1, 1.5, True])
    async def test_a_quota_is_an_amount(self, storage: Storage, quota: int) -> None:
        with pytest.raises(ValueError, match="quota"):
            await storage.add_token(draft("ci", quota))
        with pytest.raises(ValueError, match="quota"):
            await storage.add_user("ann", wallet=quota)
        assert list(await storage.list_tokens()) == []

    @pytest.mark.parametrize("status", ["disabled", "expired", "exhausted", "enabled"])
    async def test_status(self, storage: Storage, status: TokenStatus) -> None:
        token = await storage.add_token(draft("ci"))
        await storage.set_token_status(token.id, status)
        assert (await found(storage, "ci")).status == status
        with pytest.raises(KeyError):
            await storage.set_token_status(token.id + 1, status)

    async def test_users_are_listed_with_their_wallets(self, storage: Storage) -> None:
        number = await storage.add_user("ann", group="vip", wallet=7)
        root, ann = await storage.list_users()
        assert (root.name, root.group, root.admin, root.enabled) == ("root", "default", True, True)
        assert ann == User(id=number, name="ann", wallet=ann.wallet, group="vip")
        token = await storage.add_token(draft("ci", user="ann"))
        assert (token.user_id, token.accounts[-1]) == (ann.id, ann.wallet)
        await storage.credit(ann.wallet, -2)
        assert (await balance(storage, ann.wallet)).available == 5
        assert (await balance(storage, root.wallet)).unlimited
        await storage.set_user("ann", enabled=False)
        assert [user.enabled for user in await storage.list_users()] == [True, False]

    async def test_a_disabled_user(self, storage: Storage) -> None:
        await storage.add_user("ann", group="vip", admin=True)
        token = await storage.add_token(draft("ci", user="ann"))
        assert (token.group, token.admin, token.user_enabled) == ("vip", True, True)
        await storage.set_user("ann", enabled=False)
        assert not (await found(storage, "ci")).user_enabled
        await storage.set_user("ann", enabled=True)
        assert (await found(storage, "ci")).user_enabled
        with pytest.raises(KeyError):
            await storage.set_user("nobody", enabled=False)


class _Revision(ContractBase):
    async def test_moves_with_administration(self, storage: Storage) -> None:
        seen = [(await storage.pulse()).revision]

        async def moved() -> bool:
            seen.append((await storage.pulse()).revision)
            return seen[-1] > seen[-2]

        await storage.add_user("ann")
        await moved()
        token = await storage.add_token(draft("ci", user="ann"))
        assert await moved()
        await storage.set_token_status(token.id, "disabled")
        assert await moved()
        await storage.set_user("ann", enabled=False)
        assert await moved()
        channel = await storage.save_channel(Channel(id=0, name="first"))
        assert await moved()
        await storage.save_channel(Channel(id=channel.id, name="first", weight=2))
        assert await moved()
        await storage.delete_channel(channel.id)
        assert await moved()
        await storage.set_price("gpt-4o", Price(input=1))
        assert await moved()
        await storage.set_price("gpt-4o", None)
        assert await moved()
        await storage.set_group(Group(name="vip"))
        assert await moved()
        await storage.delete_group("vip")
        assert await moved()
        await storage.declare([Channel(id=0, name="first")], [])
        assert await moved()

    async def test_tells_the_time(self, storage: Storage) -> None:
        """The clock that expires tokens and leases, with fractions; not one of this process, so not held to it."""
        told = [(await storage.pulse()).now for _ in range(3)]
        assert told == sorted(told)
        deadline = time.monotonic() + 5
        while (now := (await storage.pulse()).now) == told[0] and time.monotonic() < deadline:
            await asyncio.sleep(0.002)
        assert told[0] < now < told[0] + 5

    async def test_stays_with_money_and_records(self, storage: Storage, wallet: int) -> None:
        before = (await storage.pulse()).revision
        await storage.apply([hold("a", [wallet], 10), hold("b", [wallet], 10)])
        await storage.apply([Settle("a", 20), Settle("b", 0)])
        await storage.credit(wallet, 5)
        await storage.expire()
        await storage.write_records([FULL_RECORD])
        assert (await storage.pulse()).revision == before

    async def test_stays_when_a_change_is_refused(self, storage: Storage) -> None:
        await storage.add_token(draft("ci"))
        before = (await storage.pulse()).revision
        for refused in (
            storage.add_token(draft("ci")),
            storage.add_user("root"),
            storage.save_channel(Channel(id=9, name="x")),
        ):
            with pytest.raises((ValueError, KeyError)):
                await refused
        assert (await storage.pulse()).revision == before


class _Declarations(ContractBase):
    async def test_new_changed_and_missing(self, storage: Storage) -> None:
        await storage.declare([Channel(id=0, name="a"), Channel(id=0, name="b")], [draft("x", 10), draft("y")])
        ids = {channel.name: channel.id for channel in await storage.list_channels()}
        tokens = {token.name: token for token in await storage.list_tokens()}
        changed = TokenDraft(name="x", digest=digest("x"), quota=10, models=("gpt-*",))
        await storage.declare([Channel(id=0, name="b", weight=5), Channel(id=0, name="c")], [changed])
        channels = {channel.name: channel for channel in await storage.list_channels()}
        assert channels.keys() == {"b", "c"}
        assert (channels["b"].id, channels["b"].weight) == (ids["b"], 5)
        x, y = await found(storage, "x"), await found(storage, "y")
        assert (x.id, x.models, x.status, x.accounts) == (tokens["x"].id, ("gpt-*",), "enabled", tokens["x"].accounts)
        assert (y.id, y.status) == (tokens["y"].id, "disabled")

    async def test_nothing_changes_when_all_is_as_before(self, storage: Storage) -> None:
        said: dict[str, Any] = {"dialects": ("openai",), "options": {"region": "eu"}, "unsupported": "refuse"}
        channels = [Channel(id=0, name="a", api_keys=(Secret("sk-1"),), model_map={"m": "n"}, **said)]
        tokens = [draft("x", 10), draft("y")]
        await storage.declare(channels, tokens)
        before = ((await storage.pulse()).revision, await storage.list_channels(), await storage.list_tokens())
        await storage.declare(channels, tokens)
        await storage.declare(channels, list(reversed(tokens)))
        assert ((await storage.pulse()).revision, await storage.list_channels(), await storage.list_tokens()) == before

    async def test_what_was_added_by_hand_stays(self, storage: Storage) -> None:
        channel = await storage.save_channel(Channel(id=0, name="hand"))
        token = await storage.add_token(draft("hand"))
        await storage.declare([Channel(id=0, name="a")], [draft("x")])
        await storage.declare([], [])
        assert list(await storage.list_channels()) == [channel]
        assert await found(storage, "hand") == token

    async def test_what_was_added_by_hand_becomes_declared(self, storage: Storage) -> None:
        channel = await storage.save_channel(Channel(id=0, name="a"))
        token = await storage.add_token(draft("x"))
        await storage.declare([Channel(id=0, name="a")], [draft("x", key="new")])
        assert list(await storage.list_channels()) == [channel]
        assert (await found(storage, "new")).id == token.id
        assert await storage.find_token(digest("x")) is None
        await storage.declare([], [])
        assert list(await storage.list_channels()) == []
        assert (await found(storage, "new")).status == "disabled"

    async def test_a_token_that_returns_is_enabled(self, storage: Storage) -> None:
        await storage.declare([], [draft("x")])
        first = await found(storage, "x")
        await storage.declare([], [])
        await storage.declare([], [draft("x")])
        assert await found(storage, "x") == first

    async def test_a_declared_token_switched_off_by_hand_stays_off(self, storage: Storage) -> None:
        await storage.declare([], [draft("x", 10)])
        await storage.set_token_status((await found(storage, "x")).id, "disabled")
        await storage.declare([], [draft("x", 10)])
        await storage.declare([], [draft("x", 20)])
        assert (await found(storage, "x")).status == "disabled"

    @pytest.mark.parametrize(
        ("before", "after", "left", "limited"),
        [
            (100, 150, 110, True),
            (100, 60, 20, True),
            (100, 10, 0, True),
            (100, None, None, False),
            (None, 100, 60, True),
            (None, 30, 0, True),
        ],
    )
    async def test_a_changed_quota_moves_the_balance(
        self, storage: Storage, before: int | None, after: int | None, left: int | None, limited: bool
    ) -> None:
        await storage.declare([], [draft("x", before)])
        token = await found(storage, "x")
        await storage.apply([hold("a", token.accounts, 40)])
        await storage.apply([Settle("a", 40)])
        await storage.declare([], [draft("x", after)])
        cap = await balance(storage, token.accounts[0])
        assert (cap.unlimited, cap.used, cap.overdraft) == (after is None, 40, 0)
        assert left is None or cap.available == left
        assert (await found(storage, "x")).limited is limited

    async def test_a_quota_taken_away_and_given_again(self, storage: Storage) -> None:
        await storage.declare([], [draft("x", 100)])
        token = await found(storage, "x")
        for step, quota in enumerate((None, 70)):
            await storage.apply([hold(str(step), token.accounts, 10)])
            await storage.apply([Settle(str(step), 10)])
            await storage.declare([], [draft("x", quota)])
        assert (await balance(storage, token.accounts[0])).available == 50

    async def test_a_larger_quota_pays_what_is_owed(self, storage: Storage) -> None:
        await storage.declare([], [draft("x", 10)])
        token = await found(storage, "x")
        await storage.apply([hold("a", token.accounts, 10)])
        await storage.apply([Settle("a", 25)])
        for quota, available, overdraft in ((5, 0, 15), (20, 0, 0), (22, 2, 0)):
            await storage.declare([], [draft("x", quota)])
            cap = await balance(storage, token.accounts[0])
            assert (cap.available, cap.overdraft) == (available, overdraft)

    async def test_keys_may_move_between_declared_tokens(self, storage: Storage) -> None:
        await storage.declare([], [draft("x", key="1"), draft("y", key="2")])
        await storage.declare([], [draft("x", key="2"), draft("y", key="1")])
        assert [(await found(storage, key)).name for key in ("1", "2")] == ["y", "x"]
        await storage.declare([], [draft("z", key="1"), draft("x", key="2")])
        assert [(await found(storage, key)).name for key in ("1", "2")] == ["z", "x"]

    async def test_two_tokens_with_one_key_are_refused(self, storage: Storage) -> None:
        await storage.add_token(draft("hand", key="1"))
        before = ((await storage.pulse()).revision, await storage.list_tokens())
        for drafts in ([draft("x"), draft("y", key="x")], [draft("x", key="1")]):
            with pytest.raises(ValueError, match="same key"):
                await storage.declare([Channel(id=0, name="a")], drafts)
        with pytest.raises(ValueError, match="nobody"):
            await storage.declare([Channel(id=0, name="a")], [draft("x", user="nobody")])
        assert ((await storage.pulse()).revision, await storage.list_tokens()) == before
        assert list(await storage.list_channels()) == []


class StorageContract(
    _Tokens,
    _Revision,
    _Declarations,
    ChannelContract,
    LedgerContract,
    LeaseContract,
    LimitContract,
    IdempotencyContract,
    RecordContract,
    CodeContract,
    NoteContract,
    ObjectContract,
):
    """All of it. Override the fixture ``storage``, ``later`` if the clock can be moved, ``read_records`` if records can
    be read back."""
