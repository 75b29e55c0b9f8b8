"""The one seam to HTTP clients: every byte that leaves the process for a provider passes here.

``Upstream`` is the protocol; ``HttpxUpstream`` works with any ``httpx2.AsyncClient`` or ``httpx.AsyncClient``,
``HttptoolsUpstream`` (in ``upstream.httptools``, an extra) is the fast one. Both refuse private addresses, never
follow a redirect, and hand on bodies as they came; that they come uncompressed is for the request's headers to ask.

    app = Relay(HttpxUpstream(guard=AddressGuard(allow=["192.168.7.0/24"])), plan=plan)
"""

from .guard import AddressGuard, BlockedAddressError
from .httpx import HttpxUpstream
from .seam import Incoming, Outgoing, Timeouts, Upstream, UpstreamFault

__all__ = [
    "AddressGuard",
    "BlockedAddressError",
    "HttpxUpstream",
    "Incoming",
    "Outgoing",
    "Timeouts",
    "Upstream",
    "UpstreamFault",
]
