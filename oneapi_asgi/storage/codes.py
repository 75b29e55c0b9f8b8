"""The rules of redemption codes, without I/O.

``CodeBook`` carries them out in a dict; the SQL storage applies the same to rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ..queries import Code, CodeDraft
from .ledger import LARGEST

__all__ = ["CodeBook", "check_drafts", "check_redeemable"]


def check_drafts(drafts: Iterable[CodeDraft]) -> None:
    """
    :raises ValueError: an amount is no int from 1 to ``LARGEST``, or two have the same digest
    """
    digests = set()
    for draft in drafts:
        if type(draft.amount) is not int or not 1 <= draft.amount <= LARGEST:
            raise ValueError(f"a code is worth an int of nano-dollars between 1 and 2**62, not {draft.amount!r}")
        if draft.digest in digests:
            raise ValueError("two codes are the same")
        digests.add(draft.digest)


def check_redeemable(redeemed_at: float | None, expires_at: float | None, now: float) -> None:
    """
    :raises ValueError: it was redeemed already, or it has expired
    """
    if redeemed_at is not None:
        raise ValueError("this code was redeemed already")
    if expires_at is not None and expires_at <= now:
        raise ValueError("this code has expired")


class CodeBook:
    """The codes of a storage in memory."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._codes: dict[str, Code] = {}

    def add(self, drafts: Sequence[CodeDraft], now: float) -> None:
        check_drafts(drafts)
        if any(draft.digest in self._codes for draft in drafts):
            raise ValueError("there is such a code already")
        for draft in drafts:
            self._codes[draft.digest] = Code(
                id=next(self._numbers),
                name=draft.name,
                amount=draft.amount,
                expires_at=draft.expires_at,
                created_at=now,
            )

    def list(self) -> Sequence[Code]:
        return [*self._codes.values()]

    def redeem(self, digest: str, user: str, now: float) -> int:
        """Mark a code as redeemed, and return what it is worth."""
        code = self._codes[digest]
        check_redeemable(code.redeemed_at, code.expires_at, now)
        self._codes[digest] = replace(code, user_name=user, redeemed_at=now)
        return code.amount
