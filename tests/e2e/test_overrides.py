"""What a channel changes of calls, from the caller to the upstream and back: headers, parameters, a prompt, a proxy."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from proxying import proxy
from websockets.exceptions import InvalidStatus

from oneapi_asgi import Channel, Ejection, Price, Secret
from oneapi_asgi.testing import Answer, FakeUpstream, Part
from oneapi_asgi.upstream import Timeouts, UpstreamFault
from oneapi_asgi.upstream.aiohttp_sockets import AiohttpSockets
from oneapi_asgi.upstream.guard import AddressGuard

from .serving import CHAT, LOOPBACK, TASTE, UPSTREAM_KEY, Rig, chat, make_storage, open_rig
from .talking import CREATE, Talker, dial, open_talk, talker, until

PROMPT = "Answer in verse."
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
CANARY = "canary-0123456789"
SHOWN = "Basic " + base64.b64encode(b"user:hunter2").decode()


def to(*changes: dict[str, Any], models: tuple[str, ...] = ("*",)) -> Callable[[Sequence[FakeUpstream]], list[Channel]]:
    """A channel to the first fake for each of the changes, tried in this order."""

    def made(fakes: Sequence[FakeUpstream]) -> list[Channel]:
        plain: dict[str, Any] = {"base_url": fakes[0].url, "api_keys": (Secret(UPSTREAM_KEY),), "models": models}
        return [
            Channel(id=0, name=f"channel-{n}", priority=-n, **plain | change) for n, change in enumerate(changes, 1)
        ]

    return made


def _beside(folder: Path) -> Path:
    other = folder / "other"
    other.mkdir()
    return other


@asynccontextmanager
async def rig_of(folder: Path, *changes: dict[str, Any], **options: Any) -> AsyncIterator[Rig]:
    async with open_rig(make_storage("sqlite", folder), channels=to(*changes), **options) as rig:
        yield rig


async def test_all_of_it_reaches_the_upstream(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    change = {
        "headers": {"X-Team": CANARY, "User-Agent": "ours", "Authorization": f"Bearer {CANARY}"},
        "parameters": {"temperature": 0.25, "user": None},
        "system_prompt": PROMPT,
    }
    async with proxy(SHOWN) as by:
        async with rig_of(tmp_path, change | {"proxy": Secret(by.url("user:hunter2@"))}) as rig:
            for stream in (False, True):
                told = CHAT | {"user": "u", "temperature": 1, "stream": stream}
                answer = await rig.post(told, **{"x-team": "caller's", "user-agent": "caller's"})
                assert answer.status_code == 200
                entry = rig.fake.journal[-1]
                sent = json.loads(entry.body)
                assert sent["messages"] == [{"role": "system", "content": PROMPT}, *TASTE]
                assert (sent["temperature"], "user" in sent) == (0.25, False)
                headers = [(name, value) for name, value in entry.headers if name in ("x-team", "user-agent")]
                assert sorted(headers) == [("user-agent", "ours"), ("x-team", CANARY)]
                assert entry.header("authorization") == f"Bearer {CANARY}", "whoever sets a header, the channel wins"
            assert [record.status for record in await rig.recorded(2)] == [200, 200]
        assert by.connections == 1
    assert CANARY not in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("provider", "parameters", "wanted"),
    [
        ("anthropic", {"max_tokens": 77}, {"max_tokens": 77, "system": [{"type": "text", "text": PROMPT}]}),
        ("cohere", {"p": 0.5}, {"p": 0.5}),
        ("ollama", {"keep_alive": "1m"}, {"keep_alive": "1m"}),
        ("gemini", {"safetySettings": []}, {"safetySettings": [], "systemInstruction": {"parts": [{"text": PROMPT}]}}),
    ],
)
async def test_calls_that_are_translated(
    tmp_path: Path, provider: str, parameters: dict[str, Any], wanted: dict[str, Any]
) -> None:
    async with FakeUpstream() as fake:
        change = {"provider": provider, "base_url": fake.root, "parameters": parameters, "system_prompt": PROMPT}
        async with rig_of(tmp_path, change | {"headers": {"x-a": "1"}}) as rig:
            told = [{"role": "system", "content": "the caller's"}, *TASTE]
            answer = await rig.post(CHAT | {"messages": told, "max_tokens": 5})
            assert answer.status_code == 200, answer.text
            (entry,) = fake.journal
            sent = json.loads(entry.body)
            assert {name: sent[name] for name in wanted} == wanted
            assert (PROMPT in entry.body.decode(), "the caller's" in entry.body.decode()) == (True, False)
            assert entry.header("x-a") == "1"


async def test_bedrock_signs_the_headers_of_a_channel(tmp_path: Path) -> None:
    async with FakeUpstream(aws_secret="secret") as fake:  # it checks the signature
        change: dict[str, Any] = {
            "provider": "bedrock",
            "base_url": fake.root,
            "options": {"region": "us-east-1"},
            "api_keys": (Secret("AKIA|secret"),),
            "headers": {"X-Amzn-Trace": "t"},
            "parameters": {"inferenceConfig": {"maxTokens": 7}},
            "system_prompt": PROMPT,
            "models": (MODEL,),
        }
        async with rig_of(tmp_path, change) as rig:
            answer = await rig.post(chat(MODEL))
            assert answer.status_code == 200, answer.text
            (entry,) = fake.journal
            sent = json.loads(entry.body)
            assert (sent["system"], sent["inferenceConfig"]) == ([{"text": PROMPT}], {"maxTokens": 7})
            assert entry.header("x-amzn-trace") == "t"


async def test_what_a_channel_asks_for_is_held_for(tmp_path: Path) -> None:
    """A limit of output that the caller has bounded is the channel's all the same."""
    dear = {"*": Price(output=1_000_000_000_000)}  # a millionth of a thousand dollars a token; the cap is 50 dollars
    many = {"parameters": {"max_tokens": 100_000}}
    async with rig_of(tmp_path, many, prices=dear) as rig:
        answer = await rig.post(CHAT | {"max_tokens": 1})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_quota")
        assert rig.fake.journal == []
    few = {"parameters": {"max_tokens": 10}}
    async with rig_of(_beside(tmp_path), few, prices=dear) as rig:
        assert (await rig.post(CHAT | {"max_tokens": 100_000})).status_code == 200, "no more than ten are made"


async def test_pictures_are_charged_as_many_as_were_asked_for(tmp_path: Path) -> None:
    async with rig_of(tmp_path, {"parameters": {"n": 3}}, prices={"*": Price(per_call=7)}) as rig:
        answer = await rig.post({"model": "gpt-image-1", "prompt": "a cat"}, "/images/generations")
        assert answer.status_code == 200
        assert json.loads(rig.fake.journal[0].body)["n"] == 3
        assert (await rig.record()).cost == 21


async def test_a_refusal_does_not_show_a_credential_of_the_channel(tmp_path: Path) -> None:
    error = json.dumps({"error": {"message": f"no {CANARY} here", "type": "invalid_request_error"}}).encode()
    async with rig_of(tmp_path, {"headers": {"x-key": f"Token {CANARY}"}}) as rig:
        refused = Answer(status=400, headers=[("content-type", "application/json")], parts=[Part(error)])
        rig.fake.script(refused)
        answer = await rig.post(CHAT)
        assert (answer.status_code, CANARY in answer.text, "***" in answer.text) == (400, False, True)


# --- proxies ----------------------------------------------------------------------------------------------------------


async def test_who_cannot_be_reached_through_a_proxy_is_passed_over(tmp_path: Path) -> None:
    async with proxy() as by:
        gone = by.url()
    async with rig_of(tmp_path, {"proxy": Secret(gone)}, {}) as rig:
        assert (await rig.post(CHAT)).status_code == 200
        assert [attempt.failure for attempt in (await rig.record()).attempts] == ["connect", ""]


async def test_a_proxy_that_refuses_is_the_operators_to_mend(tmp_path: Path) -> None:
    async with proxy(SHOWN) as by:
        async with rig_of(tmp_path, {"proxy": Secret(by.url("a:b@"))}, health=Ejection(judge=False)) as rig:
            answer = await rig.post(CHAT)
            assert (answer.status_code, answer.headers["x-should-retry"]) == (502, "false")
            assert "proxy" in answer.json()["error"]["message"]
            assert [attempt.failure for attempt in (await rig.record()).attempts] == ["proxy_auth"]
        async with rig_of(_beside(tmp_path), {"proxy": Secret(by.url())}, {}) as rig:
            assert (await rig.post(CHAT)).status_code == 200, "others are asked"


async def test_a_channel_with_changes_that_none_may_make_is_passed_over(tmp_path: Path) -> None:
    async with rig_of(tmp_path, {}, {}) as rig:
        first = next(channel for channel in await rig.storage.list_channels() if channel.name == "channel-1")
        for wrong in (replace(first, headers={"host": "a.example"}), replace(first, parameters={"model": "dearer"})):
            with pytest.raises(ValueError, match="channel-1"):
                await rig.storage.save_channel(wrong)
        assert (await rig.post(CHAT)).status_code == 200


# --- sessions ---------------------------------------------------------------------------------------------------------


async def test_a_session_through_a_proxy(tmp_path: Path) -> None:
    upstream = Talker()
    async with proxy(SHOWN) as by:
        change = {"proxy": Secret(by.url("user:hunter2@")), "headers": {"X-Team": "a"}}
        async with open_talk(tmp_path, upstream, change=change) as rig, dial(rig) as client:
            await until(client, "session.created")
            await client.send(CREATE)
            await until(client, "response.done")
        assert by.connections == 1
    assert upstream.asked[0].headers["x-team"] == "a"


async def test_a_session_that_its_proxy_refuses(tmp_path: Path) -> None:
    async with proxy(SHOWN) as by, open_talk(tmp_path, Talker(), change={"proxy": Secret(by.url("a:b@"))}) as rig:
        with pytest.raises(InvalidStatus) as refused:
            await dial(rig)
        assert refused.value.response.status_code == 502
        assert [attempt.failure for attempt in (await rig.record()).attempts] == ["proxy_auth"]


async def test_addresses_of_proxies_are_judged_for_sessions_too() -> None:
    async with talker(Talker()) as upstream, proxy() as canary:
        async with AiohttpSockets(guard=AddressGuard()) as sockets:
            for url in (canary.url(), f"http://localhost:{canary.port}", f"http://127.1:{canary.port}"):
                with pytest.raises(UpstreamFault, match="blocked"):
                    await sockets.connect("wss://model.example/", (), Timeouts(), Secret(url))
        async with AiohttpSockets(guard=LOOPBACK) as sockets:
            with pytest.raises(UpstreamFault, match="blocked"):
                await sockets.connect("ws://10.0.0.1/", (), Timeouts(), Secret(canary.url()))
            with pytest.raises(UpstreamFault, match="protocol"):
                await sockets.connect(upstream.url, (), Timeouts(), Secret("socks5://127.0.0.1"))
        assert canary.connections == 0
    async with proxy(SHOWN, b"HTTP/1.1 502 No\r\n\r\n") as by, AiohttpSockets(guard=LOOPBACK) as sockets:
        for credentials, told in (("user:hunter2@", "connect: the proxy answers 502"), ("a:b@", "proxy_auth: ")):
            with pytest.raises(UpstreamFault, match=told):
                await sockets.connect("wss://model.example/", (), Timeouts(), Secret(by.url(credentials)))
