"""The numbers of kinds of channels, and where such a channel's calls went."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..providers.catalog import CATALOG
from ..providers.provider import Provider

__all__ = ["base_url_of", "provider_of"]

_ONE_API = {number: row.id for row in CATALOG.values() for number in row.one_api_types}

_AS_ONE_API = (1, 3, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 31, 33)
_NEW_API = {number: _ONE_API[number] for number in _AS_ONE_API} | {
    4: "ollama",
    26: "zhipu",
    27: "perplexity",
    34: "cohere",
    35: _ONE_API[27],
    37: "dify",
    38: "jina",
    39: "cloudflare",
    40: "siliconflow",
    41: "vertex",
    42: "mistral",
    43: "deepseek",
    45: _ONE_API[40],
    46: _ONE_API[47],
    47: "openai-compatible",
    48: _ONE_API[45],
    49: "coze",
}
"""new-api went on to count for itself; drawing, music and video services have no place here."""

_RELAYS = {
    4: "https://api.closeai-proxy.xyz",
    5: "https://api.openai-sb.com",
    6: "https://api.openaimax.com",
    9: "https://api.caipacity.com",
    10: "https://api.aiproxy.io",
    12: "https://api.api2gpt.com",
    13: "https://api.aigc2d.com",
}
_STANDARD_PATHS = {
    "openrouter": "/api",
    "fastgpt": "/api/openapi",
    "groq": "/openai",
    "novita": "/v3/openai",
    "replicate": "/v1/models",
    "gemini-openai": "/v1beta/openai",
}
"""What a base URL of theirs had as its path, where it had one."""


def provider_of(kind: int, *, newer: bool) -> Provider | None:
    """``newer``: by the numbers of new-api."""
    return CATALOG.get((_NEW_API if newer else _ONE_API).get(kind, ""))


def base_url_of(kind: int, provider: Provider, given: str) -> str | None:
    """What precedes the paths here, of a base URL that preceded ``/v1`` there; None for the provider's own."""
    given = given.rstrip("/") or _RELAYS.get(kind, "")
    if not given:
        return None
    if provider.id == "azure":
        return given if "/openai" in given else f"{given}/openai/v1"
    if provider.id in ("openai-compatible", "proxy"):
        return given
    if provider.base_url is None:
        return given if given.endswith("/v1") else f"{given}/v1"
    own = urlsplit(provider.base_url)
    if urlsplit(given).hostname == own.hostname:
        return None
    ending = own.path.removeprefix(_STANDARD_PATHS.get(provider.id, ""))
    return given if given.endswith(ending) else given + ending
