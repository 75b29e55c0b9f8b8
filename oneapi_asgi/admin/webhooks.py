"""Signed webhooks. The receiver computes the HMAC-SHA256 of the time, a dot and the body, and compares:

    x-oneapi-signature: t=1767225600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd

A time that is minutes old is a replay. What is sent again has the same ``x-oneapi-delivery``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from .fetching import Fetcher, FetchError

__all__ = ["Webhook", "sign"]

_log = logging.getLogger(__name__)

_PAUSES = (1.0, 5.0, 25.0)
"""Seconds before each further attempt."""


def sign(secret: str, body: bytes, now: int) -> str:
    """The value of ``x-oneapi-signature``."""
    mac = hmac.new(secret.encode(), b"%d." % now + body, hashlib.sha256)
    return f"t={now},v1={mac.hexdigest()}"


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
