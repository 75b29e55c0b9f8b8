"""Channels: listed, made, changed, deleted, alone and many at once; and their keys, which root alone may look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from ..desk.channels import (
    ChannelDesk,
    ChannelReader,
    KeptChannel,
    Revise,
    Which,
)
from ..desk.roles import Role
from ..errors import BadRequest
from .channel_edits import NEW, Limits, drafts_of, keys_revised, revised, switched
from .channel_hosts import ChannelHosts, known_origins
from .channel_rows import (
    READ_ONLY,
    BulkEdit,
    ChannelEdit,
    ChannelListQuery,
    ChannelRow,
    KeyRow,
    KeysEdit,
    channel_row,
    key_rows,
    query_of,
    refusals,
)
from .routes import Nothing, Reply, Route, Visit

__all__ = ["ChannelBook", "Channels"]

_Tag: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
_Action: TypeAlias = Literal["enable", "disable", "delete", "edit"]

_DONE: dict[_Action, str] = {"enable": "enabled", "disable": "disabled", "delete": "deleted", "edit": "changed"}


class ChannelBook(ChannelReader, ChannelDesk, Protocol):
    """What the routes ask of a storage."""


class Batch(BulkEdit, frozen=True, kw_only=True):
    """``action`` edit writes what else is named to all of them."""

    ids: Annotated[list[Annotated[int, Meta(ge=1, le=2**62)]], Meta(min_length=1, max_length=10_000)]
    action: _Action


class TagName(Struct, frozen=True):
    tag: _Tag


class TagEdit(BulkEdit, frozen=True, kw_only=True):
    """To all channels of a tag; ``new_tag`` is another one for them, the empty one none."""

    tag: _Tag
    new_tag: Annotated[str, Meta(max_length=255)] | None = None


class Copy(Struct, frozen=True):
    """Without a ``name``, it is the other's with ``-copy``."""

    name: Annotated[str, Meta(max_length=255)] = ""


class TagRow(Struct, frozen=True, kw_only=True):
    tag: str
    channels: int
    enabled: int


class Channels:
    def __init__(self, store: ChannelBook, hosts: ChannelHosts) -> None:
        self._store = store
        self._hosts = hosts

    def routes(self) -> tuple[Route, ...]:
        admin, row, rows = Role.ADMIN, ChannelRow, list[ChannelRow]
        return (
            Route("GET", "/channel", self.list, role=admin, summary="List channels", query=ChannelListQuery, data=rows),
            Route("GET", "/channel/search", self.list, role=admin, summary="Find channels", query=ChannelListQuery,
                  data=rows),
            Route("GET", "/channel/tags", self.tags, role=admin, summary="List the tags of channels",
                  data=list[TagRow]),
            Route("GET", "/channel/{id}", self.show, role=admin, summary="Show a channel", data=row),
            Route("POST", "/channel", self.add, role=admin, summary="Make a channel for each line of key, or one of "
                  "all keys", body=ChannelEdit, ignored=READ_ONLY, data=rows, action="channel.add"),
            Route("PUT", "/channel", self.edit, role=admin, summary="Change a channel", body=ChannelEdit,
                  ignored=READ_ONLY, data=row, action="channel.edit"),
            Route("DELETE", "/channel/disabled", self.delete_disabled, role=admin,
                  summary="Delete the channels that are off", data=int, action="channel.delete"),
            Route("DELETE", "/channel/{id}", self.delete, role=admin, summary="Delete a channel",
                  action="channel.delete"),
            Route("POST", "/channel/batch", self.batch, role=admin, summary="Change or delete many channels at once",
                  body=Batch, data=int, action="channel.batch"),
            Route("PUT", "/channel/tag", self.edit_tag, role=admin, summary="Change all channels of a tag",
                  body=TagEdit, data=int, action="channel.tag"),
            Route("POST", "/channel/tag/enabled", self.enable_tag, role=admin, summary="Enable all channels of a tag",
                  body=TagName, data=int, action="channel.tag"),
            Route("POST", "/channel/tag/disabled", self.disable_tag, role=admin,
                  summary="Disable all channels of a tag", body=TagName, data=int, action="channel.tag"),
            Route("POST", "/channel/{id}/copy", self.copy, role=admin, summary="Make a disabled copy of a channel",
                  body=Copy, data=row, action="channel.copy"),
            Route("POST", "/channel/{id}/keys", self.show_keys, role=Role.ROOT, summary="Show the keys of a channel",
                  data=list[KeyRow], action="channel.keys.show", fresh=True),
            Route("PUT", "/channel/{id}/keys", self.edit_keys, role=admin, summary="Switch keys on and off, add and "
                  "remove them", body=KeysEdit, data=list[KeyRow], action="channel.keys"),
        )  # fmt: skip

    async def list(self, visit: Visit[ChannelListQuery, Nothing]) -> Reply:
        page = await self._store.channels(query_of(visit.query))
        return Reply(data=[channel_row(kept) for kept in page.rows], total=page.total)

    async def tags(self, visit: Visit[Nothing, Nothing]) -> Sequence[TagRow]:  # noqa: ARG002
        found: dict[str, list[bool]] = {}
        for kept in await self._store.all_channels():
            found.setdefault(kept.tag, []).append(kept.channel.enabled)
        return [TagRow(tag=tag, channels=len(on), enabled=sum(on)) for tag, on in sorted(found.items()) if tag]

    async def show(self, visit: Visit[Nothing, Nothing]) -> ChannelRow:
        return channel_row(await self._found(visit.id()))

    async def add(self, visit: Visit[Nothing, ChannelEdit]) -> Sequence[ChannelRow]:
        drafts = drafts_of(visit.body, await self._limits(visit.me.role))
        await self._hosts.check(drafts[0].channel)
        with refusals():
            made = await self._store.add_channels(drafts)
        visit.note(target=_target(made), text=f"made {_told(made)}", provider=drafts[0].channel.provider)
        return [channel_row(kept) for kept in made]

    async def edit(self, visit: Visit[Nothing, ChannelEdit]) -> Reply:
        edit, number = visit.body, visit.body.id
        if not isinstance(number, int):
            raise BadRequest("Which channel? Send its 'id'.", code="id_required", param="id")
        limits = await self._limits(visit.me.role)
        before = await self._found(number)
        with refusals():
            await self._hosts.check(revised(before, edit, limits).channel, before.channel)
        (after,) = await self._change(Which(ids=(number,)), lambda kept: revised(kept, edit, limits))
        visit.note(target=_target([after]), text=f"changed {_told([after])}", fields=_changed(before, after))
        return Reply(data=channel_row(replace(after, used=before.used)), message=_warning(before, after))

    async def delete(self, visit: Visit[Nothing, Nothing]) -> None:
        with refusals():
            gone = await self._store.delete_channels(Which(ids=(visit.id(),)))
        visit.note(target=_target(gone), text=f"deleted {_told(gone)}")

    async def delete_disabled(self, visit: Visit[Nothing, Nothing]) -> int:
        with refusals():
            gone = await self._store.delete_channels(Which(off=True))
        visit.note(target=_target(gone), text=f"deleted {_told(gone)}, which were off")
        return len(gone)

    async def batch(self, visit: Visit[Nothing, Batch]) -> int:
        body = visit.body
        which = Which(ids=tuple(dict.fromkeys(body.ids)))
        if body.action == "delete":
            with refusals():
                done = await self._store.delete_channels(which)
        else:
            done = await self._change(which, _revise_many(body.action, body.edit()))
        visit.note(target=_target(done), text=f"{_DONE[body.action]} {_told(done)}")
        return len(done)

    async def edit_tag(self, visit: Visit[Nothing, TagEdit]) -> int:
        body = visit.body
        edit = body.edit() if body.new_tag is None else replace(body.edit(), tag=body.new_tag)
        return await self._tag(visit, body.tag, _revise_many("edit", edit), "changed")

    async def enable_tag(self, visit: Visit[Nothing, TagName]) -> int:
        return await self._tag(visit, visit.body.tag, lambda kept: switched(kept, enabled=True), "enabled")

    async def disable_tag(self, visit: Visit[Nothing, TagName]) -> int:
        return await self._tag(visit, visit.body.tag, lambda kept: switched(kept, enabled=False), "disabled")

    async def _tag(self, visit: Visit[Nothing, TagEdit] | Visit[Nothing, TagName], tag: str, revise: Revise,
                   done: str) -> int:  # fmt: skip
        changed = await self._change(Which(tag=tag), revise)
        visit.note(target=f"tag {tag}"[:255], text=f"{done} {_told(changed)}")
        return len(changed)

    async def copy(self, visit: Visit[Nothing, Copy]) -> ChannelRow:
        before = await self._found(visit.id())
        name = visit.body.name.strip() or f"{before.channel.name[:250]}-copy"
        channel = replace(before.channel, id=0, name=name, enabled=False, disabled_because="")
        beside = {field: getattr(before, field) for field in _COPIED}
        with refusals():
            made = await self._store.add_channels([replace(NEW, channel=channel, **beside)])
        visit.note(target=_target(made), text=f"copied {_told([before])} to {_told(made)}")
        return channel_row(made[0])

    async def show_keys(self, visit: Visit[Nothing, Nothing]) -> Sequence[KeyRow]:
        kept = await self._found(visit.id())
        visit.note(target=_target([kept]), text=f"looked at the keys of {_told([kept])}")
        return key_rows(kept, shown=True)

    async def edit_keys(self, visit: Visit[Nothing, KeysEdit]) -> Sequence[KeyRow]:
        edit = visit.body
        (after,) = await self._change(Which(ids=(visit.id(),)), lambda kept: keys_revised(kept, edit))
        done = {name: len(getattr(edit, name)) for name in ("enable", "disable", "remove", "add")}
        visit.note(target=_target([after]), text=f"changed the keys of {_told([after])}", done=done)
        return key_rows(after)

    async def _found(self, channel_id: int) -> KeptChannel:
        with refusals():
            found = await self._store.find_channel(channel_id)
            if found is None:
                raise KeyError(channel_id)
            return found

    async def _change(self, which: Which, revise: Revise) -> Sequence[KeptChannel]:
        with refusals():
            return await self._store.change_channels(which, revise)

    async def _limits(self, role: Role) -> Limits:
        if role >= Role.ROOT:
            return Limits(root=True)
        return Limits(root=False, known=known_origins(kept.channel for kept in await self._store.all_channels()))


_COPIED = ("disabled_keys", "tag", "note", "test_model")


def _revise_many(action: _Action, edit: ChannelEdit) -> Revise:
    if action == "edit":
        return lambda kept: revised(kept, edit, Limits(root=True))  # it says nothing of whom they ask
    return lambda kept: switched(kept, enabled=action == "enable")


def _target(channels: Sequence[KeptChannel]) -> str:
    return ", ".join(f"channel {kept.channel.id}" for kept in channels[:10])[:255]


def _told(channels: Sequence[KeptChannel]) -> str:
    if len(channels) == 1:
        return f"the channel {channels[0].channel.name}"
    names = ", ".join(kept.channel.name for kept in channels[:20])
    return f"{len(channels)} channels{': ' if names else ''}{names}{', …' if len(channels) > 20 else ''}"


def _changed(before: KeptChannel, after: KeptChannel) -> list[str]:
    """The names of what is different now."""
    facts = [name for name in before.channel.__struct_fields__
             if getattr(before.channel, name) != getattr(after.channel, name)]  # fmt: skip
    return facts + [name for name in _COPIED if getattr(before, name) != getattr(after, name)]


def _warning(before: KeptChannel, after: KeptChannel) -> str:
    if after.declared and before.channel != after.channel:
        return "The settings declare this channel: it comes back as they say at the gateway's next start."
    return ""
