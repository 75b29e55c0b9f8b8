"""A call that is struck at one of its awaits, of which each is found: by walking it, and in the source."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Coroutine, Generator, Iterable, Iterator
from pathlib import Path
from types import CoroutineType, ModuleType
from typing import Any, Literal

__all__ = ["Line", "Place", "Strike", "Struck", "awaits_of"]

Strike = Literal["cancelled", "cancelled for good", "OSError", "ValueError"]

Line = tuple[str, int]
"""A file's name, and a line of it."""

Place = tuple[str, str]
"""A function, and what it awaits."""

_FAULTS = {"OSError": OSError, "ValueError": ValueError}


class Struck(Awaitable[None]):
    """Runs a coroutine up to its await number ``at`` that really waits, and strikes there. ``seen`` are the lines where
    it has waited, of every function in the chain."""

    def __init__(self, running: Coroutine[Any, Any, None], at: int, strike: Strike) -> None:
        self._running = running
        self._at = at
        self._strike = strike
        self.waits = 0
        self.seen: set[Line] = set()

    @property
    def hit(self) -> bool:
        return self.waits > self._at

    def __await__(self) -> Generator[Any, Any, None]:
        error: BaseException | None = None
        while True:
            try:
                awaited = self._running.send(None) if error is None else self._running.throw(error)
            except StopIteration:
                return
            error = self._struck(awaited)
            if error is None:
                try:
                    yield awaited
                except BaseException as thrown:
                    error = thrown

    def _struck(self, awaited: Any) -> BaseException | None:
        number, self.waits = self.waits, self.waits + 1
        self.seen.update(_chain(self._running))
        if self._strike in _FAULTS:
            if number == self._at:
                if awaited is not None:
                    awaited._asyncio_future_blocking = False  # nobody waits for it any more
                return _FAULTS[self._strike]("injected")
        elif number == self._at or (number > self._at and self._strike == "cancelled for good"):
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel)
        return None


def _chain(running: object) -> Iterator[Line]:
    while isinstance(running, CoroutineType):
        frame = running.cr_frame
        if frame is not None:
            yield Path(frame.f_code.co_filename).name, frame.f_lineno
        running = running.cr_await


def awaits_of(module: ModuleType, functions: Iterable[str]) -> dict[Line, Place]:
    """By line, what these functions of a module await.

    :raises KeyError: there is no such function
    """
    path = Path(str(module.__file__))
    known = dict(_functions(ast.parse(path.read_text(encoding="utf-8"))))
    return {
        (path.name, line): (name, text) for name in functions for lines, text in _awaits(known[name]) for line in lines
    }


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{x.name}", x) for x in node.body if isinstance(x, ast.AsyncFunctionDef))


def _awaits(function: ast.AsyncFunctionDef) -> Iterator[tuple[range, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Await):
            yield range(node.lineno, (node.end_lineno or node.lineno) + 1), ast.unparse(node.value)
        elif isinstance(node, ast.AsyncFor):
            yield range(node.lineno, node.lineno + 1), ast.unparse(node.iter)
        elif isinstance(node, ast.AsyncWith):
            yield range(node.lineno, node.lineno + 1), ", ".join(ast.unparse(item) for item in node.items)
