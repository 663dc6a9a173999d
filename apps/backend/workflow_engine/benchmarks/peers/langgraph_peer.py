"""LangGraph: graphs in this process, a checkpoint after every step, on PostgreSQL or on SQLite.

python -m benchmarks.peers.langgraph_peer FOLDER sqlite|postgresql
"""

from __future__ import annotations

import operator
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

import uvloop
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from benchmarks import load
from benchmarks.peers.postgres import postgres


class Count(TypedDict):
    n: Annotated[int, operator.add]


async def step(state: Count) -> Count:
    return {"n": 1}


async def wait(state: Count) -> Count:
    return {"n": interrupt("go")}


def chained(steps: int) -> Any:
    graph = StateGraph(Count)
    names = [f"step{n}" for n in range(steps)]
    for name in names:
        graph.add_node(name, step)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph


def fanned() -> Any:
    graph = StateGraph(Count)
    graph.add_node("step", step)
    graph.add_node("join", step)
    graph.add_conditional_edges(START, lambda state: [Send("step", state) for _ in range(load.FAN_OUT)], ["step"])
    graph.add_edge("step", "join")
    return graph


def parked() -> Any:
    graph = StateGraph(Count)
    graph.add_node("wait", wait)
    graph.add_edge(START, "wait")
    return graph


class Peer:
    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self.chaining = chained(load.STEPS).compile(checkpointer=saver)
        self.stepping = chained(1).compile(checkpointer=saver)
        self.fanning = fanned().compile(checkpointer=saver)
        self.parking = parked().compile(checkpointer=saver)

    async def chain(self) -> None:
        assert await run(self.chaining) == {"n": load.STEPS}

    async def one(self) -> None:
        assert await run(self.stepping) == {"n": 1}

    async def fan_out(self) -> None:
        assert await run(self.fanning) == {"n": load.FAN_OUT + 1}

    async def park(self) -> None:
        assert "__interrupt__" in await run(self.parking)

    def resident(self) -> int:
        return load.resident()


async def run(graph: Any) -> Any:
    thread = {"configurable": {"thread_id": str(uuid.uuid4())}}
    # `sync`: the checkpoint of a step is stored before the next begins. The default stores it meanwhile.
    return await graph.ainvoke({"n": 0}, thread, durability="sync")


@asynccontextmanager
async def opened(folder: Path, database: str) -> AsyncIterator[Peer]:
    if database == "sqlite":
        async with AsyncSqliteSaver.from_conn_string(str(folder / "bench.db")) as sqlite:
            await sqlite.setup()
            yield Peer(sqlite)
        return
    # As its documentation opens a pool.
    connection = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    with postgres(folder) as url:
        async with AsyncConnectionPool(url, min_size=20, max_size=20, kwargs=connection, open=False) as pool:
            saver = AsyncPostgresSaver(pool)  # type: ignore[arg-type]
            await saver.setup()
            yield Peer(saver)


if __name__ == "__main__":
    uvloop.run(load.report(opened(Path(sys.argv[1]), sys.argv[2])))
