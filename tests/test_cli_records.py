"""Records: listed by every filter, added up, and pruned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import go_elsewhere, rows, run, stored

from oneapi_asgi.models import CallRecord, Channel, TokenDraft, Usage
from oneapi_asgi.ports import Storage

JAN_31 = 1_769_817_600.0  # 2026-01-31T00:00:00Z
DAY = 86_400.0


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


@pytest.fixture
def filled() -> None:
    async def fill(storage: Storage) -> None:
        await storage.add_user("ann")
        await storage.add_token(TokenDraft(name="ci", digest="1"))
        await storage.add_token(TokenDraft(name="web", digest="2", user="ann"))
        await storage.save_channel(Channel(id=0, name="first"))
        usage = Usage(input=1_000, output=20)
        await storage.write_records(
            [
                CallRecord(id="a", at=JAN_31 - 0.5, operation="chat", token_id=1, token_name="ci", user_id=1, model="m",
                           channel_id=1, usage=usage, cost=1, status=200, duration=1.5),
                CallRecord(id="b", at=JAN_31, operation="chat", token_id=2, token_name="web", user_id=2, model="[m]",
                           channel_id=9, usage=usage, cost=2_500_000_000, status=200, duration=0.25),
                CallRecord(id="c", at=JAN_31 + DAY - 1, operation="chat", token_id=7, token_name="gone", user_id=1,
                           model="m", status=429, reason="refused"),
                CallRecord(id="d", at=JAN_31 + DAY, operation="chat", model="m", status=502, reason="upstream_failed"),
            ]
        )  # fmt: skip

    stored(fill)


def listed(*words: str) -> list[str]:
    return [row["id"] for row in rows("record", "list", *words)]


def test_nothing_is_said_to_be_nothing() -> None:
    assert run("record", "list").stderr == "no such calls\n"
    assert run("record", "totals", "--until", "2026-01-31").stderr == "no calls from 2026-01-01 to 2026-01-31\n"
    assert rows("record", "list") == rows("record", "totals") == []


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", "dcba"),
        ("--token ci", "a"),
        ("--token 2", "b"),
        ("--token 7", "c"),
        ("--user ann", "b"),
        ("--user root", "ca"),
        ("--channel first", "a"),
        ("--channel 9", "b"),
        ("--model m", "dca"),
        ("--model M", ""),
        ("--status 429", "c"),
        ("--status 4", "c"),
        ("--status 2", "ba"),
        ("--status 5 --model m", "d"),
        ("--reason upstream_failed", "d"),
        ("--since 2026-01-31", "dcb"),
        ("--since 2026-01-31T00:00:00.500", "dc"),
        ("--until 2026-01-31", "cba"),
        ("--until 2026-01-31T00:00:00Z", "a"),
        ("--until 2026-01-31T01:00:00+01:00", "a"),
        ("--since 2026-01-31 --until 2026-01-31", "cb"),
        ("--limit 2", "dc"),
    ],
)
def test_filters(words: str, found: str) -> None:
    assert "".join(listed(*words.split())) == found


@pytest.mark.usefixtures("filled")
def test_a_cursor_leads_on() -> None:
    first = run("record", "list", "--limit", "3")
    told = re.fullmatch(r"there are more: --before (\S+)\n", first.stderr)
    assert told
    last = run("record", "list", "--limit", "3", "--before", told[1])
    assert "2026-01-30T23:59:59Z" in last.stdout
    assert last.stderr == ""
    assert listed("--before", told[1]) == ["a"]


def test_a_list_may_be_longer_than_a_page() -> None:
    records = [CallRecord(id=f"r{n}", at=JAN_31 + n, operation="chat") for n in range(1_234)]
    stored(lambda storage: storage.write_records(records))
    assert listed("--limit", "1200") == [f"r{n}" for n in range(1_233, 33, -1)]
    assert len(listed("--limit", "5000")) == 1_234


@pytest.mark.usefixtures("filled")
def test_a_table_of_records() -> None:
    lines = [" ".join(line.split()) for line in run("record", "list").stdout.splitlines()]
    assert lines[0] == "at token model channel status reason input output cost usd seconds id"
    assert lines[3] == "2026-01-31T00:00:00Z web [m] [9] 200 done 1000 20 2.5 0.25 b"
    assert lines[4] == "2026-01-30T23:59:59Z ci m first 200 done 1000 20 0.000000001 1.5 a"


@pytest.mark.usefixtures("filled")
def test_json_has_all_of_a_record() -> None:
    row = rows("record", "list", "--token", "ci")[0]
    assert row.keys() == {*CallRecord.__struct_fields__, "cost_usd"} - {"cost"}
    assert (row["at"], row["cost_usd"], row["usage"]["input"]) == ("2026-01-30T23:59:59Z", "0.000000001", 1_000)


@pytest.mark.usefixtures("filled")
def test_totals() -> None:
    days = rows("record", "totals", "--since", "2026-01-30", "--until", "2026-01-31")
    assert [(row["day"], row["calls"], row["failed"], row["cost_usd"]) for row in days] == [
        ("2026-01-30", 1, 0, "0.000000001"),
        ("2026-01-31", 2, 1, "2.5"),
    ]
    run("record", "prune", "--before", "2027-01-01")
    period = ("--since", "2026-01-01", "--until", "2026-02-28")
    tokens = rows("record", "totals", "--by", "token,model", *period)
    assert [(row["token"], row["model"], row["calls"], row["input"], row["seconds"]) for row in tokens] == [
        (None, "m", 1, 0, 0.0),
        ("ci", "m", 1, 1_000, 1.5),
        ("web", "[m]", 1, 1_000, 0.25),
        ("[7]", "m", 1, 0, 0.0),
    ]
    users = rows("record", "totals", "--by", "user", "--model", "m", *period)
    assert [(row["user"], row["calls"]) for row in users] == [(None, 1), ("root", 2)]
    channels = rows("record", "totals", "--by", "channel", "--user", "ann", *period)
    assert [(row["channel"], row["cost_usd"]) for row in channels] == [("[9]", "2.5")]
    table = run("record", "totals", "--by", "channel", *period).stdout.split()
    assert table[:4] == ["channel", "calls", "failed", "input"]
    assert "first" in table


@pytest.mark.usefixtures("filled")
def test_prune() -> None:
    told = run("record", "prune", "--before", "2026-02-01").stderr
    assert told == "3 records from before 2026-02-01T00:00:00Z deleted\n"
    assert listed() == ["d"]
    assert run("record", "prune", "--before", "2026-02-01").stderr.startswith("0 records")


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("list --token nobody", 1, 'no token is named "nobody"'),
        ("list --channel nowhere", 1, 'no channel is named "nowhere"'),
        ("list --before xyz", 1, "'xyz' is no cursor"),
        ("list --since yesterday", 2, '"yesterday" is no time such as 2026-01-31'),
        ("list --until 9999-12-31", 2, "is no time"),
        ("list --status 1000", 2, "1000 is not in the range"),
        ("list --limit 0", 2, "0 is not in the range"),
        ("list --reason bored", 2, "is not one of"),
        ("totals --by day,hour", 2, '"day,hour" is not some of day, user, token, channel, model'),
        ("totals --by day,day", 2, "is not some of"),
        ("totals --since 2026-1-1", 2, '"2026-1-1" is no day'),
        ("prune", 2, "Missing option '--before'"),
    ],
)
def test_mistakes_are_told(words: str, code: int, told: str) -> None:
    assert told in run("record", *words.split(), code=code).stderr


@pytest.mark.usefixtures("filled")
def test_a_name_of_several_needs_an_id() -> None:
    stored(lambda storage: storage.add_token(TokenDraft(name="ci", digest="3", user="ann")))
    told = run("record", "list", "--token", "ci", code=1).stderr
    assert told == 'Error: several tokens are named "ci": name one by its id (1, 3)\n'
