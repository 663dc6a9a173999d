"""User code in another process: Python through Monty, JavaScript through Deno; see docs/decisions/0010."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.sandbox import process, program
from workflow_engine.utils import json

RESULT_BYTES = 8 * 1024 * 1024
"""Everything that a program may write, its result included."""
GRACE = 0.5
"""Seconds that an interpreter has to report its own time limit before it is killed."""
MIB_KIB = 1024
_HARNESS = Path(__file__).with_name("harness.mjs")
_FRAME = re.compile(r'File "[^"\n]*program\.py", line (\d+)')

_OUT_OF_MEMORY = re.compile("out of memory|heap limit|memory allocation of")


class ProcessSandbox:
    """Runs programs, each in a process of its own, at most `concurrency` at once; the others wait."""

    def __init__(self, concurrency: int | None = None) -> None:
        self._turns = asyncio.Semaphore(concurrency or max(2, os.cpu_count() or 2))

    async def run(
        self, language: str, code: str, items: list[dict[str, Any]], *, each: bool, timeout: float, memory: int
    ) -> Any:
        """What the code returned, as plain JSON values; a list of one value for each item when `each` is set.

        `timeout` in seconds, `memory` in MiB. Raises NodeFailure CODE_FAILED, CODE_TIMEOUT, CODE_MEMORY,
        CODE_RESULT_INVALID, CODE_OUTPUT_TOO_LARGE, CODE_CRASHED, CODE_UNAVAILABLE.
        """
        mark = f"result-{secrets.token_hex(16)}:"
        async with self._turns:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="workflow-code-"))
            try:
                start = self._python if language == "python" else self._javascript
                ended = await start(folder, code, items, each, mark, timeout, memory)
            except OSError as error:
                raise NodeFailure(
                    "CODE_UNAVAILABLE", f"the sandbox can not be started: {error}", hint="see the server's installation"
                ) from error
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return _outcome(ended, mark, timeout, memory)

    async def _python(
        self, folder: Path, code: str, items: list[dict[str, Any]], each: bool, mark: str, timeout: float, memory: int
    ) -> process.Ended:
        file = folder / "program.py"
        text = program.whole(code, json.dumps(items).decode(), each=each, mark=mark)
        await asyncio.to_thread(file.write_text, text, encoding="utf-8")
        limits = ["--max-feed-duration", str(timeout), "--max-memory", f"{memory * MIB_KIB * 1024}"]
        sleep = ["--max-total-sleep", str(timeout), "--max-sleep", "inf"]
        return await process.run(
            [_binary("monty"), *limits, *sleep, str(file)],
            stdin=b"",
            folder=folder,
            environment={},
            # The interpreter counts its own heap; the system's limit stands behind, parsing included.
            data_kib=(128 + 2 * memory) * MIB_KIB,
            timeout=timeout + GRACE,
            stdout_bytes=RESULT_BYTES,
        )

    async def _javascript(
        self, folder: Path, code: str, items: list[dict[str, Any]], each: bool, mark: str, timeout: float, memory: int
    ) -> process.Ended:
        # No --allow-*: every file, address, variable and program is refused, and nobody is asked.
        flags = ["--no-prompt", "--no-remote", "--no-npm", "--no-config", "--no-lock", "--quiet"]
        heap = f"--v8-flags=--single-threaded,--max-old-space-size={memory}"
        return await process.run(
            [_binary("deno"), "run", *flags, heap, str(_HARNESS)],
            stdin=json.dumps({"code": code, "items": items, "each": each, "mark": mark}),
            folder=folder,
            environment={"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", "DENO_DIR": "/dev/null/none"},
            # Deno maps about 560 MiB that it hardly touches, and a stack for each core; what is outside of the heap,
            # such as an ArrayBuffer, counts against the rest.
            data_kib=(704 + 8 * (os.cpu_count() or 1) + memory) * MIB_KIB,
            timeout=timeout,
            stdout_bytes=RESULT_BYTES,
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
    if last.startswith("MemoryError") or (ended.status < 0 and _OUT_OF_MEMORY.search(text)):
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
