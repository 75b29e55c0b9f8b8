"""Keys, and what is kept of them."""

from __future__ import annotations

import hashlib
import re

import pytest

from oneapi_asgi.keys import key_digest, key_prefix, new_key


def test_new_keys_are_unguessable_and_hide_themselves() -> None:
    keys = [new_key() for _ in range(1000)]
    assert len({key.reveal() for key in keys}) == 1000
    for key in keys:
        assert re.fullmatch(r"sk-[A-Za-z0-9]{48}", key.reveal())
        assert key.reveal() not in repr(key)
        assert key.reveal() not in f"{key}"
    used = {char for key in keys for char in key.reveal()[3:]}
    assert len(used) == 62


def test_the_digest_is_sha_256() -> None:
    assert key_digest("sk-abc") == hashlib.sha256(b"sk-abc").hexdigest()


@pytest.mark.parametrize(
    ("key", "prefix"), [("sk-" + "a" * 48, "sk-aaaaa"), ("k" * 24, "kkkkkkkk"), ("k" * 23, ""), ("short", ""), ("", "")]
)
def test_the_prefix_gives_no_short_key_away(key: str, prefix: str) -> None:
    assert key_prefix(key) == prefix
