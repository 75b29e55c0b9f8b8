"""Changes to tokens, channels and prices hold at once, or within the interval in which the storage is asked."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from oneapi_asgi import NANO, Price, TokenDraft, key_digest
from oneapi_asgi.storage.sql import SQLStorage

from .serving import CHAT, Adapter, Kind, Rig, chat, eventually, make_storage, open_rig

POLL = 0.5


async def answers(rig: Rig, key: str, status: int, *, within: float) -> float:
    async def so() -> bool:
        return (await rig.post(CHAT, authorization=f"Bearer {key}")).status_code == status

    return await eventually(so, within=within, every=0.02)


async def add(rig: Rig, name: str) -> int:
    draft = TokenDraft(name=name, digest=key_digest(f"sk-{name}"), user="bob")
    return (await rig.storage.add_token(draft)).id


async def test_a_disabled_token_is_refused(rig: Rig) -> None:
    token = await add(rig, "leaver")
    assert (await rig.post(CHAT, authorization="Bearer sk-leaver")).status_code == 200
    await rig.storage.set_token_status(token, "disabled")
    await answers(rig, "sk-leaver", 401, within=1)
    asked = len(rig.fake.journal)
    answer = await rig.post(CHAT, authorization="Bearer sk-leaver")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "api_key_disabled")
    assert len(rig.fake.journal) == asked
    await rig.storage.set_token_status(token, "enabled")
    await answers(rig, "sk-leaver", 200, within=1)


async def test_a_disabled_owner_is_refused(rig: Rig) -> None:
    await add(rig, "bobs")
    assert (await rig.post(CHAT, authorization="Bearer sk-bobs")).status_code == 200
    await rig.storage.set_user("bob", enabled=False)
    await answers(rig, "sk-bobs", 403, within=1)


async def test_a_new_token_is_not_hidden_by_an_old_refusal(rig: Rig) -> None:
    for _ in range(3):
        assert (await rig.post(CHAT, authorization="Bearer sk-newcomer")).status_code == 401
    await add(rig, "newcomer")
    await answers(rig, "sk-newcomer", 200, within=1)


async def test_a_stream_that_runs_is_not_cut(rig: Rig) -> None:
    token = await add(rig, "runner")
    body = chat(stream=True, tokens=20, delay=0.05)
    headers = {"authorization": "Bearer sk-runner"}
    async with rig.http.stream("POST", rig.api + "/chat/completions", json=body, headers=headers) as answer:
        await rig.storage.set_token_status(token, "disabled")
        got = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert got.endswith(b"data: [DONE]\n\n")
    await answers(rig, "sk-runner", 401, within=1)


async def test_a_disabled_channel_gets_no_more_calls(rig: Rig) -> None:
    (channel,) = await rig.storage.list_channels()
    assert (await rig.post(CHAT)).status_code == 200
    await rig.storage.save_channel(replace(channel, enabled=False))

    async def unavailable() -> bool:
        answer = await rig.post(CHAT)
        return answer.status_code == 503 and answer.json()["error"]["code"] == "model_unavailable"

    await eventually(unavailable, within=1)


async def test_a_new_price_holds(parts: tuple[Kind, Adapter], tmp_path: Path) -> None:
    kind, adapter = parts
    async with open_rig(make_storage(kind, tmp_path), adapter, prices={}) as rig:
        await rig.storage.set_price("gpt-*", Price(per_call=5))
        assert (await rig.post(CHAT)).status_code == 200
        assert (await rig.record()).cost == 5
        await rig.storage.set_price("gpt-*", Price(per_call=7))

        async def dearer() -> bool:
            await rig.post(CHAT)
            return (await rig.records())[-1].cost == 7

        await eventually(dearer, within=1)
        answer = await rig.post(chat("unheard-of"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_priced")


async def test_credit_helps_at_once(rig: Rig) -> None:
    draft = TokenDraft(name="topped", digest=key_digest("sk-topped"), quota=1, user="bob")
    token = await rig.storage.add_token(draft)
    assert (await rig.post(CHAT, authorization="Bearer sk-topped")).status_code == 403
    await rig.storage.credit(token.accounts[0], NANO)
    assert (await rig.post(CHAT, authorization="Bearer sk-topped")).status_code == 200


async def test_a_change_by_another_process(tmp_path: Path) -> None:
    async with open_rig(SQLStorage(f"sqlite:///{tmp_path}/shared.db")) as rig:
        token = await add(rig, "far")
        await answers(rig, "sk-far", 200, within=1)
        async with SQLStorage(f"sqlite:///{tmp_path}/shared.db") as other:
            await other.set_token_status(token, "disabled")
        assert await answers(rig, "sk-far", 401, within=POLL + 0.5) < POLL + 0.5
