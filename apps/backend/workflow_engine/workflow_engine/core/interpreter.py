"""Python's own settings, for a process that does nothing but serve. A host that embeds the engine may use them too."""

from __future__ import annotations

import gc
import sys

NEW = 50_000
"""Objects made and not yet freed, after which the youngest are searched for garbage."""
YOUNG = 20
"""Searches of the youngest for one of those that survived it."""
OLD = 20
"""Of those for one of all."""
TURN = 0.000_5
"""Seconds that a thread may go on while another one waits for its turn."""


def tune() -> None:
    """Call it once everything is imported.

    By default Python looks for garbage in cycles after every 700 new objects. That took a third of the engine's time,
    for executions come and go by the thousand, and hardly anything that they leave behind is in a cycle. And a
    thread that has come back from the disk waits 5 ms until a busy event loop lets it go on, which is the time of ten
    commits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW, YOUNG, OLD)
    sys.setswitchinterval(TURN)
