"""Measures both in turn, round after round, and says how much of the hand-written one's throughput ours has.

python -m benchmarks.temporal [--rounds 3] [--seconds 12] [--workers 2]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from aiohttp import web

from benchmarks.peers.postgres import postgres
from benchmarks.processes import adopt_orphans
from benchmarks.temporal.work import CLIENT, STEPS
from tests.serving import free_port
from tests.temporal_server import temporal_server
from workflow_engine.models.migrate import upgrade

CONTESTANTS = {"by hand": "by_hand", "ours": "ours"}


class Peer:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.calls = 0

    async def serve(self, port: int) -> None:
        """Until it is cancelled."""
        application = web.Application()
        application.router.add_post("/", self._answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.calls += 1
        return web.json_response({"call": self.calls})


async def once(
    peer: Peer, module: str, queue: str, environment: dict[str, str], workers: int, seconds: float
) -> dict[str, float]:
    """One contestant's figures in one round, and the CPU time of a step by who has spent it."""
    command = (sys.executable, "-m", f"benchmarks.temporal.{module}")
    everyone = os.environ | environment
    working = [
        await asyncio.create_subprocess_exec(*command, "worker", queue, "0", env=everyone, stdout=PIPE)
        for _ in range(workers)
    ]
    try:
        for worker in working:
            assert worker.stdout is not None
            await worker.stdout.readline()
        before, calls = spent(working), peer.calls
        loading = await asyncio.create_subprocess_exec(*command, "load", queue, str(seconds), env=everyone, stdout=PIPE)
        said, _ = await loading.communicate()
        if loading.returncode:
            raise SystemExit(f"{module} ended with {loading.returncode}")
        after, steps = spent(working), peer.calls - calls
    finally:
        for process in working:
            process.kill()
            await process.wait()
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    cost = {name: after[name] - before[name] for name in before} | {CLIENT: figures.pop(CLIENT)}
    cost["all"] = sum(cost.values())
    return figures | {f"CPU of a step, {name}: ms": seconds / steps * 1_000 for name, seconds in cost.items()}


def spent(workers: list[Process]) -> dict[str, float]:
    """Seconds of CPU so far."""
    kin = psutil.Process().children(recursive=True)
    groups = {"Temporal": "temporal", "PostgreSQL": "postgres"}
    used = {name: sum(_used(each) for each in kin if start in each.name()) for name, start in groups.items()}
    return used | {"workers": sum(_used(psutil.Process(worker.pid)) for worker in workers)}


def _used(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system + times.children_user + times.children_system
    return 0.0


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """What both work in: the environment variables that tell where it is."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        url = stack.enter_context(postgres(folder)).replace("postgresql://", "postgresql+psycopg://")
        upgrade(url)
        yield {
            "BENCH_TEMPORAL": stack.enter_context(temporal_server(folder)),
            "BENCH_DATABASE": url,
            "BENCH_FOLDER": str(folder / "blobs"),
            "BENCH_PEER": f"http://127.0.0.1:{free_port()}/",
        }


async def compare(
    environment: dict[str, str], rounds: int, seconds: float, workers: int
) -> dict[str, dict[str, float]]:
    peer = Peer()
    serving = asyncio.create_task(peer.serve(int(environment["BENCH_PEER"].rpartition(":")[2].rstrip("/"))))
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
    for turn in range(rounds):
        for name, module in CONTESTANTS.items():
            figures = await once(peer, module, f"{module}-{turn}", environment, workers, seconds)
            print(f"round {turn + 1}, {name}:", {key: round(value, 2) for key, value in figures.items()}, flush=True)
            taken[name].append(figures)
    serving.cancel()
    return {
        name: {work: statistics.median(each[work] for each in all) for work in all[0]} for name, all in taken.items()
    }


def main() -> None:
    # PostgreSQL puts itself into the background; its CPU time is part of the cost.
    adopt_orphans()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    with surroundings() as environment:
        medians = asyncio.run(compare(environment, chosen.rounds, chosen.seconds, chosen.workers))
    by_hand, ours = medians.values()
    print(f"\n| chain of {STEPS}, {chosen.workers} workers | by hand | ours | ours / by hand |\n|---|---:|---:|---:|")
    for work, figure in by_hand.items():
        ratio = f"{ours[work] / figure:.2f}" if figure else ""
        print(f"| {work} | {figure:,.1f} | {ours[work]:,.1f} | {ratio} |")


if __name__ == "__main__":
    main()
