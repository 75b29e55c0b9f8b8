"""Write down what happened: one ``CallRecord`` a call, gathered and written in batches.

    writer = RecordWriter(store)
    app = CallRecorder(app, writer)       # and in the host's lifespan: async with writer

*Reads* every slot, when the call is over. *Writes* nothing. Options: ``on_error``; the
writer's are ``linger`` and ``batch``.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call
from .errors import NotStarted
from .group import GroupCommit
from .http import Answer, OnError, Refusal
from .models import Attempt, CallRecord, EndReason
from .ports import RecordStore

__all__ = ["CallRecorder", "RecordWriter", "record_of"]


class RecordWriter:
    """Hands records to the store, up to ``batch`` at once, ``linger`` seconds after the first of them was made.

    An async context manager.
    """

    def __init__(self, store: RecordStore, *, linger: float = 0.05, batch: int = 500) -> None:
        self._store = store
        self._group: GroupCommit[CallRecord, None] = GroupCommit(
            self._write, limit=batch, linger=linger, name="records"
        )

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._group.__aexit__(exc_type, exc, traceback)

    @property
    def started(self) -> bool:
        return self._group.started

    def write(self, record: CallRecord) -> None:
        """Have a record written some time soon. Returns at once."""
        self._group.post(record)

    async def written(self) -> None:
        """Wait until everything that was handed in is in the store."""
        await self._group.settled()

    async def _write(self, records: Sequence[CallRecord]) -> Sequence[None]:
        await self._store.write_records(records)
        return [None] * len(records)


def record_of(call: Call, *, status: int, reason: EndReason) -> CallRecord:
    """The facts of a call that is over."""
    served = _served(call.attempts)
    head = call.request.head if call.request else None
    token = call.token
    return CallRecord(
        id=call.id,
        at=call.at,
        operation=call.operation.name if call.operation else "",
        token_id=token.id if token else None,
        token_name=token.name if token else "",
        user_id=token.user_id if token else None,
        model=head.model if head else "",
        upstream_model=served.upstream_model if served else "",
        channel_id=served.channel_id if served else None,
        attempts=tuple(call.attempts),
        usage=call.usage,
        price=call.price,
        cost=call.cost,
        status=status,
        reason=reason,
        stream=head.stream if head else False,
        first_content=call.first_content,
        duration=call.elapsed(),
        client=call.client,
        upstream_request_id=call.upstream_request_id,
    )


def _served(attempts: Sequence[Attempt]) -> Attempt | None:
    """The last one that did not fail."""
    for attempt in reversed(attempts):
        if not attempt.failure:
            return attempt
    return None


class CallRecorder:
    """Records every call that reaches it, refused and broken ones too."""

    def __init__(self, app: ASGIApp, writer: RecordWriter, *, on_error: OnError = Refusal) -> None:
        self.app = app
        self._writer = writer
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        if not self._writer.started:
            error = NotStarted("The record writer is not running: enter its context (the gateway's lifespan) first.")
            return await self._on_error(error, call)(scope, receive, send)
        answer = Answer.of(send)
        reason: EndReason = "aborted"
        try:
            await self.app(scope, receive, answer.send)
            reason = call.reason or _reason(answer.status)
        finally:
            self._writer.write(record_of(call, status=answer.status, reason=call.reason or reason))
        return None


def _reason(status: int) -> EndReason:
    if not status:
        return "client_gone"
    return "done" if status < 400 else "refused"
