"""The machine: what an execution does next. `apply` takes in what happened, `decide` says what to do.

Theory.

*Settling.* Every connection of an open frame settles once: it delivers items, or it is dead. A node starts when all
connections into it have settled and one delivered (a quorum join: when enough delivered); when all are dead it is
skipped and its own connections are dead. Since a scope is acyclic, every connection settles in the end, so a join never
hangs and never runs twice, whatever the order of completions.

*Frames.* A frame counts its unsettled nodes. At zero it closes: a loop's owner is asked for its next turn, a map opens
its next branch or hands on its results, the root ends the execution. Paths tell the frames of nested scopes apart.

*Failing.* A failure that its node does not handle fails the frame. It climbs from scope to scope, like an exception,
until an owner handles it (`on_error`, or a map that collects or drops) or it reaches the root and ends the execution.
What was running below is aborted on the way. Then completed nodes that name an undo are undone, last first.

*Replay.* `apply` is a function of the events alone. Applying the stored events again yields the same state, in which
every attempt without a stored outcome is scheduled anew, except an at-most-once attempt whose intent is stored.
"""

from __future__ import annotations

import heapq
import zlib

from msgspec.structs import replace

from workflow_engine.engine.events import (
    AnyEvent,
    AttemptFailed,
    AttemptStarted,
    CancelRequested,
    ChildEnded,
    ExecutionEnded,
    ExecutionStarted,
    ItemSucceeded,
    NodeExpanded,
    NodeIterated,
    NodeSucceeded,
    NodeSuspended,
    OutcomeResolved,
    OutcomeUnknown,
    PauseRequested,
    ResumeRequested,
    RunEvent,
    SignalReceived,
    StepSucceeded,
    TaskAnswered,
    TimerFired,
)
from workflow_engine.engine.items import Failure, Item, Items, Outputs, flat
from workflow_engine.engine.plan import ROOT, Link, Plan, PlanNode
from workflow_engine.engine.shape import DONE, ERROR, RETURN, Effect, JoinKind, Scope
from workflow_engine.engine.state import (
    Backoff,
    Canceled,
    Ending,
    Failed,
    Frame,
    Looping,
    Mapping,
    Parked,
    Perform,
    Ready,
    Resume,
    RunKey,
    Running,
    Scheduled,
    Skipped,
    StartChild,
    State,
    Succeeded,
    Waiting,
    Work,
    address,
)
from workflow_engine.engine.tasks import ANSWERED, CANCELED, EXPIRED, OPEN, Answer, Task, TaskChange, decision, settled

EXECUTION: RunKey = (ROOT, ())
"""The timer key of the execution's own deadline."""


def new(plan: Plan) -> State:
    """An execution that has not started."""
    return State(plan)


def replay(plan: Plan, events: list[AnyEvent]) -> State:
    """The state after `events`, ready for `decide`. What they once asked for is not asked for again."""
    state = new(plan)
    go_on(state, events)
    return state


def go_on(state: State, events: list[AnyEvent]) -> None:
    """Applies what a journal holds beyond `state`."""
    for event in events:
        apply(state, event)
        state.changes.clear()
    state.abort.clear()
    state.start.clear()
    state.tasks.clear()


def unknown_outcomes(state: State) -> list[RunKey]:
    """Runs whose at-most-once effect may or may not have happened when the process died; ask right after `replay`."""
    return [key for key, run in state.runs.items() if isinstance(run, Running) and run.intent]


def expects(state: State, event: AnyEvent) -> bool:
    """Whether `event` still means anything: an outcome that arrives after its run was aborted does not."""
    if state.status:
        return False
    match event:
        case NodeSucceeded() | AttemptFailed() | NodeSuspended() | NodeIterated() | NodeExpanded() | ItemSucceeded():
            run = state.runs.get(run_key(state, event))
            return isinstance(run, Running | Scheduled)
        case StepSucceeded():
            run = state.runs.get(run_key(state, event))
            return isinstance(run, Running | Scheduled) and event.key not in run.work.steps
        case OutcomeResolved():
            return isinstance(state.runs.get(run_key(state, event)), Parked)
        case OutcomeUnknown():
            return isinstance(state.runs.get(run_key(state, event)), Running)
        case ChildEnded():
            if event.result.id in state.draining:
                return True
            run = state.runs.get(run_key(state, event))
            if not isinstance(run, Waiting) or event.result.id not in run.children:
                return False
            return all(result.id != event.result.id for result in run.results)
        case TaskAnswered(answer=answer):
            run = state.runs.get(run_key(state, event))
            task = _task(run, answer.task) if isinstance(run, Waiting) else None
            if not isinstance(run, Waiting) or task is None:
                return False
            given = _answers(run, task)
            return not decision(task, given) and all(each.by != answer.by for each in given)
        case CancelRequested():
            return not state.canceling
        case PauseRequested():
            return not state.paused
        case ResumeRequested():
            return state.paused
        case _:
            return True


def waits_for(state: State, child: StartChild) -> bool:
    """Whether the run that asked for `child` still waits for it."""
    run = state.runs.get(child.key)
    return isinstance(run, Waiting) and child.spec.id in run.children


# what happened


def apply(state: State, event: AnyEvent) -> State:
    """Takes one event into `state`, in place, and returns it. Events that no longer mean anything change nothing."""
    take(state, event)
    return state


def take(state: State, event: AnyEvent) -> bool:
    """`apply`, for whoever has to know whether the event still meant anything."""
    if not expects(state, event):
        return False
    match event:
        case NodeSucceeded():
            _succeed(state, event)
        case AttemptFailed():
            _attempt_failed(state, event)
        case NodeIterated():
            _iterate(state, event)
        case NodeExpanded():
            _expand(state, event)
        case NodeSuspended():
            _suspend(state, event)
        case ItemSucceeded():
            _item_succeeded(state, event)
        case StepSucceeded():
            _step_succeeded(state, event)
        case AttemptStarted():
            _intend(state, event)
        case TimerFired():
            _timer_fired(state, event)
        case SignalReceived():
            _signal(state, event)
        case TaskAnswered():
            _task_answered(state, event)
        case ChildEnded():
            _child_ended(state, event)
        case ExecutionStarted():
            _start(state, event)
        case OutcomeUnknown():
            _outcome_unknown(state, event)
        case OutcomeResolved():
            _outcome_resolved(state, event)
        case CancelRequested():
            state.canceling = True
            state.paused = False
            _wind_down(state)
        case PauseRequested():
            state.paused = True
        case ResumeRequested():
            state.paused = False
        case ExecutionEnded():
            state.status = event.status
            state.failure = event.failure
    return True


def run_key(state: State, event: RunEvent) -> RunKey:
    """The run that `event` is about."""
    index = state.plan.by_id.get(event.node)
    return (ROOT if index is None else index, event.path)


def _start(state: State, event: ExecutionStarted) -> None:
    plan = state.plan
    state.execution_id, state.seed, state.started_at = event.execution_id, event.seed, event.at
    state.depth, state.input, state.trace = event.depth, event.input, event.trace
    state.reuse = {
        (plan.by_id[each.node], each.path, each.turn): each for each in event.reuse if each.node in plan.by_id
    }
    state.overrides = event.overrides
    if plan.timeout:
        _arm(state, event.at + plan.timeout, EXECUTION, "deadline")
    if event.only:
        index = plan.by_id[event.only]
        state.frames[ROOT, ()] = frame = Frame(ROOT, (), {}, 1)
        frame.active.add(index)
        _schedule(state, (index, ()), Work({"main": event.input}))
        return
    scope = plan.scopes[ROOT]
    state.frames[ROOT, ()] = frame = Frame(ROOT, (), dict(scope.inbound), len(scope.nodes))
    live = _entries(plan, event.trigger)
    state.trigger = live[0] if live and plan.nodes[live[0]].shape.is_trigger else ROOT
    dead: list[int] = []
    for index in plan.entries:
        del frame.waiting[index]
        if index in live:
            _begin(state, frame, plan.nodes[index], {"main": event.input})
        else:
            dead.append(index)
    for index in dead:
        _ended(state, (index, ()), Skipped())
        _settle_all(state, frame, plan.nodes[index], None)
    if not scope.nodes:
        state.closed = True


def _entries(plan: Plan, trigger: str) -> list[int]:
    """Where items enter: the trigger that fired, else the manual trigger, else the first, else every entry node."""
    if trigger in plan.by_id:
        return [plan.by_id[trigger]]
    triggers = [index for index in plan.entries if plan.nodes[index].shape.is_trigger]
    manual = [index for index in triggers if plan.nodes[index].kind.type == "trigger.manual"]
    return manual[:1] or triggers[:1] or list(plan.entries)


def _succeed(state: State, event: NodeSucceeded) -> None:
    key = run_key(state, event)
    node = state.plan.nodes[key[0]]
    for spec in event.spawned:
        state.start.append(StartChild(key, spec, detached=True))
    _complete(state, key, node, event.outputs, Succeeded(event.outputs, event.source))


def _complete(state: State, key: RunKey, node: PlanNode, outputs: Outputs, ending: Ending) -> None:
    _ended(state, key, ending)
    if state.undoing:
        _undo_next(state)
        return
    frame = _frame_of(state, key)
    frame.active.discard(key[0])
    if node.keeps_outputs:
        state.outputs[key] = outputs
    if node.undo >= 0:
        state.undo.append((node.undo, key[1], outputs.get("main", [])))
    if node.gives_result:
        state.results[node.index] = outputs
    _settle_all(state, frame, node, outputs)


def _frame_of(state: State, key: RunKey) -> Frame:
    return state.frames[state.plan.nodes[key[0]].scope, key[1]]


def _ended(state: State, key: RunKey, ending: Ending) -> None:
    state.runs.pop(key, None)
    state.changes.append((key, ending))


# settling


def _settle_all(state: State, frame: Frame, node: PlanNode, outputs: Outputs | None) -> None:
    """Settles every connection out of a node that has its outcome, and of the nodes that are skipped by it."""
    todo: list[tuple[PlanNode, Outputs | None]] = [(node, outputs)]
    while todo:
        node, outputs = todo.pop()
        frame.unsettled -= 1
        owns = node.shape.scope is not Scope.NONE
        for port, links in node.outgoing.items():
            if owns and port != DONE and port != ERROR:
                continue
            items = outputs.get(port) if outputs is not None else None
            for link in links:
                if skipped := _settle(state, frame, link, items):
                    todo.append((skipped, None))
    if frame.unsettled == 0:
        _close(state, frame)


def _settle(state: State, frame: Frame, link: Link, items: Items | None) -> PlanNode | None:
    """Settles one connection; returns its target when that is skipped."""
    if link.target == frame.owner and link.port == RETURN:
        if items is not None:
            frame.returned.append((link.ordinal, items))
        return None
    left = frame.waiting.get(link.target)
    if left is None:
        return None
    left -= 1
    frame.waiting[link.target] = left
    if items is not None:
        frame.inbox.setdefault(link.target, []).append((link.ordinal, link.port, items))
    node = state.plan.nodes[link.target]
    delivered = len(frame.inbox.get(link.target, ()))
    if node.shape.join.kind is JoinKind.QUORUM:
        if delivered >= node.shape.join.count:
            _join(state, frame, node)
            _cancel_feeds(state, frame, node)
        elif not left:
            return _skip(state, frame, node)
    elif not left:
        if not delivered:
            return _skip(state, frame, node)
        _join(state, frame, node)
    return None


def _skip(state: State, frame: Frame, node: PlanNode) -> PlanNode:
    del frame.waiting[node.index]
    frame.inbox.pop(node.index, None)
    _ended(state, (node.index, frame.path), Skipped())
    return node


def _join(state: State, frame: Frame, node: PlanNode) -> None:
    """Starts a node on what its connections delivered, in the order in which they are drawn."""
    del frame.waiting[node.index]
    deliveries = frame.inbox.pop(node.index)
    if len(deliveries) == 1:
        _, port, items = deliveries[0]
        _begin(state, frame, node, {port: items})
        return
    deliveries.sort(key=lambda delivery: delivery[0])
    inputs: Outputs = {}
    for _, port, items in deliveries:
        inputs[port] = inputs[port] + items if port in inputs else items
    _begin(state, frame, node, inputs)


def _begin(state: State, frame: Frame, node: PlanNode, inputs: Outputs) -> None:
    frame.active.add(node.index)
    key = (node.index, frame.path)
    if state.overrides and (edited := state.overrides.get(address(node.id, frame.path))) is not None:
        inputs = {"main": edited}
    _schedule(state, key, Work(inputs))


def _schedule(state: State, key: RunKey, work: Work) -> None:
    state.runs[key] = run = Scheduled(work)
    state.ready.append(key)
    state.changes.append((key, run))


def _cancel_feeds(state: State, frame: Frame, join: PlanNode) -> None:
    """The quorum is met: what leads only to it has lost its purpose."""
    for index in join.feeds_only:
        if index in frame.active:
            _abort(state, (index, frame.path))
            frame.active.discard(index)
        elif index in frame.waiting:
            del frame.waiting[index]
            frame.inbox.pop(index, None)
            state.changes.append(((index, frame.path), Canceled()))
        else:
            continue
        frame.unsettled -= 1


# scopes


def _iterate(state: State, event: NodeIterated) -> None:
    key = run_key(state, event)
    work = _work(state, key)
    collected: Items = []
    if state.plan.nodes[key[0]].shape.collects:
        collected = work.inputs.get("collected", [])
    state.runs[key] = run = Looping(replace(work, turn=event.turn), collected)
    state.changes.append((key, run))
    _open(state, key, event.turn, event.items)


def _expand(state: State, event: NodeExpanded) -> None:
    key = run_key(state, event)
    concurrency = max(event.concurrency, 1)
    run = Mapping(_work(state, key), event.batches, concurrency, event.on_failure, event.keep_order)
    state.runs[key] = run
    state.changes.append((key, run))
    _open_branches(state, key, run)


def _open_branches(state: State, key: RunKey, run: Mapping) -> None:
    """Opens as many branches as there is room for, and hands on the results when all have closed."""
    if run.opening:
        return
    run.opening = True
    while run.opened < len(run.batches) and len(run.open) < run.concurrency:
        index = run.opened
        run.opened += 1
        run.open.add(index)
        _open(state, key, index, run.batches[index])
    run.opening = False
    if not run.open and run.opened == len(run.batches):
        order = sorted(run.results) if run.keep_order else run.results
        outputs: Outputs = {DONE: [item for index in order for item in run.results[index]]}
        if run.failed:
            outputs[ERROR] = run.failed
        _complete(state, key, state.plan.nodes[key[0]], outputs, Succeeded(outputs, "scope"))


def _open(state: State, key: RunKey, index: int, items: Items) -> None:
    """Opens one frame of the scope that `key` owns and feeds `items` into its body."""
    owner = state.plan.nodes[key[0]]
    scope = state.plan.scopes[owner.index]
    path = (*key[1], index)
    frame = Frame(owner.index, path, scope.inbound.copy(), len(scope.nodes))
    state.frames[owner.index, path] = frame
    if owner.keeps_outputs:
        state.outputs[owner.index, path] = {"main": items}
    skipped: list[PlanNode] = []
    # A node outside the frame keeps it from closing while its entry connections settle.
    frame.unsettled += 1
    for port, links in owner.outgoing.items():
        if port != DONE and port != ERROR:
            for link in links:
                if dead := _settle(state, frame, link, items):
                    skipped.append(dead)
    for node in skipped:
        _settle_all(state, frame, node, None)
    frame.unsettled -= 1
    if frame.unsettled == 0:
        _close(state, frame)


def _close(state: State, frame: Frame) -> None:
    """Every node of the frame has its outcome."""
    if frame.owner == ROOT:
        state.closed = True
        return
    _drop(state, frame)
    key = (frame.owner, frame.path[:-1])
    run = state.runs[key]
    frame.returned.sort(key=lambda delivery: delivery[0])
    items = [item for _, delivered in frame.returned for item in delivered]
    if isinstance(run, Mapping):
        run.results[frame.path[-1]] = items
        run.open.discard(frame.path[-1])
        _open_branches(state, key, run)
    elif isinstance(run, Looping):
        inputs = {"main": run.work.inputs.get("main", []), RETURN: items}
        if state.plan.nodes[key[0]].shape.collects:
            inputs["collected"] = run.collected + items
        _schedule(state, key, Work(inputs, turn=run.work.turn + 1))


def _drop(state: State, frame: Frame) -> None:
    """Forgets a frame and the outputs that only its own nodes could name."""
    del state.frames[frame.owner, frame.path]
    if state.outputs:
        state.outputs.pop((frame.owner, frame.path), None)
        for index in state.plan.scopes[frame.owner].kept:
            state.outputs.pop((index, frame.path), None)


def _abandon(state: State, frame: Frame) -> None:
    """Stops everything in a frame whose outcome no longer matters."""
    for index in sorted(frame.active):
        _abort(state, (index, frame.path))
    _drop(state, frame)


def _abort(state: State, key: RunKey) -> None:
    run = state.runs.pop(key)
    state.changes.append((key, Canceled()))
    match run:
        case Running():
            state.abort.append(key)
        case Waiting():
            _stop_waiting(state, key, run)
        case Looping() | Mapping():
            _abandon_body(state, key, run)
        case _:
            pass


def _abandon_body(state: State, key: RunKey, run: Looping | Mapping) -> None:
    open_iterations = sorted(run.open) if isinstance(run, Mapping) else [run.work.turn]
    for index in open_iterations:
        if frame := state.frames.get((key[0], (*key[1], index))):
            _abandon(state, frame)


# failing


def _attempt_failed(state: State, event: AttemptFailed) -> None:
    key = run_key(state, event)
    node = state.plan.nodes[key[0]]
    work = _work(state, key)
    seed = zlib.crc32(f"{state.seed}:{address(node.id, key[1])}".encode())
    delay = node.retry.delay(work.attempt, event.failure, seed)
    if delay is None:
        _fail(state, key, event.failure)
        return
    until = event.at + delay
    state.runs[key] = run = Backoff(work, until, _arm(state, until, key, "retry"), event.failure)
    state.changes.append((key, run))


def _fail(state: State, key: RunKey, failure: Failure) -> None:
    """The run has failed for good: its node handles it, or its frame fails."""
    node = state.plan.nodes[key[0]]
    if state.undoing or node.on_error == "stop":
        _ended(state, key, Failed(failure))
        if state.undoing:
            _undo_next(state)
            return
        frame = _frame_of(state, key)
        frame.active.discard(key[0])
        _fail_frame(state, frame, failure)
        return
    port = ERROR if node.on_error == "error_port" else node.first_output
    outputs = {port: failed_items(_work(state, key).inputs, failure)}
    _complete(state, key, node, outputs, Failed(failure, outputs))


def failed_items(inputs: Outputs, failure: Failure) -> Items:
    """What an error port delivers: the input items, each with the failure under `error`."""
    items = [item for name, each in inputs.items() if name not in (RETURN, "collected") for item in each]
    shown = failure.as_json()
    return [
        Item({**item.json, "error": shown}, item.binary, (position,)) for position, item in enumerate(items or [Item()])
    ]


def _fail_frame(state: State, frame: Frame, failure: Failure) -> None:
    """A failure that nothing in the frame handled climbs to the frame's owner."""
    if frame.owner == ROOT:
        state.failure = failure
        _wind_down(state)
        return
    index = frame.path[-1]
    key = (frame.owner, frame.path[:-1])
    run = state.runs[key]
    _abandon(state, frame)
    if isinstance(run, Mapping):
        run.open.discard(index)
        if run.on_failure != "stop":
            run.results[index] = []
            if run.on_failure == "collect":
                run.failed.extend(failed_items({"main": run.batches[index]}, failure))
            _open_branches(state, key, run)
            return
    if isinstance(run, Looping | Mapping):
        _abandon_body(state, key, run)
    _fail(state, key, failure)


def _wind_down(state: State) -> None:
    """The execution can not succeed any more: stop what runs, then undo what was done."""
    if state.undoing or state.closed:
        return
    if frame := state.frames.get((ROOT, ())):
        for index in sorted(frame.active):
            _abort(state, (index, ()))
    state.frames.clear()
    state.ready.clear()
    if state.undo:
        state.undoing = True
        _undo_next(state)
    else:
        state.closed = True


def _undo_next(state: State) -> None:
    if not state.undo:
        state.undoing = False
        state.closed = True
        return
    index, path, items = state.undo.pop()
    _schedule(state, (index, path), Work({"main": items}))


# waiting


def _suspend(state: State, event: NodeSuspended) -> None:
    key = run_key(state, event)
    work = _work(state, key)
    token = _arm(state, event.until, key, "wait") if event.until is not None else 0
    state.runs[key] = run = Waiting(
        work,
        event.until,
        token,
        event.signal,
        tuple(spec.id for spec in event.children),
        (),
        event.detail,
        event.data,
        tuple(event.tasks),
    )
    state.changes.append((key, run))
    for task in event.tasks:
        state.tasks.append(TaskChange(event.node, event.path, task, OPEN))
    for spec in event.children:
        state.start.append(StartChild(key, spec, detached=False))
    if event.signal is not None:
        if letters := state.mailbox.get(event.signal):
            payload, sender = letters.pop(0)
            if not letters:
                del state.mailbox[event.signal]
            _resume(state, key, run, Resume("signal", payload, sender))
        else:
            state.signals.setdefault(event.signal, []).append(key)


def _resume(state: State, key: RunKey, run: Waiting, resume: Resume) -> None:
    _stop_waiting(state, key, run, EXPIRED if resume.kind == "timer" else CANCELED)
    outcome = [settled(task, run.answers) for task in run.tasks]
    _schedule(state, key, replace(run.work, resume=replace(resume, data=run.data, settled=outcome)))


def _stop_waiting(state: State, key: RunKey, run: Waiting, undecided: str = CANCELED) -> None:
    """`undecided` says what becomes of tasks that still want an answer."""
    for task in run.tasks:
        given = _answers(run, task)
        if not decision(task, given):
            state.tasks.append(TaskChange(state.plan.nodes[key[0]].id, key[1], task, undecided, given))
    if run.signal is not None and key in (waiting := state.signals.get(run.signal, [])):
        waiting.remove(key)
        if not waiting:
            del state.signals[run.signal]
    ended = {result.id for result in run.results}
    state.draining.update(child for child in run.children if child not in ended)


def _timer_fired(state: State, event: TimerFired) -> None:
    key = run_key(state, event)
    if key == EXECUTION:
        if not state.closed and not state.undoing and not state.canceling:
            state.failure = Failure(
                "EXECUTION_TIMEOUT",
                f"the execution did not end within {state.plan.timeout} ms",
                hint="raise settings.timeout, or find what it waited for in its node runs",
            )
            _wind_down(state)
        return
    match state.runs.get(key):
        case Backoff(work=work, token=token) if token == event.token:
            _schedule(state, key, replace(work, attempt=work.attempt + 1, resume=None))
        case Waiting(token=token) as run if token == event.token:
            _resume(state, key, run, Resume("timer"))
        case _:
            pass


def _signal(state: State, event: SignalReceived) -> None:
    for key in state.signals.get(event.name, ()):
        run = state.runs[key]
        wanted = not event.node or state.plan.nodes[key[0]].id == event.node
        if isinstance(run, Waiting) and wanted and event.path in (None, key[1]):
            _resume(state, key, run, Resume("signal", event.payload, event.sender))
            return
    state.mailbox.setdefault(event.name, []).append((event.payload, event.sender))


def _task_answered(state: State, event: TaskAnswered) -> None:
    key = run_key(state, event)
    run = state.runs[key]
    assert isinstance(run, Waiting), "expects has seen to it"
    task = _task(run, event.answer.task)
    assert task is not None, "expects has seen to it"
    state.runs[key] = run = replace(run, answers=(*run.answers, event.answer))
    given = _answers(run, task)
    status = ANSWERED if decision(task, given) else OPEN
    state.tasks.append(TaskChange(event.node, event.path, task, status, given))
    if all(decision(each, _answers(run, each)) for each in run.tasks):
        _resume(state, key, run, Resume("tasks", sender=event.answer.by))


def _task(run: Waiting, id: str) -> Task | None:
    return next((task for task in run.tasks if task.id == id), None)


def _answers(run: Waiting, task: Task) -> tuple[Answer, ...]:
    return tuple(answer for answer in run.answers if answer.task == task.id)


def _child_ended(state: State, event: ChildEnded) -> None:
    child = event.result.id
    if child in state.draining:
        state.draining.discard(child)
        return
    key = run_key(state, event)
    run = state.runs[key]
    assert isinstance(run, Waiting), "expects has seen to it"
    results = (*run.results, event.result)
    state.runs[key] = waiting = replace(run, results=results)
    if len(results) == len(run.children):
        order = {child: position for position, child in enumerate(run.children)}
        _resume(
            state,
            key,
            waiting,
            Resume("children", results=sorted(results, key=lambda result: order[result.id])),
        )


# attempts


def _item_succeeded(state: State, event: ItemSucceeded) -> None:
    key = run_key(state, event)
    work = state.runs[key].work
    _work_on(state, key, replace(work, done={**work.done, event.index: event.outputs}))


def _step_succeeded(state: State, event: StepSucceeded) -> None:
    key = run_key(state, event)
    work = state.runs[key].work
    _work_on(state, key, replace(work, steps={**work.steps, event.key: event.value}))


def _work_on(state: State, key: RunKey, work: Work) -> None:
    """The same attempt, which has come further."""
    run = state.runs[key]
    state.runs[key] = Running(work, run.intent) if isinstance(run, Running) else Scheduled(work)


def _intend(state: State, event: AttemptStarted) -> None:
    key = run_key(state, event)
    if (run := state.runs.get(key)) is not None:
        state.runs[key] = started = Running(run.work, intent=True)
        state.changes.append((key, started))


def _outcome_unknown(state: State, event: OutcomeUnknown) -> None:
    key = run_key(state, event)
    node = state.plan.nodes[key[0]]
    work = _work(state, key)
    match node.on_unknown:
        case "retry":
            _schedule(state, key, replace(work, attempt=work.attempt + 1))
        case "fail":
            _fail(state, key, _unknown(node))
        case _:
            state.runs[key] = run = Parked(work)
            state.changes.append((key, run))


def _unknown(node: PlanNode) -> Failure:
    return Failure(
        "OUTCOME_UNKNOWN",
        "the engine stopped between starting this attempt and storing its result",
        node.id,
        hint="look at the other side whether it happened, then resolve the attempt or retry the execution",
    )


def _outcome_resolved(state: State, event: OutcomeResolved) -> None:
    key = run_key(state, event)
    node = state.plan.nodes[key[0]]
    work = _work(state, key)
    match event.decision:
        case "succeeded":
            _complete(state, key, node, event.outputs, Succeeded(event.outputs, "resolved"))
        case "retry":
            _schedule(state, key, replace(work, attempt=work.attempt + 1))
        case _:
            _fail(state, key, _unknown(node))


def _work(state: State, key: RunKey) -> Work:
    return state.runs[key].work


def _arm(state: State, at: int, key: RunKey, kind: str) -> int:
    state.tokens += 1
    heapq.heappush(state.timers, (at, state.tokens, key, kind))
    return state.tokens


# what to do


def decide(state: State, now: int) -> Ready:
    """Everything that follows from the state at `now` (epoch milliseconds), already applied to it."""
    ready = Ready()
    if not state.status:
        if not state.paused:
            _fire_timers(state, now, ready)
            _start_runs(state, now, ready)
        if state.closed and not state.draining and not state.runs:
            _append(state, ready, ExecutionEnded(at=now, status=_status(state), failure=state.failure))
    if state.start:
        ready.start, state.start = state.start, []
    if state.abort:
        ready.abort, state.abort = state.abort, []
    if state.draining:
        ready.cancel_children = sorted(state.draining)
    if state.timers and not state.status and not state.paused:
        ready.wake_at = _next_timer(state)
    return ready


def _append(state: State, ready: Ready, event: AnyEvent) -> None:
    apply(state, event)
    ready.append.append(event)


def _status(state: State) -> str:
    if state.failure is not None:
        return "ERROR"
    return "CANCELED" if state.canceling else "SUCCESS"


def _fire_timers(state: State, now: int, ready: Ready) -> None:
    while state.timers and state.timers[0][0] <= now:
        _, token, key, kind = heapq.heappop(state.timers)
        if _is_armed(state, token, key):
            node = "" if key == EXECUTION else state.plan.nodes[key[0]].id
            _append(state, ready, TimerFired(at=now, node=node, path=key[1], kind=kind, token=token))


def _is_armed(state: State, token: int, key: RunKey) -> bool:
    if key == EXECUTION:
        return not state.closed
    match state.runs.get(key):
        case Backoff(token=held) | Waiting(token=held):
            return held == token
        case _:
            return False


def _next_timer(state: State) -> int | None:
    while state.timers and not _is_armed(state, state.timers[0][1], state.timers[0][2]):
        heapq.heappop(state.timers)
    return state.timers[0][0] if state.timers else None


def _start_runs(state: State, now: int, ready: Ready) -> None:
    while state.ready:
        key = state.ready.popleft()
        run = state.runs.get(key)
        if not isinstance(run, Scheduled):
            continue
        node = state.plan.nodes[key[0]]
        if (outcome := _known_outcome(state, key, node, run.work, now)) is not None:
            _append(state, ready, outcome)
            continue
        if node.shape.effect is Effect.AT_MOST_ONCE:
            attempt = AttemptStarted(at=now, node=node.id, path=key[1], attempt=run.work.attempt, turn=run.work.turn)
            _append(state, ready, attempt)
        else:
            state.runs[key] = running = Running(run.work)
            state.changes.append((key, running))
        ready.perform.append(Perform(key, node, run.work))


def _known_outcome(state: State, key: RunKey, node: PlanNode, work: Work, now: int) -> AnyEvent | None:
    """An outcome that needs no performing: pinned by a person, passed by a disabled node, or taken over."""
    if node.pinned is not None:
        outputs, source = node.pinned, "pinned"
    elif node.disabled:
        outputs, source = _passed(node, work.inputs), "disabled"
    elif state.reuse and (known := state.reuse.pop((*key, work.turn), None)) is not None:
        if isinstance(known, NodeSucceeded):
            # Children that nobody waited for were started then; they are not started again.
            return replace(known, at=now, attempt=work.attempt, started_at=now, source="reused", spawned=[], usage={})
        return replace(known, at=now)
    else:
        return None
    return NodeSucceeded(
        at=now,
        node=node.id,
        path=key[1],
        attempt=work.attempt,
        started_at=now,
        outputs=outputs,
        source=source,
        turn=work.turn,
    )


def _passed(node: PlanNode, inputs: Outputs) -> Outputs:
    """A disabled node hands its items to its first way out."""
    return {node.first_output: flat(inputs)}
