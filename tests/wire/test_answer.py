"""What an upstream's answer says of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import Usage
from oneapi_asgi.wire.answer import Answer, StreamReader, read_answer
from oneapi_asgi.wire.passage import Passage
from oneapi_asgi.wire.sse import split

from .streams import DONE, ROLE, STREAMS, Recorded, chunk, event, typed

CONTENT_CHUNK = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}


def read(*runs: bytes) -> StreamReader:
    reader = StreamReader()
    for run in runs:
        reader.read(run)
    return reader


@pytest.mark.parametrize("recorded", STREAMS, ids=lambda recorded: recorded.name)
def test_recorded_streams(recorded: Recorded) -> None:
    whole = read(recorded.raw)
    assert whole.output == recorded.output
    single = read(*split(recorded.raw))
    for reader in (whole, single):
        assert reader.usage == recorded.usage
        assert reader.started
        assert (reader.finished, reader.done, reader.failed) == (recorded.finished, recorded.done, recorded.failed)


@pytest.mark.parametrize(
    ("events", "started"),
    [
        (ROLE, False),
        (chunk({"role": "assistant"}), False),
        (chunk({"content": ""}), False),
        (chunk({"content": None, "tool_calls": []}), False),
        (b": OPENROUTER PROCESSING\n\n", False),
        (b"\n\n\n", False),
        (event({"choices": []}), False),
        (event({"choices": [], "error": None, "usage": None}), False),
        (typed("response.created"), False),
        (typed("response.in_progress"), False),
        (typed("response.content_part.added"), False),
        (chunk({"content": "a"}), True),
        (chunk({"refusal": "no"}), True),
        (chunk({"reasoning": "hm"}), True),
        (chunk({"reasoning_content": "hm"}), True),
        (chunk({"function_call": {"name": "f", "arguments": ""}}), True),
        (chunk({"tool_calls": [{"function": {"name": "f"}}]}), True),
        (chunk({"audio": {"data": "AAAA"}}), True),
        (chunk({}, "stop"), True),
        (event({"choices": [{"text": "a"}]}), True),
        (typed("response.output_text.delta", delta="a"), True),
        (typed("response.function_call_arguments.delta", delta="{"), True),
        (typed("speech.audio.delta", audio="AAAA"), True),
        (typed("response.web_search_call.in_progress"), True),
        (event({"error": {"message": "x"}}), True),
        (event({"error": "x"}), True),
        (b'event: error\ndata: {"type": "error", "code": null}\n\n', True),
        (b"data: [DONE]\n\n", True),
        (b"data: plain text\n\n", True),
        (b'data: {"choices": "odd"}\n\n', True),
        (b"data: " + b"[" * 100_000 + b"\n\n", True),
        (event({"unknown": "shape"}), True),
    ],
)
def test_when_an_answer_has_begun(events: bytes, *, started: bool) -> None:
    assert read(events).started is started


@pytest.mark.parametrize("finish", ["stop", "length", "tool_calls", "content_filter", "unheard_of"])
@pytest.mark.parametrize("spelling", [b'"finish_reason":', b'"finish_reason": ', b'"finish_reason" :'])
def test_a_finish_reason_ends_the_answer_however_it_is_spelled(finish: str, spelling: bytes) -> None:
    last = chunk({}, finish).replace(b'"finish_reason":', spelling)
    assert read(chunk({"content": "a"}), chunk({"content": "b"}), last).finished


@pytest.mark.parametrize(
    "content", ['"finish_reason":"stop"', "[DONE]", "data: [DONE]\n\n", '"error":{}', '{"usage":{"prompt_tokens":9}}']
)
def test_text_that_looks_like_an_end_is_text(content: str) -> None:
    reader = read(*[chunk({"content": "a"})] * 3, *[chunk({"content": content})] * 3)
    assert (reader.finished, reader.done, reader.failed, reader.usage) == (False, False, False, None)


def test_usage_reported_as_it_goes_is_followed_wherever_it_stands() -> None:
    """Events that end alike, each with its counts in front."""
    events = [event({"usage": {"prompt_tokens": 5, "completion_tokens": n}, **CONTENT_CHUNK}) for n in range(1, 21)]
    passage = Passage()
    for run in (events[0], b"".join(events[1:])):
        passage.feed(run)
        passage.count()
    assert passage.reader.usage == Usage(input=5, output=20)


@pytest.mark.parametrize("in_one_run", [True, False])
@pytest.mark.parametrize(
    ("text", "events", "tokens"),
    [
        ("a", 1, 1),
        ("sixteen letters!", 1, 1),
        ("one token an event"[:4], 200, 200),
        ("four" * 100, 10, 1000),
        ("漢字", 50, 50),
        ("👋" * 100, 1, 100),
    ],
)
def test_the_guess_at_the_output(text: str, events: int, tokens: int, *, in_one_run: bool) -> None:
    run = [chunk({"content": text})] * events
    reader = read(b"".join(run)) if in_one_run else read(*run)
    assert reader.output == pytest.approx(tokens, rel=0.05, abs=1)


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=30))
def test_the_guess_hardly_depends_on_how_the_events_arrive(texts: list[str]) -> None:
    events = [chunk({"content": text}) for text in texts]
    together, apart = read(b"".join(events)).output, read(*events).output
    assert len(texts) <= together
    assert len(texts) <= apart
    assert apart <= sum(-(-2 * len(event) // 4) for event in events)


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "transcript.text.done"])
def test_events_that_end_an_answer(kind: str) -> None:
    assert read(typed(kind, usage={"input_tokens": 1, "output_tokens": 1})).finished


def test_done_is_not_the_same_as_finished() -> None:
    reader = read(chunk({"content": "a"}), DONE)
    assert reader.done
    assert not reader.finished


@given(st.lists(st.binary(max_size=60).map(lambda data: b"data: " + data + b"\n\n"), max_size=8))
def test_no_bytes_break_the_reader(events: list[bytes]) -> None:
    reader = read(chunk({"content": "a"}), *events, b"".join(events))
    assert reader.output >= 1


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"usage":{"prompt_tokens":3,"completion_tokens":2}}', Answer(Usage(input=3, output=2), failed=False)),
        (b'{"id":"x","usage":null,"error":null}', Answer(None, failed=False)),
        (b'{"error":{"message":"x"}}', Answer(None, failed=True)),
        (b'{"error":{"message":"x"},"usage":{"prompt_tokens":3}}', Answer(Usage(input=3), failed=True)),
        (b'{"usage":{"prompt_tokens":-3}}', Answer(None, failed=False)),
        (b'{"usage":"none"}', Answer(None, failed=False)),
        (b"[]", Answer(None, failed=False)),
        (b"", Answer(None, failed=False)),
        (b"<html>", Answer(None, failed=False)),
        (b'{"usage":{"prompt_tokens":3}', Answer(None, failed=False)),
        (b'{"x":' * 100_000, Answer(None, failed=False)),
    ],
)
def test_bodies(body: bytes, answer: Answer) -> None:
    assert read_answer(body) == answer


@pytest.mark.parametrize(
    ("told", "failed"),
    [
        ('"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}', True),
        ('"base_resp":{"status_code":0,"status_msg":""},"choices":[]', False),
        ('"base_resp":"odd","choices":[]', False),
        ('"error_code":336003,"error_msg":"no"', True),
        ('"error_code":0,"choices":[]', False),
        ('"error":null,"choices":[]', False),
    ],
)
def test_an_error_under_a_status_of_success(told: str, failed: bool) -> None:
    body = f"{{{told}}}".encode()
    assert read_answer(body).failed is failed
    reader = StreamReader()
    reader.read(b"data: " + body + b"\n\n")
    assert reader.failed is failed


@pytest.mark.parametrize(
    ("told", "failed"),
    [
        ('"code":1302,"msg":"rate"', True),
        ('"code":"Throttling","message":"slow down"', True),
        ('"code":"success","message":"x"', False),
        ('"code":200,"message":"fine"', False),
        ('"code":1302', False),
        ('"code":"print()","message":"x","choices":[]', False),
        ('"code":9,"msg":"x","data":[]', False),
        ('"code":9,"msg":"x","usage":{"prompt_tokens":1}', False),
    ],
)
def test_a_code_in_the_place_of_an_answer(told: str, failed: bool) -> None:
    assert read_answer(f"{{{told}}}".encode()).failed is failed


def skimmed(*events: bytes) -> StreamReader:
    """As a passage does: what is not plain is read."""
    reader = StreamReader()
    for run in events:
        end = reader.skim(run)
        if end < len(run):
            reader.read(run[end:])
    return reader


PLAIN = {"index": 0, "delta": {"content": "a"}, "finish_reason": None}
COUNTS = {"prompt_tokens": 5, "completion_tokens": 7}


@pytest.mark.parametrize(
    "fields",
    [
        {"usage": COUNTS, "choices": [PLAIN]},
        {"choices": [{"usage": COUNTS, **PLAIN}]},
        {"error": {"message": "no"}, "choices": [PLAIN]},
        {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}, PLAIN]},
        {"choices": [{**PLAIN, "delta": {"content": 'say "usage": 7 and "key": 8'}}]},
    ],
)
@pytest.mark.parametrize("runs", [1, 2])
def test_what_stands_before_the_end_of_an_event_is_seen(fields: dict[str, object], runs: int) -> None:
    events = [event({"choices": [PLAIN]}), event({"choices": [PLAIN]}), event(fields)]
    given = [events[0], *events[1:]] if runs == 1 else [events[0], b"".join(events[1:])]
    one, other = skimmed(*given), read(*events)
    assert (one.usage, one.failed, one.finished) == (other.usage, other.failed, other.finished)
    assert one.output >= 2
