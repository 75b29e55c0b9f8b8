"""What a call costs: usage times price, and the guess before it. Pure, in integers, rounded up once.

Prices are nano-dollars per million tokens, costs are nano-dollars. Parts of the input or output that are priced apart
(cached, audio, image, reasoning) come off their whole first, so no token is paid for twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .globs import matches
from .models import Price, Usage
from .wire.files import file_sizes

__all__ = ["MILLION", "cost", "estimated", "guess_input", "lookup", "most"]

MILLION = 1_000_000

_BYTES_A_TOKEN = 3
_TOKENS_A_FILE = 1_500
_TEXT_OF_A_FORM = 64 * 1024
# Only a body with a long run of base64 is worth a look for files. Linear: a run is only tried from its start, or one
# that falls short would be tried from each byte.
_BASE64 = re.compile(rb"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{1024,}")


def cost(usage: Usage, price: Price) -> int:
    """Nano-dollars for this usage."""
    price = _tier(price, usage.input)
    plain_input = usage.input - usage.cache_read - usage.cache_write - usage.cache_write_1h
    plain_input -= usage.input_audio + usage.input_image
    plain_output = usage.output - usage.reasoning - usage.output_audio - usage.output_image
    millionths = (
        plain_input * price.input
        + usage.cache_read * _or(price.cache_read, price.input)
        + usage.cache_write * _or(price.cache_write, price.input)
        + usage.cache_write_1h * _or(price.cache_write_1h, _or(price.cache_write, price.input))
        + usage.input_audio * _or(price.input_audio, price.input)
        + usage.input_image * _or(price.input_image, price.input)
        + plain_output * price.output
        + usage.reasoning * _or(price.reasoning, price.output)
        + usage.output_audio * _or(price.output_audio, price.output)
        + usage.output_image * _or(price.output_image, price.output)
    )
    fixed = price.per_call * usage.calls
    minutes = usage.audio_seconds * price.audio_minute
    # One rounding for all parts: over the common denominator of a million tokens and sixty seconds.
    return fixed - (-(millionths * 60 + minutes * MILLION) // (60 * MILLION))


def most(price: Price, *, input_tokens: int, output_tokens: int, calls: int) -> int:
    """Nano-dollars that a call of up to this size may cost at most: every token at the dearest rate it can get."""
    reached = (price, *(tier.price for tier in price.tiers if input_tokens > tier.above))
    return max(_most(flat, input_tokens, output_tokens, calls) for flat in reached)


def _most(price: Price, input_tokens: int, output_tokens: int, calls: int) -> int:
    read, write, hour = price.cache_read, price.cache_write, price.cache_write_1h
    dearest_input = _dearest(price.input, read, write, hour, price.input_audio, price.input_image)
    dearest_output = _dearest(price.output, price.reasoning, price.output_audio, price.output_image)
    return -(-(input_tokens * dearest_input + output_tokens * dearest_output) // MILLION) + price.per_call * calls


def _tier(price: Price, input_tokens: int) -> Price:
    if not price.tiers:
        return price
    reached = [tier for tier in price.tiers if input_tokens > tier.above]
    return max(reached, key=lambda tier: tier.above).price if reached else price


def _or(part: int | None, whole: int) -> int:
    return whole if part is None else part


def _dearest(*rates: int | None) -> int:
    return max(rate for rate in rates if rate is not None)


def guess_input(body: bytes) -> int:
    """The input tokens of a request, from its bytes alone, rather too many than too few.

    Three bytes a token hold for English with its JSON around it and for Chinese alike; every file inside counts as a
    middling image, and so does what a form carries beyond its text.
    """
    if body.startswith(b"--") and len(body) > _TEXT_OF_A_FORM:
        return -(-_TEXT_OF_A_FORM // _BYTES_A_TOKEN) + _TOKENS_A_FILE
    files = file_sizes(body) if len(body) >= 1024 and _BASE64.search(body) else ()
    return -(-(len(body) - sum(files)) // _BYTES_A_TOKEN) + _TOKENS_A_FILE * len(files)


def estimated(body: bytes, output: int, *, calls: int = 1) -> Usage:
    """The usage of a call that nobody counted: guessed from the request and from the output so far."""
    return Usage(input=guess_input(body), output=output, calls=calls, estimated=True)


def lookup(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price under this very name, else under the longest glob that matches it."""
    if model in prices:
        return prices[model]
    globs = [pattern for pattern in prices if matches(model, pattern)]
    return prices[max(globs, key=len)] if globs else None
