"""A Python program as a whole file: the user's lines as the body of a function, so that `return` has a meaning."""

from __future__ import annotations

import io
import tokenize
from functools import lru_cache

LINES_BEFORE = 2
"""Lines of ours above the user's first one."""

_HEAD = "import json as _json\ndef _program(items, item, inputs):\n"
_TAIL = """
def _outcome():
    items = _json.loads({items})
    inputs = _json.loads({inputs})
    if {each}:
        value = [_program(items, item, inputs) for item in items]
    else:
        value = _program(items, items[0] if items else None, inputs)
    try:
        return _json.dumps({{"value": value}})
    except (TypeError, ValueError, RecursionError) as error:
        return _json.dumps({{"unserialisable": str(error)}})
print("\\n" + {mark} + _outcome())
"""


def whole(code: str, items: str, inputs: str, *, each: bool, mark: str) -> str:
    """The file to run. `items` and `inputs` are JSON text; the outcome is printed on a line that begins with `mark`."""
    tail = _TAIL.format(items=repr(items), inputs=repr(inputs), each=each, mark=repr(mark))
    return f"{_HEAD}{indented(code)}\n pass\n{tail}"


@lru_cache(maxsize=256)
def indented(code: str) -> str:
    """The code one blank to the right, but for what stands inside of strings of several lines."""
    lines = code.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    inside = _inside_strings("\n".join(lines))
    return "\n".join(line if number in inside else f" {line}" for number, line in enumerate(lines, 1))


def _inside_strings(code: str) -> set[int]:
    inside: set[int] = set()
    opened: list[int] = []
    # Code that is no Python is refused by the interpreter, in its own words.
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            name = tokenize.tok_name[token.type]
            if name == "STRING":
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
            elif name == "FSTRING_START":  # from Python 3.12 on, an f-string is several tokens
                opened.append(token.start[0])
            elif name == "FSTRING_END" and opened:
                inside.update(range(opened.pop() + 1, token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):
        pass
    return inside
