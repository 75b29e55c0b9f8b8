"""What callers can ask for: the OpenAI paths that carry a call to a model, as a table.

An operation says what its request must hold and which parts of an answer cost money; everything else about it is the
upstream's business. Paths are relative to the API's root, without the ``/v1``.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

__all__ = ["ARRAY", "BOOLEAN", "NULL", "NUMBER", "OBJECT", "OPERATIONS", "STRING", "Operation", "operation_at"]

STRING = b'"'
NUMBER = b"-0123456789"
BOOLEAN = b"tf"
ARRAY = b"["
OBJECT = b"{"
NULL = b"n"


class Operation(Struct, frozen=True, kw_only=True):
    """One kind of call.

    ``required`` and ``optional`` give the first bytes that the JSON value of a field may have, which is all of its type
    that is checked here. ``output`` says whether the answer holds output that is paid for; ``output_limits`` are the
    fields that bound the output tokens, empty when there are none to pay. ``default_model`` is what the upstream takes
    when the request names none. ``usage_option`` says that a stream reports usage only when
    ``stream_options.include_usage`` asks for it. ``choices_are_calls``: a price per call is for each of the ``n``
    results, as with images. ``free``: providers do not charge for it, so it needs no price.
    """

    name: str
    body: Literal["json", "multipart"] = "json"
    required: dict[str, bytes] = {}
    optional: dict[str, bytes] = {}
    output: bool = True
    output_limits: tuple[str, ...] = ()
    default_model: str | None = None
    usage_option: bool = False
    choices_are_calls: bool = False
    free: bool = False


_SAMPLING = {
    "temperature": NUMBER + NULL,
    "top_p": NUMBER + NULL,
    "stop": STRING + ARRAY + NULL,
    "user": STRING + NULL,
    "stream_options": OBJECT + NULL,
}

OPERATIONS: dict[str, Operation] = {
    "/chat/completions": Operation(
        name="chat",
        required={"messages": ARRAY},
        optional=_SAMPLING | {"tools": ARRAY + NULL, "response_format": OBJECT + NULL, "metadata": OBJECT + NULL},
        output_limits=("max_completion_tokens", "max_tokens"),
        usage_option=True,
    ),
    "/completions": Operation(
        name="completions",
        required={"prompt": STRING + ARRAY + NULL},
        optional=_SAMPLING,
        output_limits=("max_tokens",),
        usage_option=True,
    ),
    "/responses": Operation(
        name="responses",
        optional={
            "input": STRING + ARRAY + NULL,
            "instructions": STRING + ARRAY + NULL,
            "temperature": NUMBER + NULL,
            "tools": ARRAY + NULL,
            "background": b"f" + NULL,  # what is made after the answer is never counted
        },
        output_limits=("max_output_tokens",),
    ),
    "/embeddings": Operation(name="embeddings", output=False, required={"input": STRING + ARRAY}),
    "/moderations": Operation(
        name="moderations",
        free=True,
        output=False,
        required={"input": STRING + ARRAY},
        default_model="omni-moderation-latest",
    ),
    "/rerank": Operation(name="rerank", output=False, required={"query": STRING + OBJECT, "documents": ARRAY}),
    "/images/generations": Operation(
        name="images", required={"prompt": STRING}, default_model="dall-e-2", choices_are_calls=True
    ),
    "/images/edits": Operation(name="images.edits", body="multipart", default_model="dall-e-2", choices_are_calls=True),
    "/images/variations": Operation(
        name="images.variations", body="multipart", default_model="dall-e-2", choices_are_calls=True
    ),
    "/audio/speech": Operation(name="speech", required={"input": STRING, "voice": STRING + OBJECT}),
    "/audio/transcriptions": Operation(name="transcriptions", body="multipart"),
    "/audio/translations": Operation(name="translations", body="multipart"),
}

_FAMILIES = re.compile(r"/(?:images|audio)(?:/[a-z0-9_-]+)+")
"""Where OpenAI adds paths; an unlisted one is passed on as it is. Only plain names: dots would climb out of the family,
to paths whose cost nobody can tell, under the operator's key."""


def operation_at(path: str) -> Operation | None:
    """The operation at a path below the API's root, None when there is none."""
    found = OPERATIONS.get(path)
    if found is None and _FAMILIES.fullmatch(path):
        name = path.strip("/").replace("/", ".")
        return Operation(name=name)
    return found
