"""Servers that a test starts for itself, so that it may kill, stop and start them again.

::

    with OwnPostgres() as server, fresh("postgres", tmp_path, server.url) as url:
        ...
        server.kill()   # as a power cut of the program: SIGKILL to all of its processes
        server.start()  # the same data on the same port
        server.stop()   # alive, connected, and silent
        server.resume()

What was committed survives ``kill``, as the kernel keeps what was written; they do not wait for the disk, so it would
not survive the machine. ``OwnRedis`` keeps nothing at all.

The methods block until what they are named for is so; in an async test whose loop must go on meanwhile, call ``start``
by ``anyio.to_thread.run_sync``. Nothing outlives the test, not even one that is killed (see ``guard``).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import asyncmy
import asyncpg
import psutil
import pytest
from ports import free_port

from . import guard
from .databases import rows

__all__ = ["OwnMariaDB", "OwnPostgres", "OwnRedis", "OwnServer"]

_SECONDS = 30.0
_NOT_YET = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncmy.errors.MySQLError)


class OwnServer(ABC):
    """A server on a port of 127.0.0.1 and a folder of its own, from ``__enter__`` to ``__exit__``.

    ``options`` are added to its command line. The test is skipped where the program is not installed.
    """

    url: str
    """As an operator writes it, with all rights and a database that exists."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self._options = options
        self._owner = _Owner.find()
        self._process: psutil.Popen | None = None

    @property
    def alive(self) -> bool:
        """Whether the process is there, stopped or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when it answers. RuntimeError with what it printed if it ends or does not answer in time."""
        assert not self.alive, "it runs already"
        with (self._folder / "log").open("ab") as log:
            self._process = psutil.Popen(
                self._command(),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._owner.arguments,
            )
        self._watch(str(self._process.pid))
        if not _poll(lambda: self._answers() or not self.alive) or not self.alive:
            raise RuntimeError(f"{type(self).__name__} did not start:\n{self.log()}")

    def kill(self) -> None:
        """SIGKILL to all its processes; open connections are closed by the kernel, the port answers no more."""
        if self._process is not None and self.alive:
            family = guard.kill_tree(self._process)
            self._process.wait(_SECONDS)
            _expect(family, guard.is_gone)
        self._watch("")

    def stop(self) -> None:
        """SIGSTOP to all its processes: the kernel goes on to accept connections and bytes, nobody reads them."""
        assert self._process is not None
        _expect(guard.send_tree(self._process, signal.SIGSTOP), _stopped)

    def resume(self) -> None:
        """SIGCONT to all its processes."""
        assert self._process is not None
        guard.send_tree(self._process, signal.SIGCONT)

    def log(self) -> str:
        """What it printed since it was first started."""
        return (self._folder / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="oneapi_test_"))
        self._guard = subprocess.Popen(
            [sys.executable, "-I", guard.__file__, str(self._folder)],
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        try:
            self._owner.give(self._folder)
            self._prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.kill()
        finally:
            self._guard.communicate()  # ends its input: it removes the folder

    def _watch(self, number: str) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{number}\n")

    def _run(self, command: Sequence[str | Path]) -> None:
        """A command that prepares the folder, as the user that the server runs as."""
        done = subprocess.run(
            command,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            **self._owner.arguments,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")

    @abstractmethod
    def _prepare(self) -> None:
        """Makes what the server needs to find, once."""

    @abstractmethod
    def _command(self) -> list[str | Path]: ...

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves by now."""


class OwnPostgres(OwnServer):
    """Its options are PostgreSQL's: ``OwnPostgres("-c", "max_connections=10")``."""

    def __init__(self, *options: str) -> None:
        super().__init__(*options)
        self._binary = _binary("postgres", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _prepare(self) -> None:
        options = ["-D", "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync"]
        self._run([self._binary.with_name("initdb"), *options])

    def _command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
        }
        pairs = [f"--{name}={value}" for name, value in settings.items()]
        return [self._binary, "-D", "data", "-p", str(self.port), *pairs, *self._options]

    def _answers(self) -> bool:
        return _asked(self.url)

    def __exit__(self, *_: object) -> None:
        """By SIGQUIT first, which is quick and lets it put away what it shares."""
        if self.alive and self._process is not None:
            self.resume()
            self._process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(psutil.TimeoutExpired):
                self._process.wait(5)
        super().__exit__()


class OwnMariaDB(OwnServer):
    """Its options are MariaDB's: ``OwnMariaDB("--innodb-lock-wait-timeout=2")``."""

    def __init__(self, *options: str) -> None:
        super().__init__(*options)
        self._binary = _binary("mariadbd", "/usr/sbin", "/usr/local/sbin", "/usr/libexec")
        self._installer = _binary("mariadb-install-db", "/usr/bin")
        self.url = f"mysql://root@127.0.0.1:{self.port}/test"

    def _prepare(self) -> None:
        rights = ["--auth-root-authentication-method=normal", "--skip-name-resolve", f"--user={self._owner.name}"]
        self._run([self._installer, *self._shared, *rights])

    @property
    def _shared(self) -> list[str]:
        data = [f"--datadir={self._folder}/data", "--innodb-log-file-size=16M", "--innodb-buffer-pool-size=64M"]
        written_at_commit = ["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2"]
        return ["--no-defaults", f"--tmpdir={self._folder}", *data, *written_at_commit]

    def _command(self) -> list[str | Path]:
        network = ["--bind-address=127.0.0.1", "--skip-networking=0", "--skip-name-resolve", f"--port={self.port}"]
        files = [f"--{name}={self._folder}/{name}" for name in ("socket", "pid-file")]
        user = f"--user={self._owner.name}"
        return [self._binary, *self._shared, *network, *files, user, *self._options]

    def _answers(self) -> bool:
        return _asked(self.url)


class OwnRedis(OwnServer):
    """Without files: killed, it comes back empty, unless its options say otherwise."""

    def __init__(self, *options: str) -> None:
        super().__init__(*options)
        self._binary = _binary("redis-server", "/usr/bin")
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def _prepare(self) -> None:
        """Nothing, as it has no files."""

    def _command(self) -> list[str | Path]:
        nothing_kept = ["--save", "", "--appendonly", "no"]
        return [self._binary, "--bind", "127.0.0.1", "--port", str(self.port), *nothing_kept, *self._options]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64) == b"+PONG\r\n"
        return False


class _Owner:
    """Who the server runs as: nobody, where the tests run as root, as databases refuse to be root."""

    def __init__(self, entry: pwd.struct_passwd, *, changed: bool) -> None:
        self.name = entry.pw_name
        self._entry = entry
        self._changed = changed

    @classmethod
    def find(cls) -> Self:
        if os.geteuid():
            return cls(pwd.getpwuid(os.geteuid()), changed=False)
        return cls(pwd.getpwnam("nobody"), changed=True)

    @property
    def arguments(self) -> dict[str, Any]:
        """For ``Popen``."""
        if not self._changed:
            return {}
        return {"user": self._entry.pw_uid, "group": self._entry.pw_gid, "extra_groups": []}

    def give(self, folder: Path) -> None:
        if self._changed:
            os.chown(folder, self._entry.pw_uid, self._entry.pw_gid)


def _binary(name: str, *folders: str) -> Path:
    """The program of the newest version in one of the folders, or the one of PATH; skips the test without one."""
    found = [path for folder in folders for path in Path("/").glob(f"{folder.removeprefix('/')}/{name}")]
    if found:
        return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))])
    if path := shutil.which(name):
        return Path(path)
    pytest.skip(f"{name} is not installed: neither on PATH nor in {', '.join(folders)}")


def _asked(url: str) -> bool:
    try:
        return rows(url, "SELECT 1") == [(1,)]
    except _NOT_YET:
        return False


def _poll(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _expect(family: Sequence[psutil.Process], state: Callable[[psutil.Process], bool]) -> None:
    if not _poll(lambda: all(state(member) for member in family)):
        raise RuntimeError(f"not as expected after {_SECONDS} s: {family}")


def _stopped(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_STOPPED or guard.is_gone(process)
    except psutil.NoSuchProcess:
        return True
