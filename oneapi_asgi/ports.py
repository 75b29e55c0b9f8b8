"""What each consumer asks of storage: one small protocol per consumer.

A storage implements them all (``Storage``), a composed stack needs only those of the components it uses. The contract
that goes with them is executable: inherit ``oneapi_asgi.testing.StorageContract``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from .models import (
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

__all__ = [
    "CallStorage",
    "ChannelAdmin",
    "ChannelStore",
    "Declarations",
    "Ledger",
    "PriceAdmin",
    "PriceStore",
    "RecordStore",
    "RevisionStore",
    "Storage",
    "TokenAdmin",
    "TokenStore",
]


class RevisionStore(Protocol):
    """A number that grows whenever a token, channel or price changes, so that caches know when to forget."""

    async def revision(self) -> int: ...


class TokenStore(RevisionStore, Protocol):
    async def find_token(self, digest: str) -> Token | None:
        """The token whose key has this hex SHA-256 digest, whatever its status."""
        ...


class ChannelStore(RevisionStore, Protocol):
    async def list_channels(self) -> Sequence[Channel]:
        """Every channel, disabled ones too."""
        ...


class PriceStore(RevisionStore, Protocol):
    async def list_prices(self) -> Mapping[str, Price]:
        """The operator's prices by model name or glob."""
        ...


class Ledger(Protocol):
    """Money. Every implementation is exact under any number of concurrent callers and processes."""

    async def apply(self, operations: Sequence[Reserve | Settle]) -> Sequence[Reserved | Short | Settled | Ended]:
        """Carry out all operations in one transaction, settlements before reservations, and answer each at its place.

        An exception means that nothing was done; applying a settlement again is harmless (``Ended``).
        """
        ...

    async def expire(self) -> int:
        """Release the reservations whose lease has run out and return how many there were."""
        ...

    async def balances(self, accounts: Sequence[int]) -> Sequence[Balance]:
        """The named accounts, in that order.

        :raises KeyError: there is no such account
        """
        ...


class RecordStore(Protocol):
    async def write_records(self, records: Sequence[CallRecord]) -> None:
        """Append all records in one transaction."""
        ...


@runtime_checkable
class CallStorage(TokenStore, ChannelStore, PriceStore, Ledger, RecordStore, Protocol):
    """What a gateway needs to serve calls."""


class TokenAdmin(Protocol):
    """Tokens and the users that own them. Names of users, and of one user's tokens, are unique.

    Every storage begins with the user ``root``: an admin in group ``default`` with an unlimited wallet.
    """

    async def add_user(
        self, name: str, *, group: str = "default", admin: bool = False, wallet: int | None = None
    ) -> int:
        """Make a user with so many nano-dollars to spend (None: unlimited) and return the id.

        :raises ValueError: there is a user of that name
        """
        ...

    async def set_user(self, name: str, *, enabled: bool) -> None:
        """
        :raises KeyError: there is no such user
        """
        ...

    async def add_token(self, draft: TokenDraft) -> Token:
        """
        :raises ValueError: the name or the digest is taken, or there is no such user
        """
        ...

    async def set_token_status(self, token_id: int, status: TokenStatus) -> None:
        """
        :raises KeyError: there is no such token
        """
        ...

    async def list_tokens(self) -> Sequence[Token]: ...

    async def credit(self, account: int, amount: int) -> None:
        """Add nano-dollars to an account (negative: take them away); what it owes is paid first.

        :raises KeyError: there is no such account
        :raises ValueError: the account does not cover the amount to take away
        """
        ...


class ChannelAdmin(Protocol):
    async def save_channel(self, channel: Channel) -> Channel:
        """Insert (``id`` 0) or overwrite a channel, and return it with its id.

        :raises ValueError: another channel has that name
        :raises KeyError: there is no channel with that id
        """
        ...

    async def delete_channel(self, channel_id: int) -> None:
        """
        :raises KeyError: there is no such channel
        """
        ...


class PriceAdmin(Protocol):
    async def set_price(self, model: str, price: Price | None) -> None:
        """Set the price of a model name or glob; None removes it."""
        ...


@runtime_checkable
class Declarations(Protocol):
    """What a configuration file declares, kept apart from what was added by hand."""

    async def declare(self, channels: Sequence[Channel], tokens: Sequence[TokenDraft]) -> None:
        """Make the declared channels and tokens exactly these, matched by name, in one transaction.

        New ones are added, changed ones changed (a changed quota moves the remaining balance by the difference, never
        below 0), earlier declared ones that are missing now are removed (channels) or disabled (tokens). An added
        name that exists undeclared becomes declared. Nothing changes, and no revision moves, when all is as before.

        :raises ValueError: two tokens have the same key
        """
        ...


@runtime_checkable
class Storage(
    CallStorage,
    TokenAdmin,
    ChannelAdmin,
    PriceAdmin,
    Declarations,
    Protocol,
):
    """All of it, opened and closed as an async context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
