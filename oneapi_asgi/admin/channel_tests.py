"""Channels are tried out: one at a time, or all of them in a round. By POST alone, since a test costs money, and is
noted at the channel.

Nothing is switched on or off by a test: what fails calls is found out by calls.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from ..desk.channels import ChannelMeasures, ChannelReader, KeptChannel, state_of
from ..desk.roles import Role
from ..errors import BadRequest
from ..keys import key_digest
from ..trial import NoModel, Verdict, model_of, try_channel
from ..upstream import Timeouts, Upstream
from .channel_rows import refusals
from .rounds import Job, RoundRow, Rounds
from .routes import Nothing, Reply, Route, Visit

__all__ = ["TEST_TIMEOUTS", "ChannelTests", "TestBook", "first_key"]

TEST_TIMEOUTS = Timeouts(connect=5.0, first_byte=30.0, idle=30.0, total=60.0)

_ROUND = "test"


class TestBook(ChannelReader, ChannelMeasures, Protocol):
    """What the routes ask of a storage."""


class TestQuery(Struct, frozen=True, kw_only=True):
    """Without a ``model`` its test model is asked for, else the first that it names. ``key`` is the index of a key; the
    first that is on, if it is not given."""

    model: Annotated[str, Meta(max_length=255)] = ""
    stream: bool = False
    key: Annotated[int, Meta(ge=0, le=10_000)] | None = None


class RoundQuery(Struct, frozen=True):
    scope: Literal["all", "enabled", "disabled"] = "all"


class TestRow(Struct, frozen=True, kw_only=True):
    """``error`` is a code: ``http_401``, ``timeout``, …; empty if the channel has served. ``told`` says how it went,
    ``answer`` what the model said."""

    served: bool
    error: str
    milliseconds: int
    model: str
    told: str
    answer: str


class ChannelTests:
    """``timeouts`` are those of one test."""

    def __init__(
        self, store: TestBook, upstream: Upstream, rounds: Rounds, *, timeouts: Timeouts = TEST_TIMEOUTS
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._rounds = rounds
        self._timeouts = timeouts

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/channel/test/{id}", self.test, role=Role.ADMIN, summary="Send a small request through a "
                  "channel", query=TestQuery, data=TestRow, action="channel.test", kind="test", also_get=True),
            Route("POST", "/channel/test", self.test_all, role=Role.ADMIN, summary="Test many channels in the "
                  "background", query=RoundQuery, data=RoundRow, action="channel.test", kind="test", also_get=True),
            Route("GET", "/channel/test/state", self.state, role=Role.ADMIN, data=RoundRow,
                  summary="How the test of many channels stands"),
        )  # fmt: skip

    async def test(self, visit: Visit[TestQuery, Nothing]) -> Reply:
        """Whether it served is in ``success``; that the test was made, in the status."""
        asked = visit.query
        with refusals():
            kept = await self._store.find_channel(visit.id())
            if kept is None:
                raise KeyError(visit.id())
        key = first_key(kept) if asked.key is None else asked.key
        if key and key >= len(kept.channel.api_keys):
            raise BadRequest(f"There is no key with the index {key}.", code="key_not_found", param="key")
        try:
            model = model_of(kept.channel, asked.model or kept.test_model)
        except NoModel:
            message = "The channel names no single model: say which with ?model=, or set its test_model."
            raise BadRequest(message, code="model_required", param="model") from None
        verdict = await self._try(kept, model, key, stream=asked.stream)
        row = _row(verdict, model)
        outcome = "it served" if row.served else row.error
        text = f"tested the channel {kept.channel.name} with {model}: {outcome}, {row.milliseconds} ms"
        visit.note(target=f"channel {kept.channel.id}", text=text)
        extra = {"success": row.served, "time": row.milliseconds / 1000, "modelName": model}
        return Reply(data=row, message="" if row.served else verdict.told, extra=extra)

    async def test_all(self, visit: Visit[RoundQuery, Nothing]) -> RoundRow:
        scope = visit.query.scope
        chosen = [
            kept
            for kept in await self._store.all_channels()
            if scope == "all" or (state_of(kept.channel) == "enabled") == (scope == "enabled")
        ]
        row = self._rounds.begin(_ROUND, [self._job(kept) for kept in chosen])
        visit.note(text=f"began to test {len(chosen)} channels", scope=scope)
        return row

    async def state(self, visit: Visit[Nothing, Nothing]) -> RoundRow:  # noqa: ARG002
        return self._rounds.state(_ROUND)

    def _job(self, kept: KeptChannel) -> Job:
        async def test() -> bool:
            try:
                model = model_of(kept.channel, kept.test_model)
            except NoModel:
                await self._store.note_test(kept.channel.id, 0, "no_model")
                return False
            return (await self._try(kept, model, first_key(kept))).served

        return test

    async def _try(self, kept: KeptChannel, model: str, key: int, *, stream: bool = False) -> Verdict:
        verdict = await try_channel(self._upstream, kept.channel, model, self._timeouts, stream=stream, key=key)
        await self._store.note_test(kept.channel.id, round(verdict.seconds * 1000), verdict.code)
        return verdict


def first_key(kept: KeptChannel) -> int:
    """The index of the first key that is on; of the first, if none is."""
    keys = enumerate(kept.channel.api_keys)
    return next((index for index, key in keys if key_digest(key.reveal()) not in kept.disabled_keys), 0)


def _row(verdict: Verdict, model: str) -> TestRow:
    milliseconds = round(verdict.seconds * 1000)
    return TestRow(
        served=verdict.served,
        error=verdict.code,
        milliseconds=milliseconds,
        model=model,
        told=verdict.told,
        answer=verdict.answer,
    )
