"""What is served: the page for every address of one, files as they are made, and nothing that could run what it should
not."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import httpx2
import pytest

from oneapi_asgi.admin.console import Console
from oneapi_asgi.admin.console.app import PAGES

SCRIPT = "console.log('hello')" * 20
INDEX = '<base href="__BASE__"><meta nonce="__NONCE__"><script src="./assets/a-1.js"></script>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text(INDEX, "utf-8")
    (tmp_path / "boot.js").write_text(SCRIPT, "utf-8")
    (assets / "a-1.js").write_text(SCRIPT, "utf-8")
    (assets / "a-1.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (assets / "a-1.js.br").write_bytes(b"brotli")
    return tmp_path


async def ask(
    console: Console, path: str, method: str = "GET", *, root: str = "", accept: str = "identity"
) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=console, root_path=root)
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://a") as client,
        client.stream(method, root + path, headers={"accept-encoding": accept}) as answer,
    ):
        raw = b"".join([part async for part in answer.aiter_raw()])
        return httpx2.Response(answer.status_code, headers=[*answer.headers.items()], extensions={"raw": raw})


def body(answer: httpx2.Response) -> bytes:
    raw = answer.extensions["raw"]
    assert isinstance(raw, bytes)
    return raw


def policy_of(answer: httpx2.Response) -> dict[str, list[str]]:
    rules = [rule.split() for rule in answer.headers["content-security-policy"].split(";")]
    return {name: values for name, *values in rules}


@pytest.mark.parametrize("page", sorted(PAGES))
async def test_every_page_is_the_one_page(folder: Path, page: str) -> None:
    console = Console(folder)
    for path in (f"/{page}", f"/{page}/7", f"/{page}/") if page else ("/",):
        assert console.serves(path)
        answer = await ask(console, path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/nothing", "/assets", "/assets/../app.py", "/index.html"])
def test_other_addresses_are_not_its_own(folder: Path, path: str) -> None:
    assert not Console(folder).serves(path)


async def test_nothing_runs_in_the_page_but_its_own_files(folder: Path) -> None:
    first, second = [await ask(Console(folder), "/") for _ in range(2)]
    policy = policy_of(first)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["connect-src"] == policy["font-src"] == ["'self'"]
    assert policy["frame-src"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["img-src"] == ["'self'", "data:"]
    own, nonce = policy["style-src"]
    assert own == "'self'"
    assert re.fullmatch(r"'nonce-[\w-]{22}'", nonce)
    assert nonce.strip("'").removeprefix("nonce-") in body(first).decode()
    assert policy_of(second)["style-src"] != policy["style-src"]
    for name, value in (("x-content-type-options", "nosniff"), ("cross-origin-opener-policy", "same-origin")):
        assert first.headers[name] == value


async def test_scripts_of_turnstile_are_let_in_where_people_are_asked_by_it(folder: Path) -> None:
    async def asked() -> bool:
        return True

    policy = policy_of(await ask(Console(folder, turnstile=asked), "/register"))
    assert policy["script-src"] == ["'self'", "https://challenges.cloudflare.com"]
    assert policy["frame-src"] == ["https://challenges.cloudflare.com"]


async def test_without_a_database_the_page_is_there_to_say_so(folder: Path) -> None:
    async def asked() -> bool:
        raise OSError("no database")

    answer = await ask(Console(folder, turnstile=asked), "/")
    assert (answer.status_code, policy_of(answer)["script-src"]) == (200, ["'self'"])


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("BR;q=0.000,GZIP", "gzip"),
        ("identity", None),
        ("", None),
        ("deflate", None),
    ],
)
async def test_files_go_as_they_were_compressed(folder: Path, accept: str, coding: str | None) -> None:
    answer = await ask(Console(folder), "/assets/a-1.js", accept=accept)
    wanted = {"br": b"brotli", "gzip": gzip.compress(SCRIPT.encode()), None: SCRIPT.encode()}[coding]
    assert answer.headers.get("content-encoding") == coding
    assert gzip.decompress(body(answer)) == SCRIPT.encode() if coding == "gzip" else body(answer) == wanted
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "accept-encoding"
    assert "immutable" in answer.headers["cache-control"]


async def test_files_that_keep_their_name_are_asked_for_anew(folder: Path) -> None:
    assert (await ask(Console(folder), "/boot.js")).headers["cache-control"] == "no-cache"


async def test_below_a_mount_the_page_knows_where_it_is(folder: Path) -> None:
    answer = await ask(Console(folder), "/tokens", root='/a"b')
    assert '<base href="/a&quot;b/">' in body(answer).decode()


async def test_head_has_no_body_and_other_methods_are_refused(folder: Path) -> None:
    console = Console(folder)
    assert body(await ask(console, "/", "HEAD")) == b""
    refused = await ask(console, "/", "POST")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_where_nothing_was_bundled_the_page_says_how_to(tmp_path: Path) -> None:
    console = Console(tmp_path)
    assert console.serves("/")
    answer = await ask(console, "/")
    assert answer.status_code == 503
    assert "pip install --force-reinstall" in body(answer).decode()


def test_packages_are_pinned_and_permissively_licensed() -> None:
    """All of them, also what others bring along; MPL's files are those of tools, which are not in the bundle."""
    lock = Path(__file__).parents[2] / "oneapi_asgi" / "admin" / "console" / "web" / "package-lock.json"
    packages = {name: one for name, one in json.loads(lock.read_text("utf-8"))["packages"].items() if name}
    permissive = {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "Python-2.0",
        "Unlicense",
    }
    for name, one in packages.items():
        assert one["integrity"].startswith("sha512-"), name
        licences = {*re.findall(r"[\w.-]+", one["license"])} - {"OR", "AND"}
        allowed = permissive | {"MPL-2.0"} if one.get("dev") else permissive
        assert licences & allowed if "OR" in one["license"] else licences <= allowed, (name, one["license"])
