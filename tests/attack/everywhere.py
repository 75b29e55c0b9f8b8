"""Every endpoint that takes JSON, of every format that callers speak, on one gateway with channels of many formats."""

from __future__ import annotations

import gc
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from e2e.dialects import open_dialects
from e2e.serving import KEY
from msgspec import Struct

from oneapi_asgi import Gateway
from oneapi_asgi.testing import Response, StreamingClient

__all__ = ["ENDPOINTS", "Endpoint", "check_told", "open_everywhere", "quiet", "sent"]

CHATS = ("openai", "anthropic", "gemini-3")
"""One channel of each format that differs much from the others: for one of them a caller's words pass, for the others
they are said anew."""

_ROLE = {"role": "user", "content": "hi"}


class Endpoint(Struct, frozen=True):
    """``path`` may have a place for the model, which else stands in the body. ``rows`` are channels that serve it."""

    path: str
    asked: Mapping[str, Any]
    rows: tuple[str, ...] = CHATS
    headers: Mapping[str, str] = {}

    @property
    def dialect(self) -> str:
        table = {"/v1/messages": "anthropic", "/v1beta": "gemini", "/v2": "cohere", "/api": "ollama"}
        return next((name for start, name in table.items() if self.path.startswith(start)), "openai")

    def at(self, row: str) -> str:
        return self.path.replace("MODEL", row)

    def body(self, row: str) -> dict[str, Any]:
        return dict(self.asked) if "MODEL" in self.path else {"model": row, **self.asked}


_TURNS = {"messages": [_ROLE]}
_CONTENTS = {"contents": [{"parts": [{"text": "hi"}]}]}
ENDPOINTS = (
    Endpoint("/v1/chat/completions", _TURNS),
    Endpoint("/v1/completions", {"prompt": "hi"}),
    Endpoint("/v1/responses", {"input": "hi"}),
    Endpoint("/v1/messages", {"max_tokens": 9, **_TURNS}),
    Endpoint("/v1/messages/count_tokens", _TURNS, ("anthropic", "gemini-3")),
    Endpoint("/v1beta/models/MODEL:generateContent", _CONTENTS),
    Endpoint("/v1beta/models/MODEL:streamGenerateContent", _CONTENTS),
    Endpoint("/v1beta/models/MODEL:countTokens", _CONTENTS, ("gemini-3", "anthropic")),
    Endpoint("/v1beta/models/MODEL:embedContent", {"content": {"parts": [{"text": "hi"}]}}, ("embed-gemini",)),
    Endpoint("/v2/chat", _TURNS, ("cohere", "openai", "gemini-3")),
    Endpoint("/v2/embed", {"texts": ["hi"], "input_type": "search_query"}, ("embed-cohere", "embed-openai")),
    Endpoint("/v2/rerank", {"query": "hi", "documents": ["a"]}, ("rerank-cohere",)),
    Endpoint("/api/chat", {"stream": False, **_TURNS}, ("ollama", "openai", "anthropic")),
    Endpoint("/api/generate", {"stream": False, "prompt": "hi"}, ("ollama", "gemini-3")),
    Endpoint("/api/embed", {"input": "hi"}, ("embed-ollama", "embed-gemini")),
    Endpoint("/v1/embeddings", {"input": "hi"}, ("embed-openai", "embed-cohere", "embed-gemini")),
    Endpoint("/v1/rerank", {"query": "hi", "documents": ["a"]}, ("rerank-cohere",)),
    Endpoint("/v1/moderations", {"input": "hi"}, ("openai",)),
    Endpoint("/v1/images/generations", {"prompt": "a cat"}, ("gpt-image-1",)),
    Endpoint("/v1/audio/speech", {"input": "hi", "voice": "alloy"}, ("openai",)),
    Endpoint(
        "/v1/batches", {"input_file_id": "f", "endpoint": "/v1/embeddings", "completion_window": "24h"}, ("openai",)
    ),
)

_KEYS = {
    "openai": {"error"},
    "anthropic": {"type", "error", "request_id"},
    "gemini": {"error"},
    "cohere": {"id", "message"},
    "ollama": {"error"},
}


@asynccontextmanager
async def open_everywhere(**options: Any) -> AsyncIterator[Gateway]:
    """Without what the process has loaded by then in the collector's way, as ``app_of`` leaves it: its walk through the
    whole of a test run would be taken for the gateway's."""
    async with open_dialects(**options) as rig:
        gc.collect()
        gc.freeze()
        try:
            yield rig.gateway
        finally:
            gc.unfreeze()


async def sent(gateway: Gateway, endpoint: Endpoint, row: str, body: bytes, **headers: str) -> Response:
    """What the caller is answered, which is never that something broke, nor late."""
    told = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **headers}
    began = time.process_time()
    async with StreamingClient(gateway, lifespan=False) as client:
        answer = await client.request("POST", endpoint.at(row), content=body, headers=told)
    assert answer.status < 500, (endpoint.path, row, body[:2000], answer)
    assert time.process_time() - began < 1, (endpoint.path, row, body[:2000])
    if answer.status >= 400:
        check_told(endpoint, answer)
    return answer


def check_told(endpoint: Endpoint, answer: Response) -> None:
    """That an error is in the words of its caller's format."""
    told = json.loads(answer.body)
    assert told.keys() == _KEYS[endpoint.dialect], (endpoint.path, answer)
    error = told.get("error", told.get("message"))
    message = error["message"] if isinstance(error, dict) else error
    assert len(message) > 10
    assert "Traceback" not in message


@contextmanager
def quiet() -> Iterator[None]:
    """That nobody logs an error meanwhile."""
    told: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(self.format(record))

    listening = Listening(logging.ERROR)
    logging.getLogger().addHandler(listening)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(listening)
    assert told == []
