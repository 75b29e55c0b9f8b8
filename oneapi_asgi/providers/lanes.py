"""What is the same in every request for one thing to one candidate, worked out once.

A channel, a key and an operation are the same objects until somebody changes the store, call after call. So is all that
follows from them: the format, the address, the headers, what is known of the model. A call adds its body, its query and
the headers that pass.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..models import Candidate
from ..overrides import check_overrides
from ..wire.changes import changes_of
from ..wire.chat import Target
from ..wire.dialect import ChatDialect, Picky
from ..wire.dialects import CLIENTS, UPSTREAMS
from ..wire.operations import Operation
from ..wire.request import Changes
from .access import Access, Place, Unsigned, overridden, own_headers, signed
from .route import Route, access_of, place_of, route_of

__all__ = ["Headers", "Lane", "Lanes", "Passed", "decoded"]

_MOST = 4096
_LONGEST_PATH = 100
_MOST_SETS = 16
_LONGEST_SET = 256
"""Of headers that pass: callers choose them."""

_PASSED_HEADERS = frozenset((b"content-type", b"accept"))
_OWN_HEADERS = (("accept-encoding", "identity"), ("user-agent", "oneapi-asgi"))

Passed = tuple[tuple[bytes, bytes], ...]
"""Headers of a caller that go upstream, as they came."""

Headers = tuple[tuple[str, str], ...]


class Lane(Struct, eq=False):
    """One way to a candidate. ``url`` is without a query of the caller's. ``reports``: usage may be asked for.
    ``target`` knows no limit of output: it is the model's price that says it. ``picky`` is the format, where it knows
    what models refuse; ``talker`` the caller's, where one talks in it: to ask a class for a protocol takes longer than
    all the rest. ``passes`` are the names of the headers that go upstream where the caller's own format is spoken
    there. ``changes`` is what the channel changes of bodies that pass, ``headers`` those that it sets."""

    candidate: Candidate
    operation: Operation
    route: Route
    target: Target
    picky: Picky | None
    talker: ChatDialect | None
    access: Access
    place: Place
    key: str
    url: str
    reports: bool
    passes: frozenset[bytes]
    changes: Changes | None
    headers: Headers
    _sent: dict[Passed, Headers] = {}

    __repr__ = object.__repr__  # what it holds is not for logs

    def at(self, path: str) -> Place:
        """The place of another path below the same address."""
        return place_of(self.candidate.channel, self.route, self.candidate.upstream_model, path)

    def fixed_headers(self, passed: Passed) -> Headers:
        """All headers of a request that passes, where ``access.fixed``.

        :raises ValueError: the key cannot be read
        """
        known = self._sent.get(passed)
        if known is None:
            known = self.signed(self.unsigned(self.url, decoded(passed), b""), "")
            if len(self._sent) < _MOST_SETS and sum(len(value) for _, value in passed) <= _LONGEST_SET:
                self._sent[passed] = known
        return known

    def unsigned(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Unsigned:
        """With the headers that every request has, unless they are among these."""
        named = {name for name, _ in headers}
        own = (*_OWN_HEADERS, *(header for header in self.route.dialect.headers if header[0] not in named))
        sent = (*own, *headers)
        if self.headers:
            sent = overridden(sent, self.headers)
        return Unsigned("POST", url, sent, body, self.candidate.channel.options)

    def signed(self, request: Unsigned, ticket: str) -> Headers:
        """
        :raises ValueError: the key cannot be read
        """
        return signed(self.access, request, self.key, ticket, time.time(), self.headers)


class Lanes:
    """The lanes that were made last, ``most`` of them. They hold what they are for, so that no other
    object can be taken for it."""

    __slots__ = ("_known", "_most")

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._known: dict[tuple[int, int, bool, bool], tuple[Candidate, Operation, Lane | None]] = {}

    def of(self, candidate: Candidate, operation: Operation, *, stream: bool, rewritten: bool = False) -> Lane | None:
        """None when no format of the channel can do what is asked; see ``route_of``.

        :raises ValueError: the channel is not set up as its provider needs, or changes what it may not
        """
        name = (id(candidate), id(operation), stream, rewritten)
        known = self._known.get(name)
        if known is not None:
            return known[2]
        lane = _lane(candidate, operation, stream=stream, rewritten=rewritten)
        if not operation.model and not operation.query and len(operation.path) <= _LONGEST_PATH:  # else made for a call
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[name] = candidate, operation, lane
        return lane


def _lane(candidate: Candidate, operation: Operation, *, stream: bool, rewritten: bool) -> Lane | None:
    channel, model = candidate.channel, candidate.upstream_model
    route = route_of(channel, operation, model, stream=stream, rewritten=rewritten)
    if route is None:
        return None
    check_overrides(channel)
    client = CLIENTS[operation.dialect]
    dialect, access = UPSTREAMS[route.dialect.name], access_of(route.provider, route.dialect)
    key = channel.api_keys[candidate.key].reveal() if channel.api_keys else ""
    place = place_of(channel, route, model, route.path.partition("?")[0] if route.native else route.path)
    return Lane(
        candidate,
        operation,
        route,
        Target(model=model, stream=route.stream, quirks=frozenset(route.quirks), options=channel.options),
        dialect if isinstance(dialect, Picky) else None,
        client if isinstance(client, ChatDialect) else None,
        access,
        place,
        key,
        access.url(place, key),
        operation.usage_option and "usage_option" in route.quirks,
        _PASSED_HEADERS | client.passed_headers,
        changes_of(channel, dialect, operation) if route.native else None,
        own_headers(channel),
    )


def decoded(passed: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Each once, as it was read here: a second content type might show the upstream another request."""
    first: dict[bytes, bytes] = {}
    for name, value in passed:
        first.setdefault(name, value)
    return [(name.decode(), value.decode()) for name, value in first.items() if value.isascii()]
