"""Downloads a file and uploads it again, in a process of its own, and says how much memory that took.

python -m tests.nodes.action.big_binary http://127.0.0.1:8080 BYTES FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.nodes.action.world import world
from tests.nodes.harness import run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item

TYPE = "action.http_request"


def _peak() -> int:
    """Bytes; the most that was in memory since the last `_forget`. What getrusage tells may be the parent's."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _forget() -> None:
    """Lets the peak begin anew, at what is in memory now."""
    Path("/proc/self/clear_refs").write_text("5")


async def through(url: str, size: int, folder: Path) -> int:
    """The bytes that came down and went up again."""
    async with world(folder) as context:
        limits = {"timeout_seconds": 3600}
        drawn: dict[str, Any] = {"url": f"{url}/{size}", "response_format": "binary", **limits}
        event = await run_node(TYPE, drawn, context=context)
        assert isinstance(event, NodeSucceeded), event
        ref = event.outputs["main"][0].binary["data"]
        assert ref.size == size
        drawn = {"method": "PUT", "url": f"{url}/{size}", "body": {"kind": "binary"}, **limits}
        event = await run_node(TYPE, drawn, [Item({}, {"data": ref})], context=context)
        assert isinstance(event, NodeSucceeded), event
        return int(str(event.outputs["main"][0].json["received"]))


async def main(url: str, size: int, folder: Path) -> None:
    # A small file first, so that what is loaded once does not count.
    await through(url, 4 << 20, folder / "small")
    _forget()
    before = _peak()
    received = await through(url, size, folder / "large")
    print(json.dumps({"received": received, "before": before, "growth": _peak() - before}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
