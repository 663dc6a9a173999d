"""What expressions can call, one file for each subject; each function beside its signature and an example that is true.

The words in a signature are kinds: any, bool, bytes, duration, int, list, map, maybe (an optional), number (int
or double), text, time, type, uint; `math.`, `base64.` and `optional.` are namespaces. The library declares the
functions marked `standard` itself. Every function pays for the data that it touches (`spend`)
and for what it makes (`build`).
"""

from __future__ import annotations

from workflow_engine.engine.expressions.functions import (
    conversions,
    encodings,
    lists,
    numbers,
    optionals,
    patterns,
    texts,
    times,
)
from workflow_engine.engine.expressions.functions.table import TABLE, Function

__all__ = ["FUNCTIONS", "SUBJECTS", "TABLE", "Function"]

SUBJECTS = (texts, patterns, encodings, lists, numbers, times, conversions, optionals)
"""Importing one puts its functions into the table."""

FUNCTIONS: dict[tuple[str, bool], Function] = {
    (each.name, signature.is_member): each for each in TABLE for signature in each.signatures
}
"""By name, and by whether it is written after a dot."""
