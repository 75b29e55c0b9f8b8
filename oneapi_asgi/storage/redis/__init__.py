"""``SharedRedis``: what replicas share and may lose, in one Redis. Counters of rates, and notices.

Needs the extra ``redis``. Nothing that has to last lies there: without Redis calls go on, and each replica counts its
share of every limit.
"""

from __future__ import annotations

from .shared import SharedRedis
from .telling import tell

__all__ = ["SharedRedis", "tell"]
