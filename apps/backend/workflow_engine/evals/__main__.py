"""Measures a model: `make eval`, or `make eval model=anthropic:claude-sonnet-5-5 only=1-5`.

The model and its key come from the settings (AI_MODEL, OPENAI_API_KEY and so on), as for the server. Every request goes
through GenerateWorkflow of a server in this process, which stores nothing. Ends with 1 when fewer than `--pass` percent
of the requests came out as they should.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import yaml

from evals.checks import failures
from workflow_engine import server
from workflow_engine.core.config import Settings
from workflow_engine.proto import ai_system_pb2 as ai
from workflow_engine.proto import workflow_service_pb2_grpc as rpc

REQUESTS = Path(__file__).parent / "requests.yaml"


@dataclass
class Result:
    """What came of one request."""

    number: int
    ask: str
    wrong: list[str]
    usage: ai.Usage
    seconds: float


def requests() -> list[dict[str, Any]]:
    """All of them, in order."""
    read = yaml.safe_load(REQUESTS.read_text())
    assert isinstance(read, list)
    return read


async def evaluate(settings: Settings, chosen: list[int]) -> list[Result]:
    """Asks for the workflows of the requests with these numbers, which count from 1."""
    known = requests()
    running = await server.start(settings)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
            author = rpc.AIAgentServiceStub(channel)
            return [await _one(author, number, known[number - 1]) for number in chosen]
    finally:
        await running.close()


async def _one(author: Any, number: int, request: dict[str, Any]) -> Result:
    began, usage = time.monotonic(), ai.Usage()
    try:
        asked = ai.GenerateWorkflowRequest(description=request["ask"], dry_run=True)
        answer = await author.GenerateWorkflow(asked, timeout=900)
        wrong, usage = failures(request, answer), answer.usage
    except grpc.aio.AioRpcError as error:
        wrong = [f"{error.code().name}: {error.details()}"]
    return Result(number, request["ask"], wrong, usage, time.monotonic() - began)


def told(results: list[Result]) -> str:
    """A line for each request, and the sum."""
    lines = [
        f"{result.number:3} {'ok  ' if not result.wrong else 'FAIL'} {result.seconds:6.1f} s "
        f"{result.usage.model_calls:2} calls {result.usage.input_tokens + result.usage.output_tokens:7} tokens  "
        f"{result.ask[:60]}{''.join(f'{chr(10)}         {each}' for each in result.wrong)}"
        for result in results
    ]
    good = sum(not result.wrong for result in results)
    tokens = sum(result.usage.input_tokens + result.usage.output_tokens for result in results)
    cost = sum(result.usage.cost_micros for result in results) / 1_000_000
    return "\n".join([*lines, f"{good} of {len(results)} as they should be, {tokens} tokens, {cost:.2f} USD"])


def numbers(text: str, count: int) -> list[int]:
    """`1-5,8` as numbers; all of them when empty. Raises ValueError."""
    if not text:
        return list(range(1, count + 1))
    chosen: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        chosen += range(int(first), int(last or first) + 1)
    if not all(1 <= each <= count for each in chosen):
        raise ValueError(f"there are requests 1 to {count}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(prog="make eval", description=__doc__)
    parser.add_argument("--model", default="", help="provider:model")
    parser.add_argument("--only", default="", help="numbers of requests, for example 1-5,8")
    parser.add_argument("--pass", dest="needed", type=float, default=80, help="percent that have to be right")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        more = {"ai_model": given.model} if given.model else {}
        settings = Settings(
            database_url="", data_dir=Path(folder), grpc_host="127.0.0.1", grpc_port=0, http_port=0, **more
        )
        results = asyncio.run(evaluate(settings, numbers(given.only, len(requests()))))
    print(told(results))  # noqa: T201 (it is what the command is for)
    good = sum(not result.wrong for result in results)
    sys.exit(good * 100 < given.needed * len(results))


if __name__ == "__main__":
    main()
