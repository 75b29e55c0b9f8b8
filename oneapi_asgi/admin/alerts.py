"""Alerts: a channel was switched off, a wallet runs low. By letter, and by webhook where root has set one.

    Retirement(store, health, disable_on=…, on_disabled=alerts.channel_disabled)

No call waits for any of it: alerts stand in a queue of bounded length, and what does not fit is in the log alone.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from ..background import Background
from ..desk.alerts import Alert, ReminderStore
from ..desk.members import ROOT, MemberStore
from ..desk.roles import Role
from ..health import Refusals
from ..models import Channel
from .mail import Letter, MailError, Outbox, Postman
from .money import nano_of
from .outside import Options
from .routes import Nothing, Route, Visit
from .webhooks import Webhook

__all__ = ["Alerts", "Tested"]

_log = logging.getLogger(__name__)

_MOST_WAITING = 1_000
_PAGE = 500
_HOUR = 3600.0


class Tested(Struct, frozen=True):
    """What became of a test: ``sent``, ``failed`` (the log says why), or ``off`` where nobody has set it up."""

    email: str
    webhook: str


class Alerts(Background):
    """``every`` is the seconds between two looks at who has little left."""

    def __init__(
        self,
        options: Options,
        members: MemberStore,
        reminders: ReminderStore,
        postman: Postman,
        outbox: Outbox,
        webhook: Webhook,
        *,
        every: float = 60.0,
        most: int = _MOST_WAITING,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(self._work, name="alerts")
        self._options = options
        self._members = members
        self._reminders = reminders
        self._postman = postman
        self._outbox = outbox
        self._webhook = webhook
        self._every = every
        self._clock = clock
        self._alerts: asyncio.Queue[Alert] = asyncio.Queue(most)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "POST",
                "/alert/test",
                self.test,
                role=Role.ROOT,
                summary="Send a test alert by mail and by webhook, and say what became of it",
                data=Tested,
                action="alert.test",
                kind="test",
            ),
        )

    def channel_disabled(self, channel: Channel, because: str) -> None:
        """To be called by whoever has switched a channel off."""
        self.tell(
            Alert(
                kind="channel_disabled",
                subject=f"Channel {channel.name} was switched off",
                text=f"The channel {channel.name} (id {channel.id}) was switched off, since every key of it is "
                f"refused: {because}.\n\nNobody but an administrator switches it on again.\n",
                data={"channel_id": channel.id, "channel_name": channel.name, "reason": because},
            )
        )

    def watch(self, health: Refusals) -> None:
        """Tell of channels of which every key is out with all models, once in an hour at most. For gateways that switch
        no channel off by themselves."""
        told: dict[int, float] = {}

        def look(channel: Channel) -> None:
            now = self._clock()
            if now - told.get(channel.id, -_HOUR) < _HOUR or not (refusals := health.exhausted(channel)):
                return
            told[channel.id] = now
            because = ", ".join(sorted(frozenset().union(*refusals)))
            self.tell(
                Alert(
                    kind="channel_out",
                    subject=f"Channel {channel.name} is out",
                    text=f"Every key of the channel {channel.name} (id {channel.id}) is refused: {because}.\n\n"
                    "It is tried again by itself from time to time.\n",
                    data={"channel_id": channel.id, "channel_name": channel.name, "reason": because},
                )
            )

        health.watch(look)

    def tell(self, alert: Alert) -> bool:
        """Whether there was room for it."""
        try:
            self._alerts.put_nowait(alert)
        except asyncio.QueueFull:
            _log.error("an alert was dropped, too many are waiting: %s", alert.subject)
            return False
        return True

    async def remind(self) -> int:
        """Tell those who have little left; how many there were."""
        below = nano_of(await self._options.number("QuotaRemindThreshold"))
        count = 0
        while found := await self._reminders.low_wallets(below, _PAGE):
            for low in found:
                left, threshold = _dollars(low.left), _dollars(low.below)
                self.tell(
                    Alert(
                        kind="quota_low",
                        subject="Your quota is running low",
                        text=f"Hello {low.name},\n\nyour account has {left} left, which is less than {threshold}. "
                        "Top it up before calls are refused.\n",
                        to=low.email,
                        data={"user_id": low.user_id, "user_name": low.name, "left": low.left, "below": low.below},
                    )
                )
            count += len(found)
        return count

    async def emptied(self) -> None:
        """All alerts have been delivered, or given up."""
        await self._alerts.join()

    async def test(self, visit: Visit[Nothing, Nothing]) -> Tested:
        alert = Alert(kind="test", subject="Test of alerts", text=f"This is a test, asked for by {visit.me.name}.\n")
        address = await self._address(alert)
        email = "off"
        if address and await self._options.text("SMTPServer"):
            try:
                await self._postman.send(Letter(address, alert.subject, alert.text))
                email = "sent"
            except MailError as error:
                _log.error("the test of alerts by mail failed: %s", error)
                email = "failed"
        return Tested(email, await self._post(alert, patient=False))

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(), name="alerts: deliver")
            group.create_task(self._look(), name="alerts: look")

    async def _deliver(self) -> None:
        while True:
            alert = await self._alerts.get()
            try:
                address = await self._address(alert)
                if address and await self._options.text("SMTPServer"):
                    self._outbox.post(Letter(address, alert.subject, alert.text))
                await self._post(alert, patient=True)
            except Exception as error:  # whatever keeps options and people: the next one may be luckier
                _log.error("an alert (%s) was not delivered: %s", alert.subject, type(error).__name__)
            self._alerts.task_done()

    async def _look(self) -> None:
        while True:
            try:
                await self.remind()
            except Exception as error:  # the storage may answer later
                _log.error("who has little left could not be found out: %s", type(error).__name__)
            await asyncio.sleep(self._every)

    async def _address(self, alert: Alert) -> str:
        if alert.to != "":
            return alert.to or ""
        root = await self._members.member_named(ROOT)
        return root.email or "" if root is not None else ""

    async def _post(self, alert: Alert, *, patient: bool) -> str:
        url = await self._options.text("AlertWebhookURL")
        if not url:
            return "off"
        body = {
            "id": secrets.token_hex(16),
            "type": alert.kind,
            "created": int(self._clock()),
            "subject": alert.subject,
            "data": alert.data,
        }
        secret = await self._options.secret("AlertWebhookSecret")
        taken = await self._webhook.deliver(url, secret, msgspec.json.encode(body), patient=patient)
        return "sent" if taken else "failed"


def _dollars(nano: int) -> str:
    sign = "-" if nano < 0 else ""
    return f"{sign}${abs(nano) / 1e9:.2f}"
