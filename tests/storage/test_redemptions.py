"""Codes and tokens as they are managed, on every database: what is refused, and that the books stay right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from servers.databases import KINDS
from servers.prepared import Prepared

from oneapi_asgi.desk.redemptions import NewCode, RedemptionChange
from oneapi_asgi.desk.tokens import TokenChange, TokenQuery
from oneapi_asgi.models import TokenDraft
from oneapi_asgi.storage.sql.desk.redemptions import SQLRedemptions
from oneapi_asgi.storage.sql.desk.tokens import SQLTokens

from .opened import Opened, patiently


@pytest.fixture(params=KINDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Opened]:
    with prepared(request.param, tmp_path) as url:
        async with Opened(url) as storage:
            yield storage
            assert list(await storage.audit()) == []


async def credited(storage: Opened, digest: str, times: int) -> list[int]:
    given = await asyncio.gather(
        *(patiently(lambda: storage.redeem(digest, "root")) for _ in range(times)), return_exceptions=True
    )
    assert all(isinstance(one, int | ValueError | KeyError) for one in given), given
    return [one for one in given if isinstance(one, int)]


async def test_of_fifty_who_redeem_a_code_one_gets_it(storage: Opened) -> None:
    codes = SQLRedemptions(storage)
    await codes.make_redemptions([NewCode(name="a", digest="d" * 64, amount=7_000)], 1)
    assert await credited(storage, "d" * 64, 50) == [7_000]
    (row,) = (await codes.redemptions()).rows
    assert (row.user_name, row.creator_id, row.redeemed_at is None) == ("root", 1, False)
    with pytest.raises(ValueError, match="was redeemed"):
        await codes.change_redemption(row.id, RedemptionChange(amount=9_000))
    assert (await codes.change_redemption(row.id, RedemptionChange(name="b", amount=7_000))).name == "b"


async def test_a_code_that_is_off_or_gone_is_worth_nothing(storage: Opened) -> None:
    codes = SQLRedemptions(storage)
    await codes.make_redemptions([NewCode(name="a", digest="d" * 64, amount=7_000)], 1)
    (row,) = (await codes.redemptions(keyword="a")).rows
    await codes.change_redemption(row.id, RedemptionChange(enabled=False))
    with pytest.raises(ValueError, match="disabled"):
        await storage.redeem("d" * 64, "root")
    await codes.change_redemption(row.id, RedemptionChange(enabled=True, amount=8_000))
    await codes.delete_redemption(row.id)
    with pytest.raises(KeyError):
        await storage.redeem("d" * 64, "root")
    assert (await codes.redemptions()).total == 0
    assert list(await storage.list_codes()) == []


async def test_a_code_that_changes_while_it_is_redeemed_gives_what_it_says(storage: Opened) -> None:
    codes = SQLRedemptions(storage)
    drafts = [NewCode(name="a", digest=f"{n:064}", amount=5) for n in range(8)]
    await codes.make_redemptions(drafts, 1)
    rows = (await codes.redemptions()).rows
    digests = {row.id: draft.digest for row, draft in zip(reversed(rows), drafts, strict=True)}
    changing = (codes.change_redemption(number, RedemptionChange(amount=9)) for number in digests)
    redeeming = (storage.redeem(digest, "root") for digest in digests.values())
    given = (await asyncio.gather(*changing, *redeeming, return_exceptions=True))[len(digests) :]
    assert all(isinstance(one, int | ValueError) for one in given), given
    worth = [row.amount for row in (await codes.redemptions()).rows if row.redeemed_at is not None]
    assert sorted(worth) == sorted(one for one in given if isinstance(one, int))


async def test_a_token_through_its_life(storage: Opened) -> None:
    tokens = SQLTokens(storage)
    draft = TokenDraft(name="a", digest="1" * 64, prefix="sk-1", quota=0, expires_at=1.0, models=("gpt-*",))
    token = await tokens.make_token(1, draft, "vip")
    assert (token.status, token.group, token.models, token.left) == ("expired", "vip", ("gpt-*",), 0)
    found = await storage.find_token("1" * 64)
    assert found is not None
    assert found.group == "vip"
    token = await tokens.change_token(token.id, 1, TokenChange(expires_at=None))
    assert token.status == "exhausted"
    token = await tokens.change_token(token.id, 1, TokenChange(left=9_999, grain=2_000, group=None))
    assert (token.status, token.left, token.group) == ("enabled", 9_999, None)
    token = await tokens.change_token(token.id, 1, TokenChange(left=8_000, grain=2_000))
    assert token.left == 9_999
    token = await tokens.change_token(token.id, 1, TokenChange(left=None))
    assert token.unlimited
    with pytest.raises(KeyError):
        await tokens.change_token(token.id, 2, TokenChange(enabled=False))
    await tokens.change_token(token.id, 1, TokenChange(digest="2" * 64))
    assert await storage.find_token("1" * 64) is None
    with pytest.raises(ValueError, match="named a already"):
        await tokens.make_token(1, TokenDraft(name="a", digest="3" * 64))
    await tokens.delete_token(token.id, 1)
    assert await storage.find_token("2" * 64) is None
    assert (await tokens.tokens(TokenQuery())).total == 0
    again = await tokens.make_token(1, TokenDraft(name="a", digest="2" * 64, quota=5))
    assert again.id != token.id
    assert (await tokens.tokens(TokenQuery(user_id=1, keyword="a", order="remain_quota"))).total == 1
    assert await tokens.find_token_row(token.id, None) is None
