"""What goes wrong upstream, as the caller's own SDK tells it: the same exceptions as from its own provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import anthropic
import cohere
import ollama
import openai
import pytest
from cohere.core.api_error import ApiError as CohereError
from google.genai import errors as gemini
from msgspec.structs import replace

from oneapi_asgi import retry
from oneapi_asgi.testing import Answer
from oneapi_asgi.testing.upstream import anthropic as anthropic_fake
from oneapi_asgi.testing.upstream.ask import EVENTS, JSON
from oneapi_asgi.testing.upstream.bedrock import BEDROCK
from oneapi_asgi.testing.upstream.bedrock import EVENTS as BEDROCK_EVENTS
from oneapi_asgi.testing.upstream.checking import Refused
from oneapi_asgi.testing.upstream.cohere import COHERE
from oneapi_asgi.testing.upstream.formats import Format
from oneapi_asgi.testing.upstream.gemini import GEMINI
from oneapi_asgi.testing.upstream.ollama import OLLAMA
from oneapi_asgi.testing.upstream.openai import OPENAI, RESPONSES

from .dialect_clients import Clients, open_clients
from .dialect_want import BrokenError, Client, Want
from .dialects import ROWS, journal, last_record, marked, open_dialects, usual_pairs
from .serving import Rig

EIGHT_WORDS = "The quick brown fox jumps over the lazy"


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[tuple[Rig, Clients]]:
    """Without the pauses before retries, which are nobody's subject here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retry, "_LONGEST_PAUSE", 0.0)
        async with open_dialects() as rig, open_clients(rig.url) as clients:
            yield rig, clients


@pytest.fixture
async def rig(shared: tuple[Rig, Clients]) -> Rig:
    await shared[0].clear()
    return shared[0]


@pytest.fixture
def clients(shared: tuple[Rig, Clients], rig: Rig) -> Clients:
    return shared[1]


# --- statuses ---------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """``told``: whether the upstream's own words reach the caller."""

    status: int
    told: bool


CASES = {
    400: Case(400, told=True),
    401: Case(502, told=False),  # C60: the gateway's key, not the caller's
    402: Case(502, told=False),
    403: Case(502, told=False),
    404: Case(404, told=True),
    413: Case(413, told=True),
    429: Case(429, told=False),
    500: Case(502, told=False),
    503: Case(503, told=False),
    529: Case(503, told=False),
}

OPENAI_ERRORS = {
    400: openai.BadRequestError,
    404: openai.NotFoundError,
    413: openai.APIStatusError,
    429: openai.RateLimitError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
}
RAISED: dict[str, dict[int, type[Exception]]] = {
    "chat": {**OPENAI_ERRORS},
    "responses": {**OPENAI_ERRORS},
    "anthropic": {
        400: anthropic.BadRequestError,
        404: anthropic.NotFoundError,
        413: anthropic.RequestTooLargeError,
        429: anthropic.RateLimitError,
        502: anthropic.InternalServerError,
        503: anthropic.ServiceUnavailableError,
    },
    "gemini": {
        **dict.fromkeys((400, 404, 413, 429), gemini.ClientError),
        **dict.fromkeys((502, 503), gemini.ServerError),
    },
    "cohere": {
        400: cohere.BadRequestError,
        404: cohere.NotFoundError,
        413: CohereError,
        429: cohere.TooManyRequestsError,
        502: CohereError,
        503: cohere.ServiceUnavailableError,
    },
    "ollama": dict.fromkeys((400, 404, 413, 429, 502, 503), ollama.ResponseError),
}


def told_of(name: str, error: Any) -> tuple[int, str]:
    """The status and the message, each from where that SDK has it."""
    match name:
        case "chat" | "responses":
            assert set(error.body) >= {"message", "type", "param", "code"}
            return error.status_code, error.body["message"]
        case "anthropic":
            assert error.body["type"] == "error"
            return error.status_code, error.body["error"]["message"]
        case "gemini":
            assert error.status
            return error.code, error.message
        case "cohere":
            return error.status_code, error.body["message"]
        case _:
            return error.status_code, error.error


@usual_pairs
async def test_refusals_of_the_upstream(rig: Rig, clients: Clients, name: str, row: str) -> None:
    client: Client = clients[name]
    for status, case in CASES.items():
        told: dict[str, Any] = {"message": f"{ROWS[row].key} is not valid", "headers": {"retry-after": "7"}}
        want = Want(marked(status=status, **told))
        with pytest.raises(RAISED[name][case.status]) as caught:
            await client.ask(row, want, stream=status % 2 == 1)
        seen, message = told_of(name, caught.value)
        assert seen == case.status
        assert ("is not valid" in message) is case.told
        assert ROWS[row].key not in str(caught.value)
        assert clients.headers["content-type"].startswith("application/json")
        assert clients.headers.get("retry-after") == ("7" if status in {429, 503, 529} else None)  # C59
        record = await last_record(rig, clients.call_id)
        assert (record.status, record.cost) == (case.status, 0)
        assert record.reason == ("refused" if case.told else "upstream_failed")


# --- before the first content: the next channel -----------------------------------------------------------------------

FORMATS: dict[str, tuple[Format, tuple[str, str]]] = {
    "openai": (OPENAI, EVENTS),
    "responses": (RESPONSES, EVENTS),
    "anthropic": (anthropic_fake.ANTHROPIC, EVENTS),
    "gemini": (GEMINI, EVENTS),
    "bedrock": (BEDROCK, BEDROCK_EVENTS),
    "cohere": (COHERE, EVENTS),
    "ollama": (OLLAMA, ("content-type", "application/x-ndjson")),
}
OVERLOADED = Refused(503, "Told to be overloaded.")


def failures(row: str, client: str, *, stream: bool) -> dict[str, Answer]:
    """What is an answer by its status alone."""
    asked = client if ROWS[row].native(client) else ROWS[row].format
    form, events = FORMATS[asked]
    kind = events if stream else JSON
    return {
        "empty": Answer(headers=[kind]),
        "error": Answer(headers=[kind], parts=[(form.fault(OVERLOADED), 0.0)])
        if stream
        else replace(form.refuse(OVERLOADED, 1), status=200),
        "cut": Answer(headers=[kind], then="close"),
        "no head": Answer(head=False, then="reset"),
        "not the format": Answer(headers=[kind], parts=[(b'{"no": ["such", "format"]}', 0.0)]),
    }


@usual_pairs
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_next_channel_before_the_first_content(
    rig: Rig, clients: Clients, name: str, row: str, stream: bool
) -> None:
    client: Client = clients[name]
    for kind, answer in failures(row, client.format, stream=stream).items():
        if kind == "not the format" and ROWS[row].native(client.format):
            continue  # it passes: the caller may know it
        rig.fakes[ROWS[row].alike].script(answer)
        reply = await client.ask(f"spared-{row}", Want("Hello"), stream=stream)
        assert (reply.text, reply.finish) == (EIGHT_WORDS, "stop"), kind
        record = await last_record(rig, clients.call_id)
        assert [attempt.channel for attempt in record.attempts] == [row, "spare"], kind
        assert record.attempts[0].failure, kind


# --- after it: an error, never a normal end ---------------------------------------------------------------------------

BROKEN: dict[str, tuple[type[Exception], ...]] = {
    "chat": (openai.APIError,),
    "responses": (BrokenError,),
    "anthropic": (anthropic.APIStatusError,),
    "gemini": (gemini.APIError,),
    "cohere": (BrokenError,),
    "ollama": (ollama.ResponseError,),
}


@usual_pairs
@pytest.mark.parametrize("then", ["close", "error", pytest.param("reset", marks=pytest.mark.slow)])
async def test_stream_that_breaks_off(rig: Rig, clients: Clients, name: str, row: str, then: str) -> None:
    """C64, C65"""
    client: Client = clients[name]
    if row == "never-streams":
        pytest.skip("there is nothing to break off")
    with pytest.raises(BROKEN[name]):
        await client.ask(f"spared-{row}", Want(marked(then=then, after=6)), stream=True)
    record = await last_record(rig, clients.call_id)
    assert (record.status, record.reason) == (200, "upstream_cut")
    assert [attempt.channel for attempt in record.attempts] == [row]
    assert record.usage is not None
    assert 2 <= record.usage.output <= 6
    assert record.cost > 0
    assert len(journal(rig)) == 1
