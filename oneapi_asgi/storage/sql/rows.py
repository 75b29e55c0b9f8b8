"""Rows of tables <-> the Structs of ``models``."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import RowMapping, Table

from ...models import Attempt, CallRecord, Channel, Price, Secret, Token, TokenDraft, Usage
from ..declaring import KnownToken
from .schema import records

__all__ = [
    "channel_of",
    "channel_row",
    "draft_row",
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


def _seal(secrets: tuple[Secret, ...]) -> str:
    return _text([secret.reveal() for secret in secrets])


def _unseal(text: str) -> tuple[Secret, ...]:
    return tuple(Secret(value) for value in _strings(text))


# Channels and prices


def channel_row(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "provider": channel.provider,
        "base_url": channel.base_url,
        "api_keys": _seal(channel.api_keys),
        "models": _text(channel.models),
        "model_map": _text(channel.model_map),
        "groups": _text(channel.groups),
        "priority": channel.priority,
        "weight": channel.weight,
        "enabled": channel.enabled,
    }


def channel_of(row: RowMapping) -> Channel:
    values = {name: row[name] for name in Channel.__struct_fields__}
    values |= {name: _strings(row[name]) for name in ("models", "groups")}
    values["api_keys"] = _unseal(row["api_keys"])
    values["model_map"] = msgspec.json.decode(row["model_map"], type=dict[str, str])
    return Channel(**values)


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


def token_of(row: RowMapping) -> Token:
    values = {name: row[name] for name in Token.__struct_fields__ if name in row}
    values |= {name: _strings(row[name]) for name in ("models", "subnets")}
    limited = not (row["cap_unlimited"] and row["wallet_unlimited"])
    return Token(**values, accounts=(row["cap"], row["wallet"]), limited=limited)


def known_token_of(row: RowMapping) -> KnownToken:
    values = {name: row[name] for name in TokenDraft.__struct_fields__ if name in row}
    values |= {name: _strings(row[name]) for name in ("models", "subnets")}
    draft = TokenDraft(**values, user=row["user_name"])
    return KnownToken(id=row["id"], draft=draft, status=row["status"], declared=row["declared"])


# Records


def _limits(table: Table) -> dict[str, int]:
    lengths = {column.name: getattr(column.type, "length", None) for column in table.columns}
    return {name: length for name, length in lengths.items() if length}


_LIMITS = _limits(records)
_USAGE = tuple(part for part in Usage.__struct_fields__ if part != "estimated")


def record_row(record: CallRecord) -> dict[str, Any]:
    """Names and counts come from callers and upstreams, so they are made to fit: a record that no table takes would
    be lost with all that are written beside it."""
    row: dict[str, Any] = {name: getattr(record, name) for name in CallRecord.__struct_fields__}
    usage = row.pop("usage")
    row |= {f"usage_{part}": usage and _count(getattr(usage, part)) for part in _USAGE}
    row["usage_estimated"] = usage and usage.estimated
    row["price"] = record.price and _text(record.price)
    for name, length in _LIMITS.items():
        row[name] = _fit(row[name], length)
    row["attempts"] = _text(record.attempts)
    return row


def _count(value: int) -> int:
    return min(max(value, -_LARGEST), _LARGEST)


def _fit(text: str, length: int) -> str:
    return text[:length].encode(errors="replace").decode().replace("\0", "")


def record_of(row: RowMapping) -> CallRecord:
    values = {name: row[name] for name in CallRecord.__struct_fields__ if name in row}
    values["attempts"] = msgspec.json.decode(row["attempts"], type=tuple[Attempt, ...])
    values["price"] = row["price"] and price_of(row["price"])
    values["usage"] = None
    if row["usage_estimated"] is not None:
        counts = {part: row[f"usage_{part}"] for part in _USAGE}
        values["usage"] = Usage(**counts, estimated=row["usage_estimated"])
    return CallRecord(**values)
