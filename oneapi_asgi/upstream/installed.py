"""What of the seams an extra brings, where it is installed."""

from __future__ import annotations

from ..extra import MissingExtra, needs
from .guard import AddressGuard
from .sockets import Sockets

__all__ = ["installed_sockets"]


def installed_sockets(guard: AddressGuard | None = None) -> Sockets | None:
    """Those of the extra, not opened yet (``async with`` opens them); None where it is missing."""
    try:
        with needs("standalone"):
            from .aiohttp_sockets import AiohttpSockets
    except MissingExtra:
        return None
    return AiohttpSockets(guard=guard)
