"""Ask twice, pay once: calls with an ``Idempotency-Key`` are carried out once, and answered again from what was kept.

The first call with a key claims it in the store, atomically for all processes. Later ones with the same request wait
for it and get its answer, with ``idempotency-replayed: true``; they never reach an upstream and cost nothing. Kept are
whole answers of up to ``max_answer`` bytes. Of streams, of larger answers and of calls whose caller hung up it is kept
that they were charged: who asks again is refused (409) rather than charged again. A call that failed before it cost
anything frees the key, so that a retry tries again. Keys belong to a token and an operation.

    idempotency = Idempotency(app, store)       # and in the host's lifespan: async with idempotency

*Reads* ``call.token`` and, when the call is over, ``call.usage`` and ``call.cost``. *Writes*, as the first to read the
body, what ``http.parsed`` does. Options: ``keep``, the seconds that an answer is kept; ``wait``, the seconds that a
call waits for the first one; ``lease``, the seconds after which a silent process counts as dead; ``max_answer``,
``max_body`` in bytes; ``notices``, to wake those who wait in other processes; ``on_error``.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from types import TracebackType
from typing import Literal, Self

from msgspec.structs import replace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .background import Background
from .call import Call, need
from .errors import (
    BadRequest,
    Conflict,
    GatewayError,
    InProgress,
    NotStarted,
    Unavailable,
    Unprocessable,
)
from .group import GroupCommit
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, api_path, header, parsed, replayed, request_id
from .kept import Claim, Conclude, Kept
from .ports import IdempotencyStore, Notices
from .wire.multipart import boundary_of

__all__ = ["MAX_ANSWER", "Idempotency", "conclusion", "fingerprint", "the_key"]

_log = logging.getLogger(__name__)

MAX_ANSWER = 1024 * 1024
"""Bytes: room for every text, and for a small picture or recording."""

_HEADER = b"idempotency-key"
_KEY = re.compile(rb"[!-~]{1,255}")
_NOTICE = "answered"
_PATIENCE = 5.0  # seconds that the store may take to answer
_STEP, _LONGEST_STEP, _GROWTH = 0.05, 0.5, 1.6  # seconds between two looks at a key that another process has
_AT_ONCE = 32  # answers in one transaction
_LONGEST_TYPE = 255  # characters of a content type


# --- decisions --------------------------------------------------------------------------------------------------------


def the_key(scope: Scope) -> bytes:
    """
    :raises BadRequest: there is not one key, or it is malformed
    """
    told = [value for name, value in scope["headers"] if name == _HEADER]
    if len(told) != 1 or not _KEY.fullmatch(told[0]):
        raise BadRequest(
            "Idempotency-Key must be there once, with 1 to 255 visible ASCII characters and no spaces, such as a UUID.",
            code="invalid_idempotency_key",
        )
    return bytes(told[0])


def fingerprint(method: str, path: str, content_type: str, body: bytes) -> str:
    """The same for the same request. The boundary of a form is left out: clients draw a new one for every retry.

    :raises BadRequest: the form names no boundary
    """
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        body = body.replace(b"--" + boundary_of(content_type), b"--")
    return sha256(b"\0".join((method.encode(), path.encode(), sha256(body).digest()))).hexdigest()


def conclusion(*, status: int, whole: bool, storable: bool, charged: bool) -> Literal["stored", "delivered", "free"]:
    """What to keep of a call that is over: ``whole`` says that its answer was complete, ``storable`` that it is there.

    Refusals and failures cost nothing, and free the key: they may end otherwise the next time.
    """
    if not charged and not (whole and 200 <= status < 300):
        return "free"
    return "stored" if whole and storable else "delivered"


def _check(kept: Kept, wanted: Claim) -> None:
    """
    :raises Unprocessable: the key is another request's
    :raises InProgress: there is no answer yet
    :raises Conflict: there will be no answer
    """
    if kept.fingerprint != wanted.fingerprint:
        raise Unprocessable(
            "This Idempotency-Key was used for another request. Repeat that one byte by byte, or take a new key.",
            code="idempotency_key_reused",
        )
    if kept.state == "running":
        raise InProgress(
            "The first call with this Idempotency-Key is still being answered. Ask again with the same key.",
            code="idempotency_in_progress",
            retry_after=1,
        )
    if kept.state == "delivered":
        raise Conflict(
            f"The call {kept.call_id} with this Idempotency-Key was carried out and its answer delivered already. It "
            "cannot be repeated: it was a stream, too large to be kept, or its caller hung up. To call again, take a "
            "new key.",
            code="idempotency_delivered",
        )
    if kept.state == "lost":
        raise Conflict(
            f"The call {kept.call_id} with this Idempotency-Key was carried out and charged, but its answer was lost. "
            "To call again, take a new key.",
            code="idempotency_lost",
        )


# --- the component ----------------------------------------------------------------------------------------------------


class Idempotency:
    """Carries out the first call with a key, answers the others from what was kept. An async context manager."""

    def __init__(
        self,
        app: ASGIApp,
        store: IdempotencyStore,
        *,
        keep: float = 86_400.0,
        wait: float = 30.0,
        lease: float = 30.0,
        max_answer: int = MAX_ANSWER,
        max_body: int = MAX_BODY,
        notices: Notices | None = None,
        on_error: OnError = Refusal,
    ) -> None:
        if keep <= 0 or lease <= 0 or wait < 0 or max_answer < 0:
            raise ValueError("keep and lease must be more than 0, wait and max_answer not less")
        self.app = app
        self._store = store
        self._keep = keep
        self._wait = wait
        self._lease = lease
        self._max_answer = max_answer
        self._max_body = max_body
        self._notices = notices
        self._on_error = on_error
        self._bells = _Bells()
        self._running: dict[str, Claim] = {}
        self._group: GroupCommit[Conclude, None] = GroupCommit(self._commit, limit=_AT_ONCE, name="answers")
        self._renewing = Background(self._renew, name="answers: leases")
        self._unsubscribe: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        await self._renewing.__aenter__()
        if self._notices is not None:
            self._unsubscribe = self._notices.subscribe(_NOTICE, self._bells.ring)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        await self._group.__aexit__(exc_type, exc, traceback)
        await self._renewing.end()

    async def settled(self) -> None:
        """Wait until everything that ended is in the store."""
        await self._group.settled()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            for name, _ in scope["headers"]:
                if name == _HEADER:
                    return await self._answer(scope, receive, send)
        return await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        try:
            claim, receive = await self._wanted(scope, receive)
            caller = _Caller(call.body or b"", receive)
            kept = await self._decide(claim, caller)
            if kept is not None:
                _check(kept, claim)
        except ClientGoneError:
            return None
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        if kept is not None:
            return await _replay(kept, call, send)
        return await self._carry_out(claim, scope, caller.receive, send)

    async def _wanted(self, scope: Scope, receive: Receive) -> tuple[Claim, Receive]:
        key = the_key(scope)
        if not self._group.started:
            raise NotStarted("Idempotency is not running: enter its context (the gateway's lifespan) first.")
        call = Call.of(scope)
        token = need(call.token, "Idempotency", "token", "TokenAuth")
        _, receive = await parsed(scope, receive, max_body=self._max_body)
        operation = need(call.operation, "Idempotency", "operation", "Endpoints")
        owned = b"\0".join((str(token.id).encode(), operation.name.encode(), key))
        claim = Claim(
            key=sha256(owned).hexdigest(),
            call_id=call.id,
            fingerprint=fingerprint(scope["method"], api_path(scope), header(scope, b"content-type"), call.body or b""),
            lease=self._lease,
            keep=self._keep,
        )
        return claim, receive

    # --- whose the key is ---------------------------------------------------------------------------------------------

    async def _decide(self, claim: Claim, caller: _Caller) -> Kept | None:
        """None when the call is to be carried out, else what is known of the one that was; looked at again and again
        while that one runs.

        :raises ClientGoneError: the caller hung up meanwhile
        """
        clock = asyncio.get_running_loop().time
        deadline, step = clock() + self._wait, _STEP
        with self._bells.listening(claim.key) as bell:
            try:
                while True:
                    bell.clear()
                    kept = await self._ask(claim)
                    if caller.gone:
                        self._post_free(claim)  # it may have become this call's just now
                        raise ClientGoneError
                    if kept is None or kept.state != "running" or kept.fingerprint != claim.fingerprint:
                        return kept
                    left = deadline - clock()
                    if left <= 0:
                        return kept
                    # A call of this process is sure to ring.
                    await caller.pause(bell, left if kept.call_id in self._running else min(step, left))
                    step = min(step * _GROWTH, _LONGEST_STEP)
            finally:
                await caller.unwatch()

    async def _ask(self, claim: Claim) -> Kept | None:
        """
        :raises Unavailable: the store does not answer
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._store.claim_answer(claim)
        except asyncio.CancelledError:
            self._post_free(claim)
            raise
        except Exception as error:
            self._post_free(claim)
            _log.error("the store of answers failed: %s", type(error).__name__)
            raise Unavailable("Idempotency keys cannot be checked at the moment.", retry_after=1) from error

    def _post_free(self, claim: Claim) -> None:
        """What failed or was given up may have been the answer, not the claim."""
        self._group.post(Conclude(key=claim.key, call_id=claim.call_id, state="free", keep=0.0))

    # --- the first call -----------------------------------------------------------------------------------------------

    async def _carry_out(self, claim: Claim, scope: Scope, receive: Receive, send: Send) -> None:
        copy = _Copy(send, self._max_answer)
        self._running[claim.call_id] = claim
        try:
            await self.app(scope, receive, copy.send)
        finally:
            self._group.post(self._concluded(claim, copy, Call.of(scope)))

    def _concluded(self, claim: Claim, copy: _Copy, call: Call) -> Conclude:
        state = conclusion(
            status=copy.status,
            whole=copy.whole,
            storable=copy.body is not None,
            charged=call.cost > 0 or call.usage is not None,
        )
        end = Conclude(key=claim.key, call_id=claim.call_id, state=state, keep=self._keep)
        if state != "stored":
            return end
        return replace(end, status=copy.status, content_type=copy.content_type, body=bytes(copy.body or b""))

    async def _commit(self, ended: Sequence[Conclude]) -> Sequence[None]:
        """Write down how calls ended, then wake who waits for them."""
        await self._store.conclude_answers(ended)
        for end in ended:
            self._running.pop(end.call_id, None)
            self._bells.ring(end.key)
            if self._notices is not None:
                self._notices.publish(_NOTICE, end.key)
        return [None] * len(ended)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if self._running:
                    await self._store.renew_answers(list(self._running.values()))
            except Exception as error:  # the next round may find the store again
                _log.error("the leases of answers were not renewed: %s", type(error).__name__)


async def _replay(kept: Kept, call: Call, send: Send) -> None:
    headers = [
        (b"content-length", b"%d" % len(kept.body)),
        *request_id(call),
        (b"idempotency-replayed", b"true"),
    ]
    if kept.content_type:
        headers.append((b"content-type", kept.content_type.encode("latin-1")))
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": kept.body})


class _Copy:
    """Passes an answer on and keeps a copy: ``body`` is None for streams, and for what is too large."""

    def __init__(self, send: Send, most: int) -> None:
        self.status = 0
        self.content_type = ""
        self.body: bytearray | None = bytearray()
        self.whole = False
        self._send = send
        self._most = most

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start(message)
        elif message["type"] == "http.response.body":
            self._piece(message)
        await self._send(message)

    def _start(self, message: Message) -> None:
        self.status = message["status"]
        told = [value for name, value in message.get("headers", ()) if name.lower() == b"content-type"]
        self.content_type = told[0].decode("latin-1") if told else ""
        stream = self.content_type.lower().startswith("text/event-stream")
        if stream or len(self.content_type) > _LONGEST_TYPE:
            self.body = None

    def _piece(self, message: Message) -> None:
        piece = message.get("body", b"")
        if self.body is not None and len(self.body) + len(piece) > self._most:
            self.body = None
        if self.body is not None:
            self.body += piece
        self.whole = not message.get("more_body", False)


class _Bells:
    """Wakes those who wait for a key, in this process."""

    def __init__(self) -> None:
        self._bells: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def listening(self, key: str) -> Iterator[asyncio.Event]:
        bell = asyncio.Event()
        self._bells.setdefault(key, set()).add(bell)
        try:
            yield bell
        finally:
            self._bells[key].discard(bell)
            if not self._bells[key]:
                del self._bells[key]

    def ring(self, key: str) -> None:
        for bell in self._bells.get(key, ()):
            bell.set()


class _Caller:
    """The caller's side of a call that waits: whoever hung up must not be the next to be charged."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self.receive = receive
        self.gone = False
        self._body = body
        self._real = receive
        self._watcher: asyncio.Task[None] | None = None

    async def pause(self, bell: asyncio.Event, seconds: float) -> None:
        """Until the bell rings, the time is over, or the caller has gone."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(bell), name="a waiting caller")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await bell.wait()

    async def _watch(self, bell: asyncio.Event) -> None:
        while (await self._real())["type"] != "http.disconnect":
            pass
        self.gone = True
        bell.set()

    async def unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            self.receive = replayed(self._body, self._real)  # whoever parsed it gave it once, to the watcher
