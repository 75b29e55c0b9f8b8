"""Every numbered behaviour of a translation, C1 to C78, is held by a test whose name or id says its number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_WIRE: Final = Path(__file__).parents[1]
_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9])C(\d{1,2})(?!\d)")
_IN_NAMES: Final = re.compile(r"(?<=_)c(\d{1,2})(?=_|$)")

_ELSEWHERE: Final = {
    59: "how long to wait after a 429 is a header of the gateway's answer",
    60: "that an upstream takes no key is the gateway's fault, not the caller's",
    74: "which path of an upstream is asked is the router's choice",
}
"""Behaviours of the gateway as a whole, not of a format: tests of whole calls hold them."""


def _test_names(tree: ast.Module) -> Iterator[str]:
    """Names of tests, and texts of tables: ids of cases, keys of dictionaries of cases."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                yield _IN_NAMES.sub(r" C\1 ", name)
            case ast.keyword(arg="id" | "ids", value=value):
                yield from _texts(ast.walk(value))
            case ast.Dict(keys=keys):
                yield from _texts(keys)
            case ast.Call(args=[first, *_]):
                yield from _texts([first])
            case _:
                pass


def _texts(nodes: Iterable[ast.AST | None]) -> Iterator[str]:
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _held() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for path in sorted(_WIRE.rglob("test_*.py")):
        if path == Path(__file__):
            continue
        for name in _test_names(ast.parse(path.read_text(encoding="utf-8"))):
            for number in _NUMBER.findall(name):
                found.setdefault(int(number), []).append(path.name)
    return found


def test_every_case_is_held_by_a_test() -> None:
    held = _held()
    assert not set(held) - set(range(1, 79))
    missing = [f"C{number}" for number in range(1, 79) if number not in held and number not in _ELSEWHERE]
    assert not missing
