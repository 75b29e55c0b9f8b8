"""What a channel becomes by an edit. Pure: it is asked within the transaction that changes the channel.

Facts are read by the rules of a configuration file, so that a channel is the same thing whoever has made it; but for
keys, which are never looked up in the environment or in files here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from ..desk.channels import NO_KEY_LEFT, KeptChannel, keep_disabled, state_of
from ..errors import BadRequest, Conflict, Forbidden
from ..keys import key_digest
from ..models import Channel, Secret
from ..overrides import mistaken_overrides
from ..providers.catalog import COMMON_OPTIONS, find_provider
from ..providers.kinds import base_url_of, config_of, keys_of, kind_of, options_of, provider_of
from ..providers.provider import Provider
from ..settings import ChannelSettings, SettingsError, read_section
from ..unreadable import UNREADABLE
from .channel_hosts import origins_of
from .channel_rows import MASK, STATES, ChannelEdit, KeysEdit, is_secret_header, shown_proxy
from .lists import names_of

__all__ = ["NEW", "Limits", "drafts_of", "keys_revised", "revised", "switched"]

NEW = KeptChannel(channel=Channel(id=0, name=""))
"""What a new channel is made of."""

_OVERRIDES = {"headers", "parameters", "system_prompt", "proxy"}
_FACTS = {*ChannelSettings.__struct_fields__} - {"enabled"} - _OVERRIDES
_READ = tuple(name for name in Channel.__struct_fields__ if name in _FACTS)
_LABELS = {"api_keys": "key", "api_key": "key", "model_map": "model_mapping", "groups": "group"}
_REFERENCE = re.compile(r"(env|file):")


class Limits(msgspec.Struct, frozen=True):
    """What whoever edits may do: ``root`` may lead a channel anywhere, others to ``known`` hosts, and not with keys
    that were given for another one."""

    root: bool
    known: frozenset[str] = frozenset()


def revised(before: KeptChannel, edit: ChannelEdit, limits: Limits) -> KeptChannel:
    """
    :raises BadRequest: something cannot be said of a channel; ``param`` names it
    :raises Forbidden: root alone may do that
    """
    provider, kind = _provider(before.channel, edit)
    config = _object(edit.config, "config")
    keys = _keys(edit, config, provider)
    channel = replace(
        before.channel,
        name=before.channel.name if edit.name is UNSET else edit.name,
        provider=provider.id,
        base_url=_base_url(before.channel, edit, provider, kind),
        options=_options(before.channel, edit, config, provider),
        api_keys=before.channel.api_keys if keys is None else keys,
        models=before.channel.models if edit.models is UNSET else names_of(edit.models),
        model_map=before.channel.model_map if edit.model_mapping is UNSET else _model_map(edit.model_mapping),
        groups=before.channel.groups if edit.group is UNSET else names_of(edit.group) or ("default",),
        priority=before.channel.priority if edit.priority is UNSET else edit.priority or 0,
        weight=before.channel.weight if edit.weight is UNSET else edit.weight or 1,
        dialects=before.channel.dialects if edit.dialects is UNSET else tuple(edit.dialects),
        unsupported=before.channel.unsupported if edit.unsupported is UNSET else edit.unsupported,
        concurrent_calls=_set(edit.concurrent_calls, before.channel.concurrent_calls),
        concurrent_calls_per_key=_set(edit.concurrent_calls_per_key, before.channel.concurrent_calls_per_key),
        headers=_headers(before.channel, edit),
        parameters=before.channel.parameters if edit.parameters is UNSET else edit.parameters or {},
        system_prompt=_set(edit.system_prompt, before.channel.system_prompt) or "",
        proxy=_proxy(before.channel, edit),
    )
    channel = _checked(before.channel, channel)
    after = replace(
        before,
        channel=_with_status(before.channel, channel, edit.status),
        disabled_keys=_still(before.disabled_keys, channel.api_keys),
        tag=(_set(edit.tag, before.tag) or "").strip(),
        note=_set(edit.note, before.note) or "",
        test_model=_set(edit.test_model, before.test_model) or "",
    )
    _check_reach(before, after, limits, keys_given=keys is not None)
    return _off_without_keys(after)


def drafts_of(edit: ChannelEdit, limits: Limits) -> list[KeptChannel]:
    """As with One API a channel for each line of ``key``; ``keys`` are all of one."""
    if edit.name is UNSET:
        raise BadRequest("A channel needs a name: send 'name'.", code="name_required", param="name")
    whole = revised(NEW, edit, limits)
    keys = whole.channel.api_keys
    if edit.keys is not UNSET or len(keys) < 2:
        return [whole]
    names = [edit.name, *[f"{edit.name}-{number}" for number in range(2, len(keys) + 1)]]
    return [
        replace(whole, channel=replace(whole.channel, name=name, api_keys=(key,)))
        for name, key in zip(names, keys, strict=True)
    ]


def switched(before: KeptChannel, *, enabled: bool) -> KeptChannel:
    """By hand, so that nothing else is the reason any more; but for a channel that has no key left to ask with."""
    return _off_without_keys(replace(before, channel=replace(before.channel, enabled=enabled, disabled_because="")))


def _off_without_keys(kept: KeptChannel) -> KeptChannel:
    keys = kept.channel.api_keys
    if not kept.channel.enabled or not keys or len(_still(kept.disabled_keys, keys)) < len(keys):
        return kept
    return replace(kept, channel=replace(kept.channel, enabled=False, disabled_because=NO_KEY_LEFT))


def keys_revised(before: KeptChannel, edit: KeysEdit) -> KeptChannel:
    """A channel whose last key goes off is off, until one of them is on again.

    :raises BadRequest: there is no such key, or a new one cannot be
    :raises Conflict: there are more or fewer keys than whoever asks has seen
    """
    keys = before.channel.api_keys
    if edit.count is not UNSET and edit.count != len(keys):
        message = f"The channel has {len(keys)} keys by now; look at them again."
        raise Conflict(message, code="keys_changed", param="count")
    for name in ("enable", "disable", "remove"):
        missing = [index for index in getattr(edit, name) if index >= len(keys)]
        if missing:
            raise BadRequest(f"There is no key with the index {missing[0]}.", code="key_not_found", param=name)
    kept = tuple(key for index, key in enumerate(keys) if index not in edit.remove)
    wanted = tuple(dict.fromkeys((*kept, *(Secret(key.strip()) for key in edit.add))))
    channel = _checked(before.channel, replace(before.channel, api_keys=wanted))
    off = dict(before.disabled_keys)
    off |= {key_digest(keys[index].reveal()): edit.reason for index in edit.disable}
    for index in edit.enable:
        off.pop(key_digest(keys[index].reveal()), None)
    off = _still(off, channel.api_keys)
    if before.channel.disabled_because == NO_KEY_LEFT:
        channel = replace(channel, enabled=True, disabled_because="")
    else:
        channel = _with_status(before.channel, channel, UNSET)
    return _off_without_keys(replace(before, channel=channel, disabled_keys=off))


# The parts


def _set(given: Any, before: Any) -> Any:
    return before if given is UNSET else given


def _provider(before: Channel, edit: ChannelEdit) -> tuple[Provider, int | None]:
    """What it is, and One API's number of that, if it was said so. Of a row that was read and comes back, what differs
    counts.

    :raises BadRequest: there is no such kind of channel, or two were named
    """
    numbered = edit.type is not UNSET and (not before.name or edit.type != kind_of(before.provider, before.base_url))
    named = edit.provider is not UNSET and (not before.name or edit.provider != before.provider)
    kind = None if edit.type is UNSET else edit.type
    found = None
    if numbered:
        found = provider_of(kind or 0, newer=False)
        if found is None:
            message = f"There is no kind of channels with the number {kind}; GET /api/channel/types lists them."
            raise BadRequest(message, code="unknown_type", param="type")
    if named and found is not None and found.id != edit.provider:
        message = f"Type {kind} is the provider {found.id!r}: send one of both, or such as agree."
        raise BadRequest(message, code="type_conflict", param="type")
    try:
        return found or find_provider(edit.provider if edit.provider is not UNSET else before.provider), kind
    except ValueError as error:
        raise BadRequest(f"The provider cannot be: {error}.", code="unknown_provider", param="provider") from None


def _base_url(before: Channel, edit: ChannelEdit, provider: Provider, kind: int | None) -> str | None:
    if edit.base_url is UNSET and before.name:
        return before.base_url
    given = "" if edit.base_url is UNSET else (edit.base_url or "").strip()
    if before.name and provider.id == before.provider and given == (before.base_url or ""):
        return before.base_url
    return given or None if kind is None else base_url_of(kind, provider, given)


def _options(
    before: Channel, edit: ChannelEdit, config: Mapping[str, Any] | None, provider: Provider
) -> dict[str, str]:
    if edit.options is not UNSET and edit.options != before.options:
        return {name: value for name, value in edit.options.items() if value}
    kept = before.options
    if provider.id != before.provider:
        kept = {name: value for name, value in kept.items() if name in {*provider.options, *COMMON_OPTIONS}}
    if config is None:
        return kept
    shown = config_of(kept)
    gone = {name for name in shown if not config.get(name)}
    lost = options_of({name: shown[name] for name in gone}, provider)
    changed = {name: value for name, value in config.items() if value != shown.get(name)}
    return {name: value for name, value in kept.items() if name not in lost} | options_of(changed, provider)


def _keys(edit: ChannelEdit, config: Mapping[str, Any] | None, provider: Provider) -> tuple[Secret, ...] | None:
    """None: those that there are."""
    if edit.keys is not UNSET:
        return tuple(dict.fromkeys(Secret(key.strip()) for key in edit.keys))
    found = keys_of("" if edit.key is UNSET else edit.key or "", config or {}, provider)
    return tuple(dict.fromkeys(map(Secret, found))) or None


def _model_map(given: Mapping[str, str] | str | None) -> dict[str, str]:
    found = _object(given, "model_mapping") or {}
    for name, value in found.items():
        if not isinstance(value, str):
            raise BadRequest(f"{name[:100]!r} must be mapped to a name.", code="invalid_body", param="model_mapping")
    return {name.strip(): value.strip() for name, value in found.items() if name.strip()}


def _object(given: Mapping[str, Any] | str | UnsetType | None, param: str) -> Mapping[str, Any] | None:
    """An object, or one as JSON text; None where nothing was said."""
    if given is UNSET:
        return None
    if not isinstance(given, str):
        return given or {}
    try:
        return msgspec.json.decode(given, type=dict[str, Any]) if given.strip() else {}
    except UNREADABLE:
        raise BadRequest(f"{param} must be a JSON object.", code="invalid_body", param=param) from None


def _headers(before: Channel, edit: ChannelEdit) -> dict[str, str]:
    """
    :raises BadRequest: a secret is not said
    """
    if edit.headers is UNSET:
        return before.headers
    given = edit.headers or {}
    headers = {name: before.headers.get(name, value) if value == MASK else value for name, value in given.items()}
    unknown = [name for name, value in headers.items() if value == MASK]
    if unknown:
        raise _masked(f"The header {unknown[0][:100]}", "headers")
    return headers


def _proxy(before: Channel, edit: ChannelEdit) -> Secret | None:
    """What comes back as it was shown is what there is.

    :raises BadRequest: a secret is not said
    """
    if edit.proxy is UNSET or edit.proxy == shown_proxy(before):
        return before.proxy
    given = (edit.proxy or "").strip()
    if MASK in given:
        raise _masked("The proxy", "proxy")
    return Secret(given) if given else None


def _masked(what: str, param: str) -> BadRequest:
    """What is shown in place of a secret was changed around it, or sent for something else."""
    message = f"{what} has {MASK} where a secret was that is not shown: write the secret itself."
    return BadRequest(message, code="masked_secret", param=param)


def _still(disabled: Mapping[str, str], keys: Sequence[Secret]) -> dict[str, str]:
    digests = {key_digest(key.reveal()) for key in keys}
    return {digest: why for digest, why in disabled.items() if digest in digests}


def _with_status(before: Channel, after: Channel, status: int | UnsetType) -> Channel:
    """
    :raises BadRequest: the gateway alone gives that one
    """
    now = STATES[state_of(before)] if before.name else 1
    if status is not UNSET and status != now:
        if status == STATES["refused"]:
            raise BadRequest("Status 3 is what the gateway gives; send 2.", code="invalid_status", param="status")
        return replace(after, enabled=status == STATES["enabled"], disabled_because="")
    if before.enabled or not before.disabled_because:
        return after
    return keep_disabled(before, replace(after, enabled=True, disabled_because=""))


def _checked(before: Channel, after: Channel) -> Channel:
    """As the rules of a configuration file read it. What does not change was read before.

    :raises BadRequest: with the first mistake there is
    """
    changed = any(getattr(before, name) != getattr(after, name) for name in _OVERRIDES)
    for field, name, what in mistaken_overrides(after) if changed else ():
        of = f" ({name[:100]})" if name else ""
        code = "invalid_header" if field == "headers" else "invalid_channel"
        raise BadRequest(f"The {field}{of} of a channel: {what}.", code=code, param=field)
    if all(getattr(before, name) == getattr(after, name) for name in _READ):
        return after
    for key in after.api_keys:
        if _REFERENCE.match(key.reveal()):
            message = "A key is given itself here: env: and file: are for the settings."
            raise BadRequest(message, code="invalid_key", param="key")
    if not after.name.isprintable():
        raise BadRequest("A name is printable text.", code="invalid_channel", param="name")
    given: dict[str, Any] = {name: getattr(after, name) for name in _READ}
    given["api_keys"] = [key.reveal() for key in after.api_keys]
    # What is empty is left out, as in a file; but a list of models says what it says.
    given = {name: value for name, value in given.items() if name == "models" or value not in ((), [], {}, None, "")}
    try:
        read = read_section(ChannelSettings, given, {}, _LABELS).channel()
    except SettingsError as error:
        told = error.lines[0]
        raise BadRequest(f"The channel cannot be: {told}.", code="invalid_channel",
                         param=re.split(r"[\s.\[:=]", told, maxsplit=1)[0]) from None  # fmt: skip
    return replace(after, **{name: getattr(read, name) for name in _READ})


def _check_reach(before: KeptChannel, after: KeptChannel, limits: Limits, *, keys_given: bool) -> None:
    """
    :raises Forbidden: it leads to a new host, or takes what is secret along to another one
    """
    if limits.root:
        return
    there, wanted = origins_of(before.channel), origins_of(after.channel)
    if new := wanted - there - limits.known:
        message = f"{min(new)} is a new host, which root alone may add."
        raise Forbidden(message, code="new_host", param="base_url")
    if not before.channel.name or (before.channel.provider == after.channel.provider and there == wanted):
        return
    headers = before.channel.headers
    told = {name for name, value in after.channel.headers.items() if headers.get(name) == value}
    if (before.channel.api_keys and not keys_given) or any(map(is_secret_header, told)):
        message = "The channel is led elsewhere: send its key and secret headers anew, so that they are meant for that."
        raise Forbidden(message, code="key_required", param="key")
