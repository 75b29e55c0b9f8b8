"""What root sets while the gateway runs: ``Options`` is asked by whatever heeds it, ``OptionRoutes`` are for root."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from ..desk.options import ELSEWHERE, OPTIONS, REQUIRES, OptionKind, OptionStore, check_option
from ..desk.roles import Role
from ..errors import BadRequest
from ..unreadable import UNREADABLE
from .routes import Nothing, Route, Visit

__all__ = ["OptionEdit", "OptionRoutes", "OptionRow", "Options", "Ratios"]

MAX_AGE = 5.0
"""Seconds until what another process has set is heeded here."""


class Ratios(Protocol):
    """Prices and groups, as the options ``ModelRatio``, ``CompletionRatio`` and ``GroupRatio`` have them."""

    async def ratio_options(self) -> Mapping[str, str]:
        """Each of the three as JSON: ratios by name."""
        ...

    async def set_ratio_option(self, name: str, value: str) -> None:
        """
        :raises ValueError: it is not JSON of that kind, or a ratio cannot be; nothing is changed then
        """
        ...


class OptionRow(Struct, frozen=True):
    key: str
    value: str


class OptionAbout(Struct, frozen=True, kw_only=True):
    """What an option may be. ``kept`` says whether it has another value than ``default``, which of a secret is all that
    is shown; ``requires`` has what is set before it can be true, and ``most`` the largest number."""

    key: str
    kind: OptionKind
    concerns: str
    default: str
    most: int | None
    requires: tuple[str, ...]
    kept: bool


class OptionEdit(Struct, frozen=True):
    key: Annotated[str, Meta(min_length=1, max_length=64)]
    value: str | bool | int


class Options:
    """What holds now: read anew once it is ``max_age`` seconds old. What this process sets holds here at once."""

    def __init__(
        self, store: OptionStore, *, max_age: float = MAX_AGE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._max_age = max_age
        self._clock = clock
        self._known: tuple[float, Mapping[str, str]] | None = None

    async def all(self) -> Mapping[str, str]:
        """Every option by name, secrets too; for who shows none of them."""
        now = self._clock()
        if self._known is None or now - self._known[0] >= self._max_age:
            kept = await self._store.get_options()
            self._known = now, {name: kept.get(name, option.default) for name, option in OPTIONS.items()}
        return self._known[1]

    async def text(self, name: str) -> str:
        return (await self.all())[name]

    async def number(self, name: str) -> int:
        return int(await self.text(name))

    async def flag(self, name: str) -> bool:
        return await self.text(name) == "true"

    async def secret(self, name: str) -> str:
        return await self.text(name)

    async def set(self, values: Mapping[str, str]) -> None:
        """
        :raises ValueError: one of them cannot be, alone or beside the others; then none is set
        :raises KeyError: there is no such option
        """
        checked = {name: check_option(name, value) for name, value in values.items()}
        kept = await self._store.get_options()
        check_together({**{name: option.default for name, option in OPTIONS.items()}, **kept, **checked}, [*checked])
        try:
            await self._store.set_options(checked)
        finally:
            self._known = None


def check_together(values: Mapping[str, str], changed: list[str]) -> None:
    """
    :raises ValueError: a flag is set and what it requires is not, and one of them was changed
    """
    for flag, required in REQUIRES.items():
        if values[flag] != "true" or not {flag, *required} & {*changed}:
            continue
        if missing := [name for name in required if not values[name].strip(", ")]:
            first = missing[0]
            raise ValueError(
                f"cannot be empty while {flag} is true: turn that off first"
                if first in changed
                else f"cannot be true as long as {' and '.join(missing)} is not set: set that first"
            )


class OptionRoutes:
    """``ratios`` keeps prices and groups, which are options in One API."""

    def __init__(self, options: Options, ratios: Ratios) -> None:
        self._options = options
        self._ratios = ratios

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/option", self.list, role=Role.ROOT, summary="List options", data=list[OptionRow]),
            Route(
                "GET", "/option/about", self.about, role=Role.ROOT, data=list[OptionAbout],
                summary="What options there are, and what each may be",
            ),
            Route(
                "PUT", "/option", self.edit, role=Role.ROOT, summary="Set an option", body=OptionEdit,
                action="option.edit",
            ),
        )  # fmt: skip

    async def list(self, visit: Visit[Nothing, Nothing]) -> list[OptionRow]:  # noqa: ARG002
        """All but secrets."""
        values = await self._values()
        shown = [name for name, option in OPTIONS.items() if option.kind != "secret"]
        return [OptionRow(name, values[name]) for name in shown]

    async def about(self, visit: Visit[Nothing, Nothing]) -> Sequence[OptionAbout]:  # noqa: ARG002
        """Of secrets too, but for their values."""
        values = await self._values()
        return [
            OptionAbout(
                key=name,
                kind=option.kind,
                concerns=option.concerns,
                default=option.default,
                most=option.most if option.kind == "number" else None,
                requires=REQUIRES.get(name, ()),
                kept=values[name] != option.default,
            )
            for name, option in OPTIONS.items()
        ]

    async def _values(self) -> Mapping[str, str]:
        return {**await self._options.all(), **await self._ratios.ratio_options()}

    async def edit(self, visit: Visit[Nothing, OptionEdit]) -> None:
        name, value = visit.body.key, _written(visit.body.value)
        check_known(name)
        try:
            if OPTIONS[name].kind == "ratios":
                check_option(name, value)
                check_json(value)
                await self._ratios.set_ratio_option(name, value)
            else:
                await self._options.set({name: value})
        except ValueError as error:
            raise BadRequest(f"The option {name} {error}.", code="invalid_option", param="value") from None
        visit.note(target=name, text=f"set the option {name}")


def _written(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_known(name: str) -> None:
    """
    :raises BadRequest: there is no such option here; the message says what to do instead
    """
    if name in OPTIONS:
        return
    if name in ELSEWHERE:
        message = f"The option {name} has no meaning here: {ELSEWHERE[name]}."
        raise BadRequest(message, code="option_elsewhere", param="key")
    near = get_close_matches(name, OPTIONS, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ". GET /api/option/ lists what there is."
    raise BadRequest(f"There is no option {name[:64]!r}{hint}", code="unknown_option", param="key")


def check_json(value: str) -> None:
    """
    :raises ValueError: it is not a JSON object
    """
    try:
        msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        raise ValueError('is a JSON object, such as {"gpt-4o": 1.25}; nothing was changed') from None
