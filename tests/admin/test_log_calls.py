"""One call in detail: whose it is, what is told of its channels, and a bill that adds up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from servers.databases import KINDS, Kind
from servers.prepared import Prepared

from oneapi_asgi.admin.log_calls import LogCalls
from oneapi_asgi.admin.money import dollars
from oneapi_asgi.admin.routes import Route
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import NANO, Attempt, CallRecord, Price, Usage
from oneapi_asgi.pricing import cost
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.logs import SQLLogs

from .logbook import START, call
from .rig import as_, asked
from .test_logs import INJECTIONS

PRICE = Price(input=2_500_000_000, output=10_000_000_000, cache_read=1_250_000_000, ratio=NANO * 8 // 10)
USAGE = Usage(input=1_001, output=7, cache_read=1_000, reasoning=5)


class Detailed:
    def __init__(self, storage: SQLStorage, ann: int, bob: int) -> None:
        self.ann, self.bob = ann, bob
        self.routes: tuple[Route, ...] = LogCalls(SQLLogs(storage)).routes()


def of_ann(ann: int) -> CallRecord:
    return replace(
        call(1, START + 0.5, ann),
        upstream_model="m-2024",
        channel_id=9,
        attempts=(
            Attempt(7, "first", 1, "m-2024", None, "transport", 0.25),
            Attempt(9, "second", 0, "m-2024", 200, "", 1.0),
        ),
        usage=USAGE,
        price=PRICE,
        cost=cost(USAGE, PRICE),
        first_content=0.75,
        client="192.0.2.7",
        upstream_request_id="req-1",
    )


@pytest.fixture(params=KINDS)
async def detailed(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Detailed]:
    kind: Kind = request.param
    with prepared(kind, tmp_path) as url:
        async with SQLStorage(url) as storage:
            ann, bob = await storage.add_user("ann"), await storage.add_user("bob")
            refused = replace(call(3, START, None), usage=None, cost=0, status=429, reason="refused")
            await storage.write_records([of_ann(ann), call(2, START, bob), refused])
            yield Detailed(storage, ann, bob)


async def test_a_call_with_its_bill(detailed: Detailed) -> None:
    async with asked(detailed.routes) as client:
        shown: dict[str, Any] = (await client.get(f"/log/call/{1:032x}")).json()["data"]
        bill, attempts = shown.pop("bill"), shown.pop("attempts")
        usage = shown.pop("usage")
        assert shown == {
            "request_id": f"{1:032x}", "at": START + 0.5, "operation": "chat", "model": "m", "upstream_model": "m-2024",
            "user_id": detailed.ann, "username": "ann", "token_id": 1, "token_name": "t", "client": "192.0.2.7",
            "channel": 9, "channel_name": "second", "upstream_request_id": "req-1", "status": 200, "reason": "done",
            "stream": True, "first_content": 0.75, "duration": 1.25, "cost": 1_058_000, "quota": 529,
        }  # fmt: skip
        assert attempts == [
            {
                "channel": 7, "channel_name": "first", "key": 1, "upstream_model": "m-2024", "status": None,
                "failure": "transport", "duration": 0.25,
            },
            {
                "channel": 9, "channel_name": "second", "key": 0, "upstream_model": "m-2024", "status": 200,
                "failure": "", "duration": 1.0,
            },
        ]  # fmt: skip
        assert usage == {name: getattr(USAGE, name) for name in Usage.__struct_fields__}
        tokens = "million_tokens"
        assert bill == {
            "lines": [
                {"part": "input", "count": 1, "unit": tokens, "price": 2_500_000_000, "price_usd": "2.5",
                 "amount_usd": "0.0000025"},
                {"part": "cache_read", "count": 1_000, "unit": tokens, "price": 1_250_000_000, "price_usd": "1.25",
                 "amount_usd": "0.00125"},
                {"part": "output", "count": 7, "unit": tokens, "price": 10_000_000_000, "price_usd": "10",
                 "amount_usd": "0.00007"},
            ],
            "sum_usd": "0.0013225", "ratio": "0.8", "exact_usd": "0.001058", "cost": 1_058_000, "quota": 529,
            "tier": None,
        }  # fmt: skip


async def test_members_see_their_own_and_no_channels(detailed: Detailed) -> None:
    async with asked(detailed.routes) as client:
        client.headers.update(as_(Role.COMMON, detailed.ann, "ann"))
        shown = (await client.get(f"/log/call/{1:032x}")).json()["data"]
        assert (shown["channel"], shown["channel_name"], shown["upstream_request_id"]) == (0, "", "")
        assert {(each["channel"], each["channel_name"], each["key"]) for each in shown["attempts"]} == {(0, "", None)}
        assert [each["failure"] for each in shown["attempts"]] == ["transport", ""]
        assert shown["bill"]["exact_usd"] == "0.001058"
        for number in (2, 3, 4):
            answer = await client.get(f"/log/call/{number:032x}")
            assert (answer.status_code, answer.json()["code"]) == (404, "call_not_found")


async def test_a_call_that_nobody_priced_has_no_bill(detailed: Detailed) -> None:
    async with asked(detailed.routes) as client:
        refused = (await client.get(f"/log/call/{3:032x}")).json()["data"]
        assert (refused["usage"], refused["bill"], refused["username"], refused["user_id"]) == (None, None, "", 0)
        unpriced = (await client.get(f"/log/call/{2:032x}")).json()["data"]
        assert (unpriced["usage"]["input"], unpriced["bill"]) == (10, None)


async def test_what_is_no_call_is_not_found(detailed: Detailed) -> None:
    async with asked(detailed.routes) as client:
        for request in (*INJECTIONS, "x" * 500, "0"):
            answer = await client.get(f"/log/call/{quote(request, safe='')}")
            assert answer.status_code == 404, request


@given(st.integers(-(10**20), 10**20), st.sampled_from([1, 10**6, 10**15]))
def test_dollars_have_all_their_digits(number: int, part: int) -> None:
    nano = Fraction(number, part)
    text = dollars(nano)
    assert Fraction(text) == nano / NANO
    assert "e" not in text.lower()
    assert text == f"{Decimal(text):f}"


def test_thirds_are_rounded() -> None:
    assert dollars(Fraction(2, 3)) == "0.000000000666666666666667"
    assert (dollars(0), dollars(NANO), dollars(-NANO // 2)) == ("0", "1", "-0.5")
