"""Events put together: the same answer, however it was told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import File, Part, Reasoning, Refusal, Text, ToolCall
from oneapi_asgi.wire.events import (
    Broken,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    Probabilities,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.sealed import Signature

SIGNED = Signature("anthropic", "m", "s")
PICTURE = File(kind="image", media_type="image/png", data="AA==")


def parts(*events: Event) -> list[Part]:
    answer = collect(events)
    return answer.choices[0].parts if answer.choices else []


def test_nothing() -> None:
    answer = collect([])
    assert (answer.id, answer.choices, answer.usage, answer.error) == ("", [], None, None)


def test_everything() -> None:
    cited = Citation(url="https://a", start=0, end=2)
    error = UpstreamFailed("broken")
    answer = collect(
        [
            Started(id="1", model="m", created=5),
            ReasoningDelta("Let me "),
            ReasoningDelta("think."),
            ReasoningEnded(SIGNED),
            TextDelta("He"),
            Usage(input=1),
            TextDelta("llo"),
            Cited(cited),
            Probabilities(({"token": "He"},)),
            Probabilities(({"token": "llo"},)),
            FileMade(PICTURE),
            RefusalDelta("No"),
            RefusalDelta("."),
            ToolStarted(index=0, id="c", name="f", signature=SIGNED),
            ToolDelta(0, '{"a"'),
            ToolDelta(0, ":1}"),
            ToolEnded(0),
            Finished(reason="tool_calls", stop_sequence="x"),
            Usage(input=2, output=3),
            Ended(),
            Broken(error),
        ]
    )
    assert (answer.id, answer.model, answer.created, answer.usage) == ("1", "m", 5, Usage(input=2, output=3))
    assert answer.error is error
    (choice,) = answer.choices
    assert choice.parts == [
        Reasoning(text="Let me think.", signature=SIGNED),
        Text(text="Hello"),
        PICTURE,
        Refusal(text="No."),
        ToolCall(id="c", name="f", arguments='{"a":1}', signature=SIGNED),
    ]
    assert (choice.text, choice.reasoning, choice.refusal) == ("Hello", "Let me think.", "No.")
    assert ([call.name for call in choice.calls], choice.files) == (["f"], [PICTURE])
    assert (choice.finish, choice.stop_sequence, choice.citations) == ("tool_calls", "x", [cited])
    assert choice.logprobs == [{"token": "He"}, {"token": "llo"}]


def test_choices_do_not_mix() -> None:
    answer = collect(
        [
            TextDelta("b", 1),
            TextDelta("a"),
            TextDelta("B", 1),
            TextDelta("A"),
            ToolStarted(index=0, id="2", name="g", choice=1),
            ToolStarted(index=0, id="1", name="f"),
            ToolDelta(0, "{1", 1),
            ToolDelta(0, "{0"),
            Finished(reason="stop", choice=1),
            Finished(reason="length", choice=0),
        ]
    )
    assert [(choice.text, choice.calls[0].arguments, choice.finish) for choice in answer.choices] == [
        ("aA", "{0", "length"),
        ("bB", "{1", "stop"),
    ]


def test_calls_may_interleave() -> None:
    started = [ToolStarted(index=number, id=str(number), name="f") for number in range(2)]
    made = parts(*started, ToolDelta(1, '{"b":'), ToolDelta(0, "{"), ToolDelta(1, "1}"), ToolDelta(0, "}"))
    assert made == [ToolCall(id="0", name="f"), ToolCall(id="1", name="f", arguments='{"b":1}')]


@pytest.mark.parametrize(("custom", "arguments"), [(False, "{}"), (True, "")])
def test_arguments_that_never_came(custom: bool, arguments: str) -> None:
    made = parts(ToolStarted(index=0, id="1", name="f", custom=custom))
    assert made == [ToolCall(id="1", name="f", arguments=arguments, custom=custom)]


def test_arguments_of_a_call_that_never_began() -> None:
    assert parts(ToolDelta(3, "{}"), TextDelta("a")) == [Text(text="a")]


@pytest.mark.parametrize(
    ("events", "made"),
    [
        pytest.param([ReasoningEnded()], [], id="no thoughts"),
        pytest.param([ReasoningEnded(SIGNED)], [Reasoning(signature=SIGNED)], id="only a signature"),
        pytest.param(
            [ReasoningEnded(SIGNED, redacted=True)], [Reasoning(signature=SIGNED, redacted=True)], id="redacted"
        ),
        pytest.param([ReasoningEnded(redacted=True)], [Reasoning(redacted=True)], id="redacted, without a signature"),
        pytest.param([ReasoningDelta("a")], [Reasoning(text="a")], id="never ended"),
        pytest.param(
            [ReasoningDelta("a"), ReasoningEnded(SIGNED), ReasoningDelta("b"), ReasoningEnded()],
            [Reasoning(text="a", signature=SIGNED), Reasoning(text="b")],
            id="two, one after the other",
        ),
        pytest.param(
            [ReasoningDelta("a"), TextDelta("b"), ReasoningEnded(SIGNED)],
            [Reasoning(text="a"), Text(text="b"), Reasoning(signature=SIGNED)],
            id="signed after the text",
        ),
    ],
)
def test_thoughts(events: list[Event], made: list[Part]) -> None:
    assert parts(*events) == made


def test_a_call_ends_a_text() -> None:
    made = parts(TextDelta("a"), ToolStarted(index=0, id="1", name="f"), TextDelta("b"))
    assert made == [Text(text="a"), ToolCall(id="1", name="f"), Text(text="b")]


@settings(max_examples=60)
@given(st.lists(st.sampled_from([TextDelta, ReasoningDelta, RefusalDelta]), max_size=8), st.data())
def test_pieces_make_no_difference(kinds: list[type], data: st.DataObject) -> None:
    whole = [kind("Grüße!") for kind in kinds]
    cut: list[Event] = []
    for kind in kinds:
        at = data.draw(st.integers(1, 5))
        cut += [kind("Grüße!"[:at]), kind("Grüße!"[at:])]
    assert collect(cut).choices == collect(whole).choices
