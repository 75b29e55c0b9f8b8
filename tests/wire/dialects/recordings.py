"""One story in every upstream's format, as a stream and, where the format has it, at once.

The story: thoughts, text with everything that trips up splitters of lines (U+2028, U+0085, CRLF, characters of four
bytes), a call with arguments in pieces, a call without any, usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from oneapi_asgi.wire.bedrock.eventstream import message
from oneapi_asgi.wire.chat import Target
from oneapi_asgi.wire.dialect import UpstreamDialect
from oneapi_asgi.wire.dialects import UPSTREAMS

__all__ = ["MODELS", "RECORDINGS", "TEXT", "Recording", "target_of"]

TEXT: Final = ("Grüß ", "👋\u2028\x85", "two\r\nlines", " — end.")
THOUGHTS: Final = ("Let me ", "thîńk.\u2029")
ARGUMENTS: Final = ('{"ci', 'ty":"Málaga', "\u2028👋", '"}')

MODELS: Final = {
    "openai": "gpt-5.1",
    "responses": "gpt-5.1",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-3-pro",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
    "ollama": "llama3.2",
    "coze": "7379462189365198898",
    "dify": "support",
    "replicate": "meta/meta-llama-3-70b-instruct",
    "deepl": "deepl-de",
}
"""A model of each upstream that knows as much as the format can say."""


class Recording(Struct, frozen=True):
    """``whole`` is the same answer at once, empty where the format streams only."""

    upstream: str
    name: str
    raw: bytes
    whole: bytes = b""

    @property
    def dialect(self) -> UpstreamDialect:
        return UPSTREAMS[self.upstream]


def target_of(upstream: str, *, stream: bool = True) -> Target:
    return Target(model=MODELS[upstream], stream=stream)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _sse(*events: object, end: bytes = b"\n\n") -> bytes:
    return b"".join(b"data: " + _json(event) + end for event in events)


def _typed(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + _sse({"type": kind, **fields})


# --- openai -----------------------------------------------------------------------------------------------------------

_COUNTS: Final = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 4},
}


def _chunk(delta: object, finish: str | None = None, **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-5.1"}
    return {**head, "choices": [choice], **more}


def _openai_call(index: int, name: str, *pieces: str) -> Iterator[dict[str, object]]:
    begun = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
    yield _chunk({"tool_calls": [begun]})
    for piece in pieces:
        yield _chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})


def _openai() -> Iterator[Recording]:
    chunks = [
        _chunk({"role": "assistant", "content": ""}),
        *(_chunk({"reasoning_content": piece}) for piece in THOUGHTS),
        *(_chunk({"content": piece}) for piece in TEXT),
        *_openai_call(0, "weather", *ARGUMENTS),
        *_openai_call(1, "clock"),
        _chunk({}, "tool_calls"),
        {**_chunk({}), "choices": [], "usage": _COUNTS},
    ]
    raw = b": OPENROUTER PROCESSING\n\n" + _sse(*chunks) + b"data: [DONE]\n\n"
    calls = [("weather", "".join(ARGUMENTS)), ("clock", "")]
    said = {
        "role": "assistant",
        "reasoning_content": "".join(THOUGHTS),
        "content": "".join(TEXT),
        "tool_calls": [
            {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (name, arguments) in enumerate(calls)
        ],
    }
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-5.1",
        "choices": [{"index": 0, "message": said, "finish_reason": "tool_calls"}],
        "usage": _COUNTS,
    }
    yield Recording("openai", "tools", raw, _json(whole))
    yield Recording("openai", "crlf", raw.replace(b"\n", b"\r\n"), _json(whole))


# --- responses --------------------------------------------------------------------------------------------------------


def _items() -> list[dict[str, Any]]:
    call = {"type": "function_call", "status": "completed"}
    return [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "".join(THOUGHTS)}],
            "encrypted_content": "gAAAbcd",
        },
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "".join(TEXT), "annotations": [], "logprobs": []}],
        },
        {**call, "id": "fc_1", "call_id": "call_0", "name": "weather", "arguments": "".join(ARGUMENTS)},
        {**call, "id": "fc_2", "call_id": "call_1", "name": "clock", "arguments": "{}"},
    ]


def _response(status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 29,
    }
    told = {"usage": usage if status == "completed" else None, "error": None, "incomplete_details": None}
    head = {"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "gpt-5.1"}
    return head | {"status": status, "output": output} | told


def _item_frames(index: int, item: dict[str, Any]) -> Iterator[bytes]:
    place = {"item_id": item["id"], "output_index": index}
    empty = {name: type(item[name])() for name in ("summary", "content", "arguments") if name in item}
    yield _typed("response.output_item.added", output_index=index, item=item | empty)
    if "summary" in item:
        part = {"type": "summary_text", "text": ""}
        yield _typed("response.reasoning_summary_part.added", **place, summary_index=0, part=part)
        for piece in THOUGHTS:
            yield _typed("response.reasoning_summary_text.delta", **place, summary_index=0, delta=piece)
    if "content" in item:
        said: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
        yield _typed("response.content_part.added", **place, content_index=0, part=said)
        for piece in TEXT:
            yield _typed("response.output_text.delta", **place, content_index=0, delta=piece)
    if "arguments" in item:
        for piece in ARGUMENTS if item["name"] == "weather" else ("{}",):
            yield _typed("response.function_call_arguments.delta", **place, delta=piece)
        yield _typed("response.function_call_arguments.done", **place, arguments=item["arguments"])
    yield _typed("response.output_item.done", output_index=index, item=item)


def _responses() -> Iterator[Recording]:
    frames = [_typed("response.created", response=_response("in_progress", []))]
    for index, item in enumerate(_items()):
        frames += _item_frames(index, item)
    done = _response("completed", _items())
    yield Recording("responses", "tools", b"".join([*frames, _typed("response.completed", response=done)]), _json(done))


# --- anthropic --------------------------------------------------------------------------------------------------------

_ANTHROPIC_BLOCKS: Final[tuple[tuple[dict[str, Any], tuple[dict[str, Any], ...]], ...]] = (
    (
        {"type": "thinking", "thinking": "", "signature": ""},
        (
            *({"type": "thinking_delta", "thinking": piece} for piece in THOUGHTS),
            {"type": "signature_delta", "signature": "c2ln"},
        ),
    ),
    ({"type": "text", "text": ""}, tuple({"type": "text_delta", "text": piece} for piece in TEXT)),
    (
        {"type": "tool_use", "id": "toolu_0", "name": "weather", "input": {}},
        tuple({"type": "input_json_delta", "partial_json": piece} for piece in ("", *ARGUMENTS)),
    ),
    ({"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}, ()),
)


def _anthropic() -> Iterator[Recording]:
    counted = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 4}
    head: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "stop_sequence": None,
    }
    begun: dict[str, Any] = head | {"content": [], "stop_reason": None, "usage": counted | {"output_tokens": 1}}
    frames = [_typed("message_start", message=begun), _typed("ping")]
    for index, (block, deltas) in enumerate(_ANTHROPIC_BLOCKS):
        frames.append(_typed("content_block_start", index=index, content_block=block))
        frames += [_typed("content_block_delta", index=index, delta=delta) for delta in deltas]
        frames.append(_typed("content_block_stop", index=index))
    stop = {"stop_reason": "tool_use", "stop_sequence": None}
    frames += [_typed("message_delta", delta=stop, usage={"output_tokens": 9}), _typed("message_stop")]
    content = [
        {"type": "thinking", "thinking": "".join(THOUGHTS), "signature": "c2ln"},
        {"type": "text", "text": "".join(TEXT)},
        {"type": "tool_use", "id": "toolu_0", "name": "weather", "input": json.loads("".join(ARGUMENTS))},
        {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}},
    ]
    whole = head | {"content": content, "stop_reason": "tool_use", "usage": counted | {"output_tokens": 9}}
    yield Recording("anthropic", "tools", b"".join(frames), _json(whole))


# --- gemini -----------------------------------------------------------------------------------------------------------


def _candidate(*parts: object, **more: object) -> dict[str, object]:
    return {
        "candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0, **more}],
        "modelVersion": "gemini-3-pro-001",
        "responseId": "r1",
    }


def _gemini() -> Iterator[Recording]:
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 29}
    arguments = json.loads("".join(ARGUMENTS))
    calls = [
        {"functionCall": {"id": "c0", "name": "weather", "args": arguments}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "c1", "name": "clock", "args": {}}},
    ]
    told = [
        *(_candidate({"text": piece, "thought": True}) for piece in THOUGHTS),
        *(_candidate({"text": piece}) for piece in TEXT),
        *(_candidate(call) for call in calls),
        _candidate({"text": ""}, finishReason="STOP") | {"usageMetadata": usage},
    ]
    whole = _candidate(
        {"text": "".join(THOUGHTS), "thought": True}, {"text": "".join(TEXT)}, *calls, finishReason="STOP"
    ) | {"usageMetadata": usage}
    yield Recording("gemini", "events", _sse(*told, end=b"\r\n\r\n"), _json(whole))
    array = b"[" + b"\n,\r\n".join(json.dumps(one, ensure_ascii=False, indent=1).encode() for one in told) + b"\n]\n"
    yield Recording("gemini", "array", array, _json(whole))


# --- bedrock ----------------------------------------------------------------------------------------------------------


def _frame(kind: str, payload: object) -> bytes:
    head = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(head, _json(payload))


def _bedrock_block(index: int, start: object, deltas: Iterable[object]) -> Iterator[bytes]:
    if start is not None:
        yield _frame("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": start}})
    for delta in deltas:
        yield _frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abcd"})
    yield _frame("contentBlockStop", {"contentBlockIndex": index})


def _bedrock() -> Iterator[Recording]:
    usage = {"inputTokens": 17, "outputTokens": 9, "totalTokens": 29, "cacheReadInputTokens": 3}
    thought: list[object] = [{"reasoningContent": {"text": piece}} for piece in THOUGHTS]
    thought.append({"reasoningContent": {"signature": "c2ln"}})
    frames = [
        _frame("messageStart", {"role": "assistant"}),
        *_bedrock_block(0, None, thought),
        *_bedrock_block(1, None, ({"text": piece} for piece in TEXT)),
        *_bedrock_block(
            2, {"toolUseId": "tooluse_0", "name": "weather"}, ({"toolUse": {"input": piece}} for piece in ARGUMENTS)
        ),
        *_bedrock_block(3, {"toolUseId": "tooluse_1", "name": "clock"}, ()),
        _frame("messageStop", {"stopReason": "tool_use"}),
        _frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    ]
    content = [
        {"reasoningContent": {"reasoningText": {"text": "".join(THOUGHTS), "signature": "c2ln"}}},
        {"text": "".join(TEXT)},
        {"toolUse": {"toolUseId": "tooluse_0", "name": "weather", "input": json.loads("".join(ARGUMENTS))}},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "clock", "input": {}}},
    ]
    said = {"message": {"role": "assistant", "content": content}}
    whole = {"output": said, "stopReason": "tool_use", "usage": usage, "metrics": {"latencyMs": 1}}
    yield Recording("bedrock", "tools", b"".join(frames), _json(whole))


# --- cohere -----------------------------------------------------------------------------------------------------------


def _said(**fields: object) -> dict[str, object]:
    return {"delta": {"message": fields}}


def _cohere_content(index: int, kind: str, pieces: Iterable[str]) -> Iterator[bytes]:
    yield _typed("content-start", index=index, **_said(content={"type": kind, kind: ""}))
    for piece in pieces:
        yield _typed("content-delta", index=index, **_said(content={kind: piece}))
    yield _typed("content-end", index=index)


def _cohere_call(index: int, name: str, pieces: Iterable[str]) -> Iterator[bytes]:
    call = {"id": f"{name}_1", "type": "function", "function": {"name": name, "arguments": ""}}
    yield _typed("tool-call-start", index=index, **_said(tool_calls=call))
    for piece in pieces:
        yield _typed("tool-call-delta", index=index, **_said(tool_calls={"function": {"arguments": piece}}))
    yield _typed("tool-call-end", index=index)


def _cohere() -> Iterator[Recording]:
    tokens = {"input_tokens": 20.0, "output_tokens": 9.0}
    used = {"usage": {"billed_units": {"input_tokens": 5, "output_tokens": 9}, "tokens": tokens}}
    frames = [
        _typed("message-start", id="5c1f", **_said(role="assistant", content=[], tool_plan="", tool_calls=[])),
        *_cohere_content(0, "thinking", THOUGHTS),
        *_cohere_content(1, "text", TEXT),
        *_cohere_call(0, "weather", ARGUMENTS),
        *_cohere_call(1, "clock", ["{}"]),
        _typed("message-end", delta={"finish_reason": "TOOL_CALL", **used}),
        b"data: [DONE]\n\n",
    ]
    said = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "".join(THOUGHTS)},
            {"type": "text", "text": "".join(TEXT)},
        ],
        "tool_calls": [
            {"id": f"{name}_1", "type": "function", "function": {"name": name, "arguments": arguments}}
            for name, arguments in (("weather", "".join(ARGUMENTS)), ("clock", "{}"))
        ],
    }
    whole = {"id": "5c1f", "finish_reason": "TOOL_CALL", "message": said, **used}
    yield Recording("cohere", "tools", b"".join(frames), _json(whole))


# --- ollama -----------------------------------------------------------------------------------------------------------


def _ollama() -> Iterator[Recording]:
    head = {"model": "llama3.2", "created_at": "2023-08-04T19:22:45.499127123Z"}
    called = [
        {"id": "c0", "function": {"index": 0, "name": "weather", "arguments": json.loads("".join(ARGUMENTS))}},
        {"id": "c1", "function": {"index": 1, "name": "clock", "arguments": {}}},
    ]
    messages: list[dict[str, Any]] = []
    messages += ({"content": "", "thinking": piece} for piece in THOUGHTS)
    messages += ({"content": piece} for piece in TEXT)
    messages += ({"content": "", "tool_calls": [call]} for call in called)
    end = {"done": True, "done_reason": "stop", "total_duration": 1, "prompt_eval_count": 20, "eval_count": 9}
    lines = [head | {"message": {"role": "assistant", **message}, "done": False} for message in messages]
    lines.append(head | {"message": {"role": "assistant", "content": ""}} | end)
    raw = b"".join(_json(line) + b"\n" for line in lines)
    said = {"role": "assistant", "content": "".join(TEXT), "thinking": "".join(THOUGHTS), "tool_calls": called}
    whole = _json(head | {"message": said} | end)
    yield Recording("ollama", "tools", raw, whole)
    yield Recording("ollama", "crlf", raw.replace(b"}\n", b"}\r\n"), whole)


# --- prompts rather than conversations --------------------------------------------------------------------------------


def _named(kind: str, **fields: object) -> bytes:
    return f"event:{kind}\ndata:".encode() + _json(fields) + b"\n\n"


def _coze() -> Iterator[Recording]:
    chat = {"id": "738", "conversation_id": "737", "bot_id": "1", "created_at": 1_700_000_000}
    said = {"id": "m1", "role": "assistant", "type": "answer", "content_type": "text"}
    count = {"token_count": 29, "output_count": 9, "input_count": 20}
    raw = b"".join(
        [
            _named("conversation.chat.created", **chat, status="created"),
            *(_named("conversation.message.delta", **said, content="", reasoning_content=piece) for piece in THOUGHTS),
            *(_named("conversation.message.delta", **said, content=piece) for piece in TEXT),
            _named("conversation.message.completed", **said, content="".join(TEXT)),
            _named("conversation.chat.completed", **chat, status="completed", usage=count),
            b'event:done\ndata:"[DONE]"\n\n',
        ]
    )
    yield Recording("coze", "text", raw)


def _dify() -> Iterator[Recording]:
    head = {"task_id": "t", "message_id": "m1", "conversation_id": "c", "created_at": 1_700_000_000}
    usage = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
    metadata = {"usage": usage, "retriever_resources": []}
    events = [
        *({"event": "message", "answer": piece, **head} for piece in TEXT),
        {"event": "message_end", "metadata": metadata, **head},
    ]
    whole = {"event": "message", "mode": "chat", "answer": "".join(TEXT), "metadata": metadata, **head}
    yield Recording("dify", "text", b"event: ping\n\n" + _sse(*events), _json(whole))


def _replicate() -> Iterator[Recording]:
    metrics = {"input_token_count": 20, "output_token_count": 9}
    body = _json({"id": "p1", "status": "succeeded", "output": list(TEXT), "error": None, "metrics": metrics})
    yield Recording("replicate", "text", body, body)


def _deepl() -> Iterator[Recording]:
    told = {"detected_source_language": "EN", "text": "".join(TEXT), "billed_characters": 20}
    body = _json({"translations": [told]})
    yield Recording("deepl", "text", body, body)


RECORDINGS: Final = (
    *_openai(),
    *_responses(),
    *_anthropic(),
    *_gemini(),
    *_bedrock(),
    *_cohere(),
    *_ollama(),
    *_coze(),
    *_dify(),
    *_replicate(),
    *_deepl(),
)
