"""For tests of gateways, and of what is built from their components.

``StorageContract`` needs pytest, the others do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .client import Response, StreamedResponse, StreamingClient
from .upstream import Answer, Fake, FakeUpstream, Journaled, Part

if TYPE_CHECKING:
    from .contracts import StorageContract

__all__ = [
    "Answer",
    "Fake",
    "FakeUpstream",
    "Journaled",
    "Part",
    "Response",
    "StorageContract",
    "StreamedResponse",
    "StreamingClient",
]


def __getattr__(name: str) -> Any:
    if name == "StorageContract":
        from .contracts import StorageContract  # pytest is an extra

        return StorageContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
