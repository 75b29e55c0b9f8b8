"""That what is asked for outside is what root can set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import oneapi_asgi.admin
from oneapi_asgi.desk.options import OPTIONS

FOLDER = Path(oneapi_asgi.admin.__file__).parent
ASKED = re.compile(r"options\.(text|number|flag|secret)\(\s*\"(\w+)\"")
KINDS = {"text": {"text", "url"}, "number": {"number"}, "flag": {"flag"}, "secret": {"secret"}}
MODULES = ("alerts", "mail", "oauth", "oidc", "outside", "providers", "register", "turnstile")


@pytest.mark.parametrize("module", MODULES)
def test_each_option_is_one(module: str) -> None:
    asked = ASKED.findall((FOLDER / f"{module}.py").read_text())
    assert asked
    for kind, name in asked:
        assert OPTIONS[name].kind in KINDS[kind], name


@pytest.mark.parametrize("name", ["GitHubOAuthEnabled", "OidcEnabled", "RegisterEnabled", "PasswordRegisterEnabled"])
def test_flags_that_are_named_elsewhere(name: str) -> None:
    assert OPTIONS[name].kind == "flag"
