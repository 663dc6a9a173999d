"""action.execute with real programs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed
from workflow_engine.runtime.commands import AllowedCommands

TYPE = "action.execute"


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with world(tmp_path) as made:
        # A shell among them is for the tests; it would make every program allowed.
        yield replace(made, commands=AllowedCommands(["/bin/echo", "/bin/cat", "/bin/sh", "/usr/bin/none"]))


async def run(context: Context, command: str, *arguments: Any, **parameters: Any) -> Any:
    return await run_node(TYPE, {"command": command, "arguments": list(arguments), **parameters}, context=context)


async def test_arguments_arrive_as_they_are(context: Context) -> None:
    nasty = "a b; $(id) `id` > /tmp/x"
    event = await run(context, "echo", nasty, 7, True)
    assert records(event) == [{"status": 0, "stdout": f"{nasty} 7 true\n", "stderr": ""}]


async def test_it_reads_what_it_is_given(context: Context) -> None:
    event = await run_node(
        TYPE, {"command": "cat", "stdin": "{{ json }}", "output": "json"}, [{"n": 1}], context=context
    )
    assert records(event) == [{"status": 0, "stdout": {"n": 1}, "stderr": ""}]
    assert context.blobs
    ref = await context.blobs.write(b"\x00\xff", "image/png")
    drawn = {"command": "cat", "binary": "data", "output": "binary", "file_name": "out.png"}
    event = await run_node(TYPE, drawn, [Item({}, {"data": ref})], context=context)
    assert isinstance(event, NodeSucceeded)
    made = event.outputs["main"][0].binary["data"]
    assert (made.media_type, await content(context, made)) == ("image/png", b"\x00\xff")


async def test_it_sees_nothing_of_the_server(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hidden")
    [record] = records(await run(context, "sh", "-c", "env; pwd; ls -A"))
    assert "hidden" not in record["stdout"]
    assert os.getcwd() not in record["stdout"]
    assert record["stdout"].rstrip().endswith(tuple("0123456789abcdefghijklmnopqrstuvwxyz_"))


async def test_only_what_is_allowed_runs(context: Context) -> None:
    failed = failure(await run(context, "ls"))
    assert (failed.reason, failed.field) == ("COMMAND_REFUSED", "command")
    assert "cat, echo" in failed.hint
    assert failure(await run(replace(context, commands=AllowedCommands()), "ls")).reason == "COMMAND_REFUSED"
    with pytest.raises(ValueError, match="whole path"):
        AllowedCommands(["jq"])


async def test_a_failure_says_what_the_program_said(context: Context) -> None:
    failed = failure(await run(context, "sh", "-c", "echo no such report >&2; exit 3"))
    assert (failed.reason, failed.details["status"]) == ("COMMAND_FAILED", 3)
    assert "no such report" in failed.message
    assert records(await run(context, "sh", "-c", "exit 3", check=False))[0]["status"] == 3
    assert failure(await run(context, "none")).reason == "COMMAND_FAILED"
    assert failure(await run(context, "echo", "{", output="json")).reason == "INVALID_DATA"


async def test_it_is_stopped_with_all_it_started(context: Context) -> None:
    started = time.monotonic()
    failed = failure(await run(context, "sh", "-c", "sleep 61.25 & sleep 61.25", timeout_seconds=0.3))
    assert failed.reason == "COMMAND_TIMEOUT"
    assert time.monotonic() - started < 5
    assert not _running("61.25")


async def test_what_has_left_its_session_keeps_nobody_waiting(context: Context) -> None:
    script = "(setsid sleep 20 &) ; cat /dev/zero"
    started = time.monotonic()
    assert failure(await run(context, "sh", "-c", script)).reason == "COMMAND_OUTPUT_TOO_LARGE"
    assert time.monotonic() - started < 10


async def test_it_ends_when_the_execution_is_cancelled(context: Context) -> None:
    running = asyncio.create_task(run(context, "sh", "-c", "sleep 62.25"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(running, 0.3)
    assert not _running("62.25")


def _running(argument: str) -> bool:
    """Whether a program with this argument goes on; one that was killed may take a moment to be gone."""
    found = [each for each in psutil.process_iter(["cmdline"]) if argument in (each.info["cmdline"] or ())]
    return bool(psutil.wait_procs(found, timeout=2)[1])


async def test_what_it_writes_is_bounded(context: Context) -> None:
    assert failure(await run(context, "sh", "-c", "cat /dev/zero")).reason == "COMMAND_OUTPUT_TOO_LARGE"
    failed = failure(await run(context, "sh", "-c", "cat /dev/zero > file"))
    assert failed.reason == "COMMAND_FAILED"


def test_only_what_can_be_repeated_is_repeated() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"idempotent": True}).effect is Effect.IDEMPOTENT


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"command": "jq", "shell": True}) == ["parameters.shell: there is no parameter 'shell'"]
    assert problems(TYPE, {"command": "/bin/jq"})[0].startswith("parameters.command: ")
