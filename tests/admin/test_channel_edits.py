"""What a channel becomes by an edit, and that a row which comes back as it was read changes nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from oneapi_asgi.admin.channel_edits import NEW, Limits, drafts_of, revised
from oneapi_asgi.admin.channel_rows import ChannelEdit, ChannelRow, channel_row, masked_key
from oneapi_asgi.desk.channels import KeptChannel
from oneapi_asgi.errors import GatewayError
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Channel, Secret
from oneapi_asgi.providers.catalog import CATALOG
from oneapi_asgi.providers.kinds import kinds

ROOT, ADMIN = Limits(root=True), Limits(root=False)
WORDS = st.text("abc-1/.é", min_size=1, max_size=6)
KEYS = st.lists(st.text("abc-|1", min_size=1, max_size=20).map(Secret), max_size=3, unique=True).map(tuple)
_FIELDS = [name for name in ChannelRow.__struct_fields__ if name in ChannelEdit.__struct_fields__]


def sent_back(row: ChannelRow) -> ChannelEdit:
    """What a front end sends that has read it."""
    said = msgspec.to_builtins(row)
    return msgspec.convert({name: said[name] for name in _FIELDS}, ChannelEdit)


@st.composite
def kept_channels(draw: st.DrawFn) -> KeptChannel:
    provider = draw(st.sampled_from(sorted(CATALOG)))
    options = draw(st.dictionaries(st.sampled_from([*CATALOG[provider].options, "files"]), WORDS, max_size=3))
    state = draw(st.sampled_from([(True, ""), (False, ""), (False, "HTTP 401")]))
    urls = st.sampled_from(["https://a.test", "https://a.test/v1", "https://a.test/x/openai", "http://10.0.0.1:1"])
    channel = Channel(
        id=7,
        name=draw(WORDS),
        provider=provider,
        base_url=draw(st.none() | urls),
        options=options,
        api_keys=draw(KEYS),
        models=tuple(draw(st.lists(WORDS, max_size=3, unique=True))),
        model_map=draw(st.dictionaries(WORDS, WORDS, max_size=2)),
        groups=tuple(draw(st.lists(WORDS, min_size=1, max_size=2, unique=True))),
        priority=draw(st.integers(-5, 5)),
        weight=draw(st.integers(1, 5)),
        headers=draw(st.dictionaries(st.sampled_from(["x-a", "x-api-key", "Cookie"]), st.just("v"), max_size=2)),
        parameters=draw(st.dictionaries(WORDS, st.integers() | WORDS, max_size=2)),
        system_prompt=draw(WORDS),
        proxy=draw(st.sampled_from([None, Secret("http://proxy:1"), Secret("https://me:secret@proxy")])),
        enabled=state[0],
        disabled_because=state[1],
    )
    off = {key_digest(key.reveal()): "x" for key in channel.api_keys[1:]}
    return KeptChannel(
        channel=channel,
        disabled_keys=draw(st.sampled_from([{}, off])),
        tag=draw(WORDS).strip(),
        note=draw(WORDS),
    )


@given(kept_channels(), st.sampled_from([ROOT, ADMIN]))
def test_a_row_that_comes_back_changes_nothing(kept: KeptChannel, limits: Limits) -> None:
    """Whatever is stored, also what would not be taken today: nobody is made to mend what he does not touch."""
    assert revised(kept, sent_back(channel_row(kept)), limits) == kept


@given(kept_channels(), kept_channels())
def test_whatever_is_sent_is_a_channel_or_refused(before: KeptChannel, other: KeptChannel) -> None:
    edit = replace(sent_back(channel_row(other)), id=7)
    try:
        after = revised(before, edit, ADMIN)
    except GatewayError as refused:
        told = (refused.status, refused.code, refused.param)
        assert told[0] in (400, 403)
        assert all(told)
        return
    where, there = [(kept.channel.provider, kept.channel.base_url) for kept in (after, before)]
    assert where == there or not before.channel.api_keys, "a key goes nowhere but where it was meant for"
    assert set(after.disabled_keys) <= {key_digest(key.reveal()) for key in after.channel.api_keys}


@pytest.mark.parametrize(("kind", "provider"), kinds().items())
def test_every_kind_of_one_api_can_be_made(kind: int, provider: str) -> None:
    needed = {name: "x" for name, what in CATALOG[provider].options.items() if what.startswith("required:")}
    url = None if CATALOG[provider].base_url else "https://a.test"
    edit = ChannelEdit(name="a", type=kind, key="k", models="m", base_url=url, options=needed)
    (made,) = drafts_of(edit, ROOT)
    assert made.channel.provider == provider
    row = channel_row(replace(made, channel=replace(made.channel, id=1)))
    assert (row.type in (kind, *CATALOG[provider].one_api_types), row.key_count) == (True, 1)


@pytest.mark.parametrize(
    ("type_", "given_url", "kept"),
    [
        (1, "", None),
        (1, "https://api.openai.com", None),
        (1, "https://proxy.test", "https://proxy.test/v1"),
        (1, "https://proxy.test/v1/", "https://proxy.test/v1"),
        (5, "", "https://api.openai-sb.com/v1"),
        (8, "https://mine.test", "https://mine.test/v1"),
        (50, "https://mine.test/api", "https://mine.test/api"),
        (3, "https://r.openai.azure.com/", "https://r.openai.azure.com/openai/v1"),
    ],
)
def test_base_urls_of_one_api(type_: int, given_url: str, kept: str | None) -> None:
    (made,) = drafts_of(ChannelEdit(name="a", type=type_, key="k", base_url=given_url), ROOT)
    assert made.channel.base_url == kept


def test_a_provider_takes_its_base_url_as_it_is() -> None:
    (made,) = drafts_of(ChannelEdit(name="a", provider="openai", key="k", base_url="https://proxy.test"), ROOT)
    assert made.channel.base_url == "https://proxy.test"


@given(st.text(max_size=40))
def test_of_a_key_seven_characters_are_seen_at_most(key: str) -> None:
    shown = masked_key(Secret(key))
    assert shown == "…" if len(key) < 16 else (len(shown) == 8 and shown[:3] == key[:3] and shown[-4:] == key[-4:])


def test_new_ones_have_no_state() -> None:
    assert KeptChannel(channel=Channel(id=0, name="")) == NEW
