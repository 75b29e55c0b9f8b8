"""How the channels stand, as the gateway of this process sees them.

Each worker and each replica has seen other calls: what one of them says is not what all say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, get_args

from msgspec import Struct

from ..desk.roles import Role
from ..errors import Unavailable
from ..health import State
from ..standing import ChannelStanding, KeyStanding
from .routes import Nothing, Route, Visit

__all__ = ["ChannelHealth", "ChannelHealthRow", "Standings"]

_RANK: dict[State, int] = {state: rank for rank, state in enumerate(get_args(State))}
"""From the fittest on."""


class Standings(Protocol):
    async def standings(self) -> Sequence[ChannelStanding]:
        """How each channel stands.

        :raises Unavailable: the channels cannot be read
        """
        ...


class ChannelHealthRow(Struct, frozen=True, kw_only=True):
    """``state`` is that of the key and model that is fittest, ``worst`` that of the one that is least so; ``wait`` is
    the seconds until the first may be asked, ``failures`` the most that there were in a row. ``keys`` are those in use,
    each with the models that it was asked for by the upstream's names; ``latency`` is in seconds."""

    id: int
    name: str
    enabled: bool
    disabled_because: str
    state: State
    worst: State
    wait: float
    failures: int
    in_flight: int
    keys: Sequence[KeyStanding]


class ChannelHealth:
    def __init__(self) -> None:
        self._gateway: Standings | None = None

    def observe(self, gateway: Standings) -> None:
        """Tell of this gateway's channels."""
        self._gateway = gateway

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET", "/channel/health", self.show, role=Role.ADMIN,
                summary="How the channels stand, as seen by the process that answers", data=list[ChannelHealthRow],
            ),
        )  # fmt: skip

    async def show(self, _: Visit[Nothing, Nothing]) -> list[ChannelHealthRow]:
        if self._gateway is None:
            raise Unavailable("No gateway runs beside this administration.", code="no_gateway")
        return [_row(standing) for standing in await self._gateway.standings()]


def _row(standing: ChannelStanding) -> ChannelHealthRow:
    found = [each for key in standing.keys for each in _states(key)]
    failures = [key.failures for key in standing.keys]
    failures += [each.failures for key in standing.keys for each in key.models]
    return ChannelHealthRow(
        id=standing.id,
        name=standing.name,
        enabled=standing.enabled,
        disabled_because=standing.disabled_because,
        state=min([state for state, _ in found], key=_RANK.__getitem__),
        worst=max([state for state, _ in found], key=_RANK.__getitem__),
        wait=min(wait for _, wait in found),
        failures=max(failures),
        in_flight=standing.in_flight,
        keys=standing.keys,
    )


def _states(key: KeyStanding) -> Iterator[tuple[State, float]]:
    """Of the key with each model; what holds for all of them holds for each."""
    for each in key.models or (key,):
        yield max(key.state, each.state, key=_RANK.__getitem__), max(key.wait, each.wait)
