"""``oneapi-asgi backup``, ``restore`` and ``keys``: what they say, and what is left to the next command."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import KEY, go_elsewhere, rows, run

from oneapi_asgi.keys import new_encryption_key
from oneapi_asgi.settings import SettingsError, load_settings
from oneapi_asgi.storage.vault import Vault

NEW = new_encryption_key()
ROTATING = {
    "ONEAPI_STORAGE__ENCRYPTION_KEY": NEW.reveal(),
    "ONEAPI_STORAGE__OLD_ENCRYPTION_KEYS": '["file:oneapi.key"]',
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


def kept_keys() -> str:
    with closing(sqlite3.connect("oneapi.db")) as connection:
        ((kept,),) = connection.execute("SELECT api_keys FROM channels").fetchall()
    return str(kept)


def test_back_up_and_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    run("channel", "add", "main", "--key", KEY)
    run("user", "add", "bob", "--wallet-usd", "2.50")
    said = run("backup", "a.gz")
    assert said.stdout.startswith("a.gz: ")
    assert str(Path.cwd() / "oneapi.key") in said.stderr
    assert KEY.encode() not in gzip.decompress(Path("a.gz").read_bytes())
    monkeypatch.setenv("ONEAPI_STORAGE__URL", "sqlite:///new.db")
    assert "2.5" in run("restore", "a.gz", "--check").stdout
    assert not Path("new.db").exists()
    assert "not here" not in run("restore", "a.gz").stderr
    assert [(row["name"], row["left_usd"]) for row in rows("user", "list")] == [("root", None), ("bob", "2.5")]
    assert "not empty" in run("restore", "a.gz", code=1).stderr
    assert run("audit").exit_code == 0


def test_a_backup_elsewhere_lacks_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run("channel", "add", "main", "--key", KEY)
    run("backup", "a.gz")
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    told = run("restore", "../a.gz").stderr
    assert "not here" in told
    assert "sealed with the key" in run("channel", "list", code=1).stderr
    (tmp_path / "oneapi.key").replace("oneapi.key")
    assert [row["name"] for row in rows("channel", "list")] == ["main"]


@pytest.mark.parametrize("words", [("restore", "a.gz"), ("restore", "a.gz", "--check")])
def test_what_is_no_backup_is_told(words: tuple[str, ...]) -> None:
    assert "cannot be read" in run(*words, code=1).stderr
    Path("a.gz").write_bytes(b"hello")
    assert "no backup" in run(*words, code=1).stderr
    assert not Path("oneapi.db").exists()


def test_a_file_that_cannot_be_written_is_told() -> None:
    assert "cannot be written" in run("backup", "missing/a.gz", code=1).stderr


def test_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    run("channel", "add", "main", "--key", KEY)
    before = kept_keys()
    assert (
        "sealed with the key"
        in run("channel", "list", code=1, environ={**ROTATING, "ONEAPI_STORAGE__OLD_ENCRYPTION_KEYS": "[]"}).stderr
    )
    run("channel", "list", environ=ROTATING)
    assert kept_keys() == before
    assert "1 rows" in run("keys", "rotate", environ=ROTATING).stdout
    assert kept_keys().startswith(f"v1:{Vault(NEW).key_id}:")
    assert "0 rows" in run("keys", "rotate", environ=ROTATING).stdout
    assert Vault(NEW).key_id in run("channel", "list", code=1).stderr
    monkeypatch.setenv("ONEAPI_STORAGE__ENCRYPTION_KEY", NEW.reveal())
    assert [row["keys"] for row in rows("channel", "list")] == [["…6789"]]


def test_a_lost_key() -> None:
    run("channel", "add", "main", "--key", KEY)
    Path("oneapi.key").unlink()
    assert "sealed with the key" in run("channel", "list", code=1).stderr
    assert "drop-lost" in run("channel", "list", code=1).stderr
    run("keys", "drop-lost", typed="n\n", code=1)
    assert "sealed with the key" in run("channel", "list", code=1).stderr
    assert "1 rows" in run("keys", "drop-lost", typed="y\n").stdout
    assert [(row["name"], row["enabled"]) for row in rows("channel", "list")] == [("main", False)]
    assert "0 rows" in run("keys", "drop-lost", "--yes").stdout


def test_new_keys_are_keys() -> None:
    made = {run("keys", "new").stdout.strip() for _ in range(3)}
    assert len(made) == 3
    for key in made:
        load_settings(None, {"ONEAPI_STORAGE__ENCRYPTION_KEY": key})


@pytest.mark.parametrize("written", ["short", "env:KEY", "file:key"])
def test_a_key_that_is_none_is_told_and_not_shown(written: str) -> None:
    Path("key").write_text("secret-that-is-no-key", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {"ONEAPI_STORAGE__ENCRYPTION_KEY": written, "KEY": "secret-that-is-no-key"})
    told = str(caught.value)
    assert told.startswith("ONEAPI_STORAGE__ENCRYPTION_KEY")
    assert "32 bytes" in told
    assert "secret-that" not in told
    assert "short" not in told
    assert (written in told) == (":" in written)
