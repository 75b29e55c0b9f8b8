"""Streams that end oddly: what is whole is told as whole, once, whatever comes after it; what is not, as an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from lab.caller import Answered
from lab.dialects import DIALECTS, Name, datas, named, word
from lab.rig import PER_TOKEN, Lab
from lab.upstream import Script, answer

PIECES = 3
TEXT = "".join(map(word, range(PIECES)))
NAMES: tuple[Name, ...] = tuple(DIALECTS)

USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":77}}\n\n'
DONE = b"data: [DONE]\n\n"


class End(NamedTuple):
    """What comes after the content. ``whole``: the answer is."""

    raw: bytes
    whole: bool = True


def _ends(name: Name) -> Mapping[str, End]:
    stream = DIALECTS[name].stream(PIECES)
    first, last, rest = stream.ending[0], stream.ending[-1], b"".join(stream.ending)
    ends = {
        "as it should": End(rest),
        "a comment after it": End(rest + b": bye\n\n"),
        "half an event after it": End(rest + b'data: {"ty'),
        "an empty line less": End(rest[:-1]),
        "none": End(b"", whole=False),
        "half of it": End(first[: len(first) // 2], whole=False),
    }
    if name != "gemini":  # which has no terminator, only a last event
        ends |= {
            "twice": End(rest + last),
            "twice, all of it": End(rest + rest),
            "content after it": End(rest + stream.content[0]),
            "no JSON after it": End(rest + b"data: <html>\n\n"),
        }
    if name == "openai":
        ends |= {
            "no terminator": End(first),
            "no reason": End(DONE),
            "usage after it": End(rest + USAGE),
            "usage after it, twice": End(rest + USAGE + DONE),
        }
    return ends


class Case(NamedTuple):
    client: Name
    upstream: Name
    what: str
    at_once: bool

    @property
    def name(self) -> str:
        return f"{self.upstream}-{self.what}-{self.at_once}".replace(" ", "_")

    @property
    def end(self) -> End:
        return _ends(self.upstream)[self.what]

    def script(self) -> Script:
        stream = DIALECTS[self.upstream].stream(PIECES)
        raw = b"".join([*stream.preamble, *stream.content, self.end.raw])
        return answer([raw] if self.at_once else [event for event in re.split(rb"(?<=\n\n)", raw) if event])

    def wrong(self, given: Answered) -> str:
        """What is wrong with what the caller got, empty if nothing is."""
        heard, end = DIALECTS[self.client].hear(given.body), self.end
        last = DIALECTS[self.client].hear(b"data: " + datas(given.body)[-1] + b"\n\n")
        found = {
            "status": given.status != 200 or not given.whole,
            "text": heard.text != TEXT,
            "truth": (heard.error is None) != end.whole,
            "terminators": heard.ends != int(end.whole),
            "something after the end": end.whole and not last.ends,
        }
        return ", ".join(what for what, is_so in found.items() if is_so)


@pytest.mark.parametrize("client", NAMES)
async def test_ends(lab: Lab, client: Name) -> None:
    """All of them, of every upstream; each event by itself, and all at once."""
    cases = [Case(client, name, what, at_once) for name in NAMES for what in _ends(name) for at_once in (True, False)]
    by_name = {case.name: case for case in cases}
    lab.upstream.play = lambda request: by_name[named(request.body)].script()
    given = {case: await lab.ask(client, f"spared-{case.upstream}", name=case.name) for case in cases}
    books = await lab.books()
    wrong = {case.name: case.wrong(answered) for case, answered in given.items()}
    for case in cases:
        record, cost = books.records[case.name], books.reservations[case.name].cost
        wrong[case.name] += "" if record.reason == ("done" if case.end.whole else "upstream_cut") else " reason"
        wrong[case.name] += "" if abs(cost / PER_TOKEN - (77 if "usage" in case.what else PIECES)) <= 1 else f" {cost}"
    found = [f"{name}: {what}" for name, what in wrong.items() if what]
    assert found == [], "\n".join(found)
    assert len(lab.upstream.seen) == len(cases)
