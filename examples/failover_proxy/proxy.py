"""One address in front of two upstream accounts: what the first cannot answer, the second does."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from oneapi_asgi import AddressGuard, Candidate, Channel, HttpxUpstream, Relay, Secret

FIRST = os.environ.get("FIRST_URL", "http://127.0.0.1:9000/v1")
SECOND = os.environ.get("SECOND_URL", "http://127.0.0.1:9001/v1")

PLAN = [
    Candidate(Channel(id=1, name="first", base_url=FIRST, api_keys=(Secret("sk-of-the-first"),)), 0, "gpt-4o-mini"),
    Candidate(Channel(id=2, name="second", base_url=SECOND, api_keys=(Secret("sk-of-the-second"),)), 0, "backup-model"),
]

upstream = HttpxUpstream(guard=AddressGuard(["127.0.0.0/8"]))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with upstream:
        yield


app = Starlette(routes=[Mount("/", Relay(upstream, plan=PLAN))], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), log_level="warning")
