"""What the gateway asks of a wire format: of one that clients speak, and of one that upstreams speak.

A format is one module or package, and one row in ``dialects``; it is either of these, or both. All of it is bytes in,
meaning out, and the reverse: no I/O. What can go wrong is said once:

- ``BadRequest`` (and the other ``RequestError``): the caller's request cannot be read, or cannot be said in the target
  format; the message names the field, in the words of the caller's format.
- ``MalformedAnswerError``: an upstream's answer is not what the format says.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Raw, Struct

from ..errors import GatewayError
from .chat import Chat, Target, Written
from .events import Answer, Event
from .operations import Operation
from .tasks import Embed, Embedded, Paint, Painted, Ranked, Rerank

__all__ = [
    "ChatDialect",
    "ClientDialect",
    "CountDialect",
    "Decoder",
    "EmbedDialect",
    "Embedder",
    "Encoder",
    "Instructed",
    "MalformedAnswerError",
    "ModelCard",
    "PaintDialect",
    "Painter",
    "Picky",
    "Renamer",
    "RerankDialect",
    "Reranker",
    "UpstreamDialect",
]


class MalformedAnswerError(ValueError):
    """An upstream's answer cannot be read."""


class ModelCard(Struct, frozen=True):
    """One line of a list of models: its name, who serves it, and since when (Unix seconds)."""

    id: str
    owner: str
    created: int


class Encoder(Protocol):
    """One stream on its way to a client: events in, frames out. It holds the only state of it.

    One whose format has several kinds of streams says which this is, as ``content_type``.
    """

    def encode(self, events: Sequence[Event]) -> bytes:
        """The frames that these events make; may be empty while something has to be complete first."""
        ...

    def finish(self) -> bytes:
        """The last frames of an answer that is whole."""
        ...

    def fail(self, error: GatewayError) -> bytes:
        """The frames that end a stream which broke off: never a normal end."""
        ...


class Decoder(Protocol):
    """One stream from an upstream: bytes in, as they come, events out. It holds the only state of it."""

    def feed(self, chunk: bytes) -> list[Event]:
        """
        :raises EventTooLargeError: one frame grew beyond the limit
        :raises MalformedAnswerError: what came is not in this format
        """
        ...

    def finish(self) -> list[Event]:
        """What the end of the stream completes: a last frame without its end, a finish that was held back. An answer
        that was cut has no ``Finished`` for any choice, or no ``Ended`` where the format has a terminator."""
        ...

    @property
    def whole(self) -> bool:
        """Whether the answer may end here without a lie (or told of its own error)."""
        ...


class ClientDialect(Protocol):
    """A format that clients speak: its paths, its lists, its envelopes for trouble."""

    @property
    def name(self) -> str: ...

    @property
    def stream_type(self) -> str:
        """The content type of its streams, unless an encoder says another one."""
        ...

    @property
    def keep_alive(self) -> bytes:
        """What may stand between two events of a stream and means nothing to its clients; empty where nothing may."""
        ...

    @property
    def request_id_header(self) -> str:
        """The response header in which its clients look for the id of the call."""
        ...

    @property
    def list_path(self) -> str:
        """Where its clients look for the list of models, below the API's root ("/models", which all of them share, is
        looked at in any case)."""
        ...

    @property
    def passed_headers(self) -> frozenset[bytes]:
        """Headers of a request that go upstream when the upstream speaks this format too. Lower case."""
        ...

    @property
    def names(self) -> Mapping[str, str]:
        """What this format calls the fields of ``Chat``, where it is another name: {"stop": "stop_sequences"}."""
        ...

    def operation(self, path: str) -> Operation | None:
        """What is asked at a path below the API's root (``/v1`` taken off, ``/v1beta`` and others left on)."""
        ...

    def owns(self, path: str, headers: Mapping[bytes, bytes], query: str) -> bool:
        """Whether a request to a path that several formats have (a list of models), or none, is of this one."""
        ...

    def error(self, error: GatewayError, request_id: str) -> bytes:
        """The JSON body of a refusal."""
        ...

    def error_event(self, error: GatewayError) -> bytes:
        """The frame that ends a stream which had begun well."""
        ...

    def models(self, cards: Sequence[ModelCard]) -> object:
        """The list of models, to be encoded as JSON."""
        ...

    def model(self, card: ModelCard) -> object:
        """One of them, to be encoded as JSON."""
        ...


@runtime_checkable
class ChatDialect(Protocol):
    """A client's format in which one talks to a model."""

    def read(self, operation: Operation, body: bytes) -> Chat:
        """
        :raises BadRequest: the body cannot be read; the message says what, where, and how to mend it
        """
        ...

    def answer(self, answer: Answer, chat: Chat, call_id: str) -> bytes:
        """The whole answer. ``chat`` is what was asked; the model it names is the one reported; ``call_id`` (32 hex
        digits) is unique and what the format's own ids are made of."""
        ...

    def encoder(self, chat: Chat, call_id: str) -> Encoder: ...


@runtime_checkable
class EmbedDialect(Protocol):
    """A client's format in which one asks for embeddings."""

    def read_embed(self, operation: Operation, body: bytes) -> Embed:
        """
        :raises BadRequest: the body cannot be read
        """
        ...

    def answer_embed(self, embedded: Embedded, embed: Embed, call_id: str) -> bytes: ...


@runtime_checkable
class RerankDialect(Protocol):
    """A client's format in which one asks for the order of documents."""

    def read_rerank(self, operation: Operation, body: bytes) -> Rerank:
        """
        :raises BadRequest: the body cannot be read
        """
        ...

    def answer_rerank(self, ranked: Ranked, rerank: Rerank, call_id: str) -> bytes: ...


@runtime_checkable
class PaintDialect(Protocol):
    """A client's format in which one asks for pictures."""

    def read_paint(self, operation: Operation, body: bytes) -> Paint:
        """
        :raises BadRequest: the body cannot be read
        """
        ...

    def answer_paint(self, painted: Painted, paint: Paint, call_id: str) -> bytes: ...


@runtime_checkable
class CountDialect(Protocol):
    """A client's format in which one asks how many tokens a request has."""

    def answer_count(self, tokens: int) -> bytes: ...


class UpstreamDialect(Protocol):
    """A format that upstreams speak."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """The path segment that a base URL without one gets: "v1" makes https://host/v1/messages of https://host.
        Empty where base URLs are complete by convention."""
        ...

    @property
    def key_header(self) -> tuple[str, str]:
        """The header of the key, lower case, and what stands before the key in it: ("authorization", "Bearer ")."""
        ...

    @property
    def skims(self) -> bool:
        """Whether ``answer.StreamReader`` follows its streams: it skims over plain text, which is most of them. Else
        whatever passes untouched is decoded to see what it costs."""
        ...

    @property
    def takes_links(self) -> bool:
        """Whether images and documents may be given by http(s) links; else their bytes have to be sent."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers that every request has unless the client sent them: ("anthropic-version", "2023-06-01")."""
        ...

    @property
    def tasks(self) -> frozenset[str]:
        """Of ``Operation.task``: what can be asked of it through translation."""
        ...

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:
        """Where that is asked, with its query, below base URL and version, such as "/messages"; for an operation of
        this very format as well as for a translated one. None when this format cannot do it."""
        ...

    def write(self, chat: Chat, target: Target) -> Written:
        """
        :raises BadRequest: something cannot be said in this format, and leaving it out would change what was asked
        """
        ...

    def decode(self, body: bytes, target: Target) -> list[Event]:
        """A whole answer.

        :raises MalformedAnswerError: it is none
        """
        ...

    def decoder(self, target: Target) -> Decoder: ...

    def refusal(self, status: int, body: bytes) -> GatewayError:
        """What an answer of a status that is none of success says: an ``UpstreamRefused`` with the status and, as far
        as they are told, message, code, type and parameter."""
        ...


@runtime_checkable
class Picky(Protocol):
    """A format of which some models are known to refuse what others take."""

    def refuses(self, operation: Operation, fields: Container[str], target: Target) -> bool:
        """Whether a request with these fields at its top would be refused for sure, so that it is better rewritten."""
        ...


@runtime_checkable
class Instructed(Protocol):
    """A format in which a conversation begins with what the operator says."""

    def instructed(self, operation: Operation, fields: Mapping[str, Raw], prompt: str) -> Mapping[str, bytes | None]:
        """What has to change in a request with these fields at its top, so that the prompt takes the place of what it
        begins with as its system message, or is put before it: the new JSON of fields, None for those that go. Empty
        where the operation has no place for one."""
        ...


@runtime_checkable
class Renamer(Protocol):
    """A format that names the model in the path, and may repeat it in the body."""

    def renamed(self, body: bytes, model: str) -> bytes:
        """The body with the upstream's name of the model wherever it names one; untouched where it names none.

        :raises BadRequest: the body cannot be read
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """An upstream's format that knows embeddings. (``tasks`` names "embeddings".)"""

    def write_embed(self, embed: Embed, target: Target) -> Written:
        """
        :raises BadRequest: it cannot be said in this format
        """
        ...

    def decode_embed(self, body: bytes) -> Embedded:
        """
        :raises MalformedAnswerError: it is none
        """
        ...


@runtime_checkable
class Reranker(Protocol):
    """An upstream's format that knows reranking. (``tasks`` names "rerank".)"""

    def write_rerank(self, rerank: Rerank, target: Target) -> Written:
        """
        :raises BadRequest: it cannot be said in this format
        """
        ...

    def decode_rerank(self, body: bytes) -> Ranked:
        """
        :raises MalformedAnswerError: it is none
        """
        ...


@runtime_checkable
class Painter(Protocol):
    """An upstream's format that knows pictures. (``tasks`` names "images".)"""

    def write_paint(self, paint: Paint, target: Target) -> Written:
        """
        :raises BadRequest: it cannot be said in this format
        """
        ...

    def decode_paint(self, body: bytes) -> Painted:
        """
        :raises MalformedAnswerError: it is none
        """
        ...
