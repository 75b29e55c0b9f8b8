"""An LLM-API gateway taken apart into composable ASGI components.

``Gateway`` is the whole, mountable under any ASGI app; every component in it can be used alone. The standalone app is
``oneapi_asgi.app.create_app``, storage on SQL is ``oneapi_asgi.storage.sql.SQLStorage`` (both need the ``standalone``
extra), what replicas share is ``oneapi_asgi.storage.redis.SharedRedis`` (the ``redis`` extra), help for tests is in
``oneapi_asgi.testing``.
"""

from .auth import KeyAuthenticator, TokenAuth
from .call import Call
from .endpoints import Endpoints
from .errors import GatewayError
from .gateway import Gateway
from .health import CoolDown, Health, SharedCoolDown, Unjudged
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
from .routing import ChannelPool, ModelRouter
from .storage.memory import MemoryStorage
from .upstream import AddressGuard, HttpxUpstream, Timeouts, Upstream, UpstreamFault

__version__ = "0.1.0"

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
    "CoolDown",
    "Endpoints",
    "Gateway",
    "GatewayError",
    "Health",
    "Housekeeping",
    "HttpxUpstream",
    "Idempotency",
    "KeyAuthenticator",
    "Limit",
    "LimitBook",
    "LocalRates",
    "MemoryStorage",
    "ModelList",
    "ModelRouter",
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
    "Secret",
    "Shared",
    "SharedCoolDown",
    "Storage",
    "Tier",
    "Timeouts",
    "Token",
    "TokenAuth",
    "TokenDraft",
    "Unjudged",
    "Upstream",
    "UpstreamFault",
    "Usage",
    "UsageMeter",
    "User",
    "key_digest",
    "key_prefix",
    "new_key",
]
