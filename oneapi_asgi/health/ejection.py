"""Judges by failures in a row, and remembers in this process alone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from cachetools import TTLCache
from msgspec import Struct

from ..models import Candidate, Channel
from .circuit import Circuit, Cooling
from .facts import FIT, Cause, Seen, Standing, Trial
from .subjects import KeyState, Subject, account_of

__all__ = ["Ejection"]

_REMEMBERED = 10_000
_LONGEST_NAME = 200
"""Of models: callers name them, where a channel takes any."""

_PANIC = 5.0
"""Seconds between two attempts at what is out, while nobody else is left."""

_PATIENCE = 1.0
"""Seconds that an attempt has waited at least whose caller may have left because nothing came."""

_SWEEP = 1.0
_GRAVITY = {"fit": 0, "doubtful": 1, "recovering": 2, "probing": 3, "out": 4, "cooling": 5}


class Ejection:
    """Five failures in a row of one cause put a key out with one model, for 30 seconds at first; three that refuse the
    key, or its account, with all models. An account that was too fast cools down, with all channels that share it.

    What comes back is tried by one attempt at a time until one succeeds, and then gets its share back within 30
    seconds. While nobody else is left, what is out is tried once in five seconds. ``judge`` False: everybody is always
    fit, and attempts are only counted.
    """

    def __init__(
        self,
        *,
        judge: bool = True,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        remembered: int = _REMEMBERED,
    ) -> None:
        self._judge = judge
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  # spreading load needs no secrecy
        self._limit = remembered
        self._keys: dict[tuple[int, int], KeyState] = {}
        self._coolings: dict[tuple[str, str], Cooling] = {}
        self._panics: TTLCache[str, float] = TTLCache(remembered, _PANIC, clock)
        self._news: set[Circuit | Cooling] = set()
        self._swept = float("-inf")
        self._count = 0
        self._watchers: list[Callable[[Channel], None]] = []

    # --- asked --------------------------------------------------------------------------------------------------------

    @property
    def calm(self) -> bool:
        return not self._news

    def standing(self, channel: Channel, key: int, model: str) -> Standing:
        if not self._news:
            return FIT
        state = self._key(channel, key)
        model = model[:_LONGEST_NAME]
        return self._standing(state, state.models.get(model), model, self._clock())

    def in_flight(self, channel: Channel, key: int, model: str) -> int:
        subject = self._find(channel, key, model)
        return subject.in_flight if subject is not None else 0

    def latency(self, channel: Channel, key: int, model: str) -> float | None:
        subject = self._find(channel, key, model)
        return subject.takes(self._clock()) if subject is not None else None

    def begin(self, candidate: Candidate, *, forced: bool = False) -> Trial | Standing:
        now, channel, model = self._clock(), candidate.channel, candidate.upstream_model
        state = self._keys.get((channel.id, candidate.key))
        if state is None or state.channel is not channel:
            state = self._key(channel, candidate.key)
        subject = state.models.get(model) or self._subject(state, model)
        attempt = _Attempt(self, subject, now)
        if self._news:
            if now >= self._swept + _SWEEP:
                self._sweep(now)
            barred = None if forced else self._barred(subject, now)
            if barred is not None:
                return barred
            subject.circuit.probe(attempt, now)
            subject.key.circuit.probe(attempt, now)
        subject.in_flight += 1
        subject.pending[attempt] = now
        return attempt

    def seen(self, channel: Channel) -> list[Seen]:
        now = self._clock()
        return [row for state in self._of(channel) for row in self._rows(state, now)]

    def exhausted(self, channel: Channel) -> list[frozenset[str]]:
        states = [self._keys.get((channel.id, index)) for index in range(len(channel.api_keys) or 1)]
        out = [state.signs for state in states if state is not None and state.circuit.until is not None]
        return out if len(out) == len(states) else []

    def watch(self, refused: Callable[[Channel], None]) -> None:
        self._watchers.append(refused)

    def forget(self, channel_id: int) -> None:
        for (channel, _), state in self._keys.items():
            if channel == channel_id:
                self._news.difference_update(state.renew())

    # --- standings ----------------------------------------------------------------------------------------------------

    def _standing(self, state: KeyState, subject: Subject | None, model: str, now: float) -> Standing:
        worst = state.circuit.standing(now)
        if subject is not None:
            worst = _worse(worst, subject.circuit.standing(now))
        cooling = self._coolings.get((state.account, model))
        return worst if cooling is None else _worse(worst, cooling.standing(now))

    def _barred(self, subject: Subject, now: float) -> Standing | None:
        standing = self._standing(subject.key, subject, subject.model, now)
        if standing.state == "cooling":
            return standing
        if standing.state != "out":
            return None
        last = self._panics.get(subject.model)
        if last is None:
            self._panics[subject.model] = now
            return None
        return Standing("out", min(standing.wait, max(last + _PANIC - now, 0.0)), 0.0, standing.cause)

    def _rows(self, state: KeyState, now: float) -> Iterator[Seen]:
        whole = state.circuit.standing(now)
        if whole is not FIT or not state.circuit.blank:
            in_flight = sum(subject.in_flight for subject in state.models.values())
            yield _row(state.index, None, whole, (state.circuit, now), in_flight, None)
        for subject in state.models.values():
            standing = self._standing(state, subject, subject.model, now)
            latency = subject.takes(now)
            yield _row(state.index, subject.model, standing, (subject.circuit, now), subject.in_flight, latency)

    # --- told ---------------------------------------------------------------------------------------------------------

    def _answered(self, attempt: _Attempt, subject: Subject, seconds: float) -> None:
        now = subject.proven = self._clock()
        subject.latency.observe(seconds, now)
        for circuit in (subject.circuit, subject.key.circuit):
            if not circuit.blank:
                circuit.answer(attempt, attempt.began, now)
                self._note(circuit, now)

    def _succeeded(self, attempt: _Attempt, subject: Subject) -> None:
        now = subject.proven = self._clock()
        if not self._judge:
            return
        for circuit in (subject.circuit, subject.key.circuit):
            if not circuit.blank:
                circuit.succeed(attempt, attempt.began, now)
                self._note(circuit, now)
        if self._coolings:
            place = (subject.key.account, subject.model)
            cooling = self._coolings.get(place)
            if cooling is not None:
                cooling.succeed(attempt.began)
                self._note(cooling, now)

    def _failed(self, attempt: _Attempt, cause: Cause, wait: float | None, signs: frozenset[str]) -> None:
        subject = attempt.subject
        if not self._judge:
            return
        now = self._clock()
        if cause == "rate":
            self._left(attempt, subject)
            self._cool(subject.key.account, subject.model, wait, attempt.began, now)
            return
        if cause == "slow":
            subject.latency.observe(now - attempt.began, now)
        circuit = subject.circuit
        if circuit.fail(cause, attempt, attempt.began, now, self._rng, late=attempt.answered):
            self._ejected(subject.key, subject.model, circuit, now)
        if wait:
            circuit.doubt(cause, wait, now)
        self._note(circuit, now)
        if cause in ("auth", "quota"):
            self._refused(attempt, subject, cause, signs, now)
        else:
            subject.key.circuit.let_go(attempt)

    def _refused(self, attempt: _Attempt, subject: Subject, cause: Cause, signs: frozenset[str], now: float) -> None:
        """The key, or its account, was refused; with this model, or with all? A key that has just served others is a
        good one: callers may name a model that it may not use."""
        key, subject.proven = subject.key, float("-inf")
        spare = key.is_proven(now)
        if not spare:
            key.signs = signs
        if key.circuit.fail(cause, attempt, attempt.began, now, self._rng, spare=spare):
            self._ejected(key, None, key.circuit, now)
            self._tell_watchers(key)
        self._note(key.circuit, now)

    def _left(self, attempt: _Attempt, subject: Subject) -> None:
        now = self._clock()
        if not attempt.answered and now - attempt.began > max(subject.latency.read(now) or 0.0, _PATIENCE):
            subject.latency.observe(now - attempt.began, now)  # at least
        subject.circuit.let_go(attempt)
        subject.key.circuit.let_go(attempt)

    def _cool(self, account: str, model: str, wait: float | None, began: float, now: float) -> None:
        cooling = self._cooling(account, model)
        if cooling.tell(wait, began, now):
            self._cooled(account, model, cooling.standing(now).wait)
        self._note(cooling, now)

    def _hear(
        self, place: tuple[int, int], model: str | None, cause: Cause, length: tuple[float, int], signs: frozenset[str]
    ) -> None:
        """Another replica has put a key out, with one model or with all (None), for ``length``: seconds, and for the so
        manyth time."""
        state = self._keys.get(place)
        if state is None:
            state = self._keys[place] = KeyState(place[1])
        now = self._clock()
        circuit = state.circuit if model is None else self._subject(state, model).circuit
        circuit.bar(cause, length[0], length[1], now)
        self._news.add(circuit)
        if model is None:
            state.signs = signs
            self._tell_watchers(state)

    def _hear_cooled(self, account: str, model: str, wait: float) -> None:
        now = self._clock()
        cooling = self._cooling(account, model)
        cooling.tell(wait, now, now)
        self._note(cooling, now)

    def _ejected(self, key: KeyState, model: str | None, circuit: Circuit, now: float) -> None:
        """For those who tell others."""

    def _cooled(self, account: str, model: str, wait: float) -> None:
        """For those who tell others."""

    def _tell_watchers(self, key: KeyState) -> None:
        for refused in self._watchers:
            if key.channel is not None:
                refused(key.channel)

    # --- memory -------------------------------------------------------------------------------------------------------

    def _note(self, news: Circuit | Cooling, now: float) -> None:
        if news.standing(now) is FIT:
            self._news.discard(news)
        else:
            self._news.add(news)

    def _sweep(self, now: float) -> None:
        self._swept = now
        for news in self._news:
            if isinstance(news, Circuit):
                news.lapse(now)
        self._news = {news for news in self._news if news.standing(now) is not FIT}

    def _of(self, channel: Channel) -> list[KeyState]:
        indexes = range(len(channel.api_keys) or 1)
        return [state for index in indexes if (state := self._keys.get((channel.id, index))) is not None]

    def _find(self, channel: Channel, key: int, model: str) -> Subject | None:
        state = self._keys.get((channel.id, key))
        return state.models.get(model[:_LONGEST_NAME]) if state is not None else None

    def _key(self, channel: Channel, index: int) -> KeyState:
        state = self._keys.get((channel.id, index))
        if state is None:
            state = self._keys[channel.id, index] = KeyState(index)
        if state.channel is not channel:
            account = account_of(channel, index)
            if state.account not in ("", account):  # of the key that was there before this one says nothing
                self._news.difference_update(state.renew())
            state.channel, state.account = channel, account
        return state

    def _cooling(self, account: str, model: str) -> Cooling:
        cooling = self._coolings.get((account, model))
        if cooling is None:
            if len(self._coolings) >= self._limit:
                self._news.discard(self._coolings.pop(next(iter(self._coolings))))
            cooling = self._coolings[account, model] = Cooling()
        return cooling

    def _subject(self, state: KeyState, model: str) -> Subject:
        model = model[:_LONGEST_NAME]
        subject = state.models.get(model)
        if subject is None:
            if self._count >= self._limit:
                self._make_room()
            subject = state.models[model] = Subject(state, model)
            self._count += 1
        return subject

    def _make_room(self) -> None:
        """Forget every second: those first that have never served, and those last of which something bad is known."""
        everybody = [subject for state in self._keys.values() for subject in state.models.values()]
        everybody.sort(key=lambda subject: (subject.in_flight > 0, not subject.circuit.blank, subject.proven))
        for subject in everybody[: len(everybody) // 2]:
            del subject.key.models[subject.model]
            self._news.discard(subject.circuit)
        self._count = len(everybody) - len(everybody) // 2


class _Attempt(Struct, eq=False):
    """``answered``: its first content has come."""

    _ejection: Ejection
    subject: Subject
    began: float
    answered: bool = False
    _open: bool = True

    __repr__ = object.__repr__  # what it holds is not for logs

    def content(self, seconds: float) -> None:
        if self.subject.pending.pop(self, None) is not None:
            self.answered = True
            self._ejection._answered(self, self.subject, seconds)  # noqa: SLF001

    def succeeded(self) -> None:
        if self._open:
            self._close()
            self._ejection._succeeded(self, self.subject)  # noqa: SLF001

    def failed(
        self, cause: Cause, *, retry_after: float | None = None, code: str = "", status: int | None = None
    ) -> None:
        if self._open:
            self._close()
            signs = frozenset(sign for sign in (code, str(status or "")) if sign)
            self._ejection._failed(self, cause, retry_after, signs)  # noqa: SLF001

    def left(self) -> None:
        if self._open:
            self._close()
            self._ejection._left(self, self.subject)  # noqa: SLF001

    def _close(self) -> None:
        self._open = False
        self.subject.in_flight -= 1
        if not self.answered:
            self.subject.pending.pop(self, None)


def _worse(one: Standing, other: Standing) -> Standing:
    """Who is out is not asked sooner for cooling as well."""
    if other is FIT:
        return one
    if one is FIT:
        return other
    worse = max(one, other, key=lambda standing: (_GRAVITY[standing.state], standing.wait, -standing.share))
    wait = max(one.wait, other.wait)
    return worse if wait == worse.wait else Standing(worse.state, wait, worse.share, worse.cause)


def _row(
    key: int,
    model: str | None,
    standing: Standing,
    circuit: tuple[Circuit, float],
    in_flight: int,
    latency: float | None,
) -> Seen:
    known, now = circuit
    return Seen(
        key=key,
        model=model,
        state=standing.state,
        cause=standing.cause,
        wait=standing.wait,
        failures=known.in_a_row,
        ejections=known.times(now),
        in_flight=in_flight,
        latency=latency,
    )
