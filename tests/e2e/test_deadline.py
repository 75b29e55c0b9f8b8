"""The time that all attempts of a call may take together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oneapi_asgi import Timeouts
from oneapi_asgi.testing import Answer, Part

from .serving import BOTH, Adapter, Kind, chat, make_storage, open_rig


@pytest.mark.parametrize(("kind", "adapter"), BOTH)
async def test_a_call_without_an_answer_in_time_is_refused_and_free(
    kind: Kind, adapter: Adapter, tmp_path: Path
) -> None:
    async with open_rig(make_storage(kind, tmp_path), adapter, timeouts=Timeouts(total=0.3)) as rig:
        rig.fake.script(Answer(head=False, parts=[Part(b"", delay=5)], then="hang"))
        answer = await rig.post(chat())
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "upstream_timeout"
        (record,) = await rig.recorded(1)
        assert (record.reason, record.cost, record.usage) == ("upstream_failed", 0, None)
        assert await rig.held() == 0


@pytest.mark.parametrize(("kind", "adapter"), BOTH)
async def test_a_stream_beyond_its_time_ends_in_an_error_event(kind: Kind, adapter: Adapter, tmp_path: Path) -> None:
    async with open_rig(make_storage(kind, tmp_path), adapter, timeouts=Timeouts(total=0.5)) as rig:
        answer = await rig.post(chat(stream=True, tokens=100, delay=0.05))
        events = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
        assert json.loads(events[-1])["error"]["code"] == "upstream_timeout"
        (record,) = await rig.recorded(1)
        assert record.reason == "upstream_cut"
        assert record.usage is not None
        assert record.usage.estimated
        assert record.cost > 0
        assert await rig.held() == 0
