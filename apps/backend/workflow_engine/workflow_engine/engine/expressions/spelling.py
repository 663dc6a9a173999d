"""Where expressions stand in text, and n8n's spellings of ours.

Both look at tokens, so that braces and dollars inside strings and comments mean nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

LONGEST = 4_096
"""Characters in one expression."""

# Possessive, so that a quote without its partner costs one look, not a search.
STRING = (
    r"(?:[rR][bB]?|[bB][rR])(?:'''.*?'''|\"\"\".*?\"\"\"|'[^'\n]*+'|\"[^\"\n]*+\")"
    r"|[bB]?(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*+'|\"(?:\\.|[^\"\\\n])*+\")"
)
_TOKEN = re.compile(rf"\b(?:{STRING})|{STRING}|//[^\n]*+|[{{}}]", re.DOTALL)
_N8N = re.compile(
    rf"(?P<skip>\b(?:{STRING})|{STRING}|//[^\n]*+)"
    r"|\$(?P<call>items)?\(\s*(?P<name>'[^'\\\n]*+'|\"[^\"\\\n]*+\")\s*\)(?:\s*\.\s*(?P<of>all|first|last)\(\s*\))?"
    r"|\$input\s*\.\s*(?P<input>all\(\s*\)|first\(\s*\)|last\(\s*\)|item\b)"
    r"|\$fromAI\(\s*(?P<ai>'[^'\\\n]*+'|\"[^\"\\\n]*+\")[^()]*+\)"
    r"|\$(?P<items>items)\(\s*\)"
    r"|\$(?P<word>json|node|items|item|now|vars|execution|workflow|run|itemIndex)\b",
    re.DOTALL,
)
_OF = {"all": ".items", "first": ".items[0]", "last": ".items.last()"}
_INPUT = {"all": "items", "first": "items[0]", "last": "items.last()", "item": "item"}


def end_of(template: str, start: int) -> int:
    """Where the `}}` stands that closes the expression that begins at `start`; -1 when there is none in reach."""
    depth = 0
    for token in _TOKEN.finditer(template, start, start + LONGEST + 2):
        if token[0] == "{":
            depth += 1
        elif token[0] == "}":
            if not depth and template.startswith("}}", token.start()):
                return token.start()
            depth -= 1
    return -1


@dataclass(frozen=True, slots=True)
class Spelled:
    """An expression in our spelling, and the way back to what was written."""

    text: str
    ours: tuple[int, ...] = ()
    """Ends of rewritten places in `text`, ascending."""
    theirs: tuple[int, ...] = ()
    """The same places in what was written."""

    def written(self, offset: int) -> int:
        """Where a character of `text` stood."""
        before = bisect_right(self.ours, offset) - 1
        return offset if before < 0 else self.theirs[before] + offset - self.ours[before]


def spelled(source: str) -> Spelled:
    """`source` with n8n's `$json`, `$node["X"]`, `$('X').first()` and the like in our spelling."""
    if "$" not in source:
        return Spelled(source)
    parts: list[str] = []
    ours: list[int] = []
    theirs: list[int] = []
    length = position = 0
    for match in _N8N.finditer(source):
        if match["skip"] is not None:
            continue
        for part in (source[position : match.start()], _ours(match)):
            parts.append(part)
            length += len(part)
            ours.append(length)
        theirs += [match.start(), match.end()]
        position = match.end()
    parts.append(source[position:])
    return Spelled("".join(parts), tuple(ours), tuple(theirs))


def _ours(match: re.Match[str]) -> str:
    if match["name"]:
        return f"node[{match['name']}]" + (".items" if match["call"] else _OF.get(match["of"] or "", ""))
    if match["input"]:
        return _INPUT[match["input"].rstrip("() \t\n")]
    if match["ai"]:
        return f"from_ai[{match['ai']}]"
    if match["items"]:
        return "items"
    return "run.item_index" if match["word"] == "itemIndex" else str(match["word"])
