"""Whom health is about: a key of a channel, and the key with one model."""

from __future__ import annotations

import hashlib

from ..models import Channel
from .circuit import Circuit
from .facts import Trial
from .latency import Latency

__all__ = ["KeyState", "Subject", "account_of"]

_PROVEN = 300.0
"""Seconds that a success shows a key to be a good one, whatever becomes of it with other models."""


class KeyState:
    """One key of a channel, with all models. ``signs`` are the status and the code of the failure that counted last."""

    __slots__ = ("account", "channel", "circuit", "index", "models", "signs")

    def __init__(self, index: int) -> None:
        self.index = index
        self.channel: Channel | None = None
        self.account = ""
        self.circuit = Circuit()
        self.signs: frozenset[str] = frozenset()
        self.models: dict[str, Subject] = {}

    def renew(self) -> list[Circuit]:
        """Begin anew. What there was is no longer part of it."""
        gone = [self.circuit, *(subject.circuit for subject in self.models.values())]
        self.circuit, self.signs = Circuit(), frozenset()
        for subject in self.models.values():
            subject.circuit, subject.proven = Circuit(), float("-inf")
        return gone

    def is_proven(self, now: float) -> bool:
        """A model has succeeded with it not long ago, and has not been refused since."""
        return any(subject.proven > now - _PROVEN for subject in self.models.values())


class Subject:
    """One key with one model. ``pending`` are the attempts that wait for their first content, the oldest first."""

    __slots__ = ("circuit", "in_flight", "key", "latency", "model", "pending", "proven")

    def __init__(self, key: KeyState, model: str) -> None:
        self.key = key
        self.model = model
        self.circuit = Circuit()
        self.latency = Latency()
        self.in_flight = 0
        self.pending: dict[Trial, float] = {}
        self.proven = float("-inf")

    def takes(self, now: float) -> float | None:
        """Seconds to the first content, of those that have it and of the one that waits for it longest."""
        known = self.latency.read(now)
        for began in self.pending.values():
            return max(known, now - began) if known is not None else now - began
        return known


def account_of(channel: Channel, index: int) -> str:
    """A name for who pays, the same in every replica, from which no key can be told."""
    if index >= len(channel.api_keys):
        return f"channel {channel.id}"
    parts = (channel.provider, channel.base_url or "", channel.api_keys[index].reveal())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
