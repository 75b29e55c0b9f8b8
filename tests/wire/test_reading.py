"""Bodies into values, complaints that can be acted upon, ids that every format takes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.reading import decoded, legal_id, new_call_id, object_of, unread


class _Part(Struct):
    text: str


class _Message(Struct):
    content: list[_Part]
    bias: dict[str, float] = {}


class _Body(Struct):
    messages: list[_Message]
    n: int = 1


BODY = msgspec.json.Decoder(_Body)


def test_decoded() -> None:
    assert decoded(BODY, b'{"messages":[{"content":[{"text":"a"}]}]}').messages[0].content[0].text == "a"


@pytest.mark.parametrize(
    ("body", "code", "param", "message"),
    [
        (b"", "invalid_json", None, "not valid JSON"),
        (b"{", "invalid_json", None, "not valid JSON"),
        (b'{"messages":[{"content":[{"text":"\xff"}]}]}', "invalid_json", None, "not valid JSON"),
        (b"[]", "invalid_type", None, "Expected `object`"),
        (b"{}", "missing_required_parameter", None, "missing required field `messages`"),
        (b'{"messages":1}', "invalid_type", "messages", "'messages': Expected `array`"),
        (b'{"messages":[{"content":[{"text":1}]}]}', "invalid_type", "messages[0].content[0].text", "Expected `str`"),
        (b'{"messages":[{"content":[{}]}]}', "missing_required_parameter", "messages[0].content[0]", "`text`"),
        (b'{"messages":[{"content":[],"bias":{"a":"b"}}]}', "invalid_type", "messages[0].bias[]", "Expected `float`"),
    ],
)
def test_complaints(body: bytes, code: str, param: str | None, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decoded(BODY, body)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert message in caught.value.message


@pytest.mark.parametrize("decoder", [msgspec.json.Decoder(), msgspec.json.Decoder(dict[str, Any])])
def test_no_depth_is_too_deep(decoder: msgspec.json.Decoder[Any]) -> None:
    with pytest.raises(BadRequest, match="nested too deeply"):
        decoded(decoder, b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


def test_what_nobody_reads() -> None:
    body = b'{"model":"m","a":1,"b":null,"c":false,"d":true,"e":{"f":[1]},"_x":"y"}'
    assert unread(body, {"model"}, {"c": False, "d": False, "e": {}}) == {
        "a": 1,
        "d": True,
        "e": {"f": [1]},
        "_x": "y",
    }
    with pytest.raises(BadRequest):
        unread(b"[]", (), {})


@pytest.mark.parametrize(
    ("text", "value"), [("", {}), (" \n", {}), ("{}", {}), ('{"a": 1}', {"a": 1}), (' {"a":{}} ', {"a": {}})]
)
def test_arguments(text: str, value: dict[str, Any]) -> None:
    assert object_of(text, "f", "p") == value


@pytest.mark.parametrize("text", ["[]", "1", "null", '"a"', "{", "{'a': 1}", '{"a":' * 100_000, "NaN", '{"a":1}{}'])
def test_arguments_that_are_no_object(text: str) -> None:
    with pytest.raises(BadRequest, match="tool 'fff") as caught:
        object_of(text, "f" * 500, "messages[1]")
    assert (caught.value.param, caught.value.code) == ("messages[1]", "invalid_value")
    assert len(caught.value.message) < 300


def test_new_ids() -> None:
    made = {new_call_id() for _ in range(100)} | {new_call_id("toolu_") for _ in range(100)}
    assert len(made) == 200
    assert all(re.fullmatch(r"(?:call|toolu)_[0-9a-f]{24}", call_id) for call_id in made)


@settings(max_examples=60)
@given(st.text(max_size=80), st.sampled_from([(64, r"[^a-zA-Z0-9_-]"), (9, r"[^a-zA-Z0-9]"), (40, r"[^a-z]")]))
def test_ids(given_id: str, rules: tuple[int, str]) -> None:
    most, illegal = rules
    made = legal_id(given_id, most=most, illegal=illegal)
    if illegal != r"[^a-z]":  # the digest has more than that
        assert 1 <= len(made) <= most
        assert not re.search(illegal, made)
        assert legal_id(made, most=most, illegal=illegal) == made
    assert made == legal_id(given_id, most=most, illegal=illegal)


def test_ids_that_differ_stay_different() -> None:
    ids = [
        "",
        " ",
        "a b",
        "a.b",
        "a\n",
        "ä",
        "\ud800",
        "a" * 65,
        "a" * 66,
        *(f"{'x' * 70}{number}" for number in range(50)),
    ]
    for most in (64, 32, 9):
        assert len({legal_id(each, most=most) for each in ids}) == len(ids)
    assert legal_id("call_1") == "call_1"
    assert legal_id("a.b").startswith("a_b_")
