"""Every example, started as its README says, called as a client would, and ended."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from ports import free_port
from serving import COMMAND, serving

from oneapi_asgi.testing import Answer, FakeUpstream

EXAMPLES = Path(__file__).parent.parent / "examples"
KEY = "sk-for-trying-only"
HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi there"}]


@pytest.fixture
async def fake() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as upstream:
        yield upstream


@contextmanager
def example(script: str, cwd: Path, **environ: str) -> Iterator[str]:
    """A running example, as its address."""
    port = free_port()
    with serving([sys.executable, str(EXAMPLES / script)], port, cwd=cwd, environ={"PORT": str(port), **environ}):
        yield f"http://127.0.0.1:{port}"


async def chat(base_url: str, *, model: str = "gpt-4o", key: str = KEY) -> str:
    """One whole and one streamed answer, by the SDK; both say the same."""
    async with openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=20) as client:
        whole = await client.chat.completions.create(model=model, messages=HI)
        stream = await client.chat.completions.create(model=model, messages=HI, stream=True)
        streamed = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert whole.choices[0].message.content == streamed
    return streamed


def test_every_example_says_how_to_run_it() -> None:
    folders = [folder for folder in EXAMPLES.iterdir() if folder.is_dir() and folder.name != "__pycache__"]
    assert len(folders) >= 5
    for folder in folders:
        readme = (folder / "README.md").read_text(encoding="utf-8")
        scripts = re.findall(r"examples/(\w+/\w+\.py)", readme)
        assert "```sh" in readme
        assert all((EXAMPLES / script).is_file() for script in scripts)


async def test_mount_fastapi(tmp_path: Path, fake: FakeUpstream) -> None:
    with example("mount_fastapi/service.py", tmp_path, UPSTREAM_URL=fake.url) as url:
        assert await chat(f"{url}/llm/v1")
        with pytest.raises(openai.AuthenticationError):
            await chat(f"{url}/llm/v1", key="sk-wrong")
        async with httpx2.AsyncClient(base_url=url) as client:
            assert (await client.get("/health")).json() == {"status": "ok"}
    assert len(fake.journal) == 2


async def test_guard_my_route(tmp_path: Path) -> None:
    with example("guard_my_route/model_server.py", tmp_path) as url:
        async with (
            openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=20) as sdk,
            httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}) as client,
        ):
            answer = await sdk.chat.completions.create(model="parrot", messages=HI)
            assert answer.choices[0].message.content == "hi there"
            balance = (await client.get("/balance")).json()
            async with asyncio.timeout(10):
                while not balance["used_usd"]:  # settled a moment after the answer
                    await asyncio.sleep(0.01)
                    balance = (await client.get("/balance")).json()
            assert balance == {
                "token": "trial",
                "left_usd": 0.009994,
                "used_usd": 6e-06,
            }  # 2 × $1 + 2 × $2, per million
            with pytest.raises(openai.PermissionDeniedError, match="does not cover"):
                await sdk.chat.completions.create(model="parrot", messages=HI, max_tokens=10_000)
            assert (await client.get("/balance", headers={"authorization": "Bearer sk-wrong"})).status_code == 401


async def test_failover_proxy(tmp_path: Path, fake: FakeUpstream) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    with example("failover_proxy/proxy.py", tmp_path, FIRST_URL=nobody, SECOND_URL=fake.url) as url:
        assert await chat(f"{url}/v1", model="any", key="sk-whatever")
    assert {entry.header("authorization") for entry in fake.journal} == {"Bearer sk-of-the-second"}
    assert all(b'"backup-model"' in entry.body for entry in fake.journal)


async def test_failover_proxy_stays_with_the_first_that_answers(tmp_path: Path, fake: FakeUpstream) -> None:
    async with FakeUpstream() as second:
        with example("failover_proxy/proxy.py", tmp_path, FIRST_URL=fake.url, SECOND_URL=second.url) as url:
            assert await chat(f"{url}/v1")
            assert not second.journal
            fake.script(Answer(status=503))
            assert await chat(f"{url}/v1")
    assert len(second.journal) == 1


async def test_own_store(tmp_path: Path, fake: FakeUpstream) -> None:
    used = 0
    for _ in range(2):
        with example("own_store/serve.py", tmp_path, UPSTREAM_URL=fake.url) as url:
            assert await chat(f"{url}/v1")
            async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}) as client:
                used = (await client.get("/v1/dashboard/billing/usage")).json()["total_usage"]
    lines = (tmp_path / "gateway.jsonl").read_text().splitlines()
    assert used > 0  # told by the second process of what the first had kept, too
    assert sum('"deed":"declare"' in line for line in lines) == 2
    assert sum(line.count('"operation":"chat"') for line in lines) == 4


async def test_standalone(tmp_path: Path, fake: FakeUpstream) -> None:
    config, told = tmp_path / "oneapi.toml", (EXAMPLES / "standalone/oneapi.toml").read_text(encoding="utf-8")
    assert told.count("http://127.0.0.1:9000/v1") == 1
    config.write_text(told.replace("http://127.0.0.1:9000/v1", fake.url))
    port, environ = free_port(), {"UPSTREAM_KEY": "sk-of-the-provider", "CI_TOKEN": "sk-of-the-caller"}
    with serving([*COMMAND, "serve", "--port", str(port)], port, cwd=tmp_path, environ=environ):
        caller = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLES / "standalone/call.py"),
            env={**os.environ, **environ, "GATEWAY_URL": f"http://127.0.0.1:{port}/v1"},
            stdout=subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(caller.communicate(), 30)
    assert caller.returncode == 0
    lines = dict(line.split(": ", 1) for line in said.decode().splitlines())
    assert lines["models"] == "gpt-4o, gpt-4o-mini"
    assert lines["whole"].strip() == lines["stream"].strip() != ""
    assert {entry.header("authorization") for entry in fake.journal} == {"Bearer sk-of-the-provider"}
