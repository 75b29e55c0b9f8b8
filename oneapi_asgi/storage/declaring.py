"""What has to change so that a storage holds exactly what a configuration file declares. Pure comparison."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..desk.channels import keep_disabled
from ..models import Channel, Limit, TokenDraft, TokenStatus
from ..overrides import check_overrides
from .ledger import check_quota

__all__ = [
    "ChannelChanges",
    "KnownToken",
    "LimitChanges",
    "TokenChanges",
    "check_limit_change",
    "compare_channels",
    "compare_limits",
    "compare_tokens",
]


class KnownToken(Struct, frozen=True, kw_only=True):
    """A stored token, as the draft that would make it."""

    id: int
    draft: TokenDraft
    status: TokenStatus = "enabled"
    declared: bool = False


class TokenChanges(Struct, frozen=True):
    """``change`` pairs a token with what it becomes; ``disable`` have left the file. ``forget`` are disabled tokens
    whose key now belongs to another one, as after a change of name in the file."""

    add: list[TokenDraft]
    change: list[tuple[KnownToken, KnownToken]]
    disable: list[KnownToken]
    forget: list[KnownToken]

    def __bool__(self) -> bool:
        return bool(self.add or self.change or self.disable)


class ChannelChanges(Struct, frozen=True):
    """``save`` has ids of stored channels, and 0 for new ones; ``remove`` has ids."""

    save: list[Channel]
    remove: list[int]

    def __bool__(self) -> bool:
        return bool(self.save or self.remove)


class LimitChanges(Struct, frozen=True):
    """``save`` has ids of stored limits, and 0 for new ones; ``remove`` has ids."""

    save: list[Limit]
    remove: list[int]

    def __bool__(self) -> bool:
        return bool(self.save or self.remove)


def limit_key(limit: Limit) -> tuple[str, str, str, bool]:
    """What tells limits apart, and stays as it is."""
    return (limit.scope, limit.name, limit.period, limit.rolling)


def compare_limits(known: Iterable[Limit], declared: Collection[int], wanted: Sequence[Limit]) -> LimitChanges:
    """``declared`` are the ids of the known limits that came from the file.

    :raises ValueError: two wanted limits are of the same scope, name and period, or a budget is no amount
    """
    _unique((limit_key(limit) for limit in wanted), "two declared limits are of {}")
    for limit in wanted:
        check_quota(limit.budget)
    stored = {limit_key(limit): limit for limit in known}
    save = []
    for limit in wanted:
        before = stored.get(limit_key(limit))
        after = replace(limit, id=before.id if before else 0)
        if after != before or after.id not in declared:
            save.append(after)
    kept = {limit_key(limit) for limit in wanted}
    return LimitChanges(save, [one.id for key, one in stored.items() if one.id in declared and key not in kept])


def check_limit_change(known: Iterable[Limit], limit: Limit) -> None:
    """
    :raises ValueError: there is another limit of the same scope, name and period, or a budget is no amount, or these
        facts of the limit are others than they were
    :raises KeyError: there is no limit with its id
    """
    check_quota(limit.budget)
    same = [one for one in known if one.id == limit.id or limit_key(one) == limit_key(limit)]
    if any(one.id != limit.id for one in same):
        raise ValueError(f"there is a limit of {limit.scope} {limit.name!r} over this period already")
    if limit.id and not same:
        raise KeyError(limit.id)
    if any(limit_key(one) != limit_key(limit) for one in same):
        raise ValueError("scope, name, period and rolling of a limit cannot change; delete it and make another one")


def compare_channels(known: Iterable[Channel], declared: Collection[int], wanted: Sequence[Channel]) -> ChannelChanges:
    """``declared`` are the ids of the known channels that came from the file.

    :raises ValueError: two wanted channels have one name, or one changes of calls what it may not
    """
    for channel in wanted:
        check_overrides(channel)
    _unique((channel.name for channel in wanted), "two declared channels are named {}")
    stored = {channel.name: channel for channel in known}
    save = []
    for channel in wanted:
        before = stored.get(channel.name)
        after = keep_disabled(before, channel) if before else replace(channel, id=0)
        if after != before or after.id not in declared:
            save.append(after)
    names = {channel.name for channel in wanted}
    return ChannelChanges(save, [c.id for c in stored.values() if c.id in declared and c.name not in names])


def compare_tokens(known: Sequence[KnownToken], drafts: Sequence[TokenDraft]) -> TokenChanges:
    """
    :raises ValueError: two tokens would have the same key, or two drafts have one name and user
    """
    _unique((f"{draft.name} (of {draft.user})" for draft in drafts), "two declared tokens are named {}")
    _unique((draft.digest for draft in drafts), "two declared tokens have the same key")
    stored = {(token.draft.user, token.draft.name): token for token in known}
    wanted = {(draft.user, draft.name): draft for draft in drafts}
    changes = TokenChanges(
        add=[draft for name, draft in wanted.items() if name not in stored],
        change=[
            (stored[name], _become(stored[name], draft))
            for name, draft in wanted.items()
            if name in stored and (not stored[name].declared or stored[name].draft != draft)
        ],
        disable=[token for name, token in stored.items() if token.declared and name not in wanted],
        forget=[],
    )
    claimed = {draft.digest for draft in drafts}
    for name, token in stored.items():
        if name in wanted or token.draft.digest not in claimed:
            continue
        if not token.declared and token.status != "disabled":
            raise ValueError(f"a declared token has the same key as the token {token.draft.name}")
        changes.forget.append(token)
    return changes


def _become(token: KnownToken, draft: TokenDraft) -> KnownToken:
    # A token that was switched off by hand stays off while the file says what it said before.
    return KnownToken(id=token.id, draft=draft, status=token.status if token.declared else "enabled", declared=True)


def _unique(names: Iterable[object], message: str) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise ValueError(message.format(name))
        seen.add(name)
