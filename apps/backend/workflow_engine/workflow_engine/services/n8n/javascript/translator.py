"""The walk over a JavaScript expression that writes it in CEL."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from workflow_engine.services.n8n.javascript.cel import (
    AND,
    OR,
    PRIMARY,
    PRODUCT,
    RELATION,
    SUM,
    TERNARY,
    UNARY,
    ZONE,
    Beyond,
    Cel,
    quoted,
)
from workflow_engine.services.n8n.javascript.counterparts import FUNCTIONS, MACROS, MEMBERS_OF_TIME, METHODS, filled
from workflow_engine.services.n8n.javascript.luxon import formatted, shifted, start_of
from workflow_engine.services.n8n.javascript.patterns import literal_of, looks_around, one_group

if TYPE_CHECKING:
    from tree_sitter import Node, Parser


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)
_OURS = frozenset(
    ("json", "item", "items", "node", "vars", "execution", "workflow", "now", "run", "from_ai", "math", "default")
)


def translated(source: str) -> Cel:
    """A JavaScript expression in CEL. Raises Beyond."""
    source = source.strip().rstrip(";").strip()
    if not source:
        raise Beyond("it is empty")
    tree = _parser().parse(f"({source}\n)".encode())
    statements = [each for each in tree.root_node.named_children if each.type != "comment"]
    if tree.root_node.has_error or len(statements) != 1 or statements[0].type != "expression_statement":
        raise Beyond("it is not one expression")
    return _Translator().value(statements[0].named_children[0])


def object_members(source: str) -> dict[str, str] | None:
    """The members of an object that is written out, as CEL by name; None when `source` is no such object."""
    tree = _parser().parse(f"({source.strip().rstrip(';')}\n)".encode())
    if tree.root_node.has_error or not tree.root_node.named_children:
        return None
    node = tree.root_node.named_children[0]
    while node.type in ("expression_statement", "parenthesized_expression") and node.named_children:
        node = node.named_children[0]
    if node.type != "object" or any(each.type != "pair" for each in node.named_children):
        return None
    translator = _Translator()
    return {translator.key(each): translator.value(_part(each, "value")).text for each in node.named_children}


@cache
def _parser() -> Parser:
    import tree_sitter_javascript
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_javascript.language()))


class _Translator:
    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        """Names of arrow functions' parameters, and ours for them."""

    # entry points

    def value(self, node: Node) -> Cel:
        """A value; null where JavaScript has undefined at the end of a chain with `?.`."""
        made = self.chain(node)
        if made.kind in ("regex", "node", "input"):
            raise Beyond(f"{_short(node)} is no value by itself")
        if made.may_lack:
            return Cel(f"default({made.text}, null)", made.kind)
        return made

    def truth(self, node: Node) -> Cel:
        """What JavaScript takes a value for in a condition."""
        if node.type == "parenthesized_expression":
            return self.truth(_inner(node))
        if node.type == "binary_expression" and _said(_part(node, "operator")) in ("||", "&&"):
            operator = _said(_part(node, "operator"))
            binds = OR if operator == "||" else AND
            left, right = self.truth(_part(node, "left")), self.truth(_part(node, "right"))
            return Cel(f"{left.within(binds)} {operator} {right.within(binds + 1)}", "bool", binds)
        made = self.chain(node)
        match made.kind:
            case "bool" if not made.may_lack:
                return made
            case "number":
                return Cel(f"{made.within(SUM)} != 0", "bool", RELATION)
            case "text" if not made.may_lack:
                return Cel(f"{made.within(SUM)} != ''", "bool", RELATION)
            case "null":
                return Cel("false", "bool")
            case "regex" | "node" | "input":
                raise Beyond(f"{_short(node)} is no value by itself")
        return Cel(f"optional.ofNonZeroValue(default({made.text}, null)).hasValue()", "bool")

    def chain(self, node: Node) -> Cel:
        """A value that a further member or call may follow."""
        method = getattr(self, f"_{node.type}", None)
        if method is None:
            raise Beyond(f"{_short(node)} has no counterpart")
        made: Cel = method(node)
        return made

    # literals

    def _parenthesized_expression(self, node: Node) -> Cel:
        return self.chain(_inner(node))

    def _string(self, node: Node) -> Cel:
        return Cel(quoted(self.text(node)), "text")

    def text(self, node: Node) -> str:
        """What a string literal says."""
        said = ""
        for each in node.named_children:
            said += _unescaped(_said(each)) if each.type == "escape_sequence" else _said(each)
        return said

    def _template_string(self, node: Node) -> Cel:
        parts: list[str] = []
        literal = ""
        for each in node.named_children:
            if each.type == "template_substitution":
                if literal:
                    parts.append(quoted(literal))
                literal = ""
                parts.append(self.as_text(self.value(_inner(each))))
            else:
                literal += _unescaped(_said(each)) if each.type == "escape_sequence" else _said(each)
        if literal or not parts:
            parts.append(quoted(literal))
        return Cel(" + ".join(parts), "text", SUM if len(parts) > 1 else PRIMARY)

    @staticmethod
    def as_text(made: Cel) -> str:
        return made.within(PRODUCT) if made.kind == "text" else f"toText({made.text})"

    def _number(self, node: Node) -> Cel:
        said = _said(node).replace("_", "")
        if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", said):
            raise Beyond(f"the number {_short(node)} is written in a way that is not understood")
        return Cel(f"0{said}" if said.startswith(".") else said, "number")

    def _true(self, node: Node) -> Cel:
        return Cel("true", "bool")

    def _false(self, node: Node) -> Cel:
        return Cel("false", "bool")

    def _null(self, node: Node) -> Cel:
        return Cel("null", "null")

    def _undefined(self, node: Node) -> Cel:
        return Cel("null", "null")

    def _array(self, node: Node) -> Cel:
        return Cel("[" + ", ".join(self.value(each).text for each in _listed(node)) + "]", "list")

    def _object(self, node: Node) -> Cel:
        members: list[str] = []
        spread = ""
        for each in _listed(node):
            if each.type == "pair":
                members.append(f"{quoted(self.key(each))}: {self.value(_part(each, 'value')).text}")
            elif each.type == "shorthand_property_identifier":
                members.append(f"{quoted(_said(each))}: {self._identifier(each).text}")
            elif each.type == "spread_element" and not members and not spread:
                spread = self.value(_inner(each)).within(PRIMARY)
            else:
                raise Beyond(f"{_short(each)} in an object has no counterpart")
        written = "{" + ", ".join(members) + "}"
        return Cel(f"{spread}.merge({written})" if spread else written, "map")

    def key(self, pair: Node) -> str:
        key = _part(pair, "key")
        match key.type:
            case "property_identifier" | "number":
                return _said(key)
            case "string":
                return self.text(key)
        raise Beyond(f"the computed name {_short(key)} has no counterpart")

    def _regex(self, node: Node) -> Cel:
        flags = node.child_by_field_name("flags")
        said = _said(flags) if flags else ""
        pattern = _said(_part(node, "pattern")).replace("\\/", "/")
        inline = "".join(each for each in said if each in "ism")
        if looks_around(pattern):
            raise Beyond(f"{_short(node)} looks around or back, which our regular expressions can not")
        return Cel(("g" if "g" in said else " ") + (f"(?{inline})" if inline else "") + pattern, "regex")

    # names

    def _identifier(self, node: Node) -> Cel:
        name = _said(node)
        if name in self.names:
            return Cel(self.names[name])
        match name:
            case "$json":
                return Cel("json", "map")
            case "$binary":
                return Cel("item.binary", "map")
            case "$now":
                return Cel("now", "time")
            case "$today":
                return start_of(Cel("now", "time"), "day")
            case "$input":
                return Cel("$input", "input")
            case "$item" | "item":
                return Cel("item", "item")
            case "items" | "$items":
                return Cel("items", "list")
            case "$vars":
                return Cel("vars", "map")
            case "$execution" | "$workflow":
                return Cel(name[1:], "map")
            case "$executionId":
                return Cel("execution.id", "text")
            case "$workflowId":
                return Cel("workflow.id", "text")
            case "$runIndex":
                return Cel("run.index", "number")
            case "$itemIndex" | "$position":
                return Cel("run.item_index", "number")
            case "undefined":
                return Cel("null", "null")
            case "$env":
                # Nothing reads the server's environment; the import makes a constant of that name to fill in.
                return Cel("vars", "map")
            case "$secrets":
                raise Beyond("secrets are not read in expressions: put them into a credential")
        raise Beyond(f"the name {_short(node)} is not known here")

    # members

    def _member_expression(self, node: Node) -> Cel:
        of, name = self.chain(_part(node, "object")), _said(_part(node, "property"))
        return self.member(node, of, name, may_lack=node.child_by_field_name("optional_chain") is not None)

    def _subscript_expression(self, node: Node) -> Cel:
        object, index = _part(node, "object"), _part(node, "index")
        if object.type == "identifier" and _said(object) == "$node" and index.type == "string":
            return Cel(f"node[{quoted(self.text(index))}]", "node")
        may_lack = node.child_by_field_name("optional_chain") is not None
        if index.type == "number" and (found := self.matched(object, int(_said(index)), may_lack=may_lack)):
            return found
        of = self.chain(object)
        may_lack = may_lack or of.may_lack
        if index.type == "string":
            return self.member(node, of, self.text(index), may_lack=may_lack)
        self.refuse_part(node, of)
        made = self.value(index)
        kind = "item" if of.text.endswith("items") and of.kind == "list" else ""
        return Cel(f"{of.within(PRIMARY)}[{made.text}]", kind, may_lack=may_lack)

    def matched(self, node: Node, group: int, *, may_lack: bool) -> Cel | None:
        """`text.match(/pattern/)[group]`; None when it is something else."""
        function = node.child_by_field_name("function") if node.type == "call_expression" else None
        if function is None or function.type != "member_expression" or _said(_part(function, "property")) != "match":
            return None
        arguments = _listed(_part(node, "arguments"))
        if len(arguments) != 1 or arguments[0].type != "regex":
            return None
        regex = self._regex(arguments[0]).text
        pattern = one_group(regex[1:], 0 if regex[0] == "g" else group)
        if pattern is None:
            return None
        of = self.chain(_part(function, "object"))
        at = f"[{group}]" if regex[0] == "g" else "[0]"
        return Cel(f"{of.within(PRIMARY)}.extract({quoted(pattern)}){at}", "text", may_lack=may_lack or of.may_lack)

    def member(self, node: Node, of: Cel, name: str, *, may_lack: bool = False) -> Cel:
        may_lack = may_lack or of.may_lack
        match of.kind, name:
            case "node", "item" | "first" | "last" | "all" | "itemMatching" | "pairedItem":
                return of
            case "node", "json" | "data":
                return Cel(f"{of.text}.json", "map", may_lack=may_lack)
            case "node", "binary":
                return Cel(f"{of.text}.items[0].binary", "map", may_lack=may_lack)
            case "node", _:
                raise Beyond(f"`.{name}` of another node has no counterpart: what it delivered is `json` and `items`")
            case "input", "item":
                return Cel("item", "item")
            case "input", _:
                raise Beyond(f"`$input.{name}` has no counterpart")
            case "item", "json":
                return Cel("json" if of.text == "item" else f"{of.text}.json", "map", may_lack=may_lack)
            case "time", _ if name in MEMBERS_OF_TIME:
                written = MEMBERS_OF_TIME[name].replace("{0}", of.within(PRIMARY))
                return Cel(written, "number", SUM if " + 1" in written else PRODUCT)
            case "regex", _:
                raise Beyond(f"{_short(node)} has no counterpart")
            case _, "length":
                return Cel(f"{of.within(PRIMARY)}.size()", "number", may_lack=may_lack)
        if of.text in ("execution", "workflow") and name not in ("id",):
            raise Beyond(f"`${of.text}.{name}` has no counterpart: there is `{of.text}.id`")
        plain = _IDENTIFIER.fullmatch(name) and name not in _RESERVED
        written = f".{name}" if plain else f"[{quoted(name)}]"
        return Cel(of.within(PRIMARY) + written, may_lack=may_lack)

    def refuse_part(self, node: Node, of: Cel) -> None:
        if of.kind in ("node", "input", "regex"):
            raise Beyond(f"{_short(node)} has no counterpart")

    # calls

    def _call_expression(self, node: Node) -> Cel:
        function = _part(node, "function")
        arguments = _listed(_part(node, "arguments"))
        if function.type == "member_expression":
            return self.method(node, function, arguments)
        name = _said(function)
        if name in ("$", "$items", "$node") and arguments and arguments[0].type == "string":
            made = f"node[{quoted(self.text(arguments[0]))}]"
            return Cel(f"{made}.items", "list") if name == "$items" else Cel(made, "node")
        match name, len(arguments):
            case "$items", 0:
                return Cel("items", "list")
            case "$fromAI" | "$fromAi", _ if arguments and arguments[0].type in ("string", "template_string"):
                made = f"from_ai[{self.value(arguments[0]).text}]"
                if len(arguments) > 3:
                    return Cel(f"default({made}, {self.value(arguments[3]).text})")
                return Cel(made)
            case "$if", 3:
                return self.choice(*arguments)
            case "$ifEmpty", 2:
                return self.otherwise(arguments[0], arguments[1])
            case "Boolean", 1:
                return self.truth(arguments[0])
            case "isNaN", 1:
                return Cel(f"math.isNaN(double({self.value(arguments[0]).text}))", "bool")
        return self.function(node, name, arguments)

    def function(self, node: Node, name: str, arguments: list[Node]) -> Cel:
        if name == "JSON.stringify" and len(arguments) in (2, 3):
            arguments = arguments[:1]  # the others are about blanks and line breaks
        if name in ("parseInt", "Number.parseInt") and len(arguments) == 2 and _said(arguments[1]) == "10":
            arguments = arguments[:1]
        if name == "Object.assign" and len(arguments) > 1:
            first, *more = [self.value(each) for each in arguments]
            if first.text == "{}":
                first, *more = more
            return Cel(first.within(PRIMARY) + "".join(f".merge({each.text})" for each in more), "map")
        if name == "DateTime.fromFormat":
            raise Beyond("reading a date by its format is a node of its own: action.date_time with `input_format`")
        found = FUNCTIONS.get((name, len(arguments)))
        if found is None:
            raise Beyond(f"`{name}` has no counterpart")
        return filled(*found, [self.value(each) for each in arguments])

    def method(self, node: Node, function: Node, arguments: list[Node]) -> Cel:
        object, name = _part(function, "object"), _said(_part(function, "property"))
        if object.type == "identifier" and _said(object) in ("JSON", "Math", "Object", "Array", "Number", "Date"):
            return self.function(node, f"{_said(object)}.{name}", arguments)
        if object.type == "identifier" and _said(object) == "DateTime":
            return self.function(node, f"DateTime.{name}", arguments)
        of = self.chain(object)
        may_lack = of.may_lack or function.child_by_field_name("optional_chain") is not None
        made = self.called(node, of, name, arguments)
        return replace(made, may_lack=True) if may_lack else made

    def called(self, node: Node, of: Cel, name: str, arguments: list[Node]) -> Cel:
        if of.kind in ("node", "input"):
            return self.delivered(node, of, name)
        if of.kind == "regex":
            if name == "test" and len(arguments) == 1:
                subject = self.value(arguments[0]).within(PRIMARY)
                return Cel(f"{subject}.matches({quoted(of.text[1:])})", "bool")
            raise Beyond(f"{_short(node)} has no counterpart")
        if name in MACROS and len(arguments) == 1 and arguments[0].type == "arrow_function":
            return self.each(of, name, arguments[0])
        if name in ("match", "replace", "replaceAll", "split", "search") and arguments and arguments[0].type == "regex":
            return self.by_pattern(node, of, name, arguments)
        match name, len(arguments):
            case "includes", 1:
                part = self.value(arguments[0])
                if of.kind == "list":
                    return Cel(f"{part.within(SUM)} in {of.within(SUM)}", "bool", RELATION)
                if of.kind == "text":
                    return Cel(f"{of.within(PRIMARY)}.contains({part.text})", "bool")
                return Cel(f"includes({of.text}, {part.text})", "bool")
            case "toFormat" | "format", 1 if arguments[0].type == "string":
                at = of.within(PRIMARY) if of.kind == "time" else f"parseTime({of.text}, {ZONE})"
                return formatted(at, self.text(arguments[0]))
            case "concat", _:
                return self.joined(node, of, [self.value(each) for each in arguments])
            case "plus" | "minus", 1 | 2:
                return self.shifted(node, of, name, arguments)
            case "startOf", 1 if arguments[0].type == "string" and of.kind == "time":
                return start_of(of, self.text(arguments[0]))
            case "slice" | "substr", 1 | 2:
                return self.sliced(node, of, name, arguments)
            case "toLocaleString" | "toLocaleDateString" | "toLocaleTimeString" | "toFixed", _:
                raise Beyond(f"`{name}` has no counterpart: round(x, digits) rounds, time.format(...) writes dates")
        found = METHODS.get((name, len(arguments)))
        if found is None:
            raise Beyond(f"`.{name}()` has no counterpart")
        return filled(*found, [of, *(self.value(each) for each in arguments)])

    def joined(self, node: Node, of: Cel, parts: list[Cel]) -> Cel:
        """`concat`: lists are opened, everything else is one more element; of a text, one text."""
        if of.kind == "text":
            return Cel(" + ".join([of.within(SUM), *map(self.as_text, parts)]), "text", SUM)
        if any(each.kind in ("", "item") for each in parts):
            raise Beyond(f"{_short(node)}: it is not known whether that is a list; write list + list")
        said = [each.within(PRODUCT) if each.kind == "list" else f"[{each.text}]" for each in parts]
        return Cel(" + ".join([of.within(SUM), *said]), "list", SUM)

    def delivered(self, node: Node, of: Cel, name: str) -> Cel:
        items = f"{of.text}.items" if of.kind == "node" else "items"
        match name:
            case "first":
                return Cel(f"{items}[0]", "item")
            case "last":
                return Cel(f"{items}.last()", "item")
            case "all":
                return Cel(items, "list")
            case "itemMatching" | "pairedItem" if of.kind == "node":
                return of
        raise Beyond(f"{_short(node)} has no counterpart")

    def each(self, of: Cel, name: str, function: Node) -> Cel:
        template, kind, is_test = MACROS[name]
        found = function.child_by_field_name("parameter")
        if found is None:
            given = _listed(_part(function, "parameters"))
            found = given[0] if len(given) == 1 else None
        body = _part(function, "body")
        if found is None or found.type != "identifier" or body.type == "statement_block":
            raise Beyond(f"the function {_short(function)} has no counterpart: one name, `=>` and one expression do")
        written = _said(found)
        ours = re.sub(r"\W", "_", written)
        ours = f"{ours}_" if ours in _OURS or ours in _RESERVED or not _IDENTIFIER.fullmatch(ours) else ours
        outer = self.names
        self.names = {**outer, written: ours}
        try:
            made = self.truth(body) if is_test else self.value(body)
        finally:
            self.names = outer
        return Cel(
            template.replace("{0}", of.within(PRIMARY)).replace("{1}", ours).replace("{2}", made.text),
            kind,
        )

    def by_pattern(self, node: Node, of: Cel, name: str, arguments: list[Node]) -> Cel:
        regex = self._regex(arguments[0]).text
        everywhere, pattern = regex[0] == "g", regex[1:]
        subject = of.within(PRIMARY)
        if name in ("replace", "replaceAll") and len(arguments) == 2 and arguments[1].type != "arrow_function":
            new = self.value(arguments[1])
            if "$" in new.text:
                raise Beyond(f"{_short(node)}: what a group held can not be put into the new text")
            literal = literal_of(pattern)
            if literal is not None:
                most = "" if everywhere else ", 1"
                return Cel(f"{subject}.replace({quoted(literal)}, {new.text}{most})", "text")
            if everywhere:
                return Cel(f"{subject}.replaceMatches({quoted(pattern)}, {new.text})", "text")
        if name == "split" and len(arguments) == 1 and (literal := literal_of(pattern)) is not None:
            return Cel(f"{subject}.split({quoted(literal)})", "list")
        if name == "match" and len(arguments) == 1 and not re.search(r"(?<!\\)\((?!\?)", pattern):
            return Cel(f"{subject}.extract({quoted(pattern)})", "list")
        raise Beyond(f"{_short(node)} has no counterpart: there are matches(), extract() and replaceMatches()")

    def sliced(self, node: Node, of: Cel, name: str, arguments: list[Node]) -> Cel:
        start, *end = (self.value(each).text for each in arguments)
        subject = of.within(PRIMARY)
        if start.startswith("-"):
            if end or of.kind not in ("text", "list"):
                raise Beyond(f"{_short(node)} counts from the end, which has no counterpart")
            verb = "slice" if of.kind == "list" else "substring"
            return Cel(f"{subject}.{verb}({subject}.size() - {start[1:]})", of.kind)
        if end and name == "substr":
            end = [f"{start} + {end[0]}"]
        if end and end[0].startswith("-"):
            end = [f"{subject}.size() - {end[0][1:]}"]
        verb, kind = ("substring", "text") if of.kind == "text" or name == "substr" else ("slice", of.kind)
        return Cel(f"{subject}.{verb}({', '.join([start, *end])})", kind)

    def shifted(self, node: Node, of: Cel, name: str, arguments: list[Node]) -> Cel:
        if of.kind != "time":
            raise Beyond(f"{_short(node)} is only known for dates, such as `$now`")
        amounts: list[tuple[str, Cel]] = []
        if arguments[0].type == "object" and len(arguments) == 1:
            for pair in _listed(arguments[0]):
                if pair.type != "pair":
                    raise Beyond(f"{_short(node)} has no counterpart")
                amounts.append((self.key(pair), self.value(_part(pair, "value"))))
        elif len(arguments) == 2 and arguments[1].type == "string":
            amounts.append((self.text(arguments[1]), self.value(arguments[0])))
        else:
            raise Beyond(f"{_short(node)} has no counterpart")
        made = of
        for unit, amount in amounts:
            moved = shifted(made, "+" if name == "plus" else "-", amount, unit)
            if moved is None:
                raise Beyond(f"{_short(node)}: the unit {unit.rstrip('s').lower()!r} is not known")
            made = moved
        return made

    def _new_expression(self, node: Node) -> Cel:
        given = node.child_by_field_name("arguments")
        arguments = _listed(given) if given else []
        if _said(_part(node, "constructor")) != "Date" or len(arguments) > 1:
            raise Beyond(f"{_short(node)} has no counterpart")
        if not arguments:
            return Cel("now", "time")
        made = self.value(arguments[0])
        if made.kind == "time":
            return made
        if made.kind == "number":
            return Cel(f"timestamp(int({made.within(PRODUCT)} / 1000))", "time")
        return Cel(f"parseTime({made.text}, {ZONE})", "time")

    # operators

    def _ternary_expression(self, node: Node) -> Cel:
        return self.choice(_part(node, "condition"), _part(node, "consequence"), _part(node, "alternative"))

    def choice(self, condition: Node, yes: Node, no: Node) -> Cel:
        asked, left, right = self.truth(condition), self.value(yes), self.value(no)
        kind = left.kind if left.kind == right.kind else ""
        return Cel(f"{asked.within(OR)} ? {left.within(OR)} : {right.text}", kind, TERNARY)

    def _unary_expression(self, node: Node) -> Cel:
        operator, argument = _said(_part(node, "operator")), _part(node, "argument")
        match operator:
            case "!":
                made = self.truth(argument)
                if made.text.startswith("!") and made.binds >= UNARY:
                    return Cel(made.text[1:], "bool", PRIMARY)
                return Cel(f"!{made.within(PRIMARY)}", "bool", UNARY)
            case "-":
                return Cel(f"-{self.value(argument).within(PRIMARY)}", "number", UNARY)
            case "+":
                return Cel(f"double({self.value(argument).text})", "number")
        raise Beyond(f"`{operator}` has no counterpart here")

    def _binary_expression(self, node: Node) -> Cel:
        operator = _said(_part(node, "operator"))
        left, right = _part(node, "left"), _part(node, "right")
        match operator:
            case "??":
                return Cel(f"default({self.chain(left).text}, {self.value(right).text})")
            case "||":
                if self.is_test(left) and self.is_test(right):
                    return self.truth(node)
                return self.otherwise(left, right)
            case "&&":
                if self.is_test(left) and self.is_test(right):
                    return self.truth(node)
                return Cel(f"{self.truth(left).within(OR)} ? {self.value(right).within(OR)} : null", "", TERNARY)
            case "==" | "===" | "!=" | "!==":
                return self.compared(operator[:2], left, right)
            case "<" | "<=" | ">" | ">=":
                return Cel(
                    f"{self.value(left).within(SUM)} {operator} {self.value(right).within(SUM)}", "bool", RELATION
                )
            case "in":
                return Cel(f"{self.value(left).within(SUM)} in {self.value(right).within(SUM)}", "bool", RELATION)
            case "+":
                return self.added(self.value(left), self.value(right))
            case "-":
                a, b = self.value(left), self.value(right)
                if a.kind == b.kind == "time":
                    return Cel(f"({a.within(SUM)} - {b.within(PRODUCT)}).getMilliseconds()", "number")
                return Cel(f"{a.within(SUM)} - {b.within(PRODUCT)}", "number", SUM)
            case "*" | "%":
                a, b = self.value(left), self.value(right)
                return Cel(f"{a.within(PRODUCT)} {operator} {b.within(UNARY)}", "number", PRODUCT)
            case "/":
                # Whole numbers divide to fractions in JavaScript.
                a, b = self.value(left), self.value(right)
                return Cel(f"double({a.text}) / {b.within(UNARY)}", "number", PRODUCT)
        raise Beyond(f"`{operator}` has no counterpart here")

    def is_test(self, node: Node) -> bool:
        """Whether it is true or false by its form."""
        if node.type == "parenthesized_expression":
            return self.is_test(_inner(node))
        if node.type == "binary_expression" and _said(_part(node, "operator")) in ("||", "&&"):
            return self.is_test(_part(node, "left")) and self.is_test(_part(node, "right"))
        made = self.chain(node)
        return made.kind == "bool" and not made.may_lack

    def otherwise(self, left: Node, right: Node) -> Cel:
        """`left || right` as a value."""
        first, second = self.chain(left), self.value(right)
        if first.kind in ("regex", "node", "input"):
            raise Beyond(f"{_short(left)} is no value by itself")
        if second.text in ("''", '""', "0", "null", "false", "[]", "{}"):
            # What is empty on the left would be empty on the right.
            return Cel(f"default({first.text}, {second.text})", second.kind if second.kind != "null" else "")
        return Cel(f"optional.ofNonZeroValue(default({first.text}, null)).orValue({second.text})")

    def compared(self, operator: str, left: Node, right: Node) -> Cel:
        for one, other in ((left, right), (right, left)):
            if one.type == "unary_expression" and _said(_part(one, "operator")) == "typeof" and other.type == "string":
                return self.typed(operator, _part(one, "argument"), self.text(other))
            if other.type in ("null", "undefined") or (other.type == "identifier" and _said(other) == "undefined"):
                return Cel(f"default({self.chain(one).text}, null) {operator} null", "bool", RELATION)
        return Cel(f"{self.value(left).within(SUM)} {operator} {self.value(right).within(SUM)}", "bool", RELATION)

    def typed(self, operator: str, node: Node, name: str) -> Cel:
        made = self.chain(node)
        if name == "undefined":
            return Cel(f"default({made.text}, null) {operator} null", "bool", RELATION)
        if name not in ("string", "boolean"):
            raise Beyond(f"`typeof` {name} has no counterpart: write type(x) == int, double, list, map")
        ours = {"string": "string", "boolean": "bool"}[name]
        return Cel(f"type(default({made.text}, null)) {operator} {ours}", "bool", RELATION)

    def added(self, left: Cel, right: Cel) -> Cel:
        if "text" in (left.kind, right.kind):
            joined = left.within(SUM) if left.kind == "text" else f"toText({left.text})"
            return Cel(f"{joined} + {self.as_text(right)}", "text", SUM)
        kind = "number" if left.kind == right.kind == "number" else ""
        return Cel(f"{left.within(SUM)} + {right.within(PRODUCT)}", kind, SUM)


def _inner(node: Node) -> Node:
    found = _listed(node)
    if len(found) != 1:
        raise Beyond(f"{_short(node)} has no counterpart")
    return found[0]


def _listed(node: Node) -> list[Node]:
    return [each for each in node.named_children if each.type != "comment"]


def _part(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    if found is None:
        raise Beyond(f"{_short(node)} has a form that is not understood")
    return found


def _said(node: Node) -> str:
    return (node.text or b"").decode()


def _short(node: Node) -> str:
    said = " ".join(_said(node).split())
    return f"`{said if len(said) <= 60 else said[:57] + '...'}`"


def _unescaped(sequence: str) -> str:
    match sequence[1:2]:
        case "n" | "r" | "t" | "b" | "f":
            return {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}[sequence[1]]
        case "u" | "x":
            return chr(int(sequence[2:].strip("{}"), 16))
        case "\n":
            return ""
        case _:
            return sequence[1:]
