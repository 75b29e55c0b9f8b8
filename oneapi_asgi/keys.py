"""The keys that callers hold: made here, shown once, known afterwards by their digest alone."""

from __future__ import annotations

import secrets
import string
from hashlib import sha256

from .models import Secret

__all__ = ["key_digest", "key_prefix", "new_key"]

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 48
"""62⁴⁸ is about 2²⁸⁵: far beyond guessing, and the length that clients of One API know."""


def new_key() -> Secret:
    """A fresh ``sk-`` key. No ``-`` follows the prefix, so that an administrator's channel suffix stays unambiguous."""
    return Secret("sk-" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)))


def key_digest(key: str) -> str:
    """What is stored of a key: hex SHA-256. A random key of this length needs no salt and no slow hash."""
    return sha256(key.encode()).hexdigest()


def key_prefix(key: str) -> str:
    """The first characters, to tell keys apart in lists; empty for a key so short that this would give it away."""
    return key[:8] if len(key) >= 24 else ""
