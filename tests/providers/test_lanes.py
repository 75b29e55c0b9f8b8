"""What is the same in every request for one thing to one candidate: worked out once, and never for another."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from oneapi_asgi.models import Candidate, Channel, Secret
from oneapi_asgi.providers.access import Access, JwtAccess, KeyAccess
from oneapi_asgi.providers.aws import AwsAccess
from oneapi_asgi.providers.azure import AzureAccess
from oneapi_asgi.providers.lanes import Lane, Lanes, decoded
from oneapi_asgi.providers.rooted import RootAccess
from oneapi_asgi.providers.vertex import VertexAccess
from oneapi_asgi.wire.dialects import operation_at
from oneapi_asgi.wire.operations import Operation

JSON = ((b"content-type", b"application/json"),)


def operation(path: str = "/chat/completions") -> Operation:
    found = operation_at(path)
    assert found is not None
    return found


def to(model: str = "up", provider: str = "openai", key: str = "sk-1") -> Candidate:
    return Candidate(Channel(id=1, name="c", provider=provider, api_keys=(Secret(key),)), 0, model)


def lane(candidate: Candidate, path: str = "/chat/completions", *, stream: bool = False) -> Lane:
    found = Lanes().of(candidate, operation(path), stream=stream)
    assert found is not None
    return found


def test_it_is_the_same_as_long_as_nothing_changes() -> None:
    known, candidate, chat = Lanes(), to(), operation()
    first = known.of(candidate, chat, stream=True)
    assert first is not None
    assert known.of(candidate, chat, stream=True) is first
    assert known.of(candidate, chat, stream=False) is not first
    assert known.of(candidate, operation("/embeddings"), stream=True) is not first
    assert known.of(to(), chat, stream=True) is not first, "equal is not the same: its key may be another"


def test_another_object_is_never_taken_for_one_that_is_gone() -> None:
    known, chat = Lanes(), operation()
    for number in range(1000):  # each is dropped at once: a later one may lie where it lay
        found = known.of(to(f"m{number}"), chat, stream=False)
        assert found is not None
        assert found.candidate.upstream_model == f"m{number}"


def test_what_can_not_be_done_is_remembered_as_well() -> None:
    known, candidate, speech = Lanes(), to(provider="anthropic"), operation("/audio/speech")
    assert [known.of(candidate, speech, stream=False) for _ in range(2)] == [None, None]


def test_what_is_not_set_up_is_told_each_time() -> None:
    known, candidate, chat = Lanes(), to(provider="azure"), operation()
    for _ in range(2):
        with pytest.raises(ValueError, match="needs a base_url"):
            known.of(candidate, chat, stream=False)


def test_the_oldest_are_forgotten() -> None:
    known, chat, candidates = Lanes(most=2), operation(), [to(), to(), to()]
    first = [known.of(candidate, chat, stream=False) for candidate in candidates]
    again = [known.of(candidate, chat, stream=False) for candidate in reversed(candidates)]
    assert [one is other for one, other in zip(first, reversed(again), strict=True)] == [False, True, True]


@pytest.mark.parametrize("path", ["/v1beta/models/gemini-pro:generateContent", "/images/" + "a" * 200])
def test_operations_that_are_made_for_a_call_are_not_kept(path: str) -> None:
    known, candidate, asked = Lanes(), to(), operation(path)
    assert known.of(candidate, asked, stream=False) is not known.of(candidate, asked, stream=False)


def test_neither_is_one_with_a_query() -> None:
    known, candidate = Lanes(), to()
    asked = operation_at("/chat/completions", "a=b")
    assert asked is not None
    assert known.of(candidate, asked, stream=False) is not known.of(candidate, asked, stream=False)


def test_headers() -> None:
    found = lane(to())
    assert found.fixed_headers((*JSON, (b"accept", b"*/*"))) == (
        ("accept-encoding", "identity"),
        ("user-agent", "oneapi-asgi"),
        ("content-type", "application/json"),
        ("accept", "*/*"),
        ("authorization", "Bearer sk-1"),
    )
    assert found.fixed_headers(JSON) is found.fixed_headers(JSON)
    assert found.fixed_headers(()) != found.fixed_headers(JSON)


def test_headers_of_the_format_give_way_to_those_of_the_caller() -> None:
    found = lane(to(provider="anthropic"), "/messages")
    assert dict(found.fixed_headers(JSON))["anthropic-version"] == "2023-06-01"
    assert dict(found.fixed_headers(((b"anthropic-version", b"2030-01-01"),)))["anthropic-version"] == "2030-01-01"


def test_callers_cannot_fill_the_memory_with_headers() -> None:
    found, long = lane(to()), ((b"accept", b"a" * 300),)
    assert found.fixed_headers(long) is not found.fixed_headers(long)
    for number in range(100):
        assert dict(found.fixed_headers(((b"accept", b"%d" % number),)))["accept"] == str(number)
    late = ((b"accept", b"late"),)
    assert found.fixed_headers(late) is not found.fixed_headers(late)
    assert found.fixed_headers(late) == found.fixed_headers(late)


def test_headers_pass_once_and_only_in_ascii() -> None:
    assert decoded([(b"accept", b"a"), (b"accept", b"b"), (b"content-type", b"\xff")]) == [("accept", "a")]


@pytest.mark.parametrize(
    ("access", "fixed"),
    [
        (KeyAccess(), True),
        (RootAccess(), True),
        (JwtAccess(), False),
        (AwsAccess(), False),
        (AzureAccess(), False),
        (VertexAccess(), False),
    ],
)
def test_who_signs_or_exchanges_is_never_fixed(access: Access, *, fixed: bool) -> None:
    assert access.fixed is fixed


def test_its_repr_shows_no_key() -> None:
    found = lane(to(key="sk-secret"))
    found.fixed_headers(JSON)
    assert "sk-secret" not in repr(found)


# --- what the channel changes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "path", "name"),
    [
        ("openai", "/chat/completions", "authorization"),  # the provider's own
        ("anthropic", "/messages", "anthropic-version"),  # the format's
        ("anthropic", "/messages", "anthropic-beta"),  # the caller's
        ("openai", "/chat/completions", "user-agent"),  # the gateway's
        ("openai", "/chat/completions", "x-new"),
    ],
)
def test_headers_of_the_channel_win(provider: str, path: str, name: str) -> None:
    plain = to(provider=provider)
    channel = replace(plain.channel, headers={name.title(): "the channel's"})
    passed = (*JSON, (b"anthropic-beta", b"the caller's"))
    found = lane(Candidate(channel, 0, "up"), path).fixed_headers(passed)
    assert [value for key, value in found if key == name] == ["the channel's"]
    others = [header for header in lane(plain, path).fixed_headers(passed) if header[0] != name]
    assert [header for header in found if header[0] != name] == others


def test_without_changes_there_are_none() -> None:
    found = lane(to())
    assert (found.changes, found.headers) == (None, ())


@pytest.mark.parametrize("change", [{"headers": {"host": "x"}}, {"parameters": {"model": "x"}}])
def test_rows_that_somebody_else_wrote_are_judged_too(change: dict[str, dict[str, str]]) -> None:
    channel = Channel(id=1, name="c", **change)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(ValueError, match="of the channel 'c'"):
            lane(Candidate(channel, 0, "up"))
