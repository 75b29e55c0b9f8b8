"""The counts of every shape that providers report, and none of those that cannot be."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import Usage
from oneapi_asgi.wire.usage import count_of, counts_of, guess_output, parse_usage

NOTHING = None


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, Usage(input=7, output=3)),
        ({"prompt_tokens": 7, "total_tokens": 7}, Usage(input=7)),
        ({"input_tokens": 7, "output_tokens": 3}, Usage(input=7, output=3)),
        ({"total_tokens": 9}, Usage(input=9)),
        ({"total_tokens": 9, "completion_tokens": 4}, Usage(input=5, output=4)),
        ({"completion_tokens": 4}, Usage(output=4)),
        ({"seconds": 12}, Usage(audio_seconds=12)),
        ({"type": "duration", "seconds": 12.01}, Usage(audio_seconds=13)),
        ({"prompt_tokens": 0, "completion_tokens": 3}, Usage(output=3)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10, "audio_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 7},
            },
            Usage(input=100, output=50, cache_read=60, cache_write=10, input_audio=5, reasoning=30, output_audio=7),
        ),
        (
            {
                "input_tokens": 100,
                "output_tokens": 50,
                "input_tokens_details": {"text_tokens": 40, "image_tokens": 60},
                "output_tokens_details": {"image_tokens": 50},
            },
            Usage(input=100, output=50, input_image=60, output_image=50),
        ),
        (
            {"input_tokens": 14, "output_tokens": 5, "input_token_details": {"text_tokens": 4, "audio_tokens": 10}},
            Usage(input=14, output=5, input_audio=10),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2},
            Usage(input=10, output=1, cache_read=8),
        ),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": None, "completion_tokens_details": None},
            Usage(input=10),
        ),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 999}}, Usage(input=10, cache_read=10)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": -5}}, Usage(input=10)),
        (
            {"completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 11}},
            Usage(output=10, reasoning=10),
        ),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, NOTHING),
        ({"prompt_tokens": -1, "completion_tokens": 3}, NOTHING),
        ({"prompt_tokens": 3, "completion_tokens": -1}, NOTHING),
        ({"total_tokens": 3, "completion_tokens": 4}, NOTHING),
        ({"prompt_tokens": 1 << 40}, NOTHING),
        ({"prompt_tokens": 1 << 70}, NOTHING),
        ({"seconds": -3}, NOTHING),
        ({"seconds": 1e300}, NOTHING),
        ({"prompt_tokens": "7"}, NOTHING),
        ({"prompt_tokens": True}, NOTHING),
        ({"prompt_tokens": 7.5}, NOTHING),
        ({}, NOTHING),
        (None, NOTHING),
        ([7], NOTHING),
        ("7", NOTHING),
    ],
)
def test_shapes(reported: object, usage: Usage | None) -> None:
    assert parse_usage(msgspec.json.encode(reported)) == usage


@pytest.mark.parametrize("raw", [b"", b"{", b'{"prompt_tokens":1e400}', b'{"seconds":1e999}', b'{"prompt_tokens":NaN}'])
def test_what_is_no_json_counts_nothing(raw: bytes) -> None:
    assert parse_usage(raw) is None


COUNTS: list[tuple[str, int | None]] = [
    ("0", 0),
    ("7", 7),
    ("7.0", 7),
    (f"{(1 << 40) - 1}", (1 << 40) - 1),
    ("null", 0),
    (f"{1 << 40}", None),
    ("3000000000000000", None),
    ("3e15", None),
    (f"{10**30}", None),
    ("9" * 400, None),
    ("9" * 5000, None),
    ("1e400", None),
    ("-1", None),
    ("-1e400", None),
    ("7.5", None),
    ("true", None),
    ('"7"', None),
    ("[7]", None),
    ("{}", None),
]


@pytest.mark.parametrize(("text", "count"), COUNTS)
def test_a_count(text: str, count: int | None) -> None:
    assert count_of(msgspec.Raw(text)) == count
    counts = counts_of(msgspec.Raw(f'{{"a": {text}, "b": 3}}'))
    assert counts == ({"b": 3} if text == "null" else {"a": count, "b": 3})


@pytest.mark.parametrize("text", ["", "null", "3", "[3]", '"x"', "{"])
def test_what_is_no_object_has_no_counts(text: str) -> None:
    assert counts_of(msgspec.Raw(text)) == {}


def test_what_was_not_told_is_nothing() -> None:
    assert count_of(msgspec.Raw()) == 0
    assert count_of(None) == 0


@given(st.integers() | st.floats() | st.booleans() | st.text() | st.none())
def test_no_count_is_below_nothing_or_beyond_all_measure(told: object) -> None:
    count = count_of(told)
    assert count is None or 0 <= count < 1 << 40


COUNT = st.none() | st.integers(-10, 50) | st.integers(-(1 << 70), 1 << 70)
PARTS = ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "reasoning_tokens")
WHOLES = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "seconds")
DETAILS = st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(PARTS, COUNT))
REPORTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys((*WHOLES, "prompt_cache_hit_tokens"), COUNT),
        "prompt_tokens_details": DETAILS,
        "completion_tokens_details": DETAILS,
    },
)


@given(REPORTS)
def test_no_report_makes_counts_that_do_not_add_up(reported: dict[str, object]) -> None:
    usage = parse_usage(str(reported).replace("'", '"').replace("None", "null").encode())
    if usage is not None:
        counts = [getattr(usage, name) for name in usage.__struct_fields__ if name not in ("calls", "estimated")]
        assert min(counts) >= 0
        assert sum(counts) > 0
        parts = usage.cache_read + usage.cache_write + usage.cache_write_1h + usage.input_audio + usage.input_image
        assert parts <= usage.input
        assert usage.reasoning + usage.output_audio + usage.output_image <= usage.output
        assert not usage.estimated


@pytest.mark.parametrize(("size", "tokens"), [(-2, 0), (0, 0), (1, 1), (16, 1), (17, 5), (400, 100), (401, 101)])
def test_the_guess_of_a_piece(size: int, tokens: int) -> None:
    assert guess_output(size) == tokens
