"""What a configuration file declares."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from ...models import Channel, Limit, TokenDraft
from ..declaring import compare_channels, compare_limits, compare_tokens
from ..ledger import check_quota
from .channels import change_channels, declared_channels, lock_revision, move_revision, stored_channels
from .ledger import Circuits, Clock
from .limits import change_limits, declared_limits, list_limits
from .tokens import change_tokens, known_tokens, user_ids

__all__ = ["declare"]


def declare(
    connection: Connection,
    channels: Sequence[Channel],
    tokens: Sequence[TokenDraft],
    limits: Sequence[Limit],
    circuits: Circuits,
    clock: Clock,
) -> None:
    """See ``ports.Declarations.declare``."""
    lock_revision(connection)  # replicas that start together declare the same: one after the other, so that one does
    for draft in tokens:
        check_quota(draft.quota)
    user_ids(connection, [draft.user for draft in tokens])
    known = [stored.channel for stored in stored_channels(connection, lenient=True)]
    channel_changes = compare_channels(known, declared_channels(connection), channels)
    token_changes = compare_tokens(known_tokens(connection), tokens)
    limit_changes = compare_limits(list_limits(connection), declared_limits(connection), limits)
    if channel_changes or token_changes or limit_changes:
        change_channels(connection, channel_changes)
        change_tokens(connection, token_changes, circuits, clock)
        change_limits(connection, limit_changes, circuits, clock)
        move_revision(connection)
