"""Redemption codes: made and managed by administrators, redeemed by everybody. A code is shown when it is made, and
never again: only its digest is kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.responses import Response

from ..desk.redemptions import NewCode, Redemption, RedemptionChange, RedemptionStore
from ..desk.roles import Role
from ..errors import BadRequest, Conflict, NotFound
from ..keys import code_digest, new_code
from ..ports import CodeRedeemer
from .money import MAX_QUOTA, QUOTA_NANO, nano_of, quota_of
from .routes import Nothing, PageQuery, Reply, Route, Visit
from .tries import Subjects, Tries, count_all, forgive_all

__all__ = ["Redemptions"]

MOST_AT_ONCE = 1_000

_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
_Quota: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_QUOTA)]
_Time: TypeAlias = Annotated[int, Meta(ge=-1, le=2**53)]


class RedemptionRow(Struct, frozen=True, kw_only=True):
    """A code with One API's names, without the code. ``status`` is 1 enabled, 2 disabled, 3 used."""

    id: int
    user_id: int
    key: str = ""
    status: int
    name: str
    quota: int
    created_time: int
    redeemed_time: int
    expired_time: int
    redeemed_by: str | None


class RedemptionDraft(Struct, frozen=True, kw_only=True):
    name: _Name
    quota: _Quota
    count: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)] = 1
    expired_time: _Time = -1


class RedemptionEdit(Struct, frozen=True, kw_only=True):
    id: Annotated[int, Meta(ge=1)]
    name: _Name | UnsetType = UNSET
    quota: _Quota | UnsetType = UNSET
    status: Literal[1, 2, 3] | UnsetType = UNSET
    expired_time: _Time | UnsetType = UNSET


class Redeem(Struct, frozen=True):
    key: Annotated[str, Meta(min_length=1, max_length=128)]


class CodesQuery(PageQuery, frozen=True, kw_only=True):
    keyword: Annotated[str, Meta(max_length=100)] = ""


class FormatQuery(Struct, frozen=True):
    format: Literal["", "csv"] = ""


class StatusQuery(Struct, frozen=True):
    status_only: Annotated[str, Meta(max_length=8)] = ""


_READ_ONLY = frozenset(("user_id", "key", "created_time", "redeemed_time", "redeemed_by", "count"))


class Redemptions:
    def __init__(self, store: RedemptionStore, redeemer: CodeRedeemer, tries: Tries) -> None:
        self._store = store
        self._redeemer = redeemer
        self._tries = tries

    def routes(self) -> tuple[Route, ...]:
        admin, row, rows = Role.ADMIN, RedemptionRow, list[RedemptionRow]
        return (
            Route("GET", "/redemption", self.list, role=admin, summary="List codes", query=CodesQuery, data=rows),
            Route("GET", "/redemption/search", self.list, role=admin, summary="Find codes", query=CodesQuery,
                  data=rows),
            Route("GET", "/redemption/{id}", self.show, role=admin, summary="Show a code's row", data=row),
            Route("POST", "/redemption", self.add, role=admin, summary="Make codes, which are shown once",
                  query=FormatQuery, body=RedemptionDraft, data=list[str], files=("text/csv",), action="code.add"),
            Route("PUT", "/redemption", self.edit, role=admin, summary="Change a code", query=StatusQuery,
                  body=RedemptionEdit, ignored=_READ_ONLY, data=row, action="code.edit"),
            Route("DELETE", "/redemption/{id}", self.delete, role=admin, summary="Delete a code",
                  action="code.delete"),
            Route("POST", "/user/topup", self.redeem, role=Role.COMMON, summary="Redeem a code", body=Redeem,
                  data=int, action="code.redeem", kind="topup"),
        )  # fmt: skip

    async def list(self, visit: Visit[CodesQuery, Nothing]) -> Reply:
        query = visit.query
        page = await self._store.redemptions(query.keyword, offset=query.offset, limit=query.page_size)
        return Reply(data=[_row(code) for code in page.rows], total=page.total)

    async def show(self, visit: Visit[Nothing, Nothing]) -> RedemptionRow:
        found = await self._store.find_redemption(visit.id())
        if found is None:
            raise _missing(visit.id())
        return _row(found)

    async def add(self, visit: Visit[FormatQuery, RedemptionDraft]) -> object:
        body = visit.body
        made = [new_code().reveal() for _ in range(body.count)]
        amount, expires_at = nano_of(body.quota), _expiry(body.expired_time)
        drafts = [
            NewCode(name=body.name, digest=code_digest(code), amount=amount, expires_at=expires_at) for code in made
        ]
        with _refused(0):
            await self._store.make_redemptions(drafts, visit.me.user_id)
        visit.note(text=f"made {body.count} codes named {body.name}", amount=amount * body.count, count=body.count)
        return _csv(body, made) if visit.query.format == "csv" else made

    async def edit(self, visit: Visit[StatusQuery, RedemptionEdit]) -> RedemptionRow:
        body = visit.body
        enabled = UNSET if body.status is UNSET or body.status == 3 else body.status == 1
        change = RedemptionChange(enabled=enabled)
        if not visit.query.status_only:
            change = RedemptionChange(
                name=body.name,
                amount=UNSET if body.quota is UNSET else nano_of(body.quota),
                grain=QUOTA_NANO,
                expires_at=UNSET if body.expired_time is UNSET else _expiry(body.expired_time),
                enabled=enabled,
            )
        with _refused(body.id):
            code = await self._store.change_redemption(body.id, change)
        visit.note(target=f"code {code.id}", text=f"changed a code named {code.name}")
        return _row(code)

    async def delete(self, visit: Visit[Nothing, Nothing]) -> None:
        with _refused(visit.id()):
            code = await self._store.delete_redemption(visit.id())
        visit.note(target=f"code {code.id}", text=f"deleted a code named {code.name}")

    async def redeem(self, visit: Visit[Nothing, Redeem]) -> int:
        """The quota that came in."""
        me = visit.me
        guesses: Subjects = (("redeem", str(me.user_id)), ("redeem_from", visit.address))
        await count_all(self._tries, guesses)
        try:
            amount = await self._redeemer.redeem(code_digest(visit.body.key), me.name)
        except KeyError:
            message = "There is no such code; look for a letter that is missing."
            raise BadRequest(message, code="code_unknown", param="key") from None
        except ValueError as error:
            raise BadRequest(f"That cannot be redeemed: {error}.", code="code_not_good", param="key") from None
        await forgive_all(self._tries, guesses)
        visit.note(text="redeemed a code", amount=amount, user=(me.user_id, me.name))
        return quota_of(amount)


def _expiry(seconds: int) -> float | None:
    """One API writes 0 for never, and its tokens have -1."""
    return None if seconds <= 0 else float(seconds)


def _csv(body: RedemptionDraft, made: list[str]) -> Response:
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(("key", "name", "quota", "expired_time"))
    # A table calculator would carry out a name that begins so.
    name = f"'{body.name}" if body.name[0] in "=+-@\t\r" else body.name
    rows.writerows((code, name, body.quota, body.expired_time) for code in made)
    headers = {"content-disposition": 'attachment; filename="codes.csv"', "cache-control": "no-store"}
    return Response(written.getvalue(), media_type="text/csv", headers=headers)


def _row(code: Redemption) -> RedemptionRow:
    return RedemptionRow(
        id=code.id,
        user_id=code.creator_id or 0,
        status=3 if code.redeemed_at is not None else 1 if code.enabled else 2,
        name=code.name,
        quota=quota_of(code.amount),
        created_time=int(code.created_at),
        redeemed_time=int(code.redeemed_at or 0),
        expired_time=-1 if code.expires_at is None else int(code.expires_at),
        redeemed_by=code.user_name,
    )


def _missing(code_id: int) -> NotFound:
    return NotFound(f"There is no code {code_id}. GET /api/redemption/ lists them.", code="code_not_found", param="id")


@contextmanager
def _refused(code_id: int) -> Iterator[None]:
    try:
        yield
    except KeyError:
        raise _missing(code_id) from None
    except ValueError as error:
        raise Conflict(f"That cannot be: {error}.", code="code_conflict", param="id") from None
