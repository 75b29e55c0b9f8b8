"""What is known of those who may be asked, and what is asked of whoever knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from ..models import Candidate, Channel

__all__ = ["FIT", "Cause", "Health", "Refusals", "Reporter", "Seen", "Standing", "State", "Trial"]

Cause = Literal[
    "auth",  # the key is refused
    "quota",  # the account has no money left
    "rate",  # the account was too fast
    "server",  # it answered, and not with an answer
    "transport",  # it was not reached, or the connection broke
    "slow",  # it was reached, and nothing came
]

State = Literal[
    "fit",
    "doubtful",  # to be asked after those that are fit
    "recovering",  # to be given a growing share of what its weight says
    "probing",  # one attempt may find out whether it works again
    "cooling",  # its account was too fast: not to be asked
    "out",  # it failed too often: not to be asked, unless nobody else is left
]


class Standing(Struct, frozen=True):
    """``wait`` is the seconds until it may be asked (cooling, out), ``share`` how much of its weight it is to get."""

    state: State
    wait: float = 0.0
    share: float = 1.0
    cause: Cause | None = None


FIT = Standing("fit")


class Trial(Protocol):
    """One attempt. Exactly one of ``succeeded``, ``failed`` and ``left`` ends it; what is called later does nothing."""

    def content(self, seconds: float) -> None:
        """The first content came, so many seconds after the attempt had begun."""
        ...

    def succeeded(self) -> None: ...

    def failed(
        self, cause: Cause, *, retry_after: float | None = None, code: str = "", status: int | None = None
    ) -> None:
        """``retry_after`` is what the upstream asked for, in seconds; ``code`` and ``status`` what it said."""
        ...

    def left(self) -> None:
        """It says nothing about health: it was the caller's fault, the caller has gone, or a limit was reached."""
        ...


class Health(Protocol):
    """What is known of those who may be asked: of a channel, the index of its key, and a model by its upstream name."""

    @property
    def calm(self) -> bool:
        """Nothing is known against anyone: planners need not ask."""
        ...

    def standing(self, channel: Channel, key: int, model: str) -> Standing: ...

    def begin(self, candidate: Candidate, *, forced: bool = False) -> Trial | Standing:
        """Leave to make one attempt, or why there is none now. ``forced``: there always is, as for calls that are
        pinned to a channel."""
        ...

    def in_flight(self, channel: Channel, key: int, model: str) -> int:
        """The attempts that are being made."""
        ...

    def latency(self, channel: Channel, key: int, model: str) -> float | None:
        """Seconds to the first content, as of late; None if nobody knows. An attempt that still waits for it counts
        as soon as it has waited for longer."""
        ...


class Seen(Struct, frozen=True, kw_only=True):
    """How one key of a channel does with one model (None: with all of them)."""

    key: int
    model: str | None
    state: State
    cause: Cause | None
    wait: float
    failures: int
    ejections: int
    in_flight: int
    latency: float | None


@runtime_checkable
class Reporter(Protocol):
    """A ``Health`` that tells all that it knows of a channel."""

    def seen(self, channel: Channel) -> list[Seen]: ...


@runtime_checkable
class Refusals(Protocol):
    """A ``Health`` that knows channels of which every key is refused."""

    def exhausted(self, channel: Channel) -> list[frozenset[str]]:
        """Of each key of the channel the status and the code of its last failure, if all of them are out, or were and
        have not succeeded since, with all models; nothing otherwise."""
        ...

    def watch(self, refused: Callable[[Channel], None]) -> None:
        """Have this called when a key of a channel has been put out with all models."""
        ...

    def forget(self, channel_id: int) -> None:
        """Begin anew with a channel."""
        ...
