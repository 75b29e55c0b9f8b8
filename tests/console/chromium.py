"""The Chromium that tests open pages with: the one that ``ONEAPI_TEST_CHROMIUM`` names (then it has to be there), or
the installed one. Tests are skipped, with the reason, where there is none."""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["find_chromium"]

_VARIABLE = "ONEAPI_TEST_CHROMIUM"
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    if named := os.environ.get(_VARIABLE):
        found = shutil.which(named)
        assert found, f"{_VARIABLE} names {named}, which does not run"
        return found
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip(f"there is no Chromium: apt-get install chromium-headless-shell, or name one in {_VARIABLE}")
