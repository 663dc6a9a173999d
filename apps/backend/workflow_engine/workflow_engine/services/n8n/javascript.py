"""n8n's expressions, which are JavaScript, in our language.

A grammar reads them; each construct that means the same here is written in CEL. What has no counterpart raises `Beyond`
in words for the person who has to rewrite it: nothing is guessed, because an expression that is nearly right is worse
than one that is missing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

TERNARY, OR, AND, RELATION, SUM, PRODUCT, UNARY, PRIMARY = range(8)
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
ZONE = "workflow.timezone"


class Beyond(Exception):
    """An expression that our language can not say, and why."""


@dataclass(frozen=True, slots=True)
class Cel:
    """A piece of CEL, how tightly it binds, and what it is known to be."""

    text: str
    kind: str = ""
    """`text`, `number`, `bool`, `list`, `map`, `time`, `null`, `regex`, `node`, `input`, `item`, or empty."""
    binds: int = PRIMARY
    may_lack: bool = False
    """It ends a chain with `?.`, so that it may be absent."""

    def within(self, binds: int) -> str:
        return f"({self.text})" if self.binds < binds else self.text


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


@cache
def _parser() -> Parser:
    import tree_sitter_javascript
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_javascript.language()))


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


def quoted(text: str) -> str:
    """A text as CEL writes it."""
    if "'" not in text and "\\" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def _said(node: Node) -> str:
    return (node.text or b"").decode()


def _part(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    if found is None:
        raise Beyond(f"{_short(node)} has a form that is not understood")
    return found


def _short(node: Node) -> str:
    said = " ".join(_said(node).split())
    return f"`{said if len(said) <= 60 else said[:57] + '...'}`"


# What JavaScript, Luxon and n8n can do to a value: how many arguments it takes, how we write it, what comes out.
# {0} is the value itself.
_METHODS: dict[tuple[str, int], tuple[str, str]] = {
    ("toUpperCase", 0): ("{0}.upper()", "text"),
    ("toLowerCase", 0): ("{0}.lower()", "text"),
    ("trim", 0): ("{0}.trim()", "text"),
    ("startsWith", 1): ("{0}.startsWith({1})", "bool"),
    ("endsWith", 1): ("{0}.endsWith({1})", "bool"),
    ("indexOf", 1): ("{0}.indexOf({1})", "number"),
    ("split", 1): ("{0}.split({1})", "list"),
    ("replaceAll", 2): ("{0}.replace({1}, {2})", "text"),
    ("replace", 2): ("{0}.replace({1}, {2}, 1)", "text"),
    ("substring", 1): ("{0}.substring({1})", "text"),
    ("substring", 2): ("{0}.substring({1}, {2})", "text"),
    ("charAt", 1): ("{0}.substring({1}, {1} + 1)", "text"),
    ("toString", 0): ("toText({0})", "text"),
    ("capitalize", 0): ("{0}.capitalize()", "text"),
    ("urlEncode", 0): ("{0}.urlEncode()", "text"),
    ("urlDecode", 0): ("{0}.urlDecode()", "text"),
    ("base64Encode", 0): ("{0}.base64Encode()", "text"),
    ("base64Decode", 0): ("{0}.base64Decode()", "text"),
    ("parseJson", 0): ("fromJson({0})", ""),
    ("toJsonString", 0): ("toJson({0})", "text"),
    ("toInt", 0): ("int({0})", "number"),
    ("toNumber", 0): ("double({0})", "number"),
    ("toFloat", 0): ("double({0})", "number"),
    ("toDateTime", 0): ("parseTime({0})", "time"),
    ("isEmpty", 0): ("{0}.size() == 0", "bool"),
    ("isNotEmpty", 0): ("{0}.size() > 0", "bool"),
    ("round", 0): ("round({0})", "number"),
    ("round", 1): ("round({0}, {1})", "number"),
    ("abs", 0): ("math.abs({0})", "number"),
    ("ceil", 0): ("int(math.ceil({0}))", "number"),
    ("floor", 0): ("int(math.floor({0}))", "number"),
    ("join", 0): ("{0}.join(',')", "text"),
    ("join", 1): ("{0}.join({1})", "text"),
    ("reverse", 0): ("{0}.reverse()", "list"),
    ("flat", 0): ("{0}.flatten()", "list"),
    ("at", 1): ("{0}[{1}]", ""),
    ("first", 0): ("{0}.first()", ""),
    ("last", 0): ("{0}.last()", ""),
    ("sum", 0): ("{0}.sum()", "number"),
    ("average", 0): ("{0}.avg()", "number"),
    ("max", 0): ("{0}.max()", ""),
    ("min", 0): ("{0}.min()", ""),
    ("unique", 0): ("{0}.distinct()", "list"),
    ("removeDuplicates", 0): ("{0}.distinct()", "list"),
    ("pluck", 1): ("{0}.pluck({1})", "list"),
    ("keys", 0): ("{0}.keys()", "list"),
    ("values", 0): ("{0}.values()", "list"),
    ("merge", 1): ("{0}.merge({1})", "map"),
    ("hasField", 1): ("{1} in {0}", "bool"),
    ("hasOwnProperty", 1): ("{1} in {0}", "bool"),
    ("toISO", 0): ("string({0})", "text"),
    ("toISOString", 0): ("string({0})", "text"),
    ("toJSON", 0): ("string({0})", "text"),
    ("toISODate", 0): ("{0}.format('%Y-%m-%d', " + ZONE + ")", "text"),
    ("toISOTime", 0): ("{0}.format('%H:%M:%S', " + ZONE + ")", "text"),
    ("toMillis", 0): ("int({0}) * 1000", "number"),
    ("getTime", 0): ("int({0}) * 1000", "number"),
    ("valueOf", 0): ("int({0}) * 1000", "number"),
    ("toSeconds", 0): ("int({0})", "number"),
    ("toUnixInteger", 0): ("int({0})", "number"),
    ("toUTC", 0): ("{0}", "time"),
    ("toJSDate", 0): ("{0}", "time"),
    ("getFullYear", 0): ("{0}.getFullYear(" + ZONE + ")", "number"),
    ("getMonth", 0): ("{0}.getMonth(" + ZONE + ")", "number"),
    ("getDate", 0): ("{0}.getDate(" + ZONE + ")", "number"),
    ("getDay", 0): ("{0}.getDayOfWeek(" + ZONE + ")", "number"),
    ("getHours", 0): ("{0}.getHours(" + ZONE + ")", "number"),
    ("getMinutes", 0): ("{0}.getMinutes(" + ZONE + ")", "number"),
    ("getSeconds", 0): ("{0}.getSeconds(" + ZONE + ")", "number"),
}
_FUNCTIONS: dict[tuple[str, int], tuple[str, str]] = {
    ("JSON.stringify", 1): ("toJson({1})", "text"),
    ("JSON.parse", 1): ("fromJson({1})", ""),
    ("String", 1): ("toText({1})", "text"),
    ("Number", 1): ("double({1})", "number"),
    ("parseFloat", 1): ("double({1})", "number"),
    ("Number.parseFloat", 1): ("double({1})", "number"),
    ("parseInt", 1): ("int({1})", "number"),
    ("Number.parseInt", 1): ("int({1})", "number"),
    ("encodeURIComponent", 1): ("{1}.urlEncode()", "text"),
    ("decodeURIComponent", 1): ("{1}.urlDecode()", "text"),
    ("Math.floor", 1): ("int(math.floor({1}))", "number"),
    ("Math.ceil", 1): ("int(math.ceil({1}))", "number"),
    ("Math.trunc", 1): ("int(math.trunc({1}))", "number"),
    ("Math.round", 1): ("round({1})", "number"),
    ("Math.abs", 1): ("math.abs({1})", "number"),
    ("Math.sqrt", 1): ("math.sqrt({1})", "number"),
    ("Math.max", 2): ("math.greatest({1}, {2})", "number"),
    ("Math.min", 2): ("math.least({1}, {2})", "number"),
    ("Object.keys", 1): ("{1}.keys()", "list"),
    ("Object.values", 1): ("{1}.values()", "list"),
    ("Array.isArray", 1): ("type({1}) == list", "bool"),
    ("Date.now", 0): ("int(now) * 1000", "number"),
    ("DateTime.now", 0): ("now", "time"),
    ("DateTime.local", 0): ("now", "time"),
    ("DateTime.utc", 0): ("now", "time"),
    ("DateTime.fromISO", 1): ("parseTime({1}, " + ZONE + ")", "time"),
    ("DateTime.fromJSDate", 1): ("{1}", "time"),
    ("DateTime.fromMillis", 1): ("timestamp(int({1} / 1000))", "time"),
    ("DateTime.fromSeconds", 1): ("timestamp(int({1}))", "time"),
    ("$max", 2): ("math.greatest({1}, {2})", "number"),
    ("$min", 2): ("math.least({1}, {2})", "number"),
}
_MEMBERS_OF_TIME = {
    "year": "{0}.getFullYear(" + ZONE + ")",
    "month": "{0}.getMonth(" + ZONE + ") + 1",
    "day": "{0}.getDate(" + ZONE + ")",
    "hour": "{0}.getHours(" + ZONE + ")",
    "minute": "{0}.getMinutes(" + ZONE + ")",
    "second": "{0}.getSeconds(" + ZONE + ")",
    "weekday": "({0}.getDayOfWeek(" + ZONE + ") + 6) % 7 + 1",
    "ts": "int({0}) * 1000",
}
_MACROS = {
    "map": ("{0}.map({1}, {2})", "list", False),
    "filter": ("{0}.filter({1}, {2})", "list", True),
    "find": ("default({0}.filter({1}, {2}).first(), null)", "", True),
    "some": ("{0}.exists({1}, {2})", "bool", True),
    "every": ("{0}.all({1}, {2})", "bool", True),
}
_HOURS = {"hour": 1, "day": 24, "week": 168}
_SECONDS = {"second": 1, "minute": 60}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_STARTS = {"day": "%Y-%m-%d", "month": "%Y-%m-01", "year": "%Y-01-01"}
_TOKENS = {
    "yyyy": "%Y",
    "YYYY": "%Y",
    "MMMM": "%B",
    "LLLL": "%B",
    "MMM": "%b",
    "LLL": "%b",
    "MM": "%m",
    "LL": "%m",
    "dd": "%d",
    "DD": "%d",
    "EEEE": "%A",
    "cccc": "%A",
    "EEE": "%a",
    "ccc": "%a",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "a": "%p",
    "ZZZ": "%z",
}
_UNPADDED = {
    "d": "string({0}.getDate({zone}))",
    "D": "string({0}.getDate({zone}))",
    "M": "string({0}.getMonth({zone}) + 1)",
    "L": "string({0}.getMonth({zone}) + 1)",
    "H": "string({0}.getHours({zone}))",
    "m": "string({0}.getMinutes({zone}))",
    "s": "string({0}.getSeconds({zone}))",
    "yy": "{0}.format('%Y', {zone}).substring(2)",
    "YY": "{0}.format('%Y', {zone}).substring(2)",
}
"""What strftime has no code for."""
_LOOKS_AROUND = re.compile(r"(?<!\\)\(\?<?[=!]|(?<!\\)\\[1-9]")
_GROUP = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\((?!\?)")
_FORMAT = re.compile(r"'([^']*)'|([A-Za-z])\2*|%|[^A-Za-z%']+")


def strftime(luxon: str) -> str:
    """A format of Luxon, such as `yyyy-MM-dd`, in strftime's codes. Raises Beyond."""

    def code(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1].replace("%", "%%")
        if not match[2]:
            return "%%" if match[0] == "%" else match[0]
        if match[0] == "T":
            return "T"
        if match[0] not in _TOKENS:
            raise Beyond(f"the date format {luxon!r} has {match[0]!r}, which our formats can not write")
        return _TOKENS[match[0]]

    return _FORMAT.sub(code, luxon)


def _written(at: str, luxon: str) -> Cel:
    """A time in a format of Luxon. Raises Beyond."""
    tokens = [match[0] for match in _FORMAT.finditer(luxon)]
    if not any(each in _UNPADDED for each in tokens):
        return Cel(f"{at}.format({quoted(strftime(luxon))}, {ZONE})", "text")
    parts, coded = [], ""
    for token in [*tokens, ""]:
        if token and token not in _UNPADDED:
            coded += token
            continue
        if coded:
            parts.append(f"{at}.format({quoted(strftime(coded))}, {ZONE})")
        coded = ""
        if token:
            parts.append(_UNPADDED[token].replace("{0}", at).replace("{zone}", ZONE))
    return Cel(" + ".join(parts), "text", SUM if len(parts) > 1 else PRIMARY)


def _one_group(pattern: str, wanted: int) -> str | None:
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
        if _LOOKS_AROUND.search(pattern):
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
                return _start_of(Cel("now", "time"), "day")
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
        pattern = _one_group(regex[1:], 0 if regex[0] == "g" else group)
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
            case "time", _ if name in _MEMBERS_OF_TIME:
                written = _MEMBERS_OF_TIME[name].replace("{0}", of.within(PRIMARY))
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
        found = _FUNCTIONS.get((name, len(arguments)))
        if found is None:
            raise Beyond(f"`{name}` has no counterpart")
        return _filled(*found, [self.value(each) for each in arguments])

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
        if name in _MACROS and len(arguments) == 1 and arguments[0].type == "arrow_function":
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
                return _written(at, self.text(arguments[0]))
            case "concat", _:
                return self.joined(node, of, [self.value(each) for each in arguments])
            case "plus" | "minus", 1 | 2:
                return self.shifted(node, of, name, arguments)
            case "startOf", 1 if arguments[0].type == "string" and of.kind == "time":
                return _start_of(of, self.text(arguments[0]))
            case "slice" | "substr", 1 | 2:
                return self.sliced(node, of, name, arguments)
            case "toLocaleString" | "toLocaleDateString" | "toLocaleTimeString" | "toFixed", _:
                raise Beyond(f"`{name}` has no counterpart: round(x, digits) rounds, time.format(...) writes dates")
        found = _METHODS.get((name, len(arguments)))
        if found is None:
            raise Beyond(f"`.{name}()` has no counterpart")
        return _filled(*found, [of, *(self.value(each) for each in arguments)])

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
        template, kind, is_test = _MACROS[name]
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
            literal = _literal(pattern)
            if literal is not None:
                most = "" if everywhere else ", 1"
                return Cel(f"{subject}.replace({quoted(literal)}, {new.text}{most})", "text")
            if everywhere:
                return Cel(f"{subject}.replaceMatches({quoted(pattern)}, {new.text})", "text")
        if name == "split" and len(arguments) == 1 and (literal := _literal(pattern)) is not None:
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
        sign, made = ("+" if name == "plus" else "-"), of
        for unit, amount in amounts:
            unit = unit.rstrip("s").lower()
            if unit in _MONTHS:
                count = amount.within(UNARY) if _MONTHS[unit] == 1 else f"{amount.within(PRODUCT)} * {_MONTHS[unit]}"
                signed = count if sign == "+" else f"-({count})" if " " in count else f"-{count}"
                made = Cel(f"{made.within(PRIMARY)}.addMonths({signed})", "time")
                continue
            factor, letter = (_HOURS[unit], "h") if unit in _HOURS else (_SECONDS.get(unit, 0), "s")
            if not factor:
                raise Beyond(f"{_short(node)}: the unit {unit!r} is not known")
            if amount.text.isdigit():
                length = f"duration('{int(amount.text) * factor}{letter}')"
            else:
                product = amount.within(PRODUCT) if factor == 1 else f"{amount.within(PRODUCT)} * {factor}"
                length = f"duration(string({product}) + '{letter}')"
            made = Cel(f"{made.within(SUM)} {sign} {length}", "time", SUM)
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


def _literal(pattern: str) -> str | None:
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


def _start_of(at: Cel, unit: str) -> Cel:
    if unit not in _STARTS:
        raise Beyond(f"the start of a {unit} has no counterpart: action.date_time rounds dates")
    return Cel(f"parseTime({at.within(PRIMARY)}.format('{_STARTS[unit]}', {ZONE}), {ZONE})", "time")


def _filled(template: str, kind: str, parts: list[Cel]) -> Cel:
    """A template with its parts: {0} the value itself where it has one, else {1}, {2} its arguments."""
    first = 0 if "{0}" in template else 1
    written = template
    for number, part in enumerate(parts, first):
        place = f"{{{number}}}"
        alone = f"({place})" in template or f"({place}," in template or f", {place})" in template
        written = written.replace(
            place, part.text if alone and not template.startswith(place) else part.within(PRIMARY)
        )
    binds = RELATION if " in " in template or " == " in template or " > " in template else PRIMARY
    binds = SUM if template in ("{0} + {1}",) else PRODUCT if " * " in template else binds
    return Cel(written, kind, binds)
