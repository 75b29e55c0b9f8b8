"""Open calls are looked after: which are checked, when, and which are ended."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.errors import Forbidden, GatewayError, Unauthenticated, Unavailable
from oneapi_asgi.models import EndReason, Pulse, Token
from oneapi_asgi.revision import Revision
from oneapi_asgi.revocation import Revocation, RevocationGuard
from oneapi_asgi.testing import StreamingClient

NOW = 1_700_000_000.0


class Desk:
    """A store whose revision moves, and the one who knows which tokens are valid."""

    def __init__(self) -> None:
        self.moved = 1
        self.now = NOW
        self.pulses = 0
        self.down = False
        self.revoked: dict[str, GatewayError] = {}
        self.checked: Counter[str] = Counter()
        self.ended: dict[str, tuple[GatewayError, EndReason]] = {}
        self.news: asyncio.Queue[str] = asyncio.Queue()

    async def pulse(self) -> Pulse:
        self.pulses += 1
        if self.down:
            raise ConnectionError
        return Pulse(self.moved, self.now)

    async def recheck(self, token: Token, *, client: str) -> None:
        await asyncio.sleep(0)
        self.checked[f"{token.name} {client}".strip()] += 1
        self.news.put_nowait(token.name)
        if (error := self.revoked.get(token.name)) is not None:
            raise error

    def call(self, name: str, *, client: str = "", expires_at: float | None = None) -> Call:
        token = Token(id=1, name=name, digest=name, expires_at=expires_at)
        call = Call(id=f"{name} {client} {len(self.ended)} {id(token)}", token=token, client=client)

        def end(error: GatewayError, reason: EndReason) -> None:
            self.ended[name] = (error, reason)
            self.news.put_nowait(name)

        call.end = end
        return call


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
async def revocation(desk: Desk) -> Revocation:
    return Revocation(desk.recheck, Revision(desk, interval=0, timeout=1, clock=lambda: 0.0))


async def test_each_call_once_and_all_when_the_revision_moved(desk: Desk, revocation: Revocation) -> None:
    for name in ("a", "b"):
        revocation.begin(desk.call(name))
    await revocation.look()
    await revocation.look()
    assert desk.checked == {"a": 1, "b": 1}
    revocation.begin(desk.call("c"))
    await revocation.look()
    assert desk.checked == {"a": 1, "b": 1, "c": 1}
    desk.moved += 1
    await revocation.look()
    await revocation.look()
    assert desk.checked == {"a": 2, "b": 2, "c": 2}
    assert desk.ended == {}


async def test_nothing_is_asked_without_calls(desk: Desk, revocation: Revocation) -> None:
    call = desk.call("a")
    revocation.begin(call)
    revocation.finish(call)
    desk.moved += 1
    await revocation.look()
    assert (desk.pulses, desk.checked) == (0, {})


async def test_a_revoked_token_ends_its_calls_and_no_others(desk: Desk, revocation: Revocation) -> None:
    for name in ("a", "b", "c"):
        revocation.begin(desk.call(name))
    await revocation.look()
    desk.revoked = {"a": Unauthenticated("off"), "c": Forbidden("gone")}
    desk.moved += 1
    await revocation.look()
    assert desk.ended == {name: (desk.revoked[name], "revoked") for name in ("a", "c")}


async def test_a_token_that_was_revoked_between_admission_and_beginning(desk: Desk, revocation: Revocation) -> None:
    revocation.begin(desk.call("a"))
    await revocation.look()  # has seen the revision that the call below was not admitted under
    desk.revoked = {"b": Unauthenticated("off")}
    revocation.begin(desk.call("b"))
    await revocation.look()
    assert desk.ended.keys() == {"b"}


async def test_many_calls_of_one_token_are_one_question(desk: Desk, revocation: Revocation) -> None:
    calls = [desk.call("a", client=client) for client in ("x", "y", "x", "x")]
    token = calls[0].token
    for call in calls:
        call.token = token
        revocation.begin(call)
    await revocation.look()
    assert desk.checked == {"a x": 1, "a y": 1}


async def test_more_tokens_than_are_asked_at_once(desk: Desk, revocation: Revocation) -> None:
    names = [f"t{number}" for number in range(100)]
    for name in names:
        revocation.begin(desk.call(name))
    desk.revoked = {name: Unauthenticated("off") for name in names[::3]}
    await revocation.look()
    assert desk.ended.keys() == desk.revoked.keys()
    assert set(desk.checked.values()) == {1}


async def test_a_token_that_expires_needs_no_revision(desk: Desk, revocation: Revocation) -> None:
    revocation.begin(desk.call("a", expires_at=NOW + 5))
    for passed, checked in ((0, 1), (4, 1), (5, 2), (6, 3)):
        desk.now = NOW + passed
        desk.revoked = {"a": Unauthenticated("expired")} if passed == 6 else {}
        await revocation.look()
        assert desk.checked == {"a": checked}
    assert desk.ended.keys() == {"a"}


@pytest.mark.parametrize("what", ["pulse", "recheck"])
async def test_while_the_store_is_down_calls_go_on_and_nothing_is_forgotten(desk: Desk, what: str) -> None:
    revision = Revision(desk, interval=0, clock=iter(range(10**6)).__next__)
    revocation = Revocation(desk.recheck, revision)
    revocation.begin(desk.call("a"))
    await revocation.look()
    desk.moved += 1
    if what == "pulse":
        desk.down = True
        with pytest.raises(Unavailable):
            await revocation.look()
    else:
        desk.revoked = {"a": Unavailable("down")}
        await revocation.look()
    assert desk.ended == {}
    desk.down, desk.revoked = False, {"a": Unauthenticated("off")}
    await revocation.look()
    assert desk.ended.keys() == {"a"}


async def test_a_call_that_cannot_be_ended_yet_is_ended_later(desk: Desk, revocation: Revocation) -> None:
    call = desk.call("a")
    end, call.end = call.end, None
    revocation.begin(call)
    desk.revoked = {"a": Unauthenticated("off")}
    await revocation.look()
    assert desk.ended == {}
    call.end = end
    await revocation.look()
    assert desk.ended.keys() == {"a"}


async def test_it_looks_by_itself_and_outlives_mistakes(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    async with Revocation(desk.recheck, Revision(desk, interval=0), interval=0.01) as revocation:
        desk.revoked = {"a": Unavailable("down"), "b": ArithmeticError()}  # type: ignore[dict-item]
        for name in ("a", "b"):
            revocation.begin(desk.call(name))
        async with asyncio.timeout(5):
            while min(desk.checked["a"], desk.checked["b"]) < 2:
                await desk.news.get()
        assert "token 1 could not be checked: ArithmeticError" in caplog.text
        desk.revoked = {"a": Unauthenticated("off")}
        async with asyncio.timeout(5):
            while not desk.ended:
                await desk.news.get()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "revocation"]


# --- the component ----------------------------------------------------------------------------------------------------


async def test_a_call_is_open_as_long_as_the_app_runs(desk: Desk, revocation: Revocation) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await revocation.look()
        seen.extend(desk.checked)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        raise ArithmeticError

    async def admit(scope: Scope, receive: Receive, send: Send) -> None:
        Call.of(scope).token = replace(Token(id=1, name="", digest=""), name="mine")
        await RevocationGuard(app, revocation)(scope, receive, send)

    async with StreamingClient(admit, lifespan=False) as client:
        with pytest.raises(ArithmeticError):
            await client.request("POST", "/")
    assert seen == ["mine"]
    desk.moved += 1
    await revocation.look()
    assert desk.checked == {"mine": 1}


async def test_without_a_token_it_says_what_is_missing(revocation: Revocation) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("not to be reached")

    async with StreamingClient(RevocationGuard(app, revocation), lifespan=False) as client:
        with pytest.raises(RuntimeError, match="put TokenAuth outside"):
            await client.request("POST", "/")
