"""Sealing, without a database: what opens, what does not, and the file that a key is kept in."""

from __future__ import annotations

import base64
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.keys import encryption_key, new_encryption_key
from oneapi_asgi.models import Secret
from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.vault import KeyFile, Vault, sealed_by

KEY, OLD = new_encryption_key(), new_encryption_key()
VAULT = Vault(KEY)
HERE = "channels/7/api_keys"


@settings(max_examples=40)
@given(st.text(), st.text())
def test_what_was_sealed_opens_where_it_was(text: str, place: str) -> None:
    kept = VAULT.seal(text, place)
    assert sealed_by(kept) == VAULT.key_id
    assert VAULT.open(kept, place) == text
    assert VAULT.seal(text, place) != kept
    with pytest.raises(StorageError, match="sealed elsewhere"):
        VAULT.open(kept, place + "x")


@settings(max_examples=40)
@given(st.data())
def test_a_seal_that_was_changed_does_not_open(data: st.DataObject) -> None:
    head, _, body = VAULT.seal("sk-upstream", HERE).rpartition(":")
    raw = bytearray(base64.b64decode(body))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(StorageError, match=HERE):
        VAULT.open(f"{head}:{base64.b64encode(raw).decode()}", HERE)


@pytest.mark.parametrize("text", ["", "sk-1", '["sk-1"]', "v1:", "v1:abc:def", f"v1:{'0' * 12}:short", "v2:x:y"])
def test_what_is_in_clear_is_read_as_it_is(text: str) -> None:
    assert sealed_by(text) is None
    assert VAULT.open(text, HERE) == text


def test_old_keys_open_and_the_new_one_seals() -> None:
    both = Vault(KEY, [OLD])
    kept = Vault(OLD).seal("s", HERE)
    assert both.open(kept, HERE) == "s"
    assert sealed_by(both.seal("s", HERE)) == VAULT.key_id
    assert both.key_ids == (VAULT.key_id, Vault(OLD).key_id)


def test_an_unknown_key_is_told_by_its_id_and_no_key_is() -> None:
    kept = Vault(OLD).seal("sk-upstream", HERE)
    with pytest.raises(StorageError) as caught:
        VAULT.open(kept, HERE)
    told = str(caught.value)
    assert Vault(OLD).key_id in told
    assert VAULT.key_id in told
    assert "encryption_key" in told
    for secret in (KEY.reveal(), OLD.reveal(), "sk-upstream"):
        assert secret not in told + repr(VAULT) + repr(vars(VAULT)["_ciphers"])


@pytest.mark.parametrize(
    "written",
    [lambda raw: base64.b64encode(raw), lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"="), lambda raw: raw.hex()],
)
def test_keys_are_written_in_base64_or_hex(written: object) -> None:
    assert callable(written)
    for raw in (b"\xfb\xff" * 16, secrets.token_bytes(32)):
        text = written(raw)
        assert encryption_key(text if isinstance(text, str) else text.decode() + "\n") == raw


@pytest.mark.parametrize("text", ["", "secret", "a" * 43 + "!", "é" * 44, "0" * 63, "g" * 64, "A" * 45, "A" * 88])
def test_what_is_no_key_is_told_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes") as caught:
        encryption_key(text)
    assert len(text) < 9 or text not in str(caught.value)


# The file


def test_of_many_that_make_a_key_one_does(tmp_path: Path) -> None:
    files = [KeyFile(tmp_path / "oneapi.key") for _ in range(16)]
    assert files[0].read() is None
    with ThreadPoolExecutor(16) as threads:
        made = {vault.key_id for vault in threads.map(KeyFile.make, files)}
    again = files[0].read()
    assert again is not None
    assert made == {again.key_id}
    assert [path.name for path in tmp_path.iterdir()] == ["oneapi.key"]
    assert (tmp_path / "oneapi.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\xff\xfe"])
def test_a_file_without_a_key_is_told_and_left(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "oneapi.key"
    path.write_bytes(content)
    for look in (KeyFile(path).read, KeyFile(path).make):
        with pytest.raises(StorageError, match=r"oneapi\.key"):
            look()
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="encryption_key"):
        KeyFile(tmp_path / "missing" / "oneapi.key").make()


def test_a_key_that_others_may_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    file = KeyFile(tmp_path / "oneapi.key", [Secret(OLD.reveal())])
    assert file.make().key_ids[1:] == file.old_key_ids == (Vault(OLD).key_id,)
    assert not caplog.records
    file.path.chmod(0o644)
    file.read()
    assert "chmod 600" in caplog.text
