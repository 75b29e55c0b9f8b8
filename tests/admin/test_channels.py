"""Channels by the routes: One API's words, whose keys are seen, who may lead a channel where."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from oneapi_asgi.admin.channel_hosts import ChannelHosts
from oneapi_asgi.admin.channels import Channels
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import Channel, Secret
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.channels import SQLChannels

from .rig import Written, as_, asked

ADMIN = as_(Role.ADMIN, 2, "ann")
KEY, OTHER = "sk-0123456789abcdef", "sk-fedcba9876543210"

HOSTS = {"inside.test": ["10.0.0.5"], "mixed.test": ["10.0.0.5", "93.184.216.34"], "meta.test": ["169.254.169.254"]}


async def lookup(host: str) -> Sequence[str]:
    """What is no name is its own address; all others are out there."""
    if host in HOSTS:
        return HOSTS[host]
    if host == "nowhere.test":
        raise OSError
    return [host] if host.replace(".", "").isdigit() or ":" in host else ["93.184.216.34"]


@pytest.fixture
def events() -> Written:
    return Written()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SQLStorage]:
    async with SQLStorage(f"sqlite:///{tmp_path / 'a.db'}") as storage:
        yield storage


@pytest.fixture
async def client(storage: SQLStorage, events: Written) -> AsyncIterator[httpx2.AsyncClient]:
    hosts = ChannelHosts(allow=("10.0.0.0/8",), lookup=lookup)
    async with asked(Channels(SQLChannels(storage), hosts).routes(), events) as client:
        yield client


async def made(client: httpx2.AsyncClient, **body: object) -> dict[str, Any]:
    answer = await client.post("/channel/", json={"name": "a", "type": 1, "key": KEY, **body})
    assert answer.status_code == 200, answer.text
    row: dict[str, Any] = answer.json()["data"][0]
    return row


async def edited(client: httpx2.AsyncClient, row: dict[str, Any], **body: object) -> dict[str, Any]:
    answer = await client.put("/channel/", json={**row, **body})
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()["data"]
    return changed


async def only(storage: SQLStorage) -> Channel:
    (channel,) = await storage.list_channels()
    return channel


async def test_one_apis_form_makes_a_channel_for_each_line(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    form = {
        "name": "a",
        "type": 3,
        "key": f"{KEY}\n\n {OTHER} \n",
        "base_url": "https://r.openai.azure.com",
        "other": "",
        "models": "gpt-4o,gpt-4o-mini",
        "group": "default,vip",
        "model_mapping": '{"gpt-4o": "prod"}',
        "system_prompt": "Be brief.",
        "config": '{"api_version": "2024-03-01", "region": "x"}',
        "priority": None,
        "weight": 0,
    }
    answer = await client.post("/channel/", json=form)
    assert [row["name"] for row in answer.json()["data"]] == ["a", "a-2"]
    first, second = await storage.list_channels()
    assert first == Channel(
        id=first.id,
        name="a",
        provider="azure",
        base_url="https://r.openai.azure.com/openai/v1",
        api_keys=(Secret(KEY),),
        models=("gpt-4o", "gpt-4o-mini"),
        model_map={"gpt-4o": "prod"},
        groups=("default", "vip"),
        options={"api_version": "2024-03-01"},
        system_prompt="Be brief.",
    )
    assert second.api_keys == (Secret(OTHER),)
    row = (await client.get(f"/channel/{first.id}")).json()["data"]
    assert {name: row[name] for name in ("type", "models", "group", "model_mapping", "config", "system_prompt")} == {
        "type": 3,
        "models": "gpt-4o,gpt-4o-mini",
        "group": "default,vip",
        "model_mapping": '{"gpt-4o": "prod"}',
        "config": '{"api_version": "2024-03-01"}',
        "system_prompt": "Be brief.",
    }


async def test_several_keys_of_one_channel(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    row = await made(client, key="", keys=[KEY, OTHER, KEY])
    assert (row["key_count"], row["key"]) == (2, "")
    assert [one["key"] for one in row["key_states"]] == ["sk-…cdef", "sk-…3210"]
    assert (await only(storage)).api_keys == (Secret(KEY), Secret(OTHER))


async def test_what_is_read_can_be_written_back(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    row = await made(
        client,
        base_url="https://relay.test/openai",
        models=["a", "b"],
        headers={"x-trace": "1", "x-api-key": "hidden"},
        parameters={"top_p": 0.5},
        config={"region": "ignored"},
        keys=[KEY, OTHER],
        tag="t",
        note="n",
        test_model="a",
    )
    before = await only(storage)
    assert before.base_url == "https://relay.test/openai/v1"
    assert row["headers"] == {"x-trace": "1", "x-api-key": "********"}
    assert await edited(client, row) == row
    assert await only(storage) == before
    kept = await SQLChannels(storage).find_channel(row["id"])
    assert kept is not None
    assert kept.channel.headers == {"x-trace": "1", "x-api-key": "hidden"}
    row = await edited(client, row, weight=5, model_mapping="", group="vip", key=KEY, tag="")
    assert (row["weight"], row["group"], row["key_count"], row["tag"], row["note"]) == (5, "vip", 1, "", "n")
    bare = {"id": row["id"], "status": 2}
    row = await edited(client, bare)
    assert (row["status"], row["weight"]) == (2, 5)
    assert (await edited(client, {"id": row["id"], "priority": 0, "models": "x"}))["models"] == "x"


async def test_keys_are_roots_to_see(client: httpx2.AsyncClient, events: Written) -> None:
    row = await made(client, keys=[KEY, "short"])
    shown = await client.post(f"/channel/{row['id']}/keys")
    assert [one["key"] for one in shown.json()["data"]] == [KEY, "short"]
    assert [event.action for event in events.events] == ["channel.add", "channel.keys.show"]
    assert (await client.post(f"/channel/{row['id']}/keys", headers=ADMIN)).json()["code"] == "role_too_low"
    for path in ("/channel/", "/channel/search", f"/channel/{row['id']}", "/channel/tags"):
        told = (await client.get(path)).text
        assert KEY not in told, path
        assert "short" not in told, path
    await edited(client, row, keys=[OTHER])
    await client.put(f"/channel/{row['id']}/keys", json={"add": [KEY]})
    assert not [event for event in events.events if KEY in repr(event) or OTHER in repr(event)]
    assert events.events[-2].detail == {"fields": ["api_keys"]}


async def test_keys_are_switched(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    number = (await made(client, keys=[KEY, OTHER]))["id"]

    async def switch(**body: object) -> list[tuple[int, str]]:
        answer = await client.put(f"/channel/{number}/keys", json=body, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        return [(one["status"], one["reason"]) for one in answer.json()["data"]]

    assert await switch(disable=[0], reason="leaked", count=2) == [(2, "leaked"), (1, "")]
    assert (await only(storage)).api_keys == (Secret(OTHER),)
    await switch(disable=[1])
    row = (await client.get(f"/channel/{number}")).json()["data"]
    assert (row["status"], row["disabled_because"]) == (3, "every key of it is switched off")
    still = await edited(client, {"id": number, "status": 1})
    assert (still["status"], still["disabled_because"]) == (3, "every key of it is switched off")
    assert (await client.post("/channel/batch", json={"ids": [number], "action": "enable"})).json()["data"] == 1
    assert (await client.get(f"/channel/{number}")).json()["data"]["status"] == 3
    assert await switch(enable=[1]) == [(2, "leaked"), (1, "")]
    assert (await client.get(f"/channel/{number}")).json()["data"]["status"] == 1
    assert await switch(remove=[0], add=["sk-new"]) == [(1, ""), (1, "")]
    assert (await only(storage)).api_keys == (Secret(OTHER), Secret("sk-new"))
    for body, code in (
        ({"enable": [2]}, "key_not_found"),
        ({"enable": [0], "count": 3}, "keys_changed"),
        ({"remove": [0, 1]}, "invalid_channel"),
        ({"add": ["env:HOME"]}, "invalid_key"),
        ({"add": ["two words"]}, "invalid_channel"),
    ):
        answer = await client.put(f"/channel/{number}/keys", json=body)
        assert answer.json()["code"] == code, body
    assert len((await only(storage)).api_keys) == 2


async def test_one_that_the_gateway_switched_off_comes_back_with_another_key(
    client: httpx2.AsyncClient, storage: SQLStorage
) -> None:
    row = await made(client)
    await storage.disable_channel(row["id"], "HTTP 401")
    row = (await client.get(f"/channel/{row['id']}")).json()["data"]
    assert (row["status"], row["disabled_because"]) == (3, "HTTP 401")
    row = await edited(client, row, weight=2)
    assert (row["status"], row["weight"]) == (3, 2)
    assert (await edited(client, row, key=OTHER))["status"] == 1
    assert (await edited(client, row, status=2))["status"] == 2
    assert (await client.put("/channel/", json={"id": row["id"], "status": 3})).json()["code"] == "invalid_status"
    assert (await edited(client, {"id": row["id"], "status": 1}))["disabled_because"] == ""


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"name": ""}, 400, "invalid_body", "name"),
        ({"name": "a\nb"}, 400, "invalid_channel", "name"),
        ({"type": 0}, 400, "unknown_type", "type"),
        ({"type": 11}, 400, "unknown_type", "type"),
        ({"type": 14, "provider": "openai"}, 400, "type_conflict", "type"),
        ({"type": 14, "provider": "anthropic"}, 200, None, None),
        ({"provider": "opnai"}, 400, "type_conflict", "type"),
        ({"key": ""}, 400, "invalid_channel", "key"),
        ({"key": "file:secrets"}, 400, "invalid_key", "key"),
        ({"key": "Bearer sk-1"}, 400, "invalid_channel", "key"),
        ({"models": ""}, 400, "invalid_channel", "models"),
        ({"model_mapping": "["}, 400, "invalid_body", "model_mapping"),
        ({"model_mapping": '{"a": 1}'}, 400, "invalid_body", "model_mapping"),
        ({"options": {"regoin": "x"}}, 400, "invalid_channel", "options"),
        ({"headers": {"host": "x"}}, 400, "invalid_header", "headers"),
        ({"headers": {"x-a": "b\r\nx-c: d"}}, 400, "invalid_header", "headers"),
        ({"weight": -1}, 400, "invalid_body", "weight"),
        ({"status": 3}, 400, "invalid_status", "status"),
        ({"color": 1}, 400, "unknown_field", "color"),
        ({"used_quota": 7, "balance": 3, "declared": True, "created_time": 1, "id": 99}, 200, None, None),
        ({"type": 8}, 400, "invalid_channel", "base_url"),
        ({"type": 5}, 200, None, None),
    ],
)
async def test_bodies(
    client: httpx2.AsyncClient, body: dict[str, object], status: int, code: str | None, param: str | None
) -> None:
    answer = await client.post("/channel/", json={"name": "a", "type": 1, "key": KEY, **body})
    assert (answer.status_code, answer.json().get("code"), answer.json().get("param")) == (status, code, param)
    assert KEY not in answer.text
    if code is None:
        row = answer.json()["data"][0]
        assert (row["id"], row["used_quota"], row["balance"], row["declared"]) == (1, 0, 0, False)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://new.test/v1", None),
        ("https://nowhere.test/v1", None),
        ("http://10.1.2.3:11434", None),
        ("http://inside.test", None),
        ("https://inside.test", None),
        ("https://{region}.vendor.test", None),
        ("http://new.test/v1", "http is for addresses that [outbound] allow names"),
        ("http://mixed.test/v1", "http is for addresses"),
        ("http://nowhere.test", "http is for addresses"),
        ("https://meta.test", "169.254.169.254"),
        ("https://169.254.169.254/latest", "not a public address"),
        ("https://127.0.0.1", "not a public address"),
        ("https://[::1]/", "not a public address"),
        ("https://[::ffff:127.0.0.1]", "not a public address"),
        ("https://[64:ff9b::7f00:1]", "not a public address"),
        ("https://127.1", "usual form"),
        ("https://2130706433", "usual form"),
        ("https://user@new.test", "user name"),
        ("https://new.test/#x", "fragment"),
        ("https://new.test:0", "port 0"),
        ("https://new.test\\@127.0.0.1", "user name"),
        ("file:///etc/passwd", "https://"),
        ("gopher://new.test", "https://"),
    ],
)
async def test_hosts(client: httpx2.AsyncClient, url: str, told: str | None) -> None:
    body = {"name": "a", "provider": "openai-compatible", "key": KEY, "base_url": url}
    answer = await client.post("/channel/", json=body)
    assert answer.status_code == (200 if told is None else 400), answer.text
    if told is not None:
        assert answer.json()["param"] == "base_url"
        assert told in answer.json()["message"]
        assert (await client.get("/channel/")).json()["total"] == 0


async def test_a_proxy_is_shown_without_its_password_and_led_nowhere_else(
    client: httpx2.AsyncClient, storage: SQLStorage
) -> None:
    row = await made(client, base_url="https://relay.test/v1", proxy="http://me:hunter2@relay.test:3128")
    assert row["proxy"] == "http://********@relay.test:3128"
    assert await edited(client, row, weight=7) == {**row, "weight": 7}
    assert (await only(storage)).proxy == Secret("http://me:hunter2@relay.test:3128")
    for proxy, code in (
        ("http://127.0.0.1:3128", "host_refused"),
        ("http://[::1]", "host_refused"),
        ("socks5://relay.test", "invalid_channel"),
        ("http://relay.test/path", "invalid_channel"),
    ):
        answer = await client.put("/channel/", json={"id": row["id"], "proxy": proxy})
        assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, code, "proxy"), answer.text
        assert "hunter2" not in answer.text
    client.headers.update(ADMIN)
    answer = await client.put("/channel/", json={"id": row["id"], "proxy": "http://evil.test:3128"})
    assert (answer.status_code, answer.json()["code"]) == (403, "new_host")
    assert (await client.put("/channel/", json={"id": row["id"], "proxy": ""})).status_code == 403, "without its key"
    assert (await only(storage)).proxy == Secret("http://me:hunter2@relay.test:3128")


@pytest.mark.parametrize(
    ("param", "given"),
    [
        ("proxy", "http://********@relay.test:3129"),
        ("proxy", "https://********@relay.test:3128"),
        ("headers", {"x-token": "********"}),
        ("headers", {"x-api-key": "********", "x-other": "********"}),
    ],
)
async def test_what_is_shown_for_a_secret_is_kept_as_none(
    client: httpx2.AsyncClient, storage: SQLStorage, param: str, given: object
) -> None:
    """Whoever corrects what stands around it has to say the secret again."""
    secrets = {"headers": {"x-api-key": "hidden"}, "proxy": "http://me:hunter2@relay.test:3128"}
    row = await made(client, base_url="https://relay.test/v1", **secrets)
    before = await only(storage)
    answer = await client.put("/channel/", json={"id": row["id"], param: given})
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "masked_secret", param)
    anew = {"name": "b", "provider": "openai-compatible", "key": KEY, "base_url": "https://relay.test", param: given}
    assert (await client.post("/channel/", json=anew)).json()["code"] == "masked_secret", "a new one has none to keep"
    assert list(await storage.list_channels()) == [before]
    both = {"headers": {"x-api-key": "********", "x-b": "1"}, "proxy": row["proxy"]}
    await edited(client, row, **both)
    assert (await only(storage)).headers == {"x-api-key": "hidden", "x-b": "1"}


async def test_new_hosts_are_for_root(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    await made(client, name="root's", type=50, base_url="https://relay.test/v1")
    client.headers.update(ADMIN)
    relay = {"type": 50, "base_url": "https://relay.test/other"}
    row = await made(client, name="mine", **relay)
    await made(client, name="vendor", type=14)
    option = {"id": 1, "options": {"where": "evil.test"}}
    assert (await client.put("/channel/", json={"id": 1, "base_url": "https://{where}/v1"})).status_code == 403
    template = {"id": 1, "base_url": "https://{where}/v1", "options": {"where": "relay.test"}}
    await edited(client, template, priority=1)
    assert (await client.put("/channel/", json=option)).json()["code"] == "new_host", "an option can be a host too"
    for where in (
        {"type": 50, "base_url": "https://evil.test"},
        {"type": 50, "base_url": "https://relay.test:8443/v1"},
        {"type": 3, "base_url": "https://relay.test", "options": {"authority": "evil.test"}},
    ):
        answer = await client.post("/channel/", json={"name": "b", "key": KEY, **where})
        assert (answer.status_code, answer.json()["code"]) == (403, "new_host"), where
    answer = await client.put("/channel/", json={"id": row["id"], "base_url": "https://evil.test"})
    assert answer.json()["code"] == "new_host"
    assert sorted(one.name for one in await storage.list_channels()) == ["mine", "root's", "vendor"]


async def test_keys_are_not_led_elsewhere(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    """An administrator cannot see a key; so it does not go where he says either."""
    await made(client, name="relay", type=50, base_url="https://relay.test/v1")
    number = (await made(client, name="b", headers={"x-token": "hidden"}))["id"]
    client.headers.update(ADMIN)
    there = {"id": number, "provider": "openai-compatible", "base_url": "https://relay.test/v1"}
    for body in (there, {"id": number, "provider": "anthropic"}, {**there, "headers": {"x-token": "********"}}):
        answer = await client.put("/channel/", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "key_required"), body
    answer = await client.put("/channel/", json={**there, "key": OTHER})
    assert answer.json()["code"] == "key_required", "its headers hold a secret too"
    await edited(client, {**there, "key": OTHER, "headers": {}})
    found = {one.name: one for one in await storage.list_channels()}
    assert (found["b"].base_url, found["b"].api_keys) == ("https://relay.test/v1", (Secret(OTHER),))


async def test_what_the_settings_declare(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    await storage.declare([Channel(id=0, name="a", api_keys=(Secret(KEY),))], [])
    row = (await client.get("/channel/1")).json()["data"]
    assert row["declared"]
    answer = await client.put("/channel/", json={**row, "weight": 2})
    assert (answer.status_code, answer.json()["code"]) == (409, "channel_declared")
    answer = await client.put("/channel/", json={**row, "status": 2, "tag": "t"})
    assert (answer.json()["data"]["status"], answer.json()["data"]["tag"]) == (2, "t")
    assert "next start" in answer.json()["message"]
    assert (await client.delete("/channel/1")).json()["code"] == "channel_declared"
    assert (await client.delete("/channel/disabled")).json()["data"] == 0


async def test_many_at_once(client: httpx2.AsyncClient, storage: SQLStorage, events: Written) -> None:
    numbers = [(await made(client, name=name, tag=tag))["id"] for name, tag in (("a", "x"), ("b", "x"), ("c", ""))]

    async def done(method: str, path: str, **body: object) -> object:
        answer = await client.request(method, path, json=body, headers=ADMIN)
        return answer.json()["data"] if answer.status_code == 200 else answer.json()["code"]

    async def told(field: str) -> list[object]:
        rows = (await client.get("/channel/?order=name")).json()["data"]
        return [row[field] for row in rows]

    assert await done("POST", "/channel/batch", ids=numbers, action="edit", priority=4, group="vip") == 3
    assert (await told("priority"), await told("group")) == ([4] * 3, ["vip"] * 3)
    assert await done("POST", "/channel/batch", ids=numbers[1:], action="disable") == 2
    assert await done("POST", "/channel/tag/disabled", tag="x") == 2
    assert await told("status") == [2, 2, 2]
    assert await done("POST", "/channel/batch", ids=numbers[2:], action="enable") == 1
    assert await done("POST", "/channel/tag/enabled", tag="x") == 2
    assert await told("status") == [1, 1, 1]
    assert await done("PUT", "/channel/tag", tag="x", new_tag="y", models="m") == 2
    assert (await told("tag"), await told("models")) == (["y", "y", ""], ["m", "m", "*"])
    tags = (await client.get("/channel/tags")).json()["data"]
    assert tags == [{"tag": "y", "channels": 2, "enabled": 2}]
    assert await done("POST", "/channel/tag/enabled", tag="gone") == 0
    assert await done("POST", "/channel/batch", ids=[numbers[0], 99], action="delete") == "channel_not_found"
    assert await done("POST", "/channel/batch", ids=numbers, action="edit", key=KEY) == "unknown_field"
    assert await done("POST", "/channel/batch", ids=numbers[:1], action="delete") == 1
    assert await done("POST", "/channel/tag/disabled", tag="y") == 1
    assert (await client.delete("/channel/disabled")).json()["data"] == 1
    assert [one.name for one in await storage.list_channels()] == ["c"]
    assert {event.action for event in events.events} == {
        "channel.add",
        "channel.batch",
        "channel.tag",
        "channel.delete",
    }


async def test_a_copy_is_off_until_it_is_switched_on(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    number = (await made(client, tag="t", models="m", headers={"x-a": "1"}))["id"]
    row = (await client.post(f"/channel/{number}/copy", json={})).json()["data"]
    assert (row["name"], row["status"], row["tag"], row["models"], row["headers"]) == (
        "a-copy",
        2,
        "t",
        "m",
        {"x-a": "1"},
    )
    first, second = await storage.list_channels()
    assert first.api_keys == second.api_keys
    assert (await client.post(f"/channel/{number}/copy", json={"name": "a"})).json()["code"] == "name_taken"


async def test_filters(client: httpx2.AsyncClient) -> None:
    await made(client, name="a", group="vip", models="gpt-*")
    await made(client, name="b", type=14, tag="t", status=2)
    for query, names in (
        ("", ["b", "a"]),
        ("status=1", ["a"]),
        ("status=2", ["b"]),
        ("type=14", ["b"]),
        ("type=11", []),
        ("type=14&provider=openai", []),
        ("provider=openai", ["a"]),
        ("group=vip", ["a"]),
        ("tag=t", ["b"]),
        ("model=gpt-4o", ["b", "a"]),
        ("keyword=A", ["a"]),
        ("page_size=1&p=1", ["a"]),
    ):
        answer = (await client.get(f"/channel/?{query}")).json()
        assert [row["name"] for row in answer["data"]] == names, query
    assert (await client.get("/channel/search?keyword=b&page_size=1")).json()["total"] == 1
    assert (await client.get("/channel/99")).json()["code"] == "channel_not_found"
    assert (await client.delete("/channel/99")).status_code == 404


async def test_config_and_options(client: httpx2.AsyncClient, storage: SQLStorage) -> None:
    config = json.dumps({"region": "eu-west-1", "ak": "AKIA", "sk": "secret"})
    row = await made(client, type=33, key="", config=config)
    channel = await only(storage)
    assert (channel.options, channel.api_keys) == ({"region": "eu-west-1"}, (Secret("AKIA|secret"),))
    assert json.loads(row["config"]) == {"region": "eu-west-1"}
    row = await edited(client, row, config={"region": "us-east-1"})
    assert row["options"] == {"region": "us-east-1"}
    answer = await client.put("/channel/", json={"id": row["id"], "config": "{}"})
    assert answer.json()["code"] == "invalid_channel", "the region is needed"
    row = await edited(client, row, type=14, key=KEY)
    assert (row["provider"], row["options"]) == ("anthropic", {})
