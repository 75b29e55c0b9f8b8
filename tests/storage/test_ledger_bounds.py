"""Whatever is charged, credited and given back: what the rules leave of an account fits its columns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import Reserve, Settle
from oneapi_asgi.storage.ledger import LARGEST, Account, Hold, carry_out

NOW = 1_700_000_000.0
MONTH = 31 * 86_400.0

amounts = st.integers(0, LARGEST) | st.sampled_from([0, 1, LARGEST - 1, LARGEST])
steps = st.lists(st.tuples(amounts, amounts, st.integers(-LARGEST, LARGEST), st.booleans()), max_size=8)


def fits(account: Account) -> bool:
    sums = (account.balance, account.used, account.overdraft, *account.windows.values())
    return all(-(2**63) <= number < 2**63 for number in sums)


@given(steps, st.booleans(), st.none() | st.just("month"))
def test_accounts_fit_their_columns(
    steps: list[tuple[int, int, int, bool]], unlimited: bool, period: str | None
) -> None:
    account = Account(1, "user", 0, unlimited=unlimited, period=period, windows={})
    holds: dict[str, Hold] = {}
    now = NOW
    for number, (amount, cost, credit, later) in enumerate(steps):
        carry_out([Reserve(f"{number}", (1,), amount, 0, 60.0)], {1: account}, holds, now)
        used = account.used
        carry_out([Settle(f"{number}", cost)], {1: account}, holds, now)
        assert account.used >= used
        account.move(credit)
        now += MONTH if later else 0.0
        assert fits(account)
        assert unlimited or (account.balance >= 0 and account.overdraft >= 0)


def test_what_was_spent_stays_at_the_largest_sum() -> None:
    account = Account(1, "user", 0, unlimited=True, period="month", windows={})
    for _ in range(5):
        account.move(-LARGEST)
        account.charge(LARGEST, NOW)
    assert (account.balance, account.used) == (1 - 2**63, 2**63 - 1)
    assert [*account.windows.values()] == [2**63 - 1]
