"""Hand one upstream answer to the caller: whole, as events, or as it arrives. Before the first content nothing is sent.

``Delivery`` lives for one attempt of one call, and holds the only state of it. It is the relay's second half: *writes*
``call.progress``, ``call.usage``, ``call.reason``, ``call.first_content`` and ``call.upstream_request_id``.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from starlette.types import Send

from .call import Call
from .errors import BadRequest, GatewayError, UpstreamFailed, UpstreamTimeout
from .failure import Failure, is_callers_fault, of_fault, of_status
from .models import Usage
from .pricing import estimated
from .upstream.seam import Incoming, UpstreamFault
from .wire.answer import error_text, has_error_object, read_answer
from .wire.passage import Passage
from .wire.request import Request
from .wire.sse import EventTooLargeError
from .wire.usage import guess_output

__all__ = ["AnswerCutError", "Delivery"]

_MAX_WHOLE = 64 * 1024 * 1024
_MAX_ERROR = 64 * 1024
_PASSED_HEADERS = frozenset({"content-type", "content-disposition", "content-language", "openai-processing-ms"})
_STREAM_HEADERS = ((b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no"))
_MASK = b"***"


class AnswerCutError(Exception):
    """An answer that is neither JSON nor events broke off: only an unclean end of the connection can tell."""


class Delivery:
    """``hide_usage``: the caller did not ask for the usage event that the upstream will send. ``secret``: the key that
    was sent upstream, never to be seen in what comes back."""

    def __init__(self, call: Call, request: Request, send: Send, *, hide_usage: bool, secret: str) -> None:
        operation = call.operation
        self.committed = False
        self._calls = request.head.choices if operation is not None and operation.choices_are_calls else 1
        self._call = call
        self._send = send
        self._secret = secret.encode()
        self._received = 0
        self._given: Usage | None = None
        self._passage = Passage(hide_usage=hide_usage, ends_with_done=operation is not None and operation.usage_option)

    async def deliver(self, incoming: Incoming) -> Failure | None:
        """Pass the answer on; a failure means that the caller has not seen a byte of it.

        :raises UpstreamFault: the upstream broke off before anything was sent
        :raises AnswerCutError: it broke off later, and the caller cannot be told in-band
        """
        headers = {name: value for name, value in incoming.headers if name in _PASSED_HEADERS}
        if not 200 <= incoming.status < 300:
            return await self._refused(incoming)
        if _encoding(incoming.headers) not in ("", "identity"):
            return Failure("compressed", incoming.status)
        self._call.upstream_request_id = _request_id(incoming.headers)
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type == "text/event-stream":
            return await self._events(incoming, headers)
        if content_type == "application/json":
            return await self._whole(incoming, headers)
        return await self._raw(incoming, headers)

    def usage(self) -> Usage:
        """What was reported or, failing that, guessed from what has passed so far."""
        self._passage.count()  # the last piece may have been cut off on its way, but it was handed out
        reader = self._passage.reader
        if (counts := reader.counts) is not None:
            return self._counted(counts)
        if self._given is None:  # whoever asks in between asks again
            self._given = estimated(self._call.body or b"", 0, calls=self._calls)
        return replace(self._given, output=reader.output or guess_output(self._received))

    def _counted(self, usage: Usage) -> Usage:
        return usage if self._calls == 1 else replace(usage, calls=self._calls)

    async def break_off(self, error: GatewayError) -> None:
        """Tell a caller who has part of the answer that no more will come."""
        if not self._passage.reader.started:
            raise AnswerCutError from error
        await self._body(self._passage.fail(self._call.dialect, error), more=False)

    # --- answers ------------------------------------------------------------------------------------------------------

    async def _refused(self, incoming: Incoming) -> Failure | None:
        """Pass on what the caller has to mend, keep what is not the caller's business."""
        if not is_callers_fault(incoming.status):
            return of_status(incoming.status, incoming.headers)
        body = await _read(incoming, _MAX_ERROR) or b""
        if not has_error_object(body):
            text = error_text(body) or f"The upstream refused the request with status {incoming.status}."
            body = self._call.dialect.error(BadRequest(text, code="upstream_refused"))
        if self._secret:
            body = body.replace(self._secret, _MASK)
        self._call.reason = "refused"
        await self._start(incoming.status, {"content-type": "application/json"}, length=len(body))
        await self._body(body, more=False)
        return None

    async def _whole(self, incoming: Incoming, headers: dict[str, str]) -> Failure | None:
        body = await _read(incoming, _MAX_WHOLE)
        if body is None:
            return Failure("too_large", incoming.status)
        answer = read_answer(body)
        if answer.failed or not body:
            return Failure("error_in_answer" if body else "empty_answer", incoming.status)
        self._received = len(body)
        self._call.usage = self._counted(answer.usage) if answer.usage is not None else self.usage()
        await self._start(incoming.status, headers, length=len(body))
        await self._body(body, more=False)
        self._call.reason = "done"
        return None

    async def _raw(self, incoming: Incoming, headers: dict[str, str]) -> Failure | None:
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
                raise AnswerCutError from fault
            raise
        if not self.committed:
            return Failure("empty_answer", incoming.status)
        await self._body(b"", more=False)
        self._call.usage, self._call.reason = self.usage(), "done"
        return None

    async def _events(self, incoming: Incoming, headers: dict[str, str]) -> Failure | None:
        passage, fault = self._passage, None
        try:
            async for chunk in incoming.chunks():
                visible = passage.feed(chunk)
                if visible and not self.committed:
                    if passage.reader.failed:
                        return Failure("error_in_answer", incoming.status)
                    self._call.progress = self.usage
                    await self._start(incoming.status, headers, _STREAM_HEADERS)
                if visible:
                    await self._body(visible)
                passage.count()
            tail = passage.finish()
        except (UpstreamFault, EventTooLargeError) as error:
            fault, tail = error, b""
        return await self._end(incoming, headers, fault, tail)

    async def _end(
        self, incoming: Incoming, headers: dict[str, str], fault: Exception | None, tail: bytes
    ) -> Failure | None:
        passage = self._passage
        if not self.committed:
            if fault is not None or passage.reader.failed or not passage.whole:
                return _failure(fault, passage, incoming.status)
            await self._start(incoming.status, headers, _STREAM_HEADERS)
        if passage.whole:
            await self._body(tail if fault is None else passage.finish(), more=False)
        else:
            await self._body(tail + passage.fail(self._call.dialect, _told(fault)), more=False)
        self._call.usage = self.usage()
        self._call.reason = "done" if passage.whole and not passage.reader.failed else "upstream_cut"
        return None

    # --- the caller's side --------------------------------------------------------------------------------------------

    async def _start(
        self,
        status: int,
        headers: dict[str, str],
        extra: Sequence[tuple[bytes, bytes]] = (),
        *,
        length: int | None = None,
    ) -> None:
        self.committed = True
        call = self._call
        call.first_content = call.elapsed()
        # Clients read values as UTF-8, and keep what is not: the caller gets the bytes back.
        raw = [(name.encode(), value.encode(errors="surrogateescape")) for name, value in headers.items()]
        raw += (*extra, (b"x-request-id", call.id.encode()))
        if length is not None:
            raw.append((b"content-length", b"%d" % length))
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _body(self, body: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _encoding(headers: Sequence[tuple[str, str]]) -> str:
    return next((value.strip().lower() for name, value in headers if name == "content-encoding"), "")


def _request_id(headers: Sequence[tuple[str, str]]) -> str:
    return next((value[:128] for name, value in headers if name == "x-request-id"), "")


async def _read(incoming: Incoming, limit: int) -> bytes | None:
    """The whole body, None when it is larger than the limit."""
    chunks, size = [], 0
    async for chunk in incoming.chunks():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _failure(fault: Exception | None, passage: Passage, status: int) -> Failure:
    if isinstance(fault, UpstreamFault):
        return of_fault(fault)
    if fault is not None:
        return Failure("event_too_large", status)
    return Failure("error_in_answer" if passage.reader.failed else "empty_answer", status)


def _told(fault: Exception | None) -> GatewayError:
    if isinstance(fault, UpstreamFault) and fault.kind == "idle_timeout":
        return UpstreamTimeout("The upstream stopped sending before the answer was complete.", code="upstream_idle")
    if isinstance(fault, EventTooLargeError):
        return UpstreamFailed("The upstream sent an event that is too large.", code="event_too_large")
    return UpstreamFailed("The upstream ended before the answer was complete.", code="upstream_cut")
