"""OpenAI's envelopes: ``{"error": {message, type, param, code}}``, alone or as the last event of a stream.

The SDKs raise ``APIError`` for an event that carries ``error``; no ``[DONE]`` follows it, so that no client takes a
broken answer for a whole one.
"""

from __future__ import annotations

import msgspec

from ..errors import GatewayError

__all__ = ["DONE", "OPENAI", "OpenAI"]

DONE = b"data: [DONE]\n\n"


class OpenAI:
    """The ``Dialect`` of every call, so far."""

    def error(self, error: GatewayError) -> bytes:
        return msgspec.json.encode(
            {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
        )

    def error_event(self, error: GatewayError) -> bytes:
        return b"data: " + self.error(error) + b"\n\n"


OPENAI = OpenAI()
