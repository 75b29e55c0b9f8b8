"""Secrets that have to be read again are sealed before they are kept: AES-256-GCM, with a key that is kept elsewhere.

    vault = Vault(Secret("…32 bytes in base64…"))
    kept = vault.seal("sk-upstream", "channels/7/api_keys")   # v1:5f0c2d9b1a7e:…
    vault.open(kept, "channels/7/api_keys")                   # at any other place it is refused

What is sealed names its key by the first digits of the key's digest, so that old and new keys may meet in one database.
Needs the extra ``standalone`` (cryptography).
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ..keys import encryption_key, new_encryption_key
from ..models import Secret
from . import StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["BrokenSeal", "KeyFile", "Vault", "key_id_of", "sealed_by", "unknown_key"]

_log = logging.getLogger(__name__)

_FORM = re.compile(r"v1:([0-9a-f]{12}):([A-Za-z0-9+/]{38,}={0,2})")
"""At least a nonce and a tag: 28 bytes."""

_NONCE = 12
_OTHERS = 0o077


class BrokenSeal(StorageError):
    """One secret cannot be opened; others may be."""


def key_id_of(key: bytes) -> str:
    """Twelve hex digits that tell keys apart, and nothing of the key."""
    return sha256(b"oneapi_asgi encryption key\n" + key).hexdigest()[:12]


def sealed_by(text: str) -> str | None:
    """The id of the key that a text was sealed with; None if it is in clear."""
    found = _FORM.fullmatch(text)
    return found[1] if found else None


def unknown_key(key_id: str, have: Iterable[str], where: str = "") -> BrokenSeal:
    """The one message for what no key here opens. ``where`` is the file that was looked for."""
    known = ", ".join(have) or "none"
    file = f" (looked for in {where})" if where else ""
    return BrokenSeal(
        f"the secrets in this database are sealed with the key {key_id}, and the keys here are: {known}{file}. Name "
        "that key in [storage] encryption_key, or in old_encryption_keys beside a newer one; where nobody set one it "
        "is in the file oneapi.key, beside the database or where the gateway was first started. If it is lost for "
        "good, oneapi-asgi keys drop-lost gives up what it sealed"
    )


class Vault:
    """Seals with ``key``, and opens what was sealed with that or with one of ``old_keys``: 32 bytes each, in base64 or
    hex. May be used by several threads.

    :raises ValueError: one of them is no such key
    """

    def __init__(self, key: Secret, old_keys: Iterable[Secret] = ()) -> None:
        current = encryption_key(key.reveal())
        self.key_id = key_id_of(current)
        every = (current, *(encryption_key(old.reveal()) for old in old_keys))
        self._keys = {key_id_of(one): one for one in every}
        self._ciphers: dict[str, AESGCM] = {}

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Of all that it can open, the one it seals with first."""
        return tuple(self._keys)

    def seal(self, text: str, place: str) -> str:
        """``place`` is where it is kept, and part of the seal: nobody can open it as if it were kept elsewhere."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher(self.key_id).encrypt(nonce, text.encode(), place.encode())
        return f"v1:{self.key_id}:{b64encode(nonce + sealed).decode()}"

    def open(self, text: str, place: str) -> str:
        """What was sealed; a text that is in clear as it is, since older versions wrote such.

        :raises BrokenSeal: none of the keys is the one it was sealed with, or it was not sealed at this place
        """
        form = _FORM.fullmatch(text)
        if form is None:
            return text
        if form[1] not in self._keys:
            raise unknown_key(form[1], self.key_ids)
        from cryptography.exceptions import InvalidTag  # as below

        try:
            sealed = a2b_base64(form[2])
            return self._cipher(form[1]).decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode()).decode()
        except (InvalidTag, ValueError):
            raise BrokenSeal(
                f"what is kept as {place} was sealed elsewhere, or changed since: set that secret anew, or restore the "
                "database from a backup"
            ) from None

    def _cipher(self, key_id: str) -> AESGCM:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            # Imported late: it is 7 MB, which are not needed until there is a secret.
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            cipher = self._ciphers[key_id] = AESGCM(self._keys[key_id])
        return cipher


class KeyFile:
    """A key in a file that only its owner may read, made when there is none. ``old_keys`` as of ``Vault``."""

    def __init__(self, path: str | os.PathLike[str], old_keys: Iterable[Secret] = ()) -> None:
        self.path = Path(path).absolute()
        self._old_keys = tuple(old_keys)

    @property
    def old_key_ids(self) -> tuple[str, ...]:
        return tuple(key_id_of(encryption_key(old.reveal())) for old in self._old_keys)

    def read(self) -> Vault | None:
        """None if there is no such file.

        :raises StorageError: it cannot be read, or holds no key
        """
        try:
            text = self.path.read_text(encoding="ascii")
            shared = self.path.stat().st_mode & _OTHERS
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise StorageError(f"the key in {self.path} cannot be read: {reason}") from None
        if shared and os.name == "posix":
            _log.warning("%s can be read by others than its owner: chmod 600 %s", self.path, self.path)
        try:
            return Vault(Secret(text), self._old_keys)
        except ValueError as error:
            raise StorageError(f"{self.path} holds no encryption key: it {error}") from None

    def make(self) -> Vault:
        """Make the file; of several who do so at one moment one does, and all get its key.

        :raises StorageError: it cannot be written
        """
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            _write_whole(draft, new_encryption_key().reveal() + "\n")
            with suppress(FileExistsError):
                os.link(draft, self.path)  # whole or not at all, and never over another one
        except OSError as error:
            raise StorageError(
                f"the key that secrets are sealed with cannot be written to {self.path}: {error.strerror}. Make that "
                "folder writable, or name a key in [storage] encryption_key (oneapi-asgi keys new makes one)"
            ) from None
        finally:
            draft.unlink(missing_ok=True)
        made = self.read()
        if made is None:
            raise StorageError(f"the key in {self.path} was removed as it was made")
        return made


def _write_whole(path: Path, text: str) -> None:
    """Onto the disk, for the owner alone."""
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
