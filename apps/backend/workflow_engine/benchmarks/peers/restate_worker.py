"""The process that Restate's server calls: the handlers, served over HTTP/2 by hypercorn.

python -m benchmarks.peers.restate_worker PORT
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import restate
import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config

bench = restate.Service("bench")


async def step(n: int) -> int:
    return n


@bench.handler()
async def chained(ctx: restate.Context, steps: int) -> int:
    n = 0
    for _ in range(steps):
        n = await ctx.run_typed("step", step, n=n) + 1
    return n


@bench.handler()
async def fanned(ctx: restate.Context, width: int) -> int:
    runs = [ctx.run_typed("step", step, n=1) for _ in range(width)]
    await restate.gather(*runs)
    return sum([await run for run in runs])


# Suspended after a second without news: with the default, a minute, the worker would still hold every one of them.
@bench.handler(inactivity_timeout=timedelta(seconds=1))
async def parked(ctx: restate.Context) -> str:
    _, promise = ctx.awakeable()
    return str(await promise)


if __name__ == "__main__":
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    # The server keeps one connection, and every waiting handler is a stream on it.
    config.h2_max_concurrent_streams = 100_000
    config.keep_alive_max_requests = 10_000_000
    app = restate.app([bench])
    uvloop.run(serve(app, config, shutdown_trigger=asyncio.Event().wait))  # type: ignore[arg-type]
