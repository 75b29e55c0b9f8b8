"""Neutral requests and answers of what is no conversation: embeddings, reranking, pictures.

As with ``chat``: formats of clients read into these, formats of upstreams write out of them; None is "not said".
"""

from __future__ import annotations

import base64
import sys
from array import array
from typing import Any, Literal

from msgspec import Struct

from ..models import Usage
from .chat import File

__all__ = ["Embed", "Embedded", "Paint", "Painted", "Ranked", "Rerank", "Score", "packed"]


class Embed(Struct, frozen=True, kw_only=True):
    """``inputs`` are texts, or texts that came tokenized. ``base64``: vectors are wanted as base64 of little-endian
    float32. ``purpose`` is the caller's word for what they are for (Gemini's taskType, Cohere's and Voyage's
    input_type). ``batched``: the format tells one input from a list of one."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    base64: bool = False
    purpose: str | None = None
    title: str | None = None
    user: str | None = None
    batched: bool = True
    others: dict[str, Any] = {}


class Embedded(Struct, frozen=True, kw_only=True):
    """One vector for each input, in order. ``usage`` None: not told."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None = None


def packed(vector: tuple[float, ...]) -> str:
    """Base64 of little-endian float32; what is too large for one is infinite in it."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


class Rerank(Struct, frozen=True, kw_only=True):
    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    return_documents: bool = False
    others: dict[str, Any] = {}


class Score(Struct, frozen=True):
    index: int
    score: float


class Ranked(Struct, frozen=True, kw_only=True):
    """The best first. ``units``: search units, as Cohere counts them, None where the upstream does not."""

    scores: tuple[Score, ...]
    usage: Usage | None = None
    units: int | None = None


class Paint(Struct, frozen=True, kw_only=True):
    """Pictures of a prompt. ``size`` is WIDTHxHEIGHT in pixels or a word (auto)."""

    model: str
    prompt: str
    n: int = 1
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: str | None = None
    others: dict[str, Any] = {}


class Painted(Struct, frozen=True, kw_only=True):
    """``pictures`` have ``data`` or ``url``; ``prompts`` are the prompts as revised, as many or none."""

    pictures: tuple[File, ...]
    prompts: tuple[str, ...] = ()
    usage: Usage | None = None
