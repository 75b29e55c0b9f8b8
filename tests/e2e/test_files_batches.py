"""Files and batches through a whole gateway, with the real SDK on one side and a provider on sockets on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from msgspec.structs import replace

from oneapi_asgi import (
    NANO,
    CallRecord,
    Channel,
    Gateway,
    Limit,
    MemoryStorage,
    Secret,
    TokenDraft,
    key_digest,
)
from oneapi_asgi.queries import RecordQuery
from oneapi_asgi.storage.sql import SQLStorage

from .keeping import Keeper
from .serving import PRICE, Adapter, Kind, eventually, make_storage, make_upstream, served

ANN, ANNS_OTHER, BEN, LIMITED, NARROW = (f"sk-{name}" + "k" * 45 for name in ("ann", "an2", "ben", "lim", "nar"))
UP_1, UP_2 = "sk-up-1" + "u" * 41, "sk-up-2" + "u" * 41
LINE = b'{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":{"model":"%b","messages":[]}}\n'
AMBIGUOUS = ["..%2Fx", "%2e%2e%2fbatches", "a%00b", "a%2Fb", "file-a1%0A"]
"""Paths that the guard lets nobody read in two ways."""

UNKNOWN = ["x" * 5000, "%ff", "file-a1%20", "*", "%3Fa=b"]
HOSTILE = [*((name, 400) for name in AMBIGUOUS), *((name, 404) for name in UNKNOWN)]


def lines(*models: bytes) -> bytes:
    return b"".join(LINE % (number, model) for number, model in enumerate(models))


@dataclass
class House:
    url: str
    gateway: Gateway
    storage: MemoryStorage | SQLStorage
    keepers: Sequence[Keeper]
    http: httpx2.AsyncClient
    clients: dict[str, openai.AsyncOpenAI] = field(default_factory=dict)

    def sdk(self, key: str = ANN) -> openai.AsyncOpenAI:
        if key not in self.clients:
            url = f"{self.url}/v1"
            self.clients[key] = openai.AsyncOpenAI(
                api_key=key, base_url=url, max_retries=0, timeout=10, _strict_response_validation=True
            )
        return self.clients[key]

    async def close(self) -> None:
        for client in self.clients.values():
            await client.close()

    async def get(self, path: str, key: str = ANN, **headers: str) -> httpx2.Response:
        return await self.http.get(f"{self.url}{path}", headers={"authorization": f"Bearer {key}"} | headers)

    async def records(self) -> Sequence[CallRecord]:
        await self.gateway.records.written()
        return (await self.storage.find_records(RecordQuery())).records

    async def change(self, number: int, **facts: Any) -> None:
        channel = next(c for c in await self.storage.list_channels() if c.name == f"keeper-{number}")
        await self.storage.save_channel(replace(channel, **facts))
        await eventually(lambda: self._knows(channel.id, facts), within=3)

    async def _knows(self, channel_id: int, facts: dict[str, Any]) -> bool:
        await self.gateway.pool.refresh()
        known = self.gateway.pool.get(channel_id)
        return known is not None and all(getattr(known, name) == value for name, value in facts.items())


@asynccontextmanager
async def open_house(storage: MemoryStorage | SQLStorage, adapter: Adapter, **options: Any) -> AsyncIterator[House]:
    keepers = (Keeper("a"), Keeper("b"))
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(served(keeper.app, lifespan="off")) for keeper in keepers]
        channels = [
            Channel(
                id=0,
                name="chat-only",
                provider="openai-compatible",
                base_url=f"{urls[1]}/none",
                models=("gpt-4o",),
                priority=9,
            ),
            Channel(
                id=0,
                name="keeper-1",
                base_url=f"{urls[0]}/v1",
                api_keys=(Secret(UP_1), Secret(UP_2)),
                models=("gpt-4o", "gpt-4o-mini"),
                model_map={"quick": "gpt-4.1-nano"},
                priority=5,
            ),
            Channel(id=0, name="keeper-2", base_url=f"{urls[1]}/v1", api_keys=(Secret(UP_1),), models=("o3",)),
        ]
        gateway = Gateway(
            storage,
            upstream=make_upstream(adapter),
            prices={"*": PRICE},
            **{"poll_interval": 0.02, **options},
        )
        url = await stack.enter_async_context(served(gateway))
        for channel in channels:
            await storage.save_channel(channel)
        for name in ("ann", "ben"):
            await storage.add_user(name)
        await storage.add_user("lim", wallet=NANO)
        drafts = (("ann", ANN, ()), ("ann", ANNS_OTHER, ()), ("ben", BEN, ()), ("lim", LIMITED, ()))
        for number, (user, key, models) in enumerate((*drafts, ("ann", NARROW, ("gpt-4o-mini", "quick")))):
            await storage.add_token(TokenDraft(name=f"t{number}", digest=key_digest(key), user=user, models=models))
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=10))
        house = House(url, gateway, storage, keepers, http)
        await eventually(lambda: house._knows(1, {}), within=3)
        stack.push_async_callback(house.close)
        yield house


@pytest.fixture
async def house(parts: tuple[Kind, Adapter], tmp_path: Path) -> AsyncIterator[House]:
    kind, adapter = parts
    async with open_house(make_storage(kind, tmp_path), adapter) as opened:
        yield opened


async def upload(client: openai.AsyncOpenAI, content: bytes = b"hello", purpose: Any = "user_data", **more: Any) -> Any:
    return await client.files.create(file=("a.jsonl", content), purpose=purpose, **more)


# --- files ------------------------------------------------------------------------------------------------------------


async def test_a_file_goes_in_and_out_and_away(house: House) -> None:
    sdk = house.sdk()
    content = bytes(range(256)) * 20
    file = await upload(sdk, content, expires_after={"anchor": "created_at", "seconds": 3600})
    assert (file.filename, file.bytes, file.purpose) == ("a.jsonl", len(content), "user_data")
    assert set(file.fields) == {"expires_after[anchor]", "expires_after[seconds]", "file", "purpose"}
    assert (await sdk.files.retrieve(file.id)).id == file.id
    assert (await sdk.files.content(file.id)).content == content
    assert [one.id for one in (await sdk.files.list()).data] == [file.id]
    assert (await sdk.files.delete(file.id)).deleted
    assert (await sdk.files.list()).data == []
    with pytest.raises(openai.NotFoundError):
        await sdk.files.retrieve(file.id)
    records = await house.records()
    assert [record.operation for record in records[::-1]] == [
        *("files", "files.retrieve", "files.content", "files.list", "files.delete", "files.list", "files.retrieve")
    ]
    channel = next(c.id for c in await house.storage.list_channels() if c.name == "keeper-1")
    assert {record.channel_id for record in records[2:] if record.operation != "files.list"} == {channel}
    assert all(record.cost == 0 and record.usage is None for record in records)
    assert [record.reason for record in records] == ["refused"] + ["done"] * 6


async def test_what_is_anothers_is_not_there(house: House) -> None:
    file = await upload(house.sdk())
    assert (await house.sdk(ANNS_OTHER).files.retrieve(file.id)).id == file.id  # the same user's
    ben = house.sdk(BEN)
    assert (await ben.files.list()).data == []
    before = len(house.keepers[0].seen)
    for touch in (ben.files.retrieve, ben.files.delete, ben.files.content, ben.batches.retrieve, ben.batches.cancel):
        with pytest.raises(openai.NotFoundError) as refused:
            await touch(file.id)
        unknown = await house.get("/v1/files/file-nobodys", BEN)
        assert refused.value.body["type"] == unknown.json()["error"]["type"]  # type: ignore[index]
    for wrong_kind in (house.sdk().batches.retrieve, house.sdk().batches.cancel):
        with pytest.raises(openai.NotFoundError):
            await wrong_kind(file.id)
    assert len(house.keepers[0].seen) == before


async def test_hostile_ids_lead_nowhere(house: House) -> None:
    for name, status in HOSTILE:
        for path in (f"/v1/files/{name}", f"/v1/files/{name}/content", f"/v1/batches/{name}", f"/files/{name}"):
            answer = await house.get(path)
            assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error"), path
    assert house.keepers[0].seen == house.keepers[1].seen == []


async def test_the_model_decides_who_keeps_it(house: House) -> None:
    named: tuple[dict[str, Any], ...] = (
        {"extra_headers": {"x-oneapi-model": "o3"}},
        {"extra_query": {"model": "o3"}},
        {"extra_body": {"model": "o3"}},
    )
    for how in named:
        file = await upload(house.sdk(), **how)
        assert file.id.startswith("file-b")
        assert file.fields == ["file", "purpose"]
        assert (await house.sdk().files.retrieve(file.id)).id == file.id
        with pytest.raises(openai.PermissionDeniedError, match="may not use the model"):
            await upload(house.sdk(NARROW), **how)
    with pytest.raises(openai.NotFoundError, match="zebra"):
        await upload(house.sdk(), extra_query={"model": "zebra"})
    with pytest.raises(openai.BadRequestError, match="several models"):
        await upload(house.sdk(), extra_query={"model": "o3"}, extra_headers={"x-oneapi-model": "gpt-4o"})


async def test_lists_are_paged_filtered_and_ordered(house: House) -> None:
    sdk = house.sdk()
    made = [(await upload(sdk, purpose=purpose)).id for purpose in ("vision", "user_data", "vision", "assistants")]
    assert [file.id async for file in sdk.files.list(limit=1)] == made[::-1]
    assert [file.id async for file in sdk.files.list(limit=3, order="asc")] == made
    page = await sdk.files.list(limit=2, after=made[2])
    assert ([file.id for file in page.data], page.has_more) == ([made[1], made[0]], False)
    assert [file.id for file in (await sdk.files.list(purpose="vision")).data] == [made[2], made[0]]
    page = await sdk.files.list(purpose="vision", limit=1, order="asc")
    assert ([file.id for file in page.data], page.has_more) == ([made[0]], True)
    for wrong in ({"limit": 0}, {"order": "up"}, {"after": "file-nobodys"}, {"after": "nobodys", "order": "asc"}):
        with pytest.raises(openai.BadRequestError):
            await sdk.files.list(**wrong)


async def test_who_cannot_keep_it_is_passed_over(house: House) -> None:
    house.keepers[0].fail = 503
    file = await upload(house.sdk())
    assert file.id.startswith("file-b")
    (record,) = await house.records()
    assert [attempt.failure for attempt in record.attempts] == ["status_503", "status_503", ""]
    house.keepers[1].fail = 400
    with pytest.raises(openai.BadRequestError) as refused:
        await upload(house.sdk())
    assert refused.value.body == {"message": "Told to fail, Bearer ***.", "type": "told", "param": None, "code": "told"}
    house.keepers[0].fail = house.keepers[1].fail = 404
    with pytest.raises(openai.NotFoundError, match="keeps no files"):
        await upload(house.sdk())
    house.keepers[1].fail = 401
    with pytest.raises(openai.APIStatusError) as failed:
        await house.sdk().files.retrieve(file.id)
    assert (failed.value.status_code, (await house.records())[0].reason) == (502, "upstream_failed")


async def test_a_key_that_is_gone_takes_its_files_along(house: House) -> None:
    sdk = house.sdk()
    file = await upload(sdk)
    await house.change(1, api_keys=(Secret(UP_2), Secret(UP_1)))  # another order is no other key
    assert (await sdk.files.retrieve(file.id)).id == file.id
    await house.change(1, enabled=False)
    with pytest.raises(openai.InternalServerError, match="switched off"):
        await sdk.files.retrieve(file.id)
    await house.change(1, enabled=True, api_keys=(Secret(UP_2),))
    with pytest.raises(openai.NotFoundError, match="no access to any more"):
        await sdk.files.content(file.id)
    assert len((await sdk.files.list()).data) == 1
    with pytest.raises(openai.NotFoundError, match="no access to any more"):
        await sdk.files.delete(file.id)
    assert (await sdk.files.list()).data == []


async def test_content_that_breaks_off_does_not_look_whole(house: House) -> None:
    file = await upload(house.sdk(), b"x" * 50_000)
    house.keepers[0].cut = True
    with pytest.raises(openai.APIConnectionError):
        await house.sdk().files.content(file.id)
    assert (await house.records())[0].reason == "upstream_cut"


async def test_an_answer_that_names_no_file_is_a_failure(house: House) -> None:
    answers: list[object] = [{"object": "file"}, {"id": "../batches"}, {"id": 5}, [], {"id": "x" * 300}, {"id": ""}]
    for answer in answers:
        house.keepers[0].says = answer
        with pytest.raises(openai.InternalServerError, match="not understood"):
            await upload(house.sdk())
    assert (await house.sdk().files.list()).data == []


async def test_other_formats_have_no_files_here(house: House) -> None:
    for path, headers in (
        ("/v1/files", {"anthropic-version": "2023-06-01"}),
        ("/v1/messages/batches", {"anthropic-version": "2023-06-01"}),
    ):
        answer = await house.get(path, **headers)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
    answer = await house.get("/v1beta/files")
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
    answer = await house.http.put(f"{house.url}/v1/files", headers={"authorization": f"Bearer {ANN}"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert (await house.http.get(f"{house.url}/v1/files")).status_code == 401


# --- batches ----------------------------------------------------------------------------------------------------------


async def start(sdk: openai.AsyncOpenAI, file_id: str, **more: Any) -> Any:
    return await sdk.batches.create(
        input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h", **more
    )


async def test_a_batch_runs_where_its_file_lies(house: House) -> None:
    sdk, keeper = house.sdk(), house.keepers[0]
    file = await upload(sdk, lines(b"gpt-4o", b"gpt-4o"), "batch")
    batch = await start(sdk, file.id, metadata={"night": "1"})
    assert (batch.status, batch.metadata, batch.input_file_id) == ("validating", {"night": "1"}, file.id)
    assert (await sdk.batches.list()).data[0].status == "validating"
    keeper.finish()
    (listed,) = (await sdk.batches.list()).data
    assert listed.status == "completed"
    done = await sdk.batches.retrieve(batch.id)
    assert done.output_file_id is not None
    assert b"response" in (await sdk.files.content(done.output_file_id)).content
    assert {key for _, _, key in keeper.seen} == {UP_1}
    files = (await sdk.files.list()).data
    assert [(one.id, one.purpose, one.filename) for one in files] == [
        (done.output_file_id, "batch_output", "output.jsonl"),
        (file.id, "batch", "a.jsonl"),
    ]
    await sdk.files.delete(done.output_file_id)
    await sdk.batches.retrieve(batch.id)
    assert [one.id for one in (await sdk.files.list()).data] == [file.id]  # what was deleted does not come back
    ben = house.sdk(BEN)
    assert (await ben.batches.list()).data == []
    for touch in (ben.batches.retrieve, ben.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            await touch(batch.id)
    assert (await sdk.batches.cancel(batch.id)).status == "cancelling"
    with pytest.raises(openai.NotFoundError):
        await start(ben, file.id)


async def test_a_provider_that_is_away_is_told_as_it_was(house: House) -> None:
    sdk = house.sdk()
    made = [(await start(sdk, (await upload(sdk, lines(b"gpt-4o"), "batch")).id)).id for _ in range(3)]
    house.keepers[0].finish()
    house.keepers[0].fail = 500
    page = await sdk.batches.list(limit=2)
    assert [(one.id, one.status) for one in page.data] == [(made[2], "validating"), (made[1], "validating")]
    assert [one.id async for one in sdk.batches.list(limit=2)] == made[::-1]
    assert (await house.records())[0].reason == "done"


async def test_who_has_a_limit_starts_no_batch(house: House) -> None:
    file = await upload(house.sdk(LIMITED), lines(b"gpt-4o"), "batch")  # files are free
    with pytest.raises(openai.PermissionDeniedError, match="cannot be metered"):
        await start(house.sdk(LIMITED), file.id)
    file = await upload(house.sdk(), lines(b"gpt-4o"), "batch")
    await house.storage.save_limit(Limit(scope="model", name="gpt-4o", budget=NANO))

    async def refused() -> bool:
        try:
            await start(house.sdk(), file.id)
        except openai.PermissionDeniedError:
            return True
        return False

    await eventually(refused, within=3)


async def test_the_operator_may_allow_batches(tmp_path: Path) -> None:
    async with open_house(make_storage("memory", tmp_path), "httptools", batches="allow") as house:
        sdk = house.sdk(LIMITED)
        assert (await start(sdk, (await upload(sdk, lines(b"gpt-4o"), "batch")).id)).status == "validating"


async def test_a_batch_runs_only_models_that_its_key_may_use(house: House) -> None:
    sdk = house.sdk(NARROW)
    for model in (b"gpt-4o-mini", b"gpt-4.1-nano"):  # the latter as upstream calls it; callers say "quick"
        assert (await start(sdk, (await upload(sdk, lines(model), "batch")).id)).status == "validating"
    file = await upload(sdk, lines(b"gpt-4o-mini", b"gpt-4o"), "batch")
    with pytest.raises(openai.PermissionDeniedError, match="may not run batches"):
        await start(sdk, file.id)
    with pytest.raises(openai.NotFoundError, match="runs batches of gpt-5"):
        await upload(house.sdk(), lines(b"gpt-5"), "batch")
    assert (await upload(house.sdk(), lines(b"o3"), "batch")).id.startswith("file-b")
    file = await upload(house.sdk(), lines(b"gpt-4o"), "batch")
    await house.change(1, models=("gpt-4o-mini",))
    with pytest.raises(openai.PermissionDeniedError, match="may not run batches"):
        await start(house.sdk(), file.id)
    await house.change(1, models=("gpt-4o",), groups=("vip",))
    with pytest.raises(openai.PermissionDeniedError, match="group"):
        await start(house.sdk(), file.id)
    file = await upload(house.sdk(), b"{}")
    with pytest.raises(openai.BadRequestError, match="purpose batch"):
        await start(house.sdk(), file.id)


async def test_a_batch_has_no_fields_that_nobody_looked_at(house: House) -> None:
    file = await upload(house.sdk(), lines(b"gpt-4o"), "batch")
    other = await upload(house.sdk(BEN), lines(b"gpt-4o"), "batch")
    for more in (
        {"replace": {"model": "o3"}},
        {"Input_File_Id": other.id},
        {"input_blob": "https://elsewhere.example"},
    ):
        with pytest.raises(openai.BadRequestError, match="Unknown parameter"):
            await start(house.sdk(), file.id, extra_body=more)
    twice = f'{{"input_file_id":"{file.id}","input_file_id":"{other.id}","endpoint":"/v1/x"}}'
    answer = await house.http.post(f"{house.url}/v1/batches", content=twice, headers={"authorization": f"Bearer {ANN}"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input_file_id")
    assert house.keepers[0].batches == {}


async def test_what_cannot_be_kept_is_undone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    file = await upload(house.sdk(), lines(b"gpt-4o"), "batch")

    async def fails(*_: object) -> None:
        raise OSError("told to fail")

    monkeypatch.setattr(type(house.storage), "put_object", fails)
    with pytest.raises(openai.InternalServerError, match="cannot be looked up"):
        await upload(house.sdk())
    with pytest.raises(openai.InternalServerError, match="cannot be looked up"):
        await start(house.sdk(), file.id)
    assert [name for _, name in house.keepers[0].files] == [file.id]
    assert [batch["status"] for batch in house.keepers[0].batches.values()] == ["cancelling"]
