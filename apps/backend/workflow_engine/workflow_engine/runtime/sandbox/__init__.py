"""User code in another process: Python by Monty, JavaScript by Deno, templates by Jinja; see docs/decisions/0010."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.sandbox import process, program, wall
from workflow_engine.utils import json

RESULT_BYTES = 8 * 1024 * 1024
"""Everything that a program may write, its result included."""
GRACE = 0.5
"""Seconds that an interpreter has to report its own time limit before it is killed."""
MIB_KIB = 1024
_HARNESS = Path(__file__).with_name("harness.mjs")
_RENDER = Path(__file__).with_name("render.py")
_FRAME = re.compile(r'File "[^"\n]*program\.py", line (\d+)')

_OUT_OF_MEMORY = re.compile("out of memory|heap limit|memory allocation of")


@dataclass(frozen=True, slots=True)
class _Task:
    """One program and what it is given."""

    folder: Path
    language: str
    code: str
    items: list[dict[str, Any]]
    each: bool
    mark: str
    """What the line of the outcome begins with."""
    timeout: float
    memory: int
    inputs: dict[str, Any] = field(default_factory=dict[str, Any])
    """More values, by name."""

    def written(self, **more: Any) -> bytes:
        """For a harness of ours, on its stdin."""
        given = {"code": self.code, "items": self.items, "inputs": self.inputs, "each": self.each, "mark": self.mark}
        return json.dumps({**given, **more})

    async def run(
        self, command: list[str], readable: tuple[Path, ...], environment: dict[str, str], **limits: Any
    ) -> process.Ended:
        """Runs `command` behind the second wall, if there is one."""
        # The first look for it takes a moment.
        command = await asyncio.to_thread(wall.walled, command, self.folder, readable, environment)
        return await process.run(
            command, folder=self.folder, environment=environment, stdout_bytes=RESULT_BYTES, **limits
        )


class ProcessSandbox:
    """Runs programs, each in a process of its own, at most `concurrency` at once; the others wait."""

    def __init__(self, concurrency: int | None = None) -> None:
        self._turns = asyncio.Semaphore(concurrency or max(2, os.cpu_count() or 2))

    async def run(
        self,
        language: str,
        code: str,
        items: list[dict[str, Any]],
        *,
        each: bool,
        timeout: float,
        memory: int,
        inputs: dict[str, Any] | None = None,
    ) -> Any:
        """What the code returned, as plain JSON values; a list of one value for each item when `each` is set.

        `language` is `python`, `javascript`, `jinja` or `jinja-html`, `timeout` in seconds, `memory` in MiB; `inputs`
        are what code sees under that name. Raises
        NodeFailure CODE_FAILED, CODE_TIMEOUT, CODE_MEMORY, CODE_RESULT_INVALID, CODE_OUTPUT_TOO_LARGE, CODE_CRASHED,
        CODE_UNAVAILABLE.
        """
        mark = f"result-{secrets.token_hex(16)}:"
        start = {"python": _python, "javascript": _javascript}.get(language, _jinja)
        async with self._turns:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="workflow-code-"))
            try:
                ended = await start(_Task(folder, language, code, items, each, mark, timeout, memory, inputs or {}))
            except OSError as error:
                raise NodeFailure(
                    "CODE_UNAVAILABLE", f"the sandbox can not be started: {error}", hint="see the server's installation"
                ) from error
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return _outcome(ended, mark, timeout, memory)


async def _python(task: _Task) -> process.Ended:
    file = task.folder / "program.py"
    items, inputs = json.dumps(task.items).decode(), json.dumps(task.inputs).decode()
    text = program.whole(task.code, items, inputs, each=task.each, mark=task.mark)
    await asyncio.to_thread(file.write_text, text, encoding="utf-8")
    limits = ["--max-feed-duration", str(task.timeout), "--max-memory", f"{task.memory * MIB_KIB * 1024}"]
    sleep = ["--max-total-sleep", str(task.timeout), "--max-sleep", "inf"]
    monty = _binary("monty")
    return await task.run(
        [monty, *limits, *sleep, str(file)],
        (Path(monty),),
        {},
        stdin=b"",
        # The interpreter counts its own heap; the system's limit stands behind, parsing included.
        data_kib=(128 + 2 * task.memory) * MIB_KIB,
        timeout=task.timeout + GRACE,
    )


async def _javascript(task: _Task) -> process.Ended:
    # No --allow-*: every file, address, variable and program is refused, and nobody is asked.
    flags = ["--no-prompt", "--no-remote", "--no-npm", "--no-config", "--no-lock", "--quiet"]
    heap = f"--v8-flags=--single-threaded,--max-old-space-size={task.memory}"
    deno = _binary("deno")
    return await task.run(
        [deno, "run", *flags, heap, str(_HARNESS)],
        (Path(deno), _HARNESS),
        {"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", "DENO_DIR": "/dev/null/none"},
        stdin=task.written(),
        # Deno maps about 560 MiB that it hardly touches, and a stack for each core; what is outside of the heap,
        # such as an ArrayBuffer, counts against the rest.
        data_kib=(704 + 8 * (os.cpu_count() or 1) + task.memory) * MIB_KIB,
        timeout=task.timeout,
    )


async def _jinja(task: _Task) -> process.Ended:
    found = (find_spec(name) for name in ("jinja2", "markupsafe"))
    libraries = sorted({str(Path(spec.origin).parent.parent) for spec in found if spec and spec.origin})
    python = Path(sys.executable)
    return await task.run(
        [str(python), "-I", "-S", "-B", str(_RENDER), os.pathsep.join(libraries)],
        (Path(sys.base_prefix), Path(sys.prefix), *map(Path, libraries), _RENDER),
        {},
        stdin=task.written(html=task.language == "jinja-html"),
        data_kib=(64 + task.memory) * MIB_KIB,
        timeout=task.timeout,
    )


def _binary(name: str) -> str:
    """Raises FileNotFoundError."""
    beside = Path(sysconfig.get_path("scripts")) / name
    if beside.is_file():
        return str(beside)
    if found := shutil.which(name):
        return found
    raise FileNotFoundError(f"there is no program {name!r}")


def _outcome(ended: process.Ended, mark: str, timeout: float, memory: int) -> Any:
    if ended.timed_out:
        raise _too_slow(timeout)
    if ended.overflowed:
        raise NodeFailure(
            "CODE_OUTPUT_TOO_LARGE",
            f"the code wrote more than {RESULT_BYTES // 1024**2} MiB, printed text and result together",
            field="code",
            hint="print less, or return less: split the items before this node",
        )
    _, found, rest = ended.stdout.rpartition(b"\n" + mark.encode())
    if not found:
        raise _without_outcome(ended, timeout, memory)
    try:
        said = json.loads(rest.partition(b"\n")[0])
    except ValueError as error:
        raise _not_json(str(error)) from None
    if not isinstance(said, dict):
        raise _not_json("it is cut off")
    match said.get("error"):
        case {"message": str(message)} if "Array buffer allocation failed" in message:
            raise _too_large(memory)
        case {"message": str(message), "line": int(line)}:
            raise _failed(message, line)
        case None:
            pass
        case _:
            raise _not_json("it is cut off")
    if "unserialisable" in said:
        raise _not_json(str(said["unserialisable"]))
    return said.get("value")


def _without_outcome(ended: process.Ended, timeout: float, memory: int) -> NodeFailure:
    text = ended.stderr.decode(errors="replace").rstrip()
    last = re.sub(r"^\d\S* \S error: ", "", text.rpartition("\n")[2].strip())
    if last.startswith(("TimeoutError: feed time limit", "TimeoutError: sleep limit")):
        return _too_slow(timeout)
    if last.startswith("MemoryError") or (ended.status not in range(128) and _OUT_OF_MEMORY.search(text)):
        return _too_large(memory)
    lines = [int(number) for number in _FRAME.findall(text)]
    if lines and re.match(r"\w+(: |$)", last):
        # The innermost line that is the user's; ours stand around.
        return _failed(last, lines[-1] - program.LINES_BEFORE)
    return NodeFailure(
        "CODE_CRASHED",
        f"the code ended without a result (status {ended.status}){': ' + last[:500] if last else ''}",
        field="code",
        hint="return a value; do not end the process, and await nothing that never comes",
    )


def _failed(message: str, line: int) -> NodeFailure:
    place = f"line {line}: " if line > 0 else ""
    hint = "correct the code, or handle this case in it"
    if any(word in message for word in ("NotCapable", "Requires ", "PermissionError", "is not supported in this env")):
        hint = "user code has no files, network or environment; get data with another node and pass it in as items"
    elif "NotImplementedError" in message or "ModuleNotFoundError" in message:
        hint = "the Python of this node is a subset, without packages; write it otherwise, or in JavaScript"
    return NodeFailure(
        "CODE_FAILED", place + message[:2000], field="code", hint=hint, details={"line": line} if line > 0 else {}
    )


def _too_slow(timeout: float) -> NodeFailure:
    return NodeFailure(
        "CODE_TIMEOUT",
        f"the code ran longer than {timeout:g} s and was stopped",
        field="code",
        hint="look for a loop that does not end; raise `timeout`, or split the items before this node",
    )


def _too_large(memory: int) -> NodeFailure:
    return NodeFailure(
        "CODE_MEMORY",
        f"the code needs more than {memory} MiB of memory",
        field="memory_mib",
        hint="raise memory_mib, or split the items before this node",
    )


def _not_json(why: str) -> NodeFailure:
    return NodeFailure(
        "CODE_RESULT_INVALID",
        f"what the code returned is no JSON: {why[:500]}",
        field="code",
        hint="return objects, lists, text, finite numbers, booleans and null, without cycles and not nested deeply",
    )
