"""Regular expressions: what of them can be said in another way."""

from __future__ import annotations

import re

_GROUP = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\((?!\?)")
_AROUND = re.compile(r"(?<!\\)\(\?<?[=!]|(?<!\\)\\[1-9]")


def looks_around(pattern: str) -> bool:
    """Whether it looks ahead or behind, or at what a group held: RE2 can not."""
    return _AROUND.search(pattern) is not None


def one_group(pattern: str, wanted: int) -> str | None:
    """A regular expression that keeps one of its groups, or none for 0; None when there is no such group."""
    seen = 0

    def kept(match: re.Match[str]) -> str:
        nonlocal seen
        if match[0] != "(":
            return match[0]
        seen += 1
        return "(" if seen == wanted else "(?:"

    made = _GROUP.sub(kept, pattern)
    return made if wanted <= seen else None


def literal_of(pattern: str) -> str | None:
    """The one text that a regular expression finds; None when there are several."""
    said, position = "", 0
    while position < len(pattern):
        sign = pattern[position]
        if sign == "\\" and position + 1 < len(pattern):
            position += 1
            escaped = pattern[position]
            if escaped.isalnum() and escaped not in "nrt":
                return None
            said += {"n": "\n", "r": "\r", "t": "\t"}.get(escaped, escaped)
        elif sign in ".^$*+?()[]{}|":
            return None
        else:
            said += sign
        position += 1
    return said
