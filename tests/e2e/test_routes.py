"""Routes at work: another model in place of one that fails, and calls that belong together kept together."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx2
import pytest
from msgspec import structs

from oneapi_asgi import Channel, Gateway, Price, Route, Secret, planning
from oneapi_asgi.pricing import cost
from oneapi_asgi.testing import Answer, FakeUpstream

from .serving import (
    BOTH,
    PRICE,
    QUOTA,
    Adapter,
    Kind,
    Rig,
    chat,
    in_order,
    make_storage,
    make_upstream,
    open_rig,
    served,
)

PRICES = {"big": Price(input=2_000_000_007, output=8_000_000_009), "small": Price(input=300_000_001, output=7)}
REFUSED = Answer(status=503)


def asked(rig: Rig) -> list[int]:
    """How many calls each upstream got."""
    return [len(upstream.journal) for upstream in rig.fakes]


def equals(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    return [
        Channel(id=0, name=f"c{n}", base_url=upstream.url, api_keys=(Secret(f"sk-{n}-a"), Secret(f"sk-{n}-b")))
        for n, upstream in enumerate(fakes)
    ]


IN_TURN = Route(strategy="round_robin")


def three(route: Route = IN_TURN) -> dict[str, Any]:
    """Equal channels, whose upstreams name their answers apart."""
    upstreams = [FakeUpstream() for _ in range(3)]
    for number, upstream in enumerate(upstreams):
        upstream._serial = 1_000 * number
    return {"upstreams": upstreams, "channels": equals, "routes": [route]}


# --- another model ----------------------------------------------------------------------------------------------------


def one_model_each(fakes: Sequence[FakeUpstream]) -> list[Channel]:
    return [
        Channel(id=0, name=name, base_url=upstream.url, api_keys=(Secret(f"sk-of-{name}"),), models=(name,))
        for name, upstream in zip(PRICES, fakes, strict=True)
    ]


@pytest.mark.parametrize(("kind", "adapter"), BOTH)
@pytest.mark.parametrize(("model", "instead", "stream"), [("big", "small", False), ("small", "big", True)])
async def test_another_model_serves_says_so_and_is_what_is_paid_for(
    tmp_path: Path, kind: Kind, adapter: Adapter, model: str, instead: str, *, stream: bool
) -> None:
    """The dearer and the cheaper one; and the first again as soon as it can."""
    routes = [Route(models=("small",), fallbacks=("big",)), Route(models=("big",), fallbacks=("small",))]
    storage = make_storage(kind, tmp_path)
    async with open_rig(storage, adapter, fakes=2, channels=one_model_each, prices=PRICES, routes=routes) as rig:
        rig.fakes[[*PRICES].index(model)].script(REFUSED)
        answers = [await rig.post(chat(model, stream=stream)) for _ in range(2)]
        fallen, usual = await rig.recorded(2)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert [answer.headers.get("x-oneapi-fallback-model") for answer in answers] == [instead, None]
        assert [(try_.upstream_model, try_.status) for try_ in fallen.attempts] == [(model, 503), (instead, 200)]
        assert (fallen.model, fallen.upstream_model, fallen.price) == (model, instead, PRICES[instead])
        assert (usual.model, usual.upstream_model, usual.price) == (model, model, PRICES[model])
        assert fallen.usage is not None
        assert usual.usage is not None
        assert fallen.cost == cost(fallen.usage, PRICES[instead]) > 0
        assert usual.cost == cost(usual.usage, PRICES[model]) > 0
        assert await rig.used() == fallen.cost + usual.cost
        assert await rig.held() == 0
        cap = (await rig.balances())[0]
        assert cap.available == QUOTA - fallen.cost - usual.cost


# --- an answer that is kept -------------------------------------------------------------------------------------------


async def respond(rig: Rig, earlier: str = "", **fields: Any) -> str:
    """The id of the answer."""
    body = {"model": "gpt-4o", "input": "hi", **fields} | ({"previous_response_id": earlier} if earlier else {})
    answer = await rig.post(body, "/responses")
    assert answer.status_code == 200, answer.text
    if not fields.get("stream"):
        return str(answer.json()["id"])
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return str(events[0]["response"]["id"])


def keys(rig: Rig) -> set[str]:
    """What was shown upstream."""
    return {entry.header("authorization") or "" for upstream in rig.fakes for entry in upstream.journal}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_goes_on_where_it_is_kept(tmp_path: Path, *, stream: bool) -> None:
    """Each key of three channels has a conversation of its own. A gateway that has only just started knows of them."""
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(open_rig(make_storage("sqlite", tmp_path), **three()))
        begun: list[tuple[str, list[int], set[str]]] = []
        for _ in range(6):
            name = await respond(rig, stream=stream)
            begun.append((name, asked(rig), keys(rig)))
            await rig.clear()
        assert {tuple(where) for _, where, _ in begun} == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
        assert len({key for _, _, shown in begun for key in shown}) == 6
        await rig.gateway._owners.told()
        storage, upstream = make_storage("sqlite", tmp_path), make_upstream("httpx2")
        other = Gateway(storage, upstream=upstream, routes=[IN_TURN], prices={"*": PRICE})
        fresh = replace(rig, url=await stack.enter_async_context(served(other)))
        for name, where, shown in begun:
            latest = name
            for one in (rig, fresh, rig):
                latest = await respond(one, latest, stream=stream)
                await rig.gateway._owners.told()
                await other._owners.told()
            assert (asked(rig), keys(rig)) == ([3 * count for count in where], shown)
            await rig.clear()
        for _ in range(3):
            await respond(rig, "resp_of_nobody")
        assert asked(rig) == [1, 1, 1]  # planned as usual


async def test_an_answer_that_is_not_kept_binds_nobody(tmp_path: Path) -> None:
    async with open_rig(make_storage("memory", tmp_path), **three()) as rig:
        name = await respond(rig, store=False)
        await rig.clear()
        for _ in range(3):
            await respond(rig, name)
        assert asked(rig) == [1, 1, 1]


async def test_where_the_account_that_keeps_it_fails_nobody_else_is_asked(tmp_path: Path) -> None:
    async with open_rig(make_storage("memory", tmp_path), **three()) as rig:
        name = await respond(rig)
        at = asked(rig).index(1)
        await rig.clear()
        rig.fakes[at].script(REFUSED)
        answer = await rig.post({"model": "gpt-4o", "input": "hi", "previous_response_id": name}, "/responses")
        assert answer.status_code == 503
        assert asked(rig) == [int(number == at) for number in range(3)]


# --- sessions ---------------------------------------------------------------------------------------------------------


async def test_a_session_stays_with_its_channel(tmp_path: Path) -> None:
    async with open_rig(make_storage("memory", tmp_path), **three(Route(strategy="sticky"))) as rig:
        seen = set()
        for session in range(6):
            for body, headers in (
                (chat() | {"prompt_cache_key": f"p{session}"}, {}),
                (chat(), {"x-session-id": f"h{session}"}),
            ):
                answers: list[httpx2.Response] = await asyncio.gather(*[rig.post(body, **headers) for _ in range(3)])
                assert {answer.status_code for answer in answers} == {200}
                assert sorted(asked(rig)) == [0, 0, 3]
                assert len(keys(rig)) == 1
                seen.add(asked(rig).index(3))
                await rig.clear()
        assert seen == {0, 1, 2}


# --- a planner of one's own -------------------------------------------------------------------------------------------


async def test_the_planner_of_the_modules_page_is_used(tmp_path: Path) -> None:
    """Its channels are tried by name, whatever their priorities say."""
    assert planning.__doc__ is not None
    (page,) = re.findall(r"    class ByName:.*?(?=\n\n    gateway)", planning.__doc__, flags=re.DOTALL)
    names = dict(vars(planning))
    exec(dedent(page), names)

    def last_first(fakes: Sequence[FakeUpstream]) -> list[Channel]:
        return [structs.replace(one, priority=-one.priority) for one in in_order(fakes)]

    storage = make_storage("memory", tmp_path)
    async with open_rig(storage, fakes=3, channels=last_first, planner=names["ByName"]) as rig:
        rig.fakes[0].script(REFUSED)
        assert (await rig.post(chat())).status_code == 200
        assert asked(rig) == [1, 1, 0]
        record = await rig.record()
        assert [one.channel for one in record.attempts] == ["channel-1", "channel-2"]
