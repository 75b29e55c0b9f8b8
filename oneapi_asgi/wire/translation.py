"""An answer on its way from one format into another: a decoder, the neutral events between, an encoder.

``Translation`` is for conversations, ``TaskTranslation`` for what comes at once (vectors, rankings, pictures). Both
are used as a ``Passage`` is: feed chunks and send what comes back, or have a whole body ``told``. Whether the upstream
streams and whether the caller wants a stream are two things: each way to have one and not the other works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from ..errors import GatewayError
from ..models import Usage
from ..unreadable import UNREADABLE
from .chat import Chat, Target, Written
from .dialect import (
    ChatDialect,
    ClientDialect,
    Embedder,
    EmbedDialect,
    MalformedAnswerError,
    PaintDialect,
    Painter,
    RerankDialect,
    Reranker,
    UpstreamDialect,
)
from .events import Ended, Event, Finished, ReasoningDelta, ReasoningEnded, ToolDelta, ToolEnded, ToolStarted, collect
from .operations import Operation
from .passage import JSON, Told
from .sse import EventTooLargeError, split
from .tasks import Embed, Embedded, Paint, Painted, Ranked, Rerank
from .watch import Watch

__all__ = ["TalkingClient", "TaskTranslation", "Translation", "translated_task"]

_REMEMBERED = (ReasoningDelta, ReasoningEnded, ToolStarted)


class TalkingClient(ChatDialect, ClientDialect, Protocol):
    """Both sides of a client's format that a translation needs."""


class Translation:
    """``call_id`` is what ids of the answer are made of. ``kept`` are the events, of a stream only those of thoughts
    and the beginnings of calls, for who wants to remember them. ``estimate`` makes a usage of so many tokens of output,
    where the upstream tells none."""

    def __init__(
        self,
        upstream: UpstreamDialect,
        target: Target,
        client: TalkingClient,
        chat: Chat,
        call_id: str,
        estimate: Callable[[int], Usage] | None = None,
    ) -> None:
        self._estimate = estimate
        self.reader = Watch()
        self.kept: list[Event] = []
        self._upstream = upstream
        self._target = target
        self._client = client
        self._chat = chat
        self._call_id = call_id
        self._decoder = upstream.decoder(target)
        self._encoder = client.encoder(chat, call_id)
        self._free_text = _FreeText(chat)
        self._held: list[Event] = []

    @property
    def content_type(self) -> str:
        if not self._chat.stream:
            return JSON
        told: str = getattr(self._encoder, "content_type", self._client.stream_type)
        return told

    def streams(self, content_type: str) -> bool:
        """Whether a body of that type is to be followed as a stream."""
        return self._target.stream and content_type != JSON

    def feed(self, chunk: bytes) -> bytes:
        """What may be sent now. Nothing before the first content, and nothing at all to callers who want it whole.

        :raises EventTooLargeError: a frame grew beyond the limit
        :raises MalformedAnswerError: the upstream does not keep to its format; what it said before is given out by
            ``fail`` or ``finish``
        """
        events: list[Event] = []
        try:
            if chunk.count(b"\n\n") < 2 and b"\r" not in chunk:
                events = self._decoder.feed(chunk)
            else:  # a decoder that fails loses what it was given at once
                for piece in split(chunk) if b"data" in chunk else (chunk,):
                    events += self._decoder.feed(piece)
        except (EventTooLargeError, MalformedAnswerError):
            self._take(events)
            raise
        return self._on(events)

    def count(self) -> None:
        """Events are counted as they come."""

    @property
    def whole(self) -> bool:
        return self.reader.failed or self._decoder.whole

    def finish(self) -> bytes:
        """What is still to be sent after an upstream that ended as it should."""
        tail = self._on(self._decoder.finish())
        if not self.whole or self.reader.failed:
            return tail
        tail += self._on(self._guess())
        if self._chat.stream:
            return tail + self._encoder.finish()
        return self._client.answer(collect(self.kept), self._chat, self._call_id)

    def fail(self, dialect: ClientDialect, error: GatewayError) -> bytes:  # noqa: ARG002  # the encoder knows its own
        return self._release() + self._encoder.fail(error)

    def told(self, body: bytes) -> Told:
        try:
            events = self._free_text.read(self._upstream.decode(body, self._target))
        except MalformedAnswerError:
            return Told(b"", failed=True)
        self._see(events)
        if self.reader.failed or not self.reader.started:
            return Told(b"", self.reader.usage, failed=True, error=self.reader.error)
        guess = self._guess()
        self._see(guess)
        events = [*events, *guess]
        if self._chat.stream:
            given = self._encoder.encode(events) + self._encoder.finish()
        else:
            given = self._client.answer(collect(events), self._chat, self._call_id)
        return Told(given, self.reader.usage, content_type=self.content_type)

    def _on(self, decoded: list[Event]) -> bytes:
        self._take(decoded)
        return self._release() if self.reader.started else b""

    def _take(self, decoded: list[Event]) -> None:
        events = self._free_text.read(decoded)
        over = self.reader.done
        self._see(events)
        if self._chat.stream and not over:
            self._held += _to_the_end(events) if self.reader.done else events

    def _guess(self) -> list[Event]:
        """Clients read a usage that nobody told as one of nothing."""
        if self.reader.usage is not None or self._estimate is None:
            return []
        return [self._estimate(self.reader.output)]

    def _see(self, events: list[Event]) -> None:
        if not self._chat.stream:
            self.kept += events
        else:
            for event in events:
                if isinstance(event, _REMEMBERED):
                    self.kept.append(event)
        self.reader.see(events)
        self.reader.finished = self._decoder.whole

    def _release(self) -> bytes:
        held, self._held = self._held, []
        return self._encoder.encode(held) if held else b""


def _to_the_end(events: list[Event]) -> list[Event]:
    """What comes after the terminator is for the meter alone."""
    return next((events[: place + 1] for place, event in enumerate(events) if isinstance(event, Ended)), events)


class _FreeText:
    """Calls of tools that take free text, as their caller knows them. An upstream that has none was offered a function
    of one string, ``input``: the text is told once the call is whole."""

    def __init__(self, chat: Chat) -> None:
        self._names = {tool.name for tool in chat.tools if tool.custom}
        self._open: dict[tuple[int, int], list[str]] = {}

    def read(self, events: list[Event]) -> list[Event]:
        return [told for event in events for told in self._read(event)] if self._names else events

    def _read(self, event: Event) -> Iterator[Event]:
        match event:
            case ToolStarted() if event.name in self._names and not event.custom:
                self._open[event.choice, event.index] = []
                yield replace(event, custom=True)
                return
            case ToolDelta() if (event.choice, event.index) in self._open:
                self._open[event.choice, event.index].append(event.arguments)
                return
            case ToolEnded():
                yield from self._end(event.choice, event.index)
            case Finished():
                for choice, index in [call for call in self._open if call[0] == event.choice]:
                    yield from self._end(choice, index)
            case _:
                pass
        yield event

    def _end(self, choice: int, index: int) -> Iterator[Event]:
        text = _input("".join(self._open.pop((choice, index), ())))
        if text:
            yield ToolDelta(index, text, choice)


_object = msgspec.json.Decoder(dict[str, Any])


def _input(arguments: str) -> str:
    """What a model made of the one string; its own words if it made something else of it."""
    try:
        told = _object.decode(arguments)
    except UNREADABLE:
        return arguments
    text = told.get("input", "" if not told else None)
    return text if isinstance(text, str) else arguments


class TaskTranslation:
    """``told`` is what makes the caller's answer of the upstream's."""

    content_type = JSON

    def __init__(self, tell: Callable[[bytes], tuple[bytes, Usage | None]]) -> None:
        self.reader = Watch()
        self.whole = False
        self._tell = tell

    def streams(self, content_type: str) -> bool:  # noqa: ARG002
        return False

    def feed(self, chunk: bytes) -> bytes:  # noqa: ARG002  # never asked
        return b""

    def count(self) -> None:
        """Nothing streams here."""

    def finish(self) -> bytes:
        return b""

    def fail(self, dialect: ClientDialect, error: GatewayError) -> bytes:
        return dialect.error_event(error)

    def told(self, body: bytes) -> Told:
        try:
            given, usage = self._tell(body)
        except MalformedAnswerError:
            return Told(b"", failed=True)
        return Told(given, usage, content_type=JSON)


def translated_task(
    client: ClientDialect, upstream: UpstreamDialect, operation: Operation, body: bytes, target: Target, call_id: str
) -> tuple[Written, TaskTranslation] | None:
    """What is no conversation, for an upstream of another format; None if one of the two cannot say it.

    :raises BadRequest: the body cannot be read, or cannot be said in the upstream's format
    """
    match operation.task:
        case "embeddings" if isinstance(client, EmbedDialect) and isinstance(upstream, Embedder):
            embed = client.read_embed(operation, body)
            return upstream.write_embed(embed, target), TaskTranslation(
                lambda answer: _vectors(client, embed, upstream.decode_embed(answer), call_id)
            )
        case "rerank" if isinstance(client, RerankDialect) and isinstance(upstream, Reranker):
            rerank = client.read_rerank(operation, body)
            return upstream.write_rerank(rerank, target), TaskTranslation(
                lambda answer: _ranking(client, rerank, upstream.decode_rerank(answer), call_id)
            )
        case "images" if isinstance(client, PaintDialect) and isinstance(upstream, Painter):
            paint = client.read_paint(operation, body)
            return upstream.write_paint(paint, target), TaskTranslation(
                lambda answer: _pictures(client, paint, upstream.decode_paint(answer), call_id)
            )
        case _:
            return None


def _vectors(client: EmbedDialect, embed: Embed, embedded: Embedded, call_id: str) -> tuple[bytes, Usage | None]:
    if len(embedded.vectors) != len(embed.inputs):
        raise MalformedAnswerError("there is not one vector for each input")
    return client.answer_embed(embedded, embed, call_id), embedded.usage


def _ranking(client: RerankDialect, rerank: Rerank, ranked: Ranked, call_id: str) -> tuple[bytes, Usage | None]:
    if any(not 0 <= score.index < len(rerank.documents) for score in ranked.scores):
        raise MalformedAnswerError("a score is for no document")
    return client.answer_rerank(ranked, rerank, call_id), ranked.usage


def _pictures(client: PaintDialect, paint: Paint, painted: Painted, call_id: str) -> tuple[bytes, Usage | None]:
    return client.answer_paint(painted, paint, call_id), painted.usage
