"""A gateway on the storage of this folder."""

from __future__ import annotations

import os

import uvicorn
from journal_storage import JournalStorage

from oneapi_asgi import NANO, AddressGuard, Channel, Gateway, HttpxUpstream, Price, Secret, TokenDraft, key_digest

UPSTREAM = os.environ.get("UPSTREAM_URL", "http://127.0.0.1:9000/v1")
KEY = os.environ.get("GATEWAY_KEY", "sk-for-trying-only")

app = Gateway(
    JournalStorage("gateway.jsonl"),
    upstream=HttpxUpstream(guard=AddressGuard(["127.0.0.0/8"])),
    channels=[Channel(id=0, name="main", base_url=UPSTREAM, api_keys=(Secret("sk-upstream"),))],
    tokens=[TokenDraft(name="app", digest=key_digest(KEY), quota=NANO)],  # $1
    prices={"*": Price(input=NANO, output=4 * NANO)},  # $1 and $4 per million tokens
)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), log_level="warning")
