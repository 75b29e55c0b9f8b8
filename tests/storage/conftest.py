from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"oneapi_asgi.testing.{name}"
        for name in (
            "channel_contract",
            "code_contract",
            "contracts",
            "idempotency_contract",
            "lease_contract",
            "ledger_contract",
            "limit_contract",
            "note_contract",
            "object_contract",
            "record_contract",
        )
    )
)
