"""One CEL expression: parsed and type-checked once by the CEL library, then lowered to closures with a budget.

The library's own evaluator is not used, because it can not be bounded: it has a limit on loop turns but none on what it
builds, and it copies every value that it is given. See docs/decisions/0003-expressions.md for the measurements.
"""

from __future__ import annotations

import difflib
import re
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional
from google.protobuf.message import DecodeError

from workflow_engine.engine.expressions import functions, syntax
from workflow_engine.engine.expressions.lower import Lowering, Refused
from workflow_engine.engine.expressions.spelling import LONGEST, STRING, Spelled, spelled
from workflow_engine.engine.expressions.values import Absent, Exhausted, Run, Trouble, plain

VARIABLES = ("json", "item", "items", "node", "vars", "execution", "workflow", "now", "run", "from_ai")
MACROS = ("all", "exists", "exists_one", "existsOne", "filter", "map", "has", "default", "orElse")

_T = cel.Type
_KINDS = {
    "any": _T.DYN,
    "bool": _T.BOOL,
    "bytes": _T.BYTES,
    "duration": _T.DURATION,
    "int": _T.INT,
    "list": _T.List(_T.DYN),
    "map": _T.Map(_T.DYN, _T.DYN),
    "number": _T.DYN,
    "text": _T.STRING,
    "time": _T.TIMESTAMP,
}
_QUOTED = re.compile(rf"\b(?:{STRING})|{STRING}|//[^\n]*", re.DOTALL)
_DOUBLING = re.compile(r"\b(opt(?:Flat)?Map)\s*\(")
_JSON_TYPES = frozenset({type(None), bool, int, str, list, dict})
_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_NO_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '([^\n]*?)'(?: \[|$)")
# What the checker refuses although JSON's one kind of number makes it plain what is meant.
_MIXED_NUMBERS = frozenset({"_+_", "_-_", "_*_", "_/_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"})
_ELSEWHERE = {
    "charAt": "text.substring(0, 1)",
    "concat": "a + b",
    "every": "all",
    "find": "list.filter(x, ...).first()",
    "forEach": "map",
    "includes": "text.contains(part), or x in list",
    "isEmpty": "size(value) == 0",
    "isNotEmpty": "size(value) > 0",
    "lastIndexOf": "text.split(part).last()",
    "length": "size",
    "lowerAscii": "lower",
    "parseFloat": "double",
    "parseInt": "int",
    "push": "list + [x]",
    "reduce": "list.sum()",
    "some": "exists",
    "toDate": "parseTime",
    "toFixed": "round(number, 2)",
    "toISOString": "string(time)",
    "toISO": "string(time)",
    "toFormat": "time.format('%Y-%m-%d')",
    "toLowerCase": "lower",
    "toString": "string",
    "toUpperCase": "upper",
    "upperAscii": "upper",
    "undefined": "default(json.a, value), or has(json.a)",
}
_FOREIGN_SIGNS = {
    "===": "write ==",
    "!==": "write !=",
    "??": "write default(json.a, value)",
    "?.": "write json.?a.orValue(value), or default(json.a.b, value)",
    "=>": "write list.map(x, x.id), with the name and the expression as two arguments",
    "`": "write 'text', or put the expression inside text: Hello {{ json.name }}",
    "${": "put the expression inside text: Hello {{ json.name }}",
}


class LanguageError(Exception):
    """What is wrong with one expression, and where in it (characters from its start)."""

    def __init__(self, message: str, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.offset, self.hint = message, offset, hint


class Program:
    """A compiled expression. Immutable; may be shared by threads."""

    __slots__ = ("_builds", "_evaluate", "_slots", "_spelled", "asked", "just", "nodes", "source")

    def __init__(self, source: str, variables: tuple[str, ...] = VARIABLES) -> None:
        """Raises LanguageError."""
        self.source = source
        if len(source) > LONGEST:
            raise LanguageError(
                f"the expression has {len(source)} characters; {LONGEST} are allowed",
                hint="prepare the value in a set node of its own, or in a code node",
            )
        if not source.strip():
            raise LanguageError("the expression is empty", hint="write something between {{ and }}, or remove them")
        self._spelled = ours = spelled(source)
        _refuse_doubling(ours)
        try:
            tree, positions = syntax.read(_compile(ours, variables))
        except DecodeError:
            raise _too_deep() from None
        lowering = Lowering(frozenset(variables), positions)
        try:
            self._evaluate = lowering.lower(tree)
        except Refused as refused:
            raise LanguageError(refused.message, ours.written(refused.offset), refused.hint) from None
        self._slots, self._builds = lowering.slots, lowering.builds
        self.nodes = frozenset(lowering.nodes)
        self.asked, self.just = lowering.asked, lowering.argument_named(tree)

    def evaluate(self, run: Run) -> Any:
        """The result as JSON, sharing what it can with the scope. Raises LanguageError."""
        run.slots = [None] * self._slots
        try:
            value = self._evaluate(run)
            return value if type(value) in _JSON_TYPES and not self._builds else plain(run, value)
        except Trouble as trouble:
            raise self._told(trouble) from None
        except Exhausted as exhausted:
            raise LanguageError(exhausted.message, hint=exhausted.hint) from None
        except RecursionError:
            raise LanguageError("the data is nested too deeply") from None

    def value(self, run: Run) -> Any:
        """The result as a CEL value, before it becomes JSON. Raises Trouble and Exhausted."""
        run.slots = [None] * self._slots
        return self._evaluate(run)

    def _told(self, trouble: Trouble) -> LanguageError:
        message, hint = trouble.message, trouble.hint
        if isinstance(trouble, Absent):
            message, hint = _absence(trouble)
        return LanguageError(message, self._spelled.written(max(trouble.offset, 0)), hint)


def program(source: str) -> Program:
    """`Program(source)`; short ones are kept for the next time."""
    return _kept(source) if len(source) <= 512 else Program(source)


_kept = lru_cache(maxsize=2_048)(Program)


@cache
def _environment(variables: tuple[str, ...]) -> cel.Env:
    overloads: dict[str, list[cel.Overload]] = {}
    for function in functions.TABLE:
        for position, signature in enumerate(function.signatures):
            if not function.is_standard:
                overloads.setdefault(signature.name, []).append(
                    cel.Overload(
                        f"{signature.name}_{'of_' * signature.is_member}{position}",
                        return_type=_KINDS[signature.result],
                        parameters=[_KINDS[each] for each in signature.kinds],
                        is_member=signature.is_member,
                    )
                )
    for name, is_member in (("default", False), ("orElse", True)):
        overload = cel.Overload(name, return_type=_T.DYN, parameters=[_T.DYN, _T.DYN], is_member=is_member)
        overloads[name] = [overload]
    return cel.NewEnv(
        variables={name: _T.TIMESTAMP if name == "now" else _T.DYN for name in variables},
        functions=[cel.FunctionDecl(name, found) for name, found in overloads.items()],
        extensions=[
            # Version 2 has a first() and a last() that give optionals; ours give the element.
            *(ext_optional.ExtOptional(version=1), ext_bindings.ExtBindings()),
            *(ext_encoders.ExtEncoders(), ext_math.ExtMath()),
        ],
    )


def _refuse_doubling(source: Spelled) -> None:
    """The library writes what stands before optMap twice into the tree: thirty in a row are a billion copies."""
    if found := _DOUBLING.search(_bare(source.text)):
        raise LanguageError(
            f"{found[1]} is not for use here", source.written(found.start()), "write default(json.a.b, value)"
        )


def _bare(text: str) -> str:
    """The text with strings and comments blanked out."""
    return _QUOTED.sub(lambda match: " " * len(match[0]), text)


def _too_deep() -> LanguageError:
    return LanguageError("the expression is nested too deeply", hint="split it over several set nodes")


def _compile(source: Spelled, variables: tuple[str, ...]) -> bytes:
    environment = _environment(variables)
    try:
        return bytes(environment.compile(source.text).serialize())
    except RuntimeError as error:
        text = str(error)
    found = _ERROR.findall(text)
    if found and all(_is_plain(message) for _, _, message in found):
        return bytes(environment.compile(source.text, disable_check=True).serialize())
    raise _compile_error(text, found, source)


def _is_plain(message: str) -> bool:
    """Whether the checker only minds an int beside a double, or the two sides of ?: being of two types."""
    match = _NO_OVERLOAD.search(message)
    if match is None:
        return False
    kinds = match[2][1:-1].split(", ")
    if match[1] == "_?_:_":
        return kinds[0] in ("bool", "dyn")
    if match[1] in _MIXED_NUMBERS or match[1].startswith("math."):
        return all(re.fullmatch(r"int|double|dyn|list\((?:int|double)\)", each) for each in kinds)
    return False


def _compile_error(text: str, found: list[tuple[str, str, str]], source: Spelled) -> LanguageError:
    if "recursion" in text:
        return _too_deep()
    lines = source.text.splitlines(keepends=True) or [""]
    problems = [
        (sum(map(len, lines[: int(line) - 1])) + int(column) - 1 if int(line) > 0 else 0, message)
        for line, column, message in found
    ]
    bare = _bare(source.text)
    for sign, hint in _FOREIGN_SIGNS.items():
        if "Syntax error" in text and sign in bare:
            return LanguageError(f"CEL has no {sign}", source.written(bare.index(sign)), hint)
    for offset, message in problems:
        if (macro := re.search(r"undeclared reference to '(\w+)'", message)) and macro[1] in MACROS:
            return LanguageError(
                f"{macro[1]} does not work so",
                source.written(offset),
                "such as list.map(x, x.id), has(json.key)",
            )
    if not problems:
        return LanguageError(text.split("\n")[0].removesuffix("[INVALID_ARGUMENT]").strip())
    offset, message = problems[0]
    if unknown := re.search(r"undeclared reference to '([^']+)'", message):
        return _unknown(unknown[1].split(".")[0] if "." in unknown[1] else unknown[1], offset, bare, source)
    message, hint = _explained(message, bare)
    return LanguageError(message, source.written(min(max(offset, 0), len(source.text))), hint)


def _explained(message: str, bare: str) -> tuple[str, str]:
    message = message.removesuffix("[INVALID_ARGUMENT]").removeprefix("Syntax error: ").strip()
    if overload := _NO_OVERLOAD.search(message):
        name, kinds = overload[1].strip("_").replace("@", ""), overload[2]
        signatures = [
            each.text for function in functions.TABLE for each in function.signatures if each.name == overload[1]
        ]
        hint = "write " + " or ".join(signatures) if signatures else "convert first: string(x), double(x), int(x)"
        return f"{name} does not go with {kinds}", hint
    if "token recognition error" in message:
        sign = message.partition("at: ")[2][1:-1]
        if sign[:1] in ("'", '"'):
            return "this text is never closed", f"close it with {sign[0]}"
        if sign.startswith("$"):
            return "there is no such $ name", "there are " + ", ".join(f"${name}" for name in VARIABLES)
        return f"{sign[:20]} means nothing here", ""
    if "<EOF>" in message:
        return "the expression ends too early", "something is missing at its end"
    expected = re.sub(r" expecting .*", "", message)
    return expected, ""


def _unknown(name: str, offset: int, bare: str, source: Spelled) -> LanguageError:
    found = [match.start() for match in re.finditer(rf"(?<![\w$]){re.escape(name)}\b", bare)]
    # The checker points at the dot or the parenthesis behind the name.
    near = max((each for each in found if each <= offset), default=offset)
    is_call = re.match(r"\s*\(", bare[near + len(name) :]) is not None
    known = sorted({function.name for function in functions.TABLE} | set(MACROS)) if is_call else list(VARIABLES)
    close = difflib.get_close_matches(name, known, n=2)
    if name in _ELSEWHERE:
        hint = f"write {_ELSEWHERE[name]}"
    elif close:
        hint = f"did you mean {' or '.join(close)}?"
    else:
        hint = f"texts stand in quotes: '{name}'; there are {', '.join(VARIABLES)}" if not is_call else ""
    return LanguageError(f"there is no {'function' if is_call else 'variable'} {name!r}", source.written(near), hint)


def _absence(trouble: Absent) -> tuple[str, str]:
    """The sentence for a missing key: which keys there are, and which is near."""
    known = [str(key) for key in list(trouble.value)[:200]]
    more = ", ..." if len(trouble.value) > 12 else ""
    there = "; the keys are " + ", ".join(sorted(known)[:12]) + more if known else ": the map is empty"
    if trouble.key == "length":
        hint = "write size(value)"
    elif near := difflib.get_close_matches(str(trouble.key)[:64], known, n=2):
        hint = f"did you mean {' or '.join(near)}? Where it may be absent: default(json.a, value)"
    else:
        hint = "where it may be absent: default(json.a, value), or has(json.a) first"
    return f"there is no key {str(trouble.key)[:64]!r}{there}", hint
