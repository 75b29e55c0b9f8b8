"""Signing in by an account elsewhere.

A visit to a provider begins here and ends here, in the same browser: its ``state`` is good once, for ten minutes, and
only with the cookie that the browser got when it set out. What was intended is kept with it: to sign in, or to bind the
account to a user. Nothing is bound but what a signed-in user has asked to be, by a POST; whoever merely comes along, or
is sent, signs in as somebody at most.

    GET  /oauth/{provider}/start   sends the browser to the provider; it comes back to GET /oauth/{provider}
    POST /oauth/{provider}/start   the same to bind, for who is signed in, with the URL in the answer
    GET  /oauth/state              for pages that send the browser there themselves, as One API's do

A browser that shows what it gets as a page is led on whatever happens: to where it was to go in the end, or to the
site's root, with the code of what went wrong as the parameter ``error``. Programs get the refusal itself.

The callback is a GET, since that is how browsers come back (RFC 6749, section 4.1.2). The challenge that a GET keeps is
no account's state: it says of a browser that it has set out, and is gone after ten minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from typing import Annotated, Any, Protocol
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from ..desk.events import Event, EventLog
from ..desk.identities import IdentityStore, LastWay
from ..desk.members import Member, MemberDraft, MemberStore, Taken
from ..desk.roles import Role
from ..errors import Conflict, Forbidden, GatewayError, NotFound, Unavailable
from .app import check_actor
from .money import nano_of
from .outside import Challenges, Options, local_path, site_url
from .providers import Person, Provider, ProviderError, Refused, Trip, new_trip
from .routes import Nothing, Reply, Route, Visit
from .second_factor import Owed

__all__ = ["OAuth", "SignIn"]

_log = logging.getLogger(__name__)

_STATE = "oauth"
_SECONDS = 600
_MOST_OF_A_CODE = 4096


class SignIn(Protocol):
    async def sign_in(self, visit: Visit[Any, Any], member: Member) -> Reply:
        """The answer that signs a member in: its data, and the headers with the new session.

        :raises GatewayError: there is more to show first
        """
        ...


class Journey(Struct, frozen=True, kw_only=True):
    """What is kept of a visit to a provider. ``cookie`` is the digest of what the browser holds. ``provider`` is empty
    where a page chooses one; ``next`` where a page wants its answer as JSON. ``user_id`` is who wants to bind."""

    provider: str
    trip: Trip
    cookie: str
    next: str = ""
    user_id: int | None = None


class StartQuery(Struct, frozen=True):
    next: Annotated[
        str, Meta(max_length=1024, description="A path of this site, where to go in the end; its root.")
    ] = ""


class CallbackQuery(Struct, frozen=True):
    code: Annotated[str, Meta(max_length=_MOST_OF_A_CODE)] = ""
    state: Annotated[str, Meta(max_length=200)] = ""
    error: Annotated[str, Meta(max_length=200)] = ""


class Departure(Struct, frozen=True):
    """Where to send the browser."""

    url: str


class OAuth:
    """``providers`` are found by their names, which are in the paths."""

    def __init__(
        self,
        providers: Iterable[Provider],
        identities: IdentityStore,
        members: MemberStore,
        challenges: Challenges,
        signing: SignIn,
        events: EventLog,
        options: Options,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._providers: Mapping[str, Provider] = {provider.name: provider for provider in providers}
        self._identities = identities
        self._members = members
        self._challenges = challenges
        self._signing = signing
        self._events = events
        self._options = options

    def routes(self) -> tuple[Route, ...]:
        one = "/oauth/{provider}"
        return (
            Route(
                "GET",
                "/oauth/state",
                self.state,
                role=Role.GUEST,
                summary="A state for a page that sends the browser to a provider itself; who is signed in will bind",
                data=str,
            ),
            Route(
                "GET",
                f"{one}/start",
                self.start,
                role=Role.GUEST,
                summary="Send the browser to a provider, to sign in by it",
                query=StartQuery,
                bare=True,
            ),
            Route(
                "GET",
                one,
                self.callback,
                role=Role.GUEST,
                summary="Where the browser comes back to: sign in, register or bind, as was intended at the start",
                query=CallbackQuery,
            ),
            Route(
                "POST",
                f"{one}/start",
                self.bind,
                role=Role.COMMON,
                summary="Begin to bind an account of a provider: where to send the browser",
                query=StartQuery,
                data=Departure,
                fresh=True,
                quiet="nothing is bound before the browser comes back",
            ),
            Route(
                "DELETE",
                f"{one}/bind",
                self.unbind,
                role=Role.COMMON,
                summary="Unbind the account of a provider",
                fresh=True,
                action="user.identity.unbind",
            ),
        )

    # Setting out

    async def state(self, visit: Visit[Nothing, Nothing]) -> Reply:
        site = await site_url(self._options)
        user_id = visit.actor.user_id if visit.actor is not None and visit.actor.way == "session" else None
        state, cookie = await self._set_out(site, "", Trip(""), user_id=user_id)
        return Reply(data=state, headers=(cookie,))

    async def start(self, visit: Visit[StartQuery, Nothing]) -> Response:
        try:
            url, cookie = await self._departure(visit, None)
        except GatewayError as error:
            return _led_on(visit, error, _onward(visit))
        return _redirect(url, (cookie,))

    async def bind(self, visit: Visit[StartQuery, Nothing]) -> Reply:
        if visit.me.way != "session":
            raise Forbidden(
                "Only a browser with a session binds an account: it has to come back here.", code="no_session"
            )
        url, cookie = await self._departure(visit, visit.me.user_id)
        return Reply(data=Departure(url), headers=(cookie,))

    async def _departure(self, visit: Visit[StartQuery, Nothing], user_id: int | None) -> tuple[str, tuple[str, str]]:
        provider = self._provider(visit)
        await provider.check()
        site = await site_url(self._options)
        trip = new_trip(f"{site}{visit.scope.get('root_path', '')}/oauth/{provider.name}")
        state, cookie = await self._set_out(site, provider.name, trip, onward=_onward(visit), user_id=user_id)
        try:
            return await provider.page(trip, state), cookie
        except ProviderError as error:
            raise _unavailable(provider, error) from None

    async def _set_out(
        self,
        site: str,
        provider: str,
        trip: Trip,
        *,
        onward: str = "",
        user_id: int | None = None,
    ) -> tuple[str, tuple[str, str]]:
        """The state, and the header that has the browser keep its half of it."""
        held = secrets.token_urlsafe(32)
        journey = Journey(provider=provider, trip=trip, cookie=_digest(held), next=onward, user_id=user_id)
        data = msgspec.json.encode(journey).decode()
        state = await self._challenges.make(_STATE, provider, data, _SECONDS)
        return state, ("set-cookie", _cookie(site, held, _SECONDS))

    # Coming back

    async def callback(self, visit: Visit[CallbackQuery, Nothing]) -> object:
        onward = _root(visit)
        try:
            provider = self._provider(visit)
            await provider.check()
            site = await site_url(self._options)
            journey = await self._journey(visit, site, provider.name)
            onward = journey.next or onward
            person = await self._person(visit, site, provider, journey)
            entered = self._enter(visit, person) if journey.user_id is None else self._bind(visit, journey, person)
            reply = await entered
        except GatewayError as error:
            return _led_on(visit, error, onward)
        headers = (*reply.headers, ("set-cookie", _cookie(site, "", 0)))
        if journey.next:
            owed = isinstance(reply.data, Owed)
            return _redirect(_told(journey.next, "second_factor", "required") if owed else journey.next, headers)
        return replace(reply, headers=headers)

    async def _person(
        self, visit: Visit[CallbackQuery, Nothing], site: str, provider: Provider, journey: Journey
    ) -> Person:
        if visit.query.error or not visit.query.code:
            raise Forbidden(
                f"{provider.name} did not confirm who you are ({visit.query.error[:50] or 'no code'}).",
                code="oauth_refused",
            )
        trip = journey.trip
        if not journey.provider:
            trip = msgspec.structs.replace(trip, redirect=f"{site}/oauth/{provider.name}")
        try:
            return await provider.person(trip, visit.query.code)
        except Refused as error:
            _log.warning("nobody was signed in by %s: %s", provider.name, error)
            raise Forbidden(
                f"What {provider.name} sent is not good, or no longer; begin again.", code="oauth_refused"
            ) from None
        except ProviderError as error:
            raise _unavailable(provider, error) from None

    async def _journey(self, visit: Visit[CallbackQuery, Nothing], site: str, provider: str) -> Journey:
        kept = await self._challenges.take(_STATE, visit.query.state) if visit.query.state else None
        journey = msgspec.json.decode(kept, type=Journey) if kept is not None else None
        held = _held(visit, site)
        if (
            journey is None
            or not hmac.compare_digest(journey.cookie, _digest(held))
            or journey.provider not in ("", provider)
        ):
            raise Forbidden(
                "This sign-in did not begin in this browser, took longer than ten minutes, or has been used: begin "
                "again.",
                code="state_invalid",
                param="state",
            )
        return journey

    async def _enter(self, visit: Visit[CallbackQuery, Nothing], person: Person) -> Reply:
        user_id = await self._identities.find_identity(person.identity.provider, person.identity.subject)
        member = await self._members.member(user_id) if user_id is not None else await self._register(visit, person)
        if member is None or not member.enabled:
            raise Forbidden("This user has been disabled; ask an administrator.", code="user_disabled")
        return await self._signing.sign_in(visit, member)

    async def _register(self, visit: Visit[CallbackQuery, Nothing], person: Person) -> Member:
        """Never by an address: whoever has one at a provider may not be who has it here."""
        if not await self._options.flag("RegisterEnabled"):
            raise Forbidden(
                "No user is bound to this account, and registration is closed. Sign in otherwise and bind it.",
                code="registration_closed",
            )
        email = person.email or None
        if email is not None and await self._members.member_with_email(email) is not None:
            email = None
        draft = MemberDraft(
            name=f"{person.identity.provider}_{secrets.token_hex(5)}",
            display_name=_display_name(person.identity.label),
            email=email,
            wallet=nano_of(await self._options.number("QuotaForNewUser")),
        )
        try:
            member = await self._identities.register_identity(draft, person.identity)
        except Taken:
            raise Conflict("Somebody registered at the same moment; try again.", code="taken") from None
        except ValueError:
            raise Conflict("This account was bound a moment ago; sign in again.", code="identity_taken") from None
        await self._remember(visit, "user.register", member.id, member.name, f"by {person.identity.provider}")
        return member

    async def _bind(self, visit: Visit[CallbackQuery, Nothing], journey: Journey, person: Person) -> Reply:
        actor = visit.actor
        if actor is None or actor.way != "session" or actor.user_id != journey.user_id:
            raise Forbidden("Somebody else is signed in than who asked for this: begin again.", code="state_invalid")
        check_actor(replace(visit.route, role=Role.COMMON, fresh=True), actor, self._clock())
        try:
            await self._identities.bind_identity(actor.user_id, person.identity)
        except KeyError:
            raise Forbidden("This user is not there any longer.", code="user_disabled") from None
        except ValueError as error:
            raise Conflict(f"The account was not bound: {error}.", code="identity_taken") from None
        await self._remember(visit, "user.identity.bind", actor.user_id, actor.name, person.identity.provider)
        return Reply(message="bind")

    async def unbind(self, visit: Visit[Nothing, Nothing]) -> Reply:
        provider, me = visit.path["provider"], visit.me
        visit.note(target=f"user {me.user_id}", text=provider[:64], user=(me.user_id, me.name))
        try:
            await self._identities.unbind_identity(me.user_id, provider)
        except KeyError:
            raise NotFound("No account of this provider is bound.", code="not_bound") from None
        except LastWay:
            raise Conflict(
                "It is the only way in which you can sign in. Set a password first: PUT /api/user/self.",
                code="last_way",
            ) from None
        return Reply()

    def _provider(self, visit: Visit[StartQuery, Nothing] | Visit[CallbackQuery, Nothing]) -> Provider:
        found = self._providers.get(visit.path["provider"])
        if found is None:
            there = ", ".join(sorted(self._providers))
            raise NotFound(f"There is no such way to sign in; there is {there}.", code="no_such_provider")
        return found

    async def _remember(
        self, visit: Visit[CallbackQuery, Nothing], action: str, user_id: int, name: str, text: str
    ) -> None:
        """The framework writes no event of a GET."""
        event = Event(
            kind="system",
            action=action,
            actor_id=user_id,
            actor_name=name,
            user_id=user_id,
            user_name=name,
            target=f"user {user_id}",
            text=text,
            address=visit.address,
            request_id=visit.request_id,
        )
        try:
            await self._events.write_event(event)
        except Exception as error:  # it is done, and has to be told
            _log.error("what %s did (%s) could not be written down: %s", name, action, type(error).__name__)


def _unavailable(provider: Provider, error: ProviderError) -> Unavailable:
    _log.error("%s cannot be used to sign in: %s", provider.name, error)
    return Unavailable(
        f"{provider.name} cannot be asked at the moment; try again, or sign in otherwise.", code="provider_unavailable"
    )


def _root(visit: Visit[Any, Any]) -> str:
    """The path of the site, as far as this request knows: what the administration is mounted in."""
    return local_path(f"{visit.scope.get('root_path', '').rpartition('/')[0]}/")


def _onward(visit: Visit[StartQuery, Nothing]) -> str:
    return local_path(visit.query.next) if visit.query.next else _root(visit)


def _led_on(visit: Visit[Any, Any], error: GatewayError, onward: str) -> Response:
    """
    :raises GatewayError: the same, to who does not show pages
    """
    if "text/html" not in visit.header("accept"):
        raise error
    return _redirect(_told(onward, "error", error.code or str(error.status)), ())


def _told(onward: str, name: str, value: str) -> str:
    """The address, with something that its page has to know."""
    parts = urlsplit(onward)
    told = f"{name}={quote(value, safe='')}"
    return parts._replace(query=f"{parts.query}&{told}" if parts.query else told).geturl()


def _redirect(url: str, headers: Iterable[tuple[str, str]]) -> Response:
    response = Response(status_code=303, headers={"cache-control": "no-store", "referrer-policy": "no-referrer"})
    response.headers["location"] = url
    for name, value in headers:
        response.headers.append(name, value)
    return response


def _digest(held: str) -> str:
    return hashlib.sha256(held.encode()).hexdigest()


def _cookie_name(site: str) -> str:
    """With the prefix nobody but this very host can have set it."""
    return "__Host-oneapi_oauth" if site.startswith("https:") else "oneapi_oauth"


def _cookie(site: str, held: str, seconds: int) -> str:
    secure = "; Secure" if site.startswith("https:") else ""
    return f"{_cookie_name(site)}={held}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def _held(visit: Visit[CallbackQuery, Nothing], site: str) -> str:
    try:
        found = SimpleCookie(visit.header("cookie")).get(_cookie_name(site))
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _display_name(label: str) -> str:
    return "".join(letter for letter in label if letter.isprintable()).strip()[:64]
