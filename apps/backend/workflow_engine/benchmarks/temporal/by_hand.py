"""A chain of activities as somebody writes it who knows the Python SDK.

python -m benchmarks.temporal.by_hand worker|load QUEUE SECONDS
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from datetime import timedelta
from typing import Any

import uvloop
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.temporal.work import SLOTS, STEPS, Peer, at_work, measured

peer = Peer()


@activity.defn
async def step(item: dict[str, Any]) -> dict[str, Any]:
    return await peer.tell(item)


@workflow.defn(sandboxed=False)
class Chain:
    @workflow.run
    async def run(self, item: dict[str, Any]) -> dict[str, Any]:
        for _ in range(STEPS):
            item = await workflow.execute_activity(step, item, start_to_close_timeout=timedelta(seconds=60))
        return item


async def main(role: str, queue: str, seconds: float) -> None:
    client = await Client.connect(os.environ["BENCH_TEMPORAL"])
    if role == "worker":
        async with Worker(
            client,
            task_queue=queue,
            workflows=[Chain],
            activities=[step],
            max_concurrent_activities=SLOTS,
        ):
            await at_work()

    async def run() -> None:
        ended = await client.execute_workflow(Chain.run, {"n": 1}, id=uuid.uuid4().hex, task_queue=queue)
        assert ended["n"] == 1

    print(json.dumps(await measured(run, seconds)), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
