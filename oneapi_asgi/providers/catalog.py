"""The providers that a channel can name, a row each, and where a channel's calls go.

A vendor that is not listed is reached as ``openai-compatible`` (or ``custom``, if it refuses ``stream_options``) with a
``base_url`` of its own. Which vendors bill a cancelled call in full is what OpenRouter publishes on stream
cancellation; vendors of whom nothing is known are taken to stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from ..models import Channel
from .provider import Provider

__all__ = ["CATALOG", "find_provider", "provider_of", "upstream_url"]

_ROWS: Final = (
    Provider(id="openai", name="OpenAI", base_url="https://api.openai.com/v1", include_usage=True, one_api_type=1),
    Provider(
        id="azure",
        name="Azure OpenAI",
        key_header="api-key",
        include_usage=True,
        one_api_type=3,
        note="base_url = https://RESOURCE.openai.azure.com/openai/v1; models are named by their deployments",
    ),
    Provider(
        id="openai-compatible",
        name="OpenAI-compatible server",
        include_usage=True,
        one_api_type=50,
        note="any server with /chat/completions under its base_url",
    ),
    Provider(
        id="custom",
        name="OpenAI-compatible server, older",
        one_api_type=8,
        note="as openai-compatible, for servers that refuse stream_options",
    ),
    # hosted
    Provider(id="360", name="360 Zhinao", base_url="https://ai.360.cn/v1", one_api_type=19),
    Provider(id="ai21", name="AI21", base_url="https://api.ai21.com/studio/v1", cancel_stops_billing=False),
    Provider(id="baichuan", name="Baichuan", base_url="https://api.baichuan-ai.com/v1", one_api_type=26),
    Provider(id="cerebras", name="Cerebras", base_url="https://api.cerebras.ai/v1"),
    Provider(
        id="cloudflare",
        name="Cloudflare Workers AI",
        include_usage=True,
        one_api_type=37,
        note="base_url = https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/v1",
    ),
    Provider(
        id="cohere-openai",
        name="Cohere, OpenAI dialect",
        base_url="https://api.cohere.com/compatibility/v1",
    ),
    Provider(
        id="dashscope",
        name="Alibaba Bailian (Qwen)",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        include_usage=True,
        cancel_stops_billing=False,
        one_api_type=49,
        note="some thinking models only stream",
    ),
    Provider(
        id="dashscope-intl",
        name="Alibaba Model Studio (Qwen), international",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        include_usage=True,
        cancel_stops_billing=False,
        note="some thinking models only stream",
    ),
    Provider(id="deepinfra", name="DeepInfra", base_url="https://api.deepinfra.com/v1/openai"),
    Provider(
        id="deepseek", name="DeepSeek", base_url="https://api.deepseek.com/v1", include_usage=True, one_api_type=36
    ),
    Provider(
        id="featherless", name="Featherless", base_url="https://api.featherless.ai/v1", cancel_stops_billing=False
    ),
    Provider(
        id="fireworks",
        name="Fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        note="models are named accounts/…",
    ),
    Provider(
        id="gemini-openai",
        name="Google Gemini, OpenAI dialect",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        include_usage=True,
        cancel_stops_billing=False,
        one_api_type=51,
    ),
    Provider(id="github", name="GitHub Models", base_url="https://models.github.ai/inference"),
    Provider(
        id="groq",
        name="Groq",
        base_url="https://api.groq.com/openai/v1",
        include_usage=True,
        cancel_stops_billing=False,
        one_api_type=29,
    ),
    Provider(
        id="huggingface",
        name="Hugging Face router",
        base_url="https://router.huggingface.co/v1",
        cancel_stops_billing=False,
        note="models are named MODEL:PROVIDER",
    ),
    Provider(id="hunyuan", name="Tencent Hunyuan", base_url="https://api.hunyuan.cloud.tencent.com/v1"),
    Provider(id="hyperbolic", name="Hyperbolic", base_url="https://api.hyperbolic.xyz/v1"),
    Provider(id="jina", name="Jina", base_url="https://api.jina.ai/v1", note="embeddings and rerank only"),
    Provider(id="kimi-coding", name="Kimi coding plan", base_url="https://api.kimi.com/coding/v1", include_usage=True),
    Provider(id="kluster", name="kluster.ai", base_url="https://api.kluster.ai/v1", cancel_stops_billing=False),
    Provider(id="lambda", name="Lambda", base_url="https://api.lambda.ai/v1", cancel_stops_billing=False),
    Provider(
        id="lingyiwanwu",
        name="01.AI (LingYiWanWu)",
        base_url="https://api.lingyiwanwu.com/v1",
        cancel_stops_billing=False,
        one_api_type=31,
    ),
    Provider(id="meta-llama", name="Meta Llama API", base_url="https://api.llama.com/compat/v1"),
    Provider(
        id="minimax",
        name="MiniMax",
        base_url="https://api.minimax.io/v1",
        include_usage=True,
        cancel_stops_billing=False,
        one_api_type=27,
    ),
    Provider(
        id="mistral",
        name="Mistral",
        base_url="https://api.mistral.ai/v1",
        cancel_stops_billing=False,
        one_api_type=28,
        note="refuses stream_options and tells the usage unasked",
    ),
    Provider(
        id="moonshot",
        name="Moonshot (Kimi)",
        base_url="https://api.moonshot.cn/v1",
        include_usage=True,
        one_api_type=25,
    ),
    Provider(
        id="moonshot-intl",
        name="Moonshot (Kimi), international",
        base_url="https://api.moonshot.ai/v1",
        include_usage=True,
    ),
    Provider(id="nebius", name="Nebius", base_url="https://api.studio.nebius.ai/v1", cancel_stops_billing=False),
    Provider(id="novita", name="Novita", base_url="https://api.novita.ai/v3/openai", one_api_type=41),
    Provider(id="nscale", name="Nscale", base_url="https://inference.api.nscale.com/v1"),
    Provider(id="nvidia", name="NVIDIA NIM", base_url="https://integrate.api.nvidia.com/v1"),
    Provider(
        id="openrouter",
        name="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        include_usage=True,
        one_api_type=20,
    ),
    Provider(id="ovh", name="OVHcloud", base_url="https://oai.endpoints.kepler.ai.cloud.ovh.net/v1"),
    Provider(
        id="perplexity",
        name="Perplexity",
        base_url="https://api.perplexity.ai",
        cancel_stops_billing=False,
        note="refuses messages whose roles do not alternate",
    ),
    Provider(
        id="qianfan",
        name="Baidu Qianfan v2",
        base_url="https://qianfan.baidubce.com/v2",
        include_usage=True,
        one_api_type=47,
    ),
    Provider(id="sambanova", name="SambaNova", base_url="https://api.sambanova.ai/v1", cancel_stops_billing=False),
    Provider(
        id="siliconflow",
        name="SiliconFlow",
        base_url="https://api.siliconflow.cn/v1",
        include_usage=True,
        one_api_type=44,
    ),
    Provider(
        id="siliconflow-intl",
        name="SiliconFlow, international",
        base_url="https://api.siliconflow.com/v1",
        include_usage=True,
    ),
    Provider(
        id="spark",
        name="iFlytek Spark",
        base_url="https://spark-api-open.xf-yun.com/v1",
        one_api_type=48,
        note="the key is the APIPassword",
    ),
    Provider(id="stepfun", name="StepFun", base_url="https://api.stepfun.com/v1", one_api_type=32),
    Provider(id="together", name="Together", base_url="https://api.together.xyz/v1", one_api_type=39),
    Provider(id="upstage", name="Upstage", base_url="https://api.upstage.ai/v1/solar"),
    Provider(
        id="volcengine",
        name="Volcengine Ark (Doubao)",
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        include_usage=True,
        one_api_type=40,
        note="models may be named by endpoint ids",
    ),
    Provider(
        id="volcengine-coding",
        name="Volcengine Ark coding plan",
        base_url="https://ark.cn-beijing.volces.com/api/coding/v3",
        include_usage=True,
    ),
    Provider(id="voyage", name="Voyage", base_url="https://api.voyageai.com/v1", note="embeddings and rerank only"),
    Provider(id="xai", name="xAI Grok", base_url="https://api.x.ai/v1", include_usage=True, one_api_type=45),
    Provider(id="zai", name="Z.ai (GLM)", base_url="https://api.z.ai/api/paas/v4", include_usage=True),
    Provider(
        id="zai-coding",
        name="Z.ai (GLM) coding plan",
        base_url="https://api.z.ai/api/coding/paas/v4",
        include_usage=True,
    ),
    Provider(
        id="zhipu",
        name="Zhipu (GLM)",
        base_url="https://open.bigmodel.cn/api/paas/v4",
        include_usage=True,
        one_api_type=16,
    ),
    # on one's own machine; reaching them takes an entry in the outbound allow-list
    Provider(id="llamacpp", name="llama.cpp server", base_url="http://localhost:8080/v1", include_usage=True),
    Provider(id="lmstudio", name="LM Studio", base_url="http://localhost:1234/v1", include_usage=True),
    Provider(id="ollama", name="Ollama", base_url="http://localhost:11434/v1", include_usage=True, one_api_type=30),
    Provider(id="sglang", name="SGLang", base_url="http://localhost:30000/v1", include_usage=True),
    Provider(id="vllm", name="vLLM", base_url="http://localhost:8000/v1", include_usage=True),
    Provider(id="xinference", name="Xinference", base_url="http://localhost:9997/v1", include_usage=True),
)

CATALOG: Final[Mapping[str, Provider]] = MappingProxyType({row.id: row for row in _ROWS})


def find_provider(provider_id: str) -> Provider:
    """
    :raises ValueError: there is no such provider; the message names the nearest, else all
    """
    provider = CATALOG.get(provider_id)
    if provider is None:
        near = get_close_matches(provider_id.lower(), CATALOG, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(CATALOG)}"
        raise ValueError(f"no such provider; {hint}")
    return provider


def provider_of(channel: Channel) -> Provider:
    """
    :raises ValueError: the channel names a provider that is not in the catalog
    """
    try:
        return find_provider(channel.provider)
    except ValueError as error:
        raise ValueError(f'channel "{channel.name}": provider "{channel.provider}": {error}') from None


def upstream_url(channel: Channel, path: str, query: str = "") -> str:
    """Where a call of ``channel`` goes: its base URL, or its provider's, then ``path`` ("/chat/completions").

    :raises ValueError: neither the channel nor its provider has a base URL
    """
    base_url = channel.base_url or provider_of(channel).base_url
    if base_url is None:
        raise ValueError(f'channel "{channel.name}" needs a base_url: its provider "{channel.provider}" has none')
    url = f"{base_url.rstrip('/')}/{path.lstrip('/')}"
    return f"{url}?{query}" if query else url
