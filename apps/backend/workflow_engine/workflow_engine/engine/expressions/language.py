"""One CEL expression: compiled once, bounded at save by its shape and at run by an iteration budget.

The binding stops runaway comprehensions and deep nesting by itself. What it does not stop is growth by copying,
`list.map(x, x + x)` ten times over; so an expression whose copies could multiply beyond `MOST_GROWTH` is refused when it
is compiled.
"""

from __future__ import annotations

import difflib
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_encoders, ext_math, ext_optional

from workflow_engine.engine.expressions.functions import NAMES, declarations

LONGEST = 4_096
"""Characters in one expression."""
MOST_JOINS = 64
"""`+` in one expression."""
MOST_GROWTH = 64
"""How often the loop variables of one expression may multiply what they hold."""

VARIABLES = ("json", "item", "items", "node", "vars", "execution", "workflow", "now", "run")

_STRING = r"""[rRbB]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
_STRINGS = re.compile(_STRING, re.DOTALL)
_NODE_LITERAL = re.compile(rf"\s*\[\s*({_STRING})\s*\]|\s*\.\s*([A-Za-z_]\w*)", re.DOTALL)
_NODE = re.compile(r"(?<![\w.])node(?!\w)")
_IDENTIFIER = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_MACRO = re.compile(r"\.\s*(?:map|filter|all|exists|exists_one|existsOne)\s*\(\s*([A-Za-z_]\w*)\s*,")
_PATH = re.compile(r"(json|item|vars|execution|workflow|run)((?:\.[A-Za-z_]\w*)*)")
_N8N = re.compile(
    rf"(?P<text>{_STRING})"
    r"|\$\(\s*(?P<name>'[^'\\\n]*'|\"[^\"\\\n]*\")\s*\)(?P<of>\s*\.\s*(?:all|first|item)(?:\(\s*\))?)?"
    r"|\$input\s*\.\s*(?P<input>all\(\s*\)|first\(\s*\)|item)"
    r"|\$(?P<word>json|node|items|item|now|vars|execution|workflow|run)\b(?:\(\s*\))?",
    re.DOTALL,
)
_POSITION = re.compile(r"<input>:(-?\d+):(-?\d+): (.*?)(?:\n|$)")


class LanguageError(Exception):
    """What is wrong with one expression, and where in it (characters from its start)."""

    def __init__(self, message: str, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.offset, self.hint = message, offset, hint


@cache
def environment() -> cel.Env:
    kinds = dict.fromkeys(VARIABLES, cel.Type.DYN) | {"now": cel.Type.TIMESTAMP}
    return cel.NewEnv(
        variables=kinds,
        functions=declarations(),
        extensions=[ext_math.ExtMath(), ext_optional.ExtOptional(), ext_encoders.ExtEncoders()],
    )


def spelled(source: str) -> str:
    """`source` with n8n's spellings in ours, keeping every other character in its place where that is possible."""

    def ours(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match["text"]
        if match["name"] is not None:
            of = re.sub(r"[\s()]", "", match["of"] or "")
            return f"node[{match['name']}]" + {".all": ".items", ".first": ".items[0]", ".item": ".item"}.get(of, "")
        if match["input"] is not None:
            word = match["input"].rstrip("() ")
            return {"all": "items", "first": "items[0]", "item": "item"}[word].rjust(len(match[0]))
        return match["word"].rjust(len(match[0]))

    return _N8N.sub(ours, source)


class Program:
    """A compiled expression."""

    __slots__ = ("_expression", "_path", "names", "nodes", "source")

    def __init__(self, source: str) -> None:
        """Raises LanguageError."""
        if len(source) > LONGEST:
            raise LanguageError(
                f"the expression has {len(source)} characters; {LONGEST} are allowed",
                hint="prepare the value in a set or transform node, or in run_code",
            )
        self.source = ours = spelled(source)
        bare = _STRINGS.sub(lambda match: '"' + " " * (len(match[0]) - 2) + '"', ours)
        if not bare.strip():
            raise LanguageError("the expression is empty", hint="write something between {{ and }}, or remove them")
        self.names = frozenset(_IDENTIFIER.findall(bare)) & frozenset(VARIABLES)
        self.nodes = frozenset(_nodes(ours, bare))
        _bound(bare)
        path = _PATH.fullmatch(ours.strip())
        self._path = (path[1], *[part for part in path[2].split(".") if part]) if path else None
        try:
            self._expression = environment().compile(ours)
        except RuntimeError as error:
            raise _compile_error(str(error), ours) from None

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The plain JSON value, from the variables that `names` lists. Raises LanguageError."""
        if self._path is not None:
            found, value = _walk(values, self._path)
            if found:
                return value
        try:
            result = self._expression.eval(data={name: values[name] for name in self.names})
            value = result.plain_value()
        except RuntimeError as error:
            raise _run_error(str(error), values) from None
        except TypeError:
            raise LanguageError("the result is an optional", hint="end it with .orValue(...)") from None
        if result.type() == cel.Type.ERROR:
            raise _run_error(str(value), values)
        return plain(value)


@lru_cache(maxsize=8_192)
def program(source: str) -> Program:
    """`Program(source)`, kept for the next time."""
    return Program(source)


def plain(value: Any) -> Any:
    """A CEL result as JSON: times as ISO 8601, durations in seconds, bytes in base64."""
    match value:
        case dict():
            return {str(key): plain(each) for key, each in value.items()}
        case list():
            return [plain(each) for each in value]
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray():
            return b64encode(value).decode()
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _walk(values: Mapping[str, Any], path: tuple[str, ...]) -> tuple[bool, Any]:
    """The value at a plain path of maps, without taking a whole item through CEL; the same answer, but quicker."""
    value = values[path[0]]
    for part in path[1:]:
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _nodes(source: str, bare: str) -> list[str]:
    names: list[str] = []
    for match in _NODE.finditer(bare):
        literal = _NODE_LITERAL.match(source, match.end())
        if literal is None:
            raise LanguageError(
                "a node must be named in the expression itself",
                match.start(),
                'write node["Name"].json, so that it is known before the run what has to come first',
            )
        names.append(literal[2] if literal[2] is not None else _unquoted(literal[1]))
    return names


def _unquoted(literal: str) -> str:
    return str(environment().compile(literal).eval(data={}).plain_value())


def _bound(bare: str) -> None:
    if (joins := bare.count("+")) > MOST_JOINS:
        raise LanguageError(f"the expression has {joins} times '+'; {MOST_JOINS} are allowed", hint="use join()")
    growth = 1
    for macro in _MACRO.finditer(bare):
        variable = macro[1]
        body = _body(bare, macro.end())
        growth *= max(len(re.findall(rf"(?<![\w.]){variable}(?![\w.(\[])", body)), 1)
        if growth > MOST_GROWTH:
            raise LanguageError(
                "the expression copies its data too often", macro.start(), "split it over several set nodes"
            )


def _body(bare: str, start: int) -> str:
    depth = 1
    for position in range(start, len(bare)):
        depth += (bare[position] in "([{") - (bare[position] in ")]}")
        if not depth:
            return bare[start:position]
    return bare[start:]


def _compile_error(text: str, source: str) -> LanguageError:
    found = _POSITION.search(text)
    if "recursion" in text:
        return LanguageError("the expression is nested too deeply", hint="split it over several set nodes")
    if found is None:
        return LanguageError(text.removesuffix("[INVALID_ARGUMENT]").strip())
    line, column, message = int(found[1]), int(found[2]), found[3].strip()
    lines = source.splitlines(keepends=True) or [""]
    offset = sum(map(len, lines[: max(line - 1, 0)])) + max(column - 1, 0)
    hint = ""
    if unknown := re.search(r"undeclared reference to '([^']+)'", message):
        name = unknown[1]
        offset_name = source.find(name, max(offset - len(name) - 1, 0))
        offset = offset_name if offset_name >= 0 else offset
        message = f"there is no variable or function {name!r}"
        near = difflib.get_close_matches(name, [*VARIABLES, *NAMES], n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(VARIABLES)}"
    elif "_+_" in message or "overload" in message:
        hint = "numbers mix only after conversion: double(json.count) * 1.5; texts join after toText(value)"
    return LanguageError(message.removesuffix("[INVALID_ARGUMENT]").strip(), min(offset, len(source)), hint)


def _run_error(text: str, values: Mapping[str, Any]) -> LanguageError:
    message = re.sub(r"^[A-Z_]+: ", "", text.split("\n")[0]).removesuffix("[INTERNAL]").strip()
    if missing := re.search(r'Key not found in map : "(.*)"', message):
        known = sorted(str(key) for key in (values.get("json") or {}))
        near = difflib.get_close_matches(missing[1], known, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"json has {', '.join(known[:12]) or 'no keys'}"
        return LanguageError(
            f"there is no key {missing[1]!r}", hint=f"{hint}; where it may be absent, ask has(...) first"
        )
    if "Iteration budget" in message:
        return LanguageError("the expression runs over too many elements", hint="use a filter, aggregate or split node")
    if "No matching overloads" in message:
        kinds = message.partition(":")[2].strip()
        return LanguageError(
            f"these types do not go together: {kinds}",
            hint="convert first: double(x), int(x), string(x), toText(x), text.toNumber()",
        )
    if "Index error" in message:
        return LanguageError("the list is shorter than that: " + message.removeprefix("Index error: "))
    return LanguageError(message)
