"""The numbers that One API and new-api give to kinds of channels: which provider each is, where such a channel's calls
went, and what its ``config`` and its key said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from ..unreadable import UNREADABLE
from .catalog import CATALOG
from .provider import Provider

__all__ = ["CONFIGURED", "base_url_of", "config_of", "keys_of", "kind_of", "kinds", "options_of", "provider_of"]

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


CONFIGURED: Final[Mapping[str, tuple[str, ...]]] = {
    "region": ("region", "location"),
    "api_version": ("api_version",),
    "user_id": ("user_id", "account"),
    "vertex_ai_project_id": ("project",),
}
"""Names in ``config``, and what our providers call them."""


def kinds() -> dict[int, str]:
    """One API's numbers that have a provider here, with its id."""
    return dict(sorted(_ONE_API.items()))


def kind_of(provider_id: str, base_url: str | None = None) -> int:
    """One API's number for such a channel. Providers that it does not know are what it calls OpenAI-compatible."""
    host = urlsplit(base_url or "").hostname
    numbers = CATALOG[provider_id].one_api_types if provider_id in CATALOG else ()
    for number in numbers:
        if number in _RELAYS and urlsplit(_RELAYS[number]).hostname == host:
            return number
    if provider_id == "custom":
        return 8
    return numbers[-1] if numbers else 50


def options_of(config: Mapping[str, Any], provider: Provider) -> dict[str, str]:
    """What a ``config`` says that the provider has an option for."""
    return {
        option: str(value)
        for name, options in CONFIGURED.items()
        if (value := config.get(name))
        for option in options
        if option in provider.options
    }


def config_of(options: Mapping[str, str]) -> dict[str, str]:
    """The ``config`` that says these options: nothing secret is in it."""
    found = {name: [options[one] for one in ours if one in options] for name, ours in CONFIGURED.items()}
    return {name: values[0] for name, values in found.items() if values}


def keys_of(given: str, config: Mapping[str, Any], provider: Provider) -> tuple[str, ...]:
    """The keys that lie in ``key``, one a line, and ``config``, as our provider wants to see them."""
    given = given.strip()
    if provider.id == "bedrock":
        if config.get("ak") and config.get("sk"):
            return (f"{config['ak']}|{config['sk']}",)
        return tuple("|".join(line.split("|")[:2]) for line in given.splitlines() if line.strip())
    if provider.id == "vertex":
        return _of_google(str(config.get("vertex_ai_adc") or "") or given)
    return tuple(line.strip() for line in given.splitlines() if line.strip())


def _of_google(given: str) -> tuple[str, ...]:
    """One service account, or a JSON array of them."""
    if given.startswith("["):
        try:
            accounts = msgspec.json.decode(given)
        except UNREADABLE:
            return (given,)
        return tuple(one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in accounts)
    return (given,) if given else ()


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
