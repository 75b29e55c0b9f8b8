"""``channel test``, against a provider on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from commands import KEY, declared, go_elsewhere, run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


Answer = Callable[[dict[str, Any], str], tuple[int, bytes]]


@contextmanager
def upstream(answer: Answer) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A provider on a real socket, with what it was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path, body))
            status, content = answer(body, self.headers["authorization"] or "")
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", asked
        finally:
            server.shutdown()
            thread.join()


def served(body: dict[str, Any], authorization: str) -> tuple[int, bytes]:
    assert authorization == f"Bearer {KEY}"
    return 200, json.dumps({"model": body["model"], "choices": [{}]}).encode()


LOCAL = {"ONEAPI_OUTBOUND__ALLOW": '["127.0.0.0/8"]'}


def test_a_channel_is_tested_with_its_first_plain_model() -> None:
    with upstream(served) as (base_url, asked):
        run(
            "channel", "add", "a", "--base-url", base_url, "--key", KEY, "--models", "o*,gpt-4o", "--map", "gpt-4o=prod"
        )
        result = run("channel", "test", "a", environ=LOCAL)
        run("channel", "test", "a", "--model", "o3", environ=LOCAL)
    assert result.stdout.startswith("a: 200 answered by prod, 0.")
    assert [(path, body["model"]) for path, body in asked] == [
        ("/v1/chat/completions", "prod"),
        ("/v1/chat/completions", "o3"),
    ]
    assert not asked[0][1].get("stream")


def test_a_declared_channel_is_tested_before_it_was_ever_served() -> None:
    with upstream(served) as (base_url, _):
        declared(
            f'[storage]\nurl = "memory:"\n[outbound]\nallow = ["127.0.0.1"]\n'
            f'[[channels]]\nname = "a"\nbase_url = "{base_url}"\napi_key = "{KEY}"\nmodels = ["m"]\n'
        )
        assert "200 answered by m" in run("channel", "test", "a").stdout


@pytest.mark.parametrize(
    ("status", "content", "told"),
    [
        (401, json.dumps({"error": {"message": f"bad key {KEY}\x1b[31m"}}).encode(), "a: 401 bad key …"),
        (404, b"<html>\xff\n", "a: 404 The upstream refused the request and did not say why"),
        (200, b'{"choices": []}', 'a: 200 but no answer that can be read: {"choices": []}'),
        (200, b"x" * (2 << 20), "a: 200 but no answer that can be read: xxx"),
    ],
)
def test_a_channel_that_does_not_serve_fails_the_test(status: int, content: bytes, told: str) -> None:
    with upstream(lambda body, authorization: (status, content)) as (base_url, _):
        run("channel", "add", "a", "--base-url", base_url, "--key", KEY)
        shown = run("channel", "test", "a", "--model", "m", code=1, environ=LOCAL).stdout
    assert shown.startswith(told)
    assert shown.endswith(" s\n")
    assert shown[:-1].isprintable()
    assert KEY not in shown
    assert len(shown) < 300


def test_an_upstream_that_cannot_be_reached_is_told() -> None:
    run("channel", "add", "a", "--base-url", "http://127.0.0.1:1/v1", "--key", KEY, "--models", "m")
    assert "a: connect: 127.0.0.1:1: Connection refused," in run("channel", "test", "a", code=1, environ=LOCAL).stdout
    assert "[outbound] allow" in run("channel", "test", "a", code=1).stdout


def test_an_upstream_that_takes_too_long_is_told() -> None:
    def slow(body: dict[str, Any], authorization: str) -> tuple[int, bytes]:
        sleep(0.5)
        return 200, b"{}"

    with upstream(slow) as (base_url, _):
        run("channel", "add", "a", "--base-url", base_url, "--key", KEY, "--models", "m")
        shown = run("channel", "test", "a", code=1, environ={**LOCAL, "ONEAPI_TIMEOUTS__TOTAL": "0.1"}).stdout
    assert shown.startswith("a: no whole answer within 0.1 s, 0.1")


def test_a_channel_test_needs_a_model() -> None:
    run("channel", "add", "a", "--provider", "ollama")
    assert "say --model MODEL" in run("channel", "test", "a", code=2).stderr
