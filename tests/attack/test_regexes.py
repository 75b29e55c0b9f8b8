"""No pattern of the package takes long over a long string that was made for it."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

import oneapi_asgi
from oneapi_asgi.wire.dialects import _CLIENTS

PACKAGE = Path(oneapi_asgi.__file__).parent
MOST_SECONDS = 0.05
ANCHORED = {"match", "fullmatch"}
METHODS = {*ANCHORED, "compile", "search", "sub", "findall", "finditer", "split"}


class Pattern(Struct, frozen=True):
    """``anchored``: only ever tried from the start of a string."""

    place: str
    pattern: str | bytes
    flags: int = 0
    anchored: bool = True


def patterns_of(place: str, source: str) -> Iterator[Pattern]:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call) and _method(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            yield from _called(place, node.value, anchored=not _methods(tree, names) - ANCHORED)
        elif isinstance(node, ast.Call):
            yield from _called(place, node, anchored=_method(node) in {*ANCHORED, "compile"})


def _called(place: str, call: ast.Call, *, anchored: bool) -> Iterator[Pattern]:
    """A call of a function of ``re``."""
    if _method(call) in METHODS and call.args and isinstance(call.args[0], ast.Constant):
        flags = [ast.unparse(flag) for flag in (*call.args[1:], *(k.value for k in call.keywords))]
        value = sum(getattr(re, name) for flag in flags for name in re.findall(r"re\.([A-Z]+)", flag))
        yield Pattern(f"{place}:{call.lineno}", call.args[0].value, value, anchored)  # type: ignore[arg-type]


def _method(call: ast.Call) -> str:
    function = call.func
    of_re = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re"
    return function.attr if of_re and isinstance(function, ast.Attribute) else ""


def _methods(tree: ast.Module, names: set[str]) -> set[str]:
    """What is done in a module with what these names hold."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
    }


@cache
def every_pattern() -> list[Pattern]:
    found: dict[tuple[object, ...], Pattern] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if "testing" not in path.parts:  # which nobody attacks
            for pattern in patterns_of(str(path.relative_to(PACKAGE)), path.read_text(encoding="utf-8")):
                key = (pattern.place, pattern.pattern)
                if key not in found or not pattern.anchored:
                    found[key] = pattern
    return [*found.values(), *(Pattern(f"paths of {row.name}", paths.pattern) for row, paths in _CLIENTS)]


def atoms(pattern: str | bytes) -> list[str]:
    """What the pattern is made of: its characters, one of each class, and two that it may not know."""
    found: dict[str, None] = {}

    def walk(node: Any) -> None:
        for name, value in [item for item in node if isinstance(item, tuple)]:
            match str(name):
                case "LITERAL" | "NOT_LITERAL":
                    found[chr(value)] = None
                case "RANGE":
                    found[chr(value[0])] = None
                case "CATEGORY":
                    found[{"SPACE": " ", "DIGIT": "1"}.get(str(value).rpartition("_")[2], "a")] = None
                case "IN":
                    walk(value[:4])
                case _:
                    inner(value)

    def inner(value: Any) -> None:
        if hasattr(value, "data"):
            walk(value.data)
        elif isinstance(value, list | tuple):
            for each in value:
                inner(each)

    walk(import_module("re._parser").parse(pattern).data)
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    words = re.findall(r"[A-Za-z0-9_/-]{2,}", text)
    return [*list(found)[:7], *words[:1], "a"]


def strings(pattern: Pattern, size: int, most: int) -> Iterator[str]:
    """Long ones that nearly fit: up to ``most`` atoms over and over, behind each atom, with an end that spoils it."""
    kinds = list(dict.fromkeys(atoms(pattern.pattern)))
    for count in range(1, most + 1):
        for unit in map("".join, product(kinds, repeat=count)):
            yield unit * (size // len(unit)) + "\0"
            yield kinds[0] + unit * (size // len(unit)) + "\n!"


def slowest(pattern: Pattern, size: int, most: int) -> tuple[float, str]:
    compiled: Any = re.compile(pattern.pattern, pattern.flags)
    worst = (0.0, "")
    for text in strings(pattern, size, most):
        given = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
        taken = _taken(compiled, given, pattern.anchored)
        for _ in range(3 if MOST_SECONDS < taken < 1 else 0):  # once may be an accident
            taken = min(taken, _taken(compiled, given, pattern.anchored))
        worst = max(worst, (taken, text[:40]))
        if taken > MOST_SECONDS:
            break
    return worst


def _taken(compiled: Any, given: Any, anchored: bool) -> float:
    began = time.process_time()
    if anchored:
        compiled.fullmatch(given)
        compiled.match(given)
    else:
        for _ in compiled.finditer(given):
            pass
    return time.process_time() - began


def test_they_are_found() -> None:
    assert len(every_pattern()) > 80
    assert any(not pattern.anchored for pattern in every_pattern())


@pytest.mark.parametrize(("size", "most"), [(8_000, 2), pytest.param(100_000, 2, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_none_takes_long(size: int, most: int) -> None:
    each = {(one.place, one.pattern): slowest(one, size, most) for one in every_pattern()}
    late = {place: found for place, found in each.items() if found[0] > MOST_SECONDS}
    assert late == {}


@pytest.mark.parametrize(
    ("pattern", "size", "anchored"),
    [(r"(a+)+b", 22, True), (r'"(?:[^"\\]|\\.)*"', 10_000, False), (r"//.*@", 40_000, False)],
)
def test_one_that_does_is_seen(pattern: str, size: int, *, anchored: bool) -> None:
    assert slowest(Pattern("", pattern, 0, anchored), size, 2)[0] > MOST_SECONDS
