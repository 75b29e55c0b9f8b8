"""What has to come back with a conversation: taken out of an answer, and put back into the next request."""

from __future__ import annotations

import pytest

from oneapi_asgi.wire.chat import Chat, Message, Part, Reasoning, Text, ToolCall, ToolResult
from oneapi_asgi.wire.events import Event, ReasoningDelta, ReasoningEnded, TextDelta, ToolStarted
from oneapi_asgi.wire.memory import Note, forgotten, noted, reminded
from oneapi_asgi.wire.sealed import Signature

SIGNED = Signature("anthropic", "claude", "signature")
OTHER = Signature("gemini", "flash", "other")
THOUGHT = Reasoning(text="Let me think.", signature=SIGNED)


def thinks(text: str = "Let me think.", signature: Signature | None = SIGNED, choice: int = 0) -> list[Event]:
    return [ReasoningDelta(text, choice), ReasoningEnded(signature, choice=choice)]


def calls(call_id: str, signature: Signature | None = None, *, index: int = 0, choice: int = 0) -> ToolStarted:
    return ToolStarted(index=index, id=call_id, name="f", signature=signature, choice=choice)


@pytest.mark.parametrize(
    ("events", "notes"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([TextDelta("a")], {}, id="text"),
        pytest.param(thinks(), {}, id="thoughts without a call"),
        pytest.param([calls("1")], {}, id="a call without thoughts"),
        pytest.param([*thinks(), TextDelta("a"), calls("1")], {"1": Note((THOUGHT,))}, id="thoughts and a call"),
        pytest.param([calls("1", OTHER)], {"1": Note((), OTHER)}, id="a signed call"),
        pytest.param(
            [*thinks(), calls("1"), calls("2", index=1)], {"1": Note((THOUGHT,))}, id="with the first of two calls"
        ),
        pytest.param(
            [*thinks(), calls("1", OTHER), *thinks("b", None), calls("2", index=1)],
            {"1": Note((THOUGHT,), OTHER), "2": Note((Reasoning(text="b"),))},
            id="each with its own",
        ),
        pytest.param(
            [*thinks(), *thinks("b"), calls("1")],
            {"1": Note((THOUGHT, Reasoning(text="b", signature=SIGNED)))},
            id="two thoughts",
        ),
        pytest.param(
            [*thinks(choice=1), calls("1"), calls("2", choice=1)], {"2": Note((THOUGHT,))}, id="of its own choice"
        ),
        pytest.param(
            [*thinks(signature=None), calls("1")], {"1": Note((Reasoning(text="Let me think."),))}, id="unsigned"
        ),
    ],
)
def test_noted(events: list[Event], notes: dict[str, Note]) -> None:
    assert noted(events) == notes


MOST = 256 * 1024


@pytest.mark.parametrize(
    ("events", "kept"),
    [
        pytest.param([*thinks("a" * MOST, None), calls("1")], True, id="just not"),
        pytest.param([*thinks("a" * (MOST + 1), None), calls("1")], False, id="thoughts"),
        pytest.param([*thinks("ä" * (MOST // 2 + 1), None), calls("1")], False, id="bytes, not characters"),
        pytest.param([*thinks("a", Signature("", "", "s" * MOST)), calls("1")], False, id="signature of thoughts"),
        pytest.param([calls("1", Signature("", "", "s" * (MOST + 1)))], False, id="signature of a call"),
        pytest.param([*thinks("\ud800", None), calls("1")], True, id="no Unicode"),
    ],
)
def test_what_is_too_much_to_keep(events: list[Event], kept: bool) -> None:
    assert bool(noted(events)) is kept


def chat(*parts: Part) -> Chat:
    return Chat(
        model="m",
        messages=(
            Message(role="user", parts=(Text(text="hi"),)),
            Message(role="assistant", parts=parts, name="a"),
            Message(role="tool", parts=(ToolResult(call_id="1"),)),
        ),
    )


BARE = ToolCall(id="1", name="f")
SECOND = ToolCall(id="2", name="g")
TEXT = Text(text="I will look.")
NOTES = {"1": Note((THOUGHT,), OTHER), "2": Note((), SIGNED), "9": Note((THOUGHT,))}


@pytest.mark.parametrize(
    ("parts", "lost", "made"),
    [
        pytest.param((TEXT,), [], (TEXT,), id="no call"),
        pytest.param((BARE,), ["1"], (THOUGHT, ToolCall(id="1", name="f", signature=OTHER)), id="bare"),
        pytest.param(
            (TEXT, BARE),
            ["1"],
            (THOUGHT, TEXT, ToolCall(id="1", name="f", signature=OTHER)),
            id="thoughts go before the text",
        ),
        pytest.param(
            (BARE, SECOND),
            ["1", "2"],
            (THOUGHT, ToolCall(id="1", name="f", signature=OTHER), ToolCall(id="2", name="g", signature=SIGNED)),
            id="two",
        ),
        pytest.param((THOUGHT, BARE), [], (THOUGHT, BARE), id="it came with its thoughts"),
        pytest.param(
            (ToolCall(id="1", name="f", signature=SIGNED), SECOND),
            ["2"],
            (ToolCall(id="1", name="f", signature=SIGNED), ToolCall(id="2", name="g", signature=SIGNED)),
            id="signed, the other not",
        ),
        pytest.param(
            (Reasoning(text="Let me think."), BARE),
            ["1"],
            (THOUGHT, ToolCall(id="1", name="f", signature=OTHER)),
            id="thoughts that lost their signature",
        ),
        pytest.param(
            (Reasoning(text="Hm."), SECOND),
            ["2"],
            (Reasoning(text="Hm."), ToolCall(id="2", name="g", signature=SIGNED)),
            id="thoughts stay where none were noted",
        ),
        pytest.param((ToolCall(id="3", name="h"),), ["3"], (ToolCall(id="3", name="h"),), id="unknown"),
    ],
)
def test_reminded(parts: tuple[Part, ...], lost: list[str], made: tuple[Part, ...]) -> None:
    asked = chat(*parts)
    assert forgotten(asked) == lost
    assert reminded(asked, NOTES) == chat(*made)
    assert asked == chat(*parts)
    assert reminded(asked, {}) is asked


def test_round_trip() -> None:
    events = [*thinks(), TextDelta("I will look."), calls("1", OTHER), calls("2", index=1)]
    back = reminded(chat(TEXT, BARE, ToolCall(id="2", name="f")), noted(events))
    assert back.messages[1].parts == (
        THOUGHT,
        TEXT,
        ToolCall(id="1", name="f", signature=OTHER),
        ToolCall(id="2", name="f"),
    )
    assert forgotten(back) == []
