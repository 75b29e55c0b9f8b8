"""Idempotency-Key: one call is carried out, all others with its key are answered from what was kept, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from keyed import CHAT, DELIVERED, REUSED, As, Clock, Counting, Model, Stack, refused, until
from starlette.types import Message, Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.errors import BadRequest, GatewayError
from oneapi_asgi.http import Refusal
from oneapi_asgi.idempotency import Idempotency, conclusion, fingerprint, the_key
from oneapi_asgi.models import Token
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.testing import StreamingClient

EVENTS = "text/event-stream; charset=utf-8"


# --- decisions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ([b"k"], True),
        ([b'"8e03978e-40d5-43dd-bc93-6894a57f9324"'], True),
        ([b"!~" + b"x" * 253], True),
        ([b"x" * 256], False),
        ([b""], False),
        ([b"a b"], False),
        ([b"a\n"], False),
        ([b"a\x7f"], False),
        (["ü".encode()], False),
        ([b"a", b"a"], False),
        ([b"a", b"b"], False),
    ],
)
def test_what_a_key_is(values: list[bytes], good: bool) -> None:
    scope = {"headers": [(b"host", b"h"), *[(b"idempotency-key", value) for value in values]]}
    if good:
        assert the_key(scope) == values[0]
        return
    with pytest.raises(BadRequest, match="1 to 255 visible ASCII"):
        the_key(scope)


FORM = 'multipart/form-data; boundary="{}"'
PART = '--{0}\r\ncontent-disposition: form-data; name="model"\r\n\r\n{1}\r\n--{0}--\r\n'


def test_requests_differ_by_method_path_and_body_alone() -> None:
    json = "application/json"
    asked = [
        ("POST", "/a", json, b"x"),
        ("PUT", "/a", json, b"x"),
        ("POST", "/b", json, b"x"),
        ("POST", "/a", json, b""),
    ]
    assert len({fingerprint(*one) for one in asked}) == len(asked)
    assert fingerprint("POST", "/a", "text/plain", b"x") == fingerprint(*asked[0])
    assert fingerprint("POST", "/a\0b", json, b"c") != fingerprint("POST", "/a", json, b"b\0c")


def test_a_form_is_the_same_with_another_boundary() -> None:
    def of(boundary: str, model: str) -> str:
        return fingerprint("POST", "/a", FORM.format(boundary), PART.format(boundary, model).encode())

    assert of("one", "m") == of("two", "m")
    assert of("one", "m") != of("one", "n")


@pytest.mark.parametrize(
    ("status", "whole", "storable", "charged", "state"),
    [
        (200, True, True, True, "stored"),
        (200, True, True, False, "stored"),
        (200, True, False, True, "delivered"),
        (200, False, True, True, "delivered"),
        (200, False, False, True, "delivered"),
        (200, False, True, False, "free"),
        (0, False, True, True, "delivered"),
        (0, False, True, False, "free"),
        (400, True, True, False, "free"),
        (503, True, True, False, "free"),
        (502, True, True, True, "stored"),
    ],
)
def test_what_is_kept(status: int, whole: bool, storable: bool, charged: bool, state: str) -> None:
    assert conclusion(status=status, whole=whole, storable=storable, charged=charged) == state


# --- the second call --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"id": 1}', "application/json", 200),
        (bytes(range(256)), "audio/mpeg", 201),
        (b"", "text/plain; charset=é", 200),
    ],
)
async def test_it_gets_the_same_answer(body: bytes, kind: str, status: int) -> None:
    async with Stack(model=Model(body, kind=kind, status=status)) as stack:
        first, second = await stack.post(), await stack.post()
    assert len(stack.model.calls) == 1
    assert (second.status, second.body) == (first.status, first.body) == (status, body)
    assert second.headers == {
        "content-type": kind,
        "content-length": str(len(body)),
        "idempotency-replayed": "true",
        "x-request-id": stack.apps[0].calls[1].id,
    }
    assert "idempotency-replayed" not in first.headers
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    replayed = stack.apps[0].calls[1]
    assert (replayed.usage, replayed.cost, replayed.request is not None) == (None, 0, True)


async def test_it_is_another_call_with_another_key_token_or_operation() -> None:
    async with Stack(count=2) as stack:
        stack.apps[1].token = Token(id=2, name="u", digest="")
        await stack.post()
        await stack.post("K")
        await stack.post(at=1)
        await stack.post(path="/v1/completions", json={"model": "m", "prompt": ""})
        await stack.post(None)
        await stack.post(None)
    assert len(stack.model.calls) == 6


async def test_it_is_refused_for_another_request() -> None:
    async with Stack() as stack:
        await stack.post()
        assert refused(await stack.post(json=CHAT | {"n": 1})) == REUSED
        stack.model.open.clear()
        running = stack.start("busy")
        await until(lambda: len(stack.model.calls) == 2)
        assert refused(await stack.post("busy", json=CHAT | {"n": 1})) == REUSED
        stack.model.open.set()
        await running
    assert len(stack.model.calls) == 2


async def test_neither_key_nor_token_is_stored() -> None:
    async with Stack(MemoryStorage()) as stack:
        await stack.post("my-own-key")
        digest = sha256(b"1\0chat\0my-own-key").hexdigest()
        assert list(stack.store._answers._answers) == [digest]


@pytest.mark.parametrize(
    ("model", "max_answer"),
    [(Model(b"data: 1\n\n", kind=EVENTS), 100), (Model(b"12345"), 4), (Model(b"1", kind="x" * 256), 100)],
    ids=["stream", "large", "strange"],
)
async def test_what_cannot_be_kept_is_not_done_again(model: Model, max_answer: int) -> None:
    async with Stack(model=model, max_answer=max_answer) as stack:
        assert (await stack.post()).body == model.body
        answer = await stack.post()
        assert refused(answer) == DELIVERED
        assert model.calls[0].id in answer.json()["error"]["message"]
    assert len(model.calls) == 1


async def test_an_answer_of_just_that_size_is_kept() -> None:
    async with Stack(model=Model(b"1234"), max_answer=4) as stack:
        assert [(await stack.post()).body for _ in range(2)] == [b"1234"] * 2
    assert len(stack.model.calls) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503])
async def test_what_cost_nothing_is_tried_again(status: int) -> None:
    async with Stack(model=Model(status=status, cost=0)) as stack:
        assert (await stack.post()).status == status
        stack.model.status, stack.model.cost = 200, 3
        assert (await stack.post()).status == 200
        assert (await stack.post()).headers["idempotency-replayed"] == "true"
    assert len(stack.model.calls) == 2


async def test_a_call_that_breaks_frees_its_key() -> None:
    async with Stack(model=Model(cost=0)) as stack:
        stack.model.error = RuntimeError("broken")
        with pytest.raises(RuntimeError, match="broken"):
            await stack.post()
        stack.model.error = None
        assert (await stack.post()).status == 200


@pytest.mark.parametrize(("cost", "calls"), [(3, 1), (0, 2)])
async def test_a_caller_that_hung_up_is_charged_once(cost: int, calls: int) -> None:
    async with Stack(model=Model(cost=cost)) as stack:
        stack.model.open.clear()
        task = stack.start()
        await until(lambda: bool(stack.model.calls))
        task.cancel()
        await asyncio.wait([task])
        stack.model.open.set()
        answer = await stack.post()
        assert refused(answer) == DELIVERED if cost else answer.status == 200
    assert len(stack.model.calls) == calls


async def test_an_answer_is_kept_for_its_time() -> None:
    clock = Clock()
    async with Stack(MemoryStorage(clock=clock)) as stack:
        await stack.post()
        clock.now += 3600
        assert (await stack.post()).headers["idempotency-replayed"] == "true"
        assert await stack.store.purge_answers() == 0
        clock.now += 86_400 - 3600
        assert await stack.store.purge_answers() == 1
        assert "idempotency-replayed" not in (await stack.post()).headers
    assert len(stack.model.calls) == 2


# --- the store, and the rest ------------------------------------------------------------------------------------------


async def test_without_the_store_nothing_is_carried_out() -> None:
    store = Counting(MemoryStorage())
    async with Stack(store, wait=0.5) as stack:
        store.fails = OSError("down")
        answer = await stack.post()
        assert refused(answer) == (503, "service_unavailable", "true")
        assert "down" not in answer.text
        assert (await stack.post(None)).status == 200, "who brings no key needs no store"
        store.fails = None
        await stack.settled()
        assert (await stack.post()).status == 200, "the claim was given back"
    assert len(stack.model.calls) == 2


@pytest.mark.slow
async def test_a_store_that_hangs_is_not_waited_for() -> None:
    store = Counting(MemoryStorage())
    async with Stack(store) as stack:
        store.open.clear()
        assert refused(await stack.post()) == (503, "service_unavailable", "true")
        store.open.set()
        await stack.settled()
        assert (await stack.post()).status == 200


async def test_a_call_cancelled_while_it_claims_leaves_nothing() -> None:
    store = Counting(MemoryStorage())
    async with Stack(store) as stack:
        store.open.clear()
        scope: Any = {}
        task = asyncio.create_task(_direct(stack.apps[0], scope))
        await until(lambda: bool(store.asked))
        task.cancel()
        await asyncio.wait([task])
        store.open.set()
        await stack.settled()
        assert (await stack.post()).status == 200
    assert len(stack.model.calls) == 1


async def _direct(app: As, scope: Any) -> None:
    body = msgspec.json.encode(CHAT)
    scope |= {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"idempotency-key", b"k"), (b"content-type", b"application/json")],
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await app(scope, receive, send)


async def test_refusals_go_through_on_error() -> None:
    seen: list[GatewayError] = []

    def on_error(error: GatewayError, call: Call) -> Refusal:
        seen.append(error)
        return Refusal(error, call)

    async with Stack(on_error=on_error) as stack:
        assert (await stack.post("a b")).status == 400
        assert (await stack.post(json={"model": 1})).status == 400
    assert [type(error) for error in seen] == [BadRequest] * 2
    assert stack.model.calls == []


async def test_before_the_start_calls_with_a_key_are_refused() -> None:
    stack = Stack()
    assert refused(await stack.post()) == (503, "not_started", "true")
    assert (await stack.post(None)).status == 200


async def test_without_a_token_the_cure_is_named() -> None:
    async with Stack() as stack:
        client = StreamingClient(stack.parts[0], lifespan=False)
        with pytest.raises(RuntimeError, match="put TokenAuth outside"):
            await client.request("POST", "/v1/chat/completions", json=CHAT, headers={"idempotency-key": "k"})


async def test_other_scopes_and_methods_pass() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    nothing: Callable[..., Awaitable[Any]] = asyncio.sleep
    part = Idempotency(app, MemoryStorage())
    scopes: list[Any] = [
        {"type": "websocket"},
        {"type": "http", "method": "GET", "headers": [(b"idempotency-key", b"k")]},
    ]
    for scope in scopes:
        await part(scope, nothing, nothing)
    assert seen == scopes
    assert all(scope.keys() <= {"type", "method", "headers"} for scope in scopes)


@pytest.mark.parametrize("options", [{"keep": 0}, {"lease": 0}, {"wait": -1}, {"max_answer": -1}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Idempotency(Model(), MemoryStorage(), **options)
