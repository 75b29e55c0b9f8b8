"""What a ledger that is away could not be told, in a file that outlives a process which ends before the ledger is back.

    quota = Quota(ledger, prices, spool=Spool("/var/lib/oneapi/spool", ledger="main"))

A settlement that the ledger did not take is appended, and on the disk before the ledger is asked again. The file goes
when the ledger has taken all that is in it. Files that others left are settled at the start; several processes may do
that at once, as to settle twice changes nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from .models import Settle
from .unreadable import UNREADABLE

__all__ = ["Spool"]

_log = logging.getLogger(__name__)

_SUFFIX = ".settlements"


class Spool:
    """Files in ``folder``, which is made when it is first needed. ``ledger`` (letters, digits, dots) tells them from
    those for other ledgers. Whatever is wrong with the folder is logged: a call that was made is not refused for it.
    The methods block, for as long as the disk takes."""

    def __init__(self, folder: str | os.PathLike[str], *, ledger: str = "ledger") -> None:
        self._folder = Path(folder)
        self._ledger = ledger
        self._own = self._folder / f"{ledger}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        self._kept: set[str] = set()
        self._left: dict[Path, int] = {}

    def read(self) -> list[Settle]:
        """What others left here. ``forget`` removes it."""
        if not os.access(_there(self._folder), os.W_OK):
            _log.error("%s cannot be written: settlements would not outlive an outage of the ledger", self._folder)
        found: list[Settle] = []
        for path in sorted(self._folder.glob(f"{self._ledger}-*{_SUFFIX}")):
            content = _content(path)
            self._left[path] = len(content)
            found += _settlements(path, content)
        self._kept.update([settlement.id for settlement in found])
        return found

    def keep(self, settlements: Iterable[Settle]) -> None:
        """Write down those that are not there yet."""
        fresh = [*{each.id: each for each in settlements if each.id not in self._kept}.values()]
        if not fresh:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _append(self._own, fresh)
        except OSError as error:
            _log.error("%d settlements cannot be written to %s: %s", len(fresh), self._folder, error.strerror)
            return
        self._kept.update([each.id for each in fresh])

    @property
    def empty(self) -> bool:
        return not self._kept

    def forget(self, reservations: Iterable[str]) -> None:
        """These are settled. When all are, the files go."""
        self._kept.difference_update(reservations)
        if self._kept:
            return
        _remove(self._own)
        for path, size in self._left.items():
            _remove(path, size)
        self._left.clear()


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next((place for place in (folder.absolute(), *folder.absolute().parents) if place.exists()), folder)


def _append(path: Path, settlements: Sequence[Settle]) -> None:
    lines = b"\n".join([msgspec.json.encode(each) for each in settlements])
    with path.open("ab") as file:
        file.write(b"\n" + lines + b"\n")  # on lines of their own, also after one that broke off on a full disk
        file.flush()
        os.fsync(file.fileno())


def _remove(path: Path, size: int | None = None) -> None:
    """Unless it has another size: then somebody lives who writes to it."""
    try:
        if size is None or path.stat().st_size == size:
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        _log.error("%s cannot be removed: %s", path, error.strerror)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _log.error("%s cannot be read: %s", path, error.strerror)
        return b""


def _settlements(path: Path, content: bytes) -> Iterator[Settle]:
    """A line that was not written to its end was not promised to anybody."""
    for line in filter(None, content.split(b"\n")):
        try:
            yield msgspec.json.decode(line, type=Settle)
        except UNREADABLE:
            _log.error("%s has a line that is no settlement", path)
