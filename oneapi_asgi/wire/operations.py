"""What callers can ask for. Each client's format has a table of its own; this is what a row of one says.

An operation says what its request must hold and which parts of an answer cost money; everything else about it is the
business of who reads it. Paths are relative to the API's root, without the ``/v1``.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["ARRAY", "BOOLEAN", "NULL", "NUMBER", "OBJECT", "STRING", "Operation"]

STRING = b'"'
NUMBER = b"-0123456789"
BOOLEAN = b"tf"
ARRAY = b"["
OBJECT = b"{"
NULL = b"n"


class Operation(Struct, frozen=True, kw_only=True):
    """One kind of call.

    ``name`` is what records call it, ``dialect`` the client's format that has it, ``path`` where that has it (below the
    API's root), and ``task`` what it is whatever the format: "chat", "embeddings", "rerank", "images", "count" …
    Formats that name the model in the path, or say there whether to stream, fill ``model`` and ``stream`` when they
    match one. ``query`` is the query string of the request.

    ``required`` and ``optional`` give the first bytes that the JSON value of a field may have, which is all of its type
    that is checked before somebody reads it whole. ``output`` says whether the answer holds output that is paid for;
    ``output_limits`` are the fields that bound the output tokens ("a.b" lies within an object), empty when there are
    none to pay; ``choice_fields`` those that multiply it. ``default_model`` is what the upstream takes when the request
    names none. ``streams`` is what a request wants that does not say. ``usage_option`` says that a stream reports usage
    only when ``stream_options.include_usage`` asks for it. ``choices_are_calls``: a price per call is for each of the
    ``n`` results, as with images. ``free``: providers do not charge for it, so it needs no price.
    """

    name: str
    dialect: str = "openai"
    path: str = ""
    task: str = ""
    model: str = ""
    stream: bool | None = None
    query: str = ""
    body: Literal["json", "multipart"] = "json"
    required: dict[str, bytes] = {}
    optional: dict[str, bytes] = {}
    output: bool = True
    output_limits: tuple[str, ...] = ()
    choice_fields: tuple[str, ...] = ("n", "best_of")
    default_model: str | None = None
    streams: bool = False
    usage_option: bool = False
    choices_are_calls: bool = False
    free: bool = False
