"""``oneapi-asgi user``: who owns tokens, and the wallets that pay for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..models import Balance, User
from ..ports import Storage
from .session import called, config_option, operate, settings_of
from .show import dollars, json_option, show
from .values import Dollars

__all__ = ["user"]


@click.group()
def user() -> None:
    """Who owns tokens. A user's wallet pays for all tokens of that user; root's is unlimited."""


@user.command("add")
@click.argument("name")
@click.option("--wallet-usd", "wallet", type=Dollars(least=0), metavar="USD", help="[default: unlimited]")
@click.option("--group", default="default", show_default=True, help="Decides which channels and limits hold.")
@config_option
def add(name: str, wallet: int | None, group: str, config: Path | None) -> None:
    """Add a user. A token for one: oneapi-asgi token add NAME --user USER."""

    async def save(storage: Storage) -> int:
        return await storage.add_user(name, group=group, wallet=wallet)

    number = operate(settings_of(config), save)
    holds = "is unlimited" if wallet is None else f"holds ${dollars(wallet)}"
    click.echo(f'user {number} "{name}" added; the wallet {holds}', err=True)


@user.command("list")
@json_option
@config_option
def list_users(as_json: bool, config: Path | None) -> None:
    """List the users, with what they spent and have left."""

    async def read(storage: Storage) -> tuple[Sequence[User], Sequence[Balance]]:
        users = await storage.list_users()
        return users, await storage.balances([user.wallet for user in users])

    users, wallets = operate(settings_of(config), read)
    rows = [_row(user, wallet) for user, wallet in zip(users, wallets, strict=True)]
    show(rows, as_json=as_json, empty="no users")


@user.command("credit", context_settings={"ignore_unknown_options": True})
@click.argument("name_or_id")
@click.argument("amount", type=Dollars(least=-1_000_000_000), metavar="USD")
@config_option
def credit(name_or_id: str, amount: int, config: Path | None) -> None:
    """Add dollars to a user's wallet. A negative amount is taken away; what is owed is paid first."""

    async def move(storage: Storage) -> tuple[User, Balance]:
        user = called(name_or_id, await storage.list_users(), "user")[0]
        (wallet,) = await storage.balances([user.wallet])
        if amount < 0 and not wallet.unlimited and wallet.available + amount < 0:
            held, wanted = dollars(wallet.available), dollars(-amount)
            raise ValueError(f'user "{user.name}" has ${held}; ${wanted} cannot be taken away')
        await storage.credit(user.wallet, amount)
        (wallet,) = await storage.balances([user.wallet])
        return user, wallet

    user, wallet = operate(settings_of(config), move)
    left = "it is unlimited, with or without" if wallet.unlimited else f"${dollars(wallet.available)} left"
    owed = f", ${dollars(wallet.overdraft)} owed" if wallet.overdraft else ""
    click.echo(f'user {user.id} "{user.name}": {left}{owed}', err=True)


@user.command("enable")
@click.argument("name_or_id")
@config_option
def enable(name_or_id: str, config: Path | None) -> None:
    """Let a user's tokens call again."""
    _switch(name_or_id, config, enabled=True)


@user.command("disable")
@click.argument("name_or_id")
@config_option
def disable(name_or_id: str, config: Path | None) -> None:
    """Refuse all calls of a user's tokens; those that run are cut short."""
    _switch(name_or_id, config, enabled=False)


def _switch(name_or_id: str, config: Path | None, *, enabled: bool) -> None:
    async def switch(storage: Storage) -> User:
        user = called(name_or_id, await storage.list_users(), "user")[0]
        await storage.set_user(user.name, enabled=enabled)
        return user

    switched = operate(settings_of(config), switch)
    click.echo(f'user {switched.id} "{switched.name}" is {"enabled" if enabled else "disabled"}', err=True)


def _row(user: User, wallet: Balance) -> dict[str, object]:
    return {
        "id": user.id,
        "name": user.name,
        "group": user.group,
        "admin": user.admin,
        "enabled": user.enabled,
        "used_usd": dollars(wallet.used),
        "left_usd": None if wallet.unlimited else dollars(wallet.available),
        "owed_usd": dollars(wallet.overdraft) if wallet.overdraft else None,
    }
