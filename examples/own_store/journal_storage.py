"""A storage of one's own: tables in memory, every change a line of JSON in a file, and all replayed at the start."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, get_type_hints

import anyio
import msgspec

from oneapi_asgi import CallRecord, Channel, Group, MemoryStorage, Price, Secret, Token, TokenDraft
from oneapi_asgi.kept import Claim, Conclude, Kept, KeptNote, OwnedObject
from oneapi_asgi.models import Checkpoint, Limit, Reserve, Settle, TokenStatus
from oneapi_asgi.ports import LedgerAnswer, LedgerOperation
from oneapi_asgi.queries import CodeDraft

__all__ = ["JournalStorage"]

T = TypeVar("T")


class _Line(msgspec.Struct):
    """One change: when it was made, the method that made it, and what with."""

    at: float
    deed: str
    given: dict[str, Any]


class JournalStorage(MemoryStorage):
    """All of ``oneapi_asgi.Storage`` in one file, for one process. ``clock`` gives Unix seconds.

    A change is made in memory first, which cannot be interrupted, and answered once its line is on the disk. Changes
    that wait for the disk at the same moment share one ``fsync``. If the disk refuses, memory is ahead of the file: the
    storage then refuses everything until it is opened anew.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        self._noted: float | None = None
        super().__init__(clock=lambda: clock() if self._noted is None else self._noted)
        self._path = Path(path)
        self._unwritten: list[bytes] = []
        self._writing = anyio.Lock()
        self._broken = False

    async def __aenter__(self) -> Self:
        self._file = self._path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # another process would not see our changes
            await self._replay()
        except BaseException:
            self._file.close()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    async def _replay(self) -> None:
        whole = 0
        self._file.seek(0)
        for text in self._file.readlines():
            if not text.endswith(b"\n"):  # the process died while it wrote this, and had promised nobody anything
                self._file.truncate(whole)
                break
            whole += len(text)
            line = _read(text)
            await self._at(line.at, getattr(super(), line.deed)(**line.given))

    async def _at(self, moment: float, doing: Coroutine[Any, Any, T]) -> T:
        """Make a change at the moment that its line names, now and in every replay. It never suspends, so all changes
        are made in the order of their lines, and nobody reads the clock meanwhile."""
        self._noted = moment
        try:
            return await doing
        finally:
            self._noted = None

    async def _kept(self, doing: Coroutine[Any, Any, T], deed: str, **given: object) -> T:
        if self._broken:
            doing.close()
            raise OSError(f"{self._path} could not be written: the storage has to be opened anew")
        now = self._clock()
        text = _written(_Line(now, deed, given))  # before the change: what cannot be written is not made
        done = await self._at(now, doing)
        if done in (0, []):  # nothing expired, an empty batch
            return done
        self._unwritten.append(text)
        with anyio.CancelScope(shield=True):
            async with self._writing:
                await self._write()
        return done

    async def _write(self) -> None:
        lines, self._unwritten = self._unwritten, []
        if self._broken:
            raise OSError(f"{self._path} could not be written: the storage has to be opened anew")
        if not lines:
            return
        try:
            await anyio.to_thread.run_sync(self._append, b"".join(lines))
        except OSError:
            self._broken = True
            raise

    def _append(self, lines: bytes) -> None:
        if self._file.write(lines) != len(lines):
            raise OSError(f"{self._path}: the disk is full")
        os.fsync(self._file.fileno())

    # The changes. Reading is inherited.

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        kinds = {kind: [one for one in operations if isinstance(one, each)] for kind, each in _KINDS.items()}
        return await self._kept(super().apply(operations), "apply", **kinds)

    async def expire(self) -> int:
        return await self._kept(super().expire(), "expire")

    async def credit(self, account: int, amount: int) -> None:
        await self._kept(super().credit(account, amount), "credit", account=account, amount=amount)

    async def add_codes(self, drafts: Sequence[CodeDraft]) -> None:
        await self._kept(super().add_codes(drafts), "add_codes", drafts=drafts)

    async def redeem(self, digest: str, user: str) -> int:
        return await self._kept(super().redeem(digest, user), "redeem", digest=digest, user=user)

    async def open_budgets(self, wanted: Sequence[tuple[int, str]]) -> Sequence[int | None]:
        return await self._kept(super().open_budgets(wanted), "open_budgets", wanted=wanted)

    async def claim_answer(self, claim: Claim) -> Kept | None:
        return await self._kept(super().claim_answer(claim), "claim_answer", claim=claim)

    async def renew_answers(self, claims: Sequence[Claim]) -> None:
        await self._kept(super().renew_answers(claims), "renew_answers", claims=claims)

    async def conclude_answers(self, ended: Sequence[Conclude]) -> None:
        await self._kept(super().conclude_answers(ended), "conclude_answers", ended=ended)

    async def purge_answers(self) -> int:
        return await self._kept(super().purge_answers(), "purge_answers")

    async def put_notes(self, notes: Sequence[KeptNote]) -> None:
        await self._kept(super().put_notes(notes), "put_notes", notes=notes)

    async def purge_notes(self) -> int:
        return await self._kept(super().purge_notes(), "purge_notes")

    async def put_object(self, owned: OwnedObject) -> None:
        await self._kept(super().put_object(owned), "put_object", owned=owned)

    async def delete_object(self, object_id: str, *, user_id: int, token_id: int) -> bool:
        deleting = super().delete_object(object_id, user_id=user_id, token_id=token_id)
        return await self._kept(deleting, "delete_object", object_id=object_id, user_id=user_id, token_id=token_id)

    async def write_records(self, records: Sequence[CallRecord]) -> None:
        await self._kept(super().write_records(records), "write_records", records=records)

    async def prune_records(self, before: float, limit: int = 5_000) -> int:
        return await self._kept(super().prune_records(before, limit), "prune_records", before=before, limit=limit)

    async def add_user(
        self, name: str, *, group: str = "default", admin: bool = False, wallet: int | None = None
    ) -> int:
        adding = super().add_user(name, group=group, admin=admin, wallet=wallet)
        return await self._kept(adding, "add_user", name=name, group=group, admin=admin, wallet=wallet)

    async def set_user(self, name: str, *, enabled: bool) -> None:
        await self._kept(super().set_user(name, enabled=enabled), "set_user", name=name, enabled=enabled)

    async def add_token(self, draft: TokenDraft) -> Token:
        return await self._kept(super().add_token(draft), "add_token", draft=draft)

    async def set_token_status(self, token_id: int, status: TokenStatus) -> None:
        setting = super().set_token_status(token_id, status)
        await self._kept(setting, "set_token_status", token_id=token_id, status=status)

    async def save_channel(self, channel: Channel) -> Channel:
        return await self._kept(super().save_channel(channel), "save_channel", channel=channel)

    async def delete_channel(self, channel_id: int) -> None:
        await self._kept(super().delete_channel(channel_id), "delete_channel", channel_id=channel_id)

    async def disable_channel(self, channel_id: int, because: str) -> bool:
        return await self._kept(
            super().disable_channel(channel_id, because), "disable_channel", channel_id=channel_id, because=because
        )

    async def save_limit(self, limit: Limit) -> Limit:
        return await self._kept(super().save_limit(limit), "save_limit", limit=limit)

    async def delete_limit(self, limit_id: int) -> None:
        await self._kept(super().delete_limit(limit_id), "delete_limit", limit_id=limit_id)

    async def set_price(self, model: str, price: Price | None) -> None:
        await self._kept(super().set_price(model, price), "set_price", model=model, price=price)

    async def set_group(self, group: Group) -> None:
        await self._kept(super().set_group(group), "set_group", group=group)

    async def delete_group(self, name: str) -> None:
        await self._kept(super().delete_group(name), "delete_group", name=name)

    async def declare(
        self, channels: Sequence[Channel], tokens: Sequence[TokenDraft], limits: Sequence[Limit] = ()
    ) -> None:
        declaring = super().declare(channels, tokens, limits)
        await self._kept(declaring, "declare", channels=channels, tokens=tokens, limits=limits)


_KINDS: Mapping[str, type[LedgerOperation]] = {"settle": Settle, "renew": Checkpoint, "reserve": Reserve}
"""A batch is written by kinds, in the order in which any batch is carried out."""

_DEEDS = (
    "add_codes",
    "add_token",
    "add_user",
    "claim_answer",
    "conclude_answers",
    "credit",
    "declare",
    "delete_channel",
    "delete_group",
    "delete_limit",
    "delete_object",
    "disable_channel",
    "expire",
    "open_budgets",
    "prune_records",
    "purge_answers",
    "purge_notes",
    "put_notes",
    "put_object",
    "redeem",
    "renew_answers",
    "save_channel",
    "save_limit",
    "set_group",
    "set_price",
    "set_token_status",
    "set_user",
    "write_records",
)

_GIVEN: Mapping[str, Mapping[str, Any]] = {
    "apply": {name: list[kind] for name, kind in _KINDS.items()},  # type: ignore[valid-type]
    **{deed: get_type_hints(getattr(MemoryStorage, deed)) for deed in _DEEDS},
}
"""What each line of the file holds, by the method's own annotations."""


def _written(line: _Line) -> bytes:
    # The standard encoder also takes what is no Unicode: a model's name is whatever the caller sent.
    return json.dumps(msgspec.to_builtins(line, enc_hook=_plain), separators=(",", ":")).encode() + b"\n"


def _read(text: bytes) -> _Line:
    line = msgspec.convert(json.loads(text), _Line)
    hints = _GIVEN[line.deed]
    given = {name: msgspec.convert(value, hints[name], dec_hook=_secret) for name, value in line.given.items()}
    if line.deed == "apply":
        given = {"operations": [one for kind in _KINDS for one in given[kind]]}
    return _Line(line.at, line.deed, given)


def _plain(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value))


def _secret(kind: type, value: str) -> Secret:
    if kind is Secret:
        return Secret(value)
    raise NotImplementedError(kind)
