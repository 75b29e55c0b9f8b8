"""Hand one upstream answer to the caller: whole, as events, or as it arrives. Before the first content nothing is sent.

``Delivery`` lives for one attempt of one call, and holds the only state of it. It is the relay's second half: *writes*
``call.progress``, ``call.usage``, ``call.reason``, ``call.first_content`` and ``call.upstream_request_id``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace
from starlette.types import Send

from .call import Call
from .errors import GatewayError, UpstreamFailed, UpstreamTimeout
from .failure import UNSUPPORTED, Failure, is_callers_fault, of_answer, of_fault, of_status
from .http import request_id
from .models import Usage
from .overrides import credentials_in
from .pricing import estimated
from .upstream.seam import Incoming, UpstreamFault
from .wire.answer import has_error_object
from .wire.changes import priced, reckoned
from .wire.dialect import ClientDialect, MalformedAnswerError, UpstreamDialect
from .wire.events import Event
from .wire.passage import EVENTS, JSON, Seen, Told
from .wire.request import Request
from .wire.sse import EventTooLargeError
from .wire.usage import guess_output

__all__ = ["AnswerCutError", "Delivery", "Form"]

_MAX_WHOLE = 64 * 1024 * 1024
_MAX_ERROR = 64 * 1024
_REQUEST_IDS = frozenset({"x-request-id", "request-id", "x-amzn-requestid"})
_HEADERS: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        name: name.encode()
        for name in ("content-type", "content-disposition", "content-language", "openai-processing-ms")
    }
)
"""What of an upstream's headers passes."""

_NOTED: Final = frozenset((*_HEADERS, *_REQUEST_IDS, "content-encoding"))
_TYPE = b"content-type"
_STREAM_HEADERS = ((b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no"))
_MASK = b"***"
_PAGE = "text/html"
"""What portals and proxies answer in an upstream's place; no operation has it for an answer."""

_NO_SUCH_PATH = frozenset((404, 405, 501))
"""Not all who speak a format count tokens, and that says nothing about how they talk."""

_NOTHING = Usage(calls=0)


class AnswerCutError(Exception):
    """An answer that is neither JSON nor events broke off: only an unclean end of the connection can tell."""


class Form(Protocol):
    """How an answer is passed on: as it is (``Passage``), or in another format (``Translation``)."""

    @property
    def reader(self) -> Seen: ...

    @property
    def whole(self) -> bool: ...

    @property
    def content_type(self) -> str | None:
        """What the caller gets; None: what the upstream said."""
        ...

    def streams(self, content_type: str) -> bool: ...

    def feed(self, chunk: bytes) -> bytes: ...

    def count(self) -> None: ...

    def finish(self) -> bytes: ...

    def fail(self, dialect: ClientDialect, error: GatewayError) -> bytes: ...

    def told(self, body: bytes) -> Told: ...


class Delivery(Struct, eq=False):
    """``form``: how the answer is passed on. ``upstream``: the format that it comes in; ``native``: it is the caller's.
    ``secret``: the key that was sent upstream, never to be seen in what comes back; nor are credentials in headers of
    the channel. ``headers`` go with the answer.
    ``begun`` is called once, before the first byte of an answer is sent. ``opened``: an earlier attempt has sent the
    head of a stream, and nothing else that means something.

    ``sent`` counts the bytes that the caller's server took, ``sending`` is whether it is still to take some;
    ``broken`` is how an answer ended that had begun, if it did not end well."""

    _call: Call
    _request: Request
    _send: Send
    _form: Form
    upstream: UpstreamDialect
    native: bool
    secret: str
    headers: Sequence[tuple[bytes, bytes]] = ()
    begun: Callable[[], None] | None = None
    opened: bool = False
    committed: bool = False
    sent: int = 0
    sending: bool = False
    broken: Failure | None = None
    _follows: bool = False
    _type: str = ""
    _has_head: bool = False
    _is_stream: bool = False
    _comment: asyncio.Task[None] | None = None
    _received: int = 0
    _given: Usage | None = None

    __repr__ = object.__repr__  # what it holds is not for logs

    def deliver(self, incoming: Incoming) -> Awaitable[Failure | None]:
        """Pass the answer on; a failure means that the caller has not seen a byte of it.

        :raises UpstreamFault: the upstream broke off before anything was sent
        :raises AnswerCutError: it broke off later, and the caller cannot be told in-band
        """
        status = incoming.status
        if not 200 <= status < 300:
            return self._refused(incoming)
        headers, encoding = self._looked_at(incoming.headers)
        if encoding not in ("", "identity"):
            return _failed(Failure("compressed", status))
        content_type = self._type = headers.get(_TYPE, b"").decode(errors="replace").partition(";")[0].strip().lower()
        if self._form.streams(content_type):
            return self._events(incoming, headers)
        if content_type == JSON or not self.native or self._is("chat"):
            return self._whole(incoming, headers)
        if content_type == _PAGE or self.opened:
            return _failed(Failure("no_answer", status))
        return self._raw(incoming, headers)

    def _looked_at(self, given: Sequence[tuple[str, str]]) -> tuple[dict[bytes, bytes], str]:
        """The headers that pass, and how the body is encoded."""
        headers: dict[bytes, bytes] = {}
        request_id = encoding = ""
        for name, value in given:
            if name not in _NOTED:
                continue
            if name in _HEADERS:  # clients read values as UTF-8, and keep what is not: the caller gets the bytes back
                headers[_HEADERS[name]] = value.encode(errors="surrogateescape")
            elif name in _REQUEST_IDS:
                request_id = request_id or value[:128]
            else:
                coding = value.strip().lower()
                encoding = encoding if coding == "identity" else encoding or coding
        self._call.upstream_request_id = request_id
        return headers, encoding

    def _is(self, task: str) -> bool:
        operation = self._call.operation
        return operation is not None and operation.task == task

    def usage(self) -> Usage:
        """What was reported or, failing that, guessed from what has passed so far."""
        operation = self._call.operation
        if operation is not None and operation.task == "count":
            return _NOTHING
        self._form.count()  # the last piece may have been cut off on its way, but it was handed out
        reader = self._form.reader
        if (counts := reader.counts) is not None:
            return self._counted(counts)
        if self._given is None:  # whoever asks in between asks again
            self._given = self._counted(estimated(self._sent(), 0))
        has_output = operation is None or operation.output
        output = reader.output or guess_output(self._received) if has_output else 0
        return replace(self._given, output=output)

    def _sent(self) -> bytes:
        body, operation, serving = self._call.body or b"", self._call.operation, self._call.serving
        return body if operation is None or serving is None else reckoned(body, serving.channel, operation)

    def _counted(self, usage: Usage) -> Usage:
        """With the number of results, where a price per call is for each of them."""
        operation, serving, request = self._call.operation, self._call.serving, self._request
        if operation is None or not operation.choices_are_calls:
            return usage
        head = request.head if serving is None else priced(request.head, request.fields, serving.channel, operation)
        return replace(usage, calls=head.choices) if head.choices != 1 else usage

    @property
    def made(self) -> Sequence[Event]:
        """What the answer was made of, if it was translated."""
        return getattr(self._form, "kept", ())

    def mute(self, send: Send) -> None:
        """Have what is still to come go there: the caller has left."""
        self._send = send

    @property
    def progress(self) -> object:
        """Differs from what it was when there is more of the answer; None where that cannot be told."""
        reader = self._form.reader
        return (reader.started, reader.output, reader.finished, reader.done) if self._follows else None

    def comment(self) -> None:
        """Send what means nothing, between two events, so that the connection is not taken for dead."""
        if self._is_stream and not self.sending and (nothing := self._call.dialect.keep_alive):
            self._comment = asyncio.create_task(self._say(nothing))

    def open(self) -> None:
        """The same while an upstream that has begun a stream has no content yet. That it is a stream is told by that:
        another channel may still answer, but an error can only be told in-band."""
        if self._follows and not self.sending and self._told_type().startswith(EVENTS):
            nothing = self._call.dialect.keep_alive
            if nothing:
                first, self.opened = not self.opened, True
                self._comment = asyncio.create_task(self._open(nothing, first=first))

    async def _open(self, nothing: bytes, *, first: bool) -> None:
        if first:
            headers = [(b"content-type", EVENTS.encode()), *_STREAM_HEADERS, *self.headers, *request_id(self._call)]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._say(nothing)

    async def _say(self, body: bytes) -> None:
        self.sending = True
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self.sending = False
        self.sent += len(body)

    def _told_type(self) -> str:
        return self._form.content_type or self._type

    async def settled(self) -> None:
        """What is being sent aside has been sent."""
        if self._comment is not None:
            await self._comment
            self._comment = None

    async def break_off(self, error: GatewayError) -> None:
        """Tell a caller who has part of the answer that no more will come."""
        if not self._form.reader.started or not self._has_head:
            raise AnswerCutError from error
        await self._body(self._form.fail(self._call.dialect, error), more=False)

    # --- answers ------------------------------------------------------------------------------------------------------

    async def _refused(self, incoming: Incoming) -> Failure | None:
        """Pass on what the caller has to mend, keep what is not the caller's business."""
        if self._is("count") and incoming.status in _NO_SUCH_PATH:
            return Failure(UNSUPPORTED, incoming.status)
        if incoming.status >= 500:  # nothing is waited for that could not change what is done about it
            return of_status(incoming.status, incoming.headers)
        body = await _read_error(incoming)
        error = self.upstream.refusal(incoming.status, body)
        if not is_callers_fault(error.status, error.code or ""):
            return of_status(error.status, incoming.headers, error.retry_after, code=error.code or "")
        if not self.native or not has_error_object(body):
            body = self._call.dialect.error(error, self._call.id)
        if self.opened:
            body = self._call.dialect.error_event(error)
        serving = self._call.serving
        for secret in (self.secret, *(credentials_in(serving.channel.headers) if serving is not None else ())):
            if secret:
                body = body.replace(secret.encode(), _MASK)
        self._call.reason = "refused"
        await self._start(incoming.status, {_TYPE: JSON.encode()}, length=len(body))
        await self._body(body, more=False)
        return None

    async def _whole(self, incoming: Incoming, headers: dict[bytes, bytes]) -> Failure | None:
        body = await _read(incoming, _MAX_WHOLE)
        if body is None:
            return Failure("too_large", incoming.status)
        told = self._form.told(body)
        if told.failed or not body:
            return of_answer(incoming.status, told.error) if body else Failure("empty_answer", incoming.status)
        if self.opened and told.content_type != EVENTS:
            return Failure("no_stream", incoming.status)
        self._received = len(body)
        self._call.usage = self._counted(told.usage) if told.usage and not self._is("count") else self.usage()
        if told.content_type is not None:
            headers[_TYPE] = told.content_type.encode()
        await self._start(incoming.status, headers, length=len(told.body))
        await self._body(told.body, more=False)
        self._call.reason = "done"
        return None

    async def _raw(self, incoming: Incoming, headers: dict[bytes, bytes]) -> Failure | None:
        try:
            async for chunk in incoming.chunks():
                if not self.committed:
                    self._call.progress = self.usage
                    await self._start(incoming.status, headers)
                self._received += len(chunk)
                await self._body(chunk)
        except UpstreamFault as fault:
            if self.committed:
                self._call.usage, self._call.reason = self.usage(), "upstream_cut"
                self.broken = of_fault(fault)
                raise AnswerCutError from fault
            raise
        if not self.committed:
            return Failure("empty_answer", incoming.status)
        await self._body(b"", more=False)
        self._call.usage, self._call.reason = self.usage(), "done"
        return None

    async def _events(self, incoming: Incoming, headers: dict[bytes, bytes]) -> Failure | None:
        """In a task of the stream's own: whoever waits for a chunk is woken through all that wait for him, and between
        here and the server those are two dozen."""
        following = asyncio.create_task(self._follow(incoming, headers))
        try:
            return await following
        finally:
            following.cancel()

    async def _follow(self, incoming: Incoming, headers: dict[bytes, bytes]) -> Failure | None:
        passage, fault = self._form, None
        feed, count = passage.feed, passage.count
        if passage.content_type is not None:
            headers[_TYPE] = passage.content_type.encode()
        self._follows = True
        try:
            async for chunk in incoming.chunks():
                visible = feed(chunk)
                if visible:
                    if not self.committed:
                        if passage.reader.failed:
                            return of_answer(incoming.status, passage.reader.error)
                        self._call.progress = self.usage
                        await self._start(incoming.status, headers, _STREAM_HEADERS)
                    if self._comment is not None:
                        await self.settled()
                    self.sending = True
                    await self._send({"type": "http.response.body", "body": visible, "more_body": True})
                    self.sending = False
                    self.sent += len(visible)
                count()
            tail = passage.finish()
        except (UpstreamFault, EventTooLargeError, MalformedAnswerError) as error:
            # What comes after the terminator, and how the connection ends, changes nothing about a whole answer.
            fault, tail = error, passage.finish() if passage.whole else b""
        return await self._end(incoming, headers, fault, tail)

    async def _end(
        self, incoming: Incoming, headers: dict[bytes, bytes], fault: Exception | None, tail: bytes
    ) -> Failure | None:
        passage = self._form
        if not self.committed:
            if passage.reader.failed or not passage.whole:
                return _failure(fault, passage, incoming.status)
            await self._start_late(incoming.status, headers, tail)
        if passage.whole:
            await self._body(tail, more=False)
        else:
            self.broken = _failure(fault, passage, incoming.status)
            await self._body(tail + passage.fail(self._call.dialect, _told(fault)), more=False)
        self._call.usage = self.usage()
        self._call.reason = "done" if passage.whole and not passage.reader.failed else "upstream_cut"
        return None

    async def _start_late(self, status: int, headers: dict[bytes, bytes], tail: bytes) -> None:
        """An answer of which nothing was sent until it was whole."""
        if headers.get(_TYPE) == JSON.encode():
            await self._start(status, headers, length=len(tail))
        else:
            await self._start(status, headers, _STREAM_HEADERS)

    # --- the caller's side --------------------------------------------------------------------------------------------

    async def _start(
        self,
        status: int,
        headers: dict[bytes, bytes],
        extra: Sequence[tuple[bytes, bytes]] = (),
        *,
        length: int | None = None,
    ) -> None:
        self.committed = True
        if self.begun is not None:
            self.begun()
        call = self._call
        call.first_content = call.elapsed()
        raw = [*headers.items(), *extra, *self.headers, *request_id(call)]
        if length is not None:
            raw.append((b"content-length", b"%d" % length))
        self._is_stream = headers.get(_TYPE, b"").startswith(EVENTS.encode())
        if self._comment is not None:
            await self.settled()
        if not self.opened:
            await self._send({"type": "http.response.start", "status": status, "headers": raw})
        self._has_head = True

    async def _body(self, body: bytes, *, more: bool = True) -> None:
        if self._comment is not None:
            await self.settled()
        self.sending = True
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
        self.sending = False
        self.sent += len(body)


async def _failed(failure: Failure) -> Failure:
    return failure


async def _read_error(incoming: Incoming) -> bytes:
    """What an upstream says of its refusal, as far as it says it."""
    try:
        return await _read(incoming, _MAX_ERROR) or b""
    except UpstreamFault:
        return b""


async def _read(incoming: Incoming, limit: int) -> bytes | None:
    """The whole body, None when it is larger than the limit."""
    chunks, size = [], 0
    async for chunk in incoming.chunks():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _failure(fault: Exception | None, passage: Form, status: int) -> Failure:
    if isinstance(fault, UpstreamFault):
        return of_fault(fault)
    if fault is not None:
        return Failure("event_too_large" if isinstance(fault, EventTooLargeError) else "malformed_answer", status)
    return of_answer(status, passage.reader.error) if passage.reader.failed else Failure("empty_answer", status)


def _told(fault: Exception | None) -> GatewayError:
    if isinstance(fault, UpstreamFault) and fault.kind == "idle_timeout":
        return UpstreamTimeout("The upstream stopped sending before the answer was complete.", code="upstream_idle")
    if isinstance(fault, EventTooLargeError):
        return UpstreamFailed("The upstream sent an event that is too large.", code="event_too_large")
    return UpstreamFailed("The upstream ended before the answer was complete.", code="upstream_cut")
