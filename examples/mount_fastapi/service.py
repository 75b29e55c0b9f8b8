"""The whole gateway under /llm of a FastAPI service that has routes and a lifespan of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from oneapi_asgi import (
    NANO,
    AddressGuard,
    Channel,
    Gateway,
    HttpxUpstream,
    MemoryStorage,
    Price,
    Secret,
    TokenDraft,
    key_digest,
)

UPSTREAM = os.environ.get("UPSTREAM_URL", "http://127.0.0.1:9000/v1")
KEY = os.environ.get("GATEWAY_KEY", "sk-for-trying-only")

gateway = Gateway(
    MemoryStorage(),
    upstream=HttpxUpstream(guard=AddressGuard(["127.0.0.0/8"])),
    channels=[Channel(id=0, name="main", base_url=UPSTREAM, api_keys=(Secret("sk-upstream"),), models=("gpt-*",))],
    tokens=[TokenDraft(name="app", digest=key_digest(KEY), quota=5 * NANO)],  # $5
    prices={"gpt-*": Price(input=NANO, output=4 * NANO)},  # $1 and $4 per million tokens
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Whatever else the service opens goes here too."""
    async with gateway:
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/llm", gateway)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), log_level="warning")
