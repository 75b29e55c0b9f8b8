"""Files and batches pass through to the provider's account that has them: ``Objects`` keeps who owns which, and where.

An upload goes to the channel of the model that it names (the form's field ``model``, the header ``x-oneapi-model`` or
the query's ``model``), else to the first one of the caller's group that keeps files. Everything after it goes with that
very channel and key. What is not the caller's own is not there. Lists tell what was last seen of each object; batches
that still run are looked after meanwhile.

Batches cannot be metered while they run, so a key with a quota, a wallet or a budget may start none, unless the
operator allows it. Which models one runs is read off its file: they are held to the key's list and to the channel's.

    app = TokenAuth(CallRecorder(Objects(store, pool, upstream), writer), authenticator)

*Reads* ``call.token``, ``call.pinned_channel``. *Writes* ``call.operation``, ``call.serving``, ``call.attempts``,
``call.reason``, ``call.upstream_request_id`` and ``call.end``. Options: ``limits`` (who has a budget), ``batches``
("unlimited" or "allow": who may start one), ``timeouts``, ``max_attempts`` of an upload, ``max_body``, ``on_error``.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import parse_qs, quote

from starlette.types import Receive, Scope, Send

from .accounts import Accounts, Asked, called, digest_of, read_whole
from .auth import model_allowed
from .call import Call, need
from .delivery import AnswerCutError
from .errors import (
    BadRequest,
    Forbidden,
    GatewayError,
    MethodNotAllowed,
    NotFound,
    TryLater,
    Unavailable,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamTimeout,
)
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, api_path, header, query_of, read_body, request_id
from .kept import ObjectStore, OwnedObject
from .limitbook import LimitBook
from .models import Candidate, Channel, EndReason, Token
from .pool import ChannelPool
from .shelf import Shelf
from .upstream.seam import Incoming, Timeouts, Upstream, UpstreamFault
from .wire.dialect import MalformedAnswerError
from .wire.objects import (
    Page,
    Seen,
    Upload,
    batch_input,
    batch_models,
    listing_of,
    one_model,
    page_at,
    read_upload,
    seen_of,
    told_list,
    untold,
)

__all__ = ["Batches", "Objects"]

_log = logging.getLogger(__name__)

Batches: TypeAlias = Literal["unlimited", "allow"]

_MOST_ANSWER = 1 << 20
_JSON = (("content-type", "application/json"),)
_PASSED_HEADERS = frozenset(("content-type", "content-disposition"))
_PAGE = 1_000
_LOOKED_AFTER = 20
_LOOK_SECONDS = 10.0
_AT_ONCE = 4


class Objects:
    """Answers at /files and /batches, for callers of OpenAI's format."""

    def __init__(
        self,
        store: ObjectStore,
        pool: ChannelPool,
        upstream: Upstream,
        *,
        limits: LimitBook | None = None,
        batches: Batches = "unlimited",
        timeouts: Timeouts | None = None,
        max_attempts: int = 3,
        max_body: int = MAX_BODY,
        on_error: OnError = Refusal,
    ) -> None:
        if batches not in get_args(Batches):
            raise ValueError('batches must be "unlimited" or "allow"')
        self.store = store
        self.pool = pool
        self.timeouts = timeouts or Timeouts()
        self.accounts = Accounts(pool, upstream, self.timeouts)
        self.limits = limits
        self.batches = batches
        self.max_attempts = max_attempts
        self.max_body = max_body
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"Objects answers HTTP calls, not {scope['type']!r}: put Endpoints outside of it")
        call = Call.of(scope)
        token = need(call.token, "Objects", "token", "TokenAuth")
        try:
            page = _page(scope)
            call.operation = page.operations.get(scope["method"])
            if call.operation is None:
                allowed = ", ".join(page.operations)
                raise MethodNotAllowed(f"This path takes {allowed}.", headers=(("allow", allowed),))
            await self.pool.refresh()
            exchange = _Exchange(self, call, token, scope, receive, send)
            await _DEEDS[call.operation.name](exchange, page)
        except ClientGoneError:
            call.reason = "client_gone"
        except GatewayError as error:
            if isinstance(error, UpstreamFailed | TryLater) and call.attempts:
                call.reason = "upstream_failed"
            await self._on_error(error, call)(scope, receive, send)


def _page(scope: Scope) -> Page:
    page = page_at(api_path(scope))
    if page is None:
        raise NotFound("There is nothing at this path.", code="unknown_url")
    return page


class _Exchange:
    """One call: the state that must not lie on the component."""

    def __init__(self, objects: Objects, call: Call, token: Token, scope: Scope, receive: Receive, send: Send) -> None:
        self._objects = objects
        self._shelf = Shelf(objects.store, token, call.at)
        self._accounts = objects.accounts
        self._call = call
        self._token = token
        self._scope = scope
        self._receive = receive
        self._send = send
        self._started = False

    # --- files --------------------------------------------------------------------------------------------------------

    async def upload(self, page: Page) -> None:  # noqa: ARG002
        body = await self._body()
        upload = read_upload(header(self._scope, b"content-type"), body)
        query = parse_qs(query_of(self._scope)).get("model", [""])[-1]
        model = one_model(upload.model, header(self._scope, b"x-oneapi-model"), query)
        if model and not model_allowed(self._token, model):
            raise Forbidden(f"This API key may not use the model {model!r}.", code="model_not_allowed", param="model")
        models = await asyncio.to_thread(batch_models, upload.content) if upload.for_batch else ()
        steps = self._accounts.keepers(self._call, self._token, model, models)
        about = {"models": "\n".join(models)} if models else {}
        answer = await self._kept(steps[: self._objects.max_attempts], upload, about)
        await self._tell(answer)

    async def _kept(self, steps: Sequence[Candidate], upload: Upload, about: dict[str, str]) -> bytes:
        """Have the first that can keep the file."""
        content_type, form = upload.written(secrets.token_hex(24))
        asked = Asked("POST", "/files", (("content-type", content_type),), form)
        failure: GatewayError = Unavailable("No channel was asked.")
        for candidate in steps:
            try:
                answer = await self._ask(candidate, asked)
            except (UpstreamFailed, TryLater) as error:
                failure = error
            except UpstreamRefused as error:
                if error.status not in (404, 405):
                    raise
                failure = NotFound("The provider of this channel keeps no files.", code="unsupported_operation")
            else:
                seen = _seen(answer)
                await self._keep(seen, "file", candidate, about, Asked("DELETE", f"/files/{seen.id}"))
                return answer
        raise failure

    async def retrieve(self, page: Page) -> None:
        owned = await self._shelf.find(page.id, page.kind)
        answer = await self._ask(self._accounts.holder(owned), Asked("GET", _path(owned)))
        await self._shelf.note(owned, _seen(answer))
        await self._tell(answer)

    async def delete(self, page: Page) -> None:
        """What the provider does not have any more, or nobody can reach, is forgotten as well; the caller is told."""
        owned = await self._shelf.find(page.id, page.kind)
        try:
            answer = await self._ask(self._accounts.holder(owned), Asked("DELETE", _path(owned)))
        except (NotFound, UpstreamRefused) as error:
            if error.status in (404, 410):
                await self._shelf.forget(owned)
            raise
        await self._shelf.forget(owned)
        await self._tell(answer)

    async def content(self, page: Page) -> None:
        owned = await self._shelf.find(page.id, page.kind)
        candidate = self._accounts.holder(owned)
        async with self._accounts.asked(self._call, candidate, Asked("GET", f"{_path(owned)}/content")) as incoming:
            await self._stream(incoming)

    # --- batches ------------------------------------------------------------------------------------------------------

    async def start(self, page: Page) -> None:  # noqa: ARG002
        body = await self._body()
        file_id = batch_input(body)
        owned = await self._shelf.find(file_id, "file", param="input_file_id")
        models = [model for model in owned.about.get("models", "").split("\n") if model]
        if not models:
            raise BadRequest(
                f"The file {file_id!r} was not uploaded with the purpose batch.",
                param="input_file_id",
                code="invalid_value",
            )
        candidate = self._accounts.holder(owned)
        await self._check_batch(candidate.channel, models)
        answer = await self._ask(candidate, Asked("POST", "/batches", _JSON, body))
        seen = _seen(answer)
        await self._keep(seen, "batch", candidate, {}, Asked("POST", f"/batches/{seen.id}/cancel"))
        await self._tell(answer)

    async def _check_batch(self, channel: Channel, models: Sequence[str]) -> None:
        """
        :raises Forbidden: the caller may not have these models run, or nothing that cannot be metered
        """
        if self._call.pinned_channel is None and self._token.group not in channel.groups:
            raise Forbidden(f"The group {self._token.group!r} may not use the channel of this file any more.")
        allowed = [[name for name in called(channel, m) if model_allowed(self._token, name)] for m in models]
        if not all(allowed):
            raise Forbidden(
                f"This API key may not run batches of {', '.join(models)[:200]} on the channel of this file.",
                code="model_not_allowed",
                param="input_file_id",
            )
        names = [name for each in allowed for name in each]
        if self._objects.batches != "allow" and await self._is_limited(channel, names):
            raise Forbidden(
                "Batches cannot be metered while they run: an API key with a quota, a wallet or a budget may not start "
                "one, unless the operator of the gateway allows it.",
                code="batches_not_allowed",
            )

    async def _is_limited(self, channel: Channel, models: Sequence[str]) -> bool:
        if self._token.limited or self._objects.limits is None:
            return self._token.limited
        budgets = (await self._objects.limits.current()).budgets
        return bool(budgets.of_channel(channel)) or any(budgets.of_call(self._token, name) for name in models)

    async def cancel(self, page: Page) -> None:
        owned = await self._shelf.find(page.id, page.kind)
        answer = await self._ask(self._accounts.holder(owned), Asked("POST", f"{_path(owned)}/cancel"))
        await self._shelf.note(owned, _seen(answer))
        await self._tell(answer)

    # --- lists --------------------------------------------------------------------------------------------------------

    async def listed(self, page: Page) -> None:
        asked = listing_of(page.kind, query_of(self._scope))
        try:
            found = await self._shelf.listed(page.kind, asked)
        except KeyError:
            raise BadRequest(
                f"'after' names no {page.kind} of yours: {(asked.after or '')[:80]!r}.", param="after"
            ) from None
        shown = found[: asked.limit]
        shown = await self._looked_after(shown)
        told = told_list(
            [(owned.id, owned.about.get("seen", "") or untold(owned.kind, owned.id, owned.created)) for owned in shown],
            more=len(found) > asked.limit,
        )
        await self._tell(told)

    async def _looked_after(self, objects: Sequence[OwnedObject]) -> Sequence[OwnedObject]:
        """What has become of the newest batches that still run, and what the files are that they made. Where nobody
        answers now, they are told as they were."""
        running = [owned for owned in objects if not _is_settled(owned)][:_LOOKED_AFTER]
        gate, news = asyncio.Semaphore(_AT_ONCE), dict[str, OwnedObject]()

        async def look(owned: OwnedObject) -> None:
            async with gate:
                with suppress(GatewayError):
                    answer = await self._ask(self._accounts.holder(owned), Asked("GET", _path(owned)))
                    news[owned.id] = await self._shelf.note(owned, _seen(answer))

        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await asyncio.gather(*map(look, running))
        return [news.get(owned.id, owned) for owned in objects]

    async def _keep(self, seen: Seen, kind: str, candidate: Candidate, about: dict[str, str], undo: Asked) -> None:
        """What nobody would own is better undone: a batch would run on, and nobody could see it."""
        channel, key = candidate.channel.id, digest_of(candidate)
        try:
            await self._shelf.keep(seen, kind=kind, channel_id=channel, key=key, about=about)
        except Unavailable:
            _log.error("the %s %s could not be kept, and is undone", kind, seen.id)
            with suppress(GatewayError):
                await self._ask(candidate, undo)
            raise

    # --- on the wire --------------------------------------------------------------------------------------------------

    async def _body(self) -> bytes:
        return await read_body(self._scope, self._receive, self._objects.max_body)

    async def _ask(self, candidate: Candidate, asked: Asked) -> bytes:
        async with self._accounts.asked(self._call, candidate, asked) as incoming:
            return await read_whole(incoming, _MOST_ANSWER)

    async def _tell(self, body: bytes) -> None:
        self._call.reason = "done"
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self._start(headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _start(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._started = True
        headers = [*headers, *request_id(self._call)]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _stream(self, incoming: Incoming) -> None:
        """Pass a body on as it arrives, as long as the caller is there and may have it.

        :raises AnswerCutError: it broke off, and only an unclean end of the connection can tell
        """
        ended: asyncio.Future[tuple[GatewayError | None, EndReason]] = asyncio.get_running_loop().create_future()
        copying, leaving = asyncio.create_task(self._copy(incoming)), asyncio.create_task(_gone(self._receive))
        self._call.end = lambda error, reason: None if ended.done() else ended.set_result((error, reason))
        within = self._objects.timeouts.total
        try:
            await asyncio.wait((copying, leaving, ended), timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if copying.done():
                await copying
                return
        finally:
            self._call.end = None
            copying.cancel()
            leaving.cancel()
            await asyncio.gather(copying, leaving, return_exceptions=True)
        if not leaving.cancelled():
            raise ClientGoneError
        late = UpstreamTimeout(f"The call took more than {within:.0f} s.")
        error, self._call.reason = ended.result() if ended.done() else (late, "upstream_cut")
        if self._started or error is None:
            raise AnswerCutError
        raise error

    async def _copy(self, incoming: Incoming) -> None:
        headers = [(name, value) for name, value in incoming.headers if name in _PASSED_HEADERS]
        raw = [(name.encode(), value.encode(errors="surrogateescape")) for name, value in headers]
        try:
            async for chunk in incoming.chunks():
                if not self._started:
                    await self._start(raw)
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        except UpstreamFault as fault:
            if not self._started:
                raise
            self._call.reason = "upstream_cut"
            raise AnswerCutError from fault
        if not self._started:
            await self._start(raw)
        await self._send({"type": "http.response.body", "body": b""})
        self._call.reason = "done"


async def _gone(receive: Receive) -> None:
    """Servers do not fail a send to a caller that has gone; only ``receive`` tells."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _path(owned: OwnedObject) -> str:
    return f"/{'files' if owned.kind == 'file' else 'batches'}/{quote(owned.id, safe='')}"


def _seen(answer: bytes) -> Seen:
    try:
        return seen_of(answer)
    except MalformedAnswerError as error:
        raise UpstreamFailed(f"The upstream's answer is not understood: {error}.") from None


def _is_settled(owned: OwnedObject) -> bool:
    """Nothing that is worth asking for will have changed."""
    return ("seen" if owned.kind == "file" else "final") in owned.about


_DEEDS: Final[Mapping[str, Callable[[_Exchange, Page], Awaitable[None]]]] = MappingProxyType(
    {
        "files": _Exchange.upload,
        "files.list": _Exchange.listed,
        "files.retrieve": _Exchange.retrieve,
        "files.delete": _Exchange.delete,
        "files.content": _Exchange.content,
        "batches": _Exchange.start,
        "batches.list": _Exchange.listed,
        "batches.retrieve": _Exchange.retrieve,
        "batches.cancel": _Exchange.cancel,
    }
)
"""By the names of the operations."""
