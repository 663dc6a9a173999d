"""What a node type is: a class that says its name, its parameters, its ports and its effect, and has one `run`.

    class Double(Node[DoubleParameters]):
        '''Doubles a number.'''

        type = "action.double"
        summary = "Doubles a number."

        def run(self, call: Call[DoubleParameters]) -> Result:
            return emit(call.item.json | {"doubled": call.parameters.value * 2})

A node without effects has a plain `run`; one that touches the world declares `effect` and has an `async def run`.
"""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar, get_args

import msgspec
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from workflow_engine.engine.events import ChildSpec
from workflow_engine.engine.items import Failure, Item, Items, Json, Outputs, flat
from workflow_engine.engine.plan import ParameterProblem, PlanNode
from workflow_engine.engine.shape import MAIN, TOOL, Effect, Port, RunMode, Scope, Shape
from workflow_engine.engine.state import Resume
from workflow_engine.engine.tasks import Task
from workflow_engine.nodes.context import Context
from workflow_engine.utils.closest import closest


class Parameters(BaseModel):
    """Base of every node's parameters: an unknown one is refused, because it is nearly always a typing mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    leading: ClassVar[tuple[str, ...]] = ()
    """Fields that people fill in first, by the names that they have in a schema; forms and pages begin with them."""

    @classmethod
    def place(cls, name: str, *, required: bool) -> int:
        """Where a field stands; those of the same place stand as they are written, a base's before its own."""
        return cls.leading.index(name) if name in cls.leading else len(cls.leading)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        part = handler.resolve_ref_schema(schema)
        if "properties" in part:
            required = part.get("required", ())
            names = sorted(part["properties"], key=lambda name: cls.place(name, required=name in required))
            part["properties"] = {name: part["properties"][name] for name in names}
        return schema


class NoParameters(Parameters):
    """A node that needs to be told nothing."""


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True)
class CredentialSlot:
    """A credential that a node takes."""

    name: str
    """The slot's name in `Node.credentials`."""
    types: tuple[str, ...]
    """Credential types that fit, e.g. `http_bearer`."""
    required: bool = False


# results


class Emit(msgspec.Struct, frozen=True, gc=False):
    """The run is done; a port that is absent is dead."""

    outputs: Outputs
    spawn: list[ChildSpec] = []
    """Executions to start along with this result; nobody waits for them."""
    usage: dict[str, Json] = {}
    response: dict[str, Json] = {}
    """For a caller who waits for the items: `status` and `headers` of an HTTP response."""


class Suspend(msgspec.Struct, frozen=True, gc=False):
    """The run waits; `run` is called again with `call.resume` when the first of these happens."""

    until: int | None = None
    """Epoch milliseconds."""
    signal: str | None = None
    children: list[ChildSpec] = []
    detail: str = ""
    """For the status: what is waited for, in words."""
    data: dict[str, Json] = {}
    """Given back in `call.resume.data`."""
    tasks: list[Task] = []
    """What to ask of people; when all are decided, or time is up, `call.resume.settled` tells what became of each."""


class Iterate(msgspec.Struct, frozen=True, gc=False):
    """For a loop: open the next iteration with these items."""

    items: Items


class Expand(msgspec.Struct, frozen=True, gc=False):
    """For a map: open one branch for each batch."""

    batches: list[Items]
    concurrency: int
    on_failure: str
    keep_order: bool = True


Result: TypeAlias = Emit | Suspend | Iterate | Expand


def emit(*records: Item | dict[str, Json], port: str = "main") -> Emit:
    """A result on one port."""
    return Emit({port: [record if isinstance(record, Item) else Item(record) for record in records]})


class NodeFailure(Exception):
    """Raised by a node's code to fail its attempt in words that help. `retryable` when trying again may work."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        field: str = "",
        hint: str = "",
        retryable: bool = False,
        retry_after: int = 0,
        details: dict[str, Json] | None = None,
        cause: Failure | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = Failure(
            reason,
            message,
            field=field,
            hint=hint,
            retryable=retryable,
            retry_after=retry_after,
            details=details or {},
            cause=cause,
        )


class Steps:
    """What a run that takes many steps has done so far, such as an agent's calls of its model and its tools.

    A step is stored before `put` returns, and given back after a crash, a retry or a wait: code that looks here first
    does no step twice. Names are the code's own.
    """

    def __init__(
        self,
        done: dict[str, Json] | None = None,
        record: Callable[[str, Json, dict[str, Json]], Awaitable[None]] | None = None,
    ) -> None:
        self._done = done if done is not None else {}
        self._record = record

    def __contains__(self, key: str) -> bool:
        return key in self._done

    def get(self, key: str) -> Json:
        """What the step gave; None when it has not been done."""
        return self._done.get(key)

    def within(self, name: str) -> Steps:
        """The steps of one part of the work: their names are told apart from those of others by `name`."""
        prefix = f"{name}:"
        done = {key.removeprefix(prefix): value for key, value in self._done.items() if key.startswith(prefix)}
        return Steps(done, lambda key, value, usage: self.put(prefix + key, value, usage))

    async def put(self, key: str, value: Json, usage: dict[str, Json] | None = None) -> None:
        """Stores what a step gave, and what it consumed."""
        if key in self._done:
            return
        self._done[key] = value
        if self._record:
            await self._record(key, value, usage or {})


class Call(msgspec.Struct, Generic[P]):
    """One invocation of a node's code."""

    parameters: P
    """Resolved: no `{{ }}` is left in them."""
    node: PlanNode
    context: Context
    inputs: Outputs
    """Input items by port."""
    index: int = 0
    """For a per-item node, the position of `item` among the inputs."""
    item: Item = Item()
    """For a per-item node, its item; otherwise the first input item, or an empty one."""
    turn: int = 0
    """For a scope's owner, the iteration it is asked for."""
    resume: Resume | None = None
    """Set when the run was suspended and goes on."""
    attempt: int = 1
    path: tuple[int, ...] = ()
    idempotency_key: str = ""
    """The same at every attempt of the same work; give it to peers that deduplicate."""
    steps: Steps = msgspec.field(default_factory=Steps)
    """What this run has done so far, when it takes many steps."""
    parts: Mapping[str, Sequence[Part]] = {}
    """What is bound to the node's resource ports, by port, in the order in which it was connected."""

    def part(self, port: str) -> Part | None:
        """The one part that is bound to a port, or None."""
        return next(iter(self.parts.get(port, ())), None)

    @property
    def items(self) -> Items:
        """All input items, ports in the order they are declared."""
        return flat(self.inputs)


@dataclass(frozen=True, slots=True)
class Part:
    """A node that another one binds: a model, a memory, a tool. It runs only when its binder calls it.

    model = call.part("model")
    answer = await model.kind.chat(model.call(), messages)   # whatever its kind of part can do
    """

    node: PlanNode
    calling: Callable[[dict[str, Json] | None, str], Call[Any]]

    @property
    def kind(self) -> Node[Any]:
        """Its node type."""
        assert isinstance(self.node.kind, Node)
        return self.node.kind

    def call(self, from_ai: dict[str, Json] | None = None, key: str = "") -> Call[Any]:
        """A call for the part's own code: its parameters resolved for the binder's item, its own credentials and parts.

        `from_ai` are the arguments that a model gave, `key` sets this use apart from other ones of the same attempt in
        the idempotency key. Raises ExpressionError, and NodeFailure INVALID_PARAMETER.
        """
        return self.calling(from_ai, key)


TOOL_FAMILIES = ("action", "external_action")


class Node(Generic[P]):
    """Base of every node type. Subclass it, set the class attributes, write `run`. Instances hold no state."""

    type: ClassVar[str]
    """`family.kind`, e.g. `action.http_request`."""
    version: ClassVar[int] = 1
    name: ClassVar[str] = ""
    """For people; by default made from `type`."""
    summary: ClassVar[str]
    """One line."""
    example: ClassVar[dict[str, Json]] = {}
    """Parameters that work."""
    effect: ClassVar[Effect] = Effect.PURE
    run_mode: ClassVar[RunMode] = RunMode.PER_ITEM
    inputs: ClassVar[tuple[Port, ...]] = (MAIN,)
    outputs: ClassVar[tuple[Port, ...]] = (MAIN,)
    scope: ClassVar[Scope] = Scope.NONE
    is_trigger: ClassVar[bool] = False
    credentials: ClassVar[tuple[CredentialSlot, ...]] = ()
    literals: ClassVar[frozenset[str]] = frozenset()
    """Parameters in which `{{` has no meaning of ours, such as code or a template in another language."""
    parameters: ClassVar[builtins.type[Parameters]]
    """Found from the class's type argument."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Parameters):
                    cls.parameters = argument
        if "name" not in cls.__dict__ and "type" in cls.__dict__:
            cls.name = cls.type.partition(".")[2].replace("_", " ").capitalize()

    def run(self, call: Call[P]) -> Result | Awaitable[Result]:
        """Does the node's work; see `Call` and `Result`. Raises NodeFailure."""
        raise NotImplementedError

    def shape(self, parameters: dict[str, Any]) -> Shape:
        """The node's structure under raw `parameters`; override it where they decide the ports."""
        return Shape(
            inputs=self.inputs,
            outputs=(*self.outputs, TOOL) if self.is_action else self.outputs,
            effect=self.effect,
            run_mode=self.run_mode,
            scope=self.scope,
            is_trigger=self.is_trigger,
        )

    def shaped(self, *, effect: Effect, run_mode: RunMode | None = None) -> Shape:
        """The usual structure with another effect, for a `shape` that goes by the parameters."""
        usual = Node.shape(self, {})
        return replace(usual, effect=effect, run_mode=run_mode or usual.run_mode)

    @property
    def is_action(self) -> bool:
        """It does one thing to an item and is done, so that an agent can use it as a tool; see nodes.tools."""
        return (
            self.type.partition(".")[0] in TOOL_FAMILIES
            and not self.is_trigger
            and self.scope is Scope.NONE
            and self.inputs == (MAIN,)
        )

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        """What is wrong with raw parameters. A value that holds an expression is checked when it has been resolved."""
        try:
            self.parameters.model_validate(parameters)
        except ValidationError as failed:
            has_expressions = _holds_expression(parameters)
            return [
                _suggesting(problem(error, parameters), error, self.parameters)
                for error in failed.errors(include_url=False)
                if not _waits_for_expression(error, has_expressions)
            ]
        return ()

    @property
    def starter(self) -> dict[str, Json]:
        """Parameters that a new node begins with, so that it can be stored as it is."""
        fields = self.parameters.model_fields.items()
        required = {field.alias or name for name, field in fields if field.is_required()}
        least = {name: value for name, value in self.example.items() if name in required}
        return self.example if self.check(least) else least

    @property
    def help(self) -> str:
        """The class docstring: what the node does, its caveats, its guarantees."""
        return inspect.cleandoc(self.__doc__ or "")


def _suggesting(problem: ParameterProblem, error: Any, model: type[BaseModel]) -> ParameterProblem:
    """For a name that does not exist, the one that was meant."""
    if error["type"] != "extra_forbidden":
        return problem
    known = set(model.model_fields)
    if len(error["loc"]) > 1:
        inside = model.model_json_schema().get("$defs", {}).values()
        known = {name for each in inside for name in each.get("properties", ())}
    name = str(error["loc"][-1])
    return replace(problem, suggestion=closest(name, sorted(known)) or problem.suggestion)


_EXPRESSION = re.compile(r"\{\{")


def _holds_expression(value: Any) -> bool:
    match value:
        case str():
            return _EXPRESSION.search(value) is not None
        case dict():
            return any(_holds_expression(each) for each in value.values())
        case list():
            return any(_holds_expression(each) for each in value)
        case _:
            return False


def _waits_for_expression(error: Any, has_expressions: bool) -> bool:
    if error["type"] == "extra_forbidden":
        return False
    if isinstance(error["input"], str):
        return _holds_expression(error["input"])
    # A rule about the whole model may depend on what an expression yields; a missing member does not.
    return has_expressions and error["type"] in ("value_error", "assertion_error")


def _path(location: tuple[str | int, ...], value: Any) -> Iterator[str | int]:
    """The way to a field. Pydantic also names the variant that it chose on the way, which people did not write."""
    for position, part in enumerate(location):
        if isinstance(value, dict) and part not in value and position < len(location) - 1:
            continue
        yield part
        match value:
            case dict():
                value = value.get(part)
            case list() if isinstance(part, int) and part < len(value):
                value = value[part]
            case _:
                value = None


def problem(error: Any, value: Any = None) -> ParameterProblem:
    """A Pydantic error in our words. `value` is what was validated; it tells names of fields from those of variants."""
    place = ""
    for part in _path(error["loc"], value):
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    match error["type"]:
        case "missing":
            return ParameterProblem(place, f"{place} is required", code="MISSING_PARAMETER")
        case "extra_forbidden":
            return ParameterProblem(place, f"there is no parameter {place!r}", "remove it", "UNKNOWN_PARAMETER")
        case "string_too_short" if error["ctx"]["min_length"] == 1:
            return ParameterProblem(place, f"{place or 'parameters'}: must not be empty")
        case _:
            return ParameterProblem(place, f"{place or 'parameters'}: {error['msg']}")


__all__ = [
    "Call",
    "CredentialSlot",
    "Effect",
    "Emit",
    "Expand",
    "Field",
    "Item",
    "Items",
    "Iterate",
    "Json",
    "NoParameters",
    "Node",
    "NodeFailure",
    "Outputs",
    "Parameters",
    "Port",
    "Result",
    "Resume",
    "RunMode",
    "Scope",
    "Shape",
    "Steps",
    "Suspend",
    "emit",
]
