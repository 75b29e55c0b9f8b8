"""What each consumer asks of storage: one small protocol per consumer.

A storage implements them all (``Storage``), a composed stack needs only those of the components it uses. The contract
that goes with them is executable: inherit ``oneapi_asgi.testing.StorageContract``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from .kept import Claim, Conclude, Kept, NoteStore, ObjectStore
from .models import (
    Ask,
    Balance,
    CallRecord,
    Channel,
    Checkpoint,
    Ended,
    Granted,
    Limit,
    Price,
    Pulse,
    Refused,
    Reserve,
    Reserved,
    Settle,
    Settled,
    Short,
    Token,
    TokenDraft,
    TokenStatus,
    User,
)
from .queries import Code, CodeDraft, Difference, Dimension, RecordPage, RecordQuery, Total
from .tariffs import GroupAdmin, GroupStore

__all__ = [
    "Auditor",
    "BudgetStore",
    "CallStorage",
    "ChannelAdmin",
    "ChannelStore",
    "ChannelSwitch",
    "CodeAdmin",
    "CodeRedeemer",
    "Declarations",
    "GroupAdmin",
    "GroupStore",
    "IdempotencyStore",
    "Ledger",
    "LedgerAnswer",
    "LedgerOperation",
    "LimitAdmin",
    "LimitStore",
    "NoteStore",
    "Notices",
    "ObjectStore",
    "PriceAdmin",
    "PriceStore",
    "RateStore",
    "RecordPruner",
    "RecordReader",
    "RecordStore",
    "RevisionStore",
    "Shared",
    "StandIn",
    "Storage",
    "TokenAdmin",
    "TokenStore",
]


LedgerOperation = Reserve | Settle | Checkpoint
LedgerAnswer = Reserved | Short | Settled | Ended


class RevisionStore(Protocol):
    """Tells caches when to forget, and what time it is where everybody looks at the same clock."""

    async def pulse(self) -> Pulse:
        """A revision that grows whenever a token, user, channel, price, group or limit changes, and the time by the
        storage's clock, read together."""
        ...


class TokenStore(RevisionStore, Protocol):
    async def find_token(self, digest: str) -> Token | None:
        """The token whose key has this hex SHA-256 digest, whatever its status."""
        ...


class ChannelStore(RevisionStore, Protocol):
    async def list_channels(self) -> Sequence[Channel]:
        """Every channel, disabled ones too; without the keys that are switched off."""
        ...


class PriceStore(GroupStore, RevisionStore, Protocol):
    async def list_prices(self) -> Mapping[str, Price]:
        """The operator's prices by model name or glob."""
        ...


class Ledger(Protocol):
    """Money. Every implementation is exact under any number of concurrent callers and processes."""

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        """Carry out all operations in one transaction, settlements first, then checkpoints, reservations last, and
        answer each at its place.

        An exception says that nothing was done, or that nobody knows. Everything may be applied again: a reservation
        that stands is not held twice (``Reserved``), what has ended stays as it ended (``Ended``).
        """
        ...

    async def expire(self) -> int:
        """End the reservations whose lease has run out, each at the cost of its last checkpoint, and return how many
        there were."""
        ...

    async def balances(self, accounts: Sequence[int]) -> Sequence[Balance]:
        """The named accounts, in that order.

        :raises KeyError: there is no such account
        """
        ...


class LimitStore(RevisionStore, Protocol):
    async def list_limits(self) -> Sequence[Limit]:
        """Every limit, in the order in which they were made."""
        ...


class RateStore(Protocol):
    """Counters of requests and tokens in a minute, and of calls at one moment."""

    async def take(self, call_id: str, asks: Sequence[Ask]) -> Granted | Refused:
        """Take everything that is asked for, or nothing at all. Never raises for want of a server: whoever counts for
        several processes counts on in this one."""
        ...

    def give(self, granted: Granted, tokens: int | None = None) -> None:
        """The call has ended: its slots are free, and its counters of tokens are corrected to what it used. None leaves
        them. To be called once, and returns at once."""
        ...


class StandIn(RateStore, Protocol):
    """Counters that take over when those that are shared are gone."""

    def note(self, asks: Sequence[Ask]) -> None:
        """Count what was granted elsewhere, as far as there is room: so whoever has used up a limit does not begin
        anew here."""
        ...


class Notices(Protocol):
    """Short messages between the replicas, fast and unreliable: what depends on one asks again from time to time."""

    def publish(self, kind: str, text: str) -> None:
        """Tell all other replicas, some time soon. Returns at once, and never raises."""
        ...

    def subscribe(self, kind: str, heard: Callable[[str], None]) -> Callable[[], None]:
        """Have ``heard`` called with the text of each notice that another replica publishes; the result ends that."""
        ...


class Shared(Protocol):
    """What the replicas share, and may lose at any moment: counters and notices, opened and closed as an async context
    manager."""

    @property
    def rates(self) -> RateStore: ...

    @property
    def notices(self) -> Notices: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class BudgetStore(Protocol):
    async def open_budgets(self, wanted: Sequence[tuple[int, str]]) -> Sequence[int | None]:
        """The accounts of the budgets that these limits (by id) give to these subjects, made where they are missing;
        None where the limit is gone or has no budget.

        A subject is the id of a token, user or channel, or the name of a group or model.
        """
        ...


class RecordStore(Protocol):
    async def write_records(self, records: Sequence[CallRecord]) -> None:
        """Append all records in one transaction, and add them to the totals. One that is there already is left out, so
        that a write whose answer got lost may be repeated."""
        ...


class RecordReader(Protocol):
    async def find_records(self, query: RecordQuery) -> RecordPage:
        """A page of the records, newest first. No page takes long, however many records there are before it.

        :raises ValueError: the limit, the status or the cursor cannot be
        """
        ...

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
        """What the calls of these days (yyyymmdd, both included) add up to, one total for each that ``by`` tells apart,
        in its order. Totals know of records that were pruned, too.

        :raises ValueError: ``by`` names something else, or something twice
        """
        ...


@runtime_checkable
class RecordPruner(Protocol):
    async def prune_records(self, before: float, limit: int = 5_000) -> int:
        """Delete the oldest records from before that moment, at most so many, and return how many there were."""
        ...


class IdempotencyStore(Protocol):
    """Which call answers an Idempotency-Key, and what it answered. Exact under any number of callers and processes."""

    async def claim_answer(self, claim: Claim) -> Kept | None:
        """None: the key is this call's, and nobody else's until the claim ends or its lease runs out; so it is when the
        same call asks again. Otherwise what is known of the call that has it.

        A claim whose lease ran out goes to the next call if the ledger knows no reservation of that name (then there
        will never be one: reserving under it answers ``Ended``), or one that ended at no cost. While the reservation is
        held the call counts as running, and once it has ended at a cost, as ``lost``.
        """
        ...

    async def renew_answers(self, claims: Sequence[Claim]) -> None:
        """Renew the leases of those claims that still stand."""
        ...

    async def conclude_answers(self, ended: Sequence[Conclude]) -> None:
        """End those claims that still stand, all in one transaction. A claim that another call has taken over, or that
        has ended, stays as it is."""
        ...

    async def purge_answers(self) -> int:
        """Forget up to 5,000 keys that need not be kept any longer, and return how many there were."""
        ...


@runtime_checkable
class CallStorage(
    TokenStore, ChannelStore, PriceStore, LimitStore, Ledger, BudgetStore, RecordStore, IdempotencyStore, Protocol
):
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

    async def list_users(self) -> Sequence[User]: ...

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

        :raises ValueError: another channel has that name, or it changes of calls what it may not (``overrides``)
        :raises KeyError: there is no channel with that id
        """
        ...

    async def delete_channel(self, channel_id: int) -> None:
        """
        :raises KeyError: there is no such channel
        """
        ...


@runtime_checkable
class ChannelSwitch(Protocol):
    async def disable_channel(self, channel_id: int, because: str) -> bool:
        """Send no more calls to a channel, and keep why: a status and a code, of which what fits into 255 characters.
        False if that changed nothing, as it is disabled already or gone; of several callers one is told True."""
        ...


class LimitAdmin(Protocol):
    async def save_limit(self, limit: Limit) -> Limit:
        """Insert (``id`` 0) or overwrite a limit, and return it with its id. A changed budget moves what is left of it
        by the difference; what was spent beyond the new one is owed until it returns. ``scope``, ``name``, ``period``
        and ``rolling`` of a limit stay what they were.

        :raises ValueError: there is another limit with these, or they were changed
        :raises KeyError: there is no limit with that id
        """
        ...

    async def delete_limit(self, limit_id: int) -> None:
        """
        :raises KeyError: there is no such limit
        """
        ...


class PriceAdmin(GroupAdmin, Protocol):
    async def set_price(self, model: str, price: Price | None) -> None:
        """Set the price of a model name or glob; None removes it."""
        ...


class CodeAdmin(Protocol):
    async def add_codes(self, drafts: Sequence[CodeDraft]) -> None:
        """
        :raises ValueError: an amount is not one above 0, or a digest is taken; none was made
        """
        ...

    async def list_codes(self) -> Sequence[Code]:
        """Every code, redeemed ones too, in the order in which they were made."""
        ...


class CodeRedeemer(Protocol):
    async def redeem(self, digest: str, user: str) -> int:
        """Credit the user's wallet with what the code of this digest is worth, and return that. Once and never again,
        under any number of callers and processes.

        :raises KeyError: there is no such code
        :raises ValueError: it was redeemed already, or has expired, or there is no such user
        """
        ...


class Auditor(Protocol):
    async def audit(self) -> Sequence[Difference]:
        """Recompute what the books keep from their entries, as of one moment, and return what differs: nothing, as a
        rule. May take long, and holds nobody up."""
        ...


@runtime_checkable
class Declarations(Protocol):
    """What a configuration file declares, kept apart from what was added by hand."""

    async def declare(
        self, channels: Sequence[Channel], tokens: Sequence[TokenDraft], limits: Sequence[Limit] = ()
    ) -> None:
        """Make the declared channels, tokens and limits exactly these, in one transaction.

        Channels and tokens are matched by name, limits by scope, name, period and rolling. New ones are added, changed
        ones changed (a changed quota moves the remaining balance by the difference, never below 0), earlier declared
        ones that are missing now are removed (channels, limits) or disabled (tokens). An added one that exists
        undeclared becomes declared. A channel that was disabled by ``disable_channel`` stays so, unless its provider,
        URL, options or keys are others now. Nothing changes, and no revision moves, when all is as before.

        :raises ValueError: two tokens have the same key
        """
        ...


@runtime_checkable
class Storage(
    CallStorage,
    IdempotencyStore,
    TokenAdmin,
    ChannelAdmin,
    ChannelSwitch,
    LimitAdmin,
    PriceAdmin,
    CodeAdmin,
    CodeRedeemer,
    Auditor,
    RecordReader,
    RecordPruner,
    NoteStore,
    ObjectStore,
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
