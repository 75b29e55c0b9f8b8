"""Databases as One API and new-api leave them: GORM's names and types on each kind of server, filled by statements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import bcrypt
from servers.databases import rows_of_each

__all__ = ["HASH", "KEY", "PASSWORD", "fill", "hashed", "make", "place_of"]

PASSWORD = "correct horse"
KEY = "oneApiKey" + "k" * 39


def hashed(password: str) -> str:
    """As Go's bcrypt writes it, cheaper."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b"2a")).decode()


HASH = hashed(PASSWORD)

_TABLES = {
    "users": "id {key}, username {s} UNIQUE, password {s} NOT NULL, display_name {s}, role bigint DEFAULT 1, "
    "status bigint DEFAULT 1, email {s}, github_id {s}, wechat_id {s}, lark_id {s}, oidc_id {s}, "
    "access_token char(32) UNIQUE, quota bigint DEFAULT 0, used_quota bigint DEFAULT 0, "
    "request_count bigint DEFAULT 0, {q}group{q} varchar(32) DEFAULT 'default', "
    "aff_code varchar(32) UNIQUE, inviter_id bigint",
    "tokens": "id {key}, user_id bigint, {q}key{q} char(48) UNIQUE, status bigint DEFAULT 1, name {s}, "
    "created_time bigint, accessed_time bigint, expired_time bigint DEFAULT -1, remain_quota bigint DEFAULT 0, "
    "unlimited_quota {b}, used_quota bigint DEFAULT 0, models {t}, subnet {s}",
    "channels": "id {key}, type bigint DEFAULT 0, {q}key{q} {t}, status bigint DEFAULT 1, name {s}, weight bigint, "
    "created_time bigint, test_time bigint, response_time bigint, base_url {s}, other {s}, balance {f}, "
    "balance_updated_time bigint, models {t}, {q}group{q} varchar(32) DEFAULT 'default', used_quota bigint DEFAULT 0, "
    "model_mapping varchar(1024) DEFAULT '', priority bigint DEFAULT 0, config {t}, system_prompt {t}",
    "abilities": "{q}group{q} varchar(32), model varchar(191), channel_id bigint, enabled {b}, priority bigint, "
    "PRIMARY KEY ({q}group{q}, model, channel_id)",
    "redemptions": "id {key}, user_id bigint, {q}key{q} char(32) UNIQUE, status bigint DEFAULT 1, name {s}, "
    "quota bigint DEFAULT 100, created_time bigint, redeemed_time bigint",
    "options": "{q}key{q} varchar(191) PRIMARY KEY, value {t}",
    "logs": "id {key}, user_id bigint, created_at bigint, type bigint, content {t}, username {s}, token_name {s}, "
    "model_name {s}, quota bigint DEFAULT 0, prompt_tokens bigint DEFAULT 0, completion_tokens bigint DEFAULT 0, "
    "channel_id bigint, request_id {s}, elapsed_time bigint DEFAULT 0, is_stream {b}, system_prompt_reset {b}",
}
_NEWER = {
    "users": ", deleted_at {d}, discord_id {s}",
    "tokens": ", model_limits_enabled {b}, model_limits varchar(1024), allow_ips {s}, {q}group{q} {s}, deleted_at {d}",
    "channels": ", tag {s}, setting {t}, param_override {t}, header_override {t}, auto_ban bigint DEFAULT 1, "
    "channel_info {t}, remark {s}, test_model {s}",
    "redemptions": ", expired_time bigint, used_user_id bigint, deleted_at {d}",
    "logs": ", token_id bigint, use_time bigint, ip {s}",
}
_WORDS = {
    "sqlite": {"key": "integer PRIMARY KEY AUTOINCREMENT", "s": "text", "t": "text", "b": "numeric", "f": "real",
               "q": "`", "d": "datetime"},
    "mysql": {"key": "bigint PRIMARY KEY AUTO_INCREMENT", "s": "varchar(191)", "t": "longtext", "b": "tinyint(1)",
              "f": "double", "q": "`", "d": "datetime(3) NULL"},
    "postgresql": {"key": "bigserial PRIMARY KEY", "s": "text", "t": "text", "b": "boolean", "f": "numeric",
                   "q": '"', "d": "timestamptz"},
}  # fmt: skip


def make(url: str, *, newer: bool = False) -> None:
    """The tables, empty."""
    words = _WORDS[urlsplit(url).scheme]
    rows_of_each(
        url,
        *(
            f"CREATE TABLE {name} ({(columns + (_NEWER.get(name, '') if newer else '')).format(**words)})"
            for name, columns in _TABLES.items()
        ),
    )


def fill(url: str, table: str, *rows: Mapping[str, Any]) -> None:
    """Add rows, which have the same columns."""
    quote = _WORDS[urlsplit(url).scheme]["q"]
    if not rows:
        return
    names = ", ".join(f"{quote}{name}{quote}" for name in rows[0])
    for start in range(0, len(rows), 500):
        values = ", ".join(f"({', '.join(map(_said, row.values()))})" for row in rows[start : start + 500])
        rows_of_each(url, f"INSERT INTO {table} ({names}) VALUES {values}")


def place_of(url: str) -> str:
    """As somebody names it to the command: a file by its path."""
    split = urlsplit(url)
    return split.path.removeprefix("/") if split.scheme == "sqlite" else url


def _said(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    escaped = str(value).replace("'", "''")
    return f"'{escaped}'"
