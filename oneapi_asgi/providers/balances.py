"""What is left of an account, where a vendor says so: what to ask, and how to read the answer. Pure.

References: https://api-docs.deepseek.com/api/get-user-balance, https://platform.moonshot.cn/docs/api/balance,
https://docs.siliconflow.cn/cn/api-reference/userinfo/get-user-info,
https://openrouter.ai/docs/api/api-reference/credits/get-credits; of relays what One API asks them. Everything is asked
where the channel's calls go: a key is shown to nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from ..models import Channel
from ..unreadable import UNREADABLE
from .catalog import base_url_of, provider_of

__all__ = ["BalanceQuestion", "Left", "balance_question"]

_LARGEST = 2**62
_DAYS = timedelta(days=100)

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Left(Struct, frozen=True):
    """``amount`` is in billionths of the currency's unit; less than 0 is owed."""

    amount: int
    currency: str


Reader: TypeAlias = Callable[[Sequence[Any]], tuple[object, str]]
"""The amount and the currency, of all answers as they were decoded."""


class BalanceQuestion(Struct, frozen=True):
    """To be asked with GET, one after the other. A URL may hold a key."""

    urls: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    reader: Reader

    def read(self, bodies: Sequence[bytes]) -> Left:
        """
        :raises ValueError: that is no answer
        """
        try:
            amount, currency = self.reader([_decode(body) for body in bodies])
            exact = Decimal(str(amount))
        except (*UNREADABLE, LookupError, TypeError, ArithmeticError):
            raise ValueError("the answer says nothing of a balance") from None
        if not exact.is_finite() or abs(exact) > _LARGEST // 10**9:
            raise ValueError("the answer says nothing of a balance")
        return Left(int(exact * 10**9), currency)

    def __repr__(self) -> str:
        return f"BalanceQuestion({len(self.urls)} URLs)"


def _deepseek(answers: Sequence[Any]) -> tuple[object, str]:
    """An account has several currencies; the first that there is something of."""
    listed = answers[0]["balance_infos"]
    found = next((one for one in listed if Decimal(str(one["total_balance"])) > 0), listed[0])
    return found["total_balance"], str(found["currency"])


def _at(currency: str, *path: str) -> Reader:
    def read(answers: Sequence[Any]) -> tuple[object, str]:
        found = answers[0]
        for name in path:
            found = found[name]
        return found, currency

    return read


def _credits(answers: Sequence[Any]) -> tuple[object, str]:
    data = answers[0]["data"]
    return Decimal(str(data["total_credits"])) - Decimal(str(data["total_usage"])), "USD"


def _billing(answers: Sequence[Any]) -> tuple[object, str]:
    """A limit in dollars, and what was used of it, in cents."""
    limit, used = answers[0]["hard_limit_usd"], answers[1]["total_usage"]
    return Decimal(str(limit)) - Decimal(str(used)) / 100, "USD"


class _Row(Struct, frozen=True):
    paths: tuple[str, ...]
    read: Reader


_ACCOUNTS: Final[Mapping[str, _Row]] = {
    "deepseek": _Row(("/user/balance",), _deepseek),
    "moonshot": _Row(("/v1/users/me/balance",), _at("CNY", "data", "available_balance")),
    "moonshot-intl": _Row(("/v1/users/me/balance",), _at("USD", "data", "available_balance")),
    "siliconflow": _Row(("/v1/user/info",), _at("CNY", "data", "totalBalance")),
    "siliconflow-intl": _Row(("/v1/user/info",), _at("USD", "data", "totalBalance")),
    "openrouter": _Row(("/api/v1/credits",), _credits),
}
"""By provider."""

_GRANTS = "/dashboard/billing/credit_grants"
_RELAYS: Final[Mapping[str, _Row]] = {
    "api.closeai-proxy.xyz": _Row((_GRANTS,), _at("USD", "total_available")),
    "api.aigc2d.com": _Row((_GRANTS,), _at("USD", "total_available")),
    "api.api2gpt.com": _Row((_GRANTS,), _at("USD", "total_remaining")),
    "api.openai-sb.com": _Row(("/sb-api/user/status?api_key={key}",), _at("CNY", "data", "credit")),
}
"""By host."""

_GATEWAY = _Row(
    ("/v1/dashboard/billing/subscription", "/v1/dashboard/billing/usage?start_date={since}&end_date={until}"), _billing
)
"""What OpenAI had once, and gateways such as One API and this one still have."""


def balance_question(channel: Channel, key: str, now: float) -> BalanceQuestion | None:
    """None where the vendor says nothing of balances. ``now`` is in Unix seconds.

    :raises ValueError: the channel's provider is not in the catalog, or it has no base URL
    """
    provider = provider_of(channel)
    parts = urlsplit(base_url_of(channel, provider, "openai"))
    row = _ACCOUNTS.get(provider.id)
    if row is None and provider.id in ("custom", "openai-compatible"):
        row = _RELAYS.get(parts.hostname or "", _GATEWAY)
    if row is None:
        return None
    today = datetime.fromtimestamp(now, UTC)
    said = {"key": quote(key, safe=""), "since": f"{today - _DAYS:%Y-%m-%d}", "until": f"{today:%Y-%m-%d}"}
    urls = tuple(f"{parts.scheme}://{parts.netloc}{path.format(**said)}" for path in row.paths)
    shown = (("authorization", f"Bearer {key}"),) if key else ()
    return BalanceQuestion(urls, (("accept", "application/json"), *shown), row.read)
