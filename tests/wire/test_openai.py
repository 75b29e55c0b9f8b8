"""OpenAI's envelopes."""

from __future__ import annotations

import msgspec
import pytest

from oneapi_asgi import errors
from oneapi_asgi.errors import GatewayError
from oneapi_asgi.wire.openai.paths import OPENAI_PATHS
from oneapi_asgi.wire.passage import DONE
from oneapi_asgi.wire.sse import datas


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "GatewayError"])
def test_every_error_has_an_envelope(name: str) -> None:
    error: GatewayError = getattr(errors, name)('Say "no".\n\u2028', param="model")
    body = msgspec.json.decode(OPENAI_PATHS.error(error, "id"))
    assert body == {"error": {"message": 'Say "no".\n\u2028', "type": error.type, "param": "model", "code": error.code}}
    assert datas(OPENAI_PATHS.error_event(error)) == [OPENAI_PATHS.error(error, "id")]


def test_the_end_of_a_stream() -> None:
    assert datas(DONE) == [b"[DONE]"]
