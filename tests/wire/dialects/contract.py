"""What every dialect is held to, and the pairs of a client's and an upstream's format that it is held to for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, Message, Reasoning, Refusal, Text
from oneapi_asgi.wire.dialects import CLIENTS, UPSTREAMS, operation_at
from oneapi_asgi.wire.events import Answer, Event, collect
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature, unseal
from oneapi_asgi.wire.translation import TalkingClient, Translation

from .recordings import target_of

__all__ = [
    "ASKED",
    "CALL_ID",
    "CLIENT_NAMES",
    "PAIRS",
    "PATHS",
    "UPSTREAM_NAMES",
    "Told",
    "answered",
    "asked",
    "client",
    "heard",
    "operation_of",
    "public",
    "streamed",
    "told",
    "translation",
]

CALL_ID: Final = "0123456789abcdef" * 2
CLIENT_NAMES: Final = tuple(CLIENTS)
UPSTREAM_NAMES: Final = tuple(UPSTREAMS)
PAIRS: Final = [(mine, theirs) for mine in CLIENT_NAMES for theirs in UPSTREAM_NAMES]

PATHS: Final = {
    "openai": "/chat/completions",
    "responses": "/responses",
    "anthropic": "/messages",
    "gemini": "/v1beta/models/gemini-3-pro:{verb}",
    "cohere": "/v2/chat",
    "ollama": "/api/chat",
}
"""Where a client of each format talks to a model."""

ASKED: Final = Chat(model="m", messages=(Message(role="user", parts=(Text(text="Hi"),)),), include_usage=True)


def client(name: str) -> TalkingClient:
    return cast("TalkingClient", CLIENTS[name])


def operation_of(name: str, *, stream: bool = False) -> Operation:
    """The operation by which a client of the format talks to a model."""
    found = operation_at(PATHS[name].format(verb="streamGenerateContent" if stream else "generateContent"), "alt=sse")
    assert found is not None
    return found


def public(chat: Chat) -> Chat:
    """What upstreams are told of."""
    return replace(chat, others={name: value for name, value in chat.others.items() if not name.startswith("_")})


def asked(name: str, *, stream: bool) -> Chat:
    """A question in the client's format, as that reads it: encoders may need what it noted."""
    asking: dict[str, dict[str, Any]] = {
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
        "responses": {"model": "m", "input": "Hi", "stream": stream},
        "anthropic": {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]},
    }
    body = asking.get(name, {"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    if name == "gemini":
        body["generationConfig"] = {"thinkingConfig": {"includeThoughts": True}}
    elif stream or name == "ollama":
        body["stream"] = stream
    if name == "openai" and stream:
        body["stream_options"] = {"include_usage": True}
    return client(name).read(operation_of(name, stream=stream), msgspec.json.encode(body))


def translation(mine: str, theirs: str, *, stream: bool = True) -> Translation:
    dialect = client(mine)
    return Translation(UPSTREAMS[theirs], target_of(theirs), dialect, asked(mine, stream=stream), CALL_ID)


def streamed(mine: str, events: Iterable[Event], *, one_by_one: bool = False) -> bytes:
    """A stream to a client, from its first to its last frame."""
    encoder = client(mine).encoder(asked(mine, stream=True), CALL_ID)
    given = list(events)
    told = b"".join(encoder.encode([event]) for event in given) if one_by_one else encoder.encode(given)
    return told + encoder.finish()


def answered(mine: str, events: Iterable[Event]) -> bytes:
    return client(mine).answer(collect(events), asked(mine, stream=False), CALL_ID)


def heard(name: str, stream: bytes, *, piece: int = 0) -> tuple[list[Event], bool]:
    """What an upstream's decoder of the format makes of a stream, and whether that is whole."""
    decoder = UPSTREAMS[name].decoder(target_of(name))
    size = piece or len(stream) or 1
    events = [event for at in range(0, len(stream), size) for event in decoder.feed(stream[at : at + size])]
    events += decoder.finish()
    return events, decoder.whole


# --- answers, as they can be compared ---------------------------------------------------------------------------------


class Call(NamedTuple):
    name: str
    arguments: Any


class Told(Struct, frozen=True):
    """What an answer says, whatever the format: runs of text as one, arguments as what they mean."""

    text: str
    reasoning: str
    calls: tuple[Call, ...]
    finish: str | None
    usage: tuple[int, int] | None
    signatures: tuple[Signature, ...]


def _meaning(arguments: str) -> Any:
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments


def told(answer: Answer, choice: int = 0) -> Told:
    if not answer.choices:
        return Told("", "", (), None, _counts(answer.usage), ())
    found = answer.choices[choice]
    signed = (part.signature for part in found.parts if isinstance(part, Reasoning))
    return Told(
        text="".join(part.text for part in found.parts if isinstance(part, Text | Refusal)),
        reasoning=found.reasoning,
        calls=tuple(Call(call.name, _meaning(call.arguments)) for call in found.calls),
        finish=found.finish,
        usage=_counts(answer.usage),
        signatures=tuple(unseal(one.value, one.dialect) for one in signed if one is not None),
    )


def _counts(usage: Usage | None) -> tuple[int, int] | None:
    return (usage.input, usage.output) if usage is not None else None
