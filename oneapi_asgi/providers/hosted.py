"""Rows of the catalog: vendors and relays outside China that speak OpenAI's dialect, some of them others besides."""

from __future__ import annotations

from typing import Final

from .access import KeyAccess
from .provider import Provider

__all__ = ["HOSTED"]

# What takes Anthropic's dialect besides wants the key as Anthropic's SDK sends it since 2.0: as a bearer.
_BEARER: Final = KeyAccess()

HOSTED: Final = (
    Provider(
        id="ai21",
        name="AI21",
        base_url="https://api.ai21.com/studio/v1",
        cancel_stops_billing=False,
    ),
    Provider(
        id="cerebras",
        name="Cerebras",
        base_url="https://api.cerebras.ai/v1",
        # https://inference-docs.cerebras.ai/resources/openai lists what is refused.
        quirks=frozenset({"max_completion_tokens", "reasoning_effort", "no_penalties"}),
    ),
    Provider(
        id="deepinfra",
        name="DeepInfra",
        base_url="https://api.deepinfra.com/v1/openai",
        dialects=("openai", "anthropic"),
        bases={"anthropic": "https://api.deepinfra.com/anthropic"},
        access=_BEARER,
        quirks=frozenset({"top_k"}),
    ),
    Provider(
        id="featherless",
        name="Featherless",
        base_url="https://api.featherless.ai/v1",
        cancel_stops_billing=False,
    ),
    Provider(
        id="fireworks",
        name="Fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        dialects=("openai", "anthropic"),
        access=_BEARER,
        quirks=frozenset({"reasoning_effort", "top_k"}),
        note="models are named accounts/…",
    ),
    Provider(
        id="github",
        name="GitHub Models",
        base_url="https://models.github.ai/inference",
        key_format="personal access token with models:read",
    ),
    Provider(
        id="groq",
        name="Groq",
        base_url="https://api.groq.com/openai/v1",
        dialects=("openai", "responses"),
        # https://console.groq.com/docs/openai: logprobs and n > 1 are refused.
        quirks=frozenset(
            {"usage_option", "max_completion_tokens", "no_streamed_schema", "no_logprobs", "no_n", "files"}
        ),
        cancel_stops_billing=False,
        one_api_types=(29,),
    ),
    Provider(
        id="huggingface",
        name="Hugging Face router",
        base_url="https://router.huggingface.co/v1",
        cancel_stops_billing=False,
        key_format="access token (hf_…)",
        note="models are named MODEL:PROVIDER",
    ),
    Provider(id="hyperbolic", name="Hyperbolic", base_url="https://api.hyperbolic.xyz/v1"),
    Provider(id="jina", name="Jina", base_url="https://api.jina.ai/v1", note="embeddings and rerank only"),
    Provider(id="kluster", name="kluster.ai", base_url="https://api.kluster.ai/v1", cancel_stops_billing=False),
    Provider(id="lambda", name="Lambda", base_url="https://api.lambda.ai/v1", cancel_stops_billing=False),
    Provider(id="meta-llama", name="Meta Llama API", base_url="https://api.llama.com/compat/v1"),
    Provider(
        id="mistral",
        name="Mistral",
        base_url="https://api.mistral.ai/v1",
        quirks=frozenset({"random_seed", "short_tool_ids", "no_logprobs"}),
        cancel_stops_billing=False,
        one_api_types=(28,),
        note="refuses stream_options and tells the usage unasked",
    ),
    Provider(id="nebius", name="Nebius", base_url="https://api.studio.nebius.ai/v1", cancel_stops_billing=False),
    Provider(
        id="novita",
        name="Novita",
        base_url="https://api.novita.ai/v3/openai",
        dialects=("openai", "anthropic"),
        bases={"anthropic": "https://api.novita.ai/anthropic"},
        access=_BEARER,
        quirks=frozenset({"top_k"}),
        one_api_types=(41,),
    ),
    Provider(id="nscale", name="Nscale", base_url="https://inference.api.nscale.com/v1"),
    Provider(id="nvidia", name="NVIDIA NIM", base_url="https://integrate.api.nvidia.com/v1"),
    Provider(
        id="openrouter",
        name="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        dialects=("openai", "responses", "anthropic"),
        access=_BEARER,
        quirks=frozenset({"usage_option", "reasoning_object", "top_k"}),
        one_api_types=(20,),
    ),
    Provider(id="ovh", name="OVHcloud", base_url="https://oai.endpoints.kepler.ai.cloud.ovh.net/v1"),
    Provider(
        id="perplexity",
        name="Perplexity",
        base_url="https://api.perplexity.ai",
        quirks=frozenset({"alternating_roles", "top_p_below_one", "web_search_options", "no_n", "no_seed", "top_k"}),
        cancel_stops_billing=False,
        note="refuses messages whose roles do not alternate",
    ),
    Provider(
        id="sambanova",
        name="SambaNova",
        base_url="https://api.sambanova.ai/v1",
        cancel_stops_billing=False,
    ),
    Provider(
        id="together",
        name="Together",
        base_url="https://api.together.xyz/v1",
        quirks=frozenset({"top_k"}),
        one_api_types=(39,),
    ),
    Provider(id="upstage", name="Upstage", base_url="https://api.upstage.ai/v1/solar"),
    Provider(
        id="voyage",
        name="Voyage",
        base_url="https://api.voyageai.com/v1",
        # https://docs.voyageai.com/reference/embeddings-api, /reranker-api
        quirks=frozenset({"input_type", "output_dimension", "rerank_top_k"}),
        note="embeddings and rerank only",
    ),
    Provider(
        id="xai",
        name="xAI Grok",
        base_url="https://api.x.ai/v1",
        dialects=("openai", "responses"),
        # https://docs.x.ai/docs/guides/reasoning: its reasoning models, which are all by now, refuse these.
        quirks=frozenset({"usage_option", "no_penalties", "no_stop"}),
        one_api_types=(45,),
    ),
    # relays
    Provider(id="api2d", name="API2D", base_url="https://oa.api2d.net/v1", one_api_types=(2,)),
    Provider(
        id="fastgpt",
        name="FastGPT",
        base_url="https://api.fastgpt.in/api/v1",
        one_api_types=(22,),
        key_format="API key of one app",
        note="a key is one app, whatever the model is called",
    ),
    Provider(id="ohmygpt", name="OhMyGPT", base_url="https://api.ohmygpt.com/v1", one_api_types=(7,)),
)
