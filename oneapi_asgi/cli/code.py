"""``oneapi-asgi code``: redemption codes, which put money into the wallet of whoever has one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..keys import code_digest, new_code
from ..ports import Storage
from ..queries import Code, CodeDraft
from .session import config_option, operate, settings_of
from .show import dollars, json_option, show, when
from .values import Dollars, Moment

__all__ = ["code"]

_MOST = 10_000


@click.group()
def code() -> None:
    """Redemption codes, each good for one credit to one wallet."""


@code.command("add")
@click.option("--amount-usd", "amount", type=Dollars(least=0), required=True, metavar="USD", help="What each is worth.")
@click.option("--count", type=click.IntRange(1, _MOST), default=1, show_default=True, metavar="N", help="How many.")
@click.option("--name", default="", metavar="TEXT", help="What they are for.")
@click.option("--expires", "expires_at", type=Moment(end=True), metavar="TIME", help="A day is included, a time not.")
@config_option
def add(amount: int, count: int, name: str, expires_at: float | None, config: Path | None) -> None:
    """Make codes and print them, one a line. They are shown this once, and kept as digests."""
    if not amount:
        raise click.BadParameter("a code is worth more than nothing", param_hint="--amount-usd")
    made = [new_code().reveal() for _ in range(count)]
    drafts = [CodeDraft(name=name, digest=code_digest(one), amount=amount, expires_at=expires_at) for one in made]

    async def save(storage: Storage) -> None:
        await storage.add_codes(drafts)

    operate(settings_of(config), save)
    click.echo(f"{count} of ${dollars(amount)} each, shown this once:", err=True)
    click.echo("\n".join(made))


@code.command("list")
@json_option
@config_option
def list_codes(as_json: bool, config: Path | None) -> None:
    """List the codes and who redeemed them. The codes themselves are not known any more."""

    async def read(storage: Storage) -> Sequence[Code]:
        return await storage.list_codes()

    found = operate(settings_of(config), read)
    empty = "no codes; make one: oneapi-asgi code add --amount-usd USD"
    show([_row(one) for one in found], as_json=as_json, empty=empty)


@code.command("redeem")
@click.argument("text", metavar="CODE")
@click.option("--user", required=True, metavar="NAME", help="Whose wallet gets it.")
@config_option
def redeem(text: str, user: str, config: Path | None) -> None:
    """Credit a user with what CODE is worth."""

    async def use(storage: Storage) -> int:
        try:
            return await storage.redeem(code_digest(text), user)
        except KeyError:
            raise ValueError("there is no such code") from None

    amount = operate(settings_of(config), use)
    click.echo(f"${dollars(amount)} credited to user {user}", err=True)


def _row(one: Code) -> dict[str, object]:
    return {
        "id": one.id,
        "name": one.name,
        "amount_usd": dollars(one.amount),
        "created": when(one.created_at),
        "expires": when(one.expires_at),
        "redeemed": when(one.redeemed_at),
        "user": one.user_name,
    }
