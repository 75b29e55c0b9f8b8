"""The official SDKs, each behind one and the same face: what is wanted goes in (``Want``), what came back comes out
(``Reply``). OpenAI's and Anthropic's validate strictly whatever they get.

``after`` goes on from a reply: its turn comes back, and a result for each call. ``bare``: as clients do that keep text
and calls, and drop all else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anthropic
import cohere
import httpx
import httpx2
import ollama
import openai
from google import genai
from google.genai import types

from oneapi_asgi import Usage

from .dialect_openai import OpenAIChat, OpenAIResponses
from .dialect_want import (
    ALL_COUNTS,
    BOTH,
    BUDGET,
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
from .serving import KEY

__all__ = ["CLIENTS", "Clients", "open_clients"]

# --- Anthropic --------------------------------------------------------------------------------------------------------


class Anthropic:
    format = "anthropic"
    counts, formats, documents, ids = ALL_COUNTS, frozenset({"schema"}), True, True

    def __init__(self, sdk: anthropic.AsyncAnthropic) -> None:
        self.sdk = sdk

    async def ask(
        self, model: str, want: Want, *, stream: bool = False, after: Reply | None = None, bare: bool = False
    ) -> Reply:
        asked = self.asked(model, want, after, bare=bare)
        if not stream:
            return self.reply(await self.sdk.messages.create(**asked))
        async with self.sdk.messages.stream(**asked) as events:
            return self.reply(await events.get_final_message())

    def asked(self, model: str, want: Want, after: Reply | None = None, *, bare: bool = False) -> dict[str, Any]:
        user: list[dict[str, Any]] = [{"type": "text", "text": want.prompt}]
        if want.image:
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            user.append({"type": "image", "source": source})
        if want.pdf:
            user.append(
                {
                    "type": "document",
                    "title": "a",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                }
            )
        messages: list[Any] = [{"role": "user", "content": user}]
        if after:
            messages += after.bare if bare else after.turn
            told = [{"type": "tool_result", "tool_use_id": c.id, "content": text} for c, text in results(after.calls)]
            messages.append({"role": "user", "content": told})
        asked: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": want.max_output or 4096}
        if want.system:
            asked["system"] = want.system
        if want.tools:
            asked["tools"] = [{"name": n, "description": d, "input_schema": schema} for n, d, schema in TOOLS]
        if want.thinking:
            asked["thinking"] = {"type": "enabled", "budget_tokens": BUDGET}
        if want.format:
            asked["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        return {**asked, **want.more}

    def reply(self, answer: Any) -> Reply:
        blocks = [block.to_dict() for block in answer.content]
        calls = [Called(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
        usage = answer.usage
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        details = usage.output_tokens_details
        kept = [{n: v for n, v in b.items() if n not in {"citations", "parsed_output"}} for b in blocks]
        return Reply(
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            calls=calls,
            finish=_ANTHROPIC[answer.stop_reason],
            usage=Usage(
                input=usage.input_tokens + read + written,
                output=usage.output_tokens,
                cache_read=read,
                cache_write=written,
                reasoning=(details and details.thinking_tokens) or 0,
            ),
            thought="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
            turn=[{"role": "assistant", "content": kept}],
            bare=[{"role": "assistant", "content": [b for b in kept if "thinking" not in b["type"]]}],
            model=answer.model,
        )


_ANTHROPIC = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}


# --- Gemini -----------------------------------------------------------------------------------------------------------


class Gemini:
    format = "gemini"
    counts, formats, documents, ids = frozenset({"cache_read", "reasoning"}), BOTH, True, True

    def __init__(self, sdk: Any) -> None:
        self.sdk = sdk

    async def ask(
        self, model: str, want: Want, *, stream: bool = False, after: Reply | None = None, bare: bool = False
    ) -> Reply:
        asked = self.asked(model, want, after, bare=bare)
        if not stream:
            return self.reply([await self.sdk.models.generate_content(**asked)])
        return self.reply([part async for part in await self.sdk.models.generate_content_stream(**asked)])

    def asked(self, model: str, want: Want, after: Reply | None = None, *, bare: bool = False) -> dict[str, Any]:
        parts = [types.Part.from_text(text=want.prompt)]
        if want.image:
            parts.append(types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png"))
        if want.pdf:
            parts.append(types.Part.from_bytes(data=base64.b64decode(PDF), mime_type="application/pdf"))
        contents: list[Any] = [types.Content(role="user", parts=parts)]
        if after:
            contents += after.bare if bare else after.turn
            contents.append(types.Content(role="user", parts=[_response(*each) for each in results(after.calls)]))
        config: dict[str, Any] = dict(want.more)
        if want.system:
            config["system_instruction"] = want.system
        if want.tools:
            declared = [
                types.FunctionDeclaration(name=n, description=d, parameters_json_schema=schema)
                for n, d, schema in TOOLS
            ]
            config["tools"] = [types.Tool(function_declarations=declared)]
            config["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(disable=True)
        if want.thinking:
            config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=BUDGET)
        if want.format:
            config["response_mime_type"] = "application/json"
        if want.format == "schema":
            config["response_json_schema"] = SCHEMA
        if want.max_output:
            config["max_output_tokens"] = want.max_output
        return {"model": model, "contents": contents, "config": types.GenerateContentConfig(**config)}

    def reply(self, answers: list[Any]) -> Reply:
        last, usage = answers[-1], answers[-1].usage_metadata
        candidates = [answer.candidates[0] for answer in answers]
        assert [candidate.finish_reason is not None for candidate in candidates] == [False] * (len(answers) - 1) + [
            True
        ]
        parts: list[Any] = [part for c in candidates if c.content for part in c.content.parts or []]
        called = [part.function_call for part in parts if part.function_call]
        assert usage.total_token_count == _sum(
            usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count
        )
        bare = [
            types.Part(text=part.text, function_call=part.function_call)
            for part in parts
            if not part.thought and (part.text or part.function_call)
        ]
        finish = _GEMINI[candidates[-1].finish_reason]
        return Reply(
            text="".join(part.text or "" for part in parts if not part.thought),
            calls=[Called(call.id, call.name, call.args or {}) for call in called],
            finish="tool_calls" if called and finish == "stop" else finish,
            usage=Usage(
                input=usage.prompt_token_count or 0,
                output=_sum(usage.candidates_token_count, usage.thoughts_token_count),
                cache_read=usage.cached_content_token_count or 0,
                reasoning=usage.thoughts_token_count or 0,
            ),
            thought="".join(part.text or "" for part in parts if part.thought),
            turn=[types.Content(role="model", parts=parts)],
            bare=[types.Content(role="model", parts=bare)],
            model=last.model_version,
        )


def _sum(*counts: int | None) -> int:
    return sum(count or 0 for count in counts)


def _response(call: Called, text: str) -> types.Part:
    return types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": text}))


_GEMINI = {
    types.FinishReason.STOP: "stop",
    types.FinishReason.MAX_TOKENS: "length",
    types.FinishReason.SAFETY: "content_filter",
}


# --- Cohere -----------------------------------------------------------------------------------------------------------


class Cohere:
    format = "cohere"
    counts, formats, documents, ids = frozenset({"cache_read"}), BOTH, False, True

    def __init__(self, sdk: cohere.AsyncClientV2) -> None:
        self.sdk = sdk

    async def ask(
        self, model: str, want: Want, *, stream: bool = False, after: Reply | None = None, bare: bool = False
    ) -> Reply:
        asked = self.asked(model, want, after, bare=bare)
        if not stream:
            answer: Any = await self.sdk.chat(**asked)
            return self.reply(_plain(answer.message), answer.finish_reason, answer.usage)
        events: list[Any] = [event async for event in self.sdk.chat_stream(**asked)]
        assert (events[0].type, events[-1].type) == ("message-start", "message-end")
        if error := getattr(events[-1].delta, "error", None):  # which the SDK hands on as any other
            raise BrokenError(error)
        return self.reply(_cohere_message(events), events[-1].delta.finish_reason, events[-1].delta.usage)

    def asked(self, model: str, want: Want, after: Reply | None = None, *, bare: bool = False) -> dict[str, Any]:
        user: list[dict[str, Any]] = [{"type": "text", "text": want.prompt}]
        if want.image:
            user.append({"type": "image_url", "image_url": {"url": data_url("image/png", PIXEL)}})
        messages: list[Any] = [{"role": "system", "content": want.system}] if want.system else []
        messages.append({"role": "user", "content": user if len(user) > 1 else want.prompt})
        if after:
            messages += after.bare if bare else after.turn
            messages += [{"role": "tool", "tool_call_id": c.id, "content": text} for c, text in results(after.calls)]
        asked: dict[str, Any] = {"model": model, "messages": messages, **want.more}
        asked["request_options"] = {"max_retries": 0}
        if want.tools:
            functions = [{"name": n, "description": d, "parameters": schema} for n, d, schema in TOOLS]
            asked["tools"] = [{"type": "function", "function": function} for function in functions]
        if want.thinking:
            asked["thinking"] = {"type": "enabled"}
        if want.format:
            asked["response_format"] = {
                "type": "json_object",
                **({"json_schema": SCHEMA} if want.format == "schema" else {}),
            }
        if want.max_output:
            asked["max_tokens"] = want.max_output
        return asked

    def reply(self, message: dict[str, Any], finish: str, usage: Any) -> Reply:
        content = message.get("content") or []
        made = message.get("tool_calls") or []
        bare: dict[str, Any] = {"role": "assistant"}
        if made:
            bare["tool_calls"] = made
        else:
            bare["content"] = [part for part in content if part["type"] == "text"]
        return Reply(
            text="".join(part["text"] for part in content if part["type"] == "text"),
            calls=[Called(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in made],
            finish=_COHERE[finish],
            usage=Usage(
                input=int(usage.tokens.input_tokens),
                output=int(usage.tokens.output_tokens),
                cache_read=int(usage.cached_tokens or 0),
            ),
            thought="".join(part["thinking"] for part in content if part["type"] == "thinking"),
            turn=[{"role": "assistant", **{name: value for name, value in message.items() if value}}],
            bare=[bare],
            model=None,
        )


def _plain(value: Any) -> dict[str, Any]:
    """A Cohere object as the dict that its SDK sends."""
    found: dict[str, Any] = json.loads(value.json())
    return {name: each for name, each in found.items() if each is not None}


def _cohere_message(events: list[Any]) -> dict[str, Any]:
    content: dict[int, dict[str, Any]] = {}
    calls: dict[int, dict[str, Any]] = {}
    plan = ""
    for event in events:
        message: Any = getattr(getattr(event, "delta", None), "message", None)
        match event.type:
            case "content-start":
                kind = message.content.type
                content[event.index] = {"type": kind, kind: getattr(message.content, kind) or ""}
            case "content-delta":
                kind = content[event.index]["type"]
                content[event.index][kind] += getattr(message.content, kind)
            case "tool-plan-delta":
                plan += message.tool_plan
            case "tool-call-start":
                calls[event.index] = _plain(message.tool_calls)
            case "tool-call-delta":
                calls[event.index]["function"]["arguments"] += message.tool_calls.function.arguments
    whole: dict[str, Any] = {"content": list(content.values()), "tool_plan": plan, "tool_calls": list(calls.values())}
    return {name: value for name, value in whole.items() if value}


_COHERE = {"COMPLETE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls", "ERROR": "content_filter"}


# --- Ollama -----------------------------------------------------------------------------------------------------------


class Ollama:
    format = "ollama"
    counts, formats, documents, ids = frozenset[str](), BOTH, False, False

    def __init__(self, sdk: ollama.AsyncClient) -> None:
        self.sdk = sdk

    async def ask(
        self, model: str, want: Want, *, stream: bool = False, after: Reply | None = None, bare: bool = False
    ) -> Reply:
        asked = self.asked(model, want, after, bare=bare)
        if not stream:
            return self.reply([await self.sdk.chat(**asked)])
        lines: Any = await self.sdk.chat(**asked, stream=True)
        return self.reply([line async for line in lines])

    def asked(self, model: str, want: Want, after: Reply | None = None, *, bare: bool = False) -> dict[str, Any]:
        messages: list[Any] = [{"role": "system", "content": want.system}] if want.system else []
        messages.append({"role": "user", "content": want.prompt, **({"images": [PIXEL]} if want.image else {})})
        if after:
            messages += after.bare if bare else after.turn
            messages += [{"role": "tool", "tool_name": c.name, "content": text} for c, text in results(after.calls)]
        asked: dict[str, Any] = {"model": model, "messages": messages, **want.more}
        if want.tools:
            functions = [{"name": n, "description": d, "parameters": schema} for n, d, schema in TOOLS]
            asked["tools"] = [{"type": "function", "function": function} for function in functions]
        if want.thinking:
            asked["think"] = True
        if want.format:
            asked["format"] = "json" if want.format == "json" else SCHEMA
        if want.max_output:
            asked["options"] = {"num_predict": want.max_output}
        return asked

    def reply(self, lines: list[Any]) -> Reply:
        last, messages = lines[-1], [line.message for line in lines]
        assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
        made = [call for message in messages for call in message.tool_calls or []]
        text = "".join(message.content or "" for message in messages)
        thought = "".join(message.thinking or "" for message in messages)
        bare = {"role": "assistant", "content": text, "tool_calls": [call.model_dump() for call in made]}
        return Reply(
            text=text,
            calls=[Called("", call.function.name, dict(call.function.arguments)) for call in made],
            finish="tool_calls" if made else last.done_reason,
            usage=Usage(input=last.prompt_eval_count or 0, output=last.eval_count or 0),
            thought=thought,
            turn=[{**bare, "thinking": thought} if thought else bare],
            bare=[bare],
            model=last.model,
        )


# --- all of them ------------------------------------------------------------------------------------------------------

CLIENTS = ("chat", "responses", "anthropic", "gemini", "cohere", "ollama")


class Clients(dict[str, Any]):
    """By the names of ``CLIENTS``. ``headers`` are those of the last answer that any of them got."""

    headers: Mapping[str, str] = {}

    @property
    def call_id(self) -> str:
        return self.headers["x-request-id"]

    async def note(self, response: Any) -> None:
        self.headers = response.headers


@asynccontextmanager
async def open_clients(url: str, key: str = KEY) -> AsyncIterator[Clients]:
    """All the SDKs, none of which tries again."""
    clients = Clients()
    hooks: dict[str, list[Callable[..., Any]]] = {"response": [clients.note]}
    async with AsyncExitStack() as stack:
        new: Any = await stack.enter_async_context(httpx2.AsyncClient(event_hooks=hooks, timeout=20))
        old: Any = await stack.enter_async_context(httpx.AsyncClient(event_hooks=hooks, timeout=20))
        strict: Any = {"api_key": key, "max_retries": 0, "_strict_response_validation": True, "http_client": new}
        chat = openai.AsyncOpenAI(base_url=f"{url}/v1", **strict)
        options = types.HttpOptions(base_url=url, httpx_async_client=new)
        tags = ollama.AsyncClient(host=url, headers={"authorization": f"Bearer {key}"}, event_hooks=hooks)
        stack.push_async_callback(tags._client.aclose)
        clients |= {
            "chat": OpenAIChat(chat),
            "responses": OpenAIResponses(chat),
            "anthropic": Anthropic(anthropic.AsyncAnthropic(base_url=url, **strict)),
            "gemini": Gemini(genai.Client(api_key=key, http_options=options).aio),
            "cohere": Cohere(cohere.AsyncClientV2(api_key=key, base_url=url, httpx_client=old)),
            "ollama": Ollama(tags),
        }
        yield clients
