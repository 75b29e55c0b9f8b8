"""The log: calls as records, and what was done by hand as events."""

from __future__ import annotations

from collections.abc import Mapping

from ..desk.events import EventKind
from ..desk.moving import Moved, PastEvent
from ..models import CallRecord, Usage
from .values import Row, flag, money, text, whole

__all__ = ["call_of", "event_of"]

_CALL = 2
_EVENTS: dict[int, EventKind] = {1: "topup", 3: "manage", 4: "system"}
"""The numbers of 5 and more mean different things in One API and new-api: tests, errors, refunds."""

_MOST_COST = 2**61


def call_of(row: Row, label: str, moved: Moved, tokens: Mapping[tuple[int, str], int]) -> CallRecord | None:
    """The record of a call; None for a row of another type. ``tokens`` are our numbers by the user's and the name."""
    if whole(row, "type") != _CALL:
        return None
    user = moved.users.get(whole(row, "user_id"))
    name = text(row, "token_name")
    # One API's log has the name alone; who has renamed a token since has lost what it did before.
    token = moved.tokens.get(whole(row, "token_id")) or tokens.get((user or 0, name))
    elapsed = whole(row, "elapsed_time") / 1000 or float(whole(row, "use_time"))
    at = float(max(whole(row, "created_at"), 0))
    return CallRecord(
        id=f"{label}-{whole(row, 'id')}",
        at=max(at - elapsed, 0.0),
        operation="chat",
        token_id=token,
        token_name=name,
        user_id=user,
        model=text(row, "model_name"),
        upstream_model=text(row, "model_name"),
        channel_id=moved.channels.get(whole(row, "channel_id") or whole(row, "channel")),
        usage=Usage(input=max(whole(row, "prompt_tokens"), 0), output=max(whole(row, "completion_tokens"), 0)),
        cost=max(0, min(money(row, "quota"), _MOST_COST)),
        status=200,
        stream=flag(row, "is_stream"),
        duration=max(elapsed, 0.0),
        client=text(row, "ip"),
        upstream_request_id=text(row, "request_id"),
    )


def event_of(row: Row, label: str, moved: Moved) -> PastEvent | None:
    """None for a row of another type."""
    kind = _EVENTS.get(whole(row, "type"))
    if kind is None:
        return None
    return PastEvent(
        id=f"{label}-{whole(row, 'id')}",
        at=float(max(whole(row, "created_at"), 0)),
        kind=kind,
        user=moved.users.get(whole(row, "user_id")),
        user_name=text(row, "username"),
        text=text(row, "content", 2000),
        amount=money(row, "quota") if 0 < money(row, "quota") <= _MOST_COST else None,
    )
