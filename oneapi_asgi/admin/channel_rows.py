"""How channels are written in JSON, with the names of One API's table and more beside them. No row has a key in it, nor
any other secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from ..desk.channels import ChannelDeclared, ChannelOrder, ChannelQuery, ChannelState, KeptChannel, NameTaken, state_of
from ..errors import BadRequest, Conflict, NotFound
from ..keys import key_digest
from ..models import Channel, Secret
from ..providers.kinds import config_of, kind_of, provider_of
from .money import quota_of
from .routes import PageQuery

__all__ = [
    "MASK",
    "READ_ONLY",
    "STATES",
    "BulkEdit",
    "ChannelEdit",
    "ChannelListQuery",
    "ChannelRow",
    "KeyRow",
    "KeysEdit",
    "channel_row",
    "is_secret_header",
    "key_rows",
    "masked_key",
    "query_of",
    "refusals",
    "shown_proxy",
]

STATES: Mapping[ChannelState, int] = {"enabled": 1, "disabled": 2, "refused": 3}
"""One API's numbers for the status of a channel."""

MASK = "********"
"""In place of what is secret in a row; where it comes back, it stands for what is there."""

_LONG = 16
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password|signature", re.IGNORECASE)

_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
_Word: TypeAlias = Annotated[str, Meta(max_length=255)]
_Line: TypeAlias = Annotated[str, Meta(max_length=1024)]
_Prose: TypeAlias = Annotated[str, Meta(max_length=60_000)]
_Id: TypeAlias = Annotated[int, Meta(ge=1, le=2**62)]
_Names: TypeAlias = list[_Word] | _Prose | None
_Calls: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)] | None
_Priority: TypeAlias = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] | None
_Weight: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000)] | None
_Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=20_000)]


class KeyRow(Struct, frozen=True, kw_only=True):
    """``status`` is 1 for on, 2 for off, and ``reason`` why. ``key`` has the ends of a long one, of a short nothing."""

    index: int
    key: str
    status: Literal[1, 2]
    reason: str


class ChannelRow(Struct, frozen=True, kw_only=True):
    """``key`` is always empty. ``status`` is 1 enabled, 2 disabled by hand, 3 by the gateway (``disabled_because``).

    ``base_url`` is what precedes paths such as /chat/completions; empty for the provider's own. ``models`` and
    ``group`` are texts with commas, ``model_mapping`` and ``config`` are JSON text, as One API has them. ``used_quota``
    is in units of which 500,000 are a dollar. Times are Unix seconds, 0 for never; ``response_time`` is in
    milliseconds. ``balance`` is in ``balance_currency``.
    """

    id: int
    type: int
    provider: str
    key: str = ""
    key_count: int
    key_states: list[KeyRow]
    status: int
    disabled_because: str
    name: str
    weight: int
    priority: int
    created_time: int
    test_time: int
    response_time: int
    test_error: str
    base_url: str
    other: str = ""
    balance: float
    balance_currency: str
    balance_updated_time: int
    models: str
    group: str
    used_quota: int
    model_mapping: str
    config: str
    system_prompt: str
    dialects: tuple[str, ...]
    options: dict[str, str]
    unsupported: str
    concurrent_calls: int | None
    concurrent_calls_per_key: int | None
    headers: dict[str, str]
    parameters: dict[str, Any]
    proxy: str
    tag: str
    note: str
    test_model: str
    declared: bool


READ_ONLY = frozenset(ChannelRow.__struct_fields__)
"""What front ends send back of a channel that they read; each route declares which of it can be written."""


class ChannelEdit(Struct, frozen=True, kw_only=True):
    """What is not named stays. An empty ``key`` stays too; else its lines are keys. ``keys`` are all that one channel
    has.

    Either ``type`` says what it is, by One API's numbers: ``base_url`` is then what precedes ``/v1``, as there. Or
    ``provider`` says it alone, and ``base_url`` precedes paths such as /chat/completions. ``status`` 3 stays what it
    is. A ``weight`` of 0 is 1.
    """

    id: _Id | UnsetType = UNSET
    name: _Name | UnsetType = UNSET
    type: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    provider: _Word | UnsetType = UNSET
    key: Annotated[str, Meta(max_length=1_000_000)] | UnsetType | None = UNSET
    keys: Annotated[list[_Key], Meta(max_length=10_000)] | UnsetType = UNSET
    status: Literal[1, 2, 3] | UnsetType = UNSET
    base_url: _Line | UnsetType | None = UNSET
    models: _Names | UnsetType = UNSET
    group: _Names | UnsetType = UNSET
    model_mapping: dict[str, str] | _Prose | UnsetType | None = UNSET
    priority: _Priority | UnsetType = UNSET
    weight: _Weight | UnsetType = UNSET
    config: dict[str, str] | _Prose | UnsetType | None = UNSET
    options: dict[str, str] | UnsetType = UNSET
    dialects: list[_Word] | UnsetType = UNSET
    unsupported: Literal["drop", "refuse"] | UnsetType = UNSET
    concurrent_calls: _Calls | UnsetType = UNSET
    concurrent_calls_per_key: _Calls | UnsetType = UNSET
    system_prompt: _Prose | UnsetType | None = UNSET
    headers: dict[str, str] | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    proxy: _Line | UnsetType | None = UNSET
    tag: _Word | UnsetType | None = UNSET
    note: _Prose | UnsetType | None = UNSET
    test_model: _Word | UnsetType | None = UNSET


class BulkEdit(Struct, frozen=True, kw_only=True):
    """What many channels may become at once: nothing of whom they ask, and with which key."""

    models: _Names | UnsetType = UNSET
    group: _Names | UnsetType = UNSET
    model_mapping: dict[str, str] | _Prose | UnsetType | None = UNSET
    priority: _Priority | UnsetType = UNSET
    weight: _Weight | UnsetType = UNSET
    unsupported: Literal["drop", "refuse"] | UnsetType = UNSET
    concurrent_calls: _Calls | UnsetType = UNSET
    concurrent_calls_per_key: _Calls | UnsetType = UNSET
    system_prompt: _Prose | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    tag: _Word | UnsetType | None = UNSET
    note: _Prose | UnsetType | None = UNSET
    test_model: _Word | UnsetType | None = UNSET

    def edit(self) -> ChannelEdit:
        return ChannelEdit(**{name: getattr(self, name) for name in BulkEdit.__struct_fields__})


_Index: TypeAlias = Annotated[int, Meta(ge=0, le=10_000)]


class KeysEdit(Struct, frozen=True, kw_only=True):
    """By the indexes of ``key_states``. ``count``, if it is given, is how many keys there were when these were looked
    at: another number means that they have changed since, and nothing is done."""

    enable: list[_Index] = []
    disable: list[_Index] = []
    remove: list[_Index] = []
    add: Annotated[list[_Key], Meta(max_length=10_000)] = []
    reason: _Word = "switched off by hand"
    count: int | UnsetType = UNSET


class ChannelListQuery(PageQuery, frozen=True, kw_only=True):
    """``keyword`` is an id, or a part of the name, base URL or tag; ``model`` is one that it serves."""

    keyword: _Word = ""
    status: Literal[1, 2, 3] | None = None
    type: int | None = None
    provider: _Word = ""
    group: _Word = ""
    tag: _Word | None = None
    model: _Word = ""
    order: ChannelOrder = ""


def query_of(asked: ChannelListQuery) -> ChannelQuery:
    providers: tuple[str, ...] | None = (asked.provider,) if asked.provider else None
    if asked.type is not None:
        found = provider_of(asked.type, newer=False)
        named = found.id if found else ""
        providers = (named,) if providers in (None, (named,)) else ()
    return ChannelQuery(
        keyword=asked.keyword,
        state=next((state for state, number in STATES.items() if number == asked.status), None),
        providers=providers,
        group=asked.group,
        tag=asked.tag,
        model=asked.model,
        order=asked.order,
        offset=asked.offset,
        limit=asked.page_size,
    )


def channel_row(kept: KeptChannel) -> ChannelRow:
    channel = kept.channel
    config = config_of(channel.options)
    return ChannelRow(
        id=channel.id,
        type=kind_of(channel.provider, channel.base_url),
        provider=channel.provider,
        key_count=len(channel.api_keys),
        key_states=key_rows(kept),
        status=STATES[state_of(channel)],
        disabled_because=channel.disabled_because,
        name=channel.name,
        weight=channel.weight,
        priority=channel.priority,
        created_time=int(kept.created_at),
        test_time=int(kept.tested_at or 0),
        response_time=kept.response_ms or 0,
        test_error=kept.test_error,
        base_url=channel.base_url or "",
        balance=(kept.balance or 0) / 1e9,
        balance_currency=kept.balance_currency,
        balance_updated_time=int(kept.balance_updated_at or 0),
        models=",".join(channel.models),
        group=",".join(channel.groups),
        used_quota=quota_of(kept.used),
        model_mapping=json.dumps(channel.model_map, ensure_ascii=False) if channel.model_map else "",
        config=json.dumps(config, ensure_ascii=False) if config else "",
        system_prompt=channel.system_prompt,
        dialects=channel.dialects,
        options=channel.options,
        unsupported=channel.unsupported,
        concurrent_calls=channel.concurrent_calls,
        concurrent_calls_per_key=channel.concurrent_calls_per_key,
        headers={name: MASK if is_secret_header(name) else value for name, value in channel.headers.items()},
        parameters=channel.parameters,
        proxy=shown_proxy(channel),
        tag=kept.tag,
        note=kept.note,
        test_model=kept.test_model,
        declared=kept.declared,
    )


def key_rows(kept: KeptChannel, *, shown: bool = False) -> list[KeyRow]:
    """``shown``: with the keys themselves."""
    rows = []
    for index, key in enumerate(kept.channel.api_keys):
        why = kept.disabled_keys.get(key_digest(key.reveal()))
        told = key.reveal() if shown else masked_key(key)
        rows.append(KeyRow(index=index, key=told, status=1 if why is None else 2, reason=why or ""))
    return rows


def masked_key(key: Secret) -> str:
    """The ends of a long one, by which to tell keys apart."""
    value = key.reveal()
    return f"{value[:3]}…{value[-4:]}" if len(value) >= _LONG else "…"


def shown_proxy(channel: Channel) -> str:
    """Without the password that it may hold."""
    if channel.proxy is None:
        return ""
    scheme, _, rest = channel.proxy.reveal().partition("://")
    credentials, at, host = rest.rpartition("@")
    return f"{scheme}://{MASK}@{host}" if at and credentials else channel.proxy.reveal()


def is_secret_header(name: str) -> bool:
    return _SECRET_HEADER.search(name) is not None


@contextmanager
def refusals() -> Iterator[None]:
    """Says to a client what whoever keeps channels says."""
    try:
        yield
    except KeyError as error:
        message = f"There is no channel {error.args[0]}. GET /api/channel/ lists them."
        raise NotFound(message, code="channel_not_found", param="id") from None
    except ChannelDeclared as error:
        raise Conflict(f"That cannot be: {error}.", code="channel_declared", param="id") from None
    except NameTaken as error:
        raise Conflict(f"That cannot be: {error}.", code="name_taken", param="name") from None
    except ValueError as error:
        raise BadRequest(f"That cannot be: {error}.", code="invalid_channel") from None
