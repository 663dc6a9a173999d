"""Parameters with `{{ expressions }}` in them: parsed and type-checked when saved, resolved for each item.

Text around an expression makes the result text; a lone `{{ }}` keeps its type. To write the two braces themselves, say
`{{ '{{' }}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from workflow_engine.engine.expressions.functions import to_text
from workflow_engine.engine.expressions.language import LanguageError, Program, program

Json: TypeAlias = Any
LONGEST_TEMPLATE = 1_000_000
"""Characters in one parameter."""


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


@dataclass(frozen=True, slots=True)
class References:
    """What a template's expressions name."""

    nodes: frozenset[str] = frozenset()
    """Other nodes, by name or id."""
    names: frozenset[str] = frozenset()
    """Variables."""


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


@dataclass(frozen=True, slots=True)
class _Expression:
    program: Program
    field: str
    offset: int
    """Where the expression starts in its template."""

    def evaluate(self, scope: Scope) -> Json:
        values = {name: getattr(scope, name) for name in self.program.names if name != "node"}
        try:
            if self.program.nodes:
                values["node"] = {name: self._node(scope, name) for name in self.program.nodes}
            return self.program.evaluate(values)
        except LanguageError as error:
            raise ExpressionError(
                error.message, field=self.field, offset=self.offset + error.offset, hint=error.hint
            ) from None

    @staticmethod
    def _node(scope: Scope, name: str) -> Mapping[str, Any]:
        found = scope.node(name)
        if found is None:
            raise LanguageError(
                f"the node {name!r} delivered nothing in this execution",
                hint="it was skipped or its path was not taken; read it only behind it, or merge the paths first",
            )
        return found


@dataclass(frozen=True, slots=True)
class _Text:
    """Text with expressions in it."""

    parts: tuple[str | _Expression, ...]

    def evaluate(self, scope: Scope) -> str:
        return "".join(part if isinstance(part, str) else to_text(part.evaluate(scope)) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Static:
    value: Json

    def evaluate(self, scope: Scope) -> Json:
        return self.value


@dataclass(frozen=True, slots=True)
class _List:
    elements: tuple[_Part, ...]

    def evaluate(self, scope: Scope) -> Json:
        return [element.evaluate(scope) for element in self.elements]


@dataclass(frozen=True, slots=True)
class _Map:
    members: tuple[tuple[str, _Part], ...]

    def evaluate(self, scope: Scope) -> Json:
        return {key: member.evaluate(scope) for key, member in self.members}


_Part: TypeAlias = _Expression | _Text | _Static | _List | _Map


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled tree of parameters. Immutable; may be shared by threads."""

    root: _Part
    expressions: tuple[_Expression, ...]
    references: References

    @property
    def is_static(self) -> bool:
        """There is no expression in it."""
        return not self.expressions

    def resolve(self, scope: Scope) -> Json:
        """The parameters for one item. Raises ExpressionError."""
        return self.root.evaluate(scope)

    def fields_naming(self, node: str) -> Iterator[str]:
        """Fields whose expressions name the node."""
        return (each.field for each in self.expressions if node in each.program.nodes)


def compile_template(value: Json, *, field: str = "", literal: frozenset[str] = frozenset()) -> Template:
    """Compiles parameters; members named in `literal` are left as they are. Raises ExpressionErrors."""
    expressions: list[_Expression] = []
    errors: list[ExpressionError] = []
    if literal and isinstance(value, dict):
        members = tuple(
            (key, _Static(each) if key in literal else _compile(each, key, expressions, errors))
            for key, each in value.items()
        )
        root: _Part = _Map(members)
    else:
        root = _compile(value, field, expressions, errors)
    if errors:
        raise ExpressionErrors(errors)
    references = References(
        frozenset(name for each in expressions for name in each.program.nodes),
        frozenset(name for each in expressions for name in each.program.names),
    )
    return Template(root, tuple(expressions), references)


def _compile(value: Json, field: str, expressions: list[_Expression], errors: list[ExpressionError]) -> _Part:
    before = len(expressions)
    match value:
        case str() if "{{" in value:
            try:
                return _text(value, field, expressions)
            except ExpressionError as error:
                errors.append(error)
                return _Static(None)
        case list():
            elements = tuple(
                _compile(each, f"{field}[{index}]", expressions, errors) for index, each in enumerate(value)
            )
            return _List(elements) if len(expressions) > before else _Static(value)
        case dict():
            members = tuple(
                (key, _compile(each, f"{field}.{key}" if field else key, expressions, errors))
                for key, each in value.items()
            )
            return _Map(members) if len(expressions) > before else _Static(value)
        case _:
            return _Static(value)


def _text(template: str, field: str, expressions: list[_Expression]) -> _Part:
    if len(template) > LONGEST_TEMPLATE:
        raise ExpressionError(
            f"a template of {len(template)} characters; {LONGEST_TEMPLATE} are allowed", field=field, offset=0
        )
    parts: list[str | _Expression] = []
    position = 0
    while (start := template.find("{{", position)) >= 0:
        if start > position:
            parts.append(template[position:start])
        end = _end(template, start + 2)
        if end < 0:
            raise ExpressionError(
                "this {{ is never closed",
                field=field,
                offset=start,
                hint="close it with }}, or write {{ '{{' }}",
            )
        source = template[start + 2 : end]
        try:
            expression = _Expression(program(source), field, start + 2)
        except LanguageError as error:
            raise ExpressionError(
                error.message, field=field, offset=start + 2 + error.offset, hint=error.hint
            ) from None
        parts.append(expression)
        expressions.append(expression)
        position = end + 2
    if position < len(template):
        parts.append(template[position:])
    if len(parts) == 1 and isinstance(parts[0], _Expression):
        return parts[0]
    return _Text(tuple(parts))


def _end(template: str, position: int) -> int:
    """Where the `}}` stands that closes an expression: outside strings and inner braces. -1 when there is none."""
    depth, quote = 0, ""
    while position < len(template):
        character = template[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}":
            if not depth and template.startswith("}}", position):
                return position
            depth -= 1
        position += 1
    return -1
