"""A caller that says how long it waits is told in time, and nobody works on for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab.audit import Audit

from .rig import HANGS, OUTPUT, after, channel, open_routes

NAMES = ("one", "two", "three")


@pytest.mark.parametrize(
    ("seconds", "most"),
    [pytest.param(0.5, 1.5, id="0.5s"), pytest.param(3.0, 0.3, id="3s", marks=[pytest.mark.slow])],
)
async def test_a_call_ends_when_its_caller_has_waited_as_long_as_it_would(
    tmp_path: Path, audited: Audit, seconds: float, most: float
) -> None:
    """``most``: seconds that it may be late."""
    async with open_routes(tmp_path, audited, lambda root: [channel(name, root) for name in NAMES]) as routes:
        for script in (after(10), HANGS):
            routes.upstream.forget()
            routes.always(script, *NAMES)
            said = await routes.ask(x_request_timeout=f"{seconds:g}")
            assert said.status == 504
            assert seconds <= said.took <= seconds + most
            await routes.lab.quiet()
            (asked,) = routes.seen()  # nobody else was
            assert asked.aborted is not None
            assert asked.aborted - asked.at <= seconds + most
        assert (await routes.lab.books()).settled == 0
        routes.acts.clear()
        assert (await routes.ask(x_request_timeout=f"{seconds:g}")).status == 200
        assert (await routes.lab.books()).settled == OUTPUT
