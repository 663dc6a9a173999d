"""When Python looks for garbage in cycles. By default it looks after every 700 new objects, which took a third of the
engine's time: executions come and go by the thousand, and hardly anything that they leave behind is in a cycle.
"""

from __future__ import annotations

import gc

NEW = 50_000
"""Objects made and not yet freed, after which the youngest are looked through."""
YOUNG = 20
"""Looks at the youngest for one at those that survived it."""
OLD = 20
"""Of those for one at all."""


def rarely() -> None:
    """For a process that serves: what is loaded by now stays, and the rest is looked through less often.

    Call it once everything is imported. A host that embeds the engine may do the same.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW, YOUNG, OLD)
