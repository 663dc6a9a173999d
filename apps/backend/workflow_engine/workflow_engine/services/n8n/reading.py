"""What translations read n8n's nodes by, and what they give."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from workflow_engine.services.n8n.javascript import Beyond, translated

Parameters = dict[str, Any]
IGNORED = {
    "options",
    "notice",
    "resource",
    "operation",
    "authentication",
    "additionalFields",
    "descriptionType",
    "toolDescription",
}
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PLACE = re.compile("\ue000(\\d+)\ue001")


class Untranslatable(Exception):
    """A node that has no counterpart, and why."""


@dataclass(frozen=True, slots=True)
class Extra:
    """One more node of ours that a node of n8n takes."""

    suffix: str
    """Its name is the node's with this behind it."""
    type: str
    parameters: Parameters = field(default_factory=dict[str, Any])
    ports: tuple[str, ...] = ("main",)
    """The ports by which it leaves."""


@dataclass(frozen=True, slots=True)
class Made:
    """A node of ours under the name of n8n's, and what stands around it."""

    type: str
    parameters: Parameters
    before: tuple[Extra, ...] = ()
    """In front of it, one after the other: what leads to the node leads to the first of them."""
    beside: tuple[Extra, ...] = ()
    """Further starts, with the same nodes behind them."""
    parts: tuple[tuple[str, Extra], ...] = ()
    """Nodes bound to its ports."""
    outputs: tuple[str, ...] = ()
    """Our port for each output of n8n's, where they are not told by the type."""


Translated: TypeAlias = tuple[str, Parameters] | Made


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that could not be translated. In its place stands the text as n8n has it."""

    text: str
    why: str


class Taken:
    """A node of n8n: its parameters, and which of them were asked for."""

    def __init__(
        self,
        source: dict[str, Any],
        bound: Callable[[str], list[dict[str, Any]]] = lambda kind: [],
        document: str = "",
    ) -> None:
        self.source = source
        self.given: Parameters = dict(source.get("parameters") or {})
        self.version = float(source.get("typeVersion") or 1)
        self.name = str(source.get("name") or "")
        self.bound = bound
        """Nodes that are bound to it, by kind of connection, e.g. `ai_outputParser`."""
        self.document = document
        """All nodes of the document, as JSON: whether anything reads what a node delivers."""
        self.asked: set[str] = set(IGNORED)
        self.problems: list[Problem] = []
        self.remarks: list[tuple[str, str]] = []
        """What a person should look at: a field, and words."""

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter as it is."""
        self.asked.add(name)
        return self.given.get(name, default)

    def skip(self, *names: str) -> None:
        """Parameters that need no counterpart."""
        self.asked.update(names)

    def option(self, name: str, default: Any = None) -> Any:
        """A member of `options` or `additionalFields`, as it is."""
        for group in ("options", "additionalFields"):
            found = self.given.get(group)
            if isinstance(found, dict) and name in found:
                self.asked.add(f"{group}.{name}")
                return found[name]
        return default

    def value(self, name: str, default: Any = "") -> Any:
        """A parameter with its expressions in ours."""
        return self.expression(plain(self.get(name, default)))

    @property
    def is_tool(self) -> bool:
        """Whether it is bound to an agent, which takes it as it is."""
        return str(self.source.get("type", "")).endswith("Tool")

    def remark(self, field: str, message: str) -> None:
        self.remarks.append((field, message))

    def left(self) -> list[str]:
        """What was set and not asked for."""
        found = [name for name, value in self.given.items() if name not in self.asked and _is_set(value)]
        for group in ("options", "additionalFields"):
            members = self.given.get(group)
            if isinstance(members, dict):
                found += [
                    f"{group}.{name}"
                    for name, value in members.items()
                    if f"{group}.{name}" not in self.asked and _is_set(value)
                ]
        return found

    # expressions

    def expression(self, value: Any) -> Any:
        """A value with n8n's expressions in ours: they are marked by a leading `=`; braces elsewhere are text."""
        match value:
            case str() if value.startswith("="):
                try:
                    return _EXPRESSION.sub(lambda match: _braced(translated(match[1]).text), value[1:])
                except Beyond as why:
                    return self.untranslated(value[1:], str(why))
            case str():
                return literal(value)
            case list():
                return [self.expression(each) for each in value]
            case dict():
                return {str(key): self.expression(each) for key, each in value.items()}
            case _:
                return value

    def untranslated(self, text: str, why: str) -> str:
        made = literal(text)
        self.problems.append(Problem(made, why))
        return made

    def structure(self, text: Any) -> Any:
        """JSON that is written as text, with expressions in it, as a value; None when it is none."""
        if not isinstance(text, str):
            return self.expression(text)
        if not text.startswith("="):
            return _loaded(text, [])
        body, found, values = text[1:], list(_EXPRESSION.finditer(text[1:])), []
        lone = len(found) == 1 and found[0][0] == body.strip()
        try:
            if lone:
                made = translated(found[0][1]).text
                return _braced(_unwritten(made))
            marked, position = "", 0
            for number, match in enumerate(found):
                cel = translated(match[1])
                marked += body[position : match.start()]
                is_inside = _ends_inside_text(marked)
                mark = f"\ue000{number}\ue001"
                marked += mark if is_inside else f'"{mark}"'
                if not is_inside:
                    values.append(_unwritten(cel.text))
                else:
                    values.append(cel.text if cel.kind in ("text", "number") else f"toText({cel.text})")
                position = match.end()
            return _loaded(marked + body[position:], values)
        except Beyond as why:
            self.problems.append(Problem(literal(body), str(why)))
            return literal(body)


def plain(value: Any) -> Any:
    """What a resource locator holds, such as `{"__rl": true, "mode": "id", "value": "x"}`; else the value."""
    return value.get("value", "") if isinstance(value, dict) and "mode" in value and "value" in value else value


def literal(text: str) -> str:
    return text.replace("{{", "{{ '{{' }}")


def _is_set(value: Any) -> bool:
    return value not in ("", [], {}, None, False)


def _braced(cel: str) -> str:
    """As an expression in a parameter; `}}` inside of it would end it too early."""
    return "{{ " + cel + " }}"


def _unwritten(cel: str) -> str:
    """The value of what writes a value as JSON, where JSON stands anyway."""
    inner = re.fullmatch(r"toJson\((.*)\)", cel, re.DOTALL)
    return inner[1] if inner and _balanced(inner[1]) else cel


def _balanced(text: str) -> bool:
    depth = 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def _ends_inside_text(json_so_far: str) -> bool:
    return len(re.findall(r'(?<!\\)(?:\\\\)*"', json_so_far)) % 2 == 1


def _loaded(text: str, values: list[str]) -> Any:
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        return None
    return _with(value, values)


def _with(value: Any, values: list[str]) -> Any:
    match value:
        case str():
            return _PLACE.sub(lambda match: _braced(values[int(match[1])]), literal(value))
        case list():
            return [_with(each, values) for each in value]
        case dict():
            return {_with(key, values): _with(each, values) for key, each in value.items()}
        case _:
            return value


def named(*given: Any) -> list[Parameters]:
    """The first list in any of n8n's collections, such as `{"parameters": [{"name": ..., "value": ...}]}`."""
    for each in given:
        if isinstance(each, dict):
            for members in each.values():
                if isinstance(members, list):
                    return [member for member in members if isinstance(member, dict)]
    return []


def without_empty(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if value not in (None, "", {}, [])}
