"""OpenAI's Responses, as clients speak it and as upstreams do: ``POST /responses`` and ``/responses/input_tokens``.

https://platform.openai.com/docs/api-reference/responses

Requests are read in ``reading`` and written in ``writing``; answers, whole and in streams,
are in ``answers``. Responses that a provider keeps (``GET /responses/{id}`` and the like) have no part
in translation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ...errors import GatewayError, UpstreamRefused
from ...unreadable import UNREADABLE
from ..chat import Chat, Target, Written
from ..dialect import Decoder, Encoder, ModelCard
from ..events import Answer, Event
from ..operations import ARRAY, NULL, NUMBER, OBJECT, STRING, Operation
from ..sse import COMMENT
from .answers import ResponsesDecoder, ResponsesEncoder, decode_response, error_frame, replay
from .reading import NAME, read_response
from .writing import write_response

__all__ = ["RESPONSES", "Responses"]

_OPTIONAL: Final = {
    "input": STRING + ARRAY + NULL,
    "instructions": STRING + ARRAY + NULL,
    "temperature": NUMBER + NULL,
    "tools": ARRAY + NULL,
    "text": OBJECT + NULL,
    "reasoning": OBJECT + NULL,
    "metadata": OBJECT + NULL,
    "background": b"f" + NULL,  # what is made after the answer is never counted
}
_OPERATIONS: Final = {
    "/responses": Operation(
        name="responses",
        dialect=NAME,
        path="/responses",
        task="chat",
        optional=_OPTIONAL,
        output_limits=("max_output_tokens",),
        choice_fields=(),
    ),
    "/responses/input_tokens": Operation(
        name="responses.input_tokens",
        dialect=NAME,
        path="/responses/input_tokens",
        task="count",
        optional=_OPTIONAL,
        output=False,
        choice_fields=(),
        free=True,
    ),
}


class Responses:
    """The format, as clients and as upstreams speak it. ``clock`` gives Unix seconds, for answers that came without."""

    name: str = NAME
    list_path = "/models"
    skims = True
    takes_links = True
    stream_type: str = "text/event-stream"
    keep_alive: bytes = COMMENT
    request_id_header: str = "x-request-id"
    passed_headers: frozenset[bytes] = frozenset({b"openai-beta"})
    names: Mapping[str, str] = {
        "messages": "input",
        "web_search": "tools",
        "format": "text.format",
        "thinking": "reasoning",
        "max_output": "max_output_tokens",
        "logprobs": "top_logprobs",
        "verbosity": "text.verbosity",
    }
    version: str = ""
    key_header: tuple[str, str] = ("authorization", "Bearer ")
    headers: tuple[tuple[str, str], ...] = ()
    tasks: frozenset[str] = frozenset({"chat"})

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    # As clients speak it

    def operation(self, path: str) -> Operation | None:
        return _OPERATIONS.get(path)

    def owns(self, path: str, headers: Mapping[bytes, bytes], query: str) -> bool:  # noqa: ARG002
        """Its paths are its own, and its lists are OpenAI's."""
        return False

    def error(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002
        told = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        return msgspec.json.encode({"error": told})

    def error_event(self, error: GatewayError) -> bytes:
        """Nobody knows how many events came before, so their number is told as 0."""
        return error_frame(error, 0)

    def models(self, cards: Sequence[ModelCard]) -> object:
        return {"object": "list", "data": [self.model(card) for card in cards]}

    def model(self, card: ModelCard) -> object:
        return {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owner}

    def read(self, operation: Operation, body: bytes) -> Chat:
        return read_response(operation, body)

    def answer(self, answer: Answer, chat: Chat, call_id: str) -> bytes:
        encoder = ResponsesEncoder(chat, call_id, self._clock)
        encoder.encode(list(replay(answer)))
        return msgspec.json.encode(encoder.response(answer.error))

    def encoder(self, chat: Chat, call_id: str) -> Encoder:
        return ResponsesEncoder(chat, call_id, self._clock)

    def answer_count(self, tokens: int) -> bytes:
        return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})

    # As upstreams speak it

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        if operation.dialect == self.name:
            return operation.path or None
        return "/responses" if operation.task in self.tasks else None

    def instructed(self, operation: Operation, fields: Mapping[str, Raw], prompt: str) -> Mapping[str, bytes | None]:  # noqa: ARG002
        return {"instructions": msgspec.json.encode(prompt)}

    def write(self, chat: Chat, target: Target) -> Written:
        return write_response(chat, target)

    def decode(self, body: bytes, target: Target) -> list[Event]:
        return decode_response(body, target.model)

    def decoder(self, target: Target) -> Decoder:
        return ResponsesDecoder(target.model)

    def refusal(self, status: int, body: bytes) -> GatewayError:
        return _refusal(status, body)


class _ErrorBody(Struct):
    """Compatible servers have their own ideas of where the text goes."""

    error: Any = None
    message: Any = None
    detail: Any = None
    msg: Any = None


_error_body = msgspec.json.Decoder(_ErrorBody)
_MOST_ERROR_TEXT: Final = 2_000


def _refusal(status: int, body: bytes) -> GatewayError:
    try:
        told = _error_body.decode(body)
    except UNREADABLE:
        told = _ErrorBody()
    fields = told.error if isinstance(told.error, dict) else {}
    texts = (fields.get("message"), told.error, told.message, told.detail, told.msg)
    message = next((text for text in texts if isinstance(text, str) and text), "The upstream refused the request.")
    code, kind, param = (
        value if isinstance(value := fields.get(name), str) else None for name in ("code", "type", "param")
    )
    return UpstreamRefused(message[:_MOST_ERROR_TEXT], status=status, code=code, kind=kind, param=param)


RESPONSES: Final = Responses()
