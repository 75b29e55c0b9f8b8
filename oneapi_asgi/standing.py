"""How the channels stand, for those who run the gateway: ``snapshot`` tells, ``ChannelPage`` shows it.

    page = TokenAuth(ChannelPage(pool, health), authenticator)
    app = Endpoints(calls, models=models, billing=billing, pages={"/healthz/channels": page})

What is shown is what this process has seen of them, and heard of from other replicas; keys are told apart by their
place alone. *Reads* ``call.token``, *writes* nothing. Option: ``on_error``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from starlette.types import Receive, Scope, Send

from .call import Call, need
from .errors import Forbidden, GatewayError
from .health import Cause, Health, Reporter, Seen, State
from .http import OnError, Refusal, json_page
from .models import Channel
from .pool import ChannelPool

__all__ = ["ChannelPage", "ChannelStanding", "KeyStanding", "ModelStanding", "snapshot", "standings"]


class ModelStanding(Struct, frozen=True, kw_only=True):
    """``wait`` is the seconds until it is asked again, ``failures`` how many there were in a row, ``latency`` the
    seconds to the first content; ``model`` is the upstream's name."""

    model: str
    state: State
    cause: Cause | None = None
    wait: float = 0.0
    failures: int = 0
    ejections: int = 0
    in_flight: int = 0
    latency: float | None = None


class KeyStanding(Struct, frozen=True, kw_only=True):
    """A key with all models, and with each that was asked for. ``key`` is its place among the channel's."""

    key: int
    state: State = "fit"
    cause: Cause | None = None
    wait: float = 0.0
    failures: int = 0
    ejections: int = 0
    models: tuple[ModelStanding, ...] = ()


class ChannelStanding(Struct, frozen=True, kw_only=True):
    id: int
    name: str
    enabled: bool
    disabled_because: str
    in_flight: int
    keys: tuple[KeyStanding, ...]


def snapshot(channels: Iterable[Channel], health: Health) -> tuple[ChannelStanding, ...]:
    """How each channel stands, by number. Of a ``health`` that tells nothing of itself nothing is known."""
    return tuple(_channel(each, health) for each in sorted(channels, key=lambda channel: channel.id))


def _channel(channel: Channel, health: Health) -> ChannelStanding:
    rows = health.seen(channel) if isinstance(health, Reporter) else []
    return ChannelStanding(
        id=channel.id,
        name=channel.name,
        enabled=channel.enabled,
        disabled_because=channel.disabled_because,
        in_flight=sum(row.in_flight for row in rows if row.model is not None),
        keys=tuple(_key(key, [row for row in rows if row.key == key]) for key in range(len(channel.api_keys) or 1)),
    )


def _key(key: int, rows: Sequence[Seen]) -> KeyStanding:
    models = tuple(
        ModelStanding(
            model=row.model,
            state=row.state,
            cause=row.cause,
            wait=round(row.wait, 3),
            failures=row.failures,
            ejections=row.ejections,
            in_flight=row.in_flight,
            latency=None if row.latency is None else round(row.latency, 3),
        )
        for row in rows
        if row.model is not None
    )
    for row in rows:
        if row.model is None:
            return KeyStanding(
                key=key,
                state=row.state,
                cause=row.cause,
                wait=round(row.wait, 3),
                failures=row.failures,
                ejections=row.ejections,
                models=models,
            )
    return KeyStanding(key=key, models=models)


async def standings(pool: ChannelPool, health: Health) -> tuple[ChannelStanding, ...]:
    """How each channel stands now, as far as this process has seen or heard.

    :raises Unavailable: the channels cannot be read
    """
    await pool.refresh()
    return snapshot(pool.channels, health)


class ChannelPage:
    """``GET /healthz/channels`` as JSON, for tokens of administrators; 403 for others."""

    def __init__(self, pool: ChannelPool, health: Health, *, on_error: OnError = Refusal) -> None:
        self._pool = pool
        self._health = health
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        token = need(call.token, "ChannelPage", "token", "TokenAuth")
        try:
            if not token.admin:
                raise Forbidden("Only the keys of administrators may see how the channels stand.")
            page = {"channels": await standings(self._pool, self._health)}
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        return await json_page(page, call)(scope, receive, send)
