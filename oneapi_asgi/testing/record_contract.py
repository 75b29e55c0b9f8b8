"""The part of the contract of a storage that is about records; inherited by ``StorageContract``."""
# ruff: noqa: ARG002, S101, S106, S311 - these are tests

from __future__ import annotations

import asyncio
import itertools
import random
import struct
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from ..models import Attempt, CallRecord, EndReason, Price, Usage
from ..ports import Storage
from ..queries import Dimension, RecordPage, RecordQuery, Total
from .ledger_contract import ContractBase

__all__ = ["FULL_RECORD", "RecordContract"]

FULL_RECORD = CallRecord(
    id="call-1",
    at=1_700_000_000.25,
    operation="chat",
    token_id=3,
    token_name="ci",
    user_id=1,
    model="gpt-4o",
    upstream_model="gpt-4o-2024-11-20",
    channel_id=7,
    attempts=(Attempt(7, "first", 0, "gpt-4o-2024-11-20", 429, "rate limited", 0.5),),
    usage=Usage(input=10, output=5, reasoning=2, cache_read=1, estimated=True),
    price=Price(input=2_500, output=10_000, cache_read=0, ratio=800_000_000),
    cost=75,
    status=200,
    reason="client_gone",
    stream=True,
    first_content=0.75,
    duration=1.5,
    client="10.0.0.1",
    upstream_request_id="req-1",
)

DAY = 1_700_006_400.0
"""The first moment of 2023-11-15."""

_KINDS: tuple[tuple[int, EndReason], ...] = (
    (200, "done"),
    (200, "done"),
    (200, "done"),
    (201, "done"),
    (200, "client_gone"),
    (200, "upstream_cut"),
    (0, "client_gone"),
    (0, "aborted"),
    (400, "refused"),
    (429, "refused"),
    (500, "upstream_failed"),
    (502, "upstream_failed"),
)

QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"token_id": 1},
    {"user_id": 2},
    {"channel_id": 2},
    {"model": "b"},
    {"model": "B"},
    {"model": "unknown"},
    {"status": 200},
    {"status": 429},
    {"status": 418},
    {"status": 0},
    {"status": 2},
    {"status": 4},
    {"status": 5},
    {"status": 3},
    {"reason": "done"},
    {"reason": "upstream_failed"},
    {"since": DAY + 30},
    {"until": DAY + 30},
    {"since": DAY + 20, "until": DAY + 40},
    {"since": DAY + 40, "until": DAY + 20},
    {"token_id": 2, "since": DAY + 20},
    {"status": 4, "until": DAY + 40},
    {"token_id": 1, "model": "a"},
    {"user_id": 1, "status": 5, "reason": "upstream_failed"},
    {"channel_id": 1, "status": 2, "reason": "done", "since": DAY + 10},
)

FAILED: tuple[tuple[int, EndReason, int], ...] = (
    (200, "done", 0),
    (302, "done", 0),
    (399, "done", 0),
    (400, "refused", 1),
    (429, "refused", 1),
    (503, "upstream_failed", 1),
    (200, "upstream_cut", 1),
    (0, "upstream_failed", 1),
    (0, "aborted", 1),
    (0, "client_gone", 0),
    (200, "client_gone", 0),
)

BY: tuple[tuple[Dimension, ...], ...] = (
    (),
    ("day",),
    ("model",),
    ("model", "day"),
    ("user", "token"),
    ("channel",),
    ("day", "user", "token", "channel", "model"),
)
ONLY: tuple[dict[str, Any], ...] = (
    {},
    {"token_id": 1},
    {"user_id": 2, "model": "a"},
    {"channel_id": 0},
    {"model": "unknown"},
)

_COUNTS = ("input", "output", "cache_read", "cache_write", "reasoning")
_NO_NUMBER, _NO_MOMENT = (
    urlsafe_b64encode(struct.pack(">dq", at, 1)).rstrip(b"=").decode() for at in (float("nan"), float("inf"))
)


def _mixed(count: int) -> list[CallRecord]:
    """Records of four days, some of one moment, written in another order than that of ``at``."""
    chance = random.Random(7)
    made = []
    for number in range(count):
        status, reason = chance.choice(_KINDS)
        made.append(
            CallRecord(
                id=f"r{number}",
                at=DAY + chance.choice((chance.randrange(60), chance.uniform(0, 60), 86_400.0 * chance.randrange(4))),
                operation="chat",
                token_id=chance.choice((None, 1, 2, 3)),
                user_id=chance.choice((None, 1, 2)),
                channel_id=chance.choice((None, 1, 2)),
                model=chance.choice(("", "a", "b", "ß")),
                usage=chance.choice((None, Usage(input=number, output=1, cache_write=2, cache_read=3, reasoning=4))),
                cost=number * 1_000_000_007,
                status=status,
                reason=reason,
                duration=number / 8,
            )
        )
    return made


def _applies(query: dict[str, Any], record: CallRecord) -> bool:
    query = dict(query)
    status, since, until = query.pop("status", record.status), query.pop("since", 0.0), query.pop("until", 1e12)
    same = all(getattr(record, name) == value for name, value in query.items())
    return same and status in (record.status, record.status // 100) and since <= record.at < until


def _expected(records: Sequence[CallRecord], query: dict[str, Any]) -> list[CallRecord]:
    # Sorting keeps the order of what is equal: of one moment the last one written comes first.
    return sorted([r for r in reversed(records) if _applies(query, r)], key=lambda r: r.at, reverse=True)


async def _paged(storage: Storage, **query: Any) -> list[CallRecord]:
    found: list[CallRecord] = []
    before = None
    for _ in range(10_000):
        page = await storage.find_records(RecordQuery(**query, before=before))
        assert len(page.records) <= query["limit"]
        found += page.records
        before = page.before
        if before is None:
            return found
    raise AssertionError("the pages never end")


async def _one(storage: Storage, **only: Any) -> Total | None:
    found = await storage.totals(0, 99_999_999, (), **only)
    assert len(found) < 2
    return found[0] if found else None


def _added_up(records: Sequence[CallRecord], by: Sequence[Dimension], only: dict[str, Any]) -> list[Total]:
    columns = ["day" if name == "day" else name if name == "model" else f"{name}_id" for name in by]
    groups: dict[tuple[Any, ...], list[CallRecord]] = {}
    for record in records:
        facts = {name: getattr(record, name) or 0 for name in ("user_id", "token_id", "channel_id")}
        facts |= {"day": 20231115 + int((record.at - DAY) // 86_400), "model": record.model}
        if facts["day"] > 20231115 and all(facts[name] == value for name, value in only.items()):
            groups.setdefault(tuple([facts[name] for name in columns]), []).append(record)
    return [
        Total(
            **dict(zip(columns, key, strict=True)),
            calls=len(groups[key]),
            failed=sum(
                r.status >= 400 or r.reason in ("upstream_cut", "upstream_failed", "aborted") for r in groups[key]
            ),
            cost=sum(r.cost for r in groups[key]),
            duration=sum(r.duration for r in groups[key]),
            **{name: sum(getattr(r.usage or Usage(), name) for r in groups[key]) for name in _COUNTS},
        )
        for key in sorted(groups)
    ]


class RecordContract(ContractBase):
    async def read_records(self, storage: Storage) -> Sequence[CallRecord] | None:
        """What was written, the newest first by the order of writing; None where the storage has no way to tell (the
        default)."""
        return None

    async def test_records_are_appended(self, storage: Storage) -> None:
        others = [CallRecord(id=f"other-{n}", at=float(n), operation="embeddings") for n in range(3)]
        await storage.write_records([FULL_RECORD, *others[:2]])
        await storage.write_records([])
        await storage.write_records(others[2:])
        kept = await self.read_records(storage)
        assert kept is None or list(kept) == [*reversed(others), FULL_RECORD]
        assert await storage.find_records(RecordQuery()) == RecordPage((FULL_RECORD, *reversed(others)))

    async def test_a_record_written_again_is_there_once(self, storage: Storage) -> None:
        other = CallRecord(id="other", at=1.0, operation="embeddings")
        await storage.write_records([FULL_RECORD])
        await storage.write_records([FULL_RECORD, other, other])
        kept = await self.read_records(storage)
        assert kept is None or list(kept) == [other, FULL_RECORD]
        total = await _one(storage)
        assert total is not None
        assert (total.calls, total.cost, total.input) == (2, 75, 10)

    async def test_pages_have_what_was_asked_for_in_order(self, storage: Storage) -> None:
        records = _mixed(120)
        for start in range(0, len(records), 50):
            await storage.write_records(records[start : start + 50])
        for query, limit in itertools.product(QUERIES, (3, 20, 1_000)):
            assert await _paged(storage, **query, limit=limit) == _expected(records, query), (query, limit)

    async def test_a_page_of_few_among_many_goes_on(self, storage: Storage) -> None:
        """However far apart the matching ones are, the pages find them all."""
        rare = {3, 4_000, 5_001, 9_999, 10_000, 12_345}
        records = [
            CallRecord(
                id=f"r{n}",
                at=DAY + n // 3,
                operation="chat",
                token_id=1,
                status=429 if n % 2 else 503,
                model="rare" if n in rare else "usual",
            )
            for n in range(12_500)
        ]
        for start in range(0, len(records), 500):
            await storage.write_records(records[start : start + 500])
        for filters in ({"token_id": 1}, {"status": 4}, {"status": 5}):
            query = {**filters, "model": "rare"}
            assert await _paged(storage, **query, limit=10) == _expected(records, query)

    async def test_a_cursor_stays_good_while_records_come_and_go(self, storage: Storage) -> None:
        records = [CallRecord(id=f"r{n}", at=DAY + n, operation="chat") for n in range(10)]
        await storage.write_records(records)
        first = await storage.find_records(RecordQuery(limit=4))
        assert first.records == tuple(reversed(records[6:]))
        assert await storage.prune_records(DAY + 2) == 2
        await storage.write_records([replace(records[0], id="new", at=DAY + 100)])
        await storage.write_records([replace(records[0], id="late", at=DAY + 5)])
        rest = await storage.find_records(RecordQuery(before=first.before))
        assert [record.id for record in rest.records] == ["late", "r5", "r4", "r3", "r2"]
        assert rest.before is None

    async def test_a_query_that_cannot_be_is_refused(self, storage: Storage) -> None:
        refused: list[dict[str, Any]] = [{"limit": limit} for limit in (0, 1_001, -1)]
        refused += [{"status": status} for status in (-1, 1_000)]
        refused += [{"before": cursor} for cursor in ("", "x", "ü", "A" * 23, _NO_NUMBER, _NO_MOMENT)]
        for query in refused:
            with pytest.raises(ValueError, match=r"page|status|cursor"):
                await storage.find_records(RecordQuery(**query))

    async def test_failed_is_who_did_not_get_the_answer(self, storage: Storage) -> None:
        await storage.write_records(
            [
                CallRecord(id=str(n), at=DAY, operation="chat", model=f"{n:02}", status=status, reason=reason)
                for n, (status, reason, _) in enumerate(FAILED)
            ]
        )
        found = await storage.totals(0, 99_999_999, ("model",))
        assert [(total.calls, total.failed) for total in found] == [(1, failed) for _, _, failed in FAILED]

    async def test_a_day_is_that_of_utc(self, storage: Storage) -> None:
        days = {-0.5: 19691231, 0.0: 19700101, DAY - 0.001: 20231114, DAY: 20231115, DAY + 86_400: 20231116}
        await storage.write_records([CallRecord(id=str(at), at=at, operation="chat") for at in days])
        await storage.write_records([CallRecord(id="end", at=DAY + 86_399.999, operation="chat")])
        found = await storage.totals(0, 99_999_999)
        assert [(total.day, total.calls) for total in found] == [
            (day, 2 if day == 20231115 else 1) for day in days.values()
        ]
        assert await storage.totals(20231115, 20231115) == [found[3]]
        assert list(await storage.totals(20231116, 20231115)) == []

    async def test_totals_are_the_sums_of_the_records(self, storage: Storage) -> None:
        records = _mixed(200)
        for start in range(0, len(records), 30):
            await storage.write_records(records[start : start + 30])
        for by, only in itertools.product(BY, ONLY):
            found = await storage.totals(20231116, 20231231, by, **only)
            assert list(found) == _added_up(records, by, only), (by, only)

    async def test_totals_by_something_else_are_refused(self, storage: Storage) -> None:
        wrong: tuple[Any, ...] = (("hour",), ("day", "day"), ("day; DROP TABLE records",), ("token_id",))
        for by in wrong:
            with pytest.raises(ValueError, match="by"):
                await storage.totals(0, 99_999_999, by)

    async def test_counts_that_cannot_be_do_not_stop_the_others(self, storage: Storage) -> None:
        huge = Usage(input=10**30, output=-(10**30), reasoning=2**62)
        records = [CallRecord(id=f"r{n}", at=DAY, operation="chat", usage=huge, cost=5) for n in range(3)]
        await storage.write_records(records[:2])
        await storage.write_records([*records[2:], replace(FULL_RECORD, at=DAY, model="\ud800\0", token_id=2**62)])
        total = await _one(storage, token_id=0)
        assert total is not None
        assert (total.calls, total.cost, total.output) == (3, 15, 0)
        assert min(total.input, total.reasoning) >= 2**63 - 1
        assert await _one(storage, token_id=2**62) is not None

    async def test_costs_that_cannot_be_do_not_stop_the_others(self, storage: Storage) -> None:
        costs = (10**30, 2**62, 2**62, 5)
        await storage.write_records(
            [CallRecord(id=f"r{n}", at=DAY, operation="chat", cost=cost) for n, cost in enumerate(costs)]
        )
        total = await _one(storage, token_id=0)
        assert total is not None
        assert total.calls == 4
        assert total.cost >= 2**63 - 1

    async def test_pruning_takes_the_oldest_first(self, storage: Storage) -> None:
        records = _mixed(100)
        await storage.write_records(records)
        oldest = _expected(records, {})[::-1]
        before = oldest[60].at
        gone = sum(record.at < before for record in records)
        sums = await storage.totals(0, 99_999_999, ("day", "model"))
        left = gone
        while left:
            count = await storage.prune_records(before, 7)
            assert count == min(7, left)
            left -= count
            assert await _paged(storage, limit=1_000) == oldest[gone - left :][::-1]
        assert await storage.prune_records(before, 7) == 0
        assert await storage.prune_records(before) == 0
        assert await storage.totals(0, 99_999_999, ("day", "model")) == sums
        assert await storage.prune_records(1e12) == len(records) - gone
        assert (await storage.find_records(RecordQuery())).records == ()
        assert await storage.totals(0, 99_999_999, ("day", "model")) == sums

    async def test_concurrent_writers_lose_nothing(self, storage: Storage) -> None:
        """Batches that meet in the same totals, the keys of each in an order of its own."""

        async def write(writer: int) -> None:
            chance = random.Random(writer)
            for turn in range(10):
                names = chance.sample("abcdefgh", 8)
                await storage.write_records(
                    [
                        CallRecord(id=f"{writer}-{turn}-{name}", at=DAY, operation="chat", model=name, cost=writer)
                        for name in names
                    ]
                )

        await asyncio.gather(*map(write, range(8)))
        found = await storage.totals(0, 99_999_999, ("model",))
        assert [(total.model, total.calls, total.cost) for total in found] == [
            (name, 80, 10 * sum(range(8))) for name in "abcdefgh"
        ]
        records = await _paged(storage, limit=1_000)
        assert Counter(record.model for record in records) == dict.fromkeys("abcdefgh", 80)
