"""The rules of ARCHITECTURE.md that can be read off the source."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "oneapi_asgi"

LEVELS = (
    ("accepting", "errors", "extra", "globs", "kept", "lived", "models", "unreadable"),
    ("overrides", "queries", "tariffs"),
    ("desk",),
    ("flight", "keys", "ports"),
    ("wire",),
    (
        "announced",
        "background",
        "call",
        "genai",
        "group",
        "health",
        "pace",
        "pricing",
        "retry",
        "slots",
        "strategies",
        "suffixes",
        "waits",
    ),
    (
        "housekeeping",
        "lifespan",
        "notes",
        "providers",
        "rates",
        "revision",
        "spool",
        "storage",
        "upstream",
    ),
    ("failure", "http", "limitbook", "links", "owners", "pool", "pricebook", "thoughts", "tickets"),
    ("admission", "drain", "planning", "shortage", "trial", "upgrade"),
    (
        "auth",
        "delivery",
        "idempotency",
        "meter",
        "quota",
        "ratelimit",
        "reaper",
        "record",
        "retirement",
        "revocation",
        "routing",
        "shedding",
    ),
    ("accounts", "dispatch", "edge", "shelf", "vigil"),
    ("exchange",),
    ("objects", "funds", "relay"),
    ("realtime",),
    ("endpoints", "listing", "probes", "settings", "standing", "wiring"),
    ("admin", "gateway", "moving"),
    ("administration", "bounded", "workers"),
    ("standalone",),
    ("app",),
    ("serving",),
    ("cli", "testing"),
    ("__init__", "__main__"),
)
"""A unit is a module, or a package with all that is in it. It imports units of the levels above its own line only."""

WORDS = {
    "desk",
    "errors",
    "globs",
    "kept",
    "keys",
    "lived",
    "models",
    "overrides",
    "ports",
    "queries",
    "tariffs",
    "unreadable",
}
ONLY = {"storage": WORDS, "testing": WORDS}
"""Units that hang on the words alone, whatever else lies below them."""

KNOW_STORAGES = {"__init__", "administration", "app", "cli"}
READ_ENVIRONMENT = {"settings", "app", "cli"}

PURE = {*WORDS, "wire", "providers", "pricing", "failure", "health", "shortage", "strategies", "waits"}
OUTSIDE = {"anyio", "asyncio", "concurrent", "http", "selectors", "socket", "ssl", "threading", "urllib"}
ALLOWED = {"cachetools", "msgspec", "python_multipart"}
SIGNERS = {"botocore", "jwt"}
"""What signs requests is pure, and an extra of the vendors who want it."""

MOST_LINES = 450
MOST_LINES_OF_A_FORMAT = 1_000
"""A format is read beside its reference, from its top to its end."""
MOST_LINES_OF_A_FUNCTION = 60

RANK = {unit: rank for rank, units in enumerate(LEVELS) for unit in units}


def modules(root: Path = PACKAGE) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def package_of(path: Path) -> list[str]:
    return ["oneapi_asgi", *path.relative_to(PACKAGE).parts[:-1]]


def imported(module: ast.AST, package: list[str]) -> Iterator[list[str]]:
    """Every imported name, as the parts of its absolute name; ``from . import x`` counts as importing ``x``."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            yield from ([*base, alias.name] for alias in node.names)


def units_imported(module: ast.AST, package: list[str]) -> set[str]:
    """The units of the project; names of the package itself, such as its version, count as ``__init__``."""
    found = set()
    for name in imported(module, package):
        if name[0] == "oneapi_asgi":
            found.add(name[1] if len(name) > 1 and name[1] in RANK else "__init__")
    return found


def mistaken_imports(unit: str, imports: set[str]) -> list[str]:
    wrong = [f"{unit} imports {other}, which is not below it" for other in imports if RANK[other] >= RANK[unit]]
    if unit in ONLY:
        wrong += [f"{unit} imports {other}, which is not a word" for other in imports - ONLY[unit]]
    if "storage" in imports and unit not in KNOW_STORAGES:
        wrong.append(f"{unit} imports storage: take it as an argument")
    return wrong


@pytest.mark.parametrize("path", modules(), ids=named)
def test_imports_go_down(path: Path) -> None:
    unit = unit_of(path)
    imports = units_imported(tree(path), package_of(path)) - {unit}
    if unit == "cli":
        imports.discard("__init__")  # the version
    assert mistaken_imports(unit, imports) == []


def test_every_unit_has_a_level() -> None:
    units = {unit_of(path) for path in modules()}
    assert units == RANK.keys()
    assert sum(map(len, LEVELS)) == len(RANK)


@pytest.mark.parametrize(
    ("unit", "source", "message"),
    [
        ("auth", "from .quota import Quota", "auth imports quota"),
        ("auth", "from . import gateway", "auth imports gateway"),
        ("call", "def f():\n    from oneapi_asgi.http import read_body", "call imports http"),
        ("quota", "from .storage.memory import MemoryStorage", "quota imports storage"),
        ("gateway", "import oneapi_asgi.storage.sql", "gateway imports storage"),
        ("storage", "from .wire.sse import Framer", "storage imports wire"),
        ("relay", "from .relay import Relay", "relay imports relay"),
    ],
)
def test_a_mistaken_import_is_seen(unit: str, source: str, message: str) -> None:
    imports = units_imported(ast.parse(source), ["oneapi_asgi"])
    assert any(line.startswith(message) for line in mistaken_imports(unit, imports))


def test_packages_have_no_cycle() -> None:
    """Levels rule out cycles between units; this looks inside them."""
    known = {".".join(("oneapi_asgi", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in modules()}
    edges = {name: _edges(name, path, known) for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join((*above[above.index(name) :], name))
        if name not in done:
            for other in edges[name]:
                visit(other, (*above, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def _edges(name: str, path: Path, known: Mapping[str, Path]) -> set[str]:
    found = set()
    for parts in imported(tree(path), package_of(path)):
        full, parent = ".".join(parts), ".".join(parts[:-1])
        found |= {module for module in (full, parent, f"{full}.__init__", f"{parent}.__init__") if module in known}
    return {other for other in found - {name} if other.rpartition(".")[2] != "__init__"}


@pytest.mark.parametrize("path", [path for path in modules() if unit_of(path) in PURE], ids=named)
def test_decisions_and_wire_code_know_no_framework_and_no_loop(path: Path) -> None:
    names = [name for name in imported(tree(path), package_of(path)) if name[:2] != ["urllib", "parse"]]
    roots = {name[0] for name in names} - {"oneapi_asgi"}
    allowed = ALLOWED | SIGNERS if unit_of(path) == "providers" else ALLOWED
    assert not roots & OUTSIDE
    assert roots <= allowed | sys.stdlib_module_names
    assert not [node for node in ast.walk(tree(path)) if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith)]


@pytest.mark.parametrize("path", [path for path in modules() if unit_of(path) not in READ_ENVIRONMENT], ids=named)
def test_the_environment_is_read_by_settings_alone(path: Path) -> None:
    read = [
        ast.dump(node)
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {a.name for a in node.names} & {"environ", "getenv"}
        )
    ]
    assert read == []


@pytest.mark.parametrize("path", [path for path in modules() if unit_of(path) != "unreadable"], ids=named)
def test_what_cannot_be_read_is_caught_as_a_whole(path: Path) -> None:
    """Of a text that is no JSON there are three kinds of errors, and to catch one of them is to miss the others."""
    attributes = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)]
    assert not [node.lineno for node in attributes if node.attr in ("DecodeError", "MsgspecError")]


# --- state ------------------------------------------------------------------------------------------------------------

MUTATORS = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "remove"}
MUTATORS |= {"setdefault", "update"}


def module_names(module: ast.Module) -> set[str]:
    """The names that a module's top level binds by assignment."""
    targets = [
        target
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def written(function: ast.AST, names: set[str]) -> Iterator[tuple[int, str]]:
    """Where a function changes what one of the module's names holds, or binds the name anew."""
    for node in ast.walk(function):
        held: ast.expr | None = None
        if isinstance(node, ast.Global):
            yield from ((node.lineno, name) for name in node.names)
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            held = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            held = node.func.value
        if isinstance(held, ast.Name) and held.id in names:
            yield held.lineno, held.id


def state_of(module: ast.Module) -> list[tuple[int, str]]:
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [place for function in functions for place in written(function, module_names(module))]


@pytest.mark.parametrize("path", modules(), ids=named)
def test_modules_hold_no_state(path: Path) -> None:
    assert state_of(tree(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "seen = {}\ndef f(key):\n    seen[key] = 1",
        "seen = set()\nclass C:\n    async def f(self, key):\n        seen.add(key)",
        "count = 0\ndef f():\n    global count\n    count += 1",
        "last: object = C()\ndef f(x):\n    last.value = x",
        "seen = {}\ndef f(key):\n    del seen[key]",
    ],
)
def test_state_is_seen(source: str) -> None:
    assert state_of(ast.parse(source))


# --- sizes and texts --------------------------------------------------------------------------------------------------


def every_module() -> list[Path]:
    return [path for folder in ("oneapi_asgi", "benchmarks", "examples") for path in modules(ROOT / folder)]


@pytest.mark.parametrize("path", every_module(), ids=named)
def test_files_and_functions_are_short(path: Path) -> None:
    most = MOST_LINES_OF_A_FORMAT if path.is_relative_to(PACKAGE / "wire") else MOST_LINES
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


CODE = {".css", ".html", ".js", ".json", ".py", ".ts", ".tsx", ""}
TEXTS = CODE | {".md", ".toml", ".cfg", ".ini", ".txt", ".yml", ".yaml"}
MADE = {"node_modules", "static"}
"""Folders of what others have written, or a bundler."""
FOREIGN = re.compile(r"(?<![\w.:/-])(/(?:home|root|mnt|Users|work|workspace)/[\w.-]+|(?:\.\./)+(?!\.)[\w.-]*)")


def texts() -> list[Path]:
    folders = [ROOT / name for name in ("oneapi_asgi", "tests", "benchmarks", "examples", ".ci")]
    files = [*ROOT.iterdir(), *(path for folder in folders for path in folder.rglob("*"))]
    ours = [path for path in files if not MADE & {*path.relative_to(ROOT).parts}]
    return [p for p in ours if p.is_file() and p.suffix in TEXTS and p != Path(__file__) and not p.name.startswith(".")]


def test_nothing_points_outside_the_project() -> None:
    """Absolute paths of somebody's machine; relative ones that lead out of the checkout."""
    found = []
    for path in texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{named(path)}:{number}: {place}" for place in FOREIGN.findall(line) if _leads_out(path, place)]
    assert found == []


def _leads_out(path: Path, place: str) -> bool:
    return place.startswith("/") or not (path.parent / place).resolve().is_relative_to(ROOT)
