"""Where providers differ that speak the same format: a named flag each, set in the catalog's rows.

A flag says what is so, never who does it. Formats look them up in ``Target.quirks`` when they write a translated
request or read an answer; requests that pass untouched are not changed by them.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

__all__ = ["QUIRKS", "Quirk"]

Quirk: TypeAlias = Literal[
    # requests
    "max_completion_tokens",  # the limit of output is called so; elsewhere max_tokens
    "developer_role",  # instructions are sent as role developer to models that reason; elsewhere system
    "reasoning_effort",  # takes reasoning_effort
    "thinking_type",  # takes thinking: {"type": "enabled" | "disabled"}
    "enable_thinking",  # takes enable_thinking: bool, and thinking_budget in tokens
    "reasoning_object",  # takes reasoning: {"effort", "max_tokens"}
    "reasoning_returned",  # reasoning_content of turns that call tools has to be sent back
    "random_seed",  # the seed is called random_seed
    "short_tool_ids",  # ids of tool calls are nine letters and digits
    "no_json_schema",  # response_format knows json_object alone
    "no_streamed_schema",  # refuses a stream together with json_schema
    "no_parallel_tool_calls",  # refuses the field parallel_tool_calls
    "no_penalties",  # refuses presence_penalty and frequency_penalty
    "no_stop",  # refuses stop
    "no_logprobs",
    "no_seed",
    "no_n",
    "no_call_ids",  # calls of tools and their results have no ids: they match by name and order
    "text_content",  # the content of a message has to be one string
    "alternating_roles",  # refuses two messages of one role in a row
    "no_system_turns",  # instructions have to stand before the conversation, whatever the model takes elsewhere
    "top_p_below_one",  # refuses top_p = 1
    "web_search_options",  # takes web_search_options
    "usage_option",  # takes stream_options.include_usage
    "top_k",  # takes top_k
    "custom_tools",  # takes tools of free text (type custom)
    "rare_fields",  # takes audio, modalities, moderation, prediction, prompt_cache_*, safety_identifier and store
    "input_type",  # embeddings take input_type
    "output_dimension",  # the dimensions of embeddings are called so
    "rerank_top_k",  # reranking calls its top_n so
    "files",  # keeps files, and carries out batches of them, at /files and /batches
    "strict_history",  # refuses reasoning_content, cache_control and the like in the messages of a conversation
    # how it answers
    "stream_only",  # answers with a stream, however it is asked
    "never_streams",
]

QUIRKS: Final[frozenset[str]] = frozenset(get_args(Quirk))
