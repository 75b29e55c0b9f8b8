"""What is kept beside tokens, channels and money: answers to repeated calls, notes that come back, what callers own at
upstreams.

``ports`` names the two protocols among the others. Both are optional: a storage without them serves calls all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

__all__ = [
    "NOTE_BYTES",
    "Claim",
    "Conclude",
    "Kept",
    "KeptNote",
    "KeptState",
    "NoteStore",
    "ObjectStore",
    "OwnedObject",
]

NOTE_BYTES = 256 * 1024
"""The largest note that is taken."""


KeptState = Literal["running", "stored", "delivered", "lost"]
"""Of the answer to an Idempotency-Key: not there yet, kept, given but not kept, or paid for and lost in a crash."""


class Claim(Struct, frozen=True, kw_only=True):
    """Make the call ``call_id`` the one that answers ``key``, a digest. The claim stands for ``lease`` seconds from now
    or from its last renewal, what came of it is kept for ``keep`` seconds. ``fingerprint`` is that of the request."""

    key: str
    call_id: str
    fingerprint: str
    lease: float
    keep: float


class Conclude(Struct, frozen=True, kw_only=True):
    """End the claim of ``call_id`` on ``key``: keep its answer (``stored``), keep that it was given (``delivered``), or
    ``free`` the key for the next call."""

    key: str
    call_id: str
    state: Literal["stored", "delivered", "free"]
    keep: float
    status: int = 0
    content_type: str = ""
    body: bytes = b""


class Kept(Struct, frozen=True, kw_only=True):
    """What is known of a key that another call has claimed. The answer is there if ``state`` is ``stored``."""

    call_id: str
    fingerprint: str
    state: KeptState
    status: int = 0
    content_type: str = ""
    body: bytes = b""


class KeptNote(Struct, frozen=True, kw_only=True):
    """Bytes that the next request of a conversation needs again, such as the signature of a model's thought.

    ``key`` is a hex SHA-256 digest of what they belong to; ``value`` has at most ``NOTE_BYTES``, and is kept for
    ``keep`` seconds from when it is put.
    """

    key: str
    value: bytes
    keep: float


class OwnedObject(Struct, frozen=True, kw_only=True):
    """A file, batch, answer or the like that a caller made at an upstream.

    ``id`` is what the upstream named it: 1 to 256 printable characters. ``kind`` is such as ``"file"`` or ``"batch"``,
    at most 16. ``key`` is the hex SHA-256 digest of the channel's key it was made with, since under another one the
    upstream may not know it. Its owner is the user, or, where ``user_id`` is 0, the token. ``about`` is a little that
    is worth telling again, at most 48 KiB as JSON: purpose, file name, model, input file.
    """

    id: str
    kind: str
    channel_id: int
    key: str
    token_id: int = 0
    user_id: int = 0
    created: float
    about: dict[str, str] = {}


@runtime_checkable
class NoteStore(Protocol):
    """Notes, for a while. They make answers better, and nothing depends on one: a store may lose them."""

    async def put_notes(self, notes: Sequence[KeptNote]) -> None:
        """Keep them all, in the place of what was kept under their keys; of several with one key, the last.

        :raises ValueError: a key is no digest, a value is too large, or a time is none; none was kept
        """
        ...

    async def get_notes(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Those of them that are still kept, by the storage's clock."""
        ...

    async def purge_notes(self) -> int:
        """Forget up to 1,000 notes whose time is over, and return how many there were."""
        ...


@runtime_checkable
class ObjectStore(Protocol):
    """What callers own at upstreams. Two providers may give one id: then the newest of this owner's is meant."""

    async def put_object(self, owned: OwnedObject) -> None:
        """Keep it, in the place of what this owner has under its id at its channel.

        :raises ValueError: the id, the kind, the key or ``about`` is not as ``OwnedObject`` says
        """
        ...

    async def get_object(self, object_id: str, *, user_id: int, token_id: int) -> OwnedObject | None:
        """The one of that id, if it is the user's, or, where ``user_id`` is 0, the token's."""
        ...

    async def list_objects(
        self, kind: str, *, user_id: int, token_id: int, limit: int = 20, after: str | None = None
    ) -> Sequence[OwnedObject]:
        """The owner's of a kind, newest first, at most ``limit``; those behind the one with the id ``after``.

        :raises KeyError: the owner has none with the id ``after`` of that kind
        :raises ValueError: the limit is not between 1 and 10,000
        """
        ...

    async def delete_object(self, object_id: str, *, user_id: int, token_id: int) -> bool:
        """Forget the one that ``get_object`` gives, and return whether there was one."""
        ...
