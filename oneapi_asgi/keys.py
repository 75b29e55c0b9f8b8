"""The keys that callers hold, and redemption codes: made here, shown once, known afterwards by their digest alone. And
the key that secrets are sealed with in a database."""

from __future__ import annotations

import secrets
import string
from base64 import b64decode, b64encode
from hashlib import sha256

from .models import Secret

__all__ = [
    "code_digest",
    "encryption_key",
    "key_digest",
    "key_prefix",
    "new_code",
    "new_encryption_key",
    "new_key",
]

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 48
"""62⁴⁸ is about 2²⁸⁵: far beyond guessing, and the length that clients of One API know."""

_CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_GROUPS, _CODE_GROUP = 4, 7
"""32²⁸ is 2¹⁴⁰, in letters that can be read out and typed."""

_ENCRYPTION_BYTES = 32
_URL_SAFE = str.maketrans("-_", "+/")

_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "-": "", " ": ""})


def new_key() -> Secret:
    """A fresh ``sk-`` key. No ``-`` follows the prefix, so that an administrator's channel suffix stays unambiguous."""
    return Secret("sk-" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)))


def key_digest(key: str) -> str:
    """What is stored of a key: hex SHA-256. A random key of this length needs no salt and no slow hash."""
    return sha256(key.encode()).hexdigest()


def key_prefix(key: str) -> str:
    """The first characters, to tell keys apart in lists; empty for a key so short that this would give it away."""
    return key[:8] if len(key) >= 24 else ""


def new_code() -> Secret:
    """A fresh redemption code, such as ``7ZK0WQA-…``."""
    groups = ["".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_GROUP)) for _ in range(_CODE_GROUPS)]
    return Secret("-".join(groups))


def code_digest(code: str) -> str:
    """What is stored of a redemption code. However it was typed: case, hyphens and look-alikes make no difference."""
    return sha256(code.strip().upper().translate(_READ_AS).encode()).hexdigest()


def new_encryption_key() -> Secret:
    """A fresh key for AES-256, in base64."""
    return Secret(b64encode(secrets.token_bytes(_ENCRYPTION_BYTES)).decode())


def encryption_key(text: str) -> bytes:
    """The 32 bytes of a key for AES-256 that is written in base64 (URL-safe or not, padded or not) or in hex.

    :raises ValueError: it is none; the message does not show it
    """
    text = text.strip()
    try:
        if len(text) == 2 * _ENCRYPTION_BYTES:
            return bytes.fromhex(text)
        found = b64decode(text.translate(_URL_SAFE).rstrip("=") + "=", validate=True)
    except ValueError:
        found = b""
    if len(found) != _ENCRYPTION_BYTES:
        raise ValueError(
            "must be 32 bytes in base64 (44 characters) or hex (64); oneapi-asgi keys new makes such a key"
        )
    return found
