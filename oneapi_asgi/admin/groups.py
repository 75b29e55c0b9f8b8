"""Groups, and what each pays of a price: shown to administrators, set by root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from ..desk.prices import PriceDesk
from ..desk.roles import Role
from ..errors import BadRequest, Conflict, NotFound
from ..models import NANO
from ..tariffs import MAX_GROUP_RATIO, Group
from .routes import Nothing, Route, Visit

__all__ = ["Groups", "decimal_of"]


class GroupRow(Struct, frozen=True, kw_only=True):
    """``ratio`` is decimal, exactly. What the settings declare (``declared``) holds before what is set here."""

    name: str
    ratio: str
    note: str
    declared: bool


class GroupEdit(Struct, frozen=True, kw_only=True):
    """What is not sent stays; a new group pays the whole price."""

    ratio: Annotated[Decimal, Meta(description="A number, or a text with one, with at most nine decimals.")] | (
        UnsetType
    ) = UNSET
    note: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET


_READ_ONLY = frozenset(("name", "declared"))


class Groups:
    """``declared`` are those of the settings."""

    def __init__(self, desk: PriceDesk, *, declared: Iterable[Group] = ()) -> None:
        self._desk = desk
        self._declared = {group.name: group for group in declared}

    def routes(self) -> tuple[Route, ...]:
        row, rows = GroupRow, list[GroupRow]
        return (
            Route("GET", "/group", self.names, role=Role.ADMIN, summary="List the names of groups", data=list[str]),
            Route("GET", "/groups", self.list, role=Role.ADMIN, summary="List what groups pay", data=rows),
            Route("GET", "/group/{name:path}", self.show, role=Role.ADMIN, summary="Show what a group pays", data=row),
            Route("PUT", "/group/{name:path}", self.edit, role=Role.ROOT, summary="Set what a group pays",
                  body=GroupEdit, ignored=_READ_ONLY, data=row, action="group.edit"),
            Route("DELETE", "/group/{name:path}", self.delete, role=Role.ROOT, action="group.delete",
                  summary="Have a group pay the whole price"),
        )  # fmt: skip

    async def names(self, visit: Visit[Nothing, Nothing]) -> list[str]:  # noqa: ARG002
        """As One API has it, with the group that everybody begins in."""
        return sorted({"default", *await self._all()})

    async def list(self, visit: Visit[Nothing, Nothing]) -> list[GroupRow]:  # noqa: ARG002
        groups = await self._all()
        return [self._row(groups[name]) for name in sorted(groups)]

    async def show(self, visit: Visit[Nothing, Nothing]) -> GroupRow:
        name = visit.path["name"]
        found = (await self._all()).get(name)
        if found is None:
            raise _missing(name)
        return self._row(found)

    async def edit(self, visit: Visit[Nothing, GroupEdit]) -> GroupRow:
        name, body = visit.path["name"], visit.body
        self._check_free(name)
        ratio = UNSET if body.ratio is UNSET else _ratio(body.ratio)
        changed = Group(name=name)

        def revise(groups: Mapping[str, Group]) -> Mapping[str, Group]:
            nonlocal changed
            before = groups.get(name, Group(name=name))
            changed = replace(
                before,
                ratio=before.ratio if ratio is UNSET else ratio,
                note=before.note if body.note is UNSET else body.note,
            )
            return {name: changed}

        try:
            await self._desk.revise_groups(revise)
        except ValueError as error:
            raise BadRequest(f"That cannot be: {error}.", code="invalid_group", param="name") from None
        visit.note(target=f"group {name}", text=f"set what the group {name} pays", ratio=decimal_of(changed.ratio))
        return self._row(changed)

    async def delete(self, visit: Visit[Nothing, Nothing]) -> None:
        name = visit.path["name"]
        self._check_free(name)

        def revise(groups: Mapping[str, Group]) -> Mapping[str, None]:
            if name not in groups:
                raise _missing(name)
            return {name: None}

        await self._desk.revise_groups(revise)
        visit.note(target=f"group {name}", text=f"deleted what the group {name} pays")

    async def _all(self) -> dict[str, Group]:
        return {group.name: group for group in await self._desk.list_groups()} | self._declared

    def _check_free(self, name: str) -> None:
        """
        :raises Conflict: the settings say what it pays
        """
        if name in self._declared:
            raise Conflict(
                f"The group {name[:64]!r} is declared in the gateway's settings: change it there.",
                code="group_declared",
                param="name",
            )

    def _row(self, group: Group) -> GroupRow:
        declared = group.name in self._declared
        return GroupRow(name=group.name, ratio=decimal_of(group.ratio), note=group.note, declared=declared)


def decimal_of(amount: int, places: int = 9) -> str:
    """An amount in units of so many places as a decimal, exactly, without zeros at the end."""
    whole, part = divmod(amount, 10**places)
    return f"{whole}.{part:0{places}d}".rstrip("0") if part else str(whole)


def _ratio(ratio: Decimal) -> int:
    """
    :raises BadRequest: it has over nine decimals, or cannot be
    """
    if ratio.is_finite() and 0 <= ratio <= MAX_GROUP_RATIO and (exact := ratio * NANO) == int(exact):
        return int(exact)
    raise BadRequest(
        f"A ratio is a number from 0 to {MAX_GROUP_RATIO} with at most nine decimals, such as 0.8.",
        code="invalid_ratio",
        param="ratio",
    )


def _missing(name: str) -> NotFound:
    return NotFound(
        f"Nothing is set for the group {name[:64]!r}. GET /api/groups lists them.", code="group_not_found", param="name"
    )
