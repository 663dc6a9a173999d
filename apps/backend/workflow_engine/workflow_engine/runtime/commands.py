"""Programs of this machine that workflows may run: those that the operator names, and no others."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from workflow_engine.nodes.context import CommandResult
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.sandbox import process

OUTPUT_BYTES = 8 << 20
MEMORY_KIB = 2 << 20
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


class AllowedCommands:
    """Implements `nodes.context.Commands`. `allow` holds absolute paths of programs.

    Raises ValueError for one that is not absolute: where it is found would depend on who starts the server.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._paths = {path.name: path for path in (Path(each) for each in allow)}
        if relative := [str(path) for path in self._paths.values() if not path.is_absolute()]:
            raise ValueError(f"EXECUTE_ALLOW: write the whole path of {', '.join(relative)}, as in /usr/bin/jq")

    async def run(self, command: str, arguments: list[str], *, stdin: bytes, timeout: float) -> CommandResult:
        path = self._paths.get(command)
        if path is None:
            raise NodeFailure(
                "COMMAND_REFUSED",
                f"{command!r} is not among the programs that workflows may run here",
                field="command",
                hint=f"there are {', '.join(sorted(self._paths))}"
                if self._paths
                else "the operator names programs in EXECUTE_ALLOW",
            )
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="workflow-execute-"))
        try:
            ended = await process.run(
                [str(path), *arguments],
                stdin=stdin,
                folder=folder,
                environment=_ENVIRONMENT | {"HOME": str(folder), "TMPDIR": str(folder)},
                data_kib=MEMORY_KIB,
                timeout=timeout,
                stdout_bytes=OUTPUT_BYTES,
                file_blocks=OUTPUT_BYTES // 512 * 8,
            )
        except (OSError, ValueError) as error:
            raise NodeFailure(
                "COMMAND_REFUSED", f"{path} can not be started: {error}", field="command", hint="ask the operator"
            ) from None
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if ended.timed_out:
            raise NodeFailure(
                "COMMAND_TIMEOUT",
                f"{command} ran longer than {timeout:g} s and was stopped",
                field="timeout_seconds",
                hint="raise timeout_seconds, or give it less to do",
            )
        if ended.overflowed:
            raise NodeFailure(
                "COMMAND_OUTPUT_TOO_LARGE",
                f"{command} wrote more than {OUTPUT_BYTES >> 20} MiB",
                field="arguments",
                hint="make it write less",
            )
        return CommandResult(ended.status, ended.stdout, ended.stderr)
