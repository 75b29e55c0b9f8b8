"""Switches channels off whose every key is refused again and again, where the operator wants that.

    async with Retirement(store, health, disable_on=["401", "insufficient_quota"]): ...

``disable_on`` are statuses and codes, of answers that refuse a key or its account. A channel is switched off when each
of its keys has failed so often in a row that it is out, the last time in one of these ways; a single refusal takes no
channel away, and a channel that an operator has switched off stays as it is. Nothing switches it on again but an
operator. Calls do not wait for any of this.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Sequence

from .background import Background
from .health import Refusals
from .models import Channel
from .ports import ChannelSwitch

__all__ = ["Retirement", "reason"]

_log = logging.getLogger(__name__)

_PAUSE = 5.0
"""Seconds until a store that did not answer is asked again."""

_SIGN = re.compile(r"[\w.-]{1,64}", re.ASCII)


def reason(refusals: Sequence[frozenset[str]], disable_on: frozenset[str]) -> str:
    """Why a channel is to be switched off, in the operator's words; empty if it is not. Of each of its keys there is
    what the last refusal said."""
    found = [disable_on.intersection(map(str.lower, signs)) for signs in refusals]
    return ", ".join(sorted(frozenset().union(*found))) if found and all(found) else ""


class Retirement(Background):
    """``on_disabled`` is called with a channel that was switched off here, and why. A store that fails is asked again
    after ``pause`` seconds."""

    def __init__(
        self,
        switch: ChannelSwitch,
        health: Refusals,
        *,
        disable_on: Iterable[str],
        on_disabled: Callable[[Channel, str], None] | None = None,
        pause: float = _PAUSE,
    ) -> None:
        super().__init__(self._retire, name="retirement")
        self._disable_on = frozenset(sign.lower() for sign in disable_on)
        for sign in self._disable_on:
            if not _SIGN.fullmatch(sign):
                raise ValueError(
                    f"disable_on must hold statuses and codes, such as 401 or insufficient_quota: {sign!r}"
                )
        self._switch = switch
        self._health = health
        self._on_disabled = on_disabled
        self._pause = pause
        self._doomed: dict[int, Channel] = {}
        self._wake = asyncio.Event()
        health.watch(self._look)

    def _look(self, channel: Channel) -> None:
        if reason(self._health.exhausted(channel), self._disable_on):
            self._doomed[channel.id] = channel
            self._wake.set()

    async def _retire(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for channel in tuple(self._doomed.values()):
                await self._switch_off(channel)
            if self._doomed:
                await asyncio.sleep(self._pause)
                self._wake.set()

    async def _switch_off(self, channel: Channel) -> None:
        because = reason(self._health.exhausted(channel), self._disable_on)
        try:
            changed = bool(because) and await self._switch.disable_channel(channel.id, because)
        except Exception as error:  # whatever the store is: it may answer later
            _log.error("channel %r could not be switched off: %s", channel.name, type(error).__name__)
            return
        del self._doomed[channel.id]
        if because:
            self._health.forget(channel.id)  # whoever switches it on again begins anew
        if changed:
            _log.warning("channel %r was switched off, since every key of it is refused: %s", channel.name, because)
            if self._on_disabled is not None:
                self._on_disabled(channel, because)
