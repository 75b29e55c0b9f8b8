"""Groups: what they pay, set, declared, listed, removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import declared, go_elsewhere, rows, run, stored

from oneapi_asgi.models import NANO
from oneapi_asgi.tariffs import Group


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


def test_a_group_is_set_listed_and_removed() -> None:
    assert "all callers pay the whole price" in run("group", "list").stderr
    assert run("group", "set", "vip", "0.80", "--note", "friends").stderr == "group vip: 0.8 of a price\n"
    run("group", "set", "trial", "1.000000001")
    assert stored(lambda storage: storage.list_groups()) == [
        Group(name="trial", ratio=NANO + 1),
        Group(name="vip", ratio=8 * NANO // 10, note="friends"),
    ]
    assert rows("group", "list") == [
        {"name": "trial", "ratio": "1.000000001", "note": "", "declared": False},
        {"name": "vip", "ratio": "0.8", "note": "friends", "declared": False},
    ]
    assert run("group", "remove", "trial").stderr == "group trial removed\n"
    told = run("group", "remove", "trial", code=1).stderr
    assert told == 'Error: no group "trial" is set; see oneapi-asgi group list\n'
    assert [row["name"] for row in rows("group", "list")] == ["vip"]


@pytest.mark.parametrize(
    ("name", "ratio", "told"),
    [
        ("vip", "much", 'Error: RATIO = "much": must be what is paid of a price'),
        ("vip", "1001", 'Error: RATIO = "1001": must be between 0 and 1000 times the price'),
        ("vip", "0.0000000001", 'Error: RATIO = "0.0000000001": must have at most 9 decimals'),
        ("", "1", "Error: NAME"),
        ("x" * 256, "1", "a group's name has 1 to 255 characters"),
    ],
)
def test_a_mistake_in_a_group_is_told(name: str, ratio: str, told: str) -> None:
    assert told in run("group", "set", name, ratio, code=2).stderr
    assert rows("group", "list") == []


DECLARED = '[[groups]]\nname = "vip"\nratio = 0.5\n'


def test_a_declared_group_holds_before_one_that_is_set() -> None:
    declared(DECLARED)
    holds = 'the settings declare the group "vip" too, and theirs holds'
    assert holds in run("group", "set", "vip", "0.9").stderr
    assert rows("group", "list") == [{"name": "vip", "ratio": "0.5", "note": "", "declared": True}]
    assert holds in run("group", "remove", "vip").stderr
    told = run("group", "remove", "vip", code=1).stderr
    assert told == 'Error: the group "vip" is declared in the settings: remove it there\n'


@pytest.mark.parametrize(
    ("rows_", "told"),
    [
        ('[[groups]]\nname = "vip"\n', "groups[0].ratio: missing"),
        (DECLARED + DECLARED, "groups[1].name"),
        ('[[groups]]\nname = "vip"\nratio = -1\n', "groups[0].ratio = -1: must be between 0 and 1000"),
        ("[groups]\nvip = 1\n", "write [[groups]] before each, not [groups]"),
    ],
)
def test_a_mistake_in_a_declared_group_is_told(rows_: str, told: str) -> None:
    declared(rows_)
    assert told in run("group", "list", code=2).stderr
