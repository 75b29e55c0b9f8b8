"""The four large formats, told without the gateway's help: streams as upstreams write them, and what a caller makes of
an answer.

Every piece of content is one token, however tokens are counted, and says which one it is, so that what arrived can be
held against what was sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

__all__ = ["DIALECTS", "Dialect", "Heard", "Name", "Stream", "datas", "named", "word"]

Name = Literal["openai", "responses", "anthropic", "gemini"]

_PROMPT: Final = "What does the fox do today? (%s)"
_NAME: Final = re.compile(rb"today\? \(([^)]*)\)")


def named(body: bytes) -> str:
    """The caller's name for a call, of what arrived upstream in whatever format."""
    found = _NAME.search(body)
    assert found is not None, body
    return found[1].decode()


def word(number: int) -> str:
    """The piece of content of that number: four bytes, one token."""
    return f" w{number:02}"


class Stream(NamedTuple):
    """Events as bytes. Those of the ``preamble`` are no content; the first of ``ending`` says why the answer is over,
    the last is the terminator, if the format has one."""

    preamble: Sequence[bytes]
    content: Sequence[bytes]
    ending: Sequence[bytes]

    @property
    def raw(self) -> bytes:
        return b"".join([*self.preamble, *self.content, *self.ending])

    def places(self) -> tuple[int, int, int]:
        """Where in ``raw`` the first piece of content is complete, where the first of the ending is, and the end."""
        before = sum(map(len, self.preamble))
        content = before + sum(map(len, self.content))
        return before + len(self.content[0]), content + len(self.ending[0]), len(self.raw)


class Heard(NamedTuple):
    """What a caller makes of a stream. ``words``: pieces of content; ``finish``: the reason told for the end;
    ``ends``: terminators; ``error``: what is told of one, None without."""

    words: Sequence[str]
    finish: str | None
    ends: int
    error: Mapping[str, Any] | None

    @property
    def text(self) -> str:
        return "".join(self.words)


class Dialect(NamedTuple):
    """``provider`` is that of a channel that speaks it, whose base URL is ``below`` the root; ``path`` is where callers
    ask (with ``{model}`` and ``{verb}``), ``model`` one that the format knows. ``ask`` makes the body of a request, in
    which the call is named; ``stream`` a stream of so many pieces; ``hear`` reads one; ``error`` is what is told by a
    body that is no stream."""

    provider: str
    below: str
    path: str
    model: str
    ask: Callable[[str, bool, str], dict[str, Any]]
    stream: Callable[[int], Stream]
    hear: Callable[[bytes], Heard]
    error: Callable[[bytes], Mapping[str, Any]]

    def path_of(self, model: str, *, stream: bool = True) -> str:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return self.path.format(model=model, verb=verb)


def datas(stream: bytes) -> list[bytes]:
    """The payloads of the events, as HTML section 9.2.6 has them."""
    lines = re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]
    found: list[bytes] = []
    data: list[bytes] = []
    for line in lines:
        if not line and data:
            found.append(b"\n".join(data))
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
    return found


def _objects(stream: bytes) -> Iterator[dict[str, Any]]:
    return (_object(data) for data in datas(stream) if data != b"[DONE]")


def _object(data: bytes) -> dict[str, Any]:
    """What is none breaks a caller as much as an error does."""
    try:
        told: dict[str, Any] = json.loads(data)
    except ValueError:
        return {"type": "error", "error": {"message": data.decode(errors="replace")}}
    return told


def _event(value: object, name: str = "") -> bytes:
    data = b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
    return f"event: {name}\n".encode() + data if name else data


def _typed(kind: str, **fields: Any) -> bytes:
    return _event({"type": kind, **fields}, kind)


# --- OpenAI's chat ----------------------------------------------------------------------------------------------------


def _chat(model: str, stream: bool, name: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": _PROMPT % name}], "stream": stream}


def _chat_chunk(delta: object, finish: str | None = None) -> bytes:
    return _event({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _chat_stream(count: int) -> Stream:
    return Stream(
        [_chat_chunk({"role": "assistant", "content": ""})],
        [_chat_chunk({"content": word(number)}) for number in range(count)],
        [_chat_chunk({}, "stop"), b"data: [DONE]\n\n"],
    )


def _hear_chat(stream: bytes) -> Heard:
    words, finish, error = [], None, None
    for told in _objects(stream):
        error = told.get("error") or error
        for choice in told.get("choices", ()):
            words.append(choice["delta"].get("content") or "")
            finish = choice["finish_reason"] or finish
    return Heard([piece for piece in words if piece], finish, datas(stream).count(b"[DONE]"), error)


def _enveloped(body: bytes) -> Mapping[str, Any]:
    error: Mapping[str, Any] = json.loads(body)["error"]
    return error


# --- OpenAI's responses -----------------------------------------------------------------------------------------------


def _responses(model: str, stream: bool, name: str) -> dict[str, Any]:
    return {"model": model, "input": _PROMPT % name, "stream": stream}


def _response(status: str, text: str = "") -> dict[str, Any]:
    said = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [said]}
    head = {"id": "r", "object": "response", "created_at": 1, "model": "gpt-5", "status": status, "error": None}
    return head | {"output": [item] if text else []}


def _responses_stream(count: int) -> Stream:
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    item = {"id": "m", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    text = "".join(map(word, range(count)))
    return Stream(
        [
            _typed("response.created", response=_response("in_progress")),
            _typed("response.output_item.added", output_index=0, item=item),
            _typed("response.content_part.added", **place, part={"type": "output_text", "text": "", "annotations": []}),
        ],
        [_typed("response.output_text.delta", **place, delta=word(number)) for number in range(count)],
        [_typed("response.completed", response=_response("completed", text))],
    )


def _hear_responses(stream: bytes) -> Heard:
    words, finish, error, ends = [], None, None, 0
    for told in _objects(stream):
        match told.get("type"):
            case "response.output_text.delta":
                words.append(told["delta"])
            case "response.completed" | "response.incomplete":
                finish, ends = told["response"]["status"], ends + 1
            case "response.failed":
                error = told["response"]["error"] or {}
            case "error":
                error = told
            case _:
                pass
    return Heard(words, finish, ends, error)


# --- Anthropic --------------------------------------------------------------------------------------------------------


def _anthropic(model: str, stream: bool, name: str) -> dict[str, Any]:
    said = [{"role": "user", "content": _PROMPT % name}]
    return {"model": model, "max_tokens": 512, "messages": said, "stream": stream}


def _anthropic_stream(count: int) -> Stream:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    begun = head | {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return Stream(
        [
            _typed("message_start", message=begun),
            _typed("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            _typed("ping"),
        ],
        [
            _typed("content_block_delta", index=0, delta={"type": "text_delta", "text": word(number)})
            for number in range(count)
        ]
        + [_typed("content_block_stop", index=0)],
        [_typed("message_delta", delta=stop, usage={"output_tokens": count}), _typed("message_stop")],
    )


def _hear_anthropic(stream: bytes) -> Heard:
    words, finish, error, ends = [], None, None, 0
    for told in _objects(stream):
        match told.get("type"):
            case "content_block_delta":
                words.append(told["delta"]["text"])
            case "message_delta":
                finish = told["delta"]["stop_reason"] or finish
            case "message_stop":
                ends += 1
            case "error":
                error = told["error"]
            case _:
                pass
    return Heard(words, finish, ends, error)


# --- Gemini -----------------------------------------------------------------------------------------------------------


def _gemini(model: str, stream: bool, name: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": _PROMPT % name}]}]}


def _candidate(text: str, **more: object) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}]}


def _gemini_stream(count: int) -> Stream:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": count, "totalTokenCount": count + 9}
    last = _event(_candidate("", finishReason="STOP") | {"usageMetadata": usage})
    return Stream([], [_event(_candidate(word(number))) for number in range(count)], [last])


def _hear_gemini(stream: bytes) -> Heard:
    words, finish, error, ends = [], None, None, 0
    for told in _objects(stream):
        error = told.get("error") or error
        for candidate in told.get("candidates", ()):
            words += [part["text"] for part in candidate.get("content", {}).get("parts", ()) if part["text"]]
            if reason := candidate.get("finishReason"):
                finish, ends = reason, ends + 1
    return Heard(words, finish, ends, error)


DIALECTS: Final[Mapping[Name, Dialect]] = {
    "openai": Dialect("openai", "/v1", "/v1/chat/completions", "gpt-4o", _chat, _chat_stream, _hear_chat, _enveloped),
    "responses": Dialect(
        "openai-responses", "/v1", "/v1/responses", "gpt-5", _responses, _responses_stream, _hear_responses, _enveloped
    ),
    "anthropic": Dialect(
        "anthropic",
        "",
        "/v1/messages",
        "claude-sonnet-4-5",
        _anthropic,
        _anthropic_stream,
        _hear_anthropic,
        _enveloped,
    ),
    "gemini": Dialect(
        "gemini",
        "",
        "/v1beta/models/{model}:{verb}",
        "gemini-2.5-flash",
        _gemini,
        _gemini_stream,
        _hear_gemini,
        _enveloped,
    ),
}
