"""What a route declares, what its handler gets, and what it gives.

    class Tags:
        def __init__(self, store: TagStore) -> None: ...

        def routes(self) -> tuple[Route, ...]:
            return (
                Route("GET", "/tag", self.list, role=Role.COMMON, summary="List tags", query=PageQuery, data=list[Tag]),
                Route("PUT", "/tag/{id}", self.edit, role=Role.ADMIN, summary="Edit a tag", body=TagEdit,
                      ignored=READ_ONLY, action="tag.edit"),
            )

        async def edit(self, visit: Visit[Nothing, TagEdit]) -> Tag: ...

A route that declares no policy cannot be written: ``role`` has no default.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from msgspec import Meta, Struct
from starlette.types import Scope

from ..desk.events import EventKind
from ..desk.roles import Actor, Role
from ..errors import Unauthenticated

__all__ = ["MAX_PAGE", "Doorkeeper", "Handler", "Method", "Nothing", "PageQuery", "Reply", "Route", "Visit"]

Method = Literal["GET", "POST", "PUT", "DELETE"]

MAX_PAGE = 1_000
"""Rows of a page, at most."""

Q = TypeVar("Q")
B = TypeVar("B")


class Nothing(Struct, frozen=True):
    """No parameters, or no body."""


class PageQuery(Struct, frozen=True, kw_only=True):
    """Which page: ``p`` from 0 on, of ``page_size`` rows. Inherit it to add filters and an ``order``."""

    p: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 10

    @property
    def offset(self) -> int:
        return self.p * self.page_size


@dataclass(eq=False)
class Visit(Generic[Q, B]):
    """One request to the administration, by somebody who may make it.

    ``actor`` is None for those who have not signed in (of public routes alone). ``path`` has the values in braces of
    the route's path. ``note`` adds facts to the event that is written of it: names and numbers, never a secret.
    """

    scope: Scope
    route: Route
    actor: Actor | None
    path: Mapping[str, str]
    query: Q
    body: B
    raw: bytes
    address: str
    request_id: str
    detail: dict[str, object] = field(default_factory=dict)
    target: str = ""
    text: str = ""
    amount: int | None = None
    user: tuple[int, str] | None = None

    @property
    def me(self) -> Actor:
        """Who asks, on routes that are not public."""
        if self.actor is None:
            raise Unauthenticated("Sign in first, or send an access token as 'Authorization: …'.", code="not_signed_in")
        return self.actor

    def id(self, name: str = "id") -> int:
        """A number of the path; the route's pattern has made sure that it is one."""
        return int(self.path[name])

    def header(self, name: str) -> str:
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == wanted), "")

    def note(
        self,
        *,
        target: str | None = None,
        text: str | None = None,
        amount: int | None = None,
        user: tuple[int, str] | None = None,
        **detail: object,
    ) -> None:
        """Say more of what is being done: see ``desk.events.Event``. ``user`` is the id and name it concerns."""
        self.target = target if target is not None else self.target
        self.text = text if text is not None else self.text
        self.amount = amount if amount is not None else self.amount
        self.user = user if user is not None else self.user
        self.detail.update(detail)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a handler gives that has more to say than ``data``: a ``message``, the ``total`` of a list, another status,
    headers (``set-cookie``). ``extra`` are members beside ``data``, which One API has on a few routes."""

    data: object = None
    message: str = ""
    total: int | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


Handler: TypeAlias = Callable[[Visit[Any, Any]], Awaitable[object]]


@dataclass(frozen=True)
class Route:
    """``path`` is below the mount; ``{id}`` and other names that end in ``id`` stand for a number, all others for one
    segment, ``{name:path}`` for the rest.

    ``role`` is the least that may; ``Role.GUEST`` is everybody. ``body`` is decoded from JSON: what it does not declare
    is refused, but for ``ignored``, fields of the object that cannot be written and are sent along by who read it.
    ``raw`` leaves the body as it came, and so does ``signed``, for bodies that the handler verifies and no browser
    sends. ``data`` is the type of the answer's data, or a tuple of several; a ``bare`` answer has no envelope, and
    ``files`` are the media types of which one comes where it is asked for.

    What changes something has an ``action``, of which an event is written, or says why it is ``quiet``. ``fresh`` asks
    for the password or a second factor within the last minutes; ``before_change`` also lets those in who have to
    change their password first.

    ``also_get``: One API has it as a GET, and so it is taken from who cannot have been made to send it (see
    ``forgery.is_meant``); the fields of the body are then parameters.
    """

    method: Method
    path: str
    handler: Handler
    role: Role = field(kw_only=True)
    summary: str = field(kw_only=True)
    query: type[Struct] = field(default=Nothing, kw_only=True)
    body: type[Struct] | None = field(default=None, kw_only=True)
    ignored: frozenset[str] = field(default=frozenset(), kw_only=True)
    raw: bool = field(default=False, kw_only=True)
    signed: bool = field(default=False, kw_only=True)
    data: Any = field(default=None, kw_only=True)
    bare: bool = field(default=False, kw_only=True)
    files: tuple[str, ...] = field(default=(), kw_only=True)
    action: str = field(default="", kw_only=True)
    kind: EventKind = field(default="manage", kw_only=True)
    quiet: str = field(default="", kw_only=True)
    fresh: bool = field(default=False, kw_only=True)
    before_change: bool = field(default=False, kw_only=True)
    also_get: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        changes = self.method != "GET"
        if changes and bool(self.action) == bool(self.quiet):
            raise ValueError(f"{self.method} {self.path} changes something: name its action, or say why it is quiet")
        if not changes and (self.action or self.body is not None):
            raise ValueError(f"{self.method} {self.path} may not change anything, and has no body")


class Doorkeeper(Protocol):
    async def who(self, scope: Scope, address: str) -> Actor | None:
        """Who makes this request, None if it says nothing of that.

        :raises Unauthenticated: what it shows is not, or no longer, good
        :raises Forbidden: whoever it is has been disabled
        """
        ...
