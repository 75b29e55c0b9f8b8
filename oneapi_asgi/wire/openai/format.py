"""OpenAI's API, beyond its paths: who reads and writes what is asked there, for clients and for upstreams.

Conversations are in ``chat`` and ``completions``, vectors, rankings and pictures in ``tasks``;
``/responses`` is a format of its own. What no other format can say (audio, moderations, edits of pictures) goes to
upstreams of this format as it is.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Raw
from msgspec.structs import replace

from ...errors import GatewayError
from ..changes import in_messages
from ..chat import Chat, Target, Written
from ..events import Answer, Event
from ..operations import Operation
from ..tasks import Embed, Embedded, Paint, Painted, Ranked, Rerank
from .chat import ChatDecoder, ChatEncoder, chat_answer, decode_chat, read_chat, refusal, write_chat
from .chat_writing import reasons
from .completions import CompletionEncoder, completion_answer, read_completion
from .paths import OpenAIPaths
from .tasks import (
    answer_embed,
    answer_paint,
    answer_rerank,
    decode_embed,
    decode_paint,
    decode_rerank,
    read_embed,
    read_paint,
    read_rerank,
    write_embed,
    write_paint,
    write_rerank,
)

__all__ = ["OPENAI", "OpenAI"]

_COMPLETION = "_completion"
"""Marks a chat that was asked for in the legacy form, and has to be answered in it."""


class OpenAI(OpenAIPaths):
    """The format of clients and of upstreams. Base URLs of upstreams are complete, with their version."""

    version = ""
    skims = True
    takes_links = True
    key_header = ("authorization", "Bearer ")
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset(("chat", "embeddings", "rerank", "images"))

    def read(self, operation: Operation, body: bytes) -> Chat:
        if operation.path != "/completions":
            return _unmarked(read_chat(body))
        chat = read_completion(body)
        return replace(chat, others={**chat.others, _COMPLETION: True})

    def answer(self, answer: Answer, chat: Chat, call_id: str) -> bytes:
        return (completion_answer if _COMPLETION in chat.others else chat_answer)(answer, chat, call_id)

    def encoder(self, chat: Chat, call_id: str) -> ChatEncoder | CompletionEncoder:
        return (CompletionEncoder if _COMPLETION in chat.others else ChatEncoder)(chat, call_id)

    def read_embed(self, operation: Operation, body: bytes) -> Embed:  # noqa: ARG002
        return read_embed(body)

    def answer_embed(self, embedded: Embedded, embed: Embed, call_id: str) -> bytes:
        return answer_embed(embedded, embed, call_id)

    def read_rerank(self, operation: Operation, body: bytes) -> Rerank:  # noqa: ARG002
        return read_rerank(body)

    def answer_rerank(self, ranked: Ranked, rerank: Rerank, call_id: str) -> bytes:
        return answer_rerank(ranked, rerank, call_id)

    def read_paint(self, operation: Operation, body: bytes) -> Paint:  # noqa: ARG002
        return read_paint(body)

    def answer_paint(self, painted: Painted, paint: Paint, call_id: str) -> bytes:
        return answer_paint(painted, paint, call_id)

    # --- upstreams ----------------------------------------------------------------------------------------------------

    _PATHS: Final[Mapping[str, str]] = MappingProxyType(
        {"chat": "/chat/completions", "embeddings": "/embeddings", "rerank": "/rerank", "images": "/images/generations"}
    )

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        own = operation.path if operation.dialect == self.name else ""
        return own or self._PATHS.get(operation.task)

    def refuses(self, operation: Operation, fields: Container[str], target: Target) -> bool:
        """The limit of output by its former name, of models that know the new one alone: many clients still send it
        (https://platform.openai.com/docs/api-reference/chat/create: max_tokens is "not compatible with o-series
        models")."""
        if operation.path != "/chat/completions" or "max_tokens" not in fields:
            return False
        return "max_completion_tokens" in target.quirks and reasons(target.model)

    def instructed(self, operation: Operation, fields: Mapping[str, Raw], prompt: str) -> Mapping[str, bytes | None]:
        return in_messages(fields, prompt) if operation.path == "/chat/completions" else {}

    def write(self, chat: Chat, target: Target) -> Written:
        return write_chat(chat, target)

    def decode(self, body: bytes, target: Target) -> list[Event]:
        return decode_chat(body, target)

    def decoder(self, target: Target) -> ChatDecoder:
        return ChatDecoder(target)

    def refusal(self, status: int, body: bytes) -> GatewayError:
        return refusal(status, body)

    def write_embed(self, embed: Embed, target: Target) -> Written:
        return write_embed(embed, target)

    def decode_embed(self, body: bytes) -> Embedded:
        return decode_embed(body)

    def write_rerank(self, rerank: Rerank, target: Target) -> Written:
        return write_rerank(rerank, target)

    def decode_rerank(self, body: bytes) -> Ranked:
        return decode_rerank(body)

    def write_paint(self, paint: Paint, target: Target) -> Written:
        return write_paint(paint, target)

    def decode_paint(self, body: bytes) -> Painted:
        return decode_paint(body)


def _unmarked(chat: Chat) -> Chat:
    """Without a mark that the caller set itself."""
    if _COMPLETION not in chat.others:
        return chat
    return replace(chat, others={name: value for name, value in chat.others.items() if name != _COMPLETION})


OPENAI = OpenAI()
