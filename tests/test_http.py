"""The body read once within bounds and played again, paths under any mount, refusals."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import msgspec
import pytest
from starlette.types import Message, Receive, Scope, Send

from oneapi_asgi.call import Call, need
from oneapi_asgi.errors import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    GatewayError,
    MethodNotAllowed,
    RateLimited,
    UnsupportedBody,
)
from oneapi_asgi.http import Answer, ClientGoneError, Refusal, api_path, aside, header, parsed, read_body, replayed
from oneapi_asgi.testing import StreamingClient

CHAT = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


def scope(path: str = "/v1/chat/completions", root_path: str = "", headers: dict[str, str] | None = None) -> Scope:
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": "http", "method": "POST", "path": path, "root_path": root_path, "headers": fields}


def receiving(*messages: Message) -> Receive:
    waiting = list(messages)

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    return receive


def pieces(*chunks: bytes) -> Receive:
    last = len(chunks) - 1
    return receiving(*({"type": "http.request", "body": c, "more_body": n < last} for n, c in enumerate(chunks)))


# --- paths, headers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "root_path", "found"),
    [
        ("/v1/chat/completions", "", "/chat/completions"),
        ("/v1/chat/completions/", "", "/chat/completions"),
        ("/chat/completions", "", "/chat/completions"),
        ("/llm/v1/chat/completions", "/llm", "/chat/completions"),
        ("/llm/v1/chat/completions/", "/llm/", "/chat/completions"),
        ("/v1/chat/completions/", "/llm", "/chat/completions"),  # the framework took the prefix away
        ("/v1/chat/completions", "/v1", "/chat/completions"),
        ("/llm/chat/completions", "/llm", "/chat/completions"),
        ("/llmv1/chat", "/llm", "/llmv1/chat"),
        ("/a/b/v1/models", "/a/b", "/models"),
        ("/v1/v1/models", "", "/v1/models"),
        ("/v1beta/models", "", "/v1beta/models"),
        ("/v1//models", "", "//models"),
        ("/llm", "/llm", ""),
        ("/", "", ""),
        ("", "", ""),
    ],
)
def test_paths_below_the_root(path: str, root_path: str, found: str) -> None:
    assert api_path(scope(path, root_path)) == found


def test_headers() -> None:
    assert header(scope(headers={"x-a": "1"}), b"x-a") == "1"
    assert header(scope(), b"x-a") == ""


# --- the body ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [(b"",), (b"abc",), (b"a", b"b", b"c"), (b"", b"abc", b""), (b"a",) * 10])
async def test_the_body_is_read_whole(chunks: Sequence[bytes]) -> None:
    assert await read_body(scope(), pieces(*chunks), 10) == b"".join(chunks)


@pytest.mark.parametrize(
    ("chunks", "announced"),
    [((b"x" * 11,), None), ((b"x" * 5,) * 3, None), ((b"",), "11"), ((b"",), "9" * 400), ((b"x" * 11,), "3")],
)
async def test_the_body_is_bounded(chunks: Sequence[bytes], announced: str | None) -> None:
    headers = {"content-length": announced} if announced else {}
    with pytest.raises(BodyTooLarge, match="10 bytes"):
        await read_body(scope(headers=headers), pieces(*chunks), 10)


async def test_no_compressed_body_is_read() -> None:
    with pytest.raises(UnsupportedBody):
        await read_body(scope(headers={"content-encoding": "gzip"}), pieces(b"x"), 10)


async def test_an_endless_body_is_not_collected() -> None:
    taken = 0

    async def endless() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    with pytest.raises(BodyTooLarge):
        await read_body(scope(), endless, 1000)
    assert taken == 11


@pytest.mark.parametrize("before", [(), ({"type": "http.request", "body": b"a", "more_body": True},)])
async def test_a_caller_that_hangs_up(before: tuple[Message, ...]) -> None:
    with pytest.raises(ClientGoneError):
        await read_body(scope(), receiving(*before, {"type": "http.disconnect"}), 10)


async def test_the_body_is_played_once_more() -> None:
    receive = replayed(b"abc", receiving({"type": "http.disconnect"}))
    assert await receive() == {"type": "http.request", "body": b"abc", "more_body": False}
    assert await receive() == {"type": "http.disconnect"}


async def test_the_request_is_parsed_once_and_the_next_app_gets_the_body() -> None:
    at = scope(headers={"content-type": "application/json"})
    request, receive = await parsed(at, pieces(CHAT[:9], CHAT[9:]))
    call = Call.of(at)
    assert (call.body, call.request, request.head.model) == (CHAT, request, "m")
    assert call.operation is not None
    assert call.operation.name == "chat"
    again, same = await parsed(at, receive)
    assert again is request
    assert (await same())["body"] == CHAT


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ({}, b"{", BadRequest),
        ({}, b"", BadRequest),
        ({"content-encoding": "gzip"}, CHAT, UnsupportedBody),
        ({"content-encoding": "br, identity"}, CHAT, UnsupportedBody),
        ({"content-length": "100000000000"}, CHAT, BodyTooLarge),
        ({"content-length": "9" * 5_000}, CHAT, BodyTooLarge),
    ],
)
async def test_what_cannot_be_parsed(headers: dict[str, str], body: bytes, error: type[GatewayError]) -> None:
    at = scope(headers=headers)
    with pytest.raises(error):
        await parsed(at, pieces(body))
    assert Call.of(at).request is None


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
async def test_identity_is_no_encoding(coding: str) -> None:
    request, _ = await parsed(scope(headers={"content-encoding": coding}), pieces(CHAT))
    assert request.head.model == "m"


# --- large bodies -----------------------------------------------------------------------------------------------------


async def test_large_bodies_are_read_aside_one_by_one() -> None:
    here = threading.get_ident()
    running, most = 0, 0

    def work() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        running -= 1
        return threading.get_ident()

    assert await aside(1000, threading.get_ident) == here
    threads = await asyncio.gather(*[aside(1 << 20, work) for _ in range(4)])
    assert here not in threads
    assert most == 1


async def test_what_fails_aside_fails_here() -> None:
    large = CHAT[:-1] + b',"pad":"' + b"x" * (1 << 20) + b'"}'
    request, _ = await parsed(scope(), pieces(large))
    assert request.head.model == "m"
    with pytest.raises(BadRequest):
        await parsed(scope(), pieces(large + b"}"))


# --- refusals ---------------------------------------------------------------------------------------------------------


def refusing(error: GatewayError) -> object:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Refusal(error, Call.of(scope))(scope, receive, send)

    return app


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (Forbidden("No."), 403, {"x-should-retry": "false"}),
        (RateLimited("Slow.", retry_after=0.2), 429, {"x-should-retry": "true", "retry-after": "1"}),
        (RateLimited("Slow.", retry_after=7.2), 429, {"retry-after": "8"}),
        (MethodNotAllowed("POST.", headers=(("allow", "POST"),)), 405, {"allow": "POST"}),
        (BodyTooLarge("Less."), 413, {"connection": "close"}),
    ],
)
async def test_refusals(error: GatewayError, status: int, headers: dict[str, str]) -> None:
    async with StreamingClient(refusing(error), lifespan=False) as client:  # type: ignore[arg-type]
        answer = await client.request("POST", "/x", content=b"body")
        head = await client.request("HEAD", "/x")
    assert answer.status == head.status == status
    assert answer.headers.items() >= {**headers, "content-type": "application/json"}.items()
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-request-id"]
    assert answer.json()["error"]["message"] == error.message
    assert head.body == b""
    assert ("retry-after" in answer.headers) is (error.retry_after is not None)


async def test_too_large_a_body_is_drained_so_that_the_answer_can_be_read() -> None:
    sent: list[Message] = []
    chunk: Message = {"type": "http.request", "body": b"x" * 1000, "more_body": True}
    receive = receiving(*[chunk] * 50, {"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(2):
        await Refusal(BodyTooLarge("Less."), Call())(scope(), receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body", "http.response.body"]
    assert msgspec.json.decode(sent[1]["body"])["error"]["code"] == "request_too_large"
    assert (sent[1]["more_body"], sent[2].get("more_body", False)) == (True, False)
    assert (await receive())["type"] == "http.disconnect"


def test_an_empty_slot_names_the_cure() -> None:
    assert need(7, "QuotaGuard", "token", "TokenAuth") == 7
    with pytest.raises(
        RuntimeError, match=r"QuotaGuard reads call\.token, which is empty: put TokenAuth outside of it"
    ):
        need(None, "QuotaGuard", "token", "TokenAuth")


def test_a_call_is_found_again_in_a_copied_scope() -> None:
    at = scope()
    call = Call.of(at)
    assert Call.of(dict(at)) is call
    assert Call.of(scope()).id != call.id


async def test_who_asked_first_has_nothing_left_to_send() -> None:
    async def silent() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        pass

    await Refusal(BodyTooLarge("Less."), Call())(scope(headers={"expect": "100-continue"}), silent, send)


# --- answers on their way out -----------------------------------------------------------------------------------------

HEAD: Message = {"type": "http.response.start", "status": 201, "headers": [(b"a", b"1")]}
PIECE: Message = {"type": "http.response.body", "body": b"x", "more_body": True}


class Sent(list[Message]):
    async def send(self, message: Message) -> None:
        self.append(message)


async def test_an_answer_passes_as_it_is_and_its_beginning_is_known() -> None:
    sent = Sent()
    answer = Answer.of(sent.send)
    assert (answer.status, answer.begun) == (0, False)
    for message in (HEAD, PIECE):
        await answer.send(message)
        assert (answer.status, answer.begun) == (201, True)
    assert [got is given for got, given in zip(sent, (HEAD, PIECE), strict=True)] == [True, True]


async def test_all_who_look_at_an_answer_share_it() -> None:
    sent = Sent()
    outer = Answer.of(sent.send)
    inner = Answer.of(outer.send)
    assert inner is outer
    inner.headers = [(b"b", b"2")]
    await inner.send(HEAD)
    assert sent == [{**HEAD, "headers": [(b"a", b"1"), (b"b", b"2")]}]

    async def between(message: Message) -> None:
        await outer.send(message)

    assert Answer.of(between) is not outer


async def test_what_is_withheld_is_not_sent_until_something_else_is() -> None:
    sent = Sent()
    answer = Answer.of(sent.send)
    answer.withheld = True
    for message in (HEAD, PIECE):
        await answer.send(message)
    assert (sent, answer.status, answer.begun) == ([], 201, False)
    answer.withheld = False
    await answer.send(HEAD)
    answer.withheld = True
    await answer.send(PIECE)
    assert sent == [HEAD, PIECE]
