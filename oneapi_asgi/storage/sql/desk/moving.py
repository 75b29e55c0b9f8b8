"""Moving in, in one transaction: users, tokens, codes, channels, prices and groups of another gateway.

What somebody had spent before is held and settled like the cost of a call, by the ledger's own rules, so that the books
agree afterwards. What was moved before is known by ``imports`` and left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Table, insert, select, update

from ....desk.members import ROOT, new_invite_code
from ....desk.moving import (
    Cargo,
    Coupon,
    Holdings,
    Key,
    Moved,
    MovedTable,
    PastEvent,
    Person,
    Remarks,
    SumsDiffer,
    Upstreams,
)
from ....desk.roles import Role
from ....models import CallRecord, Reserve, Settle
from ..channels import lock_revision, set_price, write_channel
from ..ledger import apply, credit, leave, moment, open_accounts
from ..portable import Total
from ..records import write_records
from ..schema import accounts, channels, codes, groups, prices, tokens, users
from ..sealing import sealed
from ..store import SQLStorage
from .moving_names import Taken, portions, unused
from .options import add_options
from .schema import events, identities, imports, options

__all__ = ["SQLMoving"]

_LEASE = 60.0


class _Rehearsed(Exception):
    """No error: it takes back what was only tried."""

    def __init__(self, moved: Moved) -> None:
        self.moved = moved


class SQLMoving:
    """``desk.moving.MoveStore``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def move(self, cargo: Cargo, *, apply: bool) -> Moved:
        try:
            return await self._storage.transfer(_move, cargo, self._storage, apply)
        except _Rehearsed as rehearsed:
            return rehearsed.moved

    async def write_log(self, calls: Sequence[CallRecord], events: Sequence[PastEvent]) -> None:
        await self._storage.write(_write_log, calls, events)


def _move(connection: Connection, cargo: Cargo, storage: SQLStorage, keep: bool) -> Moved:
    lock_revision(connection)
    move = _Move(connection, cargo, storage)
    move.people()
    move.keys()
    move.coupons()
    move.upstreams()
    move.settings()
    moved = move.done()
    differing = [one for one in moved.holdings if one.before != one.after]
    if differing:
        raise SumsDiffer(differing)
    if not keep:
        raise _Rehearsed(moved)
    return moved


def _write_log(connection: Connection, calls: Sequence[CallRecord], past: Sequence[PastEvent]) -> None:
    if calls:
        write_records(connection, calls)
    for some in portions(past):
        times = [event.at for event in some]
        near = events.c.at.between(min(times), max(times))
        wanted = events.c.request_id.in_([event.id for event in some])
        there = set(connection.scalars(select(events.c.request_id).where(near, wanted)))
        rows = [_event_row(event) for event in some if event.id not in there]
        if rows:
            connection.execute(insert(events), rows)


def _event_row(event: PastEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "kind": event.kind,
        "action": "moved",
        "actor_name": "",
        "user_id": event.user,
        "user_name": event.user_name,
        "target": "",
        "text": event.text,
        "amount": event.amount,
        "detail": "{}",
        "address": "",
        "request_id": event.id,
    }


class _Move:
    """One move while its transaction lasts."""

    def __init__(self, connection: Connection, cargo: Cargo, storage: SQLStorage) -> None:
        self._connection = connection
        self._cargo = cargo
        self._circuits = storage.circuits
        self._clock = storage.clock
        self._now = moment(connection, storage.clock)
        self._remarks = Remarks()
        self._tables: list[MovedTable] = []
        self._holdings: list[Holdings] = []
        self._known = {kind: self._imported(kind) for kind in ("user", "token", "code", "channel")}

    def done(self) -> Moved:
        return Moved(
            tables=tuple(self._tables),
            holdings=tuple(self._holdings),
            remarks=self._remarks.all(),
            users=self._known["user"],
            tokens=self._known["token"],
            channels=self._known["channel"],
        )

    # Users

    def people(self) -> None:
        there = self._known["user"]
        fresh = [person for person in self._cargo.people if person.id not in there]
        taken = Taken(self._connection)
        roots = [person for person in fresh if person.name == ROOT]
        others = [taken.person(person, self._remarks) for person in fresh if person.name != ROOT]
        self._insert(users, [self._user_row(person) for person in others])
        ids = self._ids(users.c.name, [person.name for person in others])
        numbers = {person.id: ids[person.name] for person in others}
        funds = {numbers[person.id]: max(person.left + person.used, 0) for person in others}
        wallets = self._open("user", funds)
        before = 0
        for person in roots:
            numbers[person.id], wallets_of_root, before = self._merge_root(taken.person(person, self._remarks))
            wallets |= wallets_of_root
        self._spend({wallets[numbers[person.id]]: (person.left, person.used) for person in (*others, *roots)})
        self._remember("user", numbers, {person.id: person.mark for person in fresh})
        self._bind(fresh, numbers)
        self._name_inviters(fresh)
        worth = sum(person.left for person in fresh)
        self._hold("wallets", worth, [wallets[number] for number in numbers.values()], before)
        self._count("users", self._cargo.people, fresh)

    def _user_row(self, person: Person) -> dict[str, Any]:
        return {
            "name": person.name,
            "password": person.password.reveal() if person.password else None,
            "must_change_password": person.must_change_password,
            "display_name": person.display_name,
            "email": person.email,
            "role": int(person.role),
            "admin": person.role >= Role.ADMIN,
            "group": person.group,
            "enabled": person.enabled,
            "access_digest": person.access_digest,
            "invite_code": person.invite_code or new_invite_code(),
            "created_at": person.created_at or self._now,
        }

    def _merge_root(self, person: Person) -> tuple[int, dict[int, int], int]:
        """Theirs becomes ours, which is there from the start: its number, its wallet, and what that had before."""
        wallet = (accounts.c.kind == "user") & (accounts.c.owner_id == users.c.id)
        facts = select(users.c.id, accounts.c.id.label("wallet"), accounts.c.unlimited,
                       (accounts.c.balance - accounts.c.overdraft).label("net")).join(accounts, wallet)  # fmt: skip
        own = self._connection.execute(facts.where(users.c.name == ROOT)).one()
        row = self._user_row(person)
        for name in ("name", "enabled", "created_at", "role", "admin"):
            del row[name]
        self._connection.execute(update(users).where(users.c.id == own.id).values(**row))
        before = 0 if own.unlimited else int(own.net)
        if own.unlimited:
            leave(self._connection, own.wallet, 0, self._circuits, self._clock)
            self._remarks.add("changed", "users", "the wallet of root was unlimited here, and holds what it held there",
                              ROOT, cure="credit root, if it is to call on")  # fmt: skip
        funds = max(person.left + person.used, 0)
        if funds:
            credit(self._connection, own.wallet, funds, self._circuits, self._clock)
        return own.id, {own.id: own.wallet}, before

    def _bind(self, people: Iterable[Person], numbers: Mapping[int, int]) -> None:
        rows = [
            {"user_id": numbers[person.id], "provider": one.provider, "subject": one.subject, "label": one.label,
             "created_at": self._now}
            for person in people for one in person.identities
        ]  # fmt: skip
        self._insert(identities, rows)

    def _name_inviters(self, people: Iterable[Person]) -> None:
        there = self._known["user"]
        by_inviter: dict[int, list[int]] = {}
        for person in people:
            if person.inviter in there:
                by_inviter.setdefault(there[person.inviter], []).append(there[person.id])
        for inviter, invited in by_inviter.items():
            for some in portions(invited):
                self._connection.execute(update(users).where(users.c.id.in_(some)).values(inviter_id=inviter))

    # Tokens

    def keys(self) -> None:
        there, owners = self._known["token"], self._known["user"]
        self._check_source({key.id: key.digest for key in self._cargo.keys})
        fresh = Taken(self._connection).keys(
            [key for key in self._cargo.keys if key.id not in there], owners, self._remarks
        )
        self._insert(tokens, [self._token_row(key, owners[key.owner]) for key in fresh])
        ids = self._ids(tokens.c.digest, [key.digest for key in fresh])
        numbers = {key.id: ids[key.digest] for key in fresh}
        funds = {numbers[key.id]: None if key.left is None else max(key.left + key.used, 0) for key in fresh}
        caps = self._open("token", funds)
        self._spend({caps[numbers[key.id]]: (key.left, key.used) for key in fresh})
        self._remember("token", numbers, {key.id: key.digest for key in fresh})
        limited = [key for key in fresh if key.left is not None]
        worth = sum(key.left or 0 for key in limited)
        self._hold("caps", worth, [caps[numbers[key.id]] for key in limited], 0)
        self._count("tokens", self._cargo.keys, fresh)

    def _token_row(self, key: Key, owner: int) -> dict[str, Any]:
        return {
            "user_id": owner,
            "name": key.name,
            "digest": key.digest,
            "prefix": key.prefix,
            "status": key.status,
            "quota": None if key.left is None else max(key.left + key.used, 0),
            "expires_at": key.expires_at,
            "models": _text(key.models),
            "subnets": _text(key.subnets),
            "declared": False,
            "created_at": key.created_at or self._now,
            "group": key.group,
        }

    # Codes, channels, prices

    def coupons(self) -> None:
        there = self._known["code"]
        fresh = [one for one in self._cargo.coupons if one.id not in there]
        known = self._ids(codes.c.digest, [one.digest for one in fresh])
        for one in fresh:
            if one.digest in known:
                self._remarks.add("skipped", "redemptions", "there is such a code here already", one.id)
        fresh = [*{one.digest: one for one in fresh if one.digest not in known}.values()]
        self._insert(codes, [self._code_row(one) for one in fresh])
        ids = self._ids(codes.c.digest, [one.digest for one in fresh])
        self._remember("code", {one.id: ids[one.digest] for one in fresh}, {one.id: one.digest for one in fresh})
        worth = Total(codes.c.amount)
        parts = [select(worth).where(codes.c.id.in_(some)) for some in portions([*ids.values()])]
        after = sum(int(self._connection.scalar(part) or 0) for part in parts)
        self._holdings.append(Holdings(what="codes", before=sum(one.amount for one in fresh), after=after))
        self._count("redemptions", self._cargo.coupons, fresh)

    def _code_row(self, one: Coupon) -> dict[str, Any]:
        return {
            "name": one.name,
            "digest": one.digest,
            "amount": one.amount,
            "expires_at": one.expires_at,
            "created_at": one.created_at or self._now,
            "enabled": one.enabled,
            "creator_id": None if one.creator is None else self._known["user"].get(one.creator),
        }

    def upstreams(self) -> None:
        there = self._known["channel"]
        fresh = [one for one in self._cargo.upstreams if one.id not in there]
        names = set(self._connection.scalars(select(channels.c.name)))
        numbers = {}
        for one in fresh:
            name = unused(one.channel.name, names)
            if name != one.channel.name:
                self._remarks.add("changed", "channels", "another channel has its name", f"{one.id} is {name}")
            names.add(name)
            saved = write_channel(self._connection, replace(one.channel, name=name), one.disabled_keys)
            self._look_after(saved.id, one)
            numbers[one.id] = saved.id
        moved = [f"{theirs} is {ours}" for theirs, ours in numbers.items() if theirs != ours]
        for example in moved:
            self._remarks.add("changed", "channels", "its number is another one", example,
                              cure="keys that name a channel (sk-KEY-NUMBER) name the new one")  # fmt: skip
        self._remember("channel", numbers, {})
        self._count("channels", self._cargo.upstreams, fresh)

    def _look_after(self, number: int, one: Upstreams) -> None:
        row = {
            "tag": one.tag,
            "note": one.note or None,
            "test_model": one.test_model,
            "created_at": one.created_at or self._now,
        }
        (kept,) = sealed(self._connection, channels, [row | {"id": number}])
        self._connection.execute(update(channels).where(channels.c.id == number).values(**kept))

    def settings(self) -> None:
        """What is set here already stays."""
        priced = set(self._connection.scalars(select(prices.c.model)))
        for model, price in self._cargo.prices.items():
            if model not in priced:
                set_price(self._connection, model, price)
        grouped = set(self._connection.scalars(select(groups.c.name)))
        fresh = {name: ratio for name, ratio in self._cargo.groups.items() if name not in grouped}
        self._insert(groups, [{"name": name, "ratio": ratio, "note": ""} for name, ratio in fresh.items()])
        named = set(self._connection.scalars(select(options.c.name)))
        new_ones = {name: value for name, value in self._cargo.options.items() if name not in named}
        add_options(self._connection, new_ones, self._now)
        for table, found, present in (
            ("prices", set(self._cargo.prices), priced),
            ("groups", set(self._cargo.groups), grouped),
            ("options", set(self._cargo.options), named),
        ):
            new = len(found - present)
            self._tables.append(MovedTable(table=table, found=len(found), carried=new, present=len(found) - new))

    # What all of them need

    def _imported(self, kind: str) -> dict[int, int]:
        wanted = (imports.c.source == self._cargo.label) & (imports.c.kind == kind)
        return dict(self._connection.execute(select(imports.c.source_id, imports.c.own_id).where(wanted)).all())

    def _check_source(self, marks: Mapping[int, str]) -> None:
        wanted = (imports.c.source == self._cargo.label) & (imports.c.kind == "token")
        for number, mark in self._connection.execute(select(imports.c.source_id, imports.c.mark).where(wanted)):
            if marks.get(number, mark) != mark:
                raise ValueError(
                    f'another database was moved in as "{self._cargo.label}": token {number} has another key there; '
                    "name this one by --label"
                )

    def _remember(self, kind: str, numbers: Mapping[int, int], marks: Mapping[int, str]) -> None:
        self._known[kind] |= numbers
        label = self._cargo.label
        self._insert(imports, [
            {"source": label, "kind": kind, "source_id": theirs, "own_id": ours, "mark": marks.get(theirs, "")}
            for theirs, ours in numbers.items()
        ])  # fmt: skip

    def _open(self, kind: str, funds: Mapping[int, int | None]) -> dict[int, int]:
        return open_accounts(self._connection, kind, funds, self._circuits, self._clock) if funds else {}

    def _spend(self, amounts: Mapping[int, tuple[int | None, int]]) -> None:
        """Charge accounts for what was spent before: of what is left and was used, by account."""
        costs = {}
        for account, (left, used) in amounts.items():
            cost = used if left is None else max(left + used, 0) - left
            if cost:
                costs[account] = (min(used, cost) if left is None or left >= 0 else max(left + used, 0), cost)
        for some in portions([*costs]):
            held = [Reserve(self._hold_id(one), (one,), costs[one][0], 0, _LEASE) for one in some]
            self._apply(held)
            self._apply([Settle(self._hold_id(one), costs[one][1]) for one in some])

    def _apply(self, operations: Sequence[Reserve | Settle]) -> None:
        apply(self._connection, operations, self._circuits, self._clock)

    def _hold_id(self, account: int) -> str:
        return f"moved-{self._cargo.label[:32]}-{account}"

    def _hold(self, what: str, worth: int, numbers: Sequence[int], before: int) -> None:
        net = Total(accounts.c.balance - accounts.c.overdraft)
        parts = [select(net).where(accounts.c.id.in_(some)) for some in portions(numbers)]
        after = sum(int(self._connection.scalar(part) or 0) for part in parts) - before
        self._holdings.append(Holdings(what=what, before=worth, after=after))

    def _count(self, table: str, found: Sequence[object], fresh: Sequence[Any]) -> None:
        kind = {"users": "user", "tokens": "token", "redemptions": "code", "channels": "channel"}[table]
        present = sum(1 for one in found if getattr(one, "id", None) in self._known[kind]) - len(fresh)
        skipped = len(found) - present - len(fresh)
        self._tables.append(
            MovedTable(table=table, found=len(found), carried=len(fresh), present=present, skipped=skipped)
        )

    def _insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        for some in portions(rows):
            self._connection.execute(insert(table), some)

    def _ids(self, column: Any, values: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for some in portions(values):
            found |= dict(self._connection.execute(select(column, column.table.c.id).where(column.in_(some))).all())
        return found


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
