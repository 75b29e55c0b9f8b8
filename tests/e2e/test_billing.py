"""The balance pages that clients of One API read: dollars for the limit, cents for what was spent."""

from __future__ import annotations

import pytest

from oneapi_asgi import NANO, TokenDraft, key_digest

from .serving import ADMIN_KEY, CHAT, KEY, QUOTA, Rig

SUBSCRIPTION = "/dashboard/billing/subscription"
USAGE = "/dashboard/billing/usage"
PREFIX = pytest.mark.parametrize("prefix", ["", "/v1"])


async def page(rig: Rig, path: str, key: str = KEY) -> dict[str, object]:
    answer = await rig.http.get(rig.url + path, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    return dict(answer.json())


@PREFIX
async def test_a_capped_token(rig: Rig, prefix: str) -> None:
    for path in (SUBSCRIPTION, SUBSCRIPTION + "/"):
        limit = QUOTA / NANO
        assert await page(rig, prefix + path) == {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": limit,
            "hard_limit_usd": limit,
            "system_hard_limit_usd": limit,
            "access_until": 0,
        }
    assert await page(rig, prefix + USAGE) == {"object": "list", "total_usage": 0}
    await rig.post(CHAT)
    used = (await rig.record()).cost
    assert used
    usage = await page(rig, f"{prefix}{USAGE}?start_date=2026-01-01&end_date=2026-02-01")
    assert usage == {"object": "list", "total_usage": used * 100 / NANO}
    assert (await page(rig, prefix + SUBSCRIPTION))["hard_limit_usd"] == pytest.approx(QUOTA / NANO, abs=1e-9)


async def test_an_unlimited_token(rig: Rig) -> None:
    await rig.post(CHAT, authorization=f"Bearer {ADMIN_KEY}")
    used = (await rig.record()).cost
    assert (await page(rig, SUBSCRIPTION, ADMIN_KEY))["hard_limit_usd"] == 100_000_000
    assert (await page(rig, USAGE, ADMIN_KEY))["total_usage"] == used * 100 / NANO


async def test_a_token_that_expires(rig: Rig) -> None:
    at = 4_102_444_800.0
    await rig.storage.add_token(TokenDraft(name="brief", digest=key_digest("sk-brief"), expires_at=at, user="bob"))
    assert (await page(rig, SUBSCRIPTION, "sk-brief"))["access_until"] == at


@PREFIX
@pytest.mark.parametrize("path", [SUBSCRIPTION, USAGE])
async def test_strangers_learn_nothing(rig: Rig, prefix: str, path: str) -> None:
    answer = await rig.http.get(rig.url + prefix + path, headers={"authorization": "Bearer sk-wrong"})
    assert answer.status_code == 401
    answer = await rig.http.post(rig.url + prefix + path)
    assert answer.status_code == 405
