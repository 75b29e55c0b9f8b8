"""What is no answer although its status says so: somebody else is asked, or the caller gets an error, but never what it
cannot use."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pytest
from faults.load import share
from lab.audit import Lag
from lab.caller import Answered
from lab.dialects import DIALECTS, Name, named, word
from lab.figures import Figure
from lab.rig import PER_TOKEN, Lab, is_spare
from lab.upstream import JSON, LAST_CHUNK, Script, ScriptedUpstream, Step, answer, chunk, head

from oneapi_asgi.testing.upstream.http import Request

NAMES: Final[tuple[Name, ...]] = tuple(DIALECTS)
PIECES = 3
AT_ONCE = 20

every_name = pytest.mark.parametrize("name", NAMES)


def _sse(value: object, kind: str = "") -> bytes:
    return (f"event: {kind}\n" if kind else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


_OPENAI = {"error": {"message": "too many", "type": "server_error", "param": None, "code": "overloaded"}}
_ANTHROPIC = {"type": "error", "error": {"type": "overloaded_error", "message": "too many"}}
_GEMINI = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "too many"}}
_RESPONSES = {"type": "error", "code": "server_error", "message": "too many", "param": None, "sequence_number": 1}

ERRORS: Final[Mapping[Name, tuple[bytes, bytes]]] = {
    "openai": (json.dumps(_OPENAI).encode(), _sse(_OPENAI)),
    "responses": (json.dumps(_OPENAI).encode(), _sse(_RESPONSES, "error")),
    "anthropic": (json.dumps(_ANTHROPIC).encode(), _sse(_ANTHROPIC, "error")),
    "gemini": (json.dumps(_GEMINI).encode(), _sse(_GEMINI)),
}
"""As a body, and as an event."""


def error_of(name: Name, where: str) -> Script:
    """An error under a status of success."""
    body, event = ERRORS[name]
    stream = DIALECTS[name].stream(PIECES)
    match where:
        case "as JSON":
            return answer([body], kind=JSON)
        case "at first":
            return answer([event])
        case "after the preamble":
            return answer([*stream.preamble, event])
        case _:
            return answer([*stream.preamble, *stream.content, event])


BEFORE = ("as JSON", "at first", "after the preamble")


async def check_spared(lab: Lab, name: Name, scripts: Mapping[str, Script], *, stream: bool) -> None:
    """The first channel answers with these: the caller gets the answer of the second and, where there is none, an error
    in its own format that costs nothing."""
    good = answer([DIALECTS[name].stream(PIECES).raw]) if stream else _whole(name)

    def play(request: Request) -> Script:
        return good if is_spare(request) else scripts[named(request.body).partition("/")[2]]

    async def ask(call: str, model: str) -> None:
        given[call] = await lab.ask(name, model, stream=stream, name=call)

    lab.upstream.play = play
    given: dict[str, Answered] = {}
    calls = [(f"{model}/{what}", model) for what in scripts for model in (f"spared-{name}", name)]
    await share([partial(ask, call, model) for call, model in calls], AT_ONCE)
    books = await lab.books()
    costs = {call: books.reservations[call].cost for call, _ in calls}
    wrong = {
        call: _not_spared(name, given[call], costs[call], stream=stream)
        if model != name
        else _not_refused(name, given[call], costs[call])
        for call, model in calls
    }
    assert {call: what for call, what in wrong.items() if what} == {}


def _not_spared(name: Name, given: Answered, cost: int, *, stream: bool) -> str:
    """What is wrong with an answer that should be the spare channel's; empty if nothing is."""
    if given.status != 200 or not given.whole:
        return f"{given.status}: {given.body!r}"
    heard = DIALECTS[name].hear(given.body)
    fine = not stream or (heard.text, heard.error) == ("".join(map(word, range(PIECES))), None)
    return "" if fine and cost == PIECES * PER_TOKEN else f"{heard} for {cost}"


def _not_refused(name: Name, given: Answered, cost: int) -> str:
    """What is wrong with an error where nobody else was left; empty if nothing is."""
    if given.status < 500 or not given.whole or cost:
        return f"{given.status}: {given.body!r} for {cost}"
    said = DIALECTS[name].error(given.body)["message"]
    return "" if said and b"too many" not in given.body else f"{said!r} is what the upstream says to its operator"


def _whole(name: Name) -> Script:
    told = {
        "openai": {
            "id": "c",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "w"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": PIECES, "total_tokens": 12},
        },
        "responses": {
            "id": "r",
            "object": "response",
            "status": "completed",
            "output": [],
            "usage": {"input_tokens": 9, "output_tokens": PIECES, "total_tokens": 12},
        },
        "anthropic": {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "w"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": PIECES},
        },
        "gemini": {
            "candidates": [{"content": {"parts": [{"text": "w"}], "role": "model"}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": PIECES, "totalTokenCount": 12},
        },
    }[name]
    return answer([json.dumps(told).encode()], kind=JSON, framing="length")


@every_name
async def test_an_error_in_the_midst_of_an_answer(lab: Lab, name: Name) -> None:
    lab.upstream.play = lambda request: error_of(name, "after content")
    given = await lab.ask(name, f"spared-{name}", name="it")
    heard = DIALECTS[name].hear(given.body)
    assert (given.status, given.whole) == (200, True)
    assert (heard.text, heard.finish, heard.ends) == ("".join(map(word, range(PIECES))), None, 0)
    assert heard.error is not None
    assert len(lab.upstream.seen) == 1
    books = await lab.books()
    assert books.records["it"].reason == "upstream_cut"
    assert 0 <= books.reservations["it"].cost / PER_TOKEN - PIECES <= 1  # Anthropic counts one before it says a word


# --- statuses and types -----------------------------------------------------------------------------------------------

PAGE = b"<!doctype html><title>Sign in</title>" + b"<p>Please.</p>" * 50


def no_answers(elsewhere: str) -> dict[str, Script]:
    moved: Any = {"location": f"{elsewhere}/v1/chat/completions"}
    return {
        **{f"redirect {status}": answer([b""], status=status, framing="length", **moved) for status in (301, 307)},
        "no content": Script([head(204, kind="", framing="length")]),
        "a page": answer([PAGE], kind="text/html; charset=utf-8", framing="length"),
        "a page, called a stream": answer([PAGE]),
        "a page, called text": answer([PAGE], kind="text/plain"),
        "a page, called nothing": answer([PAGE], kind=""),
        "nothing": answer([], framing="length"),
        "nothing, called JSON": answer([], kind=JSON, framing="length"),
        "nothing, for long": Script([head(), Step(b"", 0.1), LAST_CHUNK]),
        "nothing, cut": Script([head(kind=JSON, framing="close")], "fin"),
        "no HTTP": Script([b"SSH-2.0-OpenSSH_9.2\r\n"], "fin"),
    }


@every_name
async def test_no_answer(lab: Lab, name: Name) -> None:
    """Nor are errors under a status of success. A redirect is followed nowhere: the key would go with it."""
    async with ScriptedUpstream() as elsewhere:
        scripts = no_answers(elsewhere.root)
        errors = {where: error_of(name, where) for where in BEFORE}
        await check_spared(lab, name, {**scripts, **errors}, stream=True)
        scripts |= {"a page, called JSON": answer([PAGE], kind=JSON)}
        await check_spared(lab, name, {f"{what}, whole": script for what, script in scripts.items()}, stream=False)
        assert elsewhere.opened == []


@pytest.mark.parametrize(
    "count",
    [pytest.param(200, id="200"), pytest.param(10_000, id="10000", marks=[pytest.mark.slow, pytest.mark.figures])],
)
async def test_a_flood_of_early_hints(lab: Lab, figure: Figure, count: int) -> None:
    """They may come before any answer (RFC 9110, section 15.2), and mean nothing."""
    stream = DIALECTS["openai"].stream(PIECES)
    hint = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"
    lab.upstream.play = lambda _: Script([Step(hint, times=count), head(), chunk(stream.raw), LAST_CHUNK])
    began = time.monotonic()
    async with Lag() as lag:
        given = await lab.ask("openai", name="it")
    figure(f"{count} early hints: the loop is held up for", f"{lag.longest * 1000:.0f} ms", "< 250 ms")
    assert lag.longest < 0.25 or count < 1_000  # of few, the machine may be held up by others
    assert given.status in (200, 502)
    assert time.monotonic() - began < 10
    if given.status == 200:
        assert given.body == stream.raw
    await lab.quiet()
