"""The counts that an upstream reports, in any of the shapes that OpenAI-compatible providers use, as one ``Usage``.

Chat says ``prompt_tokens`` and ``completion_tokens``, Responses, images and transcription say ``input_tokens`` and
``output_tokens``, some embeddings say ``total_tokens`` alone, Whisper says ``seconds``. Counts that cannot be
(negative, not integers, all zero) are no counts: the caller of ``parse_usage`` estimates instead.

What a count can be is the same in every format: those that have names of their own read theirs by ``count_of`` and
``counts_of``, for which no report is so strange that it would spoil the answer beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from ..models import Usage
from ..unreadable import UNREADABLE

__all__ = ["Reported", "count_of", "counts_of", "guess_output", "parse_usage", "usage_of"]

_TOO_MANY = 1 << 40
_ONE_TOKEN = 16
_BYTES_A_TOKEN = 4


class _Details(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class Reported(Struct):
    """A ``usage`` value, in any of these shapes."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    input_token_details: _Details | None = None
    output_token_details: _Details | None = None
    seconds: float | None = None


_decoder = msgspec.json.Decoder(Reported)
_anything = msgspec.json.Decoder()
_fields = msgspec.json.Decoder(dict[str, Raw])
_NONE = _Details()
_NULL = b"null"


def count_of(told: object) -> int | None:
    """A count as it was told, or its JSON. None for what cannot be one: no whole number, less than nothing, or more
    than anybody uses; what was not told, or is null, is 0."""
    if isinstance(told, Raw):
        try:
            told = _anything.decode(told) if bytes(told) else None
        except UNREADABLE:
            return None
    if told is None:
        return 0
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told < _TOO_MANY or told != int(told):
        return None
    return int(told)


def counts_of(told: Raw) -> Mapping[str, int | None]:
    """Those of an object's fields that are not null, each as ``count_of`` has it; empty for what is no object."""
    try:
        fields = _fields.decode(told)
    except UNREADABLE:
        return {}
    return {name: count_of(value) for name, value in fields.items() if bytes(value) != _NULL}


def parse_usage(raw: Raw | bytes) -> Usage | None:
    """What a ``usage`` value says, None when it says nothing that can be charged."""
    try:
        return usage_of(_decoder.decode(raw))
    except UNREADABLE:
        return None


def usage_of(reported: Reported) -> Usage | None:
    """The same of one that was read."""
    given_output, given_input = reported.completion_tokens, reported.prompt_tokens
    if given_output is None:
        given_output = reported.output_tokens
    if given_input is None:
        given_input = reported.input_tokens
    output = given_output or 0
    total_only = given_input is None and reported.total_tokens is not None
    input_ = (reported.total_tokens or 0) - output if total_only else given_input or 0
    seconds = math.ceil(reported.seconds) if reported.seconds and math.isfinite(reported.seconds) else 0
    if input_ < 0 or output < 0 or seconds < 0 or not 0 < input_ + output + seconds < _TOO_MANY:
        return None
    # Transcription and realtime write "token", all others "tokens".
    before = reported.prompt_tokens_details or reported.input_tokens_details or reported.input_token_details
    after = reported.completion_tokens_details or reported.output_tokens_details or reported.output_token_details
    hit = reported.prompt_cache_hit_tokens
    if hit is None:
        hit = reported.cached_tokens
    if before is None and after is None and hit is None:
        return Usage(input=input_, output=output, audio_seconds=seconds)
    before, after = before or _NONE, after or _NONE
    cached = before.cached_tokens if before.cached_tokens is not None else hit
    # Each part is bounded by what is left of its whole, so that a wrong report can never make a price negative.
    read, written, audio, image = _parts(
        input_, cached, before.cache_write_tokens, before.audio_tokens, before.image_tokens
    )
    reasoning, audio_out, image_out = _parts(output, after.reasoning_tokens, after.audio_tokens, after.image_tokens)
    return Usage(
        input=input_,
        output=output,
        cache_read=read,
        cache_write=written,
        reasoning=reasoning,
        input_audio=audio,
        output_audio=audio_out,
        input_image=image,
        output_image=image_out,
        audio_seconds=seconds,
    )


def _parts(whole: int, *parts: int | None) -> list[int]:
    bounded = []
    for part in parts:
        bounded.append(min(max(part or 0, 0), whole))
        whole -= bounded[-1]
    return bounded


def guess_output(text: int) -> int:
    """The tokens in so many bytes of one piece of output, where nobody counts.

    Providers mostly send one token an event; no token is much longer than 16 bytes. What is longer holds several, of
    about four bytes each.
    """
    return 0 if text <= 0 else 1 if text <= _ONE_TOKEN else -(-text // _BYTES_A_TOKEN)
