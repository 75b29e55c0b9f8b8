"""Storages, each with every protocol of ``ports``: ``memory`` for tests and small embeddings, ``sql`` for keeps."""

from __future__ import annotations

__all__ = ["StorageError"]


class StorageError(RuntimeError):
    """The storage cannot be used as it is; the message is for the operator and names the remedy."""
