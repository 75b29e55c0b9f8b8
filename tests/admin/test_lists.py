"""Lists of names, however they are sent."""

from __future__ import annotations

import pytest

from oneapi_asgi.admin.lists import names_of


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("a", ("a",)),
        ("a, b ,,a,", ("a", "b")),
        (["a", "", " b ", "a"], ("a", "b")),
        (["a,b,", "c"], ("a", "b", "c")),
        (["a b"], ("a b",)),
    ],
)
def test_names(given: list[str] | str | None, found: tuple[str, ...]) -> None:
    assert names_of(given) == found
