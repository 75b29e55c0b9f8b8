"""How one call is put to a candidate: in which format, at which address, with which key, and how its answer is read.

``Dispatch`` lives for one call. What the caller's request means is found out once, when the first candidate speaks
another format; for those that speak the caller's own nobody looks into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar, cast
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace
from starlette.types import Scope

from .call import Call
from .delivery import Form
from .errors import BadRequest, GatewayError, NotFound
from .http import aside, query_of
from .models import Candidate, Channel
from .pricing import estimated
from .providers.access import Place
from .providers.lanes import Lane, Lanes, Passed, decoded
from .providers.route import Route
from .tickets import Tickets
from .unreadable import UNREADABLE
from .upstream.seam import Outgoing, Timeouts
from .wire.answer import read_answer
from .wire.changes import changed, reckoned, with_prompt
from .wire.chat import Chat, Target, Written
from .wire.dialect import ChatDialect, Embedder, MalformedAnswerError, Renamer, Reranker
from .wire.events import Event
from .wire.looked_at import LookedAt
from .wire.named import NamedReader, named
from .wire.operations import Operation
from .wire.passage import Passage, Told, is_json
from .wire.request import Request
from .wire.sealed import SEALED
from .wire.translation import TalkingClient, Translation, translated_task
from .wire.watch import Watch

__all__ = ["Dispatch", "Preparation", "Prepared", "Recall", "UnsupportedError"]

_JSON_HEADERS = (("content-type", "application/json"), ("accept", "*/*"))
_DROPPED = b"x-oneapi-dropped-params"
_FALLBACK = b"x-oneapi-fallback-model"
_UNPRINTABLE = re.compile(r"[^!-+\--~]")
"""In a list of a header: neither a comma nor a space, and nothing beyond ASCII (RFC 9110, section 5.6.1)."""

_THOUGHTS = re.compile(rb'"(?:reasoning_content|reasoning_signature|extra_content|cache_control)"\s*:')
"""What callers echo of an answer that was translated, or say to others, in fields that not every provider knows."""

_ANSWERS = frozenset(("object", "choices", "output", "usage"))
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])

Said = TypeVar("Said")


class UnsupportedError(Exception):
    """This candidate cannot be asked for this, and that is nobody's fault. ``error`` is what the caller is told if no
    other can."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.message)
        self.error = error


class Preparation(Protocol):
    """What is done to a conversation that is going to be translated, before it is."""

    async def prepared(self, chat: Chat, call: Call) -> Chat:
        """
        :raises BadRequest: it cannot be asked like this
        """
        ...


class Recall(Preparation, Protocol):
    """What is also told of answers, so that it can remember."""

    def remember(self, events: Sequence[Event], call: Call) -> None: ...


class Prepared(Struct, frozen=True):
    """A request for a candidate, and how its answer is passed on. ``headers`` go to the caller with it."""

    outgoing: Outgoing
    form: Form
    route: Route
    secret: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    __repr__ = object.__repr__  # what it holds is not for logs


class Dispatch(Struct, eq=False):
    """``recall`` and ``fetch`` are asked once a call at most: for what the client could not carry, and for the files
    behind links where a format needs their bytes."""

    _call: Call
    _request: Request
    _scope: Scope
    timeouts: Timeouts
    tickets: Tickets
    lanes: Lanes = field(default_factory=Lanes)
    recall: Recall | None = None
    fetch: Preparation | None = None
    _chat: Chat | None = None
    _with_files: Chat | None = None
    _last: Lane | None = None

    __repr__ = object.__repr__  # what it holds is not for logs

    async def to(self, candidate: Candidate) -> Prepared:
        """
        :raises UnsupportedError: the candidate cannot be asked for this, or what is asked cannot be understood, so that
            no format but the caller's own can say it
        :raises ValueError: the channel is not set up as its provider needs
        :raises Unavailable: the channel's credential cannot be exchanged
        """
        operation, stream = self._call.operation, self._request.head.stream
        assert operation is not None  # noqa: S101 - whoever parsed the request wrote it
        lane = self.lanes.of(candidate, operation, stream=stream)
        if lane is not None and lane.route.native and self._has_to_change(lane):
            lane = self.lanes.of(candidate, operation, stream=stream, rewritten=True)
        if lane is None:
            raise UnsupportedError(_unsupported(operation, self._request.head.model))
        self._last = lane
        if lane.route.native:  # what is no conversation has no other form
            return self._fixed(lane) if lane.access.fixed else await self._native(lane)
        return await self._translated(lane)

    def refused(self) -> None:
        """The last candidate did not take its credential."""
        lane = self._last
        if lane is not None:
            channel = lane.candidate.channel
            self.tickets.forget(lane.access, lane.key, channel.options, channel.proxy)

    def _target(self, lane: Lane) -> Target:
        price = self._call.price
        return replace(lane.target, max_output=price.max_output) if price is not None else lane.target

    def _has_to_change(self, lane: Lane) -> bool:
        """Whether a request cannot pass as it is, although the upstream speaks its format: effort was asked for by the
        model's name, the conversation holds what another channel's model thought, or the model is known to refuse it.
        """
        body = self._call.body or b""
        if self._call.thinking is not None or SEALED in body:
            return True
        if lane.picky is not None and lane.picky.refuses(lane.operation, self._request.fields, lane.target):
            return True
        return "strict_history" in lane.route.quirks and _THOUGHTS.search(body) is not None

    @property
    def _size(self) -> int:
        return len(self._call.body or b"")

    # --- the caller's own format --------------------------------------------------------------------------------------

    def _fixed(self, lane: Lane) -> Prepared:
        """Of which nothing is new but the body, and the form of the answer."""
        url = lane.access.url(self._place(lane), lane.key) if self._scope.get("query_string") else lane.url
        sent = lane.fixed_headers(self._passed(lane))
        outgoing = Outgoing("POST", url, sent, self._body(lane), self.timeouts, lane.candidate.channel.proxy)
        return Prepared(outgoing, self._form(lane), lane.route, lane.key, _told(lane.candidate, ()))

    async def _native(self, lane: Lane) -> Prepared:
        body, headers = self._body(lane), decoded(self._passed(lane))
        return await self._sent(lane, self._place(lane), headers, body, self._form(lane))

    def _body(self, lane: Lane) -> bytes:
        operation, model = lane.operation, lane.candidate.upstream_model
        body = self._request.edited(model=model, include_usage=lane.reports, changes=lane.changes)
        if operation.model and self._request.head.model != model and isinstance(lane.route.dialect, Renamer):
            renamer = lane.route.dialect
            return _said(lambda: renamer.renamed(body, model))
        return body

    def _passed(self, lane: Lane) -> Passed:
        names = lane.passes
        return tuple([(name, value) for name, value in self._scope["headers"] if name in names])

    def _place(self, lane: Lane) -> Place:
        query = _query(query_of(self._scope))
        return lane.at(f"{lane.place.path}?{query}") if query else lane.place

    def _form(self, lane: Lane) -> Form:
        operation, head, keeps = lane.operation, self._request.head, self._call.keeps
        if keeps is not None and operation.name == "responses":
            return _named(operation, partial(keeps, lane.candidate))
        if lane.route.dialect.skims:
            hide = lane.reports and head.stream and not head.wants_usage
            told = _skim_chat if operation.task == "chat" else _skim
            return Passage(hide_usage=hide, ends_with_done=operation.usage_option, told=told)
        target = self._target(lane)
        told_of = partial(_read, lane.route, operation, target)
        return LookedAt(lane.route.dialect.decoder(target), told_of, stream=head.stream)

    # --- another format -----------------------------------------------------------------------------------------------

    async def _translated(self, lane: Lane) -> Prepared:
        written, form = await self._written(lane, self._target(lane))
        dropped = self._dropped(lane.candidate.channel, written)
        headers = (*_JSON_HEADERS, *written.headers)
        told = ((_DROPPED, _listed(dropped)),) if dropped else ()
        said = changed(written.body, lane.candidate.channel, lane.operation)
        body = await aside(self._size, lambda: _said(lambda: msgspec.json.encode(said)))
        return await self._sent(lane, lane.place, headers, body, form, told)

    async def _written(self, lane: Lane, target: Target) -> tuple[Written, Form]:
        client, upstream, operation, call = lane.talker, lane.route.dialect, lane.operation, self._call
        if operation.task == "chat" and client is not None:
            try:
                chat = await self._conversation(client, operation, takes_links=upstream.takes_links)
            except BadRequest as error:  # a channel of the caller's own format, or that takes links, may still do
                raise UnsupportedError(error) from error
            public = replace(chat, others={name: chat.others[name] for name in chat.others if not name.startswith("_")})
            prompt = lane.candidate.channel.system_prompt
            if prompt:  # of the upstream alone: some answers repeat to the caller what was asked
                public = with_prompt(public, prompt)
            written = await aside(self._size, lambda: _said(lambda: upstream.write(public, target)))
            estimate = partial(estimated, reckoned(call.body or b"", lane.candidate.channel, operation))
            return written, Translation(upstream, target, cast("TalkingClient", client), chat, call.id, estimate)
        body = call.body or b""
        task = await aside(
            self._size, lambda: _said(lambda: translated_task(call.dialect, upstream, operation, body, target, call.id))
        )
        if task is None:
            raise UnsupportedError(_unsupported(operation, self._request.head.model))
        return task

    async def _conversation(self, client: ChatDialect, operation: Operation, *, takes_links: bool) -> Chat:
        """What the caller said, with what it could not carry; with files for links, where links are not taken."""
        if self._chat is None:
            body = self._call.body or b""
            self._chat = await aside(len(body), lambda: client.read(operation, body))
            if self._call.thinking is not None:
                self._chat = replace(self._chat, thinking=self._call.thinking)
            if self.recall is not None:
                self._chat = await self.recall.prepared(self._chat, self._call)
        if takes_links or self.fetch is None:
            return self._chat
        if self._with_files is None:
            self._with_files = await self.fetch.prepared(self._chat, self._call)
        return self._with_files

    def _dropped(self, channel: Channel, written: Written) -> list[str]:
        """What the target format cannot say, as the caller calls it.

        :raises UnsupportedError: the channel rather refuses than leaves something out
        """
        names = self._call.dialect.names
        dropped = [names.get(name, name) for name in written.dropped]
        if dropped and channel.unsupported == "refuse":
            raise UnsupportedError(
                BadRequest(
                    f"{', '.join(dropped)[:200]}: not supported by the model's provider. Leave it out, or have the "
                    "operator let it be dropped.",
                    param=dropped[0][:80],
                    code="unsupported_parameter",
                )
            )
        return dropped

    # --- on the wire --------------------------------------------------------------------------------------------------

    async def _sent(
        self,
        lane: Lane,
        place: Place,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        form: Form,
        told: tuple[tuple[bytes, bytes], ...] = (),
    ) -> Prepared:
        access, channel = lane.access, lane.candidate.channel
        url = lane.url if place is lane.place else access.url(place, lane.key)
        ticket = await self.tickets.get(access, lane.key, channel.options, channel.proxy)
        unsigned = lane.unsigned(url, headers, access.body(body, place))
        sent = lane.signed(unsigned, ticket)
        outgoing = Outgoing("POST", url, sent, unsigned.body, self.timeouts, channel.proxy)
        return Prepared(outgoing, form, lane.route, lane.key, _told(lane.candidate, told))


def _told(candidate: Candidate, told: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """With what the caller is told of who serves in place of the model that it named."""
    return (*told, (_FALLBACK, _listed([candidate.fallback]))) if candidate.fallback else told


def _said(say: Callable[[], Said]) -> Said:
    """What another format cannot say is no fault of the channel's: the next one may be able to. Nor is a value of the
    caller's that nobody has thought of: whoever sends such must not put a channel out."""
    try:
        return say()
    except BadRequest as error:
        raise UnsupportedError(error) from error
    except (ValueError, ArithmeticError) as error:
        told = BadRequest("The request has a value that cannot be passed on. Leave it out.", code="invalid_value")
        raise UnsupportedError(told) from error


def _skim(body: bytes) -> Told:
    """What a whole answer says that only passes, at a glance."""
    answer = read_answer(body)
    return Told(body, answer.usage, answer.failed)


def _skim_chat(body: bytes) -> Told:
    """The same of a conversation. One that does not even tell its usage has to look like an answer at least."""
    answer = read_answer(body)
    if answer.usage is not None or answer.failed:
        return Told(body, answer.usage, answer.failed)
    try:
        return Told(body, failed=not _fields.decode(body).keys() & _ANSWERS)
    except UNREADABLE:
        return Told(body, failed=True)


def _named(operation: Operation, tell: Callable[[str], None]) -> Passage:
    """How an answer passes that its provider keeps."""
    skim = _skim_chat if operation.task == "chat" else _skim
    return Passage(reader=NamedReader(tell), told=lambda body: named(skim(body), tell))


def _read(route: Route, operation: Operation, target: Target, body: bytes) -> Told:
    """What a whole answer says that only passes."""
    dialect, watch = route.dialect, Watch()
    try:
        if operation.task == "embeddings" and isinstance(dialect, Embedder):
            return Told(body, dialect.decode_embed(body).usage)
        if operation.task == "rerank" and isinstance(dialect, Reranker):
            return Told(body, dialect.decode_rerank(body).usage)
        watch.see(dialect.decode(body, target))
    except MalformedAnswerError:
        return Told(body, failed=not is_json(body))  # not a shape that is known here: the caller will know it
    return Told(body, watch.usage, watch.failed, error=watch.error)


def _unsupported(operation: Operation, model: str) -> GatewayError:
    return NotFound(
        f"No channel of the model {model[:200]!r} can do this ({operation.name}).",
        code="unsupported_operation",
        param="model",
    )


def _listed(names: Sequence[str]) -> bytes:
    """Names for a header: callers make them up, and could end the header with one, or fill it."""
    return ", ".join(_UNPRINTABLE.sub("?", name[:64]) for name in names[:32]).encode()


def _query(query: str) -> str:
    """The caller's query without its key."""
    fields = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, value) for name, value in fields if name != "key"])
