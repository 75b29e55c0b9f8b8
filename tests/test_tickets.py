"""Tickets for long-lived credentials: asked for once, shared, renewed in time, never lent to another channel."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import ClassVar
from urllib.parse import parse_qs

import pytest
from answering import Answering, Given

from oneapi_asgi.errors import Unavailable
from oneapi_asgi.providers.access import Access, Exchange, KeyAccess
from oneapi_asgi.providers.azure import AzureAccess
from oneapi_asgi.tickets import Tickets
from oneapi_asgi.upstream.seam import Outgoing, Timeouts, UpstreamFault

KEY = "tenant|client|very-secret"
AZURE = AzureAccess()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Counted(KeyAccess, frozen=True, kw_only=True):
    """Counts how often an exchange is made, since that can cost a signature."""

    exchanges: ClassVar[bool] = True

    made: list[float]

    def exchange(self, key: str, options: Mapping[str, str], now: float) -> Exchange | None:
        self.made.append(now)
        return Exchange("https://issuer.example/token", (), f"{key} {now}".encode())

    def ticket(self, body: bytes, now: float) -> tuple[str, float]:
        return AZURE.ticket(body, now)


def issuer(lifetime: float = 3600) -> Callable[[Outgoing], Given]:
    """Hands out ticket-1, ticket-2, …"""
    count = 0

    def answer(request: Outgoing) -> Given:
        nonlocal count
        count += 1
        told = json.dumps({"access_token": f"ticket-{count}", "expires_in": lifetime}).encode()
        return Given(body=[told[:10], told[10:]])

    return answer


def made(answer: Callable[[Outgoing], Given], clock: Clock | None = None) -> tuple[Tickets, Answering]:
    upstream = Answering(answer)
    return Tickets(upstream, Timeouts(connect=1.0), clock=clock or Clock()), upstream


async def test_a_key_that_is_shown_itself_needs_none() -> None:
    kept, upstream = made(issuer())
    assert await kept.get(KeyAccess(), "sk-key", {}) == ""
    assert await kept.get(AZURE, "sk-key", {}) == ""
    assert upstream.asked == []


async def test_what_is_asked() -> None:
    kept, upstream = made(issuer())
    options = {"authority": "login.microsoftonline.us", "scope": "https://scope/.default"}
    assert await kept.get(AZURE, KEY, options) == "ticket-1"
    (asked,) = upstream.asked
    assert (asked.method, asked.url) == ("POST", "https://login.microsoftonline.us/tenant/oauth2/v2.0/token")
    assert dict(asked.headers)["content-type"] == "application/x-www-form-urlencoded"
    assert dict(asked.headers)["accept-encoding"] == "identity"
    assert asked.timeouts == Timeouts(connect=1.0)
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client"],
        "client_secret": ["very-secret"],
        "scope": ["https://scope/.default"],
    }
    assert upstream.given[0].closed


async def test_one_is_kept_until_shortly_before_its_end(clock: Clock) -> None:
    kept, upstream = made(issuer(3600), clock)
    assert await kept.get(AZURE, KEY, {}) == "ticket-1"
    clock.now += 3539.9
    assert await kept.get(AZURE, KEY, {}) == "ticket-1"
    clock.now += 0.1
    assert await kept.get(AZURE, KEY, {}) == "ticket-2"
    assert len(upstream.asked) == 2


async def test_one_that_is_good_for_no_time_is_used_once() -> None:
    kept, _ = made(issuer(30))
    assert [await kept.get(AZURE, KEY, {}) for _ in range(2)] == ["ticket-1", "ticket-2"]


async def test_an_exchange_is_made_only_where_one_is_needed(clock: Clock) -> None:
    """A signature by RSA takes tens of milliseconds, in which the process does nothing else."""
    access = Counted(made=[])
    kept, upstream = made(issuer(), clock)
    for _ in range(5):
        assert await kept.get(access, "k", {}) == "ticket-1"
    assert access.made == [clock.now]
    clock.now += 3600
    assert await kept.get(access, "k", {}) == "ticket-2"
    assert [request.body for request in upstream.asked] == [b"k 1000000.0", b"k 1003600.0"], "signed for its own time"


async def test_calls_at_one_moment_share_one() -> None:
    kept, upstream = made(issuer())
    upstream.open.clear()
    calls = [asyncio.create_task(kept.get(AZURE, KEY, {})) for _ in range(10)]
    await asyncio.sleep(0)
    calls[0].cancel()
    await asyncio.sleep(0)
    upstream.open.set()
    assert await asyncio.gather(*calls[1:]) == ["ticket-1"] * 9
    assert len(upstream.asked) == 1
    assert calls[0].cancelled()


@pytest.mark.parametrize(
    ("key", "options"),
    [
        pytest.param("tenant|client|other", {}, id="another secret"),
        pytest.param("tenant|other|very-secret", {}, id="another application"),
        pytest.param(KEY, {"scope": "https://other/.default"}, id="another scope"),
        pytest.param(KEY, {"authority": "https://login.example"}, id="another issuer"),
    ],
)
async def test_one_is_for_nothing_else(key: str, options: dict[str, str]) -> None:
    kept, _ = made(issuer())
    assert await kept.get(AZURE, KEY, {}) == "ticket-1"
    assert await kept.get(AZURE, key, options) == "ticket-2"
    assert await kept.get(AZURE, KEY, {}) == "ticket-1"


def fails(fault: UpstreamFault) -> Callable[[Outgoing], Given]:
    def answer(request: Outgoing) -> Given:
        raise fault

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda _: Given(status=401, body=[b'{"error":"invalid_client"}']), id="401"),
        pytest.param(lambda _: Given(status=302, headers=[("location", "http://169.254.169.254/")]), id="redirect"),
        pytest.param(lambda _: Given(body=[b"<html>"]), id="no JSON"),
        pytest.param(lambda _: Given(body=[b'{"access_token":""}']), id="no ticket"),
        pytest.param(lambda _: Given(body=[b" " * (1 << 19)] * 3), id="too large"),
        pytest.param(lambda _: Given(body=[b"{"], fault=UpstreamFault("cut")), id="cut"),
        pytest.param(fails(UpstreamFault("blocked", "not a public address")), id="blocked"),
    ],
)
async def test_who_hands_out_none(answer: Callable[[Outgoing], Given], caplog: pytest.LogCaptureFixture) -> None:
    kept, upstream = made(answer)
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable, match="Upstream credentials cannot be read"):
        await kept.get(AZURE, KEY, {})
    assert "very-secret" not in caplog.text
    assert all(given.closed for given in upstream.given)
    with pytest.raises(Unavailable):  # told at once, of the same failure
        await kept.get(AZURE, KEY, {})
    assert len(upstream.asked) == 1


async def test_who_failed_is_asked_again() -> None:
    answers = [Given(status=500), Given(body=[b'{"access_token":"late"}'])]
    kept, _ = made(lambda _: answers.pop(0))
    with pytest.raises(Unavailable):
        await kept.get(AZURE, KEY, {})
    await asyncio.sleep(0.25)  # it rests for a moment
    assert await kept.get(AZURE, KEY, {}) == "late"


async def test_a_key_that_cannot_be_read() -> None:
    kept, upstream = made(issuer())
    access: Access = AZURE
    with pytest.raises(ValueError, match="TENANT"):
        await kept.get(access, "tenant||", {})
    assert upstream.asked == []


async def test_one_that_was_not_taken_is_got_anew() -> None:
    kept, upstream = made(issuer())
    assert await kept.get(AZURE, KEY, {}) == "ticket-1"
    kept.forget(AZURE, KEY, {})
    kept.forget(AZURE, "another", {})
    kept.forget(KeyAccess(), KEY, {})
    assert await kept.get(AZURE, KEY, {}) == "ticket-2"
    assert len(upstream.asked) == 2
