"""Credentials that are exchanged, files behind links, thoughts that clients cannot carry: through whole gateways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from oneapi_asgi import Channel, Gateway, HttpxUpstream, MemoryStorage, Secret
from oneapi_asgi.kept import KeptNote
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing import Answer, FakeUpstream, Part

from .dialects import marked
from .serving import ADMIN_KEY, KEY, LOOPBACK, PRICE, Adapter, Rig, open_rig, served
from .test_formats_relay import WORDS, chat, text_of, to

JSON = [("content-type", "application/json")]


def says(body: object, *, status: int = 200) -> Answer:
    return Answer(status=status, headers=JSON, parts=[Part(json.dumps(body).encode())])


# --- tickets ----------------------------------------------------------------------------------------------------------


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def account(issuer: FakeUpstream) -> str:
    pem = private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "bot@p.iam.gserviceaccount.com",
            "private_key": pem.decode(),
            "project_id": "p",
            "token_uri": f"{issuer.root}/token",
        }
    )


def with_key(channel: Channel, key: str, **options: str) -> Channel:
    return Channel(
        id=0,
        name=channel.name,
        provider=channel.provider,
        base_url=channel.base_url,
        api_keys=(Secret(key),),
        options=options,
        models=channel.models,
        model_map=channel.model_map,
        priority=channel.priority,
    )


async def test_a_service_account_of_vertex() -> None:
    issuer = FakeUpstream()

    def channels(fakes: Sequence[FakeUpstream]) -> list[Channel]:
        models = {"m": "gemini-2.5-flash", "c": "claude-sonnet-4-5"}
        return [with_key(to(fakes[0], "v", "vertex", models=(), model_map=models), account(fakes[1]))]

    async with open_rig(MemoryStorage(), upstreams=(FakeUpstream(), issuer), channels=channels) as rig:
        issuer.script(says({"access_token": "ya29.one", "expires_in": 3600, "token_type": "Bearer"}))
        answers = await asyncio.gather(*(rig.post(chat(model)) for model in "mcmcmc"))
        assert [text_of(answer.content) for answer in answers] == [WORDS] * 6
        (exchange,) = issuer.journal
        assert (exchange.method, exchange.path) == ("POST", "/token")
        told = parse_qs(exchange.body.decode())
        assert told["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        claims = jwt.decode(
            told["assertion"][0], private_key().public_key(), algorithms=["RS256"], audience=f"{issuer.root}/token"
        )
        assert claims["iss"] == "bot@p.iam.gserviceaccount.com"
        assert {entry.header("authorization") for entry in rig.fake.journal} == {"Bearer ya29.one"}
        assert {entry.path.partition("/models/")[0] for entry in rig.fake.journal} == {
            "/v1/projects/p/locations/global/publishers/google",
            "/v1/projects/p/locations/global/publishers/anthropic",
        }


def entra(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    azure = with_key(to(fakes[0], "m", "azure"), "tenant|client|the-secret", authority=fakes[1].root)
    return [azure, to(fakes[0], "spare", models=("m",), priority=-1)]


async def test_an_application_in_entra_whose_ticket_is_renewed() -> None:
    issuer = FakeUpstream()
    async with open_rig(MemoryStorage(), upstreams=(FakeUpstream(), issuer), channels=entra) as rig:
        issuer.script(says({"access_token": "one", "expires_in": 30}), says({"access_token": "two", "expires_in": 600}))
        for _ in range(3):
            assert (await rig.post(chat("m"))).status_code == 200
        assert [entry.header("authorization") for entry in rig.fake.journal] == [
            "Bearer one",
            "Bearer two",
            "Bearer two",
        ]
        assert [entry.path for entry in issuer.journal] == ["/tenant/oauth2/v2.0/token"] * 2
        assert all(b"the-secret" not in entry.body + repr(entry.headers).encode() for entry in rig.fake.journal)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says({"error": "invalid_client", "error_description": "the-secret"}, status=401), id="401"),
        pytest.param(says({"access_token": None}), id="none"),
        pytest.param(Answer(status=302, headers=[("location", "http://127.0.0.1:1/")]), id="redirect"),
        pytest.param(Answer(head=False, then="reset"), id="reset"),
    ],
)
async def test_who_gives_no_ticket(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    issuer = FakeUpstream()
    async with open_rig(MemoryStorage(), upstreams=(FakeUpstream(), issuer), channels=entra) as rig:
        issuer.script(answer)
        spared = await rig.post(chat("m"))
        assert (spared.status_code, text_of(spared.content)) == (200, WORDS)
        record = await rig.record()
        assert [(attempt.failure, attempt.status) for attempt in record.attempts] == [("no_ticket", None), ("", 200)]
    assert "the-secret" not in caplog.text


async def test_a_ticket_is_fetched_from_no_forbidden_address() -> None:
    def channels(fakes: Sequence[FakeUpstream]) -> list[Channel]:
        where = to(fakes[0], "m", "azure")
        return [with_key(where, "tenant|client|the-secret", authority="http://169.254.169.254")]

    async with open_rig(MemoryStorage(), channels=channels) as rig:
        answer = await rig.post(chat("m"))
        assert (answer.status_code, rig.fake.journal) == (502, [])
        assert "169.254" not in answer.text


# --- links ------------------------------------------------------------------------------------------------------------

PNG = Answer(headers=[("content-type", "image/png")], parts=[Part(b"\x89PNG")])
DATA = "iVBORw=="


def pictured(url: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": url}}]}


def seen(model: str, url: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", **pictured(url)}]}


def bytes_only(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    bedrock = with_key(
        to(fakes[0], "b", "bedrock", models=(), model_map={"b": "anthropic.claude-sonnet-4-5-20250929-v1:0"}),
        "key",
        region="us-east-1",
    )
    return [bedrock, to(fakes[0], "a", "anthropic")]


async def test_links_are_followed_to_named_hosts_alone() -> None:
    files = FakeUpstream()
    async with open_rig(
        MemoryStorage(), upstreams=(FakeUpstream(), files), channels=bytes_only, fetch_hosts=["127.0.0.1"]
    ) as rig:
        files.script(PNG)
        answer = await rig.post(seen("b", f"{files.root}/a.png"))
        assert answer.status_code == 200
        assert DATA.encode() in rig.fake.journal[-1].body
        (fetched,) = files.journal
        assert (fetched.method, fetched.header("authorization"), fetched.header("cookie")) == ("GET", None, None)
        linked = await rig.post(seen("a", f"{files.root}/a.png"))
        assert (linked.status_code, len(files.journal)) == (200, 1), "who takes links gets the link"
        files.script(Answer(status=302, headers=[("location", f"{rig.fake.root}/v1/models")]))
        moved = await rig.post(seen("b", f"{files.root}/moved"))
        assert (moved.status_code, moved.json()["error"]["code"]) == (400, "invalid_file")
        for url in (f"http://localhost:{files.port}/a", "http://169.254.169.254/latest", "http://[::1]/a"):
            refused = await rig.post(seen("b", url))
            assert refused.status_code == 400, url
        assert len(files.journal) == 2
        records = await rig.recorded(6)
        assert [record.cost > 0 for record in records] == [True, True, False, False, False, False]


@pytest.mark.parametrize("hosts", [[], ["*"]], ids=["no host", "all hosts"])
@pytest.mark.parametrize("adapter", ["httpx2", "httptools"])
async def test_the_guard_holds_for_links_too(adapter: Adapter, hosts: list[str]) -> None:
    """The rig's own guard lets 127.0.0.0/8 through, and nothing else that is private."""
    async with open_rig(MemoryStorage(), adapter, channels=bytes_only, fetch_hosts=hosts) as rig:
        for url in ("http://10.0.0.1/a", "http://169.254.169.254/a", "http://0xa000001/a", "http://127.1:99999/a"):
            answer = await rig.post(seen("b", url))
            assert (answer.status_code, rig.fake.journal) == (400, []), url
        assert [record.reason for record in await rig.recorded(4)] == ["refused"] * 4


# --- thoughts ---------------------------------------------------------------------------------------------------------

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


def claude(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    return [to(fakes[0], "m", "anthropic", models=(), model_map={"m": "claude-sonnet-4-5"})]


async def calls(rig: Rig, *, stream: bool = False) -> dict[str, Any]:
    """The turn in which the model thinks and calls a tool, as a client of OpenAI's keeps it."""
    body = chat("m", marked(reasoning=True), tools=TOOLS, max_tokens=9000, reasoning_effort="low", stream=stream)
    answer = await rig.post(body)
    assert answer.status_code == 200
    if stream:
        chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        call_id = next(call["id"] for delta in deltas for call in delta.get("tool_calls") or () if call.get("id"))
    else:
        call_id = answer.json()["choices"][0]["message"]["tool_calls"][0]["id"]
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


async def goes_on(rig: Rig, turn: dict[str, Any], key: str = KEY) -> list[str]:
    """What the upstream sees of that turn."""
    messages = [
        {"role": "user", "content": "hi"},
        turn,
        {"role": "tool", "tool_call_id": turn["tool_calls"][0]["id"], "content": "5"},
    ]
    body = {"model": "m", "messages": messages, "tools": TOOLS, "max_tokens": 9000, "reasoning_effort": "low"}
    answer = await rig.post(body, authorization=f"Bearer {key}")
    assert answer.status_code == 200
    sent = json.loads(rig.fake.journal[-1].body)["messages"]
    return [block["type"] for message in sent if message["role"] == "assistant" for block in message["content"]]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_thoughts_come_back_at_another_replica(tmp_path: Path, stream: bool) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    async with open_rig(SQLStorage(url), channels=claude) as one:
        turn = await calls(one, stream=stream)
        assert await goes_on(one, turn) == ["thinking", "tool_use"]
        await one.gateway._thoughts.told()
        replica = Gateway(SQLStorage(url), upstream=HttpxUpstream(guard=LOOPBACK), prices={"*": PRICE})
        async with served(replica) as there:
            other = Rig(there, replica, one.storage, one.fakes, one.http)
            assert await goes_on(other, turn) == ["thinking", "tool_use"]
            assert await goes_on(other, turn, ADMIN_KEY) == ["tool_use"], "another's are never found"


class Failing(MemoryStorage):
    async def put_notes(self, notes: Sequence[KeptNote]) -> None:
        raise ConnectionError

    async def get_notes(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        raise ConnectionError


async def test_a_store_of_notes_that_fails() -> None:
    async with open_rig(Failing(), channels=claude) as rig:
        turn = await calls(rig)
        assert await goes_on(rig, turn) == ["thinking", "tool_use"], "the process itself remembers"
        unknown = {**turn, "tool_calls": [turn["tool_calls"][0] | {"id": "call_other"}]}
        assert await goes_on(rig, unknown) == ["tool_use"]
