"""Groups of callers, and what each pays of every price.

``ports`` has the two protocols among the others: whoever keeps prices keeps these as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from .models import NANO

__all__ = ["MAX_GROUP_RATIO", "Group", "GroupAdmin", "GroupStore", "check_group"]

MAX_GROUP_RATIO = 1_000
"""Times a price, at most: what is dearer is rather a mistake, and beyond what sums hold before long."""

_LONGEST = 255


class Group(Struct, frozen=True, kw_only=True):
    """``ratio`` is what callers of the group pay of a price, in billionths: 800,000,000 is four fifths. ``note`` is for
    those who look after it."""

    name: str
    ratio: int = NANO
    note: str = ""


class GroupStore(Protocol):
    async def list_groups(self) -> Sequence[Group]:
        """Every group that was set, by name. Callers may be in others, which pay the whole price."""
        ...


class GroupAdmin(Protocol):
    async def set_group(self, group: Group) -> None:
        """Insert or overwrite it.

        :raises ValueError: its name, ratio or note cannot be
        """
        ...

    async def delete_group(self, name: str) -> None:
        """Its callers then pay the whole price.

        :raises KeyError: there is no such group
        """
        ...


def check_group(group: Group) -> None:
    """
    :raises ValueError: its name, ratio or note cannot be
    """
    if not 0 < len(group.name) <= _LONGEST or not group.name.isprintable():
        raise ValueError(f"a group's name has 1 to {_LONGEST} characters that can be shown, not {group.name[:64]!r}")
    if not 0 <= group.ratio <= MAX_GROUP_RATIO * NANO:
        raise ValueError(f"the ratio of {group.name[:64]!r} is not from 0 to {MAX_GROUP_RATIO}")
    if len(group.note) > _LONGEST or "\0" in group.note:
        raise ValueError(f"the note of {group.name[:64]!r} has over {_LONGEST} characters, or a NUL")
