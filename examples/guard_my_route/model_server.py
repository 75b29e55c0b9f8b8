"""A model server of one's own, sold by the token: keys, quotas and usage around a route that knows nothing of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI

from oneapi_asgi import (
    NANO,
    KeyAuthenticator,
    MemoryStorage,
    Price,
    PriceBook,
    Quota,
    QuotaGuard,
    Token,
    TokenAuth,
    TokenDraft,
    UsageMeter,
    key_digest,
)

KEY = os.environ.get("GATEWAY_KEY", "sk-for-trying-only")

storage = MemoryStorage(
    tokens=[TokenDraft(name="trial", digest=key_digest(KEY), quota=NANO // 100)],  # one cent
    prices={"parrot": Price(input=NANO, output=2 * NANO)},  # $1 and $2 per million tokens
)
authenticator = KeyAuthenticator(storage)
quota = Quota(storage, PriceBook(storage))

model = FastAPI()


@model.post("/chat/completions")
async def parrot(request: dict[str, Any]) -> dict[str, Any]:
    """The model: answers with what it was told. It counts words, and is believed."""
    said = " ".join(message["content"] for message in request["messages"])
    words = len(said.split())
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": words, "completion_tokens": words, "total_tokens": 2 * words},
    }


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with quota:
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/v1", TokenAuth(QuotaGuard(UsageMeter(model), quota), authenticator))


@app.get("/balance")
async def balance(token: Annotated[Token, Depends(authenticator.dependency)]) -> dict[str, Any]:
    """An ordinary route, with the caller's token as a dependency."""
    (cap,) = await storage.balances(token.accounts[:1])
    return {"token": token.name, "left_usd": cap.available / NANO, "used_usd": cap.used / NANO}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), log_level="warning")
