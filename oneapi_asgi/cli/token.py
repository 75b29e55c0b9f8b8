"""``oneapi-asgi token``: the keys that callers hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from ..keys import new_key
from ..models import Balance, Token
from ..ports import Storage
from ..settings import TokenSettings
from .session import called, config_option, names, operate, read_options, settings_of
from .show import dollars, json_option, show, when

__all__ = ["token"]


@click.group()
def token() -> None:
    """The keys that callers of the gateway hold."""


@token.command("add")
@click.argument("name")
@click.option("--quota-usd", metavar="USD", help="The most that it may spend [default: what its user's wallet holds].")
@click.option("--models", type=names, metavar="A,B", help="Names or globs that it may call [default: all].")
@click.option("--subnets", type=names, metavar="A,B", help="Networks that it may be used from [default: all].")
@click.option("--expires", "expires_at", metavar="TIME", help="Such as 2027-01-31 or 2027-01-31T12:00:00Z (UTC).")
@click.option("--rpm", "requests_per_minute", type=int, metavar="N", help="Requests per minute.")
@click.option("--user", default="root", show_default=True, help="Whose wallet pays.")
@config_option
def add(name: str, user: str, config: Path | None, **options: Any) -> None:
    """Make a token and print its key: KEY=$(oneapi-asgi token add NAME)."""
    settings = settings_of(config)
    key = new_key()
    flags = {"name": "NAME", "expires_at": "--expires", "requests_per_minute": "--rpm"}
    section = read_options(TokenSettings, {"name": name, "key": key.reveal(), **options}, flags)
    draft = replace(section.draft(), user=user)

    async def save(storage: Storage) -> Token:
        return await storage.add_token(draft)

    added = operate(settings, save)
    click.echo(f'token {added.id} "{name}" of user {user}; its key is shown this once:', err=True)
    click.echo(key.reveal())


@token.command("list")
@json_option
@config_option
def list_tokens(as_json: bool, config: Path | None) -> None:
    """List the tokens, with what they spent and have left of their quota."""

    async def read(storage: Storage) -> tuple[Sequence[Token], Sequence[Balance]]:
        tokens = await storage.list_tokens()
        return tokens, await storage.balances([token.accounts[0] for token in tokens])

    settings = settings_of(config)
    tokens, caps = operate(settings, read)
    known = {token.digest for token in tokens}
    show(
        [_row(token, cap) for token, cap in zip(tokens, caps, strict=True)],
        as_json=as_json,
        empty="no tokens; add one: oneapi-asgi token add NAME",
        waiting=[section.name for section in settings.tokens if section.draft().digest not in known],
    )


@token.command("revoke")
@click.argument("name_or_id")
@config_option
def revoke(name_or_id: str, config: Path | None) -> None:
    """Switch a token off. It stays in the list, and so does what it spent."""

    async def switch_off(storage: Storage) -> Token:
        token = _find(await storage.list_tokens(), name_or_id)
        await storage.set_token_status(token.id, "disabled")
        return token

    token = operate(settings_of(config), switch_off)
    click.echo(f'token {token.id} "{token.name}" of user {token.user_name} is disabled', err=True)


def _find(tokens: Sequence[Token], name_or_id: str) -> Token:
    """
    :raises ValueError: no token has that name or id, or those of several users have that name
    """
    token, *others = called(name_or_id, tokens, "token")
    if others:
        owners = ", ".join(f"{one.id} ({one.user_name})" for one in (token, *others))
        raise ValueError(f'several tokens are named "{name_or_id}"; give the id of one: {owners}')
    return token


def _row(token: Token, cap: Balance) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "user": token.user_name,
        "status": token.status,
        "key": f"{token.prefix}…",
        "models": token.models,
        "subnets": token.subnets,
        "expires": when(token.expires_at),
        "rpm": token.requests_per_minute,
        "used_usd": dollars(cap.used),
        "left_usd": None if cap.unlimited else dollars(cap.available),
    }
