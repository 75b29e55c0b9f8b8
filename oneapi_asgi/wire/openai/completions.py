"""OpenAI's older completions (https://platform.openai.com/docs/api-reference/completions), as clients speak it.

The prompt is what a user says, the completion what the model answers. What the model thought and tools have no place
in this format. openai-python's own type of a chunk is stricter than the API: it knows no ``finish_reason`` of null.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from ...errors import BadRequest, GatewayError
from ...models import Usage
from ..chat import Chat, Message, Text
from ..events import (
    Answer,
    Broken,
    Choice,
    Event,
    Finished,
    FinishReason,
    Probabilities,
    RefusalDelta,
    Started,
    TextDelta,
)
from ..reading import decoded, unread
from .chat import DONE, stops, usage_object
from .errors import error_frame

__all__ = ["CompletionEncoder", "completion_answer", "read_completion"]


# --- a request --------------------------------------------------------------------------------------------------------


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Request(Struct):
    model: str
    prompt: str | list[Any]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    user: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


_request = msgspec.json.Decoder(_Request)

_USUAL: Final[dict[str, object]] = {"echo": False, "best_of": 1, "suffix": ""}


def read_completion(body: bytes) -> Chat:
    """
    :raises BadRequest: the body is no such request, or has more than one prompt
    """
    request = decoded(_request, body)
    return Chat(
        model=request.model,
        messages=(Message(role="user", parts=(Text(text=_prompt(request.prompt)),)),),
        max_output=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        stop=stops(request.stop),
        n=request.n or 1,
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logit_bias=request.logit_bias or None,
        logprobs=request.logprobs,
        user=request.user,
        stream=request.stream or False,
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        others=unread(body, _Request.__struct_fields__, _USUAL),
    )


def _prompt(prompt: str | list[Any]) -> str:
    if isinstance(prompt, str):
        return prompt
    match prompt:
        case [str(only)]:
            return only
        case [str(), *_]:
            what = f"there are {len(prompt)}, this model takes one at a time. Send a request for each"
        case []:
            what = "there is none. Send a string"
        case _:
            what = "this model takes text, not the numbers of its tokens. Send a string"
    raise BadRequest(f"'prompt': {what}.", param="prompt", code="invalid_value")


# --- an answer --------------------------------------------------------------------------------------------------------

_FINISHES: Final[dict[FinishReason, str]] = {"content_filter": "content_filter", "stop": "stop", "tool_calls": "stop"}
"""All others mean that the answer is not complete: ``length``."""


def completion_answer(answer: Answer, chat: Chat, call_id: str) -> bytes:
    body: dict[str, Any] = {
        "id": f"cmpl-{call_id}",
        "object": "text_completion",
        "created": answer.created or int(time.time()),
        "model": chat.model,
        "choices": [
            {
                "text": choice.text + choice.refusal,
                "index": index,
                "logprobs": _logprobs(choice.logprobs, 0) if _wanted(choice, chat) else None,
                "finish_reason": _FINISHES.get(choice.finish or "stop", "length"),
            }
            for index, choice in enumerate(answer.choices or [Choice()])
        ],
    }
    if answer.usage is not None:
        body["usage"] = usage_object(answer.usage)
    return msgspec.json.encode(body)


def _wanted(choice: Choice, chat: Chat) -> bool:
    return bool(choice.logprobs) and chat.logprobs is not None


def _logprobs(content: Iterable[dict[str, Any]], offset: int) -> dict[str, Any]:
    """Four lists side by side; ``offset`` is where in the text the first token begins."""
    tokens = [(str(token.get("token", "")), token.get("logprob", 0.0), token.get("top_logprobs")) for token in content]
    offsets = []
    for text, _, _ in tokens:
        offsets.append(offset)
        offset += len(text)
    return {
        "tokens": [text for text, _, _ in tokens],
        "token_logprobs": [logprob for _, logprob, _ in tokens],
        "top_logprobs": [
            {
                other["token"]: other["logprob"]
                for other in others or ()
                if isinstance(other.get("token"), str) and "logprob" in other
            }
            for _, _, others in tokens
        ],
        "text_offset": offsets,
    }


# --- an answer as a stream --------------------------------------------------------------------------------------------


class CompletionEncoder:
    """Chunks of text; one reason to finish per choice; usage if it was asked for; ``[DONE]``."""

    def __init__(self, chat: Chat, call_id: str) -> None:
        self._chat = chat
        self._call_id = call_id
        self._created = 0
        self._head = b""
        self._tail = b',"usage":null}\n\n' if chat.include_usage else b"}\n\n"
        self._finished: dict[int, bool] = {}
        self._offsets: dict[int, int] = {}
        self._usage: Usage | None = None
        self._over = False

    def encode(self, events: Sequence[Event]) -> bytes:
        return b"".join(frame for event in events for frame in self._frames(event))

    def finish(self) -> bytes:
        if self._over:
            return b""
        self._over = True
        unfinished = [number for number, finished in (self._finished or {0: False}).items() if not finished]
        frames = [self._chunk(number, finish_reason="stop") for number in unfinished]
        if self._chat.include_usage and self._usage is not None:
            frames.append(self._start() + b'[],"usage":' + msgspec.json.encode(usage_object(self._usage)) + b"}\n\n")
        return b"".join([*frames, DONE])

    def fail(self, error: GatewayError) -> bytes:
        if self._over:
            return b""
        self._over = True
        return error_frame(error)

    def _frames(self, event: Event) -> Iterator[bytes]:
        if self._over:
            return
        match event:
            case TextDelta() | RefusalDelta():
                self._finished.setdefault(event.choice, False)
                if event.text:
                    yield self._chunk(event.choice, event.text)
            case Started():
                self._created = event.created
            case Usage():
                self._usage = event
            case Broken():
                yield self.fail(event.error)
            case Probabilities() if self._chat.logprobs is not None:
                yield self._probable(event)
            case Finished() if not self._finished.get(event.choice):
                self._finished[event.choice] = True
                yield self._chunk(event.choice, finish_reason=_FINISHES.get(event.reason, "length"))

    def _probable(self, event: Probabilities) -> bytes:
        logprobs = _logprobs(event.content, self._offsets.get(event.choice, 0))
        told = sum(map(len, logprobs["tokens"]))
        self._offsets[event.choice] = self._offsets.get(event.choice, 0) + told
        return self._chunk(event.choice, logprobs=logprobs)

    def _start(self) -> bytes:
        if not self._head:
            head = {
                "id": f"cmpl-{self._call_id}",
                "object": "text_completion",
                "created": self._created or int(time.time()),
                "model": self._chat.model,
            }
            self._head = b"data: " + msgspec.json.encode(head)[:-1] + b',"choices":'
        return self._head

    def _chunk(self, number: int, text: str = "", **more: object) -> bytes:
        choice = {"text": text, "index": number, "logprobs": None, "finish_reason": None, **more}
        return self._start() + msgspec.json.encode([choice]) + self._tail
