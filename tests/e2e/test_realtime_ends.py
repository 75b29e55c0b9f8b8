"""How sessions end, and that the money is right whoever ends them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from websockets.exceptions import ConnectionClosed

from oneapi_asgi import NANO, Price, TokenDraft, Usage, key_digest
from oneapi_asgi.pricing import cost

from .serving import PRICE, UPSTREAM_KEY, Rig, eventually
from .talking import CREATE, ONE, Talker, created, dial, done, ended, event, gone, open_talk, relay_of, until

# --- how it ends ------------------------------------------------------------------------------------------------------


async def mute(upstream: Talker, socket: web.WebSocketResponse) -> None:
    """Begins a response, and ends it when it is told to."""
    await socket.send_str(event("session.created", session={}))
    async for message in socket:
        upstream.heard.append(message.data)
        said = json.loads(message.data)
        if said["type"] == "response.create":
            await socket.send_str(created())
        elif said["type"] == "response.cancel":
            await socket.send_str(done(status="cancelled"))


async def deaf(upstream: Talker, socket: web.WebSocketResponse) -> None:
    """Begins a response, says a word, and does not end it whatever it is told."""
    await socket.send_str(event("session.created", session={}))
    await socket.send_str(created())
    await socket.send_str(event("response.output_text.delta", response_id="resp_1", delta="x" * 40))
    async for _ in socket:
        pass


@pytest.mark.parametrize("abruptly", [False, True])
async def test_a_client_that_leaves_ends_the_upstream_and_pays_what_was_made(tmp_path: Path, abruptly: bool) -> None:
    upstream = Talker(mute)
    async with open_talk(tmp_path, upstream) as rig:
        client = await dial(rig)
        await client.send(CREATE)
        await until(client, "response.created")
        if abruptly:
            client.transport.abort()
        else:
            await client.close(4321, "enough")
        await eventually(lambda: gone(upstream), within=1)
        record = await rig.record()
        assert (record.reason, record.usage) == ("client_gone", ONE)
        assert upstream.heard[-1] == '{"type":"response.cancel"}'
        assert upstream.closed[0] in ((1000, 1001) if abruptly else (4321,))  # servers tell of it in different ways
        assert await rig.used() == cost(ONE, PRICE)


async def test_what_nobody_counted_is_guessed(tmp_path: Path) -> None:
    upstream = Talker(deaf)
    async with open_talk(tmp_path, upstream) as rig:
        async with dial(rig) as client:
            await until(client, "response.output_text.delta")
            started = asyncio.get_running_loop().time()
        await eventually(lambda: gone(upstream), within=1)
        assert asyncio.get_running_loop().time() - started < 1.5
        record = await rig.record()
        assert record.usage == Usage(input=0, output=10, calls=1, estimated=True)
        assert record.reason == "client_gone"


@pytest.mark.parametrize(("code", "passed"), [(1000, 1000), (1001, 1001), (4001, 4001), (1011, 1011), (3000, 3000)])
async def test_close_codes_pass(tmp_path: Path, code: int, passed: int) -> None:
    async def close(upstream: Talker, socket: web.WebSocketResponse) -> None:
        await socket.send_str(event("session.created", session={}))
        await socket.close(code=code, message=f"bye {UPSTREAM_KEY}".encode())

    async with open_talk(tmp_path, Talker(close)) as rig, dial(rig) as client:
        said, got, reason = await ended(client)
        assert [each["type"] for each in said] == ["session.created"]
        assert (got, reason) == (passed, "bye ***")
        assert (await rig.record()).reason == "done"


async def test_an_upstream_that_breaks_off_is_told_in_band(tmp_path: Path) -> None:
    async def cut(upstream: Talker, socket: web.WebSocketResponse) -> None:
        await socket.send_str(event("session.created", session={}))
        await socket.send_str(created())
        await asyncio.sleep(0.05)
        assert socket._req is not None
        assert socket._req.transport is not None
        socket._req.transport.abort()

    async with open_talk(tmp_path, Talker(cut)) as rig:
        for _ in range(5):
            async with dial(rig) as client:
                said, code, _ = await ended(client)
            assert said[-1]["type"] == "error"
            assert (said[-1]["error"]["code"], code) == ("upstream_cut", 1011)
        assert {record.reason for record in await rig.recorded(5)} == {"upstream_cut"}
        (channel,) = await rig.storage.list_channels()
        assert rig.gateway.pool.health.standing(channel, 0, "upstream-rt").cause == "transport"


async def test_messages_are_bounded_both_ways(tmp_path: Path) -> None:
    async def boast(upstream: Talker, socket: web.WebSocketResponse) -> None:
        await socket.send_str(event("session.created", session={}))
        async for _ in socket:
            await socket.send_str("x" * (17 << 20))

    upstream = Talker(boast)
    async with open_talk(tmp_path, upstream) as rig:
        async with dial(rig, max_size=None) as client:
            await client.send("now")
            _, code, _ = await ended(client)
        assert code == 1009
        relay_of(rig).max_message = 1000
        async with dial(rig) as client:
            await client.send("x" * 1001)
            said, code, _ = await ended(client)
        assert (said[-1]["error"]["code"], code) == ("message_too_large", 1009)
        await eventually(lambda: gone(upstream), within=2)


async def test_a_session_ends_in_time(tmp_path: Path) -> None:
    async with open_talk(tmp_path, Talker()) as rig:
        relay_of(rig).longest = 0.1
        async with dial(rig) as client:
            said, code, _ = await ended(client)
        assert (said[-1]["error"]["code"], code) == ("session_expired", 1008)
        assert (await rig.record()).reason == "done"


async def test_a_revoked_token_ends_its_session(tmp_path: Path) -> None:
    upstream = Talker()
    async with open_talk(tmp_path, upstream) as rig:
        token = await rig.storage.add_token(TokenDraft(name="leaver", digest=key_digest("sk-leaver"), user="bob"))
        async with dial(rig, key="sk-leaver") as client:
            await until(client, "session.created")
            await rig.storage.set_token_status(token.id, "disabled")
            said, code, _ = await ended(client)
        assert (said[-1]["error"]["code"], code) == ("api_key_disabled", 1008)
        assert (await rig.record()).reason == "revoked"
        await eventually(lambda: gone(upstream), within=1)


# --- money ------------------------------------------------------------------------------------------------------------

DOLLAR = Price(output=100 * NANO)  # a hundred dollars a million: 0.4096 for the most of one response, 0.005 for ours


async def spend(rig: Rig, key: str, most: int) -> tuple[int, dict[str, Any] | None, int]:
    """Ask until no more is given: how often, and what was said in the end."""
    async with dial(rig, key=key) as client:
        for count in range(most):
            await client.send(CREATE)
            try:
                await until(client, "response.done")
            except ConnectionClosed:
                return count, None, 0
            await asyncio.sleep(0.01)
            try:
                async with asyncio.timeout(0.02):
                    while True:
                        said = json.loads(await client.recv())
                        if said["type"] == "error":
                            return count + 1, said["error"], (await ended(client))[1]
            except TimeoutError:
                continue
    return most, None, 0


async def test_a_session_ends_where_its_funds_do(tmp_path: Path) -> None:
    upstream = Talker()
    async with open_talk(tmp_path, upstream, prices={"*": DOLLAR}) as rig:
        draft = TokenDraft(name="small", digest=key_digest("sk-small"), quota=NANO * 42 // 100, user="bob")
        account, _ = (await rig.storage.add_token(draft)).accounts
        count, error, code = await spend(rig, "sk-small", 10)
        assert count == 3  # after the third 0.405 are left, and the next might take 0.4096
        assert error is not None
        assert (error["type"], error["code"], code) == ("insufficient_quota", "insufficient_quota", 1008)
        record = await rig.record()
        assert (record.cost, record.reason) == (3 * NANO * 5 // 1000, "refused")
        (balance,) = await rig.storage.balances([account])
        assert (balance.used, balance.available, balance.overdraft) == (record.cost, NANO * 405 // 1000, 0)


async def test_more_is_held_as_a_session_goes_on_and_all_of_it_returns(tmp_path: Path) -> None:
    upstream = Talker()
    async with open_talk(tmp_path, upstream, prices={"*": DOLLAR}) as rig:
        async with dial(rig) as client:
            await until(client, "session.created")
            held = [await rig.held() // 2]  # on each of two accounts
            for _ in range(3):
                await client.send(CREATE)
                await until(client, "response.done")
                await client.send("echo")
                assert await client.recv() == "echo"
                held.append(await rig.held() // 2)
        assert held[0] == NANO * 4096 // 10000
        assert held[1] > held[0]
        assert held[1] == held[2] == held[3]  # held ahead: a transaction for each response would be too many
        assert (await rig.record()).cost == await rig.used() == 3 * NANO * 5 // 1000
        assert await rig.held() == 0


async def test_what_is_said_is_held_before_it_is_answered(tmp_path: Path) -> None:
    """A long text is cheap to send; what it costs to be read is known when the response begins."""
    price = Price(input=1000 * NANO, output=0)
    async with open_talk(tmp_path, Talker(mute), prices={"*": price}) as rig:
        draft = TokenDraft(name="small", digest=key_digest("sk-small"), quota=NANO, user="bob")
        await rig.storage.add_token(draft)
        async with dial(rig, key="sk-small") as client:
            content = [{"type": "input_text", "text": "x" * 30_000}]
            await client.send(json.dumps({"type": "conversation.item.create", "item": {"content": content}}))
            await client.send(CREATE)
            said, code, _ = await ended(client)
        assert (said[-1]["error"]["type"], code) == ("insufficient_quota", 1008)


async def test_responses_at_once_are_each_held_for(tmp_path: Path) -> None:
    async def both(upstream: Talker, socket: web.WebSocketResponse) -> None:
        await socket.send_str(event("session.created", session={}))
        for number in range(3):
            await socket.send_str(created(f"resp_{number}"))
        async for _ in socket:
            pass

    upstream = Talker(both)
    async with open_talk(tmp_path, upstream, prices={"*": DOLLAR}) as rig:
        draft = TokenDraft(name="small", digest=key_digest("sk-small"), quota=NANO, user="bob")
        await rig.storage.add_token(draft)
        async with dial(rig, key="sk-small") as client:
            said, code, _ = await ended(client)
        assert [each["type"] for each in said].count("response.created") == 3
        assert (said[-1]["error"]["code"], code) == ("insufficient_quota", 1008)
        await eventually(lambda: gone(upstream), within=2)


async def test_a_gateway_that_stops_settles_what_its_sessions_cost(tmp_path: Path) -> None:
    upstream = Talker()
    async with open_talk(tmp_path, upstream) as rig:
        client = await dial(rig)
        await client.send(CREATE)
        await until(client, "response.done")
        storage, accounts = rig.storage, list(rig.accounts)
        await rig.gateway.__aexit__(None, None, None)
        balances = await storage.balances(accounts)
        assert [balance.used for balance in balances] == [cost(ONE, PRICE)] * 2
        await client.close()
        await rig.gateway.__aenter__()
