from __future__ import annotations

import ast
import importlib
import importlib.metadata
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import oneapi_asgi

LOADED_BY_ALEMBIC = ".migrations."  # its files run inside a migration, and only there


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as isort sorts."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(oneapi_asgi.__path__, "oneapi_asgi.")]
    return [name for name in found if LOADED_BY_ALEMBIC not in name and not name.endswith(".__main__")]


def _tree(name: str) -> tuple[str, ast.Module]:
    """The package that relative imports of a module start from, and the module's source."""
    module = importlib.import_module(name)
    assert module.__file__ is not None
    return str(module.__package__), ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def test_public_names_are_sorted() -> None:
    assert oneapi_asgi.__all__ == sorted(set(oneapi_asgi.__all__), key=_order)


def test_public_names_are_complete() -> None:
    _, tree = _tree("oneapi_asgi")
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert set(oneapi_asgi.__all__) == imported


@pytest.mark.parametrize("name", oneapi_asgi.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(oneapi_asgi, name) is not None


def test_the_version_is_that_of_the_distribution() -> None:
    assert importlib.metadata.version("oneapi-asgi") == oneapi_asgi.__version__


@pytest.mark.parametrize("name", _modules())
def test_a_module_has_what_it_promises(name: str) -> None:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [])
    assert public == sorted(set(public), key=_order)
    assert not [missing for missing in public if not hasattr(module, missing)]


@pytest.mark.parametrize("name", ["oneapi_asgi", *_modules()])
def test_a_module_imports_what_others_promise(name: str) -> None:
    package, tree = _tree(name)
    unpromised = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            source = importlib.import_module("." * node.level + (node.module or ""), package)
            promised = getattr(source, "__all__", ())
            unpromised += [
                f"{source.__name__}.{alias.name}"
                for alias in node.names
                if alias.name not in promised
                and alias.name != "__version__"
                and not isinstance(getattr(source, alias.name), ModuleType)
            ]
    assert unpromised == []
