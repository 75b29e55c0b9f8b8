"""A whole source as one cargo."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from ..desk.moving import Cargo, Coupon, Key, Person, Remarks, Rows, Upstreams
from .keys import coupon_of, key_of
from .options import options_of
from .people import person_of
from .pricing import groups_of, prices_of
from .upstreams import upstream_of
from .values import Row

__all__ = ["Reader", "is_source", "unknown_columns"]

_AT_ONCE = 2_000

_KNOWN: Mapping[str, str] = {
    "users": "id username password display_name role status email github_id wechat_id lark_id oidc_id access_token "
    "quota used_quota request_count group aff_code inviter_id deleted_at created_at discord_id telegram_id linux_do_id "
    "original_password verification_code last_login_at",
    "tokens": "id user_id key status name created_time accessed_time expired_time remain_quota unlimited_quota "
    "used_quota models subnet deleted_at model_limits_enabled model_limits allow_ips group",
    "channels": "id type key status name weight created_time test_time response_time base_url other balance "
    "balance_updated_time models group used_quota model_mapping priority config system_prompt tag setting "
    "param_override header_override auto_ban channel_info remark test_model status_code_mapping",
    "redemptions": "id user_id key status name quota created_time redeemed_time expired_time used_user_id deleted_at",
}
_MADE_OF = {"users": ("id", "username", "quota"), "tokens": ("id", "user_id", "key"), "channels": ("id", "type")}


def is_source(columns: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether these are tables of One API or of what came of it."""
    return all(set(names) <= set(columns.get(table, ())) for table, names in _MADE_OF.items())


def unknown_columns(columns: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """By table, those of which nothing is carried because nobody here knows what they mean."""
    found = {table: tuple(sorted(set(columns.get(table, ())) - set(known.split()))) for table, known in _KNOWN.items()}
    return {table: names for table, names in found.items() if names}


class Reader:
    """Reads a source into a cargo. ``remarks`` then has what is not carried as it was, ``found`` how many rows of each
    table there are."""

    def __init__(self, rows: Rows, *, label: str) -> None:
        self._rows = rows
        self._label = label
        self.remarks = Remarks()
        self.found: dict[str, int] = {}
        self.newer = "model_limits" in rows.columns.get("tokens", ()) or "setting" in rows.columns.get("channels", ())

    async def read(self) -> Cargo:
        """
        :raises ValueError: it is no such database
        """
        if not is_source(self._rows.columns):
            raise ValueError("the source has no tables users, tokens and channels as One API and new-api have them")
        for table, names in unknown_columns(self._rows.columns).items():
            what = "columns that nobody here knows"
            self.remarks.add("lost", table, what, ", ".join(names), cure="look whether they say what you need")
        remarks = self.remarks
        people = [who async for row in self._all("users") if (who := person_of(row, remarks))]
        owners = {person.id for person in people}
        keys = [key async for row in self._all("tokens") if (key := key_of(row, owners, remarks))]
        coupons = [code async for row in self._all("redemptions") if (code := coupon_of(row, remarks))]
        upstreams = [
            found async for row in self._all("channels") if (found := upstream_of(row, remarks, newer=self.newer))
        ]
        return await self._with_options(tuple(people), tuple(keys), tuple(coupons), tuple(upstreams))

    async def _with_options(
        self,
        people: tuple[Person, ...],
        keys: tuple[Key, ...],
        coupons: tuple[Coupon, ...],
        upstreams: tuple[Upstreams, ...],
    ) -> Cargo:
        options = await self._rows.settings() if "options" in self._rows.columns else {}
        self.found["options"] = len(options)
        prices = prices_of(options, self.remarks)
        if not prices:
            what = "no ModelRatio is stored, so the program's own ratios were in force"
            cure = "the catalog's prices hold here; compare them, and set others by oneapi-asgi price set"
            self.remarks.add("changed", "options", what, cure=cure)
        return Cargo(
            label=self._label,
            people=people,
            keys=keys,
            coupons=coupons,
            upstreams=upstreams,
            prices=prices,
            groups=groups_of(options, self.remarks),
            options=options_of(options, self.remarks),
        )

    async def _all(self, table: str) -> AsyncIterator[Row]:
        if table not in self._rows.columns:
            self.found[table] = 0
            return
        last, count = -(2**63) + 1, 0
        while rows := await self._rows.rows(table, after=last, limit=_AT_ONCE):
            for row in rows:
                yield row
            last, count = int(str(rows[-1]["id"])), count + len(rows)
        self.found[table] = count
