"""Letters: how they are made, and that they leave over a connection that can be trusted, or not at all."""

from __future__ import annotations

import asyncio
import ssl
from email import message_from_bytes
from email.policy import default

import pytest

from oneapi_asgi.admin.mail import Letter, Mail, MailError, Outbox, compose
from oneapi_asgi.errors import Unavailable
from oneapi_asgi.upstream import AddressGuard

from .net import LOOPBACK, Post, Told, posting
from .tls import contexts

LETTER = Letter("ann@a.example", "Your code", "It is 123456.\n.\n.\nGrüße\n")


def told(port: int, **more: str | int) -> Told:
    options = Told(SMTPServer="localhost", SMTPPort=port, SMTPFrom="gate@a.example", SystemName="Gate")
    options.values |= more
    return options


async def send(post: Post, letter: Letter = LETTER, *, tls: ssl.SSLContext | None = None, **more: str | int) -> None:
    await Mail(told(post.port, **more), AddressGuard(LOOPBACK), tls=tls).send(letter)


async def test_a_letter_arrives_as_it_was() -> None:
    async with posting(Post()) as post:
        await send(post)
    message = message_from_bytes(post.letters[0], policy=default)
    assert (message["from"], message["to"], message["subject"]) == (
        "Gate <gate@a.example>",
        "ann@a.example",
        "Your code",
    )
    assert message["auto-submitted"] == "auto-generated"
    assert message["message-id"].endswith("@a.example>")
    assert not [line for line in post.said if line.startswith("AUTH")]


async def test_a_password_goes_over_tls_alone() -> None:
    server, client = contexts("localhost")
    async with posting(Post(server)) as post:
        await send(post, tls=client, SMTPAccount="gate", SMTPToken="hunter22")
        assert len(post.letters) == 1
        started = post.said.index("STARTTLS")
        assert all(line.startswith("EHLO") for line in post.said[:started])
        assert any(line.startswith("AUTH PLAIN") for line in post.said[started:])


async def test_tls_from_the_start() -> None:
    server, client = contexts("localhost")
    async with posting(Post(), server) as post:
        options = told(post.port, SMTPAccount="gate", SMTPToken="hunter22")
        await Mail(options, AddressGuard(LOOPBACK), tls=client, tls_port=post.port).send(LETTER)
        assert len(post.letters) == 1
        assert "STARTTLS" not in post.said
        stranger = Mail(options, AddressGuard(LOOPBACK), tls=ssl.create_default_context(), tls_port=post.port)
        with pytest.raises(MailError, match="none to be trusted"):
            await stranger.send(LETTER)
    assert len(post.letters) == 1


@pytest.mark.parametrize(
    ("offered", "trusted", "name"), [(False, True, "localhost"), (True, False, "localhost"), (True, True, "other")]
)
async def test_no_password_is_sent_without_tls_to_trust(offered: bool, trusted: bool, name: str) -> None:
    server, client = contexts(name)
    async with posting(Post(server if offered else None)) as post:
        with pytest.raises(MailError, match="TLS"):
            await send(
                post, tls=client if trusted else ssl.create_default_context(), SMTPAccount="gate", SMTPToken="hunter22"
            )
    assert post.letters == []
    assert not [line for line in post.said if line.startswith(("AUTH", "MAIL"))]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "::1", "169.254.169.254"])
async def test_a_private_server_is_not_reached(host: str) -> None:
    async with posting(Post()) as post:
        with pytest.raises(MailError, match="not a public address"):
            await Mail(told(post.port, SMTPServer=host), AddressGuard()).send(LETTER)
    assert post.said == []


async def test_what_the_server_says_is_not_passed_on() -> None:
    async with posting(Post(code=554)) as post:
        with pytest.raises(MailError, match="refused it with 554") as caught:
            await send(post)
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize(
    "to",
    ["ann@a.example\r\nBcc: eve@e.example", "ann@a.example\nBcc: eve@e.example", "ann@a.example,eve@e.example",
     "<ann@a.example>", "ann@a.example eve@e.example", "ann", "", "ann@a.example\0", "@a.example",
     "ann@a.example\r", "ann@[127.0.0.1]"],
)  # fmt: skip
async def test_an_address_is_one_address(to: str) -> None:
    async with posting(Post()) as post:
        with pytest.raises(MailError):
            await send(post, Letter(to, "a", "b"))
    assert post.said == []


@pytest.mark.parametrize(
    "text", ["a\r\nBcc: eve@e.example", "a\nBcc: eve@e.example\n\nbody", "a\x0bBcc: e", "a\u2028Bcc: e"]
)
def test_a_header_is_one_line(text: str) -> None:
    message = compose(Letter("ann@a.example", text, "body"), "gate@a.example", text)
    head = message.as_bytes().partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert b"bcc" not in names
    assert sorted(names) == sorted(set(names))


async def test_the_outbox_sends_beside_the_requests() -> None:
    async with posting(Post()) as post:
        options = told(post.port)
        async with Outbox(Mail(options, AddressGuard(LOOPBACK)), options) as outbox:
            await outbox.check()
            assert outbox.post(LETTER)
            assert outbox.post(Letter("no address", "a", "b"))
            assert outbox.post(LETTER)
            await asyncio.wait_for(outbox.emptied(), 10)
    assert len(post.letters) == 2


async def test_the_outbox_is_bounded() -> None:
    options = Told()
    outbox = Outbox(Mail(options, AddressGuard()), options, most=1)
    with pytest.raises(Unavailable) as missing:
        await outbox.check()
    assert missing.value.code == "mail_not_set_up"
    assert [outbox.post(LETTER), outbox.post(LETTER)] == [True, False]
    options.values["SMTPServer"] = "a.example"
    with pytest.raises(Unavailable) as full:
        await outbox.check()
    assert full.value.code == "mail_busy"
