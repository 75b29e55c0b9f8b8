"""The OpenAPI document and what is served are one: whatever the document allows is answered as it says, and nothing
that anybody sends is a failure of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from oneapi_asgi import __version__
from oneapi_asgi.admin.openapi import Description, document

from .whole import Person, all_routes, whole

DOCUMENT: dict[str, Any] = document(all_routes(), version=__version__)
OPERATIONS = {
    f"{method.upper()} {path}": (path, method)
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    if (method, path) != ("post", "/user/token")  # the token that the others are tried with
}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Person, str]]:
    with whole(tmp_path_factory.mktemp("schema")) as person:
        for name in ("ann", "bob"):
            assert person.ask("POST", "/api/user", {"username": name, "password": "a word of theirs"})[0] == 200
        assert person.ask("POST", "/api/token", {"name": "t", "unlimited_quota": True})[0] == 200
        assert person.ask("POST", "/api/redemption", {"name": "c", "quota": 5, "count": 3})[0] == 200
        token = person.ask("POST", "/api/user/token", {})[1]["data"]
        yield person, token


def test_the_document_is_the_one_that_is_served(root: tuple[Person, str]) -> None:
    _, served = root[0].ask("GET", "/api/openapi.json")
    del served["info"]
    expected = json.loads(json.dumps({name: value for name, value in DOCUMENT.items() if name != "info"}))
    assert served == expected


def conforms(root: tuple[Person, str], operation: str, examples: int) -> None:
    person, token = root
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    path, method = OPERATIONS[operation]

    @given(case=schema[path][method].as_strategy())
    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def check(case: schemathesis.Case[Any]) -> None:
        base = f"http://127.0.0.1:{person.port}/api"
        answer = case.call(base_url=base, headers={"Authorization": token})
        unavailable = answer.status_code == 503  # what is not set up here says so
        case.validate_response(answer, checks=CHECKS[1:] if unavailable else CHECKS)

    check()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_are_as_described(root: tuple[Person, str], operation: str) -> None:
    conforms(root, operation, 6)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_are_as_described_to_many(root: tuple[Person, str], operation: str) -> None:
    conforms(root, operation, 300)


def test_its_own_pages_are_in_it() -> None:
    assert {route.path for route in Description((), version="").routes()} <= set(DOCUMENT["paths"])
