"""Upstreams that break off, at any byte and in any way: before the first content somebody else answers, after it the
caller is told, and never is half an answer taken for a whole one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import pytest
from faults.auditor import Books
from faults.load import share
from lab.caller import Answered
from lab.dialects import DIALECTS, Heard, Name, Stream, named, word
from lab.figures import Figure
from lab.rig import PER_TOKEN, Lab, is_spare
from lab.upstream import LAST_CHUNK, Framing, Script, Then, answer, chunk, head

from oneapi_asgi.testing.upstream.http import Request

EVENTS = 40
AT_ONCE = 16

Fault = Literal["fin", "rst", "half a chunk", "short", "as if whole", "ended"]
FAULTS: dict[Fault, tuple[Framing, Then]] = {
    "fin": ("chunked", "fin"),
    "rst": ("chunked", "rst"),
    "half a chunk": ("chunked", "fin"),
    "short": ("length", "fin"),
    "as if whole": ("close", "fin"),  # HTTP cannot tell, only the format can
    "ended": ("chunked", "keep"),
}
ALL: tuple[Fault, ...] = tuple(FAULTS)

PAIRS: list[tuple[Name, Name]] = [
    ("openai", "openai"),
    ("responses", "responses"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("openai", "anthropic"),
    ("anthropic", "openai"),
    ("responses", "gemini"),
    ("gemini", "responses"),
]
"""The caller's format and the upstream's."""
every_pair = pytest.mark.parametrize(
    ("client", "upstream"), PAIRS, ids=[f"{client}-of-{upstream}" for client, upstream in PAIRS]
)


def broken(raw: bytes, at: int, fault: Fault) -> Script:
    """The first ``at`` bytes of a stream, and then that."""
    framing, then = FAULTS[fault]
    told, body = head(framing=framing, length=len(raw)), raw[:at]
    if not at and fault != "ended":
        return Script([told], then)
    match fault:
        case "half a chunk":
            return Script([told, chunk(body + b"...")[: -len(b"...\r\n")]], then)
        case "short" | "as if whole":
            return Script([told, body], then)
        case "ended":
            return Script([told, chunk(body) if body else b"", LAST_CHUNK], then)
        case _:
            return Script([told, chunk(body)], then)


class Case(NamedTuple):
    """One call: ``name`` says which, in the books as well."""

    client: Name
    upstream: Name
    at: int
    fault: Fault

    @property
    def name(self) -> str:
        return f"{self.at}-{self.fault}".replace(" ", "_")


def size_of(name: Name) -> int:
    return len(DIALECTS[name].stream(EVENTS).raw)


@every_pair
async def test_a_stream_that_breaks_off(lab: Lab, client: Name, upstream: Name) -> None:
    """Each fault at some places, one after the other."""
    places = range(0, size_of(upstream), size_of(upstream) // 36)
    await check(lab, [Case(client, upstream, at, ALL[number % len(ALL)]) for number, at in enumerate(places)])


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(3_600)
@every_pair
async def test_a_stream_that_breaks_off_at_any_byte(lab: Lab, figure: Figure, client: Name, upstream: Name) -> None:
    """Four faults at each byte, and one of the others."""
    faults = [(*ALL[:4], ALL[4 + at % 2]) for at in range(size_of(upstream))]
    count = await check(lab, [Case(client, upstream, at, fault) for at, five in enumerate(faults) for fault in five])
    figure(f"{upstream} breaks off at any byte: {client} callers told the truth", f"{count} of {count}", "all")


@pytest.mark.parametrize("name", DIALECTS)
async def test_before_the_first_content_somebody_else_answers(lab: Lab, name: Name) -> None:
    """After the head, and after all that precedes content, of which the caller then sees nothing."""
    preamble = b"".join(DIALECTS[name].stream(EVENTS).preamble)
    await check(lab, [Case(name, name, at, fault) for at in {0, len(preamble)} for fault in ALL])
    assert sum(is_spare(seen.request) for seen in lab.upstream.seen) * 2 == len(lab.upstream.seen)


async def check(lab: Lab, cases: Sequence[Case]) -> int:
    """How many it were, of callers who all saw what they should."""
    _, upstream, _, _ = cases[0]
    stream = DIALECTS[upstream].stream(EVENTS)
    spare = answer([DIALECTS[upstream].stream(2).raw])

    by_name = {case.name: case for case in cases}

    def play(request: Request) -> Script:
        case = by_name[named(request.body)]
        return spare if is_spare(request) else broken(stream.raw, case.at, case.fault)

    lab.upstream.play = play
    answers: dict[Case, Answered] = {}

    async def ask(case: Case) -> None:
        answers[case] = await lab.ask(case.client, f"spared-{upstream}", name=case.name)

    await share([partial(ask, case) for case in cases], AT_ONCE)
    books = await lab.books()
    asked_spare = {named(seen.request.body) for seen in lab.upstream.seen if is_spare(seen.request)}
    assert len(answers) == len(books.reservations)
    for case, given in answers.items():
        heard = DIALECTS[case.client].hear(given.body)
        told = f"{case}: {heard}"
        check_answer(case, given, heard, stream, spared=case.name in asked_spare, told=told)
        check_charge(case, heard, books, told)
    return len(answers)


def check_answer(case: Case, given: Answered, heard: Heard, stream: Stream, *, spared: bool, told: str) -> None:
    first, finished, _ = stream.places()
    assert given.status == 200, told
    assert given.whole, told  # the connection to the caller ends in order, whatever the upstream's did
    if spared:
        assert case.at < first, told
        assert (heard.text, heard.error) == (word(0) + word(1), None), told
        assert heard.finish, told
        return
    assert heard.text == "".join(map(word, range(len(heard.words)))), told
    assert case.at >= first - 2, told  # what lacks nothing but its line ends may count as complete
    if heard.error is None:
        assert case.at >= finished - 2, told
        assert len(heard.words) == EVENTS, told
        assert heard.finish, told
        assert heard.ends == 1, told
    else:
        assert heard.finish is None or case.at >= finished - 2, told
        assert heard.ends == (case.client == "openai" and given.body.rstrip().endswith(b"[DONE]")), told
        assert case.at < len(stream.raw), told


def check_charge(case: Case, heard: Heard, books: Books, told: str) -> None:
    """What was relayed is paid for: a piece more or less where the last one was cut."""
    charged = books.reservations[case.name].cost / PER_TOKEN
    assert abs(charged - len(heard.words)) <= 1, (told, charged)
    assert books.records[case.name].reason == ("upstream_cut" if heard.error else "done"), told
