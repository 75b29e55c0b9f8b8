"""``MemoryStorage``: all of ``ports.Storage`` in dicts, for tests, examples and gateways that may forget.

The reference that every other storage is compared with. Nothing survives the process or is shared with another one.
Of what ended, of records and of what callers own the last ``keep`` are remembered, of notes 64 MiB, so that memory
stays bounded.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from ..kept import Claim, Conclude, Kept, KeptNote, OwnedObject
from ..models import Balance, CallRecord, Channel, Limit, Price, Pulse, Settled, Token, TokenDraft, TokenStatus, User
from ..overrides import check_overrides
from ..ports import LedgerAnswer, LedgerOperation
from ..queries import Code, CodeDraft, Difference, Dimension, RecordPage, RecordQuery, Total
from ..tariffs import Group, check_group
from .answers import Answers
from .audit import audit_memory
from .codes import CodeBook
from .declaring import (
    ChannelChanges,
    KnownToken,
    LimitChanges,
    TokenChanges,
    check_limit_change,
    compare_channels,
    compare_limits,
    compare_tokens,
)
from .keeping import Notes, Objects, owner_of
from .ledger import Account, Hold, carry_out, check, check_credit, check_quota, lapse, set_quota
from .records import RecordBook
from .windows import period_name

__all__ = ["MemoryStorage"]

_REASON = 255


class MemoryStorage:
    """``tokens`` belong to the user each draft names, who must be ``root`` or be added before with ``add_user``.

    ``clock`` gives Unix seconds.
    """

    def __init__(
        self,
        *,
        channels: Sequence[Channel] = (),
        tokens: Sequence[TokenDraft] = (),
        prices: Mapping[str, Price] | None = None,
        clock: Callable[[], float] = time.time,
        keep: int = 100_000,
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._revision = 1
        self._ids = {kind: itertools.count(1) for kind in ("account", "user", "token", "channel", "limit")}
        self._accounts: dict[int, Account] = {}
        self._granted: dict[int, int] = {}
        self._holds: dict[str, Hold] = {}
        self._ended: deque[str] = deque()
        self._users: dict[str, User] = {}
        self._tokens: dict[int, KnownToken] = {}
        self._caps: dict[int, int] = {}
        self._digests: dict[str, int] = {}
        self._channels: dict[int, Channel] = {}
        self._declared: set[int] = set()
        self._limits: dict[int, Limit] = {}
        self._declared_limits: set[int] = set()
        self._budgets: dict[tuple[int, str], int] = {}
        self._prices: dict[str, Price] = dict(prices or {})
        self._groups: dict[str, Group] = {}
        self._codes = CodeBook()
        self._records = RecordBook(keep)
        self._answers = Answers(self._holds.get, self._fence)
        self._notes = Notes()
        self._objects = Objects(keep)
        self._users["root"] = User(id=next(self._ids["user"]), name="root", wallet=self._open("user", None), admin=True)
        for channel in channels:
            self._save_channel(channel)
        for draft in tokens:
            self._add_token(draft)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    async def pulse(self) -> Pulse:
        return Pulse(self._revision, self._clock())

    # Money

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        check(operations)
        answers = carry_out(operations, self._accounts, self._holds, self._clock())
        self._forget(op.id for op, answer in zip(operations, answers, strict=True) if isinstance(answer, Settled))
        return answers

    async def expire(self) -> int:
        now = self._clock()
        due = [hold for hold in self._holds.values() if hold.state == "held" and hold.lease_until <= now]
        for hold in due:
            lapse(hold, self._accounts, now)
        self._forget(hold.id for hold in due)
        return len(due)

    async def balances(self, accounts: Sequence[int]) -> Sequence[Balance]:
        return [self._accounts[account].read(self._clock()) for account in accounts]

    async def credit(self, account: int, amount: int) -> None:
        check_credit(self._accounts[account], amount)
        self._fund(account, lambda account: account.move(amount))

    def _fund(self, number: int, change: Callable[[Account], object]) -> None:
        """Change an account by hand, and remember by how much."""
        account = self._accounts[number]
        before = account.net
        change(account)
        self._granted[number] += account.net - before

    async def audit(self) -> Sequence[Difference]:
        """No entries are kept, so this knows of balances and reservations only."""
        return audit_memory(self._accounts.values(), self._granted, self._holds.values(), self._clock())

    async def add_codes(self, drafts: Sequence[CodeDraft]) -> None:
        self._codes.add(drafts, self._clock())

    async def list_codes(self) -> Sequence[Code]:
        return self._codes.list()

    async def redeem(self, digest: str, user: str) -> int:
        if user not in self._users:
            raise ValueError(f"there is no user named {user}")
        amount = self._codes.redeem(digest, user, self._clock())
        self._fund(self._users[user].wallet, lambda account: account.move(amount))
        return amount

    def _forget(self, ended: Iterable[str]) -> None:
        self._ended.extend(ended)
        while len(self._ended) > self._keep:
            del self._holds[self._ended.popleft()]

    def _open(self, kind: str, balance: int | None) -> int:
        number = next(self._ids["account"])
        self._accounts[number] = Account(number, kind, balance or 0, unlimited=balance is None)
        self._granted[number] = balance or 0
        return number

    async def open_budgets(self, wanted: Sequence[tuple[int, str]]) -> Sequence[int | None]:
        return [self._open_budget(limit, subject) for limit, subject in wanted]

    def _open_budget(self, number: int, subject: str) -> int | None:
        limit = self._limits.get(number)
        if limit is None or limit.budget is None:
            return None
        if (number, subject) not in self._budgets:
            account = self._budgets[number, subject] = self._open("budget", limit.budget)
            self._accounts[account].period = period_name(limit.period, limit.rolling)
        return self._budgets[number, subject]

    # Answers to Idempotency-Keys

    async def claim_answer(self, claim: Claim) -> Kept | None:
        return self._answers.claim(claim, self._clock())

    async def renew_answers(self, claims: Sequence[Claim]) -> None:
        self._answers.renew(claims, self._clock())

    async def conclude_answers(self, ended: Sequence[Conclude]) -> None:
        self._answers.conclude(ended, self._clock())

    async def purge_answers(self) -> int:
        return self._answers.purge(self._clock())

    def _fence(self, call_id: str) -> None:
        now = self._clock()
        self._holds[call_id] = Hold(call_id, (), 0, lease_until=now, created_at=now, state="released", ended_at=now)
        self._forget([call_id])

    # Notes, and what callers own at upstreams

    async def put_notes(self, notes: Sequence[KeptNote]) -> None:
        self._notes.put(notes, self._clock())

    async def get_notes(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return self._notes.get(keys, self._clock())

    async def purge_notes(self) -> int:
        return self._notes.purge(self._clock())

    async def put_object(self, owned: OwnedObject) -> None:
        self._objects.put(owned)

    async def get_object(self, object_id: str, *, user_id: int, token_id: int) -> OwnedObject | None:
        return self._objects.get(object_id, owner_of(user_id, token_id))

    async def list_objects(
        self, kind: str, *, user_id: int, token_id: int, limit: int = 20, after: str | None = None
    ) -> Sequence[OwnedObject]:
        return self._objects.page(kind, owner_of(user_id, token_id), limit, after)

    async def delete_object(self, object_id: str, *, user_id: int, token_id: int) -> bool:
        return self._objects.delete(object_id, owner_of(user_id, token_id))

    # Records

    async def write_records(self, records: Sequence[CallRecord]) -> None:
        self._records.write(records)

    async def list_records(self, limit: int = 100) -> Sequence[CallRecord]:
        """The records that were written last, the newest first."""
        return self._records.last(limit)

    async def find_records(self, query: RecordQuery) -> RecordPage:
        return self._records.find(query)

    async def totals(
        self,
        since_day: int,
        until_day: int,
        by: Sequence[Dimension] = ("day",),
        *,
        token_id: int | None = None,
        user_id: int | None = None,
        channel_id: int | None = None,
        model: str | None = None,
    ) -> Sequence[Total]:
        only = {"token_id": token_id, "user_id": user_id, "channel_id": channel_id, "model": model}
        return self._records.totals(since_day, until_day, by, only)

    async def prune_records(self, before: float, limit: int = 5_000) -> int:
        return self._records.prune(before, limit)

    # Users and tokens

    async def add_user(
        self, name: str, *, group: str = "default", admin: bool = False, wallet: int | None = None
    ) -> int:
        if name in self._users:
            raise ValueError(f"there is a user named {name} already")
        check_quota(wallet)
        user = User(id=next(self._ids["user"]), name=name, wallet=self._open("user", wallet), group=group, admin=admin)
        self._users[name] = user
        self._revision += 1
        return user.id

    async def list_users(self) -> Sequence[User]:
        return list(self._users.values())

    async def set_user(self, name: str, *, enabled: bool) -> None:
        self._users[name] = replace(self._users[name], enabled=enabled)
        self._revision += 1

    async def find_token(self, digest: str) -> Token | None:
        number = self._digests.get(digest)
        return None if number is None else self._token(self._tokens[number])

    async def list_tokens(self) -> Sequence[Token]:
        return [self._token(token) for token in self._tokens.values()]

    async def add_token(self, draft: TokenDraft) -> Token:
        token = self._add_token(draft)
        self._revision += 1
        return token

    async def set_token_status(self, token_id: int, status: TokenStatus) -> None:
        self._tokens[token_id] = replace(self._tokens[token_id], status=status)
        self._revision += 1

    def _token(self, token: KnownToken) -> Token:
        draft, user = token.draft, self._users[token.draft.user]
        accounts = (self._caps[token.id], user.wallet)
        return Token(
            id=token.id,
            name=draft.name,
            digest=draft.digest,
            prefix=draft.prefix,
            status=token.status,
            expires_at=draft.expires_at,
            models=draft.models,
            subnets=draft.subnets,
            requests_per_minute=draft.requests_per_minute,
            accounts=accounts,
            limited=not all(self._accounts[account].unlimited for account in accounts),
            user_id=user.id,
            user_name=user.name,
            user_enabled=user.enabled,
            admin=user.admin,
            group=user.group,
        )

    def _add_token(self, draft: TokenDraft, *, declared: bool = False) -> Token:
        check_quota(draft.quota)
        if draft.user not in self._users:
            raise ValueError(f"there is no user named {draft.user}")
        if any(t.draft.name == draft.name and t.draft.user == draft.user for t in self._tokens.values()):
            raise ValueError(f"{draft.user} has a token named {draft.name} already")
        if draft.digest in self._digests:
            raise ValueError(f"there is a token with the key of {draft.name} already")
        token = KnownToken(id=next(self._ids["token"]), draft=draft, declared=declared)
        self._caps[token.id] = self._open("token", draft.quota)
        self._tokens[token.id] = token
        self._digests[draft.digest] = token.id
        return self._token(token)

    # Channels, prices and groups

    async def list_channels(self) -> Sequence[Channel]:
        return list(self._channels.values())

    async def save_channel(self, channel: Channel) -> Channel:
        if channel.id and channel.id not in self._channels:
            raise KeyError(channel.id)
        saved = self._save_channel(channel)
        self._revision += 1
        return saved

    async def delete_channel(self, channel_id: int) -> None:
        del self._channels[channel_id]
        self._declared.discard(channel_id)
        self._revision += 1

    async def disable_channel(self, channel_id: int, because: str) -> bool:
        channel = self._channels.get(channel_id)
        if channel is None or not channel.enabled:
            return False
        because = because[:_REASON].encode(errors="replace").decode()
        self._channels[channel_id] = replace(channel, enabled=False, disabled_because=because)
        self._revision += 1
        return True

    def _save_channel(self, channel: Channel) -> Channel:
        check_overrides(channel)
        if any(other.name == channel.name and other.id != channel.id for other in self._channels.values()):
            raise ValueError(f"there is a channel named {channel.name} already")
        saved = channel if channel.id else replace(channel, id=self._free_channel_id())
        self._channels[saved.id] = saved
        return saved

    def _free_channel_id(self) -> int:
        # The constructor takes channels that bring their own ids.
        return next(number for number in self._ids["channel"] if number not in self._channels)

    async def list_prices(self) -> Mapping[str, Price]:
        return dict(self._prices)

    async def set_price(self, model: str, price: Price | None) -> None:
        self._prices.pop(model, None)
        if price is not None:
            self._prices[model] = price
        self._revision += 1

    async def list_groups(self) -> Sequence[Group]:
        return [self._groups[name] for name in sorted(self._groups)]

    async def set_group(self, group: Group) -> None:
        check_group(group)
        self._groups[group.name] = group
        self._revision += 1

    async def delete_group(self, name: str) -> None:
        del self._groups[name]
        self._revision += 1

    # Limits

    async def list_limits(self) -> Sequence[Limit]:
        return list(self._limits.values())

    async def save_limit(self, limit: Limit) -> Limit:
        saved = self._save_limit(limit)
        self._revision += 1
        return saved

    async def delete_limit(self, limit_id: int) -> None:
        del self._limits[limit_id]
        self._declared_limits.discard(limit_id)
        self._revision += 1

    def _save_limit(self, limit: Limit) -> Limit:
        check_limit_change(self._limits.values(), limit)
        before = self._limits.get(limit.id)
        saved = limit if before else replace(limit, id=next(self._ids["limit"]))
        self._limits[saved.id] = saved
        for (number, _), account in self._budgets.items():
            if before is not None and number == saved.id:
                self._fund(account, partial(set_quota, before=before.budget, after=saved.budget))
        return saved

    # What the configuration declares

    async def declare(
        self, channels: Sequence[Channel], tokens: Sequence[TokenDraft], limits: Sequence[Limit] = ()
    ) -> None:
        for draft in tokens:
            check_quota(draft.quota)
            if draft.user not in self._users:
                raise ValueError(f"there is no user named {draft.user}")
        channel_changes = compare_channels(self._channels.values(), self._declared, channels)
        token_changes = compare_tokens(list(self._tokens.values()), tokens)
        limit_changes = compare_limits(self._limits.values(), self._declared_limits, limits)
        if channel_changes or token_changes or limit_changes:
            self._change_channels(channel_changes)
            self._change_tokens(token_changes)
            self._change_limits(limit_changes)
            self._revision += 1

    def _change_limits(self, changes: LimitChanges) -> None:
        for number in changes.remove:
            del self._limits[number]
        self._declared_limits.difference_update(changes.remove)
        self._declared_limits.update([self._save_limit(limit).id for limit in changes.save])

    def _change_channels(self, changes: ChannelChanges) -> None:
        for number in changes.remove:
            del self._channels[number]
        self._declared.difference_update(changes.remove)
        self._declared.update([self._save_channel(channel).id for channel in changes.save])

    def _change_tokens(self, changes: TokenChanges) -> None:
        for token in changes.disable:
            self._tokens[token.id] = replace(token, status="disabled", declared=False)
        for token in changes.forget:
            draft = replace(token.draft, digest=f"forgotten:{token.id}")
            self._tokens[token.id] = replace(self._tokens[token.id], draft=draft)
        for before, after in changes.change:
            change = partial(set_quota, before=before.draft.quota, after=after.draft.quota)
            self._fund(self._caps[before.id], change)
            self._tokens[before.id] = after
        self._digests = {token.draft.digest: token.id for token in self._tokens.values()}
        for draft in changes.add:
            self._add_token(draft, declared=True)
