"""A call that is struck at one of its awaits, of which each is found: by walking it, and in the source."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Coroutine, Generator, Iterable, Iterator
from pathlib import Path
from types import CoroutineType, ModuleType
from typing import Any, Literal

__all__ = ["Line", "Place", "Strike", "Striking", "awaits_of"]

Strike = Literal["cancelled", "cancelled for good", "OSError", "ValueError"]

Line = tuple[str, int]
"""A file's name, and a line of it."""

Place = tuple[str, str]
"""A function, and what it awaits."""

_FAULTS = {"OSError": OSError, "ValueError": ValueError}


class Striking:
    """Strikes the await number ``at`` that really waits, of all that one task waits for. ``seen`` are the lines where
    was waited, of every function in the chain."""

    def __init__(self, at: int, strike: Strike) -> None:
        self.at = at
        self.strike = strike
        self.waits = 0
        self.seen: set[Line] = set()
        self.task: asyncio.Task[Any] | None = None

    @property
    def hit(self) -> bool:
        return self.waits > self.at

    def begin(self, running: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop, **options: Any) -> _Task:
        """A task for that. The first is the one that is struck, others are those that it waits for."""
        task = asyncio.Task(_Struck(running, self), loop=loop, **options)
        self.task = self.task or task
        return task


_Task = asyncio.Task[Any]


class _Struck(Coroutine[Any, Any, Any]):
    def __init__(self, running: Coroutine[Any, Any, Any], striking: Striking) -> None:
        self._running = running
        self._striking = striking

    def send(self, value: Any) -> Any:
        return self._on(self._running.send(value))

    def throw(self, error: Any, *others: Any) -> Any:
        return self._on(self._running.throw(error, *others))

    def close(self) -> None:
        self._running.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError("this is for tasks alone")

    def _on(self, awaited: Any) -> Any:
        while (error := self._struck(awaited)) is not None:
            awaited = self._running.throw(error)
        return awaited

    def _struck(self, awaited: Any) -> BaseException | None:
        striking = self._striking
        number, striking.waits = striking.waits, striking.waits + 1
        striking.seen.update(_chain(self._running))
        if striking.strike in _FAULTS:
            if number == striking.at:
                if awaited is not None:
                    awaited._asyncio_future_blocking = False  # nobody waits for it any more
                return _FAULTS[striking.strike]("injected")
        elif number == striking.at or (number > striking.at and striking.strike == "cancelled for good"):
            assert striking.task is not None
            asyncio.get_running_loop().call_soon(striking.task.cancel)
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
