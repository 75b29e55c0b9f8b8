"""``SQLStorage``: the protocols of ``ports`` as transactions of those who write and those who read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from ...kept import Claim, Conclude, Kept, KeptNote, OwnedObject
from ...models import Balance, CallRecord, Channel, Limit, Price, Pulse, Token, TokenDraft, TokenStatus, User
from ...ports import LedgerAnswer, LedgerOperation
from ...queries import Code, CodeDraft, Difference, Dimension, RecordPage, RecordQuery, Total
from ...tariffs import Group
from ..gathering import Gathering
from ..vault import KeyFile, Vault
from . import answers, channels, codes, keeping, ledger, limits, opening, tokens
from .audit import audit
from .declare import declare
from .ledger import Circuits, Clock
from .portable import take_snapshot
from .records import find_records, list_records, prune_records, write_records
from .runner import Runner
from .sealing import Seals
from .totals import totals

__all__ = ["SQLStorage"]

P = ParamSpec("P")
T = TypeVar("T")


def _exactly(now: float) -> float:
    return now


class _Opened(Struct, frozen=True):
    writer: Runner
    readers: Runner
    circuits: Circuits
    closing: AsyncExitStack


class SQLStorage:
    """Everything in one database, which ``url`` names.

    ``sqlite:///oneapi.db`` is a file in the working directory (``sqlite:////var/lib/…`` by its full path), made if it
    is missing; any number of processes on one machine may share it. ``postgresql://user:password@host/database`` and
    ``mysql://…`` (MariaDB too) are for any number of machines; the database has to be there, its tables are made.
    Times are those of the database's clock; ``clock`` is given each of them and says what time it is.

    ``vault`` seals what has to be kept secret and read again: keys of channels, secrets among options. Without one a
    key is kept in ``oneapi.key``, beside the file of SQLite or in the working directory, and made once there is
    something to seal; replicas on several machines, or in several folders, need to be given the same. With
    ``lost_key`` it is opened though the key that it is sealed with is not there, to give up what cannot be opened.

    To be opened with ``async with``.
    """

    def __init__(
        self, url: str, *, clock: Clock = _exactly, vault: Vault | KeyFile | None = None, lost_key: bool = False
    ) -> None:
        self._url = opening.parse(url)
        self._seals = Seals(vault or KeyFile(opening.key_file(url)), given=vault is not None, lost=lost_key)
        self._clock = clock
        self._opened: _Opened | None = None
        self._tokens = Gathering(self._find_tokens)

    async def __aenter__(self) -> Self:
        """
        :raises StorageError: the database cannot be used; the message says why and what to do
        """
        if self._opened is not None:
            raise RuntimeError("the storage is open already")
        async with AsyncExitStack() as stack:
            writer, readers = opening.runners(self._url, self._seals.options)
            stack.push_async_callback(writer.close)
            stack.push_async_callback(readers.close)
            with opening.explained(self._url):
                await writer.start()
                circuits = await writer.run(partial(_prepare, clock=self._clock, seals=self._seals), long=True)
                await readers.start()
            self._opened = _Opened(writer, readers, circuits, stack.pop_all())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened, self._opened = self._open, None
        await opened.closing.aclose()

    @property
    def circuits(self) -> Circuits:
        return self._open.circuits

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def _open(self) -> _Opened:
        if self._opened is None:
            raise RuntimeError("the storage is not open: enter it first (async with storage: …)")
        return self._opened

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Carry out what only reads, in a transaction. The administration's own functions run by these three."""
        return await self._open.readers.run(lambda connection: work(connection, *args, **options))

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Carry out what changes something that no cache holds, in a transaction."""
        return await self._open.writer.run(lambda connection: work(connection, *args, **options))

    async def administer(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """A write that moves the revision."""

        def administer(connection: Connection) -> T:
            result = work(connection, *args, **options)
            channels.move_revision(connection)
            return result

        return await self._open.writer.run(administer)

    async def transfer(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """As ``administer``, and it may take its time: for what moves in at once."""

        def transfer(connection: Connection) -> T:
            result = work(connection, *args, **options)
            channels.move_revision(connection)
            return result

        return await self._open.writer.run(transfer, long=True)

    async def snapshot(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """As ``read``, and all that it reads is of one moment, however long it takes."""

        def look(connection: Connection) -> T:
            take_snapshot(connection)
            return work(connection, *args, **options)

        return await self._open.readers.run(look, long=True)

    async def pulse(self) -> Pulse:
        return await self.read(channels.pulse, self._clock)

    # Money

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        return await self.write(ledger.apply, operations, self._open.circuits, self._clock)

    async def expire(self) -> int:
        count = 0
        while some := await self.write(ledger.expire, self._open.circuits, self._clock):
            count += some
        return count

    async def balances(self, accounts: Sequence[int]) -> Sequence[Balance]:
        return await self.read(ledger.balances, accounts, self._clock)

    async def credit(self, account: int, amount: int) -> None:
        await self.write(ledger.credit, account, amount, self._open.circuits, self._clock)

    async def audit(self) -> Sequence[Difference]:
        return await self.snapshot(audit, self._clock)

    async def open_budgets(self, wanted: Sequence[tuple[int, str]]) -> Sequence[int | None]:
        return await self.write(limits.open_budgets, wanted, self._open.circuits, self._clock)

    # Redemption codes

    async def add_codes(self, drafts: Sequence[CodeDraft]) -> None:
        await self.write(codes.add_codes, drafts, self._clock)

    async def list_codes(self) -> Sequence[Code]:
        return await self.read(codes.list_codes)

    async def redeem(self, digest: str, user: str) -> int:
        return await self.write(codes.redeem, digest, user, self._open.circuits, self._clock)

    # Records

    async def write_records(self, records: Sequence[CallRecord]) -> None:
        await self.write(write_records, records)

    async def list_records(self, limit: int = 100) -> Sequence[CallRecord]:
        """The records that were written last, the newest first."""
        return await self.read(list_records, limit)

    async def find_records(self, query: RecordQuery) -> RecordPage:
        return await self.read(find_records, query)

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
        return await self.read(totals, since_day, until_day, by, only)

    async def prune_records(self, before: float, limit: int = 5_000) -> int:
        return await self.write(prune_records, before, limit)

    # Users and tokens

    async def add_user(
        self, name: str, *, group: str = "default", admin: bool = False, wallet: int | None = None
    ) -> int:
        circuits = self._open.circuits
        return await self.administer(tokens.add_user, name, group, admin, wallet, circuits, self._clock)

    async def list_users(self) -> Sequence[User]:
        return await self.read(tokens.list_users)

    async def set_user(self, name: str, *, enabled: bool) -> None:
        await self.administer(tokens.set_user, name, enabled)

    async def find_token(self, digest: str) -> Token | None:
        return await self._tokens.find(digest)

    async def _find_tokens(self, digests: Sequence[str]) -> Mapping[str, Token]:
        return await self.read(tokens.find_tokens, digests)

    async def list_tokens(self) -> Sequence[Token]:
        return await self.read(tokens.list_tokens)

    async def add_token(self, draft: TokenDraft) -> Token:
        return await self.administer(tokens.add_token, draft, self._open.circuits, self._clock)

    async def set_token_status(self, token_id: int, status: TokenStatus) -> None:
        await self.administer(tokens.set_token_status, token_id, status)

    # Channels, prices, groups and limits

    async def list_channels(self) -> Sequence[Channel]:
        return await self.read(channels.list_channels)

    async def save_channel(self, channel: Channel) -> Channel:
        return await self.administer(channels.save_channel, channel)

    async def delete_channel(self, channel_id: int) -> None:
        await self.administer(channels.delete_channel, channel_id)

    async def disable_channel(self, channel_id: int, because: str) -> bool:
        return await self.write(channels.disable_channel, channel_id, because)

    async def list_prices(self) -> Mapping[str, Price]:
        return await self.read(channels.list_prices)

    async def set_price(self, model: str, price: Price | None) -> None:
        await self.administer(channels.set_price, model, price)

    async def list_groups(self) -> Sequence[Group]:
        return await self.read(channels.list_groups)

    async def set_group(self, group: Group) -> None:
        await self.administer(channels.set_group, group)

    async def delete_group(self, name: str) -> None:
        await self.administer(channels.delete_group, name)

    async def list_limits(self) -> Sequence[Limit]:
        return await self.read(limits.list_limits)

    async def save_limit(self, limit: Limit) -> Limit:
        return await self.administer(limits.save_limit, limit, self._open.circuits, self._clock)

    async def delete_limit(self, limit_id: int) -> None:
        await self.administer(limits.delete_limit, limit_id)

    async def declare(
        self, channels: Sequence[Channel], tokens: Sequence[TokenDraft], limits: Sequence[Limit] = ()
    ) -> None:
        await self.write(declare, channels, tokens, limits, self._open.circuits, self._clock)

    # Answers to Idempotency-Keys

    async def claim_answer(self, claim: Claim) -> Kept | None:
        return await self.write(answers.claim, claim, self._clock)

    async def renew_answers(self, claims: Sequence[Claim]) -> None:
        await self.write(answers.renew, claims, self._clock)

    async def conclude_answers(self, ended: Sequence[Conclude]) -> None:
        await self.write(answers.conclude, ended, self._clock)

    async def purge_answers(self) -> int:
        return await self.write(answers.purge, self._clock)

    # Notes, and what callers own at upstreams

    async def put_notes(self, notes: Sequence[KeptNote]) -> None:
        await self.write(keeping.put_notes, notes, self._clock)

    async def get_notes(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return await self.read(keeping.get_notes, keys, self._clock)

    async def purge_notes(self) -> int:
        return await self.write(keeping.purge_notes, self._clock)

    async def put_object(self, owned: OwnedObject) -> None:
        await self.write(keeping.put_object, owned)

    async def get_object(self, object_id: str, *, user_id: int, token_id: int) -> OwnedObject | None:
        return await self.read(keeping.get_object, object_id, user_id, token_id)

    async def list_objects(
        self, kind: str, *, user_id: int, token_id: int, limit: int = 20, after: str | None = None
    ) -> Sequence[OwnedObject]:
        return await self.read(keeping.list_objects, kind, user_id, token_id, limit, after)

    async def delete_object(self, object_id: str, *, user_id: int, token_id: int) -> bool:
        return await self.write(keeping.delete_object, object_id, user_id, token_id)


def _prepare(connection: Connection, clock: Clock, seals: Seals) -> Circuits:
    """Tables, system accounts and the user ``root``: all there when this returns, whoever made them; and no secret in
    clear."""
    opening.prepare(connection)
    circuits = ledger.system_circuits(connection)
    if tokens.find_user(connection, "root") is None:
        tokens.add_user(connection, "root", "default", True, None, circuits, clock)
        channels.move_revision(connection)
    seals.prepare(connection)
    return circuits
