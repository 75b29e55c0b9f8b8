"""What can happen to a Redis, and what mends it. Each is told the server and the proxy before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from .own import OwnRedis
from .proxy import FaultProxy

__all__ = [
    "Fault",
    "flushed",
    "full",
    "healed",
    "killed",
    "readonly",
    "resumed",
    "roomy",
    "silent",
    "slow",
    "started",
    "stopped",
    "unreachable",
    "writable",
]

Fault = Callable[[OwnRedis, FaultProxy], Awaitable[None]]


async def killed(server: OwnRedis, proxy: FaultProxy) -> None:
    await asyncio.to_thread(server.kill)


async def started(server: OwnRedis, proxy: FaultProxy) -> None:
    await asyncio.to_thread(server.start)


async def stopped(server: OwnRedis, proxy: FaultProxy) -> None:
    await asyncio.to_thread(server.stop)


async def resumed(server: OwnRedis, proxy: FaultProxy) -> None:
    await asyncio.to_thread(server.resume)


async def slow(server: OwnRedis, proxy: FaultProxy) -> None:
    proxy.latency(0.15)


async def unreachable(server: OwnRedis, proxy: FaultProxy) -> None:
    proxy.refuse()
    proxy.cut()


async def silent(server: OwnRedis, proxy: FaultProxy) -> None:
    proxy.black_hole()


async def healed(server: OwnRedis, proxy: FaultProxy) -> None:
    proxy.heal()


async def flushed(server: OwnRedis, proxy: FaultProxy) -> None:
    async with Redis.from_url(server.url) as client:
        await client.flushall()
        await client.script_flush()


async def full(server: OwnRedis, proxy: FaultProxy) -> None:
    async with Redis.from_url(server.url) as client:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1mb")


async def roomy(server: OwnRedis, proxy: FaultProxy) -> None:
    async with Redis.from_url(server.url) as client:
        await client.config_set("maxmemory", "0")


async def readonly(server: OwnRedis, proxy: FaultProxy) -> None:
    async with Redis.from_url(server.url) as client:
        await client.replicaof("127.0.0.1", 1)


async def writable(server: OwnRedis, proxy: FaultProxy) -> None:
    async with Redis.from_url(server.url) as client:
        await client.replicaof("NO", "ONE")
