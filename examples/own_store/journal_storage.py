"""A storage of one's own: tables in memory, every change a line of JSON in a file, and all replayed at the start."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, get_type_hints

import anyio
import msgspec

from oneapi_asgi import CallRecord, Channel, MemoryStorage, Price, Secret, Token, TokenDraft
from oneapi_asgi.models import Ended, Reserve, Reserved, Settle, Settled, Short, TokenStatus

__all__ = ["JournalStorage"]

T = TypeVar("T")


class _Line(msgspec.Struct):
    """One change: when it was made, the method that made it, and what with."""

    at: float
    deed: str
    given: dict[str, msgspec.Raw]


class JournalStorage(MemoryStorage):
    """All of ``oneapi_asgi.Storage`` in one file, for one process.

    A change is made in memory first, which cannot be interrupted, and answered once its line is on the disk. Changes
    that wait for the disk at the same moment share one ``fsync``. If the disk refuses, memory is ahead of the file: the
    storage then refuses everything until it is opened anew.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(clock=lambda: self._now)
        self._path = Path(path)
        self._now = 0.0
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
            line = msgspec.json.decode(text, type=_Line)
            self._now = line.at
            hints = _GIVEN[line.deed]
            given = {
                name: msgspec.json.decode(raw, type=hints[name], dec_hook=_decoded) for name, raw in line.given.items()
            }
            if line.deed == "apply":  # settlements come first in any batch
                given = {"operations": [*given["settle"], *given["reserve"]]}
            await getattr(super(), line.deed)(**given)

    async def _kept(self, doing: Coroutine[Any, Any, T], deed: str, **given: object) -> T:
        if self._broken:
            doing.close()
            raise OSError(f"{self._path} could not be written: the storage has to be opened anew")
        self._now = time.time()
        done = await doing  # never suspends: changes are made, and noted, in one order
        if done in (0, []):  # nothing expired, an empty batch
            return done
        line = {"at": self._now, "deed": deed, "given": given}
        self._unwritten.append(msgspec.json.encode(line, enc_hook=_encoded) + b"\n")
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

    async def apply(self, operations: Sequence[Reserve | Settle]) -> Sequence[Reserved | Short | Settled | Ended]:
        settle = [operation for operation in operations if isinstance(operation, Settle)]
        reserve = [operation for operation in operations if isinstance(operation, Reserve)]
        return await self._kept(super().apply(operations), "apply", settle=settle, reserve=reserve)

    async def expire(self) -> int:
        return await self._kept(super().expire(), "expire")

    async def credit(self, account: int, amount: int) -> None:
        await self._kept(super().credit(account, amount), "credit", account=account, amount=amount)

    async def write_records(self, records: Sequence[CallRecord]) -> None:
        await self._kept(super().write_records(records), "write_records", records=records)

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

    async def set_price(self, model: str, price: Price | None) -> None:
        await self._kept(super().set_price(model, price), "set_price", model=model, price=price)

    async def declare(self, channels: Sequence[Channel], tokens: Sequence[TokenDraft]) -> None:
        await self._kept(super().declare(channels, tokens), "declare", channels=channels, tokens=tokens)


_DEEDS = (
    "add_token",
    "add_user",
    "credit",
    "declare",
    "delete_channel",
    "expire",
    "save_channel",
    "set_price",
    "set_token_status",
    "set_user",
    "write_records",
)

_GIVEN: Mapping[str, Mapping[str, Any]] = {
    "apply": {"settle": list[Settle], "reserve": list[Reserve]},
    **{deed: get_type_hints(getattr(MemoryStorage, deed)) for deed in _DEEDS},
}
"""What each line of the file holds, by the method's own annotations."""


def _encoded(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value))


def _decoded(kind: type, value: str) -> Secret:
    if kind is Secret:
        return Secret(value)
    raise NotImplementedError(kind)
