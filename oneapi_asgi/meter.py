"""Read usage off a foreign app: ``UsageMeter`` around anything that answers as OpenAI does.

It looks at the app's answers as the relay looks at an upstream's: usage out of a JSON body, or out of the last event
of a stream. For streams it asks the app for that event, and hides it from a caller who had not asked.

    app = TokenAuth(QuotaGuard(UsageMeter(my_model_server), quota), authenticator)

*Reads* ``call.operation``, or finds it by the path. *Writes* ``call.progress``, ``call.usage``, ``call.reason``,
``call.first_content`` and, as the first to read the body, what ``http.parsed`` does. Options: ``ask_for_usage``,
``max_body``, ``on_error``.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .call import Call
from .errors import GatewayError
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, api_path, parsed, replayed
from .models import EndReason, Usage
from .pricing import estimated
from .wire.answer import read_answer
from .wire.dialects import operation_at
from .wire.passage import Passage, Seen
from .wire.sse import EventTooLargeError
from .wire.usage import guess_output

__all__ = ["UsageMeter"]

_MAX_JSON = 64 * 1024 * 1024


class UsageMeter:
    """Passes everything through, and fills ``call.usage`` from answers with a status of success.

    An answer whose usage cannot be read, or that ends early, counts as estimated. Paths that are no operation are
    passed on untouched. ``ask_for_usage`` False leaves the request as it is, for apps that refuse ``stream_options``.
    """

    def __init__(
        self, app: ASGIApp, *, ask_for_usage: bool = True, max_body: int = MAX_BODY, on_error: OnError = Refusal
    ) -> None:
        self.app = app
        self._ask_for_usage = ask_for_usage
        self._max_body = max_body
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (Call.of(scope).operation or operation_at(api_path(scope))) is None:
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        try:
            request, receive = await parsed(scope, receive, max_body=self._max_body)
        except ClientGoneError:
            return None
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        operation, head, body = call.operation, request.head, call.body or b""
        ask = self._ask_for_usage and head.stream and operation is not None and operation.usage_option
        edited = request.edited(model=head.model, include_usage=ask)
        if edited is not body:
            scope, receive = _with_length(scope, len(edited)), replayed(edited, receive)
        calls = head.choices if operation is not None and operation.choices_are_calls else 1
        answer = _Answer(send, call, Passage(hide_usage=ask and not head.wants_usage), calls)
        try:
            return await self.app(scope, receive, answer.send)
        finally:
            answer.settle()


def _with_length(scope: Scope, length: int) -> Scope:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    kept = [(name, value) for name, value in headers if name not in (b"content-length", b"transfer-encoding")]
    return {**scope, "headers": [*kept, (b"content-length", b"%d" % length)]}


class _Answer:
    """Follows one answer on its way out."""

    def __init__(self, send: Send, call: Call, passage: Passage, calls: int) -> None:
        self._send = send
        self._call = call
        self._passage: Passage | None = passage
        self._calls = calls
        self._status = 0
        self._stream = False
        self._body = bytearray()
        self._ended = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start(message)
            await self._send(message)
        elif message["type"] == "http.response.body":
            await (self._pass(message) if self._stream else self._copy(message))
        else:
            await self._send(message)

    def _start(self, message: Message) -> None:
        self._status = message["status"]
        headers = {name.lower(): value for name, value in message.get("headers", ())}
        self._stream = headers.get(b"content-type", b"").lower().startswith(b"text/event-stream")
        if 200 <= self._status < 300:
            self._call.progress = self._so_far

    async def _pass(self, message: Message) -> None:
        more = message.get("more_body", False)
        passage = self._passage
        if passage is None:
            return await self._send(message)
        try:
            visible = passage.feed(message.get("body", b""))
        except EventTooLargeError:
            self._passage = None  # no longer followed; the app's bytes are still the caller's
            return await self._send({**message, "body": passage.pending + message.get("body", b"")})
        if not more:
            visible += passage.finish()
        if visible or not more:
            self._content()
            await self._send({**message, "body": visible})
        passage.count()
        self._ended = not more
        return None

    async def _copy(self, message: Message) -> None:
        if len(self._body) < _MAX_JSON:
            self._body += message.get("body", b"")
        await self._send(message)
        self._content()
        self._ended = not message.get("more_body", False)

    def _content(self) -> None:
        if self._call.first_content is None:
            self._call.first_content = self._call.elapsed()

    def settle(self) -> None:
        if not 200 <= self._status < 300:
            return
        reader = self._reader
        usage = reader.counts if reader else read_answer(bytes(self._body)).usage
        whole = self._ended and (reader is None or reader.finished or reader.done)
        reason: EndReason = "done" if whole else "upstream_cut" if self._ended else "client_gone"
        self._call.usage = usage or self._estimated()
        self._call.reason = reason

    def _so_far(self) -> Usage:
        reader = self._reader
        return (reader.counts if reader else None) or self._estimated()

    @property
    def _reader(self) -> Seen | None:
        if not self._stream or self._passage is None:
            return None
        self._passage.count()  # the last piece may have been cut off on its way, but it was handed out
        return self._passage.reader

    def _estimated(self) -> Usage:
        reader = self._reader
        output = reader.output if reader else guess_output(len(self._body))
        return estimated(self._call.body or b"", output, calls=self._calls)
