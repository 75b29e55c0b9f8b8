"""Channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ..desk.moving import Remarks, Upstreams
from ..keys import key_digest
from ..models import Channel, Secret
from ..overrides import mistaken_overrides
from ..providers.kinds import base_url_of, keys_of, options_of, provider_of
from ..providers.provider import Provider
from .values import Row, flag, json_object, listed, moment, text, whole

__all__ = ["upstream_of"]

_TABLE = "channels"
_OFF = "switched off by One API"
_OLD_KEYS = {"qianfan": 2, "spark": 3, "hunyuan": 3}
"""Of vendors whose newer API wants a key of its own: the parts that ``A|B|C`` has for the older one."""


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
    _remark_on_what_is_lost(row, provider, keys, named, remarks)
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
        headers=_headers(row, named, remarks),
        parameters=_parameters(row, named, remarks),
        system_prompt=_prompt(row, settings, named, remarks),
        proxy=Secret(str(settings["proxy"])) if settings.get("proxy") else None,
        enabled=whole(row, "status", 1) == 1 and bool(models) and not all_off,
        disabled_because=_OFF if whole(row, "status", 1) == 3 else "",
    )
    return Upstreams(
        id=number,
        channel=_as_it_may_be(channel, named, remarks),
        disabled_keys=disabled_keys,
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
    """Without those that another gateway fills in for each call ("{api_key}")."""
    found = _object(row, "header_override", named, remarks)
    kept = {key: value for key, value in found.items() if isinstance(value, str) and "{" not in value}
    for key in sorted(found.keys() - kept.keys()):
        _tell_lost("headers", key, named, remarks)
    return kept


def _parameters(row: Row, named: str, remarks: Remarks) -> dict[str, Any]:
    found = _object(row, "param_override", named, remarks)
    if isinstance(found.get("operations"), list):  # new-api's language for changes
        _tell_lost("parameters", "operations", named, remarks)
        del found["operations"]
    return found


def _prompt(row: Row, settings: Mapping[str, Any], named: str, remarks: Remarks) -> str:
    own = str(row.get("system_prompt") or "")
    if not own and settings.get("system_prompt"):
        remarks.add("changed", _TABLE, "its system prompt takes the place of what callers begin with", named)
    return own or str(settings.get("system_prompt") or "")


def _as_it_may_be(channel: Channel, named: str, remarks: Remarks) -> Channel:
    """Without the changes that no channel may make here. One that has to be reached in a way that is none is disabled:
    it would be asked without it."""
    kept: dict[str, Any] = {"headers": dict(channel.headers), "parameters": dict(channel.parameters)}
    for field, key, what in mistaken_overrides(channel):
        if field == "proxy":
            told = f"it is asked through a proxy, whose URL {what}; it is disabled"
            remarks.add("lost", _TABLE, told, named, cure="enable it if this host may reach it directly")
            kept |= {"proxy": None, "enabled": False}
        elif key:
            _tell_lost(field, key, named, remarks)
            kept[field].pop(key, None)
        else:
            remarks.add("lost", _TABLE, f"its {field} cannot be set for a channel: {what}", named)
            kept[field] = "" if field == "system_prompt" else {}
    return replace(channel, **kept)


def _tell_lost(field: str, key: str, named: str, remarks: Remarks) -> None:
    kind = "header" if field == "headers" else "parameter"
    remarks.add("lost", _TABLE, f"its {kind} {key} cannot be set for a channel", named)


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


def _remark_on_what_is_lost(row: Row, provider: Provider, keys: tuple[str, ...], named: str, remarks: Remarks) -> None:
    parts = _OLD_KEYS.get(provider.id)
    if parts and any(key.count("|") == parts - 1 for key in keys):
        what = f"its key is of an older API of {provider.name}, and will be refused"
        remarks.add("changed", _TABLE, what, named, cure=provider.note or "make a new key")
    if not listed(row, "models"):
        remarks.add("changed", _TABLE, "it names no models, and is disabled", named, cure="name them")
    if text(row, "status_code_mapping") not in ("", "{}"):
        remarks.add("lost", _TABLE, "status_code_mapping has no place here", named)
    if "auto_ban" in row and not flag(row, "auto_ban", default=True):
        remarks.add(
            "lost", _TABLE, "auto_ban off is a setting of all channels here", named, cure="see [routing] disable_on"
        )
