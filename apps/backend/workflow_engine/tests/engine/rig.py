"""A driver for stories: plays the part of the runtime, with time, outcomes and crashes decided by the test.

Pure nodes run for real. Two node types have no code of their own, so that a story says what becomes of them:
`action.task` (idempotent) and `action.charge` (at most once).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from google.protobuf import json_format
from pydantic import ConfigDict

from workflow_engine.engine import machine, snapshot
from workflow_engine.engine.events import (
    AnyEvent,
    AttemptFailed,
    CancelRequested,
    ChildEnded,
    ChildResult,
    ExecutionStarted,
    ItemSucceeded,
    NodeSucceeded,
    NodeSuspended,
    Outcome,
    OutcomeResolved,
    OutcomeUnknown,
    PauseRequested,
    ResumeRequested,
    SignalReceived,
    StepSucceeded,
    TaskAnswered,
    decode,
    encode,
)
from workflow_engine.engine.history import History
from workflow_engine.engine.items import Failure, Item, Items
from workflow_engine.engine.plan import Built, Plan
from workflow_engine.engine.planning import build
from workflow_engine.engine.shape import Effect
from workflow_engine.engine.state import Perform, StartChild, State, Waiting, address
from workflow_engine.engine.tasks import Answer, TaskChange, decision
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.perform import perform, run_now
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.nodes.spec import Call, Node, Parameters, Result
from workflow_engine.proto import workflow_pb2 as pb

START = 1_750_000_000_000
"""When every story begins, in epoch milliseconds."""


class AnyParameters(Parameters):
    model_config = ConfigDict(extra="allow")


class Task(Node[AnyParameters]):
    """Does what the story says."""

    type = "action.task"
    summary = "A step of a story."
    effect = Effect.IDEMPOTENT

    def run(self, call: Call[AnyParameters]) -> Result:
        raise AssertionError("the story decides")


class Charge(Task):
    """Must not be repeated."""

    type = "action.charge"
    summary = "A step that must not be repeated."
    effect = Effect.AT_MOST_ONCE


def catalogue() -> Registry:
    registry = Registry()
    for type in installed().types():
        node = installed().find(type)
        assert node
        registry.add(node)
    registry.add(Task())
    registry.add(Charge())
    return registry


def workflow(drawing: dict[str, Any]) -> pb.Workflow:
    """A workflow as stories draw it: proto JSON, with connections as `a.true -> b.input_1`."""
    drawn = dict(drawing)
    drawn["connections"] = [link for text in drawing.get("connections", []) for link in _links(text)]
    drawn.setdefault("id", "wf")
    drawn["nodes"] = [{"type": "action.task", **node} for node in drawing.get("nodes", [])]
    return json_format.ParseDict(drawn, pb.Workflow())


def _links(text: str) -> Iterable[dict[str, str]]:
    """`a -> b -> c.input_1` is two connections."""
    ends = [end.strip() for end in text.split("->")]
    for source, target in pairwise(ends):
        from_node, _, from_port = source.partition(".")
        to_node, _, to_port = target.partition(".")
        # A middle end names its input port; what leaves it is its main output.
        if source is not ends[0]:
            from_port = ""
        yield {
            "from_node": from_node,
            "from_port": from_port or "main",
            "to_node": to_node,
            "to_port": to_port or "main",
        }


def planned(drawing: dict[str, Any]) -> Plan:
    built: Built = build(workflow(drawing), catalogue())
    assert built.plan is not None, built.errors
    return built.plan


def items(records: Iterable[dict[str, Any]]) -> Items:
    return [Item(dict(record)) for record in records]


def records(items: Items) -> list[dict[str, Any]]:
    return [item.json for item in items]


class Rig:
    """One execution under a test's control."""

    def __init__(self, drawing: dict[str, Any] | Plan) -> None:
        self.plan = drawing if isinstance(drawing, Plan) else planned(drawing)
        self.now = START
        self.state: State = machine.new(self.plan)
        self.journal: list[bytes] = []
        self.outstanding: dict[str, Perform] = {}
        """Attempts that the runtime would be performing now, by address."""
        self.performed: list[str] = []
        """Every attempt that was ever handed out, `address#attempt`."""
        self.children: dict[str, StartChild] = {}
        self.cancelled_children: list[str] = []
        self.wake_at: int | None = None
        self.tasks: dict[str, TaskChange] = {}
        """The table of tasks, by id."""

    # what happens

    def start(
        self,
        input: Iterable[dict[str, Any]] = ({},),
        *,
        trigger: str = "",
        reuse: Iterable[Outcome] = (),
        overrides: dict[str, Items] | None = None,
        only: str = "",
        id: str = "ex",
    ) -> Rig:
        return self.feed(
            ExecutionStarted(
                at=self.now,
                execution_id=id,
                seed=7,
                input=items(input),
                trigger=trigger,
                reuse=list(reuse),
                overrides=overrides or {},
                only=only,
            )
        )

    def succeed(self, run: str, outputs: Any = None) -> Rig:
        """The attempt of `run` ends well; `outputs` are records for `main`, or records by port."""
        task = self._take(run)
        if outputs is None:
            given = {"main": [item for each in task.work.inputs.values() for item in each]}
        elif isinstance(outputs, dict):
            given = {port: items(each) for port, each in outputs.items()}
        else:
            given = {"main": items(outputs)}
        return self.feed(
            NodeSucceeded(
                at=self.now,
                node=task.node.id,
                path=task.key[1],
                attempt=task.work.attempt,
                started_at=self.now,
                outputs=given,
                turn=task.work.turn,
            )
        )

    def item_done(self, run: str, index: int, output: Iterable[dict[str, Any]]) -> Rig:
        task = self.outstanding[run]
        return self.feed(
            ItemSucceeded(
                at=self.now,
                node=task.node.id,
                path=task.key[1],
                attempt=task.work.attempt,
                index=index,
                outputs={"main": items(output)},
            )
        )

    def step_done(self, run: str, key: str, value: Any = None, **usage: int) -> Rig:
        task = self.outstanding[run]
        return self.feed(
            StepSucceeded(
                at=self.now,
                node=task.node.id,
                path=task.key[1],
                attempt=task.work.attempt,
                key=key,
                value=value,
                usage=dict(usage),
            )
        )

    def fail(self, run: str, reason: str = "BROKEN", *, retryable: bool = False, retry_after: int = 0) -> Rig:
        task = self._take(run)
        failure = Failure(reason, f"{run} is broken", run, retryable=retryable, retry_after=retry_after)
        return self.feed(
            AttemptFailed(
                at=self.now,
                node=task.node.id,
                path=task.key[1],
                attempt=task.work.attempt,
                started_at=self.now,
                failure=failure,
            )
        )

    def suspend(self, run: str, signal: str) -> Rig:
        """The attempt of `run` waits for a signal."""
        task = self._take(run)
        return self.feed(
            NodeSuspended(
                at=self.now,
                node=task.node.id,
                path=task.key[1],
                attempt=task.work.attempt,
                started_at=self.now,
                signal=signal,
            )
        )

    def pass_time(self, milliseconds: int) -> Rig:
        """Time passes; the driver comes back at each moment it was told to."""
        end = self.now + milliseconds
        while self.wake_at is not None and self.wake_at <= end:
            self.now = max(self.now, self.wake_at)
            self._drive()
        self.now = end
        return self

    def signal(self, name: str, payload: Any = None, **where: Any) -> Rig:
        return self.feed(SignalReceived(at=self.now, name=name, payload=payload, **where))

    def answer(self, run: str, by: str = "", key: str = "", **data: Any) -> Rig:
        """A person answers what `run` asks for."""
        node, path = parse(run)
        waiting = self.state.runs.get((self.plan.by_id[node], path))
        assert isinstance(waiting, Waiting), f"{run} does not wait"
        [task] = [each for each in waiting.tasks if each.key == key]
        answer = Answer(task=task.id, at=self.now, by=by, data=data)
        return self.feed(TaskAnswered(at=self.now, node=node, path=path, answer=answer))

    def cancel(self) -> Rig:
        return self.feed(CancelRequested(at=self.now))

    def pause(self) -> Rig:
        return self.feed(PauseRequested(at=self.now))

    def resume(self) -> Rig:
        return self.feed(ResumeRequested(at=self.now))

    def child_ends(
        self,
        child: str,
        status: str = "SUCCESS",
        output: Iterable[dict[str, Any]] = (),
        failure: Failure | None = None,
    ) -> Rig:
        spawned = self.children.pop(child)
        return self.feed(
            ChildEnded(
                at=self.now,
                node=self.plan.nodes[spawned.key[0]].id,
                path=spawned.key[1],
                result=ChildResult(id=child, status=status, output=items(output), failure=failure),
            )
        )

    def resolve(self, run: str, decision: str, output: Iterable[dict[str, Any]] = ()) -> Rig:
        node, path = parse(run)
        return self.feed(
            OutcomeResolved(at=self.now, node=node, path=path, decision=decision, outputs={"main": items(output)})
        )

    def crash(self) -> Rig:
        """The process dies and another one takes over: all that is left is the journal, or a snapshot of its end."""
        before = self._open_addresses()
        if len(self.events) % 2:
            self.state = machine.replay(self.plan, self.events)
        else:
            restored = snapshot.load(self.plan, snapshot.dump(self.state))
            assert restored is not None
            self.state = restored
        self.outstanding = {}
        for key in machine.unknown_outcomes(self.state):
            run = self.state.runs[key]
            self._append(
                OutcomeUnknown(at=self.now, node=self.plan.nodes[key[0]].id, path=key[1], attempt=run.work.attempt)
            )
        self._drive()
        lost = before - self._open_addresses() - self._open_addresses(self.state)
        assert not lost, f"a crash forgot {sorted(lost)}"
        return self

    def feed(self, event: AnyEvent) -> Rig:
        self._append(event)
        self._drive()
        return self

    # the driver

    @property
    def events(self) -> list[AnyEvent]:
        return [decode(data) for data in self.journal]

    def _append(self, event: AnyEvent) -> None:
        if machine.expects(self.state, event):
            self.journal.append(encode(event))
            machine.apply(self.state, event)
            self._note_tasks()

    def _drive(self) -> None:
        todo = True
        while todo:
            ready = machine.decide(self.state, self.now)
            self._note_tasks()
            self.journal += [encode(event) for event in ready.append]
            for key in ready.abort:
                self.outstanding.pop(self._address(key), None)
            for child in ready.start:
                self.children[child.spec.id] = child
            self.cancelled_children += [
                child for child in ready.cancel_children if child not in self.cancelled_children
            ]
            self.wake_at = ready.wake_at
            todo = False
            for task in ready.perform:
                self.performed.append(f"{self._address(task.key)}#{task.work.attempt}")
                if task.node.shape.effect is Effect.PURE:
                    context = Context(self.state.execution_id, self.plan.workflow_id, self.now, self.state.depth)
                    self._append(run_now(perform(self.state, task, context, lambda: self.now)))
                    todo = True
                else:
                    self.outstanding[self._address(task.key)] = task

    def _note_tasks(self) -> None:
        if not self.state.tasks and not self.tasks:
            return
        self.tasks |= {change.task.id: change for change in self.state.tasks}
        self.state.tasks.clear()
        wanted = {
            task.id
            for run in self.state.runs.values()
            if isinstance(run, Waiting)
            for task in run.tasks
            if not decision(task, [answer for answer in run.answers if answer.task == task.id])
        }
        listed = {id for id, change in self.tasks.items() if change.status == "open"}
        assert listed == wanted, "the table of tasks and the runs that wait disagree"

    def _take(self, run: str) -> Perform:
        assert run in self.outstanding, f"{run} is not running; these are: {sorted(self.outstanding)}"
        return self.outstanding.pop(run)

    def _address(self, key: tuple[int, tuple[int, ...]]) -> str:
        return address(self.plan.nodes[key[0]].id, key[1])

    def _open_addresses(self, state: State | None = None) -> set[str]:
        return {self._address(key) for key in (state or self.state).runs} | set(self.outstanding)

    # what can be seen

    @property
    def status(self) -> str:
        return self.history.status

    @property
    def output(self) -> list[dict[str, Any]]:
        return records(self.state.output)

    @property
    def history(self) -> History:
        return History.of(self.plan, self.events)

    def runs(self) -> dict[str, str]:
        """Every run's status by address."""
        return {record.address: record.status for record in self.history.runs.values()}

    def input(self, run: str, port: str = "main") -> list[dict[str, Any]]:
        """What a run was given."""
        node, path = parse(run)
        return records(self.history.runs[self.plan.by_id[node], path].inputs.get(port, []))


def parse(run: str) -> tuple[str, tuple[int, ...]]:
    """`node[0][3]` taken apart."""
    node, *indexes = run.replace("]", "").split("[")
    return node, tuple(int(index) for index in indexes)
