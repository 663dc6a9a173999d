"""Regular expressions, in RE2: they take time in proportion to the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from workflow_engine.engine.expressions.functions.common import shown
from workflow_engine.engine.expressions.functions.table import function
from workflow_engine.engine.expressions.values import ENTRY, Run, Trouble

MOST_PATTERN = 1_000
"""Characters in one regular expression."""
MOST_PROGRAM = 5_000
"""Instructions of one compiled regular expression: [a-z]{1000} has about so many."""


@function(
    "text.matches(text) -> bool",
    "matches(text, text) -> bool",
    example="'INV-0042'.matches('^INV-[0-9]+$')",
    standard=True,
)
def matches(run: Run, text: str, pattern: str) -> bool:
    """Whether a regular expression (RE2 syntax) is found in it; anchor it with ^ and $."""
    return _regex(run, text, pattern).search(text) is not None


@function("text.extract(text) -> list", example="'a=1, b=22'.extract('[0-9]+') == ['1', '22']")
def extract(run: Run, text: str, pattern: str) -> list[str]:
    """All places that a regular expression (RE2) matches; with one group, what the group holds."""
    compiled = _regex(run, text, pattern)
    if compiled.groups > 1:
        raise Trouble(f"the pattern has {compiled.groups} groups; one is enough", "write (?:...) for the others")
    found: list[str] = []
    for match in compiled.finditer(text):
        run.spend(50)
        run.build(ENTRY + match.end() - match.start())
        found.append(match.group(compiled.groups) or "")
    return found


@function("text.replaceMatches(text, text) -> text", example="'a1b22'.replaceMatches('[0-9]+', '#') == 'a#b#'")
def replace_matches(run: Run, text: str, pattern: str, new: str) -> str:
    """With every place that a regular expression (RE2) matches replaced by the new text as it stands."""
    compiled, parts, position = _regex(run, text, pattern), [], 0
    for match in compiled.finditer(text):
        run.spend(50)
        run.build(match.start() - position + len(new))
        parts += [text[position : match.start()], new]
        position = match.end()
    run.build(len(text) - position)
    return "".join([*parts, text[position:]])


def _regex(run: Run, text: str, pattern: str) -> Any:
    if pattern not in run.patterns:
        run.spend(4_000)  # compiling takes up to a millisecond
        run.patterns.add(pattern)
    compiled = _compiled(pattern)
    # RE2 takes time in proportion to the text; when its cache of states overflows, also to the program.
    run.spend(50 + (len(text) * min(compiled.programsize, 200) >> 6))
    run.build(len(text))
    return compiled


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    if len(pattern) > MOST_PATTERN:
        raise Trouble(f"the pattern has {len(pattern)} characters; {MOST_PATTERN} are allowed")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise Trouble(
            f"the pattern {shown(pattern)} is wrong: {reason}",
            "RE2 has no back references and no look-around",
        ) from None
    if compiled.programsize > MOST_PROGRAM:
        raise Trouble("the pattern is too large", "use smaller repeats than {1000}")
    return compiled
