"""What a channel may change of calls, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import Channel, Secret
from oneapi_asgi.overrides import Via, check_overrides, credentials_in, mistaken_overrides, via

PASSWORD = "hunter2-hunter2-hunter2"


def mistakes(**changes: Any) -> list[tuple[str, str]]:
    found = [*mistaken_overrides(Channel(id=1, name="c", **changes))]
    if found:
        with pytest.raises(ValueError, match="of the channel 'c'") as raised:
            check_overrides(Channel(id=1, name="c", **changes))
        assert PASSWORD not in str(raised.value)
    return [(field, key) for field, key, _ in found]


def test_what_may_be_changed() -> None:
    headers = {
        "Authorization": "Bearer x",
        "Cookie": "a=b; c=d",
        "X-Api-Key": "k",
        "anthropic-beta": "a,b",
        "x": "1\t2",
    }
    parameters = {"temperature": 0.5, "stop": None, "max_tokens": 2**40, "a-b": [{"c": ["ü", True]}], "_x": ""}
    found = mistakes(headers=headers, parameters=parameters, system_prompt="Ü\n", proxy=Secret("http://p.example"))
    assert found == []


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"),
        *("Host", "Content-Length", "Content-Type", "Content-Encoding", "Accept-Encoding", "Expect"),
        *("Proxy-Authorization", "proxy-authenticate"),
        *("", "a b", "a:", "a\r\nb", "ü", "a\0", "x" * 200),
    ],
)
def test_headers_that_no_channel_sets(name: str) -> None:
    assert mistakes(headers={name: PASSWORD}) == [("headers", name[:80])]


@pytest.mark.parametrize("value", ["", " a", "a ", "a\r\nx-b: c", "a\nb", "a\rb", "a\0b", "ü", "\x7f", "x" * 9_000])
def test_values_of_headers_that_cannot_be_sent(value: str) -> None:
    assert mistakes(headers={"x-a": value}) == [("headers", "x-a")]


def test_a_header_is_there_once() -> None:
    assert mistakes(headers={"X-A": "1", "x-a": "2"}) == [("headers", "x-a")]
    assert mistakes(headers={f"x-{n}": "y" * 8_000 for n in range(5)}) == [("headers", "")]


@given(st.text(min_size=1, max_size=6), st.text(max_size=6))
def test_no_header_can_begin_another_line(name: str, value: str) -> None:
    if not mistakes(headers={name: value}):
        line = f"{name}: {value}"
        assert line.isascii()
        assert not {"\r", "\n", "\0"} & set(line)
        assert ":" not in name


@pytest.mark.parametrize("name", ["model", "Model", "stream", "STREAM", "stream_options", "", "a b", 'a"b', "a.b", "ü"])
def test_fields_that_no_channel_sets(name: str) -> None:
    assert mistakes(parameters={name: 1}) == [("parameters", name)]


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**63, b"x", {1: 2}, {"a": {"\ud800": 1}}, "\ud800", (1,), {1}, object(), nested(64)],
)
def test_values_that_are_no_json(value: object) -> None:
    assert mistakes(parameters={"a": value}) == [("parameters", "a")]


def test_parameters_have_a_size() -> None:
    assert mistakes(parameters={"a": "x" * 40_000}) == [("parameters", "")]


@pytest.mark.parametrize("prompt", ["a\0b", "\ud800", "x" * 16_001])
def test_prompts_that_cannot_be_kept(prompt: str) -> None:
    assert mistakes(system_prompt=prompt) == [("system_prompt", "")]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://proxy.example", Via(False, "proxy.example", 80)),
        ("https://Proxy.example/", Via(True, "proxy.example", 443)),
        ("http://10.0.0.1:3128", Via(False, "10.0.0.1", 3128)),
        ("http://[::1]:3128", Via(False, "::1", 3128)),
        ("http://user@p", Via(False, "p", 80, Secret("Basic dXNlcjo="))),
        ("http://user:p%40ss@p", Via(False, "p", 80, Secret("Basic dXNlcjpwQHNz"))),
        ("http://:x@p", Via(False, "p", 80, Secret("Basic Ong="))),
    ],
)
def test_where_a_proxy_is(url: str, found: Via) -> None:
    assert via(url) == found
    assert mistakes(proxy=Secret(url)) == []


@pytest.mark.parametrize(
    "rest",
    [
        *("proxy.example", "socks5://{}@p", "socks5h://{}@p", "ftp://{}@p", "http://{}@", "http://", "http:///a", ""),
        *("http://{}@p:0", "http://{}@p:x", "http://{}@p/a", "http://{}@p?a", "http://{}@p#a", "http://{}@p q"),
        *("http://{}@p@q", "http://{}@p\r\nx: y", "http://{}@p\\q", "http://ü", "//{}@p", "http://[{}"),
    ],
)
def test_what_is_no_proxy(rest: str) -> None:
    assert mistakes(proxy=Secret(rest.format(f"user:{PASSWORD}"))) == [("proxy", "")]


def test_what_may_be_a_credential_is_not_shown() -> None:
    channel = Channel(
        id=1, name="c", headers={"x-a": f"Token {PASSWORD}"}, proxy=Secret(f"http://u:{PASSWORD}@proxy.example")
    )
    assert PASSWORD not in repr(channel)
    assert "'x-a'" in repr(channel)
    assert credentials_in(channel.headers) == [PASSWORD]
    assert credentials_in({"accept": "application/js", "x": "2023-06-01"}) == []
