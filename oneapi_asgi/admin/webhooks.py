"""Signed webhooks. The receiver computes the HMAC-SHA256 of the time, a dot and the body, and compares:

    x-oneapi-signature: t=1767225600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd

A time that is minutes old is a replay. What is sent again has the same ``x-oneapi-delivery``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from .fetching import Fetcher, FetchError

__all__ = ["Webhook", "sign", "verify"]

_log = logging.getLogger(__name__)

TOLERANCE = 300
"""Seconds that the time of a signature may be away."""

_MOST_PARTS = 16
_TIME = re.compile(r"[0-9]{1,12}")
_PAUSES = (1.0, 5.0, 25.0)
"""Seconds before each further attempt."""


def sign(secret: str, body: bytes, now: int) -> str:
    """The value of ``x-oneapi-signature``."""
    mac = hmac.new(secret.encode(), b"%d." % now + body, hashlib.sha256)
    return f"t={now},v1={mac.hexdigest()}"


def verify(secret: str, signature: str, body: bytes, now: float) -> str:
    """Why such a ``signature`` of another's webhook is not to be believed, "" if it is. It may hold several ``v1``, by
    old and new secrets, of which one has to be right.
    """
    if not secret:
        return "nothing is taken until there is a secret to sign with"
    pairs = [part.strip().partition("=") for part in signature.split(",", _MOST_PARTS)[:_MOST_PARTS]]
    times = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not given:
        return "it is not of the form t=UNIX_SECONDS,v1=HEX"
    if abs(now - int(times[0])) > TOLERANCE:
        return f"its time is over {TOLERANCE} seconds away: sign it anew, or set the clock"
    right = sign(secret, body, int(times[0])).rpartition("=")[2].encode()
    # All of them, however many are right: nobody learns anything from how long that takes.
    if not sum(hmac.compare_digest(right, value.encode()) for value in given):
        return "it was not made of this body with the secret that is set"
    return ""


class Webhook:
    """``pauses`` are the seconds before each attempt after the first."""

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        pauses: Sequence[float] = _PAUSES,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._fetcher = fetcher
        self._pauses = pauses
        self._clock = clock
        self._sleep = sleep

    async def deliver(self, url: str, secret: str, body: bytes, *, patient: bool = True) -> bool:
        """Whether the receiver took it, with a 2xx. A refusal (4xx other than 408 and 429) is not asked twice, and
        nobody is unless ``patient``.

        Without a secret nothing is sent: nobody could tell it from a forgery.
        """
        if not secret:
            _log.error("the alert webhook has no secret, so nothing is sent: set the option AlertWebhookSecret")
            return False
        delivery = secrets.token_hex(16)
        said = await self._attempt(url, secret, body, delivery)
        for pause in self._pauses if patient else ():
            if said != "later":
                break
            await self._sleep(pause)
            said = await self._attempt(url, secret, body, delivery)
        return said == "taken"

    async def _attempt(self, url: str, secret: str, body: bytes, delivery: str) -> Literal["taken", "refused", "later"]:
        headers = (
            ("content-type", "application/json"),
            ("x-oneapi-delivery", delivery),
            ("x-oneapi-signature", sign(secret, body, int(self._clock()))),
        )
        try:
            status = (await self._fetcher.fetch("POST", url, headers=headers, body=body)).status
        except FetchError as error:
            _log.warning("an alert was not delivered: %s", error)
            return "later"
        if 200 <= status < 300:
            return "taken"
        _log.warning("an alert was not delivered: the receiver answered with %d", status)
        return "later" if status >= 500 or status in (408, 429) else "refused"
