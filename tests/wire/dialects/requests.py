"""One request in every client's format that uses as much of the format as one request can."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["REQUESTS"]

_PNG: Final = "iVBORw0KGgoAAAANSUhEUg=="
_DATA: Final = f"data:image/png;base64,{_PNG}"
_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "$defs": {"unit": {"enum": ["c", "f", ""]}},
    "properties": {
        "city": {"type": ["string", "null"], "minLength": 1},
        "unit": {"$ref": "#/$defs/unit"},
        "kind": {"const": "now"},
        "days": {"type": "array"},
    },
    "required": ["city"],
    "additionalProperties": False,
}
_FUNCTION: Final = {"name": "weather", "description": "Of a city", "parameters": _SCHEMA}


def _openai() -> dict[str, Any]:
    call = {"id": "call:1/ü", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rom"}'}}
    empty = {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": ""}}
    image = {"type": "image_url", "image_url": {"url": _DATA, "detail": "low"}}
    return {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind.", "cache_control": {"ttl": "1h"}}]},
            {"role": "user", "name": "ann", "content": [{"type": "text", "text": "Look"}, image]},
            {"role": "user", "content": ""},
            {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [call, empty]},
            {"role": "tool", "tool_call_id": "call:1/ü", "content": [{"type": "text", "text": "21°"}]},
            {"role": "tool", "tool_call_id": "call_2", "content": "?"},
            {"role": "system", "content": "Go on."},
            {"role": "user", "content": "And now?"},
        ],
        "tools": [{"type": "function", "function": {**_FUNCTION, "strict": True}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "max_completion_tokens": 4000,
        "temperature": 1.5,
        "top_p": 0.9,
        "stop": ["a", "b"],
        "seed": 1,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.5,
        "logit_bias": {"1": 1},
        "logprobs": True,
        "top_logprobs": 2,
        "user": "u",
        "metadata": {"a": "b"},
        "service_tier": "auto",
        "verbosity": "low",
        "prompt_cache_key": "k",
        "prediction": {"type": "content", "content": "x"},
        "web_search_options": {"search_context_size": "low"},
        "stream": True,
        "stream_options": {"include_usage": True},
        "x_unknown": {"deep": [1]},
    }


def _responses() -> dict[str, Any]:
    call = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    return {
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Look"}]},
            {"role": "user", "content": [{"type": "input_image", "image_url": _DATA, "detail": "auto"}]},
            thought,
            call,
            {"type": "function_call_output", "call_id": "call_1", "output": "21°"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "So.", "annotations": []}]},
            {"role": "user", "content": "And now?"},
        ],
        "tools": [{"type": "function", **_FUNCTION, "strict": False}, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "weather"},
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": _SCHEMA}, "verbosity": "low"},
        "max_output_tokens": 2000,
        "temperature": 0.5,
        "top_logprobs": 2,
        "metadata": {"a": "b"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "stream": True,
        "x_unknown": {"deep": [1]},
    }


def _anthropic() -> dict[str, Any]:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _PNG}}
    said = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "c2ln"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rom"}},
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": [image]}
    return {
        "model": "m",
        "max_tokens": 4000,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Look"}, image]},
            {"role": "assistant", "content": said},
            {"role": "user", "content": [result, {"type": "text", "text": "And now?"}]},
        ],
        "tools": [{"name": "weather", "description": "Of a city", "input_schema": _SCHEMA}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "stop_sequences": ["a"],
        "top_k": 5,
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "stream": True,
        "x_unknown": {"deep": [1]},
    }


def _gemini() -> dict[str, Any]:
    call = {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Rom"}}, "thoughtSignature": "c2ln"}
    result = {"functionResponse": {"id": "c1", "name": "weather", "response": {"result": "21°"}}}
    return {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Look"}, {"inlineData": {"mimeType": "image/png", "data": _PNG}}]},
            {"role": "model", "parts": [{"text": "Hm.", "thought": True}, call]},
            {"role": "user", "parts": [result]},
            {"role": "user", "parts": [{"text": "And now?"}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": _SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 5,
            "maxOutputTokens": 2000,
            "stopSequences": ["a"],
            "candidateCount": 1,
            "seed": 1,
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "x_unknown": {"deep": [1]},
    }


def _cohere() -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rom"}'}}
    image = {"type": "image_url", "image_url": {"url": _DATA}}
    return {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look"}, image]},
            {"role": "assistant", "tool_plan": "I look.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "document", "document": {"data": "21°"}}]},
            {"role": "user", "content": "And now?"},
        ],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "tool_choice": "REQUIRED",
        "documents": [{"id": "d", "data": {"text": "x", "title": "T"}}],
        "max_tokens": 2000,
        "stop_sequences": ["a"],
        "temperature": 0.5,
        "p": 0.9,
        "k": 5,
        "seed": 1,
        "thinking": {"type": "enabled", "token_budget": 1000},
        "safety_mode": "NONE",
        "stream": True,
        "x_unknown": {"deep": [1]},
    }


def _ollama() -> dict[str, Any]:
    call = {"id": "c1", "function": {"name": "weather", "arguments": {"city": "Rom"}}}
    return {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look", "images": [_PNG]},
            {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [call]},
            {"role": "tool", "tool_name": "weather", "content": "21°"},
            {"role": "user", "content": "And now?"},
        ],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "format": _SCHEMA,
        "think": "low",
        "options": {"num_predict": 2000, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop": ["a"], "num_ctx": 4096},
        "keep_alive": "5m",
        "stream": True,
        "x_unknown": {"deep": [1]},
    }


REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "openai": _openai(),
    "responses": _responses(),
    "anthropic": _anthropic(),
    "gemini": _gemini(),
    "cohere": _cohere(),
    "ollama": _ollama(),
}
