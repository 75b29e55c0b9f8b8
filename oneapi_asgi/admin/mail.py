"""Letters: plain text, by the SMTP server that root has set, with TLS whose certificate is verified.

Port 465 is TLS from the start. On others STARTTLS is required as soon as there is a password to send, and taken where
it is offered. The server's address is judged like that of an upstream: one in a private network needs
``[outbound] allow``.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Any, Protocol

from msgspec import Struct

from ..background import Background
from ..desk.members import check_email
from ..errors import Unavailable
from ..extra import needs
from ..upstream import AddressGuard, BlockedAddressError
from .outside import Options

__all__ = ["Letter", "Mail", "MailError", "Outbox", "Postman", "compose"]

_log = logging.getLogger(__name__)

_MOST_WAITING = 1_000
_TLS_PORT = 465


class Letter(Struct, frozen=True):
    to: str
    subject: str
    text: str


class MailError(Exception):
    """It was not sent. The text is for whoever runs the gateway: it names no address of a reader, and no secret."""


class Postman(Protocol):
    async def send(self, letter: Letter) -> None:
        """
        :raises MailError: it was not sent
        """
        ...


def compose(letter: Letter, sender: str, name: str) -> EmailMessage:
    """
    :raises ValueError: an address is none
    """
    check_email(letter.to)
    domain = check_email(sender).rpartition("@")[2]
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=_one_line(name), addr_spec=sender)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = _one_line(letter.subject)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


def _one_line(text: str) -> str:
    """A line end in a header would begin another one."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:200]


class Mail:
    """Sends one letter at a time. ``tls`` says whom to trust; None: the authorities that the system trusts.
    ``tls_port`` is the one that speaks TLS from the start."""

    def __init__(
        self,
        options: Options,
        guard: AddressGuard,
        *,
        tls: ssl.SSLContext | None = None,
        tls_port: int = _TLS_PORT,
        seconds: float = 20.0,
    ) -> None:
        self._options = options
        self._guard = guard
        self._tls = tls
        self._tls_port = tls_port
        self._seconds = seconds

    async def send(self, letter: Letter) -> None:
        """
        :raises MailError: it was not sent
        """
        options = self._options
        host, port = await options.text("SMTPServer"), await options.number("SMTPPort")
        account, password = await options.text("SMTPAccount"), await options.secret("SMTPToken")
        sender = await options.text("SMTPFrom") or account
        if not host:
            raise MailError("no mail server is set: root sets the option SMTPServer")
        try:
            message = compose(letter, sender, await options.text("SystemName"))
        except ValueError as error:
            raise MailError(f"the letter cannot be addressed; is the option SMTPFrom an address? ({error})") from None
        try:
            async with asyncio.timeout(self._seconds):
                await self._deliver(message, host, port, account, password, sender.rpartition("@")[2])
        except TimeoutError:
            raise MailError(f"{host}:{port} did not take it within {self._seconds:g} s") from None

    async def _deliver(
        self, message: EmailMessage, host: str, port: int, account: str, password: str, domain: str
    ) -> None:
        with needs("standalone"):
            import aiosmtplib
        implicit = port == self._tls_port
        tls = self._tls or await asyncio.to_thread(ssl.create_default_context)
        client = aiosmtplib.SMTP(
            hostname=host,
            local_hostname=domain,
            use_tls=implicit,
            start_tls=False if implicit else True if password else None,
            username=account if password else None,
            password=password or None,
            tls_context=tls,
            timeout=self._seconds,
        )
        try:
            await client.connect(sock=await self._connected(host, port))  # who owns the socket from now on
            async with client:
                await client.send_message(message)
        except aiosmtplib.SMTPResponseException as error:  # what it says may hold an address, or more
            raise MailError(f"{host}:{port} refused it with {error.code} ({type(error).__name__})") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise MailError(f"{host}:{port} did not take it: {_reason(error)}") from None
        finally:
            client.close()

    async def _connected(self, host: str, port: int) -> socket.socket:
        """A connection to an address that was judged; a name is not resolved twice."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self._guard.check(host, (str(entry[4][0]) for entry in found))
        except (OSError, UnicodeError):
            raise MailError(f"there is no host {host!r}") from None
        except BlockedAddressError as error:
            raise MailError(str(error)) from None
        last: OSError | None = None
        for family, kind, proto, _, address in found:
            sock = socket.socket(family, kind, proto)
            sock.setblocking(False)
            try:
                await loop.sock_connect(sock, address)
            except OSError as error:
                sock.close()
                last = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise MailError(f"{host}:{port} cannot be reached: {last}")


def _reason(error: BaseException) -> str:
    """What is wrong, without anything that the server said."""
    cause: Any = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLError):
        return f"no TLS, or none to be trusted ({cause.reason or type(cause).__name__})"
    if "STARTTLS" in str(error):
        return "it offers no TLS, without which no password is sent"
    return type(error).__name__


class Outbox(Background):
    """Takes letters at once and sends them beside the requests, one after the other: how long an answer takes does not
    tell whether a letter was written. What fails is in the log; who misses a letter asks for another one."""

    def __init__(self, postman: Postman, options: Options, *, most: int = _MOST_WAITING) -> None:
        super().__init__(self._work, name="outbox")
        self._postman = postman
        self._options = options
        self._letters: asyncio.Queue[Letter] = asyncio.Queue(most)

    async def check(self) -> None:
        """
        :raises Unavailable: letters cannot be sent, whoever they are for
        """
        if not await self._options.text("SMTPServer"):
            raise Unavailable(
                "This site sends no mail yet: root sets the options SMTPServer, SMTPAccount and SMTPToken.",
                code="mail_not_set_up",
            )
        if self._letters.full():
            raise Unavailable("Too many letters are waiting to be sent; try again later.", code="mail_busy")

    def post(self, letter: Letter) -> bool:
        """Whether there was room for it."""
        try:
            self._letters.put_nowait(letter)
        except asyncio.QueueFull:
            _log.error("a letter (%s) was dropped: %d are waiting", letter.subject, self._letters.maxsize)
            return False
        return True

    async def _work(self) -> None:
        while True:
            letter = await self._letters.get()
            try:
                await self._postman.send(letter)
            except MailError as error:
                _log.error("a letter was not sent: %s", error)
            except Exception:
                _log.exception("a letter was not sent")
            self._letters.task_done()

    async def emptied(self) -> None:
        """All that was posted has been sent, or given up."""
        await self._letters.join()
