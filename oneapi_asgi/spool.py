"""What a ledger that is away could not be told, in a file that outlives a process which ends before the ledger is back.

    quota = Quota(ledger, prices, spool=Spool("/var/lib/oneapi/spool"))

A settlement that the ledger did not take is appended, and on the disk before the ledger is asked again. The file goes
when the ledger has taken all that is in it. Files that others left are settled at the start; several processes may do
that at once, as to settle twice changes nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from .models import Settle

__all__ = ["Spool"]

_log = logging.getLogger(__name__)

_SUFFIX = ".settlements"


class Spool:
    """Files in ``folder``, which is made when it is first needed. Whatever is wrong with it is logged: a call that was
    made is not refused for it. Its methods block, for as long as the disk takes."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._own = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        self._kept: set[str] = set()
        self._left: tuple[Path, ...] = ()

    def read(self) -> list[Settle]:
        """What others left here. ``forget`` removes it."""
        self._left = tuple(sorted(self._folder.glob(f"*{_SUFFIX}")))
        found = [settlement for path in self._left for settlement in _settlements(path)]
        self._kept.update([settlement.id for settlement in found])
        return found

    def keep(self, settlements: Iterable[Settle]) -> None:
        """Write down those that are not there yet."""
        fresh = [each for each in settlements if each.id not in self._kept]
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
        for path in (self._own, *self._left):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                _log.error("%s cannot be removed: %s", path, error.strerror)
        self._left = ()


def _append(path: Path, settlements: Sequence[Settle]) -> None:
    lines = b"".join([msgspec.json.encode(each) + b"\n" for each in settlements])
    with path.open("ab") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def _settlements(path: Path) -> Iterable[Settle]:
    """A line that was not written to its end was not promised to anybody."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        _log.error("%s cannot be read: %s", path, error.strerror)
        return
    for line in filter(None, lines):
        try:
            yield msgspec.json.decode(line, type=Settle)
        except msgspec.DecodeError:
            _log.error("%s has a line that is no settlement", path)
