"""What must hold of a database when everything has ended, whatever was done to the engine meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.chaos.load import Report
from benchmarks.chaos.peer import Peer
from workflow_engine.engine import machine
from workflow_engine.engine.events import AnyEvent, ExecutionEnded, ItemSucceeded, NodeSucceeded, decode
from workflow_engine.engine.items import Outputs
from workflow_engine.engine.planning import build
from workflow_engine.engine.state import address
from workflow_engine.models.store import ExecutionFilter, Status, Store
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import workflow_pb2 as pb


def audit(url: str, there: Peer, report: Report) -> None:
    """Compares what callers were told, what is stored and what the peer saw; differences become faults."""
    store = Store.open(url)
    rows = store.executions(ExecutionFilter(), limit=10_000_000)
    report.ended = len(rows)
    ids = {row.id for row in rows}
    report.faults += [f"{id} was acknowledged and is lost" for id in report.acknowledged if id not in ids]
    keys = Counter((row.workflow_id, row.idempotency_key) for row in rows if row.idempotency_key)
    report.faults += [f"{key} was started {count} times" for key, count in keys.items() if count > 1]
    children = Counter(row.parent_pk for row in rows if row.parent_pk is not None)
    plans: dict[str, Any] = {}
    for row in rows:
        if row.digest not in plans:
            plans[row.digest] = build(pb.Workflow.FromString(store.definition(row.digest) or b""), installed()).plan
        events = [decode(data) for _, data in store.read_events(row.pk, 1, 1_000_000)]
        report.faults += _faults(row.id, row.status, plans[row.digest], events, there)
        if children[row.pk] > 1:
            report.faults.append(f"{row.id} has {children[row.pk]} children; its workflow asks for one")
    # A call of an execution that nobody has stored would be an effect without a cause.
    strangers = {run.partition("/")[0] for run in there.calls} - ids
    report.faults += [f"{id} is not stored, but had effects" for id in strangers]
    store.close()


def _faults(id: str, status: Status, plan: Any, events: list[AnyEvent], there: Peer) -> list[str]:
    if status < Status.SUCCESS:
        return [f"{id} is {status.name}: it neither ended nor is anyone waiting for it"]
    faults = []
    if status is not Status.SUCCESS:
        faults.append(f"{id} ended as {status.name}; nothing that was asked of it can fail")
    if sum(isinstance(event, ExecutionEnded) for event in events) != 1 or not isinstance(events[-1], ExecutionEnded):
        faults.append(f"{id} did not end exactly once")
    state = machine.replay(plan, events)
    if state.status != status.name:
        faults.append(f"{id} is {status.name}, but its journal says {state.status}")
    for event in events:
        if isinstance(event, NodeSucceeded) and plan.node(event.node).kind.type == "action.http_request":
            run = f"{id}/{address(event.node, event.path)}"
            for index, call in enumerate(_calls(event.outputs)):
                faults += _repeated(f"{run}#{index}", call, there)
        elif isinstance(event, ItemSucceeded):
            [call] = _calls(event.outputs)
            faults += _repeated(f"{id}/{address(event.node, event.path)}#{event.index}", call, there)
    return faults


def _calls(outputs: Outputs) -> list[Any]:
    """Which call each recorded item is the answer to; None for an outcome that somebody has told."""
    return [item.json.get("call") for item in outputs.get("main", [])]


def _repeated(run: str, recorded: Any, there: Peer) -> list[str]:
    """An effect after the one whose answer is recorded, and a charge that the peer saw twice at any time."""
    calls = there.calls.get(run, [])
    faults = []
    if run.partition("#")[0].endswith("/charge") and len(calls) > 1:
        faults.append(f"{run} was charged {len(calls)} times")
    if recorded is not None and recorded != calls[-1]:
        faults.append(f"{run} was done again after its result was recorded: calls {calls}, recorded {recorded}")
    return faults
