"""For tests of gateways, and of what is built from their components.

``StorageContract`` and its parts need pytest, the others do not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .client import Response, StreamedResponse, StreamingClient
from .upstream import Answer, Fake, FakeUpstream, Journaled, Part

if TYPE_CHECKING:
    from .channel_contract import ChannelContract
    from .code_contract import CodeContract
    from .contracts import StorageContract
    from .idempotency_contract import IdempotencyContract
    from .lease_contract import LeaseContract
    from .ledger_contract import LedgerContract
    from .limit_contract import LimitContract
    from .note_contract import NoteContract
    from .object_contract import ObjectContract
    from .record_contract import RecordContract

__all__ = [
    "Answer",
    "ChannelContract",
    "CodeContract",
    "Fake",
    "FakeUpstream",
    "IdempotencyContract",
    "Journaled",
    "LeaseContract",
    "LedgerContract",
    "LimitContract",
    "NoteContract",
    "ObjectContract",
    "Part",
    "RecordContract",
    "Response",
    "StorageContract",
    "StreamedResponse",
    "StreamingClient",
]

_CONTRACTS = {
    "ChannelContract": "channel_contract",
    "CodeContract": "code_contract",
    "IdempotencyContract": "idempotency_contract",
    "LeaseContract": "lease_contract",
    "LedgerContract": "ledger_contract",
    "LimitContract": "limit_contract",
    "NoteContract": "note_contract",
    "ObjectContract": "object_contract",
    "RecordContract": "record_contract",
    "StorageContract": "contracts",
}


def __getattr__(name: str) -> Any:
    if name in _CONTRACTS:  # pytest is an extra
        return getattr(import_module(f".{_CONTRACTS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
