"""Profiles: samples of threads, shares by component, calls for a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.components import LOOP, OTHER, STANDARD, component_of
from benchmarks.profile import components_of, count_calls, read_samples, times_of

PACKAGE = Path(__file__).parents[2] / "oneapi_asgi"

RAW = """\
thread (7): MainThread;run (/lib/python3.11/asyncio/runners.py:118) 6
thread (7): MainThread;run (/lib/python3.11/asyncio/runners.py:118);call (/src/oneapi_asgi/auth.py:9) 3
thread (7): MainThread;run (/lib/python3.11/asyncio/runners.py:118);call (/src/oneapi_asgi/auth.py:12) 1
thread (8): oneapi-asgi-sql;_serve (/src/oneapi_asgi/storage/sql/workers.py:1) 90
thread (7): MainThread 4
"""
LOOP_FILE, AUTH, SQL = (
    "/lib/python3.11/asyncio/runners.py",
    "/src/oneapi_asgi/auth.py",
    ("/src/oneapi_asgi/storage/sql/workers.py"),
)


def test_samples_are_of_the_innermost_function() -> None:
    assert read_samples(RAW) == {(7, "run", LOOP_FILE): 6, (7, "call", AUTH): 4, (8, "_serve", SQL): 90}


def test_a_thread_that_waits_gets_no_more_than_the_cpu_it_took() -> None:
    times = times_of(read_samples(RAW), {7: 1.0, 8: 0.25, 9: 5.0})
    assert times == pytest.approx({("run", LOOP_FILE): 0.6, ("call", AUTH): 0.4, ("_serve", SQL): 0.25})


def test_components_share_what_a_request_takes() -> None:
    times = {("run", LOOP_FILE): 0.6, ("call", AUTH): 0.4, ("_serve", SQL): 1.0}
    found = components_of(times, 0.0001, {"auth": 300, LOOP: 50}, 100)
    assert [one.name for one in found] == ["storage", LOOP, "auth"]
    assert [one.share for one in found] == pytest.approx([0.5, 0.3, 0.2])
    assert [one.micros for one in found] == pytest.approx([50, 30, 20])
    assert [one.calls for one in found] == [0, 0.5, 3]


def test_without_samples_there_are_calls() -> None:
    (auth,) = components_of(None, 0.0001, {"auth": 300}, 100)
    assert (auth.share, auth.micros, auth.calls) == (None, None, 3)


def test_calls_of_built_in_functions_are_not_counted() -> None:
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = {
        ("~", 0, "<built-in method len>"): (9, 9, 0.1, 0.1, {}),
        (AUTH, 9, "call"): (2, 3, 0.1, 0.1, {}),
        (AUTH, 20, "other"): (4, 4, 0.1, 0.1, {}),
        (SQL, 1, "_serve"): (1, 1, 0.1, 0.1, {}),
    }
    assert count_calls(stats) == {"auth": 7, "storage": 1}


@pytest.mark.parametrize(
    ("file", "component"),
    [
        ("/src/oneapi_asgi/quota.py", "quota"),
        ("/src/oneapi_asgi/upstream/aiohttp.py", "upstream client"),
        ("/src/oneapi_asgi/wire/openai/chat.py", "wire"),
        ("/v/lib/python3.11/site-packages/uvicorn/server.py", "server"),
        ("/v/lib/python3.11/site-packages/aiohttp/client.py", "upstream client"),
        ("/v/lib/python3.11/site-packages/sqlalchemy/engine/base.py", "storage"),
        ("/v/lib/python3.11/site-packages/cachetools/__init__.py", OTHER),
        ("/v/lib/python3.11/site-packages/uvloop/__init__.py", LOOP),
        ("/v/lib/python3.11/asyncio/events.py", LOOP),
        ("/v/lib/python3.11/sqlite3/dbapi2.py", "storage"),
        ("/v/lib/python3.11/json/decoder.py", STANDARD),
        ("uvloop/loop.pyx", LOOP),
        ("<string>", STANDARD),
        ("", STANDARD),
    ],
)
def test_components(file: str, component: str) -> None:
    assert component_of(file) == component


def units() -> Iterator[str]:
    for path in PACKAGE.iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            yield path.name


HOT = ("auth", "edge", "limits", "quota", "records", "relay", "routing", "storage", "upstream client", "wire")


def test_each_component_of_the_hot_path_has_a_file() -> None:
    assert {component_of(f"/src/oneapi_asgi/{unit}") for unit in units()}.issuperset(HOT)
