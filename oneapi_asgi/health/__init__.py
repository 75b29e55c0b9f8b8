"""Which channels are fit to be asked, by what became of those who asked them. Pure.

The relay begins an attempt, and says how it ended; the planner asks how things stand. ``Ejection`` judges by failures
in a row; anything that implements ``Health`` can take its place.

    health = Ejection()
    app = ModelRouter(Relay(upstream, health=health), ChannelPool(store, health=health))

Read ``facts`` first, then ``circuit`` (what bars one subject) and ``ejection`` (all of them).
"""

from __future__ import annotations

from .ejection import Ejection
from .facts import FIT, Cause, Health, Refusals, Reporter, Seen, Standing, State, Trial
from .shared import SharedEjection

__all__ = [
    "FIT",
    "Cause",
    "Ejection",
    "Health",
    "Refusals",
    "Reporter",
    "Seen",
    "SharedEjection",
    "Standing",
    "State",
    "Trial",
]
