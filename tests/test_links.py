"""Files behind links: from hosts that an operator named, within bounds, and never by way of another host."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import pytest
from answering import Answering, Given

from oneapi_asgi.call import Call
from oneapi_asgi.errors import BadRequest
from oneapi_asgi.links import LinkedFiles
from oneapi_asgi.upstream.httptools import HttptoolsUpstream
from oneapi_asgi.upstream.httpx import HttpxUpstream
from oneapi_asgi.upstream.seam import Outgoing, Timeouts, UpstreamFault
from oneapi_asgi.wire.chat import Chat, File, Message, Part, Text, ToolCall, ToolResult

PNG = Given(headers=[("content-type", "Image/PNG; q=1")], body=[b"\x89P", b"NG"])
HOSTS = ("files.example.com", "*.cdn.example.com")


def image(url: str | None, **more: Any) -> File:
    return File(kind="image", url=url, **more)


def chat(*parts: Part) -> Chat:
    return Chat(model="m", messages=(Message(role="user", parts=(Text(text="What is this?"), *parts)),))


def png(_: Outgoing) -> Given:
    return Given(headers=PNG.headers, body=PNG.body)


def linked(upstream: Answering, hosts: Sequence[str] = HOSTS, **options: Any) -> LinkedFiles:
    return LinkedFiles(upstream, hosts, **options)


async def test_a_file_takes_the_place_of_its_link() -> None:
    upstream = Answering(png)
    link = image("https://files.example.com/a.png?sig=1", detail="high", name="a", cache="5m")
    asked = chat(link, image("https://files.example.com/a.png?sig=1"))
    made = await linked(upstream).prepared(asked, Call())
    data = base64.b64encode(b"\x89PNG").decode()
    first, second = made.messages[0].parts[1:]
    assert first == File(kind="image", media_type="image/png", data=data, detail="high", name="a", cache="5m")
    assert second == File(kind="image", media_type="image/png", data=data)
    assert asked == chat(link, image("https://files.example.com/a.png?sig=1")), "what was asked is as it was"
    (request,) = upstream.asked
    assert (request.method, request.body) == ("GET", b"")
    assert {name for name, _ in request.headers} == {"accept-encoding", "user-agent"}, "nothing of the caller's"
    assert request.timeouts == Timeouts(first_byte=10.0, idle=10.0, total=30.0)
    assert upstream.given[0].closed


async def test_files_of_results_are_fetched_too() -> None:
    upstream = Answering(png)
    result = ToolResult(
        call_id="c", parts=(Text(text="see"), image("http://files.example.com/a"), image(None, data="A"))
    )
    asked = Chat(
        model="m",
        messages=(
            Message(role="assistant", parts=(ToolCall(id="c", name="f"),)),
            Message(role="tool", parts=(result,)),
        ),
    )
    made = await linked(upstream).prepared(asked, Call())
    (filled,) = made.messages[1].parts
    assert isinstance(filled, ToolResult)
    assert filled.parts[0] == Text(text="see")
    assert isinstance(filled.parts[1], File)
    assert (filled.parts[1].url, filled.parts[1].media_type) == (None, "image/png")
    assert filled.parts[2] == image(None, data="A")


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.com",
        "HTTPS://FILES.example.com/a",
        "http://files.example.com:8443/a?b=c#d",
        "https://a.b.cdn.example.com/ä/%20?q=[1]",
        "https://files.example.com?x",
    ],
)
async def test_allowed(url: str) -> None:
    upstream = Answering(png)
    await linked(upstream).prepared(chat(image(url)), Call())
    assert [request.url for request in upstream.asked] == [url]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a",
        "https://cdn.example.com/a",
        "https://files.example.com.evil.com/a",
        "https://evil.com/files.example.com",
        "https://evil.com#@files.example.com/",
        "https://evil.com\\@files.example.com/",
        "https://user@files.example.com/",
        "https://files.example.com@evil.com/",
        "https://files.example.com:80:80/",
        "https://files.example.com:x/",
        "https://files.example.com\t/",
        "https://files.example.com/a b",
        "https://files.example.com/a\\b",
        "https://files.example.com/\r\nhost: evil.com",
        "https://files.example.com/a\n",
        "https://ﬁles.example.com/",
        "https://[::1]/",
        "https://[::1",
        "https:///a",
        "//files.example.com/a",
        "ftp://files.example.com/a",
        "file:///etc/passwd",
        "gs://files.example.com/a",
        "data:image/png;base64,AA==",
        "",
    ],
)
async def test_not_allowed(url: str) -> None:
    upstream = Answering(png)
    asked = chat(image(url))
    assert await linked(upstream).prepared(asked, Call()) is asked
    assert upstream.asked == []


async def test_hosts_are_named_in_any_case() -> None:
    upstream = Answering(png)
    await linked(upstream, ["Files.Example.com"]).prepared(chat(image("https://files.example.com/a")), Call())
    assert len(upstream.asked) == 1


async def test_others_stay_links() -> None:
    other, bare = image("https://other.example/a"), image(None, file_id="file-1")
    made = await linked(Answering(png)).prepared(chat(image("https://files.example.com/a"), other, bare), Call())
    assert made.messages[0].parts[2:] == (other, bare)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(Given(status=404), id="404"),
        pytest.param(Given(status=206, headers=PNG.headers, body=[b"x"]), id="206"),
        pytest.param(Given(status=302, headers=[("location", "http://169.254.169.254/")]), id="redirect"),
        pytest.param(Given(headers=PNG.headers, body=[b"x"], fault=UpstreamFault("cut")), id="cut"),
        pytest.param(Given(headers=[*PNG.headers, ("content-encoding", "gzip")], body=[b"x"]), id="compressed"),
    ],
)
async def test_what_cannot_be_fetched(given: Given) -> None:
    upstream = Answering(lambda _: given)
    with pytest.raises(BadRequest, match="cannot be fetched") as caught:
        await linked(upstream).prepared(chat(image("https://files.example.com/a")), Call())
    assert caught.value.code == "invalid_file"
    assert given.closed
    assert len(upstream.asked) == 1, "a redirect is not followed"


@pytest.mark.parametrize("error", [UpstreamFault("blocked"), ValueError("label too long"), TimeoutError()])
async def test_what_cannot_be_asked(error: Exception) -> None:
    def answer(_: Outgoing) -> Given:
        raise error

    with pytest.raises(BadRequest, match="cannot be fetched"):
        await linked(Answering(answer)).prepared(chat(image("https://files.example.com/a")), Call())


@pytest.mark.parametrize("told", ["", "png", "image/", "image/png\u0661/x", "image/p\u00e4ng"])
async def test_a_file_without_a_media_type(told: str) -> None:
    upstream = Answering(lambda _: Given(headers=[("content-type", told)] if told else [], body=[b"x"]))
    with pytest.raises(BadRequest, match="no media type"):
        await linked(upstream).prepared(chat(image("https://files.example.com/a")), Call())


async def test_bounds() -> None:
    given = Given(headers=PNG.headers, body=[b"x" * 60] * 100)
    with pytest.raises(BadRequest, match="too large"):
        await linked(Answering(lambda _: given), max_bytes=100).prepared(
            chat(image("https://files.example.com/a")), Call()
        )
    assert given.closed
    links = [image(f"https://files.example.com/{number}") for number in range(17)]
    upstream = Answering(png)
    with pytest.raises(BadRequest, match="more than 16 links"):
        await linked(upstream).prepared(chat(*links), Call())
    assert upstream.asked == []
    await linked(upstream).prepared(chat(*links[:16]), Call())
    assert len(upstream.asked) == 16


async def test_a_file_that_drips() -> None:
    given = Given(headers=PNG.headers, body=[b"x"] * 100, wait=0.02)
    files = linked(Answering(lambda _: given), timeouts=Timeouts(total=0.05))
    with pytest.raises(BadRequest, match="cannot be fetched"):
        await files.prepared(chat(image("https://files.example.com/a")), Call())
    assert given.closed


async def test_where_one_fails_the_others_are_not_fetched_on() -> None:
    slow = Given(headers=PNG.headers, body=[b"x"] * 1000, wait=0.01)
    upstream = Answering(lambda request: slow if request.url.endswith("slow") else Given(status=404))
    links = (image("https://files.example.com/bad"), image("https://files.example.com/slow"))
    with pytest.raises(BadRequest, match="bad"):
        await linked(upstream).prepared(chat(*links), Call())
    await asyncio.sleep(0.03)
    assert slow.closed


async def test_a_long_link_is_not_repeated_whole() -> None:
    url = "https://files.example.com/" + "a" * 10_000
    with pytest.raises(BadRequest) as caught:
        await linked(Answering(lambda _: Given(status=404))).prepared(chat(image(url)), Call())
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("make", [HttptoolsUpstream, HttpxUpstream])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/a",
        "http://2130706433/a",
        "http://127.1/a",
        "http://0x7f.1/a",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:9/a",
        "http://files.example.com:99999/a",
        f"http://{'a' * 70}.example.com/",
        "http://..../",
        "http://-/",
    ],
)
async def test_the_guard_holds_even_where_all_hosts_are_named(make: Any, url: str) -> None:
    async with make() as upstream:
        with pytest.raises(BadRequest, match="cannot be fetched"):
            await LinkedFiles(upstream, ["*"]).prepared(chat(image(url)), Call())
