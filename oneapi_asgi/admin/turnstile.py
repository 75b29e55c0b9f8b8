"""Cloudflare Turnstile: asks whether a person is there, where root has switched it on."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from ..errors import Forbidden, Unavailable
from .fetching import Fetcher, FetchError
from .outside import Options

__all__ = ["SITEVERIFY", "Turnstile"]

_log = logging.getLogger(__name__)

SITEVERIFY = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
_MAX_TOKEN = 2048


class Turnstile:
    def __init__(self, fetcher: Fetcher, options: Options, *, url: str = SITEVERIFY) -> None:
        self._fetcher = fetcher
        self._options = options
        self._url = url

    async def check(self, token: str, address: str) -> None:
        """Nothing to check where it is switched off. Each token is good once; that is Cloudflare's to see to.

        :raises Forbidden: no token, or one that Cloudflare does not take
        :raises Unavailable: Cloudflare does not say
        """
        if not await self._options.flag("TurnstileCheckEnabled"):
            return
        if not token or len(token) > _MAX_TOKEN:
            raise _refused()
        form = {
            "secret": await self._options.secret("TurnstileSecretKey"),
            "response": token,
            "remoteip": address,
        }
        try:
            answer = await self._fetcher.fetch(
                "POST",
                self._url,
                headers=(("content-type", "application/x-www-form-urlencoded"),),
                body=urlencode(form).encode(),
            )
            passed = answer.json().get("success") is True
        except FetchError as error:
            _log.error("Turnstile was not asked: %s", error)
            raise Unavailable(
                "Whether you are a person cannot be checked at the moment; try again.", code="turnstile_unavailable"
            ) from None
        if not passed:
            raise _refused()


def _refused() -> Forbidden:
    return Forbidden(
        "The check that you are a person has not been passed: send its token as ?turnstile=.",
        code="turnstile_refused",
        param="turnstile",
    )
