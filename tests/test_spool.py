from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import Settle
from oneapi_asgi.spool import Spool

A, B, C = Settle("a", 5), Settle("b", 7, (3, 4)), Settle("c", 2**62)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def test_what_was_kept_is_read_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "when needed"
    spool = Spool(folder)
    assert spool.read() == []
    assert spool.empty
    assert files(folder) == []
    spool.keep([A, B])
    spool.keep([B, C])
    assert not spool.empty
    assert Spool(folder).read() == [A, B, C]


def test_the_files_go_when_all_is_settled(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.keep([A])
    second.read()
    second.keep([B])
    second.forget(["a"])
    assert len(files(tmp_path)) == 2
    second.forget(["b", "unknown"])
    assert files(tmp_path) == []
    assert second.empty
    first.forget(["a"])  # its file went already
    first.keep([C])
    assert Spool(tmp_path).read() == [C]


def test_a_file_that_grew_meanwhile_stays(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.keep([A])
    second.read()
    first.keep([B])
    second.forget(["a"])
    assert Spool(tmp_path).read() == [A, B]


def test_ledgers_are_kept_apart(tmp_path: Path) -> None:
    Spool(tmp_path, ledger="one").keep([A])
    assert Spool(tmp_path, ledger="another").read() == []
    assert Spool(tmp_path, ledger="one").read() == [A]


def test_a_line_that_broke_off_takes_nothing_along(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Spool(tmp_path).keep([A, B])
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert Spool(tmp_path).read() == [A, B][: whole[:end].count(b"}")]
    for broken in (b"\xff{}", b'{"id":"\xff","cost":1}', b'{"id":"x"}', b"[" * 10_000):
        path.write_bytes(broken + b"\n" + whole)
        caplog.clear()
        assert Spool(tmp_path).read() == [A, B]
        assert "no settlement" in caplog.text


def test_what_follows_a_line_that_broke_off_is_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep([A])
    (path,) = files(tmp_path)
    with path.open("ab") as file:  # as a full disk leaves it
        file.write(b'{"id":"x","co')
    spool.keep([B, C])
    assert Spool(tmp_path).read() == [A, B, C]


def test_a_folder_that_cannot_be_written_is_told_of_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Spool(tmp_path / "not" / "yet").read() == []
    assert caplog.text == ""
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)
    Spool(tmp_path / "not" / "yet").read()
    assert "cannot be written" in caplog.text


def test_a_disk_that_takes_nothing_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "folder")
    with caplog.at_level(logging.ERROR):
        spool.keep([A])
    assert "1 settlements cannot be written" in caplog.text
    assert spool.empty, "it is tried again the next time"


@given(st.lists(st.builds(Settle, st.text(), st.integers(0, 2**62), st.lists(st.integers(1)).map(tuple))))
def test_nothing_is_changed_on_the_way(tmp_path_factory: pytest.TempPathFactory, settlements: list[Settle]) -> None:
    folder = tmp_path_factory.mktemp("spool")
    Spool(folder).keep(settlements)
    assert {each.id: each for each in Spool(folder).read()} == {each.id: each for each in settlements}
