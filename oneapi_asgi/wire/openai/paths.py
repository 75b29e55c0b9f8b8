"""OpenAI's API as far as it takes to tell its paths apart and to refuse: a table, its lists, its envelopes.

https://platform.openai.com/docs/api-reference. Errors are ``{"error": {message, type, param, code}}``, alone or as the
last event of a stream. The SDKs raise ``APIError`` for an event that carries ``error``; no ``[DONE]`` follows it, so
that no client takes a broken answer for a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from ...errors import GatewayError
from ..dialect import ModelCard
from ..operations import ARRAY, NULL, NUMBER, OBJECT, STRING, Operation
from ..sse import COMMENT

__all__ = ["OPENAI_PATHS", "OPERATIONS", "OpenAIPaths"]

_SAMPLING: Final = {
    "temperature": NUMBER + NULL,
    "top_p": NUMBER + NULL,
    "stop": STRING + ARRAY + NULL,
    "user": STRING + NULL,
    "stream_options": OBJECT + NULL,
}

_TABLE: Final = (
    Operation(
        name="chat",
        path="/chat/completions",
        task="chat",
        required={"messages": ARRAY},
        optional=_SAMPLING | {"tools": ARRAY + NULL, "response_format": OBJECT + NULL, "metadata": OBJECT + NULL},
        output_limits=("max_completion_tokens", "max_tokens"),
        usage_option=True,
    ),
    Operation(
        name="completions",
        path="/completions",
        task="chat",
        required={"prompt": STRING + ARRAY + NULL},
        optional=_SAMPLING,
        output_limits=("max_tokens",),
        usage_option=True,
    ),
    Operation(
        name="embeddings", path="/embeddings", task="embeddings", output=False, required={"input": STRING + ARRAY}
    ),
    Operation(
        name="moderations",
        path="/moderations",
        task="moderations",
        free=True,
        output=False,
        required={"input": STRING + ARRAY},
        default_model="omni-moderation-latest",
    ),
    Operation(
        name="rerank",
        path="/rerank",
        task="rerank",
        output=False,
        required={"query": STRING + OBJECT, "documents": ARRAY},
    ),
    Operation(
        name="images",
        path="/images/generations",
        task="images",
        required={"prompt": STRING},
        default_model="dall-e-2",
        choices_are_calls=True,
    ),
    Operation(
        name="images.edits",
        path="/images/edits",
        task="images.edits",
        body="multipart",
        default_model="dall-e-2",
        choices_are_calls=True,
    ),
    Operation(
        name="images.variations",
        path="/images/variations",
        task="images.variations",
        body="multipart",
        default_model="dall-e-2",
        choices_are_calls=True,
    ),
    Operation(name="speech", path="/audio/speech", task="speech", required={"input": STRING, "voice": STRING + OBJECT}),
    Operation(name="transcriptions", path="/audio/transcriptions", task="transcriptions", body="multipart"),
    Operation(name="translations", path="/audio/translations", task="translations", body="multipart"),
)

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType({operation.path: operation for operation in _TABLE})

_FAMILIES = re.compile(r"/(?:images|audio)(?:/[a-z0-9_-]+)+")
"""Where OpenAI adds paths; an unlisted one is passed on as it is. Only plain names: dots would climb out of the family,
to paths whose cost nobody can tell, under the operator's key."""


class OpenAIPaths:
    """What a caller is told by who has read nothing of its request yet."""

    name = "openai"
    stream_type = "text/event-stream"
    keep_alive = COMMENT
    request_id_header = "x-request-id"
    passed_headers = frozenset((b"openai-beta",))
    list_path = "/models"
    names: Mapping[str, str] = MappingProxyType({})

    def operation(self, path: str) -> Operation | None:
        found = OPERATIONS.get(path)
        if found is None and _FAMILIES.fullmatch(path):
            name = path.strip("/").replace("/", ".")
            return Operation(name=name, path=path, task=name)
        return found

    def owns(self, path: str, headers: Mapping[bytes, bytes], query: str) -> bool:  # noqa: ARG002
        """What is nobody else's."""
        return True

    def error(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002  # it is in the header
        return msgspec.json.encode(
            {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
        )

    def error_event(self, error: GatewayError) -> bytes:
        return b"data: " + self.error(error, "") + b"\n\n"

    def models(self, cards: Sequence[ModelCard]) -> object:
        return {"object": "list", "data": [self.model(card) for card in cards]}

    def model(self, card: ModelCard) -> object:
        return {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owner}


OPENAI_PATHS = OpenAIPaths()
