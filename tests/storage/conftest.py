from __future__ import annotations

import pytest

pytest.register_assert_rewrite("oneapi_asgi.testing.contracts", "oneapi_asgi.testing.ledger_contract")
