"""Moving in from another gateway: what is brought along, and what became of it.

Ids are those of the source; the storage gives new ones and remembers which is which, so that a second move adds nothing
twice. Amounts are in nano-dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from ..models import CallRecord, Channel, Price, Secret
from .events import EventKind
from .identities import Identity
from .roles import Role

__all__ = [
    "Cargo",
    "Coupon",
    "Holdings",
    "Key",
    "KeyStatus",
    "MoveStore",
    "Moved",
    "MovedTable",
    "PastEvent",
    "Person",
    "Remark",
    "Remarks",
    "Rows",
    "SumsDiffer",
    "Upstreams",
]

Outcome = Literal["skipped", "changed", "lost"]
"""Not carried; carried otherwise than it was; something of what was carried has no place here."""

KeyStatus = Literal["enabled", "disabled", "expired", "exhausted"]

_EXAMPLES = 5


class Person(Struct, frozen=True, kw_only=True):
    """A user. ``left`` is what the wallet has, less than 0 for what is owed. ``mark`` tells whether it is the same row
    when the source is read again, empty for nothing known."""

    id: int
    name: str
    left: int = 0
    used: int = 0
    password: Secret | None = None
    must_change_password: bool = False
    display_name: str = ""
    email: str | None = None
    role: Role = Role.COMMON
    group: str = "default"
    enabled: bool = True
    access_digest: str | None = None
    invite_code: str | None = None
    inviter: int | None = None
    identities: tuple[Identity, ...] = ()
    created_at: float | None = None
    mark: str = ""


class Key(Struct, frozen=True, kw_only=True):
    """A token. ``left`` is what its cap has, None for no cap."""

    id: int
    owner: int
    name: str
    digest: str
    prefix: str
    status: KeyStatus = "enabled"
    expires_at: float | None = None
    left: int | None = None
    used: int = 0
    models: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    group: str | None = None
    created_at: float | None = None


class Coupon(Struct, frozen=True, kw_only=True):
    """A redemption code that nobody has used."""

    id: int
    name: str
    digest: str
    amount: int
    creator: int | None = None
    enabled: bool = True
    expires_at: float | None = None
    created_at: float | None = None


class Upstreams(Struct, frozen=True, kw_only=True):
    """A channel, with what the administration keeps of one beside. ``disabled_keys`` is why keys are off, by digest."""

    id: int
    channel: Channel
    disabled_keys: dict[str, str] = {}
    tag: str = ""
    note: str = ""
    test_model: str = ""
    created_at: float | None = None


class Cargo(Struct, frozen=True, kw_only=True):
    """All that is moved in one transaction. ``label`` names the source; ``groups`` are ratios in billionths."""

    label: str
    people: tuple[Person, ...] = ()
    keys: tuple[Key, ...] = ()
    coupons: tuple[Coupon, ...] = ()
    upstreams: tuple[Upstreams, ...] = ()
    prices: dict[str, Price] = {}
    groups: dict[str, int] = {}
    options: dict[str, str] = {}


class PastEvent(Struct, frozen=True, kw_only=True):
    """A row of a log that is no call: ``id`` is its own for good, ``user`` one of ours."""

    id: str
    at: float
    kind: EventKind
    user: int | None = None
    user_name: str = ""
    text: str = ""
    amount: int | None = None


class Remark(Struct, frozen=True, kw_only=True):
    """Something that is not as it was, of ``count`` rows of a table; ``cure`` is what to do, if anything."""

    outcome: Outcome
    table: str
    what: str
    cure: str = ""
    count: int = 1
    examples: tuple[str, ...] = ()


class Remarks:
    """Collects remarks, one for all rows that it is true of."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Outcome, str, str], tuple[int, tuple[str, ...]]] = {}

    def add(self, outcome: Outcome, table: str, what: str, example: object = "", *, cure: str = "") -> None:
        key = (table, outcome, what, cure)
        count, examples = self._found.get(key, (0, ()))
        if example != "" and len(examples) < _EXAMPLES:
            examples = (*examples, str(example))
        self._found[key] = (count + 1, examples)

    def all(self) -> tuple[Remark, ...]:
        return tuple(
            Remark(outcome=outcome, table=table, what=what, cure=cure, count=count, examples=examples)
            for (table, outcome, what, cure), (count, examples) in self._found.items()
        )


class MovedTable(Struct, frozen=True, kw_only=True):
    """Of one table: ``present`` were there from a move before."""

    table: str
    found: int = 0
    carried: int = 0
    present: int = 0
    skipped: int = 0


class Holdings(Struct, frozen=True, kw_only=True):
    """What all that was carried had in the source, and has here: wallets, caps, and what was spent."""

    what: str
    before: int
    after: int


class Moved(Struct, frozen=True, kw_only=True):
    """``users`` and ``tokens`` are the numbers here, by those of the source."""

    tables: tuple[MovedTable, ...]
    holdings: tuple[Holdings, ...]
    remarks: tuple[Remark, ...]
    users: dict[int, int] = {}
    tokens: dict[int, int] = {}
    channels: dict[int, int] = {}


class SumsDiffer(ValueError):
    """What was written is not worth what was read: nothing of it was kept."""

    def __init__(self, differing: Sequence[Holdings]) -> None:
        told = "; ".join(f"{one.what}: {one.before} before, {one.after} after" for one in differing)
        super().__init__(f"sums in nano-dollars differ, so nothing was written ({told})")


class MoveStore(Protocol):
    async def move(self, cargo: Cargo, *, apply: bool) -> Moved:
        """Write it all in one transaction; without ``apply`` take it back, so that the answer is what would be.

        :raises SumsDiffer: and nothing was written
        :raises ValueError: another source was moved in under this label
        """
        ...

    async def write_log(self, calls: Sequence[CallRecord], events: Sequence[PastEvent]) -> None:
        """Add those that are not there yet, in one transaction."""
        ...


class Rows(Protocol):
    """A source that is read and never written."""

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Of each table that there is."""
        ...

    async def rows(self, table: str, *, after: int = 0, limit: int = 1000) -> Sequence[dict[str, object]]:
        """Those with an id greater than ``after``, by id."""
        ...

    async def count(self, table: str) -> int: ...

    async def settings(self) -> dict[str, str]:
        """The table of options, by key."""
        ...
