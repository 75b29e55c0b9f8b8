"""Anthropic's Messages: paths, lists and errors. Anthropic's own SDK, in its strict mode, is who listens."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

from oneapi_asgi import errors
from oneapi_asgi.errors import GatewayError, UpstreamRefused
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.anthropic.format import ANTHROPIC
from oneapi_asgi.wire.chat import Chat
from oneapi_asgi.wire.dialect import (
    ChatDialect,
    ClientDialect,
    CountDialect,
    ModelCard,
    UpstreamDialect,
)
from oneapi_asgi.wire.events import Event, Finished, TextDelta, ToolStarted, collect
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sse import datas


class Served:
    """The SDK, and what it is answered."""

    def __init__(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        headers = {"content-type": content_type, "request-id": "req_1"}
        transport = httpx2.MockTransport(lambda request: httpx2.Response(status, content=body, headers=headers))
        self.client = anthropic.Anthropic(
            api_key="k",
            base_url="http://test",
            max_retries=0,
            http_client=httpx2.Client(transport=transport),
            _strict_response_validation=True,
        )


MESSAGES: Any = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (402, "billing_error", anthropic.APIStatusError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found_error", anthropic.NotFoundError),
        (405, "invalid_request_error", anthropic.APIStatusError),
        (409, "invalid_request_error", anthropic.ConflictError),
        (413, "request_too_large", anthropic.APIStatusError),
        (422, "invalid_request_error", anthropic.UnprocessableEntityError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (502, "api_error", anthropic.InternalServerError),
        (503, "overloaded_error", anthropic.APIStatusError),
        (504, "timeout_error", anthropic.APIStatusError),
        (529, "overloaded_error", anthropic.APIStatusError),
    ],
)
def test_errors(status: int, kind: str, raised: type[anthropic.APIStatusError]) -> None:
    error = UpstreamRefused('Say "no".\u2028', status=status)
    body = ANTHROPIC.error(error, "req_1")
    assert msgspec.json.decode(body) == {
        "type": "error",
        "error": {"type": kind, "message": 'Say "no".\u2028'},
        "request_id": "req_1",
    }
    with pytest.raises(raised) as caught:
        Served(status, body).client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    assert (caught.value.status_code, caught.value.request_id) == (status, "req_1")


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "GatewayError"])
def test_every_error_has_an_envelope(name: str) -> None:
    error: GatewayError = getattr(errors, name)("No.")
    assert msgspec.json.decode(datas(ANTHROPIC.error_event(error))[0])["error"]["message"] == "No."


def test_models() -> None:
    cards = [ModelCard("a", "x", 1_700_000_000), ModelCard("b", "y", 0)]
    client = Served(200, msgspec.json.encode(ANTHROPIC.models(cards))).client
    page = client.models.list()
    assert [(model.id, model.lifecycle, model.created_at.timestamp()) for model in page.data] == [
        ("a", "active", 1_700_000_000),
        ("b", "active", 0),
    ]
    assert (page.first_id, page.last_id, page.has_more) == ("a", "b", False)
    assert Served(200, msgspec.json.encode(ANTHROPIC.models([]))).client.models.list().data == []
    assert Served(200, msgspec.json.encode(ANTHROPIC.model(cards[0]))).client.models.retrieve("a").display_name == "a"


def test_counting() -> None:
    counted = Served(200, ANTHROPIC.answer_count(7)).client.messages.count_tokens(model="m", messages=MESSAGES)
    assert counted.input_tokens == 7


def test_the_sdk_takes_whole_answers() -> None:
    events: list[Event] = [
        TextDelta("Hi"),
        ToolStarted(index=0, id="c", name="f"),
        Finished(reason="tool_calls"),
        Usage(input=1),
    ]
    body = ANTHROPIC.answer(collect(events), Chat(model="m", messages=()), "0" * 32)
    answer = Served(200, body).client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    assert [block.type for block in answer.content] == ["text", "tool_use"]


def test_paths() -> None:
    client: ClientDialect = ANTHROPIC
    upstream: UpstreamDialect = ANTHROPIC
    assert isinstance(ANTHROPIC, ChatDialect)
    assert isinstance(ANTHROPIC, CountDialect)
    assert client.operation("/chat/completions") is None
    for path, task in (("/messages", "chat"), ("/messages/count_tokens", "count")):
        operation = client.operation(path)
        assert operation is not None
        assert (operation.path, operation.task, operation.dialect) == (path, task, "anthropic")
        assert upstream.path(operation, "m", stream=True) == path
        assert upstream.path(Operation(name="x", dialect="gemini", task=task), "m", stream=False) == path
    assert upstream.path(Operation(name="x", task="embeddings"), "m", stream=False) is None
    assert client.owns("/models", {b"anthropic-version": b"2026-10-21"}, "")
    assert client.owns("/messages/batches", {}, "")
    assert not client.owns("/models", {b"x-api-key": b"k"}, "")
