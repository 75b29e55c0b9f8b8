"""Alerts: signed, bounded, told once, and to who is meant."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from servers.databases import KINDS
from servers.prepared import Prepared

from oneapi_asgi.admin.alerts import Alerts
from oneapi_asgi.admin.mail import Letter, MailError, Outbox
from oneapi_asgi.admin.webhooks import Webhook, sign
from oneapi_asgi.desk.alerts import Alert, LowWallet
from oneapi_asgi.desk.members import Member, MemberChange, MemberDraft
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import Channel, Reserve, Settle
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.members import SQLMembers
from oneapi_asgi.storage.sql.desk.reminders import SQLReminders

from .net import Answer, Asked, Told, fetching, listening
from .rig import as_, asked

SECRET = "whsec of the receiver"


class Receiver:
    """Answers with these statuses, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = [*statuses]
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return (self.statuses.pop(0) if self.statuses else 200), {}, b""


class Letters:
    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.broken = False

    async def send(self, letter: Letter) -> None:
        if self.broken:
            raise MailError("broken")
        self.sent.append(letter)


class People:
    """Root alone, with an address."""

    async def member(self, user_id: int) -> Member | None:
        raise NotImplementedError

    async def member_named(self, name: str) -> Member | None:
        return Member(id=1, name=name, wallet=1, email="root@a.example")

    async def member_with_email(self, email: str) -> Member | None:
        raise NotImplementedError


class Wallets:
    def __init__(self, *pages: Sequence[LowWallet]) -> None:
        self.pages = [*pages]
        self.below: list[int] = []
        self.empty = asyncio.Event()

    async def low_wallets(self, below: int, limit: int = 500) -> Sequence[LowWallet]:
        self.below.append(below)
        if not self.pages:
            self.empty.set()
            return ()
        return self.pages.pop(0)


@dataclass
class Scene:
    alerts: Alerts
    letters: Letters
    options: Told
    slept: list[float]
    outbox: Outbox
    now: list[float]

    async def delivered(self) -> None:
        await asyncio.wait_for(self.alerts.emptied(), 10)
        await asyncio.wait_for(self.outbox.emptied(), 10)


@asynccontextmanager
async def alerting(receiver: Receiver, wallets: Wallets | None = None) -> AsyncIterator[Scene]:
    letters, slept, now = Letters(), list[float](), [1_767_225_600.9]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(receiver))
        fetcher = await stack.enter_async_context(fetching())
        options = Told(SMTPServer="a.example", AlertWebhookURL=f"{url}/hook?key=k", AlertWebhookSecret=SECRET,
                       QuotaRemindThreshold=500_000)  # fmt: skip
        outbox = await stack.enter_async_context(Outbox(letters, options))
        webhook = Webhook(fetcher, clock=lambda: now[0], sleep=sleep)
        alerts = Alerts(options, People(), wallets or Wallets(), letters, outbox, webhook, clock=lambda: now[0])
        yield Scene(alerts, letters, options, slept, outbox, now)


CHANNEL = Channel(id=7, name="main", provider="openai", models=("gpt-5",))


async def test_a_channel_was_switched_off() -> None:
    receiver = Receiver()
    async with alerting(receiver) as scene, scene.alerts:
        scene.alerts.channel_disabled(CHANNEL, "401")
        await scene.delivered()
    assert [(one.to, one.subject) for one in scene.letters.sent] == [
        ("root@a.example", "Channel main was switched off")
    ]
    [told] = receiver.asked
    said = json.loads(told.body)
    assert (said["type"], said["created"]) == ("channel_disabled", 1_767_225_600)
    assert said["data"] == {"channel_id": 7, "channel_name": "main", "reason": "401"}
    mac = hmac.new(SECRET.encode(), b"1767225600." + told.body, hashlib.sha256).hexdigest()
    assert told.headers["x-oneapi-signature"] == f"t=1767225600,v1={mac}"


class Refused:
    """A health whose keys are out, or not."""

    def __init__(self) -> None:
        self.signs: list[frozenset[str]] = []
        self.watchers: list[Callable[[Channel], None]] = []

    def exhausted(self, channel: Channel) -> list[frozenset[str]]:
        return self.signs

    def watch(self, refused: Callable[[Channel], None]) -> None:
        self.watchers.append(refused)

    def forget(self, channel_id: int) -> None:
        raise NotImplementedError


async def test_a_channel_that_is_out_is_told_once_in_an_hour() -> None:
    health = Refused()
    async with alerting(Receiver()) as scene, scene.alerts:
        scene.alerts.watch(health)
        [look] = health.watchers
        look(CHANNEL)  # another key may work
        health.signs = [frozenset({"401"}), frozenset({"402", "no_money"})]
        look(CHANNEL)
        look(CHANNEL)
        await scene.delivered()
        assert [one.subject for one in scene.letters.sent] == ["Channel main is out"]
        assert "401, 402, no_money" in scene.letters.sent[0].text
        scene.now[0] += 3_600
        look(CHANNEL)
        await scene.delivered()
    assert len(scene.letters.sent) == 2


def test_a_signature_is_of_the_secret_the_time_and_the_body() -> None:
    signed = sign("secret", b"{}", 1)
    assert signed == sign("secret", b"{}", 1)
    assert len({signed, sign("Secret", b"{}", 1), sign("secret", b"{} ", 1), sign("secret", b"{}", 2)}) == 4


@pytest.mark.parametrize(
    ("statuses", "requests", "slept"),
    [([], 1, []), ([500], 2, [1.0]), ([429, 408, 503], 4, [1.0, 5.0, 25.0]), ([500] * 9, 4, [1.0, 5.0, 25.0]),
     ([400], 1, []), ([302], 1, []), ([500, 410], 2, [1.0])],
)  # fmt: skip
async def test_what_is_tried_again(statuses: list[int], requests: int, slept: list[float]) -> None:
    receiver = Receiver(*statuses)
    async with alerting(receiver) as scene, scene.alerts:
        scene.alerts.channel_disabled(CHANNEL, "401")
        await scene.delivered()
    assert (len(receiver.asked), scene.slept) == (requests, slept)
    assert len({one.headers["x-oneapi-delivery"] for one in receiver.asked}) == 1


async def test_without_a_secret_nothing_is_sent() -> None:
    receiver = Receiver()
    async with alerting(receiver) as scene, scene.alerts:
        scene.options.values["AlertWebhookSecret"] = ""
        scene.alerts.channel_disabled(CHANNEL, "401")
        await scene.delivered()
    assert receiver.asked == []
    assert len(scene.letters.sent) == 1


async def test_the_queue_is_bounded_and_nobody_waits() -> None:
    async with alerting(Receiver()) as scene:  # nobody delivers
        taken = [scene.alerts.tell(Alert(kind="test", subject="a", text="b")) for _ in range(1_002)]
    assert taken == [True] * 1_000 + [False] * 2


async def test_one_alert_that_fails_is_not_the_last() -> None:
    receiver = Receiver()
    async with alerting(receiver) as scene, scene.alerts:
        scene.alerts.tell(Alert(kind="test", subject="a", text="b", data={"a": object()}))  # no JSON
        scene.alerts.channel_disabled(CHANNEL, "401")
        await scene.delivered()
    assert len(receiver.asked) == 1


async def test_low_wallets_are_told_by_letter_and_webhook() -> None:
    low = [
        LowWallet(user_id=2, name="ann", email="ann@a.example", left=1_500_000_000, below=2_000_000_000),
        LowWallet(user_id=3, name="bob", email=None, left=-5_000_000, below=1_000_000_000),
    ]
    receiver, wallets = Receiver(), Wallets(low)
    async with alerting(receiver, wallets) as scene, scene.alerts:
        await asyncio.wait_for(wallets.empty.wait(), 10)
        await scene.delivered()
    [letter] = scene.letters.sent
    assert letter.to == "ann@a.example"
    assert "$1.50 left, which is less than $2.00" in letter.text
    told = [json.loads(one.body) for one in receiver.asked]
    assert [one["data"]["left"] for one in told] == [1_500_000_000, -5_000_000]
    assert wallets.below == [1_000_000_000] * 2


async def test_the_test_says_what_became_of_it() -> None:
    receiver = Receiver(500)
    async with alerting(receiver) as scene, asked(scene.alerts.routes()) as client:
        path = "/alert/test"
        assert (await client.post(path, json={})).json()["data"] == {"email": "sent", "webhook": "failed"}
        scene.letters.broken = True
        assert (await client.post(path, json={})).json()["data"] == {"email": "failed", "webhook": "sent"}
        scene.options.values.clear()
        assert (await client.post(path, json={})).json()["data"] == {"email": "off", "webhook": "off"}
        assert (await client.post(path, json={}, headers=as_(Role.ADMIN, 2, "ann"))).status_code == 403
    assert scene.slept == []


# Whose wallet is low


@pytest.fixture(params=KINDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[SQLStorage]:
    with prepared(request.param, tmp_path) as url:
        async with SQLStorage(url) as storage:
            yield storage


async def spend(storage: SQLStorage, member: Member, amount: int) -> None:
    hold = uuid4().hex
    await storage.apply([Reserve(hold, (member.wallet,), amount, amount, 60)])
    await storage.apply([Settle(hold, amount)])


async def test_each_crossing_is_told_once(storage: SQLStorage) -> None:
    members, reminders = SQLMembers(storage), SQLReminders(storage)
    ann = await members.add_member(MemberDraft(name="ann", email="ann@a.example", wallet=100))
    bob = await members.add_member(MemberDraft(name="bob", wallet=100))
    await members.add_member(MemberDraft(name="new", wallet=0))  # has spent nothing
    rich = await members.add_member(MemberDraft(name="rich", wallet=None))
    for one in (ann, bob, rich):
        await spend(storage, one, 40)
    await members.change_member(bob.id, MemberChange(remind_below=70))
    assert [(one.name, one.left, one.below) for one in await reminders.low_wallets(50)] == [("bob", 60, 70)]
    assert list(await reminders.low_wallets(50)) == []
    await spend(storage, ann, 11)
    assert [(one.email, one.left) for one in await reminders.low_wallets(50)] == [("ann@a.example", 49)]
    assert list(await reminders.low_wallets(50)) == []
    await members.credit_member(ann.id, 1)
    assert list(await reminders.low_wallets(50)) == []  # as much as 50: it may be told again
    await spend(storage, ann, 1)
    assert [one.name for one in await reminders.low_wallets(50)] == ["ann"]
    await members.change_member(bob.id, MemberChange(enabled=False))
    assert list(await reminders.low_wallets(1_000)) == []


async def test_what_a_call_holds_may_come_back(storage: SQLStorage) -> None:
    members, reminders = SQLMembers(storage), SQLReminders(storage)
    ann = await members.add_member(MemberDraft(name="ann", wallet=100))
    await spend(storage, ann, 1)
    await storage.apply([Reserve("a", (ann.wallet,), 90, 90, 60)])
    assert list(await reminders.low_wallets(50)) == []
    await storage.apply([Settle("a", 60)])
    assert [one.left for one in await reminders.low_wallets(50)] == [39]


async def test_two_that_look_tell_each_once(storage: SQLStorage) -> None:
    members, reminders = SQLMembers(storage), SQLReminders(storage)
    for number in range(5):
        await spend(storage, await members.add_member(MemberDraft(name=f"u{number}", wallet=100)), 40)
    found = await asyncio.gather(*[reminders.low_wallets(100, limit=2) for _ in range(9)])
    found += [await reminders.low_wallets(100, limit=2) for _ in range(3)]
    assert sorted(one.name for some in found for one in some) == [f"u{number}" for number in range(5)]
