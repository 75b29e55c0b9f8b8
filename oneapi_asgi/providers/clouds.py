"""Rows of the catalog: vendors with a format of their own, and the clouds that resell their models."""

from __future__ import annotations

from typing import Final

from ..wire.quirks import Quirk
from .aws import AwsAccess
from .azure import AzureAccess
from .provider import Provider
from .vertex import VertexAccess

__all__ = ["CLOUDS"]

_AZURE: Final = AzureAccess()
_VERTEX: Final = VertexAccess()
_AWS: Final = AwsAccess()

_AZURE_KEY: Final = "API key, TENANT_ID|CLIENT_ID|CLIENT_SECRET (Entra ID), or Bearer TOKEN"
_AWS_KEY: Final = "ACCESS_KEY_ID|SECRET_ACCESS_KEY, with |SESSION_TOKEN if there is one; or a Bedrock API key"
_GOOGLE_KEY: Final = "the JSON of a service account, an access token, or an API key"

_AZURE_OPTIONS: Final = {
    "authority": "host that gives Entra ID tokens, if not login.microsoftonline.com",
    "scope": "what is asked of Entra ID, if not https://cognitiveservices.azure.com/.default",
}
_AWS_OPTIONS: Final = {
    "region": "required: AWS region, such as us-east-1",
    "service": "what requests are signed for, if the host does not tell",
}
_CONVERSE_OPTIONS: Final = {
    "base_model": "model that an inference profile or ARN stands for, such as anthropic.claude-sonnet-4-5",
    "guardrail": "ID of a guardrail, with :VERSION unless it is the draft",
}
_GEMINI_OPTIONS: Final = {"safety": "threshold of all categories of harm, such as BLOCK_NONE, for translated calls"}
_GOOGLE_OPTIONS: Final = {
    "location": "region, such as us-central1; global if not set",
    "project": "project id; that of the service account if not set",
    "api_version": "v1 if not set; v1beta1 has what is new",
    **_GEMINI_OPTIONS,
}

_OPENAI: Final = frozenset[Quirk](
    {
        "usage_option",
        "max_completion_tokens",
        "developer_role",
        "reasoning_effort",
        "web_search_options",
        "custom_tools",
        "rare_fields",
        "strict_history",
        "files",
    }
)

CLOUDS: Final = (
    Provider(
        id="openai",
        name="OpenAI",
        base_url="https://api.openai.com/v1",
        dialects=("openai", "responses"),
        quirks=_OPENAI,
        one_api_types=(1,),
    ),
    Provider(
        id="openai-responses",
        name="OpenAI, by its Responses API",
        base_url="https://api.openai.com/v1",
        dialects=("responses", "openai"),
        quirks=_OPENAI,
        note="as openai, but calls are translated to Responses, which has reasoning and tools together",
    ),
    Provider(
        id="azure",
        name="Azure OpenAI",
        dialects=("openai", "responses"),
        access=_AZURE,
        quirks=_OPENAI - {"web_search_options"},
        one_api_types=(3,),
        key_format=_AZURE_KEY,
        schemes=True,
        options={"api_version": "asks by /openai/deployments/… with this api-version", **_AZURE_OPTIONS},
        note="base_url = https://RESOURCE.openai.azure.com/openai/v1; models are named by their deployments",
    ),
    Provider(
        id="azure-claude",
        name="Claude in Microsoft Foundry",
        dialects=("anthropic",),
        access=_AZURE,
        key_format=_AZURE_KEY,
        schemes=True,
        options=_AZURE_OPTIONS,
        note="base_url = https://RESOURCE.services.ai.azure.com/anthropic; models are named by their deployments",
    ),
    Provider(
        id="anthropic",
        name="Anthropic (Claude)",
        base_url="https://api.anthropic.com",
        dialects=("anthropic",),
        one_api_types=(14,),
    ),
    Provider(
        id="gemini",
        name="Google Gemini",
        base_url="https://generativelanguage.googleapis.com",
        dialects=("gemini",),
        cancel_stops_billing=False,
        one_api_types=(24,),
        options=_GEMINI_OPTIONS,
    ),
    Provider(
        id="gemini-openai",
        name="Google Gemini, OpenAI dialect",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        quirks=frozenset({"usage_option", "reasoning_effort"}),
        cancel_stops_billing=False,
        one_api_types=(51,),
    ),
    Provider(
        id="vertex",
        name="Google Vertex AI",
        base_url="https://{location}-aiplatform.googleapis.com",
        dialects=("gemini", "anthropic", "openai"),
        families={"claude-*": ("anthropic",), "gemini-*": ("gemini",), "*/*": ("openai",), "gpt-*": ("openai",)},
        access=_VERTEX,
        quirks=frozenset({"usage_option", "no_call_ids"}),
        cancel_stops_billing=False,
        one_api_types=(42,),
        key_format=_GOOGLE_KEY,
        schemes=True,
        options=_GOOGLE_OPTIONS,
        note="Gemini and Claude, each in its own format",
    ),
    Provider(
        id="bedrock",
        name="AWS Bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        dialects=("bedrock",),
        access=_AWS,
        cancel_stops_billing=False,
        one_api_types=(33,),
        key_format=_AWS_KEY,
        options=_AWS_OPTIONS | _CONVERSE_OPTIONS,
        note="models are named by model ids, inference profiles or ARNs",
    ),
    Provider(
        id="bedrock-openai",
        name="AWS Bedrock, OpenAI dialect",
        base_url="https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
        access=_AWS,
        quirks=frozenset({"usage_option", "max_completion_tokens", "reasoning_effort"}),
        cancel_stops_billing=False,
        key_format=_AWS_KEY,
        options=_AWS_OPTIONS,
        note="OpenAI's open-weight models",
    ),
    Provider(
        id="cohere",
        name="Cohere",
        base_url="https://api.cohere.com",
        dialects=("cohere",),
        one_api_types=(35,),
    ),
    Provider(
        id="cohere-openai",
        name="Cohere, OpenAI dialect",
        base_url="https://api.cohere.com/compatibility/v1",
        # https://docs.cohere.com/docs/compatibility-api lists what it does not support.
        quirks=frozenset({"no_n", "no_logprobs", "no_parallel_tool_calls"}),
    ),
    Provider(
        id="cloudflare",
        name="Cloudflare Workers AI",
        base_url="https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
        quirks=frozenset({"usage_option"}),
        one_api_types=(37,),
        key_format="API token",
        options={"account": "required: account id"},
    ),
    Provider(
        id="coze",
        name="Coze",
        base_url="https://api.coze.com",
        dialects=("coze",),
        quirks=frozenset({"stream_only"}),
        one_api_types=(34,),
        key_format="personal access token (pat_…) or OAuth token",
        options={"user_id": "the user in whose name bots are asked when a caller names none"},
        note="models are named by bot ids; in China base_url = https://api.coze.cn",
    ),
    Provider(
        id="dify",
        name="Dify",
        base_url="https://api.dify.ai/v1",
        dialects=("dify",),
        # Agents refuse to answer at once, and an answer that takes 100 seconds is cut.
        quirks=frozenset({"stream_only"}),
        key_format="API key of one app (app-…)",
        options={"user_id": "the user in whose name the app is asked when a caller names none"},
        note="a key is one app, whatever the model is called",
    ),
    Provider(
        id="replicate",
        name="Replicate",
        base_url="https://api.replicate.com/v1",
        dialects=("replicate",),
        quirks=frozenset({"never_streams"}),
        cancel_stops_billing=False,
        one_api_types=(46,),
        key_format="API token (r8_…)",
        note="models are named OWNER/NAME; answers that take more than a minute are lost",
    ),
    Provider(
        id="deepl",
        name="DeepL",
        base_url="https://api.deepl.com",
        dialects=("deepl",),
        quirks=frozenset({"never_streams"}),
        note="models are named deepl-LANGUAGE, such as deepl-de; translates the last message",
    ),
    Provider(
        id="deepl-free",
        name="DeepL API Free",
        base_url="https://api-free.deepl.com",
        dialects=("deepl",),
        quirks=frozenset({"never_streams"}),
        one_api_types=(38,),
        key_format="API key that ends with :fx",
        note="models are named deepl-LANGUAGE, such as deepl-de; translates the last message",
    ),
)
