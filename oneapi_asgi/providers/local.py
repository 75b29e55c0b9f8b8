"""Rows of the catalog: servers that run on one's own machines, and whatever else speaks a known format.

Reaching a private address takes an entry in the outbound allow-list.
"""

from __future__ import annotations

from typing import Final

from .access import KeyAccess
from .provider import Provider
from .rooted import RootAccess

__all__ = ["LOCAL"]

_KEY: Final = "none, or the key the server was started with"
_ROOT: Final = RootAccess()
_OLLAMA: Final = RootAccess(roots={"ollama": ""}, ends=("/v1", "/api"))

LOCAL: Final = (
    Provider(
        id="openai-compatible",
        name="OpenAI-compatible server",
        quirks=frozenset({"usage_option"}),
        one_api_types=(50,),
        key_format="API key, or none",
        note="any server with /chat/completions under its base_url",
    ),
    Provider(
        id="anthropic-compatible",
        name="Anthropic-compatible server",
        dialects=("anthropic",),
        quirks=frozenset({"no_system_turns"}),
        key_format="API key, or none",
        note="any server with /v1/messages under its base_url",
    ),
    Provider(
        id="custom",
        name="OpenAI-compatible server, older",
        # Relays of One API's time whose hosts nobody vouches for any more: keys go only where an operator says.
        one_api_types=(4, 5, 6, 8, 9, 10, 12, 13),
        key_format="API key, or none",
        note="as openai-compatible, for servers that refuse stream_options",
    ),
    Provider(
        id="proxy",
        name="Any server, credential as it is",
        access=KeyAccess("authorization", ""),
        one_api_types=(43,),
        key_format="the whole value of the Authorization header, such as Bearer TOKEN",
        schemes=True,
        note="the channel's dialects say what the server speaks; OpenAI's, if they say nothing",
    ),
    Provider(
        id="ollama",
        name="Ollama",
        base_url="http://localhost:11434",
        dialects=("ollama",),
        access=_OLLAMA,
        quirks=frozenset({"usage_option", "reasoning_effort", "no_n"}),
        one_api_types=(30,),
        key_format=_KEY,
        note="https://ollama.com takes an API key",
    ),
    Provider(
        id="ollama-openai",
        name="Ollama, OpenAI dialect",
        base_url="http://localhost:11434/v1",
        access=_OLLAMA,
        quirks=frozenset({"usage_option", "reasoning_effort", "no_n"}),
        key_format=_KEY,
    ),
    Provider(
        id="llamacpp",
        name="llama.cpp server",
        base_url="http://localhost:8080/v1",
        dialects=("openai", "anthropic"),
        access=_ROOT,
        quirks=frozenset({"usage_option", "top_k"}),
        key_format=_KEY,
    ),
    Provider(
        id="lmstudio",
        name="LM Studio",
        base_url="http://localhost:1234/v1",
        dialects=("openai", "responses", "anthropic"),
        access=_ROOT,
        quirks=frozenset({"usage_option", "top_k"}),
        key_format=_KEY,
    ),
    Provider(
        id="sglang",
        name="SGLang",
        base_url="http://localhost:30000/v1",
        access=_ROOT,
        quirks=frozenset({"usage_option", "reasoning_effort", "top_k"}),
        key_format=_KEY,
    ),
    Provider(
        id="vllm",
        name="vLLM",
        base_url="http://localhost:8000/v1",
        dialects=("openai", "responses", "anthropic"),
        access=_ROOT,
        quirks=frozenset({"usage_option", "reasoning_effort", "top_k"}),
        key_format=_KEY,
    ),
    Provider(
        id="xinference",
        name="Xinference",
        base_url="http://localhost:9997/v1",
        access=_ROOT,
        quirks=frozenset({"usage_option", "top_k"}),
        key_format=_KEY,
    ),
)
