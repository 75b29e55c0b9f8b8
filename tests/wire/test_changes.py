"""What a channel changes of requests: prompts and parameters, in every format, and nothing else of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import Channel
from oneapi_asgi.wire.changes import changed, changes_of, priced, reckoned, with_prompt
from oneapi_asgi.wire.chat import Chat, Message, Text
from oneapi_asgi.wire.dialects import CLIENTS, UPSTREAMS, operation_at
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.request import Request, parse_request

PROMPT = 'Say "no" – always.'
USER = {"role": "user", "content": "hi"}
SAID = {"role": "system", "content": PROMPT}
GEMINI = "/v1beta/models/m:generateContent"
FORM = {"parts": [{"text": PROMPT}]}


def at(path: str) -> Operation:
    found = operation_at(path)
    assert found is not None
    return found


def parsed(path: str, body: str) -> Request:
    return parse_request(at(path), "application/json", body.encode())


def sent(path: str, body: str, **changes: Any) -> str:
    """What goes upstream of a request that passes."""
    operation = at(path)
    request = parsed(path, body)
    made = changes_of(Channel(id=1, name="c", **changes), UPSTREAMS[operation.dialect], operation)
    return request.edited(model=request.head.model, include_usage=False, changes=made).decode()


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", **fields}


PROMPTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/chat/completions", body(messages=[USER]), body(messages=[SAID, USER])),
    ("/chat/completions", body(messages=[{**SAID, "content": "old"}, USER]), body(messages=[SAID, USER])),
    (
        "/chat/completions",
        body(messages=[{"role": "developer", "content": [{"type": "text", "text": "old"}], "name": "n"}, USER]),
        body(messages=[{"role": "developer", "content": PROMPT, "name": "n"}, USER]),
    ),
    (  # as in One API, what is said later on stays
        "/chat/completions",
        body(messages=[USER, {**SAID, "content": "later"}]),
        body(messages=[SAID, USER, {**SAID, "content": "later"}]),
    ),
    ("/completions", body(prompt="hi"), body(prompt="hi")),
    ("/embeddings", body(input="hi"), body(input="hi")),
    ("/responses", body(input="hi"), body(input="hi", instructions=PROMPT)),
    ("/responses", body(instructions="old", input="hi"), body(instructions=PROMPT, input="hi")),
    ("/messages", body(max_tokens=9, messages=[USER]), body(max_tokens=9, messages=[USER], system=PROMPT)),
    (
        "/messages",
        body(max_tokens=9, system=[{"type": "text", "text": "old"}], messages=[USER]),
        body(max_tokens=9, system=PROMPT, messages=[USER]),
    ),
    ("/messages/count_tokens", body(messages=[USER]), body(messages=[USER], system=PROMPT)),
    (GEMINI, {"contents": []}, {"contents": [], "systemInstruction": FORM}),
    (GEMINI, {"systemInstruction": {}, "contents": []}, {"systemInstruction": FORM, "contents": []}),
    (GEMINI, {"contents": [], "system_instruction": {}}, {"contents": [], "system_instruction": FORM}),
    (GEMINI, {"system_instruction": 1, "systemInstruction": {}}, {"systemInstruction": FORM}),
    (GEMINI.replace("generateContent", "countTokens"), {"contents": []}, {"contents": []}),
    ("/v2/chat", body(messages=[USER]), body(messages=[SAID, USER])),
    ("/v2/chat", body(messages=[{**SAID, "content": "old"}, USER]), body(messages=[SAID, USER])),
    ("/v2/embed", body(texts=["hi"]), body(texts=["hi"])),
    ("/api/chat", body(messages=[USER]), body(messages=[SAID, USER])),
    ("/api/chat", body(messages=[{"role": 5}]), body(messages=[{"role": 5}])),  # nobody takes it
    ("/api/generate", body(prompt="hi"), body(prompt="hi", system=PROMPT)),
    ("/api/generate", body(system="old", prompt="hi"), body(system=PROMPT, prompt="hi")),
    ("/api/embed", body(input="hi"), body(input="hi")),
]


@pytest.mark.parametrize(
    ("path", "given_", "wanted"), PROMPTED, ids=[f"{path}-{n}" for n, (path, *_) in enumerate(PROMPTED)]
)
def test_the_prompt_of_the_channel_begins_the_conversation(
    path: str, given_: dict[str, Any], wanted: dict[str, Any]
) -> None:
    found = json.loads(sent(path, json.dumps(given_), system_prompt=PROMPT))
    assert [*found.items()] == [*wanted.items()]


def test_every_format_of_a_client_that_talks_has_a_place_for_it() -> None:
    chats = {operation.dialect for path, *_ in PROMPTED if (operation := at(path)).task == "chat"}
    assert chats == set(CLIENTS)


def test_what_is_around_the_prompt_stays_as_it_is() -> None:
    before = '{"model":"m", "x" : [1 , 2.50],"messages" :[  {"role":"system","content":"a"} ,{"role":"\\u0075ser"}] }'
    after = before.replace('"a"', '"b"')
    assert sent("/chat/completions", before, system_prompt="b") == after


PARAMETERS: dict[str, dict[str, Any]] = {
    "/chat/completions": body(messages=[USER], temperature=1.0, user="u"),
    "/completions": body(prompt="hi", temperature=1.0, user="u"),
    "/responses": body(input="hi", temperature=1.0, user="u"),
    "/embeddings": body(input="hi", user="u", temperature=1.0),
    "/messages": body(max_tokens=9, messages=[USER], temperature=1.0, user="u"),
    GEMINI: {"contents": [], "temperature": 1.0, "user": "u"},
    "/v2/chat": body(messages=[USER], temperature=1.0, user="u"),
    "/v2/rerank": body(query="q", documents=[], temperature=1.0, user="u"),
    "/api/chat": body(messages=[USER], temperature=1.0, user="u"),
    "/api/embed": body(input="a", temperature=1.0, user="u"),
    "/images/generations": body(prompt="a cat", temperature=1.0, user="u"),
}


@pytest.mark.parametrize("path", PARAMETERS)
def test_parameters_take_the_place_of_fields(path: str) -> None:
    parameters = {"temperature": 0.2, "user": None, "gone": None, "new": {"a": [None, "ü"]}}
    found = json.loads(sent(path, json.dumps(PARAMETERS[path]), parameters=parameters))
    wanted = {name: value for name, value in PARAMETERS[path].items() if name != "user"}
    assert [*found.items()] == [*{**wanted, "temperature": 0.2, "new": {"a": [None, "ü"]}}.items()]


def test_who_counts_tokens_takes_no_parameters() -> None:
    text = json.dumps(body(messages=[USER]))
    assert sent("/messages/count_tokens", text, parameters={"temperature": 0}) == text


def test_nothing_to_change_is_nothing_to_do() -> None:
    for path in ("/chat/completions", "/embeddings"):
        assert changes_of(Channel(id=1, name="c"), UPSTREAMS["openai"], at(path)) is None
    assert changes_of(Channel(id=1, name="c", system_prompt="x"), UPSTREAMS["openai"], at("/embeddings")) is None


SPACE = st.sampled_from(["", " ", "\n", "  \t"])
NAMES = st.sampled_from(["a", "b", "c", "seed", "logit_bias", "ü", "x-y"])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.dictionaries(NAMES, JSONS, max_size=5),
    st.dictionaries(NAMES.filter(str.isascii), JSONS, max_size=4),
    st.lists(SPACE, min_size=4, max_size=4),
    st.booleans(),
)
def test_what_is_not_changed_stays_byte_for_byte(
    fields: dict[str, Any], parameters: dict[str, Any], space: list[str], first: bool
) -> None:
    before, after, colon, comma = space
    texts = {name: json.dumps(value) for name, value in fields.items()}
    own = {"model": '"m"', "messages": '[ {"role":"user"} ]'}
    members = {**own, **texts} if first else {**texts, **own}
    written = f"{comma},{before}".join(f'"{name}"{colon}:{after}{text}' for name, text in members.items())
    found = sent("/chat/completions", f"{before}{{{after}{written}{comma}}}{before}", parameters=parameters)
    wanted = {name: value for name, value in {**own, **texts}.items() if name not in parameters}
    for name, text in wanted.items():
        assert f'"{name}"{colon}:{after}{text}' in found
    values = {name: json.loads(text) for name, text in members.items()}
    left = {name: value for name, value in (values | parameters).items() if value is not None or name not in parameters}
    assert json.loads(found) == left
    if not parameters:
        assert found == f"{before}{{{after}{written}{comma}}}{before}"


# --- translated -------------------------------------------------------------------------------------------------------


def test_a_conversation_that_is_translated_begins_with_it_too() -> None:
    user = Message(role="user", parts=(Text(text="hi"),))
    old = Message(role="system", parts=(Text(text="old"), Text(text="older")))
    wanted = (Message(role="system", parts=(Text(text=PROMPT),)), user)
    for messages in ((user,), (old, user)):
        assert with_prompt(Chat(model="m", messages=messages), PROMPT).messages == wanted
    assert with_prompt(Chat(model="m", messages=()), PROMPT).messages == wanted[:1]


def test_what_is_written_is_changed() -> None:
    channel = Channel(id=1, name="c", parameters={"a": 1, "b": None, "c": None})
    assert changed({"b": 2, "d": None, "a": {}}, channel, at("/messages")) == {"d": None, "a": 1}
    assert changed({"b": 2}, channel, at("/messages/count_tokens")) == {"b": 2}


# --- what it may cost -------------------------------------------------------------------------------------------------

PRICED: list[tuple[str, dict[str, Any], Mapping[str, Any], int | None, int]] = [
    ("/chat/completions", {"max_tokens": 10}, {}, 10, 1),
    ("/chat/completions", {"max_tokens": 10}, {"max_tokens": 500}, 500, 1),
    ("/chat/completions", {"max_tokens": 1000}, {"max_tokens": 500}, 500, 1),
    ("/chat/completions", {}, {"max_tokens": 500}, 500, 1),
    ("/chat/completions", {"max_completion_tokens": 1000}, {"max_tokens": 500}, 1000, 1),
    ("/chat/completions", {"max_tokens": 10}, {"max_tokens": None}, None, 1),
    ("/chat/completions", {"max_completion_tokens": 10}, {"max_tokens": None}, 10, 1),
    ("/chat/completions", {"max_tokens": 10}, {"max_tokens": "many"}, None, 1),
    ("/chat/completions", {"n": 2}, {"n": 5}, None, 5),
    ("/chat/completions", {"n": 4}, {"n": None}, None, 1),
    ("/chat/completions", {"n": 4}, {"temperature": 0}, None, 4),
    ("/chat/completions", {"max_tokens": 10}, {"inferenceConfig": {"maxTokens": 700}}, 700, 1),  # of who it goes to
    ("/messages", {"max_tokens": 10}, {"max_tokens": 99}, 99, 1),
    ("/responses", {"max_output_tokens": 10}, {"max_output_tokens": 99}, 99, 1),
    ("/v2/chat", {"max_tokens": 10}, {"max_tokens": 99}, 99, 1),
    ("/api/chat", {"options": {"num_predict": 9}}, {"options": {"num_predict": 99}}, 99, 1),
    ("/api/chat", {"options": {"num_predict": 9}}, {"options": {}}, None, 1),
    (GEMINI, {"generationConfig": {"maxOutputTokens": 9}}, {"generationConfig": {"maxOutputTokens": 99}}, 99, 1),
    (GEMINI, {"generationConfig": {"candidateCount": 3}}, {"generationConfig": {"candidateCount": 2}}, None, 2),
    (GEMINI, {"generationConfig": {"candidateCount": 3}}, {"generationConfig": {}}, None, 1),
    ("/images/generations", {"n": 1, "prompt": "a"}, {"n": 4}, None, 4),
]


@pytest.mark.parametrize(("path", "given_", "parameters", "most", "choices"), PRICED)
def test_what_goes_upstream_is_what_is_priced(
    path: str, given_: dict[str, Any], parameters: dict[str, Any], most: int | None, choices: int
) -> None:
    request = parsed(path, json.dumps(body(messages=[USER]) | given_))
    channel = Channel(id=1, name="c", parameters=dict(parameters))
    found = priced(request.head, request.fields, channel, at(path))
    assert (found.max_output, found.choices) == (most, choices)


def test_what_is_added_counts_as_input() -> None:
    channel = Channel(id=1, name="c", system_prompt="ü" * 50, parameters={"a": "b" * 90})
    assert len(reckoned(b"{}", channel, at("/chat/completions"))) == 2 + 100 + len('{"a":""}') + 90
    assert len(reckoned(b"{}", channel, at("/embeddings"))) == 2 + len('{"a":""}') + 90
    assert reckoned(b"--x", channel, at("/audio/transcriptions")) == b"--x"
    plain = b"{}"
    assert reckoned(plain, Channel(id=1, name="c"), at("/chat/completions")) is plain
