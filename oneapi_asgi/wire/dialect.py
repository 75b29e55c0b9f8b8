"""What the gateway asks of a client dialect: its envelopes for trouble, before an answer and within a stream."""

from __future__ import annotations

from typing import Protocol

from ..errors import GatewayError

__all__ = ["Dialect"]


class Dialect(Protocol):
    """A wire format that clients speak."""

    def error(self, error: GatewayError) -> bytes:
        """The JSON body of a refusal."""
        ...

    def error_event(self, error: GatewayError) -> bytes:
        """The event that ends a stream which had begun well."""
        ...
