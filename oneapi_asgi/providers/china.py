"""Rows of the catalog: vendors from China. All speak OpenAI's dialect, most of them Anthropic's besides."""

from __future__ import annotations

from typing import Final

from ..wire.quirks import Quirk
from .access import KeyAccess
from .provider import Provider

__all__ = ["CHINA"]

# What takes Anthropic's dialect besides wants the key as Anthropic's SDK sends it since 2.0: as a bearer.
_BEARER: Final = KeyAccess()
_BOTH: Final = ("openai", "anthropic")

# https://docs.bigmodel.cn/api-reference: these are all the fields it knows; none of n, seed, penalties, logprobs.
_GLM: Final = frozenset[Quirk](
    {
        "usage_option",
        "thinking_type",
        "top_p_below_one",
        "no_json_schema",
        "no_n",
        "no_seed",
        "no_penalties",
        "no_logprobs",
        "no_parallel_tool_calls",
    }
)
# https://platform.moonshot.ai/docs/api/chat
_KIMI: Final = frozenset[Quirk](
    {"usage_option", "thinking_type", "reasoning_returned", "no_seed", "no_logprobs", "no_parallel_tool_calls"}
)
_QWEN: Final = frozenset[Quirk]({"usage_option", "enable_thinking", "top_k"})
_FILES: Final = frozenset[Quirk]({"files"})
# https://platform.minimax.io/docs/api-reference/text-openai-api: penalties are ignored, n is 1.
_MINIMAX: Final = frozenset[Quirk]({"usage_option", "no_n", "no_penalties", "no_logprobs"})

CHINA: Final = (
    Provider(id="360", name="360 Zhinao", base_url="https://ai.360.cn/v1", one_api_types=(19,)),
    Provider(id="baichuan", name="Baichuan", base_url="https://api.baichuan-ai.com/v1", one_api_types=(26,)),
    Provider(
        id="dashscope",
        name="Alibaba Bailian (Qwen)",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        dialects=("openai", "responses", "anthropic"),
        bases={
            "anthropic": "https://dashscope.aliyuncs.com/apps/anthropic",
            "responses": "https://dashscope.aliyuncs.com/api/v2/apps/protocols/compatible-mode/v1",
        },
        access=_BEARER,
        quirks=_QWEN | _FILES,
        cancel_stops_billing=False,
        # 17 is the same account by DashScope's own format.
        one_api_types=(17, 49),
        note="some thinking models only stream",
    ),
    Provider(
        id="dashscope-intl",
        name="Alibaba Model Studio (Qwen), international",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        dialects=("openai", "responses", "anthropic"),
        bases={
            "anthropic": "https://dashscope-intl.aliyuncs.com/apps/anthropic",
            "responses": "https://dashscope-intl.aliyuncs.com/api/v2/apps/protocols/compatible-mode/v1",
        },
        access=_BEARER,
        quirks=_QWEN | _FILES,
        cancel_stops_billing=False,
        note="some thinking models only stream",
    ),
    Provider(
        id="deepseek",
        name="DeepSeek",
        base_url="https://api.deepseek.com/v1",
        dialects=_BOTH,
        bases={"anthropic": "https://api.deepseek.com/anthropic"},
        access=_BEARER,
        # https://api-docs.deepseek.com/guides/thinking_mode
        quirks=frozenset(
            {
                "usage_option",
                "thinking_type",
                "reasoning_effort",
                "reasoning_returned",
                "no_json_schema",
                "no_n",
                "no_seed",
                "no_parallel_tool_calls",
            }
        ),
        one_api_types=(36,),
    ),
    Provider(
        id="hunyuan",
        name="Tencent Hunyuan",
        base_url="https://api.hunyuan.cloud.tencent.com/v1",
        dialects=_BOTH,
        bases={"anthropic": "https://api.hunyuan.cloud.tencent.com/anthropic"},
        one_api_types=(23,),
        note="takes no AppId|SecretId|SecretKey of the older API: make an API key in the console",
    ),
    Provider(
        id="kimi-coding",
        name="Kimi coding plan",
        base_url="https://api.kimi.com/coding/v1",
        dialects=_BOTH,
        access=_BEARER,
        quirks=_KIMI,
    ),
    Provider(
        id="lingyiwanwu",
        name="01.AI (LingYiWanWu)",
        base_url="https://api.lingyiwanwu.com/v1",
        cancel_stops_billing=False,
        one_api_types=(31,),
    ),
    Provider(
        id="minimax",
        name="MiniMax",
        base_url="https://api.minimax.io/v1",
        dialects=_BOTH,
        bases={"anthropic": "https://api.minimax.io/anthropic"},
        access=_BEARER,
        quirks=_MINIMAX,
        cancel_stops_billing=False,
    ),
    Provider(
        id="minimax-cn",
        name="MiniMax, in China",
        base_url="https://api.minimaxi.com/v1",
        dialects=_BOTH,
        bases={"anthropic": "https://api.minimaxi.com/anthropic"},
        access=_BEARER,
        quirks=_MINIMAX,
        cancel_stops_billing=False,
        one_api_types=(27,),
    ),
    Provider(
        id="moonshot",
        name="Moonshot (Kimi)",
        base_url="https://api.moonshot.cn/v1",
        dialects=_BOTH,
        bases={"anthropic": "https://api.moonshot.cn/anthropic"},
        access=_BEARER,
        quirks=_KIMI | _FILES,
        one_api_types=(25,),
    ),
    Provider(
        id="moonshot-intl",
        name="Moonshot (Kimi), international",
        base_url="https://api.moonshot.ai/v1",
        dialects=_BOTH,
        bases={"anthropic": "https://api.moonshot.ai/anthropic"},
        access=_BEARER,
        quirks=_KIMI | _FILES,
    ),
    Provider(
        id="qianfan",
        name="Baidu Qianfan v2",
        base_url="https://qianfan.baidubce.com/v2",
        dialects=_BOTH,
        bases={"anthropic": "https://qianfan.baidubce.com/anthropic"},
        access=_BEARER,
        quirks=frozenset({"usage_option"}),
        one_api_types=(15, 47),
        key_format="API key (bce-v3/…)",
        note="takes no APIKey|SecretKey of v1: make a key of v2 in the console",
    ),
    Provider(
        id="siliconflow",
        name="SiliconFlow",
        base_url="https://api.siliconflow.cn/v1",
        dialects=_BOTH,
        access=_BEARER,
        quirks=_QWEN,
        one_api_types=(44,),
    ),
    Provider(
        id="siliconflow-intl",
        name="SiliconFlow, international",
        base_url="https://api.siliconflow.com/v1",
        dialects=_BOTH,
        access=_BEARER,
        quirks=_QWEN,
    ),
    Provider(
        id="spark",
        name="iFlytek Spark",
        base_url="https://spark-api-open.xf-yun.com/v1",
        # 18 is the same account by WebSocket.
        one_api_types=(18, 48),
        key_format="APIPassword",
        note="the key is the APIPassword, not APPID|APISecret|APIKey",
    ),
    Provider(
        id="stepfun",
        name="StepFun",
        base_url="https://api.stepfun.com/v1",
        dialects=_BOTH,
        access=_BEARER,
        one_api_types=(32,),
    ),
    Provider(
        id="volcengine",
        name="Volcengine Ark (Doubao)",
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        dialects=("openai", "responses", "anthropic"),
        bases={"anthropic": "https://ark.cn-beijing.volces.com/api/compatible"},
        access=_BEARER,
        quirks=frozenset({"usage_option", "thinking_type"}),
        one_api_types=(40,),
        note="models may be named by endpoint ids",
    ),
    Provider(
        id="volcengine-coding",
        name="Volcengine Ark coding plan",
        base_url="https://ark.cn-beijing.volces.com/api/coding/v3",
        dialects=_BOTH,
        bases={"anthropic": "https://ark.cn-beijing.volces.com/api/coding"},
        access=_BEARER,
        quirks=frozenset({"usage_option", "thinking_type"}),
    ),
    Provider(
        id="zai",
        name="Z.ai (GLM)",
        base_url="https://api.z.ai/api/paas/v4",
        dialects=_BOTH,
        bases={"anthropic": "https://api.z.ai/api/anthropic"},
        access=_BEARER,
        quirks=_GLM,
    ),
    Provider(
        id="zai-coding",
        name="Z.ai (GLM) coding plan",
        base_url="https://api.z.ai/api/coding/paas/v4",
        dialects=_BOTH,
        bases={"anthropic": "https://api.z.ai/api/anthropic"},
        access=_BEARER,
        quirks=_GLM,
    ),
    Provider(
        id="zhipu",
        name="Zhipu (GLM)",
        base_url="https://open.bigmodel.cn/api/paas/v4",
        dialects=_BOTH,
        bases={"anthropic": "https://open.bigmodel.cn/api/anthropic"},
        access=_BEARER,
        quirks=_GLM | _FILES,
        one_api_types=(16,),
    ),
    Provider(
        id="zhipu-coding",
        name="Zhipu (GLM) coding plan",
        base_url="https://open.bigmodel.cn/api/coding/paas/v4",
        dialects=_BOTH,
        bases={"anthropic": "https://open.bigmodel.cn/api/anthropic"},
        access=_BEARER,
        quirks=_GLM,
    ),
)
