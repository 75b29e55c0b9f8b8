"""What is said of a provider, an option or a quirk that is not there."""

from __future__ import annotations

import pytest

from oneapi_asgi import Gateway, MemoryStorage
from oneapi_asgi.models import Channel
from oneapi_asgi.providers.access import options_in, signing
from oneapi_asgi.providers.catalog import CATALOG, COMMON_OPTIONS, find_provider, mistaken_options


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("antropic", '"anthropic"'),
        ("azure-openai", '"azure"'),
        ("claude", '"azure-claude" or "anthropic"'),
        ("google", '"gemini" or "gemini-openai" or "vertex"'),
        ("aws", '"bedrock" or "bedrock-openai"'),
        ("grok", '"xai"'),
        ("vertexai", '"vertex"'),
        ("open-ai", '"openai"'),
    ],
)
def test_what_may_have_been_meant(given: str, told: str) -> None:
    with pytest.raises(ValueError, match="no such provider; did you mean ") as caught:
        find_provider(given)
    assert str(caught.value).endswith(f"did you mean {told}?")


def channel(options: dict[str, str], base_url: str | None = None, provider: str = "openai") -> Channel:
    return Channel(id=1, name="c", provider=provider, base_url=base_url, options=options)


@pytest.mark.parametrize(
    ("given", "mistakes"),
    [
        (channel({}), []),
        (channel({"quirks": "stream_only, -usage_option", "files": "no"}), []),
        (channel({"account": "a", "site": "b"}, "https://{site}.test/{account}"), []),
        (channel({"regoin": "x"}, provider="bedrock"), [("regoin", 'no such option; did you mean "region"?')]),
        (channel({"quirks": "-no_m"}), [("quirks", 'there is no quirk "-no_m"; did you mean "no_n"?')]),
    ],
)
def test_options_that_nothing_reads(given: Channel, mistakes: list[tuple[str, str]]) -> None:
    assert list(mistaken_options(given)) == mistakes


@pytest.mark.parametrize("provider", CATALOG)
def test_every_option_of_a_row_is_one(provider: str) -> None:
    options = dict.fromkeys((*CATALOG[provider].options, *COMMON_OPTIONS.keys() - {"quirks"}), "x")
    options["cost_factor"] = "0.8"
    assert list(mistaken_options(channel(options, provider=provider))) == []
    assert options_in(CATALOG[provider].base_url or "") <= options.keys()


def test_a_gateway_tells_them_when_it_is_made() -> None:
    mistaken = channel({"quirks": "x", "regoin": "y"}, "http://127.0.0.1:1")
    with pytest.raises(ValueError, match=r"^channel \"c\": options: .*regoin: no such option") as caught:
        Gateway(MemoryStorage(), channels=[mistaken])
    assert 'quirks: there is no quirk "x"' in str(caught.value)


def test_a_library_that_is_missing_is_one_more_thing_that_a_channel_needs() -> None:
    with (
        pytest.raises(ValueError, match=r"needs nothing_of_the_kind: pip install 'oneapi-asgi\[aws\]'"),
        signing("aws"),
    ):
        import nothing_of_the_kind  # type: ignore[import-not-found]  # noqa: F401
