"""Users, for administrators: listed, made, edited, switched, topped up and deleted, one by one or many at once.

Nobody touches a user whose role is not below one's own, or gives such a role, but root. Nobody takes the role or the
right to sign in from oneself here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, Protocol

from msgspec import UNSET, Meta, Struct

from ..desk.members import (
    Member,
    MemberAdmin,
    MemberChange,
    MemberDraft,
    MemberPages,
    MemberQuery,
    MemberStore,
)
from ..desk.roles import Role
from ..errors import BadRequest, Conflict, Forbidden, GatewayError, NotFound
from ..models import Secret
from .money import MAX_QUOTA, nano_of
from .routes import Nothing, Reply, Route, Visit
from .user_rows import (
    DELETED,
    DISABLED,
    ENABLED,
    READ_ONLY,
    PasswordKeeper,
    UserDraft,
    UserEdit,
    UserQuery,
    UserRow,
    email_of,
    left_of,
    name_of,
    reach_of,
    refusals,
    user_row,
)

__all__ = ["Batch", "BatchDone", "Manage", "TopUp", "Users", "UsersStore"]

MOST_AT_ONCE = 1_000
"""Users of one batch."""

_Id = Annotated[int, Meta(ge=1, le=2**62)]


class UsersStore(MemberStore, MemberPages, MemberAdmin, Protocol):
    """What is asked of whoever keeps users."""


class Manage(Struct, frozen=True, kw_only=True):
    """Who is named by ``username``, or by ``id``."""

    action: Literal["disable", "enable", "delete", "promote", "demote"]
    username: Annotated[str, Meta(max_length=255)] = ""
    id: _Id | None = None


class Managed(Struct, frozen=True):
    """One API's numbers for role and status."""

    role: int
    status: int


class Batch(Struct, frozen=True, kw_only=True):
    """``group`` is for the action of that name."""

    ids: Annotated[list[_Id], Meta(min_length=1, max_length=MOST_AT_ONCE)]
    action: Literal["disable", "enable", "delete", "group"]
    group: Annotated[str, Meta(min_length=1, max_length=64)] = "default"


class Refused(Struct, frozen=True):
    """Which user stayed as it was, and why."""

    id: int
    code: str
    message: str


class BatchDone(Struct, frozen=True):
    """How many were changed; the others."""

    changed: int
    refused: list[Refused]


class TopUp(Struct, frozen=True, kw_only=True):
    user_id: _Id
    quota: Annotated[int, Meta(ge=0, le=MAX_QUOTA)]
    remark: Annotated[str, Meta(max_length=255)] = ""


class Users:
    """``allowance`` says how many nano-dollars a new user gets whose draft does not say."""

    def __init__(
        self, store: UsersStore, passwords: PasswordKeeper, *, allowance: Callable[[], Awaitable[int]] | None = None
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._allowance = allowance

    def routes(self) -> tuple[Route, ...]:
        admin = Role.ADMIN
        return (
            Route("GET", "/user", self.list, role=admin, summary="List users", query=UserQuery, data=list[UserRow]),
            Route(
                "GET", "/user/search", self.list, role=admin, summary="Search users", query=UserQuery,
                data=list[UserRow],
            ),
            Route("GET", "/user/{id}", self.get, role=admin, summary="A user with a role below yours", data=UserRow),
            Route(
                "POST", "/user", self.add, role=admin, summary="Make a user", body=UserDraft, ignored=READ_ONLY,
                data=UserRow, action="user.add",
            ),
            Route(
                "PUT", "/user", self.edit, role=admin, summary="Edit a user", body=UserEdit, ignored=READ_ONLY,
                data=UserRow, action="user.edit",
            ),
            Route(
                "POST", "/user/manage", self.manage, role=admin, body=Manage, data=Managed, action="user.manage",
                summary="Disable, enable, delete, promote or demote a user",
            ),
            Route(
                "POST", "/user/batch", self.batch, role=admin, body=Batch, data=BatchDone, action="user.batch",
                summary="Disable, enable or delete many users, or put them into a group",
            ),
            Route("DELETE", "/user/{id}", self.delete, role=admin, summary="Delete a user", action="user.delete"),
            Route(
                "POST", "/topup", self.top_up, role=admin, summary="Add to a user's quota", body=TopUp, kind="topup",
                action="topup",
            ),
        )  # fmt: skip

    async def list(self, visit: Visit[UserQuery, Nothing]) -> Reply:
        query = visit.query
        page = await self._store.list_members(
            MemberQuery(
                keyword=query.keyword,
                role=None if query.role is None else Role(query.role),
                enabled={ENABLED: True, DISABLED: False}.get(query.status or 0),
                deleted=query.status == DELETED,
                group=query.group,
                order=query.order,
                offset=query.offset,
                limit=query.page_size,
            )
        )
        return Reply(data=[user_row(member) for member in page.members], total=page.total)

    async def get(self, visit: Visit[Nothing, Nothing]) -> UserRow:
        return user_row(await self._reached(visit, visit.id()))

    async def add(self, visit: Visit[Nothing, UserDraft]) -> UserRow:
        draft, reach = visit.body, reach_of(visit.me)
        if reach is not None and draft.role >= reach:
            raise Forbidden("You cannot give a role that is not below your own.", code="role_not_below_own")
        name, email = name_of(draft.username), email_of(draft.email)
        password = await self._hashed(draft.password)
        with refusals():
            member = await self._store.add_member(
                MemberDraft(
                    name=name,
                    password=password,
                    display_name=draft.display_name or name,
                    email=email,
                    role=Role(draft.role),
                    group=draft.group,
                    wallet=await self._funds(draft),
                )
            )
        visit.note(target=f"user {member.id}", text=f"made the user {name}", user=(member.id, name), role=draft.role)
        return user_row(member)

    async def _funds(self, draft: UserDraft) -> int | None:
        if draft.unlimited_quota:
            return None
        if draft.quota is not UNSET:
            return nano_of(draft.quota)
        return 0 if self._allowance is None else await self._allowance()

    async def _hashed(self, password: str) -> Secret | None:
        if not password:
            return None
        self._passwords.check_new(password)
        return Secret(await self._passwords.hash(password))

    async def edit(self, visit: Visit[Nothing, UserEdit]) -> UserRow:
        wanted = visit.body
        before = await self._reached(visit, wanted.id)
        role = UNSET if wanted.role is UNSET else Role(wanted.role)
        enabled = UNSET if wanted.status is UNSET else wanted.status == ENABLED
        if before.id == visit.me.user_id and (role not in (UNSET, before.role) or enabled is False):
            raise _not_oneself()
        left = left_of(before, wanted.quota, wanted.unlimited_quota)
        change = MemberChange(
            name=wanted.username if wanted.username in (UNSET, before.name) else name_of(wanted.username),
            display_name=wanted.display_name,
            email=UNSET if wanted.email is UNSET else email_of(wanted.email),
            role=role,
            group=wanted.group,
            enabled=enabled,
            left=left,
            remind_below=nano_of(wanted.remind_quota) if isinstance(wanted.remind_quota, int) else wanted.remind_quota,
            password=await self._hashed(wanted.password) or UNSET,
            keep_session=visit.me.session if before.id == visit.me.user_id else "",
        )
        with refusals():
            after = await self._store.change_member(before.id, change, reach=reach_of(visit.me))
        visit.note(
            target=f"user {after.id}",
            text=f"edited the user {after.name}",
            amount=None if left is UNSET else after.quota - before.quota,
            user=(after.id, after.name),
            fields=[name for name in MemberChange.__struct_fields__[:9] if getattr(change, name) is not UNSET],
        )
        return user_row(after)

    async def manage(self, visit: Visit[Nothing, Manage]) -> Managed:
        wanted = visit.body
        if wanted.id is None and not wanted.username:
            raise BadRequest("Say who: by username or by id.", code="invalid_body", param="username")
        found = await (
            self._store.member_named(wanted.username) if wanted.id is None else self._store.member(wanted.id)
        )
        if found is None:
            raise NotFound("There is no such user.", code="user_not_found")
        visit.note(
            target=f"user {found.id}", text=f"{wanted.action} {found.name}", user=(found.id, found.name),
            action=wanted.action,
        )  # fmt: skip
        if wanted.action in ("promote", "demote"):
            return await self._move(visit, found, Role.ADMIN if wanted.action == "promote" else Role.COMMON)
        return await self._switch(visit, found.id, wanted.action)

    async def _move(self, visit: Visit[Nothing, Manage], member: Member, role: Role) -> Managed:
        if role == Role.ADMIN and visit.me.role < Role.ROOT:
            raise Forbidden("Only root makes administrators.", code="role_too_low")
        if member.id == visit.me.user_id:
            raise _not_oneself()
        if member.role == role or member.role == Role.ROOT:
            raise Conflict(
                f"The user is {member.role.name.lower()}; that is not changed by this.", code="user_has_that_role"
            )
        with refusals():
            after = await self._store.change_member(member.id, MemberChange(role=role), reach=reach_of(visit.me))
        return Managed(int(after.role), ENABLED if after.enabled else DISABLED)

    async def _switch(
        self, visit: Visit[Nothing, Manage] | Visit[Nothing, Batch], user_id: int, action: str
    ) -> Managed:
        """Disable, enable or delete."""
        if user_id == visit.me.user_id and action != "enable":
            raise _not_oneself()
        reach = reach_of(visit.me)
        with refusals():
            if action == "delete":
                await self._store.delete_member(user_id, reach=reach)
                return Managed(int(Role.COMMON), DELETED)
            after = await self._store.change_member(user_id, MemberChange(enabled=action == "enable"), reach=reach)
        return Managed(int(after.role), ENABLED if after.enabled else DISABLED)

    async def batch(self, visit: Visit[Nothing, Batch]) -> BatchDone:
        wanted = visit.body
        refused = []
        ids = dict.fromkeys(wanted.ids)
        for number in ids:
            try:
                await self._one_of_many(visit, number)
            except GatewayError as error:
                refused.append(Refused(number, error.code or "refused", error.message))
        changed = len(ids) - len(refused)
        failed = {entry.id for entry in refused}
        visit.note(
            target=f"{changed} users", text=f"{wanted.action} {changed} users", action=wanted.action,
            ids=[number for number in ids if number not in failed],
        )  # fmt: skip
        return BatchDone(changed, refused)

    async def _one_of_many(self, visit: Visit[Nothing, Batch], number: int) -> None:
        if visit.body.action != "group":
            await self._switch(visit, number, visit.body.action)
            return
        with refusals():
            await self._store.change_member(number, MemberChange(group=visit.body.group), reach=reach_of(visit.me))

    async def delete(self, visit: Visit[Nothing, Nothing]) -> None:
        member = await self._reached(visit, visit.id())
        if member.id == visit.me.user_id:
            raise _not_oneself()
        with refusals():
            await self._store.delete_member(member.id, reach=reach_of(visit.me))
        visit.note(target=f"user {member.id}", text=f"deleted the user {member.name}", user=(member.id, member.name))

    async def top_up(self, visit: Visit[Nothing, TopUp]) -> None:
        wanted = visit.body
        amount = nano_of(wanted.quota)
        with refusals():
            member = await self._store.credit_member(wanted.user_id, amount, reach=reach_of(visit.me))
        visit.note(
            target=f"user {member.id}", text=wanted.remark or "topped up", amount=amount, user=(member.id, member.name)
        )

    async def _reached(self, visit: Visit[Nothing, Nothing] | Visit[Nothing, UserEdit], user_id: int) -> Member:
        """
        :raises NotFound: there is no such user
        :raises Forbidden: the role is not below that of who asks
        """
        member, reach = await self._store.member(user_id), reach_of(visit.me)
        if member is None:
            raise NotFound("There is no such user.", code="user_not_found")
        if reach is not None and member.role >= reach:
            raise Forbidden("The user has a role that is not below your own.", code="role_not_below_own")
        return member


def _not_oneself() -> Conflict:
    return Conflict("Nobody does this to oneself; ask another administrator.", code="not_oneself")
