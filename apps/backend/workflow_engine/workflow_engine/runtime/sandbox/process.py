"""One program in one process: an empty folder and environment, limits of the system, bounded output, a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

# A shell sets the limits and becomes the program, so that none of our code runs between fork and exec.
_LIMITED = 'ulimit -c 0; ulimit -f "$1"; ulimit -d "$0" || exit 125; shift; exec "$@"'
STDERR_BYTES = 64 * 1024
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    status: int
    """Exit status; negative for a signal."""
    stdout: bytes
    stderr: bytes
    """The last 64 KiB."""
    timed_out: bool = False
    overflowed: bool = False
    """It wrote more than it may, and was killed for it."""


async def run(
    command: list[str],
    *,
    stdin: bytes,
    folder: Path,
    environment: dict[str, str],
    data_kib: int,
    timeout: float,
    stdout_bytes: int,
    file_blocks: int = 0,
) -> Ended:
    """Runs `command` to its end and kills it at the latest after `timeout` seconds, with all it started.

    `data_kib` bounds the memory it may have for writing (RLIMIT_DATA, on Linux), `file_blocks` the size of a file that
    it writes, in blocks of 512 bytes. Raises OSError when it can not be started.
    """
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        _LIMITED,
        str(data_kib),
        str(file_blocks),
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    out, err = bytearray(), bytearray()
    timed_out = overflowed = False
    try:
        async with asyncio.timeout(timeout):
            feeding = asyncio.create_task(_feed(process.stdin, stdin))
            telling = asyncio.create_task(_tail(process.stderr, err))
            try:
                while chunk := await process.stdout.read(CHUNK):
                    out += chunk
                    if len(out) > stdout_bytes:
                        overflowed = True
                        break
                if not overflowed:
                    await asyncio.gather(feeding, telling)
                    await process.wait()
            finally:
                feeding.cancel()
                telling.cancel()
    except TimeoutError:
        timed_out = True
    finally:
        _kill(process)
        # What was not read keeps a pipe open, and so does a grandchild that has left the session. asyncio would wait
        # for both, and has no other word for this.
        process._transport.close()  # type: ignore[attr-defined]
        # A kill can not be refused, so this ends; it must, lest a zombie stays.
        await asyncio.shield(process.wait())
    return Ended(process.returncode or 0, bytes(out), bytes(err), timed_out, overflowed)


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    # A program may end, or crash, before it has read everything.
    with contextlib.suppress(ConnectionError):
        stream.write(data)
        await stream.drain()
    stream.close()


async def _tail(stream: asyncio.StreamReader, into: bytearray) -> None:
    while chunk := await stream.read(CHUNK):
        into += chunk
        del into[:-STDERR_BYTES]


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
