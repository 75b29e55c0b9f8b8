"""Whose key it is: where keys are carried, what a token allows, what the cache may and may not remember."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from oneapi_asgi.auth import KeyAuthenticator, TokenAuth, check_token, client_address, credential, model_allowed
from oneapi_asgi.call import Call
from oneapi_asgi.errors import Forbidden, Unauthenticated, Unavailable
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Pulse, Token, TokenStatus
from oneapi_asgi.revision import Revision
from oneapi_asgi.testing import StreamingClient

KEY = "sk-" + "k" * 48
ADMIN = "sk-admin-with-dashes-12"
TOKEN = Token(id=1, name="ci", digest=key_digest(KEY))
NOW = 1_700_000_000.0
ROOT = Token(id=2, name="root", digest=key_digest(ADMIN), admin=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """Tokens by digest, with a journal; questions wait while ``open`` is clear."""

    def __init__(self, *tokens: Token) -> None:
        self.tokens = {token.digest: token for token in tokens}
        self.moved = 1
        self.now = NOW
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.question = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def pulse(self) -> Pulse:
        return Pulse(self.moved, self.now)

    async def find_token(self, digest: str) -> Token | None:
        self.asked.append(digest)
        self.question.set()
        answer = self.tokens.get(digest)
        await self.open.wait()
        if self.error:
            raise self.error
        return answer


def scope(*headers: tuple[str, str], query: str = "", client: str | None = "203.0.113.9", path: str = "/x") -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": (client, 1) if client is not None else None,
    }


# --- credential -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ([("authorization", "Bearer sk-1")], "", "sk-1"),
        ([("authorization", "bearer sk-1")], "", "sk-1"),
        ([("authorization", "BEARER   sk-1  ")], "", "sk-1"),
        ([("authorization", "sk-1")], "", "sk-1"),
        ([("x-api-key", "sk-1")], "", "sk-1"),
        ([("api-key", " sk-1 ")], "", "sk-1"),
        ([("x-goog-api-key", "sk-1")], "", "sk-1"),
        ([], "key=sk-1", "sk-1"),
        ([], "a=b&key=sk%2D1", "sk-1"),
        ([("authorization", "Bearer sk-1"), ("x-api-key", "sk-1")], "key=sk-1", "sk-1"),
        ([("authorization", "Basic dTpw"), ("x-api-key", "sk-1")], "", "sk-1"),
        ([("authorization", "Bearer sk-1")], "monkey=sk-2", "sk-1"),
    ],
)
def test_where_a_key_may_be(headers: list[tuple[str, str]], query: str, key: str) -> None:
    assert credential(scope(*headers, query=query)) == key


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([("authorization", "Bearer sk-1"), ("authorization", "Bearer sk-2")], ""),
        ([("authorization", "Bearer sk-1"), ("x-api-key", "sk-2")], ""),
        ([("x-api-key", "sk-1"), ("api-key", "sk-2")], ""),
        ([("x-api-key", "sk-1"), ("x-api-key", "sk-2")], ""),
        ([("x-goog-api-key", "sk-1")], "key=sk-2"),
        ([], "key=sk-1&key=sk-2"),
    ],
)
def test_keys_that_disagree_are_refused(headers: list[tuple[str, str]], query: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        credential(scope(*headers, query=query))
    assert refused.value.code == "conflicting_api_keys"
    assert "sk-" not in refused.value.message


@pytest.mark.parametrize(
    "headers", [[], [("authorization", "Basic dTpw")], [("x-other", "sk-1")], [("cookie", "key=sk-1")]]
)
def test_no_key(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        credential(scope(*headers))
    assert refused.value.code == "missing_api_key"
    assert refused.value.headers == (("www-authenticate", "Bearer"),)


# --- address ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "client", "forwarded", "address"),
    [
        ([], "10.0.0.1", ["6.6.6.6"], "10.0.0.1"),
        (["10.0.0.0/8"], "203.0.113.9", ["6.6.6.6"], "203.0.113.9"),
        (["10.0.0.0/8"], "10.0.0.1", [], "10.0.0.1"),
        (["10.0.0.0/8"], "10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        (["10.0.0.0/8"], "10.0.0.1", ["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        (["10.0.0.0/8"], "10.0.0.1", ["10.9.8.7, 198.51.100.7"], "198.51.100.7"),
        (["10.0.0.0/8"], "10.0.0.1", ["6.6.6.6, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        (["10.0.0.0/8"], "10.0.0.1", ["6.6.6.6", "198.51.100.7,10.0.0.2"], "198.51.100.7"),
        (["10.0.0.0/8"], "10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["10.0.0.0/8"], "10.0.0.1", ["10.0.0.3, nonsense, 10.0.0.2"], "nonsense"),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        (["::1/128"], "::1", ["2001:db8::7"], "2001:db8::7"),
        (["fe80::/10"], "fe80::1%eth0", ["198.51.100.7"], "198.51.100.7"),
        (["10.0.0.0/8"], None, ["6.6.6.6"], ""),
    ],
)
def test_whose_address_is_believed(trusted: list[str], client: str | None, forwarded: list[str], address: str) -> None:
    headers = [("x-forwarded-for", value) for value in forwarded] + [
        ("x-real-ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
    ]
    assert client_address(scope(*headers, client=client), [ip_network(one) for one in trusted]) == address


# --- check_token, model_allowed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["disabled", "expired", "exhausted"])
def test_a_token_that_is_not_enabled_is_refused(status: TokenStatus) -> None:
    with pytest.raises(Unauthenticated) as refused:
        check_token(Token(id=1, name="t", digest="", status=status), now=NOW, client="")
    assert refused.value.code == f"api_key_{status}"


@pytest.mark.parametrize(
    ("expires_at", "valid"), [(None, True), (NOW + 0.1, True), (NOW, False), (NOW - 1, False), (0.0, False)]
)
def test_expiry(expires_at: float | None, *, valid: bool) -> None:
    token = Token(id=1, name="t", digest="", expires_at=expires_at)
    if valid:
        check_token(token, now=NOW, client="")
    else:
        with pytest.raises(Unauthenticated, match="expired"):
            check_token(token, now=NOW, client="")


def test_a_disabled_owner() -> None:
    with pytest.raises(Forbidden) as refused:
        check_token(Token(id=1, name="t", digest="", user_enabled=False), now=NOW, client="")
    assert refused.value.code == "user_disabled"


@pytest.mark.parametrize(
    ("subnets", "client", "allowed"),
    [
        ((), "", True),
        ((), "anything", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("10.0.0.0/8",), "::ffff:11.0.0.1", False),
        (("10.0.0.0/8", "::1/128"), "::1", True),
        (("10.0.0.5/8",), "10.200.0.1", True),
        (("10.0.0.5",), "10.0.0.5", True),
        (("10.0.0.5",), "10.0.0.6", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.0/8",), "", False),
        (("0.0.0.0/0",), "nonsense", False),
        (("::/0",), "10.0.0.1", False),
    ],
)
def test_subnets(subnets: tuple[str, ...], client: str, *, allowed: bool) -> None:
    token = Token(id=1, name="t", digest="", subnets=subnets)
    if allowed:
        check_token(token, now=NOW, client=client)
    else:
        with pytest.raises(Forbidden, match="only be used from") as refused:
            check_token(token, now=NOW, client=client)
        assert refused.value.code == "address_not_allowed"


@pytest.mark.parametrize(
    ("models", "model", "allowed"),
    [
        ((), "anything", True),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("gpt-4o*",), "gpt-4o-mini", True),
        (("gpt-4o*",), "GPT-4o", False),
        (("o?",), "o3", True),
        (("o?",), "o3-mini", False),
        (("a", "b"), "b", True),
        (("*",), "", True),
        (("gpt-4o",), "gpt-4o\n", False),
    ],
)
def test_models(models: tuple[str, ...], model: str, *, allowed: bool) -> None:
    assert model_allowed(Token(id=1, name="t", digest="", models=models), model) is allowed


# --- KeyAuthenticator -------------------------------------------------------------------------------------------------


def authenticator(store: Store, *, timer: Clock | None = None, interval: float = 0.0) -> KeyAuthenticator:
    timer = timer or Clock()
    revision = Revision(store, interval=interval, clock=timer)
    return KeyAuthenticator(store, revision=revision, timer=timer)


@pytest.mark.parametrize(
    ("key", "found", "suffix"),
    [
        (KEY, TOKEN, None),
        (ADMIN, ROOT, None),  # what follows its last dash looks like a channel
        (f"{ADMIN}-7", ROOT, "7"),
        (f"{ADMIN}-seven", ROOT, "seven"),
    ],
)
async def test_who_it_is(key: str, found: Token, suffix: str | None) -> None:
    assert await authenticator(Store(TOKEN, ROOT)).authenticate(key) == (found, suffix)


@pytest.mark.parametrize(
    ("key", "error", "code"),
    [
        ("", Unauthenticated, "invalid_api_key"),
        ("sk-other", Unauthenticated, "invalid_api_key"),
        (KEY[:-1], Unauthenticated, "invalid_api_key"),
        (KEY + "x", Unauthenticated, "invalid_api_key"),
        (KEY.upper(), Unauthenticated, "invalid_api_key"),
        (f"{KEY}-7", Forbidden, "channel_not_allowed"),
        (f"{ADMIN}-7-7", Unauthenticated, "invalid_api_key"),
        (f"{ADMIN}-", Unauthenticated, "invalid_api_key"),
        ("-7", Unauthenticated, "invalid_api_key"),
        ("sk-ü", Unauthenticated, "invalid_api_key"),
        ("x" * 100_000, Unauthenticated, "invalid_api_key"),
        ("-" * 512, Unauthenticated, "invalid_api_key"),
    ],
)
async def test_who_it_is_not(key: str, error: type[Exception], code: str) -> None:
    with pytest.raises(error) as refused:
        await authenticator(Store(TOKEN, ROOT)).authenticate(key)
    assert getattr(refused.value, "code", None) == code
    assert KEY not in str(refused.value)


async def test_the_token_is_checked_whenever_it_is_used() -> None:
    store = Store(Token(id=1, name="t", digest=key_digest(KEY), subnets=("10.0.0.0/8",)))
    auth = authenticator(store)
    await auth.authenticate(KEY, client="10.0.0.1")
    with pytest.raises(Forbidden):
        await auth.authenticate(KEY, client="11.0.0.1")
    assert len(store.asked) == 1


async def test_many_at_once_ask_once() -> None:
    store = Store(TOKEN)
    auth = authenticator(store)
    store.open.clear()
    waiting = [asyncio.create_task(auth.authenticate(KEY)) for _ in range(100)]
    await asyncio.sleep(0)
    store.open.set()
    assert {token.id for token, _ in await asyncio.gather(*waiting)} == {1}
    assert len(store.asked) == 1


async def test_found_tokens_are_kept_for_a_while() -> None:
    timer, store = Clock(), Store(TOKEN)
    auth = authenticator(store, timer=timer)
    for passed, asked in ((0, 1), (29, 1), (2, 2)):
        timer.now += passed
        await auth.authenticate(KEY)
        assert len(store.asked) == asked


async def test_no_more_tokens_are_kept_than_may_be() -> None:
    keys = ["sk-1", "sk-2", "sk-3"]
    store = Store(*[Token(id=number, name="t", digest=key_digest(key)) for number, key in enumerate(keys)])
    auth = KeyAuthenticator(store, size=2)
    for key in (*keys, "sk-3", "sk-2", "sk-1"):  # the first to be found is the first to go
        await auth.authenticate(key)
    assert store.asked == [key_digest(key) for key in (*keys, "sk-1")]


async def test_missing_keys_are_kept_for_a_shorter_while() -> None:
    timer, store = Clock(), Store()
    auth = authenticator(store, timer=timer)
    for passed, asked in ((0, 1), (2.9, 1), (0.2, 2)):
        timer.now += passed
        assert await auth.find("nobody") is None
        assert len(store.asked) == asked


@pytest.mark.parametrize("interval", [0.0, 0.5])
async def test_a_change_is_seen_as_soon_as_the_revision_moves(interval: float) -> None:
    timer, store = Clock(), Store(TOKEN)
    auth = authenticator(store, timer=timer, interval=interval)
    await auth.authenticate(KEY)
    assert await auth.find("new") is None
    store.tokens = {key_digest("new"): ROOT}
    store.moved += 1
    timer.now += interval
    with pytest.raises(Unauthenticated):
        await auth.authenticate(KEY)
    assert await auth.find("new") == ROOT


async def test_what_was_read_before_a_change_does_not_outlive_it() -> None:
    store = Store(TOKEN)
    auth = authenticator(store)
    store.open.clear()
    slow = asyncio.create_task(auth.authenticate(KEY))
    await store.question.wait()
    store.tokens.clear()
    store.moved += 1
    assert await auth._revision.current() == 2
    other = asyncio.create_task(auth.find("other"))  # notices the change while the first still waits
    await asyncio.sleep(0.01)
    store.open.set()
    await asyncio.gather(slow, other)
    with pytest.raises(Unauthenticated):
        await auth.authenticate(KEY)


@pytest.mark.parametrize("error", [ConnectionError("db.internal:5432"), TimeoutError(), RuntimeError("x")])
async def test_a_store_that_fails_is_unavailable_and_not_remembered(error: Exception) -> None:
    store = Store(TOKEN)
    auth = authenticator(store)
    store.error = error
    with pytest.raises(Unavailable) as refused:
        await auth.authenticate(KEY)
    assert "internal" not in refused.value.message
    assert refused.value.retry_after == 1
    store.error = None
    assert (await auth.authenticate(KEY))[0] == TOKEN


async def test_a_revision_that_fails_is_unavailable() -> None:
    class Broken(Store):
        async def pulse(self) -> Pulse:
            raise ConnectionError

    with pytest.raises(Unavailable):
        await authenticator(Broken(TOKEN)).authenticate(KEY)


async def test_a_cancelled_leader_does_not_leave_the_others_waiting() -> None:
    store = Store(TOKEN)
    auth = authenticator(store)
    store.open.clear()
    leader, *others = [asyncio.create_task(auth.authenticate(KEY)) for _ in range(5)]
    await store.question.wait()
    leader.cancel()
    others[0].cancel()
    await asyncio.wait([leader, others[0]])
    store.open.set()
    async with asyncio.timeout(2):
        found = await asyncio.gather(*others[1:])
    assert [token for token, _ in found] == [TOKEN] * 3
    assert not (await auth._keys.refresh()).asking


async def test_tokens_expire_by_the_clock_of_the_store() -> None:
    timer = Clock()
    store = Store(Token(id=1, name="t", digest=key_digest(KEY), expires_at=NOW + 0.7))
    auth = authenticator(store, timer=timer, interval=10.0)
    for passed, valid in ((0.0, True), (0.69, True), (0.02, False)):
        timer.now += passed
        if valid:
            await auth.authenticate(KEY)
        else:
            with pytest.raises(Unauthenticated, match="expired"):
                await auth.authenticate(KEY)
    timer.now += 10
    store.now = NOW  # what was carried on was wrong
    await auth.authenticate(KEY)


@pytest.mark.parametrize("now", [NOW - 3600, NOW + 3600], ids=["before", "after"])
async def test_no_clock_of_this_process_expires_a_token(now: float) -> None:
    """The true time is here far from the one that the store tells."""
    store = Store(Token(id=1, name="t", digest=key_digest(KEY), expires_at=NOW))
    store.now = now
    auth = authenticator(store)
    if now < NOW:
        assert (await auth.authenticate(KEY))[0].id == 1
    else:
        with pytest.raises(Unauthenticated, match="expired"):
            await auth.authenticate(KEY)


async def test_all_who_wait_for_a_key_fail_with_the_one_question() -> None:
    store = Store(TOKEN)
    auth = authenticator(store)
    store.open.clear()
    waiting = [asyncio.create_task(auth.authenticate(KEY)) for _ in range(50)]
    await store.question.wait()
    store.error = ConnectionError()
    store.open.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert len(store.asked) == 1


# --- recheck ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "error", "code"),
    [
        (TOKEN, None, None),
        (replace(TOKEN, expires_at=NOW + 1), None, None),
        (None, Unauthenticated, "invalid_api_key"),
        (replace(TOKEN, status="disabled"), Unauthenticated, "api_key_disabled"),
        (replace(TOKEN, status="exhausted"), Unauthenticated, "api_key_exhausted"),
        (replace(TOKEN, expires_at=NOW), Unauthenticated, "api_key_expired"),
        (replace(TOKEN, user_enabled=False), Forbidden, "user_disabled"),
        (replace(TOKEN, subnets=("10.0.0.0/8",)), Forbidden, "address_not_allowed"),
    ],
)
async def test_whether_a_token_still_is_valid(now: Token | None, error: type[Exception] | None, code: str) -> None:
    store = Store(TOKEN)
    auth = authenticator(store)
    token, _ = await auth.authenticate(KEY, client="203.0.113.9")
    store.tokens = {} if now is None else {now.digest: now}
    store.moved += 1
    if error is None:
        await auth.recheck(token, client="203.0.113.9")
    else:
        with pytest.raises(error) as refused:
            await auth.recheck(token, client="203.0.113.9")
        assert getattr(refused.value, "code", None) == code


# --- TokenAuth and dependency -----------------------------------------------------------------------------------------


async def show(scope: Scope, receive: Receive, send: Send) -> None:
    call = Call.of(scope)
    body = f"{call.token.name if call.token else ''} {call.pinned_channel} {call.client}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body + b" " + (await receive())["body"]})


def as_key(key: str, *more: tuple[str, str]) -> Sequence[tuple[str, str]]:
    return [("authorization", f"Bearer {key}"), ("content-type", "application/json"), *more]


async def ask(
    app: Any, key: str, *headers: tuple[str, str], path: str = "/v1/x", content: bytes = b""
) -> tuple[int, str]:
    async with StreamingClient(app, lifespan=False) as client:
        answer = await client.request("POST", path, headers=as_key(key, *headers), content=content)
    return answer.status, answer.text if answer.status == 200 else answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        (KEY, (200, "ci None 127.0.0.1 ")),
        (f"{ADMIN}-7", (200, "root 7 127.0.0.1 ")),
        (f"{ADMIN}-seven", (400, "invalid_channel")),
        (f"{ADMIN}-" + "9" * 19, (400, "invalid_channel")),
        (f"{KEY}-7", (403, "channel_not_allowed")),
        ("sk-other", (401, "invalid_api_key")),
    ],
)
async def test_the_component(key: str, answer: tuple[int, str]) -> None:
    assert await ask(TokenAuth(show, authenticator(Store(TOKEN, ROOT))), key) == answer


async def test_a_spoofed_address_opens_nothing() -> None:
    store = Store(Token(id=1, name="t", digest=key_digest(KEY), subnets=("10.0.0.0/8",)))
    spoofed = ("x-forwarded-for", "10.0.0.1")
    plain = TokenAuth(show, authenticator(store))
    behind = TokenAuth(show, authenticator(store), trusted_proxies=["127.0.0.0/8"])
    assert await ask(plain, KEY, spoofed) == (403, "address_not_allowed")
    assert await ask(behind, KEY, spoofed) == (200, "t None 10.0.0.1 ")
    assert await ask(behind, KEY, ("x-forwarded-for", "10.0.0.1, 198.51.100.7")) == (403, "address_not_allowed")


async def test_models_are_held_to_where_there_is_a_model() -> None:
    store = Store(Token(id=1, name="t", digest=key_digest(KEY), models=("gpt-*",)))
    app = TokenAuth(show, authenticator(store))
    good = b'{"model":"gpt-4o","messages":[{}]}'
    assert await ask(app, KEY, path="/v1/chat/completions", content=good) == (200, f"t None 127.0.0.1 {good.decode()}")
    bad = good.replace(b"gpt-4o", b"claude")
    assert await ask(app, KEY, path="/v1/chat/completions", content=bad) == (403, "model_not_allowed")
    assert await ask(app, KEY, path="/v1/chat/completions", content=b"{") == (400, "invalid_json")
    assert (await ask(app, KEY, path="/v1/models"))[0] == 200


async def test_as_a_dependency() -> None:
    auth = authenticator(Store(TOKEN))
    app = FastAPI()

    @app.get("/who")
    async def who(token: Token = Depends(auth.dependency)) -> str:  # noqa: B008
        return token.name

    async with StreamingClient(app) as client:
        right = await client.request("GET", "/who", headers=as_key(KEY))
        wrong = await client.request("GET", "/who", headers=as_key("sk-other"))
        none = await client.request("GET", "/who")
    assert (right.status, right.json()) == (200, "ci")
    assert (wrong.status, wrong.json()) == (401, {"detail": "This API key is not valid."})
    assert (none.status, none.headers["www-authenticate"]) == (401, "Bearer")
