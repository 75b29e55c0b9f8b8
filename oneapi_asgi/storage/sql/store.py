"""``SQLStorage``: the protocols of ``ports`` as transactions of one writer and a few readers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from ...models import (
    Balance,
    CallRecord,
    Channel,
    Ended,
    Price,
    Reserve,
    Reserved,
    Settle,
    Settled,
    Short,
    Token,
    TokenDraft,
    TokenStatus,
)
from . import channels, ledger, opening, tokens
from .declare import declare
from .ledger import Circuits
from .records import list_records, write_records
from .workers import Workers

__all__ = ["SQLStorage"]

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 4


class _Opened(Struct, frozen=True):
    writer: Workers
    readers: Workers
    circuits: Circuits
    closing: AsyncExitStack


class SQLStorage:
    """``url`` names an SQLite file (``sqlite:///oneapi.db`` in the working directory, ``sqlite:////var/lib/…`` by its
    full path), which is made if missing; its directory is not. ``clock`` gives Unix seconds.

    To be opened with ``async with``. Any number of processes may have the same file open, on one machine.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._url = opening.parse(url)
        self._clock = clock
        self._opened: _Opened | None = None

    async def __aenter__(self) -> Self:
        """
        :raises StorageError: the file cannot be used; the message says why and what to do
        """
        if self._opened is not None:
            raise RuntimeError("the storage is open already")
        async with AsyncExitStack() as stack:
            writer = Workers(partial(opening.connect_writer, self._url))
            readers = Workers(partial(opening.connect_reader, self._url), _READERS)
            stack.push_async_callback(writer.close)
            stack.push_async_callback(readers.close)
            with opening.explained(self._url):
                await writer.start()
                circuits = await writer.run(partial(_prepare, now=self._clock()))
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
    def _open(self) -> _Opened:
        if self._opened is None:
            raise RuntimeError("the storage is not open: enter it first (async with storage: …)")
        return self._opened

    async def _read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        return await self._open.readers.run(lambda connection: work(connection, *args, **options))

    async def _write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        return await self._open.writer.run(lambda connection: work(connection, *args, **options))

    async def _administer(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """A write that moves the revision."""

        def administer(connection: Connection) -> T:
            result = work(connection, *args, **options)
            channels.move_revision(connection)
            return result

        return await self._open.writer.run(administer)

    async def revision(self) -> int:
        return await self._read(channels.revision)

    # Money

    async def apply(self, operations: Sequence[Reserve | Settle]) -> Sequence[Reserved | Short | Settled | Ended]:
        return await self._write(ledger.apply, operations, self._open.circuits, self._clock())

    async def expire(self) -> int:
        count = 0
        while some := await self._write(ledger.expire, self._open.circuits, self._clock()):
            count += some
        return count

    async def balances(self, accounts: Sequence[int]) -> Sequence[Balance]:
        return await self._read(ledger.balances, accounts)

    async def credit(self, account: int, amount: int) -> None:
        await self._write(ledger.credit, account, amount, self._open.circuits, self._clock())

    # Records

    async def write_records(self, records: Sequence[CallRecord]) -> None:
        await self._write(write_records, records)

    async def list_records(self, limit: int = 100) -> Sequence[CallRecord]:
        """The records that were written last, the newest first."""
        return await self._read(list_records, limit)

    # Users and tokens

    async def add_user(
        self, name: str, *, group: str = "default", admin: bool = False, wallet: int | None = None
    ) -> int:
        circuits, now = self._open.circuits, self._clock()
        return await self._administer(tokens.add_user, name, group, admin, wallet, circuits, now)

    async def set_user(self, name: str, *, enabled: bool) -> None:
        await self._administer(tokens.set_user, name, enabled)

    async def find_token(self, digest: str) -> Token | None:
        return await self._read(tokens.find_token, digest)

    async def list_tokens(self) -> Sequence[Token]:
        return await self._read(tokens.list_tokens)

    async def add_token(self, draft: TokenDraft) -> Token:
        return await self._administer(tokens.add_token, draft, self._open.circuits, self._clock())

    async def set_token_status(self, token_id: int, status: TokenStatus) -> None:
        await self._administer(tokens.set_token_status, token_id, status)

    # Channels and prices

    async def list_channels(self) -> Sequence[Channel]:
        return await self._read(channels.list_channels)

    async def save_channel(self, channel: Channel) -> Channel:
        return await self._administer(channels.save_channel, channel)

    async def delete_channel(self, channel_id: int) -> None:
        await self._administer(channels.delete_channel, channel_id)

    async def list_prices(self) -> Mapping[str, Price]:
        return await self._read(channels.list_prices)

    async def set_price(self, model: str, price: Price | None) -> None:
        await self._administer(channels.set_price, model, price)

    async def declare(self, channels: Sequence[Channel], tokens: Sequence[TokenDraft]) -> None:
        await self._write(declare, channels, tokens, self._open.circuits, self._clock())


def _prepare(connection: Connection, now: float) -> Circuits:
    """Tables, system accounts and the user ``root``: all there when this returns, whoever made them."""
    opening.prepare(connection)
    circuits = ledger.system_circuits(connection)
    if tokens.find_user(connection, "root") is None:
        tokens.add_user(connection, "root", "default", True, None, circuits, now)
        channels.move_revision(connection)
    return circuits
