"""One call put to candidates: in which words, where, with which key; and what cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from answering import Answering, Given
from msgspec.structs import replace

from oneapi_asgi.call import Call
from oneapi_asgi.delivery import Form
from oneapi_asgi.dispatch import Dispatch, Prepared, UnsupportedError, _said
from oneapi_asgi.errors import BadRequest, NotFound, Unavailable
from oneapi_asgi.http import parsed
from oneapi_asgi.models import Candidate, Channel, Price, Secret
from oneapi_asgi.tickets import Tickets
from oneapi_asgi.upstream.seam import Timeouts
from oneapi_asgi.wire.chat import Chat, File, Message, Text, Thinking
from oneapi_asgi.wire.dialects import CLIENTS
from oneapi_asgi.wire.events import Event
from oneapi_asgi.wire.looked_at import LookedAt
from oneapi_asgi.wire.passage import Passage
from oneapi_asgi.wire.sealed import Signature, seal
from oneapi_asgi.wire.translation import TaskTranslation, Translation

KEY = "sk-upstream"
HI: dict[str, Any] = {"model": "mine", "messages": [{"role": "user", "content": "hi"}]}
TIMEOUTS = Timeouts(connect=1.0)
PICTURE = {"type": "image_url", "image_url": {"url": "https://files.example.com/a.png"}}


def to(provider: str = "openai", model: str = "up", **more: Any) -> Candidate:
    where = Channel(id=1, name="c", provider=provider, api_keys=(Secret("sk-other"), Secret(KEY)), **more)
    return Candidate(where, 1, model)


async def dispatch(
    body: dict[str, Any],
    path: str = "/v1/chat/completions",
    *,
    query: str = "",
    headers: Sequence[tuple[bytes, bytes]] = (),
    thinking: Thinking | None = None,
    tickets: Tickets | None = None,
    **more: Any,
) -> Dispatch:
    scope = {
        "type": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"content-type", b"application/json"), *headers],
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(body, ensure_ascii=False).encode()}

    request, _ = await parsed(scope, receive)
    call = Call.of(scope)
    call.prices = {"": Price(input=1, output=1, max_output=32_000)}
    call.thinking = thinking
    nobody = Tickets(Answering(lambda _: Given(status=500)), TIMEOUTS)
    return Dispatch(call, request, scope, timeouts=TIMEOUTS, tickets=tickets or nobody, **more)


def sent(prepared: Prepared) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(prepared.outgoing.body)
    return body


def shown(prepared: Prepared) -> dict[str, str]:
    headers = prepared.outgoing.headers
    assert len({name for name, _ in headers}) == len(headers), "each once"
    return dict(headers)


# --- the caller's own format ------------------------------------------------------------------------------------------


async def test_native() -> None:
    asked = await dispatch(
        HI | {"unknown": [1]},
        query="a=b&beta=&key=secret",
        headers=[
            (b"accept", b"text/event-stream"),
            (b"authorization", b"Bearer sk-caller"),
            (b"openai-beta", b"x=1"),
            (b"openai-beta", b"second"),
            (b"cookie", b"a=b"),
            (b"x-api-key", b"sk-caller"),
        ],
    )
    prepared = await asked.to(to())
    assert prepared.outgoing.url == "https://api.openai.com/v1/chat/completions?a=b&beta="
    assert sent(prepared) == HI | {"model": "up", "unknown": [1]}
    assert shown(prepared) == {
        "accept-encoding": "identity",
        "user-agent": "oneapi-asgi",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "openai-beta": "x=1",
        "authorization": f"Bearer {KEY}",
    }
    assert (prepared.secret, prepared.headers, prepared.route.native) == (KEY, (), True)
    assert prepared.outgoing.timeouts == TIMEOUTS
    assert type(prepared.form) is Passage


@pytest.mark.parametrize(
    ("quirks", "told", "asks", "hides"),
    [
        ("", {"stream": True}, True, True),
        ("", {"stream": True, "stream_options": {"include_usage": True}}, True, False),
        ("", {}, False, False),
        ("-usage_option", {"stream": True}, False, False),
    ],
)
async def test_usage_is_asked_for_where_the_provider_takes_it(
    quirks: str, told: dict[str, Any], asks: bool, hides: bool
) -> None:
    prepared = await (await dispatch(HI | told)).to(to(options={"quirks": quirks}))
    assert ("stream_options" in sent(prepared)) is asks
    form: Any = prepared.form
    assert form._hide_usage is hides


async def test_a_format_that_is_looked_at() -> None:
    headers = [(b"anthropic-version", b"2024-01-01"), (b"anthropic-beta", b"b")]
    asked = await dispatch(HI | {"max_tokens": 5}, "/v1/messages", query="beta=true", headers=headers)
    prepared = await asked.to(to("anthropic"))
    assert prepared.outgoing.url == "https://api.anthropic.com/v1/messages?beta=true"
    assert shown(prepared)["anthropic-version"] == "2024-01-01", "the caller's"
    assert shown(prepared)["anthropic-beta"] == "b"
    assert shown(prepared)["x-api-key"] == KEY
    assert type(prepared.form) is LookedAt
    assert prepared.form.told(b'{"odd": 1}').failed is False
    assert prepared.form.told(b"odd").failed is True
    assert prepared.form.told(b'{"type":"error","error":{"type":"api_error","message":"m"}}').failed is True
    own = await (await dispatch(HI | {"max_tokens": 5}, "/v1/messages")).to(to("anthropic"))
    assert shown(own)["anthropic-version"] == "2023-06-01"


async def test_a_model_in_the_path() -> None:
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    path = "/v1beta/models/mine:streamGenerateContent"
    for query, wanted in (("alt=sse&key=sk-caller", "?alt=sse"), ("key=sk-caller", ""), ("", "")):
        prepared = await (await dispatch(body, path, query=query)).to(to("gemini", "gemini-2.5-flash"))
        assert prepared.outgoing.url.endswith(f"/v1beta/models/gemini-2.5-flash:streamGenerateContent{wanted}")
        assert "sk-caller" not in prepared.outgoing.url
        assert sent(prepared) == body


async def test_no_key() -> None:
    local = Channel(id=1, name="c", provider="ollama", base_url="http://h")
    prepared = await (await dispatch(HI)).to(Candidate(local, 0, "up"))
    assert "authorization" not in shown(prepared)
    assert prepared.secret == ""


# --- another format ---------------------------------------------------------------------------------------------------


async def test_translated() -> None:
    asked = await dispatch(HI | {"stream": True}, query="a=b", headers=[(b"openai-beta", b"x"), (b"accept", b"x/y")])
    prepared = await asked.to(to("anthropic", "claude"))
    assert prepared.outgoing.url == "https://api.anthropic.com/v1/messages"
    body = sent(prepared)
    assert (body["model"], body["stream"], body["max_tokens"]) == ("claude", True, 32_000)
    headers = shown(prepared)
    assert (headers["content-type"], headers["accept"], headers["x-api-key"]) == ("application/json", "*/*", KEY)
    assert headers["anthropic-version"] == "2023-06-01"
    assert "openai-beta" not in headers
    assert isinstance(prepared.form, Translation)
    assert not prepared.route.native
    assert prepared.headers == ()


async def test_a_task() -> None:
    body = {"model": "mine", "texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]}
    prepared = await (await dispatch(body, "/v2/embed")).to(to())
    assert prepared.outgoing.url == "https://api.openai.com/v1/embeddings"
    assert sent(prepared)["input"] == ["a"]
    assert isinstance(prepared.form, TaskTranslation)


async def dropped(body: dict[str, Any], path: str = "/v1/chat/completions", **more: Any) -> str:
    prepared = await (await dispatch(body, path)).to(to(**{"provider": "anthropic"} | more))
    ((name, value),) = prepared.headers
    assert name == b"x-oneapi-dropped-params"
    return value.decode("ascii")


async def test_what_was_dropped_is_told_in_the_callers_words() -> None:
    assert await dropped(HI | {"seed": 5, "logit_bias": {"1": 2}, "odd": 1}) == "seed, logit_bias, odd"
    body = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"seed": 5}}
    assert "seed" in await dropped(body, "/v1beta/models/m:generateContent")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a\r\nset-cookie: b", "a??set-cookie:?b"),
        ("a,b c", "a?b?c"),
        ("schlüssel", "schl?ssel"),
        ("\x7f\u2028", "??"),
        ("x" * 500, "x" * 64),
    ],
)
async def test_names_that_callers_make_up_do_no_harm_in_a_header(name: str, told: str) -> None:
    body = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {name: 1}}
    assert (await dropped(body, "/v1beta/models/m:generateContent")).endswith(told)


async def test_many_names_do_not_fill_the_header() -> None:
    assert len(await dropped(HI | {f"{'x' * 60}{number}": 1 for number in range(1000)})) < 4096


async def test_notes_of_the_callers_format_are_no_parameters() -> None:
    body = {"model": "mine", "prompt": "hi", "max_tokens": 5}
    prepared = await (await dispatch(body, "/v1/completions")).to(to("anthropic"))
    assert prepared.headers == ()


@pytest.mark.parametrize("name", ["seed", "odd " + "x" * 500])
async def test_a_channel_that_refuses_what_it_cannot_say(name: str) -> None:
    strict = to("anthropic", unsupported="refuse")
    assert (await (await dispatch(HI)).to(strict)).headers == ()
    with pytest.raises(UnsupportedError) as caught:
        await (await dispatch(HI | {name: 5})).to(strict)
    error = caught.value.error
    assert isinstance(error, BadRequest)
    assert (error.code, error.param) == ("unsupported_parameter", name[:80])
    assert len(error.message) < 400


# --- what cannot be asked ---------------------------------------------------------------------------------------------


async def test_an_operation_that_the_channel_does_not_have() -> None:
    body = {"model": "mine", "input": "hi", "voice": "alloy"}
    for candidate in (to("anthropic"), to("gemini")):
        with pytest.raises(UnsupportedError) as caught:
            await (await dispatch(body, "/v1/audio/speech")).to(candidate)
        assert isinstance(caught.value.error, NotFound)
        assert (caught.value.error.code, caught.value.error.param) == ("unsupported_operation", "model")
        assert "(speech)" in caught.value.error.message


ORPHAN = HI | {"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}
UNREADABLE = HI | {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}


@pytest.mark.parametrize("body", [ORPHAN, UNREADABLE])
async def test_what_cannot_be_said_may_still_pass_elsewhere(body: dict[str, Any]) -> None:
    asked = await dispatch(body)
    with pytest.raises(UnsupportedError) as caught:
        await asked.to(to("anthropic"))
    assert isinstance(caught.value.error, BadRequest)
    native = await asked.to(to())
    assert sent(native)["messages"] == body["messages"]


async def test_a_task_that_cannot_be_read() -> None:
    with pytest.raises(UnsupportedError) as caught:
        await (await dispatch({"model": "mine", "input": [[1, "a"]]}, "/v1/embeddings")).to(to("cohere"))
    assert isinstance(caught.value.error, BadRequest)


@pytest.mark.parametrize("failure", [int, lambda _: float(10**400), lambda _: 1 / 0, "x".index])
def test_a_value_that_nobody_has_thought_of_is_the_callers(failure: Callable[[str], object]) -> None:
    with pytest.raises(UnsupportedError) as caught:
        _said(lambda: failure("²"))
    assert isinstance(caught.value.error, BadRequest)
    assert caught.value.error.code == "invalid_value"


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (to("opena"), "no such provider"),
        (to(options={"quirks": "x"}), "no quirk"),
        (to("openai-compatible"), "needs a base_url"),
        (to("anthropic", dialects=("nothing",)), "no format"),
        (to("azure", base_url="https://r.openai.azure.com", options={"api_version": "a/b"}), "api_version"),
    ],
)
async def test_a_channel_that_is_not_set_up(candidate: Candidate, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await (await dispatch(HI)).to(candidate)


# --- rewritten --------------------------------------------------------------------------------------------------------


async def test_effort_of_a_suffix() -> None:
    asked = await dispatch(HI | {"model": "gpt-5-high"}, thinking=Thinking(effort="high"))
    prepared = await asked.to(to(model="gpt-5"))
    assert (sent(prepared)["model"], sent(prepared)["reasoning_effort"]) == ("gpt-5", "high")
    assert not prepared.route.native
    other = await asked.to(to("anthropic", "claude-sonnet-4-5"))
    assert sent(other)["thinking"]["type"] == "enabled"


async def test_a_sealed_signature_goes_back_only_to_whom_it_belongs() -> None:
    """C34: in the caller's own format, too, for another provider's signature would be refused there."""
    thought = {"type": "thinking", "thinking": "Hm.", "signature": seal(Signature("gemini", "flash", "abc"))}
    body = HI | {
        "max_tokens": 5,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]},
            {"role": "user", "content": "b"},
        ],
    }
    prepared = await (await dispatch(body, "/v1/messages")).to(to("anthropic"))
    assert not prepared.route.native
    assert b"b25lYXBp" not in prepared.outgoing.body
    bare = {**body, "messages": [body["messages"][0]]}
    assert (await (await dispatch(bare, "/v1/messages")).to(to("anthropic"))).route.native


# --- what is done to a conversation before ----------------------------------------------------------------------------


class Recalling:
    def __init__(self) -> None:
        self.asked = 0

    async def prepared(self, chat: Chat, call: Call) -> Chat:
        self.asked += 1
        note = Message(role="user", parts=(Text(text="noted"),))
        return replace(chat, messages=(*chat.messages, note))

    def remember(self, events: Sequence[Event], call: Call) -> None:
        raise AssertionError("that is the relay's")


class Fetching:
    def __init__(self, error: BadRequest | None = None) -> None:
        self.asked = 0
        self.error = error

    async def prepared(self, chat: Chat, call: Call) -> Chat:
        self.asked += 1
        if self.error is not None:
            raise self.error
        file = File(kind="image", media_type="image/png", data="QUJD")
        return replace(chat, messages=(Message(role="user", parts=(file,)), *chat.messages[1:]))


async def test_recall_and_fetch_are_asked_once_and_only_for_a_translation() -> None:
    recall, fetch = Recalling(), Fetching()
    body = HI | {"messages": [{"role": "user", "content": [PICTURE]}]}
    asked = await dispatch(body, recall=recall, fetch=fetch)
    native = await asked.to(to())
    assert (recall.asked, fetch.asked) == (0, 0)
    assert sent(native)["messages"] == body["messages"]
    linked = await asked.to(to("anthropic"))
    assert (recall.asked, fetch.asked) == (1, 0), "links are taken there"
    assert b"files.example.com" in linked.outgoing.body
    for _ in range(2):
        prepared = await asked.to(to("bedrock", options={"region": "us-east-1"}))
        assert b"QUJD" in prepared.outgoing.body
        assert b"noted" in prepared.outgoing.body
    assert (recall.asked, fetch.asked) == (1, 1)


async def test_a_file_that_cannot_be_had_may_be_linked_elsewhere() -> None:
    fetch = Fetching(BadRequest("The file cannot be fetched.", code="invalid_file"))
    asked = await dispatch(HI | {"messages": [{"role": "user", "content": [PICTURE]}]}, fetch=fetch)
    with pytest.raises(UnsupportedError, match="cannot be fetched"):
        await asked.to(to("bedrock", options={"region": "us-east-1"}))
    assert b"files.example.com" in (await asked.to(to("anthropic"))).outgoing.body


# --- tickets ----------------------------------------------------------------------------------------------------------


async def test_a_ticket_is_shown_in_place_of_the_key() -> None:
    upstream = Answering(lambda _: Given(body=[b'{"access_token":"ticket"}']))
    where = Channel(
        id=1,
        name="c",
        provider="azure",
        base_url="https://r.openai.azure.com",
        api_keys=(Secret("tenant|client|secret"),),
    )
    asked = await dispatch(HI, tickets=Tickets(upstream, TIMEOUTS))
    prepared = await asked.to(Candidate(where, 0, "up"))
    assert shown(prepared)["authorization"] == "Bearer ticket"
    assert b"secret" not in prepared.outgoing.body
    with pytest.raises(Unavailable):
        await (await dispatch(HI)).to(Candidate(where, 0, "up"))


async def test_the_forms_are_what_the_delivery_asks_for() -> None:
    """Each at its own type: ``Form`` has no test of its own."""
    forms: list[Form] = [
        (await (await dispatch(HI)).to(to())).form,
        (await (await dispatch(HI)).to(to("anthropic"))).form,
    ]
    for form in forms:
        assert form.whole is False
        assert form.reader.started is False
    assert CLIENTS["openai"].name == "openai"
