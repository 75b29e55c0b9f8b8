"""Channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..desk.moving import Remarks, Upstreams
from ..keys import key_digest
from ..models import Channel, Secret
from ..providers.kinds import base_url_of, keys_of, options_of, provider_of
from ..providers.provider import Provider
from .values import Row, flag, json_object, listed, moment, text, whole

__all__ = ["upstream_of"]

_TABLE = "channels"
_OFF = "switched off by One API"
_SAY_YOURSELF = "disable the channel, or have callers say it themselves"
_OLD_KEYS = {"qianfan": 2, "spark": 3, "hunyuan": 3}
"""Of vendors whose newer API wants a key of its own: the parts that ``A|B|C`` has for the older one."""

_HOP = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "host",
        "proxy-authorization",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)


def upstream_of(row: Row, remarks: Remarks, *, newer: bool) -> Upstreams | None:
    """``newer``: the table is new-api's. None: the channel is not carried, and the remarks say why."""
    number, kind = whole(row, "id"), whole(row, "type")
    name = text(row, "name") or f"channel-{number}"
    named = f"{name} ({number})"
    provider = provider_of(kind, newer=newer)
    if provider is None:
        what = f"its type {kind} has no provider here"
        remarks.add("skipped", _TABLE, what, named, cure="see oneapi-asgi providers for one that does the same")
        return None
    settings = _object(row, "setting", named, remarks)
    keys = _keys(row, provider)
    disabled_keys = _disabled_keys(row, keys)
    all_off = bool(keys) and len(disabled_keys) == len(set(keys))
    prompt = str(row.get("system_prompt") or settings.get("system_prompt") or "")
    headers, parameters = _headers(row, named, remarks), _object(row, "param_override", named, remarks)
    _remark_on_what_is_lost(row, provider, keys, settings, named, remarks)
    for what, kept in (("system prompt", prompt), ("headers", headers), ("parameters", parameters)):
        if kept:
            remarks.add("lost", _TABLE, f"{what} of a channel: kept, and not sent along yet", named, cure=_SAY_YOURSELF)
    models = listed(row, "models")
    channel = Channel(
        id=0,
        name=name,
        provider=provider.id,
        base_url=base_url_of(kind, provider, text(row, "base_url", 1000)),
        options=_options(row, provider, named, remarks),
        api_keys=tuple(map(Secret, keys)),
        models=models,
        model_map=_model_map(row, named, remarks),
        groups=listed(row, "group") or ("default",),
        priority=whole(row, "priority"),
        weight=max(1, min(whole(row, "weight"), 2**31)),
        enabled=whole(row, "status", 1) == 1 and bool(models) and not (all_off or settings.get("proxy")),
        disabled_because=_OFF if whole(row, "status", 1) == 3 else "",
    )
    return Upstreams(
        id=number,
        channel=channel,
        disabled_keys=disabled_keys,
        headers=headers,
        parameters=parameters,
        system_prompt=prompt,
        tag=text(row, "tag"),
        note=str(row.get("remark") or ""),
        test_model=text(row, "test_model"),
        created_at=moment(row, "created_time"),
    )


def _object(row: Row, column: str, named: str, remarks: Remarks) -> dict[str, Any]:
    found = json_object(row.get(column))
    if found is None:
        remarks.add("lost", _TABLE, f"{column} is no JSON object", named, cure="set it anew, if it said something")
    return found or {}


def _model_map(row: Row, named: str, remarks: Remarks) -> dict[str, str]:
    found = _object(row, "model_mapping", named, remarks)
    return {key: str(value) for key, value in found.items() if key and isinstance(value, str) and value}


def _headers(row: Row, named: str, remarks: Remarks) -> dict[str, str]:
    found = _object(row, "header_override", named, remarks)
    kept = {key: value for key, value in found.items() if isinstance(value, str) and key.lower() not in _HOP}
    kept = {key: value for key, value in kept.items() if "{" not in value and "\n" not in value}
    for key in sorted(found.keys() - kept.keys()):
        remarks.add("lost", _TABLE, f"its header {key} cannot be set for a channel", named)
    return kept


def _options(row: Row, provider: Provider, named: str, remarks: Remarks) -> dict[str, str]:
    """Of ``config``, and of ``other``, which older versions had in its place."""
    config: Mapping[str, Any] = _object(row, "config", named, remarks)
    other = text(row, "other")
    if other and not other.startswith("{"):
        config = {"api_version": other, "region": other, "user_id": other} | dict(config)
    found = options_of(config, provider)
    for name in ("library_id", "plugin"):
        if config.get(name):
            remarks.add("lost", _TABLE, f"{name} of its config has no place here", named)
    return found


def _keys(row: Row, provider: Provider) -> tuple[str, ...]:
    given, config = str(row.get("key") or "").strip(), json_object(row.get("config")) or {}
    if provider.id in ("bedrock", "vertex"):
        return keys_of(given, config, provider)
    about = json_object(row.get("channel_info")) or {}
    if not about.get("is_multi_key"):
        return (given,) if given else ()
    return tuple(line.strip() for line in given.splitlines() if line.strip())


def _disabled_keys(row: Row, keys: tuple[str, ...]) -> dict[str, str]:
    """Why some are switched off, by their digests."""
    about = json_object(row.get("channel_info")) or {}
    states, reasons = about.get("multi_key_status_list"), about.get("multi_key_disabled_reason")
    states, reasons = (found if isinstance(found, dict) else {} for found in (states, reasons))
    off = {index: key for index, key in enumerate(keys) if states.get(str(index), 1) != 1}
    return {key_digest(key): str(reasons.get(str(index)) or _OFF)[:255] for index, key in off.items()}


def _remark_on_what_is_lost(
    row: Row, provider: Provider, keys: tuple[str, ...], settings: Mapping[str, Any], named: str, remarks: Remarks
) -> None:
    parts = _OLD_KEYS.get(provider.id)
    if parts and any(key.count("|") == parts - 1 for key in keys):
        what = f"its key is of an older API of {provider.name}, and will be refused"
        remarks.add("changed", _TABLE, what, named, cure=provider.note or "make a new key")
    if settings.get("proxy"):
        what = "it is asked through a proxy, and is disabled: channels have none here"
        remarks.add("lost", _TABLE, what, named, cure="enable it if this host may reach it directly")
    if not listed(row, "models"):
        remarks.add("changed", _TABLE, "it names no models, and is disabled", named, cure="name them")
    if text(row, "status_code_mapping") not in ("", "{}"):
        remarks.add("lost", _TABLE, "status_code_mapping has no place here", named)
    if "auto_ban" in row and not flag(row, "auto_ban", default=True):
        remarks.add(
            "lost", _TABLE, "auto_ban off is a setting of all channels here", named, cure="see [routing] disable_on"
        )
