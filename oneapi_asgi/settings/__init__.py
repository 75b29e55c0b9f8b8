"""What an operator can set, from one TOML file and ``ONEAPI_*`` variables.

``load_settings`` gives one frozen tree, or every mistake at once: where it is, what stands there, how to mend it. A
variable ``ONEAPI_SECTION__KEY`` overrides ``key`` in ``[section]``; a value that begins with ``[`` or ``{`` is read as
JSON, and ``ONEAPI_CHANNELS``, ``ONEAPI_TOKENS``, ``ONEAPI_PRICES``, ``ONEAPI_GROUPS``, ``ONEAPI_LIMITS`` and
``ONEAPI_ROUTES`` replace the whole list. Secrets may be written as ``env:NAME`` or ``file:PATH`` (beside the
configuration file) and never appear in a message.
"""

from __future__ import annotations

from .load import find_config, load_settings, read_section
from .places import SettingsError
from .rows import (
    ChannelSettings,
    GroupSettings,
    LimitSettings,
    PriceSettings,
    RouteSettings,
    TierSettings,
    TokenSettings,
)
from .sections import (
    AdminSettings,
    CacheSettings,
    IdempotencySettings,
    OutboundSettings,
    PricingSettings,
    RoutingSettings,
    ServerSettings,
    Settings,
    StorageSettings,
    StreamSettings,
    TimeoutSettings,
)

__all__ = [
    "AdminSettings",
    "CacheSettings",
    "ChannelSettings",
    "GroupSettings",
    "IdempotencySettings",
    "LimitSettings",
    "OutboundSettings",
    "PriceSettings",
    "PricingSettings",
    "RouteSettings",
    "RoutingSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "StorageSettings",
    "StreamSettings",
    "TierSettings",
    "TimeoutSettings",
    "TokenSettings",
    "find_config",
    "load_settings",
    "read_section",
]
