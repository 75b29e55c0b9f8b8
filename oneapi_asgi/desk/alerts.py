"""What people are told of without having asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

__all__ = ["Alert", "AlertKind", "LowWallet", "ReminderStore"]

AlertKind = Literal["channel_disabled", "channel_out", "quota_low", "test"]


class Alert(Struct, frozen=True, kw_only=True):
    """``subject`` and ``text`` are for a reader, ``data`` has the facts by name, for programs; money in it is in
    nano-dollars. ``to`` is an address, empty for root's, None for nobody's."""

    kind: AlertKind
    subject: str
    text: str
    to: str | None = ""
    data: dict[str, object] = {}


class LowWallet(Struct, frozen=True, kw_only=True):
    """``left`` and ``below`` are in nano-dollars; a wallet that owes has less than 0 left."""

    user_id: int
    name: str
    email: str | None
    left: int
    below: int


class ReminderStore(Protocol):
    async def low_wallets(self, below: int, limit: int = 500) -> Sequence[LowWallet]:
        """Wallets from which something was spent and that have come to hold less than their users' ``remind_below``,
        or ``below`` nano-dollars: each is told once, to whoever asks first, until there is as much in it again."""
        ...
