"""AWS's own SDK, as the judge of what is written for Converse and of how its streams are read; and its frames."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec
from botocore.eventstream import EventStream  # type: ignore[import-untyped]
from botocore.parsers import EventStreamJSONParser  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]

from oneapi_asgi.wire.bedrock.eventstream import message
from oneapi_asgi.wire.bedrock.format import BEDROCK
from oneapi_asgi.wire.chat import Chat, Target
from oneapi_asgi.wire.events import Event

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "anthropic.claude-3-5-sonnet-20241022-v2:0"
NOVA = "amazon.nova-lite-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"


class _CaughtError(Exception):
    pass


@cache
def _client() -> Any:
    session: Any = Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    return session.create_client("bedrock-runtime", region_name="eu-west-1")


def _with_bytes(value: Any) -> Any:
    """Base64 as the bytes that the SDK wants to see."""
    if isinstance(value, list):
        return [_with_bytes(item) for item in value]
    if not isinstance(value, dict):
        return value
    blobs = ("bytes", "redactedContent")
    return {
        name: base64.b64decode(item) if name in blobs and isinstance(item, str) else _with_bytes(item)
        for name, item in value.items()
    }


def sent_by_the_sdk(model: str, body: dict[str, Any]) -> Any:
    """What the SDK sends when it is asked for the same; it checks names, types and ranges."""
    client = _client()
    caught: list[Any] = []

    def catch(request: Any, **_: Any) -> None:
        caught.append(request)
        raise _CaughtError

    client.meta.events.register("before-send.bedrock-runtime.*", catch, unique_id="catch")
    try:
        client.converse(modelId=model, **_with_bytes(body))
    except _CaughtError:
        pass
    finally:
        client.meta.events.unregister("before-send.bedrock-runtime.*", unique_id="catch")
    return msgspec.json.decode(caught[0].body)


def written(chat: Chat, model: str = SONNET, **options: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, which the SDK would send alike, and what was dropped."""
    made = BEDROCK.write(chat, Target(model=model, stream=chat.stream, **options))
    assert sent_by_the_sdk(model, made.body) == msgspec.json.decode(msgspec.json.encode(made.body))
    return made.body, made.dropped


def frame(kind: str, payload: object) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, msgspec.json.encode(payload))


def exception(kind: str, text: str, message_type: str = "exception") -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": message_type}
    return message(headers, msgspec.json.encode({"message": text}))


class _Raw:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def stream(self) -> Iterator[bytes]:
        yield self._raw


def read_by_the_sdk(raw: bytes) -> list[dict[str, Any]]:
    """The events of a stream, as the SDK gives them to its caller."""
    model = _client().meta.service_model.operation_model("ConverseStream")
    shape = model.output_shape.members["stream"]
    return list(EventStream(_Raw(raw), shape, EventStreamJSONParser(), "ConverseStream"))


def streamed(chunks: Sequence[bytes], model: str = SONNET) -> tuple[list[Event], bool]:
    """The events, and whether the answer was whole before the stream ended."""
    decoder = BEDROCK.decoder(Target(model=model, stream=True))
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    whole = decoder.whole
    return events + decoder.finish(), whole
