"""Thoughts and signatures within the messages of chat completions: what a client brings back is what it was told."""

from __future__ import annotations

from typing import Any

import pytest

from oneapi_asgi.wire.chat import Reasoning, ToolCall
from oneapi_asgi.wire.sealed import Signature, seal

from .test_openai_chat import CALL, read

SIGNATURE = Signature("anthropic", "claude-4", "sig")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"reasoning_content": "Hm"}, (Reasoning(text="Hm"),), id="C53-plain"),
        pytest.param({"reasoning": "Hm"}, (Reasoning(text="Hm"),), id="C53-other-name"),
        pytest.param(
            {"reasoning_content": "Hm", "reasoning_signature": seal(SIGNATURE)},
            (Reasoning(text="Hm", signature=SIGNATURE),),
            id="C40-one",
        ),
        pytest.param(
            {"reasoning_content": "Hm", "reasoning_signature": "bare"},
            (Reasoning(text="Hm", signature=Signature("openai", "", "bare")),),
            id="C40-bare",
        ),
        pytest.param(
            {
                "reasoning_content": "HmOh yes",
                "reasoning_signature": f"1+1.{seal(SIGNATURE)} 2-.{seal(SIGNATURE)} 2+2.{seal(SIGNATURE)} ",
            },
            (
                Reasoning(text="H"),
                Reasoning(text="m", signature=SIGNATURE),
                Reasoning(signature=SIGNATURE, redacted=True),
                Reasoning(text="Oh", signature=SIGNATURE),
                Reasoning(text=" yes"),
            ),
            id="C40-several",
        ),
        pytest.param(
            {"reasoning_content": "H", "reasoning_signature": f"0+2.{seal(SIGNATURE)} "},
            (Reasoning(text="H"),),
            id="cut",
        ),
        pytest.param(
            {"reasoning_signature": f"9-.{seal(SIGNATURE)} "},
            (Reasoning(signature=SIGNATURE, redacted=True),),
            id="C40-redacted-alone",
        ),
    ],
)
def test_thoughts_come_back_as_they_were(fields: dict[str, Any], expected: tuple[Reasoning, ...]) -> None:
    assert read({"role": "assistant", "content": None, **fields}).messages[0].parts == expected


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        pytest.param({"signature": seal(SIGNATURE)}, SIGNATURE, id="C41-sealed"),
        pytest.param({"google": {"a": 1}}, Signature("openai", "", '{"google":{"a":1}}'), id="C41-bare"),
        pytest.param({}, None, id="empty"),
    ],
)
def test_signatures_of_calls_come_back(extra: dict[str, Any], expected: Signature | None) -> None:
    part = read({"role": "assistant", "tool_calls": [{**CALL, "extra_content": extra}]}).messages[0].parts[0]
    assert isinstance(part, ToolCall)
    assert part.signature == expected
