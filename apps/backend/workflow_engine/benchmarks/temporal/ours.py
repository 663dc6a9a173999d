"""The same chain as a workflow of ours, carried out by our worker.

python -m benchmarks.temporal.ours worker|load QUEUE SECONDS
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import uvloop
from temporalio.client import Client

from benchmarks.engine import chained
from benchmarks.temporal.work import SLOTS, STEPS, Peer, at_work, measured
from tests.engine.rig import AnyParameters, items, workflow
from workflow_engine.core import interpreter
from workflow_engine.core.clock import SystemClock
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.models.store import Store
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.nodes.spec import Call, Emit, Node, Result
from workflow_engine.runtime.blobs import FolderBlobs
from workflow_engine.runtime.contract import Start
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.temporal import TemporalRuntime, converter, worker
from workflow_engine.services.backend import canonical

peer = Peer()


class Step(Node[AnyParameters]):
    """Tells the peer."""

    type = "action.step"
    summary = "A step with a side effect."
    effect = Effect.IDEMPOTENT

    async def run(self, call: Call[AnyParameters]) -> Result:
        return Emit({"main": [Item(await peer.tell(call.item.json))]})


async def main(role: str, queue: str, seconds: float) -> None:
    blobs, clock = FolderBlobs(Path(os.environ["BENCH_FOLDER"])), SystemClock()
    client = await Client.connect(os.environ["BENCH_TEMPORAL"], data_converter=converter(blobs))
    store = Store.open(os.environ["BENCH_DATABASE"])
    store.share()
    registry = Registry(installed())
    registry.add(Step())
    definitions = Definitions(store, registry)
    if role == "worker":
        async with worker(
            client,
            store,
            definitions,
            clock,
            services=lambda context: context,
            blobs=blobs,
            task_queue=queue,
            max_attempts=SLOTS,
        ):
            await at_work()

    runtime = TemporalRuntime(client, store, definitions, clock, entropy=os.urandom, blobs=blobs, task_queue=queue)
    await runtime.open()
    start = Start("chain", await store.keep_definition(canonical(workflow(chained(STEPS)))), input=items([{"n": 1}]))

    async def run() -> None:
        ended = await runtime.wait(await runtime.start(start), 300)
        assert ended is not None
        assert ended.status == "SUCCESS", ended
        assert ended.output[0].json["n"] == 1

    print(json.dumps(await measured(run, seconds)), flush=True)
    await runtime.close()
    await asyncio.to_thread(store.close)


if __name__ == "__main__":
    interpreter.tune()
    uvloop.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
