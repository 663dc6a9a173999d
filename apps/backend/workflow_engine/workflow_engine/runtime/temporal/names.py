"""Names that stand in Temporal's histories. None of them may ever change its meaning."""

from __future__ import annotations

from datetime import timedelta

TASK_QUEUE = "workflow-engine"

EXECUTION, GATE_KEEPER = "Execution", "Gate"
"""Workflows."""
EVENTS, ADMITTED, ENTER, LEAVE = "events", "admitted", "enter", "leave"
"""Signals."""
SEND = "send"
"""An update."""
ATTEMPT, JOURNAL, PUBLISHED, GATE, GONE = "attempt", "journal", "published", "gate", "gone"
"""Activities."""
NOT_PERFORMED, ENDED = "NOT_PERFORMED", "ENDED"
"""Types of failures: an attempt that had not begun; an execution that has ended."""

HEARTBEAT = timedelta(seconds=10)
"""After such a silence a worker is taken for dead, and its attempts for lost."""
