"""Redemption codes as administrators manage them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import UNSET, Struct, UnsetType

__all__ = ["NewCode", "Redemption", "RedemptionChange", "RedemptionPage", "RedemptionStore"]


class NewCode(Struct, frozen=True, kw_only=True):
    """A code to be made, of which the ``digest`` is kept; ``amount`` is in nano-dollars."""

    name: str
    digest: str
    amount: int
    expires_at: float | None = None


class Redemption(Struct, frozen=True, kw_only=True):
    """A code of ``amount`` nano-dollars, whether it may be redeemed, and by whom it was made and redeemed. Times are
    Unix seconds, None for never."""

    id: int
    name: str
    amount: int
    expires_at: float | None = None
    user_id: int | None = None
    user_name: str | None = None
    redeemed_at: float | None = None
    created_at: float = 0.0
    enabled: bool = True
    creator_id: int | None = None


class RedemptionPage(Struct, frozen=True):
    rows: Sequence[Redemption]
    total: int


class RedemptionChange(Struct, frozen=True, kw_only=True):
    """What is set is changed; ``amount`` is in nano-dollars, and stays where it is within ``grain`` of what it was."""

    name: str | UnsetType = UNSET
    amount: int | UnsetType = UNSET
    grain: int = 1
    expires_at: float | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class RedemptionStore(Protocol):
    """Deleted codes are not there."""

    async def redemptions(self, keyword: str = "", *, offset: int = 0, limit: int = 10) -> RedemptionPage:
        """The newest first; ``keyword`` is an id, or the beginning of names."""
        ...

    async def find_redemption(self, code_id: int) -> Redemption | None: ...

    async def make_redemptions(self, drafts: Sequence[NewCode], creator_id: int) -> None:
        """
        :raises ValueError: an amount cannot be, or a code is there already
        """
        ...

    async def change_redemption(self, code_id: int, change: RedemptionChange) -> Redemption:
        """
        :raises KeyError: there is no such code
        :raises ValueError: it was redeemed: no more than its name may change
        """
        ...

    async def delete_redemption(self, code_id: int) -> Redemption:
        """It cannot be redeemed any more.

        :raises KeyError: there is no such code
        """
        ...
