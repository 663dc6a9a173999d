"""Runs one attempt of a node: resolves its parameters, calls its code, turns the result into an event.

Both runtimes use it. It touches the world only through the `Context` it is given.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError

from workflow_engine.core.redaction import SHORTEST_IN_DATA, Redactor
from workflow_engine.engine.events import (
    AnyEvent,
    AttemptFailed,
    NodeExpanded,
    NodeIterated,
    NodeSucceeded,
    NodeSuspended,
    encode,
)
from workflow_engine.engine.expressions import ExpressionError, Scope
from workflow_engine.engine.history import added
from workflow_engine.engine.items import Failure, Item, Items, Json, Outputs, flat
from workflow_engine.engine.machine import failed_items
from workflow_engine.engine.plan import PlanNode
from workflow_engine.engine.shape import ERROR, RETURN, Effect, PortKind, RunMode, Shape
from workflow_engine.engine.state import Perform, State, address
from workflow_engine.engine.tasks import Task
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.spec import (
    Call,
    Emit,
    Expand,
    Iterate,
    Node,
    NodeFailure,
    Parameters,
    Part,
    Result,
    Steps,
    Suspend,
    problem,
)

T = TypeVar("T")
ItemDone = Callable[[int, Outputs], Coroutine[Any, Any, None]]
"""Called when one item of several is done, before the next one starts."""
StepDone = Callable[[str, Json, dict[str, Json]], Coroutine[Any, Any, None]]
"""Called with name, value and usage when one step of a run is done; returns when it is stored."""


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never has to wait, such as the attempt of a pure node."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("a node that says it is pure awaited something; it must declare its effect")


async def perform(
    state: State,
    task: Perform,
    context: Context,
    clock: Callable[[], int],
    on_item: ItemDone | None = None,
    on_step: StepDone | None = None,
) -> AnyEvent:
    """Runs one attempt and returns its outcome, whatever happens; only cancellation passes through."""
    started_at = context.now
    run = _Attempt(state, task, context, on_item, on_step)
    try:
        # A pure node never waits, and runs outside any task, where asyncio knows no timeout.
        if task.node.timeout and task.node.shape.effect is not Effect.PURE:
            async with asyncio.timeout(task.node.timeout / 1000):
                result = await run.result()
        else:
            result = await run.result()
    except Exception as error:
        return AttemptFailed(
            at=clock(),
            node=task.node.id,
            path=task.key[1],
            attempt=task.work.attempt,
            started_at=started_at,
            failure=run.failure(error),
        )
    return _event(context, task, result, started_at, clock())


def unresolved(state: State, task: Perform, context: Context) -> Failure | None:
    """Why an attempt would fail before its code is called: a parameter of some item that can not be resolved."""
    run = _Attempt(state, task, context, None, None)
    try:
        for index, item in enumerate(run.items or [Item()]):
            run.parameters(item, index)
    except Exception as error:
        return run.failure(error)
    return None


def prepared(state: State, task: Perform, context: Context) -> Call[Any]:
    """The call that an attempt's code would get for its first item, with its parts. Raises what `unresolved` tells."""
    run = _Attempt(state, task, context, None, None)
    item = run.items[0] if run.items else Item()
    return run.part_call(task.node, item, 0, None, f"{context.execution_id}:{run.address}")


def storable(task: Perform, outcome: AnyEvent) -> tuple[AnyEvent, bytes]:
    """An attempt's outcome and its stored form; where it has none, the failure that says so.

    A node's code may put anything into its items: an object, an integer of a hundred digits, half a character.
    """
    try:
        return outcome, encode(outcome)
    except Exception as error:
        told = f"{type(error).__name__}: {error}".encode(errors="replace").decode()
        failure = Failure(
            "NODE_CRASHED",
            f"the attempt ended, but what it gave can not be stored as JSON: {told}",
            address(task.node.id, task.key[1]),
            hint="give text, numbers of up to 64 bits, booleans, lists, objects and null",
        )
        started_at = getattr(outcome, "started_at", outcome.at)
        failed = AttemptFailed(
            at=outcome.at,
            node=task.node.id,
            path=task.key[1],
            attempt=task.work.attempt,
            started_at=started_at,
            failure=failure,
        )
        return failed, encode(failed)


def without_secrets(failure: Failure, handed_out: Redactor) -> Failure:
    """The failure as it may be stored and shown."""
    return msgspec.structs.replace(
        failure,
        message=handed_out.text(failure.message),
        hint=handed_out.text(failure.hint),
        details=handed_out.value(failure.details),
        cause=without_secrets(failure.cause, handed_out) if failure.cause else None,
    )


def failure_of(error: Exception, node: PlanNode) -> Failure:
    """What went wrong, for the one who must act."""
    match error:
        case NodeFailure():
            return error.failure
        case ExpressionError():
            return Failure("EXPRESSION_FAILED", error.message, field=error.field, hint=error.hint)
        case ValidationError():
            return _invalid(error).failure
        case TimeoutError():
            return Failure(
                "TIMEOUT",
                f"the attempt took longer than {node.timeout} ms" if node.timeout else "the peer took too long",
                hint="raise the node's timeout, or give it a retry policy",
                retryable=True,
            )
        case _:
            return Failure(
                "NODE_CRASHED",
                f"{type(error).__name__}: {error}",
                hint=f"this is a fault in the node type {node.kind.type}; its log has the traceback",
            )


def _invalid(error: ValidationError, value: Any = None) -> NodeFailure:
    first = problem(error.errors(include_url=False)[0], value)
    return NodeFailure("INVALID_PARAMETER", first.message, field=first.field, hint=first.suggestion)


def _event(context: Context, task: Perform, result: Result, started_at: int, at: int) -> AnyEvent:
    node, path, attempt = task.node.id, task.key[1], task.work.attempt
    match result:
        case Emit():
            return NodeSucceeded(
                at=at,
                node=node,
                path=path,
                attempt=attempt,
                started_at=started_at,
                outputs=result.outputs,
                spawned=result.spawn,
                turn=task.work.turn,
                usage=result.usage,
                response=result.response,
            )
        case Suspend():
            return NodeSuspended(
                at=at,
                node=node,
                path=path,
                attempt=attempt,
                started_at=started_at,
                until=result.until,
                signal=result.signal,
                children=result.children,
                detail=result.detail,
                data=result.data,
                tasks=[_with_id(context, task, asked) for asked in result.tasks],
            )
        case Iterate():
            return NodeIterated(at=at, node=node, path=path, turn=task.work.turn, items=result.items)
        case Expand():
            return NodeExpanded(
                at=at,
                node=node,
                path=path,
                batches=result.batches,
                concurrency=result.concurrency,
                on_failure=result.on_failure,
                keep_order=result.keep_order,
            )


def _with_id(context: Context, task: Perform, asked: Task) -> Task:
    """The task with an id that is the same each time the attempt asks for it."""
    work = task.work
    where = f"{context.execution_id}:{address(task.node.id, task.key[1])}:{work.turn}:{work.attempt}:{asked.key}"
    return msgspec.structs.replace(asked, id="task_" + hashlib.sha256(where.encode()).hexdigest()[:26])


class _Attempt:
    def __init__(
        self, state: State, task: Perform, context: Context, on_item: ItemDone | None, on_step: StepDone | None
    ) -> None:
        self.state, self.task, self.context = state, task, context
        self.on_item, self.on_step = on_item, on_step
        self.node = task.node
        self.address = address(task.node.id, task.key[1])
        kind = task.node.kind
        assert isinstance(kind, Node)
        self.kind: Node[Parameters] = kind
        self.inputs = _in_port_order(task.work.inputs, task.node.shape)
        # A loop's later turns are about what the last iteration returned.
        seen = {RETURN: self.inputs.get(RETURN, [])} if task.work.turn else self.inputs
        self.items = flat(seen)
        self._shown: list[dict[str, Any]] | None = None
        self._views: dict[str, tuple[Items, dict[str, Any]]] = {}
        """What expressions see of other nodes, the same for every item."""

    def failure(self, error: Exception) -> Failure:
        """What went wrong, where, and without secrets."""
        told = without_secrets(failure_of(error, self.node), self.context.handed_out)
        return msgspec.structs.replace(told, node=self.address)

    async def result(self) -> Result:
        if self.node.shape.run_mode is RunMode.PER_ITEM and self.task.work.resume is None:
            if len(self.items) == 1:
                return _with_lineage(await self.routed(self.items[0], 0), 0)
            return await self.each_item()
        item = self.items[0] if self.items else Item()
        return await self.call(item, 0)

    async def each_item(self) -> Result:
        outputs: Outputs = {}
        usage: dict[str, Json] = {}
        for index, item in enumerate(self.items):
            if (done := self.task.work.done.get(index)) is None:
                result = _with_lineage(await self.routed(item, index), index)
                if not isinstance(result, Emit) or result.spawn:
                    raise NodeFailure(
                        "NODE_CRASHED",
                        f"{self.kind.type} runs per item, so it may only emit; it gave {result}",
                    )
                done = result.outputs
                usage = added(usage, result.usage)
                if self.on_item:
                    await self.on_item(index, done)
            for port, items in done.items():
                outputs.setdefault(port, []).extend(items)
        if not self.items:
            ports = [port.name for port in self.node.shape.outputs if port.kind is PortKind.DATA and port.name != ERROR]
            if len(ports) == 1:
                outputs[ports[0]] = []
        return Emit(outputs, usage=usage)

    async def routed(self, item: Item, index: int) -> Result:
        """One item's result; a final failure goes to where `on_error` sends single items."""
        try:
            return await self.call(item, index)
        except Exception as error:
            failure = self.failure(error)
            if self.node.on_error == "stop" or self.node.retry.delay(self.task.work.attempt, failure, 0) is not None:
                raise
            port = ERROR if self.node.on_error == "error_port" else self.node.first_output
            return Emit({port: failed_items({"main": [item]}, failure)})

    async def call(self, item: Item, index: int) -> Result:
        work = self.task.work
        key = f"{self.context.execution_id}:{self.address}"
        if work.turn:
            key += f":{work.turn}"
        prefix = ""
        if len(self.items) > 1 and self.node.shape.run_mode is RunMode.PER_ITEM:
            key += f":{index}"
            prefix = f"{index}:"
        result = self.kind.run(
            Call(
                parameters=self.parameters(item, index),
                node=self.node,
                context=self.context,
                inputs=self.inputs,
                index=index,
                item=item,
                turn=work.turn,
                resume=work.resume,
                attempt=work.attempt,
                path=self.task.key[1],
                idempotency_key=key,
                steps=self.steps(prefix) if self.node.shape.effect is not Effect.PURE else Steps(),
                parts=self.parts(self.node, item, index, key) if self.node.parts else {},
            )
        )
        return self.told(result if isinstance(result, Result) else await result)

    def told(self, result: Result) -> Result:
        """The result without the secrets that the attempt was given: some peers repeat what they were sent."""
        secrets = self.context.handed_out
        if secrets.is_empty:
            return result
        match result:
            case Emit():
                outputs = {port: [_masked(item, secrets) for item in items] for port, items in result.outputs.items()}
                return msgspec.structs.replace(result, outputs=outputs)
            case Suspend():
                return msgspec.structs.replace(result, data=secrets.value(result.data, SHORTEST_IN_DATA))
            case _:
                return result

    def parts(self, binder: PlanNode, item: Item, index: int, key: str) -> dict[str, list[Part]]:
        """What `binder` binds, ready to be called for one item."""

        def part(node: PlanNode) -> Part:
            def calling(from_ai: dict[str, Any] | None, use: str) -> Call[Any]:
                return self.part_call(node, item, index, from_ai, f"{key}/{node.id}" + (f":{use}" if use else ""))

            return Part(node, calling)

        nodes = self.state.plan.nodes
        return {port: [part(nodes[bound]) for bound in parts] for port, parts in binder.parts.items()}

    def part_call(
        self, node: PlanNode, item: Item, index: int, from_ai: dict[str, Any] | None, key: str
    ) -> Call[Parameters]:
        kind = node.kind
        assert isinstance(kind, Node)
        return Call(
            parameters=self.resolved(node, kind, item, index, from_ai),
            node=node,
            context=self.context,
            inputs={"main": [item]},
            index=index,
            item=item,
            attempt=self.task.work.attempt,
            path=self.task.key[1],
            idempotency_key=key,
            parts=self.parts(node, item, index, key),
        )

    def steps(self, prefix: str) -> Steps:
        """The steps of one item; those of several are told apart by a prefix."""
        done, on_step = self.task.work.steps, self.on_step
        mine = {key.removeprefix(prefix): value for key, value in done.items() if key.startswith(prefix)}
        if on_step is None:
            return Steps(mine)
        secrets = self.context.handed_out
        return Steps(
            mine, lambda key, value, usage: on_step(prefix + key, secrets.value(value, SHORTEST_IN_DATA), usage)
        )

    def parameters(self, item: Item, index: int) -> Parameters:
        # A tool that is tried by itself finds the arguments in its item.
        return self.resolved(self.node, self.kind, item, index, None if self.node.is_flow else item.json)

    def resolved(
        self, node: PlanNode, kind: Node[Parameters], item: Item, index: int, from_ai: dict[str, Any] | None
    ) -> Parameters:
        if node.prepared is not None:
            return node.prepared  # type: ignore[no-any-return]
        resolved = node.template.resolve(self.scope(item, index, from_ai))
        try:
            parameters = kind.parameters.model_validate(resolved)
        except ValidationError as error:
            raise _invalid(error, resolved) from None
        if node.template.is_static:
            node.prepared = parameters
        return parameters

    def scope(self, item: Item, index: int, from_ai: dict[str, Any] | None = None) -> Scope:
        state, path = self.state, self.task.key[1]
        if self._shown is None:
            self._shown = [shown(each) for each in self.items]
        return Scope(
            json=item.json,
            item=self._shown[index] if self._shown else {"json": item.json, "binary": {}},
            items=self._shown,
            node=lambda name: self.view(name, index),
            vars=state.plan.vars,
            execution={
                "id": state.execution_id,
                "started_at": datetime.fromtimestamp(state.started_at / 1000, UTC).isoformat(),
                "depth": state.depth,
            },
            workflow={"id": state.plan.workflow_id, "timezone": state.plan.timezone},
            now=datetime.fromtimestamp(self.context.now / 1000, UTC),
            run={
                "index": path[-1] if path else 0,
                "path": list(path),
                "turn": self.task.work.turn,
                "attempt": self.task.work.attempt,
                "item_index": index,
            },
            from_ai=from_ai,
        )

    def view(self, name: str, index: int) -> Mapping[str, Any] | None:
        """What an expression sees of another node; None while it has not delivered anything."""
        if name not in self._views:
            outputs = self.state.lookup(name, self.task.key[1])
            if outputs is None:
                return None
            shown_outputs = {port: [shown(item) for item in items] for port, items in outputs.items()}
            view = {"items": [each for port in shown_outputs.values() for each in port], "outputs": shown_outputs}
            self._views[name] = [item for items in outputs.values() for item in items], view
        items, view = self._views[name]
        # Paired by position when the counts agree, as for a chain of per-item nodes; else the first item speaks.
        position = index if len(items) == len(self.items) and index < len(items) else 0
        paired = items[position] if items else Item()
        return {**view, "json": paired.json, "item": shown(paired)}


def _in_port_order(inputs: Outputs, shape: Shape) -> Outputs:
    """Inputs as the ports are declared, whatever order the connections were drawn in; lineage counts them so."""
    if len(inputs) == 1:
        return inputs
    declared = [port.name for port in shape.inputs if port.name in inputs]
    return {name: inputs[name] for name in [*declared, *(name for name in inputs if name not in declared)]}


def shown(item: Item) -> dict[str, Any]:
    """An item as expressions see it."""
    return {
        "json": item.json,
        "binary": {slot: msgspec.structs.asdict(ref) for slot, ref in item.binary.items()},
    }


def _masked(item: Item, secrets: Redactor) -> Item:
    return msgspec.structs.replace(item, json=secrets.value(item.json, SHORTEST_IN_DATA))


def _with_lineage(result: Result, index: int) -> Result:
    """Items that do not say where they come from come from the item that the code was called with."""
    if not isinstance(result, Emit):
        return result
    outputs = {port: _from(items, (index,)) for port, items in result.outputs.items()}
    return msgspec.structs.replace(result, outputs=outputs)


def _from(items: Items, sources: tuple[int, ...]) -> Items:
    return [item if item.sources == sources else Item(item.json, item.binary, sources) for item in items]
