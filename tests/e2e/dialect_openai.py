"""OpenAI's SDK, which validates strictly whatever it gets, as ``Client``: by chat, and by Responses."""

from __future__ import annotations

import json
from typing import Any

import openai

from oneapi_asgi import Usage

from .dialect_want import (
    ALL_COUNTS,
    BOTH,
    PDF,
    PIXEL,
    SCHEMA,
    TOOLS,
    BrokenError,
    Called,
    Reply,
    Want,
    data_url,
    results,
)

__all__ = ["OpenAIChat", "OpenAIResponses"]


# --- OpenAI: chat -----------------------------------------------------------------------------------------------------


class OpenAIChat:
    format = "openai"
    counts, formats, documents, ids = ALL_COUNTS, BOTH, True, True

    def __init__(self, sdk: openai.AsyncOpenAI) -> None:
        self.sdk = sdk

    async def ask(
        self, model: str, want: Want, *, stream: bool = False, after: Reply | None = None, bare: bool = False
    ) -> Reply:
        asked = self.asked(model, want, after, bare=bare)
        if not stream:
            return self.reply(await self.sdk.chat.completions.create(**asked))
        chunks = await self.sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        return self.reply(_joined([chunk.to_dict() async for chunk in chunks]))

    def asked(self, model: str, want: Want, after: Reply | None = None, *, bare: bool = False) -> dict[str, Any]:
        user: list[dict[str, Any]] = [{"type": "text", "text": want.prompt}]
        if want.image:
            user.append({"type": "image_url", "image_url": {"url": data_url("image/png", PIXEL)}})
        if want.pdf:
            user.append({"type": "file", "file": {"filename": "a.pdf", "file_data": data_url("application/pdf", PDF)}})
        messages: list[Any] = [{"role": "system", "content": want.system}] if want.system else []
        messages.append({"role": "user", "content": user if len(user) > 1 else want.prompt})
        if after:
            messages += after.bare if bare else after.turn
            messages += [{"role": "tool", "tool_call_id": c.id, "content": text} for c, text in results(after.calls)]
        asked: dict[str, Any] = {"model": model, "messages": messages, **want.more}
        if want.tools:
            functions = [{"name": n, "description": d, "parameters": schema} for n, d, schema in TOOLS]
            asked["tools"] = [{"type": "function", "function": function} for function in functions]
        if want.thinking:
            asked["reasoning_effort"] = "low"
        if want.format:
            named = {"json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
            form = {"json": {"type": "json_object"}, "schema": {"type": "json_schema", **named}}
            asked["response_format"] = form[want.format]
        if want.max_output:
            asked["max_completion_tokens"] = want.max_output
        return asked

    def reply(self, answer: Any) -> Reply:
        choice = answer.choices[0]
        message = choice.message.to_dict()
        made = message.get("tool_calls") or []
        calls = [Called(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in made]
        bare = {"role": "assistant", "content": message["content"], **({"tool_calls": made} if made else {})}
        return Reply(
            text=message["content"] or "",
            calls=calls,
            finish=choice.finish_reason,
            usage=_openai_usage(answer.usage),
            thought=message.get("reasoning_content") or "",
            turn=[{name: value for name, value in message.items() if value is not None or name == "content"}],
            bare=[bare],
            model=answer.model,
        )


def _openai_usage(usage: Any) -> Usage:
    given, made = usage.prompt_tokens_details, usage.completion_tokens_details
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    return Usage(
        input=usage.prompt_tokens,
        output=usage.completion_tokens,
        cache_read=(given and given.cached_tokens) or 0,
        cache_write=(given and given.cache_write_tokens) or 0,
        reasoning=(made and made.reasoning_tokens) or 0,
    )


def _joined(chunks: list[dict[str, Any]]) -> openai.types.chat.ChatCompletion:
    """The completion that chunks make, and what has to be so of every stream (P3, C66)."""
    *body, last = chunks
    choices = [chunk["choices"][0] for chunk in body]
    assert last["choices"] == []
    assert [choice["finish_reason"] is not None for choice in choices] == [False] * (len(choices) - 1) + [True]
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        (last["id"], last["created"], last["model"])
    }
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    calls: list[dict[str, Any]] = []
    for choice in choices:
        delta = choice["delta"]
        for name in ("content", "reasoning_content"):
            if delta.get(name) is not None:
                message[name] = (message.get(name) or "") + delta[name]
        message |= {name: value for name, value in delta.items() if name not in {*message, "tool_calls"}}
        for piece in delta.get("tool_calls") or []:
            if piece["index"] == len(calls):
                calls.append({name: value for name, value in piece.items() if name != "index"})
            else:
                calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    if calls:
        message |= {"tool_calls": calls, "content": message["content"] or None}
    finish = choices[-1]["finish_reason"]
    whole = {
        **last,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    whole["choices"][0]["logprobs"] = None
    return openai.types.chat.ChatCompletion.model_validate(whole)


# --- OpenAI: Responses ------------------------------------------------------------------------------------------------


class OpenAIResponses:
    format = "responses"
    counts, formats, documents, ids = ALL_COUNTS, BOTH, True, True

    def __init__(self, sdk: openai.AsyncOpenAI) -> None:
        self.sdk = sdk

    async def ask(
        self, model: str, want: Want, *, stream: bool = False, after: Reply | None = None, bare: bool = False
    ) -> Reply:
        asked = self.asked(model, want, after, bare=bare)
        if not stream:
            return self.reply(await self.sdk.responses.create(**asked))
        events: list[Any] = [event async for event in await self.sdk.responses.create(**asked, stream=True)]
        if events[-1].type in {"error", "response.failed"}:  # which the SDK hands on as any other
            raise BrokenError(events[-1].type)
        assert [event.sequence_number for event in events] == list(range(len(events)))  # C78
        answer = events[-1].response
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == answer.output_text  # P2
        return self.reply(answer)

    def asked(self, model: str, want: Want, after: Reply | None = None, *, bare: bool = False) -> dict[str, Any]:
        user: list[dict[str, Any]] = [{"type": "input_text", "text": want.prompt}]
        if want.image:
            user.append({"type": "input_image", "detail": "auto", "image_url": data_url("image/png", PIXEL)})
        if want.pdf:
            user.append({"type": "input_file", "filename": "a.pdf", "file_data": data_url("application/pdf", PDF)})
        items: list[Any] = [{"role": "user", "content": user}]
        if after:
            items += after.bare if bare else after.turn
            items += [
                {"type": "function_call_output", "call_id": c.id, "output": text} for c, text in results(after.calls)
            ]
        asked: dict[str, Any] = {"model": model, "input": items, "store": False, **want.more}
        if want.system:
            asked["instructions"] = want.system
        if want.tools:
            asked["tools"] = [
                {"type": "function", "name": n, "description": d, "parameters": schema, "strict": False}
                for n, d, schema in TOOLS
            ]
        if want.thinking:
            asked |= {
                "reasoning": {"effort": "low", "summary": "auto"},
                "include": ["reasoning.encrypted_content"],
            }
        if want.format:
            named = {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}
            asked["text"] = {"format": {"json": {"type": "json_object"}, "schema": named}[want.format]}
        if want.max_output:
            asked["max_output_tokens"] = want.max_output
        return asked

    def reply(self, answer: Any) -> Reply:
        calls = [
            Called(item.call_id, item.name, json.loads(item.arguments))
            for item in answer.output
            if item.type == "function_call"
        ]
        thoughts = [item for item in answer.output if item.type == "reasoning"]
        reason = answer.incomplete_details and answer.incomplete_details.reason
        usage = answer.usage
        turn = [item.to_dict() for item in answer.output]
        return Reply(
            text=answer.output_text,
            calls=calls,
            finish=_RESPONSES[reason] if reason else "tool_calls" if calls else "stop",
            usage=Usage(
                input=usage.input_tokens,
                output=usage.output_tokens,
                cache_read=usage.input_tokens_details.cached_tokens,
                cache_write=usage.input_tokens_details.cache_write_tokens,
                reasoning=usage.output_tokens_details.reasoning_tokens,
            ),
            thought="".join(part.text for item in thoughts for part in item.summary),
            turn=turn,
            bare=[item for item in turn if item["type"] != "reasoning"],
            model=answer.model,
        )


_RESPONSES = {"max_output_tokens": "length", "content_filter": "content_filter"}
