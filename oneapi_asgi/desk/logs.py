"""One API's log: calls and events in one list, by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from ..models import CallRecord
from .events import EventKind

__all__ = [
    "CONSUME",
    "KIND_OF_TYPE",
    "MOST_COUNTED",
    "MOST_SKIPPED",
    "CallReader",
    "LogPage",
    "LogQuery",
    "LogReader",
    "LogRow",
]

CONSUME = 2
"""The type of calls; 0 is all."""

KIND_OF_TYPE: Mapping[int, EventKind] = {1: "topup", 3: "manage", 4: "system", 5: "test"}

MOST_COUNTED = 20_000
"""Rows of a list that are counted: of more it is said that there are more."""

MOST_SKIPPED = 20_000
"""Rows that may lie before a page that is found by its number; what is deeper is found by ``before``."""


class LogRow(Struct, frozen=True, kw_only=True):
    """One API's row. ``elapsed_time`` is in milliseconds, ``created_at`` in seconds. ``request_id`` is that of the
    call; ids of calls are even, and those of events odd. ``status`` and ``reason`` are how a call ended, 0 and "" for
    events."""

    id: int
    user_id: int
    created_at: int
    type: int
    content: str
    username: str
    token_name: str = ""
    model_name: str = ""
    quota: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    channel: int = 0
    request_id: str = ""
    elapsed_time: int = 0
    is_stream: bool = False
    system_prompt_reset: bool = False
    status: int = 0
    reason: str = ""


class LogQuery(Struct, frozen=True, kw_only=True):
    """Which rows: those to which all of this applies; None and "" are any. ``since`` and ``until`` are the first and
    the last second. ``user_id`` is whose rows they are, ``user_name`` too. ``keyword`` is the id or the model of a
    call, or what the text of an event begins with. ``before`` goes on after another page, where ``offset`` is counted
    from."""

    type: int = 0
    user_id: int | None = None
    user_name: str = ""
    token_name: str = ""
    model: str = ""
    channel_id: int | None = None
    keyword: str = ""
    since: float | None = None
    until: float | None = None
    before: str | None = None
    offset: int = 0
    limit: int = 50


class LogPage(Struct, frozen=True):
    """The newest first. There are ``total``, or more than that if it is ``capped``: some millions are not counted, and
    where several filters leave few of many, it is those of the rows looked at. ``before`` is where the next page
    begins, None after the last one; a page before that may have fewer rows than asked for, even none."""

    rows: Sequence[LogRow]
    total: int
    capped: bool
    before: str | None


class LogReader(Protocol):
    async def list_logs(self, query: LogQuery, *, count: bool = True) -> LogPage:
        """Without ``count`` the total is 0.

        :raises ValueError: ``before`` is no place
        """
        ...

    async def spent(self, query: LogQuery) -> int:
        """What the calls cost together, in nano-dollars; whole days are known for good, parts of one as long as
        records are kept."""
        ...

    async def delete_calls(self, before: float) -> int:
        """The records of calls from before then; how many there were. What they add up to stays, and so do events."""
        ...


class CallReader(Protocol):
    async def read_call(self, request_id: str, *, user_id: int | None = None) -> tuple[CallRecord, str] | None:
        """The record of a call with the name of its user ("" for one who is not there), of anybody's or that user's;
        None if there is none."""
        ...
