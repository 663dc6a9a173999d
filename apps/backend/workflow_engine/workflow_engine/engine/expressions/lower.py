"""A checked syntax tree becomes nested Python closures that count what they do.

Each closure takes the `Run` and returns a value. Loops pay for their whole length before they start, in steps
proportional to the size of their body; functions pay for the data that they touch (see functions/). So no expression,
however it is nested, outlives its budget by more than one cheap operation.

Nothing here knows the source text: troubles carry the position of the tree's node at which they arose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from workflow_engine.engine.expressions import functions
from workflow_engine.engine.expressions.operators import OPERATORS
from workflow_engine.engine.expressions.syntax import Expr
from workflow_engine.engine.expressions.values import (
    ELEMENT,
    ENTRY,
    NOTHING,
    Absent,
    Kind,
    Maybe,
    Run,
    Trouble,
    Uint,
    elements,
    is_key,
    named,
)

Eval: TypeAlias = Callable[[Run], Any]

TROUBLE = 10
"""Steps for one trouble that an expression survives."""
DEEPEST = 120
"""How deep a tree may be: the library allows 32 levels of what one writes, and a macro makes several of one."""
_TYPES = {
    name: Kind(name)
    for name in (
        *(
            "bool",
            "int",
            "uint",
            "double",
            "string",
            "bytes",
            "list",
            "map",
            "null_type",
            "type",
            "optional_type",
        ),
        *("google.protobuf.Timestamp", "google.protobuf.Duration"),
    )
}
ARGUMENTS = "from_ai"
"""The variable that holds a tool's arguments."""
_QUALIFIERS = frozenset({"base64", "math", "optional"})


class Refused(Exception):
    """The tree holds something that expressions do not have."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.offset, self.hint = message, offset, hint


class Lowering:
    """Lowers one tree; then `nodes`, `names` and `slots` say what it needs."""

    def __init__(self, variables: frozenset[str], positions: Mapping[int, int]) -> None:
        self.variables, self.positions = variables, positions
        self.nodes: set[str] = set()
        self.asked: dict[str, bool] = {}
        """Arguments that are to come from a model, and whether the expression can not do without."""
        self.slots = 0
        """Loop variables alive at once."""
        self.builds = False
        """It makes lists or maps of its own, so that its result may repeat parts of the input."""
        self._local: dict[str, int] = {}
        self._used = 0
        self._depth = 0
        self._lenient = 0
        """Inside so many `default(...)`."""

    def lower(self, tree: Expr) -> Eval:
        """Raises Refused."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise Refused("the expression is nested too deeply", self.at(tree), "split it over several set nodes")
        try:
            match tree.WhichOneof("kind"):
                case "const_expr":
                    return _constant(tree.const_expr)
                case "ident_expr":
                    return self.ident(tree)
                case "select_expr":
                    return self.select(tree)
                case "call_expr":
                    return self.call(tree)
                case "list_expr":
                    return self.list(tree)
                case "struct_expr":
                    return self.map(tree)
                case "comprehension_expr":
                    return self.loop(tree)
            raise Refused("the expression is incomplete", self.at(tree))
        finally:
            self._depth -= 1

    def at(self, tree: Expr) -> int:
        return self.positions.get(tree.id, 0)

    # names

    def ident(self, tree: Expr) -> Eval:
        name = tree.ident_expr.name
        if name in self._local:
            slot = self._local[name]

            def local(run: Run) -> Any:
                value = run.slots[slot]
                if isinstance(value, Trouble):
                    raise value.with_traceback(None)  # else the traceback grows with each turn of the loop
                return value

            return local
        name = name.removeprefix(".")
        if name == "node" and "node" in self.variables:
            raise _unnamed(self.at(tree))
        if name == ARGUMENTS and name in self.variables:
            raise Refused(
                "an argument must be named in the expression itself",
                self.at(tree),
                f"write {ARGUMENTS}.city, so that the model can be told what to give",
            )
        if name in self.variables:
            return _variable(name, self.at(tree))
        if name in _TYPES:
            kind = _TYPES[name]
            return lambda run: kind
        raise Refused(f"there is no variable {name!r}", self.at(tree))

    def is_node(self, tree: Expr) -> bool:
        return self.is_free(tree, "node")

    def is_free(self, tree: Expr, name: str) -> bool:
        """Whether the tree is this variable, and no loop's own of that name."""
        return _is_name(tree, name) and name not in self._local and name in self.variables

    def argument_named(self, tree: Expr) -> str:
        """`x` when the tree is `from_ai.x`, or that with a default, and nothing else; empty otherwise."""
        select, call = tree.select_expr, tree.call_expr
        if tree.WhichOneof("kind") == "select_expr" and self.is_free(select.operand, ARGUMENTS):
            return "" if select.test_only else str(select.field)
        if _function(tree) == "_[_]" and self.is_free(call.args[0], ARGUMENTS):
            return str(call.args[1].const_expr.string_value)
        if _function(tree) == "default" and len(call.args) == 2 and not call.HasField("target"):
            return self.argument_named(call.args[0])
        return ""

    def argument(self, name: str, at: int, *, must: bool = True) -> Eval:
        """One of the arguments of a tool."""
        self.asked[name] = self.asked.get(name, False) or (must and not self._lenient)

        def argument(run: Run) -> Any:
            given = run.scope.from_ai
            if given is None:
                raise _placed(
                    Trouble(
                        f"{ARGUMENTS} has a value only where a model uses this node as a tool",
                        "connect the node's `tool` port to an agent's `tools`, or write the value itself",
                    ),
                    at,
                )
            if name in given:
                return given[name]
            raise _placed(Absent(name, given), at)

        return argument

    def given(self, name: str, at: int) -> Eval:
        self.argument(name, at, must=False)
        return lambda run: name in (run.scope.from_ai or {})

    def node(self, name: str, at: int) -> Eval:
        self.nodes.add(name)

        def node(run: Run) -> Any:
            found = run.node(name)
            if found is None:
                raise _placed(
                    Trouble(
                        f"the node {name!r} delivered nothing in this execution",
                        "it was skipped or its path was not taken: read it only behind it, merge the paths first, "
                        "or write default(node[...].json..., value)",
                        is_absent=True,
                    ),
                    at,
                )
            return found

        return node

    def delivered(self, name: str) -> Eval:
        self.nodes.add(name)
        return lambda run: run.node(name) is not None

    def qualified(self, tree: Expr) -> str:
        """`a.b.c` for a chain of selections of a free name that is no variable; else nothing."""
        match tree.WhichOneof("kind"):
            case "ident_expr":
                name = tree.ident_expr.name
                return "" if name in self._local or name in self.variables else str(name)
            case "select_expr" if not tree.select_expr.test_only:
                head = self.qualified(tree.select_expr.operand)
                return f"{head}.{tree.select_expr.field}" if head else ""
        return ""

    # keys and indexes

    def select(self, tree: Expr) -> Eval:
        key, at = tree.select_expr.field, self.at(tree)
        if self.is_node(tree.select_expr.operand):
            return self.delivered(key) if tree.select_expr.test_only else self.node(key, at)
        if self.is_free(tree.select_expr.operand, ARGUMENTS):
            return self.given(key, at) if tree.select_expr.test_only else self.argument(key, at)
        if (name := self.qualified(tree)) in _TYPES:
            kind = _TYPES[name]
            return lambda run: kind
        operand = self.lower(tree.select_expr.operand)
        at += 1  # a selection stands at its dot
        if tree.select_expr.test_only:
            return lambda run: _has(operand(run), key, at)

        def select(run: Run) -> Any:
            value = operand(run)
            if type(value) is dict and key in value:
                return value[key]
            return _select(value, key, at)

        return select

    def index(self, tree: Expr) -> Eval:
        subject, key = tree.call_expr.args
        at = self.at(tree)
        if self.is_node(subject):
            if key.WhichOneof("kind") != "const_expr" or key.const_expr.WhichOneof("kind") != "string_value":
                raise _unnamed(at)
            return self.node(key.const_expr.string_value, at)
        if self.is_free(subject, ARGUMENTS) and key.const_expr.WhichOneof("kind") == "string_value":
            return self.argument(key.const_expr.string_value, at)
        value_of, key_of = self.lower(subject), self.lower(key)
        return lambda run: _index(value_of(run), key_of(run), at)

    def maybe_index(self, tree: Expr) -> Eval:
        """`a.?b` and `a[?b]`."""
        subject, key = tree.call_expr.args
        at = self.at(tree)
        if self.is_node(subject):
            if key.WhichOneof("kind") != "const_expr":
                raise _unnamed(at)
            name = key.const_expr.string_value
            self.delivered(name)
            return lambda run: NOTHING if run.node(name) is None else Maybe(True, run.node(name))
        if self.is_free(subject, ARGUMENTS) and key.const_expr.WhichOneof("kind") == "string_value":
            name = key.const_expr.string_value
            was_given, argument = self.given(name, at), self.argument(name, at, must=False)
            return lambda run: Maybe(True, argument(run)) if was_given(run) else NOTHING
        value_of, key_of = self.lower(subject), self.lower(key)
        return lambda run: _maybe_index(value_of(run), key_of(run), at)

    # calls

    def lenient(self, tree: Expr) -> Eval:
        """What may be absent."""
        self._lenient += 1
        try:
            return self.lower(tree)
        finally:
            self._lenient -= 1

    def call(self, tree: Expr) -> Eval:
        call = tree.call_expr
        name, at = call.function, self.at(tree)
        match name:
            case "_[_]":
                return self.index(tree)
            case "_?._" | "_[?_]":
                return self.maybe_index(tree)
            case "_&&_":
                return self.logic(call.args, False, at)
            case "_||_":
                return self.logic(call.args, True, at)
            case "_?_:_":
                return self.choice(call.args, at)
            case "@not_strictly_false":
                return _not_strictly_false(self.lower(call.args[0]))
            case "default" if len(call.args) == 2 and not call.HasField("target"):
                return _default(self.lenient(call.args[0]), self.lower(call.args[1]))
            case "orElse" if len(call.args) == 1:
                return _default(self.lenient(call.target), self.lower(call.args[0]))
        arguments = list(call.args)
        if call.HasField("target"):
            qualifier = self.qualified(call.target)
            if qualifier in _QUALIFIERS:
                name = f"{qualifier}.{name}"
            else:
                arguments.insert(0, call.target)
        name = name.removeprefix(".")
        if operator := OPERATORS.get(name):
            self.builds = self.builds or name == "_+_"
            return _operation(operator, [self.lower(each) for each in arguments], at)
        function = functions.FUNCTIONS.get((name, call.HasField("target") and len(arguments) > len(call.args)))
        if function is None:
            raise Refused(f"there is no function {name!r}", at)
        self.builds = self.builds or function.builds
        if name.isalpha():
            at = max(at - len(name), 0)  # a call stands at its parenthesis
        return _invocation(function, [self.lower(each) for each in arguments], at)

    def logic(self, arguments: Any, decisive: bool, at: int) -> Eval:
        """`&&` and `||`: a side that decides makes the other one's trouble irrelevant."""
        left, right = (self.lower(each) for each in arguments)
        sign = "||" if decisive else "&&"

        def logic(run: Run) -> Any:
            try:
                first = left(run)
            except Trouble as trouble:
                run.spend(TROUBLE)
                if right(run) is decisive:
                    return decisive
                raise trouble from None
            if first is decisive:
                return decisive
            second = right(run)
            if second is decisive or (type(first) is bool and type(second) is bool):
                return second
            odd = first if type(first) is not bool else second
            raise _placed(
                Trouble(f"{sign} joins true and false, not {named(odd)}", "compare first: json.count > 0"), at
            )

        return logic

    def choice(self, arguments: Any, at: int) -> Eval:
        condition, yes, no = (self.lower(each) for each in arguments)

        def choice(run: Run) -> Any:
            chosen = condition(run)
            if chosen is True:
                return yes(run)
            if chosen is False:
                return no(run)
            raise _placed(
                Trouble(f"what stands before ? must be true or false, not {named(chosen)}", "compare first"),
                at,
            )

        return choice

    # collections

    def list(self, tree: Expr) -> Eval:
        self.builds = True
        parts = [self.lower(each) for each in tree.list_expr.elements]
        optional = frozenset(tree.list_expr.optional_indices)
        room = ELEMENT * (len(parts) + 1)
        if not optional:

            def plain_list(run: Run) -> Any:
                run.build(room)
                return [part(run) for part in parts]

            return plain_list
        at = self.at(tree)

        def optional_list(run: Run) -> Any:
            run.build(room)
            made = []
            for position, part in enumerate(parts):
                value = part(run)
                if position in optional:
                    value = _optional(value, at)
                    if not value.is_present:
                        continue
                    value = value.value
                made.append(value)
            return made

        return optional_list

    def map(self, tree: Expr) -> Eval:
        if tree.struct_expr.message_name:
            raise Refused(
                f"messages such as {tree.struct_expr.message_name} can not be built here",
                self.at(tree),
                "write a map: {'key': value}",
            )
        self.builds = True
        entries = [
            (
                self.lower(each.map_key),
                self.lower(each.value),
                each.optional_entry,
                self.positions.get(each.id, 0),
            )
            for each in tree.struct_expr.entries
        ]
        room = ENTRY * (len(entries) + 1)

        def make_map(run: Run) -> Any:
            run.build(room)
            made: dict[Any, Any] = {}
            for key_of, value_of, is_optional, at in entries:
                key, value = key_of(run), value_of(run)
                if not is_key(key) or type(key) is float:
                    raise _placed(Trouble(f"a key is a text or a whole number, not {named(key)}"), at)
                if key in made:
                    raise _placed(Trouble(f"the key {key!r} is there twice"), at)
                if is_optional:
                    value = _optional(value, at)
                    if not value.is_present:
                        continue
                    value = value.value
                made[key] = value
            return made

        return make_map

    # loops

    def loop(self, tree: Expr) -> Eval:
        loop, at = tree.comprehension_expr, self.at(tree)
        if loop.iter_var2:
            raise Refused("loops have one variable", at)
        range_of, initial = self.lower(loop.iter_range), self.lower(loop.accu_init)
        shadowed, used = dict(self._local), self._used
        accumulator = self.bind(loop.accu_var)
        inner, within = dict(self._local), self._used
        variable = self.bind(loop.iter_var)
        weight = _weight(loop.loop_step)
        grown = _appended(loop)
        if grown is not None:
            kept, element = grown
            weight = 1 + _weight(element) + (_weight(kept) if kept is not None else 0)
            body = (self.lower(kept) if kept is not None else None), self.lower(element)
        else:
            condition, step = self.lower(loop.loop_condition), self.lower(loop.loop_step)
        self._local, self._used = inner, within
        result = self.lower(loop.result)
        self._local, self._used = shadowed, used
        if grown is not None:
            self.builds = True
            return _collect(range_of, *body, variable, weight, at)
        return _fold(range_of, initial, condition, step, result, accumulator, variable, weight, at)

    def bind(self, name: str) -> int:
        slot = self._local[name] = self._used
        self._used += 1
        self.slots = max(self.slots, self._used)
        return slot


def _weight(tree: Expr) -> int:
    """Steps for one turn of a loop: nodes of its body, without the bodies of inner loops, which pay themselves."""
    match tree.WhichOneof("kind"):
        case "select_expr":
            return 1 + _weight(tree.select_expr.operand)
        case "call_expr":
            target = _weight(tree.call_expr.target) if tree.call_expr.HasField("target") else 0
            own = 1 if tree.call_expr.function in OPERATORS else 3
            return own + target + sum(map(_weight, tree.call_expr.args))
        case "list_expr":
            return 1 + sum(map(_weight, tree.list_expr.elements))
        case "struct_expr":
            entries = tree.struct_expr.entries
            return 2 + sum(_weight(each.map_key) + _weight(each.value) + 1 for each in entries)
        case "comprehension_expr":
            loop = tree.comprehension_expr
            return 5 + _weight(loop.iter_range) + _weight(loop.accu_init) + _weight(loop.result)
    return 1


def _appended(loop: Any) -> tuple[Expr | None, Expr] | None:
    """The condition and the element of a loop that map() or filter() makes: `accu + [element]`."""
    step, kept = loop.loop_step, None
    if _function(step) == "_?_:_" and _is_name(step.call_expr.args[2], loop.accu_var):
        kept, step, _ = step.call_expr.args
    if _function(step) != "_+_" or not _is_name(loop.result, loop.accu_var):
        return None
    accumulator, added = step.call_expr.args
    # A name that nobody can write: so neither condition nor element reads the half-made list.
    if not loop.accu_var.startswith("@") or not _is_name(accumulator, loop.accu_var):
        return None
    if added.WhichOneof("kind") != "list_expr" or len(added.list_expr.elements) != 1:
        return None
    return kept, added.list_expr.elements[0]


def _function(tree: Expr) -> str:
    return str(tree.call_expr.function) if tree.WhichOneof("kind") == "call_expr" else ""


def _is_name(tree: Expr, name: str) -> bool:
    return tree.WhichOneof("kind") == "ident_expr" and str(tree.ident_expr.name) == name


def _constant(constant: Any) -> Eval:
    kind = constant.WhichOneof("kind")
    value: Any = None if kind in (None, "null_value") else getattr(constant, kind)
    if kind == "uint64_value":
        value = Uint(value)
    return lambda run: value


def _variable(name: str, at: int) -> Eval:
    def variable(run: Run) -> Any:
        value = getattr(run.scope, name)
        if value is None and name == "now":
            raise _placed(Trouble("the time is not known here"), at)
        return value

    return variable


def _collect(range_of: Eval, kept: Eval | None, element: Eval, slot: int, weight: int, at: int) -> Eval:
    def collect(run: Run) -> Any:
        every = _elements(range_of(run), at)
        run.spend(len(every) * weight + 5)
        run.build(len(every) * ELEMENT + ELEMENT)
        made = []
        for each in every:
            run.slots[slot] = each
            if kept is not None:
                chosen = kept(run)
                if type(chosen) is not bool:
                    raise _placed(Trouble(f"the condition must be true or false, not {named(chosen)}"), at)
                if not chosen:
                    continue
            made.append(element(run))
        return made

    return collect


def _fold(
    range_of: Eval,
    initial: Eval,
    condition: Eval,
    step: Eval,
    result: Eval,
    accumulator: int,
    variable: int,
    weight: int,
    at: int,
) -> Eval:
    def fold(run: Run) -> Any:
        every = _elements(range_of(run), at)
        slots = run.slots
        slots[accumulator] = initial(run)
        for each in every:
            run.spend(weight)
            slots[variable] = each
            if condition(run) is False:
                break
            try:
                slots[accumulator] = step(run)
            except Trouble as trouble:  # exists() and all() may yet find an element that decides
                run.spend(4 * TROUBLE)
                slots[accumulator] = trouble
        return result(run)

    return fold


def _not_strictly_false(part: Eval) -> Eval:
    def not_strictly_false(run: Run) -> Any:
        try:
            return part(run) is not False
        except Trouble:
            run.spend(TROUBLE)
            return True

    return not_strictly_false


def _default(part: Eval, instead: Eval) -> Eval:
    def default(run: Run) -> Any:
        try:
            value = part(run)
        except Trouble as trouble:
            if not trouble.is_absent:
                raise
            run.spend(TROUBLE)
            return instead(run)
        return instead(run) if value is None else value

    return default


def _operation(operator: Callable[..., Any], parts: list[Eval], at: int) -> Eval:
    if len(parts) == 1:
        [only] = parts

        def unary(run: Run) -> Any:
            value = only(run)
            try:
                return operator(run, value)
            except Trouble as trouble:
                raise _placed(trouble, at) from None

        return unary
    left, right = parts

    def binary(run: Run) -> Any:
        one, other = left(run), right(run)
        try:
            return operator(run, one, other)
        except Trouble as trouble:
            raise _placed(trouble, at) from None

    return binary


def _invocation(function: functions.Function, parts: list[Eval], at: int) -> Eval:
    def invocation(run: Run) -> Any:
        arguments = [part(run) for part in parts]
        try:
            return function.call(run, arguments)
        except Trouble as trouble:
            raise _placed(trouble, at) from None

    return invocation


def _placed(trouble: Trouble, at: int) -> Trouble:
    if trouble.offset < 0:
        trouble.offset = at
    return trouble


def _elements(value: Any, at: int) -> list[Any]:
    try:
        return elements(value)
    except Trouble as trouble:
        raise _placed(trouble, at) from None


def _unnamed(at: int) -> Refused:
    return Refused(
        "a node must be named in the expression itself",
        at,
        'write node["Name"].json, so that it is known before the run what has to come first',
    )


def _optional(value: Any, at: int) -> Maybe:
    if isinstance(value, Maybe):
        return value
    raise _placed(Trouble(f"after ? an optional is needed, not {named(value)}", "write ?key: json.?key"), at)


def _select(value: Any, key: str, at: int) -> Any:
    if isinstance(value, Maybe):
        return _maybe_index(value, key, at)
    if isinstance(value, Mapping) and key in value:
        return value[key]
    if isinstance(value, Mapping):
        raise _placed(Absent(key, value), at)
    raise _placed(_no_key(value, key), at)


def _has(value: Any, key: str, at: int) -> bool:
    if isinstance(value, Maybe):
        return value.is_present and _has(value.value, key, at)
    if isinstance(value, Mapping):
        return key in value
    raise _placed(_no_key(value, key), at)


def _no_key(value: Any, key: str) -> Trouble:
    if value is None:
        hint = "where it may be null: default(json.a.b, value)"
        return Trouble(f"there is no key {key!r} in null", hint, is_absent=True)
    if key == "length":
        return Trouble(f"a {named(value)} has no key 'length'", "write size(value)")
    hint = "take an element first: list[0], list.map(x, x.key)" if isinstance(value, list) else ""
    return Trouble(f"there is no key {key!r} in a {named(value)}", hint)


def _index(value: Any, key: Any, at: int) -> Any:
    kind = type(value)
    if kind is list:
        if type(key) is float and key.is_integer():
            key = int(key)
        if type(key) not in (int, Uint):
            raise _placed(Trouble(f"a list is indexed by a whole number, not by {named(key)}"), at)
        if 0 <= key < len(value):
            return value[key]
        there = f"it has {len(value)}, numbered from 0" if value else "it is empty"
        hint = "list.last() is the last one; where there may be none: default(list[0], value)"
        raise _placed(Trouble(f"the list has no element {int(key)}; {there}", hint, is_absent=True), at)
    if kind is Maybe:
        return _maybe_index(value, key, at)
    if isinstance(value, Mapping):
        if not is_key(key):
            raise _placed(Trouble(f"a key is a text or a whole number, not {named(key)}"), at)
        if key in value:
            return value[key]
        raise _placed(Absent(key, value), at)
    if value is None:
        raise _placed(_no_key(value, str(key)), at)
    raise _placed(Trouble(f"a {named(value)} has no elements", "for a part of a text: text.substring(0, 1)"), at)


def _maybe_index(value: Any, key: Any, at: int) -> Maybe:
    if isinstance(value, Maybe):
        if not value.is_present:
            return NOTHING
        value = value.value
    if isinstance(value, Mapping) and is_key(key):
        return Maybe(True, value[key]) if key in value else NOTHING
    try:
        return Maybe(True, _index(value, key, at))
    except Trouble as trouble:
        if trouble.is_absent:
            return NOTHING
        raise
