"""The commands, together."""

from __future__ import annotations

import click

from .. import __version__
from .audit import audit
from .backup import backup, restore
from .channel import channel
from .code import code
from .group import group
from .keys import keys
from .limit import limit
from .moving import move
from .price import price
from .providers import providers
from .records import record
from .serve import serve
from .token import token
from .user import user

__all__ = ["root"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="oneapi-asgi %(version)s")
def root() -> None:
    """One gateway key in front of every LLM provider.

    Settings come from a TOML file (--config, ONEAPI_CONFIG or ./oneapi.toml) and ONEAPI_SECTION__KEY variables; every
    command also works without any.
    """


for command in (
    serve, channel, token, user, limit, price, group, providers, record, code, audit, backup, restore, move, keys,
):  # fmt: skip
    root.add_command(command)
