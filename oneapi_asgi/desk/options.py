"""Options: what root sets while the gateway runs, by One API's names, and what each of them may be.

Values are text, as One API keeps them: a flag is ``true`` or ``false``, a number is written in digits. What has no
meaning here is named in ``ELSEWHERE``, with what to do instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

__all__ = ["ELSEWHERE", "OPTIONS", "REQUIRES", "Option", "OptionKind", "OptionStore", "check_option"]

OptionKind = Literal["text", "page", "flag", "number", "decimal", "currency", "url", "secret", "ratios"]

MOST_OF_A_TEXT, MOST_OF_A_PAGE, MOST_OF_RATIOS = 4_096, 60_000, 1_000_000
"""Bytes; a column for text holds 65,535 on MariaDB. Ratios are in tables of their own."""

_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_MOST_QUOTA = 2**62 // 2_000
_DOMAINS = "gmail.com,163.com,126.com,qq.com,outlook.com,hotmail.com,icloud.com,yahoo.com,foxmail.com"


class Option(Struct, frozen=True):
    """``kind`` says what a value may be: ``text`` is a line, ``page`` a longer text, ``url`` one of http or https, or
    none; ``secret`` is never shown again, and ``ratios`` are prices or groups, in JSON. A ``number`` is 0 to ``most``,
    a ``decimal`` above 0, and a ``currency`` has three letters.
    """

    name: str
    kind: OptionKind
    default: str = ""
    concerns: str = ""
    most: int = _MOST_QUOTA


class OptionStore(Protocol):
    async def get_options(self) -> Mapping[str, str]:
        """What has been set, secrets too."""
        ...

    async def set_options(self, values: Mapping[str, str]) -> None:
        """All of them, or none."""
        ...


_LISTED = (
    Option("PasswordLoginEnabled", "flag", "true", "whether people sign in with passwords"),
    Option("PasswordRegisterEnabled", "flag", "true", "whether people register with passwords"),
    Option("RegisterEnabled", "flag", "true", "whether people register at all"),
    Option("EmailVerificationEnabled", "flag", "false", "whether an address is confirmed at registration"),
    Option("EmailDomainRestrictionEnabled", "flag", "false", "whether addresses are of listed domains alone"),
    Option("EmailDomainWhitelist", "text", _DOMAINS, "these domains, with commas between"),
    Option("GitHubOAuthEnabled", "flag", "false", "whether people sign in by GitHub"),
    Option("GitHubClientId", "text", "", "the OAuth application at GitHub"),
    Option("GitHubClientSecret", "secret", "", "its secret"),
    Option("OidcEnabled", "flag", "false", "whether people sign in by OpenID Connect"),
    Option("OidcClientId", "text", "", "the client at the OpenID provider"),
    Option("OidcClientSecret", "secret", "", "its secret"),
    Option("OidcWellKnown", "url", "", "the provider's /.well-known/openid-configuration"),
    Option("TurnstileCheckEnabled", "flag", "false", "whether visitors show that they are people"),
    Option("TurnstileSiteKey", "text", "", "Cloudflare Turnstile's public key"),
    Option("TurnstileSecretKey", "secret", "", "its secret key"),
    Option("SMTPServer", "text", "", "the host that sends mail"),
    Option("SMTPPort", "number", "587", "its port: 465 speaks TLS from the start", 65_535),
    Option("SMTPAccount", "text", "", "the account at the mail server"),
    Option("SMTPFrom", "text", "", "who letters are from; the account, if empty"),
    Option("SMTPToken", "secret", "", "the password of the account"),
    Option("Notice", "page", "", "what is told to everybody"),
    Option("About", "page", "", "the page about this site"),
    Option("HomePageContent", "page", "", "the first page"),
    Option("Footer", "page", "", "the foot of every page"),
    Option("SystemName", "text", "One API", "the site's name"),
    Option("Logo", "url", "", "a picture"),
    Option("ServerAddress", "url", "http://localhost:3000", "where people reach this site"),
    Option("TopUpLink", "url", "", "where codes are sold"),
    Option("ChatLink", "url", "", "a web page to chat with"),
    Option("DisplayInCurrencyEnabled", "flag", "true", "whether pages show dollars rather than quota"),
    Option("QuotaForNewUser", "number", "0", "quota that a new user begins with"),
    Option("QuotaForInviter", "number", "0", "quota for who invited a new user"),
    Option("QuotaForInvitee", "number", "0", "quota for who was invited, on top"),
    Option("QuotaRemindThreshold", "number", "1000", "the quota below which users are reminded"),
    Option("AutomaticEnableChannelEnabled", "flag", "false", "whether a channel that passes its test is used again"),
    Option("ModelRatio", "ratios", "{}", "prices of input by model: 1 is 2 dollars for a million tokens"),
    Option("CompletionRatio", "ratios", "{}", "how much dearer output is, by model"),
    Option("GroupRatio", "ratios", "{}", "what groups pay of a price"),
    Option("PaymentWebhookSecret", "secret", "", "what reports of payments are signed with; without it none is taken"),
    Option("PaymentLink", "url", "", "where orders are paid; order_id, amount and currency are added to it"),
    Option("PaymentCurrency", "currency", "USD", "the currency that orders are paid in"),
    Option("PaymentPrice", "decimal", "1", "what a dollar of quota costs in that currency"),
    Option("PaymentMinimum", "number", "1", "the least that an order may be of, in that currency", 1_000_000),
    Option("PaymentMaximum", "number", "1000", "the most that an order may be of, in that currency", 1_000_000),
    Option("AlertWebhookURL", "url", "", "where alerts are sent"),
    Option("AlertWebhookSecret", "secret", "", "what alerts are signed with"),
)

OPTIONS: Mapping[str, Option] = {option.name: option for option in _LISTED}

REQUIRES: Mapping[str, tuple[str, ...]] = {
    "GitHubOAuthEnabled": ("GitHubClientId", "GitHubClientSecret"),
    "OidcEnabled": ("OidcClientId", "OidcWellKnown"),
    "TurnstileCheckEnabled": ("TurnstileSiteKey", "TurnstileSecretKey"),
    "EmailDomainRestrictionEnabled": ("EmailDomainWhitelist",),
    "EmailVerificationEnabled": ("SMTPServer",),
}
"""What has to be set before a flag can be, and as long as it is."""

_NO_WECHAT = "WeChat is not offered for signing in: use GitHub or OpenID Connect (OidcEnabled)"
_NO_LARK = "Lark is not offered for signing in: use GitHub or OpenID Connect (OidcEnabled)"
_NO_PUSHER = "Message Pusher is not offered: set AlertWebhookURL"
_DISCOVERED = "endpoints are read from OidcWellKnown"

ELSEWHERE: Mapping[str, str] = {
    "WeChatAuthEnabled": _NO_WECHAT,
    "WeChatServerAddress": _NO_WECHAT,
    "WeChatServerToken": _NO_WECHAT,
    "WeChatAccountQRCodeImageURL": _NO_WECHAT,
    "LarkClientId": _NO_LARK,
    "LarkClientSecret": _NO_LARK,
    "MessagePusherAddress": _NO_PUSHER,
    "MessagePusherToken": _NO_PUSHER,
    "OidcAuthorizationEndpoint": _DISCOVERED,
    "OidcTokenEndpoint": _DISCOVERED,
    "OidcUserinfoEndpoint": _DISCOVERED,
    "Theme": "there are no themes to choose from",
    "PreConsumedQuota": "each call reserves what it can cost at most; there is nothing to set",
    "QuotaPerUnit": "500000 quota are always a dollar",
    "DisplayTokenStatEnabled": "the billing routes show the token that asks",
    "RetryTimes": "set max_attempts in [routing] of the configuration: retries and one more",
    "ChannelDisableThreshold": "set first_byte in [timeouts] of the configuration: channels are not disabled for being "
    "slow in a test, calls go on to another one",
    "AutomaticDisableChannelEnabled": "set disable_on in [routing] of the configuration",
    "ApproximateTokenEnabled": "calls are charged by the counts of their upstreams; there is nothing to set",
    "LogConsumeEnabled": "calls are always recorded; set retention_days in [storage] of the configuration",
}
"""One API's options that are none here."""


def check_option(name: str, value: str) -> str:
    """The value as it is kept. ``ratios`` are checked by who keeps prices and groups.

    :raises KeyError: there is no such option
    :raises ValueError: it cannot be; the text says why
    """
    option = OPTIONS[name]
    if "\0" in value:
        raise ValueError("has a character that cannot be kept (NUL)")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair, which is no text") from None
    most = {"page": MOST_OF_A_PAGE, "ratios": MOST_OF_RATIOS}.get(option.kind, MOST_OF_A_TEXT)
    if size > most:
        raise ValueError(f"has {size} bytes; {most} are possible")
    return _CHECKS[option.kind](option, value)


def _as_it_is(_: Option, value: str) -> str:
    return value


def _line(_: Option, value: str) -> str:
    if not value.isprintable():
        raise ValueError("has a character that cannot be shown; one line of text is possible")
    return value.strip()


def _flag(_: Option, value: str) -> str:
    if value not in ("true", "false"):
        raise ValueError("is true or false")
    return value


def _number(option: Option, value: str) -> str:
    if not (value.isascii() and value.isdecimal() and len(value) <= 19 and int(value) <= option.most):
        raise ValueError(f"is a whole number from 0 to {option.most}")
    return str(int(value))


def _decimal(_: Option, value: str) -> str:
    if not _DECIMAL.fullmatch(value) or not float(value):
        raise ValueError("is a number above 0, such as 7.3, with at most nine digits before and after the point")
    return value


def _currency(_: Option, value: str) -> str:
    if not (len(value) == 3 and value.isascii() and value.isalpha()):
        raise ValueError("is a currency's three letters, such as USD")
    return value.upper()


def _url(option: Option, value: str) -> str:
    value = _line(option, value)
    if not value:
        return value
    try:
        split = urlsplit(value)
        sound = split.scheme in ("http", "https") and bool(split.hostname) and split.username is None
    except ValueError:
        sound = False
    if not sound or any(letter in value for letter in " \"'<>\\"):
        raise ValueError("is a URL that begins with https:// or http:// and has no name or password in it, or empty")
    return value


_CHECKS: Mapping[OptionKind, Callable[[Option, str], str]] = {
    "text": _line,
    "page": _as_it_is,
    "flag": _flag,
    "number": _number,
    "decimal": _decimal,
    "currency": _currency,
    "url": _url,
    "secret": _line,
    "ratios": _as_it_is,
}
