"""action.execute: a program of this machine."""

from __future__ import annotations

import mimetypes
from typing import Any, Literal

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.body import required, stored
from workflow_engine.nodes.action.http.text import Scalar, text
from workflow_engine.nodes.spec import (
    Call,
    Effect,
    Json,
    Node,
    NodeFailure,
    Parameters,
    Result,
    Shape,
    emit,
)
from workflow_engine.utils import json

MAX_STDIN = 64 << 20


class ExecuteParameters(Parameters):
    command: str = Field(pattern=r"^[^/\x00\s]+$", max_length=255)
    """The name of a program that the operator has allowed, e.g. `jq`."""
    arguments: list[Scalar] = Field(default=[], max_length=1000)
    """Its arguments. No shell sees them: each one arrives as it is."""
    stdin: Json = None
    """What it reads: text as it is, anything else as JSON."""
    binary: str | None = None
    """Let it read the bytes of this binary slot instead."""
    output: Literal["text", "json", "binary"] = "text"
    """How what it writes is read; binary data is put into slot `data`."""
    file_name: str = Field(default="", max_length=255)
    """For binary output."""
    check: bool = True
    """Fail when it ends with another status than 0."""
    idempotent: bool = False
    """Running it twice does no harm; otherwise it is run at most once."""
    timeout_seconds: float = Field(default=30, gt=0, le=3600)
    """When it is stopped."""


class Execute(Node[ExecuteParameters]):
    """Runs a program that the operator has allowed (EXECUTE_ALLOW), once for each item.

    There is no shell, so nothing in an argument has a meaning but to the program itself; allow none that would run its
    arguments, such as `sh`, `env` or `find`. It starts in an empty folder that is removed afterwards, without the
    server's environment, and is stopped, with all it started, after `timeout_seconds`, at 8 MiB of output, and when
    the execution is cancelled. It may have 2 GiB of memory. It runs as the server's user, with that user's rights to
    files and the network: this is a way for trusted programs, not a sandbox.

    Gives `status`, `stdout` and `stderr`.
    """

    type = "action.execute"
    summary = "Runs a program that the operator has allowed."
    example = {"command": "jq", "arguments": ["-r", ".name"], "stdin": "{{ json }}"}
    effect = Effect.AT_MOST_ONCE

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return self.shaped(effect=Effect.IDEMPOTENT if parameters.get("idempotent") is True else Effect.AT_MOST_ONCE)

    async def run(self, call: Call[ExecuteParameters]) -> Result:
        parameters, context = call.parameters, call.context
        if context.commands is None:
            raise NodeFailure("COMMAND_REFUSED", "this host runs no programs", hint="give its Context commands")
        ended = await context.commands.run(
            parameters.command,
            [text(each) for each in parameters.arguments],
            stdin=await _stdin(call),
            timeout=parameters.timeout_seconds,
        )
        stderr = ended.stderr.decode(errors="replace")
        if ended.status and parameters.check:
            raise NodeFailure(
                "COMMAND_FAILED",
                f"{parameters.command} ended with status {ended.status}: {stderr.strip()[-500:] or 'it says nothing'}",
                field="arguments",
                hint="correct the arguments, or set check to false to go on with what it wrote",
                details={"status": ended.status, "stderr": stderr[-4000:]},
            )
        told: dict[str, Json] = {"status": ended.status, "stderr": stderr}
        match parameters.output:
            case "text":
                return emit({**told, "stdout": ended.stdout.decode(errors="replace")})
            case "json":
                return emit({**told, "stdout": _json(ended.stdout, parameters.command)})
            case "binary":
                name = parameters.file_name or "output"
                media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
                ref = await required(context.blobs).write(ended.stdout, media_type, name)
                return emit(Item({**told, "file_name": name, "size": ref.size}, {"data": ref}))


async def _stdin(call: Call[ExecuteParameters]) -> bytes:
    parameters = call.parameters
    if parameters.binary is None:
        if parameters.stdin is None:
            return b""
        return parameters.stdin.encode() if isinstance(parameters.stdin, str) else json.dumps(parameters.stdin)
    ref, blobs = stored(call.item, parameters.binary, call.context.blobs, "binary")
    if ref.size > MAX_STDIN:
        raise NodeFailure(
            "TOO_LARGE",
            f"{ref.file_name or 'the file'} has {ref.size:,} bytes; a program is given at most {MAX_STDIN:,}",
            field="binary",
        )
    return b"".join([chunk async for chunk in blobs.read(ref)])


def _json(data: bytes, command: str) -> Json:
    try:
        return json.loads(data)
    except ValueError as error:
        raise NodeFailure(
            "INVALID_DATA",
            f"{command} did not write JSON: {error}",
            field="output",
            hint="set output to text to look at it",
        ) from None
