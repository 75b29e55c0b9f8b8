"""How upstreams that speak chat completions say no: by a status, or in the place of an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import UpstreamFailed, UpstreamRefused
from oneapi_asgi.wire.events import Broken, Finished
from oneapi_asgi.wire.openai.chat import decode_chat, refusal

from .streams import chunk as sent
from .streams import event
from .test_openai_chat_decode import TARGET, decode

NO_ACCESS = "The upstream refused the gateway's access."

ERRORS: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"error": {"message": "slow", "type": "server_error", "code": "overloaded"}}, 502, "slow", "overloaded"),
    ({"error": {"message": "slow", "code": 429}}, 429, "slow", "upstream_refused"),
    ({"error": {"message": "long", "type": "invalid_request_error", "code": "too_long"}}, 400, "long", "too_long"),
    ({"error": "plain"}, 502, "plain", "upstream_error"),
    ({"error": {"message": "bad key sk-1", "code": 401}}, 502, NO_ACCESS, "upstream_error"),
    ({"error": True, "message": "so"}, 502, "so", "upstream_error"),
    ({"base_resp": {"status_code": 1008, "status_msg": "no money"}, "choices": None}, 502, "no money", "1008"),
    ({"error_code": 17, "error_msg": "too many"}, 502, "too many", "17"),
    ({"code": "InvalidParameter", "message": "odd"}, 502, "odd", "InvalidParameter"),
    ({"object": "error", "message": "too long", "code": 400}, 400, "too long", "upstream_refused"),
    ({"message": "busy"}, 502, "busy", "upstream_error"),
    ({"detail": "busy"}, 502, "busy", "upstream_error"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "message", "code"), ERRORS)
def test_c64_errors_under_a_status_of_success(
    body: dict[str, Any], status: int, message: str, code: str | None
) -> None:
    for events in (decode_chat(msgspec.json.encode(body), TARGET), decode(sent({"content": "Hi"}) + event(body))[0]):
        last = events[-1]
        assert isinstance(last, Broken)
        assert (last.error.status, last.error.message, last.error.code) == (status, message, code)
        assert isinstance(last.error, UpstreamRefused | UpstreamFailed)
        assert not any(isinstance(event, Finished) for event in events)
    assert decode(event(body))[1], "whole: it told of its own error"


def test_an_error_within_a_choice() -> None:
    choices = [
        {"index": 0, "delta": {"content": ""}, "error": {"message": "gone", "code": 502}, "finish_reason": "error"}
    ]
    last = decode(sent({"content": "Hi"}) + event({"id": "1", "choices": choices}))[0][-1]
    assert isinstance(last, Broken)
    assert last.error.message == "gone"


NOTHING = ("m", "upstream_refused", "invalid_request_error", None)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(
            400,
            {"error": {"message": "m", "type": "t", "param": "p", "code": "unsupported_parameter"}},
            ("m", "unsupported_parameter", "t", "p"),
            id="C58",
        ),
        pytest.param(429, {"error": {"message": "m", "code": 429}}, NOTHING, id="C58-number"),
        pytest.param(500, {"error": "m"}, NOTHING, id="C57-text"),
        pytest.param(422, {"message": "m", "code": 20015}, ("m", "20015", *NOTHING[2:]), id="message"),
        pytest.param(422, {"detail": "m"}, NOTHING, id="detail"),
        pytest.param(422, {"detail": [{"loc": ["a"], "msg": "m"}]}, NOTHING, id="details"),
        pytest.param(400, {"msg": "m"}, NOTHING, id="msg"),
        pytest.param(400, {"success": False, "errors": [{"message": "m"}]}, NOTHING, id="errors"),
        pytest.param(400, "m", NOTHING, id="string"),
        pytest.param(400, [{"error": {"message": "m", "code": 400}}], NOTHING, id="list"),
        pytest.param(400, {"error": {"message": "m" * 9000}}, ("m" * 2000, *NOTHING[1:]), id="bounded"),
    ],
)
def test_refusals(status: int, body: Any, expected: tuple[object, ...]) -> None:
    refused = refusal(status, msgspec.json.encode(body))
    assert refused.status == status
    assert (refused.message, refused.code, refused.type, refused.param) == expected


@pytest.mark.parametrize("body", [b"", b"<html>secret</html>", b"{}", b"null", b"[]", b"[" * 100_000, b'{"error":{}}'])
def test_refusals_that_say_nothing(body: bytes) -> None:
    assert "503" in refusal(503, body).message or body.startswith(b"[[")
    assert "secret" not in refusal(503, body).message
    assert len(refusal(503, b"Too many" + b"!" * 9000).message) == 2000
