"""Users, for themselves: what they see and change of their own account."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from msgspec import UNSET

from ..desk.members import (
    CredentialStore,
    Member,
    MemberAdmin,
    MemberChange,
    MemberStore,
    new_invite_code,
)
from ..desk.roles import Role
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from ..models import Secret
from ..pool import named_models
from ..ports import ChannelStore
from .money import nano_of
from .routes import Nothing, Route, Visit
from .tries import Tries
from .user_rows import READ_ONLY, PasswordKeeper, SelfEdit, UserRow, name_of, refusals, user_row

__all__ = ["OwnAccount", "OwnAccountStore"]


class OwnAccountStore(MemberStore, MemberAdmin, CredentialStore, Protocol):
    """What is asked of whoever keeps users."""


class OwnAccount:
    """``tries`` are the wrong passwords of a user; ``clock`` says until when a session is fresh."""

    def __init__(
        self,
        store: OwnAccountStore,
        passwords: PasswordKeeper,
        channels: ChannelStore,
        tries: Tries,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._channels = channels
        self._tries = tries
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        common = Role.COMMON
        return (
            Route(
                "GET", "/user/self", self.get, role=common, summary="Your account", data=UserRow, before_change=True
            ),
            Route("GET", "/user/whoami", self.who, role=Role.GUEST, summary="Your account, or null for who has none",
                  data=UserRow | None),
            Route(
                "PUT", "/user/self", self.edit, role=common, summary="Change your name or password", body=SelfEdit,
                ignored=READ_ONLY, data=UserRow, action="user.edit_self", before_change=True,
            ),
            Route("DELETE", "/user/self", self.delete, role=common, summary="Delete your account",
                  action="user.delete_self"),
            Route("GET", "/user/aff", self.invite_code, role=common, summary="Your invite code, if any", data=str),
            Route("POST", "/user/aff", self.new_invite_code, role=common, summary="A new invite code", data=str,
                  action="user.invite_code"),
            Route("GET", "/user/available_models", self.models, role=common, data=list[str],
                  summary="The models that channels of your group name"),
        )  # fmt: skip

    async def get(self, visit: Visit[Nothing, Nothing]) -> UserRow:
        return user_row(await self._me(visit))

    async def who(self, visit: Visit[Nothing, Nothing]) -> UserRow | None:
        """What a page asks first: that nobody has signed in is no error there."""
        return None if visit.actor is None else user_row(await self._me(visit))

    async def edit(self, visit: Visit[Nothing, SelfEdit]) -> UserRow:
        wanted, me = visit.body, visit.me
        before = await self._me(visit)
        password = await self._new_password(visit, before) if wanted.password else UNSET
        change = MemberChange(
            name=wanted.username if wanted.username in (UNSET, before.name) else name_of(wanted.username),
            display_name=wanted.display_name,
            remind_below=nano_of(wanted.remind_quota) if isinstance(wanted.remind_quota, int) else wanted.remind_quota,
            password=password,
            must_change_password=UNSET if password is UNSET else False,
            keep_session=me.session,
            keep_limits=True,
        )
        with refusals():
            after = await self._store.change_member(me.user_id, change)
        visit.note(
            target=f"user {me.user_id}",
            text="changed the own password" if wanted.password else "edited the own account",
            user=(me.user_id, after.name),
        )
        return user_row(after)

    async def _new_password(self, visit: Visit[Nothing, SelfEdit], member: Member) -> Secret:
        """
        :raises BadRequest: it is no good
        :raises Forbidden: the present one was not shown
        """
        self._passwords.check_new(visit.body.password)
        known = await self._store.credentials(member.id)
        stored = known.password.reveal() if known and known.password else None
        if visit.me.way == "session":
            await self._check_shown(visit, stored)
        if member.must_change_password and stored and await self._passwords.verify(stored, visit.body.password):
            raise BadRequest("Choose another password than the present one.", code="same_password", param="password")
        return Secret(await self._passwords.hash(visit.body.password))

    async def _check_shown(self, visit: Visit[Nothing, SelfEdit], stored: str | None) -> None:
        """A page that was left open is not enough to take an account over."""
        if stored is None:
            if visit.me.fresh_until < self._clock():
                raise Forbidden("Sign in again, then set a password.", code="confirmation_required")
            return
        key = str(visit.me.user_id)
        await self._tries.count("password", key)
        if not await self._passwords.verify(stored, visit.body.original_password):
            raise Forbidden(
                "Send your present password along, as original_password.",
                code="wrong_password",
                param="original_password",
            )
        await self._tries.forgive("password", key)

    async def delete(self, visit: Visit[Nothing, Nothing]) -> None:
        me = visit.me
        if me.role >= Role.ROOT:
            raise Conflict("Root cannot be deleted; another root may take the role first.", code="user_protected")
        with refusals():
            await self._store.delete_member(me.user_id)
        visit.note(target=f"user {me.user_id}", text="deleted the own account", user=(me.user_id, me.name))

    async def invite_code(self, visit: Visit[Nothing, Nothing]) -> str:
        return (await self._me(visit)).invite_code or ""

    async def new_invite_code(self, visit: Visit[Nothing, Nothing]) -> str:
        code = new_invite_code()
        with refusals():
            await self._store.change_member(visit.me.user_id, MemberChange(invite_code=code))
        visit.note(target=f"user {visit.me.user_id}", text="made a new invite code")
        return code

    async def models(self, visit: Visit[Nothing, Nothing]) -> list[str]:
        channels = [
            channel
            for channel in await self._channels.list_channels()
            if channel.enabled and visit.me.group in channel.groups
        ]
        return sorted({model for channel in channels for model in named_models(channel)})

    async def _me(self, visit: Visit[Nothing, Nothing] | Visit[Nothing, SelfEdit]) -> Member:
        member = await self._store.member(visit.me.user_id)
        if member is None:
            raise NotFound("Your account is gone.", code="user_not_found")
        return member
