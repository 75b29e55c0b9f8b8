"""``oneapi-asgi user``: who owns tokens, and the wallets that pay for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from ..desk.members import MemberAdmin, MemberChange, MemberDraft, Taken, check_name
from ..desk.roles import Role
from ..models import Balance, User
from ..ports import Storage
from .session import called, config_option, operate, settings_of
from .show import dollars, json_option, show
from .values import Dollars

__all__ = ["user"]

T = TypeVar("T")

ROLES = {"common": Role.COMMON, "admin": Role.ADMIN, "root": Role.ROOT}
_ROLES_HELP = "What the user may do in the administration."


@click.group()
def user() -> None:
    """Who owns tokens. A user's wallet pays for all tokens of that user; root's is unlimited."""


@user.command("add")
@click.argument("name")
@click.option("--wallet-usd", "wallet", type=Dollars(least=0), metavar="USD", help="[default: unlimited]")
@click.option("--group", default="default", show_default=True, help="Decides which channels and limits hold.")
@click.option("--role", type=click.Choice(list(ROLES)), default="common", show_default=True, help=_ROLES_HELP)
@config_option
def add(name: str, wallet: int | None, group: str, role: str, config: Path | None) -> None:
    """Add a user. A token for one: oneapi-asgi token add NAME --user USER."""

    async def save(members: MemberAdmin) -> int:
        check_name(name)
        draft = MemberDraft(name=name, display_name=name, group=group, role=ROLES[role], wallet=wallet)
        try:
            return (await members.add_member(draft)).id
        except Taken:
            raise ValueError(f"there is a user named {name} already") from None

    number = _among_members(config, save)
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


@user.command("role")
@click.argument("name_or_id")
@click.argument("role", type=click.Choice(list(ROLES)))
@config_option
def give_role(name_or_id: str, role: str, config: Path | None) -> None:
    """Give a user another role. It holds at once, and whoever is signed in as that user has to sign in again."""

    async def change(members: MemberAdmin, user: User) -> None:
        await members.change_member(user.id, MemberChange(role=ROLES[role]))

    changed = _to_member(name_or_id, config, change)
    click.echo(f'user {changed.id} "{changed.name}" is {role}', err=True)


@user.command("password")
@click.argument("name_or_id")
@click.option("--generate", is_flag=True, help="Make one up, show it once, and have it changed at the next sign-in.")
@config_option
def set_password(name_or_id: str, generate: bool, config: Path | None) -> None:
    """Set a user's password, which is asked for. Whoever is signed in as that user has to sign in again."""
    from .passwords import check_password, hash_password, made_up  # late: they load what hashes

    password = made_up() if generate else click.prompt("Password", hide_input=True, confirmation_prompt=True)

    async def change(members: MemberAdmin, user: User) -> None:
        check_password(password)
        kept = await hash_password(password)
        await members.change_member(user.id, MemberChange(password=kept, must_change_password=generate))

    changed = _to_member(name_or_id, config, change)
    click.echo(f'user {changed.id} "{changed.name}" has a new password', err=True)
    if generate:
        click.echo(password)


@user.command("delete")
@click.argument("name_or_id")
@config_option
def delete(name_or_id: str, config: Path | None) -> None:
    """Delete a user: the name is free again, tokens are refused, calls that run are cut short. The books stay."""

    async def remove(members: MemberAdmin, user: User) -> None:
        await members.delete_member(user.id)

    deleted = _to_member(name_or_id, config, remove)
    click.echo(f'user {deleted.id} "{deleted.name}" is deleted', err=True)


def _to_member(name_or_id: str, config: Path | None, change: Callable[[MemberAdmin, User], Awaitable[None]]) -> User:
    async def carry_out(storage: Storage) -> User:
        user = called(name_or_id, await storage.list_users(), "user")[0]
        await change(_members(storage), user)
        return user

    return operate(settings_of(config), carry_out)


def _among_members(config: Path | None, work: Callable[[MemberAdmin], Awaitable[T]]) -> T:
    return operate(settings_of(config), lambda storage: work(_members(storage)))


def _members(storage: Storage) -> MemberAdmin:
    # Imported late: they bring the database's drivers, and --help need not wait for that.
    from ..storage.sql import SQLStorage
    from ..storage.sql.desk.members import SQLMembers

    if not isinstance(storage, SQLStorage):
        raise ValueError("users are kept in a database alone")  # noqa: TRY004 - of the settings, not of a caller's types
    return SQLMembers(storage)


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
