"""Parameters with `{{ expressions }}` in them: parsed and type-checked when saved, resolved for each item.

Text around an expression makes the result text; a lone `{{ }}` keeps its type. To write the two braces themselves, say
`{{ '{{' }}`. What is resolved may share parts with the scope and with the template: it is for reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from workflow_engine.engine.expressions.language import LanguageError, Program, program
from workflow_engine.engine.expressions.spelling import LONGEST, end_of
from workflow_engine.engine.expressions.values import Exhausted, Run, Trouble, text_of

Json: TypeAlias = Any
LONGEST_TEMPLATE = 1_000_000
"""Characters in one parameter that has expressions."""
MOST_EXPRESSIONS = 500
"""Expressions in the parameters of one node."""
MOST_SOURCE = 65_536
"""Characters in all of them together."""
DEEPEST = 100
"""Lists and maps within each other."""
MOST_ERRORS = 20
"""After so many wrong expressions the rest are not looked at."""


class ExpressionError(Exception):
    """An expression that is wrong, or could not be evaluated."""

    def __init__(self, message: str, *, field: str, offset: int, hint: str = "") -> None:
        super().__init__(f"{field}, character {offset}: {message}")
        self.message, self.field, self.offset, self.hint = message, field, offset, hint


class ExpressionErrors(Exception):
    """Everything that is wrong with the expressions of one node."""

    def __init__(self, errors: list[ExpressionError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


@dataclass(slots=True)
class Scope:
    """What expressions see."""

    json: dict[str, Json] = field(default_factory=dict[str, Json])
    item: dict[str, Json] = field(default_factory=dict[str, Json])
    items: list[dict[str, Json]] = field(default_factory=list[dict[str, Json]])
    node: Callable[[str], Mapping[str, Any] | None] = lambda name: None
    """What another node delivered; None while it has not."""
    vars: dict[str, Json] = field(default_factory=dict[str, Json])
    execution: dict[str, Json] = field(default_factory=dict[str, Json])
    workflow: dict[str, Json] = field(default_factory=dict[str, Json])
    now: datetime | None = None
    run: dict[str, Json] = field(default_factory=dict[str, Json])
    from_ai: dict[str, Json] | None = None
    """The arguments that a model gave to the node as a tool; None where it is none."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A value that a tool's parameters leave to the model that uses it: `from_ai.name`."""

    name: str
    fields: tuple[str, ...]
    """The parameters that are this value and nothing else, e.g. `body.text`."""
    required: bool
    """Some expression can not do without."""


@dataclass(frozen=True, slots=True)
class _Expression:
    program: Program
    field: str
    offset: int
    """Where the expression starts in its template."""
    is_alone: bool = True
    """There is no text around it."""

    def evaluate(self, run: Run) -> Json:
        try:
            return self.program.evaluate(run)
        except LanguageError as error:
            raise self._failed(error.message, error.offset, error.hint) from None

    def is_just(self, name: str) -> bool:
        """Whether it is an argument as it comes, and makes up its parameter alone."""
        return self.is_alone and self.program.just == name

    def text(self, run: Run) -> str:
        value = self.evaluate(run)
        try:
            return text_of(run, value)
        except (Trouble, Exhausted) as error:
            raise self._failed(error.message, 0, error.hint) from None
        except RecursionError:
            raise self._failed("the data is nested too deeply", 0, "") from None

    def _failed(self, message: str, offset: int, hint: str) -> ExpressionError:
        return ExpressionError(message, field=self.field, offset=self.offset + offset, hint=hint)


@dataclass(frozen=True, slots=True)
class _Text:
    """Text with expressions in it."""

    parts: tuple[str | _Expression, ...]

    def evaluate(self, run: Run) -> str:
        return "".join([part if isinstance(part, str) else part.text(run) for part in self.parts])


@dataclass(frozen=True, slots=True)
class _Static:
    value: Json

    def evaluate(self, run: Run) -> Json:
        return self.value


@dataclass(frozen=True, slots=True)
class _List:
    elements: tuple[_Part, ...]

    def evaluate(self, run: Run) -> Json:
        return [element.evaluate(run) for element in self.elements]


@dataclass(frozen=True, slots=True)
class _Map:
    members: tuple[tuple[str, _Part], ...]

    def evaluate(self, run: Run) -> Json:
        return {key: member.evaluate(run) for key, member in self.members}


_Part: TypeAlias = _Expression | _Text | _Static | _List | _Map


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled tree of parameters. Immutable; may be shared by threads."""

    root: _Part
    expressions: tuple[_Expression, ...]
    nodes: frozenset[str]
    """Other nodes that its expressions name, by name or id."""

    @property
    def is_static(self) -> bool:
        """There is no expression in it."""
        return not self.expressions

    def resolve(self, scope: Scope) -> Json:
        """The parameters for one item. Raises ExpressionError."""
        return self.root.evaluate(Run(scope))

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What is left to a model, by name."""
        names = {name: False for each in self.expressions for name in each.program.asked}
        for each in self.expressions:
            for name, required in each.program.asked.items():
                names[name] = names[name] or required
        return tuple(
            Argument(name, tuple(each.field for each in self.expressions if each.is_just(name)), required)
            for name, required in sorted(names.items())
        )

    def outline(self) -> Json:
        """The parameters with null for every expression."""
        return _outline(self.root)

    def fields_naming(self, node: str) -> Iterator[str]:
        """Fields whose expressions name the node."""
        return (each.field for each in self.expressions if node in each.program.nodes)


def compile_template(value: Json, *, field: str = "", literal: frozenset[str] = frozenset()) -> Template:
    """Compiles parameters; members named in `literal` are left as they are. Raises ExpressionErrors."""
    compiler = _Compiler(literal)
    root = compiler.part(value, field, 0)
    if compiler.errors:
        raise ExpressionErrors(compiler.errors)
    expressions = tuple(compiler.expressions)
    return Template(root, expressions, frozenset(name for each in expressions for name in each.program.nodes))


def expressions_in(value: Json, *, field: str = "") -> list[tuple[str, str, int]]:
    """The expressions in parameters, as (field, source, character at which the source starts); also the wrong ones."""
    match value:
        case str():
            return [(field, value[start:end], start) for start, end in _spans(value) if end >= 0]
        case list():
            return [each for at, one in enumerate(value) for each in expressions_in(one, field=f"{field}[{at}]")]
        case dict():
            return [each for key, one in value.items() for each in expressions_in(one, field=_within(field, key))]
    return []


class _Compiler:
    def __init__(self, literal: frozenset[str]) -> None:
        self.literal = literal
        self.expressions: list[_Expression] = []
        self.errors: list[ExpressionError] = []
        self.source = 0

    def part(self, value: Json, field: str, depth: int) -> _Part:
        before = len(self.expressions)
        if depth > DEEPEST:
            self.errors.append(ExpressionError("nested too deeply", field=field, offset=0))
            return _Static(None)
        match value:
            case str() if "{{" in value and len(self.errors) < MOST_ERRORS:
                try:
                    return self.text(value, field)
                except ExpressionError as error:
                    self.errors.append(error)
            case list():
                elements = tuple(self.part(each, f"{field}[{at}]", depth + 1) for at, each in enumerate(value))
                if len(self.expressions) > before:
                    return _List(elements)
            case dict():
                members = tuple(
                    (
                        key,
                        _Static(each)
                        if not depth and key in self.literal
                        else self.part(each, _within(field, key), depth + 1),
                    )
                    for key, each in value.items()
                )
                if len(self.expressions) > before:
                    return _Map(members)
        return _Static(value)

    def text(self, template: str, field: str) -> _Part:
        if len(template) > LONGEST_TEMPLATE:
            raise ExpressionError(
                f"a template of {len(template)} characters; {LONGEST_TEMPLATE} are allowed",
                field=field,
                offset=0,
                hint="keep the text in a file or a variable, or split it",
            )
        parts: list[str | _Expression] = []
        position = 0
        for start, end in _spans(template):
            if end < 0:
                raise ExpressionError(
                    "this {{ is never closed",
                    field=field,
                    offset=start - 2,
                    hint="close it with }} within " + f"{LONGEST} characters, or write " + "{{ '{{' }} for the braces",
                )
            if start - 2 > position:
                parts.append(template[position : start - 2])
            is_alone = start == 2 and end + 2 == len(template)
            parts.append(self.expression(template[start:end], field, start, is_alone))
            position = end + 2
        if position < len(template):
            parts.append(template[position:])
        return parts[0] if len(parts) == 1 and isinstance(parts[0], _Expression) else _Text(tuple(parts))

    def expression(self, source: str, field: str, start: int, is_alone: bool) -> _Expression:
        self.source += len(source)
        if len(self.expressions) >= MOST_EXPRESSIONS or self.source > MOST_SOURCE:
            raise ExpressionError(
                f"more than {MOST_EXPRESSIONS} expressions, or {MOST_SOURCE} characters of them, in one node",
                field=field,
                offset=start,
                hint="split them over several nodes",
            )
        try:
            compiled = _Expression(program(source), field, start, is_alone)
        except LanguageError as error:
            raise ExpressionError(error.message, field=field, offset=start + error.offset, hint=error.hint) from None
        self.expressions.append(compiled)
        return compiled


def _outline(part: _Part) -> Json:
    match part:
        case _Static():
            return part.value
        case _List():
            return [_outline(each) for each in part.elements]
        case _Map():
            return {key: _outline(member) for key, member in part.members}
        case _:
            return None


def _within(field: str, key: str) -> str:
    return f"{field}.{key}" if field else key


def _spans(template: str) -> Iterator[tuple[int, int]]:
    """Where each expression starts and ends between its braces; an end of -1 is never closed, and the last."""
    position = 0
    while (start := template.find("{{", position)) >= 0:
        end = end_of(template, start + 2)
        yield start + 2, end
        if end < 0:
            return
        position = end + 2
