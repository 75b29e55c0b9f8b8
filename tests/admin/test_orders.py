"""Top-ups by payment: of whatever is forged, late, told again or different nothing is credited, on every database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec import Struct
from servers.databases import KINDS
from servers.prepared import Prepared

from oneapi_asgi.admin.options import Options
from oneapi_asgi.admin.orders import Orders
from oneapi_asgi.admin.webhooks import TOLERANCE, sign, verify
from oneapi_asgi.desk.events import EventQuery
from oneapi_asgi.desk.orders import MOST_OPEN, billionths, credit_of
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import NANO
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.events import SQLEvents
from oneapi_asgi.storage.sql.desk.members import SQLMembers
from oneapi_asgi.storage.sql.desk.options import SQLOptions
from oneapi_asgi.storage.sql.desk.orders import SQLOrders

from .rig import Written, as_, asked

NOW = 1_790_000_000
SECRET = "whsec-of-the-till"
ANN, BOB = as_(Role.COMMON, 2, "ann"), as_(Role.COMMON, 3, "bob")
ADMIN = as_(Role.ADMIN, 1, "root")


class Till(Struct):
    """Whoever takes the money, and what it reports."""

    client: httpx2.AsyncClient
    storage: SQLStorage
    options: Options
    events: Written

    async def order(self, amount: str = "10.00", who: dict[str, str] = ANN) -> dict[str, Any]:
        answer = await self.client.post("/topup/order", json={"amount": amount}, headers=who)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"])

    async def report(self, body: dict[str, object] | bytes, signature: str | None = None) -> tuple[int, Any]:
        """Status, and the data or the code of a refusal."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = sign(SECRET, raw, NOW) if signature is None else signature
        answer = await self.client.post("/topup/webhook", content=raw, headers={"x-signature": signature})
        said = answer.json()
        return answer.status_code, said["data"] if said["success"] else said["code"]

    async def insist(self, body: dict[str, object]) -> tuple[int, Any]:
        """By one who asks again while the storage is busy, as tills do."""
        while (answer := await self.report(body))[0] >= 500:
            pass
        return answer

    async def balance(self, name: str = "ann") -> int:
        (wallet,) = [user.wallet for user in await self.storage.list_users() if user.name == name]
        (balance,) = await self.storage.balances([wallet])
        return balance.available


def paid(order: dict[str, Any], **changes: object) -> dict[str, object]:
    facts = {"order_id": order["id"], "event_id": "evt_1", "amount": order["amount"], "currency": "USD"}
    return {**facts, "paid_at": NOW - 5, **changes}


@asynccontextmanager
async def opened_till(storage: SQLStorage) -> AsyncIterator[Till]:
    for name in ("ann", "bob"):
        await storage.add_user(name, wallet=0)
    options, events = Options(SQLOptions(storage)), Written()
    await options.set({"PaymentWebhookSecret": SECRET})
    routes = Orders(SQLOrders(storage), options, clock=lambda: NOW).routes()
    async with asked(routes, events) as client:
        yield Till(client, storage, options, events)


@pytest.fixture(params=KINDS)
async def till(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Till]:
    with prepared(request.param, tmp_path) as url:
        async with SQLStorage(url) as storage, opened_till(storage) as till:
            yield till
            assert list(await storage.audit()) == []


async def test_a_payment_is_credited_once_however_often_it_is_told(till: Till) -> None:
    order = await till.order()
    body = paid(order, user_id=2, username="ann", more={"not": "looked at"})
    answers = await asyncio.gather(*(till.insist(body) for _ in range(50)))
    assert [status for status, _ in answers] == [200] * 50
    assert sorted(data["credited"] for _, data in answers) == [False] * 49 + [True]
    assert {data["quota"] for _, data in answers} == {5_000_000}
    assert await till.balance() == 10 * NANO
    page = await SQLEvents(till.storage).list_events(EventQuery(action="order.pay"))
    (event,) = page.events
    assert (event.user_id, event.user_name, event.amount, event.kind) == (2, "ann", 10 * NANO, "topup")
    assert event.detail == {"event_id": "evt_1", "currency": "USD", "paid": "10"}
    assert (await till.client.get(f"/topup/order/{order['id']}", headers=ANN)).json()["data"]["status"] == "paid"


async def test_what_is_forged_late_or_different_credits_nothing(till: Till, caplog: pytest.LogCaptureFixture) -> None:
    order, other = await till.order(), await till.order("20", BOB)
    body = paid(order)
    raw = json.dumps(body).encode()
    signatures = {
        "none": "",
        "another secret": sign("guessed", raw, NOW),
        "an empty one": sign("", raw, NOW),
        "another body": sign(SECRET, raw + b" ", NOW),
        "too old": sign(SECRET, raw, NOW - TOLERANCE - 1),
        "too new": sign(SECRET, raw, NOW + TOLERANCE + 1),
        "another time": sign(SECRET, raw, NOW).replace(f"t={NOW}", f"t={NOW - 1}"),
        "no time": sign(SECRET, raw, NOW).partition(",")[2],
        "two times": f"t={NOW}," + sign(SECRET, raw, NOW),
        "no code": f"t={NOW}",
    }
    for what, signature in signatures.items():
        assert await till.report(body, signature) == (401, "invalid_signature"), what
    for raw in (b'{"order_id":"\xff"}', b'{"order_id":' + b"[" * 10_000, b"[]", b""):
        assert await till.report(raw) == (400, "invalid_body"), raw[:20]
    differing: list[tuple[dict[str, object], str]] = [
        ({"currency": "EUR"}, "payment_differs"),
        ({"amount": "10.01"}, "payment_differs"),
        ({"amount": 9.999999999}, "payment_differs"),
        ({"amount": 1000}, "payment_differs"),
        ({"user_id": 3}, "payment_differs"),
        ({"username": "bob"}, "payment_differs"),
        ({"order_id": other["id"]}, "payment_differs"),
        ({"order_id": "0" * 32}, "order_not_found"),
        ({"order_id": "\0"}, "order_not_found"),
        ({"amount": -10}, "invalid_body"),
        ({"amount": "1e3"}, "payment_differs"),
        ({"amount": "NaN"}, "invalid_body"),
        ({"event_id": ""}, "invalid_body"),
        ({"event_id": "\0"}, "invalid_body"),
        ({"paid_at": "then"}, "invalid_body"),
    ]
    for changes, code in differing:
        assert (await till.report({**body, **changes}))[1] == code, changes
    assert (await till.balance(), await till.balance("bob")) == (0, 0)
    assert (await SQLEvents(till.storage).list_events(EventQuery(kind="topup"))).total == 0
    assert SECRET not in caplog.text
    assert (await till.report(body))[1] == {"order_id": order["id"], "credited": True, "quota": 5_000_000}
    assert await till.report(paid(other)) == (409, "payment_differs"), "its event is of another order"
    assert (await till.balance(), await till.balance("bob")) == (10 * NANO, 0)


async def test_without_a_secret_nothing_is_taken_and_nothing_ordered(till: Till) -> None:
    order = await till.order()
    await till.options.set({"PaymentWebhookSecret": ""})
    raw = json.dumps(paid(order)).encode()
    for signature in (sign("", raw, NOW), sign(SECRET, raw, NOW), ""):
        assert await till.report(paid(order), signature) == (401, "invalid_signature")
    refused = await till.client.post("/topup/order", json={"amount": 5}, headers=ANN)
    assert (refused.status_code, refused.json()["code"]) == (403, "no_payments")
    assert await till.balance() == 0


async def test_two_payments_of_one_order_credit_it_once(till: Till, caplog: pytest.LogCaptureFixture) -> None:
    order = await till.order()
    answers = await asyncio.gather(*(till.insist(paid(order, event_id=f"evt_{n}")) for n in range(5)))
    assert sorted(data["credited"] for _, data in answers) == [False] * 4 + [True]
    assert await till.balance() == 10 * NANO
    told = [record for record in caplog.records if "was paid once more" in record.getMessage()]
    assert len(told) == 4


async def test_of_a_user_who_is_gone_nothing_is_credited(till: Till) -> None:
    order = await till.order()
    await SQLMembers(till.storage).delete_member(2, reach=None)
    assert await till.report(paid(order)) == (409, "payment_differs")
    refused = await till.client.post("/topup/order", json={"amount": 5}, headers=ANN)
    assert refused.json()["code"] == "user_not_found"


async def test_orders_in_another_currency(till: Till) -> None:
    await till.options.set({
        "PaymentCurrency": "cny", "PaymentPrice": "7.3", "PaymentMinimum": "10", "PaymentMaximum": "100",
        "PaymentLink": "https://pay.example/?shop=1",
    })  # fmt: skip
    order = await till.order("73.10")
    assert (order["amount"], order["currency"], order["status"], order["quota"]) == ("73.1", "CNY", "open", 5_006_849)
    assert order["url"] == f"https://pay.example/?shop=1&order_id={order['id']}&amount=73.1&currency=CNY"
    for body in ({"amount": 9.99}, {"amount": "100.01"}, {"amount": "10.001"}, {"amount": "NaN"}, {"amount": -20}):
        refused = await till.client.post("/topup/order", json=body, headers=ANN)
        assert refused.json()["code"] == "invalid_amount", body
    dollars = {"amount": 20, "currency": "USD"}
    assert (await till.client.post("/topup/order", json=dollars, headers=ANN)).json()["code"] == "invalid_currency"
    await till.options.set({"PaymentPrice": "8"})
    assert await till.report(paid(order)) == (409, "payment_differs")
    assert (await till.report(paid(order, currency="cny")))[1]["credited"]
    assert await till.balance() == 73_100_000_000 * 10 // 73


async def test_who_sees_which_orders(till: Till) -> None:
    mine, theirs = [await till.order() for _ in range(3)], await till.order(who=BOB)
    await till.report(paid(mine[1]))

    async def listed(query: str, who: dict[str, str]) -> list[str]:
        answer = (await till.client.get(f"/topup/order?{query}", headers=who)).json()
        assert answer["total"] == len(answer["data"])
        return [row["id"] for row in answer["data"]]

    ids = [order["id"] for order in reversed(mine)]
    assert await listed("", ANN) == await listed("user_id=3", ANN) == ids
    assert await listed("status=paid", ANN) == [mine[1]["id"]]
    assert await listed("status=open", BOB) == [theirs["id"]]
    assert await listed("", ADMIN) == [theirs["id"], *ids]
    assert await listed("user_id=3", ADMIN) == [theirs["id"]]
    for who, status in ((ANN, 404), (BOB, 200), (ADMIN, 200)):
        assert (await till.client.get(f"/topup/order/{theirs['id']}", headers=who)).status_code == status
    assert (await till.client.get("/topup/order/%00", headers=ADMIN)).status_code == 404
    assert [event.action for event in till.events.events] == ["order.add"] * 4


async def test_orders_that_nobody_pays_have_an_end(tmp_path: Path) -> None:
    async with SQLStorage(f"sqlite:///{tmp_path / 'a.db'}") as storage, opened_till(storage) as till:
        for _ in range(MOST_OPEN):
            await till.order()
        refused = await till.client.post("/topup/order", json={"amount": 5}, headers=ANN)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_orders")
        await till.order(who=BOB)


@pytest.mark.parametrize(
    ("signature", "good"),
    [
        (sign("s", b"b", NOW), True),
        (sign("s", b"b", NOW - TOLERANCE), True),
        (sign("s", b"b", NOW) + ",v1=" + "0" * 64, True),
        (f"t={NOW},v1={'0' * 64},v0=x," + sign("s", b"b", NOW).rpartition(",")[2], True),
        (sign("s", b"b", NOW).replace(",", " , "), True),
        (sign("s", b"b", NOW).upper(), False),
        (sign("s", b"b", NOW)[:-1], False),
        (sign("s", b"b", NOW).replace("v1", "v0"), False),
        (f"t={NOW},v1=é", False),
        (f"t=-{NOW},v1=00", False),
        (",".join(["v1=00"] * 20) + "," + sign("s", b"b", NOW), False),
    ],
)
def test_signatures(signature: str, good: bool) -> None:
    assert (verify("s", signature, b"b", NOW) == "") is good


@pytest.mark.parametrize(
    ("amount", "exact"),
    [("10.00", 10 * NANO), ("0.000000001", 1), ("0.0000000001", None), ("0", None), ("-1", None), ("1e9", NANO * NANO),
     ("1000000000.1", None), ("Infinity", None)],
)  # fmt: skip
def test_amounts_are_exact(amount: str, exact: int | None) -> None:
    assert billionths(Decimal(amount)) == exact


@pytest.mark.parametrize(("amount", "price", "credit"), [(10, "1", 10), (10, "3", 3), (1, "7.3", 0), (73, "7.3", 10)])
def test_credits_are_rounded_down(amount: int, price: str, credit: int) -> None:
    assert credit_of(amount, Decimal(price)) == credit
