"""Files behind links, for formats that take bytes alone: ``LinkedFiles`` fetches what a caller points at, from the
hosts that an operator named, and nothing else.

Nothing is fetched by default: a gateway that follows its callers' links can be made to ask its own network. Besides the
list of hosts every address is held against the guard of all outbound traffic, redirects are not followed, and size and
time are bounded. A file that cannot be had is the caller's to mend.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Collection

from msgspec.structs import replace

from .call import Call
from .errors import BadRequest
from .globs import matches
from .upstream.seam import Outgoing, Timeouts, Upstream, UpstreamFault
from .wire.chat import Chat, File, Message, Part, ToolResult

__all__ = ["LinkedFiles"]

_MOST_FILES = 16
_HEADERS = (("accept-encoding", "identity"), ("user-agent", "oneapi-asgi"))
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_PLAIN = re.compile(r"https?://(?P<host>[\w.-]+)(?::\d{1,5})?(?:[/?][^\\\x00-\x20\x7f]*)?\Z", re.ASCII | re.IGNORECASE)
"""No user, no literal IPv6, no backslash, no white space, and a name in ASCII."""


class LinkedFiles:
    """``hosts`` are names or globs (``*.example.com``). A file has at most ``max_bytes``, and ``timeouts`` of its
    own."""

    def __init__(
        self,
        upstream: Upstream,
        hosts: Collection[str],
        *,
        max_bytes: int = 20 * 1024 * 1024,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._upstream = upstream
        self._hosts = tuple(host.lower() for host in hosts)
        self._max_bytes = max_bytes
        self._timeouts = timeouts or Timeouts(first_byte=10.0, idle=10.0, total=30.0)

    async def prepared(self, chat: Chat, call: Call) -> Chat:  # noqa: ARG002  # links are the same for everybody
        """The conversation with the files themselves, where their links may be followed.

        :raises BadRequest: a file cannot be had, or there are too many
        """
        links = {url for message in chat.messages for url in _links(message.parts) if self._allows(url)}
        if not links:
            return chat
        if len(links) > _MOST_FILES:
            raise BadRequest(f"There are more than {_MOST_FILES} links to files. Send fewer, or the files themselves.")
        files = await self._all(sorted(links))
        return replace(chat, messages=tuple(_filled(message, files) for message in chat.messages))

    def _allows(self, url: str) -> bool:
        """Only what every parser reads alike is judged: two that differ would look at one host and ask another."""
        plain = _PLAIN.match(url)
        return plain is not None and any(matches(plain["host"].lower(), host) for host in self._hosts)

    async def _all(self, urls: list[str]) -> dict[str, tuple[str, str]]:
        tasks = [asyncio.create_task(self._fetch(url), name="fetch a file") for url in urls]
        try:
            return dict(zip(urls, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()  # of one that failed, the others would go on for nobody

    async def _fetch(self, url: str) -> tuple[str, str]:
        """``(media type, base64)``."""
        request = Outgoing("GET", url, _HEADERS, b"", self._timeouts)
        try:
            async with asyncio.timeout(self._timeouts.total):
                return await self._read(url, request)
        except (UpstreamFault, TimeoutError, ValueError):  # ValueError: a name that no resolver takes
            raise _unreachable(url) from None

    async def _read(self, url: str, request: Outgoing) -> tuple[str, str]:
        incoming = await self._upstream.send(request)
        try:
            if incoming.status != 200:
                raise _unreachable(url)
            body = bytearray()
            async for chunk in incoming.chunks():
                body += chunk
                if len(body) > self._max_bytes:
                    raise BadRequest(f"The file at {url[:200]!r} is too large.", code="invalid_file")
        finally:
            await incoming.close()
        headers = dict(incoming.headers)
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _unreachable(url)  # sent compressed although nobody asked for that
        told = headers.get("content-type", "")
        media_type = told.partition(";")[0].strip().lower()
        if not _MEDIA_TYPE.fullmatch(media_type):
            raise BadRequest(f"The file at {url[:200]!r} has no media type.", code="invalid_file")
        return media_type, base64.b64encode(body).decode()


def _unreachable(url: str) -> BadRequest:
    return BadRequest(
        f"The file at {url[:200]!r} cannot be fetched. Send it as a data: URL instead.", code="invalid_file"
    )


def _links(parts: tuple[Part, ...]) -> list[str]:
    files = [part for part in parts if isinstance(part, File)]
    files += [file for part in parts if isinstance(part, ToolResult) for file in part.parts if isinstance(file, File)]
    return [file.url for file in files if file.url is not None]


def _filled(message: Message, files: dict[str, tuple[str, str]]) -> Message:
    return replace(message, parts=tuple(_part(part, files) for part in message.parts))


def _part(part: Part, files: dict[str, tuple[str, str]]) -> Part:
    if isinstance(part, ToolResult):
        inner = tuple(_file(each, files) if isinstance(each, File) else each for each in part.parts)
        return replace(part, parts=inner)
    return _file(part, files) if isinstance(part, File) else part


def _file(file: File, files: dict[str, tuple[str, str]]) -> File:
    if file.url not in files:
        return file
    media_type, data = files[file.url]
    return replace(file, url=None, media_type=media_type, data=data)
