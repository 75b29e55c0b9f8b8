"""What is no conversation, as OpenAI's clients ask for it and compatible upstreams answer: embeddings
(https://platform.openai.com/docs/api-reference/embeddings), pictures (…/images), and reranking, which OpenAI has not:
there the shape is the one that Jina (https://api.jina.ai/redoc) and Cohere share, with the names that Voyage uses
(https://docs.voyageai.com/reference/reranker-api) understood as well.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from ...errors import BadRequest
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import File, Target, Written
from ..dialect import MalformedAnswerError
from ..reading import decoded, unread
from ..tasks import Embed, Embedded, Paint, Painted, Ranked, Rerank, Score, packed
from ..usage import counts_of, parse_usage

__all__ = [
    "answer_embed",
    "answer_paint",
    "answer_rerank",
    "decode_embed",
    "decode_paint",
    "decode_rerank",
    "read_embed",
    "read_paint",
    "read_rerank",
    "write_embed",
    "write_paint",
    "write_rerank",
]

# A union with None would admit nothing but null: a missing key is told by identity.
_ABSENT = Raw()


def _usage(raw: Raw) -> Usage | None:
    return parse_usage(raw) if raw is not _ABSENT else None


def _left_out(fields: Mapping[str, object], others: dict[str, Any]) -> tuple[str, ...]:
    return (*(name for name, value in fields.items() if value is not None), *others)


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


# --- embeddings -------------------------------------------------------------------------------------------------------


class _EmbedRequest(Struct):
    """``input_type`` and ``output_dimension`` are Voyage's names, ``task`` is Jina's."""

    model: str
    input: str | list[Any]
    dimensions: int | None = None
    output_dimension: int | None = None
    encoding_format: Literal["float", "base64"] | None = None
    input_type: str | None = None
    task: str | None = None
    title: str | None = None
    user: str | None = None


_embed_request = msgspec.json.Decoder(_EmbedRequest)


def read_embed(body: bytes) -> Embed:
    """
    :raises BadRequest: the body is no such request
    """
    request = decoded(_embed_request, body)
    inputs, batched = _inputs(request.input)
    return Embed(
        model=request.model,
        inputs=inputs,
        dimensions=request.dimensions if request.dimensions is not None else request.output_dimension,
        base64=request.encoding_format == "base64",
        purpose=request.input_type or request.task,
        title=request.title,
        user=request.user,
        batched=batched,
        others=unread(body, _EmbedRequest.__struct_fields__, {}),
    )


def _inputs(given: str | list[Any]) -> tuple[tuple[str | tuple[int, ...], ...], bool]:
    """A text, several, the tokens of one, or of several; and whether it was a list of inputs."""
    if isinstance(given, str):
        return (given,), False
    if _are_tokens(given):
        return (tuple(given),), False
    if given and all(
        isinstance(item, str) or (isinstance(item, list) and item and _are_tokens(item)) for item in given
    ):
        return tuple(item if isinstance(item, str) else tuple(item) for item in given), True
    raise BadRequest(
        "'input': is neither a text, nor texts, nor tokens of such. Send a string or a list of strings.",
        param="input",
        code="invalid_value",
    )


def _are_tokens(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, int) and not isinstance(item, bool) for item in items)


def answer_embed(embedded: Embedded, embed: Embed, call_id: str) -> bytes:  # noqa: ARG001  # the format has no ids
    tokens = embedded.usage.input if embedded.usage is not None else 0
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": packed(vector) if embed.base64 else vector}
                for index, vector in enumerate(embedded.vectors)
            ],
            "model": embed.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def write_embed(embed: Embed, target: Target) -> Written:
    """Vectors are asked for as numbers, which every provider can."""
    inputs = [item if isinstance(item, str) else list(item) for item in embed.inputs]
    purpose = embed.purpose if "input_type" in target.quirks else None
    body = {
        "model": target.model,
        "input": inputs if embed.batched or len(inputs) != 1 else inputs[0],
        "output_dimension" if "output_dimension" in target.quirks else "dimensions": embed.dimensions,
        "input_type": purpose,
        "user": embed.user,
    }
    lost = {"purpose": embed.purpose if purpose is None else None, "title": embed.title}
    return Written(body=_said(body), dropped=_left_out(lost, embed.others))


class _Vector(Struct):
    embedding: str | list[float]
    index: int | None = None


class _EmbedAnswer(Struct):
    data: list[_Vector]
    usage: Raw = _ABSENT


_embed_answer = msgspec.json.Decoder(_EmbedAnswer)


def decode_embed(body: bytes) -> Embedded:
    """
    :raises MalformedAnswerError: it is no list of vectors
    """
    answer = _answered(_embed_answer, body)
    if not answer.data:
        raise MalformedAnswerError("there is no embedding in the answer")
    numbered = [(at if item.index is None else item.index, item.embedding) for at, item in enumerate(answer.data)]
    numbered.sort(key=lambda item: item[0])
    return Embedded(vectors=tuple(_vector(vector) for _, vector in numbered), usage=_usage(answer.usage))


def _vector(vector: str | list[float]) -> tuple[float, ...]:
    if isinstance(vector, list):
        return tuple(vector)
    try:
        packed = base64.b64decode(vector, validate=True)
        return struct.unpack(f"<{len(packed) // 4}f", packed)
    except (binascii.Error, ValueError, struct.error):
        raise MalformedAnswerError("an embedding is no base64 of float32") from None


def _answered(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise MalformedAnswerError(str(error)) from None


# --- reranking --------------------------------------------------------------------------------------------------------


class _Document(Struct):
    text: str


class _RerankRequest(Struct):
    model: str
    query: str
    documents: list[str | _Document]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    top_k: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None


_rerank_request = msgspec.json.Decoder(_RerankRequest)


def read_rerank(body: bytes) -> Rerank:
    """
    :raises BadRequest: the body is no such request
    """
    request = decoded(_rerank_request, body)
    if not request.documents:
        raise BadRequest("'documents': there are none. Send at least one.", param="documents", code="invalid_value")
    return Rerank(
        model=request.model,
        query=request.query,
        documents=tuple(item if isinstance(item, str) else item.text for item in request.documents),
        top_n=request.top_n if request.top_n is not None else request.top_k,
        return_documents=request.return_documents or False,
        others=unread(body, _RerankRequest.__struct_fields__, {}),
    )


def answer_rerank(ranked: Ranked, rerank: Rerank, call_id: str) -> bytes:
    results = []
    for score in ranked.scores[: rerank.top_n]:
        result: dict[str, Any] = {"index": score.index, "relevance_score": score.score}
        if rerank.return_documents and 0 <= score.index < len(rerank.documents):
            result["document"] = {"text": rerank.documents[score.index]}
        results.append(result)
    body: dict[str, Any] = {"id": call_id, "model": rerank.model, "results": results}
    if ranked.usage is not None:
        tokens = ranked.usage.input + ranked.usage.output
        body["usage"] = {"prompt_tokens": ranked.usage.input, "total_tokens": tokens}
    if ranked.units is not None:
        body["meta"] = {"billed_units": {"search_units": ranked.units}}
    return msgspec.json.encode(body)


def write_rerank(rerank: Rerank, target: Target) -> Written:
    """Documents are not asked back: the caller's format puts its own beside the scores."""
    body = {
        "model": target.model,
        "query": rerank.query,
        "documents": list(rerank.documents),
        "top_k" if "rerank_top_k" in target.quirks else "top_n": rerank.top_n,
    }
    return Written(body=_said(body), dropped=tuple(rerank.others))


class _Result(Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Meta(Struct):
    billed_units: Raw = _ABSENT
    tokens: Raw = _ABSENT


class _RerankAnswer(Struct):
    results: list[_Result] | None = None
    data: list[_Result] | None = None
    usage: Raw = _ABSENT
    meta: _Meta | None = None


_rerank_answer = msgspec.json.Decoder(_RerankAnswer | list[_Result])


def decode_rerank(body: bytes) -> Ranked:
    """
    :raises MalformedAnswerError: it is no list of scores
    """
    answer = _answered(_rerank_answer, body)
    if isinstance(answer, list):  # text-embeddings-inference sends the bare list
        answer = _RerankAnswer(results=answer)
    results = answer.results if answer.results is not None else answer.data
    if results is None:
        raise MalformedAnswerError("there are no scores in the answer")
    scores = [
        Score(item.index, item.relevance_score if item.relevance_score is not None else item.score or 0.0)
        for item in results
    ]
    meta = answer.meta or _Meta()
    counted = counts_of(meta.tokens).get("input_tokens")
    return Ranked(
        scores=tuple(sorted(scores, key=lambda score: -score.score)),
        usage=_usage(answer.usage) or (Usage(input=counted) if counted else None),
        units=counts_of(meta.billed_units).get("search_units"),
    )


# --- pictures ---------------------------------------------------------------------------------------------------------


class _PaintRequest(Struct):
    """Which model paints where none is named is told by the operation."""

    prompt: str
    model: str = "dall-e-2"
    n: Annotated[int, Meta(ge=1)] | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: str | None = None


_paint_request = msgspec.json.Decoder(_PaintRequest)

_RARE: Final = frozenset(("moderation", "output_compression", "safety_identifier", "style"))
_ALWAYS_BASE64 = re.compile(r"(?:.*/)?(?:chatgpt-image|gpt-image)")
_FORMATS: Final = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg", "gif": "image/gif"}
_BEGINNINGS: Final = {"/9j/": "image/jpeg", "UklGR": "image/webp", "R0lGOD": "image/gif"}
"""How pictures begin, in base64."""


def read_paint(body: bytes) -> Paint:
    """
    :raises BadRequest: the body is no such request
    """
    request = decoded(_paint_request, body)
    return Paint(
        model=request.model,
        prompt=request.prompt,
        n=request.n or 1,
        size=request.size,
        quality=request.quality,
        background=request.background,
        output_format=request.output_format,
        response_format=request.response_format,
        user=request.user,
        others=unread(body, _PaintRequest.__struct_fields__, {"stream": False}),
    )


def answer_paint(painted: Painted, paint: Paint, call_id: str) -> bytes:  # noqa: ARG001  # the format has no ids
    prompts = painted.prompts or ("",) * len(painted.pictures)
    body: dict[str, Any] = {
        "created": int(time.time()),
        "data": [
            {**_picture(file, paint), **({"revised_prompt": prompt} if prompt else {})}
            for file, prompt in zip(painted.pictures, prompts, strict=False)
        ],
    }
    if painted.usage is not None:
        body["usage"] = _paint_usage(painted.usage)
    return msgspec.json.encode(body)


def _picture(file: File, paint: Paint) -> dict[str, str | None]:
    """A picture that is wanted as an URL and came as data is told as a data: URL."""
    if file.data is None:
        return {"url": file.url}
    if paint.response_format == "url":
        return {"url": f"data:{file.media_type or 'image/png'};base64,{file.data}"}
    return {"b64_json": file.data}


def _paint_usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "text_tokens": usage.input - usage.input_image,
            "image_tokens": usage.input_image,
        },
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }


def write_paint(paint: Paint, target: Target) -> Written:
    form = None if _ALWAYS_BASE64.match(target.model) else paint.response_format
    body = {
        "model": target.model,
        "prompt": paint.prompt,
        "n": paint.n if paint.n > 1 else None,
        "size": paint.size,
        "quality": paint.quality,
        "background": paint.background,
        "output_format": paint.output_format,
        "response_format": form,
        "user": paint.user,
    }
    known = _RARE if "rare_fields" in target.quirks else frozenset[str]()
    told = {name: value for name, value in paint.others.items() if name in known}
    return Written(body=_said(body) | told, dropped=tuple(name for name in paint.others if name not in known))


class _Picture(Struct):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class _PaintAnswer(Struct):
    data: list[_Picture] | None = None
    images: list[_Picture] | None = None
    output_format: str | None = None
    usage: Raw = _ABSENT


_paint_answer = msgspec.json.Decoder(_PaintAnswer)


def decode_paint(body: bytes) -> Painted:
    """
    :raises MalformedAnswerError: there is no picture in it
    """
    answer = _answered(_paint_answer, body)
    made = [
        (file, picture.revised_prompt or "")
        for picture in answer.data or answer.images or ()
        if (file := _painted(picture, answer.output_format or "")) is not None
    ]
    if not made:
        raise MalformedAnswerError("there is no picture in the answer")
    prompts = tuple(prompt for _, prompt in made)
    return Painted(
        pictures=tuple(file for file, _ in made),
        prompts=prompts if any(prompts) else (),
        usage=_usage(answer.usage),
    )


def _painted(picture: _Picture, output_format: str) -> File | None:
    if picture.b64_json:
        data = picture.b64_json.partition(",")[2] if picture.b64_json.startswith("data:") else picture.b64_json
        begun = next((name for start, name in _BEGINNINGS.items() if data.startswith(start)), "image/png")
        return File(kind="image", media_type=_FORMATS.get(output_format, begun), data=data)
    if picture.url and picture.url.startswith("data:"):
        head, _, data = picture.url[len("data:") :].partition(",")
        return File(kind="image", media_type=head.partition(";")[0], data=data)
    return File(kind="image", url=picture.url) if picture.url else None
