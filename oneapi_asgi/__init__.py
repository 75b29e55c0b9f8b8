"""An LLM-API gateway taken apart into composable ASGI components.

``Gateway`` is the whole, mountable under any ASGI app; every component in it can be used alone. The standalone app is
``oneapi_asgi.app.create_app``, storage on SQL is ``oneapi_asgi.storage.sql.SQLStorage`` (both need the ``standalone``
extra), what replicas share is ``oneapi_asgi.storage.redis.SharedRedis`` (the ``redis`` extra), help for tests is in
``oneapi_asgi.testing``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .auth import KeyAuthenticator, TokenAuth
from .call import Call
from .drain import Drain, DrainGuard
from .edge import EdgeGuard
from .endpoints import Endpoints
from .errors import GatewayError
from .gateway import Gateway
from .health import Ejection, Health, SharedEjection, Standing, Trial
from .housekeeping import Housekeeping
from .idempotency import Idempotency
from .keys import key_digest, key_prefix, new_key
from .limitbook import LimitBook
from .listing import Billing, ModelList
from .meter import UsageMeter
from .models import (
    NANO,
    Attempt,
    Balance,
    CallRecord,
    Candidate,
    Channel,
    Limit,
    Price,
    Secret,
    Tier,
    Token,
    TokenDraft,
    Usage,
    User,
)
from .pace import Pacing
from .planning import Planner, Route, RoutePlanner
from .pool import ChannelPool
from .ports import CallStorage, Shared, Storage
from .pricebook import PriceBook, PriceCatalog
from .quota import Quota, QuotaGuard
from .ratelimit import ChannelLimits, RateLimit, RateLimiter
from .rates import LocalRates
from .reaper import Reaper
from .record import CallRecorder, RecordWriter
from .relay import Relay
from .revision import Revision
from .revocation import Revocation, RevocationGuard
from .routing import ModelRouter
from .shedding import Load, LoadShed
from .slots import Slots
from .tariffs import Group
from .upstream import AddressGuard, HttpxUpstream, Timeouts, Upstream, UpstreamFault

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .objects import Objects
    from .storage.memory import MemoryStorage

__all__ = [
    "NANO",
    "AddressGuard",
    "Attempt",
    "Balance",
    "Billing",
    "Call",
    "CallRecord",
    "CallRecorder",
    "CallStorage",
    "Candidate",
    "Channel",
    "ChannelLimits",
    "ChannelPool",
    "Drain",
    "DrainGuard",
    "EdgeGuard",
    "Ejection",
    "Endpoints",
    "Gateway",
    "GatewayError",
    "Group",
    "Health",
    "Housekeeping",
    "HttpxUpstream",
    "Idempotency",
    "KeyAuthenticator",
    "Limit",
    "LimitBook",
    "Load",
    "LoadShed",
    "LocalRates",
    "MemoryStorage",
    "ModelList",
    "ModelRouter",
    "Objects",
    "Pacing",
    "Planner",
    "Price",
    "PriceBook",
    "PriceCatalog",
    "Quota",
    "QuotaGuard",
    "RateLimit",
    "RateLimiter",
    "Reaper",
    "RecordWriter",
    "Relay",
    "Revision",
    "Revocation",
    "RevocationGuard",
    "Route",
    "RoutePlanner",
    "Secret",
    "Shared",
    "SharedEjection",
    "Slots",
    "Standing",
    "Storage",
    "Tier",
    "Timeouts",
    "Token",
    "TokenAuth",
    "TokenDraft",
    "Trial",
    "Upstream",
    "UpstreamFault",
    "Usage",
    "UsageMeter",
    "User",
    "key_digest",
    "key_prefix",
    "new_key",
]

_LATER = {"MemoryStorage": "storage.memory", "Objects": "objects"}
"""What many hosts do without: the library has to be imported in no time."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
