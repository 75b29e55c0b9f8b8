"""Sums of days: by what, of whom, with which names."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from servers.databases import KINDS, Kind
from servers.prepared import Prepared

from oneapi_asgi.admin.routes import Route
from oneapi_asgi.admin.statistics import StatisticRow, Statistics
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import Usage
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.statistics import SQLStatistics

from .logbook import DAY, START, call, filled
from .rig import as_, asked
from .test_logs import INJECTIONS

SPAN = {"since": "2024-10-01", "until": "2024-10-31"}


class Summed:
    def __init__(self, storage: SQLStorage, ann: int, bob: int) -> None:
        self.storage, self.ann, self.bob = storage, ann, bob
        self.routes: tuple[Route, ...] = Statistics(SQLStatistics(storage), clock=lambda: START + 100).routes()


@pytest.fixture(params=KINDS)
async def summed(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Summed]:
    kind: Kind = request.param
    with prepared(kind, tmp_path) as url:
        async with SQLStorage(url) as storage:
            ann, bob = await filled(storage)
            old = [call(100 + n, START - n * DAY, ann, model="old") for n in range(1, 9)]
            await storage.write_records(old)
            yield Summed(storage, ann, bob)


async def test_by_what_and_of_whom(summed: Summed) -> None:
    async with asked(summed.routes) as client:

        async def ask(**query: Any) -> list[dict[str, Any]]:
            answer = await client.get("/statistics", params={**SPAN, **query})
            assert answer.status_code == 200, answer.text
            rows: list[dict[str, Any]] = answer.json()["data"]
            return rows

        (user_ann, user_bob) = await ask(by="user")
        assert (user_ann["user_id"], user_ann["user"], user_ann["calls"]) == (summed.ann, "ann", 33)
        assert (user_bob["user_id"], user_bob["user"], user_bob["calls"]) == (summed.bob, "bob", 30)
        assert [(row["model"], row["calls"]) for row in await ask(by="model")] == [("big", 12), ("m", 48), ("old", 3)]
        days = await ask(by="day,model", username="ann", model_name="old")
        assert [row["day"] for row in days] == ["2024-10-01", "2024-10-02", "2024-10-03"]
        assert [row["token"] for row in await ask(by="token")] == ["t"]
        whole = await ask(by="day,user,model,channel,token")
        (one,) = await ask(by="day", since="2024-10-04", until="2024-10-04")
        assert sum(row["cost"] for row in whole if row["day"] == "2024-10-04") == one["cost"] == 60 * 5_000
        assert (one["quota"], one["input"], one["output"], one["failed"]) == (150, 600, 180, 0)
        assert [row["calls"] for row in await ask(by="user", channel=1)] == [11, 10]
        for payload in INJECTIONS:
            assert await ask(username=payload) == []
            assert await ask(model_name=payload) == []


async def test_by_the_hour(summed: Summed) -> None:
    async with asked(summed.routes) as client:

        async def ask(**query: Any) -> list[dict[str, Any]]:
            span = {"since": "2024-10-02", "until": "2024-10-04"}
            answer = await client.get("/statistics", params={**span, **query})
            assert answer.status_code == 200, answer.text
            rows: list[dict[str, Any]] = answer.json()["data"]
            return rows

        rows = await ask(by="hour")
        assert [(row["hour"], row["calls"]) for row in rows[:4]] == [
            ("2024-10-02T00", 1),
            ("2024-10-03T00", 1),
            ("2024-10-04T00", 3),
            ("2024-10-04T01", 3),
        ]
        assert rows[-1]["hour"] == "2024-10-04T19"
        assert (rows[-1]["day"], rows[-1]["first_content"], rows[-1]["first_contents"]) == ("2024-10-04", None, 0)
        told = ("model", "user_id", "user", "token_id", "token", "channel_id", "channel")
        sums = ("calls", "failed", "cost", "input", "output", "cache_read", "cache_write", "reasoning")
        for by in ("day", "day,model", "user,day", "day,token,channel", "model,channel,user,token,day"):
            days: dict[tuple[Any, ...], list[float]] = {}
            for row in await ask(by=f"hour,{by}"):
                place = tuple(row[name] for name in ("day", *told))
                known = days.get(place, [0.0] * len((*sums, "duration")))
                days[place] = [one + row[name] for one, name in zip(known, (*sums, "duration"), strict=True)]
            wanted = {
                tuple(row[name] for name in ("day", *told)): [row[name] for name in (*sums, "duration")]
                for row in await ask(by=by)
            }
            assert {place: [*map(float, numbers)] for place, numbers in wanted.items()} == days
        assert [row["calls"] for row in await ask(by="hour", username="ann", since="2024-10-04")][:3] == [1, 2, 1]
        models = await ask(by="model,hour", model_name="big")
        assert [row["hour"] for row in models] == sorted(row["hour"] for row in models)
        assert {row["model"] for row in models} == {"big"}
        answer = await client.get("/statistics", params={"by": "hour", "since": "2024-10-01", "until": "2024-10-09"})
        assert (answer.status_code, answer.json()["param"]) == (400, "since")


async def test_odd_records_count_by_the_hour_as_they_do_by_the_day(summed: Summed) -> None:
    """Counts are what upstreams say, and may be anything."""
    odd = Usage(input=-5, output=2**62, cache_read=3)
    at = START + 40 * DAY
    made = [
        replace(call(500, at, None), usage=odd, cost=2**62, first_content=0.5),
        replace(call(501, at + 3_599.5, None), usage=None, cost=2**61 + 1, status=502, first_content=0.25),
        replace(call(502, at + 60, None), reason="upstream_cut", status=200),
        replace(call(503, at + 60, None), reason="client_gone", status=0),
    ]
    await summed.storage.write_records(made)
    async with asked(summed.routes) as client:
        params = {"since": "2024-11-13", "until": "2024-11-13"}
        (hour,) = (await client.get("/statistics", params={**params, "by": "hour"})).json()["data"]
        (day,) = (await client.get("/statistics", params={**params, "by": "day"})).json()["data"]
    assert (hour.pop("hour"), hour.pop("first_content"), hour.pop("first_contents")) == ("2024-11-13T00", 0.375, 2)
    assert (day.pop("hour"), day.pop("first_content"), day.pop("first_contents")) == ("", None, 0)
    assert hour == day
    assert (hour["failed"], hour["calls"], hour["user"], hour["user_id"]) == (2, 4, "", 0)


async def test_members_see_their_own(summed: Summed) -> None:
    async with asked(summed.routes) as client:
        client.headers.update(as_(Role.COMMON, summed.bob, "bob"))
        answer = await client.get("/statistics", params={**SPAN, "by": "user,model", "username": "ann"})
        assert [(row["user"], row["model"], row["calls"]) for row in answer.json()["data"]] == [
            ("bob", "big", 6),
            ("bob", "m", 24),
        ]
        for query in ({"by": "channel"}, {"channel": 1}):
            assert (await client.get("/statistics", params=query)).json()["code"] == "role_too_low"


async def test_the_dashboard_is_that_of_one_api(summed: Summed) -> None:
    async with asked(summed.routes) as client:
        client.headers.update(as_(Role.COMMON, summed.ann, "ann"))
        rows = (await client.get("/user/dashboard")).json()["data"]
    assert rows[-1] == {
        "Day": "2024-10-04", "ModelName": "m", "RequestCount": 24, "Quota": 60, "PromptTokens": 240,
        "CompletionTokens": 72,
    }  # fmt: skip
    assert [row["Day"] for row in rows if row["ModelName"] == "old"] == [f"2024-{day}" for day in OLD]


OLD = ("09-28", "09-29", "09-30", "10-01", "10-02", "10-03")


async def test_csv(summed: Summed) -> None:
    async with asked(summed.routes) as client:
        plain = (await client.get("/statistics", params={**SPAN, "by": "model"})).json()["data"]
        answer = await client.get("/statistics", params={**SPAN, "by": "model", "format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    read = [*csv.DictReader(io.StringIO(answer.text, newline=""))]
    assert [*read[0]] == [*StatisticRow.__struct_fields__]
    assert [(row["model"], int(row["cost"])) for row in read] == [(row["model"], row["cost"]) for row in plain]


@pytest.mark.parametrize(
    "query",
    [
        {"by": "status"},
        {"by": "day,day"},
        {"by": ""},
        {"since": "yesterday"},
        {"since": "2024-02-30"},
        {"since": "2024-10-05"},
        {"since": "2020-01-01"},
        {"until": "0000-01-01"},
        {"format": "xlsx"},
        {"channel": "-1"},
    ],
)
async def test_what_cannot_be_asked(query: dict[str, str]) -> None:
    async def none(*_: object, **__: object) -> list[Any]:
        return []

    class Nobody:
        statistics = staticmethod(none)

    async with asked(Statistics(Nobody(), clock=lambda: START).routes()) as client:
        answer = await client.get("/statistics", params=query)
    assert answer.status_code == (200 if query == {"by": ""} else 400)
