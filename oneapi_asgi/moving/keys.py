"""Tokens and redemption codes."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import ip_network

from ..desk.moving import Coupon, Key, KeyStatus, Remarks
from ..keys import code_digest, key_digest, key_prefix
from .values import LARGEST, Row, flag, listed, moment, money, text, whole

__all__ = ["coupon_of", "key_of"]

_STATUS: dict[int, KeyStatus] = {1: "enabled", 2: "disabled", 3: "expired", 4: "exhausted"}
_USED = 3
_PREFIX = "sk-"


def key_of(row: Row, owners: Container[int], remarks: Remarks) -> Key | None:
    """``owners`` are the users that are carried. None: the token is not, and the remarks say why."""
    number, secret, name = whole(row, "id"), text(row, "key").removeprefix(_PREFIX), text(row, "name")
    named = f"{name} ({number})"
    for wrong, why in (
        (row.get("deleted_at") is not None, "deleted there"),
        (whole(row, "user_id") not in owners, "its user is not carried"),
        (not secret, "it has no key"),
    ):
        if wrong:
            remarks.add("skipped", "tokens", why, named)
            return None
    subnets, unread = _subnets(row)
    if unread:
        what = "has subnets that are none; it is disabled, as it would be open to more than it was"
        remarks.add("changed", "tokens", what, f"{named}: {', '.join(unread)}", cure="set its subnets and enable it")
    status = _STATUS.get(whole(row, "status", 1), "disabled")
    left, used = _amounts(row, named, remarks)
    return Key(
        id=number,
        owner=whole(row, "user_id"),
        name=name or f"token-{number}",
        digest=key_digest(_PREFIX + secret),
        prefix=key_prefix(_PREFIX + secret),
        status="disabled" if unread else status,
        expires_at=moment(row, "expired_time"),
        left=left,
        used=used,
        models=_models(row),
        subnets=subnets,
        group=_group(row, named, remarks),
        created_at=moment(row, "created_time"),
    )


def _models(row: Row) -> tuple[str, ...]:
    """Of One API ``models``; of new-api ``model_limits``, where they are switched on."""
    if "model_limits" in row:
        return listed(row, "model_limits") if flag(row, "model_limits_enabled") else ()
    return listed(row, "models")


def _subnets(row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    given = listed(row, "subnet") + listed(row, "allow_ips", ",\n\r ")
    good, bad = [], []
    for one in given:
        try:
            good.append(str(ip_network(one, strict=False)))
        except ValueError:
            bad.append(one)
    return tuple(good), tuple(bad)


def _group(row: Row, named: str, remarks: Remarks) -> str | None:
    group = text(row, "group")
    if group == "auto":
        what = 'had the group "auto", which tries one after the other: it has its owner\'s group now'
        remarks.add("changed", "tokens", what, named, cure="declare tiers of groups in the settings (routes)")
        return None
    return group or None


def _amounts(row: Row, named: str, remarks: Remarks) -> tuple[int | None, int]:
    left, used = money(row, "remain_quota"), money(row, "used_quota")
    if used < 0:
        remarks.add("changed", "tokens", "used_quota was less than 0 and is 0 now", named)
    used = max(used, 0)
    if used > LARGEST or abs(left) > LARGEST:
        remarks.add("changed", "tokens", f"amounts beyond ${LARGEST // 10**9} were cut to that", named)
        used, left = min(used, LARGEST), max(-LARGEST, min(left, LARGEST))
    if flag(row, "unlimited_quota"):
        return None, used
    if left < 0:
        what = "its cap was overdrawn, and is by as much now"
        remarks.add("changed", "tokens", what, f"{named}: {left / 1e9:.6f} USD")
    return left, used


def coupon_of(row: Row, remarks: Remarks) -> Coupon | None:
    """None: the code is not carried, and the remarks say why."""
    number, secret, amount = whole(row, "id"), text(row, "key"), money(row, "quota")
    for wrong, why in (
        (row.get("deleted_at") is not None, "deleted there"),
        (whole(row, "status", 1) == _USED, "used, so it is good for nothing; who used it stands in the log there"),
        (not secret, "it has no key"),
        (not 0 < amount <= LARGEST, "it is worth nothing, or more than can be counted"),
    ):
        if wrong:
            remarks.add("skipped", "redemptions", why, number)
            return None
    return Coupon(
        id=number,
        name=text(row, "name"),
        digest=code_digest(secret),
        amount=amount,
        creator=whole(row, "user_id") or None,
        enabled=whole(row, "status", 1) == 1,
        expires_at=moment(row, "expired_time"),
        created_at=moment(row, "created_time"),
    )
