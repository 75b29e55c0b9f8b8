"""Bodies with one thing changed, and what a fake provider says to them."""

from __future__ import annotations

import copy
from typing import Any

import httpx2

GONE = object()


def changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of ``body`` with other values at these dotted paths; ``GONE`` takes one away."""
    found = copy.deepcopy(body)
    for path, value in changes.items():
        steps: list[Any] = [int(step) if step.isdigit() else step for step in path.split(".")]
        last = steps.pop()
        place: Any = found
        for step in steps:
            place = place[step] if isinstance(place, list) else place.setdefault(step, {})
        if value is GONE:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return found


async def post(url: str, body: object, headers: dict[str, str] | None = None) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.post(url, json=body, headers=headers)
