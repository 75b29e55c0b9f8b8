"""JSON requests: what is refused and how it is said, what is read, and that an edit touches nothing else."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest, UnsupportedBody
from oneapi_asgi.wire.dialects import operation_at
from oneapi_asgi.wire.openai.paths import OPERATIONS
from oneapi_asgi.wire.request import Head, Request, fields_of, parse_request

CHAT = OPERATIONS["/chat/completions"]
MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'


def parse(body: bytes, path: str = "/chat/completions", content_type: str = "application/json") -> Request:
    operation = operation_at(path)
    assert operation is not None
    return parse_request(operation, content_type, body)


def with_field(field: bytes) -> bytes:
    return b'{"model":"m",' + MESSAGES + b"," + field + b"}"


INNER = ("invalid_json", "stream_options.include_usage")
REFUSED = [
    # no JSON
    (b"", "invalid_json", None),
    (b"   ", "invalid_json", None),
    (b"{", "invalid_json", None),
    (b"{'model':'m'}", "invalid_json", None),
    (b'{"model":"m",' + MESSAGES, "invalid_json", None),
    (b'{"model":"m",' + MESSAGES + b",}", "invalid_json", None),
    (b'{"model":"m",' + MESSAGES + b"} trailing", "invalid_json", None),
    (b'{"model":"m",' + MESSAGES + b"}{}", "invalid_json", None),
    (b'{"model":"m",' + MESSAGES + b"}\x00", "invalid_json", None),
    (b"// comment\n{}", "invalid_json", None),
    (with_field(b'"temperature":NaN'), "invalid_json", None),
    (with_field(b'"temperature":Infinity'), "invalid_json", None),
    (with_field(b'"temperature":-Infinity'), "invalid_json", None),
    (with_field(b'"n":01'), "invalid_json", None),
    (with_field(b'"a":"\n"'), "invalid_json", None),
    (with_field(b'"a":"\\x"'), "invalid_json", None),
    (with_field(b'"a":[1 2]'), "invalid_json", None),
    (b"\xef\xbb\xbf" + with_field(b'"a":1'), "invalid_json", None),
    (with_field(b'"a":1').decode().encode("utf-16"), "invalid_json", None),
    (with_field(b'"a":1').decode().encode("utf-16-le"), "invalid_json", None),
    (with_field(b'"a":1').decode().encode("utf-32"), "invalid_json", None),
    (with_field(b'"a":"\xff"'), "invalid_json", None),
    (with_field(b'"a":"\xed\xa0\x80"'), "invalid_json", None),  # a surrogate in UTF-8
    (with_field(b'"a":"\xc0\xaf"'), "invalid_json", None),
    (b'{"model":"\\ud800",' + MESSAGES + b"}", "invalid_json", None),
    (with_field(b'"\\ud800":1'), "invalid_json", None),
    (with_field(b'"a":' + b"[" * 10_000 + b"]" * 10_000), "invalid_json", None),
    (with_field(b'"a":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000), "invalid_json", None),
    (b"[" * 1_000_000, "invalid_json", None),
    # no object
    (b"[]", "invalid_json", None),
    (b'"model"', "invalid_json", None),
    (b"null", "invalid_json", None),
    (b"1", "invalid_json", None),
    # keys twice, in any spelling
    (with_field(b'"model":"m"'), "invalid_json", "model"),
    (with_field(b'"model":"other"'), "invalid_json", "model"),
    (with_field(b' \n\t"model" \r\n: "other"'), "invalid_json", "model"),
    (with_field(b'"mod\\u0065l":"other"'), "invalid_json", "model"),
    (b'{"\\u006dodel":"m","model":"other",' + MESSAGES + b"}", "invalid_json", "model"),
    (b'{"\\u006dodel":"m",' + MESSAGES + b"}", "invalid_json", None),
    (b'{"model":"m","model":"m",' + MESSAGES + b"}", "invalid_json", "model"),
    (with_field(b'"max_tokens":1,"max_tokens":100000'), "invalid_json", "max_tokens"),
    (with_field(b'"max_tokens":100000,"max_tokens":1'), "invalid_json", "max_tokens"),
    (with_field(b'"a":12,"a":1'), "invalid_json", "a"),
    (with_field(b'"a":1,"a":12'), "invalid_json", "a"),
    (with_field(b'"a":' + b"9" * 5000 + b',"a":1'), "invalid_json", "a"),
    (with_field(MESSAGES), "invalid_json", "messages"),
    # fields
    (b"{" + MESSAGES + b"}", "missing_required_parameter", "model"),
    (b"{}", "missing_required_parameter", "messages"),
    (b'{"model":null,' + MESSAGES + b"}", "missing_required_parameter", "model"),
    (b'{"Model":"m",' + MESSAGES + b"}", "missing_required_parameter", "model"),
    (b'{"model":"m"}', "missing_required_parameter", "messages"),
    (b'{"model":7,' + MESSAGES + b"}", "invalid_type", "model"),
    (b'{"model":["m"],' + MESSAGES + b"}", "invalid_type", "model"),
    (b'{"model":"",' + MESSAGES + b"}", "invalid_value", "model"),
    (b'{"model":"a\\nb",' + MESSAGES + b"}", "invalid_value", "model"),
    (b'{"model":"a\\u0000b",' + MESSAGES + b"}", "invalid_value", "model"),
    (b'{"model":"' + b"m" * 257 + b'",' + MESSAGES + b"}", "invalid_value", "model"),
    (b'{"model":"m","messages":"hi"}', "invalid_type", "messages"),
    (b'{"model":"m","messages":null}', "invalid_type", "messages"),
    (b'{"model":"m","messages":[]}', "empty_array", "messages"),
    (b'{"model":"m","messages":[{},"hi"]}', "invalid_type", "messages[1]"),
    (with_field(b'"stream":"true"'), "invalid_type", "stream"),
    (with_field(b'"stream":1'), "invalid_type", "stream"),
    (with_field(b'"temperature":"1"'), "invalid_type", "temperature"),
    (with_field(b'"temperature":true'), "invalid_type", "temperature"),
    (with_field(b'"tools":{}'), "invalid_type", "tools"),
    (with_field(b'"metadata":"x"'), "invalid_type", "metadata"),
    (with_field(b'"stream_options":[]'), "invalid_type", "stream_options"),
    (with_field(b'"stream_options":{"include_usage":1}'), "invalid_type", "stream_options.include_usage"),
    # within what decides
    (with_field(b'"stream_options":{"include_usage":true,"include_usage":false}'), *INNER),
    (with_field(b'"stream_options":{"include_usage":false,"include_\\u0075sage":true}'), *INNER),
    (with_field(b'"stream_options":{"a":":","include_usage":true,"include_usage":false}'), *INNER),
    (with_field(b'"stream_options":{"Include_Usage":true}'), "invalid_json", "stream_options.Include_Usage"),
    # shape
    (with_field(b'"a":' + b"[" * 128 + b"]" * 128), "invalid_json", None),
    (with_field(b'"a":' + b'[{"b":' * 64 + b"1" + b"}]" * 64), "invalid_json", None),
    (with_field(b'"a":[' + b"1," * 500_000 + b"1]"), "invalid_json", None),
    (with_field(b'"a":[' + b"[]," * 300_000 + b"1]"), "invalid_json", None),
    (with_field(b'"a":{' + b'"b":1,' * 100_000 + b'"b":1}'), "invalid_json", None),
]


@pytest.mark.parametrize(("body", "code", "param"), REFUSED, ids=lambda value: repr(value)[:60])
def test_what_is_refused(body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(body)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.message
    assert len(refused.value.message) < 300


HOSTILE = ["-1", "1.5", "true", '"1"', "[]", "{}", str(2**31), str(2**53), str(2**63), str(2**64 - 1)]
HOSTILE += ["18446744073686646784", "1e30", "-1e30", "1" * 5000, "-9223372036854775808"]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: value[:24])
@pytest.mark.parametrize("field", ["n", "best_of", "max_tokens", "max_completion_tokens"])
def test_hostile_quantities(field: str, value: str) -> None:
    with pytest.raises(BadRequest, match="integer between") as refused:
        parse(with_field(f'"{field}":{value}'.encode()))
    assert (refused.value.code, refused.value.param) == ("invalid_value", field)


@pytest.mark.parametrize(
    ("field", "ok", "wrong"),
    [("n", (1, 2, 128), (0, 129)), ("best_of", (1, 128), (0, 129)), ("max_tokens", (0, 1, 10**7), (-1, 10**7 + 1))],
)
def test_bounds(field: str, ok: tuple[int, ...], wrong: tuple[int, ...]) -> None:
    for value in ok:
        head = parse(with_field(f'"{field}":{value}'.encode())).head
        assert (head.max_output if field == "max_tokens" else head.choices) == value
    for value in wrong:
        with pytest.raises(BadRequest, match=field):
            parse(with_field(f'"{field}":{value}'.encode()))


@pytest.mark.parametrize("depth", [*range(900, 1010), 5_000])
def test_no_depth_breaks_the_search_for_a_repeated_key(depth: int) -> None:
    with pytest.raises(BadRequest):
        parse(with_field(b'"a":' + b"[" * depth + b"]" * depth + b',"a":1'))


@pytest.mark.parametrize(
    ("path", "body", "head"),
    [
        ("/chat/completions", with_field(b'"a":1'), Head("m")),
        ("/chat/completions", with_field(b'"n":null,"max_tokens":null,"stream":null,"stop":null'), Head("m")),
        (
            "/chat/completions",
            with_field(b'"stream":true,"stream_options":{"include_usage":true},"n":3,"max_tokens":5'),
            Head("m", stream=True, max_output=5, choices=3, wants_usage=True),
        ),
        ("/chat/completions", with_field(b'"stream":false,"stream_options":null'), Head("m")),
        ("/chat/completions", with_field(b'"stream_options":{"include_usage":false}'), Head("m")),
        ("/chat/completions", with_field(b'"max_tokens":5,"max_completion_tokens":7'), Head("m", max_output=7)),
        ("/chat/completions", with_field(b'"n":2,"best_of":5'), Head("m", choices=5)),
        ("/chat/completions", with_field('"x":"漢字 \u2028"'.encode()), Head("m")),
        ("/chat/completions", b'{"model":"\\u0067pt-4o",' + MESSAGES + b"}", Head("gpt-4o")),
        ("/completions", b'{"model":"m","prompt":"x","best_of":4}', Head("m", choices=4)),
        ("/completions", b'{"model":"m","prompt":[1,2]}', Head("m")),
        ("/responses", b'{"model":"m","max_output_tokens":9,"max_tokens":5}', Head("m", max_output=9)),
        ("/embeddings", b'{"model":"m","input":["a"],"max_tokens":9}', Head("m")),
        ("/moderations", b'{"input":"a"}', Head("omni-moderation-latest")),
        ("/moderations", b'{"input":"a","model":null}', Head("omni-moderation-latest")),
        ("/images/generations", b'{"prompt":"a","n":4}', Head("dall-e-2", choices=4)),
        ("/audio/speech", b'{"model":"tts-1","input":"a","voice":"alloy"}', Head("tts-1")),
        ("/rerank", b'{"model":"r","query":"a","documents":[]}', Head("r")),
        ("/images/whatever", b'{"model":"m"}', Head("m")),
    ],
)
def test_what_is_read(path: str, body: bytes, head: Head) -> None:
    assert parse(body, path).head == head


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "", "application/vnd.api+json", "text/plain"]
)
def test_json_is_read_whatever_it_is_called(content_type: str) -> None:
    assert parse(with_field(b'"a":1'), content_type=content_type).head.model == "m"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "audio/mpeg"])
def test_a_path_that_takes_forms_takes_no_other_media_type(content_type: str) -> None:
    with pytest.raises(UnsupportedBody, match="multipart/form-data"):
        parse(b"x", "/audio/transcriptions", content_type)


@pytest.mark.parametrize("path", ["/chat/completions/", "chat/completions", "/", "", "/v1/chat/completions", "/models"])
def test_paths_without_an_operation(path: str) -> None:
    assert operation_at(path) is None


@pytest.mark.parametrize(
    ("path", "name"), [("/images/x", "images.x"), ("/audio/x/y", "audio.x.y"), ("/rerank", "rerank")]
)
def test_paths_with_an_operation(path: str, name: str) -> None:
    operation = operation_at(path)
    assert operation is not None
    assert operation.name == name


# --- edits ------------------------------------------------------------------------------------------------------------

SPACE = st.text(alphabet=" \t\r\n", max_size=3)
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
RESERVED = {"model", "stream", "stream_options", "messages", "n", "best_of", "max_tokens", "max_completion_tokens"}
RESERVED |= {*CHAT.required, *CHAT.optional}
PLACE = "@here@"
QUOTED_PLACE = b'"@here@"'
MODELS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@st.composite
def written(draw: st.DrawFn, fields: list[tuple[str, Any]]) -> bytes:
    """The object with these members in this order, with white space and escapes of all kinds."""
    members = []
    for key, value in fields:
        text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
        members.append(f'{draw(SPACE)}"{key}"{draw(SPACE)}:{draw(SPACE)}{text}{draw(SPACE)}')
    text = f"{draw(SPACE)}{{{','.join(members)}}}{draw(SPACE)}"
    assume(not any("\ud800" <= char <= "\udfff" for char in text))
    return text.encode()


@st.composite
def chats(draw: st.DrawFn, /, **fixed: Any) -> bytes:
    others = draw(st.dictionaries(KEYS.filter(lambda key: key.casefold() not in RESERVED), VALUES, max_size=4))
    own = {"model": draw(MODELS), "messages": [{"role": "user", "content": draw(st.text(max_size=8))}], **fixed}
    return draw(written(draw(st.permutations([*others.items(), *own.items()]))))


@given(chats())
def test_nothing_to_change_changes_nothing(body: bytes) -> None:
    request = parse(body)
    assert request.head.model == json.loads(body)["model"]
    for include_usage in (True, False):  # nobody is asked for usage where nothing is streamed
        assert request.edited(model=request.head.model, include_usage=include_usage) is body


@given(chats(model=PLACE, stream=True), MODELS, MODELS)
def test_a_new_model_is_all_that_changes(template: bytes, old: str, new: str) -> None:
    body = template.replace(QUOTED_PLACE, json.dumps(old).encode())
    assert parse(body).head.model == old
    edited = parse(body).edited(model=new, include_usage=False)
    assert edited == (body if old == new else template.replace(QUOTED_PLACE, msgspec.json.encode(new)))


@given(template=chats(stream_options=PLACE, stream=True))
@pytest.mark.parametrize(
    ("options", "asking"),
    [
        (b"null", b'{"include_usage":true}'),
        (b"{}", b'{"include_usage":true}'),
        (b'{ "include_usage" : false }', b'{"include_usage":true}'),
        (b'{"x": [1, "}"] , "y":1e5}', b'{"x":[1, "}"],"y":1e5,"include_usage":true}'),
    ],
)
def test_asking_for_usage_keeps_all_else(template: bytes, options: bytes, asking: bytes) -> None:
    request = parse(template.replace(QUOTED_PLACE, options))
    edited = request.edited(model=request.head.model, include_usage=True)
    assert edited == template.replace(QUOTED_PLACE, asking)
    assert parse(edited).head.wants_usage


@given(chats(model="gpt-4o", stream=True))
def test_options_are_added_where_there_are_none(body: bytes) -> None:
    object_, white = body.rstrip()[:-1], body[len(body.rstrip()) :]
    edited = parse(body).edited(model="gpt-4o", include_usage=True)
    assert edited == object_ + b',"stream_options":{"include_usage":true}}' + white
    both = parse(parse(body).edited(model="other", include_usage=True)).head
    assert (both.model, both.wants_usage) == ("other", True)


@given(chats(stream=True, stream_options={"include_usage": True}))
def test_usage_is_not_asked_for_twice(body: bytes) -> None:
    request = parse(body)
    assert request.edited(model=request.head.model, include_usage=True) is body


@given(st.data())
def test_a_repeated_key_is_always_refused(data: st.DataObject) -> None:
    fields = data.draw(st.dictionaries(KEYS.filter(lambda key: key.casefold() not in RESERVED), VALUES, max_size=4))
    members: list[tuple[str, Any]] = [*fields.items(), ("model", "m"), ("messages", [{}])]
    twice = data.draw(st.sampled_from(members))
    members.insert(data.draw(st.integers(0, len(members))), (twice[0], data.draw(st.just(twice[1]) | VALUES)))
    body = data.draw(written(data.draw(st.permutations(members))))
    with pytest.raises(BadRequest) as refused:
        parse(body)
    assert refused.value.param == twice[0]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body)


@given(chats(), st.data())
def test_no_damage_breaks_the_parser(body: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(body)))
    damaged = body[:place] + data.draw(st.binary(max_size=3)) + body[place + data.draw(st.integers(0, 3)) :]
    try:
        head = parse(damaged).head
    except BadRequest:
        return
    assert json.loads(damaged)["model"] == head.model


def test_large_bodies_are_read_in_linear_time() -> None:
    started = time.perf_counter()
    parse(with_field(b'"a":"' + b"x" * 10_000_000 + b'"'))
    parse(with_field(b'"a":[' + b"1," * 400_000 + b"1]"))
    parse(with_field(b",".join(b'"k%d":1' % n for n in range(90_000))))
    parse(b" " * 1_000_000 + with_field(b'"a":1') + b" " * 1_000_000)
    assert time.perf_counter() - started < 3


def test_a_mapped_default_model_is_added() -> None:
    """Left out, it would be the upstream's own default, whatever the channel calls it."""
    operation = operation_at("/images/generations")
    assert operation is not None
    request = parse_request(operation, "application/json", b'{ "prompt": "a cat" }')
    assert request.edited(model="dall-e-2", include_usage=False) == b'{ "prompt": "a cat" }'
    assert request.edited(model="x", include_usage=False) == b'{ "prompt": "a cat" ,"model":"x"}'


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", "a\u00e9"),
        ("yes", True),
        ("no", False),
        ("null", None),
        ("number", None),
        ("list", None),
        ("object", None),
        ("gone", None),
        ("object.text", "b"),
        ("object.no", False),
        ("object.deep", None),
        ("object.gone", None),
        ("text.text", None),
        ("gone.text", None),
    ],
)
def test_a_value_that_somebody_else_wants_to_know(field: str, value: str | bool | None) -> None:
    more = b'"text":"a\\u00e9","yes":true,"no":false,"null":null,"number":1,"list":["b"]'
    inner = b'"object":{"text":"b","no":false,"deep":{"text":"c"}}'
    request = parse(b'{"model":"m","messages":[{"role":"user","content":"hi"}],%b,%b}' % (more, inner))
    assert request.value(field) == value


def test_a_form_is_asked_for_no_value() -> None:
    field = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    form = field % (b"model", b"whisper-1") + field % (b"user", b"ann") + b"--b--\r\n"
    assert parse(form, "/audio/transcriptions", "multipart/form-data; boundary=b").value("user") is None


WRITTEN = ["a", "b", "a:b", ":", "é", "", " ", "\\u0061", "\\u003a", "\\\\", '\\"a', "\\/"]
TOLD = ["1", "{}", '"a:b"', '{"a":1,"a":2}', '"\\u0061"', '[":", "\\\\"]', '"}"', "null"]
SPACES = ["", " ", "\n\t"]


@given(
    st.lists(st.tuples(*[st.sampled_from(each) for each in (WRITTEN, TOLD, SPACES, SPACES)]), max_size=5),
    st.sampled_from(["", "x" * 3_000]),
)
def test_each_key_is_there_once_and_without_escapes(members: list[tuple[str, str, str, str]], rest: str) -> None:
    written = [(key, f'{before}"{key}"{after}:{before}{value}{after}') for key, value, before, after in members]
    written += [("rest", f'"rest":"{rest}"')] if rest else []
    body = "{" + ",".join(text for _, text in written) + "}"
    plain = all("\\" not in key for key, _ in written) and len(dict(written)) == len(written)
    try:
        fields_of(body.encode())
    except BadRequest:
        assert not plain
    else:
        assert plain
