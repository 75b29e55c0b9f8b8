"""Rows of tables <-> the Structs of ``models``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter, itemgetter, le
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from ...keys import key_digest
from ...models import Attempt, CallRecord, Channel, Price, Secret, Token, TokenDraft, Usage
from ..declaring import KnownToken
from .schema import records

__all__ = [
    "RECORD_COLUMNS",
    "channel_of",
    "channel_row",
    "disabled_keys_of",
    "disabled_keys_text",
    "draft_row",
    "fitting_name",
    "known_token_of",
    "price_of",
    "price_text",
    "record_of",
    "record_row",
    "token_of",
]

_LARGEST = 2**63 - 1


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _strings(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _named_strings(text: str) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])


# Channels and prices


def channel_row(channel: Channel) -> dict[str, Any]:
    """With its secrets in clear, to be sealed."""
    return {
        "name": channel.name,
        "provider": channel.provider,
        "base_url": channel.base_url,
        "dialects": _text(channel.dialects),
        "options": _text(channel.options),
        "unsupported": channel.unsupported,
        "api_keys": _text([key.reveal() for key in channel.api_keys]),
        "models": _text(channel.models),
        "model_map": _text(channel.model_map),
        "groups": _text(channel.groups),
        "priority": channel.priority,
        "weight": channel.weight,
        "concurrent_calls": channel.concurrent_calls,
        "concurrent_calls_per_key": channel.concurrent_calls_per_key,
        "headers": _text(channel.headers) if channel.headers else None,
        "parameters": _text(channel.parameters) if channel.parameters else None,
        "system_prompt": channel.system_prompt or None,
        "proxy": channel.proxy.reveal() if channel.proxy is not None else None,
        "enabled": channel.enabled,
        "disabled_because": fitting_name(channel.disabled_because),
    }


def channel_of(row: Mapping[Any, Any]) -> Channel:
    """Of a row that was unsealed."""
    values = {name: row[name] for name in Channel.__struct_fields__}
    values |= {name: _strings(row[name]) for name in ("models", "groups")}
    values["dialects"] = _strings(row["dialects"] or "[]")
    values["api_keys"] = tuple(map(Secret, _strings(row["api_keys"])))
    values |= {name: _named_strings(row[name] or "{}") for name in ("model_map", "options", "headers")}
    values["parameters"] = msgspec.json.decode(row["parameters"] or "{}")
    values["system_prompt"] = row["system_prompt"] or ""
    values["proxy"] = Secret(row["proxy"]) if row["proxy"] else None
    return Channel(**values)


def disabled_keys_text(channel: Channel, disabled: Mapping[str, str]) -> str | None:
    """Why keys of the channel are switched off, by their digests. Of keys that it no longer has nothing is kept."""
    digests = [key_digest(key.reveal()) for key in channel.api_keys]
    kept = {digest: fitting_name(disabled[digest]) for digest in digests if digest in disabled}
    return _text(kept) if kept else None


def disabled_keys_of(row: Mapping[Any, Any]) -> dict[str, str]:
    return _named_strings(row["disabled_keys"] or "{}")


def price_text(price: Price) -> str:
    return _text(price)


def price_of(text: str) -> Price:
    return msgspec.json.decode(text, type=Price)


# Tokens


def draft_row(draft: TokenDraft) -> dict[str, Any]:
    """All but the user."""
    return {
        "name": draft.name,
        "digest": draft.digest,
        "prefix": draft.prefix,
        "quota": draft.quota,
        "expires_at": draft.expires_at,
        "models": _text(draft.models),
        "subnets": _text(draft.subnets),
        "requests_per_minute": draft.requests_per_minute,
    }


_DRAFT_FIELDS = tuple(name for name in TokenDraft.__struct_fields__ if name != "user")
_TOKEN_FIELDS = tuple(name for name in Token.__struct_fields__ if name not in ("accounts", "limited"))


def token_of(row: RowMapping) -> Token:
    values = {name: row[name] for name in _TOKEN_FIELDS}
    values |= {name: _strings(row[name]) for name in ("models", "subnets")}
    limited = not (row["cap_unlimited"] and row["wallet_unlimited"])
    return Token(**values, accounts=(row["cap"], row["wallet"]), limited=limited)


def known_token_of(row: RowMapping) -> KnownToken:
    values = {name: row[name] for name in _DRAFT_FIELDS}
    values |= {name: _strings(row[name]) for name in ("models", "subnets")}
    draft = TokenDraft(**values, user=row["user_name"])
    return KnownToken(id=row["id"], draft=draft, status=row["status"], declared=row["declared"])


# Records


_TEXTS = tuple(column.name for column in records.columns if getattr(column.type, "length", None))
_LENGTHS = tuple(getattr(records.c[name].type, "length", 0) for name in _TEXTS)
_FACTS = ("at", "token_id", "user_id", "channel_id", "status", "stream", "first_content", "duration")
_COUNTS = tuple(part for part in Usage.__struct_fields__ if part != "estimated")
_MODEL_LENGTH = dict(zip(_TEXTS, _LENGTHS, strict=True))["model"]
_NO_USAGE = (None,) * (len(_COUNTS) + 1)
_texts, _facts, _counts = attrgetter(*_TEXTS), attrgetter(*_FACTS), attrgetter(*_COUNTS)

_GATHERED = (*_TEXTS, *_FACTS, "cost", *(f"usage_{part}" for part in _COUNTS), "usage_estimated", "attempts", "price")
RECORD_COLUMNS = tuple(column.name for column in records.columns if column.name in _GATHERED)
_in_order = itemgetter(*map(_GATHERED.index, RECORD_COLUMNS))


def record_row(record: CallRecord) -> tuple[object, ...]:
    """The values of ``RECORD_COLUMNS``.

    Names, counts and what these cost come from callers and upstreams, so they are made to fit: a record that no table
    takes would be lost with all that are written beside it.
    """
    usage = record.usage
    values = (
        *_fitting(_texts(record)),
        *_facts(record),
        *_fitting_counts((record.cost,)),
        *((*_fitting_counts(_counts(usage)), usage.estimated) if usage is not None else _NO_USAGE),
        _text(record.attempts),
        _text(record.price) if record.price is not None else None,
    )
    return _in_order(values)  # type: ignore[no-any-return]


def _fitting_counts(counts: tuple[int, ...]) -> Iterable[int]:
    if min(counts) >= -_LARGEST and max(counts) <= _LARGEST:
        return counts
    return [min(max(count, -_LARGEST), _LARGEST) for count in counts]


def _fitting(texts: tuple[str, ...]) -> Iterable[str]:
    """Looked at together: nearly always they fit as they are."""
    together = "".join(texts)
    if together.isascii() and together.isprintable() and all(map(le, map(len, texts), _LENGTHS)):
        return texts
    return map(_fit, texts, _LENGTHS)


def _fit(text: str, length: int) -> str:
    if len(text) <= length and text.isascii() and text.isprintable():
        return text
    return text[:length].encode(errors="replace").decode().replace("\0", "")


def fitting_name(name: str) -> str:
    """The name of a model as its record has it; any text that a column for names takes."""
    return _fit(name, _MODEL_LENGTH)


def record_of(row: RowMapping) -> CallRecord:
    values = {name: row[name] for name in CallRecord.__struct_fields__ if name in row}
    values["attempts"] = msgspec.json.decode(row["attempts"], type=tuple[Attempt, ...])
    values["price"] = row["price"] and price_of(row["price"])
    values["usage"] = None
    if row["usage_estimated"] is not None:
        counts = {part: row[f"usage_{part}"] for part in _COUNTS}
        values["usage"] = Usage(**counts, estimated=row["usage_estimated"])
    return CallRecord(**values)
