"""A real nginx with the file of ``examples/deploy`` between callers and gateways.

The program is the one that ``ONEAPI_TEST_NGINX`` names (then it has to be there), or the installed one. Where apt-get
is, Debian's package is fetched otherwise, once, and unpacked beside pytest's cache: nothing is installed, no service
is started, and it takes no rights. Tests are skipped, with the reason, where none of this gives a program that runs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from admin.tls import certificate
from ports import free_port

__all__ = ["FILE", "Front", "find_nginx", "in_front"]

FILE = Path(__file__).parent.parent.parent / "examples" / "deploy" / "nginx.conf"

_VARIABLE = "ONEAPI_TEST_NGINX"
_NAME = "llm.example.com"
_REPLICAS = ("gateway-1:3000", "gateway-2:3000")
_FETCHING = 50.0
_STARTING = 20.0
"""Seconds for apt-get in all, and for nginx to listen."""


# --- the program ------------------------------------------------------------------------------------------------------


def find_nginx(folder: Path) -> Path:
    """The program; ``folder`` is where a fetched one is kept, for all who test at the same time and for later."""
    if named := os.environ.get(_VARIABLE):
        assert _runs(Path(named)), f"{_VARIABLE} names {named}, which does not run"
        return Path(named)
    installed = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if installed:
        return Path(installed)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetched = folder / "unpacked" / "usr" / "sbin" / "nginx"
        why = "" if fetched.exists() else _fetch(folder)
    if not _runs(fetched):
        pytest.skip(
            f"there is no nginx ({why or 'the fetched one does not run'}): install one, or name it in {_VARIABLE}"
        )
    return fetched


def _runs(program: Path) -> bool:
    return program.exists() and subprocess.run([program, "-v"], check=False, capture_output=True).returncode == 0


def _fetch(folder: Path) -> str:
    """Debian's package, unpacked; gives what is in the way of it. Its lists are its own: those of the machine may be
    empty, and are not ours to renew."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return "and no apt-get to fetch it with"
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::State::Lists": f"{folder}/lists",
        "Dir::Cache": str(folder),
        "APT::Sandbox::User": "",  # another user may not write here
        "Acquire::Retries": "0",
        "Acquire::http::Timeout": "10",
    }
    apt = ["apt-get", "-q", *[f"-o{name}={value}" for name, value in options.items()]]
    for left in folder.glob("nginx_*.deb"):
        left.unlink()
    until = time.monotonic() + _FETCHING
    for command in ([*apt, "update"], [*apt, "download", "nginx"]):
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=until - time.monotonic())
        except (subprocess.SubprocessError, ValueError) as error:
            return f"{command[-1]}: {type(error).__name__} of apt-get"
    (package,) = folder.glob("nginx_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder / "unpacked"], check=True, capture_output=True)
    for left in (folder / "lists", folder / "archives"):
        shutil.rmtree(left)
    for left in (package, *folder.glob("*pkgcache.bin")):
        left.unlink()
    return ""


# --- the server -------------------------------------------------------------------------------------------------------


@dataclass
class Front:
    """A running nginx. ``url`` speaks TLS, ``plain`` does not."""

    url: str
    plain: str
    folder: Path
    certificate: str
    trust: ssl.SSLContext

    @property
    def api(self) -> str:
        return f"{self.url}/v1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    def client(self, key: str = "", *, source: str | None = None, http2: bool = False) -> httpx2.AsyncClient:
        """A caller, from an address of its own if one is named."""
        return httpx2.AsyncClient(
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=20,
            transport=httpx2.AsyncHTTPTransport(verify=self.trust, local_address=source, http2=http2),
        )

    async def logs(self, *texts: str) -> bool:
        """Whether all of them are in the access log, which is written a moment after the answer."""
        log = (self.folder / "access.log").read_text(encoding="utf-8")
        return all(text in log for text in texts)


@contextmanager
def in_front(
    program: Path, folder: Path, replicas: Sequence[str], *, edit: Callable[[str], str] = lambda text: text
) -> Iterator[Front]:
    """nginx in front of two gateways, by their URLs. In its file only that is changed which its reader is told to
    change, and where it may listen and write; and what ``edit`` does to it."""
    port, plain = free_port(), free_port()
    shown = _write(folder, edit(_for_here(FILE.read_text(encoding="utf-8"), folder, replicas, port, plain)))
    own = "" if os.geteuid() else "user root; "  # whose folder it is, which nobody else may enter
    command = [str(program), "-p", str(folder), "-c", "nginx.conf", "-e", f"{folder}/start.log"]
    command += ["-g", f"{own}daemon off; pid {folder}/nginx.pid;"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait(process, plain)
        trust = ssl.create_default_context(cadata=shown)
        yield Front(f"https://127.0.0.1:{port}", f"http://127.0.0.1:{plain}", folder, shown, trust)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=_STARTING)
        sys.stdout.write(said.decode(errors="replace"))  # shown by pytest when something fails
    assert process.returncode == 0, said
    assert "[emerg]" not in said.decode() + (folder / "error.log").read_text()


def _for_here(text: str, folder: Path, replicas: Sequence[str], port: int, plain: int) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    for old, new in (
        *zip(_REPLICAS, (urlsplit(url).netloc for url in replicas), strict=True),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("/var/log/nginx/", f"{folder}/"),
        ("/var/www/acme", f"{folder}/acme"),
        ("\nhttp {\n", f"\nhttp {{\n{folders}"),
    ):
        assert old in text, f"{old!r} is not in {FILE.name} any more"
        text = text.replace(old, new)
    return text


def _write(folder: Path, text: str) -> str:
    """The file and the certificate that it names; gives that."""
    shown, key = certificate(_NAME)
    (folder / "tls").mkdir(parents=True)
    (folder / "tls" / "fullchain.pem").write_bytes(shown)
    (folder / "tls" / "privkey.pem").write_bytes(key)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    return shown.decode()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _STARTING
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nginx does not listen; exit code {process.poll()}")
